//! Adding records to the index.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::RangeInclusive;

use sekimori_domain::record::{Phase, Record};

use super::super::first;
use super::texts::{Text, TextIds, Texts, insert_grams, intern as intern_texts, sayings};
use super::{
    SEQUENCE_BITS, TermIds, WHAT, bind_all, chunks, correlation_key, id_key, insert_all, position,
    read_ids, select_terms, term,
};
use crate::audit_index::IndexedRecord;
use crate::database::{Dialect, Param, Statement, Transaction};
use crate::error::Result;

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
    /// Whether the grams of new texts are noted.
    pub(super) with_grams: bool,
}

impl Append<'_> {
    /// Adds the rows that are not there yet. Returns what `known` did not have.
    pub(super) async fn run(
        &self,
        transaction: &mut dyn Transaction,
        rows: &[IndexedRecord],
    ) -> Result<Known> {
        let (dialect, known) = (self.dialect, self.known);
        let terms = intern(transaction, dialect, &known.terms, rows).await?;
        let number = |name: &str| {
            let name = term(name);
            // Every name of the rows was interned; numbers begin at one.
            let number = known.terms.get(name.as_ref());
            let number = number.or_else(|| terms.get(name.as_ref()));
            number.copied().unwrap_or_default()
        };
        let mut placed = rows
            .iter()
            .map(|row| Ok((position(number(&row.node), row.sequence)?, row)))
            .collect::<Result<Vec<Placed<'_>>>>()?;
        let there = present(transaction, &placed).await?;
        placed.retain(|(position, _)| !there.contains(position));

        let forgotten = forgotten(transaction).await?;
        let none = TextIds::new();
        let known_texts = if forgotten == known.forgotten {
            &known.texts
        } else {
            &none
        };
        let texts: Vec<Texts> = placed
            .iter()
            .map(|(_, row)| {
                let names = Names::of(&row.record);
                let (caller, target) = (names.caller.map(number), names.target.map(number));
                Texts::of(&row.record, caller, target)
            })
            .collect();
        let fresh = intern_texts(transaction, dialect, known_texts, &texts).await?;
        if self.with_grams {
            let new: Vec<_> = fresh
                .new
                .iter()
                .map(|(text, id)| (*id, text.text()))
                .collect();
            insert_grams(transaction, dialect, &new).await?;
        }
        let fresh = fresh.all();
        let id = |text: &Text| known_texts.get(text).or_else(|| fresh.get(text)).copied();
        let callers: Vec<Option<i64>> = texts
            .iter()
            .map(|texts| texts.who.as_ref().and_then(id))
            .collect();
        let mut said: Vec<(i64, i64)> = placed
            .iter()
            .zip(&texts)
            .flat_map(|((position, _), texts)| texts.said.iter().map(|text| (*position, id(text))))
            .filter_map(|(position, text)| Some((position, text?)))
            .collect();
        said.sort_unstable();
        said.dedup();

        let called: Vec<_> = placed.iter().copied().zip(callers).collect();
        let records = |chunk: &[_]| records(dialect, &number, chunk);
        insert_all(transaction, &called, records).await?;
        insert_all(transaction, &placed, |chunk| bodies(dialect, chunk)).await?;
        insert_all(transaction, &said, |chunk| sayings(dialect, chunk)).await?;
        track_intents(transaction, &placed).await?;
        Ok(Known {
            terms,
            texts: fresh,
            forgotten,
        })
    }
}

/// How often texts were forgotten.
async fn forgotten(transaction: &mut dyn Transaction) -> Result<i64> {
    let statement = Statement::new(WHAT, "SELECT times FROM audit_forgotten");
    let row = first(transaction.query(statement).await?);
    row.map_or(Ok(0), |mut row| row.int())
}

/// A row and its position.
type Placed<'a> = (i64, &'a IndexedRecord);

