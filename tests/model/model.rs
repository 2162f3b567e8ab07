//! What the daemon should hold and answer, plain enough to be right.

use std::collections::{BTreeMap, BTreeSet};

use crate::CONNECTIONS;
use crate::support::process::{Frame, integer, simple, strings};

/// How many databases the daemon has.
pub(crate) const DATABASES: u8 = 16;

/// A database and a key.
pub(crate) type Place = (u8, Vec<u8>);
pub(crate) type Keys = BTreeMap<Place, Key>;
type Set = BTreeMap<Vec<u8>, End>;

/// All that there is at a moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Model {
    pub(crate) now_ms: i64,
    /// None has ended, and no set is empty.
    pub(crate) keys: Keys,
    sessions: [Session; CONNECTIONS],
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) end: End,
    pub(crate) value: Value,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    String(Vec<u8>),
    Set(Set),
}

/// What a connection has said.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Session {
    database: u8,
    queued: Option<Vec<Vec<Vec<u8>>>>,
    is_void: bool,
}

/// When a request was handled: not earlier than this, and not later.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    pub(crate) sent_ms: i64,
    pub(crate) received_ms: i64,
}

/// When something ends. Where it was counted from the server's clock, only bounds are known; they are far away then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct End {
    earliest_ms: i64,
    latest_ms: i64,
}

impl End {
    pub(crate) const NEVER: Self = Self::at(i64::MAX);

    pub(crate) const fn at(ms: i64) -> Self {
        Self { earliest_ms: ms, latest_ms: ms }
    }

    pub(crate) const fn after(window: Window, ms: i64) -> Self {
        Self { earliest_ms: window.sent_ms + ms, latest_ms: window.received_ms + ms }
    }

    fn is_due(self, now_ms: i64) -> bool {
        self.latest_ms <= now_ms
    }

    pub(crate) fn or_earlier(self, other: Self) -> Self {
        Self {
            earliest_ms: self.earliest_ms.min(other.earliest_ms),
            latest_ms: self.latest_ms.min(other.latest_ms),
        }
    }

    fn or_later(self, other: Self) -> Self {
        Self {
            earliest_ms: self.earliest_ms.max(other.earliest_ms),
            latest_ms: self.latest_ms.max(other.latest_ms),
        }
    }

    /// Whether both may be the same.
    fn fits(self, other: Self) -> bool {
        self.earliest_ms <= other.latest_ms && other.earliest_ms <= self.latest_ms
    }
}

/// A reply, as far as the model can tell.
#[derive(Debug, Clone)]
pub(crate) enum Expected {
    Frame(Frame),
    /// An array in any order.
    Unordered(BTreeSet<Vec<u8>>),
    /// An integer.
    Between(i64, i64),
    Array(Vec<Self>),
}

use Expected::{Array, Between, Unordered};

impl Expected {
    pub(crate) fn fits(&self, reply: &Frame) -> bool {
        match (self, reply) {
            (Self::Frame(frame), reply) => frame == reply,
            (Unordered(expected), reply @ Frame::Array(_)) => {
                let mut found = strings(reply);
                found.sort();
                found.iter().eq(expected)
            }
            (Between(least, most), Frame::Integer(number)) => (least..=most).contains(&number),
            (Array(expected), Frame::Array(found)) => {
                expected.len() == found.len() && expected.iter().zip(found).all(|(e, f)| e.fits(f))
            }
            _ => false,
        }
    }
}

/// Whether both may be the same.
pub(crate) fn fit(some: &Keys, others: &Keys) -> bool {
    let fits = |((place, key), (other_place, other)): ((&Place, &Key), (&Place, &Key))| {
        place == other_place && key.fits(other)
    };
    some.len() == others.len() && some.iter().zip(others).all(fits)
}

