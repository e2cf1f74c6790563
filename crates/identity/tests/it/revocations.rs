//! AUTHN-4: what was revoked counts at the next call, whatever was proved before.

use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::Algorithm;
use sekimori_domain::clock::Clock;
use sekimori_domain::refusal::{Refusal, RefusalCode};
use sekimori_domain::revocation::{Subject, SubjectKind};
use sekimori_identity::{KEPT_FOR, SystemRandom, create_account, create_key};
use serde_json::json;
use tokio::time::timeout;

use crate::gate::{Gate, issuer_config};
use crate::issuer::{Issuer, SigningKey};
use crate::local::new_account;
use crate::own::{HANAKO, OwnGate};

const SECOND: Duration = Duration::from_secs(1);

fn assert_revoked(refusal: &Refusal) {
    assert_eq!(refusal.code, RefusalCode::Revoked, "{refusal}");
}

async fn revoke(gate: &Gate, kind: SubjectKind, id: &str) {
    let subject = Subject::new(kind, id);
    gate.revocations.revoke(&[subject]).await.unwrap();
}

#[tokio::test]
async fn authn_4_each_thing_a_token_stands_on_can_be_revoked() {
    for (kind, id) in [
        (SubjectKind::User, HANAKO),
        (SubjectKind::Client, "client-1"),
        (SubjectKind::Grant, "grant-1"),
        (SubjectKind::Session, "session-1"),
    ] {
        let own = OwnGate::new();
        let token = own.token(&json!({}));
        own.gate.try_token(&token).await.unwrap();
        revoke(&own.gate, kind, "another").await;
        own.gate.try_token(&token).await.unwrap();
        revoke(&own.gate, kind, id).await;
        assert_revoked(&own.gate.refusal(&token).await);
        // Also one that was never seen before.
        assert_revoked(&own.gate.refusal(&own.token(&json!({"jti": "t-2"}))).await);
        // What was issued later is good: revoking is no ban.
        own.gate.clock.advance(SECOND);
        own.gate
            .try_token(&own.token(&json!({"jti": "t-3"})))
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn authn_4_tokens_of_other_issuers_are_revoked_by_their_principal() {
    let key = SigningKey::generate(Algorithm::ES256, "k1");
    let issuer = Issuer::start(&[&key]).await;
    let gate = Gate::new(vec![issuer_config(&issuer.url)]);
    let token = key.sign(&gate.claims(&issuer.url, &json!({})));
    gate.try_token(&token).await.unwrap();
    revoke(&gate, SubjectKind::User, "user:u-1").await;
    assert_revoked(&gate.refusal(&token).await);
    let claims = json!({"sub": "u-2"});
    let other = key.sign(&gate.claims(&issuer.url, &claims));
    gate.try_token(&other).await.unwrap();
    // The issuer's clock may be ahead: what it seems to have issued just afterwards may be from before.
    gate.clock.advance(29 * SECOND);
    assert_revoked(
        &gate
            .refusal(&key.sign(&gate.claims(&issuer.url, &json!({}))))
            .await,
    );
    gate.clock.advance(2 * SECOND);
    let later = key.sign(&gate.claims(&issuer.url, &json!({})));
    gate.try_token(&later).await.unwrap();
}

#[tokio::test]
async fn authn_4_service_accounts_and_their_keys_can_be_revoked() {
    for by_key in [true, false] {
        let gate = Gate::new(Vec::new());
        let (store, clock) = (&*gate.stores, &*gate.clock);
        create_account(store, clock, new_account(&gate))
            .await
            .unwrap();
        let key = async || {
            let end = clock.now() + Duration::from_hours(1);
            let issued = create_key(store, clock, &SystemRandom, "nightly-report", end).await;
            issued.unwrap()
        };
        let (one, other) = (key().await, key().await);
        let (one_text, other_text) = (one.text.reveal(), other.text.reveal());
        gate.try_token(&one_text).await.unwrap();
        if by_key {
            revoke(&gate, SubjectKind::ServiceKey, &one.key.id).await;
            gate.try_token(&other_text).await.unwrap();
        } else {
            revoke(&gate, SubjectKind::ServiceAccount, "nightly-report").await;
            assert_revoked(&gate.refusal(&other_text).await);
        }
        assert_revoked(&gate.refusal(&one_text).await);
        gate.clock.advance(SECOND);
        let fresh = key().await.text.reveal();
        gate.try_token(&fresh).await.unwrap();
    }
}

#[tokio::test]
async fn authn_4_what_is_under_way_ends_with_its_access() {
    let own = OwnGate::new();
    let token = own.token(&json!({}));
    let caller = own.gate.try_token(&token).await.unwrap();
    let other = own.token(&json!({"gid": "grant-2"}));
    let other = own.gate.try_token(&other).await.unwrap();
    let wait = |caller: &Arc<_>| {
        let (authenticator, caller) = (Arc::clone(&own.gate.authenticator), Arc::clone(caller));
        tokio::spawn(async move { authenticator.revoked(&caller).await })
    };
    let (running, untouched) = (wait(&caller), wait(&other));
    revoke(&own.gate, SubjectKind::Grant, "grant-1").await;
    let refusal = timeout(10 * SECOND, running).await.unwrap().unwrap();
    assert_revoked(&refusal);
    assert!(own.gate.authenticator.is_revoked(&caller));
    assert!(!own.gate.authenticator.is_revoked(&other));
    assert!(!untouched.is_finished());
    untouched.abort();
    // Who asks afterwards is told at once.
    let late = timeout(10 * SECOND, own.gate.authenticator.revoked(&caller));
    assert_revoked(&late.await.unwrap());
}

/// Asks until it is so, as long as a busy machine may take.
async fn until(mut so: impl AsyncFnMut() -> bool) {
    let asked = async {
        while !so().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(30 * SECOND, asked).await.expect("it becomes so");
}

async fn refused_for_now(gate: &Gate, token: &str) -> bool {
    match gate.try_token(token).await {
        Ok(_) => false,
        Err(refusal) => {
            assert_eq!(refusal.code, RefusalCode::DependencyUnavailable);
            assert!(refusal.message.contains("try again"), "{refusal}");
            true
        }
    }
}

/// In doubt nobody gets in, and everybody does again as soon as there is none.
#[tokio::test]
async fn authn_4_a_stale_snapshot_lets_nobody_in() {
    let own = OwnGate::new();
    let token = own.token(&json!({}));
    own.gate.try_token(&token).await.unwrap();
    own.gate.stores.set_staleness(10 * SECOND);
    until(async || refused_for_now(&own.gate, &token).await).await;
    own.gate.stores.set_staleness(Duration::ZERO);
    until(async || own.gate.try_token(&token).await.is_ok()).await;
}

/// The store tells of a revocation that can't be read: the old snapshot is believed for a moment only.
#[tokio::test]
async fn authn_4_revocations_that_cant_be_read_let_nobody_in() {
    let own = OwnGate::new();
    let token = own.token(&json!({}));
    own.gate.try_token(&token).await.unwrap();
    own.gate.stores.set_broken_after_next_write();
    let subject = Subject::new(SubjectKind::Grant, "grant-9");
    let stored: &dyn sekimori_store::Revocations = &*own.gate.stores;
    stored
        .revoke(&[subject], own.gate.clock.now())
        .await
        .unwrap();
    until(async || refused_for_now(&own.gate, &token).await).await;
    own.gate.stores.set_broken(false);
    until(async || own.gate.try_token(&token).await.is_ok()).await;
}

#[tokio::test]
async fn authn_4_old_revocations_are_forgotten_when_nothing_can_hang_by_them() {
    let own = OwnGate::new();
    revoke(&own.gate, SubjectKind::User, HANAKO).await;
    let token = own.token(&json!({"exp": i64::from(i32::MAX)}));
    assert_revoked(&own.gate.refusal(&token).await);
    assert_eq!(own.gate.revocations.prune().await.unwrap(), 0);
    own.gate.clock.advance(KEPT_FOR + SECOND);
    assert_eq!(own.gate.revocations.prune().await.unwrap(), 1);
    revoke(&own.gate, SubjectKind::User, "usr_other").await;
    // Even a token that never ends is too old by then.
    let refusal = own.gate.refusal(&token).await;
    assert_eq!(refusal.code, RefusalCode::Unauthenticated, "{refusal}");
    own.gate.try_token(&own.token(&json!({}))).await.unwrap();
}
