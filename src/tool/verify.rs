//! `revoked verify FILE`: is this data file sound, and what is in it?

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use super::Error;
use super::progress::{self, State};
use crate::journal::{Progress, Stage, Summary, verify};

/// Looks at a data file in full, and leaves it as it is. Returns what there is to say of a sound one.
///
/// # Errors
///
/// If it is not sound, is in use, or can't be read.
pub fn run(file: &Path) -> Result<String, Error> {
    let (started, progress) = (Instant::now(), Progress::default());
    let summary = progress::show(|| look(&progress), || verify(file, &progress))?;
    Ok(describe(&summary, started.elapsed()))
}

/// How far it is.
pub(super) fn look(progress: &Progress) -> State {
    match progress.stage() {
        Stage::Log => State { what: "reading the write-ahead log", done: 0, of: 0 },
        Stage::Pages => State { what: "checking the pages", done: 0, of: 0 },
        Stage::Rows { read, of } => State { what: "rows checked", done: read, of },
    }
}

fn describe(summary: &Summary, took: Duration) -> String {
    let Summary { path, log: (frames, transactions), dropped, rows, keys, members, ends, times } = summary;
    let mut text = format!("{} is sound.\n", path.display());
    let mut line = |name: &str, value: String| {
        let _ = writeln!(text, "{name:<12}{value}");
    };
    if let Some((first, last)) = times {
        line("first row", first.clone());
        line("last row", last.clone());
    }
    line("rows", rows.to_string());
    line("keys", keys.to_string());
    line("members", members.to_string());
    line("with an end", format!("{ends} keys and members"));
    line("log", format!("{frames} frames, {transactions} transactions"));
    line("took", format!("{:.1} s", took.as_secs_f64()));
    if let Some(dropped) = dropped {
        let _ = writeln!(text, "{dropped}; the next start does that.");
    }
    text
}
