//! Revisions with a handshake, whatever they travel on.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use sekimori_audit::note;
use sekimori_domain::caller::Caller;
use sekimori_domain::ids::CorrelationId;
use sekimori_domain::record::EventKind;
use sekimori_domain::refusal::{Refusal, RefusalCode, Stage};
use sekimori_identity::Credentials;
use sekimori_mcp::envelope::{EnvelopeError, Id, Message};
use sekimori_mcp::raw_object::RawObject;
use sekimori_mcp::revision::{Era, Revision, code};
use serde_json::value::RawValue;
use tokio_util::sync::CancellationToken;

use super::answer::answer;
use super::operation::{self, Asked, Reading};
use super::outlet::Outlet;
use super::port::{LegacyPort, Voice};
use super::reply::Done;
use super::rewrite::Rewrite;
use super::session::{Agreement, Session};
use super::subscription::Notice;
use super::tasks::{self, TaskKey};
use super::turned_away::{authenticated, noted};
use super::under_way::{InFlight, UnderWay};
use super::{Face, admit, guarded, head, listing, modern, server_info};
use crate::request::{ClientFeatures, Head, Operation};
use crate::{list, turned_away};

/// A handshake that was agreed: with whom, on what, and the answer.
#[derive(Debug)]
pub(super) struct Opened {
    /// Who opened the session.
    pub(super) caller: Arc<Caller>,
    /// What was agreed.
    pub(super) agreed: Agreement,
    /// The result of `initialize`.
    pub(super) result: Box<RawValue>,
}

/// Agrees on a session.
pub(super) async fn initialize(
    face: &Face,
    head: &mut Head,
    params: &RawObject,
) -> Result<Opened, Refusal> {
    head.claimed_client = head::claimed_client(params.get("clientInfo"));
    let caller = list::open(&face.gateway, head).await?;
    let (capabilities, wanted) = match wishes(params) {
        Ok(wishes) => wishes,
        Err(refusal) => {
            let event = EventKind::RequestRefused;
            turned_away::note(&face.gateway, event, head, Some(&caller), &refusal).await?;
            return Err(refusal);
        }
    };
    let revision = Revision::negotiate_initialize(Some(&wanted));
    let info = list::server_info(&face.gateway, &head.endpoint, revision);
    let mut result = RawObject::new();
    result.set_str("protocolVersion", revision.as_str());
    result.set("capabilities", info.capabilities.to_raw());
    result.set("serverInfo", server_info(face, &info.title));
    if let Some(instructions) = &info.instructions {
        result.set_str("instructions", instructions);
    }
    let mut opened_by = note::caller(&caller);
    opened_by.client_claimed.clone_from(&head.claimed_client);
    let agreed = Agreement {
        owner: caller.principal.id.clone(),
        opened_by,
        source: head.source.clone(),
        endpoint: head.endpoint.clone(),
        revision,
        capabilities,
        claimed_client: head.claimed_client.clone(),
    };
    Ok(Opened {
        caller,
        agreed,
        result: result.to_raw(),
    })
}

/// What the client wants of a session: its capabilities and a revision.
fn wishes(params: &RawObject) -> Result<(RawObject, Cow<'_, str>), Refusal> {
    let refuse = |message: &str| Refusal::new(RefusalCode::InvalidParams, Stage::Listen, message);
    let capabilities = params
        .get_object("capabilities")
        .ok_or_else(|| refuse("\"capabilities\" must be an object"))?;
    let wanted = params
        .get_str("protocolVersion")
        .ok_or_else(|| refuse("\"protocolVersion\" must be a string"))?;
    Ok((capabilities, wanted))
}

/// Records that a session was opened.
pub(super) async fn note_open(face: &Face, head: &Head, session: &Session) -> Result<(), Refusal> {
    let (gateway, opened_by) = (&face.gateway, session.agreed.opened_by.clone());
    let event = EventKind::SessionOpen;
    list::note_session(gateway, head, session.number, opened_by, event, None).await
}

/// Records that a session has ended, and why.
pub(super) async fn note_end(
    face: &Face,
    session: &Session,
    why: &'static str,
) -> Result<(), Refusal> {
    let (gateway, agreed) = (&face.gateway, &session.agreed);
    let head = Head {
        credentials: Credentials::None,
        source: agreed.source.clone(),
        endpoint: agreed.endpoint.clone(),
        correlation: CorrelationId::from_uuid(gateway.ids.next()),
        trace: None,
        claimed_client: agreed.claimed_client.clone(),
        session: None,
        bound_to: None,
    };
    let (event, opened_by) = (EventKind::SessionClose, agreed.opened_by.clone());
    list::note_session(gateway, &head, session.number, opened_by, event, Some(why)).await
}

