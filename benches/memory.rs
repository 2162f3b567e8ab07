//! What it costs to count memory: a piece allocated and freed, by the system's allocator alone, with the daemon's count of
//! each thread around it, and with the obvious one, an atomic that all threads add to.
//!
//! ```text
//! cargo bench --bench memory
//! ```

#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use criterion::Criterion;
use revoked::memory::{self, Counting, chunk_bytes};

/// The obvious way to count.
struct OneAtomic;

static ALLOCATED: AtomicUsize = AtomicUsize::new(0);

// SAFETY: it hands its arguments to the system's allocator as they came, and counts.
unsafe impl GlobalAlloc for OneAtomic {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.fetch_add(chunk_bytes(layout.size()), Relaxed);
        // SAFETY: as above.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, piece: *mut u8, layout: Layout) {
        ALLOCATED.fetch_sub(chunk_bytes(layout.size()), Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(piece, layout) }
    }
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    for threads in [1, 2] {
        let mut group = criterion.benchmark_group(format!("a piece allocated and freed, {threads} threads"));
        group
            .bench_function("uncounted", |bencher| bencher.iter_custom(|pairs| run(&System, threads, pairs)));
        group.bench_function("a count for each thread", |bencher| {
            bencher.iter_custom(|pairs| run(&Counting, threads, pairs));
        });
        group.bench_function("one atomic", |bencher| {
            bencher.iter_custom(|pairs| run(&OneAtomic, threads, pairs));
        });
    }
    criterion.bench_function("a look at what is used", |bencher| bencher.iter(memory::used));
    criterion.final_summary();
}

/// How long it takes until each thread has allocated and freed so many pieces of the sizes of members and keys.
fn run(allocator: &(impl GlobalAlloc + Sync), threads: usize, pairs: u64) -> Duration {
    let started = Instant::now();
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                for pair in 0..pairs {
                    allocate_and_free(allocator, 16 + pair as usize % 4 * 16);
                }
            });
        }
    });
    started.elapsed()
}

fn allocate_and_free(allocator: &impl GlobalAlloc, size: usize) {
    let Ok(layout) = Layout::from_size_align(size, 8) else { return };
    // SAFETY: the size is not 0, and the piece is freed once, with its layout.
    unsafe {
        let piece = black_box(allocator.alloc(layout));
        if !piece.is_null() {
            allocator.dealloc(piece, layout);
        }
    }
}
