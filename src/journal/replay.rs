//! The rows of a file on their way into memory: read in a thread of their own, and applied in order by who asked.
//!
//! ```text
//!            rows             full chunks, in order
//!   SQLite --------> reading ------------------------> applying (the writer)
//!                       ^                                 |
//!                       `---------------------------------'
//!                          empty chunks, of REPLAY_CHUNKS
//! ```
//!
//! The reading thread steps through the table, checks what it reads, and knows by then what each row says
//! ([`super::rows`]); the applying one does nothing else but change memory, and the time that both take is that of the
//! slower. What is between them is bounded: there are so many chunks, and before a large row is put into one, all that are
//! on their way are waited for.
//!
//! What the applying thread refuses is told before any damage that is found further on.

use std::io;
use std::ops::Range;
use std::panic::resume_unwind;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Builder, scope};

use fail::fail_point;
use rusqlite::Connection;

use super::error::OpenError;
use super::rows::{Entry, Reader};
use super::scan::read_rows;
use super::sqlite::damaged_row;
use crate::effect::Effect;
use crate::limits::{REPLAY_CHUNK_BYTES, REPLAY_CHUNK_ENTRIES, REPLAY_CHUNKS};
use crate::store::{Loading, Text, UuidMember};

/// What some rows say, one behind the other.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    entries: Vec<Held>,
    /// What the entries name.
    bytes: Vec<u8>,
    /// Where the last key stands in there of which a member was named: as a rule it is that of the next, too.
    key: Span,
    rows_read: u64,
}

/// An entry, and the sequence of the row that says it.
#[derive(Debug)]
struct Held {
    sequence: i64,
    entry: Entry<Span>,
}

/// A place in the bytes of a chunk.
#[derive(Debug, Default, Clone, Copy)]
struct Span {
    start: u32,
    end: u32,
}

/// A row that does not fit what the rows before it say.
#[derive(Debug)]
pub(super) struct Refused {
    sequence: i64,
    what: String,
}

impl Held {
    fn is_time(&self) -> bool {
        matches!(self.entry, Entry::Time(_))
    }
}

impl Span {
    fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

impl Chunk {
    /// How many rows were read by its end, since the first.
    pub(super) fn rows_read(&self) -> u64 {
        self.rows_read
    }

    /// When its groups of rows were written.
    pub(super) fn times_ms(&self) -> impl Iterator<Item = i64> {
        self.entries.iter().filter_map(|held| match held.entry {
            Entry::Time(time_ms) => Some(time_ms),
            Entry::Effect(_) | Entry::Uuid(_) => None,
        })
    }

    /// Has it be so in memory.
    pub(super) fn apply(&self, loading: &mut Loading<'_>) -> Result<(), Refused> {
        let mut rest = &self.entries[..];
        while let [first, ..] = rest {
            let mut done = 1;
            if let Entry::Time(time_ms) = self.entry(first) {
                loading.advance(time_ms);
            } else {
                done = loading.gather_uuids(rest.iter().map_while(|held| self.uuid(held)));
                if done == 0 {
                    done = rest.iter().take_while(|held| !held.is_time()).count();
                    self.apply_effects(&rest[..done], loading)?;
                }
            }
            rest = &rest[done..];
        }
        Ok(())
    }

    fn uuid(&self, held: &Held) -> Option<UuidMember<&[u8]>> {
        if let Entry::Uuid(member) = self.entry(held) { Some(member) } else { None }
    }

    fn entry(&self, held: &Held) -> Entry<&[u8]> {
        fail_point!(super::failpoints::REPLAY_ROW);
        held.entry.map(|span| &self.bytes[span.range()])
    }

    fn apply_effects(&self, run: &[Held], loading: &mut Loading<'_>) -> Result<(), Refused> {
        let text = |held: &Held| match &held.entry {
            Entry::Uuid(UuidMember { uuid, .. }) => Some(Text::uuid(uuid)),
            Entry::Effect(_) | Entry::Time(_) => None,
        };
        let texts: Vec<_> = run.iter().filter_map(text).collect();
        let mut texts = texts.iter();
        let effect = |held| match self.entry(held) {
            Entry::Time(_) => None,
            Entry::Effect(effect) => Some(effect),
            Entry::Uuid(UuidMember { database, container, key, expiry, .. }) => {
                Some(Effect::MemberSet { database, container, key, member: texts.next()?, expiry })
            }
        };
        let effects: Vec<_> = run.iter().filter_map(effect).collect();
        loading
            .apply_all(&effects)
            .map_err(|(at, misfit)| Refused { sequence: run[at].sequence, what: misfit.to_string() })
    }

