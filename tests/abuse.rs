//! What clients may do to the daemon, by mistake or on purpose: its memory stays bounded, and other clients are served.
//!
//! No assertion depends on how fast the machine is. Figures are printed:
//!
//! ```text
//! cargo test --release --test abuse -- --nocapture
//! REVOKED_ABUSE_ROUNDS=100000 cargo test --release --test abuse latency -- --nocapture --test-threads 1
//! ```
//!
//! The first shows what a connection takes; the second measures what a client notices of the abuse of others over so many
//! round trips, where a plain run has a thousand. 10,000 connections take as many open files here and in the daemon:
//! the limit is raised as far as the hard one (`ulimit -Hn`), which must be above 13,000.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit, setrlimit};
use socket2::{Domain, Socket, Type};

use support::process::{
    Client, Daemon, Frame, Home, PATIENCE, encode, error, free_port, integer, simple, strings,
};

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

/// One connection more, from an address of its own for some thousands of them: ports are used up otherwise.
fn connect(daemon: &Daemon, index: usize) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let source = [127, 0, 0, 1 + u8::try_from(index / 4_000).unwrap()];
    socket.bind(&SocketAddr::from((source, 0)).into()).unwrap();
    socket.connect(&SocketAddr::from(([127, 0, 0, 1], daemon.port)).into()).unwrap();
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn connect_all(daemon: &Daemon, count: usize) -> Vec<TcpStream> {
    let connections = (0..count).map(|index| connect(daemon, index)).collect();
    wait_until(|| figure(daemon, "connected_clients") > count as u64);
    connections
}

/// Has the test hold as many files open as it needs.
fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
}

fn wait_until(is_so: impl Fn() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < PATIENCE, "it never came to be");
        std::thread::yield_now();
    }
}

/// A field of INFO.
fn figure(daemon: &Daemon, name: &str) -> u64 {
    let Frame::BulkString(text) = daemon.connect().ask(&["INFO"]) else { panic!("no text") };
    let text = String::from_utf8(text.to_vec()).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("{name} in {text}")).parse().unwrap()
}

/// What the kernel says that the daemon takes, in bytes.
fn resident(daemon: &Daemon) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * KIB
}

/// All that comes until the daemon closes the connection.
fn rest(mut stream: &TcpStream) -> String {
    let mut rest = Vec::new();
    if let Err(error) = stream.read_to_end(&mut rest) {
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "{error}");
    }
    String::from_utf8_lossy(&rest).into_owned()
}

/// A request as far as it can be without being complete.
fn begun(request: &[&str]) -> Vec<u8> {
    let mut bytes = encode(request);
    bytes.truncate(bytes.len() - 1);
    bytes
}

mod a_stream_that_is_no_request {
    use super::*;

    #[test]
    fn costs_the_sender_its_connection_and_nobody_else_anything() {
        let daemon = Home::new().start();
        let other = daemon.connect();
        let before = resident(&daemon);
        for (bytes, expected) in [
            (b"*1\r\n".repeat(100_000), "-ERR Protocol error: expected '$', got '*'\r\n"),
            (b"*1048577\r\n".to_vec(), "-ERR Protocol error: invalid multibulk length\r\n"),
            (b"*9223372036854775807\r\n".to_vec(), "-ERR Protocol error: invalid multibulk length\r\n"),
            (b"*1\r\n$536870913\r\n".to_vec(), "-ERR Protocol error: invalid bulk length\r\n"),
            (b"*1\r\n$-2\r\n".to_vec(), "-ERR Protocol error: invalid bulk length\r\n"),
            (b"*1\r\n$9223372036854775808\r\n".to_vec(), "-ERR Protocol error: invalid bulk length\r\n"),
            (vec![b'a'; 70_000], "-ERR Protocol error: too big inline request\r\n"),
            (vec![b'*'; 70_000], "-ERR Protocol error: too big mbulk count string\r\n"),
        ] {
            for _ in 0..20 {
                let mut stream = connect(&daemon, 0);
                // The daemon may have closed it before all was sent.
                let _ = stream.write_all(&bytes);
                let _ = stream.shutdown(Shutdown::Write);
                let answer = rest(&stream);
                // A reset may overtake the reply where more was sent than the daemon cares to read.
                assert!(answer == expected || answer.is_empty(), "{answer}");
                assert_eq!(other.ask(&["PING"]), simple("PONG"));
            }
        }
        let grown = resident(&daemon).saturating_sub(before);
        assert!(grown < 32 * MIB, "{grown} bytes");
    }

