//! The decoder: bytes that come cut at random are decoded as when they come at once, in memory that what was sent pays for,
//! and to what the crate `redis-protocol` makes of them where both accept them.
//!
//! The first bytes of an input say where the rest is cut.

#![no_main]

use bytes::{Bytes, BytesMut};
use libfuzzer_sys::fuzz_target;
use redis_protocol::resp2::decode::decode_bytes;
use redis_protocol::resp2::types::BytesFrame;
use revoked::reply::ProtocolError;
use revoked::request::Request;
use revoked::resp::{Decoder, Requests};

type Arguments = Vec<Bytes>;

const CUTS: usize = 4;

fuzz_target!(|input: &[u8]| {
    let Some((cuts, stream)) = input.split_at_checked(CUTS) else { return };
    let cuts: Vec<_> = cuts.iter().map(|cut| usize::from(*cut) + 1).collect();
    for is_authenticated in [true, false] {
        let (mut whole, mut cut) = (Connection::default(), Connection::default());
        let outcome = whole.receive(stream, is_authenticated);
        let cut_outcome = cut.receive_cut(stream, &cuts, is_authenticated);
        assert_eq!(outcome, cut_outcome);
        assert_eq!(whole.consumed, cut.consumed);
        assert_eq!(whole.requests, cut.requests);
        if is_authenticated {
            agree(&whole, stream);
        }
    }
});

/// Decodes the same with the crate, request by request, as long as it is one that both know: an array of bulk strings whose
/// lengths are written as they are by clients.
fn agree(ours: &Connection, stream: &[u8]) {
    let stream = Bytes::copy_from_slice(stream);
    let mut at = 0;
    for request in &ours.requests {
        if stream.get(at) != Some(&b'*') || may_be_deep(&stream[at..]) {
            return;
        }
        let Ok(Some((BytesFrame::Array(frames), length))) = decode_bytes(&stream.slice(at..)) else { return };
        let strings: Option<Vec<_>> = frames
            .into_iter()
            .map(|frame| if let BytesFrame::BulkString(bytes) = frame { Some(bytes) } else { None })
            .collect();
        let Some(strings) = strings.filter(|strings| !strings.is_empty()) else { return };
        assert_eq!(&strings, request);
        at += length;
    }
}

/// The crate follows arrays in arrays by recursion, however deep they are.
fn may_be_deep(stream: &[u8]) -> bool {
    stream.iter().filter(|byte| **byte == b'*').count() > 500
}

/// A connection without a socket.
#[derive(Default)]
struct Connection {
    decoder: Decoder,
    input: BytesMut,
    consumed: usize,
    requests: Vec<Arguments>,
}

impl Connection {
    fn receive(&mut self, piece: &[u8], is_authenticated: bool) -> Result<(), ProtocolError> {
        self.input.extend_from_slice(piece);
        let mut requests = Requests::default();
        loop {
            let result = self.decoder.decode(&mut self.input, &mut requests, is_authenticated);
            assert!(requests.consumed() <= self.input.len());
            self.consumed += requests.consumed();
            let chunk = self.input.split_to(requests.consumed()).freeze();
            let arguments = |spans| Request::new(&chunk, spans).shared_args(0);
            self.requests.extend(requests.iter().map(arguments));
            result?;
            if requests.is_empty() {
                return Ok(());
            }
        }
    }

    fn receive_cut(
        &mut self,
        mut stream: &[u8],
        cuts: &[usize],
        is_authenticated: bool,
    ) -> Result<(), ProtocolError> {
        for &cut in cuts.iter().cycle() {
            let (piece, rest) = stream.split_at(cut.min(stream.len()));
            self.receive(piece, is_authenticated)?;
            stream = rest;
            if stream.is_empty() {
                break;
            }
        }
        Ok(())
    }
}
