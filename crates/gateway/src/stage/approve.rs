//! Whether a person must agree first.

use sekimori_domain::refusal::Refusal;
use sekimori_domain::road::{Inspected, Warrant};

use crate::Gateway;

/// Turns what was inspected into a warrant, or asks for a person.
pub(crate) fn approve(gateway: &Gateway, inspected: Inspected) -> Result<Warrant, Refusal> {
    gateway.approvals.approve(inspected, gateway.clock.now())
}
