//! The journal's file: opened, locked, read, appended to, checkpointed. What its rows say is read in `rows.rs`; beside a
//! daemon it is copied in `backup.rs`, and read in `present.rs`; nothing else knows SQLite.
//!
//! A row for each effect, appended in transactions; `schema.sql` beside this file is the format. A file's header
//! is looked at before SQLite may touch it, and nothing is written to a file before all of it was replayed, so
//! that one that isn't ours, is newer than this program, or is damaged stays exactly as it was.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use bytes::Bytes;
use fail::fail_point;
use rusqlite::config::DbConfig;
use rusqlite::{CachedStatement, Connection, ErrorCode, MAIN_DB, OpenFlags, Row, ToSql, ffi};

use super::checksum::{Checksum, Summing};
use super::error::{AppendError, CheckpointError, OpenError};
use super::identity::Identity;
use super::index::{Head, Index};
use super::lock::Lock;
use super::log;
use super::replay::{Chunk, Refused, replay};
use super::rows::{Columns, Reader, Said, Spaces};
use crate::effect::{ContainerId, Effect};
use crate::limits::{COMMIT_BYTES, KEPT_PAGES, PAGES_GIVEN_BACK, SQLITE_CACHE_BYTES, TIMESTAMP_ROWS};

/// `PRAGMA application_id`: "rvkd".
const APPLICATION_ID: u32 = 0x7276_6b64;

/// What leads from each version of the format to the next; the first, from an empty file. `PRAGMA
/// user_version` is the number of those that a file has behind it.
const MIGRATIONS: &[&str] = &[include_str!("schema.sql")];

/// How long a commit waits for another program that holds the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// SQLite's default, which the file is made with.
const PAGE_BYTES: u64 = 4096;

/// After so many bytes of rows the pages of the file are counted again.
const MEASURED_BYTES: u64 = 1024 * 1024;

/// What the write-ahead log is cut down to after a checkpoint, should it have grown larger.
const WAL_KEPT_BYTES: u32 = 64 * 1024 * 1024;

/// How much of the write-ahead log is read at once.
const LOG_READ_BYTES: usize = 256 * 1024;

/// The header of the write-ahead log, and that of each page in it.
const LOG_HEADER_BYTES: u64 = 32;
const LOG_PAGE_HEADER_BYTES: u64 = 24;

/// Pages in the write-ahead log at which it is copied into the data file: SQLite's own default, which had the best
/// latencies of all that was tried.
const CHECKPOINT_PAGES: u64 = 1000;

/// A statement that fails takes the transaction along: `OR FAIL` saves keeping what it has to put back by itself. The
/// sequence is not said: SQLite then takes the one behind the last row, and need not look where that would stand.
const INSERT: &str = "INSERT OR FAIL INTO journal (effect, space, container, key, value, time_ms) VALUES ";

/// The first columns, which are the same for all rows of one statement: effect, space, container.
const SHARED_COLUMNS: usize = 3;

/// Those that each row has for itself: key, value, time.
const OWN_COLUMNS: usize = 3;

/// How many rows are inserted by one statement, as far as there are so many: what a statement costs beside its rows is as
/// much as a row. So any number of rows takes as few statements as its binary form has ones.
const ROWS_AT_ONCE: [usize; 7] = [64, 32, 16, 8, 4, 2, 1];

/// Statements that SQLite need not compile anew: those that insert rows, and some ten others.
const CACHED_STATEMENTS: usize = 2 * ROWS_AT_ONCE.len() + 16;

/// A row that is longer has a statement to itself, since SQLite copies all that is bound to one.
const LARGE_ROW_BYTES: u64 = 4096;

const SELECT: &str =
    "SELECT sequence, effect, space, container, key, value, time_ms FROM journal ORDER BY sequence";

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
    space: Space,
    /// Whether pages can be given back, as far as is known.
    gives_back: bool,
    policy: SyncPolicy,
    /// How the log was found.
    found: log::Log,
    /// Whether these are still the files that were opened; known once they may be written to.
    watch: Option<Watch>,
    /// Dropped last.
    lock: Lock,
}

/// What must be known to tell whether somebody else did something to the files. Whatever this program writes to them
/// is noted: see [`JournalFile::note`].
#[derive(Debug)]
struct Watch {
    identity: Identity,
    index: Index,
    log: Head,
}

impl Head {
    /// How long the log is at least.
    fn bytes(&self) -> u64 {
        if self.pages == 0 { 0 } else { LOG_HEADER_BYTES + self.pages * (LOG_PAGE_HEADER_BYTES + PAGE_BYTES) }
    }
}

/// What must be known to append a row.
#[derive(Debug, Clone, Copy)]
struct End {
    /// The first row that there is.
    first_sequence: i64,
    next_sequence: i64,
    last_timestamp_ms: i64,
    rows_since_timestamp: usize,
    /// Of the rows since the last time stamp, that one included.
    checksum: Checksum,
    spaces: Spaces,
    /// What the rows take, about, that were written since the file's pages were counted.
    bytes_since_measured: u64,
}

