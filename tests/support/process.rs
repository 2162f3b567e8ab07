//! The program itself as a child process with a folder of its own, and a plain client that speaks to it.

#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::cell::RefCell;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use bytes::BytesMut;
use redis_protocol::resp2::decode::decode_bytes_mut;
use tempfile::TempDir;

pub(crate) use redis_protocol::resp2::types::BytesFrame as Frame;

/// How long a test waits for what is going to happen: far beyond what it takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The exit code that says that the port is taken.
pub(crate) const PORT_IN_USE: i32 = 69;

/// What one installation has: a folder for the data file, and its options.
pub(crate) struct Home {
    folder: Arc<TempDir>,
    options: Vec<String>,
    /// A program, and its arguments, that the daemon is started through.
    launcher: Vec<String>,
}

impl Home {
    pub(crate) fn new() -> Self {
        Self::with_options(&[])
    }

    pub(crate) fn with_options(options: &[&str]) -> Self {
        Self::in_folder(tempfile::tempdir().unwrap(), options)
    }

    /// A home in memory, where the system has a place for that: for tests to which a disk is nothing but slow.
    pub(crate) fn in_memory(options: &[&str]) -> Self {
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        Self::in_folder(folder.unwrap(), options)
    }

    fn in_folder(folder: TempDir, options: &[&str]) -> Self {
        let options = options.iter().map(ToString::to_string).collect();
        Self { folder: Arc::new(folder), options, launcher: Vec::new() }
    }

    /// Has the daemon started through another program, which must end up as the daemon (`exec`).
    pub(crate) fn started_through(mut self, launcher: &[&str]) -> Self {
        self.launcher = launcher.iter().map(ToString::to_string).collect();
        self
    }

    /// Starts the daemon with one more argument.
    pub(crate) fn with_argument(mut self, argument: &str) -> Self {
        self.options.push(argument.to_owned());
        self
    }

    /// The same folder and options, and some options more.
    pub(crate) fn clone_with(&self, options: &[&str]) -> Self {
        let options = self.options.iter().cloned().chain(options.iter().map(ToString::to_string)).collect();
        Self { folder: Arc::clone(&self.folder), options, launcher: self.launcher.clone() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn data_file(&self) -> PathBuf {
        self.path("revoked.db")
    }

    pub(crate) fn write_ahead_log(&self) -> PathBuf {
        self.path("revoked.db-wal")
    }

    /// Names and contents of the files. The lock is no part of the data.
    pub(crate) fn contents(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let paths = fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().path());
        let files = paths.filter(|path| path.is_file() && !path.to_string_lossy().ends_with("-lock"));
        let mut contents: Vec<_> = files.map(|path| (path.clone(), fs::read(path).unwrap())).collect();
        contents.sort();
        contents
    }

    /// Starts the daemon on a free port and waits until it is ready.
    pub(crate) fn start(&self) -> Daemon {
        loop {
            match self.launch(free_port()).ready() {
                Ok(daemon) => return daemon,
                Err(ended) => assert_eq!(ended.code, Some(PORT_IN_USE), "{}", ended.log),
            }
        }
    }

    /// Starts a daemon that may log nothing, and waits until it answers.
    pub(crate) fn start_silent(&self) -> Daemon {
        let port = free_port();
        let daemon = self.launch(port);
        let asked = std::time::Instant::now();
        let answers = || Client::connect(port).is_ok_and(|client| client.ask(&["PING"]) == simple("PONG"));
        while !answers() {
            assert!(asked.elapsed() < PATIENCE, "{}", daemon.log());
            std::thread::yield_now();
        }
        daemon
    }

    /// Starts the daemon on this port and waits until it is ready.
    pub(crate) fn start_on(&self, port: u16) -> Daemon {
        self.launch(port).ready().unwrap_or_else(|ended| panic!("{:?} {}", ended.code, ended.log))
    }

    /// Starts the daemon and waits for nothing.
    pub(crate) fn launch(&self, port: u16) -> Daemon {
        let mut command = self.command();
        command.args(["--port", &port.to_string()]);
        Daemon::spawn(&mut command, port, Arc::clone(&self.folder))
    }

    /// Starts the daemon with this for its standard input, which a launcher may make something of, and waits for nothing.
    pub(crate) fn launch_with_input(&self, port: u16, input: impl Into<Stdio>) -> Daemon {
        let mut command = self.command();
        command.args(["--port", &port.to_string()]).stdin(input);
        Daemon::spawn(&mut command, port, Arc::clone(&self.folder))
    }

    /// Starts the daemon on this port, with something to happen at its failpoints, and waits for nothing.
    pub(crate) fn launch_with_failpoints(&self, port: u16, failpoints: &str) -> Daemon {
        let mut command = self.command();
        // Reading the symbols of this program for a backtrace takes longer than a test may.
        command.args(["--port", &port.to_string()]).env("FAILPOINTS", failpoints).env("RUST_BACKTRACE", "0");
        Daemon::spawn(&mut command, port, Arc::clone(&self.folder))
    }

    /// Runs a daemon that is expected to end by itself.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        let port = free_port().to_string();
        self.command().args(["--port", &port]).args(arguments).output().unwrap()
    }

