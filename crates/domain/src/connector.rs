//! Connectors: how an upstream system is reached, and what it may do.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::catalog::{Environment, UnknownChoice};
use crate::ids::{ConnectorName, DataClass};

/// An upstream system behind the gate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connector {
    /// Unique name; the prefix of its tools.
    pub name: ConnectorName,
    /// Name for people to read.
    pub title: String,
    /// How it is reached.
    pub transport: Transport,
    /// Which revision of MCP to speak with it.
    #[serde(default)]
    pub protocol: ProtocolChoice,
    /// Where its system stands.
    #[serde(default)]
    pub environment: Environment,
    /// Data classes that anything from it may hold.
    #[serde(default)]
    pub data_classes: Vec<DataClass>,
    /// Whose system it is; what goes to an external one has left the company. Follows from the transport where
    /// nobody said, see [`Connector::exposure`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exposure: Option<Exposure>,
    /// Whether strangers can write what it answers. Follows from the exposure where nobody said, see
    /// [`Connector::trust`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trust: Option<Trust>,
    /// How the gate gets tokens for it, where it is protected by OAuth.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oauth: Option<OAuthClient>,
    /// Whether it may be called at all.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Whether it may ask the client's model for completions (`sampling/createMessage`).
    #[serde(default)]
    pub allow_sampling: bool,
    /// Whether it may ask for the client's roots (`roots/list`).
    #[serde(default)]
    pub allow_roots: bool,
    /// Longest time one call may take, in seconds; default 120.
    #[serde(default = "timeout_default")]
    pub timeout_seconds: u32,
    /// How often it is asked for its tools if it does not announce changes, in seconds; default 60.
    #[serde(default = "refresh_default")]
    pub refresh_seconds: u32,
    /// When it was added.
    pub created_at: Timestamp,
}

impl Connector {
    /// Longest time one call may take.
    pub fn timeout(&self) -> Duration {
        Duration::from_secs(u64::from(self.timeout_seconds))
    }

    /// How often it is asked for its tools if it does not announce changes.
    pub fn refresh(&self) -> Duration {
        Duration::from_secs(u64::from(self.refresh_seconds))
    }

    /// Where it is reached over HTTP.
    pub fn url(&self) -> Option<&str> {
        match &self.transport {
            Transport::Http { url, .. } | Transport::Sse { url, .. } => Some(url),
            Transport::Stdio { .. } => None,
        }
    }

    /// Whether its host may be in a private or loopback network.
    pub fn may_be_private(&self) -> bool {
        match &self.transport {
            Transport::Http {
                allow_private_network,
                ..
            }
            | Transport::Sse {
                allow_private_network,
                ..
            } => *allow_private_network,
            Transport::Stdio { .. } => false,
        }
    }

    /// Everything that may be a secret: headers or variables, and what proves the gate as a client.
    pub fn secrets_mut(&mut self) -> impl Iterator<Item = &mut SecretRef> {
        let oauth = self.oauth.iter_mut();
        let of_client = oauth.flat_map(|oauth| [&mut oauth.client_secret, &mut oauth.private_key]);
        self.transport
            .credentials_mut()
            .values_mut()
            .chain(of_client.flatten())
    }

    /// Whether every person has an account of their own there.
    pub fn asks_persons(&self) -> bool {
        self.oauth
            .as_ref()
            .is_some_and(|oauth| oauth.account == AccountOf::Person)
    }

    /// Whose system it is. Where nobody said: a child process, or a host that may be in a private network, is the
    /// company's own; everything else is not.
    pub fn exposure(&self) -> Exposure {
        self.exposure.unwrap_or(match &self.transport {
            Transport::Stdio { .. } => Exposure::Internal,
            Transport::Http { .. } | Transport::Sse { .. } if self.may_be_private() => {
                Exposure::Internal
            }
            Transport::Http { .. } | Transport::Sse { .. } => Exposure::External,
        })
    }

    /// Whether strangers can write what it answers. Where nobody said: an external one is not trusted.
    pub fn trust(&self) -> Trust {
        self.trust.unwrap_or(match self.exposure() {
            Exposure::Internal => Trust::Trusted,
            Exposure::External => Trust::Untrusted,
        })
    }
}

/// Whose system a connector leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Exposure {
    /// The company's own, or one that it keeps under contract like its own.
    Internal,
    /// Anybody else's: what is sent there has left the company.
    External,
}

impl Exposure {
    /// The name in rules, records and interfaces.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Internal => "internal",
            Self::External => "external",
        }
    }
}

impl FromStr for Exposure {
    type Err = UnknownChoice;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Internal, Self::External]
            .into_iter()
            .find(|one| one.as_str() == text)
            .ok_or_else(|| UnknownChoice {
                what: "exposure",
                given: text.to_owned(),
                choices: "internal, external",
            })
    }
}

