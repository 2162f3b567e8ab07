//! From replies to the bytes that are written.
//!
//! `redis-protocol` encodes texts and errors. What makes up nearly all of the traffic (integers, bulk
//! strings, statuses, null) is written here, and held equal to the crate's encoding by the tests: the crate
//! takes three to four times as long, and since it counts digits by a floating-point logarithm, it leaves a
//! NUL in the stream behind an integer just below a power of ten, from 999,999,999,999,999 on. The headers
//! of aggregates are written here, too: the crate wants a whole tree of frames, a second copy of the reply.

use bytes::{BufMut, Bytes, BytesMut};
use redis_protocol::{resp2, resp3};

use crate::reply::{ByteStrings, Error, Reply, printable};

/// The version of the protocol that a connection speaks: RESP2 until HELLO chooses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Protocol {
    /// RESP2.
    #[default]
    Resp2,
    /// RESP3.
    Resp3,
}

const CRLF: &[u8; 2] = b"\r\n";

/// The longest line of a mark and a number: `i64::MIN` has 20 characters.
const NUMBER_BYTES: usize = 1 + 20 + CRLF.len();

/// Appends `reply` to `out`, in the form that it has in `protocol`.
///
/// It recurses as deep as the reply is nested, which is for commands to decide and never for a client.
#[inline]
pub fn encode(reply: &Reply, protocol: Protocol, out: &mut BytesMut) {
    match reply {
        Reply::Integer(value) => encode_number(b':', *value, out),
        _ => encode_any(reply, protocol, out),
    }
}

fn encode_any(reply: &Reply, protocol: Protocol, out: &mut BytesMut) {
    match reply {
        Reply::Simple(text) => encode_simple(text, out),
        Reply::Integer(value) => encode_number(b':', *value, out),
        Reply::Double(value) => encode_double(*value, protocol, out),
        Reply::Bulk(bytes) => encode_bulk(bytes, out),
        Reply::Null => encode_null(b"$-1\r\n", protocol, out),
        Reply::NullArray => encode_null(b"*-1\r\n", protocol, out),
        Reply::Text(text) => encode_text(text, protocol, out),
        Reply::Array(items) => encode_items(b'*', items, protocol, out),
        Reply::Set(items) => encode_items(set_mark(protocol), items, protocol, out),
        Reply::Map(pairs) => encode_map(pairs, protocol, out),
        Reply::Strings(strings) => encode_strings(b'*', strings, out),
        Reply::StringSet(strings) => encode_strings(set_mark(protocol), strings, out),
        Reply::Pushes(pushes) => {
            for items in pushes {
                encode_items(push_mark(protocol), items, protocol, out);
            }
        }
        Reply::Error(error) => encode_error(error, out),
    }
}

/// Appends what stands before the bulk strings of a set of so many.
pub fn encode_set_header(count: usize, protocol: Protocol, out: &mut BytesMut) {
    encode_number(set_mark(protocol), count as i64, out);
}

/// A push that was encoded in RESP2, in RESP3: it has another mark in front.
#[must_use]
pub fn as_push(in_resp2: &[u8]) -> Bytes {
    let mut push = BytesMut::from(in_resp2);
    if let Some(mark) = push.first_mut() {
        *mark = push_mark(Protocol::Resp3);
    }
    push.freeze()
}

fn encode_simple(text: &str, out: &mut BytesMut) {
    out.put_u8(b'+');
    out.put_slice(text.as_bytes());
    out.put_slice(CRLF);
}

/// Appends a bulk string.
pub fn encode_bulk(bytes: &[u8], out: &mut BytesMut) {
    encode_number(b'$', bytes.len() as i64, out);
    out.put_slice(bytes);
    out.put_slice(CRLF);
}

/// Appends the one null of RESP3, or that which RESP2 has for the type.
fn encode_null(in_resp2: &[u8], protocol: Protocol, out: &mut BytesMut) {
    out.put_slice(match protocol {
        Protocol::Resp2 => in_resp2,
        Protocol::Resp3 => b"_\r\n",
    });
}

fn encode_double(value: f64, protocol: Protocol, out: &mut BytesMut) {
    let text = value.to_string();
    match protocol {
        Protocol::Resp2 => encode_bulk(text.as_bytes(), out),
        Protocol::Resp3 => {
            out.put_u8(b',');
            out.put_slice(text.as_bytes());
            out.put_slice(CRLF);
        }
    }
}

