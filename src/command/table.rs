//! The table: a row for each command, all of one shape, sorted by group and then by name. Arity, flags and
//! key positions are Redis's; summaries say what happens here.

use super::ArgumentKind::{Block, Integer, Key, OneOf, Pattern, PureToken, String};
use super::Flag::{
    Admin, AllowBusy, DenyOom, EndsTransaction, Fast, Immediate, Loading, MovableKeys, NoAsyncLoading,
    NoAuth, NoMulti, NoScript, SkipSlowlog, Stale,
};
use super::KeyUse::{Access, Change, Create, Delete, Insert, Look, Remove, Replace, Set, Take, Update};
use super::{Argument, ArgumentKind, Control, Flag, Group, KeyUse, Keys, Places, Run, Spec, TransactionStep};
use super::{expiry, info, introspection, key, server, session, set, string};

/// Every command, sorted by group and then by name.
pub static TABLE: &[Spec] = &[
    Spec {
        name: "expiremember",
        summary: "Has a member end so long from now, in seconds unless the unit says otherwise",
        since: "1.0.0",
        complexity: "O(1)",
        group: Group::Set,
        arity: -4,
        flags: &[Fast],
        keys: &[one_key(Update)],
        arguments: &[
            argument("key", Key),
            argument("member", String),
            argument("delay", Integer),
            argument("unit", OneOf(&[word("s", "S"), word("ms", "MS")])).optional(),
        ],
        run: Run::Write(expiry::expiremember),
        subcommands: &[],
    },
    Spec {
        name: "expirememberat",
        summary: "Has a member end at this second",
        since: "1.0.0",
        complexity: "O(1)",
        group: Group::Set,
        arity: 4,
        flags: &[Fast],
        keys: &[one_key(Update)],
        arguments: &[
            argument("key", Key),
            argument("member", String),
            argument("unix-time-seconds", Integer),
        ],
        run: Run::Write(expiry::expirememberat),
        subcommands: &[],
    },
    Spec {
        name: "fieldexpire",
        summary: "Has members end so many seconds from now",
        since: "1.0.0",
        complexity: "O(N) where N is the number of members",
        group: Group::Set,
        arity: -4,
        flags: &[Fast],
        keys: &[one_key(Update)],
        arguments: &[
            argument("key", Key),
            argument("seconds", Integer),
            argument("member", String).repeated(),
        ],
        run: Run::Write(expiry::fieldexpire),
        subcommands: &[],
    },
    Spec {
        name: "fieldttl",
        summary: "Tells in how many seconds a member ends",
        since: "1.0.0",
        complexity: "O(1)",
        group: Group::Set,
        arity: 3,
        flags: &[Fast],
        keys: &[one_key(Access)],
        arguments: &[argument("key", Key), argument("member", String)],
        run: Run::Read(expiry::fieldttl),
        subcommands: &[],
    },
    Spec {
        name: "pexpirememberat",
        summary: "Has a member end at this millisecond",
        since: "1.0.0",
        complexity: "O(1)",
        group: Group::Set,
        arity: 4,
        flags: &[Fast],
        keys: &[one_key(Update)],
        arguments: &[
            argument("key", Key),
            argument("member", String),
            argument("unix-time-milliseconds", Integer),
        ],
        run: Run::Write(expiry::pexpirememberat),
        subcommands: &[],
    },
    Spec {
        name: "psaddexat",
        summary: "Adds members that end at this millisecond, or changes their ends",
        since: "1.0.0",
        complexity: "O(N) where N is the number of members",
        group: Group::Set,
        arity: -4,
        flags: &[DenyOom, Fast],
        keys: &[one_key(Insert)],
        arguments: &[
            argument("key", Key),
            argument(
                "condition",
                OneOf(&[word("nx", "NX"), word("xx", "XX"), word("gt", "GT"), word("lt", "LT")]),
            )
            .optional(),
            argument("unix-time-milliseconds", Integer),
            argument("member", String).repeated(),
        ],
        run: Run::Write(expiry::psaddexat),
        subcommands: &[],
    },
    Spec {
        name: "sadd",
        summary: "Adds members to a set, which is made if there is none",
        since: "1.0.0",
        complexity: "O(N) where N is the number of members to add",
        group: Group::Set,
        arity: -3,
        flags: &[DenyOom, Fast],
        keys: &[one_key(Insert)],
        arguments: &[argument("key", Key), argument("member", String).repeated()],
        run: Run::Write(set::sadd),
        subcommands: &[],
    },
    Spec {
        name: "saddex",
        summary: "Adds members that end so many seconds from now, or changes their ends",
        since: "1.0.0",
        complexity: "O(N) where N is the number of members",
        group: Group::Set,
        arity: -4,
        flags: &[DenyOom, Fast],
        keys: &[one_key(Insert)],
        arguments: &[
            argument("key", Key),
            argument(
                "condition",
                OneOf(&[
                    word("keepttl", "KEEPTTL"),
                    word("nx", "NX"),
                    word("xx", "XX"),
                    word("gt", "GT"),
                    word("lt", "LT"),
                ]),
            )
            .optional(),
            argument("seconds", Integer),
            argument("member", String).repeated(),
        ],
        run: Run::Write(expiry::saddex),
        subcommands: &[],
    },
    Spec {
        name: "saddexat",
        summary: "Adds members that end at this second, or changes their ends",
        since: "1.0.0",
        complexity: "O(N) where N is the number of members",
        group: Group::Set,
        arity: -4,
        flags: &[DenyOom, Fast],
        keys: &[one_key(Insert)],
        arguments: &[
            argument("key", Key),
            argument(
                "condition",
                OneOf(&[word("nx", "NX"), word("xx", "XX"), word("gt", "GT"), word("lt", "LT")]),
            )
            .optional(),
            argument("unix-time-seconds", Integer),
            argument("member", String).repeated(),
        ],
        run: Run::Write(expiry::saddexat),
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
        keys: &[one_key(Look)],
        arguments: &[argument("key", Key)],
        run: Run::Read(set::scard),
        subcommands: &[],
    },
    Spec {
        name: "sdiff",
        summary: "Returns the members of the first set that are in none of the others",
        since: "1.0.0",
        complexity: "O(N) where N is the number of members of all sets",
        group: Group::Set,
        arity: -2,
        flags: &[],
        keys: &[all_keys(Access)],
        arguments: &[argument("key", Key).repeated()],
        run: Run::Read(set::sdiff),
        subcommands: &[],
    },
    Spec {
        name: "sdiffstore",
        summary: "Stores the members of the first set that are in none of the others",
        since: "1.0.0",
        complexity: "O(N) where N is the number of members of all sets",
        group: Group::Set,
        arity: -3,
        flags: &[DenyOom],
        keys: &[one_key(Replace), keys_from(2, 1, Access)],
        arguments: &[argument("destination", Key), argument("key", Key).repeated()],
        run: Run::Write(set::sdiffstore),
        subcommands: &[],
    },
    Spec {
        name: "sinter",
        summary: "Returns the members that all sets have",
        since: "1.0.0",
        complexity: "O(N*M) where N is the size of the smallest set and M the number of sets",
        group: Group::Set,
        arity: -2,
        flags: &[],
        keys: &[all_keys(Access)],
        arguments: &[argument("key", Key).repeated()],
        run: Run::Read(set::sinter),
        subcommands: &[],
    },
    Spec {
        name: "sintercard",
        summary: "Counts the members that all sets have, up to a limit",
        since: "7.0.0",
        complexity: "O(N*M) where N is the size of the smallest set and M the number of sets",
        group: Group::Set,
        arity: -3,
        flags: &[MovableKeys],
        keys: &[Keys { first: 1, places: Places::Counted, usage: Access }],
        arguments: &[
            argument("numkeys", Integer),
            argument("key", Key).repeated(),
            argument("limit", Integer).after("LIMIT").optional(),
        ],
        run: Run::Read(set::sintercard),
        subcommands: &[],
    },
    Spec {
        name: "sinterstore",
        summary: "Stores the members that all sets have",
        since: "1.0.0",
        complexity: "O(N*M) where N is the size of the smallest set and M the number of sets",
        group: Group::Set,
        arity: -3,
        flags: &[DenyOom],
        keys: &[one_key(Update), keys_from(2, 1, Access)],
        arguments: &[argument("destination", Key), argument("key", Key).repeated()],
        run: Run::Write(set::sinterstore),
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
        keys: &[one_key(Look)],
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
        keys: &[one_key(Access)],
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
        keys: &[one_key(Access)],
        arguments: &[argument("key", Key), argument("member", String).repeated()],
        run: Run::Read(set::smismember),
        subcommands: &[],
    },
    Spec {
        name: "smove",
        summary: "Moves a member from one set to another",
        since: "1.0.0",
        complexity: "O(1)",
        group: Group::Set,
        arity: 4,
        flags: &[Fast],
        keys: &[one_key(Take), key_at(2, Insert)],
        arguments: &[argument("source", Key), argument("destination", Key), argument("member", String)],
        run: Run::Write(set::smove),
        subcommands: &[],
    },
    Spec {
        name: "spop",
        summary: "Takes members out of a set, chosen at random",
        since: "1.0.0",
        complexity: "O(N) where N is the number of members to take",
        group: Group::Set,
        arity: -2,
        flags: &[Fast],
        keys: &[one_key(Take)],
        arguments: &[argument("key", Key), argument("count", Integer).optional()],
        run: Run::Write(set::spop),
        subcommands: &[],
    },
    Spec {
        name: "srandmember",
        summary: "Returns members of a set, chosen at random",
        since: "1.0.0",
        complexity: "O(N) where N is the number of members to return",
        group: Group::Set,
        arity: -2,
        flags: &[],
        keys: &[one_key(Access)],
        arguments: &[argument("key", Key), argument("count", Integer).optional()],
        run: Run::Read(set::srandmember),
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
        keys: &[one_key(Delete)],
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
        keys: &[one_key(Access)],
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
        name: "sunion",
        summary: "Returns the members of all sets",
        since: "1.0.0",
        complexity: "O(N) where N is the number of members of all sets",
        group: Group::Set,
        arity: -2,
        flags: &[],
        keys: &[all_keys(Access)],
        arguments: &[argument("key", Key).repeated()],
        run: Run::Read(set::sunion),
        subcommands: &[],
    },
    Spec {
        name: "sunionstore",
        summary: "Stores the members of all sets",
        since: "1.0.0",
        complexity: "O(N) where N is the number of members of all sets",
        group: Group::Set,
        arity: -3,
        flags: &[DenyOom],
        keys: &[one_key(Replace), keys_from(2, 1, Access)],
        arguments: &[argument("destination", Key), argument("key", Key).repeated()],
        run: Run::Write(set::sunionstore),
        subcommands: &[],
    },
    Spec {
        name: "append",
        summary: "Appends to a string, which is made if there is none",
        since: "2.0.0",
        complexity: "O(N) where N is the length of the string",
        group: Group::String,
        arity: 3,
        flags: &[DenyOom, Fast],
        keys: &[one_key(Insert)],
        arguments: &[argument("key", Key), argument("value", String)],
        run: Run::Write(string::append),
        subcommands: &[],
    },
    Spec {
        name: "decr",
        summary: "Subtracts one from the integer that a string is",
        since: "1.0.0",
        complexity: "O(1)",
        group: Group::String,
        arity: 2,
        flags: &[DenyOom, Fast],
        keys: &[one_key(Change)],
        arguments: &[argument("key", Key)],
        run: Run::Write(string::decr),
        subcommands: &[],
    },
    Spec {
        name: "decrby",
        summary: "Subtracts from the integer that a string is",
        since: "1.0.0",
        complexity: "O(1)",
        group: Group::String,
        arity: 3,
        flags: &[DenyOom, Fast],
        keys: &[one_key(Change)],
        arguments: &[argument("key", Key), argument("decrement", Integer)],
        run: Run::Write(string::decrby),
        subcommands: &[],
    },
    Spec {
        name: "get",
        summary: "Returns a string",
        since: "1.0.0",
        complexity: "O(1)",
        group: Group::String,
        arity: 2,
        flags: &[Fast],
        keys: &[one_key(Access)],
        arguments: &[argument("key", Key)],
        run: Run::Read(string::get),
        subcommands: &[],
    },
    Spec {
        name: "getdel",
        summary: "Returns a string and removes its key",
        since: "6.2.0",
        complexity: "O(1)",
        group: Group::String,
        arity: 2,
        flags: &[Fast],
        keys: &[one_key(Take)],
        arguments: &[argument("key", Key)],
        run: Run::Write(string::getdel),
        subcommands: &[],
    },
    Spec {
        name: "getex",
        summary: "Returns a string and changes when its key ends",
        since: "6.2.0",
        complexity: "O(1)",
        group: Group::String,
        arity: -2,
        flags: &[Fast],
        keys: &[one_key(Change)],
        arguments: &[
            argument("key", Key),
            argument(
                "expiration",
                OneOf(&[
                    argument("seconds", Integer).after("EX"),
                    argument("milliseconds", Integer).after("PX"),
                    argument("unix-time-seconds", Integer).after("EXAT"),
                    argument("unix-time-milliseconds", Integer).after("PXAT"),
                    word("persist", "PERSIST"),
                ]),
            )
            .optional(),
        ],
        run: Run::Write(string::getex),
        subcommands: &[],
    },
    Spec {
        name: "getrange",
        summary: "Returns a part of a string",
        since: "2.4.0",
        complexity: "O(N) where N is the length of the part",
        group: Group::String,
        arity: 4,
        flags: &[],
        keys: &[one_key(Access)],
        arguments: &[argument("key", Key), argument("start", Integer), argument("end", Integer)],
        run: Run::Read(string::getrange),
        subcommands: &[],
    },
    Spec {
        name: "getset",
        summary: "Has a key hold a string and returns the one before",
        since: "1.0.0",
        complexity: "O(1)",
        group: Group::String,
        arity: 3,
        flags: &[DenyOom, Fast],
        keys: &[one_key(Change)],
        arguments: &[argument("key", Key), argument("value", String)],
        run: Run::Write(string::getset),
        subcommands: &[],
    },
    Spec {
        name: "incr",
        summary: "Adds one to the integer that a string is",
        since: "1.0.0",
        complexity: "O(1)",
        group: Group::String,
        arity: 2,
        flags: &[DenyOom, Fast],
        keys: &[one_key(Change)],
        arguments: &[argument("key", Key)],
        run: Run::Write(string::incr),
        subcommands: &[],
    },
    Spec {
        name: "incrby",
        summary: "Adds to the integer that a string is",
        since: "1.0.0",
        complexity: "O(1)",
        group: Group::String,
        arity: 3,
        flags: &[DenyOom, Fast],
        keys: &[one_key(Change)],
        arguments: &[argument("key", Key), argument("increment", Integer)],
        run: Run::Write(string::incrby),
        subcommands: &[],
    },
    Spec {
        name: "mget",
        summary: "Returns several strings",
        since: "1.0.0",
        complexity: "O(N) where N is the number of keys",
        group: Group::String,
        arity: -2,
        flags: &[Fast],
        keys: &[all_keys(Access)],
        arguments: &[argument("key", Key).repeated()],
        run: Run::Read(string::mget),
        subcommands: &[],
    },
    Spec {
        name: "mset",
        summary: "Has several keys hold strings",
        since: "1.0.1",
        complexity: "O(N) where N is the number of keys",
        group: Group::String,
        arity: -3,
        flags: &[DenyOom],
        keys: &[keys_from(1, 2, Replace)],
        arguments: &[argument("data", Block(&[argument("key", Key), argument("value", String)])).repeated()],
        run: Run::Write(string::mset),
        subcommands: &[],
    },
    Spec {
        name: "msetnx",
        summary: "Has several keys hold strings, if none of them exists",
        since: "1.0.1",
        complexity: "O(N) where N is the number of keys",
        group: Group::String,
        arity: -3,
        flags: &[DenyOom],
        keys: &[keys_from(1, 2, Create)],
        arguments: &[argument("data", Block(&[argument("key", Key), argument("value", String)])).repeated()],
        run: Run::Write(string::msetnx),
        subcommands: &[],
    },
    Spec {
        name: "psetex",
        summary: "Has a key hold a string and end so many milliseconds from now",
        since: "2.6.0",
        complexity: "O(1)",
        group: Group::String,
        arity: 4,
        flags: &[DenyOom],
        keys: &[one_key(Replace)],
        arguments: &[argument("key", Key), argument("milliseconds", Integer), argument("value", String)],
        run: Run::Write(string::psetex),
        subcommands: &[],
    },
    Spec {
        name: "set",
        summary: "Has a key hold a string",
        since: "1.0.0",
        complexity: "O(1)",
        group: Group::String,
        arity: -3,
        flags: &[DenyOom],
        keys: &[one_key(Set)],
        arguments: &[
            argument("key", Key),
            argument("value", String),
            argument("condition", OneOf(&[word("nx", "NX"), word("xx", "XX")])).optional(),
            word("get", "GET").optional(),
            argument(
                "expiration",
                OneOf(&[
                    argument("seconds", Integer).after("EX"),
                    argument("milliseconds", Integer).after("PX"),
                    argument("unix-time-seconds", Integer).after("EXAT"),
                    argument("unix-time-milliseconds", Integer).after("PXAT"),
                    word("keepttl", "KEEPTTL"),
                ]),
            )
            .optional(),
        ],
        run: Run::Write(string::set),
        subcommands: &[],
    },
    Spec {
        name: "setex",
        summary: "Has a key hold a string and end so many seconds from now",
        since: "2.0.0",
        complexity: "O(1)",
        group: Group::String,
        arity: 4,
        flags: &[DenyOom],
        keys: &[one_key(Replace)],
        arguments: &[argument("key", Key), argument("seconds", Integer), argument("value", String)],
        run: Run::Write(string::setex),
        subcommands: &[],
    },
    Spec {
        name: "setnx",
        summary: "Has a key hold a string, if it does not exist",
        since: "1.0.0",
        complexity: "O(1)",
        group: Group::String,
        arity: 3,
        flags: &[DenyOom, Fast],
        keys: &[one_key(Create)],
        arguments: &[argument("key", Key), argument("value", String)],
        run: Run::Write(string::setnx),
        subcommands: &[],
    },
    Spec {
        name: "setrange",
        summary: "Writes into a string from an offset on",
        since: "2.2.0",
        complexity: "O(N) where N is the length of the string",
        group: Group::String,
        arity: 4,
        flags: &[DenyOom],
        keys: &[one_key(Update)],
        arguments: &[argument("key", Key), argument("offset", Integer), argument("value", String)],
        run: Run::Write(string::setrange),
        subcommands: &[],
    },
    Spec {
        name: "strlen",
        summary: "Tells the length of a string",
        since: "2.2.0",
        complexity: "O(1)",
        group: Group::String,
        arity: 2,
        flags: &[Fast],
        keys: &[one_key(Look)],
        arguments: &[argument("key", Key)],
        run: Run::Read(string::strlen),
        subcommands: &[],
    },
    Spec {
        name: "substr",
        summary: "Returns a part of a string, as GETRANGE does",
        since: "1.0.0",
        complexity: "O(N) where N is the length of the part",
        group: Group::String,
        arity: 4,
        flags: &[],
        keys: &[one_key(Access)],
        arguments: &[argument("key", Key), argument("start", Integer), argument("end", Integer)],
        run: Run::Read(string::getrange),
        subcommands: &[],
    },
    Spec {
        name: "copy",
        summary: "Copies what is at a key to another",
        since: "6.2.0",
        complexity: "O(N) where N is the number of members",
        group: Group::Generic,
        arity: -3,
        flags: &[DenyOom],
        keys: &[one_key(Access), key_at(2, Replace)],
        arguments: &[
            argument("source", Key),
            argument("destination", Key),
            argument("destination-db", Integer).after("DB").optional(),
            word("replace", "REPLACE").optional(),
        ],
        run: Run::Write(key::copy),
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
        keys: &[all_keys(Remove)],
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
        keys: &[all_keys(Look)],
        arguments: &[argument("key", Key).repeated()],
        run: Run::Read(key::exists),
        subcommands: &[],
    },
    Spec {
        name: "expire",
        summary: "Has a key end so many seconds from now",
        since: "1.0.0",
        complexity: "O(1)",
        group: Group::Generic,
        arity: -3,
        flags: &[Fast],
        keys: &[one_key(Update)],
        arguments: &[
            argument("key", Key),
            argument("seconds", Integer),
            argument(
                "condition",
                OneOf(&[word("nx", "NX"), word("xx", "XX"), word("gt", "GT"), word("lt", "LT")]),
            )
            .optional(),
        ],
        run: Run::Write(expiry::expire),
        subcommands: &[],
    },
    Spec {
        name: "expireat",
        summary: "Has a key end at this second",
        since: "1.2.0",
        complexity: "O(1)",
        group: Group::Generic,
        arity: -3,
        flags: &[Fast],
        keys: &[one_key(Update)],
        arguments: &[
            argument("key", Key),
            argument("unix-time-seconds", Integer),
            argument(
                "condition",
                OneOf(&[word("nx", "NX"), word("xx", "XX"), word("gt", "GT"), word("lt", "LT")]),
            )
            .optional(),
        ],
        run: Run::Write(expiry::expireat),
        subcommands: &[],
    },
    Spec {
        name: "expiretime",
        summary: "Tells the second at which a key ends",
        since: "7.0.0",
        complexity: "O(1)",
        group: Group::Generic,
        arity: 2,
        flags: &[Fast],
        keys: &[one_key(Access)],
        arguments: &[argument("key", Key)],
        run: Run::Read(expiry::expiretime),
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
        keys: &[],
        arguments: &[argument("pattern", Pattern)],
        run: Run::Read(key::keys),
        subcommands: &[],
    },
    Spec {
        name: "move",
        summary: "Brings a key into another database",
        since: "1.0.0",
        complexity: "O(1)",
        group: Group::Generic,
        arity: 3,
        flags: &[Fast],
        keys: &[one_key(Change)],
        arguments: &[argument("key", Key), argument("db", Integer)],
        run: Run::Write(key::move_),
        subcommands: &[],
    },
    Spec {
        name: "object",
        summary: "Tells how a value is held",
        since: "2.2.3",
        complexity: "Depends on the subcommand",
        group: Group::Generic,
        arity: -2,
        flags: &[],
        keys: &[],
        arguments: &[],
        run: Run::Container,
        subcommands: &[
            Spec {
                name: "object|encoding",
                summary: "Tells what Redis would call the way in which a value is held",
                since: "2.2.3",
                complexity: "O(N) where N is the number of members, up to 512",
                group: Group::Generic,
                arity: 3,
                flags: &[],
                keys: &[key_at(2, Look)],
                arguments: &[argument("key", Key)],
                run: Run::Read(key::object_encoding),
                subcommands: &[],
            },
            Spec {
                name: "object|freq",
                summary: "Refuses: how often a key is used is not counted",
                since: "4.0.0",
                complexity: "O(1)",
                group: Group::Generic,
                arity: 3,
                flags: &[],
                keys: &[key_at(2, Look)],
                arguments: &[argument("key", Key)],
                run: Run::Read(key::object_freq),
                subcommands: &[],
            },
            Spec {
                name: "object|idletime",
                summary: "Returns 0: when a key was used last is not noted",
                since: "2.2.3",
                complexity: "O(1)",
                group: Group::Generic,
                arity: 3,
                flags: &[],
                keys: &[key_at(2, Look)],
                arguments: &[argument("key", Key)],
                run: Run::Read(key::object_idletime),
                subcommands: &[],
            },
            Spec {
                name: "object|refcount",
                summary: "Returns 1: values are not shared",
                since: "2.2.3",
                complexity: "O(1)",
                group: Group::Generic,
                arity: 3,
                flags: &[],
                keys: &[key_at(2, Look)],
                arguments: &[argument("key", Key)],
                run: Run::Read(key::object_refcount),
                subcommands: &[],
            },
        ],
    },
    Spec {
        name: "persist",
        summary: "Has a key, or a member of a set, never end by itself",
        since: "2.2.0",
        complexity: "O(1)",
        group: Group::Generic,
        arity: -2,
        flags: &[Fast],
        keys: &[one_key(Update)],
        arguments: &[argument("key", Key), argument("member", String).optional()],
        run: Run::Write(expiry::persist),
        subcommands: &[],
    },
    Spec {
        name: "pexpire",
        summary: "Has a key end so many milliseconds from now",
        since: "2.6.0",
        complexity: "O(1)",
        group: Group::Generic,
        arity: -3,
        flags: &[Fast],
        keys: &[one_key(Update)],
        arguments: &[
            argument("key", Key),
            argument("milliseconds", Integer),
            argument(
                "condition",
                OneOf(&[word("nx", "NX"), word("xx", "XX"), word("gt", "GT"), word("lt", "LT")]),
            )
            .optional(),
        ],
        run: Run::Write(expiry::pexpire),
        subcommands: &[],
    },
    Spec {
        name: "pexpireat",
        summary: "Has a key end at this millisecond",
        since: "2.6.0",
        complexity: "O(1)",
        group: Group::Generic,
        arity: -3,
        flags: &[Fast],
        keys: &[one_key(Update)],
        arguments: &[
            argument("key", Key),
            argument("unix-time-milliseconds", Integer),
            argument(
                "condition",
                OneOf(&[word("nx", "NX"), word("xx", "XX"), word("gt", "GT"), word("lt", "LT")]),
            )
            .optional(),
        ],
        run: Run::Write(expiry::pexpireat),
        subcommands: &[],
    },
    Spec {
        name: "pexpiretime",
        summary: "Tells the millisecond at which a key ends",
        since: "7.0.0",
        complexity: "O(1)",
        group: Group::Generic,
        arity: 2,
        flags: &[Fast],
        keys: &[one_key(Access)],
        arguments: &[argument("key", Key)],
        run: Run::Read(expiry::pexpiretime),
        subcommands: &[],
    },
    Spec {
        name: "pttl",
        summary: "Tells in how many milliseconds a key ends, or a member of a set",
        since: "2.6.0",
        complexity: "O(1)",
        group: Group::Generic,
        arity: -2,
        flags: &[Fast],
        keys: &[one_key(Access)],
        arguments: &[argument("key", Key), argument("member", String).optional()],
        run: Run::Read(expiry::pttl),
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
        keys: &[],
        arguments: &[],
        run: Run::Read(key::randomkey),
        subcommands: &[],
    },
    Spec {
        name: "rename",
        summary: "Gives what is at a key another key",
        since: "1.0.0",
        complexity: "O(1)",
        group: Group::Generic,
        arity: 3,
        flags: &[],
        keys: &[one_key(Take), key_at(2, Replace)],
        arguments: &[argument("key", Key), argument("newkey", Key)],
        run: Run::Write(key::rename),
        subcommands: &[],
    },
    Spec {
        name: "renamenx",
        summary: "Gives what is at a key another key, if there is nothing at that",
        since: "1.0.0",
        complexity: "O(1)",
        group: Group::Generic,
        arity: 3,
        flags: &[Fast],
        keys: &[one_key(Take), key_at(2, Create)],
        arguments: &[argument("key", Key), argument("newkey", Key)],
        run: Run::Write(key::renamenx),
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
        keys: &[],
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
        name: "touch",
        summary: "Counts those of the given keys that exist",
        since: "3.2.1",
        complexity: "O(N) where N is the number of keys",
        group: Group::Generic,
        arity: -2,
        flags: &[Fast],
        keys: &[all_keys(Look)],
        arguments: &[argument("key", Key).repeated()],
        run: Run::Read(key::exists),
        subcommands: &[],
    },
    Spec {
        name: "ttl",
        summary: "Tells in how many seconds a key ends, or a member of a set",
        since: "1.0.0",
        complexity: "O(1)",
        group: Group::Generic,
        arity: -2,
        flags: &[Fast],
        keys: &[one_key(Access)],
        arguments: &[argument("key", Key), argument("member", String).optional()],
        run: Run::Read(expiry::ttl),
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
        keys: &[one_key(Look)],
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
        keys: &[all_keys(Remove)],
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
        keys: &[],
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
        keys: &[],
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
                keys: &[],
                arguments: &[],
                run: Run::Session(session::client_getname),
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
                keys: &[],
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
                keys: &[],
                arguments: &[],
                run: Run::Session(session::client_info),
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
                keys: &[],
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
                keys: &[],
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
                keys: &[],
                arguments: SWITCH,
                run: Run::Session(session::client_no_touch),
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
                keys: &[],
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
                keys: &[],
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
                keys: &[],
                arguments: &[argument("connection-name", String)],
                run: Run::Session(session::client_setname),
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
        keys: &[],
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
        keys: &[],
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
        flags: &[Fast],
        keys: &[],
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
        flags: &[NoScript, Loading, Stale, Fast, NoAuth, AllowBusy, Immediate],
        keys: &[],
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
        flags: &[NoScript, Loading, Stale, Fast, NoAuth, AllowBusy, Immediate, EndsTransaction],
        keys: &[],
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
        keys: &[],
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
        keys: &[],
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
        keys: &[],
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
                keys: &[],
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
                keys: &[],
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
                keys: &[],
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
                keys: &[],
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
                keys: &[],
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
        keys: &[],
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
            keys: &[],
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
        keys: &[],
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
        keys: &[],
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
        keys: &[],
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
        keys: &[],
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
        keys: &[],
        arguments: &[],
        run: Run::Session(server::lastsave),
        subcommands: &[],
    },
    Spec {
        name: "memory",
        summary: "Tells how memory is used",
        since: "4.0.0",
        complexity: "Depends on the subcommand",
        group: Group::Server,
        arity: -2,
        flags: &[],
        keys: &[],
        arguments: &[],
        run: Run::Container,
        subcommands: &[Spec {
            name: "memory|usage",
            summary: "Tells how many bytes a key takes with what it holds",
            since: "4.0.0",
            complexity: "O(N) where N is the number of samples",
            group: Group::Server,
            arity: -3,
            flags: &[],
            keys: &[key_at(2, Look)],
            arguments: &[argument("key", Key), argument("count", Integer).after("SAMPLES").optional()],
            run: Run::Read(key::memory_usage),
            subcommands: &[],
        }],
    },
    Spec {
        name: "save",
        summary: "Writes a checkpoint",
        since: "1.0.0",
        complexity: "O(N) where N is the number of pages changed since the last",
        group: Group::Server,
        arity: 1,
        flags: &[Admin, NoScript, NoAsyncLoading, NoMulti],
        keys: &[],
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
        keys: &[],
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
        name: "swapdb",
        summary: "Gives each of two databases the keys of the other",
        since: "4.0.0",
        complexity: "O(1)",
        group: Group::Server,
        arity: 3,
        flags: &[Fast, DANGEROUS],
        keys: &[],
        arguments: &[argument("index1", Integer), argument("index2", Integer)],
        run: Run::Write(key::swapdb),
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
        keys: &[],
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
        keys: &[],
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
        flags: &[NoScript, Loading, Stale, SkipSlowlog, Immediate],
        keys: &[],
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
        keys: &[],
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
        keys: &[],
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
        keys: &[all_keys(Look)],
        arguments: &[argument("key", Key).repeated()],
        run: Run::Transaction(TransactionStep::Watch),
        subcommands: &[],
    },
];

