//! A small MCP client for the tour and for checks: revision 2026-07-28 over HTTP, nothing kept
//! between requests.

use std::io::{BufRead, BufReader, Read};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::{Value, json};
use ureq::Agent;

const REVISION: &str = "2026-07-28";

/// Longer than any tool of the tour needs.
const CALL_TIME_MAX: Duration = Duration::from_mins(1);

/// More than any answer of the tour has.
const ANSWER_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Pages of a list; the tour's upstreams have one or two.
const PAGES_MAX: usize = 100;

/// Calls one MCP endpoint, as whoever the token says.
pub(crate) struct Client {
    agent: Agent,
    url: String,
    token: Option<String>,
    trace: Option<String>,
}

/// A tool as listed.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Tool {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) description: String,
}

/// What came back for one request.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    /// HTTP status.
    pub(crate) status: u16,
    /// The JSON-RPC message: `result` or `error`; null if there was none.
    pub(crate) message: Value,
    /// What is demanded of whoever is not let in (`WWW-Authenticate`).
    pub(crate) challenge: Option<String>,
}

impl Answer {
    /// The result, or an error that tells what came instead.
    pub(crate) fn result(&self) -> Result<&Value> {
        self.message.get("result").with_context(|| {
            format!(
                "expected a result, got HTTP {}: {}",
                self.status, self.message
            )
        })
    }

    /// A tool that ran to its end without reporting an error.
    pub(crate) fn succeeded(&self) -> bool {
        self.result()
            .is_ok_and(|result| result.get("isError") != Some(&Value::Bool(true)))
    }

    /// The code of the gate's refusal: beside a tool result, or in an error's data.
    pub(crate) fn refusal_code(&self) -> Option<&str> {
        ["/result/_meta/sekimori~1refusal/code", "/error/data/code"]
            .into_iter()
            .find_map(|path| self.message.pointer(path)?.as_str())
    }

    /// What a model or a person reads: the text blocks, or the error's message.
    pub(crate) fn text(&self) -> String {
        if let Some(message) = self
            .message
            .pointer("/error/message")
            .and_then(Value::as_str)
        {
            return message.to_owned();
        }
        let blocks = self
            .message
            .pointer("/result/content")
            .and_then(Value::as_array);
        let texts: Vec<&str> = blocks
            .into_iter()
            .flatten()
            .filter_map(|block| block.get("text").and_then(Value::as_str))
            .collect();
        texts.join("\n")
    }
}

impl Client {
    pub(crate) fn new(url: &str, token: Option<&str>) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(CALL_TIME_MAX))
            .proxy(None)
            .max_redirects(0)
            .build();
        Self {
            agent: config.into(),
            url: url.to_owned(),
            token: token.map(str::to_owned),
            trace: None,
        }
    }

    /// The same, with every request part of one trace (W3C Trace Context: 32 hexadecimal digits).
    pub(crate) fn traced(mut self, trace: &str) -> Self {
        self.trace = Some(format!("00-{trace}-0000000000000001-01"));
        self
    }

    /// What the server says of itself.
    pub(crate) fn discover(&self) -> Result<Value> {
        self.knock()?.result().cloned()
    }

    /// The same, or what it demands first.
    pub(crate) fn knock(&self) -> Result<Answer> {
        self.request("server/discover", None, json!({}))
    }

    /// All tools that the caller may see.
    pub(crate) fn tools(&self) -> Result<Vec<Tool>> {
        let mut tools = Vec::new();
        let mut params = json!({});
        for _ in 0..PAGES_MAX {
            let answer = self.request("tools/list", None, params)?;
            let result = answer.result()?;
            let page = result.get("tools").cloned().unwrap_or_default();
            tools.extend(Vec::<Tool>::deserialize(page).context("reading the list of tools")?);
            match result.get("nextCursor") {
                Some(cursor) if !cursor.is_null() => params = json!({ "cursor": cursor }),
                _ => return Ok(tools),
            }
        }
        bail!("the list of tools has more than {PAGES_MAX} pages")
    }

    /// Calls a tool.
    pub(crate) fn call(&self, tool: &str, arguments: &Value) -> Result<Answer> {
        self.request(
            "tools/call",
            Some(tool),
            json!({ "name": tool, "arguments": arguments }),
        )
    }

    /// What every modern request says about its client.
    fn meta(&self) -> Value {
        let mut meta = json!({
            "io.modelcontextprotocol/protocolVersion": REVISION,
            "io.modelcontextprotocol/clientCapabilities": {},
            "io.modelcontextprotocol/clientInfo": {
                "name": "sekimori-tour",
                "version": env!("CARGO_PKG_VERSION"),
            },
        });
        if let (Some(meta), Some(trace)) = (meta.as_object_mut(), &self.trace) {
            meta.insert("traceparent".to_owned(), trace.as_str().into());
        }
        meta
    }

    fn request(&self, method: &str, name: Option<&str>, mut params: Value) -> Result<Answer> {
        if let Some(params) = params.as_object_mut() {
            params.insert("_meta".to_owned(), self.meta());
        }
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let mut request = self
            .agent
            .post(&self.url)
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
            .header("mcp-protocol-version", REVISION)
            .header("mcp-method", method);
        if let Some(name) = name {
            request = request.header("mcp-name", name);
        }
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let response = request
            .send(body.to_string())
            .with_context(|| format!("sending {method} to {}", self.url))?;
        let status = response.status().as_u16();
        let is_stream = response
            .headers()
            .get("content-type")
            .is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
        let challenge = response.headers().get("www-authenticate");
        let challenge = challenge
            .and_then(|text| text.to_str().ok())
            .map(str::to_owned);
        let body = response.into_body().into_reader().take(ANSWER_BYTES_MAX);
        let message = if is_stream {
            last_event(body)?
        } else {
            whole(body)?
        };
        Ok(Answer {
            status,
            message,
            challenge,
        })
    }
}

