//! MULTI, EXEC, DISCARD, WATCH, UNWATCH.

use crate::script::{check, connect, run};
use crate::support::server::{Server, Setup, request};

#[test]
fn exec_executes_what_was_queued_in_order() {
    check(
        r#"
        > MULTI
        < +OK
        > SADD k a b
        < +QUEUED
        > SISMEMBER k a
        < +QUEUED
        > SREM k a
        < +QUEUED
        > SMEMBERS k
        < +QUEUED
        > EXEC
        <2 *4 :2 :1 :1 *1 "b"
        <3 *4 :2 :1 :1 ~1 "b"
        > SCARD k
        < :1
        "#,
    );
}

#[test]
fn an_empty_transaction_is_an_empty_array() {
    check(
        r"
        > MULTI
        < +OK
        > EXEC
        < *0
        ",
    );
}

#[test]
fn nothing_happens_before_exec() {
    let server = Server::start();
    let (mut client, mut other) = (server.connect(), server.connect());
    client.ask(&["MULTI"]);
    client.ask(&["SADD", "k", "a"]);
    assert_eq!(other.ask(&["EXISTS", "k"]), b":0\r\n");
    client.ask(&["EXEC"]);
    assert_eq!(other.ask(&["EXISTS", "k"]), b":1\r\n");
}

#[test]
fn discard_forgets_what_was_queued() {
    check(
        r"
        > MULTI
        < +OK
        > SADD k a
        < +QUEUED
        > DISCARD
        < +OK
        > EXISTS k
        < :0
        > EXEC
        < -ERR EXEC without MULTI
        > DISCARD
        < -ERR DISCARD without MULTI
        ",
    );
}

#[test]
fn reset_ends_a_transaction_and_its_watches() {
    check(
        r"
        > WATCH k
        < +OK
        > SADD k a
        < :1
        > MULTI
        < +OK
        > RESET
        < +RESET
        > EXEC
        < -ERR EXEC without MULTI
        > MULTI
        < +OK
        > EXEC
        < *0
        ",
    );
}

#[test]
fn a_transaction_in_which_something_could_not_be_queued_is_refused_whole() {
    for mistake in ["NOSUCH", "SADD k", "CLIENT NOSUCH", "SAVE"] {
        let server = Server::start();
        let mut client = connect(&server, 2);
        client.ask(&["MULTI"]);
        assert_eq!(client.ask(&["SADD", "k", "a"]), b"+QUEUED\r\n");
        let words: Vec<_> = mistake.split(' ').collect();
        assert!(client.ask(&words).starts_with(b"-ERR "), "{mistake}");
        let refusal = b"-EXECABORT Transaction discarded because of previous errors.\r\n";
        assert_eq!(client.ask(&["EXEC"]), refusal, "{mistake}");
        assert_eq!(client.ask(&["EXISTS", "k"]), b":0\r\n");
    }
}

#[test]
fn an_error_at_execution_stands_in_its_place_and_the_rest_is_executed() {
    let server = Server::start();
    let mut client = connect(&server, 2);
    for words in
        [&["MULTI"][..], &["SADD", "k", "a"], &["FLUSHDB", "x"], &["SSCAN", "k", "x"], &["SADD", "k", "b"]]
    {
        client.ask(words);
    }
    let expected = "*4\r\n:1\r\n-ERR syntax error\r\n-ERR invalid cursor\r\n:1\r\n";
    assert_eq!(String::from_utf8(client.ask(&["EXEC"])).unwrap(), expected);
}

#[test]
fn commands_of_a_transaction_see_what_those_before_them_did() {
    check(
        r#"
        > MULTI
        < +OK
        > SET a 1 EXAT 33177117420
        < +QUEUED
        > INCR a
        < +QUEUED
        > APPEND a x
        < +QUEUED
        > RENAME a b
        < +QUEUED
        > EXISTS a
        < +QUEUED
        > EXPIRETIME b
        < +QUEUED
        > COPY b c
        < +QUEUED
        > GETDEL b
        < +QUEUED
        > STRLEN c
        < +QUEUED
        > MSET n 1 m 2
        < +QUEUED
        > MGET n m b
        < +QUEUED
        > SADD s x y
        < +QUEUED
        > SMOVE s t x
        < +QUEUED
        > SUNIONSTORE u s t
        < +QUEUED
        > SCARD u
        < +QUEUED
        > SINTERCARD 2 u s
        < +QUEUED
        > SPOP t
        < +QUEUED
        > TYPE t
        < +QUEUED
        > PERSIST c
        < +QUEUED
        > TTL c
        < +QUEUED
        > SET c v GET
        < +QUEUED
        > DBSIZE
        < +QUEUED
        > EXEC
        <2 *22 +OK :2 :2 +OK :0 :33177117420 :1 "2x" :2 +OK *3 "1" "2" $-1 :2 :1 :2 :2 :1 "x" +none :1 :-1 "2x" :5
        <3 *22 +OK :2 :2 +OK :0 :33177117420 :1 "2x" :2 +OK *3 "1" "2" _ :2 :1 :2 :2 :1 "x" +none :1 :-1 "2x" :5
        "#,
    );
}

