//! People and groups, as documents; what is looked for has columns of its own.

mod groups;
mod members;
mod users;

use std::fmt::Write as _;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use sekimori_domain::ids::{GroupId, GroupName, PrincipalId};
use sekimori_domain::person::{DeletedUser, Group, MemberId, User, UserLink};

use super::numbered;
use crate::database::{Database, Param, Statement, signed};
use crate::error::{Result, StoreError};
use crate::people::{
    ChangedGroup, GroupQuery, Member, MemberChange, PEOPLE_PAGE_MAX, Paging, People, UserQuery,
};

const USER: &str = "user";
const GROUP: &str = "group";

#[derive(Debug)]
pub(super) struct PeopleTables(pub(super) Arc<dyn Database>);

#[async_trait]
impl People for PeopleTables {
    async fn create_user(&self, user: &User) -> Result<()> {
        users::create(&*self.0, user).await
    }

    async fn user(&self, id: &PrincipalId) -> Result<Option<User>> {
        users::by_id(&*self.0, id).await
    }

    async fn user_by_name(&self, user_name: &str) -> Result<Option<User>> {
        users::by_name(&*self.0, user_name).await
    }

    async fn user_by_link(&self, provider: &str, subject: &str) -> Result<Option<User>> {
        users::by_link(&*self.0, provider, subject).await
    }

    async fn link(&self, link: &UserLink) -> Result<()> {
        users::link(&*self.0, link).await
    }

    async fn links(&self, user: &PrincipalId) -> Result<Vec<UserLink>> {
        users::links(&*self.0, user).await
    }

    async fn replace_user(&self, user: &User, expected_version: u64) -> Result<User> {
        users::replace(&*self.0, user, expected_version).await
    }

    async fn delete_user(&self, id: &PrincipalId, at: Timestamp) -> Result<Option<User>> {
        users::delete(&*self.0, id, at).await
    }

    async fn deleted_user(&self, id: &PrincipalId) -> Result<Option<DeletedUser>> {
        users::deleted(&*self.0, id).await
    }

    async fn list_users(&self, query: &UserQuery, paging: &Paging) -> Result<Vec<User>> {
        users::list(&*self.0, query, paging).await
    }

    async fn count_users(&self, query: &UserQuery) -> Result<u64> {
        users::count(&*self.0, query).await
    }

    async fn groups_of(&self, user: &PrincipalId) -> Result<Vec<GroupName>> {
        members::names_of(&*self.0, user).await
    }

    async fn claim_groups(
        &self,
        user: &PrincipalId,
        provider: &str,
        groups: &[GroupName],
    ) -> Result<bool> {
        members::claim(&*self.0, user, provider, groups).await
    }

    async fn create_group(&self, group: &Group, members: &[MemberId]) -> Result<Group> {
        groups::create(&*self.0, group, members).await
    }

    async fn group(&self, id: &GroupId) -> Result<Option<Group>> {
        groups::by_id(&*self.0, id).await
    }

    async fn replace_group(
        &self,
        group: &Group,
        expected_version: u64,
        members: &MemberChange,
    ) -> Result<ChangedGroup> {
        groups::replace(&*self.0, group, expected_version, members).await
    }

    async fn delete_group(&self, id: &GroupId) -> Result<Option<ChangedGroup>> {
        groups::delete(&*self.0, id).await
    }

    async fn list_groups(&self, query: &GroupQuery, paging: &Paging) -> Result<Vec<Group>> {
        groups::list(&*self.0, query, paging).await
    }

    async fn count_groups(&self, query: &GroupQuery) -> Result<u64> {
        groups::count(&*self.0, query).await
    }

    async fn members(&self, groups: &[GroupId]) -> Result<Vec<Member>> {
        members::of(&*self.0, groups).await
    }

    async fn known_members(&self, provider: &str, ids: &[MemberId]) -> Result<Vec<MemberId>> {
        members::known(&*self.0, provider, ids).await
    }

    async fn memberships(&self, users: &[PrincipalId]) -> Result<Vec<(PrincipalId, Group)>> {
        members::memberships(&*self.0, users).await
    }
}

/// Text for comparing without regard to case.
fn fold(text: &str) -> String {
    text.to_lowercase()
}

/// Conditions that are all to hold, and what is bound to them.
#[derive(Debug, Default)]
struct Conditions {
    sql: String,
    params: Vec<Param>,
}

impl Conditions {
    /// Adds a condition on a value; `condition` makes it out of the placeholder.
    fn add(&mut self, value: impl Into<Param>, condition: impl FnOnce(&str) -> String) {
        self.params.push(value.into());
        let placeholder = format!("${}", self.params.len());
        let word = if self.sql.is_empty() { "WHERE" } else { "AND" };
        // Writing into a string never fails.
        let _written = write!(self.sql, " {word} {}", condition(&placeholder));
    }

    fn count(self, what: &'static str, table: &'static str) -> Statement {
        Statement {
            what,
            sql: format!("SELECT count(*) FROM {table}{}", self.sql).into(),
            params: self.params,
        }
    }

    fn select(
        mut self,
        what: &'static str,
        table: &'static str,
        paging: &Paging,
    ) -> Result<Statement> {
        if paging.limit > PEOPLE_PAGE_MAX {
            return Err(StoreError::Invalid {
                what: "limit",
                rule: "use 500 at most",
            });
        }
        if let Some(after) = &paging.after {
            self.add(after.as_str(), |value| format!("id > {value}"));
        }
        self.params.push(i64::from(paging.limit).into());
        self.params.push(signed("offset", paging.offset)?.into());
        let (limit, offset) = (self.params.len() - 1, self.params.len());
        Ok(Statement {
            what,
            sql: format!(
                "SELECT document, version FROM {table}{} ORDER BY id LIMIT ${limit} OFFSET ${offset}",
                self.sql
            )
            .into(),
            params: self.params,
        })
    }
}
