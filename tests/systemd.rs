//! The daemon under systemd, which is played by the test: what it is told, and the sockets that it hands on.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::Instant;

use rustix::time::{ClockId, clock_gettime};

use support::process::{Client, Home, PATIENCE, encode, free_port, integer, simple, strings};

const CONFIG: i32 = 78;

/// Has the daemon take its standard input for a socket that it was given.
const ACTIVATE: [&str; 3] =
    ["sh", "-c", r#"exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" "$@""#];

mod notifications {
    use super::*;

    #[test]
    fn say_that_it_is_ready_once_it_serves_and_that_it_stops() {
        let (home, supervisor) = supervised(&[]);
        let daemon = home.launch(free_port());
        let ready = supervisor.wait_for("READY=1");
        assert!(ready.contains("STATUS=Serving 0 keys to 0 clients\n"), "{ready}");
        assert_eq!(daemon.connect().ask(&["PING"]), simple("PONG"));
        daemon.signal("TERM");
        supervisor.wait_for("STOPPING=1");
        assert_eq!(daemon.ended().code, Some(0));
    }

    #[test]
    fn say_how_far_the_replay_is_and_not_that_it_is_ready() {
        let (home, supervisor) = supervised(&[]);
        let daemon = home.launch(free_port());
        daemon.wait_for_log("Ready to accept");
        let client = daemon.connect();
        client.ask_all(
            &(0..100).map(|i| vec!["SADD".to_owned(), "k".to_owned(), i.to_string()]).collect::<Vec<_>>(),
        );
        daemon.stop();
        supervisor.wait_for("STOPPING=1");

        let daemon = home.launch_with_failpoints(free_port(), "writer.replayed=pause");
        let mut told = Vec::new();
        while !told.iter().any(|message: &String| message.contains("STATUS=Loading: 100 % (")) {
            told.push(supervisor.receive());
        }
        assert!(told.iter().any(|message| message.contains("EXTEND_TIMEOUT_USEC=")), "{told:?}");
        assert!(told.iter().all(|message| !message.contains("READY=1")), "{told:?}");
        daemon.kill();
    }

    #[test]
    fn say_that_the_configuration_is_read_anew() {
        let (home, supervisor) = supervised(&[]);
        let file = home.path("revoked.toml");
        fs::write(&file, "maxclients = 100\n").unwrap();
        let home = home.with_argument(file.to_str().unwrap());
        let daemon = home.launch(free_port());
        supervisor.wait_for("READY=1");

        fs::write(&file, "maxclients = 50\ndbfilename = \"other.db\"\n").unwrap();
        let before = monotonic_usec();
        daemon.signal("HUP");
        let reloading = supervisor.wait_for("RELOADING=1");
        let usec = reloading.lines().find_map(|line| line.strip_prefix("MONOTONIC_USEC=")).unwrap();
        assert!((before..=monotonic_usec()).contains(&usec.parse::<i64>().unwrap()), "{reloading}");
        supervisor.wait_for("READY=1");
        let client = daemon.connect();
        let value = |name: &str| strings(&client.ask(&["CONFIG", "GET", name])).pop().unwrap();
        assert_eq!(value("maxclients"), b"50");
        assert_eq!(value("dbfilename"), b"revoked.db");
        daemon.wait_for_log("dbfilename is \"other.db\" now: that takes a restart");

        fs::write(&file, "maxclients = 10\nmaxcleints = 20\n").unwrap();
        daemon.signal("HUP");
        supervisor.wait_for("READY=1");
        daemon.wait_for_log(&format!("stays as it was: {}:2: maxcleints", file.display()));
        assert_eq!(value("maxclients"), b"50");
    }

    #[test]
    fn say_nothing_of_the_configuration_while_the_data_is_loaded() {
        let (home, supervisor) = supervised(&[]);
        let daemon = home.launch_with_failpoints(free_port(), "writer.replayed=pause");
        supervisor.wait_for("STATUS=Loading: ");
        let read = || daemon.log().matches("Received SIGHUP: reading the configuration anew").count();
        daemon.signal("HUP");
        until(|| read() == 1);
        // Once the next is seen to, all was told that there was to tell of the first.
        daemon.signal("HUP");
        until(|| read() == 2);
        let told = supervisor.drain();
        let is_told = |what: &str| told.iter().any(|message| message.contains(what));
        assert!(!is_told("READY=1") && !is_told("RELOADING=1"), "{told:?}");
        daemon.kill();
    }

    #[test]
    fn keep_the_watchdog_quiet_while_the_writer_moves_and_no_longer() {
        let (home, supervisor) = supervised(&["WATCHDOG_USEC=300000"]);
        let daemon = home.launch_with_failpoints(free_port(), "writer.evaluated=pause");
        for _ in 0..3 {
            supervisor.wait_for("WATCHDOG=1");
        }
        let client = daemon.connect();
        client.send(&encode(&["SADD", "k", "m"])).unwrap();
        let complaints = || daemon.log().matches("The writer has not answered").count();
        until(|| complaints() >= 1);
        supervisor.drain();
        let first = complaints();
        until(|| complaints() > first + 2);
        let told = supervisor.drain();
        assert!(told.iter().all(|message| !message.contains("WATCHDOG=1")), "{told:?}");
        assert_eq!(daemon.connect().ask(&["SISMEMBER", "k", "m"]), integer(0), "reads go on");
    }
}

mod inherited_sockets {
    use super::*;

    #[test]
    fn are_listened_on_instead_of_what_the_configuration_says() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let home = Home::new().started_through(&ACTIVATE);
        let unused = free_port();
        let daemon = home.launch_with_input(unused, duplicate(&listener)).ready().unwrap();
        let client = Client::connect(port).unwrap();
        assert_eq!(client.ask(&["PING"]), simple("PONG"));
        let info = format!("{:?}", client.ask(&["INFO", "server"]));
        assert!(info.contains(&format!("tcp_port:{port}")), "{info}");
        assert!(TcpStream::connect(("127.0.0.1", unused)).is_err());
        daemon.stop();
    }

    #[test]
    fn may_be_files_which_stay() {
        let home = Home::new().started_through(&ACTIVATE);
        let path = home.path("activated");
        let listener = UnixListener::bind(&path).unwrap();
        let daemon = home.launch_with_input(0, OwnedFd::from(listener)).ready().unwrap();
        let mut stream = UnixStream::connect(&path).unwrap();
        stream.write_all(b"CLIENT INFO\r\nQUIT\r\n").unwrap();
        let mut replies = String::new();
        stream.read_to_string(&mut replies).unwrap();
        assert!(replies.contains(&format!(" addr={}:0 ", path.display())), "{replies}");
        daemon.stop();
        assert!(path.exists());
    }

    #[test]
    fn that_do_not_listen_are_a_fault_of_the_configuration() {
        let home = Home::new().started_through(&ACTIVATE);
        let ended = home.launch_with_input(0, OwnedFd::from(UnixDatagram::unbound().unwrap())).ended();
        assert_eq!(ended.code, Some(CONFIG), "{}", ended.log);
        assert!(
            ended.log.contains("descriptor 3, given by LISTEN_FDS, is no stream socket"),
            "{}",
            ended.log
        );
    }

    #[test]
    fn that_lack_the_port_of_tls_are_a_fault_of_the_configuration() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let home = Home::new().started_through(&ACTIVATE);
        let certificate = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        fs::write(home.path("cert.pem"), certificate.cert.pem()).unwrap();
        fs::write(home.path("key.pem"), certificate.signing_key.serialize_pem()).unwrap();
        let (cert, key) = (home.path("cert.pem"), home.path("key.pem"));
        let port = free_port();
        let home = home.clone_with(&[
            "--tls-port",
            &port.to_string(),
            "--tls-auth-clients",
            "no",
            "--tls-cert-file",
            cert.to_str().unwrap(),
            "--tls-key-file",
            key.to_str().unwrap(),
        ]);
        let ended = home.launch_with_input(0, duplicate(&listener)).ready().err().unwrap();
        assert_eq!(ended.code, Some(CONFIG), "{}", ended.log);
        let why =
            format!("tls-port is {port}, and none of systemd's sockets has it: add ListenStream={port}");
        assert!(ended.log.contains(&why), "{}", ended.log);
    }

    #[test]
    fn refuse_nobody_while_the_daemon_is_restarted_under_load() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let home = Home::new().started_through(&ACTIVATE);
        let start = || home.launch_with_input(0, duplicate(&listener)).ready().unwrap();
        let (is_over, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
        let daemon = thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    while !is_over.load(Relaxed) {
                        // Refused, it would be an error.
                        let client = Client::connect(port).unwrap();
                        answered.fetch_add(usize::from(is_answered(&client)), Relaxed);
                    }
                });
            }
            // Whether or not what follows succeeds, the others end.
            let _over = Over(&is_over);
            let mut daemon = start();
            for _ in 0..3 {
                let before = answered.load(Relaxed);
                until(|| answered.load(Relaxed) > before + 100);
                daemon.stop();
                // While there is no daemon at all: it waits for the next.
                let client = Client::connect(port).unwrap();
                client.send(&encode(&["PING"])).unwrap();
                daemon = start();
                assert!(client.receive().is_ok());
            }
            daemon
        });
        daemon.stop();
    }

    struct Over<'a>(&'a AtomicBool);

    impl Drop for Over<'_> {
        fn drop(&mut self) {
            self.0.store(true, Relaxed);
        }
    }

    /// Whether it was; a server that ends closes the connections that it has accepted.
    fn is_answered(client: &Client) -> bool {
        client.send(&encode(&["PING"])).and_then(|()| client.receive()).is_ok()
    }

    fn duplicate(listener: &TcpListener) -> OwnedFd {
        listener.try_clone().unwrap().into()
    }
}

