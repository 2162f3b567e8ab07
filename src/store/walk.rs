//! Walks of one moment: all members that a set has now, handed out a few at a time, whatever becomes of the set
//! meanwhile.
//!
//! ```text
//! positions   0 ......... cursor ............................ END
//!             handed out  | as the set is now, but for `saved`:
//!             already     |   what changed behind the cursor since the walk began, and whether it was there then
//! ```
//!
//! A walk takes nothing from the set at its begin. It goes through the positions of members as SCAN does (see
//! [`table`](super::table)), which splits and merges don't move. Before a member behind its cursor changes (is added,
//! removed, given another end, swept), the writer notes in the walk whether it was there at the walk's moment; what
//! is noted stands in for what the set says. So a walk holds what has changed since, and never what has not.
//!
//! A set may be moved while it is walked: the writer tells the walk where it stands now. One that is removed is not
//! freed but handed to its walks, and goes with the last of them.
//!
//! Both are bounded, for all walks together. Where more would be held, walks are lost: the writer never waits for
//! anybody who reads.
//!
//! Invariants:
//!
//! 1. Each position before the cursor was handed out, none from there on.
//! 2. A member from the cursor on was there at the walk's moment if `saved` says so or, where that says nothing of it,
//!    if it is in the set and had not ended by then.
//! 3. A walk that is not lost knows where its set stands, or has it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Weak};

use ahash::RandomState;
use parking_lot::{Mutex, MutexGuard};

use super::entry;
use super::keyspace::{Container, Key, Keyspace, Removed, Value};
use super::packing::{Name, NameView};
use super::set::{Member, Set};
use super::table::{END, position};
use crate::effect::ContainerId;
use crate::expiry::Expiry;
use crate::limits::{WALK_REMOVED_BYTES, WALK_SAVED_BYTES, WALK_STEP_BYTES, WALKS};

/// Members of a removed set that are looked at to tell what it weighs.
const WEIGHED_MEMBERS: usize = 64;

/// What a member takes in `saved` beside its name.
const NAME_OVERHEAD_BYTES: usize = 64;

/// What a member of a removed set takes beside its entry.
const MEMBER_OVERHEAD_BYTES: usize = 10;

/// A walk through all members that a set had at one moment. Dropping it ends it.
#[derive(Debug)]
pub struct Walk {
    len: usize,
    state: Arc<Mutex<State>>,
}

/// More walks at once than there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooManyWalks;

/// The walk can't go on: it was too slow for what changed meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lost;

/// What the writer and the walker share. The walker holds the keyspace for reading when it takes a step, the writer for
/// writing when it changes something: the lock is never fought for.
#[derive(Debug)]
pub(super) struct State {
    container: ContainerId,
    now_ms: i64,
    cursor: u64,
    place: Place,
    saved: Saved,
}

/// Where the set stands.
#[derive(Debug)]
enum Place {
    Key(u8, Box<[u8]>),
    /// Nowhere any more.
    Removed(Arc<RemovedSet>),
    /// The walk was given up.
    Lost,
}

/// Whether what changed behind the cursor was there at the walk's moment: by position and name.
#[derive(Debug)]
struct Saved {
    names: BTreeMap<(u64, Box<[u8]>), bool>,
    bytes: Share,
}

#[derive(Debug)]
struct RemovedSet {
    container: Container,
    _bytes: Share,
}

/// What a walk holds, to be freed where nobody waits.
#[derive(Debug)]
pub(super) struct Held(Place, Saved);

/// A part of what all walks hold together.
#[derive(Debug)]
struct Share {
    bytes: usize,
    total: Arc<AtomicUsize>,
}

impl Share {
    fn new(total: &Arc<AtomicUsize>, bytes: usize) -> Self {
        total.fetch_add(bytes, Relaxed);
        Self { bytes, total: Arc::clone(total) }
    }

    fn set(&mut self, bytes: usize) {
        self.total.fetch_add(bytes, Relaxed);
        self.total.fetch_sub(std::mem::replace(&mut self.bytes, bytes), Relaxed);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.set(0);
    }
}

