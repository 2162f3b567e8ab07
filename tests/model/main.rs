//! Random histories, with restarts of every kind and compactions in between, against a model that is plain enough to be right.
//!
//! Things end while a history runs. When the daemon handled a request is known but for the time between sending it and
//! receiving its reply: where an end lies in between, the daemon may be in one of several states, and all that fit its
//! replies are kept in mind.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod model;
mod request;
#[path = "../support/mod.rs"]
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::iter::once;
use std::time::SystemTime;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use rusqlite::Row;

use model::{DATABASES, End, Key, Keys, Model, Value, Window, fit};
use request::{Clock, Request};
use support::process::{
    Client, Daemon, Frame, Home, encode, integer, open_read_only, simple, strings, until_compact,
};

const CONNECTIONS: usize = 3;

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_daemon_does_what_the_model_does(steps in vec(step(), 1..40)) {
        let mut run = Run::new();
        for step in steps {
            run.take(step);
        }
        run.restart(Ending::Kill);
    }
}

/// A case starts the daemon several times: fewer of them than usual, unless `PROPTEST_CASES` says how many.
fn config() -> ProptestConfig {
    let usual = ProptestConfig::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { usual.cases } else { 40 };
    ProptestConfig { cases, max_shrink_iters: 500, failure_persistence: None, ..usual }
}

#[derive(Debug, Clone)]
enum Step {
    Pipeline { connection: usize, requests: Vec<Request> },
    Restart(Ending),
    Compact { until_it_is_done: bool },
}

/// How the daemon ends.
#[derive(Debug, Clone, Copy)]
enum Ending {
    Sigterm,
    Kill,
    Shutdown,
}

fn step() -> impl Strategy<Value = Step> {
    let pipeline = (0..CONNECTIONS, request::pipeline())
        .prop_map(|(connection, requests)| Step::Pipeline { connection, requests });
    let restart = select(vec![Ending::Sigterm, Ending::Kill, Ending::Shutdown]).prop_map(Step::Restart);
    let compact = any::<bool>().prop_map(|until_it_is_done| Step::Compact { until_it_is_done });
    prop_oneof![15 => pipeline, 1 => restart, 3 => compact]
}

/// What there is, or what contradicts itself; where something ends meanwhile, both are no surprise.
type Look = Result<Keys, String>;

/// A daemon and the model of it.
struct Run {
    home: Home,
    daemon: Option<Daemon>,
    connections: Vec<Client>,
    start_ms: i64,
    /// All absolute times that a request has named.
    moments: BTreeSet<i64>,
    /// The states that the daemon may be in, by its replies so far.
    possible: Vec<Model>,
}

impl Run {
    fn new() -> Self {
        // What the policy makes of a crash is another test's matter; this one has no time to wait for the disk.
        let home = Home::with_options(&["--appendfsync", "no"]);
        let mut run = Self {
            home,
            daemon: None,
            connections: Vec::new(),
            start_ms: now_ms(),
            moments: BTreeSet::new(),
            possible: vec![Model::default()],
        };
        run.start();
        run
    }

