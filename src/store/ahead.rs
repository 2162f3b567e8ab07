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

/// Look-ups that were made ahead, all of one moment. It can be used again for others.
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

/// A look-up that is under way.
struct Step<'a, T> {
    /// Its place among those that were found; of some of the same key, that of the first.
    at: usize,
    name: Name<'a>,
    /// None for a member of a list.
    probe: Option<Probe<'a, T>>,
}

/// Those that are, the first before the others, side by side.
struct Steps<'a, T> {
    steps: [Option<Step<'a, T>>; LOOKUPS_AHEAD],
    len: usize,
}

/// Nothing was looked up.
impl Default for Ahead<'_> {
    #[inline]
    fn default() -> Self {
        let none = Found { wanted: (&[], None), key: None, member: None };
        Self { database: 0, now_ms: 0, found: [none; LOOKUPS_AHEAD], len: 0, at: Cell::new(0) }
    }
}

impl<'a> Ahead<'a> {
    /// Forgets all, for others.
    #[inline]
    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// Has this be looked up, too, if it is one of the first [`LOOKUPS_AHEAD`].
    #[inline]
    pub fn want(&mut self, wanted: Wanted<'a>) {
        if let Some(found) = self.found.get_mut(self.len) {
            *found = Found { wanted, key: None, member: None };
            self.len += 1;
        }
    }

    /// Looks up what is wanted, at this time.
    pub(super) fn look_up(&mut self, keyspace: &'a Keyspace, (database, now_ms): (u8, i64)) {
        (self.database, self.now_ms) = (database, now_ms);
        self.at.set(0);
        self.find_keys(keyspace);
        self.find_members(keyspace);
    }

    /// Makes the first half of each look-up: once for those of the same key that stand side by side.
    fn find_keys(&mut self, keyspace: &'a Keyspace) {
        let Self { database, now_ms, found, len, .. } = self;
        let (found, keys) = (&mut found[..*len], keyspace.table(*database));
        let (mut steps, mut before) = (Steps::new(), None);
        for (at, found) in found.iter().enumerate() {
            let key = found.wanted.0;
            if before.replace(key) != Some(key) {
                let name = keyspace.name(key);
                let probe = Some(keys.probe(name.hash()));
                steps.begin(Step { at, name, probe });
            }
        }
        steps.fetch();
        let mut end = found.len();
        for Step { at, name, probe } in steps.iter().rev() {
            let key = probe.as_ref().and_then(|probe| probe.get(|key| key.entry.is(name)));
            let key = key.filter(|key| key.is_live(*now_ms));
            found[*at..end].iter_mut().for_each(|found| found.key = key);
            end = *at;
        }
    }

    /// Makes the second.
    fn find_members(&mut self, keyspace: &'a Keyspace) {
        let found = &mut self.found[..self.len];
        let mut steps = Steps::new();
        for (at, found) in found.iter().enumerate() {
            if let Some(member) = found.wanted.1
                && let Some(set) = found.set()
            {
                let name = keyspace.name(member);
                let probe = set.probe(name.hash());
                steps.begin(Step { at, name, probe });
            }
        }
        steps.fetch();
        for Step { at, name, probe } in steps.iter() {
            let found = &mut found[*at];
            found.member = match probe {
                Some(probe) => probe.get(|member| member.is(name)).map(Member::expiry),
                None => found.set().and_then(|set| set.expiry_of(name)),
            };
        }
    }

    /// What was looked up for this very text: the key, if it is there.
    #[inline]
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
                && found.set().is_some_and(|found| ptr::eq(found, set))
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

impl<'a> Found<'a> {
    /// The set at the key.
    #[inline]
    fn set(&self) -> Option<&'a Set> {
        self.key.and_then(|key| key.value.as_set()).map(|container| &container.set)
    }
}

impl<'a, T: Expires> Steps<'a, T> {
    #[inline]
    fn new() -> Self {
        Self { steps: array::from_fn(|_| None), len: 0 }
    }

    /// Adds one, for which there must be room.
    #[inline]
    fn begin(&mut self, step: Step<'a, T>) {
        self.steps[self.len] = Some(step);
        self.len += 1;
    }

    #[inline]
    fn iter(&self) -> impl DoubleEndedIterator<Item = &Step<'a, T>> {
        self.steps[..self.len].iter().flatten()
    }

    /// Makes the steps in between, each of them of all before the next of any.
    #[inline]
    fn fetch(&mut self) {
        self.iter().filter_map(|step| step.probe.as_ref()).for_each(Probe::fetch_tags);
        let steps = self.steps[..self.len].iter_mut().flatten();
        steps.filter_map(|step| step.probe.as_mut()).for_each(Probe::fetch_entry);
    }
}
