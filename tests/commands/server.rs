//! INFO, CONFIG GET, COMMAND, TIME, SAVE, BGSAVE, LASTSAVE, SHUTDOWN.

use std::sync::Barrier;
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::script::{check, connect, elements, integer, run, sort, text};
use crate::support::server::{Client, Server, Setup, until};

/// A figure of INFO.
fn figure(client: &mut Client, section: &str, name: &str) -> u64 {
    let info = text(&client.ask(&["INFO", section]));
    let value = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    value.unwrap().parse().unwrap()
}

fn lines(client: &mut Client, section: &str) -> Vec<String> {
    text(&client.ask(&["INFO", section])).lines().map(str::to_owned).collect()
}

fn now_seconds() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64
}

#[test]
fn info_has_sections() {
    check(
        r##"
        > INFO nonsense
        <2 ""
        <3 =4\r\ntxt:
        > INFO keyspace
        <2 "# Keyspace\r\n"
        <3 =16\r\ntxt:# Keyspace\r\n
        > info KEYSPACE cluster nonsense
        <2 "# Cluster\r\ncluster_enabled:0\r\n\r\n# Keyspace\r\n"
        <3 =48\r\ntxt:# Cluster\r\ncluster_enabled:0\r\n\r\n# Keyspace\r\n
        "##,
    );
    let server = Server::start();
    let mut client = server.connect();
    let titles = |lines: Vec<String>| -> Vec<String> {
        lines.iter().filter_map(|line| Some(line.strip_prefix("# ")?.to_owned())).collect()
    };
    let all = titles(lines(&mut client, "everything"));
    for title in [
        "Server",
        "Clients",
        "Memory",
        "Persistence",
        "Stats",
        "Replication",
        "CPU",
        "Modules",
        "Commandstats",
        "Cluster",
        "Keyspace",
    ] {
        assert!(all.contains(&title.to_owned()), "{title}");
    }
    let usual = titles(text(&client.ask(&["INFO"])).lines().map(str::to_owned).collect());
    assert!(usual.contains(&"Keyspace".to_owned()) && !usual.contains(&"Commandstats".to_owned()));
}

#[test]
fn info_counts_keys_of_each_database() {
    let server = Server::start();
    let mut client = server.connect();
    client.send(b"SADD a 1\r\nSADD b 1\r\nSELECT 15\r\nSADD c 1 2 3\r\n");
    (0..4).for_each(|_| drop(client.reply()));
    let expected = ["# Keyspace", "db0:keys=2,expires=0,avg_ttl=0", "db15:keys=1,expires=0,avg_ttl=0"];
    assert_eq!(lines(&mut client, "keyspace"), expected);
    client.ask(&["DEL", "c"]);
    assert_eq!(lines(&mut client, "keyspace"), expected[..2]);
}

#[test]
fn info_counts_calls_rejections_and_failures_of_each_command() {
    let server = Server::start();
    let mut client = server.connect();
    let script = "SADD k a\r\nsadd k b\r\nSADD\r\nSADD k\r\nSCAN 0\r\nSCAN x\r\nCLIENT ID\r\nSELECT 99\r\n";
    client.send(script.as_bytes());
    (0..8).for_each(|_| drop(client.reply()));
    let stats = lines(&mut client, "commandstats");
    for (command, calls, rejected, failed) in
        [("sadd", 2, 2, 0), ("scan", 2, 0, 1), ("client|id", 1, 0, 0), ("select", 1, 0, 1)]
    {
        let start = format!("cmdstat_{command}:calls={calls},usec=");
        let end = format!(",rejected_calls={rejected},failed_calls={failed}");
        let line = stats.iter().find(|line| line.starts_with(&format!("cmdstat_{command}:"))).unwrap();
        assert!(line.starts_with(&start) && line.ends_with(&end), "{line}");
    }
    assert!(!stats.iter().any(|line| line.starts_with("cmdstat_srem:")));
}

