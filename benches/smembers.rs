//! What SMEMBERS of a large set costs, and what others notice of it, beside Redis where `redis-server` is installed.
//!
//! ```text
//! cargo bench --bench smembers                            a million members
//! cargo bench --bench smembers -- --members 10000000      takes some gigabytes and minutes
//! cargo bench --bench smembers -- --program PATH          another build in place of this one
//! ```
//!
//! A set of UUIDs is read by one client again and again, and two others ask (SISMEMBER) and add (SADD), one request at a
//! time: first without the reader, then beside it. Writes are on disk before they are answered, on both sides
//! (`appendfsync always`). Where there is `taskset`, servers run on CPU 0 and all clients on CPU 1.
//!
//! The memory is what the process has at most while the set is read, to what it had before. A latency's worst is also
//! what the machine does to a thread now and then.

mod support;

use std::fmt;
use std::fs;
use std::io::{self, Read as _};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use clap::{Arg, ArgAction, value_parser};

use support::{Outcome, Server, Times, has_redis, pin, uuid};

/// Members that are added by one request while a server is filled.
const FILL_MEMBERS: usize = 10_000;

/// What a UUID takes in a reply.
const BULK_BYTES: u64 = "$36\r\n\r\n".len() as u64 + 36;

fn main() -> Outcome<()> {
    let flag = |name: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue);
    let members = Arg::new("members").long("members").value_parser(value_parser!(u64).range(1..));
    let matches = clap::Command::new("smembers")
        .arg(members.default_value("1000000"))
        .arg(Arg::new("program").long("program").default_value(env!("CARGO_BIN_EXE_revoked")))
        .arg(flag("alone").help("As where Redis is not installed"))
        .arg(flag("test").help("Only see whether it runs"))
        .arg(flag("bench").hide(true))
        .get_matches();
    let is_test = matches.get_flag("test") || !matches.get_flag("bench");
    let (members, time) = match matches.get_one("members").copied() {
        Some(members) if !is_test => (members, Duration::from_secs(10)),
        _ => (20_000, Duration::from_millis(20)),
    };
    let program = matches.get_one::<String>("program").map(String::as_str).unwrap_or_default();
    let is_pinned = pin();
    println!("{members} members; latencies in us: median, p99, p99.9, worst");
    run("revoked", &Server::start_revoked(program, is_pinned)?, members, time)?;
    if has_redis() && !matches.get_flag("alone") {
        let no_rewrite = ["--auto-aof-rewrite-percentage", "0"];
        run("redis", &Server::start_redis(&no_rewrite, is_pinned)?, members, time)?;
    }
    Ok(())
}

fn run(name: &str, server: &Server, members: u64, time: Duration) -> Outcome<()> {
    fill(server, members)?;
    println!("\n{name}");
    println!("  alone:           {}", load(server, members, time, false)?.1);
    let before = server.memory("VmRSS:")?;
    forget_peak(server)?;
    let (reads, others) = load(server, members, time, true)?;
    println!("  beside SMEMBERS: {others}");
    let peak = server.memory("VmHWM:")?;
    println!("  SMEMBERS:        {:.2} s each", reads.0.as_secs_f64() / f64::from(reads.1));
    println!(
        "  memory:          {:.0} MB before, {:.0} MB at most: {:.3}",
        before / 1e6,
        peak / 1e6,
        peak / before
    );
    Ok(())
}

/// How long the set was read, and how often.
#[derive(Clone, Copy)]
struct Reads(Duration, u32);

struct Others {
    asks: Times,
    adds: Times,
}

impl fmt::Display for Others {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SISMEMBER {}; SADD {}", self.asks, self.adds)
    }
}

fn fill(server: &Server, members: u64) -> Outcome<()> {
    let mut client = server.connect()?;
    let numbers: Vec<u64> = (0..members).collect();
    for numbers in numbers.chunks(FILL_MEMBERS) {
        let uuids: Vec<String> = numbers.iter().map(|&number| uuid(number)).collect();
        let words: Vec<&str> =
            ["SADD", "revoked"].into_iter().chain(uuids.iter().map(String::as_str)).collect();
        client.ask(&words)?;
    }
    Ok(())
}

/// Asks and adds for so long and, if the set is to be read, until that was done once at least.
fn load(server: &Server, members: u64, time: Duration, is_read: bool) -> Outcome<(Reads, Others)> {
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let ask = scope.spawn(|| {
            let uuid = || uuid(fastrand::u64(..members));
            repeat(server, "SISMEMBER", uuid, &is_over)
        });
        let add = scope.spawn(|| repeat(server, "SADD", || uuid(fastrand::u64(1 << 40..)), &is_over));
        let started = Instant::now();
        let mut times = 0;
        let mut outcome = Ok(());
        while outcome.is_ok() && (started.elapsed() < time || (is_read && times == 0)) {
            if is_read {
                outcome = read_all(server, members);
                times += 1;
            } else {
                thread::sleep(time);
            }
        }
        let took = started.elapsed();
        is_over.store(true, Relaxed);
        let asks = ask.join().map_err(|_| "the asking thread panicked")??;
        let adds = add.join().map_err(|_| "the adding thread panicked")??;
        outcome.map(|()| (Reads(took, times), Others { asks, adds }))
    })
}

fn repeat(
    server: &Server,
    command: &str,
    argument: impl Fn() -> String,
    is_over: &AtomicBool,
) -> Outcome<Times> {
    let mut client = server.connect()?;
    let mut times = Times::default();
    while !is_over.load(Relaxed) {
        let argument = argument();
        let started = Instant::now();
        client.ask(&[command, "revoked", &argument])?;
        times.0.push(started.elapsed());
    }
    Ok(times)
}

fn read_all(server: &Server, least: u64) -> Outcome<()> {
    let mut client = server.connect()?;
    let count = client.ask(&["SMEMBERS", "revoked"])?;
    if count < least {
        return Err(format!("{count} members of {least}").into());
    }
    let skipped = io::copy(&mut client.input.by_ref().take(count * BULK_BYTES), &mut io::sink())?;
    let is_whole = skipped == count * BULK_BYTES && client.ask(&["SCARD", "revoked"])? >= count;
    if is_whole { Ok(()) } else { Err("the reply is cut off".into()) }
}

/// Has the system count the most memory from now on.
fn forget_peak(server: &Server) -> io::Result<()> {
    fs::write(format!("/proc/{}/clear_refs", server.process.id()), "5")
}
