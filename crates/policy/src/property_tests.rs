//! The indexed decision equals the decision over all policies and all facts.

use std::fmt::Write as _;

use jiff::Timestamp;
use proptest::prelude::*;
use sekimori_domain::caller::{
    Authentication, AuthenticationMethod, Caller, Circumstances, Client, Device, Principal,
    PrincipalKind, Source,
};
use sekimori_domain::catalog::{Environment, OperationClass, Target, TargetKind, Tool};
use sekimori_domain::constraint::ToolTag;
use sekimori_domain::ids::{ClientId, ConnectorName, DataClass, GroupName, PrincipalId};
use sekimori_domain::policy_set::{PolicyContent, PolicySet};
use sekimori_domain::record::Record;
use serde_json::json;

use crate::assertions::Expectation;
use crate::compiled::{CompiledPolicies, PolicySettings};
use crate::decide::Verdict;
use crate::groups::GroupHierarchy;
use crate::replay::{FACTS, ImpactReport, RecordedCall, facts};
use crate::situation::{Projections, Situation};

const PRINCIPALS: [&str; 8] = [
    "principal",
    "principal in Sekimori::Group::\"g0\"",
    "principal in Sekimori::Role::\"g1\"",
    "principal in Sekimori::Role::\"parent\"",
    "principal == Sekimori::User::\"user:u0\"",
    "principal is Sekimori::ServiceAccount",
    "principal is Sekimori::User in Sekimori::Group::\"g2\"",
    "principal is Sekimori::Anonymous",
];

const ACTIONS: [&str; 6] = [
    "action",
    "action == Sekimori::Action::\"read\"",
    "action in Sekimori::Action::\"call\"",
    "action in [Sekimori::Action::\"create\", Sekimori::Action::\"delete\"]",
    "action == Sekimori::Action::\"admin\"",
    "action == Sekimori::Action::\"list\"",
];

const RESOURCES: [&str; 10] = [
    "resource in Sekimori::Tag::\"payment\"",
    "resource",
    "resource in Sekimori::Connector::\"c0\"",
    "resource in Sekimori::Connector::\"c1\"",
    "resource in Sekimori::Environment::\"production\"",
    "resource in Sekimori::DataClass::\"personal\"",
    "resource == Sekimori::Tool::\"c0/t0\"",
    "resource is Sekimori::Tool",
    "resource is Sekimori::Prompt in Sekimori::Connector::\"c0\"",
    "resource is Sekimori::Resource",
];

const CONDITIONS: [&str; 32] = [
    "unless { [\"personal\"].containsAll(resource.dataClasses) }",
    "when { resource in Sekimori::Tag::\"sends-mail\" }",
    "",
    "when { principal in [Sekimori::Group::\"g0\", Sekimori::Group::\"g2\"] }",
    "when { resource in [Sekimori::Connector::\"c0\", Sekimori::Connector::\"c2\"] }",
    "unless { resource == Sekimori::Tool::\"c0/t1\" }",
    "when { resource is Sekimori::Tool in Sekimori::Connector::\"c1\" }",
    "when { {who: principal}.who has department }",
    "unless { resource.class == \"read\" || resource.name like \"t1*\" }",
    "when { [resource].contains(resource) && {what: resource}.what.name == \"t1\" }",
    "when { context == context && context.auth.amr.contains(\"otp\") }",
    "when { action == Sekimori::Action::\"read\" }",
    "unless { action in [Sekimori::Action::\"delete\", Sekimori::Action::\"list\"] }",
    "when { context.auth.mfa }",
    "unless { context has ip && context.ip.isInRange(ip(\"10.0.0.0/8\")) }",
    "when { resource in Sekimori::DataClass::\"personal\" }",
    "when { resource.name == \"t0\" }",
    "unless { resource.classified }",
    "when { principal has department && principal.department == \"sales\" }",
    "when { (if context.auth.mfa then principal else principal) has employment }",
    "when { context.argN.hasTag(\"n\") && context.argN.getTag(\"n\") <= 5 }",
    // Overflows for large values: an evaluation error, which must deny on both roads.
    "when { context.argN.hasTag(\"n\") && context.argN.getTag(\"n\") * 9223372036854775807 > 0 }",
    "unless { context.argSet.hasTag(\"to\") && [\"a.jp\"].containsAll(context.argSet.getTag(\"to\")) }",
    "when { context.minuteOfDay < 1080 && context.weekday <= 5 }",
    "when { context.now < datetime(\"2026-06-01T00:00:00Z\") }",
    "unless { context has zones && context.zones.contains(\"office\") }",
    "when { context has country && context.country == \"JP\" }",
    "unless { context has holiday && context.holiday }",
    "when { context has device && context.device has compliant && context.device.compliant }",
    "when { context has scopes && context.scopes.contains(\"tools\") }",
    "when { principal in Sekimori::Group::\"g1\" && {context: 1} == {context: 1} }",
    "when { context.client.kind == \"service\" && context.auth has acr }",
];

