//! Power cuts: on a disk that keeps what it was told to sync, nothing that was acknowledged is lost.
//!
//! A daemon under load from several clients is recorded twice over: what it does to its files (`shim.c`), and what
//! its clients sent and were answered (their ledgers), on one clock. Each cut ends the recording at a call that has
//! been made and has not returned; `disk.rs` says what is found on the disk then, and it is replayed. What was
//! acknowledged by that moment must be there; what was removed must not be back; no half of a command or of a
//! transaction may be there.
//!
//! The recording begins with the making of the data file. It has two lives: one in which SQLite makes its checkpoints
//! by itself, up to an orderly end; and one that is asked for checkpoints and rewrites all the time.
//!
//! `REVOKED_POWER_CUTS=1000` makes more cuts than the usual; `REVOKED_POWER_SEED` repeats the choices of a failed
//! test, as far as the threads' timing allows (the load is another one each time, the same cuts fall elsewhere in it).

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use fastrand::Rng;
use revoked::expiry::Expiry;
use revoked::store::{Store, ValueView, View};

use crate::disk::Disk;
use crate::recording::{self, Call};
use crate::replay::replay;
use crate::shim::Shimmed;
use crate::support::ledger::{
    Found, Held, Ledger, Load, SHARED_KEY, State, ending_key, monotonic_ns, now_ms, own_key, padding,
};
use crate::support::process::{Client, Daemon, Frame, integer, simple};

const CONNECTIONS: usize = 6;

/// Commands that are acknowledged in each life.
const COMMANDS: usize = 2_500;

/// Between two requests for a checkpoint.
const COMMANDS_OF_A_CHECKPOINT: usize = 100;

/// Cuts are tried in so many threads.
const THREADS: usize = 2;

#[test]
fn with_appendfsync_always_nothing_acknowledged_is_lost() {
    let (recorded, mut rng) = (record("always", false), seeded("always"));
    assert_none(&recorded.cut_again_and_again(cuts(60), Promise::All, &mut rng));
}

/// What the last sync did not cover is lost from its end: the file is sound, and holds what some beginning of each
/// client's commands leaves behind.
#[test]
fn with_appendfsync_everysec_only_the_latest_is_lost() {
    let (recorded, mut rng) = (record("everysec", false), seeded("everysec"));
    assert_none(&recorded.cut_again_and_again(cuts(60) / 10, Promise::Order, &mut rng));
}

#[test]
fn with_appendfsync_no_only_the_latest_is_lost() {
    let (recorded, mut rng) = (record("no", false), seeded("no"));
    assert_none(&recorded.cut_again_and_again(cuts(60) / 10, Promise::Order, &mut rng));
    // The test itself: it finds that something is lost.
    let outcomes = recorded.cut_again_and_again(20, Promise::All, &mut rng);
    let broken = broken(&outcomes);
    assert!(broken.len() >= 5, "{broken:?}");
}

#[test]
fn what_waitaof_has_confirmed_is_kept_whatever_the_policy() {
    let shimmed = Shimmed::new(&["--appendfsync", "no"], true);
    let daemon = shimmed.home.start();
    let (client, mut ledger, mut load) = (daemon.connect(), Ledger::default(), Load::new(0, Rng::new()));
    for _ in 0..20 {
        load.step(&client, &mut ledger, || {}).unwrap();
    }
    assert_eq!(client.ask(&["WAITAOF", "1", "0", "0"]), Frame::Array(vec![integer(1), integer(0)]));
    let confirmed_ns = monotonic_ns();
    // So that there is a call to be cut off.
    assert_eq!(client.ask(&["SET", "later", "1"]), simple("OK"));
    daemon.kill();
    let recorded = Recorded { calls: recording::read(&shimmed.log), ledgers: vec![ledger] };
    let next = recorded.calls.partition_point(|call| call.begin_ns < confirmed_ns);
    assert_none(&recorded.cut(std::iter::repeat_n(next, 20), Promise::All, &mut seeded("waitaof")));
}

/// The test itself: it finds what is lost where the disk lies.
#[test]
fn a_disk_that_ignores_syncs_is_found_out() {
    let (recorded, mut rng) = (record("always", true), seeded("ignored"));
    let outcomes = recorded.cut_again_and_again(20, Promise::All, &mut rng);
    let broken = broken(&outcomes);
    assert!(broken.len() >= 10, "{broken:?}");
}

/// What must be left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Promise {
    /// All that was acknowledged.
    All,
    /// What some beginning of a client's commands leaves behind.
    Order,
}

