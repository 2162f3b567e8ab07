//! The daemon beside its peers, and what is asked of it: throughput, CPU time, waits, memory, disk, starts.
//!
//! ```text
//! cargo bench --bench peers                                   all of it: a quarter of an hour, some gigabytes of memory and disk
//! cargo bench --bench peers -- "SADD, 50" memory --seconds 1  the works whose name contains one of these
//! cargo bench --bench peers -- --list                         the names
//! cargo bench --bench peers -- --at-most 1000000              no set larger than that: some five minutes
//! cargo bench --bench peers -- --cheap                        CPU time and memory alone, with small sets: within a minute
//! cargo bench --bench peers -- --readme                       all of it, into README.md and the chart in it
//! ```
//!
//! Peers are the `redis-server` in the search path and the Valkey whose file `VALKEY_SERVER` names, where there are such.
//! The daemon is what `cargo build --release` makes, which is done first; `--as-built` takes the one that was built
//! along with this, with its failpoints, and `--program PATH` another.
//!
//! Servers are processes of their own and take turns, in `--rounds` rounds (5), of which the median counts; a ratio is the
//! median of the rounds' own, to the better of the peers. Where there is `taskset`, and a second CPU, servers have CPU 0 and
//! the load CPU 1. Writes are on disk before they are answered, on both sides (`appendfsync always`), to files in Cargo's target
//! directory; where only reads and memory are measured, peers write nothing down. Members are random UUIDs, all
//! different; of those that are looked up half are there.
//!
//! **CPU per op** is the server's own, all its threads, user and system, as the scheduler counts it in nanoseconds: the
//! figure that tells most on a machine where others are at work, too. **Latencies** are of a whole pipeline, from its first
//! byte sent to its last one read; beside a rewrite clients send at fixed times, and it counts from then, so that what waits
//! behind a stall is counted, too. A worst latency is also what the machine does to a thread now and then. **Kernel
//! alone** is a server on the daemon's runtime that parses nothing, and answers as many times as requests fit into what
//! came in: below that, no server on this runtime can come. The load is one thread, which is said where it was over 90 %
//! busy: then throughput says little about the server. **Memory** is what the process has grown by, as members came in
//! one by one, by their number.

#[path = "../support/mod.rs"]
mod support;

mod chart;
mod contenders;
mod disk;
mod growth;
mod load;
mod machine;
mod memory;
mod options;
mod report;
mod works;

use std::env;
use std::fs;
use std::iter;
use std::process::Command;

use contenders::{Contender, Persistence};
use machine::Usage;
use options::{Options, Program};
use report::{CPU, Figure, P50, P99, P999, RATE, Report};
use support::{Outcome, Server, pin};

const README: &str = "README.md";
const BEGIN: &str = "<!-- figures: cargo bench --bench peers -- --readme -->\n";
const END: &str = "<!-- end of figures -->";

fn main() -> Outcome<()> {
    contenders::serve_kernel_alone()?;
    let options = Options::from_arguments();
    if options.is_list {
        names().for_each(|name| println!("{name}"));
        return Ok(());
    }
    raise_open_files();
    let program = match &options.program {
        Program::Release => build()?,
        Program::AsBuilt => env!("CARGO_BIN_EXE_revoked").to_owned(),
        Program::At(path) => path.clone(),
    };
    let is_pinned = pin();
    let peers: Vec<Contender> = if options.is_alone { Vec::new() } else { Contender::peers().collect() };
    let report = Report {
        peers: peers.iter().map(|peer| peer.name.clone()).collect(),
        head: head(&options, is_pinned),
        rows: Vec::new(),
        notes: Vec::new(),
    };
    let mut bench = Bench { revoked: Contender::revoked(program), peers, is_pinned, options, report };
    bench.report.print_head();
    let before = Usage::now();
    works::reads(&mut bench)?;
    works::writes(&mut bench)?;
    works::ending(&mut bench)?;
    memory::run(&mut bench)?;
    if !bench.options.is_cheap {
        disk::run(&mut bench)?;
        growth::run(&mut bench)?;
    }
    if let Some((before, now)) = before.zip(Usage::now()) {
        let others = now.others_since(&before) * 100.0;
        let line = format!("Others had {others:.0} % of the machine meanwhile.");
        println!("\n{line}");
        bench.report.head.push(line);
    }
    bench.write()
}

