//! What a row of the journal says: effects as columns, and columns as effects.
//!
//! `schema.sql` beside this file is the format. Rows are read in order, but their head may be missing, since compaction
//! ([`super::compaction`]) takes it away once what it says is said again further on. So a row may speak of what no row
//! before it has said: of a member of a set that stands at no key yet. Such a set is kept *unplaced* until a row gives it
//! a key; one that never gets one had been removed.

use ahash::AHashMap;
use bytes::Bytes;
use rusqlite::Row;
use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};

use super::checksum::{Checksum, Summing};
use crate::effect::{ContainerId, Effect};
use crate::expiry::Expiry;
use crate::limits::DATABASES;
use crate::store::{ROW_BYTES, Text, UNPLACED, UUID_BYTES, UuidMember, pack_uuid};

pub(super) const MEMBER_SET: i64 = 1;
const MEMBER_REMOVED: i64 = 2;
pub(super) const SET_AT_KEY: i64 = 3;
pub(super) const KEY_REMOVED: i64 = 4;
pub(super) const DATABASE_FLUSHED: i64 = 5;
const TIME: i64 = 6;
pub(super) const STRING_AT_KEY: i64 = 7;
pub(super) const KEY_ENDS: i64 = 8;
pub(super) const DATABASE_RENUMBERED: i64 = 9;

/// What is added to an effect that was so before, and is only said again.
const RESTATED: i64 = 10;

/// What is added where the name (the member in a member's rows, the key in others) is a UUID, as its 16 bytes.
const PACKED: i64 = 20;

/// Rows that one effect takes at most.
const EFFECT_ROWS: usize = 2;

/// In which space each database has its keys. SWAPDB changes that, and leaves the keys' rows as they are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spaces([u8; DATABASES as usize]);

impl Default for Spaces {
    fn default() -> Self {
        Self(std::array::from_fn(|database| database as u8))
    }
}

impl Spaces {
    fn of(&self, database: u8) -> u8 {
        self.0[usize::from(database)]
    }

    /// The database whose keys are those of a space.
    pub(super) fn database_of(&self, space: i64) -> Option<u8> {
        (0..DATABASES).find(|&database| i64::from(self.of(database)) == space)
    }

    fn swap(&mut self, first: u8, second: u8) {
        self.0.swap(usize::from(first), usize::from(second));
    }

    /// Rows that say all of this, whatever was said before.
    pub(super) fn restated(&self) -> impl Iterator<Item = Columns<'static>> {
        (0..DATABASES).map(|database| Columns {
            space: Some(self.of(database).into()),
            container: Some(database.into()),
            ..Columns::new(DATABASE_RENUMBERED + RESTATED)
        })
    }
}

/// The values of a row, but for its sequence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Columns<'a> {
    pub(super) effect: i64,
    pub(super) space: Option<i64>,
    pub(super) container: Option<i64>,
    pub(super) key: Option<Content<'a>>,
    pub(super) value: Option<Content<'a>>,
    pub(super) time_ms: Option<i64>,
}

/// What stands in the column of a key or a value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Content<'a> {
    /// Where people can read it as text.
    Text(&'a [u8]),
    /// Where not.
    Blob(&'a [u8]),
    /// The text of a UUID, as its bytes.
    Uuid([u8; UUID_BYTES]),
}

impl<'a> Content<'a> {
    /// SQLite's own text functions end at a zero byte. The same bytes always give the same type, so that the views may
    /// compare them.
    fn of(bytes: &'a [u8]) -> Self {
        let is_text = std::str::from_utf8(bytes).is_ok() && !bytes.contains(&0);
        if is_text { Self::Text(bytes) } else { Self::Blob(bytes) }
    }

    /// The same of the name of a key or a member.
    fn name(bytes: &'a [u8]) -> Self {
        pack_uuid(bytes).map_or_else(|| Self::of(bytes), Self::Uuid)
    }

    /// A name of which the row says that it is packed.
    fn packed(self) -> Result<Self, String> {
        match self {
            Self::Blob(bytes) => bytes.try_into().map(Self::Uuid).ok(),
            Self::Text(_) | Self::Uuid(_) => None,
        }
        .ok_or_else(|| "its name is no UUID".into())
    }

    /// As it stands in the file.
    pub(super) fn stored(&self) -> &[u8] {
        match self {
            Self::Text(bytes) | Self::Blob(bytes) => bytes,
            Self::Uuid(packed) => packed,
        }
    }

    /// As it was given.
    fn given(self) -> Text<'a> {
        match self {
            Self::Text(bytes) | Self::Blob(bytes) => Text::plain(bytes),
            Self::Uuid(packed) => Text::uuid(&packed),
        }
    }
}

