use proptest::prelude::*;
use serde_json::json;
use uuid::Uuid;

use super::*;
use crate::catalog::TargetKind;
use crate::ids::ConnectorName;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn who(name: &str) -> PrincipalId {
    PrincipalId::new(name).unwrap()
}

fn group(name: &str) -> GroupName {
    GroupName::new(name).unwrap()
}

fn call(arguments: &[u8]) -> ExactCall {
    ExactCall {
        principal: who("usr_anna"),
        client: ClientId::new("claude").unwrap(),
        target: Target {
            connector: ConnectorName::new("bank").unwrap(),
            kind: TargetKind::Tool,
            name: "transfer".into(),
        },
        definition: Some(Digest::of(b"definition")),
        arguments: Digest::of(arguments),
        policy_version: 7,
        demands: Digest::of(b"demands"),
    }
}

fn tool() -> Tool {
    Tool {
        target: call(b"").target,
        class: OperationClass::Delete,
        classified: true,
        idempotent: false,
        data_classes: Vec::new(),
        environment: Environment::Production,
        tags: Vec::new(),
        definition: None,
    }
}

fn panel(name: &str, quorum: u32) -> Panel {
    Panel {
        chosen_by: "default".into(),
        groups: vec![group(name)],
        people: Vec::new(),
        quorum,
        step_up: false,
    }
}

fn request(quorum: u32) -> ApprovalRequest {
    let call = call(b"100");
    ApprovalRequest {
        id: ApprovalId::from_uuid(Uuid::from_u128(1)),
        version: 1,
        asked: call.digest(),
        call,
        owner: None,
        shown: Shown {
            requester: "Anna".into(),
            kind: PrincipalKind::User,
            client: None,
            class: OperationClass::Delete,
            environment: Environment::Production,
            data_classes: Vec::new(),
        },
        demands: Vec::new(),
        risk: Risk::High,
        panels: vec![panel("managers", quorum)],
        created_at: at(0),
        expires_at: at(100),
        state: ApprovalState::Pending,
        votes: Vec::new(),
        edits: Vec::new(),
        delegations: Vec::new(),
        closing: None,
        used: None,
    }
}

fn person(name: &str, groups: &[&str]) -> Decider {
    Decider {
        id: who(name),
        name: name.to_owned(),
        kind: PrincipalKind::User,
        groups: groups.iter().map(|name| group(name)).collect(),
        holds_right: false,
        stepped_up: false,
        represented: Vec::new(),
    }
}

fn manager(name: &str) -> Decider {
    person(name, &["managers"])
}

fn id(number: u128) -> CallId {
    CallId(Uuid::from_u128(number))
}

/// TOOL-3: with any part of the call another one, the agreement is worth nothing.
#[test]
fn an_agreement_is_bound_to_the_exact_call() {
    let mut approved = request(1);
    approved
        .approve(&manager("usr_bob"), None, None, at(1))
        .unwrap();
    let good = call(b"100");
    let mut others = vec![good.clone(); 8];
    others[0].principal = who("usr_eve");
    others[1].client = ClientId::new("other").unwrap();
    others[2].target.name = "transfer_all".into();
    others[3].target.connector = ConnectorName::new("bank-2").unwrap();
    others[4].definition = Some(Digest::of(b"changed"));
    others[5].arguments = Digest::of(b"101");
    others[6].policy_version = 8;
    others[7].demands = Digest::of(b"more");
    for other in &others {
        assert_ne!(other.digest(), good.digest());
        let error = approved.clone().use_up(other, id(1), at(2)).unwrap_err();
        assert_eq!(error, Fault::OtherCall);
    }
    assert_eq!(
        approved.clone().use_up(&good, id(1), at(100)),
        Err(Fault::Ended)
    );
    approved.use_up(&good, id(1), at(99)).unwrap();
    let twice = approved.use_up(&good, id(2), at(99)).unwrap_err();
    assert_eq!(twice, Fault::Closed(ApprovalState::Used));
    assert_eq!(approved.used.unwrap().call, id(1));
}

