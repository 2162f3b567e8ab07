//! From the bytes that were read to requests.

use super::inline;
use crate::limits::{
    ARGUMENT_BYTES, DECODED_REQUESTS, LINE_BYTES, REQUEST_ARGUMENTS, REQUEST_BYTES,
    UNAUTHENTICATED_ARGUMENT_BYTES, UNAUTHENTICATED_ARGUMENTS,
};
use crate::reply::ProtocolError;
use crate::request::{Span, parse_integer};

/// What ends a line that announces a length, and the data of an argument: two bytes, whatever they are. Redis
/// doesn't look at them either, and only finds the first of a line.
const CRLF: usize = 2;

/// Arguments for which a connection keeps room from one request to the next. What a larger one took is given
/// back. It is only used for those that come in pieces, or in an unusual form.
const KEPT_BY_DECODER: usize = 16;

/// The same for the decoded requests: enough for the usual commands as many at once as there may be.
const KEPT_BY_REQUESTS: usize = 4 * DECODED_REQUESTS;

/// Decodes the requests of one connection, which may come in pieces of any size.
///
/// It goes on where it stopped, so the work is linear in the bytes, and neither the work nor what comes of
/// it depends on how they were cut. It copies none of them: a request is a list of places in the caller's
/// buffer.
///
/// What is an error, and which, is the same as with Redis 7.0, but for this:
///
/// - A line is never longer than [`LINE_BYTES`]. Redis lets it pass if its end came in the same read.
/// - A request has at most [`REQUEST_ARGUMENTS`], as before Redis 7.0, which takes 2,147,483,647.
/// - A request that would take more than [`REQUEST_BYTES`] is answered with an error as soon as a length
///   announces it. Redis closes the connection without a word once it has read as much.
/// - Before authentication an inline request is held to the bounds of any other: Redis takes it as it is.
/// - A NUL in a line is a byte like any other. Redis doesn't see beyond it, and waits.
#[derive(Debug)]
pub struct Decoder {
    // All places count from the start of the buffer. Between two calls the request at hand starts at 0.
    /// Where the request at hand starts.
    start: usize,
    /// Where to go on.
    at: usize,
    /// Up to where the end of the line at `at` was looked for in vain, if behind `at`.
    searched: usize,
    /// Arguments still to come; 0 before the line that announces them.
    missing: usize,
    /// The length of the argument at `at`; none before the line that announces it.
    length: Option<usize>,
    /// The arguments so far.
    spans: Vec<Span>,
    /// Most bytes of an argument.
    argument_bytes: usize,
    /// Most bytes of a request.
    request_bytes: usize,
}

/// With the widest bounds.
impl Default for Decoder {
    fn default() -> Self {
        Self {
            start: 0,
            at: 0,
            searched: 0,
            missing: 0,
            length: None,
            spans: Vec::new(),
            argument_bytes: ARGUMENT_BYTES,
            request_bytes: REQUEST_BYTES,
        }
    }
}

impl Decoder {
    /// Takes arguments and whole requests of at most so many bytes from now on, [`ARGUMENT_BYTES`] and [`REQUEST_BYTES`]
    /// at the most. What was announced before may be longer.
    pub fn set_bounds(&mut self, argument_bytes: usize, request_bytes: usize) {
        self.argument_bytes = argument_bytes.min(ARGUMENT_BYTES);
        self.request_bytes = request_bytes.min(REQUEST_BYTES);
    }

    /// Decodes the complete requests in `buffer` into `requests`, in place of what was there.
    ///
    /// Before authentication that is one request at most: it may be AUTH, and the next is then held to other
    /// bounds. Afterwards it is [`DECODED_REQUESTS`] at most. So call again until there are none, and only
    /// then read more.
    ///
    /// Each call expects the buffer of the former one without its first [`Requests::consumed`] bytes, and
    /// with whatever was read since behind the rest. The buffer is mutable because the quotes and escapes of
    /// an inline request are resolved in place; nothing else is changed.
    ///
    /// # Errors
    ///
    /// If what follows is no request. Those before it are in `requests`, to be executed; then the connection
    /// has to end, as the stream can't be followed any further.
    pub fn decode(
        &mut self,
        buffer: &mut [u8],
        requests: &mut Requests,
        authenticated: bool,
    ) -> Result<(), ProtocolError> {
        requests.clear();
        // However much is given, a place must fit a `Span`. The largest request does, so this stops none.
        let visible = buffer.len().min(u32::MAX as usize);
        let bounds = Bounds::new(authenticated, self.argument_bytes, self.request_bytes);
        let result = self.decode_visible(&mut buffer[..visible], requests, bounds);
        requests.consumed = self.start;
        self.rebase();
        result
    }

