//! `kill -9` under load: what was acknowledged is there after the restart, whatever `appendfsync` says.
//!
//! Each of 32 connections writes members and strings that no other one touches, some of which end, some of them several at
//! once in a transaction, and keeps a ledger of what it sent and what was answered; checkpoints and compactions run
//! meanwhile. What the restarted daemon has of them must be what some beginning of the ledger leaves behind: one that
//! holds all that was acknowledged, with the ends that it was given, and no half of a command or of a transaction.
//!
//! The daemon dies at random moments, amid a checkpoint or a compaction that was asked for, and at each of the writer's
//! failpoints (`revoked::journal::failpoints`), those of the replay included.
//!
//! `REVOKED_CRASH_ROUNDS=200 cargo test --test crash -- --nocapture` makes ten times as many crashes as the usual 20 or so
//! under load, and says how many commands were acknowledged before them; `REVOKED_CRASH_SEED` repeats what a failed
//! test did, as far as the threads' timing allows.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use std::sync::mpsc::{self, Receiver};
use std::thread;

use fastrand::Rng;
use revoked::journal::failpoints::{self, MOMENTS};

use support::ledger::{
    Found, Held, Ledger, Load, Place, SHARED_KEY, State, ending_key, now_ms, own_key, padding,
};
use support::process::{
    Client, Daemon, Frame, Home, PORT_IN_USE, encode, free_port, keep_rewriting, strings,
};

const CONNECTIONS: usize = 32;

/// What all connections together may have acknowledged before the crash.
const MOST_COMMANDS: usize = 2_000;

/// What they may have acknowledged between a command that has the file rewritten and the crash.
const MOST_COMMANDS_AMID: usize = 200;

/// How often a failpoint may be passed before it is one to die at.
const MOST_PASSED: usize = 20;

/// A file grows with each crash and is replayed twice: after so many, another is begun.
const CRASHES_OF_A_FILE: usize = 20;

/// A data file, and what its clients know of it.
struct Installation {
    home: Home,
    /// Of each connection.
    ledgers: Vec<Ledger>,
    /// Crashes so far, and the commands that were acknowledged before them.
    crashes: usize,
    acknowledged: usize,
}

impl Installation {
    fn new(options: &[&str]) -> Self {
        let ledgers = std::iter::repeat_with(Ledger::default).take(CONNECTIONS).collect();
        Self { home: Home::with_options(options), ledgers, crashes: 0, acknowledged: 0 }
    }

    /// Has all connections write until `kill` has ended the daemon, which is given one message for each command that is
    /// acknowledged.
    fn crash(&mut self, daemon: Daemon, rng: &mut Rng, kill: impl FnOnce(Daemon, &Receiver<()>)) {
        let port = daemon.port;
        let (acknowledge, acknowledged) = mpsc::channel();
        thread::scope(|scope| {
            for (connection, ledger) in self.ledgers.iter_mut().enumerate() {
                let (mut load, acknowledge) = (Load::new(connection, rng.fork()), acknowledge.clone());
                scope.spawn(move || {
                    // It may be dead already, and at the latest the load ends with it.
                    let Ok(client) = Client::connect(port) else { return };
                    let told = || _ = acknowledge.send(());
                    while load.step(&client, ledger, told).is_ok() {}
                });
            }
            drop(acknowledge);
            scope.spawn(move || keep_rewriting(port));
            kill(daemon, &acknowledged);
        });
        self.crashes += 1;
    }

    /// Crashes after so many commands, to have something in the file.
    fn fill(&mut self, rng: &mut Rng) {
        let daemon = self.home.start();
        self.crash(daemon, rng, |daemon, acknowledged| {
            wait_for(acknowledged, MOST_COMMANDS);
            daemon.kill();
        });
        self.restart_and_check();
    }

    /// Returns the number of rows that were replayed.
    fn restart_and_check(&mut self) -> usize {
        let daemon = self.home.start();
        self.check(&daemon);
        rows_loaded(&daemon)
    }

