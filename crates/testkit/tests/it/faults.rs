//! The fault server: each fault is the one that its name promises.

use sekimori_testkit::client::{LEGACY, RawClient};
use sekimori_testkit::faults::{self, ODD_ERROR, ODD_RESULT, ODD_TOOL};
use sekimori_testkit::fixture::Era;
use sekimori_testkit::process::{Home, program};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt};

fn call(name: &str) -> Value {
    json!({ "name": name, "arguments": {} })
}

#[tokio::test]
async fn unusual_bytes_leave_as_they_are_written() {
    let server = faults::start(None, Era::Dual).await;
    let client = RawClient::new(&server.url);
    let list = client.modern("tools/list", json!({})).await;
    assert!(list.text().contains(ODD_TOOL));
    let odd = client.modern("tools/call", call("odd_result")).await;
    let members = ODD_RESULT.strip_prefix('{').unwrap();
    assert!(odd.raw_result().ends_with(members));
    let failed = client.modern("tools/call", call("odd_error")).await;
    assert!(failed.text().contains(ODD_ERROR));

    client.initialize(LEGACY).await;
    let odd = client.legacy("tools/call", call("odd_result")).await;
    assert_eq!(odd.raw_result(), ODD_RESULT);
}

#[tokio::test]
async fn parameters_come_back_byte_for_byte() {
    let server = faults::start(None, Era::Dual).await;
    let client = RawClient::new(&server.url);
    let params = r#"{"name":"echo_raw", "z":1.0,"arguments":{"b":123456789012345678901234567890,"a":"\u00e9"}}"#;
    let body = format!(r#"{{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{params}}}"#);
    let reply = client.post(body, &[]).await;
    assert_eq!(reply.content_text(), params);
    let structured = params.replace("echo_raw", "echo_structured");
    let body = format!(r#"{{"jsonrpc":"2.0","id":8,"method":"tools/call","params":{structured}}}"#);
    let reply = client.post(body, &[]).await;
    let sent = r#"{"b":123456789012345678901234567890,"a":"\u00e9"}"#;
    assert!(reply.raw_result().contains(sent));
}

#[tokio::test]
async fn each_fault_is_the_promised_one() {
    let server = faults::start(None, Era::Dual).await;
    let client = RawClient::new(&server.url);
    let ask = async |name: &str| client.modern("tools/call", call(name)).await;

    let twice = ask("answers_twice").await;
    assert_eq!(twice.messages.len(), 2);
    assert_eq!(twice.values()[0]["id"], twice.values()[1]["id"]);
    assert_eq!(ask("wrong_id").await.value()["id"], "not-your-request");
    for name in ["malformed", "truncated", "not_text", "empty"] {
        let reply = ask(name).await;
        assert!(
            reply.value().is_null() || reply.text().contains('\u{fffd}'),
            "{name}: {reply:?}"
        );
    }
    let half = ask("half_stream").await;
    assert_eq!(half.messages.len(), 1);
    assert_eq!(half.value()["method"], "notifications/message");
    assert!(ask("broken_stream").await.broken);
    let deep = ask("deep").await;
    assert!(deep.text().len() > 2 * faults::DEEP_LEVELS);
    let redirect = ask("redirect").await;
    assert_eq!(redirect.status, 307);
    let location = redirect.header("location").unwrap();
    assert!(location.starts_with("http://169.254.169.254/"));
    assert_eq!(
        ask("wrong_type").await.header("content-type"),
        Some("text/html")
    );
    assert_eq!(ask("server_error").await.status, 500);
    assert_eq!(ask("unauthorized").await.status, 401);
}

#[tokio::test]
async fn a_huge_answer_has_the_wanted_size() {
    let server = faults::start(None, Era::Dual).await;
    let client = RawClient::new(&server.url);
    for name in ["huge", "huge_stream"] {
        let call = json!({ "name": name, "arguments": { "bytes": 1_000_003 } });
        let reply = client.modern("tools/call", call).await;
        assert_eq!(reply.content_text().len(), 1_000_003, "{name}");
    }
}

#[tokio::test]
async fn never_accepts_the_call_and_says_nothing() {
    let server = faults::start(None, Era::Dual).await;
    let client = RawClient::new(&server.url);
    let mut live = client.modern_live(1, "tools/call", call("never")).await;
    assert_eq!(live.status, 200);
    let patience = std::time::Duration::from_millis(200);
    assert!(tokio::time::timeout(patience, live.next()).await.is_err());
}

#[tokio::test]
async fn definitions_change_when_told_to() {
    let server = faults::start(None, Era::Dual).await;
    let client = RawClient::new(&server.url);
    let control = RawClient::new(&server.url.replace("/mcp", "/definitions/2"));
    let before = client.modern("tools/list", json!({})).await;
    assert!(before.text().contains("Reads a document"));
    assert!(before.text().contains("vanishing"));
    assert_eq!(control.post("", &[]).await.status, 200);
    let after = client.modern("tools/list", json!({})).await;
    assert!(after.text().contains("Deletes a document"));
    assert!(!after.text().contains("vanishing"));
}

#[tokio::test]
async fn side_effects_are_on_the_disk_before_the_answer() {
    let home = Home::new();
    let file = home.path().join("effects.jsonl");
    let server = faults::start(Some(&file), Era::Dual).await;
    let client = RawClient::new(&server.url);
    for id in ["one", "two"] {
        let call = json!({
            "name": "side_effect",
            "arguments": { "id": id },
            "_meta": { "example.com/call": id }
        });
        client.modern("tools/call", call).await.result();
        let lines = std::fs::read_to_string(&file).unwrap();
        let last: Value = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
        assert_eq!(last["arguments"]["id"], id);
        assert_eq!(last["_meta"]["example.com/call"], id);
    }
    let counter = RawClient::new(&server.url.replace("/mcp", "/counter"));
    let counts = counter.listen().await.finish().await.value();
    assert_eq!(counts["side_effect"], 2);
}

/// A fault server over standard input and output.
struct Pipe {
    child: tokio::process::Child,
    input: Option<tokio::process::ChildStdin>,
    lines: tokio::io::Lines<tokio::io::BufReader<tokio::process::ChildStdout>>,
}

impl Pipe {
    fn start(arguments: &[&str]) -> Self {
        let mut child = tokio::process::Command::new(program("sekimori-fixture"))
            .args(["--faults", "--stdio"])
            .args(arguments)
            .env("MARKER", "seen")
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let input = child.stdin.take();
        let lines = tokio::io::BufReader::new(child.stdout.take().unwrap()).lines();
        Self {
            child,
            input,
            lines,
        }
    }

    async fn call(&mut self, id: u64, name: &str) {
        let params = json!({ "name": name, "arguments": {} });
        let call = json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params });
        let input = self.input.as_mut().unwrap();
        input
            .write_all(format!("{call}\n").as_bytes())
            .await
            .unwrap();
    }

    async fn line(&mut self) -> Option<String> {
        let patience = std::time::Duration::from_secs(20);
        let line = tokio::time::timeout(patience, self.lines.next_line()).await;
        line.expect("a line in time").unwrap()
    }
}

