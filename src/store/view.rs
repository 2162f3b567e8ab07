//! What a command reads: the keyspace, or the keyspace with a batch's changes laid over it. A command's read
//! function is written once and serves both.

use std::cell::Cell;
use std::ops::AddAssign;

use super::WrongType;
use super::ahead::Ahead;
use super::entry::{self, Entry};
use super::keyspace::{Key, Keyspace, StringOrSet};
use super::packing::NameView;
use super::set::{Member, Set};
use super::staged::{Held, StagedDatabase, StagedSet, StagedValue, is_in_step};
use super::table::END;
use super::walk::{TooManyWalks, Walk};
use crate::expiry::Expiry;

/// Draws of a random entry before it is looked for in a walk: only where nearly all have ended and were not swept
/// yet does it come to that.
const DRAWS: usize = 64;

/// The state of all databases at one moment. What has ended by then is not there.
#[derive(Debug)]
pub struct View<'a> {
    base: &'a Keyspace,
    /// Empty where nothing is staged.
    staged: &'a [Option<StagedDatabase<'a>>],
    now_ms: i64,
    lookups: Cell<Lookups>,
    /// What was looked up of the base already.
    ahead: Option<&'a Ahead<'a>>,
}

/// How many keys were looked up: Redis's `keyspace_hits` and `keyspace_misses`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Lookups {
    /// Found.
    pub hits: u64,
    /// Not found.
    pub misses: u64,
}

impl AddAssign for Lookups {
    fn add_assign(&mut self, other: Self) {
        self.hits += other.hits;
        self.misses += other.misses;
    }
}

/// Where a walk goes on; none at its end.
pub type NextCursor = Option<u64>;

/// What a key holds, and when it ends.
#[derive(Debug)]
pub struct KeyView<'a> {
    /// When it ends.
    pub expiry: Expiry,
    /// What it holds.
    pub value: ValueView<'a>,
}

/// What a key holds.
#[derive(Debug)]
pub enum ValueView<'a> {
    /// A string.
    String(&'a [u8]),
    /// A set.
    Set(SetView<'a>),
}

/// A key, wherever it was found.
#[derive(Clone, Copy)]
enum Found<'a> {
    /// In the keyspace.
    Unchanged(&'a Key),
    /// Among the changes laid over it.
    Staged(&'a Held<'a>),
}

impl Found<'_> {
    fn expiry(self) -> Expiry {
        match self {
            Self::Unchanged(key) => key.expiry(),
            Self::Staged(held) => held.expiry,
        }
    }
}

/// What kinds of values there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// A string.
    String,
    /// A set.
    Set,
}

impl Type {
    /// Redis's word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Set => "set",
        }
    }
}

impl KeyView<'_> {
    /// About how many bytes of memory the key of this name takes with what it holds. Of a set's members, so many are
    /// looked at.
    #[must_use]
    pub fn weight(&self, name: &[u8], samples: usize) -> usize {
        let value = match &self.value {
            ValueView::String(string) => string.len(),
            ValueView::Set(set) => {
                let some = set.members().take(samples);
                let (count, bytes) =
                    some.fold((0, 0), |(n, sum), (member, _)| (n + 1, sum + entry::weight(member)));
                set.len() * bytes / count.max(1)
            }
        };
        size_of::<Key>() - size_of::<Entry>() + entry::weight(NameView::plain(name)) + value
    }
}

impl ValueView<'_> {
    /// What kind of value it is.
    #[must_use]
    pub fn type_of(&self) -> Type {
        match self {
            Self::String(_) => Type::String,
            Self::Set(_) => Type::Set,
        }
    }
}

impl<'a> View<'a> {
    /// What is committed, at this time or, where the clock was set back, that of the latest change.
    #[must_use]
    pub fn committed(keyspace: &'a Keyspace, now_ms: i64) -> Self {
        Self::staged(keyspace, &[], now_ms.max(keyspace.time_ms()))
    }

