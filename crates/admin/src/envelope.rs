//! What every request and every response of the control plane goes through.

use std::any::Any;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use futures_util::FutureExt as _;
use http::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use sekimori_domain::ids::CorrelationId;
use sekimori_gateway::face::{self, Away};

use crate::control::{Control, Settings};
use crate::pages::{self, Page, Visit};
use crate::problem::{PROBLEM_JSON, Problem};

/// How long a request may take, from the last byte of its head to the first of its answer.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// Ties a response to its audit records, as on the MCP face.
const CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");
const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");

/// Nothing is served under that address.
pub(crate) async fn nothing_here() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "not_found", "there is nothing here")
}

/// Something is served there, but not by that method.
pub(crate) async fn wrong_method() -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        "this address does not know that method; the Allow header lists those it knows",
    )
}

/// The host a request was sent to, checked.
#[derive(Debug, Clone)]
struct Authority(String);

/// The outermost layer: host, correlation id, time limit, panics, security headers, form of problems.
pub(crate) async fn around(
    State(control): State<Arc<Control>>,
    mut request: Request,
    next: Next,
) -> Response {
    let correlation = CorrelationId::from_uuid(control.ids.next());
    request.extensions_mut().insert(correlation.clone());
    let wants_page = wants_page(request.headers());
    let visit = if wants_page {
        let (parts, body) = request.into_parts();
        let visit = Visit::of(&parts, &control);
        request = Request::from_parts(parts, body);
        visit.ok()
    } else {
        None
    };
    let mut response = match admit(&control.settings, &mut request) {
        Ok(()) => guarded(next.run(request)).await,
        Err(away) => turned_away(away).into_response(),
    };
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        response = in_form(&control, visit.as_ref(), problem, &response, &correlation);
    }
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(correlation.as_str()) {
        headers.insert(CORRELATION_ID, value);
    }
    secure(&control.settings, headers);
    response
}

/// Checks where the request was sent to, and finds out where it came from: behind a trusted proxy, handlers
/// see the client's address as that of the connection.
fn admit(settings: &Settings, request: &mut Request) -> Result<(), Away> {
    let headers = request.headers();
    let host = face::check_host(&settings.allowed_hosts, request.uri(), headers)?;
    let authority = Authority(host.to_owned());
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let client = match peer {
        Some(ConnectInfo(peer)) => {
            let ip = peer.ip().to_canonical();
            let ip = face::client_address(ip, headers, &settings.trusted_proxies)?;
            Some(SocketAddr::new(ip, peer.port()))
        }
        None => None,
    };
    let extensions = request.extensions_mut();
    extensions.insert(authority);
    if let Some(client) = client {
        extensions.insert(ConnectInfo(client));
    }
    Ok(())
}

/// Refuses what a page of another site sends, unless its origin is allowed.
pub(crate) async fn check_origin(
    State(control): State<Arc<Control>>,
    request: Request,
    next: Next,
) -> Response {
    let authority = request
        .extensions()
        .get::<Authority>()
        .map_or("", |authority| authority.0.as_str());
    let allowed = &control.settings.allowed_origins;
    match face::check_origin(allowed, authority, request.headers()) {
        Ok(()) => next.run(request).await,
        Err(away) => turned_away(away).into_response(),
    }
}

fn turned_away(Away(status, why): Away) -> Problem {
    let code = if status == StatusCode::FORBIDDEN {
        "wrong_origin"
    } else {
        "invalid_request"
    };
    Problem::new(status, code, why)
}

/// Within the time limit, and whatever happens.
async fn guarded(serving: impl Future<Output = Response>) -> Response {
    let caught = AssertUnwindSafe(serving).catch_unwind();
    match tokio::time::timeout(REQUEST_TIMEOUT, caught).await {
        Ok(Ok(response)) => response,
        Ok(Err(panic)) => panicked(&*panic).into_response(),
        Err(_) => Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "timeout",
            "the request took too long; try again later",
        )
        .into_response(),
    }
}

/// Tells nothing: the message of a panic may hold anything.
fn panicked(_what: &(dyn Any + Send)) -> Problem {
    tracing::error!("a request made the control plane panic");
    Problem::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "internal",
        "something failed inside the gate",
    )
}

/// A browser that navigates asks for HTML first of all.
fn wants_page(headers: &HeaderMap) -> bool {
    headers
        .get(ACCEPT)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.trim_start().starts_with("text/html"))
}

/// The problem as a page, where a browser asked, or as JSON with the correlation id.
fn in_form(
    control: &Control,
    visit: Option<&Visit>,
    problem: Problem,
    plain: &Response,
    correlation: &CorrelationId,
) -> Response {
    let mut response = if let Some(visit) = visit {
        let page = Page::new("problem.html")
            .status(problem.status)
            .with("status", problem.status.as_u16())
            .with("code", problem.code)
            .with("detail", &*problem.detail)
            .with("correlation", correlation.as_str());
        visit.show(control, &page)
    } else {
        let json = problem.to_json(Some(correlation.as_str()));
        problem.response(json, PROBLEM_JSON)
    };
    // What the plain answer said beside its body: Allow, Retry-After, WWW-Authenticate.
    for (name, value) in plain.headers() {
        if !response.headers().contains_key(name) && *name != http::header::CONTENT_LENGTH {
            response.headers_mut().insert(name.clone(), value.clone());
        }
    }
    response
}

/// Headers that keep browsers from doing more with an answer than it is for.
fn secure(settings: &Settings, headers: &mut HeaderMap) {
    let mut or_else = |name: HeaderName, value: &'static str| {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    };
    or_else(CACHE_CONTROL, "no-store");
    or_else(CONTENT_SECURITY_POLICY, pages::NO_CONTENT_POLICY);
    or_else(X_CONTENT_TYPE_OPTIONS, "nosniff");
    or_else(X_FRAME_OPTIONS, "DENY");
    // Not `no-referrer`: browsers would then send `Origin: null` with our own forms.
    or_else(REFERRER_POLICY, "same-origin");
    or_else(
        PERMISSIONS_POLICY,
        "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    );
    if settings.over_tls() {
        or_else(STRICT_TRANSPORT_SECURITY, "max-age=31536000");
    }
}
