//! SUBSCRIBE, PUBLISH, PUBSUB, ...

use crate::script::{check, connect, integer, run, text};
use crate::support::server::{Client, Server, Setup, request, until};

#[test]
fn each_subscription_is_confirmed_with_the_number_there_are() {
    check(
        r#"
        > SUBSCRIBE a b a
        < >3 "subscribe" "a" :1
        < >3 "subscribe" "b" :2
        < >3 "subscribe" "a" :2
        > PSUBSCRIBE a* a*
        < >3 "psubscribe" "a*" :3
        < >3 "psubscribe" "a*" :3
        > SSUBSCRIBE s "\x00"
        < >3 "ssubscribe" "s" :1
        < >3 "ssubscribe" "\x00" :2
        > UNSUBSCRIBE b nothing
        < >3 "unsubscribe" "b" :2
        < >3 "unsubscribe" "nothing" :2
        > PUNSUBSCRIBE a*
        < >3 "punsubscribe" "a*" :1
        > SUNSUBSCRIBE s
        < >3 "sunsubscribe" "s" :1
        > UNSUBSCRIBE
        < >3 "unsubscribe" "a" :0
        > SUNSUBSCRIBE
        < >3 "sunsubscribe" "\x00" :0
        > GET-OUT
        < -ERR unknown command 'GET-OUT', with args beginning with:\x20
        "#,
    );
}

#[test]
fn who_is_subscribed_to_nothing_may_unsubscribe_from_all() {
    check(
        r#"
        > UNSUBSCRIBE
        <2 *3 "unsubscribe" $-1 :0
        <3 >3 "unsubscribe" _ :0
        > punsubscribe
        <2 *3 "punsubscribe" $-1 :0
        <3 >3 "punsubscribe" _ :0
        > SUNSUBSCRIBE
        <2 *3 "sunsubscribe" $-1 :0
        <3 >3 "sunsubscribe" _ :0
        > PUNSUBSCRIBE x
        < >3 "punsubscribe" "x" :0
        > SUBSCRIBE
        < -ERR wrong number of arguments for 'subscribe' command
        "#,
    );
}

#[test]
fn all_are_ended_at_once_in_any_order() {
    let server = Server::start();
    let mut client = connect(&server, 3);
    run(&mut client, 3, "> SUBSCRIBE a b c\n> PING");
    (0..4).for_each(|_| drop(client.reply()));
    client.send(&request(&["UNSUBSCRIBE"]));
    let mut confirmed: Vec<_> = (0..3).map(|_| String::from_utf8(client.reply()).unwrap()).collect();
    let counts: Vec<_> = confirmed.iter().map(|reply| reply[reply.len() - 3..].to_owned()).collect();
    assert_eq!(counts, ["2\r\n", "1\r\n", "0\r\n"]);
    for reply in &mut confirmed {
        reply.truncate(reply.len() - ":2\r\n".len());
    }
    confirmed.sort();
    let expected = ["a", "b", "c"].map(|name| format!(">3\r\n$11\r\nunsubscribe\r\n$1\r\n{name}\r\n"));
    assert_eq!(confirmed, expected);
}

