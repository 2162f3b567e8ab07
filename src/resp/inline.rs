//! An inline request: a line as a person types it, split at its spaces, with quotes and escapes.

use crate::reply::ProtocolError;
use crate::request::Span;

/// Splits `line`, which stands at `offset` in the buffer, into arguments. Quotes and escapes are resolved
/// in place: what an argument stands for is never longer than how it is written. As in Redis, a quote may
/// open in the middle of an argument, and the argument ends where the quote closes.
pub(super) fn split(line: &mut [u8], offset: usize, spans: &mut Vec<Span>) -> Result<(), ProtocolError> {
    let mut line = Line { bytes: line, read: 0, written: 0 };
    while line.skip_spaces() {
        let start = line.read;
        line.written = start;
        line.resolve_argument()?;
        spans.push(Span { start: (offset + start) as u32, end: (offset + line.written) as u32 });
    }
    Ok(())
}

/// A line up to `read` of which the argument at hand was resolved up to `written`, never behind `read`.
struct Line<'a> {
    bytes: &'a mut [u8],
    read: usize,
    written: usize,
}

impl Line<'_> {
    /// Skips what separates arguments. Whether there is one more.
    fn skip_spaces(&mut self) -> bool {
        let spaces = self.rest().iter().take_while(|&&byte| is_space(byte)).count();
        self.read += spaces;
        !self.rest().is_empty()
    }

    fn resolve_argument(&mut self) -> Result<(), ProtocolError> {
        while let Some(byte) = self.next() {
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' => return Ok(()),
                b'"' => return self.resolve_double_quoted(),
                b'\'' => return self.resolve_single_quoted(),
                _ => self.keep(byte),
            }
        }
        Ok(())
    }

    fn resolve_double_quoted(&mut self) -> Result<(), ProtocolError> {
        loop {
            match self.next_quoted()? {
                b'"' => return self.check_closed(),
                b'\\' => {
                    let byte = self.resolve_escape()?;
                    self.keep(byte);
                }
                byte => self.keep(byte),
            }
        }
    }

    fn resolve_single_quoted(&mut self) -> Result<(), ProtocolError> {
        loop {
            match self.next_quoted()? {
                b'\'' => return self.check_closed(),
                b'\\' if self.rest().first() == Some(&b'\'') => {
                    self.read += 1;
                    self.keep(b'\'');
                }
                byte => self.keep(byte),
            }
        }
    }

    /// What the escape stands for whose backslash was just read.
    fn resolve_escape(&mut self) -> Result<u8, ProtocolError> {
        Ok(match self.next_quoted()? {
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'b' => 0x08,
            b'a' => 0x07,
            b'x' => self.resolve_hex().unwrap_or(b'x'),
            byte => byte,
        })
    }

    /// The byte that the next two hexadecimal digits stand for, if that is what they are.
    fn resolve_hex(&mut self) -> Option<u8> {
        let &[high, low, ..] = self.rest() else { return None };
        let byte = hex_digit(high)? << 4 | hex_digit(low)?;
        self.read += 2;
        Some(byte)
    }

    /// A closing quote ends the argument: something that stands right behind it is a mistake.
    fn check_closed(&self) -> Result<(), ProtocolError> {
        match self.rest().first() {
            Some(&byte) if !is_space(byte) => Err(ProtocolError::UnbalancedQuotes),
            _ => Ok(()),
        }
    }

    fn rest(&self) -> &[u8] {
        &self.bytes[self.read..]
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.rest().first().copied()?;
        self.read += 1;
        Some(byte)
    }

    fn next_quoted(&mut self) -> Result<u8, ProtocolError> {
        self.next().ok_or(ProtocolError::UnbalancedQuotes)
    }

    fn keep(&mut self, byte: u8) {
        self.bytes[self.written] = byte;
        self.written += 1;
    }
}

/// C's `isspace`, which knows one more than `u8::is_ascii_whitespace`: the vertical tab.
fn is_space(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 0x0b
}

fn hex_digit(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|value| value as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split_line(line: &str) -> Result<Vec<Vec<u8>>, ProtocolError> {
        let mut bytes = line.as_bytes().to_vec();
        let mut spans = Vec::new();
        split(&mut bytes, 100, &mut spans)?;
        let place = |place: u32| place as usize - 100;
        Ok(spans.iter().map(|span| bytes[place(span.start)..place(span.end)].to_vec()).collect())
    }

    #[track_caller]
    fn check(line: &str, expected: &[&[u8]]) {
        assert_eq!(split_line(line).unwrap(), expected, "{line}");
    }

    #[test]
    fn arguments_stand_between_spaces() {
        check("SET k v", &[b"SET", b"k", b"v"]);
        check("  SET \t k\r", &[b"SET", b"k"]);
        check("\x0b\x0cPING", &[b"PING"]);
        check(" \t ", &[]);
        check("", &[]);
    }

    #[test]
    fn a_vertical_tab_separates_in_front_of_an_argument_only() {
        check("a\x0bb \x0bc", &[b"a\x0bb", b"c"]);
    }

    #[test]
    fn quotes_hold_spaces_and_nothing() {
        check(r#"ECHO "a b" 'c d' "" ''"#, &[b"ECHO", b"a b", b"c d", b"", b""]);
        check(r#""it's" '"'"#, &[b"it's", b"\""]);
    }

    #[test]
    fn a_quote_may_open_in_the_middle() {
        check(r#"a"b c" d'e f'"#, &[b"ab c", b"de f"]);
    }

    #[test]
    fn double_quotes_know_escapes() {
        check(r#""\n\r\t\b\a\\\"\q""#, &[b"\n\r\t\x08\x07\\\"q"]);
        check(r#""\x00\xfF\x4" "\xg0""#, &[b"\x00\xffx4", b"xg0"]);
    }

    #[test]
    fn single_quotes_know_one_escape() {
        check(r"'it\'s' '\n\\ \x41'", &[b"it's", br"\n\\ \x41"]);
    }

    #[test]
    fn outside_of_quotes_a_backslash_is_plain() {
        check(r"a\nb \x41", &[br"a\nb", br"\x41"]);
    }

    #[test]
    fn a_quote_has_to_be_closed_and_nothing_may_follow() {
        for line in
            [r#"""#, r#""a"#, "'a", r#""a"b"#, "'a'b", r#""a"'b'"#, r#""a\""#, r"'a\'", r#""a\"#, r#""\x4"#]
        {
            assert_eq!(split_line(line), Err(ProtocolError::UnbalancedQuotes), "{line}");
        }
    }
}
