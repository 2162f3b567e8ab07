//! What a data file says is so now, read beside the daemon and in little memory.
//!
//! A replay builds the state in memory. Here, SQLite sorts the rows, of the keys first and then of the members, so that all
//! that is said of one stands together and the last counts; what does not fit into its memory it keeps in temporary files.
//! Both read one moment.

use std::path::{Path, PathBuf};

use rusqlite::{CachedStatement, Connection, ffi};

use super::backup::{CopyError, find};
use super::error::OpenError;
use super::rows::{
    Columns, DATABASE_FLUSHED, DATABASE_RENUMBERED, KEY_ENDS, KEY_REMOVED, MEMBER_SET, SET_AT_KEY,
    STRING_AT_KEY, kind,
};
use super::sqlite::{count_rows, damaged_row, open_beside, unreadable};
use crate::effect::ContainerId;
use crate::expiry::Expiry;
use crate::limits::SQLITE_CACHE_BYTES;

/// A member or a string that is there now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Present<'a> {
    /// The database of its key.
    pub database: u8,
    /// The key.
    pub key: &'a [u8],
    /// When the key ends.
    pub key_expiry: Expiry,
    /// What there is at the key.
    pub content: Content<'a>,
}

/// What there is at a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content<'a> {
    /// A member of a set.
    Member {
        /// The member.
        member: &'a [u8],
        /// When it ends by itself; its key may end earlier.
        expiry: Expiry,
    },
    /// A string.
    String(&'a [u8]),
}

/// The rows of keys, those of one key behind one another, behind those that are about a whole database.
const KEY_ROWS: &str = "SELECT sequence, effect, space, container, key, value, time_ms FROM journal \
                        WHERE effect NOT IN (1, 2, 6, 11, 21, 22, 31) \
                        ORDER BY space, key IS NOT NULL, effect > 20, key, sequence";

/// The rows of members, those of one member behind one another.
const MEMBER_ROWS: &str = "SELECT sequence, effect, space, container, key, value, time_ms FROM journal \
                           WHERE effect IN (1, 2, 11, 21, 22, 31) \
                           ORDER BY container, effect > 20, value, sequence";

/// The sets that were found, for their members to be told apart.
const SETS: &str =
    "CREATE TABLE temp.sets (container INTEGER PRIMARY KEY, database INTEGER, key BLOB, time_ms INTEGER)";

/// Reads what there is at `now_ms` in the data file at `path`: strings by key, then members, set by set. `progress` is told
/// how many rows were looked at, of how many. Returns how many rows there are. What `visit` refuses ends it.
///
/// # Errors
///
/// If the file can't be read, or is no data file, or what `visit` says.
pub fn read_present(
    path: &Path,
    now_ms: i64,
    progress: impl FnMut(u64, u64),
    visit: impl FnMut(Present<'_>) -> Result<(), String>,
) -> Result<u64, CopyError> {
    let path = find(path)?;
    let connection = open_beside(&path)?;
    let fail = |error: rusqlite::Error| unread(&path, &error);
    connection.pragma_update(None, "temp_store", "FILE").map_err(fail)?;
    connection.pragma_update(None, "cache_size", -((SQLITE_CACHE_BYTES / 1024) as i64)).map_err(fail)?;
    connection.execute_batch(&format!("BEGIN; {SETS}")).map_err(fail)?;
    let rows = count_rows(&connection, &path)?;
    let mut reading =
        Reading { path: &path, connection: &connection, now_ms, rows, looked_at: 0, progress, visit };
    reading.keys()?;
    reading.members()?;
    Ok(rows)
}

/// The error for what could not be read. The data file is not written: what is full, or can't be written, are the temporary
/// files.
fn unread(path: &Path, error: &rusqlite::Error) -> OpenError {
    const NOT_WRITTEN: [i32; 3] = [ffi::SQLITE_FULL, ffi::SQLITE_IOERR_WRITE, ffi::SQLITE_IOERR_GETTEMPPATH];
    let code = error.sqlite_error().map(|error| error.extended_code);
    match unreadable(path, error) {
        OpenError::Io { what, .. } if code.is_some_and(|code| NOT_WRITTEN.contains(&code)) => {
            let what = format!(
                "{what}, and {} is sorted there; the variable SQLITE_TMPDIR names another folder, which has to have about as \
                 much room as that file takes",
                path.display()
            );
            OpenError::Io { path: temporary_folder(), what }
        }
        other => other,
    }
}

/// Where SQLite makes its temporary files: the first of these folders that there is.
fn temporary_folder() -> PathBuf {
    let variables = ["SQLITE_TMPDIR", "TMPDIR"].into_iter().filter_map(std::env::var_os);
    let mut folders =
        variables.chain(["/var/tmp".into(), "/usr/tmp".into(), "/tmp".into()]).map(PathBuf::from);
    folders.find(|folder| folder.is_dir()).unwrap_or_else(|| ".".into())
}

struct Reading<'a, P, V> {
    path: &'a Path,
    connection: &'a Connection,
    now_ms: i64,
    rows: u64,
    looked_at: u64,
    progress: P,
    visit: V,
}

