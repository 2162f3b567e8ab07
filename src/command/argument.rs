//! Arguments that several commands read alike.

use crate::reply::Error;

/// A whole number as Redis takes it: decimal digits, a minus in front at most, no leading zeros.
pub(super) fn parse_integer(argument: &[u8]) -> Option<i64> {
    let digits = argument.strip_prefix(b"-").unwrap_or(argument);
    let is_canonical = match digits {
        [b'0'] => digits.len() == argument.len(),
        [b'1'..=b'9', ..] => true,
        _ => false,
    };
    if is_canonical { std::str::from_utf8(argument).ok()?.parse().ok() } else { None }
}

/// ON or OFF, in any case.
pub(super) fn parse_switch(argument: &[u8]) -> Result<bool, Error> {
    if argument.eq_ignore_ascii_case(b"on") {
        Ok(true)
    } else if argument.eq_ignore_ascii_case(b"off") {
        Ok(false)
    } else {
        Err(Error::Syntax)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_those_that_redis_takes() {
        for (argument, number) in [("0", 0), ("-1", -1), ("10", 10), ("-9223372036854775808", i64::MIN)] {
            assert_eq!(parse_integer(argument.as_bytes()), Some(number), "{argument}");
        }
        for argument in ["", "-", "+1", "01", "-0", "1.0", " 1", "1x", "--1", "9223372036854775808"] {
            assert_eq!(parse_integer(argument.as_bytes()), None, "{argument}");
        }
    }

    #[test]
    fn a_switch_is_on_or_off_in_any_case() {
        assert_eq!(parse_switch(b"ON"), Ok(true));
        assert_eq!(parse_switch(b"oFf"), Ok(false));
        assert_eq!(parse_switch(b"1"), Err(Error::Syntax));
    }
}
