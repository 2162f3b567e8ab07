//! COMMAND INFO and COMMAND GETKEYS of the commands of strings, sets and keys.

use crate::script::{check, elements, integer, text};
use crate::support::server::Server;

/// Holds a command's description against a row: name and arity, flags, first and last key and step, categories.
fn check_rows(rows: &[&str]) {
    let server = Server::start();
    let mut client = server.connect();
    for row in rows {
        let name = row.split(' ').next().unwrap();
        let reply = elements(&client.ask(&["COMMAND", "INFO", name]));
        let parts = elements(&reply[0]);
        let described = format!(
            "{} {} | {} | {} {} {} | {}",
            text(&parts[0]),
            integer(&parts[1]),
            sorted_words(&parts[2]),
            integer(&parts[3]),
            integer(&parts[4]),
            integer(&parts[5]),
            sorted_words(&parts[6])
        );
        assert_eq!(&described, row);
    }
}

/// The statuses of an array, sorted.
fn sorted_words(reply: &[u8]) -> String {
    let word = |status: &Vec<u8>| std::str::from_utf8(status).unwrap()[1..].trim_end().to_owned();
    let mut words: Vec<String> = elements(reply).iter().map(word).collect();
    words.sort();
    words.join(" ")
}

#[test]
fn commands_of_strings_have_the_rows_of_redis() {
    check_rows(&[
        "append 3 | denyoom fast write | 1 1 1 | @fast @string @write",
        "decr 2 | denyoom fast write | 1 1 1 | @fast @string @write",
        "decrby 3 | denyoom fast write | 1 1 1 | @fast @string @write",
        "get 2 | fast readonly | 1 1 1 | @fast @read @string",
        "getdel 2 | fast write | 1 1 1 | @fast @string @write",
        "getex -2 | fast write | 1 1 1 | @fast @string @write",
        "getrange 4 | readonly | 1 1 1 | @read @slow @string",
        "getset 3 | denyoom fast write | 1 1 1 | @fast @string @write",
        "incr 2 | denyoom fast write | 1 1 1 | @fast @string @write",
        "incrby 3 | denyoom fast write | 1 1 1 | @fast @string @write",
        "incrbyfloat 3 | denyoom fast write | 1 1 1 | @fast @string @write",
        "mget -2 | fast readonly | 1 -1 1 | @fast @read @string",
        "mset -3 | denyoom write | 1 -1 2 | @slow @string @write",
        "msetnx -3 | denyoom write | 1 -1 2 | @slow @string @write",
        "psetex 4 | denyoom write | 1 1 1 | @slow @string @write",
        "set -3 | denyoom write | 1 1 1 | @slow @string @write",
        "setex 4 | denyoom write | 1 1 1 | @slow @string @write",
        "setnx 3 | denyoom fast write | 1 1 1 | @fast @string @write",
        "setrange 4 | denyoom write | 1 1 1 | @slow @string @write",
        "strlen 2 | fast readonly | 1 1 1 | @fast @read @string",
        "substr 4 | readonly | 1 1 1 | @read @slow @string",
    ]);
}

#[test]
fn commands_of_keys_have_the_rows_of_redis() {
    check_rows(&[
        "copy -3 | denyoom write | 1 2 1 | @keyspace @slow @write",
        "expire -3 | fast write | 1 1 1 | @fast @keyspace @write",
        "expireat -3 | fast write | 1 1 1 | @fast @keyspace @write",
        "expiretime 2 | fast readonly | 1 1 1 | @fast @keyspace @read",
        "move 3 | fast write | 1 1 1 | @fast @keyspace @write",
        "object|encoding 3 | readonly | 2 2 1 | @keyspace @read @slow",
        "object|freq 3 | readonly | 2 2 1 | @keyspace @read @slow",
        "object|help 2 | loading stale | 0 0 0 | @keyspace @slow",
        "object|idletime 3 | readonly | 2 2 1 | @keyspace @read @slow",
        "object|refcount 3 | readonly | 2 2 1 | @keyspace @read @slow",
        "pexpire -3 | fast write | 1 1 1 | @fast @keyspace @write",
        "pexpireat -3 | fast write | 1 1 1 | @fast @keyspace @write",
        "pexpiretime 2 | fast readonly | 1 1 1 | @fast @keyspace @read",
        "rename 3 | write | 1 2 1 | @keyspace @slow @write",
        "renamenx 3 | fast write | 1 2 1 | @fast @keyspace @write",
        "touch -2 | fast readonly | 1 -1 1 | @fast @keyspace @read",
    ]);
}

