//! The sinks' cursors.

use sekimori_store::SinkState;

use crate::database::TestDatabase;
use crate::fixtures::at;

fn state(name: &str, cursor: u64) -> SinkState {
    SinkState {
        node: "gate-1".to_owned(),
        name: name.to_owned(),
        cursor,
        delivered_at: Some(at(10)),
        problem: None,
        dead_letters: 0,
    }
}

pub(crate) async fn cursors_are_kept_and_never_go_back(database: &TestDatabase) {
    let store = database.open().await;
    let sinks = store.audit_sinks();
    assert_eq!(sinks.get("gate-1", "siem").await.unwrap(), None);
    sinks.put(&state("siem", 40)).await.unwrap();
    sinks.put(&state("hook", 7)).await.unwrap();
    let late = SinkState {
        delivered_at: None,
        problem: Some("it does not answer".to_owned()),
        dead_letters: 3,
        ..state("siem", 12)
    };
    sinks.put(&late).await.unwrap();
    let kept = SinkState { cursor: 40, ..late };
    assert_eq!(
        sinks.get("gate-1", "siem").await.unwrap(),
        Some(kept.clone())
    );
    assert_eq!(sinks.list().await.unwrap(), [state("hook", 7), kept]);
    sinks.remove("gate-1", "siem").await.unwrap();
    assert_eq!(sinks.list().await.unwrap(), [state("hook", 7)]);
}
