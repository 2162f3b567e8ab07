//! What an op does: run on the stage, it leaves effects there and its reply here.

use crate::limits::DATABASES;
use crate::op::Op;
use crate::reply::Reply;
use crate::store::Staged;

/// Runs one op. The reply is the client's once the effects are committed.
pub fn evaluate(op: &Op, staged: &mut Staged<'_>) -> Reply {
    match op {
        Op::Sadd { database, key, members } => Reply::count(staged.add_members(*database, key, members)),
        Op::Srem { database, key, members } => Reply::count(staged.remove_members(*database, key, members)),
        Op::Del { database, keys } => {
            Reply::count(keys.iter().filter(|key| staged.remove_key(*database, key)).count())
        }
        Op::Flushdb { database } => {
            staged.flush(*database);
            Reply::OK
        }
        Op::Flushall => {
            (0..DATABASES).for_each(|database| staged.flush(database));
            Reply::OK
        }
    }
}
