//! The connection's own state, and the commands that read or change it: AUTH, HELLO, SELECT, CLIENT, ...

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::client::ClientType;
use super::{Command, Denied, Environment, Flag, Run, Spec};
use crate::acl::{Context, DEFAULT_USER, Denial, Reason, User};
use crate::clients::Client;
use crate::limits::{CLIENT_NAME_BYTES, DATABASES};
use crate::monitor::Monitoring;
use crate::pubsub::{Kind, Subscriber};
use crate::reply::{Error, Reply, printable};
use crate::request::{Request, parse_integer};
use crate::stats::now_ms;

/// The version of Redis whose commands and replies these are, as HELLO and INFO report it. Client libraries
/// switch features on by it.
pub const REDIS_VERSION: &str = "7.2.4";

/// What one connection's commands change of it.
#[derive(Debug)]
pub struct Session {
    client: Arc<Client>,
    /// The user that it is: the default one, until it logs in.
    user: Arc<User>,
    /// Whether it has logged in, or needed not to when it came.
    authenticated: bool,
    /// What follows from the two.
    rights: Rights,
    /// A login that failed, until somebody has seen to it.
    failed_login: Option<FailedLogin>,
    closing: bool,
    replies: Replies,
    /// What it is subscribed to, if there is something.
    subscriber: Option<Box<Subscriber>>,
    /// That it is shown every command, if it is.
    monitoring: Option<Monitoring>,
}

/// What a connection may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rights {
    /// Log in.
    LogIn,
    /// What its user may.
    Some,
    /// All: its user may do everything.
    All,
}

/// A login that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedLogin {
    /// Whose it would have been; none, if there is no such user. (What was given for the name may be a password.)
    pub user: Option<Arc<str>>,
}

/// Which replies the client wants: CLIENT REPLY.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Replies {
    /// All.
    On,
    /// None.
    Off,
    /// All but the next: the command at hand is the SKIP itself.
    SkipNext,
    /// All but that of the command at hand.
    SkipThis,
}

impl Session {
    /// The state of a connection that was just accepted.
    #[must_use]
    pub fn new(client: Arc<Client>, environment: &Environment) -> Self {
        let user = environment.users.default_user();
        let authenticated = user.rules().are_open();
        let mut session = Self {
            client,
            user: Arc::clone(&user),
            authenticated,
            rights: Rights::LogIn,
            failed_login: None,
            closing: false,
            replies: Replies::On,
            subscriber: None,
            monitoring: None,
        };
        session.become_user(user, authenticated);
        session
    }

    /// Makes it that user, whom it was shown to be by other means than AUTH.
    ///
    /// # Errors
    ///
    /// If there is no such user, or it is off: the login is denied then, and the connection must be no other's either.
    pub fn begin_as(&mut self, user: &str, environment: &Environment) -> Result<(), Error> {
        if let Some(user) = environment.users.find(user.as_bytes()).filter(|user| user.rules().is_on()) {
            self.become_user(user, true);
            return Ok(());
        }
        self.note(environment, Reason::Auth, b"tls-auth-clients-user", user.as_bytes());
        Err(Error::WrongPass)
    }

    fn become_user(&mut self, user: Arc<User>, authenticated: bool) {
        // Who has not logged in is the default user.
        self.rights = match (authenticated || user.rules().are_open(), user.rules().allow_everything()) {
            (false, _) => Rights::LogIn,
            (true, false) => Rights::Some,
            (true, true) => Rights::All,
        };
        self.client.profile().user = Arc::clone(user.shown_name());
        (self.user, self.authenticated) = (user, authenticated);
    }

    /// The user that it is.
    pub(super) fn user(&self) -> &User {
        &self.user
    }

    /// Looks at its user anew, if users have changed. False, if the connection has to end: the user is gone, or may not
    /// listen any more to what it is subscribed to.
    #[must_use]
    pub fn review(&mut self, environment: &Environment) -> bool {
        if !self.client.take_review() {
            return true;
        }
        let user = environment.users.find(self.user.name()).filter(|user| user.is(&self.user));
        let Some(user) = user else { return false };
        self.become_user(user, self.authenticated);
        self.may_listen_to_all()
    }

    /// Has all connections look at their users anew. This one ends behind its reply if it has to.
    pub fn note_changed_users(&mut self, environment: &Environment) {
        environment.clients.review();
        if !self.review(environment) {
            self.closing = true;
        }
    }

