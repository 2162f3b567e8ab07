//! The table: a row for each command, all of one shape, a file for each group, sorted by name. Arity, flags and key
//! positions are Redis's; summaries say what happens here.

use super::ArgumentKind::PureToken;
use super::{Argument, ArgumentKind, Flag, KeyUse, Keys, Places, Spec};

mod cluster;
mod connection;
mod generic;
mod pubsub;
mod server;
mod set;
mod string;
mod transactions;

/// Every command, by group; sorted by name within it.
pub static TABLE: &[&[Spec]] = &[
    set::ROWS,
    string::ROWS,
    generic::ROWS,
    pubsub::ROWS,
    connection::ROWS,
    server::ROWS,
    cluster::ROWS,
    transactions::ROWS,
];

const CONNECTION: Flag = Flag::Category("@connection");

const DANGEROUS: Flag = Flag::Category("@dangerous");

/// Argument 1 is a key.
const fn one_key(usage: KeyUse) -> Keys {
    key_at(1, usage)
}

/// One key, at this argument.
const fn key_at(first: usize, usage: KeyUse) -> Keys {
    Keys { first, places: Places::Range { last: first as i32, step: 1 }, usage }
}

/// All arguments are keys.
const fn all_keys(usage: KeyUse) -> Keys {
    keys_from(1, 1, usage)
}

/// The arguments from this one on are keys, or every other of them.
const fn keys_from(first: usize, step: usize, usage: KeyUse) -> Keys {
    Keys { first, places: Places::Range { last: -1, step }, usage }
}

const fn argument(name: &'static str, kind: ArgumentKind) -> Argument {
    Argument { name, kind, token: None, optional: false, multiple: false }
}

/// A fixed word.
const fn word(name: &'static str, token: &'static str) -> Argument {
    argument(name, PureToken).after(token)
}

impl Argument {
    const fn after(mut self, token: &'static str) -> Self {
        self.token = Some(token);
        self
    }

    const fn optional(mut self) -> Self {
        self.optional = true;
        self
    }

