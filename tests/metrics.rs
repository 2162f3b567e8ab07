//! What is told at `metrics-port`, and that dashboard, alerts and documentation speak of what is there.
//!
//! After a change of the metrics: `UPDATE=1 cargo test --test metrics`.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]
#![allow(clippy::float_cmp, reason = "counts are whole numbers, which floats hold exactly")]

mod support;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Instant;

use revoked::journal::failpoints;
use revoked::limits::{METRICS_CONNECTIONS, METRICS_TIMEOUT};
use rusqlite::Connection;

use support::process::{Daemon, Home, PATIENCE, encode, free_port, integer, simple};

/// A daemon, and where its metrics are.
struct Observed {
    daemon: Daemon,
    port: u16,
}

/// An answer by HTTP.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

fn observed(home: &Home) -> Observed {
    let port = free_port();
    let daemon = home.clone_with(&["--metrics-port", &port.to_string()]).start();
    Observed { daemon, port }
}

impl Observed {
    fn start() -> Self {
        observed(&Home::new())
    }

    fn get(&self, path: &str) -> Answer {
        request(self.port, &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")).unwrap()
    }

    /// The value of each sample by its name, labels and all.
    fn samples(&self) -> BTreeMap<String, f64> {
        let samples = self.get("/metrics").body;
        let samples = samples.lines().filter(|line| !line.starts_with('#'));
        samples
            .map(|line| {
                let (name, value) = line.rsplit_once(' ').unwrap();
                (name.to_owned(), value.parse().unwrap())
            })
            .collect()
    }
}

fn request(port: u16, request: &str) -> io::Result<Answer> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(request.as_bytes())?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let (head, body) = text.split_once("\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Ok(Answer { status, head: head.to_lowercase(), body: body.to_owned() })
}

mod metrics {
    use super::*;

