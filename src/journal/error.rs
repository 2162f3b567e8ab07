//! What can be wrong with the journal, and the words for it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::log::Tear;

/// Why a data file can't be used. It was not changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OpenError {
    /// Another daemon has it.
    Held {
        /// The data file.
        path: PathBuf,
        /// The other one's process id, if it can be told.
        holder: Option<u32>,
    },
    /// It is something else.
    Foreign {
        /// The data file.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// It was written by a newer version.
    Newer {
        /// The data file.
        path: PathBuf,
        /// Its format's version.
        version: usize,
        /// The newest that this program knows.
        known: usize,
    },
    /// What it holds can't be right.
    Damaged {
        /// The data file.
        path: PathBuf,
        /// Where, and what.
        what: String,
    },
    /// Changes that were acknowledged can't be read from its write-ahead log.
    LogDamaged {
        /// The data file.
        path: PathBuf,
        /// The log.
        wal: PathBuf,
        /// Where.
        tear: Tear,
    },
    /// It is gone, but its write-ahead log is there.
    Missing {
        /// The data file.
        path: PathBuf,
        /// The log.
        wal: PathBuf,
    },
    /// It can't be opened, made or read.
    Io {
        /// The file that could not be used.
        path: PathBuf,
        /// What the system says.
        what: String,
    },
}

impl OpenError {
    pub(super) fn io(path: &Path, error: &io::Error) -> Self {
        Self::Io { path: path.into(), what: error.to_string() }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Held { path, holder } => {
                write!(f, "{} is in use by another daemon", path.display())?;
                match holder {
                    Some(pid) => write!(f, " (process {pid}); stop it, or choose another dir or dbfilename"),
                    None => f.write_str("; stop it, or choose another dir or dbfilename"),
                }
            }
            Self::Foreign { path, what } => write!(
                f,
                "{} is not a data file of revoked: {what}; it was left as it is; choose another dir or dbfilename",
                path.display()
            ),
            Self::Newer { path, version, known } => write!(
                f,
                "{} has format version {version}, this program knows versions up to {known}; it was left as it \
                 is; run the newer program",
                path.display()
            ),
            Self::Damaged { path, what } => write!(
                f,
                "{} is damaged: {what}; it was left as it is; to restore a backup, first move it, its -wal and \
                 its -shm aside, or the old log would be read on top of the backup",
                path.display()
            ),
            Self::LogDamaged { wal, tear, .. } => write!(
                f,
                "{} is damaged: {tear}, and changes that were acknowledged stand there or behind; the files were left as they \
                 are; keep copies of both; restore a backup, without the old -wal and -shm beside it, or go on with what \
                 stands before that place: truncate -s {} {}",
                wal.display(),
                tear.offset,
                wal.display(),
            ),
            Self::Missing { path, wal } => write!(
                f,
                "{} is missing, but {} is there with changes that belong to it; put the data file back, or move \
                 the log aside to begin anew",
                path.display(),
                wal.display()
            ),
            Self::Io { path, what } => write!(f, "{}: {what}", path.display()),
        }
    }
}

impl std::error::Error for OpenError {}

/// Why effects were not appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum AppendError {
    /// Nothing was written, for this reason, and the next ones may be.
    NotWritten(String),
    /// Nothing was written, and nothing may be any more: what the disk holds is not what this program wrote.
    Untrusted(String),
    /// The commit itself failed, for this reason: nobody can tell whether a restart will find it.
    Unknown(String),
}

impl fmt::Display for AppendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotWritten(why) | Self::Untrusted(why) | Self::Unknown(why) => f.write_str(why),
        }
    }
}

/// Why the log was not copied into the data file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum CheckpointError {
    /// It stays as it is, for the next time.
    NotCopied(String),
    /// A sync failed, or the files are not what this program wrote: nothing may be written any more.
    Untrusted(String),
}

impl fmt::Display for CheckpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotCopied(why) | Self::Untrusted(why) => f.write_str(why),
        }
    }
}
