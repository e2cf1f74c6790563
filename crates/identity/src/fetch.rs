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

/// A document as it was served.
#[derive(Debug, Clone)]
pub struct Document {
    /// The body.
    pub body: Bytes,
    /// The `Content-Type` header.
    pub content_type: Option<String>,
    /// The `Cache-Control` header.
    pub cache_control: Option<String>,
}

/// GET of a document whose address a stranger names. The implementation connects to public addresses only,
/// with TLS, over a connection of its own; it follows no redirect and uses no proxy.
#[async_trait]
pub trait FetchDocument: Send + Sync {
    /// The document, when the status is 200 and the body has at most `bytes_max`.
    async fn get_document(&self, url: &Uri, bytes_max: usize) -> Result<Document, FetchError>;
}

/// GET of a small JSON document. The implementation guards the destination, follows no redirect, and
/// limits time and size.
#[async_trait]
pub trait Fetch: Send + Sync {
    /// The body, when the status is 200.
    async fn get_json(&self, url: &Uri) -> Result<Bytes, FetchError>;
}
