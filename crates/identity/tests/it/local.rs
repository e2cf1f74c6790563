//! Service keys, administrators and the insecure mode, as the authenticate stage sees them.

use std::time::Duration;

use sekimori_domain::caller::PrincipalKind;
use sekimori_domain::catalog::Environment;
use sekimori_domain::clock::Clock;
use sekimori_domain::ids::GroupName;
use sekimori_domain::refusal::RefusalCode;
use sekimori_identity::{
    CredentialStores, Credentials, FIRST_ADMINISTRATOR_LIFETIME, NewAccount, SystemRandom,
    create_account, create_administrator, create_key, revoke_key,
};
use sekimori_store::{Administrators, ServiceAccounts};

use crate::gate::{Gate, PUBLIC_URL, assert_unauthenticated, source};

const DAY: Duration = Duration::from_hours(24);

pub(crate) fn new_account(gate: &Gate) -> NewAccount {
    NewAccount {
        name: "nightly-report".to_owned(),
        owner: "hanako@acme.example".to_owned(),
        purpose: "sends the report of the night".to_owned(),
        groups: vec![GroupName::new("reporters").unwrap()],
        scopes: Vec::new(),
        environments: vec![Environment::Production],
        networks: vec![
            "192.0.2.0/24".parse().unwrap(),
            "2001:db8::/32".parse().unwrap(),
        ],
        expires_at: gate.clock.now() + 30 * DAY,
    }
}

/// A gate with an account and the text of its key, which ends after ten days.
async fn setting() -> (Gate, String) {
    let gate = Gate::new(Vec::new());
    let (store, clock) = (&*gate.stores, &*gate.clock);
    create_account(store, clock, new_account(&gate))
        .await
        .unwrap();
    let expires_at = clock.now() + 10 * DAY;
    let issued = create_key(store, clock, &SystemRandom, "nightly-report", expires_at);
    let text = issued.await.unwrap().text.reveal().to_string();
    (gate, text)
}

fn key_id(text: &str) -> &str {
    text.split('_').nth(1).unwrap()
}

#[tokio::test]
async fn authn_5_a_key_is_its_service_account() {
    let (gate, text) = setting().await;
    let caller = gate.try_token(&text).await.unwrap();
    assert_eq!(caller.principal.id.as_str(), "service:nightly-report");
    assert_eq!(caller.principal.kind, PrincipalKind::ServiceAccount);
    assert_eq!(caller.principal.groups[0].as_str(), "reporters");
    let environments = caller.principal.environments.clone().unwrap();
    assert_eq!(environments, [Environment::Production]);
    assert_eq!(caller.client.id.as_str(), key_id(&text));
    assert_eq!(caller.authentication.scopes, None);
    assert_eq!(caller.authentication.issuer, PUBLIC_URL);
}

#[tokio::test]
async fn authn_6_unknown_and_wrong_keys_are_refused_alike() {
    let (gate, text) = setting().await;
    let wrong = format!("{}AAAAAAAA", text.get(..text.len() - 8).unwrap());
    let unknown = text.replace(key_id(&text), "0123456789abcdef");
    let refusals = [
        gate.refusal(&wrong).await,
        gate.refusal(&unknown).await,
        gate.refusal("smk_x").await,
        gate.refusal("smk_").await,
    ];
    for refusal in &refusals {
        assert_eq!(refusal, &refusals[0]);
        assert_unauthenticated(refusal, "is not accepted");
    }
}

#[tokio::test]
async fn authn_6_a_revoked_key_is_refused_with_the_next_call() {
    let (gate, text) = setting().await;
    gate.try_token(&text).await.unwrap();
    let id = key_id(&text);
    revoke_key(&*gate.stores, &*gate.clock, id).await.unwrap();
    assert_unauthenticated(&gate.refusal(&text).await, "revoked");
}

