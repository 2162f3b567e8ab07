//! Moments of the writer's work at which a test can have the process die, wait, or go wrong.
//!
//! `FAILPOINTS="writer.committed=100*off->panic"` in the daemon's environment ends it at the 101st such moment: a panic of the
//! writer aborts the process, as good as `kill -9`. The crate `fail` documents the actions. They are compiled in for tests
//! only (`Cargo.toml` says how).

/// A batch has changes; nothing of them is in the file.
pub const EVALUATED: &str = "writer.evaluated";

/// The rows are in the file, the COMMIT is not.
pub const APPENDED: &str = "writer.appended";

/// They are durable; nobody has seen them.
pub const COMMITTED: &str = "writer.committed";

/// They can be read; nobody has been answered.
pub const APPLIED: &str = "writer.applied";

/// The next thing is the replies to a batch, whether or not it has changed anything.
pub const REPLY: &str = "writer.reply";

/// In the replay, before each row.
pub const REPLAY_ROW: &str = "writer.replay-row";

/// All rows were replayed and the file may be written to; nothing was.
pub const REPLAYED: &str = "writer.replayed";

/// Before the write-ahead log is copied into the file, on request or at the end.
pub const CHECKPOINT: &str = "writer.checkpoint";

/// Behind that.
pub const CHECKPOINTED: &str = "writer.checkpointed";

/// Something has ended, and is about to be taken out of memory.
pub const SWEEP: &str = "writer.sweep";

/// A step of compaction has written again what is still so; the rows that said it are still there, and nothing is committed.
pub const COMPACTION_RESTATED: &str = "compaction.restated";

/// The rows are gone, nothing is committed.
pub const COMPACTION_REMOVED: &str = "compaction.removed";

/// The step is committed; memory has not been told.
pub const COMPACTION_COMMITTED: &str = "compaction.committed";

/// Where a crash must lose nothing: all of the above.
pub const MOMENTS: &[&str] = &[
    EVALUATED,
    APPENDED,
    COMMITTED,
    APPLIED,
    REPLY,
    REPLAY_ROW,
    REPLAYED,
    CHECKPOINT,
    CHECKPOINTED,
    SWEEP,
    COMPACTION_RESTATED,
    COMPACTION_REMOVED,
    COMPACTION_COMMITTED,
];

/// A fault to be caught by tests: with `return`, changes are taken for durable and are not in the file.
pub const UNWRITTEN: &str = "writer.unwritten";

/// A fault to be caught by tests: with `return`, what was done is done once more, and that is what is answered.
pub const EVALUATED_TWICE: &str = "writer.evaluated-twice";

/// Where tests have something go wrong.
pub const FAULTS: &[&str] = &[UNWRITTEN, EVALUATED_TWICE];

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCES: &[&str] = &[
        include_str!("writer.rs"),
        include_str!("replay.rs"),
        include_str!("sqlite.rs"),
        include_str!("compaction.rs"),
    ];

    /// Names of the constants above, and what they say.
    fn points() -> Vec<(&'static str, &'static str)> {
        let lines = include_str!("failpoints.rs").lines();
        let rows = lines.filter_map(|line| line.strip_prefix("pub const ")?.split_once(": &str = "));
        rows.map(|(name, point)| (name, point.trim_matches(&['"', ';'][..]))).collect()
    }

    #[test]
    fn each_is_one_to_die_at_or_a_fault() {
        let listed: Vec<_> = MOMENTS.iter().chain(FAULTS).copied().collect();
        let points: Vec<_> = points().into_iter().map(|(_, point)| point).collect();
        assert_eq!(listed, points);
    }

    #[test]
    fn each_stands_in_one_place_and_all_of_these_are_listed() {
        let count = |text: &str| SOURCES.iter().map(|source| source.matches(text).count()).sum::<usize>();
        for (name, _) in points() {
            let used = [")", ","].map(|end| count(&format!("fail_point!(super::failpoints::{name}{end}")));
            assert_eq!(used.iter().sum::<usize>(), 1, "{name}");
        }
        assert_eq!(count("fail_point!("), points().len());
    }
}
