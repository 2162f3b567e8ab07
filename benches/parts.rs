//! What the parts cost that decide, each by itself: without sockets, and but for the journal without files.
//!
//! ```text
//! cargo bench --bench parts                 all of them
//! cargo bench --bench parts -- look-up      those whose name contains this
//! ```
//!
//! A look-up is of one member or key by itself, so that what its cache misses cost shows; requests that come together
//! overlap them. An append is what a client waits for where nobody waits for the disk: the way to the writer thread and back,
//! staging, inserting, the commit, and applying. The replay opens the file, reads it into an empty store, and closes it.

use std::error::Error;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput};
use revoked::command::{self, evaluate};
use revoked::expiry::Expiry;
use revoked::journal::{Item, Journal, Opened, SyncPolicy};
use revoked::op::{Change, Op, SetAnswer};
use revoked::resp::{Decoder, Requests};
use revoked::stats::Stats;
use revoked::store::{Changes, Staged, Store, View};
use tokio::runtime::Runtime;

type Outcome<T> = Result<T, Box<dyn Error>>;

const KEY: Bytes = Bytes::from_static(b"revoked");

/// Members of the set that is read and added to.
const MEMBERS: usize = 1_000_000;

/// Rows of the file that is replayed.
const ROWS: usize = 200_000;

/// Ops of a batch, and requests of a pipeline.
const BATCH: usize = 100;

/// Long after the time at which all is done here.
const LATER_MS: i64 = 1 << 42;

/// Members that one op adds where the set is only to be filled.
const FILL_MEMBERS: usize = 10_000;

fn main() -> Outcome<()> {
    let mut criterion = Criterion::default().configure_from_args();
    decode(&mut criterion);
    look_up(&mut criterion);
    packing(&mut criterion);
    write(&mut criterion);
    append(&mut criterion)?;
    replay(&mut criterion)?;
    criterion.final_summary();
    Ok(())
}

fn decode(criterion: &mut Criterion) {
    let pipeline =
        |request: &dyn Fn() -> String| (0..BATCH).map(|_| request()).collect::<String>().into_bytes();
    let mut group = criterion.benchmark_group("decode");
    group.throughput(Throughput::Elements(BATCH as u64));
    for (name, mut pipeline) in [
        ("100 SISMEMBERs", pipeline(&|| request(&["SISMEMBER", "revoked", &random_uuid()]))),
        ("100 SETs", pipeline(&|| request(&["SET", &random_uuid(), "", "EX", "86400"]))),
        ("an SADD of 100", {
            let members: Vec<String> = (0..BATCH).map(|_| random_uuid()).collect();
            let members = members.iter().map(String::as_str);
            request(&["SADD", "revoked"].into_iter().chain(members).collect::<Vec<_>>()).into_bytes()
        }),
    ] {
        let (mut decoder, mut requests) = (Decoder::default(), Requests::default());
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let outcome = decoder.decode(black_box(&mut pipeline), &mut requests, true);
                assert!(outcome.is_ok() && !requests.is_empty());
            });
        });
    }
}

fn request(words: &[&str]) -> String {
    let bulks: Vec<_> = words.iter().map(|word| format!("${}\r\n{word}\r\n", word.len())).collect();
    format!("*{}\r\n{}", bulks.len(), bulks.concat())
}

fn look_up(criterion: &mut Criterion) {
    let store = Store::default();
    let there: Vec<Bytes> = (0..MEMBERS).map(|_| random_member()).collect();
    there.chunks(FILL_MEMBERS).for_each(|members| add(&store, &[sadd(members)]));
    there.chunks(FILL_MEMBERS).for_each(|keys| add(&store, &keys.iter().map(set).collect::<Vec<_>>()));
    let absent: Vec<Bytes> = (0..MEMBERS).map(|_| random_member()).collect();

    let keyspace = store.read();
    let view = View::committed(&keyspace, 0);
    let has_member = |member: &Bytes| matches!(view.set(0, &KEY), Ok(Some(set)) if set.contains(member));
    let has_key = |key: &Bytes| view.key(0, key).is_some();
    let mut group = criterion.benchmark_group("look-up");
    for (name, of, has) in [
        ("a member among a million", &there, &has_member as &dyn Fn(&Bytes) -> bool),
        ("a member that is not there", &absent, &has_member),
        ("a key among a million", &there, &has_key),
        ("a key that is not there", &absent, &has_key),
    ] {
        let random = || &of[fastrand::usize(..MEMBERS)];
        group.bench_function(name, |bencher| bencher.iter_batched(random, has, BatchSize::SmallInput));
    }
}

