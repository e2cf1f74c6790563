//! Adding records to the index.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use sekimori_domain::record::Phase;

use super::super::first;
use super::batch::{AuditBatch, BatchRow, Owner};
use super::texts::{Text, TextIds, intern as intern_texts, sayings};
use super::{
    ROWS_PER_STATEMENT, TermIds, WHAT, bind_all, chunks, insert_all, position, read_ids,
    select_terms,
};
use crate::database::{Dialect, Param, Statement, Transaction};
use crate::error::{Result, StoreError};

/// What is remembered of an index, so that it need not be asked again.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Numbers of names as they were committed: a name keeps its number for ever.
    terms: TermIds,
    /// Numbers of texts as they were committed.
    texts: TextIds,
    /// How often something was forgotten when the texts were read: they may be gone since.
    forgotten: i64,
}

impl Known {
    /// Most names and texts that are remembered.
    const MAX: usize = 200_000;

    /// Remembers what became known with a transaction, once that is committed.
    pub(super) fn learn(&mut self, fresh: Self) {
        if self.terms.len() + fresh.terms.len() > Self::MAX {
            self.terms.clear();
        }
        self.terms.extend(fresh.terms);
        if self.texts.len() + fresh.texts.len() > Self::MAX {
            // Names come again, most resources don't.
            self.texts.retain(|text, _| text.is_owned());
        }
        if self.forgotten != fresh.forgotten || self.texts.len() + fresh.texts.len() > Self::MAX {
            self.texts.clear();
        }
        self.texts.extend(fresh.texts);
        self.forgotten = fresh.forgotten;
    }
}

/// How records are added.
pub(super) struct Append<'a> {
    pub(super) dialect: &'a dyn Dialect,
    pub(super) known: &'a Known,
}

impl Append<'_> {
    /// Adds the records that are not there yet. Returns what `known` did not have.
    pub(super) async fn run(
        &self,
        transaction: &mut dyn Transaction,
        mut batch: AuditBatch,
    ) -> Result<Known> {
        let dialect = self.dialect;
        let (mut names, mut terms) = self.names(transaction, &batch).await?;
        let node = names.of(batch.node);
        let there = present(transaction, node, &batch.rows).await?;
        if !there.is_empty() {
            // Without their texts, which nobody would forget with them.
            let rest = batch.without(&there);
            batch = rest.map_err(|error| StoreError::corrupt(WHAT, error))?;
            (names, terms) = self.names(transaction, &batch).await?;
        }
        let (texts, fresh) = self.texts(transaction, &mut batch, &names).await?;

        let rows = batch.rows.into_iter();
        let mut placed = rows
            .map(|row| Ok((position(node, row.sequence)?, row)))
            .collect::<Result<Vec<Placed>>>()?;
        placed.sort_by_key(|(position, _)| *position);
        let mut said: Vec<(i64, i64)> = placed
            .iter()
            .flat_map(|(position, row)| {
                let said = batch.said.get(row.said.clone());
                let said = said.into_iter().flatten();
                said.map(|text| (*position, texts.of(*text)))
            })
            .collect();
        let most = ROWS_PER_STATEMENT;
        let records = |rows: &mut [_]| records(dialect, &names, &texts, rows);
        insert_all(transaction, &mut placed, most, records).await?;
        insert_all(transaction, &mut placed, most, |rows| bodies(dialect, rows)).await?;
        insert_all(transaction, &mut said, most, |said| sayings(dialect, said)).await?;
        track_intents(transaction, node, &placed).await?;
        Ok(Known { terms, ..fresh })
    }

    /// The numbers of a batch's names, and those that were not known.
    async fn names(
        &self,
        transaction: &mut dyn Transaction,
        batch: &AuditBatch,
    ) -> Result<(Numbers, TermIds)> {
        let names = batch.terms.in_order();
        let names: Vec<&str> = names.into_iter().map(AsRef::as_ref).collect();
        let fresh = intern(transaction, self.dialect, &self.known.terms, &names).await?;
        let number = |name: &&str| {
            let known = self.known.terms.get(*name);
            // Every name was interned; numbers begin at one.
            let number = known.or_else(|| fresh.get(*name));
            number.copied().unwrap_or_default()
        };
        let numbers = names.iter().map(number).collect();
        Ok((Numbers(numbers), fresh))
    }

    /// The numbers of a batch's texts, and those that were not known.
    async fn texts(
        &self,
        transaction: &mut dyn Transaction,
        batch: &mut AuditBatch,
        names: &Numbers,
    ) -> Result<(Numbers, Known)> {
        let forgotten = forgotten(transaction).await?;
        let none = TextIds::new();
        let known = if forgotten == self.known.forgotten {
            &self.known.texts
        } else {
            &none
        };
        let texts = batch.take_texts().into_iter().map(|text| {
            let (caller, target) = match text.owner {
                Owner::Nobody => (None, None),
                Owner::Caller(name) => (Some(names.of(name)), None),
                Owner::Target(name) => (None, Some(names.of(name))),
            };
            Text::new(text.text, caller, target)
        });
        let mut numbers = Vec::with_capacity(texts.len());
        let mut unknown = Vec::new();
        for (number, text) in texts.enumerate() {
            let id = known.get(&text).copied();
            if id.is_none() {
                unknown.push((number, text));
            }
            numbers.push(id.unwrap_or_default());
        }
        let grams = |number, text: &Text| batch.grams(number, text.text());
        let fresh = intern_texts(transaction, self.dialect, unknown, grams).await?;
        let mut learnt = TextIds::with_capacity(fresh.len());
        for (number, text, id) in fresh {
            if let Some(place) = numbers.get_mut(number) {
                *place = id;
            }
            learnt.insert(text, id);
        }
        let learnt = Known {
            texts: learnt,
            forgotten,
            ..Known::default()
        };
        Ok((Numbers(numbers), learnt))
    }
}

