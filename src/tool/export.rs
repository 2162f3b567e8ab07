//! `revoked export FILE`: what there is, as lines of JSON or as commands.

use std::fs::OpenOptions;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use super::Error;
use super::output::Output;
use super::progress::{self, Counter};
use super::record::{Commands, Dialect, Record};
use crate::journal::{CopyError, read_present};
use crate::stats::now_ms;

/// How much is collected before it is written.
const BUFFER_BYTES: usize = 256 * 1024;

/// The form in which it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A line of JSON for each member and each string.
    Json,
    /// Commands for `redis-cli --pipe` and a server of this kind.
    Resp,
    /// The same for a Redis.
    RespForRedis,
}

/// Writes what there is in the data file to `destination`, or to standard output.
///
/// # Errors
///
/// If the file can't be read, or the other not be written: nothing is left of it then.
pub fn run(file: &Path, form: Form, destination: Option<&Path>, replaces: bool) -> Result<String, Error> {
    let Some(destination) = destination else {
        let ends_left_out = write(file, form, io::stdout().lock(), |error| match error.kind() {
            // Whoever reads it has enough: `head`, for example.
            io::ErrorKind::BrokenPipe => Ok(0),
            _ => Err(Error::Io(format!("standard output can't be written: {error}"))),
        })?;
        warn(ends_left_out);
        return Ok(String::new());
    };
    let output = Output::create(destination, replaces, file)?;
    let opened = OpenOptions::new().write(true).open(output.path()).map_err(|error| output.failed(error))?;
    let ends_left_out = write(file, form, opened, |error| Err(output.failed(error)))?;
    output.allow_as(file)?;
    output.finish()?;
    warn(ends_left_out);
    Ok(String::new())
}

/// Returns how many ends were left out. What a failure to write leads to, `failed` says.
fn write(
    file: &Path,
    form: Form,
    out: impl Write,
    failed: impl Fn(io::Error) -> Result<u64, Error>,
) -> Result<u64, Error> {
    let mut out = BufWriter::with_capacity(BUFFER_BYTES, out);
    let mut commands = Commands::new(match form {
        Form::Json | Form::Resp => Dialect::Revoked,
        Form::RespForRedis => Dialect::Redis,
    });
    let mut refused = None;
    let rows = Counter::default();
    let look = || rows.state("rows exported");
    let read = progress::show(look, || {
        read_present(
            file,
            now_ms(),
            |done, of| rows.set(done, of),
            |present| {
                let written = if form == Form::Json {
                    Record::from(present).write_json(&mut out)
                } else {
                    commands.add(present.into());
                    out.write_all(&commands.take().0)
                };
                written.map_err(|error| refused.insert(error).to_string())
            },
        )
    });
    match read {
        Ok(_) => {}
        Err(CopyError::Source(error)) => return Err(error.into()),
        Err(CopyError::Target(why)) => return failed(refused.unwrap_or_else(|| io::Error::other(why))),
    }
    commands.finish();
    match out.write_all(&commands.take().0).and_then(|()| out.flush()) {
        Ok(()) => Ok(commands.ends_left_out),
        Err(error) => failed(error),
    }
}

fn warn(ends_left_out: u64) {
    if ends_left_out > 0 {
        eprintln!(
            "revoked: {ends_left_out} members are written without their ends, which Redis can't give them; a key ends \
             with the last of its members, if they all end"
        );
    }
}
