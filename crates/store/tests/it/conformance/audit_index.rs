//! Filling the index.

use sekimori_domain::record::{OutcomeNote, OutcomeStatus, Phase, Record};
use sekimori_store::{AuditIndex, AuditQuery, IndexedRecord, StoreError};

use crate::database::TestDatabase;
use crate::fixtures::{batch, record, row};

fn rows(node: &str, numbers: std::ops::Range<u64>) -> Vec<IndexedRecord> {
    numbers
        .map(|number| row(number, record(node, number)))
        .collect()
}

async fn count(index: &dyn AuditIndex) -> usize {
    let query = AuditQuery {
        limit: 1_000,
        ..AuditQuery::default()
    };
    index.search(&query).await.unwrap().records.len()
}

pub(crate) async fn appending_twice_changes_nothing(database: &TestDatabase) {
    let store = database.open().await;
    let index = store.audit_index();
    assert_eq!(index.position("a").await.unwrap(), None);
    index.append(batch(&[])).await.unwrap();
    index.append(batch(&rows("a", 0..300))).await.unwrap();
    index.append(batch(&rows("a", 250..350))).await.unwrap();
    index.append(batch(&rows("a", 250..350))).await.unwrap();
    assert_eq!(index.position("a").await.unwrap(), Some(349));
    assert_eq!(index.position("b").await.unwrap(), None);
    assert_eq!(count(&*index).await, 350);
}

pub(crate) async fn rows_read_back_exactly(database: &TestDatabase) {
    let store = database.open().await;
    let index = store.audit_index();
    let rows = rows("東京-1", 0..3);
    index.append(batch(&rows)).await.unwrap();
    for row in &rows {
        assert_eq!(index.get(row.record.id).await.unwrap().as_ref(), Some(row));
    }
    assert_eq!(index.get(record("b", 7).id).await.unwrap(), None);
}

pub(crate) async fn clearing_forgets_one_node_only(database: &TestDatabase) {
    let store = database.open().await;
    let index = store.audit_index();
    index.append(batch(&rows("a", 0..20))).await.unwrap();
    index.append(batch(&rows("b", 0..30))).await.unwrap();
    index
        .append(batch(&[row(20, intent("a", 20))]))
        .await
        .unwrap();
    index.clear("a").await.unwrap();
    index.clear("c").await.unwrap();
    assert_eq!(index.position("a").await.unwrap(), None);
    assert_eq!(index.position("b").await.unwrap(), Some(29));
    assert_eq!(count(&*index).await, 30);
    assert_eq!(index.open_intents("a", None, 10).await.unwrap(), []);
    // And it is filled again.
    index.append(batch(&rows("a", 0..20))).await.unwrap();
    assert_eq!(count(&*index).await, 50);
}

pub(crate) async fn removed_records_are_forgotten(database: &TestDatabase) {
    let store = database.open().await;
    let index = store.audit_index();
    index.append(batch(&rows("a", 0..700))).await.unwrap();
    index.append(batch(&rows("b", 0..5))).await.unwrap();
    let gone: Vec<u64> = (0..600).chain([9_999]).collect();
    index.remove("a", &gone).await.unwrap();
    index.remove("a", &gone).await.unwrap();
    index.remove("a", &[]).await.unwrap();
    assert_eq!(count(&*index).await, 105);
    assert_eq!(index.position("a").await.unwrap(), Some(699));
    assert_eq!(index.get(record("a", 3).id).await.unwrap(), None);
}

/// AUDIT-7: nodes follow each other.
pub(crate) async fn nodes_are_followed(database: &TestDatabase) {
    let store = database.open().await;
    let index = store.audit_index();
    assert!(index.nodes().await.unwrap().is_empty());
    index.append(batch(&rows("b", 0..5))).await.unwrap();
    index.append(batch(&rows("a", 0..30))).await.unwrap();
    assert_eq!(index.nodes().await.unwrap(), ["b", "a"]);
    let all = rows("a", 0..30);
    let found = async |after, limit| index.following("a", after, limit).await.unwrap();
    assert_eq!(found(None, 100).await, all);
    assert_eq!(found(None, 7).await, all[..7]);
    assert_eq!(found(Some(6), 100).await, all[7..]);
    assert!(found(Some(29), 100).await.is_empty());
    assert!(index.following("c", None, 100).await.unwrap().is_empty());
}

