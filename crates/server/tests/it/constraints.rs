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

/// What was declared is about what the tool gets: a token is judged by what it stands for, and nothing of that is in
/// the record or the refusal.
#[tokio::test]
async fn tool_2_declared_rules_judge_what_tokens_stand_for() {
    let upstream = fixture::start(Options::default()).await;
    let site = Site::new();
    site.connector("fixture", &upstream.url, &[]).await;
    site.classify("fixture", "test_echo", "read").await;
    let rules = site.home().write(
        "inspection.toml",
        "[[rule]]\nid = \"mail\"\nfind = { types = [\"EMAIL\"] }\nwhen = { direction = \"output\" }\n\
         action = \"tokenise\"\n[[restore]]\nid = \"inside\"\nwhen = { exposure = \"internal\" }\n",
    );
    let save = [
        "inspect",
        "rules",
        "save",
        rules.to_str().unwrap(),
        "--activate",
    ];
    site.json(&save).await;
    let key = site.key("reporter", "employee").await;
    let gate = site.serve().await;
    let client = gate.all(&key.text);
    let token = async |mail: &str| {
        let read = echo(&client, mail).await.content_text();
        let (_, rest) = read
            .split_once("[[EMA_")
            .unwrap_or_else(|| panic!("no token in {read}"));
        let rest: String = rest.chars().take(12).collect();
        format!("[[EMA_{rest}")
    };
    let inside = token("taro@example.co.jp").await;
    let outside = token("taro@evil.example").await;
    let declared = site.home().write(
        "mail.toml",
        r#"
        [[projection]]
        name = "recipient"
        pointers = ["/message"]
        rule = { kind = "text", pattern = "[a-z]+@example[.]co[.]jp" }
        "#,
    );
    let constrain = ["tool", "constrain", "fixture", "test_echo", "--file"];
    site.json(&[&constrain[..], &[declared.to_str().unwrap()]].concat())
        .await;
    let refused = within(AT_ONCE, "the rule holds", async || {
        let reply = echo(&client, &outside).await;
        (reply.result()["isError"] == true).then_some(reply)
    })
    .await;
    assert_eq!(refusal(&refused)["code"], "invalid_arguments");
    assert!(!refused.content_text().contains("evil.example"));
    let passed = echo(&client, &inside).await;
    assert_ne!(
        passed.result()["isError"],
        true,
        "{}",
        passed.content_text()
    );
    assert!(
        passed.content_text().contains(&inside),
        "it comes back as a token"
    );
    let correlation = passed.header("x-correlation-id").unwrap().to_owned();
    site.records(&correlation, 1).await;
    let text = site.json(&["audit", "search"]).await.to_string();
    assert!(text.contains("arguments_withheld"), "{text}");
    for value in ["taro@", "evil.example"] {
        assert!(!text.contains(value), "{value} in {text}");
    }
}
