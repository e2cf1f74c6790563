//! What both stages of inspection share: between whom content passes, and what their conversation has read.

use std::sync::Arc;

use sekimori_domain::arguments::Arguments;
use sekimori_domain::inspection::{Conversation, FlowLabel, FlowLabels, LabelSource};
use sekimori_domain::refusal::{Refusal, RefusalCode, Stage};
use sekimori_domain::road::Permit;
use sekimori_inspect::rules::Passage;
use sekimori_inspect::{CallContext, Checked, Inspector, Issued, tokens_in};
use serde_json::value::RawValue;

use crate::Gateway;
use crate::request::Head;
use crate::stage::record::CallRecord;
use crate::stage::resolve::Resolved;
use crate::vault::VaultError;

/// Larger contents are inspected beside the tasks that serve everybody.
const ASIDE_BYTES: usize = 32 * 1024;

/// The inspection of one call.
#[derive(Debug)]
pub(crate) struct Inspecting {
    /// Between whom.
    pub(crate) passage: Passage,
    /// To whose labels this call may add.
    conversation: Conversation,
    /// Labels that are known to be stored.
    stored: Vec<FlowLabel>,
}

impl Inspecting {
    /// For the call that the permit is for.
    pub(crate) fn new(permit: &Permit, resolved: &Resolved, head: &Head) -> Self {
        let caller = Arc::clone(permit.caller());
        let session = head.session.map(|session| session.to_string());
        let conversation =
            Conversation::of(&caller.principal.id, &caller.client.id, session.as_deref());
        Self {
            passage: Passage {
                caller,
                tool: Arc::clone(permit.tool()),
                connector: Arc::clone(&resolved.entry.connector),
            },
            conversation,
            stored: Vec::new(),
        }
    }

    /// What inspection has to know of a call besides its arguments.
    pub(crate) async fn context(
        &self,
        gateway: &Gateway,
        arguments: &Arguments,
    ) -> Result<CallContext, Refusal> {
        let text = arguments.raw().get();
        // Most calls hold no token and need no look at the rules.
        let known = if text.contains("[[") && gateway.inspector.restores(&self.passage) {
            let owner = (&*self.conversation.id, &self.conversation.principal);
            let (tokens, now) = (tokens_in(text), gateway.clock.now());
            let found = gateway.vault.find(owner, &tokens, now).await;
            found.map_err(|error| vault_failed(&error, Stage::InspectInput))?
        } else {
            Vec::new()
        };
        Ok(CallContext {
            read_before: self.read_before(gateway).await?,
            scope: self.conversation.id.clone(),
            known,
        })
    }

    /// Keeps what new tokens stand for, before anybody gets them.
    async fn keep(
        &self,
        gateway: &Gateway,
        issued: &[Issued],
        stage: Stage,
    ) -> Result<(), Refusal> {
        if issued.is_empty() {
            return Ok(());
        }
        let now = gateway.clock.now();
        let life = gateway.inspector.rules().settings.window();
        let owner = (&*self.conversation.id, &self.conversation.principal);
        let kept = gateway.vault.keep(owner, issued, now, life).await;
        kept.map_err(|error| vault_failed(&error, stage))
    }

    /// The scope of its tokens.
    pub(crate) fn scope(&self) -> String {
        self.conversation.id.clone()
    }

    /// What the conversation has read, where that matters for this call.
    async fn read_before(&self, gateway: &Gateway) -> Result<FlowLabels, Refusal> {
        if !gateway.inspector.minds_flow(&self.passage) {
            return Ok(FlowLabels::new());
        }
        let now = gateway.clock.now();
        let labels = gateway.conversations.labels(&self.conversation.id, now);
        labels
            .await
            .map_err(|error| unavailable(&error, Stage::InspectInput))
    }

    /// Inspects what the upstream says on the way to the client, notes it, and remembers that it was read.
    pub(crate) async fn output(
        &mut self,
        gateway: &Gateway,
        record: &mut CallRecord,
        content: Box<RawValue>,
    ) -> Result<Box<RawValue>, Refusal> {
        let passage = self.passage.clone();
        let bytes = content.get().len();
        let scope = self.scope();
        let checked = aside(gateway, bytes, move |inspector| {
            inspector.inspect_output(content, &passage, &scope)
        })
        .await
        .ok_or_else(|| interrupted(Stage::InspectOutput))?;
        let gained = checked.report.gained.clone();
        record.inspected(checked.report);
        let released = checked.result?;
        self.keep(gateway, &checked.issued, Stage::InspectOutput)
            .await?;
        self.remember(gateway, &gained).await?;
        Ok(released.into_inner())
    }