/// A load finds everything in the end; until then nothing is searched. One that is cut short begins again.
pub(crate) async fn a_load_ends_in_the_same_index(database: &TestDatabase) {
    let store = database.open().await;
    let index = store.audit_index();
    index.append(batch(&rows("a", 0..30))).await.unwrap();
    if !index.begin_load("a").await.unwrap() {
        // A shared database is never taken apart.
        assert_eq!(count(&*index).await, 30);
        index.end_load().await.unwrap();
        return;
    }
    assert_eq!(index.position("a").await.unwrap(), None);
    index.append(batch(&rows("a", 0..200))).await.unwrap();
    let refused = index.search(&AuditQuery::default()).await;
    assert!(matches!(refused, Err(StoreError::Loading)));
    // Whoever comes while somebody else fills it gets the rest of the store.
    let other = database.open().await;
    assert!(other.connectors().list().await.unwrap().is_empty());
    let refused = other.audit_index().search(&AuditQuery::default()).await;
    assert!(matches!(refused, Err(StoreError::Loading)));
    store.close().await;

    let index = other.audit_index();
    assert_eq!(index.position("a").await.unwrap(), None);
    assert!(index.begin_load("a").await.unwrap());
    index.append(batch(&rows("a", 0..200))).await.unwrap();
    assert_eq!(index.position("a").await.unwrap(), Some(199));
    index.append(batch(&rows("a", 150..300))).await.unwrap();
    index.end_load().await.unwrap();
    index.end_load().await.unwrap();
    assert_eq!(count(&*index).await, 300);
    let row = &rows("a", 7..8)[0];
    let query = AuditQuery {
        text: Some("田中".into()),
        call: row.record.call,
        ..AuditQuery::default()
    };
    assert_eq!(
        index.search(&query).await.unwrap().records,
        std::slice::from_ref(row)
    );
    // What others use stays, and so does what other nodes have here.
    let user = database.open().await;
    assert!(!index.begin_load("a").await.unwrap());
    assert_eq!(count(&*index).await, 300);
    user.close().await;
    index.append(batch(&rows("b", 0..10))).await.unwrap();
    assert!(!index.begin_load("a").await.unwrap());
    assert_eq!(count(&*index).await, 310);
}

/// A text that no record holds any more is gone: somebody may have asked for that.
pub(crate) async fn removed_texts_are_forgotten(database: &TestDatabase) {
    let store = database.open().await;
    let index = store.audit_index();
    let mut rows = rows("a", 0..3);
    for row in &mut rows[..2] {
        let target = row.record.target.as_mut().unwrap();
        target.resources = vec!["山田花子の履歴書".into()];
        row.text = serde_json::to_string(&row.record).unwrap();
    }
    index.append(batch(&rows)).await.unwrap();
    let found = async |text: &str| {
        let query = AuditQuery {
            text: Some(text.into()),
            ..AuditQuery::default()
        };
        index.search(&query).await.unwrap().records.len()
    };
    assert_eq!(found("履歴書").await, 2);
    index.remove("a", &[0]).await.unwrap();
    assert_eq!(found("履歴書").await, 1);
    index.remove("a", &[1]).await.unwrap();
    assert_eq!(found("履歴書").await, 0);
    // It comes back with a record that holds it.
    index.append(batch(&rows[..1])).await.unwrap();
    assert_eq!(found("履歴書").await, 1);
}

fn intent(node: &str, number: u64) -> Record {
    Record {
        phase: Phase::Intent,
        outcome: None,
        ..record(node, number)
    }
}

/// The outcome of the call whose intent has the number.
fn outcome(node: &str, number: u64, status: OutcomeStatus) -> Record {
    let intent = record(node, number);
    let note = OutcomeNote {
        status,
        ..intent.outcome.clone().unwrap()
    };
    Record {
        id: record(node, number + 1_000).id,
        phase: Phase::Outcome,
        outcome: Some(note),
        ..intent
    }
}

