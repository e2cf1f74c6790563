//! Asking a person to open a page of the gate, in the words of each era.
//!
//! A client that shows addresses is given them instead of a refusal: `input_required` since 2026-07-28, and the
//! error -32042 in 2025-11-25. It calls again when the person is done; whether they are is looked up anew.

use sekimori_domain::ids::CorrelationId;
use sekimori_domain::refusal::{Need, Refusal};
use sekimori_mcp::raw_object::RawObject;
use sekimori_mcp::revision::Era;
use sekimori_mcp::translate::{InputRequest, url_elicitation_error};
use sekimori_upstream::exchange::Question;
use serde_json::value::RawValue;

use crate::request::{ClientFeatures, Operation};

pub(super) const ELICITATION: &str = "elicitation/create";
/// The names of our questions among the questions of a call.
pub(super) const APPROVAL: &str = "sekimori-approval";
const PAGE: &str = "sekimori-page";

/// What a client gets in place of a refusal.
pub(crate) enum Asked {
    /// The result that has a modern client ask its user.
    Result(Box<RawValue>),
    /// The error that has a legacy client do so.
    Error(Box<RawValue>),
}

/// Whether the client shows addresses to its user (elicitation in URL mode).
pub(super) fn takes_addresses(client: &ClientFeatures) -> bool {
    let elicitation = client.capabilities.get_object("elicitation");
    elicitation.is_some_and(|modes| modes.contains("url"))
}

/// Asks the person to open the page that a refusal names, where the client and the method can take that.
pub(crate) fn asked(
    refusal: &Refusal,
    operation: &Operation,
    client: &ClientFeatures,
    correlation: &CorrelationId,
) -> Option<Asked> {
    let page = match refusal.need.as_deref()? {
        Need::SecondFactor { page, .. } | Need::Account { page } => page,
        Need::Scope(_) | Need::Capabilities(_) | Need::Approval(_) | Need::Time(_) => return None,
    };
    let may_ask = matches!(
        operation,
        Operation::CallTool { .. } | Operation::ReadResource { .. } | Operation::GetPrompt { .. }
    );
    if !may_ask || !takes_addresses(client) {
        return None;
    }
    let id = correlation.as_str();
    let params = address(&refusal.message, page, client.era, id);
    Some(match client.era {
        Era::Modern => {
            let question = Question {
                key: PAGE.to_owned(),
                method: ELICITATION.to_owned(),
                params: Some(params),
            };
            Asked::Result(input_required(&question).to_raw())
        }
        Era::Legacy => Asked::Error(url_elicitation_error(&[InputRequest {
            key: id.to_owned(),
            method: ELICITATION.to_owned(),
            params: Some(params),
        }])),
    })
}

/// The parameters of an elicitation in URL mode.
pub(super) fn address(message: &str, url: &str, era: Era, id: &str) -> Box<RawValue> {
    let mut params = RawObject::new();
    params.set_str("mode", "url");
    params.set_str("message", message);
    params.set_str("url", url);
    if era == Era::Legacy {
        params.set_str("elicitationId", id);
    }
    params.to_raw()
}

/// The result that has a modern client ask its user and call again.
pub(super) fn input_required(question: &Question) -> RawObject {
    let mut result = RawObject::new();
    result.set_str("resultType", "input_required");
    result.set("inputRequests", requests([question]));
    result
}

/// Questions as a modern client gets them.
pub(super) fn requests<'q>(asked: impl IntoIterator<Item = &'q Question>) -> Box<RawValue> {
    let mut questions = RawObject::new();
    for question in asked {
        let mut entry = RawObject::new();
        entry.set_str("method", &question.method);
        if let Some(params) = &question.params {
            entry.set("params", params.clone());
        }
        questions.set(&question.key, entry.to_raw());
    }
    questions.to_raw()
}

/// Answers to our questions are not the upstream's: what they are about is looked up.
pub(super) fn forget_answers(rest: &mut RawObject) {
    let Some(mut answers) = rest.get_object("inputResponses") else {
        return;
    };
    if !answers.contains(APPROVAL) && !answers.contains(PAGE) {
        return;
    }
    answers.remove(APPROVAL);
    answers.remove(PAGE);
    if answers.is_empty() {
        rest.remove("inputResponses");
    } else {
        rest.set("inputResponses", answers.to_raw());
    }
}
