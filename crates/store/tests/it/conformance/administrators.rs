//! Local administrators' tokens.

use sekimori_domain::digest::Digest;
use sekimori_store::StoreError;

use crate::database::TestDatabase;
use crate::fixtures::{at, token};

pub(crate) async fn tokens_are_found_by_digest(database: &TestDatabase) {
    let store = database.open().await;
    let administrators = store.administrators();
    let first = token("root", b"secret one");
    administrators.create(&first).await.unwrap();
    administrators
        .create(&token("root", b"secret two"))
        .await
        .unwrap();

    let found = administrators
        .find(&Digest::of(b"secret one"))
        .await
        .unwrap();
    assert_eq!(found, Some(first.clone()));
    assert_eq!(
        administrators.find(&Digest::of(b"guess")).await.unwrap(),
        None
    );
    let names: Vec<_> = administrators
        .list()
        .await
        .unwrap()
        .into_iter()
        .map(|t| t.token_digest)
        .collect();
    assert_eq!(
        names,
        [Digest::of(b"secret one"), Digest::of(b"secret two")]
    );

    let error = administrators.create(&first).await.unwrap_err();
    assert!(matches!(error, StoreError::Conflict { .. }), "{error:?}");
}

pub(crate) async fn revoking_covers_all_tokens_of_a_name(database: &TestDatabase) {
    let store = database.open().await;
    let administrators = store.administrators();
    for (name, secret) in [("root", b"1"), ("root", b"2"), ("other", b"3")] {
        administrators.create(&token(name, secret)).await.unwrap();
    }
    assert_eq!(administrators.revoke("root", at(10)).await.unwrap(), 2);
    assert_eq!(administrators.revoke("root", at(20)).await.unwrap(), 0);
    assert_eq!(administrators.revoke("nobody", at(20)).await.unwrap(), 0);
    let revoked: Vec<_> = administrators
        .list()
        .await
        .unwrap()
        .into_iter()
        .map(|t| t.revoked_at)
        .collect();
    assert_eq!(revoked, [Some(at(10)), Some(at(10)), None]);
}