impl Walk {
    /// How many members it hands out in all.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "an empty set has no key, and so no walk")]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it was given up.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        matches!(self.state.lock().place, Place::Lost)
    }

    /// Whether it holds something, the end of which may take long.
    #[must_use]
    pub fn holds_something(&self) -> bool {
        let state = self.state.lock();
        !matches!(state.place, Place::Key(..)) || !state.saved.names.is_empty()
    }
}

impl Drop for Walk {
    fn drop(&mut self) {
        // The writer may be about to look at it, and is not to be the one who frees what it holds.
        let held = self.state.lock().give_up();
        drop(held);
    }
}

impl State {
    fn give_up(&mut self) -> Held {
        self.saved.bytes.set(0);
        let bytes = Share::new(&self.saved.bytes.total, 0);
        let saved = std::mem::replace(&mut self.saved, Saved { names: BTreeMap::new(), bytes });
        Held(std::mem::replace(&mut self.place, Place::Lost), saved)
    }

    /// Hands out the members of some positions from the cursor on.
    fn step(&mut self, set: &Set, keyspace: &Keyspace, mut visit: impl FnMut(&[u8])) {
        let (members, end) = keyspace.members_from(set, self.cursor);
        let saved = self.saved.until(end);
        let says_nothing = |at: u64, name: &[u8]| saved.binary_search(&(at, name)).is_err();
        let is_unchanged =
            |(at, member): &(u64, &Member)| saved.is_empty() || says_nothing(*at, &member.text());
        let is_there = |(_, member): &(u64, &Member)| !member.expiry().is_due(self.now_ms);
        let unchanged = members.into_iter().filter(is_there).filter(is_unchanged);
        let mut names: Vec<_> = unchanged.map(|(at, member)| (at, member.view())).collect();
        let was_there = |&&(at, name): &&(u64, &[u8])| self.saved.was_there(at, name) == Some(true);
        names.extend(saved.iter().filter(was_there).map(|&(at, name)| (at, NameView::plain(name))));
        let end = bounded_end(&mut names, end);
        names.iter().filter(|(at, _)| *at < end).for_each(|(_, name)| visit(&name.text()));
        self.saved.forget_until(end);
        self.cursor = end;
    }

    /// Notes whether a member was there at the walk's moment, unless it has noted that before: it is about to change,
    /// and `expiry` is when it ends so far, if it is in the set.
    fn save(&mut self, hash: u64, name: &[u8], expiry: Option<Expiry>) {
        let at = position(hash);
        if at >= self.cursor && !matches!(self.place, Place::Lost) && self.saved.was_there(at, name).is_none()
        {
            let was_there = expiry.is_some_and(|expiry| !expiry.is_due(self.now_ms));
            self.saved.bytes.set(self.saved.bytes.bytes + name.len() + NAME_OVERHEAD_BYTES);
            self.saved.names.insert((at, name.into()), was_there);
        }
    }
}

