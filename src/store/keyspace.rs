//! The keys of all databases and what they hold: memory as the journal says it is.

use std::ops::Range;

use ahash::{AHashMap, RandomState};

use super::boxed::Boxed;
use super::entry::Entry;
use super::lap::{Lap, Stamp};
use super::packing::{Name, NameView, Packed, UUID_BYTES};
use super::rows::{ROW_BYTES, Rows};
use super::set::{Member, Set};
use super::table::{Fate, Fetch, Gathered, Table};
use super::walk::{Held, TooManyWalks, Walk, Walks};
use crate::effect::{ContainerId, Effect};
use crate::expiry::{Expires, Expiry};
use crate::limits::{DATABASES, GATHER_FROM, GATHERED_MEMBERS, LOOKUPS_AHEAD};

/// The database of the sets that stand at no key yet. Only the replay has such, and nobody sees them.
pub const UNPLACED: u8 = DATABASES;

/// All data. Only [`Keyspace::apply`] changes it; [`Keyspace::sweep`] takes out what has ended, which nobody sees.
#[derive(Debug)]
pub struct Keyspace {
    /// Keyed at random, so that nobody can aim keys or members at one segment.
    hasher: RandomState,
    databases: [Database; DATABASES as usize],
    /// [`UNPLACED`].
    unplaced: Database,
    next_container: ContainerId,
    /// The time of the latest change: nobody reads the state of an earlier one, whatever the clock says.
    time_ms: i64,
    /// The lap of compaction in which changes are written.
    pub(super) lap: Lap,
    /// Where the sets stand of which a member's row may stand before that of its key: those that are large or have been
    /// moved. Of the others the members are written again together with the key.
    pub(super) scattered: AHashMap<ContainerId, (u8, Box<[u8]>)>,
    pub(super) walks: Walks,
}

/// The keys of one database.
#[derive(Debug)]
struct Database {
    keys: Table<Key>,
    /// How many of them end by themselves. (That of a key whose members end is not such a one.)
    ending: usize,
    /// The rows that say all of this: what the journal would be without any other.
    rows: Rows,
}

impl Database {
    const fn new() -> Self {
        Self { keys: Table::new(), ending: 0, rows: Rows::NONE }
    }
}

/// A key, when it ends, when that was written, and what it holds.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) entry: Entry,
    pub(super) value: Value,
}

/// Strings up to this long are held where the key is: most say no more than that it is there.
const SHORT_BYTES: usize = 7;

#[derive(Debug)]
pub(super) enum Value {
    Short {
        len: u8,
        bytes: [u8; SHORT_BYTES],
    },
    String(Boxed<Box<[u8]>>),
    /// Behind a pointer, so that a key that is a token's id and holds nothing weighs no more than it must.
    Set(Boxed<Container>),
}

/// A set, and the id by which the journal knows it.
#[derive(Debug)]
pub(super) struct Container {
    pub(super) id: ContainerId,
    pub(super) set: Set,
}

const _: () = assert!(size_of::<Key>() == 31 && align_of::<Key>() == 1);

impl Value {
    pub(super) fn string(string: &[u8]) -> Self {
        if string.len() > SHORT_BYTES {
            return Self::String(Boxed::new(string.into()));
        }
        let mut bytes = [0; SHORT_BYTES];
        bytes[..string.len()].copy_from_slice(string);
        Self::Short { len: string.len() as u8, bytes }
    }

    #[inline]
    pub(super) fn view(&self) -> StringOrSet<'_> {
        match self {
            Self::Short { len, bytes } => StringOrSet::String(&bytes[..usize::from(*len)]),
            Self::String(string) => StringOrSet::String(string),
            Self::Set(container) => StringOrSet::Set(container),
        }
    }

    /// The set, if it is one.
    #[inline]
    pub(super) fn as_set(&self) -> Option<&Container> {
        match self.view() {
            StringOrSet::Set(container) => Some(container),
            StringOrSet::String(_) => None,
        }
    }
}

