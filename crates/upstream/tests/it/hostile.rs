//! Upstreams that break the protocol.

use sekimori_mcp::envelope::Reply;
use sekimori_upstream::Outgoing;
use sekimori_upstream::exchange::UpstreamError;

use crate::support::*;

async fn outcome(
    answer: impl Fn(&Seen) -> axum::response::Response + Send + Sync + Clone + 'static,
) -> Result<Reply, UpstreamError> {
    let fake = Fake::start(move |seen| {
        let answer = answer.clone();
        async move { modern(&seen, |seen| answer(seen)) }
    })
    .await;
    done(over_http(&fake).invoke(warrant("t", "{}"), Outgoing::new("tools/call"))).await
}

fn is_invalid(outcome: &Result<Reply, UpstreamError>) -> bool {
    matches!(outcome, Err(UpstreamError::Invalid { .. }))
}

#[tokio::test]
async fn wrong_shapes_are_invalid() {
    let answers: [fn(&Seen) -> axum::response::Response; 10] = [
        |_| json(200, "{"),
        |_| json(200, "[]"),
        |_| json(200, "null"),
        |_| typed(200, "text/html", "<html>"),
        |seen| json(200, &format!(r#"{{"id":{},"result":{{}}}}"#, seen.id())),
        |seen| seen.result("5"),
        |seen| seen.result(r#"{"a":1,"a":2}"#),
        |seen| seen.result(r#"{"resultType":"of tomorrow"}"#),
        |seen| seen.result(r#"{"resultType":"input_required"}"#),
        |_| {
            events(&[
                r#"{"jsonrpc":"2.0","id":1,"method":"elicitation/create","params":{}}"#.into(),
            ])
        },
    ];
    for (index, answer) in answers.into_iter().enumerate() {
        let outcome = outcome(answer).await;
        assert!(is_invalid(&outcome), "{index}: {outcome:?}");
    }
    let deep = outcome(|seen| seen.result(&"[".repeat(10_000))).await;
    assert!(is_invalid(&deep), "{deep:?}");
}

#[tokio::test]
async fn answers_under_another_id_are_not_the_answer() {
    const FOREIGN: &str = r#"{"jsonrpc":"2.0","id":999999,"result":{}}"#;
    for answer in [
        |_: &Seen| json(200, FOREIGN),
        |_: &Seen| events(&[FOREIGN.into()]),
    ] {
        let outcome = outcome(answer).await;
        assert!(is_invalid(&outcome), "{outcome:?}");
    }

    let fake = Fake::start(async |seen| {
        modern(&seen, |seen| {
            let id = seen.id();
            events(&[
                r#"{"jsonrpc":"2.0","id":"foreign","result":{"n":0}}"#.into(),
                format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"n":1}}}}"#),
                format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"n":2}}}}"#),
            ])
        })
    })
    .await;
    let exchange = over_http(&fake).invoke(warrant("t", "{}"), Outgoing::new("tools/call"));
    assert_eq!(result(exchange).await, r#"{"n":1}"#);
}

#[tokio::test]
async fn an_endless_answer_is_cut_off() {
    use axum::body::{Body, Bytes};
    let endless = |kind: &'static str| {
        move |_: &Seen| {
            let chunk = Bytes::from(vec![b' '; 1024 * 1024]);
            let stream = futures_util::stream::repeat_with(move || {
                Ok::<_, std::convert::Infallible>(chunk.clone())
            });
            typed(200, kind, Body::from_stream(stream))
        }
    };
    for kind in ["application/json", "text/event-stream"] {
        let outcome = outcome(endless(kind)).await;
        assert!(is_invalid(&outcome), "{kind}: {outcome:?}");
    }
}

#[tokio::test]
async fn silence_times_out() {
    let fake = Fake::start(async |seen| {
        if seen.method() == "tools/call" {
            std::future::pending::<()>().await;
        }
        modern(&seen, |_| status(500))
    })
    .await;
    let upstream = over_http_with(&fake, |connector| connector.timeout_seconds = 1);
    let outcome = done(upstream.invoke(warrant("t", "{}"), Outgoing::new("tools/call"))).await;
    let expected = UpstreamError::Timeout {
        connector: "crm".into(),
        seconds: 1,
    };
    assert_eq!(outcome.unwrap_err(), expected);
}

/// It answered, though not what was asked, and then says no more.
#[tokio::test]
async fn a_foreign_answer_before_the_silence_is_invalid() {
    let open = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let fake = Fake::start(move |seen| {
        let open = std::sync::Arc::clone(&open);
        async move {
            modern(&seen, |_| {
                let (sender, response) = open_stream();
                let foreign = r#"{"jsonrpc":"2.0","id":"foreign","result":{}}"#;
                sender.send(format!("data: {foreign}\n\n")).unwrap();
                open.lock().unwrap().push(sender);
                response
            })
        }
    })
    .await;
    let upstream = over_http_with(&fake, |connector| connector.timeout_seconds = 1);
    let outcome = done(upstream.invoke(warrant("t", "{}"), Outgoing::new("tools/call"))).await;
    assert!(is_invalid(&outcome), "{outcome:?}");
}

#[tokio::test]
async fn refused_credentials_are_not_taken_for_an_era() {
    let fake = Fake::start(async |_| status(401)).await;
    let error = over_http(&fake).discover().await.unwrap_err();
    assert!(
        matches!(error, UpstreamError::Unavailable { .. }),
        "{error}"
    );
    assert_eq!(fake.seen().len(), 1);
}

#[tokio::test]
async fn a_server_of_no_common_revision_is_told_apart() {
    let fake = Fake::start(async |seen| {
        seen.error(
            400,
            r#"{"code":-32022,"message":"Unsupported","data":{"supported":["2099-01-01"]}}"#,
        )
    })
    .await;
    assert!(over_http(&fake).discover().await.is_err());
    assert!(fake.asked("initialize").is_empty());
}
