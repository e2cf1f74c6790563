//! What approvals need of the gate: a key for arguments, and the way into the journal.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use aws_lc_rs::hmac;
use sekimori_approval::{Journal, NotRecorded, Vault, VaultError};
use sekimori_audit::Audit;
use sekimori_domain::arguments::Arguments;
use sekimori_domain::catalog::Target;
use sekimori_domain::clock::Ids;
use sekimori_domain::digest::Digest;
use sekimori_domain::ids::CorrelationId;
use sekimori_domain::record::EventKind;
use sekimori_domain::refusal::{Refusal, RefusalCode, Stage};
use sekimori_identity::{KeyWrap, Random};
use serde_json::Value;

use crate::catalog::Catalog;
use crate::stage::validate::check;

const PURPOSE: &str = "approval arguments";

/// Seals the arguments that people decide on, under the installation's key.
pub struct SealedArguments {
    wrap: KeyWrap,
    digests: hmac::Key,
    random: Arc<dyn Random>,
}

impl fmt::Debug for SealedArguments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealedArguments").finish_non_exhaustive()
    }
}

impl SealedArguments {
    /// Under the installation's sealing key, which all nodes share.
    pub fn new(installation: &[u8; 32], random: Arc<dyn Random>) -> Result<Self, VaultError> {
        let root = hmac::Key::new(hmac::HMAC_SHA256, installation);
        let digests = hmac::sign(&root, b"sekimori approvals: digests of arguments");
        Ok(Self {
            wrap: KeyWrap::new(installation, PURPOSE).map_err(|_| VaultError)?,
            digests: hmac::Key::new(hmac::HMAC_SHA256, digests.as_ref()),
            random,
        })
    }
}

impl Vault for SealedArguments {
    fn seal(&self, name: &str, plain: &[u8]) -> Result<String, VaultError> {
        self.wrap
            .wrap(&*self.random, name, plain)
            .map_err(|_| VaultError)
    }

    fn open(&self, name: &str, sealed: &str) -> Result<Vec<u8>, VaultError> {
        let opened = self.wrap.unwrap(name, sealed).map_err(|_| VaultError)?;
        Ok(opened.to_vec())
    }

    fn digest(&self, text: &[u8]) -> Digest {
        let mut digest = [0; 32];
        digest.copy_from_slice(hmac::sign(&self.digests, text).as_ref());
        Digest(digest)
    }
}

/// Whether arguments that somebody made of others could be called with: as the tool's schema says. A tool that is
/// not listed now is looked at when it is called, as every call is.
pub fn check_edited(catalog: &Catalog, target: &Target, arguments: &Value) -> Result<(), Refusal> {
    let entry = catalog.entry(&target.connector)?;
    let Some(tool) = entry.listing().tools.get(&target.name).cloned() else {
        return Ok(());
    };
    let invalid = |why: String| {
        let code = RefusalCode::InvalidArguments;
        Refusal::new(code, Stage::Validate, why)
    };
    let arguments = Arguments::from_value(arguments).map_err(|error| invalid(error.to_string()))?;
    let validator = tool.validator().map_err(|why| invalid(why.to_owned()))?;
    check(validator, &arguments)
}

/// Takes the records of approvals into the journal.
#[derive(Debug)]
pub struct ApprovalJournal {
    audit: Arc<Audit>,
    ids: Arc<dyn Ids>,
}

impl ApprovalJournal {
    /// Into that journal.
    pub fn new(audit: Arc<Audit>, ids: Arc<dyn Ids>) -> Self {
        Self { audit, ids }
    }
}

#[async_trait]
impl Journal for ApprovalJournal {
    async fn note(
        &self,
        event: EventKind,
        correlation: Option<CorrelationId>,
        detail: BTreeMap<String, Value>,
    ) -> Result<(), NotRecorded> {
        let correlation = correlation.unwrap_or_else(|| CorrelationId::from_uuid(self.ids.next()));
        let noted = self.audit.note(event, correlation, detail).await;
        noted.map(|_| ()).map_err(|_| NotRecorded)
    }
}