const NOTES: [&str; 3] = ["", "@approval(\"ask\") ", "@notice(\"no\") "];

fn policy_text() -> impl Strategy<Value = String> {
    let rule = (
        prop::bool::weighted(0.7),
        prop::sample::select(&PRINCIPALS[..]),
        prop::sample::select(&ACTIONS[..]),
        prop::sample::select(&RESOURCES[..]),
        prop::sample::select(&CONDITIONS[..]),
        prop::sample::select(&NOTES[..]),
    );
    prop::collection::vec(rule, 0..80).prop_map(|rules| {
        let mut text = String::new();
        for (number, (permit, principal, action, resource, condition, note)) in
            rules.into_iter().enumerate()
        {
            let effect = if permit { "permit" } else { "forbid" };
            writeln!(
                text,
                "@id(\"p{number}\") {note}{effect} ({principal}, {action}, {resource}) {condition};"
            )
            .unwrap();
        }
        text
    })
}

fn caller() -> impl Strategy<Value = Caller> {
    let kind = prop::sample::select(vec![
        PrincipalKind::User,
        PrincipalKind::User,
        PrincipalKind::ServiceAccount,
        PrincipalKind::Anonymous,
    ]);
    let groups = prop::collection::vec(0..4_u8, 0..4);
    let department = prop::option::of(Just("sales".to_owned()));
    let ip = prop::option::of(prop::sample::select(vec![
        "10.1.2.3",
        "::ffff:10.0.0.1",
        "8.8.8.8",
    ]));
    let scopes = prop::option::of(Just(vec!["tools".to_owned()]));
    (kind, 0..2_u8, groups, department, ip, any::<bool>(), scopes).prop_map(
        |(kind, number, groups, department, ip, mfa, scopes)| Caller {
            principal: Principal {
                id: PrincipalId::new(&format!("user:u{number}")).unwrap(),
                kind,
                display_name: "someone".to_owned(),
                groups: groups
                    .into_iter()
                    .map(|group| GroupName::new(&format!("g{group}")).unwrap())
                    .collect(),
                employment: department.clone(),
                department,
                environments: None,
            },
            client: Client::new(
                ClientId::new("client").unwrap(),
                if mfa { "service" } else { "dynamic" },
            ),
            authentication: Authentication {
                mfa,
                acr: mfa.then(|| "high".to_owned()),
                amr: vec!["otp".to_owned()],
                scopes,
                ..Authentication::new(AuthenticationMethod::AccessToken, "https://issuer.example")
            },
            source: Source {
                ip: ip.map(|ip| ip.parse().unwrap()),
                user_agent: None,
                certificate: None,
            },
            circumstances: Circumstances {
                zones: ip.map(|ip| {
                    if mfa {
                        vec!["office".to_owned()]
                    } else {
                        vec![ip.to_owned()]
                    }
                }),
                country: (number == 0).then(|| "JP".to_owned()),
                device: (number == 1).then(|| Device {
                    compliant: mfa.then_some(true),
                    ..Device::default()
                }),
            },
        },
    )
}

