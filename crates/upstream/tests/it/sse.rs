//! The HTTP+SSE transport of 2024-11-05.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use http::Method;
use sekimori_domain::connector::Transport;
use sekimori_mcp::revision::Revision;
use sekimori_upstream::exchange::UpstreamError;
use sekimori_upstream::{Outgoing, Upstream};
use tokio::sync::mpsc::UnboundedSender;

use crate::support::*;

async fn old_server(endpoint: &'static str) -> Fake {
    let stream: Arc<Mutex<Option<UnboundedSender<String>>>> = Arc::default();
    Fake::start(move |seen| {
        let stream = Arc::clone(&stream);
        async move {
            let mut stream = stream.lock().unwrap();
            if seen.verb == Method::GET {
                let (sender, response) = open_stream();
                sender.send(format!("event: endpoint\ndata: {endpoint}\n\n")).unwrap();
                *stream = Some(sender);
                return response;
            }
            let id = seen.id();
            let answer = match seen.method() {
                "initialize" => format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"protocolVersion":"2024-11-05","capabilities":{{}},"serverInfo":{{"name":"old","version":"0"}}}}}}"#),
                "tools/call" => format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"x":1.0}}}}"#),
                "server/discover" => format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-32601,"message":"Method not found"}}}}"#),
                _ => return status(202),
            };
            let event = format!("event: message\ndata: {answer}\n\n");
            stream.as_ref().unwrap().send(event).unwrap();
            status(202)
        }
    })
    .await
}

fn upstream(fake: &Fake) -> Upstream {
    let transport = Transport::Sse {
        url: fake.url.replace("/mcp", "/sse"),
        headers: BTreeMap::new(),
        allow_private_network: true,
    };
    Upstream::new(connector(transport), deps())
}

#[tokio::test]
async fn speaks_the_oldest_revision() {
    let fake = old_server("/messages?session=1").await;
    let upstream = upstream(&fake);
    assert_eq!(
        upstream.discover().await.unwrap().revision,
        Revision::V20241105
    );
    let exchange = upstream.invoke(warrant("t", "{}"), Outgoing::new("tools/call"));
    assert_eq!(result(exchange).await, r#"{"x":1.0}"#);
    let call = fake.asked("tools/call").pop().unwrap();
    assert_eq!(call.path, "/messages?session=1");
}

/// Credentials go with every message, so the server cannot send them elsewhere.
#[tokio::test]
async fn messages_never_go_to_another_origin() {
    let fake = old_server("http://127.0.0.1:1/messages").await;
    let error = upstream(&fake).discover().await.unwrap_err();
    assert!(matches!(error, UpstreamError::Forbidden { .. }), "{error}");
}