#[test]
fn nobody_decides_on_their_own_call_by_any_way() {
    let anna = manager("usr_anna");
    let mut asked = request(1);
    assert_eq!(
        asked.approve(&anna, None, None, at(1)),
        Err(Fault::OwnRequest)
    );
    let holder = Decider {
        holds_right: true,
        ..anna.clone()
    };
    assert_eq!(asked.seat(&holder), Err(Fault::OwnRequest));
    // Not through somebody who hands it over to her.
    let back = asked.delegate(&manager("usr_bob"), who("usr_anna"), "Anna".into(), at(1));
    assert_eq!(back, Err(Fault::BadDelegate));
    // Not through her substitute.
    let substitute = Decider {
        represented: vec![Represented {
            id: anna.id.clone(),
            groups: anna.groups.clone(),
        }],
        ..person("usr_sub", &[])
    };
    assert_eq!(asked.seat(&substitute), Err(Fault::NotAnApprover));
    let program = Decider {
        kind: PrincipalKind::ServiceAccount,
        ..manager("service:bot")
    };
    assert_eq!(asked.seat(&program), Err(Fault::NotAPerson));
    assert_eq!(
        asked.seat(&person("usr_eve", &["staff"])),
        Err(Fault::NotAnApprover)
    );
}

/// What a program asks for is asked for by whoever answers for it.
#[test]
fn nobody_decides_on_calls_of_a_program_that_they_answer_for() {
    let anna = manager("usr_anna");
    let mut asked = ApprovalRequest {
        owner: Some(anna.id.clone()),
        ..request(1)
    };
    asked.call.principal = who("service:batch");
    let alone = asked.approve(&anna, None, None, at(1));
    assert_eq!(alone, Err(Fault::OwnRequest));
    let back = asked.delegate(&manager("usr_bob"), who("usr_anna"), "Anna".into(), at(1));
    assert_eq!(back, Err(Fault::BadDelegate));
    let substitute = Decider {
        represented: vec![Represented {
            id: anna.id.clone(),
            groups: anna.groups.clone(),
        }],
        ..person("usr_sub", &[])
    };
    assert_eq!(asked.seat(&substitute), Err(Fault::NotAnApprover));
    asked
        .approve(&manager("usr_bob"), None, None, at(1))
        .unwrap();
}

#[test]
fn a_quorum_is_of_different_people() {
    let mut asked = request(2);
    let (bob, carol) = (manager("usr_bob"), manager("usr_carol"));
    asked.approve(&bob, None, Some("ok".into()), at(1)).unwrap();
    assert_eq!(asked.state, ApprovalState::Pending);
    assert_eq!(
        asked.approve(&bob, None, None, at(2)),
        Err(Fault::AlreadyAgreed)
    );
    // Whoever stands in for Bob has his voice, and it was given.
    let substitute = Decider {
        represented: vec![Represented {
            id: bob.id.clone(),
            groups: bob.groups.clone(),
        }],
        ..person("usr_sub", &[])
    };
    assert_eq!(
        asked.approve(&substitute, None, None, at(2)),
        Err(Fault::AlreadyAgreed)
    );
    asked.approve(&carol, None, None, at(3)).unwrap();
    assert_eq!(asked.state, ApprovalState::Approved);
    assert_eq!(
        asked.refuse(&manager("usr_dave"), "no".into(), at(4)),
        Err(Fault::Closed(ApprovalState::Approved))
    );
}

/// Two demands that name different people are both to be met; one person on both panels counts for both.
#[test]
fn every_panel_must_agree() {
    let mut asked = request(1);
    asked.panels.push(panel("lawyers", 1));
    let mut both = asked.clone();
    asked
        .approve(&manager("usr_bob"), None, None, at(1))
        .unwrap();
    assert_eq!(asked.state, ApprovalState::Pending);
    let second = manager("usr_carol");
    asked.approve(&second, None, None, at(1)).unwrap();
    assert_eq!(asked.state, ApprovalState::Pending);
    let lawyer = person("usr_dave", &["lawyers"]);
    asked.approve(&lawyer, None, None, at(1)).unwrap();
    assert_eq!(asked.state, ApprovalState::Approved);

    let head = person("usr_erin", &["lawyers", "managers"]);
    both.approve(&head, None, None, at(1)).unwrap();
    assert_eq!(both.state, ApprovalState::Approved);
    let mut nobody = request(1);
    nobody.panels.clear();
    let holder = Decider {
        holds_right: true,
        ..manager("usr_bob")
    };
    let _ = nobody.approve(&holder, None, None, at(1));
    assert_ne!(nobody.state, ApprovalState::Approved);
}

