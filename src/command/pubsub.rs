//! Channels: SUBSCRIBE, PUBLISH, PUBSUB, ... A subscriber is told of each of its subscriptions in a message of
//! its own, which is all the reply there is.

use bytes::Bytes;

use super::{Environment, Session};
use crate::glob::{self, Case};
use crate::pubsub::{Kind, Subscriber};
use crate::reply::{ByteStrings, Error, Reply, printable};
use crate::request::Request;

pub(super) fn subscribe(session: &mut Session, environment: &Environment, request: Request<'_>) -> Reply {
    subscribe_to(Kind::Channel, session, environment, request)
}

pub(super) fn psubscribe(session: &mut Session, environment: &Environment, request: Request<'_>) -> Reply {
    subscribe_to(Kind::Pattern, session, environment, request)
}

pub(super) fn ssubscribe(session: &mut Session, environment: &Environment, request: Request<'_>) -> Reply {
    if session.is_in_transaction() {
        return Error::SsubscribeInsideMulti.into();
    }
    subscribe_to(Kind::ShardChannel, session, environment, request)
}

pub(super) fn unsubscribe(session: &mut Session, _: &Environment, request: Request<'_>) -> Reply {
    unsubscribe_from(Kind::Channel, session, request)
}

pub(super) fn punsubscribe(session: &mut Session, _: &Environment, request: Request<'_>) -> Reply {
    unsubscribe_from(Kind::Pattern, session, request)
}

pub(super) fn sunsubscribe(session: &mut Session, _: &Environment, request: Request<'_>) -> Reply {
    unsubscribe_from(Kind::ShardChannel, session, request)
}

/// All or nothing.
fn subscribe_to(kind: Kind, session: &mut Session, environment: &Environment, request: Request<'_>) -> Reply {
    let subscriber = session.subscriber(environment);
    if !subscriber.has_room_for(request.args(1)) {
        return Error::TooManySubscriptions.into();
    }
    let confirmations = request.args(1).map(|name| {
        subscriber.subscribe(kind, name);
        confirmation(confirmed(kind).0, Reply::bulk(name), count(Some(subscriber), kind))
    });
    Reply::Pushes(confirmations.collect())
}

/// From those named, or from all.
fn unsubscribe_from(kind: Kind, session: &mut Session, request: Request<'_>) -> Reply {
    let subscriber = session.present_subscriber();
    let names = match subscriber {
        Some(ref subscriber) if request.len() == 1 => subscriber.names(kind),
        _ => request.shared_args(1),
    };
    let reply = unsubscribe_named(kind, subscriber, &names);
    session.forget_empty_subscriber();
    reply
}

fn unsubscribe_named(kind: Kind, mut subscriber: Option<&mut Subscriber>, names: &[Bytes]) -> Reply {
    let what = confirmed(kind).1;
    if names.is_empty() {
        let of_none = confirmation(what, Reply::Null, count(subscriber.as_deref(), kind));
        return Reply::Pushes(vec![of_none]);
    }
    let confirmations = names.iter().map(|name| {
        if let Some(subscriber) = &mut subscriber {
            subscriber.unsubscribe(kind, name);
        }
        confirmation(what, Reply::bulk(&name[..]), count(subscriber.as_deref(), kind))
    });
    Reply::Pushes(confirmations.collect())
}

/// What a message says that confirms a subscription, and its end.
fn confirmed(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::Channel => ("subscribe", "unsubscribe"),
        Kind::Pattern => ("psubscribe", "punsubscribe"),
        Kind::ShardChannel => ("ssubscribe", "sunsubscribe"),
    }
}

fn confirmation(what: &'static str, name: Reply, count: usize) -> Vec<Reply> {
    vec![Reply::fixed(what), name, Reply::count(count)]
}

/// Channels and patterns are counted together, shard channels on their own.
fn count(subscriber: Option<&Subscriber>, kind: Kind) -> usize {
    let len = |kind| subscriber.map_or(0, |subscriber| subscriber.len(kind));
    match kind {
        Kind::Channel | Kind::Pattern => len(Kind::Channel) + len(Kind::Pattern),
        Kind::ShardChannel => len(Kind::ShardChannel),
    }
}

pub(super) fn publish(_: &mut Session, environment: &Environment, request: Request<'_>) -> Reply {
    Reply::count(environment.pubsub.publish(request.arg(1), request.arg(2)))
}

pub(super) fn spublish(_: &mut Session, environment: &Environment, request: Request<'_>) -> Reply {
    Reply::count(environment.pubsub.publish_to_shard(request.arg(1), request.arg(2)))
}

pub(super) fn channels(_: &mut Session, environment: &Environment, request: Request<'_>) -> Reply {
    list(Kind::Channel, environment, request)
}

pub(super) fn shardchannels(_: &mut Session, environment: &Environment, request: Request<'_>) -> Reply {
    list(Kind::ShardChannel, environment, request)
}

fn list(kind: Kind, environment: &Environment, request: Request<'_>) -> Reply {
    if request.len() > 3 {
        let subcommand = printable(request.arg(1));
        return Error::SubcommandSyntax { command: "PUBSUB", subcommand }.into();
    }
    let pattern = request.args(2).next().unwrap_or(b"*");
    let names = environment.pubsub.names(kind);
    let is_match = |name: &&[u8]| glob::matches(pattern, name, Case::Sensitive);
    let found: ByteStrings = names.iter().map(|name| &name[..]).filter(is_match).collect();
    Reply::Strings(found)
}

pub(super) fn numsub(_: &mut Session, environment: &Environment, request: Request<'_>) -> Reply {
    count_each(Kind::Channel, environment, request)
}

pub(super) fn shardnumsub(_: &mut Session, environment: &Environment, request: Request<'_>) -> Reply {
    count_each(Kind::ShardChannel, environment, request)
}

/// Each name, and how many subscribers it has.
fn count_each(kind: Kind, environment: &Environment, request: Request<'_>) -> Reply {
    let counted = request.args(2).flat_map(|name| {
        let subscribers = environment.pubsub.subscribers(kind, name);
        [Reply::bulk(name), Reply::count(subscribers)]
    });
    Reply::Array(counted.collect())
}

pub(super) fn numpat(_: &mut Session, environment: &Environment, _: Request<'_>) -> Reply {
    Reply::count(environment.pubsub.len(Kind::Pattern))
}
