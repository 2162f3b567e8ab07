//! Over the rows of the command table.

use std::collections::BTreeSet;
use std::path::Path;

use revoked::command::{Spec, lookup, rows};

use crate::script::words;
use crate::support::server::Server;

/// The row that a request calls.
fn called(words: &[Vec<u8>]) -> Option<&'static str> {
    let command = lookup(words.first()?)?;
    let subcommand = words.get(1).and_then(|name| command.subcommand(name));
    Some(subcommand.unwrap_or(command).spec.name)
}

#[test]
fn every_command_has_a_script() {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/commands");
    let mut called_somewhere = BTreeSet::new();
    for file in std::fs::read_dir(scripts).unwrap() {
        let source = std::fs::read_to_string(file.unwrap().path()).unwrap();
        let requests = source.lines().filter_map(|line| line.trim_start().strip_prefix("> "));
        called_somewhere
            .extend(requests.filter(|line| !line.contains('{')).filter_map(|line| called(&words(line))));
    }
    let without: Vec<_> =
        rows().map(|spec| spec.name).filter(|name| !called_somewhere.contains(name)).collect();
    assert_eq!(without, Vec::<&str>::new(), "has no script");
}

/// A request of so many words, of which the first are the command's name.
fn request(spec: &Spec, words: usize) -> Vec<&str> {
    spec.name.split('|').chain(std::iter::repeat("1")).take(words).collect()
}

/// Numbers of words that do not fit the arity.
fn misfits(spec: &Spec) -> Vec<usize> {
    let name_words = spec.name.split('|').count();
    (name_words..name_words + 5).filter(|&words| !spec.takes(words)).collect()
}

/// EXEC has its own way to be wrong.
fn arity_error(spec: &Spec) -> String {
    let code = if spec.name == "exec" { "EXECABORT Transaction discarded because of:" } else { "ERR" };
    format!("-{code} wrong number of arguments for '{}' command\r\n", spec.name)
}

#[test]
fn too_few_or_too_many_arguments_give_the_error_and_the_connection_goes_on() {
    let server = Server::start();
    let mut client = server.connect();
    for spec in rows() {
        let error = arity_error(spec);
        for words in misfits(spec) {
            let request = request(spec, words);
            let reply = String::from_utf8(client.ask(&request)).unwrap();
            assert_eq!(reply, error, "{request:?}");
        }
        if spec.arity > 0 {
            assert!(!misfits(spec).is_empty(), "{}", spec.name);
        }
    }
    assert_eq!(client.ask(&["PING"]), b"+PONG\r\n");
}

#[test]
fn names_are_taken_in_any_case() {
    let server = Server::start();
    let mut client = server.connect();
    for spec in rows().filter(|spec| !misfits(spec).is_empty()) {
        let words = misfits(spec)[0];
        for change in [str::to_uppercase, |name: &str| name[..1].to_uppercase() + &name[1..]] {
            let request: Vec<String> = request(spec, words).into_iter().map(change).collect();
            let error = arity_error(spec);
            assert_eq!(String::from_utf8(client.ask(&request)).unwrap(), error, "{request:?}");
        }
    }
}
