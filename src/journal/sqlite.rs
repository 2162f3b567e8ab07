//! The journal's file, and the only place that knows SQLite.
//!
//! A row for each effect, appended in transactions; `schema.sql` beside this file is the format. A file's header
//! is looked at before SQLite may touch it, and nothing is written to a file before all of it was replayed, so
//! that one that isn't ours, is newer than this program, or is damaged stays exactly as it was.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ahash::AHashMap;
use bytes::Bytes;
use rusqlite::config::DbConfig;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, MAIN_DB, OpenFlags, Row, ffi, params};

use super::error::{AppendError, OpenError};
use crate::effect::{ContainerId, Effect};
use crate::expiry::Expiry;
use crate::limits::{DATABASES, TIMESTAMP_ROWS};

/// `PRAGMA application_id`: "rvkd".
const APPLICATION_ID: u32 = 0x7276_6b64;

/// What leads from each version of the format to the next; the first, from an empty file. `PRAGMA
/// user_version` is the number of those that a file has behind it.
const MIGRATIONS: &[&str] = &[include_str!("schema.sql")];

/// How long a commit waits for another program that holds the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// What the write-ahead log is cut down to after a checkpoint, should it have grown larger.
const WAL_KEPT_BYTES: u32 = 64 * 1024 * 1024;

const INSERT: &str = "INSERT INTO journal (sequence, effect, space, container, key, value, time_ms) \
                      VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
const SELECT: &str =
    "SELECT sequence, effect, space, container, key, value, time_ms FROM journal ORDER BY sequence";

const MEMBER_SET: i64 = 1;
const MEMBER_REMOVED: i64 = 2;
const SET_AT_KEY: i64 = 3;
const KEY_REMOVED: i64 = 4;
const DATABASE_FLUSHED: i64 = 5;
const TIME: i64 = 6;
const STRING_AT_KEY: i64 = 7;
const KEY_ENDS: i64 = 8;
const DATABASE_RENUMBERED: i64 = 9;

/// Rows that one effect takes.
const EFFECT_ROWS: usize = 2;

/// When commits reach the disk itself: Redis's `appendfsync`. The stricter is the greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SyncPolicy {
    /// When the operating system sees fit.
    Never,
    /// Once in a second.
    EverySecond,
    /// Each before it is answered.
    Always,
}

/// The version of SQLite that is compiled in.
#[must_use]
pub fn sqlite_version() -> &'static str {
    rusqlite::version()
}

/// The open file. It stays locked against other daemons for as long as this lives.
#[derive(Debug)]
pub(super) struct JournalFile {
    connection: Connection,
    path: PathBuf,
    end: End,
    /// Held open for its lock; dropped last.
    _lock: File,
}

/// What must be known to append a row.
#[derive(Debug, Clone, Copy)]
struct End {
    next_sequence: i64,
    last_timestamp_ms: i64,
    rows_since_timestamp: usize,
    spaces: Spaces,
}

/// In which space each database has its keys. SWAPDB changes that, and leaves the keys' rows as they are.
#[derive(Debug, Clone, Copy)]
struct Spaces([u8; DATABASES as usize]);

impl Default for Spaces {
    fn default() -> Self {
        Self(std::array::from_fn(|database| database as u8))
    }
}

impl Spaces {
    fn of(&self, database: u8) -> u8 {
        self.0[usize::from(database)]
    }

    fn database_of(&self, space: i64) -> Option<u8> {
        (0..DATABASES).find(|&database| i64::from(self.of(database)) == space)
    }

    fn swap(&mut self, first: u8, second: u8) {
        self.0.swap(usize::from(first), usize::from(second));
    }
}

/// What a row says.
#[derive(Debug, PartialEq)]
pub(super) enum Entry<'a> {
    /// What follows was written at this time.
    Time(i64),
    /// What changed.
    Effect(Effect<&'a [u8]>),
    /// Nothing that the rows before it did not say.
    Nothing,
}

impl JournalFile {
    /// Opens the file, which is made if there is none. A file that can't be used is left untouched.
    pub(super) fn open(path: &Path, policy: SyncPolicy) -> Result<Self, OpenError> {
        let path = resolve(path)?;
        let lock = lock(&path)?;
        match inspect(&path)? {
            Found::Nothing => create(&path)?,
            Found::Journal => {}
        }
        let connection = connect(&path, policy)?;
        Ok(Self {
            connection,
            path,
            end: End {
                next_sequence: 1,
                last_timestamp_ms: 0,
                rows_since_timestamp: 0,
                spaces: Spaces::default(),
            },
            _lock: lock,
        })
    }

