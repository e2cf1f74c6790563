//! What the server decides about the face.

use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use sekimori_domain::limits;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Settings of the face.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Host names under which the gate may be addressed, without port. Anything else is DNS rebinding.
    pub allowed_hosts: Arc<[String]>,
    /// Web origins (`https://inspector.example.com`) whose pages may call, besides the gate's own.
    pub allowed_origins: Arc<[String]>,
    /// Proxies that tell the truth about where a request came from.
    pub trusted_proxies: Arc<[IpNet]>,
    /// Whether they also tell which certificate the device showed to them (`Client-Cert`, RFC 9440).
    pub device_certificates: bool,
    /// Largest request body.
    pub request_bytes_max: usize,
    /// How long a body may take to arrive.
    pub body_timeout: Duration,
    /// Pause between two signs of life on an open stream.
    pub keep_alive: Duration,
    /// Most items of one page of a list.
    pub page_items_max: usize,
    /// How long a list may be used by a client before it asks again.
    pub list_ttl: Duration,
    /// Most legacy sessions.
    pub sessions_max: usize,
    /// Most legacy sessions of one principal.
    pub sessions_per_principal_max: usize,
    /// How long an unused legacy session lives.
    pub session_idle: Duration,
    /// Cancelled when the gate shuts down: open streams end, with a word where the protocol has one.
    pub shutdown: CancellationToken,
    /// All requests under way, so that the shutdown can wait for their records.
    pub tasks: TaskTracker,
    /// Issuers whose access tokens are accepted, for the protected-resource metadata.
    pub issuers: Arc<[String]>,
}

impl Default for Settings {
    fn default() -> Self {
        let loopback = ["localhost", "127.0.0.1", "[::1]"];
        Self {
            allowed_hosts: loopback.map(str::to_owned).into(),
            allowed_origins: Arc::new([]),
            trusted_proxies: Arc::new([]),
            device_certificates: false,
            request_bytes_max: limits::REQUEST_BYTES_MAX,
            body_timeout: limits::REQUEST_BODY_TIMEOUT,
            keep_alive: Duration::from_secs(15),
            page_items_max: 1_000,
            list_ttl: Duration::from_mins(1),
            sessions_max: limits::SESSIONS_MAX,
            sessions_per_principal_max: limits::SESSIONS_PER_PRINCIPAL_MAX,
            session_idle: limits::SESSION_IDLE,
            shutdown: CancellationToken::new(),
            tasks: TaskTracker::new(),
            issuers: Arc::new([]),
        }
    }
}
