//! What was measured, beside what is asked of it: as lines while it is measured, as Markdown and as a chart.

use std::fmt::Write as _;

/// What a number tells.
#[derive(Clone, Copy)]
pub(crate) struct Figure {
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) is_more_better: bool,
}

const fn cost(name: &'static str, unit: &'static str) -> Figure {
    Figure { name, unit, is_more_better: false }
}

pub(crate) const RATE: Figure = Figure { name: "throughput", unit: "/s", is_more_better: true };
pub(crate) const CPU: Figure = cost("CPU per op", "us");
pub(crate) const P50: Figure = cost("p50", "us");
pub(crate) const P99: Figure = cost("p99", "us");
pub(crate) const P999: Figure = cost("p99.9", "us");
pub(crate) const WORST: Figure = cost("worst", "us");
pub(crate) const MEMORY: Figure = cost("resident", "bytes");
pub(crate) const DISK: Figure = cost("on disk", "bytes");
pub(crate) const SIZE: Figure = cost("size", "MB");
pub(crate) const START: Figure = cost("first PONG", "ms");
pub(crate) const GROWTH: Figure = cost("CPU, to that before", "x");

/// What is asked of a figure.
#[derive(Clone, Copy)]
pub(crate) enum Bar {
    /// To the better peer's, in the same run; or to what the row says.
    RatioAtMost(f64),
    RatioAtLeast(f64),
    /// By itself.
    AtMost(f64),
}

/// A figure of one work.
pub(crate) struct Row {
    pub(crate) work: String,
    pub(crate) figure: Figure,
    pub(crate) ours: f64,
    /// In the peers' order; none where they have no such thing.
    pub(crate) peers: Vec<f64>,
    /// Of the server that parses nothing.
    pub(crate) kernel: Option<f64>,
    /// Of ours to the better peer's, or to what the work says.
    pub(crate) ratio: Option<f64>,
    pub(crate) bars: Vec<Bar>,
    /// Whether the load was what was measured.
    pub(crate) is_bound_by_load: bool,
}

impl Row {
    /// Of rounds, in which the daemon comes first, then the peers.
    pub(crate) fn new(work: &str, figure: Figure, rounds: &[Vec<f64>], bars: &[Bar]) -> Self {
        let of = |index: usize| median(rounds.iter().map(|round| round[index]));
        let peers: Vec<f64> = (1..rounds[0].len()).map(of).collect();
        let better = (1..rounds[0].len()).min_by(|&a, &b| {
            let order = of(a).total_cmp(&of(b));
            if figure.is_more_better { order.reverse() } else { order }
        });
        Self {
            work: work.to_owned(),
            figure,
            ours: of(0),
            peers,
            kernel: None,
            ratio: better.map(|better| median(rounds.iter().map(|round| round[0] / round[better]))),
            bars: bars.to_vec(),
            is_bound_by_load: false,
        }
    }

    /// None where there is no bar, or nothing to compare with.
    fn is_met(&self) -> Option<bool> {
        let is_met = |bar: &Bar| match *bar {
            Bar::RatioAtMost(most) => self.ratio.map(|ratio| ratio <= most),
            Bar::RatioAtLeast(least) => self.ratio.map(|ratio| ratio >= least),
            Bar::AtMost(most) => Some(self.ours <= most),
        };
        self.bars.iter().filter_map(is_met).reduce(|a, b| a && b)
    }

    fn bars(&self) -> String {
        let text = |bar: &Bar| match *bar {
            Bar::RatioAtMost(most) => format!("<= {most} x"),
            Bar::RatioAtLeast(least) => format!(">= {least} x"),
            Bar::AtMost(most) => format!("<= {} {}", number(most), self.figure.unit),
        };
        self.bars.iter().map(text).collect::<Vec<_>>().join(", ")
    }

