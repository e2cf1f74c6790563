//! Revisions up to 2025-11-25 over streamable HTTP.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use http::Method;
use sekimori_domain::connector::ProtocolChoice;
use sekimori_mcp::envelope::Reply;
use sekimori_mcp::revision::Revision;
use sekimori_upstream::Outgoing;
use sekimori_upstream::exchange::{Event, UpstreamError};

use crate::support::*;

#[tokio::test]
async fn falls_back_to_initialize_and_stays_in_the_session() {
    const RESULT: &str = r#"{"content":[],"x":1.0}"#;
    let fake = Fake::start(async |seen| legacy(&seen, "s-1", |seen| seen.result(RESULT))).await;
    let upstream = over_http(&fake);
    assert_eq!(
        upstream.discover().await.unwrap().revision,
        Revision::V20251125
    );
    let rest = r#"{"_meta":{"progressToken":"mine","io.modelcontextprotocol/protocolVersion":"2026-07-28","x/y":1}}"#;
    assert_eq!(
        result(upstream.invoke(warrant("t", r#"{"a":1.0}"#), outgoing("{}", rest))).await,
        RESULT
    );

    let initialize = fake.asked("initialize").pop().unwrap();
    assert_eq!(initialize.json["params"]["protocolVersion"], "2025-11-25");
    assert!(initialize.json["params"]["capabilities"]["sampling"].is_null());
    assert!(!initialize.headers.contains_key("mcp-session-id"));
    let call = fake.asked("tools/call").pop().unwrap();
    assert_eq!(call.header("mcp-session-id"), "s-1");
    assert_eq!(call.header("mcp-protocol-version"), "2025-11-25");
    assert!(!call.headers.contains_key("mcp-method"));
    let id = call.id();
    assert_eq!(
        std::str::from_utf8(&call.body).unwrap(),
        format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"t","arguments":{{"a":1.0}},"_meta":{{"x/y":1,"progressToken":{id}}}}}}}"#
        )
    );
}

#[tokio::test]
async fn a_choice_of_era_is_kept() {
    let fake = Fake::start(async |seen| legacy(&seen, "s", |_| status(500))).await;
    let pinned = over_http_with(&fake, |connector| {
        connector.protocol = ProtocolChoice::Legacy;
    });
    assert!(pinned.discover().await.is_ok());
    assert!(fake.asked("server/discover").is_empty());
    let pinned = over_http_with(&fake, |connector| {
        connector.protocol = ProtocolChoice::Modern;
    });
    assert!(matches!(
        pinned.discover().await,
        Err(UpstreamError::Invalid { .. })
    ));
    assert_eq!(fake.asked("initialize").len(), 1);
}

#[tokio::test]
async fn an_ended_session_is_opened_again_once() {
    let sessions = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&sessions);
    let fake = Fake::start(move |seen| {
        let counted = Arc::clone(&counted);
        async move {
            if seen.method() == "initialize" {
                counted.fetch_add(1, Ordering::Relaxed);
            }
            let session = format!("s-{}", counted.load(Ordering::Relaxed));
            legacy(&seen, &session, |seen| {
                if seen.header("mcp-session-id") == "s-2" {
                    seen.result("{}")
                } else {
                    status(404)
                }
            })
        }
    })
    .await;
    let upstream = over_http(&fake);
    let exchange = upstream.invoke(warrant("t", "{}"), Outgoing::new("tools/call"));
    assert_eq!(result(exchange).await, "{}");
    assert_eq!(fake.asked("tools/call").len(), 2);

    let fake = Fake::start(async |seen| legacy(&seen, "s", |_| status(404))).await;
    let error =
        done(over_http(&fake).invoke(warrant("t", "{}"), Outgoing::new("tools/call"))).await;
    assert!(error.is_err());
    assert_eq!(fake.asked("tools/call").len(), 2);
}

