//! `revoked verify FILE`.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use std::fs;
use std::path::Path;
use std::process::Output;

use support::process::{Home, program};

const DATA: i32 = 65;
const IO: i32 = 74;
const IN_USE: i32 = 75;

/// An installation with a few keys, and a daemon that ran there and was stopped, or killed.
fn used(in_order: bool) -> Home {
    let home = Home::new();
    let daemon = home.start();
    let client = daemon.connect();
    client.ask(&["SADD", "revoked", "a", "b", "c"]);
    client.ask(&["SADDEX", "revoked", "1000", "d"]);
    client.ask(&["SET", "session", "1", "EX", "1000"]);
    client.ask(&["SREM", "revoked", "a"]);
    if in_order {
        daemon.stop();
    } else {
        daemon.kill();
    }
    home
}

fn verify(file: &Path) -> Output {
    program().arg("verify").arg(file).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn names(home: &Home) -> Vec<String> {
    let folder = fs::read_dir(home.data_file().parent().unwrap()).unwrap();
    let mut names: Vec<_> = folder.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Flips a bit of a file.
fn flip(file: &Path, byte: usize) {
    let mut bytes = fs::read(file).unwrap();
    bytes[byte] ^= 1;
    fs::write(file, bytes).unwrap();
}

#[test]
fn a_sound_file_is_described() {
    let home = used(true);
    let (before, names_before) = (home.contents(), names(&home));
    let output = verify(&home.data_file());
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    for line in [
        "keys        2",
        "members     3",
        "with an end 2 keys and members",
        "log         0 frames, 0 transactions",
    ] {
        assert!(said.lines().any(|said| said == line), "{line}: {said}");
    }
    assert!(said.contains("is sound"), "{said}");
    assert_eq!(home.contents(), before);
    assert_eq!(names(&home), names_before, "nothing is made beside it");
}

#[test]
fn a_file_behind_a_crash_is_checked_with_its_log_and_left_as_it_is() {
    let home = used(false);
    let before = [home.data_file(), home.write_ahead_log()].map(|path| fs::read(path).unwrap());
    let output = verify(&home.data_file());
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(said.lines().any(|line| line == "members     3"), "{said}");
    assert!(!said.contains(" 0 frames"), "{said}");
    assert_eq!([home.data_file(), home.write_ahead_log()].map(|path| fs::read(path).unwrap()), before);
    home.start().stop();
}

#[test]
fn a_copy_without_anything_beside_it_is_checked() {
    let home = used(true);
    let copy = home.path("a copy? #1%.db");
    fs::copy(home.data_file(), &copy).unwrap();
    assert_eq!(verify(&copy).status.code(), Some(0));
    assert!(!names(&home).iter().any(|name| name.starts_with("a copy? #1%.db-")), "{:?}", names(&home));
}

#[test]
fn a_file_in_use_is_refused_with_the_holders_process() {
    let home = Home::new();
    let daemon = home.start();
    let output = verify(&home.data_file());
    assert_eq!(output.status.code(), Some(IN_USE));
    assert!(
        text(&output.stderr).contains(&format!("(process {})", daemon.pid())),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn a_damaged_row_is_found() {
    let home = used(true);
    let bytes = fs::read(home.data_file()).unwrap();
    let at = bytes.windows(7).rposition(|window| window == b"session").unwrap();
    flip(&home.data_file(), at);
    let output = verify(&home.data_file());
    assert_eq!(output.status.code(), Some(DATA));
    assert!(text(&output.stderr).contains("is not what was written there"), "{}", text(&output.stderr));
}

#[test]
fn what_a_replay_does_not_look_at_is_checked_too() {
    let home = used(true);
    // The number of free pages, which there are none of.
    flip(&home.data_file(), 39);
    assert_eq!(verify(&home.data_file()).status.code(), Some(DATA));
}

#[test]
fn a_damaged_log_is_found() {
    let home = used(false);
    flip(&home.write_ahead_log(), 32 + 24 + 100);
    let output = verify(&home.data_file());
    assert_eq!(output.status.code(), Some(DATA));
    assert!(text(&output.stderr).contains("frame 1 of"), "{}", text(&output.stderr));
    let refused = home.run(&[]);
    assert_eq!(refused.status.code(), Some(DATA), "{}", text(&refused.stderr));
}

#[test]
fn what_is_not_there_or_no_data_file_is_refused() {
    let home = Home::new();
    assert_eq!(verify(&home.data_file()).status.code(), Some(IO));
    let other = home.path("other.db");
    fs::write(&other, "what else").unwrap();
    assert_eq!(verify(&other).status.code(), Some(DATA));
    assert_eq!(names(&home), ["other.db"], "nothing is made");
}

#[test]
fn help_says_what_it_does() {
    let output = program().args(["verify", "--help"]).output().unwrap();
    assert!(text(&output.stdout).contains("75 in use"), "{}", text(&output.stdout));
    assert!(text(&program().arg("--help").output().unwrap().stdout).contains("verify"));
}
