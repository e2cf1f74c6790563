//! What identity providers do with people.

use sekimori_domain::ids::PrincipalId;
use sekimori_domain::person::{Group, User};
use sekimori_domain::record::EventKind;
use sekimori_store::{PEOPLE_PAGE_MAX, Paging, UserQuery};
use serde_json::{Map, Value, json};

use super::error::ScimError;
use super::filter::Filter;
use super::list::{ListQuery, mentions, narrow_users, shown};
use super::matching;
use super::schema::{ENTERPRISE_URN, USERS};
use super::user::{self, etag};
use super::view::View;
use super::{
    Answer, Change, Preconditions, Provisioner, Scim, TRIES_MAX, body, given_id, is_overtaken,
    patch, value,
};

const WHAT: &str = "user";
/// Most people looked at for one filter that the database can't answer.
const SCANNED_MAX: u64 = 200_000;

/// Makes a person's new attributes out of the person as stored.
type NewAttributes<'a> = dyn Fn(&User) -> Result<Map<String, Value>, ScimError> + Send + Sync + 'a;

impl Scim {
    /// Creates a person.
    pub async fn create_user(
        &self,
        by: &Provisioner,
        bytes: &[u8],
        view: &View,
    ) -> Result<Answer, ScimError> {
        let attributes = value::normalise(&USERS, &body::read(bytes)?)?;
        let id = PrincipalId::of_user(self.ids.next())
            .map_err(|error| ScimError::value(error.to_string()))?;
        let user = user::create(id, &by.provider, attributes, self.clock.now())?;
        self.people.create_user(&user).await?;
        let change = change("create_user", &user, Vec::new());
        let answer = self.answer(201, &user, view, Some(change)).await?;
        Ok(Answer {
            location: Some(user::location(user.id.as_str(), &self.base)),
            ..answer
        })
    }

    /// One person.
    pub async fn user(
        &self,
        by: &Provisioner,
        id: &str,
        view: &View,
        preconditions: &Preconditions,
    ) -> Result<Answer, ScimError> {
        let user = self.own_user(by, id).await?;
        let etag = etag(user.version);
        if preconditions.is_known(&etag) {
            return Ok(Answer {
                status: 304,
                body: None,
                etag: Some(etag),
                location: None,
                change: None,
            });
        }
        self.answer(200, &user, view, None).await
    }

    /// Replaces a person's attributes. Who says nothing about `active` changes nothing about it.
    pub async fn replace_user(
        &self,
        by: &Provisioner,
        id: &str,
        bytes: &[u8],
        view: &View,
        preconditions: &Preconditions,
    ) -> Result<Answer, ScimError> {
        let given = value::normalise(&USERS, &body::read(bytes)?)?;
        let replace = |user: &User| {
            let mut attributes = given.clone();
            attributes
                .entry("active")
                .or_insert(Value::Bool(user.active));
            Ok(attributes)
        };
        self.change_user(by, id, view, preconditions, &replace)
            .await
    }

    /// Changes parts of a person.
    pub async fn patch_user(
        &self,
        by: &Provisioner,
        id: &str,
        bytes: &[u8],
        view: &View,
        preconditions: &Preconditions,
    ) -> Result<Answer, ScimError> {
        let steps = patch::steps(&USERS, &body::read(bytes)?)?;
        let patch = |user: &User| {
            let mut attributes = user::attributes(user);
            for step in &steps {
                patch::apply(&mut attributes, step)?;
            }
            value::check_whole(&USERS, &attributes)?;
            Ok(attributes)
        };
        self.change_user(by, id, view, preconditions, &patch).await
    }

    /// Deletes a person.
    pub async fn delete_user(
        &self,
        by: &Provisioner,
        id: &str,
        preconditions: &Preconditions,
    ) -> Result<Answer, ScimError> {
        let user = self.own_user(by, id).await?;
        preconditions.check(&etag(user.version))?;
        let gone = self.people.delete_user(&user.id, self.clock.now()).await?;
        let gone = gone.ok_or_else(|| ScimError::not_found(WHAT))?;
        Ok(Answer {
            status: 204,
            body: None,
            etag: None,
            location: None,
            change: Some(Change {
                revoke: vec![gone.id.clone()],
                ..change("delete_user", &gone, Vec::new())
            }),
        })
    }

    /// Lists people.
    pub async fn list_users(
        &self,
        by: &Provisioner,
        query: &ListQuery,
    ) -> Result<Answer, ScimError> {
        let (total, resources) = self.users_of(by, query).await?;
        Ok(Answer::ok(query.response(total, &resources)))
    }

    /// How many people there are that match, and those of the page.
    pub(super) async fn users_of(
        &self,
        by: &Provisioner,
        query: &ListQuery,
    ) -> Result<(u64, Vec<Value>), ScimError> {
        let mut narrow = UserQuery {
            provider: Some(by.provider.clone()),
            ..UserQuery::default()
        };
        let scan = match &query.filter {
            Some(filter) => {
                matching::check(filter, &USERS)?;
                (!narrow_users(filter, &mut narrow)).then_some(filter)
            }
            None => None,
        };
        let (total, users) = if let Some(filter) = scan {
            self.scan_users(&narrow, filter, query).await?
        } else {
            let total = self.people.count_users(&narrow).await?;
            (
                total,
                self.people.list_users(&narrow, &query.paging()).await?,
            )
        };
        let mut groups = self
            .groups_of_users(&users, query.view.shows(&USERS, "groups"))
            .await?;
        let resources = users.iter().map(|user| {
            let (own, rest) = split(std::mem::take(&mut groups), &user.id);
            groups = rest;
            shown(&query.view, &USERS, user::render(user, &own, &self.base))
        });
        Ok((total, resources.collect()))
    }

