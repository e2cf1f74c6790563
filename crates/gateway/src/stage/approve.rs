//! Whether a person must agree first, and how the client waits for that.
//!
//! A client hears of it in the best way that it can take: as a question with an address, which it shows to its
//! user; by progress, while its call waits; or by a result that says "pending, call again". A client that knows tasks
//! gets one before all of these ([`deferred`]). Whatever way, the call goes through when it comes again, or goes on,
//! after people agreed: once.

use std::sync::Arc;
use std::time::Duration;

use sekimori_approval::{Admission, Asked, Granted, Waiting};
use sekimori_domain::approval::{ApprovalRequest, ApprovalState};
use sekimori_domain::caller::Caller;
use sekimori_domain::ids::ApprovalId;
use sekimori_domain::refusal::{Need, PendingApproval, Refusal, RefusalCode, Stage};
use sekimori_domain::road::Inspected;
use sekimori_mcp::raw_object::{RawObject, raw_json};
use sekimori_mcp::revision::Era;
use sekimori_upstream::exchange::{Question, Reply};
use serde_json::json;
use tokio::sync::OwnedSemaphorePermit;

use super::deferred;
use super::invoke::{Output, OutputKind};
use super::page;
use super::present::PresentState;
use super::resolve::Resolved;
use super::waiting::{self, Continues};
use crate::Gateway;
use crate::request::{CallRequest, Cause, ClientPort, Operation};
use crate::stage::record::CallRecord;

/// How often a waiting client hears that its call is alive: well below the usual time-outs.
const PROGRESS_EVERY: Duration = Duration::from_secs(10);

/// What the stage says.
pub(crate) enum Approved {
    /// Go on.
    Granted(Box<Granted>),
    /// Somebody decided meanwhile: walk the road anew, by the rules of now.
    Again,
    /// The client is told to ask its user, and calls again.
    Asks(Output),
}

/// How long this call waits for people, and what its client was told already.
#[derive(Debug, Default)]
pub(crate) struct Patience {
    ends: Option<Duration>,
    /// The client knows the address.
    shown: bool,
    place: Option<OwnedSemaphorePermit>,
}

/// What the stage works with.
pub(crate) struct Call<'a> {
    /// What is called.
    pub(crate) resolved: &'a Resolved,
    /// The request; what concerns only us is taken out of it.
    pub(crate) request: &'a mut CallRequest,
    /// The way back to the client.
    pub(crate) port: &'a mut dyn ClientPort,
}

/// Turns what was inspected into a warrant, or has the client wait for a person.
pub(crate) async fn approve(
    gateway: &Arc<Gateway>,
    record: &mut CallRecord,
    inspected: Inspected,
    call: &mut Call<'_>,
    patience: &mut Patience,
) -> Result<Approved, Refusal> {
    // Who made a task may look after it: people agreed to it when it was made.
    if matches!(call.request.operation, Operation::Task { .. }) {
        let granted = gateway.approvals.admit_task(inspected);
        return Ok(Approved::Granted(Box::new(granted)));
    }
    page::forget_answers(&mut call.request.rest);
    if let Cause::Question(_) = &call.request.cause {
        only_reads(&inspected)?;
    }
    let continues = match waiting::continues(gateway, &inspected, &mut call.request.rest) {
        Continues::Nothing => None,
        Continues::Call(pass) => Some(pass),
        Continues::Approval => {
            patience.shown = true;
            None
        }
    };
    let caller = Arc::clone(inspected.permit().caller());
    let demanded = inspected.demands().next().is_some();
    let present = demanded
        .then(|| {
            let arguments = inspected.arguments().value();
            PresentState::of(gateway, call.resolved, call.request, arguments)
        })
        .flatten();
    let asked = Asked {
        inspected,
        correlation: call.request.head.correlation.clone(),
        client: call.request.head.claimed_client.clone(),
        continues,
        agreed: match &call.request.cause {
            Cause::Agreement(id) => Some(id.clone()),
            Cause::Client | Cause::Question(_) => None,
        },
        present,
    };
    match gateway.approvals.admit(asked).await? {
        Admission::Granted(granted) => {
            if let Some(pass) = &granted.pass {
                record.detail("approval", pass.id.as_str().into());
            }
            Ok(Approved::Granted(granted))
        }
        Admission::Waits(waiting) => {
            record.detail("approval", waiting.request.id.as_str().into());
            wait(gateway, &caller, *waiting, call, patience).await
        }
    }
}

/// What is read for people to see asks nobody, and changes nothing, whatever was declared.
fn only_reads(inspected: &Inspected) -> Result<(), Refusal> {
    let why = if !inspected.permit().tool().class.is_read() {
        "the tool that is to read the present state does more than read"
    } else if inspected.demands().next().is_some() {
        "reading the present state would need an approval of its own"
    } else {
        return Ok(());
    };
    let code = RefusalCode::ApprovalRequired;
    Err(Refusal::new(code, Stage::Approve, why))
}

