//! One client: read, decode, execute in order, write.
//!
//! Reads are answered right here (`reads.rs`). A write, and every read that stands behind it in what was read at once, goes
//! to the journal in one batch. Commands of the session, and of the server, wait until what stands before them
//! is answered. What stands between MULTI and EXEC is queued, and goes to the journal as one.
//!
//! SMEMBERS of a large set is written as the set is walked (`stream.rs`).
//!
//! What others send the client (`push.rs`) goes out between replies; while it waits it can be woken for that, and
//! to be ended. Between requests, too, it waits where clients are paused (`pause.rs`).

use std::future::poll_fn;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use tokio::sync::watch;

use crate::clients::{Client, Membership};
use crate::command::{self, Command, Control, Environment, Flag, Run, Scope, Session, TransactionStep};
use crate::journal::{Closed, Item, Journal, Query, Watched};
use crate::limits::{
    CLOSING_READS, FIRST_LOGIN_DELAY, KEPT_OUTPUT_BYTES, LONGEST_LOGIN_DELAY, OUTPUT_BYTES, READ_BYTES,
    UNANSWERED_BYTES,
};
use crate::monitor::Executed;
use crate::op::Op;
use crate::outbox::Backlog;
use crate::reply::{Error, ProtocolError, Reply};
use crate::request::Request;
use crate::resp::{self, Decoder, Protocol, Requests};
use crate::seldom::Seldom;
use crate::stats::{Stats, now_ms, since_epoch};
use crate::store::View;

use self::push::Event;
use self::transaction::{Answer, Queued, Transaction};

pub use self::pause::Pause;
pub use self::socket::Stream;

mod pause;
mod push;
mod reads;
mod socket;
mod stream;
mod transaction;

/// Requests for which a batch has room from the start.
const LIKELY_BATCH: usize = 64;

/// What all connections share.
#[derive(Debug)]
pub struct Services {
    /// What session commands see.
    pub environment: Arc<Environment>,
    /// Where writes go.
    pub journal: Journal,
    /// Whether commands have to wait.
    pub pause: Pause,
    /// True once the server is on its way out; SHUTDOWN makes it so.
    pub shutdown: watch::Sender<bool>,
    /// Lines of the log that any client can cause.
    pub repeated: Repeated,
}

/// Lines of the log that any client can cause.
#[derive(Debug, Default)]
pub struct Repeated {
    /// That it speaks HTTP.
    http: Seldom,
    /// That it does not take what is sent to it.
    output_limit: Seldom,
    /// That it could not log in.
    login: Seldom,
    /// That its certificate is nobody's.
    certificate: Seldom,
}

/// Serves a client until it leaves, is refused, or the server ends. It begins as `user`, if one is given: who that is was shown
/// by other means than AUTH. Where there is no such user, or it is off, the client is refused.
///
/// # Errors
///
/// If its socket fails, or others end it.
pub async fn serve(
    stream: Stream,
    user: Option<&str>,
    membership: Membership,
    services: Arc<Services>,
) -> io::Result<()> {
    let mut connection = Connection::new(stream, &membership, services);
    if let Some(user) = user
        && let Err(error) = connection.session.begin_as(user, &connection.services.environment)
    {
        return connection.refuse(error).await;
    }
    while !connection.is_closing {
        match connection.event().await? {
            Event::Answered => {}
            Event::Received(0) | Event::Leaving => break,
            Event::Received(_) => connection.answer().await?,
            Event::Signalled => connection.push().await?,
        }
    }
    connection.close().await
}

struct Connection {
    stream: Stream,
    services: Arc<Services>,
    session: Session,
    /// What was queued since MULTI, if that is where the connection is.
    transaction: Option<Transaction>,
    /// The keys that the next transaction depends on.
    watched: Option<Watched>,
    decoder: Decoder,
    /// Those at hand. Like the output, they hold no memory while there are none.
    requests: Requests,
    /// What was decoded of the input, if something was and is not executed yet.
    portion: Option<Portion>,
    /// Read, and not executed yet.
    input: BytesMut,
    output: BytesMut,
    /// The waker that others were told of.
    waker: Option<Waker>,
    /// What the reply to the next failed login waits.
    login_delay: Duration,
    /// Ends as soon as the replies so far are written.
    is_closing: bool,
    /// Whether more memory was in use than may be, when the request at hand, which changes something, had its turn.
    is_out_of_memory: bool,
}

