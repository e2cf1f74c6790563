//! What a person declared about a tool's arguments bounds its calls (TOOL-2).

use std::time::Duration;

use sekimori_testkit::client::{RawClient, Reply};
use sekimori_testkit::fixture::{self, Options};
use serde_json::{Value, json};

use crate::gate::{Site, within};

const AT_ONCE: Duration = Duration::from_secs(2);

async fn echo(client: &RawClient, message: &str) -> Reply {
    let params = json!({"name": "fixture__test_echo", "arguments": {"message": message}});
    client.modern("tools/call", params).await
}

fn refusal(reply: &Reply) -> Value {
    reply.result()["_meta"]["sekimori/refusal"].clone()
}

/// A rule on an argument refuses what it doesn't allow, names pointer and rule but not the value, and the
/// projection is recorded; a mode that nobody listed counts as admin.
#[tokio::test]
async fn tool_2_declared_rules_bound_calls() {
    let upstream = fixture::start(Options::default()).await;
    let site = Site::new();
    site.connector("fixture", &upstream.url, &[]).await;
    site.classify("fixture", "test_echo", "read").await;
    let key = site.key("reporter", "employee").await;
    let gate = site.serve().await;
    let client = gate.all(&key.text);
    assert_ne!(echo(&client, "anything").await.result()["isError"], true);

    let rules = site.home().write(
        "echo.toml",
        r#"
        [[projection]]
        name = "invoice"
        pointers = ["/message"]
        resource = true
        rule = { kind = "text", pattern = "INV-[0-9]{4}" }
        "#,
    );
    let constrain = ["tool", "constrain", "fixture", "test_echo", "--file"];
    site.json(&[&constrain[..], &[rules.to_str().unwrap()]].concat())
        .await;
    let refused = within(AT_ONCE, "the rule holds", async || {
        let reply = echo(&client, "s3cret-value").await;
        (reply.result()["isError"] == true).then_some(reply)
    })
    .await;
    assert_eq!(refusal(&refused)["code"], "invalid_arguments");
    let told = refused.content_text();
    assert!(
        told.contains("/message") && told.contains("invoice") && told.contains("INV-"),
        "{told}"
    );
    assert!(!told.contains("s3cret-value"), "{told}");
    let passed = echo(&client, "INV-0042").await;
    assert_ne!(passed.result()["isError"], true, "{passed:?}");
    let correlation = passed.header("x-correlation-id").unwrap().to_owned();
    let found = within(AT_ONCE, "the record", async || {
        let found = site
            .json(&["audit", "search", "--correlation", &correlation])
            .await;
        found.to_string().contains("INV-0042").then_some(found)
    })
    .await;
    assert!(!found.to_string().contains("s3cret-value"));

    let mode = site.home().write(
        "mode.toml",
        "[mode]\npointer = \"/message\"\nclasses = { look = \"read\", make = \"create\" }\n",
    );
    site.json(&[&constrain[..], &[mode.to_str().unwrap()]].concat())
        .await;
    within(AT_ONCE, "the mode decides", async || {
        let reply = echo(&client, "INV-0042").await;
        (refusal(&reply)["policies"] == json!(["no-admin-class"])).then_some(())
    })
    .await;
    assert_ne!(echo(&client, "look").await.result()["isError"], true);
    assert_eq!(
        refusal(&echo(&client, "make").await)["code"],
        "policy_denied"
    );
    assert_eq!(
        refusal(&echo(&client, "LOOK").await)["policies"],
        json!(["no-admin-class"])
    );
}

/// What the tool's schema doesn't know is not saved.
#[tokio::test]
async fn tool_2_rules_are_checked_against_the_schema_when_saved() {
    let upstream = fixture::start(Options::default()).await;
    let site = Site::new();
    site.connector("fixture", &upstream.url, &[]).await;
    let constrain = ["tool", "constrain", "fixture", "test_echo"];
    let unclassified = site
        .run(&[&constrain[..], &["--tag", "payment"]].concat())
        .await;
    assert!(
        unclassified.err.contains("tool classify"),
        "{unclassified:?}"
    );
    site.classify("fixture", "test_echo", "read").await;
    for (file, why) in [
        (
            "[[projection]]\nname='p'\npointers=['/massage']\nrule={kind='text'}",
            "/massage",
        ),
        (
            "[[projection]]\nname='p'\npointers=['/message']\nrule={kind='integer'}",
            "type",
        ),
        (
            "[mode]\npointer='/message'\nclasses={drop='delete'}",
            "classify the tool as delete",
        ),
        (
            "[[projection]]\nname='p'\npointers=['/message']\nrule={kind='text', maximum=5}",
            "maximum",
        ),
    ] {
        let path = site.home().write("rules.toml", file);
        let refused = site
            .run(&[&constrain[..], &["--file", path.to_str().unwrap()]].concat())
            .await;
        assert!(!refused.status.success());
        assert!(refused.err.contains(why), "{file}: {refused:?}");
    }
    let kept = site
        .json(&[&constrain[..], &["--tag", "payment"]].concat())
        .await;
    assert_eq!(kept["tags"], json!(["payment"]));
    let shown = site.json(&["tool", "show", "fixture", "test_echo"]).await;
    assert_eq!(shown["review"]["constraints"]["tags"], json!(["payment"]));
    let cleared = site.json(&[&constrain[..], &["--clear"]].concat()).await;
    assert_eq!(cleared, json!({}));
}
