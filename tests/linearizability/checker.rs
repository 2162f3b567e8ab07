//! Whether a history is linearizable, by search (Wing and Gong; Lowe): which call comes next, of those that may, until all
//! are placed. What was tried in vain from the same state with the same calls behind it is not tried again.
//!
//! Places exist for an order of calls if each can be given a moment between its request and its reply, none before
//! that of the call in front of it: the earliest such moment is the latest request so far. A call whose outcome nobody
//! knows may be left out, or has its moment before the daemon was gone.

use ahash::AHashSet;

use crate::history::{Call, History};
use crate::op::{Op, Place, Reply, State, parts};

/// A bit for each call.
type Calls = [u64; MOST_CALLS / 64];

/// The most that a history may have: more than 8 clients ask for between 3 restarts.
const MOST_CALLS: usize = 1024;

pub(crate) fn is_linearizable(calls: &[Call]) -> bool {
    // Most that is wrong is so in a part, where there is less to search.
    parts().iter().all(|part| can_be_placed(&about(calls, part))) && can_be_placed(calls)
}

/// What the calls say of these places alone. Where that can't be, nor can the whole.
fn about(calls: &[Call], places: &[Place]) -> Vec<Call> {
    let about = |call: &Call| {
        let (op, reply) = call.op.about(call.reply.as_ref(), places)?;
        Some(Call { op, reply, ..call.clone() })
    };
    calls.iter().filter_map(about).collect()
}

fn can_be_placed(calls: &[Call]) -> bool {
    assert!(calls.len() <= MOST_CALLS, "{} calls", calls.len());
    let mut calls: Vec<_> = calls.iter().collect();
    calls.sort_by_key(|call| call.invoked);
    Search { calls, tried: AHashSet::new() }.completes([0; MOST_CALLS / 64], State::default(), 0)
}

struct Search<'a> {
    /// By the time of the request.
    calls: Vec<&'a Call>,
    tried: AHashSet<(Calls, State)>,
}

impl Search<'_> {
    /// Whether the rest of the calls can be placed. `now` is the moment of the last one that is.
    fn completes(&mut self, mut placed: Calls, mut state: State, mut now: u64) -> bool {
        loop {
            let Some(candidates) = self.candidates(&mut placed, now) else { return true };
            // What changes nothing goes first, wherever it may: the others are none the worse for it, unless its
            // moment is too late for one that may be left out.
            let earliest_end = candidates.iter().filter(|&&at| self.calls[at].reply.is_none());
            let earliest_end = earliest_end.map(|&at| self.calls[at].returned).min().unwrap_or(u64::MAX);
            let goes_first = candidates.iter().copied().find(|&at| {
                let Call { op, invoked, reply, .. } = self.calls[at];
                reply.as_ref().is_some_and(|reply| op.is_inert(reply) && op.apply(&mut { state }) == *reply)
                    && now.max(*invoked) <= earliest_end
            });
            let Some(at) = goes_first else {
                return self.completes_with_any(&candidates, placed, state, now);
            };
            self.place(at, &mut placed, &mut state, &mut now);
        }
    }

    fn completes_with_any(&mut self, candidates: &[usize], placed: Calls, state: State, now: u64) -> bool {
        self.tried.insert((placed, state))
            && candidates.iter().any(|&at| {
                let (mut with_it, mut next, mut moment) = (placed, state, now);
                self.place(at, &mut with_it, &mut next, &mut moment)
                    // Of what is not known and changes nothing, nobody would notice.
                    && (self.calls[at].reply.is_some() || next != state)
                    && self.completes(with_it, next, moment)
            })
    }

    /// The calls that may come next; none, if only such are left that may be left out. Of these, those that can't have
    /// happened any more are marked as placed.
    fn candidates(&self, placed: &mut Calls, now: u64) -> Option<Vec<usize>> {
        let mut candidates = Vec::with_capacity(16);
        let mut first_returned = u64::MAX;
        for (at, call) in self.calls.iter().enumerate().skip(first_open(placed)) {
            if call.invoked > first_returned {
                break;
            }
            let bit = 1 << (at % 64);
            if placed[at / 64] & bit != 0 {
                continue;
            }
            if call.reply.is_some() {
                first_returned = first_returned.min(call.returned);
            } else if call.returned < now {
                placed[at / 64] |= bit;
                continue;
            }
            candidates.push(at);
        }
        candidates.retain(|&at| self.calls[at].invoked <= first_returned);
        (first_returned != u64::MAX).then_some(candidates)
    }

    /// Returns whether it can have come next.
    fn place(&self, at: usize, placed: &mut Calls, state: &mut State, now: &mut u64) -> bool {
        let call = self.calls[at];
        placed[at / 64] |= 1 << (at % 64);
        *now = (*now).max(call.invoked);
        let reply = call.op.apply(state);
        *now <= call.returned && call.reply.as_ref().is_none_or(|expected| *expected == reply)
    }
}