/// Which of these positions are there already. Of two who append for one node, the second waits for the first.
async fn present(transaction: &mut dyn Transaction, rows: &[Placed<'_>]) -> Result<HashSet<i64>> {
    let mut nodes: BTreeMap<i64, RangeInclusive<i64>> = BTreeMap::new();
    for (position, _) in rows {
        let of_node = nodes.entry(position >> SEQUENCE_BITS);
        let range = of_node.or_insert(*position..=*position);
        *range = *range.start().min(position)..=*range.end().max(position);
    }
    let mut there = HashSet::new();
    for (node, range) in nodes {
        let sql = "UPDATE audit_term SET term = term WHERE id = $1";
        let lock = Statement::new("audit term", sql).bind(node);
        transaction.execute(lock).await?;
        let sql = "SELECT position FROM audit_record WHERE position >= $1 AND position <= $2";
        let select = Statement::new(WHAT, sql)
            .bind(*range.start())
            .bind(*range.end());
        for mut row in transaction.query(select).await? {
            there.insert(row.int()?);
        }
    }
    Ok(there)
}

/// Gives every name in the rows its number. In order, so that nodes which intern the same names at the same
/// time wait for each other rather than lock each other out.
async fn intern(
    transaction: &mut dyn Transaction,
    dialect: &dyn Dialect,
    known: &TermIds,
    rows: &[IndexedRecord],
) -> Result<TermIds> {
    let missing: BTreeSet<_> = rows
        .iter()
        .flat_map(|row| Names::of(&row.record).all(&row.node))
        .map(term)
        .filter(|name| !known.contains_key(name.as_ref()))
        .collect();
    let missing: Vec<&str> = missing.iter().map(AsRef::as_ref).collect();
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

    /// All of them, and the node's.
    fn all(self, node: &'a str) -> impl Iterator<Item = &'a str> {
        let names = [
            Some(node),
            Some(self.event),
            self.caller,
            self.client,
            self.connector,
            self.target,
            self.class,
            self.status,
        ];
        names.into_iter().flatten()
    }
}

/// The statement that adds records, with the texts of what their callers were called.
fn records(
    dialect: &dyn Dialect,
    number: &impl Fn(&str) -> i64,
    rows: &[(Placed<'_>, Option<i64>)],
) -> Statement {
    let sql = format!(
        "INSERT INTO audit_record
             (position, id, time, event, caller, who, client, connector, target, class, status,
              correlation, call)
         VALUES {}",
        dialect.placeholders(rows.len(), 13)
    );
    let mut statement = Statement::new(WHAT, sql);
    statement.params.reserve(rows.len() * 13);
    for ((position, row), who) in rows {
        let record = &row.record;
        let names = Names::of(record);
        let id = |name: Option<&str>| -> Param { name.map(number).into() };
        let call = record.call.map(|call| call.0.as_bytes().to_vec());
        statement = statement
            .bind(*position)
            .bind(id_key(record.id))
            .bind(record.time.as_microsecond())
            .bind(number(names.event))
            .bind(id(names.caller))
            .bind(*who)
            .bind(id(names.client))
            .bind(id(names.connector))
            .bind(id(names.target))
            .bind(id(names.class))
            .bind(id(names.status))
            .bind(correlation_key(record.correlation.as_str()))
            .bind(call);
    }
    statement
}

/// The statement that adds their bodies.
fn bodies(dialect: &dyn Dialect, rows: &[Placed<'_>]) -> Statement {
    let list = dialect.placeholders(rows.len(), 2);
    let sql = format!("INSERT INTO audit_body (position, body) VALUES {list}");
    let statement = Statement::new(WHAT, sql);
    rows.iter().fold(statement, |statement, (position, row)| {
        statement.bind(*position).bind(row.text.as_str())
    })
}

/// Notes intents and strikes them out when their outcome comes. Rows come in journal order, so that within
/// one batch most cancel out and never reach the table.
async fn track_intents(transaction: &mut dyn Transaction, rows: &[Placed<'_>]) -> Result<()> {
    let mut opened: BTreeMap<(&str, &[u8]), Vec<i64>> = BTreeMap::new();
    let mut closed = Vec::new();
    for (position, row) in rows {
        let Some(call) = &row.record.call else {
            continue;
        };
        let call = (row.node.as_str(), call.0.as_bytes().as_slice());
        match row.record.phase {
            Phase::Intent => opened.entry(call).or_default().push(*position),
            Phase::Outcome if opened.remove(&call).is_none() => closed.push((*position, call.1)),
            Phase::Outcome | Phase::Single => {}
        }
    }
    for (position, call) in closed {
        // Of the same node: whose positions begin with the same number.
        let sql = "DELETE FROM audit_open_intent WHERE call = $1 AND position >> 40 = $2";
        let statement = Statement::new("open intent", sql)
            .bind(call)
            .bind(position >> SEQUENCE_BITS);
        transaction.execute(statement).await?;
    }
    for ((_, call), positions) in opened {
        for position in positions {
            let sql = "INSERT INTO audit_open_intent (position, call) VALUES ($1, $2)";
            let statement = Statement::new("open intent", sql).bind(position).bind(call);
            transaction.execute(statement).await?;
        }
    }
    Ok(())
}
