//! The record of what happens on the road: opened before anything else, closed last.

use std::sync::Arc;

use sekimori_audit::{OpenRecord, note};
use sekimori_domain::arguments::Arguments;
use sekimori_domain::caller::{Caller, Source};
use sekimori_domain::catalog::{OperationClass, Tool};
use sekimori_domain::ids::{CallId, CorrelationId};
use sekimori_domain::record::{CallerNote, EventKind, OutcomeNote, OutcomeStatus};
use sekimori_domain::refusal::{Refusal, RefusalCode, Stage};
use sekimori_domain::road::Decision;
use sekimori_inspect::Report;
use serde_json::Value;

use crate::Gateway;
use crate::request::{Cause, Head};

/// Longest name of something unknown that is kept in a record.
const ASKED_CHARS_MAX: usize = 200;

/// An open record and how it will end.
#[derive(Debug)]
pub(crate) struct CallRecord {
    open: OpenRecord,
    outcome: OutcomeNote,
    asked_for: Option<String>,
    caller: Option<Arc<Caller>>,
    class: Option<OperationClass>,
    /// Whether an upstream may have seen something that changes anything.
    intended: bool,
    /// Whether another record tells of it, with numbers only.
    counted: bool,
    /// What inspection found.
    inspection: Report,
}

/// Opens a record. Without one there is no call (AUDIT-3).
pub(crate) fn open(
    gateway: &Gateway,
    event: EventKind,
    head: &Head,
) -> Result<CallRecord, Refusal> {
    let open = gateway
        .audit
        .open(event, head.correlation.clone(), head.trace.clone())
        .map_err(|_| unavailable())?;
    open.detail("endpoint", endpoint(head));
    Ok(CallRecord {
        open,
        outcome: note::ended(OutcomeStatus::Unknown),
        asked_for: None,
        caller: None,
        class: None,
        intended: false,
        counted: false,
        inspection: Report::default(),
    })
}

impl CallRecord {
    /// The call it is about.
    pub(crate) fn call(&self) -> CallId {
        self.open.call()
    }

    /// It turned out to be another kind of event.
    pub(crate) fn event(&mut self, event: EventKind) {
        self.open.event(event);
    }

    /// Notes who calls, as noted before.
    pub(crate) fn caller_note(&mut self, caller: CallerNote) {
        self.open.caller_note(caller);
    }

    /// Notes who calls, and what the client calls itself.
    pub(crate) fn caller(&mut self, caller: &Caller, claimed_client: Option<&str>) {
        let mut noted = note::caller(caller);
        noted.client_claimed = claimed_client.map(str::to_owned).or(noted.client_claimed);
        self.open.caller_note(noted);
    }

    /// Notes the request for approval that a call is made for.
    pub(crate) fn cause(&self, cause: &Cause) {
        match cause {
            Cause::Client => {}
            Cause::Agreement(id) => self.open.detail("approval", id.as_str()),
            Cause::Question(id) => self.open.detail("read_for", id.as_str()),
        }
    }

    /// Notes that the caller proved more meanwhile than the token tells.
    pub(crate) fn stepped_up(&mut self, caller: &Caller) {
        self.open.detail("stepped_up", caller.authentication.mfa);
    }

    /// Keeps who calls at hand, for whoever looks at how the call ended.
    pub(crate) fn keep_caller(&mut self, caller: &Arc<Caller>) {
        self.caller = Some(Arc::clone(caller));
    }

    /// Who calls, as soon as that is known.
    pub(crate) fn known_caller(&self) -> Option<&Arc<Caller>> {
        self.caller.as_ref()
    }

    /// Whether what is called changes anything.
    pub(crate) fn changes(&self) -> bool {
        self.class.is_some_and(|class| !class.is_read())
    }

    /// Notes where a request came from whose sender is not known.
    pub(crate) fn stranger(&mut self, source: &Source) {
        if let Some(ip) = source.ip {
            self.open.detail("ip", ip.to_string());
        }
        if let Some(user_agent) = &source.user_agent {
            self.open.detail("user_agent", user_agent.as_str());
        }
    }

    /// It was one of too many: it is told by number, not by a record of its own.
    pub(crate) fn counted(&mut self) {
        self.counted = true;
    }

    /// Remembers the public name that was asked for, in case nothing is found behind it.
    pub(crate) fn asked_for(&mut self, name: &str) {
        self.asked_for = Some(name.chars().take(ASKED_CHARS_MAX).collect());
    }

    /// Notes what is called.
    pub(crate) fn target(&mut self, tool: &Tool) {
        self.asked_for = None;
        self.class = Some(tool.class);
        self.open.target(tool);
    }

    /// Notes the arguments, as keyed digest.
    pub(crate) fn arguments(&mut self, arguments: &Arguments) {
        self.open.arguments(arguments);
    }

    /// Notes the business objects that it touches.
    pub(crate) fn resources(&mut self, resources: Vec<String>) {
        self.open.resources(resources);
    }

    /// Notes that policy allowed it.
    pub(crate) fn allowed(&mut self, decision: &Decision) {
        self.open.decision(note::allowed(decision));
    }

