//! What is being called, and at which upstream.

use std::sync::Arc;

use sekimori_domain::caller::Caller;
use sekimori_domain::catalog::{TargetKind, Tool};
use sekimori_domain::refusal::{Need, Refusal, RefusalCode, Stage};
use sekimori_mcp::revision::{Era, extension};
use sekimori_mcp::tasks::declared;
use serde_json::json;

use crate::Gateway;
use crate::catalog::Entry;
use crate::catalog::listing::{CatalogTool, read_only_target};
use crate::request::{CallRequest, ClientFeatures, Endpoint, Operation};
use crate::stage::deferred;
use crate::stage::record::CallRecord;
use crate::tasks::{self, TaskHandle};

/// What is being called.
#[derive(Debug)]
pub(crate) struct Resolved {
    /// As policy sees it.
    pub(crate) tool: Arc<Tool>,
    /// The connector, its client and its state.
    pub(crate) entry: Arc<Entry>,
    /// The definition, for tools that are called.
    pub(crate) definition: Option<Arc<CatalogTool>>,
    /// The task, for methods on a task.
    pub(crate) task: Option<TaskHandle>,
}

/// Finds the tool, resource, prompt or task behind the public name and notes it in the record.
pub(crate) async fn resolve(
    gateway: &Gateway,
    record: &mut CallRecord,
    caller: &Caller,
    request: &CallRequest,
) -> Result<Resolved, Refusal> {
    let endpoint = &request.head.endpoint;
    let resolved = match &request.operation {
        Operation::CallTool { name } => {
            record.asked_for(name);
            let (entry, known) = gateway.catalog.tool(endpoint, name).await?;
            Resolved {
                tool: Arc::clone(&known.tool),
                entry,
                definition: Some(known),
                task: None,
            }
        }
        Operation::ReadResource { uri }
        | Operation::SubscribeResource { uri }
        | Operation::UnsubscribeResource { uri }
        | Operation::CompleteResource { uri } => {
            record.asked_for(uri);
            let (entry, own) = gateway.catalog.resource(endpoint, uri)?;
            read_only(entry, TargetKind::Resource, &own)
        }
        Operation::GetPrompt { name } | Operation::CompletePrompt { name } => {
            record.asked_for(name);
            let (entry, own) = gateway.catalog.prompt(endpoint, name)?;
            read_only(entry, TargetKind::Prompt, &own)
        }
        Operation::Task { id, .. } if may_hold_tasks(&request.client) => {
            task(gateway, caller, endpoint, id).await?
        }
        Operation::Task { .. } => return Err(needs_tasks(Stage::Resolve)),
    };
    record.target(&resolved.tool);
    gateway.kill_switches.check_tool(&resolved.tool.target)?;
    let known = resolved.definition.as_ref();
    if let Some(quarantine) = known.and_then(|known| known.quarantine.as_ref()) {
        return Err(quarantine.refusal(&resolved.tool.target));
    }
    Ok(resolved)
}

fn read_only(entry: Arc<Entry>, kind: TargetKind, name: &str) -> Resolved {
    let tool = Arc::new(read_only_target(&entry.connector, kind, name));
    Resolved {
        tool,
        entry,
        definition: None,
        task: None,
    }
}

/// The refusal for a modern client that uses tasks and does not say that it knows them.
pub(crate) fn needs_tasks(stage: Stage) -> Refusal {
    let why = "declare the extension io.modelcontextprotocol/tasks to use tasks";
    let needed = json!({ "extensions": { (extension::TASKS): {} } });
    Refusal::new(RefusalCode::MissingCapability, stage, why).needing(Need::Capabilities(needed))
}

/// Since 2026-07-28 tasks are an extension that the client declares with each request.
fn may_hold_tasks(client: &ClientFeatures) -> bool {
    client.era == Era::Legacy || declared(&client.capabilities)
}

/// A task is under the same policy as the tool that made it: who lost the tool lost its tasks.
async fn task(
    gateway: &Gateway,
    caller: &Caller,
    endpoint: &Endpoint,
    sealed: &str,
) -> Result<Resolved, Refusal> {
    let unknown = || {
        Refusal::new(
            RefusalCode::UnknownTarget,
            Stage::Resolve,
            "unknown or expired task",
        )
    };
    let handle = tasks::open(gateway, &caller.principal.id, sealed).ok_or_else(unknown)?;
    let handle = deferred::lead(gateway, caller, handle).await?;
    let handle = handle.ok_or_else(unknown)?;
    if let Endpoint::Connector(name) = endpoint
        && *name != handle.connector
    {
        return Err(unknown());
    }
    let own = Endpoint::Connector(handle.connector.clone());
    let (entry, known) = gateway.catalog.tool(&own, &handle.tool).await?;
    Ok(Resolved {
        tool: Arc::clone(&known.tool),
        entry,
        definition: None,
        task: Some(handle),
    })
}
