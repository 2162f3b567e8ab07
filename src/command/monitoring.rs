//! What took long: SLOWLOG and LATENCY.

use std::fmt::Write as _;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::{Command, Environment, Flag, Session, Spec, lookup, rows};
use crate::clients::Client;
use crate::latency::{Event, Series};
use crate::reply::{Error, Reply, printable};
use crate::request::{Request, parse_integer};
use crate::slowlog::Entry;
use crate::stats::{Histogram, since_epoch};

/// Entries that SLOWLOG GET shows if it isn't told how many.
const DEFAULT_ENTRIES: usize = 10;

/// What stands for a password.
const REDACTED: &[u8] = b"(redacted)";

/// Columns of a graph.
const GRAPH_COLUMNS: usize = 80;

/// Takes note of a command that took long: for SLOWLOG, for LATENCY, or for both.
pub fn note_slow(
    environment: &Environment,
    client: &Client,
    command: Command,
    request: Request<'_>,
    took: Duration,
) {
    let event = if command.spec.has(Flag::Fast) { Event::FastCommand } else { Event::Command };
    environment.stats.latency.sample(event, took);
    let usec = took.as_micros() as u64;
    let most = environment.settings.slowlog_max_len.load(Relaxed);
    if !environment.settings.is_for_slowlog(usec) || command.spec.has(Flag::SkipSlowlog) {
        return;
    }
    let arguments = redacted(environment, command, request);
    let (address, name) = (client.peer_address.to_string(), client.profile().name.clone());
    environment.slowlog.keep(Entry::new(since_epoch(), usec, arguments.into_iter(), address, name), most);
}

/// The arguments of a request, its name included, with something else in the place of what nobody may see.
#[must_use]
pub fn redacted<'a>(environment: &Environment, command: Command, request: Request<'a>) -> Vec<&'a [u8]> {
    let mut arguments: Vec<_> = request.args(0).collect();
    match command.spec.name {
        "auth" => arguments[1..].fill(REDACTED),
        "hello" => {
            // Wherever it stands, even where HELLO itself does not take it for the option.
            let is_auth = |&place: &usize| request.arg(place).eq_ignore_ascii_case(b"auth");
            for place in (1..request.len()).filter(is_auth) {
                arguments.iter_mut().skip(place + 1).take(2).for_each(|argument| *argument = REDACTED);
            }
        }
        "acl|setuser" => arguments[2..].fill(REDACTED),
        "config|set" => {
            for pair in arguments[2..].chunks_exact_mut(2) {
                if environment.parameters.is_secret(pair[0]) {
                    pair[1] = REDACTED;
                }
            }
        }
        _ => {}
    }
    arguments
}

pub(super) fn slowlog_get(_: &mut Session, environment: &Environment, request: Request<'_>) -> Reply {
    let most = match request.len() {
        2 => DEFAULT_ENTRIES,
        3 => match parse_integer(request.arg(2)) {
            Some(-1) => usize::MAX,
            Some(count) if count >= 0 => count as usize,
            _ => return Error::InvalidCount.into(),
        },
        _ => return subcommand_syntax("SLOWLOG", request),
    };
    Reply::Array(environment.slowlog.latest(most).into_iter().map(describe).collect())
}

fn describe(entry: Entry) -> Reply {
    Reply::Array(vec![
        Reply::Integer(entry.id as i64),
        Reply::Integer(entry.unix_seconds as i64),
        Reply::Integer(entry.usec as i64),
        Reply::Array(entry.arguments.into_iter().map(Reply::Bulk).collect()),
        Reply::bulk(entry.address),
        Reply::bulk(entry.name),
    ])
}

pub(super) fn slowlog_len(_: &mut Session, environment: &Environment, _: Request<'_>) -> Reply {
    Reply::count(environment.slowlog.len())
}

pub(super) fn slowlog_reset(_: &mut Session, environment: &Environment, _: Request<'_>) -> Reply {
    environment.slowlog.reset();
    Reply::OK
}

/// The error for too many arguments behind a subcommand that may have some.
pub(super) fn subcommand_syntax(command: &'static str, request: Request<'_>) -> Reply {
    Error::SubcommandSyntax { command, subcommand: printable(request.arg(1)) }.into()
}

pub(super) fn latency_latest(_: &mut Session, environment: &Environment, _: Request<'_>) -> Reply {
    let latest = |event: Event| {
        let series = environment.stats.latency.series(event);
        let sample = series.samples.back()?;
        Some(Reply::Array(vec![
            Reply::fixed(event.name()),
            Reply::Integer(sample.unix_seconds as i64),
            Reply::Integer(sample.ms as i64),
            Reply::Integer(series.max_ms as i64),
        ]))
    };
    Reply::Array(Event::ALL.into_iter().filter_map(latest).collect())
}

