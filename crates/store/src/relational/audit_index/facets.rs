//! What the records of a search have in common.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use jiff::Timestamp;

use super::batch::{CLASS_MARK, decision_name};
use super::search;
use crate::audit_index::{
    AuditFacets, AuditQuery, FACET_FIELDS, FACET_RECORDS_MAX, FACET_VALUES_MAX, TIME_LINE_PARTS,
};
use crate::database::{Database, Statement};
use crate::error::Result;

/// Counts by the numbers of names; only what is shown is looked up.
pub(super) async fn facets(database: &dyn Database, query: &AuditQuery) -> Result<AuditFacets> {
    let query = AuditQuery {
        cursor: None,
        limit: 1,
        ..query.clone()
    };
    let columns: Vec<_> = FACET_FIELDS.into_iter().map(column).collect();
    let columns = format!("{}, time", columns.join(", "));
    let mut times = Vec::new();
    let mut counted: Vec<BTreeMap<i64, u64>> = vec![BTreeMap::new(); FACET_FIELDS.len()];
    let mut facets = AuditFacets::default();
    let wanted = FACET_RECORDS_MAX + 1;
    if let Some(statement) = search::newest(database, &query, &columns, wanted).await? {
        for mut row in database.query(statement).await? {
            if facets.records >= u64::from(FACET_RECORDS_MAX) {
                facets.truncated = true;
                break;
            }
            facets.records += 1;
            for counts in &mut counted {
                if let Some(id) = row.optional_int()? {
                    *counts.entry(id).or_default() += 1;
                }
            }
            times.push(row.int()?);
        }
    }
    facets.time_line = time_line(&times);
    let tops: Vec<Vec<(i64, u64)>> = counted.into_iter().map(top).collect();
    let names = names(database, &tops).await?;
    let fields = FACET_FIELDS.into_iter().zip(&tops);
    let fields = fields.map(|(field, top)| {
        let name = |id: &i64| match field {
            DECISION => decision_name(*id),
            _ => names.get(id).map(String::as_str),
        };
        let named = top
            .iter()
            .filter_map(|(id, count)| Some((name(id)?, *count)));
        if field == DATA_CLASS {
            return each_class(named);
        }
        named
            .map(|(name, count)| (name.to_owned(), count))
            .collect()
    });
    facets.fields = fields.collect();
    Ok(facets)
}

/// The field whose column holds several values as one name.
const DATA_CLASS: &str = "data_class";
/// The field whose column holds no number of a name.
const DECISION: &str = "decision";

/// Where a field is.
fn column(field: &'static str) -> &'static str {
    if field == DATA_CLASS {
        return "data_classes";
    }
    field
}

/// How many records have each class of data, by how many have which of them together.
fn each_class<'a>(together: impl Iterator<Item = (&'a str, u64)>) -> Vec<(String, u64)> {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for (name, count) in together {
        for class in name.split(CLASS_MARK).filter(|class| !class.is_empty()) {
            *counts.entry(class).or_default() += count;
        }
    }
    let mut classes: Vec<_> = counts
        .into_iter()
        .map(|(class, count)| (class.to_owned(), count))
        .collect();
    classes.sort_by_key(|(_, count)| Reverse(*count));
    classes.truncate(FACET_VALUES_MAX);
    classes
}

/// Equal parts from the oldest to the newest; times come newest first.
fn time_line(times: &[i64]) -> Vec<(Timestamp, u64)> {
    let (Some(newest), Some(oldest)) = (times.first(), times.last()) else {
        return Vec::new();
    };
    // Rounded up, so that the newest is in the last part.
    let width = (newest - oldest) / i64::from(TIME_LINE_PARTS) + 1;
    let mut parts: Vec<_> = (0..TIME_LINE_PARTS)
        .map(|part| {
            let begins = oldest + i64::from(part) * width;
            (Timestamp::from_microsecond(begins).unwrap_or_default(), 0)
        })
        .collect();
    for time in times {
        let part = usize::try_from((time - oldest) / width).unwrap_or_default();
        if let Some((_, count)) = parts.get_mut(part) {
            *count += 1;
        }
    }
    parts
}

/// The most frequent ones.
fn top(counts: BTreeMap<i64, u64>) -> Vec<(i64, u64)> {
    let mut top: Vec<_> = counts.into_iter().collect();
    top.sort_by_key(|(id, count)| (Reverse(*count), *id));
    top.truncate(FACET_VALUES_MAX);
    top
}

async fn names(database: &dyn Database, tops: &[Vec<(i64, u64)>]) -> Result<BTreeMap<i64, String>> {
    let ids: Vec<i64> = tops.iter().flatten().map(|(id, _)| *id).collect();
    let mut names = BTreeMap::new();
    if ids.is_empty() {
        return Ok(names);
    }
    let list = database.dialect().placeholders(1, ids.len());
    let sql = format!("SELECT id, term FROM audit_term WHERE id IN {list}");
    let statement = ids
        .into_iter()
        .fold(Statement::new("audit term", sql), Statement::bind);
    for mut row in database.query(statement).await? {
        names.insert(row.int()?, row.text()?);
    }
    Ok(names)
}