    fn start(&mut self) {
        let daemon = self.home.start();
        self.connections = std::iter::repeat_with(|| daemon.connect()).take(CONNECTIONS).collect();
        self.possible = std::mem::take(&mut self.possible).into_iter().map(Model::restarted).collect();
        self.daemon = Some(daemon);
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Pipeline { connection, requests } => self.ask(connection, &requests),
            Step::Restart(ending) => self.restart(ending),
            Step::Compact { until_it_is_done } => self.compact(until_it_is_done),
        }
    }

    fn ask(&mut self, connection: usize, requests: &[Request]) {
        let sent_ms = now_ms();
        let clock = Clock { start_ms: self.start_ms, now_ms: sent_ms };
        self.moments.extend(requests.iter().flat_map(|request| request.moments(clock)));
        let words: Vec<_> = requests.iter().map(|request| request.words(clock)).collect();
        let replies = self.connections[connection].ask_all(&words);
        let window = Window { sent_ms, received_ms: now_ms() };
        self.advance(sent_ms);
        for ((words, reply), request) in words.iter().zip(&replies).zip(requests) {
            self.answer(connection, words, window, reply).unwrap_or_else(|expected| {
                panic!("{request:?}\nwas answered {reply:?}\nrather than   {expected}");
            });
        }
    }

    /// Goes on to the states that the daemon may be in if it answered so; an error tells what was expected.
    fn answer(
        &mut self,
        connection: usize,
        words: &[Vec<u8>],
        window: Window,
        reply: &Frame,
    ) -> Result<(), String> {
        let (mut possible, mut expected) = (Vec::new(), BTreeSet::new());
        for before in std::mem::take(&mut self.possible) {
            let later = self.moments.range(before.now_ms + 1..);
            let later = later.take_while(|&&moment| moment <= window.received_ms);
            for moment in once(&before.now_ms).chain(later) {
                let mut model = before.clone().at(*moment);
                let answer = model.answer(connection, words, window);
                if !answer.fits(reply) {
                    expected.insert(format!("{answer:?}"));
                } else if !possible.contains(&model) {
                    possible.push(model);
                }
            }
        }
        self.possible = possible;
        if self.possible.is_empty() { Err(Vec::from_iter(expected).join(" or ")) } else { Ok(()) }
    }

    fn advance(&mut self, now_ms: i64) {
        for model in std::mem::take(&mut self.possible) {
            let model = model.at(now_ms);
            // Those that differed in what has ended by now are the same.
            if !self.possible.contains(&model) {
                self.possible.push(model);
            }
        }
    }

    fn restart(&mut self, ending: Ending) {
        self.compare();
        let daemon = self.daemon.take().unwrap();
        match ending {
            Ending::Sigterm => daemon.stop(),
            Ending::Kill => daemon.kill(),
            Ending::Shutdown => {
                self.connections[0].send(&encode(&["SHUTDOWN"])).unwrap();
                assert_eq!(daemon.ended().code, Some(0));
            }
        }
        self.start();
        self.compare();
    }

    fn compact(&mut self, until_it_is_done: bool) {
        let client = self.daemon.as_ref().unwrap().connect();
        // An error says that one is under way.
        client.ask(&["BGREWRITEAOF"]);
        if until_it_is_done {
            until_compact(&client);
            self.compare();
        }
    }

    /// Compares all that there is: as commands show it one by one, by scanning step by step, and by SQL.
    fn compare(&mut self) {
        let client = self.daemon.as_ref().unwrap().connect();
        self.compare_with("commands", |_| shown(&client), Clone::clone);
        self.compare_with("SCAN", |_| Ok(scanned(&client)), without_ends);
        self.compare_with("the views", Self::in_views, as_in_views);
    }

    /// Looks until nothing ended meanwhile: that is as often as something may end, at most.
    fn compare_with(&mut self, by: &str, look: impl Fn(&Self) -> Look, model: impl Fn(&Keys) -> Keys) {
        loop {
            let sent_ms = now_ms();
            let found = look(self);
            // The views' clock is read to the millisecond, the one before or the one behind.
            if self.moments.range(sent_ms - 1..=now_ms() + 1).next().is_none() {
                let found = found.unwrap_or_else(|contradiction| panic!("by {by}, {contradiction}"));
                self.advance(sent_ms);
                let expected: Vec<_> = self.possible.iter().map(|possible| model(&possible.keys)).collect();
                let fits: Vec<_> = expected.iter().map(|expected| fit(expected, &found)).collect();
                assert!(fits.contains(&true), "by {by}, there is\n{found:?}\nrather than\n{expected:?}");
                let mut fits = fits.into_iter();
                return self.possible.retain(|_| fits.next() == Some(true));
            }
        }
    }

    fn in_views(&self) -> Look {
        let mut found = Keys::new();
        let reader = open_read_only(&self.home.data_file());
        let in_ms = "CAST(round(unixepoch(expires, 'subsec') * 1000) AS INTEGER)";
        let bytes = |row: &Row<'_>, column| match row.get_ref(column).unwrap() {
            rusqlite::types::ValueRef::Null => Vec::new(),
            value => value.as_bytes().unwrap().to_vec(),
        };
        let place = |row: &Row<'_>| (row.get(0).unwrap(), bytes(row, 1));
        let end = |row: &Row<'_>| row.get::<_, Option<i64>>(4).unwrap().map_or(End::NEVER, End::at);
        let select = format!("SELECT database, key, type, value, {in_ms} FROM keys");
        let mut statement = reader.prepare(&select).unwrap();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let value = match bytes(row, 2).as_slice() {
                b"set" => Value::Set(BTreeMap::new()),
                b"string" => Value::String(bytes(row, 3)),
                other => panic!("{}", other.escape_ascii()),
            };
            let before = found.insert(place(row), Key { end: end(row), value });
            assert_eq!(before, None, "a key has one row");
        }
        let select = format!("SELECT database, key, member, '', {in_ms} FROM revocations");
        let mut statement = reader.prepare(&select).unwrap();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let Some(Key { value: Value::Set(set), .. }) = found.get_mut(&place(row)) else {
                return Err(format!("there is a member of no set: {:?}", place(row)));
            };
            assert_eq!(set.insert(bytes(row, 2), end(row)), None, "a member has one row");
        }
        // The view says of itself that it has sets whose members have all ended.
        found.retain(|_, key| !matches!(&key.value, Value::Set(set) if set.is_empty()));
        Ok(found)
    }
}

