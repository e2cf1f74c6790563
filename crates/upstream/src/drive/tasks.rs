//! Methods on tasks, where client and upstream are of different eras.
//!
//! Until 2025-11-25 a task's state and its result are asked for separately, and whoever waits for the result
//! is asked the task's questions. Since 2026-07-28 the state holds the result or the questions, and answers
//! come with `tasks/update`.

use std::collections::BTreeSet;
use std::time::Duration;

use sekimori_mcp::envelope::Reply;
use sekimori_mcp::raw_object::RawObject;
use sekimori_mcp::revision::{self, Era, code, extension};
use sekimori_mcp::tasks::{self, Status, Support};
use sekimori_mcp::translate::{CacheHint, InputRequired, question_to_legacy, result_to_modern};
use serde_json::json;
use serde_json::value::RawValue;

use super::{Call, Step};
use crate::asking::Asking;
use crate::exchange::Question;
use crate::fault::Fault;
use crate::session::{SharedSession, not_supported};

/// Bounds of how long to wait between two looks at a task.
const POLL_MIN: Duration = Duration::from_millis(100);
const POLL_MAX: Duration = Duration::from_secs(5);
/// How often a task is looked at after it was cancelled, until it says so itself.
const LOOKS_AFTER_CANCEL: usize = 20;

/// A task, or the error of who was asked for it.
type Looked = Result<RawObject, Box<RawValue>>;

