//! The options, a row for each, and what CONFIG GET shows besides.

use std::ffi::OsStr;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;

use clap::Arg;
use clap::builder::ValueParser;
use toml::de::DeValue;

use super::hooks::Hooks;
use super::{Appendfsync, Config, Logformat, Loglevel, variable};
use crate::acl;
use crate::command;
use crate::limits::{
    ACL_LOG_ENTRIES, ARGUMENT_BYTES, DATABASES, LEAST_REQUEST_BYTES, REQUEST_BYTES, SLOWLOG_ENTRIES,
};
use crate::outbox::{OutputLimits, parse_memory};
use crate::pubsub::EventClasses;
use crate::reply::ParameterProblem;
use crate::settings::Settings;
use crate::tls::{AuthClients, AuthClientsUser, Protocols};

/// One option.
pub(super) struct Row {
    /// Redis's directive, where there is one.
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    default: DefaultValue,
    pub(super) section: &'static str,
    /// What CONFIG SET does.
    pub(super) change: Change,
    /// A paragraph, with the unit if there is one. Its first sentence stands alone in `-h`.
    pub(super) doc: &'static str,
}

/// Whether an option can be changed while the server runs, and how the change comes to count.
pub(super) enum Change {
    /// It counts at start only.
    AtStart,
    /// It is stored where those look whom it concerns.
    Stored(fn(&Config, &Settings)),
    /// Somebody has to do something, who may refuse.
    Asked(fn(&Config, &Hooks) -> Result<(), ParameterProblem>),
    /// Both, in this order.
    AskedAndStored(fn(&Config, &Hooks) -> Result<(), ParameterProblem>, fn(&Config, &Settings)),
}

impl Change {
    /// Whether CONFIG SET can change the option.
    pub(super) fn is_live(&self) -> bool {
        !matches!(self, Self::AtStart)
    }

    /// Asks those who have to do something.
    pub(super) fn ask(&self, config: &Config, hooks: &Hooks) -> Result<(), ParameterProblem> {
        match self {
            Self::AtStart | Self::Stored(_) => Ok(()),
            Self::Asked(ask) | Self::AskedAndStored(ask, _) => ask(config, hooks),
        }
    }

    /// Stores the value where it is looked up.
    pub(super) fn store(&self, config: &Config, settings: &Settings) {
        match self {
            Self::AtStart | Self::Asked(_) => {}
            Self::Stored(store) | Self::AskedAndStored(_, store) => store(config, settings),
        }
    }
}

/// What an option's values are, and the field of [`Config`] in which they end up.
pub(super) enum Kind {
    /// IP addresses, at least one.
    Addresses { set: fn(&mut Config, Vec<IpAddr>), get: fn(&Config) -> &[IpAddr] },
    /// A whole number within the range, which must fit the field.
    Integer { range: RangeInclusive<i64>, set: fn(&mut Config, i64), get: fn(&Config) -> i64 },
    /// A number of bytes within the range, with Redis's units: 100mb.
    Memory { range: RangeInclusive<u64>, set: fn(&mut Config, u64), get: fn(&Config) -> u64 },
    /// One of the words, which is set by its place among them.
    Word { words: &'static [&'static str], set: fn(&mut Config, usize), get: fn(&Config) -> &'static str },
    /// yes or no.
    Switch { set: fn(&mut Config, bool), get: fn(&Config) -> bool },
    /// Users: of each its name and its rules, a line.
    Users { set: fn(&mut Config, Vec<String>), get: fn(&Config) -> &[String] },
    /// Text that is accepted, and that `allowed` describes.
    Text {
        placeholder: &'static str,
        allowed: &'static str,
        accepts: fn(&str) -> bool,
        set: fn(&mut Config, String),
        get: fn(&Config) -> String,
    },
    /// The path of a file or a folder, of so many bytes at most; none, if it is empty.
    Path { longest: usize, set: fn(&mut Config, Option<PathBuf>), get: fn(&Config) -> Option<&Path> },
    /// Any text, shown to none but the clients that CONFIG GET is allowed to.
    Secret { set: fn(&mut Config, String), get: fn(&Config) -> String },
}

