//! A client that sends requests, many at once, and reads the replies one by one, in RESP2.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::sync::Arc;

use bytes::BytesMut;
use tokio_rustls::rustls::ClientConfig;

use super::Error;
use super::record::encode_command;
use super::stream::{Certificates, Stream};

/// The longest line, and the longest string, that a server may answer with.
const LINE_BYTES: u64 = 64 * 1024;
const STRING_BYTES: u64 = 512 * 1024 * 1024;

/// How deep arrays may stand in one another: those of SCAN are two.
const DEPTH: usize = 4;

/// What redis-cli takes its password from, and a variable of our own: two servers have two passwords.
const REDIS_VARIABLE: &str = "REDISCLI_AUTH";
const OWN_VARIABLE: &str = "REVOKED_AUTH";

/// Which server a URL is of, and so which variable has its password, if the URL has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// The one that is copied from.
    Source,
    /// The one that takes in what another has. The other's password is not for it to see.
    Target,
    /// There is no other.
    Only,
}

impl Side {
    fn variables(self) -> &'static [&'static str] {
        match self {
            Self::Source => &[REDIS_VARIABLE],
            Self::Target => &[OWN_VARIABLE],
            Self::Only => &[OWN_VARIABLE, REDIS_VARIABLE],
        }
    }

    fn password(self) -> Option<String> {
        let mut found = self.variables().iter().filter_map(|name| std::env::var(name).ok());
        found.find(|password| !password.is_empty())
    }
}

/// Where a server is, and who asks.
#[derive(Clone)]
pub(super) struct Url {
    user: Option<String>,
    password: Option<String>,
    place: Place,
    pub(super) database: Option<u8>,
}

#[derive(Clone)]
enum Place {
    Tcp { host: String, port: u16 },
    Tls { host: String, port: u16, config: Arc<ClientConfig> },
    Unix(PathBuf),
}

/// Without the password.
impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let before_database = match &self.place {
            Place::Tcp { host, port } => write!(f, "redis://{host}:{port}").map(|()| "/")?,
            Place::Tls { host, port, .. } => write!(f, "rediss://{host}:{port}").map(|()| "/")?,
            Place::Unix(path) => write!(f, "unix://{}", path.display()).map(|()| "?db=")?,
        };
        self.database.map_or(Ok(()), |database| write!(f, "{before_database}{database}"))
    }
}

impl Url {
    /// Reads `redis://user:password@host:port/db`, or `unix://user:password@/path?db=N`. An error does not show it: there
    /// may be a password in it.
    pub(super) fn parse(url: &str, side: Side, certificates: &Certificates) -> Result<Self, Error> {
        let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
        let (login, place, database) = match scheme {
            "unix" => at_socket(rest)?,
            "redis" | "valkey" => {
                let AtPort { login, host, port, database } = at_port(rest)?;
                (login, Place::Tcp { host, port }, database)
            }
            "rediss" | "valkeys" => {
                let AtPort { login, host, port, database } = at_port(rest)?;
                let needs = "asks for TLS, and that for --cacert FILE: who signs the server's certificate";
                let config = certificates.read()?.ok_or_else(|| wrong(needs))?;
                (login, Place::Tls { host, port, config }, database)
            }
            _ => return Err(wrong("does not begin with redis://, rediss:// or unix://")),
        };
        let (user, password) = login.split_once(':').unwrap_or((login, ""));
        let given = |text: &str| decoded(text).map(|text| Some(text).filter(|text| !text.is_empty()));
        let password = given(password)?.or_else(|| side.password());
        Ok(Self { user: given(user)?, password, place, database })
    }
}

fn wrong(what: &str) -> Error {
    Error::Input(format!(
        "the URL {what}; it is redis://user:password@host:port/db (or rediss://), or unix:///path?db=N, or a part of that"
    ))
}

/// What stands behind `redis://`.
struct AtPort<'a> {
    login: &'a str,
    host: String,
    port: u16,
    database: Option<u8>,
}

fn at_port(rest: &str) -> Result<AtPort<'_>, Error> {
    let (rest, database) = match rest.split_once('/') {
        None | Some((_, "")) => (rest.trim_end_matches('/'), None),
        Some((rest, number)) => (rest, Some(database(number)?)),
    };
    let (login, place) = rest.rsplit_once('@').unwrap_or(("", rest));
    let (host, port) = match place.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().map_err(|_| wrong("has no port"))?),
        _ => (place, 6379),
    };
    let host = if host.is_empty() { "127.0.0.1" } else { host }.to_owned();
    Ok(AtPort { login, host, port, database })
}