/// AUDIT-3: what a crash left open is found at the next start.
pub(crate) async fn intents_stay_open_until_their_outcome(database: &TestDatabase) {
    let store = database.open().await;
    let index = store.audit_index();
    index
        .append(batch(&[
            row(0, intent("a", 0)),
            row(1, intent("a", 1)),
            row(2, outcome("a", 1, OutcomeStatus::Success)),
            row(3, record("a", 3)),
            row(4, intent("a", 4)),
            row(5, intent("a", 5)),
        ]))
        .await
        .unwrap();
    index
        .append(batch(&[row(0, intent("b", 0))]))
        .await
        .unwrap();
    let open = async |node: &'static str, after, limit| -> Vec<u64> {
        let open = index.open_intents(node, after, limit).await.unwrap();
        open.into_iter().map(|row| row.sequence).collect()
    };
    assert_eq!(open("a", None, 10).await, [0, 4, 5]);
    assert_eq!(open("a", Some(0), 1).await, [4]);
    assert_eq!(open("b", None, 10).await, [0]);
    assert!(open("c", None, 10).await.is_empty());

    index
        .append(batch(&[
            row(6, outcome("a", 4, OutcomeStatus::Unknown)),
            row(7, outcome("a", 0, OutcomeStatus::Error)),
        ]))
        .await
        .unwrap();
    assert_eq!(open("a", None, 10).await, [5]);
    // Indexing the same again opens nothing again.
    index
        .append(batch(&[row(0, intent("a", 0)), row(4, intent("a", 4))]))
        .await
        .unwrap();
    assert_eq!(open("a", None, 10).await, [5]);
}

/// An upstream or client may call things as it likes; the index must take it.
pub(crate) async fn awkward_names_are_indexed(database: &TestDatabase) {
    let store = database.open().await;
    let index = store.audit_index();
    let names = [
        "nul\0inside".to_owned(),
        "長".repeat(3_000),
        String::new(),
        "'; DROP TABLE audit_record; --".to_owned(),
    ];
    for (number, name) in (0..).zip(&names) {
        let mut record = record("a", number);
        record.target.as_mut().unwrap().name.clone_from(name);
        let row = row(number, record);
        index
            .append(batch(std::slice::from_ref(&row)))
            .await
            .unwrap();
        assert_eq!(index.get(row.record.id).await.unwrap().as_ref(), Some(&row));
        let query = AuditQuery {
            target: Some(name.clone()),
            ..AuditQuery::default()
        };
        assert_eq!(index.search(&query).await.unwrap().records, [row]);
    }
    // Nothing in a text is a wildcard or ends a literal.
    for (text, expected) in [
        ("nul\0inside", 1),
        ("%", 0),
        ("_record", 1),
        ("\\", 0),
        ("'", 1),
        ("*", 0),
    ] {
        let query = AuditQuery {
            text: Some(text.into()),
            ..AuditQuery::default()
        };
        assert_eq!(
            index.search(&query).await.unwrap().records.len(),
            expected,
            "{text:?}"
        );
    }
}

pub(crate) async fn nodes_append_at_the_same_time(database: &TestDatabase) {
    let mut nodes = tokio::task::JoinSet::new();
    for node in ["a", "b", "c", "d"] {
        let store = database.open().await;
        nodes.spawn(async move {
            for turn in 0..5 {
                // Names that no node has seen, in batches that overlap between nodes.
                let rows: Vec<_> = (turn * 20..(turn + 1) * 20)
                    .map(|number| {
                        let mut record = record(node, number);
                        record.target.as_mut().unwrap().name = format!("tool {}", 1_000 - number);
                        row(number, record)
                    })
                    .collect();
                store.audit_index().append(batch(&rows)).await.unwrap();
            }
        });
    }
    nodes.join_all().await;
    let store = database.open().await;
    assert_eq!(count(&*store.audit_index()).await, 400);
    assert_eq!(store.audit_index().position("c").await.unwrap(), Some(99));
}
