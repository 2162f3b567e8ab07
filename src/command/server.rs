//! The server as operators see it: CONFIG, TIME, LASTSAVE, BGSAVE, SHUTDOWN, and what Redis has for replicas,
//! clusters and modules, of which there are none.

use std::sync::atomic::Ordering::Relaxed;

use super::glob::{self, Case};
use super::{Control, Environment, REDIS_VERSION, Session};
use crate::reply::{Error, Reply};
use crate::request::{Request, parse_integer};
use crate::stats::since_epoch;

pub(super) fn config_get(_: &mut Session, environment: &Environment, request: Request<'_>) -> Reply {
    let found = environment.parameters.values().into_iter().filter_map(|(name, value)| {
        let is_match = |pattern: &&[u8]| glob::matches(pattern, name.as_bytes(), Case::Insensitive);
        let pattern = request.args(2).find(is_match)?;
        // As in Redis, a parameter that was asked for by its name is called as it was called.
        let is_name = pattern.eq_ignore_ascii_case(name.as_bytes());
        let name = if is_name { Reply::bulk(pattern) } else { Reply::fixed(name) };
        Some((name, Reply::bulk(value)))
    });
    Reply::Map(found.collect())
}

pub(super) fn config_set(_: &mut Session, environment: &Environment, request: Request<'_>) -> Reply {
    let words: Vec<_> = request.args(2).collect();
    let (pairs, rest) = words.as_chunks::<2>();
    if !rest.is_empty() {
        return Error::Syntax.into();
    }
    let changes: Vec<_> = pairs.iter().map(|&[name, value]| (name, value)).collect();
    match environment.parameters.set(&changes) {
        Ok(()) => Reply::OK,
        Err(error) => error.into(),
    }
}

pub(super) fn config_resetstat(_: &mut Session, environment: &Environment, _: Request<'_>) -> Reply {
    environment.stats.reset();
    Reply::OK
}

/// Seconds since 1970, and the microseconds of the second at hand.
pub(super) fn time(_: &mut Session, _: &Environment, _: Request<'_>) -> Reply {
    let now = since_epoch();
    Reply::Array(vec![Reply::bulk(now.as_secs().to_string()), Reply::bulk(now.subsec_micros().to_string())])
}

pub(super) fn lastsave(_: &mut Session, environment: &Environment, _: Request<'_>) -> Reply {
    Reply::Integer(environment.stats.journal.last_checkpoint_seconds.load(Relaxed) as i64)
}

/// There are no replicas to wait for.
pub(super) fn wait(_: &mut Session, _: &Environment, request: Request<'_>) -> Reply {
    if parse_integer(request.arg(1)).is_none() {
        return Error::NotAnInteger.into();
    }
    match parse_timeout(request.arg(2)) {
        Ok(_) => Reply::Integer(0),
        Err(error) => error.into(),
    }
}

/// The disk is asked for whatever the policy, and whether or not the client wants to know of it.
pub(super) fn waitaof(request: Request<'_>) -> Result<Control, Error> {
    let local = parse_integer(request.arg(1)).ok_or(Error::NotAnInteger)?;
    if !(0..=1).contains(&local) {
        return Err(Error::NumberOutOfRange { least: 0, most: 1 });
    }
    let replicas = parse_integer(request.arg(2)).ok_or(Error::NotAnInteger)?;
    if replicas < 0 {
        return Err(Error::NotPositive);
    }
    Ok(Control::Sync { timeout_ms: parse_timeout(request.arg(3))? })
}

/// Milliseconds to wait at most; none for 0, which is for ever.
fn parse_timeout(argument: &[u8]) -> Result<Option<u64>, Error> {
    let ms = parse_integer(argument).ok_or(Error::TimeoutNotAnInteger)?;
    let ms = u64::try_from(ms).map_err(|_| Error::TimeoutIsNegative)?;
    Ok(Some(ms).filter(|&ms| ms > 0))
}

/// A master, which has sent nothing to its replicas, since there are none.
pub(super) fn role(_: &mut Session, _: &Environment, _: Request<'_>) -> Reply {
    Reply::Array(vec![Reply::fixed("master"), Reply::Integer(0), Reply::Array(Vec::new())])
}

/// This server is a master already, and is never anything else.
pub(super) fn replicaof(_: &mut Session, _: &Environment, request: Request<'_>) -> Reply {
    let (host, port) = (request.arg(1), request.arg(2));
    if host.eq_ignore_ascii_case(b"no") && port.eq_ignore_ascii_case(b"one") {
        return Reply::OK;
    }
    match parse_integer(port) {
        Some(0..=65_535) => Error::NoReplication.into(),
        _ => Error::InvalidMasterPort.into(),
    }
}

