//! Names (of keys and members) in their shortest form, and back.
//!
//! What denylists hold are UUIDs and digests: 36 characters that say 16 bytes, 40 or 64 that say 20 or 32. Only what is
//! handed back as the very bytes that came in is packed: a UUID in the canonical form of RFC 9562 with lower-case
//! digits, and lower-case hex of even length.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};
use std::ops::Deref;

use ahash::RandomState;

/// What a UUID is as text.
const UUID_TEXT_BYTES: usize = 36;

/// What it is packed.
pub const UUID_BYTES: usize = 16;

/// Hex that is packed: what is shorter fits into an entry as it is, and longer than SHA-256's digests are none.
const HEX_TEXT_BYTES: std::ops::RangeInclusive<usize> = 18..=64;

/// The longest that a short name is, packed.
pub(super) const SHORT_BYTES: usize = 16;

/// The longest that something packed is, as text and packed.
const TEXT_BYTES: usize = *HEX_TEXT_BYTES.end();
const PACKED_BYTES: usize = TEXT_BYTES / 2;

const _: () = assert!(UUID_TEXT_BYTES <= TEXT_BYTES && UUID_BYTES <= PACKED_BYTES);

/// How the bytes of a packed name are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Form {
    /// As they are.
    Text,
    /// Two lower-case hex digits for each.
    Hex,
    /// As a UUID.
    Uuid,
}

/// A name in its shortest form. Two names are the same exactly if these are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Packed<'a> {
    pub(crate) form: Form,
    pub(crate) bytes: &'a [u8],
}

/// A name that is looked for or put somewhere: packed and hashed once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Name<'a> {
    text: &'a [u8],
    hash: u64,
    form: Form,
    /// A short text, too, with zeros behind it.
    packed: [u8; PACKED_BYTES],
}

impl<'a> Name<'a> {
    /// The name that this text is.
    #[inline]
    pub(crate) fn new(text: &'a [u8], hasher: &RandomState) -> Self {
        let mut packed = [0; PACKED_BYTES];
        // What nearly all members are goes by no other question.
        let Some(uuid) = pack_uuid(text) else { return Self::of_other(text, packed, hasher) };
        packed[..UUID_BYTES].copy_from_slice(&uuid);
        Self { text, hash: hash_short(Form::Uuid, uuid, hasher), form: Form::Uuid, packed }
    }

    /// That of a text which is no UUID.
    fn of_other(text: &'a [u8], mut packed: [u8; PACKED_BYTES], hasher: &RandomState) -> Self {
        let is_hex = HEX_TEXT_BYTES.contains(&text.len()) && pack_hex(text, &mut packed).is_some();
        let form = if is_hex { Form::Hex } else { Form::Text };
        if !is_hex && text.len() <= SHORT_BYTES {
            packed[..text.len()].copy_from_slice(text);
        }
        let mut name = Self { text, hash: 0, form, packed };
        name.hash = name.packed().hash(hasher);
        name
    }

    /// As it came.
    pub(crate) fn text(&self) -> &'a [u8] {
        self.text
    }

    /// The hash by which tables place it.
    #[inline]
    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    /// In its shortest form.
    #[inline]
    pub(crate) fn packed(&self) -> Packed<'_> {
        let bytes = match self.form {
            Form::Text => self.text,
            Form::Hex => &self.packed[..self.text.len() / 2],
            Form::Uuid => &self.packed[..UUID_BYTES],
        };
        Packed { form: self.form, bytes }
    }

    /// The same, with zeros behind it, and how long it is, if that is short.
    #[inline]
    pub(super) fn short(&self) -> Option<(&[u8; SHORT_BYTES], usize)> {
        let len = self.packed().bytes.len();
        self.packed.first_chunk().filter(|_| len <= SHORT_BYTES).map(|bytes| (bytes, len))
    }

    /// How its bytes are to be read.
    pub(super) fn form(&self) -> Form {
        self.form
    }
}

impl<'a> Packed<'a> {
    /// A UUID.
    pub(super) fn uuid(bytes: &'a [u8; UUID_BYTES]) -> Self {
        Self { form: Form::Uuid, bytes }
    }

    /// The hash by which tables place it.
    pub(crate) fn hash(self, hasher: &RandomState) -> u64 {
        match <[u8; UUID_BYTES]>::try_from(self.bytes) {
            Ok(bytes) => hash_short(self.form, bytes, hasher),
            Err(_) => hasher.hash_one((self.form as u8, self.bytes)),
        }
    }

    /// The name as it came.
    pub(crate) fn text(self) -> Text<'a> {
        match (self.form, self.bytes.try_into()) {
            (Form::Uuid, Ok(bytes)) => Text::uuid(bytes),
            (Form::Hex, _) => {
                let mut text = [0; TEXT_BYTES];
                unpack_hex(self.bytes, &mut text);
                Text(Place::Here { text, len: self.text_len() as u8 })
            }
            _ => Text::plain(self.bytes),
        }
    }

    /// How long it is as text.
    pub(crate) fn text_len(self) -> usize {
        match self.form {
            Form::Text => self.bytes.len(),
            Form::Hex => self.bytes.len() * 2,
            Form::Uuid => UUID_TEXT_BYTES,
        }
    }

    /// How long it is in a row of the journal, where UUIDs alone are packed.
    pub(super) fn row_len(self) -> usize {
        if self.form == Form::Uuid { UUID_BYTES } else { self.text_len() }
    }
}