    fn decode_visible(
        &mut self,
        buffer: &mut [u8],
        requests: &mut Requests,
        bounds: Bounds,
    ) -> Result<(), ProtocolError> {
        let mut before = None;
        while requests.len() < bounds.requests {
            if self.missing == 0
                && let Some(plain) = requests.read_plain(buffer, self.at, before, bounds)
            {
                self.at = plain.end;
                self.start = self.at;
                before = Some(plain);
                continue;
            }
            before = None;
            if !self.read_request(buffer, bounds)? {
                break;
            }
            self.start = self.at;
            // `*0` and an empty line ask for nothing and are answered nothing.
            if !self.spans.is_empty() {
                requests.push(&mut self.spans);
            }
        }
        Ok(())
    }

    /// Takes the consumed bytes off every place, as the caller takes them off the buffer.
    fn rebase(&mut self) {
        let consumed = self.start;
        if consumed == 0 {
            return;
        }
        self.start = 0;
        self.at -= consumed;
        self.searched = self.searched.saturating_sub(consumed);
        for span in &mut self.spans {
            span.start -= consumed as u32;
            span.end -= consumed as u32;
        }
    }

    /// Goes on with the request at hand. Whether it is complete.
    fn read_request(&mut self, buffer: &mut [u8], bounds: Bounds) -> Result<bool, ProtocolError> {
        if self.missing > 0 {
            return self.read_arguments(buffer, bounds);
        }
        let Some(&first) = buffer.get(self.at) else { return Ok(false) };
        if first == b'*' { self.read_array(buffer, bounds) } else { self.read_inline(buffer, bounds) }
    }

    fn read_array(&mut self, buffer: &[u8], bounds: Bounds) -> Result<bool, ProtocolError> {
        let Some(end) = self.find_length_end(buffer, ProtocolError::TooBigMultibulkCount)? else {
            return Ok(false);
        };
        let count = parse_integer(&buffer[self.at + 1..end]).ok_or(ProtocolError::InvalidMultibulkLength)?;
        self.at = end + CRLF;
        self.missing = bounds.check_count(count)?;
        self.read_arguments(buffer, bounds)
    }

    fn read_arguments(&mut self, buffer: &[u8], bounds: Bounds) -> Result<bool, ProtocolError> {
        while self.missing > 0 {
            let Some(length) = self.read_length(buffer, bounds)? else { return Ok(false) };
            let end = self.at + length;
            if buffer.len() < end + CRLF {
                return Ok(false);
            }
            self.spans.push(Span { start: self.at as u32, end: end as u32 });
            self.at = end + CRLF;
            self.length = None;
            self.missing -= 1;
        }
        Ok(true)
    }

    /// The length of the argument at hand, once the line that announces it is there.
    fn read_length(&mut self, buffer: &[u8], bounds: Bounds) -> Result<Option<usize>, ProtocolError> {
        if self.length.is_some() {
            return Ok(self.length);
        }
        let Some(end) = self.find_length_end(buffer, ProtocolError::TooBigBulkCount)? else {
            return Ok(None);
        };
        let first = buffer[self.at];
        if first != b'$' {
            return Err(ProtocolError::ExpectedDollar(first));
        }
        let length = parse_integer(&buffer[self.at + 1..end]).ok_or(ProtocolError::InvalidBulkLength)?;
        let length = bounds.check_length(length, end + CRLF - self.start)?;
        self.at = end + CRLF;
        self.length = Some(length);
        Ok(self.length)
    }

    fn read_inline(&mut self, buffer: &mut [u8], bounds: Bounds) -> Result<bool, ProtocolError> {
        let Some(end) = self.find_in_line(buffer, b'\n', ProtocolError::TooBigInlineRequest)? else {
            return Ok(false);
        };
        let line = &mut buffer[self.at..end];
        inline::split(line, self.at, &mut self.spans)?;
        bounds.check_inline(&self.spans)?;
        self.at = end + 1;
        Ok(true)
    }