    fn may_listen_to_all(&self) -> bool {
        let Some(subscriber) = &self.subscriber else { return true };
        [Kind::Channel, Kind::Pattern, Kind::ShardChannel].into_iter().all(|kind| {
            let rules = self.user.rules();
            subscriber.names(kind).iter().all(|name| rules.allow_subscription(name, kind == Kind::Pattern))
        })
    }

    /// Whether every command may be executed, with whatever arguments.
    #[inline]
    #[must_use]
    pub fn may_everything(&self) -> bool {
        self.rights == Rights::All
    }

    /// Whether a request of this command may be executed.
    ///
    /// # Errors
    ///
    /// If the client has to log in first, or its user may not do this.
    #[inline]
    pub fn permit(&self, command: Command, request: Request<'_>) -> Result<(), Error> {
        if self.may_everything() { Ok(()) } else { self.look_up_permission(command, request) }
    }

    fn look_up_permission(&self, command: Command, request: Request<'_>) -> Result<(), Error> {
        if self.rights == Rights::LogIn {
            return if command.spec.has(Flag::NoAuth) { Ok(()) } else { Err(Error::NoAuth) };
        }
        command.permitted(&self.user, request).map_err(|denied| denied.error(command, &self.user))
    }

    /// Whether a request that was permitted when it was queued still is when EXEC executes it. What is denied is counted
    /// and kept for ACL LOG.
    ///
    /// # Errors
    ///
    /// If its user may not do this any more.
    pub fn permit_later(
        &self,
        environment: &Environment,
        command: Command,
        request: Request<'_>,
    ) -> Result<(), Error> {
        if self.may_everything() || self.rights == Rights::LogIn {
            return Ok(());
        }
        command.permitted(&self.user, request).map_err(|denied| {
            self.note_denied(environment, command, request, denied);
            denied.error_later()
        })
    }

    /// Counts a request that was not permitted, and keeps it for ACL LOG.
    pub fn note_denial(&self, environment: &Environment, command: Command, request: Request<'_>) {
        if let Err(denied) = command.permitted(&self.user, request) {
            self.note_denied(environment, command, request, denied);
        }
    }

    fn note_denied(&self, environment: &Environment, command: Command, request: Request<'_>, denied: Denied) {
        let object = denied.object(command, request);
        self.note(environment, denied.reason(), object, self.user.name());
    }

    fn note(&self, environment: &Environment, reason: Reason, object: &[u8], user: &[u8]) {
        let denials = &environment.stats.denials;
        let counter = match reason {
            Reason::Auth => &denials.logins,
            Reason::Command => &denials.commands,
            Reason::Key => &denials.keys,
            Reason::Channel => &denials.channels,
        };
        counter.add(1);
        let context = if self.is_in_transaction() { Context::Multi } else { Context::TopLevel };
        let most = environment.settings.acllog_max_len.load(Relaxed);
        let client = describe(&self.client).trim_end().to_owned();
        environment.users.log.note(Denial { reason, context, object, user }, client, now_ms(), most);
    }

    /// A login that failed since this was last asked.
    pub fn take_failed_login(&mut self) -> Option<FailedLogin> {
        self.failed_login.take()
    }

    /// The connection, as others see it.
    #[must_use]
    pub fn client(&self) -> &Arc<Client> {
        &self.client
    }

    /// The database selected.
    #[must_use]
    pub fn database(&self) -> u8 {
        self.client.database.load(Relaxed)
    }

    /// The RESP version in which replies are written from now on, that of the command at hand included.
    #[must_use]
    pub fn protocol(&self) -> u8 {
        self.client.protocol.load(Relaxed)
    }

    /// Whether all commands are open to the client, not only those before AUTH.
    #[must_use]
    pub fn is_authenticated(&self) -> bool {
        self.rights != Rights::LogIn
    }

    /// Why this command may not be sent, now that the connection is a stream of messages, if it is one.
    #[must_use]
    pub fn refusal(&self, spec: &Spec) -> Option<Error> {
        if self.gets_only_messages() && !spec.has(Flag::WhileSubscribed) {
            return Some(Error::NotWhileSubscribed(spec.name));
        }
        let is_about_data = || spec.may_replicate() || matches!(spec.run, Run::Read(_));
        (self.monitoring.is_some() && is_about_data()).then_some(Error::MonitorAndKeyspace)
    }

    /// Whether it is shown every command.
    #[must_use]
    pub fn is_monitor(&self) -> bool {
        self.monitoring.is_some()
    }

    /// Whether all that it gets are messages: in RESP2 nothing would tell a reply from them.
    fn gets_only_messages(&self) -> bool {
        self.subscriber.is_some() && self.protocol() == 2
    }

