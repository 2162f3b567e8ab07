//! The store as it will be once the batch at hand is committed: the keyspace, seen through the changes that
//! the batch has made so far.
//!
//! Ops are evaluated here, one behind the other, and each change leaves its effect. The keyspace itself is
//! not touched: where the effects can't be journalled, the stage is dropped and nothing has happened.

use std::ops::Range;

use bytes::Bytes;
use hashbrown::HashTable;

use super::keyspace::Keyspace;
use super::set::Set;
use super::view::View;
use crate::effect::{ContainerId, Effect};
use crate::limits::DATABASES;

/// The keyspace with changes laid over it.
#[derive(Debug)]
pub struct Staged<'a> {
    base: &'a Keyspace,
    databases: [Option<StagedDatabase<'a>>; DATABASES as usize],
    next_container: ContainerId,
    changes: Changes,
}

/// Effects in the order in which they came to be, and where each op ends among them.
#[derive(Debug, Default)]
pub struct Changes {
    effects: Vec<Effect<Bytes>>,
    op_ends: Vec<usize>,
}

/// What changed in a database.
#[derive(Debug)]
pub(super) struct StagedDatabase<'a> {
    /// The keyspace's own keys are gone; what is there stands in `keys`.
    pub(super) is_flushed: bool,
    /// The keys that changed, or whose members did.
    keys: HashTable<StagedKey<'a>>,
    /// The number of keys there are.
    pub(super) len: usize,
}

#[derive(Debug)]
pub(super) struct StagedKey<'a> {
    pub(super) name: Bytes,
    /// What it is bound to; nothing, if it was removed.
    pub(super) set: Option<StagedSet<'a>>,
}

/// What changed in a set.
#[derive(Debug)]
pub(super) struct StagedSet<'a> {
    container: ContainerId,
    /// The members before the batch; none, if the batch created the set.
    pub(super) base: Option<&'a Set>,
    members: HashTable<StagedMember>,
    /// The number of members there are.
    pub(super) len: usize,
}

#[derive(Debug)]
pub(super) struct StagedMember {
    pub(super) member: Bytes,
    pub(super) is_present: bool,
}

impl Changes {
    /// The effects, in order.
    #[must_use]
    pub fn effects(&self) -> &[Effect<Bytes>] {
        &self.effects
    }

    /// The effects in runs of at least `least` (but for the last), cut only between ops.
    pub fn runs(&self, least: usize) -> impl Iterator<Item = &[Effect<Bytes>]> {
        let mut start = 0;
        let cuts = self.op_ends.iter().copied().filter(move |&end| {
            let is_cut = end - start >= least;
            if is_cut {
                start = end;
            }
            is_cut
        });
        let mut start = 0;
        cuts.chain([self.effects.len()])
            .map(move |end| &self.effects[std::mem::replace(&mut start, end)..end])
    }
}

impl<'a> Staged<'a> {
    /// A stage without changes.
    #[must_use]
    pub fn new(base: &'a Keyspace) -> Self {
        Self {
            base,
            databases: [const { None }; DATABASES as usize],
            next_container: base.next_container(),
            changes: Changes::default(),
        }
    }

    /// What a command behind the batch's writes reads.
    #[must_use]
    pub fn view(&self) -> View<'_> {
        View::staged(self.base, &self.databases)
    }

    /// The keyspace below.
    #[must_use]
    pub fn base(&self) -> &'a Keyspace {
        self.base
    }

    /// What has changed so far.
    #[must_use]
    pub fn effects(&self) -> &[Effect<Bytes>] {
        self.changes.effects()
    }

    /// Says that the op at hand is complete: its effects belong together.
    pub fn end_op(&mut self) {
        self.changes.op_ends.push(self.changes.effects.len());
    }

    /// What has changed, and the end of the stage.
    #[must_use]
    pub fn into_changes(self) -> Changes {
        self.changes
    }

    /// Adds `members` to the set at `key`, which is created if need be. Returns how many were new.
    pub fn add_members(&mut self, database: u8, key: &Bytes, members: &[Bytes]) -> usize {
        let Self { base, databases, next_container, changes } = self;
        let staged = database_of(base, databases, database);
        let (keys, len) = (&mut staged.keys, &mut staged.len);
        let set = key_of(base, keys, staged.is_flushed, database, key).set.get_or_insert_with(|| {
            let container = *next_container;
            next_container.0 += 1;
            *len += 1;
            changes.effects.push(Effect::SetCreated { database, container, key: key.clone() });
            StagedSet { container, base: None, members: HashTable::new(), len: 0 }
        });
        let before = changes.effects.len();
        for member in members {
            if set.put(base, member, true) {
                changes.effects.push(Effect::MemberAdded {
                    database,
                    container: set.container,
                    key: key.clone(),
                    member: member.clone(),
                });
            }
        }
        changes.effects.len() - before
    }

    /// Takes `members` out of the set at `key`; without members left, the key goes too. Returns how many
    /// there were.
    pub fn remove_members(&mut self, database: u8, key: &Bytes, members: &[Bytes]) -> usize {
        let Self { base, databases, changes, .. } = self;
        let staged = database_of(base, databases, database);
        let staged_key = key_of(base, &mut staged.keys, staged.is_flushed, database, key);
        let Some(set) = &mut staged_key.set else { return 0 };
        let before = changes.effects.len();
        for member in members {
            if set.put(base, member, false) {
                changes.effects.push(Effect::MemberRemoved {
                    database,
                    container: set.container,
                    key: key.clone(),
                    member: member.clone(),
                });
            }
        }
        let removed = changes.effects.len() - before;
        if set.len == 0 {
            self.remove_key(database, key);
        }
        removed
    }

    /// Removes `key`. Returns whether it was there.
    pub fn remove_key(&mut self, database: u8, key: &Bytes) -> bool {
        let Self { base, databases, changes, .. } = self;
        let staged = database_of(base, databases, database);
        let staged_key = key_of(base, &mut staged.keys, staged.is_flushed, database, key);
        let Some(set) = staged_key.set.take() else { return false };
        staged.len -= 1;
        changes.effects.push(Effect::KeyRemoved { database, container: set.container, key: key.clone() });
        true
    }

    /// Removes all keys of a database.
    pub fn flush(&mut self, database: u8) {
        let staged = database_of(self.base, &mut self.databases, database);
        if staged.len > 0 {
            *staged = StagedDatabase { is_flushed: true, keys: HashTable::new(), len: 0 };
            self.changes.effects.push(Effect::DatabaseFlushed { database });
        }
    }
}