/// How much of the file is in use.
#[derive(Debug, Default, Clone, Copy)]
struct Space {
    used_pages: u64,
    free_pages: u64,
}

/// Inserts rows at the end. They are not there before [`Insert::finish`].
struct Insert<'a, 'b> {
    connection: &'a Connection,
    end: &'a mut End,
    /// Not inserted yet.
    rows: Vec<Columns<'b>>,
    /// The checksum in the making that `end` gets.
    checksum: Summing,
}

impl<'a, 'b> Insert<'a, 'b> {
    fn new(connection: &'a Connection, end: &'a mut End) -> Self {
        let checksum = Summing::from(end.checksum);
        Self { connection, end, rows: Vec::with_capacity(ROWS_AT_ONCE[0]), checksum }
    }

    /// What follows was written now: says so where the last time stamp is another, or far away.
    fn begin_group_if_due(&mut self, now_ms: i64) -> rusqlite::Result<()> {
        let End { last_timestamp_ms, rows_since_timestamp, .. } = *self.end;
        if now_ms == last_timestamp_ms && rows_since_timestamp < TIMESTAMP_ROWS {
            return Ok(());
        }
        self.begin_group(now_ms)
    }

    fn begin_group(&mut self, now_ms: i64) -> rusqlite::Result<()> {
        let time = Columns::time(now_ms, self.checksum.checksum());
        self.checksum.clear();
        self.row(time)?;
        self.end.last_timestamp_ms = now_ms;
        self.end.rows_since_timestamp = 0;
        Ok(())
    }

    /// The rows of effects, each as `say` has it.
    fn effects(
        &mut self,
        effects: &'b [Effect<Bytes>],
        now_ms: i64,
        say: impl Fn(Columns<'b>) -> Columns<'b>,
    ) -> rusqlite::Result<()> {
        for effect in effects {
            self.begin_group_if_due(now_ms)?;
            for row in Columns::of(effect, &mut self.end.spaces).into_iter().flatten() {
                self.row(say(row))?;
            }
        }
        Ok(())
    }

    fn row(&mut self, row: Columns<'b>) -> rusqlite::Result<()> {
        let bytes = row.bytes();
        if bytes > LARGE_ROW_BYTES {
            self.flush()?;
        }
        self.checksum.add(self.end.next_sequence, &row);
        self.end.next_sequence += 1;
        self.end.rows_since_timestamp += 1;
        self.end.bytes_since_measured += bytes;
        self.rows.push(row);
        if bytes > LARGE_ROW_BYTES || self.rows.len() == ROWS_AT_ONCE[0] { self.flush() } else { Ok(()) }
    }

    /// Inserts what is left.
    fn finish(mut self) -> rusqlite::Result<()> {
        self.end.checksum = self.checksum.checksum();
        self.flush()
    }

    fn flush(&mut self) -> rusqlite::Result<()> {
        for alike in self.rows.chunk_by(|row, next| shared(row) == shared(next)) {
            insert_alike(self.connection, alike)?;
        }
        let (last, expected) = (self.connection.last_insert_rowid(), self.end.next_sequence - 1);
        if !self.rows.is_empty() && last != expected {
            let what = format!("the last row has become {last}, and should be {expected}");
            return Err(rusqlite::Error::ToSqlConversionFailure(what.into()));
        }
        self.rows.clear();
        Ok(())
    }
}

/// What rows of one statement have in common.
fn shared(row: &Columns<'_>) -> (i64, Option<i64>, Option<i64>) {
    (row.effect_and_form(), row.space, row.container)
}

/// Inserts rows that have that in common, [`ROWS_AT_ONCE`] at most.
fn insert_alike(connection: &Connection, rows: &[Columns<'_>]) -> rusqlite::Result<()> {
    let mut rest = rows;
    for count in ROWS_AT_ONCE {
        let Some((rows, left)) = rest.split_at_checked(count) else { continue };
        // In its statement nothing is bound yet.
        let mut statement = connection.prepare_cached(insert(count))?;
        bind(&mut statement, rows)?;
        statement.raw_execute()?;
        rest = left;
    }
    debug_assert!(rest.is_empty(), "there were more than one statement takes");
    Ok(())
}

/// What inserts so many rows.
fn insert(rows: usize) -> &'static str {
    static SQL: LazyLock<[String; ROWS_AT_ONCE.len()]> = LazyLock::new(|| {
        let row = |row: usize| {
            let own = SHARED_COLUMNS + row * OWN_COLUMNS;
            format!("(?1, ?2, ?3, ?{}, ?{}, ?{})", own + 1, own + 2, own + 3)
        };
        ROWS_AT_ONCE.map(|rows| format!("{INSERT}{}", (0..rows).map(row).collect::<Vec<_>>().join(", ")))
    });
    ROWS_AT_ONCE.iter().position(|&count| count == rows).map_or("", |at| &SQL[at])
}

/// Binds what rows have in common, and what each has for itself. What is not bound is null.
fn bind(statement: &mut CachedStatement<'_>, rows: &[Columns<'_>]) -> rusqlite::Result<()> {
    let (effect, space, container) = shared(&rows[0]);
    statement.raw_bind_parameter(1, effect)?;
    bind_if_some(statement, 2, space)?;
    bind_if_some(statement, 3, container)?;
    for (row, first) in rows.iter().zip((SHARED_COLUMNS + 1..).step_by(OWN_COLUMNS)) {
        bind_if_some(statement, first, row.key)?;
        bind_if_some(statement, first + 1, row.value)?;
        bind_if_some(statement, first + 2, row.time_ms)?;
    }
    Ok(())
}

