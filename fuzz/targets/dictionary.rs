//! The words of the command table, in libFuzzer's form.

use std::collections::BTreeSet;

use revoked::command::{Argument, ArgumentKind, commands};

fn main() {
    let mut words = BTreeSet::new();
    for spec in commands().flat_map(|spec| std::iter::once(spec).chain(spec.subcommands)) {
        words.extend(spec.name.split('|').map(str::to_uppercase));
        spec.arguments.iter().for_each(|argument| tokens(argument, &mut words));
    }
    words.extend(["*1", "*2", "*3", "$1", "$3", "$-1", "\\x0d\\x0a", "0", "-1", "9223372036854775807"].map(String::from));
    for word in words {
        println!("\"{word}\"");
    }
}

fn tokens(argument: &Argument, words: &mut BTreeSet<String>) {
    words.extend(argument.token.map(str::to_owned));
    if let ArgumentKind::OneOf(parts) | ArgumentKind::Block(parts) = argument.kind {
        parts.iter().for_each(|part| tokens(part, words));
    }
}
