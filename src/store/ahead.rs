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
use super::lap::Stamp;
use super::packing::Name;
use super::set::Set;
use super::table::Fetch;
use crate::expiry::Expiry;
use crate::limits::LOOKUPS_AHEAD;

/// A key that a request looks up, and perhaps a member of the set there.
pub type Wanted<'a> = (&'a [u8], Option<&'a [u8]>);

/// Look-ups that were made ahead, all of one moment.
#[derive(Debug)]
pub struct Ahead<'a> {
    database: u8,
    now_ms: i64,
    found: [Option<Found<'a>>; LOOKUPS_AHEAD],
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
    /// When the member ends, which may have been, and when that was written; none, if it is not in the set.
    stamp: Option<Stamp>,
}

/// One that is under way.
struct Lookup<'a> {
    wanted: Wanted<'a>,
    /// None, if it is that of the look-up before.
    key: Option<Name<'a>>,
    member: Option<Name<'a>>,
    found: Option<&'a Key>,
}

type Lookups<'a> = [Option<Lookup<'a>>; LOOKUPS_AHEAD];

impl<'a> Ahead<'a> {
    /// Looks up the first [`LOOKUPS_AHEAD`] of these at this time.
    pub(super) fn new(
        keyspace: &'a Keyspace,
        (database, now_ms): (u8, i64),
        mut wanted: impl Iterator<Item = Wanted<'a>>,
    ) -> Self {
        let mut before = None;
        let mut lookups = array::from_fn(|_| {
            let wanted @ (key, member) = wanted.next()?;
            let is_same = before.replace(key) == Some(key);
            let key = (!is_same).then(|| keyspace.name(key));
            Some(Lookup { wanted, key, member: member.map(|member| keyspace.name(member)), found: None })
        });
        find_keys(keyspace, (database, now_ms), &mut lookups);
        Self { database, now_ms, found: find_members(&lookups), at: Cell::new(0) }
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
    pub(super) fn member(&self, set: &Set, name: &[u8]) -> Result<Option<Expiry>, NotLookedUp> {
        let is_it = |found: &Found<'a>| {
            found.wanted.1.is_some_and(|member| ptr::eq(member, name))
                && found.key.and_then(set_of).is_some_and(|found| ptr::eq(found, set))
        };
        self.next(is_it).map(|found| found.stamp.map(Stamp::expiry))
    }

    /// The next that is asked for. Once there is none, there will be none.
    fn next(&self, is_it: impl Fn(&Found<'a>) -> bool) -> Result<&Found<'a>, NotLookedUp> {
        let left = self.found.iter().enumerate().skip(self.at.get());
        let left = left.map_while(|(place, found)| Some((place, found.as_ref()?)));
        let next = left.into_iter().find(|(_, found)| is_it(found));
        self.at.set(next.map_or(LOOKUPS_AHEAD, |(place, _)| place));
        next.map(|(_, found)| found).ok_or(NotLookedUp)
    }
}

/// Makes the first half of each look-up.
fn find_keys<'a>(keyspace: &'a Keyspace, (database, now_ms): (u8, i64), lookups: &mut Lookups<'a>) {
    let keys = keyspace.table(database);
    for step in Fetch::LOOKUP {
        for name in lookups.iter().map_while(Option::as_ref).filter_map(|lookup| lookup.key.as_ref()) {
            keys.fetch(name.hash(), step);
        }
    }
    let mut before = None;
    for lookup in lookups.iter_mut().map_while(Option::as_mut) {
        if let Some(name) = &lookup.key {
            before = keyspace.find(database, name).filter(|key| key.is_live(now_ms));
        }
        lookup.found = before;
    }
}

/// Makes the second.
fn find_members<'a>(lookups: &Lookups<'a>) -> [Option<Found<'a>>; LOOKUPS_AHEAD] {
    let member =
        |lookup: &'_ Lookup<'a>| Some((lookup.found.and_then(set_of)?, lookup.member.as_ref()?.hash()));
    for step in Fetch::LOOKUP {
        for (set, hash) in lookups.iter().map_while(Option::as_ref).filter_map(member) {
            set.fetch(hash, step);
        }
    }
    array::from_fn(|place| {
        let Lookup { wanted, member, found, .. } = lookups[place].as_ref()?;
        let stamp = member.as_ref().and_then(|member| found.and_then(set_of)?.stamp_of(member));
        Some(Found { wanted: *wanted, key: *found, stamp })
    })
}

fn set_of(key: &Key) -> Option<&Set> {
    key.value.as_set().map(|container| &container.set)
}
