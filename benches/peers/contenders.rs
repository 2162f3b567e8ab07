//! Who is measured: the daemon, its peers, and a server that parses nothing.

use std::process::Command;
use std::{env, fs};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::load::Load;
use crate::support::{Outcome, Server};

/// Redis's file in the search path.
const REDIS: &str = "redis-server";

/// The variable that names a Valkey's file.
const VALKEY: &str = "VALKEY_SERVER";

/// As which this program serves as the server that parses nothing.
const KERNEL_ALONE: &str = "--kernel-alone";

/// What a server does with what it is told, beside keeping it in memory. The daemon always writes it down.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Persistence {
    /// Peers write nothing down; the daemon doesn't wait for the disk.
    None,
    /// It is on disk before it is answered: `appendfsync always`.
    Always,
}

/// A program that is measured.
pub(crate) struct Contender {
    /// With its version.
    pub(crate) name: String,
    program: String,
    is_peer: bool,
}

impl Contender {
    pub(crate) fn revoked(program: String) -> Self {
        Self { name: "revoked".to_owned(), program, is_peer: false }
    }

    /// Those that there are.
    pub(crate) fn peers() -> impl Iterator<Item = Self> {
        let valkey = env::var(VALKEY).ok().map(|program| ("Valkey", program));
        let programs = [("Redis", REDIS.to_owned())].into_iter().chain(valkey);
        programs.filter_map(|(name, program)| {
            let name = format!("{name} {}", version(&program)?);
            Some(Self { name, program, is_peer: true })
        })
    }

    pub(crate) fn start(&self, persistence: Persistence, is_pinned: bool) -> Outcome<Server> {
        let arguments: &[&str] = match (self.is_peer, persistence) {
            (false, Persistence::None) => &["--appendfsync", "no"],
            (false, Persistence::Always) => &["--appendfsync", "always"],
            (true, Persistence::None) => &["--appendonly", "no", "--save", ""],
            // It would rewrite its file when it likes, in the middle of something else.
            (true, Persistence::Always) => {
                let never = ["--auto-aof-rewrite-percentage", "0"];
                &[&["--appendonly", "yes", "--appendfsync", "always", "--save", ""][..], &never].concat()
            }
        };
        let arguments = [&["--loglevel", "warning"][..], arguments].concat();
        Server::start(&self.program, &arguments, is_pinned)
            .map_err(|error| format!("{}: {error}", self.name).into())
    }

    /// Bytes of the program.
    pub(crate) fn program_size(&self) -> Outcome<u64> {
        Ok(fs::metadata(&self.program)?.len())
    }
}

fn version(program: &str) -> Option<String> {
    let output = Command::new(program).arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    Some(text.split_once("v=")?.1.split(' ').next()?.to_owned())
}

/// Starts the server that parses nothing, for requests as long as this load's: what the kernel alone costs, and the
/// runtime that the daemon runs on.
pub(crate) fn start_kernel_alone(load: &'static Load, key: &str, is_pinned: bool) -> Outcome<Server> {
    let program = env::current_exe()?.display().to_string();
    let len = load.request(key).len().to_string();
    let reply = String::from_utf8(load.hit.to_vec())?;
    Server::start(&program, &[KERNEL_ALONE, &len, &reply], is_pinned)
}

/// Serves as it, and doesn't return, if this program was started for that.
pub(crate) fn serve_kernel_alone() -> Outcome<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [mode, len, reply, _, port, ..] = arguments.as_slice() else { return Ok(()) };
    if mode != KERNEL_ALONE {
        return Ok(());
    }
    let (len, reply, port) = (len.parse::<usize>()?, reply.clone().into_bytes(), port.parse::<u16>()?);
    // As the daemon does.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        loop {
            let (stream, _) = listener.accept().await?;
            tokio::spawn(answer(stream, len, reply.clone()));
        }
    })
}

/// Answers as many times as requests of this length fit into what came in; without looking at it, unless it is the PING
/// that asks whether the server has started.
async fn answer(mut stream: TcpStream, len: usize, reply: Vec<u8>) -> Outcome<()> {
    stream.set_nodelay(true)?;
    let (mut read, mut replies, mut unanswered) = (vec![0; 16 * 1024], Vec::new(), 0);
    loop {
        let count = stream.read(&mut read).await?;
        if count == 0 {
            return Ok(());
        }
        replies.clear();
        unanswered += count;
        if read[..count].ends_with(b"PING\r\n") {
            replies.extend_from_slice(b"+PONG\r\n");
            unanswered = 0;
        }
        while unanswered >= len {
            replies.extend_from_slice(&reply);
            unanswered -= len;
        }
        stream.write_all(&replies).await?;
    }
}
