//! Policy versions.

use std::collections::BTreeSet;

use sekimori_domain::policy_set::{PolicyStep, StepKind};
use sekimori_store::{Activation, StoreError};

use crate::database::TestDatabase;
use crate::fixtures::{at, policies};

pub(crate) async fn versions_are_numbered_from_one(database: &TestDatabase) {
    let store = database.open().await;
    let stored = store.policies();
    assert_eq!(stored.active().await.unwrap(), None);
    assert_eq!(stored.get(1).await.unwrap(), None);
    let first = stored.append(&policies("田中")).await.unwrap();
    let second = stored.append(&policies("suzuki")).await.unwrap();
    assert_eq!((first.version, second.version), (1, 2));
    assert_eq!(stored.get(1).await.unwrap(), Some(first.clone()));
    assert_eq!(first.created_at, at(2));
    assert_eq!(stored.history(10).await.unwrap(), [second.clone(), first]);
    assert_eq!(stored.history(1).await.unwrap(), [second]);
    assert_eq!(
        stored.active().await.unwrap(),
        None,
        "saving is not activating"
    );
}

pub(crate) async fn concurrent_writers_get_distinct_versions(database: &TestDatabase) {
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..4 {
        let store = database.open().await;
        writers.spawn(async move {
            let mut versions = Vec::new();
            for _ in 0..5 {
                let set = store
                    .policies()
                    .append(&policies(&format!("writer {writer}")))
                    .await;
                versions.push(set.unwrap().version);
            }
            versions
        });
    }
    let versions: BTreeSet<_> = writers.join_all().await.into_iter().flatten().collect();
    assert_eq!(versions, (1..=20).collect());
}

pub(crate) async fn activation_needs_a_version(database: &TestDatabase) {
    let store = database.open().await;
    let error = store
        .policies()
        .activate(7, "tanaka", at(1))
        .await
        .unwrap_err();
    assert!(matches!(error, StoreError::NotFound { .. }), "{error:?}");
    assert_eq!(store.policies().activations(10).await.unwrap(), []);
}

pub(crate) async fn the_last_activation_counts(database: &TestDatabase) {
    let store = database.open().await;
    let stored = store.policies();
    for _ in 0..2 {
        stored.append(&policies("tanaka")).await.unwrap();
    }
    stored.activate(2, "tanaka", at(1)).await.unwrap();
    // Back to an older version, within the same instant.
    stored.activate(1, "suzuki", at(1)).await.unwrap();
    assert_eq!(stored.active().await.unwrap().unwrap().version, 1);
    let activation = |version, by: &str| Activation {
        version,
        by: by.into(),
        at: at(1),
    };
    assert_eq!(
        stored.activations(10).await.unwrap(),
        [activation(1, "suzuki"), activation(2, "tanaka")]
    );
}

pub(crate) async fn steps_are_kept_and_one_version_is_tried(database: &TestDatabase) {
    let store = database.open().await;
    let stored = store.policies();
    let step = |version, kind| PolicyStep {
        version,
        kind,
        by: "鈴木".into(),
        at: at(3),
        note: "見ました".into(),
    };
    let unknown = stored.note(&step(1, StepKind::Approved)).await.unwrap_err();
    assert!(
        matches!(unknown, StoreError::NotFound { .. }),
        "{unknown:?}"
    );
    for _ in 0..2 {
        stored.append(&policies("tanaka")).await.unwrap();
    }
    assert_eq!(stored.tried().await.unwrap(), None);
    for (version, kind) in [
        (1, StepKind::Approved),
        (1, StepKind::LogOnly),
        (2, StepKind::LogOnly),
    ] {
        stored.note(&step(version, kind)).await.unwrap();
    }
    assert_eq!(
        stored.steps(1).await.unwrap(),
        [step(1, StepKind::Approved), step(1, StepKind::LogOnly)]
    );
    // The last one that was begun is the one.
    assert_eq!(stored.tried().await.unwrap().unwrap().version, 2);
    stored.note(&step(2, StepKind::LogOnlyEnded)).await.unwrap();
    assert_eq!(stored.tried().await.unwrap(), None);
}
