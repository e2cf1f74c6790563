//! `/healthz`, `/readyz` and `/metrics`, on a listener of their own (OPS-3).

use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use metrics_exporter_prometheus::PrometheusHandle;
use sekimori_gateway::Gateway;
use sekimori_store::Store;
use serde_json::json;
use tokio_util::sync::CancellationToken;

/// What the checks look at.
#[derive(Clone)]
pub(crate) struct Operations {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) metrics: PrometheusHandle,
    /// Cancelled when the gate begins to stop: no new work is sent to it.
    pub(crate) draining: CancellationToken,
}

/// The router.
pub(crate) fn router(operations: Operations) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(operations)
}

/// Whether calls can be served: the journal takes records and the gate is not stopping. A database that
/// does not answer is told but does not stop the gate, since the journal is the truth.
async fn ready(State(operations): State<Operations>) -> impl IntoResponse {
    let journal = operations.gateway.audit.is_healthy();
    let store = operations.store.ping().await.is_ok();
    let draining = operations.draining.is_cancelled();
    let connectors: Vec<_> = operations
        .gateway
        .catalog
        .entries()
        .values()
        .map(|entry| {
            let state = entry.state();
            json!({
                "name": entry.connector.name,
                "enabled": entry.connector.enabled,
                "listed": state.discovery.is_some(),
                "problem": state.problem.as_ref().map(ToString::to_string),
            })
        })
        .collect();
    let ready = journal && !draining;
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let body = json!({
        "ready": ready, "journal": journal, "store": store, "draining": draining,
        "connectors": connectors,
    });
    (status, Json(body))
}

async fn metrics(State(operations): State<Operations>) -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, "text/plain; version=0.0.4")],
        operations.metrics.render(),
    )
}