fn broken(outcomes: &[Result<(), String>]) -> Vec<&String> {
    outcomes.iter().filter_map(|outcome| outcome.as_ref().err()).collect()
}

fn assert_none(outcomes: &[Result<(), String>]) {
    let broken = broken(outcomes);
    assert!(broken.is_empty(), "{} of {} cuts, one of them {}", broken.len(), outcomes.len(), broken[0]);
}

/// What a daemon did, and what its clients know of it.
struct Recorded {
    calls: Vec<Call>,
    ledgers: Vec<Ledger>,
}

fn record(appendfsync: &str, are_syncs_swallowed: bool) -> Recorded {
    let shimmed = Shimmed::new(&["--appendfsync", appendfsync], true);
    if are_syncs_swallowed {
        shimmed.swallow_syncs();
    }
    let mut writers: Vec<_> =
        (0..CONNECTIONS).map(|connection| (Load::new(connection, Rng::new()), Ledger::default())).collect();
    let daemon = shimmed.home.start();
    load(&daemon, &mut writers, false);
    daemon.stop();
    let daemon = shimmed.home.start();
    load(&daemon, &mut writers, true);
    daemon.kill();
    let ledgers = writers.into_iter().map(|(_, ledger)| ledger).collect();
    Recorded { calls: recording::read(&shimmed.log), ledgers }
}

/// Has all writers write until so much was acknowledged.
fn load(daemon: &Daemon, writers: &mut [(Load, Ledger)], is_checkpointed: bool) {
    let acknowledged = AtomicUsize::new(0);
    let (due, checkpoints) = mpsc::channel();
    thread::scope(|scope| {
        for (load, ledger) in writers {
            let (client, due, acknowledged) = (daemon.connect(), due.clone(), &acknowledged);
            let count = move || {
                let count = acknowledged.fetch_add(1, Relaxed) + 1;
                if is_checkpointed && count.is_multiple_of(COMMANDS_OF_A_CHECKPOINT) {
                    let _ = due.send(());
                }
            };
            scope.spawn(move || {
                while acknowledged.load(Relaxed) < COMMANDS {
                    load.step(&client, ledger, &count).unwrap();
                }
            });
        }
        drop(due);
        let client = daemon.connect();
        scope.spawn(move || checkpoint(&client, &checkpoints));
    });
}

/// Asks for a checkpoint, or for a rewrite of the file, whenever it is due.
fn checkpoint(client: &Client, due: &Receiver<()>) {
    for (turn, ()) in due.iter().enumerate() {
        let request = ["SAVE", "BGREWRITEAOF", "SAVE", "BGSAVE"][turn % 4];
        match client.ask(&[request]) {
            Frame::SimpleString(_) => {}
            // One is under way, or this server rewrites by itself alone.
            Frame::Error(why) => assert!(why.contains("progress") || why.contains("BGREWRITEAOF"), "{why}"),
            other => panic!("{request}: {other:?}"),
        }
    }
    assert_eq!(client.ask(&["PING"]), simple("PONG"));
}

impl Recorded {
    /// Cuts the power at random moments. Returns what came of each.
    fn cut_again_and_again(&self, cuts: usize, promise: Promise, rng: &mut Rng) -> Vec<Result<(), String>> {
        let mut at: Vec<_> = (0..cuts).map(|_| rng.usize(..self.calls.len())).collect();
        at.sort_unstable();
        let try_some = |first: usize, mut rng: Rng| {
            let mine = at.iter().skip(first).step_by(THREADS);
            self.cut(mine.copied(), promise, &mut rng)
        };
        thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS)
                .map(|first| (first, rng.fork()))
                .map(|(first, rng)| scope.spawn(move || try_some(first, rng)))
                .collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        })
    }

    /// Cuts the power at these calls, in their order.
    fn cut(
        &self,
        cuts: impl Iterator<Item = usize>,
        promise: Promise,
        rng: &mut Rng,
    ) -> Vec<Result<(), String>> {
        let mut disk = Disk::default();
        let mut clients: Vec<_> = self.ledgers.iter().map(Timeline::new).collect();
        let mut done = 0;
        let mut outcomes = Vec::new();
        for at in cuts {
            for call in &self.calls[done..at] {
                disk.apply(&call.done);
            }
            done = at;
            let cut_ns = self.calls[at].begin_ns;
            let found = disk.cut_amid(&self.calls[at].done, rng);
            let outcome = check(&found, &mut clients, promise, cut_ns);
            outcomes.push(
                outcome.map_err(|broken| format!("at call {at}: {}", broken.replace(&padding(), "..."))),
            );
        }
        outcomes
    }
}