    /// Whether this much more makes it longer than it should be.
    fn is_full(&self, bytes: usize) -> bool {
        let is_long = self.bytes.len() + bytes > REPLAY_CHUNK_BYTES;
        self.entries.len() >= REPLAY_CHUNK_ENTRIES || (is_long && !self.entries.is_empty())
    }

    fn push(&mut self, sequence: i64, entry: &Entry<&[u8]>) {
        let entry = entry.map(|bytes| self.hold(bytes));
        if let Entry::Effect(Effect::MemberSet { key, .. } | Effect::MemberRemoved { key, .. })
        | Entry::Uuid(UuidMember { key, .. }) = entry
        {
            self.key = key;
        }
        self.entries.push(Held { sequence, entry });
    }

    fn hold(&mut self, bytes: &[u8]) -> Span {
        if self.bytes[self.key.range()] == *bytes {
            return self.key;
        }
        let start = self.bytes.len() as u32;
        self.bytes.extend_from_slice(bytes);
        Span { start, end: self.bytes.len() as u32 }
    }

    /// Without what it held, but with the memory for the next entries.
    fn emptied(mut self) -> Self {
        self.entries.clear();
        self.bytes.clear();
        self.bytes.shrink_to(2 * REPLAY_CHUNK_BYTES);
        self.key = Span::default();
        self
    }
}

/// Where the reading thread puts what it reads.
struct Output {
    chunk: Chunk,
    full: Sender<Chunk>,
    empty: Receiver<Chunk>,
    /// Of the empty chunks those that it has taken back already.
    spare: Vec<Chunk>,
}

impl Output {
    fn push(&mut self, rows_read: u64, sequence: i64, entry: &Entry<&[u8]>) -> Result<(), String> {
        let bytes = entry.bytes();
        if self.chunk.is_full(bytes) {
            self.send()?;
        }
        if bytes > REPLAY_CHUNK_BYTES {
            self.wait_for_all()?;
        }
        self.chunk.push(sequence, entry);
        self.chunk.rows_read = rows_read;
        Ok(())
    }

    fn send(&mut self) -> Result<(), String> {
        let chunk = match self.spare.pop() {
            Some(chunk) => chunk,
            None => self.empty.recv().map_err(|_| given_up())?,
        };
        self.full.send(std::mem::replace(&mut self.chunk, chunk)).map_err(|_| given_up())
    }

