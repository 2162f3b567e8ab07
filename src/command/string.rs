//! Strings: SET, GET, INCR and their family.

use super::expiry::{self, TimeUnit};
use super::{Answer, Scope};
use crate::expiry::Expiry;
use crate::limits::REQUEST_BYTES;
use crate::op::{Change, Exists, SetAnswer, TimeFault};
use crate::reply::{Error, Reply};
use crate::request::{Request, parse_integer};
use crate::store::{ValueView, View};

/// `SET key value [NX|XX] [GET] [EX seconds|PX milliseconds|EXAT unix-seconds|PXAT unix-milliseconds|KEEPTTL]`.
pub(super) fn set(scope: &Scope<'_>, request: Request<'_>) -> Result<Change, Error> {
    let mut condition = None;
    let mut answer = SetAnswer::Ok;
    let mut keeps_expiry = false;
    let mut end: Option<End<'_>> = None;
    let mut options = request.args(3);
    while let Some(option) = options.next() {
        match option.to_ascii_lowercase().as_slice() {
            b"nx" if condition != Some(Exists::Yes) => condition = Some(Exists::No),
            b"xx" if condition != Some(Exists::No) => condition = Some(Exists::Yes),
            b"get" => answer = SetAnswer::Before,
            b"keepttl" if end.is_none() => keeps_expiry = true,
            word if !keeps_expiry => end = Some(End::parse(word, options.next(), end.as_ref())?),
            _ => return Err(Error::Syntax),
        }
    }
    let expiry = match end {
        Some(end) => Some(end.expiry("set", scope.now_ms)?),
        None => (!keeps_expiry).then_some(Expiry::NEVER),
    };
    Ok(Change::Set { key: request.shared(1), value: request.shared(2), expiry, condition, answer })
}

/// When a key ends, as SET and GETEX are told.
struct End<'a> {
    /// The option: EX, PX, EXAT, PXAT.
    unit: TimeUnit,
    is_absolute: bool,
    number: &'a [u8],
}

impl<'a> End<'a> {
    /// The end that an option gives. As in Redis, the same option may be given again, another one not.
    fn parse(option: &[u8], number: Option<&'a [u8]>, before: Option<&Self>) -> Result<Self, Error> {
        let (unit, is_absolute) = match option {
            b"ex" => (TimeUnit::Seconds, false),
            b"px" => (TimeUnit::Milliseconds, false),
            b"exat" => (TimeUnit::Seconds, true),
            b"pxat" => (TimeUnit::Milliseconds, true),
            _ => return Err(Error::Syntax),
        };
        let is_same = |before: &Self| before.unit == unit && before.is_absolute == is_absolute;
        if !before.is_none_or(is_same) {
            return Err(Error::Syntax);
        }
        Ok(Self { unit, is_absolute, number: number.ok_or(Error::Syntax)? })
    }

    fn expiry(&self, command: &'static str, now_ms: i64) -> Result<Expiry, Error> {
        let from_ms = if self.is_absolute { 0 } else { now_ms };
        expiry::parse_positive(command, self.number, self.unit, from_ms)
    }
}

pub(super) fn setex(scope: &Scope<'_>, request: Request<'_>) -> Result<Change, Error> {
    set_until(scope, request, "setex", TimeUnit::Seconds)
}

pub(super) fn psetex(scope: &Scope<'_>, request: Request<'_>) -> Result<Change, Error> {
    set_until(scope, request, "psetex", TimeUnit::Milliseconds)
}

fn set_until(
    scope: &Scope<'_>,
    request: Request<'_>,
    command: &'static str,
    unit: TimeUnit,
) -> Result<Change, Error> {
    let expiry = expiry::parse_positive(command, request.arg(2), unit, scope.now_ms)?;
    let (key, value) = (request.shared(1), request.shared(3));
    Ok(Change::Set { key, value, expiry: Some(expiry), condition: None, answer: SetAnswer::Ok })
}

pub(super) fn setnx(_: &Scope<'_>, request: Request<'_>) -> Result<Change, Error> {
    let (key, value) = (request.shared(1), request.shared(2));
    let (expiry, condition) = (Some(Expiry::NEVER), Some(Exists::No));
    Ok(Change::Set { key, value, expiry, condition, answer: SetAnswer::WasSet })
}

pub(super) fn getset(_: &Scope<'_>, request: Request<'_>) -> Result<Change, Error> {
    let (key, value) = (request.shared(1), request.shared(2));
    let expiry = Some(Expiry::NEVER);
    Ok(Change::Set { key, value, expiry, condition: None, answer: SetAnswer::Before })
}

pub(super) fn get(view: &View<'_>, database: u8, request: Request<'_>) -> Answer {
    Ok(view.string(database, request.arg(1))?.map_or(Reply::Null, Reply::bulk))
}

pub(super) fn mget(view: &View<'_>, database: u8, request: Request<'_>) -> Answer {
    let string = |key| match view.key(database, key).map(|found| found.value) {
        Some(ValueView::String(string)) => Some(string),
        Some(ValueView::Set(_)) | None => None,
    };
    let strings: Vec<_> = request.args(1).map(string).collect();
    // A key may be asked for a million times.
    if strings.iter().flatten().map(|string| string.len()).sum::<usize>() > REQUEST_BYTES {
        return Err(Error::ReplyTooLong);
    }
    Ok(Reply::Array(strings.into_iter().map(|string| string.map_or(Reply::Null, Reply::bulk)).collect()))
}

