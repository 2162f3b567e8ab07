//! One request, decoded: a name and its arguments, as places in the bytes that were read.

use bytes::Bytes;

/// The place of one argument in the bytes that were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Its first byte.
    pub start: u32,
    /// The byte behind its last.
    pub end: u32,
}

/// One request: argument 0 is the command's name. Never empty.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    bytes: &'a [u8],
    spans: &'a [Span],
    /// The same bytes, where they can be shared.
    chunk: Option<&'a Bytes>,
}

impl<'a> Request<'a> {
    /// A request whose arguments stand at `spans` in `chunk`.
    ///
    /// # Panics
    ///
    /// If `spans` is empty: there is no request without a name.
    #[must_use]
    pub fn new(chunk: &'a Bytes, spans: &'a [Span]) -> Self {
        Self { chunk: Some(chunk), ..Self::in_place(chunk, spans) }
    }

    /// A request whose arguments stand at `spans` in bytes that are not to be kept: what is kept of it is copied.
    ///
    /// # Panics
    ///
    /// As above.
    #[inline]
    #[must_use]
    pub fn in_place(bytes: &'a [u8], spans: &'a [Span]) -> Self {
        assert!(!spans.is_empty(), "a request has a name");
        Self { bytes, spans, chunk: None }
    }

    /// The number of arguments, the name included: what an arity is compared with. Never 0.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "a request is never empty")]
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Argument `index`; 0 is the name.
    ///
    /// # Panics
    ///
    /// If there is no such argument: arity was checked before.
    #[must_use]
    pub fn arg(&self, index: usize) -> &'a [u8] {
        let span = self.spans[index];
        &self.bytes[span.start as usize..span.end as usize]
    }

    /// Argument `index`, sharing the bytes that were read where that can be.
    ///
    /// # Panics
    ///
    /// If there is no such argument: arity was checked before.
    #[must_use]
    pub fn shared(&self, index: usize) -> Bytes {
        let span = self.spans[index];
        match self.chunk {
            Some(chunk) => chunk.slice(span.start as usize..span.end as usize),
            None => Bytes::copy_from_slice(self.arg(index)),
        }
    }

    /// The arguments from `first` on.
    #[must_use]
    pub fn args(&self, first: usize) -> impl ExactSizeIterator<Item = &'a [u8]> + use<'a> {
        let Self { bytes, spans, .. } = *self;
        spans[first.min(spans.len())..].iter().map(|span| &bytes[span.start as usize..span.end as usize])
    }

    /// The arguments from `first` on, sharing the bytes that were read where that can be.
    #[must_use]
    pub fn shared_args(&self, first: usize) -> Vec<Bytes> {
        (first..self.len()).map(|index| self.shared(index)).collect()
    }

    /// The same request on its own, for another thread.
    #[must_use]
    pub fn to_owned(&self) -> OwnedRequest {
        let chunk = self.chunk.cloned().unwrap_or_else(|| Bytes::copy_from_slice(self.bytes));
        OwnedRequest { chunk, spans: self.spans.into() }
    }
}

/// A request that holds its bytes itself.
#[derive(Debug, Clone)]
pub struct OwnedRequest {
    chunk: Bytes,
    spans: Box<[Span]>,
}

impl OwnedRequest {
    /// A request made of these arguments, the name first.
    ///
    /// # Panics
    ///
    /// If there are none.
    #[must_use]
    pub fn from_args<A: AsRef<[u8]>>(args: &[A]) -> Self {
        let mut chunk = Vec::new();
        let mut spans = Vec::with_capacity(args.len());
        for arg in args {
            let start = chunk.len() as u32;
            chunk.extend_from_slice(arg.as_ref());
            spans.push(Span { start, end: chunk.len() as u32 });
        }
        assert!(!spans.is_empty(), "a request has a name");
        Self { chunk: chunk.into(), spans: spans.into() }
    }

    /// How many bytes its arguments take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.spans.iter().map(|span| size_of::<Span>() + (span.end - span.start) as usize).sum()
    }

    /// The request, to be executed.
    #[must_use]
    pub fn as_request(&self) -> Request<'_> {
        Request::new(&self.chunk, &self.spans)
    }
}

/// Reads an integer in the one form that Redis takes: 0, or digits of which the first isn't 0, perhaps with a
/// minus before them.
#[must_use]
pub fn parse_integer(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        _ => (false, text),
    };
    match digits {
        [b'0'] if !negative => return Some(0),
        [b'1'..=b'9', ..] => {}
        _ => return None,
    }
    // Summed up below zero, where the smallest `i64` has room.
    let sum = digits.iter().try_fold(0_i64, |sum, &digit| {
        let digit = digit.is_ascii_digit().then(|| i64::from(digit - b'0'))?;
        sum.checked_mul(10)?.checked_sub(digit)
    })?;
    if negative { Some(sum) } else { sum.checked_neg() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_those_given() {
        let owned = OwnedRequest::from_args(&[&b"SADD"[..], b"", b"\x00\xff"]);
        let request = owned.as_request();
        assert_eq!(request.len(), 3);
        assert_eq!(request.arg(0), b"SADD");
        assert_eq!(request.shared(1), Bytes::new());
        assert_eq!(request.args(1).collect::<Vec<_>>(), [&b""[..], b"\x00\xff"]);
        assert_eq!(request.args(9).len(), 0);
    }

    #[test]
    fn integers_are_those_that_redis_takes() {
        for (argument, number) in [("0", 0), ("-1", -1), ("10", 10), ("-9223372036854775808", i64::MIN)] {
            assert_eq!(parse_integer(argument.as_bytes()), Some(number), "{argument}");
        }
        for argument in ["", "-", "+1", "01", "-0", "1.0", " 1", "1x", "--1", "9223372036854775808"] {
            assert_eq!(parse_integer(argument.as_bytes()), None, "{argument}");
        }
    }
}
