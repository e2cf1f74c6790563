//! Fakes and short cuts.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::response::Response;
use http::{HeaderMap, Method, StatusCode};
use sekimori_domain::Timestamp;
use sekimori_domain::arguments::Arguments;
use sekimori_domain::caller::{
    Authentication, AuthenticationMethod, Caller, Client, Principal, PrincipalKind,
};
use sekimori_domain::catalog::{Environment, OperationClass, Target, TargetKind, Tool};
use sekimori_domain::clock::Clock;
use sekimori_domain::connector::{Connector, ProtocolChoice, SecretRef, Transport};
use sekimori_domain::ids::{CallId, ClientId, ConnectorName, PrincipalId};
use sekimori_domain::road::{Decision, Inspected, Permit, Warrant};
use sekimori_mcp::envelope::Reply;
use sekimori_mcp::raw_object::RawObject;
use sekimori_upstream::authorization::{AccessToken, Authorizations, Challenge, NoToken};
use sekimori_upstream::egress::{Egress, SystemResolver};
use sekimori_upstream::exchange::{Event, Exchange, UpstreamError};
use sekimori_upstream::{Deps, Outgoing, SecretError, Secrets, Upstream};
use serde_json::Value;
use serde_json::value::RawValue;
use tokio_util::sync::CancellationToken;

/// Nothing in a test takes so long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Debug)]
struct FixedClock;

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

#[derive(Debug)]
struct PlainSecrets;

