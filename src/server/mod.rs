//! The server as a whole: accept, cap, and end in order.
//!
//! Where TLS is spoken, a handshake comes first (`handshakes.rs`). Beside that, its supervisor is told how it is (`supervised.rs`), the log how much was asked of it (`served.rs`), and the configuration is read anew (`reload.rs`).

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Instant, UNIX_EPOCH};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use crate::acl::Users;
use crate::clients::{Address, Clients, Membership};
use crate::command::{self, About, Environment};
use crate::config::{self, Appendfsync, Config, Hooks, Loglevel};
use crate::connection::{self, Pause, Repeated, Services, Stream};
use crate::journal::{OpenError, Opened, PolicySwitch, SyncPolicy};
use crate::limits::{ACCEPT_PAUSE, DRAIN_TIMEOUT, HOUSEKEEPING, RESERVED_FILES};
use crate::listen::{Accepted, Listener};
use crate::memory;
use crate::metrics;
use crate::monitor::Monitors;
use crate::pubsub::PubSub;
use crate::reply::Error;
use crate::seldom::Seldom;
use crate::settings::Settings;
use crate::slowlog::Slowlog;
use crate::stats::Stats;
use crate::store::Store;
use crate::systemd::Notifier;
use crate::tls::Tls;

use self::handshakes::Handshakes;
use self::served::Served;

pub use self::reload::{Reload, Reread};

mod handshakes;
mod reload;
mod served;
mod supervised;

/// Changes the least important messages that are logged. An error is text for the client.
pub type SetLoglevel = Box<dyn Fn(Loglevel) -> Result<(), String> + Send + Sync>;

/// What the server is told of its surroundings.
pub struct Options {
    /// What was read at start; CONFIG SET changes it.
    pub config: Config,
    /// Changes the least important messages that are logged.
    pub set_loglevel: SetLoglevel,
    /// What INFO says of the process.
    pub about: About,
    /// Who may do what: those that the configuration names, or its file of users.
    pub users: Users,
    /// Where metrics are asked for, if anywhere.
    pub metrics_listeners: Vec<TcpListener>,
    /// What connections are accepted with that are to be encrypted.
    pub tls: Arc<Tls>,
    /// Whom to tell how the server is.
    pub notifier: Notifier,
    /// What has the configuration be read anew, if anything.
    pub reload: Option<Reload>,
}

impl Options {
    /// A server by this configuration and nothing else: nobody supervises it or asks for metrics, TLS is off, and the log is
    /// not its own.
    ///
    /// # Errors
    ///
    /// Says what is wrong with the users, or with their file.
    pub fn new(config: Config, about: About) -> Result<Self, String> {
        let users = users(&config)?;
        Ok(Self {
            config,
            set_loglevel: Box::new(|_| Ok(())),
            about,
            users,
            metrics_listeners: Vec::new(),
            tls: Arc::default(),
            notifier: Notifier::default(),
            reload: None,
        })
    }
}

fn users(config: &Config) -> Result<Users, String> {
    let users = Users::new(command::catalogue(), config.aclfile.clone());
    users.count(users.read(&config.users, config.requirepass.as_deref())?);
    Ok(users)
}

/// The policy that the configuration asks for.
#[must_use]
pub fn sync_policy(appendfsync: Appendfsync) -> SyncPolicy {
    match appendfsync {
        Appendfsync::Always => SyncPolicy::Always,
        Appendfsync::Everysec => SyncPolicy::EverySecond,
        Appendfsync::No => SyncPolicy::Never,
    }
}

/// Has the system allow for as many open files as `maxclients` needs. Returns how many clients there can be.
#[must_use]
pub fn make_room_for(maxclients: usize) -> usize {
    let limit = getrlimit(Resource::Nofile);
    let wanted = (maxclients + RESERVED_FILES) as u64;
    let Some(current) = limit.current.filter(|&current| current < wanted) else { return maxclients };
    let raised = Rlimit { current: Some(limit.maximum.map_or(wanted, |most| most.min(wanted))), ..limit };
    let allowed = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => raised.current,
        Err(_) => Some(current),
    };
    let clients = allowed.map_or(maxclients, |files| (files as usize).saturating_sub(RESERVED_FILES));
    clients.clamp(1, maxclients)
}

/// Has the configuration ask for no more clients than there can be, and says so.
pub fn fit_maxclients(config: &mut Config) {
    let (asked, room) = (config.maxclients, make_room_for(config.maxclients));
    if room < asked {
        tracing::warn!("maxclients is {room} instead of {asked}: raise the limit of open files (ulimit -n)");
        config.maxclients = room;
    }
}

