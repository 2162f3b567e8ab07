//! What is on disk, and how long starts take.

use crate::Bench;
use crate::contenders::Persistence;
use crate::load::{FILLED, SADD, add};
use crate::report::{Bar, DISK, Row, SIZE, START, number};
use crate::support::Outcome;

const FILES: &str = "files of members by SADD, each";
const RESTART: &str = "restart";
const EMPTY: &str = "start with an empty file";
const PROGRAM: &str = "release binary";

pub(crate) const NAMES: [&str; 4] = [FILES, RESTART, EMPTY, PROGRAM];

pub(crate) fn run(bench: &mut Bench) -> Outcome<()> {
    files(bench)?;
    empty(bench)?;
    program(bench)
}

/// Bytes of a member right after it came and compacted, and restarts with such files.
fn files(bench: &mut Bench) -> Outcome<()> {
    if !bench.is_asked_for(FILES) && !bench.is_asked_for(RESTART) {
        return Ok(());
    }
    let members = bench.options.on_disk;
    let millions = number(members as f64 / 1e6);
    let (mut right_after, mut compacted, mut first) = (vec![], vec![], vec![]);
    let mut starts = [vec![], vec![]];
    for contender in bench.contenders() {
        let mut server = contender.start(Persistence::Always, bench.is_pinned)?;
        add(&server, &SADD, FILLED, members)?;
        right_after.push(server.disk() as f64 / members as f64);
        server.restart()?;
        first.push(server.start_time.as_secs_f64() * 1e3);
        server.connect()?.compact()?;
        compacted.push(server.disk() as f64 / members as f64);
        let [mut on_one, mut on_all] = [vec![], vec![]];
        for _ in 0..bench.options.rounds {
            server.restart()?;
            on_one.push(server.start_time.as_secs_f64() * 1e3);
            server.restart_on_all_cpus()?;
            on_all.push(server.start_time.as_secs_f64() * 1e3);
        }
        starts[0].push(on_one);
        starts[1].push(on_all);
    }
    let bars = [Bar::AtMost(48.0)];
    bench.report.add(Row::new(&format!("{FILES}, {millions} M, right after"), DISK, &[right_after], &bars));
    bench.report.add(Row::new(&format!("{FILES}, {millions} M, compacted"), DISK, &[compacted], &bars));
    bench.report.add(Row::new(
        &format!("{RESTART}, {millions} M members, right after"),
        START,
        &[first],
        &[],
    ));
    let bars = [Bar::AtMost(2500.0), Bar::RatioAtMost(0.5)];
    for (starts, cpus) in starts.iter().zip(["", ", on both CPUs"]) {
        let round = |round: usize| starts.iter().map(|times| times[round]).collect();
        let rounds: Vec<Vec<f64>> = (0..bench.options.rounds).map(round).collect();
        let name = format!("{RESTART}, {millions} M members, compacted{cpus}");
        bench.report.add(Row::new(&name, START, &rounds, &bars));
    }
    Ok(())
}

fn empty(bench: &mut Bench) -> Outcome<()> {
    if !bench.is_asked_for(EMPTY) {
        return Ok(());
    }
    let mut rounds = Vec::new();
    for _ in 0..bench.options.rounds {
        let servers = bench.start_all(Persistence::Always)?;
        rounds.push(servers.iter().map(|server| server.start_time.as_secs_f64() * 1e3).collect());
    }
    bench.report.add(Row::new(EMPTY, START, &rounds, &[Bar::AtMost(30.0)]));
    Ok(())
}

fn program(bench: &mut Bench) -> Outcome<()> {
    if !bench.is_asked_for(PROGRAM) {
        return Ok(());
    }
    let megabytes = bench.revoked.program_size()? as f64 / 1e6;
    bench.report.add(Row::new(PROGRAM, SIZE, &[vec![megabytes]], &[Bar::AtMost(10.0)]));
    Ok(())
}
