//! What the store knows of a person, as policies need it; kept until something about people changes.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

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

/// A person as of one revision.
#[derive(Debug)]
struct Person {
    revision: u64,
    display_name: String,
    groups: Vec<GroupName>,
    department: Option<String>,
    employment: Option<String>,
}

/// The people whose tokens we issue.
pub(crate) struct Directory {
    people: Arc<dyn People>,
    revisions: watch::Receiver<Revisions>,
    remembered: Cache<PrincipalId, Arc<Person>>,
}

impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Directory").finish_non_exhaustive()
    }
}

impl Directory {
    pub(crate) fn new(people: Arc<dyn People>, changes: &dyn Changes) -> Self {
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
        let person = self.person(&principal.id).await?;
        principal.display_name.clone_from(&person.display_name);
        principal.groups.clone_from(&person.groups);
        principal.department.clone_from(&person.department);
        principal.employment.clone_from(&person.employment);
        Ok(())
    }

    async fn person(&self, id: &PrincipalId) -> Result<Arc<Person>, Refusal> {
        // Read before the tables: a change in between leads to another reading, not to a missed one.
        let revision = self.revisions.borrow().identity;
        let known = self.remembered.get(id);
        if let Some(known) = known.filter(|known| known.revision == revision) {
            return Ok(known);
        }
        let found = self.read(id, revision).await.map_err(|error| {
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
        let person = Arc::new(person);
        self.remembered.insert(id.clone(), Arc::clone(&person));
        Ok(person)
    }

    /// `None` for who is unknown or inactive.
    async fn read(&self, id: &PrincipalId, revision: u64) -> Result<Option<Person>, StoreError> {
        let Some(user) = self.people.user(id).await?.filter(|user| user.active) else {
            return Ok(None);
        };
        Ok(Some(Person {
            revision,
            display_name: user.display_name,
            groups: self.people.groups_of(id).await?,
            department: user.department,
            employment: user.employment,
        }))
    }
}