/// For each number of a batch, the number in the index.
struct Numbers(Vec<i64>);

impl Numbers {
    fn of(&self, number: usize) -> i64 {
        self.0.get(number).copied().unwrap_or_default()
    }

    fn param(&self, number: Option<usize>) -> Param {
        number.map(|number| self.of(number)).into()
    }
}

/// How often texts were forgotten.
async fn forgotten(transaction: &mut dyn Transaction) -> Result<i64> {
    let statement = Statement::new(WHAT, "SELECT times FROM audit_forgotten");
    let row = first(transaction.query(statement).await?);
    row.map_or(Ok(0), |mut row| row.int())
}

/// A record and its position.
type Placed = (i64, BatchRow);

/// Which of these records the index has. Of two who append for one node, the second waits for the first.
async fn present(
    transaction: &mut dyn Transaction,
    node: i64,
    rows: &[BatchRow],
) -> Result<HashSet<u64>> {
    let mut there = HashSet::new();
    let sequences = rows.iter().map(|row| row.sequence);
    let (Some(least), Some(most)) = (sequences.clone().min(), sequences.max()) else {
        return Ok(there);
    };
    let sql = "UPDATE audit_term SET term = term WHERE id = $1";
    let lock = Statement::new("audit term", sql).bind(node);
    transaction.execute(lock).await?;
    let sql = "SELECT position FROM audit_record WHERE position >= $1 AND position <= $2";
    let select = Statement::new(WHAT, sql)
        .bind(position(node, least)?)
        .bind(position(node, most)?);
    for mut row in transaction.query(select).await? {
        there.insert(super::sequence(row.unsigned()?));
    }
    Ok(there)
}

