//! CONFIG SET, REWRITE, RESETSTAT, and what they change.

use crate::script::{check, connect, run, text};
use crate::support::server::{Server, Setup, until};

#[test]
fn config_set_changes_what_config_get_shows() {
    check(
        r#"
        > CONFIG SET tcp-keepalive 60
        < +OK
        > config set MaxClients 1000 LOGLEVEL WARNING
        < +OK
        > CONFIG GET maxclients
        <2 *2 "maxclients" "1000"
        <3 %1 "maxclients" "1000"
        > CONFIG GET loglevel
        <2 *2 "loglevel" "warning"
        <3 %1 "loglevel" "warning"
        > CONFIG GET tcp-keepalive
        <2 *2 "tcp-keepalive" "60"
        <3 %1 "tcp-keepalive" "60"
        > CONFIG SET appendfsync Always
        < +OK
        > SADD k a
        < :1
        > CONFIG SET appendfsync everysec
        < +OK
        > SADD k b
        < :1
        > CONFIG SET appendfsync no
        < +OK
        > CONFIG GET appendfsync
        <2 *2 "appendfsync" "no"
        <3 %1 "appendfsync" "no"
        > CONFIG SET slowlog-log-slower-than -1 slowlog-max-len 5 latency-monitor-threshold 0
        < +OK
        > CONFIG GET slowlog-*
        <2 any-order *4 "slowlog-log-slower-than" "-1" "slowlog-max-len" "5"
        <3 any-order %2 "slowlog-log-slower-than" "-1" "slowlog-max-len" "5"
        "#,
    );
}

#[test]
fn config_set_takes_a_fixed_parameter_for_what_it_is() {
    check(
        r"
        > CONFIG SET appendonly yes
        < +OK
        > CONFIG SET maxmemory 0
        < +OK
        > CONFIG SET maxmemory 0GB
        < +OK
        > CONFIG SET proto-max-bulk-len 512mb
        < +OK
        > CONFIG SET maxmemory-policy NOEVICTION
        < +OK
        > CONFIG SET latency-tracking YES
        < +OK
        > CONFIG SET appendonly maybe
        < -ERR CONFIG SET failed (possibly related to argument 'appendonly') - argument must be 'yes' or 'no'
        > CONFIG SET maxmemory 1xx
        < -ERR CONFIG SET failed (possibly related to argument 'maxmemory') - argument must be a memory value
        > CONFIG SET maxmemory -1
        < -ERR CONFIG SET failed (possibly related to argument 'maxmemory') - argument must be a memory value
        > CONFIG SET databases 16
        < -ERR CONFIG SET failed (possibly related to argument 'databases') - can't set immutable config
        > CONFIG SET Cluster-Enabled no
        < -ERR CONFIG SET failed (possibly related to argument 'Cluster-Enabled') - can't set immutable config
        ",
    );
}

#[test]
fn config_set_refuses_what_can_not_be() {
    check(
        r"
        > CONFIG SET
        < -ERR wrong number of arguments for 'config|set' command
        > CONFIG SET requirepass
        < -ERR wrong number of arguments for 'config|set' command
        > CONFIG SET nosuch 1
        < -ERR Unknown option or number of arguments for CONFIG SET - 'nosuch'
        > CONFIG SET maxclients 1000 a
        < -ERR syntax error
        > CONFIG SET tcp-backlog 511
        < -ERR CONFIG SET failed (possibly related to argument 'tcp-backlog') - can't set immutable config
        > CONFIG SET IO-Threads x
        < -ERR CONFIG SET failed (possibly related to argument 'IO-Threads') - can't set immutable config
        > CONFIG SET loglevel notice LogLevel notice
        < -ERR CONFIG SET failed (possibly related to argument 'LogLevel') - duplicate parameter
        > CONFIG SET maxclients abc
        < -ERR CONFIG SET failed (possibly related to argument 'maxclients') - argument couldn't be parsed into an integer
        > CONFIG SET MAXCLIENTS 1mb
        < -ERR CONFIG SET failed (possibly related to argument 'maxclients') - argument couldn't be parsed into an integer
        > CONFIG SET tcp-keepalive 007
        < -ERR CONFIG SET failed (possibly related to argument 'tcp-keepalive') - argument couldn't be parsed into an integer
        > CONFIG SET slowlog-log-slower-than -2
        < -ERR CONFIG SET failed (possibly related to argument 'slowlog-log-slower-than') - argument must be between -1 and 9223372036854775807 inclusive
        > CONFIG SET latency-monitor-threshold -1
        < -ERR CONFIG SET failed (possibly related to argument 'latency-monitor-threshold') - argument must be between 0 and 9223372036854775807 inclusive
        > CONFIG SET loglevel x
        < -ERR CONFIG SET failed (possibly related to argument 'loglevel') - argument(s) must be one of the following: debug, verbose, notice, warning
        > CONFIG SET appendfsync x
        < -ERR CONFIG SET failed (possibly related to argument 'appendfsync') - argument(s) must be one of the following: everysec, always, no
        > CONFIG REWRITE
        < -ERR The server is running without a config file
        > CONFIG REWRITE x
        < -ERR wrong number of arguments for 'config|rewrite' command
        > CONFIG nosuch
        < -ERR unknown subcommand 'nosuch'. Try CONFIG HELP.
        > CONFIG HELP x
        < -ERR wrong number of arguments for 'config|help' command
        ",
    );
}

