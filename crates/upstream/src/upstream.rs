//! One connector's client.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use http::Uri;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use sekimori_domain::clock::Clock;
use sekimori_domain::connector::{Connector, SecretRef, Transport};
use sekimori_domain::ids::PrincipalId;
use sekimori_domain::limits;
use sekimori_domain::road::Warrant;
use sekimori_mcp::headers::ParamHeader;
use sekimori_mcp::raw_object::RawObject;
use sekimori_mcp::revision::Era;
use serde_json::value::RawValue;
use tokio::sync::{Mutex, broadcast, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::asking::Asking;
use crate::attempts::Attempts;
use crate::authorization::{Authorizations, Authorized};
use crate::breaker::{Breaker, Health};
use crate::drive;
use crate::egress::{Egress, HostPattern, HttpClient, Networks};
use crate::exchange::{Event, Exchange, UpstreamError};
use crate::fault::Fault;
use crate::listing;
use crate::notices;
use crate::outgoing::Outgoing;
use crate::persons::Persons;
use crate::session::{Discovery, Opened, Session, SharedSession, Terms, establish};
use crate::transport::http::HttpLink;
use crate::transport::router::{Notice, Router};
use crate::transport::{Link, sse, stdio};

/// What an upstream needs from outside.
#[derive(Debug, Clone)]
pub struct Deps {
    /// For the expiry of warrants.
    pub clock: Arc<dyn Clock>,
    /// The guard of all outgoing connections.
    pub egress: Egress,
    /// Where credentials come from.
    pub secrets: Arc<dyn Secrets>,
    /// Where tokens come from, for connectors that use OAuth.
    pub authorizations: Arc<dyn Authorizations>,
    /// What child processes inherit: `PATH` and `LANG` of the gate.
    pub inherited_env: Vec<(String, String)>,
}

/// Where the values of [`SecretRef`]s come from.
pub trait Secrets: Send + Sync + std::fmt::Debug {
    /// The value.
    fn resolve(&self, secret: &SecretRef) -> Result<String, SecretError>;
}

/// A secret could not be read. Holds neither the value nor where it should have been.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a secret of the connector could not be read")]
pub struct SecretError;

/// What can be listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListMethod {
    /// `tools/list`
    Tools,
    /// `resources/list`
    Resources,
    /// `resources/templates/list`
    ResourceTemplates,
    /// `prompts/list`
    Prompts,
}

/// One connector's client. Cheap to clone; all clones share sessions and child process. Everything that
/// runs for it ends when the last clone and the last exchange are dropped, or at [`Upstream::close`].
#[derive(Debug, Clone)]
pub struct Upstream {
    inner: Arc<Inner>,
    /// The same for persons with accounts of their own there.
    persons: Arc<Persons>,
    _close_on_drop: Arc<tokio_util::sync::DropGuard>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) connector: Arc<Connector>,
    pub(crate) deps: Deps,
    /// Whose account is used; `None` for the gate's own.
    owner: Option<PrincipalId>,
    endpoint: Result<Option<Endpoint>, Fault>,
    session: RwLock<Option<SharedSession>>,
    /// Held while a session is made, so that only one is.
    establishing: Mutex<Attempts>,
    pub(crate) breaker: Arc<Breaker>,
    ids: AtomicU64,
    notices: broadcast::Sender<Notice>,
    /// Arguments that tools want mirrored in headers.
    params: Arc<RwLock<MirroredParams>>,
    /// What somebody wants to hear of.
    pub(crate) watched: watch::Sender<Watched>,
    /// Tasks that wait for answers.
    pub(crate) asking: Asking,
    listening: AtomicBool,
    pub(crate) closed: CancellationToken,
}

/// By tool.
type MirroredParams = BTreeMap<String, Arc<[ParamHeader]>>;

/// What of an upstream somebody wants to hear of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Watched {
    /// Resources, by URI.
    pub(crate) uris: BTreeSet<String>,
    /// Tasks, by id.
    pub(crate) tasks: BTreeSet<String>,
}

impl Watched {
    /// Whether there is room for more.
    pub(crate) fn may_grow(&self) -> bool {
        self.uris.len() + self.tasks.len() < limits::NOTIFICATION_QUEUE_MAX
    }
}

#[derive(Debug, Clone)]
struct Endpoint {
    client: HttpClient,
    uri: Uri,
}

