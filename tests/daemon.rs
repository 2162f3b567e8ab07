//! What an operator meets: exit codes, refusals, signals, full disks, the log, and the data file under SQL.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::FileExt;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use support::process::{
    Client, Daemon, Frame, Home, PATIENCE, PORT_IN_USE, encode, error, free_port, integer, open_read_only,
    program, simple, strings, until_compact,
};

const DATA: i32 = 65;
const SYSTEM: i32 = 71;
const IO: i32 = 74;
const IN_USE: i32 = 75;
const CONFIG: i32 = 78;

/// Starts the daemon so that no file of its can grow beyond a megabyte or two. It gets an error then, rather
/// than a signal.
const LITTLE_ROOM: [&str; 3] = ["sh", "-c", r#"trap "" XFSZ; ulimit -S -f 2048; exec "$0" "$@""#];

mod an_orderly_end {
    use super::*;

    #[test]
    fn by_sigterm_has_exit_code_0() {
        assert_eq!(ended_by(|daemon| daemon.signal("TERM")), Some(0));
    }

    #[test]
    fn by_sigint_has_exit_code_0() {
        assert_eq!(ended_by(|daemon| daemon.signal("INT")), Some(0));
    }

    #[test]
    fn by_shutdown_has_exit_code_0() {
        assert_eq!(ended_by(|daemon| daemon.connect().send(&encode(&["SHUTDOWN"])).unwrap()), Some(0));
    }

    fn ended_by(end: impl FnOnce(&Daemon)) -> Option<i32> {
        let daemon = Home::new().start();
        end(&daemon);
        daemon.ended().code
    }

    #[test]
    fn leaves_all_in_the_data_file_and_no_write_ahead_log() {
        let home = Home::new();
        let daemon = home.start();
        daemon.connect().ask(&["SADD", "k", "m"]);
        assert!(home.write_ahead_log().exists());
        daemon.stop();
        assert!(!home.write_ahead_log().exists());
        assert_eq!(count_by_sql(&open_read_only(&home.data_file())), 1);
    }

    /// Each client has one batch under way at a time: it is answered and kept as a whole, or not at all.
    #[test]
    fn answers_what_it_took_and_keeps_no_more_than_that() {
        let home = Home::new();
        let daemon = home.start();
        let acknowledged = load_until(&daemon, 2_000, |daemon| daemon.signal("TERM"));
        assert_eq!(daemon.ended().code, Some(0));
        let daemon = home.start();
        let client = daemon.connect();
        for (key, count) in acknowledged.into_iter().enumerate() {
            assert_eq!(client.ask(&["SCARD", &key.to_string()]), integer(count));
        }
    }

    #[test]
    fn waits_until_clients_have_taken_their_replies() {
        let daemon = Home::new().start();
        let client = client_with_replies_coming(&daemon);
        daemon.signal("TERM");
        daemon.wait_for_log("Shutting down");
        for _ in 1..REPLIES_COMING {
            client.receive().unwrap();
        }
        assert_eq!(client.receive().unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(daemon.ended().code, Some(0));
    }

    #[test]
    fn is_not_held_up_by_a_client_that_does_not_read() {
        let daemon = Home::new().start();
        let _client = client_with_replies_coming(&daemon);
        let asked = Instant::now();
        daemon.signal("TERM");
        let ended = daemon.ended();
        assert_eq!(ended.code, Some(0), "{}", ended.log);
        assert!(ended.log.contains("they are cut off"), "{}", ended.log);
        assert!(asked.elapsed() < Duration::from_secs(15), "{:?}", asked.elapsed());
    }

    #[test]
    fn by_shutdown_can_be_cut_short_by_signals() {
        let home = Home::new();
        let daemon = home.start();
        // It is waited for, as long as there is patience for clients.
        let _slow = client_with_replies_coming(&daemon);
        daemon.connect().send(&encode(&["SHUTDOWN"])).unwrap();
        daemon.wait_for_log("Shutting down");
        daemon.signal("TERM");
        daemon.wait_for_log("Received SIGTERM");
        daemon.signal("TERM");
        assert_eq!(daemon.ended().code, Some(71));
    }

    #[test]
    fn is_cut_short_by_a_second_signal() {
        let daemon = Home::new().start();
        let _client = client_with_replies_coming(&daemon);
        daemon.signal("TERM");
        daemon.wait_for_log("Shutting down");
        daemon.signal("TERM");
        let ended = daemon.ended();
        assert_eq!(ended.code, Some(SYSTEM));
        assert!(!ended.log.contains("they are cut off"), "{}", ended.log);
    }

    /// Some writers under load. `end` is called once so many members were acknowledged. Returns how many were
    /// by the end: writer `i` adds to key `i`.
    fn load_until(daemon: &Daemon, members: usize, end: impl FnOnce(&Daemon)) -> Vec<usize> {
        let (reached, due) = mpsc::channel();
        let total = AtomicUsize::new(0);
        thread::scope(|scope| {
            let write = |key: usize| {
                let (client, reached, total) = (daemon.connect(), reached.clone(), &total);
                scope.spawn(move || {
                    let mut acknowledged = 0;
                    while let Ok(added) = add_batch(&client, key, acknowledged) {
                        acknowledged += added;
                        if total.fetch_add(added, Relaxed) >= members {
                            let _ = reached.send(());
                        }
                    }
                    acknowledged
                })
            };
            let writers: Vec<_> = (0..8).map(write).collect();
            drop(reached);
            due.recv().unwrap();
            end(daemon);
            writers.into_iter().map(|writer| writer.join().unwrap()).collect()
        })
    }

    /// Adds some new members. Returns how many; the server's end is an error, unless it comes amid the replies.
    fn add_batch(client: &Client, key: usize, first: usize) -> io::Result<usize> {
        let size = first % 16 + 1;
        let request = |member: usize| encode(&["SADD", &key.to_string(), &member.to_string()]);
        client.send(&(first..first + size).flat_map(request).collect::<Vec<_>>())?;
        assert_eq!(client.receive()?, integer(1));
        for _ in 1..size {
            assert_eq!(client.receive().unwrap(), integer(1));
        }
        Ok(size)
    }

    /// Of a megabyte each: all together far more than sockets take in.
    const REPLIES_COMING: usize = 64;

    /// A client that has taken the first of its replies. The daemon is at the others.
    fn client_with_replies_coming(daemon: &Daemon) -> Client {
        let client = daemon.connect();
        client.ask(&["SADD", "k", &"m".repeat(1 << 20)]);
        client.send(&encode(&["SMEMBERS", "k"]).repeat(REPLIES_COMING)).unwrap();
        client.receive().unwrap();
        client
    }
}

mod a_file_that_can_not_be_used {
    use super::*;

    #[test]
    fn is_refused_if_it_is_no_database() {
        let home = Home::new();
        fs::write(home.data_file(), "somebody's notes").unwrap();
        assert_refused(&home, DATA, "is not a data file of revoked");
    }

    #[test]
    fn is_refused_if_it_is_another_program_s_database() {
        let home = Home::new();
        sql(&home, "CREATE TABLE t (a); INSERT INTO t VALUES (1)");
        assert_refused(&home, DATA, "another program's SQLite file");
    }

    #[test]
    fn is_refused_if_it_is_newer_than_the_program() {
        let home = filled();
        sql(&home, "PRAGMA user_version = 99");
        assert_refused(&home, DATA, "has format version 99");
    }

    #[test]
    fn is_refused_if_a_page_is_damaged() {
        let home = filled();
        let file = fs::OpenOptions::new().write(true).open(home.data_file()).unwrap();
        let middle = file.metadata().unwrap().len() / 4096 / 2 * 4096;
        file.write_all_at(&[0x5a; 4096], middle).unwrap();
        assert_refused(&home, DATA, "is damaged");
    }

    #[test]
    fn is_refused_if_only_the_replay_can_tell() {
        let home = filled();
        sql(&home, "DELETE FROM journal WHERE sequence = 300");
        assert_refused(&home, DATA, "is damaged: row 301");
    }

    #[test]
    fn is_refused_if_it_is_missing_beside_its_write_ahead_log() {
        let home = Home::new();
        fs::write(home.write_ahead_log(), "changes").unwrap();
        assert_refused(&home, DATA, "is missing");
        assert!(!home.data_file().exists());
    }

    #[test]
    fn is_refused_if_it_is_a_directory() {
        let home = Home::new();
        fs::create_dir(home.data_file()).unwrap();
        assert_refused(&home, IO, "revoked.db");
    }

    #[test]
    fn is_refused_if_another_daemon_has_it() {
        let home = Home::new();
        let first = home.start();
        assert_refused(&home, IN_USE, &format!("(process {})", first.pid()));
        assert_eq!(first.connect().ask(&["SADD", "k", "m"]), integer(1), "the first goes on");
    }

    #[test]
    fn from_a_later_time_than_the_clock_shows_is_said_so_in_the_log() {
        let home = filled();
        assert!(!home.start().log().contains("clock"));
        // The last row is the time of the end, which no checksum covers yet.
        let last = "(SELECT max(sequence) FROM journal)";
        sql(&home, &format!("UPDATE journal SET time_ms = time_ms + 3600000 WHERE sequence = {last}"));
        let daemon = home.start();
        assert!(daemon.log().contains("The clock is 35"), "3,5xx seconds: {}", daemon.log());
        // What is to end in a while from now does not end at once.
        let client = daemon.connect();
        assert_eq!(client.ask(&["SADDEX", "k", "60", "new"]), integer(1));
        assert_eq!(client.ask(&["SISMEMBER", "k", "new"]), integer(1));
    }

    /// The daemon ends with this code and says why, and all files that were there are what they were.
    fn assert_refused(home: &Home, code: i32, why: &str) {
        let before = home.contents();
        let output = home.run(&[]);
        let log = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{log}");
        assert!(log.contains(why), "{log}");
        assert!(!log.contains("Ready"), "{log}");
        let after = home.contents();
        assert!(before.iter().all(|file| after.contains(file)), "a file was changed: {log}");
    }

    /// The home of a daemon that has ended, with some pages of data.
    fn filled() -> Home {
        let home = Home::new();
        let daemon = home.start();
        let request = |i| vec!["SADD".to_owned(), "k".to_owned(), format!("{i} {}", "-".repeat(100))];
        daemon.connect().ask_all(&(0..500).map(request).collect::<Vec<_>>());
        daemon.stop();
        home
    }

    fn sql(home: &Home, sql: &str) {
        Connection::open(home.data_file()).unwrap().execute_batch(sql).unwrap();
    }
}

mod the_command_line {
    use super::*;

    #[test]
    fn is_refused_in_one_line_that_names_what_is_wrong() {
        for (arguments, named) in [
            (&["--port", "65536"][..], "port"),
            (&["--port", "many"], "many"),
            (&["--prot", "6379"], "--port"),
            (&["--appendfsync", "sometimes"], "sometimes"),
            (&["--dir", "/no/such/directory"], "/no/such/directory"),
            (&["/no/such/file.toml"], "/no/such/file.toml"),
            (&["one.toml", "two.toml"], "two.toml"),
        ] {
            let output = program().args(arguments).output().unwrap();
            assert_is_refusal(&output, named);
        }
    }

    #[test]
    fn is_refused_with_the_place_of_a_mistake_in_the_file() {
        let home = Home::new();
        fs::write(home.path("revoked.toml"), "bind = [\"127.0.0.1\"]\nprot = 1\n").unwrap();
        assert_is_refusal(&program().arg(home.path("revoked.toml")).output().unwrap(), "revoked.toml:2:");
    }

    #[test]
    fn is_refused_with_the_name_of_a_mistaken_variable() {
        assert_is_refusal(&program().env("REVOKED_PROT", "1").output().unwrap(), "REVOKED_PROT");
    }

    #[test]
    fn gives_help_and_version_on_standard_output() {
        for (argument, expected) in
            [("--help", "--appendfsync"), ("-h", "--appendfsync"), ("--version", env!("CARGO_PKG_VERSION"))]
        {
            let output = program().arg(argument).output().unwrap();
            assert_eq!(output.status.code(), Some(0));
            assert!(text(&output.stdout).contains(expected), "{argument}");
            assert_eq!(text(&output.stderr), "", "{argument}");
        }
    }

    fn assert_is_refusal(output: &Output, named: &str) {
        let message = text(&output.stderr);
        assert_eq!(output.status.code(), Some(CONFIG), "{message}");
        assert!(message.starts_with("revoked: ") && message.lines().count() == 1, "{message}");
        assert!(message.contains(named), "{message}");
        assert_eq!(text(&output.stdout), "");
    }
}

mod users {
    use super::*;

    const GATEWAY: &str = "user gateway on >s3cret ~revoked +sismember\n";

    fn home() -> (Home, String) {
        let home = Home::new();
        let file = home.path("users.acl").display().to_string();
        fs::write(&file, GATEWAY).unwrap();
        let home = home.with_argument("--aclfile").with_argument(&file);
        (home, file)
    }

    fn logged_in(daemon: &Daemon) -> Client {
        let client = daemon.connect();
        assert_eq!(client.ask(&["AUTH", "gateway", "s3cret"]), simple("OK"));
        client
    }

    #[test]
    fn are_read_from_their_file_and_written_to_it_without_passwords() {
        let (home, file) = home();
        let daemon = home.start();
        let gateway = logged_in(&daemon);
        assert_eq!(gateway.ask(&["SISMEMBER", "revoked", "a"]), integer(0));
        assert!(error(&gateway.ask(&["SADD", "revoked", "a"])).starts_with("NOPERM User gateway "));
        let admin = daemon.connect();
        admin.ask(&["ACL", "SETUSER", "issuer", "on", ">0ther", "~revoked", "+sadd"]);
        assert_eq!(admin.ask(&["ACL", "SAVE"]), simple("OK"));
        let saved = fs::read_to_string(&file).unwrap();
        assert!(
            saved.lines().count() == 3 && !saved.contains("s3cret") && !saved.contains("0ther"),
            "{saved}"
        );
        assert_eq!(admin.ask(&["ACL", "LOAD"]), simple("OK"));
        assert_eq!(gateway.ask(&["SISMEMBER", "revoked", "a"]), integer(0), "it is as it was");
        fs::write(&file, "user issuer on\n").unwrap();
        assert_eq!(admin.ask(&["ACL", "LOAD"]), simple("OK"));
        assert!(gateway.receive().is_err(), "there is no such user any more");
        fs::write(&file, "user gateway +nosuch\n").unwrap();
        let refusal = admin.ask(&["ACL", "LOAD"]);
        assert!(
            error(&refusal).contains("users.acl:1: user 'gateway': '+nosuch': Unknown command"),
            "{refusal:?}"
        );
        assert_eq!(strings(&admin.ask(&["ACL", "USERS"])), [&b"default"[..], b"issuer"]);
    }

    #[test]
    fn that_are_wrong_stop_the_start_in_one_line() {
        let (home, file) = home();
        for (text, why) in [("use gateway on\n", "users.acl:1: "), ("user gateway +x\n", "'+x'")] {
            fs::write(&file, text).unwrap();
            let ended = home.launch(free_port()).ended();
            assert_eq!(ended.code, Some(CONFIG));
            assert!(ended.log.contains(why), "{}", ended.log);
        }
        fs::remove_file(&file).unwrap();
        let ended = home.launch(free_port()).ended();
        assert!(ended.code == Some(CONFIG) && ended.log.contains(&file), "{}", ended.log);
    }

    #[test]
    fn that_are_made_at_run_time_are_written_into_the_configuration() {
        let home = Home::new();
        let file = home.path("revoked.toml");
        fs::write(&file, "# ours\nuser = ['gateway on >s3cret ~revoked +sismember']\n").unwrap();
        let home = home.with_argument(file.to_str().unwrap());
        let daemon = home.start();
        logged_in(&daemon);
        let admin = daemon.connect();
        admin.ask(&["ACL", "SETUSER", "issuer", "on", ">0ther", "~revoked", "+sadd"]);
        assert_eq!(admin.ask(&["CONFIG", "REWRITE"]), simple("OK"));
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.starts_with("# ours\nuser = [") && !text.contains("s3cret"), "{text}");
        daemon.stop();
        let daemon = home.start();
        logged_in(&daemon);
        assert_eq!(daemon.connect().ask(&["AUTH", "issuer", "0ther"]), simple("OK"));
    }

    /// A daemon with this configuration file, and no users but those that it names.
    fn configured(toml: &str) -> Home {
        let home = Home::new();
        let file = home.path("revoked.toml");
        fs::write(&file, toml).unwrap();
        home.with_argument(file.to_str().unwrap())
    }

    fn reread(home: &Home, daemon: &Daemon, toml: &str, outcome: &str) {
        fs::write(home.path("revoked.toml"), toml).unwrap();
        daemon.signal("HUP");
        daemon.wait_for_log(outcome);
    }

    #[test]
    fn keep_the_password_of_default_when_requirepass_is_taken_away() {
        let home = Home::new();
        let acl = home.path("users.acl");
        fs::write(&acl, "user default on >s3cret ~* &* +@all\n").unwrap();
        let lines = format!("aclfile = '{}'\n", acl.display());
        for lines in [lines, "user = ['default on >s3cret ~* &* +@all']\n".to_owned()] {
            let home = configured(&format!("{lines}requirepass = 'old'\n"));
            let daemon = home.start();
            daemon.wait_for_log("requirepass has no effect");
            reread(&home, &daemon, &lines, "The configuration was read anew");
            let client = daemon.connect();
            assert!(error(&client.ask(&["GET", "a"])).starts_with("NOAUTH"));
            assert!(error(&client.ask(&["AUTH", "old"])).starts_with("WRONGPASS"));
            assert_eq!(client.ask(&["AUTH", "s3cret"]), simple("OK"));
        }
    }

    #[test]
    fn keep_the_password_of_default_until_the_restart_that_a_new_aclfile_takes() {
        let home = Home::new();
        let acl = home.path("users.acl");
        fs::write(&acl, "user default on >s3cret ~* &* +@all\n").unwrap();
        let home = configured("requirepass = 'old'\n");
        let daemon = home.start();
        reread(
            &home,
            &daemon,
            &format!("aclfile = '{}'\n", acl.display()),
            "The configuration was read anew",
        );
        let client = daemon.connect();
        assert!(error(&client.ask(&["GET", "a"])).starts_with("NOAUTH"));
        assert_eq!(client.ask(&["AUTH", "old"]), simple("OK"));
        daemon.signal("TERM");
        let log = daemon.ended().log;
        assert!(log.contains("requirepass is (hidden) now: that takes a restart"), "{log}");
    }

    #[test]
    fn are_read_anew_from_their_file_at_sighup() {
        let (home, file) = home();
        let daemon = home.start();
        let gateway = logged_in(&daemon);
        fs::write(&file, "user gateway +nosuch\n").unwrap();
        daemon.signal("HUP");
        daemon.wait_for_log("users.acl:1: ");
        assert_eq!(gateway.ask(&["SISMEMBER", "revoked", "a"]), integer(0), "as they were");
        fs::write(&file, "user issuer on >0ther ~revoked +sadd\n").unwrap();
        daemon.signal("HUP");
        daemon.wait_for_log("The configuration was read anew");
        assert!(gateway.receive().is_err(), "there is no such user any more");
        assert_eq!(daemon.connect().ask(&["AUTH", "issuer", "0ther"]), simple("OK"));
    }

    #[test]
    fn are_read_anew_from_the_configuration_at_sighup_with_all_the_rest_or_not_at_all() {
        let home = configured("user = ['gateway on >s3cret ~revoked +sismember']\n");
        let daemon = home.start();
        let gateway = logged_in(&daemon);
        let wrong = "loglevel = 'verbose'\nuser = ['gateway on +nosuch']\n";
        reread(&home, &daemon, wrong, "'+nosuch'");
        assert_eq!(gateway.ask(&["SISMEMBER", "revoked", "a"]), integer(0));
        let admin = daemon.connect();
        let refused = "maxclients = 4294967295\nuser = ['issuer on >0ther ~revoked +sadd']\n";
        reread(&home, &daemon, refused, "maxclients: ");
        assert_eq!(strings(&admin.ask(&["ACL", "USERS"])), [&b"default"[..], b"gateway"]);
        let right = "user = ['issuer on >0ther ~revoked +sadd']\n";
        reread(&home, &daemon, right, "The configuration was read anew");
        assert!(gateway.receive().is_err(), "there is no such user any more");
        assert_eq!(strings(&admin.ask(&["ACL", "USERS"])), [&b"default"[..], b"issuer"]);
        daemon.signal("TERM");
        let log = daemon.ended().log;
        assert!(!log.contains("CONFIG SET") && !log.contains("s3cret") && !log.contains("restart"), "{log}");
    }

    #[test]
    fn that_were_rewritten_are_no_news_at_sighup() {
        let home = configured("");
        let daemon = home.start();
        let admin = daemon.connect();
        admin.ask(&["ACL", "SETUSER", "issuer", "on", ">0ther", "~revoked", "+sadd"]);
        assert_eq!(admin.ask(&["CONFIG", "REWRITE"]), simple("OK"));
        admin.ask(&["ACL", "SETUSER", "later", "on", "nopass"]);
        daemon.signal("HUP");
        daemon.wait_for_log("The configuration was read anew");
        assert_eq!(strings(&admin.ask(&["ACL", "USERS"])).len(), 3, "nothing else was said of them");
        daemon.signal("TERM");
        let log = daemon.ended().log;
        assert!(!log.contains("user is") && !log.contains("user was"), "{log}");
    }

    #[test]
    fn who_fail_to_log_in_are_logged_without_what_they_sent() {
        let (home, _) = home();
        let daemon = home.start();
        let client = daemon.connect();
        for _ in 0..3 {
            client.ask(&["AUTH", "hunter2", "hunter3"]);
            client.ask(&["AUTH", "gateway", "hunter4"]);
        }
        daemon.signal("TERM");
        let log = daemon.ended().log;
        assert_eq!(log.matches("could not log in").count(), 1, "{log}");
        assert!(!log.contains("hunter"), "{log}");
    }
}

#[test]
fn a_port_that_is_taken_is_told_apart() {
    let home = Home::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let ended = home.launch(address.port()).ended();
    assert_eq!(ended.code, Some(PORT_IN_USE), "{}", ended.log);
    assert!(ended.log.contains(&address.to_string()), "{}", ended.log);
}

#[test]
fn clients_beyond_the_limit_of_open_files_are_refused_and_not_left_waiting() {
    let home = Home::new().started_through(&["sh", "-c", r#"ulimit -n 64 && exec "$0" "$@""#]);
    let daemon = home.start();
    daemon.wait_for_log("maxclients is 32 instead of 10000");
    let clients: Vec<_> = (0..32).map(|_| daemon.connect()).collect();
    for client in &clients {
        assert_eq!(client.ask(&["PING"]), simple("PONG"));
    }
    assert_eq!(error(&daemon.connect().receive().unwrap()), "ERR max number of clients reached");
}

mod the_data_file {
    use super::*;

    #[test]
    fn shows_each_acknowledged_change_to_sql_at_once() {
        let home = Home::new();
        let daemon = home.start();
        let (client, reader) = (daemon.connect(), open_read_only(&home.data_file()));
        for count in 1..=50 {
            client.ask(&["SADD", "k", &count.to_string()]);
            assert_eq!(count_by_sql(&reader), count);
        }
    }

    #[test]
    fn takes_writes_while_a_program_reads_it() {
        let home = Home::new();
        let daemon = home.start();
        let client = daemon.connect();
        client.ask(&["SADD", "k", "1"]);
        let reader = open_read_only(&home.data_file());
        reader.execute_batch("BEGIN").unwrap();
        assert_eq!(count_by_sql(&reader), 1);
        assert_eq!(client.ask(&["SADD", "k", "2"]), integer(1));
        assert_eq!(count_by_sql(&reader), 1, "a reader's moment stands still");
        reader.execute_batch("COMMIT").unwrap();
        assert_eq!(count_by_sql(&reader), 2);
    }

    #[test]
    fn is_left_by_a_daemon_that_ends_while_a_program_reads_it() {
        let home = Home::new();
        let daemon = home.start();
        daemon.connect().ask(&["SADD", "k", "1"]);
        let reader = open_read_only(&home.data_file());
        reader.execute_batch("BEGIN").unwrap();
        assert_eq!(count_by_sql(&reader), 1);
        daemon.stop();
        drop(reader);
        assert_eq!(home.start().connect().ask(&["SCARD", "k"]), integer(1));
    }

    #[test]
    fn that_another_program_locks_is_waited_for() {
        let home = Home::new();
        let daemon = home.start();
        let client = daemon.connect();
        let other = locked(&home);
        client.send(&encode(&["SADD", "k", "m"])).unwrap();
        // By then the write is on its way, or stands in the socket.
        assert_eq!(daemon.connect().ask(&["SCARD", "k"]), integer(0));
        other.execute_batch("COMMIT").unwrap();
        assert_eq!(client.receive().unwrap(), integer(1));
    }

    #[test]
    fn that_another_program_keeps_locked_takes_no_writes_until_it_is_released() {
        let home = Home::new();
        let daemon = home.start();
        let client = daemon.connect();
        client.ask(&["SADD", "k", "before"]);
        let other = locked(&home);
        assert_misconf(&client.ask(&["SADD", "k", "during"]));
        assert_eq!(client.members("k"), [b"before"], "reads go on");
        other.execute_batch("COMMIT").unwrap();
        assert_eq!(client.ask(&["SADD", "k", "after"]), integer(1));
        drop((client, daemon));
        assert_eq!(home.start().connect().members("k"), [&b"after"[..], b"before"]);
    }

    #[test]
    fn that_keeps_a_commit_waiting_shows_in_latency_and_slowlog() {
        let home = Home::with_options(&["--latency-monitor-threshold", "1"]);
        let daemon = home.start();
        let client = daemon.connect();
        let other = locked(&home);
        client.send(&encode(&["SADD", "k", "m"])).unwrap();
        let (began, reader) = (Instant::now(), daemon.connect());
        while began.elapsed() < Duration::from_millis(50) {
            assert_eq!(reader.ask(&["SCARD", "k"]), integer(0));
        }
        other.execute_batch("COMMIT").unwrap();
        assert_eq!(client.receive().unwrap(), integer(1));
        let latest = format!("{:?}", reader.ask(&["LATENCY", "LATEST"]));
        assert!(latest.contains("aof-fsync-always") && latest.contains("fast-command"), "{latest}");
        assert!(format!("{:?}", reader.ask(&["SLOWLOG", "GET"])).contains("SADD"));
    }

    #[test]
    fn takes_writes_behind_a_checkpoint_that_a_reader_holds_up() {
        let home = Home::new();
        let daemon = home.start();
        let client = daemon.connect();
        client.ask(&["SADD", "k", "1"]);
        let reader = open_read_only(&home.data_file());
        reader.execute_batch("BEGIN").unwrap();
        assert_eq!(count_by_sql(&reader), 1);
        assert_eq!(client.ask(&["BGSAVE"]), simple("Background saving started"));
        assert_eq!(client.ask(&["SADD", "k", "2"]), integer(1));
    }

    fn locked(home: &Home) -> Connection {
        let other = Connection::open(home.data_file()).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        other
    }

    #[test]
    fn is_rid_of_what_it_says_in_vain_by_bgrewriteaof_and_says_the_same() {
        let home = Home::with_options(&["--appendfsync", "no"]);
        let daemon = home.start();
        let client = daemon.connect();
        for round in 0..20 {
            let members: Vec<_> = (0..100).map(|member| format!("{round}-{member}")).collect();
            let all =
                |name| [&[name, "k"][..], &members.iter().map(String::as_str).collect::<Vec<_>>()].concat();
            client.ask(&all("SADD"));
            client.ask(&all("SREM"));
        }
        client.ask(&["SADD", "k", "stays"]);
        client.ask(&["SET", "s", "string", "EX", "1000"]);
        let rows = || info(&client, "persistence", "revoked_journal_rows").parse::<usize>().unwrap();
        assert!(rows() > 4_000);
        client.ask(&["BGREWRITEAOF"]);
        until_compact(&client);
        assert!(rows() <= 5, "a set, a member, a string, and times: {} rows", rows());
        let reader = open_read_only(&home.data_file());
        assert_eq!(count_by_sql(&reader), 1);
        drop((reader, client));
        daemon.stop();
        let daemon = home.start();
        let client = daemon.connect();
        assert_eq!(strings(&client.ask(&["SMEMBERS", "k"])), [b"stays"]);
        assert!(matches!(client.ask(&["GET", "s"]), Frame::BulkString(string) if string == "string"));
    }
}

mod a_full_disk {
    use super::*;

    /// What is added until there is no more room, a piece at a time.
    const PIECE: usize = 64 * 1024;

    /// A disk that is really full: a small one in memory, seen by the daemon alone. It takes a system that lets
    /// everybody make a namespace; where that is not so, the journal's own tests must do, but never in the gate.
    #[test]
    fn refuses_writes_until_there_is_room_again() {
        if !Command::new("unshare").args(["-Urm", "true"]).status().is_ok_and(|status| status.success()) {
            assert!(std::env::var_os("CI").is_none(), "the gate takes a system that gives namespaces");
            eprintln!("skipped: this system has no user namespaces to give");
            return;
        }
        let home = Home::new();
        let directory = home.path("");
        let mount = format!(r#"mount -t tmpfs -o size=2m none {} && exec "$0" "$@""#, directory.display());
        let home = home.started_through(&["unshare", "-Urm", "sh", "-c", &mount]);
        let daemon = home.start();
        let client = daemon.connect();
        let ballast = format!("/proc/{}/root{}", daemon.pid(), home.path("ballast").display());
        fs::write(&ballast, vec![0; 512 * 1024]).unwrap();
        let kept = fill(&client);
        assert_eq!(client.ask(&["SCARD", "k"]), integer(kept), "reads go on");
        fs::remove_file(ballast).unwrap();
        assert_eq!(client.ask(&[b"SADD", &b"k"[..], &piece(kept)]), integer(1));
    }

    /// A limit that the system sets stands for every other write that fails.
    #[test]
    fn that_fails_writes_otherwise_loses_nothing_either() {
        let home = Home::new().started_through(&LITTLE_ROOM);
        let daemon = home.start();
        let client = daemon.connect();
        let kept = fill(&client);
        assert_eq!(client.ask(&["SCARD", "k"]), integer(kept), "reads go on");
        drop(client);
        daemon.stop();
        let daemon = home.started_through(&[]).start();
        let client = daemon.connect();
        assert_eq!(client.ask(&["SCARD", "k"]), integer(kept));
        assert_eq!(client.ask(&[b"SADD", &b"k"[..], &piece(kept + 1)]), integer(1));
    }

    /// Adds pieces until one is refused. Returns how many were taken.
    fn fill(client: &Client) -> usize {
        let refused = (0..1000).map(|number| client.ask(&[b"SADD", &b"k"[..], &piece(number)])).enumerate();
        let (kept, reply) = { refused }.find(|(_, reply)| *reply != integer(1)).unwrap();
        assert_misconf(&reply);
        kept
    }

    fn piece(number: usize) -> Vec<u8> {
        format!("{number} {}", "-".repeat(PIECE)).into_bytes()
    }
}

mod the_log {
    use super::*;

    #[test]
    fn is_all_that_its_level_changes() {
        for level in ["debug", "verbose", "notice", "warning"] {
            let home = Home::with_options(&["--loglevel", level]);
            let daemon = home.start_silent();
            assert_eq!(daemon.connect().ask(&["SADD", "k", "a"]), integer(1), "{level}");
            daemon.stop();
        }
    }

    const TOKEN: &str = "tok3n";
    const PASSWORD: &str = "passw0rd";

    #[test]
    fn never_shows_a_token_or_a_password() {
        let home = Home::with_options(&["--requirepass", PASSWORD]);
        let daemon = home.start();
        for request in [
            &["SADD", TOKEN, TOKEN][..],
            &["AUTH", TOKEN],
            &["AUTH", "default", TOKEN],
            &["HELLO", "3", "AUTH", "default", TOKEN],
            &["AUTH", PASSWORD],
            &["HELLO", "2", "AUTH", "default", PASSWORD, "SETNAME", TOKEN],
            &["SADD", TOKEN, TOKEN],
            &["SREM", TOKEN, TOKEN],
            &["SADD", TOKEN],
            &[TOKEN, TOKEN],
            &["CLIENT", TOKEN],
            &["SELECT", TOKEN],
            &["CONFIG", "GET", "*"],
            &["CONFIG", "SET", "requirepass", PASSWORD],
            &["CONFIG", "SET", "loglevel", TOKEN],
            &["CONFIG", "SET", TOKEN, TOKEN],
        ] {
            let client = daemon.connect();
            client.ask(&["AUTH", PASSWORD]);
            client.ask(request);
        }
        for garbage in
            [format!("{TOKEN}\r\n"), format!("*1\r\n{TOKEN}\r\n"), format!("POST /{TOKEN} HTTP/1.1\r\n")]
        {
            let client = daemon.connect();
            client.send(garbage.as_bytes()).unwrap();
            let _ = client.receive();
        }
        daemon.signal("TERM");
        let log = daemon.ended().log;
        assert!(log.contains("HTTP") && log.contains("Bye"), "{log}");
        assert!(!log.contains(TOKEN) && !log.contains(PASSWORD), "{log}");
    }

    #[test]
    fn never_shows_a_token_that_could_not_be_stored() {
        let home = Home::new().started_through(&LITTLE_ROOM);
        let daemon = home.start();
        assert_misconf(&daemon.connect().ask(&["SADD", TOKEN, &TOKEN.repeat(1 << 20)]));
        daemon.signal("TERM");
        let log = daemon.ended().log;
        assert!(log.contains("ERROR") && !log.contains(TOKEN), "{log}");
    }

    #[test]
    fn is_an_object_a_line_if_json_is_asked_for() {
        let home = Home::with_options(&["--logformat", "json"]);
        let daemon = home.start();
        daemon.signal("TERM");
        let log = daemon.ended().log;
        assert!(log.lines().count() > 3, "{log}");
        let sqlite = Connection::open_in_memory().unwrap();
        for line in log.lines() {
            let message = "SELECT json_extract(?1, '$.fields.message')";
            let message: String = sqlite.query_row(message, [line], |row| row.get(0)).unwrap();
            assert!(!message.is_empty(), "{line}");
        }
    }

    #[test]
    fn says_in_the_end_how_much_was_served() {
        let home = Home::with_options(&["--logformat", "json"]);
        let daemon = home.start();
        let client = daemon.connect();
        client.ask(&["CONFIG", "RESETSTAT"]);
        client.ask(&["SADD", "k", "a"]);
        client.ask(&["SISMEMBER", "k", "a"]);
        client.ask(&["SADD", "k"]);
        daemon.signal("TERM");
        let log = daemon.ended().log;
        let served = log.lines().find(|line| line.contains(r#""Served""#)).expect(&log);
        let sqlite = Connection::open_in_memory().unwrap();
        let count = |field: &str| -> u32 {
            let count = format!("SELECT json_extract(?1, '$.fields.{field}')");
            sqlite.query_row(&count, [served], |row| row.get(0)).unwrap()
        };
        // RESETSTAT itself counts.
        assert_eq!((count("requests"), count("errors"), count("commits")), (3, 1, 1), "{served}");
    }

    #[test]
    fn says_why_the_daemon_ended_as_json_too() {
        let home = Home::with_options(&["--logformat", "json"]);
        fs::create_dir(home.data_file()).unwrap();
        let ended = home.launch(free_port()).ended();
        let sqlite = Connection::open_in_memory().unwrap();
        let level = "SELECT json_extract(?1, '$.level')";
        let level: String =
            sqlite.query_row(level, [ended.log.lines().last().unwrap()], |row| row.get(0)).unwrap();
        assert_eq!(level, "ERROR");
    }
}

mod a_subscriber_that_never_reads {
    use super::*;

    const LIMIT_MB: usize = 4;

    /// Far more than socket buffers and the limit hold.
    const PUBLISHED_MB: usize = 200;

    const CHANNEL: &str = "secret-channel";

    #[test]
    fn is_cut_off_and_memory_stays_bounded() {
        let limit = format!("pubsub {LIMIT_MB}mb 0 0");
        let daemon = Home::with_options(&["--client-output-buffer-limit", &limit]).start();
        let (slow, publisher) = (daemon.connect(), daemon.connect());
        slow.ask(&["SUBSCRIBE", CHANNEL]);
        let message = "secret-message".repeat(1_000_000 / "secret-message".len());
        publisher.ask(&["PUBLISH", "nobody-listens", &message]);
        let before_mb = peak_mb(&publisher);
        let receivers: Vec<_> =
            (0..PUBLISHED_MB).map(|_| publisher.ask(&["PUBLISH", CHANNEL, &message])).collect();
        assert_eq!((&receivers[0], receivers.last().unwrap()), (&integer(1), &integer(0)));
        let grown_mb = peak_mb(&publisher) - before_mb;
        assert!(grown_mb < 10 * LIMIT_MB, "{grown_mb} MB more");
        assert_eq!(info(&publisher, "stats", "client_output_buffer_limit_disconnections"), "1");

        daemon.wait_for_log("client-output-buffer-limit");
        daemon.signal("TERM");
        let log = daemon.ended().log;
        assert_eq!(log.matches("WARN").count(), 1, "{log}");
        assert!(!log.contains("secret"), "{log}");
    }
}

mod a_client_that_reads_a_large_set_slowly {
    use super::*;

    /// Of a kilobyte each: more than sockets take in.
    const MEMBERS: usize = 20_000;

    const MEMBER_BYTES: usize = 1_000;

    /// What a member takes in the reply.
    const BULK_BYTES: usize = "$1000\r\n\r\n".len() + MEMBER_BYTES;

    fn member(number: usize) -> String {
        format!("{number:010}{}", "x".repeat(MEMBER_BYTES - 10))
    }

    fn filled(members: usize) -> (Daemon, Client) {
        let daemon = Home::with_options(&["--appendfsync", "no"]).start();
        let client = daemon.connect();
        for first in (0..members).step_by(500) {
            let names = (first..first + 500).map(member);
            client.ask(&["SADD".to_owned(), "k".to_owned()].into_iter().chain(names).collect::<Vec<_>>());
        }
        (daemon, client)
    }

    /// A client that has read how many members are to come.
    struct Reader(BufReader<TcpStream>);

    impl Reader {
        fn begin(daemon: &Daemon, members: usize) -> Self {
            let mut reader = BufReader::new(TcpStream::connect(("127.0.0.1", daemon.port)).unwrap());
            reader.get_ref().set_read_timeout(Some(PATIENCE)).unwrap();
            reader.get_mut().write_all(&encode(&["SMEMBERS", "k"])).unwrap();
            let mut head = String::new();
            reader.read_line(&mut head).unwrap();
            assert_eq!(head, format!("*{members}\r\n"));
            Self(reader)
        }

        /// Whether all of these members came, each once, before the connection ended.
        fn finish(mut self, members: usize) -> bool {
            let mut rest = vec![0; members * BULK_BYTES];
            if self.0.read_exact(&mut rest).is_err() {
                return false;
            }
            let head = "$1000\r\n".len();
            let names = rest.chunks(BULK_BYTES).map(|bulk| text(&bulk[head..head + MEMBER_BYTES]).to_owned());
            assert_eq!(names.collect::<BTreeSet<_>>(), (0..members).map(member).collect());
            true
        }
    }

    #[test]
    fn keeps_nobody_waiting_and_takes_no_memory_for_the_reply() {
        let (daemon, other) = filled(MEMBERS);
        let before_mb = peak_mb(&other);
        let reader = Reader::begin(&daemon, MEMBERS);
        for number in (0..MEMBERS).step_by(MEMBERS / 100) {
            assert_eq!(other.ask(&["SADD", "k", &number.to_string()]), integer(1));
            assert_eq!(other.ask(&["SREM", "k", &member(number)]), integer(1));
            assert_eq!(other.ask(&["SISMEMBER", "k", &member(number)]), integer(0));
        }
        assert_eq!(other.ask(&["RENAME", "k", "other"]), simple("OK"));
        assert_eq!(other.ask(&["DEL", "other"]), integer(1));
        assert_eq!(other.ask(&["FLUSHALL"]), simple("OK"));
        assert_eq!(other.ask(&["SADD", "k", "new"]), integer(1));
        let grown_mb = peak_mb(&other) - before_mb;
        assert!(grown_mb < MEMBERS * MEMBER_BYTES / 2_000_000, "{grown_mb} MB more");
        assert!(!has_ended(&other), "all that was while the replies were under way");
        assert!(reader.finish(MEMBERS));
    }

    fn has_ended(client: &Client) -> bool {
        let Frame::BulkString(report) = client.ask(&["INFO", "commandstats"]) else { panic!("no text") };
        text(&report).contains("cmdstat_smembers")
    }

    /// What changes is noted for each of many, so that little need change.
    #[test]
    fn is_cut_off_where_too_much_changes_and_the_others_are_not() {
        const READERS: usize = 16;
        let members = 8_000;
        let (daemon, other) = filled(members);
        let readers: Vec<_> = (0..READERS).map(|_| Reader::begin(&daemon, members)).collect();
        let before_mb = peak_mb(&other);
        let cut_off = || info(&other, "stats", "client_output_buffer_limit_disconnections");
        let started = Instant::now();
        for number in 0.. {
            if cut_off() != "0" {
                break;
            }
            assert!(number < 100 || started.elapsed() < PATIENCE, "{}", daemon.log());
            if number < 100 {
                let long = format!("{number}{}", "secret".repeat(170_000));
                assert_eq!(other.ask(&["SADD", "k", &long]), integer(1));
                assert_eq!(other.ask(&["SREM", "k", &long]), integer(1));
            }
        }
        let grown_mb = peak_mb(&other) - before_mb;
        assert!(grown_mb < 400, "{grown_mb} MB more");
        daemon.wait_for_log("so slowly");
        let complete =
            readers.into_iter().map(|reader| reader.finish(members)).filter(|complete| *complete).count();
        assert!((1..READERS).contains(&complete), "{complete}");
        assert!(!daemon.log().contains("secret"), "{}", daemon.log());
    }
}

fn peak_mb(client: &Client) -> usize {
    info(client, "memory", "used_memory_peak").parse::<usize>().unwrap() / 1_000_000
}

fn info(client: &Client, section: &str, field: &str) -> String {
    let Frame::BulkString(report) = client.ask(&["INFO", section]) else { panic!("no text") };
    let value = text(&report).lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':')).unwrap();
    value.to_owned()
}

fn assert_misconf(reply: &Frame) {
    assert!(error(reply).starts_with("MISCONF "), "{reply:?}");
}

fn count_by_sql(reader: &Connection) -> i64 {
    reader.query_row("SELECT count(*) FROM revocations", [], |row| row.get(0)).unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

mod the_configuration {
    use super::*;

    /// A daemon with this configuration file.
    fn configured(toml: &str) -> Home {
        let home = Home::new();
        let path = home.path("revoked.toml");
        fs::write(&path, toml).unwrap();
        home.with_argument(path.to_str().unwrap())
    }

    fn get(client: &Client, name: &str) -> String {
        String::from_utf8(strings(&client.ask(&["CONFIG", "GET", name])).remove(1)).unwrap()
    }

    #[test]
    fn that_is_rewritten_is_there_at_the_next_start() {
        let home = configured("# Ours.\nmaxclients = 50 # few\n\n# The log.\nloglevel = \"notice\"\n");
        let daemon = home.start();
        let client = daemon.connect();
        let set = ["CONFIG", "SET", "maxclients", "60", "slowlog-max-len", "7", "appendfsync", "everysec"];
        assert_eq!(client.ask(&set), simple("OK"));
        assert_eq!(client.ask(&["CONFIG", "REWRITE"]), simple("OK"));
        let text = fs::read_to_string(home.path("revoked.toml")).unwrap();
        assert!(
            text.starts_with("# Ours.\nmaxclients = 60 # few\n\n# The log.\nloglevel = \"notice\"\n"),
            "{text}"
        );
        assert!(text.contains("\n# Written by CONFIG REWRITE.\n"), "{text}");
        daemon.stop();
        let daemon = home.start();
        let client = daemon.connect();
        for (name, value) in [("maxclients", "60"), ("slowlog-max-len", "7"), ("appendfsync", "everysec")] {
            assert_eq!(get(&client, name), value);
        }
    }

    #[test]
    fn without_a_file_can_not_be_rewritten() {
        let daemon = Home::new().start();
        let reply = daemon.connect().ask(&["CONFIG", "REWRITE"]);
        assert_eq!(error(&reply), "ERR The server is running without a config file");
    }

    #[test]
    fn that_can_not_be_written_is_told() {
        let home = configured("maxclients = 50\n");
        let daemon = home.start();
        let client = daemon.connect();
        assert_eq!(client.ask(&["CONFIG", "SET", "maxclients", "60"]), simple("OK"));
        fs::write(home.path("revoked.toml"), "maxclients = \n").unwrap();
        let reply = client.ask(&["CONFIG", "REWRITE"]);
        assert!(error(&reply).starts_with("ERR Rewriting config file: "), "{reply:?}");
        assert_eq!(fs::read_to_string(home.path("revoked.toml")).unwrap(), "maxclients = \n");
    }

    #[test]
    fn changes_the_log_at_once() {
        let daemon = Home::with_options(&["--loglevel", "warning"]).start_silent();
        let client = daemon.connect();
        assert_eq!(client.ask(&["CONFIG", "SET", "loglevel", "verbose"]), simple("OK"));
        drop(daemon.connect());
        daemon.wait_for_log("Connected");
        assert_eq!(client.ask(&["CONFIG", "SET", "loglevel", "warning"]), simple("OK"));
        daemon.signal("TERM");
        assert!(!daemon.ended().log.contains("Bye"));
    }

    #[test]
    fn changes_the_policy_under_way_and_keeps_what_was_written() {
        let home = Home::with_options(&["--appendfsync", "no"]);
        let daemon = home.start();
        let client = daemon.connect();
        for (member, policy) in ["always", "everysec", "no", "always"].into_iter().enumerate() {
            assert_eq!(client.ask(&["CONFIG", "SET", "appendfsync", policy]), simple("OK"));
            assert_eq!(client.ask(&["SADD", "k", &member.to_string()]), integer(1));
            let info = client.ask(&["INFO", "persistence"]);
            let Frame::BulkString(info) = &info else { panic!("{info:?}") };
            assert!(text(info).contains(&format!("revoked_journal_appendfsync:{policy}\r\n")));
        }
        daemon.kill();
        assert_eq!(home.start().connect().members("k").len(), 4);
    }

    #[test]
    fn takes_more_clients_as_far_as_there_are_file_descriptors() {
        let home = Home::new().started_through(&["sh", "-c", r#"ulimit -n 64 && exec "$0" "$@""#]);
        let daemon = home.start();
        let client = daemon.connect();
        let reply = client.ask(&["CONFIG", "SET", "maxclients", "33"]);
        assert_eq!(
            error(&reply),
            "ERR CONFIG SET failed (possibly related to argument 'maxclients') - The operating system is not \
             able to handle the specified number of clients, try with 32"
        );
        assert_eq!(get(&client, "maxclients"), "32");
        assert_eq!(client.ask(&["CONFIG", "SET", "maxclients", "1"]), simple("OK"));
        assert_eq!(error(&daemon.connect().receive().unwrap()), "ERR max number of clients reached");
    }

    #[test]
    fn takes_a_password_and_never_shows_it() {
        let home = configured("requirepass = \"first\"\n");
        let daemon = home.start();
        let client = daemon.connect();
        assert_eq!(client.ask(&["AUTH", "first"]), simple("OK"));
        for words in [&["slowlog-log-slower-than", "0"], &["requirepass", "s3cret"]] {
            assert_eq!(client.ask(&[&["CONFIG", "SET"], &words[..]].concat()), simple("OK"));
        }
        let other = daemon.connect();
        assert!(error(&other.ask(&["AUTH", "first"])).starts_with("WRONGPASS"));
        assert_eq!(other.ask(&["AUTH", "s3cret"]), simple("OK"));
        assert!(!format!("{:?}", client.ask(&["SLOWLOG", "GET", "-1"])).contains("s3cret"));
        assert_eq!(client.ask(&["CONFIG", "REWRITE"]), simple("OK"));
        let written = fs::read_to_string(home.path("revoked.toml")).unwrap();
        assert!(written.starts_with("requirepass = \"s3cret\"\n"), "{written}");
        daemon.signal("TERM");
        assert!(!daemon.ended().log.contains("s3cret"));
    }
}
