//! What SMEMBERS of a large set costs, and what others notice of it, beside Redis where `redis-server` is installed.
//!
//! ```text
//! cargo bench --bench smembers                            a million members
//! cargo bench --bench smembers -- --members 10000000      takes some gigabytes and minutes
//! cargo bench --bench smembers -- --program PATH          another build in place of this one
//! ```
//!
//! A set of UUIDs is read by one client again and again, and two others ask (SISMEMBER) and add (SADD), one request at a
//! time: first without the reader, then beside it. Writes are on disk before they are answered, on both sides
//! (`appendfsync always`). Where there is `taskset`, servers run on CPU 0 and all clients on CPU 1.
//!
//! The memory is what the process has at most while the set is read, to what it had before. A latency's worst is also
//! what the machine does to a thread now and then.

use std::error::Error;
use std::fmt;
use std::fs;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{self, Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use clap::{Arg, ArgAction, value_parser};
use tempfile::TempDir;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Redis's file in the search path.
const REDIS: &str = "redis-server";

/// Members that are added by one request while a server is filled.
const FILL_MEMBERS: usize = 10_000;

/// How long a server may take until it answers.
const START_TIMEOUT: Duration = Duration::from_secs(20);

/// What a UUID takes in a reply.
const BULK_BYTES: u64 = "$36\r\n\r\n".len() as u64 + 36;

fn main() -> Outcome<()> {
    let flag = |name: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue);
    let members = Arg::new("members").long("members").value_parser(value_parser!(u64).range(1..));
    let matches = clap::Command::new("smembers")
        .arg(members.default_value("1000000"))
        .arg(Arg::new("program").long("program").default_value(env!("CARGO_BIN_EXE_revoked")))
        .arg(flag("alone").help("As where Redis is not installed"))
        .arg(flag("test").help("Only see whether it runs"))
        .arg(flag("bench").hide(true))
        .get_matches();
    let is_test = matches.get_flag("test") || !matches.get_flag("bench");
    let (members, time) = match matches.get_one("members").copied() {
        Some(members) if !is_test => (members, Duration::from_secs(10)),
        _ => (20_000, Duration::from_millis(20)),
    };
    let program = matches.get_one::<String>("program").map(String::as_str).unwrap_or_default();
    let is_pinned = pin();
    println!("{members} members; latencies in us: median, p99, p99.9, worst");
    run("revoked", &Server::start_revoked(program, is_pinned)?, members, time)?;
    let has_redis = Command::new(REDIS).arg("--version").stdout(Stdio::null()).status().is_ok();
    if has_redis && !matches.get_flag("alone") {
        run("redis", &Server::start_redis(is_pinned)?, members, time)?;
    }
    Ok(())
}

fn run(name: &str, server: &Server, members: u64, time: Duration) -> Outcome<()> {
    server.fill(members)?;
    println!("\n{name}");
    println!("  alone:           {}", server.load(members, time, false)?.1);
    let before = server.memory("VmRSS:")?;
    server.forget_peak()?;
    let (reads, others) = server.load(members, time, true)?;
    println!("  beside SMEMBERS: {others}");
    let peak = server.memory("VmHWM:")?;
    println!("  SMEMBERS:        {:.2} s each", reads.0.as_secs_f64() / f64::from(reads.1));
    println!(
        "  memory:          {:.0} MB before, {:.0} MB at most: {:.3}",
        before / 1e6,
        peak / 1e6,
        peak / before
    );
    Ok(())
}

/// A server as a process of its own, which ends with this.
struct Server {
    process: Child,
    address: SocketAddr,
    _directory: TempDir,
}

/// How long the set was read, and how often.
#[derive(Clone, Copy)]
struct Reads(Duration, u32);

struct Others {
    asks: Times,
    adds: Times,
}

impl fmt::Display for Others {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SISMEMBER {}; SADD {}", self.asks, self.adds)
    }
}

impl Server {
    fn start_revoked(program: &str, is_pinned: bool) -> Outcome<Self> {
        Self::start(program, &["--appendfsync", "always", "--loglevel", "warning"], is_pinned)
    }

