//! The writer thread: gather, evaluate, append, commit, apply, reply.
//!
//! It is the only one that changes the store, and the only one that touches the file. All that waits when a
//! commit ends goes into the next one, so that the commit itself is the window in which writes gather.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, Release};
use std::time::{Duration, Instant};

use fail::fail_point;
use tokio::sync::oneshot;

use super::compaction::Compaction;
use super::delivery::{Answered, Outgoing};
use super::error::{AppendError, CheckpointError, OpenError};
use super::queue::{Batch, Queue, Waiting};
use super::sqlite::{JournalFile, SyncPolicy};
use super::watch::Watches;
use super::{Item, Query};
use crate::command::{Notice, evaluate, evaluate_and_notice};
use crate::expiry::Expiry;
use crate::latency::Event;
use crate::limits::{
    BATCH_REPLY_BYTES, COMMIT_BYTES, COMMIT_REQUESTS, COMPACT_ROWS, COMPACT_STEPS, LOOKUPS_AHEAD,
    SWEEP_SEGMENTS, TRANSACTION_BYTES, TRANSACTION_REPLY_BYTES,
};
use crate::pubsub::{EventClasses, PubSub};
use crate::reply::{Error, Reply};
use crate::stats::{Stats, now_ms, since_epoch};
use crate::store::{Changes, Loading, Removed, Staged, Store, View};

/// Time between two lines of the log about a replay under way.
const REPORT_INTERVAL: Duration = Duration::from_secs(2);

/// How far the clock may be behind the latest change before the log says so.
const CLOCK_TOLERANCE_MS: i64 = 10_000;

/// Time between two syncs where the policy is once in a second.
const SYNC_INTERVAL: Duration = Duration::from_secs(1);

/// How long nothing may come until the writer has time for a closer look at its files.
const REST_AFTER: Duration = Duration::from_millis(10);

/// Longest time between two looks at what has ended, whatever the clock does meanwhile.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// Keys and members that are freed at once; more than that, in a thread of its own.
const FREE_AT_ONCE: usize = 1_000;

pub(super) struct Writer {
    file: JournalFile,
    store: Arc<Store>,
    stats: Arc<Stats>,
    pubsub: Arc<PubSub>,
    queue: Arc<Queue>,
    watches: Arc<Watches>,
    syncing: Syncing,
    compaction: Compaction,
    /// Set when nobody can tell what a restart would find: why no write is taken any more.
    latched: Option<String>,
    /// Dropped last: by then the file is closed.
    outgoing: Outgoing,
}

/// What is to be synced apart from commits.
struct Syncing {
    policy: SyncPolicy,
    /// The write-ahead log. Open from the end of the replay on, so that a lack of file descriptors is no failure
    /// later.
    wal: Option<File>,
    /// When the first commit came that is not synced yet; none where commits sync by themselves.
    unsynced_since: Option<Instant>,
}

impl Writer {
    pub(super) fn new(
        file: JournalFile,
        store: Arc<Store>,
        stats: Arc<Stats>,
        pubsub: Arc<PubSub>,
        queue: Arc<Queue>,
        watches: Arc<Watches>,
        outgoing: Outgoing,
    ) -> Self {
        let syncing = Syncing { policy: file.policy(), wal: None, unsynced_since: None };
        let compaction = Compaction::default();
        Self { file, store, stats, pubsub, queue, watches, syncing, compaction, latched: None, outgoing }
    }

    /// Replays the file, then serves the queue until it is closed.
    pub(super) fn run(mut self, replayed: oneshot::Sender<Result<(), OpenError>>) {
        let _guard = AbortOnPanic;
        match self.replay() {
            Ok(()) => {
                let _ = replayed.send(Ok(()));
                self.serve();
            }
            Err(error) => {
                // The file is let go of before anybody hears of it.
                drop(self);
                let _ = replayed.send(Err(error));
            }
        }
    }