/// Whether strangers can write what a connector answers: web pages, mail that came in, tickets of customers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Trust {
    /// Only the company's people write there.
    Trusted,
    /// Strangers may: its content can hold instructions to the model.
    Untrusted,
}

impl Trust {
    /// The name in rules, records and interfaces.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trusted => "trusted",
            Self::Untrusted => "untrusted",
        }
    }
}

impl FromStr for Trust {
    type Err = UnknownChoice;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Trusted, Self::Untrusted]
            .into_iter()
            .find(|one| one.as_str() == text)
            .ok_or_else(|| UnknownChoice {
                what: "trust",
                given: text.to_owned(),
                choices: "trusted, untrusted",
            })
    }
}

fn yes() -> bool {
    true
}

fn timeout_default() -> u32 {
    120
}

fn refresh_default() -> u32 {
    60
}

/// The gate as an OAuth client of an upstream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OAuthClient {
    /// Whose account is used there.
    pub account: AccountOf,
    /// The authorization server that is to be used. What it says of its own endpoints is believed; without it, only
    /// hosts that connectors may reach anyway are asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// The gate's client id there, if it was registered beforehand: an id, or the address of a metadata document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// The secret that goes with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<SecretRef>,
    /// Or the private key (PEM, PKCS #8; P-256 or Ed25519) that proves who asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private_key: Option<SecretRef>,
    /// Scopes to ask for; empty for those that the upstream names.
    #[serde(default)]
    pub scopes: Vec<String>,
}

/// Whose account at an upstream is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AccountOf {
    /// One that an administrator linked, for all callers.
    Shared,
    /// The caller's own; an administrator links one more, by which the gate learns what there is.
    Person,
    /// The gate's own, as a client (`client_credentials`): nobody has to link anything.
    Gate,
}

impl AccountOf {
    /// The name in settings, records and interfaces.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Shared => "shared",
            Self::Person => "person",
            Self::Gate => "gate",
        }
    }
}

impl FromStr for AccountOf {
    type Err = UnknownChoice;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Shared, Self::Person, Self::Gate]
            .into_iter()
            .find(|one| one.as_str() == text)
            .ok_or_else(|| UnknownChoice {
                what: "account",
                given: text.to_owned(),
                choices: "shared, person, gate",
            })
    }
}

/// How an upstream is reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Transport {
    /// Streamable HTTP.
    Http {
        /// Endpoint, `http` or `https`.
        url: String,
        /// Headers to add, such as `Authorization`.
        #[serde(default)]
        headers: BTreeMap<String, SecretRef>,
        /// Whether the host may be in a private or loopback network.
        #[serde(default)]
        allow_private_network: bool,
    },
    /// The HTTP+SSE transport of 2024-11-05.
    Sse {
        /// Endpoint of the event stream.
        url: String,
        /// Headers to add.
        #[serde(default)]
        headers: BTreeMap<String, SecretRef>,
        /// Whether the host may be in a private or loopback network.
        #[serde(default)]
        allow_private_network: bool,
    },
    /// A child process that speaks on its standard input and output.
    Stdio {
        /// Program to start: an absolute path, or a name found in the gate's own `PATH`.
        command: String,
        /// Its arguments. Never passed through a shell.
        #[serde(default)]
        args: Vec<String>,
        /// Its whole environment; nothing is inherited but `PATH` and `LANG`.
        #[serde(default)]
        env: BTreeMap<String, SecretRef>,
        /// Its working folder.
        #[serde(default)]
        cwd: Option<String>,
        /// Most memory in MiB (address space); `None` for no limit (programs that reserve large ranges).
        #[serde(default)]
        memory_mib_max: Option<u32>,
    },
}

impl Transport {
    /// The name used in records and interfaces.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Http { .. } => "http",
            Self::Sse { .. } => "sse",
            Self::Stdio { .. } => "stdio",
        }
    }

    /// What may hold credentials: the headers of requests, or the environment of the program.
    pub fn credentials(&self) -> &BTreeMap<String, SecretRef> {
        match self {
            Self::Http { headers, .. } | Self::Sse { headers, .. } => headers,
            Self::Stdio { env, .. } => env,
        }
    }

    /// As [`Transport::credentials`], to change them.
    pub fn credentials_mut(&mut self) -> &mut BTreeMap<String, SecretRef> {
        match self {
            Self::Http { headers, .. } | Self::Sse { headers, .. } => headers,
            Self::Stdio { env, .. } => env,
        }
    }
}

/// A value, or where to find it. Secrets belong in the environment or in files, not in the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum SecretRef {
    /// Not secret: the value itself.
    Value(String),
    /// Name of an environment variable of the gate.
    Env(String),
    /// Path of a file whose content, without the last line break, is the value.
    File(String),
}

/// Which revision of MCP to speak with an upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum ProtocolChoice {
    /// Find out, and remember.
    #[default]
    Auto,
    /// 2026-07-28 and later.
    Modern,
    /// 2025-11-25 and earlier, agreed in `initialize`.
    Legacy,
}
