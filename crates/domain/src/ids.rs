//! Names and identifiers, each checked when made.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

use crate::limits;

/// A name or id was not of its form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid {what} {given:?}: {rule}")]
pub struct InvalidName {
    /// What was being named.
    pub what: &'static str,
    /// What was given, cut to 80 characters.
    pub given: String,
    /// The rule, in words.
    pub rule: &'static str,
}

/// Declares a checked, cheaply cloned text type; the check is a function of the text.
macro_rules! checked_text {
    ($(#[$doc:meta])* $name:ident, $what:literal, $rule:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks `text` and makes the value.
            pub fn new(text: &str) -> Result<Self, InvalidName> {
                let check: fn(&str) -> bool = $check;
                if check(text) {
                    Ok(Self(Arc::from(text)))
                } else {
                    Err(InvalidName {
                        what: $what,
                        given: text.chars().take(80).collect(),
                        rule: $rule,
                    })
                }
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidName;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::new(text)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Self::new(&text).map_err(serde::de::Error::custom)
            }
        }
    };
}

fn is_slug(text: &str, chars_max: usize) -> bool {
    let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    text.len() <= chars_max
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && edge(text.as_bytes().first())
        && edge(text.as_bytes().last())
}

checked_text!(
    /// The name of a connector, chosen by the administrator; the first part of every public tool name.
    ConnectorName,
    "connector name",
    "use 1 to 32 of a-z, 0-9 and '-', beginning with a letter and ending with a letter or digit",
    // It begins with a letter because it becomes the beginning of a URI scheme (RFC 3986).
    |text| is_slug(text, limits::CONNECTOR_NAME_CHARS_MAX)
        && text.starts_with(|first: char| first.is_ascii_lowercase())
);

checked_text!(
    /// The name of a role or group, as policies refer to it.
    GroupName,
    "group name",
    "use 1 to 256 characters without control characters",
    |text| !text.is_empty() && text.len() <= 256 && !text.chars().any(char::is_control)
);

checked_text!(
    /// A provisioned group: `grp_` and a UUID in simple form.
    GroupId,
    "group id",
    "use grp_ and 32 of 0-9 and a-f",
    |text| text.strip_prefix("grp_").is_some_and(|rest| {
        rest.len() == 32 && rest.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    })
);

checked_text!(
    /// The name of a limit, chosen by the administrator.
    LimitName,
    "limit name",
    "use 1 to 64 of a-z, 0-9 and '-'",
    |text| is_slug(text, 64)
);

checked_text!(
    /// A data class (DATA-1): `public`, `internal`, `confidential`, `personal`, or the company's own.
    DataClass,
    "data class",
    "use 1 to 32 of a-z, 0-9 and '-'",
    |text| is_slug(text, 32)
);

checked_text!(
    /// Ties together everything that belongs to one business event (FLOW-9): the prompt, each call and
    /// each step of a flow. Taken from the caller's trace id where one is sent.
    CorrelationId,
    "correlation id",
    "use 1 to 64 of letters, digits, '-', '_', '.' and ':'",
    |text| {
        !text.is_empty()
            && text.len() <= 64
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(&b))
    }
);

checked_text!(
    /// Who a principal is: `usr_<uuid>`, `user:<issuer-local id>`, `service:<name>` or `admin:<name>`.
    PrincipalId,
    "principal id",
    "use 1 to 320 characters without control characters",
    |text| !text.is_empty() && text.len() <= 320 && !text.chars().any(char::is_control)
);

checked_text!(
    /// The OAuth client, or the key, through which a principal calls.
    ClientId,
    "client id",
    "use 1 to 512 characters without control characters",
    |text| !text.is_empty() && text.len() <= 512 && !text.chars().any(char::is_control)
);

checked_text!(
    /// The name of an identity provider; part of addresses.
    ProviderName,
    "identity provider name",
    "use 1 to 32 of a-z, 0-9 and '-', beginning and ending with a letter or digit",
    |text| is_slug(text, limits::CONNECTOR_NAME_CHARS_MAX)
);

checked_text!(
    /// A person's session in a browser: `ses_` and a UUID without hyphens. Not secret: who holds the cookie
    /// holds the session, not who knows its id.
    SessionId,
    "session id",
    "use ses_ and 32 hexadecimal digits",
    |text| text.strip_prefix("ses_").is_some_and(|rest| {
        rest.len() == 32 && rest.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    })
);

checked_text!(
    /// A request for people to agree to a call: `apr_` and a UUID without hyphens. Not secret: who may see the
    /// request is asked each time.
    ApprovalId,
    "approval id",
    "use apr_ and 32 hexadecimal digits",
    |text| text.strip_prefix("apr_").is_some_and(|rest| {
        rest.len() == 32 && rest.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    })
);

impl ApprovalId {
    /// The id made of a UUID.
    pub fn from_uuid(uuid: Uuid) -> Self {
        Self(Arc::from(format!("apr_{}", uuid.simple())))
    }
}

impl SessionId {
    /// The id made of a UUID.
    pub fn from_uuid(uuid: Uuid) -> Self {
        Self(Arc::from(format!("ses_{}", uuid.simple())))
    }
}

impl CorrelationId {
    /// A fresh correlation id from a UUID.
    pub fn from_uuid(uuid: Uuid) -> Self {
        Self(Arc::from(uuid.simple().to_string()))
    }
}

impl DataClass {
    /// 公開: may be known to anybody.
    pub fn public() -> Self {
        Self(Arc::from("public"))
    }

    /// 社外秘: for people of the company.
    pub fn internal() -> Self {
        Self(Arc::from("internal"))
    }

    /// 機密: for those who need it.
    pub fn confidential() -> Self {
        Self(Arc::from("confidential"))
    }

    /// 個人情報: personal data.
    pub fn personal() -> Self {
        Self(Arc::from("personal"))
    }
}

/// One call on the road. Every audit record of the call carries it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CallId(pub Uuid);

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connector_names_are_slugs() {
        for good in ["a", "files", "crm-2"] {
            assert!(ConnectorName::new(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "0",
            "-a",
            "a-",
            "A",
            "a_b",
            "a.b",
            "日本",
            &"a".repeat(33),
        ] {
            assert!(ConnectorName::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_error_names_the_rule_and_cuts_the_value() {
        let error = CorrelationId::new(&"!".repeat(500)).unwrap_err();
        assert_eq!(error.given.len(), 80);
        assert!(error.to_string().contains("use 1 to 64"));
    }
}
