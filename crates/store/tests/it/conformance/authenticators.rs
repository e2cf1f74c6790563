//! Authenticators.

use sekimori_domain::ids::PrincipalId;
use sekimori_store::{AUTHENTICATORS_PER_USER_MAX, Authenticator, AuthenticatorKind, StoreError};

use crate::database::TestDatabase;
use crate::fixtures::at;

fn user(name: &str) -> PrincipalId {
    PrincipalId::new(name).unwrap()
}

fn passkey(id: &str, lookup: &str, owner: &str) -> Authenticator {
    Authenticator {
        id: id.into(),
        user: user(owner),
        kind: AuthenticatorKind::Passkey,
        lookup: Some(lookup.into()),
        name: "社用ノート".into(),
        material: r#"{"key":"AA"}"#.into(),
        counter: 0,
        created_at: jiff::Timestamp::from_second(1_790_000_000).unwrap(),
        last_used_at: None,
    }
}

fn totp(id: &str, owner: &str) -> Authenticator {
    Authenticator {
        kind: AuthenticatorKind::Totp,
        lookup: None,
        ..passkey(id, "", owner)
    }
}

pub(crate) async fn reads_back_what_was_created(database: &TestDatabase) {
    let store = database.open().await;
    let authenticators = store.authenticators();
    let (one, two) = (passkey("aut_1", "cred", "usr_a"), totp("aut_2", "usr_a"));
    for new in [&one, &two, &totp("aut_3", "usr_b")] {
        authenticators.create(new).await.unwrap();
    }
    assert_eq!(
        authenticators.of_user(&user("usr_a")).await.unwrap(),
        [one.clone(), two]
    );
    assert_eq!(authenticators.by_lookup("cred").await.unwrap(), Some(one));
    assert_eq!(authenticators.by_lookup("other").await.unwrap(), None);
    for taken in [
        passkey("aut_9", "cred", "usr_b"),
        passkey("aut_1", "new", "usr_b"),
    ] {
        let error = authenticators.create(&taken).await.unwrap_err();
        assert!(matches!(error, StoreError::Conflict { .. }), "{error:?}");
    }
    // Nobody removes another's.
    assert!(
        !authenticators
            .remove(&user("usr_b"), "aut_1")
            .await
            .unwrap()
    );
    assert!(
        authenticators
            .remove(&user("usr_a"), "aut_1")
            .await
            .unwrap()
    );
    assert_eq!(authenticators.by_lookup("cred").await.unwrap(), None);
}

pub(crate) async fn a_person_has_so_many_at_most(database: &TestDatabase) {
    let store = database.open().await;
    let authenticators = store.authenticators();
    for number in 0..AUTHENTICATORS_PER_USER_MAX {
        let new = totp(&format!("aut_{number}"), "usr_a");
        authenticators.create(&new).await.unwrap();
    }
    let error = authenticators
        .create(&totp("aut_more", "usr_a"))
        .await
        .unwrap_err();
    assert!(matches!(error, StoreError::Conflict { .. }), "{error:?}");
    authenticators
        .create(&totp("aut_more", "usr_b"))
        .await
        .unwrap();
}

pub(crate) async fn a_counter_only_grows(database: &TestDatabase) {
    let store = database.open().await;
    let authenticators = store.authenticators();
    authenticators
        .create(&totp("aut_1", "usr_a"))
        .await
        .unwrap();
    let succeed = async |counter| {
        authenticators
            .succeed("aut_1", counter, at(5))
            .await
            .unwrap()
    };
    assert!(
        succeed(0).await && succeed(0).await,
        "one that does not count"
    );
    assert!(succeed(7).await);
    assert!(!succeed(7).await && !succeed(6).await && !succeed(0).await);
    assert!(succeed(8).await);
    let stored = authenticators.of_user(&user("usr_a")).await.unwrap();
    assert_eq!(stored[0].counter, 8);
    assert!(stored[0].last_used_at.is_some());
    assert!(!authenticators.succeed("aut_9", 1, at(5)).await.unwrap());
}

pub(crate) async fn attempts_are_counted_in_a_window(database: &TestDatabase) {
    let store = database.open().await;
    let authenticators = store.authenticators();
    authenticators
        .create(&totp("aut_1", "usr_a"))
        .await
        .unwrap();
    let attempt = async |second: i64| {
        authenticators
            .attempt("aut_1", at(second), at(second - 300), 3)
            .await
            .unwrap()
    };
    for second in [0, 1, 2] {
        assert!(attempt(second).await, "{second}");
    }
    assert!(!attempt(3).await && !attempt(299).await);
    // A new window begins when the first attempt is old enough.
    for second in [300, 301, 302] {
        assert!(attempt(second).await, "{second}");
    }
    assert!(!attempt(303).await);
    // Who proves it gets a fresh start.
    assert!(authenticators.succeed("aut_1", 1, at(304)).await.unwrap());
    assert!(attempt(305).await);
    assert!(
        !authenticators
            .attempt("aut_9", at(0), at(-300), 3)
            .await
            .unwrap()
    );
}