/// How often sessions are looked at, at the longest.
const KEEPING: Duration = Duration::from_secs(10);

/// Ends sessions that nobody uses, and records the end of those that did not say good-bye, until the gate
/// shuts down: that ends the rest, and has a record of its own.
pub(super) async fn keep_sessions(face: Arc<Face>) {
    let pause = (face.settings.session_idle / 2).clamp(Duration::from_millis(50), KEEPING);
    loop {
        let stops = face.settings.shutdown.cancelled();
        let stopped = tokio::time::timeout(pause, stops).await.is_ok();
        face.sessions.sweep(face.gateway.clock.monotonic());
        for (session, why) in face.sessions.take_ended() {
            if let Err(refusal) = note_end(&face, &session, why).await {
                tracing::error!(%refusal, session = %session.number, "the end of a session could not be recorded");
            }
        }
        if stopped {
            return;
        }
    }
}

/// Ends a session, with a record, as soon as the access is revoked of who opened it, or who opened it is
/// stopped.
pub(super) fn end_with_access(face: &Arc<Face>, session: Arc<Session>, caller: Arc<Caller>) {
    let face = Arc::clone(face);
    tokio::spawn(async move {
        let ended = face.gateway.ended(&caller, None);
        if session.ended.run_until_cancelled(ended).await.is_none()
            || !face.sessions.remove(&session.id)
        {
            return;
        }
        if let Err(refusal) = note_end(&face, &session, "the access was revoked or stopped").await {
            tracing::error!(%refusal, session = %session.number, "the end of a session could not be recorded");
        }
    });
}

/// The head of a request in `session`.
pub(super) fn head_in(face: &Face, template: &Head, session: &Session, meta: &RawObject) -> Head {
    let mut head = head::for_request(template, meta, &*face.gateway.ids);
    head.claimed_client
        .clone_from(&session.agreed.claimed_client);
    head.session = Some(session.number);
    head.bound_to = Some(session.agreed.owner.clone());
    head
}

/// The client's side of a request: its session, and where messages about the request go.
#[derive(Debug, Clone)]
pub(super) struct Line {
    /// What all requests share.
    pub(super) face: Arc<Face>,
    /// The session.
    pub(super) session: Arc<Session>,
    /// Who asks, from where, as far as the connection tells.
    pub(super) template: Head,
    /// All requests of this client.
    pub(super) under_way: Arc<UnderWay>,
    /// Where notifications and questions go.
    pub(super) outlet: Arc<Outlet>,
}

impl Line {
    /// Serves one request.
    pub(super) async fn request(&self, id: &Id, method: &str, params: Option<&RawValue>) -> Done {
        let params = RawObject::from_raw_or_empty(params);
        let head = head_in(&self.face, &self.template, &self.session, &params.meta());
        let Some(under_way) = self.under_way.begin(id, &self.session.ended) else {
            let why = "a request with this id is under way, or too many are";
            let done = || Done::rejected(code::INVALID_REQUEST, why);
            return authenticated(&self.face, &head, done).await;
        };
        guarded(Box::pin(self.serve(method, params, head, &under_way))).await
    }

    /// Serves all of a batch (revision 2025-03-26); `None` if nothing in it wants an answer.
    pub(super) async fn batch(
        &self,
        items: Vec<Result<Message, EnvelopeError>>,
    ) -> Option<Vec<u8>> {
        let answers = join_all(items.into_iter().map(|item| self.item(item))).await;
        let answers: Vec<_> = answers.into_iter().flatten().collect();
        if answers.is_empty() {
            return None;
        }
        let mut out = vec![b'['];
        out.extend(answers.join(&b','));
        out.push(b']');
        Some(out)
    }

    async fn item(&self, item: Result<Message, EnvelopeError>) -> Option<Vec<u8>> {
        match item {
            Ok(Message::Request { id, method, .. }) if method == "initialize" => {
                let why = "\"initialize\" must come alone";
                let done = Done::rejected(code::INVALID_REQUEST, why);
                self.turn_away(done, Some(&id)).await
            }
            Ok(Message::Request { id, method, params }) => {
                let done = self.request(&id, &method, params.as_deref()).await;
                done.message(Some(&id))
            }
            Ok(message) => {
                self.told(message);
                None
            }
            Err(error) => {
                let done = Done::rejected(error.code(), &error.to_string());
                self.turn_away(done, error.id.as_ref()).await
            }
        }
    }

