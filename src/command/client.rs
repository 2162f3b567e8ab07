//! What a client does to others: MONITOR, CLIENT KILL, CLIENT PAUSE, ... and the help for CLIENT.

use std::sync::Arc;

use super::{Control, Environment, PauseKind, Session};
use crate::acl::User;
use crate::clients::Client;
use crate::monitor::Monitoring;
use crate::reply::{Error, Reply, printable};
use crate::request::{Request, parse_integer};

/// Which type of clients CLIENT LIST and CLIENT KILL are about; Redis's types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ClientType {
    Normal,
    PubSub,
    /// Masters and replicas; there are none.
    Node,
}

impl ClientType {
    pub(super) fn parse(argument: &[u8]) -> Result<Self, Error> {
        match argument.to_ascii_lowercase().as_slice() {
            b"normal" => Ok(Self::Normal),
            b"pubsub" => Ok(Self::PubSub),
            b"master" | b"replica" | b"slave" => Ok(Self::Node),
            _ => Err(Error::UnknownClientType(printable(argument))),
        }
    }

    pub(super) fn is_that_of(self, client: &Client) -> bool {
        match self {
            Self::Normal => !client.is_subscriber(),
            Self::PubSub => client.is_subscriber(),
            Self::Node => false,
        }
    }
}

pub(super) fn kill(session: &mut Session, environment: &Environment, request: Request<'_>) -> Reply {
    // In the old form one is killed oneself, too, and whoever is killed has to be there.
    if request.len() == 3 {
        let filter = KillFilter { address: Some(request.arg(2)), kills_me: true, ..KillFilter::default() };
        return match kill_all(session, environment, &filter) {
            0 => Error::NoSuchClient.into(),
            _ => Reply::OK,
        };
    }
    match KillFilter::parse(environment, request) {
        Ok(filter) => Reply::count(kill_all(session, environment, &filter)),
        Err(error) => error.into(),
    }
}

/// Ends all whom the filter takes; the client that asks once it has its reply. Returns how many.
fn kill_all(session: &mut Session, environment: &Environment, filter: &KillFilter<'_>) -> usize {
    let mut killed = 0;
    for client in environment.clients.list().iter().filter(|client| filter.takes(client)) {
        if client.id != session.client().id {
            environment.clients.kill(client);
        } else if filter.kills_me {
            session.close();
        } else {
            continue;
        }
        killed += 1;
    }
    killed
}

/// Whom CLIENT KILL is to end: those for whom all that is given holds.
#[derive(Debug, Default)]
struct KillFilter<'a> {
    id: Option<i64>,
    address: Option<&'a [u8]>,
    local_address: Option<&'a [u8]>,
    of_type: Option<ClientType>,
    user: Option<Arc<User>>,
    /// Even the client that asks.
    kills_me: bool,
}

impl<'a> KillFilter<'a> {
    fn parse(environment: &Environment, request: Request<'a>) -> Result<Self, Error> {
        let mut filter = Self::default();
        let mut arguments = request.args(2);
        while let Some(option) = arguments.next() {
            let value = arguments.next().ok_or(Error::Syntax)?;
            filter.set(environment, option, value)?;
        }
        Ok(filter)
    }

    fn set(&mut self, environment: &Environment, option: &[u8], value: &'a [u8]) -> Result<(), Error> {
        match option.to_ascii_lowercase().as_slice() {
            b"id" => {
                let id = parse_integer(value).filter(|&id| id > 0).ok_or(Error::ClientIdNotPositive)?;
                self.id = Some(id);
            }
            b"addr" => self.address = Some(value),
            b"laddr" => self.local_address = Some(value),
            b"type" => self.of_type = Some(ClientType::parse(value)?),
            b"user" => {
                let user = environment.users.find(value);
                self.user = Some(user.ok_or_else(|| Error::NoSuchUser(printable(value)))?);
            }
            b"skipme" if value.eq_ignore_ascii_case(b"yes") => self.kills_me = false,
            b"skipme" if value.eq_ignore_ascii_case(b"no") => self.kills_me = true,
            _ => return Err(Error::Syntax),
        }
        Ok(())
    }

    fn takes(&self, client: &Client) -> bool {
        self.id.is_none_or(|id| client.id as i64 == id)
            && self.address.is_none_or(|given| is_shown_as(&client.peer_address, given))
            && self.local_address.is_none_or(|given| is_shown_as(&client.local_address, given))
            && self.of_type.is_none_or(|of_type| of_type.is_that_of(client))
            && self.user.as_ref().is_none_or(|user| client.profile().user == *user.shown_name())
    }
}

fn is_shown_as(address: &impl ToString, given: &[u8]) -> bool {
    address.to_string().as_bytes() == given
}

