//! The commands. [`table`](TABLE) has a row for each; what is true of a command is said there and nowhere
//! else, and dispatch, arity, COMMAND, INFO's figures and the README's table all derive from the rows.
//!
//! To add a command: its function in the file of its group, its row in `table.rs`, its script in the tests.
//! A command's function never knows sockets, channels or SQL: a read gets a [`View`], a write makes an
//! [`Op`](crate::op::Op), a session command changes its [`Session`].

use std::sync::{Arc, LazyLock};

use ahash::AHashMap;

use crate::acl::{Catalogue, Row, Users};
use crate::clients::Clients;
use crate::glob;
use crate::limits::UNKNOWN_COMMAND_BYTES;
use crate::monitor::Monitors;
use crate::op::Change;
use crate::pubsub::PubSub;
use crate::reply::{Error, Reply, printable};
use crate::request::Request;
use crate::settings::{Parameters, Settings};
use crate::slowlog::Slowlog;
use crate::stats::Stats;
use crate::store::{Store, View, Wanted};

use self::introspection::last_argument;

pub use self::evaluate::{Notice, evaluate, evaluate_and_notice};
pub use self::monitoring::{note_slow, redacted};
pub use self::permission::Denied;
pub use self::session::{REDIS_VERSION, Session, selected_database};
pub use self::table::TABLE;

mod acl;
mod client;
mod evaluate;
mod expiry;
mod float;
mod help;
mod info;
mod introspection;
mod key;
mod memory;
mod monitoring;
mod permission;
mod pubsub;
mod server;
mod session;
mod set;
mod string;
mod table;
#[cfg(test)]
mod testing;

/// One row of the command table.
#[derive(Debug)]
pub struct Spec {
    /// The name in lower case; of a subcommand with its command in front: `client|setname`.
    pub name: &'static str,
    /// What it does, in a line.
    pub summary: &'static str,
    /// The version of Redis that had it first.
    pub since: &'static str,
    /// What it costs.
    pub complexity: &'static str,
    /// What it is about.
    pub group: Group,
    /// The number of arguments, the name (and the subcommand's) included; negative: at least so many.
    pub arity: i32,
    /// What does not follow from `run`.
    pub flags: &'static [Flag],
    /// Where keys stand among the arguments.
    pub keys: &'static [Keys],
    /// The arguments, for COMMAND DOCS and redis-cli's hints.
    pub arguments: &'static [Argument],
    /// The function, whose type says what kind of command it is.
    pub run: Run,
    /// Its subcommands.
    pub subcommands: &'static [Spec],
}

/// The function behind a command.
#[derive(Debug, Clone, Copy)]
pub enum Run {
    /// Reads the store: the selected database, the request.
    Read(fn(&View<'_>, u8, Request<'_>) -> Answer),
    /// Asks for a change.
    Write(fn(&Scope<'_>, Request<'_>) -> Result<Change, Error>),
    /// Reads or changes the connection's own state, or reads the server's.
    Session(fn(&mut Session, &Environment, Request<'_>) -> Reply),
    /// Asks the server for something.
    Control(fn(Request<'_>) -> Result<Control, Error>),
    /// Opens, ends or guards a transaction.
    Transaction(TransactionStep),
    /// Only its subcommands do something.
    Container,
}

/// What a reading command answers, or the error.
pub type Answer = Result<Reply, Error>;

/// Where and when a change is asked for.
#[derive(Debug)]
pub struct Scope<'a> {
    /// The database selected.
    pub database: u8,
    /// The time, in milliseconds since 1970, or where the clock was set back, that of the latest change: what is said to
    /// happen in a second happens a second from here.
    pub now_ms: i64,
    /// The store, for choices that are made at random.
    pub store: &'a Store,
}

/// What a command does for the connection's transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransactionStep {
    /// Queues what follows: MULTI.
    Begin,
    /// Executes what was queued: EXEC.
    Execute,
    /// Forgets what was queued: DISCARD.
    Discard,
    /// Has the next transaction executed only if these keys stay as they are: WATCH.
    Watch,
    /// Undoes every WATCH: UNWATCH.
    Unwatch,
}

/// What a client can ask of the server as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// Write a checkpoint, answer when it is done: SAVE.
    Save,
    /// Compact the journal, answer at once: BGREWRITEAOF.
    BackgroundCompaction,
    /// Write a checkpoint, answer at once: BGSAVE.
    BackgroundSave,
    /// Finish what was submitted, and end: SHUTDOWN.
    Shutdown,
    /// Write the present values into the configuration file: CONFIG REWRITE.
    RewriteConfig,
    /// Have the disk hold all that was acknowledged: WAITAOF.
    Sync {
        /// How long to wait for it at most; none for however long it takes.
        timeout_ms: Option<u64>,
    },
    /// Make the users that the file names: ACL LOAD.
    LoadUsers,
    /// Write the users into the file: ACL SAVE.
    SaveUsers,
    /// Have commands wait: CLIENT PAUSE.
    Pause {
        /// Which.
        kind: PauseKind,
        /// For how long.
        milliseconds: u64,
    },
    /// Have them wait no longer: CLIENT UNPAUSE.
    Unpause,
}

/// Which commands wait while clients are paused; the second takes the first in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PauseKind {
    /// Those that change something, or that others hear of.
    Write,
    /// All.
    All,
}

