//! What is known of devices (AUTHZ-3).

use std::sync::Arc;

use axum::extract::State;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::Problems;
use super::access::{Allowed, ViewPeople};
use super::list::{List, Part};
use crate::control::Control;
use crate::extract::{Json, Query};
use crate::problem::Problem;

/// A device, as the device management system last told of it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Device)]
pub(crate) struct DeviceView {
    /// SHA-256 of its certificate: 64 hexadecimal digits.
    certificate_sha256: String,
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// Whether it is in the state the company asks for.
    compliant: bool,
    /// Operating system.
    #[serde(skip_serializing_if = "Option::is_none")]
    platform: Option<String>,
    /// When this was told. It counts for `identity.devices.report_hours`.
    reported_at: Timestamp,
}

/// List devices
///
/// By the digest of their certificates.
#[utoipa::path(
    get, path = "/api/v1/devices", tag = "people", operation_id = "listDevices", params(Part),
    responses((status = 200, body = List<DeviceView>), Problems),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn list_devices(
    _: Allowed<ViewPeople>,
    State(control): State<Arc<Control>>,
    Query(part): Query<Part>,
) -> Result<Json<List<DeviceView>>, Problem> {
    let window = part.window()?;
    let devices = control.store.devices();
    let found = devices
        .list(window.after.as_deref(), window.wanted())
        .await?;
    let page = window.page(found, |device| device.certificate.hex());
    Ok(Json(page.map(|device| DeviceView {
        certificate_sha256: device.certificate.hex(),
        name: device.name,
        compliant: device.compliant,
        platform: device.platform,
        reported_at: device.reported_at,
    })))
}
