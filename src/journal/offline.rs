//! Compaction of a file that no daemon has: the same steps as those between a daemon's commits, one behind the other.

use std::path::Path;

use super::backup::find;
use super::compaction::{Compaction, is_worth_it};
use super::error::{AppendError, CheckpointError, OpenError};
use super::sqlite::{JournalFile, SyncPolicy};
use crate::limits::{COMPACT_ROWS, TIMESTAMP_ROWS};
use crate::stats::now_ms;
use crate::store::{Loading, Store};

/// Rows of one step: nobody waits between two.
const ROWS_AT_ONCE: usize = 16 * COMPACT_ROWS;

/// Rows that say nothing any more, in a hundred, for which the others are not written again, and so many besides: the least
/// that a file has for its times.
const LEFT_PERCENT: u64 = 5;
const LEFT_ROWS: u64 = 64;

/// Takes out of the data file at `path` what it says in vain, and gives all empty pages back. It takes as much memory as to
/// serve the file. `progress` is told how many rows were looked at, of how many. Returns how many rows there were, and are;
/// none, if there was nothing to take out, or next to nothing, and the file was left as it is. Wherever it ends before its
/// time, the file says what it said before.
///
/// # Errors
///
/// If a daemon has it, or it can't be read, served or written.
pub fn compact(path: &Path, mut progress: impl FnMut(u64, u64)) -> Result<Option<(u64, u64)>, OpenError> {
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
    let says_enough = says_enough(&file, &store);
    if says_enough && !file.has_free_pages() {
        return Ok(None);
    }
    if !says_enough {
        let (first, mut compaction) = (file.first_sequence(), Compaction::default());
        // An end that is not covered by a checksum yet is, once the first step begins a group of its own.
        compaction.ask(&file);
        while !compaction.is_done(&file) {
            compaction.step(&mut file, &store, ROWS_AT_ONCE).map_err(failed)?;
            file.checkpoint_if_due().map_err(not_copied)?;
            progress((file.first_sequence() - first) as u64, before);
        }
        file.close_group(now_ms()).map_err(failed)?;
    }
    while file.has_free_pages() {
        file.give_pages_back().map_err(failed)?;
        file.checkpoint_if_due().map_err(not_copied)?;
    }
    file.checkpoint().map_err(not_copied)?;
    Ok(Some((before, file.len())))
}

/// Whether nearly all rows say what is still so, and nearly all their bytes are needed for that.
fn says_enough(file: &JournalFile, store: &Store) -> bool {
    let keyspace = store.read();
    let live = keyspace.rows();
    let said = live.count as u64;
    let in_vain = file.len().saturating_sub(said + said / TIMESTAMP_ROWS as u64);
    in_vain <= file.len() / 100 * LEFT_PERCENT + LEFT_ROWS
        && !is_worth_it(file.used_bytes(), live.bytes as u64)
}