/// What a command is about; Redis's groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// The connection: HELLO, AUTH, CLIENT, ...
    Connection,
    /// Keys of any type: DEL, SCAN, ...
    Generic,
    /// The server: INFO, CONFIG, ...
    Server,
    /// Sets.
    Set,
    /// Strings.
    String,
    /// Commands that take effect together.
    Transactions,
    /// Clusters, of which there are none.
    Cluster,
    /// Messages from client to client.
    PubSub,
}

/// What is true of a command and does not follow from its function. Most are Redis's command flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flag {
    /// For operators: categories `@admin` and `@dangerous`.
    Admin,
    /// In this ACL category, which follows neither from the group nor from the other flags.
    Category(&'static str),
    /// Needs memory: refused at the memory bound.
    DenyOom,
    /// Costs no more on more data: category `@fast`, not `@slow`.
    Fast,
    /// Answered while the journal is replayed.
    Loading,
    /// Where its keys stand depends on the arguments. (Redis's clients read it.)
    MovableKeys,
    /// Not while a replica loads beside serving. (Redis's clients read it.)
    NoAsyncLoading,
    /// Answered before AUTH.
    NoAuth,
    /// Not within a transaction. (Redis's clients read it.)
    NoMulti,
    /// Not for scripts. (Redis's clients read it.)
    NoScript,
    /// Answered by a replica that lost its master. (Redis's clients read it.)
    Stale,
    /// Executed at once behind MULTI, not queued.
    Immediate,
    /// Ends the transaction, and every WATCH.
    EndsTransaction,
    /// Left out of the log of slow commands. (Redis's clients read it.)
    SkipSlowlog,
    /// Not while a script runs too long. (Redis's clients read it.)
    AllowBusy,
    /// About channels: category `@pubsub`.
    PubSub,
    /// Its first argument is a channel that it sends to.
    Publishes,
    /// Its arguments are channels that it listens to.
    Subscribes,
    /// Its arguments are patterns of such.
    SubscribesToPatterns,
    /// Taken from a subscriber that speaks RESP2, whose every other reply would look like a message.
    WhileSubscribed,
    /// Its reply has to stand before the messages that it leads to, not behind them.
    RepliesFirst,
    /// With one key, it answers with the members of the set there: where these are many, they are streamed. Its
    /// function is for all other cases, and answers the same.
    Streamed,
    /// It looks up the members behind its key.
    Members,
    /// Others hear of it, as of a write: it waits where writes are paused, and a monitor may not send it.
    MayReplicate,
}

/// Where keys stand among the arguments, and what becomes of them; as COMMAND reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keys {
    /// The first key's argument, or that which says how many keys follow it.
    pub first: usize,
    /// Where the others stand.
    pub places: Places,
    /// What the command does with each.
    pub usage: KeyUse,
}

/// How keys are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Places {
    /// From the first on.
    Range {
        /// The last one's argument; negative: counted from the end, -1 is the last argument.
        last: i32,
        /// From one to the next.
        step: usize,
    },
    /// Behind their number.
    Counted,
}

/// What a command does with a key; those of Redis's key flags that occur here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyUse {
    /// Looks at its type, its size or whether something is there.
    Look,
    /// Returns what is there.
    Access,
    /// Adds to what is there.
    Insert,
    /// Takes some of what is there away.
    Delete,
    /// Removes it, whatever is there.
    Remove,
    /// Returns what is there, and takes it away.
    Take,
    /// Changes what is there.
    Update,
    /// Changes what is there, and returns it.
    Change,
    /// Changes what is there, whatever it is.
    Replace,
    /// Puts something where nothing is.
    Create,
    /// Changes what is there, and returns it if asked to.
    Set,
    /// Nothing: it is the name of a shard channel, which in a cluster is where a key of that name would be.
    NotKey,
}

