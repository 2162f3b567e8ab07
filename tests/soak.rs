//! A mixed load for a while, with clients that come and go and tokens that end: memory, the files and the file descriptors
//! of the daemon must not grow once they have what the load needs.
//!
//! ```sh
//! REVOKED_SOAK_SECONDS=600 cargo test --release --test soak -- --nocapture    # an hour: 3600
//! ```
//!
//! prints a line for each sample. Plain `cargo test` runs for some seconds, which is not long enough to say more than that
//! nothing explodes; the load is the same. `REVOKED_SOAK_SEED` repeats the requests, as far as the threads' timing allows.
//!
//! Each figure is followed by the line that fits best in the sense of Theil and Sen: the median of the slopes between all
//! pairs of samples, which a few odd samples do not move. What it gains over the second half must be small beside the
//! level.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use fastrand::Rng;

use support::process::{Client, Daemon, Frame, Home};

const CLIENTS: usize = 6;

/// Requests of a connection before its client comes anew.
const REQUESTS: usize = 3_000;

const MOST_PIPELINED: usize = 50;

/// Sets, strings, and members of a set that a request may name: so many, so that what is there at once is bounded.
const SETS: u32 = 20;
const STRINGS: u32 = 5_000;
const MEMBERS: u32 = 5_000;

/// What the daemon takes at one moment.
#[derive(Debug, Clone, Copy)]
struct Sample {
    at_seconds: f64,
    rss_kb: f64,
    files_kb: f64,
    descriptors: f64,
}

#[test]
fn memory_files_and_descriptors_are_flat_under_a_mixed_load() {
    let seconds = number("REVOKED_SOAK_SECONDS").unwrap_or(10);
    let seed = number("REVOKED_SOAK_SEED").unwrap_or_else(|| fastrand::u64(..));
    eprintln!("REVOKED_SOAK_SEED={seed}");
    let home = Home::with_options(&["--appendfsync", "everysec"]);
    let daemon = home.start();
    let (is_over, requests) = (AtomicBool::new(false), AtomicU64::new(0));
    let samples = thread::scope(|scope| {
        for client in 0..CLIENTS as u64 {
            let (daemon, is_over, requests) = (&daemon, &is_over, &requests);
            scope.spawn(move || load(daemon, Rng::with_seed(seed ^ client), is_over, requests));
        }
        let samples = watch(&daemon, &home.data_file(), seconds);
        is_over.store(true, Relaxed);
        samples
    });
    eprintln!("{} requests in {seconds} s", requests.load(Relaxed));
    let half = &samples[samples.len() / 2..];
    // What is sampled for a few seconds only still grows to what the load needs.
    let is_long = seconds >= 300;
    for (name, of, slack) in [
        ("memory", (|sample| sample.rss_kb) as fn(&Sample) -> f64, if is_long { 0.05 } else { 1.0 }),
        ("files", |sample| sample.files_kb, if is_long { 0.10 } else { 4.0 }),
        ("descriptors", |sample| sample.descriptors, if is_long { 0.05 } else { 1.0 }),
    ] {
        let (level, gained) = trend(half, of);
        eprintln!("{name}: {level:.0}, and {gained:+.1} over the second half");
        assert!(gained <= slack * level, "{name} grew by {gained:.0} from {level:.0}: {half:?}");
    }
    daemon.stop();
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|number| number.parse().unwrap())
}

/// Samples until the time is over, a hundred times or once in a second, whichever is rarer.
fn watch(daemon: &Daemon, data_file: &Path, seconds: u64) -> Vec<Sample> {
    let (started, span) = (Instant::now(), Duration::from_secs(seconds));
    let interval = (span / 100).max(Duration::from_millis(250));
    let mut samples = Vec::new();
    while started.elapsed() < span {
        thread::sleep(interval);
        let sample = sample(daemon.pid(), data_file, started.elapsed());
        eprintln!(
            "{:7.1} s  {:8} kB resident  {:8} kB in files  {:3} descriptors",
            sample.at_seconds, sample.rss_kb, sample.files_kb, sample.descriptors
        );
        samples.push(sample);
    }
    samples
}

