//! An MCP client which sends and receives raw JSON over HTTP.
//!
//! It checks nothing and repairs nothing: a test says exactly what goes out and sees exactly what comes
//! back. [`RawClient::modern`] and [`RawClient::legacy`] build correct requests of either era;
//! [`RawClient::post`] sends any bytes.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// How long to wait for the next part of an answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// The newest revision of the modern era.
pub const MODERN: &str = "2026-07-28";
/// The newest revision of the legacy era.
pub const LEGACY: &str = "2025-11-25";

/// A client of one MCP endpoint.
#[derive(Debug)]
pub struct RawClient {
    url: String,
    http: Client<HttpConnector, Full<Bytes>>,
    headers: Vec<(String, String)>,
    capabilities: Value,
    session: Mutex<Option<Session>>,
    next_id: AtomicU64,
}

#[derive(Debug, Clone)]
struct Session {
    /// Servers may do without one.
    id: Option<String>,
    version: String,
}

impl RawClient {
    /// A client of the endpoint at `url`, without credentials and without capabilities.
    pub fn new(url: &str) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Self {
            url: url.to_owned(),
            http: Client::builder(TokioExecutor::new()).build(connector),
            headers: Vec::new(),
            capabilities: json!({}),
            session: Mutex::default(),
            next_id: AtomicU64::new(1),
        }
    }

    /// Sends this header with every request.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sends this access token with every request.
    #[must_use]
    pub fn with_bearer(self, token: &str) -> Self {
        self.with_header("authorization", &format!("Bearer {token}"))
    }

    /// Declares these capabilities of the client.
    #[must_use]
    pub fn with_capabilities(mut self, capabilities: Value) -> Self {
        self.capabilities = capabilities;
        self
    }

    /// A number that this client has not used for a request.
    pub fn next_id(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    /// The identifier of the legacy session, if there is one.
    pub fn session_id(&self) -> Option<String> {
        self.session().and_then(|session| session.id)
    }

    fn session(&self) -> Option<Session> {
        self.session
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Sends a modern request and waits for the whole answer.
    pub async fn modern(&self, method: &str, params: Value) -> Reply {
        self.modern_live(self.next_id(), method, params)
            .await
            .finish()
            .await
    }

    /// Sends a modern request and leaves the answer open, to read message by message.
    pub async fn modern_live(&self, id: u64, method: &str, mut params: Value) -> Live {
        let meta = &mut params["_meta"];
        for (name, value) in [
            ("protocolVersion", json!(MODERN)),
            ("clientCapabilities", self.capabilities.clone()),
            (
                "clientInfo",
                json!({ "name": "raw-client", "version": "1.0.0" }),
            ),
        ] {
            let name = format!("io.modelcontextprotocol/{name}");
            if meta.get(&name).is_none() {
                meta[name] = value;
            }
        }
        let headers = mirrored(method, &params);
        let body = request(Some(id), method, &params);
        let headers: Vec<_> = headers
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        self.open(body, &headers).await
    }

    /// Opens a legacy session with the given revision: `initialize` and `notifications/initialized`.
    pub async fn initialize(&self, version: &str) -> Reply {
        let params = json!({
            "protocolVersion": version,
            "capabilities": self.capabilities,
            "clientInfo": { "name": "raw-client", "version": "1.0.0" }
        });
        let reply = self
            .post(request(Some(self.next_id()), "initialize", &params), &[])
            .await;
        let agreed = reply.value()["result"]["protocolVersion"]
            .as_str()
            .map(str::to_owned);
        if let Some(version) = agreed {
            let id = reply.header("mcp-session-id").map(str::to_owned);
            *self.session.lock().unwrap_or_else(PoisonError::into_inner) =
                Some(Session { id, version });
            self.notify("notifications/initialized", &json!({})).await;
        }
        reply
    }

    /// Sends a request in the legacy session and waits for the whole answer.
    pub async fn legacy(&self, method: &str, params: Value) -> Reply {
        self.legacy_live(self.next_id(), method, &params)
            .await
            .finish()
            .await
    }

    /// Sends a request in the legacy session and leaves the answer open.
    pub async fn legacy_live(&self, id: u64, method: &str, params: &Value) -> Live {
        self.in_session(request(Some(id), method, params)).await
    }

    /// Sends a notification in the legacy session.
    pub async fn notify(&self, method: &str, params: &Value) -> Reply {
        self.in_session(request(None, method, params))
            .await
            .finish()
            .await
    }

    /// Answers a request which the server has sent in the legacy session.
    pub async fn answer(&self, id: &Value, result: &Value) -> Reply {
        let body = json!({ "jsonrpc": "2.0", "id": id, "result": result }).to_string();
        self.in_session(body).await.finish().await
    }

    /// Opens the stream on which a legacy server speaks without being asked.
    pub async fn listen(&self) -> Live {
        self.send(Method::GET, Bytes::new(), &self.session_headers())
            .await
    }

    /// Ends the legacy session.
    pub async fn close(&self) -> Reply {
        self.send(Method::DELETE, Bytes::new(), &self.session_headers())
            .await
            .finish()
            .await
    }

    /// Posts any bytes with the usual headers, which `headers` may replace, and waits for the answer.
    pub async fn post(&self, body: impl Into<Bytes>, headers: &[(&str, &str)]) -> Reply {
        self.open(body, headers).await.finish().await
    }

    /// Posts any bytes and leaves the answer open.
    pub async fn open(&self, body: impl Into<Bytes>, headers: &[(&str, &str)]) -> Live {
        let headers: Vec<_> = headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        self.send(Method::POST, body.into(), &headers).await
    }

    async fn in_session(&self, body: String) -> Live {
        self.send(Method::POST, body.into(), &self.session_headers())
            .await
    }

    fn session_headers(&self) -> Vec<(String, String)> {
        let Some(session) = self.session() else {
            return Vec::new();
        };
        let id = session.id.map(|id| ("mcp-session-id".to_owned(), id));
        let version = ("mcp-protocol-version".to_owned(), session.version);
        id.into_iter().chain([version]).collect()
    }

    async fn send(&self, method: Method, body: Bytes, headers: &[(String, String)]) -> Live {
        let mut all = HeaderMap::new();
        let usual = [
            ("content-type", "application/json"),
            ("accept", "application/json, text/event-stream"),
        ];
        let usual = usual.map(|(name, value)| (name.to_owned(), value.to_owned()));
        for (name, value) in usual.iter().chain(&self.headers).chain(headers) {
            let name: http::HeaderName = name.parse().expect("a valid name of a header");
            all.insert(name, value.parse().expect("a valid value of a header"));
        }
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = self.url.parse().expect("a valid URL");
        *request.headers_mut() = all;
        let response = tokio::time::timeout(PATIENCE, self.http.request(request))
            .await
            .expect("the server answers in time")
            .expect("the server answers");
        let (parts, body) = response.into_parts();
        Live {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body,
            buffer: BytesMut::new(),
            waiting: VecDeque::new(),
            ended: false,
            broken: false,
        }
    }
}

fn request(id: Option<u64>, method: &str, params: &Value) -> String {
    match id {
        Some(id) => json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }),
        None => json!({ "jsonrpc": "2.0", "method": method, "params": params }),
    }
    .to_string()
}

