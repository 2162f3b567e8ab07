//! The head of the index of the write-ahead log: what the log is at the moment, in one small read.
//!
//! SQLite keeps the index in the `-shm` file, which all who have the data file open map into memory. Its format is
//! <https://www.sqlite.org/walformat.html#the_wal_index_file_format>; the numbers in it are the machine's own.
//!
//! Closing a file gives up all locks that the process has on it, SQLite's too. So this one is closed behind the connection.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// The head stands there twice, so that half of one is seen; behind it, how much of the log was copied.
const HEAD_BYTES: usize = 48;
const COPIED_AT: usize = 2 * HEAD_BYTES;

/// The index, open.
#[derive(Debug)]
pub(super) struct Index(File);

/// What the log is at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    /// How many transactions there were, by whomever.
    pub(super) changes: u32,
    /// Pages in the log.
    pub(super) pages: u64,
    /// How many of them are in the data file, too.
    pub(super) copied: u64,
    /// Of this log: the next one that is begun has others.
    pub(super) salts: [u8; 8],
}

impl Index {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        File::open(path).map(Self)
    }

    /// What the log is now. None, if somebody is just about to change that, or it is not known.
    pub(super) fn head(&self) -> io::Result<Option<Head>> {
        let mut bytes = [0; COPIED_AT + 4];
        self.0.read_exact_at(&mut bytes, 0)?;
        let (first, second) = bytes[..COPIED_AT].split_at(HEAD_BYTES);
        let number = |at: usize| u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let is_known = bytes[12] != 0;
        Ok((first == second && is_known).then(|| Head {
            changes: number(8),
            pages: number(16).into(),
            copied: number(COPIED_AT).into(),
            salts: std::array::from_fn(|at| bytes[32 + at]),
        }))
    }
}
