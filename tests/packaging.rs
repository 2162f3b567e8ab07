//! The files for systemd, as systemd itself judges them, where it is there.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::fs;
use std::io;
use std::process::{Command, Output};

const SERVICE: &str = "packaging/systemd/revoked.service";
const SOCKET: &str = "packaging/systemd/optional/revoked.socket";

/// What `systemd-analyze security` may rate the service at most: 0 is best, 10 is worst.
const MOST_EXPOSURE: f64 = 1.1;

#[test]
fn the_service_is_hardened() {
    let Some(done) = analyze(&["security", "--offline=true", SERVICE]) else { return };
    let report = String::from_utf8_lossy(&done.stdout);
    let overall = report.lines().find_map(|line| line.split_once("revoked.service: ")).unwrap().1;
    let exposure: f64 = overall.split(' ').next().unwrap().parse().unwrap();
    assert!(exposure <= MOST_EXPOSURE, "{report}");
}

#[test]
fn the_units_have_no_mistake() {
    let folder = tempfile::tempdir().unwrap();
    let in_folder = |name: &str| folder.path().join(name).display().to_string();
    let service = fs::read_to_string(SERVICE).unwrap();
    assert!(service.contains("ExecStart=/usr/bin/revoked "), "{service}");
    // Installed it is not; this is the program.
    let service = service.replace("/usr/bin/revoked", env!("CARGO_BIN_EXE_revoked"));
    let units = [in_folder("revoked.service"), in_folder("revoked.socket")];
    fs::write(&units[0], service).unwrap();
    fs::copy(SOCKET, &units[1]).unwrap();
    let Some(done) = analyze(&["verify", &units[0], &units[1]]) else { return };
    assert!(done.status.success() && done.stderr.is_empty(), "{}", String::from_utf8_lossy(&done.stderr));
}

/// What systemd-analyze says; nothing where it is not there.
fn analyze(arguments: &[&str]) -> Option<Output> {
    match Command::new("systemd-analyze").args(arguments).env("LC_ALL", "C.UTF-8").output() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        outcome => Some(outcome.unwrap()),
    }
}
