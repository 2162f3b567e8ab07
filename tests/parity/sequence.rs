//! What is run on both servers: requests, on one or two connections, in one order.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use crate::known::is_avoided;

/// Connections that a sequence may use.
pub(crate) const CONNECTIONS: usize = 2;

/// An expiry that a run waits for; a longer one must be so long that nothing expires during the run.
const BRIEF_MS: i64 = 5;
const LONG_MS: i64 = 60_000;

/// Before this, all moments that are drawn are over; behind it, none is.
const FUTURE_MS: i64 = 4_000_000_000_000;

/// How far apart two moments must be for both servers to have them in the same order, though each reads its
/// clock when the request arrives.
const APART_MS: i64 = 5_000;

/// The longest string that one of the servers is made to hold by a request that is short itself.
const STRING_BYTES: i64 = 100_000;

/// Redis's `proto-max-bulk-len`: whatever would be longer is refused, and costs nothing.
const MOST_STRING_BYTES: i64 = 512 * 1024 * 1024;

/// A command's name and its arguments.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Request(pub(crate) Vec<Vec<u8>>);

impl Request {
    pub(crate) fn of<W: AsRef<[u8]>>(words: &[W]) -> Self {
        Self(words.iter().map(|word| word.as_ref().to_vec()).collect())
    }

    /// The command's name in lower case.
    pub(crate) fn name(&self) -> String {
        String::from_utf8_lossy(&self.0[0]).to_lowercase()
    }

    /// How long to wait behind this request until all that it made expire soon has expired.
    pub(crate) fn pause(&self) -> Option<Duration> {
        let brief = self.relative_expiries_ms().into_iter().filter(|expiry| (1..=BRIEF_MS).contains(expiry));
        // A clock that is read by the millisecond is late by up to one.
        brief.max().map(|expiry| Duration::from_millis(expiry as u64 + 2))
    }

    /// Whether the outcome is the same however fast the servers are, and cheap to bring about.
    fn is_sound(&self) -> bool {
        let is_sound = |&expiry: &i64| expiry <= BRIEF_MS || expiry >= LONG_MS;
        self.relative_expiries_ms().iter().all(is_sound)
            && !self.answers_too_much()
            && !self.makes_too_long()
            && !is_avoided(self)
    }

    /// The times from now on after which something is to expire.
    fn relative_expiries_ms(&self) -> Vec<i64> {
        let milliseconds = |at: usize, unit_ms: i64| Some(integer(self.0.get(at)?)?.saturating_mul(unit_ms));
        let of_option = |at: usize| match self.0[at].to_ascii_uppercase().as_slice() {
            b"EX" => milliseconds(at + 1, 1000),
            b"PX" => milliseconds(at + 1, 1),
            _ => None,
        };
        match self.name().as_str() {
            "expire" | "setex" => milliseconds(2, 1000).into_iter().collect(),
            "pexpire" | "psetex" => milliseconds(2, 1).into_iter().collect(),
            "set" | "getex" => (1..self.0.len()).filter_map(of_option).collect(),
            _ => Vec::new(),
        }
    }

    /// Whether a string is set that is over at once. Redis keeps it until somebody asks for it.
    fn sets_what_is_over(&self) -> bool {
        let is_over = |at: usize, before: i64| {
            self.0.get(at).and_then(|word| integer(word)).is_some_and(|moment| moment < before)
        };
        let options = (1..self.0.len()).any(|at| match self.0[at].to_ascii_uppercase().as_slice() {
            b"EXAT" => is_over(at + 1, FUTURE_MS / 1000),
            b"PXAT" => is_over(at + 1, FUTURE_MS),
            _ => false,
        });
        options && self.name() == "set"
    }

    /// SRANDMEMBER answers as many members as it is asked for, if they may repeat.
    fn answers_too_much(&self) -> bool {
        let count = self.0.get(2).and_then(|count| integer(count));
        self.name() == "srandmember" && count.is_some_and(|count| count < -100 && count > i64::MIN)
    }

