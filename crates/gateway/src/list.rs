//! Lists, filtered to what the caller may use, and the other requests that call nothing.

use std::borrow::Cow;
use std::sync::Arc;

use sekimori_domain::caller::Caller;
use sekimori_domain::catalog::TargetKind;
use sekimori_domain::ids::ConnectorName;
use sekimori_domain::record::{CallerNote, EventKind, OutcomeStatus};
use sekimori_domain::refusal::Refusal;
use sekimori_mcp::names;
use sekimori_mcp::raw_object::RawObject;
use sekimori_mcp::revision::{Era, Revision};
use sekimori_mcp::tasks::with_optional_support;
use sekimori_mcp::uris::UriRewriter;
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::Gateway;
use crate::catalog::listing::read_only_target;
use crate::catalog::{Entry, ServerInfo};
use crate::request::{Endpoint, Head};
use crate::stage::record::CallRecord;
use crate::stage::{authenticate, record};
use crate::turned_away;

/// What can be listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListKind {
    /// `tools/list`
    Tools,
    /// `resources/list`
    Resources,
    /// `resources/templates/list`
    ResourceTemplates,
    /// `prompts/list`
    Prompts,
}

impl ListKind {
    /// The method's name in MCP.
    pub fn method(self) -> &'static str {
        match self {
            Self::Tools => "tools/list",
            Self::Resources => "resources/list",
            Self::ResourceTemplates => "resources/templates/list",
            Self::Prompts => "prompts/list",
        }
    }
}

/// A whole list, with public names.
#[derive(Debug)]
pub struct Listing {
    /// The definitions, in a stable order.
    pub items: Vec<Box<RawValue>>,
    /// Who may see it.
    pub caller: Arc<Caller>,
}

/// Lists what `head`'s caller may use at its endpoint (AUTHZ-1).
pub async fn list(
    gateway: &Gateway,
    head: &Head,
    kind: ListKind,
    era: Era,
) -> Result<Listing, Refusal> {
    let mut record = record::open(gateway, EventKind::CatalogList, head)?;
    record.detail("list", kind.method().into());
    let listing = listed(gateway, &mut record, head, kind, era);
    let listed = match gateway.until_cut_off(listing).await {
        Some(Ok(listing)) => {
            record.detail("items", listing.items.len().into());
            record.ended(OutcomeStatus::Success);
            Ok(listing)
        }
        Some(Err(refusal)) => {
            record.refused(&refusal);
            Err(refusal)
        }
        None => Err(record.cut_off()),
    };
    record.close().await?;
    listed
}

async fn listed(
    gateway: &Gateway,
    record: &mut CallRecord,
    head: &Head,
    kind: ListKind,
    era: Era,
) -> Result<Listing, Refusal> {
    let caller = authenticate::authenticate(gateway, record, head).await?;
    gateway.catalog.first_listings(&head.endpoint).await;
    Ok(Listing {
        items: visible(gateway, &caller, &head.endpoint, kind, era),
        caller,
    })
}

/// Authenticates for requests that neither call nor list: `initialize`, `server/discover`, `ping`,
/// streams. A refusal is recorded; a success is recorded by what follows.
pub async fn open(gateway: &Gateway, head: &Head) -> Result<Arc<Caller>, Refusal> {
    match authenticate::identify(gateway, head).await {
        Ok(caller) => {
            if let Err(refusal) = gateway.kill_switches.check_caller(&caller) {
                let (event, caller) = (EventKind::RequestRefused, Some(&*caller));
                turned_away::note(gateway, event, head, caller, &refusal).await?;
                return Err(refusal);
            }
            gateway.catalog.first_listings(&head.endpoint).await;
            Ok(caller)
        }
        Err(refusal) => {
            let event = EventKind::AuthenticationFailure;
            turned_away::note(gateway, event, head, None, &refusal).await?;
            Err(refusal)
        }
    }
}

/// Records that `session` of a legacy revision was opened or closed, and why it was closed.
pub(crate) async fn note_session(
    gateway: &Gateway,
    head: &Head,
    session: Uuid,
    caller: CallerNote,
    event: EventKind,
    why: Option<&'static str>,
) -> Result<(), Refusal> {
    let mut record = record::open(gateway, event, head)?;
    record.caller_note(caller);
    record.detail("session", session.to_string().into());
    if let Some(why) = why {
        record.detail("why", why.into());
    }
    record.ended(OutcomeStatus::Success);
    record.close().await
}

/// The tasks of `head`'s caller that were made at its endpoint through this node, oldest first. Their states
/// are asked for one by one, by the road.
pub(crate) async fn own_tasks(gateway: &Gateway, head: &Head) -> Result<OwnTasks, Refusal> {
    let mut record = record::open(gateway, EventKind::CatalogList, head)?;
    record.detail("list", "tasks/list".into());
    let listed = authenticate::authenticate(gateway, &mut record, head).await;
    let listed = listed.map(|caller| {
        let mut known = gateway.state.tasks.of(&caller.principal.id);
        if let Endpoint::Connector(name) = &head.endpoint {
            known.retain(|known| known.connector == *name);
        }
        let ids = known.into_iter().map(|known| known.sealed).collect();
        OwnTasks { ids, caller }
    });
    match &listed {
        Ok(own) => {
            record.detail("items", own.ids.len().into());
            record.ended(OutcomeStatus::Success);
        }
        Err(refusal) => record.refused(refusal),
    }
    record.close().await?;
    listed
}