impl Connection {
    fn new(stream: Stream, membership: &Membership, services: Arc<Services>) -> Self {
        let session = Session::new(Arc::clone(&membership.client), &services.environment);
        Self {
            stream,
            services,
            session,
            transaction: None,
            watched: None,
            decoder: Decoder::default(),
            requests: Requests::default(),
            portion: None,
            input: BytesMut::new(),
            output: BytesMut::new(),
            waker: None,
            login_delay: FIRST_LOGIN_DELAY,
            is_closing: false,
            is_out_of_memory: false,
        }
    }

    fn client(&self) -> &Client {
        self.session.client()
    }

    /// Ends the connection of one whose certificate names nobody who is let in.
    async fn refuse(&mut self, error: Error) -> io::Result<()> {
        if let Some(left_out) = self.services.repeated.certificate.may_log(Instant::now()) {
            tracing::warn!(
                client = %self.client().peer_address,
                left_out,
                "A client's certificate names no user that is on: it is refused (tls-auth-clients-user)"
            );
        }
        self.reply(&Reply::Error(error));
        self.flush().await?;
        self.close().await
    }

    /// Ends the stream behind the last reply.
    ///
    /// What the client has sent beyond that is taken in and dropped: a socket that is closed with something
    /// unread is reset, and the client may lose the replies that are on their way.
    async fn close(&mut self) -> io::Result<()> {
        self.stream.shutdown().await?;
        let mut dropped = vec![0; READ_BYTES];
        for _ in 0..CLOSING_READS {
            if self.stream.try_read(&mut dropped).unwrap_or(0) == 0 {
                break;
            }
        }
        Ok(())
    }

    /// Executes the complete requests among the bytes taken in, and writes the replies.
    async fn answer(&mut self) -> io::Result<()> {
        self.prepare();
        while !self.is_closing {
            let Portion { next, outcome } = self.portion.take().unwrap_or_else(|| self.decode_input());
            let requests = std::mem::take(&mut self.requests);
            let chunk = self.input.split_to(requests.consumed()).freeze();
            self.execute(next, Decoded::shared(&chunk, &requests)).await?;
            let is_none = requests.is_empty();
            self.requests = requests;
            if let Err(error) = outcome
                && !self.is_closing
            {
                self.reply(&Reply::Error(Error::Protocol(error)));
                self.is_closing = true;
            }
            if is_none {
                let incomplete = self.input.len();
                self.flush().await?;
                // Writing takes in what the client sends meanwhile, which may complete a request.
                if self.input.len() == incomplete {
                    break;
                }
            }
        }
        if self.input.is_empty() {
            self.input = BytesMut::new();
        }
        self.client().query_bytes.store(self.input.len(), Relaxed);
        self.flush().await?;
        self.rest();
        Ok(())
    }

    fn decode_input(&mut self) -> Portion {
        let (mut input, mut requests) = (std::mem::take(&mut self.input), std::mem::take(&mut self.requests));
        let outcome = self.decode(&mut input, &mut requests);
        (self.input, self.requests) = (input, requests);
        Portion { next: 0, outcome }
    }

    /// Decodes a portion of the requests in `input`.
    fn decode(&mut self, input: &mut [u8], requests: &mut Requests) -> Result<(), ProtocolError> {
        let settings = &self.services.environment.settings;
        self.decoder.set_bounds(settings.argument_bytes(), settings.request_bytes());
        self.decoder.decode(input, requests, self.session.is_authenticated())
    }

    /// Executes requests from `next` on, in order.
    async fn execute(&mut self, mut next: usize, decoded: Decoded<'_>) -> io::Result<()> {
        while let Some(request) = decoded.get(next).filter(|_| !self.is_closing) {
            if self.client().is_signalled() {
                self.take_messages().await?;
            }
            let command = self.command(request).and_then(|command| self.within_memory(command));
            if let Ok(command) = command
                && self.services.pause.is_active()
                && !self.wait_for_unpause(command).await?
            {
                break;
            }
            next += match command {
                Ok(command) if self.transaction.is_some() && !command.spec.has(Flag::Immediate) => {
                    self.queue(command, request)
                }
                Ok(command) => self.execute_from(next, request, command, decoded).await?,
                Err((command, error)) => self.reject(request, command, error),
            };
            if self.output.len() >= OUTPUT_BYTES {
                self.flush().await?;
            }
        }
        Ok(())
    }

