//! DEL, UNLINK, EXISTS, TYPE, KEYS, SCAN, RANDOMKEY, DBSIZE, FLUSHDB, FLUSHALL, and SELECT's databases.

use std::collections::{BTreeSet, HashSet};

use crate::script::{check, connect, elements, string, text};
use crate::support::server::{Client, Server};

#[test]
fn del_and_unlink_count_keys_that_were_there() {
    for command in ["DEL", "UNLINK", "del", "uNLINK"] {
        check(&format!(
            r"
            > SADD a 1
            < :1
            > SADD b 1
            < :1
            > SADD c 1
            < :1
            > {command} a x a
            < :1
            > {command} b c
            < :2
            > {command} a
            < :0
            > DBSIZE
            < :0
            > {command}
            < -ERR wrong number of arguments for '{lower}' command
            ",
            lower = command.to_lowercase()
        ));
    }
    check(
        r#"
        > SADD k a
        < :1
        > DEL k
        < :1
        > UNLINK k
        < :0
        > SADD k b
        < :1
        > SMEMBERS k
        <2 *1 "b"
        <3 ~1 "b"
        "#,
    );
}

#[test]
fn exists_counts_a_key_as_often_as_it_is_given() {
    check(
        r"
        > SADD a 1
        < :1
        > SADD b 1
        < :1
        > EXISTS a
        < :1
        > EXISTS a x b
        < :2
        > exists a a a
        < :3
        > EXISTS x
        < :0
        > EXISTS
        < -ERR wrong number of arguments for 'exists' command
        ",
    );
}

#[test]
fn type_is_a_status() {
    check(
        r#"
        > SADD k a
        < :1
        > TYPE k
        < +set
        > TYPE nothing
        < +none
        > type ""
        < +none
        > TYPE
        < -ERR wrong number of arguments for 'type' command
        > TYPE k k
        < -ERR wrong number of arguments for 'type' command
        "#,
    );
}

#[test]
fn keys_matches_patterns() {
    check(
        r#"
        > KEYS *
        < *0
        > SADD one 1
        < :1
        > SADD two 1
        < :1
        > SADD "t[o" 1
        < :1
        > SADD "\x00\xff" 1
        < :1
        > KEYS *
        < any-order *4 "one" "two" "t[o" "\x00\xff"
        > KEYS t?o
        < any-order *2 "two" "t[o"
        > KEYS "t\\[o"
        < *1 "t[o"
        > KEYS [^o]wo
        < *1 "two"
        > KEYS [n-p]ne
        < *1 "one"
        > KEYS ONE
        < *0
        > KEYS "?\xff"
        < *1 "\x00\xff"
        > KEYS ""
        < *0
        > KEYS
        < -ERR wrong number of arguments for 'keys' command
        > KEYS a b
        < -ERR wrong number of arguments for 'keys' command
        "#,
    );
}

#[test]
fn scan_takes_its_options_in_any_order() {
    check(
        r#"
        > SCAN 0
        < *2 "0" *0
        > SADD a 1
        < :1
        > SADD b 1
        < :1
        > SADD ab 1
        < :1
        > SCAN 0
        < any-order *2 "0" *3 "a" "b" "ab"
        > SCAN 0 MATCH a* COUNT 100
        < any-order *2 "0" *2 "a" "ab"
        > SCAN 0 COUNT 100 TYPE set MATCH a
        < *2 "0" *1 "a"
        > scan 0 type SET count 100 match b
        < *2 "0" *1 "b"
        > SCAN 0 TYPE string
        < *2 "0" *0
        > SCAN 0 TYPE nonsense
        < *2 "0" *0
        > SCAN 0 COUNT 1 COUNT 100 MATCH x MATCH a
        < *2 "0" *1 "a"
        "#,
    );
}

#[test]
fn scan_refuses_what_it_does_not_understand() {
    check(
        r#"
        > SCAN
        < -ERR wrong number of arguments for 'scan' command
        > SCAN x
        < -ERR invalid cursor
        > SCAN " 0"
        < -ERR invalid cursor
        > SCAN "0 "
        < -ERR invalid cursor
        > SCAN 18446744073709551616
        < -ERR invalid cursor
        > SCAN 0 COUNT 0
        < -ERR syntax error
        > SCAN 0 COUNT x
        < -ERR value is not an integer or out of range
        > SCAN 0 MATCH
        < -ERR syntax error
        > SCAN 0 TYPE
        < -ERR syntax error
        > SCAN 0 NONSENSE 1
        < -ERR syntax error
        > SCAN 0 NONSENSE 1 COUNT x
        < -ERR syntax error
        > SCAN 0 0
        < -ERR syntax error
        "#,
    );
}

