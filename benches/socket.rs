//! What a client sees through a socket, beside Redis where `redis-server` is installed: sets, and keys of the form
//! `SET <jti> "" EX n`, which is the other way in which denylists are kept.
//!
//! ```text
//! cargo bench --bench socket                            all of it: some five minutes
//! cargo bench --bench socket -- --quick                 a look, without much precision
//! cargo bench --bench socket -- "SADD, 50" --seconds 5  the works whose name contains this
//! cargo bench --bench socket -- memory --members 1000000
//! ```
//!
//! Reads ask for UUIDs among `--members` of them, half of them in vain, and Redis persists nothing. Writes add new
//! random UUIDs with `appendfsync always` on both sides, to files in Cargo's target directory, and Redis never
//! rewrites its file. The daemon is that of the same build, a process of its own like Redis; where there is
//! `taskset`, servers run on CPU 0 and the load on CPU 1. What Redis does not have, SADDEX, stands beside our own SADD.
//!
//! Each figure is the median of three rounds, between which the servers take turns. The CPU time is the server's
//! own, user and system; it is counted in steps of 10 ms, and tells most on a machine where others are at work.
//! A latency is that of a whole pipeline, from its first byte written to its last one read. The load is one
//! thread: where it is near 100 % busy, throughput is bounded by it, and says little about the server. The memory of
//! a member or key is what the process has grown by when `--members` of them came in one by one, by their number.

use std::error::Error;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{self, Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::{Arg, ArgAction, value_parser};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

/// Redis's file in the search path.
const REDIS: &str = "redis-server";

/// What `/proc` counts CPU time in: the same on all of Linux's usual machines.
const TICKS_PER_SECOND: f64 = 100.0;

/// Requests of a pipeline while a server is filled.
const FILL_MEMBERS: usize = 500;

/// How long a server may take until it answers.
const START_TIMEOUT: Duration = Duration::from_secs(20);

const UUID_LEN: usize = 36;

/// The key of the set that is read.
const FILLED: &str = "revoked";

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let options = Options::from_arguments();
    let works: Vec<Work> = Work::all().filter(|work| work.name().contains(&options.filter)).collect();
    let bench = Bench {
        is_pinned: pin(),
        redis: if options.is_alone { None } else { redis_version() },
        members: (0..options.members).map(|_| random_uuid()).collect(),
        runtime: tokio::runtime::Builder::new_current_thread().enable_all().build()?,
        options,
    };
    bench.print_head();
    for is_read in [true, false] {
        let works: Vec<&Work> = works.iter().filter(|work| work.load.is_read() == is_read).collect();
        if !works.is_empty() {
            bench.run_all(is_read, &works)?;
        }
    }
    if "memory".contains(&bench.options.filter) {
        bench.weigh_all()?;
    }
    Ok(())
}

struct Options {
    members: usize,
    time: Duration,
    rounds: usize,
    filter: String,
    is_alone: bool,
}

impl Options {
    fn from_arguments() -> Self {
        let flag = |name: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue);
        let matches = clap::Command::new("socket")
            .about("What a client sees, beside Redis where it is installed")
            .arg(Arg::new("filter").default_value("").help("Only the works whose name contains this"))
            .arg(
                Arg::new("members")
                    .long("members")
                    .value_parser(value_parser!(u32).range(1..))
                    .default_value("100000")
                    .help("Members of the set that is read, and keys"),
            )
            .arg(
                Arg::new("seconds")
                    .long("seconds")
                    .value_parser(value_parser!(f64))
                    .default_value("2")
                    .help("How long each of the three rounds of a work takes"),
            )
            .arg(flag("quick").help("Rounds of a fifth of a second"))
            .arg(flag("alone").help("As where Redis is not installed"))
            .arg(flag("test").help("Only see whether it runs"))
            .arg(flag("bench").hide(true))
            .get_matches();
        // Cargo says `--bench` when it runs benchmarks; without it, this is a test.
        let is_test = matches.get_flag("test") || !matches.get_flag("bench");
        let members = matches.get_one::<u32>("members").map_or(0, |&members| members as usize);
        let seconds = matches.get_one("seconds").copied().unwrap_or_default();
        let filter = matches.get_one("filter").cloned().unwrap_or_default();
        let (members, seconds, rounds) = match (is_test, matches.get_flag("quick")) {
            (true, _) => (1_000, 0.02, 1),
            (false, true) => (members, 0.2, 3),
            (false, false) => (members, seconds, 3),
        };
        Self {
            members,
            time: Duration::from_secs_f64(seconds),
            rounds,
            filter,
            is_alone: matches.get_flag("alone"),
        }
    }
}

