//! The journal: an ordered, durable list of effects, and the one thread that decides its order.
//!
//! The rest of the program sees [`Journal::submit`]: a batch of ops and of reads that stand behind them goes
//! in, and when it comes back, what it changed is on disk and in the store. Nothing outside this module may
//! assume that the order is decided in this process: a replicated log can take its place.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::op::Op;
use crate::pubsub::PubSub;
use crate::reply::{Error, Reply};
use crate::request::{OwnedRequest, Request};
use crate::stats::Stats;
use crate::store::{Store, View};

pub use self::backup::{Claim, CopyError, check_copy, copy};
pub use self::error::OpenError;
pub use self::log::Tear;
pub use self::offline::compact;
pub use self::present::{Content, Present, read_present};
pub use self::sqlite::{SyncPolicy, sqlite_version};
pub use self::verify::{Progress, Stage, Summary, verify};
pub use self::watch::Watched;

use self::queue::{Batch, Queue};
use self::sqlite::JournalFile;
use self::watch::Watches;
use self::writer::Writer;

mod backup;
mod checksum;
mod compaction;
mod delivery;
mod error;
pub mod failpoints;
mod identity;
mod index;
mod lock;
mod log;
mod offline;
mod present;
mod queue;
mod replay;
mod rows;
mod scan;
mod sqlite;
mod verify;
mod watch;
mod writer;

/// A part of a batch.
#[derive(Debug)]
pub enum Item {
    /// A change.
    Write(Op),
    /// A read that stands behind a write of the same client, and so must see what that changed.
    Read(Query),
    /// Changes and reads that others see whole or not at all: EXEC. Its reply is an array of theirs, or
    /// [`Reply::NullArray`], and nothing has happened, if a watched key has changed.
    Transaction {
        /// Writes and reads.
        items: Vec<Item>,
        /// The keys that must not have changed.
        watched: Option<Watched>,
    },
}

impl Item {
    /// How many requests it stands for.
    fn requests(&self) -> usize {
        match self {
            Self::Write(_) | Self::Read(_) => 1,
            Self::Transaction { items, .. } => items.len(),
        }
    }

    /// About how much memory it takes.
    fn bytes(&self) -> usize {
        let held = match self {
            Self::Write(op) => op.change.bytes(),
            Self::Read(query) => query.request.bytes(),
            Self::Transaction { items, .. } => items.iter().map(Self::bytes).sum(),
        };
        size_of::<Self>() + held
    }

    /// The database, the key, and the members that it is going to look up, where it is one of the changes of which there
    /// are many.
    fn looked_up(&self) -> Option<(u8, &Bytes, &[Bytes])> {
        let Self::Write(op) = self else { return None };
        let (key, members) = op.change.looked_up()?;
        Some((op.database, key, members))
    }

    /// Whether it is refused at `maxmemory`.
    fn needs_memory(&self) -> bool {
        match self {
            Self::Write(op) => op.change.needs_memory(),
            Self::Read(_) => false,
            Self::Transaction { items, .. } => items.iter().any(Self::needs_memory),
        }
    }
}

/// A read that can be run on another thread.
#[derive(Debug)]
pub struct Query {
    /// The command's function.
    pub read: fn(&View<'_>, u8, Request<'_>) -> Result<Reply, Error>,
    /// The database selected.
    pub database: u8,
    /// What was asked.
    pub request: OwnedRequest,
}

impl Query {
    /// What it reads there.
    fn run(&self, view: &View<'_>) -> Reply {
        (self.read)(view, self.database, self.request.as_request()).unwrap_or_else(Reply::Error)
    }
}

/// The journal is closed: the server is on its way out. Nothing of the batch was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closed;

/// What the writer's thread is called.
pub const WRITER_THREAD: &str = "writer";

/// The data file, open and locked, not yet replayed.
#[derive(Debug)]
pub struct Opened {
    file: JournalFile,
    queue: Arc<Queue>,
}

impl Opened {
    /// Opens the data file at `path`, which is made if there is none.
    ///
    /// # Errors
    ///
    /// If the file is in use, damaged, foreign or newer, or can't be opened. It is left as it was.
    pub fn open(path: &Path, policy: SyncPolicy) -> Result<Self, OpenError> {
        Ok(Self { file: JournalFile::open(path, policy)?, queue: Arc::default() })
    }

    /// What changes the policy while the journal is written.
    #[must_use]
    pub fn policy_switch(&self) -> PolicySwitch {
        PolicySwitch(Arc::clone(&self.queue))
    }

