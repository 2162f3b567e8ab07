//! What the parts cost, without sockets and (but for the replay) without the disk.
//!
//! ```text
//! cargo bench --bench parts
//! ```
//!
//! The look-up is of one member by itself, so that what its cache misses cost shows; requests that come together
//! overlap them. The replay opens the file, reads it into an empty store, and closes it.

use std::error::Error;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput};
use revoked::command::{self, evaluate};
use revoked::journal::{Item, Journal, Opened, SyncPolicy};
use revoked::op::{Change, Op};
use revoked::resp::{Decoder, Requests};
use revoked::stats::Stats;
use revoked::store::{Staged, Store, View};
use tokio::runtime::Runtime;

type Outcome<T> = Result<T, Box<dyn Error>>;

const KEY: Bytes = Bytes::from_static(b"revoked");

/// Members of the set that is read and added to.
const MEMBERS: usize = 1_000_000;

/// Rows of the file that is replayed.
const ROWS: usize = 200_000;

/// Ops of a batch, and requests of a pipeline.
const BATCH: usize = 100;

/// Members that one op adds where the set is only to be filled.
const FILL_MEMBERS: usize = 10_000;

fn main() -> Outcome<()> {
    let mut criterion = Criterion::default().configure_from_args();
    decode(&mut criterion);
    store(&mut criterion);
    replay(&mut criterion)?;
    criterion.final_summary();
    Ok(())
}

fn decode(criterion: &mut Criterion) {
    let request = |uuid| format!("*3\r\n$9\r\nSISMEMBER\r\n$7\r\nrevoked\r\n$36\r\n{uuid}\r\n");
    let mut pipeline = (0..BATCH).map(|_| request(random_uuid())).collect::<String>().into_bytes();
    let (mut decoder, mut requests) = (Decoder::default(), Requests::default());
    let mut group = criterion.benchmark_group("decode");
    group.throughput(Throughput::Elements(BATCH as u64));
    group.bench_function("a pipeline of 100 SISMEMBERs", |bencher| {
        bencher.iter(|| {
            let outcome = decoder.decode(black_box(&mut pipeline), &mut requests, true);
            assert!(outcome.is_ok() && requests.len() == BATCH);
        });
    });
}

fn store(criterion: &mut Criterion) {
    let store = Store::default();
    let members: Vec<Bytes> = (0..MEMBERS).map(|_| random_member()).collect();
    members.chunks(FILL_MEMBERS).for_each(|members| apply(&store, &[sadd(members)]));

    let mut group = criterion.benchmark_group("store");
    group.throughput(Throughput::Elements(1));
    group.bench_function("look up a member among a million", |bencher| {
        let keyspace = store.read();
        let view = View::committed(&keyspace, 0);
        let random = || &members[fastrand::usize(..MEMBERS)];
        let contains = |member: &Bytes| matches!(view.set(0, &KEY), Ok(Some(set)) if set.contains(member));
        bencher.iter_batched(random, |member| assert!(contains(member)), BatchSize::SmallInput);
    });
    group.throughput(Throughput::Elements(BATCH as u64));
    group.bench_function("stage and apply 100 SADDs", |bencher| {
        let ops = || (0..BATCH).map(|_| sadd(&[random_member()])).collect::<Vec<_>>();
        bencher.iter_batched(ops, |ops| apply(&store, &ops), BatchSize::SmallInput);
    });
}

fn replay(criterion: &mut Criterion) -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let path = directory.path().join("revoked.db");
    start(&runtime, &path, |journal| async move {
        for _ in 0..ROWS / FILL_MEMBERS {
            let members: Vec<Bytes> = (0..FILL_MEMBERS).map(|_| random_member()).collect();
            let replies = journal.submit(vec![Item::Write(sadd(&members))]).await;
            assert!(replies.is_ok());
        }
    })?;
    let mut group = criterion.benchmark_group("journal");
    group.sample_size(10).throughput(Throughput::Elements(ROWS as u64));
    group.bench_function("replay 200,000 rows", |bencher| {
        bencher.iter(|| assert!(start(&runtime, &path, |_| async {}).is_ok()));
    });
    Ok(())
}

/// Opens and replays a file, does something with the journal and ends it in order.
fn start<F: Future<Output = ()>>(
    runtime: &Runtime,
    path: &Path,
    work: impl FnOnce(Journal) -> F,
) -> Outcome<()> {
    let (store, stats) = (Arc::default(), Arc::new(Stats::new(command::rows().count())));
    let _entered = runtime.enter();
    let (journal, replay, finish) =
        Opened::open(path, SyncPolicy::Never)?.start(store, stats, Arc::default())?;
    runtime.block_on(async {
        replay.done().await?;
        work(journal.clone()).await;
        journal.close();
        finish.done().await;
        Ok(())
    })
}

fn apply(store: &Store, ops: &[Op]) {
    let changes = {
        let keyspace = store.read();
        let mut staged = Staged::new(&keyspace, 0);
        for op in ops {
            black_box(evaluate(op, &mut staged));
            staged.end_op();
        }
        staged.into_changes()
    };
    assert!(store.apply(&changes).is_ok());
}

fn sadd(members: &[Bytes]) -> Op {
    Op { database: 0, change: Change::Sadd { key: KEY, members: members.to_vec() } }
}

fn random_member() -> Bytes {
    random_uuid().into()
}

fn random_uuid() -> String {
    let uuid = fastrand::u128(..);
    let (a, b, c) = (uuid >> 96, uuid >> 80 & 0xffff, uuid >> 64 & 0xffff);
    format!("{a:08x}-{b:04x}-{c:04x}-{:04x}-{:012x}", uuid >> 48 & 0xffff, uuid & 0xffff_ffff_ffff)
}