fn bind_if_some(
    statement: &mut CachedStatement<'_>,
    place: usize,
    value: Option<impl ToSql>,
) -> rusqlite::Result<()> {
    value.map_or(Ok(()), |value| statement.raw_bind_parameter(place, value))
}

impl JournalFile {
    /// Opens the file, which is made if there is none. A file that can't be used is left untouched.
    pub(super) fn open(path: &Path, policy: SyncPolicy) -> Result<Self, OpenError> {
        let path = resolve(path)?;
        let lock = Lock::take(&path)?;
        match inspect(&path)? {
            Found::Nothing => create(&path)?,
            Found::Journal => {}
        }
        let log = read_log(&path, lock.weakest())?;
        if let Some(dropped) = log.dropped() {
            tracing::warn!("{dropped}");
        }
        let connection = connect(&path, policy)?;
        Ok(Self {
            connection,
            path,
            end: End {
                first_sequence: 1,
                next_sequence: 1,
                last_timestamp_ms: 0,
                rows_since_timestamp: 0,
                checksum: Checksum::default(),
                spaces: Spaces::default(),
                bytes_since_measured: 0,
            },
            space: Space::default(),
            gives_back: true,
            policy,
            found: log,
            watch: None,
            lock,
        })
    }

    /// When commits reach the disk.
    pub(super) fn policy(&self) -> SyncPolicy {
        self.policy
    }

    /// How many rows [`JournalFile::replay`] will read.
    pub(super) fn rows(&self) -> Result<u64, OpenError> {
        count_rows(&self.connection, &self.path)
    }

    /// Reads all rows in order, and has `apply` do what they say; what it refuses is damage. Returns the greatest id that
    /// a set may have had.
    pub(super) fn replay(
        &mut self,
        apply: impl FnMut(&Chunk) -> Result<(), Refused>,
    ) -> Result<ContainerId, OpenError> {
        let reader = replay(&mut self.connection, &self.path, apply)?;
        self.end.next_sequence = reader.last_sequence().unwrap_or(0) + 1;
        self.end.first_sequence = reader.first_sequence().unwrap_or(self.end.next_sequence);
        self.end.rows_since_timestamp = reader.rows_since_time();
        self.end.checksum = reader.checksum();
        self.end.spaces = reader.spaces();
        find_end(&self.connection, &self.path, &reader)?;
        count_free_pages(&self.connection, &self.path)?;
        try_to_append(&self.connection, &self.path)?;
        // From here on the file is known to be sound, and may be written to.
        self.prepare_for_writing()?;
        self.measure().map_err(|error| OpenError::Io { path: self.path.clone(), what: error.to_string() })?;
        Ok(reader.last_container())
    }