#[test]
fn a_walk_by_scan_finds_what_was_there_all_along_while_others_add_and_remove() {
    let server = Server::start();
    let (mut walker, mut other) = (server.connect(), server.connect());
    for number in 0..1_000 {
        walker.send(format!("SADD stay:{number} x\r\n").as_bytes());
    }
    (0..1_000).for_each(|_| assert_eq!(walker.reply(), b":1\r\n"));

    let (mut found, mut cursor, mut step) = (HashSet::new(), "0".to_owned(), 0_u64);
    loop {
        let reply =
            elements(&walker.ask(&["SCAN", &cursor, "COUNT", "20", "MATCH", "stay:*", "TYPE", "set"]));
        found.extend(elements(&reply[1]).iter().map(|key| string(key).to_vec()));
        cursor = text(&reply[0]);
        if cursor == "0" {
            break;
        }
        step += 1;
        for number in 0..30 {
            assert_eq!(other.ask(&["SADD", &format!("come:{step}:{number}"), "x"]), b":1\r\n");
        }
        if step > 2 {
            assert_eq!(other.ask(&["DEL", &format!("come:{}:0", step - 2)]), b":1\r\n");
        }
        assert!(step < 10_000, "the walk has an end");
    }
    assert_eq!(found.len(), 1_000, "no key that does not match");
    assert!((0..1_000).all(|number| found.contains(format!("stay:{number}").as_bytes())));
}

#[test]
fn randomkey_is_one_of_the_keys() {
    check(
        r#"
        > RANDOMKEY
        <2 $-1
        <3 _
        > SADD k a
        < :1
        > RANDOMKEY
        < "k"
        > RANDOMKEY k
        < -ERR wrong number of arguments for 'randomkey' command
        "#,
    );
    let server = Server::start();
    let mut client = server.connect();
    let keys: BTreeSet<String> = (0..5).map(|number| number.to_string()).collect();
    for key in &keys {
        client.ask(&["SADD", key, "a"]);
    }
    // That one of five is never drawn in 400 draws happens once in 10^38.
    let drawn: BTreeSet<String> = (0..400).map(|_| text(&client.ask(&["RANDOMKEY"]))).collect();
    assert_eq!(drawn, keys);
}

#[test]
fn dbsize_counts_keys() {
    check(
        r"
        > DBSIZE
        < :0
        > SADD a 1 2 3
        < :3
        > SADD b 1
        < :1
        > DBSIZE
        < :2
        > DBSIZE x
        < -ERR wrong number of arguments for 'dbsize' command
        ",
    );
}

#[test]
fn flushdb_and_flushall_take_a_mode() {
    for command in ["FLUSHDB", "FLUSHALL"] {
        for mode in ["", "SYNC", "ASYNC", "async"] {
            check(&format!(
                "
                > SADD k a
                < :1
                > {command} {mode}
                < +OK
                > DBSIZE
                < :0
                > SADD k a
                < :1
                > {command} nonsense
                < -ERR syntax error
                > {command} ASYNC SYNC
                < -ERR syntax error
                > DBSIZE
                < :1
                "
            ));
        }
    }
    check(
        "
        > FLUSHDB
        < +OK
        > FLUSHALL
        < +OK
        ",
    );
}

#[test]
fn each_database_has_keys_of_its_own() {
    let server = Server::start();
    let (mut client, mut other) = (server.connect(), connect(&server, 3));
    for database in 0..16 {
        assert_eq!(client.ask(&["SELECT", &database.to_string()]), b"+OK\r\n");
        assert_eq!(client.ask(&["SADD", "k", &format!("of-{database}")]), b":1\r\n");
        assert_eq!(other.ask(&["DBSIZE"]), b":1\r\n", "the other stays in its own");
    }
    for database in (0..16).rev() {
        client.ask(&["SELECT", &database.to_string()]);
        let member = format!("of-{database}");
        let all = format!("*1\r\n${}\r\n{member}\r\n", member.len());
        assert_eq!(client.ask(&["SMEMBERS", "k"]), all.into_bytes());
    }
    select_and_ask(&mut client, "7", &["FLUSHDB"], "+OK\r\n");
    for (database, keys) in [("6", ":1\r\n"), ("7", ":0\r\n"), ("8", ":1\r\n")] {
        select_and_ask(&mut client, database, &["DBSIZE"], keys);
    }
    assert_eq!(client.ask(&["FLUSHALL"]), b"+OK\r\n");
    for database in 0..16 {
        select_and_ask(&mut client, &database.to_string(), &["DBSIZE"], ":0\r\n");
    }
}

fn select_and_ask(client: &mut Client, database: &str, command: &[&str], reply: &str) {
    assert_eq!(client.ask(&["SELECT", database]), b"+OK\r\n");
    assert_eq!(client.ask(command), reply.as_bytes(), "in database {database}");
}
