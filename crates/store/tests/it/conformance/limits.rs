//! Limits, and what nodes take of them.

use std::time::Duration;

use sekimori_domain::Timestamp;
use sekimori_domain::ids::LimitName;
use sekimori_domain::limit::{Bound, Limit, Refill, Selector, WhatKind, WhoKind};
use sekimori_store::{Hold, Taken};

use crate::database::TestDatabase;

/// Times are kept in microseconds.
fn at(second: i64) -> Timestamp {
    Timestamp::new(1_790_000_000 + second, 123_456_000).unwrap()
}

fn limit(name: &str, count: u32) -> Limit {
    Limit {
        name: LimitName::new(name).unwrap(),
        who: Some(Selector {
            kind: WhoKind::Group,
            id: Some("営業部".to_owned()),
        }),
        what: Some(Selector {
            kind: WhatKind::Tool,
            id: None,
        }),
        bound: Bound::Daily { count },
        set_by: "admin:it".to_owned(),
        set_at: at(0),
    }
}

/// Ten a minute, three at once.
const TEN: Refill = Refill {
    capacity: 3,
    count: 10,
    per: Duration::from_mins(1),
};

pub(crate) async fn reads_back_what_was_put(database: &TestDatabase) {
    let store = database.open().await;
    let limits = store.limits();
    let before = store.changes().revisions().await.unwrap().limits;
    for each in [limit("b", 1), limit("a", 2), limit("b", 3)] {
        limits.put(&each).await.unwrap();
    }
    assert_eq!(limits.list().await.unwrap(), [limit("a", 2), limit("b", 3)]);
    let name = LimitName::new("b").unwrap();
    assert_eq!(limits.get(&name).await.unwrap(), Some(limit("b", 3)));
    assert!(limits.remove(&name).await.unwrap());
    assert!(!limits.remove(&name).await.unwrap());
    assert_eq!(limits.get(&name).await.unwrap(), None);
    assert_eq!(
        store.changes().revisions().await.unwrap().limits,
        before + 4
    );
}

pub(crate) async fn tokens_run_out_and_come_back(database: &TestDatabase) {
    let store = database.open().await;
    let limits = store.limits();
    let before = store.changes().revisions().await.unwrap();
    let some = |count| Taken {
        count,
        wait: Some(Duration::ZERO),
    };
    assert_eq!(limits.take("k", TEN, 2, at(0)).await.unwrap(), some(2));
    assert_eq!(limits.take("k", TEN, 2, at(0)).await.unwrap(), some(1));
    let none = limits.take("k", TEN, 1, at(1)).await.unwrap();
    assert_eq!(none.count, 0);
    let wait = none.wait.unwrap();
    assert!(
        wait > Duration::from_millis(4_900) && wait < Duration::from_millis(5_100),
        "{wait:?}"
    );
    assert_eq!(limits.take("k", TEN, 9, at(7)).await.unwrap(), some(1));
    assert_eq!(limits.take("k", TEN, 9, at(600)).await.unwrap(), some(3));
    // A clock that goes behind brings nothing back twice.
    assert_eq!(limits.take("k", TEN, 9, at(300)).await.unwrap().count, 0);
    assert_eq!(limits.take("k", TEN, 9, at(606)).await.unwrap(), some(1));
    let once = Refill {
        capacity: 2,
        count: 0,
        per: Duration::ZERO,
    };
    assert_eq!(limits.take("day", once, 5, at(0)).await.unwrap(), some(2));
    let never = limits.take("day", once, 5, at(9_999)).await.unwrap();
    assert_eq!(
        never,
        Taken {
            count: 0,
            wait: None
        }
    );
    assert_eq!(store.changes().revisions().await.unwrap(), before);
}

/// However many ask at once, no more are given than there are.
pub(crate) async fn concurrent_takers_share(database: &TestDatabase) {
    let refill = Refill {
        capacity: 50,
        count: 0,
        per: Duration::ZERO,
    };
    let mut takers = Vec::new();
    for _ in 0..3 {
        let store = database.open().await;
        takers.push(tokio::spawn(async move {
            let mut sum = 0;
            for _ in 0..12 {
                sum += store
                    .limits()
                    .take("k", refill, 3, at(0))
                    .await
                    .unwrap()
                    .count;
            }
            sum
        }));
    }
    let mut sum = 0;
    for taker in takers {
        sum += taker.await.unwrap();
    }
    assert_eq!(sum, 50);
}

pub(crate) async fn slots_are_held_until_given_back_or_ended(database: &TestDatabase) {
    let store = database.open().await;
    let limits = store.limits();
    let hold = |node, want, until| Hold {
        node,
        want,
        max: 5,
        until: at(until),
    };
    assert_eq!(limits.hold("k", hold("a", 3, 10), at(0)).await.unwrap(), 3);
    assert_eq!(limits.hold("k", hold("b", 3, 10), at(0)).await.unwrap(), 2);
    assert_eq!(limits.hold("k", hold("c", 1, 10), at(0)).await.unwrap(), 0);
    assert_eq!(limits.hold("k", hold("a", 1, 30), at(1)).await.unwrap(), 1);
    assert_eq!(limits.hold("k", hold("c", 9, 30), at(1)).await.unwrap(), 2);
    // The others' time is over.
    assert_eq!(limits.hold("k", hold("b", 9, 60), at(31)).await.unwrap(), 5);
    assert_eq!(
        limits
            .hold("other", hold("b", 9, 60), at(31))
            .await
            .unwrap(),
        5
    );
    assert!(limits.forget(at(100)).await.unwrap() >= 4);
    assert_eq!(limits.forget(at(100)).await.unwrap(), 0);
}
