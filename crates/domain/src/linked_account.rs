//! Accounts at upstreams that are linked to the gate by OAuth, and the gate as a client there.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::{ConnectorName, PrincipalId};

/// An account at an upstream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkedAccount {
    /// The connector that leads there.
    pub connector: ConnectorName,
    /// The person whose account it is; `None` for the gate's own.
    pub owner: Option<PrincipalId>,
    /// The authorization server that issued the tokens.
    pub issuer: String,
    /// What the tokens are for, as the upstream names itself.
    pub resource: String,
    /// Scheme, host and port that the tokens may be sent to.
    pub origin: String,
    /// The scopes that were granted.
    pub scopes: Vec<String>,
    /// Scopes that the upstream asked for since; to be granted when the account is linked again.
    #[serde(default)]
    pub wanted: Vec<String>,
    /// When the access token ends, if that is known.
    pub expires_at: Option<Timestamp>,
    /// The tokens, sealed.
    pub sealed: String,
    /// Who linked it.
    pub linked_by: PrincipalId,
    /// When.
    pub linked_at: Timestamp,
    /// Why it has to be linked again; `None` if it works, as far as is known.
    #[serde(default)]
    pub problem: Option<String>,
}

impl LinkedAccount {
    /// The name under which its tokens are sealed: in another's row, or for another place, they can't be opened.
    pub fn seal_name(&self) -> String {
        let owner = self.owner.as_ref().map_or("", PrincipalId::as_str);
        format!(
            "{}\0{owner}\0{}\0{}",
            self.connector, self.issuer, self.origin
        )
    }
}

/// The gate as a client of an authorization server, as it was registered there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpstreamClient {
    /// The connector that it is for.
    pub connector: ConnectorName,
    /// The authorization server that knows it. No other is told its id.
    pub issuer: String,
    /// Its id there.
    pub client_id: String,
    /// Its secret, sealed.
    pub sealed_secret: Option<String>,
    /// How it proves itself, if the authorization server said so.
    pub authentication: Option<String>,
    /// When its secret ends; `None` for never.
    pub expires_at: Option<Timestamp>,
}

impl UpstreamClient {
    /// The name under which its secret is sealed.
    pub fn seal_name(&self) -> String {
        format!("client\0{}\0{}", self.connector, self.issuer)
    }
}