    pub(super) fn staged(base: &'a Keyspace, staged: &'a [Option<StagedDatabase<'a>>], now_ms: i64) -> Self {
        Self { base, staged, now_ms, lookups: Cell::default(), ahead: None }
    }

    /// Looks up what is wanted, side by side.
    pub fn look_ahead<'b>(&self, database: u8, ahead: &mut Ahead<'b>)
    where
        'a: 'b,
    {
        ahead.look_up(self.base, (database, self.now_ms));
    }

    /// The same moment, where what was looked up ahead is not looked up again. It must be one without changes laid
    /// over it.
    #[must_use]
    pub fn with<'b>(&self, ahead: Option<&'b Ahead<'b>>) -> View<'b>
    where
        'a: 'b,
    {
        debug_assert!(self.staged.is_empty(), "what is laid over it was not looked up");
        View { base: self.base, staged: self.staged, now_ms: self.now_ms, lookups: Cell::default(), ahead }
    }

    /// The moment, in milliseconds since 1970.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        self.now_ms
    }

    /// The keys looked up through this view so far.
    #[must_use]
    pub fn lookups(&self) -> Lookups {
        self.lookups.get()
    }

    /// What is at `key`, if it is there.
    #[must_use]
    pub fn key(&self, database: u8, key: &[u8]) -> Option<KeyView<'a>> {
        let found = self.find(database, key)?;
        Some(KeyView { expiry: found.expiry(), value: self.value(found) })
    }

    /// The set at `key`, if the key is there.
    ///
    /// # Errors
    ///
    /// If it holds something else.
    #[inline]
    pub fn set(&self, database: u8, key: &[u8]) -> Result<Option<SetView<'a>>, WrongType> {
        match self.find(database, key).map(|found| self.value(found)) {
            None => Ok(None),
            Some(ValueView::Set(set)) => Ok(Some(set)),
            Some(ValueView::String(_)) => Err(WrongType),
        }
    }

    /// Begins a walk through the members of the set at `key`, if it holds a set of at least so many, and nothing is
    /// staged. It hands out those of this moment, whatever happens to the set behind it: [`Keyspace::step`].
    ///
    /// # Errors
    ///
    /// If there are too many walks.
    pub fn walk(&self, database: u8, key: &[u8], least: usize) -> Result<Option<Walk>, TooManyWalks> {
        let found = self.base.get(database, key).filter(|found| found.is_live(self.now_ms));
        let Some(container) = found.and_then(|key| key.value.as_set()) else { return Ok(None) };
        if !self.staged.is_empty() || container.set.len() < least {
            return Ok(None);
        }
        let walk = self.base.walk(container, (database, key), self.now_ms)?;
        let Lookups { hits, misses } = self.lookups.get();
        self.lookups.set(Lookups { hits: hits + 1, misses });
        Ok(Some(walk))
    }

    /// The string at `key`, if the key is there.
    ///
    /// # Errors
    ///
    /// If it holds something else.
    #[inline]
    pub fn string(&self, database: u8, key: &[u8]) -> Result<Option<&'a [u8]>, WrongType> {
        match self.find(database, key).map(|found| self.value(found)) {
            None => Ok(None),
            Some(ValueView::String(string)) => Ok(Some(string)),
            Some(ValueView::Set(_)) => Err(WrongType),
        }
    }

    /// Finds a key, and counts that.
    #[inline]
    fn find(&self, database: u8, name: &[u8]) -> Option<Found<'a>> {
        let found = match self.ahead.map(|ahead| ahead.key((database, self.now_ms), name)) {
            Some(Ok(found)) => found.map(Found::Unchanged),
            _ => self.look_up(database, name),
        };
        let Lookups { hits, misses } = self.lookups.get();
        let (hit, miss) = if found.is_some() { (1, 0) } else { (0, 1) };
        self.lookups.set(Lookups { hits: hits + hit, misses: misses + miss });
        found
    }

    fn look_up(&self, database: u8, name: &[u8]) -> Option<Found<'a>> {
        let name = self.base.name(name);
        let staged = self.staged_database(database);
        if let Some(staged) = staged.and_then(|staged| staged.get(&name)) {
            return staged.held.as_ref().map(Found::Staged);
        }
        let found = self.base.find(self.below(database)?, &name).filter(|key| key.is_live(self.now_ms));
        found.map(Found::Unchanged)
    }

    #[inline]
    fn value(&self, found: Found<'a>) -> ValueView<'a> {
        match found {
            Found::Unchanged(key) => match key.value.view() {
                StringOrSet::String(string) => ValueView::String(string),
                StringOrSet::Set(container) => ValueView::Set(self.set_view(Some(&container.set), None)),
            },
            Found::Staged(held) => self.staged_value(held),
        }
    }

    fn staged_value(&self, held: &'a Held<'a>) -> ValueView<'a> {
        match &held.value {
            StagedValue::Unchanged(string) => ValueView::String(string),
            StagedValue::String(string) => ValueView::String(string),
            StagedValue::Set(set) => ValueView::Set(self.set_view(set.base, Some(set))),
        }
    }

    #[inline]
    fn set_view(&self, base: Option<&'a Set>, staged: Option<&'a StagedSet<'a>>) -> SetView<'a> {
        SetView { keyspace: self.base, now_ms: self.now_ms, base, staged, ahead: self.ahead }
    }

    /// The number of keys in a database.
    #[must_use]
    pub fn len(&self, database: u8) -> usize {
        match self.staged_database(database) {
            Some(staged) => staged.len,
            None => self.base.len_at(database, self.now_ms),
        }
    }

    /// Whether a database has no keys.
    #[must_use]
    pub fn is_empty(&self, database: u8) -> bool {
        self.len(database) == 0
    }

    /// The keys of a database, in no order.
    pub fn keys(&self, database: u8) -> impl Iterator<Item = NameView<'a>> {
        let base = self.below(database).map(|below| self.base.keys(below, self.now_ms));
        let unchanged = base.into_iter().flatten().filter(move |key| self.is_unchanged(database, *key));
        let staged = self.staged_database(database).into_iter();
        unchanged.chain(staged.flat_map(StagedDatabase::present).map(|key| NameView::plain(&key.name)))
    }

    /// Visits keys from `cursor` on until it has visited `least` or there are no more.
    pub fn scan_keys(
        &self,
        database: u8,
        (cursor, least): (u64, usize),
        mut visit: impl FnMut(&[u8], Type),
    ) -> NextCursor {
        let step = match self.below(database) {
            Some(below) => self.base.scan_keys(below, (cursor, least), |key| {
                if key.is_live(self.now_ms) && self.is_unchanged(database, key.entry.view()) {
                    visit(
                        &key.entry.text(),
                        if key.value.as_set().is_some() { Type::Set } else { Type::String },
                    );
                }
            }),
            None => cursor..END,
        };
        for key in self.staged_database(database).into_iter().flat_map(StagedDatabase::present) {
            if is_in_step(self.base.name(&key.name).hash(), &step)
                && let Some(held) = &key.held
            {
                visit(&key.name, self.staged_value(held).type_of());
            }
        }
        next_cursor(step.end)
    }

    /// A key of the database, each with the same chance.
    #[must_use]
    pub fn random_key(&self, database: u8) -> Option<NameView<'a>> {
        if self.staged_database(database).is_none() {
            let draw = || self.base.random_key(database).filter(|key| key.is_live(self.now_ms));
            if let Some(key) = std::iter::repeat_with(draw).take(DRAWS).flatten().next() {
                return Some(key.entry.view());
            }
        }
        let len = self.len(database);
        if len == 0 { None } else { self.keys(database).nth(fastrand::usize(..len)) }
    }

    fn staged_database(&self, database: u8) -> Option<&'a StagedDatabase<'a>> {
        self.staged.get(usize::from(database))?.as_ref()
    }

    /// The keyspace's database from which the unchanged keys of this one come; none, if there are none.
    fn below(&self, database: u8) -> Option<u8> {
        self.staged_database(database).map_or(Some(database), |staged| staged.base)
    }

    fn is_unchanged(&self, database: u8, key: NameView<'_>) -> bool {
        let is_in = |staged: &StagedDatabase<'_>| staged.get(&self.base.name(&key.text())).is_some();
        !self.staged_database(database).is_some_and(is_in)
    }
}

