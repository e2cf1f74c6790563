//! Roles and guard-rails as data (AUTHZ-1, AUTHZ-3, TOOL-1).

use sekimori_domain::caller::{Caller, Device, PrincipalKind};
use sekimori_domain::catalog::{Environment, OperationClass};
use sekimori_domain::constraint::ToolTag;
use sekimori_domain::policy_set::{PolicyContent, PolicySet};
use sekimori_domain::role::{GuardRails, Role};
use sekimori_policy::{
    CompiledPolicies, GUARD_RAIL_TESTS, PolicyEngine, PolicyError, PolicySettings, Projections,
    default_policies, guard_rail_catalogue, role_policies, role_templates,
};
use serde_json::{Value, json};

use crate::support::{
    ask, ask_with, caller, no_guard_rails, policy_set, tool, user, with_data_class,
};

const EVERYTHING: &str = r#"@id("everything") permit(principal, action, resource);"#;
const READ: Option<OperationClass> = Some(OperationClass::Read);

fn role(value: Value) -> Role {
    serde_json::from_value(value).unwrap()
}

fn compile(content: PolicyContent) -> Result<CompiledPolicies, PolicyError> {
    let set = PolicySet {
        content,
        ..policy_set("", "")
    };
    CompiledPolicies::compile(&set, &PolicySettings::default())
}

fn with_roles(roles: Vec<Role>) -> PolicyEngine {
    let content = PolicyContent {
        roles,
        guard_rails: no_guard_rails(),
        ..PolicyContent::default()
    };
    PolicyEngine::new(compile(content).unwrap())
}

#[test]
fn authz_1_a_role_grants_what_it_says_and_nothing_else() {
    let sales = role(json!({
        "name": "sales-clerk",
        "members": {"groups": ["sales"], "principals": ["service:batch"]},
        "grants": [
            {"classes": ["read", "update"], "connectors": ["crm"], "data": {"at_most": ["personal"]}},
            {"classes": ["delete"], "tools": ["crm/drop_draft"], "environments": ["development"]},
        ],
    }));
    let engine = with_roles(vec![sales]);
    let hanako = user(&["sales"]);
    let batch = caller("service:batch", PrincipalKind::ServiceAccount, &[]);
    let update = tool("crm", "update", Some(OperationClass::Update));
    let update = with_data_class(update, "personal");
    for who in [&hanako, &batch, &user(&["sales-clerk"])] {
        let permit = ask(&engine, who, &update).unwrap();
        assert_eq!(permit.decision().policies, ["role:sales-clerk:1"]);
    }
    let mut draft = tool("crm", "drop_draft", Some(OperationClass::Delete));
    for (who, what) in [
        (&user(&["other"]), &update),
        (&hanako, &with_data_class(update.clone(), "confidential")),
        (
            &hanako,
            &tool("erp", "update", Some(OperationClass::Update)),
        ),
        (&hanako, &tool("crm", "new", Some(OperationClass::Create))),
        (&hanako, &draft),
    ] {
        assert!(ask(&engine, who, what).is_err(), "{}", what.target);
    }
    draft.environment = Environment::Development;
    assert!(ask(&engine, &hanako, &draft).is_ok());
}

/// The one read that a role with this condition grants.
fn on_condition(condition: &Value) -> PolicyEngine {
    let grant = json!({"classes": ["read"], "data": "any", "conditions": [condition]});
    let role = json!({"name": "r", "members": {"groups": ["g"]}, "grants": [grant]});
    with_roles(vec![self::role(role)])
}

