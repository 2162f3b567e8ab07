//! AUTH, HELLO, SELECT, PING, ECHO, QUIT, RESET, CLIENT, and the ways in which a connection ends.

use crate::script::{check, connect, integer, run, text};
use crate::support::server::{Client, Server, Setup, until};

#[test]
fn ping_returns_its_message() {
    check(
        r#"
        > PING
        < +PONG
        > PING hello
        < "hello"
        > PING ""
        < ""
        > PING "\x00\r\n\xff"
        < "\x00\r\n\xff"
        > pInG
        < +PONG
        > PING a b
        < -ERR wrong number of arguments for 'ping' command
        "#,
    );
}

#[test]
fn echo_returns_its_message() {
    check(
        r#"
        > ECHO hello
        < "hello"
        > ECHO ""
        < ""
        > echo "\x00\r\n\xff"
        < "\x00\r\n\xff"
        > ECHO
        < -ERR wrong number of arguments for 'echo' command
        > ECHO a b
        < -ERR wrong number of arguments for 'echo' command
        "#,
    );
}

#[test]
fn an_unknown_command_is_named_with_its_first_arguments() {
    check(
        r#"
        > NoSuch
        < -ERR unknown command 'NoSuch', with args beginning with:\x20
        > NoSuch a "b\r\nc"
        < -ERR unknown command 'NoSuch', with args beginning with: 'a' 'b  c'\x20
        > "" a
        < -ERR unknown command '', with args beginning with: 'a'\x20
        > CLIENT|ID
        < -ERR unknown command 'CLIENT|ID', with args beginning with:\x20
        > "SADD " k a
        < -ERR unknown command 'SADD ', with args beginning with: 'k' 'a'\x20
        > CLIENT
        < -ERR wrong number of arguments for 'client' command
        > CLIENT NoSuch
        < -ERR unknown subcommand 'NoSuch'. Try CLIENT HELP.
        > config nosuch x
        < -ERR unknown subcommand 'nosuch'. Try CONFIG HELP.
        > COMMAND NOSUCH
        < -ERR unknown subcommand 'NOSUCH'. Try COMMAND HELP.
        "#,
    );
}

#[test]
fn an_unknown_command_repeats_a_bounded_part() {
    let (long, cut) = ("x".repeat(300), "x".repeat(128));
    let rest = "y".repeat(128 - "'a' ".len());
    check(&format!(
        r"
        > {long}
        < -ERR unknown command '{cut}', with args beginning with:\x20
        > NOSUCH {long}
        < -ERR unknown command 'NOSUCH', with args beginning with: '{cut}'\x20
        > NOSUCH a {rest}yyy b
        < -ERR unknown command 'NOSUCH', with args beginning with: 'a' '{rest}'\x20
        > CLIENT {long}
        < -ERR unknown subcommand '{cut}'. Try CLIENT HELP.
        "
    ));
}

#[test]
fn select_takes_the_number_of_a_database() {
    check(
        r#"
        > SELECT 15
        < +OK
        > SELECT 0
        < +OK
        > select 3
        < +OK
        > SELECT 16
        < -ERR DB index is out of range
        > SELECT -1
        < -ERR DB index is out of range
        > SELECT x
        < -ERR value is not an integer or out of range
        > SELECT ""
        < -ERR value is not an integer or out of range
        > SELECT 01
        < -ERR value is not an integer or out of range
        > SELECT 99999999999
        < -ERR value is out of range, value must between -2147483648 and 2147483647
        > SELECT
        < -ERR wrong number of arguments for 'select' command
        > SELECT 1 2
        < -ERR wrong number of arguments for 'select' command
        "#,
    );
}

#[test]
fn quit_closes_behind_its_reply_and_what_follows_is_not_done() {
    for quit in ["QUIT", "quit", "QUIT now"] {
        check(&format!(
            "
            > PING
            > {quit}
            > SADD k a
            < +PONG
            < +OK
            < closed
            "
        ));
    }
    let server = Server::start();
    run(&mut server.connect(), 2, "> QUIT\n> SADD k a\n< +OK\n< closed");
    assert_eq!(server.connect().ask(&["EXISTS", "k"]), b":0\r\n");
}

