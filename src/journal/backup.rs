//! Copies of a data file, made beside the daemon that writes it, and how a copy takes the file's place.
//!
//! A copy is made page by page in one read transaction: it shows one moment, and nobody who writes waits for it. What
//! it costs is that the write-ahead log is not written from its start again before it is done: checkpoints go on, and stop
//! where the copy began.
//!
//! No lock is held against a daemon that starts meanwhile, since a backup must never keep one from serving.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::error::OpenError;
use super::lock::Lock;
use super::replay::replay;
use super::sqlite::{
    Found, beside, check_pages, count_rows, find_end, inspect, open_beside, open_to_read, read_log, resolve,
    sync_folder,
};

/// Pages that are copied at once: between two such steps it is told how far it is.
const PAGES_AT_ONCE: i32 = 256;

/// How long to wait where another program has the file for itself: while SQLite puts its log in order.
const PAUSE: Duration = Duration::from_millis(20);

/// Why there is no copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CopyError {
    /// What was to be copied can't be used.
    Source(OpenError),
    /// The copy can't be written, for this reason.
    Target(String),
}

impl From<OpenError> for CopyError {
    fn from(error: OpenError) -> Self {
        Self::Source(error)
    }
}

/// The data file that is meant by a path, looked at as far as can be done while a daemon writes it.
///
/// # Errors
///
/// If there is none, it is no data file, or, where no daemon has it, its log is damaged.
pub(super) fn find(path: &Path) -> Result<PathBuf, OpenError> {
    let path = resolve(path)?;
    if let Found::Nothing = inspect(&path)? {
        let what = if path.exists() { "there is nothing in it" } else { "there is no such file" };
        return Err(OpenError::io(&path, &io::Error::new(io::ErrorKind::NotFound, what)));
    }
    let is_held = |lock: &Result<_, _>| matches!(lock, Err(OpenError::Held { .. }));
    let lock = Lock::share(&path);
    if is_held(&lock) {
        return Ok(path);
    }
    // Nobody writes it: what SQLite would drop of its log must be no more than a power cut may tear. Whoever wants to
    // begin to is not kept from it; then the log is no matter of ours.
    let weakest = lock?.as_ref().and_then(Lock::weakest);
    match read_log(&path, weakest) {
        Err(error) if !is_held(&Lock::share(&path)) => return Err(error),
        _ => {}
    }
    Ok(path)
}

/// Copies the data file at `from` into the empty file at `to`, as it is at one moment, its log included. The copy stands
/// alone. `progress` is told how many pages are done, of how many. Nothing is synced.
///
/// # Errors
///
/// If the one can't be read or the other not written; what is in `to` then is of no use.
pub fn copy(from: &Path, to: &Path, mut progress: impl FnMut(u64, u64)) -> Result<(), CopyError> {
    let from = find(from)?;
    let source = open_beside(&from)?;
    let fail = |error: rusqlite::Error| CopyError::Source(super::sqlite::unreadable(&from, &error));
    source.execute_batch("BEGIN; SELECT count(*) FROM sqlite_schema").map_err(fail)?;
    let refused = |error: rusqlite::Error| CopyError::Target(error.to_string());
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut target = Connection::open_with_flags(to, flags).map_err(refused)?;
    // Nobody needs half a copy back.
    target.pragma_update_and_check(None, "journal_mode", "OFF", |_| Ok(())).map_err(refused)?;
    target.pragma_update(None, "synchronous", "OFF").map_err(refused)?;
    let backup = Backup::new(&source, &mut target).map_err(refused)?;
    loop {
        let step = backup.step(PAGES_AT_ONCE).map_err(|error| match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => fail(error),
            Some(ErrorCode::DiskFull) => CopyError::Target("the disk is full".into()),
            _ => refused(error),
        })?;
        let so_far = backup.progress();
        progress((so_far.pagecount - so_far.remaining) as u64, so_far.pagecount as u64);
        match step {
            StepResult::Done => return Ok(()),
            StepResult::More => {}
            _ => sleep(PAUSE),
        }
    }
}

/// Looks at a copy that stands alone: its header, every page, every row with its checksum. It takes little memory: the state
/// that the rows lead to is not built, as [`super::verify()`] does. Returns the number of rows. `progress` is told how many are
/// done, of how many.
///
/// # Errors
///
/// If it is not sound, or can't be read.
pub fn check_copy(path: &Path, mut progress: impl FnMut(u64, u64)) -> Result<u64, OpenError> {
    inspect(path)?;
    let mut connection = open_to_read(path)?;
    check_pages(&connection, path)?;
    let rows = count_rows(&connection, path)?;
    let reader = replay(&mut connection, path, |chunk| {
        progress(chunk.rows_read(), rows);
        Ok(())
    })?;
    find_end(&connection, path, &reader)?;
    Ok(rows)
}

/// Keeps daemons from a data file, whether or not it is there, for as long as it lives.
#[derive(Debug)]
pub struct Claim {
    path: PathBuf,
    _lock: Lock,
}

impl Claim {
    /// Claims the data file at `path`.
    ///
    /// # Errors
    ///
    /// If a daemon has it.
    pub fn of(path: &Path) -> Result<Self, OpenError> {
        let path = resolve(path)?;
        let lock = Lock::take(&path)?;
        Ok(Self { path, _lock: lock })
    }

    /// The file, where links lead to it.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file that daemons lock, which stays.
    #[must_use]
    pub fn lock_path(&self) -> PathBuf {
        beside(&self.path, "-lock")
    }

    /// Puts `new`, a copy that is synced and in the same folder, into the file's place. What stood there goes on under the
    /// name `kept`, its log too.
    ///
    /// Whenever the machine stops meanwhile, a start finds the old file with its log, or the new one, or a note that it
    /// refuses: never the one with the other's log, and never nothing, which it would take for a beginning.
    ///
    /// # Errors
    ///
    /// If the system says so. Whatever was not put in place yet is where it was, or under the name `kept`.
    pub fn put_in_place(&self, new: &Path, kept: &Path) -> io::Result<()> {
        let log = beside(&self.path, "-wal");
        if fs::symlink_metadata(&self.path).is_ok() || fs::symlink_metadata(&log).is_ok() {
            self.set_aside(&log, kept)?;
        }
        fs::rename(new, &self.path)?;
        sync_folder(&self.path)
    }

    fn set_aside(&self, log: &Path, kept: &Path) -> io::Result<()> {
        let exists = |path: &Path| fs::symlink_metadata(path).is_ok();
        if exists(&self.path) {
            fs::hard_link(&self.path, kept)?;
        }
        if exists(log) {
            fs::hard_link(log, beside(kept, "-wal"))?;
        }
        let note = beside(&self.path, "-restoring");
        let text = format!(
            "revoked restore did not come to its end here. What stood here is {}. Run it again.\n",
            kept.display()
        );
        fs::write(&note, text)?;
        File::open(&note)?.sync_all()?;
        sync_folder(&self.path)?;
        fs::rename(&note, &self.path)?;
        sync_folder(&self.path)?;
        for stale in [log, &beside(&self.path, "-shm")] {
            match fs::remove_file(stale) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        sync_folder(&self.path)
    }
}