    /// How many rows [`JournalFile::replay`] will read.
    pub(super) fn rows(&self) -> Result<u64, OpenError> {
        let span = "SELECT coalesce(max(sequence) - min(sequence) + 1, 0) FROM journal";
        self.connection
            .query_row(span, [], |row| row.get::<_, i64>(0))
            .map(|rows| rows as u64)
            .map_err(|error| self.unreadable(&error))
    }

    /// Reads all rows in order. `apply` is told how many they are by then, and what the row says; what it refuses
    /// is damage.
    pub(super) fn replay(
        &mut self,
        mut apply: impl FnMut(u64, Entry<'_>) -> Result<(), String>,
    ) -> Result<(), OpenError> {
        let mut reader = Reader::default();
        let mut rows_read = 0;
        let read = |error: rusqlite::Error| self.unreadable(&error);
        let mut statement = self.connection.prepare(SELECT).map_err(read)?;
        let mut rows = statement.query([]).map_err(read)?;
        while let Some(row) = rows.next().map_err(read)? {
            let sequence: i64 = row.get(0).map_err(read)?;
            let damaged = |what| OpenError::Damaged {
                path: self.path.clone(),
                what: format!("row {sequence}: {what}"),
            };
            reader.follow(sequence).map_err(damaged)?;
            rows_read += 1;
            reader.read(row).and_then(|entry| apply(rows_read, entry)).map_err(damaged)?;
        }
        let last_sequence = reader.last_sequence.unwrap_or(0);
        drop(rows);
        drop(statement);
        self.end.next_sequence = last_sequence + 1;
        self.end.spaces = reader.spaces;
        // From here on the file is known to be sound, and may be written to.
        self.prepare_for_writing()
    }

    fn prepare_for_writing(&self) -> Result<(), OpenError> {
        let fail = |error: rusqlite::Error| self.unreadable(&error);
        self.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false).map_err(fail)?;
        let read = |row: &Row<'_>| row.get(0);
        let mode: String =
            self.connection.pragma_update_and_check(None, "journal_mode", "WAL", read).map_err(fail)?;
        if mode != "wal" {
            let what = format!("SQLite keeps its write-ahead log off (journal_mode {mode})");
            return Err(OpenError::Io { path: self.path.clone(), what });
        }
        self.connection
            .pragma_update_and_check(None, "journal_size_limit", WAL_KEPT_BYTES, |_| Ok(()))
            .map_err(fail)
    }

    /// Appends effects and commits them. Returns the number of rows written.
    pub(super) fn append(&mut self, effects: &[Effect<Bytes>], now_ms: i64) -> Result<u64, AppendError> {
        let before = self.end;
        let outcome = match self.insert_all(effects, now_ms) {
            Ok(()) => self.execute("COMMIT").map_err(|error| commit_error(&error)),
            Err(error) => Err(AppendError::NotWritten(describe(&error))),
        };
        if let Err(error) = outcome {
            self.end = before;
            self.roll_back();
            return Err(error);
        }
        Ok((self.end.next_sequence - before.next_sequence) as u64)
    }

