//! A keyspace that is filled at start, while nobody looks.
//!
//! Effects are applied as ever, but for members that are put into a large set: these are gathered, to be put there together
//! ([`super::table::Gathered`]). Before an effect that touches that set, they are.

use super::keyspace::{Keyspace, Misfit, Removed};
use super::packing::UUID_BYTES;
use super::set::Member;
use super::table::Gathered;
use crate::effect::{ContainerId, Effect};
use crate::expiry::Expiry;
use crate::limits::{GATHER_FROM, GATHERED_MEMBERS};

/// A keyspace on its way.
#[derive(Debug)]
pub struct Loading<'a> {
    keyspace: &'a mut Keyspace,
    /// The set of the members that are gathered: it is there.
    set: Option<(u8, ContainerId, Box<[u8]>)>,
    gathered: Gathered<Member>,
    bounds: Bounds,
}

/// [`Effect::MemberSet`] where the member is a UUID, as its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UuidMember<B> {
    /// Where the set's key stands.
    pub database: u8,
    /// The set's id.
    pub container: ContainerId,
    /// The set's key.
    pub key: B,
    /// The member.
    pub uuid: [u8; UUID_BYTES],
    /// When the member ends.
    pub expiry: Expiry,
}

/// What tests set lower.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Members from which on a set is large.
    pub(super) gather_from: usize,
    /// Members that are gathered.
    pub(super) gathered: usize,
}

impl<'a> Loading<'a> {
    /// Begins to fill a keyspace.
    pub fn new(keyspace: &'a mut Keyspace) -> Self {
        Self::within(keyspace, Bounds { gather_from: GATHER_FROM, gathered: GATHERED_MEMBERS })
    }

    pub(super) fn within(keyspace: &'a mut Keyspace, bounds: Bounds) -> Self {
        Self { keyspace, set: None, gathered: Gathered::new(bounds.gathered), bounds }
    }

    /// As [`Keyspace::advance`].
    pub fn advance(&mut self, time_ms: i64) {
        self.keyspace.advance(time_ms);
    }

    /// Makes effects true one behind the other. What they remove is freed at once: nobody waits.
    ///
    /// # Errors
    ///
    /// If an effect does not fit, with its place; those before it are applied.
    pub fn apply_all<B: AsRef<[u8]>>(&mut self, effects: &[Effect<B>]) -> Result<(), (usize, Misfit)> {
        let mut applied = 0;
        for run in effects.chunk_by(Effect::is_of_one_set) {
            self.apply_run(run).map_err(|(at, misfit)| (applied + at, misfit))?;
            applied += run.len();
        }
        Ok(())
    }

    /// Has UUIDs be members of a set, as far as they are of the one whose members are gathered: the first ones, or none.
    /// Returns how many; the others are for [`Loading::apply_all`], as effects.
    pub fn gather_uuids<B: AsRef<[u8]>>(
        &mut self,
        members: impl IntoIterator<Item = UuidMember<B>>,
    ) -> usize {
        let Some((database, container, key)) = &self.set else { return 0 };
        let (database, container) = (*database, *container);
        let mut members = members.into_iter().peekable();
        if members.peek().is_none_or(|first| first.key.as_ref() != &**key) {
            return 0;
        }
        let mut taken = 0;
        for UuidMember { uuid, expiry, .. } in
            members.take_while(|member| (member.database, member.container) == (database, container))
        {
            self.keyspace.gather_uuid(&uuid, expiry, &mut self.gathered);
            if self.gathered.len() == self.bounds.gathered {
                self.put_set();
            }
            taken += 1;
        }
        taken
    }

    fn apply_run<B: AsRef<[u8]>>(&mut self, run: &[Effect<B>]) -> Result<(), (usize, Misfit)> {
        if let [Effect::MemberSet { database, container, key, .. }, ..] = run
            && let Some((at, id, at_key)) = &self.set
            && (at, id, &**at_key) == (database, container, key.as_ref())
        {
            self.gather(run);
            return Ok(());
        }
        if run.iter().any(|effect| self.is_touched_by(effect)) {
            self.put_gathered();
        }
        let len = self.keyspace.apply_run(run, &mut Removed::default())?;
        if let [Effect::MemberSet { database, container, key, .. }, ..] = run
            && len >= self.bounds.gather_from
        {
            self.put_gathered();
            self.set = Some((*database, *container, key.as_ref().into()));
        }
        Ok(())
    }

    fn gather<B: AsRef<[u8]>>(&mut self, run: &[Effect<B>]) {
        for effect in run {
            self.keyspace.gather(effect, &mut self.gathered);
            if self.gathered.len() == self.bounds.gathered {
                self.put_set();
            }
        }
    }

    /// Whether an effect may change, or move, the set whose members are gathered.
    fn is_touched_by<B: AsRef<[u8]>>(&self, effect: &Effect<B>) -> bool {
        let Some((at, id, at_key)) = &self.set else { return false };
        match effect {
            Effect::StringSet { database, key, .. }
            | Effect::SetCreated { database, key, .. }
            | Effect::KeyExpiry { database, key, .. }
            | Effect::KeyRemoved { database, key, .. } => at == database && **at_key == *key.as_ref(),
            Effect::MemberSet { container, .. } | Effect::MemberRemoved { container, .. } => id == container,
            Effect::SetMoved { .. } | Effect::DatabaseFlushed { .. } | Effect::DatabasesSwapped { .. } => {
                true
            }
        }
    }

    /// Puts what is gathered where it belongs, and gathers no more.
    fn put_gathered(&mut self) {
        self.put_set();
        self.set = None;
    }

    fn put_set(&mut self) {
        if let Some((database, container, key)) = &self.set {
            let put = self.keyspace.put_gathered((*database, key), *container, &mut self.gathered);
            assert!(put.is_ok(), "the set is there: whatever moves it has what is gathered put there before");
        }
    }

    /// Ends it: as [`Keyspace::end_replay`].
    #[must_use]
    pub fn end(mut self, last_container: ContainerId) -> Removed {
        self.put_gathered();
        self.keyspace.end_replay(last_container)
    }
}
