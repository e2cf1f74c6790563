//! What happens to a call on its road: allowed, refused, recorded (AUTHN-5 to AUTHN-7, AUTHZ-1 to
//! AUTHZ-4, TOOL-2, TOOL-6, AUDIT-1 to AUDIT-3).

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use sekimori_testkit::client::{LEGACY, RawClient, Reply};
use sekimori_testkit::faults;
use sekimori_testkit::fixture::{self, Era, Local, Options};
use sekimori_testkit::issuer::Issuer;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::gate::{Gate, Key, OPEN_POLICY, Site, get, until, within};

/// How fast a decision of an administrator must take effect.
const AT_ONCE: Duration = Duration::from_secs(1);

async fn call(client: &RawClient, name: &str, arguments: Value) -> Reply {
    let params = json!({ "name": name, "arguments": arguments });
    client.modern("tools/call", params).await
}

fn correlation(reply: &Reply) -> String {
    reply.header("x-correlation-id").unwrap().to_owned()
}

/// The refusal inside a tool result.
fn refusal(reply: &Reply) -> Value {
    let result = reply.result();
    assert_eq!(result["isError"], true, "{result}");
    result["_meta"]["sekimori/refusal"].clone()
}

/// The fault server behind a gate with the shipped policies, and an employee's key. `echo_structured`
/// is classified as read and `side_effect` as create; nothing else is.
async fn faults_behind_a_gate() -> (Local, Site, Gate, Key) {
    let site = Site::new();
    let effects = site.home().path().join("effects");
    let upstream = faults::start(Some(&effects), Era::Dual).await;
    site.connector("faults", &upstream.url, &[]).await;
    site.classify("faults", "echo_structured", "read").await;
    site.classify("faults", "side_effect", "create").await;
    let key = site.key("reporter", "employee").await;
    let gate = site.serve().await;
    (upstream, site, gate, key)
}

/// AUTHZ-4: what a policy permits is called and answered; what none permits is refused with the reason,
/// and nothing of it reaches the upstream.
#[tokio::test]
async fn policy_lets_a_read_pass_and_turns_a_write_back_with_a_reason() {
    let (upstream, _site, gate, key) = faults_behind_a_gate().await;
    let client = gate.all(&key.text);
    let allowed = call(&client, "faults__echo_structured", json!({"a": 1})).await;
    assert_eq!(allowed.status, 200);
    assert_eq!(allowed.result()["structuredContent"], json!({"a": 1}));
    let denied = call(&client, "faults__side_effect", json!({})).await;
    assert_eq!(denied.status, 200);
    let told = refusal(&denied);
    assert_eq!(told["code"], "policy_denied");
    assert_eq!(told["stage"], "authorize");
    assert_eq!(told["correlationId"], correlation(&denied));
    assert!(!denied.content_text().is_empty());
    let counter = upstream.url.replace("/mcp", "/counter");
    let (_, counted) = get(&counter).await;
    let counted: Value = serde_json::from_str(&counted).unwrap();
    assert_eq!(counted, json!({"echo_structured": 1}));
}

/// TOOL-2: arguments are checked against the schema of the tool; the answer says where they break it.
#[tokio::test]
async fn bad_arguments_are_told_with_their_place() {
    let upstream = fixture::start(Options::default()).await;
    let site = Site::new();
    site.connector("fixture", &upstream.url, &[]).await;
    site.accept_suggestions("fixture").await;
    let key = site.key("reporter", "employee").await;
    let gate = site.serve().await;
    let bad = json!({"message": 7});
    let modern = call(&gate.all(&key.text), "fixture__test_echo", bad.clone()).await;
    assert_eq!(refusal(&modern)["code"], "invalid_arguments");
    assert!(modern.content_text().contains("/message"), "{modern:?}");
    let legacy = gate.all(&key.text);
    legacy.initialize(LEGACY).await.result();
    let params = json!({"name": "fixture__test_echo", "arguments": bad});
    let legacy = legacy.legacy("tools/call", params).await;
    assert_eq!(refusal(&legacy)["code"], "invalid_arguments");
    assert!(legacy.content_text().contains("/message"), "{legacy:?}");
}

