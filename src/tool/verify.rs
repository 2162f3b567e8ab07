//! `revoked verify FILE`: is this data file sound, and what is in it?

use std::fmt::Write as _;
use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use crate::journal::{OpenError, Progress, Stage, Summary, verify};

/// Time between two lines about how far it is.
const REPORT_INTERVAL: Duration = Duration::from_secs(2);

/// Looks at a data file in full, and leaves it as it is. Returns what there is to say of a sound one.
///
/// # Errors
///
/// If it is not sound, is in use, or can't be read.
pub fn run(file: &Path) -> Result<String, OpenError> {
    let (started, progress) = (Instant::now(), Progress::default());
    let (done, ended) = mpsc::channel::<()>();
    let outcome = thread::scope(|scope| {
        let progress = &progress;
        scope.spawn(move || report(progress, started, &ended));
        let outcome = verify(file, progress);
        drop(done);
        outcome
    });
    outcome.map(|summary| describe(&summary, started.elapsed()))
}

/// Prints how far it is until it is done.
fn report(progress: &Progress, started: Instant, ended: &mpsc::Receiver<()>) {
    while ended.recv_timeout(REPORT_INTERVAL) == Err(RecvTimeoutError::Timeout) {
        let what = match progress.stage() {
            Stage::Log => "reading the write-ahead log".to_owned(),
            Stage::Pages => "checking the pages".to_owned(),
            Stage::Rows { read, of } => format!("row {read} of {of} ({} %)", read * 100 / of.max(1)),
        };
        eprintln!("{} s: {what}", started.elapsed().as_secs());
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
