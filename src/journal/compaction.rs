//! Compaction: what the journal says in vain is taken out of it, with neither a second copy nor a stop.
//!
//! ```text
//!   first row                lap_end                                          last row
//!   | what is looked at next | ....... changes since the lap began, restated rows ... |
//!   `--- still so? written again there ------------------------------------------^
//!   `--- then all of it is taken away, in the same transaction
//! ```
//!
//! Step by step between two commits, the first rows of the file are looked at. What one of them says that is still so, and
//! that no row of this lap has said, is appended again; then the rows go. Both are one transaction: whatever moment a
//! crash chooses, the file says what it said before. The pages of the rows that are gone are filled again by those
//! that come, and where there are many, given back to the file system.
//!
//! It runs as soon as the rows take more than [`COMPACT_ABOVE_PERCENT`] of what those would that say what is so, and
//! [`COMPACT_SLACK_BYTES`] beside; and goes on in proportion to what is written, so that it never falls behind. Tokens
//! end about in the order in which they were revoked: as a rule the first rows are those that say nothing any more, and
//! taking them away costs no writing.
//!
//! Rows are taken away from time row to time row: the first of a file is one, and the checksums of all that follow are
//! whole.

use std::time::{Duration, Instant};

use bytes::Bytes;
use fail::fail_point;

use super::error::AppendError;
use super::rows::Said;
use super::sqlite::JournalFile;
use crate::effect::Effect;
use crate::limits::{COMPACT_ABOVE_PERCENT, COMPACT_PACE, COMPACT_SLACK_BYTES};
use crate::stats::now_ms;
use crate::store::{Keyspace, Store};

/// How long nothing is tried after a step that failed.
const PAUSE: Duration = Duration::from_secs(1);

/// Where compaction stands.
#[derive(Debug, Default)]
pub(super) struct Compaction {
    /// The rows before this one are those that the lap takes away. The lap is over when none is left.
    lap_end: i64,
    /// No row before this one is to be left, whatever they say: what BGREWRITEAOF asks for.
    asked_end: Option<i64>,
    paused_until: Option<Instant>,
    /// What the lap has done so far.
    lap: Step,
    /// What was in use when a lap was over that found next to nothing to take away, though it seemed worth it: rows of
    /// some lengths fill their pages badly.
    used_in_vain: Option<u64>,
    /// Rows that are to be looked at beside what was appended, and were not yet.
    owed: u64,
}

/// What a step did.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Step {
    /// Rows taken away.
    pub(super) removed: u64,
    /// Rows written.
    pub(super) appended: u64,
}

impl Compaction {
    /// Has all rows that there are now be written again or taken away.
    pub(super) fn ask(&mut self, file: &JournalFile) {
        self.asked_end = Some(file.next_sequence());
        self.paused_until = None;
    }

    /// Whether what was asked for is done, told once.
    pub(super) fn is_done(&mut self, file: &JournalFile) -> bool {
        self.asked_end.take_if(|end| file.first_sequence() >= *end).is_some()
    }

    /// Gives up what was asked for.
    pub(super) fn give_up(&mut self) {
        self.asked_end = None;
    }

    /// Tries nothing for a moment.
    pub(super) fn pause(&mut self) {
        self.paused_until = Some(Instant::now() + PAUSE);
    }

    /// How long there is nothing to do; for ever, if that is not a matter of time.
    pub(super) fn due_in(&self, file: &JournalFile, row_bytes: usize) -> Option<Duration> {
        let used = file.used_bytes();
        let is_in_vain = self.used_in_vain.is_some_and(|before| used <= before + before / 4);
        let is_due = self.asked_end.is_some() || (is_worth_it(used, row_bytes as u64) && !is_in_vain);
        is_due.then(|| self.pause_left())
    }

    /// How long nothing is to be tried.
    pub(super) fn pause_left(&self) -> Duration {
        let left = self.paused_until.map(|until| until.saturating_duration_since(Instant::now()));
        left.unwrap_or_default()
    }

    /// Takes note that so many rows were appended: more are to be looked at.
    pub(super) fn owe(&mut self, appended: u64) {
        self.owed = self.owed.saturating_add(appended.saturating_mul(COMPACT_PACE));
    }

    /// Whether something is left of that.
    pub(super) fn owes(&self) -> bool {
        self.owed > 0
    }

