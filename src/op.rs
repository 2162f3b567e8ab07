//! What is asked for: a change that is complete in itself.
//!
//! What an op does depends on nothing but the state before it, the op, and the time at which it is its turn. No op
//! may depend on this machine, its clock or its random numbers: one day several nodes evaluate the same ordered ops.
//! So times in an op are absolute, and random choices made.

use bytes::Bytes;

use crate::expiry::Expiry;

/// A change asked for. What it turns out to change are [effects](crate::effect::Effect).
#[derive(Debug, Clone, PartialEq)]
pub struct Op {
    /// The database that the client had selected.
    pub database: u8,
    /// What to change there.
    pub change: Change,
}

/// What to change. The names are those of the commands.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// Add members to the set at a key, which is made if there is none. They never end by themselves.
    Sadd {
        /// The set's key.
        key: Bytes,
        /// What to add.
        members: Vec<Bytes>,
    },
    /// Add members that end, or change when members end.
    Saddex {
        /// The set's key.
        key: Bytes,
        /// What to add.
        members: Vec<Bytes>,
        /// When they end.
        expiry: Expiry,
        /// Which members may be touched.
        condition: MemberCondition,
    },
    /// Change when members end, of those that are there.
    ExpireMembers {
        /// The set's key.
        key: Bytes,
        /// Which.
        members: Vec<Bytes>,
        /// When they end.
        expiry: Expiry,
        /// How the reply tells what became of them.
        answer: ExpireMembersAnswer,
    },
    /// Take members out of the set at a key; an empty set goes with its key.
    Srem {
        /// The set's key.
        key: Bytes,
        /// What to take out.
        members: Vec<Bytes>,
    },
    /// Take members out that were chosen at random.
    Spop {
        /// The set's key.
        key: Bytes,
        /// How many; one, to be answered by itself, if not said.
        count: Option<usize>,
        /// Those that were drawn beforehand. Some may be gone by now.
        drawn: Vec<Bytes>,
        /// Decides which are taken instead.
        seed: u64,
    },
    /// Move a member from one set to another.
    Smove {
        /// The key of the set in which it is.
        source: Bytes,
        /// The key of the other set.
        destination: Bytes,
        /// The member.
        member: Bytes,
    },
    /// Put what sets have in common, or not, at a key.
    Sstore {
        /// What is to be found.
        operation: SetOperation,
        /// Where it goes.
        destination: Bytes,
        /// The sets' keys.
        keys: Vec<Bytes>,
    },
    /// Remove keys.
    Del {
        /// Which.
        keys: Vec<Bytes>,
    },
    /// Change when a key ends.
    Expire {
        /// Which.
        key: Bytes,
        /// When it ends.
        expiry: Expiry,
        /// Whether it may be changed.
        condition: ExpireConditions,
    },
    /// Have a key never end by itself.
    Persist {
        /// Which.
        key: Bytes,
    },
    /// Give what is at a key another key.
    Rename {
        /// The old key.
        key: Bytes,
        /// The new one.
        new_key: Bytes,
        /// Only if there is nothing at the new one, and with the reply of RENAMENX.
        if_missing: bool,
    },
    /// Copy what is at a key.
    Copy {
        /// What to copy.
        source: Bytes,
        /// The database of the copy.
        to: u8,
        /// The copy's key.
        destination: Bytes,
        /// Whether the copy may take the place of something else.
        replace: bool,
    },
    /// Bring a key into another database.
    Move {
        /// Which.
        key: Bytes,
        /// Where.
        to: u8,
    },
    /// Give each of two databases the other's keys.
    Swapdb {
        /// One.
        first: u8,
        /// The other.
        second: u8,
    },
    /// Remove all keys of the database.
    Flushdb,
    /// Remove all keys of all databases.
    Flushall,
    /// Have a key hold a string.
    Set {
        /// Which.
        key: Bytes,
        /// The string.
        value: Bytes,
        /// When the key ends; as before, if not said.
        expiry: Option<Expiry>,
        /// Whether there must be something at the key, or must not.
        condition: Option<Exists>,
        /// What is answered.
        answer: SetAnswer,
    },
    /// Have keys hold strings.
    Mset {
        /// Keys and strings.
        pairs: Vec<(Bytes, Bytes)>,
    },
    /// Have keys hold strings, if none of the keys is there.
    Msetnx {
        /// Keys and strings.
        pairs: Vec<(Bytes, Bytes)>,
    },
    /// Return a string and remove its key.
    Getdel {
        /// Which.
        key: Bytes,
    },
    /// Return a string and change when its key ends.
    Getex {
        /// Which.
        key: Bytes,
        /// When the key ends; as before, if not said. A time that can't be is an error only where there is a string.
        expiry: Result<Option<Expiry>, TimeFault>,
    },
    /// Append to a string.
    Append {
        /// Which.
        key: Bytes,
        /// What.
        value: Bytes,
    },
    /// Write into a string.
    Setrange {
        /// Which.
        key: Bytes,
        /// From which byte on.
        offset: usize,
        /// What.
        value: Bytes,
    },
    /// Add to the integer that a string is.
    Incrby {
        /// Which.
        key: Bytes,
        /// How much.
        increment: i64,
    },
    /// Add to the number that a string is.
    Incrbyfloat {
        /// Which.
        key: Bytes,
        /// How much, as it was written.
        increment: Bytes,
    },
}

