//! Counters of what the server does: connections, commands and the journal add, INFO reads.
//!
//! All are plain atomics: a reader sees figures that may be a moment apart from one another.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::latency::Latency;
use crate::settings::Settings;

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
    /// How fast it goes.
    pub rates: Rates,
    /// Error replies.
    pub error_replies: Counter,
    /// What was denied to users.
    pub denials: Denials,
    /// Keys that a read found.
    pub keyspace_hits: Counter,
    /// Keys that a read did not find.
    pub keyspace_misses: Counter,
    /// Keys that have ended by themselves.
    pub expired_keys: Counter,
    /// A row for each command of the table, by its index there.
    pub commands: Box<[CommandStats]>,
    /// What comes in over TLS.
    pub tls: TlsStats,
    /// What the journal does.
    pub journal: JournalStats,
    /// What took long.
    pub latency: Latency,
    settings: Arc<Settings>,
}

/// What was counted in the last second.
#[derive(Debug, Default)]
pub struct Rates {
    /// Commands executed.
    pub commands: AtomicU64,
    /// Bytes read from clients.
    pub input_bytes: AtomicU64,
    /// Bytes written to clients.
    pub output_bytes: AtomicU64,
}

/// What was denied to users.
#[derive(Debug, Default)]
pub struct Denials {
    /// Logins.
    pub logins: Counter,
    /// Commands.
    pub commands: Counter,
    /// Keys.
    pub keys: Counter,
    /// Channels.
    pub channels: Counter,
}

/// A number that only grows, until it is reset.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `amount`.
    pub fn add(&self, amount: u64) {
        self.0.fetch_add(amount, Relaxed);
    }

    /// Begins again at 0.
    pub fn reset(&self) {
        self.0.store(0, Relaxed);
    }

    /// The sum so far.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// What comes in over TLS.
#[derive(Debug, Default)]
pub struct TlsStats {
    /// Connections that are encrypted, or were.
    pub handshakes: Counter,
    /// Those that came to nothing.
    pub handshake_failures: Counter,
    /// When the server's certificate ends, in seconds since 1970; 0 if that is not known, or there is none.
    pub certificate_end_seconds: AtomicU64,
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
    /// How many took how long.
    pub durations: Histogram,
}

impl CommandStats {
    /// Counts executions that took so long together.
    pub fn add(&self, calls: u64, took: Duration) {
        self.calls.add(calls);
        self.usec.add(took.as_micros() as u64);
        self.durations.add(calls, took.as_nanos() as u64 / calls.max(1));
    }

    fn reset(&self) {
        let Self { calls, usec, rejected_calls, failed_calls, durations } = self;
        [calls, usec, rejected_calls, failed_calls].into_iter().chain(&durations.0).for_each(Counter::reset);
    }
}

/// How many durations were up to a microsecond, up to two, up to four, and so on to a second. What took longer
/// counts as a second. The bounds are those that Redis's LATENCY HISTOGRAM comes to.
#[derive(Debug, Default)]
pub struct Histogram([Counter; DURATION_BOUNDS]);

const DURATION_BOUNDS: usize = 21;

/// How many numbers were up to 1, up to 2, up to 4, and so on to 65,536, and how many were beyond.
#[derive(Debug, Default)]
pub struct Sizes([Counter; SIZE_BOUNDS + 1]);

const SIZE_BOUNDS: usize = 17;

impl Sizes {
    /// Counts a number.
    pub fn add(&self, size: u64) {
        let bits =
            size.max(1).checked_next_power_of_two().map_or(SIZE_BOUNDS, |bound| bound.ilog2() as usize);
        self.0[bits.min(SIZE_BOUNDS)].add(1);
    }

    /// Bounds, the last of them infinite, each with how many were up to it and beyond the one before.
    pub fn counts(&self) -> impl Iterator<Item = (f64, u64)> {
        with_bounds(&self.0, |place| (1_u64 << place) as f64)
    }
}

impl Histogram {
    /// Counts so many durations of so many nanoseconds each.
    pub fn add(&self, count: u64, nanoseconds: u64) {
        // A bound is somewhat more than its power of two.
        let least = (nanoseconds | 1).ilog2().saturating_sub(10) as usize;
        let place = if nanoseconds <= bound(least) { least } else { least + 1 };
        self.0[place.min(DURATION_BOUNDS - 1)].add(count);
    }

    /// Bounds in nanoseconds, the last of them infinite, each with the number of durations up to it and beyond the one
    /// before.
    pub fn counts(&self) -> impl Iterator<Item = (f64, u64)> {
        with_bounds(&self.0, |place| bound(place) as f64)
    }

    /// Bounds in nanoseconds, each with the number of durations up to it; only those with more than the one
    /// before.
    #[must_use]
    pub fn cumulative(&self) -> Vec<(u64, u64)> {
        let mut total = 0;
        let counts = self.0.iter().map(Counter::get).enumerate().filter(|&(_, count)| count > 0);
        counts
            .map(|(place, count)| {
                total += count;
                (bound(place), total)
            })
            .collect()
    }

    /// The bound in nanoseconds that so many percent of the durations keep to; none if there are no durations.
    #[must_use]
    pub fn percentile(&self, percent: f64) -> Option<u64> {
        let cumulative = self.cumulative();
        let wanted = cumulative.last()?.1 as f64 * percent / 100.0;
        cumulative.into_iter().find(|&(_, count)| count as f64 >= wanted).map(|(bound, _)| bound)
    }
}

