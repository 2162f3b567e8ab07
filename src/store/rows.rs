//! The rows of the journal that say what is in memory, and nothing else: one for each key, and one for each member.

use std::iter::Sum;
use std::ops::{Add, Sub};

/// What a row takes beside the names and the string in it, about.
pub const ROW_BYTES: usize = 16;

/// Rows of the journal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rows {
    /// How many there are.
    pub count: usize,
    /// What they take, about.
    pub bytes: usize,
}

impl Rows {
    /// None.
    pub(super) const NONE: Self = Self { count: 0, bytes: 0 };
}

impl Add for Rows {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { count: self.count + other.count, bytes: self.bytes + other.bytes }
    }
}

impl Sub for Rows {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self { count: self.count - other.count, bytes: self.bytes - other.bytes }
    }
}

impl Sum for Rows {
    fn sum<I: Iterator<Item = Self>>(each: I) -> Self {
        each.fold(Self::NONE, Add::add)
    }
}
