//! A member or a string that goes from one place to another: as a line of JSON, and as commands that make it be there.
//!
//! ```json
//! {"db":0,"key":"revoked","member":"0b0bd1d4-5d0d-4a0e-9c5b-3f6a7d0c9d11","expires_ms":1795540500000}
//! {"db":0,"key":"session","value":"1"}
//! ```

use std::io::{self, Write};

use bytes::BytesMut;
use serde_json::{Map, Value};

use crate::journal::{Content, Present};
use crate::resp::encode_bulk;

/// Most members of one command, and most bytes of them.
const MEMBERS_AT_ONCE: usize = 100;
const BYTES_AT_ONCE: usize = 64 * 1024;

/// A member or a string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) database: u8,
    pub(super) key: Vec<u8>,
    /// When a set ends as a whole.
    pub(super) key_expires_ms: Option<i64>,
    pub(super) content: Holding,
    /// When the member or the string ends.
    pub(super) expires_ms: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Holding {
    Member(Vec<u8>),
    String(Vec<u8>),
}

impl From<Present<'_>> for Record {
    fn from(present: Present<'_>) -> Self {
        let Present { database, key, key_expiry, content } = present;
        let (key, key_expires_ms) = (key.to_vec(), key_expiry.ms());
        match content {
            Content::Member { member, expiry } => Self {
                database,
                key,
                key_expires_ms,
                content: Holding::Member(member.to_vec()),
                expires_ms: expiry.ms(),
            },
            Content::String(value) => Self {
                database,
                key,
                key_expires_ms: None,
                content: Holding::String(value.to_vec()),
                expires_ms: key_expires_ms,
            },
        }
    }
}

impl Record {
    /// Whether its end has come.
    pub(super) fn is_over(&self, now_ms: i64) -> bool {
        let is_due = |end: Option<i64>| end.is_some_and(|end_ms| end_ms <= now_ms);
        is_due(self.expires_ms) || is_due(self.key_expires_ms)
    }

    /// Writes it as a line of JSON. What is no UTF-8 is written in hexadecimal, under a name that ends in `_hex`.
    pub(super) fn write_json(&self, out: &mut impl Write) -> io::Result<()> {
        write!(out, "{{\"db\":{}", self.database)?;
        write_bytes(out, "key", &self.key)?;
        match &self.content {
            Holding::Member(member) => write_bytes(out, "member", member)?,
            Holding::String(value) => write_bytes(out, "value", value)?,
        }
        for (name, end) in [("expires_ms", self.expires_ms), ("key_expires_ms", self.key_expires_ms)] {
            if let Some(end_ms) = end {
                write!(out, ",\"{name}\":{end_ms}")?;
            }
        }
        out.write_all(b"}\n")
    }

    /// Reads such a line. An error says what is wrong with it, and shows nothing of it but names.
    pub(super) fn read_json(line: &str) -> Result<Self, String> {
        let value: Value = serde_json::from_str(line).map_err(|error| format!("it is no JSON: {error}"))?;
        let Value::Object(mut fields) = value else { return Err("it is no JSON object".into()) };
        let database = match fields.remove("db") {
            None => 0,
            Some(number) => {
                number.as_u64().and_then(|db| u8::try_from(db).ok()).ok_or("db is no database")?
            }
        };
        let key = bytes(&mut fields, "key")?.ok_or("it has no key")?;
        let content = match (bytes(&mut fields, "member")?, bytes(&mut fields, "value")?) {
            (Some(member), None) => Holding::Member(member),
            (None, Some(value)) => Holding::String(value),
            _ => return Err("it has to have either a member or a value".into()),
        };
        let (expires_ms, key_expires_ms) =
            (end(&mut fields, "expires_ms")?, end(&mut fields, "key_expires_ms")?);
        if let Some(unknown) = fields.keys().next() {
            return Err(format!("there is no field {unknown}"));
        }
        if key_expires_ms.is_some() && matches!(content, Holding::String(_)) {
            return Err("a value has expires_ms, and no key_expires_ms".into());
        }
        Ok(Self { database, key, key_expires_ms, content, expires_ms })
    }
}

