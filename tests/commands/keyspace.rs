//! RENAME, COPY, MOVE, SWAPDB, TOUCH, OBJECT, MEMORY USAGE, and what all commands do with keys of each type.

use std::collections::BTreeSet;

use crate::script::{check, connect, integer, text};
use crate::support::server::{Server, Setup};

#[test]
fn rename_gives_another_name() {
    check(
        r#"
        > SET a 1
        < +OK
        > RENAME a b
        < +OK
        > EXISTS a
        < :0
        > GET b
        < "1"
        > SADD s x y
        < :2
        > RENAME s t
        < +OK
        > SMEMBERS t
        <2 any-order *2 "x" "y"
        <3 any-order ~2 "x" "y"
        > TYPE s
        < +none
        > RENAME
        < -ERR wrong number of arguments for 'rename' command
        > RENAME a
        < -ERR wrong number of arguments for 'rename' command
        > RENAME a b c
        < -ERR wrong number of arguments for 'rename' command
        "#,
    );
}

#[test]
fn rename_takes_the_place_of_what_is_there_whatever_its_type() {
    check(
        r#"
        > SET a 1
        < +OK
        > SADD s x
        < :1
        > RENAME a s
        < +OK
        > TYPE s
        < +string
        > GET s
        < "1"
        > SADD t x
        < :1
        > RENAME t s
        < +OK
        > SMEMBERS s
        <2 *1 "x"
        <3 ~1 "x"
        > DBSIZE
        < :1
        "#,
    );
}

#[test]
fn rename_of_what_is_not_there_is_an_error() {
    check(
        r#"
        > RENAME a b
        < -ERR no such key
        > RENAME a a
        < -ERR no such key
        > RENAMENX a b
        < -ERR no such key
        > RENAMENX a a
        < -ERR no such key
        > SET b 1
        < +OK
        > RENAME a b
        < -ERR no such key
        > RENAMENX a b
        < -ERR no such key
        > GET b
        < "1"
        "#,
    );
}

#[test]
fn rename_to_the_same_name_changes_nothing() {
    check(
        r#"
        > SET a 1
        < +OK
        > RENAME a a
        < +OK
        > RENAMENX a a
        < :0
        > GET a
        < "1"
        "#,
    );
}

#[test]
fn renamenx_only_takes_a_name_that_is_free() {
    check(
        r#"
        > SET a 1
        < +OK
        > SET b 2
        < +OK
        > SADD s x
        < :1
        > RENAMENX a b
        < :0
        > RENAMENX a s
        < :0
        > RENAMENX s a
        < :0
        > MGET a b
        < *2 "1" "2"
        > RENAMENX a c
        < :1
        > EXISTS a
        < :0
        > GET c
        < "1"
        > RENAMENX s t
        < :1
        > SMEMBERS t
        <2 *1 "x"
        <3 ~1 "x"
        > RENAMENX
        < -ERR wrong number of arguments for 'renamenx' command
        > RENAMENX a
        < -ERR wrong number of arguments for 'renamenx' command
        > RENAMENX a b c
        < -ERR wrong number of arguments for 'renamenx' command
        "#,
    );
}

#[test]
fn copy_makes_a_second_one() {
    check(
        r#"
        > SET a 1
        < +OK
        > COPY a b
        < :1
        > APPEND b 0
        < :2
        > MGET a b
        < *2 "1" "10"
        > SADD s x
        < :1
        > COPY s t
        < :1
        > SADD t y
        < :1
        > SMEMBERS s
        <2 *1 "x"
        <3 ~1 "x"
        > SMEMBERS t
        <2 any-order *2 "x" "y"
        <3 any-order ~2 "x" "y"
        > DEL s
        < :1
        > SMEMBERS t
        <2 any-order *2 "x" "y"
        <3 any-order ~2 "x" "y"
        > COPY
        < -ERR wrong number of arguments for 'copy' command
        > COPY a
        < -ERR wrong number of arguments for 'copy' command
        "#,
    );
}

