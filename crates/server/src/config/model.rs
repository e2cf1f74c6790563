//! Every setting, with its default and what it means. `sekimori config schema` prints this as JSON Schema.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context as _;
use ipnet::IpNet;
use jiff::civil::Date;
use schemars::JsonSchema;
use sekimori_domain::connector::SecretRef;
use sekimori_domain::identity_provider::IdentityProvider;
use sekimori_domain::ids::GroupName;
use sekimori_domain::limits;
use sekimori_identity::authorization_server::AuthorizationServerConfig;
use sekimori_identity::sign_in::check_provider;
use sekimori_identity::{
    self as identity, Algorithm, Conditions, CountryDatabase, IssuerConfig, KeySource, PublicUrl,
};
use sekimori_policy::{ADMINISTRATORS_ROLE, Calendar, GroupHierarchy, PolicySettings};
use sekimori_upstream::RemoteSetup;
use sekimori_upstream::egress::HostPattern;
use serde::{Deserialize, Serialize};

use super::approvals::Approvals;
use super::audit::AuditConfig;
use super::authorization_server::AuthorizationServer;
use super::kill_switch::KillSwitch;

/// The configuration of one gateway node.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// The file that it was read from.
    #[serde(skip)]
    pub(crate) file: PathBuf,
    /// Where it listens and where it keeps its data.
    pub(crate) server: Server,
    /// The database.
    pub(crate) store: StoreConfig,
    /// Who may come in.
    pub(crate) identity: Identity,
    /// How policies are read.
    pub(crate) policy: Policy,
    /// Calls that wait for a person.
    pub(crate) approvals: Approvals,
    /// Where the gate itself may connect to.
    pub(crate) egress: Egress,
    /// What connectors may use that are set up over the API or in the console.
    pub(crate) connectors: Connectors,
    /// The audit journal.
    pub(crate) audit: AuditConfig,
    /// Bounds.
    pub(crate) limits: Limits,
    /// When the kill switch engages by itself.
    pub(crate) kill_switch: KillSwitch,
    /// Logs and traces.
    pub(crate) telemetry: Telemetry,
}

/// Where the gate listens and where it keeps its data.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Server {
    /// Address for MCP clients.
    #[schemars(with = "String")]
    pub(crate) listen: SocketAddr,
    /// Address for `/healthz`, `/readyz` and `/metrics`. Keep it away from clients.
    #[schemars(with = "String")]
    pub(crate) operations_listen: SocketAddr,
    /// Where clients reach the gate: scheme, host and port. Default: `http://` and the listen address.
    pub(crate) public_url: Option<String>,
    /// Name of the gate for people to read.
    pub(crate) title: String,
    /// Name of this node in records; unique among nodes.
    pub(crate) node: String,
    /// Folder for the journal, keys and the embedded database.
    pub(crate) data_dir: PathBuf,
    /// Origins of web pages that may call the gate, beside its own.
    pub(crate) allowed_origins: Vec<String>,
    /// Networks of the proxies in front of the gate, such as `10.0.0.5/32`. Only they are believed when they
    /// tell in `Forwarded` or `X-Forwarded-For` where a request came from. Default: none.
    #[schemars(with = "Vec<String>")]
    pub(crate) trusted_proxies: Vec<IpNet>,
    /// How long calls under way may go on after SIGTERM, in seconds.
    pub(crate) drain_seconds: u64,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8787)),
            operations_listen: SocketAddr::from(([127, 0, 0, 1], 8788)),
            public_url: None,
            title: "Sekimori".to_owned(),
            node: "node-1".to_owned(),
            data_dir: PathBuf::from("data"),
            allowed_origins: Vec::new(),
            trusted_proxies: Vec::new(),
            drain_seconds: 30,
        }
    }
}

/// The database.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct StoreConfig {
    /// `sqlite:PATH` or `postgres://…`. Default: SQLite in the data folder.
    pub(crate) url: Option<String>,
}

/// Who may come in.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Identity {
    /// Authorization servers whose access tokens are accepted.
    pub(crate) issuers: Vec<Issuer>,
    /// Identity providers that people sign in through.
    #[schemars(with = "Vec<serde_json::Value>")]
    pub(crate) providers: Vec<IdentityProvider>,
    /// The gate as its own authorization server.
    pub(crate) authorization_server: AuthorizationServer,
    /// Which groups carry which roles.
    pub(crate) roles: Vec<Role>,
    /// The group whose members look after the gate: they carry the role `sekimori-admin`. Default: nobody but
    /// the local administrator.
    pub(crate) administrators_group: Option<String>,
    /// Named networks of the company, for conditional access.
    pub(crate) zones: Vec<Zone>,
    /// Database of the countries of addresses, in MaxMind's format (`.mmdb`). Default: countries are unknown.
    pub(crate) country_database: Option<PathBuf>,
    /// Devices of the company, for conditional access.
    pub(crate) devices: Devices,
}

