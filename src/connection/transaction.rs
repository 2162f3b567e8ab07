//! MULTI to EXEC: what a connection queues, to have it executed as one.

use crate::command::{Command, Flag, Run, Scope, selected_database};
use crate::journal::{Item, Query};
use crate::limits::{QUEUED_SLOW_READS, REQUEST_BYTES};
use crate::op::Op;
use crate::reply::{Error, Reply};
use crate::request::{OwnedRequest, Request, Span};

/// What was queued since MULTI.
#[derive(Debug, Default)]
pub(super) struct Transaction {
    queued: Vec<Queued>,
    /// What these take.
    bytes: usize,
    slow_reads: usize,
    /// Something could not be queued: EXEC is going to refuse the whole.
    is_void: bool,
}

/// A request that waits for EXEC.
#[derive(Debug)]
pub(super) struct Queued {
    pub(super) command: Command,
    pub(super) request: OwnedRequest,
}

/// Who answers a queued request.
#[derive(Debug)]
pub(super) enum Answer {
    /// The journal, in the order of its items.
    Journal,
    /// The connection itself, once the journal has done its part.
    Connection,
    /// Nobody: it is wrong.
    Known(Reply),
}

impl Transaction {
    /// Queues a request; one that is going to be refused need not be kept.
    pub(super) fn queue(&mut self, command: Command, request: Request<'_>) -> Result<(), Error> {
        if self.is_void {
            return Ok(());
        }
        let argument_bytes = |argument: &[u8]| argument.len() + size_of::<Span>();
        self.bytes += size_of::<Queued>() + request.args(0).map(argument_bytes).sum::<usize>();
        self.slow_reads += usize::from(command.spec.is_slow_read());
        if command.spec.has(Flag::NoMulti) {
            return Err(Error::NotInTransaction);
        }
        if self.bytes > REQUEST_BYTES || self.slow_reads > QUEUED_SLOW_READS {
            return Err(Error::TooManyQueued);
        }
        // A copy: sharing would keep all that was read together with it.
        let request = OwnedRequest::from_args(&request.args(0).collect::<Vec<_>>());
        self.queued.push(Queued { command, request });
        Ok(())
    }

    /// Has EXEC refuse the whole.
    pub(super) fn make_void(&mut self) {
        *self = Self { is_void: true, ..Self::default() };
    }

    pub(super) fn is_void(&self) -> bool {
        self.is_void
    }

    pub(super) fn len(&self) -> usize {
        self.queued.len()
    }

    /// Whether it changes something, or others hear of it.
    pub(super) fn may_replicate(&self) -> bool {
        self.queued.iter().any(|queued| queued.command.spec.may_replicate())
    }

    /// Whether something in it needs memory.
    pub(super) fn needs_memory(&self) -> bool {
        self.queued.iter().any(|queued| queued.command.spec.has(Flag::DenyOom))
    }

    pub(super) fn into_queued(self) -> Vec<Queued> {
        self.queued
    }

    /// What the journal is to execute, and who answers each request. Those that are not permitted any more are answered
    /// that.
    pub(super) fn plan(
        &self,
        scope: &Scope<'_>,
        permit: impl Fn(Command, Request<'_>) -> Result<(), Error>,
    ) -> (Vec<Item>, Vec<Answer>) {
        let mut database = scope.database;
        let mut items = Vec::new();
        let mut answers = Vec::with_capacity(self.queued.len());
        for Queued { command, request } in &self.queued {
            if let Err(error) = permit(*command, request.as_request()) {
                answers.push(Answer::Known(error.into()));
                continue;
            }
            answers.push(match command.spec.run {
                Run::Read(read) => {
                    items.push(Item::Read(Query { read, database, request: request.clone() }));
                    Answer::Journal
                }
                Run::Write(make) => match make(&Scope { database, ..*scope }, request.as_request()) {
                    Ok(change) => {
                        items.push(Item::Write(Op { database, change }));
                        Answer::Journal
                    }
                    Err(error) => Answer::Known(error.into()),
                },
                Run::Session(_) | Run::Control(_) | Run::Transaction(_) | Run::Container => {
                    Answer::Connection
                }
            });
            database = selected_database(*command, request.as_request()).unwrap_or(database);
        }
        (items, answers)
    }
}
