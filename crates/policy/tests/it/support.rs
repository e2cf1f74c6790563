//! Callers and tools to decide on.

use std::sync::Arc;

use jiff::Timestamp;
use sekimori_domain::arguments::Arguments;
use sekimori_domain::caller::{
    Authentication, AuthenticationMethod, Caller, Client, Principal, PrincipalKind,
};
use sekimori_domain::catalog::{Environment, OperationClass, Target, TargetKind, Tool};
use sekimori_domain::ids::{CallId, ClientId, ConnectorName, DataClass, GroupName, PrincipalId};
use sekimori_domain::policy_set::{PolicyContent, PolicySet};
use sekimori_domain::refusal::Refusal;
use sekimori_domain::road::Permit;
use sekimori_domain::role::GuardRails;
use sekimori_policy::{
    CompiledPolicies, PolicyEngine, PolicySettings, Projections, guard_rail_catalogue,
};

pub(crate) fn policy_set(text: &str, tests: &str) -> PolicySet {
    PolicySet {
        version: 7,
        content: PolicyContent {
            text: text.to_owned(),
            tests: tests.to_owned(),
            guard_rails: no_guard_rails(),
            ..PolicyContent::default()
        },
        author: "user:admin".to_owned(),
        created_at: Timestamp::UNIX_EPOCH,
    }
}

/// All of them switched off, so that a test sees its own policies alone.
pub(crate) fn no_guard_rails() -> GuardRails {
    let entries = guard_rail_catalogue(&GuardRails::default()).unwrap();
    GuardRails {
        off: entries.into_iter().map(|entry| entry.id).collect(),
        ..GuardRails::default()
    }
}

pub(crate) fn engine(text: &str) -> PolicyEngine {
    let set = policy_set(text, "");
    PolicyEngine::new(CompiledPolicies::compile(&set, &PolicySettings::default()).unwrap())
}

pub(crate) fn caller(id: &str, kind: PrincipalKind, groups: &[&str]) -> Caller {
    Caller::new(
        Principal {
            groups: groups
                .iter()
                .map(|name| GroupName::new(name).unwrap())
                .collect(),
            ..Principal::new(PrincipalId::new(id).unwrap(), kind)
        },
        Client::new(ClientId::new("claude").unwrap(), "preregistered"),
        Authentication::new(AuthenticationMethod::AccessToken, "https://login.example"),
    )
}

pub(crate) fn user(groups: &[&str]) -> Caller {
    caller("user:hanako", PrincipalKind::User, groups)
}

pub(crate) fn tool(connector: &str, name: &str, class: Option<OperationClass>) -> Tool {
    Tool {
        target: Target {
            connector: ConnectorName::new(connector).unwrap(),
            kind: TargetKind::Tool,
            name: name.to_owned(),
        },
        class: class.unwrap_or(OperationClass::Admin),
        classified: class.is_some(),
        data_classes: Vec::new(),
        environment: Environment::Production,
        idempotent: false,
        tags: Vec::new(),
        definition: None,
    }
}

pub(crate) fn with_data_class(mut tool: Tool, class: &str) -> Tool {
    tool.data_classes.push(DataClass::new(class).unwrap());
    tool
}

pub(crate) fn now() -> Timestamp {
    "2026-01-05T01:00:00Z".parse().unwrap()
}

pub(crate) fn ask(engine: &PolicyEngine, caller: &Caller, tool: &Tool) -> Result<Permit, Refusal> {
    ask_with(engine, caller, tool, &Projections::default())
}

pub(crate) fn ask_with(
    engine: &PolicyEngine,
    caller: &Caller,
    tool: &Tool,
    projections: &Projections,
) -> Result<Permit, Refusal> {
    engine.authorize(
        CallId(uuid()),
        &Arc::new(caller.clone()),
        &Arc::new(tool.clone()),
        &Arguments::parse(None).unwrap(),
        now(),
        projections,
    )
}

fn uuid() -> uuid::Uuid {
    uuid::Uuid::from_u128(1)
}
