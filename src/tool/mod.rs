//! What the program does besides serving: a subcommand each. They print for people, progress on standard error and
//! results on standard output.

pub mod verify;
