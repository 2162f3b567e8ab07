//! COMMAND: the table, as clients ask for it. Replies have the form of Redis 7.

use super::glob::{self, Case};
use super::{
    Argument, ArgumentKind, Environment, Flag, Group, KeyUse, Keys, Places, Run, Session, Spec, commands,
    named, rows,
};
use crate::limits::COMMAND_NAMES;
use crate::reply::{ByteStrings, Error, Reply};
use crate::request::{OwnedRequest, Request};

/// COMMAND alone.
pub(super) fn command(_: &mut Session, _: &Environment, _: Request<'_>) -> Reply {
    Reply::Array(commands().map(describe).collect())
}

pub(super) fn command_count(_: &mut Session, _: &Environment, _: Request<'_>) -> Reply {
    Reply::count(commands().count())
}

pub(super) fn command_info(_: &mut Session, _: &Environment, request: Request<'_>) -> Reply {
    match names_in(request) {
        Ok(None) => Reply::Array(commands().map(describe).collect()),
        Ok(Some(names)) => {
            Reply::Array(names.map(|name| find_row(name).map_or(Reply::Null, describe)).collect())
        }
        Err(error) => error.into(),
    }
}

pub(super) fn command_docs(_: &mut Session, _: &Environment, request: Request<'_>) -> Reply {
    match names_in(request) {
        Ok(None) => documents(commands()),
        Ok(Some(names)) => documents(names.filter_map(find_row)),
        Err(error) => error.into(),
    }
}

pub(super) fn command_list(_: &mut Session, _: &Environment, request: Request<'_>) -> Reply {
    match ListFilter::parse(request) {
        Ok(filter) => Reply::Strings(rows().filter(|spec| filter.takes(spec)).map(name_of).collect()),
        Err(error) => error.into(),
    }
}

pub(super) fn command_getkeys(_: &mut Session, _: &Environment, request: Request<'_>) -> Reply {
    let asked = OwnedRequest::from_args(&request.args(2).collect::<Vec<_>>());
    match keys_of(asked.as_request()) {
        Ok(keys) => Reply::Strings(keys),
        Err(error) => error.into(),
    }
}

/// The names that COMMAND INFO or COMMAND DOCS is asked for, if it isn't for all. Bounded, since a name of a
/// few bytes asks for a reply of thousands.
fn names_in(request: Request<'_>) -> Result<Option<impl Iterator<Item = &[u8]>>, Error> {
    let names = request.args(2);
    match names.len() {
        0 => Ok(None),
        1..=COMMAND_NAMES => Ok(Some(names)),
        _ => Err(Error::TooManyNames),
    }
}

/// The command of this name in any case, or the subcommand of this full name: `client|id`.
fn find_row(name: &[u8]) -> Option<&'static Spec> {
    rows().find(|spec| spec.name.as_bytes().eq_ignore_ascii_case(name))
}

fn name_of(spec: &Spec) -> &[u8] {
    spec.name.as_bytes()
}

