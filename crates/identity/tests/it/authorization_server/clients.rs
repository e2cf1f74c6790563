//! Clients that describe themselves: by a metadata document, or by registering.

use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::Uri;
use sekimori_domain::oauth::{ClientKind, ClientStatus};
use sekimori_identity::authorization_server::{
    AuthorizationServerConfig, Decision, DocumentTrust, Ending, OAuthErrorCode, Outcome, PageFault,
    Registration, RegistrationRequest, Trust, approve_client,
};
use sekimori_identity::{Document, FetchDocument, FetchError, GuardedDocuments};
use sekimori_upstream::egress::{Egress, Resolve};
use serde_json::{Value, json};

use super::kit::{BACK, Kit, browser, refresh_token};

const ID: &str = "https://app.example/client.json";

fn document() -> Value {
    json!({
        "client_id": ID, "client_name": "Assistant", "redirect_uris": [BACK],
        "token_endpoint_auth_method": "none",
    })
}

fn trusting(config: &mut AuthorizationServerConfig) {
    config.documents = DocumentTrust {
        automatic: vec!["app.example".into()],
        denied: vec!["denied.example".into()],
        others: Trust::Approval,
    };
}

async fn trusting_kit() -> Kit {
    let kit = Kit::with(trusting).await;
    kit.documents.serve(ID, &document());
    kit
}

#[tokio::test]
async fn authn_7_a_metadata_document_is_a_client_that_nobody_vouches_for() {
    let kit = trusting_kit().await;
    let id = [("client_id", ID)];
    let view = kit.view(&id).await;
    assert_eq!(view.client_kind, ClientKind::MetadataDocument);
    assert_eq!(view.client_name, "Assistant");
    assert!(!view.verified && !view.may_remember);
    assert_eq!(
        kit.store.oauth().client(ID).await.unwrap(),
        None,
        "not before consent"
    );
    let redirection = kit.allow(&view, true).await;
    let code = super::kit::answer(&redirection.to)["code"].clone();
    let tokens = kit.exchange(&code, &id).await.unwrap();
    assert_eq!(tokens.grant.client.as_str(), ID);
    assert!(tokens.grant.document.is_some(), "what was consented to");
    let kept = kit.store.oauth().client(ID).await.unwrap().unwrap();
    assert_eq!(kept.status, ClientStatus::Unverified);
    // The wish to be remembered has no effect for such a client.
    let (request, signed_in) = (kit.request(&id), kit.signed_in());
    let direct = kit
        .server
        .authorize(&request, browser(), Some(&signed_in), true)
        .await;
    assert!(matches!(direct, Outcome::Consent(_)), "{direct:?}");
}

#[tokio::test]
async fn hosts_without_trust_wait_for_an_administrator_and_are_not_asked() {
    let kit = trusting_kit().await;
    let id = "https://other.example/client.json";
    assert_eq!(
        kit.fault(&[("client_id", id)]).await,
        PageFault::ClientWaits
    );
    assert_eq!(
        kit.fault(&[("client_id", id)]).await,
        PageFault::ClientWaits
    );
    assert_eq!(
        kit.documents.asked(),
        0,
        "a stranger's address is not asked"
    );
    let oauth = kit.store.oauth();
    let waiting = oauth.client(id).await.unwrap().unwrap();
    assert_eq!(waiting.status, ClientStatus::Pending);

    let mut other = document();
    other["client_id"] = json!(id);
    kit.documents.serve(id, &other);
    approve_client(&*oauth, &*kit.clock, id, "admin:test")
        .await
        .unwrap();
    let view = kit.view(&[("client_id", id)]).await;
    assert!(view.verified);
    kit.allow(&view, false).await;
    let kept = oauth.client(id).await.unwrap().unwrap();
    assert_eq!(kept.status, ClientStatus::Approved);
    assert_eq!(kept.decided_by.as_deref(), Some("admin:test"));

    kit.deny(id).await;
    assert_eq!(
        kit.fault(&[("client_id", id)]).await,
        PageFault::ClientDenied
    );
    let denied = "https://denied.example/client.json";
    assert_eq!(
        kit.fault(&[("client_id", denied)]).await,
        PageFault::ClientDenied
    );
}

