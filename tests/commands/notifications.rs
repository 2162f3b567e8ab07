//! Keyspace notifications: which events each command leads to, and when.

use crate::script::{connect, elements, string};
use crate::support::server::{Client, Server};

/// A client that hears of all events.
fn listen(server: &Server) -> Client {
    let mut client = connect(server, 2);
    assert_eq!(client.ask(&["CONFIG", "SET", "notify-keyspace-events", "KEAn"]), b"+OK\r\n");
    client.ask(&["PSUBSCRIBE", "__keyevent@*__:*"]);
    client
}

/// What was published since the last time, as `event@database:key`.
fn heard(client: &mut Client) -> String {
    let mut heard = Vec::new();
    let mut reply = client.ask(&["PING"]);
    while let [_, _, channel, key] = &elements(&reply)[..] {
        let (channel, key) =
            (String::from_utf8(string(channel).to_vec()).unwrap(), string(key).escape_ascii());
        let (database, event) = channel.strip_prefix("__keyevent@").unwrap().split_once("__:").unwrap();
        heard.push(format!("{event}@{database}:{key}"));
        reply = client.reply();
    }
    heard.join(" ")
}

/// A command, and what is heard behind it.
const EVENTS: &[(&str, &str)] = &[
    ("SET k v", "new@0:k set@0:k"),
    ("SET k v EX 100", "set@0:k expire@0:k"),
    ("SET k w KEEPTTL", "set@0:k"),
    ("SETEX k 100 v", "set@0:k expire@0:k"),
    ("SETNX n v", "new@0:n set@0:n"),
    ("GETSET k v", "set@0:k"),
    ("MSET a 1 b 2", "new@0:a set@0:a new@0:b set@0:b"),
    ("MSETNX c 1 d 2", "new@0:c set@0:c new@0:d set@0:d"),
    ("APPEND k x", "append@0:k"),
    ("APPEND new x", "new@0:new append@0:new"),
    ("SETRANGE k 1 z", "setrange@0:k"),
    ("SET n 5", "set@0:n"),
    ("INCR n", "incrby@0:n"),
    ("DECRBY n 2", "incrby@0:n"),
    ("INCRBYFLOAT n 1", "incrbyfloat@0:n"),
    ("GETDEL n", "del@0:n"),
    ("GETEX k EX 100", "expire@0:k"),
    ("GETEX k PERSIST", "persist@0:k"),
    ("GETEX k PXAT 1", "del@0:k"),
    ("SET k v", "new@0:k set@0:k"),
    ("SET e v", "new@0:e set@0:e"),
    ("EXPIRE e 100", "expire@0:e"),
    ("PERSIST e", "persist@0:e"),
    ("EXPIRE e -1", "del@0:e"),
    ("SADD s 1 2 3", "new@0:s sadd@0:s"),
    ("SADD s 1", ""),
    ("SREM s 1 2", "srem@0:s"),
    ("SREM s 3", "srem@0:s del@0:s"),
    ("SADD s 1 2 3 4 5", "new@0:s sadd@0:s"),
    ("SPOP s", "spop@0:s"),
    ("SPOP s 2", "spop@0:s"),
    ("SPOP s 10", "spop@0:s del@0:s"),
    ("SADD s a", "new@0:s sadd@0:s"),
    ("SADD t b", "new@0:t sadd@0:t"),
    ("SMOVE s t a", "srem@0:s del@0:s sadd@0:t"),
    ("SUNIONSTORE u t", "new@0:u sunionstore@0:u"),
    ("SINTERSTORE u t nothing", "del@0:u"),
    ("SDIFFSTORE w t", "new@0:w sdiffstore@0:w"),
    ("SUNIONSTORE t t w", "sunionstore@0:t"),
    ("RENAME t r", "new@0:r rename_from@0:t rename_to@0:r"),
    ("SET x 1", "new@0:x set@0:x"),
    ("RENAME x y", "new@0:y rename_from@0:x rename_to@0:y"),
    ("RENAME y r", "new@0:r rename_from@0:y rename_to@0:r"),
    ("SET m 1", "new@0:m set@0:m"),
    ("MOVE m 1", "new@1:m move_from@0:m move_to@1:m"),
    ("SADD mm 1", "new@0:mm sadd@0:mm"),
    ("MOVE mm 1", "new@1:mm move_from@0:mm move_to@1:mm"),
    ("COPY r cc", "new@0:cc copy_to@0:cc"),
    ("SADD st a", "new@0:st sadd@0:st"),
    ("COPY st cs", "new@0:cs copy_to@0:cs"),
    ("COPY st cc REPLACE", "new@0:cc copy_to@0:cc"),
    ("EXPIRE st 100", "expire@0:st"),
    ("COPY st ce", "new@0:ce copy_to@0:ce"),
    ("DEL cs cc nothing", "del@0:cs del@0:cc"),
    ("UNLINK ce", "del@0:ce"),
    ("FLUSHDB", ""),
    ("SET z 1 EX 100", "new@0:z set@0:z expire@0:z"),
    ("COPY z zz", "new@0:zz copy_to@0:zz"),
    ("EXPIRE zz 100 NX", ""),
    ("SADD k2 a", "new@0:k2 sadd@0:k2"),
    ("SET k2 v", "set@0:k2"),
    ("SADD q1 a", "new@0:q1 sadd@0:q1"),
    ("SET q2 v", "new@0:q2 set@0:q2"),
    ("RENAME q1 q2", "new@0:q2 rename_from@0:q1 rename_to@0:q2"),
    ("SADD wt a", "new@0:wt sadd@0:wt"),
    ("SUNIONSTORE wt nothing", "del@0:wt"),
];