    fn makes_too_long(&self) -> bool {
        let offset = self.0.get(2).and_then(|offset| integer(offset));
        let value_bytes = self.0.get(3).map_or(0, Vec::len) as i64;
        self.name() == "setrange"
            && offset.is_some_and(|offset| {
                offset > STRING_BYTES && offset.saturating_add(value_bytes) <= MOST_STRING_BYTES
            })
    }

    fn orders_expiries(&self) -> bool {
        self.0.iter().any(|word| word.eq_ignore_ascii_case(b"GT") || word.eq_ignore_ascii_case(b"LT"))
    }
}

/// The number, where Redis takes the word for one.
fn integer(word: &[u8]) -> Option<i64> {
    std::str::from_utf8(word).ok()?.parse().ok()
}

impl fmt::Display for Request {
    /// As one would type it in redis-cli.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-+*.:_".contains(byte);
        for (at, word) in self.0.iter().enumerate() {
            let space = if at == 0 { "" } else { " " };
            if !word.is_empty() && word.iter().all(is_plain) {
                write!(f, "{space}{}", word.escape_ascii())?;
            } else {
                write!(f, "{space}\"{}\"", word.escape_ascii())?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A request, and the connection that sends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) connection: usize,
    pub(crate) request: Request,
}

/// Steps that begin with empty databases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sequence {
    /// The version that both connections begin with.
    pub(crate) protocol: u8,
    /// Whether what follows each other on one connection is sent in one write, or each when the last is answered.
    pub(crate) is_pipelined: bool,
    pub(crate) steps: Vec<Step>,
}

impl Sequence {
    /// Whether two servers that do the same must give the same replies, however fast each of them is.
    pub(crate) fn is_sound(&self) -> bool {
        self.requests().all(Request::is_sound)
            && !self.queues_what_can_not_be_compared()
            && (!self.requests().any(Request::orders_expiries) || self.expiries_are_apart())
    }

    /// Whether HELLO is queued (Redis goes on in the other version of the protocol within the reply to EXEC, ours gives
    /// all of it in one), or what ends so soon that it may have ended by the next command of the transaction.
    fn queues_what_can_not_be_compared(&self) -> bool {
        let mut is_queueing = [false; CONNECTIONS];
        self.steps.iter().any(|Step { connection, request }| {
            match request.name().as_str() {
                "multi" => is_queueing[*connection] = true,
                "exec" | "discard" | "reset" => is_queueing[*connection] = false,
                _ => {}
            }
            is_queueing[*connection] && (request.name() == "hello" || request.pause().is_some())
        })
    }

    fn expiries_are_apart(&self) -> bool {
        let mut expiries: Vec<_> = self.requests().flat_map(Request::relative_expiries_ms).collect();
        expiries.retain(|&expiry| expiry >= LONG_MS);
        expiries.sort_unstable();
        expiries.windows(2).all(|two| two[1] - two[0] >= APART_MS)
    }

    /// Whether a moment of expiry depends on when a request arrived.
    pub(crate) fn has_relative_expiries(&self) -> bool {
        self.requests().any(|request| !request.relative_expiries_ms().is_empty())
    }

    /// Whether something expires while the steps are run. When Redis sweeps it is up to Redis.
    pub(crate) fn expires(&self) -> bool {
        self.requests().any(|request| request.pause().is_some() || request.sets_what_is_over())
    }

    /// The longest wait that one of the steps asks for.
    pub(crate) fn pause(&self) -> Option<Duration> {
        self.requests().filter_map(Request::pause).max()
    }

