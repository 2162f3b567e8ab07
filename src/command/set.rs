//! Sets: SADD, SREM, SISMEMBER and their family.

use super::key::{ScanOptions, parse_cursor, scan_reply};
use crate::op::Op;
use crate::reply::{ByteStrings, Error, Reply};
use crate::request::Request;
use crate::store::{SetView, View};

pub(super) fn sadd(database: u8, request: Request<'_>) -> Result<Op, Error> {
    Ok(Op::Sadd { database, key: request.shared(1), members: request.shared_args(2) })
}

pub(super) fn srem(database: u8, request: Request<'_>) -> Result<Op, Error> {
    Ok(Op::Srem { database, key: request.shared(1), members: request.shared_args(2) })
}

pub(super) fn sismember(view: &View<'_>, database: u8, request: Request<'_>) -> Reply {
    let set = view.set(database, request.arg(1));
    Reply::Integer(set.is_some_and(|set| set.contains(request.arg(2))).into())
}

pub(super) fn smismember(view: &View<'_>, database: u8, request: Request<'_>) -> Reply {
    let set = view.set(database, request.arg(1));
    let contains = |member| set.as_ref().is_some_and(|set| set.contains(member));
    Reply::Array(request.args(2).map(|member| Reply::Integer(contains(member).into())).collect())
}

pub(super) fn smembers(view: &View<'_>, database: u8, request: Request<'_>) -> Reply {
    let set = view.set(database, request.arg(1));
    Reply::StringSet(set.map_or_else(ByteStrings::default, |set| set.members().collect()))
}

pub(super) fn scard(view: &View<'_>, database: u8, request: Request<'_>) -> Reply {
    Reply::count(view.set(database, request.arg(1)).map_or(0, |set| SetView::len(&set)))
}

/// As in Redis, the options are not looked at where there is no set.
pub(super) fn sscan(view: &View<'_>, database: u8, request: Request<'_>) -> Reply {
    let cursor = match parse_cursor(request.arg(2)) {
        Ok(cursor) => cursor,
        Err(error) => return error.into(),
    };
    let Some(set) = view.set(database, request.arg(1)) else {
        return scan_reply(None, ByteStrings::default());
    };
    let options = match ScanOptions::parse(request.args(3)) {
        Ok(options) if options.type_name.is_none() => options,
        Ok(_) => return Error::Syntax.into(),
        Err(error) => return error.into(),
    };
    let mut members = ByteStrings::default();
    let next = set.scan(cursor, options.count, |member| {
        if options.matches(member) {
            members.push(member);
        }
    });
    scan_reply(next, members)
}
