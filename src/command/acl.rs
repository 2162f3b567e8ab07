//! ACL, as far as there is something to tell: one user, who may do everything.

use std::collections::BTreeSet;

use super::introspection::categories;
use super::monitoring::subcommand_syntax;
use super::session::USER;
use super::{Environment, Session, rows};
use crate::acl::Digest;
use crate::reply::{ByteStrings, Error, Reply, printable};
use crate::request::Request;

pub(super) fn acl_whoami(_: &mut Session, _: &Environment, _: Request<'_>) -> Reply {
    Reply::fixed(USER)
}

pub(super) fn acl_users(_: &mut Session, _: &Environment, _: Request<'_>) -> Reply {
    Reply::Array(vec![Reply::fixed(USER)])
}

/// The categories that a command is in, or the commands that are in one, given in any case.
pub(super) fn acl_cat(_: &mut Session, _: &Environment, request: Request<'_>) -> Reply {
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

pub(super) fn acl_list(_: &mut Session, environment: &Environment, _: Request<'_>) -> Reply {
    let password = password_hash(environment).map_or_else(|| "nopass".to_owned(), |hash| format!("#{hash}"));
    Reply::Array(vec![Reply::bulk(format!("user {USER} on {password} ~* &* +@all"))])
}

pub(super) fn acl_getuser(_: &mut Session, environment: &Environment, request: Request<'_>) -> Reply {
    if request.arg(2) != USER.as_bytes() {
        return Reply::Null;
    }
    let hash = password_hash(environment);
    let flags = if hash.is_none() {
        vec![Reply::fixed("on"), Reply::fixed("nopass")]
    } else {
        vec![Reply::fixed("on")]
    };
    let passwords: ByteStrings = hash.iter().map(String::as_bytes).collect();
    Reply::Map(vec![
        (Reply::fixed("flags"), Reply::Set(flags)),
        (Reply::fixed("passwords"), Reply::Strings(passwords)),
        (Reply::fixed("commands"), Reply::fixed("+@all")),
        (Reply::fixed("keys"), Reply::fixed("~*")),
        (Reply::fixed("channels"), Reply::fixed("&*")),
        (Reply::fixed("selectors"), Reply::Array(Vec::new())),
    ])
}

/// The password as ACL shows it: the hexadecimal digits of its SHA-256.
fn password_hash(environment: &Environment) -> Option<String> {
    let password = environment.settings.requirepass()?;
    Some(Digest::of(password.as_bytes()).to_string())
}