/// A set at one moment. It has members: an empty set has no key.
#[derive(Debug)]
pub struct SetView<'a> {
    keyspace: &'a Keyspace,
    now_ms: i64,
    base: Option<&'a Set>,
    staged: Option<&'a StagedSet<'a>>,
    ahead: Option<&'a Ahead<'a>>,
}

impl<'a> SetView<'a> {
    /// The number of members, never 0.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "an empty set has no key, and so no view")]
    pub fn len(&self) -> usize {
        match self.staged {
            Some(staged) => staged.len,
            None => self.base.map_or(0, |base| base.len_at(self.now_ms)),
        }
    }

    /// Whether `member` is in the set.
    #[inline]
    #[must_use]
    pub fn contains(&self, member: &[u8]) -> bool {
        self.expiry_of(member).is_some()
    }

    /// When `member` ends; none, if it is not in the set.
    #[inline]
    #[must_use]
    pub fn expiry_of(&self, member: &[u8]) -> Option<Expiry> {
        let name = || self.keyspace.name(member);
        if let Some(staged) = self.staged {
            return staged.expiry_of(&name(), self.now_ms);
        }
        let base = self.base?;
        let found = match self.ahead.map(|ahead| ahead.member(base, member)) {
            Some(Ok(found)) => found,
            _ => base.expiry_of(&name()),
        };
        found.filter(|expiry| !expiry.is_due(self.now_ms))
    }

