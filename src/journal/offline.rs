//! Compaction of a file that no daemon has: the same steps as those between a daemon's commits, one behind the other.

use std::path::Path;

use super::backup::find;
use super::compaction::Compaction;
use super::error::{AppendError, CheckpointError, OpenError};
use super::sqlite::{JournalFile, SyncPolicy};
use crate::limits::COMPACT_ROWS;
use crate::stats::now_ms;
use crate::store::{Loading, Store};

/// Rows of one step: nobody waits between two.
const ROWS_AT_ONCE: usize = 16 * COMPACT_ROWS;

/// Takes out of the data file at `path` what it says in vain, and gives the room back, but for some that a server would soon
/// need. It takes as much memory as to serve the file. `progress` is told how many rows were looked at, of how many. Returns how
/// many rows there were, and are. Wherever it ends before its time, the file says what it said before.
///
/// # Errors
///
/// If a daemon has it, or it can't be read, served or written.
pub fn compact(path: &Path, mut progress: impl FnMut(u64, u64)) -> Result<(u64, u64), OpenError> {
    let path = find(path)?;
    let mut file = JournalFile::open(&path, SyncPolicy::Always)?;
    let store = Store::default();
    let mut keyspace = store.load();
    let mut loading = Loading::new(&mut keyspace);
    let last_container = file.replay(|chunk| chunk.apply(&mut loading))?;
    drop(loading.end(last_container));
    drop(keyspace);

    let failed = |error: AppendError| OpenError::Io { path: path.clone(), what: error.to_string() };
    let not_copied = |error: CheckpointError| OpenError::Io { path: path.clone(), what: error.to_string() };
    let before = file.len();
    let (first, mut compaction) = (file.first_sequence(), Compaction::default());
    // An end that is not covered by a checksum yet is, once the first step begins a group of its own.
    compaction.ask(&file);
    while !compaction.is_done(&file) {
        compaction.step(&mut file, &store, ROWS_AT_ONCE).map_err(failed)?;
        file.checkpoint_if_due().map_err(not_copied)?;
        progress((file.first_sequence() - first) as u64, before);
    }
    file.close_group(now_ms()).map_err(failed)?;
    while file.has_pages_to_give_back() {
        file.give_pages_back().map_err(failed)?;
        file.checkpoint_if_due().map_err(not_copied)?;
    }
    file.checkpoint().map_err(not_copied)?;
    Ok((before, file.len()))
}