/// A command as the load sends it.
struct Load {
    /// Where the arguments hold [`KEY`], [`UUID`] or [`LATER`], each request has its own.
    arguments: &'static [&'static str],
    /// What is answered where the UUID was there, for a read; always, for a write.
    hit: &'static [u8],
    /// What is answered where it was not.
    miss: &'static [u8],
    /// What has put the UUIDs there that are read.
    fill: Option<&'static Load>,
    is_redis: bool,
}

const KEY: &str = "the key of a set";
const UUID: &str = "------------------------------------";
const LATER: &str = "a Unix time to come";
const _: () = assert!(UUID.len() == UUID_LEN);

static SADD: Load =
    Load { arguments: &["SADD", KEY, UUID], hit: b":1\r\n", miss: b"", fill: None, is_redis: true };
static SET: Load = Load { arguments: &["SET", UUID, "", "EX", "86400"], hit: b"+OK\r\n", ..SADD };
static SADDEX: Load = Load { arguments: &["SADDEX", KEY, "86400", UUID], is_redis: false, ..SADD };
static SADDEXAT: Load = Load { arguments: &["SADDEXAT", KEY, LATER, UUID], ..SADDEX };
static SISMEMBER: Load =
    Load { arguments: &["SISMEMBER", KEY, UUID], miss: b":0\r\n", fill: Some(&SADD), ..SADD };
static EXISTS: Load = Load { arguments: &["EXISTS", UUID], fill: Some(&SET), ..SISMEMBER };
static GET: Load = Load { arguments: &["GET", UUID], hit: b"$0\r\n\r\n", miss: b"$-1\r\n", ..EXISTS };

static LOADS: [&Load; 7] = [&SISMEMBER, &GET, &EXISTS, &SADD, &SET, &SADDEX, &SADDEXAT];

impl Load {
    fn name(&self) -> &'static str {
        self.arguments[0]
    }

    fn is_read(&self) -> bool {
        self.fill.is_some()
    }
}

/// What is asked for, and how.
struct Work {
    load: &'static Load,
    connections: usize,
    pipeline: usize,
}

impl Work {
    fn all() -> impl Iterator<Item = Self> {
        LOADS.into_iter().flat_map(|load| {
            [50, 1].into_iter().flat_map(move |connections| {
                [1, 16, 100].into_iter().map(move |pipeline| Self { load, connections, pipeline })
            })
        })
    }

    fn name(&self) -> String {
        let Self { load, connections, pipeline } = self;
        let plural = if *connections == 1 { "" } else { "s" };
        format!("{}, {connections} connection{plural}, pipeline {pipeline}", load.name())
    }
}

struct Bench {
    options: Options,
    is_pinned: bool,
    redis: Option<String>,
    members: Arc<[u128]>,
    runtime: Runtime,
}

impl Bench {
    fn print_head(&self) {
        let Options { members, time, rounds, .. } = &self.options;
        let redis = self.redis.as_ref().map_or_else(
            || format!("without {REDIS}: no comparison"),
            |version| format!("beside Redis {version}"),
        );
        println!("revoked {}, {redis}", env!("CARGO_PKG_VERSION"));
        println!("{members} members read; rounds: {rounds}, of {} s", time.as_secs_f64());
        println!(
            "{}\n",
            if self.is_pinned {
                "Servers on CPU 0, the load on CPU 1"
            } else {
                "Not pinned to CPUs (no taskset, or only one CPU): servers and load may disturb each other"
            }
        );
        println!(
            "{:40}{:9}{:>10}{:>11}{:>9}{:>9}{:>8}   to the row below: ops, CPU",
            "work", "server", "ops/s", "CPU us/op", "p50 us", "p99 us", "load %"
        );
    }

    fn run_all(&self, is_read: bool, works: &[&Work]) -> Outcome<()> {
        let servers = self.start_servers(!is_read)?;
        for fill in [&SADD, &SET] {
            let is_fill = |work: &&Work| work.load.fill.is_some_and(|of| of.name() == fill.name());
            if works.iter().any(is_fill) {
                servers.iter().try_for_each(|server| server.fill(fill, &self.members))?;
            }
        }
        works.iter().try_for_each(|work| self.run(work, &servers))
    }

