//! What the kernel tells of the process and the machine in `/proc`. Where there is no such folder, it tells nothing.

use std::fs;

/// Ticks a second in which Linux tells processor time to programs: `USER_HZ`, 100 wherever Rust has `std`.
const TICKS_PER_SECOND: u64 = 100;

/// Figures of `/proc/self/status`, read once, so that they are of one moment.
#[derive(Debug)]
pub struct Status(String);

impl Status {
    /// What it says now.
    #[must_use]
    pub fn read() -> Self {
        Self(fs::read_to_string("/proc/self/status").unwrap_or_default())
    }

    /// Bytes in memory, by the name of their line: `VmRSS`, `VmHWM`, `RssAnon`, `VmSwap`.
    #[must_use]
    pub fn bytes(&self, name: &str) -> Option<u64> {
        kilobytes(&self.0, name)
    }
}

/// The machine's memory, in bytes.
#[must_use]
pub fn machine_memory_bytes() -> Option<u64> {
    kilobytes(&fs::read_to_string("/proc/meminfo").ok()?, "MemTotal")
}

/// Processor time of all threads in seconds: in user mode, and in the kernel.
#[must_use]
pub fn processor_seconds() -> Option<(f64, f64)> {
    times_in(&fs::read_to_string("/proc/self/stat").ok()?)
}

/// Files and sockets that are open.
#[must_use]
pub fn open_files() -> Option<usize> {
    // The folder is open while it is read.
    Some(fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1))
}

/// Name and release of the system.
#[must_use]
pub fn system() -> Option<(String, String)> {
    let kernel = |what| fs::read_to_string(format!("/proc/sys/kernel/{what}")).ok();
    Some((kernel("ostype")?.trim().to_owned(), kernel("osrelease")?.trim().to_owned()))
}

/// The bytes in a line `name:  123 kB`.
fn kilobytes(file: &str, name: &str) -> Option<u64> {
    let value = file.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    value.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)
}

/// Seconds in user mode and in the kernel, from the text of `/proc/self/stat`.
fn times_in(stat: &str) -> Option<(f64, f64)> {
    // The second field is the program's name in brackets, which may hold anything. `utime` is the fourteenth.
    let (_, behind_name) = stat.rsplit_once(')')?;
    let mut times =
        behind_name.split_ascii_whitespace().skip(11).map_while(|field| field.parse::<u64>().ok());
    let seconds = |ticks: u64| ticks as f64 / TICKS_PER_SECOND as f64;
    Some((seconds(times.next()?), seconds(times.next()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_found_behind_any_name() {
        let stat = "1 (a) b (c) R 2 3 4 5 6 7 8 9 10 11 250 50 0 0 20";
        assert_eq!(times_in(stat), Some((2.5, 0.5)));
        assert_eq!(times_in("1 (a"), None);
        assert_eq!(times_in("1 (a) R 2"), None);
    }

    #[test]
    fn memory_is_read_from_the_line_of_its_name() {
        let status = "VmRSSx:\t1 kB\nVmRSS:\t  12 kB\n";
        assert_eq!(kilobytes(status, "VmRSS"), Some(12 * 1024));
        assert_eq!(kilobytes(status, "VmHWM"), None);
    }
}
