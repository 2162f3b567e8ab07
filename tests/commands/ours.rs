//! What is different from Redis 7.0, on purpose or because it is newer.

use std::time::Instant;

use revoked::command::rows;
use revoked::limits::{FIRST_LOGIN_DELAY, SUBSCRIPTIONS};

use crate::script::{check, connect, elements, integer, run, text};
use crate::support::server::{Server, Setup, request};

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
        > COMMAND INFO wait config|set slowlog|get memory|stats module|list
        < any-order *5 *10 "wait" :3 *1 +noscript :0 :0 :0 *2 +@slow +@connection *0 *0 *0 *10 "config|set" :-4 *4 +admin +noscript +loading +stale :0 :0 :0 *3 +@admin +@slow +@dangerous *0 *0 *0 *10 "slowlog|get" :-2 *3 +admin +loading +stale :0 :0 :0 *3 +@admin +@slow +@dangerous *0 *0 *0 *10 "memory|stats" :2 *0 :0 :0 :0 *1 +@slow *0 *0 *0 *10 "module|list" :2 *2 +admin +noscript :0 :0 :0 *3 +@admin +@slow +@dangerous *0 *0 *0
        "#,
    );
}

#[test]
fn help_describes_what_there_is_here() {
    // The layout is Redis's, the subcommands and the texts are ours.
    let server = Server::start();
    let expected = "*9\r\n\
        +SLOWLOG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:\r\n\
        +GET [<count>]\r\n\
        +    Returns the latest entries: 10, or so many; -1 for all.\r\n\
        +LEN\r\n\
        +    Counts the entries.\r\n\
        +RESET\r\n\
        +    Forgets all entries.\r\n\
        +HELP\r\n\
        +    Prints this help.\r\n";
    let reply = String::from_utf8(server.connect().ask(&["SLOWLOG", "HELP"])).unwrap();
    assert_eq!(reply, expected);
}

#[test]
fn config_set_says_why_a_parameter_is_as_it_is() {
    // Redis sets these.
    check(
        r"
        > CONFIG SET appendonly no
        < -ERR CONFIG SET failed (possibly related to argument 'appendonly') - it is always 'yes': every change is in the data file
        > CONFIG SET port 1
        < -ERR CONFIG SET failed (possibly related to argument 'port') - can't set immutable config
        > CONFIG SET dir /
        < -ERR CONFIG SET failed (possibly related to argument 'dir') - can't set immutable config
        > CONFIG SET slowlog-max-len 100001
        < -ERR CONFIG SET failed (possibly related to argument 'slowlog-max-len') - argument must be between 0 and 100000 inclusive
        ",
    );
}

#[test]
fn waitaof_is_of_redis_7_2() {
    check(
        r"
        > SADD k a
        < :1
        > WAITAOF 1 0 0
        < *2 :1 :0
        > CONFIG SET appendfsync everysec
        < +OK
        > SADD k b
        < :1
        > WAITAOF 1 1 10000
        < *2 :1 :0
        > CONFIG SET appendfsync always
        < +OK
        > SADD k c
        < :1
        > WAITAOF 0 0 0
        < *2 :1 :0
        > WAITAOF 2 0 0
        < -ERR value is out of range, value must between 0 and 1
        > WAITAOF x 0 0
        < -ERR value is not an integer or out of range
        > WAITAOF 1 -1 0
        < -ERR value is out of range, must be positive
        > WAITAOF 1 0 x
        < -ERR timeout is not an integer or out of range
        > WAITAOF 1 0 -1
        < -ERR timeout is negative
        ",
    );
}

#[test]
fn replicas_modules_and_clusters_are_refused_for_good() {
    // Redis follows the server, names an option that would allow modules, and knows subcommands of CLUSTER.
    check(
        r"
        > REPLICAOF 127.0.0.1 6379
        < -ERR There is no replication: this server is always a master
        > MODULE LOAD x
        < -ERR unknown subcommand 'LOAD'. Try MODULE HELP.
        > CLUSTER nosuch
        < -ERR This instance has cluster support disabled
        ",
    );
}

