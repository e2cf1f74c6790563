//! A bucket of an object storage that speaks S3, under object lock: what was put there is neither changed nor
//! deleted by anybody, us included, before its time is over.
//!
//! `object_store` knows no object lock, and its own client no guard. Both come in where it lets an HTTP client be
//! given: there the lock's headers are added, the request is signed with them, and it goes out through the guard.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{HeaderName, HeaderValue};
use http::{Method, Request};
use http_body_util::BodyExt as _;
use object_store::aws::{AmazonS3, AmazonS3Builder, AwsAuthorizer, AwsCredential, Checksum};
use object_store::client::{
    HttpClient as StoreClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest,
    HttpRequestBody, HttpResponse, HttpService,
};
use object_store::path::Path;
use object_store::{ClientOptions, ObjectStore as _, ObjectStoreExt as _, RetryConfig};
use sekimori_domain::clock::Clock;
use sekimori_upstream::egress::{FetchError, HttpClient};
use serde::{Deserialize, Serialize};

/// How long a segment may take on its way.
const PUT_TIMEOUT: Duration = Duration::from_mins(10);
/// Largest answer that is read: a thousand names in XML have some 500 kB.
const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;
/// How often one request is tried: the next look at the archive tries again anyway.
const RETRIES: usize = 2;
const LOCK_MODE: HeaderName = HeaderName::from_static("x-amz-object-lock-mode");
/// That a checksum comes along, without which a storage takes nothing under lock.
const CHECKSUM: HeaderName = HeaderName::from_static("x-amz-sdk-checksum-algorithm");
const LOCK_UNTIL: HeaderName = HeaderName::from_static("x-amz-object-lock-retain-until-date");

/// The object storage failed or refused.
#[derive(Debug, thiserror::Error)]
pub enum BucketError {
    /// The settings make no client.
    #[error("the settings of the bucket are wrong")]
    Settings(#[source] object_store::Error),
    /// It did not answer, or refused.
    #[error("the bucket did not do what it was asked for")]
    Request(#[from] object_store::Error),
}

/// Who may lift the lock before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LockMode {
    /// Nobody.
    #[default]
    Compliance,
    /// Whoever has the storage's own right to.
    Governance,
}

impl LockMode {
    fn header(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Compliance => "COMPLIANCE",
            Self::Governance => "GOVERNANCE",
        })
    }
}

/// Which bucket, as whom, and for how long.
#[derive(Clone)]
pub struct BucketSettings {
    /// Address of the storage, such as `https://s3.ap-northeast-1.amazonaws.com`.
    pub endpoint: String,
    /// Its region.
    pub region: String,
    /// Name of the bucket.
    pub bucket: String,
    /// Folder in the bucket.
    pub prefix: String,
    /// Id of the key that requests are signed with.
    pub key_id: String,
    /// That key.
    pub secret_key: String,
    /// How objects are locked.
    pub mode: LockMode,
    /// For how long.
    pub lock: Duration,
}

impl fmt::Debug for BucketSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BucketSettings")
            .field("endpoint", &self.endpoint)
            .field("bucket", &self.bucket)
            .finish_non_exhaustive()
    }
}

/// A bucket.
#[derive(Debug)]
pub struct Bucket {
    store: AmazonS3,
    prefix: Path,
}

