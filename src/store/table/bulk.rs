//! Many entries that are put into a table together.
//!
//! In a table that is larger than the processor's caches an entry goes to memory that nobody has looked at for long,
//! wherever it goes. Many are therefore put there in the order of their positions: each segment is visited once, with all
//! that goes there; room is made for that once, and it is noted once when the segment's entries end. The segments that all of
//! them need are split off before.
//!
//! What is there afterwards is what would be there if the entries had been put one by one.

use std::cmp::Reverse;

use super::{Fetch, POSITION_BITS, SPLIT_ABOVE, Table, end_of, last_moment, position};
use crate::expiry::{Expires, Expiry};
use crate::limits::LOOKUPS_AHEAD;

/// Bits of a position that say in which part an entry is gathered: a part of the million that is gathered at once has half
/// a megabyte, so that it is in a cache while it is put in order, and is given back to the system when it is freed.
const PART_BITS: u32 = 6;

/// The next bits of it, at least, by which the entries of a part are put in order: of equal bits there are few.
const ORDER_BITS: u32 = 12;

/// Entries on their way into a table, with their hashes.
#[derive(Debug)]
pub(crate) struct Gathered<T> {
    /// By the begins of their positions, as they came.
    parts: Vec<Part<T>>,
    /// Room of a part that is made at once.
    part_len: usize,
    len: usize,
}

type Part<T> = Vec<(u64, Option<T>)>;