impl Key {
    fn fits(&self, other: &Self) -> bool {
        let is_same_value = match (&self.value, &other.value) {
            (Value::String(string), Value::String(other)) => string == other,
            (Value::Set(set), Value::Set(other)) => {
                let fits = |((member, end), (other_member, other)): ((_, &End), (_, &End))| {
                    member == other_member && end.fits(*other)
                };
                set.len() == other.len() && set.iter().zip(other).all(fits)
            }
            _ => false,
        };
        is_same_value && self.end.fits(other.end)
    }
}

/// A reply, or an error that stands for the whole command.
type Answer = Result<Expected, Expected>;

impl Model {
    /// The same at another time.
    pub(crate) fn at(mut self, now_ms: i64) -> Self {
        self.now_ms = now_ms;
        self.keys.retain(|_, key| {
            if let Value::Set(set) = &mut key.value {
                set.retain(|_, end| !end.is_due(now_ms));
            }
            !key.end.is_due(now_ms) && !matches!(&key.value, Value::Set(set) if set.is_empty())
        });
        self
    }

    /// The same where everybody has just connected.
    pub(crate) fn restarted(self) -> Self {
        Self { sessions: Default::default(), ..self }
    }

    pub(crate) fn answer(&mut self, connection: usize, words: &[Vec<u8>], window: Window) -> Expected {
        let session = &mut self.sessions[connection];
        let is_wrong = words.len() == 2 && words[0] == b"SADD";
        match (words[0].as_slice(), &mut session.queued) {
            (b"MULTI", queued) => {
                *queued = Some(Vec::new());
                ok()
            }
            (b"DISCARD", _) => {
                *session = Session { database: session.database, ..Session::default() };
                ok()
            }
            (b"EXEC", queued) => {
                let queued = queued.take().unwrap();
                if std::mem::take(&mut session.is_void) {
                    return error("EXECABORT Transaction discarded because of previous errors.");
                }
                Array(queued.iter().map(|words| self.run(connection, words, window)).collect())
            }
            (_, queued) if is_wrong => {
                session.is_void = queued.is_some();
                error("ERR wrong number of arguments for 'sadd' command")
            }
            (_, Some(queued)) => {
                queued.push(words.to_vec());
                Expected::Frame(simple("QUEUED"))
            }
            (_, None) => self.run(connection, words, window),
        }
    }

    fn run(&mut self, connection: usize, words: &[Vec<u8>], window: Window) -> Expected {
        let database = self.sessions[connection].database;
        let (name, rest) = words.split_first().unwrap();
        if name == b"SELECT" {
            let number = number(&rest[0]) as u8;
            if number >= DATABASES {
                return error("ERR DB index is out of range");
            }
            self.sessions[connection].database = number;
            return ok();
        }
        let request = Parsed { name: std::str::from_utf8(name).unwrap(), rest, database, window };
        let answers =
            [Self::of_sets, Self::of_members_ends, Self::of_strings, Self::of_keys_ends, Self::of_keys];
        let answer = answers.iter().find_map(|answer| answer(self, &request));
        answer
            .unwrap_or_else(|| panic!("the model does not know {}", request.name))
            .unwrap_or_else(|error| error)
    }

    fn of_sets(&mut self, request: &Parsed<'_>) -> Option<Answer> {
        let place = request.place(0);
        let members = request.rest.get(1..).unwrap_or_default();
        Some(match request.name {
            "SADD" => self.put(&place, members, |_| Some(End::NEVER)).map(count),
            "SREM" => self.set(&place).map(|mut set| {
                let removed = members.iter().filter(|member| set.remove(*member).is_some()).count();
                self.keep_set(place, set);
                count(removed)
            }),
            "SISMEMBER" => self.set(&place).map(|set| count(set.contains_key(&members[0]).into())),
            "SMISMEMBER" => self.set(&place).map(|set| {
                Array(members.iter().map(|member| count(set.contains_key(member).into())).collect())
            }),
            "SMEMBERS" => self.set(&place).map(names),
            "SCARD" => self.set(&place).map(|set| count(set.len())),
            "SSCAN" => self.set(&place).map(|set| scanned(names(set))),
            "SPOP" => self.set(&place).map(|set| {
                self.keys.remove(&place);
                names(set)
            }),
            "SMOVE" => self.move_member(place, &request.place(1), &request.rest[2]),
            "SINTER" | "SUNION" | "SDIFF" => self.combine(request.name, &request.places(0)).map(names),
            "SINTERSTORE" | "SUNIONSTORE" | "SDIFFSTORE" => {
                self.combine(request.name.trim_end_matches("STORE"), &request.places(1)).map(|set| {
                    let found = set.len();
                    self.keys.remove(&place);
                    self.keep_set(place, set);
                    count(found)
                })
            }
            _ => return None,
        })
    }

