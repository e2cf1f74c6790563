//! An MCP server that answers wrongly on purpose, or with bytes which no typed model would preserve.
//!
//! It uses no MCP library: what it sends is written out as text. One endpoint, `/mcp`, speaks both eras
//! unless pinned to one. Tests look at it from outside through `/counter` (how often each tool was
//! called) and change its tool definitions through `/definitions/{version}`. Over standard input and output
//! it has a few more tools, for what only a child process can do wrong.

mod answers;
mod definitions;
mod effects;
mod stdio;
mod wire;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{DefaultBodyLimit, Path as UrlPath, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use tokio_util::sync::CancellationToken;

use self::effects::Effects;
use self::wire::{Envelope, error, result};
use crate::fixture::{Era, Local};

pub use self::answers::{DEEP_LEVELS, ODD_ERROR, ODD_RESULT};
pub use self::definitions::ODD_TOOL;
pub use self::stdio::serve as stdio;

/// The largest request that is accepted.
const LARGEST_REQUEST: usize = 256 << 20;

/// The methods which a server must not answer with status 404 when it lists nothing.
const EMPTY_LISTS: &[(&str, &str)] = &[
    ("resources/list", r#"{"resources":[]}"#),
    ("resources/templates/list", r#"{"resourceTemplates":[]}"#),
    ("prompts/list", r#"{"prompts":[]}"#),
    ("ping", "{}"),
];

struct Shared {
    era: Era,
    effects: Option<Effects>,
    counts: Mutex<BTreeMap<String, u64>>,
    definitions: AtomicU64,
    sessions: AtomicU64,
}

type Server = State<Arc<Shared>>;

impl Shared {
    fn new(effects: Option<&Path>, era: Era) -> Arc<Self> {
        Arc::new(Self {
            era,
            effects: effects.map(Effects::open),
            counts: Mutex::default(),
            definitions: AtomicU64::new(0),
            sessions: AtomicU64::new(0),
        })
    }
}

/// The fault server as an HTTP service. The tool `side_effect` appends to the file `effects`.
pub fn router(effects: Option<&Path>, era: Era) -> Router {
    let shared = Shared::new(effects, era);
    Router::new()
        .route("/mcp", post(endpoint))
        .route("/counter", get(counter))
        .route("/definitions/{version}", post(set_definitions))
        .layer(DefaultBodyLimit::max(LARGEST_REQUEST))
        .with_state(shared)
}

/// Starts the fault server inside this process.
pub async fn start(effects: Option<&Path>, era: Era) -> Local {
    Local::serve(router(effects, era), CancellationToken::new()).await
}

async fn counter(State(shared): Server) -> Json<BTreeMap<String, u64>> {
    let counts = shared.counts.lock().unwrap_or_else(PoisonError::into_inner);
    Json(counts.clone())
}

async fn set_definitions(State(shared): Server, UrlPath(version): UrlPath<u64>) {
    shared.definitions.store(version, Ordering::SeqCst);
}

async fn endpoint(State(shared): Server, headers: HeaderMap, body: Bytes) -> Response {
    let modern = headers
        .get("mcp-protocol-version")
        .is_some_and(|version| version.as_bytes() >= b"2026-07-28".as_slice());
    let Ok(message) = serde_json::from_slice::<Envelope<'_>>(&body) else {
        return error(400, "null", -32700, "Parse error");
    };
    answer(&shared, modern, &message).await
}

async fn answer(shared: &Shared, modern: bool, message: &Envelope<'_>) -> Response {
    let (Some(id), Some(method)) = (message.id, message.method.as_deref()) else {
        return StatusCode::ACCEPTED.into_response();
    };
    let id = id.get();
    match (shared.era, modern) {
        (Era::Legacy, true) => {
            return error(
                400,
                "null",
                -32000,
                "Bad Request: Unsupported protocol version",
            );
        }
        (Era::Modern, false) => {
            return wire::unsupported_version(id);
        }
        _ => {}
    }
    match method {
        "initialize" if !modern => initialize(shared, id, message),
        "server/discover" if modern => result(id, modern, definitions::DISCOVER),
        "tools/list" => {
            let version = shared.definitions.load(Ordering::SeqCst);
            result(id, modern, &definitions::list(version))
        }
        "tools/call" => call(shared, modern, id, message).await,
        _ => match EMPTY_LISTS.iter().find(|(name, _)| *name == method) {
            Some((_, empty)) => result(id, modern, empty),
            None => error(
                if modern { 404 } else { 200 },
                id,
                -32601,
                "Method not found",
            ),
        },
    }
}

fn initialize(shared: &Shared, id: &str, message: &Envelope<'_>) -> Response {
    let number = shared.sessions.fetch_add(1, Ordering::SeqCst);
    let version = message.text_param("protocolVersion");
    let version = version.as_deref().unwrap_or("2025-11-25");
    let mut response = result(id, false, &definitions::initialize(version));
    let session = format!("faults-{number}");
    response
        .headers_mut()
        .insert("mcp-session-id", session.parse().expect("a valid header"));
    response
}

async fn call(shared: &Shared, modern: bool, id: &str, message: &Envelope<'_>) -> Response {
    let name = message.text_param("name").unwrap_or_default();
    {
        let mut counts = shared.counts.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry(name.clone()).or_default() += 1;
    }
    if name == "side_effect" {
        return match &shared.effects {
            Some(effects) => match effects.append(message).await {
                Ok(line) => result(id, modern, &wire::text(&line)),
                Err(failure) => error(500, id, -32603, &failure.to_string()),
            },
            None => error(500, id, -32603, "started without a file for effects"),
        };
    }
    let vanished = shared.definitions.load(Ordering::SeqCst) >= 2;
    match answers::find(&name).filter(|_| name != "vanishing" || !vanished) {
        Some(answer) => answer(answers::Request {
            id,
            modern,
            message,
        }),
        None => error(200, id, -32602, "Unknown tool"),
    }
}
