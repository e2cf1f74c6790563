//! Putting the parts of a node together, and taking them apart in order.

mod alerts;
pub(crate) mod audit;
mod background;
mod devices;
mod rules;
pub(crate) mod token_keys;
mod upstreams;

use std::fs;
use std::os::fd::AsFd as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use sekimori_admin::{Control, Pages, PolicyDesk, Streams};
use sekimori_approval::{Approvals, Parts as ApprovalParts, Settings as ApprovalSettings, Vault};
use sekimori_audit::Audit;
use sekimori_domain::caller::Source;
use sekimori_domain::ids::{ConnectorName, CorrelationId};
use sekimori_domain::record::EventKind;
use sekimori_gateway::approvals::{ApprovalJournal, SealedArguments};
use sekimori_gateway::catalog::refresh;
use sekimori_gateway::face;
use sekimori_gateway::kill_switch;
use sekimori_gateway::request::{Endpoint, Head};
use sekimori_gateway::seal::Sealer;
use sekimori_gateway::{Gateway, Settings, State};
use sekimori_identity::authorization_server::AuthorizationServer;
use sekimori_identity::linked_accounts::LinkedAccounts;
use sekimori_identity::sign_in::SignIn;
use sekimori_identity::{
    Authenticator, AuthenticatorConfig, CredentialStores, Credentials, Fetch, LocalIssuer,
    OwnIssuer, PublicUrl, Random as _, Revocations, SystemRandom,
};
use sekimori_policy::{Administration, Membership, PolicyEngine};
use sekimori_store::Store;
use serde_json::json;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::audit::{look_after, open_audit};
use self::background::{
    end_overdue_approvals, follow_inspection_rules, follow_policies, keep_house, record_drift,
    tell_approvers,
};
use self::devices::{device_reports, known_devices};
use self::rules::{open_inspector, open_kill_switches, open_limits, open_policy};
use self::token_keys::open_token_vault;
use self::upstreams::open_catalog;
pub(crate) use self::upstreams::{egress, open_linked_accounts, upstream_maker};
use crate::authorization_server;
use crate::fetch::GuardedFetch;
use crate::installation::Installation;
use crate::notify;
use crate::sign_in;

/// How long requests may take to end after they were told to.
pub(crate) const FAREWELL: Duration = Duration::from_secs(5);

/// How callers are let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// With credentials.
    Authenticated,
    /// Anybody on this machine, as "anonymous".
    AnybodyOnLoopback,
}

/// A running node.
pub(crate) struct Node {
    gateway: Arc<Gateway>,
    control: Arc<Control>,
    installation: Installation,
    tasks: JoinSet<()>,
    stop: CancellationToken,
    streams: CancellationToken,
    requests: TaskTracker,
}

/// Keeps up with the policies and inspection rules in force, whoever changed them.
fn follow_rules(
    installation: &Installation,
    gateway: &Gateway,
    tasks: &mut JoinSet<()>,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    tasks.spawn(follow_policies(
        Arc::clone(&installation.store),
        Arc::clone(&gateway.policy),
        installation.config.policy_settings()?,
        stop.clone(),
    ));
    tasks.spawn(follow_inspection_rules(
        Arc::clone(&installation.store),
        Arc::clone(&gateway.inspector),
        Arc::clone(&installation.clock),
        stop.clone(),
    ));
    Ok(())
}

