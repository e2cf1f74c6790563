//! Reading a request: who sends it, what it asks to see, and under which conditions.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Bytes;
use axum::extract::{ConnectInfo, FromRequest, FromRequestParts, Path, Query, Request};
use axum::response::Response;

use http::header::{CONTENT_TYPE, IF_MATCH, IF_NONE_MATCH};
use http::request::Parts;
use http::{HeaderMap, HeaderName};
use sekimori_domain::ids::CorrelationId;
use sekimori_domain::record::EventKind;
use sekimori_identity::Credentials;
use sekimori_identity::scim::{Preconditions, Provisioner, ScimError, View};
use serde_json::json;

use super::reply::{self, not_done};
use super::service;
use crate::control::Control;

/// Most records of failed authentication in one minute: anybody can cause them.
const RECORDED_FAILURES_MAX: u32 = 60;

/// A request of an identity provider that proved to be one.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) by: Provisioner,
    pub(super) ip: Option<IpAddr>,
    pub(super) correlation: CorrelationId,
    pub(super) view: View,
    pub(super) preconditions: Preconditions,
    pub(super) parameters: Vec<(String, String)>,
}

/// The id in the path.
pub(super) struct Id(pub(super) String);

/// The body, of a media type that SCIM knows.
pub(super) struct Body(pub(super) Bytes);

/// How many failures were recorded in this minute.
#[derive(Debug, Default)]
pub(crate) struct Failures(Mutex<(u64, u32)>);

impl Failures {
    /// Whether one more may be recorded.
    pub(crate) fn admit(&self, minute: u64) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.0 != minute {
            *state = (minute, 0);
        }
        state.1 += 1;
        state.1 <= RECORDED_FAILURES_MAX
    }
}

impl FromRequestParts<Arc<Control>> for Call {
    type Rejection = Response;

    async fn from_request_parts(
        parts: &mut Parts,
        control: &Arc<Control>,
    ) -> Result<Self, Response> {
        let ip = parts
            .extensions
            .get::<ConnectInfo<SocketAddr>>()
            .map(|ConnectInfo(address)| address.ip().to_canonical());
        let correlation = parts.extensions.get::<CorrelationId>().cloned();
        let correlation =
            correlation.unwrap_or_else(|| CorrelationId::from_uuid(control.ids.next()));
        let by = match authenticate(parts, control, ip).await {
            Ok(by) => by,
            Err(error) => {
                let failures = parts.extensions.get::<Arc<Failures>>().cloned();
                note_failure(control, failures.as_deref(), correlation, ip, &error).await;
                return Err(not_done(&error));
            }
        };
        let parameters = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri)
            .map_err(|_| not_done(&ScimError::malformed("the query can't be read")))?
            .0;
        let get = |name: &str| {
            let mut pairs = parameters.iter();
            pairs
                .find(|(key, _)| key.eq_ignore_ascii_case(name))
                .map(|(_, value)| value.as_str())
        };
        let view = View::new(get("attributes"), get("excludedAttributes"))
            .map_err(|error| not_done(&error))?;
        let header = |name: HeaderName| text(&parts.headers, &name);
        Ok(Self {
            by,
            ip,
            correlation,
            view,
            preconditions: Preconditions {
                if_match: header(IF_MATCH),
                if_none_match: header(IF_NONE_MATCH),
            },
            parameters,
        })
    }
}

async fn authenticate(
    parts: &Parts,
    control: &Control,
    ip: Option<IpAddr>,
) -> Result<Provisioner, ScimError> {
    let credentials = Credentials::from_request(&parts.headers, parts.uri.query())
        .map_err(|refusal| ScimError::malformed(refusal.message))?;
    service(control).authenticate(&credentials, ip).await
}

/// Records a failure, within bounds. The request is refused in any case.
async fn note_failure(
    control: &Control,
    failures: Option<&Failures>,
    correlation: CorrelationId,
    ip: Option<IpAddr>,
    error: &ScimError,
) {
    tracing::warn!(?ip, status = error.status, "a SCIM request was turned away");
    let minute = control.clock.monotonic().as_secs() / 60;
    if !failures.is_some_and(|failures| failures.admit(minute)) {
        return;
    }
    let detail = [
        ("service", json!("scim")),
        ("ip", json!(ip)),
        ("status", json!(error.status)),
    ];
    let event = EventKind::AuthenticationFailure;
    if let Err(error) = reply::note(control, event, correlation, detail).await {
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "a refused SCIM request could not be recorded"
        );
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        match Path::<String>::from_request_parts(parts, state).await {
            Ok(Path(id)) => Ok(Self(id)),
            Err(_) => Err(not_done(&ScimError::nothing_here())),
        }
    }
}

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let media = text(request.headers(), &CONTENT_TYPE).unwrap_or_default();
        let media = media.split(';').next().unwrap_or_default().trim();
        let known = ["application/scim+json", "application/json"];
        if !known.iter().any(|known| known.eq_ignore_ascii_case(media)) {
            return Err(not_done(&ScimError::wrong_media_type()));
        }
        match Bytes::from_request(request, state).await {
            Ok(bytes) => Ok(Self(bytes)),
            Err(rejection) if rejection.status() == http::StatusCode::PAYLOAD_TOO_LARGE => {
                Err(not_done(&ScimError::too_large()))
            }
            Err(_) => Err(not_done(&ScimError::malformed("the body can't be read"))),
        }
    }
}

fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}
