//! What was recorded.

use std::fmt;

use crate::op::{Op, Reply};

/// One command of one client. Times are nanoseconds of one monotonic clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) client: usize,
    pub(crate) op: Op,
    pub(crate) invoked: u64,
    /// When it was answered; without a reply, when the daemon was gone.
    pub(crate) returned: u64,
    /// None, if it came to nothing or to what it would have come to: nobody knows.
    pub(crate) reply: Option<Reply>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Restart {
    /// When the daemon was gone, and when the next one was ready.
    pub(crate) gone: u64,
    pub(crate) ready: u64,
    pub(crate) how: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct History {
    pub(crate) calls: Vec<Call>,
    pub(crate) restarts: Vec<Restart>,
}

impl fmt::Display for History {
    /// A line each, by the time of the request, in microseconds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let us = |ns: u64| ns / 1_000;
        let call = |call: &Call| {
            let Call { client, op, invoked, returned, reply } = call;
            let reply = reply.as_ref().map_or_else(|| "?".to_owned(), ToString::to_string);
            (
                *invoked,
                format!("{:>9} ..{:>9} us  client {client}: {op} -> {reply}", us(*invoked), us(*returned)),
            )
        };
        let restart = |Restart { gone, ready, how }: &Restart| {
            (*gone, format!("{:>9} ..{:>9} us  {how}, restart", us(*gone), us(*ready)))
        };
        let mut lines: Vec<_> =
            self.calls.iter().map(call).chain(self.restarts.iter().map(restart)).collect();
        lines.sort();
        lines.iter().try_for_each(|(_, line)| writeln!(f, "{line}"))
    }
}