impl Node {
    /// Starts everything but the listeners.
    pub(crate) async fn start(installation: Installation, access: Access) -> anyhow::Result<Self> {
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let audit = open_audit(&installation).await?;
        let fetch: Arc<dyn Fetch> = Arc::new(GuardedFetch::new(
            &installation.config,
            &egress(&installation.config)?,
        )?);
        let authorization = authorization_server::open(
            &installation,
            egress(&installation.config)?,
            Arc::clone(&fetch),
            seal_key(&installation.config.server.data_dir)?,
        )
        .await?;
        let identity =
            open_identity(&installation, access, &fetch, authorization.as_deref()).await?;
        let policy = open_policy(&installation).await?;
        let linked_accounts = open_linked_accounts(&installation)?;
        let (catalog, drift) = open_catalog(&installation, linked_accounts.clone())?;
        let gateway = Arc::new(Gateway {
            identity: Arc::clone(&identity),
            catalog: Arc::clone(&catalog),
            kill_switches: open_kill_switches(&installation).await?,
            limits: open_limits(&installation).await?,
            policy: Arc::clone(&policy),
            inspector: open_inspector(&installation).await?,
            conversations: installation.store.conversations(),
            tokens: open_token_vault(&installation)?,
            approvals: open_approvals(&installation, &audit, &policy)?,
            audit: Arc::clone(&audit),
            sealer: open_sealer(&installation.config.server.data_dir)?,
            clock: Arc::clone(&installation.clock),
            ids: Arc::clone(&installation.ids),
            settings: Settings {
                public_url: installation.config.public_url()?,
                title: installation.config.server.title.clone(),
                version: env!("CARGO_PKG_VERSION"),
            },
            state: State::new(installation.config.limits.calls_in_flight),
        });
        let sign_in = sign_in::open(
            &installation,
            egress(&installation.config)?,
            seal_key(&installation.config.server.data_dir)?,
        )?;
        let sign_in = Arc::new(sign_in);
        let streams = CancellationToken::new();
        let control = open_control(
            &installation,
            &gateway,
            Arc::clone(&sign_in),
            linked_accounts.clone(),
            authorization.clone(),
            Streams::new(streams.clone()),
        )?;
        let control = Arc::new(control);
        if let Some(server) = authorization {
            until(&stop, &mut tasks, async move { server.look_after().await });
        }
        until(&stop, &mut tasks, async move { sign_in.maintain().await });
        let accounts = async move { linked_accounts.maintain().await };
        until(&stop, &mut tasks, accounts);
        note(
            &gateway,
            EventKind::GatewayStart,
            json!({"version": env!("CARGO_PKG_VERSION")}),
        )
        .await?;
        // Known before the first client comes; asking them takes as long as the upstreams take.
        let fresh = catalog.reload().await;
        for entry in fresh.context("the connectors cannot be read")? {
            let catalog = Arc::clone(&catalog);
            tasks.spawn(async move { catalog.relist(&entry).await });
        }
        keep_up(&gateway, &stop, &mut tasks);
        tasks.spawn(refresh::follow(catalog, stop.clone()));
        follow_rules(&installation, &gateway, &mut tasks, &stop)?;
        tasks.spawn(keep_house(
            Arc::clone(&gateway),
            installation.spool.clone(),
            stop.clone(),
        ));
        look_after_approvals(&installation, &gateway, &mut tasks, &stop)?;
        look_after(&installation, &gateway, &mut tasks, &stop)?;
        tasks.spawn(record_drift(Arc::clone(&gateway), drift, stop.clone()));
        until(&stop, &mut tasks, async move { identity.maintain().await });
        Ok(Self {
            gateway,
            control,
            installation,
            tasks,
            stop,
            streams,
            requests: TaskTracker::new(),
        })
    }

    /// The data plane.
    pub(crate) fn gateway(&self) -> Arc<Gateway> {
        Arc::clone(&self.gateway)
    }

