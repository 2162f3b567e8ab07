//! Parity: random sequences of commands, run against ours and against a real Redis 7.0, must be answered alike,
//! byte for byte, in RESP2 and in RESP3. Where they are not, the shortest sequence that shows it is reported.
//!
//! ```text
//! tests/parity/run                                      installs what it needs; what the gate runs
//! cargo test --test parity -- --ignored                 with the redis-server that is in the path
//! REVOKED_PARITY_SEED=...  REVOKED_PARITY_COMMANDS=1    replays one sequence: a report says which
//! ```
//!
//! | variable | |
//! |---|---|
//! | `REVOKED_PARITY_COMMANDS` | about how many commands are drawn |
//! | `REVOKED_PARITY_SEED` | the seed of the first sequence; the next has the next |
//! | `REVOKED_PARITY_REPORTS` | how many differences are looked for before the run ends; 1 if it isn't set |
//! | `REVOKED_PARITY_REFERENCE` | the Redis that is right by definition |
//! | `REVOKED_PARITY_SUBJECT` | another server in the place of ours. A second Redis tells whether what is drawn can be compared at all: it must never differ |
//!
//! `grammar.rs` has a row for each form of each command, and `generate.rs` the words and what is done to them.
//! `compare.rs` says what is not compared byte for byte, `chance.rs` how random choices are judged, and `known.rs`
//! where the difference is on purpose. `shrink.rs` makes reports short.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

#[path = "../support/mod.rs"]
mod support;

mod chance;
mod compare;
mod generate;
mod grammar;
mod known;
mod reply;
mod sequence;
mod servers;
mod shrink;

use std::collections::BTreeMap;
use std::env;
use std::str::FromStr;

use compare::Difference;
use known::NOT_DRAWN;
use sequence::Sequence;
use servers::Servers;
use shrink::shrink;
use support::server::Server;

#[test]
#[ignore = "needs Redis's redis-server 7.0: see tests/parity/run"]
fn random_sequences_are_answered_as_redis_answers_them() {
    let seed = variable("REVOKED_PARITY_SEED").unwrap_or_else(|| fastrand::u64(..));
    let commands = variable("REVOKED_PARITY_COMMANDS").unwrap_or(10_000);
    let reports = variable("REVOKED_PARITY_REPORTS").unwrap_or(1);
    println!("REVOKED_PARITY_SEED={seed}");

    let mut servers = Servers::new(subject(), reference());
    let names = grammar::names();
    let missing: Vec<_> = names.iter().filter(|name| !servers.commands().contains(*name)).collect();
    println!("not drawn, as one side has no such commands: {missing:?}");
    let found = differences(&mut servers, seed, commands, reports);
    assert!(found.is_empty(), "differences: {}\n\n{}", found.len(), found.join("\n"));
}

#[test]
#[ignore = "needs Redis's redis-server 7.0: see tests/parity/run"]
fn every_command_that_redis_has_too_is_drawn() {
    let servers = Servers::new(Server::start(), reference());
    let names = grammar::names();
    let is_excused = |name: &str| NOT_DRAWN.iter().any(|(names, _)| names.contains(&name));
    let commands = servers.commands().iter().filter(|name| !name.contains('|'));
    let undrawn: Vec<_> = commands.filter(|name| !names.contains(name) && !is_excused(name)).collect();
    assert!(undrawn.is_empty(), "give these a row in grammar.rs, or a reason in known.rs: {undrawn:?}");
}

#[test]
fn a_server_agrees_with_itself() {
    let mut servers = Servers::new(Server::start(), Server::start());
    let found = differences(&mut servers, 1, 1000, 1);
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// Runs sequences until so many commands are drawn, or so many kinds of differences are found, and reports one of
/// each kind.
fn differences(servers: &mut Servers, seed: u64, commands: usize, reports: usize) -> Vec<String> {
    let there = servers.commands().clone();
    let mut found = BTreeMap::new();
    let (mut seed, mut drawn) = (seed, 0);
    while drawn < commands && found.len() < reports {
        let sequence = generate::sequence(seed, &|name| there.contains(name));
        drawn += sequence.steps.len();
        if let Some(difference) = servers.run(&sequence) {
            let report = |difference: Difference| {
                let (sequence, difference) = shortest(servers, sequence, difference);
                let replay = format!("REVOKED_PARITY_SEED={seed} REVOKED_PARITY_COMMANDS=1");
                format!("{sequence}{difference}  {replay}\n")
            };
            found.entry(difference.kind()).or_insert_with(|| report(difference));
        }
        seed = seed.wrapping_add(1);
    }
    found.into_values().collect()
}

/// The shortest sequence in which the same command is answered differently, and how.
fn shortest(servers: &mut Servers, sequence: Sequence, difference: Difference) -> (Sequence, Difference) {
    let mut shown = difference;
    let name = shown.name();
    let sequence = shrink(sequence, |sequence| match servers.run(sequence) {
        Some(difference) if difference.name() == name => {
            shown = difference;
            true
        }
        _ => false,
    });
    (sequence, shown)
}

fn subject() -> Server {
    match env::var("REVOKED_PARITY_SUBJECT") {
        Ok(program) => Server::start_program(&program),
        Err(_) => Server::start(),
    }
}

fn reference() -> Server {
    let program = env::var("REVOKED_PARITY_REFERENCE").unwrap_or_else(|_| "redis-server".to_owned());
    Server::start_program(&program)
}

fn variable<T: FromStr>(name: &str) -> Option<T> {
    let value = env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name} is no number: {value}")))
}