#[test]
fn a_message_reaches_those_who_listen() {
    for protocol in [2, 3] {
        let server = Server::start();
        let (mut listener, mut publisher) = (connect(&server, protocol), server.connect());
        run(
            &mut listener,
            protocol,
            r#"
            > SUBSCRIBE news
            < >3 "subscribe" "news" :1
            > PSUBSCRIBE n?w*
            < >3 "psubscribe" "n?w*" :2
            > SSUBSCRIBE news
            < >3 "ssubscribe" "news" :1
            "#,
        );
        run(
            &mut publisher,
            2,
            r#"
            > PUBLISH news "a \x00\r\n"
            < :2
            > PUBLISH nowhere ""
            < :1
            > SPUBLISH news shard
            < :1
            > PUBLISH other x
            < :0
            > SPUBLISH other x
            < :0
            "#,
        );
        run(
            &mut listener,
            protocol,
            r#"
            < >3 "message" "news" "a \x00\r\n"
            < >4 "pmessage" "n?w*" "news" "a \x00\r\n"
            < >4 "pmessage" "n?w*" "nowhere" ""
            < >3 "smessage" "news" "shard"
            > UNSUBSCRIBE
            < >3 "unsubscribe" "news" :1
            "#,
        );
        assert_eq!(publisher.ask(&["PUBLISH", "news", "last"]), b":1\r\n", "by the pattern");
        run(&mut listener, protocol, "< >4 \"pmessage\" \"n?w*\" \"news\" \"last\"");
        drop(listener);
        until("it is gone", || publisher.ask(&["PUBSUB", "NUMPAT"]) == b":0\r\n");
        assert_eq!(publisher.ask(&["PUBLISH", "news", "x"]), b":0\r\n");
    }
}

#[test]
fn messages_stand_before_the_reply_to_what_is_asked_after_them() {
    let server = Server::start();
    for protocol in [2, 3] {
        let (mut listener, mut publisher) = (connect(&server, protocol), server.connect());
        run(&mut listener, protocol, "> SUBSCRIBE c\n< >3 \"subscribe\" \"c\" :1");
        for number in 0..200 {
            let number = number.to_string();
            publisher.ask(&["PUBLISH", "c", &number]);
            let pong = if protocol == 2 { "*2 \"pong\" \"\"" } else { "+PONG" };
            let script = format!("> PING\n< >3 \"message\" \"c\" \"{number}\"\n< {pong}");
            run(&mut listener, protocol, &script);
        }
        drop(listener);
        until("it is gone", || publisher.ask(&["PUBLISH", "c", "x"]) == b":0\r\n");
    }
}

#[test]
fn a_subscriber_in_resp2_may_send_little_else() {
    let server = Server::start();
    let refused = |name: &str| {
        format!(
            "-ERR Can't execute '{name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context"
        )
    };
    let mut client = server.connect();
    for (subscribe, unsubscribe) in
        [("SUBSCRIBE", "UNSUBSCRIBE"), ("PSUBSCRIBE", "PUNSUBSCRIBE"), ("SSUBSCRIBE", "SUNSUBSCRIBE")]
    {
        client.ask(&[subscribe, "c"]);
        let script = [
            ("SISMEMBER k a", refused("sismember")),
            ("sadd k a", refused("sadd")),
            ("CLIENT ID", refused("client|id")),
            ("PUBLISH c x", refused("publish")),
            ("MULTI", refused("multi")),
            ("HELLO 3", refused("hello")),
            ("AUTH x", refused("auth")),
            ("MONITOR", refused("monitor")),
            ("SADD", "-ERR wrong number of arguments for 'sadd' command".to_owned()),
            ("NOSUCH", r"-ERR unknown command 'NOSUCH', with args beginning with:\x20".to_owned()),
            ("PING", "*2 \"pong\" \"\"".to_owned()),
            ("PING hello", "*2 \"pong\" \"hello\"".to_owned()),
            ("PING a b", "-ERR wrong number of arguments for 'ping' command".to_owned()),
        ];
        for (words, reply) in script {
            run(&mut client, 2, &format!("> {words}\n< {reply}"));
        }
        client.ask(&[unsubscribe]);
        assert_eq!(client.ask(&["EXISTS", "k"]), b":0\r\n", "all is open again");
    }
    client.ask(&["SUBSCRIBE", "c"]);
    run(&mut client, 2, "> QUIT\n< +OK\n< closed");
}