impl Bucket {
    /// A bucket that is reached by `client`.
    pub fn new(
        settings: BucketSettings,
        client: HttpClient,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, BucketError> {
        let prefix = Path::from(settings.prefix.as_str());
        let retry = RetryConfig {
            max_retries: RETRIES,
            ..RetryConfig::default()
        };
        let store = AmazonS3Builder::new()
            .with_endpoint(&settings.endpoint)
            .with_region(&settings.region)
            .with_bucket_name(&settings.bucket)
            .with_checksum_algorithm(Checksum::SHA256)
            .with_retry(retry)
            // What may be reached without TLS is up to the guard.
            .with_allow_http(true)
            // Requests are signed with the lock's headers, which it doesn't know.
            .with_skip_signature(true)
            .with_http_connector(Locking(Arc::new(Lock {
                credential: AwsCredential {
                    key_id: settings.key_id,
                    secret_key: settings.secret_key,
                    token: None,
                },
                region: settings.region,
                mode: settings.mode,
                lock: settings.lock,
                client,
                clock,
            })))
            .build()
            .map_err(BucketError::Settings)?;
        Ok(Self { store, prefix })
    }

    /// What is there, by name, and how long it is.
    pub(super) async fn list(&self) -> Result<HashMap<String, u64>, BucketError> {
        let listed = self.store.list_with_delimiter(Some(&self.prefix)).await?;
        let objects = listed.objects.into_iter();
        Ok(objects
            .filter_map(|object| Some((object.location.filename()?.to_owned(), object.size)))
            .collect())
    }

    /// Puts a file there, as a new version where there is one already.
    pub(super) async fn put(&self, name: &str, bytes: Bytes) -> Result<(), BucketError> {
        let location = self.prefix.clone().join(name);
        self.store.put(&location, bytes.into()).await?;
        Ok(())
    }
}

/// The client that the storage gets: locks what is put, signs, and sends through the guard.
#[derive(Clone)]
struct Locking(Arc<Lock>);

/// How requests are locked, signed and sent.
struct Lock {
    credential: AwsCredential,
    region: String,
    mode: LockMode,
    lock: Duration,
    client: HttpClient,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for Locking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Locking")
            .field("mode", &self.0.mode)
            .field("lock", &self.0.lock)
            .finish_non_exhaustive()
    }
}

impl HttpConnector for Locking {
    fn connect(&self, _options: &ClientOptions) -> object_store::Result<StoreClient> {
        Ok(StoreClient::new(self.clone()))
    }
}

#[async_trait]
impl HttpService for Locking {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let request = self.0.prepare(request).await?;
        let exchange = self
            .0
            .client
            .exchange(request, ANSWER_BYTES_MAX, PUT_TIMEOUT);
        let answer = exchange.await.map_err(failed)?;
        Ok(answer.map(Into::into))
    }
}

impl Lock {
    /// The request as it goes out.
    async fn prepare(&self, request: HttpRequest) -> Result<Request<Bytes>, HttpError> {
        let (mut parts, body) = request.into_parts();
        // In one piece: of several, the signature would cover none.
        let bytes = body.collect().await?.to_bytes();
        if parts.method == Method::PUT {
            let until = self.clock.now().checked_add(self.lock).map_err(unusable)?;
            let until = until.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
            let until = HeaderValue::try_from(until).map_err(unusable)?;
            let checksum = HeaderValue::from_static("SHA256");
            parts.headers.insert(CHECKSUM, checksum);
            parts.headers.insert(LOCK_MODE, self.mode.header());
            parts.headers.insert(LOCK_UNTIL, until);
        }
        let mut request = HttpRequest::from_parts(parts, HttpRequestBody::from(bytes.clone()));
        AwsAuthorizer::new(&self.credential, "s3", &self.region)
            .try_authorize(&mut request, None)
            .map_err(unusable)?;
        Ok(request.map(|_| bytes))
    }
}

fn unusable(error: impl std::error::Error + Send + Sync + 'static) -> HttpError {
    HttpError::new(HttpErrorKind::Unknown, error)
}

fn failed(error: FetchError) -> HttpError {
    let kind = match &error {
        FetchError::Egress(_) => HttpErrorKind::Connect,
        FetchError::Broken => HttpErrorKind::Interrupted,
        FetchError::TimedOut => HttpErrorKind::Timeout,
        FetchError::Status(_) | FetchError::TooLarge(_) => HttpErrorKind::Decode,
    };
    HttpError::new(kind, error)
}
