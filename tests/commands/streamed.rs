//! SMEMBERS of a set that is too large to be answered at once: it is one moment all the same, and a reply like others.

use std::collections::BTreeSet;

use crate::support::server::{Client, Server, bulk, request};

/// Of a kilobyte each: more than sockets take in, so that the reply is under way until it is read.
const MEMBERS: usize = 8_000;

/// Enough to be streamed.
const SOME_MEMBERS: usize = 5_000;

const MEMBER_BYTES: usize = 1_000;

fn member(number: usize) -> String {
    format!("{number:010}{}", "x".repeat(MEMBER_BYTES - 10))
}

fn fill(client: &mut Client, key: &str, numbers: std::ops::Range<usize>) {
    let members: Vec<Vec<u8>> = numbers.map(|number| bulk(member(number).as_bytes())).collect();
    for members in members.chunks(500) {
        let head = format!("*{}\r\n$4\r\nSADD\r\n${}\r\n{key}\r\n", members.len() + 2, key.len());
        client.send(&[head.into_bytes(), members.concat()].concat());
        assert_eq!(client.reply(), format!(":{}\r\n", members.len()).into_bytes());
    }
}

fn server_with(len: usize) -> (Server, Client) {
    let server = Server::start();
    let mut client = server.connect();
    fill(&mut client, "k", 0..len);
    (server, client)
}

/// A client that has sent SMEMBERS and received the first line of the reply.
fn begun(server: &Server, protocol: char) -> Client {
    let mut reader = server.connect();
    reader.ask(&["HELLO", &protocol.to_string()]);
    reader.send(&request(&["SMEMBERS", "k"]));
    let mark = if protocol == '3' { '~' } else { '*' };
    assert_eq!(reader.line(), format!("{mark}{MEMBERS}\r\n").into_bytes());
    reader
}

/// The rest of such a reply is the members from 0 on, each once.
fn assert_rest(reader: &mut Client, len: usize) {
    let met: BTreeSet<Vec<u8>> = (0..len).map(|_| reader.reply()).collect();
    let expected: BTreeSet<Vec<u8>> = (0..len).map(|number| bulk(member(number).as_bytes())).collect();
    assert!(met == expected, "{} of {} members", met.intersection(&expected).count(), expected.len());
    assert_eq!(reader.ask(&["ECHO", "behind it"]), bulk(b"behind it"), "nothing else comes");
}

#[test]
fn it_is_the_moment_at_which_it_was_asked_for() {
    let removals: [&[&str]; 6] = [
        &["DEL", "k"],
        &["FLUSHALL"],
        &["RENAME", "k", "other"],
        &["SWAPDB", "0", "1"],
        &["SET", "k", "string"],
        &["MOVE", "k", "2"],
    ];
    let server = Server::start();
    let mut writer = server.connect();
    for (place, removal) in removals.into_iter().enumerate() {
        writer.ask(&["FLUSHALL"]);
        fill(&mut writer, "k", 0..MEMBERS);
        let mut reader = begun(&server, if place % 2 == 0 { '2' } else { '3' });
        fill(&mut writer, "k", MEMBERS..MEMBERS + 500);
        for number in (0..MEMBERS).step_by(MEMBERS / 50) {
            assert_eq!(writer.ask(&["SREM", "k", &member(number)]), b":1\r\n");
            assert_eq!(writer.ask(&["SISMEMBER", "k", &member(number)]), b":0\r\n");
            assert_eq!(writer.ask(&["SISMEMBER", "k", &member(number + 1)]), b":1\r\n");
        }
        writer.ask(removal);
        assert_eq!(writer.ask(&["EXISTS", "k"]), if removal[0] == "SET" { b":1\r\n" } else { b":0\r\n" });
        writer.ask(&["DEL", "k"]);
        fill(&mut writer, "k", MEMBERS + 500..MEMBERS + 600);
        assert_rest(&mut reader, MEMBERS);
    }
}

#[test]
fn what_is_pushed_meanwhile_comes_behind_it() {
    let (server, mut writer) = server_with(MEMBERS);
    let mut reader = server.connect();
    reader.ask(&["HELLO", "3"]);
    reader.ask(&["SUBSCRIBE", "channel"]);
    reader.send(&request(&["SMEMBERS", "k"]));
    reader.line();
    assert_eq!(writer.ask(&["PUBLISH", "channel", "message"]), b":1\r\n");
    let met: BTreeSet<Vec<u8>> = (0..MEMBERS).map(|_| reader.reply()).collect();
    assert_eq!(met.len(), MEMBERS);
    assert_eq!(reader.reply(), b">3\r\n$7\r\nmessage\r\n$7\r\nchannel\r\n$7\r\nmessage\r\n");
}

