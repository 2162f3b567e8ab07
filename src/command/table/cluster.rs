//! The rows of the group: Clusters, of which there are none.

use super::super::ArgumentKind::String;
use super::super::Flag::{Fast, Loading, Stale};
use super::super::{Group, Run, Spec, server};
use super::{CONNECTION, argument};

pub(super) const ROWS: &[Spec] = &[
    Spec {
        name: "asking",
        summary: "Is refused: there is no cluster",
        since: "3.0.0",
        complexity: "O(1)",
        group: Group::Cluster,
        arity: 1,
        flags: &[Fast, CONNECTION],
        keys: &[],
        arguments: &[],
        run: Run::Session(server::cluster_disabled),
        subcommands: &[],
    },
    Spec {
        name: "cluster",
        summary: "Is refused: there is no cluster",
        since: "3.0.0",
        complexity: "O(1)",
        group: Group::Cluster,
        arity: -2,
        flags: &[Loading, Stale],
        keys: &[],
        arguments: &[argument("subcommand", String), argument("arg", String).optional().repeated()],
        run: Run::Session(server::cluster_disabled),
        subcommands: &[],
    },
    Spec {
        name: "readonly",
        summary: "Is refused: there is no cluster",
        since: "3.0.0",
        complexity: "O(1)",
        group: Group::Cluster,
        arity: 1,
        flags: &[Loading, Stale, Fast, CONNECTION],
        keys: &[],
        arguments: &[],
        run: Run::Session(server::cluster_disabled),
        subcommands: &[],
    },
    Spec {
        name: "readwrite",
        summary: "Is refused: there is no cluster",
        since: "3.0.0",
        complexity: "O(1)",
        group: Group::Cluster,
        arity: 1,
        flags: &[Loading, Stale, Fast, CONNECTION],
        keys: &[],
        arguments: &[],
        run: Run::Session(server::cluster_disabled),
        subcommands: &[],
    },
];
