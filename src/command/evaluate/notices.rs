//! What has happened to which keys, as keyspace notifications call it: told from an op's effects, by Redis's names.

use bytes::Bytes;

use crate::effect::Effect;
use crate::expiry::Expiry;
use crate::op::{Change, Op, SetOperation};
use crate::pubsub::EventClasses;

/// Something that has happened to a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Which subscribers want it.
    pub class: EventClasses,
    /// Redis's name for it.
    pub event: &'static str,
    /// Where the key stands.
    pub database: u8,
    /// The key.
    pub key: Bytes,
}

/// What the effects of one op are called, in order. Those at `creations`, which rise, put something at a key where
/// nothing was.
pub(super) fn notices(op: &Op, effects: &[Effect<Bytes>], creations: &[usize]) -> Vec<Notice> {
    if effects.is_empty() {
        return Vec::new();
    }
    let is_set_created = effects.iter().any(|effect| matches!(effect, Effect::SetCreated { .. }));
    let is_key_removed = effects.iter().any(|effect| matches!(effect, Effect::KeyRemoved { .. }));
    let database = op.database;
    match &op.change {
        Change::Rename { key, new_key, .. } => vec![
            new(database, new_key),
            generic("rename_from", database, key),
            generic("rename_to", database, new_key),
        ],
        Change::Move { key, to } => {
            vec![new(*to, key), generic("move_from", database, key), generic("move_to", *to, key)]
        }
        Change::Copy { to, destination, .. } => {
            vec![new(*to, destination), generic("copy_to", *to, destination)]
        }
        Change::Sstore { destination, .. } if !is_set_created => vec![generic("del", database, destination)],
        Change::Sstore { operation, destination, .. } => {
            let created = (!is_key_removed).then(|| new(database, destination));
            created.into_iter().chain([set(store_event(*operation), database, destination)]).collect()
        }
        change => notices_of_each(change, effects, creations),
    }
}

fn notices_of_each(change: &Change, effects: &[Effect<Bytes>], creations: &[usize]) -> Vec<Notice> {
    let mut notices = Vec::new();
    let mut last_member_event = None;
    for (at, effect) in effects.iter().enumerate() {
        let Some((database, key)) = place(effect) else { continue };
        if creations.binary_search(&at).is_ok() {
            notices.push(new(database, key));
        }
        match effect {
            Effect::StringSet { expiry, .. } => {
                let class = EventClasses::STRING;
                notices.push(Notice { class, event: string_event(change), database, key: key.clone() });
                if matches!(change, Change::Set { expiry: Some(_), .. }) && *expiry != Expiry::NEVER {
                    notices.push(generic("expire", database, key));
                }
            }
            Effect::KeyExpiry { expiry: Expiry::NEVER, .. } => {
                notices.push(generic("persist", database, key));
            }
            Effect::KeyExpiry { .. } => notices.push(generic("expire", database, key)),
            // A set that a string replaces, or else a string that had ended when it was set.
            Effect::KeyRemoved { .. } if matches!(change, Change::Set { .. }) && effects.len() > 1 => {}
            Effect::KeyRemoved { .. } if matches!(change, Change::Set { .. }) => {
                let events = [
                    (EventClasses::STRING, "set"),
                    (EventClasses::GENERIC, "expire"),
                    (EventClasses::EXPIRED, "expired"),
                ];
                let notice = |(class, event)| Notice { class, event, database, key: key.clone() };
                notices.extend(events.map(notice));
            }
            // All members were popped: the key went as a whole.
            Effect::KeyRemoved { .. } if matches!(change, Change::Spop { .. }) && effects.len() == 1 => {
                notices.extend([set("spop", database, key), generic("del", database, key)]);
            }
            Effect::KeyRemoved { .. } if !matches!(change, Change::Mset { .. } | Change::Msetnx { .. }) => {
                notices.push(generic("del", database, key));
            }
            Effect::MemberSet { .. } | Effect::MemberRemoved { .. } => {
                let event = member_event(change, effect);
                // A command that touches many members is one event for their key.
                if last_member_event.replace((event, key)) != Some((event, key)) {
                    notices.push(set(event, database, key));
                }
            }
            _ => {}
        }
    }
    notices
}

fn new(database: u8, key: &Bytes) -> Notice {
    Notice { class: EventClasses::NEW, event: "new", database, key: key.clone() }
}

fn generic(event: &'static str, database: u8, key: &Bytes) -> Notice {
    Notice { class: EventClasses::GENERIC, event, database, key: key.clone() }
}

fn set(event: &'static str, database: u8, key: &Bytes) -> Notice {
    Notice { class: EventClasses::SET, event, database, key: key.clone() }
}

/// `sexpire` is a name of our own: Redis's members have no end.
fn member_event(change: &Change, effect: &Effect<Bytes>) -> &'static str {
    match (change, effect) {
        (Change::ExpireMembers { .. }, Effect::MemberSet { .. }) => "sexpire",
        (_, Effect::MemberSet { .. }) => "sadd",
        (Change::Spop { .. }, _) => "spop",
        _ => "srem",
    }
}

fn string_event(change: &Change) -> &'static str {
    match change {
        Change::Append { .. } => "append",
        Change::Setrange { .. } => "setrange",
        Change::Incrby { .. } => "incrby",
        Change::Incrbyfloat { .. } => "incrbyfloat",
        _ => "set",
    }
}

fn store_event(operation: SetOperation) -> &'static str {
    match operation {
        SetOperation::Intersection => "sinterstore",
        SetOperation::Union => "sunionstore",
        SetOperation::Difference => "sdiffstore",
    }
}

/// Where the key stands that an effect is about, if it is about one.
fn place(effect: &Effect<Bytes>) -> Option<(u8, &Bytes)> {
    match effect {
        Effect::StringSet { database, key, .. }
        | Effect::SetCreated { database, key, .. }
        | Effect::SetMoved { database, key, .. }
        | Effect::KeyExpiry { database, key, .. }
        | Effect::KeyRemoved { database, key, .. }
        | Effect::MemberSet { database, key, .. }
        | Effect::MemberRemoved { database, key, .. } => Some((*database, key)),
        Effect::DatabaseFlushed { .. } | Effect::DatabasesSwapped { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::command::evaluate_and_notice;
    use crate::store::{Staged, Store};

    #[test]
    fn an_op_on_many_keys_is_noticed_in_linear_time() {
        let store = Store::default();
        let keyspace = store.read();
        let mut staged = Staged::new(&keyspace, 1);
        let pairs = (0..200_000).map(|key| (Bytes::from(key.to_string()), Bytes::new())).collect();
        let op = Op { database: 0, change: Change::Mset { pairs } };
        let (mut notices, started) = (Vec::new(), Instant::now());
        evaluate_and_notice(&op, &mut staged, &mut notices);
        assert_eq!(notices.len(), 400_000, "that each is new, and that it was set");
        // Looking for each among all would take minutes.
        assert!(started.elapsed() < Duration::from_secs(20));
    }
}
