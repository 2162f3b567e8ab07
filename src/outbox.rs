//! What the server sends a client unasked (messages of channels, lines of MONITOR) until the client takes it,
//! and the limits, for this and for replies, from which a client that takes nothing is cut off.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};

use crate::limits::OUTBOX_BYTES;

/// How much may wait for a client of some class.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OutputLimit {
    /// More than this cuts the client off at once; 0 for no such limit, which for messages is [`OUTBOX_BYTES`].
    pub hard_bytes: u64,
    /// More than this for [`OutputLimit::soft_seconds`] cuts it off; 0 for no such limit.
    pub soft_bytes: u64,
    /// How long.
    pub soft_seconds: u64,
}

impl OutputLimit {
    const fn new(hard_bytes: u64, soft_bytes: u64, soft_seconds: u64) -> Self {
        Self { hard_bytes, soft_bytes, soft_seconds }
    }

    /// Reads the hard limit, the soft limit and the seconds.
    fn parse([hard, soft, seconds]: [&str; 3]) -> Option<Self> {
        Some(Self::new(parse_memory(hard)?, parse_memory(soft)?, seconds.parse().ok()?))
    }

    /// With a hard limit of at most [`OUTBOX_BYTES`] where there is none: for what comes whether or not the client takes
    /// it.
    fn for_messages(self) -> Self {
        Self { hard_bytes: if self.hard_bytes == 0 { OUTBOX_BYTES } else { self.hard_bytes }, ..self }
    }
}

/// What waits for a client, held against a limit from time to time.
#[derive(Debug, Default)]
pub struct Backlog {
    /// Since when it is more than the soft limit.
    over_soft_limit_since: Option<Instant>,
}

impl Backlog {
    /// Whether the client may stay, for which so many bytes wait now.
    pub fn is_within(&mut self, limit: OutputLimit, bytes: u64, now: Instant) -> bool {
        let is_over = limit.soft_bytes > 0 && bytes > limit.soft_bytes;
        let since = is_over.then(|| self.over_soft_limit_since.unwrap_or(now));
        self.over_soft_limit_since = since;
        let allowed = Duration::from_secs(limit.soft_seconds);
        let is_too_long = since.is_some_and(|since| now.saturating_duration_since(since) > allowed);
        !is_too_long && (limit.hard_bytes == 0 || bytes <= limit.hard_bytes)
    }
}

impl fmt::Display for OutputLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.hard_bytes, self.soft_bytes, self.soft_seconds)
    }
}

/// The limits of each class of clients: Redis's `client-output-buffer-limit`, with its defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutputLimits {
    /// For replies, and the lines of MONITOR.
    pub normal: OutputLimit,
    /// For replicas; there are none.
    pub replica: OutputLimit,
    /// For subscribers.
    pub pubsub: OutputLimit,
}

impl Default for OutputLimits {
    fn default() -> Self {
        const MB: u64 = 1024 * 1024;
        Self {
            normal: OutputLimit::new(0, 0, 0),
            replica: OutputLimit::new(256 * MB, 64 * MB, 60),
            pubsub: OutputLimit::new(32 * MB, 8 * MB, 60),
        }
    }
}

impl OutputLimits {
    /// The limits with those replaced that `text` names: class, hard limit, soft limit and seconds of each, as
    /// in Redis's directive. `None` if that is not what `text` is.
    #[must_use]
    pub fn with(mut self, text: &str) -> Option<Self> {
        let words: Vec<_> = text.split_ascii_whitespace().collect();
        let (settings, []) = words.as_chunks::<4>() else { return None };
        if settings.is_empty() {
            return None;
        }
        for &[class, hard, soft, seconds] in settings {
            let limit = match class.to_ascii_lowercase().as_str() {
                "normal" => &mut self.normal,
                "replica" | "slave" => &mut self.replica,
                "pubsub" => &mut self.pubsub,
                _ => return None,
            };
            *limit = OutputLimit::parse([hard, soft, seconds])?;
        }
        Some(self)
    }
}

/// As CONFIG GET shows them.
impl fmt::Display for OutputLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "normal {} slave {} pubsub {}", self.normal, self.replica, self.pubsub)
    }
}

