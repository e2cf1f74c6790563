//! Connectors.

use sekimori_domain::connector::Connector;
use sekimori_store::{Expected, StoreError};

use crate::database::TestDatabase;
use crate::fixtures::{at, connector, definition, name, review, tool};

pub(crate) async fn reads_back_what_was_put(database: &TestDatabase) {
    let store = database.open().await;
    let connectors = store.connectors();
    assert_eq!(connectors.get(&name("crm")).await.unwrap(), None);
    connectors
        .put(&connector("files"), Expected::Absent)
        .await
        .unwrap();
    let revision = connectors
        .put(&connector("crm"), Expected::Absent)
        .await
        .unwrap();

    let stored = connectors.get(&name("crm")).await.unwrap().unwrap();
    assert_eq!(
        (stored.connector, stored.revision),
        (connector("crm"), revision)
    );
    let names: Vec<_> = connectors
        .list()
        .await
        .unwrap()
        .into_iter()
        .map(|s| s.connector.name)
        .collect();
    assert_eq!(names, [name("crm"), name("files")]);
    // Another process sees the same.
    let other = database.open().await;
    assert_eq!(
        other.connectors().list().await.unwrap(),
        connectors.list().await.unwrap()
    );
}

pub(crate) async fn revisions_guard_against_lost_changes(database: &TestDatabase) {
    let store = database.open().await;
    let connectors = store.connectors();
    let crm = connector("crm");
    assert_conflict(connectors.put(&crm, Expected::Revision(1)).await);
    let first = connectors.put(&crm, Expected::Absent).await.unwrap();
    assert_conflict(connectors.put(&crm, Expected::Absent).await);

    let renamed = Connector {
        title: "CRM".into(),
        ..crm.clone()
    };
    let second = connectors
        .put(&renamed, Expected::Revision(first))
        .await
        .unwrap();
    assert!(second > first);
    assert_conflict(connectors.put(&crm, Expected::Revision(first)).await);
    assert_eq!(
        connectors.get(&crm.name).await.unwrap().unwrap().connector,
        renamed
    );

    connectors.put(&crm, Expected::Anything).await.unwrap();
    assert_eq!(
        connectors.get(&crm.name).await.unwrap().unwrap().connector,
        crm
    );
}

#[track_caller]
fn assert_conflict(result: Result<u64, StoreError>) {
    let error = result.unwrap_err();
    assert!(
        matches!(error, StoreError::Conflict { what: "connector" }),
        "{error:?}"
    );
}

pub(crate) async fn concurrent_writers_have_one_winner(database: &TestDatabase) {
    let store = database.open().await;
    let start = store
        .connectors()
        .put(&connector("crm"), Expected::Absent)
        .await
        .unwrap();
    let mut writers = tokio::task::JoinSet::new();
    for _ in 0..8 {
        // As from different processes.
        let store = database.open().await;
        writers.spawn(async move {
            store
                .connectors()
                .put(&connector("crm"), Expected::Revision(start))
                .await
        });
    }
    let results = writers.join_all().await;
    let won = results.iter().filter(|result| result.is_ok()).count();
    assert_eq!(won, 1, "{results:?}");
    for lost in results.into_iter().filter(Result::is_err) {
        assert_conflict(lost);
    }
}

pub(crate) async fn removing_takes_the_reviews_along(database: &TestDatabase) {
    let store = database.open().await;
    let (connectors, reviews) = (store.connectors(), store.reviews());
    let (mine, others) = (tool("crm", "find"), tool("files", "find"));
    for target in [&mine, &others] {
        connectors
            .put(&connector(target.connector.as_str()), Expected::Absent)
            .await
            .unwrap();
        reviews.put(target, &review(b"definition")).await.unwrap();
        reviews
            .see(&[definition(target, "definition")], at(1))
            .await
            .unwrap();
    }
    assert!(connectors.remove(&name("crm")).await.unwrap());
    assert!(!connectors.remove(&name("crm")).await.unwrap());

    assert_eq!(connectors.get(&name("crm")).await.unwrap(), None);
    assert_eq!(reviews.get(&mine).await.unwrap(), None);
    assert_eq!(reviews.seen(&mine).await.unwrap(), []);
    assert!(reviews.get(&others).await.unwrap().is_some());
    assert_eq!(reviews.seen(&others).await.unwrap().len(), 1);
}

pub(crate) async fn revisions_are_never_used_twice(database: &TestDatabase) {
    let store = database.open().await;
    let connectors = store.connectors();
    let before = connectors
        .put(&connector("crm"), Expected::Absent)
        .await
        .unwrap();
    connectors.remove(&name("crm")).await.unwrap();
    let after = connectors
        .put(&connector("crm"), Expected::Absent)
        .await
        .unwrap();
    assert!(after > before);
    assert_conflict(
        connectors
            .put(&connector("crm"), Expected::Revision(before))
            .await,
    );
}