#[test]
fn hello_greets_and_chooses_the_protocol() {
    let server = Server::start();
    let mut client = server.connect();
    let info = text(&client.ask(&["INFO", "server"]));
    let version = info.lines().find_map(|line| line.strip_prefix("redis_version:")).unwrap();
    let id = integer(&client.ask(&["CLIENT", "ID"]));
    let greeting = |mark: &str, protocol: u8| {
        format!(
            r#"{mark} "server" "redis" "version" "{version}" "proto" :{protocol} "id" :{id} "mode" "standalone" "role" "master" "modules" *0"#
        )
    };
    let (in_resp2, in_resp3) = (greeting("*14", 2), greeting("%7", 3));
    run(
        &mut client,
        2,
        &format!(
            "
            > HELLO
            < {in_resp2}
            > hello 3
            < {in_resp3}
            > HELLO
            < {in_resp3}
            > CLIENT GETNAME
            < _
            > HELLO 2 SETNAME me
            < {in_resp2}
            > CLIENT GETNAME
            < \"me\"
            > HELLO 3 SETNAME you AUTH default whatever
            < {in_resp3}
            > CLIENT GETNAME
            < \"you\"
            > HELLO 2 auth default whatever setname them
            < {in_resp2}
            > CLIENT GETNAME
            < \"them\"
            "
        ),
    );
}

#[test]
fn hello_refuses_what_it_does_not_understand_and_changes_nothing() {
    check(
        r#"
        > HELLO 4
        < -NOPROTO unsupported protocol version
        > HELLO 1
        < -NOPROTO unsupported protocol version
        > HELLO x
        < -ERR Protocol version is not an integer or out of range
        > HELLO ""
        < -ERR Protocol version is not an integer or out of range
        > HELLO AUTH default x
        < -ERR Protocol version is not an integer or out of range
        > HELLO 3 AUTH default
        < -ERR Syntax error in HELLO option 'AUTH'
        > HELLO 3 setname
        < -ERR Syntax error in HELLO option 'setname'
        > HELLO 3 nonsense
        < -ERR Syntax error in HELLO option 'nonsense'
        > HELLO 3 SETNAME "a b"
        < -ERR Client names cannot contain spaces, newlines or special characters.
        > HELLO 3 AUTH nobody x SETNAME a
        < -WRONGPASS invalid username-password pair or user is disabled.
        > CLIENT GETNAME
        <2 $-1
        <3 _
        "#,
    );
}

#[test]
fn auth_without_a_password_set_takes_any_for_the_default_user() {
    check(
        r"
        > AUTH default whatever
        < +OK
        > AUTH whatever
        < -ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?
        > AUTH nobody whatever
        < -WRONGPASS invalid username-password pair or user is disabled.
        > AUTH a b c
        < -ERR syntax error
        > AUTH
        < -ERR wrong number of arguments for 'auth' command
        ",
    );
}

fn with_password() -> Server {
    Server::start_with(Setup { requirepass: Some("secret"), ..Setup::default() })
}

#[test]
fn before_auth_only_the_handshake_is_answered() {
    let server = with_password();
    run(
        &mut server.connect(),
        2,
        r#"
        > PING
        < -NOAUTH Authentication required.
        > SADD k a
        < -NOAUTH Authentication required.
        > SADD
        < -ERR wrong number of arguments for 'sadd' command
        > NOSUCH
        < -ERR unknown command 'NOSUCH', with args beginning with:\x20
        > INFO
        < -NOAUTH Authentication required.
        > COMMAND
        < -NOAUTH Authentication required.
        > CLIENT ID
        < -NOAUTH Authentication required.
        > SHUTDOWN
        < -NOAUTH Authentication required.
        > RESET
        < +RESET
        > AUTH wrong
        < -WRONGPASS invalid username-password pair or user is disabled.
        > AUTH default ""
        < -WRONGPASS invalid username-password pair or user is disabled.
        > AUTH nobody secret
        < -WRONGPASS invalid username-password pair or user is disabled.
        > SELECT 1
        < -NOAUTH Authentication required.
        > AUTH secret
        < +OK
        > SADD k a
        < :1
        > AUTH wrong
        < -WRONGPASS invalid username-password pair or user is disabled.
        > EXISTS k
        < :1
        > RESET
        < +RESET
        > EXISTS k
        < -NOAUTH Authentication required.
        > AUTH default secret
        < +OK
        > EXISTS k
        < :1
        > QUIT
        < +OK
        < closed
        "#,
    );
    run(&mut server.connect(), 2, "> QUIT\n< +OK\n< closed");
}