    /// The program with its options, but for the port.
    fn command(&self) -> Command {
        let mut words = self.launcher.iter().map(String::as_str).chain([env!("CARGO_BIN_EXE_revoked")]);
        let mut command = Command::new(words.next().unwrap());
        command.args(words).arg("--dir").arg(self.folder.path()).args(&self.options);
        undisturbed(&mut command);
        command
    }
}

/// The program alone, without any argument.
pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_revoked"));
    undisturbed(&mut command);
    command
}

/// Keeps what the environment of the tests says from the daemon.
fn undisturbed(command: &mut Command) {
    command.stdin(Stdio::null()).env_remove("RUST_LOG").env_remove("FAILPOINTS");
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("REVOKED_")) {
        command.env_remove(name);
    }
}

/// Waits until no compaction is under way that was asked for.
pub(crate) fn until_compact(client: &Client) {
    let asked = std::time::Instant::now();
    let is_under_way = || client.text(&["INFO", "persistence"]).contains("aof_rewrite_in_progress:1");
    while is_under_way() {
        assert!(asked.elapsed() < PATIENCE, "the compaction does not end");
        std::thread::yield_now();
    }
}

/// A port that nobody listens on. It lies below those that systems give to outgoing connections, or one of
/// these could take it before the daemon does, or while it is restarted.
pub(crate) fn free_port() -> u16 {
    let is_free = |&port: &u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    std::iter::repeat_with(|| fastrand::u16(10_000..32_000)).find(is_free).unwrap()
}

/// A daemon that runs, and is killed at the end of its scope at the latest.
pub(crate) struct Daemon {
    child: Child,
    pub(crate) port: u16,
    log: Arc<Log>,
    /// Kept for as long as the daemon needs it.
    _folder: Arc<TempDir>,
}

/// How a daemon ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// None, if a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) log: String,
}

impl Daemon {
    fn spawn(command: &mut Command, port: u16, folder: Arc<TempDir>) -> Self {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let log = Arc::new(Log::default());
        let (stderr, written) = (child.stderr.take().unwrap(), Arc::clone(&log));
        std::thread::spawn(move || written.follow(stderr));
        Self { child, port, log, _folder: folder }
    }

    /// Waits until it serves, or has ended.
    pub(crate) fn ready(self) -> Result<Self, Ended> {
        if self.log.wait_for("Ready to accept connections") { Ok(self) } else { Err(self.ended()) }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn connect(&self) -> Client {
        Client::connect(self.port).unwrap()
    }

    /// Waits until the log has a line with this text in it.
    pub(crate) fn wait_for_log(&self, text: &str) {
        assert!(self.log.wait_for(text), "ended without {text:?}: {}", self.log.text());
    }

    /// What was logged so far.
    pub(crate) fn log(&self) -> String {
        self.log.text()
    }

    /// Sends the signal of this name, `TERM` for example.
    pub(crate) fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.pid());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success(), "{kill}");
    }

    /// Waits until the daemon has ended by itself.
    pub(crate) fn ended(mut self) -> Ended {
        assert!(self.log.wait_for_end(), "still running: {}", self.log.text());
        Ended { code: self.child.wait().unwrap().code(), log: self.log.text() }
    }

    /// Ends the daemon as an operator does.
    pub(crate) fn stop(self) {
        self.signal("TERM");
        let ended = self.ended();
        assert_eq!(ended.code, Some(0), "{}", ended.log);
    }

    /// `kill -9`.
    pub(crate) fn kill(mut self) {
        self.kill_and_wait();
    }

    fn kill_and_wait(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.kill_and_wait();
    }
}

/// What a daemon writes to its standard error.
#[derive(Default)]
struct Log {
    written: Mutex<Written>,
    grown: Condvar,
}

#[derive(Default)]
struct Written {
    text: String,
    is_complete: bool,
}

impl Log {
    fn follow(&self, stderr: ChildStderr) {
        for line in BufReader::new(stderr).lines() {
            self.written.lock().unwrap().text += &(line.unwrap() + "\n");
            self.grown.notify_all();
        }
        self.written.lock().unwrap().is_complete = true;
        self.grown.notify_all();
    }

