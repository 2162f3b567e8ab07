//! Keys of any type: DEL, EXISTS, SCAN and their family.

use super::glob::{self, Case};
use super::session::parse_database;
use super::{Answer, Scope};
use crate::op::Change;
use crate::reply::{ByteStrings, Error, Reply};
use crate::request::{Request, parse_integer};
use crate::store::{NextCursor, SetView, Type, ValueView, View};

/// Members that MEMORY USAGE weighs where its SAMPLES doesn't say: Redis's default.
const SAMPLES: usize = 5;

/// Keys or members that a SCAN visits where its COUNT doesn't say: Redis's default.
const SCAN_COUNT: usize = 10;

pub(super) fn del(_: &Scope<'_>, request: Request<'_>) -> Result<Change, Error> {
    Ok(Change::Del { keys: request.shared_args(1) })
}

/// EXISTS, and TOUCH: nobody notes when a key was used last.
pub(super) fn exists(view: &View<'_>, database: u8, request: Request<'_>) -> Answer {
    Ok(Reply::count(request.args(1).filter(|key| view.key(database, key).is_some()).count()))
}

pub(super) fn type_(view: &View<'_>, database: u8, request: Request<'_>) -> Answer {
    let found = view.key(database, request.arg(1));
    Ok(Reply::Simple(found.map_or("none", |found| found.value.type_of().name())))
}

pub(super) fn keys(view: &View<'_>, database: u8, request: Request<'_>) -> Answer {
    let pattern = request.arg(1);
    let texts = view.keys(database).map(|key| key.text());
    let found = texts.filter(|key| glob::matches(pattern, key, Case::Sensitive));
    Ok(Reply::Strings(found.collect()))
}

pub(super) fn scan(view: &View<'_>, database: u8, request: Request<'_>) -> Answer {
    let cursor = parse_cursor(request.arg(1))?;
    let options = ScanOptions::parse(request.args(2))?;
    let is_wanted =
        |of: Type| options.type_name.is_none_or(|name| name.eq_ignore_ascii_case(of.name().as_bytes()));
    let mut keys = ByteStrings::default();
    let next = view.scan_keys(database, (cursor, options.count), |key, of| {
        if is_wanted(of) && options.matches(key) {
            keys.push(key);
        }
    });
    Ok(scan_reply(next, keys))
}

pub(super) fn dbsize(view: &View<'_>, database: u8, _: Request<'_>) -> Answer {
    Ok(Reply::count(view.len(database)))
}

pub(super) fn flushdb(_: &Scope<'_>, request: Request<'_>) -> Result<Change, Error> {
    parse_flush_mode(request)?;
    Ok(Change::Flushdb)
}

pub(super) fn flushall(_: &Scope<'_>, request: Request<'_>) -> Result<Change, Error> {
    parse_flush_mode(request)?;
    Ok(Change::Flushall)
}

pub(super) fn randomkey(view: &View<'_>, database: u8, _: Request<'_>) -> Answer {
    Ok(view.random_key(database).map_or(Reply::Null, |key| Reply::bulk(&*key.text())))
}

pub(super) fn rename(_: &Scope<'_>, request: Request<'_>) -> Result<Change, Error> {
    Ok(Change::Rename { key: request.shared(1), new_key: request.shared(2), if_missing: false })
}

pub(super) fn renamenx(_: &Scope<'_>, request: Request<'_>) -> Result<Change, Error> {
    Ok(Change::Rename { key: request.shared(1), new_key: request.shared(2), if_missing: true })
}

/// `COPY source destination [DB destination-db] [REPLACE]`.
pub(super) fn copy(scope: &Scope<'_>, request: Request<'_>) -> Result<Change, Error> {
    let (mut to, mut replace) = (scope.database, false);
    let mut options = request.args(3);
    while let Some(option) = options.next() {
        if option.eq_ignore_ascii_case(b"replace") {
            replace = true;
        } else if option.eq_ignore_ascii_case(b"db") {
            to = parse_database(options.next().ok_or(Error::Syntax)?)?;
        } else {
            return Err(Error::Syntax);
        }
    }
    let (source, destination) = (request.shared(1), request.shared(2));
    if to == scope.database && source == destination {
        return Err(Error::SameObject);
    }
    Ok(Change::Copy { source, to, destination, replace })
}

