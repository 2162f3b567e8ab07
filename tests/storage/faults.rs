//! Calls that fail: each write and each sync of a scripted run, in turn, from the start of the daemon to its end.
//!
//! A first run without a fault counts the calls. Then the n-th of them fails, alone or with all that follow, for each n
//! and each kind of error. Whatever fails, a reply of success means that the change is there after a restart; one that
//! says that nothing was changed, that it is not; one that says that it is unknown, either. Reads go on and show what was
//! acknowledged. A start that fails says so with an exit code of its own, and the next one succeeds.
//!
//! Plain `cargo test` picks some of the n by chance; `REVOKED_FAULTS=all` takes all, `REVOKED_FAULTS_SEED` repeats a choice.

use std::thread;

use fastrand::Rng;
use revoked::stats::now_ms;
use revoked::store::{Store, ValueView, View};

use crate::replay::replay;
use crate::shim::{Rule, Shimmed, call, file};
use crate::support::ledger::{Change, Command, State};
use crate::support::process::{Client, Daemon, Frame, error, free_port, simple, strings};

const EIO: i32 = 5;
const ENOSPC: i32 = 28;
const EROFS: i32 = 30;
const EDQUOT: i32 = 122;
const EFBIG: i32 = 27;

/// The exit code that says that a file can't be used.
const IO: i32 = 74;

const FOR_EVER: u64 = u64::MAX;

/// Cases that plain `cargo test` takes of each test.
const USUAL_CASES: usize = 30;

/// The files that hold what is kept, or will.
const KEPT: u32 = file::DATA | file::WAL | file::DRAFT;

enum Step {
    Do(Command),
    Save,
}

/// Some of each kind of change, in commits of several sizes, before and after checkpoints.
fn script() -> Vec<Step> {
    let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    let add = |members: &[&str]| Change::Add { key: "k".to_owned(), members: names(members), ends_ms: None };
    let remove = |members: &[&str]| Change::Remove { key: "k".to_owned(), members: names(members) };
    let set = |key: &str, string: &str| Change::Set {
        key: key.to_owned(),
        string: string.to_owned(),
        ends_ms: None,
    };
    let delete = |key: &str| Change::Delete { keys: names(&[key]) };
    let one = |change: Change| Step::Do(Command(vec![change]));
    let long = "-".repeat(9_000);
    vec![
        one(add(&["a", "b"])),
        one(set("s", "1")),
        Step::Do(Command(vec![add(&["c"]), set("t", "1"), remove(&["a"])])),
        one(add(&["d", &long])),
        Step::Save,
        one(set("s", "2")),
        one(remove(&["b", &long])),
        Step::Do(Command(vec![delete("t"), add(&["e"]), set("u", &long)])),
        Step::Save,
        one(add(&["f"])),
        one(delete("s")),
    ]
}

/// What was answered, and may be there.
struct Outcome {
    /// What was acknowledged, which is what clients see.
    acknowledged: State,
    /// What may be there after a restart.
    possible: Vec<State>,
    /// The errors, in their order.
    errors: Vec<String>,
    /// Whether the last change was refused.
    is_refused_at_last: bool,
}

fn perform(client: &Client) -> Outcome {
    let mut outcome = Outcome {
        acknowledged: State::new(),
        possible: vec![State::new()],
        errors: Vec::new(),
        is_refused_at_last: false,
    };
    for step in script() {
        match step {
            Step::Save => {
                if let Frame::Error(why) = client.ask(&["SAVE"]) {
                    outcome.errors.push(why.to_string());
                }
            }
            Step::Do(command) => outcome.take(&command, &reply(client, &command)),
        }
    }
    outcome
}

/// The reply to a command, or to the EXEC of a transaction.
fn reply(client: &Client, command: &Command) -> Frame {
    client.send(&command.encode()).unwrap();
    if command.is_transaction() {
        assert_eq!(client.receive().unwrap(), simple("OK"));
        for _ in &command.0 {
            assert_eq!(client.receive().unwrap(), simple("QUEUED"));
        }
    }
    client.receive().unwrap()
}

impl Outcome {
    fn take(&mut self, command: &Command, reply: &Frame) {
        let applied = |state: &State| {
            let mut state = state.clone();
            command.apply(&mut state);
            state
        };
        self.is_refused_at_last = false;
        let Frame::Error(why) = reply else {
            self.acknowledged = applied(&self.acknowledged);
            self.possible = self.possible.iter().map(applied).collect();
            return;
        };
        assert!(why.starts_with("MISCONF "), "{why}");
        self.is_refused_at_last = true;
        if why.contains("is unknown") {
            let applied: Vec<_> = self.possible.iter().map(applied).collect();
            self.possible.extend(applied);
        } else {
            assert!(why.contains("Nothing was changed"), "{why}");
        }
        self.errors.push(why.to_string());
    }

