//! What compaction costs and keeps: the size of the files under a load that makes as much void as it adds, and what
//! others notice of it, beside Redis and its rewrites where `redis-server` is installed.
//!
//! ```text
//! cargo bench --bench compaction                                    a million members
//! cargo bench --bench compaction -- --members 5000000 --seconds 60
//! ```
//!
//! A set of so many UUIDs stays. Four clients keep adding a member and taking out the one that they added a while ago,
//! sixteen commands at a time; a client asks (SISMEMBER) and one adds and takes out, one request at a time. Redis rewrites
//! its file at twice its size, by default, and may leave it so; here it rewrites at 1.75 times, too. Where there is
//! `taskset`, servers run on CPU 0 and all clients on CPU 1. The size is the most that all files took, looked at every 20 ms,
//! to what they take at the end, when all is compact.

mod support;

use std::io::{BufRead as _, Write as _};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use clap::{Arg, ArgAction, value_parser};

use support::{Client, Outcome, Server, Times, has_redis, pin, uuid};

/// Members that are added by one request while a server is filled.
const FILL_MEMBERS: u64 = 10_000;

/// Clients that add and take out sixteen at a time.
const CHURNING: u64 = 4;

/// Commands that they send at once, half of them adding.
const PIPELINED: u64 = 16;

/// Members of each that are there at once.
const WINDOW: u64 = 1_000;

/// Numbers of the members of each client, none of which another has.
const NUMBERS: u64 = 1 << 40;

fn main() -> Outcome<()> {
    let flag = |name: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue);
    let number = |name: &'static str| Arg::new(name).long(name).value_parser(value_parser!(u64).range(1..));
    let matches = clap::Command::new("compaction")
        .arg(number("members").default_value("1000000"))
        .arg(number("seconds").default_value("30"))
        .arg(flag("alone").help("As where Redis is not installed"))
        .arg(flag("test").help("Only see whether it runs"))
        .arg(flag("bench").hide(true))
        .get_matches();
    let is_test = matches.get_flag("test") || !matches.get_flag("bench");
    let get = |name: &str| matches.get_one(name).copied().unwrap_or(1);
    let (members, time) = if is_test {
        (20_000, Duration::from_millis(100))
    } else {
        (get("members"), Duration::from_secs(get("seconds")))
    };
    let is_pinned = pin();
    println!("{members} members; latencies in us: median, p99, p99.9, worst");
    run("revoked", &Server::start_revoked(env!("CARGO_BIN_EXE_revoked"), is_pinned)?, members, time)?;
    if has_redis() && !matches.get_flag("alone") {
        let rewrites = ["--auto-aof-rewrite-percentage", "75", "--auto-aof-rewrite-min-size", "16mb"];
        run("redis", &Server::start_redis(&rewrites, is_pinned)?, members, time)?;
    }
    Ok(())
}

fn run(name: &str, server: &Server, members: u64, time: Duration) -> Outcome<()> {
    let mut client = server.connect()?;
    for first in (0..members).step_by(FILL_MEMBERS as usize) {
        let uuids: Vec<String> = (first..members.min(first + FILL_MEMBERS)).map(uuid).collect();
        client.ask(
            &[&["SADD", "revoked"][..], &uuids.iter().map(String::as_str).collect::<Vec<_>>()].concat(),
        )?;
    }
    compact(&mut client)?;
    println!("\n{name}");
    let began = server.cpu()?;
    let load = load(server, members, time)?;
    let cpu = server.cpu()?.saturating_sub(began);
    compact(&mut client)?;
    let least = server.disk();
    println!(
        "  commands:   {:.0} in a second, {:.2} us of CPU each",
        load.commands as f64 / time.as_secs_f64(),
        cpu.as_secs_f64() * 1e6 / load.commands as f64
    );
    println!("  SISMEMBER:  {}", load.asks);
    println!("  SADD, SREM: {}", load.changes);
    println!(
        "  on disk:    {:.1} MB at most, {:.1} MB compact: {:.2}",
        load.most as f64 / 1e6,
        least as f64 / 1e6,
        load.most as f64 / least as f64
    );
    Ok(())
}

struct Load {
    commands: u64,
    /// Bytes of all files.
    most: u64,
    asks: Times,
    changes: Times,
}

fn load(server: &Server, members: u64, time: Duration) -> Outcome<Load> {
    let (is_over, commands) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        let (is_over, commands) = (&is_over, &commands);
        let churning: Vec<_> = (1..=CHURNING)
            .map(|number| scope.spawn(move || churn(server, number * NUMBERS, is_over, commands)))
            .collect();
        let ask = scope.spawn(move || -> Outcome<Times> {
            let (mut client, mut times) = (server.connect()?, Times::default());
            while !is_over.load(Relaxed) {
                let member = uuid(fastrand::u64(..members));
                times.take(|| client.ask(&["SISMEMBER", "revoked", &member]))?;
            }
            Ok(times)
        });
        let change = scope.spawn(move || -> Outcome<Times> {
            let (mut client, mut times) = (server.connect()?, Times::default());
            for number in 0.. {
                if is_over.load(Relaxed) {
                    break;
                }
                let name = if number % 2 == 0 { "SADD" } else { "SREM" };
                times.take(|| client.ask(&[name, "revoked", &uuid(number / 2)]))?;
            }
            Ok(times)
        });
        let (started, mut most) = (Instant::now(), 0);
        while started.elapsed() < time {
            most = most.max(server.disk());
            thread::sleep(Duration::from_millis(20));
        }
        is_over.store(true, Relaxed);
        for thread in churning {
            thread.join().map_err(|_| "a churning thread panicked")??;
        }
        let asks = ask.join().map_err(|_| "the asking thread panicked")??;
        let changes = change.join().map_err(|_| "the changing thread panicked")??;
        Ok(Load {
            commands: commands.load(Relaxed) + (asks.0.len() + changes.0.len()) as u64,
            most,
            asks,
            changes,
        })
    })
}

fn churn(server: &Server, first: u64, is_over: &AtomicBool, commands: &AtomicU64) -> Outcome<()> {
    let mut client = server.connect()?;
    let mut next = first;
    while !is_over.load(Relaxed) {
        let mut requests = Vec::new();
        for number in next..next + PIPELINED / 2 {
            for (name, member) in [("SADD", uuid(number)), ("SREM", uuid(number.wrapping_sub(WINDOW)))] {
                write!(requests, "*3\r\n$4\r\n{name}\r\n$7\r\nrevoked\r\n$36\r\n{member}\r\n")?;
            }
        }
        next += PIPELINED / 2;
        client.stream.write_all(&requests)?;
        let mut line = String::new();
        for _ in 0..PIPELINED {
            line.clear();
            client.input.read_line(&mut line)?;
            if !line.starts_with(':') {
                return Err(line.into());
            }
        }
        commands.fetch_add(PIPELINED, Relaxed);
    }
    Ok(())
}

/// Has the server make its files compact, and waits for it.
fn compact(client: &mut Client) -> Outcome<()> {
    client.compact()?;
    client.ask(&["SAVE"]).map(drop)
}
