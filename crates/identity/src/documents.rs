//! Fetching documents whose address a stranger names, behind the egress guard.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use http::Uri;
use sekimori_upstream::egress::{self, Egress, HostPattern, Networks};

use crate::fetch::{Document, FetchDocument, FetchError};

const PORT: u16 = 443;
/// How long one fetch may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Fetches over TLS from public addresses, whatever name they go by. Each fetch has a connection of its own:
/// one that was checked for one name is never used for another.
#[derive(Clone)]
pub struct GuardedDocuments {
    egress: Egress,
}

impl fmt::Debug for GuardedDocuments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuardedDocuments").finish_non_exhaustive()
    }
}

impl GuardedDocuments {
    /// Behind this guard. Its allowlist does not matter here: which hosts clients may come from is decided
    /// before ([`DocumentTrust`](crate::authorization_server::DocumentTrust)).
    pub fn new(egress: Egress) -> Self {
        Self { egress }
    }
}

#[async_trait]
impl FetchDocument for GuardedDocuments {
    async fn get_document(&self, url: &Uri, bytes_max: usize) -> Result<Document, FetchError> {
        let forbidden = || FetchError::Forbidden("not an https address at its usual port".into());
        let host = url
            .host()
            .filter(|_| url.scheme_str() == Some("https") && url.port().is_none())
            .ok_or_else(forbidden)?;
        let client = self
            .egress
            .client(vec![HostPattern::exactly(host, PORT)], Networks::Public);
        match client.get_json(&url.to_string(), bytes_max, TIMEOUT).await {
            Ok(fetched) => Ok(Document {
                body: fetched.body,
                content_type: fetched.content_type,
                cache_control: fetched.cache_control,
            }),
            Err(egress::FetchError::Status(404)) => Err(FetchError::NotFound),
            Err(error @ egress::FetchError::Egress(_)) => Err(FetchError::Forbidden(error.into())),
            Err(error) => Err(FetchError::Unavailable(error.into())),
        }
    }
}
