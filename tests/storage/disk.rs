//! A disk that keeps what was synced, and of the rest what chance will have it.
//!
//! What is modelled, from the side of what a file system and a disk may do to a program:
//!
//! - `fsync` and `fdatasync` of a file make all of its bytes and its size durable, and nothing else: not its name.
//! - `fsync` of the folder makes the names in it durable: files that were made, renamed and removed by then.
//! - Of the writes to a file since its last sync, any subset survives, in any order as to when: each write whole, not
//!   at all, or any of the 512-byte sectors that it touches; a sector that two writes touch may be left as the first
//!   one left it. Where only a part of a sector was written, the other bytes in it stay what they were: SQLite's
//!   "powersafe overwrite", which is what it assumes of disks, too.
//! - A change of size survives or not by itself, whatever else does. What a file has grown by, without the bytes that
//!   were written there, reads as zeros, or as rubbish.
//! - Of the names that were made, changed and removed since the folder's last sync, any subset survives. Each change
//!   of a name is whole: a rename has happened or not.
//!
//! Not modelled: a sector that changes although nobody wrote to it, one that is torn inside, and a disk that lies
//! about its syncs (a test makes one, to show that it is found out).

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use fastrand::Rng;

use crate::recording::Done;

const SECTOR: usize = 512;

/// The files of one folder.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    files: Vec<File>,
    /// Those that exist at present. An inode's number is given again once its file is gone.
    by_inode: HashMap<u64, usize>,
    names: BTreeMap<PathBuf, usize>,
    names_pending: Vec<Vec<(PathBuf, Option<usize>)>>,
}

#[derive(Debug, Default)]
struct File {
    durable: Vec<u8>,
    pending: Vec<Change>,
}

#[derive(Debug)]
enum Change {
    Written { offset: usize, bytes: Vec<u8> },
    Truncated { length: usize },
}

impl Disk {
    /// Does what a call did.
    pub(crate) fn apply(&mut self, done: &Done) {
        match done {
            Done::Created { path, inode } => {
                self.by_inode.insert(*inode, self.files.len());
                self.names_pending.push(vec![(path.clone(), Some(self.files.len()))]);
                self.files.push(File::default());
            }
            Done::Written { inode, offset, bytes } => {
                let change = Change::Written { offset: *offset, bytes: bytes.clone() };
                self.file(*inode).pending.push(change);
            }
            Done::Truncated { inode, length } => {
                self.file(*inode).pending.push(Change::Truncated { length: *length });
            }
            Done::Synced { inode } => self.file(*inode).sync(),
            Done::FolderSynced => {
                for change in std::mem::take(&mut self.names_pending) {
                    rename(&mut self.names, change);
                }
            }
            Done::Renamed { from, to, inode } => {
                let file = Some(self.by_inode[inode]);
                self.names_pending.push(vec![(from.clone(), None), (to.clone(), file)]);
            }
            Done::Removed { path } => self.names_pending.push(vec![(path.clone(), None)]),
        }
    }

    fn file(&mut self, inode: u64) -> &mut File {
        &mut self.files[self.by_inode[&inode]]
    }

    /// What is found after a power cut amid a call: it may have done its work, but has promised nothing.
    pub(crate) fn cut_amid(&mut self, call: &Done, rng: &mut Rng) -> BTreeMap<PathBuf, Vec<u8>> {
        match call {
            Done::Written { inode, .. } | Done::Truncated { inode, .. } => {
                self.apply(call);
                let found = self.cut(rng);
                self.file(*inode).pending.pop();
                found
            }
            Done::Renamed { .. } | Done::Removed { .. } => {
                self.apply(call);
                let found = self.cut(rng);
                self.names_pending.pop();
                found
            }
            Done::Created { .. } | Done::Synced { .. } | Done::FolderSynced => self.cut(rng),
        }
    }

    /// What is found after a power cut at this moment.
    pub(crate) fn cut(&self, rng: &mut Rng) -> BTreeMap<PathBuf, Vec<u8>> {
        let chance = Chance::new(rng);
        let mut names = self.names.clone();
        for change in &self.names_pending {
            if chance.survives(rng) {
                rename(&mut names, change.clone());
            }
        }
        names.into_iter().map(|(name, file)| (name, self.files[file].cut(&chance, rng))).collect()
    }
}

fn rename(names: &mut BTreeMap<PathBuf, usize>, change: Vec<(PathBuf, Option<usize>)>) {
    for (name, file) in change {
        match file {
            Some(file) => names.insert(name, file),
            None => names.remove(&name),
        };
    }
}