    fn replay(&mut self) -> Result<(), OpenError> {
        let started = Instant::now();
        let journal = &self.stats.journal;
        let total = self.file.rows()?;
        journal.rows_to_load.store(total, Relaxed);
        let mut keyspace = self.store.load();
        let mut loading = Loading::new(&mut keyspace);
        let mut reported = started;
        let last_container = self.file.replay(|chunk| {
            chunk.apply(&mut loading)?;
            let rows = chunk.rows_read();
            journal.rows_loaded.store(rows, Relaxed);
            journal.load_usec.store(started.elapsed().as_micros() as u64, Relaxed);
            if reported.elapsed() >= REPORT_INTERVAL {
                tracing::info!("Loading: {rows} of {total} rows ({} %)", rows * 100 / total.max(1));
                reported = Instant::now();
            }
            Ok(())
        })?;
        fail_point!(super::failpoints::REPLAYED);
        drop(loading.end(last_container));
        // What had ended before the start goes now: who counts first must not have to look at all of it.
        let now_ms = now_ms();
        while keyspace.earliest().is_due(now_ms) {
            drop(keyspace.sweep(now_ms, SWEEP_SEGMENTS));
        }
        let ahead_ms = keyspace.time_ms() - now_ms;
        drop(keyspace);
        if ahead_ms > CLOCK_TOLERANCE_MS {
            tracing::warn!(
                "The clock is {} s behind the latest change in the data file: was it ahead then, or is it wrong now? \
                 Until it has caught up, what ends before that change counts as ended",
                ahead_ms / 1_000
            );
        }
        self.syncing.prepare(&self.file)?;
        self.note_size();
        journal.rows_loaded.store(total, Relaxed);
        journal.load_usec.store(started.elapsed().as_micros() as u64, Relaxed);
        journal.loading.store(false, Relaxed);
        tracing::info!("Loaded {total} rows in {} ms", started.elapsed().as_millis());
        if self.stats.is_out_of_memory() {
            tracing::warn!(
                "What the data file holds takes more than maxmemory: all of it is loaded, and writes that need memory are \
                 refused until there is room"
            );
        }
        Ok(())
    }

    fn serve(&mut self) {
        loop {
            let waiting = self.queue.take_at_once().unwrap_or_else(|| self.wait());
            let Waiting { mut batches, checkpoints, syncs, compacts, policy, is_closed, .. } = waiting;
            let _guard = AbortOnPanic;
            if let Some(policy) = policy {
                self.switch(policy);
            }
            let is_idle = batches.is_empty();
            while !batches.is_empty() {
                // Before: whoever subscribes to it hears that a key has ended before another takes its place.
                self.sweep();
                let rest = batches.split_off(commit_len(&batches));
                let before = self.file.next_sequence();
                self.commit(std::mem::replace(&mut batches, rest));
                self.tidy((self.file.next_sequence() - before) as u64);
            }
            if compacts && self.latched.is_none() {
                self.compaction.ask(&self.file);
            } else if compacts {
                self.give_up_compaction();
            }
            if is_idle {
                self.tidy(0);
            }
            self.sweep();
            self.sync_if_due();
            if !syncs.is_empty() {
                let outcome = self.sync();
                for done in syncs {
                    let _ = done.send(outcome.clone());
                }
            }
            if !checkpoints.is_empty() {
                let outcome = self.checkpoint();
                for done in checkpoints {
                    let _ = done.send(outcome.clone());
                }
            }
            if is_closed {
                return self.finish();
            }
            if !is_idle {
                // Where threads share a processor: clients that were just answered, or stand in line behind them, get into
                // the next commit. The more there are in it, the less it costs each.
                std::thread::yield_now();
            }
        }
    }

    /// Waits until something has come, or there is something to do without.
    fn wait(&mut self) -> Waiting {
        if self.idle_time().is_none_or(|idle_time| idle_time > REST_AFTER) {
            let waiting = self.queue.take(Some(REST_AFTER));
            if !waiting.is_idle() {
                return waiting;
            }
            self.file.rest();
        }
        self.queue.take(self.idle_time())
    }

