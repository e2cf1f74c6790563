//! Client-id metadata documents: a client's id is the address of the document that describes it.
//!
//! The address comes from a stranger, and so does the document. The fetch goes through the egress guard,
//! follows no redirect, is small and short; every failure reads the same, so that nobody can use us to look
//! around (CVE list: server-side request forgery).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Uri;
use jiff::Timestamp;
use moka::sync::Cache;
use sekimori_domain::clock::Clock;
use sekimori_domain::digest::Digest;
use sekimori_domain::ids::ClientId;
use sekimori_domain::json::{self, JsonLimits};
use sekimori_domain::oauth::{
    ClientAuthentication, ClientKeys, ClientKind, ClientStatus, OAuthClient,
};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Semaphore;
use url::{Host, Url};

use super::redirect::{self, Allowed};
use crate::fetch::{Document, FetchDocument};

/// Largest document.
pub(super) const DOCUMENT_BYTES_MAX: usize = 10 * 1024;
/// Longest address that is looked at.
const ADDRESS_BYTES_MAX: usize = 512;
/// How long fetching may take.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);
/// Bounds for how long a document is believed, whatever its server says.
const KEPT_AT_LEAST: Duration = Duration::from_mins(5);
const KEPT_AT_MOST: Duration = Duration::from_hours(24);
/// How long a failure is remembered: strangers must not make us ask again and again.
const FAILURE_KEPT: Duration = Duration::from_secs(30);
/// Most documents remembered.
const REMEMBERED_MAX: u64 = 1_000;
/// Most fetches at once.
const FETCHES_MAX: usize = 8;
/// Longest name of a client.
pub(super) const NAME_CHARS_MAX: usize = 100;

const LIMITS: JsonLimits = JsonLimits {
    depth_max: 8,
    members_max: 256,
};

/// The document can't be used. Deliberately without a reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the client's metadata document could not be fetched or is not acceptable")]
pub(super) struct NoDocument;

/// A client as its document describes it.
#[derive(Debug)]
pub(super) struct Described {
    pub(super) client: OAuthClient,
    pub(super) digest: Digest,
}

#[derive(Clone)]
struct Remembered {
    result: Result<Arc<Described>, NoDocument>,
    until: Duration,
}

/// Fetches documents and remembers them for a while.
pub(super) struct MetadataDocuments {
    fetch: Arc<dyn FetchDocument>,
    clock: Arc<dyn Clock>,
    remembered: Cache<String, Remembered>,
    keys: Cache<String, (Value, Duration)>,
    slots: Semaphore,
    private_schemes: Vec<String>,
}

/// Whether a client id is the address of a document.
pub(super) fn is_address(id: &str) -> bool {
    id.starts_with("https://")
}

/// The address of a document, if it may be fetched at all: `https`, a host name, a path, and nothing else.
pub(super) fn address(id: &str) -> Option<(Uri, String)> {
    if id.len() > ADDRESS_BYTES_MAX || !id.bytes().all(|byte| byte.is_ascii_graphic()) {
        return None;
    }
    let url = Url::parse(id).ok()?;
    // What another reader would understand differently is refused: the text must be its own normal form.
    let plain = url.as_str() == id
        && url.scheme() == "https"
        && url.username().is_empty()
        && url.password().is_none()
        && url.port().is_none()
        && url.query().is_none()
        && url.fragment().is_none()
        && url.path().len() > 1;
    let Some(Host::Domain(host)) = url.host().filter(|_| plain) else {
        return None;
    };
    // A name without a dot is of the local network.
    if !host.contains('.') || host.ends_with('.') || host.ends_with(".localhost") {
        return None;
    }
    Some((id.parse().ok()?, host.to_owned()))
}

impl MetadataDocuments {
    pub(super) fn new(
        fetch: Arc<dyn FetchDocument>,
        clock: Arc<dyn Clock>,
        private_schemes: Vec<String>,
    ) -> Self {
        Self {
            fetch,
            clock,
            remembered: Cache::new(REMEMBERED_MAX),
            keys: Cache::new(REMEMBERED_MAX),
            slots: Semaphore::new(FETCHES_MAX),
            private_schemes,
        }
    }

    /// The client of that id, from memory or from its address.
    pub(super) async fn client(&self, id: &str) -> Result<Arc<Described>, NoDocument> {
        let now = self.clock.monotonic();
        if let Some(known) = self.remembered.get(id).filter(|known| now < known.until) {
            return known.result;
        }
        let (result, kept) = match self.fetch_client(id).await {
            Ok((described, kept)) => (Ok(Arc::new(described)), kept),
            Err(NoDocument) => (Err(NoDocument), FAILURE_KEPT),
        };
        let until = now.saturating_add(kept);
        let result_kept = result.clone();
        self.remembered.insert(
            id.to_owned(),
            Remembered {
                result: result_kept,
                until,
            },
        );
        result
    }

