//! What a provider tells of a person, read the same way from claims and from attributes.

use std::collections::BTreeMap;

use jiff::Timestamp;
use sekimori_domain::identity_provider::{GroupMapping, IdentityProvider, SignInProtocol};
use sekimori_domain::ids::GroupName;
use sekimori_store::CLAIMED_GROUPS_MAX;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::failure::Reason;
use crate::token::claims;

/// What a provider vouches for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Facts {
    pub(super) subject: String,
    pub(super) session: Option<String>,
    pub(super) auth_time: Timestamp,
    pub(super) acr: Option<String>,
    pub(super) amr: Vec<String>,
    pub(super) id_token: Option<String>,
    pub(super) about: About,
}

/// What a provider tells beside who it is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct About {
    pub(super) external_id: Option<String>,
    pub(super) user_name: Option<String>,
    pub(super) display_name: Option<String>,
    pub(super) email: Option<String>,
    pub(super) department: Option<String>,
    pub(super) employment: Option<String>,
    /// `None` if the provider is not asked for groups.
    pub(super) groups: Option<Vec<GroupName>>,
}

/// Where the provider told it.
pub(super) enum Told<'a> {
    /// Claims of OpenID Connect.
    Claims(&'a Map<String, Value>),
    /// Attributes of an assertion.
    Attributes(&'a BTreeMap<String, Vec<String>>),
}

impl Told<'_> {
    fn one(&self, name: Option<&str>) -> Option<String> {
        let name = name?;
        let text = match self {
            Self::Claims(all) => claims::find(all, name)?.as_str()?,
            Self::Attributes(all) => match all.get(name)?.as_slice() {
                [one] => one,
                _ => return None,
            },
        };
        let text = claims::displayable(text);
        (!text.is_empty()).then_some(text)
    }

    fn many(&self, name: &str) -> Result<Vec<&str>, Reason> {
        match self {
            Self::Attributes(all) => Ok(all
                .get(name)
                .map(|values| values.iter().map(String::as_str).collect())
                .unwrap_or_default()),
            Self::Claims(all) => match claims::find(all, name) {
                Some(Value::Array(list)) => list
                    .iter()
                    .map(|value| value.as_str().ok_or(Reason::NotAccepted("groups")))
                    .collect(),
                Some(Value::String(one)) => Ok(vec![one]),
                Some(_) => Err(Reason::NotAccepted("groups")),
                // Some providers replace a long list by a reference to where it can be asked for.
                None if all
                    .get("_claim_names")
                    .is_some_and(|names| names.get(name).is_some()) =>
                {
                    Err(Reason::TooManyGroups)
                }
                None => Ok(Vec::new()),
            },
        }
    }

    /// What it tells, by the names that the provider is configured with.
    pub(super) fn about(&self, provider: &IdentityProvider) -> Result<About, Reason> {
        let names = &provider.attributes;
        let or = |name: &Option<String>, usual: &'static str| {
            let usual = match provider.protocol {
                SignInProtocol::Oidc(_) => Some(usual),
                SignInProtocol::Saml(_) => None,
            };
            self.one(name.as_deref().or(usual))
        };
        Ok(About {
            external_id: self.one(names.external_id.as_deref()),
            user_name: or(&names.user_name, "preferred_username"),
            display_name: or(&names.display_name, "name"),
            email: or(&names.email, "email"),
            department: self.one(names.department.as_deref()),
            employment: self.one(names.employment.as_deref()),
            groups: self.groups(&provider.groups)?,
        })
    }

    fn groups(&self, mapping: &GroupMapping) -> Result<Option<Vec<GroupName>>, Reason> {
        let Some(attribute) = mapping.attribute.as_deref() else {
            return Ok(None);
        };
        let mut groups = Vec::new();
        for theirs in self.many(attribute)? {
            match mapping.names.get(theirs) {
                Some(ours) => groups.push(ours.clone()),
                None if mapping.others => {
                    let name = GroupName::new(theirs).map_err(|_| Reason::NotAccepted("groups"))?;
                    groups.push(name);
                }
                None => {}
            }
        }
        groups.sort();
        groups.dedup();
        // Cut short, it could lack the one group that policy forbids something to.
        if groups.len() > CLAIMED_GROUPS_MAX {
            return Err(Reason::TooManyGroups);
        }
        Ok(Some(groups))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn provider(groups: &Value) -> IdentityProvider {
        serde_json::from_value(json!({
            "name": "corp", "kind": "oidc", "issuer": "https://idp.example", "client_id": "gate",
            "attributes": {"external_id": "oid", "department": "/org/unit"},
            "groups": groups,
        }))
        .unwrap()
    }

    fn about(claims: Value, groups: &Value) -> Result<About, Reason> {
        let Value::Object(claims) = claims else {
            panic!("not an object");
        };
        Told::Claims(&claims).about(&provider(groups))
    }

    fn names(about: &About) -> Vec<&str> {
        let groups = about.groups.as_deref().unwrap_or_default();
        groups.iter().map(GroupName::as_str).collect()
    }

    #[test]
    fn authn_1_claims_become_facts_by_their_configured_names() {
        let about = about(
            json!({"oid": "42", "preferred_username": "hanako", "name": "花子\u{7}",
                   "org": {"unit": "営業"}, "groups": ["G-1"]}),
            &json!({}),
        )
        .unwrap();
        assert_eq!(about.external_id.as_deref(), Some("42"));
        assert_eq!(about.user_name.as_deref(), Some("hanako"));
        assert_eq!(about.display_name.as_deref(), Some("花子"));
        assert_eq!(about.department.as_deref(), Some("営業"));
        assert_eq!(about.groups, None, "not asked for");
    }

    #[test]
    fn authz_6_groups_are_mapped_and_the_rest_is_left_out_unless_wanted() {
        let mapping = |others| json!({"attribute": "groups", "names": {"G-1": "sales", "G-2": "sales"}, "others": others});
        let told = json!({"groups": ["G-1", "G-2", "admins"]});
        assert_eq!(
            names(&about(told.clone(), &mapping(false)).unwrap()),
            ["sales"]
        );
        assert_eq!(
            names(&about(told, &mapping(true)).unwrap()),
            ["admins", "sales"]
        );
        assert!(names(&about(json!({}), &mapping(true)).unwrap()).is_empty());
        for (bad, reason) in [
            (json!({"groups": [7]}), Reason::NotAccepted("groups")),
            (json!({"groups": {}}), Reason::NotAccepted("groups")),
            (
                json!({"_claim_names": {"groups": "src"}}),
                Reason::TooManyGroups,
            ),
        ] {
            assert_eq!(about(bad, &mapping(true)), Err(reason));
        }
        let many: Vec<_> = (0..=CLAIMED_GROUPS_MAX).map(|n| n.to_string()).collect();
        assert_eq!(
            about(json!({"groups": many}), &mapping(true)),
            Err(Reason::TooManyGroups)
        );
    }

    #[test]
    fn an_attribute_with_two_values_is_no_single_fact() {
        let mut provider = provider(&json!({}));
        provider.attributes.user_name = Some("uid".into());
        let attributes = BTreeMap::from([
            ("uid".to_owned(), vec!["a".to_owned(), "b".to_owned()]),
            ("oid".to_owned(), vec!["1".to_owned()]),
        ]);
        let about = Told::Attributes(&attributes).about(&provider).unwrap();
        assert_eq!(
            (about.user_name, about.external_id.as_deref()),
            (None, Some("1"))
        );
    }
}