/// How devices are known, for policies that ask for one that is managed or in order (`context.device`).
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Devices {
    /// Trusted proxies check the certificates of devices, and tell them in `Client-Cert` (RFC 9440). They must take
    /// that header away from everybody else's requests.
    pub(crate) certificates: bool,
    /// The secret with which a device management system signs what it posts to `/device-reports`. Default: nobody may.
    #[schemars(with = "Option<serde_json::Value>")]
    pub(crate) report_secret: Option<SecretRef>,
    /// How long a report counts, in hours. Default: 24.
    pub(crate) report_hours: u32,
}

impl Default for Devices {
    fn default() -> Self {
        Self {
            certificates: false,
            report_secret: None,
            report_hours: 24,
        }
    }
}

/// A named network of the company, as policies ask for it (`context.zones`).
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Zone {
    /// Name: `a-z`, `0-9` and `-`.
    pub(crate) name: String,
    /// Networks, such as `10.0.0.0/8`.
    #[schemars(with = "Vec<String>")]
    pub(crate) networks: Vec<IpNet>,
}

/// An authorization server whose access tokens are accepted.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Issuer {
    /// Issuer identifier; tokens must name it byte for byte.
    pub(crate) issuer: String,
    /// Where its keys are. Default: found through its metadata.
    #[serde(default)]
    pub(crate) jwks_uri: Option<String>,
    /// Signature algorithms: any of `ES256`, `EdDSA`, `RS256`, `PS256`. Default: all of them.
    #[serde(default)]
    pub(crate) algorithms: Vec<String>,
    /// The audience of its tokens, only for servers that cannot issue tokens for a resource URI.
    #[serde(default)]
    pub(crate) audience: Option<String>,
    /// Whether tokens of type `JWT` are accepted beside `at+jwt`.
    #[serde(default)]
    pub(crate) accept_plain_jwt: bool,
    /// Prefix of its subjects; needed with more than one issuer.
    #[serde(default)]
    pub(crate) principal_prefix: Option<String>,
    /// Whether it may be in a private or loopback network, and use `http` there.
    #[serde(default)]
    pub(crate) allow_private_network: bool,
    /// Claim that lists the groups. Default: `groups`.
    #[serde(default)]
    pub(crate) groups_claim: Option<String>,
    /// Claim that tells whether the device is managed by the company.
    #[serde(default)]
    pub(crate) device_managed_claim: Option<String>,
    /// Claim that tells whether the device is in the state the company asks for.
    #[serde(default)]
    pub(crate) device_compliant_claim: Option<String>,
    /// Claim that tells the operating system of the device.
    #[serde(default)]
    pub(crate) device_platform_claim: Option<String>,
}

/// A role, and the groups whose members carry it.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Role {
    /// Name of the role, as policies use it.
    pub(crate) name: String,
    /// Groups of the identity provider.
    pub(crate) groups: Vec<String>,
}

/// How policies are read.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Policy {
    /// Time zone of conditions on time of day, weekday and holidays.
    pub(crate) time_zone: String,
    /// Holidays, such as `"2026-01-01"`: national ones and the company's own. Of a year without any entry it is
    /// unknown which days are holidays.
    #[schemars(with = "Vec<String>")]
    pub(crate) holidays: Vec<Date>,
    /// Whether somebody else than its author must agree to a version before it gets into force: for changes
    /// over the API and the console (`api`), for commands on this machine too (`always`), or never (`never`).
    pub(crate) second_person: SecondPerson,
}

/// Where a second person must agree to policies. Commands run as somebody who may change the database anyhow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SecondPerson {
    /// Nowhere.
    Never,
    /// Over the API and the console.
    #[default]
    Api,
    /// For commands too.
    Always,
}

impl SecondPerson {
    /// Whether the API asks for a second person.
    pub(crate) fn binds_api(self) -> bool {
        self != Self::Never
    }

    /// Whether commands ask for a second person.
    pub(crate) fn binds_commands(self) -> bool {
        self == Self::Always
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            time_zone: "Asia/Tokyo".to_owned(),
            holidays: Vec::new(),
            second_person: SecondPerson::default(),
        }
    }
}

