//! What compaction has still to write again.
//!
//! Compaction goes around the journal in laps: from the first row on, it writes again what a row says that is still so,
//! and takes the row away. What has changed since the lap began needs no such care: the change is a row further on. So
//! each key and each member knows in one bit whether its latest row was written in the lap under way; what is *behind*
//! has its latest row among those that the lap began with.
//!
//! The bit is the sign of the word that says when the entry ends, or has its place in the head of a packed one
//! ([`super::entry`]); it takes no room.

use crate::expiry::Expiry;

/// The lap under way, or that in which something was written: this one or the one before.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lap(bool);

impl Lap {
    pub(super) fn new(is_odd: bool) -> Self {
        Self(is_odd)
    }

    pub(super) fn is_odd(self) -> bool {
        self.0
    }

    /// The next lap.
    pub(super) fn next(self) -> Self {
        Self(!self.0)
    }
}

/// When an entry ends, and in which lap its latest row was written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stamp(i64);

impl Stamp {
    pub(super) fn new(expiry: Expiry, Lap(is_odd): Lap) -> Self {
        // What ended in 1970 or before is as good as ended then.
        let end = expiry.to_raw().max(0);
        Self(if is_odd { !end } else { end })
    }

    /// What is held.
    pub(super) fn to_raw(self) -> i64 {
        self.0
    }

    /// The stamp of which this is held.
    pub(super) fn from_raw(raw: i64) -> Self {
        Self(raw)
    }

    pub(crate) fn expiry(self) -> Expiry {
        Expiry::from_raw(if self.0 < 0 { !self.0 } else { self.0 })
    }

    pub(super) fn lap(self) -> Lap {
        Lap(self.0 < 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_gives_back_the_end_and_the_lap() {
        for expiry in
            [Expiry::at_ms(1), Expiry::at_ms(1_800_000_000_000), Expiry::at_ms(i64::MAX), Expiry::NEVER]
        {
            for lap in [Lap::default(), Lap::default().next()] {
                let stamp = Stamp::new(expiry, lap);
                assert_eq!((stamp.expiry(), stamp.lap()), (expiry, lap));
            }
        }
        assert_eq!(Lap::default().next().next(), Lap::default());
    }

    #[test]
    fn what_ended_before_all_time_has_ended() {
        assert!(Stamp::new(Expiry::at_ms(i64::MIN), Lap::default()).expiry().is_due(1));
    }
}
