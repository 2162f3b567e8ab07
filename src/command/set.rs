//! Sets: SADD, SREM, SISMEMBER and their family.

use ahash::AHashMap;
use bytes::Bytes;

use super::key::{ScanOptions, parse_cursor, scan_reply};
use super::{Answer, Scope};
use crate::expiry::Expiry;
use crate::limits::{DRAWN_MEMBERS, REPEATED_DRAWS_BYTES};
use crate::op::{Change, SetOperation};
use crate::reply::{ByteStrings, Error, Reply};
use crate::request::{Request, parse_integer};
use crate::store::{NameView, SetView, View};

pub(super) fn sadd(_: &Scope<'_>, request: Request<'_>) -> Result<Change, Error> {
    Ok(Change::Sadd { key: request.shared(1), members: request.shared_args(2) })
}

pub(super) fn srem(_: &Scope<'_>, request: Request<'_>) -> Result<Change, Error> {
    Ok(Change::Srem { key: request.shared(1), members: request.shared_args(2) })
}

pub(super) fn sismember(view: &View<'_>, database: u8, request: Request<'_>) -> Answer {
    let set = view.set(database, request.arg(1))?;
    Ok(Reply::Integer(set.is_some_and(|set| set.contains(request.arg(2))).into()))
}

pub(super) fn smismember(view: &View<'_>, database: u8, request: Request<'_>) -> Answer {
    let set = view.set(database, request.arg(1))?;
    let contains = |member| set.as_ref().is_some_and(|set| set.contains(member));
    Ok(Reply::Array(request.args(2).map(|member| Reply::Integer(contains(member).into())).collect()))
}

pub(super) fn smembers(view: &View<'_>, database: u8, request: Request<'_>) -> Answer {
    let set = view.set(database, request.arg(1))?;
    let members = |set: SetView<'_>| set.members().map(|(member, _)| member.text()).collect();
    Ok(Reply::StringSet(set.map_or_else(ByteStrings::default, members)))
}

pub(super) fn scard(view: &View<'_>, database: u8, request: Request<'_>) -> Answer {
    Ok(Reply::count(view.set(database, request.arg(1))?.map_or(0, |set| set.len())))
}

/// As in Redis, the options are not looked at where there is no set.
pub(super) fn sscan(view: &View<'_>, database: u8, request: Request<'_>) -> Answer {
    let cursor = parse_cursor(request.arg(2))?;
    let Some(set) = view.set(database, request.arg(1))? else {
        return Ok(scan_reply(None, ByteStrings::default()));
    };
    let options = ScanOptions::parse(request.args(3))?;
    if options.type_name.is_some() {
        return Err(Error::Syntax);
    }
    let mut members = ByteStrings::default();
    let next = set.scan((cursor, options.count), |member| {
        if options.matches(member) {
            members.push(member);
        }
    });
    Ok(scan_reply(next, members))
}

/// The members are drawn right here: an op may not depend on chance. The writer looks which of them are still there.
pub(super) fn spop(scope: &Scope<'_>, request: Request<'_>) -> Result<Change, Error> {
    if request.len() > 3 {
        return Err(Error::Syntax);
    }
    let count = match request.len() {
        2 => None,
        _ => Some(parse_count(request.arg(2))?),
    };
    let keyspace = scope.store.read();
    let set = View::committed(&keyspace, scope.now_ms).set(scope.database, request.arg(1));
    let drawn = match set {
        Ok(Some(set)) if count.unwrap_or(1) < set.len().min(DRAWN_MEMBERS + 1) => {
            draw(&set, count.unwrap_or(1))
        }
        // All are popped, there is nothing to draw from, or so many are wanted that the writer had better choose: nobody
        // may write while they are drawn.
        Ok(_) | Err(_) => Vec::new(),
    };
    let drawn = drawn.iter().map(|member| Bytes::copy_from_slice(&member.text())).collect();
    Ok(Change::Spop { key: request.shared(1), count, drawn, seed: fastrand::u64(..) })
}

pub(super) fn srandmember(view: &View<'_>, database: u8, request: Request<'_>) -> Answer {
    if request.len() > 3 {
        return Err(Error::Syntax);
    }
    if request.len() == 2 {
        let set = view.set(database, request.arg(1))?;
        return Ok(set
            .and_then(|set| set.random_member())
            .map_or(Reply::Null, |member| Reply::bulk(&*member.text())));
    }
    let count = parse_integer(request.arg(2)).ok_or(Error::NotAnInteger)?;
    if count == i64::MIN {
        return Err(Error::NumberOutOfRange { least: -i64::MAX, most: i64::MAX });
    }
    let Some(set) = view.set(database, request.arg(1))? else {
        return Ok(Reply::Array(Vec::new()));
    };
    let many = count.unsigned_abs() as usize;
    Ok(Reply::Strings(if count < 0 { repeated_draws(&set, many)? } else { several(&set, many) }))
}

/// As many members as asked for, some perhaps more than once.
fn repeated_draws(set: &SetView<'_>, count: usize) -> Result<ByteStrings, Error> {
    let mut drawn = ByteStrings::default();
    for member in set.random_members().take(count) {
        if drawn.bytes() + drawn.len() * size_of::<usize>() > REPEATED_DRAWS_BYTES {
            return Err(Error::ReplyTooLong);
        }
        drawn.push(&member.text());
    }
    Ok(drawn)
}

/// So many different members, or all.
fn several(set: &SetView<'_>, count: usize) -> ByteStrings {
    if count >= set.len() {
        return set.members().map(|(member, _)| member.text()).collect();
    }
    draw(set, count).iter().map(NameView::text).collect()
}