    fn is_latched(&self) -> bool {
        self.errors.iter().any(|why| why.contains("until the server is restarted"))
    }
}

/// How a run ends.
#[derive(Debug, Clone, Copy)]
enum End {
    Orderly,
    Killed,
}

/// One run under a rule. `check` looks at the daemon and what it answered.
fn run(rule: Rule, end: End, check: impl FnOnce(&Shimmed, &Daemon, &Outcome)) {
    let shimmed = Shimmed::new(&[], false);
    shimmed.set(rule);
    let Some(daemon) = started(&shimmed) else {
        // The next start finds nothing that is in its way.
        shimmed.set(Rule::NONE);
        shimmed.home.start().stop();
        assert_eq!(kept(&shimmed), State::new());
        return;
    };
    let client = daemon.connect();
    let outcome = perform(&client);
    assert_eq!(shown(&client), outcome.acknowledged, "reads go on: {:?}", outcome.errors);
    check(&shimmed, &daemon, &outcome);
    drop(client);
    match end {
        Orderly => {
            daemon.signal("TERM");
            let ended = daemon.ended();
            assert_eq!(ended.code, Some(0), "{}", ended.log);
        }
        Killed => daemon.kill(),
    }
    let kept = kept(&shimmed);
    assert!(
        outcome.possible.contains(&kept),
        "{kept:?} is none of {:?}: {:?}",
        outcome.possible,
        outcome.errors
    );
}

use End::{Killed, Orderly};

/// A daemon that is ready; none, if the start failed as it should.
fn started(shimmed: &Shimmed) -> Option<Daemon> {
    let daemon = shimmed.home.launch(free_port());
    match daemon.ready() {
        Ok(daemon) => Some(daemon),
        Err(ended) => {
            assert_eq!(ended.code, Some(IO), "{}", ended.log);
            assert!(ended.log.contains("revoked.db"), "{}", ended.log);
            None
        }
    }
}

/// What clients see.
fn shown(client: &Client) -> State {
    let mut state = State::new();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    for key in strings(&client.ask(&["KEYS", "*"])).into_iter().map(text) {
        match client.ask(&["GET", &key]) {
            Frame::BulkString(string) => place(&mut state, key, None, text(string.to_vec())),
            _ => {
                for member in client.members(&key).into_iter().map(text) {
                    place(&mut state, key.clone(), Some(member), String::new());
                }
            }
        }
    }
    state
}

/// What a restart finds.
fn kept(shimmed: &Shimmed) -> State {
    state_of(&replay(&shimmed.home.data_file()).unwrap())
}

fn state_of(store: &Store) -> State {
    let (keyspace, mut state) = (store.read(), State::new());
    let view = View::committed(&keyspace, now_ms());
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    for key in view.keys(0).map(|key| key.text()) {
        match view.key(0, &key).unwrap().value {
            ValueView::String(string) => place(&mut state, text(&key), None, text(string)),
            ValueView::Set(set) => {
                for (member, _) in set.members() {
                    place(&mut state, text(&key), Some(text(&member.text())), String::new());
                }
            }
        }
    }
    state
}

fn place(state: &mut State, key: String, member: Option<String>, string: String) {
    state.insert((key, member), crate::support::ledger::Held { string, ends_ms: None });
}

/// The value of a field of INFO.
fn problem(client: &Client) -> String {
    let Frame::BulkString(report) = client.ask(&["INFO", "persistence"]) else { panic!("no text") };
    let report = String::from_utf8(report.to_vec()).unwrap();
    let value = report.lines().find_map(|line| line.strip_prefix("revoked_journal_problem:")).unwrap();
    value.to_owned()
}

/// How many of these calls a run without a fault makes.
fn count(calls: u32, files: u32) -> u64 {
    let rule = Rule { calls, files, ..Rule::NONE };
    let shimmed = Shimmed::new(&[], false);
    shimmed.set(rule);
    let daemon = shimmed.home.start();
    let outcome = perform(&daemon.connect());
    assert_eq!(outcome.errors, [""; 0]);
    daemon.stop();
    let counted = shimmed.counted();
    assert_eq!(kept(&shimmed), outcome.acknowledged);
    counted
}

