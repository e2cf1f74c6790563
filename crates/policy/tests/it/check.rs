//! What is said about policies and tests that can't be accepted.

use sekimori_policy::{
    CONDITIONAL_ACCESS_POLICIES, CONDITIONAL_ACCESS_TESTS, DEFAULT_POLICIES, DEFAULT_TESTS,
    Diagnostic, Expectation, PolicyError, PolicySettings, Severity, check, test_bench,
};

use sekimori_domain::catalog::OperationClass;

use crate::support::{ask, engine, policy_set, tool, user};

fn only(text: &str) -> Diagnostic {
    let mut found = check(text).unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

#[test]
fn the_default_policies_have_nothing_to_say() {
    assert_eq!(check(DEFAULT_POLICIES).unwrap(), []);
}

#[test]
fn authz_3_the_policies_to_begin_conditional_access_with_do_what_they_say() {
    assert_eq!(check(CONDITIONAL_ACCESS_POLICIES).unwrap(), []);
    let set = policy_set(CONDITIONAL_ACCESS_POLICIES, CONDITIONAL_ACCESS_TESTS);
    let report = test_bench(&set, &PolicySettings::default()).unwrap();
    let failed: Vec<_> = report.results.iter().filter(|test| !test.passed).collect();
    assert!(failed.is_empty(), "{failed:#?}");
    assert!(report.results.len() >= 20);
    // Together with the policies of a first start, too.
    let both = policy_set(
        &[DEFAULT_POLICIES, CONDITIONAL_ACCESS_POLICIES].concat(),
        "",
    );
    test_bench(&both, &PolicySettings::default()).unwrap();
}

#[test]
fn syntax_errors_have_a_place() {
    let found = only("@id(\"a\")\npermit(principal, action resource);");
    assert_eq!(found.severity, Severity::Error);
    assert_eq!((found.line, found.column), (Some(2), Some(26)));
}

#[test]
fn validation_errors_have_place_policy_and_hint() {
    let found = only(
        "@id(\"a\") permit(principal, action, resource);\n\
         @id(\"office\")\nforbid(principal, action, resource)\n  unless { context.ip.isLoopback() };",
    );
    assert_eq!(found.policy.as_deref(), Some("office"));
    assert_eq!((found.line, found.column), (Some(4), Some(12)));
    assert!(found.hint.unwrap().contains("context has ip"));
}

#[test]
fn names_are_checked() {
    for (text, hint) in [
        (
            "principal in Sekimori::Team::\"x\", action, resource",
            "entity types are",
        ),
        (
            "principal, action == Sekimori::Action::\"write\", resource",
            "actions are",
        ),
        (
            "principal, action, resource in Sekimori::Environment::\"prod\"",
            "environments are",
        ),
    ] {
        let found = check(&format!("@id(\"a\") permit({text});")).unwrap();
        let hints: Vec<_> = found.iter().filter_map(|one| one.hint.as_deref()).collect();
        assert!(hints.iter().any(|found| found.contains(hint)), "{found:?}");
    }
}

#[test]
fn every_policy_needs_an_id_of_its_own() {
    let found = only("permit(principal, action, resource);");
    assert!(found.message.contains("@id"), "{found}");
    let found = only(
        "@id(\"a\") permit(principal, action, resource);\n@id(\"a\") forbid(principal, action, resource);",
    );
    assert_eq!(found.line, Some(2));
    assert!(found.message.contains("twice"), "{found}");
}

#[test]
fn templates_are_refused() {
    let found = only("@id(\"a\") permit(principal == ?principal, action, resource);");
    assert!(found.message.contains("templates"), "{found}");
}

#[test]
fn what_can_never_match_is_a_warning() {
    let found = only("@id(\"a\") permit(principal, action, resource) when { 1 == 2 };");
    assert_eq!(found.severity, Severity::Warning);
}

#[test]
fn the_bench_reports_each_test() {
    let settings = PolicySettings::default();
    let report = test_bench(&policy_set(DEFAULT_POLICIES, DEFAULT_TESTS), &settings).unwrap();
    assert_eq!(report.failed(), 0, "{report:?}");
    let report = test_bench(&policy_set("", DEFAULT_TESTS), &settings).unwrap();
    let first = &report.results[0];
    assert_eq!(
        (first.expected, first.actual),
        (Expectation::Allow, Expectation::Deny)
    );
    assert!(
        first
            .reason
            .starts_with("expected allow, got deny: no policy"),
        "{first:?}"
    );
}

#[test]
fn unknown_words_in_tests_are_refused() {
    let tests = DEFAULT_TESTS.replace("groups", "grupos");
    let error = test_bench(&policy_set("", &tests), &PolicySettings::default()).unwrap_err();
    assert!(matches!(error, PolicyError::UnreadableTests(_)));
}

fn chain(link: &str, count: usize, end: &str) -> String {
    format!(
        "@id(\"a\") permit(principal, action, resource) when {{ {}true{} }};",
        link.repeat(count),
        end.repeat(count)
    )
}

/// Hostile or mistaken policies end in words, not in a stack overflow.
#[test]
fn bottomless_policies_are_refused() {
    for text in [
        chain("context.auth.mfa && ", 20_000, ""),
        chain("(", 20_000, ")"),
        chain("if context.auth.mfa then true else ", 20_000, ""),
        chain("[", 20_000, "]"),
        chain("!", 20_000, ""),
    ] {
        let found = only(&text);
        assert!(found.message.contains("too deeply"), "{found}");
    }
}

/// What is just within the bounds can be checked and decided on the stack of a worker thread. Unoptimised code
/// needs many times as much.
#[test]
fn the_deepest_policies_allowed_can_be_decided() {
    const WORKER_STACK: usize = 2 * 1024 * 1024;
    let stack = if cfg!(debug_assertions) {
        16 * WORKER_STACK
    } else {
        WORKER_STACK
    };
    let worker = std::thread::Builder::new().stack_size(stack);
    let worker = worker.spawn(decide_by_the_deepest).unwrap();
    worker.join().unwrap();
}

fn decide_by_the_deepest() {
    for text in [
        chain("true && ", 64, ""),
        chain("context.auth.mfa || ", 64, ""),
        chain("(", 30, ")"),
        chain("if context.auth.mfa then true else ", 64, ""),
        chain("if true then ", 64, " else false"),
        chain("if true then (true && (", 15, ")) else false"),
    ] {
        let found = check(&text).unwrap();
        assert!(
            found.iter().all(|one| one.severity == Severity::Warning),
            "{found:?}"
        );
        let engine = engine(&text);
        let find = tool("crm", "find", Some(OperationClass::Read));
        let decision = ask(&engine, &user(&[]), &find);
        assert!(decision.is_ok(), "{decision:?} {text}");
    }
}
