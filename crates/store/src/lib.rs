//! Persistence: a trait per aggregate, SQLite and PostgreSQL behind it.
//!
//! [`open`] gives a [`Store`]; everything else goes through the aggregate traits, which know no dialect.
//! SQLite is used by the serving process and by commands in other processes at the same time; PostgreSQL
//! by several nodes.
//!
//! # Conventions
//! - Times and ids come from the caller; nothing here reads a clock for data.
//! - Lookups return `Ok(None)`, because what it means that something is missing differs by caller.
//! - A mutation bumps the revision of its group ([`Revisions`]) in the same transaction.
//! - Every list has a limit or is bounded by what an administrator enters.
//!
//! # Adding an aggregate
//! 1. `src/<aggregate>.rs`: the trait and its types, with the promise of every method in its doc.
//! 2. A migration with the next number in `migrations/sqlite/` **and** `migrations/postgres/`, and its line
//!    in `src/migration.rs`. Migrations only go forward and are never edited once released.
//! 3. `src/relational/<aggregate>.rs`, written once over what both databases understand, and a getter in
//!    [`Store`]. What they say differently becomes a method of `database::Dialect`.
//! 4. `tests/it/conformance/<aggregate>.rs`: every promise, run on both.

mod administrators;
mod approvals;
mod audit_index;
mod audit_sinks;
mod authenticators;
mod changes;
mod connectors;
mod database;
mod devices;
mod dictionaries;
mod driver;
mod error;
mod false_alarms;
mod identity_providers;
mod inspection;
mod kill_switches;
mod limits;
mod linked_accounts;
mod migration;
mod oauth;
mod people;
mod policies;
mod postgres;
mod promotions;
mod relational;
mod retention;
mod reviews;
mod revocations;
mod saved_searches;
mod scim_tokens;
mod service_accounts;
mod sessions;
mod sign_ins;
mod snapshot;
mod sqlite;
mod sqlite_index;
mod tokens;

use std::fmt::Debug;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;

pub use administrators::{AdministratorToken, Administrators};
pub use approvals::{
    APPROVALS_PAGE_MAX, ApprovalNotice, ApprovalNotices, ApprovalQuery, ApprovalTask,
    ApprovalTaskVersion, ApprovalTasks, Approvals, LIVE_APPROVALS_MAX, StoredApproval,
    Substitution, TASK_VERSIONS_MAX,
};
pub use audit_index::{
    AuditCount, AuditFacets, AuditIndex, AuditPage, AuditQuery, COUNT_PARTS_MAX, FACET_FIELDS,
    FACET_RECORDS_MAX, FACET_VALUES_MAX, FINDING_TEXT, IndexedRecord, Order, PAGE_DEFAULT,
    PAGE_MAX, TEXT_CHARS_MAX, TIME_LINE_PARTS,
};
pub use audit_sinks::{AuditSinks, SINKS_MAX, SinkState};
pub use authenticators::{
    AUTHENTICATORS_PER_USER_MAX, Authenticator, AuthenticatorKind, Authenticators,
};
pub use changes::{Changes, POLL_INTERVAL, Revisions};
pub use connectors::{Connectors, Expected, StoredConnector};
pub use devices::{DEVICES_MAX, DEVICES_PAGE_MAX, Devices};
pub use dictionaries::{DICTIONARIES_MAX, Dictionaries};
pub use error::{Result, StoreError};
pub use false_alarms::{FALSE_ALARMS_MAX, FALSE_ALARMS_PER_PERSON, FalseAlarms};
pub use identity_providers::{IDENTITY_PROVIDERS_MAX, IdentityProviders, StoredProvider};
pub use inspection::{CONVERSATIONS_PAGE_MAX, Conversations, InspectionRules, NewInspectionRules};
pub use kill_switches::{
    Confirmation, KILL_SWITCHES_ENGAGED_MAX, KILL_SWITCHES_PAGE_MAX, KillSwitches,
};
pub use limits::{Hold, LIMITS_MAX, Limits, Taken};
pub use linked_accounts::{EndedAccount, LINKED_ACCOUNTS_PAGE_MAX, LinkedAccounts, StoredAccount};
pub use oauth::{CodeUse, GrantsOf, OAUTH_PAGE_MAX, OAuth, PendingAuthorization, Rotation};
pub use people::{
    CLAIMED_GROUPS_MAX, ChangedGroup, GROUP_DISPLAY_NAME, GROUP_MEMBERS_MAX, GROUPS_OF_USER_MAX,
    GroupQuery, MEMBER, Member, MemberChange, PEOPLE_PAGE_MAX, Paging, People, USER_NAME,
    UserQuery, VERSION,
};
pub use policies::{Activation, NewPolicySet, Policies};
pub use promotions::{PROMOTIONS_OPEN_MAX, PROMOTIONS_PAGE_MAX, Promotions};
pub use relational::AuditBatch;
pub use retention::{RETENTION_ORDERS_OPEN_MAX, RETENTION_ORDERS_PAGE_MAX, RetentionOrders};
pub use reviews::{Definition, DefinitionChange, Reviews, SEEN_PER_TARGET_MAX, SeenDefinition};
pub use revocations::{Revocations, SUBJECTS_MAX};
pub use saved_searches::{SAVED_SEARCHES_PER_OWNER_MAX, SAVED_SEARCHES_SHARED_MAX, SavedSearches};
pub use scim_tokens::{SCIM_TOKENS_PER_PROVIDER_MAX, ScimTokens};
pub use service_accounts::ServiceAccounts;
pub use sessions::{BrowserSession, SESSIONS_LISTED_MAX, SessionProof, SessionSelector, Sessions};
pub use sign_ins::{PendingSignIn, SIGN_INS_MAX, SignIns};
pub use snapshot::{Contents, STALE_AFTER, Snapshot, Stale};
pub use tokens::{StoredToken, TOKENS_PER_SCOPE_MAX, Tokens};