#[tokio::test]
async fn authn_5_a_suspended_account_is_out_until_it_is_resumed() {
    let (gate, text) = setting().await;
    gate.try_token(&text).await.unwrap();
    gate.stores
        .suspend("nightly-report", gate.clock.now())
        .await
        .unwrap();
    assert_unauthenticated(&gate.refusal(&text).await, "suspended");
    gate.stores.resume("nightly-report").await.unwrap();
    gate.try_token(&text).await.unwrap();
}

#[tokio::test]
async fn authn_6_keys_end() {
    let (gate, text) = setting().await;
    let second = Duration::from_secs(1);
    gate.clock.advance((10 * DAY).saturating_sub(second));
    gate.try_token(&text).await.unwrap();
    gate.clock.advance(second);
    assert_unauthenticated(&gate.refusal(&text).await, "key has ended");
}

#[tokio::test]
async fn authn_6_a_key_works_in_its_networks_only() {
    let (gate, text) = setting().await;
    for inside in ["192.0.2.1", "::ffff:192.0.2.1", "2001:db8::1"] {
        gate.try_token_from(&text, Some(inside)).await.unwrap();
    }
    for outside in [
        Some("192.0.3.1"),
        Some("127.0.0.1"),
        Some("::ffff:192.0.3.1"),
        None,
    ] {
        let refusal = gate.try_token_from(&text, outside).await.unwrap_err();
        assert_unauthenticated(&refusal, "network");
    }
}

#[tokio::test]
async fn authn_6_the_use_of_a_key_is_noted_once_a_minute() {
    let (gate, text) = setting().await;
    for _ in 0..3 {
        gate.try_token(&text).await.unwrap();
        gate.authenticator.flush().await;
    }
    assert_eq!(gate.stores.touches(), 1);
    gate.clock.advance(Duration::from_mins(1));
    gate.try_token(&text).await.unwrap();
    gate.authenticator.flush().await;
    assert_eq!(gate.stores.touches(), 2);
    let keys = gate.stores.keys("nightly-report").await.unwrap();
    assert_eq!(keys[0].last_used_at, Some(gate.clock.now()));
    // Noting a use is no change: nothing was read again.
    assert_eq!(gate.stores.loads(), 1);
}

#[tokio::test]
async fn nobody_gets_in_when_the_store_fails_or_is_silent() {
    let (gate, text) = setting().await;
    gate.stores.set_broken(true);
    let refusal = gate.refusal(&text).await;
    assert_eq!(refusal.code, RefusalCode::DependencyUnavailable);
    gate.stores.set_broken(false);
    gate.try_token(&text).await.unwrap();

    // Known keys are in memory, but a revocation might not have come through.
    gate.stores.set_staleness(Duration::from_millis(3_001));
    let refusal = gate.refusal(&text).await;
    assert_eq!(refusal.code, RefusalCode::DependencyUnavailable);
    gate.stores.set_staleness(Duration::from_secs(3));
    gate.try_token(&text).await.unwrap();

    // A change that can't be read might be a revocation.
    gate.stores.set_broken(true);
    gate.stores.changed();
    let refusal = gate.refusal(&text).await;
    assert_eq!(refusal.code, RefusalCode::DependencyUnavailable);
}

#[tokio::test]
async fn a_local_administrator_gets_in_for_a_day() {
    let gate = Gate::new(Vec::new());
    let (store, clock) = (&*gate.stores, &*gate.clock);
    let lifetime = FIRST_ADMINISTRATOR_LIFETIME;
    let issued = create_administrator(store, clock, &SystemRandom, "first", lifetime).await;
    let text = issued.unwrap().token.reveal().to_string();
    let caller = gate.try_token(&text).await.unwrap();
    assert_eq!(caller.principal.id.as_str(), "admin:first");
    assert_eq!(caller.principal.kind, PrincipalKind::LocalAdministrator);
    assert_unauthenticated(&gate.refusal("sma_wrong").await, "is not accepted");

    gate.clock.advance(lifetime);
    assert_unauthenticated(&gate.refusal(&text).await, "has ended");
}

