//! `revoked compact FILE`: a data file without what it says in vain.

use std::fs;
use std::path::Path;

use super::Error;
use super::progress::{self, Counter};
use crate::journal::compact;

/// Takes out of a data file what it says in vain. Returns what there is to say.
///
/// # Errors
///
/// If a server has it, or it can't be read or written; it says what it said before then.
pub fn run(file: &Path) -> Result<String, Error> {
    let size = || fs::metadata(file).map_or(0, |metadata| metadata.len());
    let (bytes_before, rows) = (size(), Counter::default());
    let look = || rows.state("rows looked at");
    let compacted = progress::show(look, || compact(file, |done, of| rows.set(done, of)))?;
    let Some((before, after)) = compacted else {
        return Ok(format!("{}: there is nothing to take out.\n", file.display()));
    };
    let bytes = size();
    Ok(format!("{}: {after} rows in {bytes} bytes, of {before} in {bytes_before}.\n", file.display()))
}
