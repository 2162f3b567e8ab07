//! What the program is asked to do: to serve, or one of the tools, a subcommand each. Here are their arguments and what
//! `--help` says of them; what they do is in `tool`.

use std::path::{Path, PathBuf};

use clap::builder::ValueParser;
use clap::{Arg, ArgAction, ArgGroup, ArgMatches, Command};

use super::Config;
use crate::tool::export::Form;
use crate::tool::import::{Certificates, Server, Source};

/// What the program was asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Task {
    /// To serve.
    Serve(Box<Config>),
    /// To do something else.
    Tool(Tool),
}

/// What a subcommand is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tool {
    /// To look at a data file.
    Verify {
        /// The data file.
        file: PathBuf,
    },
    /// To look at a configuration file.
    CheckConfig {
        /// The configuration file.
        file: PathBuf,
    },
    /// To copy a data file.
    Backup {
        /// The data file.
        from: PathBuf,
        /// The copy, or the directory that it is to be made in.
        destination: PathBuf,
        /// Whether a file that stands there is replaced.
        replaces: bool,
    },
    /// To put a backup in a data file's place.
    Restore {
        /// The backup.
        backup: PathBuf,
        /// The data file.
        to: PathBuf,
    },
    /// To write down what there is in a data file.
    Export {
        /// The data file.
        file: PathBuf,
        /// As what.
        form: Form,
        /// Where to; none for standard output.
        destination: Option<PathBuf>,
        /// Whether a file that stands there is replaced.
        replaces: bool,
    },
    /// To take out of a data file what it says in vain.
    Compact {
        /// The data file.
        file: PathBuf,
    },
    /// To tell what fills a data file.
    Stats {
        /// The data file.
        file: PathBuf,
    },
    /// To have a server take in what is somewhere else.
    Import {
        /// Where it is.
        source: Source,
        /// The server.
        to: Server,
    },
}

/// A subcommand, and what its arguments ask for.
pub(super) struct Subcommand {
    pub(super) name: &'static str,
    command: fn(Command) -> Command,
    tool: fn(&ArgMatches) -> Option<Tool>,
}

impl Subcommand {
    pub(super) fn find(name: &str) -> Option<&'static Self> {
        SUBCOMMANDS.iter().find(|subcommand| subcommand.name == name)
    }

    /// The name that this one may be meant to be.
    pub(super) fn nearest(written: &Path) -> Option<&'static str> {
        let written = written.to_str()?;
        let likeness = |name: &str| strsim::jaro_winkler(name, written);
        let names = SUBCOMMANDS.iter().map(|subcommand| subcommand.name);
        names.max_by(|a, b| likeness(a).total_cmp(&likeness(b))).filter(|name| likeness(name) > 0.8)
    }

    /// Its arguments and help.
    pub(super) fn command(&self) -> Command {
        (self.command)(Command::new(self.name))
    }

    /// What it was asked to do. None, if a required argument is missing, which clap does not let through.
    pub(super) fn tool(&self, matches: &ArgMatches) -> Option<Tool> {
        (self.tool)(matches)
    }
}

