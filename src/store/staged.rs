//! The store as it will be once the batch at hand is committed: the keyspace, seen through the changes that
//! the batch has made so far.
//!
//! Ops are evaluated here, one behind the other, and each change leaves its effect. The keyspace itself is
//! not touched: where the effects can't be journalled, the stage is dropped and nothing has happened. All of a
//! stage is at one time; what has ended by then is not there.

use std::ops::Range;
use std::ptr;

use bytes::Bytes;
use hashbrown::HashTable;

use super::WrongType;
use super::keyspace::{Key, Keyspace, StringOrSet};
use super::packing::Name;
use super::set::Set;
use super::table::Fetch;
use super::view::View;
use crate::effect::{ContainerId, Effect};
use crate::expiry::Expiry;
use crate::limits::{DATABASES, LOOKUPS_AHEAD};

/// The keyspace with changes laid over it.
#[derive(Debug)]
pub struct Staged<'a> {
    base: &'a Keyspace,
    now_ms: i64,
    databases: [Option<StagedDatabase<'a>>; DATABASES as usize],
    next_container: ContainerId,
    changes: Changes,
    ahead: Ahead<'a>,
}

/// Names of keys and members that ops behind ask for, in their order: packed, hashed, and what is known of them fetched.
#[derive(Debug, Default)]
struct Ahead<'a> {
    names: Vec<Name<'a>>,
    /// The next one that is asked for.
    next: usize,
}

/// Where something is looked up.
#[derive(Clone, Copy)]
enum Place<'a> {
    Keys(u8),
    Members(&'a Set),
}

impl<'a> Ahead<'a> {
    /// The name of this text: that which is there, if it is of this very text and the next.
    fn name<'t>(&mut self, base: &Keyspace, text: &'t [u8]) -> Name<'t>
    where
        'a: 't,
    {
        match self.names.get(self.next).filter(|name| ptr::eq(name.text(), text)) {
            Some(name) => {
                self.next += 1;
                *name
            }
            None => base.name(text),
        }
    }
}

/// Effects in the order in which they came to be, and where each op ends among them.
#[derive(Debug, Default)]
pub struct Changes {
    effects: Vec<Effect<Bytes>>,
    op_ends: Vec<usize>,
    /// Which effects put something at a key where nothing was.
    creations: Vec<usize>,
    time_ms: i64,
    /// What the strings take, and the members of copied sets: what may be much more than was sent.
    copied_bytes: usize,
}

/// What changed in a database.
#[derive(Debug)]
pub(super) struct StagedDatabase<'a> {
    /// The keyspace's database over which this is laid; none, if its keys are gone.
    pub(super) base: Option<u8>,
    /// The keys that changed, or whose values did.
    keys: HashTable<StagedKey<'a>>,
    /// The number of keys there are.
    pub(super) len: usize,
}

#[derive(Debug)]
pub(super) struct StagedKey<'a> {
    hash: u64,
    pub(super) name: Bytes,
    /// Nothing, if the key is not there.
    pub(super) held: Option<Held<'a>>,
}

/// What a key holds, and when it ends.
#[derive(Debug)]
pub(super) struct Held<'a> {
    pub(super) expiry: Expiry,
    pub(super) value: StagedValue<'a>,
}

