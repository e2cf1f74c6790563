//! Kill switches.

use std::time::Duration;

use sekimori_domain::Timestamp;
use sekimori_domain::kill_switch::{KillSwitch, Release, StopKind, StopScope};

use super::conflict;
use crate::database::TestDatabase;

/// Times are kept in microseconds.
fn at(second: i64) -> Timestamp {
    Timestamp::new(1_790_000_000 + second, 123_456_000).unwrap()
}

fn switch(id: &str, second: i64) -> KillSwitch {
    KillSwitch {
        id: id.to_owned(),
        scope: StopScope::new(StopKind::Tool, "名簿/検索").unwrap(),
        reason: "情報漏えいの調査".to_owned(),
        contact: Some("security@example.co.jp".to_owned()),
        engaged_by: "admin:it".to_owned(),
        rule: None,
        engaged_at: at(second),
        ends_at: None,
        drill: false,
        released: None,
    }
}

fn by(name: &str, second: i64) -> Release {
    Release {
        by: name.to_owned(),
        at: at(second),
    }
}

pub(crate) async fn reads_back_what_is_engaged_until_its_end(database: &TestDatabase) {
    let store = database.open().await;
    let switches = store.kill_switches();
    let (one, two) = (
        switch("1", 1),
        KillSwitch {
            ends_at: Some(at(10)),
            ..switch("2", 2)
        },
    );
    for each in [&one, &two] {
        switches.engage(each).await.unwrap();
    }
    assert_eq!(switches.get("1").await.unwrap().as_ref(), Some(&one));
    assert_eq!(switches.get("3").await.unwrap(), None);
    assert_eq!(
        switches.engaged(at(9)).await.unwrap(),
        [one.clone(), two.clone()]
    );
    let left = switches.engaged(at(10)).await.unwrap();
    assert_eq!(left, std::slice::from_ref(&one));
    assert_eq!(conflict(switches.engage(&one).await), "kill switch");
    assert_eq!(
        switches.list(None, 10).await.unwrap(),
        [two.clone(), one.clone()]
    );
    assert_eq!(switches.list(Some("2"), 10).await.unwrap(), [one]);
    assert_eq!(switches.list(None, 1).await.unwrap(), [two]);
}

pub(crate) async fn a_release_is_kept(database: &TestDatabase) {
    let store = database.open().await;
    let switches = store.kill_switches();
    switches.engage(&switch("1", 1)).await.unwrap();
    let released = switches
        .release("1", &by("admin:it", 5))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(released.released, Some(by("admin:it", 5)));
    assert_eq!(switches.engaged(at(6)).await.unwrap(), []);
    let again = switches.release("1", &by("other", 7)).await.unwrap();
    assert_eq!(again, Some(released.clone()));
    assert_eq!(switches.list(None, 10).await.unwrap(), [released]);
    assert_eq!(
        switches.release("2", &by("admin:it", 5)).await.unwrap(),
        None
    );
}

pub(crate) async fn nodes_confirm_once_and_wake_nobody(database: &TestDatabase) {
    let store = database.open().await;
    let switches = store.kill_switches();
    switches.engage(&switch("1", 1)).await.unwrap();
    let before = store.changes().revisions().await.unwrap();
    switches
        .confirm(&["1", "gone"], "node-b", at(3))
        .await
        .unwrap();
    switches.confirm(&["1"], "node-a", at(4)).await.unwrap();
    switches.confirm(&["1"], "node-b", at(9)).await.unwrap();
    let told = switches.confirmations("1").await.unwrap();
    let told: Vec<_> = told.iter().map(|one| (one.node.as_str(), one.at)).collect();
    assert_eq!(told, [("node-a", at(4)), ("node-b", at(3))]);
    assert_eq!(switches.confirmations("gone").await.unwrap(), []);
    assert_eq!(store.changes().revisions().await.unwrap(), before);
}

pub(crate) async fn engaging_and_releasing_wake_everybody(database: &TestDatabase) {
    let store = database.open().await;
    let other = database.open().await;
    let mut watch = other.changes().watch();
    let known = watch.borrow_and_update().kill_switches;
    store.kill_switches().engage(&switch("1", 1)).await.unwrap();
    let told = watch.wait_for(|now| now.kill_switches > known);
    let known = tokio::time::timeout(Duration::from_secs(5), told)
        .await
        .unwrap()
        .unwrap()
        .kill_switches;
    store
        .kill_switches()
        .release("1", &by("admin:it", 2))
        .await
        .unwrap();
    let told = watch.wait_for(|now| now.kill_switches > known);
    tokio::time::timeout(Duration::from_secs(5), told)
        .await
        .unwrap()
        .unwrap();
}
