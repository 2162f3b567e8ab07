//! Keys of any type: DEL, EXISTS, SCAN and their family.

use super::glob::{self, Case};
use crate::op::Op;
use crate::reply::{ByteStrings, Error, Reply};
use crate::request::{Request, parse_integer};
use crate::store::{NextCursor, View};

/// Keys or members that a SCAN visits where its COUNT doesn't say: Redis's default.
const SCAN_COUNT: usize = 10;

pub(super) fn del(database: u8, request: Request<'_>) -> Result<Op, Error> {
    Ok(Op::Del { database, keys: request.shared_args(1) })
}

pub(super) fn exists(view: &View<'_>, database: u8, request: Request<'_>) -> Reply {
    Reply::count(request.args(1).filter(|key| view.set(database, key).is_some()).count())
}

pub(super) fn type_(view: &View<'_>, database: u8, request: Request<'_>) -> Reply {
    Reply::Simple(if view.set(database, request.arg(1)).is_some() { "set" } else { "none" })
}

pub(super) fn keys(view: &View<'_>, database: u8, request: Request<'_>) -> Reply {
    let pattern = request.arg(1);
    Reply::Strings(view.keys(database).filter(|key| glob::matches(pattern, key, Case::Sensitive)).collect())
}

pub(super) fn scan(view: &View<'_>, database: u8, request: Request<'_>) -> Reply {
    let (cursor, options) = match (parse_cursor(request.arg(1)), ScanOptions::parse(request.args(2))) {
        (Ok(cursor), Ok(options)) => (cursor, options),
        (Err(error), _) | (_, Err(error)) => return error.into(),
    };
    let is_wanted_type = options.type_name.is_none_or(|name| name.eq_ignore_ascii_case(b"set"));
    let mut keys = ByteStrings::default();
    let next = view.scan_keys(database, cursor, options.count, |key| {
        if is_wanted_type && options.matches(key) {
            keys.push(key);
        }
    });
    scan_reply(next, keys)
}

pub(super) fn dbsize(view: &View<'_>, database: u8, _: Request<'_>) -> Reply {
    Reply::count(view.len(database))
}

pub(super) fn flushdb(database: u8, request: Request<'_>) -> Result<Op, Error> {
    parse_flush_mode(request)?;
    Ok(Op::Flushdb { database })
}

pub(super) fn flushall(_: u8, request: Request<'_>) -> Result<Op, Error> {
    parse_flush_mode(request)?;
    Ok(Op::Flushall)
}

pub(super) fn randomkey(view: &View<'_>, database: u8, _: Request<'_>) -> Reply {
    view.random_key(database).map_or(Reply::Null, Reply::bulk)
}

/// Both modes are the same here: memory is given back behind everybody's back in any case.
fn parse_flush_mode(request: Request<'_>) -> Result<(), Error> {
    let is_mode = |arg: &[u8]| arg.eq_ignore_ascii_case(b"async") || arg.eq_ignore_ascii_case(b"sync");
    let mut modes = request.args(1);
    if modes.len() <= 1 && modes.all(is_mode) { Ok(()) } else { Err(Error::Syntax) }
}

/// The options of SCAN and SSCAN.
pub(super) struct ScanOptions<'a> {
    pattern: Option<&'a [u8]>,
    /// How many keys or members to visit at least.
    pub(super) count: usize,
    /// TYPE, which only SCAN has.
    pub(super) type_name: Option<&'a [u8]>,
}

impl<'a> ScanOptions<'a> {
    /// Parses `[MATCH pattern] [COUNT count] [TYPE type]` in any order.
    pub(super) fn parse(mut args: impl Iterator<Item = &'a [u8]>) -> Result<Self, Error> {
        let mut options = Self { pattern: None, count: SCAN_COUNT, type_name: None };
        while let Some(option) = args.next() {
            let value = args.next().ok_or(Error::Syntax)?;
            match option.to_ascii_lowercase().as_slice() {
                b"match" => options.pattern = Some(value),
                b"count" => options.count = parse_count(value)?,
                b"type" => options.type_name = Some(value),
                _ => return Err(Error::Syntax),
            }
        }
        Ok(options)
    }

    pub(super) fn matches(&self, name: &[u8]) -> bool {
        self.pattern.is_none_or(|pattern| glob::matches(pattern, name, Case::Sensitive))
    }
}

fn parse_count(arg: &[u8]) -> Result<usize, Error> {
    let count = parse_integer(arg).ok_or(Error::NotAnInteger)?;
    if count < 1 { Err(Error::Syntax) } else { Ok(count as usize) }
}

/// Any number of 64 bits is a cursor, with a position to go on from or beyond the last.
pub(super) fn parse_cursor(arg: &[u8]) -> Result<u64, Error> {
    let digits = std::str::from_utf8(arg).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    digits.and_then(|digits| digits.parse().ok()).ok_or(Error::InvalidCursor)
}

/// What SCAN and SSCAN answer; 0 is the cursor behind the last step.
pub(super) fn scan_reply(next: NextCursor, found: ByteStrings) -> Reply {
    Reply::Array(vec![Reply::bulk(next.unwrap_or(0).to_string()), Reply::Strings(found)])
}
