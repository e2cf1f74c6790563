//! Which person an account at an identity provider belongs to.

use std::fmt;
use std::sync::Arc;

use sekimori_domain::clock::{Clock, Ids};
use sekimori_domain::identity_provider::{IdentityProvider, Provisioning};
use sekimori_domain::ids::PrincipalId;
use sekimori_domain::person::{User, UserLink, UserSource};
use sekimori_store::{Paging, People, StoreError, UserQuery};

use super::facts::{About, Facts};
use super::failure::Reason;

/// Finds people, and adds them where a provider may.
pub(super) struct Persons {
    pub(super) people: Arc<dyn People>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) ids: Arc<dyn Ids>,
}

impl fmt::Debug for Persons {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Persons").finish_non_exhaustive()
    }
}

impl Persons {
    /// The active person of that id.
    pub(super) async fn active(&self, id: &PrincipalId) -> Result<User, Reason> {
        let user = self.people.user(id).await?.ok_or(Reason::NotProvisioned)?;
        if user.active {
            Ok(user)
        } else {
            Err(Reason::Inactive)
        }
    }

    /// The person that a provider vouches for. Found by subject, else by the id of provisioning; never by
    /// name or e-mail address, which belong to somebody else one day.
    pub(super) async fn of(
        &self,
        provider: &IdentityProvider,
        facts: &Facts,
    ) -> Result<User, Reason> {
        let name = provider.name.as_str();
        let known = self.people.user_by_link(name, &facts.subject).await?;
        let user = match known {
            Some(user) => user,
            None => self.first_time(provider, facts).await?,
        };
        if !user.active {
            return Err(Reason::Inactive);
        }
        let user = self.refreshed(user, provider, &facts.about).await?;
        if let Some(groups) = &facts.about.groups {
            self.people.claim_groups(&user.id, name, groups).await?;
        }
        Ok(user)
    }

    async fn first_time(&self, provider: &IdentityProvider, facts: &Facts) -> Result<User, Reason> {
        let user = match self.provisioned(provider, &facts.about).await? {
            Some(user) => user,
            None if provider.provisioning == Provisioning::JustInTime => {
                self.create(provider, facts).await?
            }
            None => return Err(Reason::NotProvisioned),
        };
        let link = UserLink {
            provider: provider.name.to_string(),
            subject: facts.subject.clone(),
            user: user.id.clone(),
            linked_at: self.clock.now(),
        };
        match self.people.link(&link).await {
            Ok(()) => Ok(user),
            // Somebody else was linked in the same moment; who is right is for a person to say.
            Err(StoreError::Conflict { .. }) => Err(Reason::NotProvisioned),
            Err(error) => Err(error.into()),
        }
    }

    /// The person whom this very provider provisioned under the id it tells now.
    async fn provisioned(
        &self,
        provider: &IdentityProvider,
        about: &About,
    ) -> Result<Option<User>, Reason> {
        let Some(external_id) = &about.external_id else {
            return Ok(None);
        };
        let query = UserQuery {
            external_id: Some(external_id.clone()),
            provider: Some(provider.name.to_string()),
            ..UserQuery::default()
        };
        let paging = Paging {
            limit: 2,
            ..Paging::default()
        };
        let mut found = self.people.list_users(&query, &paging).await?;
        let one = found.pop();
        if found.is_empty() {
            Ok(one)
        } else {
            Err(Reason::NotProvisioned)
        }
    }

    async fn create(&self, provider: &IdentityProvider, facts: &Facts) -> Result<User, Reason> {
        let now = self.clock.now();
        let about = &facts.about;
        let user_name = about
            .user_name
            .as_ref()
            .or(about.email.as_ref())
            .unwrap_or(&facts.subject);
        let user = User {
            id: PrincipalId::of_user(self.ids.next()).map_err(|_| Reason::Internal)?,
            user_name: user_name.clone(),
            display_name: about.display_name.as_ref().unwrap_or(user_name).clone(),
            active: true,
            source: UserSource::JustInTime,
            provider: Some(provider.name.to_string()),
            external_id: about.external_id.clone(),
            department: about.department.clone(),
            employment: about.employment.clone(),
            country: None,
            locale: None,
            emails: about.email.iter().cloned().collect(),
            attributes: serde_json::Map::new(),
            version: 1,
            created_at: now,
            updated_at: now,
        };
        match self.people.create_user(&user).await {
            Ok(()) => Ok(user),
            Err(StoreError::Conflict { .. }) => Err(Reason::NameTaken),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes over what changed about a person that only sign-ins tell of. What SCIM provisions, SCIM keeps.
    async fn refreshed(
        &self,
        user: User,
        provider: &IdentityProvider,
        about: &About,
    ) -> Result<User, Reason> {
        let theirs = user.source == UserSource::JustInTime
            && user.provider.as_deref() == Some(provider.name.as_str());
        if !theirs {
            return Ok(user);
        }
        let mut fresh = user.clone();
        if let Some(name) = &about.display_name {
            fresh.display_name.clone_from(name);
        }
        if let Some(email) = &about.email {
            fresh.emails = vec![email.clone()];
        }
        fresh.department.clone_from(&about.department);
        fresh.employment.clone_from(&about.employment);
        if fresh == user {
            return Ok(user);
        }
        fresh.updated_at = self.clock.now();
        match self.people.replace_user(&fresh, user.version).await {
            Ok(stored) => Ok(stored),
            // Another sign-in of the same person was faster: it told the same.
            Err(StoreError::Conflict { .. }) => Ok(user),
            Err(error) => Err(error.into()),
        }
    }
}