#[test]
fn copy_takes_the_place_of_what_is_there_only_with_replace() {
    check(
        r#"
        > SET a 1
        < +OK
        > SET b 2
        < +OK
        > SADD s x
        < :1
        > COPY a b
        < :0
        > COPY a s
        < :0
        > GET b
        < "2"
        > COPY a b REPLACE
        < :1
        > GET b
        < "1"
        > COPY a s replace
        < :1
        > GET s
        < "1"
        > COPY a b REPLACE REPLACE
        < :1
        > COPY a new REPLACE
        < :1
        "#,
    );
}

#[test]
fn copy_of_what_is_not_there_copies_nothing() {
    check(
        r#"
        > COPY a b
        < :0
        > SET b 1
        < +OK
        > COPY a b REPLACE
        < :0
        > GET b
        < "1"
        > COPY a a DB 1
        < :0
        "#,
    );
}

#[test]
fn copy_to_another_database() {
    check(
        r#"
        > SET a 1
        < +OK
        > COPY a a DB 1
        < :1
        > COPY a b DB 1
        < :1
        > COPY a a DB 1
        < :0
        > SET a 2
        < +OK
        > COPY a a DB 1 REPLACE
        < :1
        > COPY a c REPLACE DB 2
        < :1
        > COPY a c DB 1 DB 3
        < :1
        > COPY a d db 0
        < :1
        > SELECT 1
        < +OK
        > MGET a b
        < *2 "2" "1"
        > DBSIZE
        < :2
        > SELECT 2
        < +OK
        > GET c
        < "2"
        > SELECT 3
        < +OK
        > GET c
        < "2"
        > SELECT 0
        < +OK
        > GET d
        < "2"
        "#,
    );
}

#[test]
fn copy_onto_itself_is_an_error() {
    check(
        r"
        > SET a 1
        < +OK
        > COPY a a
        < -ERR source and destination objects are the same
        > COPY a a REPLACE
        < -ERR source and destination objects are the same
        > COPY a a DB 0
        < -ERR source and destination objects are the same
        > COPY nothing nothing
        < -ERR source and destination objects are the same
        > SELECT 1
        < +OK
        > COPY a a DB 1
        < -ERR source and destination objects are the same
        ",
    );
}

#[test]
fn copy_refuses_what_it_does_not_understand() {
    check(
        r"
        > SET a 1
        < +OK
        > COPY a b NONSENSE
        < -ERR syntax error
        > COPY a b DB
        < -ERR syntax error
        > COPY a b DB x
        < -ERR value is not an integer or out of range
        > COPY a b DB 16
        < -ERR DB index is out of range
        > COPY a b DB -1
        < -ERR DB index is out of range
        > COPY a b DB 9223372036854775808
        < -ERR value is not an integer or out of range
        > COPY a b DB 1.5
        < -ERR value is not an integer or out of range
        > COPY a b REPLACE DB
        < -ERR syntax error
        > COPY a b DB 1 NONSENSE
        < -ERR syntax error
        > COPY a a NONSENSE
        < -ERR syntax error
        > COPY nothing b DB 16
        < -ERR DB index is out of range
        > EXISTS b
        < :0
        ",
    );
}

#[test]
fn move_moves_to_another_database() {
    check(
        r#"
        > SET a 1
        < +OK
        > MOVE a 1
        < :1
        > EXISTS a
        < :0
        > SADD s x
        < :1
        > MOVE s 15
        < :1
        > SELECT 1
        < +OK
        > GET a
        < "1"
        > SELECT 15
        < +OK
        > SMEMBERS s
        <2 *1 "x"
        <3 ~1 "x"
        > MOVE s 0
        < :1
        > DBSIZE
        < :0
        > MOVE
        < -ERR wrong number of arguments for 'move' command
        > MOVE a
        < -ERR wrong number of arguments for 'move' command
        > MOVE a 1 1
        < -ERR wrong number of arguments for 'move' command
        "#,
    );
}

