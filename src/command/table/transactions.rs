//! The rows of the group: Transactions.

use super::super::ArgumentKind::Key;
use super::super::Flag::{AllowBusy, Fast, Immediate, Loading, NoScript, RepliesFirst, SkipSlowlog, Stale};
use super::super::KeyUse::Look;
use super::super::{Flag, Group, Run, Spec, TransactionStep};
use super::{all_keys, argument};

pub(super) const ROWS: &[Spec] = &[
    Spec {
        name: "discard",
        summary: "Forgets what was queued since MULTI, and every WATCH",
        since: "2.0.0",
        complexity: "O(N) where N is the number of queued commands",
        group: Group::Transactions,
        arity: 1,
        flags: TRANSACTION,
        keys: &[],
        arguments: &[],
        run: Run::Transaction(TransactionStep::Discard),
        subcommands: &[],
    },
    Spec {
        name: "exec",
        summary: "Executes what was queued since MULTI, as one",
        since: "1.2.0",
        complexity: "That of the queued commands",
        group: Group::Transactions,
        arity: 1,
        flags: &[NoScript, Loading, Stale, SkipSlowlog, Immediate, RepliesFirst],
        keys: &[],
        arguments: &[],
        run: Run::Transaction(TransactionStep::Execute),
        subcommands: &[],
    },
    Spec {
        name: "multi",
        summary: "Has the commands that follow queued, to be executed as one",
        since: "1.2.0",
        complexity: "O(1)",
        group: Group::Transactions,
        arity: 1,
        flags: TRANSACTION,
        keys: &[],
        arguments: &[],
        run: Run::Transaction(TransactionStep::Begin),
        subcommands: &[],
    },
    Spec {
        name: "unwatch",
        summary: "Undoes every WATCH of the connection",
        since: "2.2.0",
        complexity: "O(1)",
        group: Group::Transactions,
        arity: 1,
        flags: &[NoScript, Loading, Stale, Fast, AllowBusy],
        keys: &[],
        arguments: &[],
        run: Run::Transaction(TransactionStep::Unwatch),
        subcommands: &[],
    },
    Spec {
        name: "watch",
        summary: "Has the next EXEC do nothing if one of these keys changes until then",
        since: "2.2.0",
        complexity: "O(1) a key",
        group: Group::Transactions,
        arity: -2,
        flags: TRANSACTION,
        keys: &[all_keys(Look)],
        arguments: &[argument("key", Key).repeated()],
        run: Run::Transaction(TransactionStep::Watch),
        subcommands: &[],
    },
];

const TRANSACTION: &[Flag] = &[NoScript, Loading, Stale, Fast, AllowBusy, Immediate];