/// The tools, in the order in which they are listed.
pub(super) static SUBCOMMANDS: &[Subcommand] = &[
    Subcommand {
        name: "verify",
        command: |command| {
            let about = "Check a data file in full, and leave it as it is";
            let more = "its header, its write-ahead log, every page, then every row with its checksum. Says in the end what is \
                        there. It takes as much memory as to serve the file, and the file must not be in use by a server; of \
                        one that is, check a copy: revoked backup copy.db.";
            let codes = "0 sound, 65 damaged, 74 can't be read, 75 in use";
            described(command, about, &format!(": {more}"), codes, &["revoked verify revoked.db"]).arg(file(
                DATA_FILE,
                "FILE",
                "The data file, revoked.db for example",
            ))
        },
        tool: |matches| Some(Tool::Verify { file: path(matches, DATA_FILE)? }),
    },
    Subcommand {
        name: "check-config",
        command: |command| {
            let about = "Check a configuration file, and name every fault with its line";
            let more = ". Nothing else is looked at: neither flags nor the environment, which may say otherwise, nor any \
                        other file, but for those that it names: the directory dir, the aclfile, and with a tls-port its \
                        certificates and key. A configuration that relies on sockets of systemd's names a port, too.";
            let codes = "0 right, 78 wrong";
            described(command, about, more, codes, &["revoked check-config /etc/revoked/revoked.toml"])
                .arg(file(CONFIG_FILE, "FILE", "The configuration file"))
        },
        tool: |matches| Some(Tool::CheckConfig { file: path(matches, CONFIG_FILE)? }),
    },
    Subcommand {
        name: "backup",
        command: |command| {
            let about = "Copy a data file as it is at one moment, while its server works";
            let more = " or is stopped, and check the copy: every page, and every row with its checksum. DEST is left as it \
                        was, or is the whole copy. Nobody who writes waits for it; the write-ahead log grows meanwhile by what \
                        is written. The copy is a data file like any other.";
            let codes = "0 done, 65 the data file is damaged, 73 DEST is there already or can't be made, 74 reading or \
                         writing failed (a full disk)";
            let examples = [
                "revoked backup /backups/revoked.db --from /var/lib/revoked/revoked.db",
                "revoked backup /backups    # as /backups/revoked-20261124T171500Z.db",
            ];
            described(command, about, more, codes, &examples)
                .arg(file(DESTINATION, "DEST", "The copy, or the directory to make it in"))
                .arg(data_file("from", "The data file"))
                .arg(switch("force", "Replace DEST if it is there"))
        },
        tool: |matches| {
            Some(Tool::Backup {
                from: path(matches, "from")?,
                destination: path(matches, DESTINATION)?,
                replaces: matches.get_flag("force"),
            })
        },
    },
    Subcommand {
        name: "restore",
        command: |command| {
            let about = "Check a backup, and put a copy of it in a data file's place";
            let more = ". The server must be stopped. What stood there is kept beside it, with the time in its name.";
            let codes = "0 done, 65 the backup is damaged, 73 no file can be made there, 74 reading or writing failed, 75 a \
                         server uses the data file or the backup";
            let examples = ["revoked restore /backups/revoked.db --to /var/lib/revoked/revoked.db"];
            described(command, about, more, codes, &examples)
                .arg(file(BACKUP, "BACKUP", "The backup"))
                .arg(data_file("to", "The data file"))
        },
        tool: |matches| Some(Tool::Restore { backup: path(matches, BACKUP)?, to: path(matches, "to")? }),
    },
    Subcommand {
        name: "compact",
        command: |command| {
            let about = "Take out of a data file what it says in vain, and give the room back";
            let more = ". The server must be stopped; one that runs does this by itself, and on BGREWRITEAOF at once. Wherever it \
                        ends before its time, the file says what it said before. It takes as much memory as to serve the file.";
            let codes =
                "0 done, 65 the data file is damaged, 74 reading or writing failed, 75 a server uses it";
            described(command, about, more, codes, &["revoked compact revoked.db"]).arg(file(
                DATA_FILE,
                "FILE",
                "The data file",
            ))
        },
        tool: |matches| Some(Tool::Compact { file: path(matches, DATA_FILE)? }),
    },
    Subcommand {
        name: "stats",
        command: |command| {
            let about = "Tell what fills a data file, and how much of that ends when";
            let more = ", while its server works or not: databases, sets, members, strings, rows that say nothing any more, the \
                        largest keys, and ends by day. It takes little memory; SQLite sorts in temporary files (in \
                        SQLITE_TMPDIR, or /var/tmp) of about the data file's size.";
            let codes = "0 done, 65 the data file is damaged, 74 can't be read";
            described(command, about, more, codes, &["revoked stats revoked.db"]).arg(file(
                DATA_FILE,
                "FILE",
                "The data file",
            ))
        },
        tool: |matches| Some(Tool::Stats { file: path(matches, DATA_FILE)? }),
    },
    Subcommand {
        name: "export",
        command: |command| {
            let about = "Write down what there is in a data file, as lines of JSON or as commands";
            let more = ", while its server works or not. What has ended is left out.\n\n\
                        A line of JSON has db, key, and member (of a set) or value (of a string); expires_ms, when that ends, \
                        and key_expires_ms, when the whole set does, in milliseconds since 1970, if they do. What is no UTF-8 \
                        is in hexadecimal, and its name ends in _hex: key_hex, member_hex, value_hex. revoked import reads \
                        them.\n\n\
                        --format resp is for redis-cli --pipe. With --for redis nothing is in it that Redis does not know: \
                        members have no ends of their own there. None is lost before its time: the key ends with the last \
                        of them, or never, if one of them never does. A warning says how many these are.\n\n\
                        It takes little memory; SQLite sorts in temporary files (in SQLITE_TMPDIR, or /var/tmp) of about the \
                        data file's size.";
            let codes = "0 done, or standard output was closed by who has read enough, 65 the data file is damaged, 73 the \
                         output is there already or can't be made, 74 reading or writing failed";
            let examples = [
                "revoked export revoked.db | jq -r 'select(.key == \"revoked\") | .member'",
                "revoked export revoked.db --output revoked.jsonl",
                "revoked export revoked.db --format resp | redis-cli -p 6380 --pipe",
            ];
            described(command, about, more, codes, &examples)
                .arg(file(DATA_FILE, "FILE", "The data file"))
                .arg(word("format", ["json", "resp"], "json", "As lines of JSON, or as commands"))
                .arg(word("for", ["revoked", "redis"], "revoked", "Whose commands").requires("format"))
                .arg(option("output", "OUT", "The file to write [default: standard output]"))
                .arg(switch("force", "Replace OUT if it is there").requires("output"))
        },
        tool: |matches| {
            let is =
                |name: &str, value: &str| matches.get_one::<String>(name).is_some_and(|word| word == value);
            let form = match (is("format", "resp"), is("for", "redis")) {
                (false, _) => Form::Json,
                (true, false) => Form::Resp,
                (true, true) => Form::RespForRedis,
            };
            let (file, destination) = (path(matches, DATA_FILE)?, path(matches, "output"));
            Some(Tool::Export { file, form, destination, replaces: matches.get_flag("force") })
        },
    },
    Subcommand {
        name: "import",
        command: |command| {
            let about = "Have a running server take in lines of JSON, a Redis's keys, or an SQL table";
            let more = ".\n\n\
                        Everything is said in absolute terms, so that it may be done again: after an error or an end before \
                        its time, run it once more. What the server has besides stays. What has ended already is left out.\n\n\
                        FILE has lines as revoked export writes them; - stands for standard input. An error names the line; \
                        --from-line goes on there.\n\n\
                        --from-redis copies sets, strings and ends from a Redis or Valkey that goes on working; keys of other \
                        types are counted and left out. In the end it shows what both sides have. What is taken back there \
                        meanwhile stays here: switch writers first, or run it again on an empty server.\n\n\
                        --from-sql reads an SQLite file. The first column of the query is the member, the second, if there is \
                        one, its end: null for never, a number for seconds since 1970 (milliseconds from 100000000000 on), or \
                        a text like 2026-11-24 17:15:00.\n\n\
                        The user of --to needs the rights to SADD, PSADDEXAT, PEXPIREAT and SET, as far as there are such \
                        members and keys, and to SELECT beyond database 0. With --from-redis, it needs SELECT, SCARD, EXISTS and \
                        PTTL too, and the other one's user INFO, SELECT, DBSIZE, SCAN, TYPE, PTTL, GET, SSCAN, SCARD and \
                        EXISTS.\n\n\
                        A URL is redis://user:password@host:port/db, all but the host may be missing; without a db, each key \
                        keeps its own. rediss:// is by TLS, and needs --cacert; unix://user:password@/path?db=N is a socket of \
                        this machine. Passwords are better left to variables, which count where a URL has none: REVOKED_AUTH \
                        for --to, and REDISCLI_AUTH for --from-redis. Without --from-redis, REDISCLI_AUTH counts for --to, if \
                        there is no REVOKED_AUTH.";
            let codes = "0 done, 65 a line or a value is not as it should be, 69 a server can't be reached or refuses, 74 \
                         reading failed";
            let examples = [
                "revoked import revoked.jsonl",
                "revoked import --from-redis redis://10.0.0.7 --to redis://127.0.0.1:6380",
                "revoked import --from-sql app.db --query 'select jti, exp from tokens' --key revoked",
            ];
            let sources = ["input", "from-redis", "from-sql"];
            described(command, about, more, codes, &examples)
                .arg(file("input", "FILE", "Lines of JSON").required(false))
                .arg(text("from-redis", "URL", "Copy from this Redis or Valkey"))
                .arg(option("from-sql", "FILE", "Read this SQLite file").requires("query").requires("key"))
                .arg(text("query", "SQL", "What selects members and their ends").requires("from-sql"))
                .arg(text("key", "KEY", "The set that they become members of").requires("from-sql"))
                .arg(text("to", "URL", "The server that takes it in").default_value("redis://127.0.0.1:6379"))
                .arg(option("cacert", "FILE", "Who signs the certificates of rediss:// servers, in PEM"))
                .arg(
                    option("cert", "FILE", "The certificate to show them, in PEM")
                        .requires_all(["cacert", "cert-key"]),
                )
                .arg(option("cert-key", "FILE", "Its private key, in PEM").requires("cert"))
                .arg(
                    text("from-line", "N", "Leave out the lines before this one")
                        .value_parser(clap::value_parser!(u64).range(1..))
                        .requires("input"),
                )
                .group(ArgGroup::new("source").args(sources).required(true))
        },
        tool: |matches| {
            let text = |name: &str| matches.get_one::<String>(name).cloned();
            let source = if let Some(file) = path(matches, "input") {
                Source::Lines { file, from_line: matches.get_one("from-line").copied().unwrap_or(1) }
            } else if let Some(url) = text("from-redis") {
                Source::Redis { url }
            } else {
                Source::Sql { file: path(matches, "from-sql")?, query: text("query")?, key: text("key")? }
            };
            let own = path(matches, "cert").zip(path(matches, "cert-key"));
            let certificates = Certificates { authorities: path(matches, "cacert"), own };
            Some(Tool::Import { source, to: Server { url: text("to")?, certificates } })
        },
    },
];

