//! What CONFIG SET can change while the server runs. The configuration stores it here, and those whom it concerns
//! load it when they need it: a setting on the way of a request costs one load of an atomic.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use crate::limits::{ARGUMENT_BYTES, REQUEST_BYTES};
use crate::memory;
use crate::outbox::OutputLimits;
use crate::reply::Error;

/// The settings of one server. What is made by `default` is turned off, or as wide as it can be, but for `maxclients`,
/// which is 0.
#[derive(Debug, Default)]
pub struct Settings {
    /// Most clients at once.
    pub maxclients: AtomicUsize,
    /// Most entries that SLOWLOG keeps.
    pub slowlog_max_len: AtomicUsize,
    /// Most bytes in use from which on writes that need memory are refused; 0 for however many there are.
    pub maxmemory: AtomicU64,
    tcp_keepalive_seconds: AtomicU64,
    timeout_seconds: AtomicU64,
    request: RequestBounds,
    output_limits: RwLock<OutputLimits>,
    slowness: Slowness,
    /// Most entries that ACL LOG keeps.
    pub acllog_max_len: AtomicUsize,
    is_protected: AtomicBool,
}

/// From which duration on somebody wants to know of a command, in microseconds.
#[derive(Debug)]
struct Slowness {
    /// SLOWLOG; `u64::MAX` while it is off.
    slowlog: AtomicU64,
    /// LATENCY; `u64::MAX` while it is off.
    latency: AtomicU64,
    /// The lesser of both, the one that is compared for every command.
    least: AtomicU64,
}

impl Default for Slowness {
    fn default() -> Self {
        let off = || AtomicU64::new(u64::MAX);
        Self { slowlog: off(), latency: off(), least: off() }
    }
}

/// What one request may be, in bytes.
#[derive(Debug)]
struct RequestBounds {
    /// `proto-max-bulk-len`.
    argument: AtomicUsize,
    /// `client-query-buffer-limit`.
    whole: AtomicUsize,
}

impl Default for RequestBounds {
    fn default() -> Self {
        Self { argument: AtomicUsize::new(ARGUMENT_BYTES), whole: AtomicUsize::new(REQUEST_BYTES) }
    }
}

impl Settings {
    /// Whether more memory is in use than may be. Costs next to nothing where there is no such bound, and otherwise a
    /// look at what each thread has counted.
    #[must_use]
    pub fn is_out_of_memory(&self) -> bool {
        let most = self.maxmemory.load(Relaxed);
        most > 0 && memory::used().is_some_and(|used| used > most)
    }

    /// For how many seconds a client may do nothing; none for however long.
    #[must_use]
    pub fn timeout_seconds(&self) -> Option<u64> {
        Some(self.timeout_seconds.load(Relaxed)).filter(|&seconds| seconds > 0)
    }

    /// Sets [`Settings::timeout_seconds`]; 0 for none.
    pub fn set_timeout(&self, seconds: u64) {
        self.timeout_seconds.store(seconds, Relaxed);
    }

    /// Most bytes of one argument.
    #[must_use]
    pub fn argument_bytes(&self) -> usize {
        self.request.argument.load(Relaxed)
    }

    /// Sets [`Settings::argument_bytes`].
    pub fn set_argument_bytes(&self, bytes: usize) {
        self.request.argument.store(bytes, Relaxed);
    }

    /// Most bytes of one request as it stands on the wire.
    #[must_use]
    pub fn request_bytes(&self) -> usize {
        self.request.whole.load(Relaxed)
    }

    /// Sets [`Settings::request_bytes`].
    pub fn set_request_bytes(&self, bytes: usize) {
        self.request.whole.store(bytes, Relaxed);
    }

