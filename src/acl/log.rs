//! What was denied: ACL LOG.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::limits::{ACL_LOG_BYTES, ACL_LOG_MERGED, ACL_LOG_MERGED_MS};

/// What was denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// A login.
    Auth,
    /// A command.
    Command,
    /// A key.
    Key,
    /// A channel.
    Channel,
}

impl Reason {
    /// Redis's word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::Command => "command",
            Self::Key => "key",
            Self::Channel => "channel",
        }
    }
}

/// Where it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Context {
    /// On its own.
    TopLevel,
    /// Between MULTI and EXEC, or by EXEC.
    Multi,
}

impl Context {
    /// Redis's word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TopLevel => "toplevel",
            Self::Multi => "multi",
        }
    }
}

/// What was denied, as it is told.
#[derive(Debug, Clone, Copy)]
pub struct Denial<'a> {
    /// What kind of thing it was.
    pub reason: Reason,
    /// Where it was asked for.
    pub context: Context,
    /// The command's full name, the key or the channel; of a login, the command's name as it was sent.
    pub object: &'a [u8],
    /// Whom it was denied to, or who it was that did not get in.
    pub user: &'a [u8],
}

/// Something that was denied, once or repeatedly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its number.
    pub id: u64,
    /// How often.
    pub count: u64,
    /// What kind of thing it was.
    pub reason: Reason,
    /// Where it was asked for.
    pub context: Context,
    /// What it was; cut short.
    pub object: Box<[u8]>,
    /// To whom; cut short.
    pub user: Box<[u8]>,
    /// The client that asked last, as CLIENT LIST shows it.
    pub client: String,
    /// When it was denied first, in milliseconds since 1970.
    pub created_ms: i64,
    /// When it was denied last.
    pub updated_ms: i64,
}

impl Entry {
    /// Whether the same was denied again, and not long after.
    fn is_again(&self, denial: &Denial<'_>, now_ms: i64) -> bool {
        self.reason == denial.reason
            && self.context == denial.context
            && (now_ms - self.updated_ms).abs() <= ACL_LOG_MERGED_MS
            && *self.object == *denial.object
            && *self.user == *denial.user
    }
}

/// The latest of what was denied.
#[derive(Debug, Default)]
pub struct Log(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    next_id: u64,
    /// The latest first.
    entries: VecDeque<Entry>,
}

impl Log {
    /// Keeps what was denied to this client (a line of CLIENT LIST), and `most` entries at most.
    pub fn note(&self, denial: Denial<'_>, client: String, now_ms: i64, most: usize) {
        let mut state = self.lock();
        state.entries.truncate(most);
        if most == 0 {
            return;
        }
        let cut = |bytes: &'_ [u8]| -> Box<[u8]> { bytes[..bytes.len().min(ACL_LOG_BYTES)].into() };
        let (object, user) = (cut(denial.object), cut(denial.user));
        let denial = Denial { object: &object, user: &user, ..denial };
        let known =
            state.entries.iter().take(ACL_LOG_MERGED).position(|entry| entry.is_again(&denial, now_ms));
        let entry = if let Some(entry) = known.and_then(|place| state.entries.remove(place)) {
            Entry { count: entry.count + 1, client, updated_ms: now_ms, ..entry }
        } else {
            let id = state.next_id;
            state.next_id += 1;
            let Denial { reason, context, .. } = denial;
            let (created_ms, updated_ms) = (now_ms, now_ms);
            Entry { id, count: 1, reason, context, object, user, client, created_ms, updated_ms }
        };
        state.entries.push_front(entry);
        state.entries.truncate(most);
    }

    /// The latest entries, the latest first.
    #[must_use]
    pub fn latest(&self, most: usize) -> Vec<Entry> {
        self.lock().entries.iter().take(most).cloned().collect()
    }

    /// Forgets all.
    pub fn reset(&self) {
        self.lock().entries.clear();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn denial(object: &str) -> Denial<'_> {
        Denial { reason: Reason::Key, context: Context::TopLevel, object: object.as_bytes(), user: b"u" }
    }

    fn kept(log: &Log) -> Vec<(u64, String, u64)> {
        let shown =
            |entry: Entry| (entry.id, String::from_utf8_lossy(&entry.object).into_owned(), entry.count);
        log.latest(usize::MAX).into_iter().map(shown).collect()
    }

    #[test]
    fn what_is_denied_again_is_counted_and_comes_first() {
        let log = Log::default();
        for (at_ms, object) in [(0, "a"), (1, "b"), (2, "a")] {
            log.note(denial(object), format!("client {at_ms}"), at_ms, 8);
        }
        assert_eq!(kept(&log), [(0, "a".to_owned(), 2), (1, "b".to_owned(), 1)]);
        let latest = &log.latest(1)[0];
        assert_eq!((latest.created_ms, latest.updated_ms, latest.client.as_str()), (0, 2, "client 2"));
        log.note(denial("a"), String::new(), 3 + ACL_LOG_MERGED_MS, 8);
        assert_eq!(kept(&log)[0], (2, "a".to_owned(), 1), "too long ago");
        let elsewhere = Denial { context: Context::Multi, ..denial("a") };
        log.note(elsewhere, String::new(), 3 + ACL_LOG_MERGED_MS, 8);
        assert_eq!(kept(&log)[0], (3, "a".to_owned(), 1));
    }

    #[test]
    fn the_latest_are_kept_and_no_more_than_a_part_of_what_is_long() {
        let log = Log::default();
        let lengthy = "x".repeat(2 * ACL_LOG_BYTES);
        for object in ["a", "b", &lengthy] {
            log.note(denial(object), String::new(), 0, 2);
        }
        assert_eq!(kept(&log), [(2, lengthy[..ACL_LOG_BYTES].to_owned(), 1), (1, "b".to_owned(), 1)]);
        log.note(denial("c"), String::new(), 0, 0);
        assert_eq!(kept(&log), []);
        log.note(denial("c"), String::new(), 0, 2);
        log.reset();
        assert_eq!(kept(&log), []);
    }
}