    /// The end of the line at hand, which announces a length, once the line is complete.
    fn find_length_end(
        &mut self,
        buffer: &[u8],
        too_big: ProtocolError,
    ) -> Result<Option<usize>, ProtocolError> {
        let Some(end) = self.find_in_line(buffer, b'\r', too_big)? else { return Ok(None) };
        if buffer.len() < end + CRLF {
            self.searched = end;
            return Ok(None);
        }
        Ok(Some(end))
    }

    /// The first `wanted` in the line at hand, looked for only where it wasn't before.
    fn find_in_line(
        &mut self,
        buffer: &[u8],
        wanted: u8,
        too_big: ProtocolError,
    ) -> Result<Option<usize>, ProtocolError> {
        let from = self.searched.max(self.at);
        let until = buffer.len().min(self.at + LINE_BYTES + 1);
        if let Some(skipped) = buffer[from..until].iter().position(|&byte| byte == wanted) {
            return Ok(Some(from + skipped));
        }
        if until - self.at > LINE_BYTES {
            return Err(too_big);
        }
        self.searched = until;
        Ok(None)
    }
}

/// Decoded requests, as places in the buffer that they were decoded from. Used over and over, it saves the
/// allocations.
#[derive(Debug, Default)]
pub struct Requests {
    /// The arguments of all requests, one after the other.
    spans: Vec<Span>,
    /// Where the arguments of each request end in `spans`.
    ends: Vec<u32>,
    /// Whether each is known to be like the one before: [`Requests::is_alike`].
    alike: Vec<bool>,
    /// See [`Requests::consumed`].
    consumed: usize,
}

impl Requests {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The places of the arguments of request `index`. Never empty.
    ///
    /// # Panics
    ///
    /// If there is no such request.
    #[must_use]
    pub fn get(&self, index: usize) -> &[Span] {
        let start = if index == 0 { 0 } else { self.ends[index - 1] as usize };
        &self.spans[start..self.ends[index] as usize]
    }

    /// Whether it is known that request `index` has as many arguments as the one before, two at least, and the same
    /// ones but for the last. It may be so where that is not known.
    ///
    /// # Panics
    ///
    /// If there is no such request.
    #[must_use]
    pub fn is_alike(&self, index: usize) -> bool {
        self.alike[index]
    }

    /// The places of the arguments of each request in turn.
    #[must_use]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[Span]> {
        (0..self.len()).map(|index| self.get(index))
    }

    /// The bytes of the buffer that these requests take, and whatever asks for nothing between and behind
    /// them: there may be some even if there is no request.
    #[must_use]
    pub fn consumed(&self) -> usize {
        self.consumed
    }

    /// How much memory is kept for them, in bytes.
    #[must_use]
    pub fn kept_bytes(&self) -> usize {
        self.spans.capacity() * size_of::<Span>()
            + self.ends.capacity() * size_of::<u32>()
            + self.alike.capacity()
    }

    /// Takes in the request that starts at `start`, if all of it is there and its lengths are written as nearly all are;
    /// `before` is the one before, if that was such a one. Of any other, the decoder finds out what it is.
    #[inline]
    fn read_plain(
        &mut self,
        buffer: &[u8],
        start: usize,
        before: Option<Plain>,
        bounds: Bounds,
    ) -> Option<Plain> {
        let repeated = before.and_then(|before| before.repeated(buffer, start));
        if let Some(plain) = repeated {
            self.repeat(start - before.map_or(start, |before| before.start));
            self.finish(true);
            return Some(plain);
        }
        let before = self.spans.len();
        let Some(end) = self.read_plain_spans(buffer, start, bounds) else {
            self.spans.truncate(before);
            return None;
        };
        let last = self.spans[self.spans.len() - 1].start as usize;
        let is_alone = self.spans.len() - before == 1;
        self.finish(false);
        Some(Plain { start, last: if is_alone { start } else { last }, end })
    }

    /// Takes the arguments of the last request once more, so much further on.
    #[inline]
    fn repeat(&mut self, distance: usize) {
        let from = self.ends.len().checked_sub(2).map_or(0, |before| self.ends[before] as usize);
        let until = self.spans.len();
        self.spans.reserve(until - from);
        for at in from..until {
            let Span { start, end } = self.spans[at];
            self.spans.push(Span { start: start + distance as u32, end: end + distance as u32 });
        }
    }

    /// The arguments are those of one more request.
    #[inline]
    fn finish(&mut self, is_alike: bool) {
        self.ends.push(self.spans.len() as u32);
        self.alike.push(is_alike);
    }

    /// Where it ends.
    fn read_plain_spans(&mut self, buffer: &[u8], start: usize, bounds: Bounds) -> Option<usize> {
        let (count, line) = plain_number(buffer.get(start..)?, b'*')?;
        if count == 0 || bounds.check_count(count as i64).is_err() {
            return None;
        }
        let mut at = start + line;
        for _ in 0..count {
            let (length, line) = plain_number(buffer.get(at..)?, b'$')?;
            at += line;
            bounds.check_length(length as i64, at - start).ok()?;
            let end = at + length;
            if buffer.len() < end + CRLF {
                return None;
            }
            self.spans.push(Span { start: at as u32, end: end as u32 });
            at = end + CRLF;
        }
        Some(at)
    }

    fn clear(&mut self) {
        self.spans.clear();
        self.spans.shrink_to(KEPT_BY_REQUESTS);
        self.ends.clear();
        self.alike.clear();
        self.consumed = 0;
    }

    /// Takes over the arguments of one more request.
    fn push(&mut self, spans: &mut Vec<Span>) {
        self.spans.append(spans);
        self.finish(false);
        spans.shrink_to(KEPT_BY_DECODER);
    }
}