/// Tries a rule for each place and variant, as many as are asked for.
fn each<V: Copy + Sync>(test: &str, places: u64, variants: &[V], try_one: impl Fn(u64, V) + Sync) {
    let mut cases: Vec<_> =
        (1..=places).flat_map(|first| variants.iter().map(move |&variant| (first, variant))).collect();
    let seed =
        std::env::var("REVOKED_FAULTS_SEED").map_or_else(|_| fastrand::u64(..), |seed| seed.parse().unwrap());
    let all = cases.len();
    if std::env::var("REVOKED_FAULTS").is_err() {
        Rng::with_seed(seed).shuffle(&mut cases);
        cases.truncate(USUAL_CASES);
    }
    println!("{test}: {} of {all} cases, {places} places, REVOKED_FAULTS_SEED={seed}", cases.len());
    thread::scope(|scope| {
        for half in cases.chunks(cases.len().div_ceil(2)) {
            scope.spawn(|| half.iter().for_each(|&(first, variant)| try_one(first, variant)));
        }
    });
}

#[test]
fn a_write_that_fails_is_refused_and_the_next_is_taken() {
    let variants = [ENOSPC, EDQUOT, EFBIG, EROFS, EIO].map(|errno| [(errno, 0), (errno, 2_000)]).concat();
    let files = KEPT | file::LOCK;
    each("writes", count(call::WRITE, files), &variants, |first, (errno, short_bytes)| {
        let failing = if short_bytes == 0 { 1 } else { 2 };
        let rule = Rule { calls: call::WRITE, files, errno, short_bytes, first, failing };
        let end = if first.is_multiple_of(2) { Orderly } else { Killed };
        run(rule, end, |shimmed, daemon, outcome| {
            let place = format!("{rule:?}: {:?}", outcome.errors);
            assert!(!outcome.is_latched(), "{place}");
            assert_eq!(outcome.possible.len(), 1, "nothing is unknown: {place}");
            shimmed.set(Rule::NONE);
            let client = daemon.connect();
            // In a database of its own: the script's outcome is still to be looked at.
            client.ask(&["SELECT", "1"]);
            assert_eq!(client.ask(&["SADD", "k", "after"]), Frame::Integer(1), "{place}");
            assert_eq!(problem(&client), "", "{place}");
        });
    });
}

#[test]
fn a_disk_that_is_full_takes_writes_again_when_there_is_room() {
    let variants = [ENOSPC, EDQUOT, EROFS];
    each("full", count(call::WRITE, KEPT), &variants, |first, errno| {
        let rule = Rule { calls: call::WRITE, files: KEPT, errno, short_bytes: 0, first, failing: FOR_EVER };
        let end = if first.is_multiple_of(2) { Orderly } else { Killed };
        run(rule, end, |shimmed, daemon, outcome| {
            assert!(!outcome.is_latched(), "{:?}", outcome.errors);
            let client = daemon.connect();
            client.ask(&["SELECT", "1"]);
            if shimmed.failed() > 0 && outcome.is_refused_at_last {
                assert_ne!(problem(&client), "");
                assert!(error(&client.ask(&["SADD", "k", "m"])).starts_with("MISCONF "));
            }
            shimmed.set(Rule::NONE);
            assert_eq!(client.ask(&["SADD", "k", "m"]), Frame::Integer(1), "{:?}", outcome.errors);
            assert_eq!(problem(&client), "");
        });
    });
}

#[test]
fn a_sync_that_fails_latches_until_a_restart() {
    let files = file::DATA | file::WAL | file::DRAFT;
    each(
        "syncs",
        count(call::SYNC, files),
        &[(EIO, 1), (EIO, FOR_EVER), (ENOSPC, 1)],
        |first, (errno, failing)| {
            let rule = Rule { calls: call::SYNC, files, errno, short_bytes: 0, first, failing };
            let end = if first.is_multiple_of(2) { Orderly } else { Killed };
            run(rule, end, |shimmed, daemon, outcome| {
                if shimmed.failed() == 0 {
                    // It is one of the orderly end.
                    return;
                }
                let client = daemon.connect();
                shimmed.set(Rule::NONE);
                for _ in 0..2 {
                    let refused = client.ask(&["SADD", "k", "m"]);
                    assert!(
                        matches!(refused, Frame::Error(_)),
                        "{rule:?} {:?}: {}",
                        outcome.errors,
                        daemon.log()
                    );
                    assert!(
                        error(&refused).contains("until the server is restarted"),
                        "{rule:?}: {refused:?}"
                    );
                }
                assert!(problem(&client).contains("until the server is restarted"));
                daemon.wait_for_log("until the server is restarted");
                assert!(outcome.possible.len() <= 2, "at most one is unknown");
            });
        },
    );
}

