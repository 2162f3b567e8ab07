//! Whether the write-ahead log has what was committed.
//!
//! SQLite takes the first frame whose checksum does not match for the end of its log: a bit that flipped in one frame loses
//! all commits from there on without a word. So the log is read here before SQLite opens it, and what stands behind that
//! frame tells whether it is the end. The format is <https://www.sqlite.org/fileformat2.html#the_write_ahead_log>: a header
//! with two salts, then frames, each with those salts and a checksum over all frames up to it; a transaction's last frame
//! is marked. A log that was emptied is begun anew over the old one, with other salts: behind its end stand frames of
//! earlier generations, which belong to nothing. What has the salts of the header is of this log.
//!
//! # What a crash may leave
//!
//! Where each transaction is synced before the next one is begun ([`SyncPolicy::Always`]), a power cut can tear the last
//! transaction alone, and keep any part of it: behind the first frame that is not as it was written, there is one marked
//! frame of this log at most, and nothing follows that one. More than that was written after a sync that covered the bad
//! frame: it was lost later, an acknowledged change with it, and the file is refused. Where transactions are not synced one
//! by one, a power cut may tear as many as there were since the last sync. The lock's note says which of it holds for a log
//! ([`super::lock`]). `kill -9` tears nothing but a transaction that was not committed.
//!
//! Frames of this log that never were of a commit can stand there, too: those of a transaction that was too large for
//! SQLite's cache and then was rolled back. None of them is marked, nor does one continue a marked one, since SQLite writes
//! the next transaction over them. A tail that a crash has left could do either; so a log with one is emptied at the start,
//! before anything is written.
//!
//! The header is written and synced before the first frame, and lies in one sector. One that does not verify was damaged
//! later, unless nothing is synced at all; SQLite would take the log for an empty one.
//!
//! # What can't be told
//!
//! Damage within the last transaction looks as a power cut does: that one is dropped. So does damage to one before it, where
//! it takes along what tells of the later ones: the head of a marked frame is overwritten, be it its own or that of the only
//! frame behind it; and behind such a frame a mark that lies in another sector than its salts, as of one frame in 64, could be
//! that of an earlier log. A sector that is lost takes three transactions along at most. A log that was cut where a
//! transaction ends is a shorter log.
//!
//! [`SyncPolicy::Always`]: super::SyncPolicy::Always

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

use crate::limits::UNSYNCED_TRANSACTIONS;

const HEADER_BYTES: usize = 32;
const FRAME_HEAD_BYTES: usize = 24;

/// What a disk writes whole or not at all, at least.
const SECTOR_BYTES: u64 = 512;

/// The header's first number, but for its last bit: whether checksums are made of big-endian numbers.
const MAGIC: u32 = 0x377f_0682;

/// The sizes of a page that there are: powers of two between these.
const PAGE_BYTES: std::ops::RangeInclusive<usize> = 512..=65536;

/// What a log was found to be.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Log {
    /// Its frames up to the end of the last commit that SQLite will find.
    pub(super) sound_frames: u64,
    /// Its transactions up to there.
    pub(super) transactions: u64,
    /// The first frame that is not as it was written.
    pub(super) tear: Option<Tear>,
}

impl Log {
    /// What SQLite will drop, if that is anything, in words.
    pub(super) fn dropped(&self) -> Option<String> {
        let tear = self.tear.filter(|tear| tear.has_lost() || tear.transactions > 0)?;
        if tear.frame == 0 {
            return Some(
                "The write-ahead log was torn when the machine went down: all of it is dropped".into(),
            );
        }
        Some(format!(
            "The write-ahead log was torn when the machine went down: its first {} transactions are whole, the last {} are \
             dropped, from frame {} of {} on",
            self.transactions, tear.transactions, tear.frame, tear.last_frame
        ))
    }
}

