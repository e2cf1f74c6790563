//! Whether policy allows it.

use std::sync::Arc;

use sekimori_domain::caller::Caller;
use sekimori_domain::refusal::Refusal;
use sekimori_domain::road::Permit;
use sekimori_identity::check_scope;

use crate::Gateway;
use crate::stage::record::CallRecord;
use crate::stage::resolve::Resolved;
use crate::stage::validate::Validated;

/// Asks the policy decision point, after the coarse bound that the credential's scopes set.
pub(crate) fn authorize(
    gateway: &Gateway,
    record: &mut CallRecord,
    caller: &Arc<Caller>,
    resolved: &Resolved,
    validated: &Validated,
) -> Result<Permit, Refusal> {
    check_scope(caller, resolved.tool.class)?;
    let decided = gateway.policy.authorize(
        record.call(),
        caller,
        &resolved.tool,
        &validated.arguments,
        gateway.clock.now(),
        &validated.projections,
    );
    match &decided {
        Ok(permit) => record.allowed(permit.decision()),
        Err(refusal) => record.denied(refusal, gateway.policy.active().version()),
    }
    decided
}
