//! Finding out what an upstream speaks, and keeping what was found.
//!
//! A modern request is tried first (`server/discover`). A recognised modern answer means modern;
//! anything else means `initialize`. Never is one error code alone taken for "legacy".

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::header::{HeaderMap, HeaderValue};
use sekimori_domain::connector::ProtocolChoice;
use sekimori_mcp::envelope::{self, Reply};
use sekimori_mcp::headers;
use sekimori_mcp::raw_object::{RawObject, as_array, as_str, raw_json, raw_str};
use sekimori_mcp::revision::{Era, Revision, code, error_code, meta};
use serde_json::value::RawValue;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::fault::Fault;
use crate::outgoing::{Hop, Round, gate_info, hop_params, session_capabilities};
use crate::transport::http::{HttpLink, mirrored};
use crate::transport::router::Router;
use crate::transport::{Conversation, Link, Purpose, Request, Turn};

/// How long an answer to the probe is waited for; old servers may stay silent.
const PROBE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the handshake may take: a child process may have to be loaded first.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_mins(1);
/// How long opening the stream of a legacy session is waited for; it goes on in the background.
const LISTEN_PATIENCE: Duration = Duration::from_secs(1);
const LISTEN_AGAIN_AFTER: Duration = Duration::from_secs(1);
const LISTEN_AGAIN_AFTER_MAX: Duration = Duration::from_mins(1);

/// What an upstream says about itself.
#[derive(Debug, Clone)]
pub struct Discovery {
    /// The revision in force.
    pub revision: Revision,
    /// Its capabilities, untouched.
    pub capabilities: Box<RawValue>,
    /// Its name and version: claimed, never trusted.
    pub server_info: Option<Box<RawValue>>,
    /// Its hints for the model.
    pub instructions: Option<String>,
}

/// An upstream that answers, in the revision that was agreed.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) discovery: Discovery,
    pub(crate) link: Link,
    /// Takes what comes outside of an answer; none since 2026-07-28 over HTTP.
    pub(crate) router: Option<Router>,
    /// Cancelled when the connection behind the session is gone.
    pub(crate) ended: CancellationToken,
    /// Ends what runs for the session.
    _tasks: DropGuard,
    /// Rank of the log level that was asked for.
    level: Mutex<Option<usize>>,
}

impl Session {
    pub(crate) fn era(&self) -> Era {
        self.discovery.revision.era()
    }

    pub(crate) fn is_over(&self) -> bool {
        self.ended.is_cancelled()
    }

    /// Whether a request must be cancelled by a message, because no stream of its own can be closed.
    pub(crate) fn cancels_by_message(&self) -> bool {
        self.era() == Era::Legacy || matches!(self.link, Link::Channel(_))
    }

    /// Whether an HTTP status means that the session, or what was found out, holds no longer. None of
    /// these requests was executed.
    pub(crate) fn is_stale(&self, status: u16) -> bool {
        match &self.link {
            Link::Http(link) if link.has_session() => matches!(status, 400 | 404),
            Link::Http(_) => matches!(status, 400 | 404 | 405),
            Link::Channel(_) => false,
        }
    }

    /// The level to ask a legacy upstream for, if it logs less than `wanted` now.
    pub(crate) fn raise_level(&self, wanted: &str) -> bool {
        const LEVELS: [&str; 8] = [
            "debug",
            "info",
            "notice",
            "warning",
            "error",
            "critical",
            "alert",
            "emergency",
        ];
        let Some(rank) = LEVELS.iter().position(|level| *level == wanted) else {
            return false;
        };
        let capabilities = RawObject::from_raw_or_empty(Some(&self.discovery.capabilities));
        if self.era() == Era::Modern || !capabilities.contains("logging") {
            return false;
        }
        let mut level = self.level.lock().unwrap_or_else(PoisonError::into_inner);
        let raise = level.is_none_or(|current| rank < current);
        if raise {
            *level = Some(rank);
        }
        raise
    }
}

/// What a session is made on: a connection that was opened, and nothing agreed yet.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) link: Link,
    pub(crate) router: Router,
    pub(crate) ended: CancellationToken,
    /// Ends the connection, and a child process, when nothing comes of it.
    pub(crate) tasks: DropGuard,
}

/// What one connector allows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    pub(crate) protocol: ProtocolChoice,
    pub(crate) sampling: bool,
    pub(crate) roots: bool,
}

/// What the probe found.
enum Probe {
    Modern(Box<Discovery>),
    Legacy,
}