impl ToSql for Content<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let stored = self.stored();
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Text(_) => ValueRef::Text(stored),
            Self::Blob(_) | Self::Uuid(_) => ValueRef::Blob(stored),
        }))
    }
}

impl<'a> Columns<'a> {
    fn new(effect: i64) -> Self {
        Self { effect, space: None, container: None, key: None, value: None, time_ms: None }
    }

    /// What follows was written at this time; what stands before it, from the last such row on, has this checksum.
    pub(super) fn time(time_ms: i64, checksum: Checksum) -> Self {
        Self { time_ms: Some(time_ms), container: Some(checksum.into()), ..Self::new(TIME) }
    }

    /// The rows of an effect. `spaces` follows it.
    pub(super) fn of(effect: &'a Effect<Bytes>, spaces: &mut Spaces) -> [Option<Self>; EFFECT_ROWS] {
        let row =
            |effect, database: &u8| Self { space: Some(spaces.of(*database).into()), ..Self::new(effect) };
        let id = |container: &ContainerId| Some(container.0 as i64);
        let row = match effect {
            Effect::MemberSet { database, container, key: _, member, expiry } => Self {
                container: id(container),
                value: Some(Content::name(member)),
                time_ms: expiry.ms(),
                ..row(MEMBER_SET, database)
            },
            Effect::MemberRemoved { database, container, key: _, member } => Self {
                container: id(container),
                value: Some(Content::name(member)),
                ..row(MEMBER_REMOVED, database)
            },
            Effect::SetCreated { database, container, key, expiry }
            | Effect::SetMoved { database, container, key, expiry, .. } => Self {
                container: id(container),
                key: Some(Content::name(key)),
                time_ms: expiry.ms(),
                ..row(SET_AT_KEY, database)
            },
            Effect::StringSet { database, key, value: string, expiry } => Self {
                key: Some(Content::name(key)),
                value: Some(Content::of(string)),
                time_ms: expiry.ms(),
                ..row(STRING_AT_KEY, database)
            },
            Effect::KeyExpiry { database, key, expiry } => {
                Self { key: Some(Content::name(key)), time_ms: expiry.ms(), ..row(KEY_ENDS, database) }
            }
            Effect::KeyRemoved { database, container, key } => Self {
                container: container.as_ref().and_then(id),
                key: Some(Content::name(key)),
                ..row(KEY_REMOVED, database)
            },
            Effect::DatabaseFlushed { database } => row(DATABASE_FLUSHED, database),
            Effect::DatabasesSwapped { first, second } => {
                spaces.swap(*first, *second);
                let renumbered = |database: u8| Self {
                    space: Some(spaces.of(database).into()),
                    container: Some(database.into()),
                    ..Self::new(DATABASE_RENUMBERED)
                };
                return [first, second].map(|database| Some(renumbered(*database)));
            }
        };
        let left_behind = match effect {
            Effect::SetMoved { from_database, from, .. } => {
                let space = Some(spaces.of(*from_database).into());
                Some(Self { space, key: Some(Content::name(from)), ..Self::new(KEY_REMOVED) })
            }
            _ => None,
        };
        [Some(row), left_behind]
    }