    /// Looks at people one by one, where the database can't answer the whole filter.
    async fn scan_users(
        &self,
        narrow: &UserQuery,
        filter: &Filter,
        query: &ListQuery,
    ) -> Result<(u64, Vec<User>), ScimError> {
        let with_groups = mentions(filter, &USERS, "groups");
        let (mut after, mut looked, mut total, mut found) = (None, 0, 0, Vec::new());
        loop {
            let paging = Paging {
                after,
                ..Paging::default()
            };
            let page = self.people.list_users(narrow, &paging).await?;
            let mut groups = self.groups_of_users(&page, with_groups).await?;
            let full = page.len() == PEOPLE_PAGE_MAX as usize;
            after = page.last().map(|user| user.id.to_string());
            for user in page {
                looked += 1;
                let (own, rest) = split(groups, &user.id);
                groups = rest;
                let resource = user::render(&user, &own, &self.base);
                if !matching::matches(filter, &USERS, &resource) {
                    continue;
                }
                if total >= query.offset && found.len() < query.limit as usize {
                    found.push(user);
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
                    "too many people to look through: use a filter on userName, externalId or id",
                ));
            }
        }
    }

    async fn groups_of_users(
        &self,
        users: &[User],
        wanted: bool,
    ) -> Result<Vec<(PrincipalId, Group)>, ScimError> {
        if !wanted || users.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<_> = users.iter().map(|user| user.id.clone()).collect();
        Ok(self.people.memberships(&ids).await?)
    }

    /// A person of this identity provider's. Others are not there for it.
    async fn own_user(&self, by: &Provisioner, id: &str) -> Result<User, ScimError> {
        let user = self.people.user(&given_id(id, WHAT)?).await?;
        user.filter(|user| user.provider.as_ref() == Some(&by.provider))
            .ok_or_else(|| ScimError::not_found(WHAT))
    }

    async fn change_user(
        &self,
        by: &Provisioner,
        id: &str,
        view: &View,
        preconditions: &Preconditions,
        attributes: &NewAttributes<'_>,
    ) -> Result<Answer, ScimError> {
        let mut tries = 0;
        loop {
            let before = self.own_user(by, id).await?;
            preconditions.check(&etag(before.version))?;
            let now = self.clock.now();
            let after = user::with_attributes(&before, attributes(&before)?, now)?;
            let same = User {
                updated_at: before.updated_at,
                ..after.clone()
            };
            if same == before {
                let change = changed(&before, &before);
                return self.answer(200, &before, view, change).await;
            }
            match self.people.replace_user(&after, before.version).await {
                Ok(after) => {
                    let change = changed(&before, &after);
                    return self.answer(200, &after, view, change).await;
                }
                Err(error) => {
                    let error = ScimError::from(error);
                    tries += 1;
                    if tries >= TRIES_MAX || !is_overtaken(&error, preconditions) {
                        return Err(error);
                    }
                }
            }
        }
    }

    async fn answer(
        &self,
        status: u16,
        user: &User,
        view: &View,
        change: Option<Change>,
    ) -> Result<Answer, ScimError> {
        let wanted = view.shows(&USERS, "groups");
        let groups = self
            .groups_of_users(std::slice::from_ref(user), wanted)
            .await;
        // What was done is done, and must be recorded and revoked whatever happens now.
        let groups = match (groups, &change) {
            (Err(error), None) => return Err(error),
            (groups, _) => groups.unwrap_or_default(),
        };
        let groups: Vec<_> = groups.into_iter().map(|(_, group)| group).collect();
        Ok(Answer {
            status,
            body: Some(shown(view, &USERS, user::render(user, &groups, &self.base))),
            etag: Some(etag(user.version)),
            location: None,
            change,
        })
    }
}

/// Takes a person's groups from the front of a list that is ordered by person.
fn split(
    mut groups: Vec<(PrincipalId, Group)>,
    user: &PrincipalId,
) -> (Vec<Group>, Vec<(PrincipalId, Group)>) {
    let rest = groups.split_off(groups.partition_point(|(id, _)| id <= user));
    let own = groups.into_iter().filter(|(id, _)| id == user);
    (own.map(|(_, group)| group).collect(), rest)
}

fn change(action: &'static str, user: &User, detail: Vec<(&'static str, Value)>) -> Change {
    let inactive = !user.active;
    Change {
        event: EventKind::UserChange,
        action,
        id: user.id.to_string(),
        name: user.user_name.clone(),
        detail,
        revoke: inactive.then(|| user.id.clone()).into_iter().collect(),
    }
}

/// What happened to a person; nothing if nothing changed and the person may go on.
fn changed(before: &User, after: &User) -> Option<Change> {
    let action = match (before.active, after.active) {
        (_, false) => "deactivate_user",
        (false, true) => "activate_user",
        (true, true) if before == after => return None,
        (true, true) => "change_user",
    };
    let (was, is) = (user::attributes(before), user::attributes(after));
    let mut names: Vec<&str> = was
        .keys()
        .chain(is.keys())
        .filter(|name| was.get(*name) != is.get(*name))
        .map(|name| {
            if name == ENTERPRISE_URN {
                "enterprise"
            } else {
                name
            }
        })
        .collect();
    names.sort_unstable();
    names.dedup();
    Some(change(action, after, vec![("attributes", json!(names))]))
}
