//! What is different from Redis 7.0, on purpose or because it is newer.

use crate::script::{check, run};
use crate::support::server::{Server, Setup};

#[test]
fn a_cursor_is_a_plain_number() {
    // Redis takes these for 0, 1 and 18446744073709551615.
    check(
        r#"
        > SCAN ""
        < -ERR invalid cursor
        > SCAN +1
        < -ERR invalid cursor
        > SCAN -1
        < -ERR invalid cursor
        "#,
    );
}

#[test]
fn an_error_is_text() {
    // Redis repeats bytes that are no text as they are, and nothing behind a NUL.
    check(
        r#"
        > "\xff" "\xff"
        < -ERR unknown command '\xef\xbf\xbd', with args beginning with: '\xef\xbf\xbd'\x20
        > "a\x00b" "c\x00d"
        < -ERR unknown command 'a\x00b', with args beginning with: 'c\x00d'\x20
        "#,
    );
}

#[test]
fn client_setinfo_is_of_redis_7_2() {
    check(
        r#"
        > CLIENT SETINFO LIB-NAME some-client
        < +OK
        > client setinfo lib-ver 1.2
        < +OK
        > CLIENT SETINFO LIB-VER ""
        < +OK
        > CLIENT SETINFO lib-name "a b"
        < -ERR lib-name cannot contain spaces, newlines or special characters.
        > CLIENT SETINFO lib-size 1
        < -ERR Unrecognized option 'lib-size'
        > CLIENT SETINFO lib-name
        < -ERR wrong number of arguments for 'client|setinfo' command
        "#,
    );
}

#[test]
fn client_no_touch_is_of_redis_7_2() {
    check(
        r"
        > CLIENT NO-TOUCH ON
        < +OK
        > client no-touch off
        < +OK
        > CLIENT NO-TOUCH nonsense
        < -ERR syntax error
        ",
    );
}

#[test]
fn command_getkeys_may_have_a_command_without_arguments_as_in_redis_7_2() {
    check(
        r"
        > COMMAND GETKEYS PING
        < -ERR The command has no key arguments
        > COMMAND GETKEYS SADD
        < -ERR Invalid number of arguments specified for command
        > COMMAND GETKEYS NOSUCH
        < -ERR Invalid command specified
        ",
    );
}

#[test]
fn command_docs_describes_what_happens_here() {
    check(
        r#"
        > COMMAND DOCS PING
        <2 *2 "ping" *10 "summary" "Returns PONG, or the message" "since" "1.0.0" "group" "connection" "complexity" "O(1)" "arguments" *1 *8 "name" "message" "type" "string" "display_text" "message" "flags" *1 +optional
        <3 %1 "ping" %5 "summary" "Returns PONG, or the message" "since" "1.0.0" "group" "connection" "complexity" "O(1)" "arguments" *1 %4 "name" "message" "type" "string" "display_text" "message" "flags" ~1 +optional
        "#,
    );
}

#[test]
fn a_request_has_a_million_arguments_at_most_as_before_redis_7() {
    check(
        r"
        >> *1048577\r\n
        < -ERR Protocol error: invalid multibulk length
        < closed
        ",
    );
}

#[test]
fn what_came_before_http_is_answered() {
    let server = Server::start();
    run(
        &mut server.connect(),
        2,
        r"
        > PING
        >> POST / HTTP/1.1\r\nHost: localhost\r\n\r\n
        < +PONG
        < closed
        ",
    );
}

#[test]
fn what_came_before_shutdown_is_answered() {
    let server = Server::start();
    run(
        &mut server.connect(),
        2,
        "
        > SADD k a
        > PING
        > SHUTDOWN
        > PING
        < :1
        < +PONG
        < closed
        ",
    );
    server.wait();
}

#[test]
fn hello_before_auth_is_refused_in_the_words_of_redis_7_2() {
    let server = Server::start_with(Setup { requirepass: Some("secret"), ..Setup::default() });
    run(
        &mut server.connect(),
        2,
        "
        > HELLO
        < -NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time
        > HELLO 3 SETNAME a
        < -NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time
        > AUTH secret
        < +OK
        > CLIENT GETNAME
        < $-1
        ",
    );
}

#[test]
fn hello_that_is_refused_gives_no_name_as_in_redis_7_2() {
    check(
        "
        > HELLO 3 SETNAME a AUTH nobody x
        < -WRONGPASS invalid username-password pair or user is disabled.
        > CLIENT GETNAME
        <2 $-1
        <3 _
        ",
    );
}

#[test]
fn command_info_has_no_hints_for_clusters() {
    // In Redis, `request_policy:multi_shard` and `response_policy:agg_sum` stand in the eighth place.
    let server = Server::start();
    run(
        &mut server.connect(),
        2,
        r#"
        > COMMAND INFO exists
        < any-order *1 *10 "exists" :-2 *2 +readonly +fast :1 :-1 :1 *3 +@keyspace +@read +@fast *0 *1 *6 "flags" *1 +RO "begin_search" *4 "type" "index" "spec" *2 "index" :1 "find_keys" *4 "type" "range" "spec" *6 "lastkey" :-1 "keystep" :1 "limit" :0 *0
        "#,
    );
}

#[test]
fn an_encoding_is_told_from_the_value_alone() {
    // Redis remembers that a string was changed in place, and that a set once had other members than integers.
    check(
        r#"
        > APPEND k 1
        < :1
        > OBJECT ENCODING k
        < "int"
        > APPEND k x
        < :2
        > OBJECT ENCODING k
        < "embstr"
        > SADD s 1 x
        < :2
        > SREM s x
        < :1
        > OBJECT ENCODING s
        < "intset"
        "#,
    );
}

#[test]
fn small_numbers_are_not_shared_between_keys() {
    // Redis answers 2147483647 for the numbers from 0 to 9999.
    check(
        r"
        > SET k 5
        < +OK
        > OBJECT REFCOUNT k
        < :1
        ",
    );
}
