//! Who may do what, as far as Redis 7.0 answers the same; what Redis 7.2 says otherwise is in `ours.rs`.

use crate::script::{check, connect, run, text};
use crate::support::server::{Client, Server, Setup, request};

/// A client that has logged in.
fn connect_as(server: &Server, user: &str) -> Client {
    let mut client = server.connect();
    assert_eq!(client.ask(&["AUTH", user, "p"]), b"+OK\r\n");
    client
}

/// What an error begins with.
fn code(client: &mut Client, words: &[&str]) -> String {
    let reply = client.try_ask(words).unwrap();
    reply.split([' ', '\r']).next().unwrap().to_owned()
}

#[test]
fn users_are_made_of_rules_and_shown_as_these() {
    check(
        r#"
        > ACL SETUSER x
        < +OK
        > ACL LIST
        < *2 "user default on nopass ~* &* +@all" "user x off resetchannels -@all"
        > ACL SETUSER x ON >foo ~a %R~b %rw~c %W~d &c &d* +GET
        < +OK
        > ACL GETUSER x
        <2 any-order *12 "flags" *1 "on" "passwords" *1 "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae" "commands" "-@all +get" "keys" "~a %R~b ~c %W~d" "channels" "&c &d*" "selectors" *0
        <3 any-order %6 "flags" ~1 "on" "passwords" *1 "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae" "commands" "-@all +get" "keys" "~a %R~b ~c %W~d" "channels" "&c &d*" "selectors" *0
        > ACL SETUSER x <foo resetkeys allkeys resetchannels nopass (+get ~k*) "(+@write %W~z" &q)
        < +OK
        > ACL LIST
        < *2 "user default on nopass ~* &* +@all" "user x on nopass ~* resetchannels -@all +get (~k* resetchannels -@all +get) (%W~z resetchannels &q -@all +@write)"
        > ACL SETUSER x clearselectors allcommands -set !2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae
        < -ERR Error in ACL SETUSER modifier '!2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae': The password you are trying to remove from the user does not exist
        > ACL SETUSER x clearselectors allcommands -set
        < +OK
        > ACL LIST
        < *2 "user default on nopass ~* &* +@all" "user x on nopass ~* resetchannels +@all -set"
        > ACL USERS
        < *2 "default" "x"
        > ACL DELUSER nosuch x x
        < :1
        > ACL DELUSER x default
        < -ERR The 'default' user cannot be removed
        > ACL USERS
        < *1 "default"
        "#,
    );
}