fn first_open(placed: &Calls) -> usize {
    let full = placed.iter().take_while(|word| **word == u64::MAX).count();
    full * 64 + placed.get(full).map_or(0, |word| word.trailing_ones() as usize)
}

/// What is left of a history that is not linearizable without what is not needed to see that.
///
/// Only what makes it no harder to place the rest is taken away: what is about other places, what came later, reads, and
/// replies.
pub(crate) fn minimal(history: &History) -> History {
    let part = parts().iter().map(|part| about(&history.calls, part)).find(|part| !can_be_placed(part));
    let mut calls = shortest_prefix(&part.unwrap_or_else(|| history.calls.clone()));
    let mut at = 0;
    while at < calls.len() {
        let weaker = weaker(&calls[at]).into_iter().map(|weaker| {
            let mut calls = calls.clone();
            calls.splice(at..=at, weaker);
            calls
        });
        match weaker.into_iter().find(|calls| !can_be_placed(calls)) {
            Some(weaker) => calls = weaker,
            None => at += 1,
        }
    }
    // What nobody knows is of interest as far as it is about what the rest is about.
    let certain = calls.iter().filter(|call| call.reply.is_some());
    let places: Vec<_> = certain.flat_map(|call| call.op.places()).collect();
    let calls = about(&calls, &places);
    let last = calls.iter().map(|call| call.returned).max().unwrap_or_default();
    let restarts = history.restarts.iter().filter(|restart| restart.gone <= last).cloned().collect();
    History { calls, restarts }
}

/// What the call may be replaced with so that less is known, the least first.
fn weaker(call: &Call) -> Vec<Option<Call>> {
    match (&call.op, &call.reply) {
        (_, None) => Vec::new(),
        (Op::Exec(ops), Some(Reply::Array(replies))) => {
            let without = |at: usize| {
                let (mut ops, mut replies) = (ops.clone(), replies.clone());
                ops.remove(at);
                replies.remove(at);
                Some(Call { op: Op::Exec(ops), reply: Some(Reply::Array(replies)), ..call.clone() })
            };
            let whole = (!call.op.is_read()).then(|| Call { reply: None, ..call.clone() });
            let reads = (0..ops.len()).filter(|&at| ops[at].is_read()).map(without);
            std::iter::once(whole).chain(reads).collect()
        }
        (op, Some(_)) => vec![(!op.is_read()).then(|| Call { reply: None, ..call.clone() })],
    }
}

/// What was asked by the first reply that can't be. What was not answered by then is not known.
fn shortest_prefix(calls: &[Call]) -> Vec<Call> {
    let until = |end: u64| {
        let known = |call: &Call| if call.returned <= end { call.reply.clone() } else { None };
        let asked = calls.iter().filter(|call| call.invoked <= end);
        asked.map(|call| Call { reply: known(call), ..call.clone() }).collect::<Vec<_>>()
    };
    let mut ends: Vec<_> = calls.iter().map(|call| call.returned).collect();
    ends.sort_unstable();
    let first = ends.partition_point(|&end| can_be_placed(&until(end)));
    until(ends[first])
}