#[test]
fn demands_and_routes_choose_the_panels() {
    let named = |groups: &[&str], quorum| ApprovalDemand {
        approvers: groups.iter().map(|&name| name.to_owned()).collect(),
        quorum,
        ..ApprovalDemand::new("p", "why")
    };
    let route = |name: &str, group_name: &str| Route {
        name: name.into(),
        when: When::default(),
        groups: vec![group(group_name)],
        person_from: None,
        quorum: 1,
        step_up: false,
        expires_hours: None,
    };
    let routes = Routes {
        routes: Vec::new(),
        otherwise: route("default", "managers"),
    };
    let groups = |panels: &[Panel]| -> Vec<(String, u32)> {
        let each = panels.iter();
        each.map(|panel| (panel.groups[0].to_string(), panel.quorum))
            .collect()
    };
    let (nobody, lawyers) = (named(&[], 2), named(&["lawyers"], 1));
    let of = |demands: &[&ApprovalDemand]| groups(&routes.panels(None, None, demands));
    assert_eq!(of(&[&nobody]), [("managers".to_owned(), 2)]);
    assert_eq!(of(&[&lawyers]), [("lawyers".to_owned(), 1)]);
    assert_eq!(
        of(&[&lawyers, &nobody]),
        [("managers".to_owned(), 2), ("lawyers".to_owned(), 1)]
    );
    let again = named(&["lawyers"], 3);
    assert_eq!(of(&[&lawyers, &again]), [("lawyers".to_owned(), 3)]);
    let large = route("large", "directors");
    let panels = routes.panels(Some(&large), Some(who("usr_owner")), &[&lawyers]);
    assert_eq!(
        groups(&panels),
        [("directors".to_owned(), 1), ("lawyers".to_owned(), 1)]
    );
    assert_eq!(panels[0].people, [who("usr_owner")]);
}

#[test]
fn who_hands_over_has_no_voice_any_more() {
    let mut asked = request(1);
    let (bob, carol) = (manager("usr_bob"), person("usr_carol", &[]));
    asked
        .delegate(&bob, carol.id.clone(), "Carol".into(), at(1))
        .unwrap();
    assert_eq!(
        asked.approve(&bob, None, None, at(2)),
        Err(Fault::HandedOver)
    );
    let back = asked.delegate(&carol, bob.id.clone(), "Bob".into(), at(2));
    assert_eq!(back, Err(Fault::BadDelegate), "not in a circle");
    asked.approve(&carol, None, None, at(3)).unwrap();
    assert_eq!(asked.votes[0].on_behalf_of, Some(bob.id));
}

#[test]
fn a_change_needs_new_agreement_to_the_new_arguments() {
    let mut asked = request(2);
    let (bob, carol) = (manager("usr_bob"), manager("usr_carol"));
    let before = asked.call.arguments;
    asked.approve(&bob, Some(&before), None, at(1)).unwrap();
    let less = call(b"50");
    asked.edit(&carol, less.arguments, at(2)).unwrap();
    assert!(asked.votes.is_empty() && asked.is_edited());
    assert_eq!(asked.asked, call(b"100").digest());
    assert_eq!(
        asked.approve(&bob, Some(&before), None, at(3)),
        Err(Fault::Changed)
    );
    asked
        .approve(&bob, Some(&less.arguments), None, at(3))
        .unwrap();
    asked
        .approve(&carol, Some(&less.arguments), None, at(3))
        .unwrap();
    assert_eq!(
        asked.use_up(&call(b"100"), id(1), at(4)),
        Err(Fault::OtherCall)
    );
    asked.use_up(&less, id(1), at(4)).unwrap();
}

