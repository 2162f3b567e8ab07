//! What a client is answered, apart from how it is written on the wire, and the only place of error texts.

use std::fmt;

use bytes::Bytes;

use crate::limits::{CLIENT_NAME_BYTES, COMMAND_NAMES, UNKNOWN_COMMAND_BYTES};

/// A reply. The variants are RESP3's types; what each becomes for a RESP2 client is the encoder's matter.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// A status: `+OK`.
    Simple(&'static str),
    /// An integer.
    Integer(i64),
    /// A number that may be no whole one: a bulk string in RESP2.
    Double(f64),
    /// A bulk string.
    Bulk(Bytes),
    /// Nothing there.
    Null,
    /// Nothing there, where an array is expected.
    NullArray,
    /// Text for people: a verbatim string in RESP3, a bulk string in RESP2.
    Text(String),
    /// An ordered list.
    Array(Vec<Reply>),
    /// A list without order or repetition: an array in RESP2.
    Set(Vec<Reply>),
    /// Names and values: an array of both in turn in RESP2.
    Map(Vec<(Reply, Reply)>),
    /// An array of bulk strings.
    Strings(ByteStrings),
    /// A set of bulk strings.
    StringSet(ByteStrings),
    /// Any number of messages, of which each has these elements: pushes in RESP3, arrays in RESP2.
    Pushes(Vec<Vec<Reply>>),
    /// An error.
    Error(Error),
}

impl Reply {
    /// `+OK`.
    pub const OK: Self = Self::Simple("OK");

    /// The integer that stands for a count.
    #[must_use]
    pub fn count(count: usize) -> Self {
        Self::Integer(count as i64)
    }

    /// About how many bytes it holds, beside those that every reply takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let all = |replies: &[Self]| replies.iter().map(|reply| size_of::<Self>() + reply.bytes()).sum();
        match self {
            Self::Simple(_)
            | Self::Integer(_)
            | Self::Double(_)
            | Self::Null
            | Self::NullArray
            | Self::Error(_) => 0,
            Self::Bulk(string) => string.len(),
            Self::Text(text) => text.len(),
            Self::Strings(strings) | Self::StringSet(strings) => {
                strings.bytes() + strings.len() * size_of::<usize>()
            }
            Self::Array(replies) | Self::Set(replies) => all(replies),
            Self::Map(pairs) => {
                pairs.iter().map(|(name, value)| 2 * size_of::<Self>() + name.bytes() + value.bytes()).sum()
            }
            Self::Pushes(messages) => messages.iter().map(|message| all(message)).sum(),
        }
    }

    /// A bulk string with a copy of `text`.
    #[must_use]
    pub fn bulk(text: impl Into<Vec<u8>>) -> Self {
        Self::Bulk(Bytes::from(text.into()))
    }

    /// A bulk string of a text that is always the same.
    #[must_use]
    pub const fn fixed(text: &'static str) -> Self {
        Self::Bulk(Bytes::from_static(text.as_bytes()))
    }
}

impl From<Error> for Reply {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

/// Many byte strings in one piece of memory: what SMEMBERS answers is not an allocation for each member.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ByteStrings {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl ByteStrings {
    /// Appends a copy of `string`.
    pub fn push(&mut self, string: &[u8]) {
        self.bytes.extend_from_slice(string);
        self.ends.push(self.bytes.len());
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// How many bytes they are together.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The strings in the order in which they were pushed.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| &self.bytes[start..end])
    }
}

impl<T: AsRef<[u8]>> FromIterator<T> for ByteStrings {
    fn from_iter<I: IntoIterator<Item = T>>(strings: I) -> Self {
        let mut all = Self::default();
        strings.into_iter().for_each(|string| all.push(string.as_ref()));
        all
    }
}