/// Appends the line of `mark` and `value`: an integer, a length, a count.
#[inline]
fn encode_number(mark: u8, value: i64, out: &mut BytesMut) {
    // Most answers are 0 or 1, and most lengths, of an empty string, 0.
    if let 0..=9 = value {
        out.put_slice(&[mark, b'0' + value as u8, CRLF[0], CRLF[1]]);
    } else {
        encode_digits(mark, value, out);
    }
}

fn encode_digits(mark: u8, value: i64, out: &mut BytesMut) {
    let mut line = [0; NUMBER_BYTES];
    let mut start = NUMBER_BYTES - CRLF.len();
    line[start..].copy_from_slice(CRLF);
    let mut rest = value.unsigned_abs();
    loop {
        start -= 1;
        line[start] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if value < 0 {
        start -= 1;
        line[start] = b'-';
    }
    start -= 1;
    line[start] = mark;
    out.put_slice(&line[start..]);
}

fn encode_items(mark: u8, items: &[Reply], protocol: Protocol, out: &mut BytesMut) {
    encode_number(mark, items.len() as i64, out);
    for item in items {
        encode(item, protocol, out);
    }
}

fn encode_map(pairs: &[(Reply, Reply)], protocol: Protocol, out: &mut BytesMut) {
    match protocol {
        Protocol::Resp2 => encode_number(b'*', 2 * pairs.len() as i64, out),
        Protocol::Resp3 => encode_number(b'%', pairs.len() as i64, out),
    }
    for (name, value) in pairs {
        encode(name, protocol, out);
        encode(value, protocol, out);
    }
}

fn encode_strings(mark: u8, strings: &ByteStrings, out: &mut BytesMut) {
    encode_number(mark, strings.len() as i64, out);
    for string in strings.iter() {
        encode_bulk(string, out);
    }
}

fn set_mark(protocol: Protocol) -> u8 {
    match protocol {
        Protocol::Resp2 => b'*',
        Protocol::Resp3 => b'~',
    }
}

fn push_mark(protocol: Protocol) -> u8 {
    match protocol {
        Protocol::Resp2 => b'*',
        Protocol::Resp3 => b'>',
    }
}

fn encode_text(text: &str, protocol: Protocol, out: &mut BytesMut) {
    match protocol {
        Protocol::Resp2 => encode_bulk(text.as_bytes(), out),
        Protocol::Resp3 => encode_verbatim(text, out),
    }
}

fn encode_verbatim(text: &str, out: &mut BytesMut) {
    let frame = resp3::types::BorrowedFrame::VerbatimString {
        data: text.as_bytes(),
        format: resp3::types::VerbatimStringFormat::Text,
        attributes: None,
    };
    let result = resp3::encode::complete::extend_encode_borrowed(out, &frame, false);
    debug_assert!(result.is_ok(), "room is made for all of it");
}

/// Appends an error, which looks the same in both protocols and must not contain what ends its line.
fn encode_error(error: &Error, out: &mut BytesMut) {
    let text = printable(error.to_string().as_bytes());
    let frame = resp2::types::BorrowedFrame::Error(&text);
    let result = resp2::encode::extend_encode_borrowed(out, &frame, false);
    debug_assert!(result.is_ok(), "room is made for all of it");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use redis_protocol::resp2::types::BorrowedFrame as Frame2;
    use redis_protocol::resp3::types::BorrowedFrame as Frame3;

    use super::*;

    fn encoded(reply: &Reply, protocol: Protocol) -> BytesMut {
        let mut out = BytesMut::new();
        encode(reply, protocol, &mut out);
        out
    }

    #[track_caller]
    fn check(reply: &Reply, resp2: &str, resp3: &str) {
        assert_eq!(encoded(reply, Protocol::Resp2), resp2);
        assert_eq!(encoded(reply, Protocol::Resp3), resp3);
    }

    #[test]
    fn each_reply_has_its_form_in_each_protocol() {
        let items = || vec![Reply::Integer(1), Reply::Null];
        let strings = || [&b"a"[..], b""].into_iter().collect();
        check(&Reply::OK, "+OK\r\n", "+OK\r\n");
        check(&Reply::Integer(-7), ":-7\r\n", ":-7\r\n");
        check(&Reply::fixed("a\r\nb"), "$4\r\na\r\nb\r\n", "$4\r\na\r\nb\r\n");
        check(&Reply::Null, "$-1\r\n", "_\r\n");
        check(&Reply::Text("a\nb".into()), "$3\r\na\nb\r\n", "=7\r\ntxt:a\nb\r\n");
        check(&Reply::Array(items()), "*2\r\n:1\r\n$-1\r\n", "*2\r\n:1\r\n_\r\n");
        check(&Reply::Set(items()), "*2\r\n:1\r\n$-1\r\n", "~2\r\n:1\r\n_\r\n");
        check(
            &Reply::Map(vec![(Reply::fixed("k"), Reply::Array(vec![]))]),
            "*2\r\n$1\r\nk\r\n*0\r\n",
            "%1\r\n$1\r\nk\r\n*0\r\n",
        );
        check(&Reply::Strings(strings()), "*2\r\n$1\r\na\r\n$0\r\n\r\n", "*2\r\n$1\r\na\r\n$0\r\n\r\n");
        check(&Reply::StringSet(strings()), "*2\r\n$1\r\na\r\n$0\r\n\r\n", "~2\r\n$1\r\na\r\n$0\r\n\r\n");
        check(&Reply::Pushes(vec![items(), vec![]]), "*2\r\n:1\r\n$-1\r\n*0\r\n", ">2\r\n:1\r\n_\r\n>0\r\n");
        check(&Error::Syntax.into(), "-ERR syntax error\r\n", "-ERR syntax error\r\n");
    }

    #[test]
    fn a_push_in_resp2_becomes_one_in_resp3() {
        let push = Reply::Pushes(vec![vec![Reply::fixed("message"), Reply::fixed("c")]]);
        assert_eq!(as_push(&encoded(&push, Protocol::Resp2)), encoded(&push, Protocol::Resp3));
    }

    #[test]
    fn an_integer_just_below_a_power_of_ten_is_as_long_as_its_digits() {
        let line = ":999999999999999999\r\n";
        check(&Reply::Integer(999_999_999_999_999_999), line, line);
    }

    #[test]
    fn an_error_is_one_line_whatever_its_text() {
        let error = Reply::Error(Error::Custom("ERR a\r\n+OK\r\n".into()));
        check(&error, "-ERR a  +OK  \r\n", "-ERR a  +OK  \r\n");
    }

    #[test]
    fn replies_follow_one_another() {
        let mut out = BytesMut::from(&b"+OK\r\n"[..]);
        encode(&Reply::Integer(1), Protocol::Resp2, &mut out);
        encode(&Reply::Null, Protocol::Resp2, &mut out);
        assert_eq!(out, "+OK\r\n:1\r\n$-1\r\n");
    }

    /// The crate's encoding in RESP2, without the bytes that it adds in vain behind some integers.
    fn encoded_by_crate2(frame: &Frame2<'_>) -> BytesMut {
        let mut out = BytesMut::new();
        let written = resp2::encode::extend_encode_borrowed(&mut out, frame, false).unwrap();
        out.truncate(written);
        out
    }

    /// The same in RESP3.
    fn encoded_by_crate3(frame: &Frame3<'_>) -> BytesMut {
        let mut out = BytesMut::new();
        let written = resp3::encode::complete::extend_encode_borrowed(&mut out, frame, false).unwrap();
        out.truncate(written);
        out
    }

    proptest! {
        #[test]
        fn an_integer_is_encoded_as_by_the_crate(value: i64, shift in 0_u32..64) {
            let value = value >> shift;
            let reply = Reply::Integer(value);
            prop_assert_eq!(encoded(&reply, Protocol::Resp2), encoded_by_crate2(&Frame2::Integer(value)));
            let frame = Frame3::Number { data: value, attributes: None };
            prop_assert_eq!(encoded(&reply, Protocol::Resp3), encoded_by_crate3(&frame));
        }

        #[test]
        fn a_bulk_string_is_encoded_as_by_the_crate(bytes: Vec<u8>) {
            let reply = Reply::Bulk(Bytes::from(bytes.clone()));
            prop_assert_eq!(encoded(&reply, Protocol::Resp2), encoded_by_crate2(&Frame2::BulkString(&bytes)));
            let frame = Frame3::BlobString { data: &bytes, attributes: None };
            prop_assert_eq!(encoded(&reply, Protocol::Resp3), encoded_by_crate3(&frame));
        }
    }

    #[test]
    fn a_status_and_null_are_encoded_as_by_the_crate() {
        let ok = Frame3::SimpleString { data: b"OK", attributes: None };
        assert_eq!(encoded(&Reply::OK, Protocol::Resp2), encoded_by_crate2(&Frame2::SimpleString(b"OK")));
        assert_eq!(encoded(&Reply::OK, Protocol::Resp3), encoded_by_crate3(&ok));
        assert_eq!(encoded(&Reply::Null, Protocol::Resp2), encoded_by_crate2(&Frame2::Null));
        assert_eq!(encoded(&Reply::Null, Protocol::Resp3), encoded_by_crate3(&Frame3::Null));
    }
}