/// The first position behind as many of the names as a step may hand out, or `end`. All of one position go together.
fn bounded_end(names: &mut [(u64, NameView<'_>)], end: u64) -> u64 {
    if names.iter().map(|(_, name)| name.text_len()).sum::<usize>() <= WALK_STEP_BYTES {
        return end;
    }
    names.sort_unstable_by_key(|(at, _)| *at);
    let first = names.first().map_or(end, |(at, _)| *at);
    let mut bytes = 0;
    let is_full = |(at, name): &&(u64, NameView<'_>)| {
        let is_full = bytes >= WALK_STEP_BYTES && *at > first;
        bytes += name.text_len();
        is_full
    };
    names.iter().find(is_full).map_or(end, |(at, _)| *at)
}

impl Saved {
    /// What is noted of a member, if something is.
    fn was_there(&self, at: u64, name: &[u8]) -> Option<bool> {
        let from_there = self.names.range((at, Box::default())..).take_while(|((other, _), _)| *other == at);
        from_there.into_iter().find(|((_, other), _)| **other == *name).map(|(_, was_there)| *was_there)
    }

    /// The members of which something is noted, up to a position; in order.
    fn until(&self, end: u64) -> Vec<(u64, &[u8])> {
        self.names.range(..(end, Box::default())).map(|((at, name), _)| (*at, &**name)).collect()
    }

    fn forget_until(&mut self, end: u64) {
        let mut bytes = self.bytes.bytes;
        while let Some(first) = self.names.first_entry().filter(|first| first.key().0 < end) {
            bytes -= first.key().1.len() + NAME_OVERHEAD_BYTES;
            first.remove();
        }
        self.bytes.set(bytes);
    }
}

impl Held {
    /// How many names there are to free.
    pub(super) fn len(&self) -> usize {
        let removed = if let Place::Removed(set) = &self.0 { set.container.set.len() } else { 0 };
        removed + self.1.names.len()
    }
}

/// The walks under way. Where there are none, looking for them is all that they cost the writer.
#[derive(Debug, Default)]
pub(super) struct Walks {
    active: Mutex<Vec<Active>>,
    bounds: Bounds,
    saved_bytes: Arc<AtomicUsize>,
    removed_bytes: Arc<AtomicUsize>,
}

/// What the walks may hold, all together.
#[derive(Debug)]
struct Bounds {
    saved_bytes: usize,
    removed_bytes: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { saved_bytes: WALK_SAVED_BYTES, removed_bytes: WALK_REMOVED_BYTES }
    }
}

#[derive(Debug)]
struct Active {
    container: ContainerId,
    /// Gone with the walk.
    state: Weak<Mutex<State>>,
}

/// The walks through one set.
#[derive(Debug, Default)]
pub(super) struct OfSet(Vec<Arc<Mutex<State>>>);

impl OfSet {
    /// To be called before a member changes, with its expiry so far.
    pub(super) fn save(&self, member: &Name<'_>, expiry: Option<Expiry>) {
        self.lock().for_each(|mut state| state.save(member.hash(), member.text(), expiry));
    }

    /// The same, for one that has been taken out.
    pub(super) fn save_taken(&self, member: &Member, hasher: &RandomState) {
        let hash = member.hash(hasher);
        self.lock().for_each(|mut state| state.save(hash, &member.text(), Some(member.expiry())));
    }

    fn lock(&self) -> impl Iterator<Item = MutexGuard<'_, State>> {
        self.0.iter().map(|state| state.lock())
    }
}

impl Walks {
    /// Begins a walk through the set at a key, which has so many members at this time.
    pub(super) fn begin(
        &self,
        container: &Container,
        (database, name): (u8, &[u8]),
        now_ms: i64,
    ) -> Result<Walk, TooManyWalks> {
        let len = container.set.len_at(now_ms);
        let mut active = self.active.lock();
        active.retain(|walk| walk.state.strong_count() > 0);
        if active.len() >= WALKS {
            return Err(TooManyWalks);
        }
        let state = Arc::new(Mutex::new(State {
            container: container.id,
            now_ms,
            cursor: 0,
            place: Place::Key(database, name.into()),
            saved: Saved { names: BTreeMap::new(), bytes: Share::new(&self.saved_bytes, 0) },
        }));
        active.push(Active { container: container.id, state: Arc::downgrade(&state) });
        Ok(Walk { len, state })
    }

    /// Whether there may be walks: all that the writer asks where there are none.
    pub(super) fn are_there(&mut self) -> bool {
        !self.active.get_mut().is_empty()
    }

    /// The walks through a set.
    pub(super) fn of(&mut self, container: ContainerId) -> OfSet {
        self.those(|walk| walk.container == container)
    }

    fn those(&mut self, is_one: impl Fn(&Active) -> bool) -> OfSet {
        if !self.are_there() {
            return OfSet::default();
        }
        let active = self.active.get_mut();
        active.retain(|walk| walk.state.strong_count() > 0);
        OfSet(active.iter().filter(|walk| is_one(walk)).filter_map(|walk| walk.state.upgrade()).collect())
    }

