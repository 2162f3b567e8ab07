//! Random histories, with restarts of every kind in between, against a model that is plain enough to be right.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use rusqlite::Row;

use support::process::{Client, Daemon, Frame, Home, encode, integer, open_read_only, simple, strings};

const CONNECTIONS: usize = 3;

/// How many databases the daemon has.
const DATABASES: u8 = 16;

/// Larger than any set or database here: one step of a scan finds all.
const ALL: &[u8] = b"1000";

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_daemon_does_what_the_model_does(steps in vec(step(), 1..40)) {
        let mut run = Run::new();
        for step in steps {
            run.take(step);
        }
        run.restart(End::Kill);
    }
}

/// A case starts the daemon several times: fewer of them than usual, unless `PROPTEST_CASES` says how many.
fn config() -> ProptestConfig {
    let usual = ProptestConfig::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { usual.cases } else { 40 };
    ProptestConfig { cases, max_shrink_iters: 500, failure_persistence: None, ..usual }
}

#[derive(Clone)]
struct Request(Vec<Vec<u8>>);

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<_> = self.0.iter().map(|word| format!("\"{}\"", word.escape_ascii())).collect();
        f.write_str(&words.join(" "))
    }
}

#[derive(Debug, Clone)]
enum Step {
    Pipeline { connection: usize, requests: Vec<Request> },
    Restart(End),
}

/// How the daemon ends.
#[derive(Debug, Clone, Copy)]
enum End {
    Sigterm,
    Kill,
    Shutdown,
}

fn step() -> impl Strategy<Value = Step> {
    let pipeline = (0..CONNECTIONS, vec(request(), 1..16))
        .prop_map(|(connection, requests)| Step::Pipeline { connection, requests });
    let restart = select(vec![End::Sigterm, End::Kill, End::Shutdown]).prop_map(Step::Restart);
    prop_oneof![15 => pipeline, 1 => restart]
}

fn request() -> impl Strategy<Value = Request> {
    let words = |name: &'static str, rest: BoxedStrategy<Vec<Vec<u8>>>| {
        rest.prop_map(move |rest| Request([vec![name.into()], rest].concat()))
    };
    prop_oneof![
        12 => words("SADD", key_and_members(1..5)),
        6 => words("SREM", key_and_members(1..4)),
        2 => words("SISMEMBER", key_and_members(1..2)),
        2 => words("SMISMEMBER", key_and_members(1..4)),
        2 => words("SMEMBERS", key_and_members(0..1)),
        2 => words("SCARD", key_and_members(0..1)),
        2 => words("SSCAN", key().prop_map(|key| vec![key, b"0".into(), b"COUNT".into(), ALL.into()]).boxed()),
        2 => words("DEL", vec(key(), 1..3).boxed()),
        1 => words("UNLINK", vec(key(), 1..3).boxed()),
        2 => words("EXISTS", vec(key(), 1..4).boxed()),
        1 => words("TYPE", vec(key(), 1).boxed()),
        1 => words("KEYS", vec(pattern(), 1).boxed()),
        1 => words("SCAN", pattern().prop_map(scan_all).boxed()),
        1 => words("DBSIZE", Just(vec![]).boxed()),
        1 => words("FLUSHDB", Just(vec![]).boxed()),
        1 => words("FLUSHALL", Just(vec![b"ASYNC".into()]).boxed()),
        4 => words("SELECT", select(vec!["0", "1", "15", "16"]).prop_map(|db| vec![db.into()]).boxed()),
        // What is refused must not disturb the order of the others.
        1 => words("SADD", Just(vec![b"k".into()]).boxed()),
    ]
}

/// Few, so that requests meet: empty ones, binary ones, and texts that are kept in a form of their own.
fn key() -> BoxedStrategy<Vec<u8>> {
    let keys: [&[u8]; 5] = [b"k", b"kk", b"", b"\xff\x00\r\n", &[b'x'; 300]];
    select(keys.map(<[u8]>::to_vec).to_vec()).boxed()
}

fn member() -> BoxedStrategy<Vec<u8>> {
    let members: [&[u8]; 13] = [
        b"a",
        b"b",
        b"",
        b"nul\0",
        b"\xff\xfe\x00",
        b"1",
        b"01",
        b"00ff",
        b"00FF",
        "\u{e9}".as_bytes(),
        b"7f3e8a52-0b1c-4d2e-9f60-718293a4b5c6",
        b"7F3E8A52-0B1C-4D2E-9F60-718293A4B5C6",
        &[b'y'; 3000],
    ];
    select(members.map(<[u8]>::to_vec).to_vec()).boxed()
}

fn key_and_members(count: std::ops::Range<usize>) -> BoxedStrategy<Vec<Vec<u8>>> {
    (key(), vec(member(), count)).prop_map(|(key, members)| [vec![key], members].concat()).boxed()
}

