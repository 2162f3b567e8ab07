//! What members, keys, sets and clients take in memory, all included: by what the process has grown.

use crate::Bench;
use crate::contenders::{Contender, Persistence};
use crate::load::{FILLED, Load, SADD, SADD_5, SADDEX, SET, add};
use crate::report::{Bar, MEMORY, Row, number};
use crate::support::{Outcome, Server};

/// What is sent before, so that what a server takes once, at its first commands, isn't taken for theirs.
const WARM_UP: usize = 2_000;

/// Keys of small sets.
const KEYS_WITH_FIVE: usize = 500_000;

const MEMBERS: &str = "memory of a UUID member, ours with its expiry";
const KEYS: &str = "memory of a key SET <uuid> \"\" EX n";
const SMALL_SETS: &str = "memory of a key with a set of 5 UUID members";
const IDLE: &str = "memory of an idle connection";

pub(crate) const NAMES: [&str; 4] = [MEMBERS, KEYS, SMALL_SETS, IDLE];

pub(crate) fn run(bench: &mut Bench) -> Outcome<()> {
    let sizes = bench.options.sizes.clone();
    let (mean, worst) = ([Bar::AtMost(34.0)], [Bar::AtMost(40.0)]);
    weigh(bench, MEMBERS, (&SADDEX, &SADD), &sizes, &mean, &worst)?;
    weigh(bench, KEYS, (&SET, &SET), &sizes, &[Bar::AtMost(44.0)], &[])?;
    let keys = [bench.options.at_most(KEYS_WITH_FIVE)];
    weigh(bench, SMALL_SETS, (&SADD_5, &SADD_5), &keys, &[Bar::AtMost(260.0)], &[])?;
    idle(bench)
}

/// Sends so many, to ours and to peers, and divides what they have grown by at each size.
fn weigh(
    bench: &mut Bench,
    name: &str,
    (ours, theirs): (&'static Load, &'static Load),
    sizes: &[usize],
    mean_bars: &[Bar],
    worst_bars: &[Bar],
) -> Outcome<()> {
    if !bench.is_asked_for(name) {
        return Ok(());
    }
    let mut all: Vec<Vec<f64>> = Vec::new();
    for contender in bench.contenders() {
        let load = if contender.name == bench.revoked.name { ours } else { theirs };
        all.push(weigh_one(contender, load, sizes, bench.is_pinned)?);
    }
    let of = |index: usize| all.iter().map(|sizes| sizes[index]).collect::<Vec<_>>();
    if sizes.len() > 1 {
        for (index, &size) in sizes.iter().enumerate() {
            let millions = number(size as f64 / 1e6);
            bench.report.add(Row::new(&format!("{name}, {millions} M"), MEMORY, &[of(index)], &[]));
        }
    }
    let suffix = if sizes.len() > 1 { ", mean" } else { "" };
    let mean: Vec<f64> = all.iter().map(|sizes| sizes.iter().sum::<f64>() / sizes.len() as f64).collect();
    bench.report.add(Row::new(&format!("{name}{suffix}"), MEMORY, &[mean], mean_bars));
    if !worst_bars.is_empty() {
        let worst = all.iter().map(|sizes| sizes.iter().copied().fold(0.0, f64::max)).collect();
        bench.report.add(Row::new(&format!("{name}, worst size"), MEMORY, &[worst], worst_bars));
    }
    Ok(())
}

fn weigh_one(
    contender: &Contender,
    load: &'static Load,
    sizes: &[usize],
    is_pinned: bool,
) -> Outcome<Vec<f64>> {
    let server = contender.start(Persistence::None, is_pinned)?;
    add(&server, load, "warm-up", WARM_UP)?;
    let before = resident(&server)?;
    let (mut there, mut each) = (0, Vec::new());
    for &size in sizes {
        add(&server, load, FILLED, size - there)?;
        there = size;
        each.push((resident(&server)? - before) / size as f64);
    }
    Ok(each)
}

/// Clients that have asked once.
fn idle(bench: &mut Bench) -> Outcome<()> {
    if !bench.is_asked_for(IDLE) {
        return Ok(());
    }
    let mut each = Vec::new();
    for contender in bench.contenders() {
        let server = contender.start(Persistence::None, bench.is_pinned)?;
        // The first ones are as others, but not counted.
        let connect = |count| -> Outcome<Vec<_>> {
            let connect = || -> Outcome<_> {
                let mut client = server.connect_small()?;
                client.ask(&["SISMEMBER", FILLED, "0b0bd1d4-5d0d-4a0e-9c5b-3f6a7d0c9d11"])?;
                Ok(client)
            };
            (0..count).map(|_| connect()).collect()
        };
        let _first = connect(100)?;
        let before = resident(&server)?;
        let clients = connect(bench.options.idle)?;
        each.push((resident(&server)? - before) / clients.len() as f64);
    }
    bench.report.add(Row::new(IDLE, MEMORY, &[each], &[Bar::AtMost(4096.0)]));
    Ok(())
}

fn resident(server: &Server) -> Outcome<f64> {
    server.memory("VmRSS:")
}
