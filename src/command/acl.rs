//! ACL: who the users are, what they may do, and what they were denied.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::introspection::categories;
use super::monitoring::subcommand_syntax;
use super::{Control, Environment, Session, named, rows};
use crate::acl::{Entry, Selector, User};
use crate::limits::RANDOM_PASSWORD_BITS;
use crate::reply::{ByteStrings, Error, Reply, printable};
use crate::request::{OwnedRequest, Request, parse_integer};
use crate::stats::now_ms;

/// Entries that ACL LOG shows if it isn't told how many.
const DEFAULT_ENTRIES: usize = 10;

/// Bits of a random password, if ACL GENPASS isn't told how many.
const DEFAULT_PASSWORD_BITS: usize = 256;

pub(super) fn whoami(session: &mut Session, _: &Environment, _: Request<'_>) -> Reply {
    Reply::bulk(session.user().name())
}

pub(super) fn users(_: &mut Session, environment: &Environment, _: Request<'_>) -> Reply {
    Reply::Strings(environment.users.list().iter().map(|user| user.name().to_vec()).collect())
}

/// The categories that a command is in, or the commands that are in one, given in any case.
pub(super) fn cat(_: &mut Session, _: &Environment, request: Request<'_>) -> Reply {
    let known: BTreeSet<_> = rows().flat_map(categories).map(|category| &category[1..]).collect();
    match request.len() {
        2 => Reply::Strings(known.into_iter().map(str::as_bytes).collect()),
        3 => {
            let is_wanted = |category: &str| category.as_bytes().eq_ignore_ascii_case(request.arg(2));
            if !known.into_iter().any(is_wanted) {
                return Error::UnknownCategory(printable(request.arg(2))).into();
            }
            let found =
                rows().filter(|spec| categories(spec).into_iter().any(|category| is_wanted(&category[1..])));
            Reply::Strings(found.map(|spec| spec.name.as_bytes()).collect())
        }
        _ => subcommand_syntax("ACL", request),
    }
}

pub(super) fn list(_: &mut Session, environment: &Environment, _: Request<'_>) -> Reply {
    Reply::Strings(environment.users.list().iter().map(|user| user.describe()).collect())
}

pub(super) fn getuser(_: &mut Session, environment: &Environment, request: Request<'_>) -> Reply {
    environment.users.find(request.arg(2)).map_or(Reply::Null, |user| describe(&user))
}

fn describe(user: &User) -> Reply {
    let rules = user.rules();
    let on = if rules.is_on() { "on" } else { "off" };
    let flags = std::iter::once(on).chain(rules.needs_no_password().then_some("nopass"));
    let passwords: ByteStrings = rules.passwords().iter().map(ToString::to_string).collect();
    let [own, others @ ..] = rules.selectors() else { return Reply::Null };
    let others = others.iter().map(|selector| Reply::Map(describe_selector(selector).into()));
    let mut entries = vec![
        (Reply::fixed("flags"), Reply::Set(flags.map(Reply::fixed).collect())),
        (Reply::fixed("passwords"), Reply::Strings(passwords)),
    ];
    entries.extend(describe_selector(own));
    entries.push((Reply::fixed("selectors"), Reply::Array(others.collect())));
    Reply::Map(entries)
}

fn describe_selector(selector: &Selector) -> [(Reply, Reply); 3] {
    [
        (Reply::fixed("commands"), Reply::bulk(selector.describe_commands())),
        (Reply::fixed("keys"), Reply::bulk(selector.describe_keys())),
        (Reply::fixed("channels"), Reply::bulk(selector.describe_channels())),
    ]
}

pub(super) fn setuser(session: &mut Session, environment: &Environment, request: Request<'_>) -> Reply {
    match environment.users.set(request.arg(2), request.args(3)) {
        Ok(()) => {
            session.note_changed_users(environment);
            Reply::OK
        }
        Err(error) => error.into(),
    }
}

pub(super) fn deluser(session: &mut Session, environment: &Environment, request: Request<'_>) -> Reply {
    match environment.users.remove((2..request.len()).map(|place| request.arg(place))) {
        Ok(removed) => {
            session.note_changed_users(environment);
            Reply::count(removed)
        }
        Err(error) => error.into(),
    }
}

/// As in Redis, what would be denied is no error, but text.
pub(super) fn dryrun(_: &mut Session, environment: &Environment, request: Request<'_>) -> Reply {
    let Some(user) = environment.users.find(request.arg(2)) else {
        return Error::UserNotFound(printable(request.arg(2))).into();
    };
    let asked = OwnedRequest::from_args(&request.args(3).collect::<Vec<_>>());
    let asked = asked.as_request();
    let Some(command) = named(asked) else {
        return Error::CommandNotFound(printable(request.arg(3))).into();
    };
    if !command.spec.takes(asked.len()) {
        return Error::WrongArity(command.spec.name.to_owned()).into();
    }
    match command.permitted(&user, asked) {
        Ok(()) => Reply::OK,
        Err(denied) => {
            let object = denied.object(command, asked);
            Reply::bulk(match denied {
                super::Denied::Command => format!(
                    "User {} has no permissions to run the '{}' command",
                    user.shown_name(),
                    printable(object)
                )
                .into_bytes(),
                super::Denied::Key(_) => verbose(&user, object, "key"),
                super::Denied::Channel(_) => verbose(&user, object, "channel"),
            })
        }
    }
}