pub(super) fn latency_history(_: &mut Session, environment: &Environment, request: Request<'_>) -> Reply {
    let series = Event::find(request.arg(2)).map(|event| environment.stats.latency.series(event));
    let sample = |sample: &crate::latency::Sample| {
        Reply::Array(vec![Reply::Integer(sample.unix_seconds as i64), Reply::Integer(sample.ms as i64)])
    };
    Reply::Array(series.unwrap_or_default().samples.iter().map(sample).collect())
}

pub(super) fn latency_reset(_: &mut Session, environment: &Environment, request: Request<'_>) -> Reply {
    let is_meant =
        |event: &Event| request.len() == 2 || request.args(2).any(|name| name == event.name().as_bytes());
    let reset =
        Event::ALL.into_iter().filter(is_meant).filter(|&event| environment.stats.latency.reset(event));
    Reply::count(reset.count())
}

pub(super) fn latency_graph(_: &mut Session, environment: &Environment, request: Request<'_>) -> Reply {
    let event = Event::find(request.arg(2));
    let series = event.map(|event| environment.stats.latency.series(event)).unwrap_or_default();
    match event {
        Some(event) if !series.samples.is_empty() => Reply::Text(graph(event, &series)),
        _ => Error::NoSamples(printable(request.arg(2))).into(),
    }
}

