//! What a call would change, read for those who decide on it (TOOL-3).

use sekimori_approval::{Details, View, Viewer};
use sekimori_domain::catalog::{OperationClass, Review, Target, TargetKind};
use sekimori_domain::constraint::{Constraints, CurrentRead};
use sekimori_domain::policy_set::{PolicyContent, PolicySet};
use sekimori_domain::record::{EventKind, OutcomeStatus};
use sekimori_policy::PolicySettings;
use serde_json::{Value, json};

use super::approval::{id, manager, pending};
use crate::fake::Fake;
use crate::harness::{Gate, until};

const READS_GO: &str =
    "@id(\"reads\") permit (principal, action == Sekimori::Action::\"read\", resource);\n";
const WRITES_WAIT: &str =
    "@id(\"ask\") @approval(\"changes are looked at\") permit (principal, action, resource);\n";

/// A gate over a customer register: `plain` changes a customer, `page` reads one.
async fn register(text: &str, current: CurrentRead) -> (Fake, Gate) {
    let fake = Fake::modern_with_records().await;
    let gate = Gate::over(&fake.url).await;
    review(&gate, "page", OperationClass::Read, None).await;
    review(&gate, "plain", OperationClass::Update, Some(current)).await;
    let set = PolicySet {
        version: 2,
        content: PolicyContent {
            text: text.to_owned(),
            ..PolicyContent::default()
        },
        author: "test".to_owned(),
        created_at: gate.gateway.clock.now(),
    };
    let settings = PolicySettings::default();
    gate.gateway.policy.reload(&set, &settings).unwrap();
    (fake, gate)
}

async fn review(gate: &Gate, tool: &str, class: OperationClass, current: Option<CurrentRead>) {
    let target = Target {
        connector: "fixture".parse().unwrap(),
        kind: TargetKind::Tool,
        name: tool.to_owned(),
    };
    let seen = gate.store.reviews().seen(&target).await.unwrap();
    let review = Review {
        class,
        data_classes: Vec::new(),
        idempotent: false,
        accepted: Vec::new(),
        definition: seen[0].digest,
        reviewer: "test".to_owned(),
        reviewed_at: gate.gateway.clock.now(),
        constraints: Constraints {
            current,
            ..Constraints::default()
        },
    };
    gate.store.reviews().put(&target, &review).await.unwrap();
    let catalog = &gate.gateway.catalog;
    until(async || {
        let entry = catalog.entry(&target.connector).unwrap();
        let listing = entry.listing();
        listing.tools[tool].tool.class == class && listing.tools[tool].tool.classified
    })
    .await;
}

fn by_customer() -> CurrentRead {
    CurrentRead {
        tool: "page".to_owned(),
        arguments: [("customer".to_owned(), "/id".to_owned())].into(),
        compare: [
            ("/limit".to_owned(), "/customer/limit".to_owned()),
            ("/name".to_owned(), "/customer/name".to_owned()),
        ]
        .into(),
    }
}

fn change() -> Value {
    let arguments = json!({ "id": "c7", "limit": 900, "name": "Aoyama" });
    json!({ "name": "plain", "arguments": arguments })
}

async fn asked(gate: &Gate) -> Details {
    let waits = gate.client().modern("tools/call", change()).await.result();
    let viewer = Viewer {
        decider: manager("usr_bob"),
        sees_all: false,
    };
    let approvals = &gate.gateway.approvals;
    approvals
        .details(&id(&pending(&waits)), &viewer)
        .await
        .unwrap()
}

