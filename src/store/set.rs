//! The members of one set.

use std::ops::Range;

use ahash::RandomState;

use super::entry::Entry;
use super::lap::{Lap, Stamp};
use super::packing::{Name, NameView};
use super::processor::prefetch;
use super::rows::{ROW_BYTES, Rows};
use super::table::{END, Fate, Fetch, Gathered, Probe, Table, position};
use crate::expiry::Expiry;

/// Most members of a set that is a plain list: where looking at each costs less than a table would weigh.
const LIST_MEMBERS: usize = 16;

/// A set's members: a list while there are few, a table from then on. A set that has become a table stays
/// one, so that a set around the border doesn't change its form with each command.
///
/// A member that is due stays until it is swept, and until then only the functions that are told the time leave
/// it out.
#[derive(Debug)]
pub(crate) struct Set(Form);

#[derive(Debug)]
enum Form {
    List(Vec<Member>),
    Table {
        members: Box<Table<Member>>,
        /// What their names take in the journal, all together.
        name_bytes: usize,
    },
}

/// A member, when it ends, and when it was written.
pub(super) type Member = Entry;

const _: () = assert!(size_of::<Set>() == 24);

impl Set {
    /// A set without members.
    pub(crate) const fn new() -> Self {
        Self(Form::List(Vec::new()))
    }

    /// When the first member ends, at the earliest.
    pub(crate) fn earliest(&self) -> Expiry {
        match &self.0 {
            Form::List(members) => members.iter().map(Member::expiry).min().unwrap_or(Expiry::NEVER),
            Form::Table { members, .. } => members.earliest(),
        }
    }

    /// The number of members, those included that are due and not swept yet.
    pub(crate) fn len(&self) -> usize {
        match &self.0 {
            Form::List(members) => members.len(),
            Form::Table { members, .. } => members.len(),
        }
    }

    /// The rows that say all members.
    pub(super) fn rows(&self) -> Rows {
        let name_bytes = match &self.0 {
            Form::List(members) => members.iter().map(Member::row_len).sum(),
            Form::Table { name_bytes, .. } => *name_bytes,
        };
        Rows { count: self.len(), bytes: self.len() * ROW_BYTES + name_bytes }
    }

    /// The number of members at this time.
    pub(crate) fn len_at(&self, now_ms: i64) -> usize {
        let is_due = |member: &Member| member.expiry().is_due(now_ms);
        let due = match &self.0 {
            Form::List(members) => members.iter().filter(|member| is_due(member)).count(),
            Form::Table { members, .. } => members.count_due(now_ms, is_due),
        };
        self.len() - due
    }

    /// Whether there are no members at this time.
    pub(crate) fn is_empty_at(&self, now_ms: i64) -> bool {
        let is_due = |member: &Member| member.expiry().is_due(now_ms);
        match &self.0 {
            Form::List(members) => members.iter().all(is_due),
            Form::Table { members, .. } => members.is_all_due(now_ms, is_due),
        }
    }

    /// When the member of this name ends; none, if it is not in the set.
    pub(crate) fn expiry_of(&self, member: &Name<'_>) -> Option<Expiry> {
        self.stamp_of(member).map(Stamp::expiry)
    }

    /// Has the processor fetch what an insertion of this hash is going to read, without waiting for it.
    pub(super) fn fetch(&self, hash: u64, what: Fetch) {
        match &self.0 {
            Form::List(members) => members.first().into_iter().for_each(prefetch),
            Form::Table { members, .. } => members.fetch(hash, what),
        }
    }

