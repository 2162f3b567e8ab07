//! All rows of a file, one behind the other, as an aggregate function of SQLite sees them.
//!
//! Each row that a statement returns, and each column of it that is asked for, is a call or two into SQLite, with checks
//! of its own. A function is handed a whole row by SQLite, and all rows within one step of the statement: that takes about
//! a third less time.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use rusqlite::functions::{Aggregate, Context, FunctionFlags};

use super::error::OpenError;
use super::rows::{Columns, Entry, Reader};
use super::sqlite::{damaged_row, unreadable};

const FUNCTION: &str = "read_row";

/// The columns in the order of [`Columns::of_values`]. SQLite goes through a table by its primary key; if it ever did not,
/// the first row out of turn would be refused.
const SELECT: &str = "SELECT read_row(sequence, effect, space, container, key, value, time_ms) FROM journal";

const COLUMNS: i32 = 7;

/// What is between two rows.
struct Scan<F> {
    reader: Reader,
    rows_read: u64,
    apply: F,
    /// The row that ended it, and what is wrong with it.
    refused: Option<(i64, String)>,
    /// A panic that ended it: SQLite must not be unwound, and would make an error of it.
    panic: Option<Box<dyn Any + Send>>,
}

type Place<F> = Arc<Mutex<Option<Scan<F>>>>;

/// Where a scan is before the first row and behind the last one; in between SQLite holds it.
struct ReadRow<F>(Place<F>);

impl<F: FnMut(u64, i64, &Entry<&[u8]>) -> Result<(), String>> Scan<F> {
    fn row(&mut self, row: &Context<'_>) -> Result<(), String> {
        self.rows_read += 1;
        let (sequence, columns) = Columns::of_values(|column| Ok(row.get_raw(column)))?;
        let Self { reader, rows_read, apply, .. } = self;
        reader.read(sequence, &columns, &mut |entry| apply(*rows_read, sequence, &entry))
    }
}

fn put<F>(place: &Place<F>, scan: Option<Scan<F>>) -> Option<Scan<F>> {
    std::mem::replace(&mut *place.lock().unwrap_or_else(PoisonError::into_inner), scan)
}

impl<F> Aggregate<AssertUnwindSafe<Scan<F>>, bool> for ReadRow<F>
where
    F: FnMut(u64, i64, &Entry<&[u8]>) -> Result<(), String>,
{
    fn init(&self, _: &mut Context<'_>) -> rusqlite::Result<AssertUnwindSafe<Scan<F>>> {
        let twice = || rusqlite::Error::UserFunctionError("it reads the rows once".into());
        put(&self.0, None).map(AssertUnwindSafe).ok_or_else(twice)
    }

    fn step(&self, row: &mut Context<'_>, scan: &mut AssertUnwindSafe<Scan<F>>) -> rusqlite::Result<()> {
        match catch_unwind(AssertUnwindSafe(|| scan.row(row))) {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(what)) => scan.refused = Some((row.get(0).unwrap_or_default(), what)),
            Err(panic) => scan.panic = Some(panic),
        }
        Err(rusqlite::Error::UserFunctionError("a row is refused".into()))
    }

    /// Comes behind a row that was refused, too.
    fn finalize(
        &self,
        _: &mut Context<'_>,
        scan: Option<AssertUnwindSafe<Scan<F>>>,
    ) -> rusqlite::Result<bool> {
        if let Some(AssertUnwindSafe(scan)) = scan {
            put(&self.0, Some(scan));
        }
        Ok(true)
    }
}

/// Reads all rows in order. `apply` is told how many they are by then, the row's sequence, and what it says; what it
/// refuses is damage.
pub(super) fn read_rows<F>(connection: &Connection, path: &Path, apply: F) -> Result<Reader, OpenError>
where
    F: FnMut(u64, i64, &Entry<&[u8]>) -> Result<(), String> + Send + 'static,
{
    let fail = |error: rusqlite::Error| unreadable(path, &error);
    let scan = Scan { reader: Reader::default(), rows_read: 0, apply, refused: None, panic: None };
    let place = Arc::new(Mutex::new(Some(scan)));
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DIRECTONLY;
    connection
        .create_aggregate_function(FUNCTION, COLUMNS, flags, ReadRow(Arc::clone(&place)))
        .map_err(fail)?;
    let outcome = connection.query_row(SELECT, [], |row| row.get::<_, bool>(0));
    connection.remove_function(FUNCTION, COLUMNS).map_err(fail)?;
    match (put(&place, None), outcome) {
        (Some(Scan { panic: Some(panic), .. }), _) => resume_unwind(panic),
        (Some(Scan { refused: Some((sequence, what)), .. }), _) => Err(damaged_row(path, sequence, &what)),
        (_, Err(error)) => Err(fail(error)),
        (Some(Scan { reader, .. }), Ok(_)) => Ok(reader),
        (None, Ok(_)) => unreachable!("it is put back behind the last row"),
    }
}
