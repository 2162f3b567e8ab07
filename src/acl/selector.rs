//! A set of rights that are given together: commands, the keys that they may touch, and channels.
//!
//! What a request is held against is worked out when the rules are given: a bit for each row of the command table,
//! and lists of patterns. The rules on commands are kept beside that as they were given, in their order: that is how
//! ACL LIST shows them.

use super::catalogue::{self, Catalogue};
use super::foreign;
use crate::glob::{self, Case};
use crate::reply::RuleProblem;

/// What is done to a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access {
    /// What it holds is returned, or copied.
    pub reads: bool,
    /// What it holds is changed.
    pub writes: bool,
}

impl Access {
    /// Neither: its type or its size is looked at, or whether something is there.
    pub const NONE: Self = Self { reads: false, writes: false };
    /// It is read.
    pub const READ: Self = Self { reads: true, writes: false };
    /// It is written.
    pub const WRITE: Self = Self { reads: false, writes: true };
    /// Both.
    pub const ALL: Self = Self { reads: true, writes: true };

    fn includes(self, other: Self) -> bool {
        (self.reads || !other.reads) && (self.writes || !other.writes)
    }

    /// Either.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self { reads: self.reads || other.reads, writes: self.writes || other.writes }
    }
}

/// Keys that may be touched, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
struct KeyPattern {
    pattern: Box<[u8]>,
    access: Access,
}

/// A rule on commands: `+get`, `-@admin`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct CommandRule {
    allows: bool,
    /// In lower case. As in Redis, a first argument as well.
    name: Box<[u8]>,
}

/// Rights that are given together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selector {
    /// A bit for each row of the command table.
    allowed: Box<[u64]>,
    /// Whether these are all.
    allows_all: bool,
    /// First arguments with which a command is allowed that is not otherwise, by its row.
    first_arguments: Vec<(usize, Box<[u8]>)>,
    /// Whether the rules start from all commands, or from none.
    starts_from_all: bool,
    rules: Vec<CommandRule>,
    keys: Allowed<KeyPattern>,
    channels: Allowed<Box<[u8]>>,
}

/// What is allowed of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Allowed<T> {
    All,
    /// What one of these patterns matches.
    Those(Vec<T>),
}

impl<T> Allowed<T> {
    const NONE: Self = Self::Those(Vec::new());

    fn is_all(&self) -> bool {
        matches!(self, Self::All)
    }

    fn patterns(&self) -> &[T] {
        match self {
            Self::All => &[],
            Self::Those(patterns) => patterns,
        }
    }
}

const WORD_BITS: usize = u64::BITS as usize;

impl Selector {
    /// No rights at all.
    pub(super) fn none(catalogue: &Catalogue) -> Self {
        Self {
            allowed: vec![0; catalogue.len().div_ceil(WORD_BITS)].into(),
            allows_all: false,
            first_arguments: Vec::new(),
            starts_from_all: false,
            rules: Vec::new(),
            keys: Allowed::NONE,
            channels: Allowed::NONE,
        }
    }

    /// Whether nothing is denied.
    #[must_use]
    pub fn allows_everything(&self) -> bool {
        self.allows_all && self.keys.is_all() && self.channels.is_all()
    }

    /// Whether the command of this row of the table may be executed with this first argument.
    #[must_use]
    pub fn allows_command(&self, row: usize, first_argument: Option<&[u8]>) -> bool {
        self.is_allowed(row)
            || self.first_arguments.iter().any(|(at, allowed)| {
                *at == row && first_argument.is_some_and(|given| given.eq_ignore_ascii_case(allowed))
            })
    }

    /// Whether any key may be touched in any way.
    #[must_use]
    pub fn allows_all_keys(&self) -> bool {
        self.keys.is_all()
    }

