//! `kill -9` under load: what was acknowledged is there after the restart, whatever `appendfsync` says.
//!
//! Each connection writes members that no other one touches, and keeps a ledger of what it sent and what was
//! answered. What the restarted daemon has of them must be what some beginning of the ledger leaves behind: one
//! that holds all that was acknowledged, and no half of a command.
//!
//! `REVOKED_CRASH_ROUNDS=200` makes more crashes than the usual few; `REVOKED_CRASH_SEED` repeats what a failed
//! test did, as far as the threads' timing allows.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use std::collections::BTreeSet;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{self, Sender};
use std::thread;

use fastrand::Rng;

use support::process::{Client, Daemon, Frame, Home, encode, free_port};

const CONNECTIONS: usize = 8;

/// Members of a connection in each of its sets: few, so that adding and removing meet.
const MEMBERS: usize = 40;

/// What a connection may have acknowledged, all together, before the crash.
const MOST_COMMANDS: usize = 4_000;

const MOST_PIPELINED: usize = 32;

/// A file grows with each crash and is replayed twice: after so many, another is begun.
const CRASHES_OF_A_FILE: usize = 20;

/// A key and a member.
type Place = (String, String);
type State = BTreeSet<Place>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Add,
    Remove,
}

/// SADD or SREM of some members.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Command {
    kind: Kind,
    key: String,
    members: Vec<String>,
}

impl Command {
    fn encode(&self) -> Vec<u8> {
        let name = if self.kind == Kind::Add { "SADD" } else { "SREM" };
        let words: Vec<&str> =
            [name, &self.key].into_iter().chain(self.members.iter().map(String::as_str)).collect();
        encode(&words)
    }

    /// Does what the daemon should do. Returns what it should answer.
    fn apply(&self, state: &mut State) -> i64 {
        let mut change = |member: &String| {
            let place = (self.key.clone(), member.clone());
            if self.kind == Kind::Add { state.insert(place) } else { state.remove(&place) }
        };
        self.members.iter().map(|member| i64::from(change(member))).sum()
    }
}

/// What one connection did since the daemon was started.
#[derive(Debug, Default)]
struct Ledger {
    /// What its members were at the start.
    before: State,
    sent: Vec<Command>,
    /// The replies to the first of what was sent.
    acknowledged: Vec<i64>,
}

impl Ledger {
    /// Whether a daemon that keeps its promises can have this left of the connection's members.
    fn check(&self, found: &State) -> Result<(), String> {
        let mut state = self.before.clone();
        for (at, (command, &reply)) in self.sent.iter().zip(&self.acknowledged).enumerate() {
            let expected = command.apply(&mut state);
            if reply != expected {
                return Err(format!("command {at} was answered {reply}, not {expected}: {command:?}"));
            }
        }
        let promised = state.clone();
        let in_flight = &self.sent[self.acknowledged.len()..];
        let is_left_behind = |command: &Command| {
            command.apply(&mut state);
            state == *found
        };
        if promised == *found || in_flight.iter().any(is_left_behind) {
            return Ok(());
        }
        Err(format!(
            "acknowledged, but lost: {:?}\nnot acknowledged, but there: {:?}\nin flight: {in_flight:?}",
            promised.difference(found).collect::<Vec<_>>(),
            found.difference(&promised).collect::<Vec<_>>(),
        ))
    }
}

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
        states = (0..CONNECTIONS).map(|connection| found(&daemon, connection)).collect();
        for (ledger, found) in ledgers.iter().zip(&states) {
            let shown = |broken: String| broken.replace(&padding(), "...");
            ledger.check(found).unwrap_or_else(|broken| panic!("round {round}: {}", shown(broken)));
        }
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
                let mut load = Load { client, connection, rng, until_crash, crash };
                // It ends with the daemon.
                while load.step(&mut ledger).is_ok() {}
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

/// One connection's part of the load.
struct Load<'a> {
    client: Client,
    connection: usize,
    rng: Rng,
    /// Commands that are still to be acknowledged before the crash.
    until_crash: &'a AtomicUsize,
    crash: Sender<()>,
}

impl Load<'_> {
    /// Sends some commands at once and takes the replies. What happened until an error is in the ledger.
    fn step(&mut self, ledger: &mut Ledger) -> io::Result<()> {
        let pipelined = if self.rng.bool() { 1 } else { self.rng.usize(2..=MOST_PIPELINED) };
        let commands: Vec<_> = (0..pipelined).map(|_| command(&mut self.rng, self.connection)).collect();
        let bytes: Vec<u8> = commands.iter().flat_map(Command::encode).collect();
        ledger.sent.extend(commands);
        self.client.send(&bytes)?;
        for _ in 0..pipelined {
            let reply = self.client.receive()?;
            let Frame::Integer(count) = reply else { panic!("{reply:?}") };
            ledger.acknowledged.push(count);
            if self.until_crash.fetch_sub(1, Relaxed) == 1 {
                let _ = self.crash.send(());
            }
        }
        Ok(())
    }
}

