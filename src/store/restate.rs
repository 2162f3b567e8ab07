//! For compaction: what is still so of what the journal's first rows say, to be written again further on.
//!
//! What has changed in the lap under way ([`super::lap`]) was written in it, and needs no care. Of the rest, a member of
//! a set with many, or of one that has been moved, is written again when its own row comes; the members of the others
//! all at once, when the row of their key does. So no more than these sets must be found by their ids, and a set of
//! a user's few sessions costs nothing for it.
//!
//! Why no row of a small set's member may be needed once its key's row is gone: it stands behind that of the key. It was
//! written there; whenever the key is written again, all members are; and a set that is moved, of which the key's row
//! comes last, is kept among those found by their ids from then on, and by the replay too, which sees it in that order.

use bytes::Bytes;

use super::keyspace::{Container, Key, Keyspace, StringOrSet, Value};
use super::lap::{Lap, Stamp};
use super::set::Member;
use crate::effect::{ContainerId, Effect};

impl Keyspace {
    /// Begins a lap: whatever there is was written before it.
    pub fn begin_lap(&mut self) {
        self.lap = self.lap.next();
    }

    /// What says again that a key holds its string, if it does at this time, and was not written in this lap.
    #[must_use]
    pub fn restate_string(&self, database: u8, name: &[u8], now_ms: i64) -> Option<Effect<Bytes>> {
        let key = self.behind(database, name, now_ms)?;
        let StringOrSet::String(string) = key.value.view() else { return None };
        let value = Bytes::copy_from_slice(string);
        Some(Effect::StringSet { database, key: Bytes::copy_from_slice(name), value, expiry: key.expiry() })
    }

    /// What says again that a key holds this set, if it does at this time, and was not written in this lap. Its members
    /// come along if their own rows are not needed any more from then on.
    pub fn restate_set(
        &self,
        (database, name): (u8, &[u8]),
        container: ContainerId,
        now_ms: i64,
        effects: &mut Vec<Effect<Bytes>>,
    ) {
        let Some(key) = self.behind(database, name, now_ms) else { return };
        let Some(found) = key.value.as_set().filter(|found| found.id == container) else { return };
        let name = Bytes::copy_from_slice(name);
        effects.push(Effect::SetCreated { database, container, key: name.clone(), expiry: key.expiry() });
        let members = self.members_written_with(found).iter();
        let members = members.filter(|member| !member.expiry().is_due(now_ms));
        effects.extend(members.map(|member| Effect::MemberSet {
            database,
            container,
            key: name.clone(),
            member: Bytes::copy_from_slice(&member.text()),
            expiry: member.expiry(),
        }));
    }

    /// What says again that a member is in its set, if it is at this time, and neither was written in this lap nor will be
    /// together with its key.
    #[must_use]
    pub fn restate_member(
        &self,
        container: ContainerId,
        member: &[u8],
        now_ms: i64,
    ) -> Option<Effect<Bytes>> {
        let (database, name) = self.scattered.get(&container)?;
        let key = self.get(*database, name).filter(|key| key.is_live(now_ms))?;
        let stamp = key.set(container)?.stamp_of(&self.name(member))?;
        let is_needed = self.is_behind(stamp, now_ms);
        is_needed.then(|| Effect::MemberSet {
            database: *database,
            container,
            key: Bytes::copy_from_slice(name),
            member: Bytes::copy_from_slice(member),
            expiry: stamp.expiry(),
        })
    }

    /// Takes note that these effects, which change nothing, were written in this lap.
    pub fn note_restated(&mut self, effects: &[Effect<Bytes>]) {
        let lap = self.lap;
        for effect in effects {
            match effect {
                Effect::StringSet { database, key, .. } | Effect::SetCreated { database, key, .. } => {
                    self.restamp(*database, key, |key| key.entry.set_stamp(Stamp::new(key.expiry(), lap)));
                }
                Effect::MemberSet { database, key, member, .. } => {
                    self.restamp_member(*database, key, member, lap);
                }
                _ => {}
            }
        }
    }

    fn restamp_member(&mut self, database: u8, key: &[u8], member: &[u8], lap: Lap) {
        let member = self.name(member);
        self.restamp(database, key, |key| {
            if let Value::Set(container) = &mut key.value {
                container.set.restamp(&member, lap);
            }
        });
    }

    /// The key of this name, if it is there at this time and was not written in this lap.
    fn behind(&self, database: u8, name: &[u8], now_ms: i64) -> Option<&Key> {
        let is_behind = |key: &&Key| key.is_live(now_ms) && self.is_behind(key.entry.stamp(), now_ms);
        self.get(database, name).filter(is_behind)
    }

    fn is_behind(&self, stamp: Stamp, now_ms: i64) -> bool {
        stamp.lap() != self.lap && !stamp.expiry().is_due(now_ms)
    }

    fn members_written_with<'a>(&self, container: &'a Container) -> &'a [Member] {
        let is_scattered = self.scattered.contains_key(&container.id);
        container.set.as_list().filter(|_| !is_scattered).unwrap_or_default()
    }
}
