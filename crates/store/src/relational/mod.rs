//! The aggregates over a [`Database`], one file each.

mod administrators;
mod approval_tasks;
mod approvals;
mod audit_index;
mod audit_sinks;
mod authenticators;
mod changes;
mod connectors;
mod devices;
mod dictionaries;
mod false_alarms;
mod identity_providers;
mod inspection;
mod kill_switches;
mod limits;
mod linked_accounts;
mod oauth;
mod people;
mod policies;
mod promotions;
mod retention;
mod reviews;
mod revocations;
mod saved_searches;
mod scim_tokens;
mod service_accounts;
mod sessions;
mod sign_ins;
mod tokens;
mod versions;

use std::sync::Arc;

use async_trait::async_trait;
pub use audit_index::AuditBatch;

use crate::audit_sinks::AuditSinks;
use crate::database::{Database, Statement, Transaction};
use crate::error::{Result, StoreError};
use crate::{
    Administrators, ApprovalNotices, ApprovalTasks, Approvals, AuditIndex, Authenticators, Changes,
    Connectors, Conversations, Devices, Dictionaries, FalseAlarms, IdentityProviders,
    InspectionRules, KillSwitches, Limits, LinkedAccounts, OAuth, People, Policies, Reviews,
    Revocations, SavedSearches, ScimTokens, ServiceAccounts, Sessions, SignIns, Store, Tokens,
};

/// All aggregates over one database.
#[derive(Debug)]
pub(crate) struct RelationalStore {
    database: Arc<dyn Database>,
    /// Where the index of the audit journal is: the same, or beside it.
    index: Arc<dyn Database>,
    audit_index: Arc<audit_index::AuditTable>,
    changes: Arc<changes::Watcher>,
}

impl RelationalStore {
    /// Reads the revisions once and begins to watch them.
    pub(crate) async fn start(
        database: Arc<dyn Database>,
        index: Arc<dyn Database>,
    ) -> Result<Self> {
        let changes = Arc::new(changes::Watcher::start(Arc::clone(&database)).await?);
        Ok(Self {
            database,
            audit_index: Arc::new(audit_index::AuditTable::new(Arc::clone(&index))),
            index,
            changes,
        })
    }
}

#[async_trait]
impl Store for RelationalStore {
    fn connectors(&self) -> Arc<dyn Connectors> {
        Arc::new(connectors::ConnectorTable(Arc::clone(&self.database)))
    }

    fn reviews(&self) -> Arc<dyn Reviews> {
        Arc::new(reviews::ReviewTable(Arc::clone(&self.database)))
    }

    fn policies(&self) -> Arc<dyn Policies> {
        Arc::new(policies::PolicyTable(Arc::clone(&self.database)))
    }

    fn inspection_rules(&self) -> Arc<dyn InspectionRules> {
        Arc::new(inspection::InspectionTable(Arc::clone(&self.database)))
    }

    fn dictionaries(&self) -> Arc<dyn Dictionaries> {
        Arc::new(dictionaries::DictionaryTable(Arc::clone(&self.database)))
    }

    fn conversations(&self) -> Arc<dyn Conversations> {
        Arc::new(inspection::InspectionTable(Arc::clone(&self.database)))
    }

    fn false_alarms(&self) -> Arc<dyn FalseAlarms> {
        Arc::new(false_alarms::FalseAlarmTable(Arc::clone(&self.database)))
    }

    fn tokens(&self) -> Arc<dyn Tokens> {
        Arc::new(tokens::TokenTable(Arc::clone(&self.database)))
    }

    fn service_accounts(&self) -> Arc<dyn ServiceAccounts> {
        Arc::new(service_accounts::ServiceAccountTable(Arc::clone(
            &self.database,
        )))
    }

    fn administrators(&self) -> Arc<dyn Administrators> {
        Arc::new(administrators::AdministratorTable(Arc::clone(
            &self.database,
        )))
    }

    fn revocations(&self) -> Arc<dyn Revocations> {
        Arc::new(revocations::RevocationTable(Arc::clone(&self.database)))
    }

    fn kill_switches(&self) -> Arc<dyn KillSwitches> {
        Arc::new(kill_switches::KillSwitchTable(Arc::clone(&self.database)))
    }

    fn limits(&self) -> Arc<dyn Limits> {
        Arc::new(limits::LimitTables(Arc::clone(&self.database)))
    }

    fn devices(&self) -> Arc<dyn Devices> {
        Arc::new(devices::DeviceTable(Arc::clone(&self.database)))
    }

    fn linked_accounts(&self) -> Arc<dyn LinkedAccounts> {
        Arc::new(linked_accounts::LinkedAccountTables(Arc::clone(
            &self.database,
        )))
    }

    fn oauth(&self) -> Arc<dyn OAuth> {
        Arc::new(oauth::OAuthTables(Arc::clone(&self.database)))
    }

