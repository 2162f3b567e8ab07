//! The options. `rows.rs` has a row for each; the configuration file, the flags, the environment, CONFIG GET,
//! `--help` and `config.example.toml` all derive from the rows.
//!
//! To add an option: a field in [`Config`], a row, and `UPDATE=1 cargo test --test config`. The row says whether
//! CONFIG SET can change it, and who has to know: [`Live`] is the configuration of a server that runs.
//!
//! Flags beat the environment, the environment beats the file, the file beats the defaults. What is wrong
//! anywhere is an error, even where something stronger would have hidden it: a mistyped option must not
//! wait for the day on which it counts.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use clap::builder::ValueParser;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgMatches, Command};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::acl;
use crate::command as command_table;
use crate::outbox::OutputLimits;
use crate::pubsub::EventClasses;
use crate::tls;

use self::rows::{FIXED, ROWS, Row};
use self::task::{SUBCOMMANDS, Subcommand};

pub use self::hooks::{Hooks, SetPassword};
pub use self::live::Live;
pub use self::task::{Task, Tool};

mod check;
mod hooks;
mod live;
mod rewrite;
mod rows;
mod task;

/// What the server was told, checked.
#[derive(Clone, PartialEq, Eq)]
pub struct Config {
    /// The addresses to listen on: at least one, each once.
    pub bind: Vec<IpAddr>,
    /// The port to listen on; 0 for none.
    pub port: u16,
    /// The socket file to listen on, if any.
    pub unixsocket: Option<PathBuf>,
    /// The permissions of the socket file, if they are not to be what the umask leaves.
    pub unixsocketperm: Option<u32>,
    /// The port to listen on for clients that speak TLS; 0 for none.
    pub tls_port: u16,
    /// Who the server says it is there, and whom it takes for a client.
    pub tls: tls::Options,
    /// How many connections the kernel queues until they are accepted.
    pub tcp_backlog: u32,
    /// The silence after which a connection is probed; 0 for never.
    pub tcp_keepalive_seconds: u64,
    /// The directory of the data file, absolute. It was there when the configuration was read.
    pub dir: PathBuf,
    /// The name of the data file.
    pub dbfilename: String,
    /// When a change is forced to the disk.
    pub appendfsync: Appendfsync,
    /// Most bytes in use from which on writes that need memory are refused; 0 for however many there are.
    pub maxmemory: u64,
    /// What AUTH must be given, if anything. Never empty.
    pub requirepass: Option<String>,
    /// The users, of each its name and its rules: checked.
    pub users: Vec<String>,
    /// The file of users. There are no others then.
    pub aclfile: Option<PathBuf>,
    /// Most entries that ACL LOG keeps.
    pub acllog_max_len: usize,
    /// Whether clients from elsewhere are refused where none must give a password.
    pub protected_mode: bool,
    /// Most clients at once.
    pub maxclients: usize,
    /// Seconds for which a client may do nothing; 0 for however long.
    pub timeout_seconds: u64,
    /// Most bytes of one request.
    pub client_query_buffer_limit: usize,
    /// Most bytes of one argument.
    pub proto_max_bulk_len: usize,
    /// How much may wait for a client that takes nothing.
    pub client_output_buffer_limit: OutputLimits,
    /// Which events of keys are published.
    pub notify_keyspace_events: EventClasses,
    /// Threads that serve connections.
    pub io_threads: usize,
    /// The least important messages that are logged.
    pub loglevel: Loglevel,
    /// The shape of log lines.
    pub logformat: Logformat,
    /// From which time on SLOWLOG keeps a command; below 0 for never.
    pub slowlog_log_slower_than_usec: i64,
    /// Most commands that SLOWLOG keeps.
    pub slowlog_max_len: usize,
    /// From which time on LATENCY keeps what a command or a commit took; 0 for never.
    pub latency_monitor_threshold_ms: u64,
    /// The addresses at which metrics are asked for.
    pub metrics_bind: Vec<IpAddr>,
    /// The port at which they are, if there is one.
    pub metrics_port: Option<u16>,
    /// The configuration file that was read.
    pub file: Option<PathBuf>,
}

impl Config {
    /// The names and values that CONFIG GET shows: the options, then what is fixed. The password is among
    /// them, as in Redis, and users are not: ACL LIST shows them.
    #[must_use]
    pub fn parameters(&self) -> Vec<(&'static str, String)> {
        let options =
            ROWS.iter().filter(|row| !row.kind.is_users()).map(|row| (row.name, row.kind.get(self)));
        let fixed = FIXED.iter().map(|fixed| (fixed.name, (fixed.value)()));
        options.chain(fixed).collect()
    }

    /// The path of the data file.
    #[must_use]
    pub fn data_file(&self) -> PathBuf {
        self.dir.join(&self.dbfilename)
    }

