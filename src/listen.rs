//! Sockets on which clients are awaited: addresses with a port, or a path.

use std::fmt;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener as StdUnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use socket2::{Domain, SockAddr, SockRef, Socket, Type};
use tokio::net::{TcpListener, TcpSocket, UnixListener};

use crate::clients::Address;
use crate::connection::Stream;
use crate::systemd::Inherited;

/// A socket on which clients are awaited.
#[derive(Debug)]
pub struct Listener(Kind);

#[derive(Debug)]
enum Kind {
    Tcp {
        listener: TcpListener,
        is_tls: bool,
    },
    Unix {
        listener: UnixListener,
        path: Arc<str>,
        /// Removed with the listener, if it was made with it.
        _file: Option<SocketFile>,
    },
}

/// A client that has connected.
#[derive(Debug)]
pub struct Accepted {
    /// The line to it.
    pub stream: Stream,
    /// Its address.
    pub peer: Address,
    /// The server's own.
    pub local: Address,
    /// Whether the handshake of TLS comes first.
    pub is_tls: bool,
}

/// Listens on an address and a port, for clients that speak TLS or for those that don't.
///
/// # Errors
///
/// If the system refuses: the address is in use, or not this machine's.
pub fn tcp(address: SocketAddr, backlog: u32, is_tls: bool) -> io::Result<Listener> {
    port(address, backlog).map(|listener| Listener(Kind::Tcp { listener, is_tls }))
}

/// Listens on an address and a port, for whoever it is.
///
/// # Errors
///
/// If the system refuses: the address is in use, or not this machine's.
pub fn port(address: SocketAddr, backlog: u32) -> io::Result<TcpListener> {
    let socket = if address.is_ipv6() { TcpSocket::new_v6()? } else { TcpSocket::new_v4()? };
    if address.is_ipv6() {
        // Otherwise :: would take 0.0.0.0 along, which may be listed beside it.
        SockRef::from(&socket).set_only_v6(true)?;
    }
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(backlog)
}

/// Whether the sockets that systemd listens on are what the configuration wants: where there is a `tls_port`, one of them
/// has it, and where `port` is 0 besides, no other has any, since clients there would speak plain text.
///
/// # Errors
///
/// If they are not, with text that says what to change.
pub fn check_inherited(sockets: &[Inherited], port: u16, tls_port: u16) -> Result<(), String> {
    if tls_port == 0 {
        return Ok(());
    }
    let ports = || sockets.iter().filter_map(inherited_port);
    if !ports().any(|inherited| inherited == tls_port) {
        return Err(format!(
            "tls-port is {tls_port}, and none of systemd's sockets has it: add ListenStream={tls_port} to the socket unit"
        ));
    }
    match ports().find(|&inherited| inherited != tls_port) {
        Some(plain) if port == 0 => Err(format!(
            "port is 0, and systemd listens on {plain}, where clients would speak plain text: tls-port is {tls_port}. \
             Remove ListenStream={plain} from the socket unit, or set port"
        )),
        _ => Ok(()),
    }
}

fn inherited_port(socket: &Inherited) -> Option<u16> {
    match socket {
        Inherited::Tcp(listener) => listener.local_addr().ok().map(|address| address.port()),
        Inherited::Unix(..) => None,
    }
}

/// Listens on a path, where a socket file is made and, in the end, removed. One that a server left there which is no
/// more is replaced. Its `permissions` are these, or else what the process's umask leaves.
///
/// # Errors
///
/// If another server listens there, or a file of another kind is there, which stays; or if the system refuses.
pub fn unix(path: &Path, permissions: Option<u32>, backlog: u32) -> io::Result<Listener> {
    remove_stale(path)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&SockAddr::unix(path)?)?;
    let file = SocketFile::at(path)?;
    // Before anybody can connect.
    if let Some(permissions) = permissions {
        fs::set_permissions(path, fs::Permissions::from_mode(permissions))?;
    }
    socket.listen(backlog.try_into().unwrap_or(i32::MAX))?;
    socket.set_nonblocking(true)?;
    let listener = UnixListener::from_std(StdUnixListener::from(socket))?;
    Ok(Listener(Kind::Unix { listener, path: path.to_string_lossy().into(), _file: Some(file) }))
}

/// Removes the socket file of a server that is no more.
fn remove_stale(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
        Ok(metadata) if !metadata.file_type().is_socket() => {
            return Err(io::Error::other("there is a file of another kind"));
        }
        Ok(_) => {}
    }
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // A server that has no time to accept is one, too: it is not waited for.
    socket.set_nonblocking(true)?;
    match socket.connect(&SockAddr::unix(path)?) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
        Ok(()) | Err(_) => Err(io::Error::new(io::ErrorKind::AddrInUse, "another server listens there")),
    }
}

