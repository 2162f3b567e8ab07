//! Commands about other clients: MONITOR, CLIENT KILL, CLIENT PAUSE, ...

use crate::script::{check, connect, integer, run, text};
use crate::support::server::{Client, Server, Setup, request, until};

/// The field of a client's own line in CLIENT LIST.
fn own(client: &mut Client, name: &str) -> String {
    let line = text(&client.ask(&["CLIENT", "INFO"]));
    let value = line.trim_end().split(' ').find_map(|field| field.strip_prefix(name)?.strip_prefix('='));
    value.unwrap().to_owned()
}

#[test]
fn client_kill_by_address_ends_that_client() {
    let server = Server::start();
    let (mut client, mut victim, mut bystander) = (server.connect(), server.connect(), server.connect());
    let address = own(&mut victim, "addr");
    assert_eq!(client.ask(&["CLIENT", "KILL", &address]), b"+OK\r\n");
    assert_eq!(victim.rest(), b"");
    assert_eq!(client.ask(&["CLIENT", "KILL", &address]), b"-ERR No such client\r\n");
    assert_eq!(bystander.ask(&["PING"]), b"+PONG\r\n");
}

#[test]
fn client_kill_takes_those_for_whom_all_holds() {
    let server = Server::start();
    let mut client = server.connect();
    // The connection by which the start was seen may not be gone yet.
    until("one is connected", || text(&client.ask(&["CLIENT", "LIST"])).lines().count() == 1);
    let mut others: Vec<_> = (0..4).map(|_| server.connect()).collect();
    let ids: Vec<_> = others.iter_mut().map(|other| own(other, "id")).collect();
    let address = own(&mut others[1], "addr");
    let local = own(&mut client, "laddr");
    others[2].ask(&["SUBSCRIBE", "c"]);
    for (words, killed) in [
        (format!("CLIENT KILL ID {} TYPE pubsub", ids[0]), 0),
        (format!("CLIENT KILL TYPE normal ID {}", ids[0]), 1),
        (format!("client kill skipme yes addr {address} laddr {local} user default"), 1),
        ("CLIENT KILL TYPE pubsub".to_owned(), 1),
        ("CLIENT KILL TYPE replica".to_owned(), 0),
        ("CLIENT KILL TYPE master SKIPME no".to_owned(), 0),
        (format!("CLIENT KILL LADDR {local}"), 1),
        ("CLIENT KILL SKIPME yes".to_owned(), 0),
        ("CLIENT KILL ID 1000000".to_owned(), 0),
    ] {
        let reply = client.ask(&words.split(' ').collect::<Vec<_>>());
        assert_eq!(integer(&reply), killed, "{words}");
    }
    for other in &mut others {
        assert_eq!(other.rest(), b"");
    }
    assert_eq!(text(&client.ask(&["CLIENT", "LIST"])).lines().count(), 1);
}

#[test]
fn who_kills_itself_has_its_reply_first_and_nothing_behind_it() {
    let server = Server::start();
    let mut client = server.connect();
    client
        .send(&[request(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "no"]), request(&["PING"])].concat());
    assert!(integer(&client.reply()) >= 1);
    assert_eq!(client.rest(), b"");

    let mut client = server.connect();
    let address = own(&mut client, "addr");
    client.send(&[request(&["CLIENT", "KILL", &address]), request(&["SADD", "k", "a"])].concat());
    assert_eq!(client.rest(), b"+OK\r\n");
    assert_eq!(server.connect().ask(&["EXISTS", "k"]), b":0\r\n");
}

#[test]
fn client_kill_refuses_what_it_does_not_understand() {
    check(
        r"
        > CLIENT KILL 1.2.3.4:5
        < -ERR No such client
        > CLIENT KILL ID
        < -ERR No such client
        > CLIENT KILL ID x
        < -ERR client-id should be greater than 0
        > CLIENT KILL ID 0
        < -ERR client-id should be greater than 0
        > CLIENT KILL ID -1
        < -ERR client-id should be greater than 0
        > CLIENT KILL TYPE nonsense
        < -ERR Unknown client type 'nonsense'
        > CLIENT KILL TYPE normal SKIPME maybe
        < -ERR syntax error
        > CLIENT KILL USER nobody
        < -ERR No such user 'nobody'
        > CLIENT KILL NOSUCH x
        < -ERR syntax error
        > CLIENT KILL ID 1000000 TYPE
        < -ERR syntax error
        > CLIENT KILL
        < -ERR wrong number of arguments for 'client|kill' command
        ",
    );
}