#[test]
fn info_has_figures_that_move() {
    let server = Server::start();
    let mut client = server.connect();
    until("only one is connected", || figure(&mut client, "clients", "connected_clients") == 1);
    let names = [
        "total_commands_processed",
        "total_connections_received",
        "total_net_input_bytes",
        "total_net_output_bytes",
        "keyspace_hits",
        "keyspace_misses",
        "total_error_replies",
    ];
    let before = names.map(|name| figure(&mut client, "stats", name));
    let mut other = server.connect();
    other.send(b"SADD k a\r\nSISMEMBER k a\r\nSISMEMBER k b\r\nSISMEMBER x a\r\nNOSUCH\r\n");
    (0..5).for_each(|_| drop(other.reply()));
    assert_eq!(figure(&mut client, "clients", "connected_clients"), 2);
    let after = names.map(|name| figure(&mut client, "stats", name));
    let moved: Vec<u64> = before.iter().zip(after).map(|(before, after)| after - before).collect();
    // Four of the other, and the INFOs in between: seven, and that of the clients.
    assert_eq!(moved[0], 12);
    assert_eq!(moved[1], 1);
    assert!(moved[2] > 60 && moved[3] > 16, "{moved:?}");
    assert_eq!(moved[4..], [2, 1, 1]);
    assert!(figure(&mut client, "memory", "used_memory") > 100_000);
    assert!(figure(&mut client, "server", "uptime_in_seconds") < 600);
    assert_eq!(figure(&mut client, "persistence", "loading"), 0);
    drop(other);
    until("the other is gone", || figure(&mut client, "clients", "connected_clients") == 1);
}

#[test]
fn config_get_takes_names_and_patterns() {
    let server = Server::start();
    for protocol in [2, 3] {
        run(
            &mut connect(&server, protocol),
            protocol,
            r#"
            > CONFIG GET maxclients
            <2 *2 "maxclients" "10000"
            <3 %1 "maxclients" "10000"
            > config get MaxClients
            <2 *2 "MaxClients" "10000"
            <3 %1 "MaxClients" "10000"
            > CONFIG GET MAXCL*
            <2 *2 "maxclients" "10000"
            <3 %1 "maxclients" "10000"
            > CONFIG GET maxclients max[c]lient? nonsense
            <2 *2 "maxclients" "10000"
            <3 %1 "maxclients" "10000"
            > CONFIG GET databases maxclients
            <2 any-order *4 "databases" "16" "maxclients" "10000"
            <3 any-order %2 "databases" "16" "maxclients" "10000"
            > CONFIG GET nonsense
            <2 *0
            <3 %0
            > CONFIG GET
            < -ERR wrong number of arguments for 'config|get' command
            > CONFIG
            < -ERR wrong number of arguments for 'config' command
            "#,
        );
    }
    let all = server.connect().ask(&["CONFIG", "GET", "*"]);
    assert!(elements(&all).len() >= 10 && elements(&all).len().is_multiple_of(2));
}

#[test]
fn command_info_describes_commands() {
    let server = Server::start();
    run(
        &mut connect(&server, 2),
        2,
        r#"
        > COMMAND INFO SADD
        < any-order *1 *10 "sadd" :-3 *3 +write +denyoom +fast :1 :1 :1 *3 +@write +@set +@fast *0 *1 *6 "flags" *2 +RW +insert "begin_search" *4 "type" "index" "spec" *2 "index" :1 "find_keys" *4 "type" "range" "spec" *6 "lastkey" :0 "keystep" :1 "limit" :0 *0
        > COMMAND INFO nonsense client|id sadd|id
        < any-order *3 $-1 *10 "client|id" :2 *3 +noscript +loading +stale :0 :0 :0 *2 +@slow +@connection *0 *0 *0 $-1
        > command info type
        < any-order *1 *10 "type" :2 *2 +readonly +fast :1 :1 :1 *3 +@keyspace +@read +@fast *0 *1 *6 "flags" *1 +RO "begin_search" *4 "type" "index" "spec" *2 "index" :1 "find_keys" *4 "type" "range" "spec" *6 "lastkey" :0 "keystep" :1 "limit" :0 *0
        "#,
    );
}