/// Replays the journal and serves clients on these sockets until `ended` is done or a client asks for the end.
/// Then what was submitted is finished, and the data file closed.
///
/// # Errors
///
/// If the data file turns out to be damaged, or can't be read.
pub async fn run(
    listeners: Vec<Listener>,
    journal: Opened,
    options: Options,
    ended: impl Future<Output = ()>,
) -> Result<(), OpenError> {
    if options.config.maxmemory > 0 && memory::used().is_none() {
        tracing::warn!("maxmemory has no effect: how much memory is in use is not known in this program");
    }
    let settings = Arc::new(Settings::default());
    let stats = Arc::new(Stats::with_settings(command::rows().count(), Arc::clone(&settings)));
    let store = Arc::new(Store::default());
    let limits = options.config.client_output_buffer_limit;
    let concerned = Concerned {
        policy: journal.policy_switch(),
        pubsub: Arc::new(PubSub::new(limits.pubsub, options.config.notify_keyspace_events)),
        monitors: Arc::new(Monitors::new(limits.normal)),
        users: Arc::new(options.users),
        clients: Arc::default(),
        tls: options.tls,
    };
    let hooks = concerned.hooks(options.set_loglevel);
    let parameters = Arc::new(config::Live::new(options.config, Arc::clone(&settings), hooks));
    let data_file = std::path::PathBuf::from(&options.about.data_file);
    let Concerned { pubsub, monitors, users, clients, tls, .. } = concerned;
    let (journal, replay, finish) = journal
        .start(Arc::clone(&store), Arc::clone(&stats), Arc::clone(&pubsub))
        .map_err(|error| OpenError::Io { path: data_file, what: format!("no writer thread: {error}") })?;
    let services = Arc::new(Services {
        environment: Arc::new(Environment {
            store,
            stats,
            users,
            clients,
            pubsub,
            monitors,
            slowlog: Slowlog::default(),
            settings,
            parameters: Arc::<config::Live>::clone(&parameters),
            about: About {
                port: port(&listeners),
                listeners: listeners.iter().map(Listener::info).collect(),
                ..options.about
            },
        }),
        journal: journal.clone(),
        pause: Pause::default(),
        shutdown: watch::Sender::new(false),
        repeated: Repeated::default(),
    });
    let housekeeping = tokio::spawn(housekeeping(Arc::clone(&services), Arc::clone(&tls)));
    let notifier = Arc::new(options.notifier);
    let mut beside = JoinSet::new();
    beside.spawn(supervised::report(Arc::clone(&services), Arc::clone(&notifier)));
    if let Some(reload) = options.reload {
        beside.spawn(reload.run(parameters, Arc::clone(&services), Arc::clone(&notifier)));
    }
    tell_metrics(options.metrics_listeners, &services.environment);
    let addresses: Vec<_> = listeners.iter().map(Listener::to_string).collect();
    let mut all_gone = accept(listeners, &services, tls);

    let mut shutdown = services.shutdown.subscribe();
    let mut ended = std::pin::pin!(async {
        tokio::select! {
            () = ended => {}
            _ = shutdown.wait_for(|&is_ending| is_ending) => {}
        }
    });
    tokio::select! {
        // Where both are so, clients may have written already: their writes are to be finished.
        biased;
        replayed = replay.done() => replayed?,
        // Nothing was written yet, and nothing waits to be.
        () = &mut ended => {
            notifier.stopping("Shutting down before the data file was loaded");
            return Ok(());
        }
    }
    for address in addresses {
        tracing::info!("Ready to accept connections on {address}");
    }
    notifier.ready(&supervised::status(&services));
    beside.spawn(supervised::watch(Arc::clone(&services), Arc::clone(&notifier)));
    ended.await;
    beside.shutdown().await;
    notifier.stopping("Shutting down: finishing what clients have submitted");

    tracing::info!("Shutting down: finishing what clients have submitted");
    services.shutdown.send_replace(true);
    services.environment.clients.end_all();
    if tokio::time::timeout(DRAIN_TIMEOUT, all_gone.recv()).await.is_err() {
        tracing::warn!("Some clients do not take their replies: they are cut off");
    }
    journal.close();
    finish.done().await;
    if let Ok(mut served) = housekeeping.await {
        served.tell(&services.environment.stats, Instant::now());
    }
    tracing::info!("Bye");
    Ok(())
}

