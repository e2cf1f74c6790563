//! What an administrator stops, bounds and reviews by commands, as callers of a running gate meet it (TOOL-4, TOOL-5,
//! TOOL-6).

use std::time::Duration;

use sekimori_testkit::client::{RawClient, Reply};
use sekimori_testkit::faults;
use sekimori_testkit::fixture::{Era, Local};
use serde_json::{Value, json};

use crate::gate::{Gate, Key, Site, get, until, within};

/// How fast a decision of an administrator must take effect.
const AT_ONCE: Duration = Duration::from_secs(1);

async fn call(client: &RawClient, name: &str) -> Reply {
    let params = json!({ "name": name, "arguments": {} });
    client.modern("tools/call", params).await
}

/// The refusal inside a tool result; null if it was answered.
fn told(reply: &Reply) -> Value {
    reply.result()["_meta"]["sekimori/refusal"].clone()
}

async fn site_with_a_tool(more: &str) -> (Local, Site, Gate, Key) {
    let site = Site::with(more);
    let upstream = faults::start(None, Era::Dual).await;
    site.connector("faults", &upstream.url, &["--refresh-seconds", "1"])
        .await;
    site.classify("faults", "echo_structured", "read").await;
    site.classify("faults", "shifting", "read").await;
    let key = site.key("reporter", "employee").await;
    let gate = site.serve().await;
    (upstream, site, gate, key)
}

#[tokio::test]
async fn tool_4_the_kill_switch_is_pulled_by_a_command_and_released() {
    let (_upstream, site, gate, key) = site_with_a_tool("").await;
    let client = gate.all(&key.text);
    assert!(told(&call(&client, "faults__echo_structured").await).is_null());
    let stop = [
        "kill-switch",
        "engage",
        "connector",
        "faults",
        "--reason",
        "wrong deletions",
    ];
    let engaged = site.json(&stop).await;
    let refused = within(AT_ONCE, "the connector is stopped", async || {
        let reply = call(&client, "faults__echo_structured").await;
        (told(&reply)["code"] == "stopped").then_some(reply)
    })
    .await;
    assert!(
        refused.content_text().contains("wrong deletions"),
        "{refused:?}"
    );
    let listed = site.json(&["kill-switch", "list"]).await;
    assert_eq!(listed[0]["id"], engaged["id"]);
    let drilled = site.json(&["kill-switch", "drill"]).await;
    let took = drilled["nodes"][0]["after_ms"].as_u64().unwrap();
    assert!(took < 1_000, "{drilled}");
    site.json(&["kill-switch", "release", engaged["id"].as_str().unwrap()])
        .await;
    within(AT_ONCE, "the connector goes on", async || {
        told(&call(&client, "faults__echo_structured").await)
            .is_null()
            .then_some(())
    })
    .await;
    until("all of it is recorded", async || {
        let mut kinds = Vec::new();
        for kind in ["engage", "release", "drill"] {
            let event = format!("kill_switch.{kind}");
            let page = site.json(&["audit", "search", "--event", &event]).await;
            kinds.push(page["records"].as_array().unwrap().len());
        }
        (kinds == [1, 1, 1]).then_some(())
    })
    .await;
}

/// AUDIT-7: an alert rule engages the kill switch for who made it raise, and nobody else.
#[tokio::test]
async fn audit_7_an_alert_rule_stops_who_calls_too_much() {
    let rule = "[[audit.alerts]]\nid = \"chatty\"\nkind = \"calls\"\nthreshold = 3\nwindow_seconds = 300\n\
                severity = \"high\"\nstop = \"user\"\nstop_minutes = 5\n";
    let (_upstream, site, gate, key) = site_with_a_tool(rule).await;
    let other = site.key("other", "employee").await;
    let client = gate.all(&key.text);
    for _ in 0..3 {
        assert!(told(&call(&client, "faults__echo_structured").await).is_null());
    }
    let refused = until("the rule stopped it", async || {
        let reply = call(&client, "faults__echo_structured").await;
        (told(&reply)["code"] == "stopped").then_some(reply)
    })
    .await;
    assert!(refused.content_text().contains("chatty"), "{refused:?}");
    let other = gate.all(&other.text);
    assert!(told(&call(&other, "faults__echo_structured").await).is_null());
    let engaged = site.json(&["kill-switch", "list"]).await;
    assert_eq!(engaged.as_array().unwrap().len(), 1, "{engaged}");
    assert_eq!(engaged[0]["rule"], "chatty");
    assert_eq!(engaged[0]["scope"]["kind"], "service_account");
    until("the alert and the stop share a story", async || {
        let raised = site
            .json(&["audit", "search", "--event", "alert.raise"])
            .await;
        let alert = raised["records"]
            .as_array()?
            .iter()
            .find(|record| record["detail"]["rule"] == "chatty")?
            .clone();
        assert_eq!(alert["detail"]["stop"]["scope"]["id"], "reporter");
        let stopped = ["audit", "search", "--event", "kill_switch.engage"];
        let stopped = site.json(&stopped).await;
        (stopped["records"][0]["correlation"] == alert["correlation"]).then_some(())
    })
    .await;
}

