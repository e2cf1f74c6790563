//! What identity providers do with groups.

use sekimori_domain::ids::GroupId;
use sekimori_domain::person::{Group, MemberId};
use sekimori_domain::record::EventKind;
use sekimori_store::{ChangedGroup, GroupQuery, Member, MemberChange, Paging};
use serde_json::{Map, Value, json};

use super::error::ScimError;
use super::filter::Filter;
use super::group::{self, MEMBERS};
use super::list::{ListQuery, mentions, narrow_groups, shown};
use super::membership::{Membership, ids};
use super::schema::GROUPS;
use super::user::etag;
use super::view::View;
use super::{
    Answer, Change, Preconditions, Provisioner, Scim, TRIES_MAX, body, given_id, is_overtaken,
    matching, patch, value,
};

const WHAT: &str = "group";
/// Groups looked at together, with all their members.
const BATCH: u32 = 100;
/// Most groups looked at for one filter that the database can't answer.
const SCANNED_MAX: u64 = 50_000;
/// Most members named in one audit record; their number is always told.
const NAMED_MAX: usize = 100;

/// A group as it shall be.
struct Wanted {
    attributes: Map<String, Value>,
    members: MemberChange,
    /// Members that are not known here.
    unknown: usize,
}

impl Scim {
    /// Creates a group.
    pub async fn create_group(
        &self,
        by: &Provisioner,
        bytes: &[u8],
        view: &View,
    ) -> Result<Answer, ScimError> {
        let mut attributes = value::normalise(&GROUPS, &body::read(bytes)?)?;
        let wanted = members_of(&mut attributes);
        let id = GroupId::of_group(self.ids.next())
            .map_err(|error| ScimError::value(error.to_string()))?;
        let group = group::create(id, &by.provider, attributes, self.clock.now())?;
        let known = self.people.known_members(&by.provider, &wanted).await?;
        let group = self.people.create_group(&group, &known).await?;
        let unknown = wanted.len() - known.len();
        let changed = ChangedGroup {
            group,
            added: known,
            removed: Vec::new(),
        };
        let change = change("create_group", &changed, unknown);
        let answer = self
            .group_answer(201, &changed.group, view, Some(change))
            .await?;
        Ok(Answer {
            location: Some(group::location(changed.group.id.as_str(), &self.base)),
            ..answer
        })
    }

    /// One group.
    pub async fn group(
        &self,
        by: &Provisioner,
        id: &str,
        view: &View,
        preconditions: &Preconditions,
    ) -> Result<Answer, ScimError> {
        let group = self.own_group(by, id).await?;
        let etag = etag(group.version);
        if preconditions.is_known(&etag) {
            return Ok(Answer {
                status: 304,
                body: None,
                etag: Some(etag),
                location: None,
                change: None,
            });
        }
        self.group_answer(200, &group, view, None).await
    }

    /// Replaces a group's attributes and members.
    pub async fn replace_group(
        &self,
        by: &Provisioner,
        id: &str,
        bytes: &[u8],
        view: &View,
        preconditions: &Preconditions,
    ) -> Result<Answer, ScimError> {
        let mut attributes = value::normalise(&GROUPS, &body::read(bytes)?)?;
        let given = members_of(&mut attributes);
        let mut tries = 0;
        loop {
            let before = self.own_group(by, id).await?;
            preconditions.check(&etag(before.version))?;
            let known = self.people.known_members(&by.provider, &given).await?;
            let wanted = Wanted {
                attributes: attributes.clone(),
                unknown: given.len() - known.len(),
                members: MemberChange::Replace(known),
            };
            match self.change_group(&before, wanted, view).await {
                Err(error) if tries < TRIES_MAX && is_overtaken(&error, preconditions) => {
                    tries += 1;
                }
                result => return result,
            }
        }
    }

