//! Opening, migrating, closing.

use std::error::Error;

use sekimori_store::{Expected, StoreError};

use crate::database::TestDatabase;
use crate::fixtures::{connector, name, policies};

pub(crate) async fn opening_again_changes_nothing(database: &TestDatabase) {
    let store = database.open().await;
    store
        .connectors()
        .put(&connector("crm"), Expected::Absent)
        .await
        .unwrap();
    let before = store.changes().revisions().await.unwrap();
    store.close().await;
    let store = database.open().await;
    store.ping().await.unwrap();
    assert_eq!(store.changes().revisions().await.unwrap(), before);
    assert!(
        store
            .connectors()
            .get(&name("crm"))
            .await
            .unwrap()
            .is_some()
    );
}

pub(crate) async fn opening_at_the_same_time_migrates_once(database: &TestDatabase) {
    let mut nodes = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let url = database.url.clone();
        nodes.spawn(async move { sekimori_store::open(&url).await.unwrap() });
    }
    for store in nodes.join_all().await {
        store.policies().append(&policies("tanaka")).await.unwrap();
        store.close().await;
    }
    let store = database.open().await;
    assert_eq!(store.policies().history(10).await.unwrap().len(), 4);
}

pub(crate) async fn a_newer_schema_is_refused(database: &TestDatabase) {
    database.open().await.close().await;
    database
        .run("INSERT INTO schema_migration (number, name, digest) VALUES (999, 'future', '')")
        .await;
    let error = sekimori_store::open(&database.url).await.unwrap_err();
    assert!(
        matches!(error, StoreError::SchemaTooNew { found: 999, .. }),
        "{error:?}"
    );
}

pub(crate) async fn an_edited_migration_is_refused(database: &TestDatabase) {
    database.open().await.close().await;
    database
        .run("UPDATE schema_migration SET digest = 'other' WHERE number = 1")
        .await;
    let error = sekimori_store::open(&database.url).await.unwrap_err();
    assert!(
        matches!(error, StoreError::SchemaDiffers { number: 1 }),
        "{error:?}"
    );
}

pub(crate) async fn a_closed_store_is_unavailable(database: &TestDatabase) {
    let store = database.open().await;
    store.close().await;
    let error = store.ping().await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    let error = store
        .policies()
        .append(&policies("tanaka"))
        .await
        .unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
}

pub(crate) async fn corrupt_rows_are_named_without_their_content(database: &TestDatabase) {
    let store = database.open().await;
    store
        .connectors()
        .put(&connector("crm"), Expected::Absent)
        .await
        .unwrap();
    database
        .run(r#"UPDATE connector SET document = '{"name":"hunter2"}'"#)
        .await;
    let error = store.connectors().list().await.unwrap_err();
    assert!(
        matches!(
            error,
            StoreError::CorruptRow {
                what: "connector",
                ..
            }
        ),
        "{error:?}"
    );
    assert!(error.source().is_some());
    assert!(!error.to_string().contains("hunter2"));
}