#[test]
fn a_subscriber_in_resp3_may_send_anything_and_is_told_of_its_own_messages_before_the_reply() {
    let server = Server::start();
    run(
        &mut connect(&server, 3),
        3,
        r#"
        > SUBSCRIBE c
        < >3 "subscribe" "c" :1
        > SSUBSCRIBE s
        < >3 "ssubscribe" "s" :1
        > SADD k a
        > PUBLISH c 1
        > SISMEMBER k a
        > SPUBLISH s 2
        > PING
        < :1
        < >3 "message" "c" "1"
        < :1
        < :1
        < >3 "smessage" "s" "2"
        < :1
        < +PONG
        "#,
    );
}

#[test]
fn a_subscriber_that_goes_back_to_resp2_is_told_in_resp2() {
    let server = Server::start();
    let mut client = connect(&server, 3);
    run(&mut client, 3, "> SUBSCRIBE c\n< >3 \"subscribe\" \"c\" :1");
    assert!(client.ask(&["HELLO", "2"]).starts_with(b"*14\r\n"));
    assert_eq!(server.connect().ask(&["PUBLISH", "c", "m"]), b":1\r\n");
    run(&mut client, 2, "< *3 \"message\" \"c\" \"m\"\n> PING\n< *2 \"pong\" \"\"");
}

#[test]
fn messages_come_whether_or_not_replies_are_wanted() {
    let server = Server::start();
    let (mut client, mut publisher) = (server.connect(), server.connect());
    run(
        &mut client,
        2,
        r#"
        > CLIENT REPLY OFF
        > SUBSCRIBE c
        > PING
        < *3 "subscribe" "c" :1
        "#,
    );
    assert_eq!(publisher.ask(&["PUBLISH", "c", "m"]), b":1\r\n");
    run(
        &mut client,
        2,
        r#"
        < *3 "message" "c" "m"
        > UNSUBSCRIBE c
        < *3 "unsubscribe" "c" :0
        > CLIENT REPLY ON
        < +OK
        > CLIENT REPLY SKIP
        > SUBSCRIBE c
        < *3 "subscribe" "c" :1
        > PING
        < *2 "pong" ""
        "#,
    );
}

#[test]
fn subscriptions_may_be_made_in_a_transaction() {
    check(
        r#"
        > MULTI
        < +OK
        > SUBSCRIBE a
        < +QUEUED
        > PSUBSCRIBE p
        < +QUEUED
        > SSUBSCRIBE s
        < +QUEUED
        > UNSUBSCRIBE
        < +QUEUED
        > SUNSUBSCRIBE
        < +QUEUED
        > PING
        < +QUEUED
        > SADD k a
        < +QUEUED
        > EXEC
        <2 *7 *3 "subscribe" "a" :1 *3 "psubscribe" "p" :2 -ERR\x20SSUBSCRIBE\x20isn't\x20allowed\x20for\x20a\x20DENY\x20BLOCKING\x20client *3 "unsubscribe" "a" :1 *3 "sunsubscribe" $-1 :0 *2 "pong" "" :1
        <3 *7 >3 "subscribe" "a" :1 >3 "psubscribe" "p" :2 -ERR\x20SSUBSCRIBE\x20isn't\x20allowed\x20for\x20a\x20DENY\x20BLOCKING\x20client >3 "unsubscribe" "a" :1 >3 "sunsubscribe" _ :0 +PONG :1
        > PUNSUBSCRIBE
        < >3 "punsubscribe" "p" :0
        "#,
    );
}

#[test]
fn publishing_waits_for_exec() {
    let server = Server::start();
    let (mut listener, mut publisher) = (server.connect(), server.connect());
    listener.ask(&["SUBSCRIBE", "c"]);
    run(
        &mut publisher,
        2,
        "> MULTI\n> PUBLISH c 1\n> SADD k a\n> DISCARD\n< +OK\n< +QUEUED\n< +QUEUED\n< +OK",
    );
    run(
        &mut publisher,
        2,
        "> MULTI\n> PUBLISH c 2\n> SADD k a\n> EXEC\n< +OK\n< +QUEUED\n< +QUEUED\n< *2 :1 :1",
    );
    run(&mut listener, 2, "< *3 \"message\" \"c\" \"2\"");
}

