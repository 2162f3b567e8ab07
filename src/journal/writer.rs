//! The writer thread: gather, evaluate, append, commit, apply, reply.
//!
//! It is the only one that changes the store, and the only one that touches the file. All that waits when a
//! commit ends goes into the next one, so that the commit itself is the window in which writes gather.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::error::{AppendError, CheckpointError, OpenError};
use super::queue::{Batch, Queue, Waiting};
use super::rows::Entry;
use super::sqlite::{JournalFile, SyncPolicy};
use super::watch::Watches;
use super::{Item, Query};
use crate::command::{Notice, evaluate, evaluate_and_notice};
use crate::expiry::Expiry;
use crate::latency::Event;
use crate::limits::{COMMIT_BYTES, COMMIT_REQUESTS, SWEEP_SEGMENTS, TRANSACTION_BYTES};
use crate::pubsub::{EventClasses, PubSub};
use crate::reply::{Error, Reply};
use crate::stats::{Stats, now_ms, since_epoch};
use crate::store::{Changes, Removed, Staged, Store, View};

/// Rows of the replay between two reports of how far it is.
const PROGRESS_ROWS: u64 = 16 * 1024;

/// Time between two lines of the log about a replay under way.
const REPORT_INTERVAL: Duration = Duration::from_secs(2);

/// How far the clock may be behind the latest change before the log says so.
const CLOCK_TOLERANCE_MS: i64 = 10_000;

