//! What the supervisor of the process is told while it runs: how the start goes on, how the server is, and that neither
//! its threads nor the writer hang.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use std::{fs, io};

use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use crate::connection::Services;
use crate::journal::WRITER_THREAD;
use crate::limits::{DATABASES, LOADING_EXTENSION, LOADING_REPORT, STATUS_REPORT, WRITER_LOOKS};
use crate::stats::now_ms;
use crate::systemd::Notifier;

/// Says how it stands, until the task is dropped.
pub(super) async fn report(services: Arc<Services>, notifier: Arc<Notifier>) {
    if !notifier.is_heard() {
        return;
    }
    let mut loaded = None;
    while services.environment.stats.journal.loading.load(Relaxed) {
        let rows = services.environment.stats.journal.rows_loaded.load(Relaxed);
        // Whoever replays on and on is given the time. Whoever does not, has as much as the unit allows.
        if loaded.replace(rows) == Some(rows) {
            notifier.status(&status(&services));
        } else {
            notifier.still_starting(&status(&services), LOADING_EXTENSION);
        }
        sleep(LOADING_REPORT).await;
    }
    let mut told = String::new();
    loop {
        sleep(STATUS_REPORT).await;
        let now = status(&services);
        if now != told {
            notifier.status(&now);
            told = now;
        }
    }
}

/// How the server is, in a line.
pub(super) fn status(services: &Services) -> String {
    let environment = &services.environment;
    let journal = &environment.stats.journal;
    if journal.loading.load(Relaxed) {
        let (total, loaded) = (journal.rows_to_load.load(Relaxed), journal.rows_loaded.load(Relaxed));
        let percent = loaded * 100 / total.max(1);
        return format!("Loading: {percent} % ({loaded} of {total} rows)");
    }
    if let Some(problem) = journal.problem() {
        return format!("Writes are refused, reads go on: {problem}");
    }
    let keys: usize = {
        let (keyspace, now_ms) = (environment.store.read(), now_ms());
        (0..DATABASES).map(|database| keyspace.len_at(database, now_ms)).sum()
    };
    let counted = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    format!("Serving {} to {}", counted(keys, "key"), counted(environment.clients.len(), "client"))
}

/// Says three times within what the watchdog allows that a thread which serves clients and the writer both move: a batch
/// of nothing goes through both.
///
/// A writer that waits for the disk is no reason to be restarted, however long that takes: reads are answered
/// meanwhile, while a server that is started anew would answer nobody, and find the same disk.
pub(super) async fn watch(services: Arc<Services>, notifier: Arc<Notifier>) {
    let Some(allowed) = notifier.watchdog() else { return };
    let each = allowed / 3;
    let mut ticks = interval(each);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let answer = tokio::select! {
            biased;
            answer = timeout(each, services.journal.probe()) => answer.ok(),
            () = disk_wait(each) => {
                tracing::warn!("The disk does not answer: writes wait for it, reads go on");
                notifier.status("The disk does not answer: writes wait for it, reads go on");
                Some(Ok(()))
            }
        };
        match answer {
            Some(Ok(())) => notifier.alive(),
            // The server ends.
            Some(Err(_)) => return,
            None => tracing::error!(
                "The writer has not answered for {} ms, and does not wait for the disk: the watchdog is not told that all \
                 is well",
                each.as_millis()
            ),
        }
    }
}

/// Done towards the end of `patience`, if the writer was seen to wait for the disk meanwhile; otherwise never.
async fn disk_wait(patience: Duration) {
    let mut has_waited = false;
    for _ in 0..WRITER_LOOKS {
        // It is looked at behind the sleep: at first it is given time to answer.
        sleep(patience / (WRITER_LOOKS + 1)).await;
        has_waited |= waits_for_disk().unwrap_or(false);
    }
    if !has_waited {
        std::future::pending::<()>().await;
    }
}

/// Whether the writer sleeps in the kernel so that nothing wakes it but a device: state D.
fn waits_for_disk() -> io::Result<bool> {
    for task in fs::read_dir("/proc/self/task")? {
        let path = task?.path();
        if is_writer(&path) {
            let stat = fs::read_to_string(path.join("stat"))?;
            return Ok(state(&stat) == Some('D'));
        }
    }
    Ok(false)
}

fn is_writer(task: &Path) -> bool {
    fs::read_to_string(task.join("comm")).is_ok_and(|name| name.trim_end() == WRITER_THREAD)
}

/// The state in `/proc/.../stat`: it stands behind the name, which is in parentheses and may have some in it.
fn state(stat: &str) -> Option<char> {
    stat.rsplit_once(')')?.1.trim_start().chars().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_of_a_thread_stands_behind_its_name() {
        assert_eq!(state("123 (writer) D 1 2 3"), Some('D'));
        assert_eq!(state("123 (odd) R) S 1 2 3"), Some('S'));
        assert_eq!(state(""), None);
        let own = fs::read_to_string("/proc/thread-self/stat").unwrap();
        assert_eq!(state(&own), Some('R'));
    }
}
