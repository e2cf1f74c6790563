//! Who may decide on a request: the panel, those in whose place somebody stands, never who asked.

use jiff::Timestamp;

use super::{ApprovalRequest, ApprovalState, Fault};
use crate::caller::PrincipalKind;
use crate::ids::{GroupName, PrincipalId};

/// Somebody who wants to decide, as the gate knows them now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decider {
    /// Who.
    pub id: PrincipalId,
    /// Name for people to read.
    pub name: String,
    /// Person or program.
    pub kind: PrincipalKind,
    /// All groups and roles that they belong to.
    pub groups: Vec<GroupName>,
    /// Whether they may decide on every request.
    pub holds_right: bool,
    /// Whether they just proved a second factor.
    pub stepped_up: bool,
    /// For whom they stand in now.
    pub represented: Vec<Represented>,
}

/// Somebody who is away and named a substitute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Represented {
    /// Who is away.
    pub id: PrincipalId,
    /// All groups and roles that they belong to.
    pub groups: Vec<GroupName>,
}

/// By what right somebody decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// By their own.
    Own,
    /// In the place of somebody.
    InPlaceOf(PrincipalId),
}

impl Standing {
    /// In whose place, if not in their own.
    pub fn on_behalf_of(&self) -> Option<PrincipalId> {
        match self {
            Self::Own => None,
            Self::InPlaceOf(other) => Some(other.clone()),
        }
    }

    /// Whose agreement it is.
    pub(super) fn represents<'a>(&'a self, decider: &'a Decider) -> &'a PrincipalId {
        match self {
            Self::Own => &decider.id,
            Self::InPlaceOf(other) => other,
        }
    }
}

impl ApprovalRequest {
    /// By what right `decider` may decide on it, apart from whether it is still to be decided.
    pub fn standing(&self, decider: &Decider) -> Result<Standing, Fault> {
        if !matches!(
            decider.kind,
            PrincipalKind::User | PrincipalKind::LocalAdministrator
        ) {
            return Err(Fault::NotAPerson);
        }
        if decider.id == self.call.principal {
            return Err(Fault::OwnRequest);
        }
        if self.has_handed_over(&decider.id) {
            return Err(Fault::HandedOver);
        }
        if decider.holds_right || self.is_on_panel(&decider.id, &decider.groups) {
            return Ok(Standing::Own);
        }
        if let Some(given) = self.delegations.iter().find(|one| one.to == decider.id) {
            return Ok(Standing::InPlaceOf(given.from.clone()));
        }
        let absent = decider.represented.iter().find(|absent| {
            // Who asked does not decide through a substitute either.
            absent.id != self.call.principal
                && !self.has_handed_over(&absent.id)
                && self.is_on_panel(&absent.id, &absent.groups)
        });
        absent.map_or(Err(Fault::NotAnApprover), |absent| {
            Ok(Standing::InPlaceOf(absent.id.clone()))
        })
    }

    /// By what right `decider` may decide on it at `now`.
    pub fn may_decide(&self, decider: &Decider, now: Timestamp) -> Result<Standing, Fault> {
        if self.state != ApprovalState::Pending {
            return Err(Fault::Closed(self.state));
        }
        if now >= self.expires_at {
            return Err(Fault::Ended);
        }
        let standing = self.standing(decider)?;
        if self.panel.step_up && !decider.stepped_up {
            return Err(Fault::StepUpNeeded);
        }
        Ok(standing)
    }

    fn is_on_panel(&self, id: &PrincipalId, groups: &[GroupName]) -> bool {
        self.panel.people.contains(id)
            || self
                .panel
                .groups
                .iter()
                .any(|group| groups.contains(group))
    }

    fn has_handed_over(&self, id: &PrincipalId) -> bool {
        self.delegations.iter().any(|past| past.from == *id)
    }
}
