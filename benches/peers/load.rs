//! The load: one thread, clients without a runtime, and requests of which only the UUIDs change from one to the next. That
//! keeps it cheap, so that the server is what is measured.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::iter;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use mio::event::Event;
use mio::{Events, Interest, Poll, Token};
use rustix::time::{ClockId, clock_gettime};

use crate::support::{Outcome, Server};

/// Requests of a pipeline while a server is filled.
const FILL_PIPELINE: usize = 500;

/// How long no client may hear anything.
const PATIENCE: Duration = Duration::from_secs(60);

/// The key of the set that is read.
pub(crate) const FILLED: &str = "revoked";

/// A command as the load sends it.
pub(crate) struct Load {
    /// Where the arguments hold [`KEY`], [`UUID`], [`NUMBER`] or [`LATER`], each request has its own.
    pub(crate) arguments: &'static [&'static str],
    /// What is answered where the UUID was there, for a read; always, for a write.
    pub(crate) hit: &'static [u8],
    /// What is answered where it was not.
    pub(crate) miss: &'static [u8],
}

const KEY: &str = "the key of a set";
const LATER: &str = "a Unix time to come";
const NUMBER: &str = "--------";
const UUID: &str = "------------------------------------";
const UUID_LEN: usize = UUID.len();

pub(crate) static SADD: Load = Load { arguments: &["SADD", KEY, UUID], hit: b":1\r\n", miss: b"" };
pub(crate) static SET: Load = Load { arguments: &["SET", UUID, "", "EX", "86400"], hit: b"+OK\r\n", ..SADD };
pub(crate) static SADDEX: Load = Load { arguments: &["SADDEX", KEY, "86400", UUID], ..SADD };
pub(crate) static SADDEXAT: Load = Load { arguments: &["SADDEXAT", KEY, LATER, UUID], ..SADD };
pub(crate) static SISMEMBER: Load = Load { arguments: &["SISMEMBER", KEY, UUID], miss: b":0\r\n", ..SADD };
pub(crate) static EXISTS: Load = Load { arguments: &["EXISTS", UUID], ..SISMEMBER };
pub(crate) static GET: Load = Load { arguments: &["GET", UUID], hit: b"$0\r\n\r\n", miss: b"$-1\r\n" };
/// The sessions of a user.
pub(crate) static SADD_5: Load = Load {
    arguments: &["SADD", concat!("user:", "--------"), UUID, UUID, UUID, UUID, UUID],
    hit: b":5\r\n",
    miss: b"",
};

impl Load {
    /// What is sent for one request, but for its UUIDs.
    pub(crate) fn request(&self, key: &str) -> String {
        let later = (unix_time() + 86_400).to_string();
        let arguments = self.arguments.iter().map(|&argument| match argument {
            KEY => key,
            LATER => &later,
            argument => argument,
        });
        let bulks: Vec<_> = arguments.map(|text| format!("${}\r\n{text}\r\n", text.len())).collect();
        format!("*{}\r\n{}", bulks.len(), bulks.concat())
    }
}

/// Which UUIDs are sent.
#[derive(Clone)]
pub(crate) enum Asked {
    /// Random ones that were never sent before: all are hits, as a write understands it.
    New,
    /// Such ones, of which a read finds none.
    Absent,
    /// Half of them from these, which are there, in their order from a random one on; the others are not there.
    Half(Arc<[u128]>),
}

/// Clients that do the same.
#[derive(Clone)]
pub(crate) struct Party<'a> {
    pub(crate) load: &'static Load,
    pub(crate) key: &'a str,
    pub(crate) connections: usize,
    pub(crate) pipeline: usize,
    pub(crate) asked: Asked,
    /// Each client sends a pipeline so often, and waits for the one before; without it, as soon as that is answered.
    pub(crate) every: Option<Duration>,
}