fn command(rng: &mut Rng, connection: usize) -> Command {
    let kind = if rng.u8(..3) > 0 { Kind::Add } else { Kind::Remove };
    let key = if rng.bool() { own_key(connection) } else { SHARED_KEY.to_owned() };
    let members = (0..rng.usize(1..4)).map(|_| member(connection, rng.usize(..MEMBERS))).collect();
    Command { kind, key, members }
}

const SHARED_KEY: &str = "shared";

fn own_key(connection: usize) -> String {
    format!("own {connection}")
}

/// Some are as long as a whole token, so that the file and its log grow.
fn member(connection: usize, number: usize) -> String {
    let padding = if number.is_multiple_of(8) { padding() } else { String::new() };
    format!("{connection} {number} {padding}")
}

fn padding() -> String {
    "-".repeat(2_000)
}

/// What the daemon has of the connection's members.
fn found(daemon: &Daemon, connection: usize) -> State {
    let client = daemon.connect();
    let prefix = format!("{connection} ");
    let members = |key: String| {
        let members = client.members(&key).into_iter().map(|member| String::from_utf8(member).unwrap());
        members.map(move |member| (key.clone(), member)).collect::<Vec<_>>()
    };
    let all = [SHARED_KEY.to_owned(), own_key(connection)].into_iter().flat_map(members);
    all.filter(|(_, member)| member.starts_with(&prefix)).collect()
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
    use super::{Command, Kind, Ledger, State};

    fn command(kind: Kind, members: &[&str]) -> Command {
        Command { kind, key: "k".to_owned(), members: members.iter().map(ToString::to_string).collect() }
    }

    fn add(members: &[&str]) -> Command {
        command(Kind::Add, members)
    }

    fn remove(members: &[&str]) -> Command {
        command(Kind::Remove, members)
    }

    fn ledger(sent: &[Command], acknowledged: &[i64]) -> Ledger {
        Ledger { before: State::new(), sent: sent.to_vec(), acknowledged: acknowledged.to_vec() }
    }

    fn state(members: &[&str]) -> State {
        members.iter().map(|member| ("k".to_owned(), (*member).to_owned())).collect()
    }

    #[test]
    fn accepts_what_was_acknowledged() {
        let ledger = ledger(&[add(&["a", "b"]), remove(&["a"])], &[2, 1]);
        assert_eq!(ledger.check(&state(&["b"])), Ok(()));
    }

    #[test]
    fn accepts_what_was_in_flight_both_ways() {
        let ledger = ledger(&[add(&["a"]), remove(&["a"]), add(&["b"])], &[1]);
        for found in [&["a"][..], &[], &["b"]] {
            assert_eq!(ledger.check(&state(found)), Ok(()), "{found:?}");
        }
    }

    #[test]
    fn catches_an_add_that_was_acknowledged_and_lost() {
        let ledger = ledger(&[add(&["a"]), add(&["b"])], &[1, 1]);
        let broken = ledger.check(&state(&["a"])).unwrap_err();
        assert!(broken.contains(r#"lost: [("k", "b")]"#), "{broken}");
    }

    #[test]
    fn catches_a_remove_that_was_acknowledged_and_undone() {
        let ledger = ledger(&[add(&["a"]), remove(&["a"])], &[1, 1]);
        let broken = ledger.check(&state(&["a"])).unwrap_err();
        assert!(broken.contains(r#"there: [("k", "a")]"#), "{broken}");
    }

    #[test]
    fn catches_what_an_earlier_crash_had_left_and_a_later_one_lost() {
        let ledger = Ledger { before: state(&["a"]), ..Ledger::default() };
        assert!(ledger.check(&state(&[])).is_err());
    }

    #[test]
    fn catches_half_of_a_command() {
        let ledger = ledger(&[add(&["a", "b"])], &[]);
        assert!(ledger.check(&state(&["a"])).is_err());
    }

    #[test]
    fn catches_a_later_command_that_came_without_an_earlier_one() {
        let ledger = ledger(&[add(&["a"]), add(&["b"])], &[]);
        assert!(ledger.check(&state(&["b"])).is_err());
    }

    #[test]
    fn catches_a_member_that_nobody_added() {
        assert!(ledger(&[], &[]).check(&state(&["a"])).is_err());
    }

    #[test]
    fn catches_a_reply_that_does_not_fit_what_was_there() {
        let ledger = ledger(&[add(&["a"]), add(&["a"])], &[1, 1]);
        assert!(ledger.check(&state(&["a"])).is_err());
    }
}
