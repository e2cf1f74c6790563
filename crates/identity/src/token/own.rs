//! Access tokens of our own authorization server, verified with its keys in this process.
//!
//! They name a person or service account and nothing about them: groups and the like come from the store at
//! each call, so that a change counts at once.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use async_trait::async_trait;
use sekimori_domain::caller::{Client, Principal, PrincipalKind};
use sekimori_domain::ids::{ClientId, PrincipalId};
use sekimori_domain::person::USER_ID_PREFIX;
use sekimori_store::StoreError;
use serde_json::{Map, Value};

use super::TokenError;
use super::config::IssuerConfig;
use super::jwk::{Algorithm, KeySet};
use crate::revocation::SERVICE_PREFIX;

/// The public keys of our authorization server.
#[derive(Debug, Clone)]
pub struct PublishedKeys {
    /// Another number whenever the keys are others.
    pub version: u64,
    /// The keys, as a JWK set.
    pub set: Value,
}

/// Our own authorization server, as the resource server sees it.
#[async_trait]
pub trait OwnIssuer: Send + Sync + fmt::Debug {
    /// Its identifier: tokens name it byte for byte.
    fn issuer(&self) -> &str;

    /// The keys by which tokens may be signed now. Asked for at every call, so it must cost next to nothing.
    fn keys(&self) -> Arc<PublishedKeys>;

    /// How a client is known: the name for policies; `None` if there is no such client any more, or it may not
    /// be used.
    async fn client_kind(&self, client: &str) -> Result<Option<&'static str>, StoreError>;
}

/// Keys as they were read.
#[derive(Debug)]
struct Keys {
    version: u64,
    set: KeySet,
}

/// The own issuer, with its keys made ready.
#[derive(Debug)]
pub(super) struct OwnTokens {
    issuer: Arc<dyn OwnIssuer>,
    pub(super) config: IssuerConfig,
    keys: ArcSwapOption<Keys>,
}

impl OwnTokens {
    pub(super) fn new(issuer: Arc<dyn OwnIssuer>) -> Self {
        let config = IssuerConfig {
            // What we sign with ourselves.
            algorithms: vec![Algorithm::Es256],
            ..IssuerConfig::new(issuer.issuer())
        };
        Self {
            issuer,
            config,
            keys: ArcSwapOption::empty(),
        }
    }

    /// The generation of the keys in use. What an older one verified must be verified again.
    pub(super) fn generation(&self) -> u64 {
        self.issuer.keys().version
    }

    /// Verifies a signature and tells the generation of the key that did.
    pub(super) fn verify(
        &self,
        kid: Option<&str>,
        algorithm: Algorithm,
        signed: &[u8],
        signature: &[u8],
    ) -> Result<u64, TokenError> {
        let keys = self.keys().ok_or(TokenError::KeysUnavailable)?;
        // Ours always name their key.
        let key = kid.and_then(|kid| keys.set.find(Some(kid), algorithm));
        let key = key.ok_or(TokenError::UnknownKey)?;
        if !key.verifies(signed, signature) {
            return Err(TokenError::Signature);
        }
        Ok(keys.version)
    }

    fn keys(&self) -> Option<Arc<Keys>> {
        let published = self.issuer.keys();
        let known = self.keys.load_full();
        if let Some(known) = known.filter(|known| known.version == published.version) {
            return Some(known);
        }
        let keys = Arc::new(Keys {
            version: published.version,
            set: KeySet::read(&published.set, &self.config.algorithms)?,
        });
        self.keys.store(Some(Arc::clone(&keys)));
        Some(keys)
    }

    /// The client, as it is known here.
    pub(super) async fn client(&self, claims: &Map<String, Value>) -> Result<Client, TokenError> {
        let wrong = TokenError::Claim("client_id");
        let id = claims.get("client_id").and_then(Value::as_str);
        let id = ClientId::new(id.ok_or(wrong)?).map_err(|_| wrong)?;
        let kind = self.issuer.client_kind(id.as_str()).await;
        let kind = kind.map_err(|error| {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "a client could not be looked up"
            );
            TokenError::ClientUnavailable
        })?;
        Ok(Client {
            id,
            kind: kind.ok_or(TokenError::Client)?,
            claimed_name: None,
        })
    }
}

/// Whom a token is about: the id alone. The rest is filled in at each call.
pub(super) fn principal(claims: &Map<String, Value>) -> Result<Principal, TokenError> {
    let wrong = TokenError::Claim("sub");
    let subject = claims.get("sub").and_then(Value::as_str).ok_or(wrong)?;
    let kind = if subject.starts_with(USER_ID_PREFIX) {
        PrincipalKind::User
    } else if subject.starts_with(SERVICE_PREFIX) {
        PrincipalKind::ServiceAccount
    } else {
        return Err(wrong);
    };
    Ok(Principal {
        id: PrincipalId::new(subject).map_err(|_| wrong)?,
        kind,
        display_name: String::new(),
        groups: Vec::new(),
        department: None,
        employment: None,
        environments: None,
    })
}

/// The grant and the sign-in session that a token stands on.
pub(super) fn lineage(claims: &Map<String, Value>) -> Result<(String, Option<String>), TokenError> {
    let text = |claim| claims.get(claim).and_then(Value::as_str).map(str::to_owned);
    // Without its grant a token could not be revoked with it.
    Ok((text("gid").ok_or(TokenError::Claim("gid"))?, text("sid")))
}
