//! SCIM tokens.

use sekimori_domain::digest::Digest;
use sekimori_domain::person::ScimToken;
use sekimori_store::StoreError;

use crate::conformance::conflict;
use crate::database::TestDatabase;
use crate::fixtures::{at, scim_token};

pub(crate) async fn reads_back_what_was_created(database: &TestDatabase) {
    let store = database.open().await;
    let tokens = store.scim_tokens();
    assert_eq!(tokens.get("t1").await.unwrap(), None);
    for (id, provider) in [("t2", "entra"), ("t1", "okta")] {
        tokens.create(&scim_token(id, provider)).await.unwrap();
    }
    let found = tokens.get("t1").await.unwrap();
    assert_eq!(found, Some(scim_token("t1", "okta")));
    assert_eq!(
        tokens.list().await.unwrap(),
        [scim_token("t2", "entra"), scim_token("t1", "okta")]
    );
    let again = tokens.create(&scim_token("t1", "entra")).await;
    assert_eq!(conflict(again), "scim token");
}

pub(crate) async fn a_token_counts_once_it_is_confirmed(database: &TestDatabase) {
    let store = database.open().await;
    let tokens = store.scim_tokens();
    let awaiting = |id| ScimToken {
        awaits_confirmation: true,
        ..scim_token(id, id)
    };
    for id in ["t1", "t2"] {
        tokens.create(&awaiting(id)).await.unwrap();
    }
    tokens.revoke("t2", at(10)).await.unwrap();
    let secret = Digest::of(b"told to who confirmed");
    assert!(tokens.confirm("t1", &secret).await.unwrap());
    let found = tokens.get("t1").await.unwrap().unwrap();
    let confirmed = ScimToken {
        secret_digest: secret,
        ..scim_token("t1", "t1")
    };
    assert_eq!(found, confirmed);
    // Whoever comes second is told no secret; nor is there one of what was revoked, or never was.
    for id in ["t1", "t2", "t3"] {
        assert!(!tokens.confirm(id, &secret).await.unwrap(), "{id}");
    }
}

/// One in use and the next one: enough for rotation, and a third would be forgotten.
pub(crate) async fn two_are_valid_at_a_time(database: &TestDatabase) {
    let store = database.open().await;
    let tokens = store.scim_tokens();
    for id in ["t1", "t2"] {
        tokens.create(&scim_token(id, "entra")).await.unwrap();
    }
    let third = scim_token("t3", "entra");
    let error = tokens.create(&third).await.unwrap_err();
    assert!(matches!(error, StoreError::Invalid { .. }), "{error:?}");
    tokens.create(&scim_token("t4", "okta")).await.unwrap();
    assert!(tokens.revoke("t1", at(10)).await.unwrap());
    tokens.create(&third).await.unwrap();
    // One that ended makes room as well.
    let later = ScimToken {
        created_at: at(1_000),
        expires_at: at(2_000),
        ..scim_token("t5", "entra")
    };
    tokens.create(&later).await.unwrap();
}

pub(crate) async fn revoking_keeps_the_first_date(database: &TestDatabase) {
    let store = database.open().await;
    let tokens = store.scim_tokens();
    assert!(!tokens.revoke("t1", at(10)).await.unwrap());
    tokens.create(&scim_token("t1", "entra")).await.unwrap();
    for second in [10, 20] {
        assert!(tokens.revoke("t1", at(second)).await.unwrap());
    }
    let found = tokens.get("t1").await.unwrap().unwrap();
    assert_eq!(found.revoked_at, Some(at(10)));
}

pub(crate) async fn use_is_noted_to_the_minute(database: &TestDatabase) {
    let store = database.open().await;
    let tokens = store.scim_tokens();
    tokens.create(&scim_token("t1", "entra")).await.unwrap();
    let revisions = store.changes().revisions().await.unwrap();
    for id in ["t1", "t9"] {
        tokens.touch(id, at(125)).await.unwrap();
    }
    let last_used = async || {
        tokens
            .get("t1")
            .await
            .unwrap()
            .unwrap()
            .last_used_at
            .unwrap()
    };
    let noted = last_used().await;
    assert_eq!(noted.as_second() % 60, 0);
    assert!((0..60).contains(&(at(125).as_second() - noted.as_second())));
    tokens.touch("t1", at(1)).await.unwrap();
    assert_eq!(last_used().await, noted);
    assert_eq!(store.changes().revisions().await.unwrap(), revisions);
}
