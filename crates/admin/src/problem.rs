//! What goes wrong, as problem details (RFC 9457), or as a page where a browser asked.
//!
//! `code` is part of the interface: the codes of refusals (`sekimori_domain::refusal`), and the few that
//! only HTTP knows. The texts are English and for people; programs look at `code`.

use std::borrow::Cow;
use std::error::Error;

use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use sekimori_audit::JournalError;
use sekimori_domain::ids::InvalidName;
use sekimori_domain::refusal::{Refusal, RefusalCode};
use sekimori_identity::{IdentityError, RandomError};
use sekimori_inspect::rules::RulesError;
use sekimori_policy::PolicyError;
use sekimori_store::StoreError;
use serde::Serialize;
use utoipa::ToSchema;

use crate::inspection_desk::InspectionDeskError;
use crate::policy_desk::DeskError;

/// Most single flaws that an answer tells.
const FLAWS_MAX: usize = 100;

/// The media type of problem details.
pub(crate) const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

/// One thing that is wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Flaw {
    /// Where: a JSON pointer into the body, or the name of a parameter.
    pub pointer: String,
    /// What is wrong there, and what would be right.
    pub detail: String,
}

/// Why a request was not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The HTTP status.
    pub status: StatusCode,
    /// The code, for programs.
    pub code: &'static str,
    /// Why, for people: what was wrong and how to mend it. Never a secret.
    pub detail: Cow<'static, str>,
    /// The single flaws of a body that is wrong in several places.
    pub flaws: Vec<Flaw>,
}

/// Problem details on the wire.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct Body<'p> {
    /// Always `about:blank`: the status and `code` tell the kind.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The status in words.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// The code, for programs. Codes are only ever added.
    code: &'static str,
    /// Why, for people.
    detail: &'p str,
    /// Ties the answer to its audit record and log lines.
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation: Option<&'p str>,
    /// The single flaws of the request.
    #[serde(skip_serializing_if = "<[Flaw]>::is_empty")]
    errors: &'p [Flaw],
}

impl Problem {
    /// A problem of that status and code.
    pub fn new(
        status: StatusCode,
        code: &'static str,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            status,
            code,
            detail: detail.into(),
            flaws: Vec::new(),
        }
    }

    /// The request is malformed (400).
    pub fn bad_request(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", detail)
    }

    /// What the request says breaks a rule (422).
    pub fn invalid(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        let (pointer, detail) = (pointer.into(), detail.into());
        let text = format!("{pointer}: {detail}");
        let mut problem = Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", text);
        problem.flaws.push(Flaw { pointer, detail });
        problem
    }

    /// There is nothing of that name, or not for this caller (404).
    pub fn not_found(what: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "not_found",
            format!("there is no such {what}"),
        )
    }

    /// Something of that name is there already, or is not in the state that the request needs (409).
    pub fn conflict(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", detail)
    }

    /// We failed (500). The cause is logged, not told.
    pub fn failure(what: &'static str, error: &(dyn Error + 'static)) -> Self {
        tracing::error!(error, what, "a request failed");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "something failed inside the gate; the log says what, under the correlation id",
        )
    }

    /// The problem as JSON.
    pub(crate) fn to_json(&self, correlation: Option<&str>) -> Vec<u8> {
        let body = Body {
            kind: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            code: self.code,
            detail: &self.detail,
            correlation,
            errors: &self.flaws,
        };
        serde_json::to_vec(&body).unwrap_or_default()
    }

    /// The response with its problem remembered, so that the envelope can say it in the reader's form.
    pub(crate) fn response(self, body: Vec<u8>, media: HeaderValue) -> Response {
        let mut response = (self.status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, media);
        if self.status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Bearer realm=\"sekimori\"");
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        response.extensions_mut().insert(self);
        response
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let json = self.to_json(None);
        self.response(json, PROBLEM_JSON)
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let status =
            StatusCode::from_u16(refusal.code.form().http_status).unwrap_or(StatusCode::FORBIDDEN);
        Self::new(status, refusal.code.as_str(), refusal.message)
    }
}

impl From<JournalError> for Problem {
    fn from(error: JournalError) -> Self {
        tracing::error!(
            alert = true,
            error = &error as &dyn Error,
            "an audit record could not be written; the request is turned back"
        );
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            RefusalCode::AuditUnavailable.as_str(),
            "the audit record could not be written, so nothing is done; try again later",
        )
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict { what } => Self::conflict(format!(
                "the {what} is there already, or was changed meanwhile"
            )),
            StoreError::NotFound { what } => Self::not_found(what),
            StoreError::Invalid { what, rule } => Self::invalid(what, rule),
            StoreError::Loading => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                RefusalCode::DependencyUnavailable.as_str(),
                "the search index of the audit log is being filled; try again in some minutes",
            ),
            StoreError::Unavailable(_) => {
                tracing::error!(error = &error as &dyn Error, "the database does not answer");
                Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    RefusalCode::DependencyUnavailable.as_str(),
                    "the database does not answer; try again later",
                )
            }
            error => Self::failure("the store", &error),
        }
    }
}

