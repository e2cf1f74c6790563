//! A call waits for somebody, whatever happens to the gate meanwhile (TOOL-3).

use sekimori_testkit::client::{RawClient, Reply};
use sekimori_testkit::fixture::{self, Options};
use serde_json::json;

use crate::gate::Site;

const POLICY: &str = r#"
@id("ask") @approval("shared things are looked at") @approvers("managers")
permit (principal, action, resource);
"#;

async fn echo(client: &RawClient, message: &str) -> Reply {
    let params = json!({"name": "fixture__test_echo", "arguments": {"message": message}});
    client.modern("tools/call", params).await
}

fn waits(reply: &Reply) -> String {
    let refusal = &reply.result()["_meta"]["sekimori/refusal"];
    assert_eq!(refusal["code"], "approval_required", "{}", reply.result());
    refusal["approval"]["id"].as_str().unwrap().to_owned()
}

/// Asked for, approved by command while the gate is down, used once after its restart, and all of it in the journal.
#[tokio::test]
async fn tool_3_a_request_outlives_the_gate() {
    let upstream = fixture::start(Options::default()).await;
    let site = Site::new();
    site.connector("fixture", &upstream.url, &[]).await;
    site.classify("fixture", "test_echo", "update").await;
    site.policy(POLICY).await;
    let key = site.key("clerk", "employee").await;
    let gate = site.serve().await;
    let first = echo(&gate.all(&key.text), "s3cret-value").await;
    let id = waits(&first);
    let other = waits(&echo(&gate.all(&key.text), "another").await);
    drop(gate);

    let listed = site.json(&["approval", "list"]).await;
    assert_eq!(listed.as_array().unwrap().len(), 2, "{listed}");
    let shown = site.json(&["approval", "show", &id]).await;
    assert_eq!(shown["arguments"]["message"], "s3cret-value");
    assert_eq!(shown["request"]["panels"][0]["groups"], json!(["managers"]));
    site.json(&["approval", "approve", &id, "--note", "seen"])
        .await;
    let refused = ["approval", "refuse", &other, "--reason", "not this one"];
    site.json(&refused).await;
    let twice = site.run(&["approval", "approve", &id]).await;
    assert!(!twice.status.success(), "{twice:?}");

    let gate = site.serve().await;
    gate.until_listed(1).await;
    let client = gate.all(&key.text);
    let made = echo(&client, "s3cret-value").await;
    assert_ne!(made.result()["isError"], true, "{}", made.result());
    assert_ne!(waits(&echo(&client, "s3cret-value").await), id, "once");
    let turned_back = echo(&client, "another").await;
    assert!(turned_back.content_text().contains("not this one"));

    let found = crate::gate::until("the records", async || {
        let search = ["audit", "search", "--event"];
        let decided = site
            .json(&[&search[..], &["approval.decision"]].concat())
            .await;
        let used = site.json(&[&search[..], &["approval.use"]].concat()).await;
        let both = decided.to_string().contains(&id) && used.to_string().contains(&id);
        both.then(|| format!("{decided}{used}"))
    })
    .await;
    assert!(!found.contains("s3cret-value"), "no arguments in records");
    for file in ["sekimori.db", "sekimori.db-wal"] {
        let content = std::fs::read(site.home().path().join("data").join(file));
        let content = content.unwrap_or_default();
        let text = String::from_utf8_lossy(&content);
        assert!(
            !text.contains("s3cret-value"),
            "arguments are sealed in {file}"
        );
    }
}

/// What approvers could not be told is listed with its reason, and told again once the channel is mended.
#[tokio::test]
async fn tool_3_a_lost_notice_is_told_again_by_command() {
    let upstream = fixture::start(Options::default()).await;
    // It takes no chat messages, and says so for good.
    let address = format!("{}/nothing-here", upstream.url);
    let site = Site::with(&format!(
        "[[approvals.webhooks]]\nname = \"chat\"\nform = \"slack\"\nurl = {{ value = \"{address}\" }}\nallow_private_network = true\n"
    ));
    site.connector("fixture", &upstream.url, &[]).await;
    site.classify("fixture", "test_echo", "update").await;
    site.policy(POLICY).await;
    let key = site.key("clerk", "employee").await;
    let gate = site.serve().await;
    let id = waits(&echo(&gate.all(&key.text), "who hears?").await);
    let notice = async || {
        let listed = site.json(&["approval", "notices"]).await;
        listed.get(0).cloned()
    };
    let lost = crate::gate::until("the notice is given up", notice).await;
    assert_eq!(
        (&lost["channel"], &lost["request"]),
        (&json!("chat"), &json!(id))
    );
    assert!(
        lost["problem"].as_str().unwrap().contains("status 4"),
        "{lost}"
    );
    assert_eq!(lost["attempts"], 1);
    let told = site.run(&["approval", "notices"]).await;
    assert!(
        told.out.contains("chat") && told.out.contains(&id),
        "{told:?}"
    );
    drop(gate);

    let notice = lost["id"].as_str().unwrap();
    let retried = site.json(&["approval", "retry", notice]).await;
    assert_eq!(retried["retried"], notice);
    assert_eq!(site.json(&["approval", "notices"]).await, json!([]));
    let twice = site.run(&["approval", "retry", notice]).await;
    assert!(!twice.status.success(), "{twice:?}");
    assert!(twice.err.contains("given up"), "{twice:?}");
}
