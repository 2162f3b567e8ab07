//! What Redis has for users, memory, modules, replicas and clusters, as far as there is something to say.

use crate::script::{check, connect, elements, integer, run, text};
use crate::support::server::{Server, Setup};

#[test]
fn acl_describes_the_one_user() {
    check(
        r#"
        > ACL WHOAMI
        < "default"
        > ACL USERS
        < *1 "default"
        > ACL LIST
        < *1 "user default on nopass ~* &* +@all"
        > ACL GETUSER default
        <2 any-order *12 "flags" *2 "on" "nopass" "passwords" *0 "commands" "+@all" "keys" "~*" "channels" "&*" "selectors" *0
        <3 any-order %6 "flags" ~2 "on" "nopass" "passwords" *0 "commands" "+@all" "keys" "~*" "channels" "&*" "selectors" *0
        > ACL GETUSER nobody
        <2 $-1
        <3 _
        > acl cat Transaction
        < any-order *5 "exec" "multi" "discard" "unwatch" "watch"
        > ACL CAT nosuch
        < -ERR Unknown category 'nosuch'
        > ACL CAT a b
        < -ERR unknown subcommand or wrong number of arguments for 'CAT'. Try ACL HELP.
        > ACL nosuch
        < -ERR unknown subcommand 'nosuch'. Try ACL HELP.
        > ACL
        < -ERR wrong number of arguments for 'acl' command
        "#,
    );
    let server = Server::start();
    let mut client = server.connect();
    let categories = elements(&client.ask(&["ACL", "CAT"]));
    assert!(categories.iter().any(|category| text(category) == "dangerous"));
    let dangerous = elements(&client.ask(&["ACL", "CAT", "dangerous"]));
    assert!(dangerous.iter().any(|command| text(command) == "config|set"));
}

#[test]
fn acl_shows_a_password_as_its_hash() {
    let server = Server::start_with(Setup { requirepass: Some("secret"), ..Setup::default() });
    run(
        &mut server.connect(),
        2,
        r#"
        > AUTH secret
        < +OK
        > ACL LIST
        < *1 "user default on #2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b ~* &* +@all"
        > ACL GETUSER default
        < *12 "flags" *1 "on" "passwords" *1 "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b" "commands" "+@all" "keys" "~*" "channels" "&*" "selectors" *0
        "#,
    );
}

#[test]
fn memory_tells_what_is_known() {
    check(
        "
        > MEMORY PURGE
        < +OK
        > MEMORY STATS x
        < -ERR wrong number of arguments for 'memory|stats' command
        > MEMORY DOCTOR x
        < -ERR wrong number of arguments for 'memory|doctor' command
        > MEMORY nosuch
        < -ERR unknown subcommand 'nosuch'. Try MEMORY HELP.
        > MEMORY
        < -ERR wrong number of arguments for 'memory' command
        ",
    );
    let server = Server::start();
    for protocol in [2, 3] {
        let mut client = connect(&server, protocol);
        client.ask(&["SADD", "k", "a"]);
        let fields = elements(&client.ask(&["MEMORY", "STATS"]));
        let figure = |name: &str| {
            let place = fields.iter().step_by(2).position(|field| text(field) == name).unwrap();
            integer(&fields[2 * place + 1])
        };
        assert_eq!(figure("keys.count"), 1);
        assert!(figure("peak.allocated") > 500_000 && figure("total.allocated") > 500_000);
        assert_eq!(figure("replication.backlog"), 0);
        assert!(!text(&client.ask(&["MEMORY", "DOCTOR"])).is_empty());
        assert!(!text(&client.ask(&["MEMORY", "MALLOC-STATS"])).is_empty());
    }
}

