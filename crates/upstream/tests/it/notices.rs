//! What upstreams tell outside of requests.

use std::sync::{Arc, Mutex};

use http::Method;
use sekimori_domain::Timestamp;
use sekimori_domain::catalog::TargetKind;
use sekimori_upstream::exchange::Event;
use sekimori_upstream::notices::RECONNECTED;
use sekimori_upstream::{Notice, Outgoing};
use tokio::sync::broadcast;

use crate::support::*;

async fn notice(receiver: &mut broadcast::Receiver<Notice>) -> Notice {
    tokio::time::timeout(PATIENCE, receiver.recv())
        .await
        .unwrap()
        .unwrap()
}

const CHANGED: &str = r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#;

#[tokio::test]
async fn a_modern_upstream_is_listened_to_and_asked_anew_for_watched_resources() {
    let streams = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&streams);
    let fake = Fake::start(move |seen| {
        let kept = Arc::clone(&kept);
        async move {
            modern(&seen, |_| {
                let (sender, response) = open_stream();
                kept.lock().unwrap().push(sender);
                response
            })
        }
    })
    .await;
    let upstream = over_http(&fake);
    let mut receiver = upstream.notifications();
    assert_eq!(notice(&mut receiver).await.method, RECONNECTED);
    eventually("it listens", || streams.lock().unwrap().len() == 1).await;
    streams.lock().unwrap()[0]
        .send(format!("data: {CHANGED}\n\n"))
        .unwrap();
    assert_eq!(
        notice(&mut receiver).await.method,
        "notifications/tools/list_changed"
    );

    let subscribe = warrant_until(TargetKind::Resource, "file:///a", "{}", Timestamp::MAX);
    assert_eq!(
        result(upstream.invoke(subscribe, Outgoing::new("resources/subscribe"))).await,
        "{}"
    );
    eventually("it listens again", || streams.lock().unwrap().len() == 2).await;
    let asked = fake.asked("subscriptions/listen").pop().unwrap();
    assert_eq!(
        asked.json["params"]["notifications"]["resourceSubscriptions"][0],
        "file:///a"
    );
    eventually("the first stream is closed", || {
        streams.lock().unwrap()[0].is_closed()
    })
    .await;
    assert!(fake.asked("resources/subscribe").is_empty());
}

#[tokio::test]
async fn a_legacy_upstream_tells_on_its_get_stream() {
    let streams = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&streams);
    let fake = Fake::start(move |seen| {
        let kept = Arc::clone(&kept);
        async move {
            if seen.verb == Method::GET {
                let (sender, response) = open_stream();
                kept.lock().unwrap().push(sender);
                return response;
            }
            legacy(&seen, "s", |seen| seen.result("{}"))
        }
    })
    .await;
    let upstream = over_http(&fake);
    let mut receiver = upstream.notifications();
    assert_eq!(notice(&mut receiver).await.method, RECONNECTED);
    eventually("it listens", || streams.lock().unwrap().len() == 1).await;
    let updated = r#"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"file:///a","x":1.0}}"#;
    streams.lock().unwrap()[0]
        .send(format!("data: {updated}\n\n"))
        .unwrap();
    let told = notice(&mut receiver).await;
    assert_eq!(told.params.unwrap().get(), r#"{"uri":"file:///a","x":1.0}"#);

    let subscribe = warrant_until(TargetKind::Resource, "file:///a", "{}", Timestamp::MAX);
    result(upstream.invoke(subscribe, Outgoing::new("resources/subscribe"))).await;
    assert_eq!(
        fake.asked("resources/subscribe")[0].json["params"]["uri"],
        "file:///a"
    );
}

/// Some legacy servers tell the log of a call on the stream of the session, and its end after the answer.
#[tokio::test]
async fn a_log_on_the_get_stream_belongs_to_the_only_call() {
    let stream = Arc::new(Mutex::new(None));
    let read = Arc::new(tokio::sync::Notify::new());
    let (kept, was_read) = (Arc::clone(&stream), Arc::clone(&read));
    let fake = Fake::start(move |seen| {
        let (kept, was_read) = (Arc::clone(&kept), Arc::clone(&was_read));
        async move {
            if seen.verb == Method::GET {
                let (sender, response) = open_stream();
                *kept.lock().unwrap() = Some(sender);
                return response;
            }
            legacy(&seen, "s", |seen| {
                let (answer, response) = open_stream();
                let told = kept.lock().unwrap().clone().unwrap();
                let id = seen.id().clone();
                tokio::spawn(async move {
                    let line = |n: u32| format!("data: {{\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{{\"level\":\"info\",\"data\":{n}}}}}\n\n");
                    told.send(line(1)).unwrap();
                    // Until the first was read, the answer would win the race for all of them.
                    was_read.notified().await;
                    answer.send(format!("data: {{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{}}}}\n\n")).unwrap();
                    told.send(line(2)).unwrap();
                });
                response
            })
        }
    })
    .await;
    let upstream = over_http(&fake);
    upstream.discover().await.unwrap();
    eventually("it listens", || stream.lock().unwrap().is_some()).await;
    let mut exchange = upstream.invoke(warrant("t", "{}"), Outgoing::new("tools/call"));
    for n in 1..=2 {
        let Event::Notification { params, .. } = next(&mut exchange).await else {
            panic!("no log {n}");
        };
        read.notify_one();
        assert_eq!(
            params.unwrap().get(),
            format!(r#"{{"level":"info","data":{n}}}"#)
        );
    }
    assert!(matches!(next(&mut exchange).await, Event::Done(Ok(_))));
}
