//! INFO: what the server is, and what it has done. Fields bear Redis's names where they mean the same; those
//! of our own begin with `revoked_`. A figure that can't be had is left out.

use std::env::consts;
use std::fmt::{Display, Write as _};
use std::sync::atomic::Ordering::{Acquire, Relaxed};
use std::time::Duration;
use std::{fs, process};

use super::{Environment, REDIS_VERSION, Session, rows};
use crate::limits::DATABASES;
use crate::memory;
use crate::procfs;
use crate::pubsub::Kind;
use crate::reply::{Reply, printable};
use crate::request::Request;
use crate::stats::{CommandStats, JournalStats, now_ms, since_epoch};

/// A section of the report.
struct Section {
    name: &'static str,
    title: &'static str,
    /// Whether it is there if no section is asked for.
    is_default: bool,
    report: fn(&mut Fields, &Environment),
}

/// The sections in Redis's order.
const SECTIONS: &[Section] = &[
    Section { name: "server", title: "Server", is_default: true, report: server },
    Section { name: "clients", title: "Clients", is_default: true, report: clients },
    Section { name: "memory", title: "Memory", is_default: true, report: memory },
    Section { name: "persistence", title: "Persistence", is_default: true, report: persistence },
    Section { name: "stats", title: "Stats", is_default: true, report: stats },
    Section { name: "replication", title: "Replication", is_default: true, report: replication },
    Section { name: "cpu", title: "CPU", is_default: true, report: cpu },
    Section { name: "modules", title: "Modules", is_default: true, report: |_, _| {} },
    Section { name: "commandstats", title: "Commandstats", is_default: false, report: commandstats },
    Section { name: "latencystats", title: "Latencystats", is_default: false, report: latencystats },
    Section { name: "cluster", title: "Cluster", is_default: true, report: cluster },
    Section { name: "keyspace", title: "Keyspace", is_default: true, report: keyspace },
];

impl Section {
    /// Whether it is wanted by one who asks for `name`.
    fn is_called(&self, name: &[u8]) -> bool {
        let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
        is(self.name) || is("all") || is("everything") || (self.is_default && is("default"))
    }
}

pub(super) fn info(_: &mut Session, environment: &Environment, request: Request<'_>) -> Reply {
    let is_wanted = |section: &&Section| {
        if request.len() == 1 {
            section.is_default
        } else {
            request.args(1).any(|name| section.is_called(name))
        }
    };
    let mut fields = Fields::default();
    for section in SECTIONS.iter().filter(is_wanted) {
        fields.begin(section.title);
        (section.report)(&mut fields, environment);
    }
    Reply::Text(fields.0)
}

/// The report, as far as it is written.
#[derive(Default)]
struct Fields(String);

impl Fields {
    fn begin(&mut self, title: &str) {
        let gap = if self.0.is_empty() { "" } else { "\r\n" };
        self.line(format_args!("{gap}# {title}"));
    }

    fn add(&mut self, name: &str, value: impl Display) {
        self.line(format_args!("{name}:{value}"));
    }

    /// A number of bytes, and the same for people.
    fn add_bytes(&mut self, name: &str, bytes: u64) {
        self.add(name, bytes);
        self.line(format_args!("{name}_human:{}", human_bytes(bytes)));
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing to a string never fails.
        let _ = write!(self.0, "{line}\r\n");
    }
}

/// Bytes as Redis shows them to people: `1.50K`.
fn human_bytes(bytes: u64) -> String {
    let units = ["B", "K", "M", "G", "T", "P"];
    // Each unit is 10 bits more than the one before.
    let place = (bytes.checked_ilog2().unwrap_or(0) as usize / 10).min(units.len() - 1);
    let amount = bytes as f64 / (1_u64 << (10 * place)) as f64;
    format!("{amount:.decimals$}{}", units[place], decimals = if place == 0 { 0 } else { 2 })
}

