//! Devices: known by the certificate that they showed to a trusted proxy, and in order if a device management system
//! said so lately.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use moka::sync::Cache;
use sekimori_domain::caller::Device;
use sekimori_domain::clock::Clock;
use sekimori_domain::device::DeviceReport;
use sekimori_domain::digest::Digest;
use sekimori_store::{Changes, Devices, Revisions, Store};
use tokio::sync::watch;

/// Most devices that are remembered.
const REMEMBERED_MAX: u64 = 10_000;
/// How long they are remembered, at most.
const REMEMBERED_FOR: Duration = Duration::from_mins(1);

/// What was told of devices.
pub struct KnownDevices {
    store: Arc<dyn Devices>,
    /// Keeps the changes coming.
    _changes: Arc<dyn Changes>,
    revisions: watch::Receiver<Revisions>,
    clock: Arc<dyn Clock>,
    /// How long a report counts.
    counts_for: SignedDuration,
    remembered: Cache<Digest, (u64, Option<DeviceReport>)>,
}

impl fmt::Debug for KnownDevices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KnownDevices").finish_non_exhaustive()
    }
}

impl KnownDevices {
    /// Of this store; a report counts for so long.
    pub fn new(store: &dyn Store, clock: Arc<dyn Clock>, counts_for: SignedDuration) -> Self {
        let changes = store.changes();
        Self {
            store: store.devices(),
            revisions: changes.watch(),
            _changes: changes,
            clock,
            counts_for,
            remembered: Cache::builder()
                .max_capacity(REMEMBERED_MAX)
                .time_to_live(REMEMBERED_FOR)
                .build(),
        }
    }

    /// The device with this certificate. It is managed, because the proxy takes only certificates of managed devices;
    /// what nobody told of it lately is unknown.
    pub(crate) async fn device(&self, certificate: &Digest) -> Device {
        let report = self.report(certificate).await.filter(|report| {
            let end = report.reported_at.checked_add(self.counts_for);
            end.is_ok_and(|end| self.clock.now() < end)
        });
        Device {
            managed: Some(true),
            compliant: report.as_ref().map(|report| report.compliant),
            platform: report.and_then(|report| report.platform),
        }
    }

    async fn report(&self, certificate: &Digest) -> Option<DeviceReport> {
        // Read before the table: a change in between leads to another look, not to a missed one.
        let revision = self.revisions.borrow().devices;
        if let Some((of, report)) = self.remembered.get(certificate)
            && of == revision
        {
            return report;
        }
        match self.store.get(certificate).await {
            Ok(report) => {
                self.remembered
                    .insert(*certificate, (revision, report.clone()));
                report
            }
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "what is known of a device can't be read; it counts as unknown"
                );
                None
            }
        }
    }
}
