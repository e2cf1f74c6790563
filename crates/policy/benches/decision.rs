//! One decision and one filtered list with 500 policies, 10,000 tools and 1,000 groups.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    missing_docs,
    reason = "a measurement, not the product"
)]

use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use jiff::Timestamp;
use sekimori_domain::arguments::Arguments;
use sekimori_domain::caller::{
    Authentication, AuthenticationMethod, Caller, Client, Principal, PrincipalKind, Source,
};
use sekimori_domain::catalog::{Environment, OperationClass, Target, TargetKind, Tool};
use sekimori_domain::ids::{CallId, ClientId, ConnectorName, DataClass, GroupName, PrincipalId};
use sekimori_domain::policy_set::{PolicyContent, PolicySet};
use sekimori_policy::{
    CompiledPolicies, Expectation, GroupHierarchy, PolicyEngine, PolicySettings, Projections,
};

const CONNECTORS: usize = 200;
const TOOLS: usize = 10_000;
const GROUPS: usize = 1_000;
const POLICIES: usize = 500;

fn group(number: usize) -> GroupName {
    GroupName::new(&format!("group-{number}")).unwrap()
}

fn policy_text() -> String {
    let mut text = String::from(
        "@id(\"mfa\") forbid(principal is Sekimori::User, action in [Sekimori::Action::\"create\", \
         Sekimori::Action::\"update\", Sekimori::Action::\"delete\", Sekimori::Action::\"admin\"], \
         resource in Sekimori::Environment::\"production\") unless { context.auth.mfa };\n\
         @id(\"office\") forbid(principal, action, resource in Sekimori::DataClass::\"confidential\") \
         unless { context has ip && context.ip.isInRange(ip(\"10.0.0.0/8\")) };\n\
         @id(\"hours\") forbid(principal, action in Sekimori::Action::\"call\", resource) \
         unless { context.minuteOfDay >= 300 && context.minuteOfDay <= 1380 };\n\
         @id(\"service\") forbid(principal is Sekimori::ServiceAccount, action, resource) \
         unless { context.client.kind == \"service\" };\n",
    );
    for number in 4..POLICIES {
        let group = number * 7 % GROUPS;
        let connector = number % CONNECTORS;
        let action = ["read", "call", "create", "update"][number % 4];
        let condition = [
            "",
            "when { context.auth.mfa }",
            "unless { resource in Sekimori::DataClass::\"personal\" }",
            "when { principal has department && principal.department == \"sales\" }",
            "when { context.argN.hasTag(\"amount\") && context.argN.getTag(\"amount\") <= 50000 }",
        ][number % 5];
        writeln!(
            text,
            "@id(\"p{number}\") permit(principal in Sekimori::Group::\"group-{group}\", \
             action in Sekimori::Action::\"{action}\", \
             resource in Sekimori::Connector::\"c{connector}\") {condition};"
        )
        .unwrap();
    }
    text
}

fn engine() -> PolicyEngine {
    let set = PolicySet {
        version: 1,
        content: PolicyContent {
            text: policy_text(),
            ..PolicyContent::default()
        },
        author: "bench".to_owned(),
        created_at: Timestamp::UNIX_EPOCH,
    };
    let edges = (1..GROUPS).map(|number| (group(number), group(number / 10)));
    let settings = PolicySettings {
        groups: GroupHierarchy::new(edges),
        ..PolicySettings::default()
    };
    PolicyEngine::new(CompiledPolicies::compile(&set, &settings).unwrap())
}

fn caller(number: usize) -> Caller {
    Caller {
        source: Source {
            ip: Some("10.1.2.3".parse().unwrap()),
            user_agent: None,
            certificate: None,
        },
        ..Caller::new(
            Principal {
                id: PrincipalId::new(&format!("user:{number}@corp.example")).unwrap(),
                kind: PrincipalKind::User,
                display_name: "Someone".to_owned(),
                groups: (0..12)
                    .map(|nth| group((number * 37 + nth * 83) % GROUPS))
                    .collect(),
                department: Some("sales".to_owned()),
                employment: Some("regular".to_owned()),
                environments: None,
            },
            Client::new(
                ClientId::new("https://claude.example/client.json").unwrap(),
                "cimd",
            ),
            Authentication {
                mfa: true,
                amr: vec!["pwd".to_owned(), "otp".to_owned()],
                at: Some(now()),
                scopes: Some(vec!["tools".to_owned()]),
                ..Authentication::new(AuthenticationMethod::AccessToken, "https://gate.example")
            },
        )
    }
}

