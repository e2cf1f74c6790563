//! People, groups, and who belongs to which.

use async_trait::async_trait;
use jiff::Timestamp;
use sekimori_domain::ids::{GroupId, GroupName, PrincipalId};
use sekimori_domain::person::{DeletedUser, Group, MemberId, User, UserLink};

use crate::error::Result;

/// Most people or groups of one page.
pub const PEOPLE_PAGE_MAX: u32 = 500;
/// Most members of one group: a whole company of common size.
pub const GROUP_MEMBERS_MAX: usize = 20_000;
/// Most groups one person may be in, nested ones included. Beyond it nobody is told a part of them, because
/// the missing ones could be those that forbid something.
pub const GROUPS_OF_USER_MAX: usize = 2_000;
/// Most groups taken from the claims of one sign-in.
pub const CLAIMED_GROUPS_MAX: usize = 500;

/// The name of what collides if a user name is taken, in [`Conflict`](crate::StoreError::Conflict).
pub const USER_NAME: &str = "user name";
/// The name of what collides if a group's displayed name is taken.
pub const GROUP_DISPLAY_NAME: &str = "group name";
/// The name of what collides if somebody else changed a person or group meanwhile.
pub const VERSION: &str = "version";
/// The name of what is missing if a member is not there, or is another identity provider's.
pub const MEMBER: &str = "member";

/// Which people. Everything given must match.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UserQuery {
    /// The id.
    pub id: Option<String>,
    /// The user name, without regard to case.
    pub user_name: Option<String>,
    /// The identity provider's own id.
    pub external_id: Option<String>,
    /// Those of this identity provider.
    pub provider: Option<String>,
    /// Only active, or only inactive ones.
    pub active: Option<bool>,
    /// Direct members of this group.
    pub member_of: Option<GroupId>,
    /// Part of a name or mail address, without regard to case.
    pub text: Option<String>,
}

/// Which groups. Everything given must match.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GroupQuery {
    /// The id.
    pub id: Option<String>,
    /// The name at the identity provider, without regard to case.
    pub display_name: Option<String>,
    /// The identity provider's own id.
    pub external_id: Option<String>,
    /// Those of this identity provider.
    pub provider: Option<String>,
    /// Those that this person or group is directly in.
    pub member: Option<MemberId>,
}

/// A part of a list, which is ordered by id and so by age.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paging {
    /// Only those after this id: where the page before ended.
    pub after: Option<String>,
    /// How many to leave out.
    pub offset: u64,
    /// Most to return: 0 to [`PEOPLE_PAGE_MAX`].
    pub limit: u32,
}

impl Default for Paging {
    fn default() -> Self {
        Self {
            after: None,
            offset: 0,
            limit: PEOPLE_PAGE_MAX,
        }
    }
}

/// A member of a group, with a name to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The group it is in.
    pub group: GroupId,
    /// The member.
    pub id: MemberId,
    /// Its displayed name.
    pub display_name: String,
}

/// What is to happen to the members of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MemberChange {
    /// Nothing.
    Keep,
    /// Exactly these shall be in it.
    Replace(Vec<MemberId>),
    /// Some join, some leave; who is in or out already stays so.
    Change {
        /// Who joins.
        add: Vec<MemberId>,
        /// Who leaves.
        remove: Vec<MemberId>,
    },
}

/// A group as it was stored, and who really joined and left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedGroup {
    /// The group.
    pub group: Group,
    /// Who was not in it before.
    pub added: Vec<MemberId>,
    /// Who is not in it any more.
    pub removed: Vec<MemberId>,
}

/// People and groups (AUTHN-1). Every mutation bumps the `identity` revision.
#[async_trait]
pub trait People: Send + Sync {
    /// Stores a new person. [`Conflict`](crate::StoreError::Conflict) of [`USER_NAME`] if the name is taken,
    /// whoever has it.
    async fn create_user(&self, user: &User) -> Result<()>;

    /// The person of that id.
    async fn user(&self, id: &PrincipalId) -> Result<Option<User>>;

    /// The person of that user name, without regard to case.
    async fn user_by_name(&self, user_name: &str) -> Result<Option<User>>;

    /// The person to whom an account at an identity provider belongs.
    async fn user_by_link(&self, provider: &str, subject: &str) -> Result<Option<User>>;

    /// Says that an account at an identity provider belongs to a person; doing so again changes nothing.
    /// [`Conflict`](crate::StoreError::Conflict) if it belongs to somebody else,
    /// [`NotFound`](crate::StoreError::NotFound) if there is no such person.
    async fn link(&self, link: &UserLink) -> Result<()>;

