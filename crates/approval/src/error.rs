//! What can go wrong with approvals.

use sekimori_domain::approval::Fault;
use sekimori_store::StoreError;

use crate::{NotRecorded, VaultError};

/// Something about a request could not be done.
#[derive(Debug, thiserror::Error)]
pub enum ApprovalError {
    /// There is no such request, or not for this person.
    #[error("there is no such approval request")]
    NotFound,
    /// It must not happen.
    #[error("{0}")]
    Fault(Fault),
    /// What was given can't be used.
    #[error("{what}: {rule}")]
    Invalid {
        /// What was given.
        what: &'static str,
        /// The rule that it breaks.
        rule: String,
    },
    /// Others changed it again and again.
    #[error("others are deciding on it at the same time: look again")]
    Busy,
    /// The arguments can't be read or kept.
    #[error("the arguments of an approval request can't be read or kept")]
    Vault(#[source] VaultError),
    /// The record could not be written.
    #[error("what happened to an approval request could not be recorded")]
    Journal(#[source] NotRecorded),
    /// The database failed.
    #[error("approval requests can't be read or stored")]
    Store(#[source] StoreError),
}

impl From<Fault> for ApprovalError {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<StoreError> for ApprovalError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<VaultError> for ApprovalError {
    fn from(error: VaultError) -> Self {
        Self::Vault(error)
    }
}

impl From<NotRecorded> for ApprovalError {
    fn from(error: NotRecorded) -> Self {
        Self::Journal(error)
    }
}