    /// Changes parts of a group.
    pub async fn patch_group(
        &self,
        by: &Provisioner,
        id: &str,
        bytes: &[u8],
        view: &View,
        preconditions: &Preconditions,
    ) -> Result<Answer, ScimError> {
        let steps = patch::steps(&GROUPS, &body::read(bytes)?)?;
        let (on_members, on_attributes): (Vec<_>, Vec<_>) = steps
            .into_iter()
            .partition(|step| step.place.attribute.name == MEMBERS);
        let mut tries = 0;
        loop {
            let before = self.own_group(by, id).await?;
            preconditions.check(&etag(before.version))?;
            let mut attributes = group::attributes(&before);
            for step in &on_attributes {
                patch::apply(&mut attributes, step)?;
            }
            value::check_whole(&GROUPS, &attributes)?;
            let present = if on_members.iter().any(Membership::needs_members) {
                let members = self
                    .people
                    .members(std::slice::from_ref(&before.id))
                    .await?;
                Some(
                    members
                        .into_iter()
                        .map(|member| member.id)
                        .collect::<Vec<_>>(),
                )
            } else {
                None
            };
            let mut membership = Membership::default();
            for step in &on_members {
                membership.apply(step, present.as_deref())?;
            }
            let joining = membership.joining();
            let known = self.people.known_members(&by.provider, &joining).await?;
            let wanted = Wanted {
                attributes,
                unknown: joining.len() - known.len(),
                members: membership.change(known),
            };
            match self.change_group(&before, wanted, view).await {
                Err(error) if tries < TRIES_MAX && is_overtaken(&error, preconditions) => {
                    tries += 1;
                }
                result => return result,
            }
        }
    }

    /// Deletes a group. Its members lose what they had through it, and nothing else.
    pub async fn delete_group(
        &self,
        by: &Provisioner,
        id: &str,
        preconditions: &Preconditions,
    ) -> Result<Answer, ScimError> {
        let group = self.own_group(by, id).await?;
        preconditions.check(&etag(group.version))?;
        let gone = self.people.delete_group(&group.id).await?;
        let gone = gone.ok_or_else(|| ScimError::not_found(WHAT))?;
        Ok(Answer {
            status: 204,
            body: None,
            etag: None,
            location: None,
            change: Some(change("delete_group", &gone, 0)),
        })
    }

    /// Lists groups.
    pub async fn list_groups(
        &self,
        by: &Provisioner,
        query: &ListQuery,
    ) -> Result<Answer, ScimError> {
        let (total, resources) = self.groups_of(by, query).await?;
        Ok(Answer::ok(query.response(total, &resources)))
    }

    /// How many groups there are that match, and those of the page.
    pub(super) async fn groups_of(
        &self,
        by: &Provisioner,
        query: &ListQuery,
    ) -> Result<(u64, Vec<Value>), ScimError> {
        let mut narrow = GroupQuery {
            provider: Some(by.provider.clone()),
            ..GroupQuery::default()
        };
        let scan = match &query.filter {
            Some(filter) => {
                matching::check(filter, &GROUPS)?;
                (!narrow_groups(filter, &mut narrow)).then_some(filter)
            }
            None => None,
        };
        let (total, groups) = if let Some(filter) = scan {
            self.scan_groups(&narrow, filter, query).await?
        } else {
            let total = self.people.count_groups(&narrow).await?;
            (
                total,
                self.people.list_groups(&narrow, &query.paging()).await?,
            )
        };
        let members = self
            .members_of_groups(&groups, query.view.shows(&GROUPS, MEMBERS))
            .await?;
        let resources = groups.iter().map(|group| {
            let resource = group::render(group, own(&members, &group.id), &self.base);
            shown(&query.view, &GROUPS, resource)
        });
        Ok((total, resources.collect()))
    }

    async fn scan_groups(
        &self,
        narrow: &GroupQuery,
        filter: &Filter,
        query: &ListQuery,
    ) -> Result<(u64, Vec<Group>), ScimError> {
        let with_members = mentions(filter, &GROUPS, MEMBERS);
        let (mut after, mut looked, mut total, mut found) = (None, 0, 0, Vec::new());
        loop {
            let paging = Paging {
                after,
                offset: 0,
                limit: BATCH,
            };
            let page = self.people.list_groups(narrow, &paging).await?;
            let members = self.members_of_groups(&page, with_members).await?;
            let full = page.len() == BATCH as usize;
            after = page.last().map(|group| group.id.to_string());
            for group in page {
                looked += 1;
                let resource = group::render(&group, own(&members, &group.id), &self.base);
                if !matching::matches(filter, &GROUPS, &resource) {
                    continue;
                }
                if total >= query.offset && found.len() < query.limit as usize {
                    found.push(group);
                }
                total += 1;
            }
            if !full {
                return Ok((total, found));
            }
            if looked >= SCANNED_MAX {
                return Err(ScimError::new(
                    400,
                    Some("tooMany"),
                    "too many groups to look through: use a filter on displayName, externalId or id",
                ));
            }
        }
    }

