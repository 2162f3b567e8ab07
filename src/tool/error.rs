//! Why a tool did not do what it was asked for.

use std::fmt;
use std::io;
use std::path::Path;

use crate::journal::OpenError;

/// Why it was not done. The text is one line, complete: it names the thing, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// A data file can't be used.
    File(OpenError),
    /// What was given can't be understood.
    Input(String),
    /// A server can't be reached, or refuses.
    Server(String),
    /// What was to be made can't be: it is there already, for example.
    Output(String),
    /// Reading or writing failed.
    Io(String),
}

impl Error {
    /// A system's error, about a file.
    pub(super) fn io(path: &Path, error: &io::Error) -> Self {
        Self::Io(format!("{}: {error}", path.display()))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(OpenError::Held { path, holder }) => {
                write!(f, "{} is in use by a server", path.display())?;
                match holder {
                    Some(pid) => write!(f, " (process {pid}); stop it first"),
                    None => f.write_str("; stop it first"),
                }
            }
            Self::File(OpenError::Foreign { path, what }) => {
                write!(f, "{} is not a data file of revoked: {what}; it was left as it is", path.display())
            }
            Self::File(error) => error.fmt(f),
            Self::Input(text) | Self::Server(text) | Self::Output(text) | Self::Io(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for Error {}

impl From<OpenError> for Error {
    fn from(error: OpenError) -> Self {
        Self::File(error)
    }
}