/// The login, the socket and the database of what stands behind `unix://`.
fn at_socket(rest: &str) -> Result<(&str, Place, Option<u8>), Error> {
    let (rest, database) = match rest.split_once('?') {
        None => (rest, None),
        Some((rest, query)) => (rest, Some(database(query.strip_prefix("db=").unwrap_or_default())?)),
    };
    let (login, path) = rest.split_at(rest.find('/').ok_or_else(|| wrong("names no socket"))?);
    let login = match login.strip_suffix('@') {
        Some(login) => login,
        None if login.is_empty() => login,
        None => return Err(wrong("names no socket")),
    };
    Ok((login, Place::Unix(decoded(path)?.into()), database))
}

fn database(number: &str) -> Result<u8, Error> {
    number.parse().map_err(|_| wrong("names no database"))
}

fn decoded(text: &str) -> Result<String, Error> {
    decode(text).ok_or_else(|| wrong("has a % that is no character"))
}

/// The text behind `%41`.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let (digits, behind) = rest.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
        rest = behind;
    }
    String::from_utf8(bytes).ok()
}

/// What a server answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    Text(Vec<u8>),
    Null,
    Integer(i64),
    Array(Vec<Answer>),
    Error(String),
}

/// A connection to a server, logged in.
pub(super) struct Client {
    url: Url,
    stream: BufReader<Stream>,
}

impl Client {
    pub(super) fn connect(url: &Url) -> Result<Self, Error> {
        let failed = |error: io::Error| Error::Server(format!("{url} can't be reached: {error}"));
        let bare = |host: &str| host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let stream = match &url.place {
            Place::Tcp { host, port } => Stream::tcp(&bare(host), *port),
            Place::Tls { host, port, config } => Stream::tls(&bare(host), *port, config),
            Place::Unix(path) => Stream::unix(path),
        };
        let stream = BufReader::with_capacity(64 * 1024, stream.map_err(failed)?);
        let mut client = Self { url: url.clone(), stream };
        if let Some(password) = &url.password {
            match &url.user {
                Some(user) => client.ask(&[b"AUTH", user.as_bytes(), password.as_bytes()])?,
                None => client.ask(&[b"AUTH", password.as_bytes()])?,
            };
        }
        if let Some(database) = url.database {
            client.select(database)?;
        }
        Ok(client)
    }

    pub(super) fn select(&mut self, database: u8) -> Result<(), Error> {
        self.ask(&[b"SELECT", database.to_string().as_bytes()]).map(drop)
    }

    /// Sends requests as they stand on the wire.
    pub(super) fn send(&mut self, requests: &[u8]) -> Result<(), Error> {
        let stream = self.stream.get_mut();
        let sent = stream.write_all(requests).and_then(|()| stream.flush());
        sent.map_err(|error| self.lost(&error))
    }

    /// The next answer, an error or not.
    pub(super) fn receive(&mut self) -> Result<Answer, Error> {
        self.read(DEPTH).map_err(|error| self.lost(&error))
    }

    /// Sends one request, and returns an answer that is no error.
    pub(super) fn ask(&mut self, words: &[&[u8]]) -> Result<Answer, Error> {
        self.ask_all(&[words]).map(|mut answers| answers.pop().unwrap_or(Answer::Null))
    }

