//! MEMORY: what is allocated, and what the kernel says of the process. What neither knows is left out.

use std::sync::atomic::Ordering::Relaxed;

use super::{Environment, Session};
use crate::limits::DATABASES;
use crate::memory;
use crate::procfs;
use crate::reply::Reply;
use crate::request::Request;
use crate::stats::now_ms;

/// Share of the machine's memory from which on MEMORY DOCTOR warns, in percent.
const HIGH_PERCENT: u64 = 75;

/// Share of `maxmemory` from which on it does, in percent.
const NEAR_BOUND_PERCENT: u64 = 90;

/// Figures in bytes by Redis's names. As in INFO, where nothing is counted, what is allocated is what is resident.
pub(super) fn memory_stats(_: &mut Session, environment: &Environment, _: Request<'_>) -> Reply {
    let status = procfs::Status::read();
    let resident = status.bytes("VmRSS");
    let used = memory::used().or(resident);
    let measured = [
        ("peak.allocated", memory::peak().or_else(|| status.bytes("VmHWM"))),
        ("total.allocated", used),
        ("allocator.resident", status.bytes("RssAnon")),
        ("fragmentation.bytes", resident.zip(used).map(|(resident, used)| resident.saturating_sub(used))),
    ];
    let measured = measured.into_iter().filter_map(|(name, bytes)| Some((name, bytes?)));
    let known = [
        ("replication.backlog", 0),
        ("clients.slaves", 0),
        ("cluster.links", 0),
        ("keys.count", keys(environment)),
    ];
    let figure = |(name, value): (&'static str, u64)| (Reply::fixed(name), Reply::Integer(value as i64));
    Reply::Map(measured.chain(known).map(figure).collect())
}

/// Keys of all databases; 0 during the replay, which has the keyspace to itself.
fn keys(environment: &Environment) -> u64 {
    if environment.stats.journal.loading.load(Relaxed) {
        return 0;
    }
    let keyspace = environment.store.read();
    let now_ms = now_ms();
    (0..DATABASES).map(|database| keyspace.len_at(database, now_ms) as u64).sum()
}

pub(super) fn memory_doctor(_: &mut Session, environment: &Environment, _: Request<'_>) -> Reply {
    let status = procfs::Status::read();
    let machine_tells = match (status.bytes("VmRSS"), procfs::machine_memory_bytes()) {
        (Some(resident), Some(total)) => diagnose(resident, status.bytes("VmSwap").unwrap_or(0), total),
        _ => "The system does not tell how much memory the server takes.\n".to_owned(),
    };
    let most = environment.settings.maxmemory.load(Relaxed);
    Reply::Text(machine_tells + &memory::used().map_or_else(String::new, |used| diagnose_bound(used, most)))
}

/// What is to be said of so many bytes in use where `most` may be.
fn diagnose_bound(used: u64, most: u64) -> String {
    let percent = used.saturating_mul(100).checked_div(most);
    let advice = match percent {
        None => {
            return "maxmemory is not set: nothing keeps the server from taking all of the machine's.\n"
                .to_owned();
        }
        Some(percent) if percent > 100 => " Writes that need memory are refused until there is room.",
        Some(percent) if percent >= NEAR_BOUND_PERCENT => {
            " That is much: beyond it, writes that need memory are refused."
        }
        Some(_) => "",
    };
    format!("{} % of maxmemory are in use.{advice}\n", percent.unwrap_or(0))
}

/// What is to be said of a server that takes so many bytes of memory, and of swap, on a machine of so many.
fn diagnose(resident: u64, swapped: u64, total: u64) -> String {
    let percent = resident * 100 / total.max(1);
    let much = if percent >= HIGH_PERCENT {
        " That is much: the system may end it when others need memory, and nothing that is revoked is ever \
         dropped to make room."
    } else {
        ""
    };
    let swap = match swapped {
        0 => String::new(),
        bytes => format!(" {bytes} bytes of it are swapped out: requests that need them wait for the disk."),
    };
    format!("The server takes {percent} % of the machine's memory.{much}{swap}\n")
}

/// There is nothing to ask of the allocator: it gives back by itself what it can.
pub(super) fn memory_purge(_: &mut Session, _: &Environment, _: Request<'_>) -> Reply {
    Reply::OK
}

pub(super) fn memory_malloc_stats(_: &mut Session, _: &Environment, _: Request<'_>) -> Reply {
    Reply::fixed("Stats not supported for the current allocator")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_doctor_warns_of_little_room_and_of_swap() {
        assert_eq!(diagnose(50, 0, 100), "The server takes 50 % of the machine's memory.\n");
        assert!(diagnose(75, 0, 100).contains("That is much"));
        assert_eq!(diagnose_bound(50, 100), "50 % of maxmemory are in use.\n");
        assert!(diagnose_bound(95, 100).contains("That is much"));
        assert!(diagnose_bound(150, 100).contains("are refused until there is room"));
        assert!(diagnose_bound(150, 0).contains("not set"));
        assert!(diagnose(1, 4096, 100).contains("4096 bytes of it are swapped out"));
    }
}
