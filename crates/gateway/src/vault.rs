//! What tokens stand for: kept sealed under a key of the scope, which is sealed under the key of the installation.
//!
//! Whoever has the database alone can read nothing; a scope whose key is gone cannot be opened by anybody.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::rand;
use jiff::Timestamp;
use sekimori_domain::ids::PrincipalId;
use sekimori_inspect::Issued;
use sekimori_store::{StoreError, StoredToken, Tokens};

use crate::seal::{Purpose, SealFailed, Sealer};

/// Why the vault could not be used.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The database failed.
    #[error("the vault's database could not be used")]
    Store(#[from] StoreError),
    /// A key could not be made or used.
    #[error("a key of the vault could not be used")]
    Key,
}

impl From<SealFailed> for VaultError {
    fn from(_: SealFailed) -> Self {
        Self::Key
    }
}

/// Keeps what tokens stand for.
pub struct Vault {
    tokens: Arc<dyn Tokens>,
    sealer: Sealer,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault").finish_non_exhaustive()
    }
}

impl Vault {
    /// Over `tokens`, under the installation's 256-bit key.
    pub fn new(tokens: Arc<dyn Tokens>, key: &[u8; 32]) -> Result<Self, SealFailed> {
        Ok(Self {
            tokens,
            sealer: Sealer::new(key)?,
        })
    }

    /// Keeps tokens of `owner` in a scope for `life` from `now`.
    pub async fn keep(
        &self,
        (scope, owner): (&str, &PrincipalId),
        issued: &[Issued],
        now: Timestamp,
        life: Duration,
    ) -> Result<(), VaultError> {
        let ends = now.checked_add(life).unwrap_or(Timestamp::MAX);
        let mut fresh = [0; 32];
        rand::fill(&mut fresh).map_err(|_| VaultError::Key)?;
        let wrapped = self.sealer.seal_forever(Purpose::TokenKey, owner, &fresh)?;
        // Another call may have opened the scope before: its key counts.
        let wrapped = self.tokens.open(scope, &wrapped, now, ends).await?;
        let sealer = self.scope_sealer(owner, &wrapped, now)?;
        let stored: Vec<StoredToken> = issued
            .iter()
            .map(|one| {
                Ok(StoredToken {
                    token: one.token.clone(),
                    sealed: sealer.seal_forever(Purpose::Token, owner, one)?,
                })
            })
            .collect::<Result<_, SealFailed>>()?;
        self.tokens.keep(scope, &stored).await?;
        Ok(())
    }

    /// What those of `tokens` stand for that the scope holds for `owner`.
    pub async fn find(
        &self,
        (scope, owner): (&str, &PrincipalId),
        tokens: &[&str],
        now: Timestamp,
    ) -> Result<Vec<Issued>, VaultError> {
        if tokens.is_empty() {
            return Ok(Vec::new());
        }
        let Some(wrapped) = self.tokens.key(scope, now).await? else {
            return Ok(Vec::new());
        };
        let sealer = self.scope_sealer(owner, &wrapped, now)?;
        let found = self.tokens.find(scope, tokens).await?;
        found
            .into_iter()
            .map(|stored| {
                let opened: Issued = sealer
                    .open(Purpose::Token, owner, &stored.sealed, now)
                    .map_err(|_| VaultError::Key)?;
                // A row that was put under another token's name.
                if opened.token == stored.token {
                    Ok(opened)
                } else {
                    Err(VaultError::Key)
                }
            })
            .collect()
    }

    fn scope_sealer(
        &self,
        owner: &PrincipalId,
        wrapped: &str,
        now: Timestamp,
    ) -> Result<Sealer, VaultError> {
        let key: [u8; 32] = self
            .sealer
            .open(Purpose::TokenKey, owner, wrapped, now)
            .map_err(|_| VaultError::Key)?;
        Ok(Sealer::new(&key)?)
    }
}