/// What was counted by place, each with its bound: what is in the last place may be beyond any.
fn with_bounds(counters: &[Counter], bound: fn(usize) -> f64) -> impl Iterator<Item = (f64, u64)> {
    let last = counters.len() - 1;
    let bound = move |place| if place == last { f64::INFINITY } else { bound(place) };
    counters.iter().enumerate().map(move |(place, counter)| (bound(place), counter.get()))
}

/// A power of two from 1024 on, and the next 128th of it besides: Redis's histograms are that precise.
fn bound(place: usize) -> u64 {
    (1 << (10 + place)) + (1 << (3 + place)) - 1
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
    /// How many took how long.
    pub commit_durations: Histogram,
    /// How many had how many rows.
    pub commit_rows: Sizes,
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
    /// Whether compaction is under way that was asked for.
    pub is_compacting: AtomicBool,
    /// Whether the last compaction that was asked for failed.
    pub last_compaction_failed: AtomicBool,
    /// Rows that compaction has taken away.
    pub rows_removed: Counter,
    /// Rows that compaction has written again.
    pub rows_restated: Counter,
    /// Rows that there are.
    pub rows: AtomicU64,
    /// What they take in the file, about.
    pub used_bytes: AtomicU64,
    /// How many would say what is so, and nothing else.
    pub live_rows: AtomicU64,
    /// What those would take, about.
    pub live_bytes: AtomicU64,
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
        Self::with_settings(commands, Arc::default())
    }

    /// The same, with settings that say what is long.
    #[must_use]
    pub fn with_settings(commands: usize, settings: Arc<Settings>) -> Self {
        let journal = JournalStats::default();
        journal.loading.store(true, Relaxed);
        journal.last_checkpoint_seconds.store(since_epoch().as_secs(), Relaxed);
        Self {
            started: Instant::now(),
            connections_received: Counter::default(),
            connections_rejected: Counter::default(),
            output_limit_disconnections: Counter::default(),
            tls: TlsStats::default(),
            net_input_bytes: Counter::default(),
            net_output_bytes: Counter::default(),
            rates: Rates::default(),
            error_replies: Counter::default(),
            denials: Denials::default(),
            keyspace_hits: Counter::default(),
            keyspace_misses: Counter::default(),
            expired_keys: Counter::default(),
            commands: (0..commands).map(|_| CommandStats::default()).collect(),
            journal,
            latency: Latency::new(Arc::clone(&settings)),
            settings,
        }
    }

    /// Whether more memory is in use than may be.
    pub fn is_out_of_memory(&self) -> bool {
        self.settings.is_out_of_memory()
    }

    /// Begins again with what CONFIG RESETSTAT resets in Redis: the counters of clients, keys and commands.
    pub fn reset(&self) {
        let counters = [
            &self.connections_received,
            &self.connections_rejected,
            &self.tls.handshakes,
            &self.tls.handshake_failures,
            &self.net_input_bytes,
            &self.net_output_bytes,
            &self.error_replies,
            &self.keyspace_hits,
            &self.keyspace_misses,
        ];
        counters.into_iter().for_each(Counter::reset);
        self.commands.iter().for_each(CommandStats::reset);
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

/// The time by the system's clock, in milliseconds since 1970.
#[must_use]
pub fn now_ms() -> i64 {
    since_epoch().as_millis() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_counted_up_to_bounds_that_double() {
        let histogram = Histogram::default();
        for place in 0..DURATION_BOUNDS {
            for (nanoseconds, expected) in [(bound(place), place), (bound(place) + 1, place + 1)] {
                let histogram = Histogram::default();
                histogram.add(1, nanoseconds);
                assert_eq!(histogram.0[expected.min(DURATION_BOUNDS - 1)].get(), 1, "{nanoseconds}");
            }
        }
        for nanoseconds in [0, 1_031, 1_032, 32_768, 33_023, u64::MAX] {
            histogram.add(2, nanoseconds);
        }
        let expected = [(1_031, 4), (2_063, 6), (33_023, 10), (1_082_130_431, 12)];
        assert_eq!(histogram.cumulative(), expected);
        assert_eq!(
            [50.0, 99.0, 100.0].map(|p| histogram.percentile(p)),
            [2_063, 1_082_130_431, 1_082_130_431].map(Some)
        );
        assert_eq!(Histogram::default().percentile(50.0), None);
    }

    #[test]
    fn sizes_are_counted_up_to_bounds_that_double() {
        let sizes = Sizes::default();
        for size in [0, 1, 2, 3, 4, 5, 65_536, 65_537, u64::MAX] {
            sizes.add(size);
        }
        let counted: Vec<_> = sizes.counts().filter(|&(_, count)| count > 0).collect();
        assert_eq!(counted, [(1.0, 2), (2.0, 1), (4.0, 2), (8.0, 1), (65_536.0, 1), (f64::INFINITY, 2)]);
    }

    #[test]
    fn the_last_bound_is_infinite() {
        let histogram = Histogram::default();
        histogram.add(3, u64::MAX);
        histogram.add(1, 1);
        let counted: Vec<_> = histogram.counts().filter(|&(_, count)| count > 0).collect();
        assert_eq!(counted, [(1_031.0, 1), (f64::INFINITY, 3)]);
        assert_eq!(histogram.counts().count(), DURATION_BOUNDS);
    }

    #[test]
    fn a_reset_leaves_the_journal_alone() {
        let stats = Stats::new(1);
        stats.commands[0].add(3, Duration::from_micros(9));
        stats.error_replies.add(1);
        stats.journal.commits.add(1);
        stats.reset();
        assert_eq!((stats.commands_processed(), stats.error_replies.get()), (0, 0));
        assert_eq!(stats.commands[0].durations.cumulative(), []);
        assert_eq!(stats.journal.commits.get(), 1);
    }
}