    fn start_redis(is_pinned: bool) -> Outcome<Self> {
        let durable = ["--appendonly", "yes", "--appendfsync", "always", "--save", ""];
        let quiet = ["--auto-aof-rewrite-percentage", "0", "--loglevel", "warning"];
        Self::start(REDIS, &[&durable[..], &quiet[..]].concat(), is_pinned)
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
        let mut server = Self { process, address, _directory: directory };
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

    fn connect(&self) -> io::Result<Client> {
        let stream = TcpStream::connect(self.address)?;
        stream.set_nodelay(true)?;
        Ok(Client { input: BufReader::with_capacity(256 * 1024, stream.try_clone()?), stream })
    }

    fn fill(&self, members: u64) -> Outcome<()> {
        let mut client = self.connect()?;
        let numbers: Vec<u64> = (0..members).collect();
        for numbers in numbers.chunks(FILL_MEMBERS) {
            let uuids: Vec<String> = numbers.iter().map(|&number| uuid(number)).collect();
            let words: Vec<&str> =
                ["SADD", "revoked"].into_iter().chain(uuids.iter().map(String::as_str)).collect();
            client.ask(&words)?;
        }
        Ok(())
    }

    /// Asks and adds for so long and, if the set is to be read, until that was done once at least.
    fn load(&self, members: u64, time: Duration, is_read: bool) -> Outcome<(Reads, Others)> {
        let is_over = AtomicBool::new(false);
        thread::scope(|scope| {
            let ask = scope.spawn(|| {
                let uuid = || uuid(fastrand::u64(..members));
                self.repeat("SISMEMBER", uuid, &is_over)
            });
            let add = scope.spawn(|| self.repeat("SADD", || uuid(fastrand::u64(1 << 40..)), &is_over));
            let started = Instant::now();
            let mut times = 0;
            let mut outcome = Ok(());
            while outcome.is_ok() && (started.elapsed() < time || (is_read && times == 0)) {
                if is_read {
                    outcome = self.read_all(members);
                    times += 1;
                } else {
                    thread::sleep(time);
                }
            }
            let took = started.elapsed();
            is_over.store(true, Relaxed);
            let asks = ask.join().map_err(|_| "the asking thread panicked")??;
            let adds = add.join().map_err(|_| "the adding thread panicked")??;
            outcome.map(|()| (Reads(took, times), Others { asks, adds }))
        })
    }

    fn repeat(&self, command: &str, argument: impl Fn() -> String, is_over: &AtomicBool) -> Outcome<Times> {
        let mut client = self.connect()?;
        let mut times = Times::default();
        while !is_over.load(Relaxed) {
            let argument = argument();
            let started = Instant::now();
            client.ask(&[command, "revoked", &argument])?;
            times.0.push(started.elapsed());
        }
        Ok(times)
    }

    fn read_all(&self, least: u64) -> Outcome<()> {
        let mut client = self.connect()?;
        let count = client.ask(&["SMEMBERS", "revoked"])?;
        if count < least {
            return Err(format!("{count} members of {least}").into());
        }
        let skipped = io::copy(&mut client.input.by_ref().take(count * BULK_BYTES), &mut io::sink())?;
        let is_whole = skipped == count * BULK_BYTES && client.ask(&["SCARD", "revoked"])? >= count;
        if is_whole { Ok(()) } else { Err("the reply is cut off".into()) }
    }

    /// A line of what the system says of the process's memory, in bytes.
    fn memory(&self, line: &str) -> Outcome<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let found = status.lines().find_map(|found| found.strip_prefix(line)).ok_or("no such line")?;
        Ok(found.trim().trim_end_matches(" kB").parse::<f64>()? * 1024.0)
    }

    /// Has the system count the most memory from now on.
    fn forget_peak(&self) -> io::Result<()> {
        fs::write(format!("/proc/{}/clear_refs", self.process.id()), "5")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

struct Client {
    stream: TcpStream,
    input: BufReader<TcpStream>,
}

impl Client {
    /// Sends a request. Returns the number in the first line of the reply, or 0.
    fn ask(&mut self, words: &[&str]) -> Outcome<u64> {
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

#[derive(Default)]
struct Times(Vec<Duration>);

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
fn uuid(number: u64) -> String {
    let mut random = fastrand::Rng::with_seed(number);
    let (a, b) = (random.u64(..), random.u64(..));
    let (first, second, third) = (a >> 32, a >> 16 & 0xffff, a & 0xffff);
    format!("{first:08x}-{second:04x}-{third:04x}-{:04x}-{:012x}", b >> 48, b & 0xffff_ffff_ffff)
}

/// Keeps this process to CPU 1, where there is `taskset` and a second CPU.
fn pin() -> bool {
    let taskset = |arguments: &[&str]| {
        let status =
            Command::new("taskset").args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    };
    taskset(&["-c", "0", "true"]) && taskset(&["-a", "-p", "-c", "1", &process::id().to_string()])
}