/// All failures read alike: nobody learns through us what answers where.
#[tokio::test]
async fn attack_ssrf_failures_are_no_oracle() {
    let kit = trusting_kit().await;
    let served = |body: &'static [u8], media: Option<&str>| Document {
        body: Bytes::from_static(body),
        content_type: media.map(str::to_owned),
        cache_control: None,
    };
    let large = Box::leak(vec![b' '; 10 * 1024 + 1].into_boxed_slice());
    for (name, answer) in [
        ("missing", None),
        ("html", Some(served(b"<html>", Some("text/html")))),
        ("untyped", Some(served(b"{}", None))),
        ("large", Some(served(large, Some("application/json")))),
        ("broken", Some(served(b"{", Some("application/json")))),
        (
            "twice",
            Some(served(
                br#"{"client_id":1,"client_id":2}"#,
                Some("application/json"),
            )),
        ),
        ("other", Some(served(b"{}", Some("application/json")))),
    ] {
        let id = format!("https://app.example/{name}.json");
        if let Some(answer) = answer {
            kit.documents.serve_document(&id, answer);
        }
        let fault = kit.fault(&[("client_id", &id)]).await;
        assert_eq!(fault, PageFault::UnknownClient, "{name}");
    }
    let asked = kit.documents.asked();
    let again = kit
        .fault(&[("client_id", "https://app.example/missing.json")])
        .await;
    assert_eq!(again, PageFault::UnknownClient);
    assert_eq!(
        kit.documents.asked(),
        asked,
        "a failure is remembered for a while"
    );
}

/// The document cannot change between what the person saw and what the client does.
#[tokio::test]
async fn attack_a_document_that_changes_changes_nothing_under_way() {
    let kit = trusting_kit().await;
    let view = kit.view(&[("client_id", ID)]).await;
    let mut evil = document();
    evil["redirect_uris"] = json!(["https://evil.example/"]);
    evil["client_name"] = json!("Evil");
    kit.documents.serve(ID, &evil);
    kit.clock.advance(Duration::from_mins(6));
    let redirection = kit.allow(&view, false).await;
    assert!(redirection.to.starts_with(BACK), "{}", redirection.to);
    let Ending::Granted { grant, .. } = redirection.ending else {
        panic!("not granted");
    };
    let kept = kit.store.oauth().client(ID).await.unwrap().unwrap();
    assert_eq!(
        (kept.name.as_str(), kept.document),
        ("Assistant", grant.document)
    );
    // The next one sees the new document.
    assert_eq!(
        kit.fault(&[("client_id", ID)]).await,
        PageFault::RedirectMismatch
    );
}

#[tokio::test]
async fn documents_are_remembered_for_five_minutes_at_least() {
    let kit = trusting_kit().await;
    for _ in 0..3 {
        kit.view(&[("client_id", ID)]).await;
    }
    assert_eq!(kit.documents.asked(), 1);
    kit.clock.advance(Duration::from_mins(5));
    kit.view(&[("client_id", ID)]).await;
    assert_eq!(kit.documents.asked(), 2);
}

/// Answers with whatever the test says, and remembers what it was asked.
#[derive(Debug)]
struct Resolver {
    answer: Mutex<Vec<IpAddr>>,
    asked: Mutex<Vec<String>>,
}

#[async_trait]
impl Resolve for Resolver {
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        self.asked.lock().unwrap().push(host.to_owned());
        Ok(self.answer.lock().unwrap().clone())
    }
}

