//! Adding records to the index.

use std::collections::{BTreeMap, BTreeSet};

use sekimori_domain::record::{Phase, Record};

use super::{TermIds, WHAT, bind_all, fold, grams, read_terms, select_terms, term};
use crate::audit_index::IndexedRecord;
use crate::database::{Dialect, Param, Statement, Transaction, signed};
use crate::error::Result;

/// Most rows of one statement: their parameters stay far below the limits of both databases.
const ROWS_PER_STATEMENT: usize = 128;
/// Longest text that can be searched in, in characters.
const HAYSTACK_CHARS_MAX: usize = 4_096;

/// Adds the rows that are not there yet.
pub(super) async fn append(
    transaction: &mut dyn Transaction,
    dialect: &dyn Dialect,
    rows: &[IndexedRecord],
) -> Result<()> {
    let ids = intern(transaction, dialect, rows).await?;
    for chunk in chunks(rows) {
        let chunk: Vec<_> = chunk
            .iter()
            .map(|row| {
                Ok((
                    number(&ids, &row.node),
                    signed("sequence", row.sequence)?,
                    row,
                ))
            })
            .collect::<Result<_>>()?;
        let positions = insert_records(transaction, dialect, &ids, &chunk).await?;
        let added: Vec<_> = chunk
            .iter()
            .filter_map(|(node, sequence, row)| {
                let position = positions.get(&(*node, *sequence))?;
                Some((*position, row.text.as_str(), haystack(&row.record)))
            })
            .collect();
        insert_bodies(transaction, dialect, &added).await?;
        track_intents(transaction, &chunk, &positions).await?;
    }
    Ok(())
}

/// Chunks of a power of two rows each: few different statements, which both databases keep prepared.
fn chunks<T>(rows: &[T]) -> impl Iterator<Item = &[T]> {
    let mut rest = rows;
    std::iter::from_fn(move || {
        let rows = rest.len().min(ROWS_PER_STATEMENT);
        let (chunk, left) = rest.split_at_checked(1 << rows.checked_ilog2()?)?;
        rest = left;
        Some(chunk)
    })
}

/// A row with the number of its node and its sequence as the database holds them.
type Numbered<'a> = (i64, i64, &'a IndexedRecord);
/// Positions by node and sequence.
type Positions = BTreeMap<(i64, i64), i64>;

/// Gives every name in the rows its number. In order, so that nodes which intern the same names at the same
/// time wait for each other rather than lock each other out.
async fn intern(
    transaction: &mut dyn Transaction,
    dialect: &dyn Dialect,
    rows: &[IndexedRecord],
) -> Result<TermIds> {
    let terms: BTreeSet<_> = rows.iter().flat_map(terms).collect();
    let terms: Vec<_> = terms.into_iter().collect();
    let mut ids = TermIds::new();
    for chunk in chunks(&terms) {
        read_terms(
            transaction.query(select_terms(dialect, chunk)).await?,
            &mut ids,
        )?;
        let missing: Vec<_> = chunk
            .iter()
            .filter(|term| !ids.contains_key(*term))
            .cloned()
            .collect();
        if missing.is_empty() {
            continue;
        }
        let list = dialect.placeholders(missing.len(), 1);
        let sql =
            format!("INSERT INTO audit_term (term) VALUES {list} ON CONFLICT (term) DO NOTHING");
        let insert = bind_all(Statement::new("audit term", sql), &missing);
        transaction.execute(insert).await?;
        read_terms(
            transaction.query(select_terms(dialect, &missing)).await?,
            &mut ids,
        )?;
    }
    Ok(ids)
}

fn terms(row: &IndexedRecord) -> Vec<String> {
    let names = Names::of(&row.record);
    [
        Some(row.node.as_str()),
        Some(names.event),
        names.caller,
        names.client,
        names.connector,
        names.target,
        names.class,
        names.status,
    ]
    .into_iter()
    .flatten()
    .map(term)
    .collect()
}

/// The names in a record by which it can be found.
struct Names<'a> {
    event: &'static str,
    caller: Option<&'a str>,
    client: Option<&'a str>,
    connector: Option<&'a str>,
    target: Option<&'a str>,
    class: Option<&'static str>,
    status: Option<&'static str>,
}

impl<'a> Names<'a> {
    fn of(record: &'a Record) -> Self {
        let caller = record.caller.as_ref();
        let target = record.target.as_ref();
        Self {
            event: record.event.as_str(),
            caller: caller.map(|caller| caller.id.as_str()),
            client: caller.map(|caller| caller.client.as_str()),
            connector: target.map(|target| target.connector.as_str()),
            target: target.map(|target| target.name.as_str()),
            class: target.map(|target| target.class.as_str()),
            status: record
                .outcome
                .as_ref()
                .map(|outcome| outcome.status.as_str()),
        }
    }
}