fn write_bytes(out: &mut impl Write, name: &str, bytes: &[u8]) -> io::Result<()> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        write!(out, ",\"{name}\":")?;
        return Ok(serde_json::to_writer(out, text)?);
    }
    write!(out, ",\"{name}_hex\":\"")?;
    for byte in bytes {
        write!(out, "{byte:02x}")?;
    }
    out.write_all(b"\"")
}

/// The bytes that a field of this name holds, in either form.
fn bytes(fields: &mut Map<String, Value>, name: &str) -> Result<Option<Vec<u8>>, String> {
    let hex_name = format!("{name}_hex");
    match (fields.remove(name), fields.remove(&hex_name)) {
        (None, None) => Ok(None),
        (Some(Value::String(text)), None) => Ok(Some(text.into_bytes())),
        (None, Some(Value::String(hex))) => {
            from_hex(&hex).map(Some).ok_or_else(|| format!("{hex_name} is not hexadecimal"))
        }
        (Some(_), Some(_)) => Err(format!("it has {name} and {hex_name}")),
        _ => Err(format!("{name} is no string")),
    }
}

fn from_hex(hex: &str) -> Option<Vec<u8>> {
    let is_hex = hex.len().is_multiple_of(2) && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    if is_hex { hex.as_bytes().chunks(2).map(byte).collect() } else { None }
}

fn end(fields: &mut Map<String, Value>, name: &str) -> Result<Option<i64>, String> {
    match fields.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(number) => {
            number.as_i64().map(Some).ok_or_else(|| format!("{name} is no whole number of milliseconds"))
        }
    }
}

/// For whom commands are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// `PSADDEXAT` gives members their ends.
    Revoked,
    /// A member has no end of its own. None is lost before its time: the key ends with the last of them, and not at all
    /// where one of them has no end.
    Redis,
}

/// Records on their way to becoming commands, many members to one. The commands are absolute: they may be sent again.
#[derive(Debug)]
pub(super) struct Commands {
    dialect: Dialect,
    /// The database that what is in `out` ends with.
    selected: Option<u8>,
    /// Members of one set that end at the same time.
    members: Vec<Vec<u8>>,
    member_bytes: usize,
    set: Option<OpenSet>,
    out: BytesMut,
    count: usize,
    /// How many members have become members without an end of their own.
    pub(super) ends_left_out: u64,
}

/// The set whose members come now.
#[derive(Debug)]
struct OpenSet {
    database: u8,
    key: Vec<u8>,
    key_expires_ms: Option<i64>,
    /// The end of the members at hand.
    expires_ms: Option<i64>,
    /// The last end of any member so far; none, if one has none.
    last_end_ms: Option<i64>,
}

