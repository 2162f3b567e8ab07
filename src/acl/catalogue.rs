//! What rules can name: the rows of the command table, and the categories.

/// Every category of Redis's, the ones that no command here is in included: rules that were written for Redis name
/// them.
const CATEGORIES: &[&str] = &[
    "@keyspace",
    "@read",
    "@write",
    "@set",
    "@sortedset",
    "@list",
    "@hash",
    "@string",
    "@bitmap",
    "@hyperloglog",
    "@geo",
    "@stream",
    "@pubsub",
    "@admin",
    "@fast",
    "@slow",
    "@blocking",
    "@dangerous",
    "@connection",
    "@transaction",
    "@scripting",
];

/// One row of the command table, as rules see it.
#[derive(Debug)]
pub struct Row {
    /// The full name: `client|setname`.
    pub name: &'static str,
    /// The categories that it is in: `@read`.
    pub categories: Vec<&'static str>,
    /// How many of the rows right behind it are its subcommands.
    pub subcommands: usize,
}

/// The rows of the command table; a user's rights have a bit for each.
#[derive(Debug)]
pub struct Catalogue {
    rows: Vec<Row>,
}

impl Catalogue {
    /// The catalogue of these rows.
    #[must_use]
    pub fn new(rows: Vec<Row>) -> Self {
        Self { rows }
    }

    /// How many rows there are.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "a table is never empty")]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// The place of the command or subcommand of this full name, in any case.
    pub(super) fn find(&self, name: &[u8]) -> Option<usize> {
        self.rows.iter().position(|row| row.name.as_bytes().eq_ignore_ascii_case(name))
    }

    pub(super) fn row(&self, place: usize) -> &Row {
        &self.rows[place]
    }

    /// The places of those in a category, in order.
    pub(super) fn in_category(&self, category: &str) -> impl Iterator<Item = usize> {
        let rows = self.rows.iter().enumerate();
        rows.filter(move |(_, row)| row.categories.contains(&category)).map(|(place, _)| place)
    }
}

/// The category of this name, `@` included, in any case.
pub(super) fn category(name: &[u8]) -> Option<&'static str> {
    CATEGORIES.iter().copied().find(|known| known.as_bytes().eq_ignore_ascii_case(name))
}
