//! Where clients find the server: its Unix socket.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use support::process::{Daemon, Home, PATIENCE};

const CONFIG: i32 = 78;

/// The code that says that a place to listen on is taken.
const UNAVAILABLE: i32 = 69;

mod a_unix_socket {
    use super::*;

    /// A daemon that listens on `socket` in its folder, and on no port.
    fn daemon(options: &[&str]) -> (Home, Daemon) {
        let home = Home::with_options(options);
        let socket = home.path("socket");
        let home = home.with_argument("--unixsocket").with_argument(socket.to_str().unwrap());
        let daemon = home.launch(0).ready().unwrap();
        (home, daemon)
    }

    #[test]
    fn serves_without_a_port_and_is_removed_in_the_end() {
        let (home, daemon) = daemon(&["--unixsocketperm", "770"]);
        let socket = home.path("socket");
        assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o770);
        assert_eq!(ask(&socket, "SADD revoked token"), ":1");
        assert_eq!(ask(&socket, "SISMEMBER revoked token"), ":1");
        daemon.stop();
        assert!(!socket.exists());
    }

    #[test]
    fn is_shown_as_redis_shows_it() {
        let (home, daemon) = daemon(&["--slowlog-log-slower-than", "0"]);
        let (socket, path) = (home.path("socket"), home.path("socket").display().to_string());
        let client = ask(&socket, "CLIENT INFO");
        assert!(client.contains(&format!(" addr={path}:0 laddr={path}:0 ")), "{client}");
        let info = ask(&socket, "INFO server");
        assert!(info.contains("tcp_port:0\r\n"), "{info}");
        assert!(info.contains(&format!("listener0:name=unix,bind={path}\r\n")), "{info}");
        let slow = ask(&socket, "SLOWLOG GET 1");
        assert!(slow.contains(&format!("{path}:0")), "{slow}");
        let monitor = UnixStream::connect(&socket).unwrap();
        monitor.set_read_timeout(Some(PATIENCE)).unwrap();
        (&monitor).write_all(b"MONITOR\r\n").unwrap();
        let mut lines = BufReader::new(&monitor).lines();
        assert_eq!(lines.next().unwrap().unwrap(), "+OK");
        ask(&socket, "PING");
        let line = lines.next().unwrap().unwrap();
        assert!(line.ends_with(&format!("[0 unix:{path}] \"PING\"")), "{line}");
        drop(daemon);
    }

    #[test]
    fn takes_a_long_pipeline() {
        let (home, _daemon) = daemon(&[]);
        let stream = UnixStream::connect(home.path("socket")).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        // More than the system holds for either side while nothing is read.
        let requests = 200_000;
        (&stream).write_all(&b"PING\r\n".repeat(requests)).unwrap();
        let mut replies = vec![0; b"+PONG\r\n".len() * requests];
        (&stream).read_exact(&mut replies).unwrap();
        assert!(replies == b"+PONG\r\n".repeat(requests));
    }

    #[test]
    fn of_a_daemon_that_was_killed_is_replaced() {
        let (home, daemon) = daemon(&[]);
        daemon.kill();
        assert!(home.path("socket").exists());
        let _daemon = home.launch(0).ready().unwrap();
        assert_eq!(ask(&home.path("socket"), "PING"), "+PONG");
    }

    #[test]
    fn on_which_somebody_listens_is_left_alone() {
        let home = Home::new();
        let socket = home.path("socket");
        let _other = UnixListener::bind(&socket).unwrap();
        let done = home.run(&["--unixsocket", socket.to_str().unwrap()]);
        assert_eq!(done.status.code(), Some(UNAVAILABLE));
        let log = String::from_utf8_lossy(&done.stderr).into_owned();
        let why = format!("can't listen on {}: another server listens there", socket.display());
        assert!(log.contains(&why), "{log}");
        UnixStream::connect(&socket).unwrap();
    }

    #[test]
    fn can_stand_beside_a_port() {
        let home = Home::new();
        let socket = home.path("socket");
        let daemon = home.with_argument("--unixsocket").with_argument(socket.to_str().unwrap()).start();
        daemon.connect().ask(&["SADD", "k", "m"]);
        assert_eq!(ask(&socket, "SCARD k"), ":1");
        TcpStream::connect(("127.0.0.1", daemon.port)).unwrap();
    }
}

#[test]
fn nothing_to_listen_on_is_a_fault_of_the_configuration() {
    let launched = Home::new().launch(0).ended();
    assert_eq!(launched.code, Some(CONFIG));
    assert!(launched.log.contains("nothing to listen on"), "{}", launched.log);
}

/// The reply to an inline command: its line, or all of it if it is longer.
fn ask(socket: &Path, command: &str) -> String {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(format!("{command}\r\nQUIT\r\n").as_bytes()).unwrap();
    let mut replies = String::new();
    stream.read_to_string(&mut replies).unwrap();
    replies.strip_suffix("\r\n+OK\r\n").unwrap().to_owned()
}