#[test]
fn there_are_no_modules_replicas_and_clusters() {
    check(
        r#"
        > MODULE LIST
        < *0
        > MODULE nosuch
        < -ERR unknown subcommand 'nosuch'. Try MODULE HELP.
        > MODULE
        < -ERR wrong number of arguments for 'module' command
        > ROLE
        < *3 "master" :0 *0
        > REPLICAOF NO ONE
        < +OK
        > slaveof no one
        < +OK
        > REPLICAOF NO x
        < -ERR Invalid master port
        > SLAVEOF 127.0.0.1 65536
        < -ERR Invalid master port
        > REPLICAOF a
        < -ERR wrong number of arguments for 'replicaof' command
        > CLUSTER INFO
        < -ERR This instance has cluster support disabled
        > cluster help
        < -ERR This instance has cluster support disabled
        > CLUSTER NODES
        < -ERR This instance has cluster support disabled
        > CLUSTER
        < -ERR wrong number of arguments for 'cluster' command
        > READONLY
        < -ERR This instance has cluster support disabled
        > READWRITE
        < -ERR This instance has cluster support disabled
        > ASKING
        < -ERR This instance has cluster support disabled
        > ASKING x
        < -ERR wrong number of arguments for 'asking' command
        > SENTINEL masters
        < -ERR unknown command 'SENTINEL', with args beginning with: 'masters'\x20
        "#,
    );
}

#[test]
fn wait_has_no_replicas_to_wait_for() {
    check(
        "
        > WAIT 0 0
        < :0
        > WAIT 1 10
        < :0
        > WAIT -1 0
        < :0
        > WAIT x 0
        < -ERR value is not an integer or out of range
        > WAIT 0 x
        < -ERR timeout is not an integer or out of range
        > WAIT x x
        < -ERR value is not an integer or out of range
        > WAIT 0 -1
        < -ERR timeout is negative
        > WAIT 0
        < -ERR wrong number of arguments for 'wait' command
        ",
    );
}

#[test]
fn lolwut_ends_in_the_version() {
    check(
        "
        > LOLWUT VERSION x
        < -ERR value is not an integer or out of range
        ",
    );
    let server = Server::start();
    for words in [&["LOLWUT"][..], &["LOLWUT", "VERSION", "5"], &["LOLWUT", "VERSION"], &["lolwut", "1", "2"]]
    {
        let picture = text(&server.connect().ask(words));
        let last = picture.lines().last().unwrap();
        assert!(picture.ends_with('\n') && last.contains("Redis ver. 7."), "{picture}");
    }
}

#[test]
fn help_is_laid_out_as_redis_lays_it_out() {
    let server = Server::start();
    for command in ["ACL", "COMMAND", "CONFIG", "LATENCY", "MEMORY", "MODULE", "SLOWLOG"] {
        let lines = elements(&server.connect().ask(&[command, "HELP"]));
        let line = |place: usize| String::from_utf8_lossy(&lines[place]).into_owned();
        assert_eq!(
            line(0),
            format!("+{command} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:\r\n")
        );
        assert_eq!(line(lines.len() - 2), "+HELP\r\n");
        assert_eq!(line(lines.len() - 1), "+    Prints this help.\r\n");
    }
    check(
        "
        > ACL HELP x
        < -ERR wrong number of arguments for 'acl|help' command
        > COMMAND HELP x
        < -ERR wrong number of arguments for 'command|help' command
        > LATENCY HELP x
        < -ERR wrong number of arguments for 'latency|help' command
        > MEMORY HELP x
        < -ERR wrong number of arguments for 'memory|help' command
        > MODULE HELP x
        < -ERR wrong number of arguments for 'module|help' command
        > SLOWLOG HELP x
        < -ERR wrong number of arguments for 'slowlog|help' command
        ",
    );
}

#[test]
fn command_info_of_commands_for_operators() {
    let server = Server::start();
    run(
        &mut connect(&server, 2),
        2,
        r#"
        > COMMAND INFO acl|whoami role replicaof readonly
        < any-order *4 *10 "acl|whoami" :2 *3 +noscript +loading +stale :0 :0 :0 *1 +@slow *0 *0 *0 *10 "role" :1 *4 +noscript +loading +stale +fast :0 :0 :0 *3 +@admin +@fast +@dangerous *0 *0 *0 *10 "replicaof" :3 *4 +admin +noscript +stale +no_async_loading :0 :0 :0 *3 +@admin +@slow +@dangerous *0 *0 *0 *10 "readonly" :1 *3 +loading +stale +fast :0 :0 :0 *2 +@fast +@connection *0 *0 *0
        "#,
    );
}
