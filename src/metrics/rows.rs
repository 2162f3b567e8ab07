//! The metrics, by what they are about.

use std::fmt;
use std::fs;
use std::sync::atomic::Ordering::{Acquire, Relaxed};

use super::Kind::{Counter, Gauge, Histogram};
use super::{Distribution, Metric, Says, Values};
use crate::command::{Environment, REDIS_VERSION, rows};
use crate::limits::DATABASES;
use crate::memory;
use crate::procfs;
use crate::pubsub::Kind as Subscription;
use crate::stats::{self, CommandStats, Denials, now_ms, since_epoch};
use crate::store::Keyspace;

/// Nanoseconds of a second.
const NANOSECONDS: f64 = 1e9;

/// Microseconds of a second.
const MICROSECONDS: f64 = 1e6;

pub(super) static ROWS: &[Metric] = &[
    // The server.
    Metric {
        name: "revoked_build_info",
        help: "Always 1: the versions are the labels",
        says: Says::Each(Gauge, |_, values| {
            let labels = [("version", env!("CARGO_PKG_VERSION")), ("redis_version", REDIS_VERSION)];
            values.add_for(&labels, 1.0)
        }),
    },
    Metric {
        name: "revoked_loading",
        help: "1 while the data file is replayed and clients get -LOADING, otherwise 0",
        says: Says::Value(|server| Some(flag(server.stats.journal.loading.load(Relaxed)))),
    },
    Metric {
        name: "revoked_replay_rows",
        help: "Rows of the data file that were replayed at the start, so far",
        says: Says::Value(|server| Some(server.stats.journal.rows_loaded.load(Relaxed) as f64)),
    },
    Metric {
        name: "revoked_replay_rows_expected",
        help: "Rows of the data file that there were at the start",
        says: Says::Value(|server| Some(server.stats.journal.rows_to_load.load(Relaxed) as f64)),
    },
    Metric {
        name: "revoked_replay_seconds",
        help: "How long the replay took at the start, or has taken so far",
        says: Says::Value(|server| Some(server.stats.journal.load_usec.load(Relaxed) as f64 / MICROSECONDS)),
    },
    // Clients.
    Metric {
        name: "revoked_connected_clients",
        help: "Clients that are connected",
        says: Says::Value(|server| Some(server.clients.len() as f64)),
    },
    Metric {
        name: "revoked_max_clients",
        help: "Most clients at once: maxclients",
        says: Says::Value(|server| Some(server.settings.maxclients.load(Relaxed) as f64)),
    },
    Metric {
        name: "revoked_connections",
        help: "Connections accepted",
        says: Says::Count(|stats| &stats.connections_received),
    },
    Metric {
        name: "revoked_connections_rejected",
        help: "Connections refused: there were maxclients, or protected-mode keeps them out",
        says: Says::Count(|stats| &stats.connections_rejected),
    },
    Metric {
        name: "revoked_output_limit_disconnections",
        help: "Connections ended since they did not take what was sent to them: client-output-buffer-limit",
        says: Says::Count(|stats| &stats.output_limit_disconnections),
    },
    Metric {
        name: "revoked_net_input_bytes",
        help: "Bytes read from clients",
        says: Says::Count(|stats| &stats.net_input_bytes),
    },
    Metric {
        name: "revoked_net_output_bytes",
        help: "Bytes written to clients",
        says: Says::Count(|stats| &stats.net_output_bytes),
    },
    Metric {
        name: "revoked_tls_handshakes",
        help: "Handshakes of TLS that succeeded",
        says: Says::Count(|stats| &stats.tls.handshakes),
    },
    Metric {
        name: "revoked_tls_handshake_failures",
        help: "Handshakes of TLS that failed, or took too long",
        says: Says::Count(|stats| &stats.tls.handshake_failures),
    },
    Metric {
        name: "revoked_tls_certificate_end_timestamp_seconds",
        help: "When the server's certificate ends, in seconds since 1970; none is told without TLS",
        says: Says::Value(|server| {
            let end = server.stats.tls.certificate_end_seconds.load(Relaxed);
            (end > 0).then_some(end as f64)
        }),
    },
    Metric {
        name: "revoked_access_denied",
        help: "What users were denied: a login, a command, a key or a channel",
        says: Says::Each(Counter, |server, values| {
            let Denials { logins, commands, keys, channels } = &server.stats.denials;
            let each = [("login", logins), ("command", commands), ("key", keys), ("channel", channels)];
            each.into_iter()
                .try_for_each(|(what, count)| values.add_for(&[("what", what)], count.get() as f64))
        }),
    },
    Metric {
        name: "revoked_subscriptions",
        help: "Channels and patterns that somebody is subscribed to",
        says: Says::Each(Gauge, |server, values| {
            let kinds = [
                ("channel", Subscription::Channel),
                ("pattern", Subscription::Pattern),
                ("shardchannel", Subscription::ShardChannel),
            ];
            let mut each = kinds.into_iter();
            each.try_for_each(|(name, kind)| {
                values.add_for(&[("kind", name)], server.pubsub.len(kind) as f64)
            })
        }),
    },
    // Commands.
    Metric {
        name: "revoked_commands",
        help: "Commands by name and by what came of them: ok, error (executed with an error for a reply), or \
               rejected before they were executed",
        says: Says::Each(Counter, commands),
    },
    Metric {
        name: "revoked_command_duration_seconds",
        help: "How long commands took by name: of a write, from its submission to its reply, its share of the \
               commit included",
        says: Says::Each(Histogram, command_durations),
    },
    Metric {
        name: "revoked_error_replies",
        help: "Error replies of any kind",
        says: Says::Count(|stats| &stats.error_replies),
    },
    Metric {
        name: "revoked_keyspace_hits",
        help: "Keys that a read found",
        says: Says::Count(|stats| &stats.keyspace_hits),
    },
    Metric {
        name: "revoked_keyspace_misses",
        help: "Keys that a read did not find",
        says: Says::Count(|stats| &stats.keyspace_misses),
    },
    // What is stored.
    Metric {
        name: "revoked_keys",
        help: "Keys by database; none are told while the data file is replayed",
        says: Says::Each(Gauge, |server, values| by_database(server, values, |_, _, keys| keys)),
    },
    Metric {
        name: "revoked_keys_with_expiry",
        help: "Keys by database that end by themselves, or of which members do",
        says: Says::Each(Gauge, |server, values| {
            by_database(server, values, |keyspace, database, keys| keyspace.ending(database).min(keys))
        }),
    },
    Metric {
        name: "revoked_members",
        help: "Members of all sets by database, those included that have ended and were not swept yet",
        says: Says::Each(Gauge, |server, values| {
            by_database(server, values, |keyspace, database, _| keyspace.members(database))
        }),
    },
    Metric {
        name: "revoked_expired_keys",
        help: "Keys that ended by themselves",
        says: Says::Count(|stats| &stats.expired_keys),
    },
    // The journal and its file.
    Metric {
        name: "revoked_writes_refused",
        help: "1 while writes are refused with -MISCONF since the journal can't be written, otherwise 0",
        says: Says::Value(|server| Some(flag(server.stats.journal.problem().is_some()))),
    },
    Metric {
        name: "revoked_commit_duration_seconds",
        help: "How long commits took, from the first row to the end of the sync",
        says: Says::Each(Histogram, |server, values| {
            let journal = &server.stats.journal;
            values.add_distribution(&[], &durations(journal.commit_usec.get(), &journal.commit_durations))
        }),
    },
    Metric {
        name: "revoked_commit_rows",
        help: "How many rows the commits had: changes that shared a sync, and one that says when",
        says: Says::Each(Histogram, |server, values| {
            let journal = &server.stats.journal;
            let (sum, buckets) = (journal.rows_appended.get() as f64, journal.commit_rows.counts().collect());
            values.add_distribution(&[], &Distribution { sum, buckets })
        }),
    },
    Metric {
        name: "revoked_commit_failures",
        help: "Commits that failed: their writes were refused, and changed nothing",
        says: Says::Count(|stats| &stats.journal.commit_failures),
    },
    Metric {
        name: "revoked_journal_rows",
        help: "Rows in the data file",
        says: Says::Value(|server| Some(server.stats.journal.rows.load(Relaxed) as f64)),
    },
    Metric {
        name: "revoked_journal_live_rows",
        help: "Rows that would say what is so, and nothing else: the others are dead, and compaction removes them",
        says: Says::Value(|server| Some(server.stats.journal.live_rows.load(Relaxed) as f64)),
    },
    Metric {
        name: "revoked_journal_used_bytes",
        help: "What the rows take in the data file, about",
        says: Says::Value(|server| Some(server.stats.journal.used_bytes.load(Relaxed) as f64)),
    },
    Metric {
        name: "revoked_journal_live_bytes",
        help: "What the live rows would take, about",
        says: Says::Value(|server| Some(server.stats.journal.live_bytes.load(Relaxed) as f64)),
    },
    Metric {
        name: "revoked_compaction_rows_removed",
        help: "Rows that compaction took away",
        says: Says::Count(|stats| &stats.journal.rows_removed),
    },
    Metric {
        name: "revoked_compaction_rows_restated",
        help: "Rows that compaction wrote again",
        says: Says::Count(|stats| &stats.journal.rows_restated),
    },
    Metric {
        name: "revoked_compaction_running",
        help: "1 while a compaction is under way that was asked for, otherwise 0",
        says: Says::Value(|server| Some(flag(server.stats.journal.is_compacting.load(Acquire)))),
    },
    Metric {
        name: "revoked_last_checkpoint_failed",
        help: "1 if the last checkpoint that was asked for failed, otherwise 0",
        says: Says::Value(|server| Some(flag(server.stats.journal.last_checkpoint_failed.load(Relaxed)))),
    },
    Metric {
        name: "revoked_data_file_bytes",
        help: "Length of the data file",
        says: Says::Value(|server| file_bytes(server, "")),
    },
    Metric {
        name: "revoked_wal_bytes",
        help: "Length of the write-ahead log",
        says: Says::Value(|server| file_bytes(server, "-wal")),
    },
    // Memory.
    Metric {
        name: "revoked_memory_used_bytes",
        help: "Memory in use: what maxmemory is held against",
        says: Says::Value(|_| memory::used().map(|bytes| bytes as f64)),
    },
    Metric {
        name: "revoked_memory_max_bytes",
        help: "Memory in use from which on writes that need memory are refused with -OOM: maxmemory, 0 for none",
        says: Says::Value(|server| Some(server.settings.maxmemory.load(Relaxed) as f64)),
    },
    // The process, by the names that every client library of Prometheus gives.
    Metric {
        name: "process_resident_memory_bytes",
        help: "Resident memory size in bytes",
        says: Says::Value(|_| procfs::Status::read().bytes("VmRSS").map(|bytes| bytes as f64)),
    },
    Metric {
        name: "process_cpu_seconds",
        help: "Total user and system CPU time spent in seconds",
        says: Says::Each(Counter, |_, values| {
            procfs::processor_seconds().map_or(Ok(()), |(user, system)| values.add(user + system))
        }),
    },
    Metric {
        name: "process_open_fds",
        help: "Number of open file descriptors",
        says: Says::Value(|_| procfs::open_files().map(|files| files as f64)),
    },
    Metric {
        name: "process_start_time_seconds",
        help: "Start time of the process since unix epoch in seconds",
        says: Says::Value(|server| {
            Some(since_epoch().saturating_sub(server.stats.started.elapsed()).as_secs_f64().round())
        }),
    },
];

