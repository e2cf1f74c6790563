//! What the authorization server keeps. Documents, with columns for what is asked for or changes.

mod authorizations;
mod clients;
mod grants;
mod signing_keys;
mod tokens;

use std::sync::Arc;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use sekimori_domain::digest::Digest;
use sekimori_domain::oauth::{
    AuthorizationCode, ClientKind, Consent, Grant, OAuthClient, RefreshToken, SignInFacts,
    SigningKey,
};

use crate::database::{Database, Statement, Transaction};
use crate::error::Result;
use crate::oauth::{CodeUse, GrantsOf, OAUTH_PAGE_MAX, OAuth, PendingAuthorization, Rotation};

/// How long used codes are remembered after their end: a second use within gives the theft away.
const CODES_KEPT: SignedDuration = SignedDuration::from_hours(24);

#[derive(Debug)]
pub(super) struct OAuthTables(pub(super) Arc<dyn Database>);

#[async_trait]
impl OAuth for OAuthTables {
    async fn put_client(&self, client: &OAuthClient) -> Result<()> {
        clients::put(&*self.0, client).await
    }

    async fn add_client(&self, client: &OAuthClient, kind_max: u64) -> Result<bool> {
        clients::add(&*self.0, client, kind_max).await
    }

    async fn client(&self, id: &str) -> Result<Option<OAuthClient>> {
        clients::get(&*self.0, id).await
    }

    async fn clients(&self, after: Option<&str>, limit: u32) -> Result<Vec<OAuthClient>> {
        clients::list(&*self.0, after, limit.min(OAUTH_PAGE_MAX)).await
    }

    async fn count_clients(&self, kind: ClientKind) -> Result<u64> {
        clients::count(&*self.0, kind).await
    }

    async fn remove_client(&self, id: &str) -> Result<bool> {
        clients::remove(&*self.0, id).await
    }

    async fn begin_authorization(
        &self,
        pending: &PendingAuthorization,
        pending_max: u64,
    ) -> Result<bool> {
        authorizations::begin(&*self.0, pending, pending_max).await
    }

    async fn authorization(&self, id: &Digest) -> Result<Option<PendingAuthorization>> {
        authorizations::get(&*self.0, id).await
    }

    async fn update_authorization(&self, pending: &PendingAuthorization) -> Result<bool> {
        authorizations::update(&*self.0, pending).await
    }

    async fn end_authorization(&self, id: &Digest) -> Result<bool> {
        authorizations::end(&*self.0, id).await
    }

    async fn create_grant(
        &self,
        grant: &Grant,
        code: Option<&AuthorizationCode>,
        consent: Option<&Consent>,
    ) -> Result<()> {
        let mut transaction = self.0.begin().await?;
        grants::insert(&mut *transaction, grant).await?;
        if let Some(code) = code {
            tokens::insert_code(&mut *transaction, code).await?;
        }
        if let Some(consent) = consent {
            grants::insert_consent(&mut *transaction, consent).await?;
        }
        transaction.commit(false).await
    }

    async fn remembered_consent(&self, consent: &Consent) -> Result<Option<Consent>> {
        grants::remembered_consent(&*self.0, consent).await
    }

    async fn consents(&self, user: &str) -> Result<Vec<Consent>> {
        grants::consents(&*self.0, user).await
    }

    async fn forget_consents(&self, user: &str, client: &str) -> Result<u64> {
        grants::forget_consents(&*self.0, user, client).await
    }

    async fn grant(&self, id: &str) -> Result<Option<Grant>> {
        grants::get(&*self.0, id).await
    }

    async fn grants(&self, of: GrantsOf<'_>) -> Result<Vec<Grant>> {
        grants::list(&*self.0, of).await
    }

    async fn touch_grant(&self, id: &str, at: Timestamp) -> Result<()> {
        let mut transaction = self.0.begin().await?;
        grants::touch(&mut *transaction, id, at).await?;
        transaction.commit(false).await
    }

    async fn raise_grant(&self, id: &str, proof: &SignInFacts) -> Result<bool> {
        grants::raise(&*self.0, id, proof).await
    }