#[test]
fn a_wrong_rule_is_named_and_changes_nothing() {
    check(
        r#"
        > ACL SETUSER y (+get
        < -ERR Unmatched parenthesis in acl selector starting at '(+get'.
        > ACL SETUSER y on foo
        < -ERR Error in ACL SETUSER modifier 'foo': Syntax error
        > ACL SETUSER y +nosuch
        < -ERR Error in ACL SETUSER modifier '+nosuch': Unknown command or category name in ACL
        > ACL SETUSER y ~* ~b
        < -ERR Error in ACL SETUSER modifier '~b': Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any effect. Try 'resetkeys' to start with an empty list of patterns
        > ACL SETUSER y &* &x
        < -ERR Error in ACL SETUSER modifier '&x': Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not have any effect. Try 'resetchannels' to start with an empty list of channels
        > ACL SETUSER y #abc
        < -ERR Error in ACL SETUSER modifier '#abc': The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters
        > ACL SETUSER y +config|get|x
        < -ERR Error in ACL SETUSER modifier '+config|get|x': Allowing first-arg of a subcommand is not supported
        > ACL SETUSER "a b"
        < -ERR Usernames can't contain spaces or null characters
        > ACL USERS
        < *1 "default"
        > ACL GETUSER y
        <2 $-1
        <3 _
        "#,
    );
}

#[test]
fn a_dry_run_tells_what_is_permitted() {
    check(
        r"
        > ACL DRYRUN nosuch get a
        < -ERR User 'nosuch' not found
        > ACL DRYRUN default nosuch a
        < -ERR Command 'nosuch' not found
        > ACL DRYRUN default get
        < -ERR wrong number of arguments for 'get' command
        > ACL DRYRUN default CONFIG GET x
        < +OK
        > ACL DRYRUN default
        < -ERR wrong number of arguments for 'acl|dryrun' command
        > ACL GENPASS 0
        < -ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to 4096
        > ACL GENPASS x
        < -ERR value is not an integer or out of range
        > ACL LOG x
        < -ERR value is not an integer or out of range
        > ACL LOG
        < *0
        > ACL LOG -1
        < *0
        > ACL LOG RESET
        < +OK
        > ACL LOAD
        < -ERR This Redis instance is not configured to use an ACL file. You may want to specify users via the ACL SETUSER command and then issue a CONFIG REWRITE (assuming you have a Redis configuration file set) in order to store users in the Redis configuration.
        > ACL SAVE
        < -ERR This Redis instance is not configured to use an ACL file. You may want to specify users via the ACL SETUSER command and then issue a CONFIG REWRITE (assuming you have a Redis configuration file set) in order to store users in the Redis configuration.
        ",
    );
}

#[test]
fn a_user_logs_in_with_its_password_and_not_while_it_is_off() {
    check(
        r#"
        > ACL SETUSER x on >p +@all
        < +OK
        > AUTH x q
        < -WRONGPASS invalid username-password pair or user is disabled.
        > ACL WHOAMI
        < "default"
        > AUTH nosuch p
        < -WRONGPASS invalid username-password pair or user is disabled.
        > AUTH x p
        < +OK
        > ACL WHOAMI
        < "x"
        > ACL SETUSER x off
        < +OK
        > PING
        < +PONG
        > AUTH x p
        < -WRONGPASS invalid username-password pair or user is disabled.
        > RESET
        < +RESET
        > ACL WHOAMI
        < "default"
        "#,
    );
}

#[test]
fn what_is_not_permitted_is_refused_with_noperm() {
    let server = Server::start();
    let mut admin = server.connect();
    admin.ask(&[
        "ACL",
        "SETUSER",
        "x",
        "on",
        ">p",
        "~a",
        "&c",
        "+@all",
        "-@dangerous",
        "-mget",
        "+acl|whoami",
    ]);
    let mut client = connect_as(&server, "x");
    for allowed in
        [&["SADD", "a", "m"][..], &["SISMEMBER", "a", "m"], &["PUBLISH", "c", "m"], &["CLIENT", "ID"]]
    {
        assert_ne!(code(&mut client, allowed), "-NOPERM", "{allowed:?}");
    }
    for denied in [
        &["SADD", "b", "m"][..],
        &["SISMEMBER", "b", "m"],
        &["PUBLISH", "d", "m"],
        &["SUBSCRIBE", "c", "d"],
        &["PSUBSCRIBE", "c*"],
        &["MGET", "a"],
        &["CONFIG", "GET", "port"],
        &["ACL", "LIST"],
        &["WATCH", "b"],
        &["DEL", "a", "b"],
    ] {
        assert_eq!(code(&mut client, denied), "-NOPERM", "{denied:?}");
    }
    assert_eq!(client.ask(&["SCARD", "a"]), b":1\r\n");
}

#[test]
fn each_request_of_a_pipeline_is_looked_at() {
    let server = Server::start();
    server.connect().ask(&["ACL", "SETUSER", "x", "on", ">p", "~a", "+sismember", "+sadd"]);
    let mut client = connect_as(&server, "x");
    let keys = ["a", "a", "b", "a", "b", "b", "a"];
    let requests = keys.iter().flat_map(|key| [["SISMEMBER", key, "m"], ["SADD", key, "m"]]);
    let alike = keys.iter().map(|key| ["SISMEMBER", key, "m"]);
    client.send(&requests.chain(alike).flat_map(|words| request(&words)).collect::<Vec<_>>());
    let replies: Vec<_> = (0..3 * keys.len()).map(|_| client.reply()[0]).collect();
    assert_eq!(String::from_utf8(replies).unwrap(), "::::--::----::::-:--:");
}

#[test]
fn a_transaction_is_looked_at_when_it_is_queued_and_when_it_is_executed() {
    let server = Server::start();
    let mut admin = server.connect();
    admin.ask(&["ACL", "SETUSER", "x", "on", ">p", "~a", "+sadd", "+scard", "+multi", "+exec"]);
    let mut client = connect_as(&server, "x");
    assert_eq!(code(&mut client, &["MULTI"]), "+OK");
    assert_eq!(code(&mut client, &["SADD", "a", "m"]), "+QUEUED");
    assert_eq!(code(&mut client, &["SADD", "b", "m"]), "-NOPERM");
    assert_eq!(code(&mut client, &["EXEC"]), "-EXECABORT");
    assert_eq!(client.ask(&["SCARD", "a"]), b":0\r\n");

    client.ask(&["MULTI"]);
    client.ask(&["SADD", "a", "m"]);
    client.ask(&["SCARD", "a"]);
    admin.ask(&["ACL", "SETUSER", "x", "-sadd"]);
    let expected = "*2\r\n-NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC \
                    call. This command is no longer allowed for the following reason: no permission to execute the \
                    command or subcommand\r\n:0\r\n";
    assert_eq!(String::from_utf8(client.ask(&["EXEC"])).unwrap(), expected);

    admin.ask(&["ACL", "SETUSER", "x", "-exec"]);
    client.ask(&["MULTI"]);
    assert_eq!(code(&mut client, &["EXEC"]), "-EXECABORT");
}

#[test]
fn a_change_counts_at_once_for_those_who_are_connected() {
    let server = Server::start();
    let mut admin = server.connect();
    admin.ask(&["ACL", "SETUSER", "x", "on", ">p", "~*", "+@all"]);
    let mut client = connect_as(&server, "x");
    assert_eq!(client.ask(&["SADD", "b", "m"]), b":1\r\n");
    admin.ask(&["ACL", "SETUSER", "x", "resetkeys", "~a"]);
    assert_eq!(code(&mut client, &["SADD", "b", "m"]), "-NOPERM");
    admin.ask(&["ACL", "SETUSER", "x", "allkeys"]);
    assert_eq!(client.ask(&["SADD", "b", "m"]), b":0\r\n");
    assert!(text(&admin.ask(&["CLIENT", "LIST"])).lines().any(|line| line.contains(" user=x ")));
    assert_eq!(admin.ask(&["CLIENT", "KILL", "USER", "x"]), b":1\r\n");
    assert_eq!(client.rest(), b"");
}

#[test]
fn who_is_deleted_is_disconnected() {
    for protocol in [2, 3] {
        let server = Server::start();
        let mut admin = connect(&server, protocol);
        for name in ["x", "y"] {
            admin.ask(&["ACL", "SETUSER", name, "on", ">p", "~*", "&*", "+@all"]);
        }
        let (mut gone, mut listening, mut other) =
            (connect_as(&server, "x"), connect_as(&server, "x"), connect_as(&server, "y"));
        listening.ask(&["SUBSCRIBE", "c"]);
        assert_eq!(admin.ask(&["ACL", "DELUSER", "x"]), b":1\r\n");
        assert_eq!((gone.rest(), listening.rest()), (vec![], vec![]));
        assert_eq!(other.ask(&["PING"]), b"+PONG\r\n");
        run(
            &mut other,
            2,
            "
            > ACL DELUSER y
            < :1
            < closed
            ",
        );
    }
}

#[test]
fn a_subscriber_whose_channel_is_taken_away_is_disconnected() {
    let server = Server::start();
    let mut admin = server.connect();
    admin.ask(&["ACL", "SETUSER", "x", "on", ">p", "&a*", "&b", "+@all"]);
    let (mut one, mut other) = (connect_as(&server, "x"), connect_as(&server, "x"));
    one.ask(&["SUBSCRIBE", "ab"]);
    other.ask(&["SUBSCRIBE", "b"]);
    admin.ask(&["ACL", "SETUSER", "x", "resetchannels", "&b"]);
    assert_eq!(one.rest(), b"");
    assert_eq!(admin.ask(&["PUBLISH", "b", "m"]), b":1\r\n");
    assert_eq!(other.reply(), b"*3\r\n$7\r\nmessage\r\n$1\r\nb\r\n$1\r\nm\r\n");
}

#[test]
fn requirepass_and_the_default_user_are_about_the_same_password() {
    let server = Server::start_with(Setup { requirepass: Some("foo"), ..Setup::default() });
    let mut client = server.connect();
    run(
        &mut client,
        2,
        r#"
        > ACL WHOAMI
        < -NOAUTH Authentication required.
        > AUTH bar
        < -WRONGPASS invalid username-password pair or user is disabled.
        > AUTH foo
        < +OK
        > CONFIG SET requirepass bar
        < +OK
        > ACL LIST
        < *1 "user default on #fcde2b2edba56bf408601fb721fe9b5c338d10ee429ea04fae5511b68fbf8fb9 ~* &* +@all"
        > AUTH foo
        < -WRONGPASS invalid username-password pair or user is disabled.
        > ACL SETUSER default nopass
        < +OK
        > CONFIG GET requirepass
        < *2 "requirepass" "bar"
        > AUTH foo
        < -ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?
        > ACL SETUSER default >baz -@admin +acl
        < +OK
        > ACL SETUSER default off
        < +OK
        "#,
    );
    let mut other = server.connect();
    assert_eq!(code(&mut other, &["PING"]), "-NOAUTH");
    assert_eq!(code(&mut other, &["AUTH", "baz"]), "-WRONGPASS");
    client.ask(&["ACL", "SETUSER", "default", "on"]);
    assert_eq!(code(&mut other, &["AUTH", "baz"]), "+OK");
    client.ask(&["ACL", "SETUSER", "default", "nopass"]);
    assert_eq!(code(&mut server.connect(), &["PING"]), "+PONG");
}

#[test]
fn hello_logs_in() {
    let server = Server::start_with(Setup { requirepass: Some("foo"), ..Setup::default() });
    let mut admin = server.connect();
    admin.ask(&["AUTH", "foo"]);
    admin.ask(&["ACL", "SETUSER", "x", "on", ">p", "+acl|whoami"]);
    let mut client = server.connect();
    assert_eq!(code(&mut client, &["HELLO", "3", "AUTH", "x", "q"]), "-WRONGPASS");
    assert_eq!(code(&mut client, &["HELLO", "3"]), "-NOAUTH");
    client.ask(&["HELLO", "2", "AUTH", "x", "p"]);
    assert_eq!(client.ask(&["ACL", "WHOAMI"]), b"$1\r\nx\r\n");
    assert_eq!(code(&mut client, &["PING"]), "-NOPERM");
}
