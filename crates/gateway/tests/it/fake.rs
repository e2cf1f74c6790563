//! Upstreams that do what our fixture cannot, and remember what they were asked.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use sekimori_testkit::fixture::Local;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

const SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";

/// A running upstream.
pub(crate) struct Fake {
    pub(crate) url: String,
    state: Arc<Mutex<State>>,
    _local: Local,
}

#[derive(Default)]
struct State {
    asked: Vec<Value>,
    /// Status by id.
    tasks: BTreeMap<String, &'static str>,
    listeners: Vec<Listener>,
    /// What the tool `page` answers.
    page: Value,
}

struct Listener {
    id: Value,
    task_ids: BTreeSet<String>,
    stream: mpsc::UnboundedSender<String>,
}

impl Fake {
    /// Speaks 2026-07-28, makes a task of every call, and tells of it.
    pub(crate) async fn modern_with_tasks() -> Self {
        Self::start(modern).await
    }

    /// Speaks 2025-11-25, and has one resource that can be watched.
    pub(crate) async fn legacy_with_resource() -> Self {
        Self::start(legacy).await
    }

    /// Speaks 2026-07-28, and answers with sensitive data.
    pub(crate) async fn modern_with_records() -> Self {
        Self::start(records).await
    }

    async fn start(answer: fn(&mut State, &Value) -> Response) -> Self {
        let state: Arc<Mutex<State>> = Arc::default();
        let shared = Arc::clone(&state);
        let router = Router::new().fallback(move |body: axum::body::Bytes| {
            let shared = Arc::clone(&shared);
            async move {
                let message: Value = serde_json::from_slice(&body).unwrap_or_default();
                let mut state = shared.lock().unwrap();
                state.asked.push(message.clone());
                answer(&mut state, &message)
            }
        });
        let local = Local::serve(router, CancellationToken::new()).await;
        Self {
            url: local.url.clone(),
            state,
            _local: local,
        }
    }

    /// The parameters of the requests of one method, in order.
    pub(crate) fn asked(&self, method: &str) -> Vec<Value> {
        let state = self.state.lock().unwrap();
        let of = state.asked.iter().filter(|asked| asked["method"] == method);
        of.map(|asked| asked["params"].clone()).collect()
    }

    /// From now on, the tool `page` answers this.
    pub(crate) fn serve(&self, result: Value) {
        self.state.lock().unwrap().page = result;
    }

    /// The tasks that somebody listens to now.
    pub(crate) fn listens_to(&self) -> Vec<String> {
        let state = self.state.lock().unwrap();
        let mut open = state.listeners.iter().rev();
        open.find(|listener| !listener.stream.is_closed())
            .map(|listener| listener.task_ids.iter().cloned().collect())
            .unwrap_or_default()
    }

    /// Ends a task, and tells who listens.
    pub(crate) fn finish(&self, id: &str) {
        let mut state = self.state.lock().unwrap();
        state.tasks.insert(id.to_owned(), "completed");
        for listener in &state.listeners {
            if listener.task_ids.contains(id) {
                let mut params = task(id, "completed");
                params["_meta"] = json!({ SUBSCRIPTION: listener.id });
                tell(listener, "notifications/tasks", &params);
            }
        }
    }
}

fn modern(state: &mut State, message: &Value) -> Response {
    let params = &message["params"];
    match message["method"].as_str().unwrap_or_default() {
        "server/discover" => result(
            message,
            &json!({
                "supportedVersions": ["2026-07-28"],
                "capabilities": { "tools": {}, "extensions": { "io.modelcontextprotocol/tasks": {} } },
                "ttlMs": 0, "cacheScope": "public",
            }),
        ),
        "tools/list" => result(
            message,
            &json!({
                "tools": [{ "name": "job", "inputSchema": { "type": "object" } }],
                "ttlMs": 0, "cacheScope": "public",
            }),
        ),
        "tools/call" => {
            let id = format!("task-{}", state.tasks.len() + 1);
            let mut created = task(&id, "working");
            created["resultType"] = "task".into();
            state.tasks.insert(id, "working");
            result(message, &created)
        }
        "tasks/get" => {
            let id = params["taskId"].as_str().unwrap_or_default();
            match state.tasks.get(id) {
                Some(status) => result(message, &task(id, status)),
                None => error(message, -32602),
            }
        }
        "subscriptions/listen" => {
            let (stream, receiver) = mpsc::unbounded_channel();
            let wanted = params["notifications"]["taskIds"].as_array();
            let task_ids = wanted.into_iter().flatten().filter_map(Value::as_str);
            let listener = Listener {
                id: message["id"].clone(),
                task_ids: task_ids.map(str::to_owned).collect(),
                stream,
            };
            let acknowledged = json!({
                "notifications": params["notifications"],
                "_meta": { SUBSCRIPTION: listener.id },
            });
            let method = "notifications/subscriptions/acknowledged";
            tell(&listener, method, &acknowledged);
            state.listeners.push(listener);
            events(receiver)
        }
        _ => error(message, -32601),
    }
}

