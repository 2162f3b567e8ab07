//! SIGHUP: the configuration is read anew.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use tokio::signal::unix::Signal;

use super::{fit_maxclients, supervised};
use crate::config::{self, Config, Live};
use crate::connection::Services;
use crate::systemd::Notifier;

/// Reads the configuration anew, from where it was read at start.
pub type Reread = dyn Fn() -> Result<Config, config::Error> + Send + Sync;

/// What has the configuration be read anew.
pub struct Reload {
    /// Each asks for it.
    pub requests: Signal,
    /// How it is done.
    pub read: Arc<Reread>,
}

impl Reload {
    /// Does so whenever it is asked for, until the task is dropped.
    pub(super) async fn run(mut self, live: Arc<Live>, services: Arc<Services>, notifier: Arc<Notifier>) {
        while self.requests.recv().await.is_some() {
            tracing::info!("Received SIGHUP: reading the configuration anew");
            // While the data is loaded the supervisor hears of that alone: the start is not done before.
            let is_told = !services.environment.stats.journal.loading.load(Relaxed);
            if is_told {
                notifier.reloading();
            }
            let (read, live) = (Arc::clone(&self.read), Arc::clone(&live));
            // It waits for the disk.
            let outcome = tokio::task::spawn_blocking(move || apply(&*read, &live)).await;
            if let Err(error) = outcome.map_err(|error| error.to_string()).flatten() {
                tracing::error!("The configuration stays as it was: {error}");
            }
            if is_told {
                notifier.ready(&supervised::status(&services));
            }
        }
    }
}

fn apply(read: &Reread, live: &Live) -> Result<(), String> {
    let mut config = read().map_err(|error| error.to_string())?;
    fit_maxclients(&mut config);
    live.reload(&config)?;
    tracing::info!("The configuration was read anew");
    Ok(())
}