#[test]
fn auth_and_what_needs_it_may_come_in_one_write() {
    let server = with_password();
    run(
        &mut server.connect(),
        2,
        "
        > PING
        > AUTH secret
        > SADD k a
        > SISMEMBER k a
        < -NOAUTH Authentication required.
        < +OK
        < :1
        < :1
        ",
    );
}

#[test]
fn hello_authenticates_too() {
    let server = with_password();
    let mut client = server.connect();
    let wrong = client.ask(&["HELLO", "3", "AUTH", "default", "wrong"]);
    assert_eq!(wrong, b"-WRONGPASS invalid username-password pair or user is disabled.\r\n");
    assert_eq!(client.ask(&["PING"]), b"-NOAUTH Authentication required.\r\n");
    assert!(client.ask(&["HELLO", "3", "AUTH", "default", "secret"]).starts_with(b"%7\r\n"));
    assert_eq!(client.ask(&["CLIENT", "GETNAME"]), b"_\r\n");
}

#[test]
fn before_auth_requests_are_short() {
    let server = with_password();
    let long = "a".repeat(16 * 1024);
    run(
        &mut server.connect(),
        2,
        &format!(
            r"
            > PING {long}
            < -NOAUTH Authentication required.
            >> *2\r\n$4\r\nPING\r\n$16385\r\n
            < -ERR Protocol error: unauthenticated bulk length
            < closed
            "
        ),
    );
    run(
        &mut server.connect(),
        2,
        r"
        > DEL 2 3 4 5 6 7 8 9 10
        < -NOAUTH Authentication required.
        >> *11\r\n
        < -ERR Protocol error: unauthenticated multibulk length
        < closed
        ",
    );
    run(
        &mut server.connect(),
        2,
        &format!(
            "
            > AUTH secret
            > DEL 2 3 4 5 6 7 8 9 10 11
            > ECHO {long}a
            < +OK
            < :0
            < \"{long}a\"
            "
        ),
    );
}

#[test]
fn reset_puts_the_connection_back_to_its_beginning() {
    let server = Server::start();
    run(
        &mut connect(&server, 3),
        3,
        r#"
        > SELECT 3
        < +OK
        > SADD k a
        < :1
        > CLIENT SETNAME me
        < +OK
        > SMEMBERS k
        < ~1 "a"
        > RESET
        < +RESET
        > EXISTS k
        < :0
        > CLIENT GETNAME
        < $-1
        > SMEMBERS k
        < *0
        > RESET x
        < -ERR wrong number of arguments for 'reset' command
        "#,
    );
}

#[test]
fn client_reply_off_on_and_skip() {
    check(
        r#"
        > CLIENT REPLY ON
        < +OK
        > CLIENT REPLY OFF
        > PING
        > SADD k a
        > NOSUCH
        > SADD
        > CLIENT REPLY on
        < +OK
        > SISMEMBER k a
        < :1
        > CLIENT REPLY SKIP
        > PING 1
        > PING 2
        < "2"
        > CLIENT REPLY SKIP
        > SADD k b
        > SADD k c
        > SISMEMBER k b
        < :1
        < :1
        > client reply skip
        > NOSUCH
        > PING
        < +PONG
        > CLIENT REPLY nonsense
        < -ERR syntax error
        > CLIENT REPLY
        < -ERR wrong number of arguments for 'client|reply' command
        > CLIENT REPLY OFF
        > PING
        > RESET
        < +RESET
        "#,
    );
}

#[test]
fn client_setname_and_getname() {
    check(
        r#"
        > CLIENT GETNAME
        <2 $-1
        <3 _
        > CLIENT SETNAME me:1!~
        < +OK
        > client getname
        < "me:1!~"
        > CLIENT SETNAME "a b"
        < -ERR Client names cannot contain spaces, newlines or special characters.
        > CLIENT SETNAME "a\n"
        < -ERR Client names cannot contain spaces, newlines or special characters.
        > CLIENT GETNAME
        < "me:1!~"
        > CLIENT SETNAME ""
        < +OK
        > CLIENT GETNAME
        <2 $-1
        <3 _
        > CLIENT SETNAME
        < -ERR wrong number of arguments for 'client|setname' command
        > CLIENT GETNAME x
        < -ERR wrong number of arguments for 'client|getname' command
        "#,
    );
}

