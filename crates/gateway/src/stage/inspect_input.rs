//! Whether the content may go in.

use sekimori_domain::arguments::Arguments;
use sekimori_domain::refusal::Refusal;
use sekimori_domain::road::{Inspected, Permit};

use crate::Gateway;

/// Hands permit and arguments to content inspection.
pub(crate) fn inspect_input(
    gateway: &Gateway,
    permit: Permit,
    arguments: Arguments,
) -> Result<Inspected, Refusal> {
    gateway.inspector.inspect_input(permit, arguments)
}
