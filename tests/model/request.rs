//! The requests of a random history.

use std::fmt;
use std::ops::Range;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// Larger than any set or database here: one step of a scan finds all.
const ALL: &str = "COUNT 1000";

/// Between two ends that are far away: much longer than a run takes.
const FAR_STEP_S: i64 = 3_000;

/// A word of a request. Times are filled in when it is sent.
#[derive(Clone)]
pub(crate) enum Word {
    Bytes(Vec<u8>),
    Time(When, Unit),
}

/// When something is to end.
#[derive(Debug, Clone, Copy)]
pub(crate) enum When {
    Past,
    /// So many milliseconds after the request is sent: during the run, perhaps while no daemon runs.
    Soon(i64),
    /// Long after the run. The same number is the same moment in all absolute times; those that are counted from the
    /// server's clock lie in between.
    Far(i64),
}

/// How a request counts time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    UnixMs,
    UnixSeconds,
    Ms,
    Seconds,
}

/// What times are counted from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    pub(crate) start_ms: i64,
    pub(crate) now_ms: i64,
}

impl Clock {
    /// The number that stands for this time.
    fn number(self, when: When, unit: Unit) -> i64 {
        let (start_s, now_s) = (self.start_ms / 1_000, self.now_ms / 1_000);
        match (when, unit) {
            (When::Past, Unit::UnixMs) => self.now_ms - 1,
            (When::Past, Unit::UnixSeconds) => now_s - 1,
            (When::Past, Unit::Ms | Unit::Seconds) => -1,
            (When::Soon(ms), Unit::UnixMs) => self.now_ms + ms,
            (When::Soon(_), Unit::UnixSeconds) => now_s + 1,
            (When::Soon(ms), Unit::Ms | Unit::Seconds) => {
                panic!("where {ms} ms end is not known to the model")
            }
            (When::Far(steps), Unit::UnixMs) => (start_s + steps * FAR_STEP_S) * 1_000,
            (When::Far(steps), Unit::UnixSeconds) => start_s + steps * FAR_STEP_S,
            (When::Far(steps), Unit::Ms) => (steps * FAR_STEP_S + FAR_STEP_S / 2) * 1_000 + 123,
            (When::Far(steps), Unit::Seconds) => steps * FAR_STEP_S + FAR_STEP_S / 2,
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Request(Vec<Word>);

impl Request {
    /// The words as they are sent.
    pub(crate) fn words(&self, clock: Clock) -> Vec<Vec<u8>> {
        let bytes = |word: &Word| match word {
            Word::Bytes(bytes) => bytes.clone(),
            Word::Time(when, unit) => clock.number(*when, *unit).to_string().into_bytes(),
        };
        self.0.iter().map(bytes).collect()
    }

    /// The absolute times in it, in milliseconds.
    pub(crate) fn moments(&self, clock: Clock) -> impl Iterator<Item = i64> {
        self.0.iter().filter_map(move |word| match word {
            Word::Time(when, unit @ Unit::UnixMs) => Some(clock.number(*when, *unit)),
            Word::Time(when, unit @ Unit::UnixSeconds) => Some(clock.number(*when, *unit) * 1_000),
            Word::Time(..) | Word::Bytes(_) => None,
        })
    }
}

impl fmt::Debug for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => write!(f, "\"{}\"", bytes.escape_ascii()),
            Self::Time(when, unit) => write!(f, "<{when:?} {unit:?}>"),
        }
    }
}

/// Some requests that are sent at once.
pub(crate) fn pipeline() -> impl Strategy<Value = Vec<Request>> {
    let transaction = (vec(request(), 0..6), one_of(&["EXEC", "EXEC", "EXEC", "DISCARD"]))
        .prop_map(|(requests, end)| [vec![Request(bytes("MULTI"))], requests, vec![Request(end)]].concat());
    let one = request().prop_map(|request| vec![request]);
    vec(prop_oneof![9 => one, 1 => transaction], 1..16).prop_map(|units| units.concat())
}

fn request() -> impl Strategy<Value = Request> {
    prop_oneof![20 => of_sets(), 18 => of_members_ends(), 14 => of_strings(), 8 => of_keys_ends(), 10 => of_keys()]
        .prop_map(Request)
}

type Part = BoxedStrategy<Vec<Word>>;

