//! What a device management system posts: signed as Standard Webhooks say, taken once, all of it or nothing.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use sekimori_domain::clock::Clock;
use sekimori_domain::device::DeviceReport;
use sekimori_domain::digest::Digest;
use sekimori_domain::json::{self, JsonLimits};
use sekimori_store::{DEVICES_PAGE_MAX, Devices, SignIns, Store, StoreError};
use serde::Deserialize;
use zeroize::Zeroizing;

/// How far the time of a message may be off.
const SKEW: SignedDuration = SignedDuration::from_mins(5);
/// Longest id of a message, name or platform of a device.
const TEXT_CHARS_MAX: usize = 200;
const LIMITS: JsonLimits = JsonLimits {
    depth_max: 8,
    members_max: 20_000,
};

/// A message as it came.
#[derive(Debug, Clone, Copy)]
pub struct SignedReport<'a> {
    /// `webhook-id`.
    pub id: &'a str,
    /// `webhook-timestamp`, in seconds.
    pub timestamp: &'a str,
    /// `webhook-signature`: one or several, with spaces between them.
    pub signature: &'a str,
    /// The body.
    pub body: &'a [u8],
}

/// Nothing was taken over. Messages hold nothing of the body.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The signature is not good, the message is old, or it came before.
    #[error("the message is not signed with the secret of this gate, is too old, or came before")]
    NotAccepted,
    /// The body can't be read.
    #[error("{0}")]
    Invalid(&'static str),
    /// The store could not do it.
    #[error("what was told of devices can't be kept now")]
    Store(#[from] StoreError),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    devices: Vec<Told>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Told {
    certificate_sha256: String,
    compliant: bool,
    platform: Option<String>,
    name: Option<String>,
}

/// Takes over what a device management system tells.
pub struct DeviceReports {
    secret: Zeroizing<Vec<u8>>,
    devices: Arc<dyn Devices>,
    seen: Arc<dyn SignIns>,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for DeviceReports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceReports").finish_non_exhaustive()
    }
}

/// What a message tells that was found to be good.
#[derive(Debug)]
pub struct TrustedReport {
    /// Of the message, to be taken once.
    id: Digest,
    until: Timestamp,
    /// The devices.
    pub devices: Vec<DeviceReport>,
}

impl DeviceReports {
    /// Signed with this secret.
    pub fn new(secret: String, store: &dyn Store, clock: Arc<dyn Clock>) -> Self {
        Self {
            secret: Zeroizing::new(secret.into_bytes()),
            devices: store.devices(),
            seen: store.sign_ins(),
            clock,
        }
    }

    /// Checks a message. Nothing is changed.
    pub fn check(&self, message: SignedReport<'_>) -> Result<TrustedReport, ReportError> {
        let sent_at = message.timestamp.parse().ok();
        let sent_at = sent_at.and_then(|seconds| Timestamp::from_second(seconds).ok());
        let sent_at = sent_at.ok_or(ReportError::NotAccepted)?;
        let in_time = self.clock.now().duration_since(sent_at).abs() <= SKEW;
        let named = !message.id.is_empty() && message.id.len() <= TEXT_CHARS_MAX;
        if !in_time || !named || !is_signed(&self.secret, message) {
            return Err(ReportError::NotAccepted);
        }
        Ok(TrustedReport {
            id: Digest::of(message.id.as_bytes()),
            until: sent_at.checked_add(SKEW * 2).unwrap_or(Timestamp::MAX),
            devices: read(message.body, sent_at)?,
        })
    }

    /// Takes over what it tells, once.
    pub async fn take(&self, report: &TrustedReport) -> Result<(), ReportError> {
        let (id, until, now) = (&report.id, report.until, self.clock.now());
        let first = self.seen.first_time("device report", id, until, now).await;
        if !first? {
            return Err(ReportError::NotAccepted);
        }
        Ok(self.devices.report(&report.devices).await?)
    }
}

fn is_signed(secret: &[u8], message: SignedReport<'_>) -> bool {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let mut signed = format!("{}.{}.", message.id, message.timestamp).into_bytes();
    signed.extend_from_slice(message.body);
    message
        .signature
        .split_ascii_whitespace()
        .take(4)
        .filter_map(|one| STANDARD.decode(one.strip_prefix("v1,")?).ok())
        .any(|tag| hmac::verify(&key, &signed, &tag).is_ok())
}

fn read(body: &[u8], reported_at: Timestamp) -> Result<Vec<DeviceReport>, ReportError> {
    let unreadable = ReportError::Invalid("use {\"devices\": [{certificate_sha256, compliant}]}");
    let Ok(text) = json::compact(body, LIMITS) else {
        return Err(unreadable);
    };
    let Ok(body) = serde_json::from_str::<Body>(&text) else {
        return Err(unreadable);
    };
    let most = usize::try_from(DEVICES_PAGE_MAX).unwrap_or(usize::MAX);
    if body.devices.is_empty() || body.devices.len() > most {
        return Err(ReportError::Invalid("tell of 1 to 1000 devices at once"));
    }
    let short = |text: &Option<String>| {
        text.as_ref()
            .is_none_or(|text| text.chars().count() <= TEXT_CHARS_MAX)
    };
    body.devices
        .into_iter()
        .map(|told| {
            if !short(&told.platform) || !short(&told.name) {
                return Err(ReportError::Invalid("a name or platform is too long"));
            }
            let certificate: Result<Digest, _> = told.certificate_sha256.parse();
            Ok(DeviceReport {
                certificate: certificate.map_err(|_| {
                    ReportError::Invalid("certificate_sha256 is 64 hexadecimal digits")
                })?,
                name: told.name,
                compliant: told.compliant,
                platform: told.platform,
                reported_at,
            })
        })
        .collect()
}