    /// Whether this may be done to the key.
    #[must_use]
    pub fn allows_key(&self, key: &[u8], access: Access) -> bool {
        let allows = |known: &KeyPattern| {
            known.access.includes(access) && glob::matches(&known.pattern, key, Case::Sensitive)
        };
        self.keys.is_all() || self.keys.patterns().iter().any(allows)
    }

    /// Whether any channel is allowed.
    #[must_use]
    pub fn allows_all_channels(&self) -> bool {
        self.channels.is_all()
    }

    /// Whether messages may be sent to this channel, and received from it; or the channels of this pattern be subscribed
    /// to, which the rules must have letter by letter.
    #[must_use]
    pub fn allows_channel(&self, name: &[u8], is_pattern: bool) -> bool {
        let allows = |known: &[u8]| {
            if is_pattern { known == name } else { glob::matches(known, name, Case::Sensitive) }
        };
        self.channels.is_all() || self.channels.patterns().iter().any(|known| allows(known))
    }

    fn is_allowed(&self, row: usize) -> bool {
        self.allowed[row / WORD_BITS] >> (row % WORD_BITS) & 1 != 0
    }

    /// Applies one rule.
    pub(super) fn apply(&mut self, rule: &[u8], catalogue: &Catalogue) -> Result<(), RuleProblem> {
        let is = |word: &str| rule.eq_ignore_ascii_case(word.as_bytes());
        match rule {
            b"~*" => self.keys = Allowed::All,
            _ if is("allkeys") => self.keys = Allowed::All,
            _ if is("resetkeys") => self.keys = Allowed::NONE,
            b"&*" => self.channels = Allowed::All,
            _ if is("allchannels") => self.channels = Allowed::All,
            _ if is("resetchannels") => self.channels = Allowed::NONE,
            _ if is("allcommands") || is("+@all") => self.set_all_commands(true, catalogue),
            _ if is("nocommands") || is("-@all") => self.set_all_commands(false, catalogue),
            [b'~', pattern @ ..] => self.add_keys(pattern, Access::ALL)?,
            [b'%', rest @ ..] => self.add_keys_with_access(rest)?,
            [b'&', pattern @ ..] => self.add_channels(pattern)?,
            [sign @ (b'+' | b'-'), b'@', ..] => self.apply_category(*sign == b'+', &rule[1..], catalogue)?,
            [b'+', name @ ..] => self.allow_command(name, catalogue)?,
            [b'-', name @ ..] => self.deny_command(name, catalogue)?,
            _ => return Err(RuleProblem::Syntax),
        }
        Ok(())
    }

    fn set_all_commands(&mut self, all: bool, catalogue: &Catalogue) {
        (0..catalogue.len()).for_each(|row| self.set_bit(row, all));
        (self.starts_from_all, self.allows_all) = (all, all);
        self.first_arguments.clear();
        self.rules.clear();
    }

    /// `R~pattern`, `W~pattern` or `RW~pattern`.
    fn add_keys_with_access(&mut self, rule: &[u8]) -> Result<(), RuleProblem> {
        let tilde = rule.iter().position(|&byte| byte == b'~').unwrap_or(rule.len());
        let (letters, pattern) = rule.split_at(tilde);
        let mut access = Access::NONE;
        for letter in letters {
            match letter.to_ascii_uppercase() {
                b'R' if !access.reads => access.reads = true,
                b'W' if !access.writes => access.writes = true,
                _ => access = Access::NONE,
            }
            if access == Access::NONE {
                break;
            }
        }
        // That all keys are allowed is what Redis says first.
        if !self.keys.is_all() && (access == Access::NONE || pattern.is_empty()) {
            return Err(RuleProblem::Syntax);
        }
        self.add_keys(pattern.get(1..).unwrap_or_default(), access)
    }