    /// Waits until all that was sent is applied.
    fn wait_for_all(&mut self) -> Result<(), String> {
        while self.spare.len() + 1 < REPLAY_CHUNKS {
            self.spare.push(self.empty.recv().map_err(|_| given_up())?);
        }
        Ok(())
    }
}

/// What stands before damage is applied, too: it may be refused.
impl Drop for Output {
    fn drop(&mut self) {
        let _ = self.send();
    }
}

/// What the reading thread ends with when nobody applies any more. What that has to say is another.
fn given_up() -> String {
    "nobody applies it".into()
}

/// Reads all rows in a thread of its own, and has `apply` do on this one what they say, chunk by chunk. What that refuses
/// is damage.
pub(super) fn replay(
    connection: &mut Connection,
    path: &Path,
    apply: impl FnMut(&Chunk) -> Result<(), Refused>,
) -> Result<Reader, OpenError> {
    let (full, filled) = channel();
    let (emptied, empty) = channel();
    let mut output = Output { chunk: Chunk::default(), full, empty, spare: Vec::new() };
    output.spare.resize_with(REPLAY_CHUNKS - 1, Chunk::default);
    scope(|scope| {
        let read = move || {
            read_rows(connection, path, move |rows, sequence, entry| output.push(rows, sequence, entry))
        };
        let reading = Builder::new().name("replay".into()).spawn_scoped(scope, read);
        let reading = reading.map_err(|error| no_thread(path, &error))?;
        // It lets go of both channels when it is over: the reading thread must not wait for what does not come.
        let applied = apply_all(filled, emptied, apply);
        let read = reading.join().unwrap_or_else(|panic| resume_unwind(panic));
        applied.map_err(|Refused { sequence, what }| damaged_row(path, sequence, &what))?;
        read
    })
}

/// Applies chunks up to the first that is refused, and hands them back.
#[allow(clippy::needless_pass_by_value, reason = "nobody else may hold an end of these channels")]
fn apply_all(
    filled: Receiver<Chunk>,
    emptied: Sender<Chunk>,
    mut apply: impl FnMut(&Chunk) -> Result<(), Refused>,
) -> Result<(), Refused> {
    for chunk in filled {
        apply(&chunk)?;
        // It may have read all, and want none back.
        let _ = emptied.send(chunk.emptied());
    }
    Ok(())
}

fn no_thread(path: &Path, error: &io::Error) -> OpenError {
    OpenError::Io { path: path.into(), what: format!("there is no thread to read it: {error}") }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tempfile::TempDir;

    use super::super::sqlite::{JournalFile, SyncPolicy};
    use super::*;
    use crate::effect::ContainerId;
    use crate::expiry::Expiry;
    use crate::limits::GATHER_FROM;
    use crate::store::{Keyspace, View};

    const NOW_MS: i64 = 1_000;

    /// More than all chunks hold.
    const MANY: usize = REPLAY_CHUNKS * REPLAY_CHUNK_ENTRIES * 3;

    fn key() -> Bytes {
        Bytes::from_static(b"k")
    }

    fn created() -> Effect<Bytes> {
        Effect::SetCreated { database: 0, container: ContainerId(1), key: key(), expiry: Expiry::NEVER }
    }

    fn member(member: Bytes) -> Effect<Bytes> {
        Effect::MemberSet {
            database: 0,
            container: ContainerId(1),
            key: key(),
            member,
            expiry: Expiry::NEVER,
        }
    }

    /// A file of these effects, closed in order.
    fn file_of(effects: &[Effect<Bytes>]) -> (TempDir, JournalFile) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("revoked.db");
        let mut file = JournalFile::open(&path, SyncPolicy::Never).unwrap();
        file.replay(|_| Ok(())).unwrap();
        file.append(effects, NOW_MS).unwrap();
        file.close_group(NOW_MS).unwrap();
        drop(file);
        (folder, JournalFile::open(&path, SyncPolicy::Never).unwrap())
    }

    #[test]
    fn all_rows_come_in_order() {
        let effects = (0..MANY).map(|n| member(n.to_string().into()));
        let effects: Vec<_> = std::iter::once(created()).chain(effects).collect();
        let (_folder, mut file) = file_of(&effects);
        let mut found = Vec::new();
        let mut times_ms = Vec::new();
        let mut rows_read = 0;
        let last = file.replay(|chunk| {
            times_ms.extend(chunk.times_ms());
            rows_read = chunk.rows_read();
            found.extend(chunk.entries.iter().filter_map(|held| match &held.entry {
                Entry::Time(_) | Entry::Uuid(_) => None,
                Entry::Effect(effect) => {
                    Some(effect.map(|span| Bytes::copy_from_slice(&chunk.bytes[span.range()])))
                }
            }));
            Ok(())
        });
        assert_eq!(last.unwrap(), ContainerId(1));
        assert!(found == effects, "in order");
        assert_eq!(rows_read, (effects.len() + times_ms.len()) as u64);
    }

    fn uuid(n: u32) -> String {
        format!("{n:08x}-89ab-cdef-0123-456789abcdef")
    }

