//! What other nodes recorded. A person's calls are spread over the nodes, and a burst over all of them must count as
//! one: each node's rules see the records of the others through the index that they share.
//!
//! Whoever sees that there is one too many tells of it, unless another node was faster: the book of limits, which all
//! nodes share, gives each alert away once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use sekimori_domain::Timestamp;
use sekimori_domain::digest::Digest;
use sekimori_domain::limit::Refill;
use sekimori_domain::record::Record;
use sekimori_store::{AuditIndex, Limits, StoreError};

use crate::alert::Alert;

/// Records of one node that are read at a time.
const PAGE: u32 = 1_000;
/// Pages of one look: who is further behind than that goes on with the next one.
const PAGES_MAX: u32 = 20;

/// The other nodes of an installation.
pub struct Peers {
    index: Arc<dyn AuditIndex>,
    limits: Arc<dyn Limits>,
    /// Where we stand with each of them.
    positions: Option<BTreeMap<String, Option<u64>>>,
}

impl std::fmt::Debug for Peers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Peers")
            .field("positions", &self.positions)
            .finish_non_exhaustive()
    }
}

impl Peers {
    /// Those who share the index and the book of limits.
    pub fn new(index: Arc<dyn AuditIndex>, limits: Arc<dyn Limits>) -> Self {
        Self {
            index,
            limits,
            positions: None,
        }
    }

    /// What is new of the others; at the first look, nothing: what was before is history.
    pub(crate) async fn new_records(&mut self, own: &str) -> Result<Vec<Record>, StoreError> {
        let mut nodes = self.index.nodes().await?;
        nodes.retain(|node| node != own);
        let Some(positions) = &mut self.positions else {
            let mut positions = BTreeMap::new();
            for node in nodes {
                let position = self.index.position(&node).await?;
                positions.insert(node, position);
            }
            self.positions = Some(positions);
            return Ok(Vec::new());
        };
        let mut records = Vec::new();
        for node in nodes {
            let position = positions.entry(node.clone()).or_default();
            for _ in 0..PAGES_MAX {
                let page = self.index.following(&node, *position, PAGE).await?;
                let Some(last) = page.last() else { break };
                *position = Some(last.sequence);
                records.extend(page.into_iter().map(|row| row.record));
            }
        }
        records.sort_by_key(|record| record.time);
        Ok(records)
    }

    /// Whether this alert is ours to tell of: nobody else did within the rule's time.
    pub(crate) async fn claim(&self, alert: &Alert, now: Timestamp) -> Result<bool, StoreError> {
        let key = Digest::of_parts(&[alert.rule.as_bytes(), b"\0", alert.subject.as_bytes()]);
        let once = Refill {
            capacity: 1,
            count: 1,
            per: Duration::from_secs(alert.window_seconds.into()),
        };
        let key = format!("alert/{}", key.hex());
        Ok(self.limits.take(&key, once, 1, now).await?.count == 1)
    }
}