/// One client's way along the clock.
struct Timeline<'a> {
    ledger: &'a Ledger,
    /// How many commands were acknowledged so far, and what is there then.
    acknowledged: usize,
    state: State,
}

impl<'a> Timeline<'a> {
    fn new(ledger: &'a Ledger) -> Self {
        Self { ledger, acknowledged: 0, state: State::new() }
    }

    /// All that was sent, and nothing of which it is known what became of it.
    fn sent_by(&self, now_ns: u64) -> Ledger {
        let sent = self.ledger.sent_ns.partition_point(|&ns| ns < now_ns);
        Ledger { sent: self.ledger.sent[..sent].to_vec(), ..Ledger::default() }
    }

    /// What was acknowledged by a moment, and what was in flight; the moments asked for must not run back.
    fn promised_at(&mut self, now_ns: u64) -> Result<Ledger, String> {
        let Ledger { sent, acknowledged, sent_ns, acknowledged_ns, .. } = self.ledger;
        while acknowledged_ns.get(self.acknowledged).is_some_and(|&ns| ns < now_ns) {
            let (command, reply) = (&sent[self.acknowledged], &acknowledged[self.acknowledged]);
            let expected = command.apply(&mut self.state);
            if *reply != expected {
                return Err(format!("answered {reply:?}, not {expected:?}: {command:?}"));
            }
            self.acknowledged += 1;
        }
        let sent_by_now = sent_ns.partition_point(|&ns| ns < now_ns);
        let in_flight = sent[self.acknowledged..sent_by_now].to_vec();
        Ok(Ledger { before: self.state.clone(), sent: in_flight, ..Ledger::default() })
    }
}

/// Replays what was found, and holds it against what the clients know.
fn check(
    files: &BTreeMap<PathBuf, Vec<u8>>,
    clients: &mut [Timeline<'_>],
    promise: Promise,
    cut_ns: u64,
) -> Result<(), String> {
    let known = |client: &mut Timeline<'_>| match promise {
        Promise::All => client.promised_at(cut_ns),
        Promise::Order => Ok(client.sent_by(cut_ns)),
    };
    let ledgers: Vec<_> = clients.iter_mut().map(known).collect::<Result<_, _>>()?;
    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    for (path, bytes) in files {
        fs::write(folder.path().join(path.file_name().unwrap()), bytes).unwrap();
    }
    let store = replay(&folder.path().join("revoked.db")).map_err(|error| error.to_string())?;
    for (connection, ledger) in ledgers.iter().enumerate() {
        ledger.check(&found(&store, connection))?;
    }
    Ok(())
}

/// What the store has of a connection's members and strings.
fn found(store: &Store, connection: usize) -> Found {
    let (keyspace, from_ms) = (store.read(), now_ms());
    let view = View::committed(&keyspace, from_ms);
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let held = |string: String, expiry: Expiry| Held { string, ends_ms: expiry.ms() };
    let mut state = State::new();
    for key in [SHARED_KEY.to_owned(), own_key(connection), ending_key(connection)] {
        let Some(set) = view.set(0, key.as_bytes()).unwrap() else { continue };
        let members = set.members().map(|(member, expiry)| (text(&member.text()), expiry));
        let mine = members.filter(|(member, _)| member.starts_with(&format!("{connection} ")));
        state.extend(mine.map(|(member, expiry)| ((key.clone(), Some(member)), held(String::new(), expiry))));
    }
    let prefixes = ["string", "ending"].map(|kind| format!("{kind} {connection} "));
    for name in view
        .keys(0)
        .map(|key| text(&key.text()))
        .filter(|name| prefixes.iter().any(|prefix| name.starts_with(prefix)))
    {
        let key = view.key(0, name.as_bytes()).unwrap();
        let ValueView::String(string) = key.value else { panic!("{name} is a set") };
        state.insert((name, None), held(text(string), key.expiry));
    }
    Found { state, from_ms, to_ms: now_ms() }
}

fn cuts(usual: usize) -> usize {
    std::env::var("REVOKED_POWER_CUTS").map_or(usual, |cuts| cuts.parse().unwrap())
}

/// Random choices that `REVOKED_POWER_SEED` repeats.
fn seeded(test: &str) -> Rng {
    let seed =
        std::env::var("REVOKED_POWER_SEED").map_or_else(|_| fastrand::u64(..), |seed| seed.parse().unwrap());
    println!("{test}: REVOKED_POWER_SEED={seed}");
    Rng::with_seed(seed)
}
