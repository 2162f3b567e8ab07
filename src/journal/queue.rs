//! What waits for the writer. A connection has one batch under way at most, and all of them together take
//! [`QUEUED_BYTES`]: who comes when that is used up waits until others are answered.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit, oneshot};

use super::{Closed, Item, SyncPolicy};
use crate::limits::QUEUED_BYTES;
use crate::reply::Reply;

/// A client's batch.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) items: Vec<Item>,
    /// Room for the replies to them.
    pub(super) replies: Vec<Reply>,
    pub(super) reply: oneshot::Sender<Vec<Reply>>,
}

impl Batch {
    pub(super) fn new(items: Vec<Item>, reply: oneshot::Sender<Vec<Reply>>) -> Self {
        Self { replies: Vec::with_capacity(items.len()), items, reply }
    }
}

/// All that waited at one moment.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    pub(super) batches: Vec<Batch>,
    pub(super) checkpoints: Vec<oneshot::Sender<Result<(), String>>>,
    pub(super) syncs: Vec<oneshot::Sender<Result<(), String>>>,
    /// Compaction is asked for.
    pub(super) compacts: bool,
    /// The policy that counts from the batches on that came with it, if it is another.
    pub(super) policy: Option<SyncPolicy>,
    /// Nothing more will come.
    pub(super) is_closed: bool,
    /// Whether the writer waits for something to come. To notify nobody costs a system call, too.
    is_awaited: bool,
}

impl Waiting {
    pub(super) fn is_idle(&self) -> bool {
        self.batches.is_empty()
            && self.checkpoints.is_empty()
            && self.syncs.is_empty()
            && self.policy.is_none()
            && !self.compacts
            && !self.is_closed
    }

    fn take(&mut self) -> Self {
        let is_closed = self.is_closed;
        Self { is_closed, ..std::mem::replace(self, Self { is_closed, ..Self::default() }) }
    }
}

#[derive(Debug)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    arrival: Condvar,
    /// Bytes that batches may still take.
    room: Semaphore,
}

impl Default for Queue {
    fn default() -> Self {
        Self { waiting: Mutex::default(), arrival: Condvar::new(), room: Semaphore::new(QUEUED_BYTES) }
    }
}

impl Queue {
    /// Waits for room for a batch of so many bytes, behind those who came before. It is taken until the permit is
    /// dropped.
    pub(super) async fn room_for(&self, bytes: usize) -> Result<SemaphorePermit<'_>, Closed> {
        // What would never fit has all the room to itself.
        self.room.acquire_many(bytes.min(QUEUED_BYTES) as u32).await.map_err(|_| Closed)
    }

    pub(super) fn push(&self, batch: Batch) -> Result<(), Closed> {
        self.add(|waiting| waiting.batches.push(batch))
    }

    pub(super) fn push_checkpoint(&self, done: oneshot::Sender<Result<(), String>>) -> Result<(), Closed> {
        self.add(|waiting| waiting.checkpoints.push(done))
    }

    pub(super) fn push_sync(&self, done: oneshot::Sender<Result<(), String>>) -> Result<(), Closed> {
        self.add(|waiting| waiting.syncs.push(done))
    }

    pub(super) fn push_compaction(&self) -> Result<(), Closed> {
        self.add(|waiting| waiting.compacts = true)
    }

    pub(super) fn set_policy(&self, policy: SyncPolicy) -> Result<(), Closed> {
        self.add(|waiting| waiting.policy = Some(policy))
    }

    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.arrival.notify_one();
    }

    /// Takes all that has come, if anything has.
    pub(super) fn take_at_once(&self) -> Option<Waiting> {
        let mut waiting = self.lock();
        (!waiting.is_idle()).then(|| waiting.take())
    }

    /// Waits until something has come, for `timeout` at most, and takes all of it.
    pub(super) fn take(&self, timeout: Option<Duration>) -> Waiting {
        let mut waiting = self.lock();
        waiting.is_awaited = true;
        let mut waiting = match timeout {
            None => self.arrival.wait_while(waiting, |waiting| waiting.is_idle()),
            Some(timeout) => self
                .arrival
                .wait_timeout_while(waiting, timeout, |waiting| waiting.is_idle())
                .map(|(waiting, _)| waiting)
                .map_err(|error| PoisonError::new(error.into_inner().0)),
        }
        .unwrap_or_else(PoisonError::into_inner);
        waiting.is_awaited = false;
        waiting.take()
    }

    /// Only the first that comes to an idle writer wakes it: the others find it on its way.
    fn add(&self, add: impl FnOnce(&mut Waiting)) -> Result<(), Closed> {
        let mut waiting = self.lock();
        if waiting.is_closed {
            return Err(Closed);
        }
        add(&mut waiting);
        let is_awaited = std::mem::take(&mut waiting.is_awaited);
        drop(waiting);
        if is_awaited {
            self.arrival.notify_one();
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_batch_waits_until_there_is_room_for_it() {
        let queue = Queue::default();
        let first = queue.room_for(QUEUED_BYTES - 10).await.unwrap();
        let second = queue.room_for(10).await.unwrap();
        let mut third = std::pin::pin!(queue.room_for(11));
        assert!(futures_util::poll!(&mut third).is_pending());
        drop(second);
        assert!(futures_util::poll!(&mut third).is_pending());
        drop(first);
        drop(third.await.unwrap());
        let whole = queue.room_for(usize::MAX).await.unwrap();
        assert_eq!(whole.num_permits(), QUEUED_BYTES, "what never fits has it all");
    }
}