    /// Takes the first rows out of the file, at least so many, and writes again what is still so of them.
    pub(super) fn step(
        &mut self,
        file: &mut JournalFile,
        store: &Store,
        least: usize,
    ) -> Result<Step, AppendError> {
        let now_ms = now_ms().max(store.read().time_ms());
        // What has ended by now is not written again, and so must stay ended, whatever the clock does.
        store.load().advance(now_ms);
        if file.first_sequence() >= self.lap_end {
            self.lap_end = file.begin_group(now_ms)?;
            store.load().begin_lap();
        }
        let mut restated = Restated::default();
        let head = {
            let keyspace = store.read();
            let restate = |said: Said<'_>, database| restated.add(&keyspace, said, database, now_ms);
            file.read_head(least, self.lap_end, restate)?
        };
        let removed = (head - file.first_sequence()) as u64;
        self.owed = self.owed.saturating_sub(removed);
        let appended = file.replace_head(head, &restated.effects, restated.is_renumbered, now_ms)?;
        fail_point!(super::failpoints::COMPACTION_COMMITTED);
        store.note_restated(&restated.effects);
        self.lap.removed += removed;
        self.lap.appended += appended;
        if head >= self.lap_end {
            self.end_lap(file.used_bytes());
        }
        Ok(Step { removed, appended })
    }

    fn end_lap(&mut self, used_bytes: u64) {
        let Step { removed, appended } = std::mem::take(&mut self.lap);
        self.used_in_vain = (appended >= removed / 10 * 9).then_some(used_bytes);
        self.owed = 0;
    }
}

/// What is to be written again.
#[derive(Debug, Default)]
struct Restated {
    effects: Vec<Effect<Bytes>>,
    /// Which space each database has.
    is_renumbered: bool,
}

impl Restated {
    /// Returns how many bytes are added.
    fn add(&mut self, keyspace: &Keyspace, said: Said<'_>, database: Option<u8>, now_ms: i64) -> usize {
        let before = self.effects.len();
        match (said, database) {
            (Said::Member { container, member }, _) => {
                self.effects.extend(keyspace.restate_member(container, &member, now_ms));
            }
            (Said::String { key }, Some(database)) => {
                self.effects.extend(keyspace.restate_string(database, &key, now_ms));
            }
            (Said::Set { container, key }, Some(database)) => {
                keyspace.restate_set((database, &key), container, now_ms, &mut self.effects);
            }
            (Said::Renumbered, _) => self.is_renumbered = true,
            (Said::String { .. } | Said::Set { .. } | Said::Gone, _) => {}
        }
        self.effects[before..].iter().map(Effect::bytes).sum()
    }
}