/// A legacy server asks in the middle of its answer stream, and gets the answer in a POST.
async fn asking(question: &'static str) -> Fake {
    let open = Arc::new(Mutex::new(None));
    Fake::start(move |seen| {
        let open = Arc::clone(&open);
        async move {
            legacy(&seen, "s", |seen| {
                if seen.method() == "tools/call" {
                    let (sender, response) = open_stream();
                    sender.send(format!("data: {question}\n\n")).unwrap();
                    *open.lock().unwrap() = Some((sender, seen.id().clone()));
                    return response;
                }
                if let Some((sender, id)) = open.lock().unwrap().take() {
                    let answer = seen.body.clone();
                    let answer = std::str::from_utf8(&answer).unwrap();
                    let result =
                        format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"answer":{answer}}}}}"#);
                    sender.send(format!("data: {result}\n\n")).unwrap();
                }
                status(202)
            })
        }
    })
    .await
}

const QUESTION: &str = r#"{"jsonrpc":"2.0","id":"q-1","method":"elicitation/create","params":{"message":"?","requestedSchema":{"x":1.0}}}"#;

#[tokio::test]
async fn questions_come_as_asks_and_are_answered() {
    let fake = asking(QUESTION).await;
    let mut exchange =
        over_http(&fake).invoke(warrant("t", "{}"), outgoing(r#"{"elicitation":{}}"#, "{}"));
    let Event::Ask(ask) = next(&mut exchange).await else {
        panic!("no question");
    };
    assert_eq!(ask.questions[0].method, "elicitation/create");
    assert_eq!(
        ask.questions[0].params.as_ref().unwrap().get(),
        r#"{"message":"?","requestedSchema":{"x":1.0}}"#
    );
    ask.answers
        .send(vec![Reply::Result(raw(
            r#"{"action":"accept","content":{"b":1,"a":1.0}}"#,
        ))])
        .unwrap();
    assert_eq!(
        result(exchange).await,
        r#"{"answer":{"jsonrpc":"2.0","id":"q-1","result":{"action":"accept","content":{"b":1,"a":1.0}}}}"#
    );
}

#[tokio::test]
async fn questions_that_nobody_may_be_asked_get_an_error() {
    let sampling = r#"{"jsonrpc":"2.0","id":5,"method":"sampling/createMessage","params":{}}"#;
    let url = r#"{"jsonrpc":"2.0","id":5,"method":"elicitation/create","params":{"mode":"url"}}"#;
    for (question, capabilities) in [
        (QUESTION, "{}"),
        (url, r#"{"elicitation":{}}"#),
        // The client could, but the connector may not.
        (sampling, r#"{"sampling":{}}"#),
        (
            r#"{"jsonrpc":"2.0","id":5,"method":"tools/call"}"#,
            r#"{"elicitation":{}}"#,
        ),
    ] {
        let fake = asking(question).await;
        let exchange = over_http(&fake).invoke(warrant("t", "{}"), outgoing(capabilities, "{}"));
        assert!(result(exchange).await.contains("-32601"), "{question}");
    }
    let fake = asking(r#"{"jsonrpc":"2.0","id":5,"method":"ping"}"#).await;
    let exchange = over_http(&fake).invoke(warrant("t", "{}"), outgoing("{}", "{}"));
    assert_eq!(
        result(exchange).await,
        r#"{"answer":{"jsonrpc":"2.0","id":5,"result":{}}}"#
    );
}

#[tokio::test]
async fn sampling_passes_where_the_connector_may() {
    let fake =
        asking(r#"{"jsonrpc":"2.0","id":5,"method":"sampling/createMessage","params":{}}"#).await;
    let upstream = over_http_with(&fake, |connector| connector.allow_sampling = true);
    let mut exchange = upstream.invoke(warrant("t", "{}"), outgoing(r#"{"sampling":{}}"#, "{}"));
    assert!(matches!(next(&mut exchange).await, Event::Ask(_)));
    let declared = fake.asked("initialize").pop().unwrap();
    assert!(declared.json["params"]["capabilities"]["sampling"].is_object());
}

#[tokio::test]
async fn dropping_the_exchange_sends_a_cancellation() {
    let fake = Fake::start(async |seen| {
        if seen.method() == "tools/call" {
            std::future::pending::<()>().await;
        }
        legacy(&seen, "s", |_| status(202))
    })
    .await;
    let upstream = over_http(&fake);
    let exchange = upstream.invoke(warrant("t", "{}"), Outgoing::new("tools/call"));
    eventually("the call arrives", || fake.asked("tools/call").len() == 1).await;
    drop(exchange);
    eventually("the cancellation arrives", || {
        fake.asked("notifications/cancelled").len() == 1
    })
    .await;
    let cancelled = fake.asked("notifications/cancelled").pop().unwrap();
    assert_eq!(
        cancelled.json["params"]["requestId"],
        *fake.asked("tools/call")[0].id()
    );
}

/// 2025-11-25: a server may close the stream and let the client come back for the answer.
#[tokio::test]
async fn a_stream_that_ends_early_is_resumed() {
    let asked = Arc::new(Mutex::new(None));
    let fake = Fake::start(move |seen| {
        let asked = Arc::clone(&asked);
        async move {
            let mut asked = asked.lock().unwrap();
            if seen.verb == Method::GET && seen.header("last-event-id") == "e-1" {
                let id = asked.take().unwrap();
                return events(&[format!(
                    r#"{{"jsonrpc":"2.0","id":{id},"result":{{"late":1}}}}"#
                )]);
            }
            legacy(&seen, "s", |seen| {
                *asked = Some(seen.id().clone());
                typed(200, "text/event-stream", "id: e-1\nretry: 1\ndata:\n\n")
            })
        }
    })
    .await;
    let exchange = over_http(&fake).invoke(warrant("t", "{}"), Outgoing::new("tools/call"));
    assert_eq!(result(exchange).await, r#"{"late":1}"#);
}

#[tokio::test]
async fn the_log_level_is_raised_once() {
    let fake = Fake::start(async |seen| legacy(&seen, "s", |seen| seen.result("{}"))).await;
    let upstream = over_http(&fake);
    for level in ["warning", "info", "error", "nonsense"] {
        let outgoing = Outgoing {
            log_level: Some(level.into()),
            ..Outgoing::new("tools/call")
        };
        result(upstream.invoke(warrant("t", "{}"), outgoing)).await;
    }
    let levels: Vec<_> = fake
        .asked("logging/setLevel")
        .iter()
        .map(|seen| seen.json["params"]["level"].clone())
        .collect();
    assert_eq!(levels, ["warning", "info"]);
}

#[tokio::test]
async fn batches_of_2025_03_26_are_read() {
    let fake = Fake::start(async |seen| {
        legacy(&seen, "s", |seen| {
            json(
                200,
                &format!(
                    r#"[{{"jsonrpc":"2.0","method":"notifications/message","params":{{}}}},{{"jsonrpc":"2.0","id":{},"result":{{}}}}]"#,
                    seen.id()
                ),
            )
        })
    })
    .await;
    let mut exchange = over_http(&fake).invoke(warrant("t", "{}"), Outgoing::new("tools/call"));
    assert!(matches!(
        next(&mut exchange).await,
        Event::Notification { .. }
    ));
    assert!(matches!(next(&mut exchange).await, Event::Done(Ok(_))));
}

#[tokio::test]
async fn closing_ends_the_session_at_the_upstream() {
    let fake = Fake::start(async |seen| legacy(&seen, "s", |seen| seen.result("{}"))).await;
    let upstream = over_http(&fake);
    upstream.discover().await.unwrap();
    drop(upstream);
    eventually("the session is deleted", || {
        fake.seen()
            .iter()
            .any(|seen| seen.verb == Method::DELETE && seen.header("mcp-session-id") == "s")
    })
    .await;
}
