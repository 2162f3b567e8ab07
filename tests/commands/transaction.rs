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
    let server = Server::start();
    let (mut client, mut other) = (connect(&server, protocol), connect(&server, 2));
    let ask = |client: &mut crate::support::server::Client, text: &str| {
        for words in text.split("; ").filter(|words| !words.is_empty()) {
            client.ask(&words.split(' ').collect::<Vec<_>>());
        }
    };
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
