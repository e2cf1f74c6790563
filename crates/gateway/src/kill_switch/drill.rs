//! Drills: the whole way from a person to every node, with nobody stopped, and how long it took.

use std::time::Duration;

use sekimori_domain::clock::{Clock, Ids};
use sekimori_domain::kill_switch::{KillSwitch, Release};
use sekimori_store::{KillSwitches as Stored, StoreError};
use serde::Serialize;

use super::{KillSwitchError, NewKillSwitch};

/// How long nodes are waited for: well beyond the second that is promised.
const WAIT_MAX: Duration = Duration::from_secs(3);
/// How long is waited for further nodes after the last one.
const QUIET: Duration = Duration::from_millis(1_200);
/// How often the database is asked.
const ASK_EVERY: Duration = Duration::from_millis(5);

/// What came of a drill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DrillReport {
    /// The kill switch that was engaged and released.
    pub id: String,
    /// How long storing it took.
    pub stored_ms: u64,
    /// The nodes that had it in force, in the order in which they told so.
    pub nodes: Vec<NodeReport>,
}

/// When a node had it in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NodeReport {
    /// The node.
    pub node: String,
    /// How long after the drill began. Measured by one clock, up to the moment at which the node's word was
    /// read: the effect came before.
    pub after_ms: u64,
}

impl DrillReport {
    /// How long the slowest node took.
    pub fn slowest_ms(&self) -> Option<u64> {
        self.nodes.iter().map(|node| node.after_ms).max()
    }
}

/// Engages a kill switch that stops nobody, waits for the word of every node, and releases it.
pub async fn drill(
    stored: &dyn Stored,
    clock: &dyn Clock,
    ids: &dyn Ids,
    new: NewKillSwitch,
) -> Result<DrillReport, KillSwitchError> {
    let switch = NewKillSwitch { drill: true, ..new }.begin(clock, ids)?;
    let begin = clock.monotonic();
    stored.engage(&switch).await?;
    let stored_ms = millis(clock.monotonic().saturating_sub(begin));
    let waited = wait(stored, clock, &switch, begin).await;
    let release = Release {
        by: switch.engaged_by.clone(),
        at: clock.now(),
    };
    stored.release(&switch.id, &release).await?;
    Ok(DrillReport {
        id: switch.id,
        stored_ms,
        nodes: waited?,
    })
}

async fn wait(
    stored: &dyn Stored,
    clock: &dyn Clock,
    switch: &KillSwitch,
    begin: Duration,
) -> Result<Vec<NodeReport>, StoreError> {
    let mut nodes: Vec<NodeReport> = Vec::new();
    let mut last = begin;
    loop {
        let told = stored.confirmations(&switch.id).await?;
        let now = clock.monotonic();
        for confirmation in told {
            if !nodes.iter().any(|known| known.node == confirmation.node) {
                last = now;
                nodes.push(NodeReport {
                    node: confirmation.node,
                    after_ms: millis(now.saturating_sub(begin)),
                });
            }
        }
        let quiet = now.saturating_sub(last) >= QUIET && !nodes.is_empty();
        if quiet || now.saturating_sub(begin) >= WAIT_MAX {
            return Ok(nodes);
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
