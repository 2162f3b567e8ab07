//! Who is connected: what CLIENT LIST and CLIENT INFO show of each connection, and the two things that others
//! may do to it: send it a message, and end it.
//!
//! A connection's task looks for both whenever it is about to wait, and before it executes more: that costs one
//! load of `Client::signals`. It leaves its waker here, so that it is found while it waits.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU64, AtomicUsize};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::Waker;
use std::time::Instant;

use bytes::{Bytes, BytesMut};

use crate::outbox::{Outbox, OutputLimit};

/// All connections, by id.
#[derive(Debug, Default)]
pub struct Clients {
    last_id: AtomicU64,
    /// A clock that is cheap to look at: seconds, counted by [`Clients::tick`].
    clock: Arc<AtomicU64>,
    /// Whether all have to leave. Changed under the lock of `connected`.
    is_ending: AtomicBool,
    connected: Mutex<BTreeMap<u64, Arc<Client>>>,
}

/// Where an end of a connection is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// An address and a port, whether or not the connection is encrypted.
    Tcp(SocketAddr),
    /// The path of the server's Unix socket, which stands for both ends: its clients have no address.
    Unix(Arc<str>),
}

impl Address {
    /// The IP address, where it has one.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Tcp(address) => Some(address.ip()),
            Self::Unix(_) => None,
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(address)
    }
}

/// As Redis writes it: a path has port 0.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "{path}:0"),
        }
    }
}

/// One connection, as others see it.
#[derive(Debug)]
pub struct Client {
    /// Its number; never given out twice.
    pub id: u64,
    /// The client's address.
    pub peer_address: Address,
    /// The server's own.
    pub local_address: Address,
    /// When it was accepted.
    pub connected: Instant,
    /// The database selected.
    pub database: AtomicU8,
    /// The RESP version, 2 or 3.
    pub protocol: AtomicU8,
    /// Requests queued behind MULTI; below 0 without one.
    pub queued: AtomicI64,
    /// Bytes received and not yet executed.
    pub query_bytes: AtomicUsize,
    /// Channels, patterns and shard channels subscribed to.
    pub subscriptions: [AtomicUsize; 3],
    /// Whether it is shown the commands: MONITOR.
    pub is_monitor: AtomicBool,
    /// Whether it has a command that waits for the end of a pause.
    pub is_paused: AtomicBool,
    profile: Mutex<Profile>,
    clock: Arc<AtomicU64>,
    /// When it last sent or took something, by that clock.
    last_seen: AtomicU64,
    /// Bits of what its task has to see to.
    signals: AtomicU8,
    /// Wakes its task.
    waker: Mutex<Option<Waker>>,
    /// Made with the first message.
    outbox: OnceLock<Box<Outbox>>,
}

/// The outbox holds something.
const MESSAGES: u8 = 1;

/// Somebody ended the connection: CLIENT KILL.
const KILLED: u8 = 2;

/// More waited for the client than may.
const OVER_LIMIT: u8 = 4;

/// It has done nothing for too long, or had when somebody looked: its task has to look again.
const IDLE: u8 = 8;

/// The server ends: what it has asked for is finished, and its connection closed.
const LEAVING: u8 = 16;

/// Why a connection ends that did not ask for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// CLIENT KILL.
    Killed,
    /// It did not take what was sent to it.
    OverLimit,
    /// It has neither sent nor taken anything for too long.
    Idle,
}

/// What a client says of itself, and what it did last.
#[derive(Debug, Clone)]
pub struct Profile {
    /// CLIENT SETNAME.
    pub name: String,
    /// CLIENT SETINFO LIB-NAME.
    pub library_name: String,
    /// CLIENT SETINFO LIB-VER.
    pub library_version: String,
    /// CLIENT NO-EVICT.
    pub no_evict: bool,
    /// CLIENT NO-TOUCH.
    pub no_touch: bool,
    /// The last command, as the table names it (`client|list`); empty before the first.
    pub last_command: &'static str,
    /// When that was.
    pub last_active: Instant,
}

