//! The OpenAPI document, walked operation by operation.

use std::collections::{BTreeMap, BTreeSet};

use sekimori_domain::record::{OutcomeStatus, Phase};
use serde_json::{Value, json};

use crate::harness::Plane;
use crate::world::World;

const COMMITTED: &str = include_str!("../../openapi.json");

/// One operation of the document.
#[derive(Debug, Clone)]
struct Operation {
    id: String,
    method: String,
    path: String,
    has_body: bool,
}

impl Operation {
    fn changes_something(&self) -> bool {
        self.method != "GET"
    }

    /// What is one's own takes no right; it has a story of its own.
    fn is_for_everybody(&self) -> bool {
        self.path.starts_with("/api/v1/me")
    }

    /// Whether its answer has no end; everybody may follow, and sees only what they may look at.
    fn streams(&self) -> bool {
        self.id == "followEvents"
    }
}

fn operations() -> Vec<Operation> {
    let document = serde_json::to_value(sekimori_admin::document()).unwrap();
    let mut found = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            found.push(Operation {
                id: operation["operationId"].as_str().unwrap().to_owned(),
                method: method.to_uppercase(),
                path: path.clone(),
                has_body: operation.get("requestBody").is_some(),
            });
        }
    }
    assert!(found.len() >= 18, "{}", found.len());
    found
}

/// Operations that everybody may try: whether they may depends on what it is done to.
fn is_tried_by_everybody(operation: &Operation) -> bool {
    operation.path.starts_with("/api/v1/approval-requests")
        || operation.path.starts_with("/api/v1/approval-substitutes")
}

/// Whoever may look at the log may keep searches of it.
fn keeps_a_search(operation: &Operation) -> bool {
    operation.path.starts_with("/api/v1/saved-searches")
}

/// The path with parameters that name nothing.
fn nowhere(operation: &Operation) -> String {
    let mut path = String::new();
    for part in operation.path.split('/').skip(1) {
        path.push('/');
        path.push_str(if part.starts_with('{') {
            "nothing"
        } else {
            part
        });
    }
    path
}

#[test]
fn the_committed_document_is_the_one_of_the_code() {
    let text = sekimori_admin::document_text().unwrap();
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        let place = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
        std::fs::write(place, &text).unwrap();
        return;
    }
    assert!(
        text == COMMITTED,
        "crates/admin/openapi.json differs from the code: run this test with UPDATE_OPENAPI=1"
    );
}

#[test]
fn every_operation_says_what_it_is_and_how_it_is_guarded() {
    let document = serde_json::to_value(sekimori_admin::document()).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    let mut ids = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let name = format!("{method} {path}");
            assert!(ids.insert(operation["operationId"].to_string()), "{name}");
            assert!(
                operation["summary"]
                    .as_str()
                    .is_some_and(|text| !text.is_empty()),
                "{name}"
            );
            assert_eq!(
                operation["security"].as_array().map(Vec::len),
                Some(2),
                "{name}"
            );
            for status in ["400", "401", "403", "422", "503"] {
                assert!(
                    operation["responses"].get(status).is_some(),
                    "{name}: {status}"
                );
            }
        }
    }
}

