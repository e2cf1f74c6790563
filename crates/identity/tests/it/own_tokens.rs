//! AUTHN-7: tokens of our own authorization server, verified in this process.

use std::time::Duration;

use jsonwebtoken::{Algorithm, Header};
use sekimori_domain::caller::PrincipalKind;
use sekimori_domain::clock::Clock;
use sekimori_domain::refusal::RefusalCode;
use sekimori_identity::{SystemRandom, create_account, create_key};
use sekimori_store::ServiceAccounts;
use serde_json::json;

use crate::gate::assert_unauthenticated;
use crate::issuer::SigningKey;
use crate::local::new_account;
use crate::own::{HANAKO, OwnGate, person};

#[tokio::test]
async fn authn_7_a_person_is_told_by_the_store_and_not_by_the_token() {
    let own = OwnGate::new();
    // What a token might claim of groups is not listened to.
    let token = own.token(&json!({"groups": ["administrators"], "name": "Root"}));
    let caller = own.gate.try_token(&token).await.unwrap();
    assert_eq!(caller.principal.id.as_str(), HANAKO);
    assert_eq!(caller.principal.kind, PrincipalKind::User);
    assert_eq!(caller.principal.display_name, "山田花子");
    assert_eq!(caller.principal.groups.len(), 1);
    assert_eq!(caller.principal.groups[0].as_str(), "sales");
    assert_eq!(caller.principal.department.as_deref(), Some("営業部"));
    assert_eq!(caller.principal.employment.as_deref(), Some("regular"));
    assert_eq!(caller.client.kind, "preregistered");
    assert_eq!(caller.authentication.grant.as_deref(), Some("grant-1"));
    assert_eq!(caller.authentication.session.as_deref(), Some("session-1"));
    assert!(caller.authentication.mfa);
}

#[tokio::test]
async fn authn_3_a_change_of_groups_counts_at_the_next_call() {
    let own = OwnGate::new();
    let token = own.token(&json!({}));
    own.gate.try_token(&token).await.unwrap();
    let loads = own.gate.stores.loads();
    own.gate.try_token(&token).await.unwrap();
    assert_eq!(
        own.gate.stores.loads(),
        loads,
        "nothing changed, nothing is read"
    );
    own.gate.stores.set_person(HANAKO, Some(person(&["hr"])));
    let caller = own.gate.try_token(&token).await.unwrap();
    assert_eq!(caller.principal.groups[0].as_str(), "hr");
}

#[tokio::test]
async fn authn_4_who_is_unknown_or_inactive_is_refused_at_the_next_call() {
    let own = OwnGate::new();
    let token = own.token(&json!({}));
    own.gate.try_token(&token).await.unwrap();
    own.gate.stores.set_person(HANAKO, None);
    assert_unauthenticated(&own.gate.refusal(&token).await, "not active");
    let stranger = own.token(&json!({"sub": "usr_ffffffffffffffffffffffffffffffff"}));
    assert_unauthenticated(&own.gate.refusal(&stranger).await, "not active");
}

#[tokio::test]
async fn authn_7_what_our_tokens_must_hold() {
    let own = OwnGate::new();
    for (changes, part) in [
        (json!({"sub": "hanako"}), "sub"),
        (json!({"sub": null}), "sub"),
        (json!({"gid": null}), "gid"),
        (json!({"iat": null}), "iat"),
        (json!({"client_id": null}), "client_id"),
    ] {
        let token = own.token(&changes);
        assert_unauthenticated(&own.gate.refusal(&token).await, part);
    }
    let foreign = own.token(&json!({"aud": "https://elsewhere.example/mcp"}));
    let refusal = own.gate.refusal(&foreign).await;
    assert_eq!(refusal.code, RefusalCode::WrongAudience);
}

#[tokio::test]
async fn authn_7_only_our_published_keys_count_and_only_as_what_they_are() {
    let own = OwnGate::new();
    let claims = own.claims(&json!({}));
    let other = SigningKey::generate(Algorithm::ES256, "own-1");
    assert_unauthenticated(&own.gate.refusal(&other.sign(&claims)).await, "signature");
    let unnamed = Header {
        kid: None,
        ..own.key.header()
    };
    let token = own.key.sign_as(&unnamed, &claims);
    assert_unauthenticated(&own.gate.refusal(&token).await, "does not publish");
    let id_token = Header {
        typ: Some("JWT".to_owned()),
        ..own.key.header()
    };
    let token = own.key.sign_as(&id_token, &claims);
    assert_unauthenticated(&own.gate.refusal(&token).await, "at+jwt");
    let rsa = SigningKey::generate(Algorithm::RS256, "own-1");
    assert_unauthenticated(&own.gate.refusal(&rsa.sign(&claims)).await, "algorithm");
}

