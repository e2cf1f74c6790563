//! `/device-reports`: a device management system tells which devices are in order.
//!
//! Its posts are signed as Standard Webhooks say (`webhook-id`, `webhook-timestamp`, `webhook-signature`).

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{ConnectInfo, DefaultBodyLimit, State};
use axum::routing::post;
use axum::{Extension, Router};
use http::{HeaderMap, StatusCode};
use sekimori_audit::note;
use sekimori_domain::ids::CorrelationId;
use sekimori_domain::record::{EventKind, OutcomeNote, OutcomeStatus};
use sekimori_identity::{DeviceReports, ReportError, SignedReport, TrustedReport};
use serde_json::json;

use crate::control::Control;
use crate::problem::Problem;
use crate::scim::Failures;

/// Largest report: a thousand devices.
const BODY_BYTES_MAX: usize = 1024 * 1024;

/// The routes of this area.
pub(crate) fn routes() -> Router<Arc<Control>> {
    Router::new()
        .route("/device-reports", post(take))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(Extension(Arc::new(Failures::default())))
}

async fn take(
    State(control): State<Arc<Control>>,
    Extension(failures): Extension<Arc<Failures>>,
    Extension(correlation): Extension<CorrelationId>,
    peer: Option<Extension<ConnectInfo<SocketAddr>>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<StatusCode, Problem> {
    let Some(reports) = &control.device_reports else {
        return Err(Problem::not_found("device management system"));
    };
    let text = |name: &str| {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default()
    };
    let checked = reports.check(SignedReport {
        id: text("webhook-id"),
        timestamp: text("webhook-timestamp"),
        signature: text("webhook-signature"),
        body: &body,
    });
    let ip = peer.map(|Extension(ConnectInfo(peer))| peer.ip().to_canonical());
    let error = match &checked {
        Ok(report) => return apply(&control, reports, report, correlation).await,
        Err(error) => error,
    };
    // Anybody can cause these records, so there are few of them.
    let minute = control.clock.monotonic().as_secs() / 60;
    if failures.admit(minute) {
        let record = control
            .audit
            .open(EventKind::DeviceReport, correlation, None)?;
        record.detail("ip", json!(ip));
        record.close(refused(error)).await?;
    }
    Err(problem(error))
}

async fn apply(
    control: &Control,
    reports: &DeviceReports,
    report: &TrustedReport,
    correlation: CorrelationId,
) -> Result<StatusCode, Problem> {
    let record = control
        .audit
        .open(EventKind::DeviceReport, correlation, None)?;
    record.detail("devices", json!(report.devices.len()));
    record.intent().await?;
    let taken = reports.take(report).await;
    let outcome = match &taken {
        Ok(()) => note::ended(OutcomeStatus::Success),
        Err(error) => refused(error),
    };
    record.close(outcome).await?;
    taken.map_err(|error| problem(&error))?;
    Ok(StatusCode::NO_CONTENT)
}

fn refused(error: &ReportError) -> OutcomeNote {
    let status = match error {
        ReportError::Store(_) => OutcomeStatus::Error,
        ReportError::NotAccepted | ReportError::Invalid(_) => OutcomeStatus::Refused,
    };
    OutcomeNote {
        message: Some(error.to_string()),
        ..note::ended(status)
    }
}

fn problem(error: &ReportError) -> Problem {
    match error {
        ReportError::NotAccepted => Problem::new(
            StatusCode::UNAUTHORIZED,
            "unauthenticated",
            error.to_string(),
        ),
        ReportError::Invalid(_) => Problem::bad_request(error.to_string()),
        ReportError::Store(error) => Problem::failure("what was told of devices", error),
    }
}
