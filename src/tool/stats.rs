//! `revoked stats FILE`: what fills a data file.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::progress::{self, Counter};
use super::{Error, time};
use crate::journal::{Content, CopyError, Present, read_present};
use crate::stats::now_ms;

/// How many keys are named.
const KEYS_SHOWN: usize = 10;

/// Ends on days further away are counted together.
const DAYS_COUNTED: i64 = 3660;

/// Most bars of the chart, and the characters of the longest.
const BARS: i64 = 31;
const BAR_CHARACTERS: u64 = 40;

/// Most characters of a key that are shown.
const KEY_CHARACTERS: usize = 40;

/// What there is in a database.
#[derive(Debug, Default)]
struct Database {
    sets: u64,
    members: u64,
    strings: u64,
    ends: u64,
    bytes: u64,
}

/// A key, and what it holds.
#[derive(Debug, Default, PartialEq, Eq)]
struct Key {
    database: u8,
    name: Vec<u8>,
    members: u64,
    bytes: u64,
}

#[derive(Debug, Default)]
struct Tally {
    databases: BTreeMap<u8, Database>,
    largest: Vec<Key>,
    /// The set whose members are being counted.
    set: Option<Key>,
    /// How many members and strings end on each day, by themselves or with their key.
    by_day: BTreeMap<i64, u64>,
    later: u64,
    never: u64,
    today: i64,
}

/// Looks what there is in a data file, while its server works or not. Returns what there is to say.
///
/// # Errors
///
/// If it can't be read.
pub fn run(file: &Path) -> Result<String, Error> {
    let now_ms = now_ms();
    let mut tally = Tally { today: time::day_of(now_ms), ..Tally::default() };
    let counter = Counter::default();
    let read = progress::show(
        || counter.state("rows counted"),
        || {
            read_present(
                file,
                now_ms,
                |done, of| counter.set(done, of),
                |present| {
                    tally.count(&present);
                    Ok(())
                },
            )
        },
    );
    let rows = read.map_err(|error| match error {
        CopyError::Source(error) => error.into(),
        CopyError::Target(why) => Error::Io(why),
    })?;
    tally.end_set();
    Ok(tally.describe(file, rows))
}

impl Tally {
    fn count(&mut self, present: &Present<'_>) {
        let Present { database, key, key_expiry, content } = *present;
        let expiry = match content {
            Content::Member { member, expiry } => {
                self.member(database, key, member.len() as u64);
                expiry.min(key_expiry)
            }
            Content::String(value) => {
                let bytes = (key.len() + value.len()) as u64;
                let counts = self.databases.entry(database).or_default();
                counts.strings += 1;
                counts.bytes += bytes;
                self.note_size(Key { database, name: key.to_vec(), members: 0, bytes });
                key_expiry
            }
        };
        match expiry.ms().map(time::day_of) {
            None => self.never += 1,
            Some(day) => {
                self.databases.entry(database).or_default().ends += 1;
                if day - self.today < DAYS_COUNTED {
                    *self.by_day.entry(day).or_default() += 1;
                } else {
                    self.later += 1;
                }
            }
        }
    }

    fn member(&mut self, database: u8, key: &[u8], bytes: u64) {
        let is_same = |set: &Key| set.database == database && set.name == key;
        if !self.set.as_ref().is_some_and(is_same) {
            self.end_set();
            let counts = self.databases.entry(database).or_default();
            counts.sets += 1;
            counts.bytes += key.len() as u64;
        }
        let set = self.set.get_or_insert_with(|| Key {
            database,
            name: key.to_vec(),
            members: 0,
            bytes: key.len() as u64,
        });
        set.members += 1;
        set.bytes += bytes;
        let counts = self.databases.entry(database).or_default();
        counts.members += 1;
        counts.bytes += bytes;
    }

    /// All members of a set were counted.
    fn end_set(&mut self) {
        if let Some(set) = self.set.take() {
            self.note_size(set);
        }
    }

    fn note_size(&mut self, key: Key) {
        let at = self.largest.partition_point(|other| other.bytes >= key.bytes);
        if at < KEYS_SHOWN {
            self.largest.insert(at, key);
            self.largest.truncate(KEYS_SHOWN);
        }
    }

