//! What test files share.

#![allow(dead_code, reason = "no test file needs all of it")]

pub(crate) mod ledger;
pub(crate) mod process;
pub(crate) mod server;
