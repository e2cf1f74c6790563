//! Connectors: how an upstream system is reached, and what it may do.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::catalog::Environment;
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