/// What came of a run.
pub(crate) struct Run {
    pub(crate) elapsed: Duration,
    /// The CPU time that the load took itself.
    pub(crate) load_cpu: Duration,
    /// For each party how long its pipelines took, in ascending order: from the first byte sent, or from when it should
    /// have been sent where clients send so often, to the last byte read.
    pub(crate) latencies: Vec<Vec<Duration>>,
}

/// When a run ends.
#[derive(Clone, Copy)]
pub(crate) struct Until {
    pub(crate) time: Duration,
    /// So many requests of the first party were answered, if that is sooner.
    pub(crate) requests: usize,
}

impl Until {
    pub(crate) fn time(time: Duration) -> Self {
        Self { time, requests: usize::MAX }
    }
}

/// Connected clients, of one party or more.
pub(crate) struct Clients {
    poll: Poll,
    connections: Vec<Client>,
    pipelines: Vec<usize>,
    is_paced: bool,
}

impl Clients {
    pub(crate) fn connect(address: SocketAddr, parties: &[Party]) -> Outcome<Self> {
        let (poll, mut clients) = (Poll::new()?, Vec::new());
        for (index, party) in parties.iter().enumerate() {
            for _ in 0..party.connections {
                let stream = TcpStream::connect(address)?;
                stream.set_nodelay(true)?;
                stream.set_nonblocking(true)?;
                let mut stream = mio::net::TcpStream::from_std(stream);
                let token = Token(clients.len());
                poll.registry().register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
                let pipeline = Pipeline::new(party.load, party.pipeline, party.key, party.asked.clone());
                clients.push(Client::new(stream, index, pipeline, party.every));
            }
        }
        let pipelines = parties.iter().map(|party| party.pipeline).collect();
        Ok(Self {
            poll,
            connections: clients,
            pipelines,
            is_paced: parties.iter().any(|party| party.every.is_some()),
        })
    }

    /// Has the clients send until it is over, and waits for what is on its way then.
    pub(crate) fn run(&mut self, until: Until) -> Outcome<Run> {
        let (started, cpu) = (Instant::now(), thread_cpu());
        let mut run = Run {
            elapsed: Duration::ZERO,
            load_cpu: Duration::ZERO,
            latencies: vec![Vec::new(); self.pipelines.len()],
        };
        let count = self.connections.len() as u32;
        for (client, index) in self.connections.iter_mut().zip(0_u32..) {
            // Not all at the same moment.
            client.due = started + client.every.unwrap_or_default() * index / count;
            client.send_if_due(started)?;
        }
        let mut events = Events::with_capacity(1024);
        let mut heard = started;
        loop {
            let now = Instant::now();
            let is_over = now - started >= until.time
                || run.latencies[0].len().saturating_mul(self.pipelines[0]) >= until.requests;
            if is_over && self.connections.iter().all(|client| !client.is_waiting) {
                break;
            }
            if !is_over && self.is_paced {
                self.connections.iter_mut().try_for_each(|client| client.send_if_due(now))?;
            }
            let timeout = if self.is_paced { Duration::ZERO } else { Duration::from_millis(100) };
            match self.poll.poll(&mut events, Some(timeout)) {
                Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error.into()),
                _ => {}
            }
            for event in &events {
                let client = &mut self.connections[event.token().0];
                if let Some(latency) = client.turn(event, is_over)? {
                    run.latencies[client.party].push(latency);
                    heard = now;
                }
            }
            if now - heard > PATIENCE {
                return Err("the server does not answer any more".into());
            }
        }
        run.elapsed = started.elapsed();
        run.load_cpu = thread_cpu().saturating_sub(cpu);
        run.latencies.iter_mut().for_each(|latencies| latencies.sort_unstable());
        Ok(run)
    }
}

/// One connection of the load.
struct Client {
    stream: mio::net::TcpStream,
    party: usize,
    pipeline: Pipeline,
    every: Option<Duration>,
    /// When the pipeline was sent, or is to be sent.
    due: Instant,
    is_waiting: bool,
    /// Bytes of the pipeline that were sent.
    sent: usize,
    replies: Vec<u8>,
    /// Bytes of the replies that were read.
    read: usize,
}

