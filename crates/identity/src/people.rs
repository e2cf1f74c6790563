//! What the store knows of a person, as policies need it; kept until something about people changes.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use moka::sync::Cache;
use sekimori_domain::caller::Principal;
use sekimori_domain::ids::{GroupName, PrincipalId};
use sekimori_domain::refusal::{Refusal, RefusalCode, Stage};
use sekimori_store::{Changes, People, Revisions, StoreError};
use tokio::sync::watch;

/// Most people remembered: as many as a large company has at work at once.
const REMEMBERED_MAX: u64 = 20_000;
/// How long an unused entry is remembered; only to free memory.
const REMEMBERED_IDLE: Duration = Duration::from_mins(15);

/// What a caller is told to be, once it is proved who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Name for people to read.
    pub display_name: String,
    /// The names by which policies know the groups.
    pub groups: Vec<GroupName>,
    /// Department, where known.
    pub department: Option<String>,
    /// Kind of employment, where known.
    pub employment: Option<String>,
}

/// Where people are looked up.
#[async_trait]
pub trait ActivePeople: Send + Sync {
    /// The person of that id; `None` for who is unknown or inactive.
    async fn active_person(&self, id: &PrincipalId) -> Result<Option<Person>, StoreError>;
}

/// The people of a store.
pub(crate) struct StoredPeople(pub(crate) Arc<dyn People>);

#[async_trait]
impl ActivePeople for StoredPeople {
    async fn active_person(&self, id: &PrincipalId) -> Result<Option<Person>, StoreError> {
        let Some(user) = self.0.user(id).await?.filter(|user| user.active) else {
            return Ok(None);
        };
        Ok(Some(Person {
            display_name: user.display_name,
            groups: self.0.groups_of(id).await?,
            department: user.department,
            employment: user.employment,
        }))
    }
}

/// A person as of one revision.
#[derive(Debug)]
struct Known {
    revision: u64,
    person: Person,
}

/// The people whose tokens we issue.
pub(crate) struct Directory {
    people: Arc<dyn ActivePeople>,
    revisions: watch::Receiver<Revisions>,
    remembered: Cache<PrincipalId, Arc<Known>>,
}

impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Directory").finish_non_exhaustive()
    }
}

impl Directory {
    pub(crate) fn new(people: Arc<dyn ActivePeople>, changes: &dyn Changes) -> Self {
        Self {
            people,
            revisions: changes.watch(),
            remembered: Cache::builder()
                .max_capacity(REMEMBERED_MAX)
                .time_to_idle(REMEMBERED_IDLE)
                .build(),
        }
    }

    /// Completes a person of whom the id is proved. Who is unknown or inactive is refused.
    pub(crate) async fn complete(&self, principal: &mut Principal) -> Result<(), Refusal> {
        let known = self.person(&principal.id).await?;
        let person = &known.person;
        principal.display_name.clone_from(&person.display_name);
        principal.groups.clone_from(&person.groups);
        principal.department.clone_from(&person.department);
        principal.employment.clone_from(&person.employment);
        Ok(())
    }

    async fn person(&self, id: &PrincipalId) -> Result<Arc<Known>, Refusal> {
        // Read before the tables: a change in between leads to another reading, not to a missed one.
        let revision = self.revisions.borrow().identity;
        let known = self.remembered.get(id);
        if let Some(known) = known.filter(|known| known.revision == revision) {
            return Ok(known);
        }
        let found = self.people.active_person(id).await.map_err(|error| {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "a person could not be looked up"
            );
            Refusal::new(
                RefusalCode::DependencyUnavailable,
                Stage::Authenticate,
                "your account can't be looked up now; try again in a moment",
            )
        })?;
        let Some(person) = found else {
            self.remembered.invalidate(id);
            return Err(Refusal::new(
                RefusalCode::Unauthenticated,
                Stage::Authenticate,
                "the account that the access token is for is not active",
            ));
        };
        let known = Arc::new(Known { revision, person });
        self.remembered.insert(id.clone(), Arc::clone(&known));
        Ok(known)
    }
}