#[test]
fn reset_ends_all_subscriptions() {
    let server = Server::start();
    for protocol in [2, 3] {
        let mut client = connect(&server, protocol);
        run(
            &mut client,
            protocol,
            r#"
            > SUBSCRIBE c
            < >3 "subscribe" "c" :1
            > PSUBSCRIBE *
            < >3 "psubscribe" "*" :2
            > SSUBSCRIBE s
            < >3 "ssubscribe" "s" :1
            > RESET
            < +RESET
            > PUBLISH c x
            < :0
            > PUBSUB NUMPAT
            < :0
            > PUBSUB SHARDNUMSUB s
            < *2 "s" :0
            "#,
        );
    }
}

#[test]
fn pubsub_tells_who_listens_to_what() {
    for protocol in [2, 3] {
        let server = Server::start();
        let (mut client, mut listener) = (connect(&server, protocol), server.connect());
        listener.ask(&["SSUBSCRIBE", "shard"]);
        listener.ask(&["PSUBSCRIBE", "new*"]);
        listener.ask(&["SUBSCRIBE", "news"]);
        listener.ask(&["SUBSCRIBE", "weather"]);
        run(
            &mut client,
            protocol,
            r#"
            > PUBSUB CHANNELS
            < any-order *2 "news" "weather"
            > PUBSUB CHANNELS n*
            < *1 "news"
            > pubsub channels x*
            < *0
            > PUBSUB NUMSUB
            < *0
            > PUBSUB NUMSUB news shard nothing news
            < *8 "news" :1 "shard" :0 "nothing" :0 "news" :1
            > PUBSUB NUMPAT
            < :1
            > PUBSUB SHARDCHANNELS
            < *1 "shard"
            > PUBSUB SHARDCHANNELS [t-z]*
            < *0
            > PUBSUB SHARDNUMSUB
            < *0
            > PUBSUB SHARDNUMSUB shard news
            < *4 "shard" :1 "news" :0
            > PUBSUB CHANNELS a b
            < -ERR unknown subcommand or wrong number of arguments for 'CHANNELS'. Try PUBSUB HELP.
            > PUBSUB ShardChannels a b
            < -ERR unknown subcommand or wrong number of arguments for 'ShardChannels'. Try PUBSUB HELP.
            > PUBSUB nosuch
            < -ERR unknown subcommand 'nosuch'. Try PUBSUB HELP.
            "#,
        );
    }
}

#[test]
fn subscriptions_show_in_client_list_and_info() {
    let server = Server::start();
    let (mut listener, mut other) = (server.connect(), server.connect());
    listener.ask(&["PSUBSCRIBE", "a*"]);
    listener.ask(&["SSUBSCRIBE", "s"]);
    listener.ask(&["SUBSCRIBE", "a"]);
    let list = text(&other.ask(&["CLIENT", "LIST", "TYPE", "pubsub"]));
    assert_eq!(list.lines().count(), 1, "{list}");
    for field in [" flags=P ", " sub=1 ", " psub=1 ", " ssub=1 ", " oll=0 ", " omem=0 ", " cmd=subscribe "] {
        assert!(list.contains(field), "{field} in {list}");
    }
    let normal = text(&other.ask(&["CLIENT", "LIST", "TYPE", "normal"]));
    assert!(!normal.contains("flags=P"), "{normal}");
    let info = text(&other.ask(&["INFO", "stats"]));
    for line in ["pubsub_channels:1", "pubsub_patterns:1", "pubsubshard_channels:1"] {
        assert!(info.lines().any(|found| found == line), "{line} in {info}");
    }
    listener.ask(&["RESET"]);
    assert_eq!(other.ask(&["CLIENT", "LIST", "TYPE", "pubsub"]), b"$0\r\n\r\n");
}

