//! Calls that wait for the client's answers: at a modern upstream, or parked on this node.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use sekimori_approval::Pass;
use sekimori_domain::approval::ApprovalRequest;
use sekimori_domain::caller::Caller;
use sekimori_domain::catalog::Target;
use sekimori_domain::digest::Digest;
use sekimori_domain::ids::{ApprovalId, CorrelationId};
use sekimori_domain::limits;
use sekimori_domain::record::EventKind;
use sekimori_domain::refusal::{Refusal, RefusalCode};
use sekimori_domain::road::{Inspected, Warrant};
use sekimori_mcp::raw_object::{self, RawObject};
use sekimori_upstream::exchange::{Ask, Exchange, Reply};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

use super::invoke::{Call, Invocation, Output, OutputKind, refuse, sealing_failed};
use super::page;
use crate::Gateway;
use crate::parked::ParkedExchange;
use crate::seal::Purpose;

/// A call that waits for the client's answers, as it is sealed into `requestState`.
#[derive(Debug, Serialize, Deserialize)]
struct WaitingCall {
    #[serde(rename = "t")]
    target: Target,
    #[serde(rename = "a")]
    arguments: Digest,
    #[serde(rename = "w")]
    waits: Waits,
    /// The agreement that it goes on by.
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pass: Option<(ApprovalId, u32)>,
}

/// Where it waits.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Waits {
    /// At a modern upstream, which wants its own state back.
    #[serde(rename = "u")]
    Upstream(Option<String>),
    /// On this node, with a legacy upstream's request open.
    #[serde(rename = "p")]
    Parked(Uuid),
    /// At the gate, for people to agree.
    #[serde(rename = "a")]
    Approval,
}

/// What the request state of a call says before the call may go on.
pub(super) enum Continues {
    /// It is a new call, or a state that nobody here made.
    Nothing,
    /// A call that people agreed to, and that the upstream interrupted with questions.
    Call(Pass),
    /// A call whose client was told that people must agree.
    Approval,
}

/// What this call goes on with, as far as approval is concerned. A state of that kind is taken out.
pub(super) fn continues(
    gateway: &Gateway,
    inspected: &Inspected,
    rest: &mut RawObject,
) -> Continues {
    let Some(sealed) = rest.get_str("requestState").map(Cow::into_owned) else {
        return Continues::Nothing;
    };
    let owner = &inspected.permit().caller().principal.id;
    let now = gateway.clock.now();
    let opened = gateway
        .sealer
        .open::<WaitingCall>(Purpose::RequestState, owner, &sealed, now);
    let Ok(waiting) = opened else {
        return Continues::Nothing; // `reopen` turns it back
    };
    match (waiting.waits, waiting.pass) {
        (Waits::Approval, _) => {
            rest.remove("requestState");
            Continues::Approval
        }
        (Waits::Upstream(_) | Waits::Parked(_), Some((id, round))) => {
            Continues::Call(Pass { id, round })
        }
        (Waits::Upstream(_) | Waits::Parked(_), None) => Continues::Nothing,
    }
}

/// The state of a call whose client asks its user first. It proves nothing: whether people agreed is looked up.
pub(super) fn seal_approval(
    gateway: &Gateway,
    caller: &Caller,
    request: &ApprovalRequest,
) -> Result<String, Refusal> {
    let waiting = WaitingCall {
        target: request.call.target.clone(),
        arguments: request.call.arguments,
        waits: Waits::Approval,
        pass: None,
    };
    let life = limits::ELICITATION_TIMEOUT;
    let (owner, now) = (&caller.principal.id, gateway.clock.now());
    gateway
        .sealer
        .seal(Purpose::RequestState, owner, &waiting, now, life)
        .map_err(|_| sealing_failed())
}

pub(super) fn seal_state(gateway: &Gateway, call: &Call, waits: Waits) -> Result<String, Refusal> {
    let waiting = WaitingCall {
        target: call.target.clone(),
        arguments: call.arguments,
        waits,
        pass: call.pass.as_ref().map(|pass| (pass.id.clone(), pass.round)),
    };
    let now = gateway.clock.now();
    gateway
        .sealer
        .seal(
            Purpose::RequestState,
            &call.owner,
            &waiting,
            now,
            limits::ELICITATION_TIMEOUT,
        )
        .map_err(|_| sealing_failed())
}

/// Opens the request state that came with the request; it must belong to this very call.
pub(super) fn reopen(
    gateway: &Gateway,
    warrant: &Warrant,
    rest: &mut RawObject,
) -> Result<Option<Waits>, Refusal> {
    let Some(sealed) = rest.get_str("requestState").map(Cow::into_owned) else {
        return Ok(None);
    };
    rest.remove("requestState");
    let waiting: WaitingCall = gateway
        .sealer
        .open(
            Purpose::RequestState,
            &warrant.caller().principal.id,
            &sealed,
            gateway.clock.now(),
        )
        .map_err(|_| bad_state())?;
    let same = waiting.target == warrant.tool().target
        && waiting.arguments == warrant.arguments().digest();
    if same {
        Ok(Some(waiting.waits))
    } else {
        Err(bad_state())
    }
}

