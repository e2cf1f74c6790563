//! The same faults over standard input and output, and those that only a child process can have.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use axum::response::Response;
use http_body_util::BodyExt;
use serde_json::{Map, Value};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Stdout};
use tokio::signal::unix::{SignalKind, signal};

use super::Shared;
use super::wire::{Envelope, result_text, text};
use crate::fixture::Era;

/// How a crashing server ends.
const CRASH: i32 = 3;
/// How much `hoard` takes when the caller does not say: one gibibyte.
const HOARD: u64 = 1 << 30;

type Out = Arc<tokio::sync::Mutex<Stdout>>;

/// Memory that is never given back.
static HOARDED: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

/// Serves until the input ends. A stubborn server then stays, and ignores SIGTERM as well.
///
/// Additional tools: `crash` ends the process, `noise` writes lines which are not JSON, `half_line` never
/// ends its line, `hoard` takes memory, `environment` returns the environment.
pub async fn serve(effects: Option<&Path>, era: Era, stubborn: bool) -> anyhow::Result<()> {
    let shared = Shared::new(effects, era);
    let out = Arc::new(tokio::sync::Mutex::new(tokio::io::stdout()));
    // From now on the signal no longer ends the process; nobody looks at it.
    let _ignored = stubborn
        .then(|| signal(SignalKind::terminate()))
        .transpose()?;
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        let (shared, out) = (Arc::clone(&shared), Arc::clone(&out));
        tokio::spawn(async move {
            match answer(&shared, &out, &line).await {
                // The client has closed its end.
                Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
                done => done.expect("the output takes the answer"),
            }
        });
    }
    if stubborn {
        std::future::pending::<()>().await;
    }
    Ok(())
}

async fn answer(shared: &Shared, out: &Out, line: &str) -> std::io::Result<()> {
    let Ok(message) = serde_json::from_str::<Envelope<'_>>(line) else {
        return write(out, "this is not JSON\n").await;
    };
    let modern = is_modern(&message);
    let id = message.id.map_or("null", serde_json::value::RawValue::get);
    let tool = match message.method.as_deref() {
        Some("tools/call") => message.text_param("name").unwrap_or_default(),
        _ => String::new(),
    };
    let done = |content: &str| format!("{}\n", result_text(id, modern, content));
    match tool.as_str() {
        "crash" => {
            crash();
            Ok(())
        }
        "noise" => {
            let noise = "Server listening...\n\n{\"not\":\"a message\"}\n[1,2]\n";
            write(out, &format!("{noise}{}", done(&text("after the noise")))).await
        }
        "half_line" => write(out, done(&text("half")).trim_end()).await,
        "hoard" => {
            hoard(&message);
            write(out, &done(&text("taken"))).await
        }
        "environment" => {
            let variables =
                serde_json::json!({ "content": [], "structuredContent": environment() });
            write(out, &done(&variables.to_string())).await
        }
        _ => relay(out, super::answer(shared, modern, &message).await).await,
    }
}

/// Without headers, the era is in the message.
fn is_modern(message: &Envelope<'_>) -> bool {
    let meta = message.raw_param("_meta").unwrap_or_default();
    let meta: Value = serde_json::from_str(&meta).unwrap_or_default();
    meta["io.modelcontextprotocol/protocolVersion"]
        .as_str()
        .is_some_and(|version| version >= "2026-07-28")
}

#[expect(
    clippy::exit,
    reason = "ending without a farewell is what this tool is for"
)]
#[expect(
    clippy::disallowed_methods,
    reason = "ending without a farewell is what this tool is for"
)]
fn crash() {
    std::process::exit(CRASH);
}

fn hoard(message: &Envelope<'_>) {
    let bytes = message.argument("bytes").as_u64().unwrap_or(HOARD);
    let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
    // Written, or the system would not really give it.
    let memory = vec![1; bytes];
    HOARDED
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(memory);
}

fn environment() -> Map<String, Value> {
    std::env::vars_os()
        .map(|(name, value)| {
            let value = value.to_string_lossy().into_owned();
            (name.to_string_lossy().into_owned(), Value::from(value))
        })
        .collect()
}

async fn write(out: &Out, text: &str) -> std::io::Result<()> {
    let mut out = out.lock().await;
    out.write_all(text.as_bytes()).await?;
    out.flush().await
}

/// Writes what would have been an HTTP answer: its body, or the events in it, as lines.
async fn relay(out: &Out, response: Response) -> std::io::Result<()> {
    let kind = response.headers().get("content-type");
    let stream = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
    let mut body = response.into_body();
    if stream {
        return relay_events(out, body).await;
    }
    let mut empty = true;
    // The lock is held until the line ends: lines never mix.
    let mut out = out.lock().await;
    while let Some(Ok(frame)) = body.frame().await {
        if let Ok(data) = frame.into_data() {
            empty = false;
            out.write_all(&data).await?;
        }
    }
    if !empty {
        out.write_all(b"\n").await?;
    }
    out.flush().await
}

async fn relay_events(out: &Out, mut body: axum::body::Body) -> std::io::Result<()> {
    let mut begin = true;
    while let Some(Ok(frame)) = body.frame().await {
        let Ok(data) = frame.into_data() else {
            continue;
        };
        let mut out = out.lock().await;
        for part in data.split_inclusive(|&byte| byte == b'\n') {
            let part = match part.strip_prefix(b"data: ") {
                Some(message) if begin => message,
                _ if begin => b"",
                _ => part,
            };
            begin = part.last().is_none_or(|&byte| byte == b'\n');
            out.write_all(part).await?;
        }
        out.flush().await?;
    }
    Ok(())
}