    /// Runs a work on all servers, by turns, and prints what came of it.
    fn run(&self, work: &Work, servers: &[Server]) -> Outcome<()> {
        let sadd = Work { load: &SADD, ..*work };
        let runs: Vec<(&str, &Work, &Server)> = if work.load.is_redis {
            servers.iter().map(|server| (server.name, work, server)).collect()
        } else {
            vec![("revoked", work, &servers[0]), ("its SADD", &sadd, &servers[0])]
        };
        let mut rounds = Vec::new();
        for _ in 0..self.options.rounds {
            let figures = |(name, work, server): &(&str, &Work, &Server)| {
                self.measure(work, server).map_err(|error| format!("{name}, {}: {error}", work.name()))
            };
            rounds.push(runs.iter().map(figures).collect::<Result<Vec<_>, _>>()?);
        }
        for (index, (server, ..)) in runs.iter().enumerate() {
            let of = |figure: fn(&Figures) -> f64| median(rounds.iter().map(|round| figure(&round[index])));
            let name = if index == 0 { work.name() } else { String::new() };
            print!("{name:40}{server:9}{:>10.0}{:>11.2}", of(|f| f.rate), of(|f| f.cpu_us));
            print!("{:>9.0}{:>9.0}{:>8.0}", of(|f| f.p50_us), of(|f| f.p99_us), of(|f| f.load_percent));
            if index == 0 && runs.len() > 1 {
                let ratio = |figure: fn(&Figures) -> f64| {
                    median(rounds.iter().map(|round| figure(&round[0]) / figure(&round[1])))
                };
                print!("   {:>13.2}x{:>5.2}x", ratio(|f| f.rate), ratio(|f| f.cpu_us));
            }
            println!();
        }
        Ok(())
    }

    fn measure(&self, work: &Work, server: &Server) -> Outcome<Figures> {
        // Writes go to a set of their own, so that all rounds begin alike.
        let (key, members) = if work.load.is_read() {
            (FILLED.to_owned(), Arc::clone(&self.members))
        } else {
            (format!("{:08x}", fastrand::u32(..)), Arc::default())
        };
        self.runtime.block_on(async {
            let mut clients = Vec::new();
            for _ in 0..work.connections {
                let stream = tokio::net::TcpStream::connect(server.address).await?;
                stream.set_nodelay(true)?;
                let batch = Batch::new(work.load, work.pipeline, &key, Arc::clone(&members));
                clients.push(Client { stream, batch });
            }
            let cpu = (cpu_time(server.process.id()), cpu_time(process::id()));
            let started = Instant::now();
            let mut running: JoinSet<io::Result<Vec<Duration>>> =
                clients.into_iter().map(|client| client.run(started + self.options.time)).collect();
            let mut latencies = Vec::new();
            while let Some(client) = running.join_next().await {
                latencies.extend(client??);
            }
            let elapsed = started.elapsed().as_secs_f64();
            let server_cpu = cpu_time(server.process.id()) - cpu.0;
            let load_cpu = cpu_time(process::id()) - cpu.1;
            let ops = (latencies.len() * work.pipeline) as f64;
            latencies.sort_unstable();
            Ok(Figures {
                rate: ops / elapsed,
                cpu_us: server_cpu * 1e6 / ops,
                p50_us: percentile(&latencies, 50),
                p99_us: percentile(&latencies, 99),
                load_percent: load_cpu * 100.0 / elapsed,
            })
        })
    }

    /// Prints what members and keys take in memory.
    fn weigh_all(&self) -> Outcome<()> {
        println!("\n{:40}{:>9}{:>9}   bytes of memory each, the UUID included", "", "revoked", "redis");
        for load in [&SADD, &SADDEX, &SET] {
            let mut servers = self.start_servers(false)?;
            servers.retain(|server| load.is_redis || server.name == "revoked");
            print!("{:40}", load.name());
            for server in &servers {
                let before = memory(server.process.id());
                server.fill(load, &self.members)?;
                let grown = memory(server.process.id()) - before;
                print!("{:>9.0}", grown / self.members.len() as f64);
            }
            println!();
        }
        Ok(())
    }

