//! What a table holds of a name: the name itself, when it ends, and when that was written, in 22 bytes.
//!
//! ```text
//! inline   head | name, packed: 16 bytes           | end: 5
//! boxed    0    | pointer: 8   | length: 4 | form | end and lap: 8
//! ```
//!
//! The head of one that is inline says the form and the length of its name, and the lap. An end between 2020 and 2054 is
//! held as milliseconds since the begin of 2020. A name of more than 16 bytes when packed, and one with another end,
//! is boxed.

use std::num::NonZeroU8;

use ahash::RandomState;

use super::boxed::BoxedBytes;
use super::lap::{Lap, Stamp};
use super::packing::{Form, Name, NameView, Packed, SHORT_BYTES, Text};
use crate::expiry::{Expires, Expiry};

/// The begin of 2020, from which inline ends are counted.
const EPOCH_MS: i64 = 1_577_836_800_000;

/// What is held inline of an end that never comes.
const NEVER: u64 = (1 << 40) - 1;

/// A name, when it ends, and in which lap of compaction that was written.
#[derive(Debug)]
pub(super) struct Entry(Held);

#[derive(Debug)]
enum Held {
    Inline { head: Head, name: [u8; SHORT_BYTES], end: [u8; 5] },
    Boxed { name: BoxedBytes, form: Form, stamp: [u8; 8] },
}

const _: () = assert!(size_of::<Entry>() == 22 && align_of::<Entry>() == 1);

/// The form of an inline name (in bits 5 and 6), its length plus one (in bits 0 to 4), and the lap (in bit 7).
#[derive(Debug, Clone, Copy)]
struct Head(NonZeroU8);

impl Head {
    fn new(form: Form, len: usize, lap: Lap) -> Self {
        let bits = Self::bits(form, len) | u8::from(lap.is_odd()) << 7;
        let Some(bits) = NonZeroU8::new(bits) else { unreachable!("the length plus one is not zero") };
        Self(bits)
    }

    fn bits(form: Form, len: usize) -> u8 {
        (len as u8 + 1) | (form as u8) << 5
    }

    /// Whether it says this form and this length.
    fn says(self, form: Form, len: usize) -> bool {
        self.0.get() & 0x7f == Self::bits(form, len)
    }

    fn form(self) -> Form {
        match self.0.get() >> 5 & 3 {
            0 => Form::Text,
            1 => Form::Hex,
            _ => Form::Uuid,
        }
    }

    fn len(self) -> usize {
        usize::from(self.0.get() & 31) - 1
    }

    fn lap(self) -> Lap {
        Lap::new(self.0.get() >> 7 == 1)
    }
}

impl Entry {
    pub(super) fn new(name: &Name<'_>, stamp: Stamp) -> Self {
        Self::of(name.packed(), stamp)
    }

    /// That of a name that is packed already.
    pub(super) fn of(name: Packed<'_>, stamp: Stamp) -> Self {
        let Packed { form, bytes } = name;
        Self(match inline_end(stamp.expiry()) {
            Some(end) if bytes.len() <= SHORT_BYTES => {
                let mut name = [0; SHORT_BYTES];
                name[..bytes.len()].copy_from_slice(bytes);
                Held::Inline { head: Head::new(form, bytes.len(), stamp.lap()), name, end }
            }
            _ => Held::Boxed { name: BoxedBytes::new(bytes), form, stamp: stamp.to_raw().to_le_bytes() },
        })
    }

    /// The name in its shortest form.
    pub(super) fn packed(&self) -> Packed<'_> {
        match &self.0 {
            Held::Inline { head, name, .. } => Packed { form: head.form(), bytes: &name[..head.len()] },
            Held::Boxed { name, form, .. } => Packed { form: *form, bytes: name },
        }
    }

    /// The name as it came.
    pub(super) fn text(&self) -> Text<'_> {
        self.packed().text()
    }

    /// The name where it is held.
    pub(super) fn view(&self) -> NameView<'_> {
        NameView::packed(self.packed())
    }

    /// How long the name is in a row of the journal.
    pub(super) fn row_len(&self) -> usize {
        self.packed().row_len()
    }

    /// Whether it is that of this name.
    #[inline]
    pub(super) fn is(&self, name: &Name<'_>) -> bool {
        match &self.0 {
            // Behind both there are zeros.
            Held::Inline { head, name: held, .. } => {
                name.short().is_some_and(|(short, len)| held == short && head.says(name.form(), len))
            }
            Held::Boxed { .. } => self.packed() == name.packed(),
        }
    }

    /// The hash by which tables place it.
    pub(super) fn hash(&self, hasher: &RandomState) -> u64 {
        self.packed().hash(hasher)
    }

    /// When it ends.
    pub(super) fn expiry(&self) -> Expiry {
        self.stamp().expiry()
    }

    /// When it ends, and when that was written.
    pub(super) fn stamp(&self) -> Stamp {
        match &self.0 {
            Held::Inline { head, end, .. } => Stamp::new(outlined_end(*end), head.lap()),
            Held::Boxed { stamp, .. } => Stamp::from_raw(i64::from_le_bytes(*stamp)),
        }
    }

    /// Has it end then.
    pub(super) fn set_stamp(&mut self, stamp: Stamp) {
        match (&mut self.0, inline_end(stamp.expiry())) {
            (Held::Inline { head, end, .. }, Some(new_end)) => {
                *head = Head::new(head.form(), head.len(), stamp.lap());
                *end = new_end;
            }
            (Held::Boxed { name, stamp: held, .. }, end) if end.is_none() || name.len() > SHORT_BYTES => {
                *held = stamp.to_raw().to_le_bytes();
            }
            _ => *self = Self::of(self.packed(), stamp),
        }
    }
}