/// The headers which repeat parts of a modern request.
fn mirrored(method: &str, params: &Value) -> Vec<(&'static str, String)> {
    let name = match method {
        "tools/call" | "prompts/get" => params["name"].as_str(),
        "resources/read" => params["uri"].as_str(),
        "tasks/get" | "tasks/update" | "tasks/cancel" => params["taskId"].as_str(),
        _ => None,
    };
    let mut headers = vec![
        ("mcp-protocol-version", MODERN.to_owned()),
        ("mcp-method", method.to_owned()),
    ];
    headers.extend(name.map(|name| ("mcp-name", name.to_owned())));
    headers
}

/// An answer that is still arriving. Dropping it closes the connection.
#[derive(Debug)]
pub struct Live {
    /// The HTTP status.
    pub status: u16,
    /// The HTTP headers.
    pub headers: HeaderMap,
    body: Incoming,
    buffer: BytesMut,
    waiting: VecDeque<String>,
    ended: bool,
    broken: bool,
}

impl Live {
    fn is_stream(&self) -> bool {
        self.headers
            .get("content-type")
            .and_then(|kind| kind.to_str().ok())
            .is_some_and(|kind| kind.starts_with("text/event-stream"))
    }

    /// The next JSON-RPC message as it arrived, or nothing after the last.
    ///
    /// # Panics
    ///
    /// When nothing arrives for too long.
    pub async fn next_text(&mut self) -> Option<String> {
        loop {
            if let Some(message) = self.waiting.pop_front() {
                return Some(message);
            }
            if self.ended {
                return None;
            }
            self.read().await;
        }
    }