    async fn members_of_groups(
        &self,
        groups: &[Group],
        wanted: bool,
    ) -> Result<Vec<Member>, ScimError> {
        if !wanted || groups.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<_> = groups.iter().map(|group| group.id.clone()).collect();
        Ok(self.people.members(&ids).await?)
    }

    /// A group of this identity provider's. Others are not there for it.
    async fn own_group(&self, by: &Provisioner, id: &str) -> Result<Group, ScimError> {
        let group = self.people.group(&given_id(id, WHAT)?).await?;
        group
            .filter(|group| group.provider.as_ref() == Some(&by.provider))
            .ok_or_else(|| ScimError::not_found(WHAT))
    }

    async fn change_group(
        &self,
        before: &Group,
        wanted: Wanted,
        view: &View,
    ) -> Result<Answer, ScimError> {
        let after = group::with_attributes(before, wanted.attributes, self.clock.now())?;
        let same = Group {
            updated_at: before.updated_at,
            ..after.clone()
        };
        if same == *before && wanted.members == MemberChange::Keep && wanted.unknown == 0 {
            return self.group_answer(200, before, view, None).await;
        }
        let changed = self
            .people
            .replace_group(&after, before.version, &wanted.members)
            .await?;
        let mut change = change("change_group", &changed, wanted.unknown);
        if before.display_name != after.display_name {
            change
                .detail
                .push(("renamed_from", json!(before.display_name)));
        }
        self.group_answer(200, &changed.group, view, Some(change))
            .await
    }

    async fn group_answer(
        &self,
        status: u16,
        group: &Group,
        view: &View,
        change: Option<Change>,
    ) -> Result<Answer, ScimError> {
        let wanted = view.shows(&GROUPS, MEMBERS);
        let members = self
            .members_of_groups(std::slice::from_ref(group), wanted)
            .await;
        // What was done is done, and must be recorded whatever happens now.
        let members = match (members, &change) {
            (Err(error), None) => return Err(error),
            (members, _) => members.unwrap_or_default(),
        };
        Ok(Answer {
            status,
            body: Some(shown(
                view,
                &GROUPS,
                group::render(group, &members, &self.base),
            )),
            etag: Some(etag(group.version)),
            location: None,
            change,
        })
    }
}

/// Takes the members out of a group's attributes.
fn members_of(attributes: &mut Map<String, Value>) -> Vec<MemberId> {
    let mut members = match attributes.remove(MEMBERS) {
        Some(Value::Array(members)) => ids(&members),
        _ => Vec::new(),
    };
    members.sort_unstable();
    members.dedup();
    members
}

/// The members of one group, in a list that is ordered by group.
fn own<'m>(members: &'m [Member], group: &GroupId) -> &'m [Member] {
    let start = members.partition_point(|member| member.group < *group);
    let end = members.partition_point(|member| member.group <= *group);
    members.get(start..end).unwrap_or_default()
}

fn change(action: &'static str, changed: &ChangedGroup, unknown: usize) -> Change {
    let mut detail = vec![("policy_name", json!(changed.group.name))];
    for (count, named, members) in [
        ("added", "added_members", &changed.added),
        ("removed", "removed_members", &changed.removed),
    ] {
        if !members.is_empty() {
            let ids = members.iter().take(NAMED_MAX).map(MemberId::as_str);
            detail.push((count, json!(members.len())));
            detail.push((named, ids.collect()));
        }
    }
    if unknown > 0 {
        detail.push(("unknown_members", json!(unknown)));
    }
    Change {
        event: EventKind::GroupChange,
        action,
        id: changed.group.id.to_string(),
        name: changed.group.display_name.clone(),
        detail,
        revoke: Vec::new(),
    }
}