    /// Its subscriptions, to be added to.
    pub(super) fn subscriber(&mut self, environment: &Environment) -> &mut Subscriber {
        let Self { subscriber, client, .. } = self;
        subscriber.get_or_insert_with(|| {
            Box::new(Subscriber::new(Arc::clone(&environment.pubsub), Arc::clone(client)))
        })
    }

    /// Its subscriptions, if it has any.
    pub(super) fn present_subscriber(&mut self) -> Option<&mut Subscriber> {
        self.subscriber.as_deref_mut()
    }

    /// To be called once subscriptions may have gone.
    pub(super) fn forget_empty_subscriber(&mut self) {
        self.subscriber.take_if(|subscriber| subscriber.is_empty());
    }

    /// Has it shown every command, unless it already is.
    pub(super) fn watch_commands(&mut self, start: impl FnOnce() -> Monitoring) {
        self.monitoring.get_or_insert_with(start);
    }

    /// Whether the command at hand is one of a transaction.
    pub(super) fn is_in_transaction(&self) -> bool {
        self.client.queued.load(Relaxed) >= 0
    }

    /// Ends the connection behind the reply to the command at hand.
    pub(super) fn close(&mut self) {
        self.closing = true;
    }

    /// Whether the connection ends behind the reply to the command at hand: QUIT.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        self.closing
    }

    /// Whether the client wants the reply to the command at hand. To be asked once for each request, refused
    /// ones too, and before the next is executed.
    pub fn takes_reply(&mut self) -> bool {
        match self.replies {
            Replies::On => true,
            Replies::Off => false,
            Replies::SkipNext => {
                self.replies = Replies::SkipThis;
                false
            }
            Replies::SkipThis => {
                self.replies = Replies::On;
                false
            }
        }
    }

    /// Lets the client in, if this is the user and this the password.
    fn authenticate(
        &mut self,
        environment: &Environment,
        request: Request<'_>,
        (user, password): (&[u8], &[u8]),
    ) -> Result<(), Error> {
        if let Some(user) = environment.users.authenticate(user, password) {
            self.become_user(user, true);
            return Ok(());
        }
        self.note(environment, Reason::Auth, request.arg(0), user);
        let known = environment.users.find(user);
        self.failed_login = Some(FailedLogin { user: known.map(|user| Arc::clone(user.shown_name())) });
        Err(Error::WrongPass)
    }

    fn reset(&mut self, environment: &Environment) {
        let user = environment.users.default_user();
        let authenticated = user.rules().are_open();
        self.become_user(user, authenticated);
        self.subscriber = None;
        self.monitoring = None;
        // A skip goes on to hide the reply of this very command.
        if self.replies == Replies::Off {
            self.replies = Replies::On;
        }
        self.client.database.store(0, Relaxed);
        self.client.protocol.store(2, Relaxed);
        let mut profile = self.client.profile();
        profile.name.clear();
        profile.no_evict = false;
        profile.no_touch = false;
    }
}

/// `+OK`, or the error.
fn ok_or_error(result: Result<(), Error>) -> Reply {
    result.map_or_else(Reply::Error, |()| Reply::OK)
}

pub(super) fn ping(session: &mut Session, _: &Environment, request: Request<'_>) -> Reply {
    match request.len() {
        1 | 2 if session.gets_only_messages() => {
            let message = if request.len() == 2 { Reply::Bulk(request.shared(1)) } else { Reply::fixed("") };
            Reply::Array(vec![Reply::fixed("pong"), message])
        }
        1 => Reply::Simple("PONG"),
        2 => Reply::Bulk(request.shared(1)),
        _ => Error::WrongArity("ping".to_owned()).into(),
    }
}

pub(super) fn echo(_: &mut Session, _: &Environment, request: Request<'_>) -> Reply {
    Reply::Bulk(request.shared(1))
}

pub(super) fn quit(session: &mut Session, _: &Environment, _: Request<'_>) -> Reply {
    session.close();
    Reply::OK
}

pub(super) fn reset(session: &mut Session, environment: &Environment, _: Request<'_>) -> Reply {
    session.reset(environment);
    Reply::Simple("RESET")
}

pub(super) fn select(session: &mut Session, _: &Environment, request: Request<'_>) -> Reply {
    match parse_database(request.arg(1)) {
        Ok(database) => {
            session.client.database.store(database, Relaxed);
            Reply::OK
        }
        Err(error) => error.into(),
    }
}

