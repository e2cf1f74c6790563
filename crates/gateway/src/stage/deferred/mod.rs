//! Calls that wait for people as tasks: the best way to wait for a client that knows tasks.
//!
//! The client gets a task instead of an answer. What it called is kept, sealed, under the id of the request for
//! approval. When people agreed, the first look of the client at its task has the call made again, once, down the
//! whole road and by the rules of then ([decision 8](../../../../docs/decisions/0008-approved-calls-come-again.md));
//! later looks find what came of it. What the upstream makes of the call (a result, a question, a task of its own)
//! becomes the state of this task.

mod followed;
mod made;
mod told;

use std::sync::Arc;
use std::time::Duration;

use sekimori_approval::{Task, Waiting};
use sekimori_domain::Timestamp;
use sekimori_domain::approval::ApprovalRequest;
use sekimori_domain::caller::Caller;
use sekimori_domain::catalog::Target;
use sekimori_domain::ids::{ApprovalId, ConnectorName};
use sekimori_domain::refusal::{Refusal, RefusalCode};
use sekimori_mcp::raw_object::RawObject;
use sekimori_mcp::revision::{self, Era, code};
use sekimori_mcp::tasks::{self as wire, Status, Support};
use sekimori_upstream::exchange::Reply;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::approve::pending;
use super::invoke::{Output, OutputKind, refuse};
use super::page;
use crate::Gateway;
use crate::face;
use crate::request::{
    CallRequest, Cause, ClientFeatures, ClientPort, Endpoint, Head, Operation, TaskMethod,
};
use crate::tasks::{self, TaskHandle};
pub(crate) use followed::{Followed, follow};
use told::{Decided, decided, state};

/// How often a client should look while its call is made.
const POLL_CALL: Duration = Duration::from_secs(1);
/// After that the node that made a call is taken for dead: longer than any call may take.
const RUNS_AT_MOST: Duration = Duration::from_hours(1);
/// How long `tasks/result` waits before it is asked again.
const RESULT_WAITS: Duration = Duration::from_mins(1);
/// How often a change is tried anew because somebody else was faster, or the database did not answer.
const TRIES: usize = 5;

/// A call that waits, as it is kept.
#[derive(Debug, Serialize, Deserialize)]
struct Deferred {
    /// The tool, as the client named it.
    name: String,
    /// The connector at whose endpoint it was called; `None` for that of all.
    endpoint: Option<ConnectorName>,
    arguments: Option<Box<RawValue>>,
    /// The other parameters.
    rest: Box<RawValue>,
    progress: Progress,
}

/// How far it is.
#[derive(Debug, Serialize, Deserialize)]
enum Progress {
    /// People are to decide. The client was shown the address, or needs it not.
    Waits { shown: bool },
    /// It is being made, by whichever node.
    Runs {
        since: Timestamp,
        round: u32,
        /// The client cancelled it meanwhile.
        #[serde(default)]
        unwanted: bool,
    },
    /// The upstream asks something.
    Asks {
        questions: Box<RawValue>,
        state: String,
        round: u32,
    },
    /// The upstream made a task of it: its sealed id.
    Became(String),
    /// It ended with a result.
    Result(Box<RawValue>),
    /// It ended with an error.
    Error(Box<RawValue>),
    /// The client cancelled it.
    Cancelled,
}

impl Progress {
    fn status(&self) -> Status {
        match self {
            Self::Waits { shown: false } | Self::Asks { .. } => Status::InputRequired,
            Self::Waits { shown: true } | Self::Runs { .. } | Self::Became(_) => Status::Working,
            Self::Result(_) => Status::Completed,
            Self::Error(_) => Status::Failed,
            Self::Cancelled => Status::Cancelled,
        }
    }
}

/// Whether the client of a call takes a task for an answer.
pub(super) fn takes_tasks(request: &CallRequest) -> bool {
    let may = match request.client.era {
        Era::Modern => wire::declared(&request.client.capabilities),
        Era::Legacy => request.rest.contains("task"),
    };
    may && matches!(request.operation, Operation::CallTool { .. })
}

