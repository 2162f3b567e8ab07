//! The line to one client, whatever it is made of.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

/// The line to one client. One type for all: the code of a connection is there once, and asks which it is where it
/// reads and writes.
#[derive(Debug)]
pub enum Stream {
    /// Over TCP.
    Tcp(TcpStream),
    /// Through a socket file.
    Unix(UnixStream),
}

impl Stream {
    /// Writes what the system takes at once, which may be nothing. Nobody is woken when it takes more.
    ///
    /// # Errors
    ///
    /// If it takes nothing now, or never will again.
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_write(bytes),
            Self::Unix(stream) => stream.try_write(bytes),
        }
    }

    /// Reads into `memory`; nothing at the end of the stream.
    pub(super) fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        memory: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => Pin::new(stream).poll_read(context, memory),
            Self::Unix(stream) => Pin::new(stream).poll_read(context, memory),
        }
    }

    /// Writes some of these bytes. Ready with how many.
    pub(super) fn poll_write(&mut self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Unix(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    /// Ends the stream behind what was written.
    pub(super) async fn shutdown(&mut self) -> io::Result<()> {
        poll_fn(|context| match self {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(context),
        })
        .await
    }

    /// Takes in what the client has sent, to be dropped. How many bytes.
    pub(super) fn try_read(&self, memory: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_read(memory),
            Self::Unix(stream) => stream.try_read(memory),
        }
    }
}
