//! Ops on keys of any type.

use bytes::Bytes;

use crate::expiry::Expiry;
use crate::op::ExpireConditions;
use crate::reply::{Error, Reply};
use crate::store::{NameView, Staged, ValueView};

pub(super) fn expire(
    staged: &mut Staged<'_>,
    database: u8,
    key: &Bytes,
    expiry: Expiry,
    condition: ExpireConditions,
) -> Result<Reply, Error> {
    let Some(found) = staged.view().key(database, key) else { return Ok(Reply::Integer(0)) };
    let before = found.expiry;
    let ExpireConditions { never, ends, earlier, later } = condition;
    let is_refused = (never && before != Expiry::NEVER)
        || (ends && before == Expiry::NEVER)
        || (earlier && expiry <= before)
        || (later && expiry >= before);
    if is_refused {
        return Ok(Reply::Integer(0));
    }
    staged.set_expiry(database, key, expiry);
    Ok(Reply::Integer(1))
}

pub(super) fn persist(staged: &mut Staged<'_>, database: u8, key: &Bytes) -> Reply {
    let is_ending = staged.view().key(database, key).is_some_and(|found| found.expiry != Expiry::NEVER);
    if is_ending {
        staged.set_expiry(database, key, Expiry::NEVER);
    }
    Reply::Integer(is_ending.into())
}

pub(super) fn rename(
    staged: &mut Staged<'_>,
    database: u8,
    key: &Bytes,
    new_key: &Bytes,
    if_missing: bool,
) -> Result<Reply, Error> {
    if !exists(staged, database, key) {
        return Err(Error::NoSuchKey);
    }
    if if_missing && exists(staged, database, new_key) {
        return Ok(Reply::Integer(0));
    }
    if key != new_key {
        staged.move_key((database, key), (database, new_key));
    }
    Ok(if if_missing { Reply::Integer(1) } else { Reply::OK })
}

pub(super) fn move_(staged: &mut Staged<'_>, database: u8, key: &Bytes, to: u8) -> Reply {
    let is_possible = exists(staged, database, key) && !exists(staged, to, key);
    if is_possible {
        staged.move_key((database, key), (to, key));
    }
    Reply::Integer(is_possible.into())
}

pub(super) fn copy(
    staged: &mut Staged<'_>,
    (database, source): (u8, &Bytes),
    (to, destination): (u8, &Bytes),
    replace: bool,
) -> Result<Reply, Error> {
    let view = staged.view();
    let Some(found) = view.key(database, source) else { return Ok(Reply::Integer(0)) };
    if !replace && view.key(to, destination).is_some() {
        return Ok(Reply::Integer(0));
    }
    let expiry = found.expiry;
    match found.value {
        ValueView::String(string) => {
            let string = Bytes::copy_from_slice(string);
            staged.set_string(to, destination, string, expiry);
        }
        ValueView::Set(set) => {
            let copied =
                |(member, expiry): (NameView<'_>, _)| (Bytes::copy_from_slice(&member.text()), expiry);
            let members: Vec<_> = set.members().map(copied).collect();
            staged.replace_set(to, destination, &members, expiry);
        }
    }
    Ok(Reply::Integer(1))
}

fn exists(staged: &Staged<'_>, database: u8, key: &[u8]) -> bool {
    staged.view().key(database, key).is_some()
}
