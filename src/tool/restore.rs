//! `revoked restore BACKUP`: a backup takes the data file's place.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};

use super::output::{Output, folder_of};
use super::{Error, backup, time, verify};
use crate::journal::{Claim, OpenError, Progress, Summary};
use crate::stats::now_ms;

/// Puts a copy of `backup` into the place of the data file `to`, and keeps what stood there under another name. Returns what
/// there is to say.
///
/// # Errors
///
/// If the backup is not sound, a daemon has either file, or the system refuses.
pub fn run(backup: &Path, to: &Path) -> Result<String, Error> {
    let had_lock = lock_of(to).exists();
    // Where no server has ever been, nothing is made, its lock neither, before the backup is known to be of use.
    let summary = if had_lock { None } else { Some(look_at(backup)?) };
    let claim = Claim::of(to)?;
    let to = claim.path();
    let owned_as = if to.exists() { to.to_path_buf() } else { folder_of(to) };
    if !had_lock {
        give_away(&claim.lock_path(), &owned_as);
    }
    let output = Output::create(to, true, backup)?;
    let summary = summary.map_or_else(|| look_at(backup), Ok)?;

    backup::copy_into(backup, &output)?;
    backup::check(&output)?;
    output.allow_as(if to.is_file() { to } else { backup })?;
    give_away(output.path(), &owned_as);
    output.sync()?;
    let is_kept = to.exists();
    let kept = kept_name(to);
    claim.put_in_place(output.path(), &kept).map_err(|error| {
        let what = format!(
            "{}: {error}; what stood there is at its place still, or {}",
            to.display(),
            kept.display()
        );
        Error::Io(what)
    })?;
    output.given_away();
    let mut text = format!(
        "{} is {} now: {} keys, {} members.\n",
        to.display(),
        backup.display(),
        summary.keys,
        summary.members
    );
    if is_kept {
        let _ = writeln!(text, "What stood there is {} now.", kept.display());
    }
    Ok(text)
}

/// What is in a backup that can be used.
fn look_at(backup: &Path) -> Result<Summary, Error> {
    let progress = Progress::default();
    let checked =
        super::progress::show(|| verify::look(&progress), || crate::journal::verify(backup, &progress));
    checked.map_err(|error| {
        let (path, what) = match error {
            OpenError::Damaged { path, what } => (path, what),
            OpenError::LogDamaged { wal, tear, .. } => (wal, tear.to_string()),
            other => return other.into(),
        };
        Error::Input(format!(
            "{} is damaged: {what}; nothing was changed; use another backup",
            path.display()
        ))
    })
}

fn lock_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-lock");
    name.into()
}

/// `revoked.db.before-20261124T171500Z`, or the next such name that is free.
fn kept_name(path: &Path) -> PathBuf {
    let named = |ms| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".before-{}", time::compact(ms)));
        PathBuf::from(name)
    };
    let mut ms = now_ms();
    while named(ms).exists() {
        ms += 1000;
    }
    named(ms)
}

/// Has a file belong to whom another belongs to: root restores what a daemon without its rights has to write. Others than
/// root make files of their own.
fn give_away(path: &Path, like: &Path) {
    if let Ok(owner) = fs::metadata(like) {
        let _ = chown(path, Some(owner.uid()), Some(owner.gid()));
    }
}
