//! The commands that took long: what SLOWLOG shows.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;

use crate::limits::{SLOWLOG_ARGUMENT_BYTES, SLOWLOG_ARGUMENTS};

/// The latest commands that took long.
#[derive(Debug, Default)]
pub struct Slowlog(Mutex<Log>);

#[derive(Debug, Default)]
struct Log {
    next_id: u64,
    /// The latest in front.
    entries: VecDeque<Entry>,
}

/// A command that took long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its number; never given out twice. Assigned when the entry is kept.
    pub id: u64,
    /// When it ended, in seconds since 1970.
    pub unix_seconds: u64,
    /// What it took.
    pub usec: u64,
    /// Its arguments, the name included, as far as they are kept.
    pub arguments: Vec<Bytes>,
    /// The client's address.
    pub address: String,
    /// The client's name.
    pub name: String,
}

impl Entry {
    /// A command that ended at `now`, and took so many microseconds.
    pub fn new<'a>(
        now: Duration,
        usec: u64,
        arguments: impl ExactSizeIterator<Item = &'a [u8]>,
        address: String,
        name: String,
    ) -> Self {
        Self { id: 0, unix_seconds: now.as_secs(), usec, arguments: shortened(arguments), address, name }
    }
}

impl Slowlog {
    /// Keeps an entry, and no more than the latest `most`.
    pub fn keep(&self, entry: Entry, most: usize) {
        let mut log = self.lock();
        let id = log.next_id;
        log.next_id += 1;
        log.entries.push_front(Entry { id, ..entry });
        log.entries.truncate(most);
    }

    /// The latest entries, `most` of them at most, the latest first.
    #[must_use]
    pub fn latest(&self, most: usize) -> Vec<Entry> {
        self.lock().entries.iter().take(most).cloned().collect()
    }

    /// How many are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().entries.len()
    }

    /// Whether none are kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets all. Numbers go on.
    pub fn reset(&self) {
        self.lock().entries = VecDeque::new();
    }

    fn lock(&self) -> MutexGuard<'_, Log> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The arguments, cut short as Redis cuts them: the last that is kept counts those that are not.
fn shortened<'a>(arguments: impl ExactSizeIterator<Item = &'a [u8]>) -> Vec<Bytes> {
    let count = arguments.len();
    let kept = if count > SLOWLOG_ARGUMENTS { SLOWLOG_ARGUMENTS - 1 } else { count };
    let mut shown: Vec<_> = arguments.take(kept).map(shortened_argument).collect();
    if count > kept {
        shown.push(format!("... ({} more arguments)", count - kept).into());
    }
    shown
}

fn shortened_argument(argument: &[u8]) -> Bytes {
    let Some((kept, rest)) = argument.split_at_checked(SLOWLOG_ARGUMENT_BYTES) else {
        return Bytes::copy_from_slice(argument);
    };
    if rest.is_empty() {
        return Bytes::copy_from_slice(kept);
    }
    [kept, format!("... ({} more bytes)", rest.len()).as_bytes()].concat().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(arguments: &[&[u8]]) -> Entry {
        Entry::new(Duration::ZERO, 1, arguments.iter().copied(), String::new(), String::new())
    }

    #[test]
    fn the_latest_are_kept_and_numbers_go_on() {
        let slowlog = Slowlog::default();
        let ids = |slowlog: &Slowlog| slowlog.latest(9).iter().map(|entry| entry.id).collect::<Vec<_>>();
        (0..5).for_each(|_| slowlog.keep(entry(&[b"PING"]), 3));
        assert_eq!(ids(&slowlog), [4, 3, 2]);
        slowlog.keep(entry(&[b"PING"]), 2);
        assert_eq!(ids(&slowlog), [5, 4], "fewer are kept");
        slowlog.reset();
        assert!(slowlog.is_empty());
        slowlog.keep(entry(&[b"PING"]), 3);
        assert_eq!(ids(&slowlog), [6]);
    }

    #[test]
    fn arguments_are_cut_as_redis_cuts_them() {
        let arguments = vec![&b"a"[..]; SLOWLOG_ARGUMENTS];
        assert_eq!(entry(&arguments).arguments, arguments);
        let kept = entry(&vec![&b"a"[..]; SLOWLOG_ARGUMENTS + 1]).arguments;
        assert_eq!(kept.len(), SLOWLOG_ARGUMENTS);
        assert_eq!(kept[SLOWLOG_ARGUMENTS - 1], "... (2 more arguments)");
        let long = [b'x'; SLOWLOG_ARGUMENT_BYTES + 1];
        assert_eq!(entry(&[&long[1..]]).arguments, [&long[1..]]);
        assert!(entry(&[&long]).arguments[0].ends_with(b"x... (1 more bytes)"));
    }
}