    /// Sends requests at once, and returns answers that are no errors.
    pub(super) fn ask_all<'a, R: AsRef<[&'a [u8]]>>(&mut self, requests: &[R]) -> Result<Vec<Answer>, Error> {
        let mut bytes = BytesMut::new();
        for words in requests {
            encode_command(words.as_ref(), &mut bytes);
        }
        self.send(&bytes)?;
        let mut answers = Vec::with_capacity(requests.len());
        for words in requests {
            answers.push(match self.receive()? {
                Answer::Error(text) => {
                    let command = words.as_ref().first().map(|word| String::from_utf8_lossy(word));
                    return Err(self.refused(&command.unwrap_or_default(), &text));
                }
                answer => answer,
            });
        }
        Ok(answers)
    }

    /// The error for what the server would not do.
    pub(super) fn refused(&self, command: &str, text: &str) -> Error {
        Error::Server(format!("{} answers {command}: {text}", self.url))
    }

    fn lost(&self, error: &io::Error) -> Error {
        let what = match error.kind() {
            io::ErrorKind::UnexpectedEof => "the server closed the connection".to_owned(),
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => "the server does not answer".to_owned(),
            _ => error.to_string(),
        };
        Error::Server(format!("{}: {what}", self.url))
    }

    fn read(&mut self, depth: usize) -> io::Result<Answer> {
        let line = self.line()?;
        let (mark, rest) = line.split_first().ok_or_else(malformed)?;
        let number = || -> io::Result<i64> {
            std::str::from_utf8(rest).ok().and_then(|text| text.parse().ok()).ok_or_else(malformed)
        };
        Ok(match mark {
            b'+' => Answer::Text(rest.to_vec()),
            b'-' => Answer::Error(String::from_utf8_lossy(rest).into_owned()),
            b':' => Answer::Integer(number()?),
            b'$' => match u64::try_from(number()?) {
                Ok(length) if length <= STRING_BYTES => Answer::Text(self.string(length)?),
                Ok(_) => return Err(malformed()),
                Err(_) => Answer::Null,
            },
            b'*' if depth > 0 => match usize::try_from(number()?) {
                Ok(count) => {
                    let mut items = Vec::new();
                    for _ in 0..count {
                        items.push(self.read(depth - 1)?);
                    }
                    Answer::Array(items)
                }
                Err(_) => Answer::Null,
            },
            _ => return Err(malformed()),
        })
    }

    /// A line, without its end.
    fn line(&mut self) -> io::Result<Vec<u8>> {
        let mut line = Vec::new();
        (&mut self.stream).take(LINE_BYTES).read_until(b'\n', &mut line)?;
        match line.strip_suffix(b"\r\n") {
            Some(text) => Ok(text.to_vec()),
            None if line.len() as u64 == LINE_BYTES => Err(malformed()),
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    fn string(&mut self, length: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let read = (&mut self.stream).take(length + 2).read_to_end(&mut bytes)? as u64;
        if read < length + 2 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        bytes.truncate(length as usize);
        Ok(bytes)
    }
}

fn malformed() -> io::Error {
    io::Error::other("what answers there does not speak the Redis protocol")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<Url, Error> {
        Url::parse(url, Side::Only, &Certificates::default())
    }

    #[test]
    fn a_url_has_what_a_connection_needs() {
        let parsed = |url: &str| {
            let Url { user, password, place, database } = parse(url).unwrap();
            let Place::Tcp { host, port } = place else { panic!("{url}") };
            (user.unwrap_or_default(), password.unwrap_or_default(), host, port, database)
        };
        let all = |user: &str, password: &str, host: &str, port, database| {
            (user.to_owned(), password.to_owned(), host.to_owned(), port, database)
        };
        assert_eq!(parsed("redis://"), all("", "", "127.0.0.1", 6379, None));
        assert_eq!(parsed("redis://h"), all("", "", "h", 6379, None));
        assert_eq!(parsed("redis://h:1/"), all("", "", "h", 1, None));
        assert_eq!(parsed("redis://u:p%40%3a@h:1/3"), all("u", "p@:", "h", 1, Some(3)));
        assert_eq!(parsed("redis://:p@[::1]:7"), all("", "p", "[::1]", 7, None));
        assert_eq!(parsed("redis://[::1]"), all("", "", "[::1]", 6379, None));
        let shown = |url: &str| parse(url).unwrap().to_string();
        assert_eq!(shown("unix:///run/a%20b.sock"), "unix:///run/a b.sock");
        let url = parse("unix://u:p@/run/revoked.sock?db=3").unwrap();
        assert_eq!((url.user.as_deref(), url.password.as_deref()), (Some("u"), Some("p")));
        assert_eq!(url.to_string(), "unix:///run/revoked.sock?db=3");
    }

    #[test]
    fn a_url_that_is_none_is_refused_without_its_password() {
        for url in [
            "h:1",
            "rediss://:s3cret@h",
            "redis://:s3cret@h:x",
            "redis://:s3cret@h/x",
            "redis://s3cret%4@h",
            "unix://:s3cret@",
            "unix://s3cret/path",
            "unix://:s3cret@/path?x",
        ] {
            let Err(Error::Input(text)) = parse(url) else { panic!("{url}") };
            assert!(text.starts_with("the URL ") && !text.contains("s3cret"), "{text}");
        }
        let shown = parse("redis://u:s3cret@h:1/3").unwrap().to_string();
        assert_eq!(shown, "redis://h:1/3");
    }
}