/// An option's value where nobody gave one.
enum DefaultValue {
    /// Always this.
    Is(&'static str),
    /// As many as there are cores, at most [`MOST_IO_THREADS`].
    Cores,
}

const MOST_IO_THREADS: i64 = 256;

/// Longest path of a socket file: what the system has room for, beside a terminating zero.
const SOCKET_PATH_BYTES: usize = 107;

/// Longest path of a file that Linux takes, beside a terminating zero.
const FILE_PATH_BYTES: usize = 4095;

/// Each option of TLS has all files be read anew, even if its value is the same.
const TLS_FILES: Change =
    Change::Asked(|config, hooks| (hooks.tls)(&config.tls).map_err(ParameterProblem::Failed));

/// The only value of `maxmemory-policy`.
const MAXMEMORY_POLICY: &str = "noeviction";

pub(super) static ROWS: &[Row] = &[
    Row {
        name: "bind",
        kind: Kind::Addresses { set: |config, ips| config.bind = ips, get: |config| &config.bind },
        default: DefaultValue::Is("127.0.0.1"),
        section: "Network",
        change: Change::AtStart,
        doc: "The IP addresses to listen on. Several are separated by spaces or commas. 0.0.0.0 stands for \
              every IPv4 address of the machine, :: for every IPv6 address; where others can reach them, \
              set requirepass.",
    },
    Row {
        name: "port",
        kind: Kind::Integer {
            range: 0..=65_535,
            set: |config, port| config.port = port as u16,
            get: |config| config.port.into(),
        },
        default: DefaultValue::Is("6379"),
        section: "Network",
        change: Change::AtStart,
        doc: "The TCP port to listen on. 0 for none, where there is a unixsocket.",
    },
    Row {
        name: "unixsocket",
        kind: Kind::Path {
            longest: SOCKET_PATH_BYTES,
            set: |config, path| config.unixsocket = path,
            get: |config| config.unixsocket.as_deref(),
        },
        default: DefaultValue::Is(""),
        section: "Network",
        change: Change::AtStart,
        doc: "A socket file to listen on, beside the port or instead of it. It is made at start and removed in the \
              end. One that a server left which was killed is replaced; where another server listens, or a file of \
              another kind is, the start fails. Empty for none.",
    },
    Row {
        name: "unixsocketperm",
        kind: Kind::Text {
            placeholder: "OCTAL",
            allowed: "file permissions in octal, such as \"770\"",
            accepts: |text| permissions(text).is_some(),
            set: |config, text| config.unixsocketperm = permissions(&text).filter(|&bits| bits != 0),
            get: |config| format!("{:o}", config.unixsocketperm.unwrap_or(0)),
        },
        default: DefaultValue::Is("0"),
        section: "Network",
        change: Change::AtStart,
        doc: "The permissions of the socket file, in octal: who may write to it may connect. 0 for those that the \
              umask of the server leaves.",
    },
    Row {
        name: "tcp-backlog",
        kind: Kind::Integer {
            range: 1..=65_535,
            set: |config, connections| config.tcp_backlog = connections as u32,
            get: |config| config.tcp_backlog.into(),
        },
        default: DefaultValue::Is("511"),
        section: "Network",
        change: Change::AtStart,
        doc: "How many connections may wait to be accepted. Linux silently caps it at net.core.somaxconn.",
    },
    Row {
        name: "tcp-keepalive",
        kind: Kind::Integer {
            // Linux takes no more.
            range: 0..=32_767,
            set: |config, seconds| config.tcp_keepalive_seconds = seconds as u64,
            get: |config| config.tcp_keepalive_seconds as i64,
        },
        default: DefaultValue::Is("300"),
        section: "Network",
        change: Change::Stored(|config, settings| settings.set_tcp_keepalive(config.tcp_keepalive_seconds)),
        doc: "Seconds of silence after which a client is probed. A peer that is gone is noticed that way; 0 \
              turns the probes off.",
    },
    Row {
        name: "tls-port",
        kind: Kind::Integer {
            range: 0..=65_535,
            set: |config, port| config.tls_port = port as u16,
            get: |config| config.tls_port.into(),
        },
        default: DefaultValue::Is("0"),
        section: "TLS",
        change: Change::AtStart,
        doc: "The TCP port to listen on for clients that speak TLS, beside port or instead of it (port 0). 0 for none.",
    },
    Row {
        name: "tls-cert-file",
        kind: Kind::Path {
            longest: FILE_PATH_BYTES,
            set: |config, path| config.tls.cert_file = path,
            get: |config| config.tls.cert_file.as_deref(),
        },
        default: DefaultValue::Is(""),
        section: "TLS",
        change: TLS_FILES,
        doc: "The server's certificate, in PEM, with those between it and a root behind it. Where the file changes, new \
              connections are accepted with it at once.",
    },
    Row {
        name: "tls-key-file",
        kind: Kind::Path {
            longest: FILE_PATH_BYTES,
            set: |config, path| config.tls.key_file = path,
            get: |config| config.tls.key_file.as_deref(),
        },
        default: DefaultValue::Is(""),
        section: "TLS",
        change: TLS_FILES,
        doc: "The private key of the certificate, in PEM, not encrypted.",
    },
    Row {
        name: "tls-ca-cert-file",
        kind: Kind::Path {
            longest: FILE_PATH_BYTES,
            set: |config, path| config.tls.ca_cert_file = path,
            get: |config| config.tls.ca_cert_file.as_deref(),
        },
        default: DefaultValue::Is(""),
        section: "TLS",
        change: TLS_FILES,
        doc: "Who signs the certificates of clients, in PEM.",
    },
    Row {
        name: "tls-ca-cert-dir",
        kind: Kind::Path {
            longest: FILE_PATH_BYTES,
            set: |config, path| config.tls.ca_cert_dir = path,
            get: |config| config.tls.ca_cert_dir.as_deref(),
        },
        default: DefaultValue::Is(""),
        section: "TLS",
        change: TLS_FILES,
        doc: "A folder of such files.",
    },
    Row {
        name: "tls-auth-clients",
        kind: Kind::Word {
            words: &["no", "yes", "optional"],
            set: |config, index| config.tls.auth_clients = AuthClients::ALL[index],
            get: |config| config.tls.auth_clients.as_str(),
        },
        default: DefaultValue::Is("yes"),
        section: "TLS",
        change: TLS_FILES,
        doc: "Whether clients need a certificate. With yes, those without one are refused; with optional, only those \
              whose certificate is not good; with no, none is asked for.",
    },
    Row {
        name: "tls-auth-clients-user",
        kind: Kind::Word {
            words: &["off", "cn"],
            set: |config, index| config.tls.auth_clients_user = AuthClientsUser::ALL[index],
            get: |config| config.tls.auth_clients_user.as_str(),
        },
        default: DefaultValue::Is("off"),
        section: "TLS",
        change: TLS_FILES,
        doc: "What of a client's certificate names the user that it is, without AUTH. With cn, the common name of its \
              subject; a client whose name is no user's, or that of one who is off, is refused. With off, nothing.",
    },
    Row {
        name: "tls-protocols",
        kind: Kind::Text {
            placeholder: "VERSIONS",
            allowed: "TLSv1.2, TLSv1.3 or both, separated by a space",
            accepts: |text| Protocols::parse(text).is_some(),
            set: |config, text| config.tls.protocols = Protocols::parse(&text).unwrap_or_default(),
            get: |config| config.tls.protocols.to_string(),
        },
        default: DefaultValue::Is("TLSv1.2 TLSv1.3"),
        section: "TLS",
        change: TLS_FILES,
        doc: "The versions of TLS that are spoken. Older ones are not there.",
    },
    Row {
        name: "dir",
        kind: Kind::Text {
            placeholder: "DIRECTORY",
            allowed: "a directory",
            accepts: |text| !text.is_empty() && !text.contains('\0'),
            set: |config, dir| config.dir = dir.into(),
            get: |config| config.dir.display().to_string(),
        },
        default: DefaultValue::Is("."),
        section: "Storage",
        change: Change::AtStart,
        doc: "The directory of the data file, which must exist. A relative one is relative to where the \
              server is started.",
    },
    Row {
        name: "dbfilename",
        kind: Kind::Text {
            placeholder: "NAME",
            allowed: "a file name without a directory",
            accepts: |text| Path::new(text).file_name() == Some(OsStr::new(text)) && !text.contains('\0'),
            set: |config, name| config.dbfilename = name,
            get: |config| config.dbfilename.clone(),
        },
        default: DefaultValue::Is("revoked.db"),
        section: "Storage",
        change: Change::AtStart,
        doc: "The name of the data file. It is an SQLite database in dir, made if there is none; SQLite \
              keeps files of its own beside it while the server runs.",
    },
    Row {
        name: "appendfsync",
        kind: Kind::Word {
            words: &["everysec", "always", "no"],
            set: |config, index| config.appendfsync = Appendfsync::ALL[index],
            get: |config| config.appendfsync.as_str(),
        },
        default: DefaultValue::Is("always"),
        section: "Storage",
        change: Change::Asked(|config, hooks| {
            (hooks.appendfsync)(config.appendfsync);
            Ok(())
        }),
        doc: "When a change is forced to the disk. With always, before it is acknowledged: what was revoked \
              stays revoked, whatever happens. With everysec, once a second, and with no, when the \
              operating system sees fit: a crash of the server still loses nothing, one of the machine \
              loses what was acknowledged since.",
    },
    Row {
        name: "maxmemory",
        kind: Kind::Memory {
            range: 0..=i64::MAX as u64,
            set: |config, bytes| config.maxmemory = bytes,
            get: |config| config.maxmemory,
        },
        default: DefaultValue::Is("0"),
        section: "Memory",
        change: Change::AskedAndStored(
            |config, hooks| (hooks.maxmemory)(config.maxmemory).map_err(ParameterProblem::Failed),
            |config, settings| settings.maxmemory.store(config.maxmemory, Relaxed),
        ),
        doc: "Bytes in use from which on writes that need memory are refused with -OOM. Reads, deletions and \
              whatever else needs none go on, and so do ends: nothing is ever dropped to make room. It is measured \
              what is allocated, for data, clients and all else, but for the program itself and SQLite (a few \
              megabytes). One commit may still add up to 64mb, or what a single command or transaction adds. What \
              is in the data file is loaded whatever it takes. 0 for no such bound. k, m and g are powers of 1000; \
              kb, mb and gb of 1024.",
    },
    Row {
        name: "maxmemory-policy",
        kind: Kind::Text {
            placeholder: "noeviction",
            allowed: "noeviction, the only policy there is: a live revocation is never dropped to make room",
            accepts: |text| text.eq_ignore_ascii_case(MAXMEMORY_POLICY),
            set: |_, _| {},
            get: |_| MAXMEMORY_POLICY.to_owned(),
        },
        default: DefaultValue::Is(MAXMEMORY_POLICY),
        section: "Memory",
        change: Change::Stored(|_, _| {}),
        doc: "What happens at maxmemory. There is one policy: noeviction. A live revocation is never dropped to make \
              room, so every other is refused.",
    },
    Row {
        name: "requirepass",
        kind: Kind::Secret {
            set: |config, password| config.requirepass = Some(password).filter(|text| !text.is_empty()),
            get: |config| config.requirepass.clone().unwrap_or_default(),
        },
        default: DefaultValue::Is(""),
        section: "Clients",
        change: Change::Asked(|config, hooks| {
            (hooks.requirepass)(config.requirepass.as_deref());
            Ok(())
        }),
        doc: "The password of the default user, which clients must give to AUTH. Empty for none. At the start and at \
              SIGHUP it has no effect where user or the aclfile has a line for default. Prefer the file or \
              the environment to the flag: ps shows flags to every user of the machine. A reply to a wrong password \
              waits, ten milliseconds at first, and up to 320 when more follow on the same connection.",
    },
    Row {
        name: "protected-mode",
        kind: Kind::Switch {
            set: |config, is_on| config.protected_mode = is_on,
            get: |config| config.protected_mode,
        },
        default: DefaultValue::Is("yes"),
        section: "Clients",
        change: Change::Stored(|config, settings| settings.set_protected(config.protected_mode)),
        doc: "Whether clients from other machines are refused as long as the default user needs no password.",
    },
    Row {
        name: "user",
        kind: Kind::Users { set: |config, users| config.users = users, get: |config| &config.users },
        default: DefaultValue::Is(""),
        section: "Clients",
        change: Change::AtStart,
        doc: "The users, and what each may do, in the words of ACL SETUSER: a list of texts such as \
              'gateway on #HASH ~revoked +sismember', where HASH is the password's SHA-256 as ACL LIST shows it. Who \
              does not log in is the user default, who may do everything unless there is a line for it. As a flag or \
              in the environment, they are separated by line breaks. SIGHUP makes them anew where the configuration says \
              something else than before; CONFIG REWRITE writes them as they are then.",
    },
    Row {
        name: "aclfile",
        kind: Kind::Text {
            placeholder: "FILE",
            allowed: "a file",
            accepts: |text| !text.contains('\0'),
            set: |config, file| config.aclfile = Some(file).filter(|text| !text.is_empty()).map(Into::into),
            get: |config| {
                config.aclfile.as_deref().map(|file| file.display().to_string()).unwrap_or_default()
            },
        },
        default: DefaultValue::Is(""),
        section: "Clients",
        change: Change::AtStart,
        doc: "A file of users, a line for each as ACL LIST shows them, which must exist, and may be empty. ACL LOAD \
              and SIGHUP read it again, ACL SAVE writes it. Where it is given, user is not. Without a line for it, the user \
              default may do everything, with the password that requirepass sets. Empty for none.",
    },
    Row {
        name: "acllog-max-len",
        kind: Kind::Integer {
            range: 0..=ACL_LOG_ENTRIES as i64,
            set: |config, entries| config.acllog_max_len = entries as usize,
            get: |config| config.acllog_max_len as i64,
        },
        default: DefaultValue::Is("128"),
        section: "Clients",
        change: Change::Stored(|config, settings| {
            settings.acllog_max_len.store(config.acllog_max_len, Relaxed);
        }),
        doc: "Most entries that ACL LOG keeps: the latest of what was denied to users.",
    },
    Row {
        name: "maxclients",
        kind: Kind::Integer {
            range: 1..=1_000_000,
            set: |config, clients| config.maxclients = clients as usize,
            get: |config| config.maxclients as i64,
        },
        default: DefaultValue::Is("10000"),
        section: "Clients",
        change: Change::AskedAndStored(
            |config, hooks| {
                (hooks.maxclients)(config.maxclients)
                    .map_err(|possible| ParameterProblem::TooManyClients { possible })
            },
            |config, settings| settings.maxclients.store(config.maxclients, Relaxed),
        ),
        doc: "Most clients at once. One more is told so and disconnected. Each takes a file descriptor: \
              the server raises its limit of open files as far as it may, and serves fewer clients if that \
              is not enough (ulimit -Hn, systemd's LimitNOFILE).",
    },
    Row {
        name: "timeout",
        kind: Kind::Integer {
            range: 0..=i32::MAX as i64,
            set: |config, seconds| config.timeout_seconds = seconds as u64,
            get: |config| config.timeout_seconds as i64,
        },
        default: DefaultValue::Is("0"),
        section: "Clients",
        change: Change::Stored(|config, settings| settings.set_timeout(config.timeout_seconds)),
        doc: "Seconds after which a client that neither sends nor takes anything is disconnected. Subscribers and \
              monitors never are, nor is a client while a command of its own is under way. 0 for never.",
    },
    Row {
        name: "client-query-buffer-limit",
        kind: Kind::Memory {
            range: LEAST_REQUEST_BYTES as u64..=REQUEST_BYTES as u64,
            set: |config, bytes| config.client_query_buffer_limit = bytes as usize,
            get: |config| config.client_query_buffer_limit as u64,
        },
        default: DefaultValue::Is("1073741824"),
        section: "Clients",
        change: Change::Stored(|config, settings| {
            settings.set_request_bytes(config.client_query_buffer_limit);
        }),
        doc: "Most bytes of one request. A client that announces a longer one is told so and disconnected. kb, mb and \
              gb are powers of 1024.",
    },
    Row {
        name: "proto-max-bulk-len",
        kind: Kind::Memory {
            range: LEAST_REQUEST_BYTES as u64..=ARGUMENT_BYTES as u64,
            set: |config, bytes| config.proto_max_bulk_len = bytes as usize,
            get: |config| config.proto_max_bulk_len as u64,
        },
        default: DefaultValue::Is("536870912"),
        section: "Clients",
        change: Change::Stored(|config, settings| settings.set_argument_bytes(config.proto_max_bulk_len)),
        doc: "Most bytes of one argument of a request. A client that announces a longer one is told so and \
              disconnected. What APPEND and SETRANGE make longer bit by bit is bounded by 512mb all the same.",
    },
    Row {
        name: "client-output-buffer-limit",
        kind: Kind::Text {
            placeholder: "LIMITS",
            allowed: "for one or more of the classes normal, replica and pubsub: the class, a hard limit and a \
                      soft limit such as 32mb, and seconds",
            accepts: |text| OutputLimits::default().with(text).is_some(),
            set: |config, text| {
                let limits = config.client_output_buffer_limit;
                config.client_output_buffer_limit = limits.with(&text).unwrap_or(limits);
            },
            get: |config| config.client_output_buffer_limit.to_string(),
        },
        default: DefaultValue::Is("normal 0 0 0 replica 256mb 64mb 60 pubsub 32mb 8mb 60"),
        section: "Clients",
        change: Change::AskedAndStored(
            |config, hooks| {
                (hooks.client_output_buffer_limit)(config.client_output_buffer_limit);
                Ok(())
            },
            |config, settings| settings.set_output_limits(config.client_output_buffer_limit),
        ),
        doc: "How much may wait for a client that does not take what is sent to it, before it is disconnected. \
              That happens at once beyond the hard limit, and beyond the soft limit when it lasts for so many \
              seconds. pubsub is for subscribers, normal for all others. What waits are replies (those that are \
              longer than what the system takes at once: nobody gets further ones meanwhile), messages of \
              channels and lines of MONITOR. 0 stands for no limit; of messages and lines never more than 256mb \
              wait. A class that is not named keeps its limits. k, m and g are powers of 1000; kb, mb and gb of \
              1024.",
    },
    Row {
        name: "notify-keyspace-events",
        kind: Kind::Text {
            placeholder: "CLASSES",
            allowed: "any of the letters Ag$lshzxeKEtmdn",
            accepts: |text| EventClasses::parse(text).is_some(),
            set: |config, text| {
                config.notify_keyspace_events = EventClasses::parse(&text).unwrap_or_default();
            },
            get: |config| config.notify_keyspace_events.to_string(),
        },
        default: DefaultValue::Is(""),
        section: "Clients",
        change: Change::Asked(|config, hooks| {
            (hooks.notify_keyspace_events)(config.notify_keyspace_events);
            Ok(())
        }),
        doc: "Which events of keys are published. Each letter stands for a class: g for commands for any type, \
              $ for strings, s for sets, x for keys that expired, n for new keys, A for all but m and n. K \
              publishes them on __keyspace@0__:key, E on __keyevent@0__:event; without one of the two nothing \
              is published. Empty for none.",
    },
    Row {
        name: "io-threads",
        kind: Kind::Integer {
            range: 1..=MOST_IO_THREADS,
            set: |config, threads| config.io_threads = threads as usize,
            get: |config| config.io_threads as i64,
        },
        default: DefaultValue::Cores,
        section: "Clients",
        change: Change::AtStart,
        doc: "Threads that serve clients. By default there are as many as cores; the thread that writes the \
              data file comes on top.",
    },
    Row {
        name: "slowlog-log-slower-than",
        kind: Kind::Integer {
            range: -1..=i64::MAX,
            set: |config, usec| config.slowlog_log_slower_than_usec = usec,
            get: |config| config.slowlog_log_slower_than_usec,
        },
        default: DefaultValue::Is("10000"),
        section: "Monitoring",
        change: Change::Stored(|config, settings| {
            settings.set_slowlog_log_slower_than(config.slowlog_log_slower_than_usec);
        }),
        doc: "Microseconds from which on SLOWLOG keeps a command. 0 keeps all, -1 none. A write is charged the \
              time from its submission to its reply, its share of the commit included; what was pipelined \
              together is charged the mean.",
    },
    Row {
        name: "slowlog-max-len",
        kind: Kind::Integer {
            range: 0..=SLOWLOG_ENTRIES as i64,
            set: |config, entries| config.slowlog_max_len = entries as usize,
            get: |config| config.slowlog_max_len as i64,
        },
        default: DefaultValue::Is("128"),
        section: "Monitoring",
        change: Change::Stored(|config, settings| {
            settings.slowlog_max_len.store(config.slowlog_max_len, Relaxed);
        }),
        doc: "Most commands that SLOWLOG keeps: the latest. Each takes a few kilobytes at most.",
    },
    Row {
        name: "latency-monitor-threshold",
        kind: Kind::Integer {
            range: 0..=i64::MAX,
            set: |config, ms| config.latency_monitor_threshold_ms = ms as u64,
            get: |config| config.latency_monitor_threshold_ms as i64,
        },
        default: DefaultValue::Is("0"),
        section: "Monitoring",
        change: Change::Stored(|config, settings| {
            settings.set_latency_monitor_threshold(config.latency_monitor_threshold_ms);
        }),
        doc: "Milliseconds from which on LATENCY keeps what a command or a commit took. 0 turns it off.",
    },
    Row {
        name: "metrics-port",
        kind: Kind::Integer {
            range: 0..=65_535,
            set: |config, port| config.metrics_port = (port > 0).then_some(port as u16),
            get: |config| config.metrics_port.map_or(0, i64::from),
        },
        default: DefaultValue::Is("0"),
        section: "Monitoring",
        change: Change::AtStart,
        doc: "The TCP port at which Prometheus finds /metrics, and probes /live, /ready and /writable, by HTTP and \
              without a password: nothing there names a token or a key. 0 for none.",
    },
    Row {
        name: "metrics-bind",
        kind: Kind::Addresses {
            set: |config, ips| config.metrics_bind = ips,
            get: |config| &config.metrics_bind,
        },
        default: DefaultValue::Is("127.0.0.1"),
        section: "Monitoring",
        change: Change::AtStart,
        doc: "The IP addresses at which metrics-port is listened on, separated as those of bind.",
    },
    Row {
        name: "loglevel",
        kind: Kind::Word {
            words: &["debug", "verbose", "notice", "warning"],
            set: |config, index| config.loglevel = Loglevel::ALL[index],
            get: |config| config.loglevel.as_str(),
        },
        default: DefaultValue::Is("notice"),
        section: "Logs",
        change: Change::Asked(|config, hooks| {
            (hooks.loglevel)(config.loglevel).map_err(ParameterProblem::Failed)
        }),
        doc: "The least important messages that are logged. They go to standard error. verbose adds the \
              server's own debugging, debug that of its libraries too. A filter in the environment variable \
              RUST_LOG, such as revoked=debug, takes its place.",
    },
    Row {
        name: "logformat",
        kind: Kind::Word {
            words: &["text", "json"],
            set: |config, index| config.logformat = Logformat::ALL[index],
            get: |config| config.logformat.as_str(),
        },
        default: DefaultValue::Is("text"),
        section: "Logs",
        change: Change::AtStart,
        doc: "The shape of log lines. text is for people, json an object a line.",
    },
];

/// A parameter that CONFIG GET shows because clients ask for it, but that is the same in every server.
pub(super) struct Fixed {
    pub(super) name: &'static str,
    pub(super) value: fn() -> String,
    /// Why it is as it is.
    pub(super) reason: &'static str,
    pub(super) unit: Unit,
}

/// How the value of a fixed parameter is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// As it stands.
    Text,
    /// yes or no.
    Switch,
    /// Not at all: as in Redis, it is refused whatever it is set to.
    Immutable,
}