    /// Says that a set stands at this key now.
    pub(super) fn moved(&mut self, container: ContainerId, database: u8, name: &[u8]) {
        for mut state in self.of(container).lock() {
            if let Place::Key(..) = state.place {
                state.place = Place::Key(database, name.into());
            }
        }
    }

    /// Says that two databases have each other's keys.
    pub(super) fn swapped(&mut self, first: u8, second: u8) {
        for mut state in self.those(|_| true).lock() {
            if let Place::Key(database, _) = &mut state.place {
                *database = match *database {
                    it if it == first => second,
                    it if it == second => first,
                    it => it,
                };
            }
        }
    }

    /// The keys of a database whose sets are walked.
    pub(super) fn keys(&mut self, database: u8) -> Vec<Box<[u8]>> {
        let name = |state: MutexGuard<'_, State>| match &state.place {
            Place::Key(its, name) if *its == database => Some(name.clone()),
            _ => None,
        };
        self.those(|_| true).lock().filter_map(name).collect()
    }

    /// Takes what was taken out of the keyspace: to be freed, or to be walked to the end.
    pub(super) fn take(&mut self, key: Key, removed: &mut Removed) {
        let walks = key.value.as_set().map_or_else(OfSet::default, |container| self.of(container.id));
        match key.value {
            Value::Set(container) if !walks.0.is_empty() => {
                self.hand_over(container.into_inner(), &walks, removed);
            }
            _ => removed.push(key),
        }
    }

    fn hand_over(&self, container: Container, walks: &OfSet, removed: &mut Removed) {
        let bytes = weight(&container.set);
        let has_room = self.removed_bytes.load(Relaxed) + bytes <= self.bounds.removed_bytes;
        let set = Arc::new(RemovedSet { container, _bytes: Share::new(&self.removed_bytes, bytes) });
        for mut state in walks.lock() {
            state.place = Place::Removed(Arc::clone(&set));
            if !has_room {
                removed.push_held(state.give_up());
            }
        }
    }

    /// Gives up the walk that holds most, if all hold more than they may.
    pub(super) fn keep_within_bounds(&mut self, removed: &mut Removed) {
        if self.saved_bytes.load(Relaxed) > self.bounds.saved_bytes
            && let Some(mut most) = self.those(|_| true).lock().max_by_key(|state| state.saved.bytes.bytes)
        {
            removed.push_held(most.give_up());
        }
    }
}

/// About what a set takes.
fn weight(set: &Set) -> usize {
    let some = set.iter(i64::MIN).take(WEIGHED_MEMBERS);
    let (count, bytes) =
        some.fold((0, 0), |(count, bytes), member| (count + 1, bytes + entry::weight(member.view())));
    set.len() * (bytes / usize::max(count, 1) + MEMBER_OVERHEAD_BYTES)
}