    fn prepare_for_writing(&mut self) -> Result<(), OpenError> {
        let fail = |error: rusqlite::Error| unreadable(&self.path, &error);
        self.connection.set_prepared_statement_cache_capacity(CACHED_STATEMENTS);
        self.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false).map_err(fail)?;
        use_log(&self.connection, &self.path)?;
        self.connection
            .pragma_update_and_check(None, "journal_size_limit", WAL_KEPT_BYTES, |_| Ok(()))
            .map_err(fail)?;
        // Checkpoints are made by the writer, which hears of it when one fails; SQLite keeps that to itself.
        self.connection.pragma_update_and_check(None, "wal_autocheckpoint", 0, |_| Ok(())).map_err(fail)?;
        // SQLite makes the log of a file that had none when it first looks at the file.
        self.rows()?;
        // It syncs the folder, too, so that the log's name is on disk; but whether that failed it does not say.
        sync_folder(&self.path).map_err(|error| OpenError::io(&self.path, &error))?;
        let fail = |error: io::Error| OpenError::io(&self.path, &error);
        let index = Index::open(&beside(&self.path, "-shm")).map_err(fail)?;
        let identity = Identity::of(&self.path, &beside(&self.path, "-wal")).map_err(fail)?;
        let log = self.head(&index).map_err(|what| OpenError::Io { path: self.path.clone(), what })?;
        self.watch = Some(Watch { identity, index, log });
        self.note_policy()
    }

    /// Notes how what is written from now on is synced. A log that was synced less, or has an end that was torn, is
    /// emptied, as far as readers allow.
    fn note_policy(&mut self) -> Result<(), OpenError> {
        let is_empty = self.found == log::Log::default();
        let logged = if is_empty { Some(self.policy) } else { self.lock.weakest() };
        let weakest = logged.unwrap_or(SyncPolicy::Never).min(self.policy);
        self.lock.note(weakest)?;
        if weakest < self.policy || self.found.tear.is_some() {
            match self.checkpoint() {
                Ok(()) => {}
                Err(CheckpointError::NotCopied(error) | CheckpointError::Untrusted(error)) => {
                    tracing::warn!(%error, "The write-ahead log could not be emptied at the start");
                }
            }
        }
        Ok(())
    }

    /// Has anything been done to the files that this program did not do?
    fn look(&self) -> Result<(), AppendError> {
        let Some(Watch { identity, index, log }) = &self.watch else { return Ok(()) };
        let changed = identity.look().map_err(|misplaced| AppendError::NotWritten(misplaced.to_string()))?;
        let now = self.head(index).map_err(AppendError::NotWritten)?;
        if now == *log && !changed.is_anything() {
            return Ok(());
        }
        // Another program may make a checkpoint; that is all it may do.
        let pages: u64 = self
            .connection
            .pragma_query_value(None, "page_count", |row| row.get::<_, i64>(0))
            .map_err(|error| AppendError::NotWritten(describe(&error)))? as u64;
        let untrusted = |path: &Path, what: &str| {
            Err(AppendError::Untrusted(format!("{} was {what} by another program", path.display())))
        };
        if changed.shorter_data.is_some_and(|bytes| bytes < pages * PAGE_BYTES) {
            return untrusted(identity.data_path(), "cut short");
        }
        if changed.shorter_log.is_some_and(|bytes| bytes < now.bytes()) {
            return untrusted(identity.log_path(), "cut short");
        }
        let is_emptied = now.pages == 0 && (log.pages > 0 || !changed.is_data_written);
        let is_copied = now.pages == log.pages && now.copied > log.copied;
        let is_checkpoint = now.changes == log.changes && (is_emptied || is_copied);
        if is_checkpoint { Ok(()) } else { untrusted(identity.data_path(), "written to (or touched)") }
    }

    /// Remembers the files as they are, after something was written; before that is answered, they must be in their
    /// places still.
    fn note(&mut self) -> Result<(), String> {
        let Some(watch) = &self.watch else { return Ok(()) };
        let log = self.head(&watch.index)?;
        let Some(watch) = &mut self.watch else { return Ok(()) };
        watch.log = log;
        watch.identity.note().map_err(|misplaced| misplaced.to_string())
    }

    /// Says that there is nothing to do for the moment: time for a closer look at the files.
    pub(super) fn rest(&mut self) {
        if let Some(watch) = &mut self.watch {
            watch.identity.note_time_of_log();
        }
    }

    /// Takes what a failed transaction has left in the log out of it. The bytes that its last write has left out may
    /// stand there since the log was last written from its start, to the very same, and make a commit of it.
    fn cut_off(&self, failure: AppendError, error: &rusqlite::Error) -> AppendError {
        let is_io =
            matches!(error.sqlite_error_code(), Some(ErrorCode::DiskFull | ErrorCode::SystemIoFailure));
        let (AppendError::NotWritten(why), Some(watch), true) = (&failure, &self.watch, is_io) else {
            return failure;
        };
        let path = watch.identity.log_path();
        let cut = || {
            let head = self.head(&watch.index)?;
            // Where nothing was written there is nothing to take out: a read-only file system would not have it.
            let is_written = |log: File| log::goes_on(&log, head.bytes(), head.salts);
            if File::open(path).and_then(is_written).map_err(|error| error.to_string())? {
                let log = OpenOptions::new().write(true).open(path);
                log.and_then(|log| log.set_len(head.bytes())).map_err(|error| error.to_string())?;
            }
            Ok::<_, String>(())
        };
        match cut() {
            Ok(()) => failure,
            Err(error) => {
                AppendError::Unknown(format!("{why}, and what it left could not be cut off: {error}"))
            }
        }
    }

    /// What the log is. Where its index is half-written, by a program that has died meanwhile, SQLite puts it in order.
    fn head(&self, index: &Index) -> Result<Head, String> {
        let read = || index.head().map_err(|error| format!("the log's index can't be read: {error}"));
        if let Some(head) = read()? {
            return Ok(head);
        }
        self.connection
            .query_row("PRAGMA wal_checkpoint(NOOP)", [], |_| Ok(()))
            .map_err(|error| describe(&error))?;
        read()?.ok_or_else(|| "the log's index is being changed by another program".to_owned())
    }

    /// Appends effects and commits them. Returns the number of rows written.
    pub(super) fn append(&mut self, effects: &[Effect<Bytes>], now_ms: i64) -> Result<u64, AppendError> {
        let before = self.end.next_sequence;
        self.transact(|connection, end| {
            let mut insert = Insert::new(connection, end);
            insert.effects(effects, now_ms, |row| row)?;
            insert.finish()?;
            fail_point!(super::failpoints::APPENDED);
            Ok(())
        })?;
        if self.end.bytes_since_measured >= MEASURED_BYTES {
            // Committed is committed: what can't be measured is measured another time.
            let _ = self.measure();
        }
        Ok((self.end.next_sequence - before) as u64)
    }

    /// Does something in a transaction of its own, whole or not at all.
    fn transact(
        &mut self,
        write: impl FnOnce(&Connection, &mut End) -> rusqlite::Result<()>,
    ) -> Result<(), AppendError> {
        self.write(|file| {
            let before = file.end;
            let outcome =
                match file.execute("BEGIN IMMEDIATE").and_then(|_| write(&file.connection, &mut file.end)) {
                    Ok(()) => file.execute("COMMIT").map(drop).map_err(|error| (commit_error(&error), error)),
                    Err(error) => Err((write_error(&error), error)),
                };
            if outcome.is_err() {
                file.end = before;
            }
            outcome
        })
    }

    /// Does something that writes. All that does goes through here, or it would be taken for another program's work.
    fn write(
        &mut self,
        write: impl FnOnce(&mut Self) -> Result<(), (AppendError, rusqlite::Error)>,
    ) -> Result<(), AppendError> {
        self.look()?;
        let outcome = write(self).map_err(|(failure, error)| {
            self.roll_back();
            self.cut_off(failure, &error)
        });
        // What was written must still stand where a restart will look for it.
        let noted = self.note();
        outcome?;
        noted.map_err(AppendError::Unknown)
    }

    /// Writes a time row, so that what was written before it is covered by a checksum. Returns its sequence.
    pub(super) fn begin_group(&mut self, now_ms: i64) -> Result<i64, AppendError> {
        let sequence = self.end.next_sequence;
        self.transact(|connection, end| {
            let mut insert = Insert::new(connection, end);
            insert.begin_group(now_ms)?;
            insert.finish()
        })?;
        Ok(sequence)
    }

    /// The same, if there is something that is not covered.
    pub(super) fn close_group(&mut self, now_ms: i64) -> Result<(), AppendError> {
        if self.end.rows_since_timestamp == 0 { Ok(()) } else { self.begin_group(now_ms).map(drop) }
    }

    /// The sequence of the first row.
    pub(super) fn first_sequence(&self) -> i64 {
        self.end.first_sequence
    }

    /// How many rows there are.
    pub(super) fn len(&self) -> u64 {
        (self.end.next_sequence - self.end.first_sequence) as u64
    }

    /// The sequence that the next row gets.
    pub(super) fn next_sequence(&self) -> i64 {
        self.end.next_sequence
    }

    /// Reads the first rows, in whole groups: at least so many, but none from the time row `until` on, and no more where
    /// much is kept of them. `visit` is told what they say, and in which database, and returns how many bytes it keeps.
    /// Returns the sequence of the row behind them.
    pub(super) fn read_head(
        &self,
        least: usize,
        until: i64,
        mut visit: impl FnMut(Said<'_>, Option<u8>) -> usize,
    ) -> Result<i64, AppendError> {
        let fail = |error: rusqlite::Error| AppendError::NotWritten(describe(&error));
        let mut statement = self.connection.prepare_cached(SELECT).map_err(fail)?;
        let mut rows = statement.query([]).map_err(fail)?;
        let (mut rows_read, mut bytes_kept) = (0, 0);
        while let Some(row) = rows.next().map_err(fail)? {
            let (sequence, columns) = Columns::read(row).map_err(AppendError::NotWritten)?;
            let is_enough = rows_read >= least || bytes_kept >= COMMIT_BYTES;
            if columns.is_time() && (sequence >= until || is_enough) {
                return Ok(sequence);
            }
            let said = columns.says().map_err(AppendError::NotWritten)?;
            bytes_kept += visit(said, columns.space.and_then(|space| self.end.spaces.database_of(space)));
            rows_read += 1;
        }
        Err(AppendError::NotWritten("the journal ends before a time row".into()))
    }

    /// Takes away the rows before `head` and appends what is still so of what they say: effects that change nothing, and
    /// which database has which space. Returns the number of rows written.
    pub(super) fn replace_head(
        &mut self,
        head: i64,
        restated: &[Effect<Bytes>],
        renumbers: bool,
        now_ms: i64,
    ) -> Result<u64, AppendError> {
        let before = self.end.next_sequence;
        self.transact(|connection, end| {
            let mut insert = Insert::new(connection, end);
            insert.effects(restated, now_ms, Columns::restated)?;
            let spaces = insert.end.spaces;
            for row in spaces.restated().filter(|_| renumbers) {
                insert.begin_group_if_due(now_ms)?;
                insert.row(row)?;
            }
            insert.finish()?;
            fail_point!(super::failpoints::COMPACTION_RESTATED);
            connection.prepare_cached("DELETE FROM journal WHERE sequence < ?1")?.execute([head])?;
            fail_point!(super::failpoints::COMPACTION_REMOVED);
            end.first_sequence = head;
            Ok(())
        })?;
        // Committed is committed, and the store must hear of it: what can't be measured is measured another time.
        let _ = self.measure();
        Ok((self.end.next_sequence - before) as u64)
    }

    /// What the rows take in the file, about: measured now and then, and counted in between.
    pub(super) fn used_bytes(&self) -> u64 {
        self.space.used_pages * PAGE_BYTES + self.end.bytes_since_measured
    }

    /// Whether so many pages are empty that some are to be given back.
    pub(super) fn has_pages_to_give_back(&self) -> bool {
        let Space { used_pages, free_pages } = self.space;
        self.gives_back && free_pages > KEPT_PAGES + (used_pages + free_pages) / 8
    }

    /// Whether any page is empty, and can be given back.
    pub(super) fn has_free_pages(&self) -> bool {
        self.gives_back && self.space.free_pages > 0
    }

    /// Gives some empty pages back to the file system.
    pub(super) fn give_pages_back(&mut self) -> Result<(), AppendError> {
        let before = self.space.free_pages;
        let sql = format!("PRAGMA incremental_vacuum({PAGES_GIVEN_BACK})");
        self.transact(|connection, _| {
            // Each row that it returns is a page given back.
            let mut statement = connection.prepare_cached(&sql)?;
            let mut pages = statement.query([])?;
            while pages.next()?.is_some() {}
            Ok(())
        })?;
        self.measure()?;
        // A file that was made anew by another program may not have what that needs.
        self.gives_back = self.space.free_pages < before;
        Ok(())
    }

    /// Looks how much of the file is in use.
    fn measure(&mut self) -> Result<(), AppendError> {
        let count = |pragma: &str| -> Result<u64, AppendError> {
            let read = |connection: &Connection| {
                connection.prepare_cached(pragma)?.query_row([], |row| row.get::<_, i64>(0))
            };
            let counted = read(&self.connection).map_err(|error| AppendError::NotWritten(describe(&error)));
            counted.map(|count| count as u64)
        };
        let (pages, free_pages) = (count("PRAGMA page_count")?, count("PRAGMA freelist_count")?);
        self.space = Space { used_pages: pages.saturating_sub(free_pages), free_pages };
        self.end.bytes_since_measured = 0;
        Ok(())
    }

    /// Copies the write-ahead log into the file, syncs it, and empties the log as far as
    /// readers allow. It waits for none of them: everybody who writes would wait with it.
    pub(super) fn checkpoint(&mut self) -> Result<(), CheckpointError> {
        self.connection.busy_timeout(Duration::ZERO).map_err(|error| checkpoint_error(&error))?;
        fail_point!(super::failpoints::CHECKPOINT);
        let outcome = self.copy_log("PRAGMA wal_checkpoint(TRUNCATE)");
        fail_point!(super::failpoints::CHECKPOINTED);
        self.connection.busy_timeout(BUSY_TIMEOUT).map_err(|error| checkpoint_error(&error))?;
        let reader = "another program is reading the data file";
        if outcome? {
            return Err(CheckpointError::NotCopied(reader.into()));
        }
        // The log is empty.
        self.lock.note(self.policy).map_err(|error| CheckpointError::NotCopied(error.to_string()))
    }

    /// Copies the log into the file as far as readers allow, once it is long; it is written from its start again
    /// then. Returns whether it was.
    pub(super) fn checkpoint_if_due(&mut self) -> Result<bool, CheckpointError> {
        let is_due = self.watch.as_ref().is_some_and(|watch| watch.log.pages >= CHECKPOINT_PAGES);
        if is_due {
            self.copy_log("PRAGMA wal_checkpoint(PASSIVE)")?;
        }
        Ok(is_due)
    }

    /// Leaves the files as they are when this is dropped, for a restart to look at.
    pub(super) fn leave(&self) {
        if let Err(error) = self.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true) {
            tracing::error!(%error, "SQLite may still write to the data file");
        }
    }

    /// Has commits follow this policy from now on.
    pub(super) fn set_policy(&mut self, policy: SyncPolicy) -> Result<(), String> {
        if self.lock.weakest().is_some_and(|weakest| weakest > policy) {
            self.lock.note(policy).map_err(|error| error.to_string())?;
        }
        self.policy = policy;
        let synchronous = synchronous(policy);
        self.connection.pragma_update(None, "synchronous", synchronous).map_err(|error| describe(&error))
    }

    /// Returns whether a reader was in the way. The data file must be the one that was opened, or a stranger's file
    /// would be written to; of a log that lost its name, all that it holds is saved.
    fn copy_log(&mut self, sql: &str) -> Result<bool, CheckpointError> {
        let is_rescue = self.watch.as_ref().is_some_and(|watch| watch.identity.lacks_only_the_log());
        if !is_rescue {
            self.look().map_err(|error| match error {
                AppendError::Untrusted(why) | AppendError::Unknown(why) => CheckpointError::Untrusted(why),
                AppendError::NotWritten(why) => CheckpointError::NotCopied(why),
            })?;
        }
        let outcome = self.connection.query_row(sql, [], |row| row.get(0));
        let noted = self.note();
        let was_busy = outcome.map_err(|error| checkpoint_error(&error))?;
        if is_rescue { Ok(was_busy) } else { noted.map(|()| was_busy).map_err(CheckpointError::NotCopied) }
    }

    /// The write-ahead log, for syncing it apart from commits. It is there once all rows were replayed.
    pub(super) fn open_wal(&self) -> Result<File, OpenError> {
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
}