/// How names are held, where nothing is far away: a look-up packs the member that is asked for, and what is handed out is
/// unpacked.
fn packing(criterion: &mut Criterion) {
    let store = Store::default();
    let members: Vec<Bytes> = (0..BATCH).map(|_| random_member()).collect();
    add(&store, &[sadd(&members)]);
    let keyspace = store.read();
    let view = View::committed(&keyspace, 0);
    let Ok(Some(set)) = view.set(0, &KEY) else { return };
    let mut group = criterion.benchmark_group("packing");
    group.throughput(Throughput::Elements(BATCH as u64));
    group.bench_function("look up 100 UUIDs among 100", |bencher| {
        bencher.iter(|| assert!(members.iter().all(|member| set.contains(black_box(member)))));
    });
    group.bench_function("hand out 100 UUIDs", |bencher| {
        bencher.iter(|| {
            for (member, _) in set.members() {
                black_box(member.text());
            }
        });
    });
}

/// The two halves of a write around its commit.
fn write(criterion: &mut Criterion) {
    let store = Store::default();
    for _ in 0..MEMBERS / FILL_MEMBERS {
        add(&store, &[sadd(&(0..FILL_MEMBERS).map(|_| random_member()).collect::<Vec<_>>())]);
    }
    let sadds = || (0..BATCH).map(|_| sadd(&[random_member()])).collect::<Vec<_>>();
    let sets = || (0..BATCH).map(|_| set(&random_member())).collect::<Vec<_>>();
    let mut group = criterion.benchmark_group("write");
    group.throughput(Throughput::Elements(BATCH as u64));
    for (name, ops) in [("100 SADDs", &sadds as &dyn Fn() -> Vec<Op>), ("100 SETs", &sets)] {
        group.bench_function(format!("stage {name}"), |bencher| {
            bencher.iter_batched(ops, |ops| stage(&store, &ops), BatchSize::SmallInput);
        });
        group.bench_function(format!("apply {name}"), |bencher| {
            let staged = || stage(&store, &ops());
            bencher.iter_batched(staged, |changes| apply(&store, &changes), BatchSize::SmallInput);
        });
    }
}

fn append(criterion: &mut Criterion) -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    start(&runtime, &directory.path().join("revoked.db"), |journal| {
        let mut group = criterion.benchmark_group("journal");
        for len in [1, 16, 1_000] {
            let items = || (0..len).map(|_| Item::Write(sadd(&[random_member()]))).collect::<Vec<_>>();
            group.throughput(Throughput::Elements(len));
            group.bench_function(format!("append {len}"), |bencher| {
                let append = |items| assert!(runtime.block_on(journal.submit(items)).is_ok());
                bencher.iter_batched(items, append, BatchSize::SmallInput);
            });
        }
    })
}

fn replay(criterion: &mut Criterion) -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let path = directory.path().join("revoked.db");
    start(&runtime, &path, |journal| {
        for _ in 0..ROWS / FILL_MEMBERS {
            let members: Vec<Bytes> = (0..FILL_MEMBERS).map(|_| random_member()).collect();
            assert!(runtime.block_on(journal.submit(vec![Item::Write(sadd(&members))])).is_ok());
        }
    })?;
    let mut group = criterion.benchmark_group("journal");
    group.sample_size(10).throughput(Throughput::Elements(ROWS as u64));
    group.bench_function("replay 200,000 rows", |bencher| {
        bencher.iter(|| assert!(start(&runtime, &path, |_| {}).is_ok()));
    });
    Ok(())
}

/// Opens and replays a file, does something with the journal and ends it in order.
fn start(runtime: &Runtime, path: &Path, work: impl FnOnce(&Journal)) -> Outcome<()> {
    let (store, stats) = (Arc::default(), Arc::new(Stats::new(command::rows().count())));
    let entered = runtime.enter();
    let (journal, replay, finish) =
        Opened::open(path, SyncPolicy::Never)?.start(store, stats, Arc::default())?;
    drop(entered);
    runtime.block_on(replay.done())?;
    work(&journal);
    journal.close();
    runtime.block_on(finish.done());
    Ok(())
}

fn stage(store: &Store, ops: &[Op]) -> Changes {
    let keyspace = store.read();
    let mut staged = Staged::new(&keyspace, 0);
    for op in ops {
        black_box(evaluate(op, &mut staged));
        staged.end_op();
    }
    staged.into_changes()
}

fn apply(store: &Store, changes: &Changes) {
    assert!(store.apply(changes).is_ok());
}

fn add(store: &Store, ops: &[Op]) {
    apply(store, &stage(store, ops));
}

fn sadd(members: &[Bytes]) -> Op {
    Op { database: 0, change: Change::Sadd { key: KEY, members: members.to_vec() } }
}

/// A key of its own that ends some day.
fn set(key: &Bytes) -> Op {
    let (key, value, expiry) = (key.clone(), Bytes::new(), Some(Expiry::at_ms(LATER_MS)));
    Op { database: 0, change: Change::Set { key, value, expiry, condition: None, answer: SetAnswer::Ok } }
}

fn random_member() -> Bytes {
    random_uuid().into()
}

fn random_uuid() -> String {
    let uuid = fastrand::u128(..);
    let (a, b, c) = (uuid >> 96, uuid >> 80 & 0xffff, uuid >> 64 & 0xffff);
    format!("{a:08x}-{b:04x}-{c:04x}-{:04x}-{:012x}", uuid >> 48 & 0xffff, uuid & 0xffff_ffff_ffff)
}