    /// Where the settings, defaults first, are written to: no row may rely on these values.
    fn blank(file: Option<PathBuf>) -> Self {
        Self {
            bind: Vec::new(),
            port: 0,
            unixsocket: None,
            unixsocketperm: None,
            tls_port: 0,
            tls: tls::Options::default(),
            tcp_backlog: 0,
            tcp_keepalive_seconds: 0,
            dir: PathBuf::new(),
            dbfilename: String::new(),
            appendfsync: Appendfsync::Always,
            maxmemory: 0,
            requirepass: None,
            users: Vec::new(),
            aclfile: None,
            acllog_max_len: 0,
            protected_mode: false,
            maxclients: 0,
            timeout_seconds: 0,
            client_query_buffer_limit: 0,
            proto_max_bulk_len: 0,
            client_output_buffer_limit: OutputLimits::default(),
            notify_keyspace_events: EventClasses::default(),
            io_threads: 0,
            loglevel: Loglevel::Notice,
            logformat: Logformat::Text,
            slowlog_log_slower_than_usec: 0,
            slowlog_max_len: 0,
            latency_monitor_threshold_ms: 0,
            metrics_bind: Vec::new(),
            metrics_port: None,
            file,
        }
    }
}

/// Shows everything but the password.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |row: &Row| match row.kind.get(self) {
            value if row.kind.is_secret() && !value.is_empty() => "(hidden)".to_owned(),
            value => value,
        };
        f.debug_map().entries(ROWS.iter().map(|row| (row.name, shown(row)))).finish()
    }
}

/// Reads what is to be done: a subcommand, or to serve with a configuration as [`from_sources`] reads it. The environment
/// counts for that alone.
///
/// # Errors
///
/// [`Error`]: what was asked for is a text, or something can't be as it was given.
pub fn task(
    args: impl IntoIterator<Item = OsString>,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
    version: &str,
) -> Result<Task, Error> {
    let matches = parsed(args, version)?;
    if let Some((name, matches)) = matches.subcommand()
        && let Some(tool) = Subcommand::find(name).and_then(|subcommand| subcommand.tool(matches))
    {
        return Ok(Task::Tool(tool));
    }
    from_matches(&matches, environment).map(|config| Task::Serve(Box::new(config)))
}

/// Reads the configuration: the flags in `args` (the program's name in front), the variables in
/// `environment`, and the file that `args` names, if any. `version` is for `--version`.
///
/// # Errors
///
/// [`Error`]: what was asked for is a text, or something can't be as it was given.
pub fn from_sources(
    args: impl IntoIterator<Item = OsString>,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
    version: &str,
) -> Result<Config, Error> {
    let matches = parsed(args, version)?;
    from_matches(&matches, environment)
}

fn parsed(args: impl IntoIterator<Item = OsString>, version: &str) -> Result<ArgMatches, Error> {
    let args: Vec<_> = args.into_iter().collect();
    command(version).try_get_matches_from(&args).map_err(|error| match usage_error(&error) {
        Error::Invalid(text) => args.get(1).and_then(|word| mistyped(word)).unwrap_or(Error::Invalid(text)),
        asked => asked,
    })
}

/// The error for a word that can be meant for a tool alone: what stands behind it is no configuration's.
fn mistyped(word: &OsStr) -> Option<Error> {
    let path = Path::new(word);
    let meant = Subcommand::nearest(path).filter(|&meant| path != Path::new(meant) && !path.exists())?;
    let is_word = word.to_str().is_some_and(|word| !word.starts_with('-') && !word.contains(['.', '/']));
    is_word
        .then(|| Error::invalid(format!("{}: no such tool; did you mean revoked {meant}?", path.display())))
}

fn from_matches(
    matches: &ArgMatches,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Config, Error> {
    let file = matches.get_one::<PathBuf>(FILE).cloned();

    let mut settings = defaults();
    if let Some(path) = &file {
        settings.extend(from_file(path)?);
    }
    settings.extend(from_environment(environment)?);
    settings.extend(from_flags(matches)?);

    let mut config = Config::blank(file);
    for setting in &settings {
        setting.apply(&mut config)?;
    }
    if let Some((name, why)) = config.users_fault()
        && let Some(setting) = settings.iter().rfind(|setting| setting.row.name == name)
    {
        return Err(setting.place.error(&setting.place.spell(name), why));
    }
    // Only the directory that counts has to exist: a file made for another machine can be tried on this one.
    if let Some(setting) = settings.iter().rfind(|setting| setting.row.name == "dir") {
        config.dir = setting.existing_directory(&config.dir)?;
    }
    Ok(config)
}

/// The command line: flags, help and version, which is `version`.
#[must_use]
pub fn command(version: &str) -> Command {
    let file = Arg::new(FILE)
        .value_name("CONFIG")
        .value_parser(ValueParser::path_buf())
        .help("A configuration file [default: none]")
        .long_help("A configuration file in TOML, a line for each option: port = 6379.\n[default: none]");
    Command::new("revoked")
        .version(version.to_owned())
        .about(ABOUT)
        .after_help("Try --help for examples, environment variables, exit codes and signals.")
        .after_long_help(AFTER_LONG_HELP)
        .max_term_width(100)
        .arg(file)
        .args(ROWS.iter().map(Row::flag))
        .args_conflicts_with_subcommands(true)
        .disable_help_subcommand(true)
        .subcommands(SUBCOMMANDS.iter().map(Subcommand::command))
}

/// The text of `config.example.toml`: every option with its default, commented out.
#[must_use]
pub fn example() -> String {
    let mut parts = vec![EXAMPLE_HEAD.to_owned()];
    let mut section = "";
    for row in ROWS {
        if section != row.section {
            section = row.section;
            parts.push(format!("\n\n## {section}\n"));
        }
        let when = match &row.change {
            change if change.is_live() => "CONFIG SET can change it",
            _ if row.kind.is_users() => "SIGHUP reads it anew",
            _ => "It counts at start only",
        };
        let allowed = format!("Allowed: {}. {when}.", row.kind.allowed());
        parts.push(format!("\n{}{}#{} = {}\n", comment(row.doc), comment(&allowed), row.name, row.example()));
    }
    parts.concat()
}

/// When a change is forced to the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Appendfsync {
    /// Before it is acknowledged.
    Always,
    /// Once a second.
    Everysec,
    /// When the operating system sees fit.
    No,
}

