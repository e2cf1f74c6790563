//! How the authorization server is set up.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use sekimori_domain::catalog::Environment;

use super::redirect::Allowed;
use crate::error::ConfigError;
use crate::resource::PublicUrl;
use crate::token::{IssuerConfig, check_issuers};

/// How long things last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lifetimes {
    /// An access token. Short: what it says is not looked up again.
    pub access_token: SignedDuration,
    /// A refresh token that is not used.
    pub refresh_idle: SignedDuration,
    /// A grant, however much it is used.
    pub grant: SignedDuration,
    /// A signing key.
    pub signing_key: SignedDuration,
}

impl Default for Lifetimes {
    fn default() -> Self {
        Self {
            access_token: SignedDuration::from_mins(5),
            refresh_idle: SignedDuration::from_hours(12),
            grant: SignedDuration::from_hours(14 * 24),
            signing_key: SignedDuration::from_hours(30 * 24),
        }
    }
}

/// What happens to clients whose metadata document lies on a host of which nothing else is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Trust {
    /// They may be used at once; people see that nobody vouches for them.
    Automatic,
    /// An administrator must approve each.
    #[default]
    Approval,
    /// They may not be used.
    Denied,
}

/// Which client-id metadata documents are trusted, by host.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DocumentTrust {
    /// Hosts of clients that may be used at once: `host` or `*.domain`.
    pub automatic: Vec<String>,
    /// Hosts of clients that may not be used; stronger than `automatic`.
    pub denied: Vec<String>,
    /// All other hosts.
    pub others: Trust,
}

impl DocumentTrust {
    /// What is said of a host.
    pub(super) fn of(&self, host: &str) -> Trust {
        let named = |list: &[String]| list.iter().any(|pattern| host_matches(pattern, host));
        if named(&self.denied) {
            Trust::Denied
        } else if named(&self.automatic) {
            Trust::Automatic
        } else {
            self.others
        }
    }
}

fn host_matches(pattern: &str, host: &str) -> bool {
    match pattern.strip_prefix("*.") {
        Some(domain) => host
            .strip_suffix(domain)
            .is_some_and(|rest| rest.len() > 1 && rest.ends_with('.')),
        None => pattern == host,
    }
}

/// Dynamic client registration (RFC 7591), where it is on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// Hosts that a registered client may be sent back to over `https`, beside loopback: `host` or `*.domain`.
    pub redirect_hosts: Vec<String>,
    /// Most registered clients that nobody has used yet.
    pub unused_max: u64,
    /// Most registrations from one address in an hour.
    pub per_address_hourly: u32,
    /// How long an unused client is kept.
    pub unused_kept: SignedDuration,
}

impl Default for Registration {
    fn default() -> Self {
        Self {
            redirect_hosts: Vec::new(),
            unused_max: 1_000,
            per_address_hourly: 10,
            unused_kept: SignedDuration::from_hours(24),
        }
    }
}

impl Registration {
    pub(super) fn may_lead_to(&self, host: &str) -> bool {
        self.redirect_hosts
            .iter()
            .any(|pattern| host_matches(pattern, host))
    }
}

/// An identity provider that vouches for people and clients by ID-JAG (enterprise-managed authorization).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnterpriseIssuer {
    /// The identity provider, by its name in the configuration of sign-in: its people are found under it.
    pub provider: String,
    /// Its issuer identifier and keys.
    pub issuer: IssuerConfig,
}

/// How the authorization server is set up.
#[derive(Debug, Clone)]
pub struct AuthorizationServerConfig {
    /// Where clients reach the gate. It is the issuer.
    pub public_url: PublicUrl,
    /// Which environment this installation is, told in every token.
    pub environment: Environment,
    /// How long things last.
    pub lifetimes: Lifetimes,
    /// Which client-id metadata documents are trusted.
    pub documents: DocumentTrust,
    /// Schemes of installed applications that clients may be sent back to.
    pub private_schemes: Vec<String>,
    /// Dynamic registration; `None` is off.
    pub registration: Option<Registration>,
    /// Identity providers that vouch by ID-JAG.
    pub enterprise: Vec<EnterpriseIssuer>,
}

impl AuthorizationServerConfig {
    /// The defaults for a gate: no host is trusted without approval, no registration.
    pub fn new(public_url: PublicUrl) -> Self {
        Self {
            public_url,
            environment: Environment::Production,
            lifetimes: Lifetimes::default(),
            documents: DocumentTrust::default(),
            private_schemes: ["cursor", "vscode", "vscode-insiders"]
                .map(str::to_owned)
                .to_vec(),
            registration: None,
            enterprise: Vec::new(),
        }
    }

    pub(super) fn redirects(&self) -> Allowed<'_> {
        Allowed {
            private_schemes: &self.private_schemes,
        }
    }

    /// Checks what types can't.
    pub fn check(&self) -> Result<(), ConfigError> {
        let wrong = |rule| Err(ConfigError::AuthorizationServer { rule });
        let lifetimes = &self.lifetimes;
        let minute = SignedDuration::from_mins(1);
        if lifetimes.access_token < minute || lifetimes.access_token > SignedDuration::from_mins(15)
        {
            return wrong("access tokens last 1 to 15 minutes");
        }
        if lifetimes.refresh_idle < lifetimes.access_token
            || lifetimes.grant < lifetimes.refresh_idle
        {
            return wrong("a grant outlasts an idle refresh token, which outlasts an access token");
        }
        if lifetimes.grant > SignedDuration::from_hours(90 * 24) {
            return wrong("a grant lasts 90 days at most");
        }
        for one in &self.enterprise {
            check_issuers(std::slice::from_ref(&one.issuer), None)?;
        }
        let mut issuers = BTreeSet::new();
        if !self
            .enterprise
            .iter()
            .all(|one| issuers.insert(&one.issuer.issuer))
        {
            return wrong("an enterprise issuer is there twice");
        }
        let reserved = [
            "http",
            "https",
            "javascript",
            "data",
            "file",
            "blob",
            "about",
            "ws",
            "wss",
        ];
        if self
            .private_schemes
            .iter()
            .any(|scheme| reserved.contains(&scheme.as_str()))
        {
            return wrong("private schemes belong to installed applications");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn denied_hosts_are_denied_whatever_else_is_said() {
        let trust = DocumentTrust {
            automatic: vec!["claude.example".into(), "*.tools.example".into()],
            denied: vec!["bad.tools.example".into()],
            others: Trust::Approval,
        };
        assert_eq!(trust.of("claude.example"), Trust::Automatic);
        assert_eq!(trust.of("a.tools.example"), Trust::Automatic);
        assert_eq!(trust.of("bad.tools.example"), Trust::Denied);
        for other in [
            "tools.example",
            "evilclaude.example",
            "claude.example.evil.example",
            ".tools.example",
        ] {
            assert_eq!(trust.of(other), Trust::Approval, "{other}");
        }
    }

    #[test]
    fn unsafe_settings_are_refused() {
        let good =
            || AuthorizationServerConfig::new(PublicUrl::new("https://gate.example").unwrap());
        assert_eq!(good().check(), Ok(()));
        let mut long = good();
        long.lifetimes.access_token = SignedDuration::from_hours(1);
        assert!(long.check().is_err());
        let mut scheme = good();
        scheme.private_schemes.push("javascript".into());
        assert!(scheme.check().is_err());
    }
}
