//! What the program does besides serving: a subcommand each. They print for people: results on standard output, and on
//! standard error a bar, where that is a terminal, and what went wrong.

pub use self::error::Error;
pub use self::output::abandon;

pub mod backup;
mod error;
mod output;
mod progress;
pub mod restore;
mod time;
pub mod verify;
