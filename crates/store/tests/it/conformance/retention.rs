//! Legal holds, and deletions on request.

use sekimori_domain::Timestamp;
use sekimori_domain::retention::{OrderAct, OrderKind, OrderStep, RetentionOrder, Selection};

use super::conflict;
use crate::database::TestDatabase;

fn step(act: OrderAct, by: &str) -> OrderStep {
    OrderStep {
        act,
        by: by.to_owned(),
        at: Timestamp::new(1_790_000_000, 123_456_000).unwrap(),
        note: "訴訟 12".to_owned(),
    }
}

fn order(id: &str, kind: OrderKind) -> RetentionOrder {
    let selection = Selection {
        user: Some("user:花子".into()),
        ..Selection::default()
    };
    let step = step(OrderAct::Propose, "user:a");
    RetentionOrder::propose(id.into(), kind, selection, step).unwrap()
}

pub(crate) async fn reads_back_what_was_ordered(database: &TestDatabase) {
    let store = database.open().await;
    let orders = store.retention_orders();
    let (hold, deletion) = (order("1", OrderKind::Hold), order("2", OrderKind::Deletion));
    orders.add(&hold).await.unwrap();
    orders.add(&deletion).await.unwrap();
    assert_eq!(conflict(orders.add(&hold).await), "retention order");
    assert_eq!(orders.get("1").await.unwrap().as_ref(), Some(&hold));
    assert_eq!(orders.get("3").await.unwrap(), None);
    assert_eq!(
        orders.open().await.unwrap(),
        [hold.clone(), deletion.clone()]
    );
    let third = order("3", OrderKind::Hold);
    orders.add(&third).await.unwrap();
    let listed = |before| orders.list(OrderKind::Hold, before, 1);
    assert_eq!(listed(None).await.unwrap(), [third]);
    assert_eq!(listed(Some("3")).await.unwrap(), [hold]);
    assert_eq!(listed(Some("1")).await.unwrap(), []);
}

pub(crate) async fn of_two_steps_at_a_time_one_wins(database: &TestDatabase) {
    let store = database.open().await;
    let orders = store.retention_orders();
    let hold = order("1", OrderKind::Hold);
    orders.add(&hold).await.unwrap();
    let (mut agreed, mut refused) = (hold.clone(), hold);
    agreed.step(step(OrderAct::Agree, "user:b")).unwrap();
    refused.step(step(OrderAct::Refuse, "user:c")).unwrap();
    orders.advance(&agreed).await.unwrap();
    assert_eq!(conflict(orders.advance(&refused).await), "retention order");
    assert_eq!(orders.get("1").await.unwrap(), Some(agreed.clone()));
    agreed.step(step(OrderAct::Release, "user:b")).unwrap();
    orders.advance(&agreed).await.unwrap();
    agreed.step(step(OrderAct::Agree, "user:c")).unwrap();
    orders.advance(&agreed).await.unwrap();
    assert_eq!(orders.open().await.unwrap(), []);
}