#[test]
fn a_device_that_is_gone_loses_nothing_that_was_acknowledged() {
    let calls = call::OPEN | call::WRITE | call::SYNC | call::TRUNCATE | call::RENAME | call::UNLINK;
    each("gone", count(calls, file::ALL), &[EIO, EROFS], |first, errno| {
        let rule = Rule { calls, files: file::ALL, errno, short_bytes: 0, first, failing: FOR_EVER };
        let end = if first.is_multiple_of(2) { Orderly } else { Killed };
        run(rule, end, |_, _, _| {});
    });
}

#[test]
fn a_call_of_any_kind_that_fails_once_loses_nothing_that_was_acknowledged() {
    let calls = call::OPEN | call::TRUNCATE | call::RENAME | call::UNLINK;
    each("any", count(calls, file::ALL), &[EIO, ENOSPC], |first, errno| {
        let rule = Rule { calls, files: file::ALL, errno, short_bytes: 0, first, failing: 1 };
        let end = if first.is_multiple_of(2) { Orderly } else { Killed };
        run(rule, end, |_, _, _| {});
    });
}

/// Nothing else asks whether a name is on disk.
#[test]
fn a_folder_that_can_not_be_synced_is_an_error_of_the_start() {
    let rule = Rule {
        calls: call::SYNC,
        files: file::FOLDER,
        errno: EIO,
        short_bytes: 0,
        first: 1,
        failing: FOR_EVER,
    };
    let shimmed = Shimmed::new(&[], false);
    shimmed.set(rule);
    assert!(started(&shimmed).is_none());
}

#[test]
fn a_sync_that_fails_once_a_second_latches_too() {
    let shimmed = Shimmed::new(&["--appendfsync", "everysec"], false);
    let daemon = shimmed.home.start();
    let client = daemon.connect();
    assert_eq!(client.ask(&["SADD", "k", "m"]), Frame::Integer(1));
    shimmed.set(Rule {
        calls: call::SYNC,
        files: file::WAL,
        errno: EIO,
        short_bytes: 0,
        first: 1,
        failing: 1,
    });
    // By itself, within a second, or because of this.
    client.ask(&["WAITAOF", "1", "0", "0"]);
    let refused = client.ask(&["SADD", "k", "n"]);
    assert!(error(&refused).contains("until the server is restarted, since syncing"), "{refused:?}");
    assert_eq!(shown(&client).len(), 1);
}

/// A log that is written from its start again has the pages of before in it: the end of a page that is written anew
/// may stand there already. A write that leaves out no more than that has left a commit, unless it is taken out.
#[test]
fn a_write_that_is_made_whole_by_what_stood_there_is_not_found_by_a_restart() {
    let shimmed = Shimmed::new(&[], false);
    let daemon = shimmed.home.start();
    let client = daemon.connect();
    assert_eq!(client.ask(&["SADD", "k", "kept"]), Frame::Integer(1));
    let other = rusqlite::Connection::open(shimmed.home.data_file()).unwrap();
    other.query_row("PRAGMA wal_checkpoint", [], |_| Ok(())).unwrap();
    drop(other);
    // The header of the log, then that of the frame, and then the page, but for its last bytes.
    shimmed.set(Rule {
        calls: call::WRITE,
        files: file::WAL,
        errno: ENOSPC,
        short_bytes: 4_090,
        first: 3,
        failing: 2,
    });
    let refused = client.ask(&["SADD", "k", "refused"]);
    assert!(error(&refused).contains("Nothing was changed"), "{refused:?}");
    assert_eq!(shimmed.failed(), 2);
    daemon.kill();
    assert_eq!(kept(&shimmed).len(), 1);
}

/// SQLite's own checkpoints would keep to themselves that they failed.
#[test]
fn a_checkpoint_that_is_due_and_can_not_be_synced_latches() {
    let shimmed = Shimmed::new(&[], false);
    let daemon = shimmed.home.start();
    let client = daemon.connect();
    let rule =
        Rule { calls: call::SYNC, files: file::DATA, errno: EIO, short_bytes: 0, first: 1, failing: 1 };
    shimmed.set(rule);
    let member = |number: usize| format!("{number} {}", "-".repeat(300_000));
    let mut added = 0;
    let refused = (0..100).find_map(|number| match client.ask(&["SADD", "k", &member(number)]) {
        Frame::Error(why) => Some(why.to_string()),
        reply => {
            assert_eq!(reply, Frame::Integer(1));
            added += 1;
            None
        }
    });
    let refused = refused.unwrap();
    assert!(refused.contains("until the server is restarted, since the checkpoint failed"), "{refused}");
    assert_eq!(shimmed.failed(), 1);
    daemon.kill();
    assert_eq!(kept(&shimmed).len(), added);
}