#[derive(Debug)]
pub(super) enum StagedValue<'a> {
    /// A string of the keyspace.
    Unchanged(&'a [u8]),
    /// Another string.
    String(Bytes),
    Set(StagedSet<'a>),
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
    hash: u64,
    pub(super) name: Bytes,
    /// None, if it is not there.
    pub(super) expiry: Option<Expiry>,
}

impl Changes {
    /// The effects, in order.
    #[must_use]
    pub fn effects(&self) -> &[Effect<Bytes>] {
        &self.effects
    }

    /// The time at which they were decided, in milliseconds since 1970.
    #[must_use]
    pub fn time_ms(&self) -> i64 {
        self.time_ms
    }

    /// The effects that put something at a key where nothing was: their places among the effects, rising.
    #[must_use]
    pub fn creations(&self) -> &[usize] {
        &self.creations
    }

    /// About how much memory the changes take, beside what those who asked for them have sent.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.effects.len() * size_of::<Effect<Bytes>>() + self.copied_bytes
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
    /// A stage without changes, at this time or, where the clock was set back, that of the latest change.
    #[must_use]
    pub fn new(base: &'a Keyspace, now_ms: i64) -> Self {
        let now_ms = now_ms.max(base.time_ms());
        Self {
            base,
            now_ms,
            databases: [const { None }; DATABASES as usize],
            next_container: base.next_container(),
            changes: Changes { time_ms: now_ms, ..Changes::default() },
            ahead: Ahead::default(),
        }
    }

    /// Makes room for the effects of so many ops, one each.
    pub fn reserve(&mut self, ops: usize) {
        self.changes.effects.reserve(ops);
        self.changes.op_ends.reserve(ops);
    }

    /// Has the processor fetch what ops are going to look up in the keyspace, that of all of them side by side: keys, or
    /// members of the sets there, of these the first [`LOOKUPS_AHEAD`]. A wrong guess costs time, and nothing else.
    pub fn look_ahead(&mut self, wanted: impl Iterator<Item = (u8, &'a Bytes, &'a [Bytes])>) {
        let (base, Ahead { names, next }) = (self.base, &mut self.ahead);
        names.clear();
        *next = 0;
        let (mut places, mut last) = (Vec::with_capacity(LOOKUPS_AHEAD), None);
        for (database, key, members) in wanted {
            if members.is_empty() {
                let name = base.name(key);
                places.push((name.hash(), Place::Keys(database)));
                names.push(name);
                continue;
            }
            let set = match last {
                Some((place, set)) if place == (database, key) => set,
                _ => {
                    base.get(database, key).and_then(|key| key.value.as_set()).map(|container| &container.set)
                }
            };
            last = Some(((database, key), set));
            for member in members.iter().take(LOOKUPS_AHEAD.saturating_sub(names.len())) {
                let name = base.name(member);
                places.extend(set.map(|set| (name.hash(), Place::Members(set))));
                names.push(name);
            }
        }
        for step in Fetch::INSERTION {
            for &(hash, place) in &places {
                match place {
                    Place::Keys(database) => base.table(database).fetch(hash, step),
                    Place::Members(set) => set.fetch(hash, step),
                }
            }
        }
    }

    /// The time of the stage, in milliseconds since 1970.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        self.now_ms
    }

    /// What a command behind the batch's writes reads.
    #[must_use]
    pub fn view(&self) -> View<'_> {
        View::staged(self.base, &self.databases, self.now_ms)
    }

    /// The keyspace below.
    #[must_use]
    pub fn base(&self) -> &'a Keyspace {
        self.base
    }

    /// What has changed so far.
    #[must_use]
    pub fn changes(&self) -> &Changes {
        &self.changes
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

    /// Has `key` hold a string until `expiry`, whatever it holds so far. If that has passed, the key is gone.
    pub fn set_string(&mut self, database: u8, key: &Bytes, value: Bytes, expiry: Expiry) {
        if expiry.is_due(self.now_ms) {
            if !self.remove_key(database, key) {
                // It was there for no time at all: for those who watch it, that is a change.
                let key = key.clone();
                self.changes.effects.push(Effect::KeyRemoved { database, container: None, key });
            }
            return;
        }
        self.changes.copied_bytes += value.len();
        self.hold(database, key, Held { expiry, value: StagedValue::String(value.clone()) });
        self.changes.effects.push(Effect::StringSet { database, key: key.clone(), value, expiry });
    }

    /// Has `key`, if it is there, end then; it is gone, if that has passed.
    pub fn set_expiry(&mut self, database: u8, key: &Bytes, expiry: Expiry) {
        if expiry.is_due(self.now_ms) {
            self.remove_key(database, key);
            return;
        }
        if let Some(held) = &mut self.key(database, key).0.held {
            held.expiry = expiry;
            self.changes.effects.push(Effect::KeyExpiry { database, key: key.clone(), expiry });
        }
    }

    /// Gives what is at `from`, if there is something, another key, or one in another database, where nothing is
    /// left of what is there.
    pub fn move_key(&mut self, (from_database, from): (u8, &Bytes), (database, key): (u8, &Bytes)) {
        let (staged, len) = self.key(from_database, from);
        let Some(held) = staged.held.take() else { return };
        *len -= 1;
        let expiry = held.expiry;
        let container = held.container();
        let string = match &held.value {
            StagedValue::Unchanged(string) => Bytes::copy_from_slice(string),
            StagedValue::String(string) => string.clone(),
            StagedValue::Set(_) => Bytes::new(),
        };
        self.changes.copied_bytes += string.len();
        self.hold(database, key, held);
        let (from, key) = (from.clone(), key.clone());
        match container {
            Some(container) => {
                self.changes.effects.push(Effect::SetMoved {
                    from_database,
                    from,
                    database,
                    container,
                    key,
                    expiry,
                });
            }
            None => self.changes.effects.extend([
                Effect::StringSet { database, key, value: string, expiry },
                Effect::KeyRemoved { database: from_database, container, key: from },
            ]),
        }
    }

    /// Has those of `members` end at `expiry` of which `may` says so, told when they end so far or that they are not
    /// there. Those that are not there are added, to a set that is created if need be; those that end by now are
    /// removed. Returns how many were added.
    ///
    /// # Errors
    ///
    /// If `key` holds something other than a set.
    pub fn put_members(
        &mut self,
        database: u8,
        key: &Bytes,
        members: &[Bytes],
        expiry: Expiry,
        may: impl Fn(Option<Expiry>) -> bool,
    ) -> Result<usize, WrongType> {
        let Self { base, now_ms, databases, next_container, changes, ahead } = self;
        let (base, now_ms) = (*base, *now_ms);
        let StagedDatabase { base: below, keys, len } = database_of(base, databases, database, now_ms);
        let held = &mut key_of(base, keys, *below, (key, &ahead.name(base, key)), now_ms).held;
        let mut added = 0;
        let is_past = expiry.is_due(now_ms);
        for member in members {
            let set = held.as_mut().map(Held::as_set).transpose()?;
            let name = ahead.name(base, member);
            let before = set.as_ref().and_then(|set| set.expiry_of(&name, now_ms));
            if before == Some(expiry) || !may(before) {
                continue;
            }
            let set = match set {
                Some(set) => set,
                None if is_past => continue,
                None => create_set(held, database, key, next_container, changes, len),
            };
            if set.change(name.hash(), member, before, (!is_past).then_some(expiry)) {
                let container = set.container;
                let (key, member) = (key.clone(), member.clone());
                changes.effects.push(if is_past {
                    Effect::MemberRemoved { database, container, key, member }
                } else {
                    Effect::MemberSet { database, container, key, member, expiry }
                });
                added += usize::from(before.is_none());
            }
        }
        if is_past {
            self.remove_if_empty(database, key);
        }
        Ok(added)
    }

    /// Has `key` hold a new set of these members until `until`, whatever it holds so far; without members it is gone.
    pub fn replace_set(&mut self, database: u8, key: &Bytes, members: &[(Bytes, Expiry)], until: Expiry) {
        self.remove_key(database, key);
        for (member, expiry) in members {
            self.changes.copied_bytes += member.len();
            let added = self.put_members(database, key, std::slice::from_ref(member), *expiry, |_| true);
            debug_assert!(added.is_ok(), "nothing is left of what was there");
        }
        if until != Expiry::NEVER {
            self.set_expiry(database, key, until);
        }
    }

    /// Takes `members` out of the set at `key`; without members left, the key goes too. Returns how many
    /// there were.
    ///
    /// # Errors
    ///
    /// If `key` holds something other than a set.
    pub fn remove_members(
        &mut self,
        database: u8,
        key: &Bytes,
        members: &[Bytes],
    ) -> Result<usize, WrongType> {
        let Self { base, now_ms, databases, changes, ahead, .. } = self;
        let (base, now_ms) = (*base, *now_ms);
        let StagedDatabase { base: below, keys, .. } = database_of(base, databases, database, now_ms);
        let staged = key_of(base, keys, *below, (key, &ahead.name(base, key)), now_ms);
        let Some(held) = &mut staged.held else { return Ok(0) };
        let set = held.as_set()?;
        let before = changes.effects.len();
        for member in members {
            let name = ahead.name(base, member);
            let expiry = set.expiry_of(&name, now_ms);
            if set.change(name.hash(), member, expiry, None) {
                changes.effects.push(Effect::MemberRemoved {
                    database,
                    container: set.container,
                    key: key.clone(),
                    member: member.clone(),
                });
            }
        }
        let removed = changes.effects.len() - before;
        self.remove_if_empty(database, key);
        Ok(removed)
    }

    /// Removes `key`. Returns whether it was there.
    pub fn remove_key(&mut self, database: u8, key: &Bytes) -> bool {
        let (staged, len) = self.key(database, key);
        let Some(held) = staged.held.take() else { return false };
        *len -= 1;
        let container = held.container();
        self.changes.effects.push(Effect::KeyRemoved { database, container, key: key.clone() });
        true
    }

    /// Removes all keys of a database.
    pub fn flush(&mut self, database: u8) {
        let staged = database_of(self.base, &mut self.databases, database, self.now_ms);
        // What has ended is flushed along: nobody knows whether the clock is right.
        if staged.len > 0 || staged.base.is_some_and(|base| self.base.len_at(base, 0) > 0) {
            *staged = StagedDatabase { base: None, keys: HashTable::new(), len: 0 };
            self.changes.effects.push(Effect::DatabaseFlushed { database });
        }
    }

    /// Gives each of two databases the other's keys.
    pub fn swap(&mut self, first: u8, second: u8) {
        for database in [first, second] {
            database_of(self.base, &mut self.databases, database, self.now_ms);
        }
        self.databases.swap(usize::from(first), usize::from(second));
        self.changes.effects.push(Effect::DatabasesSwapped { first, second });
    }

    /// The key among those that changed, and the number of keys in its database.
    fn key(&mut self, database: u8, name: &Bytes) -> (&mut StagedKey<'a>, &mut usize) {
        let Self { base, now_ms, databases, ahead, .. } = self;
        let StagedDatabase { base: below, keys, len } = database_of(base, databases, database, *now_ms);
        (key_of(base, keys, *below, (name, &ahead.name(base, name)), *now_ms), len)
    }

    /// Puts something at a key. A set that is there is gone.
    fn hold(&mut self, database: u8, key: &Bytes, held: Held<'a>) {
        let (staged, len) = self.key(database, key);
        let before = staged.held.replace(held);
        if before.is_none() {
            *len += 1;
            self.changes.creations.push(self.changes.effects.len());
        }
        let before = before.as_ref().map(Held::container);
        if let Some(container @ Some(_)) = before {
            self.changes.effects.push(Effect::KeyRemoved { database, container, key: key.clone() });
        }
    }

    fn remove_if_empty(&mut self, database: u8, key: &Bytes) {
        let is_empty = |held: &Held<'_>| matches!(&held.value, StagedValue::Set(StagedSet { len: 0, .. }));
        if self.key(database, key).0.held.as_ref().is_some_and(is_empty) {
            self.remove_key(database, key);
        }
    }
}

