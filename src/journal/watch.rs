//! WATCH: the keys whose changes make a client's transaction void.
//!
//! A change is noted together with its application, which makes it visible: who begins to watch a key and then
//! reads it either reads the change, or has it noted. What the commit at hand has staged, and not applied yet, a
//! transaction in the same commit looks up for itself.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ahash::{AHashMap, AHashSet};
use bytes::Bytes;

use crate::effect::Effect;
use crate::limits::WATCHED_KEYS;
use crate::store::{Changes, Keyspace, View};

/// A database and a key there.
type Place = (u8, Bytes);

/// A client's note that one of its keys has changed.
type Note = Arc<AtomicBool>;

/// The keys that are watched, by all clients.
#[derive(Debug, Default)]
pub(super) struct Watches(Mutex<AHashMap<Place, Vec<Note>>>);

/// The keys that one client watches, until this is dropped.
#[derive(Debug)]
pub struct Watched {
    watches: Arc<Watches>,
    places: AHashSet<Place>,
    note: Note,
}

impl Watches {
    /// Keeps clients from beginning to watch, while changes are applied and noted.
    pub(super) fn hold(&self) -> Held<'_> {
        Held(self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The keys that are watched, held as they are.
pub(super) struct Held<'a>(MutexGuard<'a, AHashMap<Place, Vec<Note>>>);

impl Held<'_> {
    /// Tells those who watch what these changes touch. `before` is the state that they change.
    pub(super) fn note(&self, changes: &Changes, before: &Keyspace) {
        if self.0.is_empty() {
            return;
        }
        for touched in touched(changes.effects()) {
            match touched {
                Touched::Key(place) => tell(self.0.get(&place)),
                Touched::Database(database) => {
                    let watches = self.0.iter();
                    tell(
                        watches
                            .filter(|(place, _)| takes_away(database, place, before))
                            .map(|(_, notes)| notes),
                    );
                }
            }
        }
    }
}

fn tell<'a>(watching: impl IntoIterator<Item = &'a Vec<Note>>) {
    watching.into_iter().flatten().for_each(|note| note.store(true, SeqCst));
}

impl Watched {
    /// Watches nothing yet.
    pub(super) fn new(watches: Arc<Watches>) -> Self {
        Self { watches, places: AHashSet::new(), note: Note::default() }
    }

    /// Watches one more key. Returns whether there was room for it; a transaction that would depend on a key
    /// that is not watched is void.
    pub fn add(&mut self, database: u8, key: &[u8]) -> bool {
        let place = (database, Bytes::copy_from_slice(key));
        if self.places.contains(&place) {
            return true;
        }
        let has_room = self.places.len() < WATCHED_KEYS;
        if has_room {
            self.watches.hold().0.entry(place.clone()).or_default().push(Arc::clone(&self.note));
            self.places.insert(place);
        } else {
            self.note.store(true, SeqCst);
        }
        has_room
    }

    /// Whether one of the keys has changed since it is watched: by what was applied, or by what is staged on
    /// `before`.
    pub(super) fn has_changed(&self, staged: &[Effect<Bytes>], before: &Keyspace) -> bool {
        let is_watched = |touched| match touched {
            Touched::Key(place) => self.places.contains(&place),
            Touched::Database(database) => {
                self.places.iter().any(|place| takes_away(database, place, before))
            }
        };
        self.note.load(SeqCst) || touched(staged).any(is_watched)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let mut watches = self.watches.hold();
        for place in &self.places {
            if let Some(notes) = watches.0.get_mut(place) {
                notes.retain(|note| !Arc::ptr_eq(note, &self.note));
                if notes.is_empty() {
                    watches.0.remove(place);
                }
            }
        }
    }
}

/// What an effect touches.
#[derive(PartialEq)]
enum Touched {
    Key(Place),
    Database(u8),
}

/// What the effects touch. The many of one command are one, as a rule.
fn touched(effects: &[Effect<Bytes>]) -> impl Iterator<Item = Touched> {
    effects.chunk_by(|a, b| place(a) == place(b)).map(|alike| match place(&alike[0]) {
        (database, Some(key)) => Touched::Key((database, key.clone())),
        (database, None) => Touched::Database(database),
    })
}

/// The database and, if it is not all of it, the key that an effect is about.
fn place(effect: &Effect<Bytes>) -> (u8, Option<&Bytes>) {
    match effect {
        Effect::SetCreated { database, key, .. }
        | Effect::KeyRemoved { database, key, .. }
        | Effect::MemberAdded { database, key, .. }
        | Effect::MemberRemoved { database, key, .. } => (*database, Some(key)),
        Effect::DatabaseFlushed { database } => (*database, None),
    }
}

/// Whether flushing a database takes a key away: for one that was not there, nothing changes.
fn takes_away(flushed: u8, (database, key): &Place, before: &Keyspace) -> bool {
    flushed == *database && View::committed(before).set(*database, key).is_some()
}