#[test]
fn move_does_not_take_the_place_of_what_is_there() {
    check(
        r#"
        > SET a 1
        < +OK
        > SELECT 1
        < +OK
        > SADD a x
        < :1
        > SELECT 0
        < +OK
        > MOVE a 1
        < :0
        > MOVE nothing 1
        < :0
        > GET a
        < "1"
        > SELECT 1
        < +OK
        > TYPE a
        < +set
        "#,
    );
}

#[test]
fn move_refuses_a_database_that_is_not_there_or_is_the_same() {
    check(
        r#"
        > SET a 1
        < +OK
        > MOVE a 0
        < -ERR source and destination objects are the same
        > MOVE nothing 0
        < -ERR source and destination objects are the same
        > MOVE a 16
        < -ERR DB index is out of range
        > MOVE a -1
        < -ERR DB index is out of range
        > MOVE a x
        < -ERR value is not an integer or out of range
        > MOVE a 1.5
        < -ERR value is not an integer or out of range
        > MOVE a ""
        < -ERR value is not an integer or out of range
        > MOVE nothing 16
        < -ERR DB index is out of range
        > MOVE nothing x
        < -ERR value is not an integer or out of range
        > MOVE a 9223372036854775808
        < -ERR value is not an integer or out of range
        > GET a
        < "1"
        "#,
    );
}

#[test]
fn swapdb_exchanges_two_databases() {
    check(
        r#"
        > SET a 1
        < +OK
        > SELECT 1
        < +OK
        > SET a 2
        < +OK
        > SADD s x
        < :1
        > SWAPDB 0 1
        < +OK
        > GET a
        < "1"
        > DBSIZE
        < :1
        > SELECT 0
        < +OK
        > GET a
        < "2"
        > SMEMBERS s
        <2 *1 "x"
        <3 ~1 "x"
        > SWAPDB 1 0
        < +OK
        > GET a
        < "1"
        > SWAPDB 0 9
        < +OK
        > DBSIZE
        < :0
        > SELECT 9
        < +OK
        > GET a
        < "1"
        > SWAPDB 3 3
        < +OK
        "#,
    );
}

#[test]
fn swapdb_is_seen_by_all_connections() {
    let server = Server::start();
    let (mut first, mut second) = (server.connect(), server.connect());
    first.ask(&["SET", "k", "zero"]);
    second.ask(&["SELECT", "1"]);
    second.ask(&["SET", "k", "one"]);
    assert_eq!(first.ask(&["SWAPDB", "0", "1"]), b"+OK\r\n");
    assert_eq!(text(&first.ask(&["GET", "k"])), "one");
    assert_eq!(text(&second.ask(&["GET", "k"])), "zero");
    second.ask(&["SET", "k", "changed"]);
    first.ask(&["SELECT", "1"]);
    assert_eq!(text(&first.ask(&["GET", "k"])), "changed");
}

#[test]
fn swapdb_refuses_databases_that_are_not_there() {
    check(
        r#"
        > SWAPDB 0 16
        < -ERR DB index is out of range
        > SWAPDB 16 0
        < -ERR DB index is out of range
        > SWAPDB -1 0
        < -ERR DB index is out of range
        > SWAPDB x 0
        < -ERR invalid first DB index
        > SWAPDB 0 x
        < -ERR invalid second DB index
        > SWAPDB x y
        < -ERR invalid first DB index
        > SWAPDB "" 0
        < -ERR invalid first DB index
        > SWAPDB 0 1.5
        < -ERR invalid second DB index
        > SWAPDB 9223372036854775808 0
        < -ERR invalid first DB index
        > SWAPDB 0 99999999999999999999
        < -ERR invalid second DB index
        > SWAPDB 4294967296 0
        < -ERR invalid first DB index
        > SWAPDB
        < -ERR wrong number of arguments for 'swapdb' command
        > SWAPDB 0
        < -ERR wrong number of arguments for 'swapdb' command
        > SWAPDB 0 1 2
        < -ERR wrong number of arguments for 'swapdb' command
        "#,
    );
}

