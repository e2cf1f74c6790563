//! Searches run along the index they are meant to, and stop when their page is full: SQLite's own choices
//! have been slower by orders of magnitude.

use sekimori_domain::Timestamp;
use sekimori_domain::catalog::OperationClass;
use sekimori_domain::ids::CallId;
use sekimori_domain::record::{DecisionEffect, EventKind, OutcomeStatus};
use tempfile::TempDir;
use uuid::Uuid;

use super::append::{Append, Known};
use super::batch::AuditBatch;
use super::indexed;
use super::search::{Cursor, Path, Terms, choose, statement, wanted_terms};
use crate::audit_index::{AuditQuery, Order};
use crate::database::{Database, GramQuery, Statement};
use crate::sqlite_index::IndexFile;

fn query(edit: impl FnOnce(&mut AuditQuery)) -> AuditQuery {
    let mut query = AuditQuery::default();
    edit(&mut query);
    query
}

/// Query shapes and the index each must run along.
fn shapes() -> Vec<(&'static str, AuditQuery)> {
    let call = Some(CallId(Uuid::from_u128(1)));
    vec![
        ("call", query(|q| q.call = call)),
        ("correlation", query(|q| q.correlation = Some("c".into()))),
        ("caller", query(|q| q.caller = Some("a".into()))),
        ("target", query(|q| q.target = Some("a".into()))),
        ("approval", query(|q| q.approval = Some("a".into()))),
        ("denied", query(|q| q.decision = Some(DecisionEffect::Deny))),
        ("time", query(|q| q.decision = Some(DecisionEffect::Allow))),
        ("client", query(|q| q.client = Some("a".into()))),
        ("connector", query(|q| q.connector = Some("a".into()))),
        ("status", query(|q| q.status = Some(OutcomeStatus::Refused))),
        ("event", query(|q| q.event = Some(EventKind::PolicyChange))),
        ("time", query(|_| {})),
        ("time", query(|q| q.class = Some(OperationClass::Delete))),
        ("time", query(|q| q.from = Some(Timestamp::UNIX_EPOCH))),
        (
            "caller_target",
            query(|q| (q.caller, q.target) = (Some("a".into()), Some("b".into()))),
        ),
        (
            "caller",
            query(|q| (q.caller, q.status) = (Some("a".into()), Some(OutcomeStatus::Refused))),
        ),
        (
            "target",
            query(|q| (q.target, q.connector) = (Some("a".into()), Some("b".into()))),
        ),
    ]
}

async fn plan(database: &dyn Database, mut statement: Statement) -> Vec<String> {
    statement.sql = format!("EXPLAIN QUERY PLAN {}", statement.sql).into();
    let rows = database.query(statement).await.unwrap();
    rows.into_iter()
        .map(|mut row| {
            for _ in 0..3 {
                row.int().unwrap();
            }
            row.text().unwrap()
        })
        .collect()
}

#[tokio::test]
async fn searches_run_along_their_index() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("plan.db");
    let database = IndexFile::open(&path).await.unwrap();
    let cursor = Cursor {
        time: 1,
        position: 1,
    };
    for (index, query) in shapes() {
        for order in [Order::NewestFirst, Order::OldestFirst] {
            for cursor in [None, Some(cursor)] {
                let query = AuditQuery {
                    order,
                    ..query.clone()
                };
                let terms = wanted_terms(&query)
                    .into_iter()
                    .map(|(column, _)| (column, 1));
                let terms = Terms(terms.collect());
                let path = choose(&database, &query).await.unwrap().unwrap();
                let plan = plan(
                    &database,
                    statement(database.dialect(), &query, &terms, cursor, &path),
                )
                .await;
                let along = format!("INDEX audit_record_{index} ");
                let scan = format!("INDEX audit_record_{index}");
                assert!(
                    plan.iter()
                        .any(|step| step.contains(&along) || step.ends_with(&scan)),
                    "{index} {order:?}: {plan:#?}"
                );
                // Sorting means reading everything first.
                assert!(
                    plan.iter().all(|step| !step.contains("TEMP B-TREE")),
                    "{plan:#?}"
                );
            }
        }
    }
}