#[test]
fn a_client_that_waits_for_its_replies_to_be_taken_is_killed_too() {
    let server = Server::start();
    let (mut client, mut victim) = (server.connect(), server.connect());
    let id = own(&mut victim, "id");
    // More than socket buffers hold.
    let long = "x".repeat(1_000_000);
    let sender = victim.send_in_background(request(&["ECHO", &long]).repeat(30));
    let listed = |client: &mut Client| text(&client.ask(&["CLIENT", "LIST", "ID", &id]));
    until("it was heard", || listed(&mut client).contains("cmd=echo"));
    assert_eq!(client.ask(&["CLIENT", "KILL", "ID", &id]), b":1\r\n");
    assert_eq!(listed(&mut client), "");
    assert!(victim.rest().len() < 30 * 1_000_000);
    // It may not have sent all.
    let _ = sender.join();
}

#[test]
fn a_paused_write_waits_and_reads_go_on() {
    let server = Server::start();
    let (mut admin, mut writer, mut reader) = (server.connect(), server.connect(), server.connect());
    assert_eq!(admin.ask(&["CLIENT", "PAUSE", "100000", "WRITE"]), b"+OK\r\n");
    writer.send(&[request(&["PING"]), request(&["SADD", "k", "a"]), request(&["PING"])].concat());
    assert_eq!(writer.reply(), b"+PONG\r\n");
    let list = |reader: &mut Client| text(&reader.ask(&["CLIENT", "LIST"]));
    until("it waits", || list(&mut reader).contains(" flags=b "));
    assert_eq!(reader.ask(&["EXISTS", "k"]), b":0\r\n");
    assert_eq!(admin.ask(&["CLIENT", "UNPAUSE"]), b"+OK\r\n");
    assert_eq!([writer.reply(), writer.reply()].concat(), b":1\r\n+PONG\r\n");
    assert!(!list(&mut reader).contains(" flags=b "));
}

#[test]
fn publishing_waits_as_writes_do_and_so_does_a_transaction_of_them() {
    let server = Server::start();
    let (mut admin, mut client) = (server.connect(), server.connect());
    for words in [
        &["PUBLISH", "c", "x"][..],
        &["SPUBLISH", "c", "x"],
        &["SADD", "k", "a"],
        &["DEL", "nothing"],
        &["FLUSHALL"],
    ] {
        admin.ask(&["CLIENT", "PAUSE", "100000", "WRITE"]);
        client.send(&request(words));
        until("it waits", || text(&admin.ask(&["CLIENT", "LIST"])).contains(" flags=b "));
        admin.ask(&["CLIENT", "UNPAUSE"]);
        client.reply();
    }
    assert_eq!(client.ask(&["MULTI"]), b"+OK\r\n");
    assert_eq!(client.ask(&["SADD", "k", "a"]), b"+QUEUED\r\n");
    admin.ask(&["CLIENT", "PAUSE", "100000", "WRITE"]);
    client.send(&request(&["EXEC"]));
    until("it waits", || text(&admin.ask(&["CLIENT", "LIST"])).contains(" flags=xb "));
    admin.ask(&["CLIENT", "UNPAUSE"]);
    assert_eq!(client.reply(), b"*1\r\n:1\r\n");
    admin.ask(&["CLIENT", "PAUSE", "100000", "WRITE"]);
    run(&mut client, 2, "> MULTI\n> PING\n> SCARD k\n> EXEC\n< +OK\n< +QUEUED\n< +QUEUED\n< *2 +PONG :1");
}

#[test]
fn a_pause_of_all_ends_by_itself_and_holds_even_unpause() {
    let server = Server::start();
    let (mut admin, mut client) = (server.connect(), server.connect());
    let started = std::time::Instant::now();
    assert_eq!(admin.ask(&["CLIENT", "PAUSE", "300"]), b"+OK\r\n");
    assert_eq!(client.ask(&["CLIENT", "UNPAUSE"]), b"+OK\r\n");
    assert!(started.elapsed().as_millis() >= 290, "{:?}", started.elapsed());
    assert_eq!(admin.ask(&["PING"]), b"+PONG\r\n");
}

