//! Versions of what is answered: `ETag`, and `If-Match` against lost updates (RFC 9110, section 13).

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::response::{IntoResponse as _, Response};
use http::header::{ETAG, IF_MATCH};
use http::request::Parts;
use http::{HeaderValue, StatusCode};
use sekimori_domain::digest::Digest;
use serde::Serialize;

use crate::control::Control;
use crate::problem::Problem;

/// Hexadecimal digits of a tag.
const TAG_CHARS: usize = 32;

/// The tag of a representation: a digest of it.
pub(crate) fn tag_of(view: &impl Serialize) -> Result<String, Problem> {
    let text = serde_json::to_vec(view)
        .map_err(|error| Problem::failure("the JSON of an answer", &error))?;
    let digest: String = Digest::of(&text).hex().chars().take(TAG_CHARS).collect();
    Ok(format!("\"{digest}\""))
}

/// An answer with its tag.
pub(crate) fn tagged(status: StatusCode, view: &impl Serialize) -> Result<Response, Problem> {
    tagged_as(status, view, view)
}

/// An answer with the tag of that part of it which can be changed.
pub(crate) fn tagged_as(
    status: StatusCode,
    view: &impl Serialize,
    part: &impl Serialize,
) -> Result<Response, Problem> {
    let tag = tag_of(part)?;
    let mut response = (status, axum::Json(view)).into_response();
    if let Ok(value) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(ETAG, value);
    }
    Ok(response)
}

/// `If-Match`: which version the client has seen. Without it the client does not care.
#[derive(Debug)]
pub(crate) struct Seen(Option<String>);

impl Seen {
    /// Turns the request back if what is there now is not what the client has seen.
    pub(crate) fn check(&self, now: &impl Serialize) -> Result<(), Problem> {
        let Some(seen) = &self.0 else {
            return Ok(());
        };
        let tag = tag_of(now)?;
        let same = seen
            .split(',')
            .map(str::trim)
            .any(|one| one == "*" || one == tag);
        if same {
            return Ok(());
        }
        Err(Problem::new(
            StatusCode::PRECONDITION_FAILED,
            "changed_meanwhile",
            "it was changed since you looked (If-Match): look again, then decide",
        ))
    }
}

impl FromRequestParts<Arc<Control>> for Seen {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Control>) -> Result<Self, Problem> {
        let Some(value) = parts.headers.get(IF_MATCH) else {
            return Ok(Self(None));
        };
        let text = value
            .to_str()
            .map_err(|_| Problem::bad_request("the If-Match header is not ASCII"))?;
        Ok(Self(Some(text.to_owned())))
    }
}