/// The database that is selected behind this command, if it is SELECT and succeeds.
#[must_use]
pub fn selected_database(command: Command, request: Request<'_>) -> Option<u8> {
    (command.spec.name == "select").then(|| parse_database(request.arg(1)).ok())?
}

/// A database's number.
pub(super) fn parse_database(argument: &[u8]) -> Result<u8, Error> {
    let index = parse_integer(argument).ok_or(Error::NotAnInteger)?;
    if i32::try_from(index).is_err() {
        return Err(Error::NumberOutOfRange { least: i32::MIN.into(), most: i32::MAX.into() });
    }
    u8::try_from(index).ok().filter(|&index| index < DATABASES).ok_or(Error::DatabaseOutOfRange)
}

pub(super) fn auth(session: &mut Session, environment: &Environment, request: Request<'_>) -> Reply {
    let needs_none = || environment.users.default_user().rules().needs_no_password();
    let credentials = match request.len() {
        2 if needs_none() => return Error::AuthNotConfigured.into(),
        2 => (DEFAULT_USER.as_bytes(), request.arg(1)),
        3 => (request.arg(1), request.arg(2)),
        _ => return Error::Syntax.into(),
    };
    ok_or_error(session.authenticate(environment, request, credentials))
}

pub(super) fn hello(session: &mut Session, environment: &Environment, request: Request<'_>) -> Reply {
    let greeting =
        HelloOptions::parse(request).and_then(|options| options.apply(session, environment, request));
    greeting.unwrap_or_else(Reply::Error)
}

/// What HELLO asks for.
#[derive(Default)]
struct HelloOptions<'a> {
    protocol: Option<u8>,
    /// User and password.
    auth: Option<(&'a [u8], &'a [u8])>,
    name: Option<String>,
}

impl<'a> HelloOptions<'a> {
    fn parse(request: Request<'a>) -> Result<Self, Error> {
        let mut options = Self::default();
        let mut arguments = request.args(1);
        let Some(protocol) = arguments.next() else { return Ok(options) };
        options.protocol = Some(parse_protocol(protocol)?);
        while let Some(option) = arguments.next() {
            let incomplete = || Error::HelloSyntax(printable(option));
            if option.eq_ignore_ascii_case(b"auth") {
                let user = arguments.next().ok_or_else(incomplete)?;
                options.auth = Some((user, arguments.next().ok_or_else(incomplete)?));
            } else if option.eq_ignore_ascii_case(b"setname") {
                options.name = Some(parse_client_name(arguments.next().ok_or_else(incomplete)?)?);
            } else {
                return Err(incomplete());
            }
        }
        Ok(options)
    }

    /// Does what is asked for, all or nothing.
    fn apply(
        self,
        session: &mut Session,
        environment: &Environment,
        request: Request<'_>,
    ) -> Result<Reply, Error> {
        if let Some(credentials) = self.auth {
            session.authenticate(environment, request, credentials)?;
        }
        if !session.is_authenticated() {
            return Err(Error::HelloNoAuth);
        }
        if let Some(name) = self.name {
            session.client.profile().name = name;
        }
        if let Some(protocol) = self.protocol {
            session.client.protocol.store(protocol, Relaxed);
        }
        Ok(greeting(session))
    }
}

fn parse_protocol(argument: &[u8]) -> Result<u8, Error> {
    match parse_integer(argument).ok_or(Error::ProtocolVersionNotAnInteger)? {
        2 => Ok(2),
        3 => Ok(3),
        _ => Err(Error::NoProto),
    }
}

fn greeting(session: &Session) -> Reply {
    Reply::Map(vec![
        (Reply::fixed("server"), Reply::fixed("redis")),
        (Reply::fixed("version"), Reply::fixed(REDIS_VERSION)),
        (Reply::fixed("proto"), Reply::Integer(session.protocol().into())),
        (Reply::fixed("id"), Reply::Integer(session.client.id as i64)),
        (Reply::fixed("mode"), Reply::fixed("standalone")),
        (Reply::fixed("role"), Reply::fixed("master")),
        (Reply::fixed("modules"), Reply::Array(Vec::new())),
    ])
}

pub(super) fn client_id(session: &mut Session, _: &Environment, _: Request<'_>) -> Reply {
    Reply::Integer(session.client.id as i64)
}

pub(super) fn client_getname(session: &mut Session, _: &Environment, _: Request<'_>) -> Reply {
    let profile = session.client.profile();
    if profile.name.is_empty() { Reply::Null } else { Reply::bulk(profile.name.as_str()) }
}