/// Makes a task of a call that waits for people.
pub(super) async fn begin(
    gateway: &Gateway,
    caller: &Caller,
    waiting: &Waiting,
    request: &CallRequest,
) -> Result<Output, Refusal> {
    let Operation::CallTool { name } = &request.operation else {
        return Err(pending(gateway, waiting));
    };
    let deferred = Deferred {
        name: name.clone(),
        endpoint: match &request.head.endpoint {
            Endpoint::All => None,
            Endpoint::Connector(name) => Some(name.clone()),
        },
        arguments: request.arguments.clone(),
        rest: request.rest.to_raw(),
        progress: Progress::Waits {
            shown: !page::takes_addresses(&request.client) || request.client.era == Era::Legacy,
        },
    };
    let (approval, owner) = (&waiting.request, &caller.principal.id);
    let content = written(&deferred)?;
    let task = gateway.approvals.begin_task(approval, &content).await?;
    // Whoever asks again for the same call gets the task that there is.
    let deferred = read(&task)?;
    let handle = TaskHandle {
        approval: Some(approval.id.clone()),
        ..tasks::handle(&approval.call.target, approval.id.as_str())
    };
    let sealed = tasks::seal(gateway, owner, &handle)?;
    let connector = &approval.call.target.connector;
    gateway.state.tasks.remember(owner, connector, &sealed);
    let mut told = state(gateway, &sealed, &task, &deferred, approval);
    told.remove("inputRequests");
    told.set_str("resultType", "task");
    let result = match request.client.era {
        Era::Modern => told.to_raw(),
        Era::Legacy => wire::created_to_legacy(&told.to_raw()),
    };
    let reply = Reply::Result(result);
    Ok(output(connector, reply, OutputKind::InputRequired))
}

/// What a task that waits for people leads to: itself, or the task that the upstream made of its call. `None` if it
/// is not this caller's, or not there any more.
pub(crate) async fn lead(
    gateway: &Gateway,
    caller: &Caller,
    handle: TaskHandle,
) -> Result<Option<TaskHandle>, Refusal> {
    let Some(id) = &handle.approval else {
        return Ok(Some(handle));
    };
    let request = gateway.approvals.request(id).await?;
    let own = request.is_some_and(|request| {
        request.call.principal == caller.principal.id && request.call.client == caller.client.id
    });
    let Some(task) = gateway.approvals.task(id).await?.filter(|_| own) else {
        return Ok(None);
    };
    Ok(match read(&task)?.progress {
        Progress::Became(sealed) => tasks::open(gateway, &caller.principal.id, &sealed),
        _ => Some(handle),
    })
}

/// Somebody looks after a task.
pub(super) struct Look<'a> {
    pub(super) gateway: &'a Arc<Gateway>,
    pub(super) caller: &'a Caller,
    pub(super) request: &'a CallRequest,
    pub(super) id: &'a ApprovalId,
}

/// The task as it is now.
struct Now {
    task: Task,
    deferred: Deferred,
    approval: ApprovalRequest,
}

