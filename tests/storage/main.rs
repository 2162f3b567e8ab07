//! Failing storage, by force: power cuts, and calls that fail, made by a layer of C below SQLite (`shim.c`).

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[path = "../support/mod.rs"]
mod support;

mod disk;
mod faults;
mod misplaced;
mod power_loss;
mod recording;
mod replay;
mod shim;