    fn of_members_ends(&mut self, request: &Parsed<'_>) -> Option<Answer> {
        let Parsed { name, rest, window, .. } = *request;
        let place = request.place(0);
        Some(match (name, rest.len()) {
            ("SADDEX" | "SADDEXAT" | "PSADDEXAT", _) => {
                let condition = rest[1].as_slice();
                let is_condition = [b"NX", b"XX", b"GT", b"LT"].iter().any(|word| condition == *word);
                let time = 1 + usize::from(is_condition);
                let end = request.end(time, if name == "PSADDEXAT" { 1 } else { 1_000 }, name != "SADDEX");
                let decide = |before: Option<End>| match (condition, before) {
                    (b"NX", Some(_)) | (b"XX", None) => None,
                    (b"GT", Some(before)) => Some(end.or_later(before)),
                    (b"LT", Some(before)) => Some(end.or_earlier(before)),
                    _ => Some(end),
                };
                self.put(&place, &rest[time + 1..], decide).map(count)
            }
            ("FIELDEXPIRE", _) => self.set(&place).and_then(|set| {
                let outcome = |member| number_frame(if set.contains_key(member) { 1 } else { -2 });
                let outcomes = rest[2..].iter().map(outcome).collect();
                let end = request.end(1, 1_000, false);
                self.put(&place, &rest[2..], |before| before.map(|_| end)).map(|_| Array(outcomes))
            }),
            ("EXPIREMEMBER" | "EXPIREMEMBERAT" | "PEXPIREMEMBERAT", _) => {
                let is_in_ms = name == "PEXPIREMEMBERAT" || rest.len() == 4;
                let end = request.end(2, if is_in_ms { 1 } else { 1_000 }, name != "EXPIREMEMBER");
                self.set(&place).and_then(|set| {
                    let was_there = count(set.contains_key(&rest[1]).into());
                    self.put(&place, &rest[1..2], |before| before.map(|_| end)).map(|_| was_there)
                })
            }
            ("PERSIST", 2) => self.set(&place).and_then(|set| {
                let was_changed = set.get(&rest[1]).is_some_and(|end| *end != End::NEVER);
                self.put(&place, &rest[1..], |before| before.map(|_| End::NEVER))
                    .map(|_| count(was_changed.into()))
            }),
            ("PTTL", 2) => self.set(&place).map(|set| left(set.get(&rest[1]).copied(), window)),
            _ => return None,
        })
    }

