//! What others send a connection, or do to it, while it waits and between its requests.

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll};
use std::time::Instant;

use super::{Connection, Progress};
use crate::clients::End;
use crate::limits::{OUTBOX_CHECK, OUTPUT_BYTES};
use crate::outbox::Backlog;

/// What an idle connection is woken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// Requests came in, and are answered.
    Answered,
    /// So many bytes came in; 0 at the end of the stream.
    Received(usize),
    /// Others have sent it something, or ended it.
    Signalled,
    /// The server ends.
    Leaving,
}

impl Connection {
    /// Waits for requests, and for what others do. Reads are answered at once.
    pub(super) async fn event(&mut self) -> io::Result<Event> {
        poll_fn(|context| self.poll_event(context, Self::poll_answer)).await
    }

    /// The same, with what is done about what comes in.
    pub(super) fn poll_event(
        &mut self,
        context: &mut Context<'_>,
        receive: impl FnOnce(&mut Self, &mut Context<'_>) -> Poll<io::Result<Event>>,
    ) -> Poll<io::Result<Event>> {
        self.listen(context);
        if self.client().is_leaving() {
            return Poll::Ready(Ok(Event::Leaving));
        }
        // Requests first: messages are sent before each, so that neither keeps the other waiting.
        if let Poll::Ready(event) = receive(self, context) {
            return Poll::Ready(event);
        }
        if self.client().is_signalled() { Poll::Ready(Ok(Event::Signalled)) } else { Poll::Pending }
    }

    /// Leaves word of how this task is woken. Tokio keeps to one waker for a task: nearly always it is known.
    fn listen(&mut self, context: &Context<'_>) {
        if !self.waker.as_ref().is_some_and(|known| known.will_wake(context.waker())) {
            self.waker = Some(context.waker().clone());
            self.client().wake_by(context.waker());
        }
    }

    /// The error with which the connection ends, if it has to.
    pub(super) fn end(&mut self, context: &Context<'_>) -> Option<io::Error> {
        self.listen(context);
        self.check_end().err()
    }

    /// Whether it may go on: nobody has ended it, and its user may do what it does.
    fn check_end(&mut self) -> io::Result<()> {
        if let Some(end) = self.client().end() {
            return Err(self.ended(end));
        }
        if !self.session.review(&self.services.environment) {
            return Err(io::Error::other("its user is gone, or may not listen to its channels any more"));
        }
        Ok(())
    }

    /// Sends what others have sent this client.
    pub(super) async fn push(&mut self) -> io::Result<()> {
        self.prepare();
        self.take_messages().await?;
        self.flush().await?;
        self.rest();
        Ok(())
    }

    /// Moves the messages that wait to the output: not those that come meanwhile, of which there may always be
    /// more.
    pub(super) async fn take_messages(&mut self) -> io::Result<()> {
        self.check_end()?;
        let (mut left, _) = self.client().outbox_size();
        while left > 0 {
            let taken = self.session.client().take_messages(left, OUTPUT_BYTES, &mut self.output);
            if self.output.len() >= OUTPUT_BYTES {
                self.flush().await?;
            } else if taken == 0 {
                break;
            }
            left -= taken;
        }
        Ok(())
    }

    /// Waits until some of the output is written, or the client has sent something; a client that takes nothing is
    /// looked at from time to time, whether it has done so for too long.
    pub(super) async fn progress(&mut self, written: usize, has_ended: bool) -> io::Result<Progress> {
        let progress = poll_fn(|context| self.poll_progress(context, written, has_ended));
        if let Ok(progress) = tokio::time::timeout(OUTBOX_CHECK, progress).await {
            return progress;
        }
        self.client().check_outbox(Instant::now());
        Ok(Progress::Nothing)
    }

    /// Ends the connection if so much output has waited for the client for too long.
    pub(super) fn keep_within_limit(&self, backlog: &mut Backlog, bytes: usize) -> io::Result<()> {
        let limits = self.services.environment.settings.output_limits();
        let limit = if self.client().is_subscriber() { limits.pubsub } else { limits.normal };
        if backlog.is_within(limit, bytes as u64, Instant::now()) {
            Ok(())
        } else {
            Err(self.ended(End::OverLimit))
        }
    }

    fn ended(&self, end: End) -> io::Error {
        let client = self.client();
        match end {
            End::Killed => io::Error::other("a client ended it"),
            End::Idle => io::Error::other("it was idle for longer than timeout"),
            End::OverLimit => {
                if let Some(left_out) = self.services.repeated.output_limit.may_log(Instant::now()) {
                    tracing::warn!(
                        client = client.id,
                        address = %client.peer_address,
                        left_out,
                        "A client is disconnected: it does not take what is sent to it (client-output-buffer-limit)"
                    );
                }
                self.services.environment.stats.output_limit_disconnections.add(1);
                io::Error::other("it is over its client-output-buffer-limit")
            }
        }
    }
}
