//! The catalogue: which connectors there are, what they offer now, and how a public name finds its tool.
//!
//! Readers take a snapshot without locks; [`refresh`] replaces it when the store, an upstream or time
//! says so.

pub mod connector_templates;
pub mod listing;
pub mod pinning;
pub mod refresh;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use sekimori_domain::Timestamp;
use sekimori_domain::connector::Connector;
use sekimori_domain::ids::ConnectorName;
use sekimori_domain::refusal::{Need, Refusal, RefusalCode, Stage};
use sekimori_mcp::names::PublicName;
use sekimori_mcp::raw_object::{RawObject, raw_json};
use sekimori_mcp::revision::{Era, Revision};
use sekimori_mcp::{names, tasks, uris};
use sekimori_upstream::exchange::UpstreamError;
use sekimori_upstream::{Discovery, Upstream};
use serde_json::json;
use serde_json::value::RawValue;
use tokio::sync::{Mutex, broadcast};

use crate::request::Endpoint;
use listing::{CatalogTool, Listing};

/// Most changes that wait for one subscriber; a slower one is told that it missed some.
const CHANGES_MAX: usize = 256;

/// All connectors of the gate.
pub struct Catalog {
    entries: ArcSwap<BTreeMap<ConnectorName, Arc<Entry>>>,
    changes: broadcast::Sender<CatalogChange>,
    source: refresh::Source,
}

impl fmt::Debug for Catalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Catalog").finish_non_exhaustive()
    }
}

/// One connector, its client, and what it offers.
pub struct Entry {
    /// As configured.
    pub connector: Arc<Connector>,
    /// Grows with every change of the connector, also one that was taken back.
    pub revision: u64,
    /// The client that calls it.
    pub upstream: Arc<Upstream>,
    listing: ArcSwap<Listing>,
    state: ArcSwap<EntryState>,
    refreshing: Mutex<()>,
    /// Whether something says that the listing is no longer true.
    stale: AtomicBool,
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("connector", &self.connector.name)
            .finish_non_exhaustive()
    }
}

/// How the last listing went.
#[derive(Debug, Default)]
pub struct EntryState {
    /// What the upstream said of itself; `None` until it was reached.
    pub discovery: Option<Discovery>,
    /// When it was last listed (monotonic); `None` if never.
    pub listed_at: Option<Duration>,
    /// The same as time of day; `None` if it could not be listed.
    pub seen_at: Option<Timestamp>,
    /// Why it could not be listed last time.
    pub problem: Option<UpstreamError>,
}

impl Entry {
    /// What it offers, as last listed.
    pub fn listing(&self) -> Arc<Listing> {
        self.listing.load_full()
    }

    /// Says that the listing may no longer be true: it is soon made again.
    pub(crate) fn doubt(&self) {
        self.stale.store(true, Ordering::Relaxed);
    }

    /// How the last listing went.
    pub fn state(&self) -> Arc<EntryState> {
        self.state.load_full()
    }

    /// Whether calls may become tasks as the upstream decides: since 2026-07-28, where it has the extension.
    pub fn decides_on_tasks(&self) -> bool {
        let state = self.state.load();
        state.discovery.as_ref().is_some_and(|discovery| {
            discovery.revision.era() == Era::Modern
                && tasks::declared(&RawObject::from_raw_or_empty(Some(&discovery.capabilities)))
        })
    }
}

/// Something that clients may have listed is different now.
#[derive(Debug, Clone)]
pub enum CatalogChange {
    /// Tools of a connector.
    Tools {
        /// Which.
        connector: ConnectorName,
    },
    /// Resources or templates of a connector.
    Resources {
        /// Which.
        connector: ConnectorName,
    },
    /// Prompts of a connector.
    Prompts {
        /// Which.
        connector: ConnectorName,
    },
    /// The state of a task.
    Task {
        /// Which connector.
        connector: ConnectorName,
        /// Id as the upstream has it.
        id: String,
    },
    /// The content of a resource.
    ResourceUpdated {
        /// Which connector.
        connector: ConnectorName,
        /// URI as the upstream spells it.
        uri: String,
        /// Parameters of the notification, untouched.
        params: Option<Arc<RawValue>>,
    },
}

