//! What a request touches, held against what its user may do.

use super::introspection::last_argument;
use super::{Command, Flag, KeyUse, Keys, Places};
use crate::acl::{Access, Reason, Selector, User};
use crate::reply::Error;
use crate::request::{Request, parse_integer};

/// What a user may not do. Where each of several selectors denies something else, the greatest is what is said, as in
/// Redis: the one that comes nearest to all being allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Denied {
    /// Execute the command.
    Command,
    /// Touch the key that is this argument, or not so.
    Key(usize),
    /// Use the channel that is this argument.
    Channel(usize),
}

impl Denied {
    /// What kind of thing it is.
    #[must_use]
    pub fn reason(self) -> Reason {
        match self {
            Self::Command => Reason::Command,
            Self::Key(_) => Reason::Key,
            Self::Channel(_) => Reason::Channel,
        }
    }

    /// What the client is answered.
    pub(super) fn error(self, command: Command, user: &User) -> Error {
        match self {
            Self::Command => {
                Error::NoPermission { user: user.shown_name().to_string(), command: command.spec.name }
            }
            Self::Key(_) => Error::NoKeyPermission,
            Self::Channel(_) => Error::NoChannelPermission,
        }
    }

    /// What a client is answered by EXEC, if the command was allowed when it was queued.
    pub(super) fn error_later(self) -> Error {
        Error::NoLongerPermitted(match self {
            Self::Command => "no permission to execute the command or subcommand",
            Self::Key(_) => "no permission to touch the specified keys",
            Self::Channel(_) => {
                "no permission to access one of the channels used as arguments to the command"
            }
        })
    }

    /// What it is: the command's full name, the key, or the channel.
    pub(super) fn object(self, command: Command, request: Request<'_>) -> &[u8] {
        match self {
            Self::Command => command.spec.name.as_bytes(),
            Self::Key(place) | Self::Channel(place) => request.arg(place),
        }
    }
}

impl Command {
    /// Whether the user may execute this request, which fits the arity.
    ///
    /// # Errors
    ///
    /// What it may not.
    pub(super) fn permitted(self, user: &User, request: Request<'_>) -> Result<(), Denied> {
        let mut most = Denied::Command;
        for selector in user.rules().selectors() {
            match self.permitted_by(selector, request) {
                Ok(()) => return Ok(()),
                Err(denied) => most = most.max(denied),
            }
        }
        Err(most)
    }

    fn permitted_by(self, selector: &Selector, request: Request<'_>) -> Result<(), Denied> {
        let first_argument = || (request.len() > 1).then(|| request.arg(1));
        if !selector.allows_command(self.index, first_argument()) && !self.spec.has(Flag::NoAuth) {
            return Err(Denied::Command);
        }
        if !selector.allows_all_keys() {
            for keys in self.spec.keys {
                let Some(access) = keys.usage.access(request) else { continue };
                let is_denied = |&place: &usize| !selector.allows_key(request.arg(place), access);
                if let Some(place) = keys.places(request).into_iter().flatten().find(is_denied) {
                    return Err(Denied::Key(place));
                }
            }
        }
        if !selector.allows_all_channels() {
            let (channels, is_pattern) = self.channels(request);
            let is_denied = |&place: &usize| !selector.allows_channel(request.arg(place), is_pattern);
            if let Some(place) = { channels }.find(is_denied) {
                return Err(Denied::Channel(place));
            }
        }
        Ok(())
    }

    /// Where channels stand to which it listens or sends, and whether these are patterns.
    fn channels(self, request: Request<'_>) -> (std::ops::Range<usize>, bool) {
        let flag = |flag| self.spec.has(flag);
        match () {
            () if flag(Flag::Publishes) => (1..2, false),
            () if flag(Flag::Subscribes) => (1..request.len(), false),
            () if flag(Flag::SubscribesToPatterns) => (1..request.len(), true),
            () => (0..0, false),
        }
    }
}

impl Keys {
    /// Where the keys stand in a request that fits the arity; none, if its arguments don't say where, which the command
    /// refuses.
    pub(super) fn places(&self, request: Request<'_>) -> Option<impl Iterator<Item = usize> + use<>> {
        let (places, step) = match self.places {
            Places::Range { last, step } => (self.first..last_argument(last, request.len()) + 1, step),
            Places::Counted => {
                let count = parse_integer(request.arg(self.first))?;
                let count = usize::try_from(count).ok().filter(|&count| count > 0)?;
                if count >= request.len() - self.first {
                    return None;
                }
                (self.first + 1..self.first + 1 + count, 1)
            }
        };
        Some(places.step_by(step))
    }
}

