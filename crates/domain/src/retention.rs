//! What is kept of the audit log: legal holds, and deletions on request. Both take two persons (AUDIT-4, DATA-6).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::record::{EventKind, Record};

/// Most steps of one order.
const STEPS_MAX: usize = 100;
/// Longest reason or note, in characters.
pub const REASON_CHARS_MAX: usize = 1_000;
/// Longest name in a selection, in bytes.
const NAME_BYTES_MAX: usize = 2_000;

/// Which records. Everything given must match.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Selection {
    /// Principal id of who called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Client id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// Connector.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connector: Option<String>,
    /// Tool, resource or prompt: its exact name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// Kind of event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<EventKind>,
    /// Correlation id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation: Option<String>,
    /// Not before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// Before, exclusive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

impl Selection {
    /// Whether a record is meant.
    pub fn matches(&self, record: &Record) -> bool {
        let is = |wanted: &Option<String>, found: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| Some(wanted) == found)
        };
        let caller = record.caller.as_ref();
        let target = record.target.as_ref();
        is(&self.user, caller.map(|caller| caller.id.as_str()))
            && is(&self.client, caller.map(|caller| caller.client.as_str()))
            && is(
                &self.connector,
                target.map(|target| target.connector.as_str()),
            )
            && is(&self.tool, target.map(|target| target.name.as_str()))
            && is(&self.correlation, Some(record.correlation.as_str()))
            && self.event.is_none_or(|event| event == record.event)
            && self.from.is_none_or(|from| record.time >= from)
            && self.until.is_none_or(|until| record.time < until)
    }

    fn check(&self, kind: OrderKind) -> Result<(), OrderError> {
        let names = [
            &self.user,
            &self.client,
            &self.connector,
            &self.tool,
            &self.correlation,
        ];
        let fits = |name: &String| {
            !name.is_empty() && name.len() <= NAME_BYTES_MAX && !name.contains('\0')
        };
        if !names.into_iter().flatten().all(fits) {
            return Err(OrderError::Invalid("a name has 1 to 2000 bytes"));
        }
        if let (Some(from), Some(until)) = (self.from, self.until)
            && from >= until
        {
            return Err(OrderError::Invalid("the time ends before it begins"));
        }
        let by_whom = self.user.is_some() || self.client.is_some() || self.correlation.is_some();
        match kind {
            OrderKind::Deletion if !by_whom => Err(OrderError::Invalid(
                "name whose records: a user, a client or a correlation id",
            )),
            OrderKind::Hold if *self == Self::default() => Err(OrderError::Invalid(
                "say which records: a hold on everything is no answer to anything",
            )),
            OrderKind::Deletion | OrderKind::Hold => Ok(()),
        }
    }
}

/// What is ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderKind {
    /// These records stay, whatever their time.
    Hold,
    /// These records go, before their time.
    Deletion,
}

impl OrderKind {
    /// The name in records, interfaces and the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hold => "hold",
            Self::Deletion => "deletion",
        }
    }

    /// The kind of event by which its steps are recorded.
    pub fn event(self) -> EventKind {
        match self {
            Self::Hold => EventKind::LegalHoldChange,
            Self::Deletion => EventKind::DeletionChange,
        }
    }
}

/// How far an order is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderState {
    /// A second person must agree. A hold holds already.
    Proposed,
    /// Two persons agreed.
    InForce,
    /// Somebody wants to release a hold; a second person must agree. Until then it holds.
    ReleaseProposed,
    /// Refused, released or taken back.
    Ended,
}

impl OrderState {
    /// The name in records, interfaces and the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Proposed => "proposed",
            Self::InForce => "in_force",
            Self::ReleaseProposed => "release_proposed",
            Self::Ended => "ended",
        }
    }
}

/// What somebody does with an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderAct {
    /// Asks for it.
    Propose,
    /// Agrees to what was asked for last.
    Agree,
    /// Refuses what was asked for last.
    Refuse,
    /// Asks to release a hold; takes a deletion back.
    Release,
}

impl OrderAct {
    /// The name in records and interfaces.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Propose => "propose",
            Self::Agree => "agree",
            Self::Refuse => "refuse",
            Self::Release => "release",
        }
    }
}

/// One step of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderStep {
    /// What was done.
    pub act: OrderAct,
    /// By whom.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// Why, in words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}

/// A legal hold, or a deletion on request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetentionOrder {
    /// Its id (UUID version 7), so that ids are in order of time.
    pub id: String,
    /// What is ordered.
    pub kind: OrderKind,
    /// Of which records.
    pub selection: Selection,
    /// Why: the matter, or the request.
    pub reason: String,
    /// How far it is.
    pub state: OrderState,
    /// What was done, in order; the first one proposed it.
    pub steps: Vec<OrderStep>,
}

/// A step that can't be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// What was given breaks a rule.
    #[error("{0}")]
    Invalid(&'static str),
    /// Whoever asks for something cannot agree to it.
    #[error("a second person must agree: whoever asked for it cannot")]
    SamePerson,
    /// There is nothing to agree to, refuse or release now.
    #[error("that cannot be done with it now")]
    NotNow,
}

impl RetentionOrder {
    /// A new one, to which a second person must agree.
    pub fn propose(
        id: String,
        kind: OrderKind,
        selection: Selection,
        step: OrderStep,
    ) -> Result<Self, OrderError> {
        selection.check(kind)?;
        let reason = step.note.trim().to_owned();
        if reason.is_empty() || reason.chars().count() > REASON_CHARS_MAX {
            return Err(OrderError::Invalid("say why, in 1 to 1,000 characters"));
        }
        Ok(Self {
            id,
            kind,
            selection,
            reason,
            state: OrderState::Proposed,
            steps: vec![OrderStep {
                act: OrderAct::Propose,
                note: String::new(),
                ..step
            }],
        })
    }