/// A value, wherever it is held.
pub(super) enum StringOrSet<'a> {
    String(&'a [u8]),
    Set(&'a Container),
}

impl Key {
    /// When it ends.
    #[inline]
    pub(super) fn expiry(&self) -> Expiry {
        self.entry.expiry()
    }

    /// The rows that say it.
    fn rows(&self) -> Rows {
        let of_key = |held: usize| Rows { count: 1, bytes: ROW_BYTES + self.entry.row_len() + held };
        match self.value.view() {
            StringOrSet::String(string) => of_key(string.len()),
            StringOrSet::Set(container) => of_key(0) + container.set.rows(),
        }
    }

    /// Whether the key is there at this time: neither has it ended, nor have all its members.
    pub(super) fn is_live(&self, now_ms: i64) -> bool {
        let is_empty = self.value.as_set().is_some_and(|container| container.set.is_empty_at(now_ms));
        !self.expiry().is_due(now_ms) && !is_empty
    }

    /// The set that it holds, if it is this one.
    pub(super) fn set(&self, id: ContainerId) -> Option<&Set> {
        self.value.as_set().filter(|container| container.id == id).map(|container| &container.set)
    }

    fn is_ending(&self) -> bool {
        self.expiry() != Expiry::NEVER
    }
}

impl Expires for Key {
    fn earliest(&self) -> Expiry {
        let set = self.value.as_set().map(|container| container.set.earliest());
        self.expiry().min(set.unwrap_or(Expiry::NEVER))
    }

    fn ends_whole(&self) -> bool {
        let set = self.value.as_set().map(|container| container.set.earliest());
        set.is_none_or(|earliest| self.is_ending() && self.expiry() <= earliest)
    }
}

/// An effect that does not fit the state it is applied to: it was not written by this program, or not behind
/// the effects that it stands behind now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misfit {
    /// A change to a key that is not there.
    NoSuchKey,
    /// A change to a container that is not at the key.
    NoSuchContainer,
    /// A database that there is not.
    NoSuchDatabase,
}

impl std::fmt::Display for Misfit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::NoSuchKey => "it changes a key that does not exist",
            Self::NoSuchContainer => "it changes a set that is not at its key",
            Self::NoSuchDatabase => "it names a database that does not exist",
        })
    }
}

/// What was taken out of the keyspace. Freeing it can take long: it is handed out so that the caller can do that
/// where nobody waits.
#[derive(Debug, Default)]
pub struct Removed(Vec<Table<Key>>, Vec<Key>, Vec<Held>);

impl Removed {
    /// How many keys and members there are to free.
    #[must_use]
    pub fn len(&self) -> usize {
        let weight = |key: &Key| 1 + key.value.as_set().map_or(0, |container| container.set.len());
        let keys = self.0.iter().flat_map(Table::iter).chain(&self.1);
        // Counting stops where the exact number no longer matters: there may be millions of keys.
        let keys = keys.take(10_000).map(weight).sum::<usize>();
        keys + self.2.iter().map(Held::len).sum::<usize>()
    }

    /// Whether there is nothing to free.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty() && self.1.is_empty() && self.2.is_empty()
    }

    pub(super) fn push(&mut self, key: Key) {
        self.1.push(key);
    }

    pub(super) fn push_held(&mut self, held: Held) {
        self.2.push(held);
    }
}

/// What has ended and was swept, in no order.
#[derive(Debug, Default)]
pub struct Swept {
    /// Keys, with the databases in which they stood.
    pub keys: Vec<(u8, Box<[u8]>)>,
    /// What they held.
    pub removed: Removed,
}

impl Default for Keyspace {
    fn default() -> Self {
        Self {
            hasher: RandomState::new(),
            databases: [const { Database::new() }; DATABASES as usize],
            unplaced: Database::new(),
            next_container: ContainerId(1),
            time_ms: 0,
            lap: Lap::default(),
            scattered: AHashMap::new(),
            walks: Walks::default(),
        }
    }
}

