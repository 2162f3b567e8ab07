//! What clients ask for, on the wire and as a server should do it.

use std::fmt;
use std::io;

use fastrand::Rng;

use crate::support::process::{Client, Frame, encode, simple};

const SETS: usize = 2;

/// Of each set.
const MEMBERS: usize = 3;

const STRINGS: usize = 2;

/// All that a history is about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct State {
    /// A bit for each member.
    sets: [u8; SETS],
    strings: [Option<u8>; STRINGS],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Key {
    Set(usize),
    String(usize),
}

impl Key {
    fn any(rng: &mut Rng) -> Self {
        if rng.bool() { Self::Set(rng.usize(..SETS)) } else { Self::String(rng.usize(..STRINGS)) }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Set(number) => write!(f, "set{number}"),
            Self::String(number) => write!(f, "string{number}"),
        }
    }
}

/// A member of a set, or a string.
pub(crate) type Place = (Key, usize);

fn places_of(key: Key) -> Vec<Place> {
    let places = if let Key::Set(_) = key { MEMBERS } else { 1 };
    (0..places).map(|at| (key, at)).collect()
}

/// Parts of the state that can be looked at alone, the smallest first.
pub(crate) fn parts() -> Vec<Vec<Place>> {
    let sets = || (0..SETS).map(|set| places_of(Key::Set(set)));
    let strings = (0..STRINGS).map(|string| places_of(Key::String(string)));
    strings.chain(sets().flatten().map(|place| vec![place])).chain(sets()).collect()
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Op {
    /// SADD
    Add { set: usize, members: Vec<usize> },
    /// SREM
    Remove { set: usize, members: Vec<usize> },
    /// SISMEMBER
    IsMember { set: usize, member: usize },
    /// SET NX
    SetIfAbsent { string: usize, value: u8 },
    /// GET
    Get { string: usize },
    /// DEL
    Delete { keys: Vec<Key> },
    /// MULTI, these, EXEC
    Exec(Vec<Op>),
}

impl Op {
    pub(crate) fn any(rng: &mut Rng) -> Self {
        match rng.u8(..20) {
            0..3 => Self::Exec((0..rng.usize(2..=4)).map(|_| Self::any_single(rng)).collect()),
            3 => Self::snapshot(),
            _ => Self::any_single(rng),
        }
    }

    /// One that doesn't wait for the writer.
    pub(crate) fn any_read(rng: &mut Rng) -> Self {
        if rng.bool() {
            Self::IsMember { set: rng.usize(..SETS), member: rng.usize(..MEMBERS) }
        } else {
            Self::Get { string: rng.usize(..STRINGS) }
        }
    }

    /// All that there is at one moment.
    pub(crate) fn snapshot() -> Self {
        let members =
            (0..SETS).flat_map(|set| (0..MEMBERS).map(move |member| Self::IsMember { set, member }));
        let strings = (0..STRINGS).map(|string| Self::Get { string });
        Self::Exec(members.chain(strings).collect())
    }

    fn any_single(rng: &mut Rng) -> Self {
        let set = rng.usize(..SETS);
        let string = rng.usize(..STRINGS);
        let mut members = || (0..rng.usize(1..=2)).map(|_| rng.usize(..MEMBERS)).collect();
        let members: Vec<_> = members();
        match rng.u8(..18) {
            0..5 => Self::Add { set, members },
            5..9 => Self::Remove { set, members },
            9..12 => Self::IsMember { set, member: members[0] },
            12..14 => Self::SetIfAbsent { string, value: rng.u8(..) },
            14..16 => Self::Get { string },
            _ => Self::Delete { keys: (0..rng.usize(1..=2)).map(|_| Key::any(rng)).collect() },
        }
    }

    /// Does what the server should do, and says what it should answer.
    pub(crate) fn apply(&self, state: &mut State) -> Reply {
        match self {
            Self::Add { set, members } => {
                Reply::Integer(members.iter().map(|member| state.put(*set, *member, true)).sum())
            }
            Self::Remove { set, members } => {
                Reply::Integer(members.iter().map(|member| state.put(*set, *member, false)).sum())
            }
            Self::IsMember { set, member } => Reply::Integer(i64::from(state.sets[*set] >> member & 1)),
            Self::SetIfAbsent { string, value } => {
                let was_there = state.strings[*string].is_some();
                state.strings[*string].get_or_insert(*value);
                if was_there { Reply::Nil } else { Reply::Ok }
            }
            Self::Get { string } => state.strings[*string].map_or(Reply::Nil, Reply::Value),
            Self::Delete { keys } => Reply::Integer(keys.iter().map(|key| state.delete(*key)).sum()),
            Self::Exec(ops) => Reply::Array(ops.iter().map(|op| op.apply(state)).collect()),
        }
    }

    pub(crate) fn is_read(&self) -> bool {
        match self {
            Self::IsMember { .. } | Self::Get { .. } => true,
            Self::Exec(ops) => ops.iter().all(Self::is_read),
            Self::Add { .. } | Self::Remove { .. } | Self::SetIfAbsent { .. } | Self::Delete { .. } => false,
        }
    }

    /// Whether the answer says that nothing was changed, whatever there was.
    pub(crate) fn is_inert(&self, reply: &Reply) -> bool {
        match (self, reply) {
            (Self::IsMember { .. } | Self::Get { .. }, _) => true,
            (Self::Exec(ops), Reply::Array(replies)) => {
                ops.iter().zip(replies).all(|(op, reply)| op.is_inert(reply))
            }
            (_, reply) => matches!(reply, Reply::Integer(0) | Reply::Nil),
        }
    }

    /// What the answer depends on: members of sets, and strings.
    pub(crate) fn places(&self) -> Vec<Place> {
        let members = |set: usize, members: &[usize]| members.iter().map(|&at| (Key::Set(set), at)).collect();
        match self {
            Self::Add { set, members: added } => members(*set, added),
            Self::Remove { set, members: removed } => members(*set, removed),
            Self::IsMember { set, member } => members(*set, &[*member]),
            Self::SetIfAbsent { string, .. } | Self::Get { string } => vec![(Key::String(*string), 0)],
            Self::Delete { keys } => {
                keys.iter().flat_map(|&key| (0..MEMBERS).map(move |at| (key, at))).collect()
            }
            Self::Exec(ops) => ops.iter().flat_map(Self::places).collect(),
        }
    }

    /// What it changes of these, if anything.
    pub(crate) fn changes_of(&self, places: &[Place]) -> Option<Self> {
        let of = |set: usize, members: &[usize]| {
            let mut members = members.to_vec();
            members.retain(|&member| places.contains(&(Key::Set(set), member)));
            Some(members).filter(|members| !members.is_empty())
        };
        match self {
            Self::IsMember { .. } | Self::Get { .. } => None,
            Self::Add { set, members } => Some(Self::Add { set: *set, members: of(*set, members)? }),
            Self::Remove { set, members } => Some(Self::Remove { set: *set, members: of(*set, members)? }),
            Self::SetIfAbsent { string, .. } => {
                places.contains(&(Key::String(*string), 0)).then(|| self.clone())
            }
            Self::Delete { keys } => {
                let mut keys = keys.clone();
                keys.retain(|key| places.iter().any(|(at, _)| at == key));
                (!keys.is_empty()).then_some(Self::Delete { keys })
            }
            Self::Exec(ops) => {
                let ops: Vec<_> = ops.iter().filter_map(|op| op.changes_of(places)).collect();
                (!ops.is_empty()).then_some(Self::Exec(ops))
            }
        }
    }

    /// What it says of these alone: what it asks, and what is known of the answer. None, if nothing.
    pub(crate) fn about(&self, reply: Option<&Reply>, places: &[Place]) -> Option<(Self, Option<Reply>)> {
        let is_within = |op: &Self| op.places().iter().all(|place| places.contains(place));
        let unknown = || Some((self.changes_of(places)?, None));
        match (self, reply) {
            (Self::Exec(ops), Some(Reply::Array(replies))) => {
                let all = ops.iter().cloned().zip(replies.iter().cloned());
                let about = all.filter(|(op, _)| is_within(op) || op.changes_of(places).is_some());
                let (ops, replies): (Vec<_>, Vec<_>) = about.unzip();
                if !ops.iter().all(is_within) {
                    return unknown();
                }
                (!ops.is_empty()).then_some((Self::Exec(ops), Some(Reply::Array(replies))))
            }
            (_, Some(reply)) if is_within(self) => Some((self.clone(), Some(reply.clone()))),
            _ => unknown(),
        }
    }

    /// The request, on the keys of the history of this name.
    pub(crate) fn encode(&self, history: &str) -> Vec<u8> {
        match self {
            Self::Exec(ops) => {
                let ops = ops.iter().flat_map(|op| op.encode(history));
                encode(&["MULTI"]).into_iter().chain(ops).chain(encode(&["EXEC"])).collect()
            }
            single => encode(&single.words(history)),
        }
    }

    /// Of all but EXEC.
    fn words(&self, history: &str) -> Vec<String> {
        let key = |key: Key| format!("{history}{key}");
        let members =
            |members: &[usize]| members.iter().map(|member| format!("m{member}")).collect::<Vec<_>>();
        let words = |name: &str, key: String, rest: &[String]| [&[name.to_owned(), key], rest].concat();
        match self {
            Self::Add { set, members: added } => words("SADD", key(Key::Set(*set)), &members(added)),
            Self::Remove { set, members: removed } => words("SREM", key(Key::Set(*set)), &members(removed)),
            Self::IsMember { set, member } => words("SISMEMBER", key(Key::Set(*set)), &members(&[*member])),
            Self::SetIfAbsent { string, value } => {
                words("SET", key(Key::String(*string)), &[value.to_string(), "NX".to_owned()])
            }
            Self::Get { string } => words("GET", key(Key::String(*string)), &[]),
            Self::Delete { keys } => {
                std::iter::once("DEL".to_owned()).chain(keys.iter().copied().map(key)).collect()
            }
            Self::Exec(_) => Vec::new(),
        }
    }

    /// Takes the answer. None, if it is an error that says that nothing has happened.
    pub(crate) fn receive(&self, client: &Client) -> io::Result<Option<Reply>> {
        if let Self::Exec(ops) = self {
            for expected in std::iter::once("OK").chain(ops.iter().map(|_| "QUEUED")) {
                assert_eq!(client.receive()?, simple(expected));
            }
        }
        match client.receive()? {
            Frame::Error(text) if text.contains("nothing was changed") => Ok(None),
            frame => Ok(Some(Reply::from(&frame))),
        }
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exec(ops) => {
                let ops: Vec<_> = ops.iter().map(ToString::to_string).collect();
                write!(f, "MULTI; {}; EXEC", ops.join("; "))
            }
            single => f.write_str(&single.words("").join(" ")),
        }
    }
}

