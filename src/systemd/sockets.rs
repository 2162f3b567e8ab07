//! Sockets that systemd opened before the service was started, and keeps open while it is restarted.
//!
//! # Why this is sound
//!
//! A descriptor that the environment names by its number becomes an [`OwnedFd`], which asks for two things. It is
//! *open*: systemd says so by LISTEN_PID, which names this very process, and it is looked at first. And *nobody else
//! owns it*: it was open when the process began, so nothing in it has opened it, and it is taken only once.

#![allow(unsafe_code)]

use std::io;
use std::os::fd::{FromRawFd as _, OwnedFd, RawFd};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use socket2::{Domain, Socket, Type};

/// The first descriptor that a service is given.
const FIRST: RawFd = 3;

/// A listening socket that was given to this process. It does not block, and is closed where another program is started.
#[derive(Debug)]
pub enum Inherited {
    /// Of an address and a port.
    Tcp(std::net::TcpListener),
    /// Of a socket file, which belongs to whoever made it.
    Unix(UnixListener, PathBuf),
}

/// The sockets that this process was given, in their order: LISTEN_PID and LISTEN_FDS. None if it was asked before.
///
/// # Errors
///
/// If one of them is none on which clients can be awaited, with text that says which.
pub fn inherited() -> io::Result<Vec<Inherited>> {
    static ARE_TAKEN: AtomicBool = AtomicBool::new(false);
    let number = |name: &str| std::env::var(name).ok()?.parse::<RawFd>().ok();
    let is_mine = number("LISTEN_PID").is_some_and(|pid| pid as u32 == std::process::id());
    if !is_mine || ARE_TAKEN.swap(true, Relaxed) {
        return Ok(Vec::new());
    }
    let count = number("LISTEN_FDS").unwrap_or(0).max(0);
    (FIRST..FIRST.saturating_add(count))
        .map(|fd| {
            let why = |why| io::Error::other(format!("descriptor {fd}, given by LISTEN_FDS, {why}"));
            let is_open = std::fs::symlink_metadata(format!("/proc/self/fd/{fd}")).is_ok();
            if !is_open {
                return Err(why("is not open".to_owned()));
            }
            // SAFETY: it is open, and taken once: see the head of this file.
            let socket = Socket::from(unsafe { OwnedFd::from_raw_fd(fd) });
            listening(socket).map_err(|error| why(error.to_string()))
        })
        .collect()
}

fn listening(socket: Socket) -> io::Result<Inherited> {
    socket.set_cloexec(true)?;
    socket.set_nonblocking(true)?;
    let is_listening = socket.r#type()? == Type::STREAM && socket.is_listener()?;
    let address = socket.local_addr()?;
    match socket.domain()? {
        Domain::IPV4 | Domain::IPV6 if is_listening => Ok(Inherited::Tcp(socket.into())),
        Domain::UNIX if is_listening => {
            let path = address.as_pathname().map(PathBuf::from).unwrap_or_default();
            Ok(Inherited::Unix(socket.into(), path))
        }
        _ => Err(io::Error::other("is no stream socket that listens (ListenStream=, Accept=no)")),
    }
}