/// What is measured, and what has come of it so far.
struct Bench {
    revoked: Contender,
    peers: Vec<Contender>,
    is_pinned: bool,
    options: Options,
    report: Report,
}

impl Bench {
    fn is_asked_for(&self, name: &str) -> bool {
        let filters = &self.options.filters;
        filters.is_empty() || filters.iter().any(|filter| name.contains(filter.as_str()))
    }

    /// The daemon, then the peers.
    fn contenders(&self) -> impl Iterator<Item = &Contender> {
        iter::once(&self.revoked).chain(&self.peers)
    }

    fn start_all(&self, persistence: Persistence) -> Outcome<Vec<Server>> {
        self.contenders().map(|contender| contender.start(persistence, self.is_pinned)).collect()
    }

    /// What is reported of a load.
    fn figures(&self) -> &'static [Figure] {
        if self.options.is_cheap { &[CPU] } else { &[RATE, CPU, P50, P99, P999] }
    }

    fn write(&self) -> Outcome<()> {
        let markdown = self.report.markdown();
        if self.options.output.is_markdown {
            println!("\n{markdown}");
        }
        if let Some(path) = &self.options.output.chart {
            fs::write(path, chart::draw(&self.report))?;
        }
        if self.options.output.is_readme {
            let readme = fs::read_to_string(README)?;
            let (before, rest) =
                readme.split_once(BEGIN).ok_or("README.md has no mark before the figures")?;
            let (_, after) = rest.split_once(END).ok_or("README.md has no mark behind the figures")?;
            fs::write(README, format!("{before}{BEGIN}\n{markdown}\n{END}{after}"))?;
        }
        Ok(())
    }
}

fn names() -> impl Iterator<Item = String> {
    let others = [&memory::NAMES[..], &disk::NAMES, &growth::NAMES].concat();
    works::names().chain(others.into_iter().map(str::to_owned))
}

/// In Markdown: where, and how it is measured.
fn head(options: &Options, is_pinned: bool) -> Vec<String> {
    let arguments = env::args().skip(1).filter(|argument| argument != "--bench");
    let arguments = [String::from("cargo bench --bench peers --")].into_iter().chain(arguments);
    let pinned = if is_pinned {
        "servers on CPU 0, the load on CPU 1"
    } else {
        "servers and load not kept to CPUs of their own: they may disturb each other"
    };
    vec![
        format!("`{}`", arguments.collect::<Vec<_>>().join(" ").trim_end_matches(" --")),
        format!("{}; {pinned}.", machine::describe()),
        format!(
            "{} rounds of {} s; {} members are looked up.",
            options.rounds,
            options.time.as_secs_f64(),
            report::number(options.members as f64)
        ),
    ]
}

/// Random UUIDs.
fn members(count: usize) -> Vec<u128> {
    let mut random = fastrand::Rng::new();
    iter::repeat_with(|| load::random_uuid(&mut random)).take(count).collect()
}

/// Makes the daemon as users get it: the one that Cargo builds along with benchmarks has failpoints in it. Returns a copy's
/// path, for the two are built to the same place.
fn build() -> Outcome<String> {
    let cargo = option_env!("CARGO").unwrap_or("cargo");
    let status = Command::new(cargo).args(["build", "--release", "--locked"]).status()?;
    if !status.success() {
        return Err("cargo build --release failed".into());
    }
    let copy = concat!(env!("CARGO_TARGET_TMPDIR"), "/revoked-release");
    fs::copy(env!("CARGO_BIN_EXE_revoked"), copy)?;
    Ok(copy.to_owned())
}

/// For thousands of clients, which are in this process.
fn raise_open_files() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    let _ = setrlimit(Resource::Nofile, limit);
}