    /// Whether the text came before the end.
    fn wait_for(&self, text: &str) -> bool {
        self.wait_until(|written| written.is_complete || written.text.contains(text));
        self.text().contains(text)
    }

    fn wait_for_end(&self) -> bool {
        self.wait_until(|written| written.is_complete)
    }

    fn wait_until(&self, is_so: impl Fn(&Written) -> bool) -> bool {
        let written = self.written.lock().unwrap();
        let (written, _) =
            self.grown.wait_timeout_while(written, PATIENCE, |written| !is_so(written)).unwrap();
        is_so(&written)
    }

    fn text(&self) -> String {
        self.written.lock().unwrap().text.clone()
    }
}

/// A connection that sends requests and receives replies, in RESP2.
pub(crate) struct Client {
    stream: TcpStream,
    received: RefCell<BytesMut>,
}

impl Client {
    pub(crate) fn connect(port: u16) -> io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { stream, received: RefCell::default() })
    }

    /// Sends bytes as they are.
    pub(crate) fn send(&self, bytes: &[u8]) -> io::Result<()> {
        (&self.stream).write_all(bytes)
    }

    /// Receives the next reply. The server's end of the connection is an error.
    pub(crate) fn receive(&self) -> io::Result<Frame> {
        let mut received = self.received.borrow_mut();
        loop {
            let decoded = decode_bytes_mut(&mut received).map_err(io::Error::other)?;
            if let Some((frame, _, _)) = decoded {
                return Ok(frame);
            }
            let mut memory = [0; 16 * 1024];
            match (&self.stream).read(&mut memory)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                length => received.extend_from_slice(&memory[..length]),
            }
        }
    }

    /// Sends one request and receives its reply.
    pub(crate) fn ask<A: AsRef<[u8]>>(&self, request: &[A]) -> Frame {
        self.send(&encode(request)).unwrap();
        self.receive().unwrap()
    }

    /// Sends one request and receives the bulk string that answers it.
    pub(crate) fn text<A: AsRef<[u8]>>(&self, request: &[A]) -> String {
        let Frame::BulkString(text) = self.ask(request) else { panic!("no bulk string") };
        String::from_utf8_lossy(&text).into_owned()
    }

    /// Sends requests at once and receives their replies.
    pub(crate) fn ask_all<A: AsRef<[u8]>>(&self, requests: &[Vec<A>]) -> Vec<Frame> {
        let bytes: Vec<u8> = requests.iter().flat_map(|request| encode(request)).collect();
        self.send(&bytes).unwrap();
        requests.iter().map(|_| self.receive().unwrap()).collect()
    }

    /// The members of a set, sorted.
    pub(crate) fn members<K: AsRef<[u8]>>(&self, key: K) -> Vec<Vec<u8>> {
        let mut members = strings(&self.ask(&[b"SMEMBERS", key.as_ref()]));
        members.sort();
        members
    }
}

/// Has the daemon write checkpoints and compact its journal, again and again, until it has ended.
pub(crate) fn keep_rewriting(port: u16) {
    let Ok(client) = Client::connect(port) else { return };
    for command in ["SAVE", "BGREWRITEAOF"].into_iter().cycle() {
        if client.send(&encode(&[command])).and_then(|()| client.receive()).is_err() {
            return;
        }
    }
}

/// A request as it stands on the wire.
pub(crate) fn encode<A: AsRef<[u8]>>(request: &[A]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", request.len()).into_bytes();
    for argument in request.iter().map(AsRef::as_ref) {
        bytes.extend_from_slice(format!("${}\r\n", argument.len()).as_bytes());
        bytes.extend_from_slice(argument);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

/// The bulk strings of an array.
pub(crate) fn strings(frame: &Frame) -> Vec<Vec<u8>> {
    let Frame::Array(frames) = frame else { panic!("no array: {frame:?}") };
    let string = |frame: &Frame| match frame {
        Frame::BulkString(bytes) => bytes.to_vec(),
        other => panic!("no bulk string: {other:?}"),
    };
    frames.iter().map(string).collect()
}

pub(crate) fn integer(count: usize) -> Frame {
    Frame::Integer(i64::try_from(count).unwrap())
}

pub(crate) fn simple(text: &'static str) -> Frame {
    Frame::SimpleString(text.into())
}

/// The text of an error reply.
pub(crate) fn error(frame: &Frame) -> &str {
    let Frame::Error(text) = frame else { panic!("no error: {frame:?}") };
    text
}

/// The data file, opened as `sqlite3 -readonly` opens it.
pub(crate) fn open_read_only(data_file: &Path) -> rusqlite::Connection {
    rusqlite::Connection::open_with_flags(data_file, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap()
}