    /// The daemon, and Redis where there is one.
    fn start_servers(&self, is_durable: bool) -> Outcome<Vec<Server>> {
        let mut servers = vec![self.start_revoked()?];
        if self.redis.is_some() {
            servers.push(self.start_redis(is_durable)?);
        }
        Ok(servers)
    }

    fn start_revoked(&self) -> Outcome<Server> {
        let directory = directory()?;
        let mut command = self.command(env!("CARGO_BIN_EXE_revoked"));
        command.args(["--appendfsync", "always", "--loglevel", "warning", "--dir"]).arg(directory.path());
        Server::start("revoked", command, directory)
    }

    fn start_redis(&self, is_durable: bool) -> Outcome<Server> {
        let directory = directory()?;
        let mut command = self.command(REDIS);
        let appendonly = if is_durable { "yes" } else { "no" };
        command.args(["--appendonly", appendonly, "--appendfsync", "always", "--save", ""]);
        command.args(["--auto-aof-rewrite-percentage", "0", "--loglevel", "warning", "--dir"]);
        command.arg(directory.path());
        Server::start("redis", command, directory)
    }

    fn command(&self, program: &str) -> Command {
        if !self.is_pinned {
            return Command::new(program);
        }
        // It becomes the program: the process has the same id.
        let mut command = Command::new("taskset");
        command.args(["-c", "0", program]);
        command
    }
}

/// What one round of a work came to.
struct Figures {
    rate: f64,
    cpu_us: f64,
    p50_us: f64,
    p99_us: f64,
    load_percent: f64,
}

/// A server as a process of its own, which ends with this.
struct Server {
    name: &'static str,
    process: Child,
    address: SocketAddr,
    _directory: TempDir,
}