fn of_sets() -> Part {
    prop_oneof![
        8 => command([text("SADD"), key(), members(1..5)]),
        5 => command([text("SREM"), key(), members(1..4)]),
        1 => command([text("SISMEMBER"), key(), members(1..2)]),
        1 => command([text("SMISMEMBER"), key(), members(1..4)]),
        1 => command([text("SMEMBERS"), key()]),
        1 => command([text("SCARD"), key()]),
        1 => command([text("SSCAN"), key(), text("0"), text(ALL)]),
        4 => command([text("SMOVE"), key(), key(), members(1..2)]),
        1 => command([one_of(&["SINTER", "SUNION", "SDIFF"]), keys(1..4)]),
        4 => command([one_of(&["SINTERSTORE", "SUNIONSTORE", "SDIFFSTORE"]), keys(2..5)]),
        // Which members a smaller count takes is left to chance.
        1 => command([text("SPOP"), key(), text("100")]),
        // What is refused must not disturb the order of the others.
        1 => command([text("SADD k")]),
    ]
    .boxed()
}

fn of_members_ends() -> Part {
    let conditions = || one_of(&["", "", "NX", "XX", "GT", "LT"]);
    prop_oneof![
        2 => command([text("SADDEX"), key(), conditions(), relative(Unit::Seconds), members(1..4)]),
        2 => command([text("SADDEXAT"), key(), conditions(), absolute(Unit::UnixSeconds), members(1..4)]),
        6 => command([text("PSADDEXAT"), key(), conditions(), absolute(Unit::UnixMs), members(1..4)]),
        1 => command([text("FIELDEXPIRE"), key(), relative(Unit::Seconds), members(1..3)]),
        1 => command([text("EXPIREMEMBER"), key(), members(1..2), relative_or_past(Unit::Seconds)]),
        1 => command([text("EXPIREMEMBER"), key(), members(1..2), relative_or_past(Unit::Ms), text("ms")]),
        1 => command([text("EXPIREMEMBERAT"), key(), members(1..2), absolute(Unit::UnixSeconds)]),
        2 => command([text("PEXPIREMEMBERAT"), key(), members(1..2), absolute(Unit::UnixMs)]),
        2 => command([text("PERSIST"), key(), members(1..2)]),
        1 => command([text("PTTL"), key(), members(1..2)]),
    ]
    .boxed()
}

fn of_strings() -> Part {
    let end = || {
        prop_oneof![
            4 => text(""),
            1 => text("KEEPTTL"),
            1 => command([text("EX"), relative(Unit::Seconds)]),
            1 => command([text("PX"), relative(Unit::Ms)]),
            1 => command([text("EXAT"), absolute(Unit::UnixSeconds)]),
            3 => command([text("PXAT"), absolute(Unit::UnixMs)]),
        ]
        .boxed()
    };
    let end_or_persist = prop_oneof![
        1 => text(""),
        1 => text("PERSIST"),
        1 => command([text("EX"), relative(Unit::Seconds)]),
        2 => command([text("PXAT"), absolute(Unit::UnixMs)]),
    ];
    prop_oneof![
        6 => command([text("SET"), key_of_string(), value(), one_of(&["", "NX", "XX"]), one_of(&["", "", "GET"]), end()]),
        1 => command([text("SETNX"), key_of_string(), value()]),
        1 => command([text("SETEX"), key_of_string(), relative(Unit::Seconds), value()]),
        1 => command([text("PSETEX"), key_of_string(), relative(Unit::Ms), value()]),
        2 => command([text("GET"), key_of_string()]),
        1 => command([text("MGET"), key_of_string(), key()]),
        1 => command([text("STRLEN"), key_of_string()]),
        2 => command([text("APPEND"), key_of_string(), value()]),
        2 => command([text("INCRBY"), key_of_string(), one_of(&["1", "-5", "9223372036854775807"])]),
        2 => command([text("SETRANGE"), key_of_string(), one_of(&["0", "3", "40"]), value()]),
        2 => command([text("GETDEL"), key_of_string()]),
        2 => command([text("GETEX"), key_of_string(), end_or_persist.boxed()]),
        2 => command([one_of(&["MSET", "MSETNX"]), key_of_string(), value(), key_of_string(), value()]),
    ]
    .boxed()
}

fn of_keys_ends() -> Part {
    let conditions = || one_of(&["", "", "NX", "XX", "GT", "LT", "XX GT", "XX LT"]);
    prop_oneof![
        1 => command([text("EXPIRE"), key(), relative_or_past(Unit::Seconds), one_of(&["", "NX", "XX"])]),
        1 => command([text("PEXPIRE"), key(), relative_or_past(Unit::Ms), one_of(&["", "NX", "XX"])]),
        1 => command([text("EXPIREAT"), key(), absolute(Unit::UnixSeconds), conditions()]),
        4 => command([text("PEXPIREAT"), key(), absolute(Unit::UnixMs), conditions()]),
        2 => command([text("PERSIST"), key()]),
        1 => command([one_of(&["PEXPIRETIME", "PTTL"]), key()]),
    ]
    .boxed()
}