    fn insert_all(&mut self, effects: &[Effect<Bytes>], now_ms: i64) -> rusqlite::Result<()> {
        self.execute("BEGIN IMMEDIATE")?;
        let Self { connection, end, .. } = self;
        let mut statement = connection.prepare_cached(INSERT)?;
        let mut insert = |sequence: &mut i64, row: Columns<'_>| -> rusqlite::Result<()> {
            let Columns { effect, space, container, key, value, time_ms } = row;
            statement.execute(params![*sequence, effect, space, container, key, value, time_ms])?;
            *sequence += 1;
            Ok(())
        };
        for effect in effects {
            if now_ms != end.last_timestamp_ms || end.rows_since_timestamp >= TIMESTAMP_ROWS {
                let time = Columns { time_ms: Some(now_ms), ..Columns::new(TIME) };
                insert(&mut end.next_sequence, time)?;
                end.last_timestamp_ms = now_ms;
                end.rows_since_timestamp = 0;
            }
            for row in Columns::of(effect, &mut end.spaces).into_iter().flatten() {
                insert(&mut end.next_sequence, row)?;
                end.rows_since_timestamp += 1;
            }
        }
        Ok(())
    }

    /// Copies the write-ahead log into the file, syncs it, and empties the log as far as
    /// readers allow. It waits for none of them: everybody who writes would wait with it.
    pub(super) fn checkpoint(&self) -> Result<(), String> {
        let outcome = self.copy_log().map_err(|error| describe(&error));
        self.connection.busy_timeout(BUSY_TIMEOUT).map_err(|error| describe(&error))?;
        if outcome? { Err("another program is reading the data file".into()) } else { Ok(()) }
    }

    /// Has commits follow this policy from now on.
    pub(super) fn set_policy(&self, policy: SyncPolicy) -> Result<(), String> {
        let synchronous = synchronous(policy);
        self.connection.pragma_update(None, "synchronous", synchronous).map_err(|error| describe(&error))
    }

    /// Returns whether a reader was in the way.
    fn copy_log(&self) -> rusqlite::Result<bool> {
        self.connection.busy_timeout(Duration::ZERO)?;
        self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))
    }

    /// The write-ahead log, for syncing it apart from commits.
    pub(super) fn open_wal(&self) -> Result<File, OpenError> {
        // SQLite makes the log of a file that had none when it first looks at the file.
        self.rows()?;
        let path = beside(&self.path, "-wal");
        OpenOptions::new().read(true).write(true).open(&path).map_err(|error| OpenError::io(&path, &error))
    }

    fn execute(&self, sql: &str) -> rusqlite::Result<usize> {
        self.connection.prepare_cached(sql)?.execute([])
    }

    fn roll_back(&self) {
        if !self.connection.is_autocommit()
            && let Err(error) = self.execute("ROLLBACK")
        {
            tracing::error!(%error, "rolling back failed");
        }
    }

    fn unreadable(&self, error: &rusqlite::Error) -> OpenError {
        unreadable(&self.path, error)
    }
}

/// The values of a row.
struct Columns<'a> {
    effect: i64,
    space: Option<u8>,
    container: Option<i64>,
    key: Option<ToSqlOutput<'a>>,
    value: Option<ToSqlOutput<'a>>,
    time_ms: Option<i64>,
}

impl<'a> Columns<'a> {
    fn new(effect: i64) -> Self {
        Self { effect, space: None, container: None, key: None, value: None, time_ms: None }
    }

    /// The rows of an effect.
    fn of(effect: &'a Effect<Bytes>, spaces: &mut Spaces) -> [Option<Self>; EFFECT_ROWS] {
        let row = |effect, database: &u8| Self { space: Some(spaces.of(*database)), ..Self::new(effect) };
        let id = |container: &ContainerId| Some(container.0 as i64);
        let row = match effect {
            Effect::MemberSet { database, container, key: _, member, expiry } => Self {
                container: id(container),
                value: Some(value(member)),
                time_ms: expiry.ms(),
                ..row(MEMBER_SET, database)
            },
            Effect::MemberRemoved { database, container, key: _, member } => {
                Self { container: id(container), value: Some(value(member)), ..row(MEMBER_REMOVED, database) }
            }
            Effect::SetCreated { database, container, key, expiry }
            | Effect::SetMoved { database, container, key, expiry, .. } => Self {
                container: id(container),
                key: Some(value(key)),
                time_ms: expiry.ms(),
                ..row(SET_AT_KEY, database)
            },
            Effect::StringSet { database, key, value: string, expiry } => Self {
                key: Some(value(key)),
                value: Some(value(string)),
                time_ms: expiry.ms(),
                ..row(STRING_AT_KEY, database)
            },
            Effect::KeyExpiry { database, key, expiry } => {
                Self { key: Some(value(key)), time_ms: expiry.ms(), ..row(KEY_ENDS, database) }
            }
            Effect::KeyRemoved { database, container, key } => Self {
                container: container.as_ref().and_then(id),
                key: Some(value(key)),
                ..row(KEY_REMOVED, database)
            },
            Effect::DatabaseFlushed { database } => row(DATABASE_FLUSHED, database),
            Effect::DatabasesSwapped { first, second } => {
                spaces.swap(*first, *second);
                let renumbered = |database: u8| Self {
                    space: Some(spaces.of(database)),
                    container: Some(database.into()),
                    ..Self::new(DATABASE_RENUMBERED)
                };
                return [first, second].map(|database| Some(renumbered(*database)));
            }
        };
        let left_behind = match effect {
            Effect::SetMoved { from_database, from, .. } => {
                let space = Some(spaces.of(*from_database));
                Some(Self { space, key: Some(value(from)), ..Self::new(KEY_REMOVED) })
            }
            _ => None,
        };
        [Some(row), left_behind]
    }
}

