//! The configuration while the server runs: CONFIG GET, SET and REWRITE.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::hooks::Hooks;
use super::rows::{FIXED, Fixed, ROWS, Row};
use super::{Config, rewrite};
use crate::reply::{Error, ParameterProblem, printable};
use crate::settings::{Parameters, Settings};

/// The configuration of a server that runs.
#[derive(Debug)]
pub struct Live {
    config: Mutex<Config>,
    settings: Arc<Settings>,
    hooks: Hooks,
}

impl Live {
    /// What was read at start. It already counts, as far as hooks are concerned; the settings are stored.
    #[must_use]
    pub fn new(config: Config, settings: Arc<Settings>, hooks: Hooks) -> Self {
        for row in ROWS {
            row.change.store(&config, &settings);
        }
        Self { config: Mutex::new(config), settings, hooks }
    }

    fn config(&self) -> MutexGuard<'_, Config> {
        self.config.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the options count, all or none.
    fn apply(&self, old: &Config, new: &Config, rows: &[&'static Row]) -> Result<(), Refusal> {
        for (done, row) in rows.iter().enumerate() {
            if let Err(problem) = row.change.ask(new, &self.hooks) {
                // What was so a moment ago can be so again.
                for row in &rows[..done] {
                    let _ = row.change.ask(old, &self.hooks);
                }
                return Err(Refusal { name: row.name, problem });
            }
        }
        for row in rows {
            row.change.store(new, &self.settings);
        }
        Ok(())
    }
}

/// SIGHUP.
impl Live {
    /// Has what was read anew count, as far as CONFIG SET could change it, and the users: all of it or nothing. Of what can't
    /// be changed the log says that it takes a restart.
    ///
    /// # Errors
    ///
    /// Says which option's value, or which user, is refused. All is as it was then.
    pub fn reload(&self, read: &Config) -> Result<(), String> {
        let mut config = self.config();
        // Between a file of users and none, or another one, no users are to be lost meanwhile, and no password either.
        let can_change_users = config.aclfile == read.aclfile;
        let is_live = |row: &&Row| if row.is_about_users() { can_change_users } else { row.change.is_live() };
        let is_other = |row: &&Row| row.kind.get(&config) != row.kind.get(read);
        let (live, fixed): (Vec<_>, Vec<_>) = ROWS.iter().filter(is_other).partition(is_live);
        let mut new = config.clone();
        for row in &live {
            let refused = || format!("{} is not {}", row.name, row.kind.allowed());
            row.kind.set(&mut new, &row.kind.get(read)).ok_or_else(refused)?;
        }
        let (users, others): (Vec<_>, Vec<_>) = live.iter().copied().partition(|row| row.is_about_users());
        // Where nothing else is said of users, those that were made meanwhile stay; but the file of users may have changed.
        let has_users = can_change_users && (!users.is_empty() || new.aclfile.is_some());
        let users = has_users.then(|| (self.hooks.reread_users)(&new)).transpose()?;
        // Whether or not an option has changed: the files may have.
        (self.hooks.tls)(&new.tls)?;
        self.apply(&config, &new, &others).map_err(|refusal| refusal.to_string())?;
        if let Some(has_them_count) = users {
            has_them_count();
        }
        *config = new;
        log_values(&live, &config);
        for row in fixed {
            tracing::warn!("{} is {} now: that takes a restart", row.name, shown(row, read));
        }
        Ok(())
    }
}

/// Why an option can't have a value.
struct Refusal {
    name: &'static str,
    problem: ParameterProblem,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.problem)
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        failed(refusal.name, refusal.problem)
    }
}

/// An option's value as the log shows it.
fn shown(row: &Row, config: &Config) -> String {
    if row.kind.is_secret() { "(hidden)".to_owned() } else { format!("{:?}", row.kind.get(config)) }
}

fn log_values(rows: &[&Row], config: &Config) {
    for row in rows {
        tracing::info!("{} was set to {}", row.name, shown(row, config));
    }
}

impl Parameters for Live {
    fn values(&self) -> Vec<(&'static str, String)> {
        self.config().parameters()
    }

    fn set(&self, changes: &[(&[u8], &[u8])]) -> Result<(), Error> {
        let found = find_all(changes)?;
        let mut config = self.config();
        let mut new = config.clone();
        let mut rows = Vec::with_capacity(found.len());
        for (parameter, &(_, value)) in found.iter().zip(changes) {
            let outcome = std::str::from_utf8(value)
                .map_err(|_| ParameterProblem::NotAllowed("UTF-8".to_owned()))
                .and_then(|value| parameter.set(&mut new, value));
            outcome.map_err(|problem| failed(parameter.name(), problem))?;
            rows.extend(parameter.row());
        }
        self.apply(&config, &new, &rows)?;
        *config = new;
        log_values(&rows, &config);
        Ok(())
    }

