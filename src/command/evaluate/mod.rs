//! What an op does: run on the stage, it leaves effects there and its reply here. An op that is answered with an
//! error has changed nothing.

use crate::expiry::Expiry;
use crate::limits::DATABASES;
use crate::op::{Change, Op};
use crate::reply::{Error, Reply};
use crate::store::{Staged, WrongType};

mod key;
mod notices;
mod set;
mod string;

pub use self::notices::Notice;

/// Runs one op. The reply is the client's once the effects are committed.
pub fn evaluate(op: &Op, staged: &mut Staged<'_>) -> Reply {
    run(op.database, &op.change, staged).unwrap_or_else(Reply::Error)
}

/// Runs one op, and adds to `notices` what has happened to which keys, for those who subscribe to that.
pub fn evaluate_and_notice(op: &Op, staged: &mut Staged<'_>, notices: &mut Vec<Notice>) -> Reply {
    let (effects, creations) = (staged.changes().effects().len(), staged.changes().creations().len());
    let reply = evaluate(op, staged);
    let changes = staged.changes();
    let creations: Vec<_> = changes.creations()[creations..].iter().map(|at| at - effects).collect();
    notices.extend(notices::notices(op, &changes.effects()[effects..], &creations));
    reply
}

fn run(database: u8, change: &Change, staged: &mut Staged<'_>) -> Result<Reply, Error> {
    match change {
        Change::Sadd { key, members } => {
            Ok(Reply::count(staged.put_members(database, key, members, Expiry::NEVER, |_| true)?))
        }
        Change::Saddex { key, members, expiry, condition } => {
            set::saddex(staged, database, key, members, (*expiry, *condition))
        }
        Change::ExpireMembers { key, members, expiry, answer } => {
            set::expire_members(staged, database, key, members, (*expiry, *answer))
        }
        Change::Srem { key, members } => Ok(Reply::count(staged.remove_members(database, key, members)?)),
        Change::Spop { key, count, drawn, seed } => set::spop(staged, database, key, *count, (drawn, *seed)),
        Change::Smove { source, destination, member } => {
            set::smove(staged, database, (source, destination), member)
        }
        Change::Sstore { operation, destination, keys } => {
            set::sstore(staged, database, *operation, destination, keys)
        }
        Change::Del { keys } => {
            Ok(Reply::count(keys.iter().filter(|key| staged.remove_key(database, key)).count()))
        }
        Change::Expire { key, expiry, condition } => key::expire(staged, database, key, *expiry, *condition),
        Change::Persist { key } => Ok(key::persist(staged, database, key)),
        Change::Rename { key, new_key, if_missing } => {
            key::rename(staged, database, key, new_key, *if_missing)
        }
        Change::Copy { source, to, destination, replace } => {
            key::copy(staged, (database, source), (*to, destination), *replace)
        }
        Change::Move { key, to } => Ok(key::move_(staged, database, key, *to)),
        Change::Swapdb { first, second } => {
            if first != second {
                staged.swap(*first, *second);
            }
            Ok(Reply::OK)
        }
        Change::Flushdb => {
            staged.flush(database);
            Ok(Reply::OK)
        }
        Change::Flushall => {
            (0..DATABASES).for_each(|database| staged.flush(database));
            Ok(Reply::OK)
        }
        Change::Set { key, value, expiry, condition, answer } => {
            string::set(staged, database, key, value, (*expiry, *condition, *answer))
        }
        Change::Mset { pairs } => Ok(string::mset(staged, database, pairs)),
        Change::Msetnx { pairs } => Ok(string::msetnx(staged, database, pairs)),
        Change::Getdel { key } => string::getdel(staged, database, key),
        Change::Getex { key, expiry } => string::getex(staged, database, key, *expiry),
        Change::Append { key, value } => string::append(staged, database, key, value),
        Change::Setrange { key, offset, value } => string::setrange(staged, database, key, *offset, value),
        Change::Incrby { key, increment } => string::incrby(staged, database, key, *increment),
        Change::Incrbyfloat { key, increment } => string::incrbyfloat(staged, database, key, increment),
    }
}

impl From<WrongType> for Error {
    fn from(WrongType: WrongType) -> Self {
        Self::WrongType
    }
}