    async fn turn_away(&self, done: Done, id: Option<&Id>) -> Option<Vec<u8>> {
        let head = head_in(&self.face, &self.template, &self.session, &RawObject::new());
        noted(&self.face, &head, None, done).await.message(id)
    }

    /// Takes a notification, or an answer to a question. The caller was authenticated before.
    pub(super) fn told(&self, message: Message) {
        match message {
            // Others (`initialized`, progress, changed roots) need nothing done: roots are asked for
            // each time.
            Message::Notification { method, params } if method == "notifications/cancelled" => {
                let params = RawObject::from_raw_or_empty(params.as_deref());
                if let Some(id) = params.get("requestId").and_then(Id::from_raw) {
                    self.under_way.cancel(&id);
                }
            }
            Message::Response {
                id: Some(id),
                reply,
            } => self.session.answer(&id, reply),
            Message::Notification { .. } | Message::Request { .. } | Message::Response { .. } => {}
        }
    }

    async fn serve(
        &self,
        method: &str,
        params: RawObject,
        head: Head,
        under_way: &InFlight,
    ) -> Done {
        let face = &self.face;
        let progress_token = admit::progress_token(&params.meta());
        match operation::read(method, Era::Legacy, params) {
            Reading::Call(asked) => {
                let features = ClientFeatures {
                    era: Era::Legacy,
                    capabilities: self.session.agreed.capabilities.clone(),
                    log_level: Some(self.session.log_level()),
                    progress_token,
                };
                self.call(head, asked, features, under_way).await
            }
            Reading::List(kind, params) => {
                listing::list(face, &head, kind, &params, Era::Legacy).await
            }
            Reading::Invalid(problem) => {
                let done = || Done::rejected(code::INVALID_PARAMS, problem);
                authenticated(face, &head, done).await
            }
            Reading::Other(params) if method == "tasks/list" => {
                let state = |id| self.task_state(head.clone(), id, under_way.cancelled.clone());
                tasks::list(face, &head, &params, state).await
            }
            Reading::Other(params) => {
                let done = || local(&self.session, method, &params);
                authenticated(face, &head, done).await
            }
        }
    }

    async fn call(
        &self,
        head: Head,
        asked: Asked,
        features: ClientFeatures,
        under_way: &InFlight,
    ) -> Done {
        let Self { face, session, .. } = self;
        let rewrite = Rewrite::new(&face.gateway, &head.endpoint, &asked.operation);
        let endpoint = head.endpoint.clone();
        let mut fresh = None;
        match &asked.operation {
            Operation::SubscribeResource { uri } if !session.is_subscribed(uri) => {
                if session.is_full() {
                    let why = "too many subscriptions in this session";
                    let done = || Done::rejected(code::INVALID_REQUEST, why);
                    return authenticated(face, &head, done).await;
                }
                fresh = Some(uri.clone());
            }
            // Others may still be subscribed: the upstream goes on telling, this client is told no more.
            Operation::UnsubscribeResource { uri }
                if session.unsubscribe(uri) && !face.watched.remove(&endpoint, uri) =>
            {
                let done = || Done::result(RawObject::new().to_raw());
                return authenticated(face, &head, done).await;
            }
            _ => {}
        }
        let outlet = Arc::clone(&self.outlet);
        let gone = under_way.cancelled.clone();
        let mut port = LegacyPort {
            voice: Voice::new(outlet, gone, rewrite.clone(), &features),
            session: Arc::clone(session),
        };
        let may_be_task = asked.rest.contains("task");
        let done = answer(face, head, asked, features, &rewrite, &mut port).await;
        if let Some(uri) = fresh.filter(|uri| done.is_result() && session.subscribe(uri)) {
            face.watched.add(&endpoint, &uri);
        }
        if let Some(id) = done
            .as_result()
            .filter(|_| may_be_task)
            .and_then(tasks::made)
            && let Some(key) = tasks::watch(face, &session.agreed.owner, &id)
            && !session.hear(key.clone(), &id)
        {
            tasks::unwatch(face, &key);
        }
        if session.ended.is_cancelled() {
            // It ended meanwhile, and nobody else will do it.
            leave(face, session).await;
        }
        done
    }