/// AUTHZ-2: what nobody classified counts as admin, is not listed, and cannot be called; a decision takes
/// effect within a second.
#[tokio::test]
async fn what_nobody_classified_is_shut_until_somebody_does() {
    let (_upstream, site, gate, key) = faults_behind_a_gate().await;
    let client = gate.all(&key.text);
    let listed = async || -> Vec<String> {
        let list = client.modern("tools/list", json!({})).await.result();
        let tools = list["tools"].as_array().unwrap();
        let names = tools.iter().map(|tool| tool["name"].as_str().unwrap());
        names.map(str::to_owned).collect()
    };
    assert_eq!(listed().await, ["faults__echo_structured"]);
    let shut = call(&client, "faults__echo_raw", json!({})).await;
    assert_eq!(refusal(&shut)["code"], "policy_denied");
    let policies = json!(["unclassified-is-admin"]);
    assert_eq!(refusal(&shut)["policies"], policies);
    assert!(shut.content_text().contains("classif"), "{shut:?}");
    site.classify("faults", "echo_raw", "read").await;
    within(AT_ONCE, "the tool is open", async || {
        let reply = call(&client, "faults__echo_raw", json!({})).await;
        (reply.result()["isError"] != true).then_some(())
    })
    .await;
    let now = listed().await;
    assert_eq!(now, ["faults__echo_raw", "faults__echo_structured"]);
}

/// The fault server behind a gate where an employee may call what its definition changes for.
async fn changing_tools(refresh_seconds: &str) -> (Local, Site, Gate, RawClient) {
    let site = Site::new();
    let upstream = faults::start(None, Era::Dual).await;
    let more = ["--refresh-seconds", refresh_seconds];
    site.connector("faults", &upstream.url, &more).await;
    for tool in ["shifting", "vanishing"] {
        site.classify("faults", tool, "read").await;
    }
    let key = site.key("reporter", "employee").await;
    let gate = site.serve().await;
    let client = gate.all(&key.text);
    let open = call(&client, "faults__shifting", json!({})).await;
    assert_ne!(open.result()["isError"], true, "{open:?}");
    (upstream, site, gate, client)
}

/// Gives the tools of the fault server other definitions. It announces nothing.
async fn redefine(upstream: &Local, version: u64) {
    let definitions = upstream
        .url
        .replace("/mcp", &format!("/definitions/{version}"));
    assert_eq!(RawClient::new(&definitions).post("", &[]).await.status, 200);
}

async fn until_shut(client: &RawClient) -> Reply {
    until("the tool is shut", async || {
        let reply = call(client, "faults__shifting", json!({})).await;
        let told = reply.result()["_meta"]["sekimori/refusal"]["code"].clone();
        (told == "quarantined").then_some(reply)
    })
    .await
}

/// TOOL-6: a tool that an upstream gives another meaning is in quarantine, and the change is recorded.
/// Nobody tells the gate: it looks by itself.
#[tokio::test]
async fn tool_6_a_changed_definition_is_shut_again() {
    let (upstream, site, _gate, client) = changing_tools("1").await;
    redefine(&upstream, 1).await;
    let shut = until_shut(&client).await;
    assert_eq!(refusal(&shut)["stage"], "resolve");
    let asked = ["audit", "search", "--event", "tool.definition_change"];
    until("the change is recorded", async || {
        let page = site.json(&asked).await;
        let records = page["records"].as_array().unwrap();
        let ours = records.iter().any(|record| {
            record["detail"]["tool"] == "shifting" && !record["detail"]["before"].is_null()
        });
        ours.then_some(())
    })
    .await;
}

/// TOOL-6: what a command in another process saw of an upstream, the gate knows at once.
#[tokio::test]
async fn tool_6_a_change_seen_by_a_command_is_known_to_the_gate() {
    let (upstream, site, _gate, client) = changing_tools("86400").await;
    redefine(&upstream, 1).await;
    site.json(&["tool", "list", "faults", "--refresh"]).await;
    until_shut(&client).await;
}