/// Agrees on a revision. `reopen` is called if the probe broke the connection.
pub(crate) async fn establish(
    mut opened: Opened,
    terms: Terms,
    next_id: &(dyn Fn() -> u64 + Sync),
    reopen: impl AsyncFnOnce() -> Result<Opened, Fault>,
) -> Result<Session, Fault> {
    if terms.protocol != ProtocolChoice::Legacy {
        let probed = probe(&opened, next_id()).await;
        let broken = opened.ended.is_cancelled();
        match probed {
            Ok(Probe::Modern(discovery)) => return Ok(modern(opened, *discovery)),
            Ok(Probe::Legacy) | Err(Fault::Invalid(_) | Fault::Timeout(_)) => {}
            Err(Fault::Status(status)) if !matches!(status, 401 | 403) => {}
            // A child process may die of a request that it does not expect.
            Err(Fault::Unavailable(_)) if broken => opened = reopen().await?,
            Err(fault) => return Err(fault),
        }
        if terms.protocol == ProtocolChoice::Modern {
            return Err(Fault::invalid("it does not speak revision 2026-07-28"));
        }
    }
    initialize(opened, terms, next_id()).await
}

/// One request of the gate's own: the answer, and what HTTP said with it.
pub(crate) async fn own_request(
    link: &Link,
    router: Option<&Router>,
    request: Request<'_>,
    time: Duration,
) -> Result<(Reply, Option<HeaderValue>), Fault> {
    let exchange = async {
        let mut conversation = link.start(request, router).await?;
        let reply = reply_of(&mut conversation).await?;
        Ok((reply, conversation.session_header()))
    };
    tokio::time::timeout(time, exchange)
        .await
        .map_err(|_| Fault::Timeout(time))?
}

/// Waits for the reply. Nobody is there to be asked or told anything.
async fn reply_of(conversation: &mut Conversation) -> Result<Reply, Fault> {
    loop {
        match conversation.next().await? {
            Turn::Reply(reply) => return Ok(reply),
            Turn::Notification(..) => {}
            Turn::Question(id, method, _) => {
                let reply = if method == "ping" {
                    Reply::Result(RawObject::new().to_raw())
                } else {
                    Reply::Error(not_supported())
                };
                conversation.answer(&id, &reply).await?;
            }
        }
    }
}

/// The error for a question that nobody may be asked.
pub(crate) fn not_supported() -> Box<RawValue> {
    sekimori_mcp::revision::error(code::METHOD_NOT_FOUND, "the client does not support this")
}

async fn probe(opened: &Opened, id: u64) -> Result<Probe, Fault> {
    let hop = Hop {
        revision: Revision::NEWEST,
        progress_token: None,
        capabilities: &RawObject::new().to_raw(),
        log_level: None,
    };
    let method = "server/discover";
    let params = hop_params(RawObject::new(), hop, &Round::default());
    let request = Request {
        id,
        method,
        headers: mirrored(
            Revision::NEWEST.as_str(),
            method,
            &params,
            &[],
            &serde_json::Value::Null,
        ),
        params: params.to_raw(),
        purpose: Purpose::Own,
        task: None,
    };
    let router = matches!(opened.link, Link::Channel(_)).then_some(&opened.router);
    let (reply, _) = own_request(&opened.link, router, request, PROBE_TIMEOUT).await?;
    match reply {
        Reply::Result(result) => discovered(&result),
        Reply::Error(error) => match error_code(&error) {
            code::UNSUPPORTED_PROTOCOL_VERSION => {
                let data = RawObject::from_raw_or_empty(Some(&error)).get_object("data");
                choose(data.as_ref().and_then(|data| data.get("supported")), None)
            }
            code::HEADER_MISMATCH | code::MISSING_CLIENT_CAPABILITY => Err(Fault::Forbidden(
                "it refused to tell what it speaks".to_owned(),
            )),
            _ => Ok(Probe::Legacy),
        },
    }
}

fn discovered(result: &RawValue) -> Result<Probe, Fault> {
    let result = RawObject::from_raw_or_empty(Some(result));
    let Some(supported) = result.get("supportedVersions") else {
        return Ok(Probe::Legacy);
    };
    let discovery = Discovery {
        revision: Revision::NEWEST,
        capabilities: capabilities(&result)?,
        server_info: result.meta().get(meta::SERVER_INFO).map(ToOwned::to_owned),
        instructions: result.get_str("instructions").map(Into::into),
    };
    choose(Some(supported), Some(discovery))
}

fn capabilities(result: &RawObject) -> Result<Box<RawValue>, Fault> {
    match result.get("capabilities") {
        Some(capabilities) if capabilities.get().starts_with('{') => Ok(capabilities.to_owned()),
        None => Ok(RawObject::new().to_raw()),
        Some(_) => Err(Fault::invalid("its capabilities are no object")),
    }
}

/// Takes the newest revision that both speak.
fn choose(supported: Option<&RawValue>, discovery: Option<Discovery>) -> Result<Probe, Fault> {
    let supported = supported.and_then(as_array).unwrap_or_default();
    let common = supported
        .iter()
        .filter_map(|version| as_str(version).as_deref().and_then(Revision::parse))
        .max();
    match (common.map(Revision::era), discovery) {
        (Some(Era::Modern), Some(discovery)) => Ok(Probe::Modern(Box::new(discovery))),
        (Some(Era::Legacy), _) => Ok(Probe::Legacy),
        _ => Err(Fault::Forbidden(
            "it speaks no revision that the gate knows".to_owned(),
        )),
    }
}