fn tool() -> impl Strategy<Value = Tool> {
    (
        0..3_u8,
        0..2_u8,
        prop::sample::select(vec![
            TargetKind::Tool,
            TargetKind::Prompt,
            TargetKind::Resource,
        ]),
        prop::sample::select(OperationClass::ALL.to_vec()),
        prop::bool::weighted(0.8),
        any::<bool>(),
        prop::sample::select(Environment::ALL.to_vec()),
        prop::sample::subsequence(vec![ToolTag::Payment, ToolTag::SendsMail], 0..=2),
    )
        .prop_map(
            |(connector, name, kind, class, classified, personal, environment, tags)| Tool {
                target: Target {
                    connector: ConnectorName::new(&format!("c{connector}")).unwrap(),
                    kind,
                    name: format!("t{name}"),
                },
                class,
                idempotent: false,
                classified,
                data_classes: personal.then(DataClass::personal).into_iter().collect(),
                environment,
                tags,
                definition: None,
            },
        )
}

fn projections() -> impl Strategy<Value = Projections> {
    let number = prop::option::of(prop::sample::select(vec![1_i64, 9]));
    let to = prop::option::of(prop::sample::select(vec!["a.jp", "b.jp"]));
    (number, to).prop_map(|(number, to)| Projections {
        numbers: number
            .map(|number| ("n".to_owned(), number))
            .into_iter()
            .collect(),
        sets: to
            .map(|to| ("to".to_owned(), [to.to_owned()].into_iter().collect()))
            .into_iter()
            .collect(),
        ..Projections::default()
    })
}

