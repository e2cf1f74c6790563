//! The only stage that leaves the building.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use sekimori_approval::{Granted, Pass};
use sekimori_domain::caller::Caller;
use sekimori_domain::catalog::Target;
use sekimori_domain::digest::Digest;
use sekimori_domain::ids::{ConnectorName, PrincipalId};
use sekimori_domain::refusal::{Refusal, RefusalCode, Stage};
use sekimori_domain::road::Warrant;
use sekimori_mcp::raw_object::RawObject;
use sekimori_mcp::revision::{Era, meta};
use sekimori_mcp::tasks::{Support, relate, related};
use sekimori_mcp::translate::result_to_legacy;
use sekimori_upstream::exchange::{Event, Exchange, Question, Reply};
use sekimori_upstream::{Outgoing, Questions};
use serde_json::value::RawValue;

use crate::Gateway;
use crate::catalog::refusal_of;
use crate::request::{CallRequest, ClientPort, Operation};
use crate::stage::deferred::Look;
use crate::stage::inspecting::Inspecting;
use crate::stage::record::CallRecord;
use crate::stage::resolve::Resolved;
use crate::stage::waiting::{Unparked, Waits, park, reopen, seal_state, unpark};
use crate::tasks::{self, TaskHandle};

/// What the stage needs besides the warrant.
pub(crate) struct Invocation<'a> {
    /// What is being called.
    pub(crate) resolved: Resolved,
    /// The request.
    pub(crate) request: CallRequest,
    /// The way back to the client.
    pub(crate) port: &'a mut dyn ClientPort,
    /// What passes on the way back is inspected too.
    pub(crate) inspecting: &'a mut Inspecting,
}

impl fmt::Debug for Invocation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Invocation")
            .field("resolved", &self.resolved)
            .finish_non_exhaustive()
    }
}

/// What the upstream answered.
#[derive(Debug)]
pub(crate) struct Output {
    /// Which connector.
    pub(crate) connector: ConnectorName,
    /// Its result or error, with handles sealed.
    pub(crate) reply: Reply,
    /// What kind of answer it is.
    pub(crate) kind: OutputKind,
    /// Whether its content was inspected when it came from the upstream.
    pub(crate) inspected: bool,
}

/// Kinds of answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OutputKind {
    /// Done.
    Complete,
    /// A tool result with `isError`, or a JSON-RPC error.
    Failed,
    /// The upstream needs something from the person first.
    InputRequired,
}

impl Output {
    /// The answer's JSON text.
    pub(crate) fn text(&self) -> &str {
        match &self.reply {
            Reply::Result(raw) | Reply::Error(raw) => raw.get(),
        }
    }
}

/// Calls the upstream, once, and waits for its answer.
pub(crate) async fn invoke(
    gateway: &Arc<Gateway>,
    record: &mut CallRecord,
    granted: Granted,
    mut invocation: Invocation<'_>,
) -> Result<Output, Refusal> {
    let Granted { warrant, pass } = granted;
    // Once more: somebody may have been asked meanwhile, and that takes time.
    gateway.kill_switches.check_caller(warrant.caller())?;
    gateway.kill_switches.check_tool(&warrant.tool().target)?;
    let waiting = reopen(gateway, &warrant, &mut invocation.request.rest)?;
    let call = Call {
        owner: warrant.caller().principal.id.clone(),
        caller: Arc::clone(warrant.caller()),
        target: warrant.tool().target.clone(),
        arguments: warrant.arguments().digest(),
        pass,
    };
    if let Some(output) = kept(gateway, &call, &invocation) {
        return Ok(output);
    }
    let deferred = invocation.resolved.task.as_ref();
    if let Some(id) = deferred.and_then(|task| task.approval.clone()) {
        record.detail("approval", id.as_str().into());
        let look = Look {
            gateway,
            caller: &call.caller,
            request: &invocation.request,
            id: &id,
        };
        return look.answer(invocation.port).await;
    }
    if !warrant.tool().class.is_read() {
        record.intent().await?; // durable before the upstream sees anything
    }
    if invocation.resolved.task.is_some() {
        let connector = &invocation.resolved.entry.connector;
        invocation.port.concerns(connector);
    }
    let exchange = match waiting {
        Some(Waits::Parked(id)) => match unpark(gateway, &call, id, &mut invocation)? {
            Unparked::GoesOn(exchange) => exchange,
            Unparked::StillAsking(output) => return Ok(output),
        },
        Some(Waits::Upstream(state)) => {
            if let Some(state) = state {
                invocation.request.rest.set_str("requestState", &state);
            }
            start(warrant, &mut invocation)
        }
        Some(Waits::Approval) | None => start(warrant, &mut invocation),
    };
    let ended = gateway.ended(&call.caller, Some(&call.target));
    tokio::select! {
        biased;
        // The exchange is dropped, which cancels it at the upstream.
        refusal = ended => Err(Refusal { stage: Stage::Invoke, ..refusal }),
        output = run(gateway, record, &call, exchange, &mut invocation) => output,
    }
}