impl Client {
    fn new(stream: mio::net::TcpStream, party: usize, pipeline: Pipeline, every: Option<Duration>) -> Self {
        let due = Instant::now();
        Self { stream, party, pipeline, every, due, is_waiting: false, sent: 0, replies: Vec::new(), read: 0 }
    }

    fn send_if_due(&mut self, now: Instant) -> io::Result<()> {
        if self.is_waiting || self.due > now {
            return Ok(());
        }
        if self.every.is_none() {
            self.due = now;
        }
        self.send()
    }

    fn send(&mut self) -> io::Result<()> {
        self.pipeline.fill();
        (self.is_waiting, self.sent, self.read) = (true, 0, 0);
        self.replies.resize(self.pipeline.replies.len(), 0);
        self.write()
    }

    fn write(&mut self) -> io::Result<()> {
        while self.sent < self.pipeline.requests.len() {
            match self.stream.write(&self.pipeline.requests[self.sent..]) {
                Ok(sent) => self.sent += sent,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Goes on after an event. Returns how long the pipeline took if it is answered now; the next one is sent then, unless
    /// its time has not come, or all is over.
    fn turn(&mut self, event: &Event, is_over: bool) -> io::Result<Option<Duration>> {
        if !self.is_waiting {
            return Ok(None);
        }
        if event.is_writable() {
            self.write()?;
        }
        // Once all replies are there, nothing more can come: the next event is that of the next pipeline's.
        while self.read < self.replies.len() {
            match self.stream.read(&mut self.replies[self.read..]) {
                Ok(0) => return Err(io::Error::other("the server closed the connection")),
                Ok(read) => self.read += read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        if self.replies != self.pipeline.replies {
            return Err(unexpected(&self.replies));
        }
        let now = Instant::now();
        let latency = now - self.due;
        self.is_waiting = false;
        self.due = self.every.map_or(now, |every| self.due + every);
        if !is_over && self.due <= now {
            self.send()?;
        }
        Ok(Some(latency))
    }
}

/// The requests of one pipeline and the replies they must get. All requests are of one length.
struct Pipeline {
    requests: Vec<u8>,
    request_len: usize,
    /// Where in a request the UUIDs stand.
    places: Vec<usize>,
    /// Where in a request the number stands.
    number: Option<usize>,
    replies: Vec<u8>,
    load: &'static Load,
    asked: Asked,
    /// The next one of those that are there.
    next: usize,
    random: fastrand::Rng,
}

impl Pipeline {
    fn new(load: &'static Load, len: usize, key: &str, asked: Asked) -> Self {
        let request = load.request(key);
        let places: Vec<usize> = request.match_indices(UUID).map(|(at, _)| at).collect();
        let number = request.find(NUMBER).filter(|at| !places.contains(at));
        let mut random = fastrand::Rng::new();
        let next = if let Asked::Half(members) = &asked { random.usize(..members.len()) } else { 0 };
        Self {
            requests: request.repeat(len).into_bytes(),
            request_len: request.len(),
            places,
            number,
            replies: Vec::new(),
            load,
            asked,
            next,
            random,
        }
    }

    fn fill(&mut self) {
        self.replies.clear();
        for request in self.requests.chunks_exact_mut(self.request_len) {
            let (uuid, reply) = match &self.asked {
                Asked::Half(members) if self.random.bool() => {
                    self.next = (self.next + 1) % members.len();
                    (members[self.next], self.load.hit)
                }
                Asked::Half(_) | Asked::Absent => (random_uuid(&mut self.random), self.load.miss),
                Asked::New => (random_uuid(&mut self.random), self.load.hit),
            };
            self.replies.extend_from_slice(reply);
            if let Some(at) = self.number {
                request[at..at + NUMBER.len()].copy_from_slice(&hex(self.random.u32(..)));
            }
            write_uuid(uuid, &mut request[self.places[0]..]);
            for &place in &self.places[1..] {
                write_uuid(random_uuid(&mut self.random), &mut request[place..]);
            }
        }
    }

    /// Instead of [`Pipeline::fill`]: these, all of them new. Fewer than the pipeline's length shorten it.
    fn fill_with(&mut self, uuids: &[u128]) {
        self.requests.truncate(uuids.len() * self.request_len);
        self.replies.clear();
        for (request, &uuid) in self.requests.chunks_exact_mut(self.request_len).zip(uuids) {
            self.replies.extend_from_slice(self.load.hit);
            write_uuid(uuid, &mut request[self.places[0]..]);
        }
    }
}

/// Sends requests with these UUIDs, which are new to the server, one by one, many in a pipeline, with two on the way.
pub(crate) fn fill(server: &Server, load: &'static Load, key: &str, uuids: &[u128]) -> Outcome<()> {
    let chunks = uuids.chunks(FILL_PIPELINE);
    fill_by(server, load, key, chunks, Pipeline::fill_with)
}

/// The same with so many random ones, rounded down to whole pipelines.
pub(crate) fn add(server: &Server, load: &'static Load, key: &str, count: usize) -> Outcome<()> {
    let pipelines = iter::repeat_n((), count / FILL_PIPELINE);
    fill_by(server, load, key, pipelines, |pipeline, ()| pipeline.fill())
}

fn fill_by<T>(
    server: &Server,
    load: &'static Load,
    key: &str,
    parts: impl Iterator<Item = T>,
    mut fill: impl FnMut(&mut Pipeline, T),
) -> Outcome<()> {
    let mut stream = TcpStream::connect(server.address)?;
    stream.set_nodelay(true)?;
    let (mut read, mut expected) = (Vec::new(), Vec::new());
    let mut await_replies = |stream: &mut TcpStream, expected: &[u8]| {
        read.resize(expected.len(), 0);
        stream.read_exact(&mut read)?;
        if read == expected { Ok(()) } else { Err(unexpected(&read)) }
    };
    let mut pipeline = Pipeline::new(load, FILL_PIPELINE, key, Asked::New);
    for part in parts {
        fill(&mut pipeline, part);
        stream.write_all(&pipeline.requests)?;
        await_replies(&mut stream, &expected)?;
        expected.clone_from(&pipeline.replies);
    }
    await_replies(&mut stream, &expected)?;
    Ok(())
}

/// The CPU time that this thread has taken.
fn thread_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn unix_time() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

pub(crate) fn random_uuid(random: &mut fastrand::Rng) -> u128 {
    let (version, variant) = (0xf << 76, 0b11 << 62);
    random.u128(..) & !version & !variant | 4 << 76 | 0b10 << 62
}

/// Writes a UUID's text to the front of `out`.
fn write_uuid(uuid: u128, out: &mut [u8]) {
    let out = &mut out[..UUID_LEN];
    let [a, b, c, d] = [96, 64, 32, 0].map(|shift| hex((uuid >> shift) as u32));
    out[..8].copy_from_slice(&a);
    out[9..13].copy_from_slice(&b[..4]);
    out[14..18].copy_from_slice(&b[4..]);
    out[19..23].copy_from_slice(&c[..4]);
    out[24..28].copy_from_slice(&c[4..]);
    out[28..].copy_from_slice(&d);
}

/// Eight hexadecimal digits, all at once.
fn hex(number: u32) -> [u8; 8] {
    let mut digits = u64::from(number);
    for (shift, mask) in [(16, 0x0000_ffff_0000_ffff), (8, 0x00ff_00ff_00ff_00ff), (4, 0x0f0f_0f0f_0f0f_0f0f)]
    {
        digits = (digits | digits << shift) & mask;
    }
    let letters = (digits + 0x0606_0606_0606_0606) >> 4 & 0x0101_0101_0101_0101;
    (digits + 0x3030_3030_3030_3030 + letters * u64::from(b'a' - b'9' - 1)).to_be_bytes()
}

fn unexpected(reply: &[u8]) -> io::Error {
    io::Error::other(format!("an unexpected reply: {}", reply.escape_ascii()))
}