    /// What it takes in the file, about.
    pub(super) fn bytes(&self) -> u64 {
        let length = |content: &Option<Content<'_>>| content.map_or(0, |content| content.stored().len());
        (ROW_BYTES + length(&self.key) + length(&self.value)) as u64
    }

    /// The same, as something that was so before.
    pub(super) fn restated(self) -> Self {
        Self { effect: self.effect + RESTATED, ..self }
    }

    /// The row's sequence, and the rest of it.
    pub(super) fn read(row: &'a Row<'_>) -> Result<(i64, Self), String> {
        Self::of_values(|column| row.get_ref(column))
    }

    /// The same of the values of its columns, in the order of the table.
    #[inline]
    pub(super) fn of_values(
        value: impl Fn(usize) -> rusqlite::Result<ValueRef<'a>>,
    ) -> Result<(i64, Self), String> {
        let value = |column| value(column).map_err(|error| error.to_string());
        let number = |column| number(column, value(column)?);
        let content = |column| content(column, value(column)?);
        let sequence = number(0)?.ok_or("it has no sequence")?;
        let columns = Self {
            effect: number(1)?.ok_or("it has no effect")?,
            space: number(2)?,
            container: number(3)?,
            key: content(4)?,
            value: content(5)?,
            time_ms: number(6)?,
        };
        Ok((sequence, if columns.effect > PACKED { columns.packed()? } else { columns }))
    }

    /// The effect as its column has it: with it stands whether the name is packed.
    pub(super) fn effect_and_form(&self) -> i64 {
        let is_packed = |content| matches!(content, Some(Content::Uuid(_)));
        self.effect + if is_packed(self.key) || is_packed(self.value) { PACKED } else { 0 }
    }

    /// What a row with such an effect says.
    fn packed(self) -> Result<Self, String> {
        let effect = self.effect - PACKED;
        Ok(match kind(effect) {
            MEMBER_SET | MEMBER_REMOVED => {
                Self { effect, value: self.value.map(Content::packed).transpose()?, ..self }
            }
            SET_AT_KEY | KEY_REMOVED | STRING_AT_KEY | KEY_ENDS => {
                Self { effect, key: self.key.map(Content::packed).transpose()?, ..self }
            }
            _ => return Err(format!("there is no effect {}", self.effect)),
        })
    }

    /// Whether a time begins here, and with it a group of rows.
    pub(super) fn is_time(&self) -> bool {
        self.effect == TIME
    }

    /// What it says there is: an effect of its kind that was so when the row was written.
    pub(super) fn says(&self) -> Result<Said<'a>, String> {
        Ok(match kind(self.effect) {
            MEMBER_SET => Said::Member { container: self.container()?, member: self.value()? },
            SET_AT_KEY => {
                self.space()?;
                Said::Set { container: self.container()?, key: self.key()? }
            }
            STRING_AT_KEY => {
                self.space()?;
                Said::String { key: self.key()? }
            }
            DATABASE_RENUMBERED => Said::Renumbered,
            _ => Said::Gone,
        })
    }

    pub(super) fn space(&self) -> Result<i64, String> {
        self.space.ok_or_else(|| "it has no space".into())
    }

    pub(super) fn container(&self) -> Result<ContainerId, String> {
        let id = self.container.ok_or("it has no container")?;
        u64::try_from(id).map(ContainerId).map_err(|_| format!("{id} is no container"))
    }

    pub(super) fn key(&self) -> Result<Text<'a>, String> {
        self.key.map(Content::given).ok_or_else(|| "it has no key".into())
    }

    pub(super) fn value(&self) -> Result<Text<'a>, String> {
        self.content().map(Content::given)
    }

    fn content(&self) -> Result<Content<'a>, String> {
        self.value.ok_or_else(|| "it has no value".into())
    }

    pub(super) fn expiry(&self) -> Expiry {
        self.time_ms.map_or(Expiry::NEVER, Expiry::at_ms)
    }
}

