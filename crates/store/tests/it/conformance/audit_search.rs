//! Searching the index (AUDIT-2).

use sekimori_domain::catalog::OperationClass;
use sekimori_domain::ids::CorrelationId;
use sekimori_domain::record::{
    DecisionEffect, DecisionNote, EventKind, OutcomeNote, OutcomeStatus, Phase, Record,
};
use sekimori_store::{
    AuditIndex, AuditQuery, FACET_FIELDS, FINDING_TEXT, Order, StoreError, TIME_LINE_PARTS,
};
use serde_json::json;

use crate::database::TestDatabase;
use crate::fixtures::{at, batch, record, row};

/// Appends records 0.. of one node, each edited.
async fn fill(index: &dyn AuditIndex, edits: &[fn(&mut Record)]) {
    let rows: Vec<_> = (0..)
        .zip(edits)
        .map(|(number, edit)| {
            let mut record = record("a", number);
            edit(&mut record);
            row(number, record)
        })
        .collect();
    index.append(batch(&rows)).await.unwrap();
}

async fn found(index: &dyn AuditIndex, query: AuditQuery) -> Vec<u64> {
    let page = index.search(&query).await.unwrap();
    assert_eq!(page.next, None);
    page.records.into_iter().map(|row| row.sequence).collect()
}

/// A query with one thing changed.
fn query(edit: impl FnOnce(&mut AuditQuery)) -> AuditQuery {
    let mut query = AuditQuery::default();
    edit(&mut query);
    query
}

/// Ten records; each but the first differs from the others in one thing.
async fn fill_with_differences(index: &dyn AuditIndex) {
    let edits: [fn(&mut Record); 10] = [
        |_| {},
        |record| record.caller.as_mut().unwrap().id = "service:batch".into(),
        |record| record.caller.as_mut().unwrap().client = "vscode".into(),
        |record| record.target.as_mut().unwrap().connector = "files".into(),
        |record| record.target.as_mut().unwrap().name = "delete_customer".into(),
        |record| record.event = EventKind::ResourceRead,
        |record| record.outcome.as_mut().unwrap().status = OutcomeStatus::Refused,
        |record| record.target.as_mut().unwrap().class = OperationClass::Delete,
        |record| record.correlation = CorrelationId::new("order-42").unwrap(),
        |record| (record.caller, record.target, record.outcome) = (None, None, None),
    ];
    fill(index, &edits).await;
}

pub(crate) async fn every_filter_narrows(database: &TestDatabase) {
    let store = database.open().await;
    let index = &*store.audit_index();
    fill_with_differences(index).await;
    let call = record("a", 3).call;
    for (expected, query) in [
        (1, query(|q| q.caller = Some("service:batch".into()))),
        (2, query(|q| q.client = Some("vscode".into()))),
        (3, query(|q| q.connector = Some("files".into()))),
        (4, query(|q| q.target = Some("delete_customer".into()))),
        (4, query(|q| q.target_prefix = Some("delete_".into()))),
        (5, query(|q| q.event = Some(EventKind::ResourceRead))),
        (6, query(|q| q.status = Some(OutcomeStatus::Refused))),
        (7, query(|q| q.class = Some(OperationClass::Delete))),
        (8, query(|q| q.correlation = Some("order-42".into()))),
        (3, query(|q| q.call = call)),
        (4, query(|q| (q.from, q.until) = (Some(at(4)), Some(at(5))))),
        (4, query(|q| q.text = Some("DELETE".into()))),
    ] {
        assert_eq!(found(index, query.clone()).await, [expected], "{query:?}");
    }
    assert_eq!(
        found(index, AuditQuery::default()).await,
        [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]
    );
    let oldest = query(|q| (q.order, q.until) = (Order::OldestFirst, Some(at(3))));
    assert_eq!(found(index, oldest).await, [0, 1, 2]);
}

