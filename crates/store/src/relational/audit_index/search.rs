//! Searching the index.

use std::borrow::Cow;
use std::collections::BTreeSet;

use sekimori_domain::catalog::OperationClass;
use sekimori_domain::digest::Digest;
use sekimori_domain::record::{DecisionEffect, EventKind, OutcomeStatus, Record};

use super::super::first;
use super::batch::{CLASS_MARK, decision_code, digest_key, fold, term};
use super::{TermIds, WHAT, grams, indexed, read_ids, select_terms};
use crate::audit_index::{AuditPage, AuditQuery, Order, PAGE_MAX, TEXT_CHARS_MAX};
use crate::database::{Database, Dialect, GramQuery, Param, Statement};
use crate::error::{Result, StoreError};

/// The index along the time alone.
const BY_TIME: &str = "audit_record_time";
const BY_DATA_CLASSES: &str = "audit_record_data_classes";
/// Records that may be read and sorted for one page. Beyond it, what is looked for is so frequent that a
/// page fills up soon along the time.
const RARE_MAX: i64 = 20_000;
/// Texts that may be looked through for one page.
const TEXTS_MAX: i64 = 1_000;
/// In how many texts a gram may be, if asking for it is to narrow a search: tried one after another.
const GRAM_LIMITS: [i64; 3] = [1_000, 10_000, 100_000];
/// Most grams that narrow a search: more of them leave hardly less.
const RARE_GRAMS_MAX: usize = 4;

/// Finds one page.
pub(super) async fn search(database: &dyn Database, query: &AuditQuery) -> Result<AuditPage> {
    check(query)?;
    let cursor = query
        .cursor
        .as_deref()
        .map(|text| Cursor::read(text, query))
        .transpose()?;
    let found = Terms::resolve(database, query).await?;
    let (Some(terms), Some(path)) = (found, choose(database, query).await?) else {
        return Ok(AuditPage {
            records: Vec::new(),
            next: None,
        });
    };
    let statement = statement(database.dialect(), query, &terms, cursor, &path);
    let rows = database.query(statement).await?;
    let more = rows.len() > query.limit as usize;
    let mut records = Vec::new();
    let mut last = None;
    for mut row in rows.into_iter().take(query.limit as usize) {
        let found = indexed(&mut row)?;
        if is_asked_for(query, &found.record) {
            records.push(found);
        }
        last = Some(Cursor {
            time: row.int()?,
            position: row.int()?,
        });
    }
    let next = last.filter(|_| more).map(|cursor| cursor.write(query));
    Ok(AuditPage { records, next })
}