/// What an effect does, whether or not it was so before.
pub(super) fn kind(effect: i64) -> i64 {
    if effect > RESTATED { effect - RESTATED } else { effect }
}

/// What a row says there is, by the name that the store knows it by.
#[derive(Debug, Clone, Copy)]
pub(super) enum Said<'a> {
    /// A member of a set.
    Member { container: ContainerId, member: Text<'a> },
    /// A set at a key.
    Set { container: ContainerId, key: Text<'a> },
    /// A string at a key.
    String { key: Text<'a> },
    /// Databases with other numbers than those of their spaces.
    Renumbered,
    /// Nothing that is there: what it took away is not said any more where it is the first row.
    Gone,
}

fn number(column: usize, value: ValueRef<'_>) -> Result<Option<i64>, String> {
    match value {
        ValueRef::Integer(number) => Ok(Some(number)),
        ValueRef::Null => Ok(None),
        other => Err(format!("column {column} is {}, not a number", other.data_type())),
    }
}

fn content(column: usize, value: ValueRef<'_>) -> Result<Option<Content<'_>>, String> {
    Ok(match value {
        ValueRef::Null => None,
        ValueRef::Text(bytes) => Some(Content::Text(bytes)),
        ValueRef::Blob(bytes) => Some(Content::Blob(bytes)),
        other => return Err(format!("column {column} is {}, not text or a blob", other.data_type())),
    })
}

/// What a row says, as the replay is told.
#[derive(Debug, PartialEq)]
pub(super) enum Entry<B> {
    /// What follows was written at this time.
    Time(i64),
    /// What changed.
    Effect(Effect<B>),
    /// The same, where a UUID became a member: what most rows say is handed on as it stands there.
    Uuid(UuidMember<B>),
}

impl<B> Entry<B> {
    /// The same, with its bytes in other hands.
    pub(super) fn map<'a, C>(&'a self, mut hold: impl FnMut(&'a B) -> C) -> Entry<C> {
        match self {
            Self::Time(time_ms) => Entry::Time(*time_ms),
            Self::Effect(effect) => Entry::Effect(effect.map(hold)),
            Self::Uuid(UuidMember { database, container, key, uuid, expiry }) => Entry::Uuid(UuidMember {
                database: *database,
                container: *container,
                key: hold(key),
                uuid: *uuid,
                expiry: *expiry,
            }),
        }
    }
}

impl Entry<&[u8]> {
    /// What it takes in memory.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Time(_) => size_of::<Self>(),
            Self::Effect(effect) => effect.bytes(),
            Self::Uuid(member) => size_of::<Self>() + member.key.len(),
        }
    }
}

/// Reads rows one behind the other, and remembers what that needs.
#[derive(Default)]
pub(super) struct Reader {
    first_sequence: Option<i64>,
    last_sequence: Option<i64>,
    /// Of the rows since the last time, that one included.
    checksum: Summing,
    rows_since_time: usize,
    spaces: Spaces,
    /// The key that each living container stands at, by space; behind these the unplaced ones.
    keys: [AHashMap<ContainerId, Box<[u8]>>; DATABASES as usize + 1],
    /// Where the container of the row at hand stood before it.
    moved_from: Box<[u8]>,
    /// The greatest id that any row names.
    last_container: ContainerId,
}

/// What one row makes the replay do.
type Outcome = Result<(), String>;

impl Reader {
    /// The sequence of the first row; none, if there was no row.
    pub(super) fn first_sequence(&self) -> Option<i64> {
        self.first_sequence
    }

    /// The sequence of the last row; none, if there was no row.
    pub(super) fn last_sequence(&self) -> Option<i64> {
        self.last_sequence
    }

    /// How many rows there were.
    pub(super) fn rows_read(&self) -> u64 {
        let span = self.first_sequence.zip(self.last_sequence);
        span.map_or(0, |(first, last)| (last - first + 1) as u64)
    }

    /// The checksum of the rows since the last time.
    pub(super) fn checksum(&self) -> Checksum {
        self.checksum.checksum()
    }

    /// How many rows stand behind the last time.
    pub(super) fn rows_since_time(&self) -> usize {
        self.rows_since_time
    }

    /// Which database has which space behind the last row.
    pub(super) fn spaces(&self) -> Spaces {
        self.spaces
    }

    /// The greatest id that any row names: it may have been given to a set that is gone, of which there still are rows.
    pub(super) fn last_container(&self) -> ContainerId {
        self.last_container
    }

    /// Reads the next row, and has `apply` do what it says.
    pub(super) fn read(
        &mut self,
        sequence: i64,
        row: &Columns<'_>,
        apply: &mut impl FnMut(Entry<&[u8]>) -> Outcome,
    ) -> Outcome {
        let is_first = self.last_sequence.is_none();
        self.follow(sequence)?;
        if row.is_time() {
            return self.begin_group(sequence, row, is_first, apply);
        }
        if is_first {
            return Err("rows before it are missing".into());
        }
        self.checksum.add(sequence, row);
        self.rows_since_time += 1;
        self.apply(row, apply)
    }

    /// Goes on to the row at this place. A gap means that rows were lost.
    fn follow(&mut self, sequence: i64) -> Outcome {
        let expected = self.last_sequence.map_or(sequence.clamp(1, i64::MAX - 1), |last| last + 1);
        if sequence != expected {
            return Err(format!("row {expected} is expected there"));
        }
        self.first_sequence.get_or_insert(sequence);
        self.last_sequence = Some(sequence);
        Ok(())
    }

    /// A time: the rows before it are complete. What stood before the first one is gone, and can't be compared.
    fn begin_group(
        &mut self,
        sequence: i64,
        row: &Columns<'_>,
        is_first: bool,
        apply: &mut impl FnMut(Entry<&[u8]>) -> Outcome,
    ) -> Outcome {
        if !is_first && row.container != Some(self.checksum.checksum().into()) {
            return Err("what stands between it and the time before it is not what was written there".into());
        }
        self.checksum.clear();
        self.checksum.add(sequence, row);
        self.rows_since_time = 0;
        apply(Entry::Time(row.time_ms.ok_or("it has no time")?))
    }

    fn apply(&mut self, row: &Columns<'_>, apply: &mut impl FnMut(Entry<&[u8]>) -> Outcome) -> Outcome {
        let space = row.space()?;
        let database = self.spaces.database_of(space).ok_or_else(|| format!("there is no space {space}"))?;
        match kind(row.effect) {
            MEMBER_SET => self.member(space, database, row, true, apply),
            MEMBER_REMOVED => self.member(space, database, row, false, apply),
            SET_AT_KEY => self.place(space as u8, database, row, apply),
            DATABASE_RENUMBERED => self.renumber(database, row.container.ok_or("it has no database")?, apply),
            STRING_AT_KEY => apply(Entry::Effect(Effect::StringSet {
                database,
                key: &row.key()?,
                value: &row.value()?,
                expiry: row.expiry(),
            })),
            KEY_ENDS => {
                apply(Entry::Effect(Effect::KeyExpiry { database, key: &row.key()?, expiry: row.expiry() }))
            }
            KEY_REMOVED => {
                let container = row.container.map(|_| row.container()).transpose()?;
                if let Some(container) = container {
                    self.note(container);
                    self.keys[space as usize].remove(&container);
                }
                apply(Entry::Effect(Effect::KeyRemoved { database, container, key: &row.key()? }))
            }
            DATABASE_FLUSHED => {
                self.keys[space as usize].clear();
                apply(Entry::Effect(Effect::DatabaseFlushed { database }))
            }
            unknown => Err(format!("there is no effect {unknown}")),
        }
    }

    fn note(&mut self, container: ContainerId) {
        self.last_container = self.last_container.max(container);
    }

    fn member(
        &mut self,
        space: i64,
        database: u8,
        row: &Columns<'_>,
        is_set: bool,
        apply: &mut impl FnMut(Entry<&[u8]>) -> Outcome,
    ) -> Outcome {
        let (container, member, expiry) = (row.container()?, row.content()?, row.expiry());
        self.note(container);
        let say = |database, key: &[u8], apply: &mut dyn FnMut(Entry<&[u8]>) -> Outcome| {
            if let (Content::Uuid(uuid), true) = (member, is_set) {
                return apply(Entry::Uuid(UuidMember { database, container, key, uuid, expiry }));
            }
            let member = &*member.given();
            apply(Entry::Effect(if is_set {
                Effect::MemberSet { database, container, key, member, expiry }
            } else {
                Effect::MemberRemoved { database, container, key, member }
            }))
        };
        if let Some(key) = self.keys[space as usize].get(&container) {
            return say(database, key, apply);
        }
        if !self.keys[usize::from(UNPLACED)].contains_key(&container) {
            // Its key is said further on, or it is gone.
            if !is_set {
                return Ok(());
            }
            self.keep_unplaced(container, apply)?;
        }
        say(UNPLACED, &self.keys[usize::from(UNPLACED)][&container], apply)
    }

    /// A container of which no key is known.
    fn keep_unplaced(
        &mut self,
        container: ContainerId,
        apply: &mut impl FnMut(Entry<&[u8]>) -> Outcome,
    ) -> Outcome {
        let key: Box<[u8]> = container.0.to_le_bytes().into();
        let (database, expiry) = (UNPLACED, Expiry::NEVER);
        apply(Entry::Effect(Effect::SetCreated { database, container, key: &key, expiry }))?;
        self.keys[usize::from(UNPLACED)].insert(container, key);
        Ok(())
    }

    /// A container at a key: it is new, it has stood at another key so far or at none, or at this one all along.
    fn place(
        &mut self,
        space: u8,
        database: u8,
        row: &Columns<'_>,
        apply: &mut impl FnMut(Entry<&[u8]>) -> Outcome,
    ) -> Outcome {
        let (container, key, expiry) = (row.container()?, &*row.key()?, row.expiry());
        self.note(container);
        let is_there = |space: &u8| self.keys[usize::from(*space)].contains_key(&container);
        let before = std::iter::once(space).chain(0..=UNPLACED).find(is_there);
        let before = before.and_then(|at| Some((at, self.keys[usize::from(at)].remove(&container)?)));
        self.keys[usize::from(space)].insert(container, key.into());
        apply(Entry::Effect(match before {
            None => Effect::SetCreated { database, container, key, expiry },
            Some((at, from)) if at == space && *from == *key => Effect::KeyExpiry { database, key, expiry },
            Some((at, from)) => {
                let no_space = || format!("there is no space {at}");
                let placed = || self.spaces.database_of(at.into()).ok_or_else(no_space);
                let from_database = if at == UNPLACED { UNPLACED } else { placed()? };
                self.moved_from = from;
                Effect::SetMoved { from_database, from: &self.moved_from, database, container, key, expiry }
            }
        }))
    }

    /// A database has the keys of this space. Of the two rows that SWAPDB leaves the first swaps, and the second says what
    /// is so by then.
    fn renumber(
        &mut self,
        at_space: u8,
        database: i64,
        apply: &mut impl FnMut(Entry<&[u8]>) -> Outcome,
    ) -> Outcome {
        let database = u8::try_from(database).ok().filter(|&database| database < DATABASES);
        let database = database.ok_or("there is no such database")?;
        if database == at_space {
            return Ok(());
        }
        self.spaces.swap(database, at_space);
        apply(Entry::Effect(Effect::DatabasesSwapped { first: database, second: at_space }))
    }
}