pub(super) static FIXED: &[Fixed] = &[
    Fixed {
        name: "databases",
        value: || DATABASES.to_string(),
        reason: "there are as many as in Redis",
        unit: Unit::Immutable,
    },
    Fixed {
        name: "save",
        value: String::new,
        reason: "the data file is always current: no snapshots",
        unit: Unit::Text,
    },
    Fixed {
        name: "appendonly",
        value: || "yes".into(),
        reason: "every change is in the data file",
        unit: Unit::Switch,
    },
    Fixed {
        name: "slave-read-only",
        value: || "yes".into(),
        reason: "there are no replicas",
        unit: Unit::Switch,
    },
    Fixed {
        name: "replica-read-only",
        value: || "yes".into(),
        reason: "there are no replicas",
        unit: Unit::Switch,
    },
    Fixed {
        name: "cluster-enabled",
        value: || "no".into(),
        reason: "there is no cluster",
        unit: Unit::Immutable,
    },
    Fixed {
        name: "latency-tracking",
        value: || "yes".into(),
        reason: "it costs next to nothing",
        unit: Unit::Switch,
    },
    Fixed {
        name: "latency-tracking-info-percentiles",
        value: || "50 99 99.9".into(),
        reason: "it is built in",
        unit: Unit::Text,
    },
];