impl Upstream {
    /// A client. Nothing is connected or started before the first request.
    pub fn new(connector: Connector, deps: Deps) -> Self {
        Self::of(Inner {
            endpoint: endpoint(&connector, &deps.egress),
            connector: Arc::new(connector),
            deps,
            owner: None,
            session: RwLock::default(),
            establishing: Mutex::default(),
            breaker: Arc::default(),
            ids: AtomicU64::new(1),
            notices: crate::transport::router::notices(),
            params: Arc::default(),
            watched: watch::Sender::default(),
            asking: Asking::default(),
            listening: AtomicBool::new(false),
            closed: CancellationToken::new(),
        })
    }

    fn of(inner: Inner) -> Self {
        Self {
            persons: Arc::default(),
            _close_on_drop: Arc::new(inner.closed.clone().drop_guard()),
            inner: Arc::new(inner),
        }
    }

    /// The same upstream for a person with an account of their own there: sessions are apart, and what was
    /// found out about the upstream is shared.
    pub(crate) fn for_person(&self, owner: &PrincipalId) -> Self {
        let own = &self.inner;
        Self::of(Inner {
            endpoint: own.endpoint.clone(),
            connector: Arc::clone(&own.connector),
            deps: own.deps.clone(),
            owner: Some(owner.clone()),
            session: RwLock::default(),
            establishing: Mutex::default(),
            breaker: Arc::clone(&own.breaker),
            ids: AtomicU64::new(1),
            notices: own.notices.clone(),
            params: Arc::clone(&own.params),
            watched: watch::Sender::default(),
            asking: Asking::default(),
            listening: AtomicBool::new(false),
            closed: own.closed.child_token(),
        })
    }

    /// The client for whoever a call is for.
    fn acting_for(&self, warrant: &Warrant) -> Self {
        if !self.inner.connector.asks_persons() {
            return self.clone();
        }
        let owner = &warrant.caller().principal.id;
        let now = self.inner.deps.clock.monotonic();
        self.persons.get(owner, now, || self.for_person(owner))
    }

    /// Lets go of sessions for persons who did not call for a while. To be called now and then.
    pub fn sweep(&self) {
        self.persons.sweep(self.inner.deps.clock.monotonic());
    }

    /// Ends the session for a person, whose account is used no more.
    pub fn forget_person(&self, owner: &PrincipalId) {
        self.persons.forget(owner);
    }

    /// The connector that it is for.
    pub fn connector(&self) -> &Connector {
        &self.inner.connector
    }

    /// How the upstream is doing, as calls found it.
    pub fn health(&self) -> Health {
        self.inner.breaker.health()
    }

    /// What the upstream is, found out now or remembered.
    pub async fn discover(&self) -> Result<Discovery, UpstreamError> {
        let session = self.inner.session().await;
        session
            .map(|session| session.discovery.clone())
            .map_err(|fault| self.error(fault))
    }

    /// Everything of one kind, over all pages: for the gate's own catalogue, not on behalf of a caller.
    /// Tools whose `x-mcp-header` annotations are invalid are left out.
    pub async fn list(&self, method: ListMethod) -> Result<Vec<Box<RawValue>>, UpstreamError> {
        listing::list(&self.inner, method)
            .await
            .map_err(|fault| self.error(fault))
    }

    /// Makes a call under a warrant, which is used up. Dropping the exchange cancels the call.
    pub fn invoke(&self, warrant: Warrant, outgoing: Outgoing) -> Exchange {
        let (exchange, events, cancelled) = Exchange::new();
        let upstream = self.acting_for(&warrant);
        // On the heap: a task is copied as it is made, and again when it ends.
        tokio::spawn(Box::pin(async move {
            // The whole of it: what runs for the call must not end with the caller's clone.
            let upstream = upstream;
            let done = drive::run(&upstream.inner, &warrant, &outgoing, &events, cancelled).await;
            // The receiver is gone if the exchange was dropped.
            drop(events.send(Event::Done(done)).await);
        }));
        exchange
    }

    /// What the upstream tells outside of requests: changed lists, updated resources, and a
    /// [`notices::RECONNECTED`] after every time when something may have been missed. Opens the stream for it,
    /// and keeps it open.
    pub fn notifications(&self) -> broadcast::Receiver<Notice> {
        let receiver = self.inner.notices.subscribe();
        self.inner.listen();
        receiver
    }

