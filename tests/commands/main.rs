//! Every command over a real socket, byte by byte: what is sent, and what must come back, in RESP2 and RESP3.
//!
//! What the scripts expect are Redis's own bytes. To hold them against a Redis of 7.0 or later:
//!
//! ```text
//! REVOKED_TEST_PEER=$(command -v redis-server) cargo test --test commands -- --skip ours:: --skip table::
//! ```
//!
//! What is different here on purpose, or newer than that Redis, is in `ours.rs`, and `table.rs` is about our table.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[path = "../support/mod.rs"]
mod support;

mod clients;
mod connection;
mod generic;
mod loading;
mod ours;
mod pipeline;
mod pubsub;
mod script;
mod server;
mod set;
mod table;
mod transaction;
