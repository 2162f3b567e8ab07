//! Whether the data file and its log are still the files that were opened, and still as they were left.
//!
//! SQLite looks at neither again once it has them open: it goes on writing to a file that was removed, and a restart
//! would find nothing of it. So each commit compares what stands at the two paths with what was opened, before it
//! writes and before it is answered. It takes four calls of `stat`, some microseconds beside the sync of a disk.
//!
//! When the log was written is looked at only where nothing is written for a while. Since 6.13 Linux keeps a time that
//! somebody has asked for to the nanosecond: each write behind that changes the inode, and ext4 without a journal has each
//! `fdatasync` write that, too, which makes a commit half as long again, and takes twice the processor's time.

use std::fmt;
use std::fs;
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
    place: Place,
    bytes: u64,
    /// When it was written last; none, if that is not known.
    modified: Option<SystemTime>,
}

/// Which file it is: device and inode.
type Place = (u64, u64);

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
    pub(super) fn is_anything(self) -> bool {
        let is_shorter = self.shorter_data.is_some() || self.shorter_log.is_some();
        self.is_data_written || self.is_log_written || is_shorter
    }
}

impl Identity {
    /// The files that are there now.
    pub(super) fn of(data: &Path, log: &Path) -> io::Result<Self> {
        Ok(Self { data: Known::of(data)?, log: Known::of(log)? })
    }

    /// Whether both files are in their places, and what happened to them since they were last noted.
    pub(super) fn look(&self) -> Result<Changed, Misplaced> {
        let (data, log) = (self.data.look(true)?, self.log.look(self.log.modified.is_some())?);
        Ok(Changed {
            is_data_written: data.modified != self.data.modified,
            is_log_written: log.modified != self.log.modified,
            shorter_data: (data.bytes < self.data.bytes).then_some(data.bytes),
            shorter_log: (log.bytes < self.log.bytes).then_some(log.bytes),
        })
    }

    /// Whether the log alone is not in its place. What it holds is still open, and can be copied into the data file.
    pub(super) fn lacks_only_the_log(&self) -> bool {
        let is_as_noted =
            |found: Found| found.bytes == self.data.bytes && found.modified == self.data.modified;
        self.data.look(true).is_ok_and(is_as_noted)
            && matches!(self.log.look(false), Err(Misplaced::Missing(_) | Misplaced::Replaced(_)))
    }

    /// Takes what is there now for what is right: the daemon itself has written.
    pub(super) fn note(&mut self) -> Result<(), Misplaced> {
        self.data.note(true)?;
        self.log.note(false)
    }

    /// Takes the time at which the log was written last for what is right, unless that is known. Behind that, the first
    /// write is more expensive.
    pub(super) fn note_time_of_log(&mut self) {
        if self.log.modified.is_none()
            && let Ok(found) = self.log.look(true)
        {
            self.log.modified = found.modified;
        }
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
        let Found { place, bytes, modified } = find(path, true)?;
        Ok(Self { path: path.to_owned(), place, bytes, modified })
    }

    fn look(&self, asks_time: bool) -> Result<Found, Misplaced> {
        match find(&self.path, asks_time) {
            Ok(found) if found.place == self.place => Ok(found),
            Ok(_) => Err(Misplaced::Replaced(self.path.clone())),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                Err(Misplaced::Missing(self.path.clone()))
            }
            Err(error) => Err(Misplaced::Unseen(self.path.clone(), error.to_string())),
        }
    }

    fn note(&mut self, asks_time: bool) -> Result<(), Misplaced> {
        let Found { bytes, modified, .. } = self.look(asks_time)?;
        (self.bytes, self.modified) = (bytes, modified);
        Ok(())
    }
}

/// A file that is there.
#[derive(Debug)]
struct Found {
    place: Place,
    bytes: u64,
    /// None, if it was not asked for.
    modified: Option<SystemTime>,
}

/// What stands at a path.
fn find(path: &Path, asks_time: bool) -> io::Result<Found> {
    #[cfg(target_os = "linux")]
    if !asks_time {
        use rustix::fs::{AtFlags, CWD, StatxFlags, makedev, statx};
        let found = statx(CWD, path, AtFlags::empty(), StatxFlags::INO | StatxFlags::SIZE)?;
        let device = makedev(found.stx_dev_major, found.stx_dev_minor);
        return Ok(Found { place: (device, found.stx_ino), bytes: found.stx_size, modified: None });
    }
    let found = fs::metadata(path)?;
    let modified = if asks_time { found.modified().ok() } else { None };
    Ok(Found { place: (found.dev(), found.ino()), bytes: found.len(), modified })
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
        assert!(!identity.look().unwrap().is_anything());
    }

    #[test]
    fn when_the_log_was_written_counts_once_that_was_noted() {
        let (_folder, _, log, mut identity) = files();
        let touch = |seconds| {
            let then = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
            fs::File::options().write(true).open(&log).unwrap().set_modified(then).unwrap();
        };
        touch(1);
        assert!(identity.look().unwrap().is_log_written);
        identity.note().unwrap();
        touch(2);
        assert!(!identity.look().unwrap().is_log_written, "the daemon may have written that");
        identity.note_time_of_log();
        assert!(!identity.look().unwrap().is_log_written);
        touch(3);
        assert!(identity.look().unwrap().is_log_written);
        identity.note_time_of_log();
        assert!(identity.look().unwrap().is_log_written, "it was known already");
    }
}