    /// Inspects what the client says besides the arguments on the way to the upstream, and notes it.
    pub(crate) async fn answer(
        &self,
        gateway: &Gateway,
        record: &mut CallRecord,
        content: Box<RawValue>,
    ) -> Result<Box<RawValue>, Refusal> {
        let passage = self.passage.clone();
        let bytes = content.get().len();
        let scope = self.scope();
        let checked = aside(gateway, bytes, move |inspector| {
            inspector.inspect_answer(content, &passage, &scope)
        })
        .await
        .ok_or_else(|| interrupted(Stage::InspectInput))?;
        self.accepted(gateway, record, checked).await
    }

    /// Notes an inspection on the way in, and keeps the tokens that it made.
    pub(crate) async fn accepted<T>(
        &self,
        gateway: &Gateway,
        record: &mut CallRecord,
        checked: Checked<T>,
    ) -> Result<T, Refusal> {
        record.inspected(checked.report);
        let passed = checked.result?;
        self.keep(gateway, &checked.issued, Stage::InspectInput)
            .await?;
        Ok(passed)
    }

    /// Stores that the conversation has read something of these kinds, before the client gets it.
    async fn remember(&mut self, gateway: &Gateway, gained: &[FlowLabel]) -> Result<(), Refusal> {
        let new: Vec<FlowLabel> = gained
            .iter()
            .copied()
            .filter(|label| !self.stored.contains(label))
            .collect();
        if new.is_empty() {
            return Ok(());
        }
        let now = gateway.clock.now();
        let window = gateway.inspector.rules().settings.window();
        let expires_at = now.checked_add(window).unwrap_or(jiff::Timestamp::MAX);
        let soon = now.checked_add(window / 2).unwrap_or(jiff::Timestamp::MAX);
        let conversations = &gateway.conversations;
        let failed = |error| unavailable(&error, Stage::InspectOutput);
        // Reading is cheap, writing is not: most calls of a conversation read what it has read before.
        let known = conversations.labels(&self.conversation.id, soon).await;
        let known = known.map_err(failed)?;
        if !new.iter().all(|label| known.contains_key(label)) {
            let mut more = self.conversation.clone();
            more.updated_at = now;
            more.expires_at = expires_at;
            for label in &new {
                let source = LabelSource {
                    connector: self.passage.connector.name.clone(),
                    at: now,
                };
                more.labels.insert(*label, source);
            }
            conversations.add(&more).await.map_err(failed)?;
        }
        self.stored.extend(new);
        Ok(())
    }
}

/// Runs an inspection, of a large content on a thread of its own. `None` if that was lost.
pub(crate) async fn aside<T: Send + 'static>(
    gateway: &Gateway,
    bytes: usize,
    inspect: impl FnOnce(&Inspector) -> T + Send + 'static,
) -> Option<T> {
    if bytes < ASIDE_BYTES {
        return Some(inspect(&gateway.inspector));
    }
    let inspector = Arc::clone(&gateway.inspector);
    tokio::task::spawn_blocking(move || inspect(&inspector))
        .await
        .ok()
}

/// What is not inspected does not pass.
pub(crate) fn interrupted(stage: Stage) -> Refusal {
    tracing::error!(
        alert = true,
        "an inspection was lost; the content is kept back"
    );
    Refusal::new(
        RefusalCode::DependencyUnavailable,
        stage,
        "the content could not be inspected, so it does not pass; try again later",
    )
}

fn vault_failed(error: &VaultError, stage: Stage) -> Refusal {
    tracing::error!(
        alert = true,
        error = error as &dyn std::error::Error,
        "the vault of tokens can't be used; calls with tokens are turned back"
    );
    Refusal::new(
        RefusalCode::DependencyUnavailable,
        stage,
        "what the tokens stand for could not be kept or looked up; try again later",
    )
}

fn unavailable(error: &sekimori_store::StoreError, stage: Stage) -> Refusal {
    tracing::error!(
        alert = true,
        error = error as &dyn std::error::Error,
        "what conversations have read can't be stored or looked up; calls are turned back"
    );
    Refusal::new(
        RefusalCode::DependencyUnavailable,
        stage,
        "what this conversation has read before could not be looked up, so the answer is no; try again later",
    )
}
