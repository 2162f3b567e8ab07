//! The house: which module may know which, as the crate's documentation draws it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A module and those of the crate that it may import. Whoever is not listed may import nobody; each row's
/// entries stand below it, so that imports run one way.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("main", &["config", "tool", "server", "listen", "systemd", "tls", "journal", "command", "memory"]),
    (
        "server",
        &[
            "config",
            "metrics",
            "listen",
            "systemd",
            "tls",
            "connection",
            "journal",
            "command",
            "store",
            "pubsub",
            "monitor",
            "clients",
            "outbox",
            "slowlog",
            "stats",
            "settings",
            "memory",
            "seldom",
            "acl",
            "reply",
            "limits",
        ],
    ),
    ("metrics", &["command", "store", "pubsub", "stats", "memory", "procfs", "limits"]),
    ("listen", &["systemd", "connection", "clients"]),
    (
        "config",
        &["command", "tool", "tls", "settings", "pubsub", "outbox", "acl", "replace", "reply", "limits"],
    ),
    ("tool", &["journal", "resp", "stats", "expiry"]),
    (
        "connection",
        &[
            "journal", "command", "store", "monitor", "clients", "outbox", "resp", "slowlog", "stats",
            "latency", "settings", "seldom", "op", "request", "reply", "limits",
        ],
    ),
    (
        "journal",
        &[
            "command", "store", "pubsub", "stats", "latency", "op", "effect", "expiry", "request", "reply",
            "limits",
        ],
    ),
    (
        "command",
        &[
            "store", "pubsub", "monitor", "clients", "slowlog", "stats", "latency", "settings", "memory",
            "procfs", "op", "effect", "expiry", "request", "acl", "reply", "glob", "limits",
        ],
    ),
    ("store", &["effect", "expiry", "limits"]),
    ("op", &["expiry"]),
    ("effect", &["expiry"]),
    ("pubsub", &["clients", "outbox", "resp", "reply", "glob", "limits"]),
    ("monitor", &["clients", "outbox", "limits"]),
    ("clients", &["outbox"]),
    ("resp", &["request", "reply", "limits"]),
    ("slowlog", &["limits"]),
    ("stats", &["latency", "settings"]),
    ("latency", &["settings", "limits"]),
    ("settings", &["outbox", "memory", "reply", "limits"]),
    ("outbox", &["limits"]),
    ("memory", &[]),
    ("procfs", &[]),
    ("seldom", &["limits"]),
    ("systemd", &["limits"]),
    ("tls", &["limits"]),
    ("acl", &["replace", "reply", "glob", "limits"]),
    ("reply", &["limits"]),
];

/// A crate, and the only places that may name it.
const KNOWN_ONLY_TO: &[(&str, &[&str])] = &[
    // The second reads files of other programs, which the journal knows nothing of.
    ("rusqlite", &["src/journal/", "src/tool/from_sql.rs"]),
    ("redis_protocol", &["src/resp/encode.rs"]),
    ("clap", &["src/config/"]),
    ("rustc_apfloat", &["src/command/float.rs"]),
    ("serde_json", &["src/tool/record.rs"]),
    ("toml", &["src/config/"]),
    ("toml_edit", &["src/config/rewrite.rs"]),
    ("sha2", &["src/acl/password.rs"]),
    ("subtle", &["src/acl/password.rs"]),
    ("tracing_subscriber", &["src/main.rs"]),
    ("prometheus_client", &["src/metrics/"]),
    ("hyper", &["src/metrics/http.rs"]),
    ("x509_cert", &["src/tls.rs"]),
];

/// A module, and crates that it must not name.
const MUST_NOT_NAME: &[(&str, &[&str])] = &[
    ("store", &["tokio", "std::net", "std::fs", "std::time"]),
    ("command", &["tokio", "std::net"]),
    ("pubsub", &["tokio", "std::net"]),
    ("monitor", &["tokio"]),
    ("clients", &["tokio"]),
    ("outbox", &["tokio", "std::net"]),
    ("acl", &["tokio", "std::net"]),
    ("resp", &["tokio"]),
    ("op", &["std::time", "fastrand"]),
    ("effect", &["std::time", "fastrand"]),
];