    /// What the daemon has must be what a beginning of each ledger leaves behind. It is where the next ones start.
    fn check(&mut self, daemon: &Daemon) {
        for (ledger, found) in self.ledgers.iter_mut().zip(found(daemon)) {
            let left = ledger.check(&found).unwrap_or_else(|broken| {
                panic!("crash {}: {}", self.crashes, broken.replace(&padding(), "..."))
            });
            self.acknowledged += ledger.acknowledged.len();
            *ledger = Ledger { before: left, ..Ledger::default() };
        }
    }

    /// Starts the daemon with a failpoint at which it is to die. None, if it did so before it was ready.
    fn start_to_die_at(&mut self, point: &str, passed: usize) -> Option<Daemon> {
        loop {
            let failpoints = format!("{point}={passed}*off->panic");
            match self.home.launch_with_failpoints(free_port(), &failpoints).ready() {
                Ok(daemon) => return Some(daemon),
                Err(ended) if ended.code == Some(PORT_IN_USE) => {}
                Err(ended) => {
                    assert!(ended.log.contains(&died_at(point)), "{:?} {}", ended.code, ended.log);
                    self.crashes += 1;
                    return None;
                }
            }
        }
    }

    fn report(&self, test: &str) {
        println!("{test}: {} crashes behind {} acknowledged commands", self.crashes, self.acknowledged);
    }
}

fn died_at(point: &str) -> String {
    format!("failpoint {point} panic")
}

/// Crashes daemons on one file after another.
fn crash_again_and_again(
    test: &str,
    options: &[&str],
    times: usize,
    kill: impl Fn(Daemon, &Receiver<()>, &mut Rng),
) {
    let mut rng = seeded(test);
    for first in (0..times).step_by(CRASHES_OF_A_FILE) {
        let mut installation = Installation::new(options);
        for _ in first..times.min(first + CRASHES_OF_A_FILE) {
            let mut chance = rng.fork();
            let daemon = installation.home.start();
            installation
                .crash(daemon, &mut rng, |daemon, acknowledged| kill(daemon, acknowledged, &mut chance));
            installation.restart_and_check();
        }
        installation.report(test);
    }
}

/// Kills the daemon after as many commands as chance will have it.
fn at_any_time(daemon: Daemon, acknowledged: &Receiver<()>, rng: &mut Rng) {
    wait_for(acknowledged, rng.usize(1..MOST_COMMANDS));
    daemon.kill();
}

fn amid(command: &str, daemon: Daemon, acknowledged: &Receiver<()>, rng: &mut Rng) {
    wait_for(acknowledged, rng.usize(1..MOST_COMMANDS));
    let client = daemon.connect();
    client.send(&encode(&[command])).unwrap();
    // What was acknowledged and not yet looked at came before.
    while acknowledged.try_recv().is_ok() {}
    wait_for(acknowledged, rng.usize(..MOST_COMMANDS_AMID));
    daemon.kill();
}

fn wait_for(acknowledged: &Receiver<()>, commands: usize) {
    let came = acknowledged.iter().take(commands).count();
    assert_eq!(came, commands, "the daemon ended by itself");
}

#[test]
fn a_crash_loses_nothing_with_appendfsync_always() {
    crash_again_and_again("always", &["--appendfsync", "always"], rounds().div_ceil(4), at_any_time);
}

#[test]
fn a_crash_loses_nothing_with_appendfsync_everysec() {
    crash_again_and_again("everysec", &["--appendfsync", "everysec"], rounds().div_ceil(4), at_any_time);
}

#[test]
fn a_crash_loses_nothing_with_appendfsync_no() {
    crash_again_and_again("no", &["--appendfsync", "no"], rounds().div_ceil(4), at_any_time);
}

#[test]
fn a_crash_amid_a_checkpoint_loses_nothing() {
    crash_again_and_again("checkpoint", &[], rounds().div_ceil(8), |daemon, acknowledged, rng| {
        amid("BGSAVE", daemon, acknowledged, rng);
    });
}