impl File {
    fn sync(&mut self) {
        for change in std::mem::take(&mut self.pending) {
            match change {
                Change::Written { offset, bytes } => {
                    grow(&mut self.durable, offset + bytes.len(), 0);
                    self.durable[offset..offset + bytes.len()].copy_from_slice(&bytes);
                }
                Change::Truncated { length } => self.durable.resize(length, 0),
            }
        }
    }

    fn cut(&self, chance: &Chance, rng: &mut Rng) -> Vec<u8> {
        let mut left = self.durable.clone();
        for change in &self.pending {
            match change {
                Change::Written { offset, bytes } => chance.write(&mut left, *offset, bytes, rng),
                Change::Truncated { length } if chance.survives(rng) => left.resize(*length, 0),
                Change::Truncated { .. } => {}
            }
        }
        left
    }
}

fn grow(bytes: &mut Vec<u8>, length: usize, filling: u8) {
    if bytes.len() < length {
        bytes.resize(length, filling);
    }
}

/// How a power cut turns out.
struct Chance {
    /// Of what was not synced, so many percent survive.
    percent: u8,
    /// What stands where a file has grown and nothing was written.
    filling: u8,
}

impl Chance {
    fn new(rng: &mut Rng) -> Self {
        let percent = *rng.choice(&[0, 10, 50, 90, 100]).unwrap();
        Self { percent, filling: if rng.bool() { 0 } else { rng.u8(1..) } }
    }

    fn survives(&self, rng: &mut Rng) -> bool {
        rng.u8(..100) < self.percent
    }

    /// Writes what survives of a write.
    fn write(&self, left: &mut Vec<u8>, offset: usize, bytes: &[u8], rng: &mut Rng) {
        let is_torn = rng.bool();
        let is_whole = !is_torn && self.survives(rng);
        if self.survives(rng) {
            grow(left, offset + bytes.len(), self.filling);
        }
        let mut from = 0;
        while from < bytes.len() {
            let to = bytes.len().min(from + SECTOR - (offset + from) % SECTOR);
            if is_whole || is_torn && self.survives(rng) {
                grow(left, offset + to, self.filling);
                left[offset + from..offset + to].copy_from_slice(&bytes[from..to]);
            }
            from = to;
        }
    }
}

mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const INODE: u64 = 7;

    fn path(name: &str) -> PathBuf {
        PathBuf::from(name)
    }

    fn written(offset: usize, bytes: &[u8]) -> Done {
        Done::Written { inode: INODE, offset, bytes: bytes.to_vec() }
    }

    /// All that may be found of the file `a`, as far as many cuts show it.
    fn outcomes(calls: &[Done]) -> BTreeSet<Option<Vec<u8>>> {
        let mut disk = Disk::default();
        disk.apply(&Done::Created { path: path("a"), inode: INODE });
        for call in calls {
            disk.apply(call);
        }
        let mut rng = Rng::with_seed(1);
        (0..1_000).map(|_| disk.cut(&mut rng).remove(&path("a"))).collect()
    }

    #[test]
    fn what_was_synced_is_kept() {
        let synced = [written(0, b"one"), Done::Synced { inode: INODE }, Done::FolderSynced];
        assert_eq!(outcomes(&synced), [Some(b"one".to_vec())].into());
    }

    #[test]
    fn a_file_without_a_durable_name_may_be_gone() {
        let unnamed = [written(0, b"one"), Done::Synced { inode: INODE }];
        assert_eq!(outcomes(&unnamed), [None, Some(b"one".to_vec())].into());
    }

    #[test]
    fn a_write_may_be_lost_or_torn_between_sectors() {
        let calls = [written(0, &[1; 2 * SECTOR]), Done::Synced { inode: INODE }, Done::FolderSynced];
        let calls = calls.into_iter().chain([written(SECTOR - 1, &[2, 2])]).collect::<Vec<_>>();
        let with = |first, second| {
            let mut bytes = vec![1; 2 * SECTOR];
            (bytes[SECTOR - 1], bytes[SECTOR]) = (first, second);
            Some(bytes)
        };
        assert_eq!(outcomes(&calls), [with(1, 1), with(1, 2), with(2, 1), with(2, 2)].into());
    }

    #[test]
    fn a_removal_that_was_not_synced_may_be_undone() {
        let removed = [Done::FolderSynced, Done::Removed { path: path("a") }];
        assert_eq!(outcomes(&removed), [None, Some(Vec::new())].into());
    }
}
