//! AUTHZ-3: devices by the certificate that a trusted proxy tells, and by what was reported of them lately.

use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::Algorithm;
use sekimori_domain::Timestamp;
use sekimori_domain::caller::{Device, Source};
use sekimori_domain::clock::Clock as _;
use sekimori_domain::device::DeviceReport;
use sekimori_domain::digest::Digest;
use sekimori_identity::{Conditions, Credentials, IssuerConfig, KnownDevices};
use sekimori_store::Store;
use serde_json::json;

use crate::clock::TestClock;
use crate::gate::{Gate, source};
use crate::issuer::{Issuer, SigningKey};

fn report(certificate: Digest, compliant: bool, reported_at: Timestamp) -> DeviceReport {
    DeviceReport {
        certificate,
        name: None,
        compliant,
        platform: Some("windows".to_owned()),
        reported_at,
    }
}

#[tokio::test]
async fn authz_3_a_device_is_in_order_if_somebody_said_so_lately() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("gate.db").display());
    let store: Arc<dyn Store> = sekimori_store::open(&url).await.unwrap();
    let clock = Arc::new(TestClock::new());
    let hours = jiff::SignedDuration::from_hours(24);
    let known = KnownDevices::new(&*store, Arc::clone(&clock) as _, hours);
    let conditions = Conditions::new(Vec::new()).unwrap();
    let key = SigningKey::generate(Algorithm::ES256, "key-1");
    let issuer = Issuer::start(&[&key]).await;
    let config = IssuerConfig::new(&issuer.url);
    let gate = Gate::with_conditions(vec![config], conditions.with_devices(Some(known)));
    let token = key.sign(&gate.claims(&issuer.url, &json!({})));
    let credentials = Credentials::bearer(&format!("Bearer {token}")).unwrap();
    let device = async |certificate| {
        let source = Source {
            certificate,
            ..source(Some("192.0.2.7"))
        };
        let caller = gate
            .authenticator
            .authenticate(&credentials, source, &gate.resource);
        caller.await.unwrap().circumstances.device.clone()
    };
    let of = |compliant| Device {
        managed: Some(true),
        compliant,
        platform: compliant.map(|_| "windows".to_owned()),
    };
    let (one, other) = (Digest::of(b"one"), Digest::of(b"other"));
    assert_eq!(device(None).await, None, "unknown is absent");
    assert_eq!(device(Some(one)).await, Some(of(None)));
    let mut changes = store.changes().watch();
    let devices = store.devices();
    let reports = [
        report(one, true, clock.now()),
        report(other, false, clock.now()),
    ];
    devices.report(&reports).await.unwrap();
    changes.changed().await.unwrap();
    assert_eq!(device(Some(one)).await, Some(of(Some(true))));
    assert_eq!(device(Some(other)).await, Some(of(Some(false))));
    clock.advance(Duration::from_hours(24));
    assert_eq!(device(Some(one)).await, Some(of(None)), "that was long ago");
}
