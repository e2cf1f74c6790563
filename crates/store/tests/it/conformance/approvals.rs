//! Requests for approval.

use std::sync::Arc;

use sekimori_domain::Timestamp;
use sekimori_domain::approval::{ApprovalRequest, ApprovalState, ExactCall, Panel, Risk, Shown};
use sekimori_domain::caller::PrincipalKind;
use sekimori_domain::catalog::{Environment, OperationClass};
use sekimori_domain::digest::Digest;
use sekimori_domain::ids::{ApprovalId, PrincipalId};
use sekimori_store::{
    ApprovalNotice, ApprovalQuery, ApprovalTask, ApprovalTaskVersion, LIVE_APPROVALS_MAX, Store,
    StoreError, StoredApproval, Substitution, TASK_VERSIONS_MAX,
};
use uuid::Uuid;

use super::conflict;
use crate::database::TestDatabase;
use crate::fixtures::{at, tool};

pub(super) fn asked(number: u128, who: &str, arguments: &str) -> StoredApproval {
    let call = ExactCall {
        principal: PrincipalId::new(who).unwrap(),
        client: "claude".parse().unwrap(),
        target: tool("bank", "transfer"),
        definition: Some(Digest::of(b"definition")),
        arguments: Digest::of(arguments.as_bytes()),
        policy_version: 3,
        demands: Digest::of(b"demands"),
    };
    StoredApproval {
        request: ApprovalRequest {
            id: ApprovalId::from_uuid(Uuid::from_u128(number)),
            version: 1,
            asked: call.digest(),
            call,
            owner: None,
            shown: Shown {
                requester: "花子".into(),
                kind: PrincipalKind::User,
                client: None,
                class: OperationClass::Update,
                environment: Environment::Production,
                data_classes: Vec::new(),
            },
            demands: Vec::new(),
            risk: Risk::Medium,
            panels: vec![Panel {
                chosen_by: "default".to_owned(),
                groups: vec!["managers".parse().unwrap()],
                people: Vec::new(),
                quorum: 1,
                step_up: false,
            }],
            created_at: at(0),
            expires_at: at(100),
            state: ApprovalState::Pending,
            votes: Vec::new(),
            edits: Vec::new(),
            delegations: Vec::new(),
            closing: None,
            used: None,
        },
        arguments: format!("sealed {arguments}"),
        current: Some(format!("state before {arguments}")),
    }
}

fn next(stored: &StoredApproval, state: ApprovalState) -> StoredApproval {
    let mut next = stored.clone();
    next.request.version += 1;
    next.request.state = state;
    next
}

fn notice(number: u128, request: &StoredApproval) -> ApprovalNotice {
    ApprovalNotice {
        id: Uuid::from_u128(number),
        channel: "mail".into(),
        request: request.request.id.clone(),
        kind: "requested".into(),
        created_at: at(0),
        attempts: 0,
        due_at: Some(at(0)),
        problem: None,
    }
}

/// Times are kept as they are, apart from what the column of microseconds cuts off.
fn ids(found: &[StoredApproval]) -> Vec<u128> {
    let number = |stored: &StoredApproval| {
        let text = stored.request.id.as_str().trim_start_matches("apr_");
        u128::from_str_radix(text, 16).unwrap()
    };
    found.iter().map(number).collect()
}

pub(crate) async fn reads_back_what_was_created(database: &TestDatabase) {
    let store = database.open().await;
    let approvals = store.approvals();
    let one = asked(1, "usr_anna", "100");
    approvals.create(&one, &[]).await.unwrap();
    let found = approvals.get(&one.request.id).await.unwrap().unwrap();
    assert_eq!(found, one);
    let about = approvals.about(&one.request.asked).await.unwrap();
    assert_eq!(about, Some(one.clone()));
    let none = approvals.about(&Digest::of(b"another call")).await;
    assert_eq!(none.unwrap(), None);
    // Changed, it is found by what was asked for and by what may be executed.
    let mut changed = next(&one, ApprovalState::Pending);
    changed.request.call.arguments = Digest::of(b"50");
    changed.arguments = "sealed 50".into();
    approvals.replace(&changed, &[]).await.unwrap();
    for digest in [changed.request.asked, changed.request.call.digest()] {
        let about = approvals.about(&digest).await.unwrap();
        assert_eq!(about, Some(changed.clone()));
    }
}

