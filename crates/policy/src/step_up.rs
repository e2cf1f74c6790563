//! Whether a second factor is all that a caller lacks (AUTHZ-6).

use jiff::Timestamp;
use sekimori_domain::caller::{Authentication, Caller, PrincipalKind};
use sekimori_domain::catalog::Tool;

use crate::decide::Verdict;
use crate::engine::PolicyEngine;
use crate::situation::{Projections, Situation};

impl PolicyEngine {
    /// Whether a call that was turned back would be allowed, or put before a person, if `caller` had proved a
    /// second factor right now. Accounts of machines can't.
    pub fn wants_second_factor(
        &self,
        caller: &Caller,
        tool: &Tool,
        now: Timestamp,
        projections: &Projections,
    ) -> bool {
        if caller.principal.kind != PrincipalKind::User {
            return false;
        }
        let mut amr = caller.authentication.amr.clone();
        if !amr.iter().any(|method| method == "mfa") {
            amr.push("mfa".to_owned());
        }
        let proved = Caller {
            authentication: Authentication {
                mfa: true,
                amr,
                at: Some(now),
                ..caller.authentication.clone()
            },
            ..caller.clone()
        };
        let policies = self.active();
        let situation = Situation::new(&proved, now, projections);
        // What can't be decided is no reason to ask for anything.
        policies
            .decide(&situation, tool)
            .is_ok_and(|verdict| matches!(*verdict, Verdict::Allow { .. }))
    }
}
