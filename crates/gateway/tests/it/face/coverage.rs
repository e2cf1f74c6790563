//! Whatever stage of the road a call ends at, it leaves its record, and the record names the stage (AUDIT-1, AUDIT-3).

use sekimori_domain::record::{OutcomeStatus, Phase, Record};
use sekimori_domain::refusal::Stage;
use sekimori_store::{AuditQuery, Order};
use sekimori_testkit::client::Reply;
use serde_json::{Value, json};

use super::approval::ask;
use super::inspection::put_in_force;
use crate::fake::Fake;
use crate::harness::Gate;

const CARD: &str = "4111-1111-1111-1111";

/// All stages but the last: when the record itself can't be written nothing is executed, and the tests of the journal
/// show that.
const STAGES: [Stage; 9] = [
    Stage::Listen,
    Stage::Authenticate,
    Stage::Resolve,
    Stage::Validate,
    Stage::Authorize,
    Stage::InspectInput,
    Stage::Approve,
    Stage::Invoke,
    Stage::InspectOutput,
];

/// What was recorded of a request, by the correlation id that the client was told.
async fn recorded(gate: &Gate, reply: &Reply) -> Vec<Record> {
    let query = AuditQuery {
        correlation: Some(reply.header("x-correlation-id").unwrap().to_owned()),
        order: Order::OldestFirst,
        ..AuditQuery::default()
    };
    let page = gate.gateway.audit.search(&query).await.unwrap();
    page.records.into_iter().map(|found| found.record).collect()
}

fn block(direction: &str) -> String {
    format!(
        "[[rule]]\nid = \"cards\"\nfind = {{ types = [\"CREDIT_CARD\"] }}\n\
         when = {{ direction = \"{direction}\" }}\naction = \"block\"\n"
    )
}

async fn call(gate: &Gate, name: &str, arguments: Value) -> Reply {
    let params = json!({ "name": name, "arguments": arguments });
    gate.client().modern("tools/call", params).await
}

/// A request that ends at that stage.
async fn ends_at(stage: Stage, gate: &Gate, fake: Fake) -> Reply {
    match stage {
        Stage::Listen => gate.client().post("{", &[("accept", "*/*")]).await,
        Stage::Authenticate => {
            let client = gate.client().with_bearer("smk_unknown_unknown");
            client.modern("tools/list", json!({})).await
        }
        Stage::Resolve => call(gate, "no_such_tool", json!({})).await,
        Stage::Validate => call(gate, "send", json!({ "card": -1 })).await,
        Stage::Authorize => {
            gate.deny_everything();
            call(gate, "plain", json!({})).await
        }
        Stage::InspectInput => {
            put_in_force(gate, 1, &block("input"));
            call(gate, "send", json!({ "カード": CARD })).await
        }
        Stage::Approve => {
            ask(gate, 2);
            call(gate, "plain", json!({})).await
        }
        Stage::Invoke => {
            drop(fake);
            call(gate, "plain", json!({})).await
        }
        Stage::InspectOutput => {
            put_in_force(gate, 1, &block("output"));
            call(gate, "find", json!({})).await
        }
        Stage::Record => panic!("it has tests of its own"),
    }
}

#[tokio::test]
async fn audit_1_whatever_stage_a_call_ends_at_it_is_recorded() {
    for stage in STAGES {
        let fake = Fake::modern_with_records().await;
        let gate = Gate::over(&fake.url).await;
        let reply = ends_at(stage, &gate, fake).await;
        let records = recorded(&gate, &reply).await;
        let closing: Vec<_> = records
            .iter()
            .filter(|record| record.phase != Phase::Intent)
            .filter(|record| {
                record
                    .outcome
                    .as_ref()
                    .is_some_and(|one| one.stage.is_some())
            })
            .collect();
        assert_eq!(closing.len(), 1, "{stage:?}: {records:?}");
        let outcome = closing[0].outcome.clone().unwrap();
        assert_eq!(
            outcome.stage.as_deref(),
            Some(stage.as_str()),
            "{outcome:?}"
        );
        assert_ne!(outcome.status, OutcomeStatus::Success, "{stage:?}");
        assert!(outcome.code.is_some(), "{stage:?}: {outcome:?}");
        let opened = records
            .iter()
            .filter(|record| record.phase == Phase::Intent);
        let ended = records
            .iter()
            .filter(|record| record.phase == Phase::Outcome);
        assert_eq!(opened.count(), ended.count(), "{stage:?}: no half is alone");
        let text = serde_json::to_string(&records).unwrap();
        // Four digits may stand in any id.
        let shown = ["4111-1111", "41111111"]
            .iter()
            .any(|part| text.contains(part));
        assert!(!shown, "{stage:?}: {text}");
    }
    // And one that goes all the way.
    let fake = Fake::modern_with_records().await;
    let gate = Gate::over(&fake.url).await;
    let reply = call(&gate, "plain", json!({})).await;
    let records = recorded(&gate, &reply).await;
    let ended = records.last().unwrap().outcome.clone().unwrap();
    assert_eq!(ended.status, OutcomeStatus::Success, "{records:?}");
}