#[test]
fn acl_cat_has_the_categories_that_a_command_is_in() {
    check(
        r"
        > ACL CAT geo
        < -ERR Unknown category 'geo'
        ",
    );
}

#[test]
fn latency_doctor_speaks_plainly() {
    check(
        r#"
        > CONFIG SET latency-monitor-threshold 60000
        < +OK
        > LATENCY DOCTOR
        <2 "Nothing has taken long since the monitor was turned on, or reset.\n"
        <3 =70\r\ntxt:Nothing has taken long since the monitor was turned on, or reset.\n
        > MEMORY MALLOC-STATS
        < "Stats not supported for the current allocator"
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

#[test]
fn client_help_explains_what_there_is_here() {
    let server = Server::start();
    let mut client = server.connect();
    run(
        &mut client,
        2,
        "
        > CLIENT HELP x
        < -ERR wrong number of arguments for 'client|help' command
        > PUBSUB HELP x
        < -ERR wrong number of arguments for 'pubsub|help' command
        ",
    );
    let help = String::from_utf8(client.ask(&["CLIENT", "HELP"])).unwrap();
    let title = "+CLIENT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:";
    assert_eq!(help.lines().nth(1), Some(title));
    for row in rows().filter_map(|spec| spec.name.strip_prefix("client|")) {
        assert!(help.contains(&format!("\r\n+{}", row.to_uppercase())), "{row}");
    }
}

#[test]
fn messages_of_a_transaction_come_behind_it_as_in_redis_7_2() {
    // Redis 7.0 puts them between the replies in the array, whose length does not count them.
    let server = Server::start();
    run(
        &mut connect(&server, 3),
        3,
        r#"
        > SUBSCRIBE c
        < >3 "subscribe" "c" :1
        > MULTI
        < +OK
        > PUBLISH c m
        < +QUEUED
        > PING
        < +QUEUED
        > EXEC
        < *2 :1 +PONG
        < >3 "message" "c" "m"
        "#,
    );
}

#[test]
fn subscriptions_of_one_client_are_bounded() {
    let server = Server::start();
    let mut client = connect(&server, 3);
    let mut words = vec!["SUBSCRIBE".to_owned()];
    words.extend((0..=SUBSCRIPTIONS).map(|number| number.to_string()));
    let error = "-ERR too many subscriptions of one client, or too long ones\r\n";
    assert_eq!(String::from_utf8(client.ask(&words)).unwrap(), error);
    assert_eq!(client.ask(&["PUBSUB", "CHANNELS"]), b"*0\r\n", "all or nothing");
    words.pop();
    let sender = client.send_in_background(request(&words));
    (0..SUBSCRIPTIONS).for_each(|_| drop(client.reply()));
    sender.join().unwrap();
    assert_eq!(String::from_utf8(client.ask(&["PSUBSCRIBE", "x"])).unwrap(), error);
}

#[test]
fn arguments_of_auth_and_hello_are_hidden_from_monitors_even_if_they_are_wrong() {
    let server = Server::start();
    let (mut monitor, mut client) = (server.connect(), server.connect());
    monitor.ask(&["MONITOR"]);
    for words in [&["AUTH", "a", "s3cret", "c"][..], &["HELLO", "x", "AUTH", "a", "s3cret"]] {
        client.ask(words);
        let line = String::from_utf8(monitor.reply()).unwrap();
        assert!(line.contains("\"(redacted)\"") && !line.contains("s3cret"), "{line}");
    }
}

#[test]
fn the_ends_of_members_are_events_too() {
    let server = Server::start();
    let (mut client, mut listener) = (connect(&server, 2), connect(&server, 3));
    client.ask(&["CONFIG", "SET", "notify-keyspace-events", "Esx"]);
    listener.ask(&["PSUBSCRIBE", "__keyevent@0__:*"]);
    client.ask(&["SADDEX", "k", "100", "a", "b"]);
    client.ask(&["EXPIREMEMBER", "k", "a", "50"]);
    client.ask(&["PERSIST", "k", "a"]);
    client.ask(&["PEXPIREMEMBERAT", "k", "b", "1"]);
    client.ask(&["SET", "gone", "v", "PXAT", "1"]);
    for event in ["sadd", "sexpire", "sexpire", "srem", "expired"] {
        let message = String::from_utf8(listener.reply()).unwrap();
        assert!(message.contains(&format!("__keyevent@0__:{event}\r\n")), "{event}: {message}");
    }
}

#[test]
fn what_is_to_end_in_a_while_does_so_though_the_clock_was_set_back() {
    let server = Server::start();
    server.connect().ask(&["SADD", "k", "first"]);
    let directory = server.stop();
    // As if it had ended while the clock was an hour ahead. (The last row is the time of that, which no checksum covers.)
    let journal = rusqlite::Connection::open(directory.path().join("revoked.db")).unwrap();
    let last: i64 = journal.query_row("SELECT max(sequence) FROM journal", [], |row| row.get(0)).unwrap();
    journal.execute("UPDATE journal SET time_ms = time_ms + 3600000 WHERE sequence = ?1", [last]).unwrap();
    drop(journal);
    let server = Server::start_in(directory, Setup::default());
    run(
        &mut connect(&server, 2),
        2,
        r"
        > SADDEX revoked 60 token
        < :1
        > SISMEMBER revoked token
        < :1
        > TTL revoked token
        < :60
        > SET session x EX 60
        < +OK
        > EXPIRE k 60
        < :1
        > EXISTS session k
        < :2
        > MULTI
        < +OK
        > SADDEX revoked 60 other
        < +QUEUED
        > SCARD revoked
        < +QUEUED
        > EXEC
        < *2 :1 :2
        ",
    );
}

#[test]
fn a_reply_is_bounded_however_often_a_string_is_asked_for() {
    let server = Server::start();
    let mut client = connect(&server, 2);
    client.ask(&["SETRANGE", "long", &(64 << 20).to_string(), "x"]);
    let mut words = vec!["MGET"];
    words.resize(1 + 1000, "long");
    assert_eq!(client.ask(&words), b"-ERR the reply would be too long\r\n");
}

#[test]
fn a_request_beyond_client_query_buffer_limit_is_refused_when_it_is_announced() {
    // Redis closes the connection without a word, once it has read as much.
    check(
        r"
        > CONFIG SET client-query-buffer-limit 1mb
        < +OK
        >> *4\r\n$4\r\nSADD\r\n$1\r\nk\r\n$1048576\r\n
        < -ERR Protocol error: too big request
        < closed
        ",
    );
}

#[test]
fn draws_with_repetitions_are_bounded() {
    // Redis answers them all, as far as its memory goes.
    let server = Server::start();
    let mut client = connect(&server, 2);
    client.ask(&["SADD", "k", &"m".repeat(1_000)]);
    run(
        &mut client,
        2,
        "
        > SRANDMEMBER k -9223372036854775807
        < -ERR the reply would be too long
        > SRANDMEMBER k -60000000
        < -ERR the reply would be too long
        ",
    );
    assert_eq!(client.ask(&["SRANDMEMBER", "k", "-60000"]).len(), 8 + 60_000 * 1_009);
}

#[test]
fn noperm_is_worded_as_in_redis_7_2() {
    let server = Server::start();
    server.connect().ask(&["ACL", "SETUSER", "x", "on", ">p", "~a", "&c", "+@all", "-@dangerous", "+acl"]);
    run(
        &mut server.connect(),
        2,
        r#"
        > AUTH x p
        < +OK
        > CONFIG GET port
        < -NOPERM User x has no permissions to run the 'config|get' command
        > SADD b m
        < -NOPERM No permissions to access a key
        > PUBLISH d m
        < -NOPERM No permissions to access a channel
        > ACL DRYRUN x CONFIG GET port
        < "User x has no permissions to run the 'config|get' command"
        > ACL DRYRUN x SADD b m
        < "User x has no permissions to access the 'b' key"
        > ACL DRYRUN x PUBLISH d m
        < "User x has no permissions to access the 'd' channel"
        > ACL DRYRUN x SADD a m
        < +OK
        "#,
    );
}

#[test]
fn rules_on_commands_are_shown_in_their_order_as_in_redis_7_2() {
    check(
        r#"
        > ACL SETUSER x +get -@all +@read +config|get -@geo +CONFIG +select|0
        < +OK
        > ACL LIST
        < *2 "user default on nopass ~* &* +@all" "user x off resetchannels -@all +@read -@geo +config +select|0"
        > ACL SETUSER x reset allcommands -get +get
        < +OK
        > ACL LIST
        < *2 "user default on nopass ~* &* +@all" "user x off resetchannels +@all +get"
        "#,
    );
}

#[test]
fn what_is_denied_is_counted_and_kept() {
    let server = Server::start();
    let mut admin = server.connect();
    admin.ask(&["ACL", "SETUSER", "x", "on", ">p", "~a", "+sadd", "+publish", "+multi", "+exec"]);
    let mut client = server.connect();
    for words in [
        &["auth", "x", "secret"][..],
        &["AUTH", "x", "p"],
        &["SADD", "b", "m"],
        &["SADD", "b", "n"],
        &["PUBLISH", "c", "m"],
        &["CONFIG", "GET", "port"],
        &["MULTI"],
        &["SADD", "b", "m"],
        &["EXEC"],
    ] {
        client.ask(words);
    }
    let stats = text(&admin.ask(&["INFO", "stats"]));
    for (what, times) in [("auth", 1), ("cmd", 1), ("key", 3), ("channel", 1)] {
        assert!(stats.contains(&format!("acl_access_denied_{what}:{times}\r\n")), "{what} in {stats}");
    }
    let field = |entry: &[u8], name: &str| {
        let elements = elements(entry);
        elements.chunks(2).find(|pair| text(&pair[0]) == name).unwrap()[1].clone()
    };
    let entries = elements(&admin.ask(&["ACL", "LOG"]));
    let shown = entries.iter().map(|entry| {
        let shown = ["reason", "context", "object", "username"].map(|name| text(&field(entry, name)));
        format!("{} {}", shown.join(" "), integer(&field(entry, "count")))
    });
    let expected = [
        "key multi b x 1",
        "command toplevel config|get x 1",
        "channel toplevel c x 1",
        "key toplevel b x 2",
        "auth toplevel auth x 1",
    ];
    assert_eq!(shown.collect::<Vec<_>>(), expected);
    assert_eq!(integer(&field(&entries[4], "entry-id")), 0);
    assert!(text(&field(&entries[0], "client-info")).contains(" user=x "));
    assert!(text(&field(&entries[0], "age-seconds")).parse::<f64>().unwrap() < 60.0);
    assert_eq!(elements(&admin.ask(&["ACL", "LOG", "2"])).len(), 2);
    admin.ask(&["CONFIG", "SET", "acllog-max-len", "0"]);
    client.ask(&["SADD", "b", "m"]);
    assert_eq!(admin.ask(&["ACL", "LOG"]), b"*0\r\n");
}

#[test]
fn the_reply_to_a_failed_login_waits_and_nothing_is_read_meanwhile() {
    let server = Server::start_with(Setup { requirepass: Some("foo"), ..Setup::default() });
    let mut client = server.connect();
    let start = Instant::now();
    let guesses = 4;
    let wrong = request(&["AUTH", "bar"]).repeat(guesses);
    client.send(&[wrong, request(&["AUTH", "foo"])].concat());
    for _ in 0..guesses {
        assert!(client.reply().starts_with(b"-WRONGPASS"));
    }
    assert_eq!(client.reply(), b"+OK\r\n");
    assert!(start.elapsed() >= FIRST_LOGIN_DELAY * ((1 << guesses) - 1), "twice as long each time");
}
