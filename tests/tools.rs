//! The tools: `revoked check-config`, `backup`, `restore` and the others, as programs beside the daemon.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Output, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::SystemTime;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use support::process::{
    Client, Frame, Home, free_port, integer, open_read_only, program, strings, until_compact,
};

const DATA: i32 = 65;
const UNAVAILABLE: i32 = 69;
const CANT_CREATE: i32 = 73;
const IO: i32 = 74;
const IN_USE: i32 = 75;
const CONFIG: i32 = 78;

/// Runs a tool.
fn run<S: AsRef<OsStr>>(arguments: &[S]) -> Output {
    program().args(arguments).output().unwrap()
}

/// Runs a tool that must do what it is asked for. Returns what it prints.
fn done<S: AsRef<OsStr>>(arguments: &[S]) -> String {
    let output = run(arguments);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(text(&output.stderr), "", "quiet where there is no terminal");
    text(&output.stdout)
}

/// Runs a tool that must end with this code. Returns the one line that it says.
fn refused<S: AsRef<OsStr>>(arguments: &[S], code: i32) -> String {
    let output = run(arguments);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert_eq!((said.lines().count(), text(&output.stdout)), (1, String::new()), "{said}");
    said
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The names of the files in a folder that begin so.
fn names(folder: &Path, start: &str) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter(|name| name.starts_with(start)).collect();
    names.sort();
    names
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

mod check_config {
    use super::*;

    fn check(toml: &str) -> (Option<i32>, Vec<String>) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("revoked.toml");
        fs::write(&file, toml).unwrap();
        let output = run(&["check-config", path(&file)]);
        let said = text(&[output.stdout, output.stderr].concat()).replace(path(&file), "FILE");
        (output.status.code(), said.lines().map(str::to_owned).collect())
    }

    #[test]
    fn a_file_without_faults_is_right() {
        assert_eq!(check("port = 6380\nmaxmemory = '1gb'\n"), (Some(0), vec!["FILE is right.".into()]));
        let (code, said) = check(&fs::read_to_string("config.example.toml").unwrap());
        assert_eq!(code, Some(0), "{said:?}");
    }

    #[test]
    fn every_fault_is_named_with_its_line_and_what_was_meant() {
        let toml = "prot = 1\nport = 70000\n\nappendfsync = always\ndir = '/no/such'\nmaxclients = 'x'\n[tls]\na = 1\n";
        let (code, said) = check(toml);
        assert_eq!(code, Some(CONFIG));
        for (line, start) in said.iter().zip([
            "revoked: FILE:1: prot: no such option; did you mean port?",
            "revoked: FILE:2: port: '70000' is not a whole number from 0 to 65535",
            "revoked: FILE:4:15: appendfsync: ",
            "revoked: FILE:5: dir: '/no/such' is not a directory: ",
            "revoked: FILE:6: maxclients: ",
            "revoked: FILE:7: tls: no such option",
        ]) {
            assert!(line.starts_with(start), "{line}, not {start}");
        }
        assert_eq!(said.len(), 6, "{said:?}");
    }

    #[test]
    fn what_can_not_be_together_or_is_not_there_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let acl = folder.path().join("users.acl");
        fs::write(&acl, "user ada on\nuser bob +nosuch\nuse\n").unwrap();
        let acl = path(&acl);
        for (toml, start) in [
            (format!("user = ['ada on']\naclfile = '{acl}'\n"), "FILE:1: user: users are named here, or"),
            ("port = 0\n".into(), "FILE:1: port: there is nothing to listen on"),
            ("tls-port = 7000\n".into(), "FILE:1: tls-port: tls-cert-file is not set"),
            ("port = 7000\nmetrics-port = 7000\n".into(), "FILE:2: metrics-port: 127.0.0.1:7000 is listened"),
            ("\nmetrics-port = 6379\n".into(), "FILE:2: metrics-port: 127.0.0.1:6379 is listened"),
            ("aclfile = '/no/such'".into(), "FILE:1: aclfile: /no/such: can't be read: "),
            (format!("aclfile = '{acl}'\n"), &*format!("FILE:1: aclfile: {acl}:2: user 'bob': '+nosuch': ")),
        ] {
            let (code, said) = check(&toml);
            assert_eq!((code, said.len()), (Some(CONFIG), 1), "{toml}: {said:?}");
            assert!(said[0].starts_with(&format!("revoked: {start}")), "{said:?}, not {start}");
        }
        let (_, said) = check("port = 7000\ntls-port = 7000\n");
        assert!(said.len() == 2 && said[0].contains("tls-port: "), "{said:?}");
    }

    #[test]
    fn every_user_that_is_wrong_is_named_with_its_line() {
        let (code, said) =
            check("user = [\n'ada on',\n'bob +x >s3cret', 'eve ~a +y',\n'+@all',\n'joe +get',\n]\n");
        assert_eq!(code, Some(CONFIG));
        for (line, start) in said.iter().zip([
            "revoked: FILE:3: user: user 'bob': '+x': Unknown command",
            "revoked: FILE:3: user: user 'eve': '+y': Unknown command",
        ]) {
            assert!(line.starts_with(start), "{line}, not {start}");
        }
        assert_eq!(said.len(), 2, "{said:?}");
    }

    #[test]
    fn every_line_that_is_no_toml_is_named_and_no_password_shown() {
        let (code, said) = check("port == 1\nrequirepass = s3cret\nmaxclients = 7\nmaxclients = 8\n");
        assert_eq!(code, Some(CONFIG));
        let lines: Vec<_> = said.iter().map(|line| line.split(':').nth(2).unwrap()).collect();
        assert_eq!(lines, ["1", "2", "4"], "{said:?}");
        assert!(!said.concat().contains("s3cret"), "{said:?}");
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        assert!(refused(&["check-config", "/no/such"], CONFIG).contains("/no/such: can't be read: "));
    }
}