/// An error reply. Where Redis has the error, the text is Redis's own, to the letter: clients match it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// No such command. Made by [`Error::unknown_command`].
    UnknownCommand {
        /// The name as it was sent, cut short.
        name: String,
        /// The arguments as the error repeats them.
        arguments: String,
    },
    /// The command has no such subcommand.
    UnknownSubcommand {
        /// The command, in upper case.
        command: String,
        /// What was sent.
        subcommand: String,
    },
    /// Too few or too many arguments for the command of this full name (`client|setname`).
    WrongArity(String),
    /// Arguments that don't follow the command's syntax.
    Syntax,
    /// An argument that should be an integer.
    NotAnInteger,
    /// An integer beyond the bounds that Redis names.
    NumberOutOfRange {
        /// The lowest.
        least: i64,
        /// The highest.
        most: i64,
    },
    /// A count below zero.
    NotPositive,
    /// A cursor that SCAN or SSCAN can't have returned.
    InvalidCursor,
    /// A key that holds another type than the command works on.
    WrongType,
    /// An option that the command of EXPIRE's family has not.
    UnsupportedOption(String),
    /// EXPIRE with NX and another condition.
    ExpireNxAndOthers,
    /// EXPIRE with conditions that exclude each other.
    ExpireGtAndLt,
    /// A time that can't be, for the command of this name.
    InvalidExpireTime(&'static str),
    /// RENAME of a key that is not there.
    NoSuchKey,
    /// COPY or MOVE of a key onto itself.
    SameObject,
    /// A string that is no number, or a number that is none.
    NotAFloat,
    /// INCRBYFLOAT beyond all numbers.
    IncrementNotFinite,
    /// INCRBY beyond the integers.
    IncrementOverflow,
    /// DECRBY of a number that has no opposite.
    DecrementOverflow,
    /// SETRANGE before the string's begin.
    OffsetOutOfRange,
    /// A string that would become longer than may be.
    StringTooLong,
    /// A reply that would become longer than may be.
    ReplyTooLong,
    /// A transaction that would change more than one commit may hold.
    TransactionTooLarge,
    /// A transaction whose replies would be more than one reply may hold.
    TransactionAnswersTooMuch,
    /// A command that needs memory, beyond `maxmemory`.
    OutOfMemory,
    /// SINTERCARD of no keys.
    NumkeysNotPositive,
    /// SINTERCARD of more keys than there are arguments.
    NumkeysTooGreat,
    /// SINTERCARD with a limit below zero.
    LimitNegative,
    /// SWAPDB whose first, or else second database is no number.
    InvalidDatabaseIndex {
        /// `first` or `second`.
        which: &'static str,
    },
    /// OBJECT FREQ: nobody counts.
    FrequencyNotTracked,
    /// SELECT beyond the databases there are.
    DatabaseOutOfRange,
    /// A command before AUTH.
    NoAuth,
    /// HELLO before AUTH, without its AUTH option.
    HelloNoAuth,
    /// A wrong user or password.
    WrongPass,
    /// AUTH where no password is set.
    AuthNotConfigured,
    /// A command that the user may not execute.
    NoPermission {
        /// The user.
        user: String,
        /// The command's full name.
        command: &'static str,
    },
    /// A key that the user may not touch, or not so.
    NoKeyPermission,
    /// A channel that is not for the user.
    NoChannelPermission,
    /// A command of a transaction that the user may not execute any more; why.
    NoLongerPermitted(&'static str),
    /// A client from elsewhere, where none must give a password.
    ProtectedMode,
    /// ACL SETUSER with a rule that is wrong.
    WrongRule {
        /// The rule.
        rule: String,
        /// What is wrong with it.
        problem: RuleProblem,
    },
    /// ACL SETUSER with a parenthesis that is not closed, in the rule that begins with this.
    UnmatchedParenthesis(String),
    /// ACL SETUSER with a name that can't be.
    InvalidUserName,
    /// ACL SETUSER of one user more than there may be.
    TooManyUsers,
    /// ACL DELUSER of the default user.
    DefaultUserStays,
    /// ACL DRYRUN of a user that there is not.
    UserNotFound(String),
    /// ACL DRYRUN with a command that there is not.
    CommandNotFound(String),
    /// ACL GENPASS with a length that can't be.
    InvalidPasswordLength,
    /// ACL LOAD or SAVE without a file.
    NoAclFile,
    /// ACL SAVE that failed. The log says why.
    AclSaveFailed,
    /// ACL LOAD that failed: all that is wrong.
    AclLoadFailed(String),
    /// HELLO with a version that there is not.
    NoProto,
    /// HELLO with a version that is no number.
    ProtocolVersionNotAnInteger,
    /// HELLO with an option that there is not, or that is incomplete.
    HelloSyntax(String),
    /// A client name with spaces or control characters in it.
    InvalidClientName,
    /// CLIENT SETINFO with a value that has spaces or control characters in it.
    InvalidClientInfo(String),
    /// CLIENT SETINFO with an attribute that there is not.
    UnknownClientInfo(String),
    /// A name, or a value of CLIENT SETINFO, beyond the bound.
    ClientInfoTooLong,
    /// CLIENT LIST ID with an id that is no number.
    InvalidClientId,
    /// CLIENT LIST TYPE with a type that there is not.
    UnknownClientType(String),
    /// COMMAND INFO or COMMAND DOCS with more names than are answered at once.
    TooManyNames,
    /// COMMAND GETKEYS of a command that has no keys.
    NoKeyArguments,
    /// COMMAND GETKEYS of a command that there is not.
    InvalidCommandSpecified,
    /// COMMAND GETKEYS with too few or too many arguments for its command.
    InvalidArgumentCount,
    /// COMMAND GETKEYS with arguments that don't say where the keys are.
    InvalidArguments,
    /// EXEC without MULTI.
    ExecWithoutMulti,
    /// DISCARD without MULTI.
    DiscardWithoutMulti,
    /// MULTI behind MULTI.
    NestedMulti,
    /// WATCH behind MULTI.
    WatchInsideMulti,
    /// A command that can't be queued behind MULTI.
    NotInTransaction,
    /// EXEC of a transaction in which something could not be queued.
    ExecAbort,
    /// EXEC that is wrong itself: the error, without its code.
    ExecAbortBecause(String),
    /// More between MULTI and EXEC than one client may queue.
    TooManyQueued,
    /// More keys than one client may watch.
    TooManyWatched,
    /// More clients at once that are sent the members of large sets than there may be.
    TooManyWalks,
    /// Another command than a subscriber that speaks RESP2 may send, by its full name.
    NotWhileSubscribed(&'static str),
    /// More channels and patterns than one client may be subscribed to, or longer ones.
    TooManySubscriptions,
    /// A command that a monitor may not send.
    MonitorAndKeyspace,
    /// MONITOR behind MULTI.
    MonitorInsideMulti,
    /// SSUBSCRIBE behind MULTI.
    SsubscribeInsideMulti,
    /// A number of arguments that a subcommand does not take, beyond what its arity says.
    SubcommandSyntax {
        /// The command, in upper case.
        command: &'static str,
        /// What was sent.
        subcommand: String,
    },
    /// CLIENT KILL of an address that nobody has.
    NoSuchClient,
    /// CLIENT KILL USER of one that there is not.
    NoSuchUser(String),
    /// CLIENT KILL ID with something else than an id.
    ClientIdNotPositive,
    /// Something else than a time to wait.
    TimeoutNotAnInteger,
    /// A time to wait below zero.
    TimeoutIsNegative,
    /// CLIENT PAUSE with a mode that there is not.
    UnknownPauseMode,
    /// CLIENT UNBLOCK with a reason that there is not.
    UnknownUnblockReason,
    /// A command while the journal is replayed.
    Loading,
    /// A write that can't be made durable. The text says what is wrong and what has happened.
    Misconf(String),
    /// Bytes that are no request. The connection ends behind this.
    Protocol(ProtocolError),
    /// One connection more than `maxclients`.
    MaxClients,
    /// Plain text on `tls-port`.
    TlsExpected,
    /// SHUTDOWN ABORT.
    NoShutdownInProgress,
    /// SAVE that failed, for this reason.
    CheckpointFailed(String),
    /// BGREWRITEAOF while another is under way.
    CompactionInProgress,
    /// BGSAVE while another is under way.
    SaveInProgress,
    /// The server is on its way out and takes no more writes.
    ShuttingDown,
    /// CONFIG SET of a parameter that there is not.
    UnknownParameter(String),
    /// CONFIG SET that can't be.
    ConfigSetFailed {
        /// The parameter.
        name: String,
        /// What is wrong with it.
        problem: ParameterProblem,
    },
    /// CONFIG REWRITE without a file.
    NoConfigFile,
    /// CONFIG REWRITE that failed, for this reason.
    RewriteFailed(String),
    /// SLOWLOG GET with a count that there can't be.
    InvalidCount,
    /// LATENCY GRAPH of an event that nothing is known of.
    NoSamples(String),
    /// ACL CAT of a category that there is not.
    UnknownCategory(String),
    /// CLUSTER and its kin.
    ClusterDisabled,
    /// REPLICAOF with a port that there can't be.
    InvalidMasterPort,
    /// REPLICAOF of another server.
    NoReplication,
    /// An error with a text of its command's own, code included.
    Custom(String),
}

impl Error {
    /// The error for a command that there is not: it repeats the name and the first of its arguments.
    pub fn unknown_command<'a>(name: &[u8], args: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut arguments = String::new();
        for arg in args {
            let room = UNKNOWN_COMMAND_BYTES.saturating_sub(arguments.len());
            if room == 0 {
                break;
            }
            arguments.extend(["'", &printable(&arg[..arg.len().min(room)]), "' "]);
        }
        Self::UnknownCommand { name: printable(&name[..name.len().min(UNKNOWN_COMMAND_BYTES)]), arguments }
    }
}

/// Text for an error line, which ends at the first line break.
#[must_use]
pub fn printable(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).replace(['\r', '\n'], " ")
}

