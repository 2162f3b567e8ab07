//! How fast, at what cost, and how long clients wait.

use std::time::Duration;

use crate::contenders::{Persistence, start_kernel_alone};
use crate::load::{
    Asked, Clients, EXISTS, FILLED, GET, Load, Party, Run, SADD, SADDEX, SADDEXAT, SET, SISMEMBER, Until,
    fill,
};
use crate::report::{Bar, CPU, Figure, P50, P99, P999, RATE, Row, median};
use crate::support::{Outcome, Server};
use crate::{Bench, members};

/// The load is what is measured where it is busier than that.
const BUSY: f64 = 0.9;

/// What is asked for, how, and what is asked of the figures.
struct Work {
    load: &'static Load,
    connections: usize,
    pipeline: usize,
    bars: &'static [(Figure, Bar)],
}

const fn work(load: &'static Load, pipeline: usize, bars: &'static [(Figure, Bar)]) -> Work {
    Work { load, connections: 50, pipeline, bars }
}

static READS: [Work; 5] = [
    work(&SISMEMBER, 1, &[(CPU, Bar::RatioAtMost(0.85))]),
    work(&SISMEMBER, 16, &[(CPU, Bar::RatioAtMost(0.35))]),
    work(&SISMEMBER, 100, &[(CPU, Bar::RatioAtMost(0.25))]),
    work(&GET, 16, &[(CPU, Bar::RatioAtMost(0.5))]),
    work(&EXISTS, 16, &[(CPU, Bar::RatioAtMost(0.5))]),
];

static WRITES: [Work; 4] = [
    work(
        &SADD,
        1,
        &[(RATE, Bar::RatioAtLeast(1.3)), (CPU, Bar::RatioAtMost(1.0)), (P999, Bar::RatioAtMost(1.0))],
    ),
    work(&SADD, 16, &[(RATE, Bar::RatioAtLeast(1.6)), (CPU, Bar::RatioAtMost(0.7))]),
    Work {
        connections: 500,
        ..work(&SADD, 1, &[(RATE, Bar::RatioAtLeast(1.0)), (CPU, Bar::RatioAtMost(1.05))])
    },
    work(&SET, 16, &[(RATE, Bar::RatioAtLeast(2.0))]),
];

/// What peers don't have: beside our own SADD.
static ENDING: [Work; 4] = [
    work(&SADDEX, 1, WITHIN),
    work(&SADDEX, 16, WITHIN),
    work(&SADDEXAT, 1, WITHIN),
    work(&SADDEXAT, 16, WITHIN),
];
const WITHIN: &[(Figure, Bar)] = &[(RATE, Bar::RatioAtLeast(0.91)), (CPU, Bar::RatioAtMost(1.1))];

impl Work {
    fn name(&self) -> String {
        let Self { load, connections, pipeline, .. } = self;
        let name = load.arguments[0];
        let durable = if load.miss.is_empty() { "durable " } else { "" };
        let (ex, beside) = if name == "SET" {
            (" EX", "")
        } else if name.starts_with("SADDEX") {
            ("", ", to our SADD")
        } else {
            ("", "")
        };
        format!("{durable}{name}{ex}, {connections} connections, pipeline {pipeline}{beside}")
    }
}

/// Names of all works, for `--list`.
pub(crate) fn names() -> impl Iterator<Item = String> {
    READS.iter().chain(&WRITES).chain(&ENDING).map(Work::name)
}

