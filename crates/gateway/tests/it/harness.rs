//! A gateway over an upstream, on a free loopback port.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use axum::Extension;
use axum::extract::ConnectInfo;
use bytes::Bytes;
use http::Uri;
use jiff::tz::TimeZone;
use sekimori_approval::{Approvals, Parts, Settings as ApprovalSettings};
use sekimori_audit::{Audit, AuditOptions};
use sekimori_domain::Timestamp;
use sekimori_domain::approval::{Route, Routes, When};
use sekimori_domain::catalog::Environment;
use sekimori_domain::clock::{Clock, Ids};
use sekimori_domain::connector::{Connector, ProtocolChoice, SecretRef, Transport};
use sekimori_domain::ids::{ConnectorName, PrincipalId};
use sekimori_domain::policy_set::{PolicyContent, PolicySet};
use sekimori_domain::record::{EventKind, Record};
use sekimori_domain::role::GuardRails;
use sekimori_gateway::approvals::{ApprovalJournal, SealedArguments};
use sekimori_gateway::catalog::{Catalog, refresh};
use sekimori_gateway::face;
use sekimori_gateway::kill_switch::{self, KillSwitches};
use sekimori_gateway::limits::Limits;
use sekimori_gateway::seal::Sealer;
use sekimori_gateway::token_vault::TokenVault;
use sekimori_gateway::{Gateway, Settings, State};
use sekimori_identity::{
    Authenticator, AuthenticatorConfig, CredentialStores, Fetch, FetchError, NewAccount, PublicUrl,
    Revocations, SystemRandom, create_account, create_key,
};
use sekimori_inspect::Inspector;
use sekimori_policy::{CompiledPolicies, GroupHierarchy, PolicyEngine, PolicySettings};
use sekimori_store::{AuditQuery, Expected, Order, Store};
use sekimori_testkit::client::{Live, RawClient};
use sekimori_testkit::fixture::{self, Era, Local, Options};
use sekimori_upstream::authorization::{AccessToken, Authorizations, Challenge, NoToken};
use sekimori_upstream::egress::{Egress, SystemResolver};
use sekimori_upstream::{Deps, SecretError, Secrets, Upstream};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const ALLOW_ALL: &str = "@id(\"everything\")\npermit (principal, action, resource);\n";

/// A running gateway. Whoever calls from this machine is let in; policy allows everything.
pub(crate) struct Gate {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) served: Local,
    pub(crate) stop: CancellationToken,
    pub(crate) settings: face::Settings,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) revocations: Arc<Revocations>,
    moved: Arc<AtomicI64>,
    _folder: tempfile::TempDir,
}

fn test_gate(public_url: PublicUrl) -> Settings {
    Settings {
        public_url,
        title: "Test gate".to_owned(),
        version: "0.0.0",
    }
}

impl Gate {
    /// A gateway in front of the MCP server at `url`, as connector `fixture`.
    pub(crate) async fn over(url: &str) -> Self {
        Self::with(url, |_| ()).await
    }

    /// The same, with other settings of the face.
    pub(crate) async fn with(url: &str, change: impl FnOnce(&mut face::Settings)) -> Self {
        Self::node("test", None, url, change).await
    }

