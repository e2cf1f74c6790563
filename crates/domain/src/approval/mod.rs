//! A person's agreement to one exact call (TOOL-3): the request for it, and all that may happen to it.
//!
//! The request is a state machine without clock or I/O. What happens to it is a method that takes the time and
//! returns a [`Fault`] where it must not happen; nothing is changed then. Whoever stores it compares
//! [`version`](ApprovalRequest::version), so that of two nodes one wins.
//!
//! ```text
//! pending → approved → used
//!    ↓ refused, cancelled, expired
//! ```

mod current;
mod decide;
mod fault;
mod route;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use current::{Change, CurrentState, Reading};
pub use decide::{Decider, Represented, Seat};
pub use fault::Fault;
pub use route::{ArgumentTest, Route, Routes, When};

use crate::caller::PrincipalKind;
use crate::catalog::{Environment, OperationClass, Target, Tool};
use crate::digest::Digest;
use crate::ids::{ApprovalId, CallId, ClientId, DataClass, GroupName, PrincipalId};
use crate::road::ApprovalDemand;

/// Longest reason or note of a person.
pub const NOTE_CHARS_MAX: usize = 2_000;
/// Most changes to the arguments of one request.
pub const EDITS_MAX: usize = 20;
/// Most hand-overs of one request.
pub const DELEGATIONS_MAX: usize = 50;

/// Everything that an agreement is bound to: with any other value of any of these it is worth nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExactCall {
    /// Who calls.
    pub principal: PrincipalId,
    /// Through which client.
    pub client: ClientId,
    /// What is called.
    pub target: Target,
    /// The definition of the tool.
    pub definition: Option<Digest>,
    /// Keyed digest of the arguments that would be forwarded.
    pub arguments: Digest,
    /// The policies under which it was asked for.
    pub policy_version: u64,
    /// Digest of the demands that it met: where the same policies demand more of the same call, because of the
    /// hour or of what somebody declared about the tool, an agreement to less is not enough.
    pub demands: Digest,
}

impl ExactCall {
    /// One digest for all of it.
    pub fn digest(&self) -> Digest {
        let definition = self.definition.map(|digest| digest.to_string());
        digest_of(&[
            self.principal.as_str(),
            self.client.as_str(),
            self.target.connector.as_str(),
            self.target.kind.as_str(),
            &self.target.name,
            definition.as_deref().unwrap_or_default(),
            &self.arguments.to_string(),
            &self.policy_version.to_string(),
            &self.demands.to_string(),
        ])
    }

    /// The digest of demands.
    pub fn digest_of_demands<'a>(demands: impl Iterator<Item = &'a ApprovalDemand>) -> Digest {
        let mut parts = Vec::new();
        for demand in demands {
            parts.push(demand.policy.clone());
            parts.push(demand.reason.clone());
            parts.push(demand.approvers.join("\0"));
            parts.push(format!("{} {}", demand.quorum, demand.step_up));
        }
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        digest_of(&parts)
    }

    /// The same for equal calls, whoever makes them and when: tool, definition and arguments.
    pub fn likeness(&self) -> Digest {
        let definition = self.definition.map(|digest| digest.to_string());
        digest_of(&[
            self.target.connector.as_str(),
            self.target.kind.as_str(),
            &self.target.name,
            definition.as_deref().unwrap_or_default(),
            &self.arguments.to_string(),
        ])
    }
}

/// Each part with its length before it, so that no two lists of parts have the same text.
fn digest_of(parts: &[&str]) -> Digest {
    let mut text = Vec::new();
    for part in parts {
        text.extend_from_slice(&part.len().to_be_bytes());
        text.extend_from_slice(part.as_bytes());
    }
    Digest::of(&text)
}

/// What people are shown of the caller and the tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// Name of who calls.
    pub requester: String,
    /// Person or service account.
    pub kind: PrincipalKind,
    /// What the client calls itself: claimed.
    pub client: Option<String>,
    /// The operation class in force.
    pub class: OperationClass,
    /// Where the system stands.
    pub environment: Environment,
    /// Data classes of the tool.
    pub data_classes: Vec<DataClass>,
}

