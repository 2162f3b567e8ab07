//! A hash table that grows without ever stopping, and that can be walked while it grows.
//!
//! ```text
//! segments   [0]      [1]      [2]      [3]      [4]       n = 5, level = 2: 4 <= n < 8
//! low bits   000      01       10       11       100       0 and 4 were one: they tell apart by 3 bits,
//!            `-- split, next: 1 -----------------'         the others still by 2
//! ```
//!
//! It is linear hashing: the entries lie in segments of some dozens ([`super::segment`]), chosen by the low
//! bits of the hash. When the segments are full on average, one more is appended and the entries of
//! just one other are shared out between the two; so an insertion moves a bounded number of entries, and, since segments
//! are listed in pieces ([`super::directory`]), of segments, however many there are. When they are sparse, the last one is merged back.
//!
//! A walk (SCAN) follows the *positions* of entries: their hash with its bits in reverse. Splitting a segment
//! cuts its range of positions in two neighbouring halves, so that a cursor, which is nothing but the
//! position to go on from, stays right through any number of splits and merges: an entry that is there from
//! the walk's begin to its end is met once, exactly.
//!
//! Entries may end ([`Expires`]). Each segment knows when the first of its entries end, how many these are, and a
//! moment before which no other ends; the table holds the segments in the order of the first. So what is due is found
//! by looking at the segments that have something due, and at no others; and to count what is due, their entries are
//! looked at only where something has ended behind the first that do.
//!
//! Invariants:
//!
//! 1. An entry with hash `h` lies in segment `segment_of(h)`.
//! 2. There are no segments exactly if there are no entries.
//! 3. No two entries are equal (the caller inserts only what is missing).
//! 4. A segment's `ends` are right for its entries ([`Ends`]); `expiring` holds the segments of which `first` is not
//!    never.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::ops::Range;

use super::directory::Directory;
use super::segment::{Ends, Segment, end_of};
use crate::expiry::{Expires, Expiry};

pub(crate) use self::bulk::Gathered;

mod bulk;

/// Mean entries of a segment above which the table grows by a segment.
const SPLIT_ABOVE: usize = 64;

/// Mean entries of a segment below which the table shrinks by a segment: far enough from the other bound that
/// adding and removing in turn doesn't split and merge in turn.
const MERGE_BELOW: usize = 21;

/// Entries that a sweep takes out at the cost of looking at one segment more. (Measured: 0.8 us a key against 1 to
/// 2 us a segment; a slice of segments that were due as a whole took seven milliseconds when this cost nothing.)
const REMOVED_AT_COST: usize = 8;

/// Bits of a position. Cursors stay below 2^53, so that clients that read them as doubles read them right.
const POSITION_BITS: u32 = 48;

/// The end of a walk: the position behind the last.
pub(crate) const END: u64 = 1 << POSITION_BITS;

const _: () = assert!(MERGE_BELOW * 2 < SPLIT_ABOVE);
const _: () = assert!(END < 1 << 53);

/// The table. It never hashes by itself: each call is given the hash, and a way to hash entries on the move.
#[derive(Debug)]
pub(crate) struct Table<T> {
    segments: Directory<T>,
    len: usize,
    /// The segments with entries that end, by when the first of these does. Of those that are due at the same moment
    /// the last is swept first: it is the one that goes when the table shrinks, and what is in it would have to move.
    expiring: BTreeSet<(Expiry, Reverse<u32>)>,
    /// No entry is there any more from then on. A bound, which stays where the last to end was taken out before.
    latest: Expiry,
}

/// What an insertion waits for, one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fetch {
    /// The head of the segment.
    Head,
    /// The tags, and where the next entry is put.
    End,
}

impl Fetch {
    /// What is read to put something there which, as a rule, is not yet.
    pub(crate) const INSERTION: [Self; 2] = [Self::Head, Self::End];
}

/// A look-up that is made step by step. None of them waits for memory; each asks for what the next one reads, and is to
/// be made once that is there.
#[derive(Debug)]
pub(crate) struct Probe<'a, T> {
    hash: u64,
    segment: Option<&'a Segment<T>>,
    /// Where the entry is, if it seems to be there.
    place: Option<usize>,
}

