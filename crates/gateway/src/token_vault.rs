//! What tokens stand for: kept sealed under a key of the conversation, which is sealed under a key of the installation.
//!
//! Whoever has the database alone can read nothing, and can't even tell which value a token is of: the key that makes
//! tokens comes from the conversation's as well. A conversation whose key is gone can't be opened by anybody.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use jiff::Timestamp;
use sekimori_domain::ids::PrincipalId;
use sekimori_identity::Random;
use sekimori_inspect::{Issued, Tokeniser};
use sekimori_store::{StoreError, StoredToken, Tokens};
use serde::{Deserialize, Serialize};

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
    /// Two values would have the same token, or the conversation got another key meanwhile.
    #[error("a token is taken by something else")]
    Taken,
}

impl From<SealFailed> for VaultError {
    fn from(_: SealFailed) -> Self {
        Self::Key
    }
}

/// Whose tokens: a conversation of one principal.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// The conversation.
    pub id: &'a str,
    /// Whose it is. What was sealed for one principal can't be opened for another.
    pub owner: &'a PrincipalId,
}

/// Keeps what tokens stand for.
pub struct TokenVault {
    tokens: Arc<dyn Tokens>,
    /// The newest first: it seals. All of them open.
    sealers: Vec<Sealer>,
    random: Arc<dyn Random>,
}

impl fmt::Debug for TokenVault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenVault").finish_non_exhaustive()
    }
}

/// The key of a scope, and the scope that it is the key of.
#[derive(Serialize, Deserialize)]
struct ScopeKey {
    scope: String,
    key: [u8; 32],
}

impl TokenVault {
    /// Over `tokens`, under the installation's 256-bit keys, the newest first.
    pub fn new(
        tokens: Arc<dyn Tokens>,
        keys: &[[u8; 32]],
        random: Arc<dyn Random>,
    ) -> Result<Self, SealFailed> {
        let sealers = keys.iter().map(Sealer::new).collect::<Result<_, _>>()?;
        Ok(Self {
            tokens,
            sealers,
            random,
        })
    }

    /// What makes the tokens of a scope, which lasts for at least half of `life` from `now`.
    pub async fn tokeniser(
        &self,
        scope: Scope<'_>,
        now: Timestamp,
        life: Duration,
    ) -> Result<Tokeniser, VaultError> {
        let key = self.open_scope(scope, now, life).await?;
        let root = hmac::Key::new(hmac::HMAC_SHA256, &key.key);
        let own = hmac::sign(&root, b"sekimori tokens: index");
        Ok(Tokeniser::new(own.as_ref()))
    }

    /// Keeps tokens in a scope for at least half of `life` from `now`.
    pub async fn keep(
        &self,
        scope: Scope<'_>,
        issued: &[Issued],
        now: Timestamp,
        life: Duration,
    ) -> Result<(), VaultError> {
        if issued.is_empty() {
            return Ok(());
        }
        let sealer = Sealer::new(&self.open_scope(scope, now, life).await?.key)?;
        let sealed = issued.iter().map(|one| {
            Ok(StoredToken {
                token: one.token.clone(),
                // The same value is sealed the same, so that whoever keeps it can compare.
                sealed: sealer.seal_forever(Purpose::Token, scope.owner, one)?,
            })
        });
        let sealed: Vec<StoredToken> = sealed.collect::<Result<_, SealFailed>>()?;
        // Reading is cheap, writing is not: most answers hold what earlier ones held.
        let names: Vec<&str> = sealed.iter().map(|one| one.token.as_str()).collect();
        let known = self.tokens.find(scope.id, &names).await?;
        let mut new = Vec::new();
        for one in sealed {
            match known.iter().find(|other| other.token == one.token) {
                Some(other) if other.sealed == one.sealed => {}
                Some(_) => return Err(VaultError::Taken),
                None => new.push(one),
            }
        }
        if new.is_empty() || self.tokens.keep(scope.id, &new).await? {
            Ok(())
        } else {
            Err(VaultError::Taken)
        }
    }

    /// What those of `tokens` stand for that the scope holds.
    pub async fn find(
        &self,
        scope: Scope<'_>,
        tokens: &[&str],
        now: Timestamp,
    ) -> Result<Vec<Issued>, VaultError> {
        if tokens.is_empty() {
            return Ok(Vec::new());
        }
        let Some(wrapped) = self.tokens.key(scope.id, now).await? else {
            return Ok(Vec::new());
        };
        let (key, _) = self.unwrap(scope, &wrapped, now)?;
        let sealer = Sealer::new(&key.key)?;
        let found = self.tokens.find(scope.id, tokens).await?;
        found
            .into_iter()
            .map(|stored| {
                let opened: Issued = sealer
                    .open(Purpose::Token, scope.owner, &stored.sealed, now)
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

    /// The key of a scope; a new one if there is none that lasts.
    async fn open_scope(
        &self,
        scope: Scope<'_>,
        now: Timestamp,
        life: Duration,
    ) -> Result<ScopeKey, VaultError> {
        let soon = now.checked_add(life / 2).unwrap_or(Timestamp::MAX);
        let ends = now.checked_add(life).unwrap_or(Timestamp::MAX);
        let wrapped = if let Some(wrapped) = self.tokens.key(scope.id, soon).await? {
            wrapped
        } else {
            let mut fresh = [0; 32];
            self.random.fill(&mut fresh).map_err(|_| VaultError::Key)?;
            let fresh = self.wrap(scope, fresh)?;
            // Another call may have opened the scope before: its key counts.
            self.tokens.open(scope.id, &fresh, now, ends).await?
        };
        let (key, newest) = self.unwrap(scope, &wrapped, now)?;
        if !newest {
            let again = self.wrap(scope, key.key)?;
            self.tokens.rewrap(scope.id, &wrapped, &again).await?;
        }
        Ok(key)
    }

    fn wrap(&self, scope: Scope<'_>, key: [u8; 32]) -> Result<String, VaultError> {
        let newest = self.sealers.first().ok_or(VaultError::Key)?;
        let key = ScopeKey {
            scope: scope.id.to_owned(),
            key,
        };
        Ok(newest.seal_forever(Purpose::TokenKey, scope.owner, &key)?)
    }

    /// The key, and whether it is sealed under the newest one of the installation.
    fn unwrap(
        &self,
        scope: Scope<'_>,
        wrapped: &str,
        now: Timestamp,
    ) -> Result<(ScopeKey, bool), VaultError> {
        for (at, sealer) in self.sealers.iter().enumerate() {
            let opened: Result<ScopeKey, _> =
                sealer.open(Purpose::TokenKey, scope.owner, wrapped, now);
            match opened {
                Ok(key) if key.scope == scope.id => return Ok((key, at == 0)),
                // The row of another scope under this one's name.
                Ok(_) => return Err(VaultError::Key),
                Err(_) => {}
            }
        }
        Err(VaultError::Key)
    }
}
