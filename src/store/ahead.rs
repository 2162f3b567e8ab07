//! Many look-ups at once.
//!
//! In a store that is larger than the processor's caches, a look-up is little more than waiting: for the head of a segment,
//! then for its tags, and for the entry. Each can't be asked for before the one before it is there; but those of one
//! look-up have nothing to do with those of another. So the look-ups of a pipeline go side by side, all of them one step
//! before any of them the next, and the processor fetches for many at the same time.
//!
//! What comes of it is kept until the requests ask for it, in their order. What they ask for beside that is looked up then:
//! a wrong guess costs time, and nothing else.

use std::array;
use std::cell::Cell;
use std::ptr;

use super::keyspace::{Key, Keyspace};
use super::packing::Name;
use super::set::{Member, Set};
use super::table::Probe;
use crate::expiry::{Expires, Expiry};
use crate::limits::LOOKUPS_AHEAD;

/// A key that a request looks up, and perhaps a member of the set there.
pub type Wanted<'a> = (&'a [u8], Option<&'a [u8]>);

/// Look-ups that were made ahead, all of one moment.
#[derive(Debug)]
pub struct Ahead<'a> {
    database: u8,
    now_ms: i64,
    found: [Found<'a>; LOOKUPS_AHEAD],
    /// So many were made.
    len: usize,
    /// The one that was asked for last.
    at: Cell<usize>,
}

/// Something that was not looked up ahead.
pub(super) struct NotLookedUp;

/// What came of one.
#[derive(Debug, Clone, Copy)]
struct Found<'a> {
    wanted: Wanted<'a>,
    /// The key, if it is there.
    key: Option<&'a Key>,
    /// When the member ends, which may have been; none, if it is not in the set.
    member: Option<Expiry>,
}

/// What is looked up.
struct Names<'a> {
    /// None, if it is that of the look-up before.
    key: Option<Name<'a>>,
    member: Option<Name<'a>>,
}

type Lookups<'a> = [Option<Names<'a>>; LOOKUPS_AHEAD];

impl<'a> Ahead<'a> {
    /// Looks up the first [`LOOKUPS_AHEAD`] of these at this time.
    pub(super) fn new(
        keyspace: &'a Keyspace,
        (database, now_ms): (u8, i64),
        mut wanted: impl Iterator<Item = Wanted<'a>>,
    ) -> Self {
        let mut found = [const { Found { wanted: (&[], None), key: None, member: None } }; LOOKUPS_AHEAD];
        let (mut slots, mut before) = (found.iter_mut(), None);
        let names = array::from_fn(|_| {
            let wanted @ (key, member) = wanted.next()?;
            slots.next()?.wanted = wanted;
            let is_same = before.replace(key) == Some(key);
            let key = (!is_same).then(|| keyspace.name(key));
            Some(Names { key, member: member.map(|member| keyspace.name(member)) })
        });
        let len = LOOKUPS_AHEAD - slots.len();
        find_keys(keyspace, (database, now_ms), &names, &mut found);
        find_members(&names, &mut found);
        Self { database, now_ms, found, len, at: Cell::new(0) }
    }

    /// What was looked up for this very text: the key, if it is there.
    pub(super) fn key(
        &self,
        (database, now_ms): (u8, i64),
        name: &[u8],
    ) -> Result<Option<&'a Key>, NotLookedUp> {
        if (database, now_ms) != (self.database, self.now_ms) {
            return Err(NotLookedUp);
        }
        self.next(|found| ptr::eq(found.wanted.0, name)).map(|found| found.key)
    }

    /// What was looked up for this very text in this very set: when the member ends, which may have been, if it is in it.
    #[inline]
    pub(super) fn member(&self, set: &Set, name: &[u8]) -> Result<Option<Expiry>, NotLookedUp> {
        let is_it = |found: &Found<'a>| {
            found.wanted.1.is_some_and(|member| ptr::eq(member, name))
                && found.key.and_then(set_of).is_some_and(|found| ptr::eq(found, set))
        };
        self.next(is_it).map(|found| found.member)
    }

    /// The next that is asked for. Once there is none, there will be none.
    #[inline]
    fn next(&self, is_it: impl Fn(&Found<'a>) -> bool) -> Result<&Found<'a>, NotLookedUp> {
        let made = &self.found[..self.len];
        let at = (self.at.get()..made.len()).find(|&at| is_it(&made[at]));
        self.at.set(at.unwrap_or(LOOKUPS_AHEAD));
        at.map(|at| &made[at]).ok_or(NotLookedUp)
    }
}

/// Makes the first half of each look-up.
fn find_keys<'a>(
    keyspace: &'a Keyspace,
    (database, now_ms): (u8, i64),
    names: &Lookups<'a>,
    found: &mut [Found<'a>],
) {
    let keys = keyspace.table(database);
    let mut probes = [const { None }; LOOKUPS_AHEAD];
    for (probe, names) in probes.iter_mut().zip(names.iter().map_while(Option::as_ref)) {
        *probe = names.key.as_ref().map(|name| keys.probe(name.hash()));
    }
    fetch(&mut probes);
    let mut before = None;
    for ((found, names), probe) in found.iter_mut().zip(names.iter().map_while(Option::as_ref)).zip(&probes) {
        if let (Some(name), Some(probe)) = (&names.key, probe) {
            before = probe.get(|key| key.entry.is(name)).filter(|key| key.is_live(now_ms));
        }
        found.key = before;
    }
}

/// Makes the second.
fn find_members<'a>(names: &Lookups<'a>, found: &mut [Found<'a>]) {
    let members = || names.iter().map_while(|names| names.as_ref().map(|names| names.member.as_ref()));
    let mut probes = [const { None }; LOOKUPS_AHEAD];
    for ((probe, member), found) in probes.iter_mut().zip(members()).zip(&*found) {
        *probe = member.zip(found.key.and_then(set_of)).and_then(|(name, set)| set.probe(name.hash()));
    }
    fetch(&mut probes);
    for ((found, member), probe) in found.iter_mut().zip(members()).zip(&probes) {
        found.member = match (member, probe) {
            (Some(name), Some(probe)) => probe.get(|member| member.is(name)).map(Member::expiry),
            (Some(name), None) => found.key.and_then(set_of).and_then(|set| set.expiry_of(name)),
            (None, _) => None,
        };
    }
}

/// Makes the steps in between, each of them of all before the next of any.
fn fetch<T: Expires>(probes: &mut [Option<Probe<'_, T>>]) {
    probes.iter().flatten().for_each(Probe::fetch_tags);
    probes.iter_mut().flatten().for_each(Probe::fetch_entry);
}

#[inline]
fn set_of(key: &Key) -> Option<&Set> {
    key.value.as_set().map(|container| &container.set)
}