    /// A node of that name, on a database that others may use too; by default on one of its own.
    pub(crate) async fn node(
        name: &str,
        database: Option<&str>,
        url: &str,
        change: impl FnOnce(&mut face::Settings),
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let moved = Arc::new(AtomicI64::new(0));
        let clock: Arc<dyn Clock> = Arc::new(SystemClock(Instant::now(), Arc::clone(&moved)));
        let ids: Arc<dyn Ids> = Arc::new(SystemIds);
        let own = format!("sqlite://{}", folder.path().join("gate.db").display());
        let store = sekimori_store::open(database.unwrap_or(&own))
            .await
            .unwrap();
        let connector = connector("fixture", url, clock.now());
        let put = store.connectors().put(&connector, Expected::Absent).await;
        // Another node of the same database may have it already.
        assert!(put.is_ok() || database.is_some());
        let options = AuditOptions {
            folder: folder.path().join("journal"),
            node: name.to_owned(),
            segment_bytes: 1024 * 1024,
        };
        let audit = Audit::start(
            options,
            store.audit_index(),
            Arc::clone(&clock),
            Arc::clone(&ids),
        )
        .await
        .unwrap();
        let public_url = PublicUrl::new("http://127.0.0.1:8080").unwrap();
        let fetch: Arc<dyn Fetch> = Arc::new(NoFetch);
        let revocations = Arc::new(Revocations::new(&*store, Arc::clone(&clock)));
        revocations.load().await.unwrap();
        let identity = Authenticator::new(
            AuthenticatorConfig {
                anonymous_on_loopback: true,
                ..AuthenticatorConfig::new(public_url.clone())
            },
            &fetch,
            CredentialStores::of(&*store),
            Arc::clone(&revocations),
            Arc::clone(&clock),
        )
        .unwrap();
        let kill_switches = KillSwitches::new(&*store, Arc::clone(&clock), Arc::clone(&ids), name);
        kill_switches.load().await.unwrap();
        let limits = Limits::new(&*store, Arc::clone(&clock), TimeZone::UTC, name);
        limits.load().await.unwrap();
        let policy = allow_all(clock.now());
        let deps = Deps {
            clock: Arc::clone(&clock),
            egress: Egress::new(Vec::new(), None, Arc::new(SystemResolver)).unwrap(),
            secrets: Arc::new(NoSecrets),
            authorizations: Arc::new(NoAuthorizations),
            inherited_env: Vec::new(),
        };
        let (drifted, _) = mpsc::unbounded_channel();
        let catalog = Arc::new(Catalog::new(refresh::Source {
            store: Arc::clone(&store),
            make_upstream: Arc::new(move |connector: Arc<Connector>| {
                Arc::new(Upstream::new((*connector).clone(), deps.clone()))
            }),
            clock: Arc::clone(&clock),
            drifted,
        }));
        let audit = Arc::new(audit);
        let approvals = approvals(&*store, &audit, &clock, &ids);
        let gateway = Arc::new(Gateway {
            identity: Arc::new(identity),
            catalog: Arc::clone(&catalog),
            kill_switches: Arc::new(kill_switches),
            limits: Arc::new(limits),
            policy: Arc::new(PolicyEngine::new(policy)),
            inspector: Arc::new(Inspector::new(16 * 1024 * 1024)),
            conversations: store.conversations(),
            tokens: TokenVault::new(store.tokens(), &[[7; 32]], Arc::new(SystemRandom)).unwrap(),
            approvals,
            audit,
            sealer: Sealer::new(&[7; 32]).unwrap(),
            clock,
            ids,
            settings: test_gate(public_url),
            state: State::new(64),
        });
        refresh::reload_and_list(&catalog).await;
        let stop = CancellationToken::new();
        keep_up(&gateway, &stop);
        let mut settings = face::Settings::default();
        change(&mut settings);
        let here: std::net::SocketAddr = "127.0.0.1:1".parse().unwrap();
        let router = face::router(Arc::clone(&gateway), settings.clone())
            .layer(Extension(ConnectInfo(here)));
        let served = Local::serve(router, stop.clone()).await;
        Self {
            gateway,
            served,
            stop,
            settings,
            store,
            revocations,
            moved,
            _folder: folder,
        }
    }

    /// Moves the wall clock of the node on.
    pub(crate) fn wait(&self, time: Duration) {
        let seconds = i64::try_from(time.as_secs()).unwrap();
        self.moved.fetch_add(seconds, Ordering::SeqCst);
    }

    /// From now on policy allows nothing.
    pub(crate) fn deny_everything(&self) {
        let set = PolicySet {
            version: 2,
            content: PolicyContent {
                text: "@id(\"nothing\")\nforbid (principal, action, resource);\n".to_owned(),
                ..PolicyContent::default()
            },
            author: "test".to_owned(),
            created_at: self.gateway.clock.now(),
        };
        let settings = PolicySettings::default();
        self.gateway.policy.reload(&set, &settings).unwrap();
    }

    /// The records of that kind, oldest first.
    pub(crate) async fn records(&self, event: EventKind) -> Vec<Record> {
        let query = AuditQuery {
            event: Some(event),
            order: Order::OldestFirst,
            limit: 1_000,
            ..AuditQuery::default()
        };
        let page = self.gateway.audit.search(&query).await.unwrap();
        page.records.into_iter().map(|found| found.record).collect()
    }

