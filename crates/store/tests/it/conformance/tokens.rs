//! The vault.

use futures_util::future::join_all;
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
    // A clock that is behind does not shorten it.
    vault.open("cv_1", "key two", at(1), at(40)).await.unwrap();
    assert!(vault.key("cv_1", at(99)).await.unwrap().is_some());
    let (one, two) = (token("A"), token("B"));
    let both = [one.clone(), two.clone()];
    assert!(vault.keep("cv_1", &both).await.unwrap());
    assert!(vault.keep("cv_1", &both).await.unwrap());
    // What stands for something else is never replaced, and nothing beside it is kept.
    let other = StoredToken {
        sealed: "something else".to_owned(),
        ..one.clone()
    };
    let new = token("C");
    assert!(!vault.keep("cv_1", &[other, new]).await.unwrap());
    let asked = ["[[PER_C]]", two.token.as_str(), one.token.as_str()];
    assert_eq!(vault.find("cv_1", &asked).await.unwrap(), both);
    assert!(vault.find("cv_1", &[]).await.unwrap().is_empty());
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

pub(crate) async fn keys_are_sealed_anew_once(database: &TestDatabase) {
    let store = database.open().await;
    let vault = store.tokens();
    vault.open("cv_1", "old", at(1), at(100)).await.unwrap();
    assert!(vault.rewrap("cv_1", "old", "new").await.unwrap());
    assert!(!vault.rewrap("cv_1", "old", "newer").await.unwrap());
    let kept = vault.key("cv_1", at(2)).await.unwrap();
    assert_eq!(kept.as_deref(), Some("new"));
}

pub(crate) async fn many_who_open_a_scope_get_one_key(database: &TestDatabase) {
    let one = database.open().await;
    let other = database.open().await;
    let opened = (0..8).map(|node| {
        let vault = if node % 2 == 0 {
            one.tokens()
        } else {
            other.tokens()
        };
        async move {
            let own = format!("key of {node}");
            let key = vault.open("cv_1", &own, at(1), at(100)).await.unwrap();
            let tokens: Vec<_> = (0..300).map(|at| token(&format!("{at:03}"))).collect();
            assert!(vault.keep("cv_1", &tokens).await.unwrap());
            key
        }
    });
    let keys = join_all(opened).await;
    assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");
    let all: Vec<String> = (0..300).map(|at| format!("[[PER_{at:03}]]")).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    assert_eq!(one.tokens().find("cv_1", &all).await.unwrap().len(), 300);
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
