//! What can be drawn: a row for each form of each command.
//!
//! A word in upper case stands for itself, one in lower case for a word of that kind. `( a | b )` is one of the
//! two; behind a word or a bracket, `?` is none or one, `*` none or more, `+` one or more. Whoever draws spoils
//! some of what these rows make, so that what the rows don't allow comes up, too.

/// Commands that are about the same things.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Family {
    Strings,
    Expiry,
    Sets,
    SetAlgebra,
    Keys,
    Databases,
    Transactions,
    Connection,
}

use Family::{Connection, Databases, Expiry, Keys, SetAlgebra, Sets, Strings, Transactions};

pub(crate) const FAMILIES: [Family; 8] =
    [Strings, Expiry, Sets, SetAlgebra, Keys, Databases, Transactions, Connection];

/// A form of a command, and how often it is drawn beside the others of its family.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) family: Family,
    pub(crate) weight: usize,
    pub(crate) form: &'static str,
}

const fn row(family: Family, weight: usize, form: &'static str) -> Row {
    Row { family, weight, form }
}

pub(crate) const GRAMMAR: &[Row] = &[
    row(Strings, 6, "SET key value"),
    row(
        Strings,
        9,
        "SET key value ( EX seconds | PX milliseconds | EXAT second | PXAT millisecond | KEEPTTL )? \
         ( NX | XX )? GET?",
    ),
    row(
        Strings,
        6,
        "SET key value ( EX seconds | PX milliseconds | EXAT second | PXAT millisecond | NX | XX | KEEPTTL | \
         GET )*",
    ),
    row(Strings, 3, "SETEX key seconds value"),
    row(Strings, 3, "PSETEX key milliseconds value"),
    row(Strings, 2, "SETNX key value"),
    row(Strings, 3, "GET key"),
    row(Strings, 3, "MGET key+"),
    row(Strings, 3, "MSET ( key value )+"),
    row(Strings, 1, "MSET many"),
    row(Strings, 3, "MSETNX ( key value )+"),
    row(Strings, 2, "GETDEL key"),
    row(Strings, 4, "GETEX key ( EX seconds | PX milliseconds | EXAT second | PXAT millisecond | PERSIST )?"),
    row(Strings, 1, "GETEX key ( EX seconds | PX milliseconds | EXAT second | PXAT millisecond | PERSIST )*"),
    row(Strings, 2, "GETSET key value"),
    row(Strings, 1, "STRLEN key"),
    row(Strings, 2, "APPEND key value"),
    row(Strings, 3, "GETRANGE key index index"),
    row(Strings, 1, "SUBSTR key index index"),
    row(Strings, 3, "SETRANGE key offset value"),
    row(Strings, 2, "INCR key"),
    row(Strings, 2, "DECR key"),
    row(Strings, 3, "INCRBY key integer"),
    row(Strings, 3, "DECRBY key integer"),
    row(Strings, 3, "INCRBYFLOAT key float"),
    row(Expiry, 4, "EXPIRE key seconds ( NX | XX | GT | LT )?"),
    row(Expiry, 4, "PEXPIRE key milliseconds ( NX | XX | GT | LT )?"),
    row(Expiry, 5, "EXPIREAT key second ( NX | XX | GT | LT )?"),
    row(Expiry, 5, "PEXPIREAT key millisecond ( NX | XX | GT | LT )?"),
    row(Expiry, 1, "( EXPIRE | PEXPIRE ) key seconds ( NX | XX | GT | LT )*"),
    row(Expiry, 1, "( EXPIREAT | PEXPIREAT ) key second ( NX | XX | GT | LT )*"),
    row(Expiry, 2, "TTL key"),
    row(Expiry, 2, "PTTL key"),
    row(Expiry, 2, "EXPIRETIME key"),
    row(Expiry, 3, "PEXPIRETIME key"),
    row(Expiry, 3, "PERSIST key"),
    row(Sets, 12, "SADD key member+"),
    row(Sets, 6, "SREM key member+"),
    row(Sets, 1, "SADD key many"),
    row(Sets, 1, "SREM key many"),
    row(Sets, 2, "SISMEMBER key member"),
    row(Sets, 2, "SMISMEMBER key member+"),
    row(Sets, 2, "SMEMBERS key"),
    row(Sets, 2, "SCARD key"),
    row(Sets, 3, "SSCAN key cursor ( MATCH pattern )? ( COUNT count )?"),
    row(Sets, 1, "SSCAN key cursor ( MATCH pattern | COUNT count )*"),
    row(Sets, 4, "SPOP key count?"),
    row(Sets, 3, "SRANDMEMBER key integer?"),
    row(Sets, 6, "SMOVE key key member"),
    row(SetAlgebra, 2, "SINTER key+"),
    row(SetAlgebra, 2, "SUNION key+"),
    row(SetAlgebra, 2, "SDIFF key+"),
    row(SetAlgebra, 3, "SINTERSTORE key key+"),
    row(SetAlgebra, 3, "SUNIONSTORE key key+"),
    row(SetAlgebra, 3, "SDIFFSTORE key key+"),
    row(SetAlgebra, 3, "SINTERCARD counted-keys ( LIMIT count )?"),
    row(Keys, 3, "DEL key+"),
    row(Keys, 2, "UNLINK key+"),
    row(Keys, 1, "DEL many"),
    row(Keys, 2, "EXISTS key+"),
    row(Keys, 2, "TOUCH key+"),
    row(Keys, 2, "TYPE key"),
    row(Keys, 2, "KEYS pattern"),
    row(Keys, 2, "SCAN cursor ( MATCH pattern )? ( COUNT count )? ( TYPE type )?"),
    row(Keys, 1, "SCAN cursor ( MATCH pattern | COUNT count | TYPE type )*"),
    row(Keys, 1, "RANDOMKEY"),
    row(Keys, 4, "RENAME key key"),
    row(Keys, 4, "RENAMENX key key"),
    row(Keys, 4, "COPY key key REPLACE?"),
    row(Keys, 1, "OBJECT ENCODING key"),
    row(Keys, 1, "OBJECT REFCOUNT key"),
    row(Keys, 1, "OBJECT IDLETIME key"),
    row(Keys, 1, "OBJECT FREQ key"),
    row(Keys, 1, "OBJECT HELP"),
    row(Keys, 1, "MEMORY USAGE key ( SAMPLES count )?"),
    row(Databases, 6, "SELECT database"),
    row(Databases, 6, "MOVE key database"),
    row(Databases, 6, "COPY key key ( DB database | REPLACE )*"),
    row(Databases, 5, "SWAPDB database database"),
    row(Databases, 2, "DBSIZE"),
    row(Databases, 2, "FLUSHDB ( SYNC | ASYNC )?"),
    row(Databases, 1, "FLUSHALL ( SYNC | ASYNC )?"),
    row(Transactions, 3, "MULTI"),
    row(Transactions, 3, "EXEC"),
    row(Transactions, 1, "DISCARD"),
    row(Transactions, 3, "WATCH key+"),
    row(Transactions, 1, "UNWATCH"),
    row(Connection, 2, "PING value?"),
    row(Connection, 1, "ECHO value"),
    row(Connection, 2, "HELLO version?"),
    row(Connection, 2, "HELLO version ( SETNAME text | AUTH text text )"),
    row(Connection, 1, "AUTH text text?"),
    row(Connection, 1, "RESET"),
    row(Connection, 1, "TIME"),
    row(Connection, 1, "ROLE"),
    row(Connection, 1, "( ASKING | READONLY | READWRITE )"),
    row(Connection, 1, "CLIENT SETNAME text"),
    row(Connection, 1, "CLIENT GETNAME"),
    row(Connection, 1, "CLIENT ID"),
    row(Connection, 2, "COMMAND GETKEYS request"),
    row(Connection, 1, "NOSUCH value*"),
    row(Connection, 1, "OBJECT NOSUCH value*"),
];

