//! Differences that are there on purpose.

use revoked::command::lookup;
use revoked::limits::CLIENT_NAME_BYTES;

use crate::compare::Replies;
use crate::reply::{before_quote, integer};
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
            let repeats = |before: &&str| {
                let begins = |reply: &[u8]| reply.starts_with(before.as_bytes());
                begins(&replies.subject) && begins(&replies.reference)
            };
            !request.0.iter().all(is_text) && REPEATING_ERRORS.iter().any(repeats)
        },
    },
    Known {
        reason: "values are not shared: Redis keeps one of each small number, and counts its own uses of a value, too",
        is_it: |request, replies| {
            is_subcommand(request, "object", "refcount")
                && replies.subject == b":1\r\n"
                && integer(&replies.reference).is_some()
        },
    },
    Known {
        reason: "OBJECT HELP tells what is so here",
        is_it: |request, replies| {
            let are_lines =
                [&replies.subject, &replies.reference].iter().all(|reply| reply.starts_with(b"*"));
            is_subcommand(request, "object", "help") && are_lines
        },
    },
    Known {
        reason: "a number of keys is a number: Redis's COMMAND GETKEYS takes what its C library finds in front",
        is_it: |request, replies| {
            let count = request.0.get(3).and_then(|count| std::str::from_utf8(count).ok());
            is_subcommand(request, "command", "getkeys")
                && request.0.get(2).is_some_and(|name| name.eq_ignore_ascii_case(b"SINTERCARD"))
                && !count.is_some_and(is_plain_number)
                && replies.subject == b"-ERR Invalid arguments specified for command\r\n"
        },
    },
    Known {
        reason: "COMMAND GETKEYS knows of no command that there is not",
        is_it: |request, replies| {
            is_subcommand(request, "command", "getkeys")
                && request.0.get(2).is_some_and(|name| lookup(name).is_none())
                && replies.subject == b"-ERR Invalid command specified\r\n"
        },
    },
    Known {
        reason: "OBJECT ENCODING tells from the value alone: Redis remembers how it came to be",
        is_it: |request, replies| {
            let (ours, theirs) = (&replies.subject[..], &replies.reference[..]);
            is_subcommand(request, "object", "encoding")
                && matches!(
                    (ours, theirs),
                    (b"$3\r\nint\r\n" | b"$6\r\nembstr\r\n", b"$3\r\nraw\r\n")
                        | (b"$3\r\nint\r\n", b"$6\r\nembstr\r\n")
                        | (b"$6\r\nintset\r\n", b"$9\r\nhashtable\r\n")
                )
        },
    },
    Known {
        reason: "HELLO is refused before it does anything, as in Redis 7.2",
        is_it: |request, replies| {
            request.name() == "hello"
                && before_quote(&replies.subject) == b"-ERR Syntax error in HELLO option "
                && replies.reference.starts_with(b"-WRONGPASS ")
        },
    },
];

/// How errors begin that go on with something of the request.
const REPEATING_ERRORS: &[&str] = &[
    "-ERR unknown command '",
    "-ERR unknown subcommand '",
    "-ERR Unsupported option ",
    "-ERR Syntax error in HELLO option '",
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
        reason: "TTL, PTTL and PERSIST take a member, as in KeyDB",
        is_it: |request| {
            // COMMAND GETKEYS knows no bound above.
            let is_asked_about = is_subcommand(request, "command", "getkeys");
            let words = &request.0[if is_asked_about { 2 } else { 0 }..];
            let name = words.first().map(|name| name.to_ascii_lowercase());
            matches!(name.as_deref(), Some(b"ttl" | b"pttl" | b"persist"))
                && (words.len() == 3 || (is_asked_about && words.len() > 3))
        },
    },
    Avoided {
        reason: "several stars match the empty string, as one does: in Redis they don't",
        is_it: |request| {
            let are_stars = |word: &Vec<u8>| word.len() > 1 && word.iter().all(|&byte| byte == b'*');
            matches!(request.name().as_str(), "keys" | "scan" | "sscan") && request.0.iter().any(are_stars)
        },
    },
    Avoided {
        reason: "a connection's name is bounded, as Redis's are not",
        is_it: |request| {
            let is_long = request.0.iter().any(|word| word.len() > CLIENT_NAME_BYTES);
            matches!(request.name().as_str(), "client" | "hello") && is_long
        },
    },
    Avoided {
        reason: "COMMAND describes all commands, also those that only Redis has",
        is_it: |request| request.name() == "command" && request.0.len() == 1,
    },
];

