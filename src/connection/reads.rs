//! Reads of the store, answered where they were received.
//!
//! What comes in is decoded in memory that the connections of a thread use by turns, and the reads in front of all else
//! are answered from there. Only what has to wait, a write or a part of a request, is copied to the connection, which so
//! holds no memory of this kind while it is idle.

use std::cell::RefCell;
use std::io;
use std::mem;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::{Buf as _, BytesMut};
use tokio::io::ReadBuf;

use super::push::Event;
use super::{Connection, Decoded, Portion, ReadFunction, count_error, is_shown, put_reply, show};
use crate::command::{Command, Environment, Flag, Run};
use crate::limits::{
    KEPT_OUTPUT_BYTES, LOOKUPS_AHEAD, OUTPUT_BYTES, READ_BYTES, SMALL_BUFFER_BYTES, SPARE_BUFFERS,
    SPARE_SMALL_BUFFERS,
};
use crate::reply::Reply;
use crate::resp::Requests;
use crate::stats::now_ms;
use crate::store::{Ahead, Lookups, View};

thread_local! {
    static WORKSPACE: RefCell<Workspace> = RefCell::new(Workspace {
        received: vec![0; READ_BYTES].into(),
        spare: Vec::new(),
    });
}

/// What the connections of a thread work with by turns.
struct Workspace {
    received: Box<[u8]>,
    /// What nobody uses at present, at most [`SPARE_BUFFERS`]; of small ones, [`SPARE_SMALL_BUFFERS`].
    spare: Vec<Buffers>,
}

/// Room for requests and replies. There is nothing in it.
#[derive(Default)]
struct Buffers {
    requests: Requests,
    output: BytesMut,
}

impl Connection {
    /// Takes bytes in, behind those that are there. Ready with how many; 0 at the end of the stream.
    pub(super) fn poll_receive(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        WORKSPACE.with_borrow_mut(|Workspace { received, .. }| {
            let length = ready!(self.poll_read(context, received))?;
            self.input.extend_from_slice(&received[..length]);
            Poll::Ready(Ok(length))
        })
    }