/// The file that is really meant: a link is followed, so that two names are not two locks.
pub(super) fn resolve(path: &Path) -> Result<PathBuf, OpenError> {
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

pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

pub(super) enum Found {
    Nothing,
    Journal,
}

/// Looks at the file's first bytes: <https://www.sqlite.org/fileformat2.html#the_database_header>.
pub(super) fn inspect(path: &Path) -> Result<Found, OpenError> {
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
    // SQLite reads such a file all the same where only the first of the two is greater, and then writes nothing to it.
    if header[18..20].iter().any(|version| !(1..=2).contains(version)) {
        return foreign("its header (bytes 18 and 19) names a form of SQLite's files that is not known");
    }
    let version = number(60) as usize;
    if version == 0 {
        // A file gets its name once its tables are made.
        return Err(OpenError::Damaged {
            path: path.into(),
            what: "its header names no format version".into(),
        });
    }
    accept_version(path, version).map(|()| Found::Journal)
}

fn accept_version(path: &Path, version: usize) -> Result<(), OpenError> {
    if version > MIGRATIONS.len() {
        return Err(OpenError::Newer { path: path.into(), version, known: MIGRATIONS.len() });
    }
    Ok(())
}

/// Reads the write-ahead log, if there is one. `weakest` is how it was synced, if that is known.
pub(super) fn read_log(path: &Path, weakest: Option<SyncPolicy>) -> Result<log::Log, OpenError> {
    let wal = beside(path, "-wal");
    let log = match File::open(&wal) {
        Ok(file) => log::read(BufReader::with_capacity(LOG_READ_BYTES, file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(log::Log::default()),
        Err(error) => Err(error),
    };
    let log = log.map_err(|error| OpenError::io(&wal, &error))?;
    match log.tear {
        Some(tear) if tear.has_lost() && weakest == Some(SyncPolicy::Always) => {
            Err(OpenError::LogDamaged { path: path.into(), wal, tear })
        }
        _ => Ok(log),
    }
}

/// Opens a data file to be read alone. Where it has no log it is taken to stay as it is: nothing is made beside it.
pub(super) fn open_to_read(path: &Path) -> Result<Connection, OpenError> {
    let fail = |error: rusqlite::Error| unreadable(path, &error);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    if size(&beside(path, "-wal")) > 0 {
        return Connection::open_with_flags(path, flags).map_err(fail);
    }
    let mut uri = b"file:".to_vec();
    for byte in path.as_os_str().as_encoded_bytes() {
        uri.extend_from_slice(format!("%{byte:02x}").as_bytes());
    }
    uri.extend_from_slice(b"?immutable=1");
    let uri = String::from_utf8_lossy(&uri).into_owned();
    Connection::open_with_flags(uri, flags | OpenFlags::SQLITE_OPEN_URI).map_err(fail)
}

/// Opens a data file to be read alone, whether a daemon has it, or takes it meanwhile, or not.
pub(super) fn open_beside(path: &Path) -> Result<Connection, OpenError> {
    let fail = |error: rusqlite::Error| unreadable(path, &error);
    // Where there is no log, SQLite makes one for whoever reads, and who can write takes it away again.
    let has_log = beside(path, "-wal").exists();
    let access = if has_log { OpenFlags::SQLITE_OPEN_READ_ONLY } else { OpenFlags::SQLITE_OPEN_READ_WRITE };
    let connection =
        Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX).map_err(fail)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(fail)?;
    match connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(())) {
        Ok(()) => Ok(connection),
        // It can't be made in this folder: nobody who may not write there can change the file either.
        Err(error) if !has_log && error.sqlite_error_code() == Some(ErrorCode::CannotOpen) => {
            open_to_read(path)
        }
        Err(error) => Err(fail(error)),
    }
}

/// Has SQLite look at every page and every row.
pub(super) fn check_pages(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let found: String = connection
        .query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))
        .map_err(|error| unreadable(path, &error))?;
    if found == "ok" {
        return Ok(());
    }
    Err(OpenError::Damaged { path: path.into(), what: found.replace('\n', " ") })
}