#[test]
fn every_reference_leads_somewhere() {
    fn references(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(members) => {
                if let Some(Value::String(to)) = members.get("$ref") {
                    found.insert(to.clone());
                }
                members.values().for_each(|value| references(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }
    let document = serde_json::to_value(sekimori_admin::document()).unwrap();
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    assert!(found.contains("#/components/schemas/Problem"));
    for to in found {
        let pointer = to.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{to}");
    }
}

#[tokio::test]
async fn strangers_are_told_to_authenticate() {
    let plane = Plane::start().await;
    for operation in operations() {
        let path = nowhere(&operation);
        for credential in [
            None,
            Some("sma_wrong"),
            Some("smk_0123456789abcdef_wrong"),
            Some("a.b.c"),
        ] {
            let body = json!({});
            let body = operation.has_body.then_some(&body);
            let answer = plane.call(&operation.method, &path, credential, body).await;
            assert_eq!(answer.status, 401, "{operation:?} with {credential:?}");
            assert_eq!(answer.json()["status"], 401);
            assert!(answer.header("www-authenticate").starts_with("Bearer"));
        }
    }
}

#[tokio::test]
async fn other_roles_are_turned_away_before_anything_else_and_recorded() {
    let plane = Plane::start().await;
    let key = plane.service_key("clerk", &["employee"]).await;
    for operation in operations() {
        if operation.streams() {
            continue;
        }
        let answer = plane
            .call(&operation.method, &nowhere(&operation), Some(&key), None)
            .await;
        if operation.is_for_everybody() {
            let expected = match (operation.changes_something(), operation.has_body) {
                (true, true) => 415, // no body was sent
                (true, false) => 404,
                (false, _) => 200,
            };
            assert_eq!(answer.status, expected, "{operation:?}");
            continue;
        }
        if is_tried_by_everybody(&operation) {
            let empty = answer.status == 200 && answer.json()["items"] == json!([]);
            assert!(empty || answer.status.is_client_error(), "{operation:?}");
            continue;
        }
        assert_eq!(answer.status, 403, "{operation:?}");
        assert_eq!(answer.json()["code"], "policy_denied");
        let records = plane.records(answer.header("x-correlation-id")).await;
        assert_eq!(records.len(), 1, "{operation:?}");
        let outcome = records[0].outcome.as_ref().unwrap();
        assert_eq!(outcome.status, OutcomeStatus::Refused);
        assert_eq!(records[0].caller.as_ref().unwrap().id, "service:clerk");
    }
}

#[tokio::test]
async fn auditors_look_at_everything_and_change_nothing() {
    let plane = Plane::start().await;
    let key = plane.service_key("auditor", &["sekimori-auditor"]).await;
    for operation in operations() {
        if operation.streams() {
            continue;
        }
        let answer = plane
            .call(&operation.method, &nowhere(&operation), Some(&key), None)
            .await;
        let may_try = is_tried_by_everybody(&operation) || keeps_a_search(&operation);
        if operation.changes_something() && may_try {
            assert!(answer.status.is_client_error(), "{operation:?}");
        } else if operation.changes_something() && !operation.is_for_everybody() {
            assert_eq!(answer.status, 403, "{operation:?}");
        } else {
            assert!(
                [200, 400, 404, 415, 422].contains(&answer.status.as_u16()),
                "{operation:?}: {}",
                answer.status
            );
        }
    }
}

#[tokio::test]
async fn every_change_leaves_intent_and_outcome_before_the_answer() {
    let plane = Plane::start().await;
    let administrator = plane.administrator().await;
    let world = World::make(&plane).await;
    let mut examples: BTreeMap<&str, (String, Option<Value>)> = world.examples();
    for operation in operations()
        .into_iter()
        .filter(|operation| operation.changes_something() && !operation.is_for_everybody())
    {
        let (path, body) = examples
            .remove(operation.id.as_str())
            .unwrap_or_else(|| panic!("no example of {}", operation.id));
        let answer = plane
            .call(
                &operation.method,
                &path,
                Some(&administrator),
                body.as_ref(),
            )
            .await;
        assert!(answer.status.is_success(), "{operation:?}: {}", answer.text);
        let records = plane.records(answer.header("x-correlation-id")).await;
        let phases: BTreeSet<_> = records
            .iter()
            .map(|record| format!("{:?}", record.phase))
            .collect();
        assert_eq!(phases.len(), 2, "{operation:?}: {phases:?}");
        for record in &records {
            assert_eq!(record.caller.as_ref().unwrap().id, "admin:test");
            if !is_tried_by_everybody(&operation) {
                assert_eq!(
                    record.decision.as_ref().unwrap().policies,
                    ["local-administrator-manages"]
                );
            }
            if record.phase == Phase::Outcome {
                let status = record.outcome.as_ref().unwrap().status;
                assert_eq!(status, OutcomeStatus::Success, "{operation:?}");
            }
            let text = serde_json::to_string(record).unwrap();
            assert!(
                !text.contains("smk_"),
                "{operation:?}: a secret in the record"
            );
        }
    }
    assert!(examples.is_empty(), "examples of nothing: {examples:?}");
}

#[tokio::test]
async fn bad_bodies_are_problems_and_change_nothing() {
    let plane = Plane::start().await;
    let administrator = plane.administrator().await;
    let world = World::make(&plane).await;
    let mut tried = 0;
    for (id, (path, body)) in world.examples() {
        let Some(body) = body else { continue };
        tried += 1;
        let operation = operations().into_iter().find(|one| one.id == id).unwrap();
        let mut unknown = body.clone();
        unknown["surprise"] = json!(1);
        for wrong in [json!({}), json!([]), json!("text"), json!(null), unknown] {
            let answer = plane
                .call(&operation.method, &path, Some(&administrator), Some(&wrong))
                .await;
            assert_eq!(answer.status, 422, "{id}: {wrong}");
            assert_eq!(answer.header("content-type"), "application/problem+json");
            let records = plane.records(answer.header("x-correlation-id")).await;
            assert!(records.is_empty(), "{id}: {wrong}");
        }
        let raw = |media: &str, body: String| {
            let request = http::Request::builder()
                .method(operation.method.as_str())
                .uri(&path)
                .header("host", "gate.example")
                .header("authorization", format!("Bearer {administrator}"))
                .header("content-type", media);
            request.body(axum::body::Body::from(body)).unwrap()
        };
        // Dictionaries have millions of entries.
        let most = if id == "putInspectionDictionary" {
            128 << 20
        } else {
            1 << 20
        };
        let cases = [
            (raw("application/json", "{".to_owned()), 400),
            (raw("text/plain", body.to_string()), 415),
            (
                raw("application/json", format!("\"{}\"", "x".repeat(most))),
                413,
            ),
        ];
        for (request, status) in cases {
            let answer = plane.send(request).await;
            assert_eq!(answer.status, status, "{id}");
            assert_eq!(answer.json()["status"], status);
        }
    }
    assert!(tried >= 2);
}
