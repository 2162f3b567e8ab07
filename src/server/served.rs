//! What was asked of the server: how fast, for INFO, once a second; and how much, for the log, every five minutes in which
//! anything was, and at the end.

use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use crate::limits::SERVED_INTERVAL;
use crate::stats::{Counter, Stats};

/// What was served, and how much of it was told.
#[derive(Debug)]
pub(super) struct Served {
    looked: Stretch,
    told: Stretch,
}

impl Served {
    /// Nothing so far.
    pub(super) fn begin(now: Instant) -> Self {
        Self { looked: Stretch::begin(now), told: Stretch::begin(now) }
    }

    /// Notes for INFO how fast it went since the last look, and tells the log, if it is time.
    pub(super) fn look(&mut self, stats: &Stats, now: Instant) {
        let (new, took) = self.looked.end(Counts::of(stats), now);
        let per_second = |count: u64| (count as f64 / took.as_secs_f64()).round() as u64;
        stats.rates.commands.store(per_second(new.requests), Relaxed);
        stats.rates.input_bytes.store(per_second(new.received_bytes), Relaxed);
        stats.rates.output_bytes.store(per_second(new.sent_bytes), Relaxed);
        if now - self.told.began >= SERVED_INTERVAL {
            self.tell(stats, now);
        }
    }

    /// Tells the log what was served since it was last told, if anything was.
    pub(super) fn tell(&mut self, stats: &Stats, now: Instant) {
        let (new, took) = self.told.end(Counts::of(stats), now);
        if new == Counts::default() {
            return;
        }
        let Counts { connections, rejected, requests, errors, denied, commits, received_bytes, sent_bytes } =
            new;
        tracing::info!(
            seconds = took.as_secs(),
            connections,
            rejected,
            requests,
            errors,
            denied,
            commits,
            received_bytes,
            sent_bytes,
            "Served"
        );
    }
}

/// A stretch of time, and what the counters said when it began.
#[derive(Debug)]
struct Stretch {
    began: Instant,
    counts: Counts,
}

impl Stretch {
    fn begin(now: Instant) -> Self {
        Self { began: now, counts: Counts::default() }
    }

    /// Ends this one, and begins the next. Returns what was counted in it.
    fn end(&mut self, counts: Counts, now: Instant) -> (Counts, Duration) {
        let ended = std::mem::replace(self, Self { began: now, counts });
        (counts.since(ended.counts), now - ended.began)
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Counts {
    connections: u64,
    rejected: u64,
    requests: u64,
    errors: u64,
    denied: u64,
    commits: u64,
    received_bytes: u64,
    sent_bytes: u64,
}

impl Counts {
    fn of(stats: &Stats) -> Self {
        let denials = &stats.denials;
        let denied = [&denials.logins, &denials.commands, &denials.keys, &denials.channels];
        Self {
            connections: stats.connections_received.get(),
            rejected: stats.connections_rejected.get(),
            requests: stats.commands_processed(),
            errors: stats.error_replies.get(),
            denied: denied.into_iter().map(Counter::get).sum(),
            commits: stats.journal.commits.get(),
            received_bytes: stats.net_input_bytes.get(),
            sent_bytes: stats.net_output_bytes.get(),
        }
    }

    /// What was counted since then; since CONFIG RESETSTAT, where that came in between.
    fn since(self, then: Self) -> Self {
        let since = |now: u64, then: u64| now.checked_sub(then).unwrap_or(now);
        Self {
            connections: since(self.connections, then.connections),
            rejected: since(self.rejected, then.rejected),
            requests: since(self.requests, then.requests),
            errors: since(self.errors, then.errors),
            denied: since(self.denied, then.denied),
            commits: since(self.commits, then.commits),
            received_bytes: since(self.received_bytes, then.received_bytes),
            sent_bytes: since(self.sent_bytes, then.sent_bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn rates_are_of_the_time_since_the_last_look() {
        let (stats, start) = (Stats::new(1), Instant::now());
        let mut served = Served::begin(start);
        stats.commands[0].calls.add(100);
        stats.net_input_bytes.add(4_000);
        served.look(&stats, after(start, 1));
        assert_eq!(stats.rates.commands.load(Relaxed), 100);
        assert_eq!(stats.rates.input_bytes.load(Relaxed), 4_000);
        stats.commands[0].calls.add(50);
        stats.net_output_bytes.add(1_000);
        served.look(&stats, after(start, 3));
        assert_eq!(stats.rates.commands.load(Relaxed), 25);
        assert_eq!(stats.rates.input_bytes.load(Relaxed), 0);
        assert_eq!(stats.rates.output_bytes.load(Relaxed), 500);
    }

    #[test]
    fn the_log_is_told_when_it_is_time_of_what_is_new() {
        let (stats, start) = (Stats::new(1), Instant::now());
        let mut served = Served::begin(start);
        stats.error_replies.add(3);
        served.look(&stats, after(start, SERVED_INTERVAL.as_secs() - 1));
        assert_eq!(served.told.began, start, "it is not time yet");
        served.look(&stats, start + SERVED_INTERVAL);
        assert_eq!(served.told.began, start + SERVED_INTERVAL);
        assert_eq!(served.told.counts.errors, 3, "the next line begins there");
    }

    #[test]
    fn counters_that_were_reset_count_from_there() {
        let then = Counts { requests: 10, errors: 5, ..Counts::default() };
        let now = Counts { requests: 4, errors: 6, ..Counts::default() };
        assert_eq!(now.since(then), Counts { requests: 4, errors: 1, ..Counts::default() });
    }
}
