//! SLOWLOG, LATENCY, and the durations in INFO.

use crate::script::{check, connect, elements, integer, string, text};
use crate::support::server::{Client, Server};

/// The requests in SLOWLOG, the latest first, each as words with spaces between.
fn slow(client: &mut Client) -> Vec<String> {
    let entries = elements(&client.ask(&["SLOWLOG", "GET", "-1"]));
    let words = |entry: &Vec<u8>| {
        let arguments = elements(&elements(entry)[3]);
        let words: Vec<_> =
            arguments.iter().map(|word| String::from_utf8_lossy(string(word)).into_owned()).collect();
        words.join(" ")
    };
    entries.iter().map(words).collect()
}

#[test]
fn slowlog_keeps_what_took_long_and_hides_passwords() {
    let server = Server::start();
    for protocol in [2, 3] {
        let mut client = connect(&server, protocol);
        client.ask(&["CONFIG", "SET", "slowlog-log-slower-than", "0"]);
        client.ask(&["SLOWLOG", "RESET"]);
        client.ask(&["AUTH", "default", "secret"]);
        client.ask(&["HELLO", &protocol.to_string(), "AUTH", "default", "secret", "SETNAME", "me"]);
        client.ask(&["CONFIG", "SET", "requirepass", ""]);
        client.ask(&["NOSUCH"]);
        client.ask(&["SADD"]);
        client.ask(&["SADD", "k", "a"]);
        for words in [&["MULTI"][..], &["SREM", "k", "a"], &["ECHO", "x"], &["EXEC"]] {
            client.ask(words);
        }
        client.ask(&["SISMEMBER", "k", "a"]);
        let hello = format!("HELLO {protocol} AUTH (redacted) (redacted) SETNAME me");
        let expected = [
            "SISMEMBER k a",
            "ECHO x",
            "SREM k a",
            "MULTI",
            "SADD k a",
            "CONFIG SET requirepass (redacted)",
            &hello,
            "AUTH (redacted) (redacted)",
            "SLOWLOG RESET",
        ];
        assert_eq!(slow(&mut client), expected);
        assert_eq!(integer(&client.ask(&["SLOWLOG", "LEN"])), expected.len() as i64 + 1);
    }
}

#[test]
fn an_entry_says_who_and_when_and_how_long() {
    let server = Server::start();
    let mut client = server.connect();
    client.ask(&["CLIENT", "SETNAME", "me"]);
    client.ask(&["CONFIG", "SET", "slowlog-log-slower-than", "0"]);
    client.ask(&["SADD", "k", &"x".repeat(200)]);
    let many: Vec<String> =
        ["SADD", "k"].map(str::to_owned).into_iter().chain((0..40).map(|m| m.to_string())).collect();
    client.ask(&many);
    client.ask(&["CONFIG", "SET", "slowlog-log-slower-than", "-1"]);
    client.ask(&["PING"]);
    let entries = elements(&client.ask(&["SLOWLOG", "GET", "2"]));
    let entry = elements(&entries[0]);
    assert_eq!(entry.len(), 6);
    assert!(integer(&entry[1]) > 1_600_000_000 && integer(&entry[2]) >= 0);
    let arguments = elements(&entry[3]);
    assert_eq!(arguments.len(), 32);
    assert_eq!(text(&arguments[31]), "... (11 more arguments)");
    assert!(text(&entry[4]).starts_with("127.0.0.1:"));
    assert_eq!(text(&entry[5]), "me");
    let before = elements(&entries[1]);
    assert_eq!(integer(&before[0]) + 1, integer(&entry[0]), "numbers rise");
    assert_eq!(text(&elements(&before[3])[2]), format!("{}... (72 more bytes)", "x".repeat(128)));
}

#[test]
fn slowlog_takes_what_redis_takes() {
    check(
        "
        > CONFIG SET slowlog-log-slower-than -1
        < +OK
        > SLOWLOG RESET
        < +OK
        > SLOWLOG LEN
        < :0
        > slowlog get
        < *0
        > SLOWLOG GET -1
        < *0
        > SLOWLOG GET -2
        < -ERR count should be greater than or equal to -1
        > SLOWLOG GET x
        < -ERR count should be greater than or equal to -1
        > SLOWLOG GET 1 2
        < -ERR unknown subcommand or wrong number of arguments for 'GET'. Try SLOWLOG HELP.
        > SLOWLOG
        < -ERR wrong number of arguments for 'slowlog' command
        > SLOWLOG nosuch
        < -ERR unknown subcommand 'nosuch'. Try SLOWLOG HELP.
        ",
    );
}

