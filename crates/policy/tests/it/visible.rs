//! What is shown in lists.

use std::sync::Arc;

use sekimori_domain::caller::{Caller, PrincipalKind};
use sekimori_domain::catalog::{Environment, OperationClass, Tool};
use sekimori_policy::{DEFAULT_POLICIES, PolicyEngine};

use crate::support::{caller, engine, now, tool, user, with_data_class};

const READ: Option<OperationClass> = Some(OperationClass::Read);
const DELETE: Option<OperationClass> = Some(OperationClass::Delete);

fn shown(engine: &PolicyEngine, caller: &Caller, tools: Vec<Tool>) -> Vec<bool> {
    let tools: Vec<_> = tools.into_iter().map(Arc::new).collect();
    engine.visible(caller, &tools, now())
}

/// AUTHZ-4: a list shows what may be called and nothing else.
#[test]
fn lists_show_what_may_be_called() {
    let engine = engine(DEFAULT_POLICIES);
    let tools = || {
        vec![
            tool("crm", "find", READ),
            tool("crm", "drop", DELETE),
            tool("crm", "new", None),
            with_data_class(tool("hr", "find", READ), "personal"),
            tool("wiki", "find", READ),
        ]
    };
    assert_eq!(
        shown(&engine, &user(&["employee"]), tools()),
        [true, false, false, false, true]
    );
    assert_eq!(shown(&engine, &user(&[]), tools()), [false; 5]);
    let admin = caller(
        "admin:local",
        PrincipalKind::LocalAdministrator,
        &["employee"],
    );
    assert_eq!(shown(&engine, &admin, tools()), [false; 5]);
}

/// Arguments are unknown while listing: what some arguments would allow is shown.
#[test]
fn what_depends_on_arguments_is_shown() {
    let engine = engine(
        r#"
        @id("small") permit(principal, action, resource in Sekimori::Connector::"bank")
        when { context.argN.hasTag("amount") && context.argN.getTag("amount") < 100 };
        @id("rest") permit(principal, action, resource in Sekimori::Connector::"crm");
        @id("large") forbid(principal, action, resource in Sekimori::Connector::"crm")
        when { context.argN.hasTag("amount") && context.argN.getTag("amount") > 100 };
        @id("mfa") forbid(principal, action == Sekimori::Action::"delete", resource)
        unless { context.auth.mfa };
        "#,
    );
    let tools = || {
        vec![
            tool("bank", "pay", READ),
            tool("crm", "find", READ),
            tool("bank", "drop", DELETE),
            tool("wiki", "find", READ),
        ]
    };
    assert_eq!(
        shown(&engine, &user(&[]), tools()),
        [true, true, false, false]
    );
    let mut strong = user(&[]);
    strong.authentication.mfa = true;
    assert_eq!(shown(&engine, &strong, tools()), [true, true, true, false]);
}

#[test]
fn names_and_approvals_and_hiding() {
    let engine = engine(
        r#"
        @id("one") permit(principal, action, resource == Sekimori::Tool::"crm/find");
        @id("named") permit(principal, action, resource) when { resource.name like "get_*" };
        @id("ask") @approval("looked at") forbid(principal, action in Sekimori::Action::"call", resource);
        @id("hide") forbid(principal, action == Sekimori::Action::"list", resource)
        when { resource.name == "get_secret" };
        "#,
    );
    let tools = vec![
        tool("crm", "find", READ),
        tool("crm", "look", READ),
        tool("crm", "get_one", READ),
        tool("crm", "get_secret", READ),
        tool("crm", "put_one", READ),
    ];
    assert_eq!(
        shown(&engine, &user(&[]), tools),
        [true, false, true, false, false]
    );
}

/// AUTHZ-8: environments that an account was not given aren't shown to it.
#[test]
fn other_environments_are_not_shown() {
    let engine = engine("@id(\"all\") permit(principal, action, resource);");
    let mut batch = caller("service:batch", PrincipalKind::ServiceAccount, &[]);
    batch.principal.environments = Some(vec![Environment::Development]);
    let mut development = tool("crm", "find", READ);
    development.environment = Environment::Development;
    let tools = vec![tool("crm", "find", READ), development];
    assert_eq!(shown(&engine, &batch, tools), [false, true]);
}