/// What the gate says of itself at an endpoint.
#[derive(Debug, Clone)]
pub struct ServerInfo {
    /// Capabilities of everything behind the endpoint, as far as the gate honours them.
    pub capabilities: RawObject,
    /// Instructions of the connector; none for the endpoint of all connectors.
    pub instructions: Option<String>,
    /// Title for people to read.
    pub title: String,
}

impl Catalog {
    /// An empty catalogue over `source`; [`Catalog::reload`] fills it.
    pub fn new(source: refresh::Source) -> Self {
        let (changes, _) = broadcast::channel(CHANGES_MAX);
        Self {
            entries: ArcSwap::from_pointee(BTreeMap::new()),
            changes,
            source,
        }
    }

    /// Changes from now on.
    pub fn changes(&self) -> broadcast::Receiver<CatalogChange> {
        self.changes.subscribe()
    }

    /// All connectors, by name.
    pub fn entries(&self) -> Arc<BTreeMap<ConnectorName, Arc<Entry>>> {
        self.entries.load_full()
    }

    /// The connectors behind an endpoint that may be called.
    pub fn behind(&self, endpoint: &Endpoint) -> Vec<Arc<Entry>> {
        let entries = self.entries.load();
        match endpoint {
            Endpoint::All => entries
                .values()
                .filter(|entry| entry.connector.enabled)
                .cloned()
                .collect(),
            Endpoint::Connector(name) => entries.get(name).cloned().into_iter().collect(),
        }
    }

    /// The connector `name`, if it may be called.
    pub fn entry(&self, name: &ConnectorName) -> Result<Arc<Entry>, Refusal> {
        let entry = self.entries.load().get(name).cloned();
        match entry {
            Some(entry) if entry.connector.enabled => Ok(entry),
            Some(_) => Err(Refusal::new(
                RefusalCode::ConnectorDisabled,
                Stage::Resolve,
                format!("connector {name} is switched off"),
            )),
            None => Err(unknown("connector", name.as_str())),
        }
    }

    /// The tool behind a public name.
    pub async fn tool(
        &self,
        endpoint: &Endpoint,
        public: &str,
    ) -> Result<(Arc<Entry>, Arc<CatalogTool>), Refusal> {
        let (entry, name) = match endpoint {
            Endpoint::Connector(connector) => (self.entry(connector)?, public),
            Endpoint::All => {
                let parts = names::split(public).ok_or_else(|| unknown("tool", public))?;
                let entry = self.entry(parts.connector())?;
                if let PublicName::Plain(_, name) = parts {
                    (entry, name)
                } else {
                    (entry, "")
                }
            }
        };
        if let Some(tool) = entry.listing().tool(public, name) {
            return Ok((entry, tool));
        }
        // A connector that was never listed (just added, or down until now) is listed first.
        if entry.state().discovery.is_none() {
            self.relist(&entry).await;
            if let Some(problem) = &entry.state().problem {
                return Err(refusal_of(problem));
            }
            if let Some(tool) = entry.listing().tool(public, name) {
                return Ok((entry, tool));
            }
        }
        Err(unknown("tool", public))
    }

    /// The connector of a public resource URI (or URI template), and the upstream's own URI.
    pub fn resource(
        &self,
        endpoint: &Endpoint,
        public: &str,
    ) -> Result<(Arc<Entry>, String), Refusal> {
        match endpoint {
            Endpoint::Connector(connector) => Ok((self.entry(connector)?, public.to_owned())),
            Endpoint::All => {
                let (connector, uri) =
                    uris::original_uri(public).ok_or_else(|| unknown("resource", public))?;
                Ok((self.entry(&connector)?, uri))
            }
        }
    }

    /// The connector of a public prompt name, and the upstream's own name.
    pub fn prompt(
        &self,
        endpoint: &Endpoint,
        public: &str,
    ) -> Result<(Arc<Entry>, String), Refusal> {
        match endpoint {
            Endpoint::Connector(connector) => Ok((self.entry(connector)?, public.to_owned())),
            Endpoint::All => {
                let parts = names::split(public).ok_or_else(|| unknown("prompt", public))?;
                let entry = self.entry(parts.connector())?;
                let name = match parts {
                    PublicName::Plain(_, name) => Some(name.to_owned()),
                    PublicName::Shortened(_) => entry.listing().prompt_behind(public),
                };
                Ok((entry, name.ok_or_else(|| unknown("prompt", public))?))
            }
        }
    }
}