    /// The database.
    pub(crate) fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.installation.store)
    }

    /// Where clients reach the gate.
    pub(crate) fn public_url(&self) -> String {
        self.gateway.settings.public_url.as_str().to_owned()
    }

    /// The MCP face over HTTP, and the control plane beside it.
    pub(crate) fn router(&self) -> anyhow::Result<axum::Router> {
        let face = face::router(Arc::clone(&self.gateway), self.face_settings()?);
        Ok(face.merge(sekimori_admin::router(Arc::clone(&self.control))))
    }

    fn face_settings(&self) -> anyhow::Result<face::Settings> {
        let config = &self.installation.config;
        Ok(face::Settings {
            allowed_hosts: allowed_hosts(&self.gateway.settings.public_url)?,
            allowed_origins: config.server.allowed_origins.clone().into(),
            trusted_proxies: config.server.trusted_proxies.clone().into(),
            device_certificates: config.identity.devices.certificates,
            request_bytes_max: config.limits.request_bytes,
            shutdown: self.streams.clone(),
            tasks: self.requests.clone(),
            issuers: self.issuers().into(),
            ..face::Settings::default()
        })
    }

    /// The authorization servers that clients are sent to: ourselves first.
    fn issuers(&self) -> Vec<String> {
        let own = self.control.authorization_server.as_ref();
        let own = own.map(|server| server.issuer().to_owned());
        let others = self.installation.config.identity.issuers.iter();
        own.into_iter()
            .chain(others.map(|one| one.issuer.clone()))
            .collect()
    }

    /// Serves one client on standard input and output until it closes its side.
    pub(crate) async fn serve_stdio(
        &self,
        connector: Option<ConnectorName>,
        key: &str,
    ) -> anyhow::Result<()> {
        let credentials = Credentials::bearer(&format!("Bearer {key}"))
            .map_err(|refusal| anyhow::anyhow!(refusal.to_string()))?;
        let template = Head {
            credentials,
            source: Source {
                ip: None,
                user_agent: None,
                certificate: None,
            },
            endpoint: connector.map_or(Endpoint::All, Endpoint::Connector),
            correlation: CorrelationId::from_uuid(self.gateway.ids.next()),
            trace: None,
            claimed_client: None,
            session: None,
            bound_to: None,
        };
        let input =
            tokio::fs::File::from_std(std::io::stdin().as_fd().try_clone_to_owned()?.into());
        let output =
            tokio::fs::File::from_std(std::io::stdout().as_fd().try_clone_to_owned()?.into());
        face::stdio::serve(
            Arc::clone(&self.gateway),
            self.face_settings()?,
            template,
            input,
            output,
        )
        .await?;
        Ok(())
    }

    /// Ends long streams, so that clients reconnect elsewhere.
    pub(crate) fn end_streams(&self) {
        self.streams.cancel();
    }

    /// Ends long streams and lets calls under way finish. Those that take longer than the configuration
    /// allows are cut off, each with its record.
    pub(crate) async fn drain(&self) {
        self.end_streams();
        self.requests.close();
        let drain = Duration::from_secs(self.installation.config.server.drain_seconds);
        if tokio::time::timeout(drain, self.requests_ended())
            .await
            .is_err()
        {
            tracing::warn!("calls were still under way and are cut off");
            self.gateway.cut_off();
        }
    }

    /// Waits for all requests, and for what goes on beside them.
    async fn requests_ended(&self) {
        self.requests.wait().await;
        self.gateway.beside_ended().await;
    }

    /// Stops everything in order; the journal comes last.
    pub(crate) async fn stop(mut self) {
        self.end_streams();
        self.requests.close();
        self.gateway.cut_off();
        // Nothing waits for an upstream or a client any more: what is left are records on their way.
        if tokio::time::timeout(FAREWELL, self.requests_ended())
            .await
            .is_err()
        {
            tracing::error!("requests did not end; their records say that they were given up");
        }
        self.stop.cancel();
        while self.tasks.join_next().await.is_some() {}
        self.gateway.identity.flush().await;
        for entry in self.gateway.catalog.entries().values() {
            entry.upstream.close();
        }
        if let Err(refusal) = self.gateway.tell_turned_away(true).await {
            tracing::error!(%refusal, "requests that were turned away could not be recorded");
        }
        if let Err(error) = note(&self.gateway, EventKind::GatewayStop, json!({})).await {
            tracing::error!(%error, "the stop could not be recorded");
        }
        self.gateway.audit.close().await;
        self.installation.store.close().await;
    }
}