#[tokio::test]
async fn a_revoked_administrator_is_out_at_once() {
    let gate = Gate::new(Vec::new());
    let (store, clock) = (&*gate.stores, &*gate.clock);
    let lifetime = FIRST_ADMINISTRATOR_LIFETIME;
    let issued = create_administrator(store, clock, &SystemRandom, "first", lifetime).await;
    let text = issued.unwrap().token.reveal().to_string();
    gate.try_token(&text).await.unwrap();
    assert_eq!(store.revoke("first", clock.now()).await.unwrap(), 1);
    assert_unauthenticated(&gate.refusal(&text).await, "revoked");
}

/// Another process revokes, as the command line does: over a database of its own.
#[tokio::test]
async fn authn_6_a_revocation_by_another_process_comes_through() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("gate.db").display());
    let serving = sekimori_store::open(&url).await.unwrap();
    let command = sekimori_store::open(&url).await.unwrap();
    let gate = Gate::on(CredentialStores::of(&*serving));
    let (accounts, clock) = (command.service_accounts(), &*gate.clock);
    create_account(&*accounts, clock, new_account(&gate))
        .await
        .unwrap();
    let end = clock.now() + DAY;
    let issued = create_key(&*accounts, clock, &SystemRandom, "nightly-report", end).await;
    let text = issued.unwrap().text.reveal();
    until(async || gate.try_token(&text).await.is_ok()).await;
    gate.authenticator.flush().await;
    let keys = accounts.keys("nightly-report").await.unwrap();
    assert!(keys[0].last_used_at.is_some());

    revoke_key(&*accounts, clock, key_id(&text)).await.unwrap();
    until(async || gate.try_token(&text).await.is_err()).await;
    assert_unauthenticated(&gate.refusal(&text).await, "revoked");
    command.close().await;
    serving.close().await;
}

/// Waits for what must become true within seconds; the store promises it within one on an idle machine.
async fn until(condition: impl AsyncFn() -> bool) {
    let soon = tokio::time::timeout(Duration::from_secs(20), async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    soon.await.expect("it did not become true");
}

#[tokio::test]
async fn without_credentials_nobody_gets_in() {
    let (gate, _) = setting().await;
    for ip in [Some("127.0.0.1"), Some("192.0.2.7"), None] {
        let nothing = &Credentials::None;
        let result = gate
            .authenticator
            .authenticate(nothing, source(ip), &gate.resource);
        assert_unauthenticated(&result.await.unwrap_err(), "authentication is needed");
    }
}

#[tokio::test]
async fn the_insecure_mode_lets_this_machine_in_and_nobody_else() {
    let gate = Gate::for_everybody_here();
    let (authenticator, resource) = (&gate.authenticator, &gate.resource);
    for ip in [
        Some("127.0.0.1"),
        Some("127.8.9.1"),
        Some("::1"),
        Some("::ffff:127.0.0.1"),
        None,
    ] {
        let result = authenticator
            .authenticate(&Credentials::None, source(ip), resource)
            .await;
        assert_eq!(result.unwrap().principal.kind, PrincipalKind::Anonymous);
    }
    for ip in ["192.0.2.7", "10.0.0.1", "::ffff:192.0.2.7", "fe80::1"] {
        let from = source(Some(ip));
        let result = authenticator
            .authenticate(&Credentials::None, from, resource)
            .await;
        assert_eq!(result.unwrap_err().code, RefusalCode::Unauthenticated);
    }
    // Credentials that are sent are never overlooked.
    for token in ["smk_x", "sma_x", "a.b.c"] {
        let credentials = Credentials::bearer(&format!("Bearer {token}")).unwrap();
        let from = source(Some("127.0.0.1"));
        let result = authenticator
            .authenticate(&credentials, from, resource)
            .await;
        assert_eq!(result.unwrap_err().code, RefusalCode::Unauthenticated);
    }
}