impl Keyspace {
    /// Hands out some members of a walk. False behind the last.
    ///
    /// # Errors
    ///
    /// If the walk is lost: what was handed out is not all of it.
    pub fn step(&self, walk: &mut Walk, visit: impl FnMut(&[u8])) -> Result<bool, Lost> {
        let state = &mut *walk.state.lock();
        if state.cursor >= END {
            return Ok(false);
        }
        let removed;
        let set = match &state.place {
            Place::Key(database, name) => {
                self.get(*database, name).and_then(|key| key.set(state.container)).ok_or(Lost)?
            }
            Place::Removed(set) => {
                removed = Arc::clone(set);
                &removed.container.set
            }
            Place::Lost => return Err(Lost),
        };
        state.step(set, self, visit);
        Ok(state.cursor < END)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use bytes::Bytes;
    use proptest::prelude::*;

    use super::super::tests::{Change, Place as KeyPlace, TIMES, change, place, stage};
    use super::super::{Staged, Store, View};
    use super::*;

    const KEY: &str = "k";

    /// A walk, and what it has to hand out.
    struct Checked {
        walk: Walk,
        expected: BTreeSet<Bytes>,
        met: BTreeSet<Bytes>,
    }

    impl Checked {
        /// Begins at what is a set there, if there is one.
        fn begin(store: &Store, (database, key): &KeyPlace, now_ms: i64) -> Option<Self> {
            let keyspace = store.read();
            let view = View::committed(&keyspace, now_ms);
            let walk = view.walk(*database, key, 0).unwrap()?;
            let set = view.set(*database, key).unwrap().unwrap();
            let expected: BTreeSet<_> =
                set.members().map(|(member, _)| Bytes::copy_from_slice(&member.text())).collect();
            assert_eq!(walk.len(), expected.len());
            Some(Self { walk, expected, met: BTreeSet::new() })
        }

        /// False at the end.
        fn step(&mut self, store: &Store) -> Result<bool, Lost> {
            let Self { walk, met, .. } = self;
            store.read().step(walk, |name| {
                assert!(met.insert(Bytes::copy_from_slice(name)), "{} was met twice", name.escape_ascii());
            })
        }

        fn finish(mut self, store: &Store) {
            while self.step(store).unwrap() {}
            assert_eq!(self.met, self.expected);
            assert!(self.walk.state.lock().saved.names.is_empty());
            assert_eq!(self.walk.state.lock().saved.bytes.bytes, 0);
        }
    }

    fn apply(store: &Store, batch: &[Change], now_ms: i64) {
        let changes = {
            let keyspace = store.read();
            let mut staged = Staged::new(&keyspace, now_ms);
            for change in batch {
                stage(&mut staged, change);
            }
            staged.into_changes()
        };
        store.apply(&changes).unwrap();
    }

    fn members(numbers: std::ops::Range<u32>) -> Vec<Bytes> {
        numbers.map(|number| Bytes::from(format!("m{number}"))).collect()
    }

    fn add(numbers: std::ops::Range<u32>, expiry: Expiry) -> Change {
        Change::Put(place(KEY), members(numbers), expiry)
    }

    fn remove(numbers: std::ops::Range<u32>) -> Change {
        Change::Remove(place(KEY), members(numbers))
    }

    /// A store with such a set, and a walk that has taken its first step through it.
    fn begun(len: u32, expiry: Expiry) -> (Store, Checked) {
        let store = Store::default();
        apply(&store, &[add(0..len, expiry)], 0);
        let mut walk = Checked::begin(&store, &place(KEY), 0).unwrap();
        assert!(walk.step(&store).unwrap(), "there is more to come");
        (store, walk)
    }

    fn held(store: &Store) -> (usize, usize) {
        let walks = &store.read().walks;
        (walks.saved_bytes.load(Relaxed), walks.removed_bytes.load(Relaxed))
    }

    /// What happens while there are walks.
    #[derive(Debug, Clone)]
    enum Event {
        Apply(Vec<Change>),
        Sweep(usize),
        Pass(i64),
        Begin(KeyPlace),
        Step(prop::sample::Index, usize),
        Drop(prop::sample::Index),
    }

    fn event() -> impl Strategy<Value = Event> {
        let place = || (0..2_u8, (0..4_u8).prop_map(|k| Bytes::from(vec![b'k', k])));
        let numbers = || (0..3_000_u32, 0..800_u32).prop_map(|(from, len)| members(from..from + len));
        let expiry = prop_oneof![1 => Just(Expiry::NEVER), 1 => TIMES.prop_map(Expiry::at_ms)];
        let change = prop_oneof![
            6 => change(),
            3 => (place(), numbers(), expiry).prop_map(|(place, members, expiry)| Change::Put(place, members, expiry)),
            2 => (place(), numbers()).prop_map(|(place, members)| Change::Remove(place, members)),
        ];
        prop_oneof![
            6 => prop::collection::vec(change, 1..6).prop_map(Event::Apply),
            2 => (0..5_usize).prop_map(Event::Sweep),
            2 => (0..3_i64).prop_map(Event::Pass),
            3 => place().prop_map(Event::Begin),
            6 => (any::<prop::sample::Index>(), 1..6_usize).prop_map(|(walk, steps)| Event::Step(walk, steps)),
            1 => any::<prop::sample::Index>().prop_map(Event::Drop),
        ]
    }

    /// `REVOKED_WALK_ROUNDS=100000 cargo test --lib walk::` takes some hours. What fails is printed as short as it can
    /// be, and repeated by the next run.
    fn rounds() -> u32 {
        std::env::var("REVOKED_WALK_ROUNDS").map_or(256, |rounds| rounds.parse().unwrap())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(rounds()))]

