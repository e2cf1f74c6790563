//! `sekimori stdio`: the gate as the local process of a client, in the oldest and the newest revision.

use std::process::Stdio;

use sekimori_testkit::client::MODERN;
use sekimori_testkit::fixture::{self, Era, Local, Options};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout};

use crate::gate::{PATIENCE, Site, until};

/// A gate on standard input and output.
struct Process {
    child: Child,
    input: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Process {
    fn start(site: &Site, key: &str) -> Self {
        let mut command = site.command(&["stdio"]);
        command.env("SEKIMORI_KEY", key).kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::null()).spawn().unwrap();
        let input = child.stdin.take().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self {
            child,
            input,
            lines,
        }
    }

    async fn send(&mut self, message: &Value) {
        let line = format!("{message}\n");
        self.input.write_all(line.as_bytes()).await.unwrap();
    }

    /// The answer to request `id`; notifications before it are passed over.
    async fn answer(&mut self, id: u64) -> Value {
        loop {
            let line = tokio::time::timeout(PATIENCE, self.lines.next_line());
            let line = line.await.unwrap().unwrap();
            let message: Value = serde_json::from_str(&line.expect("an answer")).unwrap();
            if message["id"] == id {
                return message;
            }
        }
    }

    async fn request(&mut self, id: u64, method: &str, params: Value) -> Value {
        let message = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        self.send(&message).await;
        self.answer(id).await
    }

    /// Closes the input; the gate then ends by itself, having said nothing more.
    async fn close(mut self) {
        drop(self.input);
        while let Some(line) = self.lines.next_line().await.unwrap() {
            let message: Value = serde_json::from_str(&line).unwrap();
            assert!(message.get("id").is_none(), "an answer to nothing: {line}");
        }
        let status = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        assert!(status.unwrap().unwrap().success());
    }
}

async fn stage() -> (Local, Site, String) {
    let options = Options {
        era: Era::Modern,
        page_size: None,
    };
    let upstream = fixture::start(options).await;
    let site = Site::new();
    site.connector("fixture", &upstream.url, &[]).await;
    site.accept_suggestions("fixture").await;
    let key = site.key("desk", "employee").await.text;
    (upstream, site, key)
}

#[tokio::test]
async fn a_client_of_2024_11_05_lists_and_calls() {
    let (_upstream, site, key) = stage().await;
    let mut gate = Process::start(&site, &key);
    let params = json!({
        "protocolVersion": "2024-11-05", "capabilities": {},
        "clientInfo": { "name": "old", "version": "1" }
    });
    let opened = gate.request(1, "initialize", params).await;
    assert_eq!(
        opened["result"]["protocolVersion"], "2024-11-05",
        "{opened}"
    );
    assert_eq!(opened["result"]["serverInfo"]["name"], "sekimori");
    let ready = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    gate.send(&ready).await;
    assert_eq!(
        gate.request(2, "ping", json!({})).await["result"],
        json!({})
    );
    let mut id = 2;
    let tools = until("the fixture is listed", async || {
        id += 1;
        let list = gate.request(id, "tools/list", json!({})).await;
        let tools = list["result"]["tools"].as_array().unwrap();
        (!tools.is_empty()).then(|| tools.clone())
    })
    .await;
    let named = |tool: &Value| tool["name"] == "fixture__test_simple_text";
    assert!(tools.iter().any(named), "{tools:?}");
    let params = json!({ "name": "fixture__test_simple_text", "arguments": {} });
    let called = gate.request(1_000, "tools/call", params).await;
    let text = &called["result"]["content"][0]["text"];
    assert_eq!(text, "This is a simple text response for testing.");
    assert!(called["result"].get("resultType").is_none(), "{called}");
    gate.close().await;
    let verified = site.run(&["audit", "verify"]).await;
    assert!(verified.status.success(), "{verified:?}");
}

#[tokio::test]
async fn a_modern_client_discovers_and_calls() {
    let (_upstream, site, key) = stage().await;
    let mut gate = Process::start(&site, &key);
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientCapabilities": {}
    });
    let found = gate
        .request(1, "server/discover", json!({ "_meta": meta }))
        .await;
    let versions = found["result"]["supportedVersions"].as_array().unwrap();
    assert!(versions.contains(&json!(MODERN)), "{found}");
    let params = json!({ "name": "fixture__test_simple_text", "arguments": {}, "_meta": meta });
    let called = gate.request(2, "tools/call", params).await;
    assert_eq!(called["result"]["resultType"], "complete", "{called}");
    let text = &called["result"]["content"][0]["text"];
    assert_eq!(text, "This is a simple text response for testing.");
    let params = json!({ "name": "fixture__no_such_tool", "arguments": {}, "_meta": meta });
    let unknown = gate.request(3, "tools/call", params).await;
    assert_eq!(unknown["error"]["code"], -32602, "{unknown}");
    gate.close().await;
}

/// AUTHN-5: nobody gets in without a key that is accepted.
#[tokio::test]
async fn a_wrong_key_opens_nothing() {
    let (_upstream, site, _key) = stage().await;
    let mut gate = Process::start(&site, "smk_0123456789abcdef_0123456789abcdef");
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientCapabilities": {}
    });
    let params = json!({ "name": "fixture__test_simple_text", "arguments": {}, "_meta": meta });
    let refused = gate.request(1, "tools/call", params).await;
    assert_eq!(
        refused["error"]["data"]["code"], "unauthenticated",
        "{refused}"
    );
    gate.close().await;
}
