//! Which group or role contains which, and who carries a role by name.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use sekimori_domain::caller::Principal;
use sekimori_domain::ids::{GroupName, PrincipalId};
use sekimori_domain::role::Role;

use crate::engine::PolicyEngine;

/// Groups within groups and roles, as the transitive closure. A group of the identity provider that is to
/// carry a role of another name is given that role as its parent.
#[derive(Debug, Clone, Default)]
pub struct GroupHierarchy {
    parents: BTreeMap<GroupName, BTreeSet<GroupName>>,
    above: BTreeMap<GroupName, Vec<GroupName>>,
    /// What principals carry by their own id, with what comes with it, in order.
    own: BTreeMap<PrincipalId, Vec<GroupName>>,
}

impl GroupHierarchy {
    /// From pairs of group and parent. Circles are allowed: their members belong to each other.
    pub fn new(edges: impl IntoIterator<Item = (GroupName, GroupName)>) -> Self {
        let mut parents: BTreeMap<GroupName, BTreeSet<GroupName>> = BTreeMap::new();
        for (child, parent) in edges {
            parents.entry(child).or_default().insert(parent);
        }
        let above = closure(&parents);
        Self {
            parents,
            above,
            own: BTreeMap::new(),
        }
    }

    /// The same with the members of `roles`.
    pub(crate) fn with_roles(&self, roles: &[Role]) -> Self {
        let mut parents = self.parents.clone();
        let mut own: BTreeMap<PrincipalId, BTreeSet<GroupName>> = BTreeMap::new();
        for role in roles {
            for group in &role.members.groups {
                let above = parents.entry(group.clone()).or_default();
                above.insert(role.name.clone());
            }
            for principal in &role.members.principals {
                let carried = own.entry(principal.clone()).or_default();
                carried.insert(role.name.clone());
            }
        }
        let above = closure(&parents);
        let with_above = |names: BTreeSet<GroupName>| -> Vec<GroupName> {
            let more = names.iter().filter_map(|name| above.get(name)).flatten();
            let all: BTreeSet<GroupName> = more.chain(&names).cloned().collect();
            all.into_iter().collect()
        };
        let own = own
            .into_iter()
            .map(|(id, names)| (id, with_above(names)))
            .collect();
        Self {
            parents,
            above,
            own,
        }
    }

    /// Whether `principal` belongs to the group `name`.
    pub(crate) fn is_member(&self, principal: &Principal, name: &str) -> bool {
        let within = |names: Option<&Vec<GroupName>>| {
            names.is_some_and(|names| {
                names
                    .binary_search_by(|known| known.as_str().cmp(name))
                    .is_ok()
            })
        };
        let groups = &principal.groups;
        groups
            .iter()
            .any(|group| group.as_str() == name || within(self.above.get(group)))
            || (!self.own.is_empty() && within(self.own.get(&principal.id)))
    }

    /// Calls `found` once with the name of each group that `principal` belongs to.
    pub(crate) fn memberships<'a>(
        &'a self,
        principal: &'a Principal,
        mut found: impl FnMut(&'a str),
    ) {
        let groups = &principal.groups;
        if self.above.is_empty() && self.own.is_empty() {
            for group in groups {
                found(group.as_str());
            }
            return;
        }
        let mut seen = BTreeSet::new();
        let mut tell = |name: &'a GroupName| {
            if seen.insert(name.as_str()) {
                found(name.as_str());
            }
        };
        for group in groups {
            tell(group);
            self.above
                .get(group)
                .into_iter()
                .flatten()
                .for_each(&mut tell);
        }
        let own = self.own.get(&principal.id);
        own.into_iter().flatten().for_each(tell);
    }
}

/// Who belongs to which groups and roles, as the policies say that are in force when it is asked.
pub trait Membership: Send + Sync + Debug {
    /// All groups and roles that `who`, a member of `groups`, belongs to, sorted.
    fn all(&self, who: Option<&PrincipalId>, groups: &[GroupName]) -> Vec<GroupName>;

    /// Who carries one of these roles by their own id.
    fn named(&self, roles: &BTreeSet<&GroupName>) -> Vec<PrincipalId>;
}

