//! The two servers, and how a sequence is run on both.

use std::collections::BTreeSet;
use std::io::{self, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use crate::chance::expand;
use crate::compare::{Difference, Exchange, Replies, first_difference};
use crate::reply::{self, NO_REPLY};
use crate::sequence::{CONNECTIONS, Request, Sequence};
use crate::support::server::{Server, request as encode};

/// Longer than any reply takes from a server that is not stuck.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Two servers that ought to answer alike.
pub(crate) struct Servers {
    subject: Side,
    reference: Side,
    /// The commands that both have, in lower case.
    commands: BTreeSet<String>,
}

impl Servers {
    pub(crate) fn new(subject: Server, reference: Server) -> Self {
        let (subject, reference) = (Side::new(subject), Side::new(reference));
        let mut servers = Self { subject, reference, commands: BTreeSet::new() };
        servers.commands = servers.common_commands();
        servers
    }

    fn common_commands(&mut self) -> BTreeSet<String> {
        let replies = self.exchange(0, &[Request::of(&["COMMAND", "LIST"])]).remove(0);
        let names = |reply: &[u8]| -> BTreeSet<String> {
            let names = reply::elements(reply);
            let names = names.iter().filter_map(|name| reply::bulk(name));
            names.map(|name| String::from_utf8_lossy(name).to_lowercase()).collect()
        };
        &names(&replies.subject) & &names(&replies.reference)
    }

    /// The names of the commands that both servers have, in lower case. Only these should be drawn.
    pub(crate) fn commands(&self) -> &BTreeSet<String> {
        &self.commands
    }

    /// Runs a sequence on both, beginning with empty databases, and then compares what they hold.
    pub(crate) fn run(&mut self, sequence: &Sequence) -> Option<Difference> {
        self.begin(sequence);
        let mut exchanges = self.take_steps(sequence);
        exchanges.extend(self.dump(sequence));
        first_difference(sequence, exchanges)
    }

    fn begin(&mut self, sequence: &Sequence) {
        for connection in 0..CONNECTIONS {
            self.exchange(connection, &fresh_connection(sequence));
        }
        self.exchange(0, &[Request::of(&["FLUSHALL"])]);
    }

    /// Takes the steps in order: if the sequence is pipelined, those that follow each other on one connection in
    /// one write, as far as nobody has to wait in between.
    fn take_steps(&mut self, sequence: &Sequence) -> Vec<Exchange> {
        let members = sequence.members();
        let mut exchanges: Vec<Exchange> = Vec::new();
        let mut batch = Batch::default();
        for (at, step) in sequence.steps.iter().enumerate() {
            let is_exec = step.request.name() == "exec";
            batch.add(at, step.connection, &step.request, expand(&step.request, &members));
            // What was queued begins to expire with EXEC.
            let pause = if is_exec { sequence.pause() } else { step.request.pause() };
            let next = sequence.steps.get(at + 1).filter(|_| sequence.is_pipelined && pause.is_none());
            if next.is_none_or(|next| next.connection != step.connection) {
                exchanges.extend(std::mem::take(&mut batch).send(self));
                pause.into_iter().for_each(thread::sleep);
            }
        }
        exchanges
    }

    /// What the servers hold: the keys of each database, and what is at each.
    fn dump(&mut self, sequence: &Sequence) -> Vec<Exchange> {
        self.exchange(0, &fresh_connection(sequence));
        let end = sequence.steps.len();
        let databases = sequence.databases();
        let keys = databases.iter().map(|database| {
            let mut batch = Batch::default();
            batch.add_each(end, &[select(*database), Request::of(&["KEYS", "*"])]);
            (*database, batch.send(self))
        });
        let keys: Vec<_> = keys.collect();
        let mut values = Batch::default();
        for (database, exchanges) in &keys {
            values.add_each(end, &[select(*database)]);
            let found = reply::elements(&exchanges[1].replies.reference);
            for key in found.iter().filter_map(|key| reply::bulk(key)) {
                let names = ["type", "get", "smembers", "pexpiretime"];
                let known = names.into_iter().filter(|name| self.commands.contains(*name));
                let about = known.map(|name| Request::of(&[name.as_bytes(), key]));
                values.add_each(end, &about.collect::<Vec<_>>());
            }
        }
        let keys = keys.into_iter().flat_map(|(_, exchanges)| exchanges);
        keys.chain(values.send(self)).collect()
    }

    /// Sends the requests to both and takes a reply for each.
    fn exchange(&mut self, connection: usize, requests: &[Request]) -> Vec<Replies> {
        let bytes: Vec<u8> = requests.iter().flat_map(|request| encode(&request.0)).collect();
        for side in [&mut self.subject, &mut self.reference] {
            side.send(connection, &bytes);
        }
        let replies = |_| Replies::new(self.subject.receive(connection), self.reference.receive(connection));
        requests.iter().map(replies).collect()
    }
}

fn select(database: i64) -> Request {
    Request::of(&["SELECT", &database.to_string()])
}

/// What makes a connection as good as new.
fn fresh_connection(sequence: &Sequence) -> [Request; 2] {
    [Request::of(&["RESET"]), Request::of(&["HELLO", &sequence.protocol.to_string()])]
}

/// Requests that go out in one write, and what they are sent for.
#[derive(Default)]
struct Batch {
    connection: usize,
    requests: Vec<(usize, Request, Request)>,
}

impl Batch {
    fn add(&mut self, step: usize, connection: usize, drawn: &Request, sent: Vec<Request>) {
        self.connection = connection;
        self.requests.extend(sent.into_iter().map(|sent| (step, drawn.clone(), sent)));
    }

    /// Adds requests that are there for their own sake, each as a step.
    fn add_each(&mut self, step: usize, requests: &[Request]) {
        for request in requests {
            let step = step + self.requests.len();
            self.add(step, 0, request, vec![request.clone()]);
        }
    }

    fn send(self, servers: &mut Servers) -> Vec<Exchange> {
        let sent: Vec<_> = self.requests.iter().map(|(_, _, sent)| sent.clone()).collect();
        let replies = servers.exchange(self.connection, &sent);
        let exchange = |((step, drawn, sent), replies)| Exchange {
            step,
            answered_at: step,
            connection: self.connection,
            drawn,
            sent,
            replies,
        };
        self.requests.into_iter().zip(replies).map(exchange).collect()
    }
}

/// One of the servers, and the connections to it.
struct Side {
    address: SocketAddr,
    connections: [Option<Connection>; CONNECTIONS],
    _server: Server,
}

impl Side {
    fn new(server: Server) -> Self {
        Self { address: server.address(), connections: Default::default(), _server: server }
    }

    /// Sends, on a new connection if the former is broken. Whether it arrives shows in the replies.
    fn send(&mut self, connection: usize, bytes: &[u8]) {
        let place = &mut self.connections[connection];
        if place.is_none() {
            *place = Connection::open(self.address).ok();
        }
        if place.as_mut().is_none_or(|open| open.stream.write_all(bytes).is_err()) {
            *place = None;
        }
    }

    fn receive(&mut self, connection: usize) -> Vec<u8> {
        let place = &mut self.connections[connection];
        let reply = place.as_mut().and_then(|open| reply::read(&mut open.received).ok());
        reply.unwrap_or_else(|| {
            *place = None;
            NO_REPLY.to_vec()
        })
    }
}

struct Connection {
    stream: TcpStream,
    received: BufReader<TcpStream>,
}

impl Connection {
    fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        Ok(Self { received: BufReader::new(stream.try_clone()?), stream })
    }
}
