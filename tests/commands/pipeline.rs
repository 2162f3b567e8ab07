//! Many requests at once, and requests in pieces.

use crate::script::check;
use crate::support::server::{Server, bulk, request};

#[test]
fn a_hundred_thousand_requests_in_one_write_are_answered_in_order() {
    let server = Server::start();
    let mut client = server.connect();
    let requests = (0..100_000).flat_map(|number: u32| request(&["ECHO", &number.to_string()])).collect();
    let sender = client.send_in_background(requests);
    for number in 0..100_000_u32 {
        let number = number.to_string();
        let expected = format!("${}\r\n{number}\r\n", number.len());
        assert_eq!(client.reply(), expected.into_bytes());
    }
    sender.join().unwrap();
}

/// As many client libraries send a pipeline: all of it, and only then they read. Neither side may wait for ever.
#[test]
fn a_pipeline_may_be_sent_to_its_end_before_the_first_reply_is_read() {
    let server = Server::start();
    let mut client = server.connect();
    let message = "x".repeat(1_000);
    let one = request(&["ECHO", &message]);
    client.send(&one.repeat(40_000));
    for _ in 0..40_000 {
        assert_eq!(client.reply(), bulk(message.as_bytes()));
    }
}

#[test]
fn what_follows_quit_is_not_answered() {
    check(
        r"
        >> QUIT\r\n*x\r\nPING\r\n
        < +OK
        < closed
        ",
    );
}

#[test]
fn reads_see_the_writes_before_them_however_many_come_at_once() {
    let server = Server::start();
    let mut client = server.connect();
    let one = |number: u32| {
        let member = number.to_string();
        let removed = (number / 2).to_string();
        [
            request(&["SADD", "k", &member]),
            request(&["SISMEMBER", "k", &member]),
            request(&["SREM", "k", &removed]),
            request(&["SISMEMBER", "k", &removed]),
            request(&["PING"]),
            request(&["SCARD", "k"]),
        ]
        .concat()
    };
    let sender = client.send_in_background((1..5_000).flat_map(one).collect());
    let mut members = std::collections::HashSet::new();
    for number in 1..5_000 {
        let added = members.insert(number);
        let removed = members.remove(&(number / 2));
        let expected = format!(
            ":{}\r\n:1\r\n:{}\r\n:0\r\n+PONG\r\n:{}\r\n",
            u8::from(added),
            u8::from(removed),
            members.len()
        );
        let got: Vec<u8> = (0..6).flat_map(|_| client.reply()).collect();
        // What is its own half is removed at once.
        assert_eq!(String::from_utf8(got).unwrap(), expected, "at {number}");
    }
    sender.join().unwrap();
}

#[test]
fn writes_reads_and_session_commands_in_one_write_keep_their_order() {
    check(
        r#"
        > SADD k a
        > SISMEMBER k a
        > SELECT 1
        > SISMEMBER k a
        > SADD k b
        > SELECT 0
        > SMISMEMBER k a b
        > NOSUCH
        > SADD k
        > SREM k a
        > EXISTS k
        > SADD k c
        > RESET
        > SMEMBERS k
        > SELECT 1
        > SMEMBERS k
        > FLUSHALL
        > DBSIZE
        > PING done
        < :1
        < :1
        < +OK
        < :0
        < :1
        < +OK
        < *2 :1 :0
        < -ERR unknown command 'NOSUCH', with args beginning with:\x20
        < -ERR wrong number of arguments for 'sadd' command
        < :1
        < :0
        < :1
        < +RESET
        < *1 "c"
        < +OK
        < *1 "b"
        < +OK
        < :0
        < "done"
        "#,
    );
}

#[test]
fn what_changes_names_types_and_expiries_is_seen_by_what_follows_in_the_same_write() {
    check(
        r#"
        > SET k 1 EXAT 33177117420
        > INCR k
        > GET k
        > EXPIRETIME k
        > RENAME k l
        > EXISTS k
        > GET l
        > COPY l m
        > PERSIST m
        > TTL m
        > EXPIRETIME l
        > DEL l
        > SADD l a b
        > TTL l
        > SUNIONSTORE n l
        > SCARD n
        > GET n
        > MOVE n 1
        > EXISTS n
        > SELECT 1
        > TYPE n
        > SWAPDB 0 1
        > GET m
        > SELECT 0
        > SINTERCARD 1 n
        > EXPIRE n -1
        > EXISTS n
        > SET s v PXAT 1
        > GET s
        > DBSIZE
        < +OK
        < :2
        < "2"
        < :33177117420
        < +OK
        < :0
        < "2"
        < :1
        < :1
        < :-1
        < :33177117420
        < :1
        < :2
        < :-1
        < :2
        < :2
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        < :1
        < :0
        < +OK
        < +set
        < +OK
        < "2"
        < +OK
        < :2
        < :1
        < :0
        < +OK
        <2 $-1
        <3 _
        < :0
        "#,
    );
}