/// What the daemon tells its supervisor.
struct Supervisor(UnixDatagram);

impl Supervisor {
    fn receive(&self) -> String {
        let mut memory = [0; 4096];
        let length = self.0.recv(&mut memory).unwrap();
        String::from_utf8(memory[..length].to_vec()).unwrap()
    }

    /// The next message with this in it.
    fn wait_for(&self, what: &str) -> String {
        let started = Instant::now();
        loop {
            let message = self.receive();
            if message.contains(what) {
                return message;
            }
            assert!(started.elapsed() < PATIENCE, "not told {what}");
        }
    }

    /// All that it was told and has not looked at.
    fn drain(&self) -> Vec<String> {
        self.0.set_nonblocking(true).unwrap();
        let mut memory = [0; 4096];
        let mut told = Vec::new();
        loop {
            match self.0.recv(&mut memory) {
                Ok(length) => told.push(String::from_utf8_lossy(&memory[..length]).into_owned()),
                Err(error) => {
                    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                    self.0.set_nonblocking(false).unwrap();
                    return told;
                }
            }
        }
    }
}

/// A home whose daemon tells a supervisor how it is, with more in its environment.
fn supervised(environment: &[&str]) -> (Home, Supervisor) {
    let home = Home::new();
    let path = home.path("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let variable = format!("NOTIFY_SOCKET={}", path.display());
    let home = home.started_through(&[&["env", &variable], environment].concat());
    (home, Supervisor(socket))
}

fn monotonic_usec() -> i64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec * 1_000_000 + now.tv_nsec / 1_000
}

fn until(is_so: impl Fn() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < PATIENCE, "it takes too long");
        thread::yield_now();
    }
}