/// How much harm a wrong call of a tool may do, for people to see at a glance. It decides nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Risk {
    /// Little.
    Low,
    /// Some, and it can be mended.
    Medium,
    /// Much, or it cannot be taken back.
    High,
}

impl Risk {
    /// The name in interfaces.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }

    /// The risk of a tool: its class, one step more with sensitive data, one step less outside production.
    pub fn of(tool: &Tool) -> Self {
        let sensitive = |class: &DataClass| {
            *class == DataClass::personal() || *class == DataClass::confidential()
        };
        let mut steps = match tool.class {
            OperationClass::Read => 0,
            OperationClass::Create | OperationClass::Update => 1,
            OperationClass::Delete | OperationClass::Admin => 2,
        };
        if tool.data_classes.iter().any(sensitive) {
            steps += 1;
        }
        if tool.environment != Environment::Production {
            steps -= 1;
        }
        match steps {
            i32::MIN..=0 => Self::Low,
            1 => Self::Medium,
            _ => Self::High,
        }
    }
}

/// Some people of whom so many must agree. A request may have several such panels, and needs all of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Panel {
    /// The route or the policy that chose them.
    pub chosen_by: String,
    /// Members of these groups may decide.
    pub groups: Vec<GroupName>,
    /// These people may decide.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub people: Vec<PrincipalId>,
    /// How many must agree, at least one.
    pub quorum: u32,
    /// Whether each must just have proved a second factor.
    #[serde(default)]
    pub step_up: bool,
}

/// Where a request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ApprovalState {
    /// People are to decide.
    Pending,
    /// Enough people agreed; the call may be made, once.
    Approved,
    /// Somebody did not agree.
    Refused,
    /// Nobody decided, or nobody called, in time.
    Expired,
    /// The requester does not want it any more.
    Cancelled,
    /// The call was made.
    Used,
}

impl ApprovalState {
    /// All states.
    pub const ALL: [Self; 6] = [
        Self::Pending,
        Self::Approved,
        Self::Refused,
        Self::Expired,
        Self::Cancelled,
        Self::Used,
    ];

    /// The name in interfaces and records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Refused => "refused",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
            Self::Used => "used",
        }
    }

    /// Whether something may still happen.
    pub fn is_live(self) -> bool {
        matches!(self, Self::Pending | Self::Approved)
    }
}

impl std::fmt::Display for ApprovalState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One person's agreement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vote {
    /// Who.
    pub by: PrincipalId,
    /// Name for people to read.
    pub name: String,
    /// In whose place, if not in their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_behalf_of: Option<PrincipalId>,
    /// For which panels it counts.
    pub panels: Vec<usize>,
    /// What they added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// A change to the arguments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edit {
    /// Who.
    pub by: PrincipalId,
    /// Name for people to read.
    pub name: String,
    /// Keyed digest of the arguments before.
    pub before: Digest,
    /// And after.
    pub after: Digest,
    /// When.
    pub at: Timestamp,
}

/// Somebody who may decide let somebody else decide in their place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delegation {
    /// Who gave it away.
    pub from: PrincipalId,
    /// Who got it.
    pub to: PrincipalId,
    /// Name of who got it.
    pub to_name: String,
    /// For which panels.
    pub panels: Vec<usize>,
    /// When.
    pub at: Timestamp,
}

/// How a request ended without a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closing {
    /// Who ended it; `None`: its time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<PrincipalId>,
    /// Name for people to read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// The one call that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Use {
    /// Which.
    pub call: CallId,
    /// When.
    pub at: Timestamp,
    /// How often it went on after the upstream had asked something.
    #[serde(default)]
    pub rounds: u32,
}

