//! The record of one call while it is on the road.
//!
//! [`OpenRecord`] collects what becomes known, writes the intent before anything leaves the building, and
//! is closed before anybody gets an answer (AUDIT-3). However a call ends, exactly one closing record is
//! left: dropping an open record, as a panic or a cancelled task does, closes it as well. The one exception
//! is what was turned away at the door too often to be told one by one ([`OpenRecord::forgo`]).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sekimori_domain::arguments::Arguments;
use sekimori_domain::caller::Caller;
use sekimori_domain::catalog::Tool;
use sekimori_domain::clock::{Clock, Ids};
use sekimori_domain::ids::{CallId, CorrelationId};
use sekimori_domain::record::{
    ArgumentsNote, CallerNote, DecisionNote, EventKind, OutcomeNote, OutcomeStatus, Phase,
    RECORD_VERSION, Record, TargetNote,
};
use sekimori_domain::refusal::Stage;
use serde_json::{Map, Value};

use crate::error::JournalError;
use crate::key::ArgumentsKey;
use crate::log::Outgoing;
use crate::note;
use crate::writer::{Position, Unsettled, Writer, encode};

/// How much of a message is kept when a record is too large.
const MESSAGE_CHARS_REDUCED: usize = 1_000;

/// The detail of a call that tells when each stage was behind it.
pub(crate) const REACHED: &str = "reached_us";

/// What every record needs.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) writer: Writer,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn Ids>,
    pub(crate) key: ArgumentsKey,
    pub(crate) node: String,
}

impl Desk {
    /// A record of an event, with nothing known yet.
    pub(crate) fn blank(&self, event: EventKind, correlation: CorrelationId) -> Record {
        Record {
            arguments: None,
            call: None,
            caller: None,
            correlation,
            decision: None,
            detail: std::collections::BTreeMap::new(),
            duration_us: None,
            event,
            id: self.ids.next(),
            node: self.node.clone(),
            outcome: None,
            phase: Phase::Single,
            target: None,
            time: self.clock.now(),
            trace: None,
            v: RECORD_VERSION,
        }
    }
}

/// How far the intent got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Intent {
    /// It is not in the journal.
    Absent,
    /// It may be in the journal.
    Submitted,
}

#[derive(Debug)]
struct State {
    /// What is known so far. Id, time and phase are set when it is written.
    draft: Record,
    intent: Intent,
    /// Whether the closing record is in the queue.
    closed: bool,
    /// When each stage of a call was behind it, in microseconds since its beginning.
    reached: Vec<(&'static str, u64)>,
}

/// The record of one call on the road; made by [`crate::Audit::open`].
#[derive(Debug)]
#[must_use = "a call without a closed record is recorded as cancelled or unknown"]
pub struct OpenRecord {
    desk: Arc<Desk>,
    call: CallId,
    started: Duration,
    /// Never held across an await.
    state: Mutex<State>,
}

impl OpenRecord {
    pub(crate) fn new(
        desk: Arc<Desk>,
        event: EventKind,
        correlation: CorrelationId,
        trace: Option<String>,
    ) -> Self {
        let call = CallId(desk.ids.next());
        let mut draft = desk.blank(event, correlation);
        draft.call = Some(call);
        draft.trace = trace;
        let started = desk.clock.monotonic();
        Self {
            desk,
            call,
            started,
            state: Mutex::new(State {
                draft,
                intent: Intent::Absent,
                closed: false,
                reached: Vec::new(),
            }),
        }
    }

    /// The call it is about.
    pub fn call(&self) -> CallId {
        self.call
    }

    /// The business event it belongs to.
    pub fn correlation(&self) -> CorrelationId {
        self.state().draft.correlation.clone()
    }

    /// It turned out to be another kind of event.
    pub fn event(&self, event: EventKind) {
        self.state().draft.event = event;
    }

    /// Notes who calls.
    pub fn caller(&self, caller: &Caller) {
        self.caller_note(note::caller(caller));
    }

    /// Notes who calls, where there is no proved [`Caller`] to take it from.
    pub fn caller_note(&self, caller: CallerNote) {
        self.reached("authenticate");
        self.state().draft.caller = Some(caller);
    }

    /// Notes what is called. Resources noted before are kept.
    pub fn target(&self, tool: &Tool) {
        self.reached("resolve");
        let mut state = self.state();
        let before = state.draft.target.take();
        let resources = before.map(|target| target.resources).unwrap_or_default();
        state.draft.target = Some(TargetNote {
            resources,
            ..note::target(tool)
        });
    }

    /// Notes the business objects that are touched; nothing without a target.
    pub fn resources(&self, resources: Vec<String>) {
        if let Some(target) = &mut self.state().draft.target {
            target.resources = resources;
        }
    }

    /// Notes the arguments, as keyed digest and size.
    pub fn arguments(&self, arguments: &Arguments) {
        self.reached("validate");
        let text = arguments.raw().get();
        let note = ArgumentsNote {
            bytes: crate::frames::len(text.len()),
            digest: self.desk.key.digest(text.as_bytes()),
            masked: None,
        };
        self.state().draft.arguments = Some(note);
    }

    /// Notes a masked copy of the arguments, where policy says so; nothing without arguments.
    pub fn masked_arguments(&self, masked: Value) {
        if let Some(arguments) = &mut self.state().draft.arguments {
            arguments.masked = Some(masked);
        }
    }

    /// Notes what policy decided; see [`note::allowed`] and [`note::denied`].
    pub fn decision(&self, decision: DecisionNote) {
        self.reached("authorize");
        self.state().draft.decision = Some(decision);
    }

