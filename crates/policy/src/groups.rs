//! Which group or role contains which.

use std::collections::{BTreeMap, BTreeSet};

use sekimori_domain::ids::GroupName;

/// Groups within groups and roles, as the transitive closure. A group of the identity provider that is to
/// carry a role of another name is given that role as its parent.
#[derive(Debug, Clone, Default)]
pub struct GroupHierarchy {
    above: BTreeMap<GroupName, Vec<GroupName>>,
}

impl GroupHierarchy {
    /// From pairs of group and parent. Circles are allowed: their members belong to each other.
    pub fn new(edges: impl IntoIterator<Item = (GroupName, GroupName)>) -> Self {
        let mut parents: BTreeMap<GroupName, BTreeSet<GroupName>> = BTreeMap::new();
        for (child, parent) in edges {
            parents.entry(child).or_default().insert(parent);
        }
        let above = parents
            .keys()
            .map(|group| (group.clone(), ancestors(group, &parents)))
            .collect();
        Self { above }
    }

    /// Whether a member of `groups` belongs to the group `name`.
    pub(crate) fn is_member(&self, groups: &[GroupName], name: &str) -> bool {
        groups.iter().any(|group| {
            let above = || self.above.get(group).map_or(&[][..], Vec::as_slice);
            group.as_str() == name
                || above()
                    .binary_search_by(|parent| parent.as_str().cmp(name))
                    .is_ok()
        })
    }

    /// All groups and roles that a member of `groups` belongs to, sorted.
    pub fn all(&self, groups: &[GroupName]) -> Vec<GroupName> {
        let above = groups.iter().filter_map(|group| self.above.get(group));
        let mut all: Vec<GroupName> = groups.iter().chain(above.flatten()).cloned().collect();
        all.sort();
        all.dedup();
        all
    }

    /// Calls `found` once with the name of each group that a member of `groups` belongs to.
    pub(crate) fn memberships<'a>(
        &'a self,
        groups: &'a [GroupName],
        mut found: impl FnMut(&'a str),
    ) {
        if self.above.is_empty() {
            for group in groups {
                found(group.as_str());
            }
            return;
        }
        let mut seen = BTreeSet::new();
        for group in groups {
            let above = self.above.get(group).into_iter().flatten();
            for name in std::iter::once(group).chain(above) {
                if seen.insert(name.as_str()) {
                    found(name.as_str());
                }
            }
        }
    }
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