/// A request for people to agree to one exact call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalRequest {
    /// Its id.
    pub id: ApprovalId,
    /// Grows with every change.
    pub version: u64,
    /// What may be executed, as it stands now.
    pub call: ExactCall,
    /// [`ExactCall::digest`] of what was asked for; another one than that of `call` after a change.
    pub asked: Digest,
    /// Who answers for the service account that calls: as little entitled to decide on it as who asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<PrincipalId>,
    /// What people are shown.
    pub shown: Shown,
    /// Why a person must agree.
    pub demands: Vec<ApprovalDemand>,
    /// The risk.
    pub risk: Risk,
    /// Who decides: each of these panels must agree.
    pub panels: Vec<Panel>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it ends, decided or not.
    pub expires_at: Timestamp,
    /// Where it stands.
    pub state: ApprovalState,
    /// Who agreed.
    #[serde(default)]
    pub votes: Vec<Vote>,
    /// What was changed before.
    #[serde(default)]
    pub edits: Vec<Edit>,
    /// Who decides in whose place.
    #[serde(default)]
    pub delegations: Vec<Delegation>,
    /// How it ended without a call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closing: Option<Closing>,
    /// The call that was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used: Option<Use>,
}

impl ApprovalRequest {
    /// Whether it may still be decided at `now`.
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.state == ApprovalState::Pending && now < self.expires_at
    }

    /// Whether it is this one's own call, or that of a program that they answer for.
    pub fn is_asked_by(&self, id: &PrincipalId) -> bool {
        self.call.principal == *id || self.owner.as_ref() == Some(id)
    }

    /// Whether the arguments are not those that were asked for.
    pub fn is_edited(&self) -> bool {
        self.asked != self.call.digest()
    }

    /// Somebody agrees to the arguments of digest `seen`. With enough of them it is approved.
    pub fn approve(
        &mut self,
        decider: &Decider,
        seen: Option<&Digest>,
        note: Option<String>,
        now: Timestamp,
    ) -> Result<(), Fault> {
        let seat = self.may_decide(decider, now)?;
        if seen.is_some_and(|seen| *seen != self.call.arguments) {
            return Err(Fault::Changed);
        }
        if note.as_ref().is_some_and(too_long) {
            return Err(Fault::ReasonNeeded);
        }
        if self.has_agreed(&decider.id) || self.has_agreed(seat.represents(decider)) {
            return Err(Fault::AlreadyAgreed);
        }
        self.votes.push(Vote {
            by: decider.id.clone(),
            name: decider.name.clone(),
            on_behalf_of: seat.in_place_of,
            panels: seat.panels,
            note,
            at: now,
        });
        if self.all_agreed() {
            self.state = ApprovalState::Approved;
        }
        self.version += 1;
        Ok(())
    }

    /// Somebody does not agree. One is enough.
    pub fn refuse(
        &mut self,
        decider: &Decider,
        reason: String,
        now: Timestamp,
    ) -> Result<(), Fault> {
        self.may_decide(decider, now)?;
        if reason.trim().is_empty() || too_long(&reason) {
            return Err(Fault::ReasonNeeded);
        }
        self.close(ApprovalState::Refused, Some(decider), Some(reason), now);
        Ok(())
    }

    /// Somebody who may decide changes the arguments; who agreed before agreed to something else.
    pub fn edit(
        &mut self,
        decider: &Decider,
        arguments: Digest,
        now: Timestamp,
    ) -> Result<(), Fault> {
        self.may_decide(decider, now)?;
        if arguments == self.call.arguments {
            return Err(Fault::NothingChanged);
        }
        if self.edits.len() >= EDITS_MAX {
            return Err(Fault::TooMany);
        }
        self.edits.push(Edit {
            by: decider.id.clone(),
            name: decider.name.clone(),
            before: self.call.arguments,
            after: arguments,
            at: now,
        });
        self.call.arguments = arguments;
        self.votes.clear();
        self.version += 1;
        Ok(())
    }

    /// Somebody who may decide lets somebody else decide in their place.
    pub fn delegate(
        &mut self,
        decider: &Decider,
        to: PrincipalId,
        to_name: String,
        now: Timestamp,
    ) -> Result<(), Fault> {
        let seat = self.may_decide(decider, now)?;
        if self.has_agreed(&decider.id) || self.has_agreed(seat.represents(decider)) {
            return Err(Fault::AlreadyAgreed);
        }
        let circle = self.delegations.iter().any(|past| past.from == to);
        if to == decider.id || self.is_asked_by(&to) || circle {
            return Err(Fault::BadDelegate);
        }
        if self.delegations.len() >= DELEGATIONS_MAX {
            return Err(Fault::TooMany);
        }
        self.delegations.push(Delegation {
            from: decider.id.clone(),
            to,
            to_name,
            panels: seat.panels,
            at: now,
        });
        self.version += 1;
        Ok(())
    }

    /// Who asked for it does not want it any more; also after it was approved.
    pub fn cancel(&mut self, by: &Decider, now: Timestamp) -> Result<(), Fault> {
        if !self.state.is_live() {
            return Err(Fault::Closed(self.state));
        }
        if by.id != self.call.principal && !by.holds_right {
            return Err(Fault::NotRequester);
        }
        self.close(ApprovalState::Cancelled, Some(by), None, now);
        Ok(())
    }

    /// Its time is over. `false` if it is not, or if nothing may happen any more.
    pub fn expire(&mut self, now: Timestamp) -> bool {
        if !self.state.is_live() || now < self.expires_at {
            return false;
        }
        self.close(ApprovalState::Expired, None, None, now);
        true
    }

    /// The call that people agreed to is made; no second time.
    pub fn use_up(&mut self, call: &ExactCall, id: CallId, now: Timestamp) -> Result<(), Fault> {
        if self.state != ApprovalState::Approved {
            return Err(Fault::Closed(self.state));
        }
        if now >= self.expires_at {
            return Err(Fault::Ended);
        }
        if *call != self.call {
            return Err(Fault::OtherCall);
        }
        self.state = ApprovalState::Used;
        self.used = Some(Use {
            call: id,
            at: now,
            rounds: 0,
        });
        self.version += 1;
        Ok(())
    }

    /// The call that was made goes on, because the upstream asked something meanwhile; each time once.
    pub fn go_on(&mut self, call: &ExactCall, round: u32) -> Result<(), Fault> {
        if *call != self.call {
            return Err(Fault::OtherCall);
        }
        match &mut self.used {
            Some(used) if used.rounds == round => {
                used.rounds += 1;
                self.version += 1;
                Ok(())
            }
            _ => Err(Fault::Closed(self.state)),
        }
    }

    /// Whether enough people of each panel agreed.
    fn all_agreed(&self) -> bool {
        let enough = |(number, panel): (usize, &Panel)| {
            let agreed = self
                .votes
                .iter()
                .filter(|vote| vote.panels.contains(&number));
            agreed.count() >= usize::try_from(panel.quorum.max(1)).unwrap_or(usize::MAX)
        };
        // Without any panel nobody could agree to anything.
        !self.panels.is_empty() && self.panels.iter().enumerate().all(enough)
    }

    fn has_agreed(&self, who: &PrincipalId) -> bool {
        self.votes
            .iter()
            .any(|vote| vote.by == *who || vote.on_behalf_of.as_ref() == Some(who))
    }

    fn close(
        &mut self,
        state: ApprovalState,
        by: Option<&Decider>,
        reason: Option<String>,
        at: Timestamp,
    ) {
        self.state = state;
        self.closing = Some(Closing {
            by: by.map(|by| by.id.clone()),
            name: by.map(|by| by.name.clone()),
            reason,
            at,
        });
        self.version += 1;
    }
}

#[allow(clippy::ptr_arg, reason = "passed to Option::is_some_and")]
fn too_long(text: &String) -> bool {
    text.chars().count() > NOTE_CHARS_MAX
}

#[cfg(test)]
mod tests;