impl Secrets for PlainSecrets {
    fn resolve(&self, secret: &SecretRef) -> Result<String, SecretError> {
        match secret {
            SecretRef::Value(value) => Ok(value.clone()),
            SecretRef::Env(_) | SecretRef::File(_) => Err(SecretError),
        }
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

pub(crate) fn deps() -> Deps {
    Deps {
        clock: Arc::new(FixedClock),
        egress: Egress::new(Vec::new(), None, Arc::new(SystemResolver)).unwrap(),
        secrets: Arc::new(PlainSecrets),
        authorizations: Arc::new(NoAuthorizations),
        inherited_env: vec![("PATH".into(), "/usr/bin:/bin".into())],
    }
}

pub(crate) fn connector(transport: Transport) -> Connector {
    Connector {
        name: ConnectorName::new("crm").unwrap(),
        title: "CRM".into(),
        transport,
        protocol: ProtocolChoice::Auto,
        environment: Environment::Development,
        data_classes: Vec::new(),
        enabled: true,
        allow_sampling: false,
        allow_roots: false,
        timeout_seconds: 10,
        exposure: None,
        trust: None,
        refresh_seconds: 60,
        oauth: None,
        created_at: Timestamp::UNIX_EPOCH,
    }
}

pub(crate) fn http_transport(url: &str) -> Transport {
    Transport::Http {
        url: url.to_owned(),
        headers: BTreeMap::from([(
            "Authorization".to_owned(),
            SecretRef::Value("Bearer of the gate".into()),
        )]),
        allow_private_network: true,
    }
}

/// A client for a fake over streamable HTTP.
pub(crate) fn over_http(fake: &Fake) -> Upstream {
    Upstream::new(connector(http_transport(&fake.url)), deps())
}

/// Like [`over_http`], with changes to the connector.
pub(crate) fn over_http_with(fake: &Fake, change: impl FnOnce(&mut Connector)) -> Upstream {
    let mut connector = connector(http_transport(&fake.url));
    change(&mut connector);
    Upstream::new(connector, deps())
}

fn caller() -> Caller {
    Caller::new(
        Principal {
            display_name: "Aoi".into(),
            ..Principal::new(PrincipalId::new("user:aoi").unwrap(), PrincipalKind::User)
        },
        Client::new(ClientId::new("test").unwrap(), "local"),
        Authentication::new(AuthenticationMethod::None, "test"),
    )
}

pub(crate) fn warrant_until(
    kind: TargetKind,
    name: &str,
    arguments: &str,
    expires_at: Timestamp,
) -> Warrant {
    warrant_of_class(OperationClass::Read, kind, name, arguments, expires_at)
}

/// A warrant for one call of something that writes, which is not tried twice.
pub(crate) fn warrant_to_write(name: &str) -> Warrant {
    let class = OperationClass::Create;
    warrant_of_class(class, TargetKind::Tool, name, "{}", Timestamp::MAX)
}

fn warrant_of_class(
    class: OperationClass,
    kind: TargetKind,
    name: &str,
    arguments: &str,
    expires_at: Timestamp,
) -> Warrant {
    let arguments = Arguments::parse(Some(arguments.as_bytes())).unwrap();
    let tool = Tool {
        target: Target {
            connector: ConnectorName::new("crm").unwrap(),
            kind,
            name: name.to_owned(),
        },
        class,
        classified: true,
        idempotent: false,
        data_classes: Vec::new(),
        environment: Environment::Development,
        tags: Vec::new(),
        definition: None,
    };
    let decision = Decision {
        policies: Vec::new(),
        policy_version: 1,
        approvals: Vec::new(),
    };
    let permit = Permit::mint(
        CallId(uuid::Uuid::nil()),
        Arc::new(caller()),
        Arc::new(tool),
        arguments.digest(),
        decision,
    );
    Warrant::mint(Inspected::mint(permit, arguments, None), expires_at)
}

pub(crate) fn warrant(name: &str, arguments: &str) -> Warrant {
    warrant_until(TargetKind::Tool, name, arguments, Timestamp::MAX)
}

pub(crate) fn raw(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).unwrap()
}

/// A tool call whose client declares these capabilities and sends these other members.
pub(crate) fn outgoing(capabilities: &str, rest: &str) -> Outgoing {
    Outgoing {
        client_capabilities: Some(raw(capabilities)),
        rest: RawObject::from_text(rest).unwrap(),
        ..Outgoing::new("tools/call")
    }
}

/// The next event, or a failed test.
pub(crate) async fn next(exchange: &mut Exchange) -> Event {
    tokio::time::timeout(PATIENCE, exchange.next())
        .await
        .expect("an event in time")
        .expect("an event")
}

/// The end of an exchange that brings nothing else.
pub(crate) async fn done(mut exchange: Exchange) -> Result<Reply, UpstreamError> {
    match next(&mut exchange).await {
        Event::Done(done) => done,
        other => panic!("not done but {other:?}"),
    }
}

pub(crate) async fn result(exchange: Exchange) -> String {
    match done(exchange).await {
        Ok(Reply::Result(result)) => result.get().to_owned(),
        other => panic!("no result but {other:?}"),
    }
}

/// Waits until something holds.
pub(crate) async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !holds() {
        assert!(tokio::time::Instant::now() < deadline, "never: {what}");
        tokio::task::yield_now().await;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A request that a fake got.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) verb: Method,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) json: Value,
}

impl Seen {
    pub(crate) fn method(&self) -> &str {
        self.json["method"].as_str().unwrap_or_default()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map(|value| value.to_str().unwrap())
            .unwrap_or_default()
    }

    pub(crate) fn id(&self) -> &Value {
        &self.json["id"]
    }

    /// A JSON answer with this result.
    pub(crate) fn result(&self, result: &str) -> Response {
        json(
            200,
            &format!(
                "{{\"jsonrpc\":\"2.0\",\"id\":{},\"result\":{result}}}",
                self.id()
            ),
        )
    }

    pub(crate) fn error(&self, status: u16, error: &str) -> Response {
        json(
            status,
            &format!(
                "{{\"jsonrpc\":\"2.0\",\"id\":{},\"error\":{error}}}",
                self.id()
            ),
        )
    }
}

pub(crate) fn json(status: u16, body: &str) -> Response {
    typed(status, "application/json", body.to_owned())
}

pub(crate) fn typed(status: u16, kind: &str, body: impl Into<Body>) -> Response {
    Response::builder()
        .status(status)
        .header("content-type", kind)
        .body(body.into())
        .unwrap()
}

