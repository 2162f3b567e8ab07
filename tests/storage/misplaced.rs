//! Files that are moved, replaced, cut or written to under the daemon, by an operator's mistake or another program's.
//!
//! A file system that becomes read-only is among the failing calls (`EROFS`): no system lets a test make it so while
//! files are open for writing.

use std::fs;
use std::path::PathBuf;

use rusqlite::Connection;

use crate::replay::replay;
use crate::support::process::{Client, Daemon, Frame, Home, error, integer, simple};

/// A daemon that has acknowledged a member.
fn started() -> (Home, Daemon, Client) {
    let home = Home::new();
    let daemon = home.start();
    let client = daemon.connect();
    assert_eq!(client.ask(&["SADD", "k", "before"]), integer(1));
    (home, daemon, client)
}

/// A write is refused, with these words in the reply, in INFO and in the log; reads go on.
fn assert_refused(daemon: &Daemon, client: &Client, words: &str) {
    let reply = client.ask(&["SADD", "k", "refused"]);
    let why = error(&reply);
    assert!(
        why.starts_with("MISCONF ") && why.contains(words) && why.contains("Nothing was changed"),
        "{why}"
    );
    let Frame::BulkString(info) = client.ask(&["INFO", "persistence"]) else { panic!("no text") };
    assert!(String::from_utf8(info.to_vec()).unwrap().contains(words), "{info:?}");
    daemon.wait_for_log(words);
    assert_eq!(
        client.ask(&["SMISMEMBER", "k", "before", "refused"]),
        Frame::Array(vec![integer(1), integer(0)])
    );
}

const LATCHED: &str = "Writes are refused until the server is restarted";

/// Writes are taken again, and a restart finds them and what was before.
fn assert_resumed(home: &Home, daemon: Daemon, client: &Client) {
    assert_eq!(client.ask(&["SADD", "k", "after"]), integer(1));
    daemon.wait_for_log("writes are taken again");
    daemon.kill();
    assert_eq!(home.start().connect().members("k"), [&b"after"[..], b"before"]);
}

/// The daemon ends in order, and the files are as they were before.
fn assert_untouched_by_the_end(home: &Home, daemon: Daemon) {
    let before = home.contents();
    daemon.stop();
    let kept = |(path, _): &&(PathBuf, Vec<u8>)| !path.to_string_lossy().ends_with("-shm");
    let after = home.contents();
    for file in before.iter().filter(kept) {
        assert!(after.contains(file), "{} was changed", file.0.display());
    }
}

#[test]
fn a_data_file_that_is_moved_away_stops_writes_until_it_is_back() {
    let (home, daemon, client) = started();
    fs::rename(home.data_file(), home.path("away")).unwrap();
    assert_refused(&daemon, &client, "revoked.db was moved or removed");
    fs::rename(home.path("away"), home.data_file()).unwrap();
    assert_resumed(&home, daemon, &client);
}

#[test]
fn a_log_that_is_moved_away_stops_writes_until_it_is_back() {
    let (home, daemon, client) = started();
    fs::rename(home.write_ahead_log(), home.path("away")).unwrap();
    assert_refused(&daemon, &client, "revoked.db-wal was moved or removed");
    fs::rename(home.path("away"), home.write_ahead_log()).unwrap();
    assert_resumed(&home, daemon, &client);
}

#[test]
fn a_log_that_is_removed_is_saved_by_an_orderly_end() {
    let (home, daemon, client) = started();
    fs::remove_file(home.write_ahead_log()).unwrap();
    assert_refused(&daemon, &client, "revoked.db-wal was moved or removed");
    daemon.stop();
    assert_eq!(home.start().connect().members("k"), [b"before"]);
}

#[test]
fn a_log_that_is_removed_is_saved_by_save() {
    let (home, daemon, client) = started();
    fs::remove_file(home.write_ahead_log()).unwrap();
    assert_eq!(client.ask(&["SAVE"]), simple("OK"));
    assert_refused(&daemon, &client, "revoked.db-wal was moved or removed");
    daemon.kill();
    assert_eq!(home.start().connect().members("k"), [b"before"]);
}

#[test]
fn a_data_file_that_is_removed_can_be_copied_from_what_the_daemon_has_open() {
    let (home, daemon, client) = started();
    fs::remove_file(home.data_file()).unwrap();
    let open = fs::read_dir(format!("/proc/{}/fd", daemon.pid())).unwrap().map(|entry| entry.unwrap().path());
    let is_it = |path: &PathBuf| {
        fs::read_link(path).is_ok_and(|name| name.to_string_lossy().ends_with("revoked.db (deleted)"))
    };
    fs::copy({ open }.find(is_it).unwrap(), home.data_file()).unwrap();
    assert_refused(&daemon, &client, "revoked.db was replaced by another file");
    daemon.stop();
    assert_eq!(home.start().connect().members("k"), [b"before"]);
}

