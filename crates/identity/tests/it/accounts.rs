//! AUTHN-5, AUTHN-6: the rules for managed exceptions to "no shared accounts".

use std::time::Duration;

use sekimori_domain::clock::Clock;
use sekimori_identity::{
    IdentityError, LIFETIME_MAX, NewAccount, Random, RandomError, SystemRandom, create_account,
    create_administrator, create_key, revoke_key,
};
use sekimori_store::ServiceAccounts;

use crate::gate::Gate;
use crate::local::new_account;

const HOUR: Duration = Duration::from_hours(1);

async fn refused(gate: &Gate, change: impl FnOnce(&mut NewAccount)) -> String {
    let mut account = new_account(gate);
    change(&mut account);
    let result = create_account(&*gate.stores, &*gate.clock, account).await;
    result.unwrap_err().to_string()
}

#[tokio::test]
async fn authn_5_owner_purpose_and_end_are_required() {
    let gate = Gate::new(Vec::new());
    let now = gate.clock.now();
    for owner in ["", " ", "a\nb"] {
        assert!(
            refused(&gate, |new| new.owner = owner.to_owned())
                .await
                .contains("owner")
        );
    }
    assert!(
        refused(&gate, |new| new.purpose = "\t".to_owned())
            .await
            .contains("purpose")
    );
    let long = "x".repeat(501);
    assert!(
        refused(&gate, |new| new.purpose = long)
            .await
            .contains("purpose")
    );
    assert!(
        refused(&gate, |new| new.expires_at = now)
            .await
            .contains("past")
    );
    let late = now + LIFETIME_MAX + HOUR;
    assert!(
        refused(&gate, |new| new.expires_at = late)
            .await
            .contains("within a year")
    );
    for name in ["", "-a", "a-", "A", "a_b", "夜", &"a".repeat(65)] {
        assert!(
            refused(&gate, |new| new.name = name.to_owned())
                .await
                .contains("name")
        );
    }
    assert!(gate.stores.list().await.unwrap().is_empty());
}

#[tokio::test]
async fn authn_6_the_secret_is_shown_once_and_never_stored() {
    let gate = Gate::new(Vec::new());
    let (store, clock) = (&*gate.stores, &*gate.clock);
    create_account(store, clock, new_account(&gate))
        .await
        .unwrap();
    let end = clock.now() + HOUR;
    let issued = create_key(store, clock, &SystemRandom, "nightly-report", end)
        .await
        .unwrap();
    let debug = format!("{issued:?}");
    let text = issued.text.reveal();
    let (_, secret) = text.strip_prefix("smk_").unwrap().split_once('_').unwrap();
    assert_eq!(secret.len(), 43);
    assert!(!debug.contains(secret));
    let stored = format!("{:?}", store.keys("nightly-report").await.unwrap());
    assert!(!stored.contains(secret));
}

#[tokio::test]
async fn authn_6_a_key_ends_with_its_account_at_the_latest() {
    let gate = Gate::new(Vec::new());
    let (store, clock) = (&*gate.stores, &*gate.clock);
    let account = create_account(store, clock, new_account(&gate))
        .await
        .unwrap();
    let end = account.expires_at + HOUR;
    let issued = create_key(store, clock, &SystemRandom, &account.name, end)
        .await
        .unwrap();
    assert_eq!(issued.key.expires_at, account.expires_at);
}

#[tokio::test]
async fn authn_6_no_key_for_accounts_that_may_not_get_in() {
    let gate = Gate::new(Vec::new());
    let (store, clock) = (&*gate.stores, &*gate.clock);
    let end = clock.now() + 1_000 * HOUR;
    let missing = create_key(store, clock, &SystemRandom, "nobody", end).await;
    assert!(matches!(missing, Err(IdentityError::NotFound { .. })));
    let account = create_account(store, clock, new_account(&gate))
        .await
        .unwrap();
    store.suspend(&account.name, clock.now()).await.unwrap();
    let suspended = create_key(store, clock, &SystemRandom, &account.name, end).await;
    assert!(matches!(suspended, Err(IdentityError::Invalid { .. })));
    store.resume(&account.name).await.unwrap();
    gate.clock.advance(31 * 24 * HOUR);
    let end = clock.now() + HOUR;
    let ended = create_key(store, clock, &SystemRandom, &account.name, end).await;
    assert!(matches!(ended, Err(IdentityError::Invalid { .. })));
    assert!(store.keys(&account.name).await.unwrap().is_empty());
}

#[tokio::test]
async fn authn_6_a_leaked_key_is_revoked_by_its_text() {
    let gate = Gate::new(Vec::new());
    let (store, clock) = (&*gate.stores, &*gate.clock);
    create_account(store, clock, new_account(&gate))
        .await
        .unwrap();
    let end = clock.now() + HOUR;
    let issued = create_key(store, clock, &SystemRandom, "nightly-report", end)
        .await
        .unwrap();
    revoke_key(store, clock, &issued.text.reveal())
        .await
        .unwrap();
    let keys = store.keys("nightly-report").await.unwrap();
    assert_eq!(keys[0].revoked_at, Some(clock.now()));
    let missing = revoke_key(store, clock, "0123456789abcdef").await;
    assert!(matches!(missing, Err(IdentityError::NotFound { .. })));
}

#[derive(Debug)]
struct NoRandom;

impl Random for NoRandom {
    fn fill(&self, _: &mut [u8]) -> Result<(), RandomError> {
        Err(RandomError)
    }
}

#[tokio::test]
async fn without_randomness_there_is_no_secret() {
    let gate = Gate::new(Vec::new());
    let (store, clock) = (&*gate.stores, &*gate.clock);
    create_account(store, clock, new_account(&gate))
        .await
        .unwrap();
    let end = clock.now() + HOUR;
    let key = create_key(store, clock, &NoRandom, "nightly-report", end).await;
    assert!(matches!(key, Err(IdentityError::Random(_))));
    let token = create_administrator(store, clock, &NoRandom, "first", HOUR).await;
    assert!(matches!(token, Err(IdentityError::Random(_))));
}

#[tokio::test]
async fn administrators_tokens_are_short_lived() {
    let gate = Gate::new(Vec::new());
    let (store, clock) = (&*gate.stores, &*gate.clock);
    for lifetime in [Duration::ZERO, 7 * 24 * HOUR + HOUR] {
        let token = create_administrator(store, clock, &SystemRandom, "first", lifetime).await;
        assert!(matches!(token, Err(IdentityError::Invalid { .. })));
    }
    let token = create_administrator(store, clock, &SystemRandom, "No Name", HOUR).await;
    assert!(matches!(token, Err(IdentityError::Invalid { .. })));
}