    /// Executes request `first`, and those behind it that can go along. Returns how many were executed.
    async fn execute_from(
        &mut self,
        first: usize,
        request: Request<'_>,
        command: Command,
        decoded: Decoded<'_>,
    ) -> io::Result<usize> {
        let started = Instant::now();
        self.session.client().note_command(command.spec.name, started);
        let reply = match command.spec.run {
            Run::Read(read) => match self.begin_walk(command, request) {
                Ok(Some(walk)) => return self.stream(command, request, walk).await,
                Ok(None) => return Ok(self.read(first, command, read, decoded, started)),
                Err(error) => Some(error.into()),
            },
            Run::Write(make) => match make(&self.scope(), request) {
                Ok(change) => {
                    let op = Op { database: self.session.database(), change };
                    return self.write(first, command, op, decoded).await;
                }
                Err(error) => Some(error.into()),
            },
            Run::Transaction(step) => Some(self.transact(step, request).await),
            Run::Session(_) | Run::Control(_) | Run::Container => self.execute_here(command, request).await,
        };
        self.client().note_seen();
        self.count(command, std::iter::once(request), started.elapsed());
        self.wait_for_failed_login().await;
        // What the command made others, or itself, send this client stands before its reply, as in Redis.
        if self.client().is_signalled() && !command.spec.has(Flag::RepliesFirst) {
            self.take_messages().await?;
        }
        if let Some(reply) = reply {
            self.reply_to(command, &reply);
        }
        self.show(command, request);
        self.is_closing |= self.session.is_closing();
        Ok(1)
    }

    /// Executes a command that needs neither the store nor the journal. SHUTDOWN has no reply.
    async fn execute_here(&mut self, command: Command, request: Request<'_>) -> Option<Reply> {
        match command.spec.run {
            Run::Session(run) => {
                let reply = run(&mut self.session, &self.services.environment, request);
                if command.spec.has(Flag::EndsTransaction) {
                    self.end_transaction();
                }
                Some(reply)
            }
            Run::Control(parse) => match parse(request) {
                Ok(control) => self.control(control).await,
                Err(error) => Some(error.into()),
            },
            // UNWATCH between MULTI and EXEC, which watches nothing any more when its turn comes.
            Run::Transaction(_) => Some(Reply::OK),
            Run::Read(_) | Run::Write(_) | Run::Container => {
                Some(Error::WrongArity(command.spec.name.to_owned()).into())
            }
        }
    }

    /// Has the journal execute `op`, asked for by request `first`, and the writes and reads right behind it:
    /// one batch, one commit.
    async fn write(
        &mut self,
        first: usize,
        command: Command,
        op: Op,
        decoded: Decoded<'_>,
    ) -> io::Result<usize> {
        let started = Instant::now();
        let room = (decoded.requests.len() - first).min(LIKELY_BATCH);
        let (mut commands, mut items) = (Vec::with_capacity(room), Vec::with_capacity(room));
        commands.push(command);
        items.push(Item::Write(op));
        // One look at the clock, and at the store's time, for all of them.
        let scope = self.scope();
        while let Some((command, item)) =
            decoded.get(first + items.len()).and_then(|request| self.batch_item(&scope, request))
        {
            commands.push(command);
            items.push(item);
        }
        self.session.client().note_command(commands[commands.len() - 1].spec.name, started);
        let replies = match self.services.journal.submit(items).await {
            // Perhaps not all: the rest has its turn when these are sent.
            Ok(replies) => replies,
            Err(Closed) => vec![Error::ShuttingDown.into(); commands.len()],
        };
        self.client().note_seen();
        let executed = replies.len();
        let each_took = started.elapsed() / executed.max(1) as u32;
        if self.client().is_signalled() {
            self.take_messages().await?;
        }
        let mut next = first;
        for same in commands[..executed].chunk_by(|one, other| one.index == other.index) {
            let requests = decoded.range(next..next + same.len());
            next += same.len();
            self.count(same[0], requests, each_took * same.len() as u32);
        }
        let requests = decoded.range(first..first + executed);
        for ((&command, request), reply) in commands.iter().zip(requests).zip(replies) {
            self.reply_to(command, &reply);
            self.show(command, request);
            drop(reply);
            if self.output.len() >= OUTPUT_BYTES {
                self.flush().await?;
            }
        }
        Ok(executed)
    }