#[test]
fn a_crash_amid_a_compaction_loses_nothing() {
    crash_again_and_again("compaction", &[], rounds().div_ceil(8), |daemon, acknowledged, rng| {
        amid("BGREWRITEAOF", daemon, acknowledged, rng);
    });
}

#[test]
fn a_crash_at_each_failpoint_loses_nothing() {
    let mut rng = seeded("failpoints");
    for _ in 0..rounds().div_ceil(20) {
        let mut installation = Installation::new(&[]);
        // A replay to die in needs rows.
        installation.fill(&mut rng);
        for point in MOMENTS {
            let passed = if *point == failpoints::REPLAYED { 0 } else { rng.usize(..MOST_PASSED) };
            if let Some(daemon) = installation.start_to_die_at(point, passed) {
                installation.crash(daemon, &mut rng, |daemon, _| {
                    let ended = daemon.ended();
                    assert!(ended.log.contains(&died_at(point)), "{point}: {}", ended.log);
                });
            }
            installation.restart_and_check();
        }
        installation.report("failpoints");
    }
}

#[test]
fn crashes_anywhere_in_the_replay_lose_nothing() {
    let mut rng = seeded("replay");
    let mut installation = Installation::new(&[]);
    installation.fill(&mut rng);
    let rows = installation.restart_and_check();
    for _ in 0..rounds() {
        let daemon = installation.start_to_die_at(failpoints::REPLAY_ROW, rng.usize(..rows));
        assert!(daemon.is_none(), "it got through the replay");
    }
    installation.restart_and_check();
    installation.report("replay");
}

#[test]
fn a_crash_of_the_very_first_start_leaves_a_file_that_starts() {
    for _ in 0..rounds().div_ceil(4) {
        let home = Home::new();
        let daemon = home.launch(free_port());
        daemon.wait_for_log("process");
        daemon.kill();
        home.start().stop();
    }
}

fn rows_loaded(daemon: &Daemon) -> usize {
    let Frame::BulkString(info) = daemon.connect().ask(&["INFO", "persistence"]) else { panic!("no INFO") };
    let info = String::from_utf8(info.to_vec()).unwrap();
    let rows = info.lines().find_map(|line| line.strip_prefix("revoked_journal_rows_loaded:"));
    rows.unwrap().parse().unwrap()
}

/// What the daemon has of each connection's members and strings.
fn found(daemon: &Daemon) -> Vec<Found> {
    let client = daemon.connect();
    let from_ms = now_ms();
    let mut state = found_members(&client, SHARED_KEY);
    for connection in 0..CONNECTIONS {
        state.extend(found_members(&client, &own_key(connection)));
        state.extend(found_members(&client, &ending_key(connection)));
    }
    state.extend(found_strings(&client, "string *"));
    state.extend(found_strings(&client, "ending * *"));
    let to_ms = now_ms();
    let mut found = vec![Found { state: State::new(), from_ms, to_ms }; CONNECTIONS];
    for (place, held) in state {
        found[connection_of(&place)].state.insert(place, held);
    }
    found
}

/// Members begin with it; in the keys of strings, it is the second word.
fn connection_of((key, member): &Place) -> usize {
    let mut words = member.as_ref().unwrap_or(key).split(' ');
    words.find_map(|word| word.parse().ok()).unwrap()
}

fn found_strings(client: &Client, pattern: &str) -> State {
    let keys = strings(&client.ask(&["KEYS", pattern])).into_iter();
    let keys: Vec<_> = keys.map(|key| String::from_utf8(key).unwrap()).collect();
    let requests: Vec<_> = keys.iter().flat_map(|key| [vec!["GET", key], vec!["PEXPIRETIME", key]]).collect();
    let replies = client.ask_all(&requests);
    let held = |(key, replies): (String, &[Frame])| match replies {
        [Frame::BulkString(string), Frame::Integer(ms @ (-1 | 0..))] => {
            let string = String::from_utf8(string.to_vec()).unwrap();
            Some(((key, None), Held { string, ends_ms: (*ms != -1).then_some(*ms) }))
        }
        // It has ended since.
        _ => None,
    };
    keys.into_iter().zip(replies.chunks(2)).filter_map(held).collect()
}

