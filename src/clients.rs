//! Who is connected: what CLIENT LIST and CLIENT INFO show of each connection.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, AtomicU8, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// All connections, by id.
#[derive(Debug, Default)]
pub struct Clients {
    last_id: AtomicU64,
    connected: Mutex<BTreeMap<u64, Arc<Client>>>,
}

/// One connection, as others see it.
#[derive(Debug)]
pub struct Client {
    /// Its number; never given out twice.
    pub id: u64,
    /// The client's address.
    pub peer_address: SocketAddr,
    /// The server's own.
    pub local_address: SocketAddr,
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
    profile: Mutex<Profile>,
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
        peer_address: SocketAddr,
        local_address: SocketAddr,
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
    use super::*;

    fn address() -> SocketAddr {
        ([127, 0, 0, 1], 1).into()
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
}
