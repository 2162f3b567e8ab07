//! What it costs to count and to ask while members and keys end: the store by itself, a thread that sweeps as the
//! writer does, and one that reads.
//!
//! ```text
//! cargo bench --bench expiry                             a million of each
//! cargo bench --bench expiry -- --members 10000000       takes two gigabytes and some minutes
//! ```
//!
//! `streaming`: 20,000 end in each second, at any millisecond. `each second`: as many, all at the second's first
//! millisecond, as the times in JWTs are. `a writer behind`: streaming, and nothing was swept for a second. `all at
//! once`: all end at the same millisecond, and nothing is swept yet.
//!
//! A read is timed from before it takes the store's lock, so that the wait for a sweep's slice is in it. The worst
//! is also what the machine does to a thread now and then.

use std::error::Error;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use clap::{Arg, ArgAction, value_parser};
use revoked::effect::{ContainerId, Effect};
use revoked::expiry::Expiry;
use revoked::limits::SWEEP_SEGMENTS;
use revoked::store::{Removed, Store, View};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// How many end in a second, in the works where they do.
const RATE: u64 = 20_000;

/// How long a writer was busy with something else.
const BEHIND: Duration = Duration::from_secs(1);

/// Until when nothing ends while the store is filled.
const FILL_TIME_MS: u64 = 60_000;

const KEY: &[u8] = b"revoked";

fn main() -> Outcome<()> {
    let flag = |name: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue);
    let matches = clap::Command::new("expiry")
        .arg(
            Arg::new("members")
                .long("members")
                .value_parser(value_parser!(u64).range(1..))
                .default_value("1000000"),
        )
        .arg(flag("test").help("Only see whether it runs"))
        .arg(flag("bench").hide(true))
        .get_matches();
    let is_test = matches.get_flag("test") || !matches.get_flag("bench");
    let (len, time) = match matches.get_one("members").copied() {
        Some(len) if !is_test => (len, Duration::from_secs(5)),
        _ => (1_000, Duration::from_millis(20)),
    };
    println!("{len} members of a set, then {len} keys; times in us: median, p99.9, worst\n");
    for kind in [Kind::Members, Kind::Keys] {
        let (count, ask) = kind.commands();
        for (name, ends) in [("streaming", Ends::Streaming), ("each second", Ends::EachSecond)] {
            let (store, now_ms) = filled(kind, len, ends)?;
            let (counts, asks, slices) = read_while_swept(kind, &store, now_ms, time)?;
            println!("{name}: {count} {counts}; {ask} {asks}; {slices}");
        }
        let (store, now_ms) = filled(kind, len, Ends::Streaming)?;
        let late_ms = now_ms + BEHIND.as_millis() as i64;
        println!(
            "a writer behind: {count} {}; {ask} {}",
            counts(kind, &store, late_ms),
            asks(kind, &store, late_ms)
        );
        let (store, now_ms) = filled(kind, len, Ends::Together)?;
        println!(
            "all at once: {count} {}; {ask} {}",
            counts(kind, &store, now_ms),
            asks(kind, &store, now_ms)
        );
        println!("all at once: {}\n", sweep_all(&store, now_ms));
    }
    Ok(())
}

#[derive(Clone, Copy)]
enum Kind {
    Members,
    Keys,
}

impl Kind {
    fn commands(self) -> (&'static str, &'static str) {
        match self {
            Self::Members => ("SCARD", "SISMEMBER"),
            Self::Keys => ("DBSIZE", "EXISTS"),
        }
    }
}

#[derive(Clone, Copy)]
enum Ends {
    Streaming,
    EachSecond,
    Together,
}

/// A store with so many members or keys, and the time from which on they end.
fn filled(kind: Kind, len: u64, ends: Ends) -> Outcome<(Store, i64)> {
    let store = Store::default();
    let start_ms = FILL_TIME_MS as i64;
    let mut keyspace = store.load();
    let mut apply = |effect: &Effect<&[u8]>| {
        keyspace.apply(effect, &mut Removed::default()).map_err(|misfit| misfit.to_string())
    };
    let container = ContainerId(1);
    if matches!(kind, Kind::Members) {
        apply(&Effect::SetCreated { database: 0, container, key: KEY, expiry: Expiry::NEVER })?;
    }
    let span_ms = (len * 1_000 / RATE).max(1);
    for number in 0..len {
        let after_ms = match ends {
            Ends::Streaming => fastrand::u64(..span_ms),
            Ends::EachSecond => fastrand::u64(..span_ms) / 1_000 * 1_000,
            Ends::Together => 0,
        };
        let (name, expiry) = (name(number), Expiry::at_ms(start_ms + after_ms as i64));
        let name = name.as_bytes();
        apply(&match kind {
            Kind::Members => Effect::MemberSet { database: 0, container, key: KEY, member: name, expiry },
            Kind::Keys => Effect::StringSet { database: 0, key: name, value: b"", expiry },
        })?;
    }
    drop(keyspace);
    Ok((store, start_ms))
}