impl fmt::Display for Error {
    #[allow(clippy::too_many_lines, reason = "it is a list: a text for each error")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownCommand { name, arguments } => {
                write!(f, "ERR unknown command '{name}', with args beginning with: {arguments}")
            }
            Self::UnknownSubcommand { command, subcommand } => {
                write!(f, "ERR unknown subcommand '{subcommand}'. Try {command} HELP.")
            }
            Self::WrongArity(name) => write!(f, "ERR wrong number of arguments for '{name}' command"),
            Self::Syntax => f.write_str("ERR syntax error"),
            Self::NotAnInteger => f.write_str("ERR value is not an integer or out of range"),
            Self::NumberOutOfRange { least, most } => {
                write!(f, "ERR value is out of range, value must between {least} and {most}")
            }
            Self::NotPositive => f.write_str("ERR value is out of range, must be positive"),
            Self::InvalidCursor => f.write_str("ERR invalid cursor"),
            Self::WrongType => {
                f.write_str("WRONGTYPE Operation against a key holding the wrong kind of value")
            }
            Self::UnsupportedOption(option) => write!(f, "ERR Unsupported option {option}"),
            Self::ExpireNxAndOthers => {
                f.write_str("ERR NX and XX, GT or LT options at the same time are not compatible")
            }
            Self::ExpireGtAndLt => f.write_str("ERR GT and LT options at the same time are not compatible"),
            Self::InvalidExpireTime(command) => write!(f, "ERR invalid expire time in '{command}' command"),
            Self::NoSuchKey => f.write_str("ERR no such key"),
            Self::SameObject => f.write_str("ERR source and destination objects are the same"),
            Self::NotAFloat => f.write_str("ERR value is not a valid float"),
            Self::IncrementNotFinite => f.write_str("ERR increment would produce NaN or Infinity"),
            Self::IncrementOverflow => f.write_str("ERR increment or decrement would overflow"),
            Self::DecrementOverflow => f.write_str("ERR decrement would overflow"),
            Self::OffsetOutOfRange => f.write_str("ERR offset is out of range"),
            Self::StringTooLong => {
                f.write_str("ERR string exceeds maximum allowed size (proto-max-bulk-len)")
            }
            Self::ReplyTooLong => f.write_str("ERR the reply would be too long"),
            Self::TransactionTooLarge => {
                f.write_str("ERR the transaction changes too much. This command was not executed.")
            }
            Self::TransactionAnswersTooMuch => {
                f.write_str("ERR the transaction's replies are too long. This command was not executed.")
            }
            Self::OutOfMemory => f.write_str("OOM command not allowed when used memory > 'maxmemory'."),
            Self::NumkeysNotPositive => f.write_str("ERR numkeys should be greater than 0"),
            Self::NumkeysTooGreat => f.write_str("ERR Number of keys can't be greater than number of args"),
            Self::LimitNegative => f.write_str("ERR LIMIT can't be negative"),
            Self::InvalidDatabaseIndex { which } => write!(f, "ERR invalid {which} DB index"),
            Self::FrequencyNotTracked => f.write_str(
                "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that \
                 when switching between policies at runtime LRU and LFU data will take some time to adjust.",
            ),
            Self::DatabaseOutOfRange => f.write_str("ERR DB index is out of range"),
            Self::NoAuth => f.write_str("NOAUTH Authentication required."),
            Self::HelloNoAuth => f.write_str(
                "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO \
                 <proto> AUTH <user> <pass> option can be used to authenticate the client and select the \
                 RESP protocol version at the same time",
            ),
            Self::WrongPass => f.write_str("WRONGPASS invalid username-password pair or user is disabled."),
            Self::AuthNotConfigured => f.write_str(
                "ERR AUTH <password> called without any password configured for the default user. Are you \
                 sure your configuration is correct?",
            ),
            Self::NoPermission { user, command } => {
                write!(f, "NOPERM User {user} has no permissions to run the '{command}' command")
            }
            Self::NoKeyPermission => f.write_str("NOPERM No permissions to access a key"),
            Self::NoChannelPermission => f.write_str("NOPERM No permissions to access a channel"),
            Self::NoLongerPermitted(why) => write!(
                f,
                "NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. \
                 This command is no longer allowed for the following reason: {why}"
            ),
            Self::ProtectedMode => f.write_str(
                "DENIED Redis is running in protected mode because protected mode is enabled and no password is set \
                 for the default user. In this mode connections are only accepted from the loopback interface. If \
                 you want to connect from external computers to Redis you may adopt one of the following solutions: \
                 1) Just disable protected mode sending the command 'CONFIG SET protected-mode no' from the loopback \
                 interface by connecting to Redis from the same host the server is running, however MAKE SURE Redis \
                 is not publicly accessible from internet if you do so. Use CONFIG REWRITE to make this change \
                 permanent. 2) Alternatively you can just disable the protected mode by editing the Redis \
                 configuration file, and setting the protected mode option to 'no', and then restarting the server. \
                 3) If you started the server manually just for testing, restart it with the '--protected-mode no' \
                 option. 4) Setup a an authentication password for the default user. NOTE: You only need to do one \
                 of the above things in order for the server to start accepting connections from the outside.",
            ),
            Self::WrongRule { rule, problem } => {
                write!(f, "ERR Error in ACL SETUSER modifier '{rule}': {problem}")
            }
            Self::UnmatchedParenthesis(word) => {
                write!(f, "ERR Unmatched parenthesis in acl selector starting at '{word}'.")
            }
            Self::InvalidUserName => f.write_str("ERR Usernames can't contain spaces or null characters"),
            Self::TooManyUsers => f.write_str("ERR there are too many users"),
            Self::DefaultUserStays => f.write_str("ERR The 'default' user cannot be removed"),
            Self::UserNotFound(name) => write!(f, "ERR User '{name}' not found"),
            Self::CommandNotFound(name) => write!(f, "ERR Command '{name}' not found"),
            Self::InvalidPasswordLength => f.write_str(
                "ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up \
                 to 4096",
            ),
            Self::NoAclFile => f.write_str(
                "ERR This Redis instance is not configured to use an ACL file. You may want to specify users via the \
                 ACL SETUSER command and then issue a CONFIG REWRITE (assuming you have a Redis configuration file \
                 set) in order to store users in the Redis configuration.",
            ),
            Self::AclSaveFailed => f.write_str(
                "ERR There was an error trying to save the ACLs. Please check the server logs for more information",
            ),
            Self::AclLoadFailed(problems) => write!(
                f,
                "ERR {problems} WARNING: ACL errors detected, no change to the previously active ACL rules was performed"
            ),
            Self::NoProto => f.write_str("NOPROTO unsupported protocol version"),
            Self::ProtocolVersionNotAnInteger => {
                f.write_str("ERR Protocol version is not an integer or out of range")
            }
            Self::HelloSyntax(option) => write!(f, "ERR Syntax error in HELLO option '{option}'"),
            Self::InvalidClientName => {
                f.write_str("ERR Client names cannot contain spaces, newlines or special characters.")
            }
            Self::InvalidClientInfo(attribute) => {
                write!(f, "ERR {attribute} cannot contain spaces, newlines or special characters.")
            }
            Self::UnknownClientInfo(attribute) => write!(f, "ERR Unrecognized option '{attribute}'"),
            Self::ClientInfoTooLong => {
                write!(f, "ERR a client's name or library is at most {CLIENT_NAME_BYTES} bytes")
            }
            Self::InvalidClientId => f.write_str("ERR Invalid client ID"),
            Self::UnknownClientType(name) => write!(f, "ERR Unknown client type '{name}'"),
            Self::TooManyNames => {
                write!(f, "ERR too many names, at most {COMMAND_NAMES} are answered at once")
            }
            Self::NoKeyArguments => f.write_str("ERR The command has no key arguments"),
            Self::InvalidCommandSpecified => f.write_str("ERR Invalid command specified"),
            Self::InvalidArgumentCount => {
                f.write_str("ERR Invalid number of arguments specified for command")
            }
            Self::InvalidArguments => f.write_str("ERR Invalid arguments specified for command"),
            Self::ExecWithoutMulti => f.write_str("ERR EXEC without MULTI"),
            Self::DiscardWithoutMulti => f.write_str("ERR DISCARD without MULTI"),
            Self::NestedMulti => f.write_str("ERR MULTI calls can not be nested"),
            Self::WatchInsideMulti => f.write_str("ERR WATCH inside MULTI is not allowed"),
            Self::NotInTransaction => f.write_str("ERR Command not allowed inside a transaction"),
            Self::ExecAbort => f.write_str("EXECABORT Transaction discarded because of previous errors."),
            Self::ExecAbortBecause(problem) => {
                write!(f, "EXECABORT Transaction discarded because of: {problem}")
            }
            Self::TooManyQueued => f.write_str("ERR too many commands are queued, or too long ones"),
            Self::TooManyWatched => f.write_str("ERR too many keys are watched"),
            Self::TooManyWalks => f.write_str(
                "ERR too many clients are being sent the members of large sets; try again, or use SSCAN",
            ),
            Self::NotWhileSubscribed(name) => write!(
                f,
                "ERR Can't execute '{name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are \
                 allowed in this context"
            ),
            Self::TooManySubscriptions => {
                f.write_str("ERR too many subscriptions of one client, or too long ones")
            }
            Self::MonitorAndKeyspace => f.write_str("ERR Replica can't interact with the keyspace"),
            Self::MonitorInsideMulti => f.write_str("ERR MONITOR isn't allowed for DENY BLOCKING client"),
            Self::SsubscribeInsideMulti => {
                f.write_str("ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client")
            }
            Self::SubcommandSyntax { command, subcommand } => write!(
                f,
                "ERR unknown subcommand or wrong number of arguments for '{subcommand}'. Try {command} HELP."
            ),
            Self::NoSuchClient => f.write_str("ERR No such client"),
            Self::NoSuchUser(name) => write!(f, "ERR No such user '{name}'"),
            Self::ClientIdNotPositive => f.write_str("ERR client-id should be greater than 0"),
            Self::TimeoutNotAnInteger => f.write_str("ERR timeout is not an integer or out of range"),
            Self::TimeoutIsNegative => f.write_str("ERR timeout is negative"),
            Self::UnknownPauseMode => f.write_str("ERR CLIENT PAUSE mode must be WRITE or ALL"),
            Self::UnknownUnblockReason => f.write_str("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR"),
            Self::Loading => f.write_str("LOADING Redis is loading the dataset in memory"),
            Self::Misconf(problem) => write!(f, "MISCONF {problem}"),
            Self::Protocol(error) => write!(f, "ERR Protocol error: {error}"),
            Self::MaxClients => f.write_str("ERR max number of clients reached"),
            Self::TlsExpected => f.write_str("ERR this port speaks TLS, and was sent plain text"),
            Self::NoShutdownInProgress => f.write_str("ERR No shutdown in progress."),
            Self::CheckpointFailed(why) => {
                write!(f, "ERR the checkpoint failed: {why}. What was acknowledged is on disk all the same")
            }
            Self::CompactionInProgress => {
                f.write_str("ERR Background append only file rewriting already in progress")
            }
            Self::SaveInProgress => f.write_str("ERR Background save already in progress"),
            Self::ShuttingDown => f.write_str("ERR The server is shutting down, nothing was changed"),
            Self::UnknownParameter(name) => {
                write!(f, "ERR Unknown option or number of arguments for CONFIG SET - '{name}'")
            }
            Self::ConfigSetFailed { name, problem } => {
                write!(f, "ERR CONFIG SET failed (possibly related to argument '{name}') - {problem}")
            }
            Self::NoConfigFile => f.write_str("ERR The server is running without a config file"),
            Self::RewriteFailed(why) => write!(f, "ERR Rewriting config file: {why}"),
            Self::InvalidCount => f.write_str("ERR count should be greater than or equal to -1"),
            Self::NoSamples(event) => write!(f, "ERR No samples available for event '{event}'"),
            Self::UnknownCategory(name) => write!(f, "ERR Unknown category '{name}'"),
            Self::ClusterDisabled => f.write_str("ERR This instance has cluster support disabled"),
            Self::InvalidMasterPort => f.write_str("ERR Invalid master port"),
            Self::NoReplication => f.write_str("ERR There is no replication: this server is always a master"),
            Self::Custom(text) => f.write_str(text),
        }
    }
}

