//! How much memory is in use: measured, by a global allocator around the system's that counts.
//!
//! A program installs it with `#[global_allocator]`, as the daemon does. Where it is not installed, all works but what
//! depends on the measure: [`used`] is `None`, so that INFO shows what is resident instead, and `maxmemory` can't be set.
//!
//! What is counted is what [`chunk_bytes`] says that the allocator takes for each piece, its header included; not
//! counted are the program itself, the threads' stacks, what the allocator keeps of what was given back to it, and what
//! SQLite allocates, whose cache is bounded ([`SQLITE_CACHE_BYTES`](crate::limits::SQLITE_CACHE_BYTES)).
//!
//! The count must not cost more than what it counts. One atomic for all threads would be fought for; so each thread has
//! one of its own, which it alone writes to, with a plain load and a plain store. Those that come when all are taken
//! share the last one, and add to it. Whoever asks adds all of them up. What a thread has counted stays in its place
//! when it ends: nothing has to be handed over, and nothing is lost.
//!
//! The benchmark `memory` measured, on two cores, 8 to 9 ns for a piece allocated and freed, and 1 to 2 ns more where it is
//! counted. One atomic cost no more there; but the more cores there are, the longer each waits for its turn.

// The safety argument is with the implementation of `GlobalAlloc`.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering::Relaxed};

/// The system's allocator, and a count of what is allocated.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counting;

/// Threads that have a count of their own. Those that live as long as the program are the first to come.
const OWN_COUNTS: usize = 63;

/// A count, alone on two cache lines: processors fetch them in pairs.
#[repr(align(128))]
struct Count(AtomicI64);

/// Bytes allocated less bytes freed, by each of the first threads, and by all others together. One may be negative:
/// memory can be freed by another thread than allocated it.
static COUNTS: [Count; OWN_COUNTS + 1] = [const { Count(AtomicI64::new(0)) }; OWN_COUNTS + 1];

/// Threads that have ever counted.
static THREADS: AtomicUsize = AtomicUsize::new(0);

/// The most that [`used`] ever found.
static PEAK: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// The place of this thread's count. Neither made nor dropped by any code, so that it can be used as long as the thread
    /// allocates.
    static PLACE: Cell<usize> = const { Cell::new(usize::MAX) };
}

/// Bytes in use: of what was allocated through [`Counting`], what was not freed. `None`, if that is not the program's
/// global allocator. While other threads allocate it is of no single moment.
#[must_use]
pub fn used() -> Option<u64> {
    let threads = THREADS.load(Relaxed);
    let own = COUNTS[..threads.min(OWN_COUNTS)].iter();
    let shared = COUNTS[OWN_COUNTS..].iter().filter(|_| threads > OWN_COUNTS);
    let bytes: i64 = own.chain(shared).map(|count| count.0.load(Relaxed)).sum();
    (threads > 0).then(|| {
        let bytes = u64::try_from(bytes).unwrap_or(0);
        if bytes > PEAK.load(Relaxed) {
            PEAK.fetch_max(bytes, Relaxed);
        }
        bytes
    })
}

/// The most that [`used`] has ever found: what is in use only between two calls goes unseen.
#[must_use]
pub fn peak() -> Option<u64> {
    used().map(|used| PEAK.load(Relaxed).max(used))
}

/// What the allocator takes for a piece of so many bytes: as glibc does, a header of 8, in multiples of 16, at least 32.
/// (Other allocators differ by a little. Where the piece is large, glibc rounds to whole pages.)
#[must_use]
pub const fn chunk_bytes(size: usize) -> usize {
    let chunk = size.saturating_add(8 + 15) & !15;
    if chunk < 32 { 32 } else { chunk }
}

/// Adds to what this thread has counted.
fn count(bytes: i64) {
    let place = PLACE.try_with(place_of_thread).unwrap_or(OWN_COUNTS);
    let count = &COUNTS[place].0;
    if place < OWN_COUNTS {
        // Nobody else stores here.
        count.store(count.load(Relaxed).wrapping_add(bytes), Relaxed);
    } else {
        count.fetch_add(bytes, Relaxed);
    }
}

fn place_of_thread(place: &Cell<usize>) -> usize {
    if place.get() > OWN_COUNTS {
        place.set(THREADS.fetch_add(1, Relaxed).min(OWN_COUNTS));
    }
    place.get()
}