/// A name that leads inside is not followed, in whatever form, and not even when only one of its addresses
/// does (rebinding).
#[tokio::test]
async fn attack_ssrf_names_that_resolve_inside() {
    let resolver = Arc::new(Resolver {
        answer: Mutex::default(),
        asked: Mutex::default(),
    });
    let egress = Egress::new(Vec::new(), None, Arc::clone(&resolver) as _).unwrap();
    let documents = GuardedDocuments::new(egress);
    for addresses in [
        &["127.0.0.1"][..],
        &["10.0.0.1"],
        &["172.16.0.1"],
        &["192.168.0.1"],
        &["100.64.0.1"],
        &["169.254.169.254"],
        &["0.0.0.0"],
        &["::1"],
        &["::ffff:127.0.0.1"],
        &["::ffff:169.254.169.254"],
        &["64:ff9b::7f00:1"],
        &["2002:7f00:1::"],
        &["fe80::1"],
        &["fc00::1"],
        &["fd00:ec2::254"],
        &["1.1.1.1", "127.0.0.1"],
        &["2606:4700::1111", "::ffff:10.0.0.1"],
    ] {
        *resolver.answer.lock().unwrap() =
            addresses.iter().map(|text| text.parse().unwrap()).collect();
        let url: Uri = ID.parse().unwrap();
        let error = documents.get_document(&url, 1_024).await.unwrap_err();
        assert!(
            matches!(error, FetchError::Forbidden(_)),
            "{addresses:?}: {error:?}"
        );
        assert_eq!(error.to_string(), "the destination is not allowed");
        assert_eq!(resolver.asked.lock().unwrap().pop().unwrap(), "app.example");
    }
    // Addresses instead of names, in every spelling that some resolver understands.
    *resolver.answer.lock().unwrap() = vec!["127.0.0.1".parse().unwrap()];
    for literal in [
        "127.0.0.1",
        "169.254.169.254",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:a9fe:a9fe]",
        "localhost",
    ] {
        let url: Uri = format!("https://{literal}/client.json").parse().unwrap();
        let error = documents.get_document(&url, 1_024).await.unwrap_err();
        // Where it is no host at all nobody is asked for its address, so there is nothing to connect to.
        let asked = std::mem::take(&mut *resolver.asked.lock().unwrap());
        let refused = match &error {
            FetchError::Forbidden(_) => true,
            FetchError::Unavailable(_) => asked.is_empty(),
            FetchError::NotFound => false,
        };
        assert!(refused, "{literal}: {error:?} {asked:?}");
    }
    for bad in [
        "http://app.example/x",
        "https://app.example:8443/x",
        "ftp://app.example/x",
    ] {
        let url: Uri = bad.parse().unwrap();
        let error = documents.get_document(&url, 1_024).await.unwrap_err();
        assert!(matches!(error, FetchError::Forbidden(_)), "{bad}");
        assert!(resolver.asked.lock().unwrap().is_empty(), "{bad}");
    }
}

fn wanting(body: Value) -> RegistrationRequest {
    serde_json::from_value(body).unwrap()
}

async fn registering_kit() -> Kit {
    Kit::with(|config| {
        config.registration = Some(Registration {
            redirect_hosts: vec!["*.app.example".into()],
            unused_max: 3,
            per_address_hourly: 5,
            ..Registration::default()
        });
    })
    .await
}

#[tokio::test]
async fn registration_is_off_unless_wanted() {
    let kit = Kit::start().await;
    let request = wanting(json!({"redirect_uris": ["http://127.0.0.1/back"]}));
    let refusal = kit.server.register(request, None).await.unwrap_err();
    assert_eq!(refusal.code, OAuthErrorCode::InvalidRequest);
}

#[tokio::test]
async fn registered_clients_are_public_dynamic_and_forgotten_if_unused() {
    let kit = registering_kit().await;
    assert!(kit.server.metadata()["registration_endpoint"].is_string());
    let request = wanting(json!({
        "redirect_uris": ["http://127.0.0.1/back"], "client_name": "CLI",
        "token_endpoint_auth_method": "client_secret_basic", "scope": "mcp:admin",
    }));
    let (client, answer) = kit.server.register(request, None).await.unwrap();
    assert!(client.id.as_str().starts_with("dyn_"));
    assert_eq!(answer["token_endpoint_auth_method"], "none");
    assert!(answer.get("client_secret").is_none());
    let at = [
        ("client_id", client.id.as_str()),
        ("redirect_uri", "http://127.0.0.1:7777/back"),
    ];
    let view = kit.view(&at).await;
    assert!(view.local_only && !view.verified);
    assert_eq!(view.redirect_host, "127.0.0.1:7777");

    kit.clock.advance(Duration::from_hours(24));
    kit.server.maintain().await;
    assert_eq!(kit.fault(&at).await, PageFault::UnknownClient);
}