fn modern(opened: Opened, discovery: Discovery) -> Session {
    let router = matches!(opened.link, Link::Channel(_)).then_some(opened.router);
    Session {
        discovery,
        link: opened.link,
        router,
        _tasks: opened.tasks,
        ended: opened.ended,
        level: Mutex::default(),
    }
}

async fn initialize(opened: Opened, terms: Terms, id: u64) -> Result<Session, Fault> {
    let mut params = RawObject::new();
    params.set("protocolVersion", raw_str(Revision::NEWEST_LEGACY.as_str()));
    params.set(
        "capabilities",
        session_capabilities(terms.sampling, terms.roots),
    );
    params.set("clientInfo", gate_info());
    let request = Request {
        id,
        method: "initialize",
        params: params.to_raw(),
        headers: HeaderMap::new(),
        purpose: Purpose::Own,
        task: None,
    };
    let router = matches!(opened.link, Link::Channel(_)).then_some(&opened.router);
    let (reply, session_id) = own_request(&opened.link, router, request, HANDSHAKE_TIMEOUT).await?;
    let Reply::Result(result) = reply else {
        return Err(Fault::invalid("it refused to initialize"));
    };
    let result = RawObject::from_raw_or_empty(Some(&result));
    let revision = result
        .get_str("protocolVersion")
        .as_deref()
        .and_then(Revision::parse)
        .filter(|revision| revision.era() == Era::Legacy)
        .ok_or_else(|| Fault::invalid("it speaks no revision that the gate knows"))?;
    let discovery = Discovery {
        revision,
        capabilities: capabilities(&result)?,
        server_info: result.get("serverInfo").map(ToOwned::to_owned),
        instructions: result.get_str("instructions").map(Into::into),
    };
    let link = match opened.link {
        Link::Http(link) => Link::Http(link.in_session(session_headers(revision, session_id))),
        link @ Link::Channel(_) => link,
    };
    link.post(envelope::notification("notifications/initialized", None))
        .await?;
    if let Link::Http(link) = &link {
        listen(link.clone(), opened.router.clone(), opened.ended.clone()).await;
    }
    Ok(Session {
        discovery,
        link,
        router: Some(opened.router),
        _tasks: opened.tasks,
        ended: opened.ended,
        level: Mutex::default(),
    })
}

fn session_headers(revision: Revision, session_id: Option<HeaderValue>) -> HeaderMap {
    let mut out = HeaderMap::new();
    if let Some(mut session_id) = session_id {
        session_id.set_sensitive(true);
        out.insert(headers::SESSION_ID, session_id);
    }
    if revision.has_version_header() {
        out.insert(
            headers::PROTOCOL_VERSION,
            HeaderValue::from_static(revision.as_str()),
        );
    }
    out
}

/// Opens the stream for what belongs to no request, and keeps it open as long as the session lives. A
/// server need not have one.
async fn listen(link: HttpLink, router: Router, ended: CancellationToken) {
    let (opened, is_open) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        let session_ended = ended.clone();
        tokio::select! {
            () = session_ended.cancelled() => {}
            () = keep_listening(&link, &router, opened) => {}
        }
        // After the end of the session nobody else would tell the upstream.
        if ended.is_cancelled() && link.has_session() {
            drop(tokio::time::timeout(PROBE_TIMEOUT, link.delete()).await);
        }
    });
    // Opened or refused: both are an answer, and so is silence.
    drop(tokio::time::timeout(LISTEN_PATIENCE, is_open).await);
}

async fn keep_listening(
    link: &HttpLink,
    router: &Router,
    opened: tokio::sync::oneshot::Sender<()>,
) {
    let mut opened = Some(opened);
    let mut after = LISTEN_AGAIN_AFTER;
    loop {
        match link.listen().await {
            Ok(mut stream) => {
                drop(opened.take());
                while let Ok(bytes) = stream.next().await {
                    after = LISTEN_AGAIN_AFTER;
                    take_in(link, router, &bytes).await;
                }
            }
            // It has no such stream, or the session is over.
            Err(Fault::Status(400..=499)) => {
                drop(opened.take());
                return std::future::pending().await;
            }
            Err(_) => drop(opened.take()),
        }
        tokio::time::sleep(after).await;
        after = (after * 2).min(LISTEN_AGAIN_AFTER_MAX);
    }
}

async fn take_in(link: &HttpLink, router: &Router, bytes: &[u8]) {
    match envelope::parse_one(bytes) {
        Ok(message) => {
            if let Some(reply) = router.route(message) {
                drop(link.post(reply).await);
            }
        }
        Err(error) => tracing::warn!(%error, "upstream sent something unreadable"),
    }
}

/// Parameters of `logging/setLevel`.
pub(crate) fn level_params(level: &str) -> Box<RawValue> {
    raw_json(&serde_json::json!({ "level": level }))
}

/// A session that calls share.
pub(crate) type SharedSession = Arc<Session>;
