//! A control plane in a folder of its own.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, Uri};
use http_body_util::BodyExt as _;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use jiff::tz::TimeZone;
use sekimori_admin::{Configuration, Control, Pages, PolicyDesk, Settings, Streams};
use sekimori_approval::{Approvals, Parts as ApprovalParts, Settings as ApprovalSettings};
use sekimori_audit::{Audit, AuditOptions};
use sekimori_domain::Timestamp;
use sekimori_domain::approval::{Route, Routes, When};
use sekimori_domain::clock::{Clock, Ids};
use sekimori_domain::connector::SecretRef;
use sekimori_domain::identity_provider::IdentityProvider;
use sekimori_domain::policy_set::PolicySet;
use sekimori_domain::record::Record;
use sekimori_gateway::approvals::{ApprovalJournal, SealedArguments};
use sekimori_gateway::catalog::{Catalog, refresh};
use sekimori_gateway::kill_switch::KillSwitches;
use sekimori_gateway::limits::Limits;
use sekimori_gateway::seal::Sealer;
use sekimori_gateway::token_vault::TokenVault;
use sekimori_gateway::{Gateway, State};
use sekimori_identity::authorization_server::{
    AuthorizationServer, AuthorizationServerConfig, Parts, Registration,
};
use sekimori_identity::linked_accounts::{LinkedAccountParts, LinkedAccounts};
use sekimori_identity::sign_in::{ProviderHttp, SealKey, SecretLookup, SignIn, SignInParts};
use sekimori_identity::{
    Authenticator, AuthenticatorConfig, CredentialStores, DeviceReports, Document, Fetch,
    FetchDocument, FetchError, NewAccount, PublicUrl, Revocations, SystemRandom, create_account,
    create_administrator, create_key,
};
use sekimori_inspect::Inspector;
use sekimori_policy::{
    Administration, Calendar, CompiledPolicies, GroupHierarchy, PolicyEngine, PolicySettings,
    default_policies,
};
use sekimori_store::{AuditQuery, Store};
use sekimori_upstream::egress::{Egress, Resolve, SystemResolver};
use sekimori_upstream::{Deps, RemoteSetup, SecretError, Secrets, Upstream};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;
use uuid::Uuid;
use zeroize::Zeroizing;

/// What the device management system signs with.
pub(crate) const DEVICE_SECRET: &str = "a secret for devices that is long enough";

/// The control plane of a test.
pub(crate) struct Plane {
    pub(crate) control: Arc<Control>,
    router: Router,
    _folder: tempfile::TempDir,
}

/// What it answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    /// The body as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {}", self.text))
    }

    /// The page with its escapes resolved, as far as the template engine makes any.
    pub(crate) fn shown(&self) -> String {
        let escapes = [
            ("&#x2f;", "/"),
            ("&#x27;", "'"),
            ("&quot;", "\""),
            ("&lt;", "<"),
            ("&gt;", ">"),
        ];
        let shown = escapes
            .iter()
            .fold(self.text.clone(), |text, (from, to)| text.replace(from, to));
        shown.replace("&amp;", "&")
    }

    /// A header.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }
}

fn test_gate(public_url: PublicUrl) -> Settings {
    Settings {
        public_url,
        title: "Test gate".to_owned(),
        version: "0.0.0",
        allowed_hosts: [
            "gate.example".to_owned(),
            "127.0.0.1".to_owned(),
            "localhost".to_owned(),
        ]
        .into(),
        allowed_origins: ["https://inspector.example".to_owned()].into(),
        retention: sekimori_audit::retention::Retention::default(),
        connectors: RemoteSetup {
            hosts: vec!["*.example.co.jp".parse().unwrap()],
            programs: vec!["mcp-server-git".to_owned()],
            variables: vec!["SEKIMORI_SECRET_*".to_owned()],
            secrets_folder: None,
        },
        configuration: Configuration {
            file: "/etc/sekimori/sekimori.toml".to_owned(),
            sections: serde_json::from_value(serde_json::json!({
                "server": {"title": "Test gate", "node": "test"},
            }))
            .unwrap(),
        },
        trusted_proxies: ["127.0.0.1/32".parse().unwrap()].into(),
    }
}

impl Plane {
    /// A control plane behind TLS, as in a company.
    pub(crate) async fn start() -> Self {
        Self::at("https://gate.example").await
    }

    /// A control plane that people reach at `public_url`.
    pub(crate) async fn at(public_url: &str) -> Self {
        Self::with_providers(public_url, Vec::new()).await
    }

