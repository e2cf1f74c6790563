//! Whether policy allows it.

use std::sync::Arc;

use sekimori_domain::Timestamp;
use sekimori_domain::caller::Caller;
use sekimori_domain::refusal::{Refusal, RefusalCode};
use sekimori_domain::road::Permit;
use sekimori_identity::{ask_for_second_factor, check_scope};
use sekimori_policy::{Expectation, FACTS, Projections, facts};
use serde_json::json;

use crate::Gateway;
use crate::stage::record::CallRecord;
use crate::stage::resolve::Resolved;
use crate::stage::validate::Validated;

/// Asks the policy decision point, after the coarse bound that the credential's scopes set.
pub(crate) async fn authorize(
    gateway: &Gateway,
    record: &mut CallRecord,
    caller: &Arc<Caller>,
    resolved: &Resolved,
    validated: &Validated,
) -> Result<Permit, Refusal> {
    check_scope(caller, resolved.tool.class)?;
    let (now, projections) = (gateway.clock.now(), &validated.projections);
    let call = record.call();
    let ask = |caller: &Arc<Caller>| {
        let (tool, policy) = (&resolved.tool, &gateway.policy);
        policy.authorize(call, caller, tool, &validated.arguments, now, projections)
    };
    let mut asker = Arc::clone(caller);
    let mut decided = ask(&asker);
    let lacks_proof = |decided: &Result<Permit, Refusal>| {
        let denied = decided.as_ref().err().map(|refusal| refusal.code);
        let (tool, policy) = (&resolved.tool, &gateway.policy);
        denied == Some(RefusalCode::PolicyDenied)
            && policy.wants_second_factor(caller, tool, now, projections)
    };
    if lacks_proof(&decided) {
        // The person may have proved it since the client got its token.
        if let Some(stepped_up) = gateway.identity.stepped_up(caller).await {
            record.stepped_up(&stepped_up);
            decided = ask(&stepped_up);
            asker = stepped_up;
        }
        let class = resolved.tool.class;
        let gate = gateway.identity.public_url();
        decided = decided.map_err(|refusal| ask_for_second_factor(refusal, caller, class, gate));
    }
    note_facts(gateway, record, &asker, resolved, validated, now, &decided);
    match &decided {
        Ok(permit) => record.allowed(permit.decision()),
        Err(refusal) => record.denied(refusal, gateway.policy.active().version()),
    }
    decided
}

/// Keeps what policies saw, so that the decision can be found again; and what policies that are only tried
/// would have decided, where it differs.
fn note_facts(
    gateway: &Gateway,
    record: &mut CallRecord,
    caller: &Caller,
    resolved: &Resolved,
    validated: &Validated,
    now: Timestamp,
    decided: &Result<Permit, Refusal>,
) {
    let (tool, projections) = (&resolved.tool, &validated.projections);
    let outcome = match decided {
        Ok(permit) if permit.decision().approvals.is_empty() => Expectation::Allow,
        Ok(_) => Expectation::Approval,
        Err(_) => Expectation::Deny,
    };
    let approval = outcome == Expectation::Approval;
    if validated.restored {
        // What a token stands for is in no record, so these arguments can't be replayed.
        let withheld = Projections::default();
        record.detail(FACTS, facts(caller, tool, &withheld, now, approval));
        record.detail("arguments_withheld", json!(true));
    } else {
        record.detail(FACTS, facts(caller, tool, projections, now, approval));
    }
    let trial = gateway.policy.trial(caller, tool, now, projections);
    if let Some(trial) = trial.filter(|trial| trial.decision != outcome) {
        let told = json!({
            "version": trial.version, "decision": trial.decision, "policies": trial.policies,
        });
        record.detail("tried_policies", told);
    }
}
