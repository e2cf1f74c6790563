//! One call, from warrant to reply.

mod retry;
mod tasks;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use sekimori_domain::connector::Connector;
use sekimori_domain::limits;
use sekimori_domain::road::Warrant;
use sekimori_mcp::envelope::{Id, Reply};
use sekimori_mcp::raw_object::RawObject;
use sekimori_mcp::revision::{Era, code, error_code, meta};
use sekimori_mcp::tasks::{created_to_legacy, created_to_modern, declare, declared, undeclare};
use sekimori_mcp::translate::{InputRequired, ResultType, is_question, result_type};
use serde_json::value::RawValue;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::exchange::{Ask, Event, Question, UpstreamError};
use crate::fault::Fault;
use crate::listing;
use crate::outgoing::{
    Askable, Hop, Outgoing, Questions, Round, hop_capabilities, hop_params, warranted_params,
};
use crate::session::{SharedSession, level_params, not_supported};
use crate::transport::http::mirrored;
use crate::transport::{Conversation, Link, Purpose, Request, Turn};
use crate::upstream::{Inner, ListMethod};

/// How often a modern upstream may ask again before it has to answer.
const ROUNDS_MAX: usize = 16;
/// A question of a legacy upstream: its id, method and parameters.
type AskedQuestion = (Id, String, Option<Box<RawValue>>);

/// How long further questions of a legacy upstream are waited for.
const MORE_QUESTIONS_WITHIN: Duration = Duration::from_millis(50);
/// Most questions of one round.
const QUESTIONS_MAX: usize = 16;

/// How far progress may move the end of a call, as a multiple of its time limit.
const PROGRESS_STRETCH: u32 = 10;
/// How long telling the upstream about a cancellation may take.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(5);

/// Runs a call to its end.
pub(crate) async fn run(
    inner: &Arc<Inner>,
    warrant: &Warrant,
    outgoing: &Outgoing,
    events: &mpsc::Sender<Event>,
    cancelled: CancellationToken,
) -> Result<Reply, UpstreamError> {
    let connector = &inner.connector;
    let capabilities = capabilities(outgoing, connector);
    let limit = connector.timeout();
    let now = Instant::now();
    // Whoever asks for a result waits for the end of the task.
    let patience = if outgoing.method == "tasks/result" {
        limit * PROGRESS_STRETCH
    } else {
        limit
    };
    let mut call = Call {
        inner,
        warrant,
        outgoing,
        events,
        cancelled,
        params: warranted_params(warrant, outgoing),
        client_token: outgoing
            .rest
            .meta()
            .get(meta::PROGRESS_TOKEN)
            .filter(|_| outgoing.progress)
            .map(ToOwned::to_owned),
        spoke: false,
        askable: Askable::from_capabilities(Some(&capabilities)),
        capabilities,
        limit,
        deadline: now + patience,
        deadline_max: now + limit * PROGRESS_STRETCH,
    };
    // Nothing is connected or started for a warrant that ended.
    call.check_warrant()
        .map_err(|fault| fault.into_error(&connector.name))?;
    call.with_retries()
        .await
        .map_err(|fault| fault.into_error(&connector.name))
}

/// What the client can do, in the words of 2026-07-28. A legacy client asks for a task with the call.
fn capabilities(outgoing: &Outgoing, connector: &Connector) -> Box<RawValue> {
    let capabilities = hop_capabilities(
        outgoing.client_capabilities.as_deref(),
        connector.allow_sampling,
        connector.allow_roots,
    );
    if outgoing.era == Era::Modern {
        return capabilities;
    }
    let mut capabilities = RawObject::from_raw_or_empty(Some(&capabilities));
    if outgoing.rest.contains("task") || outgoing.method.starts_with("tasks/") {
        declare(&mut capabilities);
    } else {
        undeclare(&mut capabilities);
    }
    capabilities.to_raw()
}

/// One request among those that a call takes.
struct Step<'s> {
    method: &'s str,
    params: RawObject,
    /// Whether the upstream may ask the client meanwhile.
    asks: bool,
}