#[test]
fn slowlog_keeps_the_latest() {
    let server = Server::start();
    let mut client = server.connect();
    client.ask(&["CONFIG", "SET", "slowlog-log-slower-than", "0", "slowlog-max-len", "3"]);
    for word in ["a", "b", "c", "d"] {
        client.ask(&["ECHO", word]);
    }
    assert_eq!(slow(&mut client), ["ECHO d", "ECHO c", "ECHO b"]);
    client.ask(&["CONFIG", "SET", "slowlog-max-len", "0"]);
    assert_eq!(client.ask(&["SLOWLOG", "LEN"]), b":0\r\n");
}

/// A pipeline of reads is measured as one; each of its requests is kept all the same.
#[test]
fn slowlog_keeps_each_request_of_a_pipeline() {
    let server = Server::start();
    let mut client = server.connect();
    client.ask(&["CONFIG", "SET", "slowlog-log-slower-than", "0"]);
    client.ask(&["SLOWLOG", "RESET"]);
    client.send(b"SADD k a\r\nSADD k b\r\nSISMEMBER k a\r\nSISMEMBER k b\r\nSMEMBERS k\r\nSMEMBERS x\r\n");
    (0..6).for_each(|_| drop(client.reply()));
    client.send(b"SISMEMBER k c\r\nSISMEMBER k d\r\n");
    (0..2).for_each(|_| drop(client.reply()));
    let kept = slow(&mut client);
    let mut expected = [
        "SADD k a",
        "SADD k b",
        "SISMEMBER k a",
        "SISMEMBER k b",
        "SMEMBERS k",
        "SMEMBERS x",
        "SISMEMBER k c",
        "SISMEMBER k d",
    ];
    expected.reverse();
    assert_eq!(kept[..8], expected);
}

#[test]
fn latency_takes_what_redis_takes() {
    check(
        "
        > LATENCY LATEST
        < *0
        > LATENCY HISTORY command
        < *0
        > LATENCY HISTORY nosuch
        < *0
        > LATENCY HISTORY
        < -ERR wrong number of arguments for 'latency|history' command
        > LATENCY GRAPH command
        < -ERR No samples available for event 'command'
        > LATENCY GRAPH nosuch
        < -ERR No samples available for event 'nosuch'
        > LATENCY RESET
        < :0
        > LATENCY RESET command nosuch
        < :0
        > LATENCY HISTOGRAM nosuch
        <2 *0
        <3 %0
        > LATENCY nosuch
        < -ERR unknown subcommand 'nosuch'. Try LATENCY HELP.
        > LATENCY
        < -ERR wrong number of arguments for 'latency' command
        ",
    );
    let server = Server::start();
    for protocol in [2, 3] {
        let report = connect(&server, protocol).ask(&["LATENCY", "DOCTOR"]);
        assert!(text(&report).contains("CONFIG SET latency-monitor-threshold <milliseconds>"));
    }
}

#[test]
fn latency_histogram_counts_calls_up_to_bounds_that_double() {
    let server = Server::start();
    for protocol in [2, 3] {
        let mut client = connect(&server, protocol);
        client.ask(&["CONFIG", "RESETSTAT"]);
        (0..3).for_each(|_| drop(client.ask(&["PING"])));
        client.ask(&["CLIENT", "ID"]);
        let found = elements(&client.ask(&["LATENCY", "HISTOGRAM", "PING", "client", "sadd"]));
        assert_eq!([&found[0], &found[2]].map(|name| text(name)).len(), 2);
        let mut names = [text(&found[0]), text(&found[2])];
        names.sort();
        assert_eq!(names, ["client|id", "ping"]);
        let ping = if text(&found[0]) == "ping" { &found[1] } else { &found[3] };
        let fields = elements(ping);
        assert_eq!((text(&fields[0]), integer(&fields[1])), ("calls".to_owned(), 3));
        assert_eq!(text(&fields[2]), "histogram_usec");
        let bounds: Vec<i64> = elements(&fields[3]).iter().map(|number| integer(number)).collect();
        assert!(!bounds.is_empty() && bounds.len().is_multiple_of(2));
        let (last, known) = (bounds[bounds.len() - 1], [1, 2, 4, 8, 16, 33, 66, 132, 264, 528]);
        assert_eq!(last, 3, "cumulative");
        assert!(bounds.iter().step_by(2).all(|bound| known.contains(bound) || *bound > 1000), "{bounds:?}");
        let info = text(&client.ask(&["INFO", "latencystats"]));
        assert!(info.contains("\r\nlatency_percentiles_usec_ping:p50="), "{info}");
    }
}
