//! HTTP responses.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, StatusCode};
use sekimori_domain::ids::CorrelationId;
use sekimori_domain::refusal::{Refusal, RefusalCode, Stage};
use sekimori_identity::challenge;
use sekimori_mcp::revision::code;
use sekimori_mcp::sse::{self, SseEvent};
use tokio_util::sync::DropGuard;

use super::Face;
use super::guard::Away;
use super::outlet::{Event, Last, Outlet, Reader};
use super::reply::Done;
use crate::request::Endpoint;

/// Stands in a response that turns a request away, until that is recorded under the correlation id that the
/// client is told.
#[derive(Debug, Clone)]
pub(super) struct Unrecorded(pub(super) Refusal, pub(super) CorrelationId);

/// Ties a response to its audit records.
const CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");
/// Keeps reverse proxies from holding events back.
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
const EVENT_STREAM: HeaderValue = HeaderValue::from_static("text/event-stream");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// A response with nothing in it yet but what every response carries.
fn response(status: u16, body: Body, correlation: &CorrelationId) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(value) = HeaderValue::from_str(correlation.as_str()) {
        headers.insert(CORRELATION_ID, value);
    }
    response
}

/// A response without a body.
pub(super) fn empty(status: StatusCode, correlation: &CorrelationId) -> Response {
    response(status.as_u16(), Body::empty(), correlation)
}

/// One JSON text.
pub(super) fn json(status: u16, text: impl Into<Bytes>, correlation: &CorrelationId) -> Response {
    let mut response = response(status, Body::from(text.into()), correlation);
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
}

/// The end of a request, as the only thing in the response.
pub(super) fn alone(
    face: &Face,
    endpoint: &Endpoint,
    last: Last,
    correlation: &CorrelationId,
) -> Response {
    let Some(message) = last.message else {
        // Cancelled: the client wants no answer, so it gets a stream without one.
        return stream_head(Body::empty(), correlation);
    };
    let mut response = json(last.status, message, correlation);
    if let Some(refusal) = last.refused {
        add_challenge(face, endpoint, &refusal, &mut response);
        let answered = response.status() == StatusCode::OK;
        if let Some(seconds) = refusal.retry_after().filter(|_| !answered) {
            let headers = response.headers_mut();
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
    }
    if let Some(refusal) = last.unrecorded {
        response
            .extensions_mut()
            .insert(Unrecorded(*refusal, correlation.clone()));
    }
    response
}

/// Tells a client without a usable credential how to get one.
fn add_challenge(face: &Face, endpoint: &Endpoint, refusal: &Refusal, response: &mut Response) {
    let resource = face.gateway.settings.resource(endpoint);
    if let Some(value) = challenge(refusal, &resource) {
        response.headers_mut().insert(WWW_AUTHENTICATE, value);
    }
}

/// A request that never became a message.
pub(super) fn away(away: &Away, correlation: &CorrelationId) -> Response {
    let done = Done::rejected(code::INVALID_REQUEST, away.1);
    let text = done.message(None).unwrap_or_default();
    let mut response = json(away.0.as_u16(), text, correlation);
    let code = match away.0 {
        StatusCode::PAYLOAD_TOO_LARGE => RefusalCode::TooLarge,
        StatusCode::NOT_FOUND => RefusalCode::UnknownTarget,
        _ => RefusalCode::InvalidRequest,
    };
    let refusal = Refusal::new(code, Stage::Listen, away.1);
    let unrecorded = Unrecorded(refusal, correlation.clone());
    response.extensions_mut().insert(unrecorded);
    response
}

fn stream_head(body: Body, correlation: &CorrelationId) -> Response {
    let mut response = response(200, body, correlation);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, EVENT_STREAM);
    headers.insert(ACCEL_BUFFERING, HeaderValue::from_static("no"));
    response
}

/// How events are written.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ids {
    /// Without ids: the stream cannot be resumed.
    None,
    /// With ids of stream `number`; `primed` streams begin with an event that has nothing but an id.
    Stream {
        /// Number of the stream in its session.
        number: u64,
        /// Whether the client knows empty events (since 2025-11-25).
        primed: bool,
    },
}

/// How long a client waits before it comes back to a broken stream.
const RETRY_MS: u64 = 1_000;

