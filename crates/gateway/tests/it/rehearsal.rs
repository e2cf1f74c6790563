//! What would become of a call, without making it (TOOL-4).

use std::sync::Arc;

use sekimori_domain::caller::{
    Authentication, AuthenticationMethod, Caller, Circumstances, Client, Principal, PrincipalKind,
    Source,
};
use sekimori_domain::ids::{ClientId, LimitName, PrincipalId};
use sekimori_domain::limit::{Bound, Limit};
use sekimori_domain::policy_set::{PolicyContent, PolicySet};
use sekimori_domain::record::EventKind;
use sekimori_domain::refusal::{RefusalCode, Stage};
use sekimori_gateway::rehearsal::{Rehearsal, Supposed, rehearse};
use sekimori_policy::PolicySettings;
use sekimori_testkit::fixture::Era;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::harness::{Gate, over_fixture};

fn hanako() -> Arc<Caller> {
    Arc::new(Caller {
        principal: Principal {
            id: PrincipalId::new("user:hanako").unwrap(),
            kind: PrincipalKind::User,
            display_name: "hanako".to_owned(),
            groups: Vec::new(),
            department: None,
            employment: None,
            environments: None,
        },
        client: Client {
            id: ClientId::new("console").unwrap(),
            kind: "preregistered",
            claimed_name: None,
        },
        authentication: Authentication {
            method: AuthenticationMethod::AccessToken,
            mfa: false,
            acr: None,
            amr: Vec::new(),
            issuer: "test".to_owned(),
            at: None,
            issued_at: None,
            grant: None,
            session: None,
            scopes: None,
            expires_at: None,
        },
        source: Source {
            ip: None,
            user_agent: None,
            certificate: None,
        },
        circumstances: Circumstances::default(),
    })
}

async fn tried(gate: &Gate, tool: &str, arguments: Value) -> Rehearsal {
    let supposed = Supposed {
        caller: hanako(),
        connector: "fixture".parse().unwrap(),
        tool: tool.to_owned(),
        arguments: RawValue::from_string(arguments.to_string()).unwrap(),
    };
    let correlation = serde_json::from_value(json!("00000000-0000-7000-8000-00000000000a"));
    rehearse(&gate.gateway, correlation.unwrap(), supposed)
        .await
        .unwrap()
}

fn in_force(gate: &Gate, text: &str) {
    let set = PolicySet {
        version: 2,
        content: PolicyContent {
            text: text.to_owned(),
            ..PolicyContent::default()
        },
        author: "test".to_owned(),
        created_at: gate.gateway.clock.now(),
    };
    let settings = PolicySettings::default();
    gate.gateway.policy.reload(&set, &settings).unwrap();
}

#[tokio::test]
async fn a_call_that_would_go_reaches_nobody_and_leaves_no_call_on_record() {
    let (_fixture, gate) = over_fixture(Era::Modern).await;
    let passed = tried(&gate, "test_echo", json!({"message": "hello"})).await;
    let passed = passed.verdict.unwrap();
    assert_eq!(passed.decision.policies, ["everything"]);
    assert!(passed.demands.is_empty() && !passed.changed);
    assert!(gate.records(EventKind::ToolCall).await.is_empty());
}

#[tokio::test]
async fn each_stage_says_no_as_it_would_to_a_call() {
    let (_fixture, gate) = over_fixture(Era::Modern).await;
    let refused = |rehearsal: Rehearsal| {
        let refusal = rehearsal.verdict.unwrap_err();
        (refusal.stage, refusal.code)
    };
    let unknown = tried(&gate, "no_such_tool", json!({})).await;
    assert!(unknown.class.is_none());
    assert_eq!(
        refused(unknown),
        (Stage::Resolve, RefusalCode::UnknownTarget)
    );
    let malformed = tried(&gate, "test_echo", json!({"message": 7})).await;
    assert_eq!(
        refused(malformed),
        (Stage::Validate, RefusalCode::InvalidArguments)
    );
    gate.deny_everything();
    let denied = tried(&gate, "test_echo", json!({"message": "hello"})).await;
    assert!(denied.class.is_some());
    assert_eq!(
        refused(denied),
        (Stage::Authorize, RefusalCode::PolicyDenied)
    );
}

#[tokio::test]
async fn people_are_named_and_not_asked() {
    let (_fixture, gate) = over_fixture(Era::Modern).await;
    in_force(
        &gate,
        "@id(\"asks\") @approval(\"money moves\")\npermit (principal, action, resource);\n",
    );
    let passed = tried(&gate, "test_echo", json!({"message": "hello"})).await;
    let passed = passed.verdict.unwrap();
    let mut reasons = passed.demands.iter().map(|demand| demand.reason.as_str());
    assert!(reasons.any(|reason| reason == "money moves"));
    let made = gate.records(EventKind::ApprovalRequest).await;
    assert!(made.is_empty(), "{made:?}");
}

#[tokio::test]
async fn a_rehearsal_counts_for_no_limit() {
    let (_fixture, gate) = over_fixture(Era::Modern).await;
    let once = Limit {
        name: LimitName::new("once").unwrap(),
        who: None,
        what: None,
        bound: Bound::Daily { count: 1 },
        set_by: "test".to_owned(),
        set_at: gate.gateway.clock.now(),
    };
    gate.store.limits().put(&once).await.unwrap();
    gate.gateway.limits.load().await.unwrap();
    for _ in 0..3 {
        let passed = tried(&gate, "test_echo", json!({"message": "hello"})).await;
        assert!(passed.verdict.is_ok());
    }
    let params = json!({"name": "test_echo", "arguments": {"message": "hello"}});
    let call = async || gate.client().modern("tools/call", params.clone()).await;
    assert_eq!(call().await.result()["isError"], json!(false));
    // The one call of the day was made: now the rehearsal says what the next one would meet.
    let refused = tried(&gate, "test_echo", json!({"message": "hello"})).await;
    let refusal = refused.verdict.unwrap_err();
    assert_eq!(refusal.code, RefusalCode::RateLimited);
}
