//! Metrics of the data plane, under the names of OpenTelemetry's semantic conventions for MCP (OPS-3).

use std::time::Duration;

use sekimori_domain::refusal::Refusal;

use crate::request::{Answer, CallReply};

/// How long calls take: `mcp.server.operation.duration` in seconds, by method and, where a call did not
/// succeed, by `error.type`. Tools are not a label: a large catalogue would make too many series.
const DURATION: &str = "mcp_server_operation_duration_seconds";
/// Calls and other requests turned back by the gate, by refusal code and stage.
const REFUSALS: &str = "sekimori_refusals_total";

/// Measures one finished call.
pub(crate) fn measure(method: &'static str, reply: &CallReply, took: Duration) {
    let error = match &reply.answer {
        Answer::Result(_) => "",
        Answer::Error(_) => "upstream_error",
        Answer::Refused(refusal) => refusal.code.as_str(),
    };
    metrics::histogram!(DURATION, "mcp_method_name" => method, "error_type" => error)
        .record(took.as_secs_f64());
    if let Answer::Refused(refusal) = &reply.answer {
        count(refusal);
    }
}

/// Counts one refusal.
pub(crate) fn count(refusal: &Refusal) {
    let (code, stage) = (refusal.code.as_str(), refusal.stage.as_str());
    metrics::counter!(REFUSALS, "code" => code, "stage" => stage).increment(1);
}