/// One argument of a command, as COMMAND DOCS describes it.
#[derive(Debug, Clone, Copy)]
pub struct Argument {
    /// Its name in lower case.
    pub name: &'static str,
    /// What it is.
    pub kind: ArgumentKind,
    /// The word in front of it, or that it consists of.
    pub token: Option<&'static str>,
    /// Whether it may be left out.
    pub optional: bool,
    /// Whether it may be repeated.
    pub multiple: bool,
}

/// What an argument is; Redis's types.
#[derive(Debug, Clone, Copy)]
pub enum ArgumentKind {
    /// A key.
    Key,
    /// Any string.
    String,
    /// A whole number.
    Integer,
    /// A number.
    Double,
    /// A glob pattern.
    Pattern,
    /// A fixed word: its token.
    PureToken,
    /// One of these.
    OneOf(&'static [Argument]),
    /// All of these, in order.
    Block(&'static [Argument]),
}

/// What session commands see of the server.
#[derive(Debug)]
pub struct Environment {
    /// The data, for INFO's figures.
    pub store: Arc<Store>,
    /// The counters.
    pub stats: Arc<Stats>,
    /// Who may do what.
    pub users: Arc<Users>,
    /// Who is connected.
    pub clients: Arc<Clients>,
    /// Who listens to which channels.
    pub pubsub: Arc<PubSub>,
    /// Who watches the commands.
    pub monitors: Arc<Monitors>,
    /// The commands that took long.
    pub slowlog: Slowlog,
    /// What CONFIG SET can change.
    pub settings: Arc<Settings>,
    /// What CONFIG reads, sets and rewrites.
    pub parameters: Arc<dyn Parameters>,
    /// What INFO says of the process.
    pub about: About,
}

/// What INFO says of the process.
#[derive(Debug)]
pub struct About {
    /// 40 hexadecimal digits, new at each start.
    pub run_id: String,
    /// The port listened on; 0 for none. The server fills this in.
    pub port: u16,
    /// The program's file.
    pub executable: String,
    /// The configuration file; empty if there is none.
    pub config_file: String,
    /// The data file.
    pub data_file: String,
    /// What is listened on, each as Redis's INFO writes it. The server fills this in.
    pub listeners: Vec<String>,
}

/// A command of the table, found by a request.
#[derive(Debug, Clone, Copy)]
pub struct Command {
    /// Its place in [`Stats::commands`].
    pub index: usize,
    /// Its row.
    pub spec: &'static Spec,
}

/// The rows of all commands, without their subcommands.
pub fn commands() -> impl Iterator<Item = &'static Spec> {
    TABLE.iter().copied().flatten()
}

/// All rows with their subcommands, in the order of the counters.
pub fn rows() -> impl Iterator<Item = &'static Spec> {
    commands().flat_map(|spec| std::iter::once(spec).chain(spec.subcommands))
}

/// What rules of users can name. A command's place there is its [`Command::index`].
#[must_use]
pub fn catalogue() -> &'static Catalogue {
    static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(|| {
        let row = |spec: &'static Spec| Row {
            name: spec.name,
            categories: introspection::categories(spec),
            subcommands: spec.subcommands.len(),
        };
        Catalogue::new(rows().map(row).collect())
    });
    &CATALOGUE
}

/// Finds the command that a request names, and checks the number of its arguments.
///
/// # Errors
///
/// If there is no such command or subcommand, or it takes fewer or more arguments. The command comes along
/// where only the arguments are wrong.
pub fn find(request: Request<'_>) -> Result<Command, (Option<Command>, Error)> {
    let unknown = || Error::unknown_command(request.arg(0), request.args(1));
    let command = lookup(request.arg(0)).ok_or_else(|| (None, unknown()))?;
    if command.spec.subcommands.is_empty() || request.len() == 1 {
        return command.with_arity_of(request);
    }
    let unknown_subcommand = || Error::UnknownSubcommand {
        command: command.spec.name.to_ascii_uppercase(),
        subcommand: printable(&request.arg(1)[..request.arg(1).len().min(UNKNOWN_COMMAND_BYTES)]),
    };
    match command.subcommand(request.arg(1)) {
        Some(subcommand) => subcommand.with_arity_of(request),
        None => Err((None, unknown_subcommand())),
    }
}