    /// The first step of looking up this hash. None for a list: it is looked at as a whole.
    #[inline]
    pub(super) fn probe(&self, hash: u64) -> Option<Probe<'_, Member>> {
        match &self.0 {
            Form::List(members) => {
                members.first().into_iter().for_each(prefetch);
                None
            }
            Form::Table { members, .. } => Some(members.probe(hash)),
        }
    }

    /// The same, and when it was written.
    pub(super) fn stamp_of(&self, member: &Name<'_>) -> Option<Stamp> {
        let found = match &self.0 {
            Form::List(members) => members.iter().find(|m| m.is(member)),
            Form::Table { members, .. } => members.get(member.hash(), |m| m.is(member)),
        };
        found.map(Member::stamp)
    }

    /// Has a member be in the set, with this end and written in this lap.
    pub(super) fn put(&mut self, member: &Name<'_>, stamp: Stamp, hasher: &RandomState) {
        let new = || Member::new(member, stamp);
        match &mut self.0 {
            Form::List(members) => {
                if let Some(found) = members.iter_mut().find(|m| m.is(member)) {
                    found.set_stamp(stamp);
                } else if members.len() < LIST_MEMBERS {
                    members.reserve_exact(1);
                    members.push(new());
                } else {
                    self.make_table(hasher);
                    self.put(member, stamp, hasher);
                }
            }
            Form::Table { members, name_bytes } => {
                let set_stamp = |found: &mut Member| found.set_stamp(stamp);
                if members.update(member.hash(), |m| m.is(member), set_stamp).is_none() {
                    *name_bytes += member.packed().row_len();
                    members.insert(member.hash(), new(), |m| m.hash(hasher));
                }
            }
        }
    }

    /// Has all of these be in the set, one behind the other. It is a table from then on.
    pub(super) fn put_all(&mut self, gathered: &mut Gathered<Member>, hasher: &RandomState) {
        self.make_table(hasher);
        if let Form::Table { members, name_bytes } = &mut self.0 {
            let is_same = |one: &Member, other: &Member| one.packed() == other.packed();
            members.put_all(gathered, is_same, |m| m.hash(hasher), |new| *name_bytes += new.row_len());
        }
    }

    fn make_table(&mut self, hasher: &RandomState) {
        let Form::List(members) = &mut self.0 else { return };
        let mut table = Box::new(Table::new());
        let mut name_bytes = 0;
        for member in members.drain(..) {
            name_bytes += member.row_len();
            table.insert(member.hash(hasher), member, |m| m.hash(hasher));
        }
        self.0 = Form::Table { members: table, name_bytes };
    }

    /// Says that a member was written in this lap.
    pub(super) fn restamp(&mut self, member: &Name<'_>, lap: Lap) {
        let restamp = |found: &mut Member| found.set_stamp(Stamp::new(found.expiry(), lap));
        match &mut self.0 {
            Form::List(members) => members.iter_mut().filter(|m| m.is(member)).for_each(restamp),
            Form::Table { members, .. } => {
                members.update(member.hash(), |m| m.is(member), restamp);
            }
        }
    }

    /// The members, if they are so few that they are a list; some may be due.
    pub(super) fn as_list(&self) -> Option<&[Member]> {
        match &self.0 {
            Form::List(members) => Some(members),
            Form::Table { .. } => None,
        }
    }

    /// Takes a member out of the set, if it is there.
    pub(crate) fn remove(&mut self, member: &Name<'_>, hasher: &RandomState) {
        match &mut self.0 {
            Form::List(members) => {
                if let Some(place) = members.iter().position(|m| m.is(member)) {
                    members.swap_remove(place);
                }
            }
            Form::Table { members, name_bytes } => {
                if members.remove(member.hash(), |m| m.is(member), |m| m.hash(hasher)).is_some() {
                    *name_bytes -= member.packed().row_len();
                }
            }
        }
    }

    /// Takes members out that are due, as far as `budget` allows: for a table, a segment of it costs one.
    pub(crate) fn sweep(
        &mut self,
        now_ms: i64,
        budget: &mut usize,
        hasher: &RandomState,
        mut take: impl FnMut(Member),
    ) {
        match &mut self.0 {
            Form::List(members) => members.extract_if(.., |m| m.expiry().is_due(now_ms)).for_each(take),
            Form::Table { members, name_bytes } => {
                let hash_of = |m: &Member| m.hash(hasher);
                let take = |member: Member| {
                    *name_bytes -= member.row_len();
                    take(member);
                };
                members.sweep(now_ms, budget, hash_of, |_, _| Fate::Remove, take);
            }
        }
    }

    /// Some members from position `cursor` on, those included that are due, with their positions; and the position
    /// behind them.
    pub(crate) fn members_from(&self, cursor: u64, hasher: &RandomState) -> (Vec<(u64, &Member)>, u64) {
        let hash_of = |member: &Member| member.hash(hasher);
        match &self.0 {
            Form::List(members) => {
                let members = members.iter().map(|member| (position(hash_of(member)), member));
                (members.filter(|(at, _)| *at >= cursor).collect(), END)
            }
            Form::Table { members, .. } => members.segment_from(cursor, hash_of),
        }
    }

    /// The members at this time, in no order.
    pub(crate) fn iter(&self, now_ms: i64) -> impl Iterator<Item = &Member> {
        let (list, table) = match &self.0 {
            Form::List(members) => (Some(members), None),
            Form::Table { members, .. } => (None, Some(members)),
        };
        let all = list.into_iter().flatten().chain(table.into_iter().flat_map(|table| table.iter()));
        all.filter(move |member| !member.expiry().is_due(now_ms))
    }

    /// A member, each with the same chance; it may be due. None, if there are none.
    pub(crate) fn random(&self) -> Option<&Member> {
        match &self.0 {
            Form::List(members) => members.get(fastrand::usize(..members.len().max(1))),
            Form::Table { members, .. } => members.random(),
        }
    }

    /// Visits the members at this time from position `cursor` on until it has visited `least` or there are no more;
    /// returns the positions that were visited. A list is visited whole.
    pub(crate) fn scan(
        &self,
        (cursor, least): (u64, usize),
        now_ms: i64,
        hasher: &RandomState,
        mut visit: impl FnMut(NameView<'_>),
    ) -> Range<u64> {
        let mut visit = |member: &Member| {
            if !member.expiry().is_due(now_ms) {
                visit(member.view());
            }
        };
        match &self.0 {
            Form::List(members) => {
                members.iter().for_each(visit);
                cursor..END
            }
            Form::Table { members, .. } => members.scan(cursor, least, |m| m.hash(hasher), &mut visit),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const NOW_MS: i64 = 1_000;

    fn members(set: &Set) -> BTreeSet<Vec<u8>> {
        set.iter(NOW_MS).map(|member| member.text().to_vec()).collect()
    }

    fn put(set: &mut Set, name: &str, expiry: Expiry, hasher: &RandomState) {
        let stamp = Stamp::new(expiry, Lap::default());
        set.put(&Name::new(name.as_bytes(), hasher), stamp, hasher);
    }

    fn expiry_of(set: &Set, name: &str, hasher: &RandomState) -> Option<Expiry> {
        set.expiry_of(&Name::new(name.as_bytes(), hasher))
    }

    /// Numbered members, every other of which is due.
    fn half_due(len: usize, hasher: &RandomState) -> Set {
        let mut set = Set::new();
        for i in 0..len {
            let expiry = Expiry::at_ms(if i % 2 == 0 { NOW_MS } else { NOW_MS + 1 });
            put(&mut set, &format!("m{i}"), expiry, hasher);
        }
        set
    }

    #[test]
    fn it_holds_what_was_put_and_not_removed_as_list_and_as_table() {
        let hasher = RandomState::new();
        for len in [0, 1, LIST_MEMBERS, LIST_MEMBERS + 1, 5_000] {
            let mut set = set_of(len, &hasher);
            assert_eq!(set.len(), len);
            let names: Vec<_> = (0..len).map(|i| format!("m{i}")).collect();
            assert_eq!(members(&set), names.iter().map(|name| name.clone().into_bytes()).collect());
            for name in &names {
                assert_eq!(expiry_of(&set, name, &hasher), Some(Expiry::NEVER));
                set.remove(&Name::new(name.as_bytes(), &hasher), &hasher);
                assert_eq!(expiry_of(&set, name, &hasher), None);
            }
            assert_eq!(set.len(), 0);
        }
    }

    #[test]
    fn a_member_that_is_put_again_has_its_new_expiry() {
        let hasher = RandomState::new();
        for len in [1, LIST_MEMBERS + 1] {
            let mut set = set_of(len, &hasher);
            put(&mut set, "m0", Expiry::at_ms(5), &hasher);
            assert_eq!(expiry_of(&set, "m0", &hasher), Some(Expiry::at_ms(5)));
            assert_eq!((set.len(), set.earliest()), (len, Expiry::at_ms(5)));
        }
    }

    #[test]
    fn what_is_due_is_neither_counted_nor_shown_before_it_is_swept() {
        let hasher = RandomState::new();
        for len in [2, LIST_MEMBERS, 5_000] {
            let mut set = half_due(len, &hasher);
            assert_eq!(
                (set.len_at(NOW_MS - 1), set.len_at(NOW_MS), set.len_at(NOW_MS + 1)),
                (len, len / 2, 0)
            );
            assert_eq!(members(&set).len(), len / 2);
            assert!(!set.is_empty_at(NOW_MS) && set.is_empty_at(NOW_MS + 1));
            let mut shown = 0;
            set.scan((0, usize::MAX), NOW_MS, &hasher, |_| shown += 1);
            assert_eq!(shown, len / 2);
            set.sweep(NOW_MS, &mut { usize::MAX }, &hasher, drop);
            assert_eq!((set.len(), set.earliest()), (len / 2, Expiry::at_ms(NOW_MS + 1)));
        }
    }

    fn set_of(len: usize, hasher: &RandomState) -> Set {
        let mut set = Set::new();
        for i in 0..len {
            put(&mut set, &format!("m{i}"), Expiry::NEVER, hasher);
        }
        set
    }

    #[test]
    fn a_walk_meets_each_member_once_in_a_list_and_in_a_table() {
        let hasher = RandomState::new();
        for len in [1, LIST_MEMBERS, LIST_MEMBERS + 1, LIST_MEMBERS * 100] {
            let set = set_of(len, &hasher);
            let mut met = BTreeSet::new();
            let mut cursor = 0;
            while cursor < END {
                let visit = |m: NameView<'_>| assert!(met.insert(m.text().to_vec()), "met twice");
                cursor = set.scan((cursor, 1), NOW_MS, &hasher, visit).end;
            }
            assert_eq!(met, members(&set));
        }
    }

    #[test]
    fn a_list_is_walked_in_one_step() {
        let hasher = RandomState::new();
        let set = set_of(LIST_MEMBERS, &hasher);
        assert_eq!(set.scan((0, 1), NOW_MS, &hasher, |_| {}), 0..END, "it may be a table at the next");
    }
}