    /// Stops hearing of a resource: nobody is left who wants to. It is the gate's own subscription, and no
    /// caller's: callers come and go.
    pub async fn unwatch_resource(&self, uri: &str) {
        let inner = &self.inner;
        inner
            .watched
            .send_if_modified(|watched| watched.uris.remove(uri));
        let session = inner.current();
        // Since 2026-07-28 the stream of notifications is opened anew without it.
        let Some(session) = session.filter(|session| session.era() == Era::Legacy) else {
            return;
        };
        let mut params = RawObject::new();
        params.set_str("uri", uri);
        let told = listing::ask(inner, &session, "resources/unsubscribe", params).await;
        if let Err(fault) = told {
            tracing::debug!(?fault, "an upstream was not told that nobody listens");
        }
    }

    /// Hears of a task from now on; of too many, the last ones are only heard of by those who ask.
    pub fn watch_task(&self, id: &str) {
        self.inner
            .watched
            .send_if_modified(|watched| watched.may_grow() && watched.tasks.insert(id.to_owned()));
    }

    /// Whether the secrets that headers or variables refer to can be read now, by their names. What is no secret is
    /// left out.
    pub fn credentials(&self) -> Vec<(String, bool)> {
        let credentials = self.inner.connector.transport.credentials().iter();
        credentials
            .filter(|(_, value)| !matches!(value, SecretRef::Value(_)))
            .map(|(name, value)| (name.clone(), self.inner.deps.secrets.resolve(value).is_ok()))
            .collect()
    }

    /// Stops hearing of a task.
    pub fn unwatch_task(&self, id: &str) {
        self.inner
            .watched
            .send_if_modified(|watched| watched.tasks.remove(id));
    }

    /// Ends sessions and child process. Calls under way end with an error.
    pub fn close(&self) {
        self.inner.closed.cancel();
        self.inner.forget_all();
    }

    fn error(&self, fault: Fault) -> UpstreamError {
        fault.into_error(&self.inner.connector.name)
    }
}

fn endpoint(connector: &Connector, egress: &Egress) -> Result<Option<Endpoint>, Fault> {
    let Some(url) = connector.url() else {
        return Ok(None);
    };
    let not_a_url = || Fault::Forbidden("its address is not an http or https URL".to_owned());
    let uri: Uri = url.parse().map_err(|_| not_a_url())?;
    let host = uri.host().ok_or_else(not_a_url)?;
    let default_port = if uri.scheme_str() == Some("https") {
        443
    } else {
        80
    };
    let own = HostPattern::exactly(host, uri.port_u16().unwrap_or(default_port));
    let networks = if connector.may_be_private() {
        Networks::AlsoPrivate
    } else {
        Networks::Public
    };
    let client = egress.client(vec![own], networks);
    Ok(Some(Endpoint { client, uri }))
}

impl Inner {
    /// Opens the stream of notifications, and keeps it open.
    pub(crate) fn listen(self: &Arc<Self>) {
        if !self.listening.swap(true, Ordering::Relaxed) {
            notices::keep(self);
        }
    }

    pub(crate) fn next_id(&self) -> u64 {
        self.ids.fetch_add(1, Ordering::Relaxed)
    }

    fn current(&self) -> Option<SharedSession> {
        let session = self.session.read().unwrap_or_else(PoisonError::into_inner);
        session.clone().filter(|session| !session.is_over())
    }

    /// The session, made if there is none. Making it goes on when the caller goes away: others wait for
    /// it, and a child process that is slow to start must not be started again and again.
    pub(crate) async fn session(self: &Arc<Self>) -> Result<SharedSession, Fault> {
        if let Some(session) = self.current() {
            return Ok(session);
        }
        let inner = Arc::clone(self);
        let asked_at = Instant::now();
        let made = tokio::spawn(async move { inner.make_session(asked_at).await });
        made.await
            .unwrap_or_else(|_| Err(Fault::unavailable("the connector is closed")))
    }