        #[test]
        fn a_walk_hands_out_one_moment_whatever_happens(events in prop::collection::vec(event(), 1..80)) {
            let (store, mut now_ms) = (Store::default(), 0);
            let mut walks: Vec<Checked> = Vec::new();
            for event in events {
                match event {
                    Event::Apply(batch) => apply(&store, &batch, now_ms),
                    Event::Sweep(budget) => drop(store.sweep(now_ms, budget)),
                    Event::Pass(ms) => now_ms += ms,
                    Event::Begin(place) => walks.extend(Checked::begin(&store, &place, now_ms)),
                    Event::Step(walk, steps) if !walks.is_empty() => {
                        let at = walk.index(walks.len());
                        (0..steps).for_each(|_| assert!(walks[at].step(&store).is_ok()));
                    }
                    Event::Drop(walk) if !walks.is_empty() => drop(walks.swap_remove(walk.index(walks.len()))),
                    Event::Step(..) | Event::Drop(_) => {}
                }
            }
            for walk in walks {
                walk.finish(&store);
            }
            prop_assert_eq!(held(&store), (0, 0), "all was given back");
        }
    }

    #[test]
    fn what_splits_and_merges_the_segments_changes_nothing() {
        for (before, after) in [(300, 20_000), (20_000, 300)] {
            let (store, walk) = begun(before, Expiry::NEVER);
            apply(&store, &[add(0..after, Expiry::NEVER), remove(after..before)], 0);
            walk.finish(&store);
        }
    }

    #[test]
    fn what_ends_later_is_still_shown_when_it_is_swept() {
        let (store, walk) = begun(5_000, Expiry::at_ms(10));
        while store.read().earliest().is_due(10) {
            store.sweep(10, 4);
        }
        assert_eq!(View::committed(&store.read(), 10).len(0), 0);
        walk.finish(&store);
    }

    #[test]
    fn a_removed_set_is_walked_to_its_end_and_freed_with_the_last_walk() {
        let removals = [
            Change::Delete(place(KEY)),
            Change::Flush(0),
            Change::SetString(place(KEY), Bytes::new(), Expiry::NEVER),
            Change::Expire(place(KEY), Expiry::at_ms(1)),
        ];
        for removal in removals {
            let (store, first) = begun(5_000, Expiry::NEVER);
            let second = Checked::begin(&store, &place(KEY), 0).unwrap();
            apply(&store, &[Change::Swap(0, 1), Change::Swap(1, 0), removal], 1);
            drop(store.sweep(1, usize::MAX));
            first.finish(&store);
            assert!(held(&store).1 > 0, "the other goes on");
            second.finish(&store);
            assert_eq!(held(&store), (0, 0));
        }
    }

    #[test]
    fn a_set_that_moves_is_walked_where_it_stands() {
        let (store, walk) = begun(5_000, Expiry::NEVER);
        apply(&store, &[Change::Move(place(KEY), place("other"))], 0);
        apply(&store, &[add(9_000..9_500, Expiry::NEVER), Change::Swap(0, 1)], 0);
        apply(
            &store,
            &[Change::Put((1, Bytes::from_static(b"other")), members(6_000..7_000), Expiry::NEVER)],
            0,
        );
        walk.finish(&store);
    }

    #[test]
    fn a_step_over_long_members_hands_out_few() {
        let store = Store::default();
        let long = |number: u32| Bytes::from(format!("{number:05000}"));
        apply(&store, &[Change::Put(place(KEY), (0..500).map(long).collect(), Expiry::NEVER)], 0);
        let mut walk = Checked::begin(&store, &place(KEY), 0).unwrap();
        apply(&store, &[Change::Remove(place(KEY), (0..200).map(long).collect())], 0);
        loop {
            let before = walk.met.len();
            let goes_on = walk.step(&store).unwrap();
            assert!(walk.met.len() - before <= WALK_STEP_BYTES / 5_000 + 1);
            if before == 0 {
                // Among them the one that is right at the cursor.
                apply(&store, &[Change::Remove(place(KEY), (0..499).map(long).collect())], 0);
            }
            if !goes_on {
                break;
            }
        }
        walk.finish(&store);
    }

    #[test]
    fn only_what_changed_behind_the_cursor_is_held_and_once() {
        let (store, mut walk) = begun(5_000, Expiry::NEVER);
        let names = |walk: &Checked| walk.walk.state.lock().saved.names.len();
        for _ in 0..3 {
            apply(&store, &[remove(0..1_000), add(0..1_000, Expiry::NEVER)], 0);
        }
        assert!((1..=1_000).contains(&names(&walk)), "{}", names(&walk));
        while walk.step(&store).unwrap() {}
        apply(&store, &[remove(0..5_000)], 0);
        assert_eq!(names(&walk), 0, "nothing is behind it");
    }

    #[test]
    fn the_walk_that_notes_most_is_lost_where_all_note_too_much() {
        let (store, mut behind) = begun(5_000, Expiry::NEVER);
        let mut ahead = Checked::begin(&store, &place(KEY), 0).unwrap();
        while ahead.met.len() < 4_000 {
            assert!(ahead.step(&store).unwrap());
        }
        store.load().walks.bounds.saved_bytes = 100 * NAME_OVERHEAD_BYTES;
        apply(&store, &[add(5_000..5_200, Expiry::NEVER)], 0);
        assert!(behind.walk.is_lost());
        assert_eq!(behind.step(&store), Err(Lost));
        assert!(!ahead.walk.is_lost());
        assert!(held(&store).0 <= 100 * NAME_OVERHEAD_BYTES);
        ahead.finish(&store);
    }

    #[test]
    fn the_walks_of_a_removed_set_that_has_no_room_are_lost() {
        let (store, mut walk) = begun(5_000, Expiry::NEVER);
        store.load().walks.bounds.removed_bytes = 1_000;
        apply(&store, &[Change::Delete(place(KEY))], 0);
        assert!(walk.walk.is_lost());
        assert_eq!(walk.step(&store), Err(Lost));
        assert_eq!(held(&store), (0, 0));
    }

    #[test]
    fn walks_at_once_are_bounded_and_those_that_are_dropped_make_room() {
        let store = Store::default();
        apply(&store, &[add(0..50, Expiry::NEVER)], 0);
        let begin = || View::committed(&store.read(), 0).walk(0, KEY.as_bytes(), 0);
        let mut walks: Vec<_> = (0..WALKS).map(|_| begin().unwrap().unwrap()).collect();
        assert_eq!(begin().unwrap_err(), TooManyWalks);
        walks.pop();
        assert!(begin().is_ok());
    }

    #[test]
    fn only_a_committed_set_of_some_size_is_walked() {
        let store = Store::default();
        apply(
            &store,
            &[add(0..50, Expiry::NEVER), Change::SetString(place("s"), Bytes::new(), Expiry::NEVER)],
            0,
        );
        let keyspace = store.read();
        let view = View::committed(&keyspace, 0);
        assert!(view.walk(0, b"k", 50).unwrap().is_some());
        assert_eq!(view.lookups().hits, 1);
        assert!(view.walk(0, b"k", 51).unwrap().is_none());
        assert!(view.walk(0, b"s", 0).unwrap().is_none());
        assert!(view.walk(0, b"none", 0).unwrap().is_none());
        assert!(Staged::new(&keyspace, 0).view().walk(0, b"k", 50).unwrap().is_none());
        assert_eq!(view.lookups().hits, 1, "the read that follows counts");
    }
}
