//! Searching the index.

use std::collections::BTreeSet;

use sekimori_domain::catalog::OperationClass;
use sekimori_domain::digest::Digest;
use sekimori_domain::record::{EventKind, OutcomeStatus};

use super::{TermIds, WHAT, fold, indexed, read_terms, select_terms, term};
use crate::audit_index::{AuditPage, AuditQuery, Order, PAGE_MAX, TEXT_CHARS_MAX};
use crate::database::{Database, Dialect, Param, Statement};
use crate::error::{Result, StoreError};

/// Finds one page.
pub(super) async fn search(database: &dyn Database, query: &AuditQuery) -> Result<AuditPage> {
    check(query)?;
    let cursor = query
        .cursor
        .as_deref()
        .map(|text| Cursor::read(text, query))
        .transpose()?;
    let Some(terms) = Terms::resolve(database, query).await? else {
        return Ok(AuditPage {
            records: Vec::new(),
            next: None,
        });
    };
    let rows = database
        .query(statement(database.dialect(), query, &terms, cursor))
        .await?;
    let more = rows.len() > query.limit as usize;
    let mut records = Vec::new();
    let mut last = None;
    for mut row in rows.into_iter().take(query.limit as usize) {
        records.push(indexed(&mut row)?);
        last = Some(Cursor {
            time: row.int()?,
            position: row.int()?,
        });
    }
    let next = last.filter(|_| more).map(|cursor| cursor.write(query));
    Ok(AuditPage { records, next })
}

fn check(query: &AuditQuery) -> Result<()> {
    if !(1..=PAGE_MAX).contains(&query.limit) {
        return Err(StoreError::Invalid {
            what: "limit",
            rule: "use 1 to 1000",
        });
    }
    let text = query.text.as_deref().unwrap_or_default();
    if text.chars().nth(TEXT_CHARS_MAX).is_some() {
        return Err(StoreError::Invalid {
            what: "search text",
            rule: "use at most 256 characters",
        });
    }
    Ok(())
}

/// Where a page ended. Bound to its query, so that it can't be taken to another.
#[derive(Debug, Clone, Copy)]
struct Cursor {
    time: i64,
    position: i64,
}

impl Cursor {
    fn write(self, query: &AuditQuery) -> String {
        format!("{}.{}.{}", self.time, self.position, fingerprint(query))
    }

    fn read(text: &str, query: &AuditQuery) -> Result<Self> {
        let read = || {
            let mut parts = text.splitn(3, '.');
            let time = parts.next()?.parse().ok()?;
            let position = parts.next()?.parse().ok()?;
            (parts.next()? == fingerprint(query)).then_some(Self { time, position })
        };
        read().ok_or(StoreError::Invalid {
            what: "cursor",
            rule: "use the one that came with the page before, and the same query",
        })
    }
}

fn fingerprint(query: &AuditQuery) -> String {
    let query = AuditQuery {
        cursor: None,
        limit: 0,
        ..query.clone()
    };
    let digest = Digest::of(format!("{query:?}").as_bytes()).hex();
    digest.chars().take(16).collect()
}

