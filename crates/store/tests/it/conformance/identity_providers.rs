//! Identity providers.

use sekimori_domain::identity_provider::IdentityProvider;
use sekimori_domain::ids::ProviderName;
use sekimori_store::{Expected, StoreError};

use crate::database::TestDatabase;

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
        .put(&provider("two"), Expected::Absent)
        .await
        .unwrap();
    let first = providers
        .put(&provider("one"), Expected::Absent)
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
        let error = providers.put(&provider("one"), stale).await.unwrap_err();
        assert!(matches!(error, StoreError::Conflict { .. }), "{error:?}");
    }
    let second = providers
        .put(&provider("one"), Expected::Revision(first))
        .await
        .unwrap();
    assert!(second > first);
    assert!(providers.remove(&name("one")).await.unwrap());
    assert!(!providers.remove(&name("one")).await.unwrap());
    assert_eq!(providers.get(&name("one")).await.unwrap(), None);
    assert!(store.changes().revisions().await.unwrap().identity > revisions.identity);
}
