//! Whether two servers answered the same.

use std::fmt;

use crate::chance::Chance;
use crate::known::is_known;
use crate::reply;
use crate::sequence::{CONNECTIONS, Request, Sequence};

/// How far two moments may lie apart that are told from each server's clock.
const TOLERANCE_S: i64 = 1;
const TOLERANCE_MS: i64 = 5_000;

/// What both servers answered to one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Replies {
    pub(crate) subject: Vec<u8>,
    pub(crate) reference: Vec<u8>,
}

impl Replies {
    pub(crate) fn new(subject: Vec<u8>, reference: Vec<u8>) -> Self {
        Self { subject, reference }
    }

    pub(crate) fn are_same(&self) -> bool {
        self.subject == self.reference
    }

    pub(crate) fn are_same_in_any_order(&self) -> bool {
        self.are_same() || reply::sorted(&self.subject) == reply::sorted(&self.reference)
    }

    /// Whether both are the same but for the data of bulk strings.
    pub(crate) fn have_the_same_shape(&self) -> bool {
        self.are_same() || {
            let are_bulk = reply::is_bulk(&self.subject) && reply::is_bulk(&self.reference);
            let (subject, reference) = (reply::elements(&self.subject), reply::elements(&self.reference));
            let parts = subject.into_iter().zip(reference);
            let have_parts = reply::head(&self.subject) == reply::head(&self.reference) && parts.len() > 0;
            are_bulk || (have_parts && parts.map(Self::from).all(|part| part.have_the_same_shape()))
        }
    }

    pub(crate) fn are_integers(&self) -> bool {
        reply::integer(&self.subject).is_some() && reply::integer(&self.reference).is_some()
    }

    pub(crate) fn are_both_errors_or_none(&self) -> bool {
        self.are_same() || !(reply::is_error(&self.subject) || reply::is_error(&self.reference))
    }

    fn are_within(&self, tolerance: i64) -> bool {
        match (reply::integer(&self.subject), reply::integer(&self.reference)) {
            (Some(subject @ 1..), Some(reference @ 1..)) => subject.abs_diff(reference) <= tolerance as u64,
            _ => self.are_same(),
        }
    }

    /// Whether it is so for the replies of each server alone.
    pub(crate) fn each(all: &[&Self], is_so: impl Fn(&[&[u8]]) -> bool) -> bool {
        let subject: Vec<_> = all.iter().map(|replies| &replies.subject[..]).collect();
        let reference: Vec<_> = all.iter().map(|replies| &replies.reference[..]).collect();
        is_so(&subject) && is_so(&reference)
    }
}

impl From<(Vec<u8>, Vec<u8>)> for Replies {
    fn from((subject, reference): (Vec<u8>, Vec<u8>)) -> Self {
        Self { subject, reference }
    }
}

/// A request that was sent, and what came back.
#[derive(Debug, Clone)]
pub(crate) struct Exchange {
    /// Which step it belongs to: those for one step follow each other.
    pub(crate) step: usize,
    /// The step at which the replies came: this one, or an EXEC.
    pub(crate) answered_at: usize,
    pub(crate) connection: usize,
    /// What was drawn.
    pub(crate) drawn: Request,
    /// What was sent for it, this time.
    pub(crate) sent: Request,
    pub(crate) replies: Replies,
}

/// Where the servers part.
#[derive(Debug, Clone)]
pub(crate) struct Difference(Vec<Exchange>);

impl Difference {
    pub(crate) fn step(&self) -> usize {
        self.0[0].step
    }

    /// The command that is answered differently.
    pub(crate) fn name(&self) -> String {
        self.0[0].drawn.name()
    }

    /// What is the same for differences that probably have the same cause: the command, and how the replies begin.
    pub(crate) fn kind(&self) -> (String, Vec<u8>, Vec<u8>) {
        let beginning = |reply: &[u8]| {
            if reply::is_error(reply) { reply::before_quote(reply).to_vec() } else { reply[..1].to_vec() }
        };
        let exchange = self.0.iter().find(|exchange| !exchange.replies.are_same()).unwrap_or(&self.0[0]);
        let Replies { subject, reference } = &exchange.replies;
        (self.name(), beginning(subject), beginning(reference))
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Exchange { sent, replies, .. } in &self.0 {
            writeln!(f, "  {sent}")?;
            writeln!(f, "    reference: {}", shown(&replies.reference))?;
            writeln!(f, "    subject:   {}", shown(&replies.subject))?;
        }
        Ok(())
    }
}

fn shown(reply: &[u8]) -> String {
    const SHOWN_BYTES: usize = 1000;
    let rest = if reply.len() > SHOWN_BYTES { " ..." } else { "" };
    format!("{}{rest}", reply[..reply.len().min(SHOWN_BYTES)].escape_ascii())
}