#[cfg(test)]
mod tests {
    use fastrand::Rng;

    use super::{is_linearizable, minimal};
    use crate::history::{Call, History};
    use crate::op::{Key, Op, Reply, State};

    fn add(member: usize) -> Op {
        Op::Add { set: 0, members: vec![member] }
    }

    fn remove(member: usize) -> Op {
        Op::Remove { set: 0, members: vec![member] }
    }

    fn has(member: usize) -> Op {
        Op::IsMember { set: 0, member }
    }

    fn call(invoked: u64, returned: u64, op: Op, reply: Option<Reply>) -> Call {
        Call { client: 0, op, invoked, returned, reply }
    }

    fn answered(invoked: u64, returned: u64, op: Op, count: i64) -> Call {
        call(invoked, returned, op, Some(Reply::Integer(count)))
    }

    #[test]
    fn accepts_one_command_after_another() {
        assert!(is_linearizable(&[]));
        assert!(is_linearizable(&[
            answered(0, 1, add(0), 1),
            answered(2, 3, add(0), 0),
            answered(4, 5, has(0), 1),
            answered(6, 7, Op::Delete { keys: vec![Key::Set(0), Key::String(0)] }, 1),
            answered(8, 9, has(0), 0),
        ]));
    }

    #[test]
    fn accepts_either_order_of_commands_at_once() {
        for (first, second) in [(1, 0), (0, 1)] {
            assert!(is_linearizable(&[answered(0, 9, add(0), first), answered(1, 8, add(0), second)]));
        }
        assert!(!is_linearizable(&[answered(0, 9, add(0), 1), answered(1, 8, add(0), 1)]));
        assert!(!is_linearizable(&[answered(0, 9, add(0), 0), answered(1, 8, add(0), 0)]));
    }

    #[test]
    fn catches_a_read_behind_a_write_that_does_not_see_it() {
        let [write, early, late] =
            [answered(1, 2, add(0), 1), answered(0, 3, has(0), 0), answered(3, 4, has(0), 0)];
        assert!(is_linearizable(&[write.clone(), early]));
        assert!(!is_linearizable(&[write, late]));
    }

    #[test]
    fn catches_reads_that_see_a_change_and_then_do_not() {
        let write = answered(0, 9, add(0), 1);
        let reads = |first, second| [answered(1, 2, has(0), first), answered(3, 4, has(0), second)];
        for (first, second, is_right) in [(0, 0, true), (0, 1, true), (1, 1, true), (1, 0, false)] {
            let calls = [&[write.clone()][..], &reads(first, second)].concat();
            assert_eq!(is_linearizable(&calls), is_right, "{first} {second}");
        }
    }

    #[test]
    fn catches_two_that_both_set_what_was_absent() {
        let set = |value| Op::SetIfAbsent { string: 0, value };
        let history = |second: Reply| {
            is_linearizable(&[call(0, 9, set(1), Some(Reply::Ok)), call(0, 9, set(2), Some(second))])
        };
        assert!(history(Reply::Nil));
        assert!(!history(Reply::Ok));
    }

    #[test]
    fn catches_half_of_a_transaction() {
        let transaction = Op::Exec(vec![add(0), Op::SetIfAbsent { string: 0, value: 7 }]);
        let write = call(0, 9, transaction, Some(Reply::Array(vec![Reply::Integer(1), Reply::Ok])));
        let read = |member: i64, string: Reply| {
            let op = Op::Exec(vec![has(0), Op::Get { string: 0 }]);
            call(1, 8, op, Some(Reply::Array(vec![Reply::Integer(member), string])))
        };
        for (read, is_right) in [
            (read(0, Reply::Nil), true),
            (read(1, Reply::Value(7)), true),
            (read(1, Reply::Nil), false),
            (read(0, Reply::Value(7)), false),
        ] {
            assert_eq!(is_linearizable(&[write.clone(), read]), is_right);
        }
    }