#[test]
fn databases_can_be_changed_and_exchanged_inside_of_a_transaction() {
    check(
        r#"
        > MULTI
        < +OK
        > SET k zero
        < +QUEUED
        > SET m moves
        < +QUEUED
        > MOVE m 1
        < +QUEUED
        > SWAPDB 0 1
        < +QUEUED
        > GET k
        < +QUEUED
        > GET m
        < +QUEUED
        > SET k one
        < +QUEUED
        > SELECT 1
        < +QUEUED
        > GET k
        < +QUEUED
        > COPY k copied DB 0
        < +QUEUED
        > SELECT 0
        < +QUEUED
        > MGET k copied
        < +QUEUED
        > EXEC
        <2 *12 +OK +OK :1 +OK $-1 "moves" +OK +OK "zero" :1 +OK *2 "one" "zero"
        <3 *12 +OK +OK :1 +OK _ "moves" +OK +OK "zero" :1 +OK *2 "one" "zero"
        > DBSIZE
        < :3
        "#,
    );
}

#[test]
fn a_wrong_type_in_a_transaction_undoes_nothing_of_it() {
    let server = Server::start();
    let mut client = connect(&server, 2);
    let requests = [
        &["MULTI"][..],
        &["SET", "k", "v"],
        &["SADD", "k", "a"],
        &["INCR", "n"],
        &["INCR", "k"],
        &["SET", "k", "w", "EX", "0"],
        &["RENAME", "nothing", "k"],
        &["APPEND", "k", "w"],
    ];
    for request in requests {
        client.ask(request);
    }
    let expected = "*7\r\n\
        +OK\r\n\
        -WRONGTYPE Operation against a key holding the wrong kind of value\r\n\
        :1\r\n\
        -ERR value is not an integer or out of range\r\n\
        -ERR invalid expire time in 'set' command\r\n\
        -ERR no such key\r\n\
        :2\r\n";
    assert_eq!(String::from_utf8(client.ask(&["EXEC"])).unwrap(), expected);
    assert_eq!(client.ask(&["MGET", "k", "n"]), b"*2\r\n$2\r\nvw\r\n$1\r\n1\r\n");
}

#[test]
fn multi_and_watch_are_refused_inside_and_do_no_harm() {
    check(
        r"
        > MULTI
        < +OK
        > MULTI
        < -ERR MULTI calls can not be nested
        > WATCH k
        < -ERR WATCH inside MULTI is not allowed
        > UNWATCH
        < +QUEUED
        > SADD k a
        < +QUEUED
        > EXEC
        < *2 +OK :1
        ",
    );
}

#[test]
fn commands_of_the_session_take_effect_in_their_place() {
    let server = Server::start();
    let mut client = connect(&server, 2);
    let words =
        [&["MULTI"][..], &["SADD", "k", "a"], &["SELECT", "1"], &["SADD", "k", "b", "c"], &["DBSIZE"]];
    for request in words {
        client.ask(request);
    }
    assert_eq!(client.ask(&["EXEC"]), b"*4\r\n:1\r\n+OK\r\n:2\r\n:1\r\n");
    assert_eq!(client.ask(&["SCARD", "k"]), b":2\r\n", "the database stays selected");
    client.ask(&["SELECT", "0"]);
    assert_eq!(client.ask(&["SCARD", "k"]), b":1\r\n");
}

#[test]
fn an_exec_that_is_wrong_itself_ends_the_transaction() {
    check(
        r"
        > MULTI
        < +OK
        > SADD k a
        < +QUEUED
        > EXEC now
        < -EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command
        > EXEC
        < -ERR EXEC without MULTI
        > EXISTS k
        < :0
        ",
    );
}