    fn sessions(&self) -> Arc<dyn Sessions> {
        Arc::new(sessions::SessionTable(Arc::clone(&self.database)))
    }

    fn sign_ins(&self) -> Arc<dyn SignIns> {
        Arc::new(sign_ins::SignInTable(Arc::clone(&self.database)))
    }

    fn authenticators(&self) -> Arc<dyn Authenticators> {
        Arc::new(authenticators::AuthenticatorTable(Arc::clone(
            &self.database,
        )))
    }

    fn identity_providers(&self) -> Arc<dyn IdentityProviders> {
        Arc::new(identity_providers::IdentityProviderTable(Arc::clone(
            &self.database,
        )))
    }

    fn people(&self) -> Arc<dyn People> {
        Arc::new(people::PeopleTables(Arc::clone(&self.database)))
    }

    fn scim_tokens(&self) -> Arc<dyn ScimTokens> {
        Arc::new(scim_tokens::ScimTokenTable(Arc::clone(&self.database)))
    }

    fn approvals(&self) -> Arc<dyn Approvals> {
        Arc::new(approvals::ApprovalTables(Arc::clone(&self.database)))
    }

    fn approval_notices(&self) -> Arc<dyn ApprovalNotices> {
        Arc::new(approvals::ApprovalTables(Arc::clone(&self.database)))
    }

    fn approval_tasks(&self) -> Arc<dyn ApprovalTasks> {
        Arc::new(approval_tasks::ApprovalTaskTable(Arc::clone(
            &self.database,
        )))
    }

    fn promotions(&self) -> Arc<dyn crate::Promotions> {
        Arc::new(promotions::PromotionTable(Arc::clone(&self.database)))
    }

    fn audit_index(&self) -> Arc<dyn AuditIndex> {
        Arc::clone(&self.audit_index) as Arc<dyn AuditIndex>
    }

    fn saved_searches(&self) -> Arc<dyn SavedSearches> {
        Arc::new(saved_searches::SavedSearchTable(Arc::clone(&self.database)))
    }

    fn retention_orders(&self) -> Arc<dyn crate::RetentionOrders> {
        Arc::new(retention::RetentionTable(Arc::clone(&self.database)))
    }

    fn audit_sinks(&self) -> Arc<dyn AuditSinks> {
        Arc::new(audit_sinks::AuditSinkTable(Arc::clone(&self.database)))
    }

    fn changes(&self) -> Arc<dyn Changes> {
        Arc::clone(&self.changes) as Arc<dyn Changes>
    }

    async fn ping(&self) -> Result<()> {
        self.database
            .query(Statement::new("ping", "SELECT value FROM revision LIMIT 1"))
            .await
            .map(|_| ())
    }

    async fn close(&self) {
        self.changes.stop();
        self.index.close().await;
        self.database.close().await;
    }
}

/// The groups that have a revision.
#[derive(Debug, Clone, Copy)]
enum Group {
    Connectors,
    Reviews,
    Policies,
    Identity,
    Revocations,
    OAuth,
    Approvals,
    Inspection,
    KillSwitches,
    Limits,
    LinkedAccounts,
    Devices,
}

impl Group {
    fn name(self) -> &'static str {
        match self {
            Self::Connectors => "connectors",
            Self::Reviews => "reviews",
            Self::Policies => "policies",
            Self::Identity => "identity",
            Self::Revocations => "revocations",
            Self::OAuth => "oauth",
            Self::Approvals => "approvals",
            Self::Inspection => "inspection",
            Self::KillSwitches => "kill_switches",
            Self::Limits => "limits",
            Self::LinkedAccounts => "linked_accounts",
            Self::Devices => "devices",
        }
    }
}

/// Begins a mutation: bumps the group's revision, which also keeps other writers of the group out until
/// the end.
async fn begin(database: &dyn Database, group: Group) -> Result<(Box<dyn Transaction>, u64)> {
    let mut transaction = database.begin().await?;
    let revision = bump(&mut *transaction, group).await?;
    Ok((transaction, revision))
}

async fn bump(transaction: &mut dyn Transaction, group: Group) -> Result<u64> {
    let sql = "UPDATE revision SET value = value + 1 WHERE name = $1 RETURNING value";
    let statement = Statement::new("revision", sql).bind(group.name());
    let mut row = first(transaction.query(statement).await?)
        .ok_or_else(|| StoreError::corrupt("revision", "a counter is missing"))?;
    row.unsigned()
}

fn first<T>(rows: Vec<T>) -> Option<T> {
    rows.into_iter().next()
}

/// `$first, $first+1, …` for `count` values.
fn numbered(first: usize, count: usize) -> String {
    let numbers: Vec<_> = (first..first + count)
        .map(|number| format!("${number}"))
        .collect();
    numbers.join(", ")
}
