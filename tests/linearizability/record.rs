//! Runs clients against daemons that end, and records what they see.

use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Instant;

use fastrand::Rng;

use crate::history::{Call, History, Restart};
use crate::op::Op;
use crate::support::process::{Client, Daemon, Home, PORT_IN_USE, free_port, keep_rewriting};

/// Of each history.
pub(crate) const CLIENTS: usize = 8;

/// Of these, those that only read: they are answered while the writer is not.
const READERS: usize = 2;

/// The most that a client asks for between two restarts: those that read would go on for ever while the writer stands still.
const MOST_COMMANDS: usize = 40;

/// What each client asks for behind the last restart.
const LAST_COMMANDS: usize = 3;

/// How a daemon is to end.
#[derive(Debug, Clone)]
pub(crate) enum End {
    /// `kill -9`, once so many commands were acknowledged.
    Kill { acknowledged: usize },
    /// The same, with something to go wrong before.
    FaultThenKill { failpoints: String, acknowledged: usize },
    /// SIGTERM.
    Terminate { acknowledged: usize },
    /// By itself.
    Failpoints { failpoints: String },
}

impl End {
    fn failpoints(&self) -> &str {
        match self {
            Self::Kill { .. } | Self::Terminate { .. } => "",
            Self::FaultThenKill { failpoints, .. } | Self::Failpoints { failpoints } => failpoints,
        }
    }

    fn how(&self) -> String {
        match self {
            Self::Kill { .. } => "kill -9".to_owned(),
            Self::FaultThenKill { failpoints, .. } => format!("{failpoints}, kill -9"),
            Self::Terminate { .. } => "SIGTERM".to_owned(),
            Self::Failpoints { failpoints } => failpoints.clone(),
        }
    }

    /// Ends the daemon, which sends a message for each command that it acknowledges.
    fn make(&self, daemon: Daemon, acknowledgements: &Receiver<()>) {
        match self {
            Self::Kill { acknowledged } | Self::FaultThenKill { acknowledged, .. } => {
                let came = acknowledgements.iter().take(*acknowledged).count();
                assert_eq!(came, *acknowledged, "ended by itself: {}", daemon.log());
                daemon.kill();
            }
            Self::Terminate { acknowledged } => {
                let came = acknowledgements.iter().take(*acknowledged).count();
                assert_eq!(came, *acknowledged, "ended by itself: {}", daemon.log());
                daemon.stop();
            }
            Self::Failpoints { failpoints } => {
                let ended = daemon.ended();
                assert!(ended.log.contains("failpoint"), "{failpoints}: {}", ended.log);
            }
        }
    }
}

/// A data file, and what clients have seen of it: several histories at once, each on keys of its own.
pub(crate) struct Installation {
    home: Home,
    histories: Vec<History>,
    started: Instant,
    /// When the last daemon was gone, and how it went.
    gone: Option<(u64, String)>,
}

impl Installation {
    pub(crate) fn new(histories: usize, options: &[&str]) -> Self {
        let histories = vec![History::default(); histories];
        Self { home: Home::with_options(options), histories, started: Instant::now(), gone: None }
    }

    /// Has all clients of all histories ask until the daemon has ended.
    pub(crate) fn run_until(&mut self, end: &End, rng: &mut Rng) {
        let daemon = self.start(end.failpoints());
        let (acknowledge, acknowledgements) = mpsc::channel();
        let port = daemon.port;
        let clients = self.clients(port, rng, &acknowledge);
        drop(acknowledge);
        let (calls, gone) = thread::scope(|scope| {
            let run = |client: Recorder| scope.spawn(move || client.run(MOST_COMMANDS));
            let running: Vec<_> = clients.into_iter().map(run).collect();
            // A compaction would put into the file what a fault has left out.
            if !matches!(end, End::FaultThenKill { .. }) {
                scope.spawn(move || keep_rewriting(port));
            }
            end.make(daemon, &acknowledgements);
            let gone = ns_since(self.started);
            (running.into_iter().map(|client| client.join().unwrap()).collect::<Vec<_>>(), gone)
        });
        self.gone = Some((gone, end.how()));
        for (history, mut calls) in calls {
            for call in calls.iter_mut().filter(|call| call.reply.is_none()) {
                call.returned = gone;
            }
            self.histories[history].calls.extend(calls);
        }
    }