/// The bytes of a name, as they came in.
#[derive(Clone, Copy)]
pub struct Text<'a>(Place<'a>);

#[derive(Clone, Copy)]
enum Place<'a> {
    /// Where it is held.
    There(&'a [u8]),
    /// It is held packed.
    Here { text: [u8; TEXT_BYTES], len: u8 },
}

impl<'a> Text<'a> {
    /// One that stands somewhere as it came.
    #[must_use]
    pub fn plain(text: &'a [u8]) -> Self {
        Self(Place::There(text))
    }

    /// That of a UUID.
    #[must_use]
    pub fn uuid(packed: &[u8; UUID_BYTES]) -> Self {
        let mut text = [b'-'; TEXT_BYTES];
        unpack_uuid(packed, &mut text);
        Self(Place::Here { text, len: UUID_TEXT_BYTES as u8 })
    }
}

impl Deref for Text<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Place::There(text) => text,
            Place::Here { text, len } => &text[..usize::from(*len)],
        }
    }
}

impl AsRef<[u8]> for Text<'_> {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl std::fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        (**self).fmt(f)
    }
}

/// A name where it is held, perhaps packed. Two are the same if their texts are.
#[derive(Clone, Copy)]
pub struct NameView<'a>(Packed<'a>);

impl<'a> NameView<'a> {
    pub(super) fn packed(packed: Packed<'a>) -> Self {
        Self(packed)
    }

    pub(super) fn plain(text: &'a [u8]) -> Self {
        Self(Packed { form: Form::Text, bytes: text })
    }

    /// The bytes that came in.
    #[must_use]
    pub fn text(&self) -> Text<'a> {
        self.0.text()
    }

    /// How many bytes it is where it is held.
    pub(super) fn packed_len(self) -> usize {
        self.0.bytes.len()
    }

    /// How many these are.
    #[must_use]
    pub fn text_len(&self) -> usize {
        self.0.text_len()
    }
}

impl std::fmt::Debug for NameView<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.text().fmt(f)
    }
}

impl PartialEq for NameView<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0 || *self.text() == *other.text()
    }
}

impl Eq for NameView<'_> {}

impl PartialOrd for NameView<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for NameView<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.text().cmp(&other.text())
    }
}

impl Hash for NameView<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (*self.text()).hash(state);
    }
}

/// The hash of a name that takes 16 bytes.
#[inline]
fn hash_short(form: Form, bytes: [u8; UUID_BYTES], hasher: &RandomState) -> u64 {
    hasher.hash_one((form as u8, u128::from_le_bytes(bytes)))
}

/// Where a UUID's text has its dashes.
const UUID_DASHES: [usize; 4] = [8, 13, 18, 23];

/// Where a UUID's text has its digits, in groups of four bytes of text.
const UUID_DIGITS: [usize; 8] = [0, 4, 9, 14, 19, 24, 28, 32];

/// The bytes that a UUID's text says; none, if it is another text.
#[inline]
#[must_use]
pub fn pack_uuid(text: &[u8]) -> Option<[u8; UUID_BYTES]> {
    let text: &[u8; UUID_TEXT_BYTES] = text.try_into().ok()?;
    if UUID_DASHES.iter().any(|&at| text[at] != b'-') {
        return None;
    }
    let mut digits = [0; DIGITS];
    for (from, four) in UUID_DIGITS.into_iter().zip(digits.as_chunks_mut::<4>().0) {
        four.copy_from_slice(&text[from..from + 4]);
    }
    pack_digits(&digits)
}

/// Puts the digits of a UUID where its text has them.
fn unpack_uuid(packed: &[u8; UUID_BYTES], text: &mut [u8; TEXT_BYTES]) {
    for (pair, bytes) in UUID_DIGITS.chunks_exact(2).zip(packed.as_chunks::<4>().0) {
        let digits = unpack_digits(*bytes);
        text[pair[0]..pair[0] + 4].copy_from_slice(&digits[..4]);
        text[pair[1]..pair[1] + 4].copy_from_slice(&digits[4..]);
    }
}

fn pack_hex(text: &[u8], packed: &mut [u8; PACKED_BYTES]) -> Option<()> {
    if !text.len().is_multiple_of(2) {
        return None;
    }
    for (some, bytes) in text.chunks(DIGITS).zip(packed.chunks_exact_mut(DIGITS / 2)) {
        let mut digits = [b'0'; DIGITS];
        digits[..some.len()].copy_from_slice(some);
        bytes.copy_from_slice(&pack_digits(&digits)?);
    }
    Some(())
}

fn unpack_hex(packed: &[u8], text: &mut [u8; TEXT_BYTES]) {
    for (bytes, digits) in packed.chunks(4).zip(text.chunks_exact_mut(8)) {
        let mut four = [0; 4];
        four[..bytes.len()].copy_from_slice(bytes);
        digits.copy_from_slice(&unpack_digits(four));
    }
}