/// Where the gate itself may connect to.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Egress {
    /// Hosts that connectors may use: `host`, `host:port` or `*.domain`. Default: any public host that
    /// an administrator put into a connector.
    pub(crate) allow: Vec<String>,
    /// Certificate authorities to trust beside the public ones, as a PEM file.
    pub(crate) ca_file: Option<PathBuf>,
}

/// What connectors may use that are set up over the API or in the console, and the client secrets of identity providers
/// too. Commands on this machine are not bound by it: who runs them may start programs and read secrets anyhow.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Connectors {
    /// Programs that may be started, with whatever arguments and variables. Default: none.
    pub(crate) api_programs: Vec<String>,
    /// Environment variables of the gate whose values may be sent as credentials; those that begin with it where it
    /// ends with `*`.
    pub(crate) api_variables: Vec<String>,
    /// Folder whose files may be sent as credentials. Default: none.
    pub(crate) api_secrets_folder: Option<PathBuf>,
}

impl Default for Connectors {
    fn default() -> Self {
        Self {
            api_programs: Vec::new(),
            api_variables: vec!["SEKIMORI_SECRET_*".to_owned()],
            api_secrets_folder: None,
        }
    }
}

/// Bounds of one node.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Limits {
    /// Most open connections.
    pub(crate) connections: usize,
    /// Most calls at once.
    pub(crate) calls_in_flight: usize,
    /// Largest request body in bytes.
    pub(crate) request_bytes: usize,
    /// Largest answer of an upstream in bytes.
    pub(crate) answer_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: limits::CONNECTIONS_MAX,
            calls_in_flight: limits::CALLS_IN_FLIGHT_MAX,
            request_bytes: limits::REQUEST_BYTES_MAX,
            answer_bytes: limits::UPSTREAM_MESSAGE_BYTES_MAX,
        }
    }
}

/// Logs and traces.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Telemetry {
    /// `json` or `text`.
    pub(crate) log_format: LogFormat,
    /// Filter in the syntax of `tracing`, such as `info` or `sekimori_gateway=debug,info`.
    pub(crate) log_filter: String,
    /// OTLP/HTTP endpoint for traces, such as `http://127.0.0.1:4318/v1/traces`. Default: none are sent.
    pub(crate) otlp_endpoint: Option<String>,
}

impl Default for Telemetry {
    fn default() -> Self {
        Self {
            log_format: LogFormat::Json,
            log_filter: "info".to_owned(),
            otlp_endpoint: None,
        }
    }
}

/// Forms of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

impl Config {
    /// The time zone of the company.
    pub(crate) fn time_zone(&self) -> anyhow::Result<jiff::tz::TimeZone> {
        jiff::tz::TimeZone::get(&self.policy.time_zone)
            .with_context(|| format!("policy.time_zone: {} is unknown", self.policy.time_zone))
    }