    fn of_strings(&mut self, request: &Parsed<'_>) -> Option<Answer> {
        let Parsed { name, rest, .. } = *request;
        let place = request.place(0);
        let value = |at: usize| rest[at].clone();
        Some(match name {
            "SET" => self.set_string(&place, request),
            "SETNX" => {
                let is_new = !self.keys.contains_key(&place);
                if is_new {
                    self.hold(place, value(1), End::NEVER);
                }
                Ok(count(is_new.into()))
            }
            "SETEX" | "PSETEX" => {
                self.hold(place, value(2), request.end(1, if name == "SETEX" { 1_000 } else { 1 }, false));
                Ok(ok())
            }
            "GET" => self.string(&place).map(bulk_or_null),
            "MGET" => {
                let string = |place| self.string(&place).ok().flatten();
                Ok(Array(request.places(0).into_iter().map(|place| bulk_or_null(string(place))).collect()))
            }
            "STRLEN" => self.string(&place).map(|string| count(string.map_or(0, |string| string.len()))),
            "APPEND" => self.change_string(&place, |string| {
                string.extend(&rest[1]);
                Ok(count(string.len()))
            }),
            "SETRANGE" if rest[2].is_empty() => {
                self.string(&place).map(|string| count(string.map_or(0, |string| string.len())))
            }
            "SETRANGE" => self.change_string(&place, |string| {
                let (start, end) = (number(&rest[1]) as usize, number(&rest[1]) as usize + rest[2].len());
                string.resize(string.len().max(end), 0);
                string[start..end].copy_from_slice(&rest[2]);
                Ok(count(string.len()))
            }),
            "INCRBY" => {
                let is_new = !self.keys.contains_key(&place);
                self.change_string(&place, |string| {
                    let before = if is_new { Some(0) } else { canonical_number(string) };
                    let before =
                        before.ok_or_else(|| error("ERR value is not an integer or out of range"))?;
                    let after = before.checked_add(number(&rest[1]));
                    let after = after.ok_or_else(|| error("ERR increment or decrement would overflow"))?;
                    *string = after.to_string().into_bytes();
                    Ok(number_frame(after))
                })
            }
            "GETDEL" => self.string(&place).map(|string| {
                self.keys.remove(&place);
                bulk_or_null(string)
            }),
            "GETEX" => self.string(&place).map(|string| {
                let end = match rest.get(1).map(Vec::as_slice) {
                    None => None,
                    Some(b"PERSIST") => Some(End::NEVER),
                    Some(_) => Some(request.option_end(1)),
                };
                if let (Some(key), Some(end)) = (self.keys.get_mut(&place), end) {
                    key.end = end;
                }
                self.forget_what_ended();
                bulk_or_null(string)
            }),
            "MSET" | "MSETNX" => {
                let places = [place, request.place(2)];
                let is_any_there = places.iter().any(|place| self.keys.contains_key(place));
                if name == "MSET" || !is_any_there {
                    for (at, place) in places.into_iter().enumerate() {
                        self.hold(place, value(2 * at + 1), End::NEVER);
                    }
                }
                Ok(if name == "MSET" { ok() } else { count((!is_any_there).into()) })
            }
            _ => return None,
        })
    }

    fn set_string(&mut self, place: &Place, request: &Parsed<'_>) -> Answer {
        let options = &request.rest[2..];
        let has = |option: &str| options.iter().any(|word| word == option.as_bytes());
        let before = if has("GET") { Some(bulk_or_null(self.string(place)?)) } else { None };
        let is_there = self.keys.contains_key(place);
        let is_refused = if is_there { has("NX") } else { has("XX") };
        let is_set = !is_refused;
        if is_set {
            let units: [&[u8]; 4] = [b"EX", b"PX", b"EXAT", b"PXAT"];
            let end = options.iter().position(|word| units.contains(&word.as_slice()));
            let kept = self.keys.get(place).map(|key| key.end).filter(|_| has("KEEPTTL"));
            let end = end.map(|at| request.option_end(2 + at)).or(kept);
            self.hold(place.clone(), request.rest[1].clone(), end.unwrap_or(End::NEVER));
        }
        Ok(before.unwrap_or_else(|| if is_set { ok() } else { Expected::Frame(Frame::Null) }))
    }

