//! Who may do what by the default policies, as a table that reviewers see change.

use std::fmt::Write as _;

use sekimori_domain::caller::{Caller, PrincipalKind};
use sekimori_domain::catalog::{Environment, OperationClass};
use sekimori_domain::constraint::ToolTag;
use sekimori_domain::policy_set::{PolicyContent, PolicySet};
use sekimori_policy::{
    CompiledPolicies, DEFAULT_POLICIES, PolicyEngine, PolicySettings, role_templates,
};

use crate::support::{ask, caller, engine, policy_set, tool, user, with_data_class};

fn callers() -> Vec<(&'static str, Caller)> {
    vec![
        ("no role", user(&[])),
        ("employee", user(&["employee"])),
        ("sekimori-admin", user(&["sekimori-admin"])),
        (
            "employee service",
            caller(
                "service:batch",
                PrincipalKind::ServiceAccount,
                &["employee"],
            ),
        ),
        (
            "local administrator",
            caller(
                "admin:local",
                PrincipalKind::LocalAdministrator,
                &["employee"],
            ),
        ),
        (
            "anonymous",
            caller("anonymous", PrincipalKind::Anonymous, &[]),
        ),
    ]
}

fn table() -> String {
    let engine = engine(DEFAULT_POLICIES);
    let mut classes: Vec<_> = OperationClass::ALL.into_iter().map(Some).collect();
    classes.push(None);
    let mut out = String::from(
        "role                | environment | data         | read create update delete admin unclassified\n",
    );
    for (name, caller) in callers() {
        for environment in Environment::ALL {
            for data in ["", "internal", "personal", "confidential"] {
                write!(
                    out,
                    "{name:<19} | {:<11} | {data:<12} |",
                    environment.as_str()
                )
                .unwrap();
                for class in &classes {
                    let mut tool = tool("crm", "act", *class);
                    tool.environment = environment;
                    if !data.is_empty() {
                        tool = with_data_class(tool, data);
                    }
                    let allowed = ask(&engine, &caller, &tool).is_ok();
                    out.push_str(if allowed { " yes" } else { " -" });
                }
                out.push('\n');
            }
        }
    }
    out
}

/// AUTHZ-1, AUTHZ-4. If the change is meant, run with `UPDATE_MATRIX` set and review the difference.
#[test]
fn the_matrix_of_the_default_policies_is_as_reviewed() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/matrix.txt");
    let table = table();
    if option_env!("UPDATE_MATRIX").is_some() {
        std::fs::write(path, &table).unwrap();
    }
    assert_eq!(table, std::fs::read_to_string(path).unwrap());
}

/// What a member of each shipped role may do: yes, ask (a person must agree), or not.
fn role_table() -> String {
    let set = PolicySet {
        content: PolicyContent {
            roles: role_templates().unwrap(),
            ..PolicyContent::default()
        },
        ..policy_set("", "")
    };
    let policies = CompiledPolicies::compile(&set, &PolicySettings::default()).unwrap();
    let engine = PolicyEngine::new(policies);
    let mut out = String::from(
        "role                 | environment | tool               | read create update delete admin\n",
    );
    let tools = [
        ("plain", "", None),
        ("personal data", "personal", None),
        ("confidential", "confidential", None),
        ("payment", "", Some(ToolTag::Payment)),
        ("grants rights", "", Some(ToolTag::GrantsRights)),
        ("runs SQL", "", Some(ToolTag::RunsSql)),
    ];
    for role in role_templates().unwrap() {
        for environment in [Environment::Development, Environment::Production] {
            for (name, data, tag) in tools {
                let where_ = environment.as_str();
                write!(
                    out,
                    "{:<20} | {where_:<11} | {name:<18} |",
                    role.name.as_str()
                )
                .unwrap();
                for class in OperationClass::ALL {
                    let mut tool = tool("crm", "act", Some(class));
                    tool.environment = environment;
                    tool.tags = tag.into_iter().collect();
                    if !data.is_empty() {
                        tool = with_data_class(tool, data);
                    }
                    let mut member = user(&[role.name.as_str()]);
                    member.authentication.mfa = true;
                    out.push_str(match ask(&engine, &member, &tool) {
                        Ok(permit) if permit.decision().approvals.is_empty() => " yes",
                        Ok(_) => " ask",
                        Err(_) => " -",
                    });
                }
                out.push('\n');
            }
        }
    }
    out
}

/// AUTHZ-1, TOOL-1. If the change is meant, run with `UPDATE_MATRIX` set and review the difference.
#[test]
fn the_matrix_of_the_shipped_roles_is_as_reviewed() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/matrix_roles.txt");
    let table = role_table();
    if option_env!("UPDATE_MATRIX").is_some() {
        std::fs::write(path, &table).unwrap();
    }
    assert_eq!(table, std::fs::read_to_string(path).unwrap());
}
