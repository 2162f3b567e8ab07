//! Commands whose reply is a matter of chance, or of how a server keeps its keys: what is asked beside each so
//! that its reply can be judged, and so that both servers hold the same again.

use crate::compare::Replies;
use crate::reply;
use crate::sequence::Request;

/// More than there is: one step of a scan finds all.
const ALL: &[u8] = b"10000";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Chance {
    /// SPOP, between SMEMBERS before and behind it, and then what fills the set anew.
    Pop,
    /// SRANDMEMBER, behind SMEMBERS.
    Sample,
    /// RANDOMKEY, behind KEYS.
    Key,
    /// SCAN or SSCAN, before one that finds all.
    Scan,
}

impl Chance {
    pub(crate) fn of(request: &Request) -> Option<Self> {
        match (request.name().as_str(), request.0.len()) {
            ("spop", 2..) => Some(Self::Pop),
            ("srandmember", 2..) => Some(Self::Sample),
            ("randomkey", _) => Some(Self::Key),
            ("scan", 2..) | ("sscan", 3..) => Some(Self::Scan),
            _ => None,
        }
    }

    /// Whether the replies that came for [`expand`] are right. Those to the requests beside the one that was drawn
    /// are compared as such, if they are about the same on both sides.
    pub(crate) fn is_met(self, drawn: &Request, replies: &[Replies]) -> bool {
        match (self, replies) {
            (Self::Pop, [before, popped, behind, refilled @ ..]) => {
                before.are_same_in_any_order()
                    && popped.have_the_same_shape()
                    && behind.have_the_same_shape()
                    && refilled.iter().all(|replies| replies.are_same() || replies.are_integers())
                    && Replies::each(&[before, popped, behind], is_popped)
            }
            (Self::Sample, [members, sampled]) => {
                members.are_same_in_any_order()
                    && sampled.have_the_same_shape()
                    && Replies::each(&[members, sampled], |replies| is_sampled(drawn, replies))
            }
            (Self::Key, [keys, key]) => {
                keys.are_same_in_any_order()
                    && key.have_the_same_shape()
                    && Replies::each(&[keys, key], |replies| is_among(&chosen(replies[1]), replies[0]))
            }
            (Self::Scan, [step, all]) => {
                all.are_same_in_any_order()
                    && Replies::each(&[step, all], |replies| is_step(replies[0], replies[1]))
                    && step.are_both_errors_or_none()
            }
            // With an odd cursor, there is nothing that the reply could be held against.
            (Self::Scan, [step]) => {
                step.are_same() || Replies::each(&[step], |replies| is_scanned(replies[0]))
            }
            _ => false,
        }
    }
}

/// What is sent for a request: itself, and what else is needed to judge the reply. `members` is whatever the
/// sequence puts into sets.
pub(crate) fn expand(request: &Request, members: &[Vec<u8>]) -> Vec<Request> {
    let words = &request.0;
    let about_key =
        |name: &[u8], rest: &[Vec<u8>]| Request([&[name.to_vec(), words[1].clone()], rest].concat());
    match Chance::of(request) {
        None => vec![request.clone()],
        Some(Chance::Pop) => {
            let (kept, left) = members.split_at(members.len().div_ceil(2));
            let kept = [&[b"popped".to_vec()], kept].concat();
            let smembers = about_key(b"SMEMBERS", &[]);
            let refill = [about_key(b"SADD", &kept), about_key(b"SREM", left)];
            let refill = refill.into_iter().filter(|request| request.0.len() > 2);
            [smembers.clone(), request.clone(), smembers].into_iter().chain(refill).collect()
        }
        Some(Chance::Sample) => vec![about_key(b"SMEMBERS", &[]), request.clone()],
        Some(Chance::Key) => vec![Request::of(&["KEYS", "*"]), request.clone()],
        Some(Chance::Scan) => {
            let mut all = request.clone();
            let cursor = if request.name() == "scan" { 1 } else { 2 };
            let from_start = is_cursor(&words[cursor]).then(|| {
                all.0[cursor] = b"0".to_vec();
                all.0.extend([b"COUNT".to_vec(), ALL.to_vec()]);
                all
            });
            [request.clone()].into_iter().chain(from_start).collect()
        }
    }
}

/// Whether the word is a cursor that a server may have returned.
fn is_cursor(word: &[u8]) -> bool {
    std::str::from_utf8(word)
        .is_ok_and(|word| word.parse::<u64>().is_ok_and(|cursor| cursor.to_string() == word))
}

/// The strings that were chosen: one, or an array of them.
fn chosen(reply: &[u8]) -> Vec<Vec<u8>> {
    if reply::is_bulk(reply) { vec![reply.to_vec()] } else { reply::elements(reply) }
}

fn is_among(chosen: &[Vec<u8>], all: &[u8]) -> bool {
    let all = reply::elements(all);
    chosen.iter().all(|one| all.contains(one))
}