fn number(ids: &TermIds, name: &str) -> i64 {
    // Every name of the rows was interned; numbers begin at one.
    ids.get(&term(name)).copied().unwrap_or_default()
}

async fn insert_records(
    transaction: &mut dyn Transaction,
    dialect: &dyn Dialect,
    ids: &TermIds,
    rows: &[Numbered<'_>],
) -> Result<Positions> {
    let sql = format!(
        "INSERT INTO audit_record
             (node, sequence, id, time, event, caller, client, connector, target, class, status,
              correlation, call)
         VALUES {} ON CONFLICT (node, sequence) DO NOTHING RETURNING node, sequence, position",
        dialect.placeholders(rows.len(), 13)
    );
    let mut statement = Statement::new(WHAT, sql);
    for (node, sequence, row) in rows {
        let record = &row.record;
        let names = Names::of(record);
        let id = |name: Option<&str>| -> Param { name.map(|name| number(ids, name)).into() };
        let call = record.call.map(|call| call.0.as_bytes().to_vec());
        statement = statement
            .bind(*node)
            .bind(*sequence)
            .bind(record.id.as_bytes().as_slice())
            .bind(record.time.as_microsecond())
            .bind(number(ids, names.event))
            .bind(id(names.caller))
            .bind(id(names.client))
            .bind(id(names.connector))
            .bind(id(names.target))
            .bind(id(names.class))
            .bind(id(names.status))
            .bind(record.correlation.as_str())
            .bind(call);
    }
    let mut positions = Positions::new();
    for mut row in transaction.query(statement).await? {
        positions.insert((row.int()?, row.int()?), row.int()?);
    }
    Ok(positions)
}

async fn insert_bodies(
    transaction: &mut dyn Transaction,
    dialect: &dyn Dialect,
    added: &[(i64, &str, String)],
) -> Result<()> {
    if added.is_empty() {
        return Ok(());
    }
    let list = dialect.placeholders(added.len(), 3);
    let sql = format!("INSERT INTO audit_body (position, body, haystack) VALUES {list}");
    let mut statement = Statement::new(WHAT, sql);
    for (position, body, haystack) in added {
        statement = statement
            .bind(*position)
            .bind(*body)
            .bind(haystack.as_str());
    }
    transaction.execute(statement).await?;
    let mut statement = Statement::new(WHAT, dialect.insert_grams(added.len()));
    for (position, _, haystack) in added {
        statement = statement.bind(*position).bind(grams::of(haystack));
    }
    transaction.execute(statement).await?;
    Ok(())
}

/// What free text is searched in.
fn haystack(record: &Record) -> String {
    let target = record.target.as_ref();
    let caller = record.caller.as_ref();
    let message = record
        .outcome
        .as_ref()
        .and_then(|outcome| outcome.message.as_deref());
    let parts: Vec<&str> = target
        .map(|target| target.name.as_str())
        .into_iter()
        .chain(
            target
                .iter()
                .flat_map(|target| target.resources.iter().map(String::as_str)),
        )
        .chain(
            caller
                .iter()
                .flat_map(|caller| [caller.name.as_str(), caller.id.as_str()]),
        )
        .chain(message)
        .collect();
    let text: String = parts.join("\n").chars().take(HAYSTACK_CHARS_MAX).collect();
    fold(&text)
}

/// Notes intents and strikes them out when their outcome comes. Rows come in journal order, so that within
/// one batch most cancel out and never reach the table.
async fn track_intents(
    transaction: &mut dyn Transaction,
    rows: &[Numbered<'_>],
    positions: &Positions,
) -> Result<()> {
    let mut opened: BTreeMap<(i64, &[u8]), Vec<i64>> = BTreeMap::new();
    let mut closed = Vec::new();
    for (node, sequence, row) in rows {
        let (Some(call), true) = (
            &row.record.call,
            positions.contains_key(&(*node, *sequence)),
        ) else {
            continue;
        };
        let call = (*node, call.0.as_bytes().as_slice());
        match row.record.phase {
            Phase::Intent => opened.entry(call).or_default().push(*sequence),
            Phase::Outcome if opened.remove(&call).is_none() => closed.push(call),
            Phase::Outcome | Phase::Single => {}
        }
    }
    for (node, call) in closed {
        let sql = "DELETE FROM audit_open_intent WHERE node = $1 AND call = $2";
        let statement = Statement::new("open intent", sql).bind(node).bind(call);
        transaction.execute(statement).await?;
    }
    for ((node, call), sequences) in opened {
        for sequence in sequences {
            let sql = "INSERT INTO audit_open_intent (node, sequence, call) VALUES ($1, $2, $3)";
            let statement = Statement::new("open intent", sql)
                .bind(node)
                .bind(sequence)
                .bind(call);
            transaction.execute(statement).await?;
        }
    }
    Ok(())
}
