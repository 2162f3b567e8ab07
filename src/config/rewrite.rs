//! CONFIG REWRITE: the present values go into the file that the server was started with. Comments, order, and
//! every line that says what is so stay as they are.
//!
//! An option that the file has is made to say the present value. One that it has not is added if its value is not
//! the default, wherever that came from: as in Redis, a flag or a variable of the environment counts as well.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use toml_edit::{Array, DocumentMut, Formatted, Item, Value};

use super::rows::{Kind, ROWS, Row};
use super::{Config, existing_directory, settings_in};
use crate::replace::replace_file;
use crate::reply::{Error, printable};

/// What stands above the first option that is added.
const HEADING: &str = "\n# Written by CONFIG REWRITE.\n";

/// Rewrites the file of this configuration, whole or not at all.
pub(super) fn rewrite(config: &Config) -> Result<(), Error> {
    let path = config.file.as_ref().ok_or(Error::NoConfigFile)?;
    let failed = |why: String| Error::RewriteFailed(printable(why.as_bytes()));
    let old = match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(failed(error.to_string())),
        Ok(old) => old,
    };
    let new = updated(path, &old, config).map_err(failed)?;
    if new == old {
        return Ok(());
    }
    replace_file(path, new.as_bytes()).map_err(|error| failed(error.to_string()))?;
    tracing::info!("The configuration was written to {}", path.display());
    Ok(())
}

/// The text of the file with the present values in it.
fn updated(path: &Path, old: &str, config: &Config) -> Result<String, String> {
    let settings = settings_in(path, old).map_err(|error| error.to_string())?;
    let mut document: DocumentMut =
        old.parse().map_err(|error: toml_edit::TomlError| error.message().to_owned())?;
    let mut heading = HEADING;
    for row in ROWS {
        let value = row.kind.get(config);
        match settings.iter().find(|setting| setting.row.name == row.name) {
            Some(setting) if is_same(row, &setting.text, &value) => {}
            Some(_) => set_in_place(&mut document, row, &value),
            None if is_same(row, &row.default_value(), &value) => {}
            None => {
                document.insert(row.name, Item::Value(row.kind.toml_value(&value)));
                if let Some(mut key) = document.key_mut(row.name) {
                    key.leaf_decor_mut().set_prefix(std::mem::take(&mut heading));
                }
            }
        }
    }
    Ok(document.to_string())
}

/// Whether two texts are the same value of an option. A directory may be written from where the server is.
fn is_same(row: &Row, text: &str, value: &str) -> bool {
    let mut meant = Config::blank(None);
    let is_value = row.kind.set(&mut meant, text).is_some() && row.kind.get(&meant) == value;
    let absolute = |text: &str| existing_directory(Path::new(text)).unwrap_or_else(|_| PathBuf::from(text));
    is_value || (row.name == "dir" && absolute(text) == absolute(value))
}

/// Changes the value of an option, and nothing around it.
fn set_in_place(document: &mut DocumentMut, row: &Row, text: &str) {
    let Some(Item::Value(value)) = document.get_mut(row.name) else { return };
    let decor = value.decor().clone();
    *value = row.kind.toml_value(text);
    *value.decor_mut() = decor;
}

impl Kind {
    fn toml_value(&self, text: &str) -> Value {
        match self {
            Self::Integer { .. } | Self::Memory { .. } => text
                .parse()
                .map_or_else(|_| Value::from(text), |number| Value::Integer(Formatted::new(number))),
            Self::Addresses { .. } => Value::Array(text.split(' ').collect::<Array>()),
            Self::Users { .. } => Value::Array(text.lines().collect::<Array>()),
            Self::Word { .. }
            | Self::Switch { .. }
            | Self::Text { .. }
            | Self::Path { .. }
            | Self::Secret { .. } => Value::from(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::os::unix::fs::PermissionsExt;

    use super::super::from_sources;
    use super::*;

    /// The configuration of a server that was started with this file and these flags.
    fn read(path: &Path, flags: &[&str]) -> Config {
        let args = ["revoked"].iter().chain(flags).map(OsString::from).chain([path.as_os_str().to_owned()]);
        from_sources(args, [], "0.0.0").unwrap()
    }

    fn file(toml: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("revoked.toml");
        fs::write(&path, toml).unwrap();
        (folder, path)
    }

    fn rewritten(toml: &str, flags: &[&str], change: impl FnOnce(&mut Config)) -> String {
        let (_folder, path) = file(toml);
        let mut config = read(&path, flags);
        change(&mut config);
        rewrite(&config).unwrap();
        let again = read(&path, &[]);
        assert_eq!(again, config, "a restart without the flags finds the same");
        fs::read_to_string(&path).unwrap()
    }

    #[test]
    fn what_is_so_stays_as_it_is() {
        let toml =
            "# one\n\n\"port\"   =  0x18eb # hex\nbind = [ '127.0.0.1', # here\n]\ndir = '/tmp/'\n# end\n";
        assert_eq!(rewritten(toml, &["--dir", "/tmp"], |_| {}), toml);
        assert_eq!(rewritten("", &[], |_| {}), "");
    }

    #[test]
    fn a_value_is_changed_in_its_place() {
        let toml = "# one\nmaxclients = 1 # two\n\n# three\nloglevel   = 'notice'\nbind = ['::1']\n# four\n";
        let text = rewritten(toml, &["--bind", "::1 127.0.0.1"], |config| {
            config.maxclients = 10_000;
            config.requirepass = Some("a\"b\\\u{1f511}".to_owned());
        });
        let expected = "# one\nmaxclients = 10000 # two\n\n# three\nloglevel   = 'notice'\n\
                        bind = [\"::1\", \"127.0.0.1\"]\n\n# Written by CONFIG REWRITE.\n\
                        requirepass = 'a\"b\\\u{1f511}'\n# four\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn users_are_a_list() {
        let text = rewritten("user = ['ada on'] # who\n", &["--protected-mode", "no"], |config| {
            config.users = vec!["ada off".to_owned(), "bob on nopass ~* +@all".to_owned()];
        });
        let expected = "user = [\"ada off\", \"bob on nopass ~* +@all\"] # who\n\n# Written by CONFIG REWRITE.\n\
                        protected-mode = \"no\"\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn what_is_not_the_default_is_added() {
        let text = rewritten("port = 1", &["--appendfsync", "no", "--maxclients", "10000"], |config| {
            config.slowlog_log_slower_than_usec = -1;
        });
        let expected =
            "port = 1\n\n# Written by CONFIG REWRITE.\nappendfsync = \"no\"\nslowlog-log-slower-than = -1\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_file_that_is_wrong_or_gone_loses_nothing() {
        let (folder, path) = file("port = 1\n");
        let mut config = read(&path, &[]);
        config.maxclients = 5;
        fs::write(&path, "port = 1\nmaxcleints = 5\n").unwrap();
        let error = rewrite(&config).unwrap_err().to_string();
        assert!(error.starts_with("ERR Rewriting config file: ") && error.contains("maxcleints"), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "port = 1\nmaxcleints = 5\n");
        fs::remove_file(&path).unwrap();
        rewrite(&config).unwrap();
        assert_eq!(read(&path, &[]), config);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no draft is left");
        config.file = None;
        assert_eq!(rewrite(&config), Err(Error::NoConfigFile));
    }

    #[test]
    fn links_and_permissions_stay() {
        let (folder, path) = file("port = 1\n");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let link = folder.path().join("link.toml");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let mut config = read(&link, &[]);
        config.maxclients = 5;
        rewrite(&config).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(read(&path, &[]).maxclients, 5);
    }
}
