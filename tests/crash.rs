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

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::SystemTime;

use fastrand::Rng;

use support::process::{Client, Daemon, Frame, Home, encode, free_port, simple, strings};

const CONNECTIONS: usize = 8;

/// Members of a connection in each of its sets: few, so that adding and removing meet.
const MEMBERS: usize = 40;

/// Strings of a connection.
const STRINGS: usize = 10;

/// What a connection may have acknowledged, all together, before the crash.
const MOST_COMMANDS: usize = 2_000;

const MOST_PIPELINED: usize = 32;

/// Between two ends that are far away: longer than it takes to ask for them.
const FAR_STEP_MS: i64 = 600_000;

/// A file grows with each crash and is replayed twice: after so many, another is begun.
const CRASHES_OF_A_FILE: usize = 20;

/// A key, and a member if it is a set's.
type Place = (String, Option<String>);

type State = BTreeMap<Place, Held>;

/// A string (of a member: an empty one), and when it ends.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Held {
    string: String,
    ends_ms: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Change {
    /// SADD, or PSADDEXAT.
    Add { key: String, members: Vec<String>, ends_ms: Option<i64> },
    /// PEXPIREMEMBERAT, of a member that is there.
    End { key: String, member: String, ends_ms: i64 },
    /// SREM.
    Remove { key: String, members: Vec<String> },
    /// SET, or SET PXAT.
    Set { key: String, string: String, ends_ms: Option<i64> },
    /// DEL.
    Delete { keys: Vec<String> },
}

impl Change {
    fn encode(&self) -> Vec<u8> {
        let text = |ends_ms: &Option<i64>| ends_ms.map(|ms| ms.to_string());
        let words = match self {
            Self::Add { key, members, ends_ms } => {
                let name = if ends_ms.is_some() { "PSADDEXAT" } else { "SADD" };
                let start = [name.to_owned(), key.clone()].into_iter().chain(text(ends_ms));
                start.chain(members.iter().cloned()).collect()
            }
            Self::End { key, member, ends_ms } => {
                vec!["PEXPIREMEMBERAT".to_owned(), key.clone(), member.clone(), ends_ms.to_string()]
            }
            Self::Remove { key, members } => [&["SREM".to_owned(), key.clone()], &members[..]].concat(),
            Self::Set { key, string, ends_ms } => {
                let start = ["SET".to_owned(), key.clone(), string.clone()];
                let end = text(ends_ms).into_iter().flat_map(|ms| ["PXAT".to_owned(), ms]);
                start.into_iter().chain(end).collect()
            }
            Self::Delete { keys } => [&["DEL".to_owned()], &keys[..]].concat(),
        };
        encode(&words)
    }

    /// Does what the daemon should do. Returns what it should answer; `OK` counts as one.
    fn apply(&self, state: &mut State) -> i64 {
        let member = |key: &String, member: &String| (key.clone(), Some(member.clone()));
        match self {
            Self::Add { key, members, ends_ms } => {
                let held = Held { string: String::new(), ends_ms: *ends_ms };
                let mut add = |name| i64::from(state.insert(member(key, name), held.clone()).is_none());
                members.iter().map(&mut add).sum()
            }
            Self::End { key, member: name, ends_ms } => {
                let held = Held { string: String::new(), ends_ms: Some(*ends_ms) };
                i64::from(state.insert(member(key, name), held).is_some())
            }
            Self::Remove { key, members } => {
                members.iter().map(|name| i64::from(state.remove(&member(key, name)).is_some())).sum()
            }
            Self::Set { key, string, ends_ms } => {
                state.insert((key.clone(), None), Held { string: string.clone(), ends_ms: *ends_ms });
                1
            }
            Self::Delete { keys } => {
                let mut delete = |key: &String| {
                    let before = state.len();
                    state.retain(|(at, _), _| at != key);
                    i64::from(state.len() < before)
                };
                keys.iter().map(&mut delete).sum()
            }
        }
    }
}

/// One change, or a transaction of several.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Command(Vec<Change>);

impl Command {
    fn is_transaction(&self) -> bool {
        self.0.len() > 1
    }

    fn encode(&self) -> Vec<u8> {
        let changes = self.0.iter().flat_map(Change::encode);
        if self.is_transaction() {
            encode(&["MULTI"]).into_iter().chain(changes).chain(encode(&["EXEC"])).collect()
        } else {
            changes.collect()
        }
    }

    fn apply(&self, state: &mut State) -> Vec<i64> {
        self.0.iter().map(|change| change.apply(state)).collect()
    }

