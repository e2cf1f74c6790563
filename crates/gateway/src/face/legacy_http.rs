//! Sessions over HTTP: a POST per message, streams that can be resumed, and a stream for everything else.

use std::sync::Arc;

use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::ALLOW;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use sekimori_domain::caller::Caller;
use sekimori_domain::record::EventKind;
use sekimori_domain::refusal::{Refusal, RefusalCode, Stage};
use sekimori_identity::{Random as _, SystemRandom};
use sekimori_mcp::envelope::{Id, Incoming, Message};
use sekimori_mcp::headers::{PROTOCOL_VERSION, SESSION_ID};
use sekimori_mcp::raw_object::RawObject;
use sekimori_mcp::revision::{Era, Revision, code};

use super::guard::{Accepts, Away};
use super::legacy::{self, Line};
use super::outlet::{Last, Opening};
use super::reply::Done;
use super::session::{Full, Session};
use super::wire::{self, Ids};
use super::{Face, head};
use crate::request::Head;
use crate::{list, turned_away};

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// An HTTP request that was looked at from outside only.
#[derive(Debug, Clone, Copy)]
pub(super) struct Envelope<'a> {
    /// What all requests share.
    pub(super) face: &'a Arc<Face>,
    /// Who sent it, from where.
    pub(super) template: &'a Head,
    /// Its headers.
    pub(super) headers: &'a HeaderMap,
    /// What the client takes as answer.
    pub(super) accepts: Accepts,
}

