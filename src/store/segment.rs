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

use std::hint::black_box;

use memchr::{memchr, memchr_iter};

use super::table::Fetch;
use crate::expiry::{Expires, Expiry};

/// Room for tags is made in such steps: it costs little, and moves them less often.
const TAGS_STEP: usize = 32;

/// Entries, their tags, and when they end.
#[derive(Debug)]
pub(super) struct Segment<T> {
    tags: Vec<u8>,
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
    pub(super) fn find(&self, hash: u64, mut is_it: impl FnMut(&T) -> bool) -> Option<usize> {
        memchr_iter(tag(hash), &self.tags).find(|&place| is_it(&self.entries[place]))
    }

    /// Reads something of it, so that the processor has it at hand.
    pub(super) fn fetch(&self, hash: u64, what: Fetch) {
        match what {
            Fetch::Head => _ = black_box((self.tags.len(), self.entries.len())),
            Fetch::Entry => {
                let seen = memchr(tag(hash), &self.tags).map(|place| &self.entries[place]);
                _ = black_box(seen.map(T::earliest));
            }
            Fetch::End => {
                let tags = (self.tags.first().copied(), self.tags.last().copied());
                _ = black_box((tags, self.entries.last().map(T::earliest)));
            }
        }
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
        self.entries.push(entry);
        self.tags.push(tag(hash));
    }

    /// Takes an entry out. Its end is for the caller to note.
    pub(super) fn remove(&mut self, place: usize) -> T {
        self.tags.swap_remove(place);
        let entry = self.entries.swap_remove(place);
        self.fit();
        entry
    }

    /// Moves those out that `goes` says of, told their hashes.
    pub(super) fn split(&mut self, hash_of: impl Fn(&T) -> u64, goes: impl Fn(u64) -> bool) -> Self {
        let mut moved = Self::new();
        moved.reserve(self.len() / 2 + room_for_more(self.len()));
        self.extract(|entry| goes(hash_of(entry)), |entry| moved.push(hash_of(&entry), entry));
        moved.fit();
        moved.ends = Ends::of(&moved.entries);
        moved
    }

    /// Takes those out that `is_it`, and looks again when the others end.
    pub(super) fn extract(&mut self, mut is_it: impl FnMut(&mut T) -> bool, mut take: impl FnMut(T)) {
        let mut place = 0;
        while let Some(entry) = self.entries.get_mut(place) {
            if is_it(entry) {
                self.tags.swap_remove(place);
                take(self.entries.swap_remove(place));
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

    /// Makes room for so many more.
    pub(super) fn reserve(&mut self, more: usize) {
        self.entries.reserve_exact(more);
        self.tags.reserve_exact((self.tags.len() + more).next_multiple_of(TAGS_STEP) - self.tags.len());
    }

    /// Gives room back that is not needed, if that is more than a fifth.
    fn fit(&mut self) {
        let room = self.entries.len() + room_for_more(self.entries.len());
        if self.entries.capacity() * 4 > room * 5 {
            self.entries.shrink_to(room);
            self.tags.shrink_to(room.next_multiple_of(TAGS_STEP));
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
        assert_eq!(self.tags.len(), self.len());
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