impl Look<'_> {
    /// Answers a method on a task that waits for people.
    pub(super) async fn answer(self, port: &mut dyn ClientPort) -> Result<Output, Refusal> {
        let Operation::Task { method, id: held } = &self.request.operation else {
            return Err(unknown());
        };
        let (method, held, era) = (*method, held.clone(), self.request.client.era);
        match method {
            TaskMethod::Get => self.advance().await?,
            TaskMethod::Result => return self.result(&held, port).await,
            TaskMethod::Update => self.update().await?,
            TaskMethod::Cancel => {
                if self.cancel().await? && era == Era::Legacy {
                    let why = "the task has ended already";
                    let error = revision::error(code::INVALID_PARAMS, why);
                    return self.output(Reply::Error(error)).await;
                }
            }
        }
        let mut told = RawObject::new();
        if method == TaskMethod::Get || era == Era::Legacy {
            let now = self.now().await?;
            told = state(self.gateway, &held, &now.task, &now.deferred, &now.approval);
        }
        told.set_str("resultType", "complete");
        let told = match era {
            Era::Modern => told,
            Era::Legacy => wire::to_legacy(told),
        };
        self.output(Reply::Result(told.to_raw())).await
    }

    async fn output(&self, reply: Reply) -> Result<Output, Refusal> {
        let kind = match &reply {
            Reply::Result(_) => OutputKind::Complete,
            Reply::Error(_) => OutputKind::Failed,
        };
        let connector = self.now().await?.approval.call.target.connector;
        Ok(output(&connector, reply, kind))
    }

    async fn now(&self) -> Result<Now, Refusal> {
        let task = self.gateway.approvals.task(self.id).await?;
        let task = task.ok_or_else(unknown)?;
        let approval = self.gateway.approvals.request(self.id).await?;
        Ok(Now {
            deferred: read(&task)?,
            approval: approval.ok_or_else(unknown)?,
            task,
        })
    }

    async fn change(&self, now: Now, progress: Progress) -> Result<bool, Refusal> {
        let changed = Deferred {
            progress,
            ..now.deferred
        };
        let approvals = &self.gateway.approvals;
        approvals.change_task(&now.task, &written(&changed)?).await
    }

    /// Moves the task on as far as it goes by itself: makes the call when people agreed, ends it when they did not.
    async fn advance(&self) -> Result<(), Refusal> {
        for _ in 0..TRIES {
            let now = self.now().await?;
            let at = self.gateway.clock.now();
            let ended = match &now.deferred.progress {
                Progress::Waits { .. } => match decided(self.gateway, &now.approval) {
                    Decided::NotYet => return Ok(()),
                    Decided::Agreed => {
                        if self.start(now, 0, RawObject::new()).await? {
                            return Ok(());
                        }
                        continue;
                    }
                    Decided::TakenBack => Progress::Cancelled,
                    Decided::Against(refusal) => self.refused(&refusal),
                },
                Progress::Runs { since, .. } if at > *since + RUNS_AT_MOST => {
                    let why = "nobody knows how this call ended: look at the audit log before you repeat it";
                    self.refused(&refuse(RefusalCode::UpstreamTimeout, why))
                }
                _ => return Ok(()),
            };
            if self.change(now, ended).await? {
                return Ok(());
            }
        }
        Err(busy())
    }

    /// The state that a refused call ends in.
    fn refused(&self, refusal: &Refusal) -> Progress {
        let (correlation, era) = (&self.request.head.correlation, self.request.client.era);
        ended(face::told(refusal, correlation, era))
    }

    /// Has the call made, beside whoever looks. Nobody else does; `false`: somebody did.
    async fn start(&self, now: Now, round: u32, more: RawObject) -> Result<bool, Refusal> {
        let client = ClientFeatures {
            log_level: None,
            progress_token: None,
            ..self.request.client.clone()
        };
        let mut rest = RawObject::from_raw_or_empty(Some(&now.deferred.rest));
        if !self.may_be_task_upstream(&now.approval.call.target) {
            rest.remove("task");
        }
        for (name, value) in more {
            rest.set(&name, value);
        }
        let request = CallRequest {
            head: Head {
                endpoint: now
                    .deferred
                    .endpoint
                    .clone()
                    .map_or(Endpoint::All, Endpoint::Connector),
                ..self.request.head.clone()
            },
            operation: Operation::CallTool {
                name: now.deferred.name.clone(),
            },
            arguments: now.deferred.arguments.clone(),
            mirrored: None,
            rest,
            client,
            cause: Cause::Agreement(self.id.clone()),
        };
        let since = self.gateway.clock.now();
        let runs = Progress::Runs {
            since,
            round,
            unwanted: false,
        };
        if !self.change(now, runs).await? {
            return Ok(false);
        }
        let state = &self.gateway.state;
        let made = made::make(Arc::clone(self.gateway), self.id.clone(), request);
        state.beside.spawn(made);
        Ok(true)
    }

    /// Whether the upstream lets clients of 2025-11-25 call the tool as a task.
    fn may_be_task_upstream(&self, target: &Target) -> bool {
        let entry = self.gateway.catalog.entry(&target.connector);
        let support = entry.ok().and_then(|entry| {
            let listing = entry.listing();
            let known = listing.tools.get(&target.name)?;
            Some(Support::of(&known.definition.raw))
        });
        support.unwrap_or_default() != Support::Forbidden
    }

    /// Takes answers: to our own question, or to those of the upstream, with which the call goes on.
    async fn update(&self) -> Result<(), Refusal> {
        let given = self.request.rest.get_object("inputResponses");
        let given = given.unwrap_or_default();
        for _ in 0..TRIES {
            let now = self.now().await?;
            match &now.deferred.progress {
                Progress::Waits { shown: false } if given.contains(page::APPROVAL) => {
                    if self.change(now, Progress::Waits { shown: true }).await? {
                        return Ok(());
                    }
                }
                Progress::Asks { state, round, .. } => {
                    let mut answers = RawObject::new();
                    for (key, answer) in given.iter() {
                        if let Some(own) = made::own_key(&key, *round) {
                            answers.set(own, answer.to_owned());
                        }
                    }
                    if answers.is_empty() {
                        return Ok(()); // of another round, or of nobody's question
                    }
                    let mut more = RawObject::new();
                    more.set_str("requestState", state);
                    more.set("inputResponses", answers.to_raw());
                    let round = round + 1;
                    if self.start(now, round, more).await? {
                        return Ok(());
                    }
                }
                _ => return Ok(()),
            }
        }
        Err(busy())
    }

    /// Ends the task; `true` if it had ended before. What is under way, on whichever node, may still get through.
    async fn cancel(&self) -> Result<bool, Refusal> {
        for _ in 0..TRIES {
            let now = self.now().await?;
            let cancelled = match &now.deferred.progress {
                progress if progress.status().is_terminal() => return Ok(true),
                Progress::Runs { .. } if self.gateway.state.followed.cancel(self.id) => {
                    return Ok(false);
                }
                Progress::Runs { unwanted: true, .. } => return Ok(false),
                Progress::Runs { since, round, .. } => Progress::Runs {
                    since: *since,
                    round: *round,
                    unwanted: true,
                },
                Progress::Waits { .. } => {
                    let correlation = &self.request.head.correlation;
                    let approvals = &self.gateway.approvals;
                    approvals
                        .withdraw(self.id, self.caller, correlation)
                        .await?;
                    Progress::Cancelled
                }
                _ => Progress::Cancelled,
            };
            if self.change(now, cancelled).await? {
                return Ok(false);
            }
        }
        Err(busy())
    }

    /// The result (2025-11-25), waited for a while.
    async fn result(&self, held: &str, port: &mut dyn ClientPort) -> Result<Output, Refusal> {
        let until = self.gateway.clock.monotonic() + RESULT_WAITS;
        loop {
            self.advance().await?;
            let reply = match self.now().await?.deferred.progress {
                Progress::Result(result) => Reply::Result(wire::relate(&result, held)),
                Progress::Error(error) => Reply::Error(error),
                Progress::Cancelled => {
                    let why = "the task was cancelled";
                    Reply::Error(revision::error(code::INVALID_PARAMS, why))
                }
                _ => {
                    let left = until.saturating_sub(self.gateway.clock.monotonic());
                    if left.is_zero() {
                        let why = "the task has no result yet: ask for its state first";
                        return Err(refuse(RefusalCode::InvalidParams, why));
                    }
                    tokio::select! {
                        () = port.gone() => {
                            let why = "the caller does not wait for the result any more";
                            return Err(refuse(RefusalCode::Cancelled, why));
                        }
                        () = tokio::time::sleep(left.min(POLL_CALL)) => continue,
                    }
                }
            };
            return self.output(reply).await;
        }
    }
}

