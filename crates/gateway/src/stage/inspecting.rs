//! What both stages of inspection share: between whom content passes, and what their conversation has read.

use std::sync::Arc;
use std::time::Duration;

use sekimori_domain::arguments::Arguments;
use sekimori_domain::caller::Caller;
use sekimori_domain::ids::CorrelationId;
use sekimori_domain::inspection::{Conversation, FlowLabel, FlowLabels, LabelSource};
use sekimori_domain::refusal::{Refusal, RefusalCode, Stage};
use sekimori_domain::road::Permit;
use sekimori_inspect::rules::{Direction, Passage};
use sekimori_inspect::{CallContext, Checked, Inspector, Issued, Report, Tokens, tokens_in};
use serde_json::value::RawValue;

use crate::Gateway;
use crate::rehearsal::Purpose;
use crate::request::Head;
use crate::stage::record::CallRecord;
use crate::stage::resolve::Resolved;
use crate::token_vault::{Scope, VaultError};

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
    /// The tokens in the arguments that are replaced by what they stand for.
    restored: Vec<Issued>,
    /// Names the marks around what is no instruction. Nobody outside knows the id of a call before it ends.
    marker: String,
    /// Names the request for whoever reports a false alarm.
    correlation: CorrelationId,
    purpose: Purpose,
}

impl Inspecting {
    /// For a call of that tool. What is not known before the policy decided comes with [`permitted`](Self::permitted).
    pub(crate) fn new(
        caller: &Arc<Caller>,
        resolved: &Resolved,
        head: &Head,
        purpose: Purpose,
    ) -> Self {
        let session = head.session.map(|session| session.to_string());
        let conversation =
            Conversation::of(&caller.principal.id, &caller.client.id, session.as_deref());
        Self {
            passage: Passage {
                caller: Arc::clone(caller),
                tool: Arc::clone(&resolved.tool),
                connector: Arc::clone(&resolved.entry.connector),
            },
            conversation,
            stored: Vec::new(),
            restored: Vec::new(),
            marker: String::new(),
            correlation: head.correlation.clone(),
            purpose,
        }
    }

    /// What the permit is for: arguments may have said more of the tool, and the caller may have proved more.
    pub(crate) fn permitted(&mut self, permit: &Permit) {
        self.passage.caller = Arc::clone(permit.caller());
        self.passage.tool = Arc::clone(permit.tool());
        self.marker = permit.call().to_string();
    }

    /// Looks up what the tokens in the arguments stand for, where this tool gets it. Whatever judges the arguments
    /// judges what the tool will get.
    pub(crate) async fn recall(
        &mut self,
        gateway: &Gateway,
        arguments: &Arguments,
    ) -> Result<(), Refusal> {
        let found = self.known_in(gateway, arguments.raw().get(), Stage::Validate);
        self.restored = found.await?;
        Ok(())
    }

    /// What the tokens in a text stand for, where this tool gets it.
    async fn known_in(
        &self,
        gateway: &Gateway,
        text: &str,
        stage: Stage,
    ) -> Result<Vec<Issued>, Refusal> {
        // Most texts hold no token and need no look at the rules.
        if !text.contains("[[") || !gateway.inspector.restores(&self.passage) {
            return Ok(Vec::new());
        }
        let (tokens, now) = (tokens_in(text), gateway.clock.now());
        let found = gateway.tokens.find(self.scope(), &tokens, now).await;
        found.map_err(|error| vault_failed(&error, stage))
    }

    /// The arguments as the tool will get them, if tokens in them are replaced.
    pub(crate) fn restored(&self, arguments: &Arguments) -> Option<Arguments> {
        let tokens = Tokens {
            tokeniser: None,
            restored: self.restored.clone(),
        };
        let text = tokens.restore(arguments.raw().get())?;
        Arguments::parse(Some(text.as_bytes())).ok()
    }

    /// A refusal of the arguments without what tokens stand for: a place in them may be named by it.
    pub(crate) fn discreet(&self, refusal: Refusal) -> Refusal {
        let told = |one: &Issued| refusal.message.contains(&one.value);
        if self.restored.iter().any(told) {
            let message = "what the tokens in the arguments stand for does not fit the tool";
            return Refusal {
                message: message.to_owned(),
                ..refusal
            };
        }
        refusal
    }

    /// What inspection has to know of a call besides its arguments.
    pub(crate) async fn context(&self, gateway: &Gateway) -> Result<CallContext, Refusal> {
        Ok(CallContext {
            read_before: self.read_before(gateway).await?,
            tokens: self.tokens(gateway, Direction::Input).await?,
        })
    }

