//! What the aggregates need of a database: statements, rows, transactions.
//!
//! Both dialects understand the same statements (`$1`, `ON CONFLICT`, `RETURNING`, row values), so each
//! aggregate is written once; where the dialects differ, the difference is a method here.

use std::borrow::Cow;
use std::fmt::Debug;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr};

use crate::error::{Result, StoreError};

/// Longest text that goes into a unique index, in bytes: PostgreSQL takes no more than a third of a page.
pub(crate) const KEY_BYTES_MAX: usize = 2_000;

/// A connection pool of one dialect.
#[async_trait]
pub(crate) trait Database: Send + Sync + Debug {
    /// Runs one reading statement.
    async fn query(&self, statement: Statement) -> Result<Vec<Row>>;

    /// Begins a writing transaction. Dropped without a commit, it leaves no trace.
    async fn begin(&self) -> Result<Box<dyn Transaction>>;

    /// Waits until somebody may have changed something; may wake without reason, may miss other processes.
    async fn changed(&self);

    /// How the dialect says what the other can't.
    fn dialect(&self) -> &'static dyn Dialect;

    /// Begins with nothing, to be filled by this process alone and without care for crashes. `false`, with nothing
    /// done, where others have the database open, or where it is more than an index.
    async fn begin_load(&self) -> Result<bool> {
        Ok(false)
    }

    /// Ends what [`begin_load`](Self::begin_load) began; else does nothing.
    async fn end_load(&self) -> Result<()> {
        Ok(())
    }

    /// Whether this process is between the two.
    fn is_loading(&self) -> bool {
        false
    }

    /// Closes all connections.
    async fn close(&self);
}

/// A writing transaction.
#[async_trait]
pub(crate) trait Transaction: Send {
    /// Runs a statement that returns rows.
    async fn query(&mut self, statement: Statement) -> Result<Vec<Row>>;

    /// Runs a statement; returns the number of rows it touched.
    async fn execute(&mut self, statement: Statement) -> Result<u64>;

    /// Runs several statements without parameters.
    async fn script(&mut self, sql: &'static str) -> Result<()>;

    /// Makes it durable. Whoever watches is told if a revision was bumped.
    async fn commit(self: Box<Self>, bumped: bool) -> Result<()>;
}

/// Where the dialects differ.
pub(crate) trait Dialect: Send + Sync {
    /// Placeholders in order for `rows` rows of `columns` columns: `($1, $2), ($3, $4)`, or what the
    /// database reads faster.
    fn placeholders(&self, rows: usize, columns: usize) -> String;

    /// A table with the index to use, for dialects whose planner has to be told.
    fn table_along(&self, table: &'static str, index: &'static str) -> String;

    /// A table whose rows are looked up by position, for dialects whose planner has to be told.
    fn table_by_position(&self, table: &'static str) -> String;

    /// Whether `column` holds the text bound to `placeholder`.
    fn contains(&self, column: &'static str, placeholder: &str) -> String;

    /// The statement that tells as many numbers that no text has or had as `$1` says, or the first of so many in a row.
    /// They are taken once texts with these numbers are added in the same transaction.
    fn fresh_text_ids(&self) -> &'static str;

    /// The statement that adds `rows` rows of a text's number and its grams, these with spaces between them.
    fn insert_grams(&self, rows: usize) -> String;

    /// The statement that forgets the grams of `texts` texts, by their numbers.
    fn delete_grams(&self, texts: usize) -> String;

    /// The rows of `audit_text` whose grams match the text of [`match_grams`](Self::match_grams) bound to
    /// `placeholder`: what follows `FROM`, ending in a condition.
    fn texts_with_grams(&self, placeholder: &str) -> String;

    /// The text that matches rows with all of the grams, or with any that begins with `prefix`.
    fn match_grams(&self, wanted: &GramQuery) -> String;

    /// A selection of the texts with the gram bound to `$1`, for dialects that read the list of every gram that is
    /// asked for to its end.
    fn texts_with_gram(&self) -> Option<&'static str>;
}

/// What is asked of the grams of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum GramQuery {
    /// All of these.
    All(Vec<String>),
    /// One that begins with this.
    Prefix(String),
}

/// A value to be bound.
#[derive(Debug, Clone)]
pub(crate) enum Param {
    Int(Option<i64>),
    Text(Option<String>),
    Blob(Option<Vec<u8>>),
}

/// A value as read.
#[derive(Debug, Clone)]
pub(crate) enum Cell {
    Null,
    Int(i64),
    Text(String),
}

/// SQL and what is bound to it. The SQL is made of constants only; every value is bound.
#[derive(Debug, Clone)]
pub(crate) struct Statement {
    /// What its rows are, for errors.
    pub(crate) what: &'static str,
    pub(crate) sql: Cow<'static, str>,
    pub(crate) params: Vec<Param>,
}

impl Statement {
    pub(crate) fn new(what: &'static str, sql: impl Into<Cow<'static, str>>) -> Self {
        Self {
            what,
            sql: sql.into(),
            params: Vec::new(),
        }
    }

