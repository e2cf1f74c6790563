//! What `cargo xtask bench gate` puts around the gate: an upstream that only echoes, a bare relay to
//! compare with, and a token issuer. Each prints one JSON line with its URL when it is ready.

use std::io::Write;
use std::sync::Arc;

use anyhow::Context;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use clap::Parser;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use sekimori_testkit::fixture;
use sekimori_testkit::issuer::Issuer;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

/// The longest body that the upstream and the relay take.
const BODY_BYTES_MAX: usize = 1 << 20;

/// The programs around the gate in a benchmark
#[derive(Debug, Parser)]
#[command(name = "sekimori-bench-peer")]
enum Arguments {
    /// An MCP server (2026-07-28) with one tool, `echo`, that does as little as it can
    Upstream,
    /// A relay that looks at nothing
    Relay {
        /// The MCP endpoint behind it
        #[arg(long)]
        to: Uri,
    },
    /// A token issuer; also prints one token
    Issuer {
        /// The audience of the token
        #[arg(long)]
        audience: String,
        /// The group that the token's subject is in
        #[arg(long)]
        group: String,
    },
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    match Arguments::parse() {
        Arguments::Upstream => serve(Router::new().route("/mcp", post(echo))).await,
        Arguments::Relay { to } => serve(relay(to)).await,
        Arguments::Issuer { audience, group } => issue(&audience, &group).await,
    }
}

async fn serve(router: Router) -> anyhow::Result<()> {
    let listener = fixture::bind(0).await;
    announce(&json!({ "url": fixture::endpoint(listener.local_addr()?) }))?;
    fixture::run(listener, router, CancellationToken::new()).await;
    Ok(())
}

fn announce(told: &Value) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{told}")?;
    out.flush().context("telling that it is ready")
}

async fn issue(audience: &str, group: &str) -> anyhow::Result<()> {
    let issuer = Issuer::start().await;
    let token = issuer.token(&json!({
        "aud": audience,
        "sub": "bench",
        "client_id": "bench",
        "groups": [group],
        "scope": "mcp:read",
    }));
    announce(&json!({ "url": issuer.url, "token": token }))?;
    std::future::pending().await
}

/// What the upstream needs of a request.
#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    method: &'a str,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
}

/// What the tool needs of its parameters.
#[derive(Deserialize)]
struct Call<'a> {
    #[serde(borrow)]
    arguments: Echo<'a>,
}

#[derive(Deserialize)]
struct Echo<'a> {
    #[serde(borrow)]
    text: &'a RawValue,
}

async fn echo(body: Bytes) -> Response {
    let Ok(request) = serde_json::from_slice::<Request<'_>>(&body) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let Some(id) = request.id else {
        return StatusCode::ACCEPTED.into_response();
    };
    let result = match request.method {
        "tools/call" => call(request.params),
        "tools/list" => Some(list().to_string()),
        "server/discover" => Some(discover().to_string()),
        _ => None,
    };
    let (status, outcome) = match result {
        Some(result) => (StatusCode::OK, format!(r#""result":{result}"#)),
        None => (
            StatusCode::NOT_FOUND,
            r#""error":{"code":-32601,"message":"unknown method"}"#.to_owned(),
        ),
    };
    let answer = format!(r#"{{"jsonrpc":"2.0","id":{id},{outcome}}}"#);
    (status, [(header::CONTENT_TYPE, "application/json")], answer).into_response()
}

fn call(params: Option<&RawValue>) -> Option<String> {
    let call: Call<'_> = serde_json::from_str(params?.get()).ok()?;
    let text = call.arguments.text;
    Some(format!(
        r#"{{"resultType":"complete","content":[{{"type":"text","text":{text}}}]}}"#
    ))
}

fn list() -> Value {
    json!({
        "resultType": "complete", "ttlMs": 60000, "cacheScope": "public",
        "tools": [{
            "name": "echo",
            "description": "Says the same",
            "inputSchema": {
                "type": "object",
                "properties": { "text": { "type": "string" } },
                "required": ["text"],
            },
            "annotations": { "readOnlyHint": true },
        }],
    })
}

fn discover() -> Value {
    json!({
        "resultType": "complete", "ttlMs": 60000, "cacheScope": "public",
        "supportedVersions": ["2026-07-28"],
        "capabilities": { "tools": {} },
        "_meta": { "io.modelcontextprotocol/serverInfo": { "name": "echo", "version": "1" } },
    })
}

/// The relay's connections and its destination.
struct Relay {
    client: Client<HttpConnector, Body>,
    to: Uri,
}

fn relay(to: Uri) -> Router {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client = Client::builder(TokioExecutor::new()).build(connector);
    let state = Arc::new(Relay { client, to });
    Router::new().route("/mcp", post(forward)).with_state(state)
}

async fn forward(State(relay): State<Arc<Relay>>, headers: HeaderMap, body: Bytes) -> Response {
    let mut request = http::Request::post(relay.to.clone());
    for (name, value) in &headers {
        if name != header::HOST && name != header::CONTENT_LENGTH {
            request = request.header(name, value);
        }
    }
    let Ok(request) = request.body(Body::from(body)) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let Ok(answer) = relay.client.request(request).await else {
        return StatusCode::BAD_GATEWAY.into_response();
    };
    let (head, body) = answer.into_parts();
    let body = Body::new(body);
    match axum::body::to_bytes(body, BODY_BYTES_MAX).await {
        Ok(body) => (head.status, head.headers, body).into_response(),
        Err(_) => StatusCode::BAD_GATEWAY.into_response(),
    }
}