    #[test]
    fn is_http_and_is_closed_and_the_log_says_so_seldom() {
        let daemon = Home::new().start();
        for head in ["POST / HTTP/1.1\r\nHost: x\r\n", "GET / HTTP/1.1\r\nHost: x\r\n", "HOST: x\r\n"] {
            for _ in 0..100 {
                let mut stream = connect(&daemon, 0);
                stream
                    .write_all(
                        format!("{head}Content-Length: 22\r\n\r\nSADD revoked injected\r\n").as_bytes(),
                    )
                    .unwrap();
                assert!(!rest(&stream).contains(":1"), "its body is no command");
            }
        }
        assert_eq!(daemon.connect().ask(&["EXISTS", "revoked"]), integer(0));
        let lines = daemon.log().lines().filter(|line| line.contains("A request in HTTP")).count();
        assert!((1..10).contains(&lines), "{}", daemon.log());
    }
}

mod before_authentication {
    use super::*;

    #[test]
    fn a_request_has_ten_arguments_of_16_kib_at_most() {
        let daemon = Home::with_options(&["--requirepass", "secret"]).start();
        let word = "w".repeat(16 * 1024 + 1);
        let error = |what| format!("-ERR Protocol error: unauthenticated {what} length\r\n");
        for (bytes, expected) in [
            (b"*11\r\n".to_vec(), error("multibulk")),
            (b"*1\r\n$16385\r\n".to_vec(), error("bulk")),
            (b"a b c d e f g h i j k\r\n".to_vec(), error("multibulk")),
            (format!("AUTH {word}\r\n").into_bytes(), error("bulk")),
        ] {
            let mut stream = connect(&daemon, 0);
            stream.write_all(&bytes).unwrap();
            assert_eq!(rest(&stream), expected);
        }
        let client = daemon.connect();
        assert_eq!(client.ask(&["AUTH", "secret"]), simple("OK"));
        assert_eq!(client.ask(&["ECHO", &word]), Frame::BulkString(word.into()));
    }
}

mod requests_that_never_end {
    use super::*;

    /// The length is believed when the bytes are there.
    #[test]
    fn take_the_memory_of_what_was_sent_not_of_what_was_announced() {
        let daemon = Home::new().start();
        let before = resident(&daemon);
        let mut connections = connect_all(&daemon, 500);
        for connection in &mut connections {
            connection.write_all(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$536870912\r\nvvvv").unwrap();
        }
        wait_until(|| figure(&daemon, "total_net_input_bytes") > 500 * 40);
        let each = resident(&daemon).saturating_sub(before) / 500;
        println!("A connection that announced 512 MB and sent 4 bytes takes {each} bytes");
        assert!(each < 64 * KIB, "{each} bytes");
        assert_eq!(daemon.connect().ask(&["EXISTS", "k"]), integer(0));
    }

    #[test]
    fn take_about_what_was_sent_and_can_be_completed() {
        let daemon = Home::new().start();
        let before = resident(&daemon);
        let member = "m".repeat(20_000);
        let mut connections = connect_all(&daemon, 1_000);
        for connection in &mut connections {
            connection.write_all(&begun(&["SADD", "k", &member])).unwrap();
        }
        wait_until(|| figure(&daemon, "total_net_input_bytes") > 1_000 * 20_000);
        let each = resident(&daemon).saturating_sub(before) / 1_000;
        println!("A connection with 20 KB of a request that is not complete takes {each} bytes");
        assert!(each < 96 * KIB, "{each} bytes");
        assert_eq!(daemon.connect().ask(&["EXISTS", "k"]), integer(0));
        for connection in &mut connections {
            connection.write_all(b"\n").unwrap();
        }
        wait_until(|| daemon.connect().ask(&["SCARD", "k"]) == integer(1));
    }

    #[test]
    fn may_come_a_byte_at_a_time() {
        let daemon = Home::new().start();
        let mut connections = connect_all(&daemon, 50);
        let request = encode(&["SADD", "k", "member"]);
        for byte in &request {
            for connection in &mut connections {
                connection.write_all(&[*byte]).unwrap();
            }
            assert_eq!(daemon.connect().ask(&["PING"]), simple("PONG"));
        }
        let replies: Vec<_> = connections
            .iter_mut()
            .map(|connection| {
                let mut reply = [0; 4];
                connection.read_exact(&mut reply).unwrap();
                reply
            })
            .collect();
        assert_eq!(replies.iter().filter(|reply| *reply == b":1\r\n").count(), 1);
        assert_eq!(replies.iter().filter(|reply| *reply == b":0\r\n").count(), 49);
    }
}

mod clients_that_never_read {
    use super::*;

