//! Identity providers: whom the gate believes when a person signs in (AUTHN-1).

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::connector::SecretRef;
use crate::ids::{GroupName, ProviderName};

/// A corporate identity provider, as configured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentityProvider {
    /// Unique name; part of the addresses that the provider sends people back to.
    pub name: ProviderName,
    /// Name for people to read, on the page where they choose.
    #[serde(default)]
    pub title: String,
    /// Whether people may sign in through it.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// How it is spoken with.
    #[serde(flatten)]
    pub protocol: SignInProtocol,
    /// Who may come in through it for the first time.
    #[serde(default)]
    pub provisioning: Provisioning,
    /// What it calls the facts about a person.
    #[serde(default)]
    pub attributes: AttributeNames,
    /// Which of its groups become groups here.
    #[serde(default)]
    pub groups: GroupMapping,
    /// What counts as more than one factor.
    #[serde(default)]
    pub mfa: MfaRule,
    /// How old the person's last proof at the provider may be, in seconds; `None` for any age.
    #[serde(default)]
    pub max_age_seconds: Option<u32>,
}

fn yes() -> bool {
    true
}

impl IdentityProvider {
    /// Whether nobody can sign in by these settings who could not by those of `before`.
    pub fn lets_nobody_else_in(&self, before: Option<&Self>) -> bool {
        if !self.enabled {
            return true;
        }
        before.is_some_and(|before| {
            let titled = Self {
                title: before.title.clone(),
                ..self.clone()
            };
            titled == *before
        })
    }

    /// The same without a secret in plain text, to be shown.
    #[must_use]
    pub fn without_secret(&self) -> Self {
        let mut shown = self.clone();
        if let SignInProtocol::Oidc(settings) = &mut shown.protocol
            && matches!(settings.client_secret, Some(SecretRef::Value(_)))
        {
            settings.client_secret = None;
        }
        shown
    }

    /// The name for people to read.
    pub fn shown_title(&self) -> &str {
        if self.title.is_empty() {
            self.name.as_str()
        } else {
            &self.title
        }
    }
}

/// That settings of a provider do not count until somebody else confirms them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Awaiting {
    /// Who gave the settings: a principal id.
    pub by: String,
    /// When.
    pub since: Timestamp,
    /// The settings that count meanwhile; `None` if there were none.
    #[serde(default)]
    pub before: Option<Box<IdentityProvider>>,
}

/// How a provider is spoken with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum SignInProtocol {
    /// OpenID Connect, authorization code flow.
    Oidc(OidcSettings),
    /// SAML 2.0, web browser SSO profile, begun by us.
    Saml(SamlSettings),
}

impl SignInProtocol {
    /// The name used in records and interfaces.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Oidc(_) => "oidc",
            Self::Saml(_) => "saml",
        }
    }
}

/// An OpenID provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OidcSettings {
    /// Issuer identifier; ID tokens must name it byte for byte.
    pub issuer: String,
    /// Our client id there.
    pub client_id: String,
    /// Our client secret there; without one we are a public client.
    #[serde(default)]
    pub client_secret: Option<SecretRef>,
    /// How the client secret is sent.
    #[serde(default)]
    pub client_authentication: ClientAuthentication,
    /// Scopes beside `openid`.
    #[serde(default = "scopes_default")]
    pub scopes: Vec<String>,
    /// Signature algorithms of its ID tokens: any of `ES256`, `EdDSA`, `RS256`, `PS256`; empty for all.
    #[serde(default)]
    pub algorithms: Vec<String>,
    /// Whether facts are also asked for at its userinfo endpoint.
    #[serde(default)]
    pub userinfo: bool,
    /// Whether it may be in a private or loopback network.
    #[serde(default)]
    pub allow_private_network: bool,
}

fn scopes_default() -> Vec<String> {
    vec!["profile".to_owned(), "email".to_owned()]
}

/// How a client secret is sent (OpenID Connect Core, section 9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuthentication {
    /// In the `Authorization` header.
    #[default]
    ClientSecretBasic,
    /// In the form.
    ClientSecretPost,
}

/// A SAML 2.0 identity provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SamlSettings {
    /// Its entity id.
    pub entity_id: String,
    /// Where people are sent to sign in (HTTP-Redirect binding).
    pub sso_url: String,
    /// Its signing certificates, in PEM or as the text within; several while it changes them.
    pub certificates: Vec<String>,
    /// The name identifier to ask for; `None` leaves it to the provider. Must not be a transient one.
    #[serde(default)]
    pub name_id_format: Option<String>,
}

/// Who may come in for the first time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Provisioning {
    /// Only who is here already: provisioned by SCIM, or linked by an administrator.
    #[default]
    Existing,
    /// Anybody whom the provider vouches for; the person is added at the first sign-in.
    JustInTime,
}