impl Client {
    /// What the client says of itself, to be read or changed. Held for moments only.
    pub fn profile(&self) -> MutexGuard<'_, Profile> {
        self.profile.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends it a message, and says whether it may get it: a client that ends gets no more.
    pub fn deliver(&self, message: Bytes, limit: OutputLimit) -> bool {
        if self.end().is_some() {
            return false;
        }
        let is_taken = self.outbox.get_or_init(Box::default).push(message, limit, Instant::now());
        self.signal(if is_taken { MESSAGES } else { OVER_LIMIT });
        is_taken
    }

    /// Moves at most `most` messages to `output`, and none once that is `most_bytes` long. Returns how many.
    pub fn take_messages(&self, most: usize, most_bytes: usize, output: &mut BytesMut) -> usize {
        let Some(outbox) = self.outbox.get() else { return 0 };
        // Before they are taken: what comes afterwards is signalled again.
        self.signals.fetch_and(!MESSAGES, AcqRel);
        let taken = outbox.take(most, most_bytes, output);
        if outbox.size().0 > 0 {
            self.signals.fetch_or(MESSAGES, AcqRel);
        }
        taken
    }

    /// Whether messages wait for it.
    #[must_use]
    pub fn has_messages(&self) -> bool {
        self.signals.load(Acquire) & MESSAGES != 0
    }

    /// How many messages wait for it, and how much memory they stand for.
    #[must_use]
    pub fn outbox_size(&self) -> (usize, u64) {
        self.outbox.get().map_or((0, 0), |outbox| outbox.size())
    }

    /// Whether it was ever sent a message.
    #[must_use]
    pub fn has_outbox(&self) -> bool {
        self.outbox.get().is_some()
    }

    /// Ends it if too much has waited for it for too long.
    pub fn check_outbox(&self, now: Instant) {
        if self.outbox.get().is_some_and(|outbox| !outbox.is_within_limit(now)) {
            self.signal(OVER_LIMIT);
        }
    }

    /// Whether its task has something to see to: messages, or its end.
    #[must_use]
    pub fn is_signalled(&self) -> bool {
        self.signals.load(Acquire) & !LEAVING != 0
    }

    /// Whether it has to leave as soon as it is answered, because the server ends.
    #[must_use]
    pub fn is_leaving(&self) -> bool {
        self.signals.load(Acquire) & LEAVING != 0
    }

    /// Why it has to end, if it has.
    #[must_use]
    pub fn end(&self) -> Option<End> {
        match self.signals.load(Acquire) {
            signals if signals & KILLED != 0 => Some(End::Killed),
            signals if signals & OVER_LIMIT != 0 => Some(End::OverLimit),
            signals if signals & IDLE != 0 => Some(End::Idle),
            _ => None,
        }
    }

    /// Notes that it has sent or taken something, or that a command of its own is done: it is not idle. A load and two
    /// stores.
    pub fn note_seen(&self) {
        self.last_seen.store(self.clock.load(Relaxed), Relaxed);
        // Whoever found it idle was too early, or late: a command of its own was under way.
        if self.signals.load(Relaxed) & IDLE != 0 {
            self.signals.fetch_and(!IDLE, AcqRel);
        }
    }

    /// Whether it may be idle as long as it likes: subscribers wait for messages, a paused client for the end of that.
    fn may_be_idle(&self) -> bool {
        self.is_subscriber() || self.is_monitor.load(Relaxed) || self.is_paused.load(Relaxed)
    }

    /// Says how its task is woken from now on. To be called before it looks at the signals and waits.
    pub fn wake_by(&self, waker: &Waker) {
        *self.lock_waker() = Some(waker.clone());
    }

    /// Its class for CLIENT LIST and CLIENT KILL: whether it is a subscriber.
    #[must_use]
    pub fn is_subscriber(&self) -> bool {
        self.subscriptions.iter().any(|count| count.load(Relaxed) > 0)
    }

    fn signal(&self, signal: u8) {
        let before = self.signals.fetch_or(signal, AcqRel);
        if before & signal == 0
            && let Some(waker) = &*self.lock_waker()
        {
            waker.wake_by_ref();
        }
    }

    fn lock_waker(&self) -> MutexGuard<'_, Option<Waker>> {
        self.waker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says how many requests the client has queued behind MULTI, if it has sent that.
    pub fn note_queued(&self, queued: Option<usize>) {
        self.queued.store(queued.map_or(-1, |queued| queued as i64), Relaxed);
    }