    /// One commit, or as many as its changes and replies need, from evaluation to replies.
    fn commit(&mut self, batches: Vec<Batch>) {
        let (mut batches, mut answers): (Vec<_>, Vec<_>) = batches.into_iter().map(Answers::of).unzip();
        let mut items: Vec<Asked<'_>> = Vec::with_capacity(batches.iter().map(Vec::len).sum());
        for (batch, asked) in batches.iter().enumerate() {
            items.extend(asked.iter().map(|item| Asked { batch, item }));
        }
        let _guard = AbortOnPanic;
        let (mut done, mut sent) = (0, 0);
        while done < items.len() {
            done += self.commit_first(&items[done..], &mut answers);
            fail_point!(super::failpoints::REPLY);
            // Who has all its replies need not wait for the others, nor the replies for their sending.
            if let Some(next) = items.get(done) {
                self.send(&mut answers[sent..next.batch], &mut []);
                sent = next.batch;
            }
        }
        self.send(&mut answers[sent..], &mut batches[sent..]);
    }

    /// Hands out the replies to whole batches, and what is left of these.
    fn send(&self, answers: &mut [Answers], batches: &mut [Vec<Item>]) {
        let items = batches.iter_mut().map(std::mem::take).chain(std::iter::repeat_with(Vec::new));
        let answered: Vec<_> =
            answers.iter_mut().zip(items).filter_map(|(answers, items)| answers.take(items)).collect();
        if !answered.is_empty() {
            // The runtime may be gone, and all clients with it; their changes stay.
            let _ = self.outgoing.send(answered);
        }
    }