fn asked_for(bench: &Bench, works: &'static [Work]) -> Vec<&'static Work> {
    works.iter().filter(|work| bench.is_asked_for(&work.name())).collect()
}

/// Lookups, of which half are hits.
pub(crate) fn reads(bench: &mut Bench) -> Outcome<()> {
    let works = asked_for(bench, &READS);
    if works.is_empty() {
        return Ok(());
    }
    let servers = bench.start_all(Persistence::None)?;
    let mut members = members(bench.options.members);
    for (with, load) in [("SISMEMBER", &SADD), ("GET", &SET), ("EXISTS", &SET)] {
        let is_filled = with == "EXISTS" && works.iter().any(|work| work.load.arguments[0] == "GET");
        if !is_filled && works.iter().any(|work| work.load.arguments[0] == with) {
            servers.iter().try_for_each(|server| fill(server, load, FILLED, &members))?;
        }
    }
    // Not in the order in which they lie in a server's memory.
    fastrand::shuffle(&mut members);
    let asked = Asked::Half(members.into());
    for work in works {
        let kernel_alone = start_kernel_alone(work.load, FILLED, bench.is_pinned)?;
        let mut rounds = Vec::new();
        for _ in 0..bench.options.rounds {
            let mut round = Vec::new();
            for server in &servers {
                round.push(measure(bench, work, server, FILLED, asked.clone())?);
            }
            round.push(measure(bench, work, &kernel_alone, FILLED, Asked::New)?);
            rounds.push(round);
        }
        report(bench, work, &rounds, true);
    }
    Ok(())
}

/// New members and keys, on disk before they are answered.
pub(crate) fn writes(bench: &mut Bench) -> Outcome<()> {
    let works = asked_for(bench, &WRITES);
    if works.is_empty() {
        return Ok(());
    }
    let servers = bench.start_all(Persistence::Always)?;
    for work in works {
        let mut rounds = Vec::new();
        for _ in 0..bench.options.rounds {
            let round = servers.iter().map(|server| measure(bench, work, server, &new_key(), Asked::New));
            rounds.push(round.collect::<Outcome<Vec<_>>>()?);
        }
        report(bench, work, &rounds, false);
    }
    Ok(())
}

/// Members with an end of their own, beside those without.
pub(crate) fn ending(bench: &mut Bench) -> Outcome<()> {
    let works = asked_for(bench, &ENDING);
    if works.is_empty() {
        return Ok(());
    }
    let server = bench.revoked.start(Persistence::Always, bench.is_pinned)?;
    for work in works {
        let sadd = Work { load: &SADD, ..*work };
        let mut rounds = Vec::new();
        for _ in 0..bench.options.rounds {
            let round = [work, &sadd].map(|work| measure(bench, work, &server, &new_key(), Asked::New));
            rounds.push(round.into_iter().collect::<Outcome<Vec<_>>>()?);
        }
        for figure in bench.figures().iter().filter(|figure| [RATE.name, CPU.name].contains(&figure.name)) {
            let mut row = row(work, *figure, &rounds, false);
            row.peers.clear();
            bench.report.add(row);
        }
    }
    Ok(())
}

/// Writes go to a set of their own, so that all rounds begin alike.
fn new_key() -> String {
    format!("{:08x}", fastrand::u32(..))
}

/// What one round of a work came to.
struct Figures {
    rate: f64,
    cpu_us: f64,
    latencies: Vec<Duration>,
    load_share: f64,
}

impl Figures {
    fn get(&self, figure: Figure) -> f64 {
        match figure.name {
            _ if figure.name == RATE.name => self.rate,
            _ if figure.name == CPU.name => self.cpu_us,
            _ if figure.name == P50.name => percentile(&self.latencies, 0.5),
            _ if figure.name == P99.name => percentile(&self.latencies, 0.99),
            _ => percentile(&self.latencies, 0.999),
        }
    }
}

fn measure(bench: &Bench, work: &Work, server: &Server, key: &str, asked: Asked) -> Outcome<Figures> {
    let &Work { load, connections, pipeline, .. } = work;
    let party = Party { load, key, connections, pipeline, asked, every: None };
    let measure = || -> Outcome<Figures> {
        let mut clients = Clients::connect(server.address, &[party])?;
        clients.run(Until::time(bench.options.time / 10))?;
        let cpu = server.cpu()?;
        let Run { elapsed, load_cpu, mut latencies, .. } = clients.run(Until::time(bench.options.time))?;
        let cpu = server.cpu()?.saturating_sub(cpu);
        let latencies = latencies.remove(0);
        let ops = (latencies.len() * pipeline) as f64;
        Ok(Figures {
            rate: ops / elapsed.as_secs_f64(),
            cpu_us: cpu.as_secs_f64() * 1e6 / ops,
            latencies,
            load_share: load_cpu.as_secs_f64() / elapsed.as_secs_f64(),
        })
    };
    measure().map_err(|error| format!("{}: {error}", work.name()).into())
}

fn report(bench: &mut Bench, work: &Work, rounds: &[Vec<Figures>], has_kernel: bool) {
    for figure in bench.figures() {
        bench.report.add(row(work, *figure, rounds, has_kernel));
    }
}

/// Of rounds in which the server that parses nothing came last, if at all.
fn row(work: &Work, figure: Figure, rounds: &[Vec<Figures>], has_kernel: bool) -> Row {
    let bars: Vec<Bar> =
        work.bars.iter().filter(|(of, _)| of.name == figure.name).map(|&(_, bar)| bar).collect();
    let mut values: Vec<Vec<f64>> =
        rounds.iter().map(|round| round.iter().map(|figures| figures.get(figure)).collect()).collect();
    let kernel: Vec<f64> =
        if has_kernel { values.iter_mut().filter_map(Vec::pop).collect() } else { Vec::new() };
    let mut row = Row::new(&work.name(), figure, &values, &bars);
    row.kernel = (!kernel.is_empty()).then(|| median(kernel.into_iter()));
    row.is_bound_by_load =
        figure.name == RATE.name && median(rounds.iter().map(|round| round[0].load_share)) > BUSY;
    row
}

/// In microseconds.
pub(crate) fn percentile(sorted: &[Duration], share: f64) -> f64 {
    let index = (sorted.len() as f64 * share) as usize;
    let found = sorted.get(index.min(sorted.len().saturating_sub(1)));
    found.map_or(f64::NAN, |latency| latency.as_secs_f64() * 1e6)
}