    fn describe(&self, file: &Path, rows: u64) -> String {
        let mut text = String::new();
        let size = |path: &Path| fs::metadata(path).map_or(0, |metadata| metadata.len());
        let mut log = file.as_os_str().to_owned();
        log.push("-wal");
        let (bytes, log_bytes) = (size(file), size(Path::new(&log)));
        let live: u64 =
            self.databases.values().map(|counts| counts.sets + counts.members + counts.strings).sum();
        let dead = rows.saturating_sub(live);
        let percent = 100 * dead / rows.max(1);
        let _ =
            writeln!(text, "{:<12}{}, and {} of write-ahead log", "file", amount(bytes), amount(log_bytes));
        let _ = writeln!(
            text,
            "{:<12}{rows}, of which {dead} ({percent} %) say what is no longer so, or when",
            "rows"
        );

        let _ = writeln!(
            text,
            "\n{:>2}  {:>10}  {:>10}  {:>10}  {:>10}  {:>10}",
            "db", "sets", "members", "strings", "with ends", "text"
        );
        for (database, counts) in &self.databases {
            let Database { sets, members, strings, ends, bytes } = counts;
            let bytes = amount(*bytes);
            let _ = writeln!(
                text,
                "{database:>2}  {sets:>10}  {members:>10}  {strings:>10}  {ends:>10}  {bytes:>10}"
            );
        }
        if !self.largest.is_empty() {
            let _ = writeln!(text, "\n{:>2}  {:>10}  {:>10}  the largest keys", "db", "members", "text");
        }
        for Key { database, name, members, bytes } in &self.largest {
            let members = if *members == 0 { "string".to_owned() } else { members.to_string() };
            let _ = writeln!(text, "{database:>2}  {members:>10}  {:>10}  {}", amount(*bytes), shown(name));
        }
        self.chart(&mut text);
        text
    }

    /// How many end when: a bar for each day, or for as many as it takes to have few bars.
    fn chart(&self, text: &mut String) {
        if self.by_day.is_empty() && self.later == 0 {
            return;
        }
        let first = self.by_day.keys().next().copied().unwrap_or(self.today);
        let last = self.by_day.keys().next_back().copied().unwrap_or(self.today);
        let days = (last - first) / BARS + 1;
        let what = if days == 1 { "ends by day".to_owned() } else { format!("ends by {days} days") };
        let _ = writeln!(text, "\n{what}, in UTC");
        let mut bars: Vec<_> = (first..=last)
            .step_by(days as usize)
            .map(|day| {
                let count: u64 = self.by_day.range(day..day + days).map(|(_, count)| count).sum();
                (time::date(day), count)
            })
            .collect();
        bars.extend([("later".to_owned(), self.later), ("never".to_owned(), self.never)]);
        let most = bars.iter().map(|(_, count)| *count).max().unwrap_or_default().max(1);
        for (name, count) in bars {
            // Whatever there is shows.
            let bar = "#".repeat((BAR_CHARACTERS * count).div_ceil(most) as usize);
            let _ = writeln!(text, "{}", format!("{name:<10}  {count:>10}  {bar}").trim_end());
        }
    }
}

/// `12.3 MB`
fn amount(bytes: u64) -> String {
    let (mut rest, mut unit) = (bytes as f64, "bytes");
    for larger in ["KB", "MB", "GB", "TB"] {
        if rest < 1000.0 {
            break;
        }
        (rest, unit) = (rest / 1000.0, larger);
    }
    if unit == "bytes" { format!("{bytes} {unit}") } else { format!("{rest:.1} {unit}") }
}

/// A key as a terminal may show it.
fn shown(name: &[u8]) -> String {
    let text = String::from_utf8_lossy(name).replace(char::is_control, "\u{fffd}");
    if text.chars().count() <= KEY_CHARACTERS {
        return text;
    }
    text.chars().take(KEY_CHARACTERS).chain("...".chars()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expiry::Expiry;

    #[test]
    fn what_there_is_is_counted_and_the_largest_keys_are_named() {
        let today = 20_000;
        let mut tally = Tally { today, ..Tally::default() };
        let on_day = |day: i64| Expiry::at_ms((today + day) * 24 * 60 * 60 * 1000 + 1);
        for key in 0..20_u8 {
            for member in 0..=key {
                let content =
                    Content::Member { member: &[member; 10], expiry: on_day(i64::from(member) * 10) };
                tally.count(&Present { database: 1, key: &[key], key_expiry: Expiry::NEVER, content });
            }
        }
        for key_expiry in [Expiry::NEVER, Expiry::at_ms(i64::MAX)] {
            tally.count(&Present {
                database: 0,
                key: b"s\n",
                key_expiry,
                content: Content::String(&[0; 150]),
            });
        }
        tally.end_set();
        let text = tally.describe(Path::new("/no/such"), 1000);
        for line in [
            "file        0 bytes, and 0 bytes of write-ahead log",
            "rows        1000, of which 768 (76 %) say what is no longer so, or when",
            " 0           0           0           2           1   304 bytes",
            " 1          20         210           0         210      2.1 KB",
            " 1          20   201 bytes  \u{fffd}",
            " 0      string   152 bytes  s\u{fffd}",
            "ends by 7 days, in UTC",
            "2024-10-04          20  ########################################",
            "later                1  ##",
            "never                1  ##",
        ] {
            assert!(text.lines().any(|said| said == line), "{line}:\n{text}");
        }
        let keys = text.split("the largest keys\n").nth(1).unwrap().split("\n\n").next().unwrap();
        assert_eq!(keys.lines().count(), KEYS_SHOWN);
        assert!(text.split("ends by").nth(1).unwrap().lines().count() as i64 <= BARS + 3, "{text}");
    }
}