impl Envelope<'_> {
    fn end(&self, done: Done, id: Option<&Id>) -> Response {
        let Head {
            endpoint,
            correlation,
            ..
        } = self.template;
        wire::alone(self.face, endpoint, done.last(id, Era::Legacy), correlation)
    }

    fn refused(&self, refusal: &Refusal, id: Option<&Id>) -> Response {
        self.end(Done::refused(refusal, &self.template.correlation), id)
    }

    /// Takes a message or batch.
    pub(super) async fn post(&self, incoming: Incoming) -> Response {
        match incoming {
            Incoming::One(Message::Request { id, method, params }) if method == "initialize" => {
                let params = RawObject::from_raw_or_empty(params.as_deref());
                self.initialize(&id, &params).await
            }
            Incoming::One(message) => match self.session().await {
                Ok(session) => self.one(session, message).await,
                Err(response) => response,
            },
            Incoming::Batch(items) => match self.session().await {
                Ok(session) if session.agreed.revision.has_batches() => {
                    self.many(session, items).await
                }
                Ok(_) => {
                    let why = "batches are not part of this revision";
                    self.end(Done::rejected(code::INVALID_REQUEST, why), None)
                }
                Err(response) => response,
            },
        }
    }

    async fn initialize(&self, id: &Id, params: &RawObject) -> Response {
        let face = self.face;
        let mut head = head::for_request(self.template, &params.meta(), &*face.gateway.ids);
        match self.open(&mut head, params).await {
            Ok((session, result)) => {
                let done = Done::result(result);
                let text = done.message(Some(id)).unwrap_or_default();
                let mut response = wire::json(200, text, &head.correlation);
                if let Ok(value) = HeaderValue::from_str(&session.id) {
                    response.headers_mut().insert(SESSION_ID, value);
                }
                response
            }
            Err(refusal) => {
                let done = Done::refused(&refusal, &head.correlation);
                let last = done.last(Some(id), Era::Legacy);
                wire::alone(face, &head.endpoint, last, &head.correlation)
            }
        }
    }

    async fn open(
        &self,
        head: &mut Head,
        params: &RawObject,
    ) -> Result<(Arc<Session>, Box<serde_json::value::RawValue>), Refusal> {
        let face = self.face;
        let opened = legacy::initialize(face, head, params).await?;
        let now = face.gateway.clock.monotonic();
        let number = face.gateway.ids.next();
        let session = Session::new(unguessable()?, number, opened.agreed, now);
        if let Err(full) = face.sessions.add(Arc::clone(&session), now) {
            let refusal = no_room(full);
            let (event, caller) = (EventKind::RequestRefused, Some(&*opened.caller));
            turned_away::note(&face.gateway, event, head, caller, &refusal).await?;
            return Err(refusal);
        }
        if let Err(refusal) = legacy::note_open(face, head, &session).await {
            // Not recorded, not opened.
            face.sessions.remove(&session.id);
            return Err(refusal);
        }
        legacy::end_with_access(face, Arc::clone(&session), opened.caller);
        let leaving = legacy::leave_in_the_end(Arc::clone(face), Arc::clone(&session));
        face.settings.tasks.spawn(leaving);
        Ok((session, opened.result))
    }

    /// The session that the request names. Whoever is not known to the gate learns nothing about it.
    async fn session(&self) -> Result<Arc<Session>, Response> {
        let face = self.face;
        let named = self.headers.get(&SESSION_ID);
        let found = named
            .and_then(|id| id.to_str().ok())
            .and_then(|id| face.sessions.find(id, face.gateway.clock.monotonic()))
            .filter(|session| session.agreed.endpoint == self.template.endpoint);
        let Some(session) = found else {
            if let Err(refusal) = list::open(&face.gateway, self.template).await {
                return Err(self.refused(&refusal, None));
            }
            if named.is_some() {
                return Err(self.unknown_session());
            }
            let why = "the Mcp-Session-Id header is missing: initialize first";
            let done = Done::rejected(code::INVALID_REQUEST, why).with_status(400);
            return Err(self.end(done, None));
        };
        if let Some(version) = self.headers.get(&PROTOCOL_VERSION) {
            let legacy = version
                .to_str()
                .ok()
                .and_then(Revision::parse)
                .is_some_and(|revision| revision.era() == Era::Legacy);
            if !legacy {
                let why = "the MCP-Protocol-Version header names no revision with sessions";
                let done = Done::rejected(code::INVALID_REQUEST, why).with_status(400);
                return Err(self.end(done, None));
            }
        }
        Ok(session)
    }

    /// Authenticates a request of `session` that does not take the road.
    async fn authenticate(&self, session: &Session) -> Result<Arc<Caller>, Response> {
        let head = legacy::head_in(self.face, self.template, session, &RawObject::new());
        match list::open(&self.face.gateway, &head).await {
            Ok(caller) => Ok(caller),
            Err(refusal) if self.is_anothers(&refusal).await => Err(self.unknown_session()),
            Err(refusal) => Err(self.refused(&refusal, None)),
        }
    }

    /// Whether a request of a session was refused only because the session is somebody else's. Whoever
    /// has a good credential needs no other one, but a session of their own.
    async fn is_anothers(&self, refusal: &Refusal) -> bool {
        refusal.code == RefusalCode::Unauthenticated
            && list::open(&self.face.gateway, self.template).await.is_ok()
    }

    fn unknown_session(&self) -> Response {
        let why = "unknown or ended session: initialize again";
        let done = Done::rejected(code::INVALID_REQUEST, why).with_status(404);
        self.end(done, None)
    }

    fn line(&self, session: Arc<Session>) -> (u64, Line) {
        let (number, outlet) = session.open_stream();
        let line = Line {
            face: Arc::clone(self.face),
            under_way: Arc::clone(&session.under_way),
            session,
            template: self.template.clone(),
            outlet,
        };
        (number, line)
    }

    async fn one(&self, session: Arc<Session>, message: Message) -> Response {
        let Message::Request { id, method, params } = message else {
            if let Err(response) = self.authenticate(&session).await {
                return response;
            }
            let (number, line) = self.line(session);
            line.told(message);
            line.session.forget_stream(number);
            return wire::empty(StatusCode::ACCEPTED, &self.template.correlation);
        };
        let (number, line) = self.line(session);
        let serving = line.clone();
        // On its own: a connection that breaks does not cancel, and the client may come back.
        self.face.settings.tasks.spawn(async move {
            let done = serving.request(&id, &method, params.as_deref()).await;
            serving.outlet.finish(done.last(Some(&id), Era::Legacy));
        });
        self.answer(number, &line).await
    }

    async fn many(
        &self,
        session: Arc<Session>,
        items: Vec<Result<Message, sekimori_mcp::envelope::EnvelopeError>>,
    ) -> Response {
        if let Err(response) = self.authenticate(&session).await {
            return response;
        }
        let wants_answer = items.iter().any(|item| {
            !matches!(
                item,
                Ok(Message::Notification { .. } | Message::Response { .. })
            )
        });
        let (number, line) = self.line(session);
        let serving = line.clone();
        self.face.settings.tasks.spawn(async move {
            let message = serving.batch(items).await.map(Into::into);
            serving.outlet.finish(Last {
                message,
                status: 200,
                refused: None,
                unrecorded: None,
            });
        });
        if !wants_answer {
            return wire::empty(StatusCode::ACCEPTED, &self.template.correlation);
        }
        self.answer(number, &line).await
    }

    /// Answers a POST: with one JSON text if nothing comes before it, else with a stream.
    async fn answer(&self, number: u64, line: &Line) -> Response {
        let correlation = &self.template.correlation;
        let opening = if self.accepts.events {
            line.outlet.opening().await
        } else {
            line.outlet
                .last()
                .await
                .map_or(Opening::Stream, Opening::Alone)
        };
        match opening {
            Opening::Alone(last) if self.accepts.json || last.status != 200 => {
                line.session.forget_stream(number);
                if let Some(refusal) = &last.refused
                    && self.is_anothers(refusal).await
                {
                    return self.unknown_session();
                }
                wire::alone(self.face, &self.template.endpoint, last, correlation)
            }
            Opening::Alone(_) | Opening::Stream => {
                let ids = Ids::Stream {
                    number,
                    primed: line.session.agreed.revision >= Revision::V20251125,
                };
                let keep_alive = self.face.settings.keep_alive;
                wire::events(&line.outlet, 0, ids, keep_alive, None, correlation)
            }
        }
    }

    /// Opens the stream for what belongs to no request, or goes on with one that broke.
    pub(super) async fn get(&self) -> Response {
        let correlation = &self.template.correlation;
        if !self.headers.contains_key(&SESSION_ID) {
            return self.not_allowed().await;
        }
        if !self.accepts.events {
            let why = Away(StatusCode::NOT_ACCEPTABLE, "accept text/event-stream");
            return wire::away(&why, correlation);
        }
        let session = match self.session().await {
            Ok(session) => session,
            Err(response) => return response,
        };
        let caller = match self.authenticate(&session).await {
            Ok(caller) => caller,
            Err(response) => return response,
        };
        let keep_alive = self.face.settings.keep_alive;
        let ids = |number| Ids::Stream {
            number,
            primed: false,
        };
        if let Some(last) = self.headers.get(&LAST_EVENT_ID) {
            let place = last.to_str().ok().and_then(wire::read_event_id);
            let Some((number, after, outlet)) =
                place.and_then(|(number, after)| Some((number, after, session.stream(number)?)))
            else {
                let why = Away(StatusCode::BAD_REQUEST, "there is no stream to go on with");
                return wire::away(&why, correlation);
            };
            return wire::events(&outlet, after, ids(number), keep_alive, None, correlation);
        }
        let (number, outlet, fresh) = session.standalone();
        if fresh {
            let line = Line {
                face: Arc::clone(self.face),
                under_way: Arc::clone(&session.under_way),
                session,
                template: self.template.clone(),
                outlet: Arc::clone(&outlet),
            };
            let telling = legacy::tell_changes(line, caller);
            let told = Arc::clone(&outlet);
            self.face.settings.tasks.spawn(async move {
                telling.await;
                told.close();
            });
        }
        let after = outlet.delivered();
        wire::events(&outlet, after, ids(number), keep_alive, None, correlation)
    }

    /// Ends a session.
    pub(super) async fn delete(&self) -> Response {
        let correlation = &self.template.correlation;
        if !self.headers.contains_key(&SESSION_ID) {
            return self.not_allowed().await;
        }
        let session = match self.session().await {
            Ok(session) => session,
            Err(response) => return response,
        };
        if let Err(response) = self.authenticate(&session).await {
            return response;
        }
        if !self.face.sessions.remove(&session.id) {
            return self.unknown_session(); // somebody was faster
        }
        match legacy::note_end(self.face, &session, "the client closed it").await {
            Ok(()) => wire::empty(StatusCode::NO_CONTENT, correlation),
            Err(refusal) => self.refused(&refusal, None),
        }
    }

    /// Without a session there are only POSTs (revision 2026-07-28).
    async fn not_allowed(&self) -> Response {
        if let Err(refusal) = list::open(&self.face.gateway, self.template).await {
            return self.refused(&refusal, None);
        }
        let why = Away(
            StatusCode::METHOD_NOT_ALLOWED,
            "without a session there are only POSTs",
        );
        let mut response = wire::away(&why, &self.template.correlation);
        let post = HeaderValue::from_static("POST");
        response.headers_mut().insert(ALLOW, post);
        response
    }
}

fn no_room(full: Full) -> Refusal {
    let (code, message) = match full {
        Full::Principal => (RefusalCode::RateLimited, "too many sessions are in use"),
        Full::Node => (
            RefusalCode::Busy,
            "the gate has no room for another session",
        ),
    };
    Refusal::new(code, Stage::Listen, message)
}

/// A session id that nobody can guess: 256 random bits.
fn unguessable() -> Result<String, Refusal> {
    let mut bytes = [0; 32];
    SystemRandom.fill(&mut bytes).map_err(|_| {
        let code = RefusalCode::DependencyUnavailable;
        Refusal::new(code, Stage::Listen, "no session id could be made")
    })?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}