pub(super) fn mset(_: &Scope<'_>, request: Request<'_>) -> Result<Change, Error> {
    Ok(Change::Mset { pairs: pairs(request, "mset")? })
}

pub(super) fn msetnx(_: &Scope<'_>, request: Request<'_>) -> Result<Change, Error> {
    Ok(Change::Msetnx { pairs: pairs(request, "msetnx")? })
}

fn pairs(request: Request<'_>, command: &str) -> Result<Vec<(bytes::Bytes, bytes::Bytes)>, Error> {
    if request.len().is_multiple_of(2) {
        return Err(Error::WrongArity(command.to_owned()));
    }
    let pair = |key| (request.shared(key), request.shared(key + 1));
    Ok((1..request.len()).step_by(2).map(pair).collect())
}

pub(super) fn getdel(_: &Scope<'_>, request: Request<'_>) -> Result<Change, Error> {
    Ok(Change::Getdel { key: request.shared(1) })
}

/// `GETEX key [EX seconds|PX milliseconds|EXAT unix-seconds|PXAT unix-milliseconds|PERSIST]`.
pub(super) fn getex(scope: &Scope<'_>, request: Request<'_>) -> Result<Change, Error> {
    let mut persists = false;
    let mut end: Option<End<'_>> = None;
    let mut options = request.args(2);
    while let Some(option) = options.next() {
        match option.to_ascii_lowercase().as_slice() {
            b"persist" if end.is_none() => persists = true,
            word if !persists => end = Some(End::parse(word, options.next(), end.as_ref())?),
            _ => return Err(Error::Syntax),
        }
    }
    let key = request.shared(1);
    let expiry = match end.map(|end| end.expiry("getex", scope.now_ms)) {
        Some(Ok(expiry)) => Ok(Some(expiry)),
        Some(Err(Error::NotAnInteger)) => Err(TimeFault::NotAnInteger),
        Some(Err(_)) => Err(TimeFault::OutOfRange),
        None => Ok(persists.then_some(Expiry::NEVER)),
    };
    Ok(Change::Getex { key, expiry })
}

pub(super) fn strlen(view: &View<'_>, database: u8, request: Request<'_>) -> Answer {
    Ok(Reply::count(view.string(database, request.arg(1))?.map_or(0, <[u8]>::len)))
}

pub(super) fn getrange(view: &View<'_>, database: u8, request: Request<'_>) -> Answer {
    let start = parse_integer(request.arg(2)).ok_or(Error::NotAnInteger)?;
    let end = parse_integer(request.arg(3)).ok_or(Error::NotAnInteger)?;
    let string = view.string(database, request.arg(1))?.unwrap_or_default();
    Ok(Reply::bulk(range(string, start, end)))
}

/// The bytes from `start` to `end`, both included; below zero they count from the end of the string.
fn range(string: &[u8], start: i64, end: i64) -> &[u8] {
    if start < 0 && end < 0 && start > end {
        return &[];
    }
    let len = string.len() as i64;
    let place = |index: i64| if index < 0 { index.saturating_add(len).max(0) } else { index };
    let (start, end) = (place(start), place(end).min(len - 1));
    if start > end { &[] } else { &string[start as usize..=end as usize] }
}

pub(super) fn setrange(_: &Scope<'_>, request: Request<'_>) -> Result<Change, Error> {
    let offset = parse_integer(request.arg(2)).ok_or(Error::NotAnInteger)?;
    let offset = usize::try_from(offset).map_err(|_| Error::OffsetOutOfRange)?;
    Ok(Change::Setrange { key: request.shared(1), offset, value: request.shared(3) })
}

pub(super) fn append(_: &Scope<'_>, request: Request<'_>) -> Result<Change, Error> {
    Ok(Change::Append { key: request.shared(1), value: request.shared(2) })
}

pub(super) fn incr(_: &Scope<'_>, request: Request<'_>) -> Result<Change, Error> {
    Ok(Change::Incrby { key: request.shared(1), increment: 1 })
}

pub(super) fn decr(_: &Scope<'_>, request: Request<'_>) -> Result<Change, Error> {
    Ok(Change::Incrby { key: request.shared(1), increment: -1 })
}

pub(super) fn incrby(_: &Scope<'_>, request: Request<'_>) -> Result<Change, Error> {
    let increment = parse_integer(request.arg(2)).ok_or(Error::NotAnInteger)?;
    Ok(Change::Incrby { key: request.shared(1), increment })
}

pub(super) fn decrby(_: &Scope<'_>, request: Request<'_>) -> Result<Change, Error> {
    let decrement = parse_integer(request.arg(2)).ok_or(Error::NotAnInteger)?;
    let increment = decrement.checked_neg().ok_or(Error::DecrementOverflow)?;
    Ok(Change::Incrby { key: request.shared(1), increment })
}

pub(super) fn incrbyfloat(_: &Scope<'_>, request: Request<'_>) -> Result<Change, Error> {
    Ok(Change::Incrbyfloat { key: request.shared(1), increment: request.shared(2) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_count_from_both_ends() {
        for (start, end, expected) in [
            (0, 3, "This"),
            (-3, -1, "ing"),
            (0, -1, "This is a string"),
            (10, 100, "string"),
            (-100, 1, "Th"),
            (5, 2, ""),
            (-1, -3, ""),
            (100, 200, ""),
            (i64::MIN, i64::MAX, "This is a string"),
            (i64::MIN, i64::MIN, "T"),
        ] {
            assert_eq!(range(b"This is a string", start, end), expected.as_bytes(), "{start} {end}");
        }
        assert_eq!(range(b"", 0, -1), b"");
    }
}