/// The token of the local administrator stops everything and lets it go on, with the identity provider gone.
#[tokio::test]
async fn tool_4_a_break_glass_token_needs_no_identity_provider() {
    // Nobody answers there: whoever signs in through it can't.
    let idp = "\n[[identity.issuers]]\nissuer = \"https://idp.invalid\"\n";
    let (_upstream, site, gate, key) = site_with_a_tool(idp).await;
    let made = site
        .json(&["admin", "create", "--name", "break-glass"])
        .await;
    let token = made["token"].as_str().unwrap();
    let api = RawClient::new(&format!("{}/api/v1/kill-switches", gate.url)).with_bearer(token);
    let body = json!({"scope": {"kind": "all"}, "reason": "a leak"}).to_string();
    let engaged = api
        .post(body, &[("content-type", "application/json")])
        .await;
    assert_eq!(engaged.status, 201, "{engaged:?}");
    let client = gate.all(&key.text);
    assert_eq!(
        told(&call(&client, "faults__echo_structured").await)["code"],
        "stopped"
    );
    let release = format!(
        "{}/api/v1/kill-switches/{}/release",
        gate.url,
        engaged.value()["id"].as_str().unwrap()
    );
    let released = RawClient::new(&release)
        .with_bearer(token)
        .post("", &[])
        .await;
    assert_eq!(released.status, 200, "{released:?}");
    assert!(told(&call(&client, "faults__echo_structured").await).is_null());
}

#[tokio::test]
async fn tool_4_a_limit_is_set_by_a_command_and_tells_when_to_try_again() {
    let (_upstream, site, gate, key) = site_with_a_tool("").await;
    let client = gate.all(&key.text);
    let set = [
        "limit",
        "set",
        "slow",
        "--who",
        "service-account:reporter",
        "--rate",
        "2/3600",
    ];
    site.json(&set).await;
    let refused = until("the limit is reached", async || {
        let reply = call(&client, "faults__echo_structured").await;
        (told(&reply)["code"] == "rate_limited").then_some(reply)
    })
    .await;
    let wait = told(&refused)["retryAfterSeconds"].as_u64().unwrap();
    assert!((1_700..=1_800).contains(&wait), "{wait}");
    assert_eq!(site.json(&["limit", "list"]).await[0]["name"], "slow");
    site.json(&["limit", "remove", "slow"]).await;
    let small = [
        "limit",
        "set",
        "small",
        "--what",
        "connector:faults",
        "--answer-bytes",
        "10",
    ];
    site.json(&small).await;
    until("answers are bounded", async || {
        let reply = call(&client, "faults__echo_structured").await;
        let error = reply.value()["error"]["data"]["code"].clone();
        (error == "too_large").then_some(())
    })
    .await;
}

/// TOOL-6: a changed tool vanishes and is refused; the command shows what changed; a new review lets it go.
#[tokio::test]
async fn tool_6_a_changed_tool_is_shown_with_its_changes_and_reviewed_again() {
    let (upstream, site, gate, key) = site_with_a_tool("").await;
    let client = gate.all(&key.text);
    let definitions = upstream.url.replace("/mcp", "/definitions/1");
    assert_eq!(RawClient::new(&definitions).post("", &[]).await.status, 200);
    let refused = until("the tool is in quarantine", async || {
        let reply = call(&client, "faults__shifting").await;
        (told(&reply)["code"] == "quarantined").then_some(reply)
    })
    .await;
    assert_eq!(told(&refused)["stage"], "resolve");
    let listed = client.modern("tools/list", json!({})).await.result();
    let tools = listed["tools"].as_array().unwrap();
    assert!(
        tools.iter().all(|tool| tool["name"] != "faults__shifting"),
        "{listed}"
    );
    let diff = site.json(&["tool", "diff", "faults", "shifting"]).await;
    assert_eq!(diff["state"], "definition_changed");
    let description = json!({
        "pointer": "/description", "before": "Reads a document", "after": "Deletes a document",
    });
    assert!(
        diff["changes"].as_array().unwrap().contains(&description),
        "{diff}"
    );
    site.classify("faults", "shifting", "read").await;
    within(AT_ONCE, "it is open again", async || {
        told(&call(&client, "faults__shifting").await)
            .is_null()
            .then_some(())
    })
    .await;
}

/// TOOL-5: a connector that is gone is left alone, and the operations page says so.
#[tokio::test]
async fn tool_5_the_breaker_opens_and_is_shown() {
    let (upstream, _site, gate, key) = site_with_a_tool("").await;
    let client = gate.all(&key.text);
    drop(upstream);
    let refused = until("the breaker opens", async || {
        let reply = call(&client, "faults__echo_structured").await;
        let refused = told(&reply);
        refused["retryAfterSeconds"].is_u64().then_some(refused)
    })
    .await;
    assert_eq!(refused["code"], "upstream_unavailable");
    let (_, ready) = gate.readiness().await;
    assert_eq!(ready["connectors"][0]["breaker"], "open", "{ready}");
    assert!(
        ready["connectors"][0]["retries"].as_u64().unwrap() > 0,
        "{ready}"
    );
    let (_, metrics) = get(&format!("{}/metrics", gate.operations)).await;
    assert!(
        metrics.contains("sekimori_connector_breaker{connector=\"faults\"} 2"),
        "{metrics}"
    );
}