fn found_members(client: &Client, key: &str) -> State {
    let members: Vec<_> =
        client.members(key).into_iter().map(|member| String::from_utf8(member).unwrap()).collect();
    let asked_ms = now_ms();
    let requests: Vec<_> = members.iter().map(|member| vec!["PTTL", key, member]).collect();
    let times_left = client.ask_all(&requests);
    let held = |time_left| match time_left {
        Frame::Integer(-1) => Some(Held { string: String::new(), ends_ms: None }),
        Frame::Integer(ms @ 0..) => Some(Held { string: String::new(), ends_ms: Some(asked_ms + ms) }),
        // It has ended since.
        Frame::Integer(-2) => None,
        other => panic!("no time: {other:?}"),
    };
    let places = members.iter().map(|member| (key.to_owned(), Some(member.clone())));
    places.zip(times_left).filter_map(|(place, left)| Some((place, held(left)?))).collect()
}

/// The crashes of all tests that write: about so many.
fn rounds() -> usize {
    std::env::var("REVOKED_CRASH_ROUNDS").map_or(20, |rounds| rounds.parse().unwrap())
}

/// Random choices that `REVOKED_CRASH_SEED` repeats.
fn seeded(test: &str) -> Rng {
    let seed =
        std::env::var("REVOKED_CRASH_SEED").map_or_else(|_| fastrand::u64(..), |seed| seed.parse().unwrap());
    println!("{test}: REVOKED_CRASH_SEED={seed}");
    Rng::with_seed(seed)
}

/// The check itself: it catches what it is there for, and nothing else.
mod the_ledger {
    use super::support::ledger::{Change, Command, Found, Held, Ledger, State};

    const NOW_MS: i64 = 1_000_000;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    fn add_until(members: &[&str], ends_ms: Option<i64>) -> Change {
        Change::Add { key: "k".to_owned(), members: names(members), ends_ms }
    }

    fn add(members: &[&str]) -> Command {
        Command(vec![add_until(members, None)])
    }

    fn remove(members: &[&str]) -> Command {
        Command(vec![Change::Remove { key: "k".to_owned(), members: names(members) }])
    }

    fn set(key: &str, string: &str) -> Change {
        Change::Set { key: key.to_owned(), string: string.to_owned(), ends_ms: None }
    }

    fn ledger(sent: &[Command], acknowledged: &[i64]) -> Ledger {
        let acknowledged = acknowledged.iter().map(|&count| vec![count]).collect();
        Ledger { sent: sent.to_vec(), acknowledged, ..Ledger::default() }
    }

    fn state_until(members: &[&str], ends_ms: Option<i64>) -> State {
        let mut state = State::new();
        add_until(members, ends_ms).apply(&mut state);
        state
    }

    /// Found within ten milliseconds.
    fn found(state: State) -> Found {
        Found { state, from_ms: NOW_MS, to_ms: NOW_MS + 10 }
    }

    fn members(members: &[&str]) -> Found {
        found(state_until(members, None))
    }

    #[test]
    fn accepts_what_was_acknowledged() {
        let ledger = ledger(&[add(&["a", "b"]), remove(&["a"])], &[2, 1]);
        assert_eq!(ledger.check(&members(&["b"])), Ok(state_until(&["b"], None)));
    }

    #[test]
    fn accepts_what_was_in_flight_both_ways() {
        let ledger = ledger(&[add(&["a"]), remove(&["a"]), add(&["b"])], &[1]);
        for found in [&["a"][..], &[], &["b"]] {
            assert_eq!(ledger.check(&members(found)), Ok(state_until(found, None)), "{found:?}");
        }
    }

