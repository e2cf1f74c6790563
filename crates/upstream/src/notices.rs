//! One shared stream of what an upstream tells outside of requests.
//!
//! Since 2026-07-28 that is `subscriptions/listen`, opened again whenever the set of watched resources
//! changes. Before, it comes by itself with the session; here the session is only kept alive, and
//! subscriptions are renewed with it.

use std::sync::{Arc, Weak};
use std::time::Duration;

use sekimori_mcp::envelope::Reply;
use sekimori_mcp::raw_object::{RawObject, raw_json};
use sekimori_mcp::revision::{Era, code, error_code};
use sekimori_mcp::tasks;
use serde_json::json;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::fault::Fault;
use crate::listing;
use crate::outgoing::{Hop, Round, hop_params};
use crate::session::SharedSession;
use crate::transport::http::mirrored;
use crate::transport::router::Notice;
use crate::transport::{Link, Purpose, Request, Turn};
use crate::upstream::{Inner, Watched};

/// The gate's own notice that the stream was opened again: lists and resources may have changed
/// unnoticed before.
pub const RECONNECTED: &str = "sekimori/reconnected";

const AGAIN_AFTER: Duration = Duration::from_secs(1);
const AGAIN_AFTER_MAX: Duration = Duration::from_mins(1);
/// A stream that lived so long was a good one.
const GOOD_AFTER: Duration = Duration::from_secs(30);

/// Keeps the stream open until the upstream is closed.
pub(crate) fn keep(inner: &Arc<Inner>) {
    let closed = inner.closed.clone();
    let watched = inner.watched.subscribe();
    let inner = Arc::downgrade(inner);
    tokio::spawn(async move {
        tokio::select! {
            () = closed.cancelled() => {}
            () = reopen(&inner, watched) => {}
        }
    });
}

async fn reopen(inner: &Weak<Inner>, mut watched: watch::Receiver<Watched>) {
    let mut after = AGAIN_AFTER;
    loop {
        let opened_at = tokio::time::Instant::now();
        let Some(upstream) = inner.upgrade() else {
            return;
        };
        let changed = match upstream.session().await {
            Ok(session) => {
                upstream.notify(Notice {
                    method: RECONNECTED.to_owned(),
                    params: None,
                });
                stay(&upstream, &session, &mut watched).await
            }
            Err(_) => false,
        };
        drop(upstream);
        if changed {
            continue;
        }
        if opened_at.elapsed() > GOOD_AFTER {
            after = AGAIN_AFTER;
        }
        tokio::time::sleep(after).await;
        after = (after * 2).min(AGAIN_AFTER_MAX);
    }
}

/// Stays until the stream ends. `true`: because the watched resources changed.
async fn stay(
    inner: &Inner,
    session: &SharedSession,
    watched: &mut watch::Receiver<Watched>,
) -> bool {
    let wanted = watched.borrow_and_update().clone();
    let ended: CancellationToken = session.ended.clone();
    if session.era() == Era::Legacy {
        // The first subscription of a session is the caller's own request; this renews older ones.
        for uri in wanted.uris {
            let mut params = RawObject::new();
            params.set_str("uri", &uri);
            drop(listing::ask(inner, session, "resources/subscribe", params).await);
        }
        loop {
            tokio::select! {
                () = ended.cancelled() => return false,
                changed = watched.changed() => if changed.is_err() { return false },
            }
        }
    }
    tokio::select! {
        changed = watched.changed() => changed.is_ok(),
        () = ended.cancelled() => false,
        end = listen(inner, session, &wanted) => {
            match end {
                // It has no such stream; only a change of what is wanted is a reason to try again.
                Ok(Reply::Error(error)) if error_code(&error) == code::METHOD_NOT_FOUND => {
                    tokio::select! {
                        changed = watched.changed() => changed.is_ok(),
                        () = ended.cancelled() => false,
                    }
                }
                Err(Fault::Status(status)) if session.is_stale(status) => {
                    inner.forget(session);
                    false
                }
                _ => false,
            }
        }
    }
}

/// `subscriptions/listen`, until it ends.
async fn listen(inner: &Inner, session: &SharedSession, wanted: &Watched) -> Result<Reply, Fault> {
    let method = "subscriptions/listen";
    let revision = session.discovery.revision;
    let mut capabilities = RawObject::new();
    let mut filter = json!({
        "toolsListChanged": true,
        "promptsListChanged": true,
        "resourcesListChanged": true,
        "resourceSubscriptions": wanted.uris,
    });
    if let Some(filter) = filter.as_object_mut().filter(|_| !wanted.tasks.is_empty()) {
        filter.insert("taskIds".to_owned(), json!(wanted.tasks));
        tasks::declare(&mut capabilities);
    }
    let hop = Hop {
        revision,
        progress_token: None,
        capabilities: &capabilities.to_raw(),
        log_level: None,
    };
    let mut params = RawObject::new();
    params.set("notifications", raw_json(&filter));
    let params = hop_params(params, hop, &Round::default());
    let headers = mirrored(
        revision.as_str(),
        method,
        &params,
        &[],
        &serde_json::Value::Null,
    );
    let id = inner.next_id();
    let request = Request {
        id,
        method,
        params: params.to_raw(),
        headers,
        // Nobody may be asked anything through it.
        purpose: Purpose::Own,
        task: None,
    };
    let mut conversation = session.link.start(request, session.router.as_ref()).await?;
    let _cancel = CancelListen {
        link: &session.link,
        id,
    };
    loop {
        match conversation.next().await? {
            Turn::Reply(reply) => return Ok(reply),
            Turn::Notification(method, params) => {
                if method == "notifications/subscriptions/acknowledged" {
                    renew(inner, wanted);
                }
                inner.notify(Notice { method, params });
            }
            Turn::Question(..) => return Err(Fault::invalid("it sent a request")),
        }
    }
}

/// Whatever happened to a task before the stream was opened was not told: whoever watches it looks again.
fn renew(inner: &Inner, wanted: &Watched) {
    for id in &wanted.tasks {
        inner.notify(Notice {
            method: "notifications/tasks".to_owned(),
            params: Some(raw_json(&json!({ "taskId": id }))),
        });
    }
}

/// Over a channel no stream is closed when we stop listening, so the upstream must be told.
struct CancelListen<'a> {
    link: &'a Link,
    id: u64,
}

impl Drop for CancelListen<'_> {
    fn drop(&mut self) {
        if let Link::Channel(channel) = self.link {
            let params = raw_json(&json!({ "requestId": self.id }));
            channel.try_send(sekimori_mcp::envelope::notification(
                "notifications/cancelled",
                Some(&params),
            ));
        }
    }
}
