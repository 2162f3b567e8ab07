//! The whole way of a request: what a client sends reaches a server in this process over a socket, and what comes back must
//! be replies from the first byte to the last. After so many inputs the server is restarted: it must hold what it held.

#![no_main]

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Mutex;
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use libfuzzer_sys::{Corpus, fuzz_target};
use redis_protocol::resp2::types::BytesFrame;
use revoked::command::About;
use revoked::config;
use revoked::journal::{OpenError, Opened, SyncPolicy};
use revoked::listen;
use revoked::server::{self, Options};
use tempfile::TempDir;
use tokio::sync::oneshot;

/// Inputs between two restarts.
const INPUTS: usize = 1_000;

/// Words of inputs that are left out: they end or stop the server, or keep later clients out, as they are meant to.
const LEFT_OUT: [&[u8]; 7] =
    [b"shutdown", b"pause", b"requirepass", b"setuser", b"maxclients", b"timeout", b"wait"];

static SERVER: Mutex<Option<Server>> = Mutex::new(None);

fuzz_target!(|input: &[u8]| -> Corpus {
    let lower = input.to_ascii_lowercase();
    if LEFT_OUT.iter().any(|word| lower.windows(word.len()).any(|window| window == *word)) {
        return Corpus::Reject;
    }
    let mut server = SERVER.lock().unwrap();
    let server = server.get_or_insert_with(Server::new);
    if let Ok(replies) = server.ask(input) {
        let mut rest = &replies[..];
        while !rest.is_empty() {
            rest = behind_reply(rest, 0).unwrap_or_else(|| panic!("no reply: {}", rest.escape_ascii()));
        }
    }
    server.inputs += 1;
    if server.inputs == INPUTS {
        server.restart();
    }
    Corpus::Keep
});

struct Server {
    address: SocketAddr,
    running: Option<Running>,
    folder: TempDir,
    inputs: usize,
}

impl Server {
    fn new() -> Self {
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let (address, running) = start(&folder);
        Self { address, running: Some(running), folder, inputs: 0 }
    }

    /// What a client that sends this, and leaves, is answered.
    fn ask(&self, input: &[u8]) -> std::io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        // A server that could not follow the stream has closed it by now.
        let _ = stream.write_all(input).and_then(|()| stream.shutdown(Shutdown::Write));
        let mut replies = Vec::new();
        match stream.read_to_end(&mut replies) {
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => panic!("no answer, and no end"),
            // The rest was lost with the connection.
            Err(error) => Err(error),
            Ok(_) => Ok(replies),
        }
    }

    /// Starts again on the same file, compares, and goes on with an empty one.
    fn restart(&mut self) {
        let before = self.contents();
        self.stop();
        let (address, running) = start(&self.folder);
        (self.address, self.running) = (address, Some(running));
        let after = self.contents();
        assert!(after.is_subset(&before), "new: {:?}", after.difference(&before).collect::<Vec<_>>());
        // What has no end must be there. (A set may be gone with its members.)
        let lost = before.difference(&after).filter(|line| line.ends_with(" -1") && !line.contains(" set "));
        let lost: Vec<_> = lost.collect();
        assert!(lost.is_empty(), "lost: {lost:?}");
        self.stop();
        *self = Self::new();
    }

    fn stop(&mut self) {
        let (end, thread) = self.running.take().unwrap();
        end.send(()).unwrap();
        thread.join().unwrap().unwrap();
    }

    /// The reply to one request, in database `database`.
    fn reply(&self, database: u8, words: &[&[u8]]) -> BytesFrame {
        let mut request = format!("SELECT {database}\r\n*{}\r\n", words.len()).into_bytes();
        for word in words {
            request.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
            request.extend_from_slice(word);
            request.extend_from_slice(b"\r\n");
        }
        let replies = Bytes::from(self.ask(&request).unwrap());
        let (_, length) = redis_protocol::resp2::decode::decode_bytes(&replies).unwrap().unwrap();
        redis_protocol::resp2::decode::decode_bytes(&replies.slice(length..)).unwrap().unwrap().0
    }

    fn contents(&self) -> BTreeSet<String> {
        let mut all = BTreeSet::new();
        for database in 0..16 {
            let keys = self.reply(database, &[b"KEYS", b"*"]);
            for key in strings(&keys) {
                let set = strings(&self.reply(database, &[b"SMEMBERS", &key])).into_iter();
                let members = set.map(|member| member.escape_ascii().to_string());
                let members = members.collect::<BTreeSet<_>>();
                let string = self.reply(database, &[b"GET", &key]);
                let end = self.reply(database, &[b"PEXPIRETIME", &key]);
                let BytesFrame::Integer(end) = end else { panic!("{end:?}") };
                // It has ended since it was listed.
                if end == -2 {
                    continue;
                }
                if !members.is_empty() {
                    // Members may end of their own.
                    all.insert(format!("{database} {} set {end}", key.escape_ascii()));
                } else {
                    all.insert(format!("{database} {} {string:?} {end}", key.escape_ascii()));
                }
            }
        }
        all
    }
}