mod backup {
    use super::*;

    #[test]
    fn a_copy_beside_writes_is_of_one_moment_and_can_be_served() {
        let home = Home::new();
        let daemon = home.start();
        let client = daemon.connect();
        client.ask(&["SET", "before", "1"]);
        let (is_over, written) = (AtomicBool::new(false), AtomicUsize::new(0));
        let copy = home.path("copy.db");
        thread::scope(|scope| {
            scope.spawn(|| {
                let client = daemon.connect();
                while !is_over.load(Ordering::Relaxed) {
                    let n = written.load(Ordering::Relaxed);
                    let many: Vec<_> =
                        (n..n + 50).map(|n| vec!["SADD".into(), "k".into(), n.to_string()]).collect();
                    client.ask_all(&many);
                    written.store(n + 50, Ordering::Relaxed);
                }
            });
            while written.load(Ordering::Relaxed) < 2000 {
                thread::yield_now();
            }
            let least = written.load(Ordering::Relaxed);
            let said = done(&["backup", path(&copy), "--from", path(&home.data_file())]);
            let most = written.load(Ordering::Relaxed) + 50;
            is_over.store(true, Ordering::Relaxed);
            assert!(said.contains("is a sound copy of"), "{said}");

            let other = Home::new();
            fs::copy(&copy, other.data_file()).unwrap();
            let restored = other.start();
            let members = restored.connect().members("k");
            assert!((least..=most).contains(&members.len()), "{least} {} {most}", members.len());
            let mut numbers: Vec<usize> =
                members.iter().map(|member| text(member).parse().unwrap()).collect();
            numbers.sort_unstable();
            assert!(numbers.iter().enumerate().all(|(at, n)| at == *n), "what was written first is there");
            restored.connect().ask(&["SADD", "k", "more"]);
        });
        assert_eq!(client.ask(&["SISMEMBER", "k", "0"]), integer(1));
        done(&["verify", path(&copy)]);
        assert_eq!(names(home.path("").as_path(), ".copy"), Vec::<String>::new());
    }

    #[test]
    fn a_file_that_nobody_serves_is_copied_with_its_log_and_left_as_it_is() {
        let home = Home::new();
        let daemon = home.start();
        daemon.connect().ask(&["SADD", "k", "a", "b"]);
        daemon.kill();
        let before = [home.data_file(), home.write_ahead_log()].map(|path| fs::read(path).unwrap());
        let copy = home.path("copy.db");
        done(&["backup", path(&copy), "--from", path(&home.data_file())]);
        assert_eq!([home.data_file(), home.write_ahead_log()].map(|path| fs::read(path).unwrap()), before);
        assert!(done(&["verify", path(&copy)]).contains("members     2"));
        home.start().stop();
        let copy = home.path("second.db");
        done(&["backup", path(&copy), "--from", path(&home.data_file())]);
        assert_eq!(names(&home.path(""), "revoked.db"), ["revoked.db", "revoked.db-lock"], "nothing is made");
    }

    #[test]
    fn nothing_is_replaced_unless_it_was_asked_for() {
        let home = Home::new();
        let _daemon = home.start();
        let copy = home.path("copy.db");
        fs::write(&copy, "precious").unwrap();
        let (copy, file) = (path(&copy).to_owned(), path(&home.data_file()).to_owned());
        let said = refused(&["backup", &copy, "--from", &file], CANT_CREATE);
        assert!(said.contains("copy.db is there already") && said.contains("--force"), "{said}");
        assert_eq!(fs::read(&copy).unwrap(), b"precious");
        done(&["backup", &copy, "--from", &file, "--force"]);
        done(&["verify", &copy]);
        for tool in
            [["backup", &file, "--from", &file, "--force"], ["export", &file, "--output", &file, "--force"]]
        {
            assert!(refused(&tool, CANT_CREATE).contains("revoked.db can't be replaced"));
        }
    }

    #[test]
    fn a_directory_gets_a_copy_with_the_time_in_its_name_and_the_files_permissions() {
        let home = Home::new();
        let _daemon = home.start();
        let folder = home.path("backups");
        fs::create_dir(&folder).unwrap();
        fs::set_permissions(home.data_file(), fs::Permissions::from_mode(0o640)).unwrap();
        done(&["backup", path(&folder), "--from", path(&home.data_file())]);
        let names = names(&folder, "");
        assert!(
            names.len() == 1 && names[0].starts_with("revoked-20") && names[0].ends_with("Z.db"),
            "{names:?}"
        );
        let mode = fs::metadata(folder.join(&names[0])).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o640);
    }

    #[test]
    fn what_can_not_be_copied_or_written_is_named_and_nothing_is_left() {
        let home = Home::new();
        let (copy, file) = (home.path("copy.db"), home.data_file());
        let (copy, file) = (path(&copy), path(&file));
        assert!(refused(&["backup", copy, "--from", file], IO).contains("there is no such file"));
        fs::write(file, "what else").unwrap();
        assert!(refused(&["backup", copy, "--from", file], DATA).contains("not an SQLite file"));
        fs::remove_file(file).unwrap();
        home.start().stop();
        assert!(refused(&["backup", "/no/such/copy.db", "--from", file], CANT_CREATE).contains("/no/such"));
        let mut bytes = fs::read(file).unwrap();
        let last = bytes.len() - 20;
        bytes[last] ^= 0xff;
        fs::write(file, bytes).unwrap();
        assert_eq!(names(&home.path(""), "copy").len() + names(&home.path(""), ".copy").len(), 0);
    }

    #[test]
    fn a_full_disk_is_named_and_nothing_is_left() {
        let home = Home::new();
        let daemon = home.start();
        daemon.connect().ask(&["SET", "large", &"x".repeat(1_000_000)]);
        let copy = home.path("copy.db");
        // A limit on the size of files is what a test can have of a full disk.
        let line = format!(
            "ulimit -f 64; trap '' XFSZ; exec {} backup {} --from {}",
            env!("CARGO_BIN_EXE_revoked"),
            path(&copy),
            path(&home.data_file())
        );
        let output = std::process::Command::new("sh").args(["-c", &line]).output().unwrap();
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(IO), "{said}");
        assert!(said.contains("copy.db: ") && said.contains("nothing was left of it"), "{said}");
        assert_eq!(names(&home.path(""), "copy").len() + names(&home.path(""), ".copy").len(), 0);
    }

    #[test]
    fn a_reader_that_keeps_its_moment_keeps_nobody_from_writing() {
        let home = Home::in_memory(&[]);
        let daemon = home.start();
        let client = daemon.connect();
        client.ask(&["SADD", "k", "first"]);
        let reader = open_read_only(&home.data_file());
        reader.execute_batch("BEGIN").unwrap();
        let count = || reader.query_row("SELECT count(*) FROM revocations", [], |row| row.get::<_, i64>(0));
        assert_eq!(count().unwrap(), 1);
        let rounds = 1000;
        for n in 0..rounds {
            let many: Vec<_> = (0..50).map(|m| vec!["SADD".into(), "k".into(), format!("{n} {m}")]).collect();
            assert!(client.ask_all(&many).iter().all(|reply| *reply == integer(1)));
        }
        assert!(fs::metadata(home.write_ahead_log()).unwrap().len() > 5_000_000, "it can't begin anew");
        assert_eq!(count().unwrap(), 1);
        let copy = home.path("copy.db");
        done(&["backup", path(&copy), "--from", path(&home.data_file())]);
        assert!(done(&["verify", path(&copy)]).contains(&format!("members     {}", rounds * 50 + 1)));
        drop(reader);
        assert_eq!(client.ask(&["SAVE"]), Frame::SimpleString("OK".into()));
        assert_eq!(fs::metadata(home.write_ahead_log()).unwrap().len(), 0);
    }
}