/// Text where people can read it as text, a blob otherwise. SQLite's own text functions end at a zero byte.
/// The same bytes always give the same type, so that the views may compare them.
fn value(bytes: &[u8]) -> ToSqlOutput<'_> {
    let is_text = std::str::from_utf8(bytes).is_ok() && !bytes.contains(&0);
    ToSqlOutput::Borrowed(if is_text { ValueRef::Text(bytes) } else { ValueRef::Blob(bytes) })
}

/// What reading the rows one behind the other must remember.
#[derive(Default)]
struct Reader {
    last_sequence: Option<i64>,
    spaces: Spaces,
    /// The key that each living container stands at, by space.
    keys: [AHashMap<ContainerId, Box<[u8]>>; DATABASES as usize],
    /// Where the container of the row at hand stood before it.
    moved_from: Box<[u8]>,
}

impl Reader {
    /// Goes on to the row at this place. A gap means that rows were lost.
    fn follow(&mut self, sequence: i64) -> Result<(), String> {
        let expected = self.last_sequence.map_or(sequence.clamp(1, i64::MAX - 1), |last| last + 1);
        if sequence != expected {
            return Err(format!("row {expected} is expected there"));
        }
        self.last_sequence = Some(sequence);
        Ok(())
    }

    fn read<'r>(&'r mut self, row: &'r Row<'_>) -> Result<Entry<'r>, String> {
        let kind: i64 = column(row, 1)?;
        if kind == TIME {
            return Ok(Entry::Time(column(row, 6)?));
        }
        let space: i64 = column(row, 2)?;
        let database = self.spaces.database_of(space).ok_or_else(|| format!("there is no space {space}"))?;
        if kind == DATABASE_RENUMBERED {
            return self.renumber(database, column(row, 3)?);
        }
        let expiry = column::<Option<i64>>(row, 6)?.map_or(Expiry::NEVER, Expiry::at_ms);
        if kind == SET_AT_KEY {
            return self.place(space as u8, database, row, expiry);
        }
        let keys = &mut self.keys[space as usize];
        Ok(Entry::Effect(match kind {
            MEMBER_SET | MEMBER_REMOVED => {
                let container = container(row)?;
                let no_container = || format!("there is no container {} in space {space}", container.0);
                let key = &**keys.get(&container).ok_or_else(no_container)?;
                let member = bytes(row, 5)?;
                match kind {
                    MEMBER_SET => Effect::MemberSet { database, container, key, member, expiry },
                    _ => Effect::MemberRemoved { database, container, key, member },
                }
            }
            STRING_AT_KEY => {
                Effect::StringSet { database, key: bytes(row, 4)?, value: bytes(row, 5)?, expiry }
            }
            KEY_ENDS => Effect::KeyExpiry { database, key: bytes(row, 4)?, expiry },
            KEY_REMOVED => {
                let container = column::<Option<i64>>(row, 3)?.map(|_| container(row)).transpose()?;
                if let Some(container) = &container {
                    keys.remove(container);
                }
                Effect::KeyRemoved { database, container, key: bytes(row, 4)? }
            }
            DATABASE_FLUSHED => {
                keys.clear();
                Effect::DatabaseFlushed { database }
            }
            unknown => return Err(format!("there is no effect {unknown}")),
        }))
    }

    /// A container at a key: it is new, it has stood at another key so far, or at this one all along.
    fn place<'r>(
        &'r mut self,
        space: u8,
        database: u8,
        row: &'r Row<'_>,
        expiry: Expiry,
    ) -> Result<Entry<'r>, String> {
        let (container, key) = (container(row)?, bytes(row, 4)?);
        let is_there = |space: &u8| self.keys[usize::from(*space)].contains_key(&container);
        let before = std::iter::once(space).chain(0..DATABASES).find(is_there);
        let before = before.and_then(|at| Some((at, self.keys[usize::from(at)].remove(&container)?)));
        self.keys[usize::from(space)].insert(container, key.into());
        Ok(Entry::Effect(match before {
            None => Effect::SetCreated { database, container, key, expiry },
            Some((at, from)) if at == space && *from == *key => Effect::KeyExpiry { database, key, expiry },
            Some((at, from)) => {
                let no_space = || format!("there is no space {at}");
                let from_database = self.spaces.database_of(at.into()).ok_or_else(no_space)?;
                self.moved_from = from;
                Effect::SetMoved { from_database, from: &self.moved_from, database, container, key, expiry }
            }
        }))
    }

    /// Of the two rows that SWAPDB leaves the first swaps, and the second says what is so by then.
    fn renumber(&mut self, at_space: u8, database: i64) -> Result<Entry<'static>, String> {
        let database = u8::try_from(database).ok().filter(|&database| database < DATABASES);
        let database = database.ok_or_else(|| "there is no such database".to_owned())?;
        if database == at_space {
            return Ok(Entry::Nothing);
        }
        self.spaces.swap(database, at_space);
        Ok(Entry::Effect(Effect::DatabasesSwapped { first: database, second: at_space }))
    }
}

