//! What is allowed, what is turned back, and in which words.

use sekimori_domain::caller::PrincipalKind;
use sekimori_domain::catalog::{Environment, OperationClass};
use sekimori_domain::refusal::{RefusalCode, Stage};
use sekimori_policy::{
    CompiledPolicies, DEFAULT_POLICIES, DEFAULT_TESTS, ENVIRONMENT_RULE, PolicyEngine, PolicyError,
    PolicySettings, Projections,
};

use crate::support::{ask, ask_with, caller, engine, policy_set, tool, user};

const READ: Option<OperationClass> = Some(OperationClass::Read);
const DELETE: Option<OperationClass> = Some(OperationClass::Delete);

/// AUTHZ-4: the shipped policies pass their own tests.
#[test]
fn the_default_policies_pass_their_tests() {
    let set = policy_set(DEFAULT_POLICIES, DEFAULT_TESTS);
    let compiled = CompiledPolicies::compile(&set, &PolicySettings::default()).unwrap();
    assert_eq!(compiled.version(), 7);
    assert!(!compiled.is_empty());
}

/// AUTHZ-1: a role allows, and the permit says by which policy and version.
#[test]
fn a_permit_says_why() {
    let engine = engine(DEFAULT_POLICIES);
    let permit = ask(&engine, &user(&["employee"]), &tool("crm", "find", READ)).unwrap();
    assert_eq!(permit.decision().policies, ["employee-reads"]);
    assert_eq!(permit.decision().policy_version, 7);
    assert_eq!(permit.decision().approvals, []);
    assert_eq!(permit.tool().target.name, "find");
}

#[test]
fn without_policies_nothing_is_allowed() {
    let refusal = ask(
        &engine(""),
        &user(&["employee"]),
        &tool("crm", "find", READ),
    )
    .unwrap_err();
    assert_eq!(refusal.code, RefusalCode::PolicyDenied);
    assert_eq!(refusal.stage, Stage::Authorize);
    assert!(
        refusal.message.contains("operation class is read"),
        "{refusal}"
    );
    assert!(refusal.policies.is_empty());
}

