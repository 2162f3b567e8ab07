//! Faults that are built into the writer for this, behind failpoints: each must be found.

use fastrand::Rng;
use revoked::journal::failpoints::{APPLIED, EVALUATED_TWICE, UNWRITTEN};

use crate::checker::{is_linearizable, minimal};
use crate::history::History;
use crate::record::{CLIENTS, End, Installation};
use crate::{HISTORIES_AT_ONCE, seeded};

/// Within so many histories a fault is found.
const MOST_HISTORIES: usize = 200;

/// Looks for a history that is not linearizable, among those of a daemon at fault that is then killed.
fn found(test: &str, end: impl Fn(&mut Rng) -> End) -> History {
    let mut rng = seeded(test);
    for round in 0..MOST_HISTORIES / HISTORIES_AT_ONCE {
        let mut installation = Installation::new(HISTORIES_AT_ONCE, &[]);
        installation.run_until(&end(&mut rng), &mut rng);
        let histories = installation.finish(&mut rng);
        if let Some(at) = histories.iter().position(|history| !is_linearizable(&history.calls)) {
            let history = minimal(&histories[at]);
            println!(
                "{test}: history {} is not linearizable:\n{history}",
                round * HISTORIES_AT_ONCE + at + 1
            );
            return history;
        }
    }
    panic!("{test}: all of {MOST_HISTORIES} histories are linearizable")
}

/// So many for each client, on average.
fn acknowledged(each: usize) -> usize {
    each * CLIENTS * HISTORIES_AT_ONCE
}

#[test]
fn a_reply_before_the_commit_is_caught() {
    found("reply before commit", |rng| End::FaultThenKill {
        failpoints: format!("{UNWRITTEN}={}*off->return", rng.usize(1..10)),
        acknowledged: acknowledged(6),
    });
}

#[test]
fn a_read_that_sees_what_is_not_durable_is_caught() {
    // The first changes that are not written are applied, and the writer stops before it answers anybody.
    found("apply before commit", |rng| {
        let commits = rng.usize(1..5);
        End::FaultThenKill {
            failpoints: format!("{UNWRITTEN}={commits}*off->return;{APPLIED}={commits}*off->pause"),
            acknowledged: acknowledged(8),
        }
    });
}

#[test]
fn an_evaluation_that_is_done_twice_is_caught() {
    found("evaluate twice", |_| End::FaultThenKill {
        failpoints: format!("{EVALUATED_TWICE}=50%return"),
        acknowledged: acknowledged(4),
    });
}