    fn rewrite(&self) -> Result<(), Error> {
        // Not behind the lock, since it waits for the disk.
        let mut config = self.config().clone();
        if config.aclfile.is_none() {
            config.users = (self.hooks.users)().map_err(Error::RewriteFailed)?;
        }
        rewrite::rewrite(&config)?;
        // What SIGHUP will read is what is so.
        self.config().users = config.users;
        Ok(())
    }

    fn is_secret(&self, name: &[u8]) -> bool {
        Parameter::find(name).and_then(Parameter::row).is_some_and(|row| row.kind.is_secret())
    }
}

/// What a name in CONFIG SET stands for.
#[derive(Clone, Copy)]
enum Parameter {
    Option(&'static Row),
    Fixed(&'static Fixed),
}

impl Parameter {
    /// The parameter of this name, in any case.
    fn find(name: &[u8]) -> Option<Self> {
        let is_called = |known: &str| known.as_bytes().eq_ignore_ascii_case(name);
        let option = ROWS.iter().find(|row| is_called(row.name)).map(Self::Option);
        option.or_else(|| FIXED.iter().find(|fixed| is_called(fixed.name)).map(Self::Fixed))
    }

    fn name(self) -> &'static str {
        match self {
            Self::Option(row) => row.name,
            Self::Fixed(fixed) => fixed.name,
        }
    }

    fn row(self) -> Option<&'static Row> {
        match self {
            Self::Option(row) => Some(row),
            Self::Fixed(_) => None,
        }
    }

    fn is_immutable(self) -> bool {
        match self {
            Self::Option(row) => !row.change.is_live(),
            Self::Fixed(fixed) => fixed.is_immutable(),
        }
    }

    fn set(self, config: &mut Config, value: &str) -> Result<(), ParameterProblem> {
        match self {
            Self::Option(row) => row.kind.set_live(config, value),
            Self::Fixed(fixed) => fixed.set(value),
        }
    }
}

/// What the names stand for. As in Redis, a name that there is not is the first thing to be wrong, wherever it
/// stands behind others that can be set.
fn find_all(changes: &[(&[u8], &[u8])]) -> Result<Vec<Parameter>, Error> {
    let mut found: Vec<Parameter> = Vec::with_capacity(changes.len());
    for &(name, _) in changes {
        let parameter = Parameter::find(name).ok_or_else(|| Error::UnknownParameter(printable(name)))?;
        let problem = if parameter.is_immutable() {
            Some(ParameterProblem::Immutable)
        } else if found.iter().any(|other| other.name() == parameter.name()) {
            Some(ParameterProblem::Duplicate)
        } else {
            None
        };
        if let Some(problem) = problem {
            return Err(failed(printable(name), problem));
        }
        found.push(parameter);
    }
    Ok(found)
}