#[test]
fn what_is_wrong_is_refused_during_a_pause_too() {
    let server = Server::start();
    let (mut admin, mut client) = (server.connect(), server.connect());
    admin.ask(&["CLIENT", "PAUSE", "100000", "WRITE"]);
    run(
        &mut client,
        2,
        "
        > SADD k
        < -ERR wrong number of arguments for 'sadd' command
        > SISMEMBER k a
        < :0
        ",
    );
}

#[test]
fn a_paused_client_that_leaves_is_gone_and_a_killed_one_is_too() {
    let server = Server::start();
    let mut admin = server.connect();
    admin.ask(&["CLIENT", "PAUSE", "100000", "WRITE"]);
    for is_killed in [false, true] {
        let mut client = server.connect();
        let id = own(&mut client, "id");
        client.send(&request(&["SADD", "k", "a"]));
        until("it waits", || text(&admin.ask(&["CLIENT", "LIST", "ID", &id])).contains(" flags=b "));
        if is_killed {
            assert_eq!(admin.ask(&["CLIENT", "KILL", "ID", &id]), b":1\r\n");
            assert_eq!(client.rest(), b"");
        }
        drop(client);
        until("it is gone", || admin.ask(&["CLIENT", "LIST", "ID", &id]) == b"$0\r\n\r\n");
    }
    admin.ask(&["CLIENT", "UNPAUSE"]);
    assert_eq!(admin.ask(&["EXISTS", "k"]), b":0\r\n");
}

#[test]
fn client_pause_and_unblock_refuse_what_they_do_not_understand() {
    check(
        r"
        > CLIENT PAUSE x
        < -ERR timeout is not an integer or out of range
        > CLIENT PAUSE 1.5
        < -ERR timeout is not an integer or out of range
        > CLIENT PAUSE -1
        < -ERR timeout is negative
        > CLIENT PAUSE 10 nonsense
        < -ERR CLIENT PAUSE mode must be WRITE or ALL
        > CLIENT PAUSE 10 WRITE x
        < -ERR unknown subcommand or wrong number of arguments for 'PAUSE'. Try CLIENT HELP.
        > CLIENT PAUSE 0
        < +OK
        > CLIENT PAUSE 1 write
        < +OK
        > CLIENT UNPAUSE
        < +OK
        > CLIENT UNPAUSE x
        < -ERR wrong number of arguments for 'client|unpause' command
        > CLIENT UNBLOCK 1
        < :0
        > CLIENT UNBLOCK 1 TIMEOUT
        < :0
        > client unblock -1 error
        < :0
        > CLIENT UNBLOCK x
        < -ERR value is not an integer or out of range
        > CLIENT UNBLOCK 1 nonsense
        < -ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR
        ",
    );
}

#[test]
fn nothing_is_tracked() {
    check(
        r#"
        > CLIENT GETREDIR
        < :-1
        > CLIENT TRACKINGINFO
        <2 *6 "flags" *1 "off" "redirect" :-1 "prefixes" *0
        <3 %3 "flags" ~1 "off" "redirect" :-1 "prefixes" *0
        "#,
    );
}

/// The lines of a monitor until one ends with `last`, without time and address.
fn shown(monitor: &mut Client, last: &str) -> Vec<String> {
    let mut lines = Vec::new();
    loop {
        let line = String::from_utf8(monitor.reply()).unwrap();
        let (time, rest) = line.trim_end().split_once(" [").unwrap();
        let (seconds, microseconds) = time.strip_prefix('+').unwrap().split_once('.').unwrap();
        assert!(seconds.parse::<u64>().unwrap() > 1_700_000_000, "{line}");
        assert!(microseconds.len() == 6 && microseconds.parse::<u32>().is_ok(), "{line}");
        let (place, command) = rest.split_once("] ").unwrap();
        let (database, address) = place.split_once(' ').unwrap();
        assert!(address.starts_with("127.0.0.1:"), "{line}");
        lines.push(format!("{database} {command}"));
        if command.ends_with(last) {
            return lines;
        }
    }
}

