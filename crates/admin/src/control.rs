//! What the control plane works with.

use std::sync::Arc;

use ipnet::IpNet;
use sekimori_approval::Approvals;
use sekimori_audit::Audit;
use sekimori_audit::retention::Retention;
use sekimori_domain::clock::{Clock, Ids};
use sekimori_gateway::Gateway;
use sekimori_gateway::catalog::Catalog;
use sekimori_gateway::kill_switch::KillSwitches;
use sekimori_identity::authorization_server::AuthorizationServer;
use sekimori_identity::linked_accounts::LinkedAccounts;
use sekimori_identity::sign_in::SignIn;
use sekimori_identity::{Authenticator, DeviceReports, PublicUrl, Random, Revocations};
use sekimori_policy::{Administration, PolicyEngine};
use sekimori_store::Store;
use sekimori_upstream::RemoteSetup;
use serde_json::{Map, Value};

use crate::api::events::Streams;
use crate::pages::Pages;
use crate::policy_desk::PolicyDesk;

/// Everything that the control plane needs; the state of all handlers.
#[derive(Debug)]
pub struct Control {
    /// The database.
    pub store: Arc<dyn Store>,
    /// Who is calling.
    pub identity: Arc<Authenticator>,
    /// Lets clients in, where this gate is its own authorization server.
    pub authorization_server: Option<Arc<AuthorizationServer>>,
    /// Who may look after the gate.
    pub administration: Administration,
    /// Versions of the policies.
    pub desk: PolicyDesk,
    /// What is behind the gate.
    pub catalog: Arc<Catalog>,
    /// The road that calls take, to try it.
    pub gateway: Arc<Gateway>,
    /// The policies in force.
    pub policy: Arc<PolicyEngine>,
    /// Consoles that follow what changes.
    pub streams: Streams,
    /// What was revoked.
    pub revocations: Arc<Revocations>,
    /// What is stopped.
    pub kill_switches: Arc<KillSwitches>,
    /// Signs people in.
    pub sign_in: Arc<SignIn>,
    /// Accounts at upstreams.
    pub linked_accounts: LinkedAccounts,
    /// Takes over what a device management system tells, if one may.
    pub device_reports: Option<DeviceReports>,
    /// Requests for people to agree to a call.
    pub approvals: Arc<Approvals>,
    /// What happened.
    pub audit: Arc<Audit>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Fresh ids.
    pub ids: Arc<dyn Ids>,
    /// Fresh secrets.
    pub random: Arc<dyn Random>,
    /// Templates and texts.
    pub pages: Pages,
    /// Settings of the control plane.
    pub settings: Settings,
}

/// Settings of the control plane.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where people and clients reach the gate. Every address in an answer is made of it, never of `Host`.
    pub public_url: PublicUrl,
    /// Name of the gate, for people to read.
    pub title: String,
    /// Version of the gate.
    pub version: &'static str,
    /// Host names under which the gate may be addressed, without port.
    pub allowed_hosts: Arc<[String]>,
    /// Web origins whose pages may call, besides the gate's own.
    pub allowed_origins: Arc<[String]>,
    /// Reverse proxies whose word on the client's address is taken.
    pub trusted_proxies: Arc<[IpNet]>,
    /// How long audit records are kept.
    pub retention: Retention,
    /// What connectors may use that are set up over the API.
    pub connectors: RemoteSetup,
    /// What the configuration file says.
    pub configuration: Configuration,
}

/// The configuration as it is shown.
#[derive(Debug, Clone, Default)]
pub struct Configuration {
    /// The file.
    pub file: String,
    /// Its sections, each an object, with the settings in force. Without secrets.
    pub sections: Map<String, Value>,
}

impl Settings {
    /// Whether browsers reach the gate over TLS. If not, it is on loopback ([`PublicUrl`] insists).
    pub fn over_tls(&self) -> bool {
        self.public_url.as_str().starts_with("https://")
    }
}