    const VALUE_BYTES: usize = 1024 * 1024;

    fn with_a_long_value(options: &[&str]) -> Daemon {
        let daemon = Home::with_options(options).start();
        let value = "v".repeat(VALUE_BYTES);
        assert_eq!(daemon.connect().ask(&["SET", "long", &value]), simple("OK"));
        daemon
    }

    #[test]
    fn wait_with_one_reply_each_however_many_they_have_asked_for() {
        let daemon = with_a_long_value(&[]);
        let before = figure(&daemon, "used_memory");
        let mut connections = connect_all(&daemon, 40);
        for connection in &mut connections {
            connection.write_all(&encode(&["GET", "long"]).repeat(1_000)).unwrap();
        }
        wait_until(|| figure(&daemon, "total_net_input_bytes") > 40 * 1_000 * 20);
        let each = figure(&daemon, "used_memory").saturating_sub(before) / 40;
        println!("A client that asked for 1,000 values of 1 MiB and reads none takes {each} bytes");
        // A reply as it was built, the same as it was encoded, and as much again for a buffer that had to grow.
        assert!(each < 4 * VALUE_BYTES as u64, "{each} bytes");
    }

    /// The reads behind a write are the writer's: it must not gather what nobody takes.
    #[test]
    fn wait_with_few_replies_each_where_these_stand_behind_a_write() {
        let daemon = with_a_long_value(&[]);
        let before = figure(&daemon, "used_memory");
        let mut connections = connect_all(&daemon, 40);
        let requests = [encode(&["SADD", "k", "m"]), encode(&["GET", "long"]).repeat(1_000)].concat();
        for connection in &mut connections {
            connection.write_all(&requests).unwrap();
        }
        wait_until(|| figure(&daemon, "total_net_input_bytes") > 40 * 1_000 * 20);
        let each = figure(&daemon, "used_memory").saturating_sub(before) / 40;
        println!("The same behind a write: {each} bytes");
        assert!(each < 8 * VALUE_BYTES as u64, "{each} bytes");
        let peak = figure(&daemon, "used_memory_peak");
        assert!(peak < before + 40 * 8 * VALUE_BYTES as u64, "{peak} bytes");
    }

    #[test]
    fn get_all_replies_in_order_once_they_read() {
        let daemon = with_a_long_value(&[]);
        let client = daemon.connect();
        let mut requests = vec![vec!["SADD", "k", "m"], vec!["GET", "long"], vec!["GET", "long"]];
        requests.extend([vec!["SADD", "k", "n"], vec!["GET", "long"], vec!["SCARD", "k"]]);
        let replies = client.ask_all(&requests);
        let long = Frame::BulkString("v".repeat(VALUE_BYTES).into());
        assert!(replies == [integer(1), long.clone(), long.clone(), integer(1), long, integer(2)]);
    }

    #[test]
    fn are_disconnected_at_the_hard_limit() {
        let daemon = with_a_long_value(&["--client-output-buffer-limit", "normal 100kb 0 0"]);
        let mut connections = connect_all(&daemon, 20);
        for connection in &mut connections {
            // So much that the system's own buffers can't take it.
            connection.write_all(&encode(&["GET", "long"]).repeat(64)).unwrap();
        }
        wait_until(|| figure(&daemon, "client_output_buffer_limit_disconnections") == 20);
        let lines = daemon.log().lines().filter(|line| line.contains("client-output-buffer-limit")).count();
        assert!((1..10).contains(&lines), "{}", daemon.log());
    }