/// The port that clients without TLS find, if there is one.
fn port(listeners: &[Listener]) -> u16 {
    let first = |is_tls| listeners.iter().filter(move |it| it.is_tls() == is_tls).find_map(Listener::address);
    first(false).or_else(|| first(true)).map_or(0, |address| address.port())
}

/// Has metrics be told at these sockets.
fn tell_metrics(listeners: Vec<TcpListener>, environment: &Arc<Environment>) {
    for listener in listeners {
        if let Ok(address) = listener.local_addr() {
            tracing::info!("Metrics are at http://{address}/metrics");
        }
        tokio::spawn(metrics::serve(listener, Arc::clone(environment)));
    }
}

/// Has clients be accepted at these sockets. What is returned is closed once the last connection has ended.
fn accept(listeners: Vec<Listener>, services: &Arc<Services>, tls: Arc<Tls>) -> mpsc::Receiver<()> {
    // Connections hold a sender each.
    let (alive, all_gone) = mpsc::channel(1);
    let (logged, handshakes) = (Arc::<Logged>::default(), Arc::new(Handshakes::new(tls)));
    for listener in listeners {
        let acceptor = Acceptor {
            services: Arc::clone(services),
            alive: alive.clone(),
            handshakes: Arc::clone(&handshakes),
            logged: Arc::clone(&logged),
        };
        tokio::spawn(acceptor.run(listener));
    }
    all_gone
}

/// Those whom it concerns when options change while the server runs.
struct Concerned {
    policy: PolicySwitch,
    pubsub: Arc<PubSub>,
    monitors: Arc<Monitors>,
    users: Arc<Users>,
    clients: Arc<Clients>,
    tls: Arc<Tls>,
}

impl Concerned {
    /// How each of them is told.
    fn hooks(&self, loglevel: SetLoglevel) -> Hooks {
        let Self { policy, pubsub, monitors, users, clients, tls } = self;
        let (policy, events, pubsub) = (policy.clone(), Arc::clone(pubsub), Arc::clone(pubsub));
        let (monitors, clients, tls) = (Arc::clone(monitors), Arc::clone(clients), Arc::clone(tls));
        let (present_users, reread_users, users) = (Arc::clone(users), Arc::clone(users), Arc::clone(users));
        let affected = Arc::clone(&clients);
        Hooks {
            loglevel,
            maxclients: Box::new(|wanted| match make_room_for(wanted) {
                possible if possible < wanted => Err(possible),
                _ => Ok(()),
            }),
            maxmemory: Box::new(|bytes| match memory::used() {
                None if bytes > 0 => Err("how much memory is in use is not known in this program".to_owned()),
                _ => Ok(()),
            }),
            appendfsync: Box::new(move |appendfsync| policy.set(sync_policy(appendfsync))),
            client_output_buffer_limit: Box::new(move |limits| {
                pubsub.set_output_limit(limits.pubsub);
                monitors.set_output_limit(limits.normal);
            }),
            tls: Box::new(move |options| tls.reload(options)),
            requirepass: Box::new(move |password| {
                users.set_default_password(password);
                clients.review();
            }),
            reread_users: Box::new(move |config| {
                let named = reread_users.read(&config.users, config.requirepass.as_deref())?;
                let (users, clients) = (Arc::clone(&reread_users), Arc::clone(&affected));
                Ok(Box::new(move || {
                    users.count(named);
                    clients.review();
                }))
            }),
            users: Box::new(move || present_users.to_configure()),
            notify_keyspace_events: Box::new(move |classes| events.set_events(classes)),
        }
    }
}

/// Once a second until the server ends: ends the connections of clients that were idle for too long, and looks at how much
/// memory is in use, for its peak, at what was served, and at the files of TLS. Returns what was served by then.
async fn housekeeping(services: Arc<Services>, tls: Arc<Tls>) -> Served {
    let mut served = Served::begin(Instant::now());
    let mut shutdown = services.shutdown.subscribe();
    let mut seconds = tokio::time::interval(HOUSEKEEPING);
    seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            _ = shutdown.wait_for(|&is_ending| is_ending) => return served,
            _ = seconds.tick() => {}
        }
        let Environment { clients, settings, stats, .. } = &*services.environment;
        served.look(stats, Instant::now());
        clients.tick();
        if let Some(timeout) = settings.timeout_seconds() {
            clients.end_idle(timeout);
        }
        let _ = memory::peak();
        look_after(&tls, stats).await;
    }
}