pub(crate) async fn values_are_counted_among_what_matches(database: &TestDatabase) {
    let store = database.open().await;
    let index = &*store.audit_index();
    fill_with_differences(index).await;
    let counted = async |query| {
        let facets = index.facets(&query).await.unwrap();
        assert!(!facets.truncated);
        let fields = FACET_FIELDS.iter().zip(facets.fields);
        let field = |name: &str| -> Vec<(String, u64)> {
            let mut fields = fields.clone();
            fields.find(|(field, _)| **field == name).unwrap().1
        };
        (
            facets.records,
            field("event"),
            field("client"),
            field("class"),
        )
    };
    let (records, event, client, class) = counted(AuditQuery::default()).await;
    assert_eq!(records, 10);
    let pairs = |pairs: &[(&str, u64)]| -> Vec<(String, u64)> {
        let owned = pairs
            .iter()
            .map(|(name, count)| ((*name).to_owned(), *count));
        owned.collect()
    };
    assert_eq!(event, pairs(&[("tool.call", 9), ("resource.read", 1)]));
    assert_eq!(client.iter().map(|(_, count)| count).sum::<u64>(), 9);
    assert_eq!(class.iter().map(|(_, count)| count).sum::<u64>(), 9);
    let narrowed = query(|q| q.client = Some("vscode".into()));
    let (records, event, client, _) = counted(narrowed).await;
    assert_eq!((records, client), (1, pairs(&[("vscode", 1)])));
    assert_eq!(event, pairs(&[("tool.call", 1)]));
    let nobody = query(|q| q.caller = Some("user:nobody".into()));
    assert_eq!(counted(nobody.clone()).await.0, 0);
    assert!(index.facets(&nobody).await.unwrap().time_line.is_empty());
    assert_eq!(index.total(&nobody).await.unwrap(), 0);
    let line = index
        .facets(&AuditQuery::default())
        .await
        .unwrap()
        .time_line;
    let parts = usize::try_from(TIME_LINE_PARTS).unwrap();
    assert_eq!(line.len(), parts);
    assert_eq!(line.iter().map(|(_, count)| count).sum::<u64>(), 10);
    assert_eq!(
        (line[0].1, line[parts - 1].1),
        (1, 1),
        "from the oldest to the newest"
    );
    assert!(line.is_sorted_by_key(|(begins, _)| *begins));
}

/// A page holds no more than it may; how many there are is told all the same.
pub(crate) async fn findings_are_searched_for_and_counted(database: &TestDatabase) {
    let store = database.open().await;
    let index = &*store.audit_index();
    let found_in = |record: &mut Record| {
        let report = json!({"rules": 1, "findings": [{"type": "EMAIL", "count": 2}, {"type": "PHONE", "count": 1}]});
        record.detail.insert("inspection".to_owned(), report);
    };
    let edits: [fn(&mut Record); 4] = [
        |_| {},
        found_in,
        |record| {
            let report = json!({"rules": 1, "suspicions": [{"type": "link", "count": 1}]});
            record.detail.insert("inspection".to_owned(), report);
        },
        |record| {
            let report = json!({"rules": 1, "findings": [{"type": "EMAIL", "count": 1}]});
            record.detail.insert("inspection".to_owned(), report);
            record.phase = Phase::Intent;
        },
    ];
    fill(index, &edits).await;
    for (text, expected) in [
        (FINDING_TEXT, vec![1]),
        ("finding:EMAIL", vec![1]),
        ("finding:phone", vec![1]),
        ("finding:MY_NUMBER", vec![]),
    ] {
        let asked = query(|q| q.text = Some(text.into()));
        assert_eq!(found(index, asked.clone()).await, expected, "{text}");
        let total = u64::try_from(expected.len()).unwrap();
        assert_eq!(index.total(&asked).await.unwrap(), total, "{text}");
    }
    let one = query(|q| q.limit = 1);
    assert_eq!(index.total(&one).await.unwrap(), 4);
    let until = query(|q| q.until = Some(at(2)));
    assert_eq!(index.total(&until).await.unwrap(), 2);
}

pub(crate) async fn filters_combine(database: &TestDatabase) {
    let store = database.open().await;
    let index = &*store.audit_index();
    fill_with_differences(index).await;
    let both = query(|q| {
        q.caller = Some("user:tanaka".into());
        q.target = Some("delete_customer".into());
    });
    assert_eq!(found(index, both).await, [4]);
    let contradiction = query(|q| {
        q.client = Some("vscode".into());
        q.connector = Some("files".into());
    });
    assert!(found(index, contradiction).await.is_empty());
    let never_seen = query(|q| q.caller = Some("user:nobody".into()));
    assert!(found(index, never_seen).await.is_empty());
}

