//! A user: its name, its passwords, and what it may do; made of rules, and described by them.

use std::sync::Arc;

use super::catalogue::Catalogue;
use super::has_spaces;
use super::password::Digest;
use super::selector::Selector;
use crate::limits::USER_BYTES;
use crate::reply::RuleProblem;

/// One user. It does not change: whoever changes it puts another one, with the same id, in its place.
#[derive(Debug, Clone)]
pub struct User {
    /// Never given out twice: a user of the same name that is made anew is another one.
    id: u64,
    name: Box<[u8]>,
    /// The name for people.
    shown: Arc<str>,
    rules: Rules,
}

impl User {
    pub(super) fn new(id: u64, name: &[u8], rules: Rules) -> Self {
        Self { id, name: name.into(), shown: String::from_utf8_lossy(name).into(), rules }
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// The name for people.
    #[must_use]
    pub fn shown_name(&self) -> &Arc<str> {
        &self.shown
    }

    /// Whether this is another state of the same user.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        self.id == other.id
    }

    pub(super) fn id(&self) -> u64 {
        self.id
    }

    /// What it may do, and how it logs in.
    #[must_use]
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// The line that stands for it in ACL LIST and in a file.
    #[must_use]
    pub fn describe(&self) -> Vec<u8> {
        [&b"user "[..], &self.describe_without_keyword()].concat()
    }

    /// The same as the configuration has it: behind the keyword.
    pub(super) fn describe_without_keyword(&self) -> Vec<u8> {
        [&self.name, &b" "[..], &self.rules.describe()].concat()
    }
}

/// What a user may do, and how it logs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    is_on: bool,
    /// Whether any password is right.
    needs_no_password: bool,
    passwords: Vec<Digest>,
    /// Each gives rights on its own. The first is the user's own, the others stand in parentheses.
    selectors: Vec<Selector>,
}

impl Rules {
    /// Those of a user that was just made: it is off, and may do nothing.
    pub(super) fn none(catalogue: &Catalogue) -> Self {
        Self {
            is_on: false,
            needs_no_password: false,
            passwords: Vec::new(),
            selectors: vec![Selector::none(catalogue)],
        }
    }

    /// Those of the default user, as long as nobody has said anything else.
    pub(super) fn all(catalogue: &Catalogue) -> Self {
        let mut rules = Self::none(catalogue);
        for rule in ["on", "nopass", "~*", "&*", "+@all"] {
            // All of them are rules.
            let _ = rules.apply(rule.as_bytes(), catalogue);
        }
        rules
    }

