//! Our decoder against that of `redis-protocol`, which was written independently of it.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use bytes::{Bytes, BytesMut};
use proptest::collection::vec;
use proptest::prelude::*;
use redis_protocol::resp2::decode::decode_bytes;
use redis_protocol::resp2::encode::extend_encode_borrowed;
use redis_protocol::resp2::types::{BorrowedFrame, BytesFrame};
use revoked::reply::ProtocolError;
use revoked::request::Request;
use revoked::resp::{Decoder, Requests};

type Arguments = Vec<Bytes>;

/// A request: mostly of a few short arguments.
fn arguments() -> impl Strategy<Value = Arguments> {
    let argument = prop_oneof![
        4 => vec(any::<u8>(), 0..40),
        2 => "[*$0-9\r\n]{0,20}".prop_map(String::into_bytes),
        1 => vec(any::<u8>(), 0..3000),
    ];
    vec(argument.prop_map(Bytes::from), 1..8)
}

/// Bytes that are hardly ever a request, but often look like the beginning of one.
fn garbage() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        3 => "[*$\r\n0-9 \"'\\\\x-]{1,4}".prop_map(String::into_bytes),
        2 => Just(b"\r\n".to_vec()),
        2 => Just(b"*2\r\n$1\r\na\r\n".to_vec()),
        1 => vec(any::<u8>(), 1..20),
    ];
    vec(piece, 0..20).prop_map(|pieces| pieces.concat())
}

/// Lengths of the pieces in which a stream arrives; over and over, until it is at its end.
fn cuts() -> impl Strategy<Value = Vec<usize>> {
    vec(prop_oneof![1_usize..8, 1_usize..200, 1_usize..5000], 1..20)
}

fn encode(requests: &[Arguments]) -> Bytes {
    let mut stream = BytesMut::new();
    for request in requests {
        let frames: Vec<_> = request.iter().map(|argument| BorrowedFrame::BulkString(argument)).collect();
        extend_encode_borrowed(&mut stream, &BorrowedFrame::Array(&frames), false).unwrap();
    }
    stream.freeze()
}

/// What the crate makes of a stream: the requests, each with the place of its end.
fn decode_by_crate(stream: &Bytes) -> Vec<(Arguments, usize)> {
    let mut decoded = Vec::new();
    let mut end = 0;
    while let Some((frame, length)) = decode_bytes(&stream.slice(end..)).unwrap() {
        end += length;
        decoded.push((bulk_strings(frame), end));
    }
    decoded
}

fn bulk_strings(frame: BytesFrame) -> Arguments {
    let BytesFrame::Array(frames) = frame else { panic!("{frame:?} is no array") };
    let bulk_string = |frame| match frame {
        BytesFrame::BulkString(bytes) => bytes,
        _ => panic!("{frame:?} is no bulk string"),
    };
    frames.into_iter().map(bulk_string).collect()
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
    fn receive(&mut self, piece: &[u8]) -> Result<(), ProtocolError> {
        self.input.extend_from_slice(piece);
        let mut requests = Requests::default();
        loop {
            let result = self.decoder.decode(&mut self.input, &mut requests, true);
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

    fn receive_cut(&mut self, mut stream: &[u8], cuts: &[usize]) -> Result<(), ProtocolError> {
        for &cut in cuts.iter().cycle() {
            let (piece, rest) = stream.split_at(cut.min(stream.len()));
            self.receive(piece)?;
            stream = rest;
            if stream.is_empty() {
                break;
            }
        }
        Ok(())
    }
}

proptest! {
    #[test]
    fn requests_come_back_as_they_were_encoded(sent in vec(arguments(), 0..20), cuts in cuts()) {
        let stream = encode(&sent);
        let mut connection = Connection::default();
        prop_assert_eq!(connection.receive_cut(&stream, &cuts), Ok(()));
        prop_assert_eq!(connection.consumed, stream.len());
        prop_assert_eq!(connection.requests, sent);
    }

    #[test]
    fn a_stream_that_ends_anywhere_is_decoded_as_by_the_crate(
        sent in vec(arguments(), 1..10),
        missing in 0_usize..200,
        cuts in cuts(),
    ) {
        let mut stream = encode(&sent);
        stream.truncate(stream.len().saturating_sub(missing));
        let expected = decode_by_crate(&stream);
        let mut connection = Connection::default();
        prop_assert_eq!(connection.receive_cut(&stream, &cuts), Ok(()));
        prop_assert_eq!(connection.consumed, expected.last().map_or(0, |(_, end)| *end));
        let expected: Vec<_> = expected.into_iter().map(|(arguments, _)| arguments).collect();
        prop_assert_eq!(connection.requests, expected);
    }

    #[test]
    fn garbage_comes_to_the_same_however_it_is_cut(stream in garbage(), cuts in cuts()) {
        let mut whole = Connection::default();
        let result = whole.receive(&stream);
        let mut cut = Connection::default();
        prop_assert_eq!(cut.receive_cut(&stream, &cuts), result);
        prop_assert_eq!(cut.consumed, whole.consumed);
        prop_assert_eq!(cut.requests, whole.requests);
    }
}
