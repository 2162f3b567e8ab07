//! The journal's promises, on real files.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use bytes::Bytes;
use rusqlite::Connection;
use tempfile::TempDir;

use super::*;
use crate::expiry::Expiry;
use crate::op::Change;
use crate::reply::Error;
use crate::stats::now_ms;
use crate::store::ValueView;

struct Server {
    journal: Journal,
    store: Arc<Store>,
    stats: Arc<Stats>,
    finish: Finish,
}

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("revoked.db");
    (folder, path)
}

fn open(path: &Path) -> Result<Opened, OpenError> {
    Opened::open(path, SyncPolicy::Never)
}

async fn start(opened: Opened) -> Result<Server, OpenError> {
    let (store, stats) = (Arc::new(Store::default()), Arc::new(Stats::new(0)));
    let (journal, replay, finish) =
        opened.start(Arc::clone(&store), Arc::clone(&stats), Arc::default()).unwrap();
    replay.done().await?;
    Ok(Server { journal, store, stats, finish })
}

impl Server {
    async fn at(path: &Path) -> Self {
        start(open(path).unwrap()).await.unwrap()
    }

    async fn submit(&self, items: Vec<Item>) -> Vec<Reply> {
        self.journal.submit(items).await.unwrap()
    }

    fn members(&self, key: &[u8]) -> Vec<Vec<u8>> {
        let keyspace = self.store.read();
        let set = View::committed(&keyspace, now_ms()).set(0, key).unwrap();
        let members = set.iter().flat_map(crate::store::SetView::members);
        let mut members: Vec<_> = members.map(|(member, _)| member.text().to_vec()).collect();
        members.sort();
        members
    }

    async fn stop(self) {
        self.journal.close();
        self.finish.done().await;
    }
}

fn shared(bytes: &[u8]) -> Bytes {
    Bytes::copy_from_slice(bytes)
}

fn write(database: u8, change: Change) -> Item {
    Item::Write(Op { database, change })
}

fn sadd(key: &[u8], members: &[&[u8]]) -> Item {
    let members = members.iter().map(|member| shared(member)).collect();
    write(0, Change::Sadd { key: shared(key), members })
}

fn srem(key: &[u8], members: &[&[u8]]) -> Item {
    let members = members.iter().map(|member| shared(member)).collect();
    write(0, Change::Srem { key: shared(key), members })
}

fn scard(key: &[u8]) -> Item {
    let read = |view: &View<'_>, database: u8, request: Request<'_>| {
        Ok(Reply::count(view.set(database, request.arg(1))?.map_or(0, |set| set.len())))
    };
    Item::Read(Query { read, database: 0, request: OwnedRequest::from_args(&[b"SCARD", key]) })
}

/// What the folder holds, to show that it stayed as it was. The lock is no part of the data.
fn contents(folder: &TempDir) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| !path.to_string_lossy().ends_with("-lock"))
        .map(|path| (path.clone(), fs::read(&path).unwrap()))
        .collect();
    all.sort();
    all
}

#[tokio::test]
async fn what_was_submitted_is_there_after_a_restart() {
    let (_folder, path) = folder();
    let binary: Vec<u8> = (0..=255).collect();
    let server = Server::at(&path).await;
    let items = vec![
        sadd(b"k", &[b"a", b"b", b"", &binary, b"nul\0"]),
        srem(b"k", &[b"a", b"x"]),
        sadd(b"l", &[b"1"]),
    ];
    assert_eq!(server.submit(items).await, [Reply::Integer(5), Reply::Integer(1), Reply::Integer(1)]);
    let before = server.members(b"k");
    assert_eq!(before.len(), 4);
    server.stop().await;

    let server = Server::at(&path).await;
    assert_eq!(server.members(b"k"), before);
    assert_eq!(server.members(b"l"), [b"1"]);
    // Two sets created, six members added, one removed, the time, and that of the end.
    assert_eq!(server.stats.journal.rows_loaded.load(std::sync::atomic::Ordering::Relaxed), 11);
    server.stop().await;
}

#[tokio::test]
async fn a_read_behind_a_write_sees_what_it_changed() {
    let (_folder, path) = folder();
    let server = Server::at(&path).await;
    let items = vec![scard(b"k"), sadd(b"k", &[b"a"]), scard(b"k"), srem(b"k", &[b"a"]), scard(b"k")];
    let counts = [0, 1, 1, 1, 0].map(Reply::Integer);
    assert_eq!(server.submit(items).await, counts);
    server.stop().await;
}

#[tokio::test]
async fn all_that_changes_a_database_survives_a_restart() {
    let (_folder, path) = folder();
    let server = Server::at(&path).await;
    let del = write(0, Change::Del { keys: vec![shared(b"k"), shared(b"none")] });
    let flush = |database| write(database, Change::Flushdb);
    let other = |database, member: &[u8]| {
        write(database, Change::Sadd { key: shared(b"o"), members: vec![shared(member)] })
    };
    server.submit(vec![sadd(b"k", &[b"1"]), del, sadd(b"k", &[b"2"])]).await;
    server.submit(vec![other(1, b"x"), flush(1), other(1, b"y"), other(15, b"z"), flush(15)]).await;
    server.stop().await;

    let server = Server::at(&path).await;
    assert_eq!(server.members(b"k"), [b"2"]);
    {
        let keyspace = server.store.read();
        let view = View::committed(&keyspace, now_ms());
        let set = view.set(1, b"o").unwrap().unwrap();
        assert!(set.contains(b"y") && set.len() == 1);
        assert_eq!(view.len(15), 0);
    }
    server.submit(vec![write(0, Change::Flushall)]).await;
    server.stop().await;
    let server = Server::at(&path).await;
    assert!(server.members(b"k").is_empty());
    server.stop().await;
}