    /// Where and when changes are asked for.
    fn scope(&self) -> Scope<'_> {
        let store = &self.services.environment.store;
        // Where the clock was set back, what is to end in a second would otherwise have ended already.
        let now_ms = now_ms().max(store.read().time_ms());
        Scope { database: self.session.database(), now_ms, store }
    }

    /// The request as a part of a batch. None, if it can't be one, or is an error: it then has its turn once
    /// what stands before it is answered.
    fn batch_item(&self, scope: &Scope<'_>, request: Request<'_>) -> Option<(Command, Item)> {
        let command = self.command(request).ok()?;
        if self.is_out_of_memory && command.spec.has(Flag::DenyOom) {
            return None;
        }
        let database = scope.database;
        let item = match command.spec.run {
            Run::Write(make) => Item::Write(Op { database, change: make(scope, request).ok()? }),
            // Those that take long have their turn behind the commit: the writer would keep everybody waiting, and
            // hold all their replies at once.
            Run::Read(read) if !command.spec.is_slow_read() => {
                Item::Read(Query { read, database, request: request.to_owned() })
            }
            Run::Read(_) | Run::Session(_) | Run::Control(_) | Run::Transaction(_) | Run::Container => {
                return None;
            }
        };
        Some((command, item))
    }

    /// Queues a request behind MULTI. Returns 1, for it.
    fn queue(&mut self, command: Command, request: Request<'_>) -> usize {
        self.session.client().note_command(command.spec.name, Instant::now());
        let Some(transaction) = &mut self.transaction else { return 1 };
        let outcome = transaction.queue(command, request);
        self.session.client().note_queued(Some(transaction.len()));
        match outcome {
            Ok(()) => self.reply(&Reply::Simple("QUEUED")),
            Err(error) => return self.reject(request, Some(command), error),
        }
        1
    }

    async fn transact(&mut self, step: TransactionStep, request: Request<'_>) -> Reply {
        match step {
            TransactionStep::Begin if self.transaction.is_some() => Error::NestedMulti.into(),
            TransactionStep::Begin => {
                self.transaction = Some(Transaction::default());
                self.session.client().note_queued(Some(0));
                Reply::OK
            }
            TransactionStep::Execute => match self.transaction.take() {
                Some(transaction) => {
                    let reply = self.execute_transaction(transaction).await;
                    self.end_transaction();
                    reply
                }
                None => Error::ExecWithoutMulti.into(),
            },
            TransactionStep::Discard if self.transaction.is_none() => Error::DiscardWithoutMulti.into(),
            TransactionStep::Discard => {
                self.end_transaction();
                Reply::OK
            }
            TransactionStep::Watch if self.transaction.is_some() => Error::WatchInsideMulti.into(),
            TransactionStep::Watch => self.watch(request),
            TransactionStep::Unwatch => {
                self.watched = None;
                Reply::OK
            }
        }
    }

    /// What a request that can't be executed means for the transaction. Returns the error that it is answered: an
    /// EXEC that is wrong itself says so in its own way, even where there is no transaction.
    fn spoil_transaction(&mut self, command: Option<Command>, error: Error) -> Error {
        let is_exec =
            |command: Command| matches!(command.spec.run, Run::Transaction(TransactionStep::Execute));
        if command.is_some_and(is_exec) {
            self.end_transaction();
            return Error::ExecAbortBecause(error.to_string().trim_start_matches("ERR ").to_owned());
        }
        if let Some(transaction) = &mut self.transaction {
            transaction.make_void();
        }
        error
    }

    fn end_transaction(&mut self) {
        self.transaction = None;
        self.watched = None;
        self.session.client().note_queued(None);
    }

    fn watch(&mut self, request: Request<'_>) -> Reply {
        let Self { watched, services, session, .. } = self;
        let watched = watched.get_or_insert_with(|| services.journal.watched());
        let has_room = request.args(1).all(|key| watched.add(session.database(), key));
        if has_room { Reply::OK } else { Error::TooManyWatched.into() }
    }

    /// Has the journal execute the writes and reads of a transaction as one; the rest follows right behind.
    async fn execute_transaction(&mut self, transaction: Transaction) -> Reply {
        if transaction.is_void() {
            return Error::ExecAbort.into();
        }
        let started = Instant::now();
        let permit = |command, request: Request<'_>| {
            self.session.permit_later(&self.services.environment, command, request)
        };
        let (items, answers) = transaction.plan(&self.scope(), permit);
        let done = match self.submit_transaction(items).await {
            Ok(Reply::Array(replies)) => replies,
            Ok(refusal) => return refusal,
            Err(Closed) => return Error::ShuttingDown.into(),
        };
        let mut journalled = done.into_iter();
        let mut replies = Vec::with_capacity(answers.len());
        let each_took = started.elapsed() / answers.len().max(1) as u32;
        for (Queued { command, request }, answer) in transaction.into_queued().into_iter().zip(answers) {
            let reply = match answer {
                Answer::Journal => journalled.next(),
                Answer::Connection => self.execute_here(command, request.as_request()).await,
                Answer::Known(reply) => Some(reply),
            };
            let reply = reply.unwrap_or(Reply::Null);
            self.count(command, std::iter::once(request.as_request()), each_took);
            self.wait_for_failed_login().await;
            count_error(command, &reply, &self.services.environment.stats);
            self.show(command, request.as_request());
            replies.push(reply);
        }
        Reply::Array(replies)
    }

    async fn submit_transaction(&mut self, items: Vec<Item>) -> Result<Reply, Closed> {
        let watched = self.watched.take();
        if items.is_empty() && watched.is_none() {
            return Ok(Reply::Array(Vec::new()));
        }
        let replies = self.services.journal.submit(vec![Item::Transaction { items, watched }]).await?;
        replies.into_iter().next().ok_or(Closed)
    }

    /// Does what a client asks of the server. SHUTDOWN has no reply: the connection ends.
    async fn control(&mut self, control: Control) -> Option<Reply> {
        match control {
            Control::Save => Some(match self.services.journal.checkpoint().await {
                Ok(()) => Reply::OK,
                Err(why) => Error::CheckpointFailed(why).into(),
            }),
            Control::BackgroundSave => Some(self.save_in_background()),
            Control::RewriteConfig => Some(self.rewrite_config().await),
            Control::LoadUsers => Some(self.load_users().await),
            Control::SaveUsers => Some(self.save_users().await),
            Control::Sync { timeout_ms } => Some(self.sync(timeout_ms).await),
            Control::Shutdown => {
                tracing::info!(client = self.session.client().id, "Shutting down: a client asked for it");
                self.services.shutdown.send_replace(true);
                self.is_closing = true;
                None
            }
            Control::BackgroundCompaction => Some(self.compact_in_background()),
            Control::Pause { kind, milliseconds } => {
                self.services.pause.begin(kind, Duration::from_millis(milliseconds));
                Some(Reply::OK)
            }
            Control::Unpause => {
                self.services.pause.end();
                Some(Reply::OK)
            }
        }
    }

    /// Starts a checkpoint, unless one is under way. Its outcome is in the log, and in INFO.
    fn save_in_background(&self) -> Reply {
        let services = Arc::clone(&self.services);
        if services.environment.stats.journal.is_saving_in_background.swap(true, Relaxed) {
            return Error::SaveInProgress.into();
        }
        tokio::spawn(async move {
            let _ = services.journal.checkpoint().await;
            services.environment.stats.journal.is_saving_in_background.store(false, Relaxed);
        });
        Reply::Simple("Background saving started")
    }

    /// Has the journal be compacted, unless that is under way. Its outcome is in the log, and in INFO.
    fn compact_in_background(&self) -> Reply {
        if self.services.environment.stats.journal.is_compacting.swap(true, Relaxed) {
            return Error::CompactionInProgress.into();
        }
        match self.services.journal.compact() {
            Ok(()) => Reply::Simple("Background append only file rewriting started"),
            Err(Closed) => Error::ShuttingDown.into(),
        }
    }

    /// It waits for the disk, which nobody else on this thread should.
    async fn rewrite_config(&self) -> Reply {
        let parameters = Arc::clone(&self.services.environment.parameters);
        let outcome = tokio::task::spawn_blocking(move || parameters.rewrite()).await;
        match outcome {
            Ok(Ok(())) => Reply::OK,
            Ok(Err(error)) => error.into(),
            Err(error) => Error::RewriteFailed(error.to_string()).into(),
        }
    }

    /// It waits for the disk, as above.
    async fn load_users(&mut self) -> Reply {
        let users = Arc::clone(&self.services.environment.users);
        let outcome = tokio::task::spawn_blocking(move || users.load()).await;
        match outcome {
            Ok(Ok(())) => {
                self.session.note_changed_users(&self.services.environment);
                self.is_closing |= self.session.is_closing();
                Reply::OK
            }
            Ok(Err(error)) => error.into(),
            Err(error) => Error::AclLoadFailed(error.to_string()).into(),
        }
    }

    async fn save_users(&self) -> Reply {
        let users = Arc::clone(&self.services.environment.users);
        match tokio::task::spawn_blocking(move || users.save()).await {
            Ok(Ok(())) => Reply::OK,
            Ok(Err(error)) => error.into(),
            Err(_) => Error::AclSaveFailed.into(),
        }
    }

    /// Where a login has just failed, has the reply wait, and this connection with it: nothing is read from it
    /// meanwhile. Whoever tries many passwords gets few answers; nobody else waits.
    async fn wait_for_failed_login(&mut self) {
        let Some(failed) = self.session.take_failed_login() else { return };
        if let Some(left_out) = self.services.repeated.login.may_log(Instant::now()) {
            tracing::warn!(
                client = %self.client().peer_address,
                user = failed.user.as_deref().unwrap_or("(there is no such user)"),
                left_out,
                "A client could not log in"
            );
        }
        tokio::time::sleep(self.login_delay).await;
        self.login_delay = (2 * self.login_delay).min(LONGEST_LOGIN_DELAY);
    }

    /// How many disks hold what was acknowledged, and how many replicas: 1 and 0, if the sync is done in time.
    async fn sync(&self, timeout_ms: Option<u64>) -> Reply {
        let sync = self.services.journal.sync();
        let is_synced = match timeout_ms {
            Some(ms) => {
                tokio::time::timeout(Duration::from_millis(ms), sync).await.is_ok_and(|done| done.is_ok())
            }
            None => sync.await.is_ok(),
        };
        Reply::Array(vec![Reply::Integer(is_synced.into()), Reply::Integer(0)])
    }

    /// The command that a request names, if it may be executed now.
    fn command(&self, request: Request<'_>) -> Result<Command, (Option<Command>, Error)> {
        let command = command::find(request)?;
        self.session.permit(command, request).map_err(|error| (Some(command), error))?;
        if let Some(error) = self.session.refusal(command.spec) {
            return Err((Some(command), error));
        }
        let is_loading = self.services.environment.stats.journal.loading.load(Relaxed);
        if is_loading && !command.spec.has(Flag::Loading) {
            return Err((Some(command), Error::Loading));
        }
        Ok(command)
    }

    /// The command, if there is memory for it. As in Redis, nothing is queued behind MULTI where there is none.
    fn within_memory(&mut self, command: Command) -> Result<Command, (Option<Command>, Error)> {
        let needs_memory = match (command.spec.run, &self.transaction) {
            (Run::Transaction(TransactionStep::Execute), Some(transaction)) => transaction.needs_memory(),
            (Run::Transaction(TransactionStep::Execute | TransactionStep::Discard), _) => false,
            // QUIT and RESET, too, are executed at once, and can't be refused.
            (run, Some(_)) => matches!(run, Run::Transaction(_)) || !command.spec.has(Flag::Immediate),
            (_, None) => command.spec.has(Flag::DenyOom),
        };
        // What only takes away may have something behind it that does not.
        if needs_memory || matches!(command.spec.run, Run::Write(_)) {
            self.is_out_of_memory = self.services.environment.settings.is_out_of_memory();
            if needs_memory && self.is_out_of_memory {
                return Err((Some(command), Error::OutOfMemory));
            }
        }
        Ok(command)
    }

    /// Answers a request that can't be executed. Returns 1, for it.
    fn reject(&mut self, request: Request<'_>, command: Option<Command>, error: Error) -> usize {
        let is_denial =
            matches!(error, Error::NoPermission { .. } | Error::NoKeyPermission | Error::NoChannelPermission);
        let error = self.spoil_transaction(command, error);
        if let Some(command) = command {
            self.services.environment.stats.commands[command.index].rejected_calls.add(1);
            if is_denial {
                self.session.note_denial(&self.services.environment, command, request);
            }
        } else if is_http(request.arg(0)) {
            if let Some(left_out) = self.services.repeated.http.may_log(Instant::now()) {
                tracing::warn!(
                    client = %self.session.client().peer_address,
                    left_out,
                    "A request in HTTP: perhaps a web page that tries to send commands. The connection is closed"
                );
            }
            self.is_closing = true;
            return 1;
        }
        self.reply(&Reply::Error(error));
        1
    }

    /// Counts requests of one command that took so long together, and has a closer look at them if each took long.
    fn count<'a>(
        &self,
        command: Command,
        requests: impl ExactSizeIterator<Item = Request<'a>>,
        took: Duration,
    ) {
        let environment = &self.services.environment;
        environment.stats.commands[command.index].add(requests.len() as u64, took);
        let each_took = took / requests.len().max(1) as u32;
        if environment.settings.is_slow(each_took.as_micros() as u64) {
            let note = |request| {
                command::note_slow(environment, self.session.client(), command, request, each_took);
            };
            requests.for_each(note);
        }
    }

    /// Shows monitors a command that was executed.
    fn show(&self, command: Command, request: Request<'_>) {
        show(&self.services.environment, &self.session, command, request);
    }

    fn reply_to(&mut self, command: Command, reply: &Reply) {
        count_error(command, reply, &self.services.environment.stats);
        self.reply(reply);
    }

    fn reply(&mut self, reply: &Reply) {
        let Self { services, session, output, .. } = self;
        put_reply(reply, session, &services.environment.stats, output);
    }

    fn protocol(&self) -> Protocol {
        protocol(&self.session)
    }

    /// Writes some of the output from `written` on, or what waits of it to be sent, or else takes in what the client sends.
    fn poll_progress(
        &mut self,
        context: &mut Context<'_>,
        written: usize,
        has_ended: bool,
    ) -> Poll<io::Result<Progress>> {
        if let Some(end) = self.end(context) {
            return Poll::Ready(Err(end));
        }
        let writing = self.stream.poll_write(context, &self.output[written..]);
        if writing.is_ready() {
            self.client().note_seen();
            return writing.map_ok(Progress::Written);
        }
        if has_ended { Poll::Pending } else { self.poll_receive(context).map_ok(Progress::Received) }
    }

    /// Writes what the system takes at once.
    fn poll_write_at_once(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.output.is_empty() {
            return Poll::Ready(Ok(0));
        }
        if let Some(end) = self.end(context) {
            return Poll::Ready(Err(end));
        }
        match self.stream.poll_write(context, &self.output) {
            Poll::Pending => Poll::Ready(Ok(0)),
            Poll::Ready(written) => Poll::Ready(written),
        }
    }

    /// Writes the output from `written` on, which has to wait for the client.
    async fn write_from(&mut self, mut written: usize) -> io::Result<()> {
        let (mut has_ended, mut backlog) = (false, Backlog::default());
        while written < self.output.len() || self.stream.has_unsent() {
            self.keep_within_limit(&mut backlog, self.output.len() - written)?;
            match self.progress(written, has_ended).await? {
                Progress::Written(length) => written += length,
                Progress::Received(length) => {
                    has_ended = length == 0;
                    if self.input.len() > UNANSWERED_BYTES {
                        return Err(io::Error::other("it sends on and on, and takes no replies"));
                    }
                }
                Progress::Nothing => {}
            }
        }
        Ok(())
    }

    /// Writes the replies so far.
    ///
    /// A client may send all of a long pipeline before it reads the first reply: while it takes no more replies,
    /// what it sends is taken in, or both sides would wait for each other.
    async fn flush(&mut self) -> io::Result<()> {
        self.services.environment.stats.net_output_bytes.add(self.output.len() as u64);
        let written = poll_fn(|context| self.poll_write_at_once(context)).await?;
        if written < self.output.len() || self.stream.has_unsent() {
            self.write_from(written).await?;
        }
        self.output.clear();
        if self.output.capacity() > KEPT_OUTPUT_BYTES {
            self.output = BytesMut::new();
        }
        Ok(())
    }
}