fn server(fields: &mut Fields, environment: &Environment) {
    let about = &environment.about;
    let uptime_in_seconds = environment.stats.started.elapsed().as_secs();
    fields.add("redis_version", REDIS_VERSION);
    fields.add("revoked_version", env!("CARGO_PKG_VERSION"));
    fields.add("redis_mode", "standalone");
    fields.add("os", operating_system());
    fields.add("arch_bits", usize::BITS);
    fields.add("process_id", process::id());
    fields.add("run_id", &about.run_id);
    fields.add("tcp_port", about.port);
    fields.add("server_time_usec", since_epoch().as_micros());
    fields.add("uptime_in_seconds", uptime_in_seconds);
    fields.add("uptime_in_days", uptime_in_seconds / (24 * 60 * 60));
    fields.add("executable", &about.executable);
    fields.add("config_file", &about.config_file);
    let end = environment.stats.tls.certificate_end_seconds.load(Relaxed);
    if end > 0 {
        let left = end as i64 - since_epoch().as_secs() as i64;
        fields.add("revoked_tls_certificate_expires_at", end);
        fields.add("revoked_tls_certificate_expires_in_days", left.div_euclid(24 * 60 * 60));
    }
    for (number, listener) in about.listeners.iter().enumerate() {
        fields.add(&format!("listener{number}"), listener);
    }
}

/// Name, release and architecture, as `uname` tells them.
fn operating_system() -> String {
    match procfs::system() {
        Some((name, release)) => format!("{name} {release} {}", consts::ARCH),
        None => format!("{} {}", consts::OS, consts::ARCH),
    }
}

fn clients(fields: &mut Fields, environment: &Environment) {
    fields.add("connected_clients", environment.clients.len());
    fields.add("maxclients", environment.settings.maxclients.load(Relaxed));
    fields.add("blocked_clients", 0);
    fields.add("tracking_clients", 0);
}

/// What is allocated, and what the kernel counts as resident: with the program, and what the allocator keeps. Where a
/// program that embeds the library does not count, what is resident stands for both.
fn memory(fields: &mut Fields, environment: &Environment) {
    let status = procfs::Status::read();
    let resident = status.bytes("VmRSS");
    let used = memory::used().or(resident);
    let peak = memory::peak().or_else(|| status.bytes("VmHWM"));
    let mut add_bytes =
        |name, bytes: Option<u64>| bytes.into_iter().for_each(|bytes| fields.add_bytes(name, bytes));
    add_bytes("used_memory", used);
    add_bytes("used_memory_rss", resident);
    add_bytes("used_memory_peak", peak);
    add_bytes("total_system_memory", procfs::machine_memory_bytes());
    if let (Some(used), Some(peak)) = (used, peak) {
        let percent = 100.0 * used as f64 / peak.max(1) as f64;
        fields.add("used_memory_peak_perc", format_args!("{percent:.2}%"));
    }
    fields.add_bytes("maxmemory", environment.settings.maxmemory.load(Relaxed));
    fields.add("maxmemory_policy", "noeviction");
    if let (Some(used), Some(resident)) = (used, resident) {
        let ratio = resident as f64 / used.max(1) as f64;
        fields.add("mem_fragmentation_ratio", format_args!("{ratio:.2}"));
        fields.add("mem_fragmentation_bytes", resident as i64 - used as i64);
    }
    fields.add("mem_not_counted_for_evict", 0);
    fields.add("mem_allocator", "libc");
}