pub(super) fn client_setname(session: &mut Session, _: &Environment, request: Request<'_>) -> Reply {
    ok_or_error(parse_client_name(request.arg(2)).map(|name| session.client.profile().name = name))
}

pub(super) fn client_setinfo(session: &mut Session, _: &Environment, request: Request<'_>) -> Reply {
    ok_or_error(set_info(&session.client, request.arg(2), request.arg(3)))
}

fn set_info(client: &Client, attribute: &[u8], value: &[u8]) -> Result<(), Error> {
    let is_name = attribute.eq_ignore_ascii_case(b"lib-name");
    if !is_name && !attribute.eq_ignore_ascii_case(b"lib-ver") {
        return Err(Error::UnknownClientInfo(printable(attribute)));
    }
    let value = parse_word(value, || Error::InvalidClientInfo(printable(attribute)))?;
    let mut profile = client.profile();
    *(if is_name { &mut profile.library_name } else { &mut profile.library_version }) = value;
    Ok(())
}

fn parse_client_name(argument: &[u8]) -> Result<String, Error> {
    parse_word(argument, || Error::InvalidClientName)
}

/// Text that can stand in a line of CLIENT LIST; else the error `invalid`.
fn parse_word(argument: &[u8], invalid: impl FnOnce() -> Error) -> Result<String, Error> {
    if argument.len() > CLIENT_NAME_BYTES {
        return Err(Error::ClientInfoTooLong);
    }
    let word = std::str::from_utf8(argument).ok().filter(|text| text.bytes().all(|b| b.is_ascii_graphic()));
    word.map(str::to_owned).ok_or_else(invalid)
}

pub(super) fn client_info(session: &mut Session, _: &Environment, _: Request<'_>) -> Reply {
    Reply::Text(describe(&session.client))
}

pub(super) fn client_list(_: &mut Session, environment: &Environment, request: Request<'_>) -> Reply {
    match list_clients(environment, request) {
        Ok(clients) => Reply::Text(clients.iter().map(|client| describe(client)).collect()),
        Err(error) => error.into(),
    }
}

/// The clients that the options of CLIENT LIST choose: all, those of a type, or those with these ids. Each is
/// there once, however often its id is given, so that a short request can't ask for an endless reply.
fn list_clients(environment: &Environment, request: Request<'_>) -> Result<Vec<Arc<Client>>, Error> {
    let clients = environment.clients.list();
    if request.len() == 2 {
        return Ok(clients);
    }
    let option = request.arg(2);
    if option.eq_ignore_ascii_case(b"type") && request.len() == 4 {
        let wanted = ClientType::parse(request.arg(3))?;
        Ok(clients.into_iter().filter(|client| wanted.is_that_of(client)).collect())
    } else if option.eq_ignore_ascii_case(b"id") && request.len() > 3 {
        let ids = request.args(3).map(|id| parse_integer(id).ok_or(Error::InvalidClientId));
        let ids: HashSet<_> = ids.collect::<Result<_, _>>()?;
        Ok(clients.into_iter().filter(|client| ids.contains(&(client.id as i64))).collect())
    } else {
        Err(Error::Syntax)
    }
}

/// A client's line in CLIENT LIST, with Redis's neutral values for what there is not.
fn describe(client: &Client) -> String {
    let profile = client.profile();
    let queued = client.queued.load(Relaxed);
    let shown = [
        (client.is_monitor.load(Relaxed), 'O'),
        (client.is_subscriber(), 'P'),
        (queued >= 0, 'x'),
        (client.is_paused.load(Relaxed), 'b'),
        (profile.no_evict, 'e'),
        (profile.no_touch, 'T'),
    ];
    let flags: String = shown.into_iter().filter(|(is_set, _)| *is_set).map(|(_, flag)| flag).collect();
    let flags = if flags.is_empty() { "N" } else { &flags };
    let [channels, patterns, shard_channels] =
        client.subscriptions.each_ref().map(|count| count.load(Relaxed));
    let (messages, message_bytes) = client.outbox_size();
    let command = if profile.last_command.is_empty() { "NULL" } else { profile.last_command };
    format!(
        "id={} addr={} laddr={} fd=-1 name={} age={} idle={} flags={flags} db={} sub={channels} \
         psub={patterns} ssub={shard_channels} multi={queued} qbuf={} qbuf-free=0 argv-mem=0 multi-mem=0 \
         rbs=0 rbp=0 obl=0 oll={messages} omem={message_bytes} tot-mem=0 events=r cmd={command} user={} redir=-1 resp={} lib-name={} lib-ver={}\n",
        client.id,
        client.peer_address,
        client.local_address,
        profile.name,
        client.connected.elapsed().as_secs(),
        profile.last_active.elapsed().as_secs(),
        client.database.load(Relaxed),
        client.query_bytes.load(Relaxed),
        profile.user,
        client.protocol.load(Relaxed),
        profile.library_name,
        profile.library_version,
    )
}