impl Fixed {
    pub(super) fn is_immutable(&self) -> bool {
        matches!(self.unit, Unit::Immutable)
    }

    /// Takes the value that it has, and refuses every other.
    pub(super) fn set(&self, text: &str) -> Result<(), ParameterProblem> {
        let value = (self.value)();
        let is_same = match self.unit {
            Unit::Immutable => return Err(ParameterProblem::Immutable),
            Unit::Text => text.eq_ignore_ascii_case(&value),
            Unit::Switch if ["yes", "no"].iter().any(|word| text.eq_ignore_ascii_case(word)) => {
                text.eq_ignore_ascii_case(&value)
            }
            Unit::Switch => return Err(ParameterProblem::NotYesOrNo),
        };
        if is_same { Ok(()) } else { Err(ParameterProblem::Fixed { value, reason: self.reason }) }
    }
}

impl Row {
    pub(super) fn find(name: &str) -> Option<&'static Row> {
        ROWS.iter().find(|row| row.name == name)
    }

    /// Whether it says who the users are, or how one logs in.
    pub(super) fn is_about_users(&self) -> bool {
        self.kind.is_users() || self.name == "requirepass"
    }

    /// The value where nobody gave one.
    pub(super) fn default_value(&self) -> String {
        match self.default {
            DefaultValue::Is(text) => text.to_owned(),
            DefaultValue::Cores => {
                let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as i64);
                cores.min(MOST_IO_THREADS).to_string()
            }
        }
    }

    /// The default in words.
    fn default_shown(&self) -> &'static str {
        match self.default {
            DefaultValue::Is("") => "none",
            DefaultValue::Is(text) => text,
            DefaultValue::Cores => "the number of cores",
        }
    }

    /// What the example shows: a value that is allowed, and the default if that is one.
    pub(super) fn example(&self) -> String {
        match self.default {
            DefaultValue::Is(text) => self.kind.toml(text),
            // A figure that is the same on every machine: the text is committed.
            DefaultValue::Cores => self.kind.toml("4"),
        }
    }

    pub(super) fn flag(&self) -> Arg {
        let first_sentence = self.doc.split_once(". ").map_or(self.doc, |(first, _)| first);
        let (default, variable) = (self.default_shown(), variable(self.name));
        Arg::new(self.name)
            .long(self.name)
            .value_name(self.kind.placeholder())
            .value_parser(ValueParser::os_string())
            .allow_negative_numbers(true)
            .help_heading(self.section)
            .help(format!("{} [default: {default}]", first_sentence.trim_end_matches('.')))
            .long_help(format!("{}\n[default: {default}] [environment: {variable}]", self.doc))
    }
}