/// A socket file that is removed when this is dropped, unless another has taken its place.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl SocketFile {
    fn at(path: &Path) -> io::Result<Self> {
        // Whoever changes the working directory doesn't change the file that is meant.
        let path = std::path::absolute(path)?;
        let metadata = fs::symlink_metadata(&path)?;
        Ok(Self { path, device: metadata.dev(), inode: metadata.ino() })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let is_same = |metadata: fs::Metadata| (metadata.dev(), metadata.ino()) == (self.device, self.inode);
        if fs::symlink_metadata(&self.path).is_ok_and(is_same) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Listener {
    /// A socket that systemd listens on, and keeps when this process ends. On `tls_port`, clients speak TLS.
    ///
    /// # Errors
    ///
    /// If the runtime refuses it.
    pub fn inherited(socket: Inherited, tls_port: u16) -> io::Result<Self> {
        Ok(Self(match socket {
            Inherited::Tcp(listener) => {
                let is_tls = listener.local_addr()?.port() == tls_port;
                Kind::Tcp { listener: TcpListener::from_std(listener)?, is_tls }
            }
            Inherited::Unix(listener, path) => {
                let path = path.to_string_lossy().into();
                Kind::Unix { listener: UnixListener::from_std(listener)?, path, _file: None }
            }
        }))
    }

    /// Waits for a client.
    ///
    /// # Errors
    ///
    /// If the system refuses; another attempt may succeed.
    pub async fn accept(&self) -> io::Result<Accepted> {
        match &self.0 {
            Kind::Tcp { listener, is_tls } => {
                let (stream, peer) = listener.accept().await?;
                let local = stream.local_addr().unwrap_or(peer);
                Ok(Accepted {
                    stream: Stream::Tcp(stream),
                    peer: peer.into(),
                    local: local.into(),
                    is_tls: *is_tls,
                })
            }
            Kind::Unix { listener, path, .. } => {
                let (stream, _) = listener.accept().await?;
                let address = Address::Unix(Arc::clone(path));
                Ok(Accepted {
                    stream: Stream::Unix(stream),
                    peer: address.clone(),
                    local: address,
                    is_tls: false,
                })
            }
        }
    }

    /// Whether its clients speak TLS.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        matches!(self.0, Kind::Tcp { is_tls: true, .. })
    }

    /// The address listened on, if it has a port.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        match &self.0 {
            Kind::Tcp { listener, .. } => listener.local_addr().ok(),
            Kind::Unix { .. } => None,
        }
    }

    /// What INFO says of it, in Redis's words.
    #[must_use]
    pub fn info(&self) -> String {
        match &self.0 {
            Kind::Tcp { listener, is_tls } => {
                let name = if *is_tls { "tls" } else { "tcp" };
                match listener.local_addr() {
                    Ok(address) => format!("name={name},bind={},port={}", address.ip(), address.port()),
                    Err(_) => format!("name={name}"),
                }
            }
            Kind::Unix { path, .. } => format!("name=unix,bind={path}"),
        }
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.0, self.address()) {
            (Kind::Unix { path, .. }, _) => f.write_str(path),
            (Kind::Tcp { is_tls: true, .. }, Some(address)) => write!(f, "{address} (TLS)"),
            (Kind::Tcp { .. }, Some(address)) => address.fmt(f),
            (Kind::Tcp { .. }, None) => f.write_str("an address that is not known"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(path: &Path) -> String {
        unix(path, None, 1).unwrap_err().to_string()
    }

    #[tokio::test]
    async fn a_socket_file_is_there_with_its_permissions_while_it_is_listened_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let listener = unix(&path, Some(0o640), 1).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(refusal(&path), "another server listens there");
        drop(listener);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_stale_socket_file_is_replaced_and_a_file_of_another_kind_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        drop(StdUnixListener::bind(&path).unwrap());
        assert!(path.exists());
        drop(unix(&path, None, 1).unwrap());
        fs::write(&path, "precious").unwrap();
        assert_eq!(refusal(&path), "there is a file of another kind");
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    }

    #[test]
    fn sockets_of_systemd_speak_plain_text_only_where_port_is_set() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let file = Inherited::Unix(StdUnixListener::bind(&path).unwrap(), path);
        let tcp = || Inherited::Tcp(std::net::TcpListener::bind("127.0.0.1:0").unwrap());
        let sockets = [file, tcp(), tcp()];
        let [plain, tls] = [1, 2].map(|index: usize| inherited_port(&sockets[index]).unwrap());
        assert_eq!(check_inherited(&sockets, 0, 0), Ok(()), "nobody asks for TLS");
        assert_eq!(check_inherited(&sockets, plain, tls), Ok(()));
        let refusal = check_inherited(&sockets, 0, tls).unwrap_err();
        assert!(refusal.contains(&format!("port is 0, and systemd listens on {plain}")), "{refusal}");
        let refusal = check_inherited(&sockets[..2], plain, tls).unwrap_err();
        assert!(refusal.contains(&format!("add ListenStream={tls}")), "{refusal}");
        assert_eq!(check_inherited(&[], 0, 0), Ok(()));
    }

    #[tokio::test]
    async fn the_socket_file_of_a_successor_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let listener = unix(&path, None, 1).unwrap();
        fs::rename(&path, folder.path().join("moved")).unwrap();
        let _successor = unix(&path, None, 1).unwrap();
        drop(listener);
        assert!(path.exists());
    }
}
