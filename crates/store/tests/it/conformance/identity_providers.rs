//! Identity providers.

use sekimori_domain::identity_provider::{Awaiting, IdentityProvider};
use sekimori_domain::ids::ProviderName;
use sekimori_store::{Expected, StoreError};

use crate::database::TestDatabase;
use crate::fixtures::at;

fn provider(name: &str) -> IdentityProvider {
    serde_json::from_value(serde_json::json!({
        "name": name, "title": "社員", "kind": "saml", "entity_id": "https://idp.example",
        "sso_url": "https://idp.example/sso", "certificates": ["MIIB"],
    }))
    .unwrap()
}

fn name(text: &str) -> ProviderName {
    ProviderName::new(text).unwrap()
}

pub(crate) async fn reads_back_what_was_put(database: &TestDatabase) {
    let store = database.open().await;
    let providers = store.identity_providers();
    let revisions = store.changes().revisions().await.unwrap();
    providers
        .put(&provider("two"), None, Expected::Absent)
        .await
        .unwrap();
    let first = providers
        .put(&provider("one"), None, Expected::Absent)
        .await
        .unwrap();
    let stored = providers.get(&name("one")).await.unwrap().unwrap();
    assert_eq!((stored.provider, stored.revision), (provider("one"), first));
    let names: Vec<_> = providers
        .list()
        .await
        .unwrap()
        .into_iter()
        .map(|stored| stored.provider.name)
        .collect();
    assert_eq!(names, [name("one"), name("two")]);

    for stale in [Expected::Absent, Expected::Revision(first - 1)] {
        let error = providers
            .put(&provider("one"), None, stale)
            .await
            .unwrap_err();
        assert!(matches!(error, StoreError::Conflict { .. }), "{error:?}");
    }
    let second = providers
        .put(&provider("one"), None, Expected::Revision(first))
        .await
        .unwrap();
    assert!(second > first);
    assert!(providers.remove(&name("one")).await.unwrap());
    assert!(!providers.remove(&name("one")).await.unwrap());
    assert_eq!(providers.get(&name("one")).await.unwrap(), None);
    assert!(store.changes().revisions().await.unwrap().identity > revisions.identity);
}

pub(crate) async fn settings_count_once_they_are_confirmed(database: &TestDatabase) {
    let store = database.open().await;
    let providers = store.identity_providers();
    let changed = IdentityProvider {
        title: "changed".to_owned(),
        ..provider("one")
    };
    for before in [None, Some(provider("one"))] {
        let awaiting = Awaiting {
            by: "user:maker".to_owned(),
            since: at(7),
            before: before.clone().map(Box::new),
        };
        let revision = providers
            .put(&changed, Some(&awaiting), Expected::Anything)
            .await
            .unwrap();
        let stored = providers.get(&name("one")).await.unwrap().unwrap();
        assert_eq!(stored.in_force(), before.as_ref());
        assert_eq!(
            (stored.provider, stored.awaiting),
            (changed.clone(), Some(awaiting))
        );
        providers
            .put(&changed, None, Expected::Revision(revision))
            .await
            .unwrap();
        let stored = providers.list().await.unwrap().pop().unwrap();
        assert_eq!(stored.in_force(), Some(&changed));
    }
}