impl Kind {
    /// Sets the option to what `text` stands for; `None` if that is nothing that is allowed.
    pub(super) fn set(&self, config: &mut Config, text: &str) -> Option<()> {
        match self {
            Self::Addresses { set, .. } => set(config, addresses(text)?),
            Self::Integer { range, set, .. } => {
                set(config, text.parse().ok().filter(|number| range.contains(number))?);
            }
            Self::Memory { range, set, .. } => {
                set(config, parse_memory(text).filter(|bytes| range.contains(bytes))?);
            }
            Self::Word { words, set, .. } => set(config, words.iter().position(|word| *word == text)?),
            Self::Switch { set, .. } => set(config, parse_switch(text)?),
            Self::Users { set, .. } => {
                let is_right = acl::problem(users(text), command::catalogue()).is_none();
                set(config, is_right.then(|| users(text).map(str::to_owned).collect())?);
            }
            Self::Text { accepts, set, .. } => set(config, accepts(text).then(|| text.to_owned())?),
            Self::Path { longest, set, .. } => {
                let is_path = text.len() <= *longest && !text.contains('\0');
                set(config, is_path.then(|| (!text.is_empty()).then(|| text.into()))?);
            }
            Self::Secret { set, .. } => set(config, text.to_owned()),
        }
        Some(())
    }