/// A request whose lengths are written as nearly all are, and its places.
#[derive(Debug, Clone, Copy)]
struct Plain {
    start: usize,
    /// Where its last argument begins; `start`, if that is its name.
    last: usize,
    end: usize,
}

impl Plain {
    /// The request at `start`, if it is the same but for its last argument, and that is as long: then it is in order,
    /// as this one was.
    #[inline]
    fn repeated(self, buffer: &[u8], start: usize) -> Option<Self> {
        let (head, length) = (self.last - self.start, self.end - self.start);
        let given = buffer.get(start..start + length)?;
        let is_same = head > 0 && given[..head] == buffer[self.start..self.last];
        is_same.then_some(Self { start, last: start + head, end: start + length })
    }
}

/// A number below 1000 behind its mark, and the length of its line. None, if there is no such line, or not all of it.
fn plain_number(line: &[u8], mark: u8) -> Option<(usize, usize)> {
    let digit = |byte: u8| byte.is_ascii_digit().then(|| usize::from(byte - b'0'));
    let &[first, a, b, c, ..] = line else { return None };
    let a_value = digit(a).filter(|_| first == mark)?;
    if b == b'\r' {
        return Some((a_value, 2 + CRLF));
    }
    let tens = digit(b).filter(|_| a != b'0')? + 10 * a_value;
    let d = *line.get(4)?;
    if c == b'\r' {
        return Some((tens, 3 + CRLF));
    }
    let hundreds = digit(c)? + 10 * tens;
    (d == b'\r' && line.len() > 5).then_some((hundreds, 4 + CRLF))
}

/// What a client may send at once, before or after authentication.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    requests: usize,
    arguments: usize,
    /// Most bytes of an argument after authentication.
    argument_bytes: usize,
    /// The same as it is now.
    allowed_argument_bytes: usize,
    request_bytes: usize,
}

impl Bounds {
    fn new(authenticated: bool, argument_bytes: usize, request_bytes: usize) -> Self {
        let (requests, arguments, allowed_argument_bytes) = if authenticated {
            (DECODED_REQUESTS, REQUEST_ARGUMENTS, argument_bytes)
        } else {
            (1, UNAUTHENTICATED_ARGUMENTS, UNAUTHENTICATED_ARGUMENT_BYTES)
        };
        Self { requests, arguments, argument_bytes, allowed_argument_bytes, request_bytes }
    }

    /// The number of arguments that `*count` announces: none if it is negative.
    fn check_count(self, count: i64) -> Result<usize, ProtocolError> {
        match usize::try_from(count) {
            Err(_) => Ok(0),
            Ok(count) if count > REQUEST_ARGUMENTS => Err(ProtocolError::InvalidMultibulkLength),
            Ok(count) if count > self.arguments => Err(ProtocolError::UnauthenticatedMultibulkLength),
            Ok(count) => Ok(count),
        }
    }