impl<T> Gathered<T> {
    /// Room for so many, as a rule.
    pub(crate) fn new(len: usize) -> Self {
        let part_len = len >> PART_BITS;
        Self { parts: Vec::new(), part_len: part_len + part_len / 16, len: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Adds one behind the others.
    pub(crate) fn push(&mut self, hash: u64, entry: T) {
        if self.parts.is_empty() {
            self.parts.resize_with(1 << PART_BITS, Vec::new);
        }
        let part = &mut self.parts[(position(hash) >> (POSITION_BITS - PART_BITS)) as usize];
        if part.capacity() == 0 {
            part.reserve_exact(self.part_len);
        }
        part.push((hash, Some(entry)));
        self.len += 1;
    }
}

/// The entries of a part in the order of their positions, as far as these bits tell them apart; where they don't, as they
/// came.
#[derive(Debug, Default)]
struct Order {
    bits: u32,
    /// Of each value of the bits where the next of it comes.
    next: Vec<u32>,
    /// Places in the part.
    places: Vec<u32>,
}

impl Order {
    fn value(&self, hash: u64) -> usize {
        (position(hash) >> (POSITION_BITS - PART_BITS - self.bits)) as usize & ((1 << self.bits) - 1)
    }

    fn sort<T>(&mut self, part: &Part<T>) {
        self.next.clear();
        self.next.resize(1 << self.bits, 0);
        for (hash, _) in part {
            let value = self.value(*hash);
            self.next[value] += 1;
        }
        let mut before = 0;
        for next in &mut self.next {
            before += std::mem::replace(next, before);
        }
        self.places.resize(part.len(), 0);
        for (place, (hash, _)) in part.iter().enumerate() {
            let value = self.value(*hash);
            self.places[self.next[value] as usize] = place as u32;
            self.next[value] += 1;
        }
    }
}

impl<T: Expires> Table<T> {
    /// Has all of these be there, one behind the other, each in the place of the one that `is_same`, if there is one; `added`
    /// is told of those that had none. Nothing is left gathered.
    pub(crate) fn put_all(
        &mut self,
        gathered: &mut Gathered<T>,
        is_same: impl Fn(&T, &T) -> bool,
        hash_of: impl Fn(&T) -> u64,
        mut added: impl FnMut(&T),
    ) {
        // Where that is so for most of the segments, all are put in the order of their ends at once.
        let is_most = gathered.len > self.segments.len() / 4;
        let segments = (self.len + gathered.len).div_ceil(SPLIT_ABOVE).next_power_of_two();
        let bits = segments.ilog2().saturating_sub(PART_BITS).clamp(ORDER_BITS, POSITION_BITS - PART_BITS);
        let mut order = Order { bits, ..Order::default() };
        let mut left = Vec::new();
        for part in &mut gathered.parts {
            order.sort(part);
            self.replace(part, &order, &is_same, &mut left, is_most);
            self.len += left.len();
            std::mem::swap(part, &mut left);
            left.clear();
        }
        while self.len > self.segments.len() * SPLIT_ABOVE {
            for (segment, ends_before) in self.split_apart(&hash_of).into_iter().flatten() {
                if !is_most {
                    self.reorder(segment, ends_before);
                }
            }
        }
        for part in &mut gathered.parts {
            self.place_all(part, &mut added, is_most);
        }
        gathered.len = 0;
        if is_most {
            self.reorder_all();
        }
    }

    /// Puts those in their places that have one already. Of the others the last of each is left, in order.
    fn replace(
        &mut self,
        part: &mut Part<T>,
        order: &Order,
        is_same: impl Fn(&T, &T) -> bool,
        left: &mut Part<T>,
        is_most: bool,
    ) {
        let mut alike = 0;
        for places in order.places.chunks(LOOKUPS_AHEAD) {
            for step in Fetch::INSERTION {
                for &place in places {
                    self.fetch(part[place as usize].0, step);
                }
            }
            for &place in places {
                let (hash, Some(entry)) = std::mem::take(&mut part[place as usize]) else { continue };
                let is_it = |other: &T| is_same(other, &entry);
                let segment = self.segment_of(hash);
                if let Some(place) = self.segments.get(segment).and_then(|found| found.find(hash, is_it)) {
                    self.replace_at(segment, place, entry, is_most);
                    continue;
                }
                if left.get(alike).is_some_and(|(other, _)| order.value(*other) != order.value(hash)) {
                    alike = left.len();
                }
                let before = left[alike..].iter_mut().find(|(_, other)| other.as_ref().is_some_and(is_it));
                match before {
                    Some((_, before)) => *before = Some(entry),
                    None => left.push((hash, Some(entry))),
                }
            }
        }
    }

    fn replace_at(&mut self, segment: usize, place: usize, entry: T, is_most: bool) {
        let after = end_of(&entry);
        let found = &mut self.segments[segment];
        let before = end_of(&std::mem::replace(found.entry_mut(place), entry));
        if before != after {
            let ends_before = found.ends;
            found.ends.remove(before);
            found.ends.add(after);
            self.note_latest(after);
            if !is_most {
                self.reorder(segment, ends_before);
            }
        }
    }

    /// Puts all of these where they belong, segment by segment.
    fn place_all(&mut self, part: &mut Part<T>, mut added: impl FnMut(&T), is_most: bool) {
        let mut at = 0;
        let mut fetched = 0;
        while at < part.len() {
            if at >= fetched {
                fetched = part.len().min(at + LOOKUPS_AHEAD);
                for step in Fetch::INSERTION {
                    for (hash, _) in &part[at..fetched] {
                        self.fetch(*hash, step);
                    }
                }
            }
            let segment = self.segment_of(part[at].0);
            let goes_there = |(hash, _): &&(u64, Option<T>)| self.segment_of(*hash) == segment;
            let len = part[at..].iter().take_while(goes_there).count();
            let found = &mut self.segments[segment];
            let ends_before = found.ends;
            found.reserve(len);
            let mut latest = Expiry::at_ms(i64::MIN);
            for (hash, entry) in &mut part[at..at + len] {
                let Some(entry) = entry.take() else { continue };
                added(&entry);
                let end = end_of(&entry);
                latest = latest.max(last_moment(end));
                found.ends.add(end);
                found.push(*hash, entry);
            }
            self.latest = self.latest.max(latest);
            if !is_most {
                self.reorder(segment, ends_before);
            }
            at += len;
        }
        part.clear();
    }

    fn reorder_all(&mut self) {
        let firsts = self.segments.iter().enumerate();
        let firsts = firsts.map(|(at, segment)| (segment.ends.first, Reverse(at as u32)));
        self.expiring = firsts.filter(|(first, _)| *first != Expiry::NEVER).collect();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;
    use crate::store::segment::Segment;

    /// A name, when it ends, and what tells it from others of that name.
    #[derive(Debug, Clone, PartialEq)]
    struct Named(u16, Expiry, usize);

    impl Expires for Named {
        fn earliest(&self) -> Expiry {
            self.1
        }

        fn ends_whole(&self) -> bool {
            true
        }
    }

    /// Of several names the same, and of more the same but for the bits that choose no segment.
    fn hash_of(entry: &Named) -> u64 {
        let hash = ahash::RandomState::with_seeds(1, 2, 3, 4).hash_one(entry.0 / 3);
        if entry.0.is_multiple_of(3) { hash } else { hash ^ 1 << 60 }
    }

    fn put_one_by_one(table: &mut Table<Named>, entries: &[Named]) {
        for entry in entries {
            let hash = hash_of(entry);
            if table.update(hash, |e| e.0 == entry.0, |e| *e = entry.clone()).is_none() {
                table.insert(hash, entry.clone(), hash_of);
            }
        }
    }

    fn put_together(table: &mut Table<Named>, entries: &[Named], gathered: &mut Gathered<Named>) {
        let mut added = 0;
        let before = table.len();
        for entry in entries {
            gathered.push(hash_of(entry), entry.clone());
        }
        table.put_all(gathered, |one, other| one.0 == other.0, hash_of, |_| added += 1);
        assert_eq!((table.len() - before, gathered.len()), (added, 0));
    }

    fn contents(table: &Table<Named>) -> HashMap<u16, Named> {
        table.iter().map(|entry| (entry.0, entry.clone())).collect()
    }

    fn assert_invariants(table: &Table<Named>) {
        assert_eq!(table.segments.iter().map(Segment::len).sum::<usize>(), table.len());
        assert!(table.len() <= table.segments.len() * SPLIT_ABOVE);
        let mut expiring = 0;
        for (at, segment) in table.segments.iter().enumerate() {
            segment.assert_dense();
            let first = segment.ends.first;
            for entry in segment.entries() {
                let hash = hash_of(entry);
                assert_eq!(table.segment_of(hash), at);
                assert!(segment.find(hash, |e| e == entry).is_some() && entry.1 >= first);
            }
            let at_first =
                segment.entries().iter().filter(|entry| entry.1 == first && first != Expiry::NEVER);
            assert_eq!(at_first.count(), segment.ends.at_first as usize);
            let others = segment.entries().iter().filter(|entry| entry.1 != first);
            assert!(others.map(Named::earliest).min().is_none_or(|other| other >= segment.ends.next));
            expiring += usize::from(first != Expiry::NEVER);
            let is_expiring = table.expiring.contains(&(first, Reverse(at as u32)));
            assert_eq!(is_expiring, first != Expiry::NEVER);
        }
        assert_eq!(table.expiring.len(), expiring);
        assert!(table.iter().all(|entry| entry.1 <= table.latest));
    }

    fn entries() -> impl Strategy<Value = Vec<Named>> {
        let expiry = prop_oneof![1 => Just(Expiry::NEVER), 2 => (1..50_i64).prop_map(Expiry::at_ms)];
        let of = |names: std::ops::Range<u16>, len| prop::collection::vec((names, expiry.clone()), 0..len);
        prop_oneof![of(0..20, 200), of(0..2_000, 2_000), of(0..60_000, 3_000), of(7..8, 50)].prop_map(|all| {
            all.into_iter().enumerate().map(|(at, (name, expiry))| Named(name, expiry, at)).collect()
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn what_is_put_together_is_what_is_put_one_by_one(
            all in prop::collection::vec((entries(), entries(), 0..60_000_u16), 1..6),
        ) {
            let (mut table, mut expected) = (Table::new(), Table::new());
            let mut gathered = Gathered::new(1_000);
            for (together, singly, removed) in all {
                put_one_by_one(&mut expected, &together);
                put_together(&mut table, &together, &mut gathered);
                assert_invariants(&table);
                prop_assert_eq!(contents(&table), contents(&expected));
                for table in [&mut table, &mut expected] {
                    put_one_by_one(table, &singly);
                    for name in removed..removed.saturating_add(2_000) {
                        let entry = Named(name, Expiry::NEVER, 0);
                        table.remove(hash_of(&entry), |e| e.0 == name, hash_of);
                    }
                }
                assert_invariants(&table);
                prop_assert_eq!(contents(&table), contents(&expected));
            }
        }
    }

    #[test]
    fn few_are_put_into_many() {
        let mut table = Table::new();
        let at = |name: u16| Named(name, Expiry::at_ms(i64::from(name) + 1), 0);
        let many: Vec<_> = (0..60_000).map(at).collect();
        put_together(&mut table, &many, &mut Gathered::new(many.len()));
        assert_invariants(&table);
        let few: Vec<_> = (59_990..60_010).map(|name| Named(name, Expiry::at_ms(1), 1)).collect();
        put_together(&mut table, &few, &mut Gathered::new(few.len()));
        assert_invariants(&table);
        assert_eq!(table.len(), 60_010);
    }
}
