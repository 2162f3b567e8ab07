//! The file beside the data file that one daemon holds, and what it notes there: its process id, for others to name it,
//! and how the write-ahead log was synced.
//!
//! The note says the weakest [`SyncPolicy`] that commits followed since the log was last empty. It is on disk before a weaker
//! policy takes effect, and is raised only once a checkpoint has emptied the log. Where there is none that can be read,
//! nothing may be concluded from what the log looks like.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use super::error::OpenError;
use super::sqlite::{SyncPolicy, beside};

/// What each policy is called in the note, all of one length: the file keeps its size, and no writing of it needs room on
/// the disk.
const NOTES: [(SyncPolicy, &str); 3] = [
    (SyncPolicy::Always, "always  "),
    (SyncPolicy::EverySecond, "everysec"),
    (SyncPolicy::Never, "no      "),
];

/// More than the file ever holds.
const NOTE_BYTES: u64 = 64;

/// Held for as long as this lives.
#[derive(Debug)]
pub(super) struct Lock {
    file: File,
    path: PathBuf,
    /// What the file says.
    weakest: Option<SyncPolicy>,
}

impl Lock {
    /// Takes the lock of the data file at this path. The file it lies on stays behind, since removing it would let two
    /// daemons lock two files of one name.
    pub(super) fn take(data_file: &Path) -> Result<Self, OpenError> {
        let path = beside(data_file, "-lock");
        let mut options = OpenOptions::new();
        let options = options.create(true).truncate(false).read(true).write(true);
        let file = options.open(&path).map_err(|error| OpenError::io(&path, &error))?;
        let mut lock = Self::hold(data_file, path, file, File::try_lock)?;
        // Only for another daemon's message: the lock holds without it, on a full disk for instance.
        let _ = lock.write(lock.weakest);
        Ok(lock)
    }

    /// Takes the lock for reading alone, beside others who do that too. Without a file for it, no daemon has ever held it,
    /// and none is made.
    pub(super) fn share(data_file: &Path) -> Result<Option<Self>, OpenError> {
        let path = beside(data_file, "-lock");
        match File::open(&path) {
            Ok(file) => Self::hold(data_file, path, file, File::try_lock_shared).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(OpenError::io(&path, &error)),
        }
    }

    fn hold(
        data_file: &Path,
        path: PathBuf,
        file: File,
        try_lock: impl FnOnce(&File) -> Result<(), TryLockError>,
    ) -> Result<Self, OpenError> {
        match try_lock(&file) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let holder = text(&file).lines().next().and_then(|line| line.trim().parse().ok());
                return Err(OpenError::Held { path: data_file.into(), holder });
            }
            Err(TryLockError::Error(error)) => return Err(OpenError::io(&path, &error)),
        }
        let text = text(&file);
        let note = text.lines().nth(1).map(str::trim);
        let weakest = NOTES.iter().find(|(_, name)| note == Some(name.trim())).map(|(policy, _)| *policy);
        Ok(Self { file, path, weakest })
    }

    /// The weakest policy since the log was last empty, if it can be told.
    pub(super) fn weakest(&self) -> Option<SyncPolicy> {
        self.weakest
    }

    /// Notes the weakest policy since the log was last empty, or what it is going to be, and syncs that.
    ///
    /// # Errors
    ///
    /// If it can't be written down, and the file promises more than is so.
    pub(super) fn note(&mut self, weakest: SyncPolicy) -> Result<(), OpenError> {
        if self.weakest == Some(weakest) {
            return Ok(());
        }
        match self.write(Some(weakest)).and_then(|()| self.file.sync_data()) {
            Ok(()) => self.weakest = Some(weakest),
            Err(error) if self.weakest.is_some_and(|noted| noted > weakest) => {
                return Err(OpenError::io(&self.path, &error));
            }
            Err(error) => {
                tracing::warn!(%error, "{}: how changes are synced could not be noted", self.path.display());
            }
        }
        Ok(())
    }

    fn write(&mut self, weakest: Option<SyncPolicy>) -> io::Result<()> {
        let note =
            NOTES.iter().find(|(policy, _)| Some(*policy) == weakest).map_or("unknown ", |(_, note)| note);
        let text = format!("{:<10}\n{note}\n", std::process::id());
        self.file.rewind()?;
        self.file.write_all(text.as_bytes())?;
        self.file.set_len(text.len() as u64)
    }
}

/// What the file says; nothing, if it can't be read.
fn text(file: &File) -> String {
    let mut text = String::new();
    let _ = file.take(NOTE_BYTES).read_to_string(&mut text);
    text
}