fn now() -> Timestamp {
    "2026-01-05T01:00:00Z".parse().unwrap()
}

fn tools() -> Vec<Arc<Tool>> {
    let classes = [
        DataClass::internal(),
        DataClass::personal(),
        DataClass::confidential(),
    ];
    (0..TOOLS)
        .map(|number| {
            Arc::new(Tool {
                target: Target {
                    connector: ConnectorName::new(&format!("c{}", number % CONNECTORS)).unwrap(),
                    kind: TargetKind::Tool,
                    name: format!("tool_number_{number}"),
                },
                class: OperationClass::ALL[number / CONNECTORS % 4],
                classified: true,
                idempotent: false,
                data_classes: vec![classes[number % 3].clone()],
                environment: Environment::ALL[number % 3],
                tags: Vec::new(),
                definition: None,
            })
        })
        .collect()
}

/// Criterion tells of means; the goal is on percentiles of single calls.
fn percentiles<T>(name: &str, ask: impl Fn(usize) -> T) {
    const CALLS: usize = 100_000;
    let mut took: Vec<_> = (0..CALLS)
        .map(|turn| {
            let start = std::time::Instant::now();
            black_box(ask(turn));
            start.elapsed()
        })
        .collect();
    took.sort();
    let at = |share: usize| took[(CALLS - 1) * share / 1_000];
    println!(
        "{name}: p50 {:?}, p99 {:?}, p99.9 {:?}",
        at(500),
        at(990),
        at(999)
    );
}

fn decision(c: &mut Criterion) {
    let engine = engine();
    let tools = tools();
    let callers: Vec<_> = (0..200).map(|number| Arc::new(caller(number))).collect();
    let arguments = Arguments::parse(Some(b"{\"amount\":100}")).unwrap();
    let mut projections = Projections::default();
    projections.numbers.insert("amount".to_owned(), 100);
    let call = CallId("01890000-0000-7000-8000-000000000000".parse().unwrap());
    let ask = |turn: usize| {
        let caller = &callers[turn * 31 % callers.len()];
        let tool = &tools[turn * 7_919 % tools.len()];
        engine.authorize(call, caller, tool, &arguments, now(), &projections)
    };
    let allowed: Vec<_> = (0..TOOLS).filter(|turn| ask(*turn).is_ok()).collect();
    assert!(allowed.len() > 100, "{} of {TOOLS} allowed", allowed.len());
    percentiles("authorize, 500 policies, any call", ask);
    percentiles("authorize, 500 policies, allowed calls", |turn| {
        ask(allowed[turn % allowed.len()])
    });
    let mut turn = 0;
    c.bench_function("authorize, 500 policies, any call", |b| {
        b.iter(|| {
            turn += 1;
            black_box(ask(turn))
        });
    });
    c.bench_function("authorize, 500 policies, allowed calls", |b| {
        b.iter(|| {
            turn += 1;
            black_box(ask(allowed[turn % allowed.len()]))
        });
    });
    c.bench_function("visible, 10,000 tools", |b| {
        b.iter(|| black_box(engine.visible(&callers[3], &tools, now())));
    });
    let people: Vec<_> = (0..5_000).map(|number| caller(number).principal).collect();
    let active = engine.active();
    c.bench_function("who-can, 5,000 people", |b| {
        b.iter(|| {
            turn += 1;
            let mut review = active.review();
            let tool = &tools[turn * 7_919 % tools.len()];
            let reached = people.iter().map(|one| review.reach(one, tool).unwrap());
            black_box(
                reached
                    .filter(|reach| reach.best != Expectation::Deny)
                    .count(),
            )
        });
    });
    c.bench_function("what-can, 10,000 tools", |b| {
        b.iter(|| {
            turn += 1;
            let mut review = active.review();
            let who = &people[turn % people.len()];
            let reached = tools.iter().map(|tool| review.reach(who, tool).unwrap());
            black_box(
                reached
                    .filter(|reach| reach.best != Expectation::Deny)
                    .count(),
            )
        });
    });
    c.bench_function("compile, 500 policies", |b| {
        b.iter(|| black_box(self::engine()));
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = decision
}
criterion_main!(benches);