    /// Starts the writer thread, which replays the file into `store` and then takes batches. What happens to keys is
    /// published, as far as `pubsub` wants it. Replies are handed out on the runtime that this is called in.
    ///
    /// # Errors
    ///
    /// If the system has no thread to give.
    pub fn start(
        self,
        store: Arc<Store>,
        stats: Arc<Stats>,
        pubsub: Arc<PubSub>,
    ) -> std::io::Result<(Journal, Replay, Finish)> {
        let (queue, watches) = (self.queue, Arc::new(Watches::default()));
        let (replayed, replay) = oneshot::channel();
        let (outgoing, finish) = delivery::start();
        let writer = Writer::new(
            self.file,
            Arc::clone(&store),
            stats,
            pubsub,
            Arc::clone(&queue),
            Arc::clone(&watches),
            outgoing,
        );
        std::thread::Builder::new().name(WRITER_THREAD.into()).spawn(move || writer.run(replayed))?;
        Ok((Journal { queue, watches, store }, Replay(replay), Finish(finish)))
    }
}

/// Changes the policy while the journal is written.
#[derive(Debug, Clone)]
pub struct PolicySwitch(Arc<Queue>);

impl PolicySwitch {
    /// Has all that is submitted from now on follow this policy. Where it is a stricter one, what was committed
    /// before is synced, too.
    pub fn set(&self, policy: SyncPolicy) {
        // A journal that is closed writes no more.
        let _ = self.0.set_policy(policy);
    }
}

/// The end of the replay.
#[derive(Debug)]
pub struct Replay(oneshot::Receiver<Result<(), OpenError>>);

impl Replay {
    /// Waits until the store holds what the file says.
    ///
    /// # Errors
    ///
    /// If the file turned out to be damaged, or can't be read. It is left as it was.
    pub async fn done(self) -> Result<(), OpenError> {
        // The writer aborts the process rather than dropping its end.
        self.0.await.unwrap_or(Ok(()))
    }
}

/// The end of the writer thread, and of the task that hands out its replies.
#[derive(Debug)]
pub struct Finish(JoinHandle<()>);

impl Finish {
    /// Waits until all that was submitted is answered and the file is closed.
    pub async fn done(self) {
        let _ = self.0.await;
    }
}

/// The handle through which batches are submitted.
#[derive(Debug, Clone)]
pub struct Journal {
    queue: Arc<Queue>,
    watches: Arc<Watches>,
    store: Arc<Store>,
}

impl Journal {
    /// Has a batch evaluated in order, made durable and applied. The replies are those of its items, in order: of the
    /// first of them, if the replies take more than [`BATCH_REPLY_BYTES`](crate::limits::BATCH_REPLY_BYTES); the others,
    /// which are not looked at then, can be submitted again. Waits while the batches of others take
    /// [`QUEUED_BYTES`](crate::limits::QUEUED_BYTES). A write that could not be made durable is answered with an error;
    /// nothing has happened then, unless the text says that it can't be known.
    ///
    /// # Errors
    ///
    /// If the journal is closed.
    pub async fn submit(&self, items: Vec<Item>) -> Result<Vec<Reply>, Closed> {
        let _room = self.queue.room_for(items.iter().map(Item::bytes).sum()).await?;
        let (reply, replies) = oneshot::channel();
        self.queue.push(Batch::new(items, reply))?;
        // The writer answers every batch that it has taken, or aborts the process.
        replies.await.map_err(|_| Closed)
    }

    /// The keys that a client watches: none yet.
    #[must_use]
    pub fn watched(&self) -> Watched {
        Watched::new(Arc::clone(&self.watches), Arc::clone(&self.store))
    }

    /// Copies what was committed from the write-ahead log into the data file itself, as far as programs that
    /// read the file allow.
    ///
    /// # Errors
    ///
    /// If that fails, with the reason, or the journal is closed. What was committed is durable all the same.
    pub async fn checkpoint(&self) -> Result<(), String> {
        let (done, outcome) = oneshot::channel();
        self.queue.push_checkpoint(done).map_err(|Closed| "the server is shutting down".to_owned())?;
        outcome.await.map_err(|_| "the server is shutting down".to_owned())?
    }

    /// Has the writer answer, and does nothing else: a batch of nothing.
    ///
    /// # Errors
    ///
    /// If the journal is closed.
    pub async fn probe(&self) -> Result<(), Closed> {
        self.submit(Vec::new()).await.map(drop)
    }

    /// Has all that the journal says in vain be taken out of it, beside the work on batches. What comes of it is in the
    /// log, and in INFO.
    ///
    /// # Errors
    ///
    /// If the journal is closed.
    pub fn compact(&self) -> Result<(), Closed> {
        self.queue.push_compaction()
    }

    /// Has the disk hold all that was committed, whatever the policy.
    ///
    /// # Errors
    ///
    /// If that fails or can't be known, with the reason, or the journal is closed.
    pub async fn sync(&self) -> Result<(), String> {
        let (done, outcome) = oneshot::channel();
        self.queue.push_sync(done).map_err(|Closed| "the server is shutting down".to_owned())?;
        outcome.await.map_err(|_| "the server is shutting down".to_owned())?
    }

    /// Ends the writer once it has answered what was submitted. Later batches are refused.
    pub fn close(&self) {
        self.queue.close();
    }
}

#[cfg(test)]
mod tests;
