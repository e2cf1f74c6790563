//! Whether the content may come out.

use sekimori_domain::refusal::Refusal;

use crate::Gateway;
use crate::stage::invoke::Output;

/// Hands the answer to content inspection.
pub(crate) fn inspect_output(gateway: &Gateway, output: Output) -> Result<Output, Refusal> {
    let bytes = output.bytes();
    Ok(gateway
        .inspector
        .inspect_output(output, bytes)?
        .into_inner())
}
