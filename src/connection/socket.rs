//! The line to one client, whatever it is made of.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::server::TlsStream;

use crate::reply::Error;

/// The line to one client. One type for all: the code of a connection is there once, and asks which it is where it
/// reads and writes.
#[derive(Debug)]
pub enum Stream {
    /// Over TCP.
    Tcp(TcpStream),
    /// Through a socket file.
    Unix(UnixStream),
    /// Over TCP, encrypted; the handshake is done.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// Tells a client that has just connected why it is refused. The socket's buffer takes so short a line at once, or the
    /// client goes without.
    pub fn tell(&self, why: &Error) {
        let line = format!("-{why}\r\n");
        let _ = match self {
            Self::Tcp(stream) => stream.try_write(line.as_bytes()),
            Self::Unix(stream) => stream.try_write(line.as_bytes()),
            // Its handshake is behind it, and it was not refused.
            Self::Tls(_) => Ok(0),
        };
    }

    /// Writes what is taken at once. Returns how many bytes; where none are, the error is
    /// [`WouldBlock`](io::ErrorKind::WouldBlock).
    #[inline]
    pub(super) fn write_at_once(&mut self, context: &mut Context<'_>, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_write(bytes),
            Self::Unix(stream) => stream.try_write(bytes),
            Self::Tls(_) => match self.poll_write(context, bytes) {
                Poll::Ready(written) => written,
                Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
            },
        }
    }

    /// Reads into `memory`; nothing at the end of the stream.
    #[inline]
    pub(super) fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        memory: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => Pin::new(stream).poll_read(context, memory),
            Self::Unix(stream) => Pin::new(stream).poll_read(context, memory),
            Self::Tls(stream) => match Pin::new(stream).poll_read(context, memory) {
                // It left without a word, as many do. A request that was cut short is none, in plain text either.
                Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    Poll::Ready(Ok(()))
                }
                outcome => outcome,
            },
        }
    }

    /// Whether something that was taken is still to be sent: [`Stream::poll_write`] does so, whatever it is given. Only
    /// encrypted bytes ever wait.
    #[inline]
    pub(super) fn has_unsent(&self) -> bool {
        matches!(self, Self::Tls(stream) if stream.get_ref().1.wants_write())
    }

    /// Writes some of these bytes, once nothing waits to be sent any more. Ready with how many.
    pub(super) fn poll_write(&mut self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Unix(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => {
                ready!(Pin::new(&mut *stream).poll_flush(context))?;
                Pin::new(stream).poll_write(context, bytes)
            }
        }
    }

    /// Ends the stream behind what was written.
    pub(super) async fn shutdown(&mut self) -> io::Result<()> {
        poll_fn(|context| match self {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(context),
            // What a client does not take of the farewell at once, it goes without.
            Self::Tls(stream) => match Pin::new(stream).poll_shutdown(context) {
                Poll::Pending => Poll::Ready(Ok(())),
                done @ Poll::Ready(_) => done,
            },
        })
        .await
    }

    /// Takes in what the client has sent, to be dropped. How many bytes.
    pub(super) fn try_read(&self, memory: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_read(memory),
            Self::Unix(stream) => stream.try_read(memory),
            Self::Tls(stream) => stream.get_ref().0.try_read(memory),
        }
    }
}