async fn wait(
    gateway: &Gateway,
    caller: &Caller,
    waiting: Waiting,
    call: &mut Call<'_>,
    patience: &mut Patience,
) -> Result<Approved, Refusal> {
    let request = &waiting.request;
    // The client must call with other arguments, so there is nothing to wait for.
    if waiting.changed.is_some() {
        return Err(pending(gateway, &waiting));
    }
    if deferred::takes_tasks(call.request) {
        let task = deferred::begin(gateway, caller, &waiting, call.request).await?;
        return Ok(Approved::Asks(task));
    }
    let by_address = page::takes_addresses(&call.request.client);
    if by_address && !patience.shown {
        patience.shown = true;
        let question = question(gateway, request, call.request.client.era);
        if !call.port.can_ask() {
            let sealed = waiting::seal_approval(gateway, caller, request)?;
            return Ok(Approved::Asks(ask_first(call.resolved, &question, &sealed)));
        }
        if !accepted(call.port.ask(question).await) {
            return Err(pending(gateway, &waiting));
        }
    }
    let told = call.request.client.progress_token.is_some();
    let knows_address = by_address && patience.shown;
    if !told && !knows_address {
        return Err(pending(gateway, &waiting));
    }
    if patience.place.is_none() {
        // Those who wait must not take the road from those who call.
        let place = Arc::clone(&gateway.state.patient).try_acquire_owned();
        let Ok(place) = place else {
            return Err(pending(gateway, &waiting));
        };
        patience.place = Some(place);
        patience.ends = Some(gateway.clock.monotonic() + gateway.approvals.wait());
    }
    let ends = patience.ends.unwrap_or_default();
    until_decided(gateway, caller, &waiting, call, ends).await
}

/// Waits until the request is pending no more, on whichever node somebody decides.
async fn until_decided(
    gateway: &Gateway,
    caller: &Caller,
    waiting: &Waiting,
    call: &mut Call<'_>,
    ends: Duration,
) -> Result<Approved, Refusal> {
    let id = &waiting.request.id;
    let mut changes = gateway.approvals.watch();
    let revoked = gateway.identity.revoked(caller);
    tokio::pin!(revoked);
    let mut beats = 0_u32;
    // At once: people are told soonest by who waits for them.
    progress(gateway, call, id, beats).await;
    loop {
        changes.borrow_and_update();
        let request = gateway.approvals.request(id).await?;
        if request.is_none_or(|request| request.state != ApprovalState::Pending) {
            return Ok(Approved::Again);
        }
        let left = ends.saturating_sub(gateway.clock.monotonic());
        if left.is_zero() {
            return Err(pending(gateway, waiting));
        }
        tokio::select! {
            biased;
            () = call.port.gone() => {
                let why = "the caller cancelled the call while it waited for approval";
                return Err(Refusal::new(RefusalCode::Cancelled, Stage::Approve, why));
            }
            refusal = &mut revoked => return Err(Refusal { stage: Stage::Approve, ..refusal }),
            changed = changes.changed() => if changed.is_err() {
                return Err(pending(gateway, waiting));
            },
            () = tokio::time::sleep(left.min(PROGRESS_EVERY)) => {
                beats += 1;
                progress(gateway, call, id, beats).await;
            }
        }
    }
}

/// Tells a client that shows progress what its call waits for.
async fn progress(gateway: &Gateway, call: &mut Call<'_>, id: &ApprovalId, beats: u32) {
    let params = json!({ "progress": beats, "message": told(gateway, id) });
    let params = Some(raw_json(&params));
    call.port.notify("notifications/progress", params).await;
}

pub(super) fn question(gateway: &Gateway, request: &ApprovalRequest, era: Era) -> Question {
    let id = request.id.as_str();
    let address = gateway.approvals.page(&request.id);
    let params = page::address(&told(gateway, &request.id), &address, era, id);
    Question {
        key: page::APPROVAL.to_owned(),
        method: page::ELICITATION.to_owned(),
        params: Some(params),
    }
}

pub(super) fn told(gateway: &Gateway, id: &ApprovalId) -> String {
    format!(
        "This call waits until a person approves it ({id}): {}",
        gateway.approvals.page(id)
    )
}

/// Whether the user lets the client wait.
fn accepted(reply: Reply) -> bool {
    match reply {
        Reply::Result(answer) => {
            let answer = RawObject::from_raw_or_empty(Some(&answer));
            answer.get_str("action").as_deref() == Some("accept")
        }
        Reply::Error(_) => false,
    }
}

/// The result that has a modern client ask its user and call again.
fn ask_first(resolved: &Resolved, question: &Question, state: &str) -> Output {
    let mut result = page::input_required(question);
    result.set_str("requestState", state);
    Output {
        connector: resolved.entry.connector.name.clone(),
        reply: Reply::Result(result.to_raw()),
        kind: OutputKind::InputRequired,
        inspected: false,
    }
}

/// What a client is told that does not wait: where the request is, and to call again.
pub(super) fn pending(gateway: &Gateway, waiting: &Waiting) -> Refusal {
    let request = &waiting.request;
    let (id, url) = (&request.id, gateway.approvals.page(&request.id));
    let reasons: Vec<&str> = request
        .demands
        .iter()
        .map(|demand| demand.reason.as_str())
        .collect();
    let reasons = reasons.join("; ");
    let message = match &waiting.changed {
        Some(_) => format!(
            "people changed the arguments of this call before deciding ({id}, {}): do not repeat it as it is; \
             call with the arguments given here under \"arguments\" instead. {url}",
            request.state
        ),
        None => format!(
            "pending approval {id}: a person must approve this call ({reasons}). Tell the user; when it is \
             approved, call again with exactly the same arguments. {url}"
        ),
    };
    let mut refusal = Refusal::new(RefusalCode::ApprovalRequired, Stage::Approve, message).needing(
        Need::Approval(PendingApproval {
            id: id.clone(),
            url,
            state: request.state,
            expires_at: request.expires_at,
            arguments: waiting.changed.clone(),
        }),
    );
    refusal.policies = request
        .demands
        .iter()
        .map(|demand| demand.policy.clone())
        .collect();
    refusal
}
