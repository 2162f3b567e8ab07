//! What the program does besides serving: a subcommand each. They print for people: results on standard output, and on
//! standard error a bar, where that is a terminal, and what went wrong.

pub use self::error::Error;
pub use self::output::abandon;

pub mod backup;
mod client;
pub mod compact;
mod error;
pub mod export;
mod from_redis;
mod from_sql;
pub mod import;
mod output;
mod progress;
mod record;
pub mod restore;
pub mod stats;
mod stream;
mod time;
pub mod verify;