fn create_set<'s, 'a>(
    held: &'s mut Option<Held<'a>>,
    database: u8,
    key: &Bytes,
    next_container: &mut ContainerId,
    changes: &mut Changes,
    keys_len: &mut usize,
) -> &'s mut StagedSet<'a> {
    let container = *next_container;
    next_container.0 += 1;
    *keys_len += 1;
    let expiry = Expiry::NEVER;
    changes.creations.push(changes.effects.len());
    changes.effects.push(Effect::SetCreated { database, container, key: key.clone(), expiry });
    let set = StagedSet { container, base: None, members: HashTable::new(), len: 0 };
    match &mut held.insert(Held { expiry, value: StagedValue::Set(set) }).value {
        StagedValue::Set(set) => set,
        StagedValue::Unchanged(_) | StagedValue::String(_) => unreachable!("it was made a set right here"),
    }
}

fn database_of<'s, 'a>(
    base: &'a Keyspace,
    databases: &'s mut [Option<StagedDatabase<'a>>],
    database: u8,
    now_ms: i64,
) -> &'s mut StagedDatabase<'a> {
    databases[usize::from(database)].get_or_insert_with(|| StagedDatabase {
        base: Some(database),
        keys: HashTable::new(),
        len: base.len_at(database, now_ms),
    })
}