/// The names of all commands in the grammar, in lower case.
pub(crate) fn names() -> Vec<String> {
    let words = GRAMMAR.iter().flat_map(|row| {
        let form = Form::parse(row.form);
        form.first_words()
    });
    let mut names: Vec<_> = words.map(str::to_lowercase).filter(|name| name != "nosuch").collect();
    names.sort();
    names.dedup();
    names
}

/// A row's form, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Form(pub(crate) Vec<(Part, Times)>);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    /// The word itself.
    Literal(&'static str),
    /// A word of this kind.
    Slot(&'static str),
    OneOf(Vec<Form>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Times {
    Once,
    AtMostOnce,
    Any,
    AtLeastOnce,
}

impl Form {
    pub(crate) fn parse(form: &'static str) -> Self {
        let mut words = form.split_whitespace();
        let (form, end) = Self::parse_until_end(&mut words);
        assert_eq!(end, None, "a bracket is closed that was not opened");
        form
    }

    /// Parses up to a bar, a closing bracket or the end, and returns which of them it was.
    fn parse_until_end(words: &mut dyn Iterator<Item = &'static str>) -> (Self, Option<&'static str>) {
        let mut parts = Vec::new();
        while let Some(word) = words.next() {
            match word {
                "(" => parts.push(Self::parse_alternatives(words)),
                "|" => return (Self(parts), Some(word)),
                _ if word.starts_with(')') => return (Self(parts), Some(word)),
                _ => {
                    let (word, times) = Times::strip(word);
                    let is_literal = word.starts_with(|first: char| first.is_ascii_uppercase());
                    parts.push((if is_literal { Part::Literal(word) } else { Part::Slot(word) }, times));
                }
            }
        }
        (Self(parts), None)
    }

    fn parse_alternatives(words: &mut dyn Iterator<Item = &'static str>) -> (Part, Times) {
        let mut alternatives = Vec::new();
        loop {
            let (alternative, end) = Self::parse_until_end(words);
            alternatives.push(alternative);
            let end = end.expect("a bracket is not closed");
            if end != "|" {
                return (Part::OneOf(alternatives), Times::strip(end).1);
            }
        }
    }

    /// The words that the form may begin with.
    pub(crate) fn first_words(&self) -> Vec<&'static str> {
        match &self.0[0].0 {
            Part::Literal(word) | Part::Slot(word) => vec![word],
            Part::OneOf(forms) => forms.iter().flat_map(Form::first_words).collect(),
        }
    }
}

impl Times {
    fn strip(word: &'static str) -> (&'static str, Self) {
        let marks = [("?", Self::AtMostOnce), ("*", Self::Any), ("+", Self::AtLeastOnce)];
        let marked = marks.into_iter().find_map(|(mark, times)| Some((word.strip_suffix(mark)?, times)));
        marked.unwrap_or((word, Self::Once))
    }
}

mod tests {
    use super::{Form, GRAMMAR, Part, Times, names};

    #[test]
    fn forms_are_taken_apart() {
        let form = |parts: &[(Part, Times)]| Form(parts.to_vec());
        assert_eq!(
            Form::parse("SET key+ ( EX seconds | NX )* GET?"),
            form(&[
                (Part::Literal("SET"), Times::Once),
                (Part::Slot("key"), Times::AtLeastOnce),
                (
                    Part::OneOf(vec![
                        form(&[(Part::Literal("EX"), Times::Once), (Part::Slot("seconds"), Times::Once)]),
                        form(&[(Part::Literal("NX"), Times::Once)]),
                    ]),
                    Times::Any
                ),
                (Part::Literal("GET"), Times::AtMostOnce),
            ])
        );
    }

    #[test]
    fn every_row_has_a_form_and_can_be_drawn() {
        for row in GRAMMAR {
            assert!(row.weight > 0 && !Form::parse(row.form).0.is_empty(), "{row:?}");
        }
        assert!(names().contains(&"pexpireat".to_owned()));
    }
}
