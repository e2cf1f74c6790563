//! Roles as data, written as Cedar policies: the same engine decides on them, and explanations show them.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use sekimori_domain::ids::{ClientId, ConnectorName, DataClass, GroupName};
use sekimori_domain::role::{
    ApprovalRule, CONDITIONS_MAX, Condition, DataScope, GRANTS_PER_ROLE_MAX, Grant, MEMBERS_MAX,
    ROLES_MAX, Role,
};

use crate::cedar_text::{entity, long_set, strings, text};

/// How the ids of their policies begin.
pub const ROLE_POLICY_PREFIX: &str = "role:";

/// Roles to begin with; each is meant to be narrowed to connectors of the company.
pub const ROLE_TEMPLATES: &str = include_str!("role_templates.toml");

/// What is wrong with a role, and how to mend it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("role {role}: {why}")]
pub struct RoleError {
    /// Its name.
    pub role: String,
    /// What is wrong.
    pub why: String,
}

/// Roles of the shipped templates.
pub fn role_templates() -> Result<Vec<Role>, RoleError> {
    #[derive(serde::Deserialize)]
    struct File {
        role: Vec<Role>,
    }
    let file: File = toml::from_str(ROLE_TEMPLATES).map_err(|error| RoleError {
        role: "templates".to_owned(),
        why: error.to_string(),
    })?;
    Ok(file.role)
}

/// The policies of `roles`, as text.
pub fn role_policies(roles: &[Role]) -> Result<String, RoleError> {
    let mut out = String::new();
    let mut seen = BTreeSet::new();
    for role in roles {
        let wrong = |why: String| RoleError {
            role: role.name.to_string(),
            why,
        };
        if roles.len() > ROLES_MAX {
            return Err(wrong(format!("there are more than {ROLES_MAX} roles")));
        }
        if !seen.insert(&role.name) {
            return Err(wrong("there are two of that name".to_owned()));
        }
        check(role).map_err(&wrong)?;
        for (number, grant) in role.grants.iter().enumerate() {
            write_grant(&mut out, role, number + 1, grant).map_err(&wrong)?;
        }
    }
    Ok(out)
}

fn check(role: &Role) -> Result<(), String> {
    let id = format!("{ROLE_POLICY_PREFIX}{}:{GRANTS_PER_ROLE_MAX}", role.name);
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
    if id.len() > 100 || !id.bytes().all(plain) {
        return Err("use at most 90 letters, digits, '-', '_', '.' and ':' as name".to_owned());
    }
    if role.grants.len() > GRANTS_PER_ROLE_MAX {
        return Err(format!("at most {GRANTS_PER_ROLE_MAX} grants"));
    }
    if role.members.groups.len() + role.members.principals.len() > MEMBERS_MAX {
        return Err(format!(
            "at most {MEMBERS_MAX} members by name: put them into a group"
        ));
    }
    Ok(())
}

fn write_grant(out: &mut String, role: &Role, number: usize, grant: &Grant) -> Result<(), String> {
    if grant.classes.is_empty() {
        return Err(format!("grant {number} names no operation class"));
    }
    if grant.conditions.len() > CONDITIONS_MAX {
        return Err(format!(
            "grant {number} has more than {CONDITIONS_MAX} conditions"
        ));
    }
    let _infallible = writeln!(
        out,
        "@id({})",
        text(&format!("{ROLE_POLICY_PREFIX}{}:{number}", role.name))
    );
    if let Some(approval) = &grant.approval {
        write_approval(out, approval);
    }
    let classes: Vec<String> = grant
        .classes
        .iter()
        .map(|class| entity("Action", class.as_str()))
        .collect();
    let mut bounds = bounds(grant);
    // One name alone goes into the scope, where the index finds it.
    let scope = match bounds.as_slice() {
        [Bound { kind, names }] if names.len() == 1 => {
            let scope = format!("resource in {}", entity(kind, names.first().unwrap_or(&"")));
            bounds.clear();
            scope
        }
        _ => "resource".to_owned(),
    };
    let _infallible = writeln!(
        out,
        "permit (principal in {}, action in [{}], {scope})",
        entity("Role", role.name.as_str()),
        classes.join(", ")
    );
    for bound in &bounds {
        let names: Vec<String> = bound
            .names
            .iter()
            .map(|name| entity(bound.kind, name))
            .collect();
        let _infallible = writeln!(out, "when {{ resource in [{}] }}", names.join(", "));
    }
    if let DataScope::AtMost(classes) = &grant.data {
        let classes = classes.iter().map(DataClass::as_str);
        let _infallible = writeln!(
            out,
            "when {{ {}.containsAll(resource.dataClasses) }}",
            strings(classes)
        );
    }
    for condition in &grant.conditions {
        let _infallible = writeln!(out, "when {{ {} }}", condition_text(condition)?);
    }
    out.push_str(";\n\n");
    Ok(())
}

fn write_approval(out: &mut String, approval: &ApprovalRule) {
    let _infallible = writeln!(out, "@approval({})", text(&approval.reason));
    if !approval.approvers.is_empty() {
        let names: Vec<&str> = approval.approvers.iter().map(GroupName::as_str).collect();
        let _infallible = writeln!(out, "@approvers({})", text(&names.join(",")));
    }
    if approval.quorum != 1 {
        let _infallible = writeln!(out, "@quorum({})", text(&approval.quorum.to_string()));
    }
    if approval.step_up {
        out.push_str("@step_up(\"true\")\n");
    }
}