/// What is wrong with a rule of a user. Where Redis has the reason, the text is Redis's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RuleProblem {
    /// It names a command or a category that there is not.
    Unknown,
    /// It is no rule.
    Syntax,
    /// It allows keys where all are allowed.
    AllKeys,
    /// It allows channels where all are allowed.
    AllChannels,
    /// It takes a password away that the user has not.
    NoSuchPassword,
    /// It is no SHA-256.
    InvalidHash,
    /// It allows a subcommand with one first argument.
    FirstArgumentOfSubcommand,
    /// The user's rules are too many, or too long.
    TooLong,
}

impl fmt::Display for RuleProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "Unknown command or category name in ACL",
            Self::Syntax => "Syntax error",
            Self::AllKeys => {
                "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any \
                 effect. Try 'resetkeys' to start with an empty list of patterns"
            }
            Self::AllChannels => {
                "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not have any \
                 effect. Try 'resetchannels' to start with an empty list of channels"
            }
            Self::NoSuchPassword => "The password you are trying to remove from the user does not exist",
            Self::InvalidHash => {
                "The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters"
            }
            Self::FirstArgumentOfSubcommand => "Allowing first-arg of a subcommand is not supported",
            Self::TooLong => "The rules of one user are too many, or too long",
        })
    }
}