pub(crate) async fn text_finds_parts_of_japanese_words(database: &TestDatabase) {
    let store = database.open().await;
    let index = &*store.audit_index();
    fill(
        index,
        &[
            |record| record.target.as_mut().unwrap().name = "社内規程/就業規則.docx".into(),
            |record| record.caller.as_mut().unwrap().name = "佐藤 一郎".into(),
            |record| {
                record.outcome.as_mut().unwrap().message =
                    Some("取引先コードが見つかりません".into());
            },
            |record| record.target.as_mut().unwrap().resources = vec!["顧客番号 ABC-0042".into()],
            |record| record.target.as_mut().unwrap().name = "ÜBERSICHT".into(),
        ],
    )
    .await;
    for (text, expected) in [
        ("就業規則", vec![0]),
        ("規則", vec![0]),
        ("業", vec![0]),
        ("藤 一", vec![1]),
        ("取引先", vec![2]),
        ("abc-0042", vec![3]),
        ("übersicht", vec![4]),
        ("規約", vec![]),
        ("則規", vec![]),
    ] {
        let query = AuditQuery {
            text: Some(text.into()),
            ..AuditQuery::default()
        };
        assert_eq!(found(index, query).await, expected, "{text}");
    }
    // Together with another filter, and page by page.
    let query = AuditQuery {
        text: Some("田中".into()),
        limit: 2,
        ..AuditQuery::default()
    };
    assert_eq!(all_pages(index, query).await, [4, 3, 2, 0]);
    let query = AuditQuery {
        text: Some("規則".into()),
        connector: Some("files".into()),
        ..AuditQuery::default()
    };
    assert!(found(index, query).await.is_empty());
}

async fn all_pages(index: &dyn AuditIndex, mut query: AuditQuery) -> Vec<u64> {
    let mut sequences = Vec::new();
    loop {
        let page = index.search(&query).await.unwrap();
        assert!(page.records.len() <= query.limit as usize);
        sequences.extend(page.records.into_iter().map(|row| row.sequence));
        match page.next {
            Some(next) => query.cursor = Some(next),
            None => return sequences,
        }
    }
}

/// By the code of a refusal, a policy that denied, and the id of an approval; a policy that allowed is in too many.
pub(crate) async fn text_finds_what_was_refused_and_agreed_to(database: &TestDatabase) {
    let store = database.open().await;
    let index = store.audit_index();
    let mut rows: Vec<_> = (0..3)
        .map(|number| row(number, record("a", number)))
        .collect();
    let decision = |effect: &str| {
        Some(DecisionNote {
            effect: effect.into(),
            policies: vec!["no-deletions-at-night".into()],
            version: 1,
        })
    };
    rows[0].record.decision = decision("deny");
    rows[0].record.outcome = Some(OutcomeNote {
        bytes: None,
        code: Some("policy_denied".into()),
        digest: None,
        message: None,
        stage: None,
        status: OutcomeStatus::Refused,
    });
    rows[1].record.decision = decision("allow");
    let approval = "0198f2c4-a5b6-7d3e-8f9a-0b1c2d3e4f50";
    rows[2]
        .record
        .detail
        .insert("approval".into(), approval.into());
    for row in &mut rows {
        row.text = serde_json::to_string(&row.record).unwrap();
    }
    index.append(batch(&rows)).await.unwrap();
    for (text, expected) in [("policy_denied", 0), ("No-Deletions", 0), (approval, 2)] {
        let query = AuditQuery {
            text: Some(text.into()),
            ..AuditQuery::default()
        };
        let found = index.search(&query).await.unwrap().records;
        let sequences: Vec<_> = found.iter().map(|found| found.sequence).collect();
        assert_eq!(sequences, [expected], "{text}");
    }
}

