//! The server as operators see it: CONFIG GET, TIME, LASTSAVE, BGSAVE, SHUTDOWN.

use std::sync::atomic::Ordering::Relaxed;

use super::glob::{self, Case};
use super::{Control, Environment, Session};
use crate::reply::{Error, Reply};
use crate::request::Request;
use crate::stats::since_epoch;

pub(super) fn config_get(_: &mut Session, environment: &Environment, request: Request<'_>) -> Reply {
    let found = environment.parameters.iter().filter_map(|(name, value)| {
        let is_match = |pattern: &&[u8]| glob::matches(pattern, name.as_bytes(), Case::Insensitive);
        let pattern = request.args(2).find(is_match)?;
        // As in Redis, a parameter that was asked for by its name is called as it was called.
        let is_name = pattern.eq_ignore_ascii_case(name.as_bytes());
        let name = if is_name { Reply::bulk(pattern) } else { Reply::fixed(name) };
        Some((name, Reply::bulk(value.as_str())))
    });
    Reply::Map(found.collect())
}

/// Seconds since 1970, and the microseconds of the second at hand.
pub(super) fn time(_: &mut Session, _: &Environment, _: Request<'_>) -> Reply {
    let now = since_epoch();
    Reply::Array(vec![Reply::bulk(now.as_secs().to_string()), Reply::bulk(now.subsec_micros().to_string())])
}

pub(super) fn lastsave(_: &mut Session, environment: &Environment, _: Request<'_>) -> Reply {
    Reply::Integer(environment.stats.journal.last_checkpoint_seconds.load(Relaxed) as i64)
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