fn legacy(_: &mut State, message: &Value) -> Response {
    match message["method"].as_str().unwrap_or_default() {
        "initialize" => result(
            message,
            &json!({
                "protocolVersion": "2025-11-25",
                "capabilities": { "resources": { "subscribe": true } },
                "serverInfo": { "name": "old", "version": "1" },
            }),
        ),
        "resources/list" => result(
            message,
            &json!({ "resources": [{ "uri": "test://a", "name": "a" }] }),
        ),
        "resources/templates/list" => result(message, &json!({ "resourceTemplates": [] })),
        "resources/subscribe" | "resources/unsubscribe" => result(message, &json!({})),
        method if method.starts_with("notifications/") => status(202),
        "" => status(405),
        _ => error(message, -32601),
    }
}

fn task(id: &str, status: &str) -> Value {
    let mut task = json!({
        "resultType": "complete",
        "taskId": id, "status": status, "ttlMs": 60_000,
        "createdAt": "2026-11-22T00:00:00Z", "lastUpdatedAt": "2026-11-22T00:00:00Z",
    });
    if status == "completed" {
        task["result"] = json!({ "resultType": "complete", "content": [] });
    }
    task
}

fn tell(listener: &Listener, method: &str, params: &Value) {
    let message = json!({ "jsonrpc": "2.0", "method": method, "params": params });
    // Whoever listened may be gone.
    drop(listener.stream.send(format!("data: {message}\n\n")));
}

fn result(message: &Value, result: &Value) -> Response {
    let mut result = result.clone();
    if message["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"].is_string()
        && result.get("resultType").is_none()
    {
        result["resultType"] = "complete".into();
    }
    let answer = json!({ "jsonrpc": "2.0", "id": message["id"], "result": result });
    typed("application/json", Body::from(answer.to_string()))
}

fn error(message: &Value, code: i64) -> Response {
    let error = json!({ "code": code, "message": "no" });
    let answer = json!({ "jsonrpc": "2.0", "id": message["id"], "error": error });
    typed("application/json", Body::from(answer.to_string()))
}

fn events(receiver: mpsc::UnboundedReceiver<String>) -> Response {
    let stream = futures_util::stream::unfold(receiver, async |mut receiver| {
        let text = receiver.recv().await?;
        Some((Ok::<_, Infallible>(text), receiver))
    });
    typed("text/event-stream", Body::from_stream(stream))
}

fn typed(kind: &str, body: Body) -> Response {
    let response = Response::builder().header("content-type", kind);
    response.body(body).unwrap()
}

fn status(status: u16) -> Response {
    Response::builder()
        .status(status)
        .body(Body::empty())
        .unwrap()
}

/// What `find` answers, byte for byte: a card number, a secret, a mail address and nothing else that is sensitive.
pub(crate) const FOUND: &str = r#"{"content":[{"type":"text","text":"カード番号: 4111-1111-1111-1111\nメール taro@example.co.jp"}],"structuredContent":{"card": "4111111111111111","rate":1.50,"note":"\u65e5\u672c"},"resultType":"complete"}"#;

/// What `plain` answers, byte for byte.
pub(crate) const PLAIN: &str = r#"{"content":[{"type":"text","text":"本日の\u4f1a\u8b70は 10 時です"}],"structuredContent":{"rate":1.50,"big":18446744073709551617},"resultType":"complete"}"#;

fn records(state: &mut State, message: &Value) -> Response {
    let params = &message["params"];
    match message["method"].as_str().unwrap_or_default() {
        "server/discover" => result(
            message,
            &json!({
                "supportedVersions": ["2026-07-28"], "capabilities": { "tools": {} },
                "ttlMs": 0, "cacheScope": "public",
            }),
        ),
        "tools/list" => result(
            message,
            &json!({
                "tools": [
                    { "name": "find", "inputSchema": { "type": "object" } },
                    { "name": "plain", "inputSchema": { "type": "object" } },
                    { "name": "fail", "inputSchema": { "type": "object" } },
                    { "name": "echo", "inputSchema": { "type": "object" } },
                    { "name": "page", "inputSchema": { "type": "object" } },
                    { "name": "send", "inputSchema": { "type": "object", "properties": {
                        "card": { "type": ["integer", "string"], "minimum": 1 },
                    } } },
                ],
                "ttlMs": 0, "cacheScope": "public",
            }),
        ),
        "tools/call" => {
            let said = match params["name"].as_str() {
                Some("page") => return result(message, &state.page),
                // What it was told, in the middle of something else.
                Some("echo") => {
                    let text = format!("登録しました: {}。", params["arguments"]["text"]);
                    let content = json!([{ "type": "text", "text": text }]);
                    return result(message, &json!({ "content": content }));
                }
                Some("find") => FOUND,
                Some("fail") => {
                    let text = format!(
                        r#"{{"jsonrpc":"2.0","id":{},"error":{{"code":-32000,"message":"card 4111111111111111 is not known"}}}}"#,
                        message["id"]
                    );
                    return json_response(text);
                }
                _ => PLAIN,
            };
            let id = &message["id"];
            json_response(format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{said}}}"#))
        }
        _ => error(message, -32601),
    }
}

fn json_response(text: String) -> Response {
    Response::builder()
        .header("content-type", "application/json")
        .body(Body::from(text))
        .unwrap()
}