#[test]
fn command_info_describes_them_as_redis_does() {
    let server = Server::start();
    run(
        &mut server.connect(),
        2,
        r#"
        > COMMAND INFO subscribe publish ssubscribe
        < any-order *3 *10 "subscribe" :-2 *4 +pubsub +noscript +loading +stale :0 :0 :0 *2 +@pubsub +@slow *0 *0 *0 *10 "publish" :3 *4 +pubsub +loading +stale +fast :0 :0 :0 *2 +@pubsub +@fast *0 *0 *0 *10 "ssubscribe" :-2 *4 +pubsub +noscript +loading +stale :1 :-1 :1 *2 +@pubsub +@slow *0 *1 *6 "flags" *1 +not_key "begin_search" *4 "type" "index" "spec" *2 "index" :1 "find_keys" *4 "type" "range" "spec" *6 "lastkey" :-1 "keystep" :1 "limit" :0 *0
        > COMMAND INFO pubsub|help pubsub|numsub
        < any-order *2 *10 "pubsub|help" :2 *2 +loading +stale :0 :0 :0 *1 +@slow *0 *0 *0 *10 "pubsub|numsub" :-2 *3 +pubsub +loading +stale :0 :0 :0 *2 +@pubsub +@slow *0 *0 *0
        > COMMAND GETKEYS SSUBSCRIBE a b
        < -ERR The command has no key arguments
        "#,
    );
}

#[test]
fn channels_are_closed_before_auth() {
    let server = Server::start_with(Setup { requirepass: Some("secret"), ..Setup::default() });
    run(
        &mut server.connect(),
        2,
        r#"
        > SUBSCRIBE c
        < -NOAUTH Authentication required.
        > PUBLISH c x
        < -NOAUTH Authentication required.
        > AUTH secret
        < +OK
        > SUBSCRIBE c
        < *3 "subscribe" "c" :1
        > RESET
        < +RESET
        > SUBSCRIBE c
        < -NOAUTH Authentication required.
        "#,
    );
}

/// Twenty thousand messages of a kilobyte, more than socket buffers and the limit hold together.
fn flood(publisher: &mut Client, channel: &str) -> Vec<i64> {
    let message = "x".repeat(1_000);
    let one = request(&["PUBLISH", channel, &message]);
    let sender = publisher.send_in_background(one.repeat(20_000));
    let receivers = (0..20_000).map(|_| integer(&publisher.reply())).collect();
    sender.join().unwrap();
    receivers
}

#[test]
fn a_subscriber_that_never_reads_is_cut_off_and_nobody_waits_for_it() {
    let setup = Setup { output_limit: "pubsub 1mb 0 0", ..Setup::default() };
    let server = Server::start_with(setup);
    let (mut slow, mut publisher) = (server.connect(), server.connect());
    slow.ask(&["SUBSCRIBE", "c"]);
    let receivers = flood(&mut publisher, "c");
    assert_eq!([receivers[0], receivers[19_999]], [1, 0]);
    until("it is gone", || publisher.ask(&["CLIENT", "LIST", "TYPE", "pubsub"]) == b"$0\r\n\r\n");
    assert_eq!(publisher.ask(&["PUBSUB", "NUMSUB", "c"]), b"*2\r\n$1\r\nc\r\n:0\r\n");
    // What was on its way still comes, and then the end.
    assert!(slow.rest().len() < 20_000 * 1_000);
}

#[test]
fn a_subscriber_over_its_soft_limit_is_cut_off_when_its_seconds_have_passed() {
    let setup = Setup { output_limit: "pubsub 0 64kb 1", ..Setup::default() };
    let server = Server::start_with(setup);
    let (mut slow, mut publisher) = (server.connect(), server.connect());
    slow.ask(&["SUBSCRIBE", "c"]);
    assert_eq!(flood(&mut publisher, "c")[0], 1);
    // Nothing more is published: it is noticed all the same.
    until("it is gone", || publisher.ask(&["CLIENT", "LIST", "TYPE", "pubsub"]) == b"$0\r\n\r\n");
}