impl Call<'_> {
    /// A call in its own words, or what stands for it in the upstream's era.
    pub(super) async fn across(&mut self, session: &SharedSession) -> Option<Result<Reply, Fault>> {
        let eras = (self.outgoing.era, session.era());
        let done = match (eras, self.outgoing.method.as_str()) {
            ((Era::Modern, Era::Legacy), "tools/call") if self.needs_task(session) => {
                let required = json!({ "extensions": { (extension::TASKS): {} } });
                Ok(Reply::Error(revision::error_with_data(
                    code::MISSING_CLIENT_CAPABILITY,
                    "the tool runs as a task only",
                    &json!({ "requiredCapabilities": required }),
                )))
            }
            ((Era::Modern, Era::Legacy), "tasks/get") => self.state_with_result(session).await,
            ((Era::Modern, Era::Legacy), "tasks/update") => self.update().await,
            ((Era::Modern, Era::Legacy), "tasks/cancel") => self.cancel_or_ended(session).await,
            ((Era::Legacy, Era::Modern), "tasks/get") => self.bare_state(session).await,
            ((Era::Legacy, Era::Modern), "tasks/result") => self.result_in_the_end(session).await,
            ((Era::Legacy, Era::Modern), "tasks/cancel") => self.cancelled_state(session).await,
            _ => return None,
        };
        Some(done)
    }

    /// Whether a modern client's call is made as a task at a legacy upstream: both can.
    pub(super) fn becomes_task(&self, session: &SharedSession) -> bool {
        self.outgoing.era == Era::Modern
            && session.era() == Era::Legacy
            && self.outgoing.task_support != Support::Forbidden
            && self.takes_tasks()
            && offers_tasks(session)
    }

    /// Whether the upstream would refuse the call because the client knows no tasks.
    fn needs_task(&self, session: &SharedSession) -> bool {
        self.outgoing.task_support == Support::Required
            && !self.takes_tasks()
            && offers_tasks(session)
    }

    fn task_id(&self) -> String {
        let id = self.params.get_str("taskId");
        id.map(std::borrow::Cow::into_owned).unwrap_or_default()
    }

    /// One request about the task, among those that this call takes.
    async fn about_task(
        &mut self,
        session: &SharedSession,
        method: &str,
        responses: Option<RawObject>,
    ) -> Result<Reply, Fault> {
        let mut params = RawObject::new();
        params.set_str("taskId", &self.task_id());
        if let Some(responses) = responses {
            params.set("inputResponses", responses.to_raw());
        }
        let step = Step {
            method,
            params,
            asks: false,
        };
        self.attempt(session, step, &super::Round::default()).await
    }

    async fn look(&mut self, session: &SharedSession) -> Result<Looked, Fault> {
        match self.about_task(session, "tasks/get", None).await? {
            Reply::Error(error) => Ok(Err(error)),
            Reply::Result(result) => RawObject::from_raw(&result)
                .map(Ok)
                .map_err(|_| Fault::invalid("its task is no object")),
        }
    }

    /// A legacy upstream's task as a modern one: with its result or its questions inside.
    async fn state_with_result(&mut self, session: &SharedSession) -> Result<Reply, Fault> {
        let task = match self.look(session).await? {
            Ok(task) => task,
            Err(error) => return Ok(Reply::Error(error)),
        };
        let status = status(&task)?;
        let id = self.task_id();
        if status.is_terminal() {
            self.inner.asking.forget(&id);
        }
        let mut told = tasks::to_modern(task);
        match status {
            Status::Completed | Status::Failed => {
                match self.about_task(session, "tasks/result", None).await? {
                    // Also where the tool says that it failed: it came to an end as tools do.
                    Reply::Result(result) => {
                        told.set_str("status", Status::Completed.as_str());
                        let result = tasks::unrelate(&result);
                        let hint = CacheHint {
                            ttl_ms: 0,
                            public: false,
                        };
                        told.set(
                            "result",
                            result_to_modern("tools/call", &result, None, hint),
                        );
                    }
                    Reply::Error(error) => {
                        told.set_str("status", Status::Failed.as_str());
                        told.set("error", error);
                    }
                }
            }
            Status::InputRequired => {
                let questions = self.open_questions(session, &id).await?;
                if questions.is_empty() {
                    told.set_str("status", Status::Working.as_str());
                } else {
                    told.set("inputRequests", questions.to_raw());
                }
            }
            Status::Working | Status::Cancelled => {}
        }
        told.set_str("resultType", "complete");
        Ok(Reply::Result(told.to_raw()))
    }

    /// The questions of a task that the client may be asked. The upstream hears at once of others.
    async fn open_questions(&self, session: &SharedSession, id: &str) -> Result<RawObject, Fault> {
        let waiting = Asking::wait(self.inner, session, id)?;
        let asked = self.guard(async { Ok(waiting.questions().await) }).await?;
        let mut questions = RawObject::new();
        for question in asked {
            let allowed = self
                .askable
                .allows(&question.method, question.params.as_deref());
            if !allowed {
                let refused = Reply::Error(not_supported());
                waiting.answer(&question.key, refused).await;
                continue;
            }
            let mut entry = RawObject::new();
            entry.set_str("method", &question.method);
            if let Some(params) = question.params {
                entry.set("params", params);
            }
            questions.set(&question.key, entry.to_raw());
        }
        Ok(questions)
    }

    /// Takes a modern client's answers to a legacy upstream's questions.
    async fn update(&self) -> Result<Reply, Fault> {
        let responses = self.params.get_object("inputResponses").unwrap_or_default();
        if let Some(waiting) = self.inner.asking.find(&self.task_id()) {
            for (key, response) in responses {
                waiting.answer(&key, Reply::Result(response)).await;
            }
        }
        Ok(acknowledged())
    }

    /// Cancelling what has ended is no error since 2026-07-28.
    async fn cancel_or_ended(&mut self, session: &SharedSession) -> Result<Reply, Fault> {
        match self.about_task(session, "tasks/cancel", None).await? {
            Reply::Result(_) => {
                self.inner.asking.forget(&self.task_id());
                Ok(acknowledged())
            }
            Reply::Error(error) if revision::error_code(&error) == code::INVALID_PARAMS => {
                Ok(match self.look(session).await? {
                    Ok(_) => acknowledged(),
                    Err(_) => Reply::Error(error),
                })
            }
            error @ Reply::Error(_) => Ok(error),
        }
    }

    /// A modern upstream's task as a legacy one, with nothing inside.
    async fn bare_state(&mut self, session: &SharedSession) -> Result<Reply, Fault> {
        Ok(match self.look(session).await? {
            Ok(task) => Reply::Result(tasks::to_legacy(task).to_raw()),
            Err(error) => Reply::Error(error),
        })
    }

    /// Waits for the end of a modern upstream's task, and asks the client what it asks meanwhile.
    async fn result_in_the_end(&mut self, session: &SharedSession) -> Result<Reply, Fault> {
        let id = self.task_id();
        let mut answered = BTreeSet::new();
        loop {
            let task = match self.look(session).await? {
                Ok(task) => task,
                Err(error) => return Ok(Reply::Error(error)),
            };
            match status(&task)? {
                Status::Completed => {
                    let result = task
                        .get("result")
                        .ok_or_else(|| Fault::invalid("its task has no result"))?;
                    return Ok(Reply::Result(tasks::relate(result, &id)));
                }
                Status::Failed => {
                    let error = task
                        .get("error")
                        .ok_or_else(|| Fault::invalid("its task has no error"))?;
                    return Ok(Reply::Error(error.to_owned()));
                }
                Status::Cancelled => {
                    let why = "the task was cancelled";
                    return Ok(Reply::Error(revision::error(code::INTERNAL_ERROR, why)));
                }
                Status::InputRequired => {
                    let responses = self.ask_for_task(&id, &task, &mut answered).await?;
                    if !responses.is_empty() {
                        self.about_task(session, "tasks/update", Some(responses))
                            .await?;
                    }
                }
                Status::Working => {}
            }
            let wait = task
                .get_i64("pollIntervalMs")
                .and_then(|wait| u64::try_from(wait).ok())
                .map_or(POLL_MAX, Duration::from_millis)
                .clamp(POLL_MIN, POLL_MAX);
            let waited = async {
                tokio::time::sleep(wait).await;
                Ok(())
            };
            self.guard(waited).await?;
        }
    }

    /// Puts the questions of a modern upstream's task to a legacy client; each once.
    async fn ask_for_task(
        &mut self,
        id: &str,
        task: &RawObject,
        answered: &mut BTreeSet<String>,
    ) -> Result<RawObject, Fault> {
        let mut required = InputRequired::parse(&task.to_raw())
            .map_err(|error| Fault::Invalid(error.to_string()))?;
        required
            .requests
            .retain(|request| !answered.contains(&request.key));
        self.check_declared(&required)?;
        if required.requests.is_empty() {
            return Ok(RawObject::new());
        }
        let questions = required
            .requests
            .iter()
            .map(|request| {
                let none = RawObject::new().to_raw();
                let params = request.params.as_deref().unwrap_or(&none);
                let related = tasks::relate(params, id);
                Question {
                    key: request.key.clone(),
                    method: request.method.clone(),
                    params: question_to_legacy(&request.method, Some(&related), &request.key),
                }
            })
            .collect();
        let answers = self.ask(questions).await?;
        answered.extend(required.requests.iter().map(|request| request.key.clone()));
        let mut responses = RawObject::new();
        for (name, value) in super::responses(&required, answers) {
            responses.set(&name, tasks::unrelate(&value));
        }
        Ok(responses)
    }

    /// Cancels a modern upstream's task, and tells in which state that left it.
    async fn cancelled_state(&mut self, session: &SharedSession) -> Result<Reply, Fault> {
        match self.look(session).await? {
            Ok(task) if status(&task)?.is_terminal() => {
                let why = "the task has ended already";
                return Ok(Reply::Error(revision::error(code::INVALID_PARAMS, why)));
            }
            Ok(_) => {}
            Err(error) => return Ok(Reply::Error(error)),
        }
        if let error @ Reply::Error(_) = self.about_task(session, "tasks/cancel", None).await? {
            return Ok(error);
        }
        for _ in 0..LOOKS_AFTER_CANCEL {
            let ended = async {
                tokio::time::sleep(POLL_MIN).await;
                Ok(())
            };
            match self.look(session).await? {
                Ok(task) if !status(&task)?.is_terminal() => self.guard(ended).await?,
                _ => break,
            }
        }
        self.bare_state(session).await
    }
}

fn offers_tasks(session: &SharedSession) -> bool {
    let capabilities = RawObject::from_raw_or_empty(Some(&session.discovery.capabilities));
    tasks::offered_by_legacy(&capabilities)
}

fn status(task: &RawObject) -> Result<Status, Fault> {
    Status::of(task).ok_or_else(|| Fault::invalid("its task is in an unknown state"))
}

fn acknowledged() -> Reply {
    let mut result = RawObject::new();
    result.set_str("resultType", "complete");
    Reply::Result(result.to_raw())
}