/// About how many bytes an entry of this name takes.
pub(super) fn weight(name: NameView<'_>) -> usize {
    let boxed = Some(name.packed_len()).filter(|&len| len > SHORT_BYTES);
    size_of::<Entry>() + boxed.unwrap_or(0)
}

impl Expires for Entry {
    fn earliest(&self) -> Expiry {
        self.expiry()
    }

    fn ends_whole(&self) -> bool {
        true
    }
}

/// An end in five bytes, if it is one that fits.
fn inline_end(expiry: Expiry) -> Option<[u8; 5]> {
    let end = if expiry == Expiry::NEVER {
        NEVER
    } else {
        u64::try_from(expiry.to_raw().checked_sub(EPOCH_MS)?).ok().filter(|&end| end < NEVER)?
    };
    let [end @ .., _, _, _] = end.to_le_bytes();
    Some(end)
}

fn outlined_end(end: [u8; 5]) -> Expiry {
    let mut eight = [0; 8];
    eight[..end.len()].copy_from_slice(&end);
    match u64::from_le_bytes(eight) {
        NEVER => Expiry::NEVER,
        end => Expiry::from_raw(end as i64 + EPOCH_MS),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BOUNDS_MS: [i64; 2] = [EPOCH_MS, EPOCH_MS + NEVER as i64];

    fn hasher() -> RandomState {
        RandomState::with_seeds(1, 2, 3, 4)
    }

    fn is_inline(entry: &Entry) -> bool {
        matches!(entry.0, Held::Inline { .. })
    }

    fn entry(name: &str, expiry: Expiry) -> Entry {
        Entry::new(&Name::new(name.as_bytes(), &hasher()), Stamp::new(expiry, Lap::default()))
    }

    #[test]
    fn names_of_up_to_16_bytes_packed_are_inline() {
        for (name, expected) in [
            ("", true),
            ("sixteen bytes: 0", true),
            ("seventeen bytes: ", false),
            ("01234567-89ab-cdef-0123-456789abcdef", true),
            ("0123456789abcdef0123456789abcdef", true),
            ("0123456789abcdef0123456789abcdef01", false),
        ] {
            assert_eq!(is_inline(&entry(name, Expiry::NEVER)), expected, "{name}");
        }
    }

    #[test]
    fn ends_of_this_time_are_inline_and_all_are_exact() {
        let [first, last] = BOUNDS_MS;
        for (ms, expected) in
            [(first, false), (first + 1, true), (last, true), (last + 1, false), (i64::MAX, false)]
        {
            let entry = entry("name", Expiry::at_ms(ms));
            assert_eq!((is_inline(&entry), entry.expiry()), (expected, Expiry::at_ms(ms)));
        }
    }

    fn any_expiry() -> impl Strategy<Value = Expiry> {
        let [first, last] = BOUNDS_MS;
        prop_oneof![
            Just(Expiry::NEVER),
            (first..last).prop_map(Expiry::at_ms),
            (1..=i64::MAX).prop_map(Expiry::at_ms),
            (first - 2..first + 2).prop_map(Expiry::at_ms),
            (last - 2..last + 2).prop_map(Expiry::at_ms),
        ]
    }

    proptest! {
        #[test]
        fn it_gives_back_what_it_was_given(
            name in prop_oneof!["[0-9a-f]{0,70}", ".{0,20}", "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"],
            stamps in prop::collection::vec((any_expiry(), any::<bool>()), 1..5),
        ) {
            let name = Name::new(name.as_bytes(), &hasher());
            let stamps: Vec<_> = stamps.into_iter().map(|(expiry, is_odd)| Stamp::new(expiry, Lap::new(is_odd))).collect();
            let mut entry = Entry::new(&name, stamps[0]);
            for stamp in stamps {
                entry.set_stamp(stamp);
                prop_assert_eq!((entry.expiry(), entry.stamp().lap()), (stamp.expiry(), stamp.lap()));
                prop_assert!(entry.is(&name));
                prop_assert_eq!(&*entry.text(), name.text());
                prop_assert_eq!(entry.hash(&hasher()), name.hash());
                prop_assert_eq!(is_inline(&entry), is_inline(&Entry::new(&name, stamp)), "how it came to be leaves no trace");
            }
        }
    }
}