/// The first difference among the exchanges of a sequence.
pub(crate) fn first_difference(sequence: &Sequence, exchanges: Vec<Exchange>) -> Option<Difference> {
    let clock = Clock { tells: sequence.has_relative_expiries(), sweeps: sequence.expires() };
    let exchanges = unfold_transactions(exchanges);
    let mut groups =
        exchanges.chunk_by(|one, next| (one.step, one.answered_at) == (next.step, next.answered_at));
    groups.find(|group| !is_same(group, clock)).map(|group| Difference(group.to_vec()))
}

/// What depends on the servers' clocks.
#[derive(Debug, Clone, Copy)]
struct Clock {
    /// Moments of expiry, as some come from a time from now on.
    tells: bool,
    /// What is counted or weighed, as something has expired that may or may not have been swept yet.
    sweeps: bool,
}

/// Puts the replies that EXEC answered behind it, each as one of its command's own.
fn unfold_transactions(exchanges: Vec<Exchange>) -> Vec<Exchange> {
    let mut waiting: [Vec<Exchange>; CONNECTIONS] = Default::default();
    let mut unfolded = Vec::new();
    for exchange in exchanges {
        let queue = &mut waiting[exchange.connection];
        let is_end = matches!(exchange.sent.name().as_str(), "exec" | "discard" | "reset");
        if exchange.replies.reference == b"+QUEUED\r\n" {
            queue.push(exchange.clone());
        }
        let queued = if is_end { std::mem::take(queue) } else { Vec::new() };
        let executed = execute(&exchange, queued);
        if executed.is_empty() {
            unfolded.push(exchange);
        } else {
            unfolded.extend(executed);
        }
    }
    unfolded
}

/// The exchanges that EXEC makes of those that were queued, if both servers executed as many.
fn execute(exec: &Exchange, queued: Vec<Exchange>) -> Vec<Exchange> {
    let Replies { subject, reference } = &exec.replies;
    let is_executed = subject.starts_with(b"*") && reply::head(subject) == reply::head(reference);
    let (subject, reference) = (reply::elements(subject), reply::elements(reference));
    if !is_executed || subject.len() != queued.len() {
        return Vec::new();
    }
    let replies = subject.into_iter().zip(reference).map(Replies::from);
    let answered_at = exec.answered_at;
    let answer = |(queued, replies)| Exchange { answered_at, replies, ..queued };
    queued.into_iter().zip(replies).map(answer).collect()
}

fn is_same(group: &[Exchange], clock: Clock) -> bool {
    let drawn = &group[0].drawn;
    let replies: Vec<_> = group.iter().map(|exchange| exchange.replies.clone()).collect();
    let is_met = Chance::of(drawn).is_some_and(|chance| chance.is_met(drawn, &replies));
    is_met || group.iter().all(|exchange| is_answered_alike(&exchange.sent, &exchange.replies, clock))
}

fn is_answered_alike(request: &Request, replies: &Replies, clock: Clock) -> bool {
    let is_alike = match request.name().as_str() {
        "smembers" | "sinter" | "sunion" | "sdiff" | "keys" => replies.are_same_in_any_order(),
        "ttl" => replies.are_within(TOLERANCE_S),
        "pttl" => replies.are_within(TOLERANCE_MS),
        "expiretime" if clock.tells => replies.are_within(TOLERANCE_S),
        "pexpiretime" if clock.tells => replies.are_within(TOLERANCE_MS),
        "dbsize" if clock.sweeps => replies.are_integers(),
        "time" => replies.have_the_same_shape(),
        "hello" => greeting(&replies.subject) == greeting(&replies.reference),
        "client" if is_subcommand(request, "id") => replies.are_integers(),
        "object" if is_subcommand(request, "idletime") => replies.are_integers(),
        "memory" if is_subcommand(request, "usage") => replies.are_integers() || clock.sweeps,
        _ => false,
    };
    is_alike || replies.are_same() || is_known(request, replies)
}

fn is_subcommand(request: &Request, name: &str) -> bool {
    request.0.get(1).is_some_and(|word| word.eq_ignore_ascii_case(name.as_bytes()))
}

/// What HELLO answers, but for the version and the number of the connection.
fn greeting(reply: &[u8]) -> Vec<u8> {
    let elements = reply::elements(reply);
    let mut greeting = if elements.is_empty() { reply } else { reply::head(reply) }.to_vec();
    for pair in elements.chunks(2) {
        let is_own = matches!(reply::bulk(&pair[0]), Some(b"version" | b"id"));
        greeting.extend(if is_own { pair[0].clone() } else { pair.concat() });
    }
    greeting
}