/// A stream of the messages in `outlet`, after message `after`. `held` is dropped with the connection.
pub(super) fn events(
    outlet: &Arc<Outlet>,
    after: u64,
    ids: Ids,
    keep_alive: Duration,
    held: Option<DropGuard>,
    correlation: &CorrelationId,
) -> Response {
    let state = Streaming {
        reader: outlet.reader(after),
        ids,
        keep_alive,
        prime: matches!(ids, Ids::Stream { primed: true, .. }).then_some(after),
        _held: held,
    };
    let chunks = stream::unfold(state, |mut state| async move {
        let chunk = state.next().await?;
        Some((Ok::<_, Infallible>(Bytes::from(chunk)), state))
    });
    stream_head(Body::from_stream(chunks), correlation)
}

struct Streaming {
    reader: Reader,
    ids: Ids,
    keep_alive: Duration,
    /// The place in the stream to prime the client with, before anything else.
    prime: Option<u64>,
    _held: Option<DropGuard>,
}

impl Streaming {
    async fn next(&mut self) -> Option<Vec<u8>> {
        if let Some(after) = self.prime.take()
            && let Ids::Stream { number, .. } = self.ids
        {
            let event = SseEvent {
                id: Some(event_id(number, after)),
                ..SseEvent::default()
            };
            return Some(sse::event(&event, Some(RETRY_MS)));
        }
        match tokio::time::timeout(self.keep_alive, self.reader.next()).await {
            Ok(event) => event.map(|event| self.write(&event)),
            Err(_) => Some(sse::KEEP_ALIVE.to_vec()),
        }
    }

    fn write(&self, event: &Event) -> Vec<u8> {
        match self.ids {
            Ids::None => sse::message(&event.message),
            Ids::Stream { number, .. } => {
                let event = SseEvent {
                    event: None,
                    data: event.message.to_vec(),
                    id: Some(event_id(number, event.number)),
                };
                sse::event(&event, None)
            }
        }
    }
}

/// The id of event `event` of stream `stream`: unique in the session, and leads back to its stream.
fn event_id(stream: u64, event: u64) -> String {
    format!("{stream}-{event}")
}

/// Reads what [`event_id`] wrote: stream and event.
pub(super) fn read_event_id(text: &str) -> Option<(u64, u64)> {
    let (stream, event) = text.split_once('-')?;
    Some((stream.parse().ok()?, event.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_ids_lead_back_to_their_stream() {
        assert_eq!(read_event_id(&event_id(7, 12)), Some((7, 12)));
        for bad in ["", "7", "7-", "-1", "a-b", "7-12-3"] {
            assert_eq!(read_event_id(bad), None, "{bad}");
        }
    }

    #[tokio::test]
    async fn a_stream_primes_its_client_and_numbers_its_events() {
        let outlet = Outlet::resumable();
        outlet.send("{\"a\":1}");
        outlet.finish(Last {
            message: Some("{\"b\":2}".into()),
            status: 200,
            refused: None,
            unrecorded: None,
        });
        let ids = Ids::Stream {
            number: 3,
            primed: true,
        };
        let correlation = CorrelationId::new("c").unwrap();
        let pause = Duration::from_secs(1);
        let response = events(&outlet, 0, ids, pause, None, &correlation);
        assert_eq!(response.headers().get("x-accel-buffering").unwrap(), "no");
        let body = axum::body::to_bytes(response.into_body(), 10_000)
            .await
            .unwrap();
        assert_eq!(
            std::str::from_utf8(&body).unwrap(),
            "id: 3-0\nretry: 1000\ndata: \n\nid: 3-1\ndata: {\"a\":1}\n\nid: 3-2\ndata: {\"b\":2}\n\n"
        );
    }

    #[tokio::test]
    async fn an_idle_stream_shows_signs_of_life() {
        let outlet = Outlet::new();
        let mut streaming = Streaming {
            reader: outlet.reader(0),
            ids: Ids::None,
            keep_alive: Duration::from_millis(1),
            prime: None,
            _held: None,
        };
        assert_eq!(streaming.next().await.unwrap(), b":\n\n");
        outlet.send("{}");
        streaming.keep_alive = Duration::from_mins(1);
        assert_eq!(streaming.next().await.unwrap(), b"data: {}\n\n");
    }
}