/// What COMMAND LIST shows.
enum ListFilter<'a> {
    All,
    /// Commands of a module; there are none.
    Module,
    /// Commands in an ACL category, given without its `@`.
    Category(&'a [u8]),
    /// Commands whose names match.
    Pattern(&'a [u8]),
}

impl<'a> ListFilter<'a> {
    fn parse(request: Request<'a>) -> Result<Self, Error> {
        match request.len() {
            2 => return Ok(Self::All),
            5 if request.arg(2).eq_ignore_ascii_case(b"filterby") => {}
            _ => return Err(Error::Syntax),
        }
        let value = request.arg(4);
        match request.arg(3).to_ascii_lowercase().as_slice() {
            b"module" => Ok(Self::Module),
            b"aclcat" => Ok(Self::Category(value)),
            b"pattern" => Ok(Self::Pattern(value)),
            _ => Err(Error::Syntax),
        }
    }

    fn takes(&self, spec: &Spec) -> bool {
        match self {
            Self::All => true,
            Self::Module => false,
            Self::Category(wanted) => {
                let is_wanted = |category: &str| category.as_bytes()[1..].eq_ignore_ascii_case(wanted);
                categories(spec).into_iter().any(is_wanted)
            }
            Self::Pattern(pattern) => glob::matches(pattern, name_of(spec), Case::Insensitive),
        }
    }
}

/// The keys among the arguments of a request, its name included.
fn keys_of(request: Request<'_>) -> Result<ByteStrings, Error> {
    let spec = named(request).ok_or(Error::InvalidCommandSpecified)?.spec;
    if spec.keys.iter().all(|keys| keys.usage == KeyUse::NotKey) {
        return Err(Error::NoKeyArguments);
    }
    if !spec.takes(request.len()) {
        return Err(Error::InvalidArgumentCount);
    }
    let places = spec.keys.iter().map(|keys| keys.places(request)).collect::<Option<Vec<_>>>();
    let places = places.ok_or(Error::InvalidArguments)?;
    Ok(places.into_iter().flatten().map(|place| request.arg(place)).collect())
}

impl Spec {
    /// The first key's argument, the last one's, and the distance from one to the next, as Redis sums the places of
    /// keys up for older clients; all 0, if that can't say where they stand.
    fn key_range(&self) -> (usize, i32, usize) {
        let range = |keys: &Keys| match keys.places {
            Places::Range { last, step } => Some((keys.first, last, step)),
            Places::Counted => None,
        };
        match (self.keys.first().and_then(range), self.keys.last().and_then(range)) {
            (Some((first, _, step)), Some((_, last, _))) => (first, last, step),
            _ => (0, 0, 0),
        }
    }
}

/// The last key's argument in a request of so many arguments.
pub(super) fn last_argument(last: i32, arguments: usize) -> usize {
    usize::try_from(last).unwrap_or_else(|_| arguments - last.unsigned_abs() as usize)
}

/// A command in the ten elements that COMMAND and COMMAND INFO give. The eighth, hints for clients that
/// spread requests over a cluster, is always empty.
fn describe(spec: &'static Spec) -> Reply {
    let (first, last, step) = spec.key_range();
    Reply::Array(vec![
        Reply::fixed(spec.name),
        Reply::Integer(spec.arity.into()),
        statuses(flags(spec)),
        Reply::count(first),
        Reply::Integer(last.into()),
        Reply::count(step),
        statuses(categories(spec)),
        Reply::Set(Vec::new()),
        Reply::Set(spec.keys.iter().map(describe_keys).collect()),
        describe_subcommands(spec),
    ])
}

/// As in Redis 7, in RESP3 a list of some is an array, and an empty one a set.
fn describe_subcommands(spec: &'static Spec) -> Reply {
    if spec.subcommands.is_empty() {
        Reply::Set(Vec::new())
    } else {
        Reply::Array(spec.subcommands.iter().map(describe).collect())
    }
}

fn statuses(words: Vec<&'static str>) -> Reply {
    Reply::Set(words.into_iter().map(Reply::Simple).collect())
}

/// Where keys stand, as Redis 7's key specifications say it: there the last is counted from the first.
fn describe_keys(keys: &Keys) -> Reply {
    let find = match keys.places {
        Places::Range { last, step } => {
            let last = if last < 0 { last } else { last - keys.first as i32 };
            let spec = map([
                ("lastkey", Reply::Integer(last.into())),
                ("keystep", Reply::count(step)),
                ("limit", Reply::Integer(0)),
            ]);
            map([("type", Reply::fixed("range")), ("spec", spec)])
        }
        Places::Counted => {
            let spec = map([
                ("keynumidx", Reply::Integer(0)),
                ("firstkey", Reply::Integer(1)),
                ("keystep", Reply::Integer(1)),
            ]);
            map([("type", Reply::fixed("keynum")), ("spec", spec)])
        }
    };
    let begin = map([("index", Reply::count(keys.first))]);
    map([
        ("flags", statuses(keys.usage.flags().to_vec())),
        ("begin_search", map([("type", Reply::fixed("index")), ("spec", begin)])),
        ("find_keys", find),
    ])
}

fn map<const N: usize>(entries: [(&'static str, Reply); N]) -> Reply {
    Reply::Map(entries.into_iter().map(|(name, value)| (Reply::fixed(name), value)).collect())
}

/// The command's flags by Redis's names.
fn flags(spec: &Spec) -> Vec<&'static str> {
    let kind = match spec.run {
        Run::Read(_) => Some("readonly"),
        Run::Write(_) => Some("write"),
        Run::Session(_) | Run::Control(_) | Run::Transaction(_) | Run::Container => None,
    };
    kind.into_iter().chain(spec.flags.iter().filter_map(|flag| flag.name())).collect()
}

/// The ACL categories, as Redis derives them. Of a container, only its subcommands are in any.
pub(super) fn categories(spec: &Spec) -> Vec<&'static str> {
    let kind: &[_] = match spec.run {
        Run::Read(_) => &["@read"],
        Run::Write(_) => &["@write"],
        Run::Session(_) | Run::Control(_) | Run::Transaction(_) | Run::Container => &[],
    };
    let subject: &[_] = match (spec.group, spec.run) {
        (_, Run::Container) | (Group::Cluster, _) => &[],
        (Group::Connection, _) => &["@connection"],
        (Group::Set, _) => &["@set"],
        (Group::String, _) => &["@string"],
        (Group::Generic, Run::Read(_) | Run::Write(_)) => &["@keyspace"],
        // All keys at once; not MEMORY USAGE, which has a key.
        (Group::Server, Run::Read(_) | Run::Write(_)) if spec.keys.is_empty() => &["@keyspace"],
        (Group::Generic | Group::Server | Group::PubSub, _) => &[],
        (Group::Transactions, _) => &["@transaction"],
    };
    let channels: &[_] = if spec.has(Flag::PubSub) { &["@pubsub"] } else { &[] };
    let operators: &[_] = if spec.has(Flag::Admin) { &["@admin", "@dangerous"] } else { &[] };
    let speed = if spec.has(Flag::Fast) { "@fast" } else { "@slow" };
    let given = spec.flags.iter().filter_map(|flag| match flag {
        Flag::Category(category) => Some(*category),
        _ => None,
    });
    let derived = [kind, subject, channels, operators, &[speed]].concat();
    derived.into_iter().chain(given).collect()
}

impl Flag {
    /// Redis's name; none if it is a category alone, or of our own.
    fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::Admin => "admin",
            Self::AllowBusy => "allow_busy",
            Self::Category(_)
            | Self::EndsTransaction
            | Self::Immediate
            | Self::MayReplicate
            | Self::RepliesFirst
            | Self::Streamed
            | Self::Members
            | Self::Publishes
            | Self::Subscribes
            | Self::SubscribesToPatterns
            | Self::WhileSubscribed => return None,
            Self::DenyOom => "denyoom",
            Self::Fast => "fast",
            Self::Loading => "loading",
            Self::MovableKeys => "movablekeys",
            Self::NoAsyncLoading => "no_async_loading",
            Self::NoAuth => "no_auth",
            Self::NoMulti => "no_multi",
            Self::NoScript => "noscript",
            Self::PubSub => "pubsub",
            Self::SkipSlowlog => "skip_slowlog",
            Self::Stale => "stale",
        })
    }
}

