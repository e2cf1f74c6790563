//! The vault.

use sekimori_store::StoredToken;

use crate::database::TestDatabase;
use crate::fixtures::at;

fn token(name: &str) -> StoredToken {
    StoredToken {
        token: format!("[[PER_{name}]]"),
        sealed: format!("sealed {name}"),
    }
}

pub(crate) async fn tokens_are_found_in_their_scope_until_it_ends(database: &TestDatabase) {
    let store = database.open().await;
    let vault = store.tokens();
    assert_eq!(vault.key("cv_1", at(1)).await.unwrap(), None);
    let first = vault.open("cv_1", "key one", at(1), at(50)).await.unwrap();
    assert_eq!(first, "key one");
    // The key stays, the end moves.
    let same = vault.open("cv_1", "key two", at(2), at(100)).await.unwrap();
    assert_eq!(same, "key one");
    assert_eq!(
        vault.key("cv_1", at(99)).await.unwrap().as_deref(),
        Some("key one")
    );
    let (one, two) = (token("A"), token("B"));
    vault
        .keep("cv_1", &[one.clone(), two.clone()])
        .await
        .unwrap();
    let other = StoredToken {
        sealed: "something else".to_owned(),
        ..one.clone()
    };
    vault.keep("cv_1", &[other]).await.unwrap();
    let asked = [one.token.as_str(), "[[PER_C]]", two.token.as_str()];
    assert_eq!(
        vault.find("cv_1", &asked).await.unwrap(),
        [one.clone(), two]
    );
    vault.open("cv_2", "key", at(1), at(100)).await.unwrap();
    assert!(vault.find("cv_2", &asked).await.unwrap().is_empty());
    // With a new key nothing of the old one is left.
    let next = vault
        .open("cv_1", "key three", at(100), at(200))
        .await
        .unwrap();
    assert_eq!(next, "key three");
    assert!(vault.find("cv_1", &asked).await.unwrap().is_empty());
}

pub(crate) async fn shredded_and_ended_scopes_are_gone(database: &TestDatabase) {
    let store = database.open().await;
    let vault = store.tokens();
    for (scope, end) in [("cv_1", 10), ("cv_2", 100)] {
        vault.open(scope, "key", at(1), at(end)).await.unwrap();
        vault.keep(scope, &[token("A")]).await.unwrap();
    }
    assert_eq!(vault.prune(at(20)).await.unwrap(), 1);
    assert!(vault.find("cv_1", &["[[PER_A]]"]).await.unwrap().is_empty());
    assert!(vault.shred("cv_2").await.unwrap());
    assert!(!vault.shred("cv_2").await.unwrap());
    assert!(vault.find("cv_2", &["[[PER_A]]"]).await.unwrap().is_empty());
    assert!(
        vault.keep("cv_2", &[token("A")]).await.is_err(),
        "it has no key"
    );
}