    async fn revoke_grant(&self, id: &str, at: Timestamp) -> Result<bool> {
        let mut transaction = self.0.begin().await?;
        let revoked = grants::revoke(&mut *transaction, id, at).await?;
        transaction.commit(false).await?;
        Ok(revoked)
    }

    async fn revoke_grants(&self, of: GrantsOf<'_>, at: Timestamp) -> Result<Vec<String>> {
        grants::revoke_all(&*self.0, of, at).await
    }

    async fn use_code(&self, digest: &Digest, at: Timestamp) -> Result<CodeUse> {
        tokens::use_code(&*self.0, digest, at).await
    }

    async fn create_refresh_token(&self, token: &RefreshToken) -> Result<()> {
        let mut transaction = self.0.begin().await?;
        tokens::insert_refresh_token(&mut *transaction, token).await?;
        transaction.commit(false).await
    }

    async fn rotate(
        &self,
        presented: &Digest,
        successor: &Digest,
        expires_at: Timestamp,
        at: Timestamp,
        grace: SignedDuration,
    ) -> Result<Rotation> {
        let exchange = tokens::Exchange {
            presented,
            successor,
            expires_at,
            at,
            grace,
        };
        tokens::rotate(&*self.0, &exchange).await
    }

    async fn grant_of_refresh_token(&self, digest: &Digest) -> Result<Option<Grant>> {
        tokens::grant_of_refresh_token(&*self.0, digest).await
    }

    async fn first_use(&self, digest: &Digest, until: Timestamp) -> Result<bool> {
        tokens::first_use(&*self.0, digest, until).await
    }

    async fn signing_keys(&self) -> Result<Vec<SigningKey>> {
        signing_keys::list(&*self.0).await
    }

    async fn add_signing_key(&self, key: &SigningKey, newest: Option<&str>) -> Result<bool> {
        signing_keys::add(&*self.0, key, newest).await
    }

    async fn sweep(&self, now: Timestamp, kept: SignedDuration) -> Result<u64> {
        sweep(&*self.0, now, kept).await
    }
}

/// What has ended at a time, oldest table last: a grant takes its codes and tokens along.
const ENDED: [(&str, Age); 6] = [
    (
        "DELETE FROM oauth_authorization WHERE expires_at <= $1",
        Age::Now,
    ),
    ("DELETE FROM oauth_seen WHERE until <= $1", Age::Now),
    (
        "DELETE FROM oauth_code WHERE expires_at <= $1",
        Age::CodesKept,
    ),
    (
        "DELETE FROM oauth_grant WHERE expires_at <= $1",
        Age::GrantsKept,
    ),
    ("DELETE FROM oauth_client WHERE expires_at <= $1", Age::Now),
    (
        "DELETE FROM oauth_signing_key WHERE published_until <= $1",
        Age::Now,
    ),
];

/// How long something is kept after its end.
#[derive(Debug, Clone, Copy)]
enum Age {
    Now,
    CodesKept,
    GrantsKept,
}

async fn sweep(database: &dyn Database, now: Timestamp, kept: SignedDuration) -> Result<u64> {
    let mut transaction = database.begin().await?;
    let mut gone = 0;
    for (sql, age) in ENDED {
        let before = match age {
            Age::Now => now,
            Age::CodesKept => earlier(now, CODES_KEPT),
            Age::GrantsKept => earlier(now, kept),
        };
        let statement = Statement::new("authorization", sql).bind(before.as_microsecond());
        gone += transaction.execute(statement).await?;
    }
    transaction.commit(false).await?;
    Ok(gone)
}

fn earlier(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_sub(by).unwrap_or(Timestamp::MIN)
}

/// Runs a statement in a transaction of its own; tells how many rows it touched.
async fn run(database: &dyn Database, statement: Statement) -> Result<u64> {
    let mut transaction: Box<dyn Transaction> = database.begin().await?;
    let touched = transaction.execute(statement).await?;
    transaction.commit(false).await?;
    Ok(touched)
}