    #[test]
    fn catches_an_add_that_was_acknowledged_and_lost() {
        let ledger = ledger(&[add(&["a"]), add(&["b"])], &[1, 1]);
        let broken = ledger.check(&members(&["a"])).unwrap_err();
        assert!(broken.contains(r#"lost: [(("k", Some("b"))"#), "{broken}");
    }

    #[test]
    fn catches_a_remove_that_was_acknowledged_and_undone() {
        let ledger = ledger(&[add(&["a"]), remove(&["a"])], &[1, 1]);
        let broken = ledger.check(&members(&["a"])).unwrap_err();
        assert!(broken.contains(r#"there: [(("k", Some("a"))"#), "{broken}");
    }

    #[test]
    fn catches_what_an_earlier_crash_had_left_and_a_later_one_lost() {
        let ledger = Ledger { before: state_until(&["a"], None), ..Ledger::default() };
        assert!(ledger.check(&members(&[])).is_err());
    }

    #[test]
    fn catches_half_of_a_command() {
        let ledger = ledger(&[add(&["a", "b"])], &[]);
        assert!(ledger.check(&members(&["a"])).is_err());
    }

    #[test]
    fn catches_half_of_a_transaction_even_if_it_was_not_acknowledged() {
        let transaction = Command(vec![add_until(&["a"], None), set("s", "1")]);
        let ledger = ledger(&[transaction], &[]);
        assert!(ledger.check(&members(&["a"])).is_err());
        assert!(ledger.check(&members(&[])).is_ok());
        let mut whole = members(&["a"]);
        set("s", "1").apply(&mut whole.state);
        assert!(ledger.check(&whole).is_ok());
    }

    #[test]
    fn catches_a_string_that_was_overwritten_or_deleted_and_is_back() {
        let overwritten = [Command(vec![set("s", "1")]), Command(vec![set("s", "2")])];
        let deleted = [&overwritten[..1], &[Command(vec![Change::Delete { keys: names(&["s"]) }])]].concat();
        let before = State::from([(("s".to_owned(), None), Held { string: "1".to_owned(), ends_ms: None })]);
        for sent in [overwritten.to_vec(), deleted] {
            assert!(ledger(&sent, &[1, 1]).check(&found(before.clone())).is_err());
        }
    }

    #[test]
    fn catches_an_end_that_is_not_what_was_acknowledged() {
        let ledger = ledger(&[Command(vec![add_until(&["a"], Some(NOW_MS + 5_000))])], &[1]);
        for (ends_ms, is_right) in [
            (Some(NOW_MS + 5_000), true),
            (Some(NOW_MS + 5_010), true),
            (Some(NOW_MS + 5_011), false),
            (None, false),
        ] {
            let found = found(state_until(&["a"], ends_ms));
            assert_eq!(ledger.check(&found).is_ok(), is_right, "{ends_ms:?}");
        }
        assert!(ledger.check(&members(&[])).is_err(), "it has not ended yet");
    }

    #[test]
    fn catches_what_has_ended_and_is_there() {
        let until = |ends_ms| ledger(&[Command(vec![add_until(&["a"], Some(ends_ms))])], &[1]);
        let there = |ends_ms| found(state_until(&["a"], Some(ends_ms)));
        assert!(until(NOW_MS).check(&there(NOW_MS)).is_err());
        assert_eq!(until(NOW_MS).check(&members(&[])), Ok(State::new()));
        // Where it ends while it is looked for, both are right.
        assert!(until(NOW_MS + 5).check(&there(NOW_MS + 5)).is_ok());
        assert_eq!(until(NOW_MS + 5).check(&members(&[])), Ok(State::new()));
    }

    #[test]
    fn catches_a_later_command_that_came_without_an_earlier_one() {
        let ledger = ledger(&[add(&["a"]), add(&["b"])], &[]);
        assert!(ledger.check(&members(&["b"])).is_err());
    }

    #[test]
    fn catches_a_member_that_nobody_added() {
        assert!(ledger(&[], &[]).check(&members(&["a"])).is_err());
    }

    #[test]
    fn catches_a_reply_that_does_not_fit_what_was_there() {
        let ledger = ledger(&[add(&["a"]), add(&["a"])], &[1, 1]);
        assert!(ledger.check(&members(&["a"])).is_err());
    }
}