    fn verdict(&self) -> &'static str {
        match self.is_met() {
            Some(true) => "met",
            Some(false) => "NOT MET",
            None => "",
        }
    }

    fn ratio(&self) -> String {
        self.ratio.map_or_else(String::new, |ratio| format!("{ratio:.2} x"))
    }

    pub(crate) fn figure(&self) -> String {
        format!("{}, {}", self.figure.name, self.figure.unit)
    }

    fn peer(&self, index: usize) -> String {
        self.peers.get(index).map_or_else(|| "-".to_owned(), |&value| number(value))
    }

    fn kernel(&self) -> String {
        self.kernel.map_or_else(String::new, number)
    }
}

/// Rows as they come in.
pub(crate) struct Report {
    /// Names of the peers.
    pub(crate) peers: Vec<String>,
    /// What was measured with which, and where.
    pub(crate) head: Vec<String>,
    pub(crate) rows: Vec<Row>,
    /// What is to be said besides.
    pub(crate) notes: Vec<String>,
}

impl Report {
    pub(crate) fn print_head(&self) {
        for line in &self.head {
            println!("{line}");
        }
        print!("\n{:62}{:24}{:>10}", "work", "figure", "revoked");
        self.peers.iter().for_each(|peer| print!("{peer:>14}"));
        println!("{:>14}{:>10}  bar", "kernel alone", "ratio");
    }

    /// Prints it, and keeps it.
    pub(crate) fn add(&mut self, row: Row) {
        print!("{:62}{:24}{:>10}", row.work, row.figure(), number(row.ours));
        (0..self.peers.len()).for_each(|index| print!("{:>14}", row.peer(index)));
        print!("{:>14}{:>10}  {}", row.kernel(), row.ratio(), row.bars());
        if row.is_met().is_some() {
            print!(": {}", row.verdict());
        }
        println!("{}", if row.is_bound_by_load { "  (bound by the load)" } else { "" });
        self.rows.push(row);
    }

    /// Prints and keeps what belongs to the rows before.
    pub(crate) fn note(&mut self, text: String) {
        println!("    ({text})");
        self.notes.push(text);
    }

    /// What was asked and whether it is so; then, folded, every figure.
    pub(crate) fn markdown(&self) -> String {
        let mut text = String::new();
        let _ = writeln!(text, "{}\n", self.head.join("  \n"));
        self.markdown_table(&mut text, self.rows.iter().filter(|row| !row.bars.is_empty()));
        text.push_str("\n<details><summary>Every figure</summary>\n\n");
        self.markdown_table(&mut text, self.rows.iter());
        for note in &self.notes {
            let _ = writeln!(text, "\n{note}.");
        }
        text.push_str("\n</details>\n");
        text
    }

    fn markdown_table<'a>(&self, text: &mut String, rows: impl Iterator<Item = &'a Row>) {
        let peers = self.peers.join(" | ");
        let separator = if peers.is_empty() { "" } else { " | " };
        let _ =
            writeln!(text, "| work | figure | revoked{separator}{peers} | kernel alone | ratio | bar | |");
        let _ = writeln!(text, "|---|---|{}---:|---:|---|---|", "---:|".repeat(1 + self.peers.len()));
        for row in rows {
            let bound = if row.is_bound_by_load { " (bound by the load)" } else { "" };
            let _ = write!(text, "| {} | {}{bound} | {} |", row.work, row.figure(), number(row.ours));
            for index in 0..self.peers.len() {
                let _ = write!(text, " {} |", row.peer(index));
            }
            let (kernel, ratio, bars) = (row.kernel(), row.ratio(), row.bars());
            let _ = writeln!(text, " {kernel} | {ratio} | {bars} | {} |", row.verdict());
        }
    }
}

/// Three digits or more, with commas.
pub(crate) fn number(value: f64) -> String {
    if !value.is_finite() {
        return "-".to_owned();
    }
    let decimals = match value.abs() {
        ..1.0 => 3,
        1.0..10.0 => 2,
        10.0..100.0 => 1,
        _ => 0,
    };
    let text = format!("{value:.decimals$}");
    if decimals > 0 {
        return text.trim_end_matches('0').trim_end_matches('.').to_owned();
    }
    let groups: Vec<&str> =
        text.as_bytes().rchunks(3).rev().filter_map(|group| std::str::from_utf8(group).ok()).collect();
    groups.join(",")
}

pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