#[test]
fn client_no_evict_takes_on_and_off() {
    check(
        r"
        > CLIENT NO-EVICT ON
        < +OK
        > client no-evict off
        < +OK
        > CLIENT NO-EVICT nonsense
        < -ERR syntax error
        > CLIENT NO-EVICT
        < -ERR wrong number of arguments for 'client|no-evict' command
        ",
    );
}

/// The value of a field in a line of CLIENT LIST.
fn field<'a>(line: &'a str, name: &str) -> &'a str {
    line.trim_end().split(' ').find_map(|field| field.strip_prefix(name)?.strip_prefix('=')).unwrap()
}

#[test]
fn client_id_grows_and_client_info_shows_it() {
    let server = Server::start();
    let (mut first, mut second) = (connect(&server, 2), connect(&server, 3));
    let ids = [&mut first, &mut second].map(|client| integer(&client.ask(&["CLIENT", "ID"])));
    assert!(ids[0] < ids[1]);
    second.ask(&["SELECT", "5"]);
    second.ask(&["CLIENT", "SETNAME", "me"]);
    let reply = second.ask(&["CLIENT", "INFO"]);
    assert_eq!(reply[0], b'=', "a verbatim string in RESP3");
    let line = text(&reply);
    assert!(line.ends_with('\n') && line.lines().count() == 1);
    let fields = ["id", "name", "db", "resp", "cmd", "flags", "user"].map(|name| field(&line, name));
    assert_eq!(fields, [&ids[1].to_string(), "me", "5", "3", "client|info", "N", "default"]);
    let reply = first.ask(&["CLIENT", "INFO"]);
    assert_eq!(reply[0], b'$', "a bulk string in RESP2");
    assert_eq!(field(&text(&reply), "resp"), "2");
    run(
        &mut first,
        2,
        "
        > CLIENT ID x
        < -ERR wrong number of arguments for 'client|id' command
        > CLIENT INFO x
        < -ERR wrong number of arguments for 'client|info' command
        ",
    );
}

#[test]
fn client_list_shows_all_or_those_asked_for() {
    let server = Server::start();
    let (mut first, mut second) = (connect(&server, 2), connect(&server, 3));
    first.ask(&["CLIENT", "SETNAME", "first"]);
    second.ask(&["SADD", "k", "a"]);
    let id = integer(&second.ask(&["CLIENT", "ID"])).to_string();
    // The connection by which the start was seen may not be gone yet.
    let mut list = String::new();
    until("two are connected", || {
        list = text(&first.ask(&["CLIENT", "LIST"]));
        list.lines().count() == 2
    });
    let lines: Vec<_> = list.lines().collect();
    assert_eq!([field(lines[0], "name"), field(lines[0], "cmd")], ["first", "client|list"]);
    assert_eq!([field(lines[1], "id"), field(lines[1], "cmd")], [&id, "client|id"]);
    assert_ne!(field(lines[0], "addr"), field(lines[1], "addr"));

    assert_eq!(text(&first.ask(&["CLIENT", "LIST", "TYPE", "normal"])).lines().count(), 2);
    let found = text(&first.ask(&["CLIENT", "LIST", "ID", &id, "0", "-1"]));
    assert_eq!((found.lines().count(), field(&found, "id")), (1, &*id));
    drop(second);
    until("one is gone", || text(&first.ask(&["CLIENT", "LIST"])).lines().count() == 1);
}

#[test]
fn client_list_refuses_what_it_does_not_understand() {
    check(
        r"
        > CLIENT LIST TYPE pubsub
        <2 $0\r\n
        <3 =4\r\ntxt:
        > client list type REPLICA
        <2 $0\r\n
        <3 =4\r\ntxt:
        > CLIENT LIST ID 0
        <2 $0\r\n
        <3 =4\r\ntxt:
        > CLIENT LIST TYPE nonsense
        < -ERR Unknown client type 'nonsense'
        > CLIENT LIST TYPE
        < -ERR syntax error
        > CLIENT LIST ID
        < -ERR syntax error
        > CLIENT LIST ID x
        < -ERR Invalid client ID
        > CLIENT LIST nonsense
        < -ERR syntax error
        > CLIENT LIST TYPE normal ID 1
        < -ERR syntax error
        ",
    );
}