    #[test]
    fn are_disconnected_when_they_were_beyond_the_soft_limit_for_too_long() {
        let daemon = with_a_long_value(&[]);
        let limit = ["CONFIG", "SET", "client-output-buffer-limit", "normal 0 100kb 1"];
        assert_eq!(daemon.connect().ask(&limit), simple("OK"));
        let mut connection = connect(&daemon, 0);
        connection.write_all(&encode(&["GET", "long"]).repeat(64)).unwrap();
        wait_until(|| figure(&daemon, "client_output_buffer_limit_disconnections") == 1);
    }
}

mod idle_clients {
    use super::*;

    #[test]
    fn are_disconnected_after_timeout_but_for_subscribers_monitors_and_paused_ones() {
        let daemon = Home::new().start();
        let (idle, subscriber, monitor) = (daemon.connect(), daemon.connect(), daemon.connect());
        subscriber.ask(&["SUBSCRIBE", "channel"]);
        monitor.ask(&["MONITOR"]);
        assert_eq!(idle.ask(&["CLIENT", "PAUSE", "100000", "WRITE"]), simple("OK"));
        let paused = daemon.connect();
        paused.send(&encode(&["SADD", "k", "m"])).unwrap();
        assert_eq!(daemon.connect().ask(&["CONFIG", "SET", "timeout", "1"]), simple("OK"));
        assert_eq!(idle.receive().unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        let client = daemon.connect();
        assert_eq!(client.ask(&["CLIENT", "UNPAUSE"]), simple("OK"));
        assert_eq!(paused.receive().unwrap(), integer(1));
        assert_eq!(client.ask(&["PUBLISH", "channel", "message"]), integer(1));
        assert_eq!(strings(&subscriber.receive().unwrap()), [&b"message"[..], b"channel", b"message"]);
        assert!(matches!(monitor.receive().unwrap(), Frame::SimpleString(_)));
    }

    /// The write waits for as long as a program holds the data file.
    #[test]
    fn are_not_those_whose_command_is_under_way() {
        let home = Home::with_options(&["--timeout", "1"]);
        let daemon = home.start();
        let waiting = daemon.connect();
        assert_eq!(waiting.ask(&["SADD", "k", "a"]), integer(1));
        let program = rusqlite::Connection::open(home.data_file()).unwrap();
        program.execute_batch("BEGIN IMMEDIATE").unwrap();
        waiting.send(&encode(&["SADD", "k", "b"])).unwrap();
        let idle = daemon.connect();
        assert_eq!(idle.receive().unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        program.execute_batch("ROLLBACK").unwrap();
        assert_eq!(waiting.receive().unwrap(), integer(1));
    }

    #[test]
    fn who_takes_no_replies_is_one_of_them() {
        let daemon = Home::with_options(&["--timeout", "1"]).start();
        let mut connection = connect(&daemon, 0);
        connection.write_all(&encode(&["COMMAND", "DOCS"]).repeat(200)).unwrap();
        wait_until(|| figure(&daemon, "connected_clients") == 1);
    }
}

mod a_lack_of_file_descriptors {
    use super::*;

    #[test]
    fn leaves_who_is_connected_alone_is_logged_seldom_and_passes() {
        let daemon = Home::new().start();
        let connected: Vec<_> = (0..20).map(|_| daemon.connect()).collect();
        for client in &connected {
            assert_eq!(client.ask(&["PING"]), simple("PONG"));
        }
        let pid = Pid::from_raw(i32::try_from(daemon.pid()).unwrap());
        let limit =
            prlimit(pid, Resource::Nofile, Rlimit { current: Some(10), maximum: Some(1_000) }).unwrap();
        assert!(limit.current > Some(20));
        let waiting: Vec<_> = (0..20).map(|_| daemon.connect()).collect();
        for client in &waiting {
            client.send(&encode(&["PING"])).unwrap();
        }
        daemon.wait_for_log("Accepting a connection failed");
        for (at, client) in connected.iter().enumerate() {
            assert_eq!(client.ask(&["SADD", "k", &at.to_string()]), integer(1));
        }
        prlimit(pid, Resource::Nofile, Rlimit { current: Some(1_000), maximum: Some(1_000) }).unwrap();
        for client in &waiting {
            assert_eq!(client.receive().unwrap(), simple("PONG"));
        }
        let lines =
            daemon.log().lines().filter(|line| line.contains("Accepting a connection failed")).count();
        assert!((1..10).contains(&lines), "{}", daemon.log());
    }
}

mod a_peer_that_is_gone {
    use super::*;

    /// Whether the kernel has a keepalive timer for the daemon's end of the connection.
    fn is_probed(daemon: &Daemon, connection: &TcpStream) -> bool {
        let hex = |port: u16| format!("0100007F:{port:04X}");
        let (local, remote) = (hex(daemon.port), hex(connection.local_addr().unwrap().port()));
        let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
        let row = table.lines().map(|line| line.split_ascii_whitespace().collect::<Vec<_>>());
        let timer =
            row.filter(|row| row[1] == local && row[2] == remote).map(|row| row[5].starts_with("02:")).next();
        timer.unwrap()
    }

    #[test]
    fn is_probed_for_as_tcp_keepalive_says() {
        for (seconds, expected) in [("300", true), ("0", false)] {
            let daemon = Home::with_options(&["--tcp-keepalive", seconds]).start();
            let connection = connect(&daemon, 0);
            wait_until(|| figure(&daemon, "connected_clients") == 2);
            assert_eq!(is_probed(&daemon, &connection), expected);
        }
    }
}

mod ten_thousand_connections {
    use super::*;

    const CONNECTIONS: usize = 10_000;

    #[test]
    fn take_little_memory_each_and_are_served() {
        raise_open_files();
        let daemon = Home::with_options(&["--maxclients", "10100"]).start();
        let (before, used) = (resident(&daemon), figure(&daemon, "used_memory"));
        let mut connections = connect_all(&daemon, CONNECTIONS);
        for connection in &mut connections {
            connection.write_all(b"PING\r\n").unwrap();
        }
        for connection in &mut connections {
            let mut reply = [0; 7];
            connection.read_exact(&mut reply).unwrap();
            assert_eq!(&reply, b"+PONG\r\n");
        }
        let each = resident(&daemon).saturating_sub(before) / CONNECTIONS as u64;
        let used = (figure(&daemon, "used_memory") - used) / CONNECTIONS as u64;
        println!("An idle connection takes {each} bytes, {used} of them allocated");
        assert!(each < 32 * KIB, "{each} bytes");
        drop(connections);
        wait_until(|| figure(&daemon, "connected_clients") == 1);
    }

    /// One more is told so, and none is let in for as long as all are there.
    #[test]
    fn are_no_more_than_maxclients() {
        let daemon = Home::with_options(&["--maxclients", "50"]).start();
        let kept: Vec<_> = (0..50).map(|_| daemon.connect()).collect();
        for client in &kept {
            assert_eq!(client.ask(&["PING"]), simple("PONG"));
        }
        for _ in 0..100 {
            assert_eq!(rest(&connect(&daemon, 0)), "-ERR max number of clients reached\r\n");
        }
        assert_eq!(kept[0].ask(&["SADD", "k", "m"]), integer(1));
        drop(kept);
        wait_until(|| {
            Client::connect(daemon.port).is_ok_and(|client| {
                client.send(&encode(&["PING"])).is_ok()
                    && client.receive().is_ok_and(|reply| reply == simple("PONG"))
            })
        });
    }
}

mod latency {
    use super::*;

    /// Round trips that are measured.
    fn rounds() -> usize {
        std::env::var("REVOKED_ABUSE_ROUNDS").map_or(1_000, |rounds| rounds.parse().unwrap())
    }

    /// A daemon with a set, and a client of it.
    fn served() -> (Daemon, Client) {
        let daemon = Home::with_options(&["--maxclients", "10100"]).start();
        let client = daemon.connect();
        for member in 0..100 {
            client.ask(&["SADD", "k", &member.to_string()]);
        }
        client.ask(&["SET", "long", &"v".repeat(1024 * 1024)]);
        (daemon, client)
    }

    /// Has both clients asked in turn, so that whatever else the machine does befalls both, and prints within which time
    /// half, and 99 of 100, of the round trips of each were answered.
    fn compare(abused: &Client, other: &Client, what: [&str; 2]) {
        let ask = |client: &Client, round: usize| {
            let started = Instant::now();
            let member = (round % 100).to_string();
            assert_eq!(client.ask(&["SISMEMBER", "k", &member]), integer(1));
            started.elapsed()
        };
        let (mut took, mut others): (Vec<_>, Vec<_>) =
            (0..rounds()).map(|round| (ask(abused, round), ask(other, round))).unzip();
        let percentiles = |took: &mut Vec<Duration>| {
            took.sort_unstable();
            [took[took.len() / 2], took[took.len() * 99 / 100]]
        };
        let ([p50, p99], [other_p50, other_p99]) = (percentiles(&mut took), percentiles(&mut others));
        let ratio = |during: Duration, before: Duration| during.as_secs_f64() / before.as_secs_f64();
        println!(
            "SISMEMBER {}: p50 {p50:?}, p99 {p99:?}; {}: p50 {other_p50:?}, p99 {other_p99:?}; ratios {:.2}, {:.2}",
            what[0],
            what[1],
            ratio(p50, other_p50),
            ratio(p99, other_p99)
        );
    }

    /// Sends these pieces, each by itself, to the end of the connection.
    fn send_pieces<'a>(daemon: &Daemon, pieces: impl IntoIterator<Item = &'a [u8]>) -> String {
        let mut stream = connect(daemon, 0);
        stream.set_nodelay(true).unwrap();
        for piece in pieces {
            // The daemon may have closed it before all was sent.
            let _ = stream.write_all(piece);
        }
        let _ = stream.shutdown(Shutdown::Write);
        rest(&stream)
    }

    /// Each of the round trips is answered; how fast is printed.
    #[test]
    fn of_a_client_is_measured_while_abuse_is_held_open() {
        raise_open_files();
        let ((daemon, client), (_quiet, other)) = (served(), served());
        let mut connections = connect_all(&daemon, 1_000);
        let (half, others) = connections.split_at_mut(500);
        for connection in half {
            connection.write_all(&begun(&["SADD", "k", &"m".repeat(1_000)])).unwrap();
        }
        let (deaf, announced) = others.split_at_mut(20);
        for connection in deaf {
            connection.write_all(&encode(&["GET", "long"]).repeat(1_000)).unwrap();
        }
        for connection in announced {
            connection.write_all(b"*3\r\n$3\r\nSET\r\n$1\r\nl\r\n$536870912\r\nv").unwrap();
        }
        wait_until(|| figure(&daemon, "total_net_input_bytes") > 500 * 1_000 + 20 * 23_000 + 480 * 40);
        compare(&client, &other, ["with 1,000 connections of abuse", "without"]);
    }

    /// The same while a client sends abuse as fast as it can, to one daemon; to the other, as many requests that are in
    /// order, which take its time as well.
    #[test]
    fn of_a_client_is_measured_beside_one_that_sends_abuse() {
        let ((daemon, client), (orderly, other)) = (served(), served());
        let ping = encode(&["PING"]);
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !is_over.load(Relaxed) {
                    send_pieces(&daemon, [&*b"*1\r\n".repeat(1_000)]);
                    assert_eq!(send_pieces(&daemon, ping.chunks(1)), "+PONG\r\n");
                    send_pieces(&orderly, [&*b"PING\r\n".repeat(700)]);
                    send_pieces(&orderly, ping.iter().map(|_| &ping[..]));
                }
            });
            compare(&client, &other, ["beside nested arrays, and a byte at a time", "beside as many PINGs"]);
            is_over.store(true, Relaxed);
        });
    }
}

