//! `revoked import --from-redis URL`: the keys of a Redis or Valkey that goes on working.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::Error;
use super::client::{Answer, Client, Url};
use super::import::Target;
use super::progress::{self, Counter};
use super::record::{Holding, Record};
use crate::stats::now_ms;

/// How many keys, or members, are asked for at once.
const KEYS_AT_ONCE: &[u8] = b"500";
const MEMBERS_AT_ONCE: &[u8] = b"1000";

/// What one side has of the keys that were copied.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Counts {
    sets: u64,
    members: u64,
    strings: u64,
    ends: u64,
}

struct Copying {
    source: Client,
    target: Target,
    /// The two sides.
    found: Counts,
    copied: Counts,
    /// Whether the source is a server of this kind: its members have ends of their own, which are asked for.
    has_member_ends: bool,
    /// How many keys there were of other types.
    left_out: BTreeMap<String, u64>,
}

/// A key that is copied.
struct Key {
    name: Vec<u8>,
    is_set: bool,
    /// When it ends, in milliseconds since 1970.
    expires_ms: Option<i64>,
}

/// Copies what there is in one server to another. Returns what both have then.
pub(super) fn run(from: &Url, to: &Url) -> Result<String, Error> {
    let (mut source, target) = (Client::connect(from)?, Target::connect(to)?);
    let has_member_ends = info(&mut source, b"persistence")?.contains("revoked_journal");
    let mut copying = Copying {
        source,
        target,
        found: Counts::default(),
        copied: Counts::default(),
        has_member_ends,
        left_out: BTreeMap::new(),
    };
    let keys = Counter::default();
    progress::show(
        || keys.state("keys copied"),
        || {
            let databases = match from.database {
                Some(database) => vec![database],
                None => copying.databases()?,
            };
            for &database in &databases {
                copying.source.select(database)?;
                if let Answer::Integer(count) = copying.source.ask(&[b"DBSIZE"])? {
                    keys.expect(count as u64);
                }
            }
            databases.iter().try_for_each(|&database| copying.database(database, to.database, &keys))
        },
    )?;
    Ok(copying.report(from, to))
}

impl Copying {
    /// The databases with keys.
    fn databases(&mut self) -> Result<Vec<u8>, Error> {
        let number = |line: &str| line.strip_prefix("db")?.split_once(':')?.0.parse().ok();
        Ok(info(&mut self.source, b"keyspace")?.lines().filter_map(number).collect())
    }

    fn database(&mut self, database: u8, to: Option<u8>, progress: &Counter) -> Result<(), Error> {
        self.source.select(database)?;
        let mut cursor = b"0".to_vec();
        loop {
            let names;
            (cursor, names) = self.scan(&[b"SCAN", &cursor, b"COUNT", KEYS_AT_ONCE])?;
            let keys = self.look_at(&names)?;
            self.strings(database, keys.iter().filter(|key| !key.is_set))?;
            for key in keys.iter().filter(|key| key.is_set) {
                self.set(database, key)?;
            }
            self.target.flush()?;
            self.found = self.found.and(count(&mut self.source, &keys)?);
            // The connection's own selection is that of the last command; an earlier key had none.
            self.target.client.select(to.unwrap_or(database))?;
            self.copied = self.copied.and(count(&mut self.target.client, &keys)?);
            progress.add(names.len() as u64);
            if cursor == b"0" {
                return Ok(());
            }
        }
    }

    /// A step of a scan: where it goes on, and what was found.
    fn scan(&mut self, words: &[&[u8]]) -> Result<(Vec<u8>, Vec<Vec<u8>>), Error> {
        let answer = self.source.ask(words)?;
        let unexpected = || self.source.refused("SCAN", "what is no cursor with names");
        let Answer::Array(parts) = answer else { return Err(unexpected()) };
        let Ok([Answer::Text(cursor), Answer::Array(items)]) = <[Answer; 2]>::try_from(parts) else {
            return Err(unexpected());
        };
        let name = |item| if let Answer::Text(name) = item { Some(name) } else { None };
        Ok((cursor, items.into_iter().filter_map(name).collect()))
    }

    /// What these keys hold, and when they end. Those of other types are counted.
    fn look_at(&mut self, names: &[Vec<u8>]) -> Result<Vec<Key>, Error> {
        let requests: Vec<_> =
            names.iter().flat_map(|name| [[&b"TYPE"[..], name], [&b"PTTL"[..], name]]).collect();
        // The time is taken behind the answers: a key ends no earlier here than there.
        let (answers, now_ms) = (self.source.ask_all(&requests)?, now_ms());
        let mut keys = Vec::with_capacity(names.len());
        for (name, answers) in names.iter().zip(answers.chunks(2)) {
            let [Answer::Text(kind), Answer::Integer(ends_in_ms)] = answers else { continue };
            // Below 0: never, and not there any more.
            let expires_ms = Some(*ends_in_ms).filter(|ms| *ms >= 0).map(|ms| now_ms + ms);
            match &kind[..] {
                b"set" => keys.push(Key { name: name.clone(), is_set: true, expires_ms }),
                b"string" => keys.push(Key { name: name.clone(), is_set: false, expires_ms }),
                b"none" => {}
                other => {
                    *self.left_out.entry(String::from_utf8_lossy(other).into_owned()).or_default() += 1;
                }
            }
        }
        Ok(keys)
    }