#[tokio::test]
async fn a_child_process_has_faults_of_its_own() {
    let mut pipe = Pipe::start(&[]);
    pipe.call(1, "answers_twice").await;
    let first: Value = serde_json::from_str(&pipe.line().await.unwrap()).unwrap();
    let second: Value = serde_json::from_str(&pipe.line().await.unwrap()).unwrap();
    assert_eq!((&first["id"], &second["id"]), (&json!(1), &json!(1)));
    assert_ne!(first["result"], second["result"]);

    pipe.call(2, "noise").await;
    assert_eq!(pipe.line().await.unwrap(), "Server listening...");
    for _ in 0..3 {
        pipe.line().await.unwrap();
    }
    assert!(pipe.line().await.unwrap().contains("after the noise"));

    pipe.call(3, "environment").await;
    let environment: Value = serde_json::from_str(&pipe.line().await.unwrap()).unwrap();
    assert_eq!(environment["result"]["structuredContent"]["MARKER"], "seen");

    pipe.call(4, "odd_result").await;
    assert!(pipe.line().await.unwrap().contains(ODD_RESULT));

    pipe.call(5, "crash").await;
    assert_eq!(pipe.line().await, None);
    assert_eq!(pipe.child.wait().await.unwrap().code(), Some(3));
}

#[tokio::test]
async fn only_a_stubborn_child_stays() {
    let mut obedient = Pipe::start(&[]);
    drop(obedient.input.take());
    assert!(obedient.child.wait().await.unwrap().success());

    let mut stubborn = Pipe::start(&["--stubborn"]);
    stubborn.call(1, "shifting").await;
    stubborn.line().await.unwrap();
    drop(stubborn.input.take());
    let id = stubborn.child.id().unwrap().to_string();
    let sent = tokio::process::Command::new("kill")
        .args(["-TERM", &id])
        .status();
    assert!(sent.await.unwrap().success());
    let patience = std::time::Duration::from_millis(300);
    let ended = tokio::time::timeout(patience, stubborn.child.wait()).await;
    assert!(ended.is_err(), "it gave in: {ended:?}");
}
