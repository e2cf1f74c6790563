//! Settings of the gate's own authorization server.

use anyhow::Context as _;
use jiff::SignedDuration;
use schemars::JsonSchema;
use sekimori_domain::catalog::Environment;
use sekimori_identity::authorization_server::{
    AuthorizationServerConfig, DocumentTrust, EnterpriseIssuer, Lifetimes, Registration, Trust,
};
use sekimori_identity::{IssuerConfig, KeySource, PublicUrl};
use serde::{Deserialize, Serialize};

/// The gate as its own authorization server: people sign in at their identity provider, clients get tokens here.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct AuthorizationServer {
    /// Whether the gate is its own authorization server.
    pub(crate) enabled: bool,
    /// Which environment this installation is: `development`, `staging` or `production`. Told in every token.
    pub(crate) environment: EnvironmentName,
    /// How long an access token lives, in minutes: 1 to 15.
    pub(crate) access_token_minutes: u32,
    /// How long a refresh token lives that is not used, in hours.
    pub(crate) refresh_idle_hours: u32,
    /// How long a client may act for a person before the person is asked again, in days.
    pub(crate) grant_days: u32,
    /// How long a signing key signs, in days.
    pub(crate) signing_key_days: u32,
    /// Schemes of installed applications that clients may be sent back to, such as `cursor`.
    pub(crate) private_schemes: Vec<String>,
    /// Which client-id metadata documents are trusted.
    pub(crate) documents: Documents,
    /// Clients that register themselves.
    pub(crate) registration: RegistrationConfig,
    /// Identity providers that vouch for people and clients (enterprise-managed authorization).
    pub(crate) enterprise: Vec<Enterprise>,
}

/// Environments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum EnvironmentName {
    /// For building.
    Development,
    /// For trying out.
    Staging,
    /// For work.
    #[default]
    Production,
}

/// Which client-id metadata documents are trusted, by the host of their address.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Documents {
    /// Hosts whose clients may be used at once: `host` or `*.domain`. People see that nobody vouches for them.
    pub(crate) automatic: Vec<String>,
    /// Hosts whose clients may not be used.
    pub(crate) denied: Vec<String>,
    /// All other hosts: `approval` by an administrator, `automatic` or `denied`.
    pub(crate) others: OtherHosts,
}

/// What happens to clients of other hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum OtherHosts {
    /// An administrator must approve each.
    #[default]
    Approval,
    /// They may be used at once.
    Automatic,
    /// They may not be used.
    Denied,
}

/// Clients that register themselves (RFC 7591), for clients that know no metadata documents.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RegistrationConfig {
    /// Whether clients may register themselves.
    pub(crate) enabled: bool,
    /// Hosts that they may be sent back to over https, beside loopback: `host` or `*.domain`.
    pub(crate) redirect_hosts: Vec<String>,
    /// Most registered clients that nobody has used.
    pub(crate) unused_max: u32,
    /// Most registrations from one address in an hour.
    pub(crate) per_address_hourly: u32,
}

/// An identity provider that vouches for people and clients.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Enterprise {
    /// Its name among `identity.providers`: people are found under it.
    pub(crate) provider: String,
    /// Its issuer identifier; assertions must name it byte for byte.
    pub(crate) issuer: String,
    /// Where its keys are. Default: found through its metadata.
    #[serde(default)]
    pub(crate) jwks_uri: Option<String>,
    /// Whether it may be in a private or loopback network, and use `http` there.
    #[serde(default)]
    pub(crate) allow_private_network: bool,
}

impl Default for RegistrationConfig {
    fn default() -> Self {
        Self {
            enabled: false,
            redirect_hosts: Vec::new(),
            unused_max: 1_000,
            per_address_hourly: 10,
        }
    }
}

impl Default for AuthorizationServer {
    fn default() -> Self {
        Self {
            enabled: false,
            environment: EnvironmentName::Production,
            access_token_minutes: 5,
            refresh_idle_hours: 12,
            grant_days: 14,
            signing_key_days: 30,
            private_schemes: ["cursor", "vscode", "vscode-insiders"]
                .map(str::to_owned)
                .to_vec(),
            documents: Documents::default(),
            registration: RegistrationConfig::default(),
            enterprise: Vec::new(),
        }
    }
}

impl AuthorizationServer {
    /// As identity wants it; `None` where it is off.
    pub(super) fn to_config(
        &self,
        public_url: PublicUrl,
    ) -> anyhow::Result<Option<AuthorizationServerConfig>> {
        if !self.enabled {
            return Ok(None);
        }
        let hours = |hours: u32| SignedDuration::from_hours(hours.into());
        let mut config = AuthorizationServerConfig::new(public_url);
        config.environment = match self.environment {
            EnvironmentName::Development => Environment::Development,
            EnvironmentName::Staging => Environment::Staging,
            EnvironmentName::Production => Environment::Production,
        };
        config.lifetimes = Lifetimes {
            access_token: SignedDuration::from_mins(self.access_token_minutes.into()),
            refresh_idle: hours(self.refresh_idle_hours),
            grant: hours(self.grant_days.saturating_mul(24)),
            signing_key: hours(self.signing_key_days.saturating_mul(24)),
        };
        config.private_schemes.clone_from(&self.private_schemes);
        config.documents = DocumentTrust {
            automatic: self.documents.automatic.clone(),
            denied: self.documents.denied.clone(),
            others: match self.documents.others {
                OtherHosts::Approval => Trust::Approval,
                OtherHosts::Automatic => Trust::Automatic,
                OtherHosts::Denied => Trust::Denied,
            },
        };
        config.registration = self.registration.enabled.then(|| Registration {
            redirect_hosts: self.registration.redirect_hosts.clone(),
            unused_max: self.registration.unused_max.into(),
            per_address_hourly: self.registration.per_address_hourly,
            ..Registration::default()
        });
        config.enterprise = self.enterprise.iter().map(Enterprise::to_config).collect();
        config.check().context("identity.authorization_server")?;
        Ok(Some(config))
    }
}

impl Enterprise {
    fn to_config(&self) -> EnterpriseIssuer {
        let mut issuer = IssuerConfig::new(&self.issuer);
        if let Some(uri) = &self.jwks_uri {
            issuer.keys = KeySource::JwksUri(uri.clone());
        }
        EnterpriseIssuer {
            provider: self.provider.clone(),
            issuer,
        }
    }
}