/// What the provider calls the facts about a person: claims, or attributes of an assertion. A name that
/// begins with `/` is a JSON pointer into the claims.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(default)]
pub struct AttributeNames {
    /// The immutable id under which SCIM knows the person (`externalId`), by which a first sign-in finds
    /// the provisioned person. Never an e-mail address: those are given to somebody else one day.
    pub external_id: Option<String>,
    /// Name to sign in with.
    pub user_name: Option<String>,
    /// Name for people to read.
    pub display_name: Option<String>,
    /// E-mail address.
    pub email: Option<String>,
    /// Department.
    pub department: Option<String>,
    /// Employment type.
    pub employment: Option<String>,
}

/// Which of the provider's groups become groups here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(default)]
pub struct GroupMapping {
    /// The claim or attribute that lists them; without it, sign-in changes no groups.
    pub attribute: Option<String>,
    /// Their names there and here.
    pub names: BTreeMap<String, GroupName>,
    /// Whether those that are not in `names` keep their name; otherwise they are left out.
    pub others: bool,
}

/// What counts as more than one factor (AUTHN-2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MfaRule {
    /// Whether nobody gets in without it.
    pub required: bool,
    /// Values of `acr`, or SAML authentication context classes, that prove it.
    pub acr: Vec<String>,
    /// Values of `amr` that prove it.
    pub amr: Vec<String>,
    /// What to ask the provider for when more than one factor is needed; empty asks for those in `acr`.
    pub request_acr: Vec<String>,
}

impl Default for MfaRule {
    fn default() -> Self {
        Self {
            required: false,
            acr: Vec::new(),
            amr: vec!["mfa".to_owned()],
            request_acr: Vec::new(),
        }
    }
}

impl MfaRule {
    /// Whether a proof by these means was by more than one factor.
    pub fn is_met(&self, acr: Option<&str>, amr: &[String]) -> bool {
        acr.is_some_and(|acr| self.acr.iter().any(|known| known == acr))
            || amr.iter().any(|method| self.amr.contains(method))
    }

    /// What to ask the provider for when more than one factor is needed.
    pub fn to_request(&self) -> &[String] {
        if self.request_acr.is_empty() {
            &self.acr
        } else {
            &self.request_acr
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authn_2_more_than_one_factor_is_proved_by_acr_or_amr() {
        let rule = MfaRule {
            acr: vec!["urn:example:2fa".to_owned()],
            ..MfaRule::default()
        };
        let amr = |methods: &[&str]| -> Vec<String> {
            methods.iter().map(|text| (*text).to_owned()).collect()
        };
        assert!(rule.is_met(Some("urn:example:2fa"), &[]));
        assert!(rule.is_met(None, &amr(&["pwd", "mfa"])));
        assert!(!rule.is_met(Some("urn:example:1fa"), &amr(&["pwd"])));
        assert!(!rule.is_met(None, &[]));
    }

    #[test]
    fn a_title_and_switching_off_let_nobody_else_in() {
        let provider: IdentityProvider = serde_json::from_str(
            r#"{"name": "corp", "kind": "oidc", "issuer": "https://idp.example", "client_id": "gate"}"#,
        )
        .unwrap();
        let changed = |change: fn(&mut IdentityProvider)| {
            let mut changed = provider.clone();
            change(&mut changed);
            changed
        };
        let titled = changed(|one| one.title = "Corp".to_owned());
        let off = changed(|one| one.enabled = false);
        let mapped = changed(|one| one.groups.others = true);
        assert!(titled.lets_nobody_else_in(Some(&provider)));
        assert!(off.lets_nobody_else_in(Some(&provider)) && off.lets_nobody_else_in(None));
        assert!(!provider.lets_nobody_else_in(Some(&off)));
        assert!(!provider.lets_nobody_else_in(None));
        assert!(!mapped.lets_nobody_else_in(Some(&provider)));
    }

    #[test]
    fn a_provider_reads_from_a_short_document() {
        let provider: IdentityProvider = serde_json::from_str(
            r#"{"name": "corp", "kind": "oidc", "issuer": "https://idp.example", "client_id": "gate",
                "client_secret": {"env": "SECRET"}}"#,
        )
        .unwrap();
        assert_eq!(provider.shown_title(), "corp");
        assert_eq!(provider.provisioning, Provisioning::Existing);
        assert!(provider.enabled && provider.protocol.kind() == "oidc");
        let text = serde_json::to_string(&provider).unwrap();
        assert_eq!(
            serde_json::from_str::<IdentityProvider>(&text).unwrap(),
            provider
        );
    }
}