/// The latest samples as columns, four steps high; under each, read downwards, how long ago it was.
fn graph(event: Event, series: &Series) -> String {
    let skipped = series.samples.len().saturating_sub(GRAPH_COLUMNS);
    let samples: Vec<_> = series.samples.iter().skip(skipped).collect();
    let (low, high) =
        samples.iter().fold((u64::MAX, 0), |(low, high), sample| (low.min(sample.ms), high.max(sample.ms)));
    let mut text =
        format!("{} - high {high} ms, low {low} ms (all time high {} ms)\n", event.name(), series.max_ms);
    let _ = writeln!(text, "{}", "-".repeat(GRAPH_COLUMNS));
    let now = since_epoch().as_secs();
    let height = |ms: u64| 1 + (ms - low) * 3 / (high - low).max(1);
    for step in (1..=4).rev() {
        let column = |ms: u64| match height(ms) {
            top if top == step => '#',
            top if top > step => '|',
            _ => ' ',
        };
        let line: String = samples.iter().map(|sample| column(sample.ms)).collect();
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text.push('\n');
    let ages: Vec<_> = samples.iter().map(|sample| age(now.saturating_sub(sample.unix_seconds))).collect();
    for row in 0..ages.iter().map(String::len).max().unwrap_or(0) {
        let line: String = ages.iter().map(|age| age.chars().nth(row).unwrap_or(' ')).collect();
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

/// A time that passed, in one unit: `5s`, `2m`, `3h`, `1d`.
fn age(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// A report for people: what took long, and what can be done.
pub(super) fn latency_doctor(_: &mut Session, environment: &Environment, _: Request<'_>) -> Reply {
    if environment.settings.latency_monitor_threshold() == 0 {
        return Reply::Text(
            "Latency monitoring is off. \"CONFIG SET latency-monitor-threshold <milliseconds>\" turns it on: \
             what takes longer is kept from then on.\n"
                .to_owned(),
        );
    }
    let known = Event::ALL.map(|event| (event, environment.stats.latency.series(event)));
    let text: String = known
        .into_iter()
        .filter(|(_, series)| !series.samples.is_empty())
        .map(|(event, series)| diagnose(event, &series))
        .collect();
    if text.is_empty() {
        return Reply::Text("Nothing has taken long since the monitor was turned on, or reset.\n".to_owned());
    }
    Reply::Text(text)
}

fn diagnose(event: Event, series: &Series) -> String {
    let count = series.samples.len() as u64;
    let mean = series.samples.iter().map(|sample| sample.ms).sum::<u64>() / count.max(1);
    let advice = match event {
        Event::AofFsyncAlways => {
            "Commits wait for the disk: look at what else writes to it, and whether it is a disk that keeps up. \
             appendfsync everysec does not wait, and may lose a second of changes with the machine."
        }
        Event::AofWrite => {
            "Commits take long although they are not synced: the disk may be full of other programs' writes, \
             or another program holds the data file."
        }
        Event::Command => {
            "SLOWLOG GET shows which commands these were. SSCAN and SCAN go through large sets and many keys in \
             small steps."
        }
        Event::FastCommand => {
            "SLOWLOG GET shows which commands these were. Of writes, the commit is a part: see aof-fsync-always \
             and aof-write."
        }
    };
    format!(
        "{}: {count} seconds with spikes, mean {mean} ms, worst {} ms. {advice}\n",
        event.name(),
        series.max_ms
    )
}

pub(super) fn latency_histogram(_: &mut Session, environment: &Environment, request: Request<'_>) -> Reply {
    let called: Vec<(&Spec, &Histogram)> = rows()
        .zip(&environment.stats.commands)
        .filter(|(_, stats)| stats.calls.get() > 0)
        .map(|(spec, stats)| (spec, &stats.durations))
        .collect();
    if request.len() == 2 {
        return Reply::Map(
            called.into_iter().filter_map(|(spec, durations)| distribution(spec, durations)).collect(),
        );
    }
    // Of a command with subcommands, those that were called.
    let is_meant = |spec: &Spec, name: &[u8]| {
        spec.name.as_bytes().eq_ignore_ascii_case(name)
            || lookup(name).is_some_and(|command| {
                command.spec.subcommands.iter().any(|subcommand| subcommand.name == spec.name)
            })
    };
    let found = called.into_iter().filter(|(spec, _)| request.args(2).any(|name| is_meant(spec, name)));
    Reply::Map(found.filter_map(|(spec, durations)| distribution(spec, durations)).collect())
}

fn distribution(spec: &'static Spec, durations: &Histogram) -> Option<(Reply, Reply)> {
    let cumulative = durations.cumulative();
    let &(_, calls) = cumulative.last()?;
    let bounds = cumulative
        .iter()
        .map(|&(bound, calls)| (Reply::Integer((bound / 1000) as i64), Reply::Integer(calls as i64)));
    let entries = vec![
        (Reply::fixed("calls"), Reply::Integer(calls as i64)),
        (Reply::fixed("histogram_usec"), Reply::Map(bounds.collect())),
    ];
    Some((Reply::fixed(spec.name), Reply::Map(entries)))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{environment, request, session};
    use super::super::{find, testing};
    use super::*;

    fn shown(words: &str) -> String {
        let request = request(words);
        let command = find(request.as_request()).unwrap();
        String::from_utf8(redacted(&environment(None), command, request.as_request()).join(&b' ')).unwrap()
    }

    #[test]
    fn passwords_are_not_shown() {
        for (words, expected) in [
            ("AUTH p", "AUTH (redacted)"),
            ("AUTH u p", "AUTH (redacted) (redacted)"),
            ("HELLO 3 AUTH u p SETNAME n", "HELLO 3 AUTH (redacted) (redacted) SETNAME n"),
            ("HELLO AUTH u p", "HELLO AUTH (redacted) (redacted)"),
            ("HELLO 3 AUTH u", "HELLO 3 AUTH (redacted)"),
            ("CONFIG SET port 1 RequirePass p", "CONFIG SET port 1 RequirePass (redacted)"),
            ("CLIENT SETNAME auth", "CLIENT SETNAME auth"),
        ] {
            assert_eq!(shown(words), expected);
        }
        assert!(!shown("HELLO 3 SETNAME auth AUTH u secret").contains("secret"));
    }

    #[test]
    fn what_took_long_is_kept_where_it_is_wanted() {
        let environment = environment(None);
        let mut session = session(&environment);
        let note = |words: &str, usec| {
            let request = request(words);
            let command = find(request.as_request()).unwrap();
            let client = testing::session(&environment).session.client().clone();
            note_slow(&environment, &client, command, request.as_request(), Duration::from_micros(usec));
        };
        note("PING", 9_000_000);
        assert_eq!(session.run(&environment, "SLOWLOG LEN"), Reply::Integer(0), "it is off");
        environment.settings.set_slowlog_log_slower_than(10);
        environment.settings.set_latency_monitor_threshold(1);
        note("PING", 9);
        note("EXEC", 2_000);
        note("PING", 10);
        assert_eq!(session.run(&environment, "SLOWLOG LEN"), Reply::Integer(1));
        let Reply::Array(latest) = session.run(&environment, "LATENCY LATEST") else { panic!("an array") };
        assert_eq!(latest.len(), 1);
        assert!(matches!(session.run(&environment, "LATENCY GRAPH command"), Reply::Text(_)));
        assert!(matches!(session.run(&environment, "LATENCY GRAPH fast-command"), Reply::Error(_)));
        let Reply::Text(report) = session.run(&environment, "LATENCY DOCTOR") else { panic!("a text") };
        assert!(report.starts_with("command: 1 seconds with spikes, mean 2 ms, worst 2 ms. "), "{report}");
        assert_eq!(session.run(&environment, "LATENCY RESET fast-command"), Reply::Integer(0));
        assert_eq!(session.run(&environment, "LATENCY RESET"), Reply::Integer(1));
    }

    #[test]
    fn a_graph_has_a_column_for_each_sample() {
        let now = since_epoch().as_secs();
        let sample = |ms| crate::latency::Sample { unix_seconds: now - 7200, ms };
        let series = Series { samples: [1, 4, 2].map(sample).into(), max_ms: 9 };
        let text = graph(Event::Command, &series);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], "command - high 4 ms, low 1 ms (all time high 9 ms)");
        assert_eq!(lines[2..], [" #", " |", " |#", "#||", "", "222", "hhh"]);
    }
}
