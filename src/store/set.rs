//! The members of one set.

use std::ops::Range;

use ahash::RandomState;

use super::table::{END, Table};

/// Most members of a set that is a plain list: where looking at each costs less than a table would weigh.
const LIST_MEMBERS: usize = 16;

/// A set's members: a list while there are few, a table from then on. A set that has become a table stays
/// one, so that a set around the border doesn't change its form with each command.
#[derive(Debug)]
pub(crate) struct Set(Form);

#[derive(Debug)]
enum Form {
    List(Vec<Box<[u8]>>),
    Table(Table<Box<[u8]>>),
}

impl Set {
    /// A set without members.
    pub(crate) const fn new() -> Self {
        Self(Form::List(Vec::new()))
    }

    /// The number of members.
    pub(crate) fn len(&self) -> usize {
        match &self.0 {
            Form::List(members) => members.len(),
            Form::Table(members) => members.len(),
        }
    }

    /// Whether `member`, which has this hash, is in the set.
    pub(crate) fn contains(&self, hash: u64, member: &[u8]) -> bool {
        match &self.0 {
            Form::List(members) => members.iter().any(|m| **m == *member),
            Form::Table(members) => members.get(hash, |m| **m == *member).is_some(),
        }
    }

    /// Puts a member into the set. Returns whether it was missing.
    pub(crate) fn insert(&mut self, hash: u64, member: &[u8], hasher: &RandomState) -> bool {
        if self.contains(hash, member) {
            return false;
        }
        match &mut self.0 {
            Form::List(members) if members.len() < LIST_MEMBERS => {
                members.reserve_exact(1);
                members.push(member.into());
            }
            Form::List(members) => {
                let mut table = Table::new();
                for listed in members.drain(..) {
                    table.insert(hash_of(hasher, &listed), listed, |m| hash_of(hasher, m));
                }
                table.insert(hash, member.into(), |m| hash_of(hasher, m));
                self.0 = Form::Table(table);
            }
            Form::Table(members) => members.insert(hash, member.into(), |m| hash_of(hasher, m)),
        }
        true
    }

    /// Takes a member out of the set. Returns whether it was there.
    pub(crate) fn remove(&mut self, hash: u64, member: &[u8], hasher: &RandomState) -> bool {
        match &mut self.0 {
            Form::List(members) => {
                let place = members.iter().position(|m| **m == *member);
                place.map(|place| members.swap_remove(place)).is_some()
            }
            Form::Table(members) => {
                members.remove(hash, |m| **m == *member, |m| hash_of(hasher, m)).is_some()
            }
        }
    }

    /// All members, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let (list, table) = match &self.0 {
            Form::List(members) => (Some(members), None),
            Form::Table(members) => (None, Some(members)),
        };
        list.into_iter().flatten().chain(table.into_iter().flat_map(Table::iter)).map(|member| &**member)
    }

    /// Visits members from position `cursor` on until it has visited `least` or there are no more; returns
    /// the positions that were visited. A list is visited whole.
    pub(crate) fn scan(
        &self,
        cursor: u64,
        least: usize,
        hasher: &RandomState,
        mut visit: impl FnMut(&[u8]),
    ) -> Range<u64> {
        match &self.0 {
            Form::List(members) => {
                for member in members {
                    visit(member);
                }
                cursor..END
            }
            Form::Table(members) => {
                members.scan(cursor, least, |m| hash_of(hasher, m), |member| visit(member))
            }
        }
    }
}

/// The hash of a key or a member. Slices, boxes and shared bytes of the same content have the same hash.
pub(crate) fn hash_of(hasher: &RandomState, bytes: &[u8]) -> u64 {
    hasher.hash_one(bytes)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn members(set: &Set) -> BTreeSet<Vec<u8>> {
        set.iter().map(<[u8]>::to_vec).collect()
    }

    #[test]
    fn it_holds_what_was_inserted_and_not_removed_as_list_and_as_table() {
        let hasher = RandomState::new();
        for len in [0, 1, LIST_MEMBERS, LIST_MEMBERS + 1, 5_000] {
            let mut set = Set::new();
            let names: Vec<_> = (0..len).map(|i| format!("m{i}").into_bytes()).collect();
            for name in &names {
                assert!(set.insert(hash_of(&hasher, name), name, &hasher));
                assert!(!set.insert(hash_of(&hasher, name), name, &hasher));
            }
            assert_eq!(set.len(), len);
            assert_eq!(members(&set), names.iter().cloned().collect());
            for name in &names {
                assert!(set.contains(hash_of(&hasher, name), name));
                assert!(set.remove(hash_of(&hasher, name), name, &hasher));
                assert!(!set.contains(hash_of(&hasher, name), name));
            }
            assert_eq!(set.len(), 0);
        }
    }

    fn set_of(len: usize, hasher: &RandomState) -> Set {
        let mut set = Set::new();
        for i in 0..len {
            let name = format!("m{i}");
            set.insert(hash_of(hasher, name.as_bytes()), name.as_bytes(), hasher);
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
                cursor = set.scan(cursor, 1, &hasher, |m| assert!(met.insert(m.to_vec()), "met twice")).end;
            }
            assert_eq!(met, members(&set));
        }
    }

    #[test]
    fn a_list_is_walked_in_one_step() {
        let hasher = RandomState::new();
        let set = set_of(LIST_MEMBERS, &hasher);
        assert_eq!(set.scan(0, 1, &hasher, |_| {}), 0..END, "it may be a table at the next");
    }
}
