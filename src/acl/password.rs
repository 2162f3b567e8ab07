//! Passwords, of which only the SHA-256 is kept.

use std::fmt;

use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq};

/// A password's SHA-256.
#[derive(Clone, Copy)]
pub struct Digest([u8; Digest::BYTES]);

impl Digest {
    const BYTES: usize = 32;

    /// That of a password.
    #[must_use]
    pub fn of(password: &[u8]) -> Self {
        Self(Sha256::digest(password).into())
    }

    /// The one that these hexadecimal digits stand for: as in Redis, 64 of them, in lower case.
    #[must_use]
    pub fn parse(digits: &[u8]) -> Option<Self> {
        let value = |digit: u8| match digit {
            b'0'..=b'9' => Some(digit - b'0'),
            b'a'..=b'f' => Some(digit - b'a' + 10),
            _ => None,
        };
        let mut bytes = [0; Self::BYTES];
        if digits.len() != 2 * Self::BYTES {
            return None;
        }
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = value(pair[0])? << 4 | value(pair[1])?;
        }
        Some(Self(bytes))
    }

    /// Whether it is among these, in a time that depends on how many they are, and on nothing else.
    #[must_use]
    pub fn is_among(&self, others: &[Self]) -> bool {
        let none = Choice::from(0);
        others.iter().fold(none, |found, other| found | self.0.ct_eq(&other.0)).into()
    }
}

impl PartialEq for Digest {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Digest {}

/// The hexadecimal digits that ACL shows.
impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Shows nothing of it.
impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_what_sha256sum_says() {
        let digits = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae";
        assert_eq!(Digest::of(b"foo").to_string(), digits);
        assert_eq!(Digest::parse(digits.as_bytes()), Some(Digest::of(b"foo")));
        assert_eq!(format!("{:?}", Digest::of(b"foo")), "(hidden)");
    }

    #[test]
    fn only_lower_case_digits_are_one() {
        let digits = Digest::of(b"foo").to_string();
        for wrong in
            ["", &digits[1..], &digits.to_uppercase(), &digits.replace('2', "g"), &format!("{digits}0")]
        {
            assert_eq!(Digest::parse(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn a_password_is_found_wherever_it_stands() {
        let known = [Digest::of(b"a"), Digest::of(b"b")];
        assert!(Digest::of(b"a").is_among(&known) && Digest::of(b"b").is_among(&known));
        assert!(!Digest::of(b"c").is_among(&known) && !Digest::of(b"a").is_among(&[]));
    }
}
