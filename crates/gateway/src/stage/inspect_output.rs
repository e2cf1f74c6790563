//! Whether the content may come out.

use sekimori_domain::refusal::Refusal;
use sekimori_upstream::exchange::Reply;

use crate::Gateway;
use crate::stage::inspecting::Inspecting;
use crate::stage::invoke::Output;
use crate::stage::record::CallRecord;

/// Has the answer inspected, whether it is a result or an error; unless that was done before.
pub(crate) async fn inspect_output(
    gateway: &Gateway,
    record: &mut CallRecord,
    inspecting: &mut Inspecting,
    output: Output,
) -> Result<Output, Refusal> {
    if output.inspected {
        return Ok(output);
    }
    let reply = match output.reply {
        Reply::Result(result) => Reply::Result(inspecting.output(gateway, record, result).await?),
        Reply::Error(error) => Reply::Error(inspecting.output(gateway, record, error).await?),
    };
    Ok(Output { reply, ..output })
}