/// So many different members, or all, each with the same chance.
fn draw<'a>(set: &SetView<'a>, count: usize) -> Vec<NameView<'a>> {
    let len = set.len();
    // Drawing one by one repeats itself more the more of the members were drawn.
    if count < len / 3 {
        let mut drawn = ahash::AHashSet::with_capacity(count);
        let mut members = set.random_members();
        while drawn.len() < count {
            drawn.extend(members.next());
        }
        return drawn.into_iter().collect();
    }
    let mut members: Vec<_> = set.members().map(|(member, _)| member).collect();
    fastrand::shuffle(&mut members);
    members.truncate(count);
    members
}

pub(super) fn smove(_: &Scope<'_>, request: Request<'_>) -> Result<Change, Error> {
    let (source, destination) = (request.shared(1), request.shared(2));
    Ok(Change::Smove { source, destination, member: request.shared(3) })
}

pub(super) fn sinter(view: &View<'_>, database: u8, request: Request<'_>) -> Answer {
    combined(view, database, SetOperation::Intersection, request)
}

pub(super) fn sunion(view: &View<'_>, database: u8, request: Request<'_>) -> Answer {
    combined(view, database, SetOperation::Union, request)
}

pub(super) fn sdiff(view: &View<'_>, database: u8, request: Request<'_>) -> Answer {
    combined(view, database, SetOperation::Difference, request)
}

fn combined(view: &View<'_>, database: u8, operation: SetOperation, request: Request<'_>) -> Answer {
    let sets = request.args(1).map(|key| view.set(database, key)).collect::<Result<Vec<_>, _>>()?;
    let members = combine(operation, &sets, usize::MAX);
    Ok(Reply::StringSet(members.iter().map(|(member, _)| member.text()).collect()))
}

pub(super) fn sinterstore(_: &Scope<'_>, request: Request<'_>) -> Result<Change, Error> {
    Ok(store(SetOperation::Intersection, request))
}

pub(super) fn sunionstore(_: &Scope<'_>, request: Request<'_>) -> Result<Change, Error> {
    Ok(store(SetOperation::Union, request))
}

pub(super) fn sdiffstore(_: &Scope<'_>, request: Request<'_>) -> Result<Change, Error> {
    Ok(store(SetOperation::Difference, request))
}

fn store(operation: SetOperation, request: Request<'_>) -> Change {
    Change::Sstore { operation, destination: request.shared(1), keys: request.shared_args(2) }
}

/// `SINTERCARD numkeys key [key ...] [LIMIT limit]`.
pub(super) fn sintercard(view: &View<'_>, database: u8, request: Request<'_>) -> Answer {
    let numkeys = parse_integer(request.arg(1)).filter(|&number| number > 0);
    let numkeys = numkeys.ok_or(Error::NumkeysNotPositive)?;
    let behind = request.args(2);
    let numkeys = usize::try_from(numkeys).ok().filter(|&numkeys| numkeys <= behind.len());
    let numkeys = numkeys.ok_or(Error::NumkeysTooGreat)?;
    let mut limit = 0;
    let mut options = request.args(2 + numkeys);
    while let Some(option) = options.next() {
        let value = options.next().filter(|_| option.eq_ignore_ascii_case(b"limit")).ok_or(Error::Syntax)?;
        limit = parse_integer(value).filter(|&limit| limit >= 0).ok_or(Error::LimitNegative)? as usize;
    }
    let keys = behind.take(numkeys);
    let sets = keys.map(|key| view.set(database, key)).collect::<Result<Vec<_>, _>>()?;
    let limit = if limit == 0 { usize::MAX } else { limit };
    Ok(Reply::count(combine(SetOperation::Intersection, &sets, limit).len()))
}

/// What sets have in common or not, up to `limit` of it, and when it ends there: a member of an intersection with the
/// first of the sets that lose it, one of a union with the last, one of a difference with that of the first set.
pub(super) fn combine<'a>(
    operation: SetOperation,
    sets: &[Option<SetView<'a>>],
    limit: usize,
) -> Vec<(NameView<'a>, Expiry)> {
    match operation {
        SetOperation::Intersection => intersect(sets).take(limit).collect(),
        SetOperation::Union => unite(sets),
        SetOperation::Difference => {
            let Some((Some(first), others)) = sets.split_first() else { return Vec::new() };
            let is_elsewhere =
                |member: &NameView<'_>| others.iter().flatten().any(|set| set.contains(&member.text()));
            first.members().filter(|(member, _)| !is_elsewhere(member)).collect()
        }
    }
}

fn intersect<'a>(sets: &[Option<SetView<'a>>]) -> impl Iterator<Item = (NameView<'a>, Expiry)> {
    let is_any_missing = sets.iter().any(Option::is_none);
    let smallest = sets.iter().flatten().min_by_key(|set| set.len()).filter(|_| !is_any_missing);
    let members = smallest.into_iter().flat_map(SetView::members);
    members.filter_map(|(member, _)| {
        let text = member.text();
        let ends = sets.iter().map(|set| set.as_ref().and_then(|set| set.expiry_of(&text)));
        ends.collect::<Option<Vec<_>>>()?.into_iter().min().map(|expiry| (member, expiry))
    })
}

fn unite<'a>(sets: &[Option<SetView<'a>>]) -> Vec<(NameView<'a>, Expiry)> {
    let mut united = AHashMap::new();
    for (member, expiry) in sets.iter().flatten().flat_map(SetView::members) {
        let latest = united.entry(member).or_insert(expiry);
        *latest = expiry.max(*latest);
    }
    united.into_iter().collect()
}

fn parse_count(arg: &[u8]) -> Result<usize, Error> {
    parse_integer(arg).and_then(|count| usize::try_from(count).ok()).ok_or(Error::NotPositive)
}