mod restore {
    use super::*;

    /// A home with a backup that has `old`, and a data file that has `new` besides.
    fn changed() -> (Home, String, String) {
        let home = Home::new();
        let daemon = home.start();
        let client = daemon.connect();
        client.ask(&["SADD", "k", "old-member"]);
        let (backup, file) = (path(&home.path("backup.db")).to_owned(), path(&home.data_file()).to_owned());
        done(&["backup", &backup, "--from", &file]);
        client.ask(&["SADD", "k", "new"]);
        daemon.kill();
        (home, backup, file)
    }

    fn members(client: &Client) -> Vec<String> {
        client.members("k").iter().map(|member| text(member)).collect()
    }

    #[test]
    fn what_stood_there_is_kept_with_its_log() {
        let (home, backup, file) = changed();
        let said = done(&["restore", &backup, "--to", &file]);
        assert!(said.contains("1 keys, 1 members"), "{said}");
        let daemon = home.start();
        assert_eq!(members(&daemon.connect()), ["old-member"]);
        daemon.stop();
        let kept = names(&home.path(""), "revoked.db.before-");
        assert_eq!(kept.len(), 2, "{kept:?}");
        assert!(said.contains(&kept[0]), "{said}");
        done(&["restore", path(&home.path(&kept[0])), "--to", &file]);
        let daemon = home.start();
        assert_eq!(members(&daemon.connect()), ["new", "old-member"]);
    }

    #[test]
    fn it_is_restored_where_nothing_stands() {
        let (_, backup, _) = changed();
        let home = Home::new();
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_revoked"))
            .args(["restore", &backup])
            .current_dir(home.path(""))
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(IO), "the other home is gone: {}", text(&output.stderr));
        let (_kept_home, backup, _) = changed();
        let said = done(&["restore", &backup, "--to", path(&home.data_file())]);
        assert_eq!(said.lines().count(), 1, "{said}");
        assert_eq!(members(&home.start().connect()), ["old-member"]);
    }

    /// The note is what stands there between the steps, and is not taken for a data file, nor for nothing.
    #[test]
    fn one_that_did_not_come_to_its_end_is_refused_at_the_start_and_done_again() {
        let (home, backup, file) = changed();
        fs::remove_file(home.write_ahead_log()).unwrap();
        fs::write(&file, "revoked restore did not come to its end here.\n").unwrap();
        let ended = home.run(&[]);
        assert_eq!(ended.status.code(), Some(DATA), "{}", text(&ended.stderr));
        done(&["restore", &backup, "--to", &file]);
        assert_eq!(members(&home.start().connect()), ["old-member"]);
    }

    #[test]
    fn a_file_in_use_is_refused_and_a_damaged_backup_too() {
        let (home, backup, file) = changed();
        let daemon = home.start();
        assert!(refused(&["restore", &backup, "--to", &file], IN_USE).contains(&daemon.pid().to_string()));
        daemon.stop();
        // Only what a server that was stopped has left is covered by checksums to the last row.
        done(&["backup", &backup, "--from", &file, "--force"]);
        let before = fs::read(&file).unwrap();
        let mut bytes = fs::read(&backup).unwrap();
        let at = bytes.windows(10).rposition(|window| window == b"old-member").unwrap();
        bytes[at] ^= 1;
        fs::write(&backup, bytes).unwrap();
        assert!(refused(&["restore", &backup, "--to", &file], DATA).contains("backup.db is damaged"));
        assert_eq!(fs::read(&file).unwrap(), before);
        assert_eq!(names(&home.path(""), ".").len(), 0);
        assert!(refused(&["restore", &file, "--to", &file], CANT_CREATE).contains("can't be replaced"));
    }
}

mod export {
    use super::*;

    /// All that a data file says is so, as lines of JSON, sorted.
    fn lines(home: &Home) -> Vec<String> {
        let said = done(&["export", path(&home.data_file())]);
        let mut lines: Vec<_> = said.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    }