/// The answer to a request about a task that this node keeps itself.
fn kept(gateway: &Gateway, call: &Call, invocation: &Invocation<'_>) -> Option<Output> {
    let id = invocation.resolved.task.as_ref()?.kept?;
    let request = &invocation.request;
    let Operation::Task { method, .. } = &request.operation else {
        return None;
    };
    let tasks = &gateway.state.tasks;
    let reply = tasks.answer(gateway, &call.owner, id, *method, request.client.era);
    let kind = match &reply {
        Reply::Result(_) => OutputKind::Complete,
        Reply::Error(_) => OutputKind::Failed,
    };
    Some(Output {
        connector: call.target.connector.clone(),
        reply,
        kind,
        inspected: false,
    })
}

/// The facts of a call that bind what waits for it.
pub(super) struct Call {
    pub(super) owner: PrincipalId,
    pub(super) caller: Arc<Caller>,
    pub(super) target: Target,
    pub(super) arguments: Digest,
    /// The agreement of people that it goes by.
    pub(super) pass: Option<Pass>,
}

fn start(warrant: Warrant, invocation: &mut Invocation<'_>) -> Exchange {
    // Nobody needs them here any more, but whether a task was asked for.
    let mut rest = std::mem::take(&mut invocation.request.rest);
    if let Some(task) = rest.get("task") {
        invocation.request.rest.set("task", task.to_owned());
    }
    let request = &invocation.request;
    let entry = &invocation.resolved.entry;
    let questions = if invocation.port.can_ask() {
        Questions::Relay
    } else {
        Questions::Passthrough
    };
    if let Some(token) = &request.client.progress_token {
        rest.edit_meta(|members| members.set(meta::PROGRESS_TOKEN, token.clone()));
    }
    let task_support = invocation
        .resolved
        .definition
        .as_ref()
        .map(|known| Support::of(&known.definition.raw))
        .unwrap_or_default();
    let outgoing = Outgoing {
        method: request.operation.method().to_owned(),
        era: request.client.era,
        task_support,
        rest,
        client_capabilities: Some(request.client.capabilities.to_raw()),
        log_level: request.client.log_level.clone(),
        progress: request.client.progress_token.is_some(),
        questions,
    };
    entry.upstream.invoke(warrant, outgoing)
}

