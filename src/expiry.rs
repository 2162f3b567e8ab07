//! When a key or a member ends.

/// A moment in milliseconds since 1970, or never. The later is the greater, and never the greatest.
///
/// What is held is one less than the moment, so that the last millisecond that there is can be told from never; the
/// first, long past, becomes the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Expiry(i64);

impl Expiry {
    /// It never ends.
    pub const NEVER: Self = Self(i64::MAX);

    /// It ends at this millisecond: then it is gone.
    #[must_use]
    pub const fn at_ms(ms: i64) -> Self {
        Self(ms.saturating_sub(1))
    }

    /// The millisecond at which it ends, if it does.
    #[must_use]
    pub fn ms(self) -> Option<i64> {
        (self != Self::NEVER).then(|| self.0 + 1)
    }

    /// What is held: the last millisecond at which it is still there. The later end is the greater.
    pub(crate) const fn to_raw(self) -> i64 {
        self.0
    }

    /// The expiry of which this is held.
    pub(crate) const fn from_raw(raw: i64) -> Self {
        Self(raw)
    }

    /// Whether the end has come.
    #[must_use]
    pub fn is_due(self, now_ms: i64) -> bool {
        self.0 < now_ms
    }
}

/// What may end. The tables of the store keep track of what ends next.
pub trait Expires {
    /// When this, or a part of it, ends at the earliest.
    fn earliest(&self) -> Expiry;

    /// Whether that is the end of all of it.
    fn ends_whole(&self) -> bool;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_gone_at_its_millisecond() {
        assert!(!Expiry::at_ms(10).is_due(9));
        assert!(Expiry::at_ms(10).is_due(10));
        assert!(!Expiry::NEVER.is_due(i64::MAX));
    }

    #[test]
    fn no_end_is_the_latest() {
        assert!(Expiry::NEVER > Expiry::at_ms(i64::MAX - 1));
        assert_eq!(Expiry::NEVER.ms(), None);
        assert_eq!(Expiry::at_ms(-5).ms(), Some(-5));
        assert_eq!(Expiry::at_ms(i64::MAX).ms(), Some(i64::MAX));
        assert!(Expiry::at_ms(i64::MAX) < Expiry::NEVER);
    }
}