/// The key among those that changed; it is taken there, as it is, if it isn't one yet.
fn key_of<'s, 'a>(
    base: &'a Keyspace,
    keys: &'s mut HashTable<StagedKey<'a>>,
    below: Option<u8>,
    (name, packed): (&Bytes, &Name<'_>),
    now_ms: i64,
) -> &'s mut StagedKey<'a> {
    let hash = packed.hash();
    let entry = keys.entry(hash, |key| key.name == *name, |key| key.hash);
    let unchanged = || {
        let found = below.and_then(|database| base.find(database, packed)).filter(|key| key.is_live(now_ms));
        StagedKey { hash, name: name.clone(), held: found.map(|key| Held::unchanged(key, now_ms)) }
    };
    entry.or_insert_with(unchanged).into_mut()
}

impl<'a> StagedDatabase<'a> {
    pub(super) fn get(&self, name: &Name<'_>) -> Option<&StagedKey<'a>> {
        self.keys.find(name.hash(), |key| *key.name == *name.text())
    }

    /// The keys that changed and are there.
    pub(super) fn present(&self) -> impl Iterator<Item = &StagedKey<'a>> {
        self.keys.iter().filter(|key| key.held.is_some())
    }
}

impl<'a> Held<'a> {
    fn unchanged(key: &'a Key, now_ms: i64) -> Self {
        let value = match key.value.view() {
            StringOrSet::String(string) => StagedValue::Unchanged(string),
            StringOrSet::Set(container) => StagedValue::Set(StagedSet {
                container: container.id,
                base: Some(&container.set),
                members: HashTable::new(),
                len: container.set.len_at(now_ms),
            }),
        };
        Self { expiry: key.expiry(), value }
    }

    fn as_set(&mut self) -> Result<&mut StagedSet<'a>, WrongType> {
        match &mut self.value {
            StagedValue::Set(set) => Ok(set),
            StagedValue::Unchanged(_) | StagedValue::String(_) => Err(WrongType),
        }
    }

    fn container(&self) -> Option<ContainerId> {
        match &self.value {
            StagedValue::Set(set) => Some(set.container),
            StagedValue::Unchanged(_) | StagedValue::String(_) => None,
        }
    }
}