    /// Some of everything: what is there is what stands between the quotes of the second test.
    fn fill(client: &Client) {
        for line in [
            "SET gone 1",
            "SADD gone-too a b",
            "SADD 5f0c9d11-5d0d-4a0e-9c5b-3f6a7d0c9d11 0b0bd1d4-5d0d-4a0e-9c5b-3f6a7d0c9d11 A b",
            "SADD moved 1 2",
            "RENAME moved renamed",
            "SREM renamed 2",
            "SADD ended 1",
            "PEXPIREAT ended 1",
            "SADD ending 1",
            "PEXPIREAT ending 95617584000000",
            "PSADDEXAT ending 95617584000001 2",
            "PSADDEXAT ending 1 3",
            "SET text v PXAT 95617584000000",
            "SET plain v",
            "EXPIREAT plain 95617584000",
            "PERSIST plain",
            "SELECT 3",
            "SADD swapped 3",
            "SWAPDB 3 4",
            "SET other x",
            "SELECT 5",
            "SET flushed x",
            "SADD flushed-too x",
            "FLUSHDB",
            "SADD flushed-too y",
            "SELECT 0",
            "MOVE renamed 6",
            "DEL gone gone-too",
            "SADD gone new",
        ] {
            client.ask(&line.split(' ').collect::<Vec<_>>());
        }
        client.ask(&[&b"SET"[..], b"\xff", b"\x00"]);
    }

    const EXPECTED: [&str; 12] = [
        r#"{"db":0,"key":"5f0c9d11-5d0d-4a0e-9c5b-3f6a7d0c9d11","member":"0b0bd1d4-5d0d-4a0e-9c5b-3f6a7d0c9d11"}"#,
        r#"{"db":0,"key":"5f0c9d11-5d0d-4a0e-9c5b-3f6a7d0c9d11","member":"A"}"#,
        r#"{"db":0,"key":"5f0c9d11-5d0d-4a0e-9c5b-3f6a7d0c9d11","member":"b"}"#,
        r#"{"db":0,"key":"ending","member":"1","key_expires_ms":95617584000000}"#,
        r#"{"db":0,"key":"ending","member":"2","expires_ms":95617584000001,"key_expires_ms":95617584000000}"#,
        r#"{"db":0,"key":"gone","member":"new"}"#,
        r#"{"db":0,"key":"plain","value":"v"}"#,
        r#"{"db":0,"key":"text","value":"v","expires_ms":95617584000000}"#,
        r#"{"db":0,"key_hex":"ff","value":"\u0000"}"#,
        r#"{"db":4,"key":"swapped","member":"3"}"#,
        r#"{"db":5,"key":"flushed-too","member":"y"}"#,
        r#"{"db":6,"key":"renamed","member":"1"}"#,
    ];

    fn expected() -> Vec<String> {
        let mut lines: Vec<_> = EXPECTED.iter().map(ToString::to_string).collect();
        lines.push(r#"{"db":3,"key":"other","value":"x"}"#.into());
        lines.sort();
        lines
    }

    #[test]
    fn all_that_is_so_is_written_and_nothing_else() {
        let home = Home::new();
        let daemon = home.start();
        fill(&daemon.connect());
        assert_eq!(lines(&home), expected());
        // The rows that said it first are gone then.
        let client = daemon.connect();
        client.ask(&["BGREWRITEAOF"]);
        until_compact(&client);
        assert_eq!(lines(&home), expected());
        daemon.stop();
        assert_eq!(lines(&home), expected());
        assert_eq!(names(&home.path(""), "revoked.db"), ["revoked.db", "revoked.db-lock"]);
    }

    #[test]
    fn what_was_exported_is_imported() {
        let home = Home::new();
        let daemon = home.start();
        fill(&daemon.connect());
        let file = home.path("lines.jsonl");
        done(&["export", path(&home.data_file()), "--output", path(&file)]);
        let said = refused(&["export", path(&home.data_file()), "--output", path(&file)], CANT_CREATE);
        assert!(said.contains("is there already"), "{said}");
        let other = Home::new();
        let server = other.start();
        let url = format!("redis://127.0.0.1:{}", server.port);
        for _ in 0..2 {
            let said = done(&["import", path(&file), "--to", &url]);
            assert!(said.contains("13 members and strings are there now"), "{said}");
            assert_eq!(lines(&other), expected());
        }
    }

    #[test]
    fn as_commands_it_is_taken_by_any_client() {
        let home = Home::new();
        let daemon = home.start();
        fill(&daemon.connect());
        let output = run(&["export", path(&home.data_file()), "--format", "resp"]);
        let other = Home::new();
        let server = other.start();
        let client = server.connect();
        client.send(&output.stdout).unwrap();
        client.send(&support::process::encode(&["ECHO", "last"])).unwrap();
        loop {
            match client.receive().unwrap() {
                Frame::Error(text) => panic!("{text}"),
                Frame::BulkString(_) => break,
                _ => {}
            }
        }
        assert_eq!(lines(&other), expected());
    }

    #[test]
    fn for_redis_ends_of_members_are_left_out_with_a_warning() {
        let home = Home::new();
        let daemon = home.start();
        daemon.connect().ask(&["PSADDEXAT", "k", "95617584000001", "a", "b"]);
        let output = run(&["export", path(&home.data_file()), "--format", "resp", "--for", "redis"]);
        let said = text(&output.stdout).replace("\r\n", " ");
        assert_eq!(
            said,
            "*2 $6 SELECT $1 0 *4 $4 SADD $1 k $1 a $1 b *3 $9 PEXPIREAT $1 k $14 95617584000001 "
        );
        assert!(text(&output.stderr).contains("2 members are written without their ends"));
    }

    #[test]
    fn random_changes_are_exported_as_they_are_seen() {
        let home = Home::in_memory(&["--appendfsync", "no"]);
        let daemon = home.start();
        let client = daemon.connect();
        for round in 0..4 {
            let any = |of: &[&str]| of[fastrand::usize(..of.len())].to_owned();
            let keys = ["a", "b", "c", "0b0bd1d4-5d0d-4a0e-9c5b-3f6a7d0c9d11"];
            let requests: Vec<_> = (0..400)
                .map(|_| {
                    let (key, other, member) = (any(&keys), any(&keys), fastrand::u8(..6).to_string());
                    let line = match fastrand::u8(..14) {
                        0..=2 => format!("SADD {key} {member}"),
                        3 | 4 => format!("PSADDEXAT {key} {} {member}", any(&["1", "95617584000000"])),
                        5 => format!("SREM {key} {member}"),
                        6 => format!("SET {key} {member}"),
                        7 => format!("DEL {key}"),
                        8 => format!("RENAME {key} {other}"),
                        9 => format!("MOVE {key} {}", fastrand::u8(..3)),
                        10 => format!("SELECT {}", fastrand::u8(..3)),
                        11 => format!("SWAPDB {} {}", fastrand::u8(..3), fastrand::u8(..3)),
                        12 => format!("PEXPIREAT {key} {}", any(&["1", "95617584000000"])),
                        _ if fastrand::u8(..8) == 0 => "FLUSHDB".to_owned(),
                        _ => format!("SUNIONSTORE {key} {other} {key}"),
                    };
                    line.split(' ').map(str::to_owned).collect()
                })
                .collect();
            client.ask_all(&requests);
            if round == 2 {
                client.ask(&["BGREWRITEAOF"]);
                until_compact(&client);
            }
            assert_eq!(lines(&home), seen(&client), "{requests:?}");
        }
    }

    /// The same lines, as a client sees what is there.
    fn seen(client: &Client) -> Vec<String> {
        let mut lines = Vec::new();
        for database in 0..3 {
            client.ask(&["SELECT", &database.to_string()]);
            for key in strings(&client.ask(&["KEYS", "*"])) {
                let key = text(&key);
                let end = |words: &[&str], name| match client.ask(words) {
                    Frame::Integer(-1) => String::new(),
                    Frame::Integer(_) => format!(",\"{name}\":95617584000000"),
                    other => panic!("{other:?}"),
                };
                let start = format!("{{\"db\":{database},\"key\":\"{key}\"");
                if let Frame::BulkString(value) = client.ask(&["GET", &key]) {
                    let end = end(&["PTTL", &key], "expires_ms");
                    lines.push(format!("{start},\"value\":\"{}\"{end}}}", text(&value)));
                    continue;
                }
                let key_end = end(&["PTTL", &key], "key_expires_ms");
                for member in client.members(&key) {
                    let member = text(&member);
                    let end = end(&["PTTL", &key, &member], "expires_ms");
                    lines.push(format!("{start},\"member\":\"{member}\"{end}{key_end}}}"));
                }
            }
        }
        lines.sort();
        lines
    }
}

mod broken_pipe {
    use super::*;