    /// The next JSON-RPC message.
    pub async fn next(&mut self) -> Option<Value> {
        let text = self.next_text().await?;
        Some(serde_json::from_str(&text).expect("the message is JSON"))
    }

    async fn read(&mut self) {
        let frame = tokio::time::timeout(PATIENCE, self.body.frame())
            .await
            .expect("the answer goes on in time");
        match frame {
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    self.buffer.extend_from_slice(data);
                }
            }
            Some(Err(_)) => {
                self.broken = true;
                self.ended = true;
            }
            None => self.ended = true,
        }
        if self.is_stream() {
            self.split_events();
        } else if self.ended && !self.buffer.is_empty() {
            let body = String::from_utf8_lossy(&self.buffer).into_owned();
            self.waiting.push_back(body);
        }
    }

    fn split_events(&mut self) {
        while let Some(length) = self.buffer.windows(2).position(|pair| pair == b"\n\n") {
            let event = self.buffer.split_to(length + 2);
            let event = String::from_utf8_lossy(&event).into_owned();
            let data: Vec<&str> = event
                .lines()
                .filter_map(|line| line.strip_prefix("data:"))
                .map(|data| data.strip_prefix(' ').unwrap_or(data))
                .collect();
            let data = data.join("\n");
            if !data.is_empty() {
                self.waiting.push_back(data);
            }
        }
    }

    /// Waits for the rest of the answer.
    pub async fn finish(mut self) -> Reply {
        let mut messages = Vec::new();
        while let Some(message) = self.next_text().await {
            messages.push(message);
        }
        Reply {
            status: self.status,
            headers: self.headers,
            messages,
            broken: self.broken,
        }
    }
}

/// A complete answer.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The HTTP headers.
    pub headers: HeaderMap,
    /// The messages as they arrived: the events of a stream, or the body alone.
    pub messages: Vec<String>,
    /// Whether the connection broke before the end.
    pub broken: bool,
}

impl Reply {
    /// The value of a header, if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The last message, which is the response; empty when there is none.
    pub fn text(&self) -> &str {
        self.messages.last().map_or("", String::as_str)
    }

    /// The last message as JSON; null when there is none or it is not JSON.
    pub fn value(&self) -> Value {
        serde_json::from_str(self.text()).unwrap_or_default()
    }

    /// All messages as JSON.
    pub fn values(&self) -> Vec<Value> {
        self.messages
            .iter()
            .map(|message| serde_json::from_str(message).unwrap_or_default())
            .collect()
    }

    /// The result of the response.
    ///
    /// # Panics
    ///
    /// When the response is an error or there is none.
    pub fn result(&self) -> Value {
        let mut value = self.value();
        assert!(value.get("result").is_some(), "not a result: {self:?}");
        value["result"].take()
    }

    /// The bytes of the result, exactly as they arrived.
    pub fn raw_result(&self) -> String {
        #[derive(serde::Deserialize)]
        struct Response {
            result: Box<RawValue>,
        }
        let response: Response = serde_json::from_str(self.text())
            .unwrap_or_else(|error| panic!("not a result ({error}): {self:?}"));
        response.result.get().to_owned()
    }

    /// The error of the response.
    ///
    /// # Panics
    ///
    /// When the response is not an error.
    pub fn error(&self) -> Value {
        let mut value = self.value();
        assert!(value.get("error").is_some(), "not an error: {self:?}");
        value["error"].take()
    }

    /// The first text in the content of a tool's result.
    pub fn content_text(&self) -> String {
        let result = self.result();
        let text = result["content"][0]["text"].as_str();
        text.unwrap_or_else(|| panic!("no text in {result}"))
            .to_owned()
    }
}
