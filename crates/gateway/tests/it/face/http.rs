//! HTTP around the protocol, and hostile input.

use sekimori_domain::ids::LimitName;
use sekimori_domain::limit::{Bound, Limit};
use sekimori_testkit::fixture::{self, Era, Options};
use serde_json::json;

use crate::harness::{Gate, over_fixture};

const PING: &str = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;

#[tokio::test]
async fn foreign_hosts_and_origins_are_turned_away() {
    let (_fixture, gate) = over_fixture(Era::Dual).await;
    for (name, value, status) in [
        ("origin", "https://evil.example", 403),
        ("origin", "null", 403),
        ("host", "evil.example", 403),
    ] {
        let reply = gate.client().post(PING, &[(name, value)]).await;
        assert_eq!(reply.status, status, "{name}: {value}");
    }
    let own = format!("http://{}", gate.served.address);
    let reply = gate.client().post(PING, &[("origin", own.as_str())]).await;
    // Past the guard: what is missing now is a session.
    assert_eq!(reply.status, 400);
    assert_eq!(
        reply.header("access-control-allow-origin"),
        Some(own.as_str())
    );
}

#[tokio::test]
async fn bodies_of_another_form_are_refused() {
    let (_fixture, gate) = over_fixture(Era::Dual).await;
    let client = gate.client();
    for (header, value, status) in [
        ("content-type", "text/plain", 415),
        ("content-encoding", "gzip", 415),
        ("accept", "text/html", 406),
    ] {
        let reply = client.post(PING, &[(header, value)]).await;
        assert_eq!(reply.status, status, "{header}: {value}");
    }
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let deep = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"ping","params":{{"a":{deep}}}}}"#);
    for (body, code) in [
        (b"{".to_vec(), -32700),
        (b"\xff\xfe".to_vec(), -32700),
        (deep.into_bytes(), -32700),
        (
            br#"{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}"#.to_vec(),
            -32700,
        ),
        (br#"{"id":1,"method":"ping"}"#.to_vec(), -32600),
        (b"[]".to_vec(), -32600),
    ] {
        let reply = client.post(body.clone(), &[]).await;
        assert_eq!(reply.status, 400, "{}", String::from_utf8_lossy(&body));
        assert_eq!(reply.error()["code"], code);
    }
}

#[tokio::test]
async fn a_body_that_is_too_large_is_not_read() {
    let fixture = fixture::start(Options::default()).await;
    let gate = Gate::with(&fixture.url, |settings| settings.request_bytes_max = 10_000).await;
    let reply = gate.client().post(vec![b' '; 10_001], &[]).await;
    assert_eq!(reply.status, 413);
}

#[tokio::test]
async fn without_a_session_there_are_only_posts() {
    let (_fixture, gate) = over_fixture(Era::Dual).await;
    let live = gate.get(&[("accept", "text/event-stream")]).await;
    assert_eq!(live.status, 405);
}

#[tokio::test]
async fn metadata_says_where_to_authorize() {
    let (_fixture, gate) = over_fixture(Era::Dual).await;
    for (path, resource) in [
        (
            "/.well-known/oauth-protected-resource",
            "http://127.0.0.1:8080/mcp",
        ),
        (
            "/.well-known/oauth-protected-resource/mcp",
            "http://127.0.0.1:8080/mcp",
        ),
        (
            "/.well-known/oauth-protected-resource/c/fixture/mcp",
            "http://127.0.0.1:8080/c/fixture/mcp",
        ),
    ] {
        let reply = gate.get_path(path, &[]).await.finish().await;
        assert_eq!(reply.status, 200);
        assert_eq!(reply.value()["resource"], resource);
    }
}

/// AUTHN-7: whoever is not known is told how to become so, and nothing else.
#[tokio::test]
async fn strangers_are_challenged_in_every_era() {
    let (_fixture, gate) = over_fixture(Era::Dual).await;
    let stranger = gate.client().with_bearer("not-a-token");
    let modern = stranger.modern("tools/list", json!({})).await;
    let discover = stranger.modern("server/discover", json!({})).await;
    let unknown = stranger.modern("no/such", json!({})).await;
    let legacy = stranger.initialize("2025-11-25").await;
    let session = stranger.post(PING, &[("mcp-session-id", "x")]).await;
    for reply in [modern, discover, unknown, legacy, session] {
        assert_eq!(reply.status, 401);
        let challenge = reply.header("www-authenticate").unwrap();
        assert!(challenge.contains("resource_metadata="), "{challenge}");
        assert!(challenge.contains("invalid_token"), "{challenge}");
    }
}

#[tokio::test]
async fn unknown_connectors_are_not_there() {
    let (_fixture, gate) = over_fixture(Era::Dual).await;
    for connector in ["none", "NOT-A-NAME"] {
        let url = format!("http://{}/c/{connector}/mcp", gate.served.address);
        let client = sekimori_testkit::client::RawClient::new(&url);
        assert_eq!(client.modern("tools/list", json!({})).await.status, 404);
    }
}

/// Where no tool result can tell it, a limit refuses the request itself (TOOL-4).
#[tokio::test]
async fn a_limit_refuses_the_request_with_the_time_to_wait() {
    let (_fixture, gate) = over_fixture(Era::Modern).await;
    let limit = Limit {
        name: LimitName::new("once-a-day").unwrap(),
        who: None,
        what: None,
        bound: Bound::Daily { count: 1 },
        set_by: "test".to_owned(),
        set_at: gate.gateway.clock.now(),
    };
    gate.store.limits().put(&limit).await.unwrap();
    gate.gateway.limits.load().await.unwrap();
    let client = gate.client();
    let read = json!({ "uri": "test://none" });
    client.modern("resources/read", read.clone()).await;
    let refused = client.modern("resources/read", read).await;
    assert_eq!(refused.status, 429);
    let seconds = refused.error()["data"]["retryAfterSeconds"].to_string();
    assert_eq!(refused.header("retry-after"), Some(seconds.as_str()));
    let call = json!({ "name": "test_simple_text", "arguments": {} });
    let told = client.modern("tools/call", call).await;
    assert_eq!((told.status, told.header("retry-after")), (200, None));
    assert_eq!(told.result()["isError"], true);
}
