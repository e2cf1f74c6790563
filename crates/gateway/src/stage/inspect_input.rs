//! Whether the content may go in.

use sekimori_domain::arguments::Arguments;
use sekimori_domain::refusal::{Refusal, RefusalCode, Stage};
use sekimori_domain::road::{Inspected, Permit};
use sekimori_inspect::{CallContext, Edit};

use crate::Gateway;
use crate::request::{CallRequest, Operation};
use crate::stage::inspecting::{Inspecting, aside, interrupted};
use crate::stage::record::CallRecord;
use crate::stage::resolve::Resolved;
use crate::stage::validate;

/// Where a client's answers to questions of the upstream come, beside the arguments.
const ANSWERS: &str = "inputResponses";

/// Has the arguments, and answers that came with them, inspected. What is left of them must still fit the tool's
/// schema.
pub(crate) async fn inspect_input(
    gateway: &Gateway,
    record: &mut CallRecord,
    inspecting: &mut Inspecting,
    (resolved, request): (&Resolved, &mut CallRequest),
    (permit, arguments): (Permit, Arguments),
) -> Result<Inspected, Refusal> {
    let edit = editing(&request.operation);
    let context = match edit {
        // Whoever may fetch the result of a call was asked when it was made.
        Edit::Handle => CallContext::default(),
        Edit::Allowed | Edit::Forbidden => inspecting.context(gateway).await?,
    };
    let given = arguments.digest();
    let bytes = arguments.raw().get().len();
    let passage = inspecting.passage.clone();
    let checked = aside(gateway, bytes, move |inspector| {
        inspector.inspect_input(permit, arguments, &passage, &context, edit)
    })
    .await
    .ok_or_else(|| interrupted(Stage::InspectInput))?;
    let inspected = inspecting.accepted(gateway, record, checked).await?;
    if inspected.forwarded().digest() != given {
        validate::check_again(resolved, inspected.forwarded()).map_err(|_| {
            Refusal::new(
                RefusalCode::ContentBlocked,
                Stage::InspectInput,
                "the arguments hold sensitive data that may not pass, and without it they do not fit the tool",
            )
        })?;
    }
    if let Some(answers) = request.rest.get(ANSWERS).map(ToOwned::to_owned) {
        let answers = inspecting.answer(gateway, record, answers).await?;
        request.rest.set(ANSWERS, answers);
    }
    Ok(inspected)
}

/// Whether what an operation says can be changed and still mean the same.
fn editing(operation: &Operation) -> Edit {
    match operation {
        Operation::CallTool { .. }
        | Operation::GetPrompt { .. }
        | Operation::CompletePrompt { .. }
        | Operation::CompleteResource { .. } => Edit::Allowed,
        Operation::ReadResource { .. }
        | Operation::SubscribeResource { .. }
        | Operation::UnsubscribeResource { .. } => Edit::Forbidden,
        Operation::Task { .. } => Edit::Handle,
    }
}
