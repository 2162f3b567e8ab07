//! How far a tool is: a bar on a terminal, and nothing where standard error is none.

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

/// Time between two looks.
const INTERVAL: Duration = Duration::from_millis(200);

/// Work that ends earlier shows no bar.
const PATIENCE: Duration = Duration::from_millis(500);

const BAR_CHARACTERS: u64 = 30;

/// How far it is, to be shown.
pub(super) struct State {
    pub(super) what: &'static str,
    pub(super) done: u64,
    /// 0, if it is not known.
    pub(super) of: u64,
}

/// Counts what is done.
#[derive(Default)]
pub(super) struct Counter {
    pub(super) done: AtomicU64,
    /// 0, if it is not known.
    pub(super) of: AtomicU64,
}

impl Counter {
    pub(super) fn add(&self, count: u64) {
        self.done.fetch_add(count, Relaxed);
    }

    /// There are so many more to come.
    pub(super) fn expect(&self, count: u64) {
        self.of.fetch_add(count, Relaxed);
    }

    pub(super) fn set(&self, done: u64, of: u64) {
        self.done.store(done, Relaxed);
        self.of.store(of, Relaxed);
    }

    pub(super) fn state(&self, what: &'static str) -> State {
        match (self.done.load(Relaxed), self.of.load(Relaxed)) {
            // SQLite sorts before it hands out the first.
            (0, 0) => State { what: "reading", done: 0, of: 0 },
            (done, of) => State { what, done, of },
        }
    }
}

/// Does the work, and shows meanwhile what `look` sees of it.
pub(super) fn show<T>(look: impl Fn() -> State + Send, work: impl FnOnce() -> T) -> T {
    if !io::stderr().is_terminal() {
        return work();
    }
    let (done, ended) = mpsc::channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || draw(look, &ended));
        let outcome = work();
        drop(done);
        outcome
    })
}

fn draw(look: impl Fn() -> State, ended: &mpsc::Receiver<()>) {
    let started = Instant::now();
    let mut wait = PATIENCE;
    let mut is_drawn = false;
    while ended.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
        let _ = write!(io::stderr(), "\r{}\x1b[K", line(&look(), started.elapsed()));
        (wait, is_drawn) = (INTERVAL, true);
    }
    if is_drawn {
        let _ = write!(io::stderr(), "\r\x1b[K");
    }
}

/// `[#####.....]  50 % of 1000 rows, 3 s left`
fn line(state: &State, elapsed: Duration) -> String {
    let State { what, done, of } = *state;
    if of == 0 {
        let count = if done == 0 { String::new() } else { format!("{done} ") };
        return format!("{count}{what}, {} s", elapsed.as_secs());
    }
    let done = done.min(of);
    let filled = (BAR_CHARACTERS * done / of) as usize;
    let bar = "#".repeat(filled) + &".".repeat(BAR_CHARACTERS as usize - filled);
    let left = if done == 0 {
        String::new()
    } else {
        let seconds = elapsed.as_secs_f64() * (of - done) as f64 / done as f64;
        format!(", {seconds:.0} s left")
    };
    format!("[{bar}] {:>3} % of {of} {what}{left}", 100 * done / of)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_far_it_is() {
        let shown = |done, of| line(&State { what: "rows", done, of }, Duration::from_secs(10));
        assert_eq!(shown(0, 0), "rows, 10 s");
        assert_eq!(shown(7, 0), "7 rows, 10 s");
        assert_eq!(shown(0, 10), format!("[{}]   0 % of 10 rows", ".".repeat(30)));
        assert_eq!(
            shown(5, 10),
            format!("[{}{}]  50 % of 10 rows, 10 s left", "#".repeat(15), ".".repeat(15))
        );
        assert_eq!(shown(11, 10), format!("[{}] 100 % of 10 rows, 0 s left", "#".repeat(30)));
    }
}