impl State {
    /// Returns 1 if that changes anything.
    fn put(&mut self, set: usize, member: usize, is_member: bool) -> i64 {
        let before = self.sets[set];
        self.sets[set] = if is_member { before | 1 << member } else { before & !(1 << member) };
        i64::from(self.sets[set] != before)
    }

    fn delete(&mut self, key: Key) -> i64 {
        i64::from(match key {
            Key::Set(number) => std::mem::take(&mut self.sets[number]) != 0,
            Key::String(number) => self.strings[number].take().is_some(),
        })
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reply {
    Integer(i64),
    Ok,
    Nil,
    Value(u8),
    Array(Vec<Reply>),
}

impl From<&Frame> for Reply {
    fn from(frame: &Frame) -> Self {
        match frame {
            Frame::Integer(integer) => Self::Integer(*integer),
            Frame::Null => Self::Nil,
            Frame::BulkString(value) => Self::Value(std::str::from_utf8(value).unwrap().parse().unwrap()),
            Frame::Array(frames) => Self::Array(frames.iter().map(Self::from).collect()),
            ok if *ok == simple("OK") => Self::Ok,
            other => panic!("{other:?}"),
        }
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(integer) => write!(f, "{integer}"),
            Self::Ok => f.write_str("OK"),
            Self::Nil => f.write_str("nil"),
            Self::Value(value) => write!(f, "\"{value}\""),
            Self::Array(replies) => {
                let replies: Vec<_> = replies.iter().map(ToString::to_string).collect();
                write!(f, "[{}]", replies.join(", "))
            }
        }
    }
}