    /// One commit: of the first items, as many as it holds, at least one. Adds their replies to the answers, and returns
    /// how many they were.
    fn commit_first(&mut self, items: &[Asked<'_>], answers: &mut [Answers]) -> usize {
        if let Some(reason) = &self.latched {
            return self.refuse(items, reason, answers);
        }
        let (replies, changes, notices) = self.evaluate(items, answers);
        let items = &items[..replies.len()];
        if !changes.effects().is_empty() {
            fail_point!(super::failpoints::EVALUATED);
            if let Err(error) = self.append(&changes) {
                let reason = self.failed(error);
                return self.refuse(items, &reason, answers);
            }
            fail_point!(super::failpoints::COMMITTED);
            self.apply(&changes);
            fail_point!(super::failpoints::APPLIED);
            fail_point!(super::failpoints::EVALUATED_TWICE, |_| self.commit_first(items, answers));
        }
        for Notice { class, event, database, key } in notices {
            self.pubsub.notify(class, event, database, &key);
        }
        for (asked, reply) in items.iter().zip(replies) {
            answers[asked.batch].add(reply);
        }
        items.len()
    }

    /// The replies to the first items, the changes, and what has happened to which keys, if anybody may want to hear
    /// of it. An item whose batch is answered enough has none, and was not looked at.
    fn evaluate(
        &self,
        items: &[Asked<'_>],
        answers: &[Answers],
    ) -> (Vec<Option<Reply>>, Changes, Vec<Notice>) {
        let is_out_of_memory = self.stats.is_out_of_memory();
        let keyspace = self.store.read();
        let mut staged = Staged::new(&keyspace, now_ms());
        staged.reserve(items.len());
        let mut notices = self.pubsub.is_notified().then(Vec::new);
        let mut replies = Vec::with_capacity(items.len());
        let mut fill = Fill::default();
        for (place, &Asked { batch, item }) in items.iter().enumerate() {
            if place % LOOKUPS_AHEAD == 0 {
                let next = &items[place..items.len().min(place + LOOKUPS_AHEAD)];
                if next.len() > 1 {
                    staged.look_ahead(next.iter().filter_map(|asked| asked.item.looked_up()));
                }
            }
            if fill.is_enough_for(batch, answers) {
                replies.push(None);
                continue;
            }
            // Where nothing was refused when it was sent: what came before it has taken the last of the memory.
            let reply = if is_out_of_memory && item.needs_memory() {
                out_of_memory(item).into()
            } else {
                self.evaluate_item(item, &mut staged, &mut notices)
            };
            fill.add(reply.bytes());
            replies.push(Some(reply));
            staged.end_op();
            if staged.changes().bytes() + fill.all_bytes >= COMMIT_BYTES {
                break;
            }
        }
        (replies, staged.into_changes(), notices.unwrap_or_default())
    }

    fn evaluate_item(
        &self,
        item: &Item,
        staged: &mut Staged<'_>,
        notices: &mut Option<Vec<Notice>>,
    ) -> Reply {
        match item {
            // Only a transaction comes so far: it can't be cut in two.
            Item::Write(_) if staged.changes().bytes() >= TRANSACTION_BYTES => {
                Error::TransactionTooLarge.into()
            }
            Item::Write(op) => match notices {
                Some(notices) => evaluate_and_notice(op, staged, notices),
                None => evaluate(op, staged),
            },
            Item::Read(query) => self.read(&staged.view(), query),
            Item::Transaction { watched: Some(watched), .. } if watched.has_changed(staged) => {
                Reply::NullArray
            }
            Item::Transaction { items, .. } => {
                answer_all(items, |item| self.evaluate_item(item, staged, notices))
            }
        }
    }

    /// Makes committed changes visible, and notes them for those who watch.
    fn apply(&self, changes: &Changes) {
        let watches = self.watches.hold();
        watches.note(changes, &self.store.read());
        match self.store.apply(changes) {
            Ok(removed) => free(removed),
            Err(misfit) => panic!("an effect that was just evaluated does not fit: {misfit}"),
        }
    }

    /// How long there may be nothing to do.
    fn idle_time(&self) -> Option<Duration> {
        let (earliest, now_ms) = self.ends();
        let sweep_in =
            earliest.ms().map(|ms| ms.saturating_sub(now_ms).clamp(0, SWEEP_INTERVAL.as_millis() as i64));
        let sweep_in = sweep_in.map(|ms| Duration::from_millis(ms as u64));
        [self.syncing.due_in(), sweep_in, self.tidy_in()].into_iter().flatten().min()
    }

    /// How long the file may stay as it is.
    fn tidy_in(&self) -> Option<Duration> {
        if self.latched.is_some() {
            return None;
        }
        let gives_back = self.file.has_pages_to_give_back().then(|| self.compaction.pause_left());
        gives_back.or(self.compaction.due_in(&self.file, self.store.read().rows().bytes))
    }

    /// Takes some of what the journal says in vain out of it, if that is worth it: in proportion to the rows that were
    /// appended, but not so much at once that clients would notice. Gives pages back that are not needed, and copies the
    /// log into the data file.
    fn tidy(&mut self, appended: u64) {
        self.checkpoint_if_due();
        self.compaction.owe(appended);
        let mut steps = 0;
        while self.compacts() && (steps == 0 || (self.compaction.owes() && steps < COMPACT_STEPS)) {
            match self.compaction.step(&mut self.file, &self.store, COMPACT_ROWS) {
                Ok(step) => {
                    steps += 1;
                    self.stats.journal.rows_removed.add(step.removed);
                    self.stats.journal.rows_restated.add(step.appended);
                    self.stats.journal.last_compaction_failed.store(false, Relaxed);
                    self.syncing.committed();
                    self.checkpoint_if_due();
                }
                Err(error) => return self.compaction_failed(error),
            }
        }
        if self.latched.is_none()
            && self.file.has_pages_to_give_back()
            && self.compaction.pause_left().is_zero()
            && let Err(error) = self.file.give_pages_back()
        {
            return self.compaction_failed(error);
        }
        self.note_size();
        if !self.file.has_pages_to_give_back() && self.compaction.is_done(&self.file) {
            // Whoever sees that it is done is to see what came of it.
            self.stats.journal.is_compacting.store(false, Release);
            tracing::info!("The journal is compact: {} rows", self.file.len());
        }
    }

    fn compacts(&self) -> bool {
        let due_in = || self.compaction.due_in(&self.file, self.store.read().rows().bytes);
        self.latched.is_none() && due_in().is_some_and(|due_in| due_in.is_zero())
    }

    fn compaction_failed(&mut self, error: AppendError) {
        self.stats.journal.last_compaction_failed.store(true, Relaxed);
        match error {
            AppendError::NotWritten(why) => {
                tracing::warn!("Compaction of the journal waits, nothing is lost: {why}");
                self.compaction.pause();
            }
            AppendError::Unknown(why) | AppendError::Untrusted(why) => {
                self.latch(&format!("compacting the journal failed: {why}"));
            }
        }
    }

    /// Tells INFO what the journal is.
    fn note_size(&self) {
        let journal = &self.stats.journal;
        journal.rows.store(self.file.len(), Relaxed);
        journal.used_bytes.store(self.file.used_bytes(), Relaxed);
        let live = self.store.read().rows();
        journal.live_rows.store(live.count as u64, Relaxed);
        journal.live_bytes.store(live.bytes as u64, Relaxed);
    }

    /// When something ends at the earliest, and what time it is for those who read: where the clock was set back, that of
    /// the latest change.
    fn ends(&self) -> (Expiry, i64) {
        let keyspace = self.store.read();
        (keyspace.earliest(), now_ms().max(keyspace.time_ms()))
    }

    /// Takes some of what has ended out of memory. The journal has said before when it ends.
    fn sweep(&self) {
        let (earliest, now_ms) = self.ends();
        if !earliest.is_due(now_ms) {
            return;
        }
        fail_point!(super::failpoints::SWEEP);
        let swept = self.store.sweep(now_ms, SWEEP_SEGMENTS);
        self.stats.expired_keys.add(swept.keys.len() as u64);
        for (database, key) in &swept.keys {
            self.pubsub.notify(EventClasses::EXPIRED, "expired", *database, key);
        }
        free(swept.removed);
    }

    fn read(&self, view: &View<'_>, query: &Query) -> Reply {
        let reply = query.run(view);
        let lookups = view.lookups();
        self.stats.keyspace_hits.add(lookups.hits);
        self.stats.keyspace_misses.add(lookups.misses);
        reply
    }

    fn append(&mut self, changes: &Changes) -> Result<(), AppendError> {
        fail_point!(super::failpoints::UNWRITTEN, |_| Ok(()));
        let started = Instant::now();
        let outcome = self.file.append(changes.effects(), changes.time_ms());
        let journal = &self.stats.journal;
        match outcome {
            Ok(rows) => {
                journal.rows_appended.add(rows);
                journal.rows_since_checkpoint.fetch_add(rows, Relaxed);
                journal.commits.add(1);
                let took = started.elapsed();
                journal.commit_usec.add(took.as_micros() as u64);
                journal.commit_durations.add(1, took.as_nanos() as u64);
                journal.commit_rows.add(rows);
                self.stats.latency.sample(self.syncing.event(), took);
                if journal.problem().is_some() {
                    journal.set_problem(None);
                    tracing::warn!("The journal can be written again: writes are taken again");
                }
                self.syncing.committed();
                Ok(())
            }
            Err(error) => {
                journal.commit_failures.add(1);
                Err(error)
            }
        }
    }

    /// Takes note that effects could not be appended. Returns what their clients are told.
    fn failed(&mut self, error: AppendError) -> String {
        match error {
            AppendError::NotWritten(why) => {
                let reason = format!("Errors writing to the journal: {why}. Nothing was changed.");
                self.report(&reason);
                reason
            }
            AppendError::Untrusted(why) => {
                self.latch(&why);
                self.latched.clone().unwrap_or(why)
            }
            AppendError::Unknown(why) => {
                self.latch(&format!("committing the journal failed: {why}"));
                format!(
                    "Committing the journal failed: {why}. Whether a restart will find this write is unknown."
                )
            }
        }
    }

    /// Takes no more writes: what the disk holds is no longer certain, and a restart has to look.
    fn latch(&mut self, why: &str) {
        let reason =
            format!("Writes are refused until the server is restarted, since {why}. Nothing was changed.");
        self.report(&reason);
        self.latched = Some(reason);
        self.give_up_compaction();
    }

    /// Says that nothing will come of a compaction that was asked for.
    fn give_up_compaction(&mut self) {
        self.compaction.give_up();
        if self.stats.journal.is_compacting.swap(false, Relaxed) {
            self.stats.journal.last_compaction_failed.store(true, Relaxed);
        }
    }

    /// Says once, in the log and in INFO, why writes are refused.
    fn report(&self, reason: &str) {
        if self.stats.journal.problem().as_deref() != Some(reason) {
            tracing::error!("{reason}");
            self.stats.journal.set_problem(Some(reason.to_owned()));
        }
    }

    /// Answers items whose changes did not happen: what writes with the reason, the rest with what is committed. Returns
    /// how many they were.
    fn refuse(&self, items: &[Asked<'_>], reason: &str, answers: &mut [Answers]) -> usize {
        let keyspace = self.store.read();
        let staged = Staged::new(&keyspace, now_ms());
        for &Asked { batch, item } in items {
            if !answers[batch].are_enough() {
                answers[batch].add(Some(refusal(item, &staged, reason)));
            }
        }
        items.len()
    }

    fn sync_if_due(&mut self) {
        if let Err(error) = self.syncing.sync_if_due()
            && self.latched.is_none()
        {
            self.latch(&format!("syncing the journal failed: {error}"));
        }
    }

    /// Has the disk hold all that was committed.
    fn sync(&mut self) -> Result<(), String> {
        if let Some(reason) = &self.latched {
            return Err(reason.clone());
        }
        self.syncing.sync().map_err(|error| {
            let why = format!("syncing the journal failed: {error}");
            self.latch(&why);
            why
        })
    }

    /// Follows another policy from now on.
    fn switch(&mut self, policy: SyncPolicy) {
        if policy > self.syncing.policy
            && let Err(error) = self.sync()
        {
            tracing::warn!(%error, "What was written before appendfsync was changed could not be synced");
        }
        let is_raised = policy > self.syncing.policy;
        match self.file.set_policy(policy) {
            Ok(()) => {
                self.syncing.policy = policy;
                if is_raised {
                    // Only of an empty log it can be said that all in it is synced as strictly.
                    let _ = self.checkpoint();
                }
            }
            Err(error) => self.latch(&format!("changing appendfsync failed: {error}")),
        }
    }

    fn checkpoint(&mut self) -> Result<(), String> {
        if let Some(reason) = &self.latched {
            return Err(reason.clone());
        }
        let outcome = self.file.checkpoint();
        let journal = &self.stats.journal;
        if outcome.is_ok() {
            journal.rows_since_checkpoint.store(0, Relaxed);
            journal.last_checkpoint_seconds.store(since_epoch().as_secs(), Relaxed);
        }
        self.checkpointed(outcome)
    }

    /// Copies the log into the data file, if it has become long. Clients have their replies by then.
    fn checkpoint_if_due(&mut self) {
        if self.latched.is_some() {
            return;
        }
        match self.file.checkpoint_if_due() {
            Ok(false) => {}
            outcome => drop(self.checkpointed(outcome.map(drop))),
        }
    }

    /// Takes note of what came of a checkpoint. The log says once that they fail, and not each time.
    fn checkpointed(&mut self, outcome: Result<(), CheckpointError>) -> Result<(), String> {
        let has_failed = self.stats.journal.last_checkpoint_failed.swap(outcome.is_err(), Relaxed);
        let error = match outcome {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        if !has_failed {
            tracing::warn!(%error, "The checkpoint failed");
        }
        if let CheckpointError::Untrusted(why) = &error {
            self.latch(&format!("the checkpoint failed: {why}"));
        }
        Err(error.to_string())
    }

    fn finish(&mut self) {
        if self.latched.is_some() {
            self.file.leave();
            tracing::warn!("The files stay as they are, for the next start");
            return;
        }
        match self.file.close_group(now_ms()) {
            Ok(()) => {}
            Err(error @ AppendError::NotWritten(_)) => {
                tracing::warn!(%error, "The last rows could not be given their checksum");
            }
            Err(AppendError::Untrusted(error) | AppendError::Unknown(error)) => {
                self.file.leave();
                tracing::error!(%error, "The files stay as they are, for the next start");
                return;
            }
        }
        match self.file.checkpoint() {
            Ok(()) => tracing::info!("Everything is in the data file"),
            Err(error) => {
                self.file.leave();
                tracing::warn!(%error, "The last checkpoint failed: the write-ahead log stays, for the next start");
            }
        }
    }
}

/// A batch's item, and which batch that is.
#[derive(Debug, Clone, Copy)]
struct Asked<'a> {
    batch: usize,
    item: &'a Item,
}

/// What a batch is answered.
#[derive(Debug)]
struct Answers {
    replies: Vec<Reply>,
    bytes: usize,
    to: Option<oneshot::Sender<Vec<Reply>>>,
}

impl Answers {
    /// A batch's items, and none of their replies yet.
    fn of(Batch { items, replies, reply }: Batch) -> (Vec<Item>, Self) {
        (items, Self { replies, bytes: 0, to: Some(reply) })
    }

    fn add(&mut self, reply: Option<Reply>) {
        if let Some(reply) = reply {
            self.bytes += reply.bytes();
            self.replies.push(reply);
        }
    }

    /// Whether the rest of the batch has to wait until the replies so far are sent.
    fn are_enough(&self) -> bool {
        self.bytes >= BATCH_REPLY_BYTES
    }

    fn take(&mut self, items: Vec<Item>) -> Option<Answered> {
        let to = self.to.take()?;
        Some(Answered { replies: std::mem::take(&mut self.replies), items, to })
    }
}

/// How much the replies take that are not answers yet, since they wait for their commit.
#[derive(Debug, Default)]
struct Fill {
    batch: usize,
    bytes: usize,
    all_bytes: usize,
}

impl Fill {
    fn is_enough_for(&mut self, batch: usize, answers: &[Answers]) -> bool {
        if batch != self.batch {
            (self.batch, self.bytes) = (batch, 0);
        }
        answers[batch].bytes + self.bytes >= BATCH_REPLY_BYTES
    }

    fn add(&mut self, bytes: usize) {
        self.bytes += bytes;
        self.all_bytes += bytes;
    }
}

/// What is answered to what needs memory when there is none. Of a transaction nothing is done.
fn out_of_memory(item: &Item) -> Error {
    match item {
        Item::Transaction { .. } => Error::ExecAbortBecause(Error::OutOfMemory.to_string()),
        Item::Write(_) | Item::Read(_) => Error::OutOfMemory,
    }
}

/// The replies to the items of a transaction, in one. Beyond [`TRANSACTION_REPLY_BYTES`] they are refused: the reply can't
/// be sent in parts.
fn answer_all(items: &[Item], mut answer: impl FnMut(&Item) -> Reply) -> Reply {
    let mut bytes = 0;
    let bounded = |item| {
        if bytes >= TRANSACTION_REPLY_BYTES {
            return Error::TransactionAnswersTooMuch.into();
        }
        let reply = answer(item);
        bytes += reply.bytes();
        reply
    };
    Reply::Array(items.iter().map(bounded).collect())
}

/// The reply to an item where nothing is written. `nothing` is a stage without changes.
fn refusal(item: &Item, nothing: &Staged<'_>, reason: &str) -> Reply {
    match item {
        Item::Write(_) => Error::Misconf(reason.to_owned()).into(),
        Item::Read(query) => query.run(&nothing.view()),
        Item::Transaction { items, .. } if items.iter().any(|item| matches!(item, Item::Write(_))) => {
            Error::Misconf(reason.to_owned()).into()
        }
        Item::Transaction { watched: Some(watched), .. } if watched.has_changed(nothing) => Reply::NullArray,
        Item::Transaction { items, .. } => answer_all(items, |item| refusal(item, nothing, reason)),
    }
}

/// How many of the batches go into the next commit: at least one, and no more requests than it may hold.
fn commit_len(batches: &[Batch]) -> usize {
    let mut requests = 0;
    let fits = |batch: &&Batch| {
        requests += batch.items.iter().map(Item::requests).sum::<usize>();
        requests <= COMMIT_REQUESTS
    };
    batches.iter().take_while(fits).count().max(1)
}

/// Frees what was removed, where it takes long in a thread of its own: nobody waits for it.
fn free(removed: Removed) {
    if removed.len() > FREE_AT_ONCE {
        // Without a thread to be had, the closure and with it all that was removed is dropped right here.
        let _ = std::thread::Builder::new().name("free".into()).spawn(move || drop(removed));
    }
}

impl Syncing {
    fn prepare(&mut self, file: &JournalFile) -> Result<(), OpenError> {
        self.wal = Some(file.open_wal()?);
        Ok(())
    }

    /// What LATENCY calls a commit.
    fn event(&self) -> Event {
        if self.policy == SyncPolicy::Always { Event::AofFsyncAlways } else { Event::AofWrite }
    }

    fn committed(&mut self) {
        if self.policy != SyncPolicy::Always {
            self.unsynced_since.get_or_insert_with(Instant::now);
        }
    }

    /// How long the writer may wait for work; for ever, if there is nothing to sync.
    fn due_in(&self) -> Option<Duration> {
        let since = self.unsynced_since.filter(|_| self.policy == SyncPolicy::EverySecond)?;
        Some(SYNC_INTERVAL.saturating_sub(since.elapsed()))
    }

    fn sync_if_due(&mut self) -> std::io::Result<()> {
        if self.due_in().is_some_and(|due_in| due_in.is_zero()) { self.sync() } else { Ok(()) }
    }

    /// Syncs the log, if something in it is not synced yet.
    fn sync(&mut self) -> std::io::Result<()> {
        // A sync that failed is not tried again: the system may have dropped what it could not write, and say
        // that all is well the next time.
        match (self.unsynced_since.take(), &self.wal) {
            (Some(_), Some(wal)) => wal.sync_data(),
            _ => Ok(()),
        }
    }
}

/// A writer that panicked has broken an invariant: memory may no longer be what the journal says, and only a
/// restart makes it so. The panic itself was reported by the time this is dropped.
///
/// Whoever holds batches or answers has one that is dropped before them: their clients would hear that the server is shutting down
/// and nothing was changed.
struct AbortOnPanic;

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            std::process::abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sync_is_due_once_whatever_comes_of_it() {
        let long_ago = Instant::now().checked_sub(SYNC_INTERVAL * 2);
        let mut syncing = Syncing { policy: SyncPolicy::EverySecond, wal: None, unsynced_since: long_ago };
        assert_eq!(syncing.due_in(), Some(Duration::ZERO));
        let _ = syncing.sync_if_due();
        assert_eq!(syncing.due_in(), None, "or the writer would never rest");
    }

    #[test]
    fn a_commit_takes_whole_batches_and_at_least_one() {
        let batch = |items: usize| {
            let op = || Item::Write(crate::op::Op { database: 0, change: crate::op::Change::Flushall });
            Batch::new(std::iter::repeat_with(op).take(items).collect(), oneshot::channel().0)
        };
        assert_eq!(commit_len(&[batch(COMMIT_REQUESTS + 1), batch(1)]), 1);
        assert_eq!(commit_len(&[batch(COMMIT_REQUESTS), batch(1)]), 1);
        assert_eq!(commit_len(&[batch(COMMIT_REQUESTS - 1), batch(1), batch(1)]), 2);
    }

    #[test]
    fn a_transaction_is_answered_as_much_as_one_reply_may_be() {
        let read = || {
            Item::Read(Query {
                read: |_, _, _| Ok(Reply::Null),
                database: 0,
                request: crate::request::OwnedRequest::from_args(&[b"GET"]),
            })
        };
        let items: Vec<_> = std::iter::repeat_with(read).take(5).collect();
        // One piece of memory, that all replies share.
        let third = bytes::Bytes::from(vec![0; TRANSACTION_REPLY_BYTES / 3 + 1]);
        let Reply::Array(replies) = answer_all(&items, |_| Reply::Bulk(third.clone())) else {
            unreachable!()
        };
        let is_refused = |reply: &Reply| *reply == Error::TransactionAnswersTooMuch.into();
        assert_eq!(replies.iter().map(is_refused).collect::<Vec<_>>(), [false, false, false, true, true]);
    }
}