#[test]
fn each_command_leads_to_the_events_that_redis_publishes() {
    let server = Server::start();
    let (mut client, mut listener) = (connect(&server, 2), listen(&server));
    for (command, expected) in EVENTS {
        client.ask(&command.split(' ').collect::<Vec<_>>());
        assert_eq!(heard(&mut listener), *expected, "{command}");
    }
}

#[test]
fn what_a_transaction_does_is_published_when_it_is_done() {
    let server = Server::start();
    let (mut client, mut listener) = (connect(&server, 2), listen(&server));
    for command in ["MULTI", "SADD s a", "SREM s a", "SET k v"] {
        client.ask(&command.split(' ').collect::<Vec<_>>());
    }
    assert_eq!(heard(&mut listener), "");
    client.ask(&["EXEC"]);
    assert_eq!(heard(&mut listener), "new@0:s sadd@0:s srem@0:s del@0:s new@0:k set@0:k");
}

#[test]
fn a_key_that_nobody_touches_is_published_when_it_ends() {
    let server = Server::start();
    let (mut client, mut listener) = (connect(&server, 2), listen(&server));
    client.ask(&["SELECT", "3"]);
    client.ask(&["SET", "k", "v", "PX", "50"]);
    assert_eq!(heard(&mut listener), "new@3:k set@3:k expire@3:k");
    let message = elements(&listener.reply());
    assert_eq!(string(&message[2]), b"__keyevent@3__:expired");
    assert_eq!(string(&message[3]), b"k");
}

#[test]
fn only_the_classes_that_are_asked_for_are_published_on_the_channels_that_are() {
    let server = Server::start();
    let (mut client, mut listener) = (connect(&server, 2), listen(&server));
    listener.ask(&["PSUBSCRIBE", "__keyspace@0__:*"]);
    client.ask(&["CONFIG", "SET", "notify-keyspace-events", "Kg"]);
    client.ask(&["SADD", "k", "a"]);
    client.ask(&["DEL", "k"]);
    let message = elements(&listener.reply());
    assert_eq!(string(&message[2]), b"__keyspace@0__:k");
    assert_eq!(string(&message[3]), b"del");
    client.ask(&["CONFIG", "SET", "notify-keyspace-events", ""]);
    client.ask(&["SADD", "k", "a"]);
    assert_eq!(heard(&mut listener), "");
}