impl Catalog {
    /// What the gate says of itself at an endpoint, in a revision: what any connector behind it offers, as
    /// far as the gate honours it.
    pub fn server_info(&self, endpoint: &Endpoint, revision: Revision) -> ServerInfo {
        let entries = self.behind(endpoint);
        let mut capabilities = RawObject::new();
        let mut has_tasks = false;
        for entry in &entries {
            let state = entry.state();
            let Some(discovery) = &state.discovery else {
                continue;
            };
            let mut offered = RawObject::from_raw_or_empty(Some(&discovery.capabilities));
            has_tasks |= match discovery.revision.era() {
                Era::Modern => tasks::declared(&offered),
                Era::Legacy => tasks::offered_by_legacy(&offered),
            };
            tasks::undeclare(&mut offered);
            for (name, value) in offered.iter() {
                merge_capability(&mut capabilities, &name, value);
            }
        }
        // The gate translates, so each client is told in its own words. A call that waits for people is a task, whatever
        // its upstream knows.
        if revision.era() == Era::Modern {
            tasks::declare(&mut capabilities);
        } else if has_tasks && revision >= Revision::V20251125 {
            tasks::declare_legacy(&mut capabilities);
        }
        if let (Endpoint::Connector(_), Some(entry)) = (endpoint, entries.first()) {
            ServerInfo {
                capabilities,
                instructions: entry
                    .state()
                    .discovery
                    .as_ref()
                    .and_then(|d| d.instructions.clone()),
                title: entry.connector.title.clone(),
            }
        } else {
            // Every endpoint of the gate has tools, even before the first upstream was reached.
            if !capabilities.contains("tools") {
                capabilities.set("tools", raw_json(&json!({"listChanged": true})));
            }
            ServerInfo {
                capabilities,
                instructions: None,
                title: String::new(),
            }
        }
    }
}

/// Members of equal capabilities are put together; the first one's value wins.
fn merge_capability(capabilities: &mut RawObject, name: &str, value: &RawValue) {
    let (Some(mut merged), Ok(added)) = (capabilities.get_object(name), RawObject::from_raw(value))
    else {
        if !capabilities.contains(name) {
            capabilities.set(name, value.to_owned());
        }
        return;
    };
    for (member, value) in added.iter() {
        if !merged.contains(&member) {
            merged.set(&member, value.to_owned());
        }
    }
    capabilities.set(name, merged.to_raw());
}

fn unknown(what: &str, name: &str) -> Refusal {
    let name: String = name.chars().take(200).collect();
    Refusal::new(
        RefusalCode::UnknownTarget,
        Stage::Resolve,
        format!("unknown {what}: {name}"),
    )
}

/// The refusal that an upstream's failure means for the caller.
pub fn refusal_of(error: &UpstreamError) -> Refusal {
    let code = match error {
        UpstreamError::Forbidden { .. } => RefusalCode::DestinationForbidden,
        UpstreamError::Unavailable { .. } | UpstreamError::Resting { .. } => {
            RefusalCode::UpstreamUnavailable
        }
        UpstreamError::Timeout { .. } => RefusalCode::UpstreamTimeout,
        UpstreamError::Invalid { .. } => RefusalCode::UpstreamInvalid,
        UpstreamError::WarrantExpired { .. } => RefusalCode::DependencyUnavailable,
        UpstreamError::Throttled { .. } => RefusalCode::RateLimited,
        UpstreamError::AccountRequired { .. } => RefusalCode::AccountRequired,
    };
    let refusal = Refusal::new(code, Stage::Invoke, error.to_string());
    match error {
        UpstreamError::Throttled { wait, .. } | UpstreamError::Resting { wait, .. } => {
            refusal.needing(Need::Time(*wait))
        }
        UpstreamError::AccountRequired {
            page: Some(page), ..
        } => refusal.needing(Need::Account { page: page.clone() }),
        _ => refusal,
    }
}
