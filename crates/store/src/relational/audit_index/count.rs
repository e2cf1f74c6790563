//! Counting what the index holds.

use jiff::Timestamp;
use sekimori_domain::record::{EventKind, OutcomeStatus};
use serde::Deserialize as _;
use serde::de::IntoDeserializer as _;
use serde::de::value::Error as Unreadable;

use super::WHAT;
use crate::audit_index::{AuditCount, COUNT_PARTS_MAX};
use crate::database::{Database, Row, Statement};
use crate::error::{Result, StoreError};

/// Groups by numbers first: the names are looked up once per group, not once per record. An intent has no
/// ending and is not counted.
const SQL: &str = "SELECT r.part, e.term, s.term, r.records
     FROM (SELECT (time - $1) / $2 AS part, event, status, count(*) AS records
           FROM audit_record WHERE time >= $1 AND time < $3 AND status IS NOT NULL
           GROUP BY 1, event, status) AS r
     JOIN audit_term AS e ON e.id = r.event
     JOIN audit_term AS s ON s.id = r.status
     ORDER BY r.part";

/// Counts events in equal parts of a time.
pub(super) async fn count(
    database: &dyn Database,
    from: Timestamp,
    until: Timestamp,
    parts: u32,
) -> Result<Vec<AuditCount>> {
    let (from, until) = (from.as_microsecond(), until.as_microsecond());
    let length = until.saturating_sub(from);
    if parts == 0 || parts > COUNT_PARTS_MAX || length < i64::from(parts) {
        return Err(StoreError::Invalid {
            what: "time to count in",
            rule: "end after the beginning, and use 1 to 400 parts",
        });
    }
    // Rounded up, so that the last part is not one too many.
    let parts = i64::from(parts);
    let width = (length + parts - 1) / parts;
    let statement = Statement::new(WHAT, SQL).bind(from).bind(width).bind(until);
    let rows = database.query(statement).await?;
    rows.into_iter()
        .filter_map(|row| read(row).transpose())
        .collect()
}

/// A kind or ending of a newer release is left out: this one has no name for it.
fn read(mut row: Row) -> Result<Option<AuditCount>> {
    let part = u32::try_from(row.unsigned()?).map_err(|error| StoreError::corrupt(WHAT, error))?;
    let (event, status) = (row.text()?, row.text()?);
    let count = row.unsigned()?;
    let event = EventKind::ALL
        .into_iter()
        .find(|kind| kind.as_str() == event);
    let status: std::result::Result<_, Unreadable> =
        OutcomeStatus::deserialize(status.as_str().into_deserializer());
    Ok(event.zip(status.ok()).map(|(event, status)| AuditCount {
        part,
        event,
        status,
        count,
    }))
}
