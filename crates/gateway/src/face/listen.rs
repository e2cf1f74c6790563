//! HTTP: `/mcp`, `/c/<connector>/mcp`, and what clients need to know to authorize themselves.
//!
//! The time that the head of a request may take is the listener's part (`limits::REQUEST_HEAD_TIMEOUT`), and so is
//! TCP_NODELAY, without which a stream's first event waits for 40 ms. The peer's address is read from the
//! request's extensions ([`ConnectInfo`]).

use std::any::Any;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Path, Request, State};
use axum::response::Response;
use axum::routing::{any, get};
use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ALLOW, CONTENT_ENCODING, ORIGIN,
    USER_AGENT, VARY,
};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use sekimori_domain::caller::Source;
use sekimori_domain::ids::{ConnectorName, CorrelationId};
use sekimori_domain::record::EventKind;
use sekimori_identity::{Credentials, protected_resource_metadata};
use sekimori_mcp::envelope::{self, Incoming, Message};
use sekimori_mcp::headers::PROTOCOL_VERSION;
use sekimori_mcp::raw_object::RawObject;
use sekimori_mcp::revision::{Era, code};
use tower_http::catch_panic::CatchPanicLayer;

use super::admit::{Speaks, speaks};
use super::forwarded::{client_address, client_certificate};
use super::guard::{self, Accepts, Away};
use super::legacy::keep_sessions;
use super::legacy_http::Envelope;
use super::reply::Done;
use super::settings::Settings;
use super::wire::Unrecorded;
use super::{Face, head, modern_http, wire};
use crate::Gateway;
use crate::request::{Endpoint, Head};
use crate::{list, turned_away};

/// Longest `User-Agent` that is kept.
const USER_AGENT_CHARS_MAX: usize = 256;
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// The routes of the MCP face. Sessions are looked after by a task of the present runtime.
pub fn router(gateway: Arc<Gateway>, settings: Settings) -> Router {
    let face = Face::new(gateway, settings);
    let keeper = keep_sessions(Arc::clone(&face));
    face.settings.tasks.spawn(keeper);
    Router::new()
        .route("/mcp", any(all))
        .route("/c/{connector}/mcp", any(one))
        .route(
            "/.well-known/oauth-protected-resource",
            get(metadata_of_all),
        )
        .route(
            "/.well-known/oauth-protected-resource/mcp",
            get(metadata_of_all),
        )
        .route(
            "/.well-known/oauth-protected-resource/c/{connector}/mcp",
            get(metadata_of_one),
        )
        .layer(CatchPanicLayer::custom(panicked))
        .with_state(face)
}

async fn all(State(face): State<Arc<Face>>, request: Request) -> Response {
    serve(&face, Endpoint::All, request).await
}

async fn one(
    State(face): State<Arc<Face>>,
    Path(connector): Path<String>,
    request: Request,
) -> Response {
    match ConnectorName::new(&connector) {
        Ok(name) => serve(&face, Endpoint::Connector(name), request).await,
        Err(_) => not_found(&face),
    }
}

async fn metadata_of_all(State(face): State<Arc<Face>>, request: Request) -> Response {
    metadata(&face, &Endpoint::All, &request)
}

async fn metadata_of_one(
    State(face): State<Arc<Face>>,
    Path(connector): Path<String>,
    request: Request,
) -> Response {
    // Answered for every possible name: whether a connector exists is not for strangers to know.
    match ConnectorName::new(&connector) {
        Ok(name) => metadata(&face, &Endpoint::Connector(name), &request),
        Err(_) => not_found(&face),
    }
}

fn metadata(face: &Face, endpoint: &Endpoint, request: &Request) -> Response {
    let correlation = fresh(face);
    let checked = guard::check_host_and_origin(&face.settings, request.uri(), request.headers());
    if let Err(away) = checked {
        return wire::away(&away, &correlation);
    }
    let resource = face.gateway.settings.resource(endpoint);
    let issuers = face.settings.issuers.iter().map(String::as_str);
    let metadata = protected_resource_metadata(&resource, issuers);
    let response = wire::json(200, metadata.to_string(), &correlation);
    with_cors(response, request.headers())
}

fn not_found(face: &Face) -> Response {
    let away = Away(StatusCode::NOT_FOUND, "there is nothing here");
    wire::away(&away, &fresh(face))
}

fn fresh(face: &Face) -> CorrelationId {
    CorrelationId::from_uuid(face.gateway.ids.next())
}

