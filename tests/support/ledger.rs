//! A load of random changes, and the ledger of what was sent and answered, which tells what must be left of it.
//!
//! Each connection writes members and strings that no other one touches, some of which end, some of them several at
//! once in a transaction.

use std::collections::BTreeMap;
use std::io;
use std::time::SystemTime;

use fastrand::Rng;
use rustix::time::{ClockId, clock_gettime};

use super::process::{Client, Frame, encode, simple};

/// Members of a connection in each of its sets: few, so that adding and removing meet.
const MEMBERS: usize = 40;

/// Strings of a connection.
const STRINGS: usize = 10;

const MOST_PIPELINED: usize = 32;

/// Between two ends that are far away: longer than it takes to ask for them.
const FAR_STEP_MS: i64 = 600_000;

/// A key, and a member if it is a set's.
pub(crate) type Place = (String, Option<String>);

pub(crate) type State = BTreeMap<Place, Held>;

/// A string (of a member: an empty one), and when it ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) string: String,
    pub(crate) ends_ms: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
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
    pub(crate) fn apply(&self, state: &mut State) -> i64 {
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
pub(crate) struct Command(pub(crate) Vec<Change>);

impl Command {
    pub(crate) fn is_transaction(&self) -> bool {
        self.0.len() > 1
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let changes = self.0.iter().flat_map(Change::encode);
        if self.is_transaction() {
            encode(&["MULTI"]).into_iter().chain(changes).chain(encode(&["EXEC"])).collect()
        } else {
            changes.collect()
        }
    }

    pub(crate) fn apply(&self, state: &mut State) -> Vec<i64> {
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
pub(crate) struct Found {
    /// The ends of members were counted from the server's clock, and are not exact.
    pub(crate) state: State,
    /// When it began to be looked for, and was found.
    pub(crate) from_ms: i64,
    pub(crate) to_ms: i64,
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
pub(crate) struct Ledger {
    /// What it had at the start.
    pub(crate) before: State,
    pub(crate) sent: Vec<Command>,
    /// The replies to the first of what was sent.
    pub(crate) acknowledged: Vec<Vec<i64>>,
    /// When each was sent, and answered, on the monotonic clock.
    pub(crate) sent_ns: Vec<u64>,
    pub(crate) acknowledged_ns: Vec<u64>,
}

impl Ledger {
    /// What must be left of it where a daemon that keeps its promises can have left this, without what has ended.
    pub(crate) fn check(&self, found: &Found) -> Result<State, String> {
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

/// One connection's part of the load.
pub(crate) struct Load {
    pub(crate) connection: usize,
    rng: Rng,
    /// What ends soon has a name of its own each time: when exactly it was there, nobody knows.
    names_used: usize,
}

impl Load {
    pub(crate) fn new(connection: usize, rng: Rng) -> Self {
        Self { connection, rng, names_used: 0 }
    }

    /// Sends some commands at once and takes the replies. What happened until an error is in the ledger.
    pub(crate) fn step(
        &mut self,
        client: &Client,
        ledger: &mut Ledger,
        mut acknowledged: impl FnMut(),
    ) -> io::Result<()> {
        let pipelined = if self.rng.bool() { 1 } else { self.rng.usize(2..=MOST_PIPELINED) };
        let commands: Vec<_> = (0..pipelined).map(|_| self.command()).collect();
        let bytes: Vec<u8> = commands.iter().flat_map(Command::encode).collect();
        ledger.sent.extend(commands.iter().cloned());
        ledger.sent_ns.resize(ledger.sent.len(), monotonic_ns());
        client.send(&bytes)?;
        for command in commands {
            ledger.acknowledged.push(command.receive(client)?);
            ledger.acknowledged_ns.push(monotonic_ns());
            acknowledged();
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

pub(crate) const SHARED_KEY: &str = "shared";

pub(crate) fn own_key(connection: usize) -> String {
    format!("own {connection}")
}

fn string_key(connection: usize, number: usize) -> String {
    format!("string {connection} {number}")
}

/// Of the set whose members end soon, and with it the set.
pub(crate) fn ending_key(connection: usize) -> String {
    format!("ending {connection}")
}

/// Some are as long as a whole token, so that the file and its log grow.
fn member(connection: usize, number: usize) -> String {
    let padding = if number.is_multiple_of(8) { padding() } else { String::new() };
    format!("{connection} {number} {padding}")
}

pub(crate) fn padding() -> String {
    "-".repeat(2_000)
}

pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::UNIX_EPOCH.elapsed().unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

/// A clock that all processes share, and that is never set.
pub(crate) fn monotonic_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    u64::try_from(now.tv_sec).unwrap() * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap()
}