/// Why a parameter can't be set. Where Redis has the reason, the text is Redis's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParameterProblem {
    /// It counts at start only.
    Immutable,
    /// It is there twice.
    Duplicate,
    /// It is a whole number.
    NotAnInteger,
    /// It is a whole number within these bounds.
    OutOfRange {
        /// The lowest.
        least: i64,
        /// The highest.
        most: i64,
    },
    /// It is one of these words.
    NotOneOf(&'static [&'static str]),
    /// It is a switch.
    NotYesOrNo,
    /// It is an amount of memory.
    NotMemory,
    /// It is something else: what it may be.
    NotAllowed(String),
    /// There are not so many file descriptors.
    TooManyClients {
        /// How many clients there can be.
        possible: usize,
    },
    /// It is the same in every server: the value, and why.
    Fixed {
        /// What it always is.
        value: String,
        /// Why.
        reason: &'static str,
    },
    /// Nothing is wrong with the value, but it could not be made to count.
    Failed(String),
}

impl fmt::Display for ParameterProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Immutable => f.write_str("can't set immutable config"),
            Self::Duplicate => f.write_str("duplicate parameter"),
            Self::NotAnInteger => f.write_str("argument couldn't be parsed into an integer"),
            Self::OutOfRange { least, most } => {
                write!(f, "argument must be between {least} and {most} inclusive")
            }
            Self::NotOneOf(words) => {
                write!(f, "argument(s) must be one of the following: {}", words.join(", "))
            }
            Self::NotYesOrNo => f.write_str("argument must be 'yes' or 'no'"),
            Self::NotMemory => f.write_str("argument must be a memory value"),
            Self::NotAllowed(allowed) => write!(f, "argument must be {allowed}"),
            Self::TooManyClients { possible } => write!(
                f,
                "The operating system is not able to handle the specified number of clients, try with {possible}"
            ),
            Self::Fixed { value, reason } => write!(f, "it is always '{value}': {reason}"),
            Self::Failed(why) => f.write_str(why),
        }
    }
}

