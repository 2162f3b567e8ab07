//! What is measured, how large and how long.

use std::time::Duration;

use clap::{Arg, ArgAction, value_parser};

/// Sizes of a set at which its memory is looked at.
const SIZES: [usize; 7] = [500_000, 1_000_000, 2_000_000, 3_000_000, 5_000_000, 7_000_000, 10_000_000];

/// Members whose files are measured and read again.
const ON_DISK: usize = 10_000_000;

/// Members that a set grows to.
const GROWN: usize = 20_000_000;

const IDLE: usize = 4_000;

pub(crate) struct Options {
    /// Parts of names; all, without any.
    pub(crate) filters: Vec<String>,
    /// Of the set that is read.
    pub(crate) members: usize,
    pub(crate) sizes: Vec<usize>,
    pub(crate) on_disk: usize,
    pub(crate) grown: usize,
    /// Connections that do nothing.
    pub(crate) idle: usize,
    /// Of a round.
    pub(crate) time: Duration,
    pub(crate) rounds: usize,
    at_most: usize,
    pub(crate) program: Program,
    pub(crate) is_alone: bool,
    pub(crate) is_cheap: bool,
    pub(crate) is_list: bool,
    pub(crate) output: Output,
}

/// Which daemon is measured.
pub(crate) enum Program {
    /// What `cargo build --release` makes.
    Release,
    /// What was built along with this.
    AsBuilt,
    At(String),
}

/// Where figures go, beside the lines that are printed as they come in.
pub(crate) struct Output {
    pub(crate) is_markdown: bool,
    pub(crate) is_readme: bool,
    pub(crate) chart: Option<String>,
}

impl Options {
    pub(crate) fn from_arguments() -> Self {
        let matches = arguments().get_matches();
        let is = |name: &str| matches.get_flag(name);
        let text = |name: &str| matches.get_one::<String>(name).cloned();
        // Cargo says `--bench` when it runs benchmarks; without it, this is a test.
        let is_test = is("test") || !is("bench");
        let is_cheap = is("cheap");
        let (most, seconds, rounds) = match (is_test, is_cheap) {
            (true, _) => (5_000, 0.02, 1),
            (false, true) => (200_000, 0.2, 3),
            (false, false) => (GROWN, 1.0, 5),
        };
        let number = |name: &str| matches.get_one::<u64>(name).map(|&number| number as usize);
        let at_most = if is_test { most } else { number("at-most").unwrap_or(most) };
        let members = number("members").unwrap_or(5_000_000).min(at_most);
        let mut sizes: Vec<usize> = SIZES.into_iter().filter(|&size| size <= at_most).collect();
        if sizes.is_empty() {
            sizes.push(at_most);
        }
        let seconds = matches.get_one::<f64>("seconds").copied().filter(|_| !is_test).unwrap_or(seconds);
        Self {
            filters: matches.get_many("filter").unwrap_or_default().cloned().collect(),
            members,
            sizes,
            on_disk: ON_DISK.min(at_most),
            grown: GROWN.min(at_most),
            idle: IDLE.min(at_most / 20),
            time: Duration::from_secs_f64(seconds),
            rounds: number("rounds").filter(|_| !is_test).unwrap_or(rounds),
            at_most,
            program: match text("program") {
                Some(path) => Program::At(path),
                None if is("as-built") || is_test || is_cheap => Program::AsBuilt,
                None => Program::Release,
            },
            is_alone: is("alone"),
            is_cheap,
            is_list: is("list"),
            output: Output {
                is_markdown: is("markdown"),
                is_readme: is("readme"),
                chart: text("chart").or_else(|| is("readme").then(|| CHART.to_owned())),
            },
        }
    }

    /// So many, or as many as there may be.
    pub(crate) fn at_most(&self, count: usize) -> usize {
        count.min(self.at_most)
    }
}

/// Where the README's chart is.
const CHART: &str = "benches/peers/chart.svg";

fn arguments() -> clap::Command {
    let flag = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
    };
    let number = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_parser(value_parser!(u64).range(1..)).help(help)
    };
    clap::Command::new("peers")
        .about("The daemon beside its peers, and what is asked of it")
        .arg(Arg::new("filter").num_args(0..).help("Only the works whose name contains one of these"))
        .arg(number("members", "Members and keys of those that are looked up [default: 5000000]"))
        .arg(number("at-most", "No set has more members [default: 20000000]"))
        .arg(
            Arg::new("seconds")
                .long("seconds")
                .value_parser(value_parser!(f64))
                .help("How long a round takes [default: 1]"),
        )
        .arg(number("rounds", "Of which the median counts [default: 5]"))
        .arg(Arg::new("program").long("program").help("A daemon built before"))
        .arg(flag("as-built", "The daemon that was built along with this, failpoints included"))
        .arg(flag("alone", "As where there is no peer"))
        .arg(flag("cheap", "Small sets, CPU time and memory alone; as built"))
        .arg(flag("list", "Print the names of works"))
        .arg(flag("markdown", "Print the table in Markdown, too"))
        .arg(Arg::new("chart").long("chart").value_name("FILE").help("Draw what came of it, as SVG"))
        .arg(flag("readme", "Write table and chart to where README.md has them"))
        .arg(flag("test", "Only see whether it runs"))
        .arg(flag("bench", "").hide(true))
}
