//! `sekimori-load`: what the gate is measured with: an echo upstream, a bare relay, and a closed-loop
//! load generator. All on loopback, bounded in count and time.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measuring tool: it reads the real clock, prints its result, and stops loudly"
)]

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use clap::{Parser, Subcommand};
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::json;
use serde_json::value::RawValue;
use tokio::net::TcpListener;

/// Longest measurement.
const SECONDS_MAX: u64 = 120;

/// Measures gateways of MCP tool calls.
#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// An MCP server (2026-07-28) whose tool `echo` returns its text: as little work as possible
    Echo,
    /// A bare axum relay to an upstream: the baseline that a gate is compared with
    Relay {
        /// Address of the upstream
        upstream: String,
    },
    /// Calls a tool again and again, each caller waiting for its answer
    Run {
        /// Address of the MCP endpoint
        url: String,
        /// Tool to call
        #[arg(long, default_value = "echo")]
        tool: String,
        /// Callers at the same time
        #[arg(long, default_value_t = 64)]
        callers: usize,
        /// How long to measure
        #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=SECONDS_MAX))]
        seconds: u64,
        /// Bearer token
        #[arg(long)]
        token: Option<String>,
        /// Process whose CPU time is read before and after
        #[arg(long)]
        pid: Option<u32>,
    },
}

#[tokio::main]
async fn main() {
    match Cli::parse().command {
        Command::Echo => echo().await,
        Command::Relay { upstream } => relay(upstream).await,
        Command::Run { url, tool, callers, seconds, token, pid } => {
            let plan = Plan { url, tool, callers, seconds, token, pid };
            println!("{}", run(plan).await);
        }
    }
}

async fn listen() -> TcpListener {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    println!("{}", json!({"url": format!("http://{address}/mcp")}));
    listener
}

#[derive(serde::Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    method: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
}

async fn echo() {
    let listener = listen().await;
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        stream.set_nodelay(true).unwrap();
        tokio::spawn(async move {
            let service = service_fn(|request: Request<Incoming>| async move {
                let body = request.into_body().collect().await.map(http_body_util::Collected::to_bytes);
                let (status, text) = match &body {
                    Ok(bytes) => answer(bytes),
                    Err(_) => (StatusCode::BAD_REQUEST, String::new()),
                };
                let mut response = http::Response::new(Full::new(Bytes::from(text)));
                *response.status_mut() = status;
                let kind = header::HeaderValue::from_static("application/json");
                response.headers_mut().insert(header::CONTENT_TYPE, kind);
                Ok::<_, Infallible>(response)
            });
            // A caller that hangs up ends its connection, and only that.
            drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
        });
    }
}