/// As long as a UUID's text.
fn name(number: u64) -> String {
    format!("{number:036x}")
}

/// Reads at the pace of a clock that starts at `start_ms`, while another thread sweeps.
fn read_while_swept(
    kind: Kind,
    store: &Store,
    start_ms: i64,
    time: Duration,
) -> Outcome<(Times, Times, Slices)> {
    let is_over = AtomicBool::new(false);
    let started = Instant::now();
    let now_ms = || start_ms + started.elapsed().as_millis() as i64;
    std::thread::scope(|scope| {
        let sweeper = scope.spawn(|| {
            let mut slices = Slices::default();
            while !is_over.load(Relaxed) {
                if store.read().earliest().is_due(now_ms()) {
                    slices.sweep(store, now_ms());
                } else {
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
            slices
        });
        let (mut counts, mut asks) = (Times::default(), Times::default());
        while started.elapsed() < time {
            counts.take(|| count(kind, store, now_ms()));
            asks.take(|| ask(kind, store, now_ms()));
            std::thread::sleep(Duration::from_micros(100));
        }
        is_over.store(true, Relaxed);
        let slices = sweeper.join().map_err(|_| "the sweeper panicked")?;
        Ok((counts, asks, slices))
    })
}

fn sweep_all(store: &Store, now_ms: i64) -> Slices {
    let mut slices = Slices::default();
    while store.read().earliest().is_due(now_ms) {
        slices.sweep(store, now_ms);
    }
    slices
}

const REPEATS: usize = 20;

fn counts(kind: Kind, store: &Store, now_ms: i64) -> Times {
    let mut times = Times::default();
    (0..REPEATS).for_each(|_| times.take(|| count(kind, store, now_ms)));
    times
}

fn asks(kind: Kind, store: &Store, now_ms: i64) -> Times {
    let mut times = Times::default();
    (0..REPEATS).for_each(|_| times.take(|| ask(kind, store, now_ms)));
    times
}

fn count(kind: Kind, store: &Store, now_ms: i64) -> usize {
    let keyspace = store.read();
    let view = View::committed(&keyspace, now_ms);
    match kind {
        Kind::Members => view.set(0, KEY).ok().flatten().map_or(0, |set| set.len()),
        Kind::Keys => view.len(0),
    }
}

fn ask(kind: Kind, store: &Store, now_ms: i64) -> usize {
    let name = name(fastrand::u64(..1_000_000));
    let keyspace = store.read();
    let view = View::committed(&keyspace, now_ms);
    let is_there = match kind {
        Kind::Members => matches!(view.set(0, KEY), Ok(Some(set)) if set.contains(name.as_bytes())),
        Kind::Keys => view.key(0, name.as_bytes()).is_some(),
    };
    usize::from(is_there)
}

#[derive(Default)]
struct Times(Vec<Duration>);

impl Times {
    fn take(&mut self, read: impl FnOnce() -> usize) {
        let started = Instant::now();
        std::hint::black_box(read());
        self.0.push(started.elapsed());
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let at = |permille: usize| {
            let index = (sorted.len() * permille / 1_000).min(sorted.len().saturating_sub(1));
            sorted.get(index).map_or(f64::NAN, |time| time.as_secs_f64() * 1e6)
        };
        write!(f, "{:.1} {:.1} {:.1}", at(500), at(999), at(1_000))
    }
}

/// What sweeping came to: how long each slice held the lock (with the wait for it), and how long freeing took behind it.
#[derive(Default)]
struct Slices {
    held: Times,
    freeing: Duration,
}

impl Slices {
    fn sweep(&mut self, store: &Store, now_ms: i64) {
        let started = Instant::now();
        let swept = store.sweep(now_ms, SWEEP_SEGMENTS);
        self.held.0.push(started.elapsed());
        let started = Instant::now();
        drop(swept);
        self.freeing += started.elapsed();
    }
}

impl fmt::Display for Slices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let held: Duration = self.held.0.iter().sum();
        let (held, freeing) = (held.as_secs_f64() * 1e3, self.freeing.as_secs_f64() * 1e3);
        write!(
            f,
            "{} slices held the lock for {} ({held:.0} ms in all, and {freeing:.0} ms without it)",
            self.held.0.len(),
            self.held
        )
    }
}