    #[test]
    fn an_export_whose_reader_has_enough_ends_quietly() {
        let home = Home::in_memory(&["--appendfsync", "no"]);
        let daemon = home.start();
        let members: Vec<_> =
            (0..20_000).map(|n| vec!["SADD".to_owned(), "k".to_owned(), format!("{n:0>40}")]).collect();
        daemon.connect().ask_all(&members);
        let mut export = program();
        export.args(["export", path(&home.data_file())]).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut export = export.spawn().unwrap();
        let mut first = String::new();
        BufReader::new(export.stdout.take().unwrap()).read_line(&mut first).unwrap();
        assert!(first.starts_with('{'), "{first}");
        let output = export.wait_with_output().unwrap();
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
    }
}

mod import {
    use super::*;

    #[test]
    fn a_line_that_is_none_is_named_and_those_before_it_are_there() {
        let home = Home::new();
        let daemon = home.start();
        let url = format!("redis://127.0.0.1:{}/2", daemon.port);
        let file = home.path("lines.jsonl");
        let lines = r#"{"key":"k","member":"1"}
{"key":"k","member":"2","expires_ms":7}

{"key":"k","membre":"3"}
{"key":"k","member":"4"}
"#;
        fs::write(&file, lines).unwrap();
        let said = refused(&["import", path(&file), "--to", &url], DATA);
        assert!(said.contains("lines.jsonl:4: ") && said.contains("--from-line 4"), "{said}");
        let client = daemon.connect();
        client.ask(&["SELECT", "2"]);
        assert_eq!(client.members("k"), [b"1"]);
        fs::write(&file, lines.replace("membre", "member")).unwrap();
        let said = done(&["import", path(&file), "--to", &url, "--from-line", "4"]);
        assert!(said.contains("2 members and strings are there now"), "{said}");
        assert_eq!(client.members("k"), [b"1", b"3", b"4"]);
    }