/// Tells nothing: the message of a panic may hold anything.
fn panicked(_what: Box<dyn Any + Send + 'static>) -> Response {
    tracing::error!("a request made the gate panic");
    let done = Done::rejected(code::INTERNAL_ERROR, "internal error");
    let mut response = Response::new(Body::from(done.message(None).unwrap_or_default()));
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response
}

/// One HTTP request to an MCP endpoint.
async fn serve(face: &Arc<Face>, endpoint: Endpoint, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let trace = parts
        .headers
        .get(&TRACEPARENT)
        .and_then(|value| value.to_str().ok())
        .and_then(|trace| Some((trace.to_owned(), head::correlation_of(trace)?)));
    let (trace, correlation) = match trace {
        Some((trace, correlation)) => (Some(trace), correlation),
        None => (None, fresh(face)),
    };
    let mut head = Head {
        credentials: Credentials::None,
        source: peer(&parts),
        endpoint,
        correlation,
        trace,
        claimed_client: None,
        session: None,
        bound_to: None,
    };
    let response = guarded(face, &mut head, &parts, body).await;
    recorded(face, head, response).await
}

/// Sees to it that what was turned away without a record gets one, before the client is told.
async fn recorded(face: &Face, mut head: Head, mut response: Response) -> Response {
    let unrecorded = response.extensions_mut().remove::<Unrecorded>();
    let Some(Unrecorded(refusal, correlation)) = unrecorded else {
        return response;
    };
    head.correlation = correlation;
    let event = EventKind::RequestRefused;
    match turned_away::note(&face.gateway, event, &head, None, &refusal).await {
        Ok(()) => response,
        Err(refusal) => {
            let last = Done::refused(&refusal, &head.correlation).last(None, Era::Modern);
            wire::alone(face, &head.endpoint, last, &head.correlation)
        }
    }
}

/// Turns away what comes from the wrong place, before anything else is looked at.
async fn guarded(face: &Arc<Face>, head: &mut Head, parts: &Parts, body: Body) -> Response {
    let checked = guard::check_host_and_origin(&face.settings, &parts.uri, &parts.headers)
        .and_then(|()| believed(face, parts, &mut head.source));
    if let Err(away) = checked {
        return wire::away(&away, &head.correlation);
    }
    if parts.method == Method::OPTIONS {
        return preflight(&parts.headers, &head.correlation);
    }
    let response = match Credentials::from_request(&parts.headers, parts.uri.query()) {
        Ok(credentials) => {
            head.credentials = credentials;
            known_form(face, head, parts, body).await
        }
        Err(refusal) => {
            let done = Done::turned_away(&refusal, &head.correlation);
            let last = done.last(None, Era::Modern);
            wire::alone(face, &head.endpoint, last, &head.correlation)
        }
    };
    with_cors(response, &parts.headers)
}

/// The other end of the connection.
fn peer(parts: &Parts) -> Source {
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
    let user_agent = parts
        .headers
        .get(USER_AGENT)
        .and_then(|value| value.to_str().ok())
        .map(|text| text.chars().take(USER_AGENT_CHARS_MAX).collect());
    Source {
        ip: peer.map(|ConnectInfo(address)| address.ip().to_canonical()),
        user_agent,
        certificate: None,
    }
}

/// Puts the client in the place of a trusted proxy.
fn believed(face: &Face, parts: &Parts, source: &mut Source) -> Result<(), Away> {
    if let Some(ip) = &mut source.ip {
        if face.settings.device_certificates {
            let trusted = &face.settings.trusted_proxies;
            source.certificate = client_certificate(*ip, &parts.headers, trusted)?;
        }
        *ip = client_address(*ip, &parts.headers, &face.settings.trusted_proxies)?;
    }
    Ok(())
}

