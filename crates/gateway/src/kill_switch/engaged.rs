//! The snapshot that every request is compared with.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sekimori_domain::caller::{Caller, PrincipalKind};
use sekimori_domain::catalog::{Target, TargetKind};
use sekimori_domain::clock::Clock;
use sekimori_domain::ids::ConnectorName;
use sekimori_domain::kill_switch::{KillSwitch, StopKind};
use sekimori_store::{Contents, KillSwitches as Stored, Revisions, StoreError};

use super::account_name;

/// Reads what is engaged.
pub struct Engaged {
    stored: Arc<dyn Stored>,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for Engaged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engaged").finish_non_exhaustive()
    }
}

impl Engaged {
    pub(super) fn new(stored: Arc<dyn Stored>, clock: Arc<dyn Clock>) -> Self {
        Self { stored, clock }
    }

    pub(super) fn stored(&self) -> &Arc<dyn Stored> {
        &self.stored
    }
}

#[async_trait]
impl Contents for Engaged {
    type Table = Table;

    const WHAT: &'static str = "kill switches";

    fn revision(revisions: &Revisions) -> u64 {
        revisions.kill_switches
    }

    async fn read(&self) -> Result<Table, StoreError> {
        Ok(Table::of(self.stored.engaged(self.clock.now()).await?))
    }
}

/// What is engaged, by kind and id. Most of the time there is nothing in it.
#[derive(Debug, Default)]
pub struct Table {
    rows: BTreeMap<StopKind, HashMap<Box<str>, Vec<KillSwitch>>>,
    drills: Vec<String>,
}

impl Table {
    pub(super) fn of(switches: Vec<KillSwitch>) -> Self {
        let mut table = Self::default();
        for switch in switches {
            if switch.drill {
                table.drills.push(switch.id);
                continue;
            }
            let rows = table.rows.entry(switch.scope.kind).or_default();
            let id = switch.scope.id.clone().into_boxed_str();
            rows.entry(id).or_default().push(switch);
        }
        table
    }

    /// The first one engaged now on that.
    pub(super) fn find(&self, kind: StopKind, id: &str, clock: &dyn Clock) -> Option<&KillSwitch> {
        let switches = self.rows.get(&kind)?.get(id)?;
        let now = clock.now();
        switches.iter().find(|switch| switch.is_engaged(now))
    }

    /// What stops a caller, whatever it calls.
    pub(super) fn of_caller(&self, caller: &Caller, clock: &dyn Clock) -> Option<&KillSwitch> {
        if self.rows.is_empty() {
            return None;
        }
        let id = caller.principal.id.as_str();
        let principal = match caller.principal.kind {
            PrincipalKind::ServiceAccount => (StopKind::ServiceAccount, account_name(id)),
            PrincipalKind::User | PrincipalKind::LocalAdministrator | PrincipalKind::Anonymous => {
                (StopKind::User, id)
            }
        };
        let session = caller.authentication.session.as_deref();
        [
            Some((StopKind::All, "")),
            Some(principal),
            Some((StopKind::Client, caller.client.id.as_str())),
            session.map(|id| (StopKind::Session, id)),
        ]
        .into_iter()
        .flatten()
        .find_map(|(kind, id)| self.find(kind, id, clock))
    }

    /// What stops a tool, whoever calls it.
    pub(super) fn of_target(&self, target: &Target, clock: &dyn Clock) -> Option<&KillSwitch> {
        if self.rows.is_empty() {
            return None;
        }
        let connector = target.connector.as_str();
        self.find(StopKind::Connector, connector, clock)
            .or_else(|| {
                if target.kind != TargetKind::Tool || !self.rows.contains_key(&StopKind::Tool) {
                    return None;
                }
                self.find(StopKind::Tool, &target.to_string(), clock)
            })
    }

    /// The connectors whose lists are other than without any kill switch now.
    pub(super) fn touched(&self, clock: &dyn Clock) -> BTreeSet<String> {
        let now = clock.now();
        let connectors = self.rows.get(&StopKind::Connector).into_iter().flatten();
        let tools = self.rows.get(&StopKind::Tool).into_iter().flatten();
        connectors
            .chain(tools)
            .filter(|(_, switches)| switches.iter().any(|switch| switch.is_engaged(now)))
            .map(|(id, _)| id.to_string())
            .collect()
    }

    /// How long until the next one ends by itself.
    pub(super) fn next_end(&self, clock: &dyn Clock) -> Option<Duration> {
        let now = clock.now();
        let ends = self.rows.values().flat_map(HashMap::values).flatten();
        let next = ends
            .filter_map(|switch| switch.ends_at)
            .filter(|end| *end > now)
            .min()?;
        Some(next.duration_since(now).unsigned_abs())
    }

    /// All of them, drills too.
    pub(super) fn ids(&self) -> BTreeSet<String> {
        let rows = self.rows.values().flat_map(HashMap::values).flatten();
        let ids = rows.map(|switch| switch.id.clone());
        ids.chain(self.drills.iter().cloned()).collect()
    }
}

/// The connector of a scope that names a connector or a tool.
pub(super) fn connector_of(id: &str) -> Option<ConnectorName> {
    let name = id.split_once('/').map_or(id, |(connector, _)| connector);
    ConnectorName::new(name).ok()
}