    /// Says that the client has just sent this command.
    pub fn note_command(&self, name: &'static str, at: Instant) {
        let mut profile = self.profile();
        profile.last_command = name;
        profile.last_active = at;
    }
}

impl Clients {
    /// Takes a new connection in, if fewer than `most` are connected.
    pub fn connect(
        self: &Arc<Self>,
        peer_address: Address,
        local_address: Address,
        most: usize,
    ) -> Option<Membership> {
        let mut connected = self.lock();
        if connected.len() >= most {
            return None;
        }
        let now = Instant::now();
        let client = Arc::new(Client {
            id: self.last_id.fetch_add(1, Relaxed) + 1,
            peer_address,
            local_address,
            connected: now,
            database: AtomicU8::new(0),
            protocol: AtomicU8::new(2),
            queued: AtomicI64::new(-1),
            query_bytes: AtomicUsize::new(0),
            subscriptions: Default::default(),
            is_monitor: AtomicBool::new(false),
            is_paused: AtomicBool::new(false),
            clock: Arc::clone(&self.clock),
            last_seen: AtomicU64::new(self.clock.load(Relaxed)),
            signals: AtomicU8::new(if self.is_ending.load(Relaxed) { LEAVING } else { 0 }),
            waker: Mutex::new(None),
            outbox: OnceLock::new(),
            profile: Mutex::new(Profile {
                name: String::new(),
                library_name: String::new(),
                library_version: String::new(),
                no_evict: false,
                no_touch: false,
                last_command: "",
                last_active: now,
            }),
        });
        connected.insert(client.id, Arc::clone(&client));
        Some(Membership { clients: Arc::clone(self), client })
    }

    /// How many are connected.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether nobody is connected.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All that are connected, in the order in which they came.
    #[must_use]
    pub fn list(&self) -> Vec<Arc<Client>> {
        self.lock().values().cloned().collect()
    }

    /// Ends a client's connection. It is not listed any more, and its task ends as soon as it can.
    pub fn kill(&self, client: &Client) {
        self.lock().remove(&client.id);
        client.signal(KILLED);
    }

    /// Has all clients leave, and those that come later.
    pub fn end_all(&self) {
        let connected = self.lock();
        self.is_ending.store(true, Relaxed);
        connected.values().for_each(|client| client.signal(LEAVING));
    }

    /// Advances the clock by which clients are idle. To be called every second.
    pub fn tick(&self) {
        self.clock.fetch_add(1, Relaxed);
    }