pub(super) fn is_worth_it(used_bytes: u64, row_bytes: u64) -> bool {
    used_bytes > row_bytes / 100 * COMPACT_ABOVE_PERCENT + COMPACT_SLACK_BYTES
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;
    use std::path::Path;

    use proptest::prelude::*;
    use tempfile::TempDir;

    use super::super::sqlite::SyncPolicy;
    use super::*;
    use crate::expiry::Expiry;
    use crate::limits::DATABASES;
    use crate::store::{Loading, Staged, ValueView, View};

    #[test]
    fn it_begins_when_what_is_said_in_vain_outweighs_the_rest() {
        let live = 1024 * 1024 * 1024;
        let bound = live / 100 * COMPACT_ABOVE_PERCENT + COMPACT_SLACK_BYTES;
        assert!(!is_worth_it(live, live) && !is_worth_it(bound, live) && is_worth_it(bound + 1, live));
        assert!(!is_worth_it(COMPACT_SLACK_BYTES, 0), "an empty journal is not worth it");
    }

    /// Times of which the clock knows nothing yet.
    const START_MS: i64 = 4_000_000_000_000;

    /// A journal and its store, without a writer.
    struct Subject {
        folder: TempDir,
        file: JournalFile,
        store: Store,
        compaction: Compaction,
        now_ms: i64,
    }

    fn replayed(path: &Path) -> (JournalFile, Store) {
        let mut file = JournalFile::open(path, SyncPolicy::Never).unwrap();
        let store = Store::default();
        let mut keyspace = store.load();
        let mut loading = Loading::new(&mut keyspace);
        let last = file.replay(|chunk| chunk.apply(&mut loading));
        drop(loading.end(last.unwrap()));
        drop(keyspace);
        (file, store)
    }

    /// All that a store holds at a time.
    fn contents(store: &Store, now_ms: i64) -> BTreeMap<(u8, Vec<u8>), String> {
        let keyspace = store.read();
        let view = View::committed(&keyspace, now_ms);
        let mut all = BTreeMap::new();
        for database in 0..DATABASES {
            for name in view.keys(database).map(|name| name.text()) {
                let found = view.key(database, &name).unwrap();
                let held = match found.value {
                    ValueView::String(string) => format!("{string:?}"),
                    ValueView::Set(set) => format!("{:?}", set.members().collect::<BTreeMap<_, _>>()),
                };
                all.insert((database, name.to_vec()), format!("{held} {:?}", found.expiry));
            }
        }
        all
    }

    impl Subject {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let (file, store) = replayed(&folder.path().join("revoked.db"));
            Self { folder, file, store, compaction: Compaction::default(), now_ms: START_MS }
        }

        fn change(&mut self, change: impl FnOnce(&mut Staged<'_>)) {
            let changes = {
                let keyspace = self.store.read();
                let mut staged = Staged::new(&keyspace, self.now_ms);
                change(&mut staged);
                staged.end_op();
                staged.into_changes()
            };
            self.file.append(changes.effects(), changes.time_ms()).unwrap();
            self.store.apply(&changes).unwrap();
        }

        fn step(&mut self, least: usize) -> Step {
            self.compaction.step(&mut self.file, &self.store, least).unwrap()
        }

        /// Goes on until no row is left that there was at the begin.
        fn compact(&mut self) {
            self.compaction.ask(&self.file);
            while !self.compaction.is_done(&self.file) {
                self.step(64);
            }
        }

        /// What a crash at this moment would leave behind.
        fn crashed(&self) -> TempDir {
            let copy = tempfile::tempdir().unwrap();
            for name in ["revoked.db", "revoked.db-wal"] {
                fs::copy(self.folder.path().join(name), copy.path().join(name)).unwrap();
            }
            copy
        }

        fn check(&self) {
            let crashed = self.crashed();
            let (_file, store) = replayed(&crashed.path().join("revoked.db"));
            assert_eq!(contents(&store, self.now_ms), contents(&self.store, self.now_ms));
            let next = |store: &Store| store.read().rows().bytes;
            store.load().sweep(self.now_ms, usize::MAX);
            self.store.load().sweep(self.now_ms, usize::MAX);
            assert_eq!(next(&store), next(&self.store), "what the rows of all that take");
        }

        fn restart(&mut self) {
            let crashed = self.crashed();
            (self.file, self.store) = replayed(&crashed.path().join("revoked.db"));
            (self.folder, self.compaction) = (crashed, Compaction::default());
        }
    }

    fn add(staged: &mut Staged<'_>, database: u8, key: u8, members: std::ops::Range<u16>, expiry: Expiry) {
        let members: Vec<_> = members.map(|m| Bytes::from(format!("m{m}"))).collect();
        let _ = staged.put_members(database, &name(key), &members, expiry, |_| true);
    }

    fn remove(staged: &mut Staged<'_>, database: u8, key: u8, members: std::ops::Range<u16>) {
        let members: Vec<_> = members.map(|m| Bytes::from(format!("m{m}"))).collect();
        let _ = staged.remove_members(database, &name(key), &members);
    }

    fn name(key: u8) -> Bytes {
        Bytes::from(vec![b'k', key])
    }

    #[derive(Debug, Clone)]
    enum Act {
        Add(u8, u8, std::ops::Range<u16>, Option<i64>),
        Remove(u8, u8, std::ops::Range<u16>),
        Set(u8, u8, Option<i64>),
        Expire(u8, u8, Option<i64>),
        Delete(u8, u8),
        Move((u8, u8), (u8, u8)),
        Flush(u8),
        Swap(u8, u8),
        Wait(i64),
        Sweep,
        Step(usize),
        Restart,
    }

    fn act() -> impl Strategy<Value = Act> {
        let (database, key) = (|| 0..2_u8, || 0..4_u8);
        let members = || (0..40_u16, prop_oneof![5 => 1..4_u16, 1 => 15..30_u16]).prop_map(|(m, n)| m..m + n);
        let end = || prop_oneof![2 => Just(None), 1 => (1..60_i64).prop_map(Some)];
        let place = || (0..2_u8, 0..4_u8);
        prop_oneof![
            8 => (database(), key(), members(), end()).prop_map(|(d, k, m, e)| Act::Add(d, k, m, e)),
            4 => (database(), key(), members()).prop_map(|(d, k, m)| Act::Remove(d, k, m)),
            2 => (database(), key(), end()).prop_map(|(d, k, e)| Act::Set(d, k, e)),
            2 => (database(), key(), end()).prop_map(|(d, k, e)| Act::Expire(d, k, e)),
            1 => place().prop_map(|(d, k)| Act::Delete(d, k)),
            3 => (place(), place()).prop_filter_map("onto itself", |(from, to)| (from != to).then_some(Act::Move(from, to))),
            1 => database().prop_map(Act::Flush),
            1 => (database(), database()).prop_map(|(first, second)| Act::Swap(first, second)),
            2 => (1..20_i64).prop_map(Act::Wait),
            1 => Just(Act::Sweep),
            8 => (1..20_usize).prop_map(Act::Step),
            1 => Just(Act::Restart),
        ]
    }

    fn perform(subject: &mut Subject, act: Act) {
        let now_ms = subject.now_ms;
        let until = |end: Option<i64>| end.map_or(Expiry::NEVER, |ms| Expiry::at_ms(now_ms + ms));
        match act {
            Act::Add(database, key, members, end) => {
                subject.change(|staged| add(staged, database, key, members, until(end)));
            }
            Act::Remove(database, key, members) => {
                subject.change(|staged| remove(staged, database, key, members));
            }
            Act::Set(database, key, end) => {
                let string = Bytes::from(vec![key; 9]);
                subject.change(|staged| staged.set_string(database, &name(key), string, until(end)));
            }
            Act::Expire(database, key, end) => {
                subject.change(|staged| staged.set_expiry(database, &name(key), until(end)));
            }
            Act::Delete(database, key) => {
                subject.change(|staged| {
                    staged.remove_key(database, &name(key));
                });
            }
            Act::Move((from_database, from), (database, key)) => {
                subject
                    .change(|staged| staged.move_key((from_database, &name(from)), (database, &name(key))));
            }
            Act::Flush(database) => subject.change(|staged| staged.flush(database)),
            Act::Swap(first, second) => subject.change(|staged| staged.swap(first, second)),
            Act::Wait(ms) => subject.now_ms += ms,
            Act::Sweep => drop(subject.store.sweep(now_ms, usize::MAX)),
            Act::Step(least) => {
                subject.step(least);
            }
            Act::Restart => subject.restart(),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(96))]
        /// `PROPTEST_CASES` makes more of them.
        #[test]
        fn whatever_moment_a_crash_chooses_the_file_says_what_is_so(acts in prop::collection::vec(act(), 1..120)) {
            let mut subject = Subject::new();
            for act in acts {
                let is_worth_a_look = matches!(act, Act::Step(_));
                perform(&mut subject, act);
                if is_worth_a_look {
                    subject.check();
                }
            }
            subject.check();
            subject.compact();
            subject.check();
        }
    }

    #[test]
    fn a_lap_leaves_a_row_for_each_key_and_member() {
        let mut subject = Subject::new();
        for _ in 0..20 {
            subject.change(|staged| add(staged, 0, 1, 0..1_000, Expiry::NEVER));
            subject.change(|staged| remove(staged, 0, 1, 500..1_000));
            subject.change(|staged| staged.set_string(0, &name(2), Bytes::from_static(b"s"), Expiry::NEVER));
        }
        assert!(subject.file.len() > 20_000);
        subject.compact();
        let stamps = 502 / crate::limits::TIMESTAMP_ROWS as u64 + 2;
        assert!(subject.file.len() <= 502 + stamps, "{} rows", subject.file.len());
        subject.check();
    }

    #[test]
    fn what_has_ended_is_not_written_again() {
        let mut subject = Subject::new();
        let soon = Expiry::at_ms(START_MS + 10);
        subject.change(|staged| add(staged, 0, 1, 0..1_000, soon));
        subject.change(|staged| add(staged, 0, 2, 0..10, Expiry::NEVER));
        subject.now_ms += 10;
        subject.change(|staged| add(staged, 0, 2, 0..11, Expiry::NEVER));
        subject.compact();
        assert!(subject.file.len() < 20, "{} rows", subject.file.len());
        subject.check();
    }

    #[test]
    fn pages_that_are_not_needed_are_given_back_many_at_once() {
        let mut subject = Subject::new();
        for _ in 0..12 {
            subject.change(|staged| {
                staged.set_string(0, &name(1), Bytes::from(vec![b'x'; 1_000_000]), Expiry::NEVER);
            });
        }
        subject.change(|staged| staged.set_string(0, &name(1), Bytes::from_static(b"short"), Expiry::NEVER));
        subject.compact();
        let mut times = 0;
        while subject.file.has_pages_to_give_back() {
            subject.file.give_pages_back().unwrap();
            times += 1;
        }
        assert!((1..40).contains(&times), "12 MB in {times} times");
        subject.check();
    }

    #[test]
    fn a_lap_that_was_in_vain_is_not_followed_by_another_at_once() {
        let mut subject = Subject::new();
        subject.change(|staged| add(staged, 0, 1, 0..1_000, Expiry::NEVER));
        subject.compact();
        let due = |subject: &Subject| subject.compaction.due_in(&subject.file, 0).is_some();
        subject.compaction.used_in_vain = Some(u64::MAX / 2);
        assert!(!due(&subject));
        subject.compaction.ask(&subject.file);
        assert!(due(&subject), "it is asked for");
    }

    #[test]
    fn a_step_that_can_not_be_written_leaves_all_as_it_was() {
        let mut subject = Subject::new();
        subject.change(|staged| add(staged, 0, 1, 0..10_000, Expiry::NEVER));
        subject.file.fill_disk(true);
        let before = (subject.file.first_sequence(), subject.file.next_sequence());
        while subject.compaction.step(&mut subject.file, &subject.store, 5_000).is_ok() {
            assert!(subject.file.first_sequence() < before.1, "the disk was not full");
        }
        subject.check();
        subject.file.fill_disk(false);
        subject.compact();
        subject.check();
    }
}
