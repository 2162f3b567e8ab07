//! What the program is asked to do: to serve, or one of the tools, a subcommand each. Here are their arguments and what
//! `--help` says of them; what they do is in `tool`.

use std::path::PathBuf;

use clap::builder::ValueParser;
use clap::{Arg, ArgAction, ArgMatches, Command};

use super::Config;

/// What the program was asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Task {
    /// To serve.
    Serve(Box<Config>),
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
}

/// A tool, and how its arguments become a task.
pub(super) struct Tool {
    pub(super) name: &'static str,
    command: fn(Command) -> Command,
    task: fn(&ArgMatches) -> Option<Task>,
}

impl Tool {
    pub(super) fn find(name: &str) -> Option<&'static Self> {
        TOOLS.iter().find(|tool| tool.name == name)
    }

    /// Its arguments and help.
    pub(super) fn command(&self) -> Command {
        (self.command)(Command::new(self.name))
    }

    /// What it was asked to do. None, if a required argument is missing, which clap does not let through.
    pub(super) fn task(&self, matches: &ArgMatches) -> Option<Task> {
        (self.task)(matches)
    }
}

/// The tools, in the order in which they are listed.
pub(super) static TOOLS: &[Tool] = &[
    Tool {
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
        task: |matches| Some(Task::Verify { file: path(matches, DATA_FILE)? }),
    },
    Tool {
        name: "check-config",
        command: |command| {
            let about = "Check a configuration file, and name every fault with its line";
            let more = ". Nothing else is looked at: neither flags nor the environment, which may say otherwise, nor any \
                        other file, but for the directory that dir names, which must exist.";
            let codes = "0 right, 78 wrong";
            described(command, about, more, codes, &["revoked check-config /etc/revoked/revoked.toml"])
                .arg(file(CONFIG_FILE, "FILE", "The configuration file"))
        },
        task: |matches| Some(Task::CheckConfig { file: path(matches, CONFIG_FILE)? }),
    },
    Tool {
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
        task: |matches| {
            Some(Task::Backup {
                from: path(matches, "from")?,
                destination: path(matches, DESTINATION)?,
                replaces: matches.get_flag("force"),
            })
        },
    },
    Tool {
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
        task: |matches| Some(Task::Restore { backup: path(matches, BACKUP)?, to: path(matches, "to")? }),
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

fn switch(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
}

fn path(matches: &ArgMatches, id: &str) -> Option<PathBuf> {
    matches.get_one::<PathBuf>(id).cloned()
}
