//! What others notice while a set grows, or is rewritten.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use crate::contenders::{Contender, Persistence};
use crate::load::{Asked, Clients, FILLED, Load, Party, Run, SADD, SISMEMBER, Until, add, fill};
use crate::report::{Bar, CPU, GROWTH, P50, P99, P999, Row, WORST, number};
use crate::support::{Client, Outcome, Server};
use crate::works::percentile;
use crate::{Bench, members};

const REWRITING: &str = "SISMEMBER beside 50,000 SADD/s and a rewrite";
const STALL: &str = "SISMEMBER while a set grows";
const COST: &str = "cost as a set grows";

pub(crate) const NAMES: [&str; 3] = [REWRITING, STALL, COST];

/// Clients ask for 20,000 members in a second, whether or not they are answered in time.
const ASKING: usize = 50;
const ASK_EVERY: Duration = Duration::from_micros(2_500);

/// Others add 50,000 in a second.
const ADDING: usize = 10;
const ADD_PIPELINE: usize = 50;
const ADD_EVERY: Duration = Duration::from_millis(10);

/// Where a set is small.
const SMALL: usize = 10_000;

pub(crate) fn run(bench: &mut Bench) -> Outcome<()> {
    rewriting(bench)?;
    stall(bench)?;
    cost(bench)
}

fn rewriting(bench: &mut Bench) -> Outcome<()> {
    if !bench.is_asked_for(REWRITING) {
        return Ok(());
    }
    let servers = bench.start_all(Persistence::Always)?;
    let mut members = members(bench.options.members);
    servers.iter().try_for_each(|server| fill(server, &SADD, FILLED, &members))?;
    fastrand::shuffle(&mut members);
    let members: Arc<[u128]> = members.into();
    let (mut rounds, mut slowest) = (Vec::new(), f64::INFINITY);
    for _ in 0..bench.options.rounds {
        let mut round = Vec::new();
        for server in &servers {
            let mut run = ask_while_rewriting(server, &members, bench.options.time * 5)?;
            slowest = slowest.min((run.latencies[1].len() * ADD_PIPELINE) as f64 / run.elapsed.as_secs_f64());
            round.push(run.latencies.remove(0));
        }
        rounds.push(round);
    }
    for (figure, share, bars) in
        [(P50, 0.5, &[][..]), (P99, 0.99, &[]), (P999, 0.999, &[Bar::RatioAtMost(1.0)]), (WORST, 1.0, &[])]
    {
        let of = |round: &Vec<Vec<Duration>>| round.iter().map(|times| percentile(times, share)).collect();
        let rounds: Vec<Vec<f64>> = rounds.iter().map(of).collect();
        bench.report.add(Row::new(REWRITING, figure, &rounds, bars));
    }
    bench.report.note(format!("{REWRITING}: {} SADD/s were taken in, in the slowest round", number(slowest)));
    Ok(())
}

/// How long those wait who ask, while the server rewrites its files all the time.
fn ask_while_rewriting(server: &Server, members: &Arc<[u128]>, time: Duration) -> Outcome<Run> {
    let asking = Party {
        load: &SISMEMBER,
        key: FILLED,
        connections: ASKING,
        pipeline: 1,
        asked: Asked::Half(Arc::clone(members)),
        every: Some(ASK_EVERY),
    };
    let adding = Party {
        load: &SADD,
        connections: ADDING,
        pipeline: ADD_PIPELINE,
        asked: Asked::New,
        every: Some(ADD_EVERY),
        ..asking.clone()
    };
    let mut clients = Clients::connect(server.address, &[asking, adding])?;
    clients.run(Until::time(time / 20))?;
    let (is_over, mut admin) = (AtomicBool::new(false), server.connect()?);
    thread::scope(|scope| {
        let rewriting = scope.spawn(|| rewrite_until(&mut admin, &is_over));
        let run = clients.run(Until::time(time));
        is_over.store(true, Relaxed);
        rewriting.join().map_err(|_| "the thread that has the server rewrite panicked")??;
        run
    })
}

