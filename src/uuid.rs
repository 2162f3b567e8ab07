//! A UUID is 36 characters that say 16 bytes.
//!
//! Packed is what is handed back as the very bytes that came in: the canonical form of RFC 9562, in lower case.

/// What a UUID takes as text.
pub const TEXT_BYTES: usize = 36;

/// What it takes packed.
pub const BYTES: usize = 16;

/// Where its digits stand, in groups of four.
const DIGITS: [usize; 8] = [0, 4, 9, 14, 19, 24, 28, 32];
const DASHES: [usize; 4] = [8, 13, 18, 23];

/// The bytes that a UUID's text says; none, if it is another text.
#[must_use]
pub fn pack(text: &[u8]) -> Option<[u8; BYTES]> {
    let text: &[u8; TEXT_BYTES] = text.try_into().ok()?;
    if DASHES.iter().any(|&at| text[at] != b'-') {
        return None;
    }
    let mut packed = [0; BYTES];
    for (pair, bytes) in DIGITS.chunks_exact(2).zip(packed.chunks_exact_mut(4)) {
        let mut digits = [0; 8];
        digits[..4].copy_from_slice(&text[pair[0]..pair[0] + 4]);
        digits[4..].copy_from_slice(&text[pair[1]..pair[1] + 4]);
        bytes.copy_from_slice(&pack_digits(digits)?);
    }
    Some(packed)
}

/// The text that says these bytes.
#[must_use]
pub fn unpack(packed: &[u8; BYTES]) -> [u8; TEXT_BYTES] {
    let mut text = [b'-'; TEXT_BYTES];
    for (pair, bytes) in DIGITS.chunks_exact(2).zip(packed.as_chunks::<4>().0) {
        let digits = unpack_digits(*bytes);
        text[pair[0]..pair[0] + 4].copy_from_slice(&digits[..4]);
        text[pair[1]..pair[1] + 4].copy_from_slice(&digits[4..]);
    }
    text
}

/// The same byte in each of eight.
const fn each(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// Four bytes from eight lower-case hex digits, all at once; none, if they are something else.
fn pack_digits(digits: [u8; 8]) -> Option<[u8; 4]> {
    let text = u64::from_le_bytes(digits);
    let is_letter = (text >> 6) & each(1);
    let values = (text & each(0x0f)) + is_letter * 9;
    // What stands for these values is what was there: so it was lower-case, and digits at all.
    if values & each(0xf0) != 0 || text_of(values) != text {
        return None;
    }
    let pairs = ((values << 4) | (values >> 8)) & 0x00ff_00ff_00ff_00ff;
    Some([pairs as u8, (pairs >> 16) as u8, (pairs >> 32) as u8, (pairs >> 48) as u8])
}

fn unpack_digits(bytes: [u8; 4]) -> [u8; 8] {
    let spread = bytes.iter().rev().fold(0, |spread, &byte| (spread << 16) | u64::from(byte));
    text_of(((spread >> 4) | (spread << 8)) & each(0x0f)).to_le_bytes()
}

/// The lower-case hex digits of eight values below 16.
fn text_of(values: u64) -> u64 {
    let is_letter = ((values + each(6)) >> 4) & each(1);
    values + each(b'0') + is_letter * u64::from(b'a' - b'0' - 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_bytes_are_those_that_it_says() {
        let text = b"01234567-89ab-cdef-fedc-ba9876543210";
        let packed = 0x0123_4567_89ab_cdef_fedc_ba98_7654_3210_u128.to_be_bytes();
        assert_eq!(pack(text), Some(packed));
        assert_eq!(unpack(&packed), *text);
    }

    #[test]
    fn any_bytes_come_back() {
        for _ in 0..10_000 {
            let packed = fastrand::u128(..).to_be_bytes();
            assert_eq!(pack(&unpack(&packed)), Some(packed));
        }
    }

    #[test]
    fn each_byte_that_is_out_of_place_is_told() {
        let text = *b"01234567-89ab-cdef-fedc-ba9876543210";
        for place in 0..text.len() {
            for byte in 0..=u8::MAX {
                let mut other = text;
                other[place] = byte;
                let is_digit = matches!(byte, b'0'..=b'9' | b'a'..=b'f');
                let fits = if text[place] == b'-' { byte == b'-' } else { is_digit };
                assert_eq!(pack(&other).map(|packed| unpack(&packed)), fits.then_some(other));
            }
        }
        for len in [0, TEXT_BYTES - 1] {
            assert_eq!(pack(&text[..len]), None);
        }
    }
}
