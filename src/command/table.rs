//! The table: a row for each command, all of one shape, sorted by group and then by name. Arity, flags and
//! key positions are Redis's; summaries say what happens here.

use super::ArgumentKind::{Block, Integer, Key, OneOf, Pattern, PureToken, String};
use super::Flag::{
    Admin, AllowBusy, DenyOom, EndsTransaction, Fast, Immediate, Loading, MayReplicate, NoAsyncLoading,
    NoAuth, NoMulti, NoScript, RepliesFirst, SkipSlowlog, Stale, WhileSubscribed,
};
use super::KeyUse::{Access, Delete, Insert, Look, NotKey, Remove};
use super::{Argument, ArgumentKind, Control, Flag, Group, KeyUse, Keys, Run, Spec, TransactionStep};
use super::{client, info, introspection, key, pubsub, server, session, set};

/// Every command, sorted by group and then by name.
pub static TABLE: &[Spec] = &[
    Spec {
        name: "sadd",
        summary: "Adds members to a set, which is made if there is none",
        since: "1.0.0",
        complexity: "O(N) where N is the number of members to add",
        group: Group::Set,
        arity: -3,
        flags: &[DenyOom, Fast],
        keys: Some(one_key(Insert)),
        arguments: &[argument("key", Key), argument("member", String).repeated()],
        run: Run::Write(set::sadd),
        subcommands: &[],
    },
    Spec {
        name: "scard",
        summary: "Counts the members of a set",
        since: "1.0.0",
        complexity: "O(1)",
        group: Group::Set,
        arity: 2,
        flags: &[Fast],
        keys: Some(one_key(Look)),
        arguments: &[argument("key", Key)],
        run: Run::Read(set::scard),
        subcommands: &[],
    },
    Spec {
        name: "sismember",
        summary: "Tells whether a set has a member",
        since: "1.0.0",
        complexity: "O(1)",
        group: Group::Set,
        arity: 3,
        flags: &[Fast],
        keys: Some(one_key(Look)),
        arguments: &[argument("key", Key), argument("member", String)],
        run: Run::Read(set::sismember),
        subcommands: &[],
    },
    Spec {
        name: "smembers",
        summary: "Returns all members of a set",
        since: "1.0.0",
        complexity: "O(N) where N is the number of members",
        group: Group::Set,
        arity: 2,
        flags: &[],
        keys: Some(one_key(Access)),
        arguments: &[argument("key", Key)],
        run: Run::Read(set::smembers),
        subcommands: &[],
    },
    Spec {
        name: "smismember",
        summary: "Tells of each of several members whether a set has it",
        since: "6.2.0",
        complexity: "O(N) where N is the number of members asked for",
        group: Group::Set,
        arity: -3,
        flags: &[Fast],
        keys: Some(one_key(Access)),
        arguments: &[argument("key", Key), argument("member", String).repeated()],
        run: Run::Read(set::smismember),
        subcommands: &[],
    },
    Spec {
        name: "srem",
        summary: "Removes members from a set, and the set with its last",
        since: "1.0.0",
        complexity: "O(N) where N is the number of members to remove",
        group: Group::Set,
        arity: -3,
        flags: &[Fast],
        keys: Some(one_key(Delete)),
        arguments: &[argument("key", Key), argument("member", String).repeated()],
        run: Run::Write(set::srem),
        subcommands: &[],
    },
    Spec {
        name: "sscan",
        summary: "Walks through the members of a set, some at each call",
        since: "2.8.0",
        complexity: "O(1) a call, O(N) from cursor 0 to cursor 0, with N the number of members",
        group: Group::Set,
        arity: -3,
        flags: &[],
        keys: Some(one_key(Access)),
        arguments: &[
            argument("key", Key),
            argument("cursor", Integer),
            argument("pattern", Pattern).after("MATCH").optional(),
            argument("count", Integer).after("COUNT").optional(),
        ],
        run: Run::Read(set::sscan),
        subcommands: &[],
    },
    Spec {
        name: "del",
        summary: "Removes keys",
        since: "1.0.0",
        complexity: "O(N) where N is the number of keys",
        group: Group::Generic,
        arity: -2,
        flags: &[],
        keys: Some(all_keys(Remove)),
        arguments: &[argument("key", Key).repeated()],
        run: Run::Write(key::del),
        subcommands: &[],
    },
    Spec {
        name: "exists",
        summary: "Counts those of the given keys that exist",
        since: "1.0.0",
        complexity: "O(N) where N is the number of keys",
        group: Group::Generic,
        arity: -2,
        flags: &[Fast],
        keys: Some(all_keys(Look)),
        arguments: &[argument("key", Key).repeated()],
        run: Run::Read(key::exists),
        subcommands: &[],
    },
    Spec {
        name: "keys",
        summary: "Returns all keys that match a pattern",
        since: "1.0.0",
        complexity: "O(N) where N is the number of keys in the database",
        group: Group::Generic,
        arity: 2,
        flags: &[DANGEROUS],
        keys: None,
        arguments: &[argument("pattern", Pattern)],
        run: Run::Read(key::keys),
        subcommands: &[],
    },
    Spec {
        name: "randomkey",
        summary: "Returns one of the keys, chosen at random",
        since: "1.0.0",
        complexity: "O(1)",
        group: Group::Generic,
        arity: 1,
        flags: &[],
        keys: None,
        arguments: &[],
        run: Run::Read(key::randomkey),
        subcommands: &[],
    },
    Spec {
        name: "scan",
        summary: "Walks through the keys, some at each call",
        since: "2.8.0",
        complexity: "O(1) a call, O(N) from cursor 0 to cursor 0, with N the number of keys",
        group: Group::Generic,
        arity: -2,
        flags: &[],
        keys: None,
        arguments: &[
            argument("cursor", Integer),
            argument("pattern", Pattern).after("MATCH").optional(),
            argument("count", Integer).after("COUNT").optional(),
            argument("type", String).after("TYPE").optional(),
        ],
        run: Run::Read(key::scan),
        subcommands: &[],
    },
    Spec {
        name: "type",
        summary: "Tells the type of what is at a key",
        since: "1.0.0",
        complexity: "O(1)",
        group: Group::Generic,
        arity: 2,
        flags: &[Fast],
        keys: Some(one_key(Look)),
        arguments: &[argument("key", Key)],
        run: Run::Read(key::type_),
        subcommands: &[],
    },
    Spec {
        name: "unlink",
        summary: "Removes keys, as DEL does",
        since: "4.0.0",
        complexity: "O(N) where N is the number of keys",
        group: Group::Generic,
        arity: -2,
        flags: &[Fast],
        keys: Some(all_keys(Remove)),
        arguments: &[argument("key", Key).repeated()],
        run: Run::Write(key::del),
        subcommands: &[],
    },
    Spec {
        name: "auth",
        summary: "Authenticates the connection",
        since: "1.0.0",
        complexity: "O(N) where N is the length of the password",
        group: Group::Connection,
        arity: -2,
        flags: HANDSHAKE,
        keys: None,
        arguments: &[argument("username", String).optional(), argument("password", String)],
        run: Run::Session(session::auth),
        subcommands: &[],
    },
    Spec {
        name: "client",
        summary: "Reads or changes the state of connections",
        since: "2.4.0",
        complexity: "Depends on the subcommand",
        group: Group::Connection,
        arity: -2,
        flags: &[],
        keys: None,
        arguments: &[],
        run: Run::Container,
        subcommands: &[
            Spec {
                name: "client|getname",
                summary: "Returns the name of the connection",
                since: "2.6.9",
                complexity: "O(1)",
                group: Group::Connection,
                arity: 2,
                flags: CLIENT_STATE,
                keys: None,
                arguments: &[],
                run: Run::Session(session::client_getname),
                subcommands: &[],
            },
            Spec {
                name: "client|getredir",
                summary: "Tells to whom invalidations are sent: to nobody",
                since: "6.0.0",
                complexity: "O(1)",
                group: Group::Connection,
                arity: 2,
                flags: CLIENT_STATE,
                keys: None,
                arguments: &[],
                run: Run::Session(client::getredir),
                subcommands: &[],
            },
            Spec {
                name: "client|help",
                summary: "Explains the subcommands",
                since: "5.0.0",
                complexity: "O(1)",
                group: Group::Connection,
                arity: 2,
                flags: &[Loading, Stale],
                keys: None,
                arguments: &[],
                run: Run::Session(client::help),
                subcommands: &[],
            },
            Spec {
                name: "client|id",
                summary: "Returns the number of the connection",
                since: "5.0.0",
                complexity: "O(1)",
                group: Group::Connection,
                arity: 2,
                flags: CLIENT_STATE,
                keys: None,
                arguments: &[],
                run: Run::Session(session::client_id),
                subcommands: &[],
            },
            Spec {
                name: "client|info",
                summary: "Describes the connection",
                since: "6.2.0",
                complexity: "O(1)",
                group: Group::Connection,
                arity: 2,
                flags: CLIENT_STATE,
                keys: None,
                arguments: &[],
                run: Run::Session(session::client_info),
                subcommands: &[],
            },
            Spec {
                name: "client|kill",
                summary: "Ends connections",
                since: "2.4.0",
                complexity: "O(N) where N is the number of connections",
                group: Group::Connection,
                arity: -3,
                flags: CLIENT_ADMIN,
                keys: None,
                arguments: &[argument(
                    "filter",
                    OneOf(&[
                        argument("ip:port", String),
                        argument("client-id", Integer).after("ID"),
                        argument(
                            "client-type",
                            OneOf(&[
                                word("normal", "NORMAL"),
                                word("master", "MASTER"),
                                word("replica", "REPLICA"),
                                word("pubsub", "PUBSUB"),
                            ]),
                        )
                        .after("TYPE"),
                        argument("username", String).after("USER"),
                        argument("ip:port", String).after("ADDR"),
                        argument("ip:port", String).after("LADDR"),
                        argument("skipme", OneOf(&[word("yes", "YES"), word("no", "NO")])).after("SKIPME"),
                    ]),
                )
                .repeated()],
                run: Run::Session(client::kill),
                subcommands: &[],
            },
            Spec {
                name: "client|list",
                summary: "Describes the connections, a line each",
                since: "2.4.0",
                complexity: "O(N) where N is the number of connections",
                group: Group::Connection,
                arity: -2,
                flags: CLIENT_ADMIN,
                keys: None,
                arguments: &[
                    argument(
                        "client-type",
                        OneOf(&[
                            word("normal", "NORMAL"),
                            word("master", "MASTER"),
                            word("replica", "REPLICA"),
                            word("pubsub", "PUBSUB"),
                        ]),
                    )
                    .after("TYPE")
                    .optional(),
                    argument("client-id", Integer).after("ID").optional().repeated(),
                ],
                run: Run::Session(session::client_list),
                subcommands: &[],
            },
            Spec {
                name: "client|no-evict",
                summary: "Notes that the connection should not be closed for want of memory",
                since: "7.0.0",
                complexity: "O(1)",
                group: Group::Connection,
                arity: 3,
                flags: CLIENT_ADMIN,
                keys: None,
                arguments: SWITCH,
                run: Run::Session(session::client_no_evict),
                subcommands: &[],
            },
            Spec {
                name: "client|no-touch",
                summary: "Notes that the connection should not make keys seem used",
                since: "7.2.0",
                complexity: "O(1)",
                group: Group::Connection,
                arity: 3,
                flags: CLIENT_STATE,
                keys: None,
                arguments: SWITCH,
                run: Run::Session(session::client_no_touch),
                subcommands: &[],
            },
            Spec {
                name: "client|pause",
                summary: "Has the commands of all clients wait, or their writes",
                since: "2.9.50",
                complexity: "O(1)",
                group: Group::Connection,
                arity: -3,
                flags: CLIENT_ADMIN,
                keys: None,
                arguments: &[
                    argument("timeout", Integer),
                    argument("mode", OneOf(&[word("write", "WRITE"), word("all", "ALL")])).optional(),
                ],
                run: Run::Control(client::pause),
                subcommands: &[],
            },
            Spec {
                name: "client|reply",
                summary: "Chooses whether commands are answered",
                since: "3.2.0",
                complexity: "O(1)",
                group: Group::Connection,
                arity: 3,
                flags: CLIENT_STATE,
                keys: None,
                arguments: &[argument(
                    "action",
                    OneOf(&[word("on", "ON"), word("off", "OFF"), word("skip", "SKIP")]),
                )],
                run: Run::Session(session::client_reply),
                subcommands: &[],
            },
            Spec {
                name: "client|setinfo",
                summary: "Notes which client library is at the other end",
                since: "7.2.0",
                complexity: "O(1)",
                group: Group::Connection,
                arity: 4,
                flags: CLIENT_STATE,
                keys: None,
                arguments: &[argument(
                    "attr",
                    OneOf(&[
                        argument("libname", String).after("LIB-NAME"),
                        argument("libver", String).after("LIB-VER"),
                    ]),
                )],
                run: Run::Session(session::client_setinfo),
                subcommands: &[],
            },
            Spec {
                name: "client|setname",
                summary: "Gives the connection a name",
                since: "2.6.9",
                complexity: "O(1)",
                group: Group::Connection,
                arity: 3,
                flags: CLIENT_STATE,
                keys: None,
                arguments: &[argument("connection-name", String)],
                run: Run::Session(session::client_setname),
                subcommands: &[],
            },
            Spec {
                name: "client|trackinginfo",
                summary: "Tells what is tracked for client-side caches: nothing",
                since: "6.2.0",
                complexity: "O(1)",
                group: Group::Connection,
                arity: 2,
                flags: CLIENT_STATE,
                keys: None,
                arguments: &[],
                run: Run::Session(client::trackinginfo),
                subcommands: &[],
            },
            Spec {
                name: "client|unblock",
                summary: "Has a blocked client go on; nobody is ever blocked",
                since: "5.0.0",
                complexity: "O(1)",
                group: Group::Connection,
                arity: -3,
                flags: CLIENT_ADMIN,
                keys: None,
                arguments: &[
                    argument("client-id", Integer),
                    argument("unblock-type", OneOf(&[word("timeout", "TIMEOUT"), word("error", "ERROR")]))
                        .optional(),
                ],
                run: Run::Session(client::unblock),
                subcommands: &[],
            },
            Spec {
                name: "client|unpause",
                summary: "Has what CLIENT PAUSE made wait go on",
                since: "6.2.0",
                complexity: "O(N) where N is the number of paused connections",
                group: Group::Connection,
                arity: 2,
                flags: CLIENT_ADMIN,
                keys: None,
                arguments: &[],
                run: Run::Control(|_| Ok(Control::Unpause)),
                subcommands: &[],
            },
        ],
    },
    Spec {
        name: "echo",
        summary: "Returns the message",
        since: "1.0.0",
        complexity: "O(1)",
        group: Group::Connection,
        arity: 2,
        flags: &[Loading, Stale, Fast],
        keys: None,
        arguments: &[argument("message", String)],
        run: Run::Session(session::echo),
        subcommands: &[],
    },
    Spec {
        name: "hello",
        summary: "Chooses the version of the protocol, authenticates and names the connection",
        since: "6.0.0",
        complexity: "O(1)",
        group: Group::Connection,
        arity: -1,
        flags: HANDSHAKE,
        keys: None,
        arguments: &[argument(
            "arguments",
            Block(&[
                argument("protover", Integer),
                argument("auth", Block(&[argument("username", String), argument("password", String)]))
                    .after("AUTH")
                    .optional(),
                argument("clientname", String).after("SETNAME").optional(),
            ]),
        )
        .optional()],
        run: Run::Session(session::hello),
        subcommands: &[],
    },
    Spec {
        name: "ping",
        summary: "Returns PONG, or the message",
        since: "1.0.0",
        complexity: "O(1)",
        group: Group::Connection,
        arity: -1,
        flags: &[Fast, WhileSubscribed],
        keys: None,
        arguments: &[argument("message", String).optional()],
        run: Run::Session(session::ping),
        subcommands: &[],
    },
    Spec {
        name: "quit",
        summary: "Closes the connection behind the reply",
        since: "1.0.0",
        complexity: "O(1)",
        group: Group::Connection,
        arity: -1,
        flags: &[NoScript, Loading, Stale, Fast, NoAuth, AllowBusy, Immediate, WhileSubscribed],
        keys: None,
        arguments: &[],
        run: Run::Session(session::quit),
        subcommands: &[],
    },
    Spec {
        name: "reset",
        summary: "Puts the connection back to the state in which it began",
        since: "6.2.0",
        complexity: "O(1)",
        group: Group::Connection,
        arity: 1,
        flags: &[
            NoScript,
            Loading,
            Stale,
            Fast,
            NoAuth,
            AllowBusy,
            Immediate,
            EndsTransaction,
            WhileSubscribed,
        ],
        keys: None,
        arguments: &[],
        run: Run::Session(session::reset),
        subcommands: &[],
    },
    Spec {
        name: "select",
        summary: "Chooses the database of the connection",
        since: "1.0.0",
        complexity: "O(1)",
        group: Group::Connection,
        arity: 2,
        flags: &[Loading, Stale, Fast],
        keys: None,
        arguments: &[argument("index", Integer)],
        run: Run::Session(session::select),
        subcommands: &[],
    },
    Spec {
        name: "bgsave",
        summary: "Writes a checkpoint in the background",
        since: "1.0.0",
        complexity: "O(1)",
        group: Group::Server,
        arity: -1,
        flags: &[Admin, NoScript, NoAsyncLoading],
        keys: None,
        arguments: &[word("schedule", "SCHEDULE").optional()],
        run: Run::Control(server::bgsave),
        subcommands: &[],
    },
    Spec {
        name: "command",
        summary: "Describes all commands for client libraries",
        since: "2.8.13",
        complexity: "O(N) where N is the number of commands",
        group: Group::Server,
        arity: -1,
        flags: COMMAND_TABLE,
        keys: None,
        arguments: &[],
        run: Run::Session(introspection::command),
        subcommands: &[
            Spec {
                name: "command|count",
                summary: "Counts the commands",
                since: "2.8.13",
                complexity: "O(1)",
                group: Group::Server,
                arity: 2,
                flags: COMMAND_TABLE,
                keys: None,
                arguments: &[],
                run: Run::Session(introspection::command_count),
                subcommands: &[],
            },
            Spec {
                name: "command|docs",
                summary: "Describes commands for people",
                since: "7.0.0",
                complexity: "O(N) where N is the number of commands",
                group: Group::Server,
                arity: -2,
                flags: COMMAND_TABLE,
                keys: None,
                arguments: &[argument("command-name", String).optional().repeated()],
                run: Run::Session(introspection::command_docs),
                subcommands: &[],
            },
            Spec {
                name: "command|getkeys",
                summary: "Finds the keys among the arguments of a command",
                since: "2.8.13",
                complexity: "O(N) where N is the number of arguments",
                group: Group::Server,
                arity: -3,
                flags: COMMAND_TABLE,
                keys: None,
                arguments: &[argument("command", String), argument("arg", String).optional().repeated()],
                run: Run::Session(introspection::command_getkeys),
                subcommands: &[],
            },
            Spec {
                name: "command|info",
                summary: "Describes commands for client libraries",
                since: "2.8.13",
                complexity: "O(N) where N is the number of commands",
                group: Group::Server,
                arity: -2,
                flags: COMMAND_TABLE,
                keys: None,
                arguments: &[argument("command-name", String).optional().repeated()],
                run: Run::Session(introspection::command_info),
                subcommands: &[],
            },
            Spec {
                name: "command|list",
                summary: "Returns the names of the commands",
                since: "7.0.0",
                complexity: "O(N) where N is the number of commands",
                group: Group::Server,
                arity: -2,
                flags: COMMAND_TABLE,
                keys: None,
                arguments: &[argument(
                    "filterby",
                    OneOf(&[
                        argument("module-name", String).after("MODULE"),
                        argument("category", String).after("ACLCAT"),
                        argument("pattern", Pattern).after("PATTERN"),
                    ]),
                )
                .after("FILTERBY")
                .optional()],
                run: Run::Session(introspection::command_list),
                subcommands: &[],
            },
        ],
    },
    Spec {
        name: "config",
        summary: "Reads the configuration",
        since: "2.0.0",
        complexity: "Depends on the subcommand",
        group: Group::Server,
        arity: -2,
        flags: &[],
        keys: None,
        arguments: &[],
        run: Run::Container,
        subcommands: &[Spec {
            name: "config|get",
            summary: "Returns the parameters that match the patterns",
            since: "2.0.0",
            complexity: "O(N) where N is the number of parameters",
            group: Group::Server,
            arity: -3,
            flags: &[Admin, NoScript, Loading, Stale],
            keys: None,
            arguments: &[argument("parameter", String).repeated()],
            run: Run::Session(server::config_get),
            subcommands: &[],
        }],
    },
    Spec {
        name: "dbsize",
        summary: "Counts the keys of the selected database",
        since: "1.0.0",
        complexity: "O(1)",
        group: Group::Server,
        arity: 1,
        flags: &[Fast],
        keys: None,
        arguments: &[],
        run: Run::Read(key::dbsize),
        subcommands: &[],
    },
    Spec {
        name: "flushall",
        summary: "Removes all keys of all databases",
        since: "1.0.0",
        complexity: "O(N) where N is the number of keys in all databases",
        group: Group::Server,
        arity: -1,
        flags: &[DANGEROUS],
        keys: None,
        arguments: FLUSH_MODE,
        run: Run::Write(key::flushall),
        subcommands: &[],
    },
    Spec {
        name: "flushdb",
        summary: "Removes all keys of the selected database",
        since: "1.0.0",
        complexity: "O(N) where N is the number of keys in the database",
        group: Group::Server,
        arity: -1,
        flags: &[DANGEROUS],
        keys: None,
        arguments: FLUSH_MODE,
        run: Run::Write(key::flushdb),
        subcommands: &[],
    },
    Spec {
        name: "info",
        summary: "Reports the state and the counters of the server",
        since: "1.0.0",
        complexity: "O(1)",
        group: Group::Server,
        arity: -1,
        flags: &[Loading, Stale, DANGEROUS],
        keys: None,
        arguments: &[argument("section", String).optional().repeated()],
        run: Run::Session(info::info),
        subcommands: &[],
    },
    Spec {
        name: "lastsave",
        summary: "Tells when the last checkpoint was written",
        since: "1.0.0",
        complexity: "O(1)",
        group: Group::Server,
        arity: 1,
        flags: &[Loading, Stale, Fast, ADMIN, DANGEROUS],
        keys: None,
        arguments: &[],
        run: Run::Session(server::lastsave),
        subcommands: &[],
    },
    Spec {
        name: "monitor",
        summary: "Shows every command as it is executed",
        since: "1.0.0",
        complexity: "O(1)",
        group: Group::Server,
        arity: 1,
        flags: &[Admin, NoScript, Loading, Stale],
        keys: None,
        arguments: &[],
        run: Run::Session(client::monitor),
        subcommands: &[],
    },
    Spec {
        name: "save",
        summary: "Writes a checkpoint",
        since: "1.0.0",
        complexity: "O(N) where N is the number of pages changed since the last",
        group: Group::Server,
        arity: 1,
        flags: &[Admin, NoScript, NoAsyncLoading, NoMulti],
        keys: None,
        arguments: &[],
        run: Run::Control(|_| Ok(Control::Save)),
        subcommands: &[],
    },
    Spec {
        name: "shutdown",
        summary: "Ends the server when all that was submitted is on disk",
        since: "1.0.0",
        complexity: "O(N) where N is the number of pages changed since the last checkpoint",
        group: Group::Server,
        arity: -1,
        flags: &[Admin, NoScript, Loading, Stale, NoMulti, AllowBusy],
        keys: None,
        arguments: &[
            argument("save-selector", OneOf(&[word("nosave", "NOSAVE"), word("save", "SAVE")])).optional(),
            word("now", "NOW").optional(),
            word("force", "FORCE").optional(),
            word("abort", "ABORT").optional(),
        ],
        run: Run::Control(server::shutdown),
        subcommands: &[],
    },
    Spec {
        name: "time",
        summary: "Tells the time of the server",
        since: "2.6.0",
        complexity: "O(1)",
        group: Group::Server,
        arity: 1,
        flags: &[Loading, Stale, Fast],
        keys: None,
        arguments: &[],
        run: Run::Session(server::time),
        subcommands: &[],
    },
    Spec {
        name: "discard",
        summary: "Forgets what was queued since MULTI, and every WATCH",
        since: "2.0.0",
        complexity: "O(N) where N is the number of queued commands",
        group: Group::Transactions,
        arity: 1,
        flags: TRANSACTION,
        keys: None,
        arguments: &[],
        run: Run::Transaction(TransactionStep::Discard),
        subcommands: &[],
    },
    Spec {
        name: "exec",
        summary: "Executes what was queued since MULTI, as one",
        since: "1.2.0",
        complexity: "That of the queued commands",
        group: Group::Transactions,
        arity: 1,
        flags: &[NoScript, Loading, Stale, SkipSlowlog, Immediate, RepliesFirst],
        keys: None,
        arguments: &[],
        run: Run::Transaction(TransactionStep::Execute),
        subcommands: &[],
    },
    Spec {
        name: "multi",
        summary: "Has the commands that follow queued, to be executed as one",
        since: "1.2.0",
        complexity: "O(1)",
        group: Group::Transactions,
        arity: 1,
        flags: TRANSACTION,
        keys: None,
        arguments: &[],
        run: Run::Transaction(TransactionStep::Begin),
        subcommands: &[],
    },
    Spec {
        name: "unwatch",
        summary: "Undoes every WATCH of the connection",
        since: "2.2.0",
        complexity: "O(1)",
        group: Group::Transactions,
        arity: 1,
        flags: &[NoScript, Loading, Stale, Fast, AllowBusy],
        keys: None,
        arguments: &[],
        run: Run::Transaction(TransactionStep::Unwatch),
        subcommands: &[],
    },
    Spec {
        name: "watch",
        summary: "Has the next EXEC do nothing if one of these keys changes until then",
        since: "2.2.0",
        complexity: "O(1) a key",
        group: Group::Transactions,
        arity: -2,
        flags: TRANSACTION,
        keys: Some(all_keys(Look)),
        arguments: &[argument("key", Key).repeated()],
        run: Run::Transaction(TransactionStep::Watch),
        subcommands: &[],
    },
    Spec {
        name: "psubscribe",
        summary: "Subscribes to all channels whose names match patterns",
        since: "2.0.0",
        complexity: "O(N) where N is the number of patterns",
        group: Group::PubSub,
        arity: -2,
        flags: SUBSCRIBE,
        keys: None,
        arguments: &[argument("pattern", Pattern).repeated()],
        run: Run::Session(pubsub::psubscribe),
        subcommands: &[],
    },
    Spec {
        name: "publish",
        summary: "Sends a message to the subscribers of a channel",
        since: "2.0.0",
        complexity: "O(N+M) where N is the number of its subscribers and M is the number of all patterns",
        group: Group::PubSub,
        arity: 3,
        flags: PUBLISH,
        keys: None,
        arguments: &[argument("channel", String), argument("message", String)],
        run: Run::Session(pubsub::publish),
        subcommands: &[],
    },
    Spec {
        name: "pubsub",
        summary: "Tells who is subscribed to what",
        since: "2.8.0",
        complexity: "Depends on the subcommand",
        group: Group::PubSub,
        arity: -2,
        flags: &[],
        keys: None,
        arguments: &[],
        run: Run::Container,
        subcommands: &[
            Spec {
                name: "pubsub|channels",
                summary: "Returns the channels that have subscribers",
                since: "2.8.0",
                complexity: "O(N) where N is the number of such channels",
                group: Group::PubSub,
                arity: -2,
                flags: PUBSUB,
                keys: None,
                arguments: &[argument("pattern", Pattern).optional()],
                run: Run::Session(pubsub::channels),
                subcommands: &[],
            },
            Spec {
                name: "pubsub|help",
                summary: "Explains the subcommands",
                since: "6.2.0",
                complexity: "O(1)",
                group: Group::PubSub,
                arity: 2,
                flags: &[Loading, Stale],
                keys: None,
                arguments: &[],
                run: Run::Session(pubsub::help),
                subcommands: &[],
            },
            Spec {
                name: "pubsub|numpat",
                summary: "Counts the patterns that are subscribed to",
                since: "2.8.0",
                complexity: "O(1)",
                group: Group::PubSub,
                arity: 2,
                flags: PUBSUB,
                keys: None,
                arguments: &[],
                run: Run::Session(pubsub::numpat),
                subcommands: &[],
            },
            Spec {
                name: "pubsub|numsub",
                summary: "Counts the subscribers of channels",
                since: "2.8.0",
                complexity: "O(N) where N is the number of channels",
                group: Group::PubSub,
                arity: -2,
                flags: PUBSUB,
                keys: None,
                arguments: &[argument("channel", String).optional().repeated()],
                run: Run::Session(pubsub::numsub),
                subcommands: &[],
            },
            Spec {
                name: "pubsub|shardchannels",
                summary: "Returns the shard channels that have subscribers",
                since: "7.0.0",
                complexity: "O(N) where N is the number of such channels",
                group: Group::PubSub,
                arity: -2,
                flags: PUBSUB,
                keys: None,
                arguments: &[argument("pattern", Pattern).optional()],
                run: Run::Session(pubsub::shardchannels),
                subcommands: &[],
            },
            Spec {
                name: "pubsub|shardnumsub",
                summary: "Counts the subscribers of shard channels",
                since: "7.0.0",
                complexity: "O(N) where N is the number of channels",
                group: Group::PubSub,
                arity: -2,
                flags: PUBSUB,
                keys: None,
                arguments: &[argument("shardchannel", String).optional().repeated()],
                run: Run::Session(pubsub::shardnumsub),
                subcommands: &[],
            },
        ],
    },
    Spec {
        name: "punsubscribe",
        summary: "Ends subscriptions to patterns",
        since: "2.0.0",
        complexity: "O(N) where N is the number of patterns",
        group: Group::PubSub,
        arity: -1,
        flags: UNSUBSCRIBE,
        keys: None,
        arguments: &[argument("pattern", Pattern).optional().repeated()],
        run: Run::Session(pubsub::punsubscribe),
        subcommands: &[],
    },
    Spec {
        name: "spublish",
        summary: "Sends a message to the subscribers of a shard channel",
        since: "7.0.0",
        complexity: "O(N) where N is the number of its subscribers",
        group: Group::PubSub,
        arity: 3,
        flags: PUBLISH,
        keys: Some(one_key(NotKey)),
        arguments: &[argument("shardchannel", String), argument("message", String)],
        run: Run::Session(pubsub::spublish),
        subcommands: &[],
    },
    Spec {
        name: "ssubscribe",
        summary: "Subscribes to shard channels",
        since: "7.0.0",
        complexity: "O(N) where N is the number of channels",
        group: Group::PubSub,
        arity: -2,
        flags: SUBSCRIBE,
        keys: Some(all_keys(NotKey)),
        arguments: &[argument("shardchannel", String).repeated()],
        run: Run::Session(pubsub::ssubscribe),
        subcommands: &[],
    },
    Spec {
        name: "subscribe",
        summary: "Subscribes to channels",
        since: "2.0.0",
        complexity: "O(N) where N is the number of channels",
        group: Group::PubSub,
        arity: -2,
        flags: SUBSCRIBE,
        keys: None,
        arguments: &[argument("channel", String).repeated()],
        run: Run::Session(pubsub::subscribe),
        subcommands: &[],
    },
    Spec {
        name: "sunsubscribe",
        summary: "Ends subscriptions to shard channels",
        since: "7.0.0",
        complexity: "O(N) where N is the number of channels",
        group: Group::PubSub,
        arity: -1,
        flags: UNSUBSCRIBE,
        keys: Some(all_keys(NotKey)),
        arguments: &[argument("shardchannel", String).optional().repeated()],
        run: Run::Session(pubsub::sunsubscribe),
        subcommands: &[],
    },
    Spec {
        name: "unsubscribe",
        summary: "Ends subscriptions to channels",
        since: "2.0.0",
        complexity: "O(N) where N is the number of channels",
        group: Group::PubSub,
        arity: -1,
        flags: UNSUBSCRIBE,
        keys: None,
        arguments: &[argument("channel", String).optional().repeated()],
        run: Run::Session(pubsub::unsubscribe),
        subcommands: &[],
    },
];