/// How many rows [`super::scan::read_rows`] will read.
pub(super) fn count_rows(connection: &Connection, path: &Path) -> Result<u64, OpenError> {
    // In one SELECT, SQLite would look at each row for the two; by itself, it finds either at an end of the tree.
    let span =
        "SELECT coalesce((SELECT max(sequence) FROM journal) - (SELECT min(sequence) FROM journal) + 1, 0)";
    let count = connection.query_row(span, [], |row| row.get::<_, i64>(0));
    count.map(|rows| rows as u64).map_err(|error| unreadable(path, &error))
}

pub(super) fn damaged_row(path: &Path, sequence: i64, what: &str) -> OpenError {
    OpenError::Damaged { path: path.into(), what: format!("row {sequence}: {what}") }
}

/// Whether what is appended will be found behind the last row. Rows are read from leaf to leaf, whatever the keys in the
/// inner pages say; an insertion follows these.
pub(super) fn find_end(connection: &Connection, path: &Path, reader: &Reader) -> Result<(), OpenError> {
    let before = "SELECT coalesce(max(sequence), 0) FROM (SELECT sequence FROM journal WHERE sequence <= ?1 \
                  ORDER BY sequence DESC LIMIT 1)";
    let last = reader.last_sequence().unwrap_or(0);
    let found: i64 = connection
        .query_row(before, [last + 1], |row| row.get(0))
        .map_err(|error| unreadable(path, &error))?;
    if found == last {
        return Ok(());
    }
    let what = format!("behind row {last} stands row {found}, by the keys of its tree");
    Err(OpenError::Damaged { path: path.into(), what })
}

