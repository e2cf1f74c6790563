//! Fetching an issuer's metadata and keys.

use async_trait::async_trait;
use bytes::Bytes;
use http::Uri;

/// Largest metadata document or key set that is read.
pub(crate) const DOCUMENT_BYTES_MAX: usize = 256 * 1024;

/// A document could not be fetched. Messages hold no address and no content.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// There is nothing at this address.
    #[error("there is no such document")]
    NotFound,
    /// The destination is not allowed.
    #[error("the destination is not allowed")]
    Forbidden(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The server can't be reached or answers with something else.
    #[error("the document could not be fetched")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// GET of a small JSON document. The implementation guards the destination, follows no redirect, and
/// limits time and size.
#[async_trait]
pub trait Fetch: Send + Sync {
    /// The body, when the status is 200.
    async fn get_json(&self, url: &Uri) -> Result<Bytes, FetchError>;
}