/// Puts an exchange aside and tells the client what is asked.
pub(super) fn park(
    gateway: &Gateway,
    call: &Call,
    exchange: Exchange,
    ask: Ask,
) -> Result<Output, Refusal> {
    let id = gateway.ids.next();
    let sealed = seal_state(gateway, call, Waits::Parked(id))?;
    let result = input_required(&ask, &sealed);
    let parked = ParkedExchange {
        owner: call.owner.clone(),
        target: call.target.clone(),
        arguments: call.arguments,
        exchange,
        ask,
        _watched: end_with_access(gateway, call, id),
    };
    gateway
        .state
        .parked
        .park(id, parked, gateway.clock.monotonic())
        .map_err(|_| refuse(RefusalCode::Busy, "too many calls wait for answers"))?;
    Ok(Output {
        connector: call.target.connector.clone(),
        reply: Reply::Result(result),
        kind: OutputKind::InputRequired,
        inspected: false,
    })
}

/// Ends a parked exchange, with a record, as soon as its caller's access is revoked, or it is stopped. Watches until
/// the value is dropped.
fn end_with_access(gateway: &Gateway, call: &Call, id: Uuid) -> DropGuard {
    let (identity, audit) = (Arc::clone(&gateway.identity), Arc::clone(&gateway.audit));
    let switches = Arc::clone(&gateway.kill_switches);
    let (parked, ids) = (Arc::clone(&gateway.state.parked), Arc::clone(&gateway.ids));
    let (caller, target) = (Arc::clone(&call.caller), call.target.clone());
    let taken = CancellationToken::new();
    let held = taken.clone().drop_guard();
    tokio::spawn(async move {
        let ended = async {
            tokio::select! {
                refusal = identity.revoked(&caller) => refusal,
                refusal = switches.stopped(&caller, Some(&target)) => refusal,
            }
        };
        let ended = taken.run_until_cancelled(ended).await;
        let Some(refusal) = ended.filter(|_| parked.end(id)) else {
            return;
        };
        let detail = json!({
            "ended": "parked_call", "principal": caller.principal.id, "client": caller.client.id,
            "target": target.to_string(), "reason": refusal.message,
        });
        let detail = match detail {
            Value::Object(members) => members.into_iter().collect(),
            _ => BTreeMap::new(),
        };
        let correlation = CorrelationId::from_uuid(ids.next());
        let noted = audit
            .note(EventKind::AccessRevoke, correlation, detail)
            .await;
        if let Err(error) = noted {
            tracing::error!(%error, "the end of a waiting call could not be recorded");
        }
    });
    held
}

pub(super) enum Unparked {
    GoesOn(Exchange),
    StillAsking(Output),
}

/// Takes a parked exchange and hands it the client's answers.
pub(super) fn unpark(
    gateway: &Gateway,
    call: &Call,
    id: Uuid,
    invocation: &mut Invocation<'_>,
) -> Result<Unparked, Refusal> {
    let parked = gateway
        .state
        .parked
        .take(
            id,
            &call.owner,
            &call.target,
            call.arguments,
            gateway.clock.monotonic(),
        )
        .ok_or_else(bad_state)?;
    let rest = &mut invocation.request.rest;
    let responses = rest.get_object("inputResponses").unwrap_or_default();
    rest.remove("inputResponses");
    let mut answers = Vec::with_capacity(parked.ask.questions.len());
    for question in &parked.ask.questions {
        match responses.get(&question.key) {
            Some(answer) => answers.push(Reply::Result(answer.to_owned())),
            // Not all were answered: ask again.
            None => {
                return park(gateway, call, parked.exchange, parked.ask).map(Unparked::StillAsking);
            }
        }
    }
    // If the upstream gave up meanwhile, the exchange says so next.
    let _given_up = parked.ask.answers.send(answers).is_err();
    Ok(Unparked::GoesOn(parked.exchange))
}

/// The result that asks a modern client (MCP 2026-07-28, multi-round-trip requests).
fn input_required(ask: &Ask, state: &str) -> Box<RawValue> {
    let mut result = RawObject::new();
    result.set_str("resultType", "input_required");
    result.set("inputRequests", page::requests(&ask.questions));
    result.set("requestState", raw_object::raw_str(state));
    result.to_raw()
}

fn bad_state() -> Refusal {
    refuse(
        RefusalCode::InvalidParams,
        "requestState is not of this call, or no longer valid: start the call again",
    )
}
