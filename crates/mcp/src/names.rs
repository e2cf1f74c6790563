//! Public names of tools and prompts where all connectors share one endpoint: `connector__tool`.
//!
//! Model APIs take at most 64 characters of `[A-Za-z0-9_-]`; MCP allows more. A name that fits is used
//! as it is, and can be taken apart without a table. One that does not fit is shortened: what is
//! readable of it, `--h`, and 15 characters of its SHA-256 digest; it is found by computing the public
//! names of the tools that are known. A name of that form is shortened even where it fits, so a plain
//! name never equals a shortened one. The result depends on connector and tool alone: it is stable
//! over restarts, nodes and changes of other tools.

use sekimori_domain::digest::Digest;
use sekimori_domain::ids::ConnectorName;
use sekimori_domain::limits::PUBLIC_TOOL_NAME_CHARS_MAX;

const SEPARATOR: &str = "__";
const HASH_MARK: &str = "--h";
/// 75 bits of the digest: enough that no two of any number of tools meet by accident.
const HASH_CHARS: usize = 15;

/// The public name of a tool or prompt.
pub fn public_name(connector: &ConnectorName, name: &str) -> String {
    let room = PUBLIC_TOOL_NAME_CHARS_MAX
        .saturating_sub(connector.as_str().len())
        .saturating_sub(SEPARATOR.len());
    let fits = !name.is_empty() && name.len() <= room && name.bytes().all(is_public);
    if fits && !is_shortened(name) {
        return format!("{connector}{SEPARATOR}{name}");
    }
    let room = room.saturating_sub(HASH_MARK.len() + HASH_CHARS);
    let readable: String = name
        .chars()
        .map(|char| match u8::try_from(char) {
            Ok(byte) if is_public(byte) => char,
            _ => '_',
        })
        .take(room)
        .collect();
    let hash = hash(name);
    format!("{connector}{SEPARATOR}{readable}{HASH_MARK}{hash}")
}

/// A public name, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublicName<'a> {
    /// The name as the connector spells it.
    Plain(ConnectorName, &'a str),
    /// A shortened name; only the connector can be read from it.
    Shortened(ConnectorName),
}

impl PublicName<'_> {
    /// The connector.
    pub fn connector(&self) -> &ConnectorName {
        match self {
            Self::Plain(connector, _) | Self::Shortened(connector) => connector,
        }
    }
}

/// Takes a public name apart; `None` if it cannot be one.
pub fn split(public: &str) -> Option<PublicName<'_>> {
    if public.len() > PUBLIC_TOOL_NAME_CHARS_MAX {
        return None;
    }
    // Connector names hold no underscore, so the first separator ends the connector.
    let (connector, name) = public.split_once(SEPARATOR)?;
    let connector = ConnectorName::new(connector).ok()?;
    if name.is_empty() || !name.bytes().all(is_public) {
        return None;
    }
    Some(if is_shortened(name) {
        PublicName::Shortened(connector)
    } else {
        PublicName::Plain(connector, name)
    })
}

/// Finds which of a connector's `known` names has this public name.
pub fn resolve<'k>(public: &str, mut known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    match split(public)? {
        PublicName::Plain(_, name) => known.find(|candidate| *candidate == name),
        PublicName::Shortened(connector) => {
            known.find(|candidate| public_name(&connector, candidate) == public)
        }
    }
}

fn is_public(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

/// Whether a name has the form of a shortened one.
fn is_shortened(name: &str) -> bool {
    name.len()
        .checked_sub(HASH_MARK.len() + HASH_CHARS)
        .and_then(|start| name.get(start..))
        .is_some_and(|end| end.starts_with(HASH_MARK))
}

/// The first characters of the digest in base 32 (RFC 4648, lower case).
fn hash(name: &str) -> String {
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let digest = Digest::of(name.as_bytes());
    let mut bits: u32 = 0;
    let mut held = 0;
    let mut bytes = digest.0.iter();
    let mut out = String::with_capacity(HASH_CHARS);
    while out.len() < HASH_CHARS {
        if held < 5 {
            bits = (bits << 8) | u32::from(bytes.next().copied().unwrap_or_default());
            held += 8;
        }
        held -= 5;
        let index = usize::try_from((bits >> held) & 31).unwrap_or_default();
        out.push(char::from(ALPHABET.get(index).copied().unwrap_or(b'a')));
        bits &= (1 << held) - 1;
    }
    out
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn connector(name: &str) -> ConnectorName {
        ConnectorName::new(name).unwrap()
    }

    #[test]
    fn names_that_fit_stay_readable_and_reversible() {
        let public = public_name(&connector("crm"), "find_customer");
        assert_eq!(public, "crm__find_customer");
        assert_eq!(
            split(&public),
            Some(PublicName::Plain(connector("crm"), "find_customer"))
        );
        assert_eq!(
            split("a___x__y"),
            Some(PublicName::Plain(connector("a"), "_x__y"))
        );
    }

    #[test]
    fn other_names_are_shortened_and_found_again() {
        let crm = connector("crm");
        let long = "a".repeat(100);
        let known = ["顧客を探す", "admin.users.list", &long, "find", ""];
        for name in known {
            let public = public_name(&crm, name);
            assert!(
                public.len() <= 64 && public.bytes().all(is_public),
                "{public}"
            );
            assert_eq!(resolve(&public, known.into_iter()), Some(name));
        }
        // Stable for ever: clients remember these names.
        assert_eq!(
            public_name(&crm, "admin.users.list"),
            "crm__admin_users_list--h27y5rcnjp6f3iuq"
        );
    }

    #[test]
    fn a_name_in_the_form_of_a_shortened_one_is_shortened() {
        let crm = connector("crm");
        let public = public_name(&crm, "admin.users.list");
        let (_, imitation) = public.split_once(SEPARATOR).unwrap();
        assert_ne!(public_name(&crm, imitation), public);
        let known = [imitation, "admin.users.list"];
        assert_eq!(
            resolve(&public, known.into_iter()),
            Some("admin.users.list")
        );
    }

    #[test]
    fn what_cannot_be_a_public_name() {
        for bad in [
            "",
            "crm",
            "crm_find",
            "__find",
            "crm__",
            "CRM__find",
            "crm__a.b",
            "crm__日本",
            "9a__b",
        ] {
            assert_eq!(split(bad), None, "{bad}");
        }
    }

    fn names() -> impl Strategy<Value = String> {
        prop_oneof![
            "[a-c_-]{1,6}",
            "[a-b._-]{1,40}",
            "\\PC{0,50}",
            "[a-b]{0,3}--h[a-b]{15}",
            "_{1,4}[ab]{0,2}",
        ]
    }

    proptest! {
        /// Two tools never share a public name, and every public name leads back to its tool.
        #[test]
        fn unique_and_reversible(tools in proptest::collection::btree_set(("[a-b]{1,2}|[a-b][a-b-]{28,30}b", names()), 1..40)) {
            let mut seen = BTreeMap::new();
            for (owner, name) in &tools {
                let owner = connector(owner);
                let public = public_name(&owner, name);
                prop_assert!(public.len() <= PUBLIC_TOOL_NAME_CHARS_MAX);
                prop_assert!(public.bytes().all(is_public));
                let parts = split(&public).unwrap();
                prop_assert_eq!(parts.connector(), &owner);
                let known = tools.iter().filter(|(of, _)| of == owner.as_str()).map(|(_, name)| name.as_str());
                prop_assert_eq!(resolve(&public, known), Some(name.as_str()));
                let other = seen.insert(public, (owner, name));
                prop_assert!(other.is_none(), "{:?}", other);
            }
        }
    }
}
