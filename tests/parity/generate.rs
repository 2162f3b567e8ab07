//! Draws sequences. The same seed draws the same sequence.

use std::collections::BTreeSet;

use fastrand::Rng;

use crate::grammar::{FAMILIES, Family, Form, GRAMMAR, Part, Row, Times};
use crate::sequence::{CONNECTIONS, Request, Sequence, Step};

const MOST_STEPS: usize = 24;

/// Draws of a request before what can't be compared is given up.
const TRIES: usize = 100;

const LONG_WORD: &[u8] = &[b'x'; 300];
const LONG_TEXT: &[u8] = &[b'y'; 3000];

const KEYS: [&[u8]; 9] = [b"a", b"b", b"c", b"k", b"", b"\xff\x00\r\n", b"{t}:1", b"K", LONG_WORD];

const MEMBERS: [&[u8]; 34] = [
    b"a",
    b"b",
    b"A",
    b"",
    b"0",
    b"1",
    b"2",
    b"-1",
    b"10",
    b"01",
    b"+1",
    b"-0",
    b" 1",
    b"1.0",
    b"32767",
    b"32768",
    b"-2147483649",
    b"9223372036854775807",
    b"9223372036854775808",
    b"-9223372036854775808",
    b"00ff",
    b"00FF",
    b"00f",
    b"deadbeefdeadbeefdeadbeefdeadbeef",
    b"7f3e8a52-0b1c-4d2e-9f60-718293a4b5c6",
    b"7F3E8A52-0B1C-4D2E-9F60-718293A4B5C6",
    b"7f3e8a520b1c4d2e9f60718293a4b5c6",
    b"7f3e8a52-0b1c-4d2e-9f60-718293a4b5c",
    b"nul\x00",
    b"\xff\xfe\x00",
    b"\xc3\xa9",
    b"line\r\nbreak",
    LONG_WORD,
    LONG_TEXT,
];

/// Values that arithmetic may find beside those that can also be members.
const NUMBERS: [&[u8]; 12] = [
    b"0",
    b"5",
    b"10",
    b"-7",
    b"100",
    b"3.5",
    b"-0.1",
    b"1e3",
    b"9223372036854775806",
    b"0.1",
    b"12345678901",
    b"1 ",
];

/// Words that are no numbers, or odd ones.
const ODD_NUMBERS: [&[u8]; 27] = [
    b"-1",
    b"-0",
    b"+1",
    b"01",
    b"1.0",
    b"1e3",
    b" 1",
    b"1 ",
    b"0x10",
    b"",
    b"nan",
    b"inf",
    b"-inf",
    b"a",
    b"\x00",
    b"1\x00",
    b"2147483647",
    b"2147483648",
    b"-2147483649",
    b"4294967296",
    b"9999999999999",
    b"9223372036854775806",
    b"9223372036854775807",
    b"9223372036854775808",
    b"-9223372036854775807",
    b"-9223372036854775808",
    b"18446744073709551616",
];

const FLOATS: [&[u8]; 24] = [
    b"0",
    b"1",
    b"-1",
    b"0.1",
    b"0.5",
    b"-0.25",
    b"3.0",
    b"1e3",
    b"1E-5",
    b".5",
    b"5.",
    b"-.5",
    b"+2",
    b"0x1p3",
    b"1e17",
    b"1e-17",
    b"123456789.123456789",
    b"1e300",
    b"-0",
    b"-0.0",
    b"1e400",
    b"1,5",
    b"1_0",
    b"2.5e",
];

const OPTIONS: [&[u8]; 25] = [
    b"NX",
    b"XX",
    b"GT",
    b"LT",
    b"EX",
    b"PX",
    b"EXAT",
    b"PXAT",
    b"KEEPTTL",
    b"GET",
    b"PERSIST",
    b"DB",
    b"REPLACE",
    b"COUNT",
    b"MATCH",
    b"TYPE",
    b"LIMIT",
    b"SYNC",
    b"ASYNC",
    b"AUTH",
    b"SETNAME",
    b"WITHVALUES",
    b"FOO",
    b"nx ",
    b"N",
];