/// Where a log does not go on, although frames of it follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tear {
    /// The frame, counted from 1; 0 stands for the header.
    pub frame: u64,
    /// Where it begins.
    pub offset: u64,
    /// The number of the last frame of this log.
    pub last_frame: u64,
    /// The transactions that end at the frame or behind it.
    pub transactions: u64,
    /// Whether one more was begun behind the last of them.
    pub goes_on: bool,
}

impl Tear {
    fn at(frame: u64, offset: u64) -> Self {
        Self { frame, offset, last_frame: 0, transactions: 0, goes_on: false }
    }

    /// Takes in the next frame, the torn one first.
    fn note(&mut self, number: u64, frame: &Frame) {
        if !frame.is_ours {
            return;
        }
        self.last_frame = number;
        self.goes_on = !frame.is_marked && (self.goes_on || frame.continues_marked);
        self.transactions += u64::from(frame.is_marked);
    }

    /// Whether changes are lost that had been acknowledged, where each transaction was synced before the next.
    pub(super) fn has_lost(&self) -> bool {
        self.frame == 0 || self.transactions + u64::from(self.goes_on) > UNSYNCED_TRANSACTIONS
    }
}

impl fmt::Display for Tear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { frame, offset, last_frame, .. } = self;
        match frame {
            0 => f.write_str("its header is not as it was written"),
            _ => write!(f, "frame {frame} of {last_frame}, at byte {offset}, is not as it was written"),
        }
    }
}

/// Two sums, each of which depends on the other.
type Sums = (u32, u32);

/// What the header says.
struct Header {
    is_big_endian: bool,
    page_bytes: usize,
    salts: [u8; 8],
    sums: Sums,
}

/// What a frame looks like behind the one before it.
#[allow(clippy::struct_excessive_bools, reason = "each is told by another place of the frame")]
struct Frame {
    /// Its own checksum, right or wrong.
    sums: Sums,
    /// Whether SQLite takes it.
    is_sound: bool,
    /// Whether it was written to this log.
    is_ours: bool,
    /// Whether a transaction ends with it.
    is_marked: bool,
    /// Whether it was written behind the one before it, as that stands there.
    continues: bool,
    /// The same, where that one is marked.
    continues_marked: bool,
}

/// Reads a log, a frame at a time.
///
/// # Errors
///
/// If reading fails.
pub(super) fn read(mut log: impl Read) -> io::Result<Log> {
    let mut bytes = [0; HEADER_BYTES];
    if !fill(&mut log, &mut bytes)? {
        return Ok(Log::default());
    }
    match Header::parse(&bytes) {
        Some(header) => read_frames(log, &header),
        None => Ok(Log { tear: look_behind(log)?.then_some(Tear::at(0, 0)), ..Log::default() }),
    }
}

/// Whether something stands behind the first bytes of a log that has these salts, up to where it was committed: what a
/// transaction has left that failed. What an earlier log has left there does not count.
///
/// # Errors
///
/// If reading fails.
pub(super) fn goes_on(log: &File, bytes: u64, salts: [u8; 8]) -> io::Result<bool> {
    let mut header = [0; HEADER_BYTES];
    if let Err(error) = log.read_exact_at(&mut header, 0) {
        // Half a header.
        return if error.kind() == io::ErrorKind::UnexpectedEof {
            Ok(log.metadata()?.len() > 0)
        } else {
            Err(error)
        };
    }
    match Header::parse(&header) {
        Some(header) if header.salts == salts => {
            let mut head = [0; 16];
            let read = log.read_at(&mut head, bytes.max(HEADER_BYTES as u64))?;
            Ok(read == head.len() && head[8..] == salts)
        }
        // It was not begun anew.
        Some(_) => Ok(false),
        None => Ok(true),
    }
}

