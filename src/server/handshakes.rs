//! What stands between an accepted connection and a client, where TLS is spoken.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::clients::Client;
use crate::connection::{Services, Stream};
use crate::limits::{HANDSHAKE_TIMEOUT, HANDSHAKES};
use crate::reply::Error;
use crate::seldom::Seldom;
use crate::tls::Tls;

/// What every record of a handshake begins with.
const HANDSHAKE_RECORD: u8 = 22;

/// The handshakes that are under way.
#[derive(Debug)]
pub(super) struct Handshakes {
    tls: Arc<Tls>,
    room: Semaphore,
    failures: Seldom,
}

impl Handshakes {
    pub(super) fn new(tls: Arc<Tls>) -> Self {
        Self { tls, room: Semaphore::new(HANDSHAKES), failures: Seldom::default() }
    }

    /// The line to the client, encrypted, and the user that its certificate names, if it is to name one; none if that came to
    /// nothing, or the server ends.
    pub(super) async fn shake(
        &self,
        stream: TcpStream,
        client: &Client,
        services: &Services,
    ) -> Option<(Stream, Option<String>)> {
        let mut shutdown = services.shutdown.subscribe();
        let outcome = tokio::select! {
            biased;
            _ = shutdown.wait_for(|&is_ending| is_ending) => return None,
            outcome = timeout(HANDSHAKE_TIMEOUT, self.attempt(stream)) => {
                outcome.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            }
        };
        let stats = &services.environment.stats.tls;
        match outcome {
            Ok(done) => {
                stats.handshakes.add(1);
                Some(done)
            }
            Err(error) => {
                stats.handshake_failures.add(1);
                if let Some(left_out) = self.failures.may_log(Instant::now()) {
                    tracing::warn!(
                        client = client.id,
                        address = %client.peer_address,
                        left_out,
                        %error,
                        "A handshake of TLS has failed"
                    );
                }
                None
            }
        }
    }

    async fn attempt(&self, stream: TcpStream) -> io::Result<(Stream, Option<String>)> {
        let mut first = [0];
        let length = stream.peek(&mut first).await?;
        if length == 1 && first[0] != HANDSHAKE_RECORD {
            tell(&stream);
            return Err(io::Error::other("the client speaks plain text"));
        }
        // Only now: who says nothing takes no place of those who do.
        let _room = self.room.acquire().await.map_err(io::Error::other)?;
        let (acceptor, names) = self.tls.acceptor().ok_or(io::ErrorKind::NotConnected)?;
        let stream = acceptor.accept(stream).await?;
        let user = names.named_by(stream.get_ref().1.peer_certificates()).map_err(io::Error::other)?;
        Ok((Stream::Tls(Box::new(stream)), user))
    }
}

/// Tells a client that speaks plain text, in plain text.
fn tell(stream: &TcpStream) {
    // A socket that is closed with something unread is reset, and the client may lose what it is told.
    let _ = stream.try_read(&mut [0; 1024]);
    let _ = stream.try_write(format!("-{}\r\n", Error::TlsExpected).as_bytes());
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn who_says_nothing_takes_no_place_and_who_does_waits_for_one() {
        let handshakes = Handshakes::new(Arc::default());
        let all = handshakes.room.try_acquire_many(HANDSHAKES as u32).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        client.write_all(&[HANDSHAKE_RECORD]).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        stream.readable().await.unwrap();
        let mut waiting = Box::pin(handshakes.attempt(stream));
        assert!((&mut waiting).now_or_never().is_none(), "there is no place");
        drop(all);
        // TLS is off here: it got that far.
        assert_eq!(waiting.await.unwrap_err().kind(), io::ErrorKind::NotConnected);

        let _idle = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let mut idle = Box::pin(handshakes.attempt(stream));
        assert!((&mut idle).now_or_never().is_none());
        assert_eq!(handshakes.room.available_permits(), HANDSHAKES);
    }
}