pub(super) fn move_(scope: &Scope<'_>, request: Request<'_>) -> Result<Change, Error> {
    let to = parse_database(request.arg(2))?;
    if to == scope.database {
        return Err(Error::SameObject);
    }
    Ok(Change::Move { key: request.shared(1), to })
}

pub(super) fn swapdb(_: &Scope<'_>, request: Request<'_>) -> Result<Change, Error> {
    // As in Redis, both must be numbers before either must be a database's.
    let database = |index, which| match parse_database(request.arg(index)) {
        Ok(_) | Err(Error::DatabaseOutOfRange) => Ok(parse_database(request.arg(index))),
        Err(_) => Err(Error::InvalidDatabaseIndex { which }),
    };
    let (first, second) = (database(1, "first")?, database(2, "second")?);
    Ok(Change::Swapdb { first: first?, second: second? })
}

/// What Redis would call the way in which a value of this kind is held.
pub(super) fn object_encoding(view: &View<'_>, database: u8, request: Request<'_>) -> Answer {
    let Some(found) = view.key(database, request.arg(2)) else { return Ok(Reply::Null) };
    Ok(Reply::fixed(match found.value {
        ValueView::String(string) if parse_integer(string).is_some() => "int",
        ValueView::String(string) if string.len() <= EMBEDDED_BYTES => "embstr",
        ValueView::String(_) => "raw",
        ValueView::Set(set) if is_set_of_integers(&set) => "intset",
        ValueView::Set(_) => "hashtable",
    }))
}

/// Longest string that Redis keeps in one piece with what it knows of it.
const EMBEDDED_BYTES: usize = 44;

/// Most members of what Redis keeps as a sorted list of integers: its `set-max-intset-entries`.
const INTEGERS: usize = 512;

fn is_set_of_integers(set: &SetView<'_>) -> bool {
    set.len() <= INTEGERS && set.members().all(|(member, _)| parse_integer(&member.text()).is_some())
}

/// Nobody notes when a key was used last: it counts as used just now.
pub(super) fn object_idletime(view: &View<'_>, database: u8, request: Request<'_>) -> Answer {
    Ok(view.key(database, request.arg(2)).map_or(Reply::Null, |_| Reply::Integer(0)))
}

/// Nothing is shared between keys.
pub(super) fn object_refcount(view: &View<'_>, database: u8, request: Request<'_>) -> Answer {
    Ok(view.key(database, request.arg(2)).map_or(Reply::Null, |_| Reply::Integer(1)))
}

pub(super) fn object_freq(view: &View<'_>, database: u8, request: Request<'_>) -> Answer {
    match view.key(database, request.arg(2)) {
        Some(_) => Err(Error::FrequencyNotTracked),
        None => Ok(Reply::Null),
    }
}

/// `MEMORY USAGE key [SAMPLES count]`: the bytes that a key takes with what it holds. The members of a large set
/// are weighed by some of them; 0 samples stand for all.
pub(super) fn memory_usage(view: &View<'_>, database: u8, request: Request<'_>) -> Answer {
    let mut samples = SAMPLES;
    let mut options = request.args(3);
    while let Some(option) = options.next() {
        let count =
            options.next().filter(|_| option.eq_ignore_ascii_case(b"samples")).ok_or(Error::Syntax)?;
        let count = parse_integer(count).ok_or(Error::NotAnInteger)?;
        samples = usize::try_from(count).map_err(|_| Error::Syntax)?;
    }
    let samples = if samples == 0 { usize::MAX } else { samples };
    let Some(found) = view.key(database, request.arg(2)) else { return Ok(Reply::Null) };
    Ok(Reply::count(found.weight(request.arg(2), samples)))
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