    /// Checks what types cannot.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        self.public_url()?;
        self.issuers()?;
        self.authorization_server()?;
        self.policy_settings()?;
        for provider in &self.identity.providers {
            check_provider(&self.public_url()?, provider).context("identity.providers")?;
        }
        self.zones()?;
        self.remote_setup()?;
        self.kill_switch.check()?;
        anyhow::ensure!(
            !self.server.node.is_empty() && self.server.node.len() <= 64,
            "server.node: use 1 to 64 characters"
        );
        self.audit.check()?;
        anyhow::ensure!(
            self.limits.connections > 0 && self.limits.calls_in_flight > 0,
            "limits: use numbers above 0"
        );
        Ok(())
    }

    /// Where clients reach the gate.
    pub(crate) fn public_url(&self) -> anyhow::Result<PublicUrl> {
        let text = match &self.server.public_url {
            Some(url) => url.clone(),
            None => format!("http://{}", self.server.listen),
        };
        PublicUrl::new(&text).context(
            "server.public_url: give the address that clients use, such as https://gate.example.co.jp",
        )
    }

    /// Where the database is.
    pub(crate) fn store_url(&self) -> String {
        match &self.store.url {
            Some(url) => url.clone(),
            None => format!(
                "sqlite:{}",
                self.server.data_dir.join("sekimori.db").display()
            ),
        }
    }

    /// The gate as its own authorization server, where it is one.
    pub(crate) fn authorization_server(&self) -> anyhow::Result<Option<AuthorizationServerConfig>> {
        let public_url = self.public_url()?;
        self.identity.authorization_server.to_config(public_url)
    }

    /// Hosts that connectors may use, where they are listed.
    pub(crate) fn egress_allow(&self) -> anyhow::Result<Vec<HostPattern>> {
        let allow = self.egress.allow.iter();
        allow
            .map(|pattern| {
                pattern
                    .parse()
                    .with_context(|| format!("egress.allow: {pattern}"))
            })
            .collect()
    }

    /// What connectors may use that are set up from afar.
    pub(crate) fn remote_setup(&self) -> anyhow::Result<RemoteSetup> {
        let folder = self.connectors.api_secrets_folder.as_ref();
        let folder = folder.map(|folder| folder.to_str().map(str::to_owned));
        let not_text = "connectors.api_secrets_folder: use a path in UTF-8";
        anyhow::ensure!(folder != Some(None), not_text);
        Ok(RemoteSetup {
            hosts: self.egress_allow()?,
            programs: self.connectors.api_programs.clone(),
            variables: self.connectors.api_variables.clone(),
            secrets_folder: folder.flatten(),
        })
    }

    /// Who decides on calls that wait for a person.
    pub(crate) fn approval_settings(&self) -> anyhow::Result<sekimori_approval::Settings> {
        let groups = self.policy_settings()?.groups;
        let public_url = self.public_url()?;
        self.approvals.to_settings(groups, public_url.as_str())
    }

    /// The authorization servers.
    pub(crate) fn issuers(&self) -> anyhow::Result<Vec<IssuerConfig>> {
        self.identity
            .issuers
            .iter()
            .map(Issuer::to_config)
            .collect()
    }

    /// What conditional access asks for, with the database of countries read.
    pub(crate) fn conditions(&self) -> anyhow::Result<Conditions> {
        let countries = match &self.identity.country_database {
            Some(path) => {
                let shown = || format!("identity.country_database {}", path.display());
                let file = std::fs::read(path).with_context(shown)?;
                Some(CountryDatabase::read(file).with_context(shown)?)
            }
            None => None,
        };
        Ok(self.zones()?.with_countries(countries))
    }

    fn zones(&self) -> anyhow::Result<Conditions> {
        let zones = self.identity.zones.iter().map(|zone| identity::Zone {
            name: zone.name.clone(),
            networks: zone.networks.clone(),
        });
        Conditions::new(zones.collect()).context("identity.zones")
    }

    /// Roles, time zone and holidays for policies.
    pub(crate) fn policy_settings(&self) -> anyhow::Result<PolicySettings> {
        let mut edges = Vec::new();
        for role in &self.identity.roles {
            let name = GroupName::new(&role.name).context("identity.roles")?;
            for group in &role.groups {
                edges.push((
                    GroupName::new(group).context("identity.roles")?,
                    name.clone(),
                ));
            }
        }
        if let Some(group) = &self.identity.administrators_group {
            let role = GroupName::new(ADMINISTRATORS_ROLE)?;
            let group = GroupName::new(group).context("identity.administrators_group")?;
            edges.push((group, role));
        }
        let time_zone = self.time_zone()?;
        anyhow::ensure!(
            self.policy.holidays.len() <= 10_000,
            "policy.holidays: 10,000 at most"
        );
        Ok(PolicySettings {
            groups: GroupHierarchy::new(edges),
            calendar: Calendar::new(time_zone, self.policy.holidays.iter().copied()),
        })
    }
}

impl Issuer {
    fn to_config(&self) -> anyhow::Result<IssuerConfig> {
        let mut config = IssuerConfig::new(&self.issuer);
        if let Some(uri) = &self.jwks_uri {
            config.keys = KeySource::JwksUri(uri.clone());
        }
        if !self.algorithms.is_empty() {
            config.algorithms = self
                .algorithms
                .iter()
                .map(|name| {
                    Algorithm::ALL
                        .iter()
                        .copied()
                        .find(|known| known.as_str() == name)
                        .with_context(|| {
                            format!("identity.issuers.algorithms: {name} is not accepted here")
                        })
                })
                .collect::<anyhow::Result<_>>()?;
        }
        config.audience.clone_from(&self.audience);
        config.accept_plain_jwt = self.accept_plain_jwt;
        config.principal_prefix.clone_from(&self.principal_prefix);
        let claim = self.groups_claim.as_deref().unwrap_or("groups");
        config.claims.groups = Some(claim.to_owned());
        config
            .claims
            .device_managed
            .clone_from(&self.device_managed_claim);
        config
            .claims
            .device_compliant
            .clone_from(&self.device_compliant_claim);
        config
            .claims
            .device_platform
            .clone_from(&self.device_platform_claim);
        Ok(config)
    }
}