/// Keeps what every call is compared with as the database has it, until the node stops.
fn keep_up(gateway: &Arc<Gateway>, stop: &CancellationToken, tasks: &mut JoinSet<()>) {
    let follows = Arc::clone(gateway);
    until(stop, tasks, async move {
        tokio::join!(
            kill_switch::follow(&follows.kill_switches, &follows.catalog),
            follows.limits.follow(),
            follows.follow_tasks(),
        );
    });
}

/// Does some work until the node stops.
fn until(
    stop: &CancellationToken,
    tasks: &mut JoinSet<()>,
    work: impl Future<Output = ()> + Send + 'static,
) {
    let stop = stop.clone();
    tasks.spawn(async move {
        tokio::select! {
            () = stop.cancelled() => {}
            () = work => {}
        }
    });
}

/// Records something that the node itself did.
async fn note(
    gateway: &Gateway,
    event: EventKind,
    detail: serde_json::Value,
) -> anyhow::Result<()> {
    let correlation = CorrelationId::from_uuid(gateway.ids.next());
    let detail = match detail {
        serde_json::Value::Object(members) => members.into_iter().collect(),
        _ => std::collections::BTreeMap::new(),
    };
    gateway.audit.note(event, correlation, detail).await?;
    Ok(())
}

/// The host names under which the gate may be addressed.
fn allowed_hosts(public_url: &PublicUrl) -> anyhow::Result<Arc<[String]>> {
    let mut hosts: Vec<String> = ["localhost", "127.0.0.1", "[::1]"]
        .map(str::to_owned)
        .to_vec();
    let url: http::Uri = public_url.as_str().parse()?;
    hosts.extend(url.host().map(str::to_owned));
    Ok(hosts.into())
}

fn open_control(
    installation: &Installation,
    gateway: &Arc<Gateway>,
    sign_in: Arc<SignIn>,
    linked_accounts: LinkedAccounts,
    authorization_server: Option<Arc<AuthorizationServer>>,
    streams: Streams,
) -> anyhow::Result<Control> {
    let settings = &gateway.settings;
    Ok(Control {
        store: Arc::clone(&installation.store),
        identity: Arc::clone(&gateway.identity),
        approvals: Arc::clone(&gateway.approvals),
        authorization_server,
        desk: PolicyDesk {
            store: Arc::clone(&installation.store),
            settings: installation.config.policy_settings()?,
            second_person: installation.config.policy.second_person.binds_api(),
        },
        administration: Administration::new(installation.config.policy_settings()?.groups)?,
        catalog: Arc::clone(&gateway.catalog),
        gateway: Arc::clone(gateway),
        policy: Arc::clone(&gateway.policy),
        streams,
        revocations: Arc::clone(gateway.identity.revocations()),
        kill_switches: Arc::clone(&gateway.kill_switches),
        sign_in,
        linked_accounts,
        device_reports: device_reports(installation)?,
        audit: Arc::clone(&gateway.audit),
        clock: Arc::clone(&gateway.clock),
        ids: Arc::clone(&gateway.ids),
        random: Arc::new(SystemRandom),
        pages: Pages::new()?,
        settings: sekimori_admin::Settings {
            public_url: settings.public_url.clone(),
            title: settings.title.clone(),
            version: settings.version,
            allowed_hosts: allowed_hosts(&settings.public_url)?,
            allowed_origins: installation.config.server.allowed_origins.clone().into(),
            trusted_proxies: installation.config.server.trusted_proxies.clone().into(),
            retention: installation.config.audit.retention.clone(),
            connectors: installation.config.remote_setup()?,
            configuration: sekimori_admin::Configuration {
                file: installation.config.file.display().to_string(),
                sections: installation.config.shown()?,
            },
        },
    })
}