    /// Takes a step.
    pub fn step(&mut self, step: OrderStep) -> Result<(), OrderError> {
        if step.note.chars().count() > REASON_CHARS_MAX || self.steps.len() >= STEPS_MAX {
            return Err(OrderError::Invalid("use at most 1,000 characters"));
        }
        self.state = match (self.state, step.act) {
            (OrderState::Proposed | OrderState::ReleaseProposed, OrderAct::Agree) => {
                if self.asked_by() == Some(step.by.as_str()) {
                    return Err(OrderError::SamePerson);
                }
                if self.state == OrderState::Proposed {
                    OrderState::InForce
                } else {
                    OrderState::Ended
                }
            }
            (OrderState::Proposed, OrderAct::Refuse) => OrderState::Ended,
            (OrderState::ReleaseProposed, OrderAct::Refuse) => OrderState::InForce,
            (OrderState::InForce, OrderAct::Release) => match self.kind {
                OrderKind::Hold => OrderState::ReleaseProposed,
                // One is enough to destroy less.
                OrderKind::Deletion => OrderState::Ended,
            },
            _ => return Err(OrderError::NotNow),
        };
        self.steps.push(step);
        Ok(())
    }

    /// Who asked for what waits for a second person.
    pub fn asked_by(&self) -> Option<&str> {
        let asks = |step: &&OrderStep| matches!(step.act, OrderAct::Propose | OrderAct::Release);
        let step = self.steps.iter().rev().find(asks);
        step.map(|step| step.by.as_str())
    }

    /// When two persons had agreed to a deletion: records after that are not meant.
    pub fn agreed_at(&self) -> Option<Timestamp> {
        let agreed = |step: &&OrderStep| step.act == OrderAct::Agree;
        self.steps.iter().find(agreed).map(|step| step.at)
    }

    /// Whether it keeps a record.
    pub fn holds(&self, record: &Record) -> bool {
        self.kind == OrderKind::Hold
            && self.state != OrderState::Ended
            && self.selection.matches(record)
    }

    /// Whether it deletes a record.
    pub fn deletes(&self, record: &Record) -> bool {
        self.kind == OrderKind::Deletion
            && self.state == OrderState::InForce
            && self.agreed_at().is_some_and(|agreed| record.time < agreed)
            && self.selection.matches(record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(act: OrderAct, by: &str) -> OrderStep {
        OrderStep {
            act,
            by: by.to_owned(),
            at: Timestamp::UNIX_EPOCH,
            note: "case 12".to_owned(),
        }
    }

    fn order(kind: OrderKind) -> RetentionOrder {
        let selection = Selection {
            user: Some("user:hanako".into()),
            ..Selection::default()
        };
        RetentionOrder::propose("o".into(), kind, selection, step(OrderAct::Propose, "a")).unwrap()
    }

    #[test]
    fn a_hold_takes_two_persons_to_set_and_to_release() {
        let mut hold = order(OrderKind::Hold);
        assert_eq!(hold.reason, "case 12");
        let alone = hold.step(step(OrderAct::Agree, "a"));
        assert_eq!(alone, Err(OrderError::SamePerson));
        hold.step(step(OrderAct::Agree, "b")).unwrap();
        assert_eq!(hold.state, OrderState::InForce);
        hold.step(step(OrderAct::Release, "b")).unwrap();
        assert_eq!(
            hold.step(step(OrderAct::Agree, "b")),
            Err(OrderError::SamePerson)
        );
        hold.step(step(OrderAct::Refuse, "a")).unwrap();
        assert_eq!(hold.state, OrderState::InForce, "a refused release");
        hold.step(step(OrderAct::Release, "b")).unwrap();
        hold.step(step(OrderAct::Agree, "a")).unwrap();
        assert_eq!(hold.state, OrderState::Ended);
        for act in [OrderAct::Agree, OrderAct::Refuse, OrderAct::Release] {
            assert_eq!(hold.step(step(act, "c")), Err(OrderError::NotNow));
        }
    }

    #[test]
    fn a_deletion_takes_two_persons_to_begin_and_one_to_end() {
        let mut deletion = order(OrderKind::Deletion);
        assert_eq!(
            deletion.step(step(OrderAct::Release, "b")),
            Err(OrderError::NotNow)
        );
        deletion.step(step(OrderAct::Agree, "b")).unwrap();
        deletion.step(step(OrderAct::Release, "a")).unwrap();
        assert_eq!(deletion.state, OrderState::Ended);
    }

    #[test]
    fn an_order_says_which_records_are_meant() {
        let refused = |kind, selection| {
            RetentionOrder::propose("o".into(), kind, selection, step(OrderAct::Propose, "a"))
                .is_err()
        };
        assert!(refused(OrderKind::Hold, Selection::default()));
        let period = Selection {
            from: Some(Timestamp::UNIX_EPOCH),
            ..Selection::default()
        };
        assert!(!refused(OrderKind::Hold, period.clone()));
        assert!(refused(OrderKind::Deletion, period.clone()));
        let backwards = Selection {
            until: Some(Timestamp::UNIX_EPOCH),
            ..period
        };
        assert!(refused(OrderKind::Hold, backwards));
    }
}
