//! A client that started the gate as a local process.

use std::sync::Arc;

use sekimori_domain::caller::Source;
use sekimori_domain::ids::{ConnectorName, CorrelationId};
use sekimori_gateway::face;
use sekimori_gateway::request::{Endpoint, Head};
use sekimori_identity::Credentials;
use sekimori_testkit::fixture::Era;
use serde_json::{Value, json};
use tokio::io::{
    AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream, Lines, ReadHalf, WriteHalf,
};
use tokio::task::JoinHandle;

use crate::harness::{Gate, over_fixture};

/// The client's end of the pipe.
pub(super) struct Pipe {
    lines: Lines<BufReader<ReadHalf<DuplexStream>>>,
    input: WriteHalf<DuplexStream>,
    served: JoinHandle<Result<(), face::stdio::StdioError>>,
}

impl Pipe {
    pub(super) fn open(gate: &Gate) -> Self {
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        let (read, write) = tokio::io::split(theirs);
        let template = Head {
            credentials: Credentials::None,
            source: Source {
                ip: Some("127.0.0.1".parse().unwrap()),
                user_agent: None,
                certificate: None,
            },
            endpoint: Endpoint::Connector(ConnectorName::new("fixture").unwrap()),
            correlation: CorrelationId::new("template").unwrap(),
            trace: None,
            claimed_client: None,
            session: None,
            bound_to: None,
        };
        let settings = face::Settings {
            request_bytes_max: 10_000,
            ..gate.settings.clone()
        };
        let gateway = Arc::clone(&gate.gateway);
        let served = tokio::spawn(face::stdio::serve(gateway, settings, template, read, write));
        let (output, input) = tokio::io::split(ours);
        Self {
            lines: BufReader::new(output).lines(),
            input,
            served,
        }
    }

    async fn send(&mut self, message: &Value) {
        let line = format!("{message}\n");
        self.input.write_all(line.as_bytes()).await.unwrap();
    }

    async fn next(&mut self) -> Value {
        let line = tokio::time::timeout(std::time::Duration::from_secs(30), self.lines.next_line());
        serde_json::from_str(&line.await.unwrap().unwrap().unwrap()).unwrap()
    }

    pub(super) async fn ask(&mut self, message: &Value) -> Value {
        self.send(message).await;
        self.next().await
    }

    /// Closes the client's end and waits for the gate's.
    pub(super) async fn close(mut self) {
        self.input.shutdown().await.unwrap();
        drop(self.input);
        drop(self.lines);
        self.served.await.unwrap().unwrap_or(());
    }
}

pub(super) fn legacy(id: u64, method: &str, params: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
}

fn modern(id: u64, method: &str, mut params: Value) -> Value {
    params["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!("2026-07-28");
    params["_meta"]["io.modelcontextprotocol/clientCapabilities"] = json!({});
    legacy(id, method, params)
}

fn initialize(version: &str) -> Value {
    let info = json!({ "name": "t", "version": "1" });
    let params = json!({ "protocolVersion": version, "capabilities": { "elicitation": {} }, "clientInfo": info });
    legacy(1, "initialize", params)
}

#[tokio::test]
async fn every_revision_is_spoken_over_a_pipe() {
    let (_fixture, gate) = over_fixture(Era::Dual).await;
    for version in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
        let mut pipe = Pipe::open(&gate);
        let agreed = pipe.ask(&initialize(version)).await;
        assert_eq!(agreed["result"]["protocolVersion"], version);
        pipe.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }))
            .await;
        let call = json!({ "name": "test_simple_text", "arguments": {} });
        let reply = pipe.ask(&legacy(2, "tools/call", call)).await;
        assert_eq!(reply["id"], 2);
        assert_eq!(reply["result"]["content"][0]["type"], "text");
        pipe.close().await;
    }
    let mut pipe = Pipe::open(&gate);
    let discovered = pipe.ask(&modern(1, "server/discover", json!({}))).await;
    assert_eq!(discovered["result"]["supportedVersions"][0], "2026-07-28");
    let listed = pipe.ask(&modern(2, "tools/list", json!({}))).await;
    assert_eq!(listed["result"]["resultType"], "complete");
    pipe.close().await;
}

#[tokio::test]
async fn both_eras_share_one_pipe() {
    let (_fixture, gate) = over_fixture(Era::Dual).await;
    let mut pipe = Pipe::open(&gate);
    let early = pipe.ask(&legacy(1, "tools/list", json!({}))).await;
    assert_eq!(early["error"]["code"], -32600);
    pipe.ask(&modern(2, "server/discover", json!({}))).await;
    pipe.ask(&initialize("2025-11-25")).await;
    let call = json!({ "name": "test_elicitation", "arguments": { "message": "Who?" } });
    let question = pipe.ask(&legacy(3, "tools/call", call)).await;
    assert_eq!(question["method"], "elicitation/create");
    let content = json!({ "username": "jiro", "email": "j@example.jp" });
    let answer = json!({ "action": "accept", "content": content });
    let reply = pipe
        .ask(&json!({ "jsonrpc": "2.0", "id": question["id"], "result": answer }))
        .await;
    assert_eq!(reply["id"], 3);
    assert!(
        reply["result"]["content"][0]["text"]
            .as_str()
            .unwrap()
            .contains("jiro")
    );
    let ping = pipe.ask(&legacy(4, "ping", json!({}))).await;
    assert_eq!(ping["result"], json!({}));
    pipe.close().await;
}

#[tokio::test]
async fn cancelled_requests_and_listeners_end() {
    let (_fixture, gate) = over_fixture(Era::Dual).await;
    let mut pipe = Pipe::open(&gate);
    let filter = json!({ "notifications": { "toolsListChanged": true } });
    let acknowledged = pipe.ask(&modern(1, "subscriptions/listen", filter)).await;
    assert_eq!(
        acknowledged["method"],
        "notifications/subscriptions/acknowledged"
    );
    let mut wait = json!({ "name": "test_wait", "arguments": { "seconds": 600 } });
    wait["_meta"] = json!({ "progressToken": "w" });
    let progress = pipe.ask(&modern(2, "tools/call", wait)).await;
    assert_eq!(progress["method"], "notifications/progress");
    for id in [1, 2] {
        let params = json!({ "requestId": id });
        pipe.send(
            &json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": params }),
        )
        .await;
    }
    // Neither is answered any more; the next message is the answer to the next request.
    let next = pipe.ask(&modern(3, "prompts/list", json!({}))).await;
    assert_eq!(next["id"], 3);
    pipe.close().await;
}

#[tokio::test]
async fn bad_lines_do_not_end_the_conversation() {
    let (_fixture, gate) = over_fixture(Era::Dual).await;
    let mut pipe = Pipe::open(&gate);
    pipe.input.write_all(b"\n  \nnot json\n").await.unwrap();
    assert_eq!(pipe.next().await["error"]["code"], -32700);
    let long = format!("\"{}\"\n", "x".repeat(20_000));
    pipe.input.write_all(long.as_bytes()).await.unwrap();
    assert_eq!(pipe.next().await["error"]["code"], -32600);
    let ping = pipe.ask(&legacy(1, "ping", json!({}))).await;
    assert_eq!(ping["id"], 1);
    pipe.close().await;
}