/// A request with well-formed credentials, whose they are not known yet.
async fn known_form(face: &Arc<Face>, template: &Head, parts: &Parts, body: Body) -> Response {
    let correlation = &template.correlation;
    if let Endpoint::Connector(name) = &template.endpoint
        && !face.gateway.catalog.entries().contains_key(name)
    {
        return match list::open(&face.gateway, template).await {
            Ok(_) => not_found(face),
            Err(refusal) => {
                let last = Done::refused(&refusal, correlation).last(None, Era::Modern);
                wire::alone(face, &template.endpoint, last, correlation)
            }
        };
    }
    let envelope = Envelope {
        face,
        template,
        headers: &parts.headers,
        accepts: guard::accepts(&parts.headers),
    };
    match parts.method {
        Method::POST => match read(face, &parts.headers, envelope.accepts, body).await {
            Ok(bytes) => post(&envelope, &bytes).await,
            Err(away) => wire::away(&away, correlation),
        },
        Method::GET => envelope.get().await,
        Method::DELETE => envelope.delete().await,
        _ => {
            let away = Away(StatusCode::METHOD_NOT_ALLOWED, "use POST, GET or DELETE");
            let mut response = wire::away(&away, correlation);
            let allowed = HeaderValue::from_static("POST, GET, DELETE, OPTIONS");
            response.headers_mut().insert(ALLOW, allowed);
            response
        }
    }
}

/// Reads a body, in its bounds of form, size and time.
async fn read(
    face: &Face,
    headers: &HeaderMap,
    accepts: Accepts,
    body: Body,
) -> Result<Bytes, Away> {
    guard::check_content_type(headers)?;
    if headers.contains_key(CONTENT_ENCODING) {
        let why = "the body must not be compressed";
        return Err(Away(StatusCode::UNSUPPORTED_MEDIA_TYPE, why));
    }
    if !accepts.json && !accepts.events {
        let why = "accept application/json and text/event-stream";
        return Err(Away(StatusCode::NOT_ACCEPTABLE, why));
    }
    let limited = Limited::new(body, face.settings.request_bytes_max);
    match tokio::time::timeout(face.settings.body_timeout, limited.collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            Err(Away(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large"))
        }
        Ok(Err(_)) => Err(Away(StatusCode::BAD_REQUEST, "the body ended early")),
        Err(_) => Err(Away(
            StatusCode::REQUEST_TIMEOUT,
            "the body took too long to arrive",
        )),
    }
}

async fn post(envelope: &Envelope<'_>, bytes: &[u8]) -> Response {
    let Envelope {
        face,
        template,
        headers,
        accepts,
    } = *envelope;
    let incoming = match envelope::parse(bytes) {
        Ok(incoming) => incoming,
        Err(error) => {
            let done = Done::rejected(error.code(), &error.to_string()).with_status(400);
            let last = done.last(error.id.as_ref(), Era::Modern);
            return wire::alone(face, &template.endpoint, last, &template.correlation);
        }
    };
    let version = headers
        .get(&PROTOCOL_VERSION)
        .and_then(|value| value.to_str().ok());
    match incoming {
        Incoming::One(Message::Request { id, method, params }) => {
            let members = RawObject::from_raw_or_empty(params.as_deref());
            match speaks(&method, &members.meta(), version) {
                Speaks::Modern => {
                    modern_http::request(face, template, headers, accepts, id, method, members)
                        .await
                }
                Speaks::Legacy => {
                    let request = Message::Request { id, method, params };
                    envelope.post(Incoming::One(request)).await
                }
            }
        }
        Incoming::One(Message::Notification { method, params }) => {
            let members = RawObject::from_raw_or_empty(params.as_deref());
            match speaks(&method, &members.meta(), version) {
                Speaks::Modern => modern_http::notification(face, template).await,
                Speaks::Legacy => {
                    let notification = Message::Notification { method, params };
                    envelope.post(Incoming::One(notification)).await
                }
            }
        }
        other => envelope.post(other).await,
    }
}

/// Answers a browser that asks before it sends: pages of allowed origins may.
fn preflight(headers: &HeaderMap, correlation: &CorrelationId) -> Response {
    let mut response = wire::empty(StatusCode::NO_CONTENT, correlation);
    let fields = response.headers_mut();
    let methods = HeaderValue::from_static("POST, GET, DELETE, OPTIONS");
    fields.insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
    if let Some(wanted) = headers.get(http::header::ACCESS_CONTROL_REQUEST_HEADERS) {
        fields.insert(ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone());
    }
    fields.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    with_cors(response, headers)
}

/// Lets a page of an allowed origin read the response. Other origins were turned away before.
fn with_cors(mut response: Response, headers: &HeaderMap) -> Response {
    if let Some(origin) = headers.get(ORIGIN) {
        let fields = response.headers_mut();
        fields.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        fields.insert(VARY, HeaderValue::from_static("Origin"));
        fields.insert(
            ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static("Mcp-Session-Id, X-Correlation-Id, WWW-Authenticate"),
        );
    }
    response
}