/// The views say of a member when it ends, be it with its key.
fn as_in_views(keys: &Keys) -> Keys {
    let mut keys = keys.clone();
    for Key { end: end_of_key, value } in keys.values_mut() {
        if let Value::Set(set) = value {
            for end in set.values_mut() {
                *end = end.or_earlier(*end_of_key);
            }
        }
    }
    keys
}

/// As a scan shows it: no strings, and no ends.
fn without_ends(keys: &Keys) -> Keys {
    let mut keys = keys.clone();
    for Key { end, value } in keys.values_mut() {
        *end = End::NEVER;
        match value {
            Value::String(string) => string.clear(),
            Value::Set(set) => set.values_mut().for_each(|end_of_member| *end_of_member = End::NEVER),
        }
    }
    keys
}

/// All that there is, with its ends.
fn shown(client: &Client) -> Look {
    let mut found = Keys::new();
    for database in 0..DATABASES {
        client.ask(&["SELECT", &database.to_string()]);
        let replies = client.ask_all(&[vec!["KEYS", "*"], vec!["DBSIZE"]]);
        let keys = strings(&replies[0]);
        if replies[1] != integer(keys.len()) {
            return Err(format!("{keys:?} are counted {:?}", replies[1]));
        }
        for key in keys {
            let value = match client.ask(&[b"TYPE", key.as_slice()]) {
                set if set == simple("set") => Value::Set(shown_members(client, &key)?),
                string if string == simple("string") => match client.ask(&[b"GET", key.as_slice()]) {
                    Frame::BulkString(string) => Value::String(string.to_vec()),
                    _ => continue,
                },
                _ => continue,
            };
            let Frame::Integer(end) = client.ask(&[b"PEXPIRETIME", key.as_slice()]) else {
                panic!("no time")
            };
            let end = if end == -1 { End::NEVER } else { End::at(end) };
            found.insert((database, key), Key { end, value });
        }
    }
    Ok(found)
}

fn shown_members(client: &Client, key: &[u8]) -> Result<BTreeMap<Vec<u8>, End>, String> {
    let members = strings(&client.ask(&[b"SMEMBERS", key]));
    let mut requests: Vec<_> = members.iter().map(|member| vec![&b"PTTL"[..], key, member]).collect();
    requests.push(vec![b"SCARD", key]);
    let sent_ms = now_ms();
    let mut replies = client.ask_all(&requests);
    let window = Window { sent_ms, received_ms: now_ms() };
    let card = replies.pop();
    if card != Some(integer(members.len())) {
        return Err(format!("{members:?} are counted {card:?}"));
    }
    let end = |reply| match reply {
        Frame::Integer(-1) => End::NEVER,
        Frame::Integer(left_ms) => End::after(window, left_ms),
        other => panic!("no time: {other:?}"),
    };
    Ok(members.into_iter().zip(replies.into_iter().map(end)).collect())
}

/// The keys and members that scans find in the smallest of steps.
fn scanned(client: &Client) -> Keys {
    let mut found = Keys::new();
    for database in 0..DATABASES {
        client.ask(&["SELECT", &database.to_string()]);
        for key in scan(client, &[b"SCAN"]) {
            let value = if client.ask(&[b"TYPE", key.as_slice()]) == simple("set") {
                let members = scan(client, &[b"SSCAN", &key]);
                Value::Set(members.into_iter().map(|member| (member, End::NEVER)).collect())
            } else {
                Value::String(Vec::new())
            };
            found.insert((database, key), Key { end: End::NEVER, value });
        }
    }
    found
}

/// All that SCAN or SSCAN finds in the smallest of steps.
fn scan(client: &Client, command: &[&[u8]]) -> BTreeSet<Vec<u8>> {
    let (mut found, mut cursor) = (BTreeSet::new(), b"0".to_vec());
    loop {
        let request = [command, &[&cursor, b"COUNT", b"1"]].concat();
        let Frame::Array(parts) = client.ask(&request) else { panic!("no array") };
        let [Frame::BulkString(next), page] = &parts[..] else { panic!("{parts:?}") };
        found.extend(strings(page));
        cursor = next.to_vec();
        if cursor == b"0" {
            return found;
        }
    }
}

fn now_ms() -> i64 {
    let since = SystemTime::UNIX_EPOCH.elapsed().unwrap();
    i64::try_from(since.as_millis()).unwrap()
}
