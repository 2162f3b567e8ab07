//! Differences that are there on purpose.

use crate::compare::Replies;
use crate::sequence::Request;

pub(crate) struct Known {
    #[allow(dead_code, reason = "for the reader of the table")]
    reason: &'static str,
    is_it: fn(&Request, &Replies) -> bool,
}

/// As narrow as they can be: each says how both sides answer.
const KNOWN: &[Known] = &[
    Known {
        reason: "a cursor is a plain number: Redis reads signs, spaces and nothing at all as its C library does",
        is_it: |request, replies| {
            let cursor = match request.name().as_str() {
                "scan" => request.0.get(1),
                "sscan" => request.0.get(2),
                _ => None,
            };
            let is_plain = |word: &Vec<u8>| !word.is_empty() && word.iter().all(u8::is_ascii_digit);
            cursor.is_some_and(|word| !is_plain(word)) && replies.subject == b"-ERR invalid cursor\r\n"
        },
    },
    Known {
        reason: "an error is text: Redis repeats bytes as they are, and nothing behind a NUL",
        is_it: |request, replies| {
            let is_text = |word: &Vec<u8>| std::str::from_utf8(word).is_ok() && !word.contains(&0);
            let repeats = |reply: &[u8]| {
                reply.starts_with(b"-ERR unknown command '")
                    || reply.starts_with(b"-ERR unknown subcommand '")
            };
            !request.0.iter().all(is_text) && repeats(&replies.subject) && repeats(&replies.reference)
        },
    },
];

pub(crate) fn is_known(request: &Request, replies: &Replies) -> bool {
    KNOWN.iter().any(|known| (known.is_it)(request, replies))
}

/// Commands that both servers have and that are not drawn.
pub(crate) const NOT_DRAWN: &[(&[&str], &str)] = &[
    (&["quit", "shutdown", "client"], "they end or change the connection that the replies come on"),
    (&["info", "config", "lastsave", "save", "bgsave", "command"], "they are about the server at hand"),
];