/// One live request for one call, whoever asks at the same time, and so many of one requester.
pub(crate) async fn a_call_has_one_live_request(database: &TestDatabase) {
    let store = database.open().await;
    let mut askers = tokio::task::JoinSet::new();
    for number in 1..=6 {
        let store = Arc::clone(&store);
        askers.spawn(async move {
            let new = asked(number, "usr_anna", "100");
            let notice = notice(number, &new);
            store.approvals().create(&new, &[notice]).await
        });
    }
    let made = askers.join_all().await;
    assert_eq!(made.iter().filter(|made| made.is_ok()).count(), 1);
    let rest = made.into_iter().filter_map(Result::err);
    assert!(
        rest.into_iter()
            .all(|error| matches!(error, StoreError::Conflict { .. }))
    );
    // Nobody is told of what was not stored.
    let told = store.approval_notices().take(at(0), at(60), 50).await;
    assert_eq!(told.unwrap().len(), 1);
    let approvals = store.approvals();
    let call = asked(1, "usr_anna", "100").request.asked;
    let first = approvals.about(&call).await.unwrap().unwrap();
    approvals
        .replace(&next(&first, ApprovalState::Refused), &[])
        .await
        .unwrap();
    approvals
        .create(&asked(7, "usr_anna", "100"), &[])
        .await
        .unwrap();
    let live = approvals
        .about(&first.request.asked)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(ids(&[live]), [7]);
    for number in 0..u128::from(LIVE_APPROVALS_MAX) - 1 {
        let new = asked(100 + number, "usr_anna", &format!("other {number}"));
        approvals.create(&new, &[]).await.unwrap();
    }
    let full = approvals.create(&asked(999, "usr_anna", "more"), &[]).await;
    assert_eq!(conflict(full), "approval request");
    let others = approvals.create(&asked(999, "usr_bob", "more"), &[]).await;
    others.unwrap();
}

/// Of two nodes that decide, or use, at the same time one has done it (TOOL-3).
pub(crate) async fn of_several_changes_one_wins(database: &TestDatabase) {
    let (one, two) = (database.open().await, database.open().await);
    let new = asked(1, "usr_anna", "100");
    one.approvals().create(&new, &[]).await.unwrap();
    let mut current = new;
    for state in [ApprovalState::Approved, ApprovalState::Used] {
        let mut deciders = tokio::task::JoinSet::new();
        for number in 0..6 {
            let store = Arc::clone(if number % 2 == 0 { &one } else { &two });
            let changed = next(&current, state);
            deciders.spawn(async move { store.approvals().replace(&changed, &[]).await });
        }
        let done = deciders.join_all().await;
        assert_eq!(
            done.iter().filter(|done| done.is_ok()).count(),
            1,
            "{state}"
        );
        current = next(&current, state);
        let stored = two.approvals().get(&current.request.id).await.unwrap();
        assert_eq!(stored, Some(current.clone()));
    }
    // A change must not become the call that another live request is about.
    let other = asked(2, "usr_anna", "50");
    let third = asked(3, "usr_anna", "70");
    one.approvals().create(&other, &[]).await.unwrap();
    one.approvals().create(&third, &[]).await.unwrap();
    let mut same = next(&third, ApprovalState::Pending);
    same.request.call.arguments = other.request.call.arguments;
    assert_eq!(
        conflict(one.approvals().replace(&same, &[]).await),
        "approval request"
    );
}

pub(crate) async fn lists_narrow_and_pages_join(database: &TestDatabase) {
    let store = database.open().await;
    let approvals = store.approvals();
    for number in 1..=5 {
        let who = if number % 2 == 0 {
            "usr_anna"
        } else {
            "usr_bob"
        };
        let new = asked(number, who, &format!("{}", number / 2));
        approvals.create(&new, &[]).await.unwrap();
    }
    let second = asked(2, "usr_anna", "1");
    let refused = next(&second, ApprovalState::Refused);
    approvals.replace(&refused, &[]).await.unwrap();
    let list = async |query| ids(&approvals.list(&query).await.unwrap());
    let all = ApprovalQuery {
        limit: 50,
        ..ApprovalQuery::default()
    };
    assert_eq!(list(all.clone()).await, [5, 4, 3, 2, 1]);
    let of_anna = ApprovalQuery {
        requester: Some("usr_anna".parse().unwrap()),
        ..all.clone()
    };
    assert_eq!(list(of_anna).await, [4, 2]);
    let decided = ApprovalQuery {
        states: vec![ApprovalState::Refused, ApprovalState::Used],
        ..all.clone()
    };
    assert_eq!(list(decided).await, [2]);
    let page = ApprovalQuery {
        before: Some(ApprovalId::from_uuid(Uuid::from_u128(4))),
        limit: 2,
        ..all.clone()
    };
    assert_eq!(list(page).await, [3, 2]);
    assert!(approvals.list(&ApprovalQuery::default()).await.is_err());
    let likeness = second.request.call.likeness();
    let alike = approvals.alike(&likeness, 10).await.unwrap();
    assert_eq!(ids(&alike), [3, 2]);
    assert!(approvals.overdue(at(99), 10).await.unwrap().is_empty());
    let overdue = approvals.overdue(at(100), 10).await.unwrap();
    assert_eq!(ids(&overdue), [1, 3, 4, 5]);
    assert_eq!(approvals.purge(at(101)).await.unwrap(), 1);
    assert_eq!(list(all).await, [5, 4, 3, 1]);
}

