//! Which events of keys are published: `notify-keyspace-events`.

use std::fmt;

/// Some of the classes of events, and of the two kinds of channels on which they are published. Redis's letters
/// stand for them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EventClasses(u16);

/// The classes in the order in which Redis shows their letters.
const CLASSES: [(char, EventClasses); 11] = [
    ('g', EventClasses::GENERIC),
    ('$', EventClasses::STRING),
    ('l', EventClasses::LIST),
    ('s', EventClasses::SET),
    ('h', EventClasses::HASH),
    ('z', EventClasses::ZSET),
    ('x', EventClasses::EXPIRED),
    ('e', EventClasses::EVICTED),
    ('t', EventClasses::STREAM),
    ('d', EventClasses::MODULE),
    ('n', EventClasses::NEW),
];

/// What Redis shows behind the classes.
const OTHERS: [(char, EventClasses); 3] =
    [('K', EventClasses::KEYSPACE), ('E', EventClasses::KEYEVENT), ('m', EventClasses::KEY_MISS)];

impl EventClasses {
    /// `K`: events are published on the channel of their key, `__keyspace@0__:key`.
    pub const KEYSPACE: Self = Self(1);
    /// `E`: events are published on the channel of their name, `__keyevent@0__:del`.
    pub const KEYEVENT: Self = Self(1 << 1);
    /// `g`: commands for keys of any type: `del`, `expire`, `rename_from`, ...
    pub const GENERIC: Self = Self(1 << 2);
    /// `$`: commands for strings.
    pub const STRING: Self = Self(1 << 3);
    /// `l`: commands for lists.
    pub const LIST: Self = Self(1 << 4);
    /// `s`: commands for sets.
    pub const SET: Self = Self(1 << 5);
    /// `h`: commands for hashes.
    pub const HASH: Self = Self(1 << 6);
    /// `z`: commands for sorted sets.
    pub const ZSET: Self = Self(1 << 7);
    /// `x`: a key has expired.
    pub const EXPIRED: Self = Self(1 << 8);
    /// `e`: a key was evicted.
    pub const EVICTED: Self = Self(1 << 9);
    /// `t`: commands for streams.
    pub const STREAM: Self = Self(1 << 10);
    /// `m`: a key was looked for in vain.
    pub const KEY_MISS: Self = Self(1 << 11);
    /// `d`: what modules do.
    pub const MODULE: Self = Self(1 << 12);
    /// `n`: a key was made.
    pub const NEW: Self = Self(1 << 13);
    /// `A`: all classes but `m` and `n`.
    pub const ALL: Self = Self(
        Self::GENERIC.0
            | Self::STRING.0
            | Self::LIST.0
            | Self::SET.0
            | Self::HASH.0
            | Self::ZSET.0
            | Self::EXPIRED.0
            | Self::EVICTED.0
            | Self::STREAM.0
            | Self::MODULE.0,
    );

    /// Reads letters, in any order. `None` if one of them stands for nothing.
    #[must_use]
    pub fn parse(letters: &str) -> Option<Self> {
        let named = |letter| CLASSES.iter().chain(&OTHERS).find(|(name, _)| *name == letter).map(|row| row.1);
        letters.chars().try_fold(Self::default(), |all, letter| {
            let class = if letter == 'A' { Self::ALL } else { named(letter)? };
            Some(Self(all.0 | class.0))
        })
    }

    /// Whether both have a class in common.
    #[must_use]
    pub fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub(super) fn bits(self) -> u16 {
        self.0
    }

    pub(super) fn from_bits(bits: u16) -> Self {
        Self(bits)
    }
}

/// The letters as CONFIG GET shows them, in Redis's order. As there, `n` does not show beside `A`.
impl fmt::Display for EventClasses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let has_all = self.0 & Self::ALL.0 == Self::ALL.0;
        let classes = if has_all { &[('A', Self::ALL)][..] } else { &CLASSES };
        for (letter, _) in classes.iter().chain(&OTHERS).filter(|(_, class)| self.intersects(*class)) {
            write!(f, "{letter}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_shown_as_redis_shows_them() {
        // Each line was tried with Redis 7.0.
        for (given, shown) in [
            ("", ""),
            ("KEA", "AKE"),
            ("KEg$lshzxet", "g$lshzxetKE"),
            ("g$lshzxetd", "A"),
            ("g$lshzxe", "g$lshzxe"),
            ("AKEn", "AKE"),
            ("AKEmn", "AKEm"),
            ("nmKE$g", "g$nKEm"),
            ("Kx", "xK"),
            ("AA", "A"),
            ("tdK", "tdK"),
        ] {
            assert_eq!(EventClasses::parse(given).unwrap().to_string(), shown, "{given}");
        }
    }

    #[test]
    fn a_letter_that_stands_for_nothing_is_refused() {
        for letters in ["KEy", "KE A", "a", "KEA\n", "k"] {
            assert_eq!(EventClasses::parse(letters), None, "{letters}");
        }
    }

    #[test]
    fn what_is_shown_is_read_as_the_same() {
        for (letter, _) in CLASSES.iter().chain(&OTHERS) {
            let classes = EventClasses::parse(&letter.to_string()).unwrap();
            assert_eq!(EventClasses::parse(&classes.to_string()), Some(classes));
            assert_ne!(classes, EventClasses::default());
        }
    }
}