#[test]
fn commands_of_sets_have_the_rows_of_redis() {
    check_rows(&[
        "sdiff -2 | readonly | 1 -1 1 | @read @set @slow",
        "sdiffstore -3 | denyoom write | 1 -1 1 | @set @slow @write",
        "sinter -2 | readonly | 1 -1 1 | @read @set @slow",
        "sintercard -3 | movablekeys readonly | 0 0 0 | @read @set @slow",
        "sinterstore -3 | denyoom write | 1 -1 1 | @set @slow @write",
        "smove 4 | fast write | 1 2 1 | @fast @set @write",
        "spop -2 | fast write | 1 1 1 | @fast @set @write",
        "srandmember -2 | readonly | 1 1 1 | @read @set @slow",
        "sunion -2 | readonly | 1 -1 1 | @read @set @slow",
        "sunionstore -3 | denyoom write | 1 -1 1 | @set @slow @write",
    ]);
}

#[test]
fn commands_of_the_server_have_the_rows_of_redis() {
    check_rows(&[
        "memory|usage -3 | readonly | 2 2 1 | @read @slow",
        "swapdb 3 | fast write | 0 0 0 | @dangerous @fast @keyspace @write",
    ]);
}

#[test]
fn getkeys_finds_the_keys_of_every_command() {
    check(
        r#"
        > COMMAND GETKEYS GET a
        < *1 "a"
        > COMMAND GETKEYS SET a b EX 10 GET
        < *1 "a"
        > COMMAND GETKEYS MSET a 1 b 2 c 3
        < *3 "a" "b" "c"
        > COMMAND GETKEYS MSETNX a 1 b 2
        < *2 "a" "b"
        > COMMAND GETKEYS MGET a b c
        < *3 "a" "b" "c"
        > COMMAND GETKEYS RENAME a b
        < *2 "a" "b"
        > COMMAND GETKEYS COPY a b DB 1
        < *2 "a" "b"
        > COMMAND GETKEYS MOVE a 1
        < *1 "a"
        > COMMAND GETKEYS EXPIRE a 10 NX
        < *1 "a"
        > COMMAND GETKEYS SMOVE a b c
        < *2 "a" "b"
        > COMMAND GETKEYS SUNION a b c
        < *3 "a" "b" "c"
        > COMMAND GETKEYS SUNIONSTORE a b c
        < *3 "a" "b" "c"
        > COMMAND GETKEYS OBJECT ENCODING a
        < *1 "a"
        > COMMAND GETKEYS MEMORY USAGE a SAMPLES 5
        < *1 "a"
        > COMMAND GETKEYS TOUCH a b
        < *2 "a" "b"
        > COMMAND GETKEYS SWAPDB 0 1
        < -ERR The command has no key arguments
        "#,
    );
}

#[test]
fn getkeys_finds_as_many_keys_as_sintercard_is_told() {
    check(
        r#"
        > COMMAND GETKEYS SINTERCARD 1 a
        < *1 "a"
        > COMMAND GETKEYS SINTERCARD 2 a b
        < *2 "a" "b"
        > COMMAND GETKEYS SINTERCARD 2 a b LIMIT 10
        < *2 "a" "b"
        > COMMAND GETKEYS SINTERCARD 1 a LIMIT 10
        < *1 "a"
        > COMMAND GETKEYS SINTERCARD 0 a
        < -ERR Invalid arguments specified for command
        > COMMAND GETKEYS SINTERCARD x a
        < -ERR Invalid arguments specified for command
        > COMMAND GETKEYS SINTERCARD 3 a b
        < -ERR Invalid arguments specified for command
        "#,
    );
}
