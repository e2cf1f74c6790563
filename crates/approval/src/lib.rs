//! Whether a permitted call needs a person, and the warrant that lets it go.
//!
//! Requests, quorum and notification come with approvals; until then a call that needs a person is
//! refused, which is the safe half of the answer.

use std::time::Duration;

use jiff::Timestamp;
use sekimori_domain::refusal::{Refusal, RefusalCode, Stage};
use sekimori_domain::road::{Inspected, Warrant};

/// Issues warrants.
#[derive(Debug, Clone)]
pub struct Approvals {
    warrant_life: Duration,
}

impl Approvals {
    /// Warrants end `warrant_life` after they were issued; the upstream must be called before.
    pub fn new(warrant_life: Duration) -> Self {
        Self { warrant_life }
    }

    /// The warrant for an inspected call, or the refusal that a person must agree first (TOOL-3).
    pub fn approve(&self, inspected: Inspected, now: Timestamp) -> Result<Warrant, Refusal> {
        if let Some(demand) = inspected.demands().next() {
            let mut refusal = Refusal::new(
                RefusalCode::ApprovalRequired,
                Stage::Approve,
                format!("a person must approve this call: {}", demand.reason),
            );
            refusal.policies = vec![demand.policy.clone()];
            return Err(refusal);
        }
        let expires_at = now.checked_add(self.warrant_life).unwrap_or(Timestamp::MAX);
        #[expect(
            clippy::disallowed_methods,
            reason = "the approval stage is the one place that mints warrants"
        )]
        Ok(Warrant::mint(inspected, expires_at))
    }
}
