//! Service accounts and keys.

use sekimori_domain::service_account::{ServiceAccount, ServiceKey};
use sekimori_store::StoreError;

use crate::database::TestDatabase;
use crate::fixtures::{account, at, key};

pub(crate) async fn reads_back_what_was_created(database: &TestDatabase) {
    let store = database.open().await;
    let accounts = store.service_accounts();
    assert_eq!(accounts.get("batch").await.unwrap(), None);
    accounts.create(&account("nightly")).await.unwrap();
    accounts.create(&account("batch")).await.unwrap();
    assert_eq!(accounts.get("batch").await.unwrap(), Some(account("batch")));
    assert_eq!(
        accounts.list().await.unwrap(),
        [account("batch"), account("nightly")]
    );

    let error = accounts.create(&account("batch")).await.unwrap_err();
    assert!(matches!(error, StoreError::Conflict { .. }), "{error:?}");
}

pub(crate) async fn suspending_keeps_the_first_date(database: &TestDatabase) {
    let store = database.open().await;
    let accounts = store.service_accounts();
    accounts.create(&account("batch")).await.unwrap();
    assert!(accounts.suspend("batch", at(10)).await.unwrap());
    assert!(accounts.suspend("batch", at(20)).await.unwrap());
    let suspended = ServiceAccount {
        suspended_at: Some(at(10)),
        ..account("batch")
    };
    assert_eq!(accounts.get("batch").await.unwrap(), Some(suspended));
    assert!(accounts.resume("batch").await.unwrap());
    assert_eq!(accounts.get("batch").await.unwrap(), Some(account("batch")));
    assert!(!accounts.suspend("nobody", at(10)).await.unwrap());
    assert!(!accounts.resume("nobody").await.unwrap());
}

pub(crate) async fn an_account_can_get_another_owner(database: &TestDatabase) {
    let store = database.open().await;
    let accounts = store.service_accounts();
    accounts.create(&account("batch")).await.unwrap();
    accounts.suspend("batch", at(10)).await.unwrap();
    assert!(accounts.set_owner("batch", "user:suzuki").await.unwrap());
    let expected = ServiceAccount {
        owner: "user:suzuki".into(),
        suspended_at: Some(at(10)),
        ..account("batch")
    };
    assert_eq!(accounts.get("batch").await.unwrap(), Some(expected));
    assert!(!accounts.set_owner("nobody", "user:suzuki").await.unwrap());
}

pub(crate) async fn keys_come_with_their_account(database: &TestDatabase) {
    let store = database.open().await;
    let accounts = store.service_accounts();
    let error = accounts.create_key(&key("k1", "batch")).await.unwrap_err();
    assert!(matches!(error, StoreError::NotFound { .. }), "{error:?}");
    accounts.create(&account("batch")).await.unwrap();
    accounts.create(&account("nightly")).await.unwrap();
    for (id, owner) in [("k2", "batch"), ("k1", "batch"), ("k3", "nightly")] {
        accounts.create_key(&key(id, owner)).await.unwrap();
    }
    let error = accounts
        .create_key(&key("k1", "nightly"))
        .await
        .unwrap_err();
    assert!(matches!(error, StoreError::Conflict { .. }), "{error:?}");

    assert!(accounts.revoke_key("k1", at(10)).await.unwrap());
    assert!(accounts.revoke_key("k1", at(20)).await.unwrap());
    assert!(!accounts.revoke_key("k9", at(20)).await.unwrap());
    accounts.suspend("batch", at(30)).await.unwrap();
    let revoked = ServiceKey {
        revoked_at: Some(at(10)),
        ..key("k1", "batch")
    };
    let suspended = ServiceAccount {
        suspended_at: Some(at(30)),
        ..account("batch")
    };
    assert_eq!(
        accounts.key("k1").await.unwrap(),
        Some((revoked.clone(), suspended))
    );
    assert_eq!(accounts.key("k9").await.unwrap(), None);
    assert_eq!(
        accounts.keys("batch").await.unwrap(),
        [key("k2", "batch"), revoked]
    );
}

pub(crate) async fn use_is_noted_to_the_minute(database: &TestDatabase) {
    let store = database.open().await;
    let (accounts, changes) = (store.service_accounts(), store.changes());
    accounts.create(&account("batch")).await.unwrap();
    accounts.create_key(&key("k1", "batch")).await.unwrap();
    let revisions = changes.revisions().await.unwrap();
    let last_used = async || {
        accounts
            .key("k1")
            .await
            .unwrap()
            .unwrap()
            .0
            .last_used_at
            .unwrap()
    };

    accounts.touch_key("k1", at(125)).await.unwrap();
    let noted = last_used().await;
    assert_eq!(noted.as_second() % 60, 0);
    assert!((0..60).contains(&(at(125).as_second() - noted.as_second())));
    // Time never goes back, and an unknown key is no error: it may have been removed meanwhile.
    accounts.touch_key("k1", at(1)).await.unwrap();
    accounts.touch_key("k9", at(1)).await.unwrap();
    assert_eq!(last_used().await, noted);
    accounts.touch_key("k1", at(200)).await.unwrap();
    assert!(last_used().await > noted);
    assert_eq!(changes.revisions().await.unwrap(), revisions);
}

/// A name from outside must not look like an outage.
pub(crate) async fn null_characters_are_refused(database: &TestDatabase) {
    let store = database.open().await;
    let accounts = store.service_accounts();
    let error = accounts.key("k\0").await.unwrap_err();
    assert!(matches!(error, StoreError::Invalid { .. }), "{error:?}");
    let error = accounts.create(&account("batch\0")).await.unwrap_err();
    assert!(matches!(error, StoreError::Invalid { .. }), "{error:?}");
}