    /// The endpoint of the connector alone.
    pub(crate) fn own_url(&self) -> String {
        format!("http://{}/c/fixture/mcp", self.served.address)
    }

    /// A client of the connector's own endpoint.
    pub(crate) fn client(&self) -> RawClient {
        RawClient::new(&self.own_url())
    }

    /// A GET at the connector's endpoint.
    pub(crate) async fn get(&self, headers: &[(&str, &str)]) -> Live {
        self.get_path("/c/fixture/mcp", headers).await
    }

    /// A GET anywhere.
    pub(crate) async fn get_path(&self, path: &str, headers: &[(&str, &str)]) -> Live {
        let mut client = RawClient::new(&format!("http://{}{path}", self.served.address));
        for (name, value) in headers {
            client = client.with_header(name, value);
        }
        client.listen().await
    }

    /// A client of the endpoint of all connectors.
    pub(crate) fn client_of_all(&self) -> RawClient {
        RawClient::new(&self.served.url)
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// A gateway in front of our fixture, which speaks the revisions of `era`.
pub(crate) async fn over_fixture(era: Era) -> (Local, Gate) {
    let options = Options {
        era,
        page_size: None,
    };
    let fixture = fixture::start(options).await;
    let gate = Gate::over(&fixture.url).await;
    (fixture, gate)
}

/// A service account, and the ids and texts of its keys.
pub(crate) async fn keys(gate: &Gate, account: &str, count: usize) -> Vec<(String, String)> {
    let (store, clock) = (gate.store.service_accounts(), &*gate.gateway.clock);
    let expires_at = clock.now() + Duration::from_hours(1);
    let new = NewAccount {
        name: account.to_owned(),
        owner: "hanako".to_owned(),
        purpose: "tests".to_owned(),
        groups: Vec::new(),
        scopes: Vec::new(),
        environments: Environment::ALL.to_vec(),
        networks: Vec::new(),
        expires_at,
    };
    create_account(&*store, clock, new).await.unwrap();
    let mut keys = Vec::new();
    for _ in 0..count {
        let issued = create_key(&*store, clock, &SystemRandom, account, expires_at).await;
        let issued = issued.unwrap();
        keys.push((issued.key.id, issued.text.reveal().to_string()));
    }
    keys
}

/// The PostgreSQL server of the test run, if there is one, without what another run left in the way.
pub(crate) async fn postgres() -> Option<String> {
    #[allow(clippy::disallowed_methods, reason = "the test run's only setting")]
    let Ok(url) = std::env::var("SEKIMORI_TEST_POSTGRES") else {
        #[allow(
            clippy::print_stderr,
            reason = "a half that was not tested must be seen"
        )]
        let () =
            eprintln!("SKIPPED: SEKIMORI_TEST_POSTGRES is not set; `cargo xtask test` sets it");
        return None;
    };
    let store = sekimori_store::open(&url).await.unwrap();
    let fixture = ConnectorName::new("fixture").unwrap();
    store.connectors().remove(&fixture).await.unwrap();
    store.close().await;
    Some(url)
}