/// AUTHZ-2: unclassified is admin, even if the tool's own class says otherwise.
#[test]
fn an_unclassified_tool_is_admin_whatever_it_says() {
    let engine =
        engine(r#"@id("read") permit(principal, action == Sekimori::Action::"read", resource);"#);
    let mut unclassified = tool("crm", "find", READ);
    unclassified.classified = false;
    let refusal = ask(&engine, &user(&[]), &unclassified).unwrap_err();
    assert!(refusal.message.contains("not classified yet"), "{refusal}");
    assert!(ask(&engine, &user(&[]), &tool("crm", "find", READ)).is_ok());
}

/// AUTHZ-9: the refusal carries the policy and its own words.
#[test]
fn a_forbid_explains_itself() {
    let engine = engine(
        r#"
        @id("all") permit(principal, action, resource);
        @id("night") @notice("closed at night")
        forbid(principal, action, resource) unless { context.minuteOfDay >= 1200 };
        @id("mfa") forbid(principal, action, resource) unless { context.auth.mfa };
        "#,
    );
    let refusal = ask(&engine, &user(&[]), &tool("crm", "find", READ)).unwrap_err();
    assert_eq!(refusal.policies, ["mfa", "night"]);
    assert_eq!(
        refusal.message,
        "policy forbids this call: mfa; closed at night (night)"
    );
}

/// A policy that breaks makes the answer no, although Cedar itself would skip it.
#[test]
fn a_policy_that_breaks_denies() {
    let engine = engine(
        r#"
        @id("all") permit(principal, action, resource);
        @id("limit") forbid(principal, action, resource)
        when { context.argN.hasTag("n") && context.argN.getTag("n") * 9223372036854775807 > 5 };
        "#,
    );
    let mut projections = Projections::default();
    projections.numbers.insert("n".to_owned(), 9);
    let find = tool("crm", "find", READ);
    let refusal = ask_with(&engine, &user(&[]), &find, &projections).unwrap_err();
    assert_eq!(refusal.code, RefusalCode::PolicyDenied);
    assert_eq!(refusal.policies, ["limit"]);
    assert!(
        refusal.message.contains("could not be evaluated"),
        "{refusal}"
    );
    projections.numbers.insert("n".to_owned(), 0);
    assert!(ask_with(&engine, &user(&[]), &find, &projections).is_ok());
}

/// AUTHZ-3: conditions on the arguments of the call.
#[test]
fn arguments_decide() {
    let engine = engine(
        r#"
        @id("mail") permit(principal, action, resource in Sekimori::Connector::"mail")
        when { context.argSet.hasTag("domains") && ["a.jp"].containsAll(context.argSet.getTag("domains"))
               && context.argS.hasTag("kind") && context.argS.getTag("kind") == "note"
               && context.argB.hasTag("draft") && context.argB.getTag("draft") };
        "#,
    );
    let send = tool("mail", "send", DELETE);
    let mut projections = Projections::default();
    projections
        .strings
        .insert("kind".to_owned(), "note".to_owned());
    projections.booleans.insert("draft".to_owned(), true);
    assert!(ask_with(&engine, &user(&[]), &send, &projections).is_err());
    let domain = |name: &str| [name.to_owned()].into_iter().collect();
    projections
        .sets
        .insert("domains".to_owned(), domain("a.jp"));
    assert!(ask_with(&engine, &user(&[]), &send, &projections).is_ok());
    projections
        .sets
        .insert("domains".to_owned(), domain("b.jp"));
    assert!(ask_with(&engine, &user(&[]), &send, &projections).is_err());
}

#[test]
fn approval_on_permits_is_demanded_unless_one_allows_without() {
    let engine = engine(
        r#"
        @id("ask") @approval("deletes need a second person")
        permit(principal, action == Sekimori::Action::"delete", resource);
        @id("boss") permit(principal in Sekimori::Role::"boss", action, resource);
        "#,
    );
    let delete = tool("crm", "drop", DELETE);
    let permit = ask(&engine, &user(&[]), &delete).unwrap();
    let demand = permit.decision().approvals[0].clone();
    assert_eq!(
        (demand.policy.as_str(), demand.reason.as_str()),
        ("ask", "deletes need a second person")
    );
    let permit = ask(&engine, &user(&["boss"]), &delete).unwrap();
    assert_eq!(permit.decision().approvals, []);
    assert_eq!(permit.decision().policies, ["ask", "boss"]);
}

#[test]
fn approval_on_forbids_takes_the_place_of_the_refusal() {
    let text = r#"
        @id("staff") permit(principal in Sekimori::Role::"staff", action, resource);
        @id("careful") @approval("production deletes are looked at")
        forbid(principal, action == Sekimori::Action::"delete", resource in Sekimori::Environment::"production");
    "#;
    let delete = tool("crm", "drop", DELETE);
    let gate = engine(text);
    let permit = ask(&gate, &user(&["staff"]), &delete).unwrap();
    assert_eq!(permit.decision().policies, ["careful", "staff"]);
    assert_eq!(permit.decision().approvals[0].policy, "careful");
    // No permit: approval can't stand in for one.
    assert!(ask(&gate, &user(&[]), &delete).is_err());
    // A plain forbid beside it: the refusal stands.
    let gate = engine(&format!(
        "{text} @id(\"no\") forbid(principal, action, resource);"
    ));
    let refusal = ask(&gate, &user(&["staff"]), &delete).unwrap_err();
    assert_eq!(refusal.policies, ["no"]);
}

/// AUTHZ-8: environments of the account bound what policies allow.
#[test]
fn environments_of_the_account_bound_everything() {
    let engine = engine("@id(\"all\") permit(principal, action, resource);");
    let mut batch = caller("service:batch", PrincipalKind::ServiceAccount, &[]);
    batch.principal.environments = Some(vec![Environment::Development]);
    let mut find = tool("crm", "find", READ);
    let refusal = ask(&engine, &batch, &find).unwrap_err();
    assert_eq!(refusal.policies, [ENVIRONMENT_RULE]);
    assert!(refusal.message.contains("given: development"), "{refusal}");
    find.environment = Environment::Development;
    assert!(ask(&engine, &batch, &find).is_ok());
    batch.principal.environments = Some(Vec::new());
    assert!(ask(&engine, &batch, &find).is_err());
}

/// An IPv4 address in IPv6 clothes is the IPv4 address.
#[test]
fn mapped_addresses_match_their_network() {
    let engine = engine(
        r#"
        @id("office") permit(principal, action, resource)
        when { context has ip && context.ip.isInRange(ip("10.0.0.0/8")) };
        "#,
    );
    let find = tool("crm", "find", READ);
    let mut hanako = user(&[]);
    assert!(ask(&engine, &hanako, &find).is_err(), "unknown address");
    for (ip, allowed) in [
        ("10.1.2.3", true),
        ("::ffff:10.1.2.3", true),
        ("11.0.0.1", false),
    ] {
        hanako.source.ip = Some(ip.parse().unwrap());
        assert_eq!(ask(&engine, &hanako, &find).is_ok(), allowed, "{ip}");
    }
}

#[test]
fn a_bad_set_leaves_the_last_good_one_active() {
    let engine = PolicyEngine::new(
        CompiledPolicies::compile(
            &policy_set(DEFAULT_POLICIES, DEFAULT_TESTS),
            &PolicySettings::default(),
        )
        .unwrap(),
    );
    let settings = PolicySettings::default();
    let broken = policy_set("permit(principal, action", "");
    assert!(matches!(
        engine.reload(&broken, &settings),
        Err(PolicyError::Invalid(_))
    ));
    let untested = policy_set("", DEFAULT_TESTS);
    assert!(matches!(
        engine.reload(&untested, &settings),
        Err(PolicyError::TestsFailed(_))
    ));
    assert!(ask(&engine, &user(&["employee"]), &tool("crm", "find", READ)).is_ok());
    engine.reload(&policy_set("", ""), &settings).unwrap();
    assert!(ask(&engine, &user(&["employee"]), &tool("crm", "find", READ)).is_err());
}