#[test]
fn command_info_has_sets_and_maps_in_resp3() {
    let server = Server::start();
    run(
        &mut connect(&server, 3),
        3,
        r#"
        > COMMAND INFO sadd nonsense
        < any-order *2 *10 "sadd" :-3 ~3 +write +denyoom +fast :1 :1 :1 ~3 +@write +@set +@fast ~0 ~1 %3 "flags" ~2 +RW +insert "begin_search" %2 "type" "index" "spec" %1 "index" :1 "find_keys" %2 "type" "range" "spec" %3 "lastkey" :0 "keystep" :1 "limit" :0 ~0 _
        "#,
    );
}

/// The name of each command that COMMAND INFO, or COMMAND, describes.
fn described(reply: &[u8]) -> Vec<String> {
    elements(reply).iter().map(|command| text(&elements(command)[0])).collect()
}

#[test]
fn command_describes_as_many_as_it_counts() {
    let server = Server::start();
    for protocol in [2, 3] {
        let mut client = connect(&server, protocol);
        let all = client.ask(&["COMMAND"]);
        assert!(elements(&all).iter().all(|command| elements(command).len() == 10));
        assert_eq!(described(&client.ask(&["COMMAND", "INFO"])).len(), elements(&all).len());
        assert_eq!(integer(&client.ask(&["COMMAND", "COUNT"])), elements(&all).len() as i64);
        assert!(described(&all).contains(&"sismember".to_owned()));
        let docs = elements(&client.ask(&["COMMAND", "DOCS"]));
        assert_eq!(docs.len(), 2 * elements(&all).len());
    }
}

#[test]
fn command_docs_is_a_map_by_name() {
    let server = Server::start();
    for (protocol, start) in [
        (2, "*2\r\n$5\r\nscard\r\n*10\r\n$7\r\nsummary\r\n$"),
        (3, "%1\r\n$5\r\nscard\r\n%5\r\n$7\r\nsummary\r\n$"),
    ] {
        let mut client = connect(&server, protocol);
        let reply = client.ask(&["COMMAND", "DOCS", "SCARD", "nonsense"]);
        assert!(reply.starts_with(start.as_bytes()), "{}", reply.escape_ascii());
        let rest = "$5\r\nsince\r\n$5\r\n1.0.0\r\n$5\r\ngroup\r\n$3\r\nset\r\n\
                    $10\r\ncomplexity\r\n$4\r\nO(1)\r\n$9\r\narguments\r\n*1\r\n";
        assert!(String::from_utf8(reply).unwrap().contains(rest));
    }
    check(
        "
        > COMMAND DOCS nonsense
        <2 *0
        <3 %0
        ",
    );
}

#[test]
fn command_getkeys_finds_keys() {
    check(
        r#"
        > COMMAND GETKEYS SADD k a b
        < *1 "k"
        > command getkeys del a b c
        < *3 "a" "b" "c"
        > COMMAND GETKEYS SADD k
        < -ERR Invalid number of arguments specified for command
        > COMMAND GETKEYS NOSUCH k
        < -ERR Invalid command specified
        > COMMAND GETKEYS CLIENT ID
        < -ERR The command has no key arguments
        > COMMAND GETKEYS KEYS *
        < -ERR The command has no key arguments
        > COMMAND GETKEYS
        < -ERR wrong number of arguments for 'command|getkeys' command
        "#,
    );
}

