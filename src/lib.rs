//! `revoked`: a small server that remembers which tokens are revoked.
//!
//! It speaks the Redis protocol, so that redis-cli and every Redis client library is its client. It keeps sets
//! and strings in memory and answers from there, and every change is on disk, in one SQLite file, before it is
//! acknowledged.
//!
//! # A tour in reading order
//!
//! The data first. [`op::Op`] is a change asked for, [`effect::Effect`] is what it turned out to change, and
//! [`reply::Reply`] is what the client is told. An [`expiry::Expiry`] is the moment at which a key or a member ends. [`store`] is the memory that reads are answered from;
//! [`journal`] is the ordered, durable list of effects, in SQLite.
//!
//! Then the way of a request:
//!
//! ```text
//! socket -> connection -> resp (decode) -> command (table, arity, gates) --read---> store ------------> reply
//!                                                                         `-write-> journal.submit(batch)
//!                     writer: gather -> evaluate on staged -> append -> COMMIT -> apply to store -> reply
//! ```
//!
//! [`server`] accepts who comes to a [`listen::Listener`]; [`connection`] reads what a client sends, has [`resp`] cut it into
//! [`request::Request`]s, and looks each up in [`command::TABLE`]. A **read** is answered right there, on the
//! connection's own task (`connection/reads.rs`), from one moment of the store, the look-ups of a pipeline side by side
//! (`store/ahead.rs`); the members of a large set are written as a
//! [`store::Walk`] hands them out, which keeps to that moment while the store goes on. A **write** becomes an op and
//! goes to the journal's writer thread, together with all that stands behind it in the same pipeline; the writer evaluates the ops of
//! all waiting clients on a *stage* ([`store::Staged`]: the store seen through what the batch has changed so
//! far), appends the effects in one transaction, commits, applies the effects to the store, and has the
//! clients woken (`journal/delivery.rs`). What stands between MULTI and EXEC is queued by the connection and travels as one. At start, the writer
//! replays the file's effects into the store, through the same [`store::Keyspace::apply_all`], while a second thread reads
//! them (`journal/replay.rs`). Where many members go into one large set, at start or by one command, they are gathered, and
//! put there in the order of the set's parts ([`store::Loading`], `store/table/bulk.rs`).
//!
//! What ends by itself leaves no trace in the file: its end was written down when it was set. Whoever reads, reads at
//! a time, and does not see what has ended by then; the writer sweeps it out of memory when it has nothing else to do.
//!
//! The journal is a list that is written at its end and, between commits, made shorter at its head: `journal/compaction.rs`
//! writes again what a row there says that is still so, and takes the row away. So a file may begin anywhere, and a row may
//! stand before that of its key (`journal/rows.rs`); each key and each member knows in one bit whether it was written since the
//! lap under way began (`store/lap.rs`). Before the file is trusted, its log (`journal/log.rs`), its rows
//! (`journal/checksum.rs`) and, before each commit, its place (`journal/identity.rs`) and its log's index (`journal/index.rs`) are
//! checked.
//!
//! In memory a key or a member is an *entry* of 22 bytes (`store/entry.rs`), its name packed (`store/packing.rs`), in segments
//! without gaps (`store/segment.rs`) of a table that grows by one of them at a time (`store/table.rs`, `store/directory.rs`).
//!
//! From client to client: [`pubsub`] knows who listens to which channels, and [`monitor`] who is shown every
//! command. Both put what they send, encoded once, into the [`outbox`] of each client, a bounded queue, from any
//! thread and without waiting; the client's connection is woken, and writes it out between its replies.
//!
//! Who may do what: [`acl`] has the users and their rules. A connection holds the user that it is; one that may do
//! everything costs a request one branch, any other has its commands, keys and channels looked at
//! (`command/permission.rs`).
//!
//! Beside the way: [`config`] has a row for each option, [`settings`] those that change while the server runs,
//! [`limits`] every bound, [`memory`] how much of it is in use, [`clients`] who is connected, [`stats`] what INFO
//! counts, [`tls`] what encrypted connections are accepted with, [`systemd`] what the supervisor is told and hands on,
//! [`slowlog`] and [`latency`] what took long, [`procfs`] what the kernel says of the process; [`metrics`] tells Prometheus;
//! [`glob`] matches patterns, [`replace`] gives a file a new text whole, and [`seldom`] keeps clients from filling the log. [`tool`] is what the program does besides
//! serving: files are copied beside their daemon in `journal/backup.rs`, and read in little memory in `journal/present.rs`.
//! [`journal::failpoints`] are the moments at which tests have the writer die or go wrong.
//!
//! # Invariants
//!
//! 1. **Memory is what the journal says.** Only applied effects change the store, and only the writer thread
//!    applies them; live writes and replay run the same `apply`. What an op does depends on nothing but the
//!    state before it, the op, and the time at which it is its turn.
//! 2. **Persist, then apply, then reply.** A reply is never ahead of the disk, and no reader ever sees a change
//!    that a crash could undo. (With `appendfsync` at `everysec` or `no`, "on disk" means handed to the
//!    operating system.)
//! 3. **An error reply to a write means that nothing happened,** and the text says so where that can't be known:
//!    behind a commit that itself failed, writes are refused until a restart, reads go on, INFO and the log say
//!    why.
//! 4. **A read never waits for the disk,** except for the same connection's own writes before it. Replies keep
//!    the order of the requests.
//! 5. **Nobody sees half of a command.** Readers take one moment of the store, and the writer applies whole ops. A reply
//!    that is written in parts shows one moment, too.
//! 6. **What has ended is never counted or shown,** to the millisecond, whether or not it was swept yet. Time does not
//!    run back, whatever the clock does.
//! 7. **Start-up serves all or nothing:** `-LOADING` until the replay is complete. A damaged, foreign or newer
//!    file is refused with a clear message, untouched, and the process exits with a code of its own.
//! 8. **Every input is bounded,** before authentication more tightly. A client's mistake costs that client an
//!    error reply and, where the stream can't be followed any more, its connection: never the process.
//!
//! # Which module may know what
//!
//! Imports run downward only: `main` → [`config`], [`server`], [`tool`]; `tool` → `journal`, `resp`, `stats`; `server` → [`listen`],
//! [`connection`], [`systemd`], [`tls`]; `listen` → `connection`, `clients`, `systemd`; `connection` →
//! [`resp`], [`command`], [`journal`]'s handle; `command` → [`store`] (to read), [`op`], [`reply`], [`stats`],
//! [`clients`], [`settings`], [`pubsub`], [`monitor`], [`acl`]; `pubsub`, `monitor` → `clients`, [`outbox`]; `journal` →
//! `command`'s evaluation, `store`, `op`, [`effect`], `pubsub`; `resp` → `reply`; `config` → `settings`, `reply`, the
//! command table (for the users' rules), and the types of its options and of the tools' arguments; the others know little but
//! [`limits`] and [`expiry`]. `store` never knows tokio, RESP or
//! SQL; `command` never knows sockets, channels or
//! SQL; `resp` never knows commands; `journal` never knows RESP. A test holds this.

pub mod acl;
pub mod clients;
pub mod command;
pub mod config;
pub mod connection;
pub mod effect;
pub mod expiry;
pub mod glob;
pub mod journal;
pub mod latency;
pub mod limits;
pub mod listen;
pub mod memory;
pub mod metrics;
pub mod monitor;
pub mod op;
pub mod outbox;
pub mod procfs;
pub mod pubsub;
pub mod replace;
pub mod reply;
pub mod request;
pub mod resp;
pub mod seldom;
pub mod server;
pub mod settings;
pub mod slowlog;
pub mod stats;
pub mod store;
pub mod systemd;
pub mod tls;
pub mod tool;