const DESTINATION: &str = "destination";
const BACKUP: &str = "backup-file";

const DATA_FILE: &str = "data-file";
const CONFIG_FILE: &str = "config-file";

/// A command with its help: a line, what is to be said besides, its exit codes and examples.
fn described(command: Command, about: &'static str, more: &str, codes: &str, examples: &[&str]) -> Command {
    let examples = examples.join("\n  ");
    command.about(about).long_about(format!("{about}{more}")).after_long_help(format!(
        "Exit codes: {codes}; 78 the arguments are wrong.\n\nExamples:\n  {examples}"
    ))
}

/// A required argument that names a file.
fn file(id: &'static str, placeholder: &'static str, help: &'static str) -> Arg {
    Arg::new(id).value_name(placeholder).required(true).value_parser(ValueParser::path_buf()).help(help)
}

/// The option that names a data file: that of a server that is started without arguments, unless it says otherwise.
fn data_file(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name)
        .long(name)
        .value_name("FILE")
        .value_parser(ValueParser::path_buf())
        .default_value("revoked.db")
        .help(help)
}

/// An option that names a file.
fn option(name: &'static str, placeholder: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).value_name(placeholder).value_parser(ValueParser::path_buf()).help(help)
}

/// An option with a text.
fn text(name: &'static str, placeholder: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).value_name(placeholder).help(help)
}

/// An option with one of two words.
fn word(name: &'static str, words: [&'static str; 2], default: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).value_parser(words).default_value(default).help(help)
}

fn switch(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
}

fn path(matches: &ArgMatches, id: &str) -> Option<PathBuf> {
    matches.get_one::<PathBuf>(id).cloned()
}