#[test]
fn quit_is_not_queued() {
    check(
        r"
        > MULTI
        < +OK
        > QUIT
        < +OK
        < closed
        ",
    );
}

#[test]
fn a_whole_transaction_in_one_write_is_answered_in_order() {
    let server = Server::start();
    let mut client = server.connect();
    let words = [
        &["SADD", "k", "a"][..],
        &["MULTI"],
        &["SADD", "k", "b"],
        &["SCARD", "k"],
        &["EXEC"],
        &["SCARD", "k"],
    ];
    let all: Vec<u8> = words.iter().flat_map(|words| request(words)).collect();
    client.send(&all);
    let replies: Vec<u8> = (0..6).flat_map(|_| client.reply()).collect();
    let expected = b":1\r\n+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n:1\r\n:2\r\n:2\r\n";
    assert_eq!(replies.escape_ascii().to_string(), expected.escape_ascii().to_string());
}

/// What another client does between WATCH and EXEC, and whether EXEC does nothing then.
fn watching(protocol: u8, prepare: &str, watch: &str, meanwhile: &str) -> bool {
    watching_on(&Server::start(), protocol, prepare, watch, meanwhile)
}

/// The same on a server that may have keys, which are removed first.
fn watching_on(server: &Server, protocol: u8, prepare: &str, watch: &str, meanwhile: &str) -> bool {
    let (mut client, mut other) = (connect(server, protocol), connect(server, 2));
    let ask = |client: &mut crate::support::server::Client, text: &str| {
        for words in text.split("; ").filter(|words| !words.is_empty()) {
            let reply = client.ask(&words.split(' ').collect::<Vec<_>>());
            assert!(!reply.starts_with(b"-ERR unknown"), "{words}: {}", reply.escape_ascii());
        }
    };
    ask(&mut other, "FLUSHALL");
    ask(&mut other, prepare);
    ask(&mut client, watch);
    ask(&mut other, meanwhile);
    ask(&mut client, "MULTI; SADD done yes");
    let reply = client.ask(&["EXEC"]);
    let null: &[u8] = if protocol == 3 { b"_\r\n" } else { b"*-1\r\n" };
    let is_void = reply == null;
    assert!(is_void || reply == b"*1\r\n:1\r\n", "{}", reply.escape_ascii());
    let exists = client.ask(&["EXISTS", "done"]);
    assert_eq!(exists, if is_void { b":0\r\n" } else { b":1\r\n" });
    is_void
}

#[test]
fn exec_does_nothing_if_a_watched_key_has_changed() {
    for protocol in [2, 3] {
        for change in
            ["SADD k b", "SREM k a", "DEL k", "UNLINK k", "FLUSHDB", "FLUSHALL", "SADD k b; SREM k b"]
        {
            assert!(watching(protocol, "SADD k a", "WATCH k", change), "{change}");
        }
        assert!(watching(protocol, "", "WATCH x k", "SADD k a"), "one of several, created");
    }
}

#[test]
fn exec_is_executed_if_no_watched_key_has_changed() {
    for meanwhile in
        ["", "SADD other b", "SADD k a", "SREM k x", "SELECT 1; SADD k b", "SELECT 1; FLUSHDB", "SMEMBERS k"]
    {
        assert!(!watching(2, "SADD k a", "WATCH k", meanwhile), "{meanwhile}");
    }
    assert!(!watching(2, "", "WATCH k", "FLUSHALL"), "there was nothing to flush");
    assert!(!watching(2, "SADD k a", "WATCH k; UNWATCH", "SADD k b"));
    assert!(!watching(2, "SADD k a", "WATCH k; MULTI; DISCARD", "SADD k b"));
    assert!(!watching(2, "SADD k a", "WATCH k; MULTI; EXEC", "SADD k b"), "a watch is for one transaction");
}

#[test]
fn exec_does_nothing_if_a_watched_string_has_changed() {
    let server = Server::start();
    for change in [
        "SET k 2",
        "SET k 2 GET",
        "SET k 2 XX",
        "SET k 2 KEEPTTL",
        "SETEX k 100 v",
        "PSETEX k 100000 v",
        "GETSET k 2",
        "GETDEL k",
        "APPEND k x",
        "SETRANGE k 0 x",
        "INCR k",
        "DECR k",
        "INCRBY k 5",
        "DECRBY k 5",
        "INCRBYFLOAT k 5",
        "MSET l 1 k 2",
        "DEL k",
        "UNLINK k",
        "FLUSHDB",
        "FLUSHALL",
        "SELECT 1; FLUSHALL",
        "SUNIONSTORE k nothing",
    ] {
        assert!(watching_on(&server, 2, "SET k 1", "WATCH k", change), "{change}");
    }
}