/// What a tool must be, or be in.
struct Bound<'a> {
    kind: &'static str,
    names: Vec<&'a str>,
}

fn bounds(grant: &Grant) -> Vec<Bound<'_>> {
    let all = [
        (
            "Connector",
            grant.connectors.iter().map(ConnectorName::as_str).collect(),
        ),
        ("Tool", grant.tools.iter().map(String::as_str).collect()),
        (
            "Environment",
            grant.environments.iter().map(|one| one.as_str()).collect(),
        ),
    ];
    all.into_iter()
        .map(|(kind, names): (_, Vec<&str>)| Bound { kind, names })
        .filter(|bound| !bound.names.is_empty())
        .collect()
}

fn condition_text(condition: &Condition) -> Result<String, String> {
    let list = |values: &BTreeSet<String>, what: &str| {
        if values.is_empty() {
            Err(format!("the condition on {what} lists nothing"))
        } else {
            Ok(strings(values.iter().map(String::as_str)))
        }
    };
    Ok(match condition {
        Condition::Zone { any_of } => format!(
            "context has zones && context.zones.containsAny({})",
            list(any_of, "zones")?
        ),
        Condition::Country { any_of } => format!(
            "context has country && {}.contains(context.country)",
            list(any_of, "countries")?
        ),
        Condition::Hours {
            from_minute,
            until_minute,
            weekdays,
            holidays,
        } => hours(*from_minute, *until_minute, weekdays, *holidays)?,
        Condition::Mfa {
            age_seconds_max: None,
        } => "context.auth.mfa".to_owned(),
        Condition::Mfa {
            age_seconds_max: Some(age),
        } => format!(
            "context.auth.mfa && context.auth has ageSeconds && context.auth.ageSeconds <= {age}"
        ),
        Condition::Device { managed, compliant } => device(*managed, *compliant)?,
        Condition::Department { any_of } => format!(
            "principal has department && {}.contains(principal.department)",
            list(any_of, "departments")?
        ),
        Condition::Employment { any_of } => format!(
            "principal has employment && {}.contains(principal.employment)",
            list(any_of, "kinds of employment")?
        ),
        Condition::Client { any_of } => {
            if any_of.is_empty() {
                return Err("the condition on clients lists nothing".to_owned());
            }
            let ids = strings(any_of.iter().map(ClientId::as_str));
            format!("{ids}.contains(context.client.id)")
        }
        Condition::ArgumentNumber { name, min, max } => number(name, *min, *max)?,
        Condition::ArgumentText { name, any_of } => format!(
            "context.argS.hasTag({0}) && {1}.contains(context.argS.getTag({0}))",
            text(name),
            list(any_of, name)?
        ),
        Condition::ArgumentSet { name, at_most } => format!(
            "context.argSet.hasTag({0}) && {1}.containsAll(context.argSet.getTag({0}))",
            text(name),
            list(at_most, name)?
        ),
        Condition::ArgumentFlag { name, is } => format!(
            "context.argB.hasTag({0}) && context.argB.getTag({0}) == {is}",
            text(name)
        ),
    })
}

fn hours(from: u16, until: u16, weekdays: &BTreeSet<u8>, holidays: bool) -> Result<String, String> {
    if from >= until || until > 1_440 || weekdays.iter().any(|day| !(1..=7).contains(day)) {
        let why = "hours run from a minute of the day (0 to 1439) until a later one (up to 1440), \
                   weekdays from 1 (Monday) to 7";
        return Err(why.to_owned());
    }
    let mut out = format!("context.minuteOfDay >= {from} && context.minuteOfDay < {until}");
    if !weekdays.is_empty() {
        let days = long_set(weekdays.iter().copied().map(i64::from));
        let _infallible = write!(out, " && {days}.contains(context.weekday)");
    }
    if !holidays {
        // Of a year without any entry nothing is known: weekdays must do.
        out.push_str(" && (if context has holiday then context.holiday == false else true)");
    }
    Ok(out)
}

fn device(managed: bool, compliant: bool) -> Result<String, String> {
    let mut asked = vec!["context has device"];
    if managed {
        asked.push("context.device has managed && context.device.managed");
    }
    if compliant {
        asked.push("context.device has compliant && context.device.compliant");
    }
    if asked.len() == 1 {
        return Err("the condition on devices asks for nothing".to_owned());
    }
    Ok(asked.join(" && "))
}

fn number(name: &str, min: Option<i64>, max: Option<i64>) -> Result<String, String> {
    if min.is_none() && max.is_none() {
        return Err(format!("the condition on {name} has no bound"));
    }
    let name = text(name);
    let mut out = format!("context.argN.hasTag({name})");
    if let Some(min) = min {
        let _infallible = write!(out, " && context.argN.getTag({name}) >= {min}");
    }
    if let Some(max) = max {
        let _infallible = write!(out, " && context.argN.getTag({name}) <= {max}");
    }
    Ok(out)
}
