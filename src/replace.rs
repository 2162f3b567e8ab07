//! A file gets a new text whole: a crash leaves the old one or the new one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Puts a text in the place of what the file has, or makes the file. Behind a link it is the file that is replaced, not
/// the link. Its permissions stay; a new one is its owner's alone. Waits for the disk.
///
/// # Errors
///
/// If the text can't be written, or not be made durable. No draft is left.
pub fn replace_file(path: &Path, text: &[u8]) -> io::Result<()> {
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let mut draft = path.as_os_str().to_owned();
    draft.push(format!(".draft-{}", std::process::id()));
    let draft = PathBuf::from(draft);
    let outcome = write_draft(&draft, &path, text).and_then(|()| fs::rename(&draft, &path));
    if outcome.is_err() {
        let _ = fs::remove_file(&draft);
    }
    outcome?;
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(directory)?.sync_all()
}

/// Nobody else may read the draft before it has the permissions of the file: there may be a password in it.
fn write_draft(draft: &Path, path: &Path, text: &[u8]) -> io::Result<()> {
    let _ = fs::remove_file(draft);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(draft)?;
    file.write_all(text)?;
    if let Ok(metadata) = fs::metadata(path) {
        file.set_permissions(metadata.permissions())?;
    }
    file.sync_all()
}
