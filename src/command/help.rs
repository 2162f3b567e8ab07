//! HELP of the commands that have subcommands: the table's rows, laid out as Redis lays out its own texts.

use std::sync::LazyLock;

use ahash::AHashMap;

use super::{Argument, ArgumentKind, Environment, Run, Session, Spec, commands, lookup};
use crate::reply::Reply;
use crate::request::Request;

/// What stands before a description.
const INDENT: &str = "    ";

/// The lines of each command that has subcommands, by its name.
static LINES: LazyLock<AHashMap<&'static str, Vec<String>>> = LazyLock::new(|| {
    let commands = commands().filter(|spec| !spec.subcommands.is_empty());
    commands.map(|spec| (spec.name, lines(spec))).collect()
});

/// The subcommand HELP of whichever command the request names.
pub(super) fn help(_: &mut Session, _: &Environment, request: Request<'_>) -> Reply {
    let lines = lookup(request.arg(0)).and_then(|command| LINES.get(command.spec.name));
    Reply::Array(lines.into_iter().flatten().map(|line| Reply::Simple(line)).collect())
}

fn lines(spec: &Spec) -> Vec<String> {
    let name = spec.name.to_uppercase();
    let mut lines = vec![format!("{name} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:")];
    if !matches!(spec.run, Run::Container) {
        lines.extend(["(no subcommand)".to_owned(), format!("{INDENT}{}.", spec.summary)]);
    }
    for subcommand in spec.subcommands {
        let own = subcommand.name.split_once('|').map_or(subcommand.name, |(_, own)| own);
        if own == "help" {
            continue;
        }
        let words = std::iter::once(own.to_uppercase()).chain(subcommand.arguments.iter().map(usage));
        lines.push(words.collect::<Vec<_>>().join(" "));
        lines.push(format!("{INDENT}{}.", subcommand.summary));
    }
    lines.extend(["HELP".to_owned(), format!("{INDENT}Prints this help.")]);
    lines
}

/// An argument as Redis's texts write it: `<count>`, `[<name> ...]`, `(ON|OFF)`.
fn usage(argument: &Argument) -> String {
    let all =
        |arguments: &[Argument], separator| arguments.iter().map(usage).collect::<Vec<_>>().join(separator);
    let value = match argument.kind {
        ArgumentKind::PureToken => String::new(),
        ArgumentKind::OneOf(choices) => format!("({})", all(choices, "|")),
        ArgumentKind::Block(parts) => all(parts, " "),
        ArgumentKind::Key
        | ArgumentKind::String
        | ArgumentKind::Integer
        | ArgumentKind::Double
        | ArgumentKind::Pattern => {
            format!("<{}>", argument.name)
        }
    };
    let whole = [argument.token.unwrap_or_default(), &value].join(" ").trim().to_owned();
    match (argument.optional, argument.multiple) {
        (false, false) => whole,
        (false, true) => format!("{whole} [{value} ...]"),
        (true, false) => format!("[{whole}]"),
        (true, true) => format!("[{whole} ...]"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{environment, session};
    use super::*;

    #[test]
    fn help_lists_the_subcommands_that_there_are() {
        let environment = environment(None);
        for spec in commands().filter(|spec| !spec.subcommands.is_empty()) {
            let words = format!("{} help", spec.name);
            if !spec.subcommands.iter().any(|subcommand| subcommand.name.ends_with("|help")) {
                continue;
            }
            let Reply::Array(lines) = session(&environment).run(&environment, &words) else {
                panic!("{words}")
            };
            let text: Vec<_> = lines
                .iter()
                .map(|line| match line {
                    Reply::Simple(text) => *text,
                    other => panic!("{other:?}"),
                })
                .collect();
            for subcommand in spec.subcommands {
                let own = subcommand.name.split_once('|').unwrap().1.to_uppercase();
                let is_it = |line: &&str| **line == own || line.starts_with(&format!("{own} "));
                assert_eq!(text.iter().filter(|line| is_it(line)).count(), 1, "{own} in {text:?}");
            }
            assert_eq!(text[text.len() - 2..], ["HELP", "    Prints this help."]);
        }
    }

    #[test]
    fn arguments_are_written_as_redis_writes_them() {
        let find = |name: &str| commands().flat_map(|spec| spec.subcommands).find(|spec| spec.name == name);
        let usage =
            |name: &str| find(name).unwrap().arguments.iter().map(usage).collect::<Vec<_>>().join(" ");
        assert_eq!(usage("slowlog|get"), "[<count>]");
        assert_eq!(usage("config|set"), "<parameter> <value> [<parameter> <value> ...]");
        assert_eq!(usage("latency|reset"), "[<event> ...]");
        assert_eq!(usage("client|reply"), "(ON|OFF|SKIP)");
    }
}