    fn of_keys_ends(&mut self, request: &Parsed<'_>) -> Option<Answer> {
        let Parsed { name, rest, window, .. } = *request;
        let place = request.place(0);
        let before = self.keys.get(&place).map(|key| key.end);
        Some(Ok(match (name, rest.len()) {
            ("EXPIRE" | "PEXPIRE" | "EXPIREAT" | "PEXPIREAT", _) => {
                let unit_ms = if name.starts_with('P') { 1 } else { 1_000 };
                let end = request.end(1, unit_ms, name.ends_with("AT"));
                let has = |option: &str| rest[2..].iter().any(|word| word == option.as_bytes());
                let may = before.is_some_and(|before| {
                    (!has("NX") || before == End::NEVER)
                        && (!has("XX") || before != End::NEVER)
                        && (!has("GT") || end.earliest_ms > before.latest_ms)
                        && (!has("LT") || end.latest_ms < before.earliest_ms)
                });
                if may && let Some(key) = self.keys.get_mut(&place) {
                    key.end = end;
                    self.forget_what_ended();
                }
                count(may.into())
            }
            ("PERSIST", 1) => {
                let may = before.is_some_and(|before| before != End::NEVER);
                if may && let Some(key) = self.keys.get_mut(&place) {
                    key.end = End::NEVER;
                }
                count(may.into())
            }
            ("PEXPIRETIME", 1) => match before {
                Some(End::NEVER) => number_frame(-1),
                Some(end) => Between(end.earliest_ms, end.latest_ms),
                None => number_frame(-2),
            },
            ("PTTL", 1) => left(before, window),
            _ => return None,
        }))
    }

    fn of_keys(&mut self, request: &Parsed<'_>) -> Option<Answer> {
        let Parsed { name, rest, database, .. } = *request;
        let same_object = || Err(error("ERR source and destination objects are the same"));
        Some(match name {
            "DEL" | "UNLINK" => {
                let mut remove = |place: &Place| self.keys.remove(place).is_some();
                Ok(count(request.places(0).iter().filter(|place| remove(place)).count()))
            }
            "EXISTS" => {
                Ok(count(request.places(0).iter().filter(|place| self.keys.contains_key(place)).count()))
            }
            "TYPE" => Ok(Expected::Frame(simple(match self.keys.get(&request.place(0)) {
                None => "none",
                Some(Key { value: Value::Set(_), .. }) => "set",
                Some(Key { value: Value::String(_), .. }) => "string",
            }))),
            "KEYS" => Ok(Unordered(self.matching(database, &rest[0]))),
            "SCAN" => Ok(scanned(Unordered(self.matching(database, &rest[2])))),
            "DBSIZE" => Ok(count(self.matching(database, b"*").len())),
            "FLUSHDB" => {
                self.keys.retain(|(of, _), _| *of != database);
                Ok(ok())
            }
            "FLUSHALL" => {
                self.keys.clear();
                Ok(ok())
            }
            "RENAME" | "RENAMENX" => self.rename(name, &request.place(0), request.place(1)),
            "COPY" => {
                let to = rest.iter().position(|word| word == b"DB").map(|at| number(&rest[at + 1]) as u8);
                let destination = (to.unwrap_or(database), rest[1].clone());
                let may_replace = rest.last().is_some_and(|word| word == b"REPLACE");
                if destination == request.place(0) {
                    return Some(same_object());
                }
                let copied = self.keys.get(&request.place(0)).cloned();
                let copied = copied.filter(|_| may_replace || !self.keys.contains_key(&destination));
                let is_copied = copied.is_some();
                self.keys.extend(copied.map(|key| (destination, key)));
                Ok(count(is_copied.into()))
            }
            "MOVE" => {
                let destination = (number(&rest[1]) as u8, rest[0].clone());
                if destination.0 == database {
                    return Some(same_object());
                }
                let may = !self.keys.contains_key(&destination);
                let moved = if may { self.keys.remove(&request.place(0)) } else { None };
                let is_moved = moved.is_some();
                self.keys.extend(moved.map(|key| (destination, key)));
                Ok(count(is_moved.into()))
            }
            "SWAPDB" => {
                let (first, second) = (number(&rest[0]) as u8, number(&rest[1]) as u8);
                let swapped = |of| match of {
                    of if of == first => second,
                    of if of == second => first,
                    of => of,
                };
                let keys = std::mem::take(&mut self.keys);
                self.keys = keys.into_iter().map(|((of, key), held)| ((swapped(of), key), held)).collect();
                Ok(ok())
            }
            _ => return None,
        })
    }

