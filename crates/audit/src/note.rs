//! What of the road's types goes into a record: names and digests, never contents.

use sekimori_domain::caller::Caller;
use sekimori_domain::catalog::Tool;
use sekimori_domain::record::{
    CallerNote, DecisionEffect, DecisionNote, OutcomeNote, OutcomeStatus, TargetNote,
};
use sekimori_domain::refusal::Refusal;
use sekimori_domain::road::Decision;

/// Who called.
pub fn caller(caller: &Caller) -> CallerNote {
    CallerNote {
        client: caller.client.id.to_string(),
        client_claimed: caller.client.claimed_name.clone(),
        groups: caller
            .principal
            .groups
            .iter()
            .map(ToString::to_string)
            .collect(),
        id: caller.principal.id.to_string(),
        ip: caller.source.ip,
        kind: caller.principal.kind.as_str().to_owned(),
        method: caller.authentication.method.as_str().to_owned(),
        mfa: caller.authentication.mfa,
        name: caller.principal.display_name.clone(),
        user_agent: caller.source.user_agent.clone(),
    }
}

/// What was called.
pub fn target(tool: &Tool) -> TargetNote {
    TargetNote {
        class: tool.class,
        classified: tool.classified,
        connector: tool.target.connector.to_string(),
        data_classes: tool.data_classes.iter().map(ToString::to_string).collect(),
        definition: tool.definition.map(|digest| digest.to_string()),
        environment: tool.environment,
        kind: tool.target.kind,
        name: tool.target.name.clone(),
        resources: Vec::new(),
    }
}

/// Policy allowed it.
pub fn allowed(decision: &Decision) -> DecisionNote {
    DecisionNote {
        effect: DecisionEffect::Allow.as_str().to_owned(),
        policies: decision.policies.clone(),
        version: decision.policy_version,
    }
}

/// Policy did not allow it.
pub fn denied(policies: Vec<String>, version: u64) -> DecisionNote {
    DecisionNote {
        effect: DecisionEffect::Deny.as_str().to_owned(),
        policies,
        version,
    }
}

/// It ended in that way, and nothing more is to be told.
pub fn ended(status: OutcomeStatus) -> OutcomeNote {
    OutcomeNote {
        bytes: None,
        code: None,
        digest: None,
        message: None,
        stage: None,
        status,
    }
}

/// The gate turned it back.
pub fn refused(refusal: &Refusal) -> OutcomeNote {
    OutcomeNote {
        code: Some(refusal.code.as_str().to_owned()),
        message: Some(refusal.message.clone()),
        stage: Some(refusal.stage.as_str().to_owned()),
        ..ended(OutcomeStatus::Refused)
    }
}
