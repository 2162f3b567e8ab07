//! `revoked import --from-sql FILE`: members, and their ends, from another program's SQLite file, which is left as it is.

use std::path::Path;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};

use super::import::{Target, taken_in};
use super::progress::{self, Counter};
use super::record::{Holding, Record};
use super::{Error, client, time};

/// The first number that is milliseconds rather than seconds: the one is in 1973, the other in 5138.
const MILLISECONDS_FROM: i64 = 100_000_000_000;

/// Has the server at `url` take in what the query selects, as members of one set.
pub(super) fn run(file: &Path, query: &str, key: &str, url: &client::Url) -> Result<String, Error> {
    let fail = |error: rusqlite::Error| Error::Input(format!("{}: {error}", file.display()));
    if let Err(error) = std::fs::File::open(file) {
        return Err(Error::io(file, &error));
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags).map_err(fail)?;
    let mut statement = connection.prepare(query).map_err(fail)?;
    let columns = statement.column_count();
    if !(1..=2).contains(&columns) || !statement.readonly() {
        let what = "the query has to select one column, the member, or two, the member and its end";
        return Err(Error::Input(format!("{}: {what}", file.display())));
    }
    let mut target = Target::connect(url)?;
    let read = Counter::default();
    progress::show(
        || read.state("rows"),
        || {
            let mut rows = statement.query([]).map_err(fail)?;
            for number in 1.. {
                let Some(row) = rows.next().map_err(fail)? else { break };
                let wrong = |what: &str| Error::Input(format!("{}: row {number}: {what}", file.display()));
                let value = |index| row.get_ref(index).map_err(fail);
                let content = Holding::Member(member(value(0)?).ok_or_else(|| wrong("the member is null"))?);
                let expires_ms = if columns == 2 { end(value(1)?).map_err(wrong)? } else { None };
                let key = key.as_bytes().to_vec();
                target.add(Record { database: 0, key, key_expires_ms: None, content, expires_ms }, number)?;
                read.add(1);
            }
            target.flush()
        },
    )?;
    Ok(format!("{url}: {}\n", taken_in(&target)))
}

fn member(value: ValueRef<'_>) -> Option<Vec<u8>> {
    match value {
        ValueRef::Null => None,
        ValueRef::Integer(number) => Some(number.to_string().into_bytes()),
        ValueRef::Real(number) => Some(number.to_string().into_bytes()),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Some(bytes.to_vec()),
    }
}

/// When it ends, in milliseconds since 1970, if ever. An error, if that can't be told.
fn end(value: ValueRef<'_>) -> Result<Option<i64>, &'static str> {
    let ms = match value {
        ValueRef::Null => return Ok(None),
        ValueRef::Integer(number) => milliseconds(number),
        ValueRef::Real(number) if number.abs() < MILLISECONDS_FROM as f64 => Some((number * 1000.0) as i64),
        ValueRef::Real(number) => milliseconds(number as i64),
        ValueRef::Text(text) => std::str::from_utf8(text).ok().and_then(|text| {
            let from_number = || text.trim().parse().ok().and_then(milliseconds);
            time::parse(text.trim()).or_else(from_number)
        }),
        ValueRef::Blob(_) => None,
    };
    ms.map(Some).ok_or("the end is neither null, nor a number, nor a time")
}

fn milliseconds(number: i64) -> Option<i64> {
    if number < MILLISECONDS_FROM { number.checked_mul(1000) } else { Some(number) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_seconds_milliseconds_or_a_text() {
        let ms = 1_795_540_500_000;
        for value in [
            ValueRef::Integer(ms / 1000),
            ValueRef::Integer(ms),
            ValueRef::Real((ms / 1000) as f64),
            ValueRef::Real(ms as f64),
            ValueRef::Text(b"1795540500"),
            ValueRef::Text(b"2026-11-24 17:15:00"),
            ValueRef::Text(b"2026-11-24T18:15:00.000+01:00"),
        ] {
            assert_eq!(end(value), Ok(Some(ms)), "{value:?}");
        }
        assert_eq!(end(ValueRef::Null), Ok(None));
        for value in [ValueRef::Text(b"soon"), ValueRef::Text(b""), ValueRef::Blob(b"1")] {
            assert!(end(value).is_err(), "{value:?}");
        }
    }
}