/// What a connection may do first and last: open to everybody, at any time.
const HANDSHAKE: &[Flag] = &[NoScript, Loading, Stale, Fast, NoAuth, AllowBusy];

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
    key_at(1, usage)
}

/// One key, at this argument.
const fn key_at(first: usize, usage: KeyUse) -> Keys {
    Keys { first, places: Places::Range { last: first as i32, step: 1 }, usage }
}

/// All arguments are keys.
const fn all_keys(usage: KeyUse) -> Keys {
    keys_from(1, 1, usage)
}

/// The arguments from this one on are keys, or every other of them.
const fn keys_from(first: usize, step: usize, usage: KeyUse) -> Keys {
    Keys { first, places: Places::Range { last: -1, step }, usage }
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
            Group::String,
            Group::Generic,
            Group::Connection,
            Group::Server,
            Group::Transactions,
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
            let found = spec.keys.iter().map(|keys| (keys.first, keys.places)).collect::<Vec<_>>();
            assert_eq!(found, keys_among(spec), "{}", spec.name);
        }
    }

    fn keys_among(spec: &Spec) -> Vec<(usize, Places)> {
        let mut keys = Vec::new();
        for (at, argument) in spec.arguments.iter().enumerate() {
            let first = name_words(spec) + at;
            let step = match argument.kind {
                Key => 1,
                Block(parts) if matches!(parts[0].kind, Key) => parts.len(),
                _ => continue,
            };
            if at > 0 && spec.arguments[at - 1].name == "numkeys" {
                keys.push((first - 1, Places::Counted));
            } else {
                let last = if argument.multiple { -1 } else { first as i32 };
                keys.push((first, Places::Range { last, step }));
            }
        }
        keys
    }

    #[test]
    fn what_a_command_does_with_its_keys_agrees_with_its_kind() {
        for spec in rows().filter(|spec| !spec.keys.is_empty()) {
            let only_reads = spec.keys.iter().all(|keys| matches!(keys.usage, Look | Access));
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