fn verbose(user: &User, object: &[u8], kind: &str) -> Vec<u8> {
    [b"User ", user.name(), b" has no permissions to access the '", object, b"' ", kind.as_bytes()].concat()
}

pub(super) fn genpass(_: &mut Session, _: &Environment, request: Request<'_>) -> Reply {
    let bits = match request.len() {
        2 => DEFAULT_PASSWORD_BITS,
        3 => match parse_integer(request.arg(2)) {
            None => return Error::NotAnInteger.into(),
            Some(bits) => match usize::try_from(bits) {
                Ok(bits @ 1..=RANDOM_PASSWORD_BITS) => bits,
                _ => return Error::InvalidPasswordLength.into(),
            },
        },
        _ => return subcommand_syntax("ACL", request),
    };
    match random_digits(bits.div_ceil(4)) {
        Ok(digits) => Reply::bulk(digits),
        Err(error) => Error::Custom(format!("ERR The system has no random bytes: {error}")).into(),
    }
}

/// So many hexadecimal digits that nobody can guess.
fn random_digits(count: usize) -> rustix::io::Result<String> {
    let mut bytes = vec![0; count.div_ceil(2)];
    let mut filled = 0;
    while filled < bytes.len() {
        filled += rustix::rand::getrandom(&mut bytes[filled..], rustix::rand::GetRandomFlags::empty())?;
    }
    let mut digits = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        let _ = write!(digits, "{byte:02x}");
    }
    digits.truncate(count);
    Ok(digits)
}

pub(super) fn log(_: &mut Session, environment: &Environment, request: Request<'_>) -> Reply {
    let log = &environment.users.log;
    let most = match request.len() {
        2 => DEFAULT_ENTRIES,
        3 if request.arg(2).eq_ignore_ascii_case(b"reset") => {
            log.reset();
            return Reply::OK;
        }
        3 => match parse_integer(request.arg(2)) {
            Some(count) => usize::try_from(count).unwrap_or(0),
            None => return Error::NotAnInteger.into(),
        },
        _ => return subcommand_syntax("ACL", request),
    };
    let now_ms = now_ms();
    Reply::Array(log.latest(most).into_iter().map(|entry| describe_entry(entry, now_ms)).collect())
}

/// The last three are those that Redis has from 7.2 on.
fn describe_entry(entry: Entry, now_ms: i64) -> Reply {
    let age_ms = (now_ms - entry.updated_ms).max(0);
    let entries = [
        ("count", Reply::Integer(entry.count as i64)),
        ("reason", Reply::fixed(entry.reason.as_str())),
        ("context", Reply::fixed(entry.context.as_str())),
        ("object", Reply::bulk(entry.object)),
        ("username", Reply::bulk(entry.user)),
        ("age-seconds", Reply::Double(age_ms as f64 / 1000.0)),
        ("client-info", Reply::bulk(entry.client)),
        ("entry-id", Reply::Integer(entry.id as i64)),
        ("timestamp-created", Reply::Integer(entry.created_ms)),
        ("timestamp-last-updated", Reply::Integer(entry.updated_ms)),
    ];
    Reply::Map(entries.into_iter().map(|(name, value)| (Reply::fixed(name), value)).collect())
}

/// ACL LOAD and ACL SAVE wait for the disk.
pub(super) fn load(_: Request<'_>) -> Result<Control, Error> {
    Ok(Control::LoadUsers)
}

pub(super) fn save(_: Request<'_>) -> Result<Control, Error> {
    Ok(Control::SaveUsers)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{environment, session};
    use super::*;

    #[test]
    fn random_passwords_have_as_many_digits_as_bits_ask_for_and_differ() {
        let environment = environment(None);
        let mut session = session(&environment);
        let mut password = |words: &str| match session.run(&environment, words) {
            Reply::Bulk(digits) => String::from_utf8(digits.to_vec()).unwrap(),
            other => panic!("{other:?}"),
        };
        let first = password("ACL GENPASS");
        assert!(first.len() == 64 && first.bytes().all(|digit| digit.is_ascii_hexdigit()));
        assert_ne!(first, password("ACL GENPASS"));
        assert_eq!(password("ACL GENPASS 5").len(), 2);
        assert_eq!(password("ACL GENPASS 4096").len(), 1024);
    }
}
