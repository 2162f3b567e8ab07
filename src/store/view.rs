//! What a command reads: the keyspace, or the keyspace with a batch's changes laid over it. A command's read
//! function is written once and serves both.

use std::cell::Cell;

use super::keyspace::Keyspace;
use super::set::Set;
use super::staged::{StagedDatabase, StagedSet, is_in_step};
use super::table::END;

/// The state of all databases at one moment.
#[derive(Debug)]
pub struct View<'a> {
    base: &'a Keyspace,
    /// Empty where nothing is staged.
    staged: &'a [Option<StagedDatabase<'a>>],
    lookups: Cell<Lookups>,
}

/// How many keys were looked up: Redis's `keyspace_hits` and `keyspace_misses`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Lookups {
    /// Found.
    pub hits: u64,
    /// Not found.
    pub misses: u64,
}

/// Where a walk goes on; none at its end.
pub type NextCursor = Option<u64>;

impl<'a> View<'a> {
    /// What is committed.
    #[must_use]
    pub fn committed(keyspace: &'a Keyspace) -> Self {
        Self::staged(keyspace, &[])
    }

    pub(super) fn staged(base: &'a Keyspace, staged: &'a [Option<StagedDatabase<'a>>]) -> Self {
        Self { base, staged, lookups: Cell::default() }
    }

    /// The keys looked up through this view so far.
    #[must_use]
    pub fn lookups(&self) -> Lookups {
        self.lookups.get()
    }

    /// The set at `key`, if the key is there.
    #[must_use]
    pub fn set(&self, database: u8, key: &[u8]) -> Option<SetView<'a>> {
        let set = self.find(database, key);
        let Lookups { hits, misses } = self.lookups.get();
        let (hit, miss) = if set.is_some() { (1, 0) } else { (0, 1) };
        self.lookups.set(Lookups { hits: hits + hit, misses: misses + miss });
        set
    }

    fn find(&self, database: u8, key: &[u8]) -> Option<SetView<'a>> {
        if let Some(staged) = self.staged_database(database) {
            if let Some(staged) = staged.get(self.base.hash(key), key) {
                let set = staged.set.as_ref()?;
                return Some(SetView { keyspace: self.base, base: set.base, staged: Some(set) });
            }
            if staged.is_flushed {
                return None;
            }
        }
        let found = self.base.get(database, key)?;
        Some(SetView { keyspace: self.base, base: Some(&found.set), staged: None })
    }

    /// The number of keys in a database.
    #[must_use]
    pub fn len(&self, database: u8) -> usize {
        self.staged_database(database).map_or_else(|| self.base.len(database), |staged| staged.len)
    }

    /// Whether a database has no keys.
    #[must_use]
    pub fn is_empty(&self, database: u8) -> bool {
        self.len(database) == 0
    }

    /// The keys of a database, in no order.
    pub fn keys(&self, database: u8) -> impl Iterator<Item = &'a [u8]> {
        let staged = self.staged_database(database);
        let base = self.unflushed(database).then(|| self.base.keys(database));
        let unchanged = base.into_iter().flatten().filter(move |key| self.is_unchanged(database, key));
        let changed = staged.into_iter().flat_map(StagedDatabase::present).map(|key| &**key);
        unchanged.chain(changed)
    }

    /// Visits keys from `cursor` on until it has visited `least` or there are no more.
    pub fn scan_keys(
        &self,
        database: u8,
        cursor: u64,
        least: usize,
        mut visit: impl FnMut(&[u8]),
    ) -> NextCursor {
        let step = if self.unflushed(database) {
            self.base.scan_keys(database, cursor, least, |key| {
                if self.is_unchanged(database, key) {
                    visit(key);
                }
            })
        } else {
            cursor..END
        };
        for key in self.staged_database(database).into_iter().flat_map(StagedDatabase::present) {
            if is_in_step(self.base.hash(key), &step) {
                visit(key);
            }
        }
        next_cursor(step.end)
    }

    /// A key of the database, each with the same chance.
    #[must_use]
    pub fn random_key(&self, database: u8) -> Option<&'a [u8]> {
        if self.staged_database(database).is_none() {
            return self.base.random_key(database);
        }
        // A batch that reads behind its own changes: a walk is what it takes, and it is rare.
        let len = self.len(database);
        if len == 0 { None } else { self.keys(database).nth(fastrand::usize(..len)) }
    }

    fn staged_database(&self, database: u8) -> Option<&'a StagedDatabase<'a>> {
        self.staged.get(usize::from(database))?.as_ref()
    }

    fn unflushed(&self, database: u8) -> bool {
        self.staged_database(database).is_none_or(|staged| !staged.is_flushed)
    }

    fn is_unchanged(&self, database: u8, key: &[u8]) -> bool {
        self.staged_database(database).is_none_or(|staged| staged.get(self.base.hash(key), key).is_none())
    }
}

/// A set at one moment. It has members: an empty set has no key.
#[derive(Debug)]
pub struct SetView<'a> {
    keyspace: &'a Keyspace,
    base: Option<&'a Set>,
    staged: Option<&'a StagedSet<'a>>,
}

impl<'a> SetView<'a> {
    /// The number of members, never 0.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "an empty set has no key, and so no view")]
    pub fn len(&self) -> usize {
        match self.staged {
            Some(staged) => staged.len,
            None => self.base.map_or(0, Set::len),
        }
    }

    /// Whether `member` is in the set.
    #[must_use]
    pub fn contains(&self, member: &[u8]) -> bool {
        let hash = self.keyspace.hash(member);
        match self.staged {
            Some(staged) => staged.contains(hash, member),
            None => self.base.is_some_and(|base| base.contains(hash, member)),
        }
    }

    /// The members, in no order.
    pub fn members(&self) -> impl Iterator<Item = &'a [u8]> {
        let unchanged = self.base.into_iter().flat_map(Set::iter).filter(|member| self.is_unchanged(member));
        unchanged.chain(self.staged.into_iter().flat_map(StagedSet::present).map(|member| &**member))
    }

    /// Visits members from `cursor` on until it has visited `least` or there are no more.
    pub fn scan(&self, cursor: u64, least: usize, mut visit: impl FnMut(&[u8])) -> NextCursor {
        let step = match self.base {
            Some(base) => self.keyspace.scan_members(base, cursor, least, |member| {
                if self.is_unchanged(member) {
                    visit(member);
                }
            }),
            None => cursor..END,
        };
        for member in self.staged.into_iter().flat_map(StagedSet::present) {
            if is_in_step(self.keyspace.hash(member), &step) {
                visit(member);
            }
        }
        next_cursor(step.end)
    }

    fn is_unchanged(&self, member: &[u8]) -> bool {
        self.staged.is_none_or(|staged| staged.get(self.keyspace.hash(member), member).is_none())
    }
}

fn next_cursor(end: u64) -> NextCursor {
    (end < END).then_some(end)
}