    #[test]
    fn tell_what_was_done() {
        let server = Observed::start();
        let client = server.daemon.connect();
        client.ask(&["SADD", "k", "a", "b"]);
        client.ask(&["SISMEMBER", "k", "a"]);
        client.ask(&["GET", "k"]);
        client.ask(&["GET"]);
        let samples = server.samples();
        let expected = [
            (r#"revoked_commands_total{command="sadd",result="ok"}"#, 1.0),
            (r#"revoked_commands_total{command="sismember",result="ok"}"#, 1.0),
            (r#"revoked_commands_total{command="get",result="error"}"#, 1.0),
            (r#"revoked_commands_total{command="get",result="rejected"}"#, 1.0),
            (r#"revoked_command_duration_seconds_count{command="sadd"}"#, 1.0),
            (r#"revoked_command_duration_seconds_bucket{command="sadd",le="+Inf"}"#, 1.0),
            (r#"revoked_commit_duration_seconds_bucket{le="+Inf"}"#, 1.0),
            ("revoked_commit_rows_sum", 4.0),
            ("revoked_commit_rows_count", 1.0),
            (r#"revoked_commit_rows_bucket{le="2"}"#, 0.0),
            (r#"revoked_commit_rows_bucket{le="4"}"#, 1.0),
            (r#"revoked_keys{database="0"}"#, 1.0),
            (r#"revoked_members{database="0"}"#, 2.0),
            ("revoked_journal_live_rows", 3.0),
            ("revoked_connected_clients", 1.0),
            ("revoked_loading", 0.0),
            ("revoked_writes_refused", 0.0),
        ];
        for (name, value) in expected {
            assert_eq!(samples.get(name), Some(&value), "{name} in {samples:#?}");
        }
        for name in ["process_resident_memory_bytes", "revoked_memory_used_bytes", "revoked_wal_bytes"] {
            assert!(samples[name] > 0.0, "{name}");
        }
    }

    #[test]
    fn never_name_a_key_or_a_member() {
        let server = Observed::start();
        let client = server.daemon.connect();
        client.ask(&["SADD", "secret-key", "secret-member"]);
        client.ask(&["secret-command"]);
        assert!(!server.get("/metrics").body.contains("secret"));
    }

    #[test]
    fn come_in_the_format_that_is_asked_for() {
        let server = Observed::start();
        let plain = server.get("/metrics");
        assert!(plain.head.contains("content-type: text/plain; version=0.0.4"), "{}", plain.head);
        assert!(!plain.body.contains("# EOF"));
        let accept = "Accept: application/openmetrics-text;version=1.0.0;q=0.5,*/*;q=0.1";
        let asked = format!("GET /metrics HTTP/1.1\r\nHost: localhost\r\n{accept}\r\n\r\n");
        let open = request(server.port, &asked).unwrap();
        assert!(open.head.contains("content-type: application/openmetrics-text; version=1.0.0"));
        assert!(open.body.ends_with("# EOF\n"));
    }

    #[test]
    fn are_not_told_unless_it_was_asked_for() {
        let daemon = Home::new().start();
        assert!(!daemon.log().contains("Metrics"));
        let reply = daemon.connect().ask(&["CONFIG", "GET", "metrics-port"]);
        assert_eq!(support::process::strings(&reply), [b"metrics-port".to_vec(), b"0".to_vec()]);
    }

    #[test]
    fn of_a_port_that_is_taken_end_the_start() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port().to_string();
        let output = Home::new().run(&["--metrics-port", &port]);
        let log = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(support::process::PORT_IN_USE));
        assert!(log.contains(&format!("can't listen on 127.0.0.1:{port}")), "{log}");
    }
}

mod the_state {
    use super::*;

    #[test]
    fn of_a_server_that_serves_is_200() {
        let server = Observed::start();
        for path in ["/live", "/ready", "/writable"] {
            assert_eq!(server.get(path).status, 200, "{path}");
        }
    }

    #[test]
    fn of_a_server_that_loads_is_503_but_it_lives() {
        let home = Home::new();
        home.start().stop();
        let port = free_port();
        let home = home.clone_with(&["--metrics-port", &port.to_string()]);
        let paused = format!("{}=pause", failpoints::REPLAYED);
        let daemon = home.launch_with_failpoints(free_port(), &paused);
        daemon.wait_for_log("Metrics are at");
        let server = Observed { daemon, port };
        for (path, status) in [("/live", 200), ("/ready", 503), ("/writable", 503), ("/metrics", 200)] {
            assert_eq!(server.get(path).status, status, "{path}");
        }
        let ready = server.get("/ready");
        assert!(ready.head.contains("retry-after: 1"), "{}", ready.head);
        assert_eq!(server.samples()["revoked_loading"], 1.0);
    }

    #[test]
    fn of_a_server_that_cannot_write_is_ready_but_not_writable() {
        let home =
            Home::new().started_through(&["sh", "-c", r#"trap "" XFSZ; ulimit -S -f 1024; exec "$0" "$@""#]);
        let server = observed(&home);
        let long = "-".repeat(4 << 20);
        server.daemon.connect().ask(&["SADD", "k", &long]);
        assert_eq!(server.get("/ready").status, 200);
        let writable = server.get("/writable");
        assert_eq!(writable.status, 503);
        assert!(writable.body.contains("-MISCONF"), "{}", writable.body);
        assert_eq!(server.samples()["revoked_writes_refused"], 1.0);
    }

    #[test]
    fn of_a_server_without_room_is_not_writable() {
        let port = free_port();
        let home = Home::with_options(&["--metrics-port", &port.to_string(), "--maxmemory", "1"]);
        let server = Observed { daemon: home.start(), port };
        let writable = server.get("/writable");
        assert_eq!((writable.status, writable.body.contains("-OOM")), (503, true), "{writable:?}");
    }
}

mod a_request {
    use super::*;

    #[test]
    fn for_something_else_is_told_what_there_is() {
        let server = Observed::start();
        let other = server.get("/");
        assert_eq!(other.status, 404);
        assert!(other.body.contains("/metrics"), "{}", other.body);
        let post = request(server.port, "POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
        let post = post.unwrap();
        assert_eq!((post.status, post.head.contains("allow: get, head")), (405, true), "{post:?}");
        let head = request(server.port, "HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        assert_eq!((head.status, head.body.as_str()), (200, ""));
    }

    #[test]
    fn that_is_not_http_or_too_long_is_refused() {
        let server = Observed::start();
        assert_eq!(request(server.port, "*1\r\n$4\r\nPING\r\n\r\n").unwrap().status, 400);
        let long = format!("GET /metrics HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(100_000));
        // It may end before all was sent.
        assert!(request(server.port, &long).map_or(true, |answer| answer.status == 431));
        assert_eq!(server.get("/live").status, 200);
    }

    #[test]
    fn that_is_never_made_keeps_nobody_out_for_longer_than_a_probe_waits() {
        let server = Observed::start();
        let all = METRICS_CONNECTIONS;
        let idle: Vec<_> =
            (0..all).map(|_| TcpStream::connect(("127.0.0.1", server.port)).unwrap()).collect();
        let started = Instant::now();
        assert_eq!(server.get("/ready").status, 200);
        assert!(started.elapsed() < METRICS_TIMEOUT, "{:?}", started.elapsed());
        drop(idle);
    }

    #[test]
    fn does_not_wait_for_clients_nor_they_for_it() {
        let server = Observed::start();
        let _idle = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
        let client = server.daemon.connect();
        client.send(&encode(&["SADD", "k", "m"])).unwrap();
        assert_eq!(client.receive().unwrap(), integer(1));
        assert_eq!(client.ask(&["PING"]), simple("PONG"));
        server.daemon.stop();
    }
}

mod what_speaks_of_metrics {
    use super::*;

    const DASHBOARD: &str = "packaging/monitoring/grafana-dashboard.json";
    const ALERTS: &str = "packaging/monitoring/alerts.yml";
    const DOCUMENTATION: &str = "packaging/monitoring/README.md";
    const BEGIN: &str = "<!-- metrics: generated from the metrics; UPDATE=1 cargo test --test metrics -->\n";
    const END: &str = "<!-- end of metrics -->";

    /// Each metric with what is said of it, in its order: name, kind and help.
    fn metrics() -> Vec<[String; 3]> {
        let text = Observed::start().get("/metrics").body;
        let words = |line: &str, what| {
            let (name, rest) = line.strip_prefix(what)?.split_once(' ')?;
            Some((name.to_owned(), rest.to_owned()))
        };
        let helps = text.lines().filter_map(|line| words(line, "# HELP "));
        let kinds = text.lines().filter_map(|line| words(line, "# TYPE "));
        let metrics = helps.zip(kinds).map(|((name, help), (of_kind, kind))| {
            assert_eq!(name, of_kind);
            [name, kind, help]
        });
        metrics.collect()
    }

    #[test]
    fn the_documentation_is_up_to_date() {
        let text = fs::read_to_string(DOCUMENTATION).unwrap();
        let (before, rest) = text.split_once(BEGIN).expect("the mark before the table");
        let (found, after) = rest.split_once(END).expect("the mark behind the table");
        let mut expected = "\n| metric | kind | what it says |\n|---|---|---|\n".to_owned();
        for [name, kind, help] in metrics() {
            let help = help.trim_end_matches('.');
            let _ = writeln!(expected, "| `{name}` | {kind} | {help} |");
        }
        expected += "\n";
        if std::env::var_os("UPDATE").is_some() {
            fs::write(DOCUMENTATION, format!("{before}{BEGIN}{expected}{END}{after}")).unwrap();
        } else {
            assert_eq!(found, expected, "run UPDATE=1 cargo test --test metrics");
        }
    }

    #[test]
    fn the_dashboard_shows_what_there_is() {
        let dashboard = fs::read_to_string(DASHBOARD).unwrap();
        let sqlite = Connection::open_in_memory().unwrap();
        let mut expressions =
            sqlite.prepare("SELECT value FROM json_tree(?1) WHERE key IN ('expr', 'definition')").unwrap();
        let expressions = expressions.query_map([&dashboard], |row| row.get::<_, String>(0)).unwrap();
        assert_known(expressions.map(Result::unwrap));
    }

    #[test]
    fn the_alerts_look_at_what_there_is() {
        let alerts = fs::read_to_string(ALERTS).unwrap();
        let expressions = alerts.lines().filter_map(|line| line.trim().strip_prefix("expr: "));
        assert_known(expressions.map(str::to_owned));
    }

    /// Every sample named in the expressions is one of a metric, by the name that its kind has in samples.
    fn assert_known(expressions: impl Iterator<Item = String>) {
        let samples: Vec<String> = metrics()
            .into_iter()
            .flat_map(|[name, kind, _]| match kind.as_str() {
                "histogram" => ["_bucket", "_sum", "_count"].map(|end| format!("{name}{end}")).to_vec(),
                _ => vec![name],
            })
            .collect();
        let mut found = 0;
        for expression in expressions {
            let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            for word in words.filter(|word| word.starts_with("revoked_") || word.starts_with("process_")) {
                assert!(samples.iter().any(|sample| sample == word), "{word} in {expression}");
                found += 1;
            }
        }
        assert!(found > 5, "the expressions were found");
    }
}