/// A key, as far as its rows were read.
struct Key {
    database: u8,
    name: Vec<u8>,
    holds: Option<Holds>,
    expiry: Expiry,
}

enum Holds {
    Set(ContainerId),
    String(Vec<u8>),
}

/// A set that is there, perhaps without members.
struct Set {
    container: ContainerId,
    database: u8,
    key: Vec<u8>,
    expiry: Expiry,
}

/// A member, as far as its rows were read.
#[derive(Default)]
struct Member {
    container: ContainerId,
    name: Vec<u8>,
    /// When it ends; none, if it is not there.
    expiry: Option<Expiry>,
}

impl<P: FnMut(u64, u64), V: FnMut(Present<'_>) -> Result<(), String>> Reading<'_, P, V> {
    fn keys(&mut self) -> Result<(), CopyError> {
        let path = self.path;
        let fail = |error: rusqlite::Error| unread(path, &error);
        let connection = self.connection;
        let mut insert =
            connection.prepare_cached("INSERT INTO temp.sets VALUES (?1, ?2, ?3, ?4)").map_err(fail)?;
        let mut statement = connection.prepare(KEY_ROWS).map_err(fail)?;
        let mut rows = statement.query([]).map_err(fail)?;
        let (mut space, mut database, mut flushed) = (None, 0, 0);
        let mut at = Key::new(0, &[]);
        while let Some(row) = rows.next().map_err(fail)? {
            self.note_row();
            let (sequence, columns) = Columns::read(row).map_err(|what| damaged_row(path, 0, &what))?;
            let damaged = |what: String| damaged_row(path, sequence, &what);
            if space != columns.space {
                self.end_key(std::mem::replace(&mut at, Key::new(0, &[])), &mut insert)?;
                let number = columns.space().map_err(damaged)?;
                (space, database, flushed) = (columns.space, number as u8, 0);
            }
            match kind(columns.effect) {
                DATABASE_FLUSHED => flushed = sequence,
                DATABASE_RENUMBERED => database = columns.container.unwrap_or_default() as u8,
                _ if sequence < flushed => {}
                _ => {
                    let key = columns.key().map_err(damaged)?;
                    if *key != *at.name || at.holds.is_none() {
                        self.end_key(std::mem::replace(&mut at, Key::new(database, &key)), &mut insert)?;
                    }
                    at.follow(&columns).map_err(damaged)?;
                }
            }
        }
        self.end_key(at, &mut insert)
    }

    /// All rows of a key were read.
    fn end_key(&mut self, key: Key, insert: &mut CachedStatement<'_>) -> Result<(), CopyError> {
        let Key { database, name, holds, expiry } = key;
        if expiry.is_due(self.now_ms) {
            return Ok(());
        }
        match holds {
            None => Ok(()),
            Some(Holds::Set(container)) => insert
                .execute((container.0 as i64, database, name, expiry.ms()))
                .map(drop)
                .map_err(|error| unread(self.path, &error).into()),
            Some(Holds::String(value)) => {
                let content = Content::String(&value);
                let present = Present { database, key: &name, key_expiry: expiry, content };
                (self.visit)(present).map_err(CopyError::Target)
            }
        }
    }

    fn members(&mut self) -> Result<(), CopyError> {
        let path = self.path;
        let fail = |error: rusqlite::Error| unread(path, &error);
        let connection = self.connection;
        let sql = "SELECT container, database, key, time_ms FROM temp.sets ORDER BY container";
        let mut sets = connection.prepare(sql).map_err(fail)?;
        let mut sets = sets
            .query_map([], |row| {
                let container = ContainerId(row.get::<_, i64>(0)? as u64);
                let expiry = row.get::<_, Option<i64>>(3)?.map_or(Expiry::NEVER, Expiry::at_ms);
                Ok(Set { container, database: row.get(1)?, key: row.get(2)?, expiry })
            })
            .map_err(fail)?;
        let mut statement = connection.prepare(MEMBER_ROWS).map_err(fail)?;
        let mut rows = statement.query([]).map_err(fail)?;
        let mut set = sets.next().transpose().map_err(fail)?;
        let mut at = Member::default();
        while let Some(row) = rows.next().map_err(fail)? {
            self.note_row();
            let (sequence, columns) = Columns::read(row).map_err(|what| damaged_row(path, 0, &what))?;
            let damaged = |what: String| damaged_row(path, sequence, &what);
            let (container, member) =
                (columns.container().map_err(damaged)?, columns.value().map_err(damaged)?);
            if container != at.container || *member != *at.name {
                self.end_member(&at, set.as_ref())?;
                (at.container, at.expiry) = (container, None);
                at.name.clear();
                at.name.extend_from_slice(&member);
                while set.as_ref().is_some_and(|set| set.container < container) {
                    set = sets.next().transpose().map_err(fail)?;
                }
            }
            at.expiry = (kind(columns.effect) == MEMBER_SET).then(|| columns.expiry());
        }
        self.end_member(&at, set.as_ref())
    }

    /// All rows of a member were read.
    fn end_member(&mut self, member: &Member, set: Option<&Set>) -> Result<(), CopyError> {
        let Some(set) = set.filter(|set| set.container == member.container) else { return Ok(()) };
        let Some(expiry) = member.expiry.filter(|expiry| !expiry.is_due(self.now_ms)) else { return Ok(()) };
        let content = Content::Member { member: &member.name, expiry };
        let present = Present { database: set.database, key: &set.key, key_expiry: set.expiry, content };
        (self.visit)(present).map_err(CopyError::Target)
    }

    fn note_row(&mut self) {
        self.looked_at += 1;
        if self.looked_at.is_multiple_of(4096) {
            (self.progress)(self.looked_at, self.rows);
        }
    }
}

impl Key {
    fn new(database: u8, key: &[u8]) -> Self {
        Self { database, name: key.to_vec(), holds: None, expiry: Expiry::NEVER }
    }

    /// The next row that is about it.
    fn follow(&mut self, row: &Columns<'_>) -> Result<(), String> {
        match kind(row.effect) {
            SET_AT_KEY => (self.holds, self.expiry) = (Some(Holds::Set(row.container()?)), row.expiry()),
            STRING_AT_KEY => {
                (self.holds, self.expiry) = (Some(Holds::String(row.value()?.to_vec())), row.expiry());
            }
            KEY_REMOVED => self.holds = None,
            KEY_ENDS => self.expiry = row.expiry(),
            unknown => return Err(format!("there is no effect {unknown}")),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_that_of_the_temporary_files() {
        let failed = |code| {
            let error = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
            unread(Path::new("/data/revoked.db"), &error)
        };
        for code in [ffi::SQLITE_FULL, ffi::SQLITE_IOERR_WRITE] {
            let OpenError::Io { path, what } = failed(code) else { panic!("{code}") };
            assert_eq!(path, temporary_folder());
            assert!(what.contains("SQLITE_TMPDIR") && what.contains("/data/revoked.db"), "{what}");
        }
        let file = Path::new("/data/revoked.db");
        assert!(matches!(failed(ffi::SQLITE_IOERR_READ), OpenError::Io { path, .. } if path == file));
        assert!(matches!(failed(ffi::SQLITE_CORRUPT), OpenError::Damaged { path, .. } if path == file));
    }
}