mod memory_at_its_bound {
    use super::*;

    /// A revocation of its own for each number.
    fn member(number: usize) -> String {
        format!("{number:08x}-0000-4000-8000-{number:012x}")
    }

    const BATCH: usize = 500;

    const REFUSAL: &str = "OOM command not allowed when used memory > 'maxmemory'.";

    fn ask_each(client: &Client, command: &str, numbers: &[usize]) -> Vec<Frame> {
        let members: Vec<_> = numbers.iter().map(|&number| member(number)).collect();
        let requests: Vec<Vec<&str>> =
            members.iter().map(|member| vec![command, "revoked", member]).collect();
        client.ask_all(&requests)
    }

    /// Revokes one after the other from `number` on until one is refused. Adds those that are acknowledged, of which some
    /// may come behind one that is not: in between a little memory is given back.
    fn fill(client: &Client, mut number: usize, revoked: &mut Vec<usize>) {
        let mut is_full = false;
        while !is_full {
            let numbers: Vec<_> = (number..number + BATCH).collect();
            for (&number, reply) in numbers.iter().zip(ask_each(client, "SADD", &numbers)) {
                if reply == integer(1) {
                    revoked.push(number);
                } else {
                    assert_eq!(error(&reply), REFUSAL);
                    is_full = true;
                }
            }
            number += BATCH;
        }
    }

