//! After the deed: whoever lost access is thrown out, what happened is recorded, and then it is answered.

use std::collections::BTreeMap;

use axum::response::{IntoResponse as _, Response};
use http::header::{CONTENT_LOCATION, CONTENT_TYPE, ETAG, LOCATION, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, StatusCode};
use sekimori_audit::JournalError;
use sekimori_domain::ids::CorrelationId;
use sekimori_domain::record::EventKind;
use sekimori_domain::revocation::{Subject, SubjectKind};
use sekimori_identity::end_access;
use sekimori_identity::scim::{Answer, Change, ScimError};
use serde_json::{Value, json};

use super::call::Call;
use crate::control::Control;

const SCIM_JSON: HeaderValue = HeaderValue::from_static("application/scim+json");

/// Ends what must end, records what happened, and answers. An identity provider that is told of a failure
/// sends its request again, and then what is still missing is done.
pub(super) async fn finish(
    control: &Control,
    call: &Call,
    answer: Result<Answer, ScimError>,
) -> Response {
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => return not_done(&error),
    };
    if let Some(change) = &answer.change {
        // Access ends first: a record can wait, a leaver's running calls can't.
        let ended = revoke(control, change).await;
        if let Err(error) = record(control, call, change, ended.as_ref()).await {
            tracing::error!(
                alert = true,
                error = &error as &dyn std::error::Error,
                "provisioning could not be recorded"
            );
            return not_done(&ScimError::unavailable());
        }
        if ended.is_none() {
            return not_done(&ScimError::unavailable());
        }
    }
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    let mut response = match answer.body {
        Some(body) => as_scim(status, &body),
        None => status.into_response(),
    };
    put(&mut response, ETAG, answer.etag.as_deref());
    put(&mut response, LOCATION, answer.location.as_deref());
    put(&mut response, CONTENT_LOCATION, answer.location.as_deref());
    response
}

/// What ended with somebody's access.
#[derive(Debug, Default)]
struct Ended {
    people: usize,
    sessions: usize,
    grants: usize,
}

/// Ends all access of whoever lost it; nothing if that failed.
async fn revoke(control: &Control, change: &Change) -> Option<Ended> {
    let mut ended = Ended::default();
    for user in &change.revoke {
        let subject = Subject::new(SubjectKind::User, user.as_str());
        let (store, clock) = (&*control.store, &*control.clock);
        match end_access(store, &control.revocations, clock, &subject).await {
            Ok(access) => {
                ended.people += 1;
                ended.sessions += access.sessions.len();
                ended.grants += access.grants.len();
            }
            Err(error) => {
                tracing::error!(
                    alert = true,
                    error = &error as &dyn std::error::Error,
                    user = %user,
                    "the access of somebody who left could not be ended; the identity provider is told to \
                     try again"
                );
                return None;
            }
        }
    }
    Some(ended)
}

async fn record(
    control: &Control,
    call: &Call,
    change: &Change,
    ended: Option<&Ended>,
) -> Result<(), JournalError> {
    let mut detail = vec![
        ("action", json!(change.action)),
        ("id", json!(change.id)),
        ("name", json!(change.name)),
        ("by", json!(format!("scim:{}", call.by.provider))),
        ("provider", json!(call.by.provider)),
        ("scim_token", json!(call.by.token)),
        ("ip", json!(call.ip)),
    ];
    detail.extend(change.detail.iter().cloned());
    match ended {
        Some(ended) if ended.people > 0 => {
            detail.push(("sessions_ended", json!(ended.sessions)));
            detail.push(("grants_ended", json!(ended.grants)));
        }
        Some(_) => {}
        None => detail.push(("access_ended", json!(false))),
    }
    note(control, change.event, call.correlation.clone(), detail).await
}

/// Writes an audit record; durable when this returns.
pub(super) async fn note(
    control: &Control,
    event: EventKind,
    correlation: CorrelationId,
    detail: impl IntoIterator<Item = (&'static str, Value)>,
) -> Result<(), JournalError> {
    let detail: BTreeMap<_, _> = detail
        .into_iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    control.audit.note(event, correlation, detail).await?;
    Ok(())
}

/// The answer to a request that was not done.
pub(super) fn not_done(error: &ScimError) -> Response {
    let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::BAD_REQUEST);
    let mut response = as_scim(status, &error.body());
    if status == StatusCode::UNAUTHORIZED {
        put(
            &mut response,
            WWW_AUTHENTICATE,
            Some("Bearer realm=\"scim\""),
        );
    }
    response
}

fn as_scim(status: StatusCode, body: &Value) -> Response {
    let mut response = (status, body.to_string()).into_response();
    response.headers_mut().insert(CONTENT_TYPE, SCIM_JSON);
    response
}

fn put(response: &mut Response, name: HeaderName, value: Option<&str>) {
    if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
        response.headers_mut().insert(name, value);
    }
}
