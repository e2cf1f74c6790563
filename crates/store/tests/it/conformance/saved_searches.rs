//! Searches of the audit log that people keep (AUDIT-2).

use sekimori_domain::record::EventKind;
use sekimori_domain::saved_search::{SavedSearch, SearchFilter};
use sekimori_store::{SAVED_SEARCHES_PER_OWNER_MAX, StoreError};

use crate::database::TestDatabase;
use crate::fixtures::at;

fn search(id: &str, owner: &str, name: &str) -> SavedSearch {
    SavedSearch {
        id: id.to_owned(),
        name: name.to_owned(),
        owner: owner.to_owned(),
        shared: false,
        filter: SearchFilter {
            event: Some(EventKind::ToolCall),
            text: Some("顧客台帳".to_owned()),
            period: Some("7d".to_owned()),
            ..SearchFilter::default()
        },
        saved_at: at(1),
    }
}

pub(crate) async fn everybody_sees_their_own_and_what_is_shared(database: &TestDatabase) {
    let store = database.open().await;
    let searches = store.saved_searches();
    let own = search("1", "user:hanako", "深夜の削除");
    let mut shared = search("2", "user:taro", "深夜の削除");
    shared.shared = true;
    for search in [&own, &shared, &search("3", "user:taro", "他")] {
        searches.put(search).await.unwrap();
    }
    assert_eq!(searches.get("1").await.unwrap(), Some(own.clone()));
    let seen = searches.visible_to(&own.owner).await.unwrap();
    assert_eq!(seen, [own.clone(), shared.clone()]);

    shared.shared = false;
    searches.put(&shared).await.unwrap();
    let seen = searches.visible_to(&own.owner).await.unwrap();
    assert_eq!(seen, std::slice::from_ref(&own));
    assert!(searches.remove("1").await.unwrap());
    assert!(!searches.remove("1").await.unwrap());
    assert_eq!(searches.visible_to(&own.owner).await.unwrap(), []);
}

pub(crate) async fn names_of_a_person_differ_and_are_so_many_at_most(database: &TestDatabase) {
    let store = database.open().await;
    let searches = store.saved_searches();
    for number in 0..SAVED_SEARCHES_PER_OWNER_MAX {
        let one = search(&format!("{number}"), "user:hanako", &format!("{number}"));
        searches.put(&one).await.unwrap();
    }
    let refused = searches.put(&search("x", "user:hanako", "one more")).await;
    assert!(matches!(refused, Err(StoreError::Invalid { .. })));
    // One of them can still be changed, but not into another.
    let changed = search("7", "user:hanako", "new name");
    searches.put(&changed).await.unwrap();
    let taken = searches.put(&search("8", "user:hanako", "new name")).await;
    assert!(matches!(taken, Err(StoreError::Conflict { .. })));
}
