//! Writes what a package holds besides the program: man pages, completions, and the configuration file.
//!
//!     cargo run --example package-files target/package
//!
//! All of it derives from the options and subcommands, so that it says what the program says.

#![allow(missing_docs, reason = "a program, of which nothing is exported")]

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use clap_complete::{Shell, generate_to};
use revoked::config;

/// Where a package keeps the data file.
const DATA_FOLDER: &str = "/var/lib/revoked";

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args_os().nth(1).map(PathBuf::from).ok_or("the folder to write to is missing")?;
    write_man_pages(&folder.join("man"))?;
    write_completions(&folder.join("completions"))?;
    fs::write(folder.join("revoked.toml"), configuration()?)?;
    Ok(())
}

fn write_man_pages(folder: &Path) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(folder)?;
    clap_mangen::generate_to(config::command(env!("CARGO_PKG_VERSION")), folder)?;
    Ok(())
}

fn write_completions(folder: &Path) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(folder)?;
    let mut command = config::command(env!("CARGO_PKG_VERSION"));
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        generate_to(shell, &mut command, "revoked", folder)?;
    }
    Ok(())
}

/// The example, with the data where the package has a place for it.
fn configuration() -> Result<String, String> {
    let example = config::example();
    let line = example.lines().find(|line| line.starts_with("#dir = "));
    let line = line.ok_or("the example names no dir")?;
    Ok(example.replacen(line, &format!("dir = \"{DATA_FOLDER}\""), 1))
}