/// Has the files of TLS read anew if they have changed, if there are any.
async fn look_after(tls: &Arc<Tls>, stats: &Stats) {
    if tls.acceptor().is_none() {
        return;
    }
    let files = Arc::clone(tls);
    // It waits for the disk.
    let _ = tokio::task::spawn_blocking(move || files.look_after()).await;
    let end = tls.certificate_end().and_then(|end| end.duration_since(UNIX_EPOCH).ok());
    stats.tls.certificate_end_seconds.store(end.map_or(0, |end| end.as_secs()), Relaxed);
}

struct Acceptor {
    services: Arc<Services>,
    handshakes: Arc<Handshakes>,
    alive: mpsc::Sender<()>,
    logged: Arc<Logged>,
}

/// What the log says seldom, however often it happens.
#[derive(Debug, Default)]
struct Logged {
    /// That accepting fails.
    failures: Seldom,
    /// That clients are refused by `protected-mode`, and are not told.
    protected: Seldom,
    /// That there are `maxclients`, and clients are not told.
    full: Seldom,
}

impl Acceptor {
    async fn run(self, listener: Listener) {
        let mut shutdown = self.services.shutdown.subscribe();
        loop {
            let accepted = tokio::select! {
                biased;
                _ = shutdown.wait_for(|&is_ending| is_ending) => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok(accepted) => self.admit(accepted),
                Err(error) => {
                    // Out of file descriptors, most likely: trying at once would only fail at once.
                    if let Some(left_out) = self.logged.failures.may_log(Instant::now()) {
                        tracing::warn!(%error, left_out, "Accepting a connection failed: it is tried again");
                    }
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn admit(&self, Accepted { stream, peer, local, is_tls }: Accepted) {
        let stats = &self.services.environment.stats;
        let clients: &Arc<Clients> = &self.services.environment.clients;
        let maxclients = self.services.environment.settings.maxclients.load(Relaxed);
        let refuse = |error: &Error, option: &str, seldom: &Seldom| {
            stats.connections_rejected.add(1);
            if !is_tls {
                stream.tell(error);
            } else if let Some(left_out) = seldom.may_log(Instant::now()) {
                // It would not understand a word before the handshake.
                tracing::warn!(left_out, "A client on a port of TLS was refused: {option}");
            }
        };
        if self.is_protected_from(&peer) {
            return refuse(&Error::ProtectedMode, "protected-mode", &self.logged.protected);
        }
        let Some(membership) = clients.connect(peer, local, maxclients) else {
            return refuse(&Error::MaxClients, "maxclients", &self.logged.full);
        };
        stats.connections_received.add(1);
        if let Stream::Tcp(stream) = &stream {
            self.tune(stream);
        }
        let (services, alive) = (Arc::clone(&self.services), self.alive.clone());
        let handshakes = Arc::clone(&self.handshakes);
        tokio::spawn(async move {
            let _alive = alive;
            let done = match stream {
                Stream::Tcp(stream) if is_tls => {
                    handshakes.shake(stream, &membership.client, &services).await
                }
                stream => Some((stream, None)),
            };
            let Some((stream, user)) = done else { return };
            serve(stream, user.as_deref(), membership, services).await;
        });
    }

    /// Whether the client is on another machine, and nothing but that tells it from anybody: `protected-mode`.
    fn is_protected_from(&self, peer: &Address) -> bool {
        let Environment { settings, users, .. } = &*self.services.environment;
        peer.ip().is_some_and(|ip| !ip.to_canonical().is_loopback())
            && settings.is_protected()
            && users.default_user().rules().needs_no_password()
    }

    /// What can't be set is no reason to refuse a client.
    fn tune(&self, stream: &TcpStream) {
        let _ = stream.set_nodelay(true);
        if let Some(silence) = self.services.environment.settings.tcp_keepalive() {
            let probes = TcpKeepalive::new().with_time(silence).with_interval(silence / 3).with_retries(3);
            let _ = SockRef::from(stream).set_tcp_keepalive(&probes);
        }
    }
}

async fn serve(stream: Stream, user: Option<&str>, membership: Membership, services: Arc<Services>) {
    let client = Arc::clone(&membership.client);
    tracing::debug!(client = client.id, address = %client.peer_address, "Connected");
    match connection::serve(stream, user, membership, services).await {
        Ok(()) => tracing::debug!(client = client.id, "Disconnected"),
        Err(error) => tracing::debug!(client = client.id, %error, "Disconnected"),
    }
}