#[test]
fn modules_import_only_what_stands_below_them() {
    for file in sources() {
        let allowed =
            MAY_IMPORT.iter().find(|(module, _)| *module == file.module).map_or(&[][..], |row| row.1);
        for imported in file.imports() {
            assert!(
                imported == file.module || allowed.contains(&imported.as_str()),
                "{} imports {imported}, which {} may not know",
                file.path.display(),
                file.module
            );
        }
    }
}

#[test]
fn the_rules_themselves_run_one_way() {
    let order: Vec<_> = MAY_IMPORT.iter().map(|(module, _)| *module).collect();
    for (at, (module, allowed)) in MAY_IMPORT.iter().enumerate() {
        for imported in *allowed {
            let below = order.iter().position(|other| other == imported);
            assert!(below.is_none_or(|below| below > at), "{module} stands below {imported}");
        }
    }
}

#[test]
fn a_library_is_known_to_one_place() {
    for file in sources() {
        for (library, places) in KNOWN_ONLY_TO {
            let is_there = places.iter().any(|place| file.path.starts_with(place));
            assert!(is_there || !file.names(library), "{} names {library}", file.path.display());
        }
    }
}

#[test]
fn pure_modules_name_no_surroundings() {
    for file in sources() {
        for (_, banned) in MUST_NOT_NAME.iter().filter(|(module, _)| *module == file.module) {
            for library in *banned {
                assert!(!file.names(library), "{} names {library}", file.path.display());
            }
        }
    }
}

#[test]
fn the_journal_knows_of_the_commands_only_their_evaluation() {
    for file in sources().iter().filter(|file| file.module == "journal") {
        for line in file.code.lines().filter(|line| line.contains("crate::command")) {
            let expected = "use crate::command::{Notice, evaluate, evaluate_and_notice};";
            assert_eq!(line.trim(), expected, "{}", file.path.display());
        }
    }
}

#[test]
fn every_module_is_in_the_tour() {
    let tour = fs::read_to_string("src/lib.rs").unwrap();
    for module in sources().into_iter().map(|file| file.module).collect::<BTreeSet<_>>() {
        let is_named = ["]", "::"].iter().any(|end| tour.contains(&format!("[`{module}`{end}")))
            || tour.contains(&format!("[`{module}::"))
            || ["main", "lib"].contains(&module.as_str());
        assert!(is_named, "the tour in lib.rs doesn't name {module}");
    }
}

struct Source {
    path: PathBuf,
    /// The top-level module that it belongs to.
    module: String,
    /// Its code, without comments and tests.
    code: String,
}

impl Source {
    fn imports(&self) -> BTreeSet<String> {
        let name = |behind: &str| -> String {
            behind.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect()
        };
        ["crate::", "revoked::"].iter().flat_map(|root| self.code.split(root).skip(1).map(name)).collect()
    }

    fn names(&self, library: &str) -> bool {
        self.code.contains(&format!("{library}::"))
    }
}

fn sources() -> Vec<Source> {
    let mut all = Vec::new();
    read_folder(Path::new("src"), &mut all);
    assert!(all.len() > 20, "the sources were found");
    all
}

fn read_folder(folder: &Path, all: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            read_folder(&path, all);
        } else if path.extension().is_some_and(|extension| extension == "rs")
            && name != "tests"
            && name != "testing"
        {
            let module = path.components().nth(1).unwrap().as_os_str().to_string_lossy();
            let module = module.trim_end_matches(".rs").to_owned();
            let text = fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            let code = code.lines().filter(|line| !line.trim_start().starts_with("//"));
            let code = code.collect::<Vec<_>>().join("\n");
            all.push(Source { path, module, code });
        }
    }
}