/// Few matches are looked up by themselves, whatever else is asked for.
#[tokio::test]
async fn rare_texts_and_prefixes_are_looked_up() {
    let folder = TempDir::new().unwrap();
    let database = filled(&folder).await;
    for (expected, query) in [
        (
            "audit_record USING INTEGER PRIMARY KEY",
            query(|q| q.text = Some("規則".into())),
        ),
        (
            "audit_record USING INTEGER PRIMARY KEY",
            query(|q| q.text = Some("規".into())),
        ),
        (
            "INDEX audit_record_target (target=?",
            query(|q| q.target_prefix = Some("file:///".into())),
        ),
    ] {
        let query = AuditQuery {
            caller: Some("a".into()),
            ..query
        };
        let path = choose(&database, &query).await.unwrap().unwrap();
        let statement = statement(database.dialect(), &query, &Terms(Vec::new()), None, &path);
        let plan = plan(&database, statement).await;
        assert!(plan.iter().any(|step| step.contains(expected)), "{plan:#?}");
    }
}

/// The ways differ in speed only.
#[tokio::test]
async fn every_way_finds_the_same() {
    let folder = TempDir::new().unwrap();
    let database = filled(&folder).await;
    let query = query(|q| {
        q.text = Some("規則".into());
        q.target_prefix = Some("社内/".into());
    });
    let pairs = GramQuery::Prefix("x898fz5247z".into());
    let ways = [
        Path::Index("audit_record_time"),
        Path::Prefix,
        Path::Texts(database.dialect().match_grams(&pairs)),
    ];
    for way in ways {
        let statement = statement(database.dialect(), &query, &Terms(Vec::new()), None, &way);
        let rows = database.query(statement).await.unwrap();
        let found: Vec<_> = rows
            .into_iter()
            .map(|mut row| indexed(&mut row).unwrap().sequence)
            .collect();
        assert_eq!(found, [6, 3, 0], "{way:?}");
    }
}

/// A text that is noted again with a record that is there would stay when that record goes.
#[tokio::test]
async fn what_is_there_already_brings_no_texts() {
    let folder = TempDir::new().unwrap();
    let database = filled(&folder).await;
    let texts = async || {
        let count = Statement::new("audit text", "SELECT count(*) FROM audit_text");
        let mut rows = database.query(count).await.unwrap();
        rows[0].int().unwrap()
    };
    let before = texts().await;
    assert!(before > 0);
    // By a process that remembers nothing of it; the last record is new, and says something new.
    append(&database, 0..10).await;
    assert_eq!(texts().await, before + 1);
    append(&database, 0..10).await;
    assert_eq!(texts().await, before + 1);
}

/// An index with nine records.
async fn filled(folder: &TempDir) -> IndexFile {
    let database = IndexFile::open(&folder.path().join("plan.db"))
        .await
        .unwrap();
    append(&database, 0..9).await;
    database
}

async fn append(database: &IndexFile, numbers: std::ops::Range<u64>) {
    let mut transaction = database.begin().await.unwrap();
    let mut batch = AuditBatch::new("a");
    for number in numbers {
        batch.push(number, text(number)).unwrap();
    }
    let append = Append {
        dialect: database.dialect(),
        known: &Known::default(),
    };
    append.run(&mut *transaction, batch).await.unwrap();
    transaction.commit(false).await.unwrap();
}

fn text(number: u64) -> String {
    let name = ["社内/就業規則", "社内/規約と法則", "社外/就業規則"][(number % 3) as usize];
    format!(
        r#"{{"correlation":"c","event":"resource.read","id":"{id}","node":"a","phase":"single",
            "target":{{"class":"read","classified":true,"connector":"files","environment":"production",
            "kind":"resource","name":"{name}","resources":["台帳/{number}"]}},"time":"2026-11-22T00:00:00Z","v":1}}"#,
        id = Uuid::from_u128(number.into()),
    )
}
