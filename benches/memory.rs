//! What it costs to count memory: a piece allocated and freed, by the system's allocator alone, with the daemon's count of
//! each thread around it, and with the obvious one, an atomic that all threads add to. Measured is time on a processor,
//! so that what else the machine does disturbs little; only threads that run at the same time fight for the atomic.
//!
//! ```text
//! cargo bench --bench memory
//! ```

#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use criterion::Criterion;
use revoked::memory::{self, Counting, chunk_bytes};
use rustix::time::{ClockId, clock_gettime};

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
    // Or the compiler might see that nobody ever looks at it.
    black_box(ALLOCATED.load(Relaxed));
}

/// The time on a processor that each thread takes, in the mean, to allocate and free so many pieces of the sizes of members
/// and keys.
fn run(allocator: &(impl GlobalAlloc + Sync), threads: u32, pairs: u64) -> Duration {
    let work = || {
        let started = processor_time();
        for pair in 0..pairs {
            allocate_and_free(allocator, 16 + pair as usize % 4 * 16);
        }
        processor_time().saturating_sub(started)
    };
    let took = thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()).sum::<Duration>()
    });
    took / threads
}

/// What this thread has used so far.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
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