impl Keyspace {
    /// The number of keys in a database at this time.
    ///
    /// # Panics
    ///
    /// Here and below: if there is no such database, which SELECT has checked.
    #[must_use]
    pub fn len_at(&self, database: u8, now_ms: i64) -> usize {
        let keys = self.table(database);
        keys.len() - keys.count_due(now_ms, |key| !key.is_live(now_ms))
    }

    /// The number of keys in a database that have an end, those included that are due and not swept yet.
    #[must_use]
    pub fn ending(&self, database: u8) -> usize {
        self.databases[usize::from(database)].ending
    }

    /// The number of members of all sets in a database, those included that are due and not swept yet.
    #[must_use]
    pub fn members(&self, database: u8) -> usize {
        let Database { keys, rows, .. } = &self.databases[usize::from(database)];
        rows.count - keys.len()
    }

    /// The time of the latest change, in milliseconds since 1970.
    #[must_use]
    pub fn time_ms(&self) -> i64 {
        self.time_ms
    }

    /// Says that what is applied next was decided at this time.
    pub fn advance(&mut self, time_ms: i64) {
        self.time_ms = self.time_ms.max(time_ms);
    }

    /// Ends the replay: the ids up to this one were given away. Sets that stand at no key had been removed, and those
    /// without members had ended: compaction has taken away what said their members.
    pub fn end_replay(&mut self, last_container: ContainerId) -> Removed {
        self.next_container = self.next_container.max(last_container.next());
        self.scattered.retain(|_, (database, _)| *database != UNPLACED);
        let unplaced = std::mem::replace(&mut self.unplaced, Database::new());
        let mut removed = Removed(vec![unplaced.keys], Vec::new(), Vec::new());
        for database in 0..DATABASES {
            let is_empty = |key: &&Key| key.value.as_set().is_some_and(|container| container.set.len() == 0);
            let empty = self.table(database).iter().filter(is_empty).map(|key| key.entry.text().to_vec());
            for name in empty.collect::<Vec<_>>() {
                if let Ok(Some(key)) = self.take(database, &name) {
                    let_go(key, &mut self.scattered, &mut self.walks, &mut removed);
                }
            }
        }
        removed
    }

    /// The rows that would say all of this and nothing else.
    #[must_use]
    pub fn rows(&self) -> Rows {
        self.databases.iter().map(|database| database.rows).sum()
    }

    /// When something ends that was not swept yet, at the earliest.
    #[must_use]
    pub fn earliest(&self) -> Expiry {
        self.databases.iter().map(|database| database.keys.earliest()).min().unwrap_or(Expiry::NEVER)
    }

    /// The id that the next container gets.
    pub(super) fn next_container(&self) -> ContainerId {
        self.next_container
    }

    /// Changes when a key was written, which nobody sees.
    pub(super) fn restamp(&mut self, database: u8, name: &[u8], restamp: impl FnOnce(&mut Key)) {
        if let Ok((Database { keys, .. }, hasher)) = self.database(database) {
            let name = Name::new(name, hasher);
            keys.update(name.hash(), |key| key.entry.is(&name), restamp);
        }
    }

    #[inline]
    pub(super) fn table(&self, database: u8) -> &Table<Key> {
        &self.databases[usize::from(database)].keys
    }

