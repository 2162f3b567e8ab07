//! Makes a sequence that fails as short and as plain as it can, so that it still fails.

use std::collections::BTreeSet;

use crate::sequence::{Sequence, Step};

/// Trials that one sequence may cost.
const TRIALS: usize = 4000;

/// Words that stand for anything, the plainest first.
const PLAIN_WORDS: [&[u8]; 6] = [b"a", b"b", b"0", b"1", b"-1", b""];

/// The least that still fails, of what comes from dropping steps and arguments and making words plainer.
pub(crate) fn shrink(sequence: Sequence, fails: impl FnMut(&Sequence) -> bool) -> Sequence {
    let mut shrinking = Shrinking { sequence, fails, trials_left: TRIALS };
    while shrinking.drop_steps() | shrinking.simplify_connections() | shrinking.simplify_words() {}
    shrinking.sequence
}

struct Shrinking<F> {
    /// The least so far that fails.
    sequence: Sequence,
    fails: F,
    trials_left: usize,
}

impl<F: FnMut(&Sequence) -> bool> Shrinking<F> {
    /// Keeps what `change` makes of the sequence if that still fails.
    fn attempt(&mut self, change: impl FnOnce(&mut Sequence)) -> bool {
        let mut changed = self.sequence.clone();
        change(&mut changed);
        if changed == self.sequence || !changed.is_sound() || self.trials_left == 0 {
            return false;
        }
        self.trials_left -= 1;
        let still_fails = (self.fails)(&changed);
        if still_fails {
            self.sequence = changed;
        }
        still_fails
    }

    fn drop_steps(&mut self) -> bool {
        self.drop_runs(0, |sequence| &mut sequence.steps)
    }

    fn drop_words(&mut self, at: usize) -> bool {
        self.drop_runs(1, |sequence| &mut sequence.steps[at].request.0)
    }

    /// Drops runs of what stands in a list behind the first that are `kept`, long runs first.
    fn drop_runs<T>(&mut self, kept: usize, list: impl Fn(&mut Sequence) -> &mut Vec<T>) -> bool {
        let mut has_dropped = false;
        let mut length = list(&mut self.sequence).len() - kept;
        while length > 0 {
            let mut start = kept;
            while start + length <= list(&mut self.sequence).len() {
                if self.attempt(|sequence| drop(list(sequence).drain(start..start + length))) {
                    has_dropped = true;
                } else {
                    start += 1.max(length / 2);
                }
            }
            length = if length > 4 { length / 2 } else { length - 1 };
        }
        has_dropped
    }

    fn simplify_connections(&mut self) -> bool {
        let to_first = |step: &mut Step| step.connection = 0;
        let mut has_simplified = self.attempt(|sequence| sequence.steps.iter_mut().for_each(to_first));
        for at in 0..self.sequence.steps.len() {
            has_simplified |= self.attempt(|sequence| to_first(&mut sequence.steps[at]));
        }
        has_simplified |= self.attempt(|sequence| sequence.protocol = 2);
        has_simplified | self.attempt(|sequence| sequence.is_pipelined = false)
    }

    fn simplify_words(&mut self) -> bool {
        let mut has_simplified = false;
        for at in 0..self.sequence.steps.len() {
            has_simplified |= self.drop_words(at);
        }
        for word in self.words() {
            has_simplified |= self.replace_everywhere(&word);
        }
        for at in 0..self.sequence.steps.len() {
            for place in 0..self.sequence.steps[at].request.0.len() {
                has_simplified |= self.replace(at, place);
            }
        }
        has_simplified
    }

    fn words(&self) -> BTreeSet<Vec<u8>> {
        self.sequence.requests().flat_map(|request| request.0[1..].iter().cloned()).collect()
    }

    fn replace_everywhere(&mut self, word: &[u8]) -> bool {
        plainer(word).into_iter().any(|plain| {
            self.attempt(|sequence| {
                let words = sequence.steps.iter_mut().flat_map(|step| &mut step.request.0[1..]);
                words.filter(|other| *other == word).for_each(|other| other.clone_from(&plain));
            })
        })
    }