    /// The state of a task, asked for by the road.
    async fn task_state(&self, head: Head, id: String, gone: CancellationToken) -> Done {
        let asked = tasks::look(&id);
        let features = ClientFeatures {
            era: Era::Legacy,
            capabilities: self.session.agreed.capabilities.clone(),
            log_level: None,
            progress_token: None,
        };
        let rewrite = Rewrite::new(&self.face.gateway, &head.endpoint, &asked.operation);
        let mut port = LegacyPort {
            voice: Voice::new(Arc::clone(&self.outlet), gone, rewrite.clone(), &features),
            session: Arc::clone(&self.session),
        };
        answer(&self.face, head, asked, features, &rewrite, &mut port).await
    }
}

/// Hears of nothing more on behalf of a session that has ended.
pub(super) async fn leave(face: &Arc<Face>, session: &Session) {
    let (subscribed, heard) = session.take_heard();
    for uri in subscribed {
        modern::unsubscribe(face, &session.agreed.endpoint, &uri).await;
    }
    tasks::unwatch_all(face, &heard);
}

/// Waits for the end of a session, and leaves. At the end of the gate everything ends by itself.
pub(super) async fn leave_in_the_end(face: Arc<Face>, session: Arc<Session>) {
    tokio::select! {
        () = face.settings.shutdown.cancelled() => {}
        () = session.ended.cancelled() => leave(&face, &session).await,
    }
}

/// What concerns the session alone.
fn local(session: &Session, method: &str, params: &RawObject) -> Done {
    let nothing = || Done::result(RawObject::new().to_raw());
    match method {
        "ping" => nothing(),
        "logging/setLevel" => {
            let known = params
                .get_str("level")
                .is_some_and(|level| session.set_log_level(&level));
            if known {
                nothing()
            } else {
                Done::rejected(
                    code::INVALID_PARAMS,
                    "\"level\" must be a log level of RFC 5424",
                )
            }
        }
        "initialize" => Done::rejected(code::INVALID_REQUEST, "the session is open already"),
        _ => Done::rejected(code::METHOD_NOT_FOUND, "unknown method"),
    }
}

/// Tells the client of changes, until the session ends, its credential does, or the gate shuts down.
pub(super) async fn tell_changes(line: Line, caller: Arc<Caller>) {
    use tokio::sync::broadcast::error::RecvError;
    let Line { face, session, .. } = &line;
    let mut changes = face.gateway.catalog.changes();
    let endpoint = session.agreed.endpoint.clone();
    loop {
        let change = tokio::select! {
            () = session.ended.cancelled() => break,
            () = face.settings.shutdown.cancelled() => break,
            () = modern::ended(face, &caller) => break,
            _ = face.gateway.ended(&caller, None) => break,
            change = changes.recv() => change,
        };
        let notices = match change {
            Ok(change) => Notice::of(&change, &endpoint).into_iter().collect(),
            // Which ones were missed is unknown: all lists may be new.
            Err(RecvError::Lagged(_)) => vec![Notice::Tools, Notice::Prompts, Notice::Resources],
            Err(RecvError::Closed) => break,
        };
        for notice in notices {
            line.tell(&notice, &caller).await;
        }
    }
}

impl Line {
    async fn tell(&self, notice: &Notice, caller: &Caller) {
        let wanted = match notice {
            Notice::Updated { uri, .. } => self.session.is_subscribed(uri),
            Notice::Tools | Notice::Prompts | Notice::Resources => true,
            Notice::Task(key) => return self.tell_task(key, caller).await,
        };
        if let Some(message) = notice.message(None).filter(|_| wanted) {
            self.outlet.notify(message);
        }
    }

    async fn tell_task(&self, key: &TaskKey, caller: &Caller) {
        let Some(id) = self.session.task(key) else {
            return;
        };
        let head = head_in(&self.face, &self.template, &self.session, &RawObject::new());
        let ended = self.session.ended.clone();
        let state = self.task_state(head, id.clone(), ended).await;
        let Some(state) = state.into_result() else {
            return;
        };
        let (message, last) = tasks::notification(&state, Era::Legacy, None);
        self.outlet.notify(message);
        if last {
            for key in self.session.forget_task(&id) {
                tasks::unwatch(&self.face, &key);
            }
        } else if let Some(behind) = tasks::watch_behind(&self.face, caller, &id).await
            && !self.session.hear(behind.clone(), &id)
        {
            tasks::unwatch(&self.face, &behind);
        }
    }
}
