//! When keys end, and when members of sets do: EXPIRE, TTL, SADDEX and their families.

use super::{Answer, Scope};
use crate::expiry::Expiry;
use crate::op::{Change, ExpireConditions, ExpireMembersAnswer, MemberCondition};
use crate::reply::{Error, Reply, printable};
use crate::request::{Request, parse_integer};
use crate::store::View;

/// How a command counts time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TimeUnit {
    Seconds,
    Milliseconds,
}

impl TimeUnit {
    const fn ms(self) -> i64 {
        match self {
            Self::Seconds => 1_000,
            Self::Milliseconds => 1,
        }
    }

    /// So many milliseconds in this unit, rounded as Redis does.
    fn of_ms(self, ms: i64) -> i64 {
        match self {
            Self::Seconds => ms / 1_000 + i64::from(ms % 1_000 >= 500),
            Self::Milliseconds => ms,
        }
    }
}

/// The moment that an argument names, counted from `from_ms`: 0 where it is absolute.
fn parse_expiry(
    command: &'static str,
    argument: &[u8],
    unit: TimeUnit,
    from_ms: i64,
) -> Result<Expiry, Error> {
    let number = parse_integer(argument).ok_or(Error::NotAnInteger)?;
    expiry_at(command, number, unit, from_ms)
}

fn expiry_at(command: &'static str, number: i64, unit: TimeUnit, from_ms: i64) -> Result<Expiry, Error> {
    let ms = number.checked_mul(unit.ms()).and_then(|ms| ms.checked_add(from_ms));
    ms.map(Expiry::at_ms).ok_or(Error::InvalidExpireTime(command))
}

/// The same where the number must be above 0: in SET, SETEX and GETEX.
pub(super) fn parse_positive(
    command: &'static str,
    argument: &[u8],
    unit: TimeUnit,
    from_ms: i64,
) -> Result<Expiry, Error> {
    let number = parse_integer(argument).ok_or(Error::NotAnInteger)?;
    if number <= 0 {
        return Err(Error::InvalidExpireTime(command));
    }
    expiry_at(command, number, unit, from_ms)
}

pub(super) fn expire(scope: &Scope<'_>, request: Request<'_>) -> Result<Change, Error> {
    expire_key("expire", TimeUnit::Seconds, scope.now_ms, request)
}

pub(super) fn pexpire(scope: &Scope<'_>, request: Request<'_>) -> Result<Change, Error> {
    expire_key("pexpire", TimeUnit::Milliseconds, scope.now_ms, request)
}

pub(super) fn expireat(_: &Scope<'_>, request: Request<'_>) -> Result<Change, Error> {
    expire_key("expireat", TimeUnit::Seconds, 0, request)
}

pub(super) fn pexpireat(_: &Scope<'_>, request: Request<'_>) -> Result<Change, Error> {
    expire_key("pexpireat", TimeUnit::Milliseconds, 0, request)
}

fn expire_key(
    command: &'static str,
    unit: TimeUnit,
    from_ms: i64,
    request: Request<'_>,
) -> Result<Change, Error> {
    let mut condition = ExpireConditions::default();
    for option in request.args(3) {
        match option.to_ascii_lowercase().as_slice() {
            b"nx" => condition.never = true,
            b"xx" => condition.ends = true,
            b"gt" => condition.earlier = true,
            b"lt" => condition.later = true,
            _ => return Err(Error::UnsupportedOption(printable(option))),
        }
    }
    if condition.never && (condition.ends || condition.earlier || condition.later) {
        return Err(Error::ExpireNxAndOthers);
    }
    if condition.earlier && condition.later {
        return Err(Error::ExpireGtAndLt);
    }
    let expiry = parse_expiry(command, request.arg(2), unit, from_ms)?;
    Ok(Change::Expire { key: request.shared(1), expiry, condition })
}

/// `PERSIST key [member]`.
pub(super) fn persist(_: &Scope<'_>, request: Request<'_>) -> Result<Change, Error> {
    let key = request.shared(1);
    match request.len() {
        2 => Ok(Change::Persist { key }),
        3 => Ok(Change::ExpireMembers {
            key,
            members: request.shared_args(2),
            expiry: Expiry::NEVER,
            answer: ExpireMembersAnswer::WasChanged,
        }),
        _ => Err(Error::WrongArity("persist".to_owned())),
    }
}

/// `TTL key [member]`.
pub(super) fn ttl(view: &View<'_>, database: u8, request: Request<'_>) -> Answer {
    time_left("ttl", TimeUnit::Seconds, view, database, request)
}

/// `PTTL key [member]`.
pub(super) fn pttl(view: &View<'_>, database: u8, request: Request<'_>) -> Answer {
    time_left("pttl", TimeUnit::Milliseconds, view, database, request)
}

/// -2 stands for no such key or member, -1 for no end.
fn time_left(command: &str, unit: TimeUnit, view: &View<'_>, database: u8, request: Request<'_>) -> Answer {
    let expiry = match request.len() {
        2 => view.key(database, request.arg(1)).map(|found| found.expiry),
        3 => view.set(database, request.arg(1))?.and_then(|set| set.expiry_of(request.arg(2))),
        _ => return Err(Error::WrongArity(command.to_owned())),
    };
    Ok(Reply::Integer(expiry.map_or(-2, |expiry| left(expiry, unit, view.now_ms()))))
}

