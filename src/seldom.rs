//! Lines of the log that clients cause, and could cause without end.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Instant;

use crate::limits::REPEATED_LOG;

/// One kind of line, which is written once in [`REPEATED_LOG`] at most.
#[derive(Debug, Default)]
pub struct Seldom(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    last: Option<Instant>,
    /// Lines that were not written since.
    left_out: u64,
}

impl Seldom {
    /// Whether a line may be written now: if so, how many were left out before it.
    pub fn may_log(&self, now: Instant) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.last.is_some_and(|last| now.saturating_duration_since(last) < REPEATED_LOG) {
            state.left_out += 1;
            return None;
        }
        state.last = Some(now);
        Some(std::mem::take(&mut state.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_written_once_in_a_while_and_says_how_many_were_not() {
        let (seldom, start) = (Seldom::default(), Instant::now());
        assert_eq!(seldom.may_log(start), Some(0));
        assert_eq!(seldom.may_log(start), None);
        assert_eq!(seldom.may_log(start + REPEATED_LOG / 2), None);
        assert_eq!(seldom.may_log(start + REPEATED_LOG), Some(2));
        assert_eq!(seldom.may_log(start + REPEATED_LOG), None);
    }
}