#[test]
fn exec_does_nothing_if_a_watched_set_has_changed() {
    let server = Server::start();
    for change in [
        "SPOP k",
        "SPOP k 2",
        "SMOVE k l a",
        "SMOVE l k z",
        "SUNIONSTORE k l",
        "SINTERSTORE k k l",
        "SDIFFSTORE k nothing",
        "SET k v",
    ] {
        assert!(watching_on(&server, 2, "SADD k a b; SADD l a z", "WATCH k", change), "{change}");
    }
}

#[test]
fn exec_does_nothing_if_a_watched_key_was_made() {
    let server = Server::start();
    for change in [
        "SET k 1",
        "SETNX k 1",
        "MSETNX l 1 k 1",
        "GETSET k 1",
        "APPEND k x",
        "APPEND k ",
        "SETRANGE k 1 x",
        "INCR k",
        "INCRBYFLOAT k 1",
        "SUNIONSTORE k other",
        "SMOVE other k a",
        "INCR k; DEL k",
        "SADD k a; SPOP k",
        "SET k 1 PXAT 1",
    ] {
        assert!(watching_on(&server, 2, "SADD other a", "WATCH k", change), "{change}");
    }
}

#[test]
fn exec_does_nothing_if_the_expiry_of_a_watched_key_has_changed() {
    let server = Server::start();
    for change in [
        "EXPIRE k 100",
        "PEXPIRE k 100000",
        "EXPIREAT k 33177117421",
        "PEXPIREAT k 33177117421000 GT",
        "EXPIRE k -1",
        "PERSIST k",
        "GETEX k EX 100",
        "GETEX k PERSIST",
        "GETEX k PXAT 1",
    ] {
        assert!(watching_on(&server, 2, "SET k 1 EXAT 33177117420", "WATCH k", change), "{change}");
    }
}

#[test]
fn exec_does_nothing_if_a_watched_key_came_or_went_under_another_name_or_number() {
    let server = Server::start();
    for (prepare, change) in [
        ("SET k 1", "RENAME k l"),
        ("SET k 1", "RENAMENX k l"),
        ("SET l 1", "RENAME l k"),
        ("SET l 1; SET k 2", "RENAME l k"),
        ("SET l 1", "RENAMENX l k"),
        ("SET l 1", "COPY l k"),
        ("SET l 1; SET k 2", "COPY l k REPLACE"),
        ("SELECT 1; SET k 1", "COPY k k DB 0"),
        ("SET k 1", "MOVE k 1"),
        ("SELECT 1; SET k 1", "MOVE k 0"),
        ("SET k 1", "SWAPDB 0 1"),
        ("SET k 1", "SWAPDB 1 0"),
        ("SELECT 1; SET k 1", "SWAPDB 0 1"),
        ("SET k 1; SELECT 1; SET k 1", "SWAPDB 0 1"),
        ("", "SWAPDB 0 1; SELECT 1; SET k 1; SWAPDB 0 1"),
    ] {
        assert!(watching_on(&server, 2, prepare, "WATCH k", change), "{prepare}; {change}");
    }
    assert!(
        watching_on(&server, 3, "SET k 1", "SELECT 1; WATCH k; SELECT 0", "SWAPDB 0 1"),
        "watched in another database"
    );
}

#[test]
fn a_write_of_what_is_there_already_is_a_change() {
    let server = Server::start();
    for change in [
        "SET k 1 EXAT 33177117420",
        "GETSET k 1",
        "MSET k 1",
        "APPEND k ",
        "SETRANGE k 0 1",
        "INCRBY k 0",
        "DECRBY k 0",
        "INCRBYFLOAT k 0",
        "EXPIREAT k 33177117420",
        "INCR k; DECR k",
    ] {
        assert!(watching_on(&server, 2, "SET k 1 EXAT 33177117420", "WATCH k", change), "{change}");
    }
    assert!(watching_on(&server, 2, "SADD k a", "WATCH k", "SUNIONSTORE k k"));
}