/// CLUSTER, READONLY, READWRITE, ASKING.
pub(super) fn cluster_disabled(_: &mut Session, _: &Environment, _: Request<'_>) -> Reply {
    Error::ClusterDisabled.into()
}

pub(super) fn module_list(_: &mut Session, _: &Environment, _: Request<'_>) -> Reply {
    Reply::Array(Vec::new())
}

/// A ticket that was punched, at other places each time, and the version. As in Redis, what stands behind the
/// version that is asked for is not looked at.
pub(super) fn lolwut(_: &mut Session, _: &Environment, request: Request<'_>) -> Reply {
    let is_version = request.len() > 2 && request.arg(1).eq_ignore_ascii_case(b"version");
    if is_version && parse_integer(request.arg(2)).is_none() {
        return Error::NotAnInteger.into();
    }
    let edge = format!("+{}+\n", "-".repeat(23));
    let hole = || if fastrand::u8(..4) == 0 { " O" } else { " ." };
    let row = |_| format!("|{} |\n", std::iter::repeat_with(hole).take(11).collect::<String>());
    let holes: String = (0..5).map(row).collect();
    Reply::Text(format!(
        "{edge}{holes}{edge}\nA ticket, punched: it is no longer valid. Redis ver. {REDIS_VERSION}\n"
    ))
}

/// SCHEDULE changes nothing: a checkpoint never has to wait for another save.
pub(super) fn bgsave(request: Request<'_>) -> Result<Control, Error> {
    let is_schedule = |argument: &[u8]| argument.eq_ignore_ascii_case(b"schedule");
    let mut options = request.args(1);
    if options.len() <= 1 && options.all(is_schedule) {
        Ok(Control::BackgroundSave)
    } else {
        Err(Error::Syntax)
    }
}

/// The options are checked as in Redis and change nothing: there is never anything unsaved. ABORT has nothing
/// to abort: a shutdown does not wait for replicas.
pub(super) fn shutdown(request: Request<'_>) -> Result<Control, Error> {
    let given =
        |option: &str| request.args(1).any(|argument| argument.eq_ignore_ascii_case(option.as_bytes()));
    let options = ["save", "nosave", "now", "force", "abort"];
    let is_known =
        |argument: &[u8]| options.iter().any(|option| argument.eq_ignore_ascii_case(option.as_bytes()));
    let [save, nosave, now, force, abort] = options.map(given);
    let is_contradiction = (save && nosave) || (abort && (save || nosave || now || force));
    if !request.args(1).all(is_known) || is_contradiction {
        Err(Error::Syntax)
    } else if abort {
        Err(Error::NoShutdownInProgress)
    } else {
        Ok(Control::Shutdown)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{environment, request, session};
    use super::*;

    #[test]
    fn config_get_takes_patterns_and_names_in_any_case() {
        let environment = environment(None);
        let mut session = session(&environment);
        let mut get = |words: &str| session.run(&environment, words);
        let entry = |name: &str, value: &str| (Reply::bulk(name), Reply::bulk(value));
        assert_eq!(get("CONFIG GET nothing"), Reply::Map(vec![]));
        assert_eq!(
            get("CONFIG GET MAX*"),
            Reply::Map(vec![entry("maxclients", "10"), entry("maxmemory", "0")])
        );
        let named = vec![entry("maxclients", "10"), entry("MaxMemory", "0")];
        assert_eq!(get("CONFIG GET MaxMemory *m*"), Reply::Map(named), "each once, called as it was called");
    }

    #[test]
    fn shutdown_takes_the_options_that_redis_takes() {
        let ask = |words: &str| shutdown(request(words).as_request());
        for words in ["SHUTDOWN", "SHUTDOWN nosave", "SHUTDOWN SAVE NOW FORCE", "SHUTDOWN NOW NOW"] {
            assert_eq!(ask(words), Ok(Control::Shutdown), "{words}");
        }
        for words in ["SHUTDOWN SAVE NOSAVE", "SHUTDOWN ABORT NOW", "SHUTDOWN x", "SHUTDOWN ABORT x"] {
            assert_eq!(ask(words), Err(Error::Syntax), "{words}");
        }
        assert_eq!(ask("SHUTDOWN ABORT"), Err(Error::NoShutdownInProgress));
    }

    #[test]
    fn bgsave_takes_schedule() {
        let ask = |words: &str| bgsave(request(words).as_request());
        assert_eq!(ask("BGSAVE"), Ok(Control::BackgroundSave));
        assert_eq!(ask("BGSAVE schedule"), Ok(Control::BackgroundSave));
        assert_eq!(ask("BGSAVE SCHEDULE SCHEDULE"), Err(Error::Syntax));
        assert_eq!(ask("BGSAVE x"), Err(Error::Syntax));
    }
}
