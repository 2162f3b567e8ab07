//! Scripts: what a client sends, and what it must get.
//!
//! ```text
//! > SADD k a "\x00 b"            a request of these words
//! < :2                           its reply: a line
//! > SMEMBERS k
//! <2 any-order *2 "a" "\x00 b"   in RESP2: a line, two bulk strings, at every level in any order
//! <3 any-order ~2 "a" "\x00 b"   in RESP3
//! < >2 "a" "b"                   a push, which is an array in RESP2
//! >> PING\r\n                    these very bytes
//! < +PONG
//! > QUIT
//! < +OK
//! < closed                       the server closes the connection
//! > INFO nonsense
//! <2 ""
//! <3 =4\r\ntxt:                   a verbatim string, like a status or an error, is all of the line
//! ```
//!
//! Requests that follow each other are sent in one write. Behind the last reply nothing may come.

use crate::support::server::{Client, Server, bulk, request, take_reply};

/// Runs a script twice, on a new server each: in RESP2 and in RESP3.
pub(crate) fn check(script: &str) {
    for protocol in [2, 3] {
        let server = Server::start();
        let mut client = connect(&server, protocol);
        run(&mut client, protocol, script);
        assert_eq!(client.finish().escape_ascii().to_string(), "", "behind the last reply");
    }
}

/// A connection in this version of the protocol.
pub(crate) fn connect(server: &Server, protocol: u8) -> Client {
    let mut client = server.connect();
    client.ask(&["HELLO", &protocol.to_string()]);
    client
}

/// Runs a script on a connection.
pub(crate) fn run(client: &mut Client, protocol: u8, script: &str) {
    let mut unsent = Vec::new();
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (mark, rest) = line.split_once(' ').unwrap();
        match mark {
            ">" => unsent.extend(request(&words(rest))),
            ">>" => unsent.extend(unescape(rest)),
            "<" | "<2" | "<3" => {
                client.send(&std::mem::take(&mut unsent));
                if mark == "<" || mark == format!("<{protocol}") {
                    expect(client, protocol, line, rest.trim());
                }
            }
            _ => panic!("no line of a script: {line}"),
        }
    }
    client.send(&unsent);
}

fn expect(client: &mut Client, protocol: u8, line: &str, expected: &str) {
    let in_resp2 = expected.strip_prefix('>').filter(|_| protocol == 2).map(|push| format!("*{push}"));
    let expected = in_resp2.as_deref().unwrap_or(expected);
    let (expected, got) = match expected.strip_prefix("any-order ") {
        _ if expected == "closed" => (Vec::new(), client.rest()),
        Some(expected) => (sort(&reply(expected)), sort(&client.reply())),
        None => (reply(expected), client.reply()),
    };
    assert!(
        expected == got,
        "in RESP{protocol}: {line}\nexpected {}\n     got {}",
        expected.escape_ascii(),
        got.escape_ascii()
    );
}

/// The reply that a line describes.
fn reply(text: &str) -> Vec<u8> {
    if text.starts_with(['+', '-', '=']) {
        return [unescape(text), b"\r\n".to_vec()].concat();
    }
    let part = |(word, is_quoted): (Vec<u8>, bool)| {
        if is_quoted { bulk(&word) } else { [word, b"\r\n".to_vec()].concat() }
    };
    split(text).into_iter().flat_map(part).collect()
}

pub(crate) fn words(text: &str) -> Vec<Vec<u8>> {
    split(text).into_iter().map(|(word, _)| word).collect()
}

/// The words of a text, and whether each was in quotes.
fn split(text: &str) -> Vec<(Vec<u8>, bool)> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let quoted = rest.strip_prefix('"');
        let (word, behind) = match quoted {
            Some(inside) => inside.split_at(closing_quote(inside)),
            None => rest.split_at(rest.find(' ').unwrap_or(rest.len())),
        };
        words.push((unescape(word), quoted.is_some()));
        rest = behind.strip_prefix('"').unwrap_or(behind).trim_start();
    }
    words
}

fn closing_quote(text: &str) -> usize {
    let mut is_escaped = false;
    let closes = |character: char| {
        let closes = character == '"' && !is_escaped;
        is_escaped = character == '\\' && !is_escaped;
        closes
    };
    text.find(closes).unwrap()
}

/// Resolves `\r`, `\n`, `\t`, `\\`, `\"` and `\x00`.
fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'\\' => match rest.next().unwrap() {
                b'r' => b'\r',
                b'n' => b'\n',
                b't' => b'\t',
                b'x' => {
                    let digits = [rest.next().unwrap(), rest.next().unwrap()];
                    u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
                }
                byte => byte,
            },
            byte => byte,
        });
    }
    bytes
}

/// The reply with the elements at every level sorted.
pub(crate) fn sort(reply: &[u8]) -> Vec<u8> {
    if !matches!(reply[0], b'*' | b'~' | b'>' | b'%') {
        return reply.to_vec();
    }
    let mut elements: Vec<_> = elements(reply).iter().map(|element| sort(element)).collect();
    elements.sort_unstable();
    [&reply[..line_end(reply)], &elements.concat()].concat()
}

/// The elements of an array, a set or a map.
pub(crate) fn elements(reply: &[u8]) -> Vec<Vec<u8>> {
    let mut rest = &reply[line_end(reply)..];
    let mut elements = Vec::new();
    while !rest.is_empty() {
        let mut element = Vec::new();
        take_reply(&mut rest, &mut element);
        elements.push(element);
    }
    elements
}

/// The string in a bulk string, or in a verbatim string.
pub(crate) fn string(reply: &[u8]) -> &[u8] {
    let string = &reply[line_end(reply)..reply.len() - 2];
    match reply[0] {
        b'$' => string,
        b'=' => string.strip_prefix(b"txt:").unwrap(),
        _ => panic!("no string: {}", reply.escape_ascii()),
    }
}

/// The text in a bulk string, or in a verbatim string.
pub(crate) fn text(reply: &[u8]) -> String {
    std::str::from_utf8(string(reply)).unwrap().to_owned()
}

/// The number in an integer reply.
pub(crate) fn integer(reply: &[u8]) -> i64 {
    let line = std::str::from_utf8(reply).unwrap();
    line.strip_prefix(':').unwrap().trim_end().parse().unwrap()
}

fn line_end(reply: &[u8]) -> usize {
    reply.iter().position(|&byte| byte == b'\n').unwrap() + 1
}

mod tests {
    use super::{reply, sort, unescape, words};

    #[test]
    fn words_are_split_at_spaces_outside_of_quotes() {
        assert_eq!(words(r#"a  "b c" "" "\"\\" \x00"#), [&b"a"[..], b"b c", b"", b"\"\\", b"\0"]);
        assert_eq!(unescape(r"*1\r\n"), b"*1\r\n");
    }

    #[test]
    fn replies_are_lines_and_bulk_strings() {
        assert_eq!(reply("-ERR two  words"), b"-ERR two  words\r\n");
        assert_eq!(reply(r#"*2 :1 "a b""#), b"*2\r\n:1\r\n$3\r\na b\r\n");
    }

    #[test]
    fn sorting_goes_to_every_level_and_keeps_levels_apart() {
        let sorted = |text| sort(&reply(text));
        assert_eq!(sorted(r#"*2 "b" *2 "d" "c""#), sorted(r#"*2 *2 "c" "d" "b""#));
        assert_ne!(sorted(r#"*2 "b" *1 "c""#), sorted(r#"*2 "c" *1 "b""#));
        assert_ne!(sorted("~1 :1"), sorted("*1 :1"));
    }
}
