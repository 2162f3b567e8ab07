//! The texts that derive from the options: the example of a configuration file, and the help.

use std::error::Error;
use std::ffi::OsString;
use std::fs;

use revoked::config::{Config, command, example, from_sources};

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config.example.toml");

#[test]
fn the_example_is_up_to_date() {
    if std::env::var_os("UPDATE").is_some() {
        fs::write(EXAMPLE, example()).unwrap();
    }
    let committed = fs::read_to_string(EXAMPLE).unwrap_or_default();
    assert!(
        committed == example(),
        "config.example.toml differs from the options: UPDATE=1 cargo test --test config"
    );
}

#[test]
fn the_example_changes_nothing_until_it_is_edited() {
    assert_eq!(read(&example()).unwrap().parameters(), read("").unwrap().parameters());
}

#[test]
fn the_example_uncommented_is_the_defaults() {
    let is_option = |line: &str| line.starts_with('#') && !line.starts_with("# ") && line.contains(" = ");
    let example = example();
    let options: Vec<_> = example.lines().filter(|line| is_option(line)).map(|line| &line[1..]).collect();
    assert_eq!(options.len(), command("").get_opts().count());

    // The default of this one is a property of the machine.
    let without_threads: Vec<_> =
        options.iter().copied().filter(|line| !line.starts_with("io-threads")).collect();
    assert_eq!(read(&without_threads.join("\n")).unwrap().parameters(), read("").unwrap().parameters());
    read(&options.join("\n")).unwrap();
}

#[test]
fn the_help_fits_a_terminal_and_names_every_option() {
    for columns in [80, 100] {
        let help = command("0.0.0").term_width(columns).render_long_help().to_string();
        for line in help.lines() {
            assert!(line.chars().count() <= columns, "{columns} columns: {line}");
        }
        for option in command("0.0.0").get_opts() {
            let name = option.get_long().unwrap();
            let variable = format!("REVOKED_{}", name.to_uppercase().replace('-', "_"));
            assert!(help.contains(&format!("--{name} ")) && help.contains(&variable), "{name}");
        }
    }
}

/// The configuration of a server with this file and nothing else.
fn read(toml: &str) -> Result<Config, Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("revoked.toml");
    fs::write(&path, toml)?;
    Ok(from_sources([OsString::from("revoked"), path.into()], [], "0.0.0")?)
}
