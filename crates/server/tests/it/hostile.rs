//! Bad requests and bad upstreams: each ends in the error that is specified for it, none in a panic, and the
//! gate goes on with its memory in bounds (AUTHN-6, TOOL-2).

use std::time::{Duration, Instant};

use sekimori_testkit::client::{LEGACY, MODERN, RawClient, Reply};
use sekimori_testkit::faults;
use sekimori_testkit::fixture::{Era, Local};
use sekimori_testkit::issuer::Issuer;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::gate::{Gate, PATIENCE, Site, until};

/// Most memory that the gate may ever have taken.
const MEMORY_MIB_MAX: u64 = 300;
/// How long the upstream may take, as the connector says.
const UPSTREAM_TIMEOUT: Duration = Duration::from_secs(2);

/// The fault server behind a gate; all its tools are classified as reads.
struct Stage {
    upstream: Local,
    site: Site,
    gate: Gate,
    key: String,
}

impl Stage {
    async fn set(era: Era, more: &str) -> Self {
        let upstream = faults::start(None, era).await;
        let site = Site::with(more);
        let timeout = UPSTREAM_TIMEOUT.as_secs().to_string();
        let more = ["--timeout-seconds", timeout.as_str()];
        site.connector("faults", &upstream.url, &more).await;
        site.accept_suggestions("faults").await;
        let key = site.key("reporter", "employee").await.text;
        let gate = site.serve().await;
        Self {
            upstream,
            site,
            gate,
            key,
        }
    }

    fn client(&self) -> RawClient {
        self.gate.one("faults", &self.key)
    }

    /// The gate has not panicked, has not taken much memory, and answers.
    async fn assert_unharmed(&self) {
        let reply = call(&self.client(), "echo_structured").await;
        assert_eq!(reply.result()["structuredContent"], json!({}), "{reply:?}");
        self.gate.assert_no_panic();
        let memory = self.gate.memory_peak_mib();
        assert!(memory < MEMORY_MIB_MAX, "the gate has taken {memory} MiB");
        let verified = self.site.run(&["audit", "verify"]).await;
        assert!(verified.status.success(), "{verified:?}");
    }
}

async fn call(client: &RawClient, tool: &str) -> Reply {
    let params = json!({ "name": tool, "arguments": {} });
    client.modern("tools/call", params).await
}

/// A correct modern call as text, with `arguments` put in.
fn body(arguments: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"echo_raw","arguments":{arguments},"_meta":{{"io.modelcontextprotocol/protocolVersion":"{MODERN}","io.modelcontextprotocol/clientCapabilities":{{}}}}}}}}"#
    )
}

/// The headers of that call.
const HEADERS: [(&str, &str); 3] = [
    ("mcp-protocol-version", MODERN),
    ("mcp-method", "tools/call"),
    ("mcp-name", "echo_raw"),
];

fn told(reply: &Reply) -> (u16, i64) {
    (reply.status, reply.error()["code"].as_i64().unwrap())
}

