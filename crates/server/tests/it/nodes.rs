//! Two nodes, each a process of its own, on one PostgreSQL: what is taken away or stopped on one is gone on the other
//! within a second (AUTHN-4, TOOL-4).

use std::time::{Duration, Instant};

use sekimori_testkit::client::RawClient;
use sekimori_testkit::fixture::{self, Options};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::gate::{Gate, Site, until};

/// How often it is done and measured.
const ROUNDS: usize = 40;
/// Within which every node follows.
const AT_ONCE: Duration = Duration::from_secs(1);

/// A database of its own on the PostgreSQL of the test run, which goes with the server.
async fn database() -> Option<String> {
    #[allow(clippy::disallowed_methods, reason = "the test run's only setting")]
    let Ok(server) = std::env::var("SEKIMORI_TEST_POSTGRES") else {
        #[allow(clippy::print_stderr, reason = "a test that was left out must be seen")]
        let () =
            eprintln!("SKIPPED: SEKIMORI_TEST_POSTGRES is not set; `cargo xtask test` sets it");
        return None;
    };
    let name = format!("sekimori_nodes_{}", std::process::id());
    for sql in [
        format!("drop database if exists {name} with (force)"),
        format!("create database {name}"),
    ] {
        let done = Command::new("psql")
            .args(["--no-psqlrc", "--quiet", "--command", &sql, &server])
            .status()
            .await
            .expect("PostgreSQL's psql is on the path");
        assert!(done.success(), "{sql}");
    }
    let (before, query) = server.split_once('?').unwrap_or((&server, ""));
    let (base, _) = before.rsplit_once('/').unwrap();
    Some(format!("{base}/{name}?{query}"))
}

async fn node(database: &str, name: &str) -> (Site, Gate) {
    let site = Site::with(&format!(
        "node = \"{name}\"\n[store]\nurl = \"{database}\"\n"
    ));
    let gate = site.start(&[]).await;
    (site, gate)
}

/// Posts to the REST API of a node.
async fn post(gate: &Gate, token: &str, path: &str, body: &Value) -> Value {
    let client = RawClient::new(&format!("{}/api/v1/{path}", gate.url)).with_bearer(token);
    let reply = client.post(body.to_string(), &[]).await;
    assert!((200..300).contains(&reply.status), "{path}: {reply:?}");
    serde_json::from_str(reply.text()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn authn_4_two_processes_on_postgresql_follow_within_a_second() {
    let Some(database) = database().await else {
        return;
    };
    let (site, one) = node(&database, "one").await;
    let (_other_site, two) = node(&database, "two").await;
    let issued = site.json(&["admin", "create", "--name", "test"]).await;
    let (token, ends) = (issued["token"].as_str().unwrap(), &issued["expires_at"]);
    let (mut to_401, mut to_closed) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let name = format!("account-{round}");
        let account = json!({
            "name": name, "owner": "hanako", "purpose": "tests", "groups": ["employee"],
            "environments": ["production"], "expires_at": ends,
        });
        post(&one, token, "service-accounts", &account).await;
        let keys = format!("service-accounts/{name}/keys");
        let issued = post(&one, token, &keys, &json!({ "expires_at": ends })).await;
        let client = two.all(issued["secret"].as_str().unwrap());
        until("the other node knows the key", async || {
            let known = client.modern("server/discover", json!({})).await;
            (known.status == 200).then_some(())
        })
        .await;
        let filter = json!({ "notifications": { "toolsListChanged": true } });
        let mut live = client.modern_live(7, "subscriptions/listen", filter).await;
        live.next().await.unwrap();
        let closed = tokio::spawn(async move {
            while live.next().await.is_some() {}
            Instant::now()
        });
        let begin = Instant::now();
        let suspend = format!("service-accounts/{name}/suspend");
        post(&one, token, &suspend, &json!({})).await;
        let refused = loop {
            match client.modern("server/discover", json!({})).await.status {
                200 => assert!(begin.elapsed() < 10 * AT_ONCE, "it is never refused"),
                401 => break Instant::now(),
                other => panic!("status {other}"),
            }
        };
        to_401.push(refused - begin);
        to_closed.push(closed.await.unwrap() - begin);
    }
    assert_at_once("suspended on one process, 401 on the other", to_401);
    assert_at_once(
        "suspended on one process, closed stream on the other",
        to_closed,
    );
}

/// Shows the figures, and fails if the slowest in a hundred was not at once.
fn assert_at_once(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let p99 = times[times.len() * 99 / 100];
    #[allow(clippy::print_stdout, reason = "a figure that people want to see")]
    let () = println!(
        "{what}: {} rounds, p50 {:?}, p99 {p99:?}",
        times.len(),
        times[times.len() / 2]
    );
    assert!(p99 < AT_ONCE, "{what}: {p99:?}");
}

/// A tool's answer to one that waits; the refusal's code if there is one.
async fn call(client: &RawClient, tool: &str) -> Option<String> {
    let params = json!({ "name": tool, "arguments": { "message": "hello" } });
    let reply = client.modern("tools/call", params).await;
    code(&reply.value())
}

fn code(answer: &Value) -> Option<String> {
    let code = answer["result"]["_meta"]["sekimori/refusal"]["code"].as_str();
    code.map(str::to_owned)
}

/// TOOL-4: pulled on one process, it refuses new calls on the other and ends what is under way there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tool_4_the_kill_switch_reaches_the_other_process_within_a_second() {
    let Some(database) = database().await else {
        return;
    };
    let upstream = fixture::start(Options::default()).await;
    let (site, one) = node(&database, "one").await;
    site.connector("fixture", &upstream.url, &[]).await;
    site.classify("fixture", "test_wait", "read").await;
    site.classify("fixture", "test_echo", "read").await;
    let (other_site, two) = node(&database, "two").await;
    let key = site.key("reporter", "employee").await;
    let issued = other_site
        .json(&["admin", "create", "--name", "test"])
        .await;
    let token = issued["token"].as_str().unwrap();
    let (here, there) = (one.all(&key.text), two.all(&key.text));
    let (mut refused, mut ended) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        for client in [&here, &there] {
            until("calls go through", async || {
                call(client, "fixture__test_echo")
                    .await
                    .is_none()
                    .then_some(())
            })
            .await;
        }
        let mut live = there.modern_live(5, "tools/call", json!({
            "name": "fixture__test_wait", "arguments": { "seconds": 600 }, "_meta": { "progressToken": 1 },
        })).await;
        live.next().await.expect("progress: the upstream is at it");
        let under_way = tokio::spawn(async move { (live.next().await, Instant::now()) });
        let begin = Instant::now();
        let scope =
            json!({ "scope": { "kind": "connector", "id": "fixture" }, "reason": "a leak" });
        let engaged = post(&one, token, "kill-switches", &scope).await;
        while call(&there, "fixture__test_echo").await.as_deref() != Some("stopped") {
            assert!(begin.elapsed() < 10 * AT_ONCE, "it is never refused");
        }
        refused.push(begin.elapsed());
        let (last, at) = under_way.await.unwrap();
        let last = last.expect("its client is told");
        assert_eq!(code(&last).as_deref(), Some("stopped"), "{last}");
        ended.push(at - begin);
        let release = format!("kill-switches/{}/release", engaged["id"].as_str().unwrap());
        post(&one, token, &release, &json!({})).await;
    }
    assert_at_once("stopped on one process, refused on the other", refused);
    assert_at_once(
        "stopped on one process, call under way on the other ended",
        ended,
    );
}