    /// Takes bytes in, and answers the reads in front of all else.
    pub(super) fn poll_answer(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Event>> {
        if !self.input.is_empty() {
            return self.poll_receive(context).map_ok(Event::Received);
        }
        WORKSPACE.with_borrow_mut(|workspace| {
            let length = ready!(self.poll_read(context, &mut workspace.received))?;
            if length == 0 {
                return Poll::Ready(Ok(Event::Received(0)));
            }
            self.take_buffers(workspace);
            let is_answered = self.answer_in_place(&mut workspace.received[..length]);
            self.write_at_once(context)?;
            if !is_answered || !self.output.is_empty() || self.stream.has_unsent() {
                return Poll::Ready(Ok(Event::Received(length)));
            }
            self.give_buffers_back(workspace);
            self.client().query_bytes.store(self.input.len(), Relaxed);
            Poll::Ready(Ok(Event::Answered))
        })
    }

    /// Reads from the socket. Ready with how many bytes; 0 at the end of the stream.
    fn poll_read(&mut self, context: &mut Context<'_>, memory: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut read = ReadBuf::new(memory);
        ready!(self.stream.poll_read(context, &mut read))?;
        let length = read.filled().len();
        self.client().note_seen();
        self.services.environment.stats.net_input_bytes.add(length as u64);
        Poll::Ready(Ok(length))
    }

    /// Answers the reads in front of all else in what was received, and keeps what is behind them. Whether nothing of
    /// that can be executed before more comes.
    fn answer_in_place(&mut self, received: &mut [u8]) -> bool {
        let mut rest = received;
        loop {
            let mut requests = mem::take(&mut self.requests);
            let outcome = self.decode(rest, &mut requests);
            let next = self.answer_reads(Decoded::in_place(rest, &requests));
            let (count, consumed) = (requests.len(), requests.consumed());
            self.requests = requests;
            if next < count || outcome.is_err() {
                self.input.extend_from_slice(rest);
                self.portion = Some(Portion { next, outcome });
                return false;
            }
            rest = &mut rest[consumed..];
            let is_over = rest.is_empty() || count == 0;
            if is_over || self.output.len() >= OUTPUT_BYTES {
                self.input.extend_from_slice(rest);
                return is_over;
            }
        }
    }

    /// Executes the reads in front that can be executed at once. Returns how many those are.
    fn answer_reads(&mut self, decoded: Decoded<'_>) -> usize {
        let mut next = 0;
        while let Some(request) = decoded.get(next)
            && self.transaction.is_none()
            && !self.client().is_signalled()
            && !self.services.pause.is_active()
            && self.output.len() < OUTPUT_BYTES
            && let Ok(command) = self.command(request)
            && let Run::Read(read) = command.spec.run
            && !command.spec.has(Flag::Streamed)
        {
            let started = Instant::now();
            self.client().note_command(command.spec.name, started);
            next += self.read(next, command, read, decoded, started);
        }
        next
    }

    /// Executes the run of the same read that begins with request `first`: all of it at one moment of the store, and
    /// under one look at the clock. Those that may take long are executed one by one: each is charged its own time,
    /// and writers get their turn. Returns how many were executed.
    pub(super) fn read(
        &mut self,
        first: usize,
        command: Command,
        read: ReadFunction,
        decoded: Decoded<'_>,
        started: Instant,
    ) -> usize {
        let Self { services, session, output, .. } = self;
        let environment = &*services.environment;
        let Environment { store, stats, .. } = environment;
        let looked_up = command.looked_up();
        let most = if command.spec.is_slow_read() { 1 } else { decoded.alike(first, command) };
        let most = if session.may_everything() {
            most
        } else {
            // That the first is permitted was seen before.
            let mut others = decoded.range(first + 1..first + most);
            1 + others.position(|request| session.permit(command, request).is_err()).unwrap_or(most - 1)
        };
        let keyspace = store.read();
        let (moment, database) = (View::committed(&keyspace, now_ms()), session.database());
        let (mut executed, mut lookups, mut ahead) = (0, Lookups::default(), None);
        let is_shown = is_shown(environment, command);
        while executed < most && (executed == 0 || output.len() < OUTPUT_BYTES) {
            let at = first + executed;
            let each = looked_up.of(decoded.request(at)).len();
            let group = at..(at + (LOOKUPS_AHEAD / each.max(1)).max(1)).min(first + most);
            if each * group.len() > 1 {
                let ahead = ahead.get_or_insert_with(Ahead::default);
                ahead.clear();
                for request in decoded.range(group.clone()) {
                    looked_up.of(request).take(LOOKUPS_AHEAD).for_each(|wanted| ahead.want(wanted));
                }
                moment.look_ahead(database, ahead);
            } else {
                ahead = None;
            }
            let view = moment.with(ahead.as_ref());
            for request in decoded.range(group) {
                if executed > 0 && output.len() >= OUTPUT_BYTES {
                    break;
                }
                match read(&view, database, request) {
                    // Most are such: no error is to be counted, and nothing to be freed.
                    Ok(reply @ Reply::Integer(_)) => {
                        put_reply(&reply, session, stats, output);
                        mem::forget(reply);
                    }
                    answer => {
                        let reply = answer.unwrap_or_else(Reply::Error);
                        count_error(command, &reply, stats);
                        put_reply(&reply, session, stats, output);
                    }
                }
                if is_shown {
                    show(environment, session, command, request);
                }
                executed += 1;
            }
            lookups += view.lookups();
        }
        // What the count leads to is no reason to keep the writer waiting.
        drop(keyspace);
        stats.keyspace_hits.add(lookups.hits);
        stats.keyspace_misses.add(lookups.misses);
        self.count(command, decoded.range(first..first + executed), started.elapsed());
        executed
    }

    /// Writes what the system takes of the output at once.
    fn write_at_once(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        if self.output.is_empty() {
            return Ok(());
        }
        match self.stream.write_at_once(context, &self.output) {
            Ok(written) => {
                self.services.environment.stats.net_output_bytes.add(written as u64);
                if written == self.output.len() {
                    self.output.clear();
                } else {
                    self.output.advance(written);
                }
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Takes room for requests and replies, of which the connection has none while it is idle.
    pub(super) fn prepare(&mut self) {
        if self.portion.is_none() && self.output.capacity() == 0 {
            WORKSPACE.with_borrow_mut(|workspace| self.take_buffers(workspace));
        }
    }

    /// Gives it back: there is nothing in it any more.
    pub(super) fn rest(&mut self) {
        WORKSPACE.with_borrow_mut(|workspace| self.give_buffers_back(workspace));
    }

    fn take_buffers(&mut self, workspace: &mut Workspace) {
        let Buffers { requests, output } = workspace.spare.pop().unwrap_or_default();
        (self.requests, self.output) = (requests, output);
    }

    fn give_buffers_back(&mut self, workspace: &mut Workspace) {
        let requests = mem::take(&mut self.requests);
        let output = mem::take(&mut self.output);
        let are_small = output.capacity().max(requests.kept_bytes()) <= SMALL_BUFFER_BYTES;
        let most = if are_small { SPARE_SMALL_BUFFERS } else { SPARE_BUFFERS };
        if workspace.spare.len() < most && output.capacity() <= KEPT_OUTPUT_BYTES {
            workspace.spare.push(Buffers { requests, output });
        }
    }
}