    /// The name that this text is: what all look-ups take.
    #[inline]
    pub(super) fn name<'a>(&self, text: &'a [u8]) -> Name<'a> {
        Name::new(text, &self.hasher)
    }

    /// The key of this name, which may have ended.
    pub(super) fn get(&self, database: u8, name: &[u8]) -> Option<&Key> {
        self.find(database, &self.name(name))
    }

    /// The same.
    pub(super) fn find(&self, database: u8, name: &Name<'_>) -> Option<&Key> {
        self.table(database).get(name.hash(), |key| key.entry.is(name))
    }

    /// The keys that there are at this time.
    pub(super) fn keys(&self, database: u8, now_ms: i64) -> impl Iterator<Item = NameView<'_>> {
        let keys = self.table(database).iter();
        keys.filter(move |key| key.is_live(now_ms)).map(|key| key.entry.view())
    }

    /// A key, each with the same chance; it may have ended.
    pub(super) fn random_key(&self, database: u8) -> Option<&Key> {
        self.table(database).random()
    }

    pub(super) fn scan_keys(
        &self,
        database: u8,
        (cursor, least): (u64, usize),
        mut visit: impl FnMut(&Key),
    ) -> Range<u64> {
        self.table(database).scan(cursor, least, |key| key.entry.hash(&self.hasher), |key| visit(key))
    }

    pub(super) fn scan_members(
        &self,
        set: &Set,
        from: (u64, usize),
        now_ms: i64,
        visit: impl FnMut(NameView<'_>),
    ) -> Range<u64> {
        set.scan(from, now_ms, &self.hasher, visit)
    }

    /// Begins a walk through the set at a key.
    pub(super) fn walk(
        &self,
        container: &Container,
        (database, key): (u8, &[u8]),
        now_ms: i64,
    ) -> Result<Walk, TooManyWalks> {
        self.walks.begin(container, (database, key), now_ms)
    }

    pub(super) fn members_from<'a>(&self, set: &'a Set, cursor: u64) -> (Vec<(u64, &'a Member)>, u64) {
        set.members_from(cursor, &self.hasher)
    }

    /// Takes out what has ended, as far as `budget` allows: looking at some sixty keys or members costs one.
    /// It changes nothing that anybody sees. What is left is due: [`Keyspace::earliest`] says so.
    pub fn sweep(&mut self, now_ms: i64, mut budget: usize) -> Swept {
        let Self { hasher, databases, walks, scattered, .. } = self;
        let mut swept = Swept::default();
        for (number, Database { keys, ending, rows }) in (0..DATABASES).zip(databases) {
            let decide = |key: &mut Key, budget: &mut usize| {
                let has_ended = key.expiry().is_due(now_ms);
                if let Value::Set(container) = &mut key.value
                    && !has_ended
                {
                    let walks = walks.of(container.id);
                    let save = |member: Member| walks.save_taken(&member, hasher);
                    let before = container.set.rows();
                    container.set.sweep(now_ms, budget, hasher, save);
                    *rows = *rows + container.set.rows() - before;
                }
                if key.is_live(now_ms) { Fate::Keep } else { Fate::Remove }
            };
            let mut taken = Vec::new();
            keys.sweep(now_ms, &mut budget, |key| key.entry.hash(hasher), decide, |key| taken.push(key));
            for key in taken {
                *ending -= usize::from(key.is_ending());
                *rows = *rows - key.rows();
                swept.keys.push((number, (*key.entry.text()).into()));
                let_go(key, scattered, walks, &mut swept.removed);
            }
        }
        walks.keep_within_bounds(&mut swept.removed);
        swept
    }

    /// Makes one effect true. What it removes is put into `removed`.
    ///
    /// # Errors
    ///
    /// If the effect does not fit; the keyspace is then as before.
    pub fn apply<B: AsRef<[u8]>>(&mut self, effect: &Effect<B>, removed: &mut Removed) -> Result<(), Misfit> {
        match effect {
            Effect::StringSet { database, key, value, expiry } => {
                let value = Value::string(value.as_ref());
                self.put(*database, key.as_ref(), value, *expiry, removed)
            }
            Effect::SetCreated { database, container, key, expiry } => {
                self.next_container = self.next_container.max(container.next());
                let value = Value::Set(Boxed::new(Container { id: *container, set: Set::new() }));
                self.put(*database, key.as_ref(), value, *expiry, removed)
            }
            Effect::SetMoved { from_database, from, database, container, key, expiry } => {
                self.database(*database)?;
                self.change_set(*from_database, *container, from.as_ref(), |_, _| ())?;
                let Some(moved) = self.take(*from_database, from.as_ref())? else { return Ok(()) };
                self.scattered.insert(*container, (*database, key.as_ref().into()));
                self.walks.moved(*container, *database, key.as_ref());
                self.put(*database, key.as_ref(), moved.value, *expiry, removed)
            }
            Effect::KeyExpiry { database, key, expiry } => {
                let (Database { keys, ending, .. }, hasher) = self.database(*database)?;
                let name = Name::new(key.as_ref(), hasher);
                let change = |key: &mut Key| {
                    *ending -= usize::from(key.is_ending());
                    key.entry.set_stamp(Stamp::new(*expiry, key.entry.stamp().lap()));
                    *ending += usize::from(key.is_ending());
                };
                // A key that is not there is said again further on: compaction has taken away what said it before.
                let _ = keys.update(name.hash(), |key| key.entry.is(&name), change);
                Ok(())
            }
            Effect::KeyRemoved { database, container: _, key } => {
                if let Some(key) = self.take(*database, key.as_ref())? {
                    let_go(key, &mut self.scattered, &mut self.walks, removed);
                }
                Ok(())
            }
            Effect::MemberSet { database, container, key, member, expiry } => {
                let member = self.name(member.as_ref());
                let members = &[(member, *expiry)];
                self.put_members((*database, key.as_ref()), *container, members, removed).map(|_| ())
            }
            Effect::MemberRemoved { database, container, key, member } => {
                let member = self.name(member.as_ref());
                if self.walks.are_there() {
                    self.tell_walks((*database, key.as_ref()), *container, &member, removed);
                }
                let change = |set: &mut Set, hasher: &RandomState| set.remove(&member, hasher);
                self.change_set(*database, *container, key.as_ref(), change)
            }
            Effect::DatabaseFlushed { database } => {
                self.database(*database)?;
                for walked in self.walks.keys(*database) {
                    if let Some(key) = self.take(*database, &walked)? {
                        self.walks.take(key, removed);
                    }
                }
                self.scattered.retain(|_, (at, _)| at != database);
                let (database, _) = self.database(*database)?;
                removed.0.push(std::mem::replace(database, Database::new()).keys);
                Ok(())
            }
            Effect::DatabasesSwapped { first, second } => {
                if *first.max(second) >= DATABASES {
                    return Err(Misfit::NoSuchDatabase);
                }
                self.databases.swap(usize::from(*first), usize::from(*second));
                for (at, _) in self.scattered.values_mut() {
                    *at = match *at {
                        at if at == *first => *second,
                        at if at == *second => *first,
                        other => other,
                    };
                }
                self.walks.swapped(*first, *second);
                Ok(())
            }
        }
    }

    /// Makes effects true one behind the other, as [`Keyspace::apply`] does. Members that are put into one set are
    /// taken together: the set is looked up once, and the memory that they change is looked at before, so that the
    /// processor waits for all of it together rather than for that of each in turn; many are put in the order of the set's parts.
    ///
    /// # Errors
    ///
    /// If an effect does not fit, with its place; those before it are applied.
    pub fn apply_all<B: AsRef<[u8]>>(
        &mut self,
        effects: &[Effect<B>],
        removed: &mut Removed,
    ) -> Result<(), (usize, Misfit)> {
        let mut applied = 0;
        for run in effects.chunk_by(Effect::is_of_one_set) {
            self.apply_run(run, removed).map_err(|(at, misfit)| (applied + at, misfit))?;
            applied += run.len();
        }
        Ok(())
    }

    /// Makes an effect true, or several that put members into one set. Returns how many that has by then; none otherwise.
    pub(super) fn apply_run<B: AsRef<[u8]>>(
        &mut self,
        run: &[Effect<B>],
        removed: &mut Removed,
    ) -> Result<usize, (usize, Misfit)> {
        if let [Effect::MemberSet { database, container, key, .. }, ..] = run
            && run.len() >= GATHER_FROM
            && !self.walks.are_there()
        {
            return self.put_many((*database, key.as_ref()), *container, run).map_err(|misfit| (0, misfit));
        }
        let mut len = 0;
        let mut members = Vec::with_capacity(LOOKUPS_AHEAD.min(run.len()));
        for (chunk, some) in run.chunks(LOOKUPS_AHEAD).enumerate() {
            if let Effect::MemberSet { database, container, key, .. } = &some[0] {
                members.clear();
                members.extend(some.iter().filter_map(|effect| match effect {
                    Effect::MemberSet { member, expiry, .. } => Some((self.name(member.as_ref()), *expiry)),
                    _ => None,
                }));
                self.put_members((*database, key.as_ref()), *container, &members, removed)
                    .map(|members| len = members)
            } else {
                self.apply(&some[0], removed)
            }
            .map_err(|misfit| (chunk * LOOKUPS_AHEAD, misfit))?;
        }
        Ok(len)
    }

    fn put_many<B: AsRef<[u8]>>(
        &mut self,
        at: (u8, &[u8]),
        container: ContainerId,
        run: &[Effect<B>],
    ) -> Result<usize, Misfit> {
        let mut gathered = Gathered::new(run.len().min(GATHERED_MEMBERS));
        let mut len = 0;
        for some in run.chunks(GATHERED_MEMBERS) {
            for effect in some {
                self.gather(effect, &mut gathered);
            }
            len = self.put_gathered(at, container, &mut gathered)?;
        }
        Ok(len)
    }

    /// Adds the member that an effect puts into a set to others of that set.
    pub(super) fn gather<B: AsRef<[u8]>>(&self, effect: &Effect<B>, gathered: &mut Gathered<Member>) {
        if let Effect::MemberSet { member, expiry, .. } = effect {
            let name = self.name(member.as_ref());
            gathered.push(name.hash(), Member::new(&name, Stamp::new(*expiry, self.lap)));
        }
    }

    /// The same of a UUID.
    pub(super) fn gather_uuid(
        &self,
        uuid: &[u8; UUID_BYTES],
        expiry: Expiry,
        gathered: &mut Gathered<Member>,
    ) {
        let name = Packed::uuid(uuid);
        gathered.push(name.hash(&self.hasher), Member::of(name, Stamp::new(expiry, self.lap)));
    }

    /// Has gathered members be in a set, which nobody walks. Returns how many it has by then.
    pub(super) fn put_gathered(
        &mut self,
        (database, key): (u8, &[u8]),
        container: ContainerId,
        gathered: &mut Gathered<Member>,
    ) -> Result<usize, Misfit> {
        let change = |set: &mut Set, hasher: &RandomState| {
            let was_list = set.as_list().is_some();
            set.put_all(gathered, hasher);
            (was_list, set.len())
        };
        let (is_table_now, len) = self.change_set(database, container, key, change)?;
        if is_table_now {
            self.scattered.insert(container, (database, key.into()));
        }
        Ok(len)
    }

    /// Has members be in a set. Either all of them fit, or none does. Returns how many it has by then.
    fn put_members(
        &mut self,
        (database, key): (u8, &[u8]),
        container: ContainerId,
        members: &[(Name<'_>, Expiry)],
        removed: &mut Removed,
    ) -> Result<usize, Misfit> {
        if self.walks.are_there() {
            for (member, _) in members {
                self.tell_walks((database, key), container, member, removed);
            }
        }
        let lap = self.lap;
        let change = |set: &mut Set, hasher: &RandomState| {
            let was_list = set.as_list().is_some();
            for step in Fetch::INSERTION.into_iter().filter(|_| members.len() > 1) {
                for (member, _) in members {
                    set.fetch(member.hash(), step);
                }
            }
            for (member, expiry) in members {
                set.put(member, Stamp::new(*expiry, lap), hasher);
            }
            (was_list && set.as_list().is_none(), set.len())
        };
        let (is_table_now, len) = self.change_set(database, container, key, change)?;
        if is_table_now {
            self.scattered.insert(container, (database, key.into()));
        }
        Ok(len)
    }

    /// Has the walks through a set know what a member is before it changes.
    #[cold]
    fn tell_walks(
        &mut self,
        (database, key): (u8, &[u8]),
        container: ContainerId,
        member: &Name<'_>,
        removed: &mut Removed,
    ) {
        let walks = self.walks.of(container);
        let set = self.get(database, key).and_then(|key| key.set(container));
        walks.save(member, set.and_then(|set| set.expiry_of(member)));
        self.walks.keep_within_bounds(removed);
    }

    fn database(&mut self, database: u8) -> Result<(&mut Database, &RandomState), Misfit> {
        let Self { hasher, databases, unplaced, .. } = self;
        let database = match database {
            UNPLACED => unplaced,
            numbered => databases.get_mut(usize::from(numbered)).ok_or(Misfit::NoSuchDatabase)?,
        };
        Ok((database, hasher))
    }

    /// Has something be at a key, where something else may be.
    fn put(
        &mut self,
        database: u8,
        name: &[u8],
        value: Value,
        expiry: Expiry,
        removed: &mut Removed,
    ) -> Result<(), Misfit> {
        let stamp = Stamp::new(expiry, self.lap);
        let (Database { keys, ending, rows }, hasher) = self.database(database)?;
        let name = Name::new(name, hasher);
        let mut key = Key { entry: Entry::new(&name, stamp), value };
        *ending += usize::from(key.is_ending());
        *rows = *rows + key.rows();
        match keys.update(name.hash(), |found| found.entry.is(&name), |found| std::mem::swap(found, &mut key))
        {
            Some(()) => {
                *ending -= usize::from(key.is_ending());
                *rows = *rows - key.rows();
                let_go(key, &mut self.scattered, &mut self.walks, removed);
            }
            None => keys.insert(name.hash(), key, |key| key.entry.hash(hasher)),
        }
        Ok(())
    }

    fn take(&mut self, database: u8, name: &[u8]) -> Result<Option<Key>, Misfit> {
        let (Database { keys, ending, rows }, hasher) = self.database(database)?;
        let name = Name::new(name, hasher);
        let taken = keys.remove(name.hash(), |key| key.entry.is(&name), |key| key.entry.hash(hasher));
        *ending -= usize::from(taken.as_ref().is_some_and(Key::is_ending));
        *rows = *rows - taken.as_ref().map(Key::rows).unwrap_or_default();
        Ok(taken)
    }

    fn change_set<R>(
        &mut self,
        database: u8,
        container: ContainerId,
        name: &[u8],
        change: impl FnOnce(&mut Set, &RandomState) -> R,
    ) -> Result<R, Misfit> {
        let (Database { keys, rows, .. }, hasher) = self.database(database)?;
        let change = |key: &mut Key| match &mut key.value {
            Value::Set(found) if found.id == container => {
                let before = found.set.rows();
                let outcome = change(&mut found.set, hasher);
                *rows = *rows + found.set.rows() - before;
                Ok(outcome)
            }
            _ => Err(Misfit::NoSuchContainer),
        };
        let name = Name::new(name, hasher);
        let changed = keys.update(name.hash(), |key| key.entry.is(&name), change);
        changed.unwrap_or(Err(Misfit::NoSuchKey))
    }
}

/// What becomes of a key that is gone: where its set stood need not be known any more, those who walk it may have it, and
/// otherwise it is to be freed.
fn let_go(
    key: Key,
    scattered: &mut AHashMap<ContainerId, (u8, Box<[u8]>)>,
    walks: &mut Walks,
    removed: &mut Removed,
) {
    if let Some(container) = key.value.as_set()
        && !scattered.is_empty()
    {
        scattered.remove(&container.id);
    }
    walks.take(key, removed);
}