struct Call<'a> {
    inner: &'a Arc<Inner>,
    warrant: &'a Warrant,
    outgoing: &'a Outgoing,
    events: &'a mpsc::Sender<Event>,
    cancelled: CancellationToken,
    params: RawObject,
    /// The token under which the client knows the progress of this call.
    client_token: Option<Box<RawValue>>,
    capabilities: Box<RawValue>,
    askable: Askable,
    /// Whether the client heard anything of it: what it heard must not come twice.
    spoke: bool,
    limit: Duration,
    deadline: Instant,
    deadline_max: Instant,
}

/// What follows from a reply.
enum Next {
    Done(Reply),
    Again(Round),
}

impl<'a> Call<'a> {
    async fn rounds(&mut self) -> Result<Reply, Fault> {
        let mut round = Round::default();
        let mut may_reconnect = true;
        let mut may_relist = true;
        let mut may_begin = true;
        for _ in 0..ROUNDS_MAX {
            let session = self.guard(self.inner.session()).await?;
            if let Some(reply) = self.watch(&session) {
                return Ok(reply);
            }
            self.raise_level(&session).await?;
            // Reaching the upstream may have taken time. Answers to its questions belong to the call that
            // was begun in time.
            if std::mem::take(&mut may_begin) {
                self.check_warrant()?;
            }
            let done = if let Some(done) = self.across(&session).await {
                done
            } else {
                let step = self.whole(&session);
                self.attempt(&session, step, &round).await
            };
            let reply = match done {
                // Not executed: the session had ended, or the upstream is another one than it was.
                Err(Fault::Status(status)) if may_reconnect && session.is_stale(status) => {
                    may_reconnect = false;
                    may_begin = true;
                    self.inner.forget(&session);
                    continue;
                }
                other => other?,
            };
            if may_relist && self.misses_headers(&reply) {
                may_relist = false;
                self.guard(listing::list(self.inner, ListMethod::Tools))
                    .await?;
                continue;
            }
            match self.judge(&session, reply).await? {
                Next::Done(reply) => return Ok(reply),
                Next::Again(next) => round = next,
            }
        }
        Err(Fault::invalid("it asked too often"))
    }

    fn check_warrant(&self) -> Result<(), Fault> {
        if self.warrant.has_expired(self.inner.deps.clock.now()) {
            return Err(Fault::WarrantExpired);
        }
        Ok(())
    }

    /// Waits for `work`, but not longer than the caller or the limit.
    async fn guard<T>(&self, work: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
        tokio::select! {
            biased;
            () = self.cancelled.cancelled() => Err(Fault::Cancelled),
            done = work => done,
            () = tokio::time::sleep_until(self.deadline) => Err(Fault::Timeout(self.limit)),
        }
    }

    /// Since 2026-07-28 subscriptions to resources are part of the one stream of notifications. The set of
    /// watched resources is kept for both eras, to be renewed with a new session.
    fn watch(&self, session: &SharedSession) -> Option<Reply> {
        let uri = &self.warrant.tool().target.name;
        let watched = &self.inner.watched;
        match self.outgoing.method.as_str() {
            "resources/subscribe" => watched
                .send_if_modified(|watched| watched.may_grow() && watched.uris.insert(uri.clone())),
            "resources/unsubscribe" => watched.send_if_modified(|watched| watched.uris.remove(uri)),
            _ => return None,
        };
        // For the gate itself it is open already; a person's is opened by the first subscription.
        self.inner.listen();
        (session.era() == Era::Modern).then(|| Reply::Result(RawObject::new().to_raw()))
    }