/// Whether there are as many free pages as there can be: what is appended goes into them.
pub(super) fn count_free_pages(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let count = |pragma: &str| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    let counts = count("page_count").and_then(|pages| Ok((pages, count("freelist_count")?)));
    let (pages, free_pages) = counts.map_err(|error| unreadable(path, &error))?;
    if (0..pages).contains(&free_pages) {
        return Ok(());
    }
    let what = format!("{free_pages} of its {pages} pages are said to be free");
    Err(OpenError::Damaged { path: path.into(), what })
}

/// Whether the page where the next row goes can take one, which reading all rows doesn't tell: a row is put there, and taken
/// back, in memory. What isn't damage (another program's lock, a full disk) is no reason not to start.
fn try_to_append(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let tried = connection.execute_batch(&format!("BEGIN IMMEDIATE; {INSERT}(6, NULL, 0, NULL, NULL, 0)"));
    if !connection.is_autocommit() {
        connection.execute_batch("ROLLBACK").map_err(|error| unreadable(path, &error))?;
    }
    match tried.map_err(|error| unreadable(path, &error)) {
        Err(damaged @ OpenError::Damaged { .. }) => Err(damaged),
        _ => Ok(()),
    }
}

/// A time in milliseconds since 1970, for people.
pub(super) fn utc(connection: &Connection, path: &Path, time_ms: i64) -> Result<String, OpenError> {
    let text = "SELECT coalesce(strftime('%Y-%m-%d %H:%M:%f', ?1 / 1000.0, 'unixepoch'), '')";
    connection.query_row(text, [time_ms], |row| row.get(0)).map_err(|error| unreadable(path, &error))
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
        migrate(&connection, 0)
    };
    build().map_err(|error| unreadable(path, &error))?;
    use_log(&connection, path)?;
    connection.close().map_err(|(_, error)| unreadable(path, &error))?;
    File::open(&draft).and_then(|file| file.sync_all()).map_err(fail)?;
    fs::rename(&draft, path).map_err(fail)?;
    sync_folder(path).map_err(fail)
}