// SAFETY: Each method hands its arguments to the system's allocator as they came and returns what that returned, so that
// what the caller promises, and is promised, is what the trait says. Counting touches no memory but statics and a
// thread-local without destructor, allocates nothing, and does not panic: the place is within the array by construction.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        let piece = unsafe { System.alloc(layout) };
        if !piece.is_null() {
            count(chunk_bytes(layout.size()) as i64);
        }
        piece
    }

    unsafe fn dealloc(&self, piece: *mut u8, layout: Layout) {
        count(-(chunk_bytes(layout.size()) as i64));
        // SAFETY: as above.
        unsafe { System.dealloc(piece, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        let piece = unsafe { System.alloc_zeroed(layout) };
        if !piece.is_null() {
            count(chunk_bytes(layout.size()) as i64);
        }
        piece
    }

    unsafe fn realloc(&self, piece: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as above.
        let moved = unsafe { System.realloc(piece, layout, size) };
        if !moved.is_null() {
            count(chunk_bytes(size) as i64 - chunk_bytes(layout.size()) as i64);
        }
        moved
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Barrier, Mutex, PoisonError};

    use super::*;

    /// The counts are the program's: the tests take turns.
    static TURN: Mutex<()> = Mutex::new(());

    /// A piece of memory that was allocated through [`Counting`], whichever allocator the program has.
    struct Piece(*mut u8, Layout);

    // SAFETY: it is memory that nobody else knows of.
    unsafe impl Send for Piece {}

    impl Piece {
        fn new(size: usize) -> Self {
            let layout = Layout::from_size_align(size, 8).unwrap();
            // SAFETY: the size is not 0.
            let piece = unsafe { Counting.alloc_zeroed(layout) };
            assert!(!piece.is_null());
            Self(piece, layout)
        }

        fn resize(&mut self, size: usize) {
            // SAFETY: the piece is of this layout, and the size is not 0.
            self.0 = unsafe { Counting.realloc(self.0, self.1, size) };
            assert!(!self.0.is_null());
            self.1 = Layout::from_size_align(size, 8).unwrap();
        }
    }

    impl Drop for Piece {
        fn drop(&mut self) {
            // SAFETY: the piece is of this layout, and nobody uses it from here on.
            unsafe { Counting.dealloc(self.0, self.1) }
        }
    }

    #[test]
    fn what_is_allocated_counts_until_it_is_freed() {
        let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let mut piece = Piece::new(1000);
        let before = used().unwrap();
        let second = Piece::new(100);
        assert_eq!(used().unwrap() - before, chunk_bytes(100) as u64);
        piece.resize(5000);
        assert_eq!(
            used().unwrap() - before,
            (chunk_bytes(100) + chunk_bytes(5000) - chunk_bytes(1000)) as u64
        );
        piece.resize(1000);
        drop(second);
        assert_eq!(used().unwrap(), before);
        assert!(peak().unwrap() >= before + chunk_bytes(5000) as u64 - chunk_bytes(1000) as u64);
    }

    #[test]
    fn memory_may_be_freed_by_another_thread_and_threads_may_end() {
        let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        drop(Piece::new(1));
        let before = used().unwrap();
        let piece = std::thread::spawn(|| Piece::new(10_000)).join().unwrap();
        assert_eq!(used().unwrap() - before, chunk_bytes(10_000) as u64);
        std::thread::spawn(move || drop(piece)).join().unwrap();
        assert_eq!(used().unwrap(), before);
    }

    #[test]
    fn threads_without_a_count_of_their_own_share_one() {
        let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        drop(Piece::new(1));
        let before = used().unwrap();
        let (threads, rounds) = (OWN_COUNTS + 8, if cfg!(miri) { 4 } else { 1000 });
        let barrier = Barrier::new(threads);
        let kept: Vec<Piece> = std::thread::scope(|scope| {
            let count = || {
                barrier.wait();
                (0..rounds).for_each(|_| drop(Piece::new(64)));
                Piece::new(64)
            };
            let threads: Vec<_> = (0..threads).map(|_| scope.spawn(count)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(used().unwrap() - before, (kept.len() * chunk_bytes(64)) as u64);
        drop(kept);
        assert_eq!(used().unwrap(), before);
    }

    #[test]
    fn a_piece_takes_what_the_allocator_takes_for_it() {
        for (size, chunk) in [(1, 32), (24, 32), (25, 48), (40, 48), (41, 64), (1000, 1008), (1001, 1024)] {
            assert_eq!(chunk_bytes(size), chunk, "{size}");
        }
    }
}
