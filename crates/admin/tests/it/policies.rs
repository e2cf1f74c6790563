//! The way of policies into force, over the API (AUTHZ-9).

use serde_json::json;

use crate::harness::Plane;
use crate::world::World;

const CLERKS: &str = "/api/v1/roles/clerk";

/// A change of a role is a draft; its author cannot put it in force alone; somebody else can agree to it, and
/// it can be taken back.
#[tokio::test]
async fn a_second_person_agrees_before_a_role_changes() {
    let plane = Plane::start().await;
    World::make(&plane).await;
    let author = plane.administrator().await;
    let wider = json!({"name": "clerk", "grants": [{"classes": ["read", "delete"]}]});
    let saved = plane.call("PUT", CLERKS, Some(&author), Some(&wider)).await;
    assert_eq!(saved.status, 200, "{}", saved.text);
    let version = saved.json()["version"].as_u64().unwrap();
    let place = format!("/api/v1/policies/{version}");
    let steps = format!("{place}/steps");
    let shown = plane.call("GET", &steps, Some(&author), None).await;
    assert_eq!(shown.json()["state"], "draft", "{}", shown.text);
    let drafted = format!("/api/v1/roles?version={version}");
    let drafted = plane
        .call("GET", &drafted, Some(&author), None)
        .await
        .json();
    let classes = &drafted["items"][0]["role"]["grants"][0]["classes"];
    assert_eq!(*classes, json!(["read", "delete"]));
    let activate = format!("{place}/activate");
    let alone = plane.call("POST", &activate, Some(&author), None).await;
    assert_eq!(alone.status, 409, "{}", alone.text);
    let approve = format!("{place}/approve");
    let word = json!({"note": "fine"});
    let own = plane
        .call("POST", &approve, Some(&author), Some(&word))
        .await;
    assert_eq!(own.status, 409, "{}", own.text);
    // Somebody else, who knows the desk.
    let (desk, now) = (&plane.control.desk, plane.control.clock.now());
    desk.decide(version, true, "user:second", "fine", now)
        .await
        .unwrap();
    let done = plane.call("POST", &activate, Some(&author), None).await;
    assert_eq!(done.status, 200, "{}", done.text);
    assert_eq!(done.json()["state"], "active");
    let role = plane.call("GET", CLERKS, Some(&author), None).await.json();
    assert!(role["policies"].as_str().unwrap().contains("role:clerk:1"));
    let back = plane
        .call("POST", "/api/v1/policies/rollback", Some(&author), None)
        .await;
    assert_eq!(back.json()["version"], 2, "{}", back.text);
    let retired = plane.call("GET", &steps, Some(&author), None).await;
    assert_eq!(retired.json()["state"], "retired");
}

/// What is wrong with a draft is told with its place, and nothing is saved.
#[tokio::test]
async fn drafts_are_checked_before_they_are_saved() {
    let plane = Plane::start().await;
    let token = plane.administrator().await;
    let path = "/api/v1/policies";
    let bad = json!({"text": "@id(\"a\") permit(principal, action, resource)\nwhen { context.nothing };"});
    let refused = plane.call("POST", path, Some(&token), Some(&bad)).await;
    assert_eq!(refused.status, 422, "{}", refused.text);
    assert!(!refused.json()["errors"].as_array().unwrap().is_empty());
    let failing = json!({
        "text": "@id(\"a\") permit(principal, action, resource);",
        "tests": "[[test]]\nname='x'\nexpect='deny'\nprincipal={id='user:a'}\ntool={connector='c', name='t', class='read'}",
    });
    let refused = plane.call("POST", path, Some(&token), Some(&failing)).await;
    assert_eq!(refused.status, 422, "{}", refused.text);
    let listed = plane.call("GET", path, Some(&token), None).await;
    assert_eq!(listed.json()["items"], json!([]));
}

/// Reviews of access tell best and worst case; rules on arguments are checked against the tool's schema.
#[tokio::test]
async fn authz_9_reviews_say_who_can_do_what() {
    let plane = Plane::start().await;
    World::make(&plane).await;
    let token = plane.administrator().await;
    let rules = "/api/v1/connectors/bank/tools/pay/constraints";
    let wrong = json!({"tags": [], "projection": [{"name": "amount", "pointers": ["/amuont"], "rule": {"kind": "decimal", "places": 2}}]});
    let refused = plane.call("PUT", rules, Some(&token), Some(&wrong)).await;
    assert_eq!(refused.status, 422, "{}", refused.text);
    let right = json!({"tags": ["payment"], "projection": [{"name": "amount", "pointers": ["/amount"], "rule": {"kind": "decimal", "places": 2}}]});
    let kept = plane.call("PUT", rules, Some(&token), Some(&right)).await;
    assert_eq!(kept.status, 200, "{}", kept.text);
    assert_eq!(kept.json()["constraints"]["tags"], json!(["payment"]));
    let nobody = plane
        .call(
            "GET",
            "/api/v1/access/what-can?principal=nobody",
            Some(&token),
            None,
        )
        .await;
    assert_eq!(nobody.status, 404);
    let batch = "/api/v1/access/what-can?principal=service:batch";
    let found = plane.call("GET", batch, Some(&token), None).await;
    assert_eq!(found.status, 200, "{}", found.text);
    let rails = plane
        .call("GET", "/api/v1/guard-rails", Some(&token), None)
        .await
        .json();
    assert!(rails["guard_rails"].as_array().unwrap().len() >= 9);
}
