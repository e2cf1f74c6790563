//! The call of a task, made when people agreed, and what comes of it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use sekimori_domain::approval::ApprovalState;
use sekimori_domain::ids::{ApprovalId, CorrelationId};
use sekimori_domain::refusal::{Refusal, RefusalCode};
use sekimori_mcp::raw_object::RawObject;
use sekimori_mcp::revision::{self, Era, code};
use sekimori_mcp::translate;
use serde_json::value::RawValue;

use super::{Deferred, Progress, TRIES, ended, read, written};
use crate::Gateway;
use crate::call::call;
use crate::face;
use crate::request::{Answer, Away, CallReply, CallRequest};

/// Largest outcome that is kept.
const KEPT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// How soon keeping is tried anew when the database did not answer.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Makes the call of a task, and keeps what came of it. Boxed, because calls are made by it that may make tasks.
pub(super) fn make(
    gateway: Arc<Gateway>,
    id: ApprovalId,
    request: CallRequest,
) -> BoxFuture<'static, ()> {
    let gone = gateway.state.followed.begin(&id);
    Box::pin(async move {
        let (correlation, era) = (request.head.correlation.clone(), request.client.era);
        let reply = call(&gateway, request, &mut Away::new(gone)).await;
        for _ in 0..TRIES {
            match keep(&gateway, &id, &reply, &correlation, era).await {
                Ok(true) => break,
                Ok(false) => {}
                Err(refusal) => {
                    tracing::error!(%refusal, "the outcome of a task could not be kept");
                    tokio::time::sleep(TRY_AGAIN_AFTER).await;
                }
            }
        }
        gateway.state.followed.end(&id);
    })
}

/// Keeps the outcome of a call; `false` if the task changed meanwhile.
async fn keep(
    gateway: &Gateway,
    id: &ApprovalId,
    reply: &CallReply,
    correlation: &CorrelationId,
    era: Era,
) -> Result<bool, Refusal> {
    let Some(task) = gateway.approvals.task(id).await? else {
        return Ok(true); // its time is over
    };
    let deferred = read(&task)?;
    let Progress::Runs { round, .. } = deferred.progress else {
        return Ok(true); // somebody ended it
    };
    let progress = match &reply.answer {
        Answer::Result(result) => outcome(result, era, round),
        Answer::Error(error) => Progress::Error(match era {
            Era::Modern => translate::error_to_modern("tools/call", error),
            Era::Legacy => translate::error_to_legacy("tools/call", error),
        }),
        Answer::Refused(refusal) if refusal.code == RefusalCode::Cancelled => Progress::Cancelled,
        Answer::Refused(refusal) if is_for_later(gateway, id, refusal).await? => {
            Progress::Waits { shown: true }
        }
        Answer::Refused(refusal) => ended(face::told(refusal, correlation, era)),
    };
    let changed = Deferred {
        progress,
        ..deferred
    };
    gateway
        .approvals
        .change_task(&task, &written(&changed)?)
        .await
}

/// Whether a call was turned back before the agreement was used, and may go at the next look.
async fn is_for_later(
    gateway: &Gateway,
    id: &ApprovalId,
    refusal: &Refusal,
) -> Result<bool, Refusal> {
    if !refusal.code.form().retryable || refusal.code == RefusalCode::ApprovalRequired {
        return Ok(false);
    }
    let request = gateway.approvals.request(id).await?;
    Ok(request.is_some_and(|request| request.state == ApprovalState::Approved))
}

/// What a result of the upstream makes of the task.
fn outcome(result: &RawValue, era: Era, round: u32) -> Progress {
    if result.get().len() > KEPT_BYTES_MAX {
        let why = "the call was made, but its result is too large to be kept for a task: do not repeat it";
        return Progress::Error(revision::error(code::INTERNAL_ERROR, why));
    }
    let members = RawObject::from_raw_or_empty(Some(result));
    let made = members.get_object("task");
    let kind = members.get_str("resultType");
    match (era, kind.as_deref(), made) {
        (Era::Modern, Some("task"), _) => {
            let id = members.get_str("taskId").unwrap_or_default();
            Progress::Became(id.into_owned())
        }
        (Era::Legacy, _, Some(task)) if task.contains("taskId") => {
            Progress::Became(task.get_str("taskId").unwrap_or_default().into_owned())
        }
        (Era::Modern, Some("input_required"), _) => {
            let mut questions = RawObject::new();
            let asked = members.get_object("inputRequests").unwrap_or_default();
            for (key, question) in asked.iter() {
                questions.set(&format!("{round}:{key}"), question.to_owned());
            }
            let state = members.get_str("requestState").unwrap_or_default();
            Progress::Asks {
                questions: questions.to_raw(),
                state: state.into_owned(),
                round,
            }
        }
        (Era::Legacy, Some("input_required"), _) => {
            let why = "the tool asks something that this client can't be asked for a task: call it without one";
            Progress::Error(revision::error(code::INTERNAL_ERROR, why))
        }
        _ => Progress::Result(result.to_owned()),
    }
}

/// The key of a question of that round, as the upstream knows it. Over the life of a task each key is used once.
pub(super) fn own_key(key: &str, round: u32) -> Option<&str> {
    key.strip_prefix(&format!("{round}:"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_questions_belong_to_one_round() {
        let asks = RawValue::from_string(
            r#"{"resultType":"input_required","inputRequests":{"ok":{}},"requestState":"s"}"#
                .to_owned(),
        )
        .unwrap();
        let Progress::Asks { questions, .. } = outcome(&asks, Era::Modern, 2) else {
            panic!("it asks nothing");
        };
        assert_eq!(questions.get(), r#"{"2:ok":{}}"#);
        assert_eq!(own_key("2:ok", 2), Some("ok"));
        assert_eq!(own_key("1:ok", 2), None);
        assert_eq!(own_key("ok", 2), None);
    }
}
