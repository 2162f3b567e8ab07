//! A server of a test's own, within the test's process, and clients that see every byte.

use std::env;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use revoked::command::About;
use revoked::config;
use revoked::journal::{OpenError, Opened, SyncPolicy};
use revoked::listen;
use revoked::server::{self, Options};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

/// Longer than anything takes that is not stuck.
const TIMEOUT: Duration = Duration::from_secs(20);

/// How a server differs from the usual.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setup {
    pub(crate) requirepass: Option<&'static str>,
    pub(crate) maxclients: usize,
    /// `client-output-buffer-limit` for some class.
    pub(crate) output_limit: &'static str,
}

/// Redis's default.
const OUTPUT_LIMIT: &str = "pubsub 32mb 8mb 60";

impl Default for Setup {
    fn default() -> Self {
        Self { requirepass: None, maxclients: 10_000, output_limit: OUTPUT_LIMIT }
    }
}

/// A running server. Dropping it ends it.
pub(crate) struct Server {
    address: SocketAddr,
    process: Process,
    directory: TempDir,
}

enum Process {
    /// In a thread of this process.
    Ours { end: oneshot::Sender<()>, thread: JoinHandle<Result<(), OpenError>> },
    /// The program that `REVOKED_TEST_PEER` names.
    Peer(Child),
    /// None any more.
    Ended,
}

impl Server {
    /// Starts a server without data.
    pub(crate) fn start() -> Self {
        Self::start_with(Setup::default())
    }

    /// Starts a server without data.
    pub(crate) fn start_with(setup: Setup) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), setup)
    }

    /// Starts a server with the data that a former one left.
    pub(crate) fn start_in(directory: TempDir, setup: Setup) -> Self {
        let started = match env::var("REVOKED_TEST_PEER") {
            Ok(program) => start_peer(&program, directory.path(), setup),
            Err(_) => start_ours(directory.path(), setup),
        };
        Self::when_loaded(started, directory, setup)
    }

    /// Starts a server of another make, with Redis's options, without data.
    pub(crate) fn start_program(program: &str) -> Self {
        let (directory, setup) = (tempfile::tempdir().unwrap(), Setup::default());
        Self::when_loaded(start_peer(program, directory.path(), setup), directory, setup)
    }

    fn when_loaded((address, process): (SocketAddr, Process), directory: TempDir, setup: Setup) -> Self {
        let server = Self { address, process, directory };
        server.wait_until_loaded(setup);
        server
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn connect(&self) -> Client {
        Client::new(TcpStream::connect(self.address).unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Ends the server, and leaves what it wrote.
    pub(crate) fn stop(mut self) -> TempDir {
        self.end();
        self.into_directory()
    }

    /// Waits until the server has ended because a client asked for it, and leaves what it wrote.
    pub(crate) fn wait(mut self) -> TempDir {
        match std::mem::replace(&mut self.process, Process::Ended) {
            // The end is kept until the thread is done: dropping it would end the server, too.
            Process::Ours { end, thread } => {
                thread.join().unwrap().unwrap();
                drop(end);
            }
            Process::Peer(mut child) => assert!(child.wait().unwrap().success()),
            Process::Ended => {}
        }
        self.into_directory()
    }

    fn into_directory(mut self) -> TempDir {
        std::mem::replace(&mut self.directory, tempfile::tempdir().unwrap())
    }

    fn end(&mut self) {
        match std::mem::replace(&mut self.process, Process::Ended) {
            Process::Ours { end, thread } => {
                let _ = end.send(());
                let outcome = thread.join();
                // A test that failed already should be the one that is heard.
                if !thread::panicking() {
                    outcome.unwrap().unwrap();
                }
            }
            Process::Peer(mut child) => {
                let _ = child.kill();
                let _ = child.wait();
            }
            Process::Ended => {}
        }
    }

    fn wait_until_loaded(&self, setup: Setup) {
        until("the server is loaded", || {
            let Ok(stream) = TcpStream::connect(self.address) else { return false };
            let mut client = Client::new(stream);
            if let Some(password) = setup.requirepass {
                client.try_ask(&["AUTH", password]);
            }
            // A process that another test is just starting may still hold the socket that found the port free.
            client.try_ask(&["PING"]).as_deref() == Some("+PONG\r\n")
        });
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

/// Asks until it is so.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < TIMEOUT, "not yet: {what}");
        thread::yield_now();
    }
}

fn start_ours(directory: &Path, setup: Setup) -> (SocketAddr, Process) {
    let runtime = runtime();
    let guard = runtime.enter();
    let listener = listen::tcp(([127, 0, 0, 1], 0).into(), 511, false).unwrap();
    drop(guard);
    let address = listener.address().unwrap();
    let journal = Opened::open(&directory.join("revoked.db"), SyncPolicy::Never).unwrap();
    let options = options(directory, address.port(), setup);
    let (end, ended) = oneshot::channel();
    let thread = thread::spawn(move || {
        let outcome = runtime.block_on(server::run(vec![listener], journal, options, async {
            let _ = ended.await;
        }));
        runtime.shutdown_background();
        outcome
    });
    (address, Process::Ours { end, thread })
}

pub(crate) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

pub(crate) fn options(directory: &Path, port: u16, setup: Setup) -> Options {
    // The port is one that the system gave; 0 is no port to ask for.
    let port = port.max(1).to_string();
    let maxclients = setup.maxclients.to_string();
    let args = [
        &["revoked", "--port", &port, "--maxclients", &maxclients, "--appendfsync", "no", "--dir"][..],
        &[directory.to_str().unwrap(), "--requirepass", setup.requirepass.unwrap_or_default()],
        &["--client-output-buffer-limit", setup.output_limit],
    ]
    .concat();
    let config = config::from_sources(args.into_iter().map(OsString::from), [], "0.0.0").unwrap();
    let about = About {
        run_id: "0123456789".repeat(4),
        port: config.port,
        executable: "revoked".to_owned(),
        config_file: String::new(),
        data_file: config.data_file().display().to_string(),
        listeners: Vec::new(),
    };
    Options::new(config, about).unwrap()
}

fn start_peer(program: &str, directory: &Path, setup: Setup) -> (SocketAddr, Process) {
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let (port, maxclients) = (address.port().to_string(), setup.maxclients.to_string());
    let child = Command::new(program)
        .current_dir(directory)
        .args(["--port", &port, "--maxclients", &maxclients, "--appendonly", "yes", "--save", ""])
        .args(["--requirepass", setup.requirepass.unwrap_or_default()])
        .arg("--client-output-buffer-limit")
        .args(setup.output_limit.split(' '))
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    (address, Process::Peer(child))
}

/// A port that nobody listens on, and that no other test of this process is given. It lies below those that
/// systems give to outgoing connections.
fn free_port() -> u16 {
    static GIVEN: AtomicU16 = AtomicU16::new(0);
    let first = std::process::id() % 10_000;
    let next = || 10_000 + u16::try_from(first).unwrap() + GIVEN.fetch_add(1, Ordering::Relaxed);
    let is_free = |&port: &u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    std::iter::repeat_with(next).find(is_free).unwrap()
}

/// A connection that sends what it is told to send, and shows each reply as it stands on the wire.
pub(crate) struct Client {
    sending: TcpStream,
    receiving: BufReader<TcpStream>,
}

impl Client {
    pub(crate) fn new(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(TIMEOUT)).unwrap();
        stream.set_write_timeout(Some(TIMEOUT)).unwrap();
        Self { sending: stream.try_clone().unwrap(), receiving: BufReader::new(stream) }
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.sending.write_all(bytes).unwrap();
    }

    /// Sends from a thread of its own, so that neither side waits for the other to read.
    pub(crate) fn send_in_background(&self, bytes: Vec<u8>) -> JoinHandle<()> {
        let mut sending = self.sending.try_clone().unwrap();
        thread::spawn(move || sending.write_all(&bytes).unwrap())
    }

    /// The next reply, whole.
    pub(crate) fn reply(&mut self) -> Vec<u8> {
        let mut reply = Vec::new();
        take_reply(&mut self.receiving, &mut reply);
        reply
    }

    /// The next line.
    pub(crate) fn line(&mut self) -> Vec<u8> {
        let mut line = Vec::new();
        self.receiving.read_until(b'\n', &mut line).unwrap();
        line
    }

    /// Sends a request and takes its reply.
    pub(crate) fn ask<W: AsRef<[u8]>>(&mut self, words: &[W]) -> Vec<u8> {
        self.send(&request(words));
        self.reply()
    }

    /// Sends a request and takes a reply of one line, if the server doesn't close the connection before.
    pub(crate) fn try_ask(&mut self, words: &[&str]) -> Option<String> {
        let mut reply = String::new();
        self.sending.write_all(&request(words)).ok()?;
        self.receiving.read_line(&mut reply).ok()?;
        Some(reply)
    }

    /// Says that nothing more will be sent, and takes all that is still to come.
    pub(crate) fn finish(&mut self) -> Vec<u8> {
        // The server may have closed the connection before.
        let _ = self.sending.shutdown(Shutdown::Write);
        self.rest()
    }

    /// All that comes until the server closes the connection.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        // What was sent to a closed connection makes the system reset it: it is closed all the same.
        if let Err(error) = self.receiving.read_to_end(&mut rest) {
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}");
        }
        rest
    }
}

