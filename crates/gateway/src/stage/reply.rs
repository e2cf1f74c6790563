//! From what happened to what the face puts on the wire, and to what the record says.

use sekimori_domain::record::OutcomeStatus;
use sekimori_domain::refusal::Refusal;
use sekimori_mcp::revision;
use sekimori_upstream::exchange::Reply;

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