/// Tells people what waits for them, and ends what nobody decided on.
fn look_after_approvals(
    installation: &Installation,
    gateway: &Gateway,
    tasks: &mut JoinSet<()>,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let config = &installation.config;
    let channels = notify::channels(&config.approvals, &egress(config)?, &installation.clock)?;
    let approvals = Arc::clone(&gateway.approvals);
    tasks.spawn(tell_approvers(approvals, channels, stop.clone()));
    let approvals = Arc::clone(&gateway.approvals);
    tasks.spawn(end_overdue_approvals(approvals, stop.clone()));
    Ok(())
}

fn open_approvals(
    installation: &Installation,
    audit: &Arc<Audit>,
    policy: &Arc<PolicyEngine>,
) -> anyhow::Result<Arc<Approvals>> {
    let ids = Arc::clone(&installation.ids);
    let journal = ApprovalJournal::new(Arc::clone(audit), Arc::clone(&ids));
    let parts = ApprovalParts::of(
        &*installation.store,
        approval_vault(installation)?,
        Arc::new(journal),
        Arc::clone(&installation.clock),
        ids,
    );
    let settings = ApprovalSettings {
        // Roles change with the policies, and whoever carries one may decide at once.
        groups: Arc::clone(policy) as Arc<dyn Membership>,
        ..installation.config.approval_settings()?
    };
    Ok(Arc::new(Approvals::new(parts, settings)))
}

/// Seals the arguments that people decide on.
pub(crate) fn approval_vault(installation: &Installation) -> anyhow::Result<Arc<dyn Vault>> {
    let key = seal_key(&installation.config.server.data_dir)?;
    Ok(Arc::new(SealedArguments::new(
        &key,
        Arc::new(SystemRandom),
    )?))
}

pub(crate) async fn open_identity(
    installation: &Installation,
    access: Access,
    fetch: &Arc<dyn Fetch>,
    authorization_server: Option<&AuthorizationServer>,
) -> anyhow::Result<Arc<Authenticator>> {
    let config = &installation.config;
    let own_issuer = authorization_server.map(|server| {
        let oauth = installation.store.oauth();
        Arc::new(LocalIssuer::new(server.issuer(), server.keys(), oauth)) as Arc<dyn OwnIssuer>
    });
    let authenticator_config = AuthenticatorConfig {
        issuers: config.issuers()?,
        conditions: config
            .conditions()?
            .with_devices(known_devices(installation)),
        anonymous_on_loopback: access == Access::AnybodyOnLoopback,
        own_issuer,
        ..AuthenticatorConfig::new(config.public_url()?)
    };
    let revocations = Arc::new(Revocations::new(
        &*installation.store,
        Arc::clone(&installation.clock),
    ));
    // Known before the first client comes.
    let known = revocations.load().await;
    known.context("what was revoked cannot be read")?;
    let authenticator = Authenticator::new(
        authenticator_config,
        fetch,
        CredentialStores::of(&*installation.store),
        revocations,
        Arc::clone(&installation.clock),
    )
    .context("identity")?;
    Ok(Arc::new(authenticator))
}

fn open_sealer(data_dir: &Path) -> anyhow::Result<Sealer> {
    Ok(Sealer::new(&seal_key(data_dir)?)?)
}

/// The key under which handles and secrets are sealed; made at the first start.
pub(crate) fn seal_key(data_dir: &Path) -> anyhow::Result<[u8; 32]> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let path = data_dir.join("seal.key");
    let mut key = [0; 32];
    if path.exists() {
        let found = fs::read(&path).context("seal.key cannot be read")?;
        key = found
            .try_into()
            .map_err(|_| anyhow::anyhow!("seal.key is damaged: 32 bytes expected"))?;
    } else {
        SystemRandom.fill(&mut key)?;
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        std::io::Write::write_all(&mut file, &key)?;
        file.sync_all()?;
    }
    Ok(key)
}
