//! Revision 2026-07-28 over streamable HTTP.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use sekimori_domain::Timestamp;
use sekimori_domain::catalog::TargetKind;
use sekimori_mcp::envelope::Reply;
use sekimori_mcp::revision::Revision;
use sekimori_upstream::exchange::{Event, UpstreamError};
use sekimori_upstream::{ListMethod, Outgoing, Questions};

use crate::support::*;

#[tokio::test]
async fn discovers_once_and_keeps_it() {
    let fake = Fake::start(async |seen| modern(&seen, |_| status(500))).await;
    let upstream = over_http(&fake);
    for _ in 0..3 {
        let discovery = upstream.discover().await.unwrap();
        assert_eq!(discovery.revision, Revision::V20260728);
        assert_eq!(
            discovery.capabilities.get(),
            r#"{"tools":{},"resources":{},"x":{"y":1.0}}"#
        );
        assert_eq!(discovery.instructions.as_deref(), Some("be kind"));
        assert_eq!(
            discovery.server_info.unwrap().get(),
            r#"{"name":"fake","version":"1"}"#
        );
    }
    assert_eq!(fake.seen().len(), 1);
}

/// Relay fidelity: what the gate does not have to change arrives byte for byte, in both directions.
#[tokio::test]
async fn a_call_is_composed_from_the_warrant_and_relayed_untouched() {
    const RESULT: &str = r#"{"content":[{"type":"text","text":"\u00e9","x":1.0}],"z":123456789012345678901234567890,"structuredContent":{"b":1,"a":-0},"resultType":"complete"}"#;
    let fake = Fake::start(async |seen| modern(&seen, |seen| seen.result(RESULT))).await;
    let rest = r#"{"name":"forged","arguments":{"forged":1},"unknown":{"b":1.50,"a":1e2},"_meta":{"traceparent":"00-1","io.modelcontextprotocol/protocolVersion":"1999","io.modelcontextprotocol/clientInfo":{"name":"client"},"io.modelcontextprotocol/clientCapabilities":{"sampling":{}},"x/y":[1,2]}}"#;
    let exchange = over_http(&fake).invoke(
        warrant("検索", r#"{"z":1.50,"a":18446744073709551617}"#),
        Outgoing {
            log_level: Some("warning".into()),
            ..outgoing(
                r#"{"elicitation":{},"sampling":{},"roots":{},"extensions":{"a/b":{}}}"#,
                rest,
            )
        },
    );
    assert_eq!(result(exchange).await, RESULT);

    let call = fake.asked("tools/call").pop().unwrap();
    let id = call.id();
    assert_eq!(
        std::str::from_utf8(&call.body).unwrap(),
        [
            &format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"検索","#),
            r#""arguments":{"z":1.50,"a":18446744073709551617},"unknown":{"b":1.50,"a":1e2},"#,
            r#""_meta":{"traceparent":"00-1","x/y":[1,2],"io.modelcontextprotocol/protocolVersion":"2026-07-28","#,
            &format!(r#""io.modelcontextprotocol/clientInfo":{{"name":"sekimori","title":"Sekimori","version":"{}"}},"#, env!("CARGO_PKG_VERSION")),
            r#""io.modelcontextprotocol/clientCapabilities":{"elicitation":{},"extensions":{"a/b":{}}},"#,
            r#""io.modelcontextprotocol/logLevel":"warning"}}}"#,
        ]
        .concat()
    );
    assert_eq!(call.header("mcp-protocol-version"), "2026-07-28");
    assert_eq!(call.header("mcp-method"), "tools/call");
    assert_eq!(call.header("mcp-name"), "=?base64?5qSc57Si?=");
    assert_eq!(call.header("authorization"), "Bearer of the gate");
    assert_eq!(call.header("accept"), "application/json, text/event-stream");
}

#[tokio::test]
async fn other_methods_are_composed_from_the_target() {
    let fake =
        Fake::start(async |seen| modern(&seen, |seen| seen.result(r#"{"resultType":"complete"}"#)))
            .await;
    let upstream = over_http(&fake);
    for (method, kind, name, arguments, expected) in [
        (
            "prompts/get",
            TargetKind::Prompt,
            "p",
            r#"{"a":"1"}"#,
            r#"{"name":"p","arguments":{"a":"1"}}"#,
        ),
        (
            "resources/read",
            TargetKind::Resource,
            "file:///a",
            "{}",
            r#"{"uri":"file:///a"}"#,
        ),
        (
            "completion/complete",
            TargetKind::Resource,
            "file:///{a}",
            r#"{"argument":{"name":"a","value":"x"}}"#,
            r#"{"ref":{"type":"ref/resource","uri":"file:///{a}"},"argument":{"name":"a","value":"x"}}"#,
        ),
        (
            "tasks/get",
            TargetKind::Tool,
            "t",
            r#"{"taskId":"7"}"#,
            r#"{"taskId":"7"}"#,
        ),
    ] {
        let warrant = warrant_until(kind, name, arguments, Timestamp::MAX);
        result(upstream.invoke(warrant, Outgoing::new(method))).await;
        let mut params = fake.asked(method).pop().unwrap().json["params"].clone();
        params.as_object_mut().unwrap().remove("_meta");
        assert_eq!(params.to_string(), expected);
    }
    assert_eq!(fake.asked("tasks/get")[0].header("mcp-name"), "7");
    assert_eq!(
        fake.asked("resources/read")[0].header("mcp-name"),
        "file:///a"
    );
}

#[tokio::test]
async fn an_ended_warrant_reaches_nobody() {
    let fake = Fake::start(async |_| status(500)).await;
    let ended = warrant_until(TargetKind::Tool, "t", "{}", Timestamp::UNIX_EPOCH);
    let error = done(over_http(&fake).invoke(ended, Outgoing::new("tools/call"))).await;
    assert!(
        matches!(error, Err(UpstreamError::WarrantExpired { .. })),
        "{error:?}"
    );
    assert!(fake.seen().is_empty());
}

#[tokio::test]
async fn progress_and_logs_come_with_the_clients_token() {
    let fake = Fake::start(async |seen| {
        modern(&seen, |seen| {
            let token = &seen.json["params"]["_meta"]["progressToken"];
            events(&[
                format!(r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":{token},"progress":1,"x":1.0}}}}"#),
                r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"of another","progress":1}}"#.to_owned(),
                r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":1.0}}"#.to_owned(),
                format!(r#"{{"jsonrpc":"2.0","id":{},"result":{{"resultType":"complete"}}}}"#, seen.id()),
            ])
        })
    })
    .await;
    let mut exchange = over_http(&fake).invoke(
        warrant("t", "{}"),
        outgoing("{}", r#"{"_meta":{"progressToken":"mine"}}"#),
    );
    let mut told = Vec::new();
    loop {
        match next(&mut exchange).await {
            Event::Notification { method, params } => {
                told.push((method, params.unwrap().get().to_owned()));
            }
            Event::Done(done) => break assert!(done.is_ok()),
            Event::Ask(_) => panic!("nobody asked"),
        }
    }
    let expected = [
        (
            "notifications/progress".to_owned(),
            r#"{"progressToken":"mine","progress":1,"x":1.0}"#.to_owned(),
        ),
        (
            "notifications/message".to_owned(),
            r#"{"level":"info","data":1.0}"#.to_owned(),
        ),
    ];
    assert_eq!(told, expected);
}

const ASKS: &str = r#"{"resultType":"input_required","inputRequests":{"who":{"method":"elicitation/create","params":{"message":"?","requestedSchema":{}}},"ok":{"method":"elicitation/create","params":{"mode":"url","url":"https://a.example","message":"!"}}},"requestState":"s\u00e9aled"}"#;

async fn asking() -> Fake {
    Fake::start(async |seen| {
        modern(&seen, |seen| {
            let params = &seen.json["params"];
            if params["inputResponses"].is_null() {
                seen.result(ASKS)
            } else {
                seen.result(r#"{"resultType":"complete","content":[]}"#)
            }
        })
    })
    .await
}

#[tokio::test]
async fn questions_are_relayed_and_the_answers_sent_back() {
    let fake = asking().await;
    let mut exchange = over_http(&fake).invoke(
        warrant("t", r#"{"a":1}"#),
        outgoing(r#"{"elicitation":{"form":{},"url":{}}}"#, "{}"),
    );
    let Event::Ask(ask) = next(&mut exchange).await else {
        panic!("no question");
    };
    let keys: Vec<&str> = ask
        .questions
        .iter()
        .map(|question| question.key.as_str())
        .collect();
    assert_eq!(keys, ["who", "ok"]);
    assert_eq!(
        ask.questions[0].params.as_ref().unwrap().get(),
        r#"{"message":"?","requestedSchema":{}}"#
    );
    ask.answers
        .send(vec![
            Reply::Result(raw(r#"{"action":"accept","content":{"n":1.0}}"#)),
            Reply::Error(raw(r#"{"code":-1,"message":"no"}"#)),
        ])
        .unwrap();
    assert_eq!(
        result(exchange).await,
        r#"{"resultType":"complete","content":[]}"#
    );

    let calls = fake.asked("tools/call");
    assert_ne!(calls[0].id(), calls[1].id());
    let again = std::str::from_utf8(&calls[1].body).unwrap();
    for part in [
        r#""arguments":{"a":1}"#,
        r#""inputResponses":{"who":{"action":"accept","content":{"n":1.0}},"ok":{"action":"cancel"}}"#,
        r#""requestState":"s\u00e9aled""#,
    ] {
        assert!(again.contains(part), "{again}");
    }
}

#[tokio::test]
async fn questions_pass_through_for_a_modern_client() {
    let fake = asking().await;
    let upstream = over_http(&fake);
    let passthrough = |rest: &str| Outgoing {
        questions: Questions::Passthrough,
        ..outgoing(r#"{"elicitation":{"form":{},"url":{}}}"#, rest)
    };
    assert_eq!(
        result(upstream.invoke(warrant("t", "{}"), passthrough("{}"))).await,
        ASKS
    );
    let retry = passthrough(
        r#"{"inputResponses":{"who":{"action":"decline"}},"requestState":"s\u00e9aled"}"#,
    );
    assert!(
        result(upstream.invoke(warrant("t", "{}"), retry))
            .await
            .contains("complete")
    );
    let again = fake.asked("tools/call").pop().unwrap();
    assert!(
        again
            .body
            .windows(18)
            .any(|part| part == br#""s\u00e9aled","_me"#)
    );
}

#[tokio::test]
async fn questions_that_the_client_did_not_declare_are_refused() {
    for capabilities in [
        "{}",
        r#"{"elicitation":{}}"#,
        r#"{"elicitation":{"url":{}}}"#,
        r#"{"sampling":{}}"#,
    ] {
        let fake = asking().await;
        let error =
            done(over_http(&fake).invoke(warrant("t", "{}"), outgoing(capabilities, "{}"))).await;
        assert!(
            matches!(error, Err(UpstreamError::Invalid { .. })),
            "{capabilities}: {error:?}"
        );
    }
}

#[tokio::test]
async fn dropping_the_exchange_closes_the_stream() {
    let streams = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&streams);
    let fake = Fake::start(move |seen| {
        let kept = Arc::clone(&kept);
        async move {
            modern(&seen, |_| {
                let (sender, response) = open_stream();
                sender.send(": hello\n\n".to_owned()).unwrap();
                kept.lock().unwrap().push(sender);
                response
            })
        }
    })
    .await;
    let exchange = over_http(&fake).invoke(warrant("t", "{}"), Outgoing::new("tools/call"));
    eventually("the call arrives", || !streams.lock().unwrap().is_empty()).await;
    drop(exchange);
    eventually("the stream is closed", || {
        streams.lock().unwrap()[0]
            .send(": ping\n\n".to_owned())
            .is_err()
    })
    .await;
    assert!(fake.asked("notifications/cancelled").is_empty());
}

const TOOLS: &str = r#"{"name":"q","inputSchema":{"type":"object","properties":{"region":{"type":"string","x-mcp-header":"Region"}}},"x":1.0}"#;

#[tokio::test]
async fn lists_follow_pages_and_leave_out_invalid_annotations() {
    let fake = Fake::start(async |seen| {
        modern(&seen, |seen| match seen.json["params"]["cursor"].as_str() {
            None => seen.result(&format!(
                r#"{{"resultType":"complete","tools":[{TOOLS},{{"name":"bad","inputSchema":{{"type":"object","x-mcp-header":"A"}}}}],"nextCursor":""}}"#
            )),
            Some("") => seen.result(r#"{"resultType":"complete","tools":[{"name":"last"}]}"#),
            Some(_) => status(500),
        })
    })
    .await;
    let upstream = over_http(&fake);
    let tools = upstream.list(ListMethod::Tools).await.unwrap();
    let texts: Vec<&str> = tools.iter().map(|tool| tool.get()).collect();
    assert_eq!(texts, [TOOLS, r#"{"name":"last"}"#]);
    // Not among its capabilities, so not asked for.
    assert!(upstream.list(ListMethod::Prompts).await.unwrap().is_empty());
    assert!(fake.asked("prompts/list").is_empty());
}

#[tokio::test]
async fn arguments_are_mirrored_after_the_upstream_asked_for_it() {
    let refusals = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&refusals);
    let fake = Fake::start(move |seen| {
        let counted = Arc::clone(&counted);
        async move {
            modern(&seen, |seen| {
                if seen.method() == "tools/list" {
                    return seen
                        .result(&format!(r#"{{"resultType":"complete","tools":[{TOOLS}]}}"#));
                }
                if seen.header("mcp-param-region") == "東京"
                    || seen.header("mcp-param-region") == "=?base64?5p2x5Lqs?="
                {
                    return seen.result(r#"{"resultType":"complete"}"#);
                }
                counted.fetch_add(1, Ordering::Relaxed);
                seen.error(400, r#"{"code":-32020,"message":"Header mismatch"}"#)
            })
        }
    })
    .await;
    let upstream = over_http(&fake);
    for _ in 0..2 {
        let exchange = upstream.invoke(
            warrant("q", r#"{"region":"東京"}"#),
            Outgoing::new("tools/call"),
        );
        result(exchange).await;
    }
    assert_eq!(refusals.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn errors_are_replies_whatever_their_status() {
    let fake = Fake::start(async |seen| {
        modern(&seen, |seen| {
            seen.error(
                404,
                r#"{"code":-32601,"message":"Method not found","x":1.0}"#,
            )
        })
    })
    .await;
    let reply =
        done(over_http(&fake).invoke(warrant("t", "{}"), Outgoing::new("tools/call"))).await;
    assert!(
        matches!(&reply, Ok(Reply::Error(error)) if error.get().ends_with(r#""x":1.0}"#)),
        "{reply:?}"
    );
}

#[tokio::test]
async fn a_task_goes_to_clients_that_take_tasks_only() {
    let fake = Fake::start(async |seen| {
        modern(&seen, |seen| {
            seen.result(r#"{"resultType":"task","taskId":"1"}"#)
        })
    })
    .await;
    let upstream = over_http(&fake);
    let takes = r#"{"extensions":{"io.modelcontextprotocol/tasks":{}}}"#;
    assert!(
        result(upstream.invoke(warrant("t", "{}"), outgoing(takes, "{}")))
            .await
            .contains("task")
    );
    let error = done(upstream.invoke(warrant("t", "{}"), outgoing("{}", "{}"))).await;
    assert!(
        matches!(error, Err(UpstreamError::Invalid { .. })),
        "{error:?}"
    );
}