    async fn fetch_client(&self, id: &str) -> Result<(Described, Duration), NoDocument> {
        let (uri, _) = address(id).ok_or(NoDocument)?;
        let document = self.get(&uri).await?;
        let kept = kept(document.cache_control.as_deref());
        let allowed = Allowed {
            private_schemes: &self.private_schemes,
        };
        let client = read(id, &document.body, allowed, self.clock.now()).ok_or(NoDocument)?;
        let digest = Digest::of(&document.body);
        Ok((Described { client, digest }, kept))
    }

    /// The key set at an address that a client names.
    pub(super) async fn key_set(&self, at: &str) -> Result<Value, NoDocument> {
        let now = self.clock.monotonic();
        if let Some((keys, until)) = self.keys.get(at)
            && now < until
        {
            return Ok(keys);
        }
        let (uri, _) = address(at).ok_or(NoDocument)?;
        let document = self.get(&uri).await?;
        let text = json::compact(&document.body, LIMITS).map_err(|_| NoDocument)?;
        let keys: Value = serde_json::from_str(&text).map_err(|_| NoDocument)?;
        let until = now.saturating_add(KEPT_AT_LEAST);
        self.keys.insert(at.to_owned(), (keys.clone(), until));
        Ok(keys)
    }

    async fn get(&self, uri: &Uri) -> Result<Document, NoDocument> {
        // Beyond the limit strangers are refused rather than queued.
        let _slot = self.slots.try_acquire().map_err(|_| NoDocument)?;
        let fetching = self.fetch.get_document(uri, DOCUMENT_BYTES_MAX);
        let document = tokio::time::timeout(FETCH_TIMEOUT, fetching)
            .await
            .map_err(|_| NoDocument)?
            .map_err(|error| {
                tracing::info!(
                    error = &error as &dyn std::error::Error,
                    "a client's document could not be fetched"
                );
                NoDocument
            })?;
        let is_json = document
            .content_type
            .as_deref()
            .and_then(|value| value.split(';').next())
            .map(str::trim)
            .is_some_and(|media| {
                media.eq_ignore_ascii_case("application/json")
                    || (media.starts_with("application/") && media.ends_with("+json"))
            });
        if !is_json || document.body.len() > DOCUMENT_BYTES_MAX {
            return Err(NoDocument);
        }
        Ok(document)
    }
}

/// How long a document is believed: what its server says, within bounds.
fn kept(cache_control: Option<&str>) -> Duration {
    let seconds = cache_control.and_then(|text| {
        text.split(',')
            .filter_map(|directive| directive.trim().strip_prefix("max-age="))
            .find_map(|value| value.parse().ok())
    });
    Duration::from_secs(seconds.unwrap_or(0)).clamp(KEPT_AT_LEAST, KEPT_AT_MOST)
}

/// What is read of a document (RFC 7591 section 2).
#[derive(Debug, Deserialize)]
struct Metadata {
    client_id: String,
    #[serde(default)]
    client_name: Option<String>,
    redirect_uris: Vec<String>,
    #[serde(default)]
    token_endpoint_auth_method: Option<String>,
    #[serde(default)]
    jwks: Option<Value>,
    #[serde(default)]
    jwks_uri: Option<String>,
    #[serde(default)]
    grant_types: Option<Vec<String>>,
    #[serde(default)]
    response_types: Option<Vec<String>>,
    #[serde(default)]
    client_secret: Option<Value>,
}

fn read(id: &str, body: &Bytes, allowed: Allowed<'_>, now: Timestamp) -> Option<OAuthClient> {
    let text = json::compact(body, LIMITS).ok()?;
    let metadata: Metadata = serde_json::from_str(&text).ok()?;
    // A document speaks for its own address only; a secret in public is none.
    if metadata.client_id != id || metadata.client_secret.is_some() {
        return None;
    }
    let redirects = &metadata.redirect_uris;
    let good_redirects = (1..=redirect::URIS_MAX).contains(&redirects.len())
        && redirects
            .iter()
            .all(|uri| redirect::acceptable(uri, allowed));
    let with_code = metadata
        .grant_types
        .is_none_or(|types| types.iter().any(|one| one == "authorization_code"))
        && metadata
            .response_types
            .is_none_or(|types| types.iter().any(|one| one == "code"));
    if !good_redirects || !with_code {
        return None;
    }
    let authentication = match metadata.token_endpoint_auth_method.as_deref() {
        None | Some("none") => ClientAuthentication::None,
        Some("private_key_jwt") => ClientAuthentication::PrivateKeyJwt,
        Some(_) => return None,
    };
    let keys = match (authentication, metadata.jwks, metadata.jwks_uri) {
        (ClientAuthentication::None, _, _) => None,
        (ClientAuthentication::PrivateKeyJwt, Some(set), None) => Some(ClientKeys::Set(set)),
        (ClientAuthentication::PrivateKeyJwt, None, Some(uri)) => {
            address(&uri)?;
            Some(ClientKeys::Address(uri))
        }
        (ClientAuthentication::PrivateKeyJwt, _, _) => return None,
    };
    let name = metadata.client_name.as_deref().map_or(id, str::trim);
    Some(OAuthClient {
        id: ClientId::new(id).ok()?,
        kind: ClientKind::MetadataDocument,
        status: ClientStatus::Unverified,
        name: displayable(name),
        redirect_uris: metadata.redirect_uris,
        authentication,
        keys,
        scopes: None,
        service_account: None,
        document: Some(Digest::of(body)),
        decided_by: None,
        created_at: now,
        expires_at: None,
    })
}