    /// Sets the option to what CONFIG SET was given: words are taken in any case, and errors are Redis's.
    pub(super) fn set_live(&self, config: &mut Config, text: &str) -> Result<(), ParameterProblem> {
        match self {
            Self::Integer { range, set, .. } => {
                let number = parse_integer(text).ok_or(ParameterProblem::NotAnInteger)?;
                if !range.contains(&number) {
                    let (least, most) = (*range.start(), *range.end());
                    return Err(ParameterProblem::OutOfRange { least, most });
                }
                set(config, number);
            }
            Self::Memory { range, set, .. } => {
                let bytes = parse_memory(text).ok_or(ParameterProblem::NotMemory)?;
                if !range.contains(&bytes) {
                    let (least, most) = (*range.start() as i64, *range.end() as i64);
                    return Err(ParameterProblem::OutOfRange { least, most });
                }
                set(config, bytes);
            }
            Self::Word { words, set, .. } => {
                let place = words.iter().position(|word| word.eq_ignore_ascii_case(text));
                set(config, place.ok_or(ParameterProblem::NotOneOf(words))?);
            }
            Self::Switch { set, .. } => {
                set(config, parse_switch(&text.to_ascii_lowercase()).ok_or(ParameterProblem::NotYesOrNo)?);
            }
            Self::Addresses { .. }
            | Self::Users { .. }
            | Self::Text { .. }
            | Self::Path { .. }
            | Self::Secret { .. } => {
                self.set(config, text).ok_or_else(|| ParameterProblem::NotAllowed(self.allowed()))?;
            }
        }
        Ok(())
    }