/// A request as client libraries send it.
pub(crate) fn request<W: AsRef<[u8]>>(words: &[W]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    bytes.extend(words.iter().flat_map(|word| bulk(word.as_ref())));
    bytes
}

/// A bulk string.
pub(crate) fn bulk(string: &[u8]) -> Vec<u8> {
    [format!("${}\r\n", string.len()).as_bytes(), string, b"\r\n"].concat()
}

/// Moves one whole reply from `input` to `reply`.
pub(crate) fn take_reply(input: &mut impl BufRead, reply: &mut Vec<u8>) {
    let start = reply.len();
    input.read_until(b'\n', reply).unwrap();
    let line = &reply[start..];
    assert!(line.ends_with(b"\r\n"), "no reply but {}", line.escape_ascii());
    let number = std::str::from_utf8(&line[1..line.len() - 2]).ok().and_then(|text| text.parse().ok());
    match (line[0], number) {
        (b'$' | b'=', Some(length)) => take_bytes(input, length, reply),
        (b'*' | b'~' | b'>', Some(elements)) => (0..elements).for_each(|_| take_reply(input, reply)),
        (b'%', Some(pairs)) => (0..2 * pairs).for_each(|_| take_reply(input, reply)),
        _ => {}
    }
}

/// The data of a bulk string; of -1 bytes, the null of RESP2, there is none.
fn take_bytes(input: &mut impl BufRead, length: i64, reply: &mut Vec<u8>) {
    if let Ok(length) = u64::try_from(length) {
        let taken = input.take(length + 2).read_to_end(reply).unwrap();
        assert_eq!(taken as u64, length + 2, "cut off");
        assert!(reply.ends_with(b"\r\n"));
    }
}