impl KeyUse {
    /// What is done to a key; none, if it is no key.
    fn access(self, request: Request<'_>) -> Option<Access> {
        Some(match self {
            Self::Look => Access::NONE,
            Self::Access => Access::READ,
            Self::Insert | Self::Delete | Self::Remove | Self::Update | Self::Replace | Self::Create => {
                Access::WRITE
            }
            Self::Take | Self::Change => Access::ALL,
            // SET returns what was there if one of its options says so.
            Self::Set if request.args(3).any(|option| option.eq_ignore_ascii_case(b"get")) => Access::ALL,
            Self::Set => Access::WRITE,
            Self::NotKey => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::request;
    use super::super::{catalogue, find};
    use super::*;
    use crate::acl::Users;

    /// What the user with these rules is denied.
    fn denied(rules: &str, words: &str) -> Option<Denied> {
        let users = Users::new(catalogue(), None);
        users.set(b"u", rules.split(' ').map(str::as_bytes)).unwrap();
        let request = request(words);
        let command = find(request.as_request()).unwrap();
        command.permitted(&users.find(b"u").unwrap(), request.as_request()).err()
    }

    #[test]
    fn keys_are_read_written_or_looked_at() {
        for (rules, words, expected) in [
            ("+@all ~a", "SISMEMBER a m", None),
            ("+@all ~a", "SISMEMBER b m", Some(Denied::Key(1))),
            ("+@all %W~a", "SISMEMBER a m", None),
            ("+@all %W~a", "SMEMBERS a", Some(Denied::Key(1))),
            ("+@all %R~a", "SADD a m", Some(Denied::Key(1))),
            ("+@all %W~a", "SADD a m", None),
            ("+@all %R~a %W~b", "COPY a b", None),
            ("+@all %R~a %W~b", "COPY b a", Some(Denied::Key(1))),
            ("+@all %R~a %W~b", "SMOVE a b m", Some(Denied::Key(1))),
            ("+@all ~a", "MGET a b", Some(Denied::Key(2))),
            ("+@all ~a", "MSET a b c d", Some(Denied::Key(3))),
            ("+@all %W~a", "SET a v", None),
            ("+@all %W~a", "SET a v EX 1 get", Some(Denied::Key(1))),
            ("+@all %W~a", "SET a get", None),
            ("+@all ~a ~b", "SINTERCARD 2 a b", None),
            ("+@all ~a", "SINTERCARD 2 a b", Some(Denied::Key(3))),
            ("+@all ~a", "SINTERCARD 9 b", None),
            ("+@all ~a", "DEL a b", Some(Denied::Key(2))),
            ("+@all", "KEYS *", None),
            ("+@all ~a", "MEMORY USAGE b", Some(Denied::Key(2))),
        ] {
            assert_eq!(denied(rules, words), expected, "{words} with {rules}");
        }
    }

    #[test]
    fn channels_are_listened_to_and_sent_to() {
        for (rules, words, expected) in [
            ("+@all &a*", "SUBSCRIBE a ab", None),
            ("+@all &a*", "SUBSCRIBE a b", Some(Denied::Channel(2))),
            ("+@all &a*", "PSUBSCRIBE a*", None),
            ("+@all &a*", "PSUBSCRIBE ab", Some(Denied::Channel(1))),
            ("+@all &a*", "PUBLISH b a", Some(Denied::Channel(1))),
            ("+@all &a*", "SPUBLISH ab a", None),
            ("+@all &a*", "SSUBSCRIBE b", Some(Denied::Channel(1))),
            ("+@all", "UNSUBSCRIBE b", None),
            ("+@all", "PUNSUBSCRIBE b*", None),
        ] {
            assert_eq!(denied(rules, words), expected, "{words} with {rules}");
        }
    }

    #[test]
    fn commands_and_selectors() {
        for (rules, words, expected) in [
            ("-@all ~*", "SADD a m", Some(Denied::Command)),
            ("+sadd", "SADD a m", Some(Denied::Key(1))),
            ("+config|get", "CONFIG GET x", None),
            ("+config|get", "CONFIG SET x 1", Some(Denied::Command)),
            ("+select|0", "SELECT 0", None),
            ("+select|0", "SELECT 1", Some(Denied::Command)),
            ("-@all", "AUTH x", None),
            ("-@all", "PING", Some(Denied::Command)),
            ("+sadd ~a (+srem ~b) (+@set)", "SADD b m", Some(Denied::Key(1))),
            ("+sadd ~a (+srem ~b)", "SREM b m", None),
            ("+mget ~a (+mget ~a ~b)", "MGET a b c", Some(Denied::Key(3))),
        ] {
            assert_eq!(denied(rules, words), expected, "{words} with {rules}");
        }
    }
}
