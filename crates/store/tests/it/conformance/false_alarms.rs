//! False alarms of inspection.

use sekimori_domain::false_alarm::{Alarmed, FalseAlarm, FalseAlarmDecision, FalseAlarmState};
use sekimori_domain::ids::PrincipalId;
use sekimori_store::{FALSE_ALARMS_PER_PERSON, StoreError};

use crate::database::TestDatabase;
use crate::fixtures::{at, name};

fn alarm(number: u32, by: &str) -> FalseAlarm {
    FalseAlarm {
        id: format!("fa-{number:04}"),
        correlation: format!("request {number}"),
        by: PrincipalId::new(by).unwrap(),
        at: at(1),
        connector: name("crm"),
        tool: "update_customer".to_owned(),
        alarmed: vec![Alarmed {
            kind: "PHONE".to_owned(),
            direction: "input".to_owned(),
            action: "block".to_owned(),
            rule: Some("phones".to_owned()),
            count: 2,
        }],
        note: "型番です".to_owned(),
        state: FalseAlarmState::Open,
        decision: None,
    }
}

pub(crate) async fn reports_wait_until_one_person_decides(database: &TestDatabase) {
    let store = database.open().await;
    let alarms = store.false_alarms();
    let (one, two) = (alarm(1, "user:hanako"), alarm(2, "user:taro"));
    alarms.add(&one).await.unwrap();
    alarms.add(&two).await.unwrap();
    let again = FalseAlarm {
        id: "fa-9999".to_owned(),
        ..one.clone()
    };
    assert!(matches!(
        alarms.add(&again).await,
        Err(StoreError::Conflict { .. })
    ));
    assert_eq!(alarms.get("fa-0001").await.unwrap(), Some(one.clone()));
    assert_eq!(alarms.get("fa-9999").await.unwrap(), None);
    let open = Some(FalseAlarmState::Open);
    let all = alarms.list(open, None, None, 10).await.unwrap();
    assert_eq!(all, [one.clone(), two.clone()]);
    let first = alarms.list(open, None, None, 1).await.unwrap();
    let rest = alarms
        .list(open, None, Some(&first[0].id), 10)
        .await
        .unwrap();
    assert_eq!(rest, std::slice::from_ref(&two));
    let own = alarms.list(None, Some(&two.by), None, 10).await.unwrap();
    assert_eq!(own, std::slice::from_ref(&two));

    let decided = FalseAlarm {
        state: FalseAlarmState::Accepted,
        decision: Some(FalseAlarmDecision {
            by: "user:suzuki".to_owned(),
            at: at(5),
            reason: "a part number".to_owned(),
            rules: Some(3),
        }),
        ..one.clone()
    };
    assert!(alarms.decide(&decided).await.unwrap());
    let other = FalseAlarm {
        state: FalseAlarmState::Rejected,
        ..decided.clone()
    };
    assert!(!alarms.decide(&other).await.unwrap(), "it is decided");
    assert_eq!(alarms.get(&one.id).await.unwrap(), Some(decided.clone()));
    assert_eq!(alarms.list(open, None, None, 10).await.unwrap(), [two]);
    let accepted = Some(FalseAlarmState::Accepted);
    assert_eq!(
        alarms.list(accepted, None, None, 10).await.unwrap(),
        [decided]
    );
}

pub(crate) async fn nobody_fills_the_queue_alone(database: &TestDatabase) {
    let store = database.open().await;
    let alarms = store.false_alarms();
    for number in 0..FALSE_ALARMS_PER_PERSON {
        alarms.add(&alarm(number, "user:hanako")).await.unwrap();
    }
    let more = alarms.add(&alarm(900, "user:hanako")).await;
    assert!(matches!(more, Err(StoreError::Invalid { .. })), "{more:?}");
    alarms.add(&alarm(901, "user:taro")).await.unwrap();
}
