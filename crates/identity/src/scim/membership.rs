//! What a PATCH does to the members of a group: in most cases a few join or leave, and the many others need
//! not be read.

use std::collections::BTreeSet;

use sekimori_domain::person::MemberId;
use sekimori_store::MemberChange;
use serde_json::Value;

use super::error::ScimError;
use super::filter::{Filter, Literal, Operator};
use super::group::member_value;
use super::matching::matches_value;
use super::patch::{Action, Step, given_list};

/// What is to become of the members.
#[derive(Debug, Default)]
pub(crate) struct Membership {
    /// Whether those of before leave.
    emptied: bool,
    join: BTreeSet<MemberId>,
    leave: BTreeSet<MemberId>,
}

impl Membership {
    /// Notes one step. `before` tells the members of before, for filters that need to see them.
    pub(crate) fn apply(
        &mut self,
        step: &Step,
        before: Option<&[MemberId]>,
    ) -> Result<(), ScimError> {
        if step.place.part.is_some() {
            return Err(ScimError::mutability("a part of a member"));
        }
        match (&step.filter, step.action) {
            (None, Action::Add) => self.join(ids(&given_list(step)?)),
            (None, Action::Replace) => {
                self.empty();
                self.join(ids(&given_list(step)?));
            }
            (None, Action::Remove) if step.value.is_null() => self.empty(),
            (None, Action::Remove) => self.leave(ids(&given_list(step)?)),
            (Some(filter), Action::Remove) => {
                if let Some(ids) = named(filter) {
                    self.leave(ids);
                } else {
                    let now = self.now(before.unwrap_or_default());
                    let matching = now.into_iter().filter(|id| {
                        matches_value(filter, step.place.attribute, &member_value(id, ""))
                    });
                    self.leave(matching.collect::<Vec<_>>());
                }
            }
            (Some(_), Action::Add | Action::Replace) => {
                return Err(ScimError::mutability("a member"));
            }
        }
        Ok(())
    }

    /// Whether a step can only be understood with the members at hand.
    pub(crate) fn needs_members(step: &Step) -> bool {
        step.filter
            .as_ref()
            .is_some_and(|filter| named(filter).is_none())
    }

    fn join(&mut self, ids: impl IntoIterator<Item = MemberId>) {
        for id in ids {
            self.leave.remove(&id);
            self.join.insert(id);
        }
    }

    fn leave(&mut self, ids: impl IntoIterator<Item = MemberId>) {
        for id in ids {
            self.join.remove(&id);
            self.leave.insert(id);
        }
    }

    fn empty(&mut self) {
        *self = Self {
            emptied: true,
            ..Self::default()
        };
    }

    fn now(&self, before: &[MemberId]) -> BTreeSet<MemberId> {
        let before = if self.emptied { &[] } else { before };
        let stay = before.iter().filter(|id| !self.leave.contains(*id));
        stay.chain(&self.join).cloned().collect()
    }

    /// Who is to join, known or not.
    pub(crate) fn joining(&self) -> Vec<MemberId> {
        self.join.iter().cloned().collect()
    }

    /// The change, with those who join that are known here.
    pub(crate) fn change(self, joining: Vec<MemberId>) -> MemberChange {
        if self.emptied {
            return MemberChange::Replace(joining);
        }
        if joining.is_empty() && self.leave.is_empty() {
            return MemberChange::Keep;
        }
        MemberChange::Change {
            add: joining,
            remove: self.leave.into_iter().collect(),
        }
    }
}

/// The ids in a list of members. What can't be an id of ours names nobody.
pub(crate) fn ids(members: &[Value]) -> Vec<MemberId> {
    let id = |member: &Value| member.get("value")?.as_str()?.parse().ok();
    members.iter().filter_map(id).collect()
}

/// The members that a filter names one by one: `value eq "a"`, `value eq "a" or value eq "b"`.
fn named(filter: &Filter) -> Option<Vec<MemberId>> {
    match filter {
        Filter::Compare(path, Operator::Eq, Literal::Text(id))
            if path.name.eq_ignore_ascii_case("value") && path.urn.is_none() =>
        {
            // An id that can't be ours names nobody.
            Some(id.parse().into_iter().collect())
        }
        Filter::Or(all) => {
            let all: Option<Vec<_>> = all.iter().map(named).collect();
            Some(all?.into_iter().flatten().collect())
        }
        _ => None,
    }
}
