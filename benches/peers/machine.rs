//! The machine: what it is, and how much of it others had meanwhile.

use std::fs;

/// In Markdown: what this machine is.
pub(crate) fn describe() -> String {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cpus = cpuinfo.lines().filter(|line| line.starts_with("processor")).count();
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("unknown CPU");
    let model = model.trim_start_matches(['\t', ' ', ':']);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{model}, {cpus} CPUs, Linux {}", kernel.trim())
}

/// CPU time so far, in the system's ticks.
pub(crate) struct Usage {
    /// Of all CPUs, idle or not.
    all: u64,
    idle: u64,
    /// Of this process and of those that it started and that have ended.
    ours: u64,
}

impl Usage {
    /// None where the system doesn't say.
    pub(crate) fn now() -> Option<Self> {
        let stat = fs::read_to_string("/proc/stat").ok()?;
        // user, nice, system, idle, iowait, irq, softirq, steal; what guests take is in user.
        let all: Vec<u64> = numbers(stat.lines().next()?.strip_prefix("cpu")?, 0, 8)?;
        let own = fs::read_to_string("/proc/self/stat").ok()?;
        // Behind the name, which may hold anything: user and system, then those of children.
        let ours = numbers(own.rsplit_once(')')?.1, 11, 4)?;
        Some(Self { all: all.iter().sum(), idle: all[3] + all[4], ours: ours.iter().sum() })
    }

    /// The share of all CPUs that others have taken since, and other machines on the same hardware.
    pub(crate) fn others_since(&self, before: &Self) -> f64 {
        let all = self.all - before.all;
        let busy = all.saturating_sub(self.idle - before.idle);
        busy.saturating_sub(self.ours - before.ours) as f64 / all.max(1) as f64
    }
}

fn numbers(text: &str, skip: usize, count: usize) -> Option<Vec<u64>> {
    let fields = text.split_whitespace().skip(skip).take(count);
    let numbers: Vec<u64> = fields.map(str::parse).collect::<Result<_, _>>().ok()?;
    (numbers.len() == count).then_some(numbers)
}