impl From<IdentityError> for Problem {
    fn from(error: IdentityError) -> Self {
        match error {
            IdentityError::Invalid { what, rule } => Self::invalid(what, rule),
            IdentityError::Name(error) => error.into(),
            IdentityError::NotFound { what } => Self::not_found(what),
            IdentityError::Store(error) => error.into(),
            IdentityError::Random(error) => error.into(),
        }
    }
}

impl From<DeskError> for Problem {
    fn from(error: DeskError) -> Self {
        match error {
            DeskError::NoSuchVersion(_) => Self::not_found("version"),
            DeskError::SamePerson { .. }
            | DeskError::NotApproved(_)
            | DeskError::AlreadyActive(_)
            | DeskError::NothingBefore => Self::conflict(error.to_string()),
            DeskError::Policy(error) => error.into(),
            DeskError::Store(error) => error.into(),
        }
    }
}

impl From<InspectionDeskError> for Problem {
    fn from(error: InspectionDeskError) -> Self {
        match error {
            InspectionDeskError::NoSuchReport => Self::not_found("report of a false alarm"),
            InspectionDeskError::NothingFound => Self::not_found("record of that request"),
            InspectionDeskError::Decided | InspectionDeskError::TooGrave(_) => {
                Self::conflict(error.to_string())
            }
            InspectionDeskError::DictionaryId => Self::invalid("id", error.to_string()),
            InspectionDeskError::Rules(RulesError::Dictionary { problem, .. }) => {
                Self::invalid("/words", problem)
            }
            InspectionDeskError::Words => Self::invalid("", error.to_string()),
            InspectionDeskError::Rules(error) => Self::invalid("/text", error.to_string()),
            InspectionDeskError::Store(error) => error.into(),
        }
    }
}

impl From<PolicyError> for Problem {
    fn from(error: PolicyError) -> Self {
        match &error {
            PolicyError::Invalid(diagnostics) => {
                let flaws = diagnostics.iter().take(FLAWS_MAX).map(|found| Flaw {
                    pointer: match (found.line, found.column) {
                        (Some(line), Some(column)) => format!("/text:{line}:{column}"),
                        _ => "/text".to_owned(),
                    },
                    detail: match &found.hint {
                        Some(hint) => format!("{} ({hint})", found.message),
                        None => found.message.clone(),
                    },
                });
                let flaws = flaws.collect();
                Self {
                    flaws,
                    ..Self::invalid("/text", error.to_string())
                }
            }
            PolicyError::TestsFailed(report) => {
                let failed = report.results.iter().filter(|result| !result.passed);
                let flaws = failed.take(FLAWS_MAX).map(|result| Flaw {
                    pointer: "/tests".to_owned(),
                    detail: format!("{}: {}", result.name, result.reason),
                });
                let flaws = flaws.collect();
                Self {
                    flaws,
                    ..Self::invalid("/tests", error.to_string())
                }
            }
            PolicyError::UnreadableTests(_) => Self::invalid("/tests", error.to_string()),
            PolicyError::Role(_) => Self::invalid("/grants", error.to_string()),
            PolicyError::UnknownGuardRail(_) => Self::invalid("/off", error.to_string()),
            PolicyError::Schema(_)
            | PolicyError::Vocabulary(_)
            | PolicyError::Facts { .. }
            | PolicyError::Assemble(_) => Self::failure("the policies", &error),
        }
    }
}

impl From<InvalidName> for Problem {
    fn from(error: InvalidName) -> Self {
        Self::invalid(error.what, error.rule)
    }
}

impl From<RandomError> for Problem {
    fn from(error: RandomError) -> Self {
        Self::failure("random bytes", &error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_has_the_members_of_rfc_9457() {
        let json = Problem::invalid("/owner", "it is required").to_json(Some("c1"));
        let value: serde_json::Value = serde_json::from_slice(&json).unwrap();
        assert_eq!(
            value,
            serde_json::json!({
                "type": "about:blank", "title": "Unprocessable Entity", "status": 422,
                "code": "invalid", "detail": "/owner: it is required", "correlation": "c1",
                "errors": [{"pointer": "/owner", "detail": "it is required"}],
            })
        );
    }

    #[test]
    fn a_failure_tells_no_cause() {
        let cause = std::io::Error::other("password=secret");
        let error = StoreError::Unavailable(Box::new(cause));
        let problem = Problem::from(error);
        assert_eq!(problem.status, 503);
        assert!(!problem.detail.contains("secret"));
    }
}