impl KeyUse {
    fn flags(self) -> &'static [&'static str] {
        match self {
            Self::Look => &["RO"],
            Self::Access => &["RO", "access"],
            Self::Insert => &["RW", "insert"],
            Self::Delete => &["RW", "delete"],
            Self::Remove => &["RM", "delete"],
            Self::Take => &["RW", "access", "delete"],
            Self::Update => &["RW", "update"],
            Self::Change => &["RW", "access", "update"],
            Self::Replace => &["OW", "update"],
            Self::Create => &["OW", "insert"],
            Self::Set => &["RW", "access", "update", "variable_flags"],
            Self::NotKey => &["not_key"],
        }
    }
}

impl Group {
    /// Redis's word for it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Connection => "connection",
            Self::Generic => "generic",
            Self::Server => "server",
            Self::Set => "set",
            Self::String => "string",
            Self::PubSub => "pubsub",
            Self::Transactions => "transactions",
            Self::Cluster => "cluster",
        }
    }
}

/// The commands by their names, each with what COMMAND DOCS says of it.
fn documents(specs: impl Iterator<Item = &'static Spec>) -> Reply {
    Reply::Map(specs.map(|spec| (Reply::fixed(spec.name), document(spec))).collect())
}

fn document(spec: &'static Spec) -> Reply {
    let mut entries = vec![
        (Reply::fixed("summary"), Reply::fixed(spec.summary)),
        (Reply::fixed("since"), Reply::fixed(spec.since)),
        (Reply::fixed("group"), Reply::fixed(spec.group.name())),
        (Reply::fixed("complexity"), Reply::fixed(spec.complexity)),
    ];
    if !spec.arguments.is_empty() {
        entries.push((Reply::fixed("arguments"), document_arguments(spec.arguments)));
    }
    if !spec.subcommands.is_empty() {
        entries.push((Reply::fixed("subcommands"), documents(spec.subcommands.iter())));
    }
    Reply::Map(entries)
}

fn document_arguments(arguments: &'static [Argument]) -> Reply {
    Reply::Array(arguments.iter().map(document_argument).collect())
}

fn document_argument(argument: &'static Argument) -> Reply {
    let kind = argument.kind;
    let mut entries = vec![
        (Reply::fixed("name"), Reply::fixed(argument.name)),
        (Reply::fixed("type"), Reply::fixed(kind.name())),
    ];
    if kind.parts().is_empty() {
        entries.push((Reply::fixed("display_text"), Reply::fixed(argument.name)));
    }
    if matches!(kind, ArgumentKind::Key) {
        // No command has more than one key specification.
        entries.push((Reply::fixed("key_spec_index"), Reply::Integer(0)));
    }
    if let Some(token) = argument.token {
        entries.push((Reply::fixed("token"), Reply::fixed(token)));
    }
    let flags = [(argument.optional, "optional"), (argument.multiple, "multiple")];
    let flags: Vec<_> = flags.into_iter().filter(|&(is_set, _)| is_set).map(|(_, flag)| flag).collect();
    if !flags.is_empty() {
        entries.push((Reply::fixed("flags"), statuses(flags)));
    }
    if !kind.parts().is_empty() {
        entries.push((Reply::fixed("arguments"), document_arguments(kind.parts())));
    }
    Reply::Map(entries)
}