async fn run(
    gateway: &Gateway,
    record: &mut CallRecord,
    call: &Call,
    mut exchange: Exchange,
    invocation: &mut Invocation<'_>,
) -> Result<Output, Refusal> {
    loop {
        let event = tokio::select! {
            biased;
            event = exchange.next() => event,
            () = invocation.port.gone() => {
                return Err(refuse(RefusalCode::Cancelled, "the caller cancelled the call"));
            }
        };
        match event {
            Some(Event::Notification { method, params }) => {
                let params = match params {
                    Some(params) => {
                        let inspecting = &mut *invocation.inspecting;
                        Some(inspecting.output(gateway, record, params).await?)
                    }
                    None => None,
                };
                invocation.port.notify(&method, params).await;
            }
            Some(Event::Ask(ask)) if invocation.port.can_ask() => {
                let mut answers = Vec::with_capacity(ask.questions.len());
                for question in ask.questions {
                    answers.push(put(gateway, record, call, invocation, question).await?);
                }
                // If the upstream gave up meanwhile, the exchange says so next.
                let _given_up = ask.answers.send(answers).is_err();
            }
            Some(Event::Ask(ask)) => return park(gateway, call, exchange, ask),
            Some(Event::Done(Ok(reply))) => return finish(gateway, call, reply, invocation),
            Some(Event::Done(Err(error))) => return Err(refusal_of(&error)),
            None => {
                let why = "the upstream connection ended without an answer";
                return Err(refuse(RefusalCode::UpstreamUnavailable, why));
            }
        }
    }
}

/// Puts a question to the client; question and answer are inspected.
async fn put(
    gateway: &Gateway,
    record: &mut CallRecord,
    call: &Call,
    invocation: &mut Invocation<'_>,
    mut question: Question,
) -> Result<Reply, Refusal> {
    if let Some(params) = question.params.take() {
        let inspecting = &mut *invocation.inspecting;
        question.params = Some(inspecting.output(gateway, record, params).await?);
    }
    Ok(match ask(gateway, call, invocation, question).await? {
        Reply::Result(answer) => Reply::Result(
            invocation
                .inspecting
                .answer(gateway, record, answer)
                .await?,
        ),
        Reply::Error(error) => {
            Reply::Error(invocation.inspecting.answer(gateway, record, error).await?)
        }
    })
}

/// Asks the client. The task that it belongs to goes out sealed, and comes back as it was.
async fn ask(
    gateway: &Gateway,
    call: &Call,
    invocation: &mut Invocation<'_>,
    mut question: Question,
) -> Result<Reply, Refusal> {
    let Some(id) = related(question.params.as_deref()) else {
        return Ok(invocation.port.ask(question).await);
    };
    let sealed = sealed_task(gateway, call, invocation, &id)?;
    question.params = question.params.map(|params| relate(&params, &sealed));
    Ok(match invocation.port.ask(question).await {
        Reply::Result(answer) if related(Some(&answer)).is_some() => {
            Reply::Result(relate(&answer, &id))
        }
        reply => reply,
    })
}

/// Seals the handles in an answer, and tells what kind of answer it is.
fn finish(
    gateway: &Gateway,
    call: &Call,
    reply: Reply,
    invocation: &Invocation<'_>,
) -> Result<Output, Refusal> {
    let connector = call.target.connector.clone();
    let result = match reply {
        Reply::Error(error) => {
            return Ok(Output {
                connector,
                reply: Reply::Error(error),
                kind: OutputKind::Failed,
                inspected: false,
            });
        }
        Reply::Result(result) => result,
    };
    // Most results need no look inside: only those that may hold a handle, or say that they failed.
    let text = result.get();
    let may_hold = ["\"resultType\"", "\"taskId\"", "\"isError\""];
    if !may_hold.iter().any(|member| text.contains(member)) {
        let result = keep(gateway, call, invocation, OutputKind::Complete, result)?;
        return Ok(Output {
            connector,
            reply: Reply::Result(result),
            kind: OutputKind::Complete,
            inspected: false,
        });
    }
    let mut members = RawObject::from_raw(&result).map_err(|_| {
        refuse(
            RefusalCode::UpstreamInvalid,
            "the upstream's result is no object",
        )
    })?;
    let mut kind = OutputKind::Complete;
    let mut changed = false;
    if members.get_bool("isError") == Some(true) {
        kind = OutputKind::Failed;
    }
    if members.get_str("resultType").as_deref() == Some("input_required") {
        kind = OutputKind::InputRequired;
        let state = members.get_str("requestState").map(Cow::into_owned);
        let sealed = seal_state(gateway, call, Waits::Upstream(state))?;
        members.set_str("requestState", &sealed);
        changed = true;
    }
    changed |= seal_tasks(gateway, call, invocation, &mut members)?;
    let result = if changed { members.to_raw() } else { result };
    let result = keep(gateway, call, invocation, kind, result)?;
    Ok(Output {
        connector,
        reply: Reply::Result(result),
        kind,
        inspected: false,
    })
}

