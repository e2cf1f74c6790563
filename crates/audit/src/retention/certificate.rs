//! What a deletion deleted, out of the records of the purges.

use sekimori_domain::Timestamp;
use sekimori_domain::record::{EventKind, Record};
use sekimori_domain::retention::RetentionOrder;
use sekimori_store::{AuditIndex, AuditQuery, Order, PAGE_MAX, StoreError};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

/// Most records that are counted as remaining.
const REMAINING_MAX: u64 = 100_000;

/// What a deletion deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Certificate {
    /// The deletion, with who asked for it and who agreed.
    pub order: RetentionOrder,
    /// When this was written.
    pub time: Timestamp,
    /// Records that were purged by it.
    pub purged: u64,
    /// The records of the log that tell so.
    pub purges: Vec<Purge>,
    /// Records that are still there: held, or in a part of the log that is purged next. At most 100,000 are
    /// counted.
    pub remaining: u64,
}

/// Records were purged from a segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Purge {
    /// The record that tells so.
    pub record: Uuid,
    /// The node whose log it is in.
    pub node: String,
    /// Its place in that log.
    pub sequence: u64,
    /// When.
    pub time: Timestamp,
    /// The segment.
    pub segment: u64,
    /// How many by this deletion.
    pub records: u64,
}

/// Certifies what `order` deleted until now.
pub async fn certify(
    index: &dyn AuditIndex,
    order: RetentionOrder,
    now: Timestamp,
) -> Result<Certificate, StoreError> {
    let agreed = order.agreed_at();
    let mut certificate = Certificate {
        time: now,
        purged: 0,
        purges: Vec::new(),
        remaining: 0,
        order,
    };
    let Some(agreed) = agreed else {
        return Ok(certificate);
    };
    let mut query = AuditQuery {
        event: Some(EventKind::RetentionPurge),
        from: Some(agreed),
        order: Order::OldestFirst,
        limit: PAGE_MAX,
        ..AuditQuery::default()
    };
    loop {
        let page = index.search(&query).await?;
        for found in page.records {
            let Some(records) = by(&found.record, &certificate.order.id) else {
                continue;
            };
            let segment = found.record.detail.get("segment").and_then(Value::as_u64);
            certificate.purged += records;
            certificate.purges.push(Purge {
                record: found.record.id,
                node: found.node,
                sequence: found.sequence,
                time: found.record.time,
                segment: segment.unwrap_or_default(),
                records,
            });
        }
        match page.next {
            Some(next) => query.cursor = Some(next),
            None => break,
        }
    }
    certificate.remaining = remaining(index, &certificate.order, agreed).await?;
    Ok(certificate)
}

/// How many records a purge took by that order.
fn by(record: &Record, order: &str) -> Option<u64> {
    record.detail.get("causes")?.get(order)?.as_u64()
}

async fn remaining(
    index: &dyn AuditIndex,
    order: &RetentionOrder,
    agreed: Timestamp,
) -> Result<u64, StoreError> {
    let selection = order.selection.clone();
    let until = selection.until.map_or(agreed, |until| until.min(agreed));
    let mut query = AuditQuery {
        caller: selection.user,
        client: selection.client,
        connector: selection.connector,
        target: selection.tool,
        event: selection.event,
        correlation: selection.correlation,
        from: selection.from,
        until: Some(until),
        limit: PAGE_MAX,
        ..AuditQuery::default()
    };
    let mut remaining = 0;
    loop {
        let page = index.search(&query).await?;
        // What tells of the log itself is never deleted.
        let counted = page
            .records
            .iter()
            .filter(|found| !super::is_kept(found.record.event));
        remaining += crate::frames::len(counted.count());
        match page.next {
            Some(next) if remaining < REMAINING_MAX => query.cursor = Some(next),
            _ => return Ok(remaining),
        }
    }
}
