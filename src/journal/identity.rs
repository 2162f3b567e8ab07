//! Whether the data file and its log are still the files that were opened, and still as they were left.
//!
//! SQLite looks at neither again once it has them open: it goes on writing to a file that was removed, and a restart
//! would find nothing of it. So each commit compares what stands at the two paths with what was opened, before it
//! writes and before it is answered. It takes four calls of `stat`, some microseconds beside the sync of a disk.

use std::fmt;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The files as they were last seen in order.
#[derive(Debug)]
pub(super) struct Identity {
    data: Known,
    log: Known,
}

#[derive(Debug)]
struct Known {
    path: PathBuf,
    device: u64,
    inode: u64,
    bytes: u64,
    modified: Option<SystemTime>,
}

/// What is wrong with one of the files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Misplaced {
    /// It is not at its place.
    Missing(PathBuf),
    /// Another file is at its place.
    Replaced(PathBuf),
    /// It can't be seen.
    Unseen(PathBuf, String),
}

impl fmt::Display for Misplaced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(path) => {
                write!(f, "{} was moved or removed, and has to be put back", path.display())
            }
            Self::Replaced(path) => {
                write!(f, "{} was replaced by another file, and has to be put back", path.display())
            }
            Self::Unseen(path, error) => write!(f, "{} can't be looked at: {error}", path.display()),
        }
    }
}

/// What was done to the files, by the daemon or by somebody else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Changed {
    /// Whether each was written to, or touched.
    pub(super) is_data_written: bool,
    pub(super) is_log_written: bool,
    /// How long each is now, if it is shorter.
    pub(super) shorter_data: Option<u64>,
    pub(super) shorter_log: Option<u64>,
}

impl Changed {
    pub(super) fn is_written(self) -> bool {
        self.is_data_written || self.is_log_written
    }
}

impl Identity {
    /// The files that are there now.
    pub(super) fn of(data: &Path, log: &Path) -> io::Result<Self> {
        Ok(Self { data: Known::of(data)?, log: Known::of(log)? })
    }

    /// Whether both files are in their places, and what happened to them since they were last noted.
    pub(super) fn look(&self) -> Result<Changed, Misplaced> {
        let (data, log) = (self.data.look()?, self.log.look()?);
        Ok(Changed {
            is_data_written: data.modified().ok() != self.data.modified,
            is_log_written: log.modified().ok() != self.log.modified,
            shorter_data: (data.len() < self.data.bytes).then_some(data.len()),
            shorter_log: (log.len() < self.log.bytes).then_some(log.len()),
        })
    }

    /// Whether the log alone is not in its place. What it holds is still open, and can be copied into the data file.
    pub(super) fn lacks_only_the_log(&self) -> bool {
        let is_as_noted =
            |found: Metadata| found.len() == self.data.bytes && found.modified().ok() == self.data.modified;
        self.data.look().is_ok_and(is_as_noted)
            && matches!(self.log.look(), Err(Misplaced::Missing(_) | Misplaced::Replaced(_)))
    }

    /// Takes what is there now for what is right: the daemon itself has written.
    pub(super) fn note(&mut self) -> Result<(), Misplaced> {
        for known in [&mut self.data, &mut self.log] {
            let metadata = known.look()?;
            known.bytes = metadata.len();
            known.modified = metadata.modified().ok();
        }
        Ok(())
    }

    pub(super) fn data_path(&self) -> &Path {
        &self.data.path
    }

    pub(super) fn log_path(&self) -> &Path {
        &self.log.path
    }
}

impl Known {
    fn of(path: &Path) -> io::Result<Self> {
        let metadata = fs::metadata(path)?;
        Ok(Self {
            path: path.to_owned(),
            device: metadata.dev(),
            inode: metadata.ino(),
            bytes: metadata.len(),
            modified: metadata.modified().ok(),
        })
    }

    fn look(&self) -> Result<Metadata, Misplaced> {
        match fs::metadata(&self.path) {
            Ok(found) if (found.dev(), found.ino()) == (self.device, self.inode) => Ok(found),
            Ok(_) => Err(Misplaced::Replaced(self.path.clone())),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                Err(Misplaced::Missing(self.path.clone()))
            }
            Err(error) => Err(Misplaced::Unseen(self.path.clone(), error.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files() -> (tempfile::TempDir, PathBuf, PathBuf, Identity) {
        let folder = tempfile::tempdir().unwrap();
        let (data, log) = (folder.path().join("data"), folder.path().join("log"));
        fs::write(&data, "data").unwrap();
        fs::write(&log, "log").unwrap();
        let identity = Identity::of(&data, &log).unwrap();
        (folder, data, log, identity)
    }

    #[test]
    fn a_file_that_is_moved_away_and_back_is_the_same() {
        let (folder, data, _, identity) = files();
        let away = folder.path().join("away");
        fs::rename(&data, &away).unwrap();
        assert_eq!(identity.look(), Err(Misplaced::Missing(data.clone())));
        fs::copy(&away, &data).unwrap();
        assert_eq!(identity.look(), Err(Misplaced::Replaced(data.clone())));
        fs::rename(&away, &data).unwrap();
        let nothing =
            Changed { is_data_written: false, is_log_written: false, shorter_data: None, shorter_log: None };
        assert_eq!(identity.look(), Ok(nothing));
    }

    #[test]
    fn a_file_that_is_written_or_cut_is_seen_until_it_is_noted() {
        let (_folder, _, log, mut identity) = files();
        fs::write(&log, "l").unwrap();
        let changed = identity.look().unwrap();
        assert_eq!((changed.shorter_data, changed.shorter_log), (None, Some(1)));
        identity.note().unwrap();
        assert_eq!(identity.look().unwrap().shorter_log, None);
    }
}