    #[must_use]
    pub(crate) fn bind(mut self, value: impl Into<Param>) -> Self {
        self.params.push(value.into());
        self
    }
}

impl From<i64> for Param {
    fn from(value: i64) -> Self {
        Self::Int(Some(value))
    }
}

impl From<Option<i64>> for Param {
    fn from(value: Option<i64>) -> Self {
        Self::Int(value)
    }
}

impl From<&str> for Param {
    fn from(value: &str) -> Self {
        Self::Text(Some(value.to_owned()))
    }
}

impl From<String> for Param {
    fn from(value: String) -> Self {
        Self::Text(Some(value))
    }
}

impl From<Option<String>> for Param {
    fn from(value: Option<String>) -> Self {
        Self::Text(value)
    }
}

impl From<&[u8]> for Param {
    fn from(value: &[u8]) -> Self {
        Self::Blob(Some(value.to_vec()))
    }
}

impl From<Option<Vec<u8>>> for Param {
    fn from(value: Option<Vec<u8>>) -> Self {
        Self::Blob(value)
    }
}

/// Refuses what PostgreSQL can't hold, on both, so that they behave alike.
pub(crate) fn check(statement: &Statement) -> Result<()> {
    let has_null = |param: &Param| matches!(param, Param::Text(Some(text)) if text.contains('\0'));
    if statement.params.iter().any(has_null) {
        return Err(StoreError::Invalid {
            what: statement.what,
            rule: "it must not hold a null character",
        });
    }
    Ok(())
}

/// A row; its cells are taken from left to right.
#[derive(Debug)]
pub(crate) struct Row {
    what: &'static str,
    cells: std::vec::IntoIter<Cell>,
}

impl Row {
    pub(crate) fn new(what: &'static str, cells: Vec<Cell>) -> Self {
        Self {
            what,
            cells: cells.into_iter(),
        }
    }

    /// The next cell as a number.
    pub(crate) fn int(&mut self) -> Result<i64> {
        self.optional_int()?.ok_or_else(|| self.unexpected("null"))
    }

    /// The next cell as a number that is never negative.
    pub(crate) fn unsigned(&mut self) -> Result<u64> {
        let number = self.int()?;
        u64::try_from(number).map_err(|error| StoreError::corrupt(self.what, error))
    }

    /// The next cell as a number that is never negative, or nothing.
    pub(crate) fn optional_unsigned(&mut self) -> Result<Option<u64>> {
        let Some(number) = self.optional_int()? else {
            return Ok(None);
        };
        u64::try_from(number)
            .map(Some)
            .map_err(|error| StoreError::corrupt(self.what, error))
    }

    /// The next cell as a number or nothing.
    pub(crate) fn optional_int(&mut self) -> Result<Option<i64>> {
        match self.cells.next() {
            Some(Cell::Int(value)) => Ok(Some(value)),
            Some(Cell::Null) => Ok(None),
            _ => Err(self.unexpected("no number")),
        }
    }

    /// The next cell as text.
    pub(crate) fn text(&mut self) -> Result<String> {
        self.optional_text()?.ok_or_else(|| self.unexpected("null"))
    }

    /// The next cell as text or nothing.
    pub(crate) fn optional_text(&mut self) -> Result<Option<String>> {
        match self.cells.next() {
            Some(Cell::Text(value)) => Ok(Some(value)),
            Some(Cell::Null) => Ok(None),
            _ => Err(self.unexpected("no text")),
        }
    }

    /// The next cell as the text form of a value.
    pub(crate) fn parsed<T>(&mut self) -> Result<T>
    where
        T: std::str::FromStr,
        T::Err: std::error::Error + Send + Sync + 'static,
    {
        let text = self.text()?;
        text.parse()
            .map_err(|error: T::Err| StoreError::corrupt(self.what, error))
    }

    /// The next cell as a time in text form, or nothing.
    pub(crate) fn optional_time(&mut self) -> Result<Option<Timestamp>> {
        let Some(text) = self.optional_text()? else {
            return Ok(None);
        };
        let time = text
            .parse()
            .map_err(|error: jiff::Error| StoreError::corrupt(self.what, error))?;
        Ok(Some(time))
    }

    /// The next cell as a time in microseconds.
    pub(crate) fn micros(&mut self) -> Result<Timestamp> {
        let micros = self.int()?;
        Timestamp::from_microsecond(micros).map_err(|error| StoreError::corrupt(self.what, error))
    }

    /// The next cell as a time in microseconds, or nothing.
    pub(crate) fn optional_micros(&mut self) -> Result<Option<Timestamp>> {
        let Some(micros) = self.optional_int()? else {
            return Ok(None);
        };
        Timestamp::from_microsecond(micros)
            .map(Some)
            .map_err(|error| StoreError::corrupt(self.what, error))
    }

    /// The next cell as a JSON document.
    pub(crate) fn document<T: DeserializeOwned>(&mut self) -> Result<T> {
        let text = self.text()?;
        serde_json::from_str(&text).map_err(|error| StoreError::corrupt(self.what, error))
    }

    fn unexpected(&self, found: &'static str) -> StoreError {
        StoreError::corrupt(self.what, format!("unexpected column: {found}"))
    }
}

/// A value as a JSON document.
pub(crate) fn document<T: Serialize>(what: &'static str, value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|_| StoreError::Invalid {
        what,
        rule: "it must have a JSON form",
    })
}

/// A number as the databases hold it.
pub(crate) fn signed(what: &'static str, number: u64) -> Result<i64> {
    i64::try_from(number).map_err(|_| StoreError::Invalid {
        what,
        rule: "it must be below 2^63",
    })
}

/// A text that goes into a unique index.
pub(crate) fn key<'a>(what: &'static str, text: &'a str) -> Result<&'a str> {
    if text.len() > KEY_BYTES_MAX || text.contains('\0') {
        return Err(StoreError::Invalid {
            what,
            rule: "it must be at most 2000 bytes, without a null character",
        });
    }
    Ok(text)
}

/// The SQL for the driver. Statements are put together from constants only, so they are safe as they are.
pub(crate) fn sql_text(sql: Cow<'static, str>) -> SqlStr {
    match sql {
        Cow::Borrowed(sql) => sql.into_sql_str(),
        Cow::Owned(sql) => AssertSqlSafe(sql).into_sql_str(),
    }
}
