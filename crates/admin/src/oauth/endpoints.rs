//! What clients call: metadata, keys, tokens, registration.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{FormRejection, JsonRejection};
use axum::extract::{ConnectInfo, Form, RawQuery, State};
use axum::response::{IntoResponse as _, Response};
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_MAX_AGE, CACHE_CONTROL, PRAGMA, WWW_AUTHENTICATE,
};
use http::{HeaderValue, StatusCode};
use sekimori_domain::ids::CorrelationId;
use sekimori_domain::revocation::{Subject, SubjectKind};
use sekimori_identity::authorization_server::{
    OAuthErrorCode, OAuthRefusal, Params, RegistrationRequest,
};
use sekimori_identity::end_access;
use serde_json::json;

use super::record::{self, At};
use super::server;
use crate::control::Control;
use crate::problem::Problem;

/// How long metadata and keys may be kept: short enough for a key that is published a day ahead.
const KEPT: HeaderValue = HeaderValue::from_static("public, max-age=300");
/// Parameters that have no business in an address, where logs and histories keep them.
const SECRETS: [&str; 7] = [
    "code",
    "code_verifier",
    "refresh_token",
    "access_token",
    "token",
    "client_assertion",
    "assertion",
];

type Pairs = Vec<(String, String)>;

/// The metadata of the authorization server.
pub(super) async fn metadata(State(control): State<Arc<Control>>) -> Result<Response, Problem> {
    let metadata = server(&control)?.metadata();
    Ok(([(CACHE_CONTROL, KEPT)], Json(metadata)).into_response())
}

/// The public signing keys.
pub(super) async fn jwks(State(control): State<Arc<Control>>) -> Result<Response, Problem> {
    let keys = server(&control)?.jwks();
    Ok(([(CACHE_CONTROL, KEPT)], Json(keys)).into_response())
}

/// What a browser asks before a page of another origin may call.
pub(super) async fn preflight() -> StatusCode {
    StatusCode::NO_CONTENT
}

/// Pages of any origin may call and read: there are no cookies to misuse here.
pub(super) async fn open_to_all(mut response: Response) -> Response {
    let headers = response.headers_mut();
    let mut set = |name, value| headers.insert(name, HeaderValue::from_static(value));
    set(ACCESS_CONTROL_ALLOW_ORIGIN, "*");
    set(ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, OPTIONS");
    set(
        ACCESS_CONTROL_ALLOW_HEADERS,
        "Authorization, Content-Type, MCP-Protocol-Version",
    );
    set(ACCESS_CONTROL_MAX_AGE, "600");
    response
}

/// A request for tokens.
pub(super) async fn token(
    State(control): State<Arc<Control>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    axum::Extension(correlation): axum::Extension<CorrelationId>,
    RawQuery(query): RawQuery,
    form: Result<Form<Pairs>, FormRejection>,
) -> Result<Response, Problem> {
    let server = server(&control)?;
    let at = At::new(&control, correlation, peer);
    let params = match params(query.as_deref(), form) {
        Ok(params) => params,
        Err(refusal) => return Ok(refused(&refusal)),
    };
    match server.token(&params, Some(peer.ip())).await {
        Ok(issued) => {
            record::issued(&at, &issued).await?;
            Ok(answer(StatusCode::OK, &issued.to_json()))
        }
        Err(refusal) => {
            if let Some(grant) = refusal.grant.as_ref().filter(|_| refusal.theft.is_some()) {
                end_grant(&control, &grant.id).await?;
            }
            record::refused(&at, "token", &refusal).await?;
            Ok(refused(&refusal))
        }
    }
}

/// Ends what was issued from a grant on every node, calls under way included: what is in the hands of a
/// thief does not live until it expires.
async fn end_grant(control: &Control, id: &str) -> Result<(), Problem> {
    let grant = Subject::new(SubjectKind::Grant, id);
    let (store, clock) = (&*control.store, &*control.clock);
    end_access(store, &control.revocations, clock, &grant).await?;
    Ok(())
}

/// A token is given back.
pub(super) async fn revoke(
    State(control): State<Arc<Control>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    axum::Extension(correlation): axum::Extension<CorrelationId>,
    RawQuery(query): RawQuery,
    form: Result<Form<Pairs>, FormRejection>,
) -> Result<Response, Problem> {
    let server = server(&control)?;
    let at = At::new(&control, correlation, peer);
    let params = match params(query.as_deref(), form) {
        Ok(params) => params,
        Err(refusal) => return Ok(refused(&refusal)),
    };
    match server.revoke(&params).await {
        Ok(revoked) => {
            if let Some(grant) = revoked {
                end_grant(&control, &grant.id).await?;
                record::given_back(&at, &grant).await?;
            }
            Ok(StatusCode::OK.into_response())
        }
        Err(refusal) => {
            record::refused(&at, "revoke", &refusal).await?;
            Ok(refused(&refusal))
        }
    }
}

/// A client registers itself.
pub(super) async fn register(
    State(control): State<Arc<Control>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    axum::Extension(correlation): axum::Extension<CorrelationId>,
    body: Result<Json<RegistrationRequest>, JsonRejection>,
) -> Result<Response, Problem> {
    let server = server(&control)?;
    if !server.offers_registration() {
        return Err(Problem::not_found("registration of clients"));
    }
    let Ok(Json(request)) = body else {
        let refusal = OAuthRefusal::new(
            OAuthErrorCode::InvalidClientMetadata,
            "send client metadata as JSON, with redirect_uris",
        );
        return Ok(refused(&refusal));
    };
    match server.register(request, Some(peer.ip())).await {
        Ok((client, metadata)) => {
            let at = At::new(&control, correlation, peer);
            record::registered(&at, &client).await?;
            Ok(answer(StatusCode::CREATED, &metadata))
        }
        Err(refusal) => Ok(refused(&refusal)),
    }
}

/// The parameters of a form. Nothing secret is taken from the address.
fn params(
    query: Option<&str>,
    form: Result<Form<Pairs>, FormRejection>,
) -> Result<Params, OAuthRefusal> {
    let refusal = |text: &'static str| OAuthRefusal::new(OAuthErrorCode::InvalidRequest, text);
    let in_query = query.unwrap_or_default().split('&').any(|pair| {
        let name = pair.split('=').next().unwrap_or_default();
        SECRETS.contains(&name)
    });
    if in_query {
        return Err(refusal("send parameters in the body, never in the address"));
    }
    let Form(pairs) =
        form.map_err(|_| refusal("send the parameters as application/x-www-form-urlencoded"))?;
    Ok(Params::new(pairs))
}

fn answer(status: StatusCode, body: &serde_json::Value) -> Response {
    let headers = [
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (PRAGMA, HeaderValue::from_static("no-cache")),
    ];
    (status, headers, Json(body)).into_response()
}

fn refused(refusal: &OAuthRefusal) -> Response {
    let status = StatusCode::from_u16(refusal.code.status()).unwrap_or(StatusCode::BAD_REQUEST);
    let body = json!({"error": refusal.code.as_str(), "error_description": refusal.description});
    let mut response = answer(status, &body);
    if status == StatusCode::UNAUTHORIZED {
        let challenge = HeaderValue::from_static("Bearer error=\"invalid_client\"");
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    }
    response
}