/// The command of this name, in any case; without regard to subcommands.
#[must_use]
pub fn lookup(name: &[u8]) -> Option<Command> {
    static BY_NAME: LazyLock<AHashMap<u128, Command>> = LazyLock::new(|| {
        let commands = rows().enumerate().map(|(index, spec)| Command { index, spec });
        // A subcommand's full name is no command.
        let commands = commands.filter(|command| !command.spec.name.contains('|'));
        commands.filter_map(|command| Some((folded(command.spec.name.as_bytes())?, command))).collect()
    });
    BY_NAME.get(&folded(name)?).copied()
}

/// The command that a request names, or its subcommand, whether or not its arguments fit.
fn named(request: Request<'_>) -> Option<Command> {
    let command = lookup(request.arg(0))?;
    if command.spec.subcommands.is_empty() || request.len() == 1 {
        Some(command)
    } else {
        command.subcommand(request.arg(1))
    }
}

/// A name in lower case, and its length, as a number. None, if it is longer than any command's.
fn folded(name: &[u8]) -> Option<u128> {
    let mut folded = [0; LONGEST_NAME + 1];
    folded[..LONGEST_NAME].get_mut(..name.len())?.copy_from_slice(name);
    folded.make_ascii_lowercase();
    folded[LONGEST_NAME] = name.len() as u8;
    Some(u128::from_le_bytes(folded))
}

/// No command's name is longer than this.
const LONGEST_NAME: usize = size_of::<u128>() - 1;

impl Command {
    /// Its subcommand of this name, in any case.
    #[must_use]
    pub fn subcommand(self, name: &[u8]) -> Option<Self> {
        let at = self.spec.subcommands.iter().position(|spec| {
            spec.name.split_once('|').is_some_and(|(_, own)| own.as_bytes().eq_ignore_ascii_case(name))
        })?;
        Some(Self { index: self.index + 1 + at, spec: &self.spec.subcommands[at] })
    }

    /// What its requests look up.
    #[must_use]
    pub fn looked_up(self) -> LookedUp {
        let has_members = self.spec.has(Flag::Members);
        match *self.spec.keys {
            [Keys { first, .. }] if has_members => LookedUp { first: first + 1, last: -1, has_members },
            [Keys { first, places: Places::Range { last, step: 1 }, .. }] => {
                LookedUp { first, last, has_members }
            }
            _ => LookedUp { first: 0, last: 0, has_members },
        }
    }

    fn with_arity_of(self, request: Request<'_>) -> Result<Self, (Option<Self>, Error)> {
        if self.spec.takes(request.len()) {
            Ok(self)
        } else {
            Err((Some(self), Error::WrongArity(self.spec.name.to_owned())))
        }
    }
}

/// What the requests of a command look up in any case, as far as the row says it.
#[derive(Debug, Clone, Copy)]
pub struct LookedUp {
    /// The first argument that says it; 0, if there is none.
    first: usize,
    /// The last; negative: counted from the end.
    last: i32,
    /// Whether these are members of the set whose key is argument 1.
    has_members: bool,
}

impl LookedUp {
    /// That of this request, in this order.
    #[inline]
    #[must_use]
    pub fn of(self, request: Request<'_>) -> impl ExactSizeIterator<Item = Wanted<'_>> {
        let places =
            if self.first == 0 { 0..0 } else { self.first..last_argument(self.last, request.len()) + 1 };
        places.map(move |place| match request.arg(place) {
            member if self.has_members => (request.arg(1), Some(member)),
            key => (key, None),
        })
    }
}

impl Spec {
    /// Whether a request of so many arguments, the name included, fits the arity.
    #[must_use]
    pub fn takes(&self, arguments: usize) -> bool {
        let bound = self.arity.unsigned_abs() as usize;
        if self.arity < 0 { arguments >= bound } else { arguments == bound }
    }

    /// Whether it is a read that may take long, or answer much.
    #[must_use]
    pub fn is_slow_read(&self) -> bool {
        matches!(self.run, Run::Read(_)) && !self.has(Flag::Fast)
    }

    /// Whether it is a write, or others hear of it as of one.
    #[must_use]
    pub fn may_replicate(&self) -> bool {
        matches!(self.run, Run::Write(_)) || self.has(Flag::MayReplicate)
    }

    /// Whether the row has this flag.
    #[must_use]
    pub fn has(&self, flag: Flag) -> bool {
        self.flags.contains(&flag)
    }
}
