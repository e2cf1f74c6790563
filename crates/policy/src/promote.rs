//! Roles that hold in one environment, carried on to the next (AUTHZ-8).

use std::collections::{BTreeMap, BTreeSet};

use sekimori_domain::catalog::Environment;
use sekimori_domain::ids::{ConnectorName, GroupName};
use sekimori_domain::role::{Grant, Role};

/// A grant that a promotion adds to a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddedGrant {
    /// The role.
    pub role: GroupName,
    /// What it grants besides.
    pub grant: Grant,
}

/// The roles with what they grant in `from` granted in `to` as well, and what that adds. `connectors` are those of
/// `from`, each with the one that stands for the same system in `to`.
pub fn promote_roles(
    roles: &[Role],
    (from, to): (Environment, Environment),
    connectors: &BTreeMap<ConnectorName, ConnectorName>,
) -> (Vec<Role>, Vec<AddedGrant>) {
    let mut added = Vec::new();
    let mut promoted = roles.to_vec();
    for role in &mut promoted {
        let next: Vec<_> = role
            .grants
            .iter()
            .filter_map(|grant| next_grant(grant, from, to, connectors))
            .collect();
        for grant in next {
            if !role.grants.contains(&grant) {
                role.grants.push(grant.clone());
                added.push(AddedGrant {
                    role: role.name.clone(),
                    grant,
                });
            }
        }
    }
    (promoted, added)
}

/// The same grant in the next environment; `None` if it is about neither.
fn next_grant(
    grant: &Grant,
    from: Environment,
    to: Environment,
    connectors: &BTreeMap<ConnectorName, ConnectorName>,
) -> Option<Grant> {
    let everywhere = grant.environments.is_empty();
    if !everywhere && !grant.environments.contains(&from) {
        return None;
    }
    // What names no connector and no environment holds there already.
    if everywhere && grant.connectors.is_empty() && grant.tools.is_empty() {
        return None;
    }
    let mapped: BTreeSet<_> = grant
        .connectors
        .iter()
        .filter_map(|name| connectors.get(name).cloned())
        .collect();
    let tools: BTreeSet<_> = grant
        .tools
        .iter()
        .filter_map(|tool| next_tool(tool, connectors))
        .collect();
    // Without a counterpart it would grant nothing there, or everything.
    if mapped.is_empty() != grant.connectors.is_empty()
        || tools.is_empty() != grant.tools.is_empty()
    {
        return None;
    }
    Some(Grant {
        environments: if everywhere {
            BTreeSet::new()
        } else {
            [to].into()
        },
        connectors: mapped,
        tools,
        ..grant.clone()
    })
}

/// `connector/tool` at the counterpart of its connector.
fn next_tool(tool: &str, connectors: &BTreeMap<ConnectorName, ConnectorName>) -> Option<String> {
    let (connector, name) = tool.split_once('/')?;
    let connector = ConnectorName::new(connector).ok()?;
    Some(format!("{}/{name}", connectors.get(&connector)?))
}

#[cfg(test)]
mod tests {
    use sekimori_domain::catalog::OperationClass;
    use sekimori_domain::role::{DataScope, Members};

    use super::*;

    fn grant(environments: &[Environment], connectors: &[&str], tools: &[&str]) -> Grant {
        Grant {
            classes: [OperationClass::Read].into(),
            connectors: connectors
                .iter()
                .map(|name| name.parse().unwrap())
                .collect(),
            tools: tools.iter().map(|tool| (*tool).to_owned()).collect(),
            environments: environments.iter().copied().collect(),
            data: DataScope::default(),
            conditions: Vec::new(),
            approval: None,
        }
    }

    fn promoted(grant: Grant) -> Vec<Grant> {
        let role = Role {
            name: "clerk".parse().unwrap(),
            title: BTreeMap::new(),
            description: String::new(),
            members: Members::default(),
            grants: vec![grant],
        };
        let step = (Environment::Development, Environment::Staging);
        let map = [("hr-dev".parse().unwrap(), "hr-stg".parse().unwrap())].into();
        let (roles, added) = promote_roles(&[role], step, &map);
        assert_eq!(roles[0].grants.len(), 1 + added.len());
        // Once more adds nothing.
        assert!(promote_roles(&roles, step, &map).1.is_empty());
        added.into_iter().map(|added| added.grant).collect()
    }

    #[test]
    fn grants_follow_their_connectors_into_the_next_environment() {
        let dev = [Environment::Development];
        let stg = [Environment::Staging];
        assert_eq!(promoted(grant(&dev, &[], &[])), [grant(&stg, &[], &[])]);
        assert_eq!(
            promoted(grant(&dev, &["hr-dev", "crm-dev"], &["hr-dev/leave"])),
            [grant(&stg, &["hr-stg"], &["hr-stg/leave"])]
        );
        assert_eq!(
            promoted(grant(&[], &["hr-dev"], &[])),
            [grant(&[], &["hr-stg"], &[])]
        );
    }

    #[test]
    fn nothing_is_granted_that_nobody_granted_before() {
        let dev = [Environment::Development];
        for none in [
            grant(&[], &[], &[]),
            grant(&[Environment::Production], &["hr-dev"], &[]),
            grant(&dev, &["crm-dev"], &[]),
            grant(&dev, &[], &["crm-dev/find"]),
            grant(&dev, &["hr-dev"], &["crm-dev/find"]),
        ] {
            assert!(promoted(none.clone()).is_empty(), "{none:?}");
        }
    }
}
