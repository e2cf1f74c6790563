//! Access tokens of our own authorization server, verified with its keys in this process.
//!
//! They name a person or service account and nothing about them: groups and the like come from the store at
//! each call, so that a change counts at once.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use sekimori_domain::caller::{Client, Principal, PrincipalKind, SERVICE_PREFIX};
use sekimori_domain::ids::{ClientId, PrincipalId};
use sekimori_domain::oauth::{ClientStatus, SignInFacts};
use sekimori_domain::person::USER_ID_PREFIX;
use sekimori_store::{OAuth, StoreError};
use serde_json::{Map, Value};

use super::TokenError;
use super::config::IssuerConfig;
use super::jwk::Algorithm;
use crate::authorization_server::{PublicKeys, SigningKeys};

/// Our own authorization server, as the resource server sees it.
#[async_trait]
pub trait OwnIssuer: Send + Sync + fmt::Debug {
    /// Its identifier: tokens name it byte for byte.
    fn issuer(&self) -> &str;

    /// The keys by which tokens may be signed now. Asked for at every call, so it must cost next to nothing.
    fn keys(&self) -> Arc<PublicKeys>;

    /// How a client is known: the name for policies; `None` if there is no such client any more, or it may not
    /// be used.
    async fn client_kind(&self, client: &str) -> Result<Option<&'static str>, StoreError>;

    /// How the person last proved who they are for a grant; `None` if the grant has ended.
    async fn proof_of(
        &self,
        grant: &str,
        now: Timestamp,
    ) -> Result<Option<SignInFacts>, StoreError>;
}

/// The authorization server of this installation.
pub struct LocalIssuer {
    issuer: String,
    keys: Arc<SigningKeys>,
    oauth: Arc<dyn OAuth>,
}

impl LocalIssuer {
    /// The issuer of that identifier, which signs with these keys for clients of that store.
    pub fn new(issuer: impl Into<String>, keys: Arc<SigningKeys>, oauth: Arc<dyn OAuth>) -> Self {
        Self {
            issuer: issuer.into(),
            keys,
            oauth,
        }
    }
}

impl fmt::Debug for LocalIssuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalIssuer")
            .field("issuer", &self.issuer)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl OwnIssuer for LocalIssuer {
    fn issuer(&self) -> &str {
        &self.issuer
    }

    fn keys(&self) -> Arc<PublicKeys> {
        self.keys.public_keys()
    }

    async fn client_kind(&self, client: &str) -> Result<Option<&'static str>, StoreError> {
        let client = self.oauth.client(client).await?;
        let usable = client.filter(|client| match client.status {
            ClientStatus::Approved | ClientStatus::Unverified => true,
            ClientStatus::Pending | ClientStatus::Denied => false,
        });
        Ok(usable.map(|client| client.kind.as_str()))
    }

    async fn proof_of(
        &self,
        grant: &str,
        now: Timestamp,
    ) -> Result<Option<SignInFacts>, StoreError> {
        let grant = self.oauth.grant(grant).await?;
        let alive = grant.filter(|grant| grant.is_alive(now));
        Ok(alive.and_then(|grant| grant.sign_in))
    }
}

/// The own issuer, and what its tokens must be like.
#[derive(Debug)]
pub(super) struct OwnTokens {
    issuer: Arc<dyn OwnIssuer>,
    pub(super) config: IssuerConfig,
}

impl OwnTokens {
    pub(super) fn new(issuer: Arc<dyn OwnIssuer>) -> Self {
        let config = IssuerConfig {
            // What we sign with ourselves.
            algorithms: vec![Algorithm::Es256],
            ..IssuerConfig::new(issuer.issuer())
        };
        Self { issuer, config }
    }

    /// How the person last proved who they are for a grant.
    pub(super) async fn proof_of(
        &self,
        grant: &str,
        now: Timestamp,
    ) -> Result<Option<SignInFacts>, StoreError> {
        self.issuer.proof_of(grant, now).await
    }

    /// The generation of the keys in use. What another one verified must be verified again.
    pub(super) fn generation(&self) -> u64 {
        generation(&self.issuer.keys())
    }

    /// Verifies a signature and tells the generation of the key that did.
    pub(super) fn verify(
        &self,
        kid: Option<&str>,
        algorithm: Algorithm,
        signed: &[u8],
        signature: &[u8],
    ) -> Result<u64, TokenError> {
        let keys = self.issuer.keys();
        // Ours always name their key.
        let key = kid.and_then(|kid| keys.set.find(Some(kid), algorithm));
        let key = key.ok_or(TokenError::UnknownKey)?;
        if !key.verifies(signed, signature) {
            return Err(TokenError::Signature);
        }
        Ok(generation(&keys))
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

/// A number that is another one whenever the keys are others.
fn generation(keys: &PublicKeys) -> u64 {
    let first = keys.digest.0.first_chunk().copied();
    u64::from_be_bytes(first.unwrap_or_default())
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