fn compile(text: &str) -> CompiledPolicies {
    let set = PolicySet {
        version: 1,
        content: PolicyContent {
            text: text.to_owned(),
            ..PolicyContent::default()
        },
        author: "test".to_owned(),
        created_at: Timestamp::UNIX_EPOCH,
    };
    let groups = GroupHierarchy::new([
        (
            GroupName::new("g3").unwrap(),
            GroupName::new("parent").unwrap(),
        ),
        (
            GroupName::new("parent").unwrap(),
            GroupName::new("g0").unwrap(),
        ),
    ]);
    let settings = PolicySettings {
        groups,
        ..PolicySettings::default()
    };
    CompiledPolicies::compile(&set, &settings).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_index_changes_no_decision(
        text in policy_text(),
        requests in prop::collection::vec((caller(), tool(), projections()), 30),
    ) {
        let policies = compile(&text);
        let now = "2026-03-02T03:04:05Z".parse().unwrap();
        let later = "2026-03-07T12:34:56Z".parse().unwrap();
        let nothing = Projections::default();
        for (caller, tool, projections) in &requests {
            let situation = Situation::new(caller, now, projections);
            let quick = policies.decide(&situation, tool).unwrap();
            let full = policies.decide_fully(&situation, tool).unwrap();
            prop_assert_eq!(&*quick, &full);
            // What is remembered by now holds for what differs in time and arguments.
            let other = Situation::new(caller, later, &nothing);
            let quick_again = policies.decide(&other, tool).unwrap();
            let full_again = policies.decide_fully(&other, tool).unwrap();
            prop_assert_eq!(&*quick_again, &full_again);
            // A callable tool is never hidden, but for a forbid of `list`.
            if matches!(*quick, Verdict::Allow { .. }) && !text.contains("Action::\"list\"") {
                let shown = policies.visible(caller, std::iter::once(tool), now).unwrap();
                prop_assert!(shown[0], "{quick:?}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    /// What was found out for one tool of a list is used for another only where that changes nothing.
    #[test]
    fn a_list_shows_what_each_tool_alone_would(
        text in policy_text(),
        caller in caller(),
        tools in prop::collection::vec(tool(), 40),
    ) {
        let policies = compile(&text);
        let now = "2026-03-02T03:04:05Z".parse().unwrap();
        let together = policies.visible(&caller, tools.iter(), now).unwrap();
        for (tool, shown) in tools.iter().zip(together) {
            let alone = policies.visible(&caller, std::iter::once(tool), now).unwrap();
            prop_assert_eq!(&[shown][..], &alone[..], "{:?}", tool);
        }
    }
}

/// The record that the gate leaves of a call.
fn record(
    caller: &Caller,
    tool: &Tool,
    projections: &Projections,
    now: Timestamp,
    verdict: &Verdict,
) -> Record {
    let (effect, policies, approval) = match verdict {
        Verdict::Allow {
            policies,
            approvals,
        } => ("allow", policies.clone(), !approvals.is_empty()),
        _ => ("deny", Vec::new(), false),
    };
    let facts = facts(caller, tool, projections, now, approval);
    let names = |names: Vec<String>| json!(names);
    let groups = caller.principal.groups.iter().map(ToString::to_string);
    let classes = tool.data_classes.iter().map(ToString::to_string);
    // Through JSON, as the journal keeps it.
    serde_json::from_value(json!({
        "caller": {
            "client": caller.client.id, "groups": names(groups.collect()),
            "id": caller.principal.id, "ip": caller.source.ip,
            "kind": caller.principal.kind, "method": caller.authentication.method,
            "mfa": caller.authentication.mfa, "name": "somebody",
        },
        "correlation": "c1", "decision": {"effect": effect, "policies": policies, "version": 1},
        "detail": {FACTS: facts}, "event": "tool.call",
        "id": "01990000-0000-7000-8000-000000000000", "node": "n1", "phase": "single",
        "target": {
            "class": tool.class, "classified": tool.classified,
            "connector": tool.target.connector, "data_classes": names(classes.collect()),
            "environment": tool.environment, "kind": tool.target.kind, "name": tool.target.name,
        },
        "time": now, "v": 1,
    }))
    .unwrap()
}

fn severity(expectation: Expectation) -> u8 {
    match expectation {
        Expectation::Deny => 0,
        Expectation::Approval => 1,
        Expectation::Allow => 2,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    /// A recorded call is decided again as it was, by the same policies; and an impact report of the policies
    /// in force is empty.
    #[test]
    fn a_replay_equals_the_decision(
        text in policy_text(),
        requests in prop::collection::vec((caller(), tool(), projections()), 20),
    ) {
        let policies = compile(&text);
        let now = "2026-03-02T03:04:05.678Z".parse().unwrap();
        let mut report = ImpactReport::default();
        for (caller, tool, projections) in &requests {
            let situation = Situation::new(caller, now, projections);
            let verdict = policies.decide(&situation, tool).unwrap();
            let record = record(caller, tool, projections, now, &verdict);
            let recorded = RecordedCall::of(&record).unwrap();
            let again = policies.replay(&recorded).unwrap();
            prop_assert_eq!(again.decision, recorded.decided);
            if let Verdict::Allow { policies, .. } = &*verdict {
                prop_assert_eq!(&again.policies, policies);
            }
            report.add(&policies, &record).unwrap();
        }
        let impact = report.finish();
        prop_assert_eq!(impact.calls, 20);
        prop_assert_eq!((impact.skipped, impact.changed), (0, 0));
    }

    /// AUTHZ-9: no decision is better than the best case of a review, and none worse than the worst.
    #[test]
    fn a_review_brackets_every_decision(
        text in policy_text(),
        requests in prop::collection::vec((caller(), tool(), projections()), 30),
    ) {
        let policies = compile(&text);
        let now = "2026-03-02T03:04:05Z".parse().unwrap();
        let mut review = policies.review();
        for (caller, tool, projections) in &requests {
            let situation = Situation::new(caller, now, projections);
            let verdict = policies.decide(&situation, tool).unwrap();
            if matches!(*verdict, Verdict::Broken { .. }) {
                continue; // a review can't foresee which arguments break a policy
            }
            let (decided, ..) = policies.in_words(&verdict, tool);
            let reach = review.reach(&caller.principal, tool).unwrap();
            prop_assert!(severity(decided) <= severity(reach.best), "{decided:?} {reach:?}");
            prop_assert!(severity(decided) >= severity(reach.worst), "{decided:?} {reach:?}");
        }
    }
}