impl Change {
    /// The key, and the members of the set there, that are looked up to evaluate it: for the changes of which there are
    /// many at once.
    #[must_use]
    pub fn looked_up(&self) -> Option<(&Bytes, &[Bytes])> {
        match self {
            Self::Sadd { key, members } | Self::Saddex { key, members, .. } | Self::Srem { key, members } => {
                Some((key, members))
            }
            Self::Set { key, .. } => Some((key, &[])),
            _ => None,
        }
    }

    /// Whether memory is needed to make it: what is refused at `maxmemory`. What only takes away, or moves, is not.
    #[must_use]
    pub fn needs_memory(&self) -> bool {
        match self {
            Self::Sadd { .. }
            | Self::Saddex { .. }
            | Self::Sstore { .. }
            | Self::Copy { .. }
            | Self::Set { .. }
            | Self::Mset { .. }
            | Self::Msetnx { .. }
            | Self::Append { .. }
            | Self::Setrange { .. }
            | Self::Incrby { .. }
            | Self::Incrbyfloat { .. } => true,
            Self::ExpireMembers { .. }
            | Self::Srem { .. }
            | Self::Spop { .. }
            | Self::Smove { .. }
            | Self::Del { .. }
            | Self::Expire { .. }
            | Self::Persist { .. }
            | Self::Rename { .. }
            | Self::Move { .. }
            | Self::Swapdb { .. }
            | Self::Flushdb
            | Self::Flushall
            | Self::Getdel { .. }
            | Self::Getex { .. } => false,
        }
    }

    /// About how many bytes of requests it holds on to.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let all = |strings: &[Bytes]| strings.iter().map(|string| size_of::<Bytes>() + string.len()).sum();
        match self {
            Self::Sadd { key, members }
            | Self::Saddex { key, members, .. }
            | Self::ExpireMembers { key, members, .. }
            | Self::Srem { key, members }
            | Self::Spop { key, drawn: members, .. }
            | Self::Sstore { destination: key, keys: members, .. } => key.len() + all(members),
            Self::Del { keys } => all(keys),
            Self::Mset { pairs } | Self::Msetnx { pairs } => {
                pairs.iter().map(|(key, value)| 2 * size_of::<Bytes>() + key.len() + value.len()).sum()
            }
            Self::Set { key, value, .. }
            | Self::Append { key, value }
            | Self::Setrange { key, value, .. } => key.len() + value.len(),
            Self::Smove { source, destination, member } => source.len() + destination.len() + member.len(),
            Self::Rename { key: source, new_key: destination, .. }
            | Self::Copy { source, destination, .. } => source.len() + destination.len(),
            Self::Incrbyfloat { key, increment } => key.len() + increment.len(),
            Self::Expire { key, .. }
            | Self::Persist { key }
            | Self::Move { key, .. }
            | Self::Getdel { key }
            | Self::Getex { key, .. }
            | Self::Incrby { key, .. } => key.len(),
            Self::Swapdb { .. } | Self::Flushdb | Self::Flushall => 0,
        }
    }
}

/// Which members SADDEX and its like touch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberCondition {
    /// All.
    Any,
    /// Those that are not there.
    New,
    /// Those that are there.
    Existing,
    /// Those that are not there, and those that end earlier.
    Later,
    /// Those that are not there, and those that end later.
    Earlier,
}

/// How changing the ends of members is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpireMembersAnswer {
    /// FIELDEXPIRE's: an array, for each member 1, or -2 if it is not there.
    Each,
    /// EXPIREMEMBER's: 1, or 0 if it is not there.
    WasThere,
    /// PERSIST's: 1, or 0 if it is not there or never ends.
    WasChanged,
}

/// What EXPIRE demands of when the key ends so far. With none of it, it may end whenever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(clippy::struct_excessive_bools, reason = "they are the four words that EXPIRE takes")]
pub struct ExpireConditions {
    /// NX: it never ends.
    pub never: bool,
    /// XX: it ends.
    pub ends: bool,
    /// GT: it ends earlier.
    pub earlier: bool,
    /// LT: it ends later, or never.
    pub later: bool,
}

/// What is wrong with a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeFault {
    /// It is no number.
    NotAnInteger,
    /// There is no such time.
    OutOfRange,
}

/// What SET demands of the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exists {
    /// NX: there is nothing.
    No,
    /// XX: there is something.
    Yes,
}

/// How setting a string is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetAnswer {
    /// `OK`, or nil if the condition does not hold.
    Ok,
    /// The string before.
    Before,
    /// SETNX's: 1, or 0 if the condition does not hold.
    WasSet,
}

/// What to do with sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetOperation {
    /// What is in all.
    Intersection,
    /// What is in any.
    Union,
    /// What is in the first and no other.
    Difference,
}
