//! Setting up connectors over the API.

use http::Request;
use serde_json::{Value, json};

use crate::harness::{Answer, Plane};
use crate::world::World;

const WIKI: &str = "/api/v1/connectors/wiki";

fn wiki() -> Value {
    json!({
        "title": "社内 Wiki",
        "transport": {
            "kind": "http", "url": "https://wiki.example.co.jp/mcp",
            "headers": {"Authorization": {"env": "SEKIMORI_SECRET_WIKI"}, "X-Tenant": {"value": "7"}},
        },
    })
}

async fn put(plane: &Plane, token: &str, path: &str, body: &Value) -> Answer {
    plane.call("PUT", path, Some(token), Some(body)).await
}

#[tokio::test]
async fn a_connector_is_added_changed_and_removed() {
    let plane = Plane::start().await;
    let token = plane.administrator().await;
    let added = put(&plane, &token, WIKI, &wiki()).await;
    assert_eq!(added.status, 201, "{}", added.text);
    let shown = plane.call("GET", WIKI, Some(&token), None).await;
    assert_eq!(shown.header("etag"), added.header("etag"));
    let mut settings = shown.json()["settings"].clone();
    assert_eq!(settings["transport"]["headers"]["X-Tenant"], Value::Null);
    assert_eq!(
        settings["transport"]["headers"]["Authorization"],
        json!({"env": "SEKIMORI_SECRET_WIKI"})
    );
    let secrets = shown.json()["secrets"].clone();
    assert_eq!(secrets[0]["reference"], "SEKIMORI_SECRET_WIKI");
    assert_eq!(secrets.as_array().unwrap().len(), 1);

    settings["title"] = json!("Wiki");
    let changed = put(&plane, &token, WIKI, &settings).await;
    assert_eq!(changed.status, 200, "{}", changed.text);
    let stored = plane.control.store.connectors();
    let stored = stored.get(&"wiki".parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(stored.connector.title, "Wiki");
    // What was not shown was kept.
    let kept = json!(stored.connector.transport)["headers"]["X-Tenant"].clone();
    assert_eq!(kept, json!({"value": "7"}));
    assert_eq!(
        json!(stored.connector.created_at),
        shown.json()["created_at"]
    );

    let late = |method: &str, body: &Value| {
        Request::builder()
            .method(method)
            .uri(WIKI)
            .header("host", "gate.example")
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json")
            .header("if-match", added.header("etag"))
            .body(axum::body::Body::from(body.to_string()))
            .unwrap()
    };
    assert_eq!(plane.send(late("PUT", &settings)).await.status, 412);
    assert_eq!(plane.send(late("DELETE", &json!(null))).await.status, 412);
    let removed = plane.call("DELETE", WIKI, Some(&token), None).await;
    assert_eq!(removed.status, 204);
    let gone = plane.call("GET", WIKI, Some(&token), None).await;
    assert_eq!(gone.status, 404);
}

#[tokio::test]
async fn what_it_leads_to_is_recorded_and_its_values_are_not() {
    let plane = Plane::start().await;
    let token = plane.administrator().await;
    let added = put(&plane, &token, WIKI, &wiki()).await;
    let records = plane.records(added.header("x-correlation-id")).await;
    for record in &records {
        assert_eq!(record.detail["action"], "add");
        assert_eq!(record.detail["exposure"], "external");
        assert_eq!(record.detail["trust"], "untrusted");
        assert_eq!(
            record.detail["credentials"],
            json!(["Authorization", "X-Tenant"])
        );
    }
    assert_eq!(records.len(), 2);
}

#[tokio::test]
async fn from_a_browser_nothing_unlisted_is_started_reached_or_read() {
    let plane = Plane::start().await;
    let token = plane.administrator().await;
    World::make(&plane).await;
    let with = |transport: Value| json!({"title": "Wiki", "transport": transport});
    let url = "https://wiki.example.co.jp/mcp";
    for (transport, pointer) in [
        (
            json!({"kind": "http", "url": "https://elsewhere.example/mcp"}),
            "/transport/url",
        ),
        (
            json!({"kind": "stdio", "command": "sh", "args": ["-c", "id"]}),
            "/transport/command",
        ),
        (
            json!({"kind": "http", "url": url, "headers": {"X-Key": {"file": "data/seal.key"}}}),
            "/transport/headers/X-Key",
        ),
        (
            json!({"kind": "http", "url": url, "headers": {"X-Key": {"env": "DATABASE_URL"}}}),
            "/transport/headers/X-Key",
        ),
        (
            json!({"kind": "http", "url": url, "headers": {"Authorization": {"value": "Bearer x"}}}),
            "/transport/headers/Authorization",
        ),
        (
            json!({"kind": "http", "url": url, "headers": {"X-Tenant": null}}),
            "/transport/headers/X-Tenant",
        ),
        (
            json!({"kind": "http", "url": "https://user@wiki.example.co.jp/"}),
            "/transport/url",
        ),
    ] {
        let refused = put(&plane, &token, WIKI, &with(transport)).await;
        assert_eq!(refused.status, 422, "{}", refused.text);
        assert_eq!(refused.json()["errors"][0]["pointer"], pointer);
    }
    // What was set up by command stays as it is, and can be looked after otherwise.
    let old = "/api/v1/connectors/old";
    let shown = plane.call("GET", old, Some(&token), None).await;
    let mut settings = shown.json()["settings"].clone();
    settings["enabled"] = json!(true);
    assert_eq!(put(&plane, &token, old, &settings).await.status, 200);
    settings["transport"]["args"] = json!(["--everything"]);
    assert_eq!(put(&plane, &token, old, &settings).await.status, 422);
}

#[tokio::test]
async fn templates_say_which_of_them_can_be_set_up_here() {
    let plane = Plane::start().await;
    let token = plane.administrator().await;
    let path = "/api/v1/connector-templates";
    let listed = plane.call("GET", path, Some(&token), None).await.json();
    let available = |id: &str| {
        let items = listed["items"].as_array().unwrap();
        items.iter().find(|one| one["id"] == id).unwrap()["available"].clone()
    };
    assert_eq!(available("github"), true);
    assert_eq!(available("git"), true);
    assert_eq!(available("slack"), false);
}
