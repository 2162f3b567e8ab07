//! `kill -9` under load: what was acknowledged is there after the restart, whatever `appendfsync` says.
//!
//! Each connection writes members and strings that no other one touches, some of which end, some of them several at
//! once in a transaction, and keeps a ledger of what it sent and what was answered. What the restarted daemon has of
//! them must be what some beginning of the ledger leaves behind: one that holds all that was acknowledged, with the ends
//! that it was given, and no half of a command or of a transaction.
//!
//! `REVOKED_CRASH_ROUNDS=200` makes more crashes than the usual few; `REVOKED_CRASH_SEED` repeats what a failed
//! test did, as far as the threads' timing allows.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc;
use std::thread;

use fastrand::Rng;

use support::ledger::{Found, Held, Ledger, Load, SHARED_KEY, State, ending_key, now_ms, own_key, padding};
use support::process::{Client, Daemon, Frame, Home, encode, free_port, strings};

const CONNECTIONS: usize = 8;

/// What a connection may have acknowledged, all together, before the crash.
const MOST_COMMANDS: usize = 2_000;

/// A file grows with each crash and is replayed twice: after so many, another is begun.
const CRASHES_OF_A_FILE: usize = 20;

fn crash_again_and_again(appendfsync: &str) {
    let mut rng = seeded(appendfsync);
    for first in (0..rounds()).step_by(CRASHES_OF_A_FILE) {
        let home = Home::with_options(&["--appendfsync", appendfsync]);
        crash(&home, CRASHES_OF_A_FILE.min(rounds() - first), &mut rng);
    }
}

/// Crashes the daemon that is fed by all connections so many times on one file.
fn crash(home: &Home, times: usize, rng: &mut Rng) {
    let mut states = vec![State::new(); CONNECTIONS];
    for round in 0..times {
        let ledgers = load_until_crash(home.start(), states, rng);
        let daemon = home.start();
        let left = |(connection, ledger): (usize, &Ledger)| {
            let shown = |broken: String| broken.replace(&padding(), "...");
            let left = ledger.check(&found(&daemon, connection));
            left.unwrap_or_else(|broken| panic!("round {round}: {}", shown(broken)))
        };
        states = ledgers.iter().enumerate().map(left).collect();
        daemon.kill();
    }
}

#[test]
fn a_crash_loses_nothing_with_appendfsync_always() {
    crash_again_and_again("always");
}

#[test]
fn a_crash_loses_nothing_with_appendfsync_everysec() {
    crash_again_and_again("everysec");
}

#[test]
fn a_crash_loses_nothing_with_appendfsync_no() {
    crash_again_and_again("no");
}

#[test]
fn a_crash_while_starting_loses_nothing() {
    let home = Home::new();
    let mut rng = seeded("starting");
    let ledgers = load_until_crash(home.start(), vec![State::new(); CONNECTIONS], &mut rng);
    for _ in 0..rounds() {
        let daemon = home.launch(free_port());
        // The first line; the replay is yet to come, or under way.
        daemon.wait_for_log("process");
        daemon.kill();
    }
    let daemon = home.start();
    for (connection, ledger) in ledgers.iter().enumerate() {
        ledger.check(&found(&daemon, connection)).unwrap();
    }
}

#[test]
fn a_crash_of_the_very_first_start_leaves_a_file_that_starts() {
    for _ in 0..rounds() {
        let home = Home::new();
        let daemon = home.launch(free_port());
        daemon.wait_for_log("process");
        daemon.kill();
        home.start().stop();
    }
}

/// Has all connections write until so much was acknowledged as chance will have it, and then kills the daemon.
fn load_until_crash(daemon: Daemon, states: Vec<State>, rng: &mut Rng) -> Vec<Ledger> {
    let (crash, due) = mpsc::channel();
    let until_crash = AtomicUsize::new(rng.usize(1..MOST_COMMANDS));
    thread::scope(|scope| {
        let write = |(connection, before)| {
            let (client, rng, crash) = (daemon.connect(), rng.fork(), crash.clone());
            let until_crash = &until_crash;
            scope.spawn(move || {
                let mut ledger = Ledger { before, ..Ledger::default() };
                let mut load = Load::new(connection, rng);
                let count = || {
                    if until_crash.fetch_sub(1, Relaxed) == 1 {
                        let _ = crash.send(());
                    }
                };
                // It ends with the daemon.
                while load.step(&client, &mut ledger, count).is_ok() {}
                ledger
            })
        };
        let writers: Vec<_> = states.into_iter().enumerate().map(write).collect();
        let (saver, end_of_saving) = (daemon.connect(), crash.clone());
        // So that crashes fall into checkpoints, too.
        scope.spawn(move || {
            let _held = end_of_saving;
            while saver.send(&encode(&["SAVE"])).and_then(|()| saver.receive()).is_ok() {}
        });
        drop(crash);
        due.recv().unwrap();
        daemon.kill();
        writers.into_iter().map(|writer| writer.join().unwrap()).collect()
    })
}

/// What the daemon has of the connection's members and strings.
fn found(daemon: &Daemon, connection: usize) -> Found {
    let client = daemon.connect();
    let from_ms = now_ms();
    let mut state = State::new();
    for key in [SHARED_KEY.to_owned(), own_key(connection), ending_key(connection)] {
        state.extend(found_members(&client, &key, &format!("{connection} ")));
    }
    for pattern in [format!("string {connection} *"), format!("ending {connection} *")] {
        let keys = strings(&client.ask(&["KEYS", &pattern])).into_iter();
        let keys: Vec<_> = keys.map(|key| String::from_utf8(key).unwrap()).collect();
        for key in keys {
            let replies = client.ask_all(&[vec!["GET", &key], vec!["PEXPIRETIME", &key]]);
            // It may have ended since.
            if let [Frame::BulkString(string), Frame::Integer(ms @ (-1 | 0..))] = &replies[..] {
                let string = String::from_utf8(string.to_vec()).unwrap();
                state.insert((key, None), Held { string, ends_ms: (*ms != -1).then_some(*ms) });
            }
        }
    }
    Found { state, from_ms, to_ms: now_ms() }
}

fn found_members(client: &Client, key: &str, prefix: &str) -> State {
    let members: Vec<_> =
        client.members(key).into_iter().map(|member| String::from_utf8(member).unwrap()).collect();
    let members: Vec<_> = members.into_iter().filter(|member| member.starts_with(prefix)).collect();
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

fn rounds() -> usize {
    std::env::var("REVOKED_CRASH_ROUNDS").map_or(10, |rounds| rounds.parse().unwrap())
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