    fn strings<'a>(&mut self, database: u8, keys: impl Iterator<Item = &'a Key>) -> Result<(), Error> {
        // Few at a time: each may be long.
        for keys in keys.collect::<Vec<_>>().chunks(50) {
            let requests: Vec<_> = keys.iter().map(|key| [&b"GET"[..], &key.name]).collect();
            for (key, answer) in keys.iter().zip(self.source.ask_all(&requests)?) {
                let Answer::Text(value) = answer else { continue };
                let record = Record {
                    database,
                    key: key.name.clone(),
                    key_expires_ms: None,
                    content: Holding::String(value),
                    expires_ms: key.expires_ms,
                };
                self.target.add(record, 0)?;
            }
        }
        Ok(())
    }

    fn set(&mut self, database: u8, key: &Key) -> Result<(), Error> {
        let key_expires_ms = key.expires_ms;
        let mut cursor = b"0".to_vec();
        loop {
            let members;
            (cursor, members) = self.scan(&[b"SSCAN", &key.name, &cursor, b"COUNT", MEMBERS_AT_ONCE])?;
            let ends = self.member_ends(&key.name, &members)?;
            for (member, expires_ms) in members.into_iter().zip(ends) {
                let content = Holding::Member(member);
                let key = key.name.clone();
                self.target.add(Record { database, key, key_expires_ms, content, expires_ms }, 0)?;
            }
            if cursor == b"0" {
                return Ok(());
            }
        }
    }

    /// When these members end by themselves.
    fn member_ends(&mut self, key: &[u8], members: &[Vec<u8>]) -> Result<Vec<Option<i64>>, Error> {
        if !self.has_member_ends {
            return Ok(vec![None; members.len()]);
        }
        let requests: Vec<_> = members.iter().map(|member| [&b"PTTL"[..], key, member]).collect();
        let (answers, now_ms) = (self.source.ask_all(&requests)?, now_ms());
        let end = |answer| match answer {
            Answer::Integer(ms) if ms >= 0 => Some(now_ms + ms),
            // It has ended meanwhile.
            Answer::Integer(-2) => Some(now_ms),
            _ => None,
        };
        Ok(answers.into_iter().map(end).collect())
    }

    /// What both sides have, side by side.
    fn report(&self, from: &Url, to: &Url) -> String {
        let (from, to) = (from.to_string(), to.to_string());
        let (wide, wider) = (from.len().max(12), to.len().max(12));
        let mut text = format!("{:<10}  {from:>wide$}  {to:>wider$}\n", "");
        for (name, count) in [
            ("sets", (|counts| counts.sets) as fn(&Counts) -> u64),
            ("members", |counts| counts.members),
            ("strings", |counts| counts.strings),
            ("with ends", |counts| counts.ends),
        ] {
            let (one, other) = (count(&self.found), count(&self.copied));
            let _ = writeln!(text, "{name:<10}  {one:>wide$}  {other:>wider$}");
        }
        for (kind, count) in &self.left_out {
            let _ = writeln!(text, "Left out: {count} of type {kind}");
        }
        if self.found != self.copied {
            text +=
                "They differ: something has changed meanwhile, or was here before. It may be run again.\n";
        }
        text
    }
}

fn info(client: &mut Client, section: &[u8]) -> Result<String, Error> {
    Ok(match client.ask(&[b"INFO", section])? {
        Answer::Text(text) => String::from_utf8_lossy(&text).into_owned(),
        _ => String::new(),
    })
}

impl Counts {
    fn and(self, other: Self) -> Self {
        Self {
            sets: self.sets + other.sets,
            members: self.members + other.members,
            strings: self.strings + other.strings,
            ends: self.ends + other.ends,
        }
    }
}

/// What a server has of these keys.
fn count(client: &mut Client, keys: &[Key]) -> Result<Counts, Error> {
    let requests = |key: &Key| {
        let how_much: &[u8] = if key.is_set { b"SCARD" } else { b"EXISTS" };
        [[how_much, &key.name.clone()].map(<[u8]>::to_vec), [&b"PTTL"[..], &key.name].map(<[u8]>::to_vec)]
    };
    let requests: Vec<_> = keys.iter().flat_map(requests).collect();
    let requests: Vec<_> = requests.iter().map(|[command, key]| [&command[..], &key[..]]).collect();
    let answers = client.ask_all(&requests)?;
    let mut counts = Counts::default();
    for (key, answers) in keys.iter().zip(answers.chunks(2)) {
        let [Answer::Integer(much), Answer::Integer(ends_in_ms)] = answers else { continue };
        let much = *much as u64;
        if key.is_set {
            counts.sets += much.min(1);
            counts.members += much;
        } else {
            counts.strings += much;
        }
        counts.ends += u64::from(*ends_in_ms >= 0);
    }
    Ok(counts)
}