#[test]
fn authz_3_conditions_of_the_catalogue_hold() {
    let find = tool("crm", "find", READ);
    let check = |condition: Value, change: &dyn Fn(&mut Caller)| {
        let engine = on_condition(&condition);
        let mut who = user(&["g"]);
        assert!(ask(&engine, &who, &find).is_err(), "{condition}");
        change(&mut who);
        assert!(ask(&engine, &who, &find).is_ok(), "{condition}");
    };
    check(json!({"kind": "mfa"}), &|who| who.authentication.mfa = true);
    check(json!({"kind": "mfa", "age_seconds_max": 60}), &|who| {
        who.authentication.mfa = true;
        who.authentication.at = Some("2026-01-05T00:59:30Z".parse().unwrap());
    });
    check(json!({"kind": "zone", "any_of": ["office"]}), &|who| {
        who.circumstances.zones = Some(vec!["office".to_owned()]);
    });
    check(json!({"kind": "country", "any_of": ["JP"]}), &|who| {
        who.circumstances.country = Some("JP".to_owned());
    });
    check(json!({"kind": "device", "compliant": true}), &|who| {
        who.circumstances.device = Some(Device {
            compliant: Some(true),
            ..Device::default()
        });
    });
    check(
        json!({"kind": "department", "any_of": ["営業\"部"]}),
        &|who| {
            who.principal.department = Some("営業\"部".to_owned());
        },
    );
    check(
        json!({"kind": "employment", "any_of": ["full-time"]}),
        &|who| {
            who.principal.employment = Some("full-time".to_owned());
        },
    );
    check(json!({"kind": "client", "any_of": ["other"]}), &|who| {
        who.client.id = "other".parse().unwrap();
    });
    // It is Monday, 10:00 in Japan.
    let at_work =
        json!({"kind": "hours", "from_minute": 540, "until_minute": 1080, "weekdays": [1]});
    assert!(ask(&on_condition(&at_work), &user(&["g"]), &find).is_ok());
    let at_night = json!({"kind": "hours", "from_minute": 0, "until_minute": 540});
    assert!(ask(&on_condition(&at_night), &user(&["g"]), &find).is_err());
}

#[test]
fn authz_3_roles_can_be_bound_to_arguments() {
    let find = tool("crm", "find", READ);
    let within = on_condition(&json!({"kind": "argument_number", "name": "n", "max": 50_000}));
    let amount = |amount: i64| Projections {
        numbers: [("n".to_owned(), amount)].into(),
        ..Projections::default()
    };
    assert!(ask_with(&within, &user(&["g"]), &find, &amount(50_000)).is_ok());
    assert!(ask_with(&within, &user(&["g"]), &find, &amount(50_001)).is_err());
    assert!(ask(&within, &user(&["g"]), &find).is_err());
    let to = |domain: &str| Projections {
        sets: [("to".to_owned(), [domain.to_owned()].into())].into(),
        ..Projections::default()
    };
    let at_home = on_condition(&json!({"kind": "argument_set", "name": "to", "at_most": ["a.jp"]}));
    assert!(ask_with(&at_home, &user(&["g"]), &find, &to("a.jp")).is_ok());
    assert!(ask_with(&at_home, &user(&["g"]), &find, &to("b.jp")).is_err());
}

#[test]
fn a_grant_can_ask_for_agreement() {
    let approval =
        json!({"reason": "it removes", "approvers": ["leads"], "quorum": 2, "step_up": true});
    let grant = json!({"classes": ["delete"], "approval": approval});
    let engine = with_roles(vec![role(json!({"name": "editor", "grants": [grant]}))]);
    let drop = tool("crm", "drop", Some(OperationClass::Delete));
    let permit = ask(&engine, &user(&["editor"]), &drop).unwrap();
    let demand = permit.decision().approvals[0].clone();
    assert_eq!(
        (demand.reason.as_str(), demand.quorum, demand.step_up),
        ("it removes", 2, true)
    );
    assert_eq!(demand.approvers, ["leads"]);
}

#[test]
fn what_people_write_into_roles_stays_text() {
    let nasty = "x\"]) || true };\npermit(principal,action,resource);//";
    let role = role(json!({
        "name": "r", "grants": [{"classes": ["read"], "conditions": [
            {"kind": "department", "any_of": [nasty]},
            {"kind": "argument_text", "name": nasty, "any_of": [nasty]},
        ], "approval": {"reason": nasty}}],
    }));
    let text = role_policies(std::slice::from_ref(&role)).unwrap();
    let engine = with_roles(vec![role]);
    let find = tool("a", "b", READ);
    assert!(ask(&engine, &user(&["r"]), &find).is_err(), "{text}");
    assert!(ask(&engine, &user(&[]), &find).is_err());
}

