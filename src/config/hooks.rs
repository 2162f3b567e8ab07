//! What others have to do when an option changes while the server runs.

use std::fmt;

use super::{Appendfsync, Config, Loglevel};
use crate::outbox::OutputLimits;
use crate::pubsub::EventClasses;
use crate::tls;

/// Reads the files of TLS that these options name.
type ReadTls = dyn Fn(&tls::Options) -> Result<(), String> + Send + Sync;

/// Takes a password, or none.
pub type SetPassword = dyn Fn(Option<&str>) + Send + Sync;

/// Reads the users that a configuration names, and returns what has them count.
type ReadUsers = dyn Fn(&Config) -> Result<Box<dyn FnOnce()>, String> + Send + Sync;

/// What makes those options count that take more than storing a value.
pub struct Hooks {
    /// Changes the least important messages that are logged. An error is text for the client.
    pub loglevel: Box<dyn Fn(Loglevel) -> Result<(), String> + Send + Sync>,
    /// Makes room for so many clients. An error is how many there can be.
    pub maxclients: Box<dyn Fn(usize) -> Result<(), usize> + Send + Sync>,
    /// Whether memory can be bounded: what is in use has to be measured. An error is text for the client.
    pub maxmemory: Box<dyn Fn(u64) -> Result<(), String> + Send + Sync>,
    /// Changes when the journal is synced.
    pub appendfsync: Box<dyn Fn(Appendfsync) + Send + Sync>,
    /// Changes how much may wait for a client that takes nothing.
    pub client_output_buffer_limit: Box<dyn Fn(OutputLimits) + Send + Sync>,
    /// Has new connections be accepted as these say, whose files are read anew. An error is text for the client.
    pub tls: Box<ReadTls>,
    /// Changes the password of the default user.
    pub requirepass: Box<SetPassword>,
    /// Has the users be those that the configuration names, or its file of users; a password of the default user's own
    /// beats `requirepass`. An error is text for the log.
    pub reread_users: Box<ReadUsers>,
    /// The users as the configuration would have to name them. An error is text for the client.
    pub users: Box<dyn Fn() -> Result<Vec<String>, String> + Send + Sync>,
    /// Changes which events of keys are published.
    pub notify_keyspace_events: Box<dyn Fn(EventClasses) + Send + Sync>,
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks").finish_non_exhaustive()
    }
}