    /// A control plane that people reach at `public_url` and sign in to through `providers`.
    #[expect(clippy::too_many_lines, reason = "one of each part of a control plane")]
    pub(crate) async fn with_providers(public_url: &str, providers: Vec<IdentityProvider>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock(Instant::now()));
        let ids: Arc<dyn Ids> = Arc::new(SystemIds);
        let database = format!("sqlite://{}", folder.path().join("gate.db").display());
        let store = sekimori_store::open(&database).await.unwrap();
        let options = AuditOptions {
            folder: folder.path().join("journal"),
            node: "test".to_owned(),
            segment_bytes: 1024 * 1024,
        };
        let index = store.audit_index();
        let audit = Audit::start(options, index, Arc::clone(&clock), Arc::clone(&ids))
            .await
            .unwrap();
        let public_url = PublicUrl::new(public_url).unwrap();
        let fetch: Arc<dyn Fetch> = Arc::new(NoFetch);
        let revocations = Arc::new(Revocations::new(&*store, Arc::clone(&clock)));
        revocations.load().await.unwrap();
        let identity = Authenticator::new(
            AuthenticatorConfig::new(public_url.clone()),
            &fetch,
            CredentialStores::of(&*store),
            Arc::clone(&revocations),
            Arc::clone(&clock),
        )
        .unwrap();
        let sign_in = SignIn::new(SignInParts {
            public_url: public_url.clone(),
            title: "Test gate".to_owned(),
            providers,
            store: &*store,
            http: Arc::new(RealHttp),
            secrets: SecretLookup::new(|reference| match reference {
                SecretRef::Value(value) => Some(value.clone()),
                _ => None,
            }),
            seal_key: SealKey::new([7; 32]),
            clock: Arc::clone(&clock),
            ids: Arc::clone(&ids),
            random: Arc::new(SystemRandom),
        })
        .unwrap();
        let mut config = AuthorizationServerConfig::new(public_url.clone());
        config.registration = Some(Registration::default());
        let parts = Parts {
            store: Arc::clone(&store),
            documents: Arc::new(NoFetch),
            fetch: Arc::clone(&fetch),
            clock: Arc::clone(&clock),
            ids: Arc::clone(&ids),
            random: Arc::new(SystemRandom),
            installation_key: Zeroizing::new([7; 32]),
        };
        let server = AuthorizationServer::start(config, parts).await.unwrap();
        let identity = Arc::new(identity);
        let maintained = Arc::clone(&identity);
        tokio::spawn(async move { maintained.maintain().await });
        let audit = Arc::new(audit);
        let approvals = approvals(&*store, &audit, &clock, &ids);
        let kill_switches =
            KillSwitches::new(&*store, Arc::clone(&clock), Arc::clone(&ids), "test");
        kill_switches.load().await.unwrap();
        let kill_switches = Arc::new(kill_switches);
        let followed = Arc::clone(&kill_switches);
        tokio::spawn(async move { followed.follow().await });
        let accounts = linked_accounts(&*store, &public_url, &clock, &ids);
        let catalog = Arc::new(catalog_that_calls_nothing(&store, &clock, accounts));
        let policy = Arc::new(shipped_policies());
        let limits = Limits::new(&*store, Arc::clone(&clock), TimeZone::UTC, "test");
        limits.load().await.unwrap();
        let gateway = Gateway {
            identity: Arc::clone(&identity),
            catalog: Arc::clone(&catalog),
            kill_switches: Arc::clone(&kill_switches),
            limits: Arc::new(limits),
            policy: Arc::clone(&policy),
            inspector: Arc::new(Inspector::new(1024 * 1024)),
            conversations: store.conversations(),
            tokens: TokenVault::new(store.tokens(), &[[7; 32]], Arc::new(SystemRandom)).unwrap(),
            approvals: Arc::clone(&approvals),
            audit: Arc::clone(&audit),
            sealer: Sealer::new(&[7; 32]).unwrap(),
            clock: Arc::clone(&clock),
            ids: Arc::clone(&ids),
            settings: sekimori_gateway::Settings {
                public_url: public_url.clone(),
                title: "Test gate".to_owned(),
                version: "0.0.0",
            },
            state: State::new(8),
        };
        let control = Arc::new(Control {
            approvals,
            catalog,
            gateway: Arc::new(gateway),
            policy,
            streams: Streams::new(CancellationToken::new()),
            kill_switches,
            authorization_server: Some(Arc::new(server)),
            sign_in: Arc::new(sign_in),
            device_reports: Some(DeviceReports::new(
                DEVICE_SECRET.to_owned(),
                &*store,
                Arc::clone(&clock),
            )),
            linked_accounts: linked_accounts(&*store, &public_url, &clock, &ids),
            desk: desk(&store),
            store,
            identity,
            administration: Administration::new(GroupHierarchy::default()).unwrap(),
            revocations,
            audit,
            clock,
            ids,
            random: Arc::new(SystemRandom),
            pages: Pages::new().unwrap(),
            settings: test_gate(public_url),
        });
        let here: std::net::SocketAddr = "127.0.0.1:1".parse().unwrap();
        let router =
            sekimori_admin::router(Arc::clone(&control)).layer(axum::Extension(ConnectInfo(here)));
        Self {
            control,
            router,
            _folder: folder,
        }
    }

    /// Serves on a real port, for browsers and identity providers.
    pub(crate) fn serve(&self, listener: tokio::net::TcpListener) {
        let router = self.router.clone();
        tokio::spawn(async move { axum::serve(listener, router).await });
    }

    /// Sends a request whose answer may have no end.
    pub(crate) async fn open(&self, request: Request<Body>) -> axum::response::Response {
        self.router.clone().oneshot(request).await.unwrap()
    }

    /// Sends a request.
    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Answer {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8(bytes.to_vec()).unwrap(),
        }
    }

    /// The token of a new local administrator.
    pub(crate) async fn administrator(&self) -> String {
        self.administrator_named("test").await
    }

    /// The token of a new local administrator of that name.
    pub(crate) async fn administrator_named(&self, name: &str) -> String {
        let control = &self.control;
        let issued = create_administrator(
            &*control.store.administrators(),
            &*control.clock,
            &*control.random,
            name,
            Duration::from_mins(10),
        )
        .await
        .unwrap();
        self.follow().await;
        issued.token.reveal().to_string()
    }

    /// The key of a new service account in these groups.
    pub(crate) async fn service_key(&self, name: &str, groups: &[&str]) -> String {
        let control = &self.control;
        let accounts = control.store.service_accounts();
        let expires_at = control.clock.now() + Duration::from_hours(1);
        let new = NewAccount {
            name: name.to_owned(),
            owner: "hanako@example.co.jp".to_owned(),
            purpose: "tests".to_owned(),
            groups: groups.iter().map(|group| group.parse().unwrap()).collect(),
            environments: Vec::new(),
            networks: Vec::new(),
            scopes: Vec::new(),
            expires_at,
        };
        create_account(&*accounts, &*control.clock, new)
            .await
            .unwrap();
        let random = &*control.random;
        let issued = create_key(&*accounts, &*control.clock, random, name, expires_at)
            .await
            .unwrap();
        self.follow().await;
        issued.text.reveal().to_string()
    }

    /// Waits until this node knows what its store was told.
    pub(crate) async fn follow(&self) {
        let changes = self.control.store.changes();
        let now = changes.revisions().await.unwrap().identity;
        let mut seen = changes.watch();
        seen.wait_for(|seen| seen.identity >= now).await.unwrap();
    }

    /// Calls the API with a bearer credential.
    pub(crate) async fn call(
        &self,
        method: &str,
        path: &str,
        credential: Option<&str>,
        body: Option<&serde_json::Value>,
    ) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "gate.example");
        if let Some(credential) = credential {
            request = request.header("authorization", format!("Bearer {credential}"));
        }
        let body = match body {
            Some(body) => {
                request = request.header("content-type", "application/json");
                Body::from(body.to_string())
            }
            None => Body::empty(),
        };
        self.send(request.body(body).unwrap()).await
    }

    /// The audit records of one request.
    pub(crate) async fn records(&self, correlation: &str) -> Vec<Record> {
        let query = AuditQuery {
            correlation: Some(correlation.to_owned()),
            ..AuditQuery::default()
        };
        let page = self.control.audit.search(&query).await.unwrap();
        page.records
            .into_iter()
            .map(|indexed| indexed.record)
            .collect()
    }

    /// Asks for an address as a browser does, with more headers.
    pub(crate) async fn visit(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::get(path)
            .header("host", "gate.example")
            .header("accept", "text/html,application/xhtml+xml,*/*;q=0.8");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::empty()).unwrap()).await
    }
}