fn container(row: &Row<'_>) -> Result<ContainerId, String> {
    let id: i64 = column(row, 3)?;
    u64::try_from(id).map(ContainerId).map_err(|_| format!("{id} is no container"))
}

fn column<T: rusqlite::types::FromSql>(row: &Row<'_>, index: usize) -> Result<T, String> {
    row.get(index).map_err(|error| error.to_string())
}

fn bytes<'r>(row: &'r Row<'_>, index: usize) -> Result<&'r [u8], String> {
    match row.get_ref(index) {
        Ok(ValueRef::Text(bytes) | ValueRef::Blob(bytes)) => Ok(bytes),
        Ok(other) => Err(format!("column {index} is {}, not text or a blob", other.data_type())),
        Err(error) => Err(error.to_string()),
    }
}

/// The file that is really meant: a link is followed, so that two names are not two locks.
fn resolve(path: &Path) -> Result<PathBuf, OpenError> {
    match fs::canonicalize(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if fs::symlink_metadata(path).is_ok() {
                let what = "it is a link to a file that is not there; is its disk mounted?".into();
                return Err(OpenError::Io { path: path.into(), what });
            }
            Ok(path.to_path_buf())
        }
        Err(error) => Err(OpenError::io(path, &error)),
        Ok(path) => Ok(path),
    }
}

/// The size of a file in bytes; 0, if there is none.
fn size(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |metadata| metadata.len())
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Takes the lock that one daemon holds for as long as it lives. The file it lies on stays behind, since
/// removing it would let two daemons lock two files of one name.
fn lock(path: &Path) -> Result<File, OpenError> {
    let lock_path = beside(path, "-lock");
    let fail = |error: &io::Error| OpenError::io(&lock_path, error);
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(&lock_path)
        .map_err(|error| fail(&error))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let _ = file.take(32).read_to_string(&mut holder);
            return Err(OpenError::Held { path: path.into(), holder: holder.trim().parse().ok() });
        }
        Err(TryLockError::Error(error)) => return Err(fail(&error)),
    }
    let write = |file: &mut File| {
        file.set_len(0)?;
        file.rewind()?;
        writeln!(file, "{}", std::process::id())
    };
    // Only for the other daemon's message; the lock holds without it, on a full disk for instance.
    let _ = write(&mut file);
    Ok(file)
}

enum Found {
    Nothing,
    Journal,
}

