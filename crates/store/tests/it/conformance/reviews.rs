//! Reviews and seen definitions.

use sekimori_domain::catalog::{OperationClass, Review, Target, TargetKind};
use sekimori_domain::digest::Digest;
use sekimori_store::{DefinitionChange, SEEN_PER_TARGET_MAX, StoreError};

use crate::database::TestDatabase;
use crate::fixtures::{at, definition, name, review, tool};

pub(crate) async fn reads_back_what_was_put(database: &TestDatabase) {
    let store = database.open().await;
    let reviews = store.reviews();
    let find = tool("crm", "find");
    // The same name as another kind is something else.
    let prompt = Target {
        kind: TargetKind::Prompt,
        ..find.clone()
    };
    let first = review(b"one");
    reviews.put(&find, &first).await.unwrap();
    reviews.put(&prompt, &first).await.unwrap();
    reviews.put(&tool("files", "find"), &first).await.unwrap();
    let second = Review {
        class: OperationClass::Delete,
        ..review(b"two")
    };
    reviews.put(&find, &second).await.unwrap();

    assert_eq!(reviews.get(&find).await.unwrap(), Some(second.clone()));
    assert_eq!(
        reviews.list(&name("crm")).await.unwrap(),
        [(prompt.clone(), first.clone()), (find.clone(), second)]
    );
    assert!(reviews.remove(&find).await.unwrap());
    assert!(!reviews.remove(&find).await.unwrap());
    assert_eq!(reviews.get(&find).await.unwrap(), None);
    assert_eq!(reviews.get(&prompt).await.unwrap(), Some(first.clone()));

    let endless = tool("crm", &"n".repeat(2_001));
    let error = reviews.put(&endless, &first).await.unwrap_err();
    assert!(matches!(error, StoreError::Invalid { .. }), "{error:?}");
}

/// TOOL-6: a change of a definition is noticed, and both texts are there to be compared.
pub(crate) async fn changed_definitions_are_told(database: &TestDatabase) {
    let store = database.open().await;
    let reviews = store.reviews();
    let find = tool("crm", "find");
    let (one, two) = (
        definition(&find, r#"{"name":"find"}"#),
        definition(&find, r#"{"name":"検索"}"#),
    );
    let change = |before: Option<Digest>, after| DefinitionChange {
        target: find.clone(),
        before,
        after,
    };

    let told = reviews
        .see(std::slice::from_ref(&one), at(1))
        .await
        .unwrap();
    assert_eq!(told, [change(None, one.digest)]);
    let told = reviews
        .see(std::slice::from_ref(&two), at(2))
        .await
        .unwrap();
    assert_eq!(told, [change(Some(one.digest), two.digest)]);
    // Back again, within the same instant.
    let told = reviews
        .see(std::slice::from_ref(&one), at(2))
        .await
        .unwrap();
    assert_eq!(told, [change(Some(two.digest), one.digest)]);

    let last = reviews.last_seen(&name("crm")).await.unwrap();
    assert_eq!(last.len(), 1);
    assert_eq!((&last[0].raw, last[0].digest), (&one.raw, one.digest));
    let all: Vec<_> = reviews
        .seen(&find)
        .await
        .unwrap()
        .into_iter()
        .map(|seen| seen.raw)
        .collect();
    assert_eq!(all, [one.raw, two.raw]);
    assert_eq!(reviews.last_seen(&name("files")).await.unwrap(), []);
}

pub(crate) async fn unchanged_definitions_write_nothing(database: &TestDatabase) {
    let store = database.open().await;
    let (reviews, changes) = (store.reviews(), store.changes());
    let find = tool("crm", "find");
    let seen = [definition(&find, "one")];
    reviews.see(&seen, at(0)).await.unwrap();
    let revision = changes.revisions().await.unwrap();

    assert_eq!(reviews.see(&seen, at(3_000)).await.unwrap(), []);
    let last = reviews.seen(&find).await.unwrap();
    assert_eq!(
        last[0].last_seen.as_second(),
        at(0).as_second(),
        "kept to the hour"
    );
    assert_eq!(reviews.see(&seen, at(3_601)).await.unwrap(), []);
    let last = reviews.seen(&find).await.unwrap();
    assert_eq!(last[0].last_seen.as_second(), at(3_601).as_second());
    assert_eq!(last[0].first_seen.as_second(), at(0).as_second());
    assert_eq!(changes.revisions().await.unwrap(), revision);
}

pub(crate) async fn concurrent_sightings_tell_one_change(database: &TestDatabase) {
    let find = tool("crm", "find");
    let mut nodes = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let store = database.open().await;
        let seen = [definition(&find, "one")];
        nodes.spawn(async move { store.reviews().see(&seen, at(1)).await.unwrap().len() });
    }
    let told: usize = nodes.join_all().await.into_iter().sum();
    assert_eq!(told, 1);
}

pub(crate) async fn old_definitions_are_forgotten_but_the_reviewed(database: &TestDatabase) {
    let store = database.open().await;
    let reviews = store.reviews();
    let find = tool("crm", "find");
    reviews.put(&find, &review(b"0")).await.unwrap();
    let count = i64::from(SEEN_PER_TARGET_MAX) + 5;
    for number in 0..count {
        reviews
            .see(&[definition(&find, &number.to_string())], at(number))
            .await
            .unwrap();
    }
    let kept: Vec<_> = reviews
        .seen(&find)
        .await
        .unwrap()
        .into_iter()
        .map(|seen| seen.raw)
        .collect();
    let newest = (0..count).rev().take(SEEN_PER_TARGET_MAX as usize);
    let expected: Vec<_> = newest.chain([0]).map(|number| number.to_string()).collect();
    assert_eq!(kept, expected);
}