fn is_plain_number(text: &str) -> bool {
    text.parse::<i64>().is_ok_and(|number| number.to_string() == text)
}

fn is_subcommand(request: &Request, name: &str, subcommand: &str) -> bool {
    request.name() == name
        && request.0.get(1).is_some_and(|word| word.eq_ignore_ascii_case(subcommand.as_bytes()))
}

pub(crate) fn is_avoided(request: &Request) -> bool {
    AVOIDED.iter().any(|avoided| (avoided.is_it)(request))
}

/// Commands that both servers have and that are not drawn.
pub(crate) const NOT_DRAWN: &[(&[&str], &str)] = &[
    (&["quit", "shutdown"], "they end the connection that the replies come on"),
    (&["info", "config", "lastsave", "save", "bgsave", "bgrewriteaof"], "they are about the server at hand"),
    (
        &["acl", "cluster", "debug", "failover", "latency", "lolwut", "module", "monitor", "slowlog"],
        "they are about the server at hand",
    ),
    (&["replicaof", "slaveof", "wait"], "they would change the reference, or wait"),
    (
        &[
            "psubscribe",
            "publish",
            "pubsub",
            "punsubscribe",
            "spublish",
            "ssubscribe",
            "subscribe",
            "sunsubscribe",
            "unsubscribe",
        ],
        "messages come beside the replies",
    ),
    (
        &["eval", "eval_ro", "evalsha", "evalsha_ro", "fcall", "fcall_ro", "function", "script"],
        "what they run is drawn by itself",
    ),
];

mod tests {
    use super::{is_avoided, is_known};
    use crate::compare::Replies;
    use crate::sequence::Request;

    fn known(words: &[&[u8]], subject: &str, reference: &str) -> bool {
        is_known(&Request::of(words), &Replies::new(subject.into(), reference.into()))
    }

    #[test]
    fn odd_cursors_may_be_refused_and_plain_ones_may_not() {
        let (refused, scanned) = ("-ERR invalid cursor\r\n", "*2\r\n$1\r\n0\r\n*0\r\n");
        assert!(known(&[b"SCAN", b"+1"], refused, scanned));
        assert!(known(&[b"sscan", b"0", b""], refused, scanned));
        assert!(!known(&[b"SCAN", b"01"], refused, scanned));
        assert!(!known(&[b"SCAN", b"+1"], scanned, refused));
    }

    #[test]
    fn errors_may_repeat_bytes_in_their_own_way_and_text_may_not_differ() {
        let unknown = |word: &str| format!("-ERR unknown command '{word}', with args beginning with: \r\n");
        assert!(known(&[b"\xff"], &unknown("?"), &unknown("??")));
        assert!(!known(&[b"a"], &unknown("?"), &unknown("??")));
        assert!(!known(&[b"\xff"], &unknown("?"), "-ERR unknown subcommand 'a'\r\n"));
        assert!(!known(&[b"GET", b"\xff"], "-ERR a\r\n", "-ERR b\r\n"));
    }

    #[test]
    fn hello_may_be_refused_for_another_reason_first() {
        let (syntax, password) = ("-ERR Syntax error in HELLO option 'x'\r\n", "-WRONGPASS ...\r\n");
        assert!(known(&[b"HELLO", b"3", b"AUTH", b"a", b"b", b"x"], syntax, password));
        assert!(!known(&[b"HELLO", b"3", b"AUTH", b"a", b"b", b"x"], password, syntax));
        let is_avoided = |words: &[&str]| is_avoided(&Request::of(words));
        assert!(
            is_avoided(&["hello", "3", "SETNAME", "a", "x"]) && !is_avoided(&["HELLO", "3", "setname", "a"])
        );
        assert!(is_avoided(&["COMMAND"]) && !is_avoided(&["COMMAND", "GETKEYS", "GET", "k"]));
    }
}