/// SAVE and BGSAVE write checkpoints, so those stand for Redis's snapshots; the journal stands for its
/// append-only file.
fn persistence(fields: &mut Fields, environment: &Environment) {
    let journal = &environment.stats.journal;
    let problem = journal.problem();
    let status = |failed| if failed { "err" } else { "ok" };
    loading(fields, journal);
    fields.add("rdb_changes_since_last_save", journal.rows_since_checkpoint.load(Relaxed));
    fields.add("rdb_bgsave_in_progress", u8::from(journal.is_saving_in_background.load(Relaxed)));
    fields.add("rdb_last_save_time", journal.last_checkpoint_seconds.load(Relaxed));
    fields.add("rdb_last_bgsave_status", status(journal.last_checkpoint_failed.load(Relaxed)));
    fields.add("aof_enabled", 1);
    fields.add("aof_rewrite_in_progress", u8::from(journal.is_compacting.load(Acquire)));
    fields.add("aof_rewrite_scheduled", 0);
    fields.add("aof_last_bgrewrite_status", status(journal.last_compaction_failed.load(Relaxed)));
    fields.add("aof_last_write_status", status(problem.is_some()));
    let size = |suffix| {
        let path = format!("{}{suffix}", environment.about.data_file);
        fs::metadata(path).map_or(0, |metadata| metadata.len())
    };
    let (file_bytes, wal_bytes) = (size(""), size("-wal"));
    fields.add("aof_current_size", file_bytes + wal_bytes);
    fields.add("revoked_journal_file", &environment.about.data_file);
    fields.add("revoked_journal_file_bytes", file_bytes);
    fields.add("revoked_journal_wal_bytes", wal_bytes);
    let policy = environment.parameters.value("appendfsync");
    fields.add("revoked_journal_appendfsync", policy.unwrap_or_default());
    fields.add("revoked_journal_rows", journal.rows.load(Relaxed));
    fields.add("revoked_journal_live_rows", journal.live_rows.load(Relaxed));
    fields.add("revoked_journal_used_bytes", journal.used_bytes.load(Relaxed));
    fields.add("revoked_journal_live_bytes", journal.live_bytes.load(Relaxed));
    fields.add("revoked_journal_rows_removed", journal.rows_removed.get());
    fields.add("revoked_journal_rows_restated", journal.rows_restated.get());
    fields.add("revoked_journal_rows_appended", journal.rows_appended.get());
    fields.add("revoked_journal_commits", journal.commits.get());
    fields.add("revoked_journal_commit_usec", journal.commit_usec.get());
    fields.add("revoked_journal_commit_failures", journal.commit_failures.get());
    fields.add("revoked_journal_rows_loaded", journal.rows_loaded.load(Relaxed));
    fields.add("revoked_journal_load_usec", journal.load_usec.load(Relaxed));
    fields.add("revoked_journal_problem", printable(problem.unwrap_or_default().as_bytes()));
}

/// Whether the replay is under way, and how far it has come. Redis counts bytes of a file there, which would
/// be false here.
fn loading(fields: &mut Fields, journal: &JournalStats) {
    let is_loading = journal.loading.load(Relaxed);
    fields.add("loading", u8::from(is_loading));
    fields.add("async_loading", 0);
    if !is_loading {
        return;
    }
    let elapsed = Duration::from_micros(journal.load_usec.load(Relaxed));
    let (total, loaded) = (journal.rows_to_load.load(Relaxed), journal.rows_loaded.load(Relaxed));
    fields.add("loading_start_time", since_epoch().saturating_sub(elapsed).as_secs());
    fields.add("revoked_loading_rows_total", total);
    fields.add("revoked_loading_rows_loaded", loaded);
    if total > 0 && loaded > 0 {
        let remaining = total.saturating_sub(loaded) as f64 / loaded as f64;
        fields.add("loading_loaded_perc", format_args!("{:.2}", 100.0 * loaded as f64 / total as f64));
        fields.add("loading_eta_seconds", (elapsed.as_secs_f64() * remaining).ceil());
    }
}

fn stats(fields: &mut Fields, environment: &Environment) {
    let stats = &environment.stats;
    fields.add("total_connections_received", stats.connections_received.get());
    fields.add("total_commands_processed", stats.commands_processed());
    fields.add("instantaneous_ops_per_sec", stats.rates.commands.load(Relaxed));
    fields.add("total_net_input_bytes", stats.net_input_bytes.get());
    fields.add("total_net_output_bytes", stats.net_output_bytes.get());
    for (name, bytes) in [
        ("instantaneous_input_kbps", &stats.rates.input_bytes),
        ("instantaneous_output_kbps", &stats.rates.output_bytes),
    ] {
        fields.add(name, format_args!("{:.2}", bytes.load(Relaxed) as f64 / 1024.0));
    }
    fields.add("rejected_connections", stats.connections_rejected.get());
    fields.add("expired_keys", stats.expired_keys.get());
    fields.add("evicted_keys", 0);
    fields.add("keyspace_hits", stats.keyspace_hits.get());
    fields.add("keyspace_misses", stats.keyspace_misses.get());
    fields.add("pubsub_channels", environment.pubsub.len(Kind::Channel));
    fields.add("pubsub_patterns", environment.pubsub.len(Kind::Pattern));
    fields.add("pubsubshard_channels", environment.pubsub.len(Kind::ShardChannel));
    fields.add("total_error_replies", stats.error_replies.get());
    fields.add("client_output_buffer_limit_disconnections", stats.output_limit_disconnections.get());
    fields.add("acl_access_denied_auth", stats.denials.logins.get());
    fields.add("acl_access_denied_cmd", stats.denials.commands.get());
    fields.add("acl_access_denied_key", stats.denials.keys.get());
    fields.add("acl_access_denied_channel", stats.denials.channels.get());
    fields.add("revoked_tls_handshakes", stats.tls.handshakes.get());
    fields.add("revoked_tls_handshake_failures", stats.tls.handshake_failures.get());
}

