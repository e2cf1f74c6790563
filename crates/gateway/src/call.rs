//! The road of a call. Stages are in `stage/`, one file each, in this order.
//!
//! Each stage returns the only key to the next, so a call that skipped a stage does not compile; see
//! [`sekimori_domain::road`].

use std::sync::Arc;

use sekimori_domain::caller::Caller;
use sekimori_domain::refusal::{Refusal, Stage};
use sekimori_domain::road::Inspected;
use tracing::Instrument as _;

use crate::Gateway;
use crate::kill_switch::rules;
use crate::limits::Allowance;
use crate::rehearsal::Purpose;
use crate::request::{CallReply, CallRequest, ClientPort};
use crate::stage::approve::{self, Approved, Patience, approve};
use crate::stage::authenticate::authenticate;
use crate::stage::authorize::authorize;
use crate::stage::inspect_input::inspect_input;
use crate::stage::inspect_output::inspect_output;
use crate::stage::inspecting::Inspecting;
use crate::stage::invoke::{Invocation, Output, invoke};
use crate::stage::record::{self, CallRecord};
use crate::stage::reply;
use crate::stage::resolve::{Resolved, resolve};
use crate::stage::validate::{read, validate};
use crate::telemetry;

/// Runs one call and leaves exactly one closed audit record, whatever happens.
pub async fn call(
    gateway: &Arc<Gateway>,
    request: CallRequest,
    port: &mut dyn ClientPort,
) -> CallReply {
    let method = request.operation.method();
    let span = tracing::info_span!(
        "mcp.call",
        otel.kind = "server",
        mcp.method.name = method,
        correlation = %request.head.correlation,
    );
    let started = gateway.clock.monotonic();
    // On the heap: it is large, and what is around it would copy it.
    let road = Box::pin(recorded(gateway, request, port));
    let reply = road.instrument(span).await;
    telemetry::measure(
        method,
        &reply,
        gateway.clock.monotonic().saturating_sub(started),
    );
    reply
}

async fn recorded(
    gateway: &Arc<Gateway>,
    request: CallRequest,
    port: &mut dyn ClientPort,
) -> CallReply {
    let mut record = match record::open(gateway, request.operation.event(), &request.head) {
        Ok(record) => record,
        Err(refusal) => return CallReply::refused(refusal), // no record, no call
    };
    let admitted = gateway.until_cut_off(Box::pin(admit(gateway, &mut record, request, port)));
    let outcome = match admitted.await {
        Some(outcome) => {
            reply::note(&mut record, &outcome);
            reply::doubt(gateway, &outcome);
            rules::watch(gateway, &record, &outcome).await;
            outcome
        }
        None => Err(record.cut_off()),
    };
    match record.close().await {
        Ok(()) => reply::from(outcome),
        Err(refusal) => CallReply::refused(refusal), // not recorded, not answered
    }
}

async fn admit(
    gateway: &Arc<Gateway>,
    record: &mut CallRecord,
    mut request: CallRequest,
    port: &mut dyn ClientPort,
) -> Result<Output, Refusal> {
    record.cause(&request.cause);
    let _slot = gateway.slot()?; // bounded
    let mut patience = Patience::default();
    let (granted, mut walked) = loop {
        // On the heap: it is large, and most calls walk once.
        let step = Box::pin(walk(gateway, record, &mut request, port, &mut patience));
        let (approved, walked) = step.await?;
        match approved {
            Approved::Granted(granted) => break (*granted, walked),
            Approved::Asks(output) => return Ok(output),
            // Each time because people decided something meanwhile.
            Approved::Again => {}
        }
    };
    record.passed(Stage::Approve);
    let invocation = Invocation {
        resolved: walked.resolved,
        request,
        port,
        inspecting: &mut walked.inspecting,
    };
    let output = invoke(gateway, record, granted, invocation).await?; // the only one that leaves the building
    record.passed(Stage::Invoke);
    let output = inspect_output(gateway, record, &mut walked.inspecting, output).await?; // may the content come out
    record.passed(Stage::InspectOutput);
    walked.allowance.check_answer(output.text().len())?; // and so much of it
    Ok(output)
}

/// What the road up to the warrant leaves behind.
pub(crate) struct Walked {
    pub(crate) resolved: Resolved,
    inspecting: Inspecting,
    /// Holds a place among the caller's calls until the end.
    allowance: Allowance,
}

/// The road up to the warrant.
async fn walk(
    gateway: &Arc<Gateway>,
    record: &mut CallRecord,
    request: &mut CallRequest,
    port: &mut dyn ClientPort,
    patience: &mut Patience,
) -> Result<(Approved, Walked), Refusal> {
    let caller = authenticate(gateway, record, &request.head).await?; // who
    let judged = judge(gateway, record, &caller, request, Purpose::Call).await;
    let (inspected, walked) = judged?; // whether
    let mut call = approve::Call {
        resolved: &walked.resolved,
        request,
        port,
    };
    let approved = approve(gateway, record, inspected, &mut call, patience).await?; // a person, if asked for
    Ok((approved, walked))
}

/// The road from who calls to where people are asked: whether the gate lets a call go.
pub(crate) async fn judge(
    gateway: &Gateway,
    record: &mut CallRecord,
    caller: &Arc<Caller>,
    request: &mut CallRequest,
    purpose: Purpose,
) -> Result<(Inspected, Walked), Refusal> {
    let mut resolved = resolve(gateway, record, caller, request).await?; // what, at which upstream
    let arguments = read(record, &resolved, request)?; // strict JSON
    let mut inspecting = Inspecting::new(caller, &resolved, &request.head, purpose);
    inspecting.recall(gateway, &arguments).await?; // what tokens in it stand for
    let content = (arguments, &inspecting);
    let validated = validate(gateway, record, &mut resolved, request, content)?; // JSON Schema, declared rules
    let permit = authorize(gateway, record, caller, &resolved, &validated).await?; // policy
    let allowance = match purpose {
        Purpose::Call => gateway.limits.admit(caller, &resolved.tool.target).await?, // how much
        Purpose::Rehearsal => {
            gateway
                .limits
                .would_admit(caller, &resolved.tool.target)
                .await?
        }
    };
    inspecting.permitted(&permit);
    let (called, content) = ((&resolved, &mut *request), (permit, validated.arguments));
    let inspected = inspect_input(gateway, record, &mut inspecting, called, content).await?; // may the content go in
    record.passed(Stage::InspectInput);
    let walked = Walked {
        resolved,
        inspecting,
        allowance,
    };
    Ok((inspected, walked))
}