/// A connector that is switched off and on at once is listed anew, however fast that was.
#[tokio::test]
async fn tool_6_a_connector_switched_off_and_on_is_listed_anew() {
    let (upstream, site, _gate, client) = changing_tools("86400").await;
    redefine(&upstream, 1).await;
    site.json(&["connector", "disable", "faults"]).await;
    site.json(&["connector", "enable", "faults"]).await;
    until_shut(&client).await;
}

/// An upstream that does not know a tool any more is asked which ones it has.
#[tokio::test]
async fn an_unknown_tool_has_the_upstream_listed_again() {
    let (upstream, _site, _gate, client) = changing_tools("86400").await;
    redefine(&upstream, 2).await;
    until("the tool is gone", async || {
        let reply = call(&client, "faults__vanishing", json!({})).await;
        let told = reply.error()["data"]["code"].clone();
        (told == "unknown_target").then_some(())
    })
    .await;
}

/// AUDIT-1, AUDIT-3: a write leaves an intent and an outcome, a read and a refusal one record each, all
/// found by their correlation id.
#[tokio::test]
async fn every_call_leaves_its_records() {
    let (_upstream, site, gate, key) = faults_behind_a_gate().await;
    site.policy(OPEN_POLICY).await;
    let client = gate.all(&key.text);
    let write = until("the policy is in force", async || {
        let reply = call(&client, "faults__side_effect", json!({"n": 1})).await;
        (reply.result()["isError"] != true).then_some(reply)
    })
    .await;
    let records = site.records(&correlation(&write), 2).await;
    let phases: Vec<_> = records.iter().map(|record| &record["phase"]).collect();
    assert_eq!(phases, ["intent", "outcome"]);
    assert_eq!(records[0]["call"], records[1]["call"]);
    assert_eq!(records[0]["caller"]["id"], "service:reporter");
    assert_eq!(records[0]["target"]["name"], "side_effect");
    assert_eq!(records[0]["target"]["class"], "create");
    assert_eq!(records[0]["decision"]["effect"], "allow");
    assert!(records[0].get("outcome").is_none(), "{records:?}");
    assert_eq!(records[1]["outcome"]["status"], "success");

    let read = call(
        &client,
        "faults__echo_structured",
        json!({"secret": "hunter2"}),
    )
    .await;
    let records = site.records(&correlation(&read), 1).await;
    assert_eq!(records.len(), 1);
    assert_eq!(records[0]["phase"], "single");
    assert_eq!(records[0]["outcome"]["status"], "success");
    assert!(records[0]["arguments"]["digest"].is_string(), "{records:?}");
    assert!(!records[0].to_string().contains("hunter2"), "{records:?}");

    let refused = call(&client, "faults__never", json!({})).await;
    let records = site.records(&correlation(&refused), 1).await;
    assert_eq!(records.len(), 1, "{records:#?}");
    assert_eq!(records[0]["phase"], "single");
    assert_eq!(records[0]["outcome"]["status"], "refused");
    assert_eq!(records[0]["outcome"]["code"], "policy_denied");
    let report = site.run(&["audit", "verify"]).await;
    assert!(report.status.success(), "{report:?}");
}

/// AUTHN-5: a revoked key is refused within a second.
#[tokio::test]
async fn a_revoked_key_opens_nothing() {
    let (_upstream, site, gate, key) = faults_behind_a_gate().await;
    let client = gate.all(&key.text);
    let ask = async || call(&client, "faults__echo_structured", json!({})).await;
    assert_eq!(ask().await.status, 200);
    site.json(&["key", "revoke", &key.id]).await;
    let refused = within(AT_ONCE, "the key is refused", async || {
        let reply = ask().await;
        (reply.status == 401).then_some(reply)
    })
    .await;
    let challenge = refused.header("www-authenticate").unwrap();
    assert!(challenge.contains("invalid_token"), "{challenge}");
}