#[test]
fn what_only_reads_or_is_not_done_is_no_change() {
    let server = Server::start();
    for meanwhile in [
        "GET k",
        "MGET k",
        "STRLEN k",
        "GETRANGE k 0 1",
        "GETEX k",
        "GETEX k PERSIST",
        "TTL k",
        "TOUCH k",
        "OBJECT ENCODING k",
        "SET k 2 NX",
        "SET k 2 EX 0",
        "SETNX k 2",
        "MSETNX k 2 l 2",
        "SETRANGE k 0 ",
        "EXPIRE k 100 XX",
        "EXPIRE k 100 GT",
        "PERSIST k",
        "RENAME k k",
        "RENAMENX k k",
        "RENAMENX other k",
        "COPY k l",
        "COPY k k DB 1",
        "COPY other k",
        "SELECT 1; SET k 2; MOVE k 0",
        "SWAPDB 0 0",
        "SWAPDB 1 2",
        "SELECT 1; SET k 2; FLUSHDB",
        "SADD k a",
        "SPOP k",
        "INCRBY k x",
        "DECRBY k -9223372036854775808",
    ] {
        assert!(!watching_on(&server, 2, "SET k 1; SET other 1", "WATCH k", meanwhile), "{meanwhile}");
    }
}

#[test]
fn what_only_reads_a_set_or_does_not_change_it_is_no_change() {
    let server = Server::start();
    for meanwhile in [
        "SRANDMEMBER k",
        "SRANDMEMBER k 2",
        "SPOP k 0",
        "SMOVE k k a",
        "SMOVE k l x",
        "SMOVE l k a",
        "SINTER k l",
        "SINTERSTORE m k l",
        "SINTERCARD 1 k",
    ] {
        assert!(!watching_on(&server, 2, "SADD k a b; SADD l a z", "WATCH k", meanwhile), "{meanwhile}");
    }
}

#[test]
fn what_leaves_nothing_where_there_was_nothing_is_no_change() {
    let server = Server::start();
    for meanwhile in [
        "SET k 1 XX",
        "GETDEL k",
        "GETEX k EX 100",
        "SETRANGE k 0 ",
        "EXPIRE k 10",
        "DEL k",
        "SPOP k",
        "SUNIONSTORE k nothing",
        "RENAME k l",
        "SWAPDB 0 1",
        "SELECT 1; SET k 1; FLUSHALL",
    ] {
        assert!(!watching_on(&server, 2, "", "WATCH k", meanwhile), "{meanwhile}");
    }
}

#[test]
fn a_change_of_ones_own_counts_too() {
    assert!(watching(2, "", "WATCH k; SADD k a", ""));
}

#[test]
fn others_see_a_transaction_whole_or_not_at_all() {
    let server = Server::start();
    let mut writer = server.connect();
    let mut reader = server.connect();
    let transaction = |name: &str| {
        let words = [&["MULTI"][..], &[name, "x", "m"], &[name, "y", "m"], &["EXEC"]];
        words.iter().flat_map(|words| request(words)).collect::<Vec<u8>>()
    };
    let all: Vec<u8> = (0..2_000).flat_map(|_| [transaction("SADD"), transaction("SREM")].concat()).collect();
    let sender = writer.send_in_background(all);
    let mut remaining = 2_000 * 8;
    while remaining > 0 {
        assert!(matches!(&*reader.ask(&["EXISTS", "x", "y"]), b":0\r\n" | b":2\r\n"));
        for _ in 0..8 {
            writer.reply();
            remaining -= 1;
        }
    }
    sender.join().unwrap();
}

#[test]
fn client_list_shows_what_is_queued() {
    let server = Server::start();
    let (mut client, mut other) = (server.connect(), server.connect());
    client.ask(&["MULTI"]);
    client.ask(&["SADD", "k", "a"]);
    let list = String::from_utf8(other.ask(&["CLIENT", "LIST"])).unwrap();
    assert!(list.contains("flags=x db=0 sub=0 psub=0 ssub=0 multi=1 "), "{list}");
    client.ask(&["EXEC"]);
    let list = String::from_utf8(other.ask(&["CLIENT", "LIST"])).unwrap();
    assert!(!list.contains("flags=x") && !list.contains("multi=1"), "{list}");
}

#[test]
fn a_transaction_is_there_after_a_restart() {
    let server = Server::start();
    let mut client = connect(&server, 2);
    run(&mut client, 2, "> MULTI\n < +OK\n > SADD k a\n < +QUEUED\n > SADD l b\n < +QUEUED\n");
    client.ask(&["EXEC"]);
    let server = Server::start_in(server.stop(), Setup::default());
    assert_eq!(server.connect().ask(&["EXISTS", "k", "l"]), b":2\r\n");
}
