//! What people do to a request.

use sekimori_domain::approval::{ApprovalRequest, ApprovalState, Decider, Represented};
use sekimori_domain::arguments::Arguments;
use sekimori_domain::caller::{Caller, PrincipalKind};
use sekimori_domain::digest::Digest;
use sekimori_domain::ids::{ApprovalId, PrincipalId};
use sekimori_store::{ApprovalQuery, StoredApproval, Substitution};
use serde_json::Value;

use crate::error::ApprovalError;
use crate::{Approvals, RACES_MAX, is_race};

/// Most equal requests that are decided on together.
const EQUAL_MAX: u32 = 100;
/// Longest time for which somebody may name a substitute.
const SUBSTITUTION_DAYS_MAX: i64 = 366;

/// What somebody does to a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// Agrees.
    Approve {
        /// Digest of the arguments that they looked at.
        seen: Option<Digest>,
        /// What they add.
        note: Option<String>,
    },
    /// Does not agree.
    Refuse {
        /// Why.
        reason: String,
    },
    /// Changes the arguments.
    Edit {
        /// The new ones.
        arguments: Value,
    },
    /// Lets somebody else decide in their place.
    Delegate {
        /// Who: an id, or the name at the identity provider.
        to: String,
    },
    /// Takes it back.
    Cancel,
}

impl Decision {
    /// The name in records.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Approve { .. } => "approve",
            Self::Refuse { .. } => "refuse",
            Self::Edit { .. } => "edit",
            Self::Delegate { .. } => "delegate",
            Self::Cancel => "cancel",
        }
    }
}

impl Approvals {
    /// Somebody, as deciding on requests asks for: with all their groups, and those for whom they stand in.
    pub async fn decider(
        &self,
        caller: &Caller,
        holds_right: bool,
        stepped_up: bool,
    ) -> Result<Decider, ApprovalError> {
        let principal = &caller.principal;
        let mut represented = Vec::new();
        if principal.kind == PrincipalKind::User {
            let now = self.parts.clock.now();
            let found = self.parts.requests.substitutions_of(&principal.id).await?;
            let current = found
                .into_iter()
                .filter(|one| one.substitute == principal.id)
                .filter(|one| one.from <= now && now < one.until);
            for one in current {
                // Who left has no voice that somebody could give.
                let absent = self.parts.people.user(&one.absent).await?;
                if absent.is_none_or(|absent| !absent.active) {
                    continue;
                }
                let groups = self.parts.people.groups_of(&one.absent).await?;
                represented.push(Represented {
                    groups: self.settings.groups.all(Some(&one.absent), &groups),
                    id: one.absent,
                });
            }
        }
        Ok(Decider {
            id: principal.id.clone(),
            name: principal.display_name.clone(),
            kind: principal.kind,
            groups: self
                .settings
                .groups
                .all(Some(&principal.id), &principal.groups),
            holds_right,
            stepped_up,
            represented,
        })
    }

