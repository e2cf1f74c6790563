//! One record has one text: the canonical JSON of RFC 8785.

use std::collections::BTreeMap;

use proptest::prelude::*;
use sekimori_domain::catalog::{Environment, OperationClass, TargetKind};
use sekimori_domain::record::{ArgumentsNote, CallerNote, DecisionNote, Phase, Record, TargetNote};
use serde_json::{Value, json};
use tempfile::tempdir;

use crate::kit::{block_on, open, options, phased, read_all};

/// A record with every member set.
fn full() -> Record {
    let mut record = phased(7, Phase::Outcome, 7);
    record.arguments = Some(ArgumentsNote {
        bytes: 12,
        digest: "00ff".into(),
        masked: Some(json!({"z": 1, "a": {"y": [1, 2.5], "b": null}})),
    });
    record.caller = Some(CallerNote {
        client: "client \"quoted\" \\ \u{7f}\u{1}\n\t".into(),
        client_claimed: Some("claimed".into()),
        groups: vec!["営業".into(), "b".into()],
        id: "user:1".into(),
        ip: Some("2001:db8::1".parse().unwrap()),
        kind: "user".into(),
        method: "access_token".into(),
        mfa: true,
        name: "山田 太郎 😀".into(),
        user_agent: Some("agent/1".into()),
    });
    record.decision = Some(DecisionNote {
        effect: "allow".into(),
        policies: vec!["p".into()],
        version: 3,
    });
    record.outcome = record.outcome.map(|mut outcome| {
        outcome.bytes = Some(5);
        outcome.code = Some("c".into());
        outcome.digest = Some("d".into());
        outcome.message = Some("m".into());
        outcome.stage = Some("s".into());
        outcome
    });
    record.target = Some(TargetNote {
        class: OperationClass::Update,
        classified: true,
        connector: "crm".into(),
        data_classes: vec!["personal".into()],
        definition: Some("sha256:0".into()),
        environment: Environment::Production,
        kind: TargetKind::Tool,
        name: "find".into(),
        resources: vec!["r".into()],
    });
    record.trace = Some("00-1-2-01".into());
    record
}

/// What the journal wrote for a record.
fn written(record: &Record) -> String {
    let dir = tempdir().unwrap();
    let (journal, _) = open(dir.path(), options());
    block_on(journal.writer().append(record)).unwrap();
    read_all(dir.path()).remove(0).text
}

fn jcs(text: &str) -> String {
    let value: Value = serde_json::from_str(text).unwrap();
    serde_json_canonicalizer::to_string(&value).unwrap()
}

#[test]
fn a_record_with_every_member_is_canonical() {
    let text = written(&full());
    assert_eq!(text, jcs(&text));
    // Declared in order, so that the common record needs no second pass.
    let mut plain = full();
    plain.arguments = None;
    assert_eq!(
        serde_json::to_string(&plain).unwrap(),
        jcs(&serde_json::to_string(&plain).unwrap())
    );
}

#[test]
fn numbers_that_a_double_would_change_are_kept_as_text() {
    let mut record = full();
    record.detail = BTreeMap::from([
        ("big".into(), json!(9_007_199_254_740_993_u64)),
        ("exact".into(), json!(9_007_199_254_740_992_u64)),
        ("float".into(), json!(1e300)),
        ("negative".into(), json!(-9_007_199_254_740_993_i64)),
        ("small".into(), json!(1e-7)),
        ("third".into(), json!(0.333)),
        ("whole".into(), json!(3.0)),
    ]);
    let text = written(&record);
    assert_eq!(text, jcs(&text));
    for expected in [
        r#""big":"9007199254740993""#,
        r#""exact":9007199254740992"#,
        r#""float":"1e+300""#,
        r#""negative":"-9007199254740993""#,
        r#""small":"1e-7""#,
        r#""third":0.333"#,
        r#""whole":3"#,
    ] {
        assert!(text.contains(expected), "{expected} in {text}");
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (-1e16..1e16_f64).prop_map(Value::from),
        (-1.0..1.0_f64).prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::vec((".{0,4}", inner), 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever is noted, the text is canonical.
    #[test]
    fn free_values_become_canonical(values in proptest::collection::vec(any_json(), 1..12)) {
        let dir = tempdir().unwrap();
        let (journal, _) = open(dir.path(), options());
        for value in values {
            let mut record = full();
            record.detail = BTreeMap::from([("value".to_owned(), value.clone())]);
            record.arguments = Some(ArgumentsNote { bytes: 1, digest: "0".into(), masked: Some(value) });
            block_on(journal.writer().append(&record)).unwrap();
        }
        for entry in read_all(dir.path()) {
            prop_assert_eq!(&entry.text, &jcs(&entry.text));
        }
    }
}