/// Task ids go out sealed: routed to their connector, and bound to their owner.
fn seal_tasks(
    gateway: &Gateway,
    call: &Call,
    invocation: &Invocation<'_>,
    members: &mut RawObject,
) -> Result<bool, Refusal> {
    let seal = |id: &str| sealed_task(gateway, call, invocation, id);
    let is_new = matches!(invocation.request.operation, Operation::CallTool { .. });
    let mut changed = false;
    let mut made = None;
    if let Some(id) = members.get_str("taskId").map(Cow::into_owned) {
        let sealed = seal(&id)?;
        members.set_str("taskId", &sealed);
        made = Some(sealed);
        changed = true;
    }
    if let Some(mut task) = members.get_object("task")
        && let Some(id) = task.get_str("taskId").map(Cow::into_owned)
    {
        let sealed = seal(&id)?;
        task.set_str("taskId", &sealed);
        members.set("task", task.to_raw());
        made = Some(sealed);
        changed = true;
    }
    if let Some(id) = related(Some(&members.to_raw())) {
        let sealed = seal(&id)?;
        members.edit_meta(|meta| {
            meta.edit(meta::RELATED_TASK, |task| task.set_str("taskId", &sealed));
        });
        changed = true;
    }
    if let Some(sealed) = made.filter(|_| is_new) {
        let connector = &call.target.connector;
        gateway
            .state
            .tasks
            .remember(&call.owner, connector, &sealed);
    }
    Ok(changed)
}

/// The sealed form of an upstream's task id.
fn sealed_task(
    gateway: &Gateway,
    call: &Call,
    invocation: &Invocation<'_>,
    id: &str,
) -> Result<String, Refusal> {
    if let Operation::Task { id: held, .. } = &invocation.request.operation
        && invocation
            .resolved
            .task
            .as_ref()
            .is_some_and(|task| task.id == id)
    {
        return Ok(held.clone());
    }
    tasks::seal(gateway, &call.owner, &tasks::handle(&call.target, id))
}

/// A client of 2025-11-25 that asks for a task must get one. A modern upstream decides itself whether it
/// makes one; if it was done at once, its result is kept here.
fn keep(
    gateway: &Gateway,
    call: &Call,
    invocation: &Invocation<'_>,
    kind: OutputKind,
    result: Box<RawValue>,
) -> Result<Box<RawValue>, Refusal> {
    let request = &invocation.request;
    let wants_task = request.client.era == Era::Legacy
        && matches!(request.operation, Operation::CallTool { .. })
        && request.rest.get_object("task").is_some()
        && kind != OutputKind::InputRequired
        && invocation.resolved.entry.decides_on_tasks();
    if !wants_task || RawObject::from_raw_or_empty(Some(&result)).contains("task") {
        return Ok(result);
    }
    let id = gateway.ids.next();
    let handle = TaskHandle {
        kept: Some(id),
        ..tasks::handle(&call.target, &id.to_string())
    };
    let sealed = tasks::seal(gateway, &call.owner, &handle)?;
    let tasks = &gateway.state.tasks;
    let result = result_to_legacy("tools/call", &result);
    let task = tasks
        .keep(gateway, &call.owner, id, &sealed, result)
        .ok_or_else(|| refuse(RefusalCode::Busy, "there is no room for the task's result"))?;
    tasks.remember(&call.owner, &call.target.connector, &sealed);
    let mut created = RawObject::new();
    created.set("task", task.to_raw());
    Ok(created.to_raw())
}

pub(super) fn sealing_failed() -> Refusal {
    refuse(
        RefusalCode::DependencyUnavailable,
        "a handle could not be sealed",
    )
}

pub(super) fn refuse(code: RefusalCode, message: &str) -> Refusal {
    Refusal::new(code, Stage::Invoke, message)
}