#[tokio::test]
async fn the_views_say_what_is_revoked_and_what_happened() {
    let (_folder, path) = folder();
    let server = Server::at(&path).await;
    let del = write(0, Change::Del { keys: vec![shared(b"gone")] });
    server.submit(vec![sadd(b"revoked", &[b"jti-1", b"jti-2"]), sadd(b"gone", &[b"jti-1"]), del]).await;
    server.submit(vec![srem(b"revoked", &[b"jti-2"]), sadd(b"revoked", &[b"\xff\x00"])]).await;
    let other = write(7, Change::Sadd { key: shared(b"other"), members: vec![shared(b"m")] });
    server.submit(vec![other, write(7, Change::Flushdb)]).await;

    // While the daemon has the file open.
    let reader = Connection::open(&path).unwrap();
    let list = |sql: &str| list(&reader, sql);
    assert_eq!(
        list("SELECT database || ' ' || key || ' ' || quote(member) FROM revocations ORDER BY 1"),
        ["0 revoked 'jti-1'", "0 revoked X'FF00'"]
    );
    assert_eq!(list("SELECT key FROM revocations WHERE member = 'jti-1'"), ["revoked"]);
    assert_eq!(list("SELECT database || ' ' || key || ' ' || type FROM keys"), ["0 revoked set"]);
    assert_eq!(
        list("SELECT change || ' ' || key FROM history WHERE member = 'jti-2' AND at > '2026'"),
        ["member set revoked", "member removed revoked"]
    );
    server.stop().await;
}

#[tokio::test]
async fn a_uuid_stands_in_the_file_as_its_bytes_and_is_shown_as_its_text() {
    let uuid = |member: char| format!("01234567-89ab-cdef-fedc-ba987654321{member}");
    let (first, second, shouted) = (uuid('0'), uuid('1'), uuid('0').to_uppercase());
    let bytes = crate::store::pack_uuid(first.as_bytes()).unwrap();
    let (_folder, path) = folder();
    let server = Server::at(&path).await;
    let members = [first.as_bytes(), second.as_bytes(), shouted.as_bytes(), &bytes];
    server.submit(vec![sadd(b"k", &members), sadd(first.as_bytes(), &[b"m"]), put(b"k", &bytes, FAR)]).await;
    server
        .submit(vec![set(second.as_bytes(), first.as_bytes(), FAR), srem(b"k", &[second.as_bytes()])])
        .await;
    let before = contents_of(&server);

    let reader = Connection::open(&path).unwrap();
    let list = |sql: &str| list(&reader, sql);
    assert_eq!(
        list("SELECT effect || quote(coalesce(key, value)) FROM journal WHERE effect > 20 ORDER BY sequence"),
        [
            "21X'0123456789ABCDEFFEDCBA9876543210'",
            "21X'0123456789ABCDEFFEDCBA9876543211'",
            "23X'0123456789ABCDEFFEDCBA9876543210'",
            "27X'0123456789ABCDEFFEDCBA9876543211'",
            "22X'0123456789ABCDEFFEDCBA9876543211'",
        ]
    );
    let in_k = "SELECT quote(member) || coalesce(expires, '') FROM revocations WHERE key = 'k' ORDER BY 1";
    assert_eq!(
        list(in_k),
        [
            format!("'{shouted}'"),
            format!("'{first}'"),
            "X'0123456789ABCDEFFEDCBA9876543210'2096-10-02 07:06:40.000".to_owned(),
        ]
    );
    assert_eq!(list(&format!("SELECT key FROM revocations WHERE member = '{first}'")), ["k"]);
    assert_eq!(
        list("SELECT key || ' ' || coalesce(value, 'set') FROM keys WHERE key <> 'k' ORDER BY 1"),
        [format!("{first} set"), format!("{second} {first}")]
    );
    assert_eq!(
        list(&format!("SELECT change || ' ' || key FROM history WHERE '{second}' IN (key, member)")),
        ["member set k".to_owned(), format!("string set {second}"), "member removed k".to_owned()]
    );
    assert_eq!(list("SELECT key FROM history WHERE member = 'm'"), [&*first]);
    server.stop().await;

    let server = Server::at(&path).await;
    assert_eq!(contents_of(&server), before);
    server.stop().await;
}