fn are_distinct(chosen: &[Vec<u8>]) -> bool {
    chosen.iter().enumerate().all(|(at, one)| !chosen[..at].contains(one))
}

fn is_popped(replies: &[&[u8]]) -> bool {
    let [before, popped, behind] = replies else { return false };
    let popped = chosen(popped);
    let (before, behind) = (reply::elements(before), reply::elements(behind));
    let is_right = |one: &Vec<u8>| popped.contains(one) != behind.contains(one);
    are_distinct(&popped) && before.iter().all(is_right) && popped.len() + behind.len() == before.len()
}

fn is_sampled(drawn: &Request, replies: &[&[u8]]) -> bool {
    let [members, sampled] = replies else { return false };
    let may_repeat = drawn.0.get(2).is_some_and(|count| count.starts_with(b"-"));
    let sampled = chosen(sampled);
    is_among(&sampled, members) && (may_repeat || are_distinct(&sampled))
}

fn is_scanned(step: &[u8]) -> bool {
    matches!(&reply::elements(step)[..], [cursor, _] if reply::bulk(cursor).is_some_and(is_cursor))
}

/// Whether this is an error, or a cursor and some of what is found in all.
fn is_step(step: &[u8], all: &[u8]) -> bool {
    if reply::is_error(step) {
        return true;
    }
    let (step, all) = (reply::elements(step), reply::elements(all));
    let ([cursor, some], [_, all]) = (&step[..], &all[..]) else { return false };
    let some = reply::elements(some);
    reply::bulk(cursor).is_some_and(is_cursor) && are_distinct(&some) && is_among(&some, all)
}

mod tests {
    use super::{Chance, expand};
    use crate::compare::Replies;
    use crate::sequence::Request;
    use crate::support::server::bulk;

    fn request(line: &str) -> Request {
        Request::of(&line.split(' ').collect::<Vec<_>>())
    }

    /// An array of strings of one byte each.
    fn array(members: &str) -> Vec<u8> {
        let members = members.bytes().map(|member| bulk(&[member]));
        let head = format!("*{}\r\n", members.len()).into_bytes();
        [head].into_iter().chain(members).collect::<Vec<_>>().concat()
    }

    fn is_met(line: &str, replies: &[[&[u8]; 2]]) -> bool {
        let request = request(line);
        let replies: Vec<_> = replies.iter().map(|[a, b]| Replies::new(a.to_vec(), b.to_vec())).collect();
        Chance::of(&request).unwrap().is_met(&request, &replies)
    }

    #[test]
    fn members_may_be_popped_that_were_there() {
        let one = |member: &str| bulk(member.as_bytes());
        let popped = |a: &[u8], a_behind: &str, b: &[u8], b_behind: &str| {
            is_met(
                "SPOP k",
                &[
                    [&array("ab"), &array("ba")],
                    [a, b],
                    [&array(a_behind), &array(b_behind)],
                    [b":1\r\n", b":2\r\n"],
                ],
            )
        };
        assert!(popped(&one("a"), "b", &one("b"), "a"));
        assert!(!popped(&one("a"), "b", &one("b"), "b"));
        assert!(!popped(&one("c"), "b", &one("b"), "a"));
        assert!(!popped(&one("a"), "b", &array("b"), "a"));
        assert!(!popped(&one("a"), "ab", &one("b"), "a"));
    }

    #[test]
    fn samples_are_members_and_distinct_unless_they_may_repeat() {
        let (all, twice, other) = (array("abc"), array("aa"), array("bc"));
        assert!(is_met("SRANDMEMBER k -2", &[[&all, &all], [&twice, &other]]));
        assert!(!is_met("SRANDMEMBER k 2", &[[&all, &all], [&twice, &other]]));
        assert!(!is_met("SRANDMEMBER k 2", &[[&all, &all], [&array("bd"), &other]]));
        assert!(!is_met("SRANDMEMBER k 2", &[[&all, &all], [&array("b"), &other]]));
    }

    #[test]
    fn a_step_of_a_scan_finds_some_of_all() {
        let scanned = |found: &str| [b"*2\r\n$1\r\n0\r\n".to_vec(), array(found)].concat();
        let met = |a: &str, b: &str| {
            is_met("SCAN 0", &[[&scanned(a), &scanned(b)], [&scanned("abc"), &scanned("cba")]])
        };
        assert!(met("a", "bc"));
        assert!(!met("d", "bc"));
        assert!(!met("a", "bb"));
    }

    #[test]
    fn what_follows_a_pop_leaves_the_same_members_whichever_were_popped() {
        let members = ["x", "y", "z"].map(|member| member.as_bytes().to_vec());
        let lines: Vec<_> = expand(&request("SPOP k 2"), &members).iter().map(ToString::to_string).collect();
        assert_eq!(lines, ["SMEMBERS k", "SPOP k 2", "SMEMBERS k", "SADD k popped x y", "SREM k z"]);
        assert_eq!(expand(&request("SPOP"), &members), [request("SPOP")]);
    }
}