impl Appendfsync {
    const ALL: [Self; 3] = [Self::Everysec, Self::Always, Self::No];

    /// The policy as the configuration names it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::Everysec => "everysec",
            Self::No => "no",
        }
    }
}

/// The least important messages that are logged, in Redis's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loglevel {
    /// Everything, the libraries' debugging included.
    Debug,
    /// The server's own debugging.
    Verbose,
    /// What an operator wants to know.
    Notice,
    /// What an operator has to know.
    Warning,
}

impl Loglevel {
    const ALL: [Self; 4] = [Self::Debug, Self::Verbose, Self::Notice, Self::Warning];

    /// The level as the configuration names it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Verbose => "verbose",
            Self::Notice => "notice",
            Self::Warning => "warning",
        }
    }

    /// The level as a filter of `tracing`, to be used unless RUST_LOG holds one.
    #[must_use]
    pub fn filter(self) -> &'static str {
        match self {
            Self::Debug => "debug,revoked=trace",
            Self::Verbose => "info,revoked=debug",
            Self::Notice => "info",
            Self::Warning => "warn",
        }
    }
}

/// The shape of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Logformat {
    /// Lines for people.
    Text,
    /// A JSON object a line.
    Json,
}

impl Logformat {
    const ALL: [Self; 2] = [Self::Text, Self::Json];

    /// The format as the configuration names it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
        }
    }
}

/// Why there is no configuration to go on with. The text is complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// `-h` or `--help`: for standard output, and a success.
    Help(String),
    /// `--version`: for standard output, and a success.
    Version(String),
    /// Something can't be as it was given: one line that says where and what is allowed.
    Invalid(String),
}

