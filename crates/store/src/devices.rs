//! What is known of devices.

use async_trait::async_trait;
use sekimori_domain::device::DeviceReport;
use sekimori_domain::digest::Digest;

use crate::error::Result;

/// Most devices.
pub const DEVICES_MAX: u64 = 200_000;
/// Most devices on one page, or told of at once.
pub const DEVICES_PAGE_MAX: u32 = 1_000;

/// Devices, by the digest of their certificates.
#[async_trait]
pub trait Devices: Send + Sync {
    /// Takes over what was told, in place of what was told before; all of it or nothing.
    /// [`Invalid`](crate::StoreError::Invalid) if there would be more than [`DEVICES_MAX`].
    async fn report(&self, reports: &[DeviceReport]) -> Result<()>;

    /// What was last told of a device.
    async fn get(&self, certificate: &Digest) -> Result<Option<DeviceReport>>;

    /// Devices by the digest of their certificates: the first page, or the one after a digest.
    async fn list(&self, after: Option<&str>, limit: u32) -> Result<Vec<DeviceReport>>;
}
