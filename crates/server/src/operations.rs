//! `/healthz`, `/readyz` and `/metrics`, on a listener of their own (OPS-3).

use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use metrics_exporter_prometheus::PrometheusHandle;
use sekimori_audit::time_stamps::STATE_PREFIX;
use sekimori_domain::Timestamp;
use sekimori_gateway::Gateway;
use sekimori_store::Store;
use sekimori_upstream::BreakerState;
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
            let health = entry.upstream.health();
            json!({
                "name": entry.connector.name,
                "enabled": entry.connector.enabled,
                "listed": state.discovery.is_some(),
                "problem": state.problem.as_ref().map(ToString::to_string),
                "breaker": health.breaker.as_str(),
                "failures": health.failures,
                "held_back_seconds": health.held_back_for.map(|left| left.as_secs_f64().ceil()),
                "retries": health.retries,
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

/// How far each sink of this node is behind, and when the log was time-stamped last.
async fn sink_metrics(operations: &Operations, records: u64) {
    let Ok(states) = operations.store.audit_sinks().list().await else {
        // Whether the database answers is told elsewhere.
        return;
    };
    let node = operations.gateway.audit.node();
    for state in states.into_iter().filter(|state| state.node == node) {
        if let Some(authority) = state.name.strip_prefix(STATE_PREFIX) {
            let at = state.delivered_at.map_or(0, Timestamp::as_second);
            let at = f64::from(u32::try_from(at).unwrap_or_default());
            let authority = authority.to_owned();
            metrics::gauge!("sekimori_audit_time_stamped_seconds", "authority" => authority)
                .set(at);
            continue;
        }
        let lag = records.saturating_sub(state.cursor);
        let lag = f64::from(u32::try_from(lag).unwrap_or(u32::MAX));
        metrics::gauge!("sekimori_audit_sink_lag_records", "sink" => state.name).set(lag);
    }
}

async fn metrics(State(operations): State<Operations>) -> impl IntoResponse {
    let audit = operations.gateway.audit.status();
    let gauge = |name: &'static str, value: u64| {
        metrics::gauge!(name).set(f64::from(u32::try_from(value).unwrap_or(u32::MAX)));
    };
    gauge("sekimori_audit_healthy", u64::from(audit.healthy));
    gauge("sekimori_audit_index_lag_records", audit.index_lag);
    gauge("sekimori_audit_open_intents", audit.open_intents);
    gauge("sekimori_audit_lost_records", audit.lost);
    let unsigned = audit.records.saturating_sub(audit.signed);
    gauge("sekimori_audit_unsigned_records", unsigned);
    let unpublished = audit.records.saturating_sub(audit.published.size);
    gauge("sekimori_audit_unpublished_records", unpublished);
    gauge("sekimori_audit_alarm", u64::from(audit.published.alarm));
    sink_metrics(&operations, audit.records).await;
    metrics::counter!("sekimori_audit_records_total").absolute(audit.records);
    let in_flight = u64::try_from(operations.gateway.calls_in_flight()).unwrap_or(u64::MAX);
    gauge("sekimori_calls_in_flight", in_flight);
    for entry in operations.gateway.catalog.entries().values() {
        let state = entry.state();
        let up = state.discovery.is_some() && state.problem.is_none();
        let name = entry.connector.name.to_string();
        let health = entry.upstream.health();
        let breaker: u8 = match health.breaker {
            BreakerState::Closed => 0,
            BreakerState::HalfOpen => 1,
            BreakerState::Open => 2,
        };
        let gauge = metrics::gauge!("sekimori_connector_breaker", "connector" => name.clone());
        gauge.set(f64::from(breaker));
        let retries =
            metrics::counter!("sekimori_connector_retries_total", "connector" => name.clone());
        retries.absolute(health.retries);
        metrics::gauge!("sekimori_connector_up", "connector" => name).set(f64::from(u8::from(up)));
    }
    (
        [(header::CONTENT_TYPE, "text/plain; version=0.0.4")],
        operations.metrics.render(),
    )
}