    const fn repeated(mut self) -> Self {
        self.multiple = true;
        self
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::super::ArgumentKind::{Block, Double, Integer, Key, OneOf, Pattern, String};
    use super::super::KeyUse::{Access, Look, NotKey};
    use super::super::{Run, commands, rows};
    use super::*;

    /// The words of a request that name the command.
    fn name_words(spec: &Spec) -> usize {
        spec.name.split('|').count()
    }

    /// The words that an argument takes at least, if it isn't left out.
    fn words(argument: &Argument) -> usize {
        let own = match argument.kind {
            Key | String | Integer | Double | Pattern => 1,
            PureToken => 0,
            OneOf(choices) => choices.iter().map(words).min().unwrap(),
            Block(parts) => required_words(parts),
        };
        own + usize::from(argument.token.is_some())
    }

    fn required_words(arguments: &[Argument]) -> usize {
        arguments.iter().filter(|argument| !argument.optional).map(words).sum()
    }

    #[test]
    fn each_group_has_its_rows_sorted_and_each_name_stands_once() {
        let groups: HashSet<_> = TABLE.iter().map(|rows| rows[0].group.name()).collect();
        assert_eq!(groups.len(), TABLE.len());
        for rows in TABLE {
            assert!(rows.iter().all(|spec| spec.group == rows[0].group), "{:?}", rows[0].group);
            assert!(rows.is_sorted_by(|a, b| a.name < b.name), "{:?}", rows[0].group);
        }
        let names: HashSet<_> = rows().map(|spec| spec.name).collect();
        assert_eq!(names.len(), rows().count());
    }

    #[test]
    fn names_are_in_lower_case_and_those_of_subcommands_begin_with_their_command() {
        for spec in commands() {
            assert!(spec.name.bytes().all(|byte| byte.is_ascii_lowercase()), "{}", spec.name);
            assert!(spec.subcommands.is_sorted_by(|a, b| a.name < b.name), "{}", spec.name);
            for subcommand in spec.subcommands {
                let (command, own) = subcommand.name.split_once('|').unwrap();
                assert_eq!(command, spec.name);
                assert!(own.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{own}");
                assert!(subcommand.subcommands.is_empty(), "{own}: one level is all that dispatch knows");
            }
        }
    }

    #[test]
    fn a_container_has_subcommands() {
        for spec in rows().filter(|spec| matches!(spec.run, Run::Container)) {
            assert!(!spec.subcommands.is_empty(), "{}", spec.name);
            assert!(spec.arguments.is_empty() && spec.flags.is_empty() && spec.arity == -2, "{}", spec.name);
        }
    }

    #[test]
    fn every_row_describes_itself() {
        for spec in rows() {
            assert!(!spec.summary.is_empty() && !spec.summary.ends_with('.'), "{}", spec.name);
            assert!(spec.summary.len() <= 80, "{}: it is a line", spec.name);
            assert!(!spec.complexity.is_empty() && !spec.complexity.ends_with('.'), "{}", spec.name);
            assert_eq!(spec.since.split('.').filter(|part| part.parse::<u8>().is_ok()).count(), 3);
        }
    }

    #[test]
    fn arity_is_what_the_arguments_take() {
        for spec in rows().filter(|spec| !matches!(spec.run, Run::Container)) {
            let least = (name_words(spec) + required_words(spec.arguments)) as i32;
            assert_eq!(spec.arity.abs(), least, "{}", spec.name);
            let is_open = spec.arguments.iter().any(|argument| argument.optional || argument.multiple)
                || !spec.subcommands.is_empty()
                // Redis lets it have arguments, and so do clients that want to be sure of their end.
                || spec.name == "quit";
            assert_eq!(spec.arity < 0, is_open, "{}", spec.name);
        }
    }

    #[test]
    fn keys_are_where_the_arguments_say() {
        for spec in rows() {
            let found = spec.keys.iter().map(|keys| (keys.first, keys.places)).collect::<Vec<_>>();
            assert_eq!(found, keys_among(spec), "{}", spec.name);
        }
    }

    fn keys_among(spec: &Spec) -> Vec<(usize, Places)> {
        let mut keys = Vec::new();
        for (at, argument) in spec.arguments.iter().enumerate() {
            let first = name_words(spec) + at;
            let step = match argument.kind {
                Key => 1,
                String
                    if spec.keys.iter().any(|keys| keys.usage == NotKey)
                        && argument.name == "shardchannel" =>
                {
                    1
                }
                Block(parts) if matches!(parts[0].kind, Key) => parts.len(),
                _ => continue,
            };
            if at > 0 && spec.arguments[at - 1].name == "numkeys" {
                keys.push((first - 1, Places::Counted));
            } else {
                let last = if argument.multiple { -1 } else { first as i32 };
                keys.push((first, Places::Range { last, step }));
            }
        }
        keys
    }

    #[test]
    fn what_a_command_does_with_its_keys_agrees_with_its_kind() {
        for spec in rows().filter(|spec| !spec.keys.is_empty()) {
            let only_reads = spec.keys.iter().all(|keys| matches!(keys.usage, Look | Access | NotKey));
            assert_eq!(only_reads, !matches!(spec.run, Run::Write(_)), "{}", spec.name);
        }
    }

    #[test]
    fn a_flag_is_given_once() {
        for spec in rows() {
            let given_twice = |at: usize| spec.flags[at + 1..].contains(&spec.flags[at]);
            assert!(!(0..spec.flags.len()).any(given_twice), "{}", spec.name);
        }
    }

    /// A request of each command that writes.
    const WRITES: &[&str] = &[
        "COPY k l",
        "DEL k",
        "EXPIRE k 1",
        "EXPIREAT k 1",
        "MOVE k 1",
        "PERSIST k",
        "PEXPIRE k 1",
        "PEXPIREAT k 1",
        "RENAME k l",
        "RENAMENX k l",
        "UNLINK k",
        "FLUSHALL",
        "FLUSHDB",
        "SWAPDB 0 1",
        "EXPIREMEMBER k m 1",
        "EXPIREMEMBERAT k m 1",
        "FIELDEXPIRE k 1 m",
        "PEXPIREMEMBERAT k m 1",
        "PSADDEXAT k 1 m",
        "SADD k m",
        "SADDEX k 1 m",
        "SADDEXAT k 1 m",
        "SDIFFSTORE l k",
        "SINTERSTORE l k",
        "SMOVE k l m",
        "SPOP k",
        "SREM k m",
        "SUNIONSTORE l k",
        "APPEND k v",
        "DECR k",
        "DECRBY k 1",
        "GETDEL k",
        "GETEX k",
        "GETSET k v",
        "INCR k",
        "INCRBY k 1",
        "INCRBYFLOAT k 1",
        "MSET k v",
        "MSETNX k v",
        "PSETEX k 1 v",
        "SET k v",
        "SETEX k 1 v",
        "SETNX k v",
        "SETRANGE k 0 v",
    ];

    #[test]
    fn what_is_refused_before_it_is_submitted_is_what_the_writer_refuses() {
        let store = crate::store::Store::default();
        let scope = super::super::Scope { database: 0, now_ms: 1, store: &store };
        let mut tried = HashSet::new();
        for words in WRITES {
            let request = super::super::testing::request(words);
            let spec = super::super::find(request.as_request()).unwrap().spec;
            let Run::Write(make) = spec.run else { panic!("{words} does not write") };
            let needs_memory = make(&scope, request.as_request()).unwrap().needs_memory();
            assert_eq!(needs_memory, spec.has(Flag::DenyOom), "{words}");
            tried.insert(spec.name);
        }
        for spec in rows().filter(|spec| !tried.contains(spec.name)) {
            assert!(!matches!(spec.run, Run::Write(_)), "{} is not among those", spec.name);
            assert!(!spec.has(Flag::DenyOom), "{} needs no memory", spec.name);
        }
    }
}
