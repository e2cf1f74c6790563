//! Dictionaries of inspection.

use sekimori_domain::digest::Digest;
use sekimori_domain::inspection::InspectionDictionary;
use sekimori_store::{DICTIONARIES_MAX, StoreError};

use crate::database::TestDatabase;
use crate::fixtures::at;

fn dictionary(id: &str, packed: &str) -> InspectionDictionary {
    InspectionDictionary {
        id: id.to_owned(),
        kind: "CUSTOMER".to_owned(),
        entries: 2,
        digest: Digest::of(packed.as_bytes()),
        author: "田中".to_owned(),
        updated_at: at(1),
    }
}

pub(crate) async fn dictionaries_are_replaced_and_removed(database: &TestDatabase) {
    let store = database.open().await;
    let dictionaries = store.dictionaries();
    let mut revisions = store.changes().watch();
    let before = revisions.borrow_and_update().inspection;
    let (two, one) = (dictionary("two", "b"), dictionary("one", "a"));
    dictionaries.put(&two, "b").await.unwrap();
    dictionaries.put(&one, "a").await.unwrap();
    let newer = dictionary("one", "c");
    dictionaries.put(&newer, "c").await.unwrap();
    assert_eq!(dictionaries.list().await.unwrap(), [newer, two.clone()]);
    assert_eq!(
        dictionaries.packed("one").await.unwrap().as_deref(),
        Some("c")
    );
    assert_eq!(dictionaries.packed("three").await.unwrap(), None);
    assert!(dictionaries.remove("one").await.unwrap());
    assert!(!dictionaries.remove("one").await.unwrap());
    assert_eq!(dictionaries.list().await.unwrap(), [two]);
    let wait = revisions.wait_for(|revisions| revisions.inspection > before);
    wait.await.unwrap();
}

pub(crate) async fn there_are_only_so_many_dictionaries(database: &TestDatabase) {
    let store = database.open().await;
    let dictionaries = store.dictionaries();
    for number in 0..DICTIONARIES_MAX {
        let one = dictionary(&format!("d-{number}"), "a");
        dictionaries.put(&one, "a").await.unwrap();
    }
    let more = dictionaries.put(&dictionary("more", "a"), "a").await;
    assert!(matches!(more, Err(StoreError::Invalid { .. })), "{more:?}");
    dictionaries
        .put(&dictionary("d-1", "b"), "b")
        .await
        .unwrap();
}
