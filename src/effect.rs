//! What an op turned out to change. Effects are what the journal keeps, what is applied to the store, and
//! what a restart replays.
//!
//! Each is absolute: it says the new state of one key, one member or one database, and means the same
//! wherever it stands, whatever stood before it.

/// A key's contents, named apart from the key. Members belong to a container, so that giving it another key
/// never touches them. Ids are given out in rising order and not reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ContainerId(pub u64);

/// One change. `B` holds its bytes: shared ones in a live write, borrowed ones in a replay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect<B> {
    /// `key` is bound to a new, empty set.
    SetCreated {
        /// Where the key stands.
        database: u8,
        /// The set's id.
        container: ContainerId,
        /// The key.
        key: B,
    },
    /// `key` is gone, and its container with all members.
    KeyRemoved {
        /// Where the key stood.
        database: u8,
        /// What it was bound to.
        container: ContainerId,
        /// The key.
        key: B,
    },
    /// `member` is in the set.
    MemberAdded {
        /// Where the set's key stands.
        database: u8,
        /// The set's id.
        container: ContainerId,
        /// The set's key.
        key: B,
        /// The member.
        member: B,
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
}