/// The same byte in each of eight.
const fn each(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// Digits that are packed at once: those of a UUID.
const DIGITS: usize = 2 * UUID_BYTES;

const _: () = assert!(PACKED_BYTES.is_multiple_of(DIGITS / 2));

/// Their bytes from lower-case hex digits; none, if they are something else. It has no branch but the last, so that the
/// compiler does it for many digits at once.
#[inline]
fn pack_digits(digits: &[u8; DIGITS]) -> Option<[u8; DIGITS / 2]> {
    let mut values = [0; DIGITS];
    let mut others = 0;
    for (value, digit) in values.iter_mut().zip(digits) {
        let (number, letter) = (digit.wrapping_sub(b'0'), digit.wrapping_sub(b'a'));
        *value = if number < 10 { number } else { letter.wrapping_add(10) };
        others |= u8::from(number >= 10) & u8::from(letter >= 6);
    }
    let mut packed = [0; DIGITS / 2];
    for (byte, pair) in packed.iter_mut().zip(values.as_chunks::<2>().0) {
        *byte = pair[0] << 4 | pair[1];
    }
    (others == 0).then_some(packed)
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
    use proptest::prelude::*;

    use super::*;

    fn form_of(text: &[u8]) -> Form {
        let name = Name::new(text, &RandomState::with_seeds(1, 2, 3, 4));
        assert_eq!(&*name.packed().text(), text, "it comes back as it came");
        assert_eq!(name.packed().text_len(), text.len());
        name.form
    }

    #[test]
    fn a_canonical_uuid_takes_16_bytes() {
        let hasher = RandomState::new();
        let name = Name::new(b"01234567-89ab-cdef-0123-456789abcdef", &hasher);
        assert_eq!(
            (name.form, name.packed().bytes),
            (Form::Uuid, &0x0123_4567_89ab_cdef_0123_4567_89ab_cdef_u128.to_be_bytes()[..])
        );
    }

    #[test]
    fn what_would_not_come_back_as_it_came_is_left_as_it_is() {
        for text in [
            "01234567-89AB-cdef-0123-456789abcdef",
            "01234567-89ab-cdef-0123-456789abcdeg",
            "01234567089ab-cdef-0123-456789abcdef",
            "0123456-789ab-cdef-0123-456789abcdef",
            "{1234567-89ab-cdef-0123-456789abcde}",
            "0123456789abcdef0123456789ABCDEF",
            "0123456789abcdef0123456789abcde",
            "",
        ] {
            assert_eq!(form_of(text.as_bytes()), Form::Text, "{text}");
        }
    }

    #[test]
    fn hex_of_even_length_takes_half_where_it_is_longer_than_what_fits_anyway() {
        for len in 0..100 {
            let expected = if len % 2 == 0 && HEX_TEXT_BYTES.contains(&len) { Form::Hex } else { Form::Text };
            assert_eq!(form_of(&b"0123456789abcdef".repeat(7)[..len]), expected, "{len}");
        }
    }

    #[test]
    fn each_byte_but_a_digit_is_told_at_each_place() {
        for place in 0..DIGITS {
            for byte in 0..=u8::MAX {
                let mut digits = *b"09afbe1209afbe12a7c3d5f840617b2e";
                digits[place] = byte;
                let is_digit = matches!(byte, b'0'..=b'9' | b'a'..=b'f');
                let packed = pack_digits(&digits);
                assert_eq!(packed.is_some(), is_digit, "{byte}");
                let mut text = [0; TEXT_BYTES];
                unpack_hex(packed.as_ref().map_or(&[], |packed| packed), &mut text);
                assert!(packed.is_none() || text[..DIGITS] == digits);
            }
        }
    }

    #[test]
    fn names_that_only_look_alike_packed_are_different() {
        let hasher = RandomState::new();
        let uuid = Name::new(b"30313233-3435-3637-3839-616263646566", &hasher);
        let hex = Name::new(b"30313233343536373839616263646566", &hasher);
        let text = Name::new(b"0123456789abcdef", &hasher);
        for (one, other) in [(uuid, hex), (hex, text), (text, uuid)] {
            assert_eq!(one.packed().bytes, other.packed().bytes);
            assert_ne!(one.packed(), other.packed());
            assert_ne!(one.hash(), other.hash());
        }
    }

    proptest! {
        #[test]
        fn any_16_bytes_are_a_uuid_and_as_its_text_is(bytes: [u8; UUID_BYTES]) {
            let hasher = RandomState::new();
            let packed = Packed::uuid(&bytes);
            let text = packed.text();
            let name = Name::new(&text, &hasher);
            prop_assert_eq!((name.packed(), name.hash()), (packed, packed.hash(&hasher)));
        }

        #[test]
        fn whatever_comes_in_comes_back(
            text in prop_oneof![
                prop::collection::vec(any::<u8>(), 0..80),
                "[0-9a-f]{0,80}".prop_map(String::into_bytes),
                "[0-9a-fA-F]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}".prop_map(String::into_bytes),
            ],
        ) {
            form_of(&text);
        }
    }
}
