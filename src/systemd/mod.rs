//! What a service tells systemd, and is given by it: the protocols of `sd_notify(3)` and `sd_listen_fds(3)`.
//!
//! Both are a handful of lines, so that no library is worth its weight. Without systemd nobody listens, and nothing
//! is told.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::limits::NOTIFY_TIMEOUT;

pub use self::sockets::{Inherited, inherited};

mod sockets;

/// Tells the supervisor of this process how it is. The default tells nobody.
#[derive(Debug, Default)]
pub struct Notifier {
    to: Option<(UnixDatagram, OsString)>,
    watchdog: Option<Duration>,
}

impl Notifier {
    /// As the environment says: NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID.
    #[must_use]
    pub fn from_environment() -> Self {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let socket = || -> io::Result<UnixDatagram> {
            let socket = UnixDatagram::unbound()?;
            // Threads that serve clients tell it, and are not to wait for a supervisor that hangs.
            socket.set_write_timeout(Some(NOTIFY_TIMEOUT))?;
            Ok(socket)
        };
        let to = variable("NOTIFY_SOCKET").and_then(|path| Some((socket().ok()?, path)));
        let number = |name| variable(name)?.to_str()?.parse::<u64>().ok();
        let is_mine = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
        let watchdog = number("WATCHDOG_USEC").filter(|&usec| is_mine && usec > 0);
        Self { to, watchdog: watchdog.map(Duration::from_micros) }
    }

    /// Whether anybody is told.
    #[must_use]
    pub fn is_heard(&self) -> bool {
        self.to.is_some()
    }

    /// The time after which the service is taken for hung, unless it says that it is [alive](Self::alive).
    #[must_use]
    pub fn watchdog(&self) -> Option<Duration> {
        self.watchdog.filter(|_| self.is_heard())
    }

    /// The start, or what [`Notifier::reloading`] announced, is done.
    pub fn ready(&self, status: &str) {
        self.send(&format!("READY=1\n{}", status_line(status)));
    }

    /// The start is under way, and may take so long from now on.
    pub fn still_starting(&self, status: &str, for_now: Duration) {
        self.send(&format!("EXTEND_TIMEOUT_USEC={}\n{}", for_now.as_micros(), status_line(status)));
    }

    /// One line for people.
    pub fn status(&self, status: &str) {
        self.send(&status_line(status));
    }

    /// The configuration is read anew.
    pub fn reloading(&self) {
        // By the clock that systemd tells by whether this came behind its signal.
        let now = clock_gettime(ClockId::Monotonic);
        let usec = i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec) / 1_000;
        self.send(&format!("RELOADING=1\nMONOTONIC_USEC={usec}\n{}", status_line("Reloading")));
    }

    /// The service ends.
    pub fn stopping(&self, status: &str) {
        self.send(&format!("STOPPING=1\n{}", status_line(status)));
    }

    /// The service does not hang.
    pub fn alive(&self) {
        self.send("WATCHDOG=1\n");
    }

    fn send(&self, message: &str) {
        let Some((socket, path)) = &self.to else { return };
        if let Err(error) = send_to(socket, path, message.as_bytes()) {
            tracing::debug!(%error, "NOTIFY_SOCKET does not take what it is told");
        }
    }
}

fn status_line(status: &str) -> String {
    format!("STATUS={}\n", status.replace(char::is_control, " "))
}

#[cfg(target_os = "linux")]
fn send_to(socket: &UnixDatagram, path: &OsStr, message: &[u8]) -> io::Result<usize> {
    use std::os::linux::net::SocketAddrExt as _;
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::net::SocketAddr;

    match path.as_bytes().strip_prefix(b"@") {
        Some(name) => socket.send_to_addr(message, &SocketAddr::from_abstract_name(name)?),
        None => socket.send_to(message, path),
    }
}

#[cfg(not(target_os = "linux"))]
fn send_to(socket: &UnixDatagram, path: &OsStr, message: &[u8]) -> io::Result<usize> {
    socket.send_to(message, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notifier(path: OsString) -> Notifier {
        Notifier { to: Some((UnixDatagram::unbound().unwrap(), path)), watchdog: None }
    }

    fn received(socket: &UnixDatagram) -> String {
        let mut memory = [0; 1024];
        let length = socket.recv(&mut memory).unwrap();
        String::from_utf8(memory[..length].to_vec()).unwrap()
    }

    #[test]
    fn a_status_is_one_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let notifier = notifier(path.into());
        notifier.ready("Serving\nWATCHDOG=1");
        assert_eq!(received(&socket), "READY=1\nSTATUS=Serving WATCHDOG=1\n");
        notifier.still_starting("Loading", Duration::from_secs(2));
        assert_eq!(received(&socket), "EXTEND_TIMEOUT_USEC=2000000\nSTATUS=Loading\n");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_socket_may_have_a_name_instead_of_a_path() {
        use std::os::linux::net::SocketAddrExt as _;
        use std::os::unix::net::SocketAddr;

        let name = format!("revoked-test-{}", std::process::id());
        let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        notifier(format!("@{name}").into()).alive();
        assert_eq!(received(&socket), "WATCHDOG=1\n");
    }

    #[test]
    fn without_a_supervisor_nobody_is_told() {
        let notifier = Notifier::default();
        notifier.ready("Serving");
        assert!(!notifier.is_heard() && notifier.watchdog().is_none());
    }
}