#[test]
fn bad_roles_are_not_compiled() {
    let condition = |condition: Value| json!({"classes": ["read"], "conditions": [condition]});
    for bad in [
        json!({"classes": []}),
        condition(json!({"kind": "zone", "any_of": []})),
        condition(json!({"kind": "device"})),
        condition(json!({"kind": "hours", "from_minute": 9, "until_minute": 9})),
        condition(json!({"kind": "argument_number", "name": "n"})),
        json!({"classes": ["read"], "approval": {"reason": "x", "quorum": 0}}),
    ] {
        let content = PolicyContent {
            roles: vec![role(json!({"name": "r", "grants": [bad]}))],
            ..PolicyContent::default()
        };
        assert!(compile(content).is_err(), "{bad}");
    }
    let content = PolicyContent {
        text: r#"@id("guard:mine") permit(principal, action, resource);"#.to_owned(),
        ..PolicyContent::default()
    };
    assert!(matches!(compile(content), Err(PolicyError::Invalid(_))));
}

#[test]
fn the_shipped_roles_compile() {
    let roles = role_templates().unwrap();
    assert!(roles.len() >= 8);
    for role in &roles {
        let has = |language| role.title.contains_key(language);
        assert!(has("ja") && has("en"), "{}", role.name);
    }
    with_roles(roles);
}

/// TOOL-1: every guard-rail does what its tests say, over policies that permit everything.
#[test]
fn tool_1_guard_rails_hold() {
    let content = PolicyContent {
        text: EVERYTHING.to_owned(),
        tests: GUARD_RAIL_TESTS.to_owned(),
        guard_rails: GuardRails {
            internal_domains: ["example.co.jp".to_owned()].into(),
            ..GuardRails::default()
        },
        ..PolicyContent::default()
    };
    match compile(content) {
        Ok(_) => {}
        Err(PolicyError::TestsFailed(report)) => {
            let failed = report.results.iter().filter(|result| !result.passed);
            panic!("{:#?}", failed.collect::<Vec<_>>());
        }
        Err(error) => panic!("{error:?}"),
    }
    let entries = guard_rail_catalogue(&GuardRails::default()).unwrap();
    assert!(entries.len() >= 9);
    for entry in entries {
        assert!(
            entry.on && GUARD_RAIL_TESTS.contains(&entry.id),
            "{} has no test",
            entry.id
        );
        let texts = [
            &entry.title,
            &entry.title_ja,
            &entry.description,
            &entry.description_ja,
        ];
        assert!(texts.iter().all(|text| !text.is_empty()), "{}", entry.id);
    }
}

#[test]
fn guard_rails_can_be_switched_off_and_have_approvers() {
    let engine = |guard_rails: GuardRails| {
        let content = PolicyContent {
            text: EVERYTHING.to_owned(),
            guard_rails,
            ..PolicyContent::default()
        };
        compile(content).map(PolicyEngine::new)
    };
    let mut pay = tool("bank", "pay", Some(OperationClass::Create));
    pay.tags = vec![ToolTag::Payment];
    let approvers = GuardRails {
        approvers: ["security".parse().unwrap()].into(),
        ..GuardRails::default()
    };
    let permit = ask(&engine(approvers).unwrap(), &user(&[]), &pay).unwrap();
    let demand = &permit.decision().approvals[0];
    assert_eq!(demand.policy, "guard:payment");
    assert_eq!(demand.approvers, ["security"]);
    let off = |id: &str| GuardRails {
        off: [id.to_owned()].into(),
        ..GuardRails::default()
    };
    let permit = ask(&engine(off("guard:payment")).unwrap(), &user(&[]), &pay).unwrap();
    assert!(permit.decision().approvals.is_empty());
    assert!(matches!(
        engine(off("guard:nothing")),
        Err(PolicyError::UnknownGuardRail(_))
    ));
}

/// The shipped policies pass their tests with every guard-rail on.
#[test]
fn the_shipped_policies_and_guard_rails_go_together() {
    assert!(compile(default_policies()).is_ok());
}