#[tokio::test]
async fn authn_7_a_withdrawn_key_counts_no_longer_even_for_remembered_tokens() {
    let own = OwnGate::new();
    let old = own.token(&json!({}));
    own.gate.try_token(&old).await.unwrap();
    let next = SigningKey::generate(Algorithm::ES256, "own-2");
    own.own.publish(&[&own.key, &next]);
    own.gate.try_token(&old).await.unwrap();
    let new = next.sign(&own.claims(&json!({})));
    own.gate.try_token(&new).await.unwrap();
    own.own.publish(&[&next]);
    assert_unauthenticated(&own.gate.refusal(&old).await, "does not publish");
    own.gate.try_token(&new).await.unwrap();
}

#[tokio::test]
async fn a_client_that_is_gone_or_cant_be_looked_up_is_refused() {
    let own = OwnGate::new();
    own.own.set_client(None);
    let token = own.token(&json!({}));
    assert_unauthenticated(&own.gate.refusal(&token).await, "client");
    own.own.set_client(Some("dynamic"));
    let caller = own.gate.try_token(&token).await.unwrap();
    assert_eq!(caller.client.kind, "dynamic");
    own.own.set_broken();
    let other = own.token(&json!({"jti": "t-2"}));
    let refusal = own.gate.refusal(&other).await;
    assert_eq!(refusal.code, RefusalCode::DependencyUnavailable);
}

#[tokio::test]
async fn authn_5_a_service_account_with_a_token_keeps_its_own_bounds() {
    let own = OwnGate::new();
    let (store, clock) = (&*own.gate.stores, &*own.gate.clock);
    let mut account = new_account(&own.gate);
    account.scopes = vec![sekimori_identity::Scope::Read];
    create_account(store, clock, account).await.unwrap();
    let token = own.token(&json!({"sub": "service:nightly-report", "sid": null}));
    let caller = own.gate.try_token(&token).await.unwrap();
    assert_eq!(caller.principal.kind, PrincipalKind::ServiceAccount);
    assert_eq!(caller.principal.groups[0].as_str(), "reporters");
    assert_eq!(
        caller.authentication.scopes,
        Some(vec!["mcp:read".to_owned()])
    );
    let elsewhere = own.gate.try_token_from(&token, Some("198.51.100.1")).await;
    assert_unauthenticated(&elsewhere.unwrap_err(), "network");
    store.suspend("nightly-report", clock.now()).await.unwrap();
    assert_unauthenticated(&own.gate.refusal(&token).await, "suspended");
    let unknown = own.token(&json!({"sub": "service:nobody", "sid": null}));
    assert_unauthenticated(&own.gate.refusal(&unknown).await, "no such");
}

#[tokio::test]
async fn authn_5_an_account_is_suspended_with_its_owner() {
    let own = OwnGate::new();
    let (store, clock) = (&*own.gate.stores, &*own.gate.clock);
    let mut account = new_account(&own.gate);
    account.owner = HANAKO.to_owned();
    create_account(store, clock, account).await.unwrap();
    let end = clock.now() + Duration::from_hours(1);
    let issued = create_key(store, clock, &SystemRandom, "nightly-report", end).await;
    let text = issued.unwrap().text.reveal();
    let caller = own.gate.try_token(&text).await.unwrap();
    let authenticator = std::sync::Arc::clone(&own.gate.authenticator);
    let running = tokio::spawn(async move { authenticator.revoked(&caller).await });
    own.gate.stores.set_person(HANAKO, None);
    assert_unauthenticated(&own.gate.refusal(&text).await, "not active");
    // What it was doing ends, too.
    let ended = tokio::time::timeout(Duration::from_secs(10), running).await;
    assert_eq!(ended.unwrap().unwrap().code, RefusalCode::Revoked);
    own.gate.stores.set_person(HANAKO, Some(person(&[])));
    own.gate.try_token(&text).await.unwrap();
}