impl Commands {
    pub(super) fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            selected: None,
            members: Vec::new(),
            member_bytes: 0,
            set: None,
            out: BytesMut::new(),
            count: 0,
            ends_left_out: 0,
        }
    }

    /// They go to a connection that has selected this database.
    pub(super) fn selected(mut self, database: u8) -> Self {
        self.selected = Some(database);
        self
    }

    /// How many bytes there are to send.
    pub(super) fn len(&self) -> usize {
        self.out.len()
    }

    /// The commands so far, and how many they are. Some of the latest records may not be among them before
    /// [`Commands::finish`].
    pub(super) fn take(&mut self) -> (BytesMut, usize) {
        (self.out.split(), std::mem::take(&mut self.count))
    }

    pub(super) fn add(&mut self, record: Record) {
        let Record { database, key, key_expires_ms, content, expires_ms } = record;
        match content {
            Holding::String(value) => {
                self.finish();
                self.string(database, &key, &value, expires_ms);
            }
            Holding::Member(member) => {
                if !self.set.as_ref().is_some_and(|set| set.database == database && set.key == key) {
                    self.finish();
                }
                let set = self.set.get_or_insert(OpenSet {
                    database,
                    key,
                    key_expires_ms,
                    expires_ms,
                    last_end_ms: expires_ms,
                });
                set.last_end_ms = set.last_end_ms.zip(expires_ms).map(|(one, other)| one.max(other));
                let said = if self.dialect == Dialect::Redis { None } else { expires_ms };
                self.ends_left_out += u64::from(said != expires_ms);
                let is_other = set.expires_ms != said;
                if is_other || self.members.len() >= MEMBERS_AT_ONCE || self.member_bytes >= BYTES_AT_ONCE {
                    self.flush_members();
                }
                if let Some(set) = &mut self.set {
                    set.expires_ms = said;
                }
                self.member_bytes += member.len();
                self.members.push(member);
            }
        }
    }

    /// All records are there.
    pub(super) fn finish(&mut self) {
        self.flush_members();
        let Some(set) = self.set.take() else { return };
        let last_end_ms = if self.dialect == Dialect::Redis { set.last_end_ms } else { None };
        let end = [set.key_expires_ms, last_end_ms].into_iter().flatten().min();
        if let Some(end_ms) = end {
            self.command(&[b"PEXPIREAT", &set.key, end_ms.to_string().as_bytes()]);
        }
    }

    fn string(&mut self, database: u8, key: &[u8], value: &[u8], expires_ms: Option<i64>) {
        self.select(database);
        match expires_ms {
            None => self.command(&[b"SET", key, value]),
            Some(end_ms) => self.command(&[b"SET", key, value, b"PXAT", end_ms.to_string().as_bytes()]),
        }
    }

    fn flush_members(&mut self) {
        let members = std::mem::take(&mut self.members);
        self.member_bytes = 0;
        let Some((database, key, end)) =
            self.set.as_ref().map(|set| (set.database, set.key.clone(), set.expires_ms))
        else {
            return;
        };
        if members.is_empty() {
            return;
        }
        self.select(database);
        let end = end.map(|end_ms| end_ms.to_string());
        let head = match &end {
            None => vec![&b"SADD"[..], &key],
            Some(end_ms) => vec![&b"PSADDEXAT"[..], &key, end_ms.as_bytes()],
        };
        let words: Vec<_> = head.into_iter().chain(members.iter().map(Vec::as_slice)).collect();
        self.command(&words);
    }

    fn select(&mut self, database: u8) {
        if self.selected != Some(database) {
            self.selected = Some(database);
            self.command(&[b"SELECT", database.to_string().as_bytes()]);
        }
    }

    fn command(&mut self, words: &[&[u8]]) {
        encode_command(words, &mut self.out);
        self.count += 1;
    }
}

