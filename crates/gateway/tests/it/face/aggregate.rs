//! The endpoint of all connectors.

use sekimori_testkit::client::LEGACY;
use sekimori_testkit::fixture::Era;
use serde_json::{Value, json};

use crate::harness::over_fixture;

fn call(name: &str, arguments: Value) -> Value {
    json!({ "name": name, "arguments": arguments })
}

#[tokio::test]
async fn names_and_uris_lead_to_their_connector() {
    let (_fixture, gate) = over_fixture(Era::Dual).await;
    let client = gate.client_of_all();
    let tools = client.modern("tools/list", json!({})).await.result();
    let names: Vec<_> = tools["tools"]
        .as_array()
        .unwrap()
        .iter()
        .map(|t| &t["name"])
        .collect();
    assert!(names.contains(&&json!("fixture__test_simple_text")));
    let reply = client
        .modern("tools/call", call("fixture__test_simple_text", json!({})))
        .await;
    assert_eq!(reply.result()["content"][0]["type"], "text");
    let plain = client
        .modern("tools/call", call("test_simple_text", json!({})))
        .await;
    assert_eq!(plain.error()["code"], -32602);

    let uri = "fixture+test://static-text";
    let read = client
        .modern("resources/read", json!({ "uri": uri }))
        .await
        .result();
    assert_eq!(read["contents"][0]["uri"], uri);
    assert_eq!(read["cacheScope"], "private");
    let embedded = client
        .modern(
            "tools/call",
            call("fixture__test_embedded_resource", json!({})),
        )
        .await
        .result();
    let embedded = embedded["content"][0]["resource"]["uri"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(embedded.starts_with("fixture+test://"), "{embedded}");
}

/// A person must be able to tell which system asks.
#[tokio::test]
async fn who_asks_is_named() {
    let (_fixture, gate) = over_fixture(Era::Dual).await;
    let able = json!({ "elicitation": {} });
    let params = call(
        "fixture__test_elicitation",
        json!({ "message": "Who are you?" }),
    );
    let modern = gate.client_of_all().with_capabilities(able.clone());
    let asked = modern.modern("tools/call", params.clone()).await.result();
    let question = asked["inputRequests"]
        .as_object()
        .unwrap()
        .values()
        .next()
        .unwrap();
    assert_eq!(question["params"]["message"], "[The fixture] Who are you?");

    let legacy = gate.client_of_all().with_capabilities(able);
    legacy.initialize(LEGACY).await;
    let mut live = legacy.legacy_live(1, "tools/call", &params).await;
    let question = live.next().await.unwrap();
    assert_eq!(question["params"]["message"], "[The fixture] Who are you?");
}
