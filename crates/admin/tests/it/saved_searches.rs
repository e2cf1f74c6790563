//! Searches that people keep (AUDIT-2).

use serde_json::{Value, json};

use crate::harness::Plane;

const PATH: &str = "/api/v1/saved-searches";

fn names(listed: &Value) -> Vec<(&str, bool)> {
    let items = listed["items"].as_array().unwrap();
    let shown = |item: &'_ Value| item["own"].as_bool().unwrap();
    items
        .iter()
        .map(|item| (item["name"].as_str().unwrap(), shown(item)))
        .collect()
}

/// An auditor keeps searches without being able to change anything else; what is theirs nobody else sees, and what
/// they share nobody else changes.
#[tokio::test]
async fn auditors_keep_and_share_searches() {
    let plane = Plane::start().await;
    let one = plane.service_key("auditor-1", &["sekimori-auditor"]).await;
    let other = plane.service_key("auditor-2", &["sekimori-auditor"]).await;
    let call = async |method: &str, path: &str, key: &str, body: Option<Value>| {
        plane.call(method, path, Some(key), body.as_ref()).await
    };
    let filter = json!({"class": "delete", "outcome": "refused", "period": "7d"});
    let own = json!({"name": "深夜の削除", "filter": filter});
    let kept = call("POST", PATH, &one, Some(own.clone())).await;
    assert_eq!(kept.status, 201, "{}", kept.text);
    let record = &plane.records(kept.header("x-correlation-id")).await[0];
    assert_eq!(record.event.as_str(), "saved_search.change");
    assert_eq!(record.detail["filter"]["class"], "delete");
    let own_path = format!("{PATH}/{}", kept.json()["id"].as_str().unwrap());
    let again = call("POST", PATH, &one, Some(own)).await;
    assert_eq!(again.status, 409, "{}", again.text);

    let shared = json!({"name": "書き出し", "shared": true, "filter": {"event": "audit.export", "decision": "allow", "data_class": "personal", "approval": "a-1"}});
    let kept = call("POST", PATH, &one, Some(shared.clone())).await.json();
    let shared_path = format!("{PATH}/{}", kept["id"].as_str().unwrap());
    let seen = call("GET", PATH, &one, None).await.json();
    assert_eq!(names(&seen).len(), 2, "{seen}");
    let seen = call("GET", PATH, &other, None).await.json();
    assert_eq!(names(&seen), [("書き出し", false)]);
    assert_eq!(call("GET", &own_path, &other, None).await.status, 404);
    for (method, body) in [("PUT", Some(shared)), ("DELETE", None)] {
        let refused = call(method, &shared_path, &other, body).await;
        assert_eq!(refused.status, 403, "{}", refused.text);
    }
    // Whoever manages the audit clears up after people who left.
    let administrator = plane.administrator().await;
    let removed = call("DELETE", &shared_path, &administrator, None).await;
    assert_eq!(removed.status, 204, "{}", removed.text);
    assert_eq!(call("DELETE", &own_path, &one, None).await.status, 204);
}

#[tokio::test]
async fn what_makes_no_sense_is_not_kept() {
    let plane = Plane::start().await;
    let key = plane.service_key("auditor", &["sekimori-auditor"]).await;
    for body in [
        json!({"name": "", "filter": {}}),
        json!({"name": "a", "filter": {"period": "soon"}}),
        json!({"name": "a", "filter": {"period": "7d", "from": "2026-11-22T00:00:00Z"}}),
        json!({"name": "a", "filter": {"event": "no.such"}}),
        json!({"name": "a", "filter": {"anything": "else"}}),
    ] {
        let answer = plane.call("POST", PATH, Some(&key), Some(&body)).await;
        assert!(
            [400, 422].contains(&answer.status.as_u16()),
            "{body}: {}",
            answer.text
        );
    }
    let none = plane.call("GET", PATH, Some(&key), None).await.json();
    assert_eq!(none["items"], json!([]));
}
