//! Linearizability: whatever 8 clients do at once, with restarts amid, every reply is one that a server could have given that
//! does one command after another, each at some moment between its request and its reply.
//!
//! Each history has a few keys of its own, so that its clients contend, and ends of the daemon amid: by `kill -9`,
//! by SIGTERM, or at one of the writer's failpoints; checkpoints and compactions run meanwhile. What was in flight then has happened or not, but if so, before the
//! restart. A read that saw what a crash then undid stands in the same history as what is read behind the crash, and is
//! found so. `checker.rs` decides; seeded faults (`faults.rs`) show that it does.
//!
//! `REVOKED_LINEARIZABILITY_HISTORIES=1000 cargo test --test linearizability -- --nocapture` checks a thousand histories
//! rather than the usual 300; `REVOKED_LINEARIZABILITY_SEED` repeats what a failed test did, as far as the
//! threads' timing allows. A history that is not linearizable is shown without what is not needed to see it.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[path = "../support/mod.rs"]
mod support;

mod checker;
mod faults;
mod history;
mod op;
mod record;

use fastrand::Rng;

use record::{End, Installation};
use revoked::journal::failpoints;

/// Histories that go through the same restarts.
const HISTORIES_AT_ONCE: usize = 20;

/// The most that a client has acknowledged before a restart, on average.
const MOST_ACKNOWLEDGED: usize = 6;

/// How often a failpoint is passed at most before it is one to die at.
const MOST_PASSED: usize = 20;

/// Moments that these clients do not come to.
const OTHER_MOMENTS: &[&str] = &[failpoints::REPLAY_ROW, failpoints::REPLAYED, failpoints::SWEEP];

#[test]
fn histories_with_restarts_are_linearizable() {
    let mut rng = seeded("histories");
    let (mut checked, mut calls, mut restarts) = (0, 0, 0);
    while checked < histories() {
        let mut installation = Installation::new(
            HISTORIES_AT_ONCE,
            &["--appendfsync", rng.choice(["always", "everysec"]).unwrap()],
        );
        for _ in 0..rng.usize(1..=2) {
            let end = any_end(&mut rng);
            installation.run_until(&end, &mut rng);
        }
        for history in installation.finish(&mut rng) {
            checked += 1;
            calls += history.calls.len();
            restarts += history.restarts.len();
            let is_right = checker::is_linearizable(&history.calls);
            assert!(is_right, "not linearizable:\n{}", checker::minimal(&history));
        }
    }
    println!("{checked} histories of {calls} commands with {restarts} restarts are linearizable");
}

fn any_end(rng: &mut Rng) -> End {
    let acknowledged = rng.usize(1..HISTORIES_AT_ONCE * record::CLIENTS * MOST_ACKNOWLEDGED);
    match rng.u8(..4) {
        0 | 1 => End::Kill { acknowledged },
        2 => End::Terminate { acknowledged },
        _ => {
            let moments = failpoints::MOMENTS.iter().filter(|point| !OTHER_MOMENTS.contains(point));
            let moments: Vec<_> = moments.collect();
            let (point, passed) = (rng.choice(&moments).unwrap(), rng.usize(..MOST_PASSED));
            End::Failpoints { failpoints: format!("{point}={passed}*off->panic") }
        }
    }
}

fn histories() -> usize {
    let histories = std::env::var("REVOKED_LINEARIZABILITY_HISTORIES");
    histories.map_or(300, |histories| histories.parse().unwrap())
}

/// Random choices that `REVOKED_LINEARIZABILITY_SEED` repeats.
fn seeded(test: &str) -> Rng {
    let seed = std::env::var("REVOKED_LINEARIZABILITY_SEED");
    let seed = seed.map_or_else(|_| fastrand::u64(..), |seed| seed.parse().unwrap());
    println!("{test}: REVOKED_LINEARIZABILITY_SEED={seed}");
    Rng::with_seed(seed)
}