#[test]
fn one_client_more_than_maxclients_is_told_so() {
    let server = Server::start_with(Setup { maxclients: 2, ..Setup::default() });
    // The connection by which the start was seen may not be gone yet.
    let mut admitted = Vec::new();
    until("two are let in", || {
        let mut client = server.connect();
        if is_served(&mut client) {
            admitted.push(client);
        }
        admitted.len() == 2
    });
    assert_eq!(server.connect().rest(), b"-ERR max number of clients reached\r\n");
    assert!(admitted.iter_mut().all(is_served));
    admitted.pop();
    until("the place is free", || is_served(&mut server.connect()));
    let info = text(&admitted[0].ask(&["INFO", "stats"]));
    let rejected = info.lines().find_map(|line| line.strip_prefix("rejected_connections:")).unwrap();
    assert!(rejected.parse::<u64>().unwrap() >= 1);
}

fn is_served(client: &mut Client) -> bool {
    client.try_ask(&["PING"]).is_some_and(|reply| reply == "+PONG\r\n")
}

#[test]
fn inline_requests_are_lines_with_quotes_and_escapes() {
    check(
        r#"
        >> PING\r\n
        < +PONG
        >> \r\n\r\nping\n
        < +PONG
        >>   SADD \t k  "a b"   'c d' \r\n
        < :2
        >> SMISMEMBER k "a b" "c d" "\\x61\\x20b" 'c\\'d' ""\r\n
        < *5 :1 :1 :1 :0 :0
        >> ECHO "\\x00\\n\\"\\\\"\r\n
        < "\x00\n\"\\"
        >> ECHO '\\n'\r\n
        < "\\n"
        >> ECHO ""\r\n
        < ""
        >> SADD k\r\n
        < -ERR wrong number of arguments for 'sadd' command
        "#,
    );
}

#[test]
fn requests_for_nothing_are_answered_nothing() {
    check(
        r"
        >> *0\r\n*-1\r\n\r\n\n*1\r\n$4\r\nPING\r\n
        < +PONG
        ",
    );
}

#[test]
fn a_stream_that_cannot_be_followed_ends_behind_its_error() {
    for (bytes, error) in [
        (r"*x\r\n", "invalid multibulk length"),
        (r"*2147483648\r\n", "invalid multibulk length"),
        (r"*01\r\n", "invalid multibulk length"),
        (r"*1\r\n!1\r\n", "expected '$', got '!'"),
        (r"*1\r\n\r\n\r\n", r"expected '$', got ' '"),
        (r"*2\r\n$4\r\nPING\r\n:1\r\n", "expected '$', got ':'"),
        (r"*1\r\n$x\r\n", "invalid bulk length"),
        (r"*1\r\n$-1\r\n", "invalid bulk length"),
        (r"*1\r\n$536870913\r\n", "invalid bulk length"),
        (r#"PING "a\r\n"#, "unbalanced quotes in request"),
        (r"PING 'a'b\r\n", "unbalanced quotes in request"),
    ] {
        check(&format!(
            "
            > SADD k a
            >> {bytes}PING\\r\\n
            < :1
            < -ERR Protocol error: {error}
            < closed
            "
        ));
    }
}

#[test]
fn lines_without_an_end_are_refused() {
    // One byte too many, and none behind it: a connection that is closed with bytes unread may lose its error.
    for (start, digits, error) in [
        ("", 64 * 1024 + 1, "too big inline request"),
        ("*", 64 * 1024, "too big mbulk count string"),
        (r"*1\r\n$", 64 * 1024, "too big bulk count string"),
    ] {
        let line = "1".repeat(digits);
        let server = Server::start();
        let script = format!(">> {start}{line}\n< -ERR Protocol error: {error}\n< closed");
        run(&mut server.connect(), 2, &script);
    }
}

#[test]
fn http_is_closed_without_a_word() {
    for request in [
        r"POST / HTTP/1.1\r\nHost: localhost\r\n\r\nSADD k a\r\n",
        r"post\r\nSADD k a\r\n",
        r"Host: localhost\r\nSADD k a\r\n",
        r"*1\r\n$4\r\nPOST\r\nSADD k a\r\n",
    ] {
        let server = Server::start();
        run(&mut server.connect(), 2, &format!(">> {request}\n< closed"));
        assert_eq!(server.connect().ask(&["EXISTS", "k"]), b":0\r\n");
    }
}