fn of_keys() -> Part {
    let database = || one_of(&["0", "1", "15"]);
    let copied_to = prop_oneof![2 => text(""), 1 => command([text("DB"), database()])].boxed();
    prop_oneof![
        2 => command([one_of(&["DEL", "UNLINK"]), keys(1..2)]),
        1 => command([text("EXISTS"), keys(1..4)]),
        1 => command([text("TYPE"), key()]),
        1 => command([text("KEYS"), one_of(&["*", "k*"])]),
        1 => command([text("SCAN 0 MATCH"), one_of(&["*", "k*"]), text(ALL)]),
        1 => text("DBSIZE"),
        1 => one_of(&["FLUSHDB", "FLUSHDB", "FLUSHALL ASYNC"]),
        3 => command([text("SELECT"), one_of(&["0", "0", "0", "1", "15", "16"])]),
        3 => command([one_of(&["RENAME", "RENAME", "RENAMENX"]), key(), key()]),
        3 => command([text("COPY"), key(), key(), copied_to, one_of(&["", "REPLACE"])]),
        3 => command([text("MOVE"), key(), database()]),
        2 => command([text("SWAPDB"), database(), database()]),
    ]
    .boxed()
}

/// Parts, one behind the other.
fn command<const N: usize>(parts: [Part; N]) -> Part {
    Vec::from(parts).prop_map(|parts| parts.concat()).boxed()
}

fn bytes(text: &str) -> Vec<Word> {
    text.split_whitespace().map(|word| Word::Bytes(word.into())).collect()
}

fn text(text: &'static str) -> Part {
    Just(bytes(text)).boxed()
}

fn one_of(texts: &'static [&'static str]) -> Part {
    select(texts).prop_map(bytes).boxed()
}

fn keys(count: Range<usize>) -> Part {
    vec(key(), count).prop_map(|keys| keys.concat()).boxed()
}

const BINARY: &[u8] = b"\xff\x00\r\n";
const LONG: &[u8] = &[b'x'; 300];

/// Few, and two of them often, so that requests meet; beside them an empty one, a binary one and a long one.
fn key() -> Part {
    prop_oneof![5 => text("k"), 4 => text("kk"), 2 => raw(&[b""]), 2 => raw(&[BINARY, LONG])].boxed()
}

/// Others of the same often, so that sets and strings meet, but do not always replace each other.
fn key_of_string() -> Part {
    prop_oneof![1 => one_of(&["k", "kk"]), 1 => raw(&[b""]), 6 => raw(&[BINARY, LONG])].boxed()
}

fn value() -> Part {
    let values: [&[u8]; 7] = [b"", b"5", b"-7", b"05", b"9223372036854775807", b"a\xff\x00", &[b'v'; 2_000]];
    raw(&values)
}

/// Where several are asked for, now and then more than a set holds as a plain list.
fn members(count: Range<usize>) -> Part {
    let many = count.end > 2;
    let few = vec(member(), count).prop_map(|members| members.concat());
    if !many {
        return few.boxed();
    }
    let run = (0..30_u8, 10..30_u8).prop_map(|(first, count)| {
        (first..first + count).map(|number| Word::Bytes(format!("number {number}").into_bytes())).collect()
    });
    prop_oneof![6 => few, 1 => run].boxed()
}

/// Two of them often; beside them texts that are kept in a form of their own.
fn member() -> Part {
    let others: [&[u8]; 12] = [
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
        b"number 20",
        &[b'y'; 3000],
    ];
    prop_oneof![4 => text("a"), 3 => text("b"), 5 => raw(&others)].boxed()
}

/// One of these words, whatever bytes they are.
fn raw(words: &[&[u8]]) -> Part {
    let words: Vec<_> = words.iter().map(|word| vec![Word::Bytes(word.to_vec())]).collect();
    select(words).boxed()
}

fn absolute(unit: Unit) -> Part {
    let soon = select(vec![5, 60, 200, 500]).prop_map(When::Soon);
    let when = prop_oneof![1 => Just(When::Past), 3 => soon, 4 => (1..4_i64).prop_map(When::Far)];
    when.prop_map(move |when| vec![Word::Time(when, unit)]).boxed()
}

/// Counted from the server's clock, which is not known exactly: only what is far away.
fn relative(unit: Unit) -> Part {
    (1..4_i64).prop_map(move |steps| vec![Word::Time(When::Far(steps), unit)]).boxed()
}

fn relative_or_past(unit: Unit) -> Part {
    let past = Just(vec![Word::Time(When::Past, unit)]);
    prop_oneof![1 => past, 3 => relative(unit)].boxed()
}
