//! The file of users: a line for each, as ACL LIST shows it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use super::catalogue::Catalogue;
use super::user::{Line, Rules, is_name};
use crate::reply::{RuleProblem, printable};

/// The rules of users, by their names.
pub(super) type Named = BTreeMap<Box<[u8]>, Rules>;

/// The users that the text of a file makes, or all that is wrong with it, in one line.
pub(super) fn parse(path: &Path, text: &[u8], catalogue: &Catalogue) -> Result<Named, String> {
    let mut users = Named::new();
    let mut errors = String::new();
    for (place, line) in text.split(|&byte| byte == b'\n').enumerate() {
        let line = line.trim_ascii();
        if line.is_empty() {
            continue;
        }
        if let Err(problem) = parse_line(line, catalogue).and_then(|user| add(&mut users, user)) {
            let _ = write!(errors, "{}:{}: {problem}. ", path.display(), place + 1);
        }
    }
    if errors.is_empty() { Ok(users) } else { Err(errors.trim_end().to_owned()) }
}

fn parse_line<'a>(line: &'a [u8], catalogue: &Catalogue) -> Result<(&'a [u8], Rules), String> {
    let behind = line.strip_prefix(b"user").filter(|rest| rest.first().is_some_and(u8::is_ascii_whitespace));
    user(behind.ok_or("line should start with user keyword")?, catalogue)
}

/// Adds a user, unless one of its name is there.
fn add(users: &mut Named, (name, rules): (&[u8], Rules)) -> Result<(), String> {
    if users.contains_key(name) {
        return Err(format!("duplicate user '{}'", printable(name)));
    }
    users.insert(name.into(), rules);
    Ok(())
}

/// The users that the configuration names, or all that is wrong with them, in one line.
pub(super) fn configured<'a>(
    lines: impl Iterator<Item = &'a str>,
    catalogue: &Catalogue,
) -> Result<Named, String> {
    let mut users = Named::new();
    let mut errors: Vec<String> = Vec::new();
    for line in lines {
        if let Err(problem) = user(line.as_bytes(), catalogue).and_then(|user| add(&mut users, user)) {
            errors.push(problem);
        }
    }
    if errors.is_empty() { Ok(users) } else { Err(errors.join("; ")) }
}

/// A user as the configuration and the file have it, behind the keyword: its name and its rules.
pub(super) fn user<'a>(line: &'a [u8], catalogue: &Catalogue) -> Result<(&'a [u8], Rules), String> {
    let Line { name, rules } = Line::parse(line).map_err(|_| {
        let name = line.split(u8::is_ascii_whitespace).find(|word| !word.is_empty()).unwrap_or_default();
        format!("user '{}': unmatched parenthesis in selector definition", printable(name))
    })?;
    if !is_name(name) {
        return Err("a user has a name, of one word".to_owned());
    }
    let mut user = Rules::none(catalogue);
    match user.apply_all(&rules, catalogue) {
        Ok(()) => Ok((name, user)),
        // Other rules may be passwords.
        Err((rule, problem @ RuleProblem::Unknown)) => {
            Err(format!("user '{}': '{}': {problem}", printable(name), printable(rule)))
        }
        Err((_, problem)) => Err(format!("user '{}': {problem}", printable(name))),
    }
}