fn replication(fields: &mut Fields, _: &Environment) {
    fields.add("role", "master");
    fields.add("connected_slaves", 0);
}

/// Processor time of all threads.
fn cpu(fields: &mut Fields, _: &Environment) {
    if let Some((user, system)) = procfs::processor_seconds() {
        fields.add("used_cpu_sys", format_args!("{system:.6}"));
        fields.add("used_cpu_user", format_args!("{user:.6}"));
    }
}

fn commandstats(fields: &mut Fields, environment: &Environment) {
    for (spec, stats) in rows().zip(&environment.stats.commands) {
        let CommandStats { calls, usec, rejected_calls, failed_calls, .. } = stats;
        let (calls, usec, rejected, failed) =
            (calls.get(), usec.get(), rejected_calls.get(), failed_calls.get());
        if calls + rejected > 0 {
            let usec_per_call = usec as f64 / calls.max(1) as f64;
            fields.line(format_args!(
                "cmdstat_{}:calls={calls},usec={usec},usec_per_call={usec_per_call:.2},\
                 rejected_calls={rejected},failed_calls={failed}",
                spec.name
            ));
        }
    }
}

/// Percentiles are the bounds of powers of two that LATENCY HISTOGRAM counts in: at most twice what it was.
fn latencystats(fields: &mut Fields, environment: &Environment) {
    for (spec, stats) in rows().zip(&environment.stats.commands) {
        let microseconds = |percent| Some(stats.durations.percentile(percent)? as f64 / 1000.0);
        if let (Some(p50), Some(p99), Some(p999)) =
            (microseconds(50.0), microseconds(99.0), microseconds(99.9))
        {
            fields.line(format_args!(
                "latency_percentiles_usec_{}:p50={p50:.3},p99={p99:.3},p99.9={p999:.3}",
                spec.name
            ));
        }
    }
}

fn cluster(fields: &mut Fields, _: &Environment) {
    fields.add("cluster_enabled", 0);
}