    /// The tokens of the conversation, as far as content in that direction needs them.
    async fn tokens(&self, gateway: &Gateway, direction: Direction) -> Result<Tokens, Refusal> {
        let tokeniser = if gateway.inspector.tokenises(&self.passage, direction) {
            let (now, life) = (gateway.clock.now(), window(gateway));
            let made = gateway.tokens.tokeniser(self.scope(), now, life).await;
            Some(Arc::new(made.map_err(|error| {
                vault_failed(&error, stage_of(direction))
            })?))
        } else {
            None
        };
        Ok(Tokens {
            tokeniser,
            restored: self.restored.clone(),
        })
    }

    /// Keeps what new tokens stand for, before anybody gets them.
    async fn keep(
        &self,
        gateway: &Gateway,
        issued: &[Issued],
        stage: Stage,
    ) -> Result<(), Refusal> {
        // Tokens of a call that is only tried out reach nobody.
        if self.purpose == Purpose::Rehearsal {
            return Ok(());
        }
        let (now, life) = (gateway.clock.now(), window(gateway));
        let kept = gateway.tokens.keep(self.scope(), issued, now, life).await;
        kept.map_err(|error| vault_failed(&error, stage))
    }

    /// Whose tokens it sees.
    fn scope(&self) -> Scope<'_> {
        Scope {
            id: &self.conversation.id,
            owner: &self.conversation.principal,
        }
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
        let tokens = self.tokens(gateway, Direction::Output).await?;
        let marker = self.marker.clone();
        let checked = aside(gateway, bytes, move |inspector| {
            inspector.inspect_output(content, &passage, &tokens, &marker)
        })
        .await
        .ok_or_else(|| interrupted(Stage::InspectOutput))?;
        let gained = checked.report.gained.clone();
        let result = self.reportable(gateway, &checked.report, checked.result);
        record.inspected(checked.report);
        let released = result?;
        self.keep(gateway, &checked.issued, Stage::InspectOutput)
            .await?;
        self.remember(gateway, &gained).await?;
        Ok(released.into_inner())
    }

    /// Inspects what the client says besides the arguments on the way to the upstream, and notes it.
    pub(crate) async fn answer(
        &mut self,
        gateway: &Gateway,
        record: &mut CallRecord,
        content: Box<RawValue>,
    ) -> Result<Box<RawValue>, Refusal> {
        let known = self.known_in(gateway, content.get(), Stage::InspectInput);
        let known = known.await?;
        self.restored.extend(known);
        let passage = self.passage.clone();
        let bytes = content.get().len();
        let tokens = self.tokens(gateway, Direction::Input).await?;
        let checked = aside(gateway, bytes, move |inspector| {
            inspector.inspect_answer(content, &passage, &tokens)
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
        let result = self.reportable(gateway, &checked.report, checked.result);
        record.inspected(checked.report);
        let passed = result?;
        self.keep(gateway, &checked.issued, Stage::InspectInput)
            .await?;
        Ok(passed)
    }

    /// Tells whoever is stopped because of what was found where to say that it is nothing of the kind. Many clients
    /// show people the text of a refusal and nothing else.
    fn reportable<T>(
        &self,
        gateway: &Gateway,
        report: &Report,
        result: Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let found = report.findings.iter().any(|line| line.rule.is_some());
        result.map_err(|mut refusal| {
            let real = self.purpose != Purpose::Rehearsal;
            if refusal.code == RefusalCode::ContentBlocked && found && real {
                let gate = gateway.identity.public_url().as_str();
                let page = format!("{gate}/ui/false-alarm?request={}", self.correlation);
                refusal.message.push_str(
                    "\n検出が誤りの場合は、次のページから報告できます (if it is nothing of the kind, report it here): ",
                );
                refusal.message.push_str(&page);
            }
            refusal
        })
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
        let window = window(gateway);
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
        "内容を検査できなかったため通せません。時間をおいて再度お試しください (the content could not be inspected, so it does not pass; try again later)",
    )
}

/// For how long a conversation keeps what it has read, and its tokens.
fn window(gateway: &Gateway) -> Duration {
    gateway.inspector.rules().settings.window()
}

fn stage_of(direction: Direction) -> Stage {
    match direction {
        Direction::Input => Stage::InspectInput,
        Direction::Output => Stage::InspectOutput,
    }
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