/// Bytes that are no sound message.
#[tokio::test]
async fn malformed_messages_are_turned_back() {
    let stage = Stage::set(Era::Dual, "").await;
    let client = stage.client();
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let not_utf8 = [&body("{}").into_bytes()[..20], &[0xff, 0xfe, 0xc0]].concat();
    let messages: [(&str, Vec<u8>, i64); 9] = [
        ("nothing", Vec::new(), -32700),
        ("cut short", body("{}").into_bytes()[..40].to_vec(), -32700),
        ("no JSON", b"hello".to_vec(), -32700),
        ("a member twice", body(r#"{"a":1,"a":2}"#).into(), -32700),
        (
            "the same in escapes",
            body(r#"{"a":1,"\u0061":2}"#).into(),
            -32700,
        ),
        (
            "depth 10,000",
            body(&format!(r#"{{"a":{deep}}}"#)).into(),
            -32700,
        ),
        ("invalid UTF-8", not_utf8, -32700),
        ("no message", b"{}".to_vec(), -32600),
        (
            "another protocol",
            br#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#.to_vec(),
            -32600,
        ),
    ];
    for (what, bytes, code) in messages {
        let reply = client.post(bytes, &HEADERS).await;
        assert_eq!(told(&reply), (400, code), "{what}: {reply:?}");
    }
    let sound = client.post(body("{}"), &HEADERS).await;
    assert_eq!(sound.status, 200, "{sound:?}");
    stage.assert_unharmed().await;
}

/// Sound messages in requests that contradict them or the protocol.
#[tokio::test]
async fn requests_that_contradict_themselves_are_turned_back() {
    let stage = Stage::set(Era::Dual, "").await;
    let client = stage.client();
    for (header, value) in [
        ("mcp-name", "echo_structured"),
        ("mcp-method", "tools/list"),
        ("mcp-protocol-version", LEGACY),
    ] {
        let mut headers = HEADERS.to_vec();
        headers.push((header, value));
        let reply = client.post(body("{}"), &headers).await;
        assert_eq!(told(&reply), (400, -32020), "{header}: {reply:?}");
    }
    let unknown = client.modern("no/such_method", json!({})).await;
    assert_eq!(told(&unknown), (404, -32601));
    let mut headers = HEADERS.to_vec();
    headers.push(("content-type", "text/plain"));
    let reply = client.post(body("{}"), &headers).await;
    assert_eq!(told(&reply), (415, -32600));
    headers.push(("content-type", "application/json"));
    headers.push(("origin", "https://evil.example"));
    let reply = client.post(body("{}"), &headers).await;
    assert_eq!(told(&reply), (403, -32600));
    headers.push(("origin", &stage.gate.url));
    headers.push(("host", "evil.example"));
    let reply = client.post(body("{}"), &headers).await;
    assert_eq!(told(&reply), (403, -32600));
    let legacy = stage.client();
    legacy.initialize(LEGACY).await.result();
    let unknown = legacy.legacy("no/such_method", json!({})).await;
    assert_eq!(told(&unknown), (200, -32601));
    stage.assert_unharmed().await;
}

/// AUTHN-6: forged, expired and foreign tokens, and credentials where they must not be.
#[tokio::test]
async fn bad_credentials_open_nothing() {
    let issuer = Issuer::start().await;
    let more = format!(
        "[[identity.issuers]]\nissuer = \"{}\"\nallow_private_network = true\n",
        issuer.url
    );
    let stage = Stage::set(Era::Dual, &more).await;
    let url = format!("{}/c/faults/mcp", stage.gate.url);
    let good = json!({
        "aud": url, "sub": "hanako", "client_id": "desk", "scope": "mcp:read", "groups": ["employee"]
    });
    let with = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        claims
    };
    let reply = call(&stage.gate.one("faults", &issuer.token(&good)), "echo_raw").await;
    assert_ne!(reply.result()["isError"], true, "{reply:?}");
    let past = 1_600_000_000;
    for (what, token) in [
        (
            "foreign audience",
            issuer.token(&with("aud", json!("https://other.example/mcp"))),
        ),
        (
            "two audiences",
            issuer.token(&with("aud", json!([url, "https://other.example/mcp"]))),
        ),
        ("expired", issuer.token(&with("exp", json!(past)))),
        (
            "foreign issuer",
            issuer.token(&with("iss", json!("https://other.example"))),
        ),
        ("alg=none", issuer.forge_unsigned(&good)),
        (
            "HS256 with the public key",
            issuer.forge_with_public_key(&good),
        ),
        ("another key", issuer.forge_with_other_key(&good)),
        (
            "altered",
            issuer.forge_altered(&good, &with("sub", json!("taro"))),
        ),
        (
            "an unknown key of ours",
            "smk_0123456789abcdef_0123456789abcdef".to_owned(),
        ),
    ] {
        let reply = call(&stage.gate.one("faults", &token), "echo_raw").await;
        assert_eq!(told(&reply), (401, 401), "{what}: {reply:?}");
        let challenge = reply.header("www-authenticate").unwrap();
        assert!(
            challenge.contains("error=\"invalid_token\""),
            "{what}: {challenge}"
        );
    }
    let token = issuer.token(&good);
    let in_query = RawClient::new(&format!("{url}?access_token={token}"));
    let reply = in_query.post(body("{}"), &HEADERS).await;
    assert_eq!(told(&reply), (400, -32600), "{reply:?}");
    let twice = format!("authorization: Bearer {token}\r\n").repeat(2);
    let head = format!("POST /c/faults/mcp HTTP/1.1\r\n{twice}content-length: 2\r\n\r\n{{}}");
    let answer = exchange(&stage.gate, &head).await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(
        answer.contains("exactly one Authorization header"),
        "{answer}"
    );
    assert!(!stage.gate.running.output().contains(&token));
    stage.assert_unharmed().await;
}

/// Sends a request as it stands, but for the host, and reads until the gate closes.
async fn exchange(gate: &Gate, request: &str) -> String {
    let address = gate.url.trim_start_matches("http://");
    let rest =
        format!("\r\nhost: {address}\r\nconnection: close\r\ncontent-type: application/json\r\n");
    let request = request.replacen("\r\n", &rest, 1);
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    tokio::time::timeout(PATIENCE, read).await.unwrap().unwrap();
    String::from_utf8(answer).unwrap()
}

/// A body of 100 MB is turned back when it is larger than allowed, not when it is over.
#[tokio::test]
async fn a_huge_body_is_turned_back_without_being_kept() {
    let stage = Stage::set(Era::Dual, "").await;
    let address = stage.gate.url.trim_start_matches("http://");
    let (mut receive, mut send) = TcpStream::connect(address).await.unwrap().into_split();
    let key = &stage.key;
    let head = format!(
        "POST /c/faults/mcp HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    let sending = tokio::spawn(async move {
        let chunk = format!("10000\r\n{}\r\n", "[".repeat(0x1_0000));
        let mut sent = 0_usize;
        let mut more = send.write_all(head.as_bytes()).await;
        while more.is_ok() && sent < 100 << 20 {
            more = send.write_all(chunk.as_bytes()).await;
            sent += 0x1_0000;
        }
        sent
    });
    let mut answer = vec![0; 12];
    let read = receive.read_exact(&mut answer);
    tokio::time::timeout(PATIENCE, read).await.unwrap().unwrap();
    assert_eq!(String::from_utf8_lossy(&answer), "HTTP/1.1 413");
    drop(receive);
    let sent = sending.await.unwrap();
    assert!(sent < 100 << 20, "the gate took all of {sent} bytes");
    stage.assert_unharmed().await;
}

/// A client that sends a byte now and then holds its connection only for so long.
#[tokio::test]
async fn slow_senders_are_cut_off() {
    let stage = Stage::set(Era::Dual, "").await;
    let address = stage.gate.url.trim_start_matches("http://");
    let key = &stage.key;
    let head = format!("POST /c/faults/mcp HTTP/1.1\r\nhost: {address}\r\nx-slow: ");
    let body = format!(
        "POST /c/faults/mcp HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\ncontent-length: 100000\r\n\r\n"
    );
    let begin = Instant::now();
    let slow_head = async {
        let answer = trickle(address, &head).await;
        assert!(
            begin.elapsed() < Duration::from_secs(20),
            "{:?}",
            begin.elapsed()
        );
        assert!(!answer.contains("200 OK"), "{answer}");
    };
    let slow_body = async {
        let answer = trickle(address, &body).await;
        assert!(
            begin.elapsed() < Duration::from_secs(45),
            "{:?}",
            begin.elapsed()
        );
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    };
    let others = stage.assert_unharmed();
    tokio::join!(slow_head, slow_body, others);
    stage.assert_unharmed().await;
}

/// Sends `begin` at once and then a byte every half second, until the other side answers or closes.
async fn trickle(address: &str, begin: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(begin.as_bytes()).await.unwrap();
    let mut pace = tokio::time::interval(Duration::from_millis(500));
    let mut answer = vec![0; 1_000];
    loop {
        tokio::select! {
            read = stream.read(&mut answer) => {
                // A reset is an end too.
                let length = read.unwrap_or(0);
                return String::from_utf8_lossy(&answer[..length]).into_owned();
            }
            _ = pace.tick() => {
                // Once it is closed, reading says so.
                let _closed = stream.write_all(b"x").await.is_err();
            }
        }
    }
}

/// How a call ends at an upstream that misbehaves.
const FAULTS: &[(&str, &str)] = &[
    ("answers_twice", "first"),
    // A message that answers nothing of ours is passed over, and then there is no answer.
    ("wrong_id", "upstream_invalid"),
    ("null_id", "upstream_invalid"),
    ("never", "upstream_timeout"),
    ("huge", "upstream_invalid"),
    ("huge_stream", "upstream_invalid"),
    ("malformed", "upstream_invalid"),
    ("truncated", "upstream_invalid"),
    ("half_stream", "upstream_unavailable"),
    ("broken_stream", "upstream_unavailable"),
    ("empty", "upstream_invalid"),
    ("not_text", "upstream_invalid"),
    ("duplicate_keys", "upstream_invalid"),
    ("deep", "upstream_invalid"),
    ("redirect", "upstream_invalid"),
    ("wrong_type", "upstream_invalid"),
    ("server_error", "upstream_unavailable"),
    ("unauthorized", "upstream_unavailable"),
    ("both", "upstream_invalid"),
];

/// One call of each faulty tool, by a client of each era. `unasked` is how a call ends whose upstream asks
/// the client something in a message of its own, which only legacy servers may.
async fn faults_end_as_specified(era: Era, unasked: &str) {
    let stage = Stage::set(era, "").await;
    let modern = stage.client();
    let legacy = stage.client();
    legacy.initialize(LEGACY).await.result();
    let mut wrong = Vec::new();
    for (tool, expected) in [("unasked", unasked)].iter().chain(FAULTS) {
        let params = json!({ "name": tool, "arguments": {} });
        for (client, reply) in [
            ("modern", modern.modern("tools/call", params.clone()).await),
            ("legacy", legacy.legacy("tools/call", params.clone()).await),
        ] {
            let result = reply.result();
            let refusal = &result["_meta"]["sekimori/refusal"];
            let code = refusal["code"].as_str();
            let got = code.unwrap_or_else(|| result["content"][0]["text"].as_str().unwrap());
            if got != *expected || reply.status != 200 {
                wrong.push(format!("{tool} ({client} client): {}", reply.text()));
            }
            // What the upstream says of itself in an error is its own business.
            assert!(!reply.text().contains("sk-test-0000"), "{reply:?}");
        }
    }
    assert!(wrong.is_empty(), "not as specified:\n{}", wrong.join("\n"));
    // Each is recorded as what it was: a failure of the upstream.
    let recorded = until("the failures are in the index", async || {
        let asked = [
            "audit",
            "search",
            "--event",
            "tool.call",
            "--status",
            "error",
        ];
        let page = stage.site.json(&asked).await;
        let records = page["records"].as_array().unwrap();
        (records.len() >= 2 * (FAULTS.len() - 1)).then(|| records.clone())
    })
    .await;
    assert!(
        recorded
            .iter()
            .all(|record| record["outcome"]["stage"] == "invoke")
    );
    stage.assert_unharmed().await;
    drop(stage.upstream);
}

#[tokio::test]
async fn faults_of_a_modern_upstream_end_as_specified() {
    faults_end_as_specified(Era::Modern, "upstream_invalid").await;
}

#[tokio::test]
async fn faults_of_a_legacy_upstream_end_as_specified() {
    faults_end_as_specified(Era::Legacy, "answered anyway").await;
}