fn flag(is_so: bool) -> f64 {
    f64::from(u8::from(is_so))
}

fn commands(server: &Environment, values: &mut Values<'_>) -> fmt::Result {
    for (command, stats) in rows().zip(&server.stats.commands) {
        let CommandStats { calls, failed_calls, rejected_calls, .. } = stats;
        // First: what fails meanwhile was called before.
        let (failed, rejected) = (failed_calls.get(), rejected_calls.get());
        let calls = calls.get();
        if calls + rejected > 0 {
            let results = [("ok", calls.saturating_sub(failed)), ("error", failed), ("rejected", rejected)];
            for (result, count) in results {
                values.add_for(&[("command", command.name), ("result", result)], count as f64)?;
            }
        }
    }
    Ok(())
}

fn command_durations(server: &Environment, values: &mut Values<'_>) -> fmt::Result {
    let called = rows().zip(&server.stats.commands).filter(|(_, stats)| stats.calls.get() > 0);
    for (command, stats) in called {
        values
            .add_distribution(&[("command", command.name)], &durations(stats.usec.get(), &stats.durations))?;
    }
    Ok(())
}

fn durations(sum_usec: u64, histogram: &stats::Histogram) -> Distribution {
    let buckets = histogram.counts().map(|(bound, count)| (bound / NANOSECONDS, count));
    Distribution { sum: sum_usec as f64 / MICROSECONDS, buckets: buckets.collect() }
}

/// Hands over a figure of each database that has keys, which is told how many, and of the first.
fn by_database(
    server: &Environment,
    values: &mut Values<'_>,
    figure: impl Fn(&Keyspace, u8, usize) -> usize,
) -> fmt::Result {
    // The replay has the keyspace to itself, and nobody may wait for it.
    if server.stats.journal.loading.load(Relaxed) {
        return Ok(());
    }
    let keyspace = server.store.read();
    let now_ms = now_ms();
    let used = (0..DATABASES).filter_map(|database| {
        let keys = keyspace.len_at(database, now_ms);
        (keys > 0 || database == 0).then(|| (database, figure(&keyspace, database, keys)))
    });
    let figures: Vec<_> = used.collect();
    drop(keyspace);
    for (database, figure) in figures {
        values.add_for(&[("database", &database.to_string())], figure as f64)?;
    }
    Ok(())
}

fn file_bytes(server: &Environment, suffix: &str) -> Option<f64> {
    let metadata = fs::metadata(format!("{}{suffix}", server.about.data_file)).ok()?;
    Some(metadata.len() as f64)
}