/// Looks at the file's first bytes: <https://www.sqlite.org/fileformat2.html#the_database_header>.
fn inspect(path: &Path) -> Result<Found, OpenError> {
    let mut header = Vec::with_capacity(100);
    match File::open(path) {
        Ok(file) => {
            file.take(100).read_to_end(&mut header).map_err(|error| OpenError::io(path, &error))?;
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(OpenError::io(path, &error)),
    }
    if header.is_empty() {
        let wal = beside(path, "-wal");
        return if size(&wal) > 0 {
            Err(OpenError::Missing { path: path.into(), wal })
        } else {
            Ok(Found::Nothing)
        };
    }
    let foreign = |what| Err(OpenError::Foreign { path: path.into(), what });
    if header.len() < 100 || !header.starts_with(b"SQLite format 3\0") {
        return foreign("it is not an SQLite file");
    }
    let number = |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    if number(68) != APPLICATION_ID {
        return foreign("it is another program's SQLite file");
    }
    accept_version(path, number(60) as usize).map(|()| Found::Journal)
}

fn accept_version(path: &Path, version: usize) -> Result<(), OpenError> {
    if version > MIGRATIONS.len() {
        return Err(OpenError::Newer { path: path.into(), version, known: MIGRATIONS.len() });
    }
    Ok(())
}

/// Makes an empty journal under another name first, so that a crash never leaves half of one behind.
fn create(path: &Path) -> Result<(), OpenError> {
    let draft = beside(path, &format!("-draft-{}", std::process::id()));
    let fail = |error: io::Error| OpenError::io(path, &error);
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(fail(error)),
        _ => {}
    }
    let connection = Connection::open(&draft).map_err(|error| unreadable(path, &error))?;
    let build = || {
        connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
        connection.pragma_update(None, "application_id", APPLICATION_ID)?;
        migrate(&connection, 0)?;
        connection.pragma_update(None, "journal_mode", "WAL")
    };
    build().map_err(|error| unreadable(path, &error))?;
    connection.close().map_err(|(_, error)| unreadable(path, &error))?;
    File::open(&draft).and_then(|file| file.sync_all()).map_err(fail)?;
    fs::rename(&draft, path).map_err(fail)?;
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(fail)
}

fn migrate(connection: &Connection, version: usize) -> rusqlite::Result<()> {
    for (from, migration) in MIGRATIONS.iter().enumerate().skip(version) {
        connection
            .execute_batch(&format!("BEGIN; {migration}; PRAGMA user_version = {}; COMMIT;", from + 1))?;
    }
    Ok(())
}

fn connect(path: &Path, policy: SyncPolicy) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let has_log = size(&beside(path, "-wal")) > 0;
    let fail = |error: rusqlite::Error| unreadable(path, &error);
    let connection = Connection::open_with_flags(path, flags).map_err(fail)?;
    // Until the replay has found the file sound, closing it must not copy the log into it. Without a log there is
    // nothing to copy, and closing takes away what SQLite put beside the file.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, has_log).map_err(fail)?;
    if connection.is_readonly(MAIN_DB).map_err(fail)? {
        return Err(OpenError::Io { path: path.into(), what: "it can be read, but not written to".into() });
    }
    connection.busy_timeout(BUSY_TIMEOUT).map_err(fail)?;
    connection.pragma_update(None, "synchronous", synchronous(policy)).map_err(fail)?;
    connection.pragma_update(None, "temp_store", "MEMORY").map_err(fail)?;
    // The header was looked at in the file; a migration may still stand in the write-ahead log alone.
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(fail)?;
    accept_version(path, version as usize)?;
    migrate(&connection, version as usize).map_err(fail)?;
    Ok(connection)
}

/// How SQLite calls what a policy asks of a commit. A checkpoint is always synced, on both sides: where it is not, a
/// power cut does not lose the latest changes, but damages the file.
fn synchronous(policy: SyncPolicy) -> &'static str {
    match policy {
        SyncPolicy::Always => "FULL",
        SyncPolicy::EverySecond | SyncPolicy::Never => "NORMAL",
    }
}

fn unreadable(path: &Path, error: &rusqlite::Error) -> OpenError {
    // The last is SQLite's word for a statement that the file's tables don't fit.
    let is_damage = matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::Unknown)
    );
    let what = describe(error);
    if is_damage {
        OpenError::Damaged { path: path.into(), what }
    } else {
        OpenError::Io { path: path.into(), what }
    }
}

/// Where a COMMIT fails for want of room or for another program's lock, its last frame was not written: it
/// is as if it had never been. Behind any other failure nobody can tell what the disk will say after a crash.
fn commit_error(error: &rusqlite::Error) -> AppendError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull | ErrorCode::DatabaseBusy) => AppendError::NotWritten(describe(error)),
        _ => AppendError::Unknown(describe(error)),
    }
}

fn describe(error: &rusqlite::Error) -> String {
    match error.sqlite_error() {
        Some(ffi::Error { extended_code, .. }) => format!("{error} (SQLite error {extended_code})"),
        None => error.to_string(),
    }
}

#[cfg(test)]
impl JournalFile {
    /// Has the file refuse to grow beyond its present size, as a full disk would, or grow again.
    pub(super) fn fill_disk(&self, is_full: bool) {
        let pages: i64 = self.connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
        let most = if is_full { pages } else { i64::from(u32::MAX) - 1 };
        self.connection.pragma_update_and_check(None, "max_page_count", most, |_| Ok(())).unwrap();
    }
}
