//! MONITOR: clients that are shown every command as it is executed.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;

use crate::clients::{Address, Client};
use crate::limits::MONITOR_LINE_BYTES;
use crate::outbox::OutputLimit;

/// Those who watch the commands.
#[derive(Debug, Default)]
pub struct Monitors {
    /// How many there are.
    count: AtomicUsize,
    watching: Mutex<Watching>,
}

#[derive(Debug, Default)]
struct Watching {
    clients: BTreeMap<u64, Arc<Client>>,
    /// How much may wait for each.
    limit: OutputLimit,
}

/// A command that was executed.
#[derive(Debug, Clone)]
pub struct Executed<'a> {
    /// What was sent, without secrets.
    pub arguments: Vec<&'a [u8]>,
    /// When that was, since 1970.
    pub at: Duration,
    /// The database selected.
    pub database: u8,
    /// The client's address.
    pub client: &'a Address,
}

impl Monitors {
    /// Without any, for each of whom as much may wait as `limit` says.
    #[must_use]
    pub fn new(limit: OutputLimit) -> Self {
        let monitors = Self::default();
        monitors.set_output_limit(limit);
        monitors
    }

    /// Changes how much may wait for a monitor.
    pub fn set_output_limit(&self, limit: OutputLimit) {
        self.lock().limit = limit;
    }

    /// Whether anybody watches. One load.
    #[must_use]
    pub fn are_there(&self) -> bool {
        self.count.load(Relaxed) > 0
    }

    /// Shows all who watch what was executed.
    pub fn show(&self, executed: &Executed<'_>) {
        let line = Bytes::from(executed.line());
        let watching = self.lock();
        for client in watching.clients.values() {
            client.deliver(line.clone(), watching.limit);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Watching> {
        self.watching.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Executed<'_> {
    /// The line as Redis writes it. What is longer than [`MONITOR_LINE_BYTES`] is left out, and how much that is
    /// stands in its place.
    fn line(&self) -> String {
        let (seconds, microseconds) = (self.at.as_secs(), self.at.subsec_micros());
        let mut line = format!("+{seconds}.{microseconds:06} [{} ", self.database);
        let _ = match self.client {
            Address::Tcp(address) => write!(line, "{address}]"),
            Address::Unix(path) => write!(line, "unix:{path}]"),
        };
        let mut hidden_bytes = 0;
        for &shown in &self.arguments {
            let room = MONITOR_LINE_BYTES.saturating_sub(line.len());
            let shown_bytes = shown.len().min(room);
            hidden_bytes += shown.len() - shown_bytes;
            if room > 0 {
                push_quoted(&shown[..shown_bytes], &mut line);
            }
        }
        if hidden_bytes > 0 {
            let _ = write!(line, " ... ({hidden_bytes} more bytes)");
        }
        line + "\r\n"
    }
}

/// Appends an argument in quotes, with everything but plain ASCII escaped.
fn push_quoted(argument: &[u8], line: &mut String) {
    line.push_str(" \"");
    for &byte in argument {
        match byte {
            b'\\' | b'"' => line.extend(['\\', char::from(byte)]),
            b'\n' => line.push_str("\\n"),
            b'\r' => line.push_str("\\r"),
            b'\t' => line.push_str("\\t"),
            0x07 => line.push_str("\\a"),
            0x08 => line.push_str("\\b"),
            b' '..=b'~' => line.push(char::from(byte)),
            _ => {
                let _ = write!(line, "\\x{byte:02x}");
            }
        }
    }
    line.push('"');
}

/// A client's place among the monitors; dropping it gives the place back.
#[derive(Debug)]
pub struct Monitoring {
    monitors: Arc<Monitors>,
    client: Arc<Client>,
}

impl Monitoring {
    /// Has the client shown every command from now on.
    #[must_use]
    pub fn start(monitors: Arc<Monitors>, client: Arc<Client>) -> Self {
        client.is_monitor.store(true, Relaxed);
        let mut watching = monitors.lock();
        watching.clients.insert(client.id, Arc::clone(&client));
        monitors.count.store(watching.clients.len(), Relaxed);
        drop(watching);
        Self { monitors, client }
    }
}

impl Drop for Monitoring {
    fn drop(&mut self) {
        self.client.is_monitor.store(false, Relaxed);
        let mut watching = self.monitors.lock();
        watching.clients.remove(&self.client.id);
        self.monitors.count.store(watching.clients.len(), Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use bytes::BytesMut;

    use super::*;
    use crate::clients::{Clients, End};

    fn line(arguments: &[&[u8]]) -> String {
        let client = &SocketAddr::from(([127, 0, 0, 1], 33_184)).into();
        let at = Duration::from_micros(1_795_502_013_000_508);
        Executed { arguments: arguments.to_vec(), at, database: 3, client }.line()
    }

    #[test]
    fn a_line_is_that_of_redis() {
        let line = line(&[b"SADD", b"k\x00\"\\\r\n\t\x07\x08\xff~\x7f", b""]);
        assert_eq!(
            line,
            "+1795502013.000508 [3 127.0.0.1:33184] \"SADD\" \"k\\x00\\\"\\\\\\r\\n\\t\\a\\b\\xff~\\x7f\" \"\"\r\n"
        );
    }

    #[test]
    fn a_line_is_of_bounded_length() {
        let long = vec![b'x'; 2 * MONITOR_LINE_BYTES];
        let line = line(&[b"ECHO", &long, &long]);
        assert!(line.len() < MONITOR_LINE_BYTES + 100);
        assert!(line.contains("xxx\" ... (31457"), "{}", &line[line.len() - 40..]);
    }

    #[test]
    fn those_who_watch_are_shown_what_happens_until_they_stop() {
        let (monitors, clients) = (Arc::new(Monitors::default()), Arc::new(Clients::default()));
        let address = Address::from(SocketAddr::from(([127, 0, 0, 1], 1)));
        let membership = clients.connect(address.clone(), address.clone(), 1).unwrap();
        let client = &membership.client;
        assert!(!monitors.are_there());
        let monitoring = Monitoring::start(Arc::clone(&monitors), Arc::clone(client));
        assert!(monitors.are_there() && client.is_monitor.load(Relaxed));
        let executed =
            Executed { arguments: vec![b"PING"], at: Duration::ZERO, database: 0, client: &address };
        monitors.show(&executed);
        let mut output = BytesMut::new();
        client.take_messages(usize::MAX, usize::MAX, &mut output);
        assert_eq!(output, "+0.000000 [0 127.0.0.1:1] \"PING\"\r\n");

        monitors.set_output_limit(OutputLimit { hard_bytes: 1, ..OutputLimit::default() });
        monitors.show(&executed);
        assert_eq!(client.end(), Some(End::OverLimit), "it took nothing");
        drop(monitoring);
        assert!(!monitors.are_there() && !client.is_monitor.load(Relaxed));
    }
}