/// Gives every name its number. In order, so that nodes which intern the same names at the same time wait for each
/// other rather than lock each other out.
async fn intern(
    transaction: &mut dyn Transaction,
    dialect: &dyn Dialect,
    known: &TermIds,
    names: &[&str],
) -> Result<TermIds> {
    let missing: BTreeSet<&str> = names
        .iter()
        .copied()
        .filter(|name| !known.contains_key(*name))
        .collect();
    let missing: Vec<&str> = missing.into_iter().collect();
    let mut fresh = TermIds::new();
    for chunk in chunks(&missing) {
        let select = select_terms(dialect, chunk);
        read_ids(transaction.query(select).await?, &mut fresh)?;
        let list = dialect.placeholders(chunk.len(), 1);
        let sql =
            format!("INSERT INTO audit_term (term) VALUES {list} ON CONFLICT (term) DO NOTHING");
        if chunk.iter().all(|name| fresh.contains_key(*name)) {
            continue;
        }
        let insert = bind_all(Statement::new("audit term", sql), chunk);
        transaction.execute(insert).await?;
        let select = select_terms(dialect, chunk);
        read_ids(transaction.query(select).await?, &mut fresh)?;
    }
    Ok(fresh)
}

/// The columns of a record, in the order in which they are bound.
const COLUMNS: [&str; 16] = [
    "position",
    "id",
    "time",
    "event",
    "caller",
    "who",
    "client",
    "connector",
    "target",
    "class",
    "data_classes",
    "status",
    "decision",
    "approval",
    "correlation",
    "call",
];

/// The statement that adds records.
fn records(dialect: &dyn Dialect, names: &Numbers, texts: &Numbers, rows: &[Placed]) -> Statement {
    let sql = format!(
        "INSERT INTO audit_record ({}) VALUES {}",
        COLUMNS.join(", "),
        dialect.placeholders(rows.len(), COLUMNS.len())
    );
    let mut statement = Statement::new(WHAT, sql);
    statement.params.reserve(rows.len() * COLUMNS.len());
    for (position, row) in rows {
        let call = row.call.map(|call| call.0.as_bytes().to_vec());
        statement = statement
            .bind(*position)
            .bind(row.id)
            .bind(row.time)
            .bind(names.of(row.event))
            .bind(names.param(row.caller))
            .bind(texts.param(row.who))
            .bind(names.param(row.client))
            .bind(names.param(row.connector))
            .bind(names.param(row.target))
            .bind(names.param(row.class))
            .bind(names.param(row.data_classes))
            .bind(names.param(row.status))
            .bind(row.decision)
            .bind(row.approval)
            .bind(row.correlation)
            .bind(call);
    }
    statement
}

/// The statement that adds their bodies, which it takes.
fn bodies(dialect: &dyn Dialect, rows: &mut [Placed]) -> Statement {
    let list = dialect.placeholders(rows.len(), 2);
    let sql = format!("INSERT INTO audit_body (position, body) VALUES {list}");
    let statement = Statement::new(WHAT, sql);
    rows.iter_mut()
        .fold(statement, |statement, (position, row)| {
            let body = std::mem::take(&mut row.body);
            statement.bind(*position).bind(body)
        })
}

/// Notes intents and strikes them out when their outcome comes. Rows come in journal order, so that within
/// one batch most cancel out and never reach the table.
async fn track_intents(
    transaction: &mut dyn Transaction,
    node: i64,
    rows: &[Placed],
) -> Result<()> {
    let mut opened: BTreeMap<&[u8], Vec<i64>> = BTreeMap::new();
    let mut closed = Vec::new();
    for (position, row) in rows {
        let Some(call) = &row.call else {
            continue;
        };
        let call = call.0.as_bytes().as_slice();
        match row.phase {
            Phase::Intent => opened.entry(call).or_default().push(*position),
            Phase::Outcome if opened.remove(&call).is_none() => closed.push(call),
            Phase::Outcome | Phase::Single => {}
        }
    }
    for call in closed {
        // Of the same node: whose positions begin with the same number.
        let sql = "DELETE FROM audit_open_intent WHERE call = $1 AND position >> 40 = $2";
        let statement = Statement::new("open intent", sql).bind(call).bind(node);
        transaction.execute(statement).await?;
    }
    for (call, positions) in opened {
        for position in positions {
            let sql = "INSERT INTO audit_open_intent (position, call) VALUES ($1, $2)";
            let statement = Statement::new("open intent", sql).bind(position).bind(call);
            transaction.execute(statement).await?;
        }
    }
    Ok(())
}
