//! Ops on sets, and on when their members end.

use ahash::AHashSet;
use bytes::Bytes;

use crate::command::set::combine;
use crate::expiry::Expiry;
use crate::op::{ExpireMembersAnswer, MemberCondition, SetOperation};
use crate::reply::{Error, Reply};
use crate::store::{SetView, Staged};

/// The reply is the number of members that were not there and are now.
pub(super) fn saddex(
    staged: &mut Staged<'_>,
    database: u8,
    key: &Bytes,
    members: &[Bytes],
    (expiry, condition): (Expiry, MemberCondition),
) -> Result<Reply, Error> {
    let may = |before: Option<Expiry>| match (condition, before) {
        (MemberCondition::Existing, before) => before.is_some(),
        (MemberCondition::Any, _) | (_, None) => true,
        (MemberCondition::New, Some(_)) => false,
        (MemberCondition::Later, Some(before)) => expiry > before,
        (MemberCondition::Earlier, Some(before)) => expiry < before,
    };
    Ok(Reply::count(staged.put_members(database, key, members, expiry, may)?))
}

pub(super) fn expire_members(
    staged: &mut Staged<'_>,
    database: u8,
    key: &Bytes,
    members: &[Bytes],
    (expiry, answer): (Expiry, ExpireMembersAnswer),
) -> Result<Reply, Error> {
    let before: Vec<Option<Expiry>> = {
        let set = staged.view().set(database, key)?;
        members.iter().map(|member| set.as_ref().and_then(|set| set.expiry_of(member))).collect()
    };
    staged.put_members(database, key, members, expiry, |before| before.is_some())?;
    let mut outcomes = before.into_iter().map(|before| match (answer, before) {
        (ExpireMembersAnswer::Each, None) => -2,
        (_, None) | (ExpireMembersAnswer::WasChanged, Some(Expiry::NEVER)) => 0,
        (_, Some(_)) => 1,
    });
    Ok(match answer {
        ExpireMembersAnswer::Each => Reply::Array(outcomes.map(Reply::Integer).collect()),
        _ => Reply::Integer(outcomes.next().unwrap_or(0)),
    })
}

pub(super) fn spop(
    staged: &mut Staged<'_>,
    database: u8,
    key: &Bytes,
    count: Option<usize>,
    (drawn, seed): (&[Bytes], u64),
) -> Result<Reply, Error> {
    let popped = match staged.view().set(database, key)? {
        // All: the key goes, and its members need not be named one by one.
        Some(set) if count.is_some_and(|count| count >= set.len()) => {
            let popped = set.members().map(|(member, _)| member.text()).collect();
            staged.remove_key(database, key);
            return Ok(Reply::StringSet(popped));
        }
        Some(set) => choose(&set, count.unwrap_or(1), drawn, seed),
        None => Vec::new(),
    };
    staged.remove_members(database, key, &popped)?;
    Ok(match count {
        None => popped.into_iter().next().map_or(Reply::Null, Reply::Bulk),
        Some(_) => Reply::StringSet(popped.iter().map(|member| &**member).collect()),
    })
}

/// Those that were drawn and are still there. Where that is not enough, the others are ordered by a hash that is the
/// same on every machine.
fn choose(set: &SetView<'_>, count: usize, drawn: &[Bytes], seed: u64) -> Vec<Bytes> {
    if count >= set.len() {
        return set.members().map(|(member, _)| Bytes::copy_from_slice(&member.text())).collect();
    }
    let mut chosen: Vec<Bytes> =
        drawn.iter().filter(|member| set.contains(member)).take(count).cloned().collect();
    if chosen.len() < count {
        let taken: AHashSet<&[u8]> = chosen.iter().map(|member| &**member).collect();
        let others =
            set.members().map(|(member, _)| member).filter(|member| !taken.contains(&*member.text()));
        let mut others: Vec<_> =
            others.map(|member| (place_in_order(seed, &member.text()), member)).collect();
        let missing = count - chosen.len();
        if missing < others.len() {
            others.select_nth_unstable(missing);
            others.truncate(missing);
        }
        others.sort_unstable();
        chosen.extend(others.into_iter().map(|(_, member)| Bytes::copy_from_slice(&member.text())));
    }
    chosen
}

/// FNV-1a, stirred as in SplitMix64 so that members that are alike stand apart.
fn place_in_order(seed: u64, member: &[u8]) -> u64 {
    let add = |hash: u64, &byte: &u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    let hash = member.iter().fold(0xcbf2_9ce4_8422_2325 ^ seed, add);
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

/// A member takes its end along. Where it is already, it has the later of both.
pub(super) fn smove(
    staged: &mut Staged<'_>,
    database: u8,
    (source, destination): (&Bytes, &Bytes),
    member: &Bytes,
) -> Result<Reply, Error> {
    let view = staged.view();
    let Some(from) = view.set(database, source)? else { return Ok(Reply::Integer(0)) };
    view.set(database, destination)?;
    let Some(expiry) = from.expiry_of(member) else { return Ok(Reply::Integer(0)) };
    if source != destination {
        let members = std::slice::from_ref(member);
        staged.remove_members(database, source, members)?;
        let may = |before: Option<Expiry>| before.is_none_or(|before| before < expiry);
        staged.put_members(database, destination, members, expiry, may)?;
    }
    Ok(Reply::Integer(1))
}

pub(super) fn sstore(
    staged: &mut Staged<'_>,
    database: u8,
    operation: SetOperation,
    destination: &Bytes,
    keys: &[Bytes],
) -> Result<Reply, Error> {
    let members: Vec<_> = {
        let view = staged.view();
        let sets = keys.iter().map(|key| view.set(database, key)).collect::<Result<Vec<_>, _>>()?;
        let found = combine(operation, &sets, usize::MAX);
        found.into_iter().map(|(member, expiry)| (Bytes::copy_from_slice(&member.text()), expiry)).collect()
    };
    staged.replace_set(database, destination, &members, Expiry::NEVER);
    Ok(Reply::count(members.len()))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::store::Store;

    #[test]
    fn what_was_drawn_and_is_gone_is_replaced() {
        let (store, key) = (Store::default(), Bytes::from_static(b"k"));
        let keyspace = store.read();
        let mut staged = Staged::new(&keyspace, 1);
        let members: Vec<_> = (0..60_000).map(|member| Bytes::from(member.to_string())).collect();
        staged.put_members(0, &key, &members, Expiry::NEVER, |_| true).unwrap();
        staged.remove_members(0, &key, &members[..10]).unwrap();
        let started = Instant::now();
        let popped = spop(&mut staged, 0, &key, Some(30_000), (&members[..30_000], 7)).unwrap();
        // Looking at all that were chosen for each that may be would take minutes.
        assert!(started.elapsed() < Duration::from_secs(20));
        assert!(matches!(popped, Reply::StringSet(popped) if popped.len() == 30_000));
        assert_eq!(staged.view().set(0, &key).unwrap().unwrap().len(), 29_990);
    }
}