    /// An inline request, which is bounded before authentication like any other.
    fn check_inline(self, arguments: &[Span]) -> Result<(), ProtocolError> {
        let is_too_long = |span: &Span| (span.end - span.start) as usize > self.allowed_argument_bytes;
        if arguments.len() > self.arguments {
            Err(ProtocolError::UnauthenticatedMultibulkLength)
        } else if arguments.iter().any(is_too_long) {
            Err(ProtocolError::UnauthenticatedBulkLength)
        } else {
            Ok(())
        }
    }

    /// The length that `$length` announces in a request of which there are `taken` bytes so far.
    fn check_length(self, length: i64, taken: usize) -> Result<usize, ProtocolError> {
        match usize::try_from(length) {
            Err(_) => Err(ProtocolError::InvalidBulkLength),
            Ok(length) if length > self.argument_bytes => Err(ProtocolError::InvalidBulkLength),
            Ok(length) if length > self.allowed_argument_bytes => {
                Err(ProtocolError::UnauthenticatedBulkLength)
            }
            Ok(length) if taken + length + CRLF > self.request_bytes => Err(ProtocolError::TooBigRequest),
            Ok(length) => Ok(length),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What came of a stream.
    #[derive(Debug, Default, PartialEq, Eq)]
    struct Outcome {
        requests: Vec<Vec<Vec<u8>>>,
        error: Option<ProtocolError>,
        left: usize,
    }

    /// Does with `pieces` what a connection does.
    fn decode_pieces<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, authenticated: bool) -> Outcome {
        let mut outcome = Outcome::default();
        let (mut decoder, mut requests, mut input) = (Decoder::default(), Requests::default(), Vec::new());
        for piece in pieces {
            input.extend_from_slice(piece);
            loop {
                let result = decoder.decode(&mut input, &mut requests, authenticated);
                outcome.requests.extend(requests.iter().map(|spans| arguments(&input, spans)));
                input.drain(..requests.consumed());
                outcome.left = input.len();
                if let Err(error) = result {
                    outcome.error = Some(error);
                    return outcome;
                }
                if requests.is_empty() {
                    break;
                }
            }
        }
        outcome
    }

    fn arguments(input: &[u8], spans: &[Span]) -> Vec<Vec<u8>> {
        spans.iter().map(|span| input[span.start as usize..span.end as usize].to_vec()).collect()
    }

    fn decode(stream: &[u8]) -> Outcome {
        decode_pieces([stream], true)
    }

    /// The requests of a stream that holds nothing else.
    fn requests_in(stream: &[u8]) -> Vec<Vec<Vec<u8>>> {
        let outcome = decode(stream);
        assert_eq!((outcome.error, outcome.left), (None, 0), "{}", stream.escape_ascii());
        outcome.requests
    }

    fn error_in(stream: &[u8], authenticated: bool) -> String {
        let outcome = decode_pieces([stream], authenticated);
        outcome.error.map_or_else(String::new, |error| error.to_string())
    }

    fn array(args: &[&[u8]]) -> Vec<u8> {
        let mut stream = format!("*{}\r\n", args.len()).into_bytes();
        for arg in args {
            stream.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
            stream.extend_from_slice(arg);
            stream.extend_from_slice(b"\r\n");
        }
        stream
    }

    #[test]
    fn arguments_may_be_any_bytes_and_none() {
        let args = [&b"SADD"[..], b"", b"\r\n$1\r\n", b"\x00\xff", b"*"];
        assert_eq!(requests_in(&array(&args)), [args]);
    }

    #[test]
    fn a_pipeline_may_mix_arrays_and_lines() {
        let stream = b"*1\r\n$4\r\nPING\r\nGET k\r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\nPING\n";
        let expected = [&[&b"PING"[..]][..], &[b"GET", b"k"], &[b"GET", b"k"], &[b"PING"]];
        assert_eq!(requests_in(stream), expected);
    }

    #[test]
    fn a_long_pipeline_comes_in_portions() {
        let stream = array(&[b"PING"]).repeat(DECODED_REQUESTS + 1);
        let mut requests = Requests::default();
        let mut decoder = Decoder::default();
        decoder.decode(&mut stream.clone(), &mut requests, true).unwrap();
        assert_eq!(requests.len(), DECODED_REQUESTS);
        assert_eq!(requests_in(&stream).len(), DECODED_REQUESTS + 1);
    }

    /// Whatever stands before it, a request is what it is alone.
    #[test]
    fn a_request_that_begins_like_the_one_before_is_told_from_it() {
        let one = "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$2\r\n01\r\n";
        let others = [
            one,
            "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$2\r\n\r\n\r\n",
            "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\n0\r\n",
            "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$3\r\n012\r\n",
            "*3\r\n$3\r\nSET\r\n$1\r\nl\r\n$2\r\n01\r\n",
            "*2\r\n$3\r\nSET\r\n$1\r\nk\r\n",
            "*1\r\n$3\r\nSET\r\n",
            "*1\r\n$3\r\nGET\r\n",
            "*0\r\n",
            "SET k 01\r\n",
        ];
        let alone = |stream: &str| requests_in(stream.as_bytes());
        for (first, second) in others.iter().flat_map(|first| others.map(|second| (first, second))) {
            let expected = [alone(first), alone(second), alone(second)].concat();
            assert_eq!(requests_in([first, second, second].concat().as_bytes()), expected, "{first}{second}");
        }
    }

    #[test]
    fn it_is_known_which_requests_are_alike_but_for_the_last_argument() {
        let mut stream = [
            array(&[b"GET", b"01"]),
            array(&[b"GET", b"02"]),
            array(&[b"GET", b"3"]),
            array(&[b"PING"]),
            array(&[b"QUIT"]),
            b"GET 01\r\n".to_vec(),
            array(&[b"GET", b"02"]),
        ]
        .concat();
        let mut requests = Requests::default();
        Decoder::default().decode(&mut stream, &mut requests, true).unwrap();
        let alike: Vec<_> = (0..requests.len()).map(|index| requests.is_alike(index)).collect();
        assert_eq!(alike, [false, true, false, false, false, false, false]);
    }

    #[test]
    fn what_asks_for_nothing_is_skipped() {
        assert!(requests_in(b"*0\r\n*-1\r\n*-9223372036854775808\r\n\r\n\n \t\r\n").is_empty());
        assert_eq!(requests_in(b"\r\n*0\r\nPING\r\n*-1\r\n"), [[b"PING"]]);
    }

    #[test]
    fn an_incomplete_request_is_left_in_the_buffer() {
        for part in ["*", "*1", "*1\r", "*1\r\n$4\r\nPING\r", "PING", "PING\r", "*abc", "*1\r\nabc\n"] {
            let part = part.as_bytes();
            let stream = [b"PING\r\n", part].concat();
            let expected = Outcome { requests: vec![vec![b"PING".to_vec()]], error: None, left: part.len() };
            assert_eq!(decode(&stream), expected, "{}", part.escape_ascii());
        }
    }

    #[test]
    fn the_second_byte_of_a_line_end_and_those_behind_an_argument_may_be_any() {
        assert_eq!(requests_in(b"*1\rX$4\rYPINGZZPING\r\n"), [[b"PING"], [b"PING"]]);
    }

    #[test]
    fn errors_are_those_of_redis() {
        let cases: &[(&[u8], &str)] = &[
            (b"*\r\n", "invalid multibulk length"),
            (b"*abc\r\n", "invalid multibulk length"),
            (b"*+1\r\n", "invalid multibulk length"),
            (b"*01\r\n", "invalid multibulk length"),
            (b"*-0\r\n", "invalid multibulk length"),
            (b"* 1\r\n", "invalid multibulk length"),
            (b"*1 \r\n", "invalid multibulk length"),
            (b"*1048577\r\n", "invalid multibulk length"),
            (b"*9223372036854775808\r\n", "invalid multibulk length"),
            (b"*-9223372036854775809\r\n", "invalid multibulk length"),
            (b"*1\r\nPING\r\n", "expected '$', got 'P'"),
            (b"*1\r\n\r\n", "expected '$', got ' '"),
            (b"*2\r\n$4\r\nPING\r\n*1\r\n", "expected '$', got '*'"),
            (b"*1\r\n$\r\n", "invalid bulk length"),
            (b"*1\r\n$-1\r\n", "invalid bulk length"),
            (b"*1\r\n$-0\r\n", "invalid bulk length"),
            (b"*1\r\n$04\r\n", "invalid bulk length"),
            (b"*1\r\n$+4\r\n", "invalid bulk length"),
            (b"*1\r\n$536870913\r\n", "invalid bulk length"),
            (b"*1\r\n$9223372036854775808\r\n", "invalid bulk length"),
            (b"ECHO \"a\r\n", "unbalanced quotes in request"),
        ];
        for (stream, text) in cases {
            assert_eq!(error_in(stream, true), *text, "{}", stream.escape_ascii());
        }
    }

    #[test]
    fn arrays_in_arrays_are_refused_at_the_second() {
        let outcome = decode(&b"*1\r\n".repeat(10_000));
        assert_eq!(outcome.error, Some(ProtocolError::ExpectedDollar(b'*')));
        assert_eq!(outcome.requests.len(), 0);
    }

    #[test]
    fn the_largest_lengths_are_no_errors() {
        for stream in [&b"*1048576\r\n"[..], b"*1\r\n$536870912\r\n", b"*1\r\n$0\r\n"] {
            assert_eq!(error_in(stream, true), "", "{}", stream.escape_ascii());
        }
    }

    #[test]
    fn a_line_without_an_end_is_an_error_beyond_its_bound() {
        for (start, text) in [
            (&b""[..], "too big inline request"),
            (b"*", "too big mbulk count string"),
            (b"*1\r\n$", "too big bulk count string"),
        ] {
            let before_line = start.len().saturating_sub(1);
            let mut stream = start.to_vec();
            stream.resize(before_line + LINE_BYTES, b'1');
            assert_eq!(error_in(&stream, true), "", "{text}");
            stream.push(b'1');
            assert_eq!(error_in(&stream, true), text);
        }
    }

    #[test]
    fn the_bound_of_a_line_does_not_depend_on_where_it_was_cut() {
        let mut line = vec![b'a'; LINE_BYTES];
        line.push(b'\n');
        assert_eq!(requests_in(&line).len(), 1);
        line.insert(0, b'a');
        assert_eq!(error_in(&line, true), "too big inline request");
        let pieces = decode_pieces(line.chunks(1000), true);
        assert_eq!(pieces.error, Some(ProtocolError::TooBigInlineRequest));
    }

    #[test]
    fn a_request_beyond_its_bound_is_an_error_before_it_is_read() {
        let bounds = Bounds::new(true, ARGUMENT_BYTES, REQUEST_BYTES);
        let taken = REQUEST_BYTES - ARGUMENT_BYTES - CRLF;
        assert_eq!(bounds.check_length(ARGUMENT_BYTES as i64, taken), Ok(ARGUMENT_BYTES));
        let beyond = bounds.check_length(ARGUMENT_BYTES as i64, taken + 1);
        assert_eq!(beyond, Err(ProtocolError::TooBigRequest));
    }

    #[test]
    fn bounds_can_be_narrowed_and_widened_between_requests() {
        let mut decoder = Decoder::default();
        let mut requests = Requests::default();
        let mut decode = |argument_bytes, request_bytes| {
            let mut input = array(&[b"ECHO", b"123456"]);
            decoder.set_bounds(argument_bytes, request_bytes);
            let outcome = decoder.decode(&mut input, &mut requests, true);
            if outcome.is_err() {
                decoder = Decoder::default();
            }
            outcome
        };
        assert_eq!(decode(6, 100), Ok(()));
        assert_eq!(decode(5, 100), Err(ProtocolError::InvalidBulkLength));
        assert_eq!(decode(6, 20), Err(ProtocolError::TooBigRequest));
        assert_eq!(decode(usize::MAX, usize::MAX), Ok(()));
    }

    #[test]
    fn bounds_are_narrow_before_authentication() {
        assert_eq!(error_in(b"*11\r\n", false), "unauthenticated multibulk length");
        assert_eq!(error_in(b"*1\r\n$16385\r\n", false), "unauthenticated bulk length");
        assert_eq!(error_in(b"*9999999999\r\n", false), "invalid multibulk length");
        assert_eq!(error_in(b"*1\r\n$536870913\r\n", false), "invalid bulk length");
        assert_eq!(error_in(b"*10\r\n$16384\r\n", false), "");
        assert_eq!(error_in(b"*11\r\n$16385\r\n", true), "");
        let word = "w".repeat(16_384);
        for (line, error) in [
            ("a b c d e f g h i j\n".to_owned(), ""),
            ("a b c d e f g h i j k\n".to_owned(), "unauthenticated multibulk length"),
            (format!("AUTH {word}\n"), ""),
            (format!("AUTH {word}w\n"), "unauthenticated bulk length"),
        ] {
            assert_eq!(error_in(line.as_bytes(), false), error);
            assert_eq!(error_in(line.as_bytes(), true), "");
        }
    }

    #[test]
    fn bounds_are_wide_from_the_request_behind_auth_on() {
        let wide = [&b"SADD"[..]; 11];
        let mut input = [array(&[b"AUTH", b"secret"]), array(&wide)].concat();
        let mut decoder = Decoder::default();
        let mut requests = Requests::default();
        decoder.decode(&mut input, &mut requests, false).unwrap();
        assert_eq!(requests.len(), 1);
        input.drain(..requests.consumed());
        decoder.decode(&mut input, &mut requests, true).unwrap();
        assert_eq!(arguments(&input, requests.get(0)), wide);
    }

    #[test]
    fn requests_before_an_error_are_decoded() {
        let outcome = decode(b"PING\r\n*1\r\n$4\r\nPING\r\n*x\r\n");
        assert_eq!(outcome.requests, [[b"PING"], [b"PING"]]);
        assert_eq!(outcome.error, Some(ProtocolError::InvalidMultibulkLength));
        assert_eq!(outcome.left, 4);
    }

    #[test]
    fn a_stream_cut_anywhere_decodes_to_the_same() {
        let streams: &[&[u8]] = &[
            b"*2\r\n$3\r\nGET\r\n$12\r\n\r\n0123456789\r\nPING\r\n*0\r\n\r\n*1\r\n$0\r\n\r\nECHO 'a b'\n",
            b"SET k \"\\x41\\\"\\n\" ''\r\n*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n",
            b"*1\r\n$4\r\nPING\r\n*2\r\n$4\r\nECHO\r\n!1\r\n",
            b"*1\r\n$4\r\nPING\r\nECHO \"a\"b\r\n",
        ];
        for stream in streams {
            let whole = decode(stream);
            for cut in 0..=stream.len() {
                let (head, tail) = stream.split_at(cut);
                assert_eq!(decode_pieces([head, tail], true).requests, whole.requests, "cut at {cut}");
            }
            let bytes = decode_pieces(stream.chunks(1), true);
            assert_eq!((bytes.requests, bytes.error), (whole.requests, whole.error));
        }
    }

    /// Overwrites what was decoded after each piece: were it looked at again, it would be no request.
    #[test]
    fn a_large_request_is_never_decoded_from_its_start_again() {
        let member = [b'm'; 40];
        let args: Vec<&[u8]> = std::iter::repeat_n(&member[..], 50_000).collect();
        let stream = array(&args);
        let (mut decoder, mut requests, mut input) = (Decoder::default(), Requests::default(), Vec::new());
        for piece in stream.chunks(16 * 1024) {
            assert!(requests.is_empty());
            input[..decoder.at].fill(b'?');
            input.extend_from_slice(piece);
            decoder.decode(&mut input, &mut requests, true).unwrap();
        }
        assert_eq!((requests.len(), requests.consumed()), (1, stream.len()));
        let spans = requests.get(0);
        assert_eq!(spans.len(), args.len());
        assert!(spans.iter().all(|span| stream[span.start as usize..span.end as usize] == member));
    }

    /// As above: an end that was missed would be found again if it were looked for from the start.
    #[test]
    fn the_end_of_a_line_is_never_looked_for_from_its_start_again() {
        let (mut decoder, mut requests, mut input) = (Decoder::default(), Requests::default(), Vec::new());
        for _ in 0..1000 {
            input.fill(b'\n');
            input.push(b'a');
            decoder.decode(&mut input, &mut requests, true).unwrap();
            assert_eq!((requests.len(), requests.consumed()), (0, 0));
        }
    }

    #[test]
    fn a_large_request_leaves_little_memory_behind() {
        let args = vec![&b"x"[..]; 100_000];
        let mut stream = array(&args);
        let (mut decoder, mut requests) = (Decoder::default(), Requests::default());
        decoder.decode(&mut stream, &mut requests, true).unwrap();
        assert_eq!(requests.get(0).len(), args.len());
        assert!(decoder.spans.capacity() <= KEPT_BY_DECODER);
        decoder.decode(&mut [], &mut requests, true).unwrap();
        assert!(requests.spans.capacity() <= KEPT_BY_REQUESTS);
    }
}