impl<'a, T: Expires> Probe<'a, T> {
    /// The second step: asks for the tags.
    #[inline]
    pub(crate) fn fetch_tags(&self) {
        self.segment.inspect(|segment| segment.fetch_tags());
    }

    /// The third: asks for the entry.
    #[inline]
    pub(crate) fn fetch_entry(&mut self) {
        self.place = self.segment.and_then(|segment| segment.fetch_entry(self.hash));
    }

    /// The last: the entry that `is_it`.
    #[inline]
    pub(crate) fn get(&self, mut is_it: impl FnMut(&T) -> bool) -> Option<&'a T> {
        let (segment, place) = (self.segment?, self.place?);
        let first = &segment.entries()[place];
        if is_it(first) {
            return Some(first);
        }
        segment.find(self.hash, is_it).map(|place| &segment.entries()[place])
    }
}

/// What becomes of an entry that a sweep looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It stays.
    Keep,
    /// It is taken out.
    Remove,
}

impl<T: Expires> Table<T> {
    /// A table without entries, which holds no memory.
    pub(crate) const fn new() -> Self {
        Self {
            segments: Directory::new(),
            len: 0,
            expiring: BTreeSet::new(),
            latest: Expiry::at_ms(i64::MIN),
        }
    }

    /// The number of entries.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The entry with this hash that `is_it`.
    #[inline]
    pub(crate) fn get(&self, hash: u64, is_it: impl FnMut(&T) -> bool) -> Option<&T> {
        let segment = self.segments.get(self.segment_of(hash))?;
        segment.find(hash, is_it).map(|place| &segment.entries()[place])
    }

