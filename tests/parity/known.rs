//! Differences that are there on purpose.

use crate::compare::Replies;
use crate::sequence::Request;

struct Known {
    #[allow(dead_code, reason = "for the reader of the table")]
    reason: &'static str,
    is_it: fn(&Request, &Replies) -> bool,
}

struct Avoided {
    #[allow(dead_code, reason = "for the reader of the table")]
    reason: &'static str,
    is_it: fn(&Request) -> bool,
}

/// Replies that differ. As narrow as they can be: each says how both sides answer.
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
            !request.0.iter().all(is_text)
                && before_quote(&replies.subject).is_some_and(|text| text.starts_with(b"-ERR "))
                && before_quote(&replies.subject) == before_quote(&replies.reference)
        },
    },
    Known {
        reason: "HELLO is refused before it does anything, as in Redis 7.2",
        is_it: |request, replies| {
            request.name() == "hello"
                && before_quote(&replies.subject) == Some(b"-ERR Syntax error in HELLO option ")
                && replies.reference.starts_with(b"-WRONGPASS ")
        },
    },
];

pub(crate) fn is_known(request: &Request, replies: &Replies) -> bool {
    KNOWN.iter().any(|known| (known.is_it)(request, replies))
}

/// Requests that have no comparable reply, or behind which other replies differ, too.
const AVOIDED: &[Avoided] = &[
    Avoided {
        reason: "HELLO is refused before it does anything, as in Redis 7.2: before, SETNAME came into force",
        is_it: |request| {
            let gives_a_name = request.0.iter().any(|word| word.eq_ignore_ascii_case(b"SETNAME"));
            request.name() == "hello" && gives_a_name && request.0.len() != 4
        },
    },
    Avoided {
        reason: "COMMAND GETKEYS may have a command without arguments, as in Redis 7.2: before, it spoiled MULTI",
        is_it: |request| request.name() == "command" && request.0.len() == 3,
    },
    Avoided {
        reason: "COMMAND describes all commands, also those that only Redis has",
        is_it: |request| request.name() == "command" && request.0.len() == 1,
    },
];

pub(crate) fn is_avoided(request: &Request) -> bool {
    AVOIDED.iter().any(|avoided| (avoided.is_it)(request))
}

/// What an error says before it repeats something.
fn before_quote(reply: &[u8]) -> Option<&[u8]> {
    let quote = reply.iter().position(|&byte| byte == b'\'')?;
    Some(&reply[..quote])
}

/// Commands that both servers have and that are not drawn.
pub(crate) const NOT_DRAWN: &[(&[&str], &str)] = &[
    (&["quit", "shutdown"], "they end the connection that the replies come on"),
    (&["info", "config", "lastsave", "save", "bgsave"], "they are about the server at hand"),
];
