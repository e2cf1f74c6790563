//! The guard, seen from outside.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use sekimori_domain::connector::Transport;
use sekimori_upstream::Upstream;
use sekimori_upstream::egress::{
    Egress, EgressError, FetchError, HostPattern, Networks, SystemResolver,
};
use sekimori_upstream::exchange::UpstreamError;

use crate::support::*;

fn egress(allow: &[&str]) -> Egress {
    let allow: Vec<HostPattern> = allow.iter().map(|text| text.parse().unwrap()).collect();
    Egress::new(allow, None, Arc::new(SystemResolver)).unwrap()
}

const TIME: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_connector_needs_leave_for_private_networks() {
    let fake = Fake::start(async |_| status(500)).await;
    for url in [
        fake.url.clone(),
        fake.url.replace("http://127.0.0.1", "https://localhost"),
    ] {
        let transport = Transport::Http {
            url,
            headers: BTreeMap::new(),
            allow_private_network: false,
        };
        let error = Upstream::new(connector(transport), deps())
            .discover()
            .await
            .unwrap_err();
        assert!(matches!(error, UpstreamError::Forbidden { .. }), "{error}");
    }
    assert!(fake.seen().is_empty());
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let inside = Fake::start(async |_| json(200, "{}")).await;
    let to = inside.url.clone();
    let fake = Fake::start(move |_| {
        let to = to.clone();
        async move {
            let mut response = status(307);
            response
                .headers_mut()
                .insert("location", to.parse().unwrap());
            response
        }
    })
    .await;
    assert!(over_http(&fake).discover().await.is_err());
    let fetched = egress(&["127.0.0.1"])
        .client(Vec::new(), Networks::AlsoPrivate)
        .get_json(&fake.url, 100, TIME)
        .await;
    assert_eq!(fetched.unwrap_err(), FetchError::Status(307));
    assert!(inside.seen().is_empty());
}

#[tokio::test]
async fn documents_are_fetched_from_listed_hosts_up_to_a_size() {
    let fake = Fake::start(async |_| {
        let mut response = json(200, r#"{"keys":[]}"#);
        response
            .headers_mut()
            .insert("cache-control", "max-age=60".parse().unwrap());
        response
    })
    .await;
    let client = egress(&["127.0.0.1"]).client(Vec::new(), Networks::AlsoPrivate);
    let fetched = client.get_json(&fake.url, 100, TIME).await.unwrap();
    assert_eq!(&fetched.body[..], br#"{"keys":[]}"#);
    assert_eq!(fetched.cache_control.as_deref(), Some("max-age=60"));
    assert_eq!(
        client.get_json(&fake.url, 5, TIME).await.unwrap_err(),
        FetchError::TooLarge(5)
    );

    let foreign = egress(&["example.com"]).client(Vec::new(), Networks::AlsoPrivate);
    assert_eq!(
        foreign.get_json(&fake.url, 100, TIME).await.unwrap_err(),
        FetchError::Egress(EgressError::HostNotAllowed)
    );
    let public = egress(&["127.0.0.1"]).client(Vec::new(), Networks::Public);
    assert_eq!(
        public.get_json(&fake.url, 100, TIME).await.unwrap_err(),
        FetchError::Egress(EgressError::NotEncrypted)
    );
}

#[test]
fn extra_authorities_must_be_certificates() {
    let resolver = Arc::new(SystemResolver);
    assert!(Egress::new(Vec::new(), Some(b"nothing"), resolver).is_err());
}