    /// The first step of looking up this hash: asks for the head of the segment.
    #[inline]
    pub(crate) fn probe(&self, hash: u64) -> Probe<'_, T> {
        let segment = self.segments.get(self.segment_of(hash));
        segment.inspect(|segment| segment.fetch(Fetch::Head));
        Probe { hash, segment, place: None }
    }

    /// Has the processor fetch what an insertion of this hash is going to read, without waiting for it. What is read
    /// before that is to be there.
    #[inline]
    pub(crate) fn fetch(&self, hash: u64, what: Fetch) {
        if let Some(segment) = self.segments.get(self.segment_of(hash)) {
            segment.fetch(what);
        }
    }

    /// Changes the entry with this hash that `is_it`, if it is there, in what its hash does not depend on.
    pub(crate) fn update<R>(
        &mut self,
        hash: u64,
        is_it: impl FnMut(&T) -> bool,
        change: impl FnOnce(&mut T) -> R,
    ) -> Option<R> {
        let segment = self.segment_of(hash);
        let found = self.segments.get_mut(segment)?;
        let place = found.find(hash, is_it)?;
        let entry = found.entry_mut(place);
        let before = end_of(entry);
        let outcome = change(entry);
        let after = end_of(entry);
        if before != after {
            self.note_latest(after);
            self.change_ends(segment, |ends| {
                ends.remove(before);
                ends.add(after);
            });
        }
        Some(outcome)
    }

    /// When the first entry ends, at the earliest.
    pub(crate) fn earliest(&self) -> Expiry {
        self.expiring.first().map_or(Expiry::NEVER, |&(expiry, _)| expiry)
    }

    /// How many entries have ended by now, which `has_ended` tells of each.
    pub(crate) fn count_due(&self, now_ms: i64, has_ended: impl Fn(&T) -> bool) -> usize {
        self.due_segments(now_ms).map(|segment| self.segments[segment].count_due(now_ms, &has_ended)).sum()
    }

    /// Whether all entries have ended by now, which `has_ended` tells of each. It is known at once where that is so
    /// because the last end has come, and from the first few segments unless nearly all have ended.
    pub(crate) fn is_all_due(&self, now_ms: i64, has_ended: impl Fn(&T) -> bool) -> bool {
        let is_all = |segment: &Segment<T>| segment.count_due(now_ms, &has_ended) == segment.len();
        self.latest.is_due(now_ms) || self.segments.iter().all(is_all)
    }

    /// Lets `decide` look at the entries of up to `budget` segments that may have something due, and takes out
    /// those that it says. `budget` is lowered by what was looked at
    /// and taken out.
    pub(crate) fn sweep(
        &mut self,
        now_ms: i64,
        budget: &mut usize,
        hash_of: impl Fn(&T) -> u64,
        mut decide: impl FnMut(&mut T, &mut usize) -> Fate,
        mut take: impl FnMut(T),
    ) {
        while *budget > 0
            && let Some(segment) = self.first_due(now_ms)
        {
            *budget -= 1;
            let segment_before = &self.segments[segment];
            let (before, ends_before) = (segment_before.len(), segment_before.ends);
            let dead =
                |entry: &mut T| entry.earliest().is_due(now_ms) && decide(entry, budget) == Fate::Remove;
            self.segments[segment].extract(dead, &mut take);
            let removed = before - self.segments[segment].len();
            *budget = budget.saturating_sub(removed / REMOVED_AT_COST);
            self.len -= removed;
            self.reorder(segment, ends_before);
            self.shrink(&hash_of);
        }
    }

    fn first_due(&self, now_ms: i64) -> Option<usize> {
        self.due_segments(now_ms).next()
    }

    fn due_segments(&self, now_ms: i64) -> impl Iterator<Item = usize> {
        let due = self.expiring.iter().take_while(move |(expiry, _)| expiry.is_due(now_ms));
        due.map(|&(_, Reverse(segment))| segment as usize)
    }

    /// Inserts an entry that is not there yet.
    pub(crate) fn insert(&mut self, hash: u64, entry: T, hash_of: impl Fn(&T) -> u64) {
        if self.len >= self.segments.len() * SPLIT_ABOVE {
            self.split(&hash_of);
        }
        self.place(hash, entry);
        self.len += 1;
    }

    /// Takes the entry with this hash that `is_it` out.
    pub(crate) fn remove(
        &mut self,
        hash: u64,
        is_it: impl FnMut(&T) -> bool,
        hash_of: impl Fn(&T) -> u64,
    ) -> Option<T> {
        let segment = self.segment_of(hash);
        let found = self.segments.get_mut(segment)?;
        let entry = found.remove(found.find(hash, is_it)?);
        self.len -= 1;
        self.change_ends(segment, |ends| ends.remove(end_of(&entry)));
        self.shrink(&hash_of);
        Some(entry)
    }

    /// All entries, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.segments.iter().flat_map(Segment::entries)
    }

    /// Visits the entries from position `cursor` on, in whole segments, until it has visited `least` or there
    /// are no more. Returns the positions that were visited; the walk goes on from their end, up to [`END`].
    pub(crate) fn scan(
        &self,
        cursor: u64,
        least: usize,
        hash_of: impl Fn(&T) -> u64,
        mut visit: impl FnMut(&T),
    ) -> Range<u64> {
        let mut end = cursor;
        let mut visited = 0;
        while end < END && visited < least.max(1) && !self.segments.is_empty() {
            let segment = self.segment_of(hash_at(end));
            for entry in self.segments[segment].entries() {
                if position(hash_of(entry)) >= end {
                    visit(entry);
                    visited += 1;
                }
            }
            end = self.range_end(segment, end);
        }
        if self.segments.is_empty() { cursor..END } else { cursor..end }
    }

    /// The entries of one segment from position `cursor` on, with their positions, and the position behind the
    /// segment.
    pub(crate) fn segment_from(&self, cursor: u64, hash_of: impl Fn(&T) -> u64) -> (Vec<(u64, &T)>, u64) {
        let segment = self.segment_of(hash_at(cursor));
        let Some(found) = self.segments.get(segment) else { return (Vec::new(), END) };
        let entries = found.entries().iter().map(|entry| (position(hash_of(entry)), entry));
        (entries.filter(|(at, _)| *at >= cursor).collect(), self.range_end(segment, cursor))
    }

    /// An entry, each with the same chance.
    pub(crate) fn random(&self) -> Option<&T> {
        // Any bound above the longest segment gives each entry the same chance. One segment knows its own
        // length; of many, none is four times as long as their mean.
        let longest = if self.segments.len() == 1 { self.len } else { SPLIT_ABOVE * 4 };
        if self.len == 0 {
            return None;
        }
        loop {
            let segment = self.segments[fastrand::usize(..self.segments.len())].entries();
            let place = fastrand::usize(..longest);
            if place < segment.len() {
                return segment.get(place);
            }
        }
    }

    /// The segment of an entry with this hash: by as many bits as tell all segments apart, or by one less
    /// where that segment has not been split off yet.
    fn segment_of(&self, hash: u64) -> usize {
        let mask = (self.segments.len().max(1)).next_power_of_two() - 1;
        let segment = hash as usize & mask;
        if segment < self.segments.len() { segment } else { segment & (mask >> 1) }
    }

    /// The position behind the last one of `segment`, in which `position` lies.
    fn range_end(&self, segment: usize, position: u64) -> u64 {
        let mask = (self.segments.len().max(1)).next_power_of_two() - 1;
        let is_split = segment | (mask ^ (mask >> 1)) < self.segments.len();
        let bits = mask.count_ones() - u32::from(!is_split && mask > 0);
        let width = END >> bits;
        (position / width + 1) * width
    }

    fn split(&mut self, hash_of: &impl Fn(&T) -> u64) {
        for (segment, ends_before) in self.split_apart(hash_of).into_iter().flatten() {
            self.reorder(segment, ends_before);
        }
    }

    /// Adds a segment. Returns the two, if there was one before, that share its entries now, and what their ends were: they
    /// are to be reordered.
    fn split_apart(&mut self, hash_of: &impl Fn(&T) -> u64) -> Option<[(usize, Ends); 2]> {
        let new = self.segments.len();
        self.segments.push(Segment::new());
        let old = new & !(1 << new.checked_ilog2()?);
        let ends_before = self.segments[old].ends;
        let mut splitting = std::mem::replace(&mut self.segments[old], Segment::new());
        self.segments[new] = splitting.split(hash_of, |hash| self.segment_of(hash) == new);
        self.segments[old] = splitting;
        Some([(old, ends_before), (new, Ends::NEVER)])
    }

    /// Gives back what the entries no longer need, a few segments at most.
    fn shrink(&mut self, hash_of: &impl Fn(&T) -> u64) {
        if self.len == 0 {
            *self = Self::new();
        }
        while self.segments.len() > 1 && self.len < self.segments.len() * MERGE_BELOW {
            self.merge(hash_of);
        }
    }

    fn merge(&mut self, hash_of: &impl Fn(&T) -> u64) {
        self.change_ends(self.segments.len() - 1, |ends| *ends = Ends::NEVER);
        let Some(last) = self.segments.pop() else { return };
        for entry in last.into_entries() {
            self.place(hash_of(&entry), entry);
        }
    }

    /// Puts an entry that lies in no segment where it belongs.
    fn place(&mut self, hash: u64, entry: T) {
        let segment = self.segment_of(hash);
        let end = end_of(&entry);
        self.note_latest(end);
        self.segments[segment].push(hash, entry);
        self.change_ends(segment, |ends| ends.add(end));
    }

    fn note_latest(&mut self, end: (Expiry, bool)) {
        self.latest = self.latest.max(last_moment(end));
    }

    fn change_ends(&mut self, segment: usize, change: impl FnOnce(&mut Ends)) {
        let ends = &mut self.segments[segment].ends;
        let before = *ends;
        change(ends);
        self.reorder(segment, before);
    }

    /// Has a segment, of which the ends were these, stand where its first belongs.
    fn reorder(&mut self, segment: usize, before: Ends) {
        let first = self.segments[segment].ends.first;
        if first != before.first {
            self.expiring.remove(&(before.first, Reverse(segment as u32)));
            if first != Expiry::NEVER {
                self.expiring.insert((first, Reverse(segment as u32)));
            }
        }
    }
}

