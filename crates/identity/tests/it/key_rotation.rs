//! The issuer's keys: fetched rarely, replaced at once, kept while the issuer is away.

use std::time::Duration;

use jsonwebtoken::Algorithm;
use sekimori_domain::refusal::RefusalCode;
use sekimori_identity::{IssuerConfig, KeySource};
use serde_json::json;

use crate::gate::{Gate, assert_unauthenticated, issuer_config};
use crate::issuer::{Issuer, SigningKey};

struct Setting {
    gate: Gate,
    issuer: Issuer,
    old: SigningKey,
    new: SigningKey,
}

async fn setting() -> Setting {
    let old = SigningKey::generate(Algorithm::ES256, "old");
    let new = SigningKey::generate(Algorithm::ES256, "new");
    let issuer = Issuer::start(&[&old]).await;
    let gate = Gate::new(vec![issuer_config(&issuer.url)]);
    Setting {
        gate,
        issuer,
        old,
        new,
    }
}

impl Setting {
    fn token(&self, key: &SigningKey) -> String {
        key.sign(&self.gate.claims(&self.issuer.url, &json!({})))
    }
}

#[tokio::test]
async fn a_new_key_is_found_and_a_removed_one_ends_what_it_signed() {
    let setting = setting().await;
    let (gate, issuer) = (&setting.gate, &setting.issuer);
    let by_old = setting.token(&setting.old);
    gate.try_token(&by_old).await.unwrap();
    issuer.publish(&[setting.new.jwk()]);
    gate.clock.advance(Duration::from_secs(10));
    gate.try_token(&setting.token(&setting.new)).await.unwrap();
    assert_eq!(issuer.key_requests(), 2);
    // It was remembered, but its key is gone.
    assert_unauthenticated(&gate.refusal(&by_old).await, "does not publish");
}

#[tokio::test]
async fn unknown_keys_make_us_ask_the_issuer_once_in_ten_seconds() {
    let setting = setting().await;
    let gate = &setting.gate;
    gate.try_token(&setting.token(&setting.old)).await.unwrap();
    let by_new = setting.token(&setting.new);
    for _ in 0..20 {
        assert_unauthenticated(&gate.refusal(&by_new).await, "does not publish");
    }
    assert_eq!(setting.issuer.key_requests(), 1);
    gate.clock.advance(Duration::from_secs(10));
    for _ in 0..20 {
        gate.refusal(&by_new).await;
    }
    assert_eq!(setting.issuer.key_requests(), 2);
}

#[tokio::test]
async fn many_first_callers_make_one_request() {
    let setting = setting().await;
    let token = setting.token(&setting.old);
    let callers = (0..32).map(|_| setting.gate.try_token(&token));
    for caller in futures_util::future::join_all(callers).await {
        caller.unwrap();
    }
    assert_eq!(setting.issuer.key_requests(), 1);
}

#[tokio::test]
async fn a_client_that_hangs_up_does_not_end_the_fetch() {
    let setting = setting().await;
    let token = setting.token(&setting.old);
    // Polled once: the fetch has begun, and nobody waits for it any more.
    let first = futures_util::FutureExt::now_or_never(setting.gate.try_token(&token));
    assert!(first.is_none());
    setting.gate.try_token(&token).await.unwrap();
    assert_eq!(setting.issuer.key_requests(), 1);
}

#[tokio::test]
async fn while_the_issuer_is_down_its_last_keys_count_for_a_day() {
    let setting = setting().await;
    let (gate, issuer) = (&setting.gate, &setting.issuer);
    gate.try_token(&setting.token(&setting.old)).await.unwrap();
    issuer.set_down(true);
    gate.clock.advance(Duration::from_hours(24));
    gate.try_token(&setting.token(&setting.old)).await.unwrap();
    // Whether a key is unknown can't be told now.
    let refusal = gate.refusal(&setting.token(&setting.new)).await;
    assert_eq!(refusal.code, RefusalCode::DependencyUnavailable);
    gate.clock.advance(Duration::from_secs(1));
    let refusal = gate.refusal(&setting.token(&setting.old)).await;
    assert_eq!(refusal.code, RefusalCode::DependencyUnavailable);
    issuer.set_down(false);
    gate.clock.advance(Duration::from_secs(10));
    gate.try_token(&setting.token(&setting.old)).await.unwrap();
}

#[tokio::test]
async fn an_issuer_that_was_never_reached_lets_nobody_in() {
    let setting = setting().await;
    let (gate, issuer) = (&setting.gate, &setting.issuer);
    issuer.set_down(true);
    let token = setting.token(&setting.old);
    let refusal = gate.refusal(&token).await;
    assert_eq!(refusal.code, RefusalCode::DependencyUnavailable);
    issuer.set_down(false);
    gate.clock.advance(Duration::from_secs(1));
    gate.try_token(&token).await.unwrap();
}

#[tokio::test]
async fn an_empty_or_secret_key_set_does_not_replace_a_good_one() {
    let setting = setting().await;
    let (gate, issuer) = (&setting.gate, &setting.issuer);
    gate.try_token(&setting.token(&setting.old)).await.unwrap();
    let symmetric = json!({"kty": "oct", "kid": "new", "alg": "HS256", "k": "AAAA"});
    let mut private = setting.new.jwk();
    private["d"] = json!("AAAA");
    for keys in [vec![], vec![symmetric], vec![private]] {
        issuer.publish(&keys);
        gate.clock.advance(Duration::from_secs(10));
        assert!(gate.try_token(&setting.token(&setting.new)).await.is_err());
        gate.try_token(&setting.token(&setting.old)).await.unwrap();
    }
}

#[tokio::test]
async fn metadata_speaks_for_its_own_issuer_only() {
    let setting = setting().await;
    setting
        .issuer
        .name_issuer(&format!("{}/", setting.issuer.url));
    let refusal = setting.gate.refusal(&setting.token(&setting.old)).await;
    assert_eq!(refusal.code, RefusalCode::DependencyUnavailable);
    assert_eq!(setting.issuer.key_requests(), 0);
}

#[tokio::test]
async fn keys_are_found_by_openid_discovery_and_by_address() {
    let setting = setting().await;
    let token = setting.token(&setting.old);
    setting.issuer.drop_oauth_metadata();
    setting.gate.try_token(&token).await.unwrap();

    setting.issuer.name_issuer("https://not.asked.example");
    let by_address = Gate::new(vec![IssuerConfig {
        keys: KeySource::JwksUri(format!("{}/jwks", setting.issuer.url)),
        ..issuer_config(&setting.issuer.url)
    }]);
    by_address.try_token(&token).await.unwrap();
}

#[tokio::test]
async fn revoking_makes_every_token_be_verified_anew() {
    let setting = setting().await;
    let gate = &setting.gate;
    let token = setting.token(&setting.old);
    gate.try_token(&token).await.unwrap();
    gate.authenticator.revoke_remembered();
    gate.try_token(&token).await.unwrap();
    assert_eq!(setting.issuer.key_requests(), 1);
}