fn sample(pid: u32, data_file: &Path, at: Duration) -> Sample {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let rss = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let rss = rss.trim().trim_end_matches(" kB").parse().unwrap();
    let size = |suffix: &str| {
        fs::metadata(format!("{}{suffix}", data_file.display())).map_or(0, |metadata| metadata.len())
    };
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
    Sample {
        at_seconds: at.as_secs_f64(),
        rss_kb: rss,
        files_kb: ((size("") + size("-wal")) / 1024) as f64,
        descriptors: descriptors as f64,
    }
}

/// The median, and what the line that fits best gains from the first sample to the last.
fn trend(samples: &[Sample], of: impl Fn(&Sample) -> f64) -> (f64, f64) {
    let pairs = samples
        .iter()
        .enumerate()
        .flat_map(|(at, first)| samples[at + 1..].iter().map(move |last| (first, last)));
    let slopes = pairs.map(|(first, last)| (of(last) - of(first)) / (last.at_seconds - first.at_seconds));
    let span = samples[samples.len() - 1].at_seconds - samples[0].at_seconds;
    (median(samples.iter().map(&of)), median(slopes) * span)
}

fn median(numbers: impl Iterator<Item = f64>) -> f64 {
    let mut numbers: Vec<_> = numbers.collect();
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

/// One client after the other.
fn load(daemon: &Daemon, mut random: Rng, is_over: &AtomicBool, requests: &AtomicU64) {
    while !is_over.load(Relaxed) {
        let client = daemon.connect();
        let mut sent = 0;
        while sent < REQUESTS && !is_over.load(Relaxed) {
            let pipelined = random.usize(1..=MOST_PIPELINED);
            let batch: Vec<_> = (0..pipelined).map(|_| request(&mut random)).collect();
            for (request, reply) in batch.iter().zip(client.ask_all(&batch)) {
                assert!(!matches!(reply, Frame::Error(_)), "{request:?}: {reply:?}");
            }
            sent += pipelined;
            requests.fetch_add(pipelined as u64, Relaxed);
            match random.u8(..20) {
                0 => transact(&client, &mut random),
                1 => publish(daemon, &client),
                _ => {}
            }
        }
    }
}

fn request(random: &mut Rng) -> Vec<String> {
    let set = format!("set {}", random.u32(..SETS));
    let member = format!("member {}", random.u32(..MEMBERS));
    let string = format!("string {}", random.u32(..STRINGS));
    let seconds = random.u8(1..=3).to_string();
    let words: &[&str] = match random.u8(..100) {
        0..15 => &["SADD", &set, &member],
        15..35 => &["SADDEX", &set, &seconds, &member],
        35..50 => &["SET", &string, "1", "EX", &seconds],
        50..60 => &["SREM", &set, &member],
        60..63 => &["DEL", &string],
        63 => &["DEL", &set],
        64..80 => &["SISMEMBER", &set, &member],
        80..95 => &["GET", &string],
        95 => &["SMEMBERS", &set],
        _ => &["SSCAN", &set, "0", "COUNT", "100"],
    };
    words.iter().map(ToString::to_string).collect()
}

fn transact(client: &Client, random: &mut Rng) {
    let words = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
    let batch = [words(&["MULTI"]), request(random), request(random), words(&["EXEC"])];
    let replies = client.ask_all(&batch);
    assert!(matches!(replies[3], Frame::Array(_)), "{replies:?}");
}

/// A subscriber comes, gets a message, and goes.
fn publish(daemon: &Daemon, client: &Client) {
    let subscriber = daemon.connect();
    subscriber.ask(&["SUBSCRIBE", "channel"]);
    client.ask(&["PUBLISH", "channel", "message"]);
    assert!(matches!(subscriber.receive().unwrap(), Frame::Array(_)));
}