    /// Whatever can be in a set.
    pub(crate) fn members(&self) -> Vec<Vec<u8>> {
        let added = |request: &Request| match request.name().as_str() {
            "sadd" => request.0.iter().skip(2).cloned().collect(),
            "smove" => request.0.iter().skip(3).cloned().collect(),
            _ => Vec::new(),
        };
        self.requests().flat_map(added).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// The databases that the steps may have used.
    pub(crate) fn databases(&self) -> BTreeSet<i64> {
        let is_about_databases =
            |request: &&Request| matches!(request.name().as_str(), "select" | "swapdb" | "move" | "copy");
        let words = self.requests().filter(is_about_databases).flat_map(|request| &request.0[1..]);
        words
            .filter_map(|word| integer(word))
            .filter(|database| (0..16).contains(database))
            .chain([0])
            .collect()
    }

    pub(crate) fn requests(&self) -> impl Iterator<Item = &Request> {
        self.steps.iter().map(|step| &step.request)
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let manner = if self.is_pipelined { "in one write" } else { "one by one" };
        writeln!(f, "in RESP{}, {manner}:", self.protocol)?;
        let connections: BTreeSet<_> = self.steps.iter().map(|step| step.connection).collect();
        for step in &self.steps {
            match connections.len() {
                0 | 1 => writeln!(f, "  > {}", step.request)?,
                _ => writeln!(f, "  {}> {}", step.connection + 1, step.request)?,
            }
        }
        Ok(())
    }
}

mod tests {
    use super::{Request, Sequence, Step};
    use std::time::Duration;

    fn request(line: &str) -> Request {
        Request::of(&line.split(' ').collect::<Vec<_>>())
    }

    fn sequence(lines: &[&str]) -> Sequence {
        let step = |line: &&str| Step { connection: 0, request: request(line) };
        Sequence { protocol: 2, is_pipelined: true, steps: lines.iter().map(step).collect() }
    }

    #[test]
    fn what_expires_while_a_sequence_runs_is_either_waited_for_or_not_asked() {
        for line in ["SET k v px 5", "PEXPIRE k 2", "PSETEX k 1 v", "GETEX k PX 1"] {
            assert!(request(line).is_sound() && request(line).pause().is_some(), "{line}");
        }
        for line in ["SET k v px 500", "EXPIRE k 1", "SETEX k 30 v", "GETEX k EX 1 PX 60000"] {
            assert!(!request(line).is_sound(), "{line}");
        }
        for line in ["SET k 1 EX 100", "EXPIRE k 0", "PEXPIRE k -1", "PEXPIREAT k 7", "EXPIRE k nan"] {
            assert!(request(line).is_sound() && request(line).pause().is_none(), "{line}");
        }
        assert_eq!(
            sequence(&["GET k", "PEXPIRE k 3", "PEXPIRE k 1"]).pause(),
            Some(Duration::from_millis(5))
        );
    }

    #[test]
    fn what_expires_is_told() {
        for line in ["SET k v PXAT 1", "SET k v exat 1000000000", "PEXPIRE k 1"] {
            assert!(sequence(&[line]).expires(), "{line}");
        }
        assert!(
            !sequence(&["SET k v PXAT 4102444800000", "SET k v EXAT 4102444800", "SETEX k 100 v"]).expires()
        );
    }

    #[test]
    fn moments_are_not_put_in_order_that_come_at_the_same_time() {
        assert!(!sequence(&["SETEX k 100 v", "PEXPIRE k 100001 gt"]).is_sound());
        assert!(sequence(&["SETEX k 100 v", "PEXPIRE k 100001"]).is_sound());
        assert!(sequence(&["SETEX k 100 v", "PEXPIRE k 200001 gt"]).is_sound());
        assert!(sequence(&["EXPIREAT k 5000000000", "EXPIREAT k 5000000000 GT"]).is_sound());
    }

    #[test]
    fn nothing_is_asked_that_costs_half_a_gigabyte() {
        assert!(!request("SETRANGE k 536870911 v").is_sound());
        assert!(request("SETRANGE k 536870911 vv").is_sound());
        assert!(request("SETRANGE k 100 v").is_sound());
        assert!(!request("SRANDMEMBER k -9223372036854775807").is_sound());
        assert!(request("SRANDMEMBER k -9223372036854775808").is_sound());
    }
}