/// A name for people to read: one line, not long, without characters that change how others are read.
pub(super) fn displayable(text: &str) -> String {
    let misleading = |char: char| {
        char.is_control()
            || matches!(char, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
    };
    text.chars()
        .filter(|char| !misleading(*char))
        .take(NAME_CHARS_MAX)
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ID: &str = "https://app.example/client.json";

    fn accepted(document: &Value) -> Option<OAuthClient> {
        let body = Bytes::from(document.to_string());
        let allowed = Allowed {
            private_schemes: &[],
        };
        read(ID, &body, allowed, Timestamp::UNIX_EPOCH)
    }

    fn document() -> Value {
        json!({
            "client_id": ID, "client_name": "App",
            "redirect_uris": ["https://app.example/back", "http://127.0.0.1/back"],
        })
    }

    fn with(member: &str, value: Value) -> Value {
        let mut document = document();
        document[member] = value;
        document
    }

    #[test]
    fn attack_ssrf_only_plain_addresses_of_public_names_are_fetched() {
        for good in [ID, "https://vscode.dev/oauth/client-metadata.json"] {
            assert!(address(good).is_some(), "{good}");
        }
        for bad in [
            "http://app.example/client.json",
            "https://app.example",
            "https://app.example/",
            "https://app.example:8443/client.json",
            "https://app.example:443/client.json",
            "https://user@app.example/client.json",
            "https://app.example/client.json#x",
            "https://app.example/client.json?x=1",
            "https://app.example/a/../client.json",
            "https://app.example/./client.json",
            "https://APP.example/client.json",
            "https://app.example./client.json",
            "https://127.0.0.1/client.json",
            "https://2130706433/client.json",
            "https://0x7f.1/client.json",
            "https://0177.0.0.1/client.json",
            "https://[::1]/client.json",
            "https://[::ffff:127.0.0.1]/client.json",
            "https://[fe80::1]/client.json",
            "https://169.254.169.254/latest/meta-data",
            "https://localhost/client.json",
            "https://a.localhost/client.json",
            "https://internal/client.json",
            "https://app.example\\@evil.example/x",
            "https://\u{ff41}pp.example/x",
            "file:///etc/passwd",
            "gopher://app.example/x",
        ] {
            assert!(address(bad).is_none(), "{bad}");
        }
        assert!(address(&format!("https://app.example/{}", "x".repeat(600))).is_none());
    }

    #[test]
    fn a_document_speaks_for_its_own_address_only() {
        let client = accepted(&document()).unwrap();
        assert_eq!(client.id.as_str(), ID);
        assert_eq!(client.status, ClientStatus::Unverified);
        assert!(
            accepted(&with(
                "client_id",
                json!("https://other.example/client.json")
            ))
            .is_none()
        );
    }

    #[test]
    fn documents_with_unsafe_content_are_refused() {
        for bad in [
            with("client_secret", json!("s")),
            with("redirect_uris", json!([])),
            with("redirect_uris", json!(["javascript:alert(1)"])),
            with("redirect_uris", json!(["http://app.example/back"])),
            with("redirect_uris", json!(vec!["https://app.example/back"; 33])),
            with("redirect_uris", json!("https://app.example/back")),
            with("token_endpoint_auth_method", json!("client_secret_basic")),
            with("token_endpoint_auth_method", json!("private_key_jwt")),
            with("grant_types", json!(["client_credentials"])),
            with("response_types", json!(["token"])),
            json!([]),
        ] {
            assert!(accepted(&bad).is_none(), "{bad}");
        }
        let mut inside = with("token_endpoint_auth_method", json!("private_key_jwt"));
        inside["jwks_uri"] = json!("https://127.0.0.1/keys");
        assert!(accepted(&inside).is_none());
    }

    #[test]
    fn names_cannot_mislead() {
        let client =
            accepted(&with("client_name", json!("Ev\u{202e}il\u{0}\u{200b} App"))).unwrap();
        assert_eq!(client.name, "Evil App");
        let long = accepted(&with("client_name", json!("x".repeat(500)))).unwrap();
        assert_eq!(long.name.len(), NAME_CHARS_MAX);
        assert_eq!(
            accepted(&with("client_name", json!(null))).unwrap().name,
            ID
        );
    }

    #[test]
    fn caching_stays_within_bounds() {
        assert_eq!(kept(None), KEPT_AT_LEAST);
        assert_eq!(kept(Some("no-store")), KEPT_AT_LEAST);
        assert_eq!(kept(Some("public, max-age=3600")), Duration::from_hours(1));
        assert_eq!(kept(Some("max-age=99999999")), KEPT_AT_MOST);
        assert_eq!(kept(Some("max-age=-1")), KEPT_AT_LEAST);
    }
}