pub(crate) async fn substitutes_are_named_and_ended(database: &TestDatabase) {
    let store = database.open().await;
    let approvals = store.approvals();
    let (anna, bob) = ("usr_anna".parse().unwrap(), "usr_bob".parse().unwrap());
    let named = |seconds| Substitution {
        absent: PrincipalId::clone(&anna),
        substitute: PrincipalId::clone(&bob),
        from: Timestamp::from_second(1_000).unwrap(),
        until: Timestamp::from_second(seconds).unwrap(),
    };
    approvals.put_substitution(&named(2_000)).await.unwrap();
    approvals.put_substitution(&named(3_000)).await.unwrap();
    for person in [&anna, &bob] {
        let found = approvals.substitutions_of(person).await.unwrap();
        assert_eq!(found, [named(3_000)]);
    }
    assert!(!approvals.end_substitution(&bob).await.unwrap());
    assert!(approvals.end_substitution(&anna).await.unwrap());
    assert!(approvals.substitutions_of(&bob).await.unwrap().is_empty());
}

/// What is to be told is in the outbox until it was told; nobody else has it meanwhile.
pub(crate) async fn notices_are_told_or_given_up(database: &TestDatabase) {
    let store: Arc<dyn Store> = database.open().await;
    let new = asked(1, "usr_anna", "100");
    let both = [notice(1, &new), notice(2, &new)];
    store.approvals().create(&new, &both).await.unwrap();
    let notices = store.approval_notices();
    let taken = notices.take(at(1), at(60), 50).await.unwrap();
    assert_eq!(taken.len(), 2);
    assert_eq!(
        (taken[0].attempts, taken[0].kind.as_str()),
        (1, "requested")
    );
    let other = database.open().await;
    let meanwhile = other.approval_notices().take(at(59), at(90), 50).await;
    assert!(meanwhile.unwrap().is_empty());
    notices.told(Uuid::from_u128(1)).await.unwrap();
    notices
        .failed(Uuid::from_u128(2), Some(at(30)), "no answer")
        .await
        .unwrap();
    assert!(notices.take(at(29), at(60), 50).await.unwrap().is_empty());
    let again = notices.take(at(31), at(60), 50).await.unwrap();
    assert_eq!((again.len(), again[0].attempts), (1, 2));
    assert_eq!(again[0].problem.as_deref(), Some("no answer"));
    notices
        .failed(Uuid::from_u128(2), None, "no such address")
        .await
        .unwrap();
    assert!(
        notices
            .take(at(9_999), at(9_999), 50)
            .await
            .unwrap()
            .is_empty()
    );
    let lost = notices.given_up(50).await.unwrap();
    assert_eq!(lost[0].problem.as_deref(), Some("no such address"));
    assert!(notices.retry(Uuid::from_u128(2), at(50)).await.unwrap());
    assert!(!notices.retry(Uuid::from_u128(2), at(50)).await.unwrap());
    assert_eq!(notices.take(at(50), at(60), 50).await.unwrap().len(), 1);
}

/// A task is made once, and of two changes at a time one is kept.
pub(crate) async fn tasks_are_changed_one_at_a_time(database: &TestDatabase) {
    let store: Arc<dyn Store> = database.open().await;
    let tasks = store.approval_tasks();
    let id = ApprovalId::from_uuid(Uuid::from_u128(1));
    // Kept to the microsecond.
    let at = |seconds| Timestamp::from_microsecond(at(seconds).as_microsecond()).unwrap();
    let task = ApprovalTask {
        id: id.clone(),
        version: 1,
        created_at: at(0),
        changed_at: at(0),
        expires_at: at(100),
        content: "sealed".to_owned(),
    };
    assert!(tasks.create(&task).await.unwrap());
    assert!(!tasks.create(&task).await.unwrap());
    let running = ApprovalTask {
        version: 2,
        changed_at: at(5),
        content: "sealed anew".to_owned(),
        ..task.clone()
    };
    assert!(tasks.replace(&running).await.unwrap());
    assert!(!tasks.replace(&running).await.unwrap());
    let other = database.open().await.approval_tasks();
    assert_eq!(other.get(&id).await.unwrap(), Some(running.clone()));
    // A change of the task or of its request is one of `approvals`; one that came too late is none.
    let revision = async || store.changes().revisions().await.unwrap().approvals;
    let request = asked(1, "usr_anna", "100");
    store.approvals().create(&request, &[]).await.unwrap();
    let version = |task| ApprovalTaskVersion {
        id: id.clone(),
        task,
        request: request.request.version,
    };
    let unknown = ApprovalId::from_uuid(Uuid::from_u128(2));
    let both = [id.clone(), unknown];
    assert_eq!(tasks.versions(&both).await.unwrap(), [version(2)]);
    let before = revision().await;
    assert!(!tasks.replace(&running).await.unwrap());
    assert_eq!(revision().await, before);
    let ended = ApprovalTask {
        version: 3,
        ..running
    };
    assert!(tasks.replace(&ended).await.unwrap());
    assert_eq!(revision().await, before + 1);
    assert_eq!(tasks.versions(&both).await.unwrap(), [version(3)]);
    assert_eq!(tasks.versions(&[]).await.unwrap(), []);
    let many = vec![id.clone(); TASK_VERSIONS_MAX + 1];
    assert!(tasks.versions(&many).await.is_err());
    assert_eq!(tasks.purge(at(99)).await.unwrap(), 0);
    assert_eq!(tasks.purge(at(100)).await.unwrap(), 1);
    assert_eq!(tasks.get(&id).await.unwrap(), None);
}