    fn rename(&mut self, name: &str, from: &Place, to: Place) -> Answer {
        if !self.keys.contains_key(from) {
            return Err(error("ERR no such key"));
        }
        let is_refused = name == "RENAMENX" && self.keys.contains_key(&to);
        if !is_refused {
            let moved = self.keys.remove(from);
            self.keys.extend(moved.map(|key| (to, key)));
        }
        Ok(if name == "RENAME" { ok() } else { count((!is_refused).into()) })
    }

    fn move_member(&mut self, source: Place, destination: &Place, member: &Vec<u8>) -> Answer {
        let mut from = self.set(&source)?;
        if from.is_empty() {
            return Ok(count(0));
        }
        self.set(destination)?;
        let Some(end) = from.remove(member) else { return Ok(count(0)) };
        if source != *destination {
            self.keep_set(source, from);
            let member = std::slice::from_ref(member);
            self.put(destination, member, |before| Some(before.map_or(end, |before| before.or_later(end))))?;
        }
        Ok(count(1))
    }

    /// An end in an intersection is the earliest, one in a union the latest, one in a difference the first set's.
    fn combine(&self, name: &str, places: &[Place]) -> Result<Set, Expected> {
        let sets = places.iter().map(|place| self.set(place)).collect::<Result<Vec<_>, _>>()?;
        let (first, others) = sets.split_first().unwrap();
        let mut combined = first.clone();
        for other in others {
            match name {
                "SUNION" => {
                    for (member, end) in other {
                        let before = combined.entry(member.clone()).or_insert(*end);
                        *before = before.or_later(*end);
                    }
                }
                "SINTER" => combined.retain(|member, end| {
                    let also = other.get(member);
                    also.inspect(|also| *end = end.or_earlier(**also)).is_some()
                }),
                _ => combined.retain(|member, _| !other.contains_key(member)),
            }
        }
        Ok(combined)
    }

    /// Has those members end then that are to, told when they end so far. Returns how many are new.
    fn put(
        &mut self,
        place: &Place,
        members: &[Vec<u8>],
        decide: impl Fn(Option<End>) -> Option<End>,
    ) -> Result<usize, Expected> {
        let mut set = self.set(place)?;
        let mut added = 0;
        for member in members {
            let before = set.get(member).copied();
            match decide(before) {
                None => {}
                Some(end) if end.is_due(self.now_ms) => _ = set.remove(member),
                Some(end) => {
                    set.insert(member.clone(), end);
                    added += usize::from(before.is_none());
                }
            }
        }
        self.keep_set(place.clone(), set);
        Ok(added)
    }

    /// The set at a key; an empty one, if there is none.
    fn set(&self, place: &Place) -> Result<Set, Expected> {
        match self.keys.get(place).map(|key| &key.value) {
            None => Ok(Set::new()),
            Some(Value::Set(set)) => Ok(set.clone()),
            Some(Value::String(_)) => Err(wrong_type()),
        }
    }

    fn keep_set(&mut self, place: Place, set: Set) {
        let end = self.keys.get(&place).map_or(End::NEVER, |key| key.end);
        self.keys.insert(place, Key { end, value: Value::Set(set) });
        self.forget_what_ended();
    }

    fn string(&self, place: &Place) -> Result<Option<Vec<u8>>, Expected> {
        match self.keys.get(place).map(|key| &key.value) {
            None => Ok(None),
            Some(Value::String(string)) => Ok(Some(string.clone())),
            Some(Value::Set(_)) => Err(wrong_type()),
        }
    }

