//! Replies as they stand on the wire, and what they are made of.

use std::io::{self, BufRead, Read};

/// What stands for a reply that did not come.
pub(crate) const NO_REPLY: &[u8] = b"(the connection was closed, or nothing came)";

/// Reads one whole reply.
pub(crate) fn read(input: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut reply = Vec::new();
    read_behind(input, &mut reply)?;
    Ok(reply)
}

fn read_behind(input: &mut impl BufRead, reply: &mut Vec<u8>) -> io::Result<()> {
    let start = reply.len();
    input.read_until(b'\n', reply)?;
    let line = &reply[start..];
    if !line.ends_with(b"\r\n") {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    match line[0] {
        b'$' | b'=' => read_bytes(input, number(line), reply),
        _ => (0..parts(line)).try_for_each(|_| read_behind(input, reply)),
    }
}

/// The data of a bulk string; of -1 bytes, the null of RESP2, there is none.
fn read_bytes(input: &mut impl BufRead, length: i64, reply: &mut Vec<u8>) -> io::Result<()> {
    let Ok(length) = u64::try_from(length) else { return Ok(()) };
    let length = length + 2;
    if input.take(length).read_to_end(reply)? as u64 == length {
        Ok(())
    } else {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}

/// How many replies stand behind this line as parts of it.
fn parts(line: &[u8]) -> i64 {
    match line[0] {
        b'*' | b'~' | b'>' => number(line).max(0),
        b'%' | b'|' => 2 * number(line).max(0),
        _ => 0,
    }
}

fn number(line: &[u8]) -> i64 {
    std::str::from_utf8(&line[1..]).ok().and_then(|text| text.trim_end().parse().ok()).unwrap_or(0)
}

/// The first line.
pub(crate) fn head(reply: &[u8]) -> &[u8] {
    let end = reply.iter().position(|&byte| byte == b'\n').map_or(reply.len(), |at| at + 1);
    &reply[..end]
}

/// What an error says before it repeats something of the request.
pub(crate) fn before_quote(error: &[u8]) -> &[u8] {
    error.split(|&byte| byte == b'\'').next().unwrap_or(error)
}

pub(crate) fn is_error(reply: &[u8]) -> bool {
    reply.starts_with(b"-")
}

/// The parts of an array, a set or a map; none of anything else.
pub(crate) fn elements(reply: &[u8]) -> Vec<Vec<u8>> {
    let line = head(reply);
    let mut rest = &reply[line.len()..];
    (0..parts(line)).map(|_| read(&mut rest).expect("a whole reply has whole parts")).collect()
}

/// The reply with the parts at every level sorted.
pub(crate) fn sorted(reply: &[u8]) -> Vec<u8> {
    let elements = elements(reply);
    if elements.is_empty() {
        return reply.to_vec();
    }
    let mut elements: Vec<_> = elements.iter().map(|element| sorted(element)).collect();
    elements.sort_unstable();
    [head(reply), &elements.concat()].concat()
}

pub(crate) fn integer(reply: &[u8]) -> Option<i64> {
    reply.starts_with(b":").then(|| number(reply))
}

pub(crate) fn is_bulk(reply: &[u8]) -> bool {
    reply.starts_with(b"$") && !reply.starts_with(b"$-")
}

/// The data of a bulk string.
pub(crate) fn bulk(reply: &[u8]) -> Option<&[u8]> {
    is_bulk(reply).then(|| &reply[head(reply).len()..reply.len() - 2])
}

mod tests {
    use super::{bulk, elements, integer, is_bulk, read, sorted};

    #[test]
    fn replies_are_read_whole() {
        let wire = b"*3\r\n$3\r\na\r\n\r\n%1\r\n+k\r\n:1\r\n$-1\r\n+OK\r\n_\r\n*-1\r\n";
        let mut input = &wire[..];
        let replies: Vec<_> = (0..4).map(|_| read(&mut input).unwrap()).collect();
        assert_eq!(replies.concat(), wire);
        assert_eq!(replies[1..], [&b"+OK\r\n"[..], b"_\r\n", b"*-1\r\n"]);
        assert_eq!(elements(&replies[0]), [&b"$3\r\na\r\n\r\n"[..], b"%1\r\n+k\r\n:1\r\n", b"$-1\r\n"]);
        assert!(read(&mut &b"$5\r\nab"[..]).is_err() && read(&mut &b"+O"[..]).is_err());
    }

    #[test]
    fn replies_tell_what_they_are() {
        assert!(is_bulk(b"$0\r\n\r\n") && !is_bulk(b"$-1\r\n"));
        assert_eq!(bulk(b"$4\r\na\r\nb\r\n"), Some(&b"a\r\nb"[..]));
        assert_eq!((integer(b":-2\r\n"), integer(b"$1\r\n2\r\n")), (Some(-2), None));
        assert_eq!(sorted(b"*2\r\n+b\r\n*2\r\n+d\r\n+c\r\n"), b"*2\r\n*2\r\n+c\r\n+d\r\n+b\r\n");
        assert_eq!(sorted(b"*0\r\n"), b"*0\r\n");
    }
}
