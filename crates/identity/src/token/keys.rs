//! The keys of one issuer, kept fresh: fetched when needed, rarely, and by one task at a time.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use http::Uri;
use sekimori_domain::clock::Clock;
use serde_json::Value;
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::TokenError;
use super::config::{IssuerConfig, KeySource};
use super::jwk::{Algorithm, KeySet};
use crate::fetch::{DOCUMENT_BYTES_MAX, Fetch, FetchError};
use crate::resource::is_https_or_loopback;

/// How often keys are fetched anew without a reason.
const REFRESH_EVERY: Duration = Duration::from_mins(10);
/// How soon an unknown key id may cause another fetch: tokens are free to make, so they must not be able to
/// make us ask the issuer all the time.
const UNKNOWN_KEY_EVERY: Duration = Duration::from_secs(10);
/// The same while there are no keys at all and so nothing works.
const FIRST_KEYS_EVERY: Duration = Duration::from_secs(1);
/// How long keys are believed while the issuer can't be asked.
const KEPT_AT_MOST: Duration = Duration::from_hours(24);
/// How long fetching may take, metadata and keys together.
const FETCH_TIMEOUT: Duration = Duration::from_secs(10);

/// Why the last fetch brought nothing.
#[derive(Debug, thiserror::Error)]
enum KeysError {
    #[error("the issuer's documents could not be fetched")]
    Fetch(#[from] FetchError),
    #[error("the issuer's documents did not arrive in time")]
    Timeout,
    #[error("the issuer's documents are not acceptable: {0}")]
    Invalid(&'static str),
}

/// Keys in use.
struct Current {
    set: KeySet,
    /// Grows whenever the keys are others than before.
    generation: u64,
}

/// When, and with which success, the issuer was asked last.
#[derive(Debug, Default)]
struct LastFetch {
    at: Option<Duration>,
    failed: bool,
}

/// The keys of one issuer.
pub(crate) struct IssuerKeys {
    issuer: String,
    source: KeySource,
    algorithms: Vec<Algorithm>,
    fetch: Arc<dyn Fetch>,
    clock: Arc<dyn Clock>,
    current: ArcSwapOption<Current>,
    /// Milliseconds of the monotonic clock when the issuer last confirmed `current`.
    confirmed_ms: AtomicU64,
    last_fetch: Arc<Mutex<LastFetch>>,
}

impl fmt::Debug for IssuerKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssuerKeys")
            .field("issuer", &self.issuer)
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

impl IssuerKeys {
    pub(crate) fn new(config: &IssuerConfig, fetch: Arc<dyn Fetch>, clock: Arc<dyn Clock>) -> Self {
        Self {
            issuer: config.issuer.clone(),
            source: config.keys.clone(),
            algorithms: config.algorithms.clone(),
            fetch,
            clock,
            current: ArcSwapOption::empty(),
            confirmed_ms: AtomicU64::new(0),
            last_fetch: Arc::default(),
        }
    }

    /// The generation of the keys in use; `None` while there are none that may be believed. What an older
    /// generation verified must be verified again.
    pub(super) fn generation(&self) -> Option<u64> {
        Some(self.believed()?.generation)
    }

    /// Verifies a signature and tells the generation of the key that did.
    pub(crate) async fn verify(
        self: &Arc<Self>,
        kid: Option<&str>,
        algorithm: Algorithm,
        signed: &[u8],
        signature: &[u8],
    ) -> Result<u64, TokenError> {
        if let Some(result) = self.try_verify(kid, algorithm, signed, signature) {
            return result;
        }
        let failed = self.fetch_if_due().await;
        match self.try_verify(kid, algorithm, signed, signature) {
            Some(result) => result,
            // Whether the key exists is not known, so this is our failure and not the token's.
            None if failed || self.believed().is_none() => Err(TokenError::KeysUnavailable),
            None => Err(TokenError::UnknownKey),
        }
    }

    /// `None` if there is no such key.
    fn try_verify(
        &self,
        kid: Option<&str>,
        algorithm: Algorithm,
        signed: &[u8],
        signature: &[u8],
    ) -> Option<Result<u64, TokenError>> {
        let current = self.believed()?;
        let key = current.set.find(kid, algorithm)?;
        Some(if key.verifies(signed, signature) {
            Ok(current.generation)
        } else {
            Err(TokenError::Signature)
        })
    }

    fn believed(&self) -> Option<Arc<Current>> {
        let confirmed = Duration::from_millis(self.confirmed_ms.load(Ordering::Acquire));
        let age = self.clock.monotonic().saturating_sub(confirmed);
        self.current.load_full().filter(|_| age <= KEPT_AT_MOST)
    }

    /// Fetches the keys if they are old. To be called regularly.
    pub(super) async fn keep_fresh(self: &Arc<Self>) {
        let last = Arc::clone(&self.last_fetch).lock_owned().await;
        let every = if last.failed {
            UNKNOWN_KEY_EVERY
        } else {
            REFRESH_EVERY
        };
        self.fetch_unless_within(every, last).await;
    }

    /// Fetches the keys because they did not suffice. Tells whether the last attempt failed. Who waits here
    /// for another task's fetch profits from it.
    async fn fetch_if_due(self: &Arc<Self>) -> bool {
        let last = Arc::clone(&self.last_fetch).lock_owned().await;
        let every = if self.believed().is_some() {
            UNKNOWN_KEY_EVERY
        } else {
            FIRST_KEYS_EVERY
        };
        self.fetch_unless_within(every, last).await
    }

    /// Tells whether the last attempt failed.
    async fn fetch_unless_within(
        self: &Arc<Self>,
        every: Duration,
        last: OwnedMutexGuard<LastFetch>,
    ) -> bool {
        let now = self.clock.monotonic();
        if last.at.is_some_and(|at| now.saturating_sub(at) < every) {
            return last.failed;
        }
        // In a task of its own: a client that hangs up must not end the fetch that others wait for.
        let keys = Arc::clone(self);
        tokio::spawn(async move { keys.fetch_now(now, last).await })
            .await
            .unwrap_or(true)
    }

    async fn fetch_now(&self, now: Duration, mut last: OwnedMutexGuard<LastFetch>) -> bool {
        last.at = Some(now);
        let fetched = tokio::time::timeout(FETCH_TIMEOUT, self.fetch_keys())
            .await
            .unwrap_or(Err(KeysError::Timeout));
        last.failed = fetched.is_err();
        match fetched {
            Ok(set) => self.take(set, now),
            Err(error) => tracing::warn!(
                issuer = %self.issuer,
                error = &error as &dyn std::error::Error,
                "the issuer's keys could not be fetched"
            ),
        }
        last.failed
    }

    /// Puts keys into use. Called with the lock of `last_fetch` held.
    fn take(&self, set: KeySet, confirmed_at: Duration) {
        let before = self.current.load_full();
        let same = before
            .as_ref()
            .is_some_and(|before| before.set.digest == set.digest);
        if !same {
            let generation = before.map_or(1, |before| before.generation.saturating_add(1));
            tracing::info!(issuer = %self.issuer, generation, "the issuer's keys are new");
            self.current
                .store(Some(Arc::new(Current { set, generation })));
        }
        let ms = u64::try_from(confirmed_at.as_millis()).unwrap_or(u64::MAX);
        self.confirmed_ms.store(ms, Ordering::Release);
    }

    async fn fetch_keys(&self) -> Result<KeySet, KeysError> {
        let uri = match &self.source {
            KeySource::JwksUri(uri) => uri.clone(),
            KeySource::Discovery => self.discover().await?,
        };
        let document = self.fetch_json(&uri).await?;
        let set = KeySet::read(&document, &self.algorithms)
            .ok_or(KeysError::Invalid("it is no key set"))?;
        // An empty set would lock everybody out; more likely the issuer is in trouble.
        if set.is_empty() {
            return Err(KeysError::Invalid("no key in the set can be used"));
        }
        Ok(set)
    }

    /// The address of the keys, from the issuer's metadata.
    async fn discover(&self) -> Result<String, KeysError> {
        let metadata = match self.fetch_json(&oauth_metadata_url(&self.issuer)).await {
            Err(KeysError::Fetch(FetchError::NotFound)) => {
                self.fetch_json(&openid_metadata_url(&self.issuer)).await?
            }
            other => other?,
        };
        // RFC 8414 section 3.3: otherwise one issuer could speak for another.
        if metadata.get("issuer").and_then(Value::as_str) != Some(&self.issuer) {
            return Err(KeysError::Invalid("the metadata names another issuer"));
        }
        metadata
            .get("jwks_uri")
            .and_then(Value::as_str)
            .map(str::to_owned)
            .ok_or(KeysError::Invalid("the metadata names no keys"))
    }

    async fn fetch_json(&self, url: &str) -> Result<Value, KeysError> {
        let uri: Uri = url
            .parse()
            .map_err(|_| KeysError::Invalid("an address is not a URL"))?;
        if !is_https_or_loopback(&uri) {
            return Err(KeysError::Invalid("an address is not https"));
        }
        let body = self.fetch.get_json(&uri).await?;
        if body.len() > DOCUMENT_BYTES_MAX {
            return Err(KeysError::Invalid("a document is too large"));
        }
        serde_json::from_slice(&body).map_err(|_| KeysError::Invalid("a document is not JSON"))
    }
}

/// RFC 8414 section 3.1: the well-known part goes between host and path.
pub(crate) fn oauth_metadata_url(issuer: &str) -> String {
    let after_scheme = issuer.find("://").map_or(0, |at| at + 3);
    let path_at = issuer
        .char_indices()
        .find(|(at, character)| *at >= after_scheme && *character == '/')
        .map_or(issuer.len(), |(at, _)| at);
    let (origin, path) = issuer.split_at_checked(path_at).unwrap_or((issuer, ""));
    let path = path.strip_suffix('/').unwrap_or(path);
    format!("{origin}/.well-known/oauth-authorization-server{path}")
}

/// OpenID Connect Discovery section 4: it goes to the end.
pub(crate) fn openid_metadata_url(issuer: &str) -> String {
    let issuer = issuer.strip_suffix('/').unwrap_or(issuer);
    format!("{issuer}/.well-known/openid-configuration")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_where_the_standards_say() {
        assert_eq!(
            oauth_metadata_url("https://idp.example"),
            "https://idp.example/.well-known/oauth-authorization-server"
        );
        assert_eq!(
            oauth_metadata_url("https://idp.example/realms/a/"),
            "https://idp.example/.well-known/oauth-authorization-server/realms/a"
        );
        assert_eq!(
            openid_metadata_url("https://idp.example/realms/a/"),
            "https://idp.example/realms/a/.well-known/openid-configuration"
        );
    }
}