impl Membership for GroupHierarchy {
    fn all(&self, who: Option<&PrincipalId>, groups: &[GroupName]) -> Vec<GroupName> {
        let own = who.and_then(|who| self.own.get(who)).into_iter().flatten();
        let above = groups.iter().filter_map(|group| self.above.get(group));
        let all: BTreeSet<&GroupName> = groups.iter().chain(above.flatten()).chain(own).collect();
        all.into_iter().cloned().collect()
    }

    fn named(&self, roles: &BTreeSet<&GroupName>) -> Vec<PrincipalId> {
        let carries = |names: &Vec<GroupName>| names.iter().any(|name| roles.contains(name));
        let own = self.own.iter().filter(|(_, names)| carries(names));
        own.map(|(id, _)| id.clone()).collect()
    }
}

impl Membership for PolicyEngine {
    fn all(&self, who: Option<&PrincipalId>, groups: &[GroupName]) -> Vec<GroupName> {
        self.active().settings.groups.all(who, groups)
    }

    fn named(&self, roles: &BTreeSet<&GroupName>) -> Vec<PrincipalId> {
        self.active().settings.groups.named(roles)
    }
}

fn closure(
    parents: &BTreeMap<GroupName, BTreeSet<GroupName>>,
) -> BTreeMap<GroupName, Vec<GroupName>> {
    parents
        .keys()
        .map(|group| (group.clone(), ancestors(group, parents)))
        .collect()
}

fn ancestors(
    group: &GroupName,
    parents: &BTreeMap<GroupName, BTreeSet<GroupName>>,
) -> Vec<GroupName> {
    let mut seen = BTreeSet::new();
    let mut open = vec![group];
    while let Some(next) = open.pop() {
        for parent in parents.get(next).into_iter().flatten() {
            if seen.insert(parent.clone()) {
                open.push(parent);
            }
        }
    }
    seen.remove(group);
    seen.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use sekimori_domain::caller::PrincipalKind;
    use sekimori_domain::role::Members;

    use super::*;

    fn group(name: &str) -> GroupName {
        GroupName::new(name).unwrap()
    }

    #[test]
    fn authz_1_roles_come_from_groups_and_by_name() {
        let hierarchy = GroupHierarchy::new([(group("reader"), group("everybody"))]);
        let role = Role {
            name: group("reader"),
            title: BTreeMap::new(),
            description: String::new(),
            members: Members {
                groups: [group("sales")].into(),
                principals: [PrincipalId::new("service:batch").unwrap()].into(),
            },
            grants: Vec::new(),
        };
        let hierarchy = hierarchy.with_roles(&[role]);
        let principal = |id: &str, groups: &[&str]| Principal {
            id: PrincipalId::new(id).unwrap(),
            kind: PrincipalKind::User,
            display_name: id.to_owned(),
            groups: groups.iter().map(|name| group(name)).collect(),
            department: None,
            employment: None,
            environments: None,
        };
        let carried = |principal: &Principal| {
            let mut names = Vec::new();
            hierarchy.memberships(principal, |name| names.push(name.to_owned()));
            for name in ["sales", "reader", "everybody", "other"] {
                let told = names.iter().any(|known| known == name);
                assert_eq!(hierarchy.is_member(principal, name), told, "{name}");
            }
            names.sort();
            names
        };
        let hanako = principal("user:hanako", &["sales"]);
        assert_eq!(carried(&hanako), ["everybody", "reader", "sales"]);
        let batch = principal("service:batch", &[]);
        assert_eq!(carried(&batch), ["everybody", "reader"]);
        assert!(carried(&principal("user:taro", &[])).is_empty());
        // The same for who decides on requests.
        let all = hierarchy.all(Some(&batch.id), &[]);
        assert_eq!(all, [group("everybody"), group("reader")]);
        let all = hierarchy.all(Some(&hanako.id), &hanako.groups);
        assert_eq!(all, [group("everybody"), group("reader"), group("sales")]);
        let reader = group("reader");
        assert_eq!(hierarchy.named(&[&reader].into()), [batch.id]);
    }
}
