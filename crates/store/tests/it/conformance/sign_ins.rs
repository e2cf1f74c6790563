//! Sign-ins under way, and what was seen.

use std::sync::Arc;

use sekimori_domain::digest::Digest;
use sekimori_store::{PendingSignIn, StoreError};

use crate::database::TestDatabase;
use crate::fixtures::at;

fn pending(handle: &[u8]) -> PendingSignIn {
    PendingSignIn {
        handle: Digest::of(handle),
        document: r#"{"to":"接続"}"#.into(),
        expires_at: at(600),
    }
}

pub(crate) async fn a_step_is_taken_once_and_in_time(database: &TestDatabase) {
    let store = database.open().await;
    let sign_ins = store.sign_ins();
    let (one, two) = (pending(b"1"), pending(b"2"));
    sign_ins.put(&one, at(0)).await.unwrap();
    sign_ins.put(&two, at(0)).await.unwrap();
    let error = sign_ins.put(&one, at(0)).await.unwrap_err();
    assert!(matches!(error, StoreError::Conflict { .. }), "{error:?}");
    for _ in 0..2 {
        assert_eq!(
            sign_ins.peek(&one.handle, at(1)).await.unwrap(),
            Some(one.document.clone())
        );
    }
    assert_eq!(
        sign_ins.take(&one.handle, at(1)).await.unwrap(),
        Some(one.document.clone())
    );
    assert_eq!(sign_ins.take(&one.handle, at(1)).await.unwrap(), None);
    assert_eq!(sign_ins.peek(&two.handle, at(600)).await.unwrap(), None);
    assert_eq!(sign_ins.take(&two.handle, at(600)).await.unwrap(), None);
    // What has ended makes room: the handle is free again.
    sign_ins.put(&one, at(601)).await.unwrap();
    sign_ins.put(&pending(b"2"), at(601)).await.unwrap();
}

pub(crate) async fn of_several_takers_one_gets_it(database: &TestDatabase) {
    let store = database.open().await;
    let one = pending(b"1");
    store.sign_ins().put(&one, at(0)).await.unwrap();
    let mut takers = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let store = Arc::clone(&store);
        takers.spawn(async move { store.sign_ins().take(&pending(b"1").handle, at(1)).await });
    }
    let got = takers.join_all().await;
    let got = got.into_iter().filter(|taken| matches!(taken, Ok(Some(_))));
    assert_eq!(got.count(), 1);
}

pub(crate) async fn something_is_new_once_in_its_space(database: &TestDatabase) {
    let store = database.open().await;
    let sign_ins = store.sign_ins();
    let what = Digest::of(b"_assertion");
    let new = async |space, now| sign_ins.first_time(space, &what, at(100), at(now)).await;
    assert!(new("saml", 0).await.unwrap());
    assert!(!new("saml", 1).await.unwrap());
    assert!(new("logout", 1).await.unwrap());
    // Another node knows as well.
    let other = database.open().await;
    assert!(
        !other
            .sign_ins()
            .first_time("saml", &what, at(100), at(2))
            .await
            .unwrap()
    );
    assert!(new("saml", 100).await.unwrap(), "remembered until its end");

    let mut racers = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let store = Arc::clone(&store);
        racers.spawn(async move {
            let what = Digest::of(b"raced");
            store
                .sign_ins()
                .first_time("saml", &what, at(100), at(0))
                .await
                .unwrap()
        });
    }
    let firsts = racers.join_all().await.into_iter().filter(|first| *first);
    assert_eq!(firsts.count(), 1);
}