#[tokio::test]
async fn used_registrations_stay() {
    let kit = registering_kit().await;
    let request = wanting(json!({"redirect_uris": ["http://127.0.0.1/back"]}));
    let (client, _) = kit.server.register(request, None).await.unwrap();
    let at = [
        ("client_id", client.id.as_str()),
        ("redirect_uri", "http://127.0.0.1:1/back"),
    ];
    let view = kit.view(&at).await;
    let decision = Decision {
        allow: true,
        remember: false,
    };
    let signed_in = kit.signed_in();
    let decided = kit
        .server
        .decide(&view.txn, browser(), Some(&signed_in), decision)
        .await;
    let to = super::kit::redirection(decided).to;
    let code = to.split(['=', '&']).nth(1).unwrap();
    let tokens = kit.exchange(code, &at).await.unwrap();
    kit.clock.advance(Duration::from_hours(11));
    let id = [("client_id", client.id.as_str())];
    let tokens = kit.refresh(&refresh_token(&tokens), &id).await.unwrap();
    kit.clock.advance(Duration::from_hours(11));
    let tokens = kit.refresh(&refresh_token(&tokens), &id).await.unwrap();
    kit.clock.advance(Duration::from_hours(11));
    kit.server.maintain().await;
    kit.refresh(&refresh_token(&tokens), &id).await.unwrap();
}

#[tokio::test]
async fn attack_registrations_are_limited_in_what_and_how_many() {
    let kit = registering_kit().await;
    for (bad, code) in [
        (
            json!({"redirect_uris": []}),
            OAuthErrorCode::InvalidRedirectUri,
        ),
        (
            json!({"redirect_uris": ["https://evil.example/"]}),
            OAuthErrorCode::InvalidRedirectUri,
        ),
        (
            json!({"redirect_uris": ["https://app.example/"]}),
            OAuthErrorCode::InvalidRedirectUri,
        ),
        (
            json!({"redirect_uris": ["javascript:alert(1)"]}),
            OAuthErrorCode::InvalidRedirectUri,
        ),
        (
            json!({"redirect_uris": ["https://a.app.example/*"]}),
            OAuthErrorCode::InvalidRedirectUri,
        ),
        (
            json!({"redirect_uris": ["http://127.0.0.1/"], "application_type": "web"}),
            OAuthErrorCode::InvalidRedirectUri,
        ),
        (
            json!({"redirect_uris": ["https://a.app.example/"], "application_type": "native"}),
            OAuthErrorCode::InvalidRedirectUri,
        ),
        (
            json!({"redirect_uris": ["http://127.0.0.1/"], "grant_types": ["client_credentials"]}),
            OAuthErrorCode::InvalidClientMetadata,
        ),
        (
            json!({"redirect_uris": ["http://127.0.0.1/"], "token_endpoint_auth_method": "private_key_jwt"}),
            OAuthErrorCode::InvalidClientMetadata,
        ),
    ] {
        let refusal = kit
            .server
            .register(wanting(bad.clone()), None)
            .await
            .unwrap_err();
        assert_eq!(refusal.code, code, "{bad}");
    }
    let good = || wanting(json!({"redirect_uris": ["https://a.app.example/"]}));
    let here: Option<IpAddr> = Some("192.0.2.1".parse().unwrap());
    let there: Option<IpAddr> = Some("192.0.2.2".parse().unwrap());
    for _ in 0..3 {
        kit.server.register(good(), here).await.unwrap();
    }
    let full = kit.server.register(good(), there).await.unwrap_err();
    assert_eq!(full.code, OAuthErrorCode::TemporarilyUnavailable);

    let kit = Kit::with(|config| {
        config.registration = Some(Registration {
            redirect_hosts: vec!["*.app.example".into()],
            per_address_hourly: 5,
            ..Registration::default()
        });
    })
    .await;
    let registered = async |ip| {
        let mut done = 0;
        for _ in 0..9 {
            done += u32::from(kit.server.register(good(), ip).await.is_ok());
        }
        done
    };
    assert_eq!(registered(here).await, 5);
    assert_eq!(registered(there).await, 5);
    kit.clock.advance(Duration::from_hours(1));
    assert_eq!(registered(here).await, 5);
}