mod tests {
    use super::{Clock, Exchange, Replies, first_difference, is_answered_alike};
    use crate::sequence::{Request, Sequence};

    fn request(line: &str) -> Request {
        Request::of(&line.split(' ').collect::<Vec<_>>())
    }

    fn is_alike(line: &str, subject: &str, reference: &str) -> bool {
        let replies = Replies::new(subject.into(), reference.into());
        is_answered_alike(&request(line), &replies, Clock { tells: true, sweeps: false })
    }

    /// The step at which the servers part, if the second answers something else in one place.
    fn difference(exchanges: &[(&str, &str, &str)]) -> Option<usize> {
        let exchange = |(step, (line, subject, reference)): (usize, &(&str, &str, &str))| Exchange {
            step,
            answered_at: step,
            connection: 0,
            drawn: request(line),
            sent: request(line),
            replies: Replies::new(subject.as_bytes().to_vec(), reference.as_bytes().to_vec()),
        };
        let exchanges = exchanges.iter().enumerate().map(exchange).collect();
        let sequence = Sequence { protocol: 2, is_pipelined: true, steps: Vec::new() };
        first_difference(&sequence, exchanges).map(|difference| difference.step())
    }

    #[test]
    fn replies_are_compared_byte_for_byte() {
        assert!(is_alike("GET k", "$1\r\na\r\n", "$1\r\na\r\n"));
        assert!(!is_alike("GET k", "$1\r\na\r\n", "$1\r\nb\r\n"));
        assert!(!is_alike("GET k", "$-1\r\n", "_\r\n"));
        assert!(!is_alike("GET k", "-ERR a\r\n", "-ERR b\r\n"));
        assert!(!is_alike("SMISMEMBER k a b", "*2\r\n:0\r\n:1\r\n", "*2\r\n:1\r\n:0\r\n"));
    }

    #[test]
    fn sets_have_no_order() {
        assert!(is_alike("smembers k", "*2\r\n+a\r\n+b\r\n", "*2\r\n+b\r\n+a\r\n"));
        assert!(!is_alike("smembers k", "*2\r\n+a\r\n+b\r\n", "*2\r\n+b\r\n+b\r\n"));
        assert!(!is_alike("smembers k", "*2\r\n+a\r\n+b\r\n", "~2\r\n+a\r\n+b\r\n"));
    }

    #[test]
    fn clocks_may_differ_and_signs_may_not() {
        assert!(is_alike("PTTL k", ":100000\r\n", ":99990\r\n"));
        assert!(!is_alike("PTTL k", ":100000\r\n", ":90000\r\n"));
        assert!(!is_alike("PTTL k", ":1\r\n", ":-1\r\n"));
        assert!(!is_alike("PTTL k", ":-2\r\n", ":-1\r\n"));
    }

    #[test]
    fn greetings_differ_in_version_and_id_alone() {
        let hello = |version: &str, proto: u8| {
            format!("*4\r\n$7\r\nversion\r\n$5\r\n{version}\r\n$5\r\nproto\r\n:{proto}\r\n")
        };
        assert!(is_alike("HELLO", &hello("7.2.4", 2), &hello("7.0.9", 2)));
        assert!(!is_alike("HELLO", &hello("7.2.4", 2), &hello("7.2.4", 3)));
        assert!(!is_alike("HELLO", "-ERR a\r\n", "-ERR b\r\n"));
    }

    #[test]
    fn what_exec_answers_is_compared_as_what_was_queued() {
        let queued = "+QUEUED\r\n";
        let exec = |subject, reference| {
            difference(&[
                ("MULTI", "+OK\r\n", "+OK\r\n"),
                ("GET k", queued, queued),
                ("SMEMBERS k", queued, queued),
                ("EXEC", subject, reference),
            ])
        };
        let same = "*2\r\n$-1\r\n*2\r\n+a\r\n+b\r\n";
        assert_eq!(exec(same, "*2\r\n$-1\r\n*2\r\n+b\r\n+a\r\n"), None);
        assert_eq!(exec(same, "*2\r\n:0\r\n*2\r\n+b\r\n+a\r\n"), Some(1));
        assert_eq!(exec(same, "*2\r\n$-1\r\n*2\r\n+b\r\n+c\r\n"), Some(2));
        assert_eq!(exec(same, "*-1\r\n"), Some(3));
        assert_eq!(exec("*-1\r\n", "*-1\r\n"), None);
    }

    #[test]
    fn the_first_difference_is_found() {
        let exchanges =
            [("GET a", "$-1\r\n", "$-1\r\n"), ("GET b", "+a\r\n", "+b\r\n"), ("GET c", "+a\r\n", "+b\r\n")];
        assert_eq!(difference(&exchanges), Some(1));
        assert_eq!(difference(&exchanges[..1]), None);
    }
}
