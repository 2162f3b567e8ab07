//! Counters of what the server does: connections, commands and the journal add, INFO reads.
//!
//! All are plain atomics: a reader sees figures that may be a moment apart from one another.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The counters of one server.
#[derive(Debug)]
pub struct Stats {
    /// When the server started.
    pub started: Instant,
    /// Connections accepted.
    pub connections_received: Counter,
    /// Connections refused at `maxclients`.
    pub connections_rejected: Counter,
    /// Connections ended because what was sent to them was not taken: `client-output-buffer-limit`.
    pub output_limit_disconnections: Counter,
    /// Bytes read from clients.
    pub net_input_bytes: Counter,
    /// Bytes written to clients.
    pub net_output_bytes: Counter,
    /// Error replies.
    pub error_replies: Counter,
    /// Keys that a read found.
    pub keyspace_hits: Counter,
    /// Keys that a read did not find.
    pub keyspace_misses: Counter,
    /// A row for each command of the table, by its index there.
    pub commands: Box<[CommandStats]>,
    /// What the journal does.
    pub journal: JournalStats,
}

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `amount`.
    pub fn add(&self, amount: u64) {
        self.0.fetch_add(amount, Relaxed);
    }

    /// The sum so far.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// The counters of one command.
#[derive(Debug, Default)]
pub struct CommandStats {
    /// Executions.
    pub calls: Counter,
    /// Time they took; for a write, from its submission to its reply, so with its share of the commit.
    pub usec: Counter,
    /// Refused before execution: arity, authentication, loading.
    pub rejected_calls: Counter,
    /// Executed with an error for a reply.
    pub failed_calls: Counter,
}

/// What the journal does.
#[derive(Debug, Default)]
pub struct JournalStats {
    /// Whether the replay at start is still under way.
    pub loading: AtomicBool,
    /// Rows that the replay will have read in the end.
    pub rows_to_load: AtomicU64,
    /// Rows that the replay has read so far.
    pub rows_loaded: AtomicU64,
    /// How long the replay took, or has taken so far, in microseconds.
    pub load_usec: AtomicU64,
    /// Rows appended since the start.
    pub rows_appended: Counter,
    /// Commits since the start.
    pub commits: Counter,
    /// Time spent in them, from the first row to the end of the commit.
    pub commit_usec: Counter,
    /// Commits that failed.
    pub commit_failures: Counter,
    /// Rows appended since the last checkpoint that was asked for.
    pub rows_since_checkpoint: AtomicU64,
    /// The last checkpoint that was asked for and done, in seconds since 1970; the start before there was one.
    pub last_checkpoint_seconds: AtomicU64,
    /// Whether the last checkpoint that was asked for failed.
    pub last_checkpoint_failed: AtomicBool,
    /// Whether BGSAVE is writing a checkpoint.
    pub is_saving_in_background: AtomicBool,
    /// Why writes are refused at present, if they are.
    problem: Mutex<Option<String>>,
}

impl JournalStats {
    /// Why writes are refused at present, if they are.
    pub fn problem(&self) -> Option<String> {
        self.problem.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// Says why writes are refused from now on, or that they no longer are.
    pub fn set_problem(&self, problem: Option<String>) {
        *self.problem.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = problem;
    }
}

impl Stats {
    /// All at zero, for `commands` rows of the command table. The journal counts as loading until it says
    /// otherwise.
    #[must_use]
    pub fn new(commands: usize) -> Self {
        let journal = JournalStats::default();
        journal.loading.store(true, Relaxed);
        journal.last_checkpoint_seconds.store(since_epoch().as_secs(), Relaxed);
        Self {
            started: Instant::now(),
            connections_received: Counter::default(),
            connections_rejected: Counter::default(),
            output_limit_disconnections: Counter::default(),
            net_input_bytes: Counter::default(),
            net_output_bytes: Counter::default(),
            error_replies: Counter::default(),
            keyspace_hits: Counter::default(),
            keyspace_misses: Counter::default(),
            commands: (0..commands).map(|_| CommandStats::default()).collect(),
            journal,
        }
    }

    /// Commands executed since the start.
    pub fn commands_processed(&self) -> u64 {
        self.commands.iter().map(|command| command.calls.get()).sum()
    }
}

/// The time by the system's clock.
#[must_use]
pub fn since_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