#[test]
fn touch_counts_keys_that_are_there() {
    check(
        r"
        > SET a 1
        < +OK
        > SADD s x
        < :1
        > TOUCH a
        < :1
        > TOUCH a s nothing a
        < :3
        > TOUCH nothing
        < :0
        > TOUCH
        < -ERR wrong number of arguments for 'touch' command
        ",
    );
}

#[test]
fn object_encoding_of_a_string() {
    check(
        r#"
        > SET k 123
        < +OK
        > OBJECT ENCODING k
        < "int"
        > SET k -9223372036854775808
        < +OK
        > OBJECT ENCODING k
        < "int"
        > SET k 9223372036854775807
        < +OK
        > OBJECT ENCODING k
        < "int"
        > SET k 9223372036854775808
        < +OK
        > OBJECT ENCODING k
        < "embstr"
        > SET k 01
        < +OK
        > OBJECT ENCODING k
        < "embstr"
        > SET k 1.5
        < +OK
        > OBJECT ENCODING k
        < "embstr"
        > SET k ""
        < +OK
        > OBJECT ENCODING k
        < "embstr"
        > SET k 01234567890123456789012345678901234567890123
        < +OK
        > OBJECT ENCODING k
        < "embstr"
        > SET k 012345678901234567890123456789012345678901234
        < +OK
        > OBJECT ENCODING k
        < "raw"
        > object encoding k
        < "raw"
        "#,
    );
}

#[test]
fn object_encoding_of_a_set() {
    check(
        r#"
        > SADD k 1 2 -3
        < :3
        > OBJECT ENCODING k
        < "intset"
        > SADD k x
        < :1
        > OBJECT ENCODING k
        < "hashtable"
        > SADD l 01
        < :1
        > OBJECT ENCODING l
        < "hashtable"
        > SADD m 9223372036854775808
        < :1
        > OBJECT ENCODING m
        < "hashtable"
        > SADD n 9223372036854775807
        < :1
        > OBJECT ENCODING n
        < "intset"
        > SUNIONSTORE o n
        < :1
        > OBJECT ENCODING o
        < "intset"
        "#,
    );
}

#[test]
fn a_set_of_more_than_512_integers_is_a_hash_table() {
    let server = Server::start();
    let mut client = connect(&server, 2);
    let numbers: Vec<String> = (0..513).map(|number| number.to_string()).collect();
    for number in &numbers[..512] {
        client.ask(&["SADD", "k", number]);
    }
    assert_eq!(text(&client.ask(&["OBJECT", "ENCODING", "k"])), "intset");
    client.ask(&["SADD", "k", &numbers[512]]);
    assert_eq!(text(&client.ask(&["OBJECT", "ENCODING", "k"])), "hashtable");
}

#[test]
fn numbers_of_databases_have_32_bits() {
    check(
        r"
        > SET a 1
        < +OK
        > MOVE a 2147483647
        < -ERR DB index is out of range
        > MOVE a 2147483648
        < -ERR value is out of range, value must between -2147483648 and 2147483647
        > MOVE a -2147483649
        < -ERR value is out of range, value must between -2147483648 and 2147483647
        > COPY a b DB 2147483647
        < -ERR DB index is out of range
        > COPY a b DB 2147483648
        < -ERR value is out of range, value must between -2147483648 and 2147483647
        > COPY a b DB -2147483649
        < -ERR value is out of range, value must between -2147483648 and 2147483647
        > SWAPDB 2147483647 0
        < -ERR DB index is out of range
        > SWAPDB 0 2147483648
        < -ERR invalid second DB index
        > SWAPDB -2147483649 0
        < -ERR invalid first DB index
        ",
    );
}

#[test]
fn memory_usage_takes_samples_twice() {
    check(
        r"
        > MEMORY USAGE nothing SAMPLES 5 SAMPLES 3
        <2 $-1
        <3 _
        > MEMORY USAGE nothing SAMPLES 9223372036854775807
        <2 $-1
        <3 _
        > MEMORY USAGE nothing SAMPLES 9223372036854775808
        < -ERR value is not an integer or out of range
        ",
    );
}