/// A world without addresses: nothing is called in these tests.
#[derive(Debug)]
struct Nowhere;

#[async_trait]
impl Resolve for Nowhere {
    async fn resolve(&self, _: &str) -> std::io::Result<Vec<IpAddr>> {
        Ok(Vec::new())
    }
}

fn catalog_that_calls_nothing(
    store: &Arc<dyn Store>,
    clock: &Arc<dyn Clock>,
    accounts: LinkedAccounts,
) -> Catalog {
    let (drifted, _) = tokio::sync::mpsc::unbounded_channel();
    let deps = Deps {
        clock: Arc::clone(clock),
        egress: Egress::new(Vec::new(), None, Arc::new(Nowhere)).unwrap(),
        secrets: Arc::new(NoSecrets),
        authorizations: Arc::new(accounts),
        inherited_env: Vec::new(),
    };
    Catalog::new(refresh::Source {
        store: Arc::clone(store),
        make_upstream: Arc::new(move |connector| {
            Arc::new(Upstream::new((*connector).clone(), deps.clone()))
        }),
        clock: Arc::clone(clock),
        drifted,
    })
}

/// Reaches whatever a connector names; what it sends is none of its secrets.
fn linked_accounts(
    store: &dyn Store,
    public_url: &PublicUrl,
    clock: &Arc<dyn Clock>,
    ids: &Arc<dyn Ids>,
) -> LinkedAccounts {
    LinkedAccounts::new(LinkedAccountParts {
        public_url: public_url.clone(),
        title: "Test gate".to_owned(),
        store,
        egress: Egress::new(Vec::new(), None, Arc::new(SystemResolver)).unwrap(),
        secrets: Arc::new(NoSecrets),
        seal_key: SealKey::new([7; 32]),
        clock: Arc::clone(clock),
        ids: Arc::clone(ids),
        random: Arc::new(SystemRandom),
    })
    .unwrap()
}

