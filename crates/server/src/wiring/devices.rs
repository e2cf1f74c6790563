//! Devices, for conditional access.

use std::sync::Arc;

use anyhow::Context as _;
use jiff::SignedDuration;
use sekimori_identity::{DeviceReports, KnownDevices};
use sekimori_upstream::Secrets as _;

use crate::installation::Installation;
use crate::system::SystemSecrets;

/// The shortest secret that a device management system signs with.
const DEVICE_SECRET_BYTES_MIN: usize = 24;

/// What is known of devices, if they show certificates.
pub(super) fn known_devices(installation: &Installation) -> Option<KnownDevices> {
    let devices = &installation.config.identity.devices;
    let hours = SignedDuration::from_hours(devices.report_hours.into());
    let clock = Arc::clone(&installation.clock);
    devices
        .certificates
        .then(|| KnownDevices::new(&*installation.store, clock, hours))
}

/// Takes over what a device management system tells, if one may.
pub(super) fn device_reports(installation: &Installation) -> anyhow::Result<Option<DeviceReports>> {
    let Some(reference) = &installation.config.identity.devices.report_secret else {
        return Ok(None);
    };
    let secret = SystemSecrets
        .resolve(reference)
        .context("identity.devices.report_secret")?;
    anyhow::ensure!(
        secret.len() >= DEVICE_SECRET_BYTES_MIN,
        "identity.devices.report_secret is shorter than {DEVICE_SECRET_BYTES_MIN} bytes"
    );
    let clock = Arc::clone(&installation.clock);
    Ok(Some(DeviceReports::new(
        secret,
        &*installation.store,
        clock,
    )))
}