    /// Takes the replies of one command.
    fn receive(&self, client: &Client) -> io::Result<Vec<i64>> {
        if !self.is_transaction() {
            return Ok(vec![counted(&client.receive()?)]);
        }
        assert_eq!(client.receive()?, simple("OK"));
        for _ in &self.0 {
            assert_eq!(client.receive()?, simple("QUEUED"));
        }
        let reply = client.receive()?;
        let Frame::Array(replies) = &reply else { panic!("{reply:?}") };
        Ok(replies.iter().map(counted).collect())
    }
}

fn counted(reply: &Frame) -> i64 {
    match reply {
        Frame::Integer(count) => *count,
        ok if *ok == simple("OK") => 1,
        other => panic!("{other:?}"),
    }
}

/// What a daemon has of a connection's members and strings.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Found {
    /// The ends of members were counted from the server's clock, and are not exact.
    state: State,
    /// When it began to be looked for, and was found.
    from_ms: i64,
    to_ms: i64,
}

impl Found {
    /// Whether this can be what is left of a state.
    fn is_left_of(&self, state: &State) -> bool {
        let is_left = |(place, held): (&Place, &Held)| match self.state.get(place) {
            Some(found) => found.string == held.string && self.is_same_end(found.ends_ms, held.ends_ms),
            None => held.ends_ms.is_some_and(|ms| ms <= self.to_ms),
        };
        let was_there = |place: &Place| state.get(place).is_some_and(|held| !self.had_ended(held));
        state.iter().all(is_left) && self.state.keys().all(was_there)
    }

    fn is_same_end(&self, found: Option<i64>, ends_ms: Option<i64>) -> bool {
        match (found, ends_ms) {
            (Some(found), Some(ms)) => found.abs_diff(ms) <= self.from_ms.abs_diff(self.to_ms),
            (found, ends_ms) => found == ends_ms,
        }
    }

    fn had_ended(&self, held: &Held) -> bool {
        held.ends_ms.is_some_and(|ms| ms <= self.from_ms)
    }
}

/// What one connection did since the daemon was started.
#[derive(Debug, Default)]
struct Ledger {
    /// What it had at the start.
    before: State,
    sent: Vec<Command>,
    /// The replies to the first of what was sent.
    acknowledged: Vec<Vec<i64>>,
}

