//! Every command over a real socket, byte by byte: what is sent, and what must come back, in RESP2 and RESP3.
//!
//! What the scripts expect are the bytes of Redis 7.0; later ones differ in places, such as the encodings of small
//! sets. To hold the scripts against a Redis:
//!
//! ```text
//! REVOKED_TEST_PEER=$(command -v redis-server) cargo test --test commands -- --skip ours:: --skip table:: --skip member_expiry::
//! ```
//!
//! What is different here on purpose, or newer than that Redis, is in `ours.rs`, and `table.rs` is about our table.
//! `tests/parity/run` does this, too; beside it, it has random sequences of commands answered by ours and by a Redis,
//! and reports the shortest that is answered differently.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[path = "../support/mod.rs"]
mod support;

/// What the daemon counts memory with, and `maxmemory` needs.
#[global_allocator]
static ALLOCATOR: revoked::memory::Counting = revoked::memory::Counting;

mod acl;
mod clients;
mod config;
mod connection;
mod expiry;
mod generic;
mod incrbyfloat;
mod keyspace;
mod loading;
mod maxmemory;
mod member_expiry;
mod monitoring;
mod notifications;
mod operator;
mod ours;
mod pipeline;
mod pubsub;
mod rows;
mod script;
mod server;
mod set;
mod set_algebra;
mod streamed;
mod string;
mod table;
mod transaction;