/// What a connection may do first and last: open to everybody, at any time.
const HANDSHAKE: &[Flag] = &[NoScript, Loading, Stale, Fast, NoAuth, AllowBusy];

const SUBSCRIBE: &[Flag] = &[Flag::PubSub, NoScript, Loading, Stale, WhileSubscribed, RepliesFirst];

const UNSUBSCRIBE: &[Flag] = &[Flag::PubSub, NoScript, Loading, Stale, WhileSubscribed];

const PUBLISH: &[Flag] = &[Flag::PubSub, Loading, Stale, Fast, MayReplicate];

const PUBSUB: &[Flag] = &[Flag::PubSub, Loading, Stale];

const TRANSACTION: &[Flag] = &[NoScript, Loading, Stale, Fast, AllowBusy, Immediate];

const CLIENT_STATE: &[Flag] = &[NoScript, Loading, Stale];

const CLIENT_ADMIN: &[Flag] = &[Admin, NoScript, Loading, Stale];

const COMMAND_TABLE: &[Flag] = &[Loading, Stale, CONNECTION];

const ADMIN: Flag = Flag::Category("@admin");

const CONNECTION: Flag = Flag::Category("@connection");

const DANGEROUS: Flag = Flag::Category("@dangerous");

const SWITCH: &[Argument] = &[argument("enabled", OneOf(&[word("on", "ON"), word("off", "OFF")]))];