/// What stands behind the first reply, of either protocol.
fn behind_reply(bytes: &[u8], depth: usize) -> Option<&[u8]> {
    let end = bytes.windows(2).position(|window| window == b"\r\n")?;
    let (line, rest) = (&bytes[..end], &bytes[end + 2..]);
    let number = || std::str::from_utf8(line.get(1..)?).ok()?.parse::<i64>().ok();
    let elements = |count: i64| (0..count).try_fold(rest, |rest, _| behind_reply(rest, depth + 1));
    assert!(depth < 32, "as deep as no reply is");
    match line.first()? {
        b'+' | b'-' | b',' | b'_' | b'(' => Some(rest),
        b'#' => matches!(line, b"#t" | b"#f").then_some(rest),
        b':' => number().map(|_| rest),
        b'$' | b'=' => match number()? {
            -1 => Some(rest),
            length => {
                let length = usize::try_from(length).ok()?;
                (rest.get(length..length + 2)? == b"\r\n").then(|| &rest[length + 2..])
            }
        },
        b'*' | b'~' | b'>' => elements(number()?),
        b'%' => elements(2 * number()?),
        _ => None,
    }
}

fn strings(frame: &BytesFrame) -> Vec<Bytes> {
    let BytesFrame::Array(frames) = frame else { return Vec::new() };
    let string = |frame: &BytesFrame| match frame {
        BytesFrame::BulkString(bytes) => bytes.clone(),
        other => panic!("{other:?}"),
    };
    frames.iter().map(string).collect()
}

type Running = (oneshot::Sender<()>, JoinHandle<Result<(), OpenError>>);

fn start(folder: &TempDir) -> (SocketAddr, Running) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let guard = runtime.enter();
    let listener = listen::tcp(([127, 0, 0, 1], 0).into(), 511, false).unwrap();
    drop(guard);
    let address = listener.address().unwrap();
    let args = ["revoked", "--appendfsync", "no", "--dir", folder.path().to_str().unwrap()].map(OsString::from);
    let config = config::from_sources(args, [], "0.0.0").unwrap();
    let journal = Opened::open(&config.data_file(), SyncPolicy::Never).unwrap();
    let about = About {
        run_id: "0".repeat(40),
        port: config.port,
        executable: String::new(),
        config_file: String::new(),
        data_file: String::new(),
        listeners: Vec::new(),
    };
    let options = Options::new(config, about).unwrap();
    let (end, ended) = oneshot::channel();
    let thread = std::thread::spawn(move || {
        let outcome = runtime.block_on(server::run(vec![listener], journal, options, async {
            let _ = ended.await;
        }));
        runtime.shutdown_background();
        outcome
    });
    // The first client that is answered finds the server loaded.
    let is_loaded = || {
        let mut stream = TcpStream::connect(address).unwrap();
        let mut reply = [0; 7];
        stream.write_all(b"PING\r\n").unwrap();
        stream.read_exact(&mut reply).is_ok() && &reply == b"+PONG\r\n"
    };
    while !is_loaded() {
        std::thread::yield_now();
    }
    (address, (end, thread))
}