    #[test]
    fn uuids_become_members_of_small_and_large_sets_and_the_last_row_of_each_counts() {
        let (few, many) = (0..9, 0..3 * GATHER_FROM as u32);
        let set = |name: &'static str, id| {
            let key = Bytes::from_static(name.as_bytes());
            let created = Effect::SetCreated {
                database: 0,
                container: ContainerId(id),
                key: key.clone(),
                expiry: Expiry::NEVER,
            };
            let member = move |n: u32, end_ms: i64| Effect::MemberSet {
                database: 0,
                container: ContainerId(id),
                key: key.clone(),
                member: uuid(n).into(),
                expiry: Expiry::at_ms(end_ms),
            };
            (created, member)
        };
        let ((created_few, few_of), (created_many, many_of)) = (set("few", 1), set("many", 2));
        let mut effects = vec![created_few, created_many];
        effects.extend(few.clone().map(|n| few_of(n, 5_000)));
        effects.extend(many.clone().map(|n| many_of(n, 5_000)));
        effects.extend(few.clone().map(|n| few_of(n, 6_000 + i64::from(n))));
        effects.extend(many.clone().rev().map(|n| many_of(n, 6_000 + i64::from(n))));
        effects.push(Effect::MemberRemoved {
            database: 0,
            container: ContainerId(2),
            key: Bytes::from_static(b"many"),
            member: uuid(7).into(),
        });
        let (_folder, mut file) = file_of(&effects);
        let mut keyspace = Keyspace::default();
        let mut loading = Loading::new(&mut keyspace);
        let last = file.replay(|chunk| chunk.apply(&mut loading));
        drop(loading.end(last.unwrap()));
        let view = View::committed(&keyspace, NOW_MS);
        for (key, range, without) in [("few", few, None), ("many", many, Some(7))] {
            let mut expected: Vec<_> = range.filter(|n| Some(*n) != without).collect();
            let set = view.set(0, key.as_bytes()).unwrap().unwrap();
            let members = set.members().map(|(member, expiry)| (member.text().to_vec(), expiry));
            let mut found: Vec<_> = members.collect();
            found.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
            expected.sort_unstable();
            let expected =
                expected.into_iter().map(|n| (uuid(n).into_bytes(), Expiry::at_ms(6_000 + i64::from(n))));
            assert!(found.into_iter().eq(expected), "{key}");
        }
    }

    #[test]
    fn what_is_refused_ends_it_though_much_follows() {
        let effects: Vec<_> = (0..MANY).map(|n| member(n.to_string().into())).collect();
        let (_folder, mut file) = file_of(&effects);
        let mut chunks = 0;
        let error = file.replay(|chunk| {
            chunks += 1;
            Err(Refused { sequence: chunk.entries[1].sequence, what: "no".into() })
        });
        assert!(error.unwrap_err().to_string().contains("row 2: no"));
        assert_eq!(chunks, 1);
    }

    #[test]
    fn what_is_refused_is_told_before_damage_further_on() {
        let effects: Vec<_> =
            std::iter::once(created()).chain((0..100).map(|n| member(n.to_string().into()))).collect();
        let (folder, file) = file_of(&effects);
        drop(file);
        let path = folder.path().join("revoked.db");
        let sql = Connection::open(&path).unwrap();
        sql.execute_batch("UPDATE journal SET effect = 18 WHERE sequence = 50; PRAGMA wal_checkpoint")
            .unwrap();
        drop(sql);
        let error = |refuses: bool| {
            let mut file = JournalFile::open(&path, SyncPolicy::Never).unwrap();
            let outcome = file.replay(|chunk| {
                assert_eq!(chunk.entries.last().unwrap().sequence, 49);
                let refused = || Refused { sequence: 7, what: "no".into() };
                if refuses { Err(refused()) } else { Ok(()) }
            });
            outcome.unwrap_err().to_string()
        };
        assert!(error(true).contains("row 7: no"), "{}", error(true));
        assert!(error(false).contains("row 5"), "{}", error(false));
    }

    #[test]
    fn large_rows_are_read_one_by_one() {
        let long = |n: u8| Bytes::from(vec![n; REPLAY_CHUNK_BYTES + usize::from(n)]);
        let short = |n: u8| Bytes::from(vec![n]);
        let members: Vec<_> = (1..60).map(|n| if n % 3 == 0 { short(n) } else { long(n) }).collect();
        let effects: Vec<_> = std::iter::once(created()).chain(members.iter().cloned().map(member)).collect();
        let (_folder, mut file) = file_of(&effects);
        let mut keyspace = Keyspace::default();
        let mut loading = Loading::new(&mut keyspace);
        let last = file.replay(|chunk| {
            assert!(chunk.bytes.len() <= REPLAY_CHUNK_BYTES || chunk.entries.len() == 1);
            chunk.apply(&mut loading)
        });
        drop(loading.end(last.unwrap()));
        let view = View::committed(&keyspace, NOW_MS);
        let set = view.set(0, b"k").unwrap().unwrap();
        assert!(set.len() == members.len() && members.iter().all(|member| set.contains(member)));
    }

    #[test]
    fn a_chunk_that_held_much_gives_the_memory_back() {
        let mut chunk = Chunk::default();
        let long = vec![1; REPLAY_CHUNK_BYTES * 10];
        let effect = Effect::MemberSet {
            database: 0,
            container: ContainerId(1),
            key: &b"k"[..],
            member: &long[..],
            expiry: Expiry::NEVER,
        };
        chunk.push(1, &Entry::Effect(effect));
        assert!(chunk.emptied().bytes.capacity() <= 2 * REPLAY_CHUNK_BYTES);
    }
}