#[test]
fn config_set_is_all_or_nothing() {
    check(
        r#"
        > CONFIG SET tcp-keepalive 77 nosuch 1
        < -ERR Unknown option or number of arguments for CONFIG SET - 'nosuch'
        > CONFIG SET tcp-keepalive 77 databases 1
        < -ERR CONFIG SET failed (possibly related to argument 'databases') - can't set immutable config
        > CONFIG SET tcp-keepalive 77 loglevel x
        < -ERR CONFIG SET failed (possibly related to argument 'loglevel') - argument(s) must be one of the following: debug, verbose, notice, warning
        > CONFIG SET loglevel x maxclients x
        < -ERR CONFIG SET failed (possibly related to argument 'loglevel') - argument(s) must be one of the following: debug, verbose, notice, warning
        > CONFIG GET tcp-keepalive
        <2 *2 "tcp-keepalive" "300"
        <3 %1 "tcp-keepalive" "300"
        "#,
    );
}

#[test]
fn a_password_that_is_set_counts_for_new_connections() {
    let server = Server::start();
    let mut first = server.connect();
    run(&mut first, 2, "> CONFIG SET requirepass secret\n< +OK\n> PING\n< +PONG");
    run(
        &mut server.connect(),
        2,
        "
        > PING
        < -NOAUTH Authentication required.
        > AUTH wrong
        < -WRONGPASS invalid username-password pair or user is disabled.
        > AUTH secret
        < +OK
        > PING
        < +PONG
        ",
    );
    run(&mut first, 2, "> CONFIG SET requirepass \"\"\n< +OK");
    run(&mut server.connect(), 2, "> PING\n< +PONG");
}

#[test]
fn fewer_clients_are_taken_once_maxclients_is_set() {
    let server = Server::start_with(Setup { maxclients: 100, ..Setup::default() });
    let mut first = server.connect();
    until("only one is connected", || {
        text(&first.ask(&["INFO", "clients"])).contains("connected_clients:1\r\n")
    });
    run(&mut first, 2, "> CONFIG SET maxclients 1\n< +OK");
    assert_eq!(server.connect().rest(), b"-ERR max number of clients reached\r\n");
    assert!(text(&first.ask(&["INFO", "clients"])).contains("maxclients:1\r\n"));
    run(&mut first, 2, "> CONFIG SET maxclients 2\n< +OK");
    run(&mut server.connect(), 2, "> PING\n< +PONG");
}

#[test]
fn resetstat_begins_again() {
    let server = Server::start();
    for protocol in [2, 3] {
        let mut client = connect(&server, protocol);
        run(
            &mut client,
            protocol,
            "
            > SISMEMBER k a
            < :0
            > NOSUCH
            < -ERR unknown command 'NOSUCH', with args beginning with:\\x20
            > CONFIG RESETSTAT
            < +OK
            ",
        );
        let info = text(&client.ask(&["INFO", "stats", "commandstats"]));
        for line in ["keyspace_misses:0", "total_error_replies:0", "total_commands_processed:1"] {
            assert!(info.contains(&format!("\r\n{line}\r\n")), "{line} in {info}");
        }
        assert!(info.contains("\r\ncmdstat_config|resetstat:calls=1,"), "{info}");
        assert!(!info.contains("cmdstat_sismember"), "{info}");
    }
    check("> CONFIG RESETSTAT x\n< -ERR wrong number of arguments for 'config|resetstat' command");
}