    /// Whether it can log in.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.is_on
    }

    /// Whether whoever connects is this user, if it is the default one.
    #[must_use]
    pub fn are_open(&self) -> bool {
        self.is_on && self.needs_no_password
    }

    /// Whether any password is right.
    #[must_use]
    pub fn needs_no_password(&self) -> bool {
        self.needs_no_password
    }

    /// The passwords that are right.
    #[must_use]
    pub fn passwords(&self) -> &[Digest] {
        &self.passwords
    }

    /// Rights, each of which is enough.
    #[must_use]
    pub fn selectors(&self) -> &[Selector] {
        &self.selectors
    }

    /// Whether nothing is denied.
    #[must_use]
    pub fn allow_everything(&self) -> bool {
        self.selectors.iter().any(Selector::allows_everything)
    }

    /// Whether a channel, or a pattern of channels, may be subscribed to.
    #[must_use]
    pub fn allow_subscription(&self, name: &[u8], is_pattern: bool) -> bool {
        self.selectors.iter().any(|selector| selector.allows_channel(name, is_pattern))
    }

    /// Whether it is on, and this is its password.
    pub(super) fn let_in(&self, password: Digest) -> bool {
        let is_right = password.is_among(&self.passwords);
        self.is_on && (self.needs_no_password || is_right)
    }

    /// Applies rules in order. What was applied before a wrong one is applied.
    pub(super) fn apply_all<'a>(
        &mut self,
        rules: &'a [Vec<u8>],
        catalogue: &Catalogue,
    ) -> Result<(), (&'a [u8], RuleProblem)> {
        for rule in rules {
            self.apply(rule, catalogue).map_err(|problem| (&rule[..], problem))?;
        }
        Ok(())
    }

    fn apply(&mut self, rule: &[u8], catalogue: &Catalogue) -> Result<(), RuleProblem> {
        let is = |word: &str| rule.eq_ignore_ascii_case(word.as_bytes());
        match rule {
            [] => {}
            _ if is("on") => self.is_on = true,
            _ if is("off") => self.is_on = false,
            _ if is("nopass") => (self.needs_no_password, self.passwords) = (true, Vec::new()),
            _ if is("resetpass") => (self.needs_no_password, self.passwords) = (false, Vec::new()),
            // Nothing is ever taken from a dump here.
            _ if is("sanitize-payload") || is("skip-sanitize-payload") => {}
            _ if is("clearselectors") => self.selectors.truncate(1),
            _ if is("reset") => *self = Self::none(catalogue),
            [b'>', password @ ..] => self.add_password(Digest::of(password)),
            [b'#', digits @ ..] => {
                self.add_password(Digest::parse(digits).ok_or(RuleProblem::InvalidHash)?);
            }
            [b'<', password @ ..] => self.remove_password(Digest::of(password))?,
            [b'!', digits @ ..] => {
                self.remove_password(Digest::parse(digits).ok_or(RuleProblem::InvalidHash)?)?;
            }
            [b'(', inside @ .., b')'] => self.selectors.push(parse_selector(inside, catalogue)?),
            _ => self.selectors[0].apply(rule, catalogue)?,
        }
        if self.bytes() > USER_BYTES { Err(RuleProblem::TooLong) } else { Ok(()) }
    }

    fn add_password(&mut self, digest: Digest) {
        if !digest.is_among(&self.passwords) {
            self.passwords.push(digest);
        }
        self.needs_no_password = false;
    }

    /// The same with this password, or with any.
    pub(super) fn with_password(mut self, password: Option<Digest>) -> Self {
        self.needs_no_password = password.is_none();
        self.passwords = password.into_iter().collect();
        self
    }

    fn remove_password(&mut self, digest: Digest) -> Result<(), RuleProblem> {
        let place = self.passwords.iter().position(|known| *known == digest);
        self.passwords.remove(place.ok_or(RuleProblem::NoSuchPassword)?);
        Ok(())
    }

    /// The words that make it out of nothing.
    fn describe(&self) -> Vec<u8> {
        let mut words = vec![if self.is_on { b"on".to_vec() } else { b"off".to_vec() }];
        if self.needs_no_password {
            words.push(b"nopass".to_vec());
        }
        words.extend(self.passwords.iter().map(|password| format!("#{password}").into_bytes()));
        for (place, selector) in self.selectors.iter().enumerate() {
            let rules = selector.describe();
            words.push(if place == 0 { rules } else { [b"(", &rules[..], b")"].concat() });
        }
        words.join(&b' ')
    }

    fn bytes(&self) -> usize {
        let selectors = self.selectors.iter().map(Selector::bytes).sum::<usize>();
        selectors + self.passwords.len() * size_of::<Digest>()
    }
}

/// The rights that stand between parentheses.
fn parse_selector(inside: &[u8], catalogue: &Catalogue) -> Result<Selector, RuleProblem> {
    let mut selector = Selector::none(catalogue);
    for rule in words(inside) {
        // It would be taken for the end when it is read again.
        if rule.ends_with(b")") {
            return Err(RuleProblem::Syntax);
        }
        selector.apply(rule, catalogue)?;
    }
    Ok(selector)
}

/// A user as one line has it: `issuer on #... ~revoked +sadd`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    pub(super) name: &'a [u8],
    pub(super) rules: Vec<Vec<u8>>,
}

impl<'a> Line<'a> {
    /// Takes a line apart; where a parenthesis isn't closed, the word that opens it is the error.
    pub(super) fn parse(line: &'a [u8]) -> Result<Self, &'a [u8]> {
        let mut words = words(line);
        let name = words.next().unwrap_or_default();
        Ok(Self { name, rules: merge_selectors(words)? })
    }
}

/// Rules of which those in parentheses may be split into several words; each is one again behind this. Where one isn't
/// closed, its first word is the error.
pub(super) fn merge_selectors<'a>(words: impl Iterator<Item = &'a [u8]>) -> Result<Vec<Vec<u8>>, &'a [u8]> {
    let mut rules: Vec<Vec<u8>> = Vec::new();
    let mut open: Option<&[u8]> = None;
    for word in words {
        match rules.last_mut() {
            Some(rule) if open.is_some() => {
                rule.push(b' ');
                rule.extend_from_slice(word);
            }
            _ => {
                rules.push(word.to_vec());
                open = word.starts_with(b"(").then_some(word);
            }
        }
        open = open.filter(|_| !word.ends_with(b")"));
    }
    match open {
        Some(word) => Err(word),
        None => Ok(rules),
    }
}

fn words(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty())
}

/// Whether this can be a user's name.
pub(super) fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && !has_spaces(name)
}
