//! A part of a table: some dozens of entries, one behind the other without a gap.
//!
//! ```text
//! tags     [ 3f | a0 | 07 | ... ]        a byte of each entry's hash
//! entries  [ .. | .. | .. | ... ]        in the same order, which is none
//! ```
//!
//! An entry is found by its tag: a vector instruction compares dozens at once, and of the entries themselves but one in
//! 256 is looked at in vain. What a hash table would keep empty in between, half of it after it has grown, is not there:
//! a segment grows by a sixteenth.

use std::cell::Cell;

use super::processor::{places_of, prefetch};
use super::table::Fetch;
use crate::expiry::{Expires, Expiry};

/// Tags that are compared at once.
const TAGS: usize = 32;

/// Entries, their tags, and when they end.
#[derive(Debug)]
pub(super) struct Segment<T> {
    /// As many as it takes; those behind the last entry's say nothing.
    tags: Vec<[u8; TAGS]>,
    entries: Vec<T>,
    pub(super) ends: Ends,
}

/// When the entries of a segment end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ends {
    /// No entry ends before, not even a part of one.
    pub(super) first: Expiry,
    /// So many end exactly then, and as a whole.
    pub(super) at_first: u32,
    /// No other ends before, not even a part of one.
    pub(super) next: Expiry,
}

impl<T: Expires> Segment<T> {
    pub(super) const fn new() -> Self {
        Self { tags: Vec::new(), entries: Vec::new(), ends: Ends::NEVER }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn entries(&self) -> &[T] {
        &self.entries
    }

    /// The place of the entry with this hash that `is_it`.
    #[inline]
    pub(super) fn find(&self, hash: u64, mut is_it: impl FnMut(&T) -> bool) -> Option<usize> {
        self.candidates(hash).find(|&place| is_it(&self.entries[place]))
    }

    /// The places of the entries with this tag.
    #[inline]
    fn candidates(&self, hash: u64) -> impl Iterator<Item = usize> {
        let tag = tag(hash);
        let places = self
            .tags
            .iter()
            .enumerate()
            .flat_map(move |(at, tags)| bits(places_of(tag, tags)).map(move |place| at * TAGS + place));
        places.take_while(|&place| place < self.entries.len())
    }

    /// Has the processor fetch something of it.
    #[inline]
    pub(super) fn fetch(&self, what: Fetch) {
        match what {
            Fetch::Head => prefetch(self),
            Fetch::End => {
                self.fetch_tags();
                self.entries.last().into_iter().for_each(prefetch);
            }
        }
    }

    /// Has the processor fetch the tags.
    #[inline]
    pub(super) fn fetch_tags(&self) {
        // What lies between two of these is in a cache line with the one or the other.
        self.tags.iter().step_by(2).chain(self.tags.last()).for_each(prefetch);
    }

    /// Has the processor fetch the first entry with the tag of this hash, and says where it is.
    #[inline]
    pub(super) fn fetch_entry(&self, hash: u64) -> Option<usize> {
        let place = self.candidates(hash).next()?;
        prefetch(&self.entries[place]);
        Some(place)
    }

    /// The entry at a place, to be changed in what neither its hash nor its end depends on; see [`Segment::ends`].
    pub(super) fn entry_mut(&mut self, place: usize) -> &mut T {
        &mut self.entries[place]
    }

    /// Puts an entry there that is not yet. Its end is for the caller to note.
    pub(super) fn push(&mut self, hash: u64, entry: T) {
        if self.entries.len() == self.entries.capacity() {
            self.reserve(room_for_more(self.entries.len()));
        }
        let place = self.entries.len();
        self.entries.push(entry);
        if place.is_multiple_of(TAGS) {
            self.tags.push([0; TAGS]);
        }
        self.tags[place / TAGS][place % TAGS] = tag(hash);
    }

    /// Takes an entry out. Its end is for the caller to note.
    pub(super) fn remove(&mut self, place: usize) -> T {
        let entry = self.take(place);
        self.fit();
        entry
    }

    /// Moves those out that `goes` says of, told their hashes.
    pub(super) fn split(&mut self, hash_of: impl Fn(&T) -> u64, goes: impl Fn(u64) -> bool) -> Self {
        let mut moved = Self::new();
        moved.reserve(self.len() / 2 + room_for_more(self.len()));
        let hash = Cell::new(0);
        let is_going = |entry: &mut T| {
            hash.set(hash_of(entry));
            goes(hash.get())
        };
        self.extract(is_going, |entry| moved.push(hash.get(), entry));
        moved.fit();
        moved.ends = Ends::of(&moved.entries);
        moved
    }

    /// Takes those out that `is_it`, and looks again when the others end.
    pub(super) fn extract(&mut self, mut is_it: impl FnMut(&mut T) -> bool, mut take: impl FnMut(T)) {
        let mut place = 0;
        while let Some(entry) = self.entries.get_mut(place) {
            if is_it(entry) {
                take(self.take(place));
            } else {
                place += 1;
            }
        }
        self.fit();
        self.ends = Ends::of(&self.entries);
    }

    /// All entries, by value.
    pub(super) fn into_entries(self) -> Vec<T> {
        self.entries
    }

    /// How many entries have ended, which `has_ended` tells of each.
    pub(super) fn count_due(&self, now_ms: i64, has_ended: impl Fn(&T) -> bool) -> usize {
        let Ends { first, at_first, next } = self.ends;
        if next.is_due(now_ms) {
            self.entries.iter().filter(|entry| has_ended(entry)).count()
        } else if first.is_due(now_ms) {
            at_first as usize
        } else {
            0
        }
    }

    /// Takes an entry out, and puts the last one in its place.
    fn take(&mut self, place: usize) -> T {
        let last = self.entries.len() - 1;
        self.tags[place / TAGS][place % TAGS] = self.tags[last / TAGS][last % TAGS];
        self.tags.truncate(last.div_ceil(TAGS));
        self.entries.swap_remove(place)
    }

    /// Makes room for so many more.
    pub(super) fn reserve(&mut self, more: usize) {
        self.entries.reserve_exact(more);
        self.tags.reserve_exact((self.entries.len() + more).div_ceil(TAGS) - self.tags.len());
    }

    /// Gives room back that is not needed, if that is more than a fifth.
    fn fit(&mut self) {
        let room = self.entries.len() + room_for_more(self.entries.len());
        if self.entries.capacity() * 4 > room * 5 {
            self.entries.shrink_to(room);
            self.tags.shrink_to(room.div_ceil(TAGS));
        }
    }
}

/// For how many entries more there is room when it is made: what is added to that in vain is wasted in each segment.
fn room_for_more(len: usize) -> usize {
    len / 16 + 1
}

/// The byte of a hash that an entry is found by: the low bits chose the segment, and are the same in all of it.
fn tag(hash: u64) -> u8 {
    (hash >> 56) as u8
}

/// The places of the bits that are set, the lowest first.
#[inline]
fn bits(mut bits: u32) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let place = (bits != 0).then(|| bits.trailing_zeros() as usize);
        bits &= bits.wrapping_sub(1);
        place
    })
}