/// Counts the reply to a command, if it is an error.
fn count_error(command: Command, reply: &Reply, stats: &Stats) {
    if matches!(reply, Reply::Error(_)) {
        stats.commands[command.index].failed_calls.add(1);
    }
}

/// Appends a reply to the output, if the client wants it.
#[inline]
fn put_reply(reply: &Reply, session: &mut Session, stats: &Stats, output: &mut BytesMut) {
    if matches!(reply, Reply::Error(_)) {
        stats.error_replies.add(1);
    }
    // Messages are none: they come whether or not replies are wanted.
    if session.takes_reply() || matches!(reply, Reply::Pushes(_)) {
        resp::encode(reply, protocol(session), output);
    }
}

fn protocol(session: &Session) -> Protocol {
    if session.protocol() == 3 { Protocol::Resp3 } else { Protocol::Resp2 }
}

/// Whether monitors are shown this command.
fn is_shown(environment: &Environment, command: Command) -> bool {
    environment.monitors.are_there() && !command.spec.has(Flag::Admin)
}

/// Shows monitors a command that was executed.
fn show(environment: &Environment, session: &Session, command: Command, request: Request<'_>) {
    if is_shown(environment, command) {
        environment.monitors.show(&Executed {
            arguments: command::redacted(environment, command, request),
            at: since_epoch(),
            database: session.database(),
            client: &session.client().peer_address,
        });
    }
}

