//! Who is calling.

use std::sync::Arc;

use sekimori_domain::caller::Caller;
use sekimori_domain::record::EventKind;
use sekimori_domain::refusal::{Refusal, RefusalCode, Stage};

use crate::Gateway;
use crate::request::Head;
use crate::stage::record::CallRecord;
use crate::turned_away;

/// Proves the caller's identity, notes it in the record, and turns back who is stopped.
pub(crate) async fn authenticate(
    gateway: &Gateway,
    record: &mut CallRecord,
    head: &Head,
) -> Result<Arc<Caller>, Refusal> {
    let caller = match identify(gateway, head).await {
        Ok(caller) => caller,
        Err(refusal) => {
            // Whoever it was, it was no call: auditors look for failed sign-ins under their own name.
            record.event(EventKind::AuthenticationFailure);
            record.stranger(&head.source);
            if !turned_away::admit(gateway, head, refusal.code) {
                record.counted();
            }
            return Err(refusal);
        }
    };
    record.caller(&caller, head.claimed_client.as_deref());
    record.keep_caller(&caller);
    gateway.kill_switches.check_caller(&caller)?;
    Ok(caller)
}

/// Proves the caller's identity, and that the session in use is its own.
pub(crate) async fn identify(gateway: &Gateway, head: &Head) -> Result<Arc<Caller>, Refusal> {
    let resource = gateway.settings.resource(&head.endpoint);
    let caller = gateway
        .identity
        .authenticate(&head.credentials, head.source.clone(), &resource)
        .await?;
    // Possession of a session id proves nothing: the session stays with the principal that opened it.
    if head
        .bound_to
        .as_ref()
        .is_some_and(|owner| *owner != caller.principal.id)
    {
        return Err(Refusal::new(
            RefusalCode::Unauthenticated,
            Stage::Authenticate,
            "the session was opened by somebody else",
        ));
    }
    Ok(caller)
}
