//! Ops on strings.

use bytes::{Bytes, BytesMut};

use crate::command::float::{self, FloatError};
use crate::expiry::Expiry;
use crate::limits::ARGUMENT_BYTES;
use crate::op::{Exists, SetAnswer, TimeFault};
use crate::reply::{Error, Reply};
use crate::request::parse_integer;
use crate::store::{Staged, ValueView};

pub(super) fn set(
    staged: &mut Staged<'_>,
    database: u8,
    key: &Bytes,
    value: &Bytes,
    (expiry, condition, answer): (Option<Expiry>, Option<Exists>, SetAnswer),
) -> Result<Reply, Error> {
    let before = staged.view().key(database, key);
    let is_there = before.is_some();
    let expiry = expiry.unwrap_or_else(|| before.as_ref().map_or(Expiry::NEVER, |found| found.expiry));
    let string = match (answer, before.map(|found| found.value)) {
        (SetAnswer::Before, Some(ValueView::String(string))) => Reply::bulk(string),
        (SetAnswer::Before, Some(ValueView::Set(_))) => return Err(Error::WrongType),
        _ => Reply::Null,
    };
    let is_set = condition.is_none_or(|exists| (exists == Exists::Yes) == is_there);
    if is_set {
        staged.set_string(database, key, value.clone(), expiry);
    }
    Ok(match answer {
        SetAnswer::Ok if is_set => Reply::OK,
        SetAnswer::Ok => Reply::Null,
        SetAnswer::Before => string,
        SetAnswer::WasSet => Reply::Integer(is_set.into()),
    })
}

pub(super) fn mset(staged: &mut Staged<'_>, database: u8, pairs: &[(Bytes, Bytes)]) -> Reply {
    for (key, value) in pairs {
        staged.set_string(database, key, value.clone(), Expiry::NEVER);
    }
    Reply::OK
}

pub(super) fn msetnx(staged: &mut Staged<'_>, database: u8, pairs: &[(Bytes, Bytes)]) -> Reply {
    let is_any_there = pairs.iter().any(|(key, _)| staged.view().key(database, key).is_some());
    if !is_any_there {
        mset(staged, database, pairs);
    }
    Reply::Integer((!is_any_there).into())
}

pub(super) fn getdel(staged: &mut Staged<'_>, database: u8, key: &Bytes) -> Result<Reply, Error> {
    let string = staged.view().string(database, key)?.map_or(Reply::Null, Reply::bulk);
    staged.remove_key(database, key);
    Ok(string)
}

pub(super) fn getex(
    staged: &mut Staged<'_>,
    database: u8,
    key: &Bytes,
    expiry: Result<Option<Expiry>, TimeFault>,
) -> Result<Reply, Error> {
    let Some(string) = staged.view().string(database, key)?.map(Reply::bulk) else { return Ok(Reply::Null) };
    match expiry.map_err(|fault| match fault {
        TimeFault::NotAnInteger => Error::NotAnInteger,
        TimeFault::OutOfRange => Error::InvalidExpireTime("getex"),
    })? {
        Some(Expiry::NEVER) => _ = super::key::persist(staged, database, key),
        Some(expiry) => staged.set_expiry(database, key, expiry),
        None => {}
    }
    Ok(string)
}

pub(super) fn append(
    staged: &mut Staged<'_>,
    database: u8,
    key: &Bytes,
    value: &Bytes,
) -> Result<Reply, Error> {
    let before = string_and_expiry(staged, database, key)?;
    let (string, expiry) = before.unwrap_or((&[], Expiry::NEVER));
    let length = checked_length(string.len(), value.len())?;
    let string = [string, value].concat();
    staged.set_string(database, key, Bytes::from(string), expiry);
    Ok(Reply::count(length))
}

pub(super) fn setrange(
    staged: &mut Staged<'_>,
    database: u8,
    key: &Bytes,
    offset: usize,
    value: &Bytes,
) -> Result<Reply, Error> {
    let before = string_and_expiry(staged, database, key)?;
    let (string, expiry) = before.unwrap_or((&[], Expiry::NEVER));
    if value.is_empty() {
        return Ok(Reply::count(string.len()));
    }
    let end = checked_length(offset, value.len())?;
    let length = string.len().max(end);
    let mut written = BytesMut::with_capacity(length);
    written.extend_from_slice(string);
    written.resize(length, 0);
    written[offset..end].copy_from_slice(value);
    staged.set_string(database, key, written.freeze(), expiry);
    Ok(Reply::count(length))
}

pub(super) fn incrby(
    staged: &mut Staged<'_>,
    database: u8,
    key: &Bytes,
    increment: i64,
) -> Result<Reply, Error> {
    let before = string_and_expiry(staged, database, key)?;
    let (string, expiry) = before.unwrap_or((b"0", Expiry::NEVER));
    let before = parse_integer(string).ok_or(Error::NotAnInteger)?;
    let after = before.checked_add(increment).ok_or(Error::IncrementOverflow)?;
    staged.set_string(database, key, Bytes::from(after.to_string()), expiry);
    Ok(Reply::Integer(after))
}

pub(super) fn incrbyfloat(
    staged: &mut Staged<'_>,
    database: u8,
    key: &Bytes,
    increment: &Bytes,
) -> Result<Reply, Error> {
    let before = string_and_expiry(staged, database, key)?;
    let (string, expiry) = before.unwrap_or((b"0", Expiry::NEVER));
    let after = float::add(string, increment).map_err(|error| match error {
        FloatError::NotAFloat => Error::NotAFloat,
        FloatError::NotFinite => Error::IncrementNotFinite,
    })?;
    let after = Bytes::from(after);
    staged.set_string(database, key, after.clone(), expiry);
    Ok(Reply::Bulk(after))
}

/// The string at a key as it is, and when the key ends.
fn string_and_expiry<'s>(
    staged: &'s Staged<'_>,
    database: u8,
    key: &Bytes,
) -> Result<Option<(&'s [u8], Expiry)>, Error> {
    match staged.view().key(database, key) {
        None => Ok(None),
        Some(found) => match found.value {
            ValueView::String(string) => Ok(Some((string, found.expiry))),
            ValueView::Set(_) => Err(Error::WrongType),
        },
    }
}

/// The length of a string that is made longer, if it may be so long.
fn checked_length(length: usize, more: usize) -> Result<usize, Error> {
    length.checked_add(more).filter(|&length| length <= ARGUMENT_BYTES).ok_or(Error::StringTooLong)
}
