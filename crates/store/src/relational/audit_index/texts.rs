//! The texts that records are found by: each is kept once as long as it is remembered, however many records hold it.
//!
//! What a person or a tool is called comes with every record of theirs: such a text names its owner, and records
//! refer to it by the columns that they have anyway. What else is said is noted record by record.

use std::collections::{BTreeSet, HashMap};

use super::{ROWS_PER_STATEMENT, WHAT, chunks, insert_all};
use crate::database::{Dialect, Row, Statement, Transaction};
use crate::error::Result;

/// Most texts of one statement that notes grams.
const GRAMS_PER_STATEMENT: usize = 8_192;
/// The columns of a text that tell whose it is.
const OWNERS: [&str; 2] = ["caller", "target"];

/// A text, and the number of the caller or target that is called so.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Text {
    caller: Option<i64>,
    target: Option<i64>,
    text: Box<str>,
}

/// Numbers of texts.
pub(super) type TextIds = HashMap<Text, i64>;

impl Text {
    /// A text as it is searched for.
    pub(super) fn new(text: Box<str>, caller: Option<i64>, target: Option<i64>) -> Self {
        Self {
            caller,
            target,
            text,
        }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Whether it is what somebody or something is called.
    pub(super) fn is_owned(&self) -> bool {
        self.caller.is_some() || self.target.is_some()
    }

    fn read(row: &mut Row) -> Result<(Self, i64)> {
        let text = Self {
            text: row.text()?.into(),
            caller: row.optional_int()?,
            target: row.optional_int()?,
        };
        Ok((text, row.int()?))
    }
}

/// Gives texts, each of which comes once with its number in a batch, their numbers in the index. Notes the grams of
/// those that were not there.
pub(super) async fn intern(
    transaction: &mut dyn Transaction,
    dialect: &dyn Dialect,
    texts: Vec<(usize, Text)>,
    mut grams: impl FnMut(usize, &Text) -> String + Send,
) -> Result<Vec<(usize, Text, i64)>> {
    let mut found = TextIds::new();
    for owner in OWNERS {
        owned(transaction, dialect, owner, &texts, &mut found).await?;
    }
    let mut numbered = Vec::with_capacity(texts.len());
    let mut missing = Vec::with_capacity(texts.len());
    for (number, text) in texts {
        match found.get(&text) {
            Some(id) => numbered.push((number, text, *id)),
            None => missing.push((number, text)),
        }
    }
    let ids = fresh_ids(transaction, dialect, missing.len()).await?;
    let mut new: Vec<_> = missing
        .into_iter()
        .zip(ids)
        .map(|((number, text), id)| (number, text, id))
        .collect();
    let inserted = |new: &mut [_]| inserted(dialect, new);
    insert_all(transaction, &mut new, ROWS_PER_STATEMENT, inserted).await?;
    let mut of_new: Vec<(i64, String)> = new
        .iter()
        .map(|(number, text, id)| (*id, grams(*number, text)))
        .collect();
    // In the order of the numbers: FTS5 gathers rows in memory as long as these rise, and writes all of them with each
    // that doesn't and with each statement. So there are few of these.
    let noted = |texts: &mut [_]| noted(dialect, texts);
    insert_all(transaction, &mut of_new, GRAMS_PER_STATEMENT, noted).await?;
    numbered.append(&mut new);
    Ok(numbered)
}

/// So many numbers that no text has or had, in order.
async fn fresh_ids(
    transaction: &mut dyn Transaction,
    dialect: &dyn Dialect,
    count: usize,
) -> Result<Vec<i64>> {
    if count == 0 {
        return Ok(Vec::new());
    }
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    let statement = Statement::new(WHAT, dialect.fresh_text_ids()).bind(count);
    let rows = transaction.query(statement).await?;
    let ids = rows.into_iter().map(|mut row| row.int());
    let mut ids = ids.collect::<Result<Vec<_>>>()?;
    if let [first] = ids[..] {
        ids = (first..first.saturating_add(count)).collect();
    }
    ids.sort_unstable();
    Ok(ids)
}

/// The statement that adds texts with their numbers.
fn inserted(dialect: &dyn Dialect, texts: &[(usize, Text, i64)]) -> Statement {
    let list = dialect.placeholders(texts.len(), 4);
    let sql = format!("INSERT INTO audit_text (id, text, caller, target) VALUES {list}");
    let texts = texts.iter();
    texts.fold(Statement::new(WHAT, sql), |statement, (_, text, id)| {
        let statement = statement.bind(*id).bind(text.text());
        statement.bind(text.caller).bind(text.target)
    })
}

/// The statement that notes the grams of texts, which it takes.
fn noted(dialect: &dyn Dialect, texts: &mut [(i64, String)]) -> Statement {
    let statement = Statement::new(WHAT, dialect.insert_grams(texts.len()));
    texts.iter_mut().fold(statement, |statement, (id, grams)| {
        statement.bind(*id).bind(std::mem::take(grams))
    })
}

/// Reads what the owners of texts are known to be called: other than resources, they come back for years.
async fn owned(
    transaction: &mut dyn Transaction,
    dialect: &dyn Dialect,
    owner: &'static str,
    texts: &[(usize, Text)],
    ids: &mut TextIds,
) -> Result<()> {
    let numbers: BTreeSet<i64> = texts
        .iter()
        .filter_map(|(_, text)| match owner {
            "caller" => text.caller,
            _ => text.target,
        })
        .collect();
    let numbers: Vec<i64> = numbers.into_iter().collect();
    for chunk in chunks(&numbers) {
        let list = dialect.placeholders(1, chunk.len());
        let sql =
            format!("SELECT text, caller, target, id FROM audit_text WHERE {owner} IN {list}");
        let select = chunk
            .iter()
            .fold(Statement::new(WHAT, sql), |statement, number| {
                statement.bind(*number)
            });
        for mut row in transaction.query(select).await? {
            let (text, id) = Text::read(&mut row)?;
            ids.insert(text, id);
        }
    }
    Ok(())
}

/// The statement that notes which records say what.
pub(super) fn sayings(dialect: &dyn Dialect, said: &[(i64, i64)]) -> Statement {
    let list = dialect.placeholders(said.len(), 2);
    let sql = format!("INSERT INTO audit_said (position, text) VALUES {list}");
    let statement = Statement::new(WHAT, sql);
    said.iter().fold(statement, |statement, (position, text)| {
        statement.bind(*position).bind(*text)
    })
}
