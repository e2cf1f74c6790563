//! Revocations.

use std::collections::BTreeSet;
use std::time::Duration;

use sekimori_domain::Timestamp;
use sekimori_domain::revocation::{Subject, SubjectKind};
use sekimori_store::StoreError;
use tokio::time::timeout;

use crate::database::TestDatabase;

/// Times are kept in microseconds.
fn at(second: i64) -> Timestamp {
    Timestamp::new(1_790_000_000 + second, 123_456_000).unwrap()
}

fn user(id: &str) -> Subject {
    Subject::new(SubjectKind::User, id)
}

pub(crate) async fn revocations_read_back_from_a_revision_on(database: &TestDatabase) {
    let store = database.open().await;
    let revocations = store.revocations();
    assert!(revocations.since(0).await.unwrap().is_empty());
    let every_kind: Vec<_> = SubjectKind::ALL
        .into_iter()
        .map(|kind| Subject::new(kind, "同じ"))
        .collect();
    let first = revocations.revoke(&every_kind, at(1)).await.unwrap();
    let read = revocations.since(0).await.unwrap();
    let subjects: BTreeSet<_> = read.iter().map(|row| row.subject.clone()).collect();
    assert_eq!(subjects, every_kind.into_iter().collect());
    assert!(
        read.iter()
            .all(|row| row.not_before == at(1) && row.revision == first)
    );

    let second = revocations.revoke(&[user("hanako")], at(2)).await.unwrap();
    assert!(second > first);
    let read = revocations.since(first).await.unwrap();
    assert_eq!(read.len(), 1);
    assert_eq!(read[0].subject, user("hanako"));
    assert!(revocations.since(second).await.unwrap().is_empty());
}

/// Clocks of nodes differ: who is late must not bring anything back to life.
pub(crate) async fn a_revocation_is_never_moved_back(database: &TestDatabase) {
    let store = database.open().await;
    let revocations = store.revocations();
    let first = revocations.revoke(&[user("hanako")], at(10)).await.unwrap();
    let second = revocations.revoke(&[user("hanako")], at(5)).await.unwrap();
    let read = revocations.since(first).await.unwrap();
    assert_eq!((read[0].not_before, read[0].revision), (at(10), second));
    revocations.revoke(&[user("hanako")], at(20)).await.unwrap();
    assert_eq!(revocations.since(0).await.unwrap()[0].not_before, at(20));
}

pub(crate) async fn pruning_forgets_the_old_ones_only(database: &TestDatabase) {
    let store = database.open().await;
    let revocations = store.revocations();
    revocations.revoke(&[user("old")], at(1)).await.unwrap();
    let last = revocations.revoke(&[user("new")], at(100)).await.unwrap();
    let before = store.changes().revisions().await.unwrap();
    assert_eq!(revocations.prune(at(100)).await.unwrap(), 1);
    assert_eq!(revocations.prune(at(100)).await.unwrap(), 0);
    assert_eq!(store.changes().revisions().await.unwrap(), before);
    let read = revocations.since(0).await.unwrap();
    assert_eq!((&read[0].subject, read.len()), (&user("new"), 1));
    assert_eq!(before.revocations, last);
}

pub(crate) async fn too_much_or_unreadable_is_refused_as_a_whole(database: &TestDatabase) {
    let store = database.open().await;
    let revocations = store.revocations();
    let many: Vec<_> = (0..1_001).map(|number| user(&number.to_string())).collect();
    let long = [user("hanako"), user(&"x".repeat(2_001))];
    for bad in [&many[..], &long] {
        let error = revocations.revoke(bad, at(1)).await.unwrap_err();
        assert!(matches!(error, StoreError::Invalid { .. }), "{error:?}");
    }
    assert!(revocations.since(0).await.unwrap().is_empty());
}

/// Who reads on from the last revision they saw gets every revocation exactly once, whoever writes.
pub(crate) async fn concurrent_revocations_are_all_seen(database: &TestDatabase) {
    const EACH: usize = 20;
    let (one, two) = (database.open().await, database.open().await);
    let reader = database.open().await;
    let writers = [one, two].map(|store| {
        tokio::spawn(async move {
            for number in 0..EACH {
                let subject = user(&format!("{:p}-{number}", std::sync::Arc::as_ptr(&store)));
                store.revocations().revoke(&[subject], at(1)).await.unwrap();
            }
        })
    });
    let mut seen = Vec::new();
    let mut revision = 0;
    let read_all = async {
        while seen.len() < 2 * EACH {
            for row in reader.revocations().since(revision).await.unwrap() {
                assert!(row.revision > revision);
                revision = row.revision;
                seen.push(row.subject);
            }
        }
    };
    timeout(Duration::from_secs(30), read_all).await.unwrap();
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), 2 * EACH);
}
