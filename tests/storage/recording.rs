//! What `shim.c` has recorded.

use std::fs;
use std::path::{Path, PathBuf};

use crate::shim::{call, file};

/// A call that has returned, and what it did.
#[derive(Debug)]
pub(crate) struct Call {
    /// When it was made, on the monotonic clock.
    pub(crate) begin_ns: u64,
    pub(crate) done: Done,
}

/// What a call did. A file is known by its inode.
#[derive(Debug)]
pub(crate) enum Done {
    Created { path: PathBuf, inode: u64 },
    Written { inode: u64, offset: usize, bytes: Vec<u8> },
    Truncated { inode: u64, length: usize },
    Synced { inode: u64 },
    FolderSynced,
    Renamed { from: PathBuf, to: PathBuf, inode: u64 },
    Removed { path: PathBuf },
}

const HEADER_BYTES: usize = 40;

/// All calls, in their order. A record that the daemon's end has cut off is of a call that did not return.
pub(crate) fn read(log: &Path) -> Vec<Call> {
    let bytes = fs::read(log).unwrap();
    let mut rest = &bytes[..];
    std::iter::from_fn(|| next(&mut rest)).collect()
}

fn next(rest: &mut &[u8]) -> Option<Call> {
    let (header, behind) = rest.split_at_checked(HEADER_BYTES)?;
    let short = |at: usize| u32::from_ne_bytes(header[at..at + 4].try_into().unwrap());
    let long = |at: usize| u64::from_ne_bytes(header[at..at + 8].try_into().unwrap());
    let (path, behind) = behind.split_at_checked(short(32) as usize)?;
    let (data, behind) = behind.split_at_checked(short(36) as usize)?;
    *rest = behind;
    let as_path = |bytes: &[u8]| PathBuf::from(String::from_utf8(bytes.to_vec()).unwrap());
    let (inode, offset) = (long(8), usize::try_from(long(16)).unwrap());
    let done = match short(0) {
        call::OPEN => Done::Created { path: as_path(path), inode },
        call::WRITE => Done::Written { inode, offset, bytes: data.to_vec() },
        call::TRUNCATE => Done::Truncated { inode, length: offset },
        call::SYNC if short(4) == file::FOLDER => Done::FolderSynced,
        call::SYNC => Done::Synced { inode },
        call::RENAME => Done::Renamed { from: as_path(path), to: as_path(data), inode },
        call::UNLINK => Done::Removed { path: as_path(path) },
        other => panic!("no call {other}"),
    };
    Some(Call { begin_ns: long(24), done })
}