pub(crate) fn status(status: u16) -> Response {
    Response::builder()
        .status(StatusCode::from_u16(status).unwrap())
        .body(Body::empty())
        .unwrap()
}

/// An event stream of these JSON messages, which then ends.
pub(crate) fn events(messages: &[String]) -> Response {
    let mut text = String::new();
    for message in messages {
        text.extend([
            "data: ", message, "

",
        ]);
    }
    typed(200, "text/event-stream", text)
}

/// An event stream fed from outside.
pub(crate) fn open_stream() -> (tokio::sync::mpsc::UnboundedSender<String>, Response) {
    let (sender, receiver) = tokio::sync::mpsc::unbounded_channel::<String>();
    let stream = futures_util::stream::unfold(receiver, |mut receiver| async move {
        let text = receiver.recv().await?;
        Some((Ok::<_, std::convert::Infallible>(text), receiver))
    });
    (
        sender,
        typed(200, "text/event-stream", Body::from_stream(stream)),
    )
}

type Answer = Pin<Box<dyn Future<Output = Response> + Send>>;

/// An HTTP server that answers as told and remembers what it was asked.
pub(crate) struct Fake {
    pub(crate) url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    stop: CancellationToken,
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Fake {
    pub(crate) async fn start<F>(answer: impl Fn(Seen) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Response> + Send + 'static,
    {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/mcp", listener.local_addr().unwrap());
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let answer: Arc<dyn Fn(Seen) -> Answer + Send + Sync> =
            Arc::new(move |seen| Box::pin(answer(seen)));
        let log = Arc::clone(&seen);
        let router = axum::Router::new().fallback(move |request: Request| {
            let (answer, log) = (Arc::clone(&answer), Arc::clone(&log));
            async move {
                let (parts, body) = request.into_parts();
                let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
                let seen = Seen {
                    verb: parts.method,
                    path: parts.uri.to_string(),
                    headers: parts.headers,
                    json: serde_json::from_slice(&body).unwrap_or_default(),
                    body,
                };
                log.lock().unwrap().push(seen.clone());
                answer(seen).await
            }
        });
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        tokio::spawn(async move {
            tokio::select! {
                served = axum::serve(listener, router) => served.unwrap(),
                () = stopped.cancelled() => {}
            }
        });
        Self { url, seen, stop }
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// The requests of one method, in order.
    pub(crate) fn asked(&self, method: &str) -> Vec<Seen> {
        let mut seen = self.seen();
        seen.retain(|seen| seen.method() == method);
        seen
    }
}

pub(crate) const DISCOVERED: &str = r#"{"resultType":"complete","supportedVersions":["2026-07-28","2025-11-25"],"capabilities":{"tools":{},"resources":{},"x":{"y":1.0}},"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"fake","version":"1"}},"instructions":"be kind","ttlMs":0,"cacheScope":"public"}"#;

/// Answers `server/discover`, and leaves the rest to `other`.
pub(crate) fn modern(seen: &Seen, other: impl FnOnce(&Seen) -> Response) -> Response {
    if seen.method() == "server/discover" {
        return seen.result(DISCOVERED);
    }
    other(seen)
}

/// Plays a legacy server: refuses the probe, initializes, has no GET stream; leaves the rest to `other`.
pub(crate) fn legacy(
    seen: &Seen,
    session: &str,
    other: impl FnOnce(&Seen) -> Response,
) -> Response {
    if seen.verb != Method::POST {
        return if seen.verb == Method::DELETE {
            status(202)
        } else {
            status(405)
        };
    }
    match seen.method() {
        "server/discover" => json(
            400,
            r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"Bad Request: Server not initialized"}}"#,
        ),
        "initialize" => {
            let mut response = seen.result(
                r#"{"protocolVersion":"2025-11-25","capabilities":{"tools":{},"logging":{}},"serverInfo":{"name":"old","version":"1"}}"#,
            );
            response
                .headers_mut()
                .insert("mcp-session-id", session.parse().unwrap());
            response
        }
        "notifications/initialized" => status(202),
        _ => other(seen),
    }
}