/// Where an entry with this hash comes in a walk.
pub(crate) fn position(hash: u64) -> u64 {
    hash.reverse_bits() >> (64 - POSITION_BITS)
}

/// A hash whose position is this one.
fn hash_at(position: u64) -> u64 {
    (position << (64 - POSITION_BITS)).reverse_bits()
}

/// From when on nothing of an entry that ends so is there any more: one that ends in part is there for ever.
fn last_moment((expiry, is_whole): (Expiry, bool)) -> Expiry {
    if is_whole { expiry } else { Expiry::NEVER }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    /// Numbers from here on end, at the millisecond that they are.
    const ENDING: u64 = 1 << 40;

    impl Expires for u64 {
        fn earliest(&self) -> Expiry {
            if *self < ENDING { Expiry::NEVER } else { Expiry::at_ms(*self as i64) }
        }

        fn ends_whole(&self) -> bool {
            true
        }
    }

    #[allow(clippy::trivially_copy_pass_by_ref, reason = "the table hashes what it holds by reference")]
    fn hash_of(entry: &u64) -> u64 {
        let hasher = ahash::RandomState::with_seeds(1, 2, 3, 4);
        hasher.hash_one(entry)
    }

    fn insert(table: &mut Table<u64>, entry: u64) {
        table.insert(hash_of(&entry), entry, hash_of);
    }

    fn remove(table: &mut Table<u64>, entry: u64) -> Option<u64> {
        table.remove(hash_of(&entry), |e| *e == entry, hash_of)
    }

    fn has(table: &Table<u64>, entry: u64) -> bool {
        table.get(hash_of(&entry), |e| *e == entry).is_some()
    }

    fn assert_invariants(table: &Table<u64>) {
        let entries: usize = table.segments.iter().map(Segment::len).sum();
        assert_eq!(entries, table.len());
        assert_eq!(table.segments.is_empty(), table.len() == 0);
        for (index, segment) in table.segments.iter().enumerate() {
            for entry in segment.entries() {
                assert_eq!(table.segment_of(hash_of(entry)), index);
            }
            let Ends { first, at_first, next } = segment.ends;
            let is_first = |entry: &&u64| entry.earliest() == first && first != Expiry::NEVER;
            assert_eq!(segment.entries().iter().filter(is_first).count(), at_first as usize);
            let mut others = segment.entries().iter().filter(|entry| !is_first(entry));
            assert!(first <= next && others.all(|entry| entry.earliest() >= next));
            let is_expiring = first != Expiry::NEVER;
            assert_eq!(table.expiring.contains(&(first, Reverse(index as u32))), is_expiring);
        }
        let expiring = table.segments.iter().filter(|segment| segment.ends.first != Expiry::NEVER).count();
        assert_eq!(table.expiring.len(), expiring);
        assert!(table.iter().all(|entry| entry.earliest() <= table.latest));
    }

    #[test]
    fn a_sweep_finds_what_is_due_and_nothing_else() {
        let mut table = Table::new();
        for entry in (0..5_000).chain(ENDING..ENDING + 10_000) {
            insert(&mut table, entry);
        }
        assert_invariants(&table);
        let now_ms = ENDING as i64 + 6_999;
        let mut swept = 0;
        while table.earliest().is_due(now_ms) {
            let due = table.count_due(now_ms, |entry| entry.earliest().is_due(now_ms));
            assert_eq!(due + swept, 7_000, "counted before it is swept");
            table.sweep(
                now_ms,
                &mut 3,
                hash_of,
                |_, _| Fate::Remove,
                |entry| {
                    assert!((ENDING..ENDING + 7_000).contains(&entry));
                    swept += 1;
                },
            );
            assert_invariants(&table);
        }
        assert_eq!((swept, table.len()), (7_000, 8_000));
        assert_eq!(table.count_due(now_ms, |_| true), 0);
        assert!(!table.is_all_due(now_ms, |entry| entry.earliest().is_due(now_ms)));
        table.sweep(i64::MAX - 1, &mut { usize::MAX }, hash_of, |_, _| Fate::Remove, drop);
        assert_eq!(table.len(), 5_000);
        assert_invariants(&table);
    }

    #[test]
    fn what_is_swept_whole_leaves_no_memory() {
        let mut table = Table::new();
        (ENDING..ENDING + 1_000).for_each(|entry| insert(&mut table, entry));
        table.sweep(i64::MAX - 1, &mut { usize::MAX }, hash_of, |_, _| Fate::Remove, drop);
        assert_invariants(&table);
        assert_eq!(table.earliest(), Expiry::NEVER);
    }

    /// A number, and when it ends, or a part of it does.
    #[derive(Debug, Clone, PartialEq)]
    struct Ending(u64, Expiry, bool);

    impl Ending {
        fn has_ended(&self, now_ms: i64) -> bool {
            self.1.is_due(now_ms) && self.2
        }
    }

    impl Expires for Ending {
        fn earliest(&self) -> Expiry {
            self.1
        }

        fn ends_whole(&self) -> bool {
            self.2
        }
    }

    #[derive(Debug, Clone)]
    enum Step {
        /// Has so many numbers from this one on end then.
        Put(u64, u64, Expiry, bool),
        Remove(u64, u64),
        Sweep(i64, usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        let expiry = prop_oneof![1 => Just(Expiry::NEVER), 4 => (1..6_i64).prop_map(Expiry::at_ms)];
        prop_oneof![
            4 => (0..900_u64, 1..300_u64, expiry, prop::bool::weighted(0.9))
                .prop_map(|(from, len, expiry, is_whole)| Step::Put(from, len, expiry, is_whole)),
            2 => (0..900_u64, 1..300_u64).prop_map(|(from, len)| Step::Remove(from, len)),
            1 => (0..6_i64, 1..4_usize).prop_map(|(now_ms, budget)| Step::Sweep(now_ms, budget)),
        ]
    }

    proptest! {
        #[test]
        fn it_counts_what_has_ended_whatever_happened_before(steps in prop::collection::vec(step(), 1..12)) {
            let hash_of = |entry: &Ending| hash_of(&entry.0);
            let mut table: Table<Ending> = Table::new();
            let mut model: HashMap<u64, Ending> = HashMap::new();
            for step in steps {
                match step {
                    Step::Put(from, len, expiry, is_whole) => for number in from..from + len {
                        let entry = Ending(number, expiry, is_whole);
                        let hash = hash_of(&entry);
                        if table.update(hash, |e| e.0 == number, |e| *e = entry.clone()).is_none() {
                            table.insert(hash, entry.clone(), hash_of);
                        }
                        model.insert(number, entry);
                    },
                    Step::Remove(from, len) => for number in from..from + len {
                        let hash = hash_of(&Ending(number, Expiry::NEVER, true));
                        prop_assert_eq!(table.remove(hash, |e| e.0 == number, hash_of), model.remove(&number));
                    },
                    Step::Sweep(now_ms, mut budget) => {
                        let end = |entry: &mut Ending, _: &mut usize| if entry.2 {
                            Fate::Remove
                        } else {
                            entry.1 = Expiry::NEVER;
                            Fate::Keep
                        };
                        table.sweep(now_ms, &mut budget, hash_of, end, |entry| {
                            assert!(entry.has_ended(now_ms));
                            model.remove(&entry.0);
                        });
                        table.iter().for_each(|entry| {
                            model.insert(entry.0, entry.clone());
                        });
                    }
                }
                prop_assert_eq!(table.len(), model.len());
                for now_ms in 0..7 {
                    let due = model.values().filter(|entry| entry.has_ended(now_ms)).count();
                    prop_assert_eq!(table.count_due(now_ms, |entry| entry.has_ended(now_ms)), due);
                    prop_assert_eq!(table.is_all_due(now_ms, |e| e.has_ended(now_ms)), due == model.len());
                }
            }
        }
    }

    #[test]
    fn what_ends_at_one_moment_is_counted_without_a_look_at_it() {
        let mut table = Table::new();
        (0..1_000).chain([ENDING]).for_each(|entry| insert(&mut table, entry));
        (0..1_000).for_each(|number| insert(&mut table, ENDING + 10 + number * 1_000));
        let seen = std::cell::Cell::new(0);
        let count = table.count_due(ENDING as i64, |_| {
            seen.set(seen.get() + 1);
            true
        });
        assert_eq!((count, seen.get()), (1, 0));
    }

    #[test]
    fn entries_are_found_while_it_grows_and_shrinks() {
        let mut table = Table::new();
        for entry in 0..20_000 {
            insert(&mut table, entry);
        }
        assert_invariants(&table);
        assert!((0..20_000).all(|entry| has(&table, entry)));
        assert!(!has(&table, 20_000));
        for entry in 0..19_990 {
            assert_eq!(remove(&mut table, entry), Some(entry));
            assert_eq!(remove(&mut table, entry), None);
        }
        assert_invariants(&table);
        assert!(table.segments.len() <= 2, "{} segments for 10 entries", table.segments.len());
        for entry in 19_990..20_000 {
            assert_eq!(remove(&mut table, entry), Some(entry));
        }
        assert_invariants(&table);
    }

    #[test]
    fn an_insertion_moves_the_entries_of_one_segment_at_most() {
        let mut table = Table::new();
        for entry in 0..100_000_u64 {
            let hashed = std::cell::Cell::new(0);
            let counting = |entry: &u64| {
                hashed.set(hashed.get() + 1);
                hash_of(entry)
            };
            let longest = table.segments.iter().map(Segment::len).max().unwrap_or(0);
            table.insert(hash_of(&entry), entry, counting);
            // Each entry of the segment that is split once, and once more where its part grows.
            assert!(hashed.get() <= 2 * longest, "{} entries hashed for {entry}", hashed.get());
        }
    }

    #[test]
    fn no_segment_is_longer_than_drawing_allows() {
        let mut table = Table::new();
        for entry in 0..100_000 {
            insert(&mut table, entry);
        }
        let longest = table.segments.iter().map(Segment::len).max().unwrap();
        assert!(longest < SPLIT_ABOVE * 4, "{longest} entries");
    }

    #[test]
    fn a_walk_meets_each_entry_once() {
        for len in [0, 1, 100, 193, 1_000, 10_000] {
            let mut table = Table::new();
            (0..len).for_each(|entry| insert(&mut table, entry));
            let mut met = Vec::new();
            let mut cursor = 0;
            while cursor < END {
                cursor = table.scan(cursor, 10, hash_of, |entry| met.push(*entry)).end;
            }
            met.sort_unstable();
            assert_eq!(met, (0..len).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_walk_meets_what_stays_once_while_it_grows_and_shrinks() {
        for (start, during) in [(300, 50_000_u64), (50_000, 300)] {
            let mut table = Table::new();
            (0..start.max(during)).filter(|e| *e < start).for_each(|entry| insert(&mut table, entry));
            let stays = start.min(during);
            let mut met: HashMap<u64, u32> = HashMap::new();
            let (mut cursor, mut steps) = (0, 0);
            while cursor < END {
                cursor = table.scan(cursor, 1, hash_of, |entry| *met.entry(*entry).or_default() += 1).end;
                steps += 1;
                for i in 0..500 {
                    let entry = stays + (steps - 1) * 500 + i;
                    if during > start && entry < during {
                        insert(&mut table, entry);
                    } else if entry < start {
                        remove(&mut table, entry);
                    }
                }
            }
            assert!((0..stays).all(|entry| met.get(&entry) == Some(&1)), "from {start} to {during}");
            assert_invariants(&table);
        }
    }

    #[test]
    fn each_entry_is_drawn() {
        let mut table = Table::new();
        (0..1_000).for_each(|entry| insert(&mut table, entry));
        let mut drawn = [false; 1_000];
        for _ in 0..100_000 {
            drawn[*table.random().unwrap() as usize] = true;
        }
        assert!(drawn.iter().all(|d| *d));
        assert_eq!(Table::<u64>::new().random(), None);
    }
}