    /// The accounts of a person, by provider.
    async fn links(&self, user: &PrincipalId) -> Result<Vec<UserLink>>;

    /// Replaces a person who is still of the version given, and gives a new version; returns the person as
    /// stored. [`Conflict`](crate::StoreError::Conflict) of [`VERSION`] or [`USER_NAME`],
    /// [`NotFound`](crate::StoreError::NotFound) if there is no such person.
    async fn replace_user(&self, user: &User, expected_version: u64) -> Result<User>;

    /// Deletes a person with links and memberships; keeps a [`DeletedUser`]. Returns who it was.
    async fn delete_user(&self, id: &PrincipalId, at: Timestamp) -> Result<Option<User>>;

    /// What is kept of a deleted person.
    async fn deleted_user(&self, id: &PrincipalId) -> Result<Option<DeletedUser>>;

    /// What a person is called, or was before they were deleted: for showing what records tell by id.
    async fn name_of(&self, id: &PrincipalId) -> Result<Option<String>> {
        if let Some(user) = self.user(id).await? {
            return Ok(Some(user.display_name));
        }
        let deleted = self.deleted_user(id).await?;
        Ok(deleted.map(|deleted| deleted.display_name))
    }

    /// A text that begins with the id of a person, as subjects of alerts do, with their name in its place. `None`
    /// if it does not.
    async fn named(&self, text: &str) -> Result<Option<String>> {
        let (id, rest) = text.split_once(' ').unwrap_or((text, ""));
        let Ok(id) = PrincipalId::new(id) else {
            return Ok(None);
        };
        let name = self.name_of(&id).await?;
        Ok(name.map(|name| [name.as_str(), rest].join(" ").trim_end().to_owned()))
    }

    /// Some people, by id.
    async fn list_users(&self, query: &UserQuery, paging: &Paging) -> Result<Vec<User>>;

    /// How many there are.
    async fn count_users(&self, query: &UserQuery) -> Result<u64>;

    /// The names by which policies know the groups of a person: provisioned ones, those that they are
    /// nested in, and those claimed at the last sign-ins; sorted.
    /// [`Invalid`](crate::StoreError::Invalid) beyond [`GROUPS_OF_USER_MAX`].
    async fn groups_of(&self, user: &PrincipalId) -> Result<Vec<GroupName>>;

    /// Replaces the groups that an identity provider named for a person at sign-in. `false`, and no
    /// change, if they are the same as before.
    async fn claim_groups(
        &self,
        user: &PrincipalId,
        provider: &str,
        groups: &[GroupName],
    ) -> Result<bool>;

    /// Stores a new group with its members and returns it as stored: if another group has its
    /// [`name`](Group::name) for policies already, it is known to them by its id.
    /// [`Conflict`](crate::StoreError::Conflict) of [`GROUP_DISPLAY_NAME`] if the identity provider has a
    /// group of that name, [`NotFound`](crate::StoreError::NotFound) of [`MEMBER`] if a member is no person
    /// or group of the same identity provider.
    async fn create_group(&self, group: &Group, members: &[MemberId]) -> Result<Group>;

    /// The group of that id.
    async fn group(&self, id: &GroupId) -> Result<Option<Group>>;

    /// Replaces a group that is still of the version given, all but its [`name`](Group::name), and changes
    /// its members. Errors as for [`create_group`](Self::create_group) and
    /// [`replace_user`](Self::replace_user).
    async fn replace_group(
        &self,
        group: &Group,
        expected_version: u64,
        members: &MemberChange,
    ) -> Result<ChangedGroup>;

    /// Deletes a group, and returns what it was and who was in it.
    async fn delete_group(&self, id: &GroupId) -> Result<Option<ChangedGroup>>;

    /// Some groups, by id.
    async fn list_groups(&self, query: &GroupQuery, paging: &Paging) -> Result<Vec<Group>>;

    /// How many there are.
    async fn count_groups(&self, query: &GroupQuery) -> Result<u64>;

    /// The direct members of some groups, [`PEOPLE_PAGE_MAX`] groups at most, by group and id.
    async fn members(&self, groups: &[GroupId]) -> Result<Vec<Member>>;

    /// Those of the ids given that are people or groups of an identity provider, so that they may be members
    /// of its groups.
    async fn known_members(&self, provider: &str, ids: &[MemberId]) -> Result<Vec<MemberId>>;

    /// The groups that some people, [`PEOPLE_PAGE_MAX`] at most, are directly in: person and group, by
    /// their ids.
    async fn memberships(&self, users: &[PrincipalId]) -> Result<Vec<(PrincipalId, Group)>>;
}
