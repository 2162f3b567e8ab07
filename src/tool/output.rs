//! Files that a tool makes: whole, or not at all.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::Error;

/// What is to be removed if the program is told to end meanwhile.
static UNFINISHED: Mutex<Option<PathBuf>> = Mutex::new(None);

/// A file that is being made, under a name of its own in the folder that it belongs in. Dropped before it is finished, it
/// is gone.
#[derive(Debug)]
pub(super) struct Output {
    destination: PathBuf,
    temporary: PathBuf,
    replaces: bool,
    is_finished: bool,
}

impl Output {
    /// Begins a file that is to stand at `destination`, which only its owner can read for now. One that stands there
    /// already is an error, unless it is to be replaced, and is not the one that this is made `of`.
    pub(super) fn create(destination: &Path, replaces: bool, of: &Path) -> Result<Self, Error> {
        if fs::canonicalize(destination).is_ok_and(|path| fs::canonicalize(of).is_ok_and(|of| path == of)) {
            let what = "can't be replaced by what is made of it; choose another name";
            return Err(Error::Output(format!("{} {what}", destination.display())));
        }
        let name = destination.file_name().ok_or_else(|| {
            Error::Output(format!("{}: that is not the name of a file", destination.display()))
        })?;
        let mut temporary = std::ffi::OsString::from(".");
        temporary.push(name);
        temporary.push(format!(".{}", std::process::id()));
        let temporary = destination.with_file_name(temporary);
        let output = Self { destination: destination.into(), temporary, replaces, is_finished: false };
        output.refuse_to_replace()?;
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        options.open(&output.temporary).map_err(|error| {
            let folder = output.folder();
            Error::Output(format!("no file can be made in {}: {error}", folder.display()))
        })?;
        *unfinished() = Some(output.temporary.clone());
        Ok(output)
    }

    fn refuse_to_replace(&self) -> Result<(), Error> {
        let path = &self.destination;
        if path.is_dir() {
            return Err(Error::Output(format!("{} is a directory", path.display())));
        }
        if !self.replaces && fs::symlink_metadata(path).is_ok() {
            let what = "is there already; choose another name, or replace it with --force";
            return Err(Error::Output(format!("{} {what}", path.display())));
        }
        Ok(())
    }

    /// Where it is written meanwhile.
    pub(super) fn path(&self) -> &Path {
        &self.temporary
    }

    /// Lets those read and write it who may do so with a file like this one.
    pub(super) fn allow_as(&self, other: &Path) -> Result<(), Error> {
        let allow = || fs::set_permissions(&self.temporary, fs::metadata(other)?.permissions());
        allow().map_err(|error| Error::io(&self.destination, &error))
    }

    /// Has the disk hold what was written.
    pub(super) fn sync(&self) -> Result<(), Error> {
        File::open(&self.temporary).and_then(|file| file.sync_all()).map_err(|error| self.failed(&error))
    }

    /// The error for what can't be written.
    pub(super) fn failed(&self, why: impl std::fmt::Display) -> Error {
        Error::Io(format!("{}: {why}; nothing was left of it", self.destination.display()))
    }

    /// Has the file stand in its place.
    pub(super) fn finish(mut self) -> Result<(), Error> {
        self.sync()?;
        self.refuse_to_replace()?;
        fs::rename(&self.temporary, &self.destination).map_err(|error| self.failed(&error))?;
        self.is_finished = true;
        *unfinished() = None;
        // Behind that a power cut leaves it there.
        File::open(self.folder())
            .and_then(|folder| folder.sync_all())
            .map_err(|error| Error::io(&self.folder(), &error))
    }

    /// Somebody else has taken it to its place.
    pub(super) fn given_away(mut self) {
        self.is_finished = true;
        *unfinished() = None;
    }

    fn folder(&self) -> PathBuf {
        folder_of(&self.destination)
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if !self.is_finished {
            abandon();
        }
    }
}

/// The folder that a file is in.
pub(super) fn folder_of(path: &Path) -> PathBuf {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")).into()
}

/// Removes what is half-written: the program is about to end.
pub fn abandon() {
    if let Some(path) = unfinished().take() {
        let _: io::Result<()> = fs::remove_file(path);
    }
}

fn unfinished() -> std::sync::MutexGuard<'static, Option<PathBuf>> {
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}
