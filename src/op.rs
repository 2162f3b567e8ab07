//! What is asked for: a change that is complete in itself.
//!
//! What an op does depends on nothing but the state before it and the op. No op may depend on this machine,
//! its clock or its random numbers: one day several nodes evaluate the same ordered ops.

use bytes::Bytes;

/// A change asked for. What it turns out to change are [effects](crate::effect::Effect).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// Add members to the set at a key, which is made if there is none.
    Sadd {
        /// Where the key stands.
        database: u8,
        /// The set's key.
        key: Bytes,
        /// What to add.
        members: Vec<Bytes>,
    },
    /// Take members out of the set at a key; an empty set goes with its key.
    Srem {
        /// Where the key stands.
        database: u8,
        /// The set's key.
        key: Bytes,
        /// What to take out.
        members: Vec<Bytes>,
    },
    /// Remove keys.
    Del {
        /// Where the keys stand.
        database: u8,
        /// Which.
        keys: Vec<Bytes>,
    },
    /// Remove all keys of one database.
    Flushdb {
        /// Which.
        database: u8,
    },
    /// Remove all keys of all databases.
    Flushall,
}