pub(super) fn client_reply(session: &mut Session, _: &Environment, request: Request<'_>) -> Reply {
    let wish = request.arg(2);
    session.replies = if wish.eq_ignore_ascii_case(b"skip") {
        // OFF outlasts a SKIP.
        if session.replies == Replies::Off { Replies::Off } else { Replies::SkipNext }
    } else {
        match parse_switch(wish) {
            Ok(true) => Replies::On,
            Ok(false) => Replies::Off,
            Err(error) => return error.into(),
        }
    };
    Reply::OK
}

pub(super) fn client_no_evict(session: &mut Session, _: &Environment, request: Request<'_>) -> Reply {
    ok_or_error(parse_switch(request.arg(2)).map(|on| session.client.profile().no_evict = on))
}

pub(super) fn client_no_touch(session: &mut Session, _: &Environment, request: Request<'_>) -> Reply {
    ok_or_error(parse_switch(request.arg(2)).map(|on| session.client.profile().no_touch = on))
}

/// ON or OFF, in any case.
fn parse_switch(argument: &[u8]) -> Result<bool, Error> {
    if argument.eq_ignore_ascii_case(b"on") {
        Ok(true)
    } else if argument.eq_ignore_ascii_case(b"off") {
        Ok(false)
    } else {
        Err(Error::Syntax)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{TestSession, environment, session};
    use super::*;

    /// Runs `words` and expects the error of this text.
    fn refuses(session: &mut TestSession, environment: &Environment, words: &str, error: &str) {
        match session.run(environment, words) {
            Reply::Error(found) => assert_eq!(found.to_string(), error, "{words}"),
            other => panic!("{words} was answered {other:?}"),
        }
    }

    fn text(reply: Reply) -> String {
        match reply {
            Reply::Text(text) => text,
            other => panic!("{other:?} is no text"),
        }
    }

    #[test]
    fn ping_answers_pong_or_its_argument() {
        let environment = environment(None);
        let mut session = session(&environment);
        assert_eq!(session.run(&environment, "PING"), Reply::Simple("PONG"));
        assert_eq!(session.run(&environment, "PING \"\""), Reply::bulk(""));
        let error = "ERR wrong number of arguments for 'ping' command";
        refuses(&mut session, &environment, "PING a b", error);
    }

    #[test]
    fn select_takes_what_redis_takes() {
        let environment = environment(None);
        let mut session = session(&environment);
        assert_eq!(session.run(&environment, "SELECT 15"), Reply::OK);
        let too_large = "ERR value is out of range, value must between -2147483648 and 2147483647";
        for (index, error) in [
            ("16", "ERR DB index is out of range"),
            ("-1", "ERR DB index is out of range"),
            ("256", "ERR DB index is out of range"),
            ("4294967296", too_large),
            ("01", "ERR value is not an integer or out of range"),
            ("99999999999999999999", "ERR value is not an integer or out of range"),
        ] {
            refuses(&mut session, &environment, &format!("SELECT {index}"), error);
        }
        assert_eq!(session.session.database(), 15, "a refused SELECT changes nothing");
    }

    #[test]
    fn without_a_password_any_is_right() {
        let environment = environment(None);
        let mut session = session(&environment);
        assert!(session.session.is_authenticated());
        assert_eq!(session.run(&environment, "AUTH default anything"), Reply::OK);
        let error = "ERR AUTH <password> called without any password configured for the default user. Are \
                     you sure your configuration is correct?";
        refuses(&mut session, &environment, "AUTH anything", error);
        let error = "WRONGPASS invalid username-password pair or user is disabled.";
        refuses(&mut session, &environment, "AUTH someone anything", error);
        refuses(&mut session, &environment, "AUTH a b c", "ERR syntax error");
    }

    #[test]
    fn a_password_lets_in_and_a_wrong_one_later_does_not_put_out() {
        let environment = environment(Some("secret"));
        let mut session = session(&environment);
        let error = "WRONGPASS invalid username-password pair or user is disabled.";
        for wrong in ["secre", "secret1", "Secret", "\"\"", "someone secret"] {
            refuses(&mut session, &environment, &format!("AUTH {wrong}"), error);
            assert!(!session.session.is_authenticated(), "{wrong}");
        }
        assert_eq!(session.run(&environment, "AUTH secret"), Reply::OK);
        refuses(&mut session, &environment, "AUTH default wrong", error);
        assert!(session.session.is_authenticated());
    }

    #[test]
    fn hello_does_all_that_is_asked_for_or_nothing() {
        let environment = environment(Some("secret"));
        let mut session = session(&environment);
        let bad_name = "ERR Client names cannot contain spaces, newlines or special characters.";
        let no_auth = Error::HelloNoAuth.to_string();
        for (words, error) in [
            ("HELLO", no_auth.as_str()),
            ("HELLO 3 SETNAME a", &no_auth),
            ("HELLO 4", "NOPROTO unsupported protocol version"),
            ("HELLO x", "ERR Protocol version is not an integer or out of range"),
            ("HELLO AUTH default secret", "ERR Protocol version is not an integer or out of range"),
            ("HELLO 3 AUTH default", "ERR Syntax error in HELLO option 'AUTH'"),
            ("HELLO 3 AUTH default secret setname", "ERR Syntax error in HELLO option 'setname'"),
            ("HELLO 3 AUTH default secret SETNAME \t", bad_name),
            (
                "HELLO 3 SETNAME a AUTH default x",
                "WRONGPASS invalid username-password pair or user is disabled.",
            ),
        ] {
            refuses(&mut session, &environment, words, error);
            let state = (session.session.is_authenticated(), session.session.protocol());
            assert_eq!(state, (false, 2), "{words}");
            assert_eq!(session.run(&environment, "CLIENT GETNAME"), Reply::Null, "{words}");
        }
        let Reply::Map(greeting) = session.run(&environment, "HELLO 3 SETNAME a AUTH default secret") else {
            panic!("HELLO answers a map");
        };
        assert!(greeting.contains(&(Reply::fixed("proto"), Reply::Integer(3))));
        assert!(greeting.contains(&(Reply::fixed("id"), Reply::Integer(1))));
        assert_eq!(session.run(&environment, "CLIENT GETNAME"), Reply::bulk("a"));
        assert!(matches!(session.run(&environment, "HELLO"), Reply::Map(_)));
        assert_eq!(session.session.protocol(), 3, "HELLO alone changes nothing");
    }

    #[test]
    fn reset_puts_back_all_but_the_library() {
        let environment = environment(Some("secret"));
        let mut session = session(&environment);
        for words in [
            "HELLO 3 AUTH default secret SETNAME a",
            "SELECT 3",
            "CLIENT NO-EVICT on",
            "CLIENT NO-TOUCH on",
            "CLIENT SETINFO lib-name rust",
        ] {
            assert!(!matches!(session.run(&environment, words), Reply::Error(_)), "{words}");
        }
        assert_eq!(session.run(&environment, "RESET"), Reply::Simple("RESET"));
        assert!(!session.session.is_authenticated());
        let line = text(session.run(&environment, "CLIENT INFO"));
        for field in [" name= ", " db=0 ", " flags=N ", " resp=2 ", " lib-name=rust "] {
            assert!(line.contains(field), "{field} in {line}");
        }
    }

    #[test]
    fn quit_closes_whatever_its_arguments() {
        let environment = environment(None);
        let mut session = session(&environment);
        assert!(!session.session.is_closing());
        assert_eq!(session.run(&environment, "QUIT now"), Reply::OK);
        assert!(session.session.is_closing());
    }

    /// Which of the commands are answered.
    fn answered<'a>(commands: &[&'a str]) -> Vec<&'a str> {
        let environment = environment(None);
        let mut session = session(&environment);
        commands.iter().filter(|words| session.answer(&environment, words).is_some()).copied().collect()
    }

    #[test]
    fn client_reply_hides_what_redis_hides() {
        // Each line was tried with Redis 7.0.
        let (on, off, skip) = ("CLIENT REPLY ON", "CLIENT REPLY OFF", "CLIENT REPLY SKIP");
        assert_eq!(answered(&[off, "PING", on, "PING 2"]), [on, "PING 2"]);
        assert_eq!(answered(&[skip, "PING", "PING 2"]), ["PING 2"]);
        assert_eq!(answered(&[skip, skip, "PING", "PING 2"]), ["PING 2"]);
        assert_eq!(answered(&[skip, on, "PING"]), [on, "PING"]);
        assert_eq!(answered(&[skip, off, "PING", on, "PING 2"]), [on, "PING 2"]);
        assert_eq!(answered(&[off, skip, "PING", "PING", on]), [on]);
        assert_eq!(answered(&[off, "CLIENT REPLY x", "RESET", "PING"]), ["RESET", "PING"]);
        assert_eq!(answered(&[skip, "RESET", "PING"]), ["PING"]);
        assert_eq!(answered(&[skip, "NO SUCH", "PING"]), ["PING"]);
        assert_eq!(answered(&[skip, "CLIENT REPLY x", "PING"]), ["PING"]);
    }

    #[test]
    fn names_are_single_printable_words_of_bounded_length() {
        let environment = environment(None);
        let mut session = session(&environment);
        let error = "ERR Client names cannot contain spaces, newlines or special characters.";
        for name in ["a\nb", "\u{7f}", "é"] {
            refuses(&mut session, &environment, &format!("CLIENT SETNAME {name}"), error);
        }
        let too_long = "x".repeat(CLIENT_NAME_BYTES + 1);
        let error = Error::ClientInfoTooLong.to_string();
        refuses(&mut session, &environment, &format!("CLIENT SETNAME {too_long}"), &error);
        assert_eq!(session.run(&environment, "CLIENT SETNAME a"), Reply::OK);
        assert_eq!(session.run(&environment, "CLIENT GETNAME"), Reply::bulk("a"));
        assert_eq!(session.run(&environment, "CLIENT SETNAME \"\""), Reply::OK);
        assert_eq!(session.run(&environment, "CLIENT GETNAME"), Reply::Null);
    }

    #[test]
    fn setinfo_keeps_the_library_and_nothing_else() {
        let environment = environment(None);
        let mut session = session(&environment);
        assert_eq!(session.run(&environment, "CLIENT SETINFO LIB-NAME redis-py"), Reply::OK);
        assert_eq!(session.run(&environment, "CLIENT SETINFO lib-ver 5.0"), Reply::OK);
        let error = "ERR Unrecognized option 'lib-size'";
        refuses(&mut session, &environment, "CLIENT SETINFO lib-size 1", error);
        let error = "ERR Lib-Ver cannot contain spaces, newlines or special characters.";
        refuses(&mut session, &environment, "CLIENT SETINFO Lib-Ver \t", error);
        assert!(text(session.run(&environment, "CLIENT INFO")).ends_with(" lib-name=redis-py lib-ver=5.0\n"));
    }

    #[test]
    fn client_list_shows_those_who_are_asked_for() {
        let environment = environment(None);
        let _first = session(&environment);
        let mut second = session(&environment);
        let mut ids = |words: &str| -> Vec<String> {
            let list = text(second.run(&environment, words));
            list.lines().map(|line| line.split(' ').next().unwrap().to_owned()).collect()
        };
        assert_eq!(ids("CLIENT LIST"), ["id=1", "id=2"]);
        assert_eq!(ids("CLIENT LIST TYPE Normal"), ["id=1", "id=2"]);
        assert_eq!(ids("CLIENT LIST TYPE pubsub"), Vec::<String>::new());
        assert_eq!(ids("CLIENT LIST ID 2 7 -1 2"), ["id=2"]);
        for (words, error) in [
            ("CLIENT LIST TYPE x", "ERR Unknown client type 'x'"),
            ("CLIENT LIST ID 1 x", "ERR Invalid client ID"),
            ("CLIENT LIST ID", "ERR syntax error"),
            ("CLIENT LIST TYPE normal ID 1", "ERR syntax error"),
        ] {
            refuses(&mut second, &environment, words, error);
        }
    }

    #[test]
    fn switches_show_in_the_flags() {
        let environment = environment(None);
        let mut session = session(&environment);
        assert_eq!(session.run(&environment, "CLIENT NO-EVICT ON"), Reply::OK);
        assert_eq!(session.run(&environment, "CLIENT NO-TOUCH on"), Reply::OK);
        assert!(text(session.run(&environment, "CLIENT INFO")).contains(" flags=eT "));
        refuses(&mut session, &environment, "CLIENT NO-EVICT x", "ERR syntax error");
    }

    #[test]
    fn a_switch_is_on_or_off_in_any_case() {
        assert_eq!(parse_switch(b"ON"), Ok(true));
        assert_eq!(parse_switch(b"oFf"), Ok(false));
        assert_eq!(parse_switch(b"1"), Err(Error::Syntax));
    }
}