    /// How much may wait for a client of each class.
    #[must_use]
    pub fn output_limits(&self) -> OutputLimits {
        *self.output_limits.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets [`Settings::output_limits`].
    pub fn set_output_limits(&self, limits: OutputLimits) {
        *self.output_limits.write().unwrap_or_else(PoisonError::into_inner) = limits;
    }

    /// The silence after which a new connection is probed; none for never.
    #[must_use]
    pub fn tcp_keepalive(&self) -> Option<Duration> {
        let seconds = self.tcp_keepalive_seconds.load(Relaxed);
        (seconds > 0).then(|| Duration::from_secs(seconds))
    }

    /// Sets [`Settings::tcp_keepalive`]; 0 for never.
    pub fn set_tcp_keepalive(&self, seconds: u64) {
        self.tcp_keepalive_seconds.store(seconds, Relaxed);
    }

    /// Whether clients from elsewhere are refused where none must give a password.
    #[must_use]
    pub fn is_protected(&self) -> bool {
        self.is_protected.load(Relaxed)
    }

    /// Sets [`Settings::is_protected`].
    pub fn set_protected(&self, is_protected: bool) {
        self.is_protected.store(is_protected, Relaxed);
    }

    /// Whether a command that took so long is worth a closer look: SLOWLOG or LATENCY wants it.
    #[must_use]
    pub fn is_slow(&self, usec: u64) -> bool {
        usec >= self.slowness.least.load(Relaxed)
    }

    /// Whether SLOWLOG keeps a command that took so long.
    #[must_use]
    pub fn is_for_slowlog(&self, usec: u64) -> bool {
        usec >= self.slowness.slowlog.load(Relaxed)
    }

    /// Whether LATENCY keeps what took so long.
    #[must_use]
    pub fn is_latency(&self, usec: u64) -> bool {
        usec >= self.slowness.latency.load(Relaxed)
    }

    /// Has SLOWLOG keep commands that take so many microseconds; none, if negative.
    pub fn set_slowlog_log_slower_than(&self, usec: i64) {
        self.slowness.slowlog.store(u64::try_from(usec).unwrap_or(u64::MAX), Relaxed);
        self.slowness.note_least();
    }

    /// Has LATENCY keep what takes so many milliseconds; nothing, if 0.
    pub fn set_latency_monitor_threshold(&self, ms: u64) {
        let usec = if ms == 0 { u64::MAX } else { ms.saturating_mul(1000) };
        self.slowness.latency.store(usec, Relaxed);
        self.slowness.note_least();
    }

    /// How many milliseconds LATENCY was told; 0, if it is off.
    #[must_use]
    pub fn latency_monitor_threshold(&self) -> u64 {
        match self.slowness.latency.load(Relaxed) {
            u64::MAX => 0,
            usec => usec / 1000,
        }
    }
}

impl Slowness {
    fn note_least(&self) {
        let least = self.slowlog.load(Relaxed).min(self.latency.load(Relaxed));
        self.least.store(least, Relaxed);
    }
}

/// The configuration as CONFIG sees it. (The commands do not know the module of that name.)
pub trait Parameters: fmt::Debug + Send + Sync {
    /// The names, and the values as CONFIG GET shows them.
    fn values(&self) -> Vec<(&'static str, String)>;

    /// Sets parameters, all or none.
    ///
    /// # Errors
    ///
    /// If there is no such parameter, or it can't be set, or not to this value.
    fn set(&self, changes: &[(&[u8], &[u8])]) -> Result<(), Error>;

    /// Writes the present values into the configuration file. Waits for the disk.
    ///
    /// # Errors
    ///
    /// If there is no file, or it can't be written; it is as it was then.
    fn rewrite(&self) -> Result<(), Error>;

    /// Whether the values of the parameter of this name, in any case, are nobody's business.
    fn is_secret(&self, name: &[u8]) -> bool;

    /// The value of the parameter of exactly this name, if there is one.
    fn value(&self, name: &str) -> Option<String> {
        self.values().into_iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_looked_at_if_slowlog_or_latency_wants_it() {
        let settings = Settings::default();
        assert!(!settings.is_slow(u64::MAX - 1), "both are off");
        settings.set_slowlog_log_slower_than(10_000);
        assert!(settings.is_slow(10_000) && !settings.is_slow(9_999));
        settings.set_latency_monitor_threshold(2);
        assert!(settings.is_slow(2_000) && !settings.is_for_slowlog(2_000));
        settings.set_slowlog_log_slower_than(0);
        assert!(settings.is_for_slowlog(0) && !settings.is_latency(1_999));
        settings.set_slowlog_log_slower_than(-1);
        settings.set_latency_monitor_threshold(0);
        assert!(!settings.is_slow(u64::MAX - 1));
    }
}