#[test]
fn a_monitor_is_shown_what_is_executed() {
    let server = Server::start();
    for protocol in [2, 3] {
        let mut monitor = connect(&server, protocol);
        run(&mut monitor, protocol, "> MONITOR\n< +OK");
        let mut client = server.connect();
        run(
            &mut client,
            2,
            r#"
            > SELECT 3
            > SADD "k\x00\"\\\r\n\t\x07\x08\xff~\x7f" ""
            > SISMEMBER k a
            > sismember k b
            > AUTH default secret
            > HELLO 2 SETNAME me AUTH default secret
            > NOSUCH
            > SADD k
            > SMEMBERS
            > CONFIG GET port
            > CLIENT LIST ID 0
            > CLIENT SETNAME me
            > MULTI
            > SADD z a
            > PING
            > EXEC
            > DEL z
            > SUBSCRIBE c
            > UNSUBSCRIBE
            > QUIT
            "#,
        );
        client.finish();
        let expected = [
            r#"3 "SELECT" "3""#,
            r#"3 "SADD" "k\x00\"\\\r\n\t\a\b\xff~\x7f" """#,
            r#"3 "SISMEMBER" "k" "a""#,
            r#"3 "sismember" "k" "b""#,
            r#"3 "AUTH" "(redacted)" "(redacted)""#,
            r#"3 "HELLO" "2" "SETNAME" "me" "AUTH" "(redacted)" "(redacted)""#,
            r#"3 "CLIENT" "SETNAME" "me""#,
            r#"3 "MULTI""#,
            r#"3 "SADD" "z" "a""#,
            r#"3 "PING""#,
            r#"3 "EXEC""#,
            r#"3 "DEL" "z""#,
            r#"3 "SUBSCRIBE" "c""#,
            r#"3 "UNSUBSCRIBE""#,
            r#"3 "QUIT""#,
        ];
        assert_eq!(shown(&mut monitor, "\"QUIT\""), expected);
    }
}

#[test]
fn a_monitor_may_not_touch_data_and_sees_itself() {
    let server = Server::start();
    let mut monitor = server.connect();
    run(&mut monitor, 2, "> MONITOR\n< +OK\n> PING\n< +PONG");
    assert_eq!(shown(&mut monitor, "\"PING\""), ["0 \"PING\""]);
    run(
        &mut monitor,
        2,
        "
        > SISMEMBER k a
        < -ERR Replica can't interact with the keyspace
        > SADD k a
        < -ERR Replica can't interact with the keyspace
        > PUBLISH c x
        < -ERR Replica can't interact with the keyspace
        > AUTH secret
        < -ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?
        ",
    );
    assert_eq!(shown(&mut monitor, "\"(redacted)\""), ["0 \"AUTH\" \"(redacted)\""]);
    assert_eq!(own(&mut monitor, "flags"), "O");
    shown(&mut monitor, "\"INFO\"");
    let list = text(&monitor.ask(&["CLIENT", "LIST", "TYPE", "normal"]));
    assert!(list.contains(" flags=O "), "{list}");
    run(&mut monitor, 2, "> RESET\n< +RESET\n> SISMEMBER k a\n< :0");
    assert_eq!(own(&mut monitor, "flags"), "N");
}

#[test]
fn monitor_is_refused_in_a_transaction() {
    check(
        r"
        > MULTI
        < +OK
        > MONITOR
        < +QUEUED
        > PING
        < +QUEUED
        > EXEC
        < *2 -ERR\x20MONITOR\x20isn't\x20allowed\x20for\x20DENY\x20BLOCKING\x20client +PONG
        ",
    );
}

#[test]
fn a_monitor_that_never_reads_is_cut_off() {
    let setup = Setup { output_limit: "normal 1mb 0 0", ..Setup::default() };
    let server = Server::start_with(setup);
    let (mut monitor, mut client) = (server.connect(), server.connect());
    let id = own(&mut monitor, "id");
    assert_eq!(monitor.ask(&["MONITOR"]), b"+OK\r\n");
    let one = request(&["ECHO", &"x".repeat(1_000)]);
    // In pieces: the one that sends has a limit, too.
    for _ in 0..200 {
        client.send(&one.repeat(100));
        (0..100).for_each(|_| drop(client.reply()));
    }
    until("it is gone", || client.ask(&["CLIENT", "LIST", "ID", &id]) == b"$0\r\n\r\n");
    assert!(monitor.rest().len() < 20_000 * 1_000);
}