    async fn make_session(&self, asked_at: Instant) -> Result<SharedSession, Fault> {
        let mut attempts = self.establishing.lock().await;
        if let Some(session) = self.current() {
            return Ok(session);
        }
        if self.closed.is_cancelled() {
            return Err(Fault::unavailable("the connector is closed"));
        }
        let is_child = matches!(self.connector.transport, Transport::Stdio { .. });
        attempts.may_try(asked_at, is_child)?;
        let made = self.establish().await;
        attempts.note(made.as_ref().err());
        let session = Arc::new(made?);
        *self.session.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&session));
        tracing::info!(
            connector = self.connector.name.as_str(),
            revision = session.discovery.revision.as_str(),
            "upstream session established"
        );
        Ok(session)
    }

    async fn establish(&self) -> Result<Session, Fault> {
        let terms = Terms {
            protocol: self.connector.protocol,
            sampling: self.connector.allow_sampling,
            roots: self.connector.allow_roots,
        };
        let opened = self.open().await?;
        establish(opened, terms, &|| self.next_id(), async || {
            self.open().await
        })
        .await
    }

    /// Opens a connection on which nothing is agreed yet.
    async fn open(&self) -> Result<Opened, Fault> {
        let router = Router::new(self.notices.clone());
        let ended = self.closed.child_token();
        let tasks = ended.clone().drop_guard();
        let link = match &self.connector.transport {
            Transport::Http { headers, .. } => {
                let endpoint = self.endpoint()?;
                let headers = self.headers(headers)?;
                let authorized = self.connector.oauth.is_some().then(|| Authorized {
                    authorizations: Arc::clone(&self.deps.authorizations),
                    connector: Arc::clone(&self.connector),
                    owner: self.owner.clone(),
                });
                let (client, uri) = (endpoint.client, endpoint.uri);
                Link::Http(HttpLink::new(client, uri, headers, authorized))
            }
            Transport::Sse { headers, .. } => {
                let endpoint = self.endpoint()?;
                let headers = self.headers(headers)?;
                let (client, uri) = (endpoint.client, endpoint.uri);
                Link::Channel(sse::open(client, uri, headers, &router, &ended).await?)
            }
            Transport::Stdio {
                command,
                args,
                env,
                cwd,
                memory_mib_max,
            } => {
                let mut child_env = self.deps.inherited_env.clone();
                for (name, value) in env {
                    child_env.push((name.clone(), self.secret(value)?));
                }
                let program = stdio::Program {
                    connector: &self.connector.name,
                    command,
                    args,
                    env: child_env,
                    cwd: cwd.as_deref(),
                    memory_mib_max: *memory_mib_max,
                };
                Link::Channel(stdio::start(&program, &router, &ended)?)
            }
        };
        Ok(Opened {
            link,
            router,
            ended,
            tasks,
        })
    }

    fn endpoint(&self) -> Result<Endpoint, Fault> {
        self.endpoint
            .clone()?
            .ok_or_else(|| Fault::invalid("it has no URL"))
    }

    fn secret(&self, secret: &SecretRef) -> Result<String, Fault> {
        self.deps
            .secrets
            .resolve(secret)
            .map_err(|error| Fault::Unavailable(error.to_string()))
    }

    /// The connector's own headers.
    fn headers(&self, configured: &BTreeMap<String, SecretRef>) -> Result<HeaderMap, Fault> {
        let mut out = HeaderMap::new();
        for (name, secret) in configured {
            let unusable = || Fault::Unavailable(format!("its header {name} cannot be used"));
            let header: HeaderName = name.parse().map_err(|_| unusable())?;
            if is_computed(&header) {
                return Err(unusable());
            }
            let value = self.secret(secret)?;
            let mut value = HeaderValue::from_str(&value).map_err(|_| unusable())?;
            value.set_sensitive(true);
            out.insert(header, value);
        }
        Ok(out)
    }

    /// Forgets a session that turned out to be over; the next request makes a new one.
    pub(crate) fn forget(&self, session: &SharedSession) {
        let mut current = self.session.write().unwrap_or_else(PoisonError::into_inner);
        if current
            .as_ref()
            .is_some_and(|current| Arc::ptr_eq(current, session))
        {
            *current = None;
        }
    }

    fn forget_all(&self) {
        *self.session.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Remembers which arguments tools want mirrored.
    pub(crate) fn remember_params(&self, params: MirroredParams) {
        *self.params.write().unwrap_or_else(PoisonError::into_inner) = params;
    }

    pub(crate) fn params_of(&self, tool: &str) -> Option<Arc<[ParamHeader]>> {
        let params = self.params.read().unwrap_or_else(PoisonError::into_inner);
        params.get(tool).cloned()
    }

    pub(crate) fn notify(&self, notice: Notice) {
        // Nobody listening is fine.
        drop(self.notices.send(notice));
    }
}

/// Headers that the protocol computes; a connector cannot set them.
fn is_computed(name: &HeaderName) -> bool {
    name.as_str().starts_with("mcp-")
        || matches!(
            name.as_str(),
            "accept"
                | "connection"
                | "content-length"
                | "content-type"
                | "host"
                | "last-event-id"
                | "te"
                | "trailer"
                | "transfer-encoding"
                | "upgrade"
        )
}