#[test]
fn sscan_looks_at_its_cursor_before_the_type_and_at_its_options_after() {
    check(
        r"
        > SET k v
        < +OK
        > SSCAN k x
        < -ERR invalid cursor
        > SSCAN k 0 NONSENSE
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        ",
    );
}

#[test]
fn object_idletime_counts_seconds_without_access() {
    let server = Server::start();
    let mut client = connect(&server, 2);
    client.ask(&["SET", "k", "v"]);
    let idle = integer(&client.ask(&["OBJECT", "IDLETIME", "k"]));
    assert!((0..20).contains(&idle), "{idle}");
}

#[test]
fn object_freq_needs_another_policy() {
    check(
        r"
        > SET k v
        < +OK
        > OBJECT FREQ k
        < -ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.
        > OBJECT FREQ nothing
        <2 $-1
        <3 _
        ",
    );
}

#[test]
fn object_of_what_is_not_there_is_a_null() {
    check(
        r"
        > OBJECT ENCODING k
        <2 $-1
        <3 _
        > OBJECT REFCOUNT k
        <2 $-1
        <3 _
        > OBJECT IDLETIME k
        <2 $-1
        <3 _
        ",
    );
}

#[test]
fn object_help_lists_the_subcommands() {
    let lines = [
        "OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "ENCODING <key>",
        "    Return the kind of internal representation used in order to store the value",
        "    associated with a <key>.",
        "FREQ <key>",
        "    Return the access frequency index of the <key>. The returned integer is",
        "    proportional to the logarithm of the recent access frequency of the key.",
        "IDLETIME <key>",
        "    Return the idle time of the <key>, that is the approximated number of",
        "    seconds elapsed since the last access to the key.",
        "REFCOUNT <key>",
        "    Return the number of references of the value associated with the specified",
        "    <key>.",
        "HELP",
        "    Prints this help.",
    ];
    let expected = format!("*{}\r\n+{}\r\n", lines.len(), lines.join("\r\n+"));
    let server = Server::start();
    for protocol in [2, 3] {
        let reply = connect(&server, protocol).ask(&["OBJECT", "HELP"]);
        assert_eq!(String::from_utf8(reply).unwrap(), expected);
    }
}

#[test]
fn object_refuses_what_it_does_not_know() {
    check(
        r"
        > OBJECT
        < -ERR wrong number of arguments for 'object' command
        > OBJECT NONSENSE
        < -ERR unknown subcommand 'NONSENSE'. Try OBJECT HELP.
        > OBJECT NONSENSE k
        < -ERR unknown subcommand 'NONSENSE'. Try OBJECT HELP.
        > OBJECT ENCODING
        < -ERR wrong number of arguments for 'object|encoding' command
        > OBJECT ENCODING k k
        < -ERR wrong number of arguments for 'object|encoding' command
        > OBJECT REFCOUNT
        < -ERR wrong number of arguments for 'object|refcount' command
        > OBJECT IDLETIME k k
        < -ERR wrong number of arguments for 'object|idletime' command
        > OBJECT FREQ
        < -ERR wrong number of arguments for 'object|freq' command
        > OBJECT HELP k
        < -ERR wrong number of arguments for 'object|help' command
        ",
    );
}

#[test]
fn memory_usage_of_what_is_not_there_is_a_null() {
    check(
        r"
        > MEMORY USAGE nothing
        <2 $-1
        <3 _
        > MEMORY USAGE nothing SAMPLES 5
        <2 $-1
        <3 _
        > memory usage nothing samples 0
        <2 $-1
        <3 _
        ",
    );
}