const PATTERNS: [&[u8]; 26] = [
    b"*", b"?", b"??", b"a*", b"*a", b"*1*", b"[a-c]", b"[^a]", b"[^a-b]*", b"[c-a]", b"[abc", b"[", b"[]",
    b"[^]", b"\\a", b"\\*", b"\\", b"[\\]]", b"**", b"a**b", b"", b"{t}*", b"*\xff*", b"a", b"k?*", b"[a-]",
];

const CURSORS: [&[u8]; 3] = [b"0", b"0", b"1"];

const ODD_CURSORS: [&[u8]; 15] = [
    b"5",
    b"00",
    b"01",
    b"1024",
    b"",
    b"+1",
    b"-1",
    b" 0",
    b"0 ",
    b"a",
    b"1a",
    b"0x1",
    b"4294967296",
    b"18446744073709551615",
    b"18446744073709551616",
];

const TYPES: [&[u8]; 9] =
    [b"set", b"string", b"SET", b"String", b"list", b"hash", b"zset", b"nosuchtype", b""];

const DATABASES: [&[u8]; 4] = [b"0", b"1", b"2", b"15"];

const ODD_DATABASES: [&[u8]; 6] = [b"16", b"99", b"-1", b"01", b"2147483648", b"a"];

/// Seconds and milliseconds from now on: far away.
const SECONDS: [&[u8]; 6] = [b"100", b"200", b"300", b"1000", b"5000", b"100000"];
const MILLISECONDS: [&[u8]; 6] = [b"110000", b"210500", b"310999", b"1010000", b"50000001", b"200000000"];

/// Milliseconds that are waited for.
const BRIEF_MILLISECONDS: [&[u8]; 2] = [b"1", b"2"];

/// Moments in 2100 and later, and some that are over.
const MOMENTS_SECONDS: [&[u8]; 6] =
    [b"4102444800", b"4102444801", b"4200000000", b"5000000000", b"9999999999", b"33177117420"];
const MOMENTS_MILLISECONDS: [&[u8]; 7] = [
    b"4102444800000",
    b"4102444800001",
    b"4102444800499",
    b"4102444800500",
    b"4102444800999",
    b"5000000000000",
    b"9999999999999",
];

/// Times that are over, or that no clock will show.
const ODD_TIMES: [&[u8]; 10] = [
    b"0",
    b"-1",
    b"-100",
    b"-9223372036854775",
    b"9223372036854775",
    b"9223372036854776",
    b"-9223372036854776",
    b"9223372036854775807",
    b"9000000000000000000",
    b"-9000000000000000000",
];
const PAST_MOMENTS: [&[u8]; 4] = [b"1", b"1000", b"1000000000", b"0"];

const VERSIONS: [&[u8]; 9] = [b"2", b"3", b"3", b"1", b"4", b"03", b"a", b"", b"9223372036854775808"];

const TEXTS: [&[u8]; 7] = [b"default", b"x", b"", b"two words", b"line\nbreak", b"\xff", b"0"];

/// Draws the sequence of this seed, of commands that `has` says yes to.
pub(crate) fn sequence(seed: u64, has: &impl Fn(&str) -> bool) -> Sequence {
    Generator::new(Rng::with_seed(seed), has).sequence()
}

/// What one sequence is drawn from: few keys and members, so that commands meet, and a taste for some families.
struct Generator {
    rng: Rng,
    rows: Vec<(&'static Row, usize)>,
    keys: Vec<&'static [u8]>,
    members: Vec<&'static [u8]>,
    has_two_connections: bool,
    sequence: Sequence,
}

impl Generator {
    fn new(mut rng: Rng, has: &impl Fn(&str) -> bool) -> Self {
        let is_there = |row: &&Row| is_all_there(row, has);
        let tastes: Vec<_> = FAMILIES.iter().map(|family| (*family, taste(*family, &mut rng))).collect();
        let weight = |row: &Row| row.weight * tastes.iter().find(|taste| taste.0 == row.family).unwrap().1;
        let rows = GRAMMAR.iter().filter(is_there).map(|row| (row, weight(row))).collect();
        let (keys, members) = (2 + rng.usize(..3), 2 + rng.usize(..6));
        let (protocol, is_pipelined) = (if rng.bool() { 3 } else { 2 }, rng.bool());
        Self {
            rows,
            keys: rng.choose_multiple(KEYS, keys),
            members: rng.choose_multiple(MEMBERS, members),
            has_two_connections: rng.usize(..4) == 0,
            sequence: Sequence { protocol, is_pipelined, steps: Vec::new() },
            rng,
        }
    }

