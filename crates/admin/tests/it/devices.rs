//! AUTHZ-3: what a device management system tells, and who is believed to be one.

use aws_lc_rs::hmac;
use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{Request, StatusCode};
use sekimori_domain::record::EventKind;
use serde_json::json;

use crate::harness::{Answer, DEVICE_SECRET, Plane};

const CERTIFICATE: &str = "5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef";

struct Post<'a> {
    id: &'a str,
    /// Seconds before now.
    age: i64,
    secret: &'a str,
}

impl Post<'_> {
    async fn send(&self, plane: &Plane, body: &str) -> Answer {
        let time = plane.control.clock.now().as_second() - self.age;
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.secret.as_bytes());
        let tag = hmac::sign(&key, format!("{}.{time}.{body}", self.id).as_bytes());
        let request = Request::post("/device-reports")
            .header("host", "gate.example")
            .header("webhook-id", self.id)
            .header("webhook-timestamp", time.to_string())
            .header("webhook-signature", format!("v1,{}", STANDARD.encode(tag)))
            .body(Body::from(body.to_owned()));
        plane.send(request.unwrap()).await
    }
}

const GOOD: Post<'static> = Post {
    id: "msg-1",
    age: 10,
    secret: DEVICE_SECRET,
};

fn report() -> String {
    json!({"devices": [
        {"certificate_sha256": CERTIFICATE, "compliant": true, "platform": "windows", "name": "PC-1"},
    ]})
    .to_string()
}

#[tokio::test]
async fn signed_reports_are_taken_once_and_recorded() {
    let plane = Plane::start().await;
    let taken = GOOD.send(&plane, &report()).await;
    assert_eq!(taken.status, StatusCode::NO_CONTENT, "{}", taken.text);
    let devices = plane.control.store.devices();
    let device = devices.get(&CERTIFICATE.parse().unwrap()).await.unwrap();
    assert!(device.unwrap().compliant);
    let again = GOOD.send(&plane, &report()).await;
    assert_eq!(again.status, StatusCode::UNAUTHORIZED, "once");
    let records = plane.records(taken.header("x-correlation-id")).await;
    assert_eq!(records[0].event, EventKind::DeviceReport);
    assert_eq!(records[0].detail["devices"], 1);
}

#[tokio::test]
async fn what_is_not_signed_now_by_the_system_changes_nothing() {
    let plane = Plane::start().await;
    let other = "another secret that is long enough too";
    let bad = [
        Post { id: "", ..GOOD },
        Post { age: 600, ..GOOD },
        Post { age: -600, ..GOOD },
        Post {
            secret: other,
            ..GOOD
        },
    ];
    for post in bad {
        let refused = post.send(&plane, &report()).await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    }
    for body in [
        "{}",
        r#"{"devices":[]}"#,
        r#"{"devices":[{"certificate_sha256":"x","compliant":true}]}"#,
        r#"{"devices":[{"compliant":true}]}"#,
        r#"{"devices":[],"devices":[]}"#,
    ] {
        let refused = GOOD.send(&plane, body).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{body}");
    }
    let devices = plane.control.store.devices();
    assert!(devices.list(None, 10).await.unwrap().is_empty());
}
