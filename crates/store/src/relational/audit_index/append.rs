//! Adding records to the index.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::RangeInclusive;

use sekimori_domain::record::{Phase, Record};

use super::{
    SEQUENCE_BITS, TermIds, WHAT, bind_all, chunks, fold, grams, position, read_ids, select_terms,
    term,
};
use crate::audit_index::IndexedRecord;
use crate::database::{Dialect, Param, Statement, Transaction};
use crate::error::Result;

/// Most texts of one record that it is found by.
const TEXTS_PER_RECORD_MAX: usize = 64;

/// Adds the rows that are not there yet. Returns the numbers of names that `known` did not have.
pub(super) async fn append(
    transaction: &mut dyn Transaction,
    dialect: &dyn Dialect,
    known: &TermIds,
    rows: &[IndexedRecord],
) -> Result<TermIds> {
    let fresh = intern(transaction, dialect, known, rows).await?;
    let number = |name: &str| {
        let name = term(name);
        // Every name of the rows was interned; numbers begin at one.
        let number = known
            .get(name.as_ref())
            .or_else(|| fresh.get(name.as_ref()));
        number.copied().unwrap_or_default()
    };
    let mut placed = rows
        .iter()
        .map(|row| Ok((position(number(&row.node), row.sequence)?, row)))
        .collect::<Result<Vec<Placed<'_>>>>()?;
    let there = present(transaction, &placed).await?;
    placed.retain(|(position, _)| !there.contains(position));
    for chunk in chunks(&placed) {
        insert_records(transaction, dialect, &number, chunk).await?;
        insert_bodies(transaction, dialect, chunk).await?;
    }
    insert_texts(transaction, dialect, &placed).await?;
    track_intents(transaction, &placed).await?;
    Ok(fresh)
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

async fn insert_records(
    transaction: &mut dyn Transaction,
    dialect: &dyn Dialect,
    number: &(impl Fn(&str) -> i64 + Sync),
    rows: &[Placed<'_>],
) -> Result<()> {
    let sql = format!(
        "INSERT INTO audit_record
             (position, id, time, event, caller, client, connector, target, class, status,
              correlation, call)
         VALUES {}",
        dialect.placeholders(rows.len(), 12)
    );
    let mut statement = Statement::new(WHAT, sql);
    for (position, row) in rows {
        let record = &row.record;
        let names = Names::of(record);
        let id = |name: Option<&str>| -> Param { name.map(number).into() };
        let call = record.call.map(|call| call.0.as_bytes().to_vec());
        statement = statement
            .bind(*position)
            .bind(record.id.as_bytes().as_slice())
            .bind(record.time.as_microsecond())
            .bind(number(names.event))
            .bind(id(names.caller))
            .bind(id(names.client))
            .bind(id(names.connector))
            .bind(id(names.target))
            .bind(id(names.class))
            .bind(id(names.status))
            .bind(record.correlation.as_str())
            .bind(call);
    }
    transaction.execute(statement).await?;
    Ok(())
}

async fn insert_bodies(
    transaction: &mut dyn Transaction,
    dialect: &dyn Dialect,
    rows: &[Placed<'_>],
) -> Result<()> {
    let list = dialect.placeholders(rows.len(), 2);
    let sql = format!("INSERT INTO audit_body (position, body) VALUES {list}");
    let mut statement = Statement::new(WHAT, sql);
    for (position, row) in rows {
        statement = statement.bind(*position).bind(row.text.as_str());
    }
    transaction.execute(statement).await?;
    Ok(())
}

/// Notes which records hold which texts.
async fn insert_texts(
    transaction: &mut dyn Transaction,
    dialect: &dyn Dialect,
    rows: &[Placed<'_>],
) -> Result<()> {
    let said: BTreeSet<(i64, String)> = rows
        .iter()
        .flat_map(|(position, row)| texts(&row.record).map(|text| (*position, text)))
        .collect();
    let texts: BTreeSet<&str> = said.iter().map(|(_, text)| text.as_str()).collect();
    let texts: Vec<&str> = texts.into_iter().collect();
    let mut ids = TermIds::new();
    for chunk in chunks(&texts) {
        intern_texts(transaction, dialect, chunk, &mut ids).await?;
    }
    let said: Vec<_> = said
        .iter()
        .filter_map(|(position, text)| Some((*position, *ids.get(text)?)))
        .collect();
    for chunk in chunks(&said) {
        let list = dialect.placeholders(chunk.len(), 2);
        let sql = format!("INSERT INTO audit_said (position, text) VALUES {list}");
        let mut statement = Statement::new(WHAT, sql);
        for (position, text) in chunk {
            statement = statement.bind(*position).bind(*text);
        }
        transaction.execute(statement).await?;
    }
    Ok(())
}

/// Gives texts their numbers, and notes the grams of those that are new.
async fn intern_texts(
    transaction: &mut dyn Transaction,
    dialect: &dyn Dialect,
    texts: &[&str],
    ids: &mut TermIds,
) -> Result<()> {
    let select = |texts: &[&str]| {
        let list = dialect.placeholders(1, texts.len());
        let sql = format!("SELECT text, id FROM audit_text WHERE text IN {list}");
        bind_all(Statement::new(WHAT, sql), texts)
    };
    read_ids(transaction.query(select(texts)).await?, ids)?;
    let missing = |ids: &TermIds| -> Vec<&str> {
        let missing = texts.iter().filter(|text| !ids.contains_key(**text));
        missing.copied().collect()
    };
    let absent = missing(ids);
    let mut new = TermIds::new();
    for chunk in chunks(&absent) {
        let list = dialect.placeholders(chunk.len(), 1);
        let sql = format!(
            "INSERT INTO audit_text (text) VALUES {list} ON CONFLICT (text) DO NOTHING
             RETURNING text, id"
        );
        let insert = bind_all(Statement::new(WHAT, sql), chunk);
        read_ids(transaction.query(insert).await?, &mut new)?;
    }
    let mut grams: Vec<_> = new
        .iter()
        .map(|(text, id)| (*id, grams::of(text)))
        .collect();
    // FTS5 gathers rows in memory as long as their numbers rise: each that doesn't costs a write of all.
    grams.sort_unstable_by_key(|(id, _)| *id);
    for chunk in chunks(&grams) {
        let mut statement = Statement::new(WHAT, dialect.insert_grams(chunk.len()));
        for (id, grams) in chunk {
            statement = statement.bind(*id).bind(grams.as_str());
        }
        transaction.execute(statement).await?;
    }
    ids.extend(new);
    // What another node added meanwhile.
    let late = missing(ids);
    for chunk in chunks(&late) {
        read_ids(transaction.query(select(chunk)).await?, ids)?;
    }
    Ok(())
}

/// What free text finds a record by.
fn texts(record: &Record) -> impl Iterator<Item = String> {
    let target = record.target.as_ref();
    let caller = record.caller.as_ref();
    let message = record
        .outcome
        .as_ref()
        .and_then(|outcome| outcome.message.as_deref());
    let who = caller.map(|caller| fold(&[caller.name.as_str(), &caller.id].join("\n")));
    let names = target.map(|target| target.name.as_str()).into_iter();
    let resources = target.map_or(&[][..], |target| &target.resources);
    let others = names
        .chain(message)
        .chain(resources.iter().map(String::as_str));
    who.into_iter()
        .chain(others.map(fold))
        .filter(|text| !text.is_empty())
        .map(|text| term(&text).into_owned())
        .take(TEXTS_PER_RECORD_MAX)
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