/// AUTHN-6, AUTHN-7: access tokens of a configured issuer are accepted for their audience; who brings none
/// is told where to get one, and who brings too little is told which scope is missing.
#[tokio::test]
async fn access_tokens_open_what_their_scope_and_groups_allow() {
    let upstream = faults::start(None, Era::Dual).await;
    let issuer = Issuer::start().await;
    let site = Site::with(&format!(
        "[[identity.issuers]]\nissuer = \"{}\"\nallow_private_network = true\n",
        issuer.url
    ));
    site.connector("faults", &upstream.url, &[]).await;
    site.classify("faults", "echo_structured", "read").await;
    site.classify("faults", "side_effect", "create").await;
    let gate = site.serve().await;
    let token = |scope: &str| {
        issuer.token(&json!({
            "aud": format!("{}/mcp", gate.url), "sub": "hanako", "client_id": "desk",
            "scope": scope, "groups": ["employee"]
        }))
    };
    let reader = gate.all(&token("mcp:read"));
    let read = call(&reader, "faults__echo_structured", json!({"a": 1})).await;
    assert_eq!(
        read.result()["structuredContent"],
        json!({"a": 1}),
        "{read:?}"
    );
    let records = site.records(&correlation(&read), 1).await;
    assert_eq!(records[0]["caller"]["id"], "user:hanako");
    assert_eq!(records[0]["caller"]["client"], "desk");

    let write = call(&reader, "faults__side_effect", json!({})).await;
    assert_eq!(write.status, 403);
    assert_eq!(write.error()["data"]["code"], "insufficient_scope");
    let challenge = write.header("www-authenticate").unwrap();
    assert!(
        challenge.contains("error=\"insufficient_scope\""),
        "{challenge}"
    );
    assert!(challenge.contains("mcp:write"), "{challenge}");

    let nobody = RawClient::new(&format!("{}/mcp", gate.url));
    let nobody = call(&nobody, "faults__echo_structured", json!({})).await;
    assert_eq!(nobody.status, 401);
    let challenge = nobody.header("www-authenticate").unwrap();
    assert!(!challenge.contains("error="), "{challenge}");
    let metadata = challenge.split('"').nth(1).unwrap();
    let (status, metadata) = get(metadata).await;
    assert_eq!(status, 200);
    let metadata: Value = serde_json::from_str(&metadata).unwrap();
    assert_eq!(metadata["resource"], format!("{}/mcp", gate.url));
    assert_eq!(metadata["authorization_servers"], json!([issuer.url]));
}

type Seen = Arc<Mutex<Vec<String>>>;

/// Keeps the head and body of a request as text, and passes it on.
async fn keep(seen: Seen, request: Request, next: Next) -> axum::response::Response {
    let (parts, body) = request.into_parts();
    let body: Bytes = to_bytes(body, 1 << 20).await.unwrap();
    let text = format!("{parts:?}\n{}", String::from_utf8_lossy(&body));
    seen.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(text);
    next.run(Request::from_parts(parts, Body::from(body))).await
}

/// AUTHN-6: the client's credential stays at the gate; the upstream sees the connector's own, and nothing
/// of the client but what the call holds.
#[tokio::test]
async fn the_clients_token_never_reaches_the_upstream() {
    let seen = Seen::default();
    let keeper = Arc::clone(&seen);
    let layer = from_fn(move |request, next| keep(Arc::clone(&keeper), request, next));
    let router = faults::router(None, Era::Dual).layer(layer);
    let upstream = Local::serve(router, CancellationToken::new()).await;
    let site = Site::new();
    let header = ["--header", "authorization=Bearer of-the-connector"];
    site.connector("faults", &upstream.url, &header).await;
    site.accept_suggestions("faults").await;
    let key = site.key("reporter", "employee").await;
    let gate = site.serve().await;
    let client = gate
        .all(&key.text)
        .with_header("cookie", "session=of-the-client")
        .with_header("x-api-key", "of-the-client");
    for name in ["faults__echo_raw", "faults__echo_structured"] {
        assert_ne!(
            call(&client, name, json!({})).await.result()["isError"],
            true
        );
    }
    let legacy = gate.all(&key.text);
    legacy.initialize(LEGACY).await.result();
    let params = json!({"name": "faults__echo_raw", "arguments": {}});
    legacy.legacy("tools/call", params).await.result();
    let seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    let calls = seen.iter().filter(|text| text.contains("tools/call"));
    assert!(calls.count() >= 3, "{seen:?}");
    for text in seen.iter() {
        assert!(!text.contains(&key.text), "{text}");
        assert!(!text.contains("of-the-client"), "{text}");
    }
}