    fn sequence(mut self) -> Sequence {
        let length = 1 + self.rng.usize(..MOST_STEPS);
        while self.sequence.steps.len() < length {
            if self.likes_transactions() && self.rng.usize(..6) == 0 {
                self.transaction();
            } else {
                let connection = self.connection();
                self.push(connection);
            }
        }
        self.sequence
    }

    fn likes_transactions(&self) -> bool {
        self.rows.iter().any(|(row, weight)| row.family == Family::Transactions && *weight > 0)
    }

    fn connection(&mut self) -> usize {
        if self.has_two_connections { self.rng.usize(..CONNECTIONS) } else { 0 }
    }

    /// A whole transaction, perhaps with changes by the other connection in between.
    fn transaction(&mut self) {
        let connection = self.connection();
        if self.rng.bool() {
            self.push_form(connection, "WATCH key+");
            self.push_interference(connection);
        }
        self.push_form(connection, "MULTI");
        for _ in 0..self.rng.usize(..5) {
            self.push(connection);
        }
        self.push_interference(connection);
        let end = if self.rng.usize(..8) == 0 { "DISCARD" } else { "EXEC" };
        self.push_form(connection, end);
    }

    fn push_interference(&mut self, connection: usize) {
        if self.has_two_connections {
            for _ in 0..self.rng.usize(..3) {
                self.push(CONNECTIONS - 1 - connection);
            }
        }
    }

    /// Draws requests until one can be compared.
    fn push(&mut self, connection: usize) {
        for _ in 0..TRIES {
            let request = self.request();
            if self.push_if_sound(connection, request) {
                return;
            }
        }
    }

    fn push_form(&mut self, connection: usize, form: &'static str) {
        let request = Request(self.form(&Form::parse(form)));
        self.push_if_sound(connection, request);
    }

    fn push_if_sound(&mut self, connection: usize, request: Request) -> bool {
        self.sequence.steps.push(Step { connection, request });
        let is_sound = self.sequence.is_sound();
        if !is_sound {
            self.sequence.steps.pop();
        }
        is_sound
    }

    fn request(&mut self) -> Request {
        let sum: usize = self.rows.iter().map(|(_, weight)| weight).sum();
        let mut at = self.rng.usize(..sum);
        let is_it = |&&(_, weight): &&(&Row, usize)| {
            let is_it = at < weight;
            at = at.wrapping_sub(weight);
            is_it
        };
        let row = self.rows.iter().find(is_it).unwrap().0;
        let mut words = self.form(&Form::parse(row.form));
        if self.rng.usize(..8) == 0 {
            self.spoil(&mut words);
        }
        Request(words)
    }

    fn form(&mut self, form: &Form) -> Vec<Vec<u8>> {
        let mut words = Vec::new();
        for (part, times) in &form.0 {
            for _ in 0..self.times(*times) {
                match part {
                    Part::Literal(word) => words.push(self.cased(word)),
                    Part::Slot(kind) => words.extend(self.slot(kind)),
                    Part::OneOf(forms) => {
                        let form = self.rng.choice(forms).unwrap();
                        words.extend(self.form(form));
                    }
                }
            }
        }
        words
    }

    fn times(&mut self, times: Times) -> usize {
        match times {
            Times::Once => 1,
            Times::AtMostOnce => self.rng.usize(..2),
            Times::Any => self.rng.usize(..4),
            Times::AtLeastOnce => {
                let most = if self.rng.usize(..20) == 0 { 20 } else { 3 };
                self.rng.usize(1..=most)
            }
        }
    }

    /// The word as it is, or in mixed case.
    fn cased(&mut self, word: &str) -> Vec<u8> {
        let is_mixed = self.rng.usize(..8) == 0;
        let cased = |byte: u8| {
            if is_mixed && self.rng.bool() { byte.to_ascii_lowercase() } else { byte }
        };
        word.bytes().map(cased).collect()
    }