    /// Notes anything else. Never content, never secrets. Names are ASCII.
    pub fn detail(&self, name: &'static str, value: impl Into<Value>) {
        self.state()
            .draft
            .detail
            .insert(name.to_owned(), value.into());
    }

    /// The keyed digest of an answer, for [`OutcomeNote::digest`].
    pub fn digest(&self, bytes: &[u8]) -> String {
        self.desk.key.digest(bytes)
    }

    /// Writes what is known so far as intent, and returns when it is durable. Nothing that changes anything
    /// may be asked of an upstream before, or after an error.
    pub async fn intent(&self) -> Result<Position, JournalError> {
        let record = self.written(Phase::Intent);
        let outgoing = encode(&record)?.telling(record);
        let appending = self.desk.writer.enqueue(outgoing, false).await?;
        self.state().intent = Intent::Submitted;
        let settled = self.desk.writer.settled(appending).await;
        if settled == Err(Unsettled::Refused) {
            self.state().intent = Intent::Absent;
        }
        self.reached("intent");
        Ok(settled?)
    }

    /// Notes that a stage is behind the call, where nothing else tells so.
    pub fn passed(&self, stage: Stage) {
        self.reached(stage.as_str());
    }

    /// Notes that a stage is behind the call; the first time counts.
    fn reached(&self, stage: &'static str) {
        let elapsed = u64::try_from(self.elapsed().as_micros()).unwrap_or(u64::MAX);
        let reached = &mut self.state().reached;
        if reached.iter().all(|(known, _)| *known != stage) {
            reached.push((stage, elapsed));
        }
    }

    /// Writes how it ended, and returns when that is durable. After an error nobody may get the answer; the
    /// record is still written as soon as the journal can be written again.
    pub async fn close(self, outcome: OutcomeNote) -> Result<Position, JournalError> {
        self.state().draft.outcome = Some(outcome);
        // Until it is in the queue, dropping this future writes the record by `Drop`.
        let appending = self.desk.writer.enqueue(self.closing()?, true).await?;
        self.state().closed = true;
        Ok(self.desk.writer.settled(appending).await?)
    }

    /// Leaves no record of its own, because another one tells of it: for what anybody can cause in any number.
    /// Something that may have reached an upstream keeps its record all the same.
    pub fn forgo(self) {
        let mut state = self.state();
        if state.intent == Intent::Absent {
            state.closed = true;
        }
    }

    /// The closing record. One that is too large or not canonical is written without its free parts: that
    /// a call happened must not depend on what was noted about it.
    fn closing(&self) -> Result<Outgoing, JournalError> {
        let phase = match self.state().intent {
            Intent::Absent => Phase::Single,
            Intent::Submitted => Phase::Outcome,
        };
        let mut record = self.written(phase);
        record.duration_us = u64::try_from(self.elapsed().as_micros()).ok();
        if record.target.is_some() {
            let mut reached = self.state().reached.clone();
            // The order of the canonical text: it need not be sorted again.
            reached.sort_unstable_by_key(|(stage, _)| *stage);
            let reached = reached
                .into_iter()
                .map(|(stage, at)| (stage.to_owned(), at.into()));
            let reached = reached.collect::<Map<_, _>>();
            record.detail.insert(REACHED.to_owned(), reached.into());
        }
        let encoded = encode(&record).or_else(|error| {
            tracing::error!(%error, call = %self.call, "an audit record is written without its details");
            reduce(&mut record, &error);
            encode(&record)
        });
        Ok(encoded?.telling(record))
    }

    fn written(&self, phase: Phase) -> Record {
        let mut record = self.state().draft.clone();
        record.id = self.desk.ids.next();
        record.phase = phase;
        record.time = self.desk.clock.now();
        if phase == Phase::Intent {
            record.outcome = None;
        }
        record
    }

    fn elapsed(&self) -> Duration {
        self.desk.clock.monotonic().saturating_sub(self.started)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Notes are whole or absent: a panic in between leaves nothing half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for OpenRecord {
    fn drop(&mut self) {
        let mut state = self.state();
        if state.closed {
            return;
        }
        if state.draft.outcome.is_none() {
            let (status, message) = match state.intent {
                Intent::Absent => (
                    OutcomeStatus::Cancelled,
                    "the call was given up before it was executed",
                ),
                Intent::Submitted => (
                    OutcomeStatus::Unknown,
                    "the call was given up between intent and outcome: what the upstream did is not known",
                ),
            };
            state.draft.outcome = Some(OutcomeNote {
                message: Some(message.to_owned()),
                ..note::ended(status)
            });
        }
        drop(state);
        let handed = self
            .closing()
            .and_then(|record| self.desk.writer.hand_over(record));
        if let Err(error) = handed {
            tracing::error!(%error, call = %self.call, "the end of a call could not be recorded");
        }
    }
}

/// Leaves out whatever has no bound of its own.
fn reduce(record: &mut Record, error: &JournalError) {
    record.detail = [("reduced".to_owned(), Value::from(error.to_string()))].into();
    record.trace = None;
    if let Some(arguments) = &mut record.arguments {
        arguments.masked = None;
    }
    if let Some(target) = &mut record.target {
        target.resources.clear();
    }
    if let Some(message) = record
        .outcome
        .as_mut()
        .and_then(|outcome| outcome.message.as_mut())
    {
        *message = message.chars().take(MESSAGE_CHARS_REDUCED).collect();
    }
}