/// What is wrong with bytes that are no request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProtocolError {
    /// `*` and no number, or one out of bounds.
    InvalidMultibulkLength,
    /// `$` and no number, or one out of bounds.
    InvalidBulkLength,
    /// More arguments than a client may send before AUTH.
    UnauthenticatedMultibulkLength,
    /// A longer argument than a client may send before AUTH.
    UnauthenticatedBulkLength,
    /// An argument that doesn't begin with `$`, but with this.
    ExpectedDollar(u8),
    /// An inline request without an end.
    TooBigInlineRequest,
    /// A length without an end, in `*`.
    TooBigMultibulkCount,
    /// A length without an end, in `$`.
    TooBigBulkCount,
    /// More than one request may hold.
    TooBigRequest,
    /// An inline request with a quote that isn't closed.
    UnbalancedQuotes,
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidMultibulkLength => f.write_str("invalid multibulk length"),
            Self::InvalidBulkLength => f.write_str("invalid bulk length"),
            Self::UnauthenticatedMultibulkLength => f.write_str("unauthenticated multibulk length"),
            Self::UnauthenticatedBulkLength => f.write_str("unauthenticated bulk length"),
            Self::ExpectedDollar(found) => {
                write!(f, "expected '$', got '{}'", printable(&[*found]))
            }
            Self::TooBigInlineRequest => f.write_str("too big inline request"),
            Self::TooBigMultibulkCount => f.write_str("too big mbulk count string"),
            Self::TooBigBulkCount => f.write_str("too big bulk count string"),
            Self::TooBigRequest => f.write_str("too big request"),
            Self::UnbalancedQuotes => f.write_str("unbalanced quotes in request"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_command_repeats_its_first_arguments_as_redis_does() {
        let args = [&b"a"[..], b"b\r\nc"];
        assert_eq!(
            Error::unknown_command(b"FOO", args.into_iter()).to_string(),
            "ERR unknown command 'FOO', with args beginning with: 'a' 'b  c' "
        );
    }

    #[test]
    fn an_unknown_command_repeats_a_bounded_part() {
        let long = vec![b'x'; 10_000];
        let text = Error::unknown_command(&long, [&long[..], &long[..]].into_iter()).to_string();
        assert!(text.len() < 400, "{} bytes", text.len());
    }

    #[test]
    fn byte_strings_come_back_as_pushed() {
        let strings: ByteStrings = [&b"a"[..], b"", b"\x00\xff"].into_iter().collect();
        assert_eq!(strings.len(), 3);
        assert_eq!(strings.iter().collect::<Vec<_>>(), [&b"a"[..], b"", b"\x00\xff"]);
    }
}