fn rewrite_until(admin: &mut Client, is_over: &AtomicBool) -> Outcome<()> {
    while !is_over.load(Relaxed) {
        let _ = admin.ask(&["BGREWRITEAOF"]);
        thread::sleep(Duration::from_millis(20));
    }
    // Or it would disturb the next.
    while admin.is_compacting()? {
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// One asks again as soon as it is answered, while others add as fast as they can.
fn stall(bench: &mut Bench) -> Outcome<()> {
    if !bench.is_asked_for(STALL) {
        return Ok(());
    }
    let (from, to) = (bench.options.grown / 20, bench.options.grown);
    let (mut worst, mut p999) = (Vec::new(), Vec::new());
    for contender in bench.contenders() {
        let server = contender.start(Persistence::Always, bench.is_pinned)?;
        add(&server, &SADD, FILLED, from)?;
        let adding =
            Party { load: &SADD, key: FILLED, connections: 4, pipeline: 100, asked: Asked::New, every: None };
        let asking =
            Party { load: &SISMEMBER, connections: 1, pipeline: 1, asked: Asked::Absent, ..adding.clone() };
        let mut clients = Clients::connect(server.address, &[adding, asking])?;
        let run = clients.run(Until { time: Duration::MAX, requests: to - from })?;
        worst.push(percentile(&run.latencies[1], 1.0));
        p999.push(percentile(&run.latencies[1], 0.999));
    }
    let millions = |size: usize| number(size as f64 / 1e6);
    let name = format!("{STALL} from {} to {} M", millions(from), millions(to));
    bench.report.add(Row::new(&name, P999, &[p999], &[]));
    bench.report.add(Row::new(&name, WORST, &[worst], &[Bar::AtMost(5_000.0)]));
    Ok(())
}

/// CPU time of an op in a large set, to that in a small one.
fn cost(bench: &mut Bench) -> Outcome<()> {
    if !bench.is_asked_for(COST) {
        return Ok(());
    }
    let large = bench.options.on_disk;
    let (mut lookups, mut additions) = (Vec::new(), Vec::new());
    for contender in bench.contenders() {
        let [small, large] = costs(bench, contender, large)?;
        lookups.push([small[0], large[0]]);
        additions.push([small[1], large[1]]);
    }
    for (name, costs) in [("SISMEMBER", lookups), ("durable SADD", additions)] {
        let name = format!("{name}, pipeline 16, {COST}");
        let of = |index: usize| costs.iter().map(|costs| costs[index]).collect::<Vec<f64>>();
        bench.report.add(Row::new(&format!("{name}: 10 k"), CPU, &[of(0)], &[]));
        let millions = number(large as f64 / 1e6);
        bench.report.add(Row::new(&format!("{name}: {millions} M"), CPU, &[of(1)], &[]));
        let times = costs.iter().map(|[small, large]| large / small).collect();
        bench.report.add(Row::new(&name, GROWTH, &[times], &[Bar::AtMost(2.0)]));
    }
    Ok(())
}

/// CPU time of a lookup and of an addition, in microseconds: first in a small set, then in one of so many.
fn costs(bench: &Bench, contender: &Contender, large: usize) -> Outcome<[[f64; 2]; 2]> {
    let server = contender.start(Persistence::Always, bench.is_pinned)?;
    let mut costs = [[0.0; 2]; 2];
    for (size, cost) in [SMALL, large].into_iter().zip(&mut costs) {
        let mut members = members(size);
        let key = size.to_string();
        fill(&server, &SADD, &key, &members)?;
        fastrand::shuffle(&mut members);
        let asked = Asked::Half(members.into());
        cost[0] = cpu_us(&server, &SISMEMBER, &key, asked, Until::time(bench.options.time))?;
        // A small set stays so: it is one of many.
        let rounds = if size == SMALL { 20 } else { 1 };
        let mut sum = 0.0;
        for round in 0..rounds {
            let key = if round == 0 { key.clone() } else { format!("{key}:{round}") };
            if round > 0 {
                add(&server, &SADD, &key, size)?;
            }
            let until = Until { time: bench.options.time, requests: SMALL * 20 / rounds };
            sum += cpu_us(&server, &SADD, &key, Asked::New, until)?;
        }
        cost[1] = sum / f64::from(rounds as u32);
    }
    Ok(costs)
}

fn cpu_us(server: &Server, load: &'static Load, key: &str, asked: Asked, until: Until) -> Outcome<f64> {
    let party = Party { load, key, connections: 50, pipeline: 16, asked, every: None };
    let mut clients = Clients::connect(server.address, &[party])?;
    let cpu = server.cpu()?;
    let run = clients.run(until)?;
    let cpu = server.cpu()?.saturating_sub(cpu);
    Ok(cpu.as_secs_f64() * 1e6 / (run.latencies[0].len() * 16) as f64)
}