/// Appends a request as it stands on the wire.
pub(super) fn encode_command(words: &[&[u8]], out: &mut BytesMut) {
    out.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
    for word in words {
        encode_bulk(word, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(key: &str, member: &str, expires_ms: Option<i64>, key_expires_ms: Option<i64>) -> Record {
        let content = Holding::Member(member.into());
        Record { database: 0, key: key.into(), key_expires_ms, content, expires_ms }
    }

    fn commands(dialect: Dialect, records: impl IntoIterator<Item = Record>) -> (Vec<String>, u64) {
        let mut commands = Commands::new(dialect);
        for record in records {
            commands.add(record);
        }
        commands.finish();
        let (bytes, count) = commands.take();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let words = |command: &str| command.split("\r\n").skip(2).step_by(2).collect::<Vec<_>>().join(" ");
        let said: Vec<_> = text.split('*').skip(1).map(words).collect();
        assert_eq!(said.len(), count);
        (said, commands.ends_left_out)
    }

    #[test]
    fn a_line_holds_whatever_bytes_there_are() {
        for key in [&b"plain"[..], b"", b"quote \" \\ \n", "h\u{e4}".as_bytes(), b"\x00", b"\xff\x00"] {
            for content in [Holding::Member(key.into()), Holding::String(b"\xfe\x0a".into())] {
                for (expires_ms, key_expires_ms) in
                    [(None, None), (Some(1), None), (Some(i64::MAX), Some(-1))]
                {
                    let is_member = matches!(content, Holding::Member(_));
                    let key_expires_ms = key_expires_ms.filter(|_| is_member);
                    let content = content.clone();
                    let record =
                        Record { database: 15, key: key.into(), key_expires_ms, content, expires_ms };
                    let mut line = Vec::new();
                    record.write_json(&mut line).unwrap();
                    let line = String::from_utf8(line).unwrap();
                    assert_eq!(line.matches('\n').count(), 1);
                    assert_eq!(Record::read_json(&line), Ok(record), "{line}");
                }
            }
        }
    }

    #[test]
    fn what_is_no_such_line_is_refused_with_the_reason() {
        for (line, why) in [
            ("{", "it is no JSON"),
            ("[]", "it is no JSON object"),
            (r#"{"member":"m"}"#, "it has no key"),
            (r#"{"key":"k"}"#, "either a member or a value"),
            (r#"{"key":"k","member":"m","value":"v"}"#, "either a member or a value"),
            (r#"{"key":"k","key_hex":"00","member":"m"}"#, "it has key and key_hex"),
            (r#"{"key":"k","member_hex":"0"}"#, "member_hex is not hexadecimal"),
            (r#"{"key":"k","member":7}"#, "member is no string"),
            (r#"{"key":"k","member":"m","expires":7}"#, "there is no field expires"),
            (r#"{"key":"k","member":"m","expires_ms":"x"}"#, "expires_ms is no whole number"),
            (r#"{"key":"k","value":"v","key_expires_ms":7}"#, "a value has expires_ms"),
            (r#"{"db":256,"key":"k","member":"m"}"#, "db is no database"),
        ] {
            let said = Record::read_json(line).unwrap_err();
            assert!(said.contains(why), "{line}: {said}");
        }
    }

    #[test]
    fn members_with_one_end_share_a_command() {
        let records = [("a", None), ("b", None), ("c", Some(7)), ("d", Some(7)), ("e", None)];
        let records = records.map(|(name, end)| member("k", name, end, Some(9)));
        let string = Record {
            database: 3,
            key: "s".into(),
            key_expires_ms: None,
            content: Holding::String("v".into()),
            expires_ms: Some(5),
        };
        let (said, left_out) = commands(Dialect::Revoked, records.into_iter().chain([string]));
        let expected = [
            "SELECT 0",
            "SADD k a b",
            "PSADDEXAT k 7 c d",
            "SADD k e",
            "PEXPIREAT k 9",
            "SELECT 3",
            "SET s v PXAT 5",
        ];
        assert_eq!((said, left_out), (expected.map(String::from).to_vec(), 0));
    }

    #[test]
    fn for_redis_no_member_ends_before_its_time() {
        let all_end = [member("k", "a", Some(7), None), member("k", "b", Some(9), None)];
        let (said, left_out) = commands(Dialect::Redis, all_end.clone());
        assert_eq!(
            (said, left_out),
            (["SELECT 0", "SADD k a b", "PEXPIREAT k 9"].map(String::from).to_vec(), 2)
        );
        let (said, _) = commands(Dialect::Redis, all_end.into_iter().chain([member("k", "c", None, None)]));
        assert_eq!(said, ["SELECT 0", "SADD k a b c"]);
        let (said, _) = commands(Dialect::Redis, [member("k", "a", Some(7), Some(5))]);
        assert_eq!(said, ["SELECT 0", "SADD k a", "PEXPIREAT k 5"]);
    }
}