/// The columns that hold numbers of names, and what is asked of each.
struct Terms(Vec<(&'static str, i64)>);

impl Terms {
    /// Looks the names up. `None` if one of them was never recorded: then nothing can match.
    async fn resolve(database: &dyn Database, query: &AuditQuery) -> Result<Option<Self>> {
        let wanted: Vec<(&'static str, String)> = [
            ("caller", query.caller.as_deref()),
            ("client", query.client.as_deref()),
            ("connector", query.connector.as_deref()),
            ("target", query.target.as_deref()),
            ("event", query.event.map(EventKind::as_str)),
            ("status", query.status.map(OutcomeStatus::as_str)),
            ("class", query.class.map(OperationClass::as_str)),
        ]
        .into_iter()
        .filter_map(|(column, name)| Some((column, term(name?))))
        .collect();
        if wanted.is_empty() {
            return Ok(Some(Self(Vec::new())));
        }
        let names: BTreeSet<_> = wanted.iter().map(|(_, name)| name.clone()).collect();
        let names: Vec<_> = names.into_iter().collect();
        let mut ids = TermIds::new();
        read_terms(database.query(select_terms(&names)).await?, &mut ids)?;
        Ok(wanted
            .into_iter()
            .map(|(column, name)| Some((column, *ids.get(&name)?)))
            .collect::<Option<_>>()
            .map(Self))
    }
}

/// The index along which a search runs: the one that leaves least to filter, going by what its columns
/// usually hold.
fn index(query: &AuditQuery) -> &'static str {
    match query {
        AuditQuery { call: Some(_), .. } => "audit_record_call",
        AuditQuery {
            correlation: Some(_),
            ..
        } => "audit_record_correlation",
        AuditQuery {
            caller: Some(_),
            target: Some(_),
            ..
        } => "audit_record_caller_target",
        AuditQuery {
            target: Some(_), ..
        } => "audit_record_target",
        AuditQuery {
            caller: Some(_), ..
        } => "audit_record_caller",
        AuditQuery {
            target_prefix: Some(_),
            ..
        } => "audit_record_target",
        AuditQuery {
            client: Some(_), ..
        } => "audit_record_client",
        AuditQuery {
            status: Some(_), ..
        } => "audit_record_status",
        AuditQuery {
            connector: Some(_), ..
        } => "audit_record_connector",
        AuditQuery { event: Some(_), .. } => "audit_record_event",
        _ => "audit_record_time",
    }
}

/// Conditions and what is bound to them.
#[derive(Default)]
struct Conditions {
    sql: Vec<String>,
    params: Vec<Param>,
}

impl Conditions {
    /// Binds a value; returns its placeholder.
    fn bind(&mut self, value: impl Into<Param>) -> String {
        self.params.push(value.into());
        format!("${}", self.params.len())
    }

    fn compare(&mut self, column: &str, operator: &str, value: impl Into<Param>) {
        let placeholder = self.bind(value);
        self.sql.push(format!("{column} {operator} {placeholder}"));
    }
}

/// The statement of one page; one row more than the page tells whether there is another.
fn statement(
    dialect: &dyn Dialect,
    query: &AuditQuery,
    terms: &Terms,
    cursor: Option<Cursor>,
) -> Statement {
    let mut conditions = Conditions::default();
    for (column, id) in &terms.0 {
        conditions.compare(column, "=", *id);
    }
    if let Some(call) = query.call {
        conditions.compare("call", "=", call.0.as_bytes().as_slice());
    }
    if let Some(correlation) = &query.correlation {
        conditions.compare("correlation", "=", correlation.replace('\0', "\u{fffd}"));
    }
    if let Some(prefix) = &query.target_prefix {
        // Every text that begins with the prefix sorts before the prefix and the last character there is.
        let from = conditions.bind(term(prefix));
        let until = conditions.bind(format!("{}\u{10ffff}", term(prefix)));
        conditions.sql.push(format!(
            "target IN (SELECT id FROM audit_term WHERE term >= {from} AND term < {until})"
        ));
    }
    if let Some(from) = query.from {
        conditions.compare("time", ">=", from.as_microsecond());
    }
    if let Some(until) = query.until {
        conditions.compare("time", "<", until.as_microsecond());
    }
    if let Some(text) = query.text.as_deref().filter(|text| !text.is_empty()) {
        let needle = conditions.bind(fold(text));
        conditions.sql.push(format!(
            "EXISTS (SELECT 1 FROM audit_body AS body
                     WHERE body.position = audit_record.position AND {})",
            dialect.contains("body.haystack", &needle)
        ));
    }
    page(dialect, query, conditions, cursor)
}

fn page(
    dialect: &dyn Dialect,
    query: &AuditQuery,
    mut conditions: Conditions,
    cursor: Option<Cursor>,
) -> Statement {
    let (direction, beyond) = match query.order {
        Order::NewestFirst => ("DESC", "<"),
        Order::OldestFirst => ("ASC", ">"),
    };
    if let Some(cursor) = cursor {
        let time = conditions.bind(cursor.time);
        let position = conditions.bind(cursor.position);
        // The first half is what an index can use.
        conditions.sql.push(format!(
            "time {beyond}= {time} AND (time {beyond} {time} OR position {beyond} {position})"
        ));
    }
    let limit = conditions.bind(i64::from(query.limit) + 1);
    let filter = if conditions.sql.is_empty() {
        String::new()
    } else {
        format!("WHERE {}", conditions.sql.join(" AND "))
    };
    let from = dialect.table_along("audit_record", index(query));
    let sql = format!(
        "SELECT n.term, r.sequence, b.body, r.time, r.position
         FROM (SELECT position, node, sequence, time FROM {from} {filter}
               ORDER BY time {direction}, position {direction} LIMIT {limit}) AS r
         JOIN audit_term AS n ON n.id = r.node
         JOIN audit_body AS b ON b.position = r.position
         ORDER BY r.time {direction}, r.position {direction}"
    );
    Statement {
        what: WHAT,
        sql: sql.into(),
        params: conditions.params,
    }
}
