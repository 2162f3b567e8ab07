//! What the tests of this module need to run commands.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::{About, Environment, Run, Session, find, rows};
use crate::clients::{Address, Clients, Membership};
use crate::reply::{Error, Reply, printable};
use crate::request::OwnedRequest;
use crate::settings::{Parameters, Settings};
use crate::slowlog::Slowlog;
use crate::stats::Stats;
use crate::store::Store;

/// A server without data.
pub(super) fn environment(requirepass: Option<&str>) -> Environment {
    let settings = Arc::new(Settings::default());
    settings.maxclients.store(10, Relaxed);
    settings.slowlog_max_len.store(3, Relaxed);
    settings.set_requirepass(requirepass);
    Environment {
        store: Arc::new(Store::default()),
        stats: Arc::new(Stats::with_settings(rows().count(), Arc::clone(&settings))),
        clients: Arc::new(Clients::default()),
        pubsub: Arc::default(),
        monitors: Arc::default(),
        slowlog: Slowlog::default(),
        settings,
        parameters: Arc::new(FixedParameters),
        about: About {
            run_id: "0".repeat(40),
            port: 6379,
            executable: "/usr/bin/revoked".to_owned(),
            config_file: String::new(),
            data_file: "revoked.db".to_owned(),
            listeners: vec!["name=tcp,bind=127.0.0.1,port=6379".to_owned()],
        },
    }
}

/// Parameters that can't be set.
#[derive(Debug)]
struct FixedParameters;

impl Parameters for FixedParameters {
    fn values(&self) -> Vec<(&'static str, String)> {
        [("maxclients", "10"), ("maxmemory", "0"), ("appendfsync", "always")]
            .map(|(name, value)| (name, value.to_owned()))
            .into()
    }

    fn set(&self, changes: &[(&[u8], &[u8])]) -> Result<(), Error> {
        Err(Error::UnknownParameter(printable(changes[0].0)))
    }

    fn rewrite(&self) -> Result<(), Error> {
        Err(Error::NoConfigFile)
    }

    fn is_secret(&self, name: &[u8]) -> bool {
        name.eq_ignore_ascii_case(b"requirepass")
    }
}

/// A session whose client counts as connected.
pub(super) struct TestSession {
    pub(super) session: Session,
    _membership: Membership,
}

/// A new connection to the server.
pub(super) fn session(environment: &Environment) -> TestSession {
    let address = Address::from(SocketAddr::from(([127, 0, 0, 1], 1)));
    let membership = environment.clients.connect(address.clone(), address, 10).unwrap();
    let session = Session::new(Arc::clone(&membership.client), environment);
    TestSession { session, _membership: membership }
}

impl TestSession {
    /// What a session command answers.
    pub(super) fn run(&mut self, environment: &Environment, words: &str) -> Reply {
        let request = request(words);
        match find(request.as_request()) {
            Ok(command) => match command.spec.run {
                Run::Session(run) => run(&mut self.session, environment, request.as_request()),
                other => panic!("{words} is no session command but {other:?}"),
            },
            Err((_, error)) => error.into(),
        }
    }

    /// What is answered, if the client wants an answer.
    pub(super) fn answer(&mut self, environment: &Environment, words: &str) -> Option<Reply> {
        let reply = self.run(environment, words);
        self.session.takes_reply().then_some(reply)
    }
}

/// A request of these words; `""` stands for the empty one.
pub(super) fn request(words: &str) -> OwnedRequest {
    let words = words.split(' ').map(|word| if word == "\"\"" { "" } else { word });
    OwnedRequest::from_args(&words.collect::<Vec<_>>())
}
