//! Bits that flipped in the data file.

use revoked::journal::{OpenError, SyncPolicy};

use super::file::{Files, State, written};
use super::{random, rounds};

const COMMITS: usize = 60;

/// Flips bits in copies of the data file, one at a time.
fn flip(files: &Files, state: &State, random: &mut fastrand::Rng, rounds: usize, test: &str) {
    let mut refused = 0;
    for round in 0..rounds {
        let mut damaged = files.clone();
        // The first page, which has what SQLite needs to know of the file, gets more than its share.
        let end = if round % 4 == 0 { 4096 } else { files.data.len() };
        let (byte, bit) = (random.usize(..end), random.u8(..8));
        damaged.data[byte] ^= 1 << bit;
        match damaged.state() {
            Ok(found) => assert!(found == *state, "bit {bit} of byte {byte} changed what is there"),
            Err(OpenError::Held { .. } | OpenError::Missing { .. }) => panic!("bit {bit} of byte {byte}"),
            Err(_) => refused += 1,
        }
    }
    eprintln!(
        "{test}: {rounds} bits flipped in {} bytes, {refused} refused, the others changed nothing",
        files.data.len()
    );
}

#[test]
fn a_bit_of_a_file_that_was_closed_in_order_changes_nothing_unnoticed() {
    let mut random = random();
    let (running, states) = written(COMMITS, SyncPolicy::Always, &mut random);
    let files = running.stop();
    assert!(files.log.is_empty());
    flip(&files, &states[COMMITS], &mut random, rounds(120), "without a log");
}

#[test]
fn a_bit_of_a_file_beside_its_log_changes_nothing_unnoticed() {
    let mut random = random();
    let (running, _) = written(COMMITS, SyncPolicy::Always, &mut random);
    running.copy_log();
    let more = super::file::changes(COMMITS, &mut random);
    running.submit(more);
    let (files, state) = (running.files(), running.state());
    running.stop();
    assert!(!files.log.is_empty());
    flip(&files, &state, &mut random, rounds(120), "with a log");
}

/// Found by flipping bits: all of it could be read, and nothing was written any more.
#[test]
fn a_page_that_can_not_take_the_next_row_is_refused() {
    let mut random = random();
    let (running, _) = written(3, SyncPolicy::Always, &mut random);
    let mut files = running.stop();
    // The third page is all that the table has yet; behind a page's kind stands where its first free block is.
    let page = 2 * 4096;
    assert_eq!(files.data[page], 13, "a leaf of a table");
    files.data[page + 1..page + 3].copy_from_slice(&u16::MAX.to_be_bytes());
    let error = files.open().map(|_| ()).unwrap_err();
    assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
}

/// Found by fuzzing: the difference of both counts was taken as it came.
#[test]
fn more_free_pages_than_pages_are_refused() {
    let mut random = random();
    let (running, _) = written(3, SyncPolicy::Always, &mut random);
    let mut files = running.stop();
    files.data[36..40].copy_from_slice(&1_000_000_u32.to_be_bytes());
    let error = files.open().map(|_| ()).unwrap_err();
    assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
}
