//! Who may decide on a request: the panel, those in whose place somebody stands, never who asked.

use jiff::Timestamp;

use super::{ApprovalRequest, ApprovalState, Fault, Panel};
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
pub struct Seat {
    /// In whose place, if not in their own.
    pub in_place_of: Option<PrincipalId>,
    /// On which panels, by number.
    pub panels: Vec<usize>,
}

impl Seat {
    /// Whose agreement it is.
    pub(super) fn represents<'a>(&'a self, decider: &'a Decider) -> &'a PrincipalId {
        self.in_place_of.as_ref().unwrap_or(&decider.id)
    }
}

impl ApprovalRequest {
    /// By what right `decider` may decide on it, apart from whether it is still to be decided.
    pub fn seat(&self, decider: &Decider) -> Result<Seat, Fault> {
        if !matches!(
            decider.kind,
            PrincipalKind::User | PrincipalKind::LocalAdministrator
        ) {
            return Err(Fault::NotAPerson);
        }
        if self.is_asked_by(&decider.id) {
            return Err(Fault::OwnRequest);
        }
        if self.has_handed_over(&decider.id) {
            return Err(Fault::HandedOver);
        }
        let own = if decider.holds_right {
            (0..self.panels.len()).collect()
        } else {
            self.panels_of(&decider.id, &decider.groups)
        };
        if !own.is_empty() {
            return Ok(Seat {
                in_place_of: None,
                panels: own,
            });
        }
        if let Some(given) = self.delegations.iter().find(|one| one.to == decider.id) {
            return Ok(Seat {
                in_place_of: Some(given.from.clone()),
                panels: given.panels.clone(),
            });
        }
        self.seat_of_absent(decider).ok_or(Fault::NotAnApprover)
    }

    /// The seat of somebody who is away.
    fn seat_of_absent(&self, decider: &Decider) -> Option<Seat> {
        decider.represented.iter().find_map(|absent| {
            // Who asked does not decide through a substitute either.
            if self.is_asked_by(&absent.id) || self.has_handed_over(&absent.id) {
                return None;
            }
            let panels = self.panels_of(&absent.id, &absent.groups);
            (!panels.is_empty()).then(|| Seat {
                in_place_of: Some(absent.id.clone()),
                panels,
            })
        })
    }

    /// By what right `decider` may decide on it at `now`.
    pub fn may_decide(&self, decider: &Decider, now: Timestamp) -> Result<Seat, Fault> {
        if self.state != ApprovalState::Pending {
            return Err(Fault::Closed(self.state));
        }
        if now >= self.expires_at {
            return Err(Fault::Ended);
        }
        let seat = self.seat(decider)?;
        let on = |number: &usize| self.panels.get(*number);
        let careful = seat.panels.iter().filter_map(on).any(|panel| panel.step_up);
        if careful && !decider.stepped_up {
            return Err(Fault::StepUpNeeded);
        }
        Ok(seat)
    }

    /// The panels that somebody is on, by number.
    fn panels_of(&self, id: &PrincipalId, groups: &[GroupName]) -> Vec<usize> {
        let is_on = |panel: &Panel| {
            panel.people.contains(id) || panel.groups.iter().any(|group| groups.contains(group))
        };
        let panels = self.panels.iter().enumerate();
        panels
            .filter(|(_, panel)| is_on(panel))
            .map(|(number, _)| number)
            .collect()
    }

    fn has_handed_over(&self, id: &PrincipalId) -> bool {
        self.delegations.iter().any(|past| past.from == *id)
    }
}