/// Those that the model knows: all, and all with `k` in front.
fn pattern() -> BoxedStrategy<Vec<u8>> {
    select(vec![b"*".to_vec(), b"k*".to_vec()]).boxed()
}

fn scan_all(pattern: Vec<u8>) -> Vec<Vec<u8>> {
    vec![b"0".into(), b"MATCH".into(), pattern, b"COUNT".into(), ALL.into()]
}

type Sets = BTreeMap<(u8, Vec<u8>), BTreeSet<Vec<u8>>>;

/// What the daemon should hold, and what it should answer.
#[derive(Default)]
struct Model {
    /// By database and key. None is empty.
    sets: Sets,
}

impl Model {
    fn answer(&mut self, database: &mut u8, request: &Request) -> Frame {
        let (name, rest) = request.0.split_first().unwrap();
        let key = rest.first().cloned().unwrap_or_default();
        let members = rest.get(1..).unwrap_or_default();
        let place = (*database, key.clone());
        match name.as_slice() {
            b"SADD" if members.is_empty() => {
                Frame::Error("ERR wrong number of arguments for 'sadd' command".into())
            }
            b"SADD" => {
                let set = self.sets.entry(place).or_default();
                integer(members.iter().filter(|member| set.insert((*member).clone())).count())
            }
            b"SREM" => self.remove(&place, members),
            b"SISMEMBER" => integer(usize::from(self.set(&place).contains(&members[0]))),
            b"SMISMEMBER" => {
                let set = self.set(&place);
                Frame::Array(
                    members.iter().map(|member| integer(usize::from(set.contains(member)))).collect(),
                )
            }
            b"SMEMBERS" => bulk_strings(self.set(&place)),
            b"SSCAN" => scanned(self.set(&place)),
            b"SCARD" => integer(self.set(&place).len()),
            b"DEL" | b"UNLINK" => {
                let mut remove = |key: &Vec<u8>| self.sets.remove(&(*database, key.clone())).is_some();
                integer(rest.iter().filter(|key| remove(key)).count())
            }
            b"EXISTS" => {
                let exists = |key: &&Vec<u8>| self.sets.contains_key(&(*database, (*key).clone()));
                integer(rest.iter().filter(exists).count())
            }
            b"TYPE" => simple(if self.sets.contains_key(&place) { "set" } else { "none" }),
            b"KEYS" => bulk_strings(self.keys(*database, &key)),
            b"SCAN" => scanned(self.keys(*database, &rest[2])),
            b"DBSIZE" => integer(self.keys(*database, b"*").len()),
            b"FLUSHDB" => {
                self.sets.retain(|(of, _), _| of != database);
                simple("OK")
            }
            b"FLUSHALL" => {
                self.sets.clear();
                simple("OK")
            }
            b"SELECT" => select_database(database, &key),
            other => panic!("the model does not know {}", other.escape_ascii()),
        }
    }

    fn set(&self, place: &(u8, Vec<u8>)) -> BTreeSet<Vec<u8>> {
        self.sets.get(place).cloned().unwrap_or_default()
    }

    fn remove(&mut self, place: &(u8, Vec<u8>), members: &[Vec<u8>]) -> Frame {
        let Some(set) = self.sets.get_mut(place) else { return integer(0) };
        let removed = members.iter().filter(|member| set.remove(*member)).count();
        self.sets.retain(|_, set| !set.is_empty());
        integer(removed)
    }

    fn keys(&self, database: u8, pattern: &[u8]) -> BTreeSet<Vec<u8>> {
        let prefix = pattern.strip_suffix(b"*").unwrap();
        let is_wanted = |(of, key): &&(u8, Vec<u8>)| *of == database && key.starts_with(prefix);
        self.sets.keys().filter(is_wanted).map(|(_, key)| key.clone()).collect()
    }
}

fn select_database(database: &mut u8, number: &[u8]) -> Frame {
    let number = std::str::from_utf8(number).unwrap().parse().unwrap();
    if number >= DATABASES {
        return Frame::Error("ERR DB index is out of range".into());
    }
    *database = number;
    simple("OK")
}

fn bulk_strings(strings: impl IntoIterator<Item = Vec<u8>>) -> Frame {
    Frame::Array(strings.into_iter().map(|string| Frame::BulkString(string.into())).collect())
}

/// A scan that found all there is in one step.
fn scanned(strings: BTreeSet<Vec<u8>>) -> Frame {
    Frame::Array(vec![Frame::BulkString("0".into()), bulk_strings(strings)])
}

/// A daemon and the model of it.
struct Run {
    home: Home,
    daemon: Option<Daemon>,
    connections: Vec<Connection>,
    model: Model,
}