    fn slot(&mut self, kind: &str) -> Vec<Vec<u8>> {
        let word = match kind {
            "counted-keys" => return self.counted_keys(),
            "many" => return self.many(),
            "request" => return self.request().0,
            "key" => self.pick_own(|own| &own.keys, &KEYS),
            "member" => self.pick_own(|own| &own.members, &MEMBERS),
            "value" => self.value(),
            "integer" => self.small_or(&ODD_NUMBERS, 7),
            "count" => self.small_or(&ODD_NUMBERS, 5),
            "index" => self.small_or(&ODD_NUMBERS, 12),
            "offset" => self.offset(),
            "float" => self.pick(&FLOATS, &ODD_NUMBERS),
            "seconds" => self.pick(&SECONDS, &ODD_TIMES),
            "milliseconds" if self.rng.usize(..8) == 0 => self.pick(&BRIEF_MILLISECONDS, &ODD_TIMES),
            "milliseconds" => self.pick(&MILLISECONDS, &ODD_TIMES),
            "second" | "millisecond" if self.rng.usize(..6) == 0 => self.pick(&PAST_MOMENTS, &ODD_TIMES),
            "second" => self.pick(&MOMENTS_SECONDS, &ODD_TIMES),
            "millisecond" => self.pick(&MOMENTS_MILLISECONDS, &ODD_TIMES),
            "pattern" => self.pick(&PATTERNS, &KEYS),
            "cursor" => self.pick(&CURSORS, &ODD_CURSORS),
            "type" => self.pick(&TYPES, &OPTIONS),
            "database" => self.pick(&DATABASES, &ODD_DATABASES),
            "version" => self.pick(&VERSIONS, &ODD_NUMBERS),
            "text" => self.pick(&TEXTS, &MEMBERS),
            other => panic!("no kind of word: {other}"),
        };
        vec![word]
    }

    /// Mostly one of the first, sometimes one of the second.
    fn pick(&mut self, usual: &[&[u8]], odd: &[&[u8]]) -> Vec<u8> {
        let words = if self.rng.usize(..8) == 0 { odd } else { usual };
        self.rng.choice(words).unwrap().to_vec()
    }

    fn pick_own(&mut self, own: impl Fn(&Self) -> &[&'static [u8]], odd: &[&[u8]]) -> Vec<u8> {
        let words = if self.rng.usize(..25) == 0 { odd.to_vec() } else { own(self).to_vec() };
        self.rng.choice(words).unwrap().to_vec()
    }

    fn value(&mut self) -> Vec<u8> {
        if self.rng.bool() {
            self.pick_own(|own| &own.members, &MEMBERS)
        } else {
            self.pick(&NUMBERS, &ODD_NUMBERS)
        }
    }

    fn small_or(&mut self, odd: &[&[u8]], most: i64) -> Vec<u8> {
        let small = self.rng.i64(-most..=most).to_string();
        self.pick(&[small.as_bytes()], odd)
    }

    /// Around the ends of short strings and of the longest there may be, of which only what is refused is asked.
    fn offset(&mut self) -> Vec<u8> {
        match self.rng.usize(..6) {
            0 => self.pick(&[b"536870911", b"536870912", b"536870913", b"4294967296"], &ODD_NUMBERS),
            1 => self.rng.i64(250..350).to_string().into(),
            _ => self.small_or(&ODD_NUMBERS, 12),
        }
    }

    /// Keys behind their number, which may be another.
    fn counted_keys(&mut self) -> Vec<Vec<u8>> {
        let keys = self.rng.usize(..4);
        let count = keys.to_string();
        let count = self.pick(&[count.as_bytes()], &ODD_NUMBERS);
        let keys: Vec<_> = (0..keys).map(|_| self.pick_own(|own| &own.keys, &KEYS)).collect();
        [vec![count], keys].concat()
    }

    /// So many words that what is kept small becomes large, and the other way round.
    fn many(&mut self) -> Vec<Vec<u8>> {
        let start = self.rng.usize(..3) * 100;
        let words = start..start + self.rng.usize(100..400);
        let prefix = if self.rng.bool() { "" } else { "m" };
        words.map(|number| format!("{prefix}{number}").into_bytes()).collect()
    }

    /// Makes the arguments wrong, perhaps.
    fn spoil(&mut self, words: &mut Vec<Vec<u8>>) {
        let at = 1 + self.rng.usize(..words.len());
        let other = 1 + self.rng.usize(..words.len());
        match self.rng.usize(..7) {
            0 if at < words.len() => drop(words.remove(at)),
            1 => words.truncate(at),
            2 if at < words.len() => words.insert(at, words[at].clone()),
            3 if at < words.len() && other < words.len() => words.swap(at, other),
            4 if at < words.len() => words[at] = self.any_word(),
            5 => words.insert(at, self.option()),
            _ => words.push(self.any_word()),
        }
    }

    fn option(&mut self) -> Vec<u8> {
        let option = self.rng.choice(OPTIONS).unwrap();
        match std::str::from_utf8(option) {
            Ok(option) => self.cased(option),
            Err(_) => option.to_vec(),
        }
    }

    fn any_word(&mut self) -> Vec<u8> {
        let pools: [&[&[u8]]; 7] =
            [&OPTIONS, &ODD_NUMBERS, &MEMBERS, &KEYS, &ODD_TIMES, &SECONDS, &MOMENTS_SECONDS];
        let pool = self.rng.choice(pools).unwrap();
        self.rng.choice(pool).unwrap().to_vec()
    }
}

/// How much one sequence is about one family.
fn taste(family: Family, rng: &mut Rng) -> usize {
    match family {
        // What there is to compare at all.
        Family::Sets | Family::Keys => 1 + rng.usize(..4),
        // These disturb whatever else goes on.
        Family::Connection | Family::Databases => rng.usize(..8).saturating_sub(4),
        _ => rng.usize(..6).saturating_sub(1),
    }
}

/// Whether all commands are there that a row may be about.
fn is_all_there(row: &Row, has: &impl Fn(&str) -> bool) -> bool {
    let names: BTreeSet<_> = Form::parse(row.form).first_words().into_iter().map(str::to_lowercase).collect();
    names.iter().all(|name| name == "nosuch" || has(name))
}

mod tests {
    use std::collections::BTreeSet;