/// Whether something was written behind a header that does not verify. A log of which nothing but the header was ever
/// written has no frames.
fn look_behind(mut log: impl Read) -> io::Result<bool> {
    let mut bytes = [0; FRAME_HEAD_BYTES + *PAGE_BYTES.start()];
    while fill(&mut log, &mut bytes)? {
        if bytes.iter().any(|byte| *byte != 0) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn read_frames(mut log: impl Read, header: &Header) -> io::Result<Log> {
    let mut bytes = vec![0; FRAME_HEAD_BYTES + header.page_bytes];
    let mut found = Log::default();
    let mut before = header.before_frames();
    for number in 1.. {
        if !fill(&mut log, &mut bytes)? {
            break;
        }
        let offset = (HEADER_BYTES as u64) + (number - 1) * bytes.len() as u64;
        let frame = header.look_at(&bytes, offset, &before);
        if !frame.is_sound {
            found.tear.get_or_insert(Tear::at(number, offset));
        }
        match &mut found.tear {
            Some(tear) => tear.note(number, &frame),
            None if frame.is_marked => {
                found.sound_frames = number;
                found.transactions += 1;
            }
            None => {}
        }
        before = frame;
    }
    // What follows the end without being of this log is what an earlier one left behind.
    found.tear = found.tear.filter(|tear| tear.last_frame > 0);
    Ok(found)
}

/// Whether there was as much as that; what is left at the end is no frame.
fn fill(log: &mut impl Read, bytes: &mut [u8]) -> io::Result<bool> {
    match log.read_exact(bytes) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

impl Header {
    /// None, if SQLite would not take it.
    fn parse(bytes: &[u8; HEADER_BYTES]) -> Option<Self> {
        let [magic, _version, page_bytes, _checkpoint] = [0, 4, 8, 12].map(|at| big_endian(bytes, at));
        let is_big_endian = magic & 1 == 1;
        let page_bytes = page_bytes as usize;
        let is_possible = PAGE_BYTES.contains(&page_bytes) && page_bytes.is_power_of_two();
        let salts = bytes[16..24].try_into().ok()?;
        let sums = (big_endian(bytes, 24), big_endian(bytes, 28));
        let is_sound = magic & !1 == MAGIC && is_possible && sum((0, 0), &bytes[..24], is_big_endian) == sums;
        is_sound.then_some(Self { is_big_endian, page_bytes, salts, sums })
    }

    /// What the first frame stands behind.
    fn before_frames(&self) -> Frame {
        Frame {
            sums: self.sums,
            is_sound: true,
            is_ours: true,
            is_marked: false,
            continues: true,
            continues_marked: false,
        }
    }

    fn look_at(&self, bytes: &[u8], offset: u64, before: &Frame) -> Frame {
        let size = big_endian(bytes, 4);
        let sums = (big_endian(bytes, 16), big_endian(bytes, 20));
        let sum_if_size = |size: u32| self.sum_frame(before.sums, bytes, size);
        let has_salts = bytes[8..16] == self.salts;
        // Zeros have the checksum of zeros behind zeros.
        let continues = sums != (0, 0) && sum_if_size(size) == sums;
        let is_ours = has_salts || (before.is_ours && continues);
        let fitting = if continues || !is_ours { None } else { fit(sum_if_size, sums) };
        // A mark that lies in another sector than the salts may be that of an earlier log, if that sector was not written.
        // The end of the frame before it lies there, too.
        let is_split = offset % SECTOR_BYTES == SECTOR_BYTES - 8;
        let is_certain = continues || !is_split || before.continues;
        let size = fitting.unwrap_or(if is_certain { size } else { 0 });
        Frame {
            sums,
            is_sound: has_salts && continues,
            is_ours,
            is_marked: is_ours && size != 0,
            continues,
            continues_marked: before.is_ours && before.is_marked && continues,
        }
    }

    /// The checksum of a frame behind one with this checksum, if its mark were this one.
    fn sum_frame(&self, before: Sums, bytes: &[u8], size: u32) -> Sums {
        let mut head = [0; 8];
        head[..4].copy_from_slice(&bytes[..4]);
        head[4..].copy_from_slice(&size.to_be_bytes());
        let sums = sum(before, &head, self.is_big_endian);
        sum(sums, &bytes[FRAME_HEAD_BYTES..], self.is_big_endian)
    }
}

/// The mark with which a frame has this checksum, if there is one: the true one, where nothing else of the frame was
/// damaged. Both sums are linear in it.
fn fit(sum_if_size: impl Fn(u32) -> Sums, sums: Sums) -> Option<u32> {
    let (zero, one) = (sum_if_size(0), sum_if_size(1));
    let steps = (one.0.wrapping_sub(zero.0), one.1.wrapping_sub(zero.1));
    let wanted = (sums.0.wrapping_sub(zero.0), sums.1.wrapping_sub(zero.1));
    let size = if steps.0 & 1 == 1 {
        wanted.0.wrapping_mul(inverse(steps.0))
    } else {
        wanted.1.wrapping_mul(inverse(steps.1))
    };
    (sum_if_size(size) == sums).then_some(size)
}

/// What an odd number is to be multiplied with to give 1, modulo 2^32: each step doubles the bits that are right.
fn inverse(odd: u32) -> u32 {
    (0..5).fold(odd, |found, _| found.wrapping_mul(2_u32.wrapping_sub(odd.wrapping_mul(found))))
}

/// SQLite's checksum of numbers, two at a time, behind what has these sums.
fn sum(before: Sums, bytes: &[u8], is_big_endian: bool) -> Sums {
    let number = |bytes: &[u8]| {
        let bytes = [bytes[0], bytes[1], bytes[2], bytes[3]];
        if is_big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
    };
    bytes.chunks_exact(8).fold(before, |(first, second), pair| {
        let first = first.wrapping_add(number(&pair[..4])).wrapping_add(second);
        (first, second.wrapping_add(number(&pair[4..])).wrapping_add(first))
    })
}

fn big_endian(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rusqlite::Connection;

    use super::*;

    /// A log of SQLite's own, of three transactions of a few frames each.
    fn log() -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.db");
        let connection = Connection::open(&path).unwrap();
        connection.pragma_update(None, "journal_mode", "WAL").unwrap();
        for name in ["a", "b", "c"] {
            connection.execute_batch(&format!("CREATE TABLE {name} (x)")).unwrap();
        }
        fs::read(folder.path().join("t.db-wal")).unwrap()
    }

    fn frames(bytes: &mut [u8]) -> impl Iterator<Item = &mut [u8]> {
        bytes[HEADER_BYTES..].chunks_exact_mut(FRAME_HEAD_BYTES + 4096)
    }

    /// The same log as a machine of the other kind writes it.
    fn other_endian(mut bytes: Vec<u8>) -> Vec<u8> {
        let is_big_endian = bytes[3] & 1 == 0;
        bytes[3] ^= 1;
        let mut sums = sum((0, 0), &bytes[..24], is_big_endian);
        let put = |bytes: &mut [u8], (first, second): Sums| {
            bytes[..4].copy_from_slice(&first.to_be_bytes());
            bytes[4..8].copy_from_slice(&second.to_be_bytes());
        };
        put(&mut bytes[24..], sums);
        for frame in frames(&mut bytes) {
            sums = sum(sums, &frame[..8], is_big_endian);
            sums = sum(sums, &frame[FRAME_HEAD_BYTES..], is_big_endian);
            put(&mut frame[16..], sums);
        }
        bytes
    }

    #[test]
    fn a_log_goes_on_where_a_frame_of_its_own_stands_behind_what_was_committed() {
        let bytes = log();
        let (salts, committed) = (bytes[16..24].try_into().unwrap(), bytes.len() as u64);
        let goes_on = |bytes: &[u8], committed, salts| {
            let file = tempfile::tempfile().unwrap();
            file.write_all_at(bytes, 0).unwrap();
            goes_on(&file, committed, salts).unwrap()
        };
        assert!(!goes_on(&bytes, committed, salts));
        assert!(goes_on(&bytes, committed - (FRAME_HEAD_BYTES as u64 + 4096), salts));
        assert!(goes_on(&bytes, 0, salts), "begun anew, with its header written");
        assert!(!goes_on(&bytes, 0, [1; 8]), "begun anew, and nothing written yet");
        let mut older = bytes.clone();
        older[HEADER_BYTES + 8] ^= 1;
        assert!(!goes_on(&older, 0, salts), "what an earlier log has left");
        assert!(goes_on(&bytes[..HEADER_BYTES - 1], 0, salts), "half a header");
        let mut torn = bytes;
        torn[HEADER_BYTES - 1] ^= 1;
        assert!(goes_on(&torn, 0, salts));
        assert!(!goes_on(&[], 0, salts));
    }

    #[test]
    fn a_log_is_sound_with_checksums_of_both_kinds() {
        for bytes in [log(), other_endian(log())] {
            let found = read(&bytes[..]).unwrap();
            let count = (bytes.len() - HEADER_BYTES) / (FRAME_HEAD_BYTES + 4096);
            assert_eq!(found, Log { sound_frames: count as u64, transactions: 3, tear: None });
        }
    }

    #[test]
    fn sqlite_reads_the_other_kind_too() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.db");
        // A file that has a log, and nothing else yet.
        let connection = Connection::open(&path).unwrap();
        connection.pragma_update(None, "journal_mode", "WAL").unwrap();
        drop(connection);
        fs::write(folder.path().join("t.db-wal"), other_endian(log())).unwrap();
        let tables = "SELECT count(*) FROM sqlite_schema";
        let count: i64 = Connection::open(&path).unwrap().query_row(tables, [], |row| row.get(0)).unwrap();
        assert_eq!(count, 3);
    }

    #[test]
    fn a_mark_that_was_changed_is_calculated() {
        for bytes in [log(), other_endian(log())] {
            let marked = bytes[HEADER_BYTES..].chunks_exact(FRAME_HEAD_BYTES + 4096);
            let last = marked.filter(|frame| frame[4..8] != [0; 4]).count() as u64;
            assert_eq!(last, 3);
            for bit in 0..32 {
                let mut bytes = bytes.clone();
                let frame = frames(&mut bytes).filter(|frame| frame[4..8] != [0; 4]).nth(1).unwrap();
                frame[4 + bit / 8] ^= 1 << (bit % 8);
                let tear = read(&bytes[..]).unwrap().tear.unwrap();
                assert_eq!(tear.transactions, 2, "bit {bit}");
                assert!(tear.has_lost());
            }
        }
    }

    #[test]
    fn a_transaction_that_goes_on_behind_the_torn_one_shows_that_it_was_synced() {
        let mut bytes = log();
        let length = frames(&mut bytes).count();
        let ends: Vec<_> =
            (0..length).filter(|at| frames(&mut bytes).nth(*at).unwrap()[4..8] != [0; 4]).collect();
        frames(&mut bytes).nth(ends[1]).unwrap()[100] ^= 1;
        // The last transaction has one frame that is not its last.
        let tear_with = |frames: usize| {
            let end = HEADER_BYTES + frames * (FRAME_HEAD_BYTES + 4096);
            read(&bytes[..end]).unwrap().tear.unwrap()
        };
        assert!(!tear_with(ends[1] + 1).has_lost());
        assert!(ends[2] > ends[1] + 1 && tear_with(ends[1] + 2).has_lost());
    }

    #[test]
    fn anything_at_all_can_be_read() {
        let mut random = fastrand::Rng::with_seed(1);
        let bytes = log();
        for _ in 0..200 {
            let mut bytes = bytes.clone();
            let from = random.usize(..bytes.len());
            let to = random.usize(from..bytes.len());
            bytes[from..to].fill_with(|| random.u8(..));
            bytes.truncate(random.usize(..bytes.len()));
            let _ = read(&bytes[..]).unwrap();
        }
        assert_eq!(read(&vec![0; 100_000][..]).unwrap(), Log::default(), "nothing was ever written");
    }
}
