//! The daemon behind `shim.c`, which records what it does to its files and fails what it is told to fail.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::support::process::Home;

/// A daemon's folder and options, and the hand on the layer below it.
pub(crate) struct Shimmed {
    pub(crate) home: Home,
    control: File,
    /// Where calls are recorded.
    pub(crate) log: PathBuf,
}

/// Which calls are meant: bits, as in `shim.c`.
pub(crate) mod call {
    pub(crate) const OPEN: u32 = 1;
    pub(crate) const WRITE: u32 = 2;
    pub(crate) const SYNC: u32 = 4;
    pub(crate) const TRUNCATE: u32 = 8;
    pub(crate) const RENAME: u32 = 16;
    pub(crate) const UNLINK: u32 = 32;
}

/// Of which files.
pub(crate) mod file {
    pub(crate) const DATA: u32 = 1;
    pub(crate) const WAL: u32 = 2;
    pub(crate) const SHM: u32 = 4;
    pub(crate) const LOCK: u32 = 8;
    pub(crate) const DRAFT: u32 = 16;
    pub(crate) const FOLDER: u32 = 32;
    pub(crate) const ALL: u32 = DATA | WAL | SHM | LOCK | DRAFT | FOLDER;
}

/// What is to fail.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rule {
    /// Calls, and the files on which they count.
    pub(crate) calls: u32,
    pub(crate) files: u32,
    pub(crate) errno: i32,
    /// If not 0, the first write that fails is cut short to so many bytes, and only the next one has the error.
    pub(crate) short_bytes: u32,
    /// The first to fail, counted from 1; 0 only counts.
    pub(crate) first: u64,
    /// How many fail.
    pub(crate) failing: u64,
}

impl Rule {
    /// Nothing fails, and nothing is counted.
    pub(crate) const NONE: Self =
        Self { calls: 0, files: file::ALL, errno: 0, short_bytes: 0, first: 0, failing: 0 };
}

/// Where the fields of `struct control` are.
const COUNTED_AT: u64 = 32;
const FAILED_AT: u64 = 40;
const SWALLOW_AT: u64 = 48;
const CONTROL_BYTES: usize = 56;

impl Shimmed {
    /// A new folder; whether its disk is one makes no difference here. With `is_recorded`, the calls are recorded.
    pub(crate) fn new(options: &[&str], is_recorded: bool) -> Self {
        let home = Home::in_memory(options);
        let control = home.path("control");
        fs::write(&control, [0; CONTROL_BYTES]).unwrap();
        let (file, log) = (home.data_file(), home.path("log"));
        let mut launcher = vec![
            "env".to_owned(),
            format!("LD_PRELOAD={}", library().display()),
            format!("STORAGE_SHIM_FILE={}", file.display()),
            format!("STORAGE_SHIM_CONTROL={}", control.display()),
        ];
        if is_recorded {
            launcher.push(format!("STORAGE_SHIM_LOG={}", log.display()));
        }
        let launcher: Vec<_> = launcher.iter().map(String::as_str).collect();
        let control = File::options().read(true).write(true).open(control).unwrap();
        Self { home: home.started_through(&launcher), control, log }
    }

    /// Has calls counted from now on, and fail as the rule says.
    pub(crate) fn set(&self, rule: Rule) {
        let mut bytes = Vec::new();
        for number in [rule.calls, rule.files, rule.errno.cast_unsigned(), rule.short_bytes] {
            bytes.extend(number.to_ne_bytes());
        }
        for number in [rule.first, rule.failing, 0, 0] {
            bytes.extend(number.to_ne_bytes());
        }
        self.control.write_all_at(&bytes, 0).unwrap();
    }

    /// Has syncs do nothing from now on, and say that all is well.
    pub(crate) fn swallow_syncs(&self) {
        self.control.write_all_at(&1_u32.to_ne_bytes(), SWALLOW_AT).unwrap();
    }

    /// How many calls were counted since the rule was set.
    pub(crate) fn counted(&self) -> u64 {
        self.read(COUNTED_AT)
    }

    /// How many of these failed.
    pub(crate) fn failed(&self) -> u64 {
        self.read(FAILED_AT)
    }

    fn read(&self, at: u64) -> u64 {
        let mut bytes = [0; 8];
        self.control.read_exact_at(&mut bytes, at).unwrap();
        u64::from_ne_bytes(bytes)
    }
}

/// The compiled layer, made by the C compiler that SQLite was compiled with, too.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let (draft, library) =
            (folder.join(format!("shim-{}.so", std::process::id())), folder.join("storage-shim.so"));
        let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
        let mut command = Command::new(&compiler);
        command.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&draft).arg("tests/storage/shim.c");
        assert!(command.args(["-ldl", "-lpthread"]).status().unwrap().success(), "{compiler} failed");
        // Another run of the tests may be using the old one.
        fs::rename(&draft, &library).unwrap();
        library
    })
}