impl Error {
    /// The error with `text`, made to be one line.
    fn invalid(text: impl AsRef<str>) -> Self {
        Self::Invalid(text.as_ref().replace(char::is_control, " "))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Help(text) | Self::Version(text) | Self::Invalid(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for Error {}

/// What every environment variable of an option begins with.
const VARIABLES: &str = "REVOKED_";

/// The environment variable of an option.
fn variable(name: &str) -> String {
    format!("{VARIABLES}{}", name.replace('-', "_").to_uppercase())
}

/// One option as one source gives it.
struct Setting {
    row: &'static Row,
    text: String,
    place: Place,
}

/// Where an option, or what was meant to be one, stands.
enum Place {
    Default,
    /// The file and the line in it.
    File(PathBuf, usize),
    Environment,
    Flag,
}

impl Place {
    /// An option's name as it is written here.
    fn spell(&self, name: &str) -> String {
        match self {
            Self::Default | Self::File(..) => name.to_owned(),
            Self::Environment => variable(name),
            Self::Flag => format!("--{name}"),
        }
    }

    /// The error for what is `written` here as an option's name.
    fn error(&self, written: &str, problem: impl fmt::Display) -> Error {
        match self {
            Self::File(path, line) => {
                Error::invalid(format!("{}:{line}: {written}: {problem}", path.display()))
            }
            Self::Default | Self::Environment | Self::Flag => Error::invalid(format!("{written}: {problem}")),
        }
    }

    /// The error for a value that is not allowed here. A secret is not repeated.
    fn refused(&self, row: &Row, value: &str, why: &str) -> Error {
        let value = if row.kind.is_secret() { "the value" } else { value };
        self.error(&self.spell(row.name), format_args!("{value} is not {}{why}", row.kind.allowed()))
    }

    /// The error for what is written here as the name of an option that there is not.
    fn unknown(&self, written: &str) -> Error {
        let bare = written.trim_start_matches("--").trim_start_matches(VARIABLES);
        let name = bare.to_lowercase().replace('_', "-");
        if let Some(fixed) = FIXED.iter().find(|fixed| fixed.name == name) {
            let value = (fixed.value)();
            return self
                .error(written, format_args!("can't be set, it is always '{value}': {}", fixed.reason));
        }
        let likeness = |row: &Row| strsim::jaro_winkler(row.name, &name);
        let nearest = ROWS.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
        match nearest.filter(|row| likeness(row) > 0.8) {
            Some(row) => {
                self.error(written, format_args!("no such option; did you mean {}?", self.spell(row.name)))
            }
            None => self.error(written, "no such option; revoked --help lists them"),
        }
    }
}

impl Setting {
    fn from_os(row: &'static Row, value: OsString, place: Place) -> Result<Self, Error> {
        match value.into_string() {
            Ok(text) => Ok(Self { row, text, place }),
            Err(_) => Err(place.error(&place.spell(row.name), "the value is not UTF-8")),
        }
    }

    fn apply(&self, config: &mut Config) -> Result<(), Error> {
        self.row.kind.set(config, &self.text).ok_or_else(|| self.refused(&self.row.kind.reason(&self.text)))
    }

    fn refused(&self, why: &str) -> Error {
        self.place.refused(self.row, &format!("'{}'", self.text), why)
    }

    /// The directory that it names, absolute.
    fn existing_directory(&self, dir: &Path) -> Result<PathBuf, Error> {
        existing_directory(dir).map_err(|why| self.refused(&why))
    }
}

const FILE: &str = "CONFIG";

const ABOUT: &str = "\
A server that remembers which tokens are revoked. It speaks the Redis protocol, answers from memory, and has \
every change on disk, in one SQLite file, before it acknowledges it.";

const AFTER_LONG_HELP: &str = r#"Examples:
  Serve 127.0.0.1:6379 and keep the data in ./revoked.db:
      revoked
  Take options from a file, the environment and flags. Flags beat the
  environment, which beats the file:
      REVOKED_PORT=6380 revoked /etc/revoked/revoked.toml --dir /var/lib/revoked
  Revoke a token, and ask whether it is revoked (1) or not (0):
      redis-cli SADD revoked 0b0bd1d4-5d0d-4a0e-9c5b-3f6a7d0c9d11
      redis-cli SISMEMBER revoked 0b0bd1d4-5d0d-4a0e-9c5b-3f6a7d0c9d11
  Check a data file that no server uses, a backup for example:
      revoked verify revoked.db
  Look it up in the data file, whether or not the server runs:
      sqlite3 revoked.db "select * from revocations
          where member = '0b0bd1d4-5d0d-4a0e-9c5b-3f6a7d0c9d11'"

Exit codes:
   0  ended in order
  65  the data file is damaged, foreign, newer, or missing beside its log
  69  can't listen on an address
  71  the system refuses a thread or a signal handler, or a second signal came
  74  the data file can't be opened or read
  75  another server holds the data file
  78  the configuration is wrong: standard error says what, and where

Signals:
  SIGTERM, SIGINT  finish what clients have submitted, then exit with 0
  SIGHUP           read the configuration file and the users anew; what CONFIG
                   SET can change counts at once, the log names what takes a
                   restart

Documentation: README.md; config.example.toml for the configuration file."#;

const EXAMPLE_HEAD: &str = "\
# The configuration of revoked: every option, with its default. Start it with the file's path:
#
#     revoked /etc/revoked/revoked.toml
#
# Each option is also a flag (--port 6379) and an environment variable (REVOKED_PORT=6379). Flags beat the
# environment, which beats this file. A mistake stops the server before it does anything: exit code 78.
#
# Generated from the server's own table of options.
";

/// `text` as comment lines of at most 110 characters.
fn comment(text: &str) -> String {
    let mut lines = String::new();
    let mut line = String::from("#");
    for word in text.split(' ') {
        if line.len() + 1 + word.len() > 110 {
            lines += &line;
            lines.push('\n');
            line = String::from("#");
        }
        line += " ";
        line += word;
    }
    lines + &line + "\n"
}

fn defaults() -> Vec<Setting> {
    let setting = |row: &'static Row| Setting { row, text: row.default_value(), place: Place::Default };
    ROWS.iter().map(setting).collect()
}

/// Everything that is wrong in the configuration file at `path`, in the order of its lines, each as one that says where and
/// what is allowed, then what can't be together. Nothing else is looked at, but for what the file names: the directory, and
/// the files of users and of TLS.
#[must_use]
pub fn faults_in(path: &Path) -> Vec<Error> {
    let toml = match read_file(path) {
        Ok(toml) => toml,
        Err(error) => return vec![error],
    };
    let (table, errors) = DeTable::parse_recoverable(&toml);
    let mut faults: Vec<_> = errors
        .iter()
        .map(|error| (error.span().map_or(0, |span| span.start), syntax_error(path, &toml, error)))
        .collect();
    let broken_lines: Vec<_> = faults.iter().map(|(at, _)| line_and_column(&toml, *at).0).collect();
    // What is read behind the first fault of a line says little.
    faults.sort_by_key(|(at, _)| *at);
    faults.dedup_by_key(|(at, _)| line_and_column(&toml, *at).0);
    let mut config = Config::blank(None);
    for setting in defaults() {
        faults.extend(setting.apply(&mut config).err().map(|fault| (0, fault)));
    }
    for (name, value) in table.get_ref() {
        let at = name.span().start;
        // What is read of a line that is no TOML was not meant so.
        if broken_lines.contains(&line_and_column(&toml, at).0) {
            continue;
        }
        let users = users_at_fault(path, &toml, name, value);
        if !users.is_empty() {
            faults.extend(users);
            continue;
        }
        let outcome = setting(path, &toml, name, value).and_then(|setting| {
            setting.apply(&mut config)?;
            if setting.row.name == "dir" { setting.existing_directory(&config.dir).map(drop) } else { Ok(()) }
        });
        faults.extend(outcome.err().map(|fault| (at, fault)));
    }
    for (option, why) in config.faults() {
        let written = table.get_ref().iter().find(|(name, _)| name.get_ref() == option);
        let at = written.map(|(name, _)| name.span().start);
        let fault = match at {
            Some(at) => Place::File(path.to_owned(), line_and_column(&toml, at).0).error(option, why),
            None => Error::invalid(format!("{}: {option}: {why}", path.display())),
        };
        faults.push((at.unwrap_or(toml.len()), fault));
    }
    faults.sort_by_key(|(at, _)| *at);
    faults.into_iter().map(|(_, fault)| fault).collect()
}

/// The users in a list of them that can't be as they are, each with the place of its own line.
fn users_at_fault(
    path: &Path,
    toml: &str,
    name: &Spanned<Cow<'_, str>>,
    value: &Spanned<DeValue<'_>>,
) -> Vec<(usize, Error)> {
    let (Some(row), DeValue::Array(items)) = (Row::find(name.get_ref()), value.get_ref()) else {
        return Vec::new();
    };
    let fault = |item: &Spanned<DeValue<'_>>| {
        let text = item.get_ref().as_str()?;
        let problem = acl::problem(std::iter::once(text), command_table::catalogue())?;
        let at = item.span().start;
        let place = Place::File(path.to_owned(), line_and_column(toml, at).0);
        Some((at, place.error(row.name, problem)))
    };
    if row.kind.is_users() { items.iter().filter_map(fault).collect() } else { Vec::new() }
}

fn from_file(path: &Path) -> Result<Vec<Setting>, Error> {
    let toml = read_file(path).map_err(|error| match Subcommand::nearest(path) {
        // A mistyped subcommand is taken for a file.
        Some(meant) if !path.exists() => Error::invalid(format!("{error}; did you mean revoked {meant}?")),
        _ => error,
    })?;
    settings_in(path, &toml)
}

fn read_file(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path)
        .map_err(|error| Error::invalid(format!("{}: can't be read: {error}", path.display())))
}

/// What the text of the file at `path` says.
fn settings_in(path: &Path, toml: &str) -> Result<Vec<Setting>, Error> {
    let table = DeTable::parse(toml).map_err(|error| syntax_error(path, toml, &error))?;
    let mut entries: Vec<_> = table.get_ref().iter().collect();
    // The table is sorted by name; the first mistake in the file is the one to report.
    entries.sort_by_key(|(name, _)| name.span().start);
    entries.into_iter().map(|(name, value)| setting(path, toml, name, value)).collect()
}

/// What one entry of the file says.
fn setting(
    path: &Path,
    toml: &str,
    name: &Spanned<Cow<'_, str>>,
    value: &Spanned<DeValue<'_>>,
) -> Result<Setting, Error> {
    if let Some((_, fault)) = users_at_fault(path, toml, name, value).into_iter().next() {
        return Err(fault);
    }
    let place = Place::File(path.to_owned(), line_and_column(toml, name.span().start).0);
    let row = Row::find(name.get_ref()).ok_or_else(|| place.unknown(name.get_ref()))?;
    let Some(text) = row.kind.text_of(value.get_ref()) else {
        let source = toml.get(value.span()).unwrap_or_default();
        return Err(place.refused(row, &format!("{source} ({})", value.get_ref().type_str()), ""));
    };
    Ok(Setting { row, text, place })
}

/// A file that is no TOML. Of the line at fault no more is shown than an option's name: the rest may be a
/// password.
fn syntax_error(path: &Path, toml: &str, error: &toml::de::Error) -> Error {
    let at = error.span().map_or(0, |span| span.start);
    let (line, column) = line_and_column(toml, at);
    let name = toml.lines().nth(line - 1).and_then(|text| text.split('=').next()).map_or("", str::trim);
    let (name, hint) = Row::find(name).map_or_else(Default::default, |row| {
        (format!(" {}:", row.name), format!("; one line like {} = {} is expected", row.name, row.example()))
    });
    Error::invalid(format!("{}:{line}:{column}:{name} {}{hint}", path.display(), error.message()))
}

/// The place of a byte, both counted from 1.
fn line_and_column(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|&c| c != '\n').count() + 1;
    (line, column)
}