fn keyspace(fields: &mut Fields, environment: &Environment) {
    // The replay has the keyspace to itself, and INFO must say how far it has come.
    if environment.stats.journal.loading.load(Relaxed) {
        return;
    }
    // Taken once, so that all figures are of one moment.
    let keyspace = environment.store.read();
    let now_ms = now_ms();
    let lengths = (0..DATABASES).map(|database| (database, keyspace.len_at(database, now_ms)));
    for (database, keys) in lengths.filter(|&(_, keys)| keys > 0) {
        let expires = keyspace.ending(database).min(keys);
        fields.line(format_args!("db{database}:keys={keys},expires={expires},avg_ttl=0"));
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{environment, session};
    use super::*;
    use crate::effect::Effect;
    use crate::expiry::Expiry;
    use crate::store::Removed;

    fn report(environment: &Environment, words: &str) -> String {
        match session(environment).run(environment, words) {
            Reply::Text(text) => text,
            other => panic!("{other:?}"),
        }
    }

    fn titles(words: &str) -> Vec<String> {
        let report = report(&environment(None), words);
        report.lines().filter_map(|line| line.strip_prefix("# ")).map(str::to_owned).collect()
    }

    #[test]
    fn sections_are_those_asked_for_in_a_fixed_order() {
        assert_eq!(titles("INFO KEYSPACE server"), ["Server", "Keyspace"]);
        assert_eq!(titles("INFO nothing"), Vec::<String>::new());
        assert_eq!(titles("INFO"), titles("INFO default"));
        assert!(!titles("INFO").contains(&"Commandstats".to_owned()));
        for words in ["INFO all", "INFO everything", "INFO default commandstats latencystats"] {
            assert_eq!(titles(words).len(), SECTIONS.len(), "{words}");
        }
        assert_eq!(report(&environment(None), "INFO nothing"), "");
    }

    #[test]
    fn each_line_is_a_title_a_field_or_empty() {
        for line in report(&environment(None), "INFO everything").split_terminator("\r\n") {
            assert!(line.is_empty() || line.starts_with("# ") || line.contains(':'), "{line}");
            assert!(!line.contains(['\r', '\n']), "{line}");
        }
    }

    #[test]
    fn a_field_is_there_once() {
        let report = report(&environment(None), "INFO everything");
        let mut names: Vec<_> = report.lines().filter_map(|line| Some(line.split_once(':')?.0)).collect();
        names.sort_unstable();
        assert!(names.is_sorted_by(|a, b| a < b), "{names:?}");
    }

    #[test]
    fn redis_cli_finds_its_figures() {
        // `redis-cli --stat` looks for the first place where a name stands, even as a part of another.
        let report = report(&environment(None), "INFO");
        let read = [
            "used_memory",
            "connected_clients",
            "blocked_clients",
            "total_commands_processed",
            "total_connections_received",
            "bgsave_in_progress",
            "aof_rewrite_in_progress",
            "loading",
        ];
        for field in read {
            let (_, behind) = report.split_once(field).unwrap();
            let value = behind.strip_prefix(':').and_then(|value| value.lines().next()).unwrap();
            assert!(value.parse::<u64>().is_ok(), "{field}:{value}");
        }
    }

    #[test]
    fn what_was_counted_in_the_last_second_shows_in_the_units_of_redis() {
        let environment = environment(None);
        environment.stats.rates.commands.store(7, Relaxed);
        environment.stats.rates.input_bytes.store(1_536, Relaxed);
        let text = report(&environment, "INFO stats");
        for line in
            ["instantaneous_ops_per_sec:7", "instantaneous_input_kbps:1.50", "instantaneous_output_kbps:0.00"]
        {
            assert!(text.lines().any(|found| found == line), "{line} in {text}");
        }
    }

    #[test]
    fn the_replay_shows_until_it_is_done() {
        let environment = environment(None);
        let journal = &environment.stats.journal;
        journal.rows_to_load.store(400, Relaxed);
        journal.rows_loaded.store(100, Relaxed);
        journal.load_usec.store(2_000_000, Relaxed);
        let text = report(&environment, "INFO persistence");
        for line in ["loading:1", "loading_loaded_perc:25.00", "loading_eta_seconds:6"] {
            assert!(text.lines().any(|found| found == line), "{line} in {text}");
        }
        journal.loading.store(false, Relaxed);
        let text = report(&environment, "INFO persistence");
        assert!(text.contains("\r\nloading:0\r\n") && !text.contains("loading_eta"), "{text}");
    }

    #[test]
    fn the_keyspace_shows_databases_that_have_keys() {
        let environment = environment(None);
        let (key, value, expiry) = (b"k", b"", Expiry::NEVER);
        let created = Effect::StringSet { database: 3, key: &key[..], value: &value[..], expiry };
        environment.store.load().apply(&created, &mut Removed::default()).unwrap();
        assert_eq!(report(&environment, "INFO keyspace"), "# Keyspace\r\n", "the replay is under way");
        environment.stats.journal.loading.store(false, Relaxed);
        let text = report(&environment, "INFO keyspace");
        assert_eq!(text, "# Keyspace\r\ndb3:keys=1,expires=0,avg_ttl=0\r\n");
    }

    #[test]
    fn commands_show_once_they_were_called_or_refused() {
        let environment = environment(None);
        let index = rows().position(|spec| spec.name == "client|id").unwrap();
        let stats = &environment.stats.commands[index];
        stats.calls.add(4);
        stats.usec.add(10);
        stats.failed_calls.add(1);
        assert_eq!(
            report(&environment, "INFO commandstats"),
            "# Commandstats\r\ncmdstat_client|id:calls=4,usec=10,usec_per_call=2.50,rejected_calls=0,\
             failed_calls=1\r\n"
        );
    }

    #[test]
    fn bytes_are_shown_to_people_as_redis_shows_them() {
        for (bytes, text) in [
            (0, "0B"),
            (1023, "1023B"),
            (1024, "1.00K"),
            (1536, "1.50K"),
            (1 << 20, "1.00M"),
            (1 << 60, "1024.00P"),
        ] {
            assert_eq!(human_bytes(bytes), text);
        }
    }
}