#[test]
fn a_data_file_that_is_removed_stops_writes_and_is_not_made_again() {
    let (home, daemon, client) = started();
    fs::remove_file(home.data_file()).unwrap();
    assert_refused(&daemon, &client, "revoked.db was moved or removed");
    assert_untouched_by_the_end(&home, daemon);
    assert!(!home.data_file().exists());
}

#[test]
fn a_data_file_that_is_replaced_stops_writes_until_it_is_back() {
    let (home, daemon, client) = started();
    fs::rename(home.data_file(), home.path("away")).unwrap();
    fs::copy(home.path("away"), home.data_file()).unwrap();
    assert_refused(&daemon, &client, "revoked.db was replaced by another file");
    fs::rename(home.path("away"), home.data_file()).unwrap();
    assert_resumed(&home, daemon, &client);
}

#[test]
fn a_folder_that_is_renamed_stops_writes_until_it_is_back() {
    let (home, daemon, client) = started();
    let folder = home.data_file().parent().unwrap().to_owned();
    let away = folder.with_extension("away");
    fs::rename(&folder, &away).unwrap();
    assert_refused(&daemon, &client, "revoked.db was moved or removed");
    fs::rename(&away, &folder).unwrap();
    assert_resumed(&home, daemon, &client);
}

#[test]
fn a_data_file_that_is_cut_short_takes_no_writes_any_more() {
    let (home, daemon, client) = started();
    fs::File::options().write(true).open(home.data_file()).unwrap().set_len(4096).unwrap();
    assert_refused(&daemon, &client, "revoked.db was cut short by another program");
    assert_refused(&daemon, &client, LATCHED);
    assert_untouched_by_the_end(&home, daemon);
}

#[test]
fn a_log_that_is_cut_short_takes_no_writes_any_more() {
    let (home, daemon, client) = started();
    fs::File::options().write(true).open(home.write_ahead_log()).unwrap().set_len(0).unwrap();
    assert_refused(&daemon, &client, "revoked.db-wal was cut short by another program");
    assert_refused(&daemon, &client, LATCHED);
    assert_untouched_by_the_end(&home, daemon);
}

/// As `cp backup.db revoked.db` does it: the file is the same, and what is in it is not.
#[test]
fn a_backup_that_is_copied_over_the_data_file_is_not_written_to() {
    let (home, daemon, client) = started();
    let backup = home.path("backup.db");
    let sql = format!("VACUUM INTO '{}'", backup.display());
    Connection::open(home.data_file()).unwrap().execute_batch(&sql).unwrap();
    assert_eq!(client.ask(&["SADD", "l", &"-".repeat(20_000)]), integer(1));
    fs::copy(&backup, home.data_file()).unwrap();
    assert_refused(&daemon, &client, LATCHED);
    assert_untouched_by_the_end(&home, daemon);
    // What the README says to do.
    fs::remove_file(home.write_ahead_log()).unwrap();
    fs::copy(&backup, home.data_file()).unwrap();
    assert_eq!(home.start().connect().members("k"), [b"before"]);
}

#[test]
fn another_program_that_writes_takes_writes_away_from_the_daemon() {
    let (home, daemon, client) = started();
    let other = Connection::open(home.data_file()).unwrap();
    other.execute_batch("CREATE TABLE notes (text)").unwrap();
    assert_refused(&daemon, &client, LATCHED);
}

#[test]
fn another_program_may_make_checkpoints() {
    let (home, daemon, client) = started();
    let other = Connection::open(home.data_file()).unwrap();
    for (number, mode) in ["PASSIVE", "FULL", "RESTART", "TRUNCATE", "TRUNCATE"].iter().enumerate() {
        other.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |_| Ok(())).unwrap();
        assert_eq!(client.ask(&["SADD", "l", &number.to_string()]), integer(1), "{mode}");
    }
    for _ in 0..2 {
        other.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    }
    assert_eq!(client.ask(&["SADD", "l", "last"]), integer(1));
    drop(other);
    daemon.kill();
    let store = replay(&home.data_file()).unwrap();
    assert_eq!(store.read().len_at(0, 0), 2);
}
