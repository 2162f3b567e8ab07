//! What an op turned out to change. Effects are what the journal keeps, what is applied to the store, and
//! what a restart replays.
//!
//! Each is absolute: it says the new state of one key, one member or one database, and means the same
//! wherever it stands, whatever stood before it. What ends by itself leaves no effect: its end was said before.

use crate::expiry::Expiry;

/// A set's members, named apart from its key. Members belong to a container, so that giving it another key
/// never touches them. Ids are given out in rising order and not reused.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ContainerId(pub u64);

impl ContainerId {
    /// The id that is given out behind this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// One change. `B` holds its bytes: shared ones in a live write, borrowed ones in a replay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect<B> {
    /// `key` holds this string.
    StringSet {
        /// Where the key stands.
        database: u8,
        /// The key.
        key: B,
        /// The string.
        value: B,
        /// When the key ends.
        expiry: Expiry,
    },
    /// `key` holds the container of this id, a set: a new, empty one.
    SetCreated {
        /// Where the key stands.
        database: u8,
        /// The set's id.
        container: ContainerId,
        /// The key.
        key: B,
        /// When the key ends.
        expiry: Expiry,
    },
    /// `key` holds the container of this id, a set, which has stood at another key until now.
    SetMoved {
        /// Where the other key stood.
        from_database: u8,
        /// The other key, which is gone.
        from: B,
        /// Where the key stands.
        database: u8,
        /// The set's id.
        container: ContainerId,
        /// The key.
        key: B,
        /// When the key ends.
        expiry: Expiry,
    },
    /// `key`, if it is there, ends then.
    KeyExpiry {
        /// Where the key stands.
        database: u8,
        /// The key.
        key: B,
        /// When the key ends.
        expiry: Expiry,
    },
    /// `key` is gone, and its container with all members.
    KeyRemoved {
        /// Where the key stood.
        database: u8,
        /// What it held, if it was a set.
        container: Option<ContainerId>,
        /// The key.
        key: B,
    },
    /// `member` is in the set.
    MemberSet {
        /// Where the set's key stands.
        database: u8,
        /// The set's id.
        container: ContainerId,
        /// The set's key.
        key: B,
        /// The member.
        member: B,
        /// When the member ends.
        expiry: Expiry,
    },
    /// `member` is not in the set.
    MemberRemoved {
        /// Where the set's key stands.
        database: u8,
        /// The set's id.
        container: ContainerId,
        /// The set's key.
        key: B,
        /// The member.
        member: B,
    },
    /// All keys of the database are gone.
    DatabaseFlushed {
        /// Which.
        database: u8,
    },
    /// Each of two databases has the other's keys.
    DatabasesSwapped {
        /// One.
        first: u8,
        /// The other.
        second: u8,
    },
}

impl<B> Effect<B> {
    /// The same, with its bytes in other hands.
    pub fn map<'a, C>(&'a self, mut hold: impl FnMut(&'a B) -> C) -> Effect<C> {
        match self {
            Self::StringSet { database, key, value, expiry } => {
                Effect::StringSet { database: *database, key: hold(key), value: hold(value), expiry: *expiry }
            }
            Self::SetCreated { database, container, key, expiry } => Effect::SetCreated {
                database: *database,
                container: *container,
                key: hold(key),
                expiry: *expiry,
            },
            Self::SetMoved { from_database, from, database, container, key, expiry } => Effect::SetMoved {
                from_database: *from_database,
                from: hold(from),
                database: *database,
                container: *container,
                key: hold(key),
                expiry: *expiry,
            },
            Self::KeyExpiry { database, key, expiry } => {
                Effect::KeyExpiry { database: *database, key: hold(key), expiry: *expiry }
            }
            Self::KeyRemoved { database, container, key } => {
                Effect::KeyRemoved { database: *database, container: *container, key: hold(key) }
            }
            Self::MemberSet { database, container, key, member, expiry } => Effect::MemberSet {
                database: *database,
                container: *container,
                key: hold(key),
                member: hold(member),
                expiry: *expiry,
            },
            Self::MemberRemoved { database, container, key, member } => Effect::MemberRemoved {
                database: *database,
                container: *container,
                key: hold(key),
                member: hold(member),
            },
            Self::DatabaseFlushed { database } => Effect::DatabaseFlushed { database: *database },
            Self::DatabasesSwapped { first, second } => {
                Effect::DatabasesSwapped { first: *first, second: *second }
            }
        }
    }

    /// Whether both put a member into the same set.
    #[must_use]
    pub fn is_of_one_set(&self, other: &Self) -> bool {
        let set_of = |effect: &Self| match effect {
            Self::MemberSet { database, container, .. } => Some((*database, *container)),
            _ => None,
        };
        set_of(self).is_some() && set_of(self) == set_of(other)
    }
}

impl<B: AsRef<[u8]>> Effect<B> {
    /// What it takes in memory: itself, and the names and the string that it has.
    pub fn bytes(&self) -> usize {
        let names: [&[u8]; 2] = match self {
            Self::StringSet { key, value, .. } => [key.as_ref(), value.as_ref()],
            Self::SetMoved { from, key, .. } => [from.as_ref(), key.as_ref()],
            Self::MemberSet { key, member, .. } | Self::MemberRemoved { key, member, .. } => {
                [key.as_ref(), member.as_ref()]
            }
            Self::SetCreated { key, .. } | Self::KeyExpiry { key, .. } | Self::KeyRemoved { key, .. } => {
                [key.as_ref(), &[]]
            }
            Self::DatabaseFlushed { .. } | Self::DatabasesSwapped { .. } => [&[], &[]],
        };
        size_of::<Self>() + names.iter().map(|name| name.len()).sum::<usize>()
    }
}