    /// Has all clients ask once more, and then looks at all that is there.
    pub(crate) fn finish(mut self, rng: &mut Rng) -> Vec<History> {
        let daemon = self.start("");
        let (acknowledge, _acknowledgements) = mpsc::channel();
        let clients = self.clients(daemon.port, rng, &acknowledge);
        let calls = thread::scope(|scope| {
            let run = |client: Recorder| scope.spawn(move || client.run(LAST_COMMANDS));
            let running: Vec<_> = clients.into_iter().map(run).collect();
            running.into_iter().map(|client| client.join().unwrap()).collect::<Vec<_>>()
        });
        let lookers = self.clients(daemon.port, rng, &acknowledge).into_iter().skip(READERS).step_by(CLIENTS);
        for (history, calls) in calls.into_iter().chain(lookers.map(|looker| looker.run(1))) {
            assert!(calls.iter().all(|call| call.reply.is_some()), "{}", daemon.log());
            self.histories[history].calls.extend(calls);
        }
        self.histories
    }

    fn start(&mut self, failpoints: &str) -> Daemon {
        loop {
            match self.home.launch_with_failpoints(free_port(), failpoints).ready() {
                Ok(daemon) => {
                    if let Some((gone, how)) = self.gone.take() {
                        let restart = Restart { gone, ready: ns_since(self.started), how };
                        self.histories.iter_mut().for_each(|history| history.restarts.push(restart.clone()));
                    }
                    return daemon;
                }
                Err(ended) => assert_eq!(ended.code, Some(PORT_IN_USE), "{}", ended.log),
            }
        }
    }

    /// Those of one history next to each other.
    fn clients(&self, port: u16, rng: &mut Rng, acknowledge: &Sender<()>) -> Vec<Recorder> {
        let all = (0..self.histories.len()).flat_map(|history| (0..CLIENTS).map(move |id| (history, id)));
        let client = |(history, id)| Recorder {
            history,
            id,
            port,
            rng: rng.fork(),
            started: self.started,
            acknowledge: acknowledge.clone(),
        };
        all.map(client).collect()
    }
}

/// A client that notes what it asks, when, and what comes of it.
struct Recorder {
    history: usize,
    id: usize,
    port: u16,
    rng: Rng,
    started: Instant,
    acknowledge: Sender<()>,
}

impl Recorder {
    /// Asks so many times, or until the daemon has ended. Returns the history and its part of it.
    fn run(mut self, commands: usize) -> (usize, Vec<Call>) {
        let mut calls = Vec::new();
        let Ok(client) = Client::connect(self.port) else { return (self.history, calls) };
        for command in 0..commands {
            let op = self.op(command);
            let request = op.encode(&format!("history{} ", self.history));
            let invoked = ns_since(self.started);
            let answer = client.send(&request).and_then(|()| op.receive(&client));
            let returned = ns_since(self.started);
            let is_over = answer.is_err();
            let call = |reply| Call { client: self.id, op, invoked, returned, reply };
            match answer {
                Ok(Some(reply)) => calls.push(call(Some(reply))),
                // It says that nothing has happened.
                Ok(None) => {}
                Err(_) => calls.push(call(None)),
            }
            if is_over {
                break;
            }
            // At the end, nobody counts them.
            let _ = self.acknowledge.send(());
        }
        (self.history, calls)
    }

    fn op(&mut self, command: usize) -> Op {
        if self.id < READERS {
            Op::any_read(&mut self.rng)
        } else if self.id == READERS && command == 0 {
            Op::snapshot()
        } else {
            Op::any(&mut self.rng)
        }
    }
}

fn ns_since(started: Instant) -> u64 {
    u64::try_from(started.elapsed().as_nanos()).unwrap()
}
