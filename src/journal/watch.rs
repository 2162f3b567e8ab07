//! WATCH: the keys whose changes make a client's transaction void.
//!
//! A change is noted together with its application, which makes it visible: who begins to watch a key and then
//! reads it either reads the change, or has it noted. What the commit at hand has staged, and not applied yet, a
//! transaction in the same commit looks up for itself; and what has ended by itself, since nobody notes that.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ahash::AHashMap;
use bytes::Bytes;

use crate::effect::Effect;
use crate::limits::WATCHED_KEYS;
use crate::stats::now_ms;
use crate::store::{Changes, Keyspace, Staged, Store, ValueView, View};

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
    store: Arc<Store>,
    /// The keys, and how much was there when watching began.
    places: AHashMap<Place, Size>,
    note: Note,
}

/// How much is at a key: its members, or 1 for a string; nothing, if it is not there. What ends by itself makes it less.
type Size = Option<usize>;

fn size(view: &View<'_>, (database, key): &Place) -> Size {
    view.key(*database, key).map(|found| match found.value {
        ValueView::String(_) => 1,
        ValueView::Set(set) => set.len(),
    })
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
        let view = View::committed(before, changes.time_ms());
        for touched in touched(changes.effects()) {
            match &touched {
                Touched::Key(place) => tell(self.0.get(place)),
                Touched::Databases(..) => {
                    let touches = |place: &Place| touched.includes(place, &view);
                    tell(self.0.iter().filter(|(place, _)| touches(place)).map(|(_, notes)| notes));
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
    pub(super) fn new(watches: Arc<Watches>, store: Arc<Store>) -> Self {
        Self { watches, store, places: AHashMap::new(), note: Note::default() }
    }

    /// Watches one more key. Returns whether there was room for it; a transaction that would depend on a key
    /// that is not watched is void.
    pub fn add(&mut self, database: u8, key: &[u8]) -> bool {
        let place = (database, Bytes::copy_from_slice(key));
        if self.places.contains_key(&place) {
            return true;
        }
        let has_room = self.places.len() < WATCHED_KEYS;
        if has_room {
            self.watches.hold().0.entry(place.clone()).or_default().push(Arc::clone(&self.note));
            let size = size(&View::committed(&self.store.read(), now_ms()), &place);
            self.places.insert(place, size);
        } else {
            self.note.store(true, SeqCst);
        }
        has_room
    }

    /// Whether one of the keys has changed since it is watched: by what was applied, by what is staged, or by itself at
    /// the time of the stage.
    pub(super) fn has_changed(&self, staged: &Staged<'_>) -> bool {
        let before = View::committed(staged.base(), staged.now_ms());
        let is_watched = |touched: Touched| match &touched {
            Touched::Key(place) => self.places.contains_key(place),
            Touched::Databases(..) => self.places.keys().any(|place| touched.includes(place, &before)),
        };
        // The sizes tell, too, what SWAPDB has brought in that was made in the same commit.
        self.note.load(SeqCst)
            || touched(staged.changes().effects()).any(is_watched)
            || self.places.iter().any(|(place, before)| size(&staged.view(), place) != *before)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let mut watches = self.watches.hold();
        for place in self.places.keys() {
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
enum Touched {
    Key(Place),
    /// All keys of two databases, which may be the same one.
    Databases(u8, u8),
}

impl Touched {
    /// Whether the key at this place is touched. For one that was in neither database, nothing changes.
    fn includes(&self, place: &Place, before: &View<'_>) -> bool {
        let (database, key) = place;
        match self {
            Self::Key(touched) => touched == place,
            Self::Databases(first, second) => {
                let is_there = |database: &u8| before.key(*database, key).is_some();
                [first, second].contains(&database) && [first, second].into_iter().any(is_there)
            }
        }
    }
}

/// What the effects touch. The many of one command are one, as a rule.
fn touched(effects: &[Effect<Bytes>]) -> impl Iterator<Item = Touched> {
    let alike = effects.chunk_by(|a, b| matches!((member_of(a), member_of(b)), (Some(a), Some(b)) if a == b));
    alike.flat_map(|alike| touched_by(&alike[0])).flatten()
}

/// The key of the set that an effect on a member changes.
fn member_of(effect: &Effect<Bytes>) -> Option<(u8, &Bytes)> {
    match effect {
        Effect::MemberSet { database, key, .. } | Effect::MemberRemoved { database, key, .. } => {
            Some((*database, key))
        }
        _ => None,
    }
}

fn touched_by(effect: &Effect<Bytes>) -> [Option<Touched>; 2] {
    let key = |database: &u8, key: &Bytes| Some(Touched::Key((*database, key.clone())));
    match effect {
        Effect::SetMoved { from_database, from, database, key: to, .. } => {
            [key(from_database, from), key(database, to)]
        }
        Effect::StringSet { database, key: at, .. }
        | Effect::SetCreated { database, key: at, .. }
        | Effect::KeyExpiry { database, key: at, .. }
        | Effect::KeyRemoved { database, key: at, .. }
        | Effect::MemberSet { database, key: at, .. }
        | Effect::MemberRemoved { database, key: at, .. } => [key(database, at), None],
        Effect::DatabaseFlushed { database } => [Some(Touched::Databases(*database, *database)), None],
        Effect::DatabasesSwapped { first, second } => [Some(Touched::Databases(*first, *second)), None],
    }
}