impl Server {
    fn start(name: &'static str, mut command: Command, directory: TempDir) -> Outcome<Self> {
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        command.args(["--port", &address.port().to_string()]);
        let process = command.stdout(Stdio::null()).spawn()?;
        let mut server = Self { name, process, address, _directory: directory };
        let started = Instant::now();
        while !server.answers() {
            if let Some(status) = server.process.try_wait()? {
                return Err(format!("{name} ended at once: {status}").into());
            }
            if started.elapsed() > START_TIMEOUT {
                return Err(format!("{name} does not answer").into());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(server)
    }

    fn answers(&self) -> bool {
        let ping = || -> io::Result<bool> {
            let mut stream = TcpStream::connect(self.address)?;
            stream.write_all(b"PING\r\n")?;
            let mut reply = [0; 7];
            stream.read_exact(&mut reply)?;
            Ok(reply == *b"+PONG\r\n")
        };
        ping().unwrap_or(false)
    }

    /// Sends the members one by one, many in a pipeline.
    fn fill(&self, load: &Load, members: &[u128]) -> Outcome<()> {
        let mut stream = TcpStream::connect(self.address)?;
        for members in members.chunks(FILL_MEMBERS) {
            let mut batch = Batch::new(load, members.len(), FILLED, Arc::default());
            batch.fill_with(members.iter().map(|&member| (member, true)));
            stream.write_all(&batch.requests)?;
            let mut replies = vec![0; batch.replies.len()];
            stream.read_exact(&mut replies)?;
            if replies != batch.replies {
                return Err(unexpected(&replies).into());
            }
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // What it holds is thrown away: there is no need for an end in order.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// One connection of the load.
struct Client {
    stream: tokio::net::TcpStream,
    batch: Batch,
}

impl Client {
    /// Sends one pipeline after the other until the time has come. Returns how long each took.
    async fn run(mut self, until: Instant) -> io::Result<Vec<Duration>> {
        let mut latencies = Vec::new();
        let mut replies = Vec::new();
        loop {
            self.batch.fill();
            let started = Instant::now();
            if started >= until {
                return Ok(latencies);
            }
            self.stream.write_all(&self.batch.requests).await?;
            replies.resize(self.batch.replies.len(), 0);
            self.stream.read_exact(&mut replies).await?;
            latencies.push(started.elapsed());
            if replies != self.batch.replies {
                return Err(unexpected(&replies));
            }
        }
    }
}

/// The requests of one pipeline and the replies they must get. All requests are of one length, and only the UUIDs
/// change from one pipeline to the next: that keeps the load cheap.
struct Batch {
    requests: Vec<u8>,
    request_len: usize,
    /// Where in a request the UUID stands.
    place: usize,
    replies: Vec<u8>,
    hit: &'static [u8],
    miss: &'static [u8],
    /// What is there. None when adding: then all are new.
    members: Arc<[u128]>,
}

impl Batch {
    fn new(load: &Load, pipeline: usize, key: &str, members: Arc<[u128]>) -> Self {
        let later = (unix_time() + 86_400).to_string();
        let arguments = load.arguments.iter().map(|&argument| match argument {
            KEY => key,
            LATER => &later,
            argument => argument,
        });
        let bulks: Vec<_> = arguments.map(|text| format!("${}\r\n{text}\r\n", text.len())).collect();
        let request = format!("*{}\r\n{}", bulks.len(), bulks.concat());
        Self {
            place: request.find(UUID).unwrap_or_default(),
            requests: request.repeat(pipeline).into_bytes(),
            request_len: request.len(),
            replies: Vec::new(),
            hit: load.hit,
            miss: load.miss,
            members,
        }
    }

    fn fill(&mut self) {
        let members = Arc::clone(&self.members);
        self.fill_with(std::iter::repeat_with(|| {
            if members.is_empty() {
                (random_uuid(), true)
            } else if fastrand::bool() {
                (members[fastrand::usize(..members.len())], true)
            } else {
                (random_uuid(), false)
            }
        }));
    }

    /// Each UUID, and whether it is a hit.
    fn fill_with(&mut self, uuids: impl Iterator<Item = (u128, bool)>) {
        self.replies.clear();
        for (request, (uuid, is_hit)) in self.requests.chunks_exact_mut(self.request_len).zip(uuids) {
            self.replies.extend(if is_hit { self.hit } else { self.miss });
            write_uuid(uuid, &mut request[self.place..]);
        }
    }
}

/// A new directory on the disk where Cargo builds: `/tmp` may be memory, where syncing costs nothing.
fn directory() -> io::Result<TempDir> {
    tempfile::tempdir_in(Path::new(env!("CARGO_TARGET_TMPDIR")))
}

/// Puts this process on CPU 1. Whether that, and putting the servers on CPU 0, is possible.
fn pin() -> bool {
    let taskset = |arguments: &[&str]| {
        let status =
            Command::new("taskset").args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    };
    taskset(&["-c", "0", "true"]) && taskset(&["-a", "-p", "-c", "1", &process::id().to_string()])
}

fn redis_version() -> Option<String> {
    let output = Command::new(REDIS).arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    Some(text.split_once("v=")?.1.split(' ').next()?.to_owned())
}

/// The CPU time that a process has taken so far, in seconds; not a number where the system doesn't say.
fn cpu_time(process: u32) -> f64 {
    let ticks = || {
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        // Behind the name, which may hold anything, utime and stime are the 12th and 13th field.
        let fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11).take(2);
        fields.map(str::parse::<u64>).sum::<Result<u64, _>>().ok()
    };
    ticks().map_or(f64::NAN, |ticks| ticks as f64 / TICKS_PER_SECOND)
}

/// The memory that a process takes, in bytes; not a number where the system doesn't say.
fn memory(process: u32) -> f64 {
    let kilobytes = || {
        let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
        status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.trim().strip_suffix(" kB")?.parse().ok()
    };
    kilobytes().map_or(f64::NAN, |kilobytes: f64| kilobytes * 1024.0)
}

fn unix_time() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

fn random_uuid() -> u128 {
    let (version, variant) = (0xf << 76, 0b11 << 62);
    fastrand::u128(..) & !version & !variant | 4 << 76 | 0b10 << 62
}

/// Writes a UUID's text to the front of `out`.
fn write_uuid(uuid: u128, out: &mut [u8]) {
    let mut at = 0;
    for (index, byte) in uuid.to_be_bytes().into_iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            out[at] = b'-';
            at += 1;
        }
        out[at] = hex_digit(byte >> 4);
        out[at + 1] = hex_digit(byte & 0xf);
        at += 2;
    }
}

fn hex_digit(value: u8) -> u8 {
    b"0123456789abcdef"[usize::from(value)]
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

/// In microseconds.
fn percentile(sorted: &[Duration], percent: usize) -> f64 {
    let index = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(index).map_or(f64::NAN, |latency| latency.as_secs_f64() * 1e6)
}

fn unexpected(reply: &[u8]) -> io::Error {
    io::Error::other(format!("an unexpected reply: {}", reply.escape_ascii()))
}
