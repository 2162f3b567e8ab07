//! A data file is looked at in full, and left as it is.
//!
//! In the order in which damage would mislead what comes after it: the header, the write-ahead log ([`super::log`]), every
//! page and every row as SQLite sees them, then what the rows say, with their checksums, as a replay does.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use super::error::OpenError;
use super::lock::Lock;
use super::replay::replay;
use super::sqlite::{
    Found, check_pages, count_rows, find_end, inspect, open_to_read, read_log, resolve, utc,
};
use crate::limits::DATABASES;
use crate::stats::now_ms;
use crate::store::{Keyspace, Loading, ValueView, View};

/// How far [`verify`] is, for another thread to look at.
#[derive(Debug, Default)]
pub struct Progress {
    stage: Mutex<Stage>,
    rows: AtomicU64,
    rows_read: AtomicU64,
}

/// What is being looked at.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The write-ahead log.
    #[default]
    Log,
    /// The pages.
    Pages,
    /// So many rows, the first of so many.
    Rows {
        /// Read so far.
        read: u64,
        /// In all.
        of: u64,
    },
}

impl Progress {
    /// What is being looked at now.
    #[must_use]
    pub fn stage(&self) -> Stage {
        match *self.stage.lock().unwrap_or_else(std::sync::PoisonError::into_inner) {
            Stage::Rows { .. } => {
                Stage::Rows { read: self.rows_read.load(Relaxed), of: self.rows.load(Relaxed) }
            }
            other => other,
        }
    }

    fn begin(&self, stage: Stage) {
        *self.stage.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = stage;
    }
}

/// What a sound file holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Summary {
    /// The file, where links lead to it.
    pub path: PathBuf,
    /// Frames and transactions of its write-ahead log.
    pub log: (u64, u64),
    /// What a start would drop, as a power cut has torn it.
    pub dropped: Option<String>,
    /// Rows of the journal.
    pub rows: u64,
    /// Keys that are there now.
    pub keys: u64,
    /// Members of all sets.
    pub members: u64,
    /// Keys and members that will end by themselves.
    pub ends: u64,
    /// When the first and the last group of rows were written, in UTC.
    pub times: Option<(String, String)>,
}

/// Looks at the data file at `path` in full. It takes as much memory as to serve the file.
///
/// # Errors
///
/// If a daemon holds it, or it can't be read, or served.
pub fn verify(path: &Path, progress: &Progress) -> Result<Summary, OpenError> {
    let path = resolve(path)?;
    let lock = Lock::share(&path)?;
    if let Found::Nothing = inspect(&path)? {
        let what = if path.exists() { "there is nothing in it" } else { "there is no such file" };
        return Err(OpenError::io(&path, &io::Error::new(io::ErrorKind::NotFound, what)));
    }
    progress.begin(Stage::Log);
    let log = read_log(&path, lock.as_ref().and_then(Lock::weakest))?;
    let mut connection = open_to_read(&path)?;
    progress.begin(Stage::Pages);
    check_pages(&connection, &path)?;

    progress.rows.store(count_rows(&connection, &path)?, Relaxed);
    progress.begin(Stage::Rows { read: 0, of: 0 });
    let mut keyspace = Keyspace::default();
    let mut loading = Loading::new(&mut keyspace);
    let mut first_and_last_ms = None;
    let mut summary =
        Summary { log: (log.sound_frames, log.transactions), dropped: log.dropped(), ..Summary::default() };
    let reader = replay(&mut connection, &path, |chunk| {
        chunk.apply(&mut loading)?;
        progress.rows_read.store(chunk.rows_read(), Relaxed);
        for time_ms in chunk.times_ms() {
            let (first, _) = first_and_last_ms.unwrap_or((time_ms, time_ms));
            first_and_last_ms = Some((first, time_ms));
        }
        Ok(())
    })?;
    summary.rows = reader.rows_read();
    find_end(&connection, &path, &reader)?;
    drop(loading.end(reader.last_container()));
    count(&View::committed(&keyspace, now_ms()), &mut summary);
    if let Some((first, last)) = first_and_last_ms {
        summary.times = Some((utc(&connection, &path, first)?, utc(&connection, &path, last)?));
    }
    Ok(Summary { path, ..summary })
}

/// Counts what is there.
fn count(view: &View<'_>, summary: &mut Summary) {
    for database in 0..DATABASES {
        for key in view.keys(database).filter_map(|name| view.key(database, &name.text())) {
            summary.keys += 1;
            summary.ends += u64::from(key.expiry.ms().is_some());
            if let ValueView::Set(set) = &key.value {
                for (_, expiry) in set.members() {
                    summary.members += 1;
                    summary.ends += u64::from(expiry.ms().is_some());
                }
            }
        }
    }
}
