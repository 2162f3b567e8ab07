//! Damaged files: what the journal makes of a data file and a write-ahead log that are not as they were written.
//!
//! Each test damages copies of one file, opens each and replays it. It must be refused, and left as it is, or hold what was
//! acknowledged: all of it, or all but what a power cut could have torn.
//!
//! `REVOKED_DAMAGE_ROUNDS=100000 cargo test --release --test damage` damages that many times at random instead of a few
//! hundred times; `REVOKED_DAMAGE_SEED` repeats what a failed test did.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod file;
mod flips;
mod log;

/// How many times to damage something at random.
fn rounds(usual: usize) -> usize {
    std::env::var("REVOKED_DAMAGE_ROUNDS").map_or(usual, |rounds| rounds.parse().unwrap())
}

/// Chooses what to damage; says how to choose the same again.
fn random() -> fastrand::Rng {
    let seed =
        std::env::var("REVOKED_DAMAGE_SEED").map_or_else(|_| fastrand::u64(..), |seed| seed.parse().unwrap());
    eprintln!("REVOKED_DAMAGE_SEED={seed}");
    fastrand::Rng::with_seed(seed)
}