#[test]
fn the_protocol_changes_in_the_middle_of_a_pipeline() {
    let server = Server::start();
    let mut client = server.connect();
    client.send(b"SADD k a\r\nSMEMBERS k\r\nHELLO 3\r\nSMEMBERS k\r\nHELLO 2\r\nSMEMBERS k\r\n");
    let replies: Vec<Vec<u8>> = (0..6).map(|_| client.reply()).collect();
    assert_eq!(replies[0], b":1\r\n");
    assert_eq!(replies[1], b"*1\r\n$1\r\na\r\n");
    assert!(replies[2].starts_with(b"%7\r\n"));
    assert_eq!(replies[3], b"~1\r\n$1\r\na\r\n");
    assert!(replies[4].starts_with(b"*14\r\n"));
    assert_eq!(replies[5], b"*1\r\n$1\r\na\r\n");
}

#[test]
fn a_request_may_come_a_byte_at_a_time() {
    let server = Server::start();
    let mut client = server.connect();
    for bytes in [&request(&["SADD", "k", "a", "\r\n", ""])[..], b"  SISMEMBER k \"\\x61\"  \r\n"] {
        for &byte in bytes {
            client.send(&[byte]);
        }
    }
    assert_eq!(client.reply(), b":3\r\n");
    assert_eq!(client.reply(), b":1\r\n");
}

#[test]
fn a_large_request_may_come_in_small_pieces() {
    let members: Vec<String> = (0..50_000).map(|number| format!("{number:036}")).collect();
    let words: Vec<&str> = ["SADD", "k"].into_iter().chain(members.iter().map(String::as_str)).collect();
    let request = request(&words);
    assert!(request.len() > 2_000_000);
    let server = Server::start();
    let mut client = server.connect();
    request.chunks(1_009).for_each(|piece| client.send(piece));
    assert_eq!(client.reply(), b":50000\r\n");
    assert_eq!(client.ask(&["SISMEMBER", "k", &members[49_999]]), b":1\r\n");
}

#[test]
fn a_large_member_is_kept_whole() {
    let member = "x".repeat(2_000_000);
    let server = Server::start();
    let mut client = server.connect();
    assert_eq!(client.ask(&["SADD", "k", &member]), b":1\r\n");
    assert_eq!(client.ask(&["SISMEMBER", "k", &member]), b":1\r\n");
    assert_eq!(client.ask(&["SISMEMBER", "k", &member[1..]]), b":0\r\n");
    let all = [b"*1\r\n$2000000\r\n", member.as_bytes(), b"\r\n"].concat();
    assert!(client.ask(&["SMEMBERS", "k"]) == all);
}

#[test]
fn many_clients_write_at_once_and_none_is_lost() {
    let server = Server::start();
    std::thread::scope(|scope| {
        for writer in 0..8 {
            let mut client = server.connect();
            scope.spawn(move || {
                for number in 0..250 {
                    let member = format!("{writer}-{number}");
                    assert_eq!(client.ask(&["SADD", "k", &member]), b":1\r\n");
                    assert_eq!(client.ask(&["SISMEMBER", "k", &member]), b":1\r\n");
                }
            });
        }
    });
    assert_eq!(server.connect().ask(&["SCARD", "k"]), b":2000\r\n");
}

#[test]
fn a_request_that_is_cut_off_is_not_done() {
    let server = Server::start();
    let mut client = server.connect();
    client.send(b"SADD k a\r\n*3\r\n$4\r\nSADD\r\n$1\r\nk\r\n$1\r\nb\r");
    assert_eq!(client.finish(), b":1\r\n");
    let mut client = server.connect();
    client.send(b"SADD k c");
    assert_eq!(client.finish(), b"");
    assert_eq!(server.connect().ask(&["SMEMBERS", "k"]), b"*1\r\n$1\r\na\r\n");
}

#[test]
fn a_client_that_says_it_is_done_still_gets_its_reply() {
    let server = Server::start();
    let mut client = server.connect();
    client.send(&request(&["SADD", "k", "a"]));
    assert_eq!(client.finish(), b":1\r\n");
    assert_eq!(server.connect().ask(&["SISMEMBER", "k", "a"]), b":1\r\n");
}