#[test]
fn memory_usage_counts_bytes() {
    let server = Server::start();
    let mut client = connect(&server, 2);
    client.ask(&["SET", "short", "v"]);
    client.ask(&["SET", "long", &"v".repeat(10_000)]);
    client.ask(&["SADD", "set", "a"]);
    let mut usage = |words: &[&str]| integer(&client.ask(&[&["MEMORY", "USAGE"], words].concat()));
    assert!((1..1_000).contains(&usage(&["short"])));
    assert!((10_000..20_000).contains(&usage(&["long"])));
    assert!((1..1_000).contains(&usage(&["set"])));
    assert!((1..1_000).contains(&usage(&["set", "SAMPLES", "0"])));
}

#[test]
fn memory_usage_refuses_what_it_does_not_understand() {
    check(
        r#"
        > SET k v
        < +OK
        > MEMORY USAGE
        < -ERR wrong number of arguments for 'memory|usage' command
        > MEMORY USAGE k SAMPLES
        < -ERR syntax error
        > MEMORY USAGE k SAMPLES x
        < -ERR value is not an integer or out of range
        > MEMORY USAGE k SAMPLES -1
        < -ERR syntax error
        > MEMORY USAGE k SAMPLES ""
        < -ERR value is not an integer or out of range
        > MEMORY USAGE k NONSENSE 5
        < -ERR syntax error
        > MEMORY USAGE k NONSENSE
        < -ERR syntax error
        > MEMORY USAGE k SAMPLES 5 NONSENSE
        < -ERR syntax error
        > MEMORY USAGE nothing SAMPLES x
        < -ERR value is not an integer or out of range
        > MEMORY USAGE nothing NONSENSE
        < -ERR syntax error
        > MEMORY
        < -ERR wrong number of arguments for 'memory' command
        > MEMORY NONSENSE
        < -ERR unknown subcommand 'NONSENSE'. Try MEMORY HELP.
        "#,
    );
}

#[test]
fn type_tells_strings_from_sets() {
    check(
        r"
        > SET string v
        < +OK
        > SET number 1
        < +OK
        > SADD set a
        < :1
        > TYPE string
        < +string
        > TYPE number
        < +string
        > TYPE set
        < +set
        > TYPE nothing
        < +none
        ",
    );
}

#[test]
fn scan_takes_a_type() {
    check(
        r#"
        > SET string v
        < +OK
        > SADD set a
        < :1
        > SCAN 0 TYPE string
        < *2 "0" *1 "string"
        > SCAN 0 TYPE set
        < *2 "0" *1 "set"
        > SCAN 0 TYPE STRING
        < *2 "0" *1 "string"
        > SCAN 0 TYPE hash
        < *2 "0" *0
        > SCAN 0 TYPE none
        < *2 "0" *0
        > SCAN 0 TYPE string TYPE set
        < *2 "0" *1 "set"
        > SCAN 0 TYPE string MATCH s*
        < *2 "0" *1 "string"
        > SCAN 0 TYPE set MATCH st*
        < *2 "0" *0
        "#,
    );
}

#[test]
fn keys_of_each_type_count_and_go_alike() {
    check(
        r#"
        > SET a 1
        < +OK
        > SET b 2
        < +OK
        > SADD s x
        < :1
        > SADD t y
        < :1
        > DBSIZE
        < :4
        > EXISTS a s nothing a
        < :3
        > KEYS *
        < any-order *4 "a" "b" "s" "t"
        > DEL a s nothing
        < :2
        > DBSIZE
        < :2
        > UNLINK b t t
        < :2
        > DBSIZE
        < :0
        > RANDOMKEY
        <2 $-1
        <3 _
        "#,
    );
}

#[test]
fn randomkey_draws_keys_of_each_type() {
    let server = Server::start();
    let mut client = connect(&server, 2);
    client.ask(&["SET", "string", "v"]);
    client.ask(&["SADD", "set", "a"]);
    // That one of two is never drawn in 100 draws happens once in 10^30.
    let drawn: BTreeSet<String> = (0..100).map(|_| text(&client.ask(&["RANDOMKEY"]))).collect();
    assert_eq!(drawn, BTreeSet::from(["string".to_owned(), "set".to_owned()]));
}

