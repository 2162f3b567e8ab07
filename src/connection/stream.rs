//! SMEMBERS of a large set: its members are written as the set is walked, rather than gathered first.
//!
//! The store is held for a few hundred members at a time, and what was taken goes out before more is: so the reply
//! takes no more memory than any other, however slow the client is, and keeps nobody waiting. It is one moment of the
//! set all the same (see [`Walk`]). Messages for the client wait until the reply is complete; its end does not.

use std::io;
use std::time::{Duration, Instant};

use super::Connection;
use crate::command::{Command, Environment, Flag};
use crate::limits::{STREAMED_BYTES, STREAMED_MEMBERS, WALK_CHECK};
use crate::reply::Error;
use crate::request::Request;
use crate::resp;
use crate::stats::now_ms;
use crate::store::{Lost, TooManyWalks, View, Walk};

impl Connection {
    /// The walk with which a request is answered, if it asks for the members of one large set.
    pub(super) fn begin_walk(&self, command: Command, request: Request<'_>) -> Result<Option<Walk>, Error> {
        if !command.spec.has(Flag::Streamed) || request.len() != 2 {
            return Ok(None);
        }
        let Environment { store, stats, .. } = &*self.services.environment;
        let keyspace = store.read();
        let view = View::committed(&keyspace, now_ms());
        let walk = view.walk(self.session.database(), request.arg(1), STREAMED_MEMBERS);
        stats.keyspace_hits.add(view.lookups().hits);
        walk.map_err(|TooManyWalks| Error::TooManyWalks)
    }

    /// Answers a request by a walk. Returns 1, for it. It is charged the time for which it kept the server busy, not
    /// that which the client took.
    pub(super) async fn stream(
        &mut self,
        command: Command,
        request: Request<'_>,
        mut walk: Walk,
    ) -> io::Result<usize> {
        let mut busy = Busy::default();
        self.show(command, request);
        let outcome = self.write_members(&mut walk, &mut busy).await;
        end(walk);
        self.count(command, std::iter::once(request), busy.0);
        outcome.map(|()| 1)
    }

    async fn write_members(&mut self, walk: &mut Walk, busy: &mut Busy) -> io::Result<()> {
        if !self.session.takes_reply() {
            return Ok(());
        }
        resp::encode_set_header(walk.len(), self.protocol(), &mut self.output);
        while busy.during(|| self.gather_members(walk)).map_err(|Lost| self.lost())? {
            tokio::select! {
                biased;
                written = self.flush() => written?,
                () = lost(walk) => return Err(self.lost()),
            }
            // A client that takes all at once is not to keep others from this thread.
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    /// Encodes members until they are worth writing out. False behind the last.
    fn gather_members(&mut self, walk: &mut Walk) -> Result<bool, Lost> {
        let Self { services, output, .. } = self;
        output.reserve(STREAMED_BYTES);
        while output.len() < STREAMED_BYTES {
            // Whoever waits for the store has his turn after each step.
            let keyspace = services.environment.store.read();
            if !keyspace.step(walk, |member| resp::encode_bulk(member, output))? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The error with which the connection ends: the reply can't be completed.
    fn lost(&self) -> io::Error {
        let client = self.client();
        if let Some(left_out) = self.services.repeated.output_limit.may_log(Instant::now()) {
            tracing::warn!(
                client = client.id,
                address = %client.peer_address,
                left_out,
                "A client is disconnected: it takes the members of a set so slowly that what has changed meanwhile, or \
                 been removed, is more than is kept for it"
            );
        }
        self.services.environment.stats.output_limit_disconnections.add(1);
        io::Error::other("it is too slow for the changes of the set that it reads")
    }
}

/// For how long a request kept the server busy.
#[derive(Default)]
struct Busy(Duration);

impl Busy {
    fn during<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let started = Instant::now();
        let outcome = work();
        self.0 += started.elapsed();
        outcome
    }
}

/// Waits until a walk is lost.
async fn lost(walk: &Walk) {
    while !walk.is_lost() {
        tokio::time::sleep(WALK_CHECK).await;
    }
}

/// Ends a walk. What it holds is freed where nobody waits for this thread.
fn end(walk: Walk) {
    if walk.holds_something() {
        tokio::task::spawn_blocking(move || drop(walk));
    }
}
