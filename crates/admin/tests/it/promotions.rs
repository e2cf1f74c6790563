//! What goes on from one environment to the next, over the API (AUTHZ-8).

use std::sync::Arc;

use sekimori_admin::PromotionDesk;
use sekimori_domain::promotion::Word;
use serde_json::json;

use crate::harness::Plane;
use crate::world::World;

const PROMOTIONS: &str = "/api/v1/promotions";

/// The difference is shown, a second person agrees, and neither address nor environment goes along.
#[tokio::test]
async fn a_second_person_agrees_to_the_difference_that_was_shown() {
    let plane = Plane::start().await;
    World::make(&plane).await;
    let person = plane.administrator().await;
    let new = json!({"from": "hr-dev", "to": "hr-stg", "reason": "two weeks of trial"});
    let own = plane
        .call("POST", PROMOTIONS, Some(&person), Some(&new))
        .await;
    assert_eq!(own.status, 201, "{}", own.text);
    let own = own.json();
    assert_eq!(own["state"], "proposed");
    assert_eq!(own["changes"][0]["place"], "settings/timeout_seconds");
    assert_eq!(own["changes"][0]["before"], 60);
    assert_eq!(own["changes"][0]["after"], 30);
    let word = json!({"note": "looked at it"});
    let agree = |id: &str| format!("{PROMOTIONS}/{id}/agree");
    let id = own["id"].as_str().unwrap();
    let alone = plane
        .call("POST", &agree(id), Some(&person), Some(&word))
        .await;
    assert_eq!(alone.status, 409, "{}", alone.text);
    assert!(alone.text.contains("second person"), "{}", alone.text);

    let done = plane
        .call("POST", &agree("promotion-1"), Some(&person), Some(&word))
        .await;
    assert_eq!(done.status, 200, "{}", done.text);
    assert_eq!(done.json()["state"], "applied");
    let name = "hr-stg".parse().unwrap();
    let connectors = plane.control.store.connectors();
    let connector = connectors.get(&name).await.unwrap().unwrap().connector;
    assert_eq!(connector.timeout_seconds, 30);
    let text = serde_json::to_string(&connector).unwrap();
    assert!(
        text.contains("hr-stg.example.co.jp") && text.contains("staging"),
        "{text}"
    );
    // What the others compared is not there any more.
    for stale in [id, "promotion-2"] {
        let by = if stale == id {
            "user:second"
        } else {
            "user:third"
        };
        let desk = PromotionDesk {
            store: Arc::clone(&plane.control.store),
        };
        let said = Word {
            by: by.to_owned(),
            at: plane.control.clock.now(),
            note: String::new(),
        };
        let late = desk.agree(stale, said).await.unwrap_err();
        assert!(late.to_string().contains("propose it anew"), "{late}");
    }
    let again = plane
        .call("POST", &agree("promotion-1"), Some(&person), Some(&word))
        .await;
    assert_eq!(again.status, 409, "{}", again.text);
    let leap = json!({"from": "hr-stg", "to": "hr-dev", "reason": "back"});
    let leap = plane
        .call("POST", PROMOTIONS, Some(&person), Some(&leap))
        .await;
    assert_eq!(leap.status, 409, "{}", leap.text);
}

/// Roles go on as a draft of the policies, which takes the way of every draft.
#[tokio::test]
async fn roles_go_on_as_a_draft() {
    let plane = Plane::start().await;
    World::make(&plane).await;
    let person = plane.administrator().await;
    let wanted = json!({"from": "development", "to": "staging"});
    let path = format!("{PROMOTIONS}/roles");
    let saved = plane
        .call("POST", &path, Some(&person), Some(&wanted))
        .await;
    assert_eq!(saved.status, 201, "{}", saved.text);
    let saved = saved.json();
    assert_eq!(saved["state"], "draft");
    let version = saved["version"].as_u64().unwrap();
    let content = plane.control.desk.find(version).await.unwrap().content;
    let grants = &content.roles[0].grants;
    assert_eq!(grants.len(), 3);
    let text = serde_json::to_value(&grants[2]).unwrap();
    assert_eq!(text["environments"], json!(["staging"]));
    assert_eq!(text["classes"], json!(["update"]));
    let nowhere = json!({"from": "staging", "to": "production"});
    let nothing = plane
        .call("POST", &path, Some(&person), Some(&nowhere))
        .await;
    assert_eq!(nothing.status, 409, "{}", nothing.text);
}
