//! The keys of all databases and what they are bound to: memory as the journal says it is.

use std::ops::Range;

use ahash::RandomState;

use super::set::{Set, hash_of};
use super::table::Table;
use crate::effect::{ContainerId, Effect};
use crate::limits::DATABASES;

/// All data. Only [`Keyspace::apply`] changes it.
#[derive(Debug)]
pub struct Keyspace {
    /// Keyed at random, so that nobody can aim keys or members at one segment.
    hasher: RandomState,
    databases: [Table<Key>; DATABASES as usize],
    next_container: ContainerId,
}

/// A key and what it is bound to.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) name: Box<[u8]>,
    pub(super) container: ContainerId,
    pub(super) set: Set,
}

/// An effect that does not fit the state it is applied to: it was not written by this program, or not behind
/// the effects that it stands behind now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misfit {
    /// A key is created that is there already.
    KeyExists,
    /// A change to a key, or to a container at a key, that is not there.
    NoSuchKey,
    /// A member is added that is there already.
    MemberExists,
    /// A member is removed that is not there.
    NoSuchMember,
    /// A database that there is not.
    NoSuchDatabase,
}

impl std::fmt::Display for Misfit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::KeyExists => "it creates a key that exists",
            Self::NoSuchKey => "it changes a key that does not exist",
            Self::MemberExists => "it adds a member that exists",
            Self::NoSuchMember => "it removes a member that does not exist",
            Self::NoSuchDatabase => "it names a database that does not exist",
        })
    }
}

/// What an effect took out of the keyspace. Freeing it can take long: it is handed out so that the caller
/// can do that where nobody waits.
#[derive(Debug, Default)]
pub struct Removed(Vec<Table<Key>>, Vec<Key>);

impl Removed {
    /// How many keys and members there are to free.
    #[must_use]
    pub fn len(&self) -> usize {
        let keys = self.0.iter().flat_map(Table::iter).chain(&self.1);
        // Counting stops where the exact number no longer matters: there may be millions of keys.
        keys.take(10_000).map(|key| 1 + key.set.len()).sum()
    }

    /// Whether there is nothing to free.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty() && self.1.is_empty()
    }
}

impl Default for Keyspace {
    fn default() -> Self {
        Self {
            hasher: RandomState::new(),
            databases: [const { Table::new() }; DATABASES as usize],
            next_container: ContainerId(1),
        }
    }
}

impl Keyspace {
    /// The number of keys in a database.
    ///
    /// # Panics
    ///
    /// Here and below: if there is no such database, which SELECT has checked.
    #[must_use]
    pub fn len(&self, database: u8) -> usize {
        self.databases[usize::from(database)].len()
    }

    /// The id that the next container gets.
    pub(super) fn next_container(&self) -> ContainerId {
        self.next_container
    }

    pub(super) fn hash(&self, bytes: &[u8]) -> u64 {
        hash_of(&self.hasher, bytes)
    }

    pub(super) fn get(&self, database: u8, key: &[u8]) -> Option<&Key> {
        self.databases[usize::from(database)].get(self.hash(key), |k| *k.name == *key)
    }

    pub(super) fn keys(&self, database: u8) -> impl Iterator<Item = &[u8]> {
        self.databases[usize::from(database)].iter().map(|key| &*key.name)
    }

    pub(super) fn random_key(&self, database: u8) -> Option<&[u8]> {
        self.databases[usize::from(database)].random().map(|key| &*key.name)
    }

    pub(super) fn scan_keys(
        &self,
        database: u8,
        cursor: u64,
        least: usize,
        mut visit: impl FnMut(&[u8]),
    ) -> Range<u64> {
        let keys = &self.databases[usize::from(database)];
        keys.scan(cursor, least, |key| self.hash(&key.name), |key| visit(&key.name))
    }

    pub(super) fn scan_members(
        &self,
        set: &Set,
        cursor: u64,
        least: usize,
        visit: impl FnMut(&[u8]),
    ) -> Range<u64> {
        set.scan(cursor, least, &self.hasher, visit)
    }

    /// Makes one effect true. What it removes is put into `removed`.
    ///
    /// # Errors
    ///
    /// If the effect does not fit; the keyspace is then as before.
    pub fn apply<B: AsRef<[u8]>>(&mut self, effect: &Effect<B>, removed: &mut Removed) -> Result<(), Misfit> {
        match effect {
            Effect::SetCreated { database, container, key } => {
                self.create(*database, *container, key.as_ref())
            }
            Effect::KeyRemoved { database, container, key } => {
                removed.1.push(self.remove(*database, *container, key.as_ref())?);
                Ok(())
            }
            Effect::MemberAdded { database, container, key, member } => {
                let hash = self.hash(member.as_ref());
                let (set, hasher) = self.set(*database, *container, key.as_ref())?;
                set.insert(hash, member.as_ref(), hasher).then_some(()).ok_or(Misfit::MemberExists)
            }
            Effect::MemberRemoved { database, container, key, member } => {
                let hash = self.hash(member.as_ref());
                let (set, hasher) = self.set(*database, *container, key.as_ref())?;
                set.remove(hash, member.as_ref(), hasher).then_some(()).ok_or(Misfit::NoSuchMember)
            }
            Effect::DatabaseFlushed { database } => {
                let keys = self.databases.get_mut(usize::from(*database)).ok_or(Misfit::NoSuchDatabase)?;
                removed.0.push(std::mem::replace(keys, Table::new()));
                Ok(())
            }
        }
    }

    fn create(&mut self, database: u8, container: ContainerId, name: &[u8]) -> Result<(), Misfit> {
        let Self { hasher, databases, next_container } = self;
        let keys = databases.get_mut(usize::from(database)).ok_or(Misfit::NoSuchDatabase)?;
        let hash = hash_of(hasher, name);
        if keys.get(hash, |key| *key.name == *name).is_some() {
            return Err(Misfit::KeyExists);
        }
        let key = Key { name: name.into(), container, set: Set::new() };
        keys.insert(hash, key, |key| hash_of(hasher, &key.name));
        *next_container = ContainerId(container.0.saturating_add(1)).max(*next_container);
        Ok(())
    }

    fn remove(&mut self, database: u8, container: ContainerId, name: &[u8]) -> Result<Key, Misfit> {
        let Self { hasher, databases, .. } = self;
        let keys = databases.get_mut(usize::from(database)).ok_or(Misfit::NoSuchDatabase)?;
        let is_it = |key: &Key| *key.name == *name && key.container == container;
        keys.remove(hash_of(hasher, name), is_it, |key| hash_of(hasher, &key.name)).ok_or(Misfit::NoSuchKey)
    }

    fn set(
        &mut self,
        database: u8,
        container: ContainerId,
        name: &[u8],
    ) -> Result<(&mut Set, &RandomState), Misfit> {
        let Self { hasher, databases, .. } = self;
        let keys = databases.get_mut(usize::from(database)).ok_or(Misfit::NoSuchDatabase)?;
        let is_it = |key: &Key| *key.name == *name && key.container == container;
        let key = keys.get_mut(hash_of(hasher, name), is_it).ok_or(Misfit::NoSuchKey)?;
        Ok((&mut key.set, hasher))
    }
}