    use super::sequence;
    use crate::grammar::names;
    use crate::sequence::Request;

    const SEEDS: std::ops::Range<u64> = 0..2000;

    fn requests() -> impl Iterator<Item = Request> {
        SEEDS.flat_map(|seed| sequence(seed, &|_| true).steps).map(|step| step.request)
    }

    #[test]
    fn a_seed_draws_the_same_again() {
        for seed in [0, 1, u64::MAX] {
            assert_eq!(sequence(seed, &|_| true), sequence(seed, &|_| true));
        }
        assert_ne!(sequence(1, &|_| true), sequence(2, &|_| true));
    }

    #[test]
    fn every_command_is_drawn() {
        let drawn: BTreeSet<_> = requests().map(|request| request.name()).collect();
        for name in names() {
            assert!(drawn.contains(&name), "{name}");
        }
    }

    #[test]
    fn what_is_drawn_can_be_compared() {
        assert!(SEEDS.map(|seed| sequence(seed, &|_| true)).all(|sequence| sequence.is_sound()));
    }

    #[test]
    fn commands_that_are_not_there_are_not_drawn() {
        let has = |name: &str| name == "sadd" || name == "smembers";
        let sequences = SEEDS.map(|seed| sequence(seed, &has));
        let drawn: BTreeSet<_> =
            sequences.flat_map(|sequence| sequence.steps).map(|step| step.request.name()).collect();
        assert_eq!(drawn.into_iter().collect::<Vec<_>>(), ["nosuch", "sadd", "smembers"]);
    }

    #[test]
    fn both_protocols_both_connections_mixed_case_and_repeated_keys_come_up() {
        let sequences: Vec<_> = SEEDS.map(|seed| sequence(seed, &|_| true)).collect();
        assert!(sequences.iter().any(|sequence| sequence.protocol == 2));
        assert!(sequences.iter().any(|sequence| sequence.protocol == 3));
        assert!(sequences.iter().flat_map(|sequence| &sequence.steps).any(|step| step.connection == 1));
        assert!(requests().any(|request| request.0[0].iter().any(u8::is_ascii_lowercase)));
        assert!(requests().any(|request| request.name() == "smove" && request.0[1] == request.0[2]));
        assert!(requests().any(|request| request.pause().is_some()));
    }
}
