//! `revoked import`: a running server takes in what is somewhere else.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use super::client::{Answer, Client, Side, Url};
use super::progress::{self, Counter};
use super::record::{Commands, Dialect, Record};
pub use super::stream::Certificates;
use super::{Error, from_redis, from_sql};
use crate::stats::now_ms;

/// How much is sent at once.
const BATCH_BYTES: usize = 64 * 1024;

/// Where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// In lines of JSON.
    Lines {
        /// The file; `-` for standard input.
        file: PathBuf,
        /// The first line that counts, from 1.
        from_line: u64,
    },
    /// In another server.
    Redis {
        /// Where that is.
        url: String,
    },
    /// In an SQLite file of another program.
    Sql {
        /// The file.
        file: PathBuf,
        /// What selects members, and their ends.
        query: String,
        /// The set that they become members of.
        key: String,
    },
}

/// A server that takes something in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Where it is.
    pub url: String,
    /// What it, or the one that is copied from, is reached with by TLS.
    pub certificates: Certificates,
}

/// Has the server `to` take it in. Returns what there is to say.
///
/// # Errors
///
/// If something can't be read, or a server refuses. What was taken in before stays.
pub fn run(source: &Source, to: &Server) -> Result<String, Error> {
    let Server { url, certificates } = to;
    let only = || Url::parse(url, Side::Only, certificates);
    match source {
        Source::Lines { file, from_line } => lines(file, *from_line, &only()?),
        Source::Redis { url: from } => {
            let from = Url::parse(from, Side::Source, certificates)?;
            from_redis::run(&from, &Url::parse(url, Side::Target, certificates)?)
        }
        Source::Sql { file, query, key } => from_sql::run(file, query, key, &only()?),
    }
}

/// Where records go: a server, in batches.
pub(super) struct Target {
    pub(super) client: Client,
    commands: Commands,
    /// Where everything goes, whatever its own database is.
    database: Option<u8>,
    /// Where the latest record comes from: a line or a row, from 1.
    latest: u64,
    /// Up to where everything was taken in.
    done: u64,
    records: u64,
    /// How many had ended already.
    over: u64,
    now_ms: i64,
}

impl Target {
    pub(super) fn connect(url: &Url) -> Result<Self, Error> {
        Ok(Self {
            client: Client::connect(url)?,
            commands: Commands::new(Dialect::Revoked).selected(url.database.unwrap_or(0)),
            database: url.database,
            latest: 0,
            done: 0,
            records: 0,
            over: 0,
            now_ms: now_ms(),
        })
    }

    /// Takes in a record, now or with the next ones.
    pub(super) fn add(&mut self, record: Record, origin: u64) -> Result<(), Error> {
        if record.is_over(self.now_ms) {
            self.over += 1;
            return Ok(());
        }
        let database = self.database.unwrap_or(record.database);
        self.commands.add(Record { database, ..record });
        self.records += 1;
        self.latest = origin;
        if self.commands.len() >= BATCH_BYTES { self.flush() } else { Ok(()) }
    }

    /// Takes in all that was added.
    pub(super) fn flush(&mut self) -> Result<(), Error> {
        self.commands.finish();
        let (bytes, count) = self.commands.take();
        self.client.send(&bytes)?;
        let mut refused = None;
        for _ in 0..count {
            if let Answer::Error(text) = self.client.receive()? {
                refused.get_or_insert(text);
            }
        }
        if let Some(text) = refused {
            return Err(self.client.refused("a change", &text));
        }
        self.done = self.latest;
        Ok(())
    }
}

fn lines(file: &Path, from_line: u64, url: &Url) -> Result<String, Error> {
    let (input, bytes) = open(file)?;
    let mut target = Target::connect(url)?;
    let read = Counter::default();
    read.set(0, bytes);
    let outcome = progress::show(
        || read.state("bytes imported"),
        || read_lines(file, input, from_line, &mut target, &read),
    );
    outcome.map_err(|error| match error {
        Error::Server(text) => {
            let next = (target.done + 1).max(from_line);
            Error::Server(format!("{text}; go on with --from-line {next}"))
        }
        other => other,
    })?;
    Ok(format!("{url}: {}\n", taken_in(&target)))
}

/// What a target has taken in.
pub(super) fn taken_in(target: &Target) -> String {
    let over = match target.over {
        0 => String::new(),
        over => format!(", {over} had ended already"),
    };
    format!("{} members and strings are there now{over}", target.records)
}

/// The lines, and how many bytes they are, if that is known.
fn open(file: &Path) -> Result<(Box<dyn BufRead>, u64), Error> {
    if file == Path::new("-") {
        return Ok((Box::new(io::stdin().lock()), 0));
    }
    let opened = File::open(file).map_err(|error| Error::io(file, &error))?;
    let bytes = opened.metadata().map_or(0, |metadata| metadata.len());
    Ok((Box::new(BufReader::with_capacity(BATCH_BYTES, opened)), bytes))
}

fn read_lines(
    file: &Path,
    mut input: Box<dyn BufRead>,
    from_line: u64,
    target: &mut Target,
    read: &Counter,
) -> Result<(), Error> {
    let mut line = String::new();
    for number in 1.. {
        line.clear();
        let bytes = input.read_line(&mut line).map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData => {
                Error::Input(format!("{}:{number}: it is no UTF-8", file.display()))
            }
            _ => Error::io(file, &error),
        })?;
        if bytes == 0 {
            break;
        }
        read.add(bytes as u64);
        if number < from_line || line.trim().is_empty() {
            continue;
        }
        let record = Record::read_json(&line).map_err(|what| {
            Error::Input(format!(
                "{}:{number}: {what}; mend it, and go on with --from-line {number}",
                file.display()
            ))
        });
        match record {
            Ok(record) => target.add(record, number)?,
            Err(error) => {
                // What stands before it is right.
                target.flush()?;
                return Err(error);
            }
        }
    }
    target.flush()
}