fn left(expiry: Expiry, unit: TimeUnit, now_ms: i64) -> i64 {
    expiry.ms().map_or(-1, |ms| unit.of_ms(ms.saturating_sub(now_ms)))
}

pub(super) fn expiretime(view: &View<'_>, database: u8, request: Request<'_>) -> Answer {
    Ok(end_of_key(TimeUnit::Seconds, view, database, request))
}

pub(super) fn pexpiretime(view: &View<'_>, database: u8, request: Request<'_>) -> Answer {
    Ok(end_of_key(TimeUnit::Milliseconds, view, database, request))
}

fn end_of_key(unit: TimeUnit, view: &View<'_>, database: u8, request: Request<'_>) -> Reply {
    let expiry = view.key(database, request.arg(1)).map(|found| found.expiry);
    Reply::Integer(expiry.map_or(-2, |expiry| expiry.ms().map_or(-1, |ms| unit.of_ms(ms))))
}

/// `SADDEX key [KEEPTTL|NX|XX|GT|LT] seconds member [member ...]`. KEEPTTL is Dragonfly's word for NX.
pub(super) fn saddex(scope: &Scope<'_>, request: Request<'_>) -> Result<Change, Error> {
    add_members("saddex", TimeUnit::Seconds, scope.now_ms, request)
}

/// `SADDEXAT key [NX|XX|GT|LT] unix-seconds member [member ...]`.
pub(super) fn saddexat(_: &Scope<'_>, request: Request<'_>) -> Result<Change, Error> {
    add_members("saddexat", TimeUnit::Seconds, 0, request)
}

/// `PSADDEXAT key [NX|XX|GT|LT] unix-milliseconds member [member ...]`.
pub(super) fn psaddexat(_: &Scope<'_>, request: Request<'_>) -> Result<Change, Error> {
    add_members("psaddexat", TimeUnit::Milliseconds, 0, request)
}

fn add_members(
    command: &'static str,
    unit: TimeUnit,
    from_ms: i64,
    request: Request<'_>,
) -> Result<Change, Error> {
    let condition = match request.arg(2).to_ascii_lowercase().as_slice() {
        b"nx" | b"keepttl" => Some(MemberCondition::New),
        b"xx" => Some(MemberCondition::Existing),
        b"gt" => Some(MemberCondition::Later),
        b"lt" => Some(MemberCondition::Earlier),
        _ => None,
    };
    let time = if condition.is_some() { 3 } else { 2 };
    if request.len() < time + 2 {
        return Err(Error::WrongArity(command.to_owned()));
    }
    let expiry = if from_ms == 0 {
        parse_expiry(command, request.arg(time), unit, from_ms)?
    } else {
        parse_positive(command, request.arg(time), unit, from_ms)?
    };
    let (key, members) = (request.shared(1), request.shared_args(time + 1));
    Ok(Change::Saddex { key, members, expiry, condition: condition.unwrap_or(MemberCondition::Any) })
}

/// `FIELDEXPIRE key seconds member [member ...]`.
pub(super) fn fieldexpire(scope: &Scope<'_>, request: Request<'_>) -> Result<Change, Error> {
    Ok(Change::ExpireMembers {
        key: request.shared(1),
        members: request.shared_args(3),
        expiry: parse_positive("fieldexpire", request.arg(2), TimeUnit::Seconds, scope.now_ms)?,
        answer: ExpireMembersAnswer::Each,
    })
}

/// -3 stands for no such member, -2 for no such key, -1 for no end.
pub(super) fn fieldttl(view: &View<'_>, database: u8, request: Request<'_>) -> Answer {
    let Some(set) = view.set(database, request.arg(1))? else { return Ok(Reply::Integer(-2)) };
    let expiry = set.expiry_of(request.arg(2));
    Ok(Reply::Integer(expiry.map_or(-3, |expiry| left(expiry, TimeUnit::Seconds, view.now_ms()))))
}

/// `EXPIREMEMBER key member number [s|ms]`.
pub(super) fn expiremember(scope: &Scope<'_>, request: Request<'_>) -> Result<Change, Error> {
    let unit = match request.args(4).next() {
        None => TimeUnit::Seconds,
        Some(word) if word.eq_ignore_ascii_case(b"s") => TimeUnit::Seconds,
        Some(word) if word.eq_ignore_ascii_case(b"ms") => TimeUnit::Milliseconds,
        Some(_) => return Err(Error::Syntax),
    };
    if request.len() > 5 {
        return Err(Error::WrongArity("expiremember".to_owned()));
    }
    expire_member("expiremember", unit, scope.now_ms, request)
}

/// `EXPIREMEMBERAT key member unix-seconds`.
pub(super) fn expirememberat(_: &Scope<'_>, request: Request<'_>) -> Result<Change, Error> {
    expire_member("expirememberat", TimeUnit::Seconds, 0, request)
}

/// `PEXPIREMEMBERAT key member unix-milliseconds`.
pub(super) fn pexpirememberat(_: &Scope<'_>, request: Request<'_>) -> Result<Change, Error> {
    expire_member("pexpirememberat", TimeUnit::Milliseconds, 0, request)
}

fn expire_member(
    command: &'static str,
    unit: TimeUnit,
    from_ms: i64,
    request: Request<'_>,
) -> Result<Change, Error> {
    Ok(Change::ExpireMembers {
        key: request.shared(1),
        members: vec![request.shared(2)],
        expiry: parse_expiry(command, request.arg(3), unit, from_ms)?,
        answer: ExpireMembersAnswer::WasThere,
    })
}
