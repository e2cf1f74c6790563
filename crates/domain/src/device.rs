//! What a device management system tells of devices (AUTHZ-3).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::digest::Digest;

/// What was last told of a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceReport {
    /// SHA-256 of the certificate by which the device is known.
    pub certificate: Digest,
    /// Its name, for people to read.
    #[serde(default)]
    pub name: Option<String>,
    /// Whether it is in the state the company asks for.
    pub compliant: bool,
    /// Operating system.
    #[serde(default)]
    pub platform: Option<String>,
    /// When this was told.
    pub reported_at: Timestamp,
}