const FLUSH_MODE: &[Argument] =
    &[argument("flush-type", OneOf(&[word("async", "ASYNC"), word("sync", "SYNC")])).optional()];

/// Argument 1 is a key.
const fn one_key(usage: KeyUse) -> Keys {
    Keys { first: 1, last: 1, step: 1, usage }
}

/// All arguments are keys.
const fn all_keys(usage: KeyUse) -> Keys {
    Keys { first: 1, last: -1, step: 1, usage }
}

const fn argument(name: &'static str, kind: ArgumentKind) -> Argument {
    Argument { name, kind, token: None, optional: false, multiple: false }
}

/// A fixed word.
const fn word(name: &'static str, token: &'static str) -> Argument {
    argument(name, PureToken).after(token)
}

impl Argument {
    const fn after(mut self, token: &'static str) -> Self {
        self.token = Some(token);
        self
    }

    const fn optional(mut self) -> Self {
        self.optional = true;
        self
    }

    const fn repeated(mut self) -> Self {
        self.multiple = true;
        self
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::super::rows;
    use super::*;

    /// The words of a request that name the command.
    fn name_words(spec: &Spec) -> usize {
        spec.name.split('|').count()
    }

    /// The words that an argument takes at least, if it isn't left out.
    fn words(argument: &Argument) -> usize {
        let own = match argument.kind {
            Key | String | Integer | Pattern => 1,
            PureToken => 0,
            OneOf(choices) => choices.iter().map(words).min().unwrap(),
            Block(parts) => required_words(parts),
        };
        own + usize::from(argument.token.is_some())
    }

    fn required_words(arguments: &[Argument]) -> usize {
        arguments.iter().filter(|argument| !argument.optional).map(words).sum()
    }

    #[test]
    fn rows_are_sorted_within_their_group_and_named_once() {
        for group in TABLE.chunk_by(|a, b| a.group == b.group) {
            assert!(group.is_sorted_by(|a, b| a.name < b.name), "{:?}", group[0].group);
        }
        let groups: Vec<_> = TABLE.chunk_by(|a, b| a.group == b.group).map(|group| group[0].group).collect();
        let expected = [
            Group::Set,
            Group::Generic,
            Group::Connection,
            Group::Server,
            Group::Transactions,
            Group::PubSub,
        ];
        assert_eq!(groups, expected);
        let names: HashSet<_> = rows().map(|spec| spec.name).collect();
        assert_eq!(names.len(), rows().count());
    }

    #[test]
    fn names_are_in_lower_case_and_those_of_subcommands_begin_with_their_command() {
        for spec in TABLE {
            assert!(spec.name.bytes().all(|byte| byte.is_ascii_lowercase()), "{}", spec.name);
            assert!(spec.subcommands.is_sorted_by(|a, b| a.name < b.name), "{}", spec.name);
            for subcommand in spec.subcommands {
                let (command, own) = subcommand.name.split_once('|').unwrap();
                assert_eq!(command, spec.name);
                assert!(own.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{own}");
                assert!(subcommand.subcommands.is_empty(), "{own}: one level is all that dispatch knows");
            }
        }
    }

    #[test]
    fn a_container_has_subcommands() {
        for spec in rows().filter(|spec| matches!(spec.run, Run::Container)) {
            assert!(!spec.subcommands.is_empty(), "{}", spec.name);
            assert!(spec.arguments.is_empty() && spec.flags.is_empty() && spec.arity == -2, "{}", spec.name);
        }
    }

    #[test]
    fn every_row_describes_itself() {
        for spec in rows() {
            assert!(!spec.summary.is_empty() && !spec.summary.ends_with('.'), "{}", spec.name);
            assert!(spec.summary.len() <= 80, "{}: it is a line", spec.name);
            assert!(!spec.complexity.is_empty() && !spec.complexity.ends_with('.'), "{}", spec.name);
            assert_eq!(spec.since.split('.').filter(|part| part.parse::<u8>().is_ok()).count(), 3);
        }
    }

    #[test]
    fn arity_is_what_the_arguments_take() {
        for spec in rows().filter(|spec| !matches!(spec.run, Run::Container)) {
            let least = (name_words(spec) + required_words(spec.arguments)) as i32;
            assert_eq!(spec.arity.abs(), least, "{}", spec.name);
            let is_open = spec.arguments.iter().any(|argument| argument.optional || argument.multiple)
                || !spec.subcommands.is_empty()
                // Redis lets it have arguments, and so do clients that want to be sure of their end.
                || spec.name == "quit";
            assert_eq!(spec.arity < 0, is_open, "{}", spec.name);
        }
    }

    #[test]
    fn keys_are_where_the_arguments_say() {
        for spec in rows() {
            let is_shard_channel = spec.keys.is_some_and(|keys| keys.usage == NotKey);
            let is_key = |argument: &Argument| {
                matches!(argument.kind, Key) || (is_shard_channel && argument.name == "shardchannel")
            };
            let place = spec.arguments.iter().position(is_key);
            let expected = place.map(|place| {
                let first = name_words(spec) + place;
                (first, if spec.arguments[place].multiple { -1 } else { first as i32 }, 1)
            });
            assert_eq!(spec.keys.map(|keys| (keys.first, keys.last, keys.step)), expected, "{}", spec.name);
        }
    }

    #[test]
    fn what_a_command_does_with_its_keys_agrees_with_its_kind() {
        for (spec, keys) in rows().filter_map(|spec| Some((spec, spec.keys?))) {
            let only_reads = matches!(keys.usage, Look | Access | NotKey);
            assert_eq!(only_reads, !matches!(spec.run, Run::Write(_)), "{}", spec.name);
        }
    }

    #[test]
    fn a_flag_is_given_once() {
        for spec in rows() {
            let given_twice = |at: usize| spec.flags[at + 1..].contains(&spec.flags[at]);
            assert!(!(0..spec.flags.len()).any(given_twice), "{}", spec.name);
        }
    }
}
