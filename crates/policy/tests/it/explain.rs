//! AUTHZ-9: why a call is allowed or refused.

use sekimori_domain::catalog::OperationClass;
use sekimori_policy::{DEFAULT_POLICIES, Expectation, PolicyOutcome, Projections};

use crate::support::{engine, now, tool, user, with_data_class};

const READ: Option<OperationClass> = Some(OperationClass::Read);

#[test]
fn a_refusal_names_the_policy_that_nearly_matched() {
    let engine = engine(DEFAULT_POLICIES);
    let mut hanako = user(&["employee"]);
    hanako.source.ip = Some("10.0.0.1".parse().unwrap());
    let tool = with_data_class(tool("hr", "find", READ), "personal");
    let mut projections = Projections::default();
    projections.numbers.insert("amount".to_owned(), 5);
    let told = engine.explain(&hanako, &tool, now(), &projections).unwrap();
    assert_eq!(told.decision, Expectation::Deny);
    assert!(
        told.message.starts_with("no policy allows you"),
        "{}",
        told.message
    );
    let nearly: Vec<_> = told
        .policies
        .iter()
        .map(|policy| (policy.id.as_str(), policy.outcome))
        .collect();
    assert!(
        nearly.contains(&("employee-reads", PolicyOutcome::ConditionFalse)),
        "{nearly:?}"
    );
    assert!(told.policies[0].text.contains("DataClass::\"personal\""));
    assert_eq!(told.context["ip"], "10.0.0.1");
    assert_eq!(told.context["now"], "2026-01-05T01:00:00Z");
    assert_eq!(told.context["minuteOfDay"], 600);
    assert_eq!(told.context["weekday"], 1);
    assert_eq!(told.context["auth"]["mfa"], false);
    assert_eq!(told.context["argN"]["amount"], 5);
    assert_eq!(
        told.unknown,
        ["zones", "country", "holiday", "scopes", "device"]
    );
    let json = serde_json::to_value(&told).unwrap();
    assert_eq!(json["decision"], "deny");
    assert_eq!(json["policies"][0]["outcome"], "condition_false");
}

#[test]
fn a_decision_names_who_decided_and_who_only_matched() {
    let engine = engine(
        r#"
        @id("staff") permit(principal, action, resource);
        @id("no") @notice("not today") forbid(principal, action, resource);
        @id("elsewhere") forbid(principal, action, resource in Sekimori::Connector::"other");
        @id("breaks") permit(principal, action, resource)
        when { context.minuteOfDay * 9223372036854775807 > 0 && context.auth.mfa };
        "#,
    );
    let find = tool("crm", "find", READ);
    let told = engine
        .explain(&user(&[]), &find, now(), &Projections::default())
        .unwrap();
    let outcomes: Vec<_> = told
        .policies
        .iter()
        .map(|policy| (policy.id.as_str(), policy.effect, policy.outcome))
        .collect();
    assert_eq!(
        outcomes,
        [
            ("breaks", "permit", PolicyOutcome::Broken),
            ("staff", "permit", PolicyOutcome::Matched),
            ("no", "forbid", PolicyOutcome::Matched),
        ]
    );
    assert!(told.message.contains("breaks"), "{}", told.message);
}

#[test]
fn an_allowed_call_says_by_what() {
    let engine = engine(DEFAULT_POLICIES);
    let told = engine
        .explain(
            &user(&["employee"]),
            &tool("crm", "find", READ),
            now(),
            &Projections::default(),
        )
        .unwrap();
    assert_eq!(told.decision, Expectation::Allow);
    assert_eq!(told.message, "allowed by employee-reads");
    assert_eq!(told.policies[0].outcome, PolicyOutcome::Decided);
    assert_eq!(told.class, "read");
}