    /// The option's value as `set` reads it and CONFIG GET shows it.
    pub(super) fn get(&self, config: &Config) -> String {
        match self {
            Self::Addresses { get, .. } => {
                get(config).iter().map(IpAddr::to_string).collect::<Vec<_>>().join(" ")
            }
            Self::Integer { get, .. } => get(config).to_string(),
            Self::Memory { get, .. } => get(config).to_string(),
            Self::Word { get, .. } => get(config).to_owned(),
            Self::Switch { get, .. } => if get(config) { "yes" } else { "no" }.to_owned(),
            Self::Users { get, .. } => get(config).join("\n"),
            Self::Text { get, .. } | Self::Secret { get, .. } => get(config),
            Self::Path { get, .. } => get(config).map(|path| path.display().to_string()).unwrap_or_default(),
        }
    }

    /// Whether nobody should see it: there may be passwords in it.
    pub(super) fn is_secret(&self) -> bool {
        matches!(self, Self::Secret { .. } | Self::Users { .. })
    }

    pub(super) fn is_users(&self) -> bool {
        matches!(self, Self::Users { .. })
    }

    /// Why a text is refused, beyond what is allowed.
    pub(super) fn reason(&self, text: &str) -> String {
        match self {
            Self::Users { .. } => acl::problem(users(text), command::catalogue())
                .map_or_else(String::new, |problem| format!(": {problem}")),
            _ => String::new(),
        }
    }