/// How far the requests that were decoded last are executed.
struct Portion {
    /// The first that is not.
    next: usize,
    /// What stands behind them, if it is no request.
    outcome: Result<(), ProtocolError>,
}

/// Requests and the bytes in which they stand.
#[derive(Clone, Copy)]
struct Decoded<'a> {
    bytes: &'a [u8],
    /// The same, if requests that are kept may share them.
    chunk: Option<&'a Bytes>,
    requests: &'a Requests,
}

impl<'a> Decoded<'a> {
    fn shared(chunk: &'a Bytes, requests: &'a Requests) -> Self {
        Self { bytes: chunk, chunk: Some(chunk), requests }
    }

    fn in_place(bytes: &'a [u8], requests: &'a Requests) -> Self {
        Self { bytes, chunk: None, requests }
    }

    fn get(self, index: usize) -> Option<Request<'a>> {
        (index < self.requests.len()).then(|| self.request(index))
    }

    #[inline]
    fn request(self, index: usize) -> Request<'a> {
        match self.chunk {
            Some(chunk) => Request::new(chunk, self.requests.get(index)),
            None => Request::in_place(self.bytes, self.requests.get(index)),
        }
    }

    /// These requests, which must be there.
    fn range(self, places: Range<usize>) -> impl ExactSizeIterator<Item = Request<'a>> {
        places.map(move |place| self.request(place))
    }

    /// How many requests from `first` on name the same command in the same way, and may be executed because that one
    /// may, whose command this is: at least 1.
    fn alike(self, first: usize, command: Command) -> usize {
        let name = self.request(first).arg(0);
        // Which subcommand it is, the name doesn't say.
        if name.len() != command.spec.name.len() {
            return 1;
        }
        let is_alike = |request: Request<'_>| request.arg(0) == name && command.spec.takes(request.len());
        let others = first + 1..self.requests.len();
        1 + others.take_while(|&at| self.requests.is_alike(at) || is_alike(self.request(at))).count()
    }
}

/// What a connection that writes has achieved, in bytes.
enum Progress {
    Written(usize),
    Received(usize),
    Nothing,
}

type ReadFunction = fn(&View<'_>, u8, Request<'_>) -> Result<Reply, Error>;

/// Whether a request that is no command is the first line, or the second, of one that a browser sends. As in
/// Redis, it ends the connection, so that no line of its body is taken for a command.
fn is_http(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"post") || name.eq_ignore_ascii_case(b"host:")
}
