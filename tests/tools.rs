//! The tools: `revoked check-config`, `backup`, `restore` and the others, as programs beside the daemon.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Output;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use support::process::{Client, Frame, Home, integer, open_read_only, program};

const DATA: i32 = 65;
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
        let toml =
            "prot = 1\nport = 0\n\nappendfsync = always\ndir = '/no/such'\nmaxclients = 'x'\n[tls]\na = 1\n";
        let (code, said) = check(toml);
        assert_eq!(code, Some(CONFIG));
        for (line, start) in said.iter().zip([
            "revoked: FILE:1: prot: no such option; did you mean port?",
            "revoked: FILE:2: port: '0' is not a whole number from 1 to 65535",
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
        let home = Home::new();
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
        assert!(refused(&["restore", &file, "--to", &file], DATA).contains("its own place"));
    }
}