    fn add_keys(&mut self, pattern: &[u8], access: Access) -> Result<(), RuleProblem> {
        let Allowed::Those(keys) = &mut self.keys else { return Err(RuleProblem::AllKeys) };
        check_no_spaces(pattern)?;
        match keys.iter_mut().find(|known| *known.pattern == *pattern) {
            Some(known) => known.access = known.access.with(access),
            None => keys.push(KeyPattern { pattern: pattern.into(), access }),
        }
        // It is shown like that, too.
        if keys.iter().any(|known| *known.pattern == *b"*" && known.access == Access::ALL) {
            self.keys = Allowed::All;
        }
        Ok(())
    }

    fn add_channels(&mut self, pattern: &[u8]) -> Result<(), RuleProblem> {
        let Allowed::Those(channels) = &mut self.channels else { return Err(RuleProblem::AllChannels) };
        check_no_spaces(pattern)?;
        if !channels.iter().any(|known| **known == *pattern) {
            channels.push(pattern.into());
        }
        Ok(())
    }

    fn apply_category(
        &mut self,
        allows: bool,
        name: &[u8],
        catalogue: &Catalogue,
    ) -> Result<(), RuleProblem> {
        let category = catalogue::category(name).ok_or(RuleProblem::Unknown)?;
        catalogue.in_category(category).for_each(|row| self.change(row, allows, catalogue));
        self.note_rule(allows, category.as_bytes());
        self.note_whether_all(catalogue);
        Ok(())
    }

    /// `get`, `config`, `config|get`, or a command without subcommands and its first argument.
    fn allow_command(&mut self, name: &[u8], catalogue: &Catalogue) -> Result<(), RuleProblem> {
        if let Some(row) = catalogue.find(name) {
            self.change_command(row, true, catalogue);
            return Ok(());
        }
        if let Some(foreign) = foreign::command(name) {
            self.note_rule(true, foreign.as_bytes());
            return Ok(());
        }
        self.allow_first_argument(name, catalogue)
    }

    /// `select|0`. Of a command that only Redis has, the rule is kept, and gives nothing.
    fn allow_first_argument(&mut self, rule: &[u8], catalogue: &Catalogue) -> Result<(), RuleProblem> {
        let bar = rule.iter().rposition(|&byte| byte == b'|').ok_or(RuleProblem::Unknown)?;
        let (command, argument) = (&rule[..bar], &rule[bar + 1..]);
        let row = catalogue.find(command);
        let (command, has_subcommands) = match (row, foreign::command(command)) {
            (Some(row), _) => (catalogue.row(row).name, catalogue.row(row).subcommands > 0),
            (None, Some(foreign)) => (foreign, foreign::has_subcommands(foreign)),
            (None, None) => return Err(RuleProblem::Unknown),
        };
        if command.contains('|') {
            return Err(RuleProblem::FirstArgumentOfSubcommand);
        }
        check_no_spaces(argument)?;
        if argument.is_empty() {
            return Err(RuleProblem::Syntax);
        }
        if has_subcommands {
            return Err(RuleProblem::Unknown);
        }
        let given = row.map(|row| (row, argument.to_ascii_lowercase().into_boxed_slice()));
        if let Some(given) = given.filter(|given| !self.first_arguments.contains(given)) {
            self.first_arguments.push(given);
        }
        self.note_rule(true, &rule.to_ascii_lowercase());
        Ok(())
    }

    fn deny_command(&mut self, name: &[u8], catalogue: &Catalogue) -> Result<(), RuleProblem> {
        match (catalogue.find(name), foreign::command(name)) {
            (Some(row), _) => self.change_command(row, false, catalogue),
            (None, Some(foreign)) => self.note_rule(false, foreign.as_bytes()),
            (None, None) => return Err(RuleProblem::Unknown),
        }
        Ok(())
    }

    fn change_command(&mut self, row: usize, allows: bool, catalogue: &Catalogue) {
        self.change(row, allows, catalogue);
        self.note_rule(allows, catalogue.row(row).name.as_bytes());
        self.note_whether_all(catalogue);
    }