#[test]
fn a_refusal_has_a_reason_and_step_up_is_asked_for() {
    let mut asked = request(1);
    asked.panels[0].step_up = true;
    let bob = manager("usr_bob");
    assert_eq!(
        asked.refuse(&bob, "no".into(), at(1)),
        Err(Fault::StepUpNeeded)
    );
    let bob = Decider {
        stepped_up: true,
        ..bob
    };
    assert_eq!(
        asked.refuse(&bob, "  ".into(), at(1)),
        Err(Fault::ReasonNeeded)
    );
    asked.refuse(&bob, "not this month".into(), at(1)).unwrap();
    let closing = asked.closing.unwrap();
    assert_eq!(closing.reason.as_deref(), Some("not this month"));
}

#[test]
fn a_call_goes_on_once_per_question() {
    let mut used = request(1);
    assert!(
        used.go_on(&call(b"100"), 0).is_err(),
        "not before it was made"
    );
    used.approve(&manager("usr_bob"), None, None, at(1))
        .unwrap();
    used.use_up(&call(b"100"), id(1), at(2)).unwrap();
    used.go_on(&call(b"100"), 0).unwrap();
    assert!(used.go_on(&call(b"100"), 0).is_err());
    assert!(used.go_on(&call(b"99"), 1).is_err());
    used.go_on(&call(b"100"), 1).unwrap();
}

#[test]
fn routes_go_by_the_value_of_arguments() {
    let route = |name: &str, when: When, group_name: &str| Route {
        name: name.into(),
        when,
        groups: vec![group(group_name)],
        person_from: None,
        quorum: 1,
        step_up: false,
        expires_hours: None,
    };
    let large = When {
        argument: Some(ArgumentTest {
            pointer: "/amount".into(),
            at_least: Some(1_000_000.0),
            one_of: Vec::new(),
        }),
        ..When::default()
    };
    let abroad = When {
        argument: Some(ArgumentTest {
            pointer: "/to/country".into(),
            at_least: None,
            one_of: vec![json!("US"), json!("FR")],
        }),
        ..When::default()
    };
    let routes = Routes {
        routes: vec![
            route("large", large, "directors"),
            route("abroad", abroad, "treasury"),
        ],
        otherwise: route("all", When::default(), "managers"),
    };
    let of = |arguments| {
        routes
            .of(&tool(), &arguments, &[])
            .map_or("all".to_owned(), |route| route.name.clone())
    };
    assert_eq!(of(json!({"amount": 1_000_000})), "large");
    assert_eq!(of(json!({"amount": "2500000"})), "large");
    // In doubt the larger amount counts.
    assert_eq!(of(json!({"amount": "２５０"})), "large");
    assert_eq!(of(json!({})), "large");
    assert_eq!(of(json!({"amount": 5, "to": {"country": "US"}})), "abroad");
    assert_eq!(of(json!({"amount": 5, "to": {"country": "JP"}})), "all");
    let owner = Route {
        person_from: Some("/owner".into()),
        ..routes.otherwise.clone()
    };
    assert_eq!(
        owner.named_person(&json!({"owner": "bob@x"})),
        Some("bob@x")
    );
}

#[test]
fn risk_grows_with_class_data_and_production() {
    let mut tool = tool();
    assert_eq!(Risk::of(&tool), Risk::High);
    tool.environment = Environment::Development;
    assert_eq!(Risk::of(&tool), Risk::Medium);
    tool.class = OperationClass::Read;
    assert_eq!(Risk::of(&tool), Risk::Low);
    tool.environment = Environment::Production;
    tool.data_classes = vec![DataClass::personal()];
    assert_eq!(Risk::of(&tool), Risk::Medium);
}

/// Everything that anybody may try, in any order.
#[derive(Debug, Clone)]
enum Try {
    Approve(usize),
    Refuse(usize),
    Edit(usize, u8),
    Delegate(usize, usize),
    Cancel(usize),
    Expire,
    Use(u8),
    GoOn(u32),
    Wait(i64),
}