/// Time between two syncs where the policy is once in a second.
const SYNC_INTERVAL: Duration = Duration::from_secs(1);

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
    /// Set when nobody can tell what a restart would find: why no write is taken any more.
    latched: Option<String>,
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
        policy: SyncPolicy,
        store: Arc<Store>,
        stats: Arc<Stats>,
        pubsub: Arc<PubSub>,
        queue: Arc<Queue>,
        watches: Arc<Watches>,
    ) -> Self {
        let syncing = Syncing { policy, wal: None, unsynced_since: None };
        Self { file, store, stats, pubsub, queue, watches, syncing, latched: None }
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
        let mut reported = started;
        let last_container = self.file.replay(|rows, entry| {
            if rows.is_multiple_of(PROGRESS_ROWS) {
                journal.rows_loaded.store(rows, Relaxed);
                journal.load_usec.store(started.elapsed().as_micros() as u64, Relaxed);
                if reported.elapsed() >= REPORT_INTERVAL {
                    tracing::info!("Loading: {rows} of {total} rows ({} %)", rows * 100 / total.max(1));
                    reported = Instant::now();
                }
            }
            match entry {
                Entry::Time(time_ms) => {
                    keyspace.advance(time_ms);
                    Ok(())
                }
                Entry::Effect(effect) => keyspace.apply(&effect, &mut Removed::default()),
            }
            .map_err(|misfit| misfit.to_string())
        })?;
        drop(keyspace.end_replay(last_container));
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
        journal.rows_loaded.store(total, Relaxed);
        journal.load_usec.store(started.elapsed().as_micros() as u64, Relaxed);
        journal.loading.store(false, Relaxed);
        tracing::info!("Loaded {total} rows in {} ms", started.elapsed().as_millis());
        Ok(())
    }

    fn serve(&mut self) {
        loop {
            let waiting = self.queue.take(self.idle_time());
            let Waiting { mut batches, checkpoints, syncs, policy, is_closed } = waiting;
            if let Some(policy) = policy {
                self.switch(policy);
            }
            while !batches.is_empty() {
                // Before: whoever subscribes to it hears that a key has ended before another takes its place.
                self.sweep();
                let rest = batches.split_off(commit_len(&batches));
                self.commit(std::mem::replace(&mut batches, rest));
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
        }
    }

    /// One commit, or as many as its changes need, from evaluation to replies.
    fn commit(&mut self, batches: Vec<Batch>) {
        let items: Vec<_> = batches.iter().flat_map(|batch| &batch.items).collect();
        let mut replies = Vec::with_capacity(items.len());
        while let Some(rest) = items.get(replies.len()..).filter(|rest| !rest.is_empty()) {
            replies.extend(self.commit_first(rest));
        }
        let mut replies = replies.into_iter();
        for Batch { items, reply } in batches {
            // The client may be gone; its changes stay.
            let _ = reply.send(replies.by_ref().take(items.len()).collect());
        }
        self.checkpoint_if_due();
    }

    /// One commit: of the first items, as many as it holds, at least one. Returns their replies.
    fn commit_first(&mut self, items: &[&Item]) -> Vec<Reply> {
        if let Some(reason) = &self.latched {
            return self.refuse(items, reason);
        }
        let (replies, changes, notices) = self.evaluate(items);
        if !changes.effects().is_empty() {
            if let Err(error) = self.append(&changes) {
                let reason = self.failed(error);
                return self.refuse(&items[..replies.len()], &reason);
            }
            self.apply(&changes);
        }
        for Notice { class, event, database, key } in notices {
            self.pubsub.notify(class, event, database, &key);
        }
        replies
    }

    /// The replies to the first items, the changes, and what has happened to which keys, if anybody may want to hear
    /// of it.
    fn evaluate(&self, items: &[&Item]) -> (Vec<Reply>, Changes, Vec<Notice>) {
        let keyspace = self.store.read();
        let mut staged = Staged::new(&keyspace, now_ms());
        let mut notices = self.pubsub.is_notified().then(Vec::new);
        let mut replies = Vec::with_capacity(items.len());
        for item in items {
            replies.push(self.evaluate_item(item, &mut staged, &mut notices));
            staged.end_op();
            if staged.changes().bytes() >= COMMIT_BYTES {
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
                Reply::Array(items.iter().map(|item| self.evaluate_item(item, staged, notices)).collect())
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
        [self.syncing.due_in(), sweep_in].into_iter().flatten().min()
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
    }

    /// Says once, in the log and in INFO, why writes are refused.
    fn report(&self, reason: &str) {
        if self.stats.journal.problem().as_deref() != Some(reason) {
            tracing::error!("{reason}");
            self.stats.journal.set_problem(Some(reason.to_owned()));
        }
    }

    /// The replies to items whose changes did not happen: to what writes the reason, to the rest what is committed.
    fn refuse(&self, items: &[&Item], reason: &str) -> Vec<Reply> {
        let keyspace = self.store.read();
        let staged = Staged::new(&keyspace, now_ms());
        items.iter().map(|item| refusal(item, &staged, reason)).collect()
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
        match self.file.set_policy(policy) {
            Ok(()) => self.syncing.policy = policy,
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

    /// Copies the log into the data file, if it has become long. Its clients have their replies by then.
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
        if let Err(error) = self.file.close_group(now_ms()) {
            tracing::warn!(%error, "The last rows could not be given their checksum");
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

/// The reply to an item where nothing is written. `nothing` is a stage without changes.
fn refusal(item: &Item, nothing: &Staged<'_>, reason: &str) -> Reply {
    match item {
        Item::Write(_) => Error::Misconf(reason.to_owned()).into(),
        Item::Read(query) => query.run(&nothing.view()),
        Item::Transaction { items, .. } if items.iter().any(|item| matches!(item, Item::Write(_))) => {
            Error::Misconf(reason.to_owned()).into()
        }
        Item::Transaction { watched: Some(watched), .. } if watched.has_changed(nothing) => Reply::NullArray,
        Item::Transaction { items, .. } => {
            Reply::Array(items.iter().map(|item| refusal(item, nothing, reason)).collect())
        }
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
            Batch { items: std::iter::repeat_with(op).take(items).collect(), reply: oneshot::channel().0 }
        };
        assert_eq!(commit_len(&[batch(COMMIT_REQUESTS + 1), batch(1)]), 1);
        assert_eq!(commit_len(&[batch(COMMIT_REQUESTS), batch(1)]), 1);
        assert_eq!(commit_len(&[batch(COMMIT_REQUESTS - 1), batch(1), batch(1)]), 2);
    }
}