    fn change_string(&mut self, place: &Place, change: impl FnOnce(&mut Vec<u8>) -> Answer) -> Answer {
        let mut string = self.string(place)?.unwrap_or_default();
        let end = self.keys.get(place).map_or(End::NEVER, |key| key.end);
        let answer = change(&mut string)?;
        self.hold(place.clone(), string, end);
        Ok(answer)
    }

    fn hold(&mut self, place: Place, string: Vec<u8>, end: End) {
        self.keys.insert(place, Key { end, value: Value::String(string) });
        self.forget_what_ended();
    }

    /// Removes what a change has left that can't be: empty sets, and what ends at once.
    fn forget_what_ended(&mut self) {
        let now_ms = self.now_ms;
        *self = std::mem::take(self).at(now_ms);
    }

    fn matching(&self, database: u8, pattern: &[u8]) -> BTreeSet<Vec<u8>> {
        let prefix = pattern.strip_suffix(b"*").unwrap();
        let is_wanted = |(of, key): &&Place| *of == database && key.starts_with(prefix);
        self.keys.keys().filter(is_wanted).map(|(_, key)| key.clone()).collect()
    }
}

/// A request without its name, and where and when it is made.
struct Parsed<'a> {
    name: &'a str,
    rest: &'a [Vec<u8>],
    database: u8,
    window: Window,
}

impl Parsed<'_> {
    /// The place of a key. Where there is none, nobody asks for it.
    fn place(&self, at: usize) -> Place {
        (self.database, self.rest.get(at).cloned().unwrap_or_default())
    }

    fn places(&self, from: usize) -> Vec<Place> {
        (from..self.rest.len()).map(|at| self.place(at)).collect()
    }

    fn end(&self, at: usize, unit_ms: i64, is_absolute: bool) -> End {
        let ms = number(&self.rest[at]) * unit_ms;
        match ms {
            ms if is_absolute => End::at(ms),
            // It has ended, whenever the request was handled.
            ms if ms < 0 => End::at(self.window.sent_ms + ms),
            ms => End::after(self.window, ms),
        }
    }

    /// The end that an option of SET or GETEX gives.
    fn option_end(&self, at: usize) -> End {
        let option = self.rest[at].as_slice();
        let unit_ms = if option.starts_with(b"P") { 1 } else { 1_000 };
        self.end(at + 1, unit_ms, option.ends_with(b"AT"))
    }
}

fn number(word: &[u8]) -> i64 {
    std::str::from_utf8(word).unwrap().parse().unwrap()
}

/// The number that a string is, if it is written as Redis writes numbers.
fn canonical_number(string: &[u8]) -> Option<i64> {
    let number: i64 = std::str::from_utf8(string).ok()?.parse().ok()?;
    (number.to_string().as_bytes() == string).then_some(number)
}

/// How long it is until then: -1 for ever; -2 if there is nothing.
fn left(end: Option<End>, window: Window) -> Expected {
    match end {
        None => number_frame(-2),
        Some(End::NEVER) => number_frame(-1),
        Some(end) => Between(end.earliest_ms - window.received_ms, end.latest_ms - window.sent_ms),
    }
}

fn names(set: Set) -> Expected {
    Unordered(set.into_keys().collect())
}

/// A scan that found all there is in one step.
fn scanned(found: Expected) -> Expected {
    Array(vec![Expected::Frame(Frame::BulkString("0".into())), found])
}

fn count(count: usize) -> Expected {
    Expected::Frame(integer(count))
}

fn number_frame(number: i64) -> Expected {
    Expected::Frame(Frame::Integer(number))
}

fn bulk_or_null(string: Option<Vec<u8>>) -> Expected {
    Expected::Frame(string.map_or(Frame::Null, |string| Frame::BulkString(string.into())))
}

fn ok() -> Expected {
    Expected::Frame(simple("OK"))
}

fn error(text: &'static str) -> Expected {
    Expected::Frame(Frame::Error(text.into()))
}

fn wrong_type() -> Expected {
    error("WRONGTYPE Operation against a key holding the wrong kind of value")
}