    /// The call itself, in one request.
    fn whole(&self, session: &SharedSession) -> Step<'a> {
        let mut params = self.params.clone();
        if self.becomes_task(session) {
            params.set("task", RawObject::new().to_raw());
        } else if self.outgoing.method == "tools/call" && self.outgoing.era != session.era() {
            // Whether there is a task, the upstream decides since 2026-07-28, and the client before.
            params.remove("task");
        }
        Step {
            method: &self.outgoing.method,
            params,
            asks: true,
        }
    }

    async fn raise_level(&self, session: &SharedSession) -> Result<(), Fault> {
        let Some(level) = &self.outgoing.log_level else {
            return Ok(());
        };
        if session.raise_level(level) {
            let params = RawObject::from_raw_or_empty(Some(&level_params(level)));
            let asked = listing::ask(self.inner, session, "logging/setLevel", params);
            // Without its log the call is still a call.
            if let Err(fault @ (Fault::Cancelled | Fault::Timeout(_))) = self.guard(asked).await {
                return Err(fault);
            }
        }
        Ok(())
    }

    async fn attempt(
        &mut self,
        session: &SharedSession,
        step: Step<'_>,
        round: &Round,
    ) -> Result<Reply, Fault> {
        let id = self.inner.next_id();
        let reply = self.talk(session, id, step, round).await;
        if matches!(reply, Err(Fault::Cancelled | Fault::Timeout(_)))
            && session.cancels_by_message()
        {
            let told = tell_cancelled(&session.link, id);
            drop(tokio::time::timeout(CANCEL_TIMEOUT, told).await);
        }
        reply
    }

    async fn talk(
        &mut self,
        session: &SharedSession,
        id: u64,
        step: Step<'_>,
        round: &Round,
    ) -> Result<Reply, Fault> {
        let asks = step.asks;
        let task = step.params.get_str("taskId").map(Cow::into_owned);
        let waits = step.method == "tasks/result";
        let mut request = self.request(session, id, step, round);
        request.task = task.as_deref().filter(|_| waits);
        let started = session.link.start(request, session.router.as_ref());
        let mut conversation = self.guard(started).await?;
        loop {
            let turn = match self.guard(conversation.next()).await {
                Err(timeout @ Fault::Timeout(_)) => Err(conversation.timed_out(timeout)),
                turn => turn,
            };
            match turn? {
                Turn::Reply(reply) => {
                    while let Some((method, params)) = conversation.late().await {
                        self.notification(id, method, params).await?;
                    }
                    return Ok(reply);
                }
                Turn::Notification(method, params) => self.notification(id, method, params).await?,
                Turn::Question(..) if session.era() == Era::Modern => {
                    return Err(Fault::invalid("it sent a request"));
                }
                Turn::Question(asked, ..) if !asks => {
                    let refused = Reply::Error(not_supported());
                    self.guard(conversation.answer(&asked, &refused)).await?;
                }
                Turn::Question(asked, method, params) => {
                    let mut questions = vec![(asked, method, params)];
                    if self.outgoing.questions == Questions::Passthrough
                        && let Some(reply) = self
                            .more_questions(id, &mut conversation, &mut questions)
                            .await?
                    {
                        return Ok(reply);
                    }
                    self.questions(&conversation, questions).await?;
                }
            }
        }
    }

    fn request<'s>(
        &self,
        session: &SharedSession,
        id: u64,
        step: Step<'s>,
        round: &Round,
    ) -> Request<'s> {
        let revision = session.discovery.revision;
        let hop = Hop {
            revision,
            progress_token: self.client_token.is_some().then_some(id),
            capabilities: &self.capabilities,
            log_level: self.outgoing.log_level.as_deref(),
        };
        let method = step.method;
        let params = hop_params(step.params, hop, round);
        let headers = match (&session.link, session.era()) {
            (Link::Http(_), Era::Modern) => {
                let mirrored_params = self.inner.params_of(&self.warrant.tool().target.name);
                mirrored(
                    revision.as_str(),
                    method,
                    &params,
                    mirrored_params.as_deref().unwrap_or_default(),
                    self.warrant.forwarded().value(),
                )
            }
            _ => http::HeaderMap::new(),
        };
        Request {
            id,
            method,
            params: params.to_raw(),
            headers,
            purpose: Purpose::Call,
            task: None,
        }
    }

    async fn notification(
        &mut self,
        id: u64,
        method: String,
        params: Option<Box<RawValue>>,
    ) -> Result<(), Fault> {
        let params = if method == "notifications/progress" {
            let mut content = RawObject::from_raw_or_empty(params.as_deref());
            let own = content.get_i64(meta::PROGRESS_TOKEN) == i64::try_from(id).ok();
            let Some(token) = self.client_token.as_ref().filter(|_| own) else {
                return Ok(());
            };
            content.set(meta::PROGRESS_TOKEN, token.clone());
            self.deadline = (Instant::now() + self.limit).min(self.deadline_max);
            Some(content.to_raw())
        } else {
            params
        };
        self.emit(Event::Notification { method, params }).await
    }

    async fn emit(&mut self, event: Event) -> Result<(), Fault> {
        self.spoke = true;
        tokio::select! {
            () = self.cancelled.cancelled() => Err(Fault::Cancelled),
            sent = self.events.send(event) => sent.map_err(|_| Fault::Cancelled),
        }
    }

    /// A legacy upstream that asks several things at once sends several requests; a modern client gets them
    /// in one round, so a moment is waited for the others. A reply means that they are moot.
    async fn more_questions(
        &mut self,
        id: u64,
        conversation: &mut Conversation,
        questions: &mut Vec<AskedQuestion>,
    ) -> Result<Option<Reply>, Fault> {
        let end = Instant::now() + MORE_QUESTIONS_WITHIN;
        while questions.len() < QUESTIONS_MAX {
            let next = self.guard(conversation.next());
            let Ok(turn) = tokio::time::timeout_at(end, next).await else {
                break;
            };
            match turn? {
                Turn::Reply(reply) => return Ok(Some(reply)),
                Turn::Notification(method, params) => self.notification(id, method, params).await?,
                Turn::Question(asked, method, params) => questions.push((asked, method, params)),
            }
        }
        Ok(None)
    }

    /// Puts the questions of a legacy upstream to the client, and its answers to the upstream.
    async fn questions(
        &mut self,
        conversation: &Conversation,
        asked: Vec<AskedQuestion>,
    ) -> Result<(), Fault> {
        let mut ids = Vec::new();
        let mut questions = Vec::new();
        for (id, method, params) in asked {
            let refused = if method == "ping" {
                Reply::Result(RawObject::new().to_raw())
            } else if is_question(&method) && self.askable.allows(&method, params.as_deref()) {
                let key = id.to_string();
                questions.push(Question {
                    key,
                    method,
                    params,
                });
                ids.push(id);
                continue;
            } else {
                Reply::Error(not_supported())
            };
            self.guard(conversation.answer(&id, &refused)).await?;
        }
        if questions.is_empty() {
            return Ok(());
        }
        let answers = self.ask(questions).await?;
        for (id, answer) in ids.iter().zip(&answers) {
            self.guard(conversation.answer(id, answer)).await?;
        }
        Ok(())
    }

    /// Asks the client. The time it takes is not the upstream's.
    async fn ask(&mut self, questions: Vec<Question>) -> Result<Vec<Reply>, Fault> {
        let count = questions.len();
        let asked_at = Instant::now();
        let (answers, answered) = oneshot::channel();
        self.emit(Event::Ask(Ask { questions, answers })).await?;
        let answers = tokio::select! {
            () = self.cancelled.cancelled() => return Err(Fault::Cancelled),
            answers = tokio::time::timeout(limits::ELICITATION_TIMEOUT, answered) => answers,
        };
        let waited = asked_at.elapsed();
        self.deadline += waited;
        self.deadline_max += waited;
        match answers {
            Ok(Ok(answers)) if answers.len() == count => Ok(answers),
            _ => Err(Fault::unavailable("its question was not answered")),
        }
    }

    /// Whether the upstream refused for want of mirrored arguments: its tools changed since they were listed.
    fn misses_headers(&self, reply: &Reply) -> bool {
        self.outgoing.method == "tools/call"
            && matches!(reply, Reply::Error(error) if error_code(error) == code::HEADER_MISMATCH)
    }

    async fn judge(&mut self, session: &SharedSession, reply: Reply) -> Result<Next, Fault> {
        let Reply::Result(result) = &reply else {
            return Ok(Next::Done(reply));
        };
        if session.era() == Era::Legacy {
            let created = created_to_modern(result).filter(|_| self.becomes_task(session));
            return Ok(Next::Done(created.map_or(reply, Reply::Result)));
        }
        match result_type(result) {
            ResultType::Complete => Ok(Next::Done(reply)),
            ResultType::Task if self.takes_tasks() => Ok(Next::Done(match self.outgoing.era {
                Era::Modern => reply,
                Era::Legacy => Reply::Result(created_to_legacy(result)),
            })),
            ResultType::Task => Err(Fault::invalid("it sent a task that the client cannot take")),
            ResultType::Unknown => Err(Fault::invalid("its result is of an unknown type")),
            ResultType::InputRequired => {
                let required = self.input_required(result)?;
                match self.outgoing.questions {
                    Questions::Passthrough => Ok(Next::Done(reply)),
                    Questions::Relay => self.relay(required).await.map(Next::Again),
                }
            }
        }
    }

    fn takes_tasks(&self) -> bool {
        declared(&RawObject::from_raw_or_empty(Some(&self.capabilities)))
    }

    fn input_required(&self, result: &RawValue) -> Result<InputRequired, Fault> {
        let method = self.outgoing.method.as_str();
        if !matches!(method, "tools/call" | "prompts/get" | "resources/read") {
            return Err(Fault::invalid("it asked a question where it must not"));
        }
        let required =
            InputRequired::parse(result).map_err(|error| Fault::Invalid(error.to_string()))?;
        self.check_declared(&required)?;
        Ok(required)
    }

    /// A modern upstream knows from each request what the client may be asked.
    fn check_declared(&self, required: &InputRequired) -> Result<(), Fault> {
        let declared = required.requests.iter().all(|request| {
            self.askable
                .allows(&request.method, request.params.as_deref())
        });
        if declared {
            return Ok(());
        }
        Err(Fault::invalid(
            "it asked for something that the client did not declare",
        ))
    }

    async fn relay(&mut self, required: InputRequired) -> Result<Round, Fault> {
        let mut responses = RawObject::new();
        if !required.requests.is_empty() {
            let questions: Vec<Question> = required
                .requests
                .iter()
                .map(|request| Question {
                    key: request.key.clone(),
                    method: request.method.clone(),
                    params: request.params.clone(),
                })
                .collect();
            let answers = self.ask(questions).await?;
            responses = self::responses(&required, answers);
        }
        Ok(Round {
            responses: Some(responses.to_raw()),
            state: required.state,
        })
    }
}

/// The answers to questions, by their keys.
fn responses(required: &InputRequired, answers: Vec<Reply>) -> RawObject {
    let mut responses = RawObject::new();
    for (request, answer) in required.requests.iter().zip(answers) {
        match answer {
            Reply::Result(result) => responses.set(&request.key, result),
            // There is no way to send an error: a person who can't be asked did not agree, and other
            // answers stay out, so that the upstream may ask again.
            Reply::Error(_) if request.method == "elicitation/create" => {
                let mut cancel = RawObject::new();
                cancel.set_str("action", "cancel");
                responses.set(&request.key, cancel.to_raw());
            }
            Reply::Error(_) => {}
        }
    }
    responses
}

pub(crate) async fn tell_cancelled(link: &Link, id: u64) {
    let params = sekimori_mcp::raw_object::raw_json(&serde_json::json!({
        "requestId": id,
        "reason": "the caller went away or the time ran out",
    }));
    let bytes = sekimori_mcp::envelope::notification("notifications/cancelled", Some(&params));
    // The upstream may be gone; then there is nothing to cancel.
    drop(link.post(bytes).await);
}