/// Waits until something is so; fails when it takes too long.
pub(crate) async fn until(mut so: impl AsyncFnMut() -> bool) {
    let waited = tokio::time::timeout(Duration::from_secs(30), async {
        while !so().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    waited.await.expect("it becomes so in time");
}

/// What a node does in the background, until `stop`.
fn keep_up(gateway: &Arc<Gateway>, stop: &CancellationToken) {
    tokio::spawn(refresh::follow(Arc::clone(&gateway.catalog), stop.clone()));
    let (gateway, stop) = (Arc::clone(gateway), stop.clone());
    tokio::spawn(async move {
        let follow = async {
            tokio::join!(
                gateway.identity.maintain(),
                gateway.limits.follow(),
                gateway.follow_tasks(),
                kill_switch::follow(&gateway.kill_switches, &gateway.catalog),
            )
        };
        stop.run_until_cancelled(follow).await
    });
}

fn allow_all(created_at: Timestamp) -> CompiledPolicies {
    let set = PolicySet {
        version: 1,
        content: PolicyContent {
            text: ALLOW_ALL.to_owned(),
            // The fixtures' tools are not classified: the guard-rail of the admin class would hold them up.
            guard_rails: GuardRails {
                off: ["guard:admin-class".to_owned()].into(),
                ..GuardRails::default()
            },
            ..PolicyContent::default()
        },
        author: "test".to_owned(),
        created_at,
    };
    CompiledPolicies::compile(&set, &PolicySettings::default()).unwrap()
}

/// Approvals in which members of "managers" decide.
pub(crate) fn approvals(
    store: &dyn Store,
    audit: &Arc<Audit>,
    clock: &Arc<dyn Clock>,
    ids: &Arc<dyn Ids>,
) -> Arc<Approvals> {
    let vault = SealedArguments::new(&[7; 32], Arc::new(SystemRandom)).unwrap();
    let journal = ApprovalJournal::new(Arc::clone(audit), Arc::clone(ids));
    let parts = Parts::of(
        store,
        Arc::new(vault),
        Arc::new(journal),
        Arc::clone(clock),
        Arc::clone(ids),
    );
    let settings = ApprovalSettings {
        warrant_life: Duration::from_secs(30),
        life: Duration::from_hours(14 * 24),
        refusal_stands: Duration::from_hours(1),
        wait: Duration::from_secs(30),
        routes: Routes {
            routes: Vec::new(),
            otherwise: Route {
                name: "default".to_owned(),
                when: When::default(),
                groups: vec!["managers".parse().unwrap()],
                person_from: None,
                quorum: 1,
                step_up: false,
                expires_hours: None,
            },
        },
        groups: Arc::new(GroupHierarchy::default()),
        channels: Vec::new(),
        public_url: "http://127.0.0.1:8080".to_owned(),
    };
    Arc::new(Approvals::new(parts, settings))
}

fn connector(name: &str, url: &str, created_at: Timestamp) -> Connector {
    Connector {
        name: ConnectorName::new(name).unwrap(),
        title: "The fixture".to_owned(),
        transport: Transport::Http {
            url: url.to_owned(),
            headers: BTreeMap::new(),
            allow_private_network: true,
        },
        protocol: ProtocolChoice::default(),
        environment: Environment::default(),
        data_classes: Vec::new(),
        enabled: true,
        allow_sampling: true,
        allow_roots: true,
        timeout_seconds: 30,
        exposure: None,
        trust: None,
        refresh_seconds: 60,
        oauth: None,
        created_at,
    }
}

#[derive(Debug)]
struct SystemClock(Instant, Arc<AtomicI64>);

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the clock of these tests")]
    fn now(&self) -> Timestamp {
        Timestamp::now() + Duration::from_secs(self.1.load(Ordering::SeqCst).try_into().unwrap())
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }
}

#[derive(Debug)]
struct SystemIds;

impl Ids for SystemIds {
    #[expect(clippy::disallowed_methods, reason = "the ids of these tests")]
    fn next(&self) -> Uuid {
        Uuid::now_v7()
    }
}

/// No issuer is configured, so nothing is fetched.
struct NoFetch;

#[async_trait]
impl Fetch for NoFetch {
    async fn get_json(&self, _url: &Uri) -> Result<Bytes, FetchError> {
        panic!("nothing is to be fetched")
    }
}

#[derive(Debug)]
struct NoSecrets;

impl Secrets for NoSecrets {
    fn resolve(&self, _secret: &SecretRef) -> Result<String, SecretError> {
        Err(SecretError)
    }
}

/// Nothing here is protected by OAuth.
#[derive(Debug)]
struct NoAuthorizations;

#[async_trait]
impl Authorizations for NoAuthorizations {
    async fn token(
        &self,
        _connector: &Connector,
        _owner: Option<&PrincipalId>,
    ) -> Result<Option<AccessToken>, NoToken> {
        Ok(None)
    }

    async fn challenged(
        &self,
        _connector: &Connector,
        _owner: Option<&PrincipalId>,
        _refused: Option<&AccessToken>,
        _challenge: &Challenge,
    ) -> Result<AccessToken, NoToken> {
        Err(NoToken::Refused("no tokens in this test".to_owned()))
    }
}
