//! CLIENT PAUSE: commands of all clients wait until a time, or until CLIENT UNPAUSE.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::Connection;
use super::push::Event;
use crate::command::{Command, PauseKind, Run, TransactionStep};
use crate::limits::{LONGEST_PAUSE, PAUSED_BYTES};

/// Whether commands have to wait, which, and how long.
#[derive(Debug, Default)]
pub struct Pause {
    /// Whether there is a pause that has not been seen to be over.
    is_active: AtomicBool,
    held: watch::Sender<Option<Held>>,
}

#[derive(Debug, Clone, Copy)]
struct Held {
    kind: PauseKind,
    until: Instant,
}

impl Pause {
    /// Whether there may be a pause. One load.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.is_active.load(Relaxed)
    }

    /// Has commands of this kind wait for so long. Of a pause that is not over yet, the later end and the wider
    /// kind count.
    pub fn begin(&self, kind: PauseKind, duration: Duration) {
        let now = Instant::now();
        let until = now + duration.min(LONGEST_PAUSE);
        self.held.send_modify(|held| {
            let before = held.filter(|held| held.until > now);
            *held = Some(match before {
                Some(held) => Held { kind: held.kind.max(kind), until: held.until.max(until) },
                None => Held { kind, until },
            });
            self.is_active.store(true, Relaxed);
        });
    }

    /// Has all commands go on.
    pub fn end(&self) {
        self.held.send_modify(|held| {
            *held = None;
            self.is_active.store(false, Relaxed);
        });
    }

    /// Whether a command has to wait.
    fn holds(&self, is_write: bool) -> bool {
        self.held.borrow().is_some_and(|held| held.holds(is_write))
    }

    /// Waits until a command need not wait any more.
    async fn is_over(&self, is_write: bool) {
        let mut changes = self.held.subscribe();
        loop {
            let held = *changes.borrow_and_update();
            match held {
                Some(held) if held.holds(is_write) => {
                    let _ = tokio::time::timeout_at(held.until, changes.changed()).await;
                }
                _ => break,
            }
        }
        self.forget_what_is_over();
    }

    fn forget_what_is_over(&self) {
        self.held.send_if_modified(|held| {
            let is_over = held.take_if(|held| held.until <= Instant::now()).is_some();
            if is_over {
                self.is_active.store(false, Relaxed);
            }
            is_over
        });
    }
}

impl Held {
    fn holds(self, is_write: bool) -> bool {
        (is_write || self.kind == PauseKind::All) && Instant::now() < self.until
    }
}

impl Connection {
    /// Waits until the command may be executed. False, if the connection ends before.
    ///
    /// It is read from meanwhile, a bounded part, so that a client that leaves is noticed.
    pub(super) async fn wait_for_unpause(&mut self, command: Command) -> io::Result<bool> {
        let is_write = self.is_write(command);
        // As in Redis, a monitor, which may not touch data anyway, goes on.
        if self.session.is_monitor() || !self.services.pause.holds(is_write) {
            self.services.pause.forget_what_is_over();
            return Ok(true);
        }
        self.flush().await?;
        self.client().is_paused.store(true, Relaxed);
        let may_go_on = self.wait_while_paused(is_write).await;
        self.client().is_paused.store(false, Relaxed);
        self.client().note_seen();
        may_go_on
    }

    async fn wait_while_paused(&mut self, is_write: bool) -> io::Result<bool> {
        let services = Arc::clone(&self.services);
        let mut is_over = pin!(services.pause.is_over(is_write));
        while !self.client().is_leaving() {
            let event = tokio::select! {
                biased;
                () = &mut is_over => return Ok(true),
                event = poll_fn(|context| self.poll_event(context, Self::poll_receive_paused)) => event?,
            };
            match event {
                Event::Received(0) | Event::Leaving => break,
                Event::Received(_) | Event::Answered => {}
                Event::Signalled => {
                    self.take_messages().await?;
                    self.flush().await?;
                }
            }
        }
        self.is_closing = true;
        Ok(false)
    }

    fn poll_receive_paused(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Event>> {
        if self.input.len() >= PAUSED_BYTES {
            return Poll::Pending;
        }
        self.poll_receive(context).map_ok(Event::Received)
    }

    /// Whether the command changes something, or others hear of it: also an EXEC of such a command.
    fn is_write(&self, command: Command) -> bool {
        match command.spec.run {
            Run::Transaction(TransactionStep::Execute) => {
                self.transaction.as_ref().is_some_and(super::Transaction::may_replicate)
            }
            _ => command.spec.may_replicate(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn writes_wait_and_reads_do_not_unless_all_do() {
        let pause = Pause::default();
        assert!(!pause.is_active() && !pause.holds(true));
        pause.begin(PauseKind::Write, LONG);
        assert!(pause.is_active() && pause.holds(true) && !pause.holds(false));
        pause.begin(PauseKind::All, LONG);
        assert!(pause.holds(true) && pause.holds(false));
        pause.end();
        assert!(!pause.is_active() && !pause.holds(true));
    }

    #[test]
    fn a_second_pause_widens_the_first_and_never_shortens_it() {
        let pause = Pause::default();
        pause.begin(PauseKind::All, LONG);
        pause.begin(PauseKind::Write, Duration::ZERO);
        assert!(pause.holds(false));
        pause.forget_what_is_over();
        assert!(pause.is_active());
    }

    #[test]
    fn a_pause_that_is_over_leaves_nothing() {
        let pause = Pause::default();
        pause.begin(PauseKind::All, Duration::ZERO);
        assert!(!pause.holds(true));
        pause.forget_what_is_over();
        assert!(!pause.is_active());
        pause.begin(PauseKind::Write, LONG);
        assert!(!pause.holds(false), "the kind of what is over does not count");
    }

    #[tokio::test]
    async fn what_waits_goes_on_when_the_pause_ends() {
        let pause = Arc::new(Pause::default());
        pause.begin(PauseKind::All, LONG);
        let waiting = tokio::spawn({
            let pause = Arc::clone(&pause);
            async move { pause.is_over(false).await }
        });
        while pause.held.receiver_count() == 0 {
            tokio::task::yield_now().await;
        }
        pause.end();
        waiting.await.unwrap();
        pause.begin(PauseKind::All, Duration::from_millis(1));
        pause.is_over(false).await;
        assert!(!pause.is_active());
    }

    #[test]
    fn the_longest_pause_is_bounded() {
        let pause = Pause::default();
        pause.begin(PauseKind::All, Duration::from_millis(i64::MAX as u64));
        assert!(pause.holds(false));
    }
}