#[test]
fn command_list_filters() {
    check(
        r#"
        > COMMAND LIST FILTERBY PATTERN sism*
        < *1 "sismember"
        > command list filterby pattern CLIENT|GETN*
        < *1 "client|getname"
        > COMMAND LIST FILTERBY PATTERN nonsense
        < *0
        > COMMAND LIST FILTERBY MODULE nonsense
        < *0
        > COMMAND LIST FILTERBY
        < -ERR syntax error
        > COMMAND LIST FILTERBY nonsense x
        < -ERR syntax error
        > COMMAND LIST nonsense
        < -ERR syntax error
        > COMMAND COUNT x
        < -ERR wrong number of arguments for 'command|count' command
        "#,
    );
    let mut client_list = Vec::new();
    let server = Server::start();
    let mut client = server.connect();
    for words in [&["COMMAND", "LIST"][..], &["COMMAND", "LIST", "FILTERBY", "ACLCAT", "set"]] {
        client_list.push(elements(&client.ask(words)).iter().map(|name| text(name)).collect::<Vec<_>>());
    }
    assert!(client_list.iter().all(|names| names.contains(&"sadd".to_owned())));
    assert!(client_list[0].contains(&"get".to_owned()) || client_list[0].contains(&"info".to_owned()));
    assert!(!client_list[1].contains(&"info".to_owned()));
}

#[test]
fn time_is_the_time() {
    let server = Server::start();
    let mut client = server.connect();
    let before = now_seconds();
    let time = elements(&client.ask(&["TIME"]));
    let [seconds, microseconds] = [0, 1].map(|place| text(&time[place]).parse::<i64>().unwrap());
    assert!((before..=now_seconds()).contains(&seconds));
    assert!((0..1_000_000).contains(&microseconds));
    check(
        "
        > TIME x
        < -ERR wrong number of arguments for 'time' command
        ",
    );
}

#[test]
fn save_moves_lastsave() {
    let server = Server::start();
    let mut client = server.connect();
    let before = integer(&client.ask(&["LASTSAVE"]));
    assert!((now_seconds() - 60..=now_seconds()).contains(&before));
    client.ask(&["SADD", "k", "a"]);
    assert_eq!(client.ask(&["SAVE"]), b"+OK\r\n");
    let after = integer(&client.ask(&["LASTSAVE"]));
    assert!((before..=now_seconds()).contains(&after));
    assert_eq!(figure(&mut client, "persistence", "rdb_changes_since_last_save"), 0);
    run(
        &mut client,
        2,
        "
        > SAVE x
        < -ERR wrong number of arguments for 'save' command
        > LASTSAVE x
        < -ERR wrong number of arguments for 'lastsave' command
        ",
    );
}

#[test]
fn bgrewriteaof_answers_at_once() {
    check(
        "
        > BGREWRITEAOF
        < +Background append only file rewriting started
        > BGREWRITEAOF x
        < -ERR wrong number of arguments for 'bgrewriteaof' command
        ",
    );
    let server = Server::start();
    let mut client = server.connect();
    client.ask(&["BGREWRITEAOF"]);
    until("it is compact", || figure(&mut client, "persistence", "aof_rewrite_in_progress") == 0);
    assert!(lines(&mut client, "persistence").contains(&"aof_last_bgrewrite_status:ok".to_owned()));
}

#[test]
fn bgsave_answers_at_once() {
    check(
        "
        > BGSAVE
        < +Background saving started
        > BGSAVE nonsense
        < -ERR syntax error
        > BGSAVE SCHEDULE SCHEDULE
        < -ERR syntax error
        ",
    );
    check(
        "
        > bgsave schedule
        < +Background saving started
        ",
    );
    let server = Server::start();
    let mut client = server.connect();
    client.ask(&["SADD", "k", "a"]);
    assert!(figure(&mut client, "persistence", "rdb_changes_since_last_save") > 0);
    client.ask(&["BGSAVE"]);
    until("it is saved", || figure(&mut client, "persistence", "rdb_changes_since_last_save") == 0);
}

#[test]
fn shutdown_refuses_what_it_does_not_understand() {
    check(
        "
        > SHUTDOWN nonsense
        < -ERR syntax error
        > SHUTDOWN SAVE NOSAVE
        < -ERR syntax error
        > SHUTDOWN ABORT NOW
        < -ERR syntax error
        > SHUTDOWN ABORT
        < -ERR No shutdown in progress.
        > PING
        < +PONG
        ",
    );
}