impl StagedSet<'_> {
    pub(super) fn get(&self, member: &Name<'_>) -> Option<&StagedMember> {
        self.members.find(member.hash(), |staged| *staged.name == *member.text())
    }

    /// When a member ends; none, if it is not there.
    pub(super) fn expiry_of(&self, member: &Name<'_>, now_ms: i64) -> Option<Expiry> {
        match self.get(member) {
            Some(staged) => staged.expiry,
            None => self.base?.expiry_of(member).filter(|expiry| !expiry.is_due(now_ms)),
        }
    }

    /// The members that changed and are there.
    pub(super) fn present(&self) -> impl Iterator<Item = (&Bytes, Expiry)> {
        self.members.iter().filter_map(|staged| Some((&staged.name, staged.expiry?)))
    }

    /// Has a member end then, or not be there. Returns whether that is a change.
    fn change(&mut self, hash: u64, member: &Bytes, before: Option<Expiry>, after: Option<Expiry>) -> bool {
        if before == after {
            return false;
        }
        self.members
            .entry(hash, |staged| staged.name == *member, |staged| staged.hash)
            .and_modify(|staged| staged.expiry = after)
            .or_insert_with(|| StagedMember { hash, name: member.clone(), expiry: after });
        self.len = self.len + usize::from(after.is_some()) - usize::from(before.is_some());
        true
    }
}

/// Whether an entry with this hash belongs into a walk's step over these positions.
pub(super) fn is_in_step(hash: u64, step: &Range<u64>) -> bool {
    step.contains(&super::table::position(hash))
}
