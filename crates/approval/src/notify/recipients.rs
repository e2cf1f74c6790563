//! Whom a request concerns, with their mail addresses.

use std::collections::BTreeSet;

use sekimori_domain::approval::ApprovalRequest;
use sekimori_domain::ids::{GroupId, GroupName, PrincipalId};
use sekimori_domain::person::MemberId;
use sekimori_store::{GroupQuery, PEOPLE_PAGE_MAX, Paging};

use super::Language;
use crate::Approvals;
use crate::error::ApprovalError;

/// Most people that are told of one request.
const RECIPIENTS_MAX: usize = 50;
/// Most pages of groups that are looked through for those that decide.
const GROUP_PAGES_MAX: usize = 20;
/// How deep groups within groups are followed.
const NESTING_MAX: usize = 10;

/// Somebody with a mail address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    /// Who.
    pub id: PrincipalId,
    /// The address.
    pub mail: String,
    /// The language.
    pub language: Language,
}

impl Approvals {
    /// Those who may decide, or else who asked.
    pub(super) async fn recipients(
        &self,
        request: &ApprovalRequest,
        deciders: bool,
    ) -> Result<Vec<Recipient>, ApprovalError> {
        let mut people = BTreeSet::new();
        if deciders {
            let handed_over: BTreeSet<_> =
                request.delegations.iter().map(|one| &one.from).collect();
            let groups: BTreeSet<_> = request
                .panels
                .iter()
                .flat_map(|panel| &panel.groups)
                .collect();
            people.extend(self.members(&groups).await?);
            people.extend(self.settings.groups.named(&groups));
            people.extend(request.panels.iter().flat_map(|panel| panel.people.clone()));
            people.extend(request.delegations.iter().map(|one| one.to.clone()));
            let now = self.parts.clock.now();
            for person in people.clone() {
                let found = self.parts.requests.substitutions_of(&person).await?;
                let current = found
                    .into_iter()
                    .filter(|one| one.absent == person && one.from <= now && now < one.until);
                people.extend(current.map(|one| one.substitute));
            }
            people.retain(|id| !request.is_asked_by(id) && !handed_over.contains(id));
        } else {
            people.insert(request.call.principal.clone());
        }
        let mut recipients = Vec::new();
        for id in people {
            if recipients.len() >= RECIPIENTS_MAX {
                tracing::warn!(approval = %request.id, "only {RECIPIENTS_MAX} people are told");
                break;
            }
            let user = self.parts.people.user(&id).await?;
            let user = user.filter(|user| user.active);
            let Some((mail, locale)) = user.and_then(|user| {
                let mail = user.emails.first()?.clone();
                Some((mail, user.locale))
            }) else {
                continue;
            };
            recipients.push(Recipient {
                id,
                mail,
                language: Language::of(locale.as_deref()),
            });
        }
        Ok(recipients)
    }

    /// The people in these groups and roles, and in the groups that belong to them.
    async fn members(
        &self,
        wanted: &BTreeSet<&GroupName>,
    ) -> Result<BTreeSet<PrincipalId>, ApprovalError> {
        let people = &self.parts.people;
        let mut open: Vec<GroupId> = Vec::new();
        let mut paging = Paging::default();
        for _ in 0..GROUP_PAGES_MAX {
            let page = people.list_groups(&GroupQuery::default(), &paging).await?;
            let full = page.len() >= usize::try_from(PEOPLE_PAGE_MAX).unwrap_or(usize::MAX);
            paging.after = page.last().map(|group| group.id.to_string());
            for group in page {
                let names = self.settings.groups.all(None, &[group.name]);
                if names.iter().any(|name| wanted.contains(name)) {
                    open.push(group.id);
                }
            }
            if !full {
                break;
            }
        }
        let mut found = BTreeSet::new();
        let mut seen: BTreeSet<GroupId> = BTreeSet::new();
        for _ in 0..NESTING_MAX {
            open.retain(|group| seen.insert(group.clone()));
            open.truncate(usize::try_from(PEOPLE_PAGE_MAX).unwrap_or(usize::MAX));
            if open.is_empty() {
                break;
            }
            let members = people.members(&open).await?;
            open.clear();
            for member in members {
                match member.id {
                    MemberId::User(user) => {
                        found.insert(user);
                    }
                    MemberId::Group(group) => open.push(group),
                }
            }
        }
        Ok(found)
    }
}
