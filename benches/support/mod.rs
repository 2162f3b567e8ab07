//! A server as a process of its own, and a plain client of it, for the benchmarks that look at what clients notice.

#![allow(dead_code, reason = "each benchmark uses a part of it")]

use std::error::Error;
use std::fmt;
use std::fs;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{self, Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

pub(crate) type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Redis's file in the search path.
const REDIS: &str = "redis-server";

/// The CPU that a pinned server has to itself, and those that it has where it need not be alone, as `taskset` names them.
const OWN_CPU: Option<&str> = Some("0");
const ALL_CPUS: Option<&str> = Some("0,1");

/// How long a server may take until it answers.
const START_TIMEOUT: Duration = Duration::from_secs(120);

/// A server as a process of its own, which ends with this.
pub(crate) struct Server {
    pub(crate) process: Child,
    pub(crate) address: SocketAddr,
    pub(crate) directory: TempDir,
    /// From the start of the process to its first answer that wasn't an error.
    pub(crate) start_time: Duration,
    program: String,
    arguments: Vec<String>,
    is_pinned: bool,
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

    /// Starts a server with a directory of its own, on the disk where Cargo builds: `/tmp` may be memory, where syncing
    /// costs nothing. It is told the port and the directory behind these arguments.
    pub(crate) fn start(program: &str, arguments: &[&str], is_pinned: bool) -> Outcome<Self> {
        let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        let (program, arguments) =
            (program.to_owned(), arguments.iter().map(ToString::to_string).collect::<Vec<_>>());
        let (address, started) = (free_address()?, Instant::now());
        let cpus = if is_pinned { OWN_CPU } else { None };
        let process = spawn(&program, &arguments, address, directory.path(), cpus)?;
        let start_time = Duration::ZERO;
        let mut server = Self { process, address, directory, start_time, program, arguments, is_pinned };
        server.await_answer(started)?;
        Ok(server)
    }

    /// Kills it, and starts it again with the files that it leaves.
    pub(crate) fn restart(&mut self) -> Outcome<()> {
        self.restart_on(if self.is_pinned { OWN_CPU } else { None })
    }

    /// The same, with all CPUs for it: nobody else needs them meanwhile.
    pub(crate) fn restart_on_all_cpus(&mut self) -> Outcome<()> {
        self.restart_on(if self.is_pinned { ALL_CPUS } else { None })
    }

    fn restart_on(&mut self, cpus: Option<&str>) -> Outcome<()> {
        self.process.kill()?;
        self.process.wait()?;
        self.address = free_address()?;
        let (started, directory) = (Instant::now(), self.directory.path());
        self.process = spawn(&self.program, &self.arguments, self.address, directory, cpus)?;
        self.await_answer(started)
    }

    fn await_answer(&mut self, started: Instant) -> Outcome<()> {
        while !self.connect_small().is_ok_and(|mut client| client.ask(&["PING"]).is_ok()) {
            if let Some(status) = self.process.try_wait()? {
                return Err(format!("{} ended at once: {status}", self.program).into());
            }
            let elapsed = started.elapsed();
            if elapsed > START_TIMEOUT {
                return Err(format!("{} does not answer", self.program).into());
            }
            // Often enough to measure, and not so often that to answer would slow it down.
            thread::sleep((elapsed / 100).max(Duration::from_micros(300)));
        }
        self.start_time = started.elapsed();
        Ok(())
    }

    pub(crate) fn connect(&self) -> io::Result<Client> {
        self.connect_with(256 * 1024)
    }

    /// A client with so small a buffer that thousands of them are no matter.
    pub(crate) fn connect_small(&self) -> io::Result<Client> {
        self.connect_with(64)
    }

    fn connect_with(&self, buffer_len: usize) -> io::Result<Client> {
        let stream = TcpStream::connect(self.address)?;
        stream.set_nodelay(true)?;
        Ok(Client { input: BufReader::with_capacity(buffer_len, stream.try_clone()?), stream })
    }

    /// The CPU time that the process has taken, all its threads together: the scheduler's own account, in nanoseconds.
    /// What a thread took that has ended since is not in it.
    pub(crate) fn cpu(&self) -> Outcome<Duration> {
        let mut sum = 0;
        for thread in fs::read_dir(format!("/proc/{}/task", self.process.id()))? {
            // A thread may end while others are looked at.
            let Ok(account) = fs::read_to_string(thread?.path().join("schedstat")) else { continue };
            sum += account.split(' ').next().ok_or("no CPU time")?.parse::<u64>()?;
        }
        Ok(Duration::from_nanos(sum))
    }

    /// A line of what the system says of the process's memory, in bytes.
    pub(crate) fn memory(&self, line: &str) -> Outcome<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let found = status.lines().find_map(|found| found.strip_prefix(line)).ok_or("no such line")?;
        Ok(found.trim().trim_end_matches(" kB").parse::<f64>()? * 1024.0)
    }

    /// What its files take, in bytes.
    pub(crate) fn disk(&self) -> u64 {
        size(self.directory.path())
    }
}

fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

fn spawn(
    program: &str,
    arguments: &[String],
    address: SocketAddr,
    directory: &Path,
    cpus: Option<&str>,
) -> io::Result<Child> {
    let mut command = if let Some(cpus) = cpus {
        // It becomes the program: the process has the same id.
        let mut command = Command::new("taskset");
        command.args(["-c", cpus, program]);
        command
    } else {
        Command::new(program)
    };
    command.args(arguments).args(["--port", &address.port().to_string(), "--dir"]).arg(directory);
    command.stdout(Stdio::null()).spawn()
}

/// What all files below a folder take, in bytes, but for the copies that SAVE makes. Redis makes and removes some
/// meanwhile.
fn size(directory: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(directory) else { return 0 };
    let size_of = |entry: fs::DirEntry| match entry.metadata() {
        _ if entry.file_name() == "dump.rdb" => 0,
        Ok(metadata) if metadata.is_dir() => size(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    };
    entries.flatten().map(size_of).sum()
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

    /// Has the server rewrite its files in their shortest form, and waits until it has.
    pub(crate) fn compact(&mut self) -> Outcome<()> {
        // An error says that it does so by itself.
        let _ = self.ask(&["BGREWRITEAOF"]);
        while self.is_compacting()? {
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    pub(crate) fn is_compacting(&mut self) -> Outcome<bool> {
        let text = self.ask_text(&["INFO", "persistence"])?;
        Ok(text.contains("aof_rewrite_in_progress:1") || text.contains("aof_rewrite_scheduled:1"))
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