    #[test]
    fn a_server_that_is_not_there_or_refuses_is_named() {
        let home = Home::with_options(&["--requirepass", "s3cret"]);
        let daemon = home.start();
        let file = home.path("lines.jsonl");
        fs::write(&file, r#"{"key":"k","member":"1"}"#).unwrap();
        let import = |url: &str, code| refused(&["import", path(&file), "--to", url], code);
        assert!(import(&format!("redis://127.0.0.1:{}", daemon.port), UNAVAILABLE).contains("NOAUTH"));
        assert!(import(&format!("redis://:x@127.0.0.1:{}", daemon.port), UNAVAILABLE).contains("WRONGPASS"));
        assert!(import("redis://127.0.0.1:1", UNAVAILABLE).contains("redis://127.0.0.1:1 can't be reached"));
        assert!(import("127.0.0.1", DATA).contains("the URL does not begin with redis://"));
        let url = format!("redis://127.0.0.1:{}", daemon.port);
        let output = program()
            .args(["import", path(&file), "--to", &url])
            .env("REDISCLI_AUTH", "s3cret")
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        // A key of another type.
        fs::write(&file, r#"{"key":"k","value":"1"}"#).unwrap();
        let url = format!("redis://:s3cret@127.0.0.1:{}", daemon.port);
        done(&["import", path(&file), "--to", &url]);
        fs::write(&file, r#"{"key":"k","member":"1"}"#).unwrap();
        let said = import(&url, UNAVAILABLE);
        assert!(said.contains("WRONGTYPE") && said.contains("--from-line 1"), "{said}");
    }

    /// Runs an import with passwords in the environment.
    fn import_as(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
        program().arg("import").args(arguments).envs(variables.iter().copied()).output().unwrap()
    }

    #[test]
    fn a_password_of_the_environment_goes_to_no_other_server() {
        let (home, other) = (Home::with_options(&["--requirepass", "theirs"]), Home::new());
        let (daemon, server) = (home.start(), other.start());
        let client = daemon.connect();
        client.ask(&["AUTH", "theirs"]);
        client.ask(&["SADD", "k", "1"]);
        let url = |port| format!("redis://127.0.0.1:{port}");
        let arguments = ["--from-redis", &url(daemon.port), "--to", &url(server.port)];
        let code = |variables: &[(&str, &str)]| import_as(&arguments, variables).status.code();
        assert_eq!(code(&[("REDISCLI_AUTH", "theirs")]), Some(0), "only the source has a password");
        server.connect().ask(&["CONFIG", "SET", "requirepass", "ours"]);
        assert_eq!(code(&[("REDISCLI_AUTH", "theirs"), ("REVOKED_AUTH", "ours")]), Some(0));
        assert_eq!(code(&[("REDISCLI_AUTH", "theirs")]), Some(UNAVAILABLE));
        assert_eq!(code(&[("REVOKED_AUTH", "ours")]), Some(UNAVAILABLE));
        let file = other.path("lines.jsonl");
        fs::write(&file, r#"{"key":"k","member":"1"}"#).unwrap();
        let arguments = [path(&file), "--to", &url(server.port)];
        let code = |variables: &[(&str, &str)]| import_as(&arguments, variables).status.code();
        assert_eq!(code(&[("REVOKED_AUTH", "ours"), ("REDISCLI_AUTH", "theirs")]), Some(0));
        assert_eq!(code(&[("REDISCLI_AUTH", "ours")]), Some(0), "there is no other server");
    }

    #[test]
    fn a_server_is_reached_through_its_socket() {
        let home = Home::new();
        let socket = home.path("revoked.sock");
        let home = home.with_argument("--unixsocket").with_argument(path(&socket));
        let daemon = home.start();
        let file = home.path("lines.jsonl");
        fs::write(&file, r#"{"key":"k","member":"1"}"#).unwrap();
        done(&["import", path(&file), "--to", &format!("unix://{}?db=3", path(&socket))]);
        let client = daemon.connect();
        client.ask(&["SELECT", "3"]);
        assert_eq!(client.members("k"), [b"1"]);
        let said = refused(&["import", path(&file), "--to", "unix:///no/such"], UNAVAILABLE);
        assert!(said.contains("unix:///no/such can't be reached: No such file"), "{said}");
    }

    /// A certificate that signs others, `ca.pem`, and one that it has signed, `cert.pem` with `key.pem`.
    fn certificates(folder: &Path) {
        let mut authority = CertificateParams::new([]).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let (authority_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let own = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
        let issuer = Issuer::from_params(&authority, &authority_key);
        fs::write(folder.join("cert.pem"), own.signed_by(&key, &issuer).unwrap().pem()).unwrap();
        fs::write(folder.join("key.pem"), key.serialize_pem()).unwrap();
        fs::write(folder.join("ca.pem"), authority.self_signed(&authority_key).unwrap().pem()).unwrap();
    }

    #[test]
    fn a_server_is_reached_by_tls() {
        let home = Home::new();
        certificates(&home.path("."));
        let file = |name: &str| path(&home.path(name)).to_owned();
        let (ca, cert, key, port) = (file("ca.pem"), file("cert.pem"), file("key.pem"), free_port());
        let (lines, number) = (home.path("lines.jsonl"), port.to_string());
        fs::write(&lines, r#"{"key":"k","member":"1"}"#).unwrap();
        let options = ["--tls-port", &number, "--tls-cert-file", &cert, "--tls-key-file", &key];
        let daemon = home.clone_with(&options).with_argument("--tls-ca-cert-file").with_argument(&ca).start();
        let url = format!("rediss://127.0.0.1:{port}");
        let import = |rest: &[&str]| run(&[&["import", path(&lines), "--to", &url], rest].concat());
        let output = import(&["--cacert", &ca, "--cert", &cert, "--cert-key", &key]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        assert_eq!(daemon.connect().members("k"), [b"1"]);

        let fails = |rest: &[&str], code, what: &str| {
            let output = import(rest);
            let said = text(&output.stderr);
            assert!(output.status.code() == Some(code) && said.contains(what), "{what}: {said}");
        };
        fails(&[], DATA, "--cacert");
        fails(&["--cacert", "/no/such.pem"], IO, "/no/such.pem: ");
        fails(&["--cacert", path(&lines)], DATA, "lines.jsonl: ");
        fails(&["--cacert", &ca, "--cert", &cert, "--cert-key", &ca], DATA, "ca.pem: ");
        fails(&["--cacert", &ca], UNAVAILABLE, &url);
        certificates(&home.path("."));
        fails(&["--cacert", &ca], UNAVAILABLE, "can't be reached: invalid peer certificate");
    }

    #[test]
    fn no_more_rights_are_needed_than_the_lines_ask_for() {
        let home = Home::new();
        let daemon = home.start();
        let client = daemon.connect();
        client.ask(&["ACL", "SETUSER", "issuer", "on", ">issue-it", "~revoked", "+sadd"]);
        let file = home.path("lines.jsonl");
        fs::write(&file, r#"{"key":"revoked","member":"1"}"#).unwrap();
        done(&["import", path(&file), "--to", &format!("redis://issuer:issue-it@127.0.0.1:{}", daemon.port)]);
        assert_eq!(client.members("revoked"), [b"1"]);
    }

    /// A Redis with two sets, `a` and `b`, that end in [`Slow::ENDS_IN_MS`]. Between their times being told and their members,
    /// the clock goes on.
    struct Slow {
        told_ms: i64,
    }

    impl Slow {
        const ENDS_IN_MS: i64 = 1_000_000;
        const PAUSE_MS: i64 = 50;

        fn answer(&mut self, words: &[String]) -> String {
            match words[0].as_str() {
                "INFO" if words[1] == "keyspace" => "$20\r\ndb0:keys=2,expires=2\r\n".into(),
                "INFO" => "$0\r\n\r\n".into(),
                "SELECT" => "+OK\r\n".into(),
                "DBSIZE" => ":2\r\n".into(),
                "SCAN" => "*2\r\n$1\r\n0\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n".into(),
                "TYPE" => "+set\r\n".into(),
                "PTTL" => format!(":{}\r\n", Self::ENDS_IN_MS),
                "SCARD" => ":1\r\n".into(),
                "SSCAN" => {
                    if self.told_ms == 0 {
                        self.told_ms = now_ms();
                    }
                    while now_ms() < self.told_ms + Self::PAUSE_MS {
                        thread::yield_now();
                    }
                    "*2\r\n$1\r\n0\r\n*1\r\n$1\r\nm\r\n".into()
                }
                other => panic!("{other}"),
            }
        }

        fn serve(&mut self, listener: &TcpListener) {
            let (stream, _) = listener.accept().unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            while let Some(Ok(count)) = lines.next() {
                let count = count[1..].parse().unwrap();
                let words: Vec<_> =
                    (0..count).map(|_| (lines.next(), lines.next().unwrap().unwrap()).1).collect();
                (&stream).write_all(self.answer(&words).as_bytes()).unwrap();
            }
        }
    }

    fn now_ms() -> i64 {
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis() as i64
    }

    #[test]
    fn an_end_counts_from_when_it_was_told() {
        let home = Home::new();
        let daemon = home.start();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let from = format!("redis://127.0.0.1:{}", listener.local_addr().unwrap().port());
        let to = format!("redis://127.0.0.1:{}", daemon.port);
        let mut slow = Slow { told_ms: 0 };
        thread::scope(|scope| {
            scope.spawn(|| slow.serve(&listener));
            done(&["import", "--from-redis", &from, "--to", &to]);
        });
        let client = daemon.connect();
        for key in ["a", "b"] {
            let Frame::Integer(end_ms) = client.ask(&["PEXPIRETIME", key]) else { panic!("{key}") };
            assert!(end_ms <= slow.told_ms + Slow::ENDS_IN_MS, "{key}: {end_ms}, {}", slow.told_ms);
        }
    }

    #[test]
    fn another_servers_keys_are_copied_and_both_sides_counted() {
        let (home, other) = (Home::new(), Home::new());
        let (daemon, server) = (home.start(), other.start());
        let client = daemon.connect();
        let members: Vec<_> =
            (0..3000).map(|n| vec!["SADD".to_owned(), "k".to_owned(), n.to_string()]).collect();
        client.ask_all(&members);
        client.ask(&["SADDEX", "k", "1000", "ends"]);
        let strings: Vec<_> =
            (0..1200).map(|n| vec!["SET".to_owned(), format!("s{n}"), n.to_string()]).collect();
        client.ask_all(&strings);
        client.ask(&["EXPIRE", "s7", "1000"]);
        client.ask(&["SELECT", "4"]);
        client.ask(&["SADD", "k", "four"]);
        let url = |port| format!("redis://127.0.0.1:{port}");
        let arguments = ["import", "--from-redis", &url(daemon.port), "--to", &url(server.port)];
        let rows = |said: &str| -> Vec<Vec<String>> {
            said.lines().skip(1).map(|line| line.split_whitespace().map(str::to_owned).collect()).collect()
        };
        for _ in 0..2 {
            let said = done(&arguments);
            let expected = [
                vec!["sets", "2", "2"],
                vec!["members", "3002", "3002"],
                vec!["strings", "1200", "1200"],
                vec!["with", "ends", "1", "1"],
            ];
            assert_eq!(rows(&said), expected, "{said}");
        }
        let copy = server.connect();
        assert_eq!(copy.members("k"), client_members(&daemon.connect()));
        let left = |words: &[&str]| match copy.ask(words) {
            Frame::Integer(ms) => ms,
            other => panic!("{other:?}"),
        };
        assert!((1..=1_000_000).contains(&left(&["PTTL", "s7"])));
        assert!((1..=1_000_000).contains(&left(&["PTTL", "k", "ends"])));
        copy.ask(&["SELECT", "4"]);
        assert_eq!(copy.members("k"), [b"four"]);
        copy.ask(&["SADD", "k", "more"]);
        let said = done(&arguments);
        assert!(said.contains("They differ"), "{said}");
    }

    fn client_members(client: &Client) -> Vec<Vec<u8>> {
        client.members("k")
    }

    #[test]
    fn a_table_of_another_program_is_read() {
        let home = Home::new();
        let daemon = home.start();
        let app = home.path("app.db");
        let sql = rusqlite::Connection::open(&app).unwrap();
        sql.execute_batch(
            "CREATE TABLE tokens (jti TEXT, exp);
             INSERT INTO tokens VALUES ('never', null), ('seconds', 95617584000), ('ms', 95617584000000),
                 ('text', '5000-01-01 00:00:00'), ('over', 1000), ('over too', '2001-01-01')",
        )
        .unwrap();
        let url = format!("redis://127.0.0.1:{}", daemon.port);
        let import = |query: &str| {
            ["import", "--from-sql", path(&app), "--query", query, "--key", "revoked", "--to", &url]
                .map(str::to_owned)
        };
        let said = done(&import("select jti, exp from tokens"));
        assert!(said.contains("4 members and strings are there now, 2 had ended already"), "{said}");
        let client = daemon.connect();
        let names = ["ms", "never", "seconds", "text"].map(|name| name.as_bytes().to_vec());
        assert_eq!(client.members("revoked"), names);
        let end = |member: &str| client.ask(&["PTTL", "revoked", member]);
        assert_eq!(end("never"), Frame::Integer(-1));
        for member in ["seconds", "ms", "text"] {
            assert!(matches!(end(member), Frame::Integer(ms) if ms > 9_000_000_000_000), "{member}");
        }
        done(&import("select jti from tokens"));
        assert!(refused(&import("select token from tokens"), DATA).contains("no such column"));
        assert!(refused(&import("delete from tokens"), DATA).contains("the query has to select"));
        let said = refused(&import("select jti, 'soon' from tokens"), DATA);
        assert!(said.contains("app.db: row 1: the end is neither"), "{said}");
    }
}

mod words {
    use super::*;

    #[test]
    fn a_tool_gives_no_advice_that_is_a_servers() {
        let home = Home::new();
        let daemon = home.start();
        daemon.connect().ask(&["SADD", "k", "old-member"]);
        let file = path(&home.data_file()).to_owned();
        for tool in ["verify", "compact"] {
            let said = refused(&[tool, &file], IN_USE);
            assert!(said.contains("is in use by a server") && !said.contains("dbfilename"), "{said}");
            assert!(said.contains(&daemon.pid().to_string()), "{said}");
        }
        daemon.stop();
        let (backup, place) = (home.path("backup.db"), home.path("new.db"));
        fs::write(&backup, [0x55; 8192]).unwrap();
        let said = refused(&["restore", path(&backup), "--to", path(&place)], DATA);
        assert!(said.contains("backup.db") && !said.contains("dbfilename"), "{said}");
        let mut bytes = fs::read(&file).unwrap();
        let at = bytes.windows(10).rposition(|window| window == b"old-member").unwrap();
        bytes[at] ^= 1;
        fs::write(&backup, bytes).unwrap();
        let said = refused(&["restore", path(&backup), "--to", path(&place)], DATA);
        assert!(said.contains("use another backup") && !said.contains("aside"), "{said}");
        assert_eq!(names(&home.path("."), "new.db"), [""; 0], "nothing is left of it");
    }
}

mod compact {
    use super::*;

    #[test]
    fn what_is_said_in_vain_is_taken_out_of_a_file_that_nobody_has() {
        let home = Home::in_memory(&["--appendfsync", "no"]);
        let daemon = home.start();
        let client = daemon.connect();
        let change = |command: &str, count: usize| {
            let line = |n| vec![command.to_owned(), "k".to_owned(), format!("{n:0>40}")];
            client.ask_all(&(0..count).map(line).collect::<Vec<_>>());
        };
        change("SADD", 20_000);
        change("SREM", 19_990);
        let file = path(&home.data_file()).to_owned();
        let said = refused(&["compact", &file], IN_USE);
        assert!(said.contains(&daemon.pid().to_string()), "{said}");
        let members = client.members("k");
        daemon.kill();
        let said = done(&["compact", &file]);
        let rows = |before: &str| -> usize {
            said.split(before).nth(1).unwrap().split(' ').next().unwrap().parse().unwrap()
        };
        assert!((10..40).contains(&rows("revoked.db: ")) && rows(", of ") > 39_990, "{said}");
        assert!(done(&["verify", &file]).contains("members     10"));
        let pages: i64 = open_read_only(&home.data_file())
            .query_row("PRAGMA freelist_count", [], |row| row.get(0))
            .unwrap();
        assert_eq!(pages, 0, "all the room is given back");
        let contents = fs::read(&file).unwrap();
        let said = done(&["compact", &file]);
        assert!(said.contains("nothing to take out") && fs::read(&file).unwrap() == contents, "{said}");
        assert_eq!(home.start().connect().members("k"), members);
        assert!(refused(&["compact", path(&home.path("none"))], IO).contains("there is no such file"));
    }
}

mod stats {
    use super::*;

    #[test]
    fn what_fills_a_file_is_told_beside_its_server() {
        let home = Home::new();
        let daemon = home.start();
        let client = daemon.connect();
        client.ask(&["SADD", "revoked", "a", "b", "c"]);
        client.ask(&["SADDEX", "revoked", "1000", "d"]);
        client.ask(&["SET", "session", "1", "EX", "100000"]);
        client.ask(&["SREM", "revoked", "a"]);
        let said = done(&["stats", path(&home.data_file())]);
        for start in [
            "file  ",
            "rows  ",
            " 0           1           3           1           2",
            " 0           3",
            "never",
        ] {
            assert!(said.lines().any(|line| line.starts_with(start)), "{start}: {said}");
        }
        assert!(said.contains("  revoked\n") && said.contains("ends by day, in UTC"), "{said}");
    }
}

#[test]
fn every_tool_has_help_with_examples_and_exit_codes() {
    let all = text(&run(&["--help"]).stdout);
    for tool in ["verify", "check-config", "backup", "restore", "compact", "stats", "export", "import"] {
        let help = done(&[tool, "--help"]);
        for part in ["Exit codes: 0", "Examples:\n  revoked ", "Usage: revoked "] {
            assert!(help.contains(part), "{tool} {part}: {help}");
        }
        assert!(help.lines().all(|line| line.chars().count() <= 100), "{help}");
        assert!(all.lines().any(|line| line.trim_start().starts_with(tool)), "{tool}");
    }
}