impl Ends {
    pub(super) const NEVER: Self = Self { first: Expiry::NEVER, at_first: 0, next: Expiry::NEVER };

    pub(super) fn of<T: Expires>(entries: &[T]) -> Self {
        let mut ends = Self::NEVER;
        for entry in entries {
            ends.add(end_of(entry));
        }
        ends
    }

    /// An entry that ends so is there now.
    pub(super) fn add(&mut self, (expiry, is_whole): (Expiry, bool)) {
        if expiry == Expiry::NEVER {
            return;
        }
        if is_whole && expiry < self.first {
            let next = if self.at_first == 0 { self.next } else { self.first };
            *self = Self { first: expiry, at_first: 1, next };
        } else if expiry < self.first {
            *self = Self { first: expiry, at_first: 0, next: expiry };
        } else if is_whole && expiry == self.first {
            self.at_first += 1;
        } else {
            self.next = self.next.min(expiry);
        }
    }

    /// An entry that ended so is there no longer. The moments stay: they are bounds.
    pub(super) fn remove(&mut self, (expiry, is_whole): (Expiry, bool)) {
        if is_whole && expiry == self.first && expiry != Expiry::NEVER {
            self.at_first -= 1;
        }
    }
}

/// When an entry, or a part of it, ends, and whether all of it does then.
pub(super) fn end_of<T: Expires>(entry: &T) -> (Expiry, bool) {
    (entry.earliest(), entry.ends_whole())
}

#[cfg(test)]
impl<T: Expires> Segment<T> {
    /// Little room is there for more.
    pub(super) fn assert_dense(&self) {
        let most = (self.len() + room_for_more(self.len())) * 5 / 4;
        assert!(self.entries.capacity() <= most, "{} for {}", self.entries.capacity(), self.len());
        assert_eq!(self.tags.len(), self.len().div_ceil(TAGS));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Expires for char {
        fn earliest(&self) -> Expiry {
            Expiry::NEVER
        }

        fn ends_whole(&self) -> bool {
            true
        }
    }

    /// Of all hashes that are the same in the byte that is the tag.
    fn hash_of(entry: char) -> u64 {
        u64::from(entry as u32 & 0xff) << 56
    }

    #[test]
    fn it_is_dense_while_it_grows_splits_and_shrinks() {
        let all: Vec<_> = ('\u{100}'..'\u{400}').collect();
        let mut segment = Segment::new();
        for &entry in &all {
            segment.push(hash_of(entry), entry);
            segment.assert_dense();
        }
        let mut moved = segment.split(|&entry| hash_of(entry), |hash| hash >> 56 & 1 == 1);
        assert_eq!(moved.len() + segment.len(), all.len());
        for part in [&mut segment, &mut moved] {
            part.assert_dense();
            while let Some(&entry) = part.entries().first() {
                let place = part.find(hash_of(entry), |&found| found == entry).unwrap();
                assert_eq!(part.remove(place), entry);
                part.assert_dense();
            }
        }
    }

    #[test]
    fn entries_of_one_tag_are_told_apart() {
        let mut segment = Segment::new();
        for entry in ['\u{101}', '\u{201}', '\u{301}'] {
            segment.push(hash_of(entry), entry);
        }
        assert_eq!(segment.find(hash_of('\u{201}'), |&found| found == '\u{201}'), Some(1));
        assert_eq!(segment.find(hash_of('\u{401}'), |&found| found == '\u{401}'), None);
    }
}
