//! What took long, by kind: what LATENCY shows.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::limits::LATENCY_SAMPLES;
use crate::settings::Settings;

/// A kind of what can take long, by Redis's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A commit that was synced before it was acknowledged.
    AofFsyncAlways,
    /// A commit that was handed to the operating system.
    AofWrite,
    /// A command that may take long.
    Command,
    /// A command that costs no more on more data.
    FastCommand,
}

impl Event {
    /// All, sorted by name.
    pub const ALL: [Self; 4] = [Self::AofFsyncAlways, Self::AofWrite, Self::Command, Self::FastCommand];

    /// Redis's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::AofFsyncAlways => "aof-fsync-always",
            Self::AofWrite => "aof-write",
            Self::Command => "command",
            Self::FastCommand => "fast-command",
        }
    }

    /// The event of this name.
    #[must_use]
    pub fn find(name: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|event| event.name().as_bytes() == name)
    }
}

/// The slowest of an event within one second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// The second, since 1970.
    pub unix_seconds: u64,
    /// What it took.
    pub ms: u64,
}

/// What is known of one event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Series {
    /// The latest samples, the latest last.
    pub samples: VecDeque<Sample>,
    /// The slowest since the last reset.
    pub max_ms: u64,
}

/// The samples of one server.
#[derive(Debug, Default)]
pub struct Latency {
    settings: Arc<Settings>,
    series: Mutex<[Series; Event::ALL.len()]>,
}

impl Latency {
    /// Without samples. `settings` say what is long.
    #[must_use]
    pub fn new(settings: Arc<Settings>) -> Self {
        Self { settings, series: Mutex::default() }
    }

    /// Keeps a sample, if this is long.
    pub fn sample(&self, event: Event, took: Duration) {
        if self.settings.is_latency(took.as_micros() as u64) {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            self.lock()[event as usize].add(now.as_secs(), took.as_millis() as u64);
        }
    }

    /// What is known of the event.
    #[must_use]
    pub fn series(&self, event: Event) -> Series {
        self.lock()[event as usize].clone()
    }

    /// Forgets what is known of the event. Returns whether something was.
    pub fn reset(&self, event: Event) -> bool {
        !std::mem::take(&mut self.lock()[event as usize]).samples.is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, [Series; Event::ALL.len()]> {
        self.series.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Series {
    /// Of one second, the slowest is kept.
    fn add(&mut self, unix_seconds: u64, ms: u64) {
        self.max_ms = self.max_ms.max(ms);
        match self.samples.back_mut() {
            Some(latest) if latest.unix_seconds == unix_seconds => latest.ms = latest.ms.max(ms),
            _ => {
                if self.samples.len() == LATENCY_SAMPLES {
                    self.samples.pop_front();
                }
                self.samples.push_back(Sample { unix_seconds, ms });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_found_by_name_and_sorted() {
        assert!(Event::ALL.is_sorted_by(|a, b| a.name() < b.name()));
        for (place, event) in Event::ALL.into_iter().enumerate() {
            assert_eq!(Event::find(event.name().as_bytes()), Some(event));
            assert_eq!(event as usize, place, "samples are kept by place");
        }
        assert_eq!(Event::find(b"fork"), None);
    }

    #[test]
    fn only_what_is_long_is_kept() {
        let settings = Arc::new(Settings::default());
        let latency = Latency::new(Arc::clone(&settings));
        latency.sample(Event::Command, Duration::from_secs(9));
        assert_eq!(latency.series(Event::Command), Series::default(), "it is off");
        settings.set_latency_monitor_threshold(10);
        latency.sample(Event::Command, Duration::from_micros(9_999));
        assert_eq!(latency.series(Event::Command), Series::default());
        latency.sample(Event::Command, Duration::from_millis(10));
        assert_eq!(latency.series(Event::Command).max_ms, 10);
        assert_eq!(latency.series(Event::FastCommand), Series::default());
        assert!(latency.reset(Event::Command));
        assert!(!latency.reset(Event::Command));
    }

    #[test]
    fn of_a_second_the_slowest_is_kept_and_of_seconds_the_latest() {
        let mut series = Series::default();
        for ms in [3, 9, 4] {
            series.add(0, ms);
        }
        assert_eq!(series.samples, [Sample { unix_seconds: 0, ms: 9 }]);
        for second in 1..=LATENCY_SAMPLES as u64 {
            series.add(second, 1);
        }
        assert_eq!(series.samples.len(), LATENCY_SAMPLES);
        assert_eq!(series.samples[0].unix_seconds, 1);
        assert_eq!(series.max_ms, 9, "the slowest of all stays known");
    }
}