/// AUDIT-2: by what policy decided, by the class of the data, and by the request for approval.
pub(crate) async fn decisions_classes_and_approvals_are_found(database: &TestDatabase) {
    let store = database.open().await;
    let index = &*store.audit_index();
    let decision = |record: &mut Record, effect: &str| {
        record.decision = Some(DecisionNote {
            effect: effect.into(),
            policies: Vec::new(),
            version: 1,
        });
    };
    let classes = |record: &mut Record, classes: &[&str]| {
        let classes = classes.iter().copied().map(str::to_owned);
        record.target.as_mut().unwrap().data_classes = classes.collect();
    };
    let approval = "0198f2c4-a5b6-7d3e-8f9a-0b1c2d3e4f50";
    let mut rows: Vec<_> = (0..6).map(|number| record("a", number)).collect();
    decision(&mut rows[0], "allow");
    classes(&mut rows[0], &["personal"]);
    decision(&mut rows[1], "deny");
    classes(&mut rows[1], &["personal", "機密"]);
    classes(&mut rows[2], &["機密", "personal"]);
    classes(&mut rows[3], &["personally"]);
    rows[4].detail.insert("approval".into(), approval.into());
    // A name that is a class as well.
    rows[5].target.as_mut().unwrap().name = "personal".into();
    let rows = (0..).zip(rows).map(|(number, record)| row(number, record));
    index
        .append(batch(&rows.collect::<Vec<_>>()))
        .await
        .unwrap();

    let class = |class: &str| query(|q| q.data_class = Some(class.into()));
    let decided = |effect| query(|q| q.decision = Some(effect));
    let asked = |id: &str| query(|q| q.approval = Some(id.into()));
    for (expected, query) in [
        (vec![0], decided(DecisionEffect::Allow)),
        (vec![1], decided(DecisionEffect::Deny)),
        (vec![2, 1, 0], class("personal")),
        (vec![2, 1], class("機密")),
        (vec![3], class("personally")),
        (vec![], class("person")),
        (vec![], class("")),
        (vec![4], asked(approval)),
        (vec![], asked("another")),
        (
            vec![1],
            query(|q| {
                (q.data_class, q.decision) = (Some("機密".into()), Some(DecisionEffect::Deny));
            }),
        ),
        (vec![5], query(|q| q.target = Some("personal".into()))),
    ] {
        assert_eq!(found(index, query.clone()).await, expected, "{query:?}");
        let total = index.total(&query).await.unwrap();
        assert_eq!(total, u64::try_from(expected.len()).unwrap(), "{query:?}");
    }

    let facets = index.facets(&AuditQuery::default()).await.unwrap();
    let field = |name: &str| -> Vec<(&str, u64)> {
        let mut fields = FACET_FIELDS.iter().zip(&facets.fields);
        let (_, values) = fields.find(|(field, _)| **field == name).unwrap();
        values
            .iter()
            .map(|(name, count)| (name.as_str(), *count))
            .collect()
    };
    assert_eq!(field("decision"), [("allow", 1), ("deny", 1)]);
    let classes = [("personal", 3), ("機密", 2), ("personally", 1)];
    assert_eq!(field("data_class"), classes);
}

pub(crate) async fn pages_join_without_gap_over_equal_times(database: &TestDatabase) {
    let store = database.open().await;
    let index = &*store.audit_index();
    // Three groups of equal times, the middle one much larger than a page.
    let time_of = |number: u64| {
        at(match number {
            0..5 => 0,
            5..45 => 1,
            _ => 2,
        })
    };
    let rows: Vec<_> = (0..50)
        .map(|number| {
            row(
                number,
                Record {
                    time: time_of(number),
                    ..record("a", number)
                },
            )
        })
        .collect();
    index.append(batch(&rows)).await.unwrap();
    let forth: Vec<u64> = (0..50).collect();
    let back: Vec<u64> = (0..50).rev().collect();
    for limit in [1, 3, 7, 49, 50, 51] {
        for caller in [None, Some("user:tanaka".to_owned())] {
            let query = AuditQuery {
                limit,
                caller,
                ..AuditQuery::default()
            };
            assert_eq!(all_pages(index, query.clone()).await, back, "{limit}");
            let query = AuditQuery {
                order: Order::OldestFirst,
                ..query
            };
            assert_eq!(all_pages(index, query).await, forth, "{limit}");
        }
    }
    // Records that arrive meanwhile do not shift the pages.
    let query = AuditQuery {
        limit: 30,
        ..AuditQuery::default()
    };
    let page = index.search(&query).await.unwrap();
    index
        .append(batch(&[row(50, record("a", 50))]))
        .await
        .unwrap();
    let rest = all_pages(
        index,
        AuditQuery {
            cursor: page.next,
            ..query
        },
    )
    .await;
    assert_eq!(rest, back[30..]);
}