    /// Ends the connections of those that have done nothing for more than so many seconds. One that has a command under
    /// way is spared by its own task.
    pub fn end_idle(&self, seconds: u64) {
        let now = self.clock.load(Relaxed);
        for client in self.list() {
            if now.saturating_sub(client.last_seen.load(Relaxed)) > seconds && !client.may_be_idle() {
                client.signal(IDLE);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Client>>> {
        self.connected.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection's place among the clients; dropping it gives the place back.
#[derive(Debug)]
pub struct Membership {
    clients: Arc<Clients>,
    /// The connection, as others see it.
    pub client: Arc<Client>,
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.clients.lock().remove(&self.client.id);
    }
}

#[cfg(test)]
mod tests {
    use std::task::Wake;

    use super::*;

    fn address() -> Address {
        SocketAddr::from(([127, 0, 0, 1], 1)).into()
    }

    #[test]
    fn a_connection_counts_until_its_membership_is_dropped() {
        let clients = Arc::new(Clients::default());
        let first = clients.connect(address(), address(), 1).unwrap();
        assert!(clients.connect(address(), address(), 1).is_none(), "one too many");
        assert_eq!(clients.list()[0].id, first.client.id);
        drop(first);
        assert!(clients.is_empty());
        let second = clients.connect(address(), address(), 1).unwrap();
        assert_eq!(second.client.id, 2, "ids are not given out twice");
    }

    /// Counts how often it wakes.
    #[derive(Default)]
    struct Wakes(AtomicUsize);

    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    fn waiting() -> (Arc<Clients>, Membership, Arc<Wakes>) {
        let clients = Arc::new(Clients::default());
        let membership = clients.connect(address(), address(), 1).unwrap();
        let wakes = Arc::new(Wakes::default());
        membership.client.wake_by(&Arc::clone(&wakes).into());
        (clients, membership, wakes)
    }

    #[test]
    fn a_client_is_woken_once_for_all_messages_that_wait() {
        let (_clients, membership, wakes) = waiting();
        let client = &membership.client;
        let deliver = |text| client.deliver(Bytes::from_static(text), OutputLimit::default());
        assert!(!client.has_messages() && !client.has_outbox());
        assert!(deliver(b"a") && deliver(b"b"));
        assert_eq!(wakes.0.load(Relaxed), 1);
        let mut output = BytesMut::new();
        client.take_messages(9, 1, &mut output);
        assert!(client.has_messages(), "one is left");
        client.take_messages(9, 2, &mut output);
        assert!(!client.is_signalled());
        assert_eq!(output, "ab");
        assert!(deliver(b"c"));
        assert_eq!(wakes.0.load(Relaxed), 2);
    }

    #[test]
    fn a_killed_client_is_woken_gone_from_the_list_and_gets_nothing_more() {
        let (clients, membership, wakes) = waiting();
        clients.kill(&membership.client);
        assert_eq!(membership.client.end(), Some(End::Killed));
        assert_eq!(wakes.0.load(Relaxed), 1);
        assert!(clients.is_empty());
        assert!(!membership.client.deliver(Bytes::from_static(b"a"), OutputLimit::default()));
    }

    #[test]
    fn all_leave_when_the_server_ends_and_so_does_who_comes_then() {
        let (clients, membership, wakes) = waiting();
        clients.end_all();
        assert!(membership.client.is_leaving() && !membership.client.is_signalled());
        assert_eq!((membership.client.end(), wakes.0.load(Relaxed)), (None, 1));
        let late = clients.connect(address(), address(), 2).unwrap();
        assert!(late.client.is_leaving());
    }

    #[test]
    fn a_client_that_does_nothing_for_too_long_ends() {
        let (clients, membership, wakes) = waiting();
        let client = &membership.client;
        let pass = |seconds: usize| (0..seconds).for_each(|_| clients.tick());
        pass(2);
        client.note_seen();
        pass(3);
        clients.end_idle(3);
        assert_eq!(client.end(), None, "not yet");
        pass(1);
        clients.end_idle(3);
        assert_eq!((client.end(), wakes.0.load(Relaxed)), (Some(End::Idle), 1));
    }

    #[test]
    fn a_client_whose_command_is_done_is_not_idle_even_if_it_was_taken_for_it() {
        let (clients, membership, _wakes) = waiting();
        (0..9).for_each(|_| clients.tick());
        clients.end_idle(3);
        membership.client.note_seen();
        clients.end_idle(3);
        assert_eq!(membership.client.end(), None);
    }

    #[test]
    fn subscribers_monitors_and_paused_clients_may_be_idle() {
        let (clients, membership, _wakes) = waiting();
        let client = &membership.client;
        (0..9).for_each(|_| clients.tick());
        client.is_monitor.store(true, Relaxed);
        clients.end_idle(3);
        client.is_monitor.store(false, Relaxed);
        client.is_paused.store(true, Relaxed);
        clients.end_idle(3);
        client.is_paused.store(false, Relaxed);
        client.subscriptions[1].store(1, Relaxed);
        clients.end_idle(3);
        assert_eq!(client.end(), None);
        client.subscriptions[1].store(0, Relaxed);
        clients.end_idle(3);
        assert_eq!(client.end(), Some(End::Idle));
    }

    #[test]
    fn a_client_that_takes_nothing_ends() {
        let (_clients, membership, wakes) = waiting();
        let limit = OutputLimit { hard_bytes: 1, ..OutputLimit::default() };
        assert!(!membership.client.deliver(Bytes::from_static(b"a"), limit));
        assert_eq!(membership.client.end(), Some(End::OverLimit));
        assert_eq!((membership.client.outbox_size(), wakes.0.load(Relaxed)), ((0, 0), 1));
    }
}