#[tokio::test]
async fn people_see_what_a_call_would_change() {
    let (fake, gate) = register(&format!("{READS_GO}{WRITES_WAIT}"), by_customer()).await;
    let customer = json!({ "customer": { "limit": 100, "name": "Aoyama" } });
    fake.serve(json!({ "content": [], "structuredContent": customer }));
    let details = asked(&gate).await;
    let before = details.before.unwrap();
    assert_eq!(before.state.failure(), None);
    assert_eq!(before.changes.len(), 1);
    assert_eq!(before.changes[0].pointer, "/limit");
    assert_eq!(before.changes[0].before, Some(json!(100)));
    assert_eq!(before.changes[0].after, Some(json!(900)));
    assert_eq!(before.unchanged, ["/name"]);
    // It was read once, as a call of the requester with a record of its own.
    asked(&gate).await;
    let calls = fake.asked("tools/call");
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0]["arguments"], json!({ "customer": "c7" }));
    let records = gate.records(EventKind::ToolCall).await;
    let reads: Vec<_> = records
        .iter()
        .filter(|record| record.detail.contains_key("read_for"))
        .collect();
    assert_eq!(reads.len(), 1);
    assert_eq!(reads[0].detail["read_for"], details.request.id.as_str());
    let outcome = reads[0].outcome.as_ref().unwrap();
    assert_eq!(outcome.status, OutcomeStatus::Success);

    // Who only looks after requests sees which arguments, and no values.
    let auditor = Viewer {
        decider: sekimori_domain::approval::Decider {
            groups: Vec::new(),
            ..manager("usr_kei")
        },
        sees_all: true,
    };
    let approvals = &gate.gateway.approvals;
    let seen = approvals
        .details(&details.request.id, &auditor)
        .await
        .unwrap();
    assert!(matches!(seen.arguments, View::Masked(_)));
    let before = seen.before.unwrap();
    assert_eq!(before.changes[0].before, Some(json!("***")));
    assert_eq!(before.changes[0].after, Some(json!("***")));
}

/// Asked for at the endpoint of all connectors, it is read there: that is what the caller's token is for.
#[tokio::test]
async fn it_is_read_where_the_call_came_in() {
    let (fake, gate) = register(&format!("{READS_GO}{WRITES_WAIT}"), by_customer()).await;
    let customer = json!({ "customer": { "limit": 100, "name": "Aoyama" } });
    fake.serve(json!({ "content": [], "structuredContent": customer }));
    let mut params = change();
    params["name"] = json!("fixture__plain");
    let client = gate.client_of_all();
    let waits = client.modern("tools/call", params).await.result();
    let viewer = Viewer {
        decider: manager("usr_bob"),
        sees_all: false,
    };
    let approvals = &gate.gateway.approvals;
    let details = approvals.details(&id(&pending(&waits)), &viewer).await;
    let before = details.unwrap().before.unwrap();
    assert_eq!(before.state.failure(), None);
    assert_eq!(before.changes[0].before, Some(json!(100)));
    assert_eq!(fake.asked("tools/call")[0]["name"], "page");
}

/// Whatever goes wrong is told; people are asked all the same.
#[tokio::test]
async fn what_could_not_be_read_is_said() {
    let (fake, gate) = register(&format!("{READS_GO}{WRITES_WAIT}"), by_customer()).await;
    fake.serve(json!({ "content": [], "isError": true }));
    let failure = |details: Details| {
        let before = details.before.unwrap();
        assert!(before.changes.is_empty() && before.unchanged.is_empty());
        before.state.failure().unwrap().to_owned()
    };
    let told = failure(asked(&gate).await);
    assert!(told.contains("failed"), "{told}");

    // The requester may not read by themselves: nobody sees it through them.
    let (fake, gate) = register(WRITES_WAIT, by_customer()).await;
    let told = failure(asked(&gate).await);
    assert!(told.contains("approval of its own"), "{told}");
    assert!(fake.asked("tools/call").is_empty());

    // A tool that does more than read.
    let current = CurrentRead {
        tool: "send".to_owned(),
        ..by_customer()
    };
    let (fake, gate) = register(
        "@id(\"all\") permit (principal, action, resource);",
        current,
    )
    .await;
    let held = PolicySet {
        version: 3,
        content: PolicyContent {
            text: format!("{WRITES_WAIT}{READS_GO}"),
            ..PolicyContent::default()
        },
        author: "test".to_owned(),
        created_at: gate.gateway.clock.now(),
    };
    let settings = PolicySettings::default();
    gate.gateway.policy.reload(&held, &settings).unwrap();
    let told = failure(asked(&gate).await);
    assert!(told.contains("more than read"), "{told}");
    assert!(fake.asked("tools/call").is_empty());
}