struct Connection {
    client: Client,
    database: u8,
}

impl Run {
    fn new() -> Self {
        // What the policy makes of a crash is another test's matter; this one has no time to wait for the disk.
        let home = Home::with_options(&["--appendfsync", "no"]);
        let mut run = Self { home, daemon: None, connections: Vec::new(), model: Model::default() };
        run.start();
        run
    }

    fn start(&mut self) {
        let daemon = self.home.start();
        let connect = || Connection { client: daemon.connect(), database: 0 };
        self.connections = std::iter::repeat_with(connect).take(CONNECTIONS).collect();
        self.daemon = Some(daemon);
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Pipeline { connection, requests } => self.ask(connection, &requests),
            Step::Restart(end) => self.restart(end),
        }
    }

    fn ask(&mut self, connection: usize, requests: &[Request]) {
        let Connection { client, database } = &mut self.connections[connection];
        let words: Vec<_> = requests.iter().map(|request| request.0.clone()).collect();
        for (request, reply) in requests.iter().zip(client.ask_all(&words)) {
            assert_eq!(ordered(request, reply), self.model.answer(database, request), "{request:?}");
        }
    }

    fn restart(&mut self, end: End) {
        self.compare();
        let daemon = self.daemon.take().unwrap();
        match end {
            End::Sigterm => daemon.stop(),
            End::Kill => daemon.kill(),
            End::Shutdown => {
                self.connections[0].client.send(&encode(&["SHUTDOWN"])).unwrap();
                assert_eq!(daemon.ended().code, Some(0));
            }
        }
        self.start();
        self.compare();
    }

    /// Compares all that there is: by KEYS and SMEMBERS, by scanning step by step, and by SQL.
    fn compare(&self) {
        let client = self.daemon.as_ref().unwrap().connect();
        assert_eq!(sets_by_keys(&client), self.model.sets);
        assert_eq!(sets_by_scanning(&client), self.model.sets);
        self.compare_sql();
    }

    fn compare_sql(&self) {
        let revocations = self.model.sets.iter().flat_map(|((database, key), members)| {
            members.iter().map(move |member| (*database, key.clone(), member.clone()))
        });
        assert_eq!(
            self.query("SELECT database, key, member FROM revocations"),
            revocations.collect::<Vec<_>>()
        );
        let keys = self.model.sets.keys().map(|(database, key)| (*database, key.clone(), b"set".to_vec()));
        assert_eq!(self.query("SELECT database, key, type FROM keys"), keys.collect::<Vec<_>>());
    }

    /// The rows of a number and two texts or blobs, in order.
    fn query(&self, sql: &str) -> Vec<(u8, Vec<u8>, Vec<u8>)> {
        let reader = open_read_only(&self.home.data_file());
        let mut statement = reader.prepare(sql).unwrap();
        let bytes = |row: &Row<'_>, column| row.get_ref(column).unwrap().as_bytes().unwrap().to_vec();
        let rows = statement.query_map([], |row| Ok((row.get(0)?, bytes(row, 1), bytes(row, 2)))).unwrap();
        let mut rows: Vec<_> = rows.map(Result::unwrap).collect();
        rows.sort();
        rows
    }
}

/// The reply with everything in order that has none of its own.
fn ordered(request: &Request, reply: Frame) -> Frame {
    let sorted = |frame: &Frame| {
        let mut strings = strings(frame);
        strings.sort();
        bulk_strings(strings)
    };
    match (request.0[0].as_slice(), reply) {
        (b"SMEMBERS" | b"KEYS", reply @ Frame::Array(_)) => sorted(&reply),
        (b"SSCAN" | b"SCAN", Frame::Array(parts)) if parts.len() == 2 => {
            Frame::Array(vec![parts[0].clone(), sorted(&parts[1])])
        }
        (_, reply) => reply,
    }
}

fn sets_by_keys(client: &Client) -> Sets {
    let mut sets = Sets::new();
    for database in 0..DATABASES {
        client.ask(&["SELECT", &database.to_string()]);
        let keys = strings(&client.ask(&["KEYS", "*"]));
        assert_eq!(client.ask(&["DBSIZE"]), integer(keys.len()));
        for key in keys {
            let members = client.members(&key);
            assert_eq!(client.ask(&[b"SCARD", key.as_slice()]), integer(members.len()));
            sets.insert((database, key), members.into_iter().collect());
        }
    }
    sets
}

fn sets_by_scanning(client: &Client) -> Sets {
    let mut sets = Sets::new();
    for database in 0..DATABASES {
        client.ask(&["SELECT", &database.to_string()]);
        for key in scan(client, &[b"SCAN"]) {
            let members = scan(client, &[b"SSCAN", &key]);
            sets.insert((database, key), members);
        }
    }
    sets
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
