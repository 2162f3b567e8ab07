//! A data file, its log and its lock as bytes, and what a journal holds that is opened on them.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use revoked::expiry::Expiry;
use revoked::journal::{Finish, Item, Journal, OpenError, Opened, SyncPolicy};
use revoked::op::{Change, MemberCondition, Op};
use revoked::stats::Stats;
use revoked::store::{Store, ValueView, View};
use tempfile::TempDir;

/// All that a journal holds, in words.
pub(crate) type State = Vec<String>;

/// The files as they lie on the disk.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Files {
    pub(crate) data: Vec<u8>,
    pub(crate) log: Vec<u8>,
    pub(crate) lock: Vec<u8>,
}

impl Files {
    pub(crate) fn read(data_file: &Path) -> Self {
        let read = |suffix: &str| fs::read(beside(data_file, suffix)).unwrap_or_default();
        Self { data: read(""), log: read("-wal"), lock: read("-lock") }
    }

    fn write(&self, data_file: &Path) {
        for (suffix, bytes) in [("", &self.data), ("-wal", &self.log), ("-lock", &self.lock)] {
            if !bytes.is_empty() {
                fs::write(beside(data_file, suffix), bytes).unwrap();
            }
        }
    }

    /// Opens and replays a copy of them.
    pub(crate) fn open(&self) -> Result<Running, OpenError> {
        let folder = folder();
        let path = folder.path().join("revoked.db");
        self.write(&path);
        let running = Running::start(Arc::clone(&folder), SyncPolicy::Always);
        if let Err(error) = &running {
            let left = Self::read(&path);
            assert!(left.data == self.data && left.log == self.log, "{error}, but the files were touched");
        }
        running
    }

    /// What a copy of them holds, and holds still when something was added to it.
    pub(crate) fn state(&self) -> Result<State, OpenError> {
        let running = self.open()?;
        let state = running.state();
        running.submit(vec![sadd("added", &["later".to_owned()])]);
        let running = running.restarted()?;
        let mut later = running.state();
        let at = later.iter().position(|line| line == "0 added later~None None").unwrap();
        later.remove(at);
        assert_eq!(state, later, "what is there survives what is added");
        running.stop();
        Ok(state)
    }
}

/// In memory where that is possible: what is shown here does not depend on a disk.
fn folder() -> Arc<TempDir> {
    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
    Arc::new(folder.unwrap())
}

fn beside(data_file: &Path, suffix: &str) -> PathBuf {
    PathBuf::from(format!("{}{suffix}", data_file.display()))
}

/// A journal that is open.
pub(crate) struct Running {
    folder: Arc<TempDir>,
    store: Arc<Store>,
    journal: Journal,
    finish: Finish,
    runtime: tokio::runtime::Runtime,
}

impl Running {
    pub(crate) fn new(policy: SyncPolicy) -> Self {
        Self::start(folder(), policy).unwrap()
    }

    fn start(folder: Arc<TempDir>, policy: SyncPolicy) -> Result<Self, OpenError> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let store = Arc::new(Store::default());
        let (opened, stats) =
            (Opened::open(&folder.path().join("revoked.db"), policy)?, Arc::new(Stats::new(0)));
        let entered = runtime.enter();
        let (journal, replay, finish) = opened.start(Arc::clone(&store), stats, Arc::default()).unwrap();
        drop(entered);
        runtime.block_on(replay.done())?;
        Ok(Self { folder, store, journal, finish, runtime })
    }

    /// Commits changes.
    pub(crate) fn submit(&self, changes: Vec<Change>) {
        let items = changes.into_iter().map(|change| Item::Write(Op { database: 0, change })).collect();
        self.runtime.block_on(self.journal.submit(items)).unwrap();
    }

    /// The files as they are at this moment.
    pub(crate) fn files(&self) -> Files {
        Files::read(&self.folder.path().join("revoked.db"))
    }

    pub(crate) fn state(&self) -> State {
        let keyspace = self.store.read();
        let view = View::committed(&keyspace, 1);
        let show = |bytes: &[u8]| bytes.escape_ascii().to_string();
        let mut all = Vec::new();
        for name in view.keys(0) {
            let found = view.key(0, name).unwrap();
            let value = match found.value {
                ValueView::String(string) => show(string),
                ValueView::Set(set) => {
                    let member =
                        |(member, expiry): (&[u8], Expiry)| format!("{}~{:?}", show(member), expiry.ms());
                    let mut members: Vec<_> = set.members().map(member).collect();
                    members.sort();
                    members.join(",")
                }
            };
            all.push(format!("0 {} {value} {:?}", show(name), found.expiry.ms()));
        }
        all.sort();
        all
    }

    /// Copies the log into the data file, as SQLite does by itself now and then, and leaves it as long as it is.
    pub(crate) fn copy_log(&self) {
        let path = self.folder.path().join("revoked.db");
        let connection = rusqlite::Connection::open(path).unwrap();
        connection.query_row("PRAGMA wal_checkpoint(FULL)", [], |_| Ok(())).unwrap();
    }

    fn restarted(self) -> Result<Self, OpenError> {
        let folder = Arc::clone(&self.folder);
        self.stop();
        Self::start(folder, SyncPolicy::Always)
    }

    /// Ends in order. Returns the files that it leaves behind.
    pub(crate) fn stop(self) -> Files {
        self.journal.close();
        self.runtime.block_on(self.finish.done());
        Files::read(&self.folder.path().join("revoked.db"))
    }
}

/// An end that no test lives to see.
const FAR: Expiry = Expiry::at_ms(4_000_000_000_000);

fn shared(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

pub(crate) fn sadd(key: &str, members: &[String]) -> Change {
    Change::Sadd { key: shared(key), members: members.iter().map(|member| shared(member)).collect() }
}

/// A few changes: what is acknowledged by one commit. Each differs from all others.
pub(crate) fn changes(number: usize, random: &mut fastrand::Rng) -> Vec<Change> {
    let many = [1, 3, 40, 150][random.usize(..4)];
    let members: Vec<_> = (0..many).map(|at| format!("{number}-{at}-{:x}", random.u64(..))).collect();
    let key = format!("set {}", random.u8(..5));
    let mut changes = vec![sadd("numbers", &[number.to_string()]), sadd(&key, &members)];
    let some = || members.iter().take(2).map(|member| shared(member)).collect();
    match random.u8(..5) {
        0 => changes.push(Change::Srem { key: shared(&key), members: some() }),
        1 => changes.push(Change::Saddex {
            key: shared(&key),
            members: some(),
            expiry: FAR,
            condition: MemberCondition::Any,
        }),
        2 => changes.push(Change::Rename {
            key: shared(&key),
            new_key: shared(&format!("renamed {}", random.u8(..3))),
            if_missing: false,
        }),
        3 => changes.push(Change::Del { keys: vec![shared(&format!("renamed {}", random.u8(..3)))] }),
        _ => {}
    }
    changes
}

/// A file written in so many commits, with what was there before the first, and behind each.
pub(crate) fn written(
    commits: usize,
    policy: SyncPolicy,
    random: &mut fastrand::Rng,
) -> (Running, Vec<State>) {
    let running = Running::new(policy);
    let mut states = vec![running.state()];
    for number in 0..commits {
        running.submit(changes(number, random));
        states.push(running.state());
    }
    (running, states)
}
