//! Messages as text: reading only what is needed, writing exactly what is meant.

use std::borrow::Cow;

use axum::body::Body;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// A received message whose parameters stay the bytes that arrived.
#[derive(Deserialize)]
pub(super) struct Envelope<'a> {
    #[serde(borrow)]
    pub(super) id: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) method: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) params: Option<&'a RawValue>,
}

impl Envelope<'_> {
    /// The parameters as they arrived.
    pub(super) fn raw_params(&self) -> &str {
        self.params.map_or("{}", RawValue::get)
    }

    /// One member of the parameters as it arrived.
    pub(super) fn raw_param(&self, name: &str) -> Option<String> {
        let members: indexmap::IndexMap<String, &RawValue> =
            serde_json::from_str(self.raw_params()).ok()?;
        members.get(name).map(|value| value.get().to_owned())
    }

    pub(super) fn text_param(&self, name: &str) -> Option<String> {
        serde_json::from_str(&self.raw_param(name)?).ok()
    }

    /// One argument of a tool.
    pub(super) fn argument(&self, name: &str) -> Value {
        let arguments = self.raw_param("arguments").unwrap_or_default();
        let arguments: Value = serde_json::from_str(&arguments).unwrap_or_default();
        arguments[name].clone()
    }
}

/// A response whose body is `body`, of the given type.
pub(super) fn respond(status: u16, kind: &'static str, body: impl Into<Body>) -> Response {
    let status = StatusCode::from_u16(status).expect("a valid status");
    (status, [("content-type", kind)], body.into()).into_response()
}

/// A successful response as text. Modern results need their kind.
pub(super) fn result_text(id: &str, modern: bool, result: &str) -> String {
    let kind = if modern && !result.contains(r#""resultType""#) {
        let separator = if result == "{}" { "" } else { "," };
        format!(r#"{{"resultType":"complete"{separator}{}"#, &result[1..])
    } else {
        result.to_owned()
    };
    format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{kind}}}"#)
}

/// A successful response.
pub(super) fn result(id: &str, modern: bool, result: &str) -> Response {
    respond(200, "application/json", result_text(id, modern, result))
}

/// A failed response.
pub(super) fn error(status: u16, id: &str, code: i64, message: &str) -> Response {
    let message = Value::from(message);
    let body =
        format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":{code},"message":{message}}}}}"#);
    respond(status, "application/json", body)
}

/// What a modern-only server says to others.
pub(super) fn unsupported_version(id: &str) -> Response {
    let error = r#"{"code":-32022,"message":"Unsupported protocol version","data":{"supported":["2026-07-28"]}}"#;
    let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#);
    respond(400, "application/json", body)
}

/// One event of a stream.
pub(super) fn event(message: &str) -> String {
    format!("event: message\ndata: {message}\n\n")
}

/// A tool's result with one text.
pub(super) fn text(text: &str) -> String {
    let text = Value::from(text);
    format!(r#"{{"content":[{{"type":"text","text":{text}}}]}}"#)
}