/// Reads an amount of memory in the units of Redis, in any case: `1k` is 1000 bytes, `1kb` is 1024.
#[must_use]
pub fn parse_memory(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" => 1000,
        "kb" => 1 << 10,
        "m" => 1_000_000,
        "mb" => 1 << 20,
        "g" => 1_000_000_000,
        "gb" => 1 << 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

/// What waits to be pushed to one client.
#[derive(Debug, Default)]
pub struct Outbox {
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    messages: VecDeque<Bytes>,
    bytes: u64,
    /// That of the last message.
    limit: OutputLimit,
    backlog: Backlog,
    /// The client was cut off: nothing is kept for it any more.
    is_closed: bool,
}

/// What a message takes beside its own bytes.
const MESSAGE_OVERHEAD_BYTES: u64 = size_of::<Bytes>() as u64;

impl Outbox {
    /// Appends a message. False, and the outbox is empty from then on, if that is too much.
    pub fn push(&self, message: Bytes, limit: OutputLimit, now: Instant) -> bool {
        let mut queue = self.lock();
        if queue.is_closed {
            return false;
        }
        queue.bytes += message.len() as u64 + MESSAGE_OVERHEAD_BYTES;
        queue.messages.push_back(message);
        queue.limit = limit;
        queue.keep_within_limit(now)
    }

    /// Moves at most `most` messages to `output`, and none once that is `most_bytes` long. Returns how many.
    pub fn take(&self, most: usize, most_bytes: usize, output: &mut BytesMut) -> usize {
        let mut queue = self.lock();
        let mut taken = 0;
        while taken < most && output.len() < most_bytes {
            let Some(message) = queue.messages.pop_front() else { break };
            queue.bytes -= message.len() as u64 + MESSAGE_OVERHEAD_BYTES;
            output.extend_from_slice(&message);
            taken += 1;
        }
        if queue.bytes <= queue.limit.soft_bytes {
            queue.backlog = Backlog::default();
        }
        if queue.messages.is_empty() {
            queue.messages = VecDeque::new();
        }
        taken
    }

    /// Whether the client may stay. Once it may not, the outbox is empty.
    pub fn is_within_limit(&self, now: Instant) -> bool {
        self.lock().keep_within_limit(now)
    }

    /// How many messages wait, and how much memory they stand for. They share it with those of other clients.
    pub fn size(&self) -> (usize, u64) {
        let queue = self.lock();
        (queue.messages.len(), queue.bytes)
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn keep_within_limit(&mut self, now: Instant) -> bool {
        if !self.backlog.is_within(self.limit.for_messages(), self.bytes, now) {
            *self = Self { is_closed: true, ..Self::default() };
        }
        !self.is_closed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: &[u8] = b"0123456789";
    const MESSAGE_BYTES: u64 = 10 + MESSAGE_OVERHEAD_BYTES;

    fn push(outbox: &Outbox, limit: OutputLimit, now: Instant) -> bool {
        outbox.push(Bytes::from_static(MESSAGE), limit, now)
    }

    #[test]
    fn messages_come_out_in_order_a_bounded_part_at_a_time() {
        let (outbox, limit, now) = (Outbox::default(), OutputLimit::default(), Instant::now());
        for message in [&b"one"[..], b"two", b"three"] {
            assert!(outbox.push(Bytes::from_static(message), limit, now));
        }
        let mut output = BytesMut::new();
        assert_eq!(outbox.take(9, 4, &mut output), 2);
        assert_eq!(output, "onetwo");
        assert_eq!(outbox.take(9, 100, &mut output), 1);
        assert_eq!(output, "onetwothree");
        assert_eq!(outbox.size(), (0, 0));
    }

    #[test]
    fn the_hard_limit_cuts_off_at_once_and_nothing_is_kept() {
        let (outbox, now) = (Outbox::default(), Instant::now());
        let limit = OutputLimit::new(3 * MESSAGE_BYTES, 0, 0);
        assert!((0..3).all(|_| push(&outbox, limit, now)), "up to the limit");
        assert_eq!(outbox.size(), (3, 3 * MESSAGE_BYTES));
        assert!(!push(&outbox, limit, now));
        assert!(!push(&outbox, limit, now), "for good");
        assert_eq!(outbox.size(), (0, 0));
    }

    #[test]
    fn the_soft_limit_cuts_off_once_it_was_passed_for_its_seconds() {
        let (outbox, start) = (Outbox::default(), Instant::now());
        let limit = OutputLimit::new(0, MESSAGE_BYTES, 10);
        let at = |seconds| start + Duration::from_secs(seconds);
        assert!((0..5).all(|_| push(&outbox, limit, start)));
        assert!(outbox.is_within_limit(at(10)));
        assert!(!outbox.is_within_limit(at(11)));
        assert_eq!(outbox.size(), (0, 0));
    }

    #[test]
    fn a_client_that_catches_up_has_its_seconds_anew() {
        let (outbox, start) = (Outbox::default(), Instant::now());
        let limit = OutputLimit::new(0, MESSAGE_BYTES, 10);
        let at = |seconds| start + Duration::from_secs(seconds);
        assert!((0..2).all(|_| push(&outbox, limit, start)));
        outbox.take(9, usize::MAX, &mut BytesMut::new());
        assert!((0..2).all(|_| push(&outbox, limit, at(9))));
        assert!(outbox.is_within_limit(at(19)));
        assert!(!outbox.is_within_limit(at(20)));
    }

    #[test]
    fn without_a_hard_limit_there_is_one_all_the_same() {
        let (outbox, now) = (Outbox::default(), Instant::now());
        let large = Bytes::from(vec![0; OUTBOX_BYTES as usize / 2 - 100]);
        assert!((0..2).all(|_| outbox.push(large.clone(), OutputLimit::default(), now)));
        assert!(!outbox.push(large, OutputLimit::default(), now));
    }

    #[test]
    fn limits_are_read_as_redis_reads_them_and_shown_as_it_shows_them() {
        let shown = |text| OutputLimits::default().with(text).map(|limits| limits.to_string());
        let default = "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60";
        assert_eq!(OutputLimits::default().to_string(), default);
        assert_eq!(shown(default).as_deref(), Some(default));
        assert_eq!(
            shown("pubsub 1mb 2k 3").unwrap(),
            "normal 0 0 0 slave 268435456 67108864 60 pubsub 1048576 2000 3"
        );
        assert_eq!(
            shown("REPLICA 1GB 1g  5 normal 1 2b 3 normal 4 5 6").unwrap(),
            "normal 4 5 6 slave 1073741824 1000000000 5 pubsub 33554432 8388608 60"
        );
        for wrong in [
            "",
            "pubsub 1 1",
            "pubsub 1 1 1 1",
            "master 1 1 1",
            "pubsub x 1 1",
            "pubsub -1 1 1",
            "pubsub 1 1 -1",
            "pubsub 1.5mb 1 1",
            "pubsub 1tb 1 1",
            "pubsub kb 1 1",
            "pubsub 1 1 1s",
            "pubsub 18446744073709551616 1 1",
            "pubsub 18446744073709551615kb 1 1",
        ] {
            assert_eq!(shown(wrong), None, "{wrong}");
        }
    }
}