fn database_of<'s, 'a>(
    base: &'a Keyspace,
    databases: &'s mut [Option<StagedDatabase<'a>>],
    database: u8,
) -> &'s mut StagedDatabase<'a> {
    databases[usize::from(database)].get_or_insert_with(|| StagedDatabase {
        is_flushed: false,
        keys: HashTable::new(),
        len: base.len(database),
    })
}

/// The key among those that changed; it is taken there, as it is, if it isn't one yet.
fn key_of<'s, 'a>(
    base: &'a Keyspace,
    keys: &'s mut HashTable<StagedKey<'a>>,
    is_flushed: bool,
    database: u8,
    name: &Bytes,
) -> &'s mut StagedKey<'a> {
    let hash = base.hash(name);
    let entry = keys.entry(hash, |key| key.name == *name, |key| base.hash(&key.name));
    let unchanged = || {
        let found = if is_flushed { None } else { base.get(database, name) };
        let set = found.map(|key| StagedSet {
            container: key.container,
            base: Some(&key.set),
            members: HashTable::new(),
            len: key.set.len(),
        });
        StagedKey { name: name.clone(), set }
    };
    entry.or_insert_with(unchanged).into_mut()
}

impl<'a> StagedDatabase<'a> {
    pub(super) fn get(&self, hash: u64, name: &[u8]) -> Option<&StagedKey<'a>> {
        self.keys.find(hash, |key| *key.name == *name)
    }

    /// The keys that changed and are there.
    pub(super) fn present(&self) -> impl Iterator<Item = &Bytes> {
        self.keys.iter().filter(|key| key.set.is_some()).map(|key| &key.name)
    }
}

impl StagedSet<'_> {
    pub(super) fn get(&self, hash: u64, member: &[u8]) -> Option<&StagedMember> {
        self.members.find(hash, |staged| *staged.member == *member)
    }

    pub(super) fn contains(&self, hash: u64, member: &[u8]) -> bool {
        match self.get(hash, member) {
            Some(staged) => staged.is_present,
            None => self.base.is_some_and(|base| base.contains(hash, member)),
        }
    }

    /// The members that changed and are there.
    pub(super) fn present(&self) -> impl Iterator<Item = &Bytes> {
        self.members.iter().filter(|staged| staged.is_present).map(|staged| &staged.member)
    }

    /// Makes the member be there or not. Returns whether it was otherwise before.
    fn put(&mut self, base: &Keyspace, member: &Bytes, is_present: bool) -> bool {
        let hash = base.hash(member);
        if self.contains(hash, member) == is_present {
            return false;
        }
        let Self { members, len, .. } = self;
        let hash_again = |staged: &StagedMember| base.hash(&staged.member);
        members
            .entry(hash, |staged| staged.member == *member, hash_again)
            .and_modify(|staged| staged.is_present = is_present)
            .or_insert_with(|| StagedMember { member: member.clone(), is_present });
        *len = if is_present { *len + 1 } else { *len - 1 };
        true
    }
}

/// Whether an entry with this hash belongs into a walk's step over these positions.
pub(super) fn is_in_step(hash: u64, step: &Range<u64>) -> bool {
    step.contains(&super::table::position(hash))
}