pub(crate) async fn prefixes_are_literal(database: &TestDatabase) {
    let store = database.open().await;
    let index = &*store.audit_index();
    fill(
        index,
        &[
            |record| record.target.as_mut().unwrap().name = "file:///営業/見積.xlsx".into(),
            |record| record.target.as_mut().unwrap().name = "file:///営業部/名簿.xlsx".into(),
            |record| record.target.as_mut().unwrap().name = "file:///経理/見積.xlsx".into(),
            |record| record.target.as_mut().unwrap().name = "100%".into(),
            |record| record.target.as_mut().unwrap().name = "100x".into(),
            |record| record.target.as_mut().unwrap().name = "File:///営業/x".into(),
        ],
    )
    .await;
    for (prefix, expected) in [
        ("file:///営業", vec![1, 0]),
        ("file:///営業/", vec![0]),
        ("file:///", vec![2, 1, 0]),
        ("100%", vec![3]),
        ("100_", vec![]),
        ("", vec![5, 4, 3, 2, 1, 0]),
    ] {
        let query = AuditQuery {
            target_prefix: Some(prefix.into()),
            ..AuditQuery::default()
        };
        assert_eq!(found(index, query).await, expected, "{prefix}");
    }
}

pub(crate) async fn cursors_belong_to_their_query(database: &TestDatabase) {
    let store = database.open().await;
    let index = &*store.audit_index();
    fill(index, &[|_| {}, |_| {}, |_| {}]).await;
    let query = AuditQuery {
        limit: 1,
        ..AuditQuery::default()
    };
    let next = index.search(&query).await.unwrap().next;
    assert!(next.is_some());
    // The size of the page may change on the way.
    let larger = AuditQuery {
        cursor: next.clone(),
        limit: 2,
        ..query.clone()
    };
    assert_eq!(index.search(&larger).await.unwrap().records.len(), 2);

    let other = AuditQuery {
        cursor: next,
        caller: Some("user:tanaka".into()),
        ..query.clone()
    };
    let forged = ["", "1.2", "x.y.z", "1.2.3", "9223372036854775808.1.0"];
    let forged = forged.map(|cursor| AuditQuery {
        cursor: Some(cursor.into()),
        ..query.clone()
    });
    for query in std::iter::once(other).chain(forged) {
        let error = index.search(&query).await.unwrap_err();
        assert!(
            matches!(error, StoreError::Invalid { what: "cursor", .. }),
            "{error:?}"
        );
    }
}

pub(crate) async fn limits_are_checked(database: &TestDatabase) {
    let store = database.open().await;
    let index = store.audit_index();
    for query in [
        AuditQuery {
            limit: 0,
            ..AuditQuery::default()
        },
        AuditQuery {
            limit: 1_001,
            ..AuditQuery::default()
        },
        AuditQuery {
            text: Some("あ".repeat(257)),
            ..AuditQuery::default()
        },
    ] {
        let error = index.search(&query).await.unwrap_err();
        assert!(matches!(error, StoreError::Invalid { .. }), "{error:?}");
    }
    let query = AuditQuery {
        text: Some("あ".repeat(256)),
        limit: 1_000,
        ..AuditQuery::default()
    };
    assert_eq!(index.search(&query).await.unwrap().records, []);
}

pub(crate) async fn endings_are_counted_by_part_of_the_time(database: &TestDatabase) {
    let store = database.open().await;
    let index = &*store.audit_index();
    fill_with_differences(index).await;
    let counted = index.count(at(0), at(10), 2).await.unwrap();
    let shown: Vec<_> = counted
        .iter()
        .map(|one| (one.part, one.event.as_str(), one.status.as_str(), one.count))
        .collect();
    let mut sorted = shown.clone();
    sorted.sort_unstable();
    let expected = [
        (0, "tool.call", "success", 5),
        (1, "resource.read", "success", 1),
        (1, "tool.call", "refused", 1),
        // The last record of the ten has no ending.
        (1, "tool.call", "success", 2),
    ];
    assert_eq!(sorted, expected);
    assert_eq!(index.count(at(10), at(20), 3).await.unwrap(), []);
    for (from, until, parts) in [(0, 10, 0), (0, 10, 401), (10, 0, 2), (5, 5, 1)] {
        let refused = index.count(at(from), at(until), parts).await;
        assert!(
            matches!(refused, Err(StoreError::Invalid { .. })),
            "{parts}"
        );
    }
}