impl Ledger {
    /// What must be left of it where a daemon that keeps its promises can have left this, without what has ended.
    fn check(&self, found: &Found) -> Result<State, String> {
        let mut state = self.before.clone();
        for (at, (command, reply)) in self.sent.iter().zip(&self.acknowledged).enumerate() {
            let expected = command.apply(&mut state);
            if *reply != expected {
                return Err(format!("command {at} was answered {reply:?}, not {expected:?}: {command:?}"));
            }
        }
        let promised = state.clone();
        let in_flight = &self.sent[self.acknowledged.len()..];
        let mut left_behind = std::iter::once(promised.clone()).chain(in_flight.iter().map(|command| {
            command.apply(&mut state);
            state.clone()
        }));
        if let Some(mut left) = left_behind.find(|state| found.is_left_of(state)) {
            left.retain(|place, _| found.state.contains_key(place));
            return Ok(left);
        }
        let is_lost = |(place, held): &(&Place, &Held)| {
            held.ends_ms.is_none_or(|ms| ms > found.to_ms) && !found.state.contains_key(*place)
        };
        let is_too_many =
            |(place, _): &(&Place, &Held)| promised.get(*place).is_none_or(|held| found.had_ended(held));
        let differs = |(place, held): &(&Place, &Held)| {
            let found_there = found.state.get(*place);
            found_there
                .is_some_and(|f| f.string != held.string || !found.is_same_end(f.ends_ms, held.ends_ms))
        };
        Err(format!(
            "acknowledged, but lost: {:?}\nnot acknowledged or ended, but there: {:?}\nacknowledged, but different: \
             {:?}\nin flight: {in_flight:?}",
            promised.iter().filter(is_lost).collect::<Vec<_>>(),
            found.state.iter().filter(is_too_many).collect::<Vec<_>>(),
            promised.iter().filter(differs).collect::<Vec<_>>(),
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
                let mut load = Load { client, connection, rng, until_crash, crash, names_used: 0 };
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
    /// What ends soon has a name of its own each time: when exactly it was there, nobody knows.
    names_used: usize,
}

impl Load<'_> {
    /// Sends some commands at once and takes the replies. What happened until an error is in the ledger.
    fn step(&mut self, ledger: &mut Ledger) -> io::Result<()> {
        let pipelined = if self.rng.bool() { 1 } else { self.rng.usize(2..=MOST_PIPELINED) };
        let commands: Vec<_> = (0..pipelined).map(|_| self.command()).collect();
        let bytes: Vec<u8> = commands.iter().flat_map(Command::encode).collect();
        ledger.sent.extend(commands.iter().cloned());
        self.client.send(&bytes)?;
        for command in commands {
            ledger.acknowledged.push(command.receive(&self.client)?);
            if self.until_crash.fetch_sub(1, Relaxed) == 1 {
                let _ = self.crash.send(());
            }
        }
        Ok(())
    }

    fn command(&mut self) -> Command {
        match self.rng.u8(..20) {
            0 => Command(vec![self.string_that_ends_soon()]),
            1 => Command(self.member_that_ends_soon()),
            2..6 => {
                let changes = self.rng.usize(2..6);
                let soon = vec![self.string_that_ends_soon()];
                let changes = (0..changes).map(|_| self.change()).collect();
                Command([changes, self.member_that_ends_soon(), soon].concat())
            }
            _ => Command(vec![self.change()]),
        }
    }

    fn change(&mut self) -> Change {
        match self.rng.u8(..13) {
            0..6 => {
                let ends_ms = self.end();
                Change::Add { key: self.key_of_set(), members: self.members(), ends_ms }
            }
            6..9 => Change::Remove { key: self.key_of_set(), members: self.members() },
            9..11 => {
                let (key, ends_ms) = (self.key_of_string(), self.end());
                Change::Set { key, string: self.rng.u8(..).to_string(), ends_ms }
            }
            11 => Change::Delete { keys: vec![self.key_of_string()] },
            _ => Change::Delete { keys: vec![own_key(self.connection), string_key(self.connection, 0)] },
        }
    }

    /// Never, or at one of a few moments that are far away.
    fn end(&mut self) -> Option<i64> {
        let start_ms = now_ms() / FAR_STEP_MS * FAR_STEP_MS;
        self.rng.bool().then(|| start_ms + FAR_STEP_MS * self.rng.i64(2..6) + 123)
    }

    fn string_that_ends_soon(&mut self) -> Change {
        let (name, ends_ms) = self.soon();
        Change::Set { key: format!("ending {name}"), string: "soon".to_owned(), ends_ms: Some(ends_ms) }
    }

    /// It is added first: the replies are the same then, should the end have come by that time.
    fn member_that_ends_soon(&mut self) -> Vec<Change> {
        let ((member, ends_ms), key) = (self.soon(), ending_key(self.connection));
        let add = Change::Add { key: key.clone(), members: vec![member.clone()], ends_ms: None };
        vec![add, Change::End { key, member, ends_ms }]
    }

    /// A new name, and an end before the crash, before the restart, or after it.
    fn soon(&mut self) -> (String, i64) {
        self.names_used += 1;
        let name = format!("{} {} {}", self.connection, now_ms(), self.names_used);
        (name, now_ms() + self.rng.i64(5..600))
    }

    fn key_of_set(&mut self) -> String {
        if self.rng.bool() { own_key(self.connection) } else { SHARED_KEY.to_owned() }
    }

    fn key_of_string(&mut self) -> String {
        string_key(self.connection, self.rng.usize(..STRINGS))
    }

    fn members(&mut self) -> Vec<String> {
        (0..self.rng.usize(1..4)).map(|_| member(self.connection, self.rng.usize(..MEMBERS))).collect()
    }
}

const SHARED_KEY: &str = "shared";

fn own_key(connection: usize) -> String {
    format!("own {connection}")
}

fn string_key(connection: usize, number: usize) -> String {
    format!("string {connection} {number}")
}

/// Of the set whose members end soon, and with it the set.
fn ending_key(connection: usize) -> String {
    format!("ending {connection}")
}

/// Some are as long as a whole token, so that the file and its log grow.
fn member(connection: usize, number: usize) -> String {
    let padding = if number.is_multiple_of(8) { padding() } else { String::new() };
    format!("{connection} {number} {padding}")
}

fn padding() -> String {
    "-".repeat(2_000)
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

fn now_ms() -> i64 {
    let since = SystemTime::UNIX_EPOCH.elapsed().unwrap();
    i64::try_from(since.as_millis()).unwrap()
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
    use super::{Change, Command, Found, Held, Ledger, State};

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
        Ledger { before: State::new(), sent: sent.to_vec(), acknowledged }
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