    /// Allows or denies a command with all its subcommands.
    fn change(&mut self, row: usize, allows: bool, catalogue: &Catalogue) {
        (row..=row + catalogue.row(row).subcommands).for_each(|row| self.set_bit(row, allows));
        self.first_arguments.retain(|(at, _)| *at != row);
    }

    fn set_bit(&mut self, row: usize, allowed: bool) {
        let (word, bit) = (&mut self.allowed[row / WORD_BITS], 1 << (row % WORD_BITS));
        if allowed {
            *word |= bit;
        } else {
            *word &= !bit;
        }
    }

    fn note_whether_all(&mut self, catalogue: &Catalogue) {
        self.allows_all = self.starts_from_all && (0..catalogue.len()).all(|row| self.is_allowed(row));
    }

    /// Keeps a rule behind the others, without those that it makes void: the same on a command or a category, and those
    /// on the command's subcommands and first arguments.
    fn note_rule(&mut self, allows: bool, name: &[u8]) {
        self.rules.retain(|rule| match rule.name.strip_prefix(name) {
            Some(rest) => !rest.is_empty() && rest[0] != b'|',
            None => true,
        });
        self.rules.push(CommandRule { allows, name: name.into() });
    }

    /// The rules on keys, as ACL GETUSER shows them: `~a %R~b`.
    #[must_use]
    pub fn describe_keys(&self) -> Vec<u8> {
        let sign = |access| match access {
            Access { reads: true, writes: true } => &b"~"[..],
            Access { reads: true, .. } => b"%R~",
            _ => b"%W~",
        };
        let rule = |key: &KeyPattern| [sign(key.access), &key.pattern].concat();
        match &self.keys {
            Allowed::All => b"~*".into(),
            Allowed::Those(keys) => keys.iter().map(rule).collect::<Vec<_>>().join(&b' '),
        }
    }

    /// The rules on channels: `&a &b`.
    #[must_use]
    pub fn describe_channels(&self) -> Vec<u8> {
        let rule = |channel: &[u8]| [b"&", channel].concat();
        match &self.channels {
            Allowed::All => b"&*".into(),
            Allowed::Those(channels) => {
                channels.iter().map(|channel| rule(channel)).collect::<Vec<_>>().join(&b' ')
            }
        }
    }

    /// The rules on commands: `-@all +@read -get`.
    #[must_use]
    pub fn describe_commands(&self) -> Vec<u8> {
        let start = if self.starts_from_all { b"+@all".to_vec() } else { b"-@all".to_vec() };
        let rule = |rule: &CommandRule| [if rule.allows { b"+" } else { b"-" }, &*rule.name].concat();
        std::iter::once(start).chain(self.rules.iter().map(rule)).collect::<Vec<_>>().join(&b' ')
    }

    /// The words that make it out of nothing.
    pub(super) fn describe(&self) -> Vec<u8> {
        let channels = match self.describe_channels() {
            all if self.channels.is_all() => all,
            // A channel of Redis is allowed unless the rules begin by denying all, or `acl-pubsub-default` does.
            some => [b"resetchannels".to_vec(), some].join(&b' ').trim_ascii_end().to_vec(),
        };
        let parts = [self.describe_keys(), channels, self.describe_commands()];
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(&b' ')
    }

    /// About how many bytes its rules take.
    pub(super) fn bytes(&self) -> usize {
        let keys = self.keys.patterns().iter().map(|key| size_of::<KeyPattern>() + key.pattern.len());
        let channels = self.channels.patterns().iter().map(|channel| size_of::<Box<[u8]>>() + channel.len());
        let rules = self.rules.iter().map(|rule| size_of::<CommandRule>() + 2 * rule.name.len());
        size_of::<Self>() + keys.chain(channels).chain(rules).sum::<usize>()
    }
}

/// A rule is a word, in a file too.
fn check_no_spaces(text: &[u8]) -> Result<(), RuleProblem> {
    if super::has_spaces(text) { Err(RuleProblem::Syntax) } else { Ok(()) }
}