impl ArgumentKind {
    /// Redis's name of the type.
    fn name(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::String => "string",
            Self::Integer => "integer",
            Self::Double => "double",
            Self::Pattern => "pattern",
            Self::PureToken => "pure-token",
            Self::OneOf(_) => "oneof",
            Self::Block(_) => "block",
        }
    }

    /// The arguments that it consists of.
    fn parts(self) -> &'static [Argument] {
        match self {
            Self::OneOf(parts) | Self::Block(parts) => parts,
            _ => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{environment, session};
    use super::*;

    fn ask(words: &str) -> Reply {
        let environment = environment(None);
        session(&environment).run(&environment, words)
    }

    fn names(reply: Reply) -> Vec<String> {
        match reply {
            Reply::Strings(names) => names.iter().map(|name| String::from_utf8_lossy(name).into()).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn command_describes_every_command() {
        let Reply::Array(all) = ask("COMMAND") else { panic!("an array") };
        assert_eq!(Reply::count(all.len()), ask("COMMAND COUNT"));
        for command in all {
            assert!(matches!(command, Reply::Array(elements) if elements.len() == 10));
        }
    }

    #[test]
    fn command_info_has_a_place_for_each_name() {
        let Reply::Array(found) = ask("COMMAND INFO SAdd nothing client|id sadd|id") else {
            panic!("an array")
        };
        assert!(matches!(&found[0], Reply::Array(elements) if elements[0] == Reply::fixed("sadd")));
        assert_eq!(found[1], Reply::Null);
        assert!(matches!(&found[2], Reply::Array(elements) if elements[0] == Reply::fixed("client|id")));
        assert_eq!(found[3], Reply::Null);
    }

    #[test]
    fn command_docs_leaves_out_what_there_is_not() {
        let Reply::Map(found) = ask("COMMAND DOCS nothing CLIENT|ID") else { panic!("a map") };
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].0, Reply::fixed("client|id"));
    }

    #[test]
    fn the_number_of_names_is_bounded() {
        let names = " ping".repeat(COMMAND_NAMES);
        for command in ["COMMAND INFO", "COMMAND DOCS"] {
            assert!(!matches!(ask(&format!("{command}{names}")), Reply::Error(_)));
            assert_eq!(ask(&format!("{command}{names} x")), Error::TooManyNames.into());
        }
    }

    #[test]
    fn command_list_filters() {
        assert_eq!(names(ask("COMMAND LIST")).len(), rows().count());
        assert_eq!(names(ask("COMMAND LIST filterby pattern CLIENT|i*")), ["client|id", "client|info"]);
        assert_eq!(names(ask("COMMAND LIST FILTERBY MODULE m")), Vec::<String>::new());
        assert!(names(ask("COMMAND LIST FILTERBY ACLCAT Set")).contains(&"sadd".to_owned()));
        assert!(names(ask("COMMAND LIST FILTERBY ACLCAT @set")).is_empty());
        for words in ["COMMAND LIST x", "COMMAND LIST FILTERBY", "COMMAND LIST FILTERBY x y"] {
            assert_eq!(ask(words), Error::Syntax.into());
        }
    }

    #[test]
    fn getkeys_finds_keys() {
        assert_eq!(names(ask("COMMAND GETKEYS SADD a b c")), ["a"]);
        assert_eq!(names(ask("COMMAND GETKEYS del a b c")), ["a", "b", "c"]);
        assert_eq!(ask("COMMAND GETKEYS NO SUCH"), Error::InvalidCommandSpecified.into());
        assert_eq!(ask("COMMAND GETKEYS CLIENT NO-SUCH"), Error::InvalidCommandSpecified.into());
        assert_eq!(ask("COMMAND GETKEYS CLIENT ID"), Error::NoKeyArguments.into());
        assert_eq!(ask("COMMAND GETKEYS PING a b c"), Error::NoKeyArguments.into());
        assert_eq!(ask("COMMAND GETKEYS SADD a"), Error::InvalidArgumentCount.into());
    }

    #[test]
    fn a_command_is_in_a_category_once() {
        for spec in rows() {
            let mut categories = categories(spec);
            categories.sort_unstable();
            assert!(categories.is_sorted_by(|a, b| a < b), "{}", spec.name);
        }
    }
}