/// Somebody's tasks.
#[derive(Debug)]
pub(crate) struct OwnTasks {
    /// Their sealed ids.
    pub(crate) ids: Vec<String>,
    /// Whose they are.
    pub(crate) caller: Arc<Caller>,
}

/// What the gate says of itself at an endpoint, in a revision.
pub fn server_info(gateway: &Gateway, endpoint: &Endpoint, revision: Revision) -> ServerInfo {
    gateway.catalog.server_info(endpoint, revision)
}

fn visible(
    gateway: &Gateway,
    caller: &Arc<Caller>,
    endpoint: &Endpoint,
    kind: ListKind,
    era: Era,
) -> Vec<Box<RawValue>> {
    let aggregate = *endpoint == Endpoint::All;
    let entries = gateway.catalog.behind(endpoint);
    match kind {
        ListKind::Tools => visible_tools(gateway, caller, &entries, aggregate, era),
        ListKind::Resources | ListKind::ResourceTemplates | ListKind::Prompts => {
            visible_others(gateway, caller, &entries, kind, aggregate)
        }
    }
}

fn visible_tools(
    gateway: &Gateway,
    caller: &Arc<Caller>,
    entries: &[Arc<Entry>],
    aggregate: bool,
    era: Era,
) -> Vec<Box<RawValue>> {
    let listings: Vec<_> = entries
        .iter()
        // Until 2025-11-25 the client asks for tasks, and must know where it may.
        .map(|entry| {
            (
                entry.listing(),
                era == Era::Legacy && entry.decides_on_tasks(),
            )
        })
        .collect();
    let known: Vec<_> = listings
        .iter()
        .flat_map(|(listing, tasks)| listing.tools.values().map(move |known| (known, *tasks)))
        .collect();
    let tools: Vec<_> = known
        .iter()
        .map(|(known, _)| Arc::clone(&known.tool))
        .collect();
    let allowed = gateway.policy.visible(caller, &tools, gateway.clock.now());
    known
        .iter()
        .zip(allowed)
        .filter(|((known, _), allowed)| {
            *allowed
                && known.quarantine.is_none()
                && !gateway.kill_switches.hides(&known.tool.target)
        })
        .map(|((known, tasks), _)| {
            let definition = if aggregate {
                known.public_definition()
            } else {
                known.definition.raw.clone()
            };
            if *tasks {
                with_optional_support(&definition)
            } else {
                definition
            }
        })
        .collect()
}

fn visible_others(
    gateway: &Gateway,
    caller: &Arc<Caller>,
    entries: &[Arc<Entry>],
    kind: ListKind,
    aggregate: bool,
) -> Vec<Box<RawValue>> {
    let (member, target_kind) = match kind {
        ListKind::Tools | ListKind::Prompts => ("name", TargetKind::Prompt),
        ListKind::Resources => ("uri", TargetKind::Resource),
        ListKind::ResourceTemplates => ("uriTemplate", TargetKind::Resource),
    };
    let mut items = Vec::new();
    let mut targets = Vec::new();
    for entry in entries {
        let listing = entry.listing();
        let raws = match kind {
            ListKind::Tools | ListKind::Prompts => &listing.prompts,
            ListKind::Resources => &listing.resources,
            ListKind::ResourceTemplates => &listing.templates,
        };
        for raw in raws {
            let Ok(item) = RawObject::from_raw(raw) else {
                continue;
            };
            let Some(name) = item.get_str(member).map(Cow::into_owned) else {
                continue;
            };
            targets.push(Arc::new(read_only_target(
                &entry.connector,
                target_kind,
                &name,
            )));
            items.push(if aggregate {
                public(&entry.connector.name, kind, item, &name, raw)
            } else {
                raw.clone()
            });
        }
    }
    let allowed = gateway
        .policy
        .visible(caller, &targets, gateway.clock.now());
    items
        .into_iter()
        .zip(targets)
        .zip(allowed)
        .filter(|((_, tool), allowed)| *allowed && !gateway.kill_switches.hides(&tool.target))
        .map(|((item, _), _)| item)
        .collect()
}

/// The definition as clients of the endpoint of all connectors see it.
fn public(
    connector: &ConnectorName,
    kind: ListKind,
    mut item: RawObject,
    name: &str,
    raw: &RawValue,
) -> Box<RawValue> {
    let rewriter = UriRewriter::new(connector);
    let rewritten = match kind {
        ListKind::Tools | ListKind::Prompts => {
            item.set_str("name", &names::public_name(connector, name));
            return item.to_raw();
        }
        ListKind::Resources => rewriter.listed_resource(raw),
        ListKind::ResourceTemplates => rewriter.listed_template(raw),
    };
    rewritten.unwrap_or_else(|| raw.to_owned())
}
