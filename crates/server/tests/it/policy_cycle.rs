//! The way of policies into force by command, on a running gate (AUTHZ-1, AUTHZ-9, TOOL-1).

use std::time::Duration;

use sekimori_testkit::client::{RawClient, Reply};
use sekimori_testkit::fixture::{self, Options};
use serde_json::{Value, json};

use crate::gate::{Site, within};

const AT_ONCE: Duration = Duration::from_secs(3);

async fn echo(client: &RawClient) -> Reply {
    let params = json!({"name": "fixture__test_echo", "arguments": {"message": "hello"}});
    client.modern("tools/call", params).await
}

/// A role that is given takes effect at once; its draft's impact is told from recorded calls; a trial changes
/// nothing but records; roll-back takes it away again.
#[tokio::test]
async fn authz_1_a_role_is_tried_given_and_taken_back() {
    let upstream = fixture::start(Options::default()).await;
    let site = Site::new();
    site.connector("fixture", &upstream.url, &[]).await;
    site.classify("fixture", "test_echo", "create").await;
    let key = site.key("writer", "nobody").await;
    let gate = site.serve().await;
    let client = gate.all(&key.text);
    let refused = echo(&client).await;
    assert_eq!(refused.result()["isError"], true);
    let correlation = refused.header("x-correlation-id").unwrap().to_owned();
    let search = ["audit", "search", "--correlation", &correlation];
    let record = within(AT_ONCE, "the record", async || {
        let found = site.json(&search).await;
        found.to_string().contains("\"facts\"").then_some(found)
    })
    .await;

    let give = [
        "role",
        "new",
        "writers",
        "--template",
        "editor",
        "--connector",
        "fixture",
    ];
    let saved = site
        .json(&[&give[..], &["--principal", "service:writer"]].concat())
        .await;
    let version = saved["version"].to_string();
    assert_eq!(saved["active"], false);
    let impact = site.json(&["policy", "impact", &version]).await;
    assert_eq!(impact["changed"], 1, "{impact}");
    let change = &impact["changes"][0];
    assert_eq!(change["principal"], "service:writer");
    assert_eq!(
        (&change["before"], &change["after"]),
        (&json!("deny"), &json!("allow"))
    );

    site.json(&["policy", "log-only", &version]).await;
    within(AT_ONCE, "the trial is recorded", async || {
        let tried = echo(&client).await;
        assert_eq!(tried.result()["isError"], true, "a trial has no effect");
        let correlation = tried.header("x-correlation-id").unwrap().to_owned();
        let found = site
            .json(&["audit", "search", "--correlation", &correlation])
            .await;
        found.to_string().contains("tried_policies").then_some(())
    })
    .await;
    let history = site.json(&["policy", "history"]).await;
    assert_eq!(history[0]["state"], "log_only", "{history}");

    site.json(&["policy", "activate", &version]).await;
    within(AT_ONCE, "the role is given", async || {
        (echo(&client).await.result()["isError"] != true).then_some(())
    })
    .await;
    let can = site.json(&["access", "what-can", "service:writer"]).await;
    assert_eq!(can[0]["tool"], "fixture/test_echo", "{can}");
    assert_eq!(can[0]["reach"]["worst"], "allow");
    let who = site.json(&["access", "who-can", "fixture/test_echo"]).await;
    assert_eq!(who[0]["principal"], "service:writer", "{who}");

    // The recorded refusal, explained by the policies of then and of now.
    let call = find(&record, "call").unwrap().to_owned();
    let explained = site.json(&["policy", "explain", "--call", &call]).await;
    assert_eq!(explained["recorded"]["decision"], "deny");
    assert_eq!(explained["then"]["decision"], "deny");
    assert_eq!(explained["now"]["decision"], "allow", "{explained}");

    site.json(&["policy", "rollback"]).await;
    within(AT_ONCE, "the role is taken back", async || {
        (echo(&client).await.result()["isError"] == true).then_some(())
    })
    .await;
}

/// The first text of that name anywhere in a JSON.
fn find<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    match value {
        Value::Object(members) => members
            .get(name)
            .and_then(Value::as_str)
            .or_else(|| members.values().find_map(|member| find(member, name))),
        Value::Array(items) => items.iter().find_map(|item| find(item, name)),
        _ => None,
    }
}

/// TOOL-1: a guard-rail holds up what its tag says, above what policies permit, until it is switched off.
#[tokio::test]
async fn tool_1_guard_rails_are_on_until_somebody_switches_them_off() {
    let upstream = fixture::start(Options::default()).await;
    let site = Site::new();
    site.connector("fixture", &upstream.url, &[]).await;
    site.classify("fixture", "test_echo", "create").await;
    site.policy(crate::gate::OPEN_POLICY).await;
    let constrain = [
        "tool",
        "constrain",
        "fixture",
        "test_echo",
        "--tag",
        "payment",
    ];
    site.json(&constrain).await;
    let listed = site.json(&["guard-rail", "list"]).await;
    assert!(
        listed["guard_rails"]
            .as_array()
            .unwrap()
            .iter()
            .all(|one| one["on"] == true)
    );
    let key = site.key("payer", "nobody").await;
    let gate = site.serve().await;
    let client = gate.all(&key.text);
    let held = echo(&client).await;
    assert_eq!(held.result()["isError"], true, "{held:?}");
    let policies = &held.result()["_meta"]["sekimori/refusal"]["policies"];
    assert_eq!(policies[0], "guard:payment", "{held:?}");
    site.json(&["guard-rail", "off", "guard:payment", "--activate"])
        .await;
    within(AT_ONCE, "it is off", async || {
        (echo(&client).await.result()["isError"] != true).then_some(())
    })
    .await;
    let unknown = site
        .run(&["guard-rail", "off", "guard:nothing", "--activate"])
        .await;
    assert!(!unknown.status.success());
}

/// Where the configuration says so, commands need a second person too.
#[tokio::test]
async fn a_second_person_can_be_asked_for_everywhere() {
    let site = Site::with("[policy]\nsecond_person = \"always\"\n");
    let refused = site
        .run(&["guard-rail", "off", "guard:payment", "--activate"])
        .await;
    assert!(!refused.status.success());
    assert!(
        refused.err.contains("nobody but its author has agreed"),
        "{refused:?}"
    );
    let own = site.run(&["policy", "approve", "1"]).await;
    assert!(own.err.contains("somebody else must agree"), "{own:?}");
}