#[derive(Debug)]
struct NoSecrets;

impl Secrets for NoSecrets {
    fn resolve(&self, _secret: &SecretRef) -> Result<String, SecretError> {
        Err(SecretError)
    }
}

fn desk(store: &Arc<dyn Store>) -> PolicyDesk {
    PolicyDesk {
        store: Arc::clone(store),
        settings: PolicySettings::default(),
        second_person: true,
    }
}

fn shipped_policies() -> PolicyEngine {
    let set = PolicySet {
        version: 1,
        content: default_policies(),
        author: "sekimori".to_owned(),
        created_at: Timestamp::UNIX_EPOCH,
    };
    let settings = PolicySettings {
        groups: GroupHierarchy::default(),
        calendar: Calendar::new(TimeZone::UTC, []),
    };
    PolicyEngine::new(CompiledPolicies::compile(&set, &settings).unwrap())
}

#[derive(Debug)]
struct SystemClock(Instant);

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods, reason = "tests run in real time")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }
}

#[derive(Debug)]
struct SystemIds;

impl Ids for SystemIds {
    #[allow(clippy::disallowed_methods, reason = "tests take real ids")]
    fn next(&self) -> Uuid {
        Uuid::now_v7()
    }
}

struct NoFetch;

#[async_trait]
impl Fetch for NoFetch {
    async fn get_json(&self, _: &Uri) -> Result<Bytes, FetchError> {
        Err(FetchError::NotFound)
    }
}

#[async_trait]
impl FetchDocument for NoFetch {
    async fn get_document(&self, _: &Uri, _: usize) -> Result<Document, FetchError> {
        Err(FetchError::NotFound)
    }
}

/// Asks identity providers on this machine, without the guard that the server puts in between.
#[derive(Debug)]
struct RealHttp;

#[async_trait]
impl ProviderHttp for RealHttp {
    async fn send(
        &self,
        request: Request<Bytes>,
        _: bool,
    ) -> Result<http::Response<Bytes>, FetchError> {
        let client: Client<_, http_body_util::Full<Bytes>> =
            Client::builder(TokioExecutor::new()).build_http();
        let sent = client.request(request.map(http_body_util::Full::new)).await;
        let response = sent.map_err(|error| FetchError::Unavailable(error.into()))?;
        let (parts, body) = response.into_parts();
        let body = body.collect().await;
        let body = body.map_err(|error| FetchError::Unavailable(error.into()))?;
        Ok(http::Response::from_parts(parts, body.to_bytes()))
    }
}

/// Approvals in which members of "managers" decide, and on what a tool named "danger" does with a second factor.
fn approvals(
    store: &dyn Store,
    audit: &Arc<Audit>,
    clock: &Arc<dyn Clock>,
    ids: &Arc<dyn Ids>,
) -> Arc<Approvals> {
    let vault = SealedArguments::new(&[7; 32], Arc::new(SystemRandom)).unwrap();
    let journal = ApprovalJournal::new(Arc::clone(audit), Arc::clone(ids));
    let parts = ApprovalParts::of(
        store,
        Arc::new(vault),
        Arc::new(journal),
        Arc::clone(clock),
        Arc::clone(ids),
    );
    let route = |name: &str, tools: Vec<String>, step_up| Route {
        name: name.to_owned(),
        when: When {
            tools,
            ..When::default()
        },
        groups: vec!["managers".parse().unwrap()],
        person_from: None,
        quorum: 1,
        step_up,
        expires_hours: None,
    };
    let settings = ApprovalSettings {
        warrant_life: Duration::from_secs(30),
        life: Duration::from_hours(14 * 24),
        refusal_stands: Duration::from_hours(1),
        wait: Duration::from_secs(30),
        routes: Routes {
            routes: vec![route("careful", vec!["danger".to_owned()], true)],
            otherwise: route("default", Vec::new(), false),
        },
        groups: Arc::new(GroupHierarchy::default()),
        channels: Vec::new(),
        public_url: "https://gate.example".to_owned(),
    };
    Arc::new(Approvals::new(parts, settings))
}