/// Has SQLite keep a write-ahead log from now on.
fn use_log(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let mut mode = String::new();
    let read = |row: &Row<'_>| row.get(0).map(|now| mode = now);
    // To its end: SQLite says what the mode is before it writes that down.
    connection.pragma(None, "journal_mode", "WAL", read).map_err(|error| unreadable(path, &error))?;
    if mode == "wal" {
        return Ok(());
    }
    let what = format!("SQLite keeps its write-ahead log off (journal_mode {mode})");
    Err(OpenError::Io { path: path.into(), what })
}

/// Has the disk hold the names of the files beside this one.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
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
    // Negative: in KiB rather than pages.
    connection.pragma_update(None, "cache_size", -((SQLITE_CACHE_BYTES / 1024) as i64)).map_err(fail)?;
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

pub(super) fn unreadable(path: &Path, error: &rusqlite::Error) -> OpenError {
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

/// Behind a sync that failed nobody can tell what the disk will say after a crash: the system may have dropped what
/// it could not write, and say that all is well the next time.
fn is_sync(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error().map(|error| error.extended_code);
    matches!(code, Some(ffi::SQLITE_IOERR_FSYNC | ffi::SQLITE_IOERR_DIR_FSYNC))
}

/// Nothing has a commit mark before COMMIT. SQLite syncs before that, too: the start of a log that begins anew.
fn write_error(error: &rusqlite::Error) -> AppendError {
    let why = describe(error);
    if is_sync(error) { AppendError::Unknown(why) } else { AppendError::NotWritten(why) }
}

/// Where a COMMIT fails for want of room, for another program's lock, or in a write, it is as if it had never been.
/// The commit mark is in the last frame that it writes to the log, and a write that fails has left out some of its
/// bytes: that frame does not stand there whole, replay does not take it, and the next commit is written over it. It
/// makes no difference why a write failed (a quota, a limit on sizes, a read-only file system, the device). Behind any
/// other failure, of the sync above all, nobody can tell.
fn commit_error(error: &rusqlite::Error) -> AppendError {
    let code = error.sqlite_error().map(|error| error.extended_code);
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull | ErrorCode::DatabaseBusy) => AppendError::NotWritten(describe(error)),
        _ if code == Some(ffi::SQLITE_IOERR_WRITE) => AppendError::NotWritten(describe(error)),
        _ => AppendError::Unknown(describe(error)),
    }
}

fn checkpoint_error(error: &rusqlite::Error) -> CheckpointError {
    let why = describe(error);
    if is_sync(error) { CheckpointError::Untrusted(why) } else { CheckpointError::NotCopied(why) }
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