fn ended(reply: Reply) -> Progress {
    match reply {
        Reply::Result(result) => Progress::Result(result),
        Reply::Error(error) => Progress::Error(error),
    }
}

fn output(connector: &ConnectorName, reply: Reply, kind: OutputKind) -> Output {
    Output {
        connector: connector.clone(),
        reply,
        kind,
        inspected: true,
    }
}

fn read(task: &Task) -> Result<Deferred, Refusal> {
    serde_json::from_slice(&task.content).map_err(|_| broken())
}

fn written(deferred: &Deferred) -> Result<Vec<u8>, Refusal> {
    serde_json::to_vec(deferred).map_err(|_| broken())
}

fn broken() -> Refusal {
    let why = "a task that waits for people could not be read or written";
    refuse(RefusalCode::DependencyUnavailable, why)
}

fn unknown() -> Refusal {
    refuse(RefusalCode::UnknownTarget, "unknown or expired task")
}

fn busy() -> Refusal {
    let why = "others look after this task at the same time: look again";
    refuse(RefusalCode::Busy, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    #[test]
    fn what_is_kept_is_read_as_it_was_written() {
        for progress in [
            Progress::Waits { shown: false },
            Progress::Asks {
                questions: raw(r#"{"1:a":{"x":1.50}}"#),
                state: "s".to_owned(),
                round: 1,
            },
            Progress::Result(raw(r#"{"content":[ ],"n":12345678901234567890}"#)),
            Progress::Became("t".to_owned()),
            Progress::Cancelled,
        ] {
            let deferred = Deferred {
                name: "pay".to_owned(),
                endpoint: None,
                arguments: Some(raw(r#"{"amount":1.50}"#)),
                rest: raw("{}"),
                progress,
            };
            let text = serde_json::to_string(&deferred).unwrap();
            let read: Deferred = serde_json::from_str(&text).unwrap();
            assert_eq!(format!("{read:?}"), format!("{deferred:?}"));
        }
    }
}