#[test]
fn flushing_removes_keys_of_each_type() {
    check(
        r"
        > SET a 1
        < +OK
        > SADD s x
        < :1
        > FLUSHDB
        < +OK
        > EXISTS a s
        < :0
        > SET a 1
        < +OK
        > SADD s x
        < :1
        > FLUSHALL
        < +OK
        > EXISTS a s
        < :0
        ",
    );
}

#[test]
fn commands_of_sets_refuse_a_string() {
    check(
        r#"
        > SET k v
        < +OK
        > SADD set a
        < :1
        > SADD k a
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > SREM k a
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > SISMEMBER k a
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > SMISMEMBER k a
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > SMEMBERS k
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > SCARD k
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > SSCAN k 0
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > SPOP k
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > SPOP k 1
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > SRANDMEMBER k
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > SRANDMEMBER k 1
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > SMOVE k set a
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > SMOVE set k a
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > SINTER k
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > SUNION k
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > SDIFF k
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > SINTERSTORE new k
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > SUNIONSTORE new k
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > SDIFFSTORE new k
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > SINTERCARD 1 k
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > GET k
        < "v"
        > EXISTS new
        < :0
        "#,
    );
}

#[test]
fn commands_of_strings_refuse_a_set() {
    check(
        r#"
        > SADD k a
        < :1
        > GET k
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > SET k v GET
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > GETSET k v
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > GETDEL k
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > GETEX k
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > GETEX k EX 10
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > STRLEN k
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > APPEND k v
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > GETRANGE k 0 1
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > SUBSTR k 0 1
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > SETRANGE k 0 v
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > INCR k
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > DECR k
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > INCRBY k 1
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > DECRBY k 1
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > INCRBYFLOAT k 1
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > SMEMBERS k
        <2 *1 "a"
        <3 ~1 "a"
        > TTL k
        < :-1
        "#,
    );
}

#[test]
fn keys_of_each_type_are_there_after_a_restart() {
    let server = Server::start();
    let mut client = connect(&server, 2);
    for request in [
        &["SET", "string", "v"][..],
        &["SET", "renamed", "v"],
        &["RENAME", "renamed", "new-name"],
        &["SADD", "set", "a"],
        &["COPY", "set", "copied"],
        &["SADD", "copied", "b"],
        &["SET", "moved", "v"],
        &["MOVE", "moved", "1"],
        &["SET", "swapped", "v"],
        &["SWAPDB", "0", "2"],
        &["INCRBY", "counter", "41"],
        &["INCR", "counter"],
        &["APPEND", "text", "ab"],
        &["SETRANGE", "text", "1", "xy"],
        &["SET", "gone", "v"],
        &["GETDEL", "gone"],
    ] {
        client.ask(request);
    }
    let server = Server::start_in(server.stop(), Setup::default());
    let mut client = connect(&server, 2);
    assert_eq!(text(&client.ask(&["GET", "counter"])), "42");
    assert_eq!(text(&client.ask(&["GET", "text"])), "axy");
    assert_eq!(client.ask(&["DBSIZE"]), b":2\r\n");
    client.ask(&["SELECT", "1"]);
    assert_eq!(text(&client.ask(&["GET", "moved"])), "v");
    client.ask(&["SELECT", "2"]);
    assert_eq!(text(&client.ask(&["GET", "string"])), "v");
    assert_eq!(text(&client.ask(&["GET", "new-name"])), "v");
    assert_eq!(client.ask(&["SCARD", "copied"]), b":2\r\n");
    assert_eq!(client.ask(&["SCARD", "set"]), b":1\r\n");
    assert_eq!(client.ask(&["DBSIZE"]), b":5\r\n");
}

#[test]
fn object_refcount_is_one() {
    check(
        r"
        > SET k a
        < +OK
        > OBJECT REFCOUNT k
        < :1
        > SADD s a
        < :1
        > OBJECT REFCOUNT s
        < :1
        > SET k 10000
        < +OK
        > OBJECT REFCOUNT k
        < :1
        ",
    );
}