fn failed(name: impl Into<String>, problem: ParameterProblem) -> Error {
    Error::ConfigSetFailed { name: name.into(), problem }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use super::super::from_sources;
    use super::*;

    /// How often each hook was called.
    #[derive(Default)]
    struct Calls {
        loglevel: AtomicUsize,
        requirepass: AtomicUsize,
        appendfsync: AtomicUsize,
        users: AtomicUsize,
    }

    /// A server that has room for 100 clients.
    fn live() -> (Live, Arc<Calls>) {
        let config = from_sources(["revoked"].map(OsString::from), [], "0.0.0").unwrap();
        let calls = Arc::new(Calls::default());
        let [loglevel, appendfsync, requirepass, users] = [(); 4].map(|()| Arc::clone(&calls));
        let hooks = Hooks {
            loglevel: Box::new(move |_| {
                loglevel.loglevel.fetch_add(1, Relaxed);
                Ok(())
            }),
            maxclients: Box::new(|clients| if clients > 100 { Err(100) } else { Ok(()) }),
            maxmemory: Box::new(|_| Ok(())),
            appendfsync: Box::new(move |_| {
                appendfsync.appendfsync.fetch_add(1, Relaxed);
            }),
            client_output_buffer_limit: Box::new(|_| ()),
            tls: Box::new(|_| Ok(())),
            requirepass: Box::new(move |_| {
                requirepass.requirepass.fetch_add(1, Relaxed);
            }),
            reread_users: Box::new(move |_| {
                let users = Arc::clone(&users);
                Ok(Box::new(move || {
                    users.users.fetch_add(1, Relaxed);
                }))
            }),
            users: Box::new(|| Ok(vec!["ada on ~* +@all".to_owned()])),
            notify_keyspace_events: Box::new(|_| ()),
        };
        (Live::new(config, Arc::default(), hooks), calls)
    }

    fn set(live: &Live, words: &str) -> Result<(), String> {
        let words: Vec<&[u8]> = words.split(' ').map(str::as_bytes).collect();
        let changes: Vec<_> = words.chunks(2).map(|pair| (pair[0], pair[1])).collect();
        live.set(&changes).map_err(|error| error.to_string())
    }

    #[test]
    fn every_option_is_set_and_shown_or_refused_as_immutable() {
        let (live, _) = live();
        for row in ROWS {
            // One of these is as good as any, for whatever option.
            let values = [
                "7",
                "2000000",
                "no",
                "warning",
                "noeviction",
                "AKE",
                "TLSv1.3",
                "cn",
                "normal 1 2 3 slave 4 5 6 pubsub 7 8 9",
            ];
            let set = |value: &str| live.set(&[(row.name.as_bytes(), value.as_bytes())]);
            let tried = values.map(|value| (value, set(value).map_err(|error| error.to_string())));
            if row.change.is_live() {
                let (value, _) = tried.iter().rfind(|(_, outcome)| outcome.is_ok()).unwrap();
                assert_eq!(live.value(row.name).as_deref(), Some(*value), "{}", row.name);
            } else {
                let error = format!(
                    "ERR CONFIG SET failed (possibly related to argument '{}') - can't set immutable config",
                    row.name
                );
                assert!(tried.iter().all(|(_, outcome)| *outcome == Err(error.clone())), "{}", row.name);
            }
        }
    }

    #[test]
    fn what_is_fixed_can_be_set_to_what_it_is() {
        let (live, _) = live();
        for fixed in FIXED {
            let value = (fixed.value)();
            let set = |value: &str| live.set(&[(fixed.name.as_bytes(), value.as_bytes())]);
            assert_eq!(set(&value).is_ok(), !fixed.is_immutable(), "{}", fixed.name);
            assert!(set("12345678").is_err(), "{}", fixed.name);
        }
        assert_eq!(set(&live, "APPENDONLY Yes"), Ok(()));
        let text = set(&live, "appendonly no").unwrap_err();
        assert!(text.ends_with(" - it is always 'yes': every change is in the data file"), "{text}");
    }

    #[test]
    fn several_are_set_or_none() {
        let (live, calls) = live();
        for words in [
            "loglevel warning nosuch 1",
            "loglevel warning port 1",
            "loglevel warning tcp-keepalive x",
            "loglevel warning maxclients 101",
            "loglevel warning LOGLEVEL warning",
        ] {
            assert!(set(&live, words).is_err(), "{words}");
            assert_eq!(live.value("loglevel").as_deref(), Some("notice"), "{words}");
        }
        assert_eq!(calls.loglevel.load(Relaxed), 2, "made to count, and undone, where the last was refused");
        assert_eq!(set(&live, "LogLevel WARNING maxclients 50 tcp-keepalive 0 appendfsync no"), Ok(()));
        assert_eq!(live.settings.maxclients.load(Relaxed), 50);
        assert_eq!(live.settings.tcp_keepalive(), None);
        assert_eq!(calls.appendfsync.load(Relaxed), 1);
    }

    #[test]
    fn what_was_read_anew_counts_as_far_as_it_can_change_or_not_at_all() {
        let (live, calls) = live();
        let read = |args: &[&str]| {
            let args = ["revoked"].iter().chain(args).map(OsString::from);
            from_sources(args, [], "0.0.0").unwrap()
        };
        live.reload(&read(&["--loglevel", "warning", "--port", "1", "--maxclients", "50"])).unwrap();
        assert_eq!(live.value("loglevel").as_deref(), Some("warning"));
        assert_eq!(live.settings.maxclients.load(Relaxed), 50);
        assert_eq!(live.value("port").as_deref(), Some("6379"), "it takes a restart");
        assert_eq!(calls.appendfsync.load(Relaxed), 0, "what is as it was is left alone");

        let error = live.reload(&read(&["--loglevel", "debug", "--maxclients", "101"])).unwrap_err();
        assert!(error.contains("maxclients"), "{error}");
        assert_eq!(live.value("loglevel").as_deref(), Some("warning"));
        live.reload(&read(&["--maxclients", "50"])).unwrap();
        assert_eq!(
            live.value("loglevel").as_deref(),
            Some("notice"),
            "the default, which it was started with"
        );
    }

    #[test]
    fn users_that_were_read_anew_count_with_all_the_rest_or_not_at_all() {
        let (live, calls) = live();
        let reload = |args: &[&str]| {
            let args = ["revoked"].iter().chain(args).map(OsString::from);
            live.reload(&from_sources(args, [], "0.0.0").unwrap())
        };
        let error = reload(&["--user", "bob on", "--maxclients", "101"]).unwrap_err();
        assert!(error.starts_with("maxclients: "), "{error}");
        assert_eq!(calls.users.load(Relaxed), 0);
        reload(&["--user", "bob on", "--maxclients", "50"]).unwrap();
        reload(&["--user", "bob on", "--maxclients", "60"]).unwrap();
        assert_eq!(calls.users.load(Relaxed), 1, "those that are as they were are left alone");
        reload(&["--user", "bob on", "--requirepass", "p", "--maxclients", "60"]).unwrap();
        assert_eq!((calls.users.load(Relaxed), calls.requirepass.load(Relaxed)), (2, 0));
        reload(&["--aclfile", "users.acl", "--maxclients", "60"]).unwrap();
        assert_eq!(calls.users.load(Relaxed), 2, "that takes a restart");
        assert_eq!(live.value("requirepass").as_deref(), Some("p"), "and this with it");
        assert!(live.rewrite().is_err(), "there is no file");
        assert_eq!(live.config().users, ["bob on"]);
    }

    #[test]
    fn the_password_is_a_secret() {
        let (live, calls) = live();
        assert!(live.is_secret(b"RequirePass") && !live.is_secret(b"port") && !live.is_secret(b"databases"));
        assert_eq!(set(&live, "requirepass s3cret"), Ok(()));
        assert_eq!(live.value("requirepass").as_deref(), Some("s3cret"));
        assert_eq!(set(&live, "requirepass "), Ok(()));
        assert_eq!(live.value("requirepass").as_deref(), Some(""));
        assert_eq!(calls.requirepass.load(Relaxed), 2);
    }

    #[test]
    fn amounts_of_memory_have_units_and_bounds() {
        let (live, _) = live();
        assert_eq!(set(&live, "maxmemory 1gb proto-max-bulk-len 2MB"), Ok(()));
        assert_eq!(live.value("maxmemory").as_deref(), Some("1073741824"));
        assert_eq!(live.settings.maxmemory.load(Relaxed), 1 << 30);
        assert_eq!(live.settings.argument_bytes(), 2 << 20);
        for (words, problem) in [
            ("maxmemory 1xx", "argument must be a memory value"),
            ("maxmemory 50%", "argument must be a memory value"),
            ("maxmemory -1", "argument must be a memory value"),
            ("client-query-buffer-limit 1", "argument must be between 1048576 and 1073741824 inclusive"),
            ("client-query-buffer-limit 2gb", "argument must be between 1048576 and 1073741824 inclusive"),
            ("proto-max-bulk-len 1gb", "argument must be between 1048576 and 536870912 inclusive"),
        ] {
            let text = set(&live, words).unwrap_err();
            assert!(text.ends_with(&format!(" - {problem}")), "{text}");
        }
    }

    #[test]
    fn nothing_is_ever_evicted() {
        let (live, _) = live();
        assert_eq!(set(&live, "maxmemory-policy NoEviction"), Ok(()));
        for policy in ["allkeys-lru", "volatile-ttl", "x"] {
            let text = set(&live, &format!("maxmemory-policy {policy}")).unwrap_err();
            assert!(text.contains("a live revocation is never dropped to make room"), "{text}");
        }
    }

    #[test]
    fn numbers_are_those_that_redis_takes() {
        let (live, _) = live();
        for (value, problem) in [
            ("007", "argument couldn't be parsed into an integer"),
            ("+7", "argument couldn't be parsed into an integer"),
            ("", "argument couldn't be parsed into an integer"),
            ("1mb", "argument couldn't be parsed into an integer"),
            ("-2", "argument must be between -1 and 9223372036854775807 inclusive"),
        ] {
            let text = set(&live, &format!("slowlog-log-slower-than {value}")).unwrap_err();
            assert!(text.ends_with(&format!(" - {problem}")), "{text}");
        }
    }
}