#[test]
fn it_ends_with_its_client_killed() {
    let (server, mut writer) = server_with(MEMBERS);
    let mut reader = server.connect();
    let id = String::from_utf8(reader.ask(&["CLIENT", "ID"])).unwrap();
    reader.send(&request(&["SMEMBERS", "k"]));
    reader.line();
    assert_eq!(writer.ask(&["CLIENT", "KILL", "ID", id[1..].trim()]), b":1\r\n");
    assert!(reader.rest().len() < MEMBERS * MEMBER_BYTES, "what was on its way, not all of it");
    assert_eq!(writer.ask(&["SADD", "k", "new"]), b":1\r\n");
}

#[test]
fn it_has_its_place_among_the_replies_of_a_pipeline() {
    let (_server, mut client) = server_with(SOME_MEMBERS);
    client.send(
        &[
            request(&["ECHO", "before"]),
            request(&["SMEMBERS", "k"]),
            request(&["SREM", "k", &member(1)]),
            request(&["SMEMBERS", "k"]),
            request(&["ECHO", "behind"]),
        ]
        .concat(),
    );
    assert_eq!(client.reply(), bulk(b"before"));
    assert_eq!(client.reply().len(), reply_len(SOME_MEMBERS));
    assert_eq!(client.reply(), b":1\r\n");
    assert_eq!(client.reply().len(), reply_len(SOME_MEMBERS - 1));
    assert_eq!(client.reply(), bulk(b"behind"));
}

#[test]
fn it_comes_whole_within_a_transaction() {
    let (_server, mut client) = server_with(SOME_MEMBERS);
    for word in ["MULTI", "SMEMBERS k"] {
        client.send(format!("{word}\r\n").as_bytes());
        client.reply();
    }
    assert_eq!(client.ask(&["EXEC"]).len(), b"*1\r\n".len() + reply_len(SOME_MEMBERS));
}

fn reply_len(members: usize) -> usize {
    format!("*{members}\r\n").len() + members * bulk(member(0).as_bytes()).len()
}

#[test]
fn it_is_not_sent_where_replies_are_not_wanted() {
    let (_server, mut client) = server_with(SOME_MEMBERS);
    client.send(b"CLIENT REPLY SKIP\r\nSMEMBERS k\r\nECHO behind\r\n");
    assert_eq!(client.reply(), bulk(b"behind"));
    client.send(b"CLIENT REPLY OFF\r\nSMEMBERS k\r\nCLIENT REPLY ON\r\n");
    assert_eq!(client.reply(), b"+OK\r\n");
}

#[test]
fn it_is_counted_and_shown_once() {
    let (server, mut client) = server_with(SOME_MEMBERS);
    let mut monitor = server.connect();
    assert_eq!(monitor.ask(&["MONITOR"]), b"+OK\r\n");
    client.ask(&["CONFIG", "RESETSTAT"]);
    client.ask(&["CONFIG", "SET", "slowlog-log-slower-than", "0"]);
    client.ask(&["SLOWLOG", "RESET"]);
    client.ask(&["SMEMBERS", "k"]);
    client.ask(&["CONFIG", "SET", "slowlog-log-slower-than", "-1"]);
    client.send(b"SISMEMBER k last\r\n");
    client.reply();
    let slow = String::from_utf8(client.ask(&["SLOWLOG", "GET", "-1"])).unwrap();
    assert_eq!(slow.matches("\r\nSMEMBERS\r\n").count(), 1, "{slow}");
    let counted = String::from_utf8(client.ask(&["INFO", "commandstats"])).unwrap();
    let counted = counted.lines().find_map(|line| line.strip_prefix("cmdstat_smembers:calls=1,usec="));
    let usec: u64 = counted.unwrap().split(',').next().unwrap().parse().unwrap();
    assert!(usec > 0);
    let stats = String::from_utf8(client.ask(&["INFO", "stats"])).unwrap();
    assert!(stats.contains("keyspace_hits:2\r\nkeyspace_misses:0\r\n"), "{stats}");
    let shown = std::iter::repeat_with(|| String::from_utf8(monitor.line()).unwrap());
    let shown: Vec<_> = shown.take_while(|line| !line.contains("last")).collect();
    assert_eq!(shown.iter().filter(|line| line.contains(r#""SMEMBERS" "k""#)).count(), 1, "{shown:?}");
}

#[test]
fn what_combines_one_set_with_none_is_its_members_too() {
    let (_server, mut client) = server_with(SOME_MEMBERS);
    for command in ["SINTER", "SUNION", "SDIFF"] {
        client.send(&request(&[command, "k"]));
        assert_eq!(client.line(), format!("*{SOME_MEMBERS}\r\n").into_bytes());
        assert_rest(&mut client, SOME_MEMBERS);
    }
}