    fn replace(&mut self, at: usize, place: usize) -> bool {
        let word = self.sequence.steps[at].request.0[place].clone();
        let plain = if place > 0 { plainer(&word) } else { vec![word.to_ascii_uppercase()] };
        plain
            .into_iter()
            .any(|plain| self.attempt(|sequence| sequence.steps[at].request.0[place].clone_from(&plain)))
    }
}

/// What the word may become. It never comes back from there, or shrinking would not end.
fn plainer(word: &[u8]) -> Vec<Vec<u8>> {
    let rank = PLAIN_WORDS.iter().position(|plain| *plain == word).unwrap_or(PLAIN_WORDS.len());
    let mut plainer: Vec<_> = PLAIN_WORDS[..rank].iter().map(|plain| plain.to_vec()).collect();
    if rank == PLAIN_WORDS.len() {
        plainer.extend([word[..word.len() / 2].to_vec(), word[1..].to_vec()]);
        plainer.extend(word.iter().any(u8::is_ascii_lowercase).then(|| word.to_ascii_uppercase()));
    }
    plainer
}

mod tests {
    use super::shrink;
    use crate::sequence::{Request, Sequence, Step};

    fn sequence(lines: &[&str]) -> Sequence {
        let step = |(at, line): (usize, &&str)| Step {
            connection: at % 2,
            request: Request::of(&line.split(' ').collect::<Vec<_>>()),
        };
        Sequence { protocol: 3, is_pipelined: true, steps: lines.iter().enumerate().map(step).collect() }
    }

    fn lines(sequence: &Sequence) -> Vec<String> {
        sequence.requests().map(ToString::to_string).collect()
    }

    #[test]
    fn what_does_not_matter_is_dropped() {
        let long = sequence(&["PING", "sAdD key m n", "SET x y", "GET x", "SREM key n o", "PING"]);
        let needs_both = |sequence: &Sequence| {
            let names: Vec<_> = sequence.requests().map(Request::name).collect();
            let (add, remove) =
                (names.iter().position(|n| n == "sadd"), names.iter().position(|n| n == "srem"));
            add.is_some() && remove.is_some() && add < remove
        };
        let short = shrink(long, needs_both);
        assert_eq!(lines(&short), ["SADD", "SREM"]);
        assert!(
            short.protocol == 2 && !short.is_pipelined && short.steps.iter().all(|step| step.connection == 0)
        );
    }

    #[test]
    fn what_must_be_the_same_stays_the_same() {
        let moves_onto_itself = |sequence: &Sequence| {
            sequence.requests().any(|request| request.0.len() == 4 && request.0[1] == request.0[2])
        };
        let short = shrink(sequence(&["SADD key 1 2", "SMOVE key key 9999", "PING"]), moves_onto_itself);
        assert_eq!(lines(&short), ["SMOVE a a a"]);
    }

    #[test]
    fn words_become_as_plain_as_they_may() {
        let has_a_long_word = |sequence: &Sequence| {
            sequence.requests().any(|request| request.0.iter().skip(1).any(|word| word.len() > 4))
        };
        let short = shrink(sequence(&["SET k abcdefghijklmnop EX 100"]), has_a_long_word);
        assert_eq!(short.steps[0].request.0[1].len(), 5);
        assert_eq!(short.steps[0].request.0.len(), 2);
    }

    #[test]
    fn long_requests_are_made_short_with_few_trials() {
        let many: Vec<_> = (0..500).map(|number| number.to_string()).collect();
        let mut trials = 0;
        let short = shrink(sequence(&[&format!("SADD k {} x", many.join(" "))]), |sequence| {
            trials += 1;
            sequence.requests().any(|request| request.0.contains(&b"x".to_vec()))
        });
        assert_eq!(lines(&short), ["SADD x"]);
        assert!(trials < 100, "{trials}");
    }

    #[test]
    fn two_connections_stay_where_they_matter() {
        let needs_two =
            |sequence: &Sequence| (0..2).all(|one| sequence.steps.iter().any(|step| step.connection == one));
        assert_eq!(shrink(sequence(&["WATCH k", "SET k v", "EXEC"]), needs_two).steps.len(), 2);
    }

    #[test]
    fn shrinking_ends_even_if_all_fails() {
        assert_eq!(shrink(sequence(&["A b", "C d"]), |_| true).steps, []);
    }
}