    fn assert_all_revoked(client: &Client, revoked: &[usize]) {
        assert_eq!(client.ask(&["SCARD", "revoked"]), integer(revoked.len()));
        for numbers in revoked.chunks(BATCH) {
            assert!(ask_each(client, "SISMEMBER", numbers).iter().all(|reply| *reply == integer(1)));
        }
    }

    #[test]
    fn it_refuses_drops_nothing_makes_room_by_deletion_and_keeps_all_over_a_restart() {
        let home = Home::with_options(&["--appendfsync", "no"]);
        let daemon = home.start();
        let client = daemon.connect();
        let bound = figure(&daemon, "used_memory") + 4 * MIB;
        client.ask(&["SET", "before", "1"]);
        assert_eq!(client.ask(&["CONFIG", "SET", "maxmemory", &bound.to_string()]), simple("OK"));

        let mut revoked = Vec::new();
        fill(&client, 0, &mut revoked);
        let used = figure(&daemon, "used_memory");
        println!("{} revocations are held; {used} bytes are used where {bound} may be", revoked.len());
        assert!(revoked.len() > 10_000, "{}", revoked.len());
        // A commit of what was read at once: a few hundred members.
        assert!(used < bound + 2 * MIB, "{used} of {bound} bytes");
        assert_all_revoked(&client, &revoked);

        // Reads, deletions and ends go on.
        assert_eq!(client.ask(&["GET", "before"]), Frame::BulkString("1".into()));
        assert_eq!(client.ask(&["EXPIRE", "before", "1000"]), integer(1));
        let mut kept = revoked.split_off(revoked.len() / 2);
        for numbers in revoked.chunks(BATCH) {
            assert!(ask_each(&client, "SREM", numbers).iter().all(|reply| *reply == integer(1)));
        }
        assert!(figure(&daemon, "used_memory") < bound - MIB, "deletion brings it down");
        let before = kept.len();
        fill(&client, 1_000_000, &mut kept);
        assert!(kept.len() > before + before / 4, "{} and {before}: there is room again", kept.len());

        daemon.kill();
        let home = home.with_argument(&format!("--maxmemory={MIB}"));
        let daemon = home.start();
        daemon.wait_for_log("takes more than maxmemory: all of it is loaded");
        let client = daemon.connect();
        assert_all_revoked(&client, &kept);
        assert_eq!(error(&client.ask(&["SADD", "revoked", "one more"])), REFUSAL);
        daemon.stop();
    }

    #[test]
    fn no_other_policy_than_noeviction_is_taken() {
        let home = Home::new();
        let output = home.run(&["--maxmemory-policy", "allkeys-lru"]);
        assert_eq!(output.status.code(), Some(78));
        let message = String::from_utf8(output.stderr).unwrap();
        assert!(message.contains("a live revocation is never dropped to make room"), "{message}");
        let client = home.start_on(free_port());
        let refused = client.connect().ask(&["CONFIG", "SET", "maxmemory-policy", "volatile-lru"]);
        assert!(error(&refused).contains("a live revocation is never dropped to make room"), "{refused:?}");
    }
}