pub(super) fn pause(request: Request<'_>) -> Result<Control, Error> {
    let kind = match request.len() {
        3 => PauseKind::All,
        4 if request.arg(3).eq_ignore_ascii_case(b"write") => PauseKind::Write,
        4 if request.arg(3).eq_ignore_ascii_case(b"all") => PauseKind::All,
        4 => return Err(Error::UnknownPauseMode),
        _ => {
            let subcommand = printable(request.arg(1));
            return Err(Error::SubcommandSyntax { command: "CLIENT", subcommand });
        }
    };
    let milliseconds = parse_integer(request.arg(2)).ok_or(Error::TimeoutNotAnInteger)?;
    let milliseconds = u64::try_from(milliseconds).map_err(|_| Error::TimeoutIsNegative)?;
    Ok(Control::Pause { kind, milliseconds })
}

/// Nobody is ever blocked here.
pub(super) fn unblock(_: &mut Session, _: &Environment, request: Request<'_>) -> Reply {
    let is_reason = |argument: &[u8]| {
        argument.eq_ignore_ascii_case(b"timeout") || argument.eq_ignore_ascii_case(b"error")
    };
    match request.len() {
        3 => {}
        4 if is_reason(request.arg(3)) => {}
        4 => return Error::UnknownUnblockReason.into(),
        _ => {
            let subcommand = printable(request.arg(1));
            return Error::SubcommandSyntax { command: "CLIENT", subcommand }.into();
        }
    }
    if parse_integer(request.arg(2)).is_some() { Reply::Integer(0) } else { Error::NotAnInteger.into() }
}

/// No client has its invalidations sent to another: there are none.
pub(super) fn getredir(_: &mut Session, _: &Environment, _: Request<'_>) -> Reply {
    Reply::Integer(-1)
}

/// Nothing is tracked.
pub(super) fn trackinginfo(_: &mut Session, _: &Environment, _: Request<'_>) -> Reply {
    Reply::Map(vec![
        (Reply::fixed("flags"), Reply::Set(vec![Reply::fixed("off")])),
        (Reply::fixed("redirect"), Reply::Integer(-1)),
        (Reply::fixed("prefixes"), Reply::Array(Vec::new())),
    ])
}

pub(super) fn monitor(session: &mut Session, environment: &Environment, _: Request<'_>) -> Reply {
    if session.is_in_transaction() {
        return Error::MonitorInsideMulti.into();
    }
    let monitors = Arc::clone(&environment.monitors);
    let client = Arc::clone(session.client());
    session.watch_commands(|| Monitoring::start(monitors, client));
    Reply::OK
}

#[cfg(test)]
mod tests {
    use super::super::testing::{environment, request, session};
    use super::*;
    use crate::clients::End;

    #[test]
    fn kill_takes_those_for_whom_all_holds() {
        let environment = environment(None);
        let mut me = session(&environment);
        let others = [session(&environment), session(&environment)];
        let ends = || others.each_ref().map(|other| other.session.client().end().is_some());
        assert_eq!(me.run(&environment, "CLIENT KILL ID 2 TYPE pubsub"), Reply::Integer(0));
        assert_eq!(ends(), [false, false]);
        assert_eq!(me.run(&environment, "CLIENT KILL type normal ID 2"), Reply::Integer(1));
        assert_eq!(ends(), [true, false]);
        let killed = me.run(&environment, "CLIENT KILL USER default LADDR 127.0.0.1:1");
        assert_eq!(killed, Reply::Integer(1), "not myself, and nobody twice");
        assert_eq!(others[1].session.client().end(), Some(End::Killed));
        assert!(!me.session.is_closing());
        assert_eq!(me.run(&environment, "CLIENT KILL ADDR 127.0.0.1:1 SKIPME no"), Reply::Integer(1));
        assert!(me.session.is_closing() && me.session.client().end().is_none(), "once it has its reply");
    }

    #[test]
    fn pause_takes_what_redis_takes() {
        let ask = |words: &str| pause(request(words).as_request());
        let (write, all) = (PauseKind::Write, PauseKind::All);
        assert_eq!(ask("CLIENT PAUSE 10"), Ok(Control::Pause { kind: all, milliseconds: 10 }));
        assert_eq!(ask("CLIENT PAUSE 0 all"), Ok(Control::Pause { kind: all, milliseconds: 0 }));
        assert_eq!(ask("CLIENT PAUSE 7 write"), Ok(Control::Pause { kind: write, milliseconds: 7 }));
        assert_eq!(ask("CLIENT PAUSE x y"), Err(Error::UnknownPauseMode));
        assert_eq!(ask("CLIENT PAUSE 1.5"), Err(Error::TimeoutNotAnInteger));
        assert_eq!(ask("CLIENT PAUSE -1"), Err(Error::TimeoutIsNegative));
    }
}
