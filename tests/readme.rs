//! What the README says of the commands, and the fuzzer's dictionary, is what the command table says.
//!
//! After a change of the table: `UPDATE=1 cargo test --test readme`.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::sync::Mutex;

use revoked::command::{Argument, ArgumentKind, Group, Run, Spec, commands};

const BEGIN: &str =
    "<!-- commands: generated from the command table; UPDATE=1 cargo test --test readme -->\n";
const END: &str = "<!-- end of commands -->";

#[test]
fn the_table_of_commands_is_up_to_date() {
    hold(BEGIN, &table(), END);
}

const TOOLS_BEGIN: &str = "<!-- tools: generated from the help; UPDATE=1 cargo test --test readme -->\n";
const TOOLS_END: &str = "<!-- end of tools -->";

#[test]
fn the_table_of_tools_is_up_to_date() {
    let mut expected = "\n| tool | what it does |\n|---|---|\n".to_owned();
    for tool in revoked::config::command("").get_subcommands() {
        let usage = tool.clone().bin_name(format!("revoked {}", tool.get_name())).render_usage().to_string();
        let usage = usage.trim_start_matches("Usage: ").replace('|', "\\|");
        let _ = writeln!(expected, "| `{usage}` | {} |", tool.get_about().unwrap());
    }
    expected.push('\n');
    hold(TOOLS_BEGIN, &expected, TOOLS_END);
}

/// Has what stands between two marks be this, or, if asked to, makes it so.
fn hold(begin: &str, expected: &str, end: &str) {
    // Another test may make something else so.
    static README: Mutex<()> = Mutex::new(());
    let _mine = README.lock();
    let readme = fs::read_to_string("README.md").unwrap();
    let (before, rest) = readme.split_once(begin).expect("the mark before the table");
    let (found, after) = rest.split_once(end).expect("the mark behind the table");
    if std::env::var_os("UPDATE").is_some() {
        fs::write("README.md", format!("{before}{begin}{expected}{end}{after}")).unwrap();
    } else {
        assert_eq!(found, expected, "run UPDATE=1 cargo test --test readme");
    }
}

/// The file that libFuzzer composes requests from.
const DICTIONARY: &str = "fuzz/commands.dict";

#[test]
fn the_dictionary_of_the_fuzzer_is_up_to_date() {
    let mut words = BTreeSet::new();
    for spec in commands().flat_map(|spec| std::iter::once(spec).chain(spec.subcommands)) {
        words.extend(spec.name.split('|').map(str::to_uppercase));
        for argument in spec.arguments {
            tokens(argument, &mut words);
        }
    }
    words.extend(
        ["*1", "*2", "*3", "$1", "$3", "$-1", "\\x0d\\x0a", "-1", "9223372036854775807"].map(String::from),
    );
    let mut expected = String::new();
    for word in &words {
        let _ = writeln!(expected, "\"{word}\"");
    }
    if std::env::var_os("UPDATE").is_some() {
        fs::write(DICTIONARY, expected).unwrap();
    } else {
        assert_eq!(
            fs::read_to_string(DICTIONARY).unwrap(),
            expected,
            "run UPDATE=1 cargo test --test readme"
        );
    }
}

fn tokens(argument: &Argument, words: &mut BTreeSet<String>) {
    words.extend(argument.token.map(str::to_owned));
    if let ArgumentKind::OneOf(parts) | ArgumentKind::Block(parts) = argument.kind {
        for part in parts {
            tokens(part, words);
        }
    }
}

fn table() -> String {
    let mut text = "\n| command | what it does |\n|---|---|\n".to_owned();
    for (group, title) in [
        (Group::Set, "Sets"),
        (Group::String, "Strings"),
        (Group::Generic, "Keys"),
        (Group::Transactions, "Transactions"),
        (Group::PubSub, "Pub/sub"),
        (Group::Connection, "Connection"),
        (Group::Server, "Server"),
        (Group::Cluster, "Cluster"),
    ] {
        let _ = writeln!(text, "| **{title}** | |");
        let rows = commands().filter(|spec| spec.group == group).flat_map(runnable);
        rows.for_each(|spec| text.push_str(&row(spec)));
    }
    text + "\n"
}

/// The command itself, unless only its subcommands do something, and these.
fn runnable(spec: &'static Spec) -> impl Iterator<Item = &'static Spec> {
    let itself = Some(spec).filter(|spec| !matches!(spec.run, Run::Container));
    itself.into_iter().chain(spec.subcommands)
}

fn row(spec: &Spec) -> String {
    let name = spec.name.replace('|', " ").to_uppercase();
    let words = std::iter::once(name).chain(spec.arguments.iter().map(usage));
    let usage = words.collect::<Vec<_>>().join(" ").replace('|', "\\|");
    format!("| `{usage}` | {} |\n", spec.summary)
}

/// An argument in Redis's notation: `key`, `[MATCH pattern]`, `member [member ...]`.
fn usage(argument: &Argument) -> String {
    let value = match argument.kind {
        ArgumentKind::PureToken => String::new(),
        ArgumentKind::OneOf(words) => words.iter().map(usage).collect::<Vec<_>>().join("|"),
        ArgumentKind::Block(parts) => parts.iter().map(usage).collect::<Vec<_>>().join(" "),
        ArgumentKind::Key
        | ArgumentKind::String
        | ArgumentKind::Integer
        | ArgumentKind::Double
        | ArgumentKind::Pattern => argument.name.to_owned(),
    };
    let repeated = if argument.multiple { format!("{value} [{value} ...]") } else { value };
    let whole = [argument.token.unwrap_or_default(), &repeated].join(" ").trim().to_owned();
    if argument.optional { format!("[{whole}]") } else { whole }
}