    /// Does something to a request. Whoever else does something at the same time, each is done to what the other
    /// left. To be recorded by whoever asks, before and after.
    pub async fn decide(
        &self,
        id: &ApprovalId,
        decider: &Decider,
        decision: &Decision,
    ) -> Result<ApprovalRequest, ApprovalError> {
        for _ in 0..RACES_MAX {
            let stored = self.parts.requests.get(id).await?;
            let mut stored = stored.ok_or(ApprovalError::NotFound)?;
            self.apply(&mut stored, decider, decision).await?;
            let notices = match stored.request.state {
                ApprovalState::Approved => self.notices(&stored.request, "approved"),
                ApprovalState::Refused => self.notices(&stored.request, "refused"),
                ApprovalState::Pending
                    if matches!(decision, Decision::Delegate { .. } | Decision::Edit { .. }) =>
                {
                    self.notices(&stored.request, "changed")
                }
                _ => Vec::new(),
            };
            match self.parts.requests.replace(&stored, &notices).await {
                Ok(()) => return Ok(stored.request),
                Err(error) if is_race(&error) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(ApprovalError::Busy)
    }

    async fn apply(
        &self,
        stored: &mut StoredApproval,
        decider: &Decider,
        decision: &Decision,
    ) -> Result<(), ApprovalError> {
        let now = self.parts.clock.now();
        let request = &mut stored.request;
        match decision {
            Decision::Approve { seen, note } => {
                request.approve(decider, seen.as_ref(), note.clone(), now)?;
            }
            Decision::Refuse { reason } => request.refuse(decider, reason.clone(), now)?,
            Decision::Edit { arguments } => {
                let arguments =
                    Arguments::from_value(arguments).map_err(|error| ApprovalError::Invalid {
                        what: "arguments",
                        rule: error.to_string(),
                    })?;
                let text = arguments.raw().get().as_bytes();
                request.edit(decider, self.parts.vault.digest(text), now)?;
                stored.arguments = self.parts.vault.seal(request.id.as_str(), text)?;
            }
            Decision::Delegate { to } => {
                let (to, name) = self.person(to).await?;
                request.delegate(decider, to, name, now)?;
            }
            Decision::Cancel => request.cancel(decider, now)?,
        }
        Ok(())
    }

    /// An active person, by id or by name at the identity provider.
    async fn person(&self, named: &str) -> Result<(PrincipalId, String), ApprovalError> {
        let people = &self.parts.people;
        let by_id = match PrincipalId::new(named) {
            Ok(id) => people.user(&id).await?,
            Err(_) => None,
        };
        let found = match by_id {
            Some(user) => Some(user),
            None => people.user_by_name(named).await?,
        };
        let found = found.filter(|user| user.active);
        found
            .map(|user| (user.id, user.display_name))
            .ok_or_else(|| ApprovalError::Invalid {
                what: "to",
                rule: "there is no active person of that id or name".to_owned(),
            })
    }

    /// The open requests for equal calls (the same tool, definition and arguments), whoever asks, that `decider`
    /// may decide on; without `id` itself.
    pub async fn equal_to(
        &self,
        id: &ApprovalId,
        decider: &Decider,
    ) -> Result<Vec<ApprovalRequest>, ApprovalError> {
        let stored = self.parts.requests.get(id).await?;
        let request = stored.ok_or(ApprovalError::NotFound)?.request;
        let likeness = request.call.likeness();
        let alike = self.parts.requests.alike(&likeness, EQUAL_MAX).await?;
        let now = self.parts.clock.now();
        Ok(alike
            .into_iter()
            .map(|stored| stored.request)
            .filter(|other| other.id != *id && other.may_decide(decider, now).is_ok())
            .collect())
    }

    /// Names somebody who decides in one's place for a time.
    pub async fn name_substitute(
        &self,
        absent: &PrincipalId,
        substitute: &str,
        from: jiff::Timestamp,
        until: jiff::Timestamp,
    ) -> Result<Substitution, ApprovalError> {
        let invalid = |what, rule: &str| ApprovalError::Invalid {
            what,
            rule: rule.to_owned(),
        };
        let (substitute, _) = self.person(substitute).await?;
        if substitute == *absent {
            return Err(invalid("substitute", "it must be somebody else"));
        }
        let longest = jiff::SignedDuration::from_hours(SUBSTITUTION_DAYS_MAX * 24);
        if until <= from || until.duration_since(from) > longest {
            return Err(invalid(
                "until",
                "use a time after the beginning, within a year",
            ));
        }
        let substitution = Substitution {
            absent: absent.clone(),
            substitute,
            from,
            until,
        };
        self.parts.requests.put_substitution(&substitution).await?;
        Ok(substitution)
    }

    /// Ends one's own substitution; `false` if there was none.
    pub async fn end_substitution(&self, absent: &PrincipalId) -> Result<bool, ApprovalError> {
        Ok(self.parts.requests.end_substitution(absent).await?)
    }

    /// One's own substitution, and those in which one stands in.
    pub async fn substitutions(
        &self,
        person: &PrincipalId,
    ) -> Result<Vec<Substitution>, ApprovalError> {
        Ok(self.parts.requests.substitutions_of(person).await?)
    }

    /// Requests of a query, newest first.
    pub(crate) async fn page_of(
        &self,
        query: &ApprovalQuery,
    ) -> Result<Vec<StoredApproval>, ApprovalError> {
        Ok(self.parts.requests.list(query).await?)
    }
}