    /// Notes that policy did not allow it.
    pub(crate) fn denied(&mut self, refusal: &Refusal, policy_version: u64) {
        self.open
            .decision(note::denied(refusal.policies.clone(), policy_version));
    }

    /// Notes what inspection found and did: types and counts.
    pub(crate) fn inspected(&mut self, report: Report) {
        if report.is_empty() {
            return;
        }
        self.inspection.merge(report);
        if let Ok(told) = serde_json::to_value(&self.inspection) {
            self.open.detail("inspection", told);
        }
    }

    /// Notes anything else. Never content, never secrets.
    pub(crate) fn detail(&mut self, name: &'static str, value: Value) {
        self.open.detail(name, value);
    }

    /// Notes that a stage is behind the call.
    pub(crate) fn passed(&self, stage: Stage) {
        self.open.passed(stage);
    }

    /// Makes the intent durable, before the upstream sees anything.
    pub(crate) async fn intent(&mut self) -> Result<(), Refusal> {
        self.intended = true;
        self.open
            .intent()
            .await
            .map(|_| ())
            .map_err(|_| unavailable())
    }

    /// It ended with an answer of the upstream.
    pub(crate) fn answered(&mut self, status: OutcomeStatus, code: Option<String>, text: &str) {
        self.outcome = OutcomeNote {
            bytes: u64::try_from(text.len()).ok(),
            code,
            digest: Some(self.open.digest(text.as_bytes())),
            ..note::ended(status)
        };
    }

    /// It was turned back, or the upstream failed.
    pub(crate) fn refused(&mut self, refusal: &Refusal) {
        let status = match refusal.code {
            RefusalCode::Cancelled => OutcomeStatus::Cancelled,
            // It was under way. What an upstream did after an intent is not known.
            RefusalCode::Revoked | RefusalCode::Stopped
                if refusal.stage == Stage::Invoke && self.intended =>
            {
                OutcomeStatus::Unknown
            }
            RefusalCode::Revoked | RefusalCode::Stopped if refusal.stage == Stage::Invoke => {
                OutcomeStatus::Cancelled
            }
            RefusalCode::UpstreamUnavailable
            | RefusalCode::UpstreamTimeout
            | RefusalCode::UpstreamInvalid => OutcomeStatus::Error,
            _ => OutcomeStatus::Refused,
        };
        self.outcome = OutcomeNote {
            status,
            ..note::refused(refusal)
        };
    }

    /// The gate stopped first; what an upstream did after an intent is not known.
    pub(crate) fn cut_off(&mut self) -> Refusal {
        let why = "the gate is stopping and could not wait for the answer; try again in a moment";
        let refusal = Refusal::new(RefusalCode::Busy, Stage::Invoke, why);
        let status = if self.intended {
            OutcomeStatus::Unknown
        } else {
            OutcomeStatus::Cancelled
        };
        self.outcome = OutcomeNote {
            status,
            ..note::refused(&refusal)
        };
        refusal
    }

    /// It ended in that way, and nothing more is to be told.
    pub(crate) fn ended(&mut self, status: OutcomeStatus) {
        self.outcome = note::ended(status);
    }

    /// Leaves no record: it was no call. Returns what became known of it.
    pub(crate) fn forgo(self) -> (Option<OperationClass>, Report) {
        self.open.forgo();
        (self.class, self.inspection)
    }

    /// Makes the record durable. What is not recorded is not answered.
    pub(crate) async fn close(self) -> Result<(), Refusal> {
        if self.counted {
            self.open.forgo();
            return Ok(());
        }
        if let Some(name) = self.asked_for {
            self.open.detail("asked_for", name);
        }
        self.open
            .close(self.outcome)
            .await
            .map(|_| ())
            .map_err(|_| unavailable())
    }
}

/// Leaves the one record that tells of many requests which were turned away.
pub(crate) async fn counted(
    gateway: &Gateway,
    correlation: CorrelationId,
    numbers: impl IntoIterator<Item = (&'static str, Value)>,
) -> Result<(), Refusal> {
    let event = EventKind::RequestRefused;
    let open = gateway.audit.open(event, correlation, None);
    let open = open.map_err(|_| unavailable())?;
    for (name, number) in numbers {
        open.detail(name, number);
    }
    let outcome = OutcomeNote {
        message: Some("more requests were turned away than get records of their own".to_owned()),
        stage: Some(Stage::Listen.as_str().to_owned()),
        ..note::ended(OutcomeStatus::Refused)
    };
    open.close(outcome)
        .await
        .map(|_| ())
        .map_err(|_| unavailable())
}

fn endpoint(head: &Head) -> String {
    match &head.endpoint {
        crate::request::Endpoint::All => "/mcp".to_owned(),
        crate::request::Endpoint::Connector(name) => format!("/c/{name}/mcp"),
    }
}

fn unavailable() -> Refusal {
    Refusal::new(
        RefusalCode::AuditUnavailable,
        Stage::Record,
        "the audit record could not be written, so nothing is executed or answered; try again later",
    )
}