fn tries() -> impl Strategy<Value = Vec<Try>> {
    let someone = 0..6_usize;
    let one = prop_oneof![
        4 => someone.clone().prop_map(Try::Approve),
        1 => someone.clone().prop_map(Try::Refuse),
        1 => (someone.clone(), 0..3_u8).prop_map(|(who, what)| Try::Edit(who, what)),
        1 => (someone.clone(), someone.clone()).prop_map(|(from, to)| Try::Delegate(from, to)),
        1 => someone.prop_map(Try::Cancel),
        1 => Just(Try::Expire),
        4 => (0..3_u8).prop_map(Try::Use),
        1 => (0..3_u32).prop_map(Try::GoOn),
        1 => (1..60_i64).prop_map(Try::Wait),
    ];
    prop::collection::vec(one, 0..40)
}

fn people() -> Vec<Decider> {
    let absent = manager("usr_bob");
    vec![
        manager("usr_anna"), // who asked
        manager("usr_bob"),
        manager("usr_carol"),
        person("usr_dave", &[]),
        Decider {
            represented: vec![Represented {
                id: absent.id,
                groups: absent.groups,
            }],
            ..person("usr_erin", &[])
        },
        Decider {
            kind: PrincipalKind::ServiceAccount,
            ..manager("service:bot")
        },
    ]
}

fn amount(what: u8) -> ExactCall {
    call(format!("{}", 100 - u32::from(what)).as_bytes())
}

proptest! {
    /// No sequence of events gives two executions or two decisions, and what is executed was agreed to by
    /// enough people, of whom none asked for it (TOOL-3).
    #[test]
    fn no_sequence_of_events_executes_or_decides_twice(quorum in 1..4_u32, tries in tries()) {
        let people = people();
        let mut asked = request(quorum);
        let (mut now, mut executions, mut decisions) = (0, 0, 0);
        for one in tries {
            let before = asked.clone();
            let done = match one {
                Try::Approve(who) => asked.approve(&people[who], None, None, at(now)).is_ok(),
                Try::Refuse(who) => asked.refuse(&people[who], "no".into(), at(now)).is_ok(),
                Try::Edit(who, what) => asked.edit(&people[who], amount(what).arguments, at(now)).is_ok(),
                Try::Delegate(from, to) => {
                    asked.delegate(&people[from], people[to].id.clone(), String::new(), at(now)).is_ok()
                }
                Try::Cancel(who) => asked.cancel(&people[who], at(now)).is_ok(),
                Try::Expire => asked.expire(at(now)),
                Try::Use(what) => {
                    let call = amount(what);
                    let done = asked.use_up(&call, id(9), at(now)).is_ok();
                    if done {
                        executions += 1;
                        prop_assert!(now < 100);
                        prop_assert_eq!(before.state, ApprovalState::Approved);
                        prop_assert_eq!(&call, &before.call);
                        prop_assert!(before.votes.len() >= usize::try_from(quorum).unwrap());
                    }
                    done
                }
                Try::GoOn(round) => asked.go_on(&before.call, round).is_ok(),
                Try::Wait(seconds) => {
                    now += seconds;
                    false
                }
            };
            // Nothing happens by halves: what was refused changed nothing, what was done has a new version.
            if done {
                prop_assert_eq!(asked.version, before.version + 1);
            } else {
                prop_assert_eq!(&asked, &before);
            }
            if before.state == ApprovalState::Pending && asked.state != ApprovalState::Pending {
                decisions += 1;
            }
            if !before.state.is_live() {
                prop_assert_eq!(asked.state, before.state);
            }
            let mut voices: Vec<_> = asked
                .votes
                .iter()
                .map(|vote| vote.on_behalf_of.clone().unwrap_or_else(|| vote.by.clone()))
                .collect();
            let all = voices.len();
            voices.sort();
            voices.dedup();
            prop_assert_eq!(voices.len(), all, "one voice each");
            prop_assert!(asked.votes.iter().all(|vote| vote.by != asked.call.principal));
            prop_assert!(!voices.contains(&asked.call.principal));
        }
        prop_assert!(executions <= 1);
        prop_assert!(decisions <= 1);
    }
}