fn answer(bytes: &[u8]) -> (StatusCode, String) {
    #[derive(serde::Deserialize)]
    struct Params<'a> {
        #[serde(borrow)]
        arguments: Option<Arguments<'a>>,
    }
    #[derive(serde::Deserialize)]
    struct Arguments<'a> {
        #[serde(borrow)]
        text: Option<&'a RawValue>,
    }
    let Ok(envelope) = serde_json::from_slice::<Envelope<'_>>(bytes) else {
        return (StatusCode::BAD_REQUEST, String::new());
    };
    let id = envelope.id.map_or("null", RawValue::get);
    let result = match envelope.method.as_ref() {
        "server/discover" => r#"{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"serverInfo":{"name":"echo","version":"1"},"ttlMs":60000,"cacheScope":"public"}"#.to_owned(),
        "tools/list" => r#"{"resultType":"complete","ttlMs":60000,"cacheScope":"public","tools":[{"name":"echo","description":"returns its text","annotations":{"readOnlyHint":true},"inputSchema":{"type":"object","properties":{"text":{"type":"string"}},"required":["text"]}}]}"#.to_owned(),
        "tools/call" => {
            let params = envelope.params.and_then(|raw| serde_json::from_str::<Params<'_>>(raw.get()).ok());
            let text = params.and_then(|params| params.arguments).and_then(|given| given.text);
            let text = text.map_or("\"\"", RawValue::get);
            format!(r#"{{"resultType":"complete","content":[{{"type":"text","text":{text}}}]}}"#)
        }
        _ => {
            let error = r#"{"code":-32601,"message":"method not found"}"#;
            return (StatusCode::NOT_FOUND, format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#));
        }
    };
    (StatusCode::OK, format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#))
}

type HttpClient = Client<HttpConnector, Full<Bytes>>;

fn client() -> HttpClient {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    Client::builder(TokioExecutor::new()).build(connector)
}

async fn relay(upstream: String) {
    let state = Arc::new((client(), upstream));
    let router = Router::new().route("/mcp", post(pass)).with_state(state);
    let listener = listen().await;
    let listener = axum::serve::ListenerExt::tap_io(listener, |stream| stream.set_nodelay(true).unwrap());
    axum::serve(listener, router).await.unwrap();
}

async fn pass(
    State(state): State<Arc<(HttpClient, String)>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    // As much as the least gateway does: read the envelope, then send it on.
    if serde_json::from_slice::<Envelope<'_>>(&body).is_err() {
        return StatusCode::BAD_REQUEST.into_response();
    }
    let mut request = Request::post(&state.1);
    for name in ["content-type", "accept", "mcp-protocol-version", "mcp-method", "mcp-name"] {
        if let Some(value) = headers.get(name) {
            request = request.header(name, value);
        }
    }
    let request = request.body(Full::new(body)).unwrap();
    match state.0.request(request).await {
        Ok(response) => response.map(Body::new),
        Err(_) => StatusCode::BAD_GATEWAY.into_response(),
    }
}

struct Plan {
    url: String,
    tool: String,
    callers: usize,
    seconds: u64,
    token: Option<String>,
    pid: Option<u32>,
}

async fn run(plan: Plan) -> String {
    let client = client();
    let payload = "x".repeat(64);
    let body = json!({
        "jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": {
            "name": plan.tool, "arguments": {"text": payload},
            "_meta": {
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientCapabilities": {},
                "io.modelcontextprotocol/clientInfo": {"name": "load", "version": "1"},
            },
        },
    });
    let body = Bytes::from(body.to_string());
    let plan = Arc::new(plan);
    let failures = Arc::new(AtomicU64::new(0));
    let begin = Instant::now() + Duration::from_millis(500);
    let end = begin + Duration::from_secs(plan.seconds);
    let mut tasks = Vec::new();
    for _ in 0..plan.callers {
        let (client, plan, body) = (client.clone(), Arc::clone(&plan), body.clone());
        let failures = Arc::clone(&failures);
        tasks.push(tokio::spawn(async move {
            let mut taken = Vec::new();
            while Instant::now() < end {
                let started = Instant::now();
                let good = call(&client, &plan, body.clone()).await;
                if started < begin {
                    continue; // warming up
                }
                if good {
                    taken.push(u32::try_from(started.elapsed().as_micros()).unwrap_or(u32::MAX));
                } else {
                    failures.fetch_add(1, Ordering::Relaxed);
                }
            }
            taken
        }));
    }
    tokio::time::sleep_until(begin.into()).await;
    let before = plan.pid.map(cpu_ticks);
    tokio::time::sleep_until(end.into()).await;
    let after = plan.pid.map(cpu_ticks);
    let mut taken = Vec::new();
    for task in tasks {
        taken.extend(task.await.unwrap());
    }
    taken.sort_unstable();
    let calls = taken.len();
    let at = |share: f64| -> f64 {
        #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index below a count of calls")]
        let index = ((calls as f64) * share) as usize;
        f64::from(taken.get(index.min(calls.saturating_sub(1))).copied().unwrap_or_default()) / 1000.0
    };
    #[expect(clippy::cast_precision_loss, reason = "counts of calls")]
    let per_second = calls as f64 / Duration::from_secs(plan.seconds).as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a hundredth of a second is 10,000 µs")]
    let cpu_us = before.zip(after).map(|(before, after)| {
        after.saturating_sub(before) as f64 * 10_000.0 / (calls.max(1) as f64)
    });
    json!({
        "callers": plan.callers, "calls": calls, "failures": failures.load(Ordering::Relaxed),
        "calls_per_second": per_second, "p50_ms": at(0.50), "p99_ms": at(0.99), "cpu_us_per_call": cpu_us,
    })
    .to_string()
}

async fn call(client: &HttpClient, plan: &Plan, body: Bytes) -> bool {
    let mut request = Request::post(&plan.url)
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::ACCEPT, "application/json, text/event-stream")
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", "tools/call")
        .header("mcp-name", &plan.tool);
    if let Some(token) = &plan.token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    let request = request.body(Full::new(body)).unwrap();
    let Ok(response) = client.request(request).await else { return false };
    let good = response.status() == StatusCode::OK;
    match response.into_body().collect().await {
        Ok(body) => good && body.to_bytes().windows(8).any(|window| window == b"xxxxxxxx"),
        Err(_) => false,
    }
}

/// User and system time of a process in clock ticks (1/100 s on Linux), from `/proc` (proc(5)).
fn cpu_ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let after_name = stat.rsplit_once(')').unwrap().1;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let tick = |index: usize| fields.get(index).and_then(|f| f.parse::<u64>().ok()).unwrap_or(0);
    tick(11) + tick(12)
}
