//! `revoked backup DEST`: a copy of the data file as it is at one moment, while a daemon works or not.

use std::path::{Path, PathBuf};

use super::output::Output;
use super::progress::{self, Counter};
use super::{Error, time};
use crate::journal::{CopyError, check_copy, copy};
use crate::stats::now_ms;

/// Copies the data file `from` to `destination`, or into it under a name with the time, if that is a directory; checked, and
/// synced. Returns what there is to say.
///
/// # Errors
///
/// If the file can't be read, or the copy not be written: nothing is left of it then.
pub fn run(from: &Path, destination: &Path, replaces: bool) -> Result<String, Error> {
    let destination = if destination.is_dir() { named_in(destination, from) } else { destination.into() };
    let output = Output::create(&destination, replaces, from)?;
    copy_into(from, &output)?;
    let rows = check(&output)?;
    output.allow_as(from)?;
    let bytes = std::fs::metadata(output.path()).map_or(0, |file| file.len());
    output.finish()?;
    Ok(format!(
        "{} is a sound copy of {}: {rows} rows, {bytes} bytes.\n",
        destination.display(),
        from.display()
    ))
}

/// Copies a data file, with its log, into a file that is being made.
pub(super) fn copy_into(from: &Path, output: &Output) -> Result<(), Error> {
    let pages = Counter::default();
    let copied = progress::show(
        || pages.state("pages copied"),
        || copy(from, output.path(), |done, of| pages.set(done, of)),
    );
    copied.map_err(|error| match error {
        CopyError::Source(error) => error.into(),
        CopyError::Target(why) => output.failed(why),
    })
}

/// Looks at a copy in full. Returns how many rows it has.
pub(super) fn check(output: &Output) -> Result<u64, Error> {
    let rows = Counter::default();
    let checked = progress::show(
        || rows.state("rows checked"),
        || check_copy(output.path(), |done, of| rows.set(done, of)),
    );
    checked.map_err(|error| output.failed(format_args!("the copy is not sound: {error}")))
}

/// `revoked-20261124T171500Z.db`
fn named_in(folder: &Path, from: &Path) -> PathBuf {
    let stem = from.file_stem().unwrap_or_default().to_string_lossy();
    folder.join(format!("{stem}-{}.db", time::compact(now_ms())))
}