    /// What completes "is not ...".
    pub(super) fn allowed(&self) -> String {
        match self {
            Self::Addresses { .. } => "a list of IP addresses, each once".to_owned(),
            Self::Integer { range, .. } => {
                format!("a whole number from {} to {}", range.start(), range.end())
            }
            Self::Memory { range, .. } => {
                format!("a number of bytes from {} to {}, or one such as 100mb", range.start(), range.end())
            }
            Self::Word { words, .. } => format!("one of {}", words.join(", ")),
            Self::Switch { .. } => "yes or no".to_owned(),
            Self::Users { .. } => "a list of users, of each its name and its rules".to_owned(),
            Self::Text { allowed, .. } => (*allowed).to_owned(),
            Self::Path { longest, .. } => format!("a path of at most {longest} bytes"),
            Self::Secret { .. } => "a string".to_owned(),
        }
    }

    /// How `--help` writes the value.
    fn placeholder(&self) -> String {
        match self {
            Self::Addresses { .. } => "ADDRESSES".to_owned(),
            Self::Integer { range, .. } => format!("{}..{}", range.start(), range.end()),
            Self::Memory { .. } => "BYTES".to_owned(),
            Self::Word { words, .. } => words.join("|"),
            Self::Switch { .. } => "yes|no".to_owned(),
            Self::Users { .. } => "USERS".to_owned(),
            Self::Text { placeholder, .. } => (*placeholder).to_owned(),
            Self::Path { .. } => "PATH".to_owned(),
            Self::Secret { .. } => "PASSWORD".to_owned(),
        }
    }

    /// A TOML value as the text that `set` reads; `None` if it is of another type.
    pub(super) fn text_of(&self, value: &DeValue<'_>) -> Option<String> {
        match (self, value) {
            (Self::Integer { .. } | Self::Memory { .. }, DeValue::Integer(number)) => {
                let text = number.as_str();
                Some(i128::from_str_radix(text, number.radix()).map_or(text.to_owned(), |n| n.to_string()))
            }
            (Self::Addresses { .. }, DeValue::Array(items)) => {
                let items = items.iter().map(|item| item.get_ref().as_str());
                items.collect::<Option<Vec<_>>>().map(|addresses| addresses.join(" "))
            }
            (Self::Users { .. }, DeValue::Array(items)) => {
                let items = items.iter().map(|item| item.get_ref().as_str());
                items.collect::<Option<Vec<_>>>().map(|users| users.join("\n"))
            }
            (Self::Switch { .. }, DeValue::Boolean(is_on)) => {
                Some(if *is_on { "yes" } else { "no" }.to_owned())
            }
            (Self::Integer { .. }, _) => None,
            (_, value) => value.as_str().map(str::to_owned),
        }
    }

    /// `text` as it stands in a TOML file.
    pub(super) fn toml(&self, text: &str) -> String {
        match self {
            Self::Integer { .. } | Self::Memory { .. } => text.to_owned(),
            Self::Addresses { .. } => format!("{:?}", text.split(' ').collect::<Vec<_>>()),
            Self::Users { .. } => format!("{:?}", users(text).collect::<Vec<_>>()),
            Self::Word { .. }
            | Self::Switch { .. }
            | Self::Text { .. }
            | Self::Path { .. }
            | Self::Secret { .. } => {
                format!("{text:?}")
            }
        }
    }
}

/// Permissions of a file as `chmod` takes them.
fn permissions(text: &str) -> Option<u32> {
    let is_octal = !text.is_empty() && text.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
    u32::from_str_radix(text, 8).ok().filter(|&bits| is_octal && bits <= 0o777)
}

/// A whole number in the one form that Redis takes.
fn parse_integer(text: &str) -> Option<i64> {
    text.parse::<i64>().ok().filter(|number| number.to_string() == text)
}

fn parse_switch(text: &str) -> Option<bool> {
    match text {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    }
}

/// A line for each.
fn users(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.trim().is_empty())
}

fn addresses(text: &str) -> Option<Vec<IpAddr>> {
    let words = text.split([' ', ',']).filter(|word| !word.is_empty());
    let ips = words.map(|word| word.parse().ok()).collect::<Option<Vec<IpAddr>>>()?;
    let repeated = ips.iter().enumerate().any(|(at, ip)| ips[..at].contains(ip));
    (!ips.is_empty() && !repeated).then_some(ips)
}