#[test]
fn shutdown_ends_the_server_and_what_was_acknowledged_is_there_at_the_next_start() {
    for words in ["SHUTDOWN", "shutdown nosave", "SHUTDOWN NOW FORCE SAVE"] {
        let server = Server::start();
        let mut other = server.connect();
        run(&mut other, 2, "> SADD k a b\n< :2");
        run(&mut server.connect(), 2, "> SADD k c\n> SREM k a\n< :1\n< :1");
        run(&mut server.connect(), 2, &format!("> {words}\n< closed"));
        assert_eq!(other.rest(), b"", "the others are closed, too");
        let server = Server::start_in(server.wait(), Setup::default());
        assert_eq!(sort(&server.connect().ask(&["SMEMBERS", "k"])), b"*2\r\n$1\r\nb\r\n$1\r\nc\r\n");
    }
}

#[test]
fn shutdown_amid_writes_loses_nothing_that_was_acknowledged() {
    let server = Server::start();
    let clients: Vec<Client> = (0..4).map(|_| server.connect()).collect();
    let enough = Barrier::new(clients.len() + 1);
    let acknowledged: Vec<String> = thread::scope(|scope| {
        let enough = &enough;
        let write = |(writer, client)| scope.spawn(move || write_until_closed(client, writer, enough));
        let writers: Vec<_> = clients.into_iter().enumerate().map(write).collect();
        enough.wait();
        server.connect().send(b"SHUTDOWN\r\n");
        writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect()
    });
    assert!(acknowledged.len() >= 200);
    let server = Server::start_in(server.wait(), Setup::default());
    let words: Vec<&str> = ["SMISMEMBER", "k"].into_iter().chain(acknowledged.iter().map(|m| &**m)).collect();
    let expected = format!("*{}\r\n{}", acknowledged.len(), ":1\r\n".repeat(acknowledged.len()));
    assert_eq!(server.connect().ask(&words), expected.into_bytes());
}

/// Adds members until the server closes the connection, waits for the others once it has added some. Returns
/// those that were acknowledged.
fn write_until_closed(mut client: Client, writer: usize, enough: &Barrier) -> Vec<String> {
    let mut acknowledged = Vec::new();
    for number in 0.. {
        if number == 50 {
            enough.wait();
        }
        let member = format!("{writer}-{number}");
        if client.try_ask(&["SADD", "k", &member]).is_none_or(|reply| reply != ":1\r\n") {
            break;
        }
        acknowledged.push(member);
    }
    acknowledged
}

#[test]
fn all_databases_are_there_at_the_next_start() {
    let server = Server::start();
    let mut client = server.connect();
    for database in 0..16 {
        client.ask(&["SELECT", &database.to_string()]);
        client.ask(&["SADD", "k", &format!("in-{database}"), "gone", ""]);
        client.ask(&["SREM", "k", "gone"]);
        client.ask(&["SADD", "removed", "a"]);
        client.ask(&["DEL", "removed"]);
    }
    client.ask(&["FLUSHDB"]);
    client.ask(&["SADD", "\0\r\n", "last"]);
    client.send(b"SHUTDOWN\r\n");
    let server = Server::start_in(server.wait(), Setup::default());
    let mut client = server.connect();
    for database in 0..15 {
        client.ask(&["SELECT", &database.to_string()]);
        let member = format!("in-{database}");
        assert_eq!(client.ask(&["SMISMEMBER", "k", &member, "", "gone"]), b"*3\r\n:1\r\n:1\r\n:0\r\n");
        assert_eq!(client.ask(&["DBSIZE"]), b":1\r\n");
    }
    client.ask(&["SELECT", "15"]);
    assert_eq!(client.ask(&["KEYS", "*"]), b"*1\r\n$3\r\n\0\r\n\r\n");
}