/// Everything that a server holds.
/// The first column of what this SQL selects.
fn list(reader: &Connection, sql: &str) -> Vec<String> {
    let mut statement = reader.prepare(sql).unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

fn contents_of(server: &Server) -> Vec<String> {
    let keyspace = server.store.read();
    let view = View::committed(&keyspace, now_ms());
    let show = |bytes: &[u8]| bytes.escape_ascii().to_string();
    let mut all = Vec::new();
    for database in 0..crate::limits::DATABASES {
        for name in view.keys(database).map(|name| name.text()) {
            let found = view.key(database, &name).unwrap();
            let value = match found.value {
                ValueView::String(string) => show(string),
                ValueView::Set(set) => {
                    let members = set.members();
                    let members =
                        members.map(|(name, expiry)| format!("{}~{:?}", show(&name.text()), expiry.ms()));
                    let mut members: Vec<_> = members.collect();
                    members.sort();
                    members.join(",")
                }
            };
            all.push(format!("{database} {} {value} {:?}", show(&name), found.expiry.ms()));
        }
    }
    all.sort();
    all
}

fn put(key: &[u8], member: &[u8], expiry: Expiry) -> Item {
    let condition = crate::op::MemberCondition::Any;
    write(0, Change::Saddex { key: shared(key), members: vec![shared(member)], expiry, condition })
}

fn set(key: &[u8], value: &[u8], expiry: Expiry) -> Item {
    let (key, value, expiry) = (shared(key), shared(value), Some(expiry));
    write(0, Change::Set { key, value, expiry, condition: None, answer: crate::op::SetAnswer::Ok })
}

fn rename(key: &[u8], new_key: &[u8]) -> Item {
    write(0, Change::Rename { key: shared(key), new_key: shared(new_key), if_missing: false })
}

/// An end that no test lives to see.
const FAR: Expiry = Expiry::at_ms(4_000_000_000_000);

/// A bit of everything that leaves its mark in the file.
fn everything() -> Vec<Item> {
    let expire = |key, expiry| {
        let condition = crate::op::ExpireConditions::default();
        write(0, Change::Expire { key: shared(key), expiry, condition })
    };
    vec![
        sadd(b"a", &[b"1", b"2"]),
        put(b"a", b"2", FAR),
        put(b"a", b"3", FAR),
        srem(b"a", &[b"1"]),
        rename(b"a", b"b"),
        put(b"b", b"4", FAR),
        set(b"s", b"text", Expiry::NEVER),
        expire(b"s", FAR),
        set(b"bytes\xff", b"\x00\xff", FAR),
        expire(b"b", FAR),
        write(0, Change::Move { key: shared(b"b"), to: 3 }),
        rename(b"bytes\xff", b"c"),
        sadd(b"taken", &[b"1"]),
        sadd(b"over", &[b"gone"]),
        rename(b"taken", b"over"),
        sadd(b"string over set", &[b"gone"]),
        set(b"string over set", b"here", Expiry::NEVER),
        write(0, Change::Swapdb { first: 0, second: 5 }),
        sadd(b"in the other's space", &[b"1"]),
        write(5, Change::Sadd { key: shared(b"over"), members: vec![shared(b"2")] }),
        write(5, Change::Swapdb { first: 5, second: 3 }),
        write(3, Change::Persist { key: shared(b"s") }),
    ]
}

#[tokio::test]
async fn every_effect_is_there_after_a_restart() {
    let (_folder, path) = folder();
    let server = Server::at(&path).await;
    for item in everything() {
        let replies = server.submit(vec![item]).await;
        assert!(!matches!(replies[0], Reply::Error(_)), "{replies:?}");
    }
    let before = contents_of(&server);
    let far = FAR.ms();
    let expected = [
        "0 in the other\\'s space 1~None None".to_owned(),
        "3 c \\x00\\xff ".to_owned() + &format!("{far:?}"),
        "3 over 1~None,2~None None".to_owned(),
        "3 s text None".to_owned(),
        "3 string over set here None".to_owned(),
        format!("5 b 2~{far:?},3~{far:?},4~{far:?} {far:?}"),
    ];
    assert_eq!(before, expected);
    server.stop().await;
    let server = Server::at(&path).await;
    assert_eq!(contents_of(&server), before);
    // The spaces that SWAPDB exchanged are still told apart.
    server.submit(vec![sadd(b"more", &[b"1"]), write(3, Change::Flushdb)]).await;
    server.stop().await;
    let server = Server::at(&path).await;
    let left = contents_of(&server);
    assert_eq!(left, [&expected[0], "0 more 1~None None", &expected[5]]);
    server.stop().await;
}

/// Rows are inserted many at once, as far as they are alike.
#[tokio::test]
async fn any_number_of_rows_of_any_kinds_in_one_commit_is_there_after_a_restart() {
    let (_folder, path) = folder();
    let server = Server::at(&path).await;
    for count in 1..140_usize {
        let item = |number: usize| {
            let name = format!("{count}-{number}");
            let name = name.as_bytes();
            let uuid = format!("00000000-0000-4000-8000-{:012x}", count * 1_000 + number);
            match number / (1 + number % 5) % 5 {
                0 => sadd(b"a", &[name]),
                1 => sadd(b"a", &[uuid.as_bytes()]),
                2 => put(b"b", name, FAR),
                3 => set(name, b"", FAR),
                _ => set(uuid.as_bytes(), b"\xff", Expiry::NEVER),
            }
        };
        server.submit((0..count).map(item).collect()).await;
        let members = (0..count).map(|number| shared(format!("{count} {number}").as_bytes())).collect();
        server.submit(vec![write(1, Change::Sadd { key: shared(b"c"), members })]).await;
    }
    let before = contents_of(&server);
    server.stop().await;
    let server = Server::at(&path).await;
    assert_eq!(contents_of(&server), before);
    server.stop().await;
}

#[tokio::test]
async fn the_views_follow_renames_swaps_and_ends() {
    let (_folder, path) = folder();
    let server = Server::at(&path).await;
    server.submit(everything()).await;
    let reader = Connection::open(&path).unwrap();
    let list = |sql: &str| list(&reader, sql);
    assert_eq!(
        list("SELECT format('%d %s %s %s', database, key, member, expires) FROM revocations ORDER BY 1"),
        [
            "0 in the other's space 1 ",
            "3 over 1 ",
            "3 over 2 ",
            "5 b 2 2096-10-02 07:06:40.000",
            "5 b 3 2096-10-02 07:06:40.000",
            "5 b 4 2096-10-02 07:06:40.000"
        ]
    );
    assert_eq!(
        list(
            "SELECT format('%d %s %s %s %s', database, key, type, quote(value), expires) FROM keys ORDER BY 1"
        ),
        [
            "0 in the other's space set NULL ",
            "3 c string X'00FF' 2096-10-02 07:06:40.000",
            "3 over set NULL ",
            "3 s string 'text' ",
            "3 string over set string 'here' ",
            "5 b set NULL 2096-10-02 07:06:40.000"
        ]
    );
    assert_eq!(
        list("SELECT change || ' ' || coalesce(expires, 'never') FROM history WHERE key = 's'"),
        ["string set never", "key expires 2096-10-02 07:06:40.000", "key expires never"]
    );
    server
        .submit(vec![
            write(7, Change::Sadd { key: shared(b"before"), members: vec![shared(b"1")] }),
            write(7, Change::Swapdb { first: 7, second: 8 }),
            write(7, Change::Sadd { key: shared(b"after"), members: vec![shared(b"2")] }),
        ])
        .await;
    assert_eq!(
        list(
            "SELECT format('%d %s %s', database, change, coalesce(key, '')) FROM history ORDER BY sequence DESC LIMIT 6"
        ),
        [
            "7 member set after",
            "7 set at key after",
            "8 database swapped ",
            "7 database swapped ",
            "7 member set before",
            "7 set at key before"
        ]
    );
    server.stop().await;
}

#[tokio::test]
async fn an_end_beyond_all_dates_is_not_taken_for_none() {
    let (_folder, path) = folder();
    let server = Server::at(&path).await;
    server.submit(vec![put(b"k", b"m", Expiry::at_ms(i64::MAX))]).await;
    let reader = Connection::open(&path).unwrap();
    let expires = |sql: &str| reader.query_row(sql, [], |row| row.get::<_, Option<String>>(0)).unwrap();
    assert_eq!(expires("SELECT expires FROM revocations").as_deref(), Some("9999-12-31 23:59:59.999"));
    server.stop().await;
}

#[tokio::test]
async fn what_has_ended_is_gone_from_the_views_too() {
    let (_folder, path) = folder();
    let server = Server::at(&path).await;
    let soon = Expiry::at_ms(now_ms() + 300);
    let items = vec![put(b"k", b"short", soon), sadd(b"k", &[b"long"]), set(b"s", b"", soon)];
    server.submit(items).await;
    while !soon.is_due(now_ms()) {
        tokio::task::yield_now().await;
    }
    assert_eq!(contents_of(&server), ["0 k long~None None"]);
    let reader = Connection::open(&path).unwrap();
    let count = |sql: &str| reader.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(count("SELECT count(*) FROM revocations"), 1);
    assert_eq!(count("SELECT count(*) FROM keys"), 1);
    server.stop().await;
    let server = Server::at(&path).await;
    assert_eq!(contents_of(&server), ["0 k long~None None"]);
    server.stop().await;
}

#[tokio::test]
async fn what_ends_is_swept_though_nobody_touches_it() {
    let (_folder, path) = folder();
    let server = Server::at(&path).await;
    let soon = Expiry::at_ms(now_ms() + 300);
    server.submit((0..100).map(|i| set(format!("k{i}").as_bytes(), b"", soon)).collect()).await;
    server.submit((0..100).map(|i| put(b"set", format!("m{i}").as_bytes(), soon)).collect()).await;
    while server.stats.expired_keys.get() < 101 {
        tokio::task::yield_now().await;
    }
    assert_eq!(server.store.read().len_at(0, 0), 0, "even at a time when they had not ended");
    server.stop().await;
}

#[tokio::test]
async fn what_ended_while_nobody_ran_is_not_in_memory_after_the_start() {
    let (_folder, path) = folder();
    let server = Server::at(&path).await;
    let soon = Expiry::at_ms(now_ms() + 1_000);
    server.submit((0..1_000).map(|i| put(b"set", format!("m{i}").as_bytes(), soon)).collect()).await;
    assert!(server.store.read().len_at(0, 0) == 1, "it has not ended before it was stored");
    server.stop().await;
    while !soon.is_due(now_ms()) {
        tokio::task::yield_now().await;
    }
    let server = Server::at(&path).await;
    assert_eq!(server.store.read().len_at(0, 0), 0, "even at a time when it had not ended");
    server.stop().await;
}

#[tokio::test]
async fn time_does_not_run_back_over_a_restart() {
    let (_folder, path) = folder();
    let server = Server::at(&path).await;
    server.submit(vec![sadd(b"k", &[b"1"])]).await;
    let time_ms = server.store.read().time_ms();
    server.stop().await;
    let server = Server::at(&path).await;
    // An orderly end has a time of its own.
    assert!(server.store.read().time_ms() >= time_ms);
    server.stop().await;
}

#[tokio::test]
async fn what_had_ended_when_the_clock_was_set_back_is_swept() {
    let (_folder, path) = folder();
    let server = Server::at(&path).await;
    let half_an_hour = Expiry::at_ms(now_ms() + 30 * 60 * 1_000);
    server.submit(vec![put(b"set", b"1", half_an_hour), sadd(b"k", &[b"1"])]).await;
    server.stop().await;
    // As if the end had come an hour from now.
    let journal = Connection::open(&path).unwrap();
    let last: i64 = journal.query_row("SELECT max(sequence) FROM journal", [], |row| row.get(0)).unwrap();
    journal.execute("UPDATE journal SET time_ms = time_ms + 3600000 WHERE sequence = ?1", [last]).unwrap();
    drop(journal);
    let server = Server::at(&path).await;
    let started = std::time::Instant::now();
    while server.stats.expired_keys.get() < 1 {
        assert!(started.elapsed().as_secs() < 20, "it stays, though nobody sees it any more");
        tokio::task::yield_now().await;
    }
    assert_eq!(server.store.read().len_at(0, 0), 1);
    server.stop().await;
}

#[tokio::test]
async fn what_can_not_be_written_has_not_happened() {
    let (_folder, path) = folder();
    let opened = open(&path).unwrap();
    opened.file.fill_disk(true);
    let server = start(opened).await.unwrap();
    let long = vec![b'x'; 100_000];
    server.submit(vec![sadd(b"k", &[b"small"])]).await;
    let replies = server.submit(vec![sadd(b"k", &[b"1"]), sadd(b"k", &[&long]), scard(b"k")]).await;
    let [Reply::Error(Error::Misconf(why)), Reply::Error(Error::Misconf(_)), Reply::Integer(1)] =
        &replies[..]
    else {
        panic!("{replies:?}");
    };
    assert!(why.contains("full") && why.contains("Nothing was changed"), "{why}");
    assert_eq!(server.members(b"k"), [b"small"]);
    assert!(server.stats.journal.problem().is_some());
    // What still fits is taken again.
    assert_eq!(server.submit(vec![sadd(b"k", &[b"2"])]).await, [Reply::Integer(1)]);
    assert_eq!(server.stats.journal.problem(), None);
    server.stop().await;
    let server = Server::at(&path).await;
    assert_eq!(server.members(b"k"), [&b"2"[..], b"small"]);
    server.stop().await;
}

#[tokio::test]
async fn a_closed_journal_takes_nothing_and_answers_what_it_took() {
    let (_folder, path) = folder();
    let server = Server::at(&path).await;
    let journal = server.journal.clone();
    let taken = tokio::spawn(async move { journal.submit(vec![sadd(b"k", &[b"1"])]).await });
    // On this one thread, it is submitted now.
    tokio::task::yield_now().await;
    server.journal.close();
    assert_eq!(server.journal.submit(vec![sadd(b"k", &[b"2"])]).await, Err(Closed));
    assert_eq!(taken.await.unwrap(), Ok(vec![Reply::Integer(1)]));
    server.finish.done().await;
    let server = Server::at(&path).await;
    assert_eq!(server.members(b"k"), [b"1"]);
    server.stop().await;
}

#[tokio::test]
async fn each_policy_writes_what_a_restart_reads() {
    for policy in [SyncPolicy::Always, SyncPolicy::EverySecond, SyncPolicy::Never] {
        let (_folder, path) = folder();
        let server = start(Opened::open(&path, policy).unwrap()).await.unwrap();
        server.submit(vec![sadd(b"k", &[b"1"])]).await;
        server.stop().await;
        let server = Server::at(&path).await;
        assert_eq!(server.members(b"k"), [b"1"], "{policy:?}");
        server.stop().await;
    }
}

#[tokio::test]
async fn a_checkpoint_empties_the_log() {
    let (_folder, path) = folder();
    let server = Server::at(&path).await;
    server.submit(vec![sadd(b"k", &[b"1"])]).await;
    assert!(fs::metadata(path.with_extension("db-wal")).unwrap().len() > 0);
    server.journal.checkpoint().await.unwrap();
    assert_eq!(fs::metadata(path.with_extension("db-wal")).unwrap().len(), 0);
    server.stop().await;
    assert!(!path.with_extension("db-wal").exists(), "closing takes the log along");
}

#[tokio::test]
async fn a_checkpoint_waits_for_no_reader() {
    let (_folder, path) = folder();
    let server = Server::at(&path).await;
    server.submit(vec![sadd(b"k", &[b"1"])]).await;
    let reader = Connection::open(&path).unwrap();
    reader.execute_batch("BEGIN; SELECT * FROM journal").unwrap();
    server.submit(vec![sadd(b"k", &[b"2"])]).await;
    let started = std::time::Instant::now();
    assert!(server.journal.checkpoint().await.unwrap_err().contains("another program is reading"));
    assert!(started.elapsed() < std::time::Duration::from_secs(5), "SQLite's own patience");
    reader.execute_batch("COMMIT").unwrap();
    server.journal.checkpoint().await.unwrap();
    server.stop().await;
}

#[tokio::test]
async fn a_copy_without_a_log_is_taken() {
    let (folder, path) = filled().await;
    let copy = folder.path().join("copy.db");
    let vacuum = format!("VACUUM INTO '{}'", copy.display());
    Connection::open(&path).unwrap().execute_batch(&vacuum).unwrap();
    let server = Server::at(&copy).await;
    assert_eq!(server.members(b"k").len(), 200);
    server.stop().await;
}

#[tokio::test]
async fn a_link_to_nowhere_is_refused_and_left_as_it_is() {
    let (_folder, path) = folder();
    std::os::unix::fs::symlink("/nowhere/revoked.db", &path).unwrap();
    let error = open(&path).unwrap_err();
    assert!(matches!(&error, OpenError::Io { what, .. } if what.contains("link")), "{error}");
    assert!(fs::symlink_metadata(&path).unwrap().is_symlink());
}

#[tokio::test]
async fn a_second_daemon_is_refused() {
    let (_folder, path) = folder();
    let server = Server::at(&path).await;
    let error = open(&path).unwrap_err();
    assert_eq!(
        error,
        OpenError::Held { path: fs::canonicalize(&path).unwrap(), holder: Some(std::process::id()) }
    );
    let link = path.with_file_name("link.db");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    assert!(matches!(open(&link), Err(OpenError::Held { .. })), "by another name");
    server.stop().await;
    Server::at(&link).await.stop().await;
}

/// A file with some rows, and nothing left in its log.
async fn filled() -> (TempDir, PathBuf) {
    let (folder, path) = folder();
    let server = Server::at(&path).await;
    for i in 0..200 {
        let member = format!("member {i} {}", "-".repeat(100));
        server.submit(vec![sadd(b"k", &[member.as_bytes()])]).await;
    }
    server.stop().await;
    (folder, path)
}

#[tokio::test]
async fn a_foreign_file_is_refused_and_left_as_it_is() {
    let (folder, path) = folder();
    fs::write(&path, "not a database, but somebody's notes").unwrap();
    let before = contents(&folder);
    assert!(matches!(open(&path), Err(OpenError::Foreign { .. })));
    assert_eq!(contents(&folder), before);

    fs::remove_file(&path).unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("CREATE TABLE t (a); INSERT INTO t VALUES (1)").unwrap();
    drop(other);
    let before = contents(&folder);
    assert!(matches!(open(&path), Err(OpenError::Foreign { .. })));
    assert_eq!(contents(&folder), before);
}

/// Why a file whose bytes were changed so is refused, at the start and by `verify`, and left as it is.
async fn refused_with(change: impl FnOnce(&mut [u8])) -> OpenError {
    let (folder, path) = filled().await;
    let mut bytes = fs::read(&path).unwrap();
    change(&mut bytes);
    fs::write(&path, bytes).unwrap();
    let before = contents(&folder);
    let error = open(&path).unwrap_err();
    assert_eq!(verify(&path, &Progress::default()).unwrap_err(), error);
    assert_eq!(contents(&folder), before);
    error
}

#[tokio::test]
async fn a_file_that_may_not_be_written_to_is_refused_and_not_called_sound() {
    assert!(matches!(refused_with(|bytes| bytes[18] = 3).await, OpenError::Foreign { .. }));
}

#[tokio::test]
async fn a_file_without_a_format_version_is_refused_and_not_called_sound() {
    assert!(matches!(refused_with(|bytes| bytes[60..64].fill(0)).await, OpenError::Damaged { .. }));
}

#[tokio::test]
async fn a_newer_file_is_refused_and_left_as_it_is() {
    let (folder, path) = filled().await;
    let newer = Connection::open(&path).unwrap();
    newer.execute_batch("PRAGMA user_version = 99").unwrap();
    // Once as it stands in the log alone, once as it stands in the file.
    let error = open(&path).unwrap_err();
    assert!(matches!(error, OpenError::Newer { version: 99, .. }), "{error}");
    drop(newer);
    let before = contents(&folder);
    assert!(matches!(open(&path), Err(OpenError::Newer { version: 99, known: 1, .. })));
    assert_eq!(contents(&folder), before);
}

#[tokio::test]
async fn a_log_without_its_file_is_refused() {
    let (folder, path) = filled().await;
    fs::rename(&path, folder.path().join("elsewhere")).unwrap();
    fs::write(path.with_extension("db-wal"), b"something").unwrap();
    let before = contents(&folder);
    assert!(matches!(open(&path), Err(OpenError::Missing { .. })));
    assert_eq!(contents(&folder), before);
}

#[tokio::test]
async fn damage_is_refused_and_left_as_it_is() {
    type Damage = fn(&Path);
    type Named = (&'static str, Box<dyn Fn(&Path)>);
    let overwrite: Damage = |path| {
        let file = OpenOptions::new().write(true).open(path).unwrap();
        // Behind the first pages, which hold the schema: into the middle of the rows.
        let middle = file.metadata().unwrap().len() / 4096 / 2 * 4096;
        file.write_all_at(&[0x5a; 4096], middle).unwrap();
    };
    let cut: Damage = |path| {
        let file = OpenOptions::new().write(true).open(path).unwrap();
        file.set_len(file.metadata().unwrap().len() / 2).unwrap();
    };
    let sql: fn(&Path, &str) = |path, sql| Connection::open(path).unwrap().execute_batch(sql).unwrap();
    let damages: [Named; 14] = [
        ("overwritten page", Box::new(overwrite)),
        ("cut file", Box::new(cut)),
        (
            "another member",
            Box::new(move |path| sql(path, "UPDATE journal SET value = 'other' WHERE sequence = 100")),
        ),
        ("lost head", Box::new(move |path| sql(path, "DELETE FROM journal WHERE sequence < 3"))),
        ("lost row", Box::new(move |path| sql(path, "DELETE FROM journal WHERE sequence = 100"))),
        (
            "unknown effect",
            Box::new(move |path| sql(path, "UPDATE journal SET effect = 77 WHERE sequence = 100")),
        ),
        (
            "no UUID",
            Box::new(move |path| sql(path, "UPDATE journal SET effect = effect + 20 WHERE sequence = 100")),
        ),
        ("no member", Box::new(move |path| sql(path, "UPDATE journal SET value = NULL WHERE effect = 1"))),
        (
            "no such set",
            Box::new(move |path| {
                let of_a_member = "(SELECT max(sequence) FROM journal WHERE effect = 1)";
                sql(path, &format!("UPDATE journal SET container = 9 WHERE sequence = {of_a_member}"));
            }),
        ),
        ("no such space", Box::new(move |path| sql(path, "UPDATE journal SET space = 99 WHERE effect = 1"))),
        ("no table", Box::new(move |path| sql(path, "DROP TABLE journal"))),
        (
            "lost row in a copy without a log",
            Box::new(move |path| {
                sql(path, "DELETE FROM journal WHERE sequence = 100; PRAGMA journal_mode = DELETE");
            }),
        ),
        ("container below zero", Box::new(move |path| sql(path, "UPDATE journal SET container = -1"))),
        (
            "last place there is",
            Box::new(move |path| {
                sql(path, "UPDATE journal SET sequence = 9223372036854775807 WHERE sequence = 1");
            }),
        ),
    ];
    for (name, damage) in damages {
        let (folder, path) = filled().await;
        damage(&path);
        let before = contents(&folder);
        let error = match open(&path) {
            Ok(opened) => start(opened).await.err(),
            Err(error) => Some(error),
        };
        assert!(matches!(error, Some(OpenError::Damaged { .. })), "{name}: {error:?}");
        assert_eq!(contents(&folder), before, "{name}");
    }
}

#[tokio::test]
async fn a_crash_leaves_what_was_committed() {
    let (folder, path) = folder();
    let server = Server::at(&path).await;
    server.submit(vec![sadd(b"k", &[b"1", b"2"])]).await;
    server.submit(vec![srem(b"k", &[b"1"])]).await;
    // What a crash leaves: the file and its log, as they are at this moment.
    let crashed = tempfile::tempdir().unwrap();
    for (from, bytes) in contents(&folder) {
        if !from.to_string_lossy().ends_with("-shm") {
            fs::write(crashed.path().join(from.file_name().unwrap()), bytes).unwrap();
        }
    }
    server.stop().await;
    let server = Server::at(&crashed.path().join("revoked.db")).await;
    assert_eq!(server.members(b"k"), [b"2"]);
    server.stop().await;
}

fn transaction(items: Vec<Item>, watched: Option<Watched>) -> Item {
    Item::Transaction { items, watched }
}

#[tokio::test]
async fn a_transaction_is_answered_as_one_and_is_there_after_a_restart() {
    let (_folder, path) = folder();
    let server = Server::at(&path).await;
    let items = vec![sadd(b"k", &[b"1"]), scard(b"k"), sadd(b"l", &[b"2"])];
    let replies = server.submit(vec![transaction(items, None)]).await;
    assert_eq!(replies, [Reply::Array(vec![Reply::Integer(1); 3])]);
    server.stop().await;
    let server = Server::at(&path).await;
    assert_eq!((server.members(b"k").len(), server.members(b"l").len()), (1, 1));
    server.stop().await;
}

#[tokio::test]
async fn a_transaction_that_can_not_be_written_has_not_happened() {
    let (_folder, path) = folder();
    let opened = open(&path).unwrap();
    opened.file.fill_disk(true);
    let server = start(opened).await.unwrap();
    let long = vec![b'x'; 100_000];
    let items = vec![sadd(b"k", &[b"1"]), sadd(b"k", &[&long])];
    let replies = server.submit(vec![transaction(items, None)]).await;
    let [Reply::Error(error)] = &replies[..] else { panic!("{replies:?}") };
    assert!(
        error.to_string().starts_with("MISCONF ") && error.to_string().contains("Nothing was"),
        "{error}"
    );
    assert!(server.members(b"k").is_empty());
    server.stop().await;
}

#[tokio::test]
async fn a_transaction_is_void_if_the_same_commit_has_changed_what_it_watches() {
    let (_folder, path) = folder();
    let server = Server::at(&path).await;
    let watching = |keys: &[&[u8]]| {
        let mut watched = server.journal.watched();
        assert!(keys.iter().all(|key| watched.add(0, key)));
        Some(watched)
    };
    let is_void = [Reply::Integer(1), Reply::NullArray];
    let batch = vec![sadd(b"k", &[b"1"]), transaction(vec![sadd(b"l", &[b"1"])], watching(&[b"x", b"k"]))];
    assert_eq!(server.submit(batch).await, is_void);
    let flush = write(0, Change::Flushall);
    let batch = vec![flush, transaction(vec![sadd(b"l", &[b"1"])], watching(&[b"k"]))];
    assert_eq!(server.submit(batch).await, [Reply::OK, Reply::NullArray]);
    let swapped_in = vec![
        write(1, Change::Sadd { key: shared(b"s"), members: vec![shared(b"1")] }),
        write(0, Change::Swapdb { first: 0, second: 1 }),
        transaction(vec![sadd(b"l", &[b"1"])], watching(&[b"s"])),
    ];
    assert_eq!(server.submit(swapped_in).await, [Reply::Integer(1), Reply::OK, Reply::NullArray]);
    let batch = vec![sadd(b"m", &[b"1"]), transaction(vec![sadd(b"l", &[b"1"])], watching(&[b"k"]))];
    assert_eq!(server.submit(batch).await, [Reply::Integer(1), Reply::Array(vec![Reply::Integer(1)])]);
    server.stop().await;
}

#[tokio::test]
async fn a_batch_that_changes_much_takes_several_commits() {
    let (_folder, path) = folder();
    let server = Server::at(&path).await;
    let offset = crate::limits::COMMIT_BYTES / 2;
    let long = |key| write(0, Change::Setrange { key: shared(key), offset, value: shared(b"x") });
    let replies = server.submit(vec![long(b"1"), long(b"2"), long(b"3"), sadd(b"k", &[b"1"])]).await;
    let length = Reply::count(offset + 1);
    assert_eq!(replies, [length.clone(), length.clone(), length, Reply::Integer(1)]);
    assert_eq!(server.stats.journal.commits.get(), 2);
    server.stop().await;
}

#[tokio::test]
async fn the_policy_is_switched_under_way() {
    let (_folder, path) = folder();
    let opened = open(&path).unwrap();
    let switch = opened.policy_switch();
    let server = start(opened).await.unwrap();
    for policy in [SyncPolicy::Always, SyncPolicy::EverySecond, SyncPolicy::Never, SyncPolicy::EverySecond] {
        switch.set(policy);
        assert_eq!(server.submit(vec![sadd(b"k", &[format!("{policy:?}").as_bytes()])]).await.len(), 1);
        assert_eq!(server.journal.sync().await, Ok(()));
    }
    assert_eq!(server.members(b"k").len(), 3);
    server.stop().await;
    switch.set(SyncPolicy::Always);
}

fn get(key: &[u8]) -> Item {
    let read = |view: &View<'_>, database: u8, request: Request<'_>| {
        Ok(view.string(database, request.arg(1))?.map_or(Reply::Null, Reply::bulk))
    };
    Item::Read(Query { read, database: 0, request: OwnedRequest::from_args(&[b"GET", key]) })
}

#[tokio::test]
async fn a_batch_is_answered_in_parts_where_its_replies_are_long() {
    let (_folder, path) = folder();
    let server = Server::at(&path).await;
    let value = Bytes::from(vec![b'v'; crate::limits::BATCH_REPLY_BYTES / 2]);
    let set = Change::Set {
        key: shared(b"s"),
        value: value.clone(),
        expiry: None,
        condition: None,
        answer: crate::op::SetAnswer::Ok,
    };
    let items = vec![write(0, set), get(b"s"), get(b"s"), sadd(b"k", &[b"a"]), get(b"s")];
    assert_eq!(
        server.submit(items).await,
        [Reply::OK, Reply::Bulk(value.clone()), Reply::Bulk(value.clone())]
    );
    assert!(server.members(b"k").is_empty(), "what is not answered was not done");
    let (one, other) = (
        server.journal.submit(vec![sadd(b"k", &[b"a"]), get(b"s"), get(b"s"), get(b"s")]),
        server.journal.submit(vec![sadd(b"k", &[b"b"]), scard(b"k")]),
    );
    let (one, other) = tokio::join!(one, other);
    assert_eq!(one.unwrap(), [Reply::Integer(1), Reply::Bulk(value.clone()), Reply::Bulk(value)]);
    assert_eq!(other.unwrap(), [Reply::Integer(1), Reply::Integer(2)], "another is not concerned");
    server.stop().await;
}