fn from_environment(
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Vec<Setting>, Error> {
    let mut settings = Vec::new();
    for (variable, value) in environment {
        let variable = variable.to_string_lossy();
        let Some(name) = variable.strip_prefix(VARIABLES) else { continue };
        if is_service_link(name, &value) {
            continue;
        }
        let place = Place::Environment;
        let row = ROWS.iter().find(|row| place.spell(row.name) == variable);
        let row = row.ok_or_else(|| place.unknown(&variable))?;
        settings.push(Setting::from_os(row, value, place)?);
    }
    Ok(settings)
}

/// Whether Kubernetes made the variable: for a Service called `revoked` it gives REVOKED_SERVICE_HOST,
/// REVOKED_PORT=tcp://10.0.0.1:6379, REVOKED_PORT_6379_TCP and more to each container beside it.
fn is_service_link(name: &str, value: &OsStr) -> bool {
    let is_url = value.to_str().is_some_and(|value| value.contains("://"));
    name.starts_with("SERVICE_") || name.starts_with("PORT_") || (name == "PORT" && is_url)
}

fn from_flags(matches: &ArgMatches) -> Result<Vec<Setting>, Error> {
    let given = |row: &'static Row| Some((row, matches.get_one::<OsString>(row.name)?.clone()));
    let flags = ROWS.iter().filter_map(given);
    flags.map(|(row, value)| Setting::from_os(row, value, Place::Flag)).collect()
}

/// The arguments are not what [`command`] describes, or ask for a text.
fn usage_error(error: &clap::Error) -> Error {
    let text = error.render().to_string();
    match (error.kind(), error.get(ContextKind::InvalidArg)) {
        (ErrorKind::DisplayHelp, _) => Error::Help(text),
        (ErrorKind::DisplayVersion, _) => Error::Version(text),
        (ErrorKind::UnknownArgument, Some(ContextValue::String(argument))) if argument.starts_with('-') => {
            Place::Flag.unknown(argument)
        }
        (ErrorKind::UnknownArgument, Some(ContextValue::String(argument))) => {
            let problem = "there can be no more than one configuration file; revoked --help lists the tools";
            Place::Flag.error(argument, problem)
        }
        (ErrorKind::MissingRequiredArgument, Some(ContextValue::Strings(missing))) => {
            Error::invalid(format!("{} is missing", missing.join(" ")))
        }
        // A word behind the configuration file, which clap takes for a subcommand.
        (ErrorKind::ArgumentConflict, _) => match error.get(ContextKind::InvalidSubcommand) {
            Some(ContextValue::String(word)) if Subcommand::find(word).is_none() => {
                Place::Flag.error(word, "there can be no more than one configuration file")
            }
            _ => first_line(&text),
        },
        _ => first_line(&text),
    }
}

/// What clap says; the lines that follow are about the usage in general.
fn first_line(text: &str) -> Error {
    Error::invalid(text.lines().next().unwrap_or_default().replacen("error: ", "", 1))
}

/// The directory's absolute path, so that CONFIG GET and the logs say where the data is.
fn existing_directory(dir: &Path) -> Result<PathBuf, String> {
    let because = |error| format!(": {error}");
    if !fs::metadata(dir).map_err(because)?.is_dir() {
        return Err(String::new());
    }
    std::path::absolute(dir).map_err(because)
}

#[cfg(test)]
mod tests {
    use super::rows::Kind;
    use super::*;

    fn read(args: &[&str], environment: &[(&str, &str)]) -> Result<Config, Error> {
        let args = ["revoked"].iter().chain(args).map(OsString::from);
        from_sources(args, environment.iter().map(|(name, value)| (name.into(), value.into())), "0.0.0")
    }

    /// What `read` is told when the file holds `toml`; the file is called FILE in errors.
    fn read_file(toml: &str, args: &[&str]) -> Result<Config, Error> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("revoked.toml");
        fs::write(&path, toml).unwrap();
        let path = path.to_str().unwrap();
        read(&[&[path], args].concat(), &[]).map_err(|error| match error {
            Error::Invalid(text) => Error::Invalid(text.replace(path, "FILE")),
            other => other,
        })
    }

    fn error(result: Result<Config, Error>) -> String {
        let Err(Error::Invalid(text)) = result else { panic!("{result:?}") };
        assert!(!text.contains('\n'), "more than a line: {text}");
        text
    }

    fn shown(config: &Config, name: &str) -> String {
        match Row::find(name) {
            Some(row) => row.kind.get(config),
            None => config.parameters().into_iter().find(|(known, _)| *known == name).unwrap().1,
        }
    }

    /// Values that the option takes: all words, and both ends of a range.
    fn allowed(row: &Row) -> Vec<String> {
        match &row.kind {
            Kind::Addresses { .. } => vec!["::1 127.0.0.1".to_owned()],
            Kind::Integer { range, .. } => vec![range.start().to_string(), range.end().to_string()],
            Kind::Memory { range, .. } => vec![range.start().to_string(), range.end().to_string()],
            Kind::Word { words, .. } => words.iter().map(|&word| word.to_owned()).collect(),
            Kind::Switch { .. } => ["yes", "no"].map(str::to_owned).into(),
            Kind::Users { .. } => vec!["ada on +@read\nbob off".to_owned()],
            Kind::Text { .. } => vec![
                match row.name {
                    "dir" => "/",
                    "unixsocketperm" => "770",
                    "tls-protocols" => "TLSv1.3",
                    "client-output-buffer-limit" => "normal 1 2 3 slave 4 5 6 pubsub 7 8 9",
                    "notify-keyspace-events" => "AKE",
                    "maxmemory-policy" => "noeviction",
                    _ => "other",
                }
                .to_owned(),
            ],
            Kind::Path { longest, .. } => vec!["/a/path".to_owned(), "x".repeat(*longest)],
            Kind::Secret { .. } => vec!["password".to_owned()],
        }
    }

    /// A value that the option doesn't take, if there is one.
    fn refused(row: &Row) -> Option<String> {
        match &row.kind {
            Kind::Integer { range, .. } => Some((i128::from(*range.end()) + 1).to_string()),
            Kind::Memory { range, .. } => Some((range.end() + 1).to_string()),
            Kind::Addresses { .. } | Kind::Word { .. } | Kind::Switch { .. } => Some("localhost".to_owned()),
            Kind::Users { .. } => Some("ada on\nada off".to_owned()),
            Kind::Text { .. } if row.name == "aclfile" => None,
            Kind::Text { .. } => Some("no/such".to_owned()),
            Kind::Path { longest, .. } => Some("x".repeat(longest + 1)),
            Kind::Secret { .. } => None,
        }
    }

    #[test]
    fn users_are_checked_and_what_is_wrong_is_named() {
        let config = read_file("user = [\"ada on >p ~a +get\", 'bob off']", &[]).unwrap();
        assert_eq!(config.users, ["ada on >p ~a +get", "bob off"]);
        assert!(!format!("{config:?}").contains(">p"));
        assert_eq!(
            error(read_file("port = 1\nuser = ['ada on >secret ~a +nosuch']", &[])),
            "FILE:2: user: user 'ada': '+nosuch': Unknown command or category name in ACL"
        );
        assert_eq!(
            error(read(&["--user", "ada on\nada off"], &[])),
            "--user: the value is not a list of users, of each its name and its rules: duplicate user 'ada'"
        );
        assert_eq!(
            error(read_file("user = ['ada on']", &["--aclfile", "users.acl"])),
            "FILE:1: user: users are named here, or in the aclfile, but not in both"
        );
        assert!(!read_file("protected-mode = false", &[]).unwrap().protected_mode);
    }

    #[test]
    fn every_default_is_allowed_and_shown() {
        let config = read(&[], &[]).unwrap();
        // These are shown in another form than they are given in.
        let is_same = |row: &&Row| !["dir", "client-output-buffer-limit"].contains(&row.name);
        for row in ROWS.iter().filter(is_same) {
            assert_eq!(shown(&config, row.name), row.default_value(), "{}", row.name);
        }
        assert_eq!(config.data_file(), std::env::current_dir().unwrap().join("revoked.db"));
        assert_eq!(config.client_output_buffer_limit, OutputLimits::default());
    }

    #[test]
    fn every_option_is_set_in_every_place() {
        for (row, value) in
            ROWS.iter().flat_map(|row| allowed(row).into_iter().map(move |value| (row, value)))
        {
            let flag = read(&[&format!("--{}", row.name), &value], &[]).unwrap();
            let flag_in_one = read(&[&format!("--{}={value}", row.name)], &[]).unwrap();
            let variable = read(&[], &[(&variable(row.name), &value)]).unwrap();
            let file = read_file(&format!("{} = {}", row.name, row.kind.toml(&value)), &[]).unwrap();
            for config in [flag, flag_in_one, variable, file] {
                assert_eq!(shown(&config, row.name), value, "{}", row.name);
            }
        }
    }

    #[test]
    fn an_impossible_value_is_refused_with_its_place() {
        for (row, value) in ROWS.iter().filter_map(|row| Some((row, refused(row)?))) {
            let (flag, variable) = (format!("--{}", row.name), variable(row.name));
            let shown = if row.kind.is_secret() { "the value".to_owned() } else { format!("'{value}'") };
            let rest = format!("{shown} is not {}", row.kind.allowed());
            let file = format!("\n{} = {}", row.name, row.kind.toml(&value));
            for (text, place) in [
                (error(read(&[&flag, &value], &[])), flag),
                (error(read(&[], &[(&variable, &value)])), variable),
                (error(read_file(&file, &[])), format!("FILE:2: {}", row.name)),
            ] {
                assert!(text.starts_with(&format!("{place}: {rest}")), "{text}");
            }
        }
    }

    #[test]
    fn classes_keep_the_limits_that_nobody_changed() {
        let name = "client-output-buffer-limit";
        let file = format!("{name} = 'pubsub 1kb 2k 3'");
        let config = read_file(&file, &[&format!("--{name}"), "replica 4 5 6"]).unwrap();
        assert_eq!(shown(&config, name), "normal 0 0 0 slave 4 5 6 pubsub 1024 2000 3");
    }

    #[test]
    fn events_are_shown_as_redis_shows_them() {
        let config = read(&["--notify-keyspace-events", "KEA"], &[]).unwrap();
        assert_eq!(shown(&config, "notify-keyspace-events"), "AKE");
        let text = error(read(&["--notify-keyspace-events", "KEy"], &[]));
        assert_eq!(text, "--notify-keyspace-events: 'KEy' is not any of the letters Ag$lshzxeKEtmdn");
    }

    #[test]
    fn flags_beat_the_environment_which_beats_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("revoked.toml");
        fs::write(&path, "port = 1\nmaxclients = 1\ntcp-backlog = 1").unwrap();
        let environment = [("REVOKED_PORT", "2"), ("REVOKED_MAXCLIENTS", "2")];
        let config = read(&[path.to_str().unwrap(), "--port", "3"], &environment).unwrap();
        assert_eq!((config.port, config.maxclients, config.tcp_backlog), (3, 2, 1));
        assert_eq!(config.file, Some(path));
    }

    #[test]
    fn an_unknown_option_is_refused_with_the_nearest() {
        let unknown = "no such option; did you mean";
        assert_eq!(error(read(&["--prot", "1"], &[])), format!("--prot: {unknown} --port?"));
        assert_eq!(error(read(&["--prot=1"], &[])), format!("--prot: {unknown} --port?"));
        let text = error(read(&[], &[("REVOKED_MAX_CLIENTS", "1")]));
        assert_eq!(text, format!("REVOKED_MAX_CLIENTS: {unknown} REVOKED_MAXCLIENTS?"));
        let text = error(read(&[], &[("REVOKED_port", "1")]));
        assert_eq!(text, format!("REVOKED_port: {unknown} REVOKED_PORT?"));
        let text = error(read_file("port = 1\ntcp_backlog = 1", &[]));
        assert_eq!(text, format!("FILE:2: tcp_backlog: {unknown} tcp-backlog?"));
        let text = error(read(&["--frobnicate"], &[]));
        assert_eq!(text, "--frobnicate: no such option; revoked --help lists them");
    }

    #[test]
    fn what_is_fixed_is_refused_with_the_reason() {
        let text = error(read(&["--appendonly", "no"], &[]));
        assert_eq!(text, "--appendonly: can't be set, it is always 'yes': every change is in the data file");
    }

    #[test]
    fn mistakes_in_the_file_are_told_with_their_line() {
        for (toml, expected) in [
            ("port = \"1\"", "FILE:1: port: \"1\" (string) is not a whole number from 0 to 65535"),
            ("port = true", "FILE:1: port: true (boolean) is not a whole number from 0 to 65535"),
            ("dbfilename = 1", "FILE:1: dbfilename: 1 (integer) is not a file name without a directory"),
            ("bind = [\n1]", "FILE:1: bind: [ 1] (array) is not a list of IP addresses, each once"),
            ("bind = []", "FILE:1: bind: '' is not a list of IP addresses, each once"),
            ("\nzeal = 1\nack = 1", "FILE:2: zeal: no such option; revoked --help lists them"),
            ("[tables]\nport = 1", "FILE:1: tables: no such option; revoked --help lists them"),
            ("port = 1\nport = 2", "FILE:2:1: port: duplicate key; one line like port = 6379 is expected"),
        ] {
            assert_eq!(error(read_file(toml, &[])), expected);
        }
        let text = error(read_file("\nappendfsync = no", &[]));
        assert!(text.starts_with("FILE:2:15: appendfsync: "), "{text}");
        assert!(text.ends_with("; one line like appendfsync = \"always\" is expected"), "{text}");
    }

    #[test]
    fn the_arguments_are_told_apart() {
        assert_eq!(
            error(read(&["--bind", "::1,::1"], &[])),
            "--bind: '::1,::1' is not a list of IP addresses, each once"
        );
        assert!(error(read(&["--port"], &[])).contains("--port"));
        assert!(error(read(&["--port", "1", "--port", "2"], &[])).contains("--port"));
        assert!(error(read(&["no-such.toml"], &[])).starts_with("no-such.toml: can't be read: "));
        assert!(error(read(&["a", "b"], &[])).starts_with("b: there can be no more than one"));
        for (words, meant) in [
            (&["bakup"][..], "backup"),
            (&["backupp", "x"], "backup"),
            (&["check-confg", "c.toml"], "check-config"),
            (&["improt", "--from-redis", "redis://localhost"], "import"),
            (&["exprot", "a.db", "--output", "b"], "export"),
        ] {
            let text = error(read(words, &[]));
            assert!(text.starts_with(words[0]), "{text}");
            assert!(text.ends_with(&format!("; did you mean revoked {meant}?")), "{text}");
        }
        assert_eq!(read(&["--version"], &[]), Err(Error::Version("revoked 0.0.0\n".to_owned())));
        assert!(matches!(read(&["--help"], &[]), Err(Error::Help(_))));
    }

    #[test]
    fn only_the_directory_that_counts_must_exist() {
        let toml = "dir = '/no/such'";
        assert_eq!(read_file(toml, &["--dir", "/"]).unwrap().dir, Path::new("/"));
        assert!(error(read_file(toml, &[])).starts_with("FILE:1: dir: '/no/such' is not a directory: "));
    }

    #[test]
    fn the_password_is_shown_by_config_get_alone() {
        let config = read(&["--requirepass", "s3cret"], &[]).unwrap();
        assert_eq!(shown(&config, "requirepass"), "s3cret");
        assert!(!format!("{config:?}").contains("s3cret"));
        for toml in ["requirepass = 's3cret", "requirepass = s3cret", "requirepass = ['s3cret']"] {
            assert!(!error(read_file(toml, &[])).contains("s3cret"));
        }
        assert_eq!(
            read(&["--requirepass="], &[("REVOKED_REQUIREPASS", "s3cret")]).unwrap().requirepass,
            None
        );
    }

    #[test]
    fn variables_of_kubernetes_are_left_alone() {
        let links = [("REVOKED_PORT", "tcp://10.0.0.1:6379"), ("REVOKED_PORT_6379_TCP_PORT", "6379")];
        let config = read(&[], &[&links[..], &[("REVOKED_SERVICE_HOST", "10.0.0.1")]].concat()).unwrap();
        assert_eq!(config.port, 6379);
    }
}