    #[test]
    fn accepts_what_was_in_flight_both_ways_but_only_before_the_restart() {
        let in_flight = call(0, 5, add(0), None);
        let reads = |first, second| [answered(6, 7, has(0), first), answered(8, 9, has(0), second)];
        for (first, second, is_right) in [(0, 0, true), (1, 1, true), (1, 0, false), (0, 1, false)] {
            let calls = [&[in_flight.clone()][..], &reads(first, second)].concat();
            assert_eq!(is_linearizable(&calls), is_right, "{first} {second}");
        }
    }

    #[test]
    fn catches_a_change_that_was_seen_and_undone_by_a_crash() {
        let in_flight = call(0, 5, add(0), None);
        assert!(!is_linearizable(&[in_flight, answered(1, 2, has(0), 1), answered(6, 7, has(0), 0)]));
    }

    #[test]
    fn shows_the_shortest_history() {
        let everything = Op::Exec(vec![has(1), has(0), Op::Get { string: 0 }]);
        let nothing = Reply::Array(vec![Reply::Integer(1), Reply::Integer(0), Reply::Nil]);
        let calls = vec![
            answered(0, 1, Op::Add { set: 1, members: vec![1] }, 1),
            answered(2, 3, has(0), 0),
            answered(4, 5, add(0), 1),
            answered(6, 7, add(1), 1),
            call(8, 9, everything, Some(nothing)),
            answered(10, 11, remove(0), 1),
        ];
        let shown = minimal(&History { calls: calls.clone(), restarts: Vec::new() });
        let read = call(8, 9, Op::Exec(vec![has(0)]), Some(Reply::Array(vec![Reply::Integer(0)])));
        assert_eq!(shown.calls, [calls[2].clone(), read]);
    }

    /// All orders of all choices of those that may be left out, tried one by one.
    fn is_linearizable_by_force(calls: &[Call], state: State, now: u64) -> bool {
        calls.iter().all(|call| call.reply.is_none())
            || (0..calls.len()).any(|at| {
                let mut rest = calls.to_vec();
                let Call { op, invoked, returned, reply, .. } = rest.remove(at);
                let moment = now.max(invoked);
                let mut next = state;
                let done = op.apply(&mut next);
                moment <= returned
                    && reply.is_none_or(|reply| reply == done)
                    && is_linearizable_by_force(&rest, next, moment)
            })
    }

    #[test]
    fn agrees_with_trying_all_orders() {
        let mut rng = crate::seeded("checker");
        let (mut right, mut wrong) = (0, 0);
        for _ in 0..4_000 {
            let mut calls = any_history(&mut rng);
            if rng.u8(..3) > 0 {
                let moved = rng.choice(&mut calls).unwrap();
                let by = rng.u64(1..30);
                moved.invoked += by;
                moved.returned += by;
            }
            let expected = is_linearizable_by_force(&calls, State::default(), 0);
            assert_eq!(is_linearizable(&calls), expected, "{calls:#?}");
            *if expected { &mut right } else { &mut wrong } += 1;
        }
        assert!(right > 300 && wrong > 300, "{right} {wrong}");
    }

    /// One that is linearizable.
    fn any_history(rng: &mut Rng) -> Vec<Call> {
        let mut state = State::default();
        let mut moment = 10;
        let mut call = |_| {
            moment += rng.u64(1..6);
            let op = match rng.u8(..8) {
                0 | 1 => add(0),
                2 => Op::Add { set: 0, members: vec![0, 1] },
                3 => remove(rng.usize(..2)),
                4 => Op::Delete { keys: vec![Key::Set(0), Key::String(0)] },
                5 => Op::Exec(vec![has(0), Op::Get { string: 0 }, add(1)]),
                6 => Op::SetIfAbsent { string: 0, value: 7 },
                _ => has(0),
            };
            let mut next = state;
            let reply = op.apply(&mut next);
            let reply = (op.is_read() || rng.u8(..3) > 0).then_some(reply);
            if reply.is_some() || rng.bool() {
                state = next;
            }
            call(moment - rng.u64(..5), moment + rng.u64(1..5), op, reply)
        };
        (0..6).map(&mut call).collect()
    }
}