/// Posts a document, and reads the one that comes back.
pub(crate) fn post_json(url: &str, document: &Value) -> Result<Value> {
    let answer = Client::new(url, None)
        .agent
        .post(url)
        .header("content-type", "application/json")
        .send(document.to_string());
    document_of(url, answer)
}

/// Reads a document.
pub(crate) fn get_json(url: &str) -> Result<Value> {
    document_of(url, Client::new(url, None).agent.get(url).call())
}

fn document_of(
    url: &str,
    answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
) -> Result<Value> {
    let mut answer = answer.with_context(|| format!("asking {url}"))?;
    let status = answer.status();
    let text = answer.body_mut().read_to_string();
    let text = text.with_context(|| format!("reading from {url}"))?;
    if !status.is_success() {
        bail!("{url} answered HTTP {status}: {text}");
    }
    serde_json::from_str(&text).with_context(|| format!("{url} answered no JSON"))
}

/// A body that is one message, or something else, such as a problem of the HTTP layer.
fn whole(mut body: impl Read) -> Result<Value> {
    let mut text = String::new();
    body.read_to_string(&mut text)
        .context("reading the answer")?;
    Ok(serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

/// The answer in a stream of events: notifications come before it.
fn last_event(body: impl Read) -> Result<Value> {
    for line in BufReader::new(body).lines() {
        let line = line.context("reading the stream")?;
        let Some(data) = line.strip_prefix("data:") else {
            continue;
        };
        let Ok(message) = serde_json::from_str::<Value>(data.trim()) else {
            continue;
        };
        if message.get("result").is_some() || message.get("error").is_some() {
            return Ok(message);
        }
    }
    bail!("the stream ended without an answer")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_in_a_stream_comes_after_the_notifications() {
        let stream = "event: message\ndata: {\"method\":\"notifications/progress\"}\n\ndata: {\"id\":1,\"result\":{}}\n\n";
        let message = last_event(stream.as_bytes()).unwrap();
        assert!(message.get("result").is_some());
        assert!(last_event(&b"data: {}\n\n"[..]).is_err());
    }

    #[test]
    fn a_tool_error_is_not_a_success_and_tells_its_text() {
        let message =
            json!({ "result": { "isError": true, "content": [{ "type": "text", "text": "no" }] } });
        let answer = Answer {
            status: 200,
            message,
            challenge: None,
        };
        assert!(!answer.succeeded());
        assert_eq!(answer.text(), "no");
    }
}
