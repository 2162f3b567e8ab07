//! Glob patterns as KEYS, SCAN, CONFIG GET and PSUBSCRIBE take them, on bytes.
//!
//! `*` stands for any run of bytes, `?` for one, `[a-z]` for one of those, `[^a-z]` for one of the others;
//! behind `\` a byte stands for itself, within brackets too.

/// Whether letters of both cases count as the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Case {
    /// They don't: keys and members.
    Sensitive,
    /// In ASCII they do: names of commands and parameters.
    Insensitive,
}

/// Whether `pattern` matches the whole of `text`.
///
/// The time is bounded by the product of both lengths: where a match fails, only the last `*` is tried again,
/// with one byte more. Whatever stands between two stars is best placed as early as it fits, so that to try
/// an earlier star again would never help.
#[must_use]
pub fn matches(pattern: &[u8], text: &[u8], case: Case) -> bool {
    let (mut rest, mut at) = (pattern, 0);
    let mut last_star: Option<(&[u8], usize)> = None;
    while let Some(&byte) = text.get(at) {
        if let [b'*', behind @ ..] = rest {
            rest = behind;
            last_star = Some((behind, at));
        } else if let Some(behind) = match_one(rest, byte, case) {
            rest = behind;
            at += 1;
        } else if let Some((behind, from)) = last_star {
            rest = behind;
            at = from + 1;
            last_star = Some((behind, at));
        } else {
            return false;
        }
    }
    rest.iter().all(|&element| element == b'*')
}

/// Matches the pattern's first element, not a star, against one byte: what stands behind it, if it fits.
fn match_one(pattern: &[u8], byte: u8, case: Case) -> Option<&[u8]> {
    let (&first, behind) = pattern.split_first()?;
    let (fits, behind) = match (first, behind) {
        (b'?', _) => (true, behind),
        (b'[', _) => match_class(behind, byte, case),
        (b'\\', [escaped, behind @ ..]) => (is_same(*escaped, byte, case), behind),
        _ => (is_same(first, byte, case), behind),
    };
    fits.then_some(behind)
}

/// Matches a class, from behind its `[`, against one byte; also what stands behind the class. As in Redis,
/// one that isn't closed ends with the pattern.
fn match_class(pattern: &[u8], byte: u8, case: Case) -> (bool, &[u8]) {
    let (negated, mut rest) = match pattern {
        [b'^', rest @ ..] => (true, rest),
        _ => (false, pattern),
    };
    let mut found = false;
    loop {
        rest = match rest {
            [] => return (found != negated, rest),
            [b']', behind @ ..] => return (found != negated, behind),
            [b'\\', escaped, behind @ ..] => {
                found |= is_same(*escaped, byte, case);
                behind
            }
            [from, b'-', to, behind @ ..] => {
                found |= is_within(*from, *to, byte, case);
                behind
            }
            [single, behind @ ..] => {
                found |= is_same(*single, byte, case);
                behind
            }
        };
    }
}

fn is_same(wanted: u8, byte: u8, case: Case) -> bool {
    fold(wanted, case) == fold(byte, case)
}

/// As in Redis, a range may be given backwards.
fn is_within(from: u8, to: u8, byte: u8, case: Case) -> bool {
    let (low, high) = (from.min(to), from.max(to));
    (fold(low, case)..=fold(high, case)).contains(&fold(byte, case))
}

fn fold(byte: u8, case: Case) -> u8 {
    match case {
        Case::Sensitive => byte,
        Case::Insensitive => byte.to_ascii_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn patterns_match_what_redis_says_they_do() {
        // Each line was asked of Redis 7.0.
        let expectations: &[(&str, &str, bool)] = &[
            ("", "", true),
            ("", "*", true),
            ("", "?", false),
            ("", "[^]", false),
            ("x", "", false),
            ("a", "a**", true),
            ("ab", "*a*b*", true),
            ("a", "a[*", false),
            ("a", "\\", false),
            ("\\", "\\", true),
            ("a\\", "a\\", true),
            ("a", "[a", true),
            ("a", "[^a", false),
            ("]", "[]a]", false),
            ("]", "[\\]]", true),
            ("a", "[^]", true),
            ("a]", "[^]]", true),
            ("^", "[a^]", true),
            ("b", "[c-a]", true),
            ("-", "[-]", true),
            ("-", "[---]", true),
            ("-", "[a-]", false),
            ("a", "[a-]", true),
            ("]", "[a-]]", true),
            ("b]", "[a-]]", false),
            ("b", "[a-\\]]", false),
            ("\\", "[\\", true),
            ("[", "[\\", false),
            ("b", "[\\a-z]", false),
        ];
        for &(text, pattern, expected) in expectations {
            let found = matches(pattern.as_bytes(), text.as_bytes(), Case::Sensitive);
            assert_eq!(found, expected, "{text} against {pattern}");
        }
    }

    #[test]
    fn letters_of_both_cases_are_the_same_only_if_asked_for() {
        for pattern in [&b"PORT"[..], b"p[N-P]r?", b"*\\T"] {
            assert!(matches(pattern, b"port", Case::Insensitive));
            assert!(!matches(pattern, b"port", Case::Sensitive));
        }
    }

    #[test]
    fn many_stars_cost_no_more_than_the_product_of_both_lengths() {
        let text = vec![b'a'; 10_000];
        let pattern = [&b"*a".repeat(500)[..], b"b"].concat();
        let start = Instant::now();
        assert!(!matches(&pattern, &text, Case::Sensitive));
        assert!(start.elapsed() < Duration::from_secs(5));
    }

    /// The definition, by trying everything.
    fn matches_naively(pattern: &[u8], text: &[u8]) -> bool {
        match (pattern, text) {
            ([], _) => text.is_empty(),
            ([b'*', rest @ ..], _) => (0..=text.len()).any(|from| matches_naively(rest, &text[from..])),
            (_, []) => false,
            (_, [byte, behind @ ..]) => {
                match_one(pattern, *byte, Case::Sensitive).is_some_and(|rest| matches_naively(rest, behind))
            }
        }
    }

    proptest! {
        #[test]
        fn trying_the_last_star_alone_finds_every_match(
            pattern in "[ab*?\\[\\]^\\\\-]{0,10}",
            text in "[ab]{0,10}",
        ) {
            let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
            prop_assert_eq!(matches(pattern, text, Case::Sensitive), matches_naively(pattern, text));
        }
    }
}