/// Whether it has the ids that were asked for, of which the index has digests.
fn is_asked_for(query: &AuditQuery, record: &Record) -> bool {
    let correlation = query.correlation.as_deref();
    let approval = query.approval.as_deref();
    correlation.is_none_or(|asked| asked == record.correlation.as_str())
        && approval.is_none_or(|asked| {
            let told = record.detail.get("approval");
            told.and_then(|told| told.as_str()) == Some(asked)
        })
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
pub(super) struct Cursor {
    pub(super) time: i64,
    pub(super) position: i64,
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
pub(super) struct Terms(pub(super) Vec<(&'static str, i64)>);

impl Terms {
    /// Looks the names up. `None` if one of them was never recorded: then nothing can match.
    async fn resolve(database: &dyn Database, query: &AuditQuery) -> Result<Option<Self>> {
        let wanted = wanted_terms(query);
        if wanted.is_empty() {
            return Ok(Some(Self(Vec::new())));
        }
        let names: BTreeSet<_> = wanted.iter().map(|(_, name)| name.as_ref()).collect();
        let names: Vec<_> = names.into_iter().collect();
        let mut ids = TermIds::new();
        let statement = select_terms(database.dialect(), &names);
        read_ids(database.query(statement).await?, &mut ids)?;
        Ok(wanted
            .into_iter()
            .map(|(column, name)| Some((column, *ids.get(name.as_ref())?)))
            .collect::<Option<_>>()
            .map(Self))
    }
}

/// The columns that are asked for, and the name each must hold.
pub(super) fn wanted_terms(query: &AuditQuery) -> Vec<(&'static str, Cow<'_, str>)> {
    [
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
    .collect()
}

/// The way on which a search runs.
#[derive(Debug)]
pub(super) enum Path {
    /// Along an index that ends in time and position; stops when the page is full.
    Index(&'static str),
    /// Through all records that have the target prefix: they are few.
    Prefix,
    /// Through all records of the data class: they are few.
    DataClass,
    /// Through all records that hold a text with these grams: they are few.
    Texts(String),
}

/// The way that leaves least to filter, going by what the columns usually hold; text and prefixes are
/// looked up, as they may match one record or most of them. `None` if no text matches.
pub(super) async fn choose(database: &dyn Database, query: &AuditQuery) -> Result<Option<Path>> {
    if query.call.is_some() || query.correlation.is_some() || query.approval.is_some() {
        return Ok(Some(Path::Index(index(query))));
    }
    let dialect = database.dialect();
    if let Some(needle) = needle(query)
        && let Some(wanted) = grams::wanted(&needle)
    {
        let wanted = dialect.match_grams(&narrowest(database, wanted).await?);
        let texts = texts(dialect, "$1", "$2");
        let bound = |sql| {
            Statement::new(WHAT, sql)
                .bind(wanted.as_str())
                .bind(needle.as_str())
        };
        let count = count_to(database, bound(texts.clone()), TEXTS_MAX).await?;
        if count == 0 {
            return Ok(None);
        }
        let said = holders(dialect, &texts);
        if count <= TEXTS_MAX && count_to(database, bound(said), RARE_MAX).await? <= RARE_MAX {
            return Ok(Some(Path::Texts(wanted)));
        }
    }
    if let (Some(prefix), None) = (&query.target_prefix, &query.target) {
        // In this order, so that counting stops with the limit.
        let sql = "SELECT r.position FROM audit_term AS t CROSS JOIN audit_record AS r
                   WHERE t.term >= $1 AND t.term < $2 AND r.target = t.id";
        let [from, until] = prefix_range(prefix);
        let statement = Statement::new(WHAT, sql).bind(from).bind(until);
        if count_to(database, statement, RARE_MAX).await? <= RARE_MAX {
            return Ok(Some(Path::Prefix));
        }
    }
    let index = index(query);
    if let (Some(class), BY_TIME) = (&query.data_class, index) {
        let of_class = is_of_class(dialect, "$1", "$2", "$3");
        let table = dialect.table_along("audit_record", BY_DATA_CLASSES);
        let sql = format!("SELECT position FROM {table} WHERE {of_class}");
        let [from, until, class] = class_range(class);
        let statement = Statement::new(WHAT, sql).bind(from).bind(until).bind(class);
        if count_to(database, statement, RARE_MAX).await? <= RARE_MAX {
            return Ok(Some(Path::DataClass));
        }
    }
    Ok(Some(Path::Index(index)))
}

/// Those of the grams that few texts have, if there are any: where every gram's list is read to its end, asking
/// for a frequent one as well costs more than it narrows.
async fn narrowest(database: &dyn Database, wanted: GramQuery) -> Result<GramQuery> {
    let (Some(sql), GramQuery::All(grams)) = (database.dialect().texts_with_gram(), &wanted) else {
        return Ok(wanted);
    };
    for limit in GRAM_LIMITS {
        let mut rare = Vec::new();
        for gram in grams {
            let statement = Statement::new(WHAT, sql).bind(gram.as_str());
            if count_to(database, statement, limit).await? <= limit {
                rare.push(gram.clone());
            }
            if rare.len() == RARE_GRAMS_MAX {
                break;
            }
        }
        if !rare.is_empty() {
            return Ok(GramQuery::All(rare));
        }
    }
    Ok(wanted)
}

/// How many rows a statement finds; no more than one beyond the limit are counted.
async fn count_to(database: &dyn Database, statement: Statement, limit: i64) -> Result<i64> {
    let limit_at = statement.params.len() + 1;
    let counted = Statement {
        sql: format!(
            "SELECT count(*) FROM ({} LIMIT ${limit_at}) AS found",
            statement.sql
        )
        .into(),
        ..statement
    };
    let row = first(database.query(counted.bind(limit + 1)).await?);
    row.map_or(Ok(0), |mut row| row.int())
}

/// The selection of texts that hold the needle, found by their grams.
fn texts(dialect: &dyn Dialect, grams: &str, needle: &str) -> String {
    format!(
        "SELECT audit_text.id, audit_text.caller, audit_text.target FROM {} AND {}",
        dialect.texts_with_grams(grams),
        dialect.contains("audit_text.text", needle)
    )
}

/// The selection of records that hold one of these texts: they say it, or their caller or target is called so.
fn holders(dialect: &dyn Dialect, texts: &str) -> String {
    let of_caller = dialect.table_along("audit_record", "audit_record_caller");
    let of_target = dialect.table_along("audit_record", "audit_record_target");
    format!(
        "WITH found AS MATERIALIZED ({texts})
         SELECT position FROM audit_said WHERE text IN (SELECT id FROM found)
         UNION ALL
         SELECT position FROM {of_caller}
         WHERE caller IN (SELECT caller FROM found WHERE caller IS NOT NULL)
         AND who IN (SELECT id FROM found)
         UNION ALL
         SELECT position FROM {of_target}
         WHERE target IN (SELECT target FROM found WHERE target IS NOT NULL)"
    )
}

/// The index for the columns that are asked for.
fn index(query: &AuditQuery) -> &'static str {
    let by_priority = [
        (query.call.is_some(), "audit_record_call"),
        (query.correlation.is_some(), "audit_record_correlation"),
        (query.approval.is_some(), "audit_record_approval"),
        (
            query.caller.is_some() && query.target.is_some(),
            "audit_record_caller_target",
        ),
        (query.target.is_some(), "audit_record_target"),
        (query.caller.is_some(), "audit_record_caller"),
        (query.client.is_some(), "audit_record_client"),
        (query.status.is_some(), "audit_record_status"),
        (query.connector.is_some(), "audit_record_connector"),
        (
            query.decision == Some(DecisionEffect::Deny),
            "audit_record_denied",
        ),
        (query.event.is_some(), "audit_record_event"),
    ];
    by_priority
        .into_iter()
        .find(|(is_asked, _)| *is_asked)
        .map_or(BY_TIME, |(_, index)| index)
}

fn needle(query: &AuditQuery) -> Option<String> {
    query
        .text
        .as_deref()
        .filter(|text| !text.is_empty())
        .map(fold)
}

/// Every text that begins with the prefix sorts before the prefix and the last character there is.
fn prefix_range(prefix: &str) -> [String; 2] {
    let from = term(prefix);
    let until = format!("{from}\u{10ffff}");
    [from.into_owned(), until]
}

/// The names of several data classes together are between the first two; those that hold the class hold the third.
fn class_range(class: &str) -> [String; 3] {
    let from = String::from(CLASS_MARK);
    let class = format!("{CLASS_MARK}{}{CLASS_MARK}", term(class));
    [from, " ".to_owned(), class]
}

/// The condition that the record's data is of a class, by what [`class_range`] tells.
fn is_of_class(dialect: &dyn Dialect, from: &str, until: &str, class: &str) -> String {
    let holds = dialect.contains("term", class);
    format!(
        "data_classes IN (SELECT id FROM audit_term
                          WHERE term >= {from} AND term < {until} AND {holds})"
    )
}

/// The condition that the target's name is in a range: as a list of all such names where these lead the way,
/// else as a look at each record on it.
fn is_in_range(path: &Path, from: &str, until: &str) -> String {
    let range = format!("term >= {from} AND term < {until}");
    match path {
        Path::Prefix => format!("target IN (SELECT id FROM audit_term WHERE {range})"),
        Path::Index(_) | Path::DataClass | Path::Texts(_) => format!(
            "EXISTS (SELECT 1 FROM audit_term AS term
                     WHERE term.id = audit_record.target AND {range})"
        ),
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

    fn filter(&self) -> String {
        if self.sql.is_empty() {
            String::new()
        } else {
            format!("WHERE {}", self.sql.join(" AND "))
        }
    }

    fn compare(&mut self, column: &str, operator: &str, value: impl Into<Param>) {
        let placeholder = self.bind(value);
        self.sql.push(format!("{column} {operator} {placeholder}"));
    }
}

/// The statement of one page; one row more than the page tells whether there is another.
pub(super) fn statement(
    dialect: &dyn Dialect,
    query: &AuditQuery,
    terms: &Terms,
    cursor: Option<Cursor>,
    path: &Path,
) -> Statement {
    let (from, conditions) = matching(dialect, query, terms, path);
    page(&from, query, conditions, cursor)
}

/// The table along the way of the search, and what its rows must be.
fn matching(
    dialect: &dyn Dialect,
    query: &AuditQuery,
    terms: &Terms,
    path: &Path,
) -> (String, Conditions) {
    let mut conditions = Conditions::default();
    for (column, id) in &terms.0 {
        conditions.compare(column, "=", *id);
    }
    if let Some(call) = query.call {
        conditions.compare("call", "=", call.0.as_bytes().as_slice());
    }
    if let Some(correlation) = &query.correlation {
        conditions.compare("correlation", "=", digest_key(correlation));
    }
    if let Some(decision) = query.decision {
        // Not bound: an index is made for those that were denied.
        conditions
            .sql
            .push(format!("decision = {}", decision_code(decision)));
    }
    if let Some(approval) = &query.approval {
        conditions.compare("approval", "=", digest_key(approval));
    }
    if let Some(class) = &query.data_class {
        let [from, until, class] = class_range(class).map(|text| conditions.bind(text));
        let sql = is_of_class(dialect, &from, &until, &class);
        conditions.sql.push(sql);
    }
    if let Some(prefix) = &query.target_prefix {
        let [from, until] = prefix_range(prefix).map(|text| conditions.bind(text));
        conditions.sql.push(is_in_range(path, &from, &until));
    }
    if let Some(from) = query.from {
        conditions.compare("time", ">=", from.as_microsecond());
    }
    if let Some(until) = query.until {
        conditions.compare("time", "<", until.as_microsecond());
    }
    if let Some(needle) = needle(query) {
        let needle = conditions.bind(needle);
        let said = if let Path::Texts(grams) = path {
            let grams = conditions.bind(grams.as_str());
            let holders = holders(dialect, &texts(dialect, &grams, &needle));
            format!("position IN ({holders})")
        } else {
            // In this order: a record has few texts.
            let contains = dialect.contains("t.text", &needle);
            format!(
                "(EXISTS (SELECT 1 FROM audit_text AS t
                          WHERE t.id = audit_record.who AND {contains})
                  OR EXISTS (SELECT 1 FROM audit_text AS t
                             WHERE t.target = audit_record.target AND {contains})
                  OR EXISTS (SELECT 1 FROM audit_said AS s CROSS JOIN audit_text AS t
                             WHERE s.position = audit_record.position AND t.id = s.text
                             AND {contains}))"
            )
        };
        conditions.sql.push(said);
    }
    let from = match path {
        Path::Index(index) => dialect.table_along("audit_record", index),
        Path::Prefix => dialect.table_along("audit_record", "audit_record_target"),
        Path::DataClass => dialect.table_along("audit_record", BY_DATA_CLASSES),
        Path::Texts(_) => dialect.table_by_position("audit_record"),
    };
    (from, conditions)
}

/// The statement that reads `columns` of the newest matching records. `None` if nothing can match.
pub(super) async fn newest(
    database: &dyn Database,
    query: &AuditQuery,
    columns: &str,
    limit: u32,
) -> Result<Option<Statement>> {
    check(query)?;
    let found = Terms::resolve(database, query).await?;
    let (Some(terms), Some(path)) = (found, choose(database, query).await?) else {
        return Ok(None);
    };
    let (from, mut conditions) = matching(database.dialect(), query, &terms, &path);
    let limit = conditions.bind(i64::from(limit));
    let filter = conditions.filter();
    let sql = format!(
        "SELECT {columns} FROM {from} {filter} ORDER BY time DESC, position DESC LIMIT {limit}"
    );
    Ok(Some(Statement {
        what: WHAT,
        sql: sql.into(),
        params: conditions.params,
    }))
}

/// How many records match.
pub(super) async fn total(database: &dyn Database, query: &AuditQuery) -> Result<u64> {
    check(query)?;
    let found = Terms::resolve(database, query).await?;
    let (Some(terms), Some(path)) = (found, choose(database, query).await?) else {
        return Ok(0);
    };
    let (from, conditions) = matching(database.dialect(), query, &terms, &path);
    let filter = conditions.filter();
    let statement = Statement {
        what: WHAT,
        sql: format!("SELECT count(*) FROM {from} {filter}").into(),
        params: conditions.params,
    };
    let row = first(database.query(statement).await?);
    row.map_or(Ok(0), |mut row| row.unsigned())
}

fn page(
    from: &str,
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
    let filter = conditions.filter();
    let sql = format!(
        "SELECT n.term, r.position, b.body, r.time, r.position
         FROM (SELECT position, time FROM {from} {filter}
               ORDER BY time {direction}, position {direction} LIMIT {limit}) AS r
         JOIN audit_term AS n ON n.id = r.position >> 40
         JOIN audit_body AS b ON b.position = r.position
         ORDER BY r.time {direction}, r.position {direction}"
    );
    Statement {
        what: WHAT,
        sql: sql.into(),
        params: conditions.params,
    }
}
