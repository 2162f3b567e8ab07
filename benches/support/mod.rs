//! A server as a process of its own, and a plain client of it, for the benchmarks that look at what clients notice.

#![allow(dead_code, reason = "each benchmark uses a part of it")]

use std::error::Error;
use std::fmt;
use std::fs;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{self, Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

pub(crate) type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Redis's file in the search path.
const REDIS: &str = "redis-server";

/// How long a server may take until it answers.
const START_TIMEOUT: Duration = Duration::from_secs(20);

/// A server as a process of its own, which ends with this.
pub(crate) struct Server {
    pub(crate) process: Child,
    address: SocketAddr,
    pub(crate) directory: TempDir,
}

impl Server {
    pub(crate) fn start_revoked(program: &str, is_pinned: bool) -> Outcome<Self> {
        Self::start(program, &["--appendfsync", "always", "--loglevel", "warning"], is_pinned)
    }

    pub(crate) fn start_redis(more: &[&str], is_pinned: bool) -> Outcome<Self> {
        let durable = ["--appendonly", "yes", "--appendfsync", "always", "--save", ""];
        let quiet = ["--loglevel", "warning"];
        Self::start(REDIS, &[&durable[..], &quiet[..], more].concat(), is_pinned)
    }

    fn start(program: &str, arguments: &[&str], is_pinned: bool) -> Outcome<Self> {
        let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let mut command = if is_pinned {
            // It becomes the program: the process has the same id.
            let mut command = Command::new("taskset");
            command.args(["-c", "0", program]);
            command
        } else {
            Command::new(program)
        };
        command.args(arguments).args(["--port", &address.port().to_string(), "--dir"]).arg(directory.path());
        let process = command.stdout(Stdio::null()).spawn()?;
        let mut server = Self { process, address, directory };
        let started = Instant::now();
        while !server.connect().is_ok_and(|mut client| client.ask(&["PING"]).is_ok()) {
            if let Some(status) = server.process.try_wait()? {
                return Err(format!("{program} ended at once: {status}").into());
            }
            if started.elapsed() > START_TIMEOUT {
                return Err(format!("{program} does not answer").into());
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(server)
    }

    pub(crate) fn connect(&self) -> io::Result<Client> {
        let stream = TcpStream::connect(self.address)?;
        stream.set_nodelay(true)?;
        Ok(Client { input: BufReader::with_capacity(256 * 1024, stream.try_clone()?), stream })
    }

    /// The CPU time that the process has taken, all its threads together.
    pub(crate) fn cpu(&self) -> Outcome<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.process.id()))?;
        // Behind the name, which may have spaces in it: the 12th and 13th, in hundredths of a second.
        let fields: Vec<_> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks =
            |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok()).ok_or("no CPU time");
        Ok(Duration::from_millis((ticks(11)? + ticks(12)?) * 10))
    }

    /// A line of what the system says of the process's memory, in bytes.
    pub(crate) fn memory(&self, line: &str) -> Outcome<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let found = status.lines().find_map(|found| found.strip_prefix(line)).ok_or("no such line")?;
        Ok(found.trim().trim_end_matches(" kB").parse::<f64>()? * 1024.0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    pub(crate) input: BufReader<TcpStream>,
}

impl Client {
    /// Sends a request. Returns the bulk string that is the reply.
    pub(crate) fn ask_text(&mut self, words: &[&str]) -> Outcome<String> {
        let mut text = vec![0; self.ask(words)? as usize + 2];
        self.input.read_exact(&mut text)?;
        Ok(String::from_utf8(text)?)
    }

    /// Sends a request. Returns the number in the first line of the reply, or 0.
    pub(crate) fn ask(&mut self, words: &[&str]) -> Outcome<u64> {
        let mut request = Vec::new();
        write!(request, "*{}\r\n", words.len())?;
        for word in words {
            write!(request, "${}\r\n{word}\r\n", word.len())?;
        }
        self.stream.write_all(&request)?;
        let mut line = String::new();
        self.input.read_line(&mut line)?;
        match line.as_bytes().first() {
            None => Err("the server closed the connection".into()),
            Some(b'-') => Err(line.into()),
            Some(_) => Ok(line[1..].trim().parse().unwrap_or(0)),
        }
    }
}

/// How long requests took.
#[derive(Default)]
pub(crate) struct Times(pub(crate) Vec<Duration>);

impl Times {
    /// Takes the time of a request.
    pub(crate) fn take<T>(&mut self, ask: impl FnOnce() -> Outcome<T>) -> Outcome<()> {
        let started = Instant::now();
        ask()?;
        self.0.push(started.elapsed());
        Ok(())
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let at = |permille: usize| {
            let index = (sorted.len() * permille / 1_000).min(sorted.len().saturating_sub(1));
            sorted.get(index).map_or(f64::NAN, |time| time.as_secs_f64() * 1e6)
        };
        let at = [500, 990, 999, 1_000].map(|permille| format!("{:.0}", at(permille)));
        write!(f, "{} ({})", at.join(" "), sorted.len())
    }
}

/// The text of a UUID that looks random, and is always the same for a number.
pub(crate) fn uuid(number: u64) -> String {
    let mut random = fastrand::Rng::with_seed(number);
    let (a, b) = (random.u64(..), random.u64(..));
    let (first, second, third) = (a >> 32, a >> 16 & 0xffff, a & 0xffff);
    format!("{first:08x}-{second:04x}-{third:04x}-{:04x}-{:012x}", b >> 48, b & 0xffff_ffff_ffff)
}

/// Keeps this process to CPU 1, where there is `taskset` and a second CPU.
pub(crate) fn pin() -> bool {
    let taskset = |arguments: &[&str]| {
        let status =
            Command::new("taskset").args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    };
    taskset(&["-c", "0", "true"]) && taskset(&["-a", "-p", "-c", "1", &process::id().to_string()])
}

/// Whether there is a Redis to be measured beside.
pub(crate) fn has_redis() -> bool {
    Command::new(REDIS).arg("--version").stdout(Stdio::null()).status().is_ok()
}
