//! From what happened to what the face puts on the wire, and to what the record says.

use sekimori_domain::record::OutcomeStatus;
use sekimori_domain::refusal::Refusal;
use sekimori_mcp::revision;
use sekimori_upstream::exchange::Reply;

use crate::Gateway;
use crate::request::{Answer, CallReply};
use crate::stage::invoke::{Output, OutputKind};
use crate::stage::record::CallRecord;

/// Notes in the record how the call ended.
pub(crate) fn note(record: &mut CallRecord, outcome: &Result<Output, Refusal>) {
    match outcome {
        Ok(output) => {
            let status = match output.kind {
                OutputKind::Complete => OutcomeStatus::Success,
                OutputKind::Failed => OutcomeStatus::Error,
                OutputKind::InputRequired => OutcomeStatus::InputRequired,
            };
            let code = match &output.reply {
                Reply::Error(error) => Some(revision::error_code(error).to_string()),
                Reply::Result(_) => None,
            };
            record.answered(status, code, output.text());
        }
        Err(refusal) => record.refused(refusal),
    }
}

/// Has the tools of an upstream listed again that does not know one of them any more.
pub(crate) fn doubt(gateway: &Gateway, outcome: &Result<Output, Refusal>) {
    let Ok(output) = outcome else {
        return;
    };
    if output.kind == OutputKind::Failed
        && is_of_unknown_tool(&output.reply)
        && let Some(entry) = gateway.catalog.entries().get(&output.connector)
    {
        entry.doubt();
    }
}

/// Whether a failure reads as "unknown tool". Servers say it as an error or as a result, in their own words;
/// taking something else for it costs one listing.
fn is_of_unknown_tool(failure: &Reply) -> bool {
    let text = match failure {
        Reply::Error(error) => error.get(),
        Reply::Result(result) => result.get(),
    };
    let start = text.char_indices().nth(UNKNOWN_TOOL_CHARS_MAX);
    let start = start.map_or(text, |(end, _)| text.get(..end).unwrap_or(text));
    let start = start.to_ascii_lowercase();
    start.contains("tool")
        && ["unknown", "not found"]
            .iter()
            .any(|word| start.contains(word))
}

/// How much of a failure is read in search of "unknown tool".
const UNKNOWN_TOOL_CHARS_MAX: usize = 300;

/// The answer for the face.
pub(crate) fn from(outcome: Result<Output, Refusal>) -> CallReply {
    match outcome {
        Ok(output) => {
            let answer = match output.reply {
                Reply::Result(result) => Answer::Result(result),
                Reply::Error(error) => Answer::Error(error),
            };
            CallReply {
                connector: Some(output.connector),
                answer,
            }
        }
        Err(refusal) => CallReply::refused(refusal),
    }
}

impl CallReply {
    /// A reply that says why there is no answer.
    pub fn refused(refusal: Refusal) -> Self {
        Self {
            connector: None,
            answer: Answer::Refused(refusal),
        }
    }
}