    /// The members and when they end, in no order.
    pub fn members(&self) -> impl Iterator<Item = (NameView<'a>, Expiry)> {
        let base = self.base.into_iter().flat_map(|base| base.iter(self.now_ms));
        let unchanged = base.filter(|member| self.is_unchanged(member.view()));
        let changed = self.staged.into_iter().flat_map(StagedSet::present);
        let unchanged = unchanged.map(|member| (member.view(), member.expiry()));
        unchanged.chain(changed.map(|(name, expiry)| (NameView::plain(name), expiry)))
    }

    /// A member, each with the same chance.
    #[must_use]
    pub fn random_member(&self) -> Option<NameView<'a>> {
        self.draw().or_else(|| {
            let len = self.len();
            if len == 0 { None } else { self.members().nth(fastrand::usize(..len)).map(|(member, _)| member) }
        })
    }

    /// A member, if one is found without a walk.
    fn draw(&self) -> Option<NameView<'a>> {
        let base = self.base.filter(|_| self.staged.is_none())?;
        let draw = || base.random().filter(|member| !member.expiry().is_due(self.now_ms));
        std::iter::repeat_with(draw).take(DRAWS).flatten().next().map(Member::view)
    }

    /// Members without end, each drawn with the same chance from all; none, if there are none. Where drawing one would
    /// take a walk, there is one walk for all.
    pub fn random_members(&self) -> impl Iterator<Item = NameView<'a>> {
        let mut all: Option<Vec<NameView<'a>>> = None;
        std::iter::from_fn(move || {
            let drawn = if all.is_none() { self.draw() } else { None };
            drawn.or_else(|| {
                let all = all.get_or_insert_with(|| self.members().map(|(member, _)| member).collect());
                fastrand::choice(all.iter().copied())
            })
        })
    }

    /// Visits members from `cursor` on until it has visited `least` or there are no more.
    pub fn scan(&self, (cursor, least): (u64, usize), mut visit: impl FnMut(&[u8])) -> NextCursor {
        let step = match self.base {
            Some(base) => self.keyspace.scan_members(base, (cursor, least), self.now_ms, |member| {
                if self.is_unchanged(member) {
                    visit(&member.text());
                }
            }),
            None => cursor..END,
        };
        for (member, _) in self.staged.into_iter().flat_map(StagedSet::present) {
            if is_in_step(self.keyspace.name(member).hash(), &step) {
                visit(member);
            }
        }
        next_cursor(step.end)
    }

    fn is_unchanged(&self, member: NameView<'_>) -> bool {
        let is_in = |staged: &StagedSet<'_>| staged.get(&self.keyspace.name(&member.text())).is_some();
        !self.staged.is_some_and(is_in)
    }
}

fn next_cursor(end: u64) -> NextCursor {
    (end < END).then_some(end)
}