/// All aggregates of one database.
#[async_trait]
pub trait Store: Send + Sync + Debug {
    /// The upstream systems.
    fn connectors(&self) -> Arc<dyn Connectors>;
    /// Reviews of tools, and seen definitions.
    fn reviews(&self) -> Arc<dyn Reviews>;
    /// Versions of the policies.
    fn policies(&self) -> Arc<dyn Policies>;
    /// Versions of the rules of inspection.
    fn inspection_rules(&self) -> Arc<dyn InspectionRules>;
    /// Dictionaries of inspection.
    fn dictionaries(&self) -> Arc<dyn Dictionaries>;
    /// What conversations have read.
    fn conversations(&self) -> Arc<dyn Conversations>;
    /// What people report as false alarms of inspection.
    fn false_alarms(&self) -> Arc<dyn FalseAlarms>;
    /// What tokens stand for.
    fn tokens(&self) -> Arc<dyn Tokens>;
    /// Service accounts and keys.
    fn service_accounts(&self) -> Arc<dyn ServiceAccounts>;
    /// Local administrators.
    fn administrators(&self) -> Arc<dyn Administrators>;
    /// What was revoked.
    fn revocations(&self) -> Arc<dyn Revocations>;
    /// What the kill switch stops.
    fn kill_switches(&self) -> Arc<dyn KillSwitches>;
    /// Limits and quotas, and what was used of them.
    fn limits(&self) -> Arc<dyn Limits>;
    /// What is known of devices.
    fn devices(&self) -> Arc<dyn Devices>;
    /// Accounts at upstreams.
    fn linked_accounts(&self) -> Arc<dyn LinkedAccounts>;
    /// Clients, grants and keys of the authorization server.
    fn oauth(&self) -> Arc<dyn OAuth>;
    /// Sessions of people in browsers.
    fn sessions(&self) -> Arc<dyn Sessions>;
    /// Sign-ins under way.
    fn sign_ins(&self) -> Arc<dyn SignIns>;
    /// Passkeys, one-time codes and sign-in keys.
    fn authenticators(&self) -> Arc<dyn Authenticators>;
    /// Identity providers.
    fn identity_providers(&self) -> Arc<dyn IdentityProviders>;
    /// People and groups.
    fn people(&self) -> Arc<dyn People>;
    /// Credentials of identity providers that provision people.
    fn scim_tokens(&self) -> Arc<dyn ScimTokens>;
    /// Requests for people to agree to a call.
    fn approvals(&self) -> Arc<dyn Approvals>;
    /// What people are still to be told of them.
    fn approval_notices(&self) -> Arc<dyn ApprovalNotices>;
    /// Calls that wait for people as tasks.
    fn approval_tasks(&self) -> Arc<dyn ApprovalTasks>;
    /// Promotions of connectors.
    fn promotions(&self) -> Arc<dyn Promotions>;
    /// The index of the audit journal.
    fn audit_index(&self) -> Arc<dyn AuditIndex>;
    /// Searches of it that people keep.
    fn saved_searches(&self) -> Arc<dyn SavedSearches>;
    /// Legal holds, and deletions on request.
    fn retention_orders(&self) -> Arc<dyn RetentionOrders>;
    /// How far the journals were told to others.
    fn audit_sinks(&self) -> Arc<dyn AuditSinks>;
    /// Revisions.
    fn changes(&self) -> Arc<dyn Changes>;

    /// Whether the database answers.
    async fn ping(&self) -> Result<()>;

    /// Stops the background work and closes all connections. Afterwards everything is
    /// [`Unavailable`](StoreError::Unavailable).
    async fn close(&self);
}

/// Opens the database of a URL, `sqlite:PATH` or `postgres://…`, and brings its schema up to date.
///
/// Beside a SQLite file lies the index of the audit journal, with the extension `index.db`.
///
/// Several processes may have the same database open. Keep the store as long as its changes are watched.
pub async fn open(url: &str) -> Result<Arc<dyn Store>> {
    type Opened = Arc<dyn database::Database>;
    let (database, index): (Opened, Opened) = if let Some(path) = sqlite_path(url) {
        let path = Path::new(path);
        let database = sqlite::SqliteDatabase::open(path).await?;
        let index = sqlite_index::IndexFile::open(path).await?;
        (Arc::new(database), Arc::new(index))
    } else if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        let database = Arc::new(postgres::PostgresDatabase::open(url).await?);
        (Arc::clone(&database) as Opened, database)
    } else {
        return Err(StoreError::Invalid {
            what: "database url",
            rule: "use sqlite:PATH or postgres://USER@HOST/DATABASE",
        });
    };
    Ok(Arc::new(
        relational::RelationalStore::start(database, index).await?,
    ))
}

/// The path of a SQLite URL. A database in memory would be another one for each connection.
fn sqlite_path(url: &str) -> Option<&str> {
    let rest = url.strip_prefix("sqlite:")?;
    let path = rest.strip_prefix("//").unwrap_or(rest);
    (!path.is_empty() && !path.starts_with(':')).then_some(path)
}
