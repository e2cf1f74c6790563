//! Streamable HTTP: each request is a POST, answered by one JSON message or by an event stream.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use http::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER,
};
use http::{Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use sekimori_domain::limits;
use sekimori_mcp::headers;
use sekimori_mcp::sse::SseDecoder;

use crate::authorization::{AccessToken, Authorized, Challenge};
use crate::egress::HttpClient;
use crate::fault::Fault;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Largest body of an error that is read for its JSON-RPC content.
const ERROR_BODY_BYTES_MAX: usize = 64 * 1024;
/// How often a stream that broke off before its answer is resumed (2025-11-25).
const RESUMES_MAX: u32 = 20;
/// Waiting before that, unless the stream said how long.
const RESUME_AFTER: Duration = Duration::from_millis(500);
const RESUME_AFTER_MAX: Duration = Duration::from_secs(30);
/// How often one request is sent again with another token.
const TOKENS_MAX: u32 = 2;
/// How long calls are held back after a 429 that does not say in seconds how long.
const THROTTLED_DEFAULT: Duration = Duration::from_secs(5);
/// The longest that calls are held back because an upstream said so.
const THROTTLED_MAX: Duration = Duration::from_mins(10);

/// An endpoint, with what goes with every request of one session.
#[derive(Debug, Clone)]
pub(crate) struct HttpLink {
    shared: Arc<Shared>,
    /// Revision and session of a legacy session; empty since 2026-07-28, where both are in each request.
    session: HeaderMap,
}

#[derive(Debug)]
struct Shared {
    client: HttpClient,
    uri: Uri,
    /// What the connector adds: its credentials.
    headers: HeaderMap,
    /// Where tokens come from, if the upstream wants some.
    authorized: Option<Authorized>,
}

impl HttpLink {
    pub(crate) fn new(
        client: HttpClient,
        uri: Uri,
        headers: HeaderMap,
        authorized: Option<Authorized>,
    ) -> Self {
        Self {
            shared: Arc::new(Shared {
                client,
                uri,
                headers,
                authorized,
            }),
            session: HeaderMap::new(),
        }
    }

    /// The same endpoint in a legacy session.
    pub(crate) fn in_session(&self, session: HeaderMap) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            session,
        }
    }

    /// Whether requests carry a session that the upstream may end.
    pub(crate) fn has_session(&self) -> bool {
        self.session.contains_key(headers::SESSION_ID)
    }

    /// Sends a request; its answer is still to be read.
    pub(crate) async fn request(
        &self,
        id: u64,
        body: Vec<u8>,
        own: HeaderMap,
    ) -> Result<HttpMessages, Fault> {
        let response = self.send(Method::POST, body, own).await?;
        self.read(id, response).await
    }

    /// Opens the stream of messages that belong to no request (legacy GET).
    pub(crate) async fn listen(&self) -> Result<HttpMessages, Fault> {
        let response = self.send(Method::GET, Vec::new(), HeaderMap::new()).await?;
        if response.status() != StatusCode::OK || !is_type(response.headers(), "text/event-stream")
        {
            return Err(Fault::Status(response.status().as_u16()));
        }
        Ok(HttpMessages::events(self.clone(), response))
    }

    /// Sends a message that is not answered.
    pub(crate) async fn post(&self, body: Vec<u8>) -> Result<(), Fault> {
        let response = self.send(Method::POST, body, HeaderMap::new()).await?;
        if response.status().is_success() {
            return Ok(());
        }
        Err(Fault::Status(response.status().as_u16()))
    }

    /// Ends a legacy session. The upstream may not allow it; then it ends by itself.
    pub(crate) async fn delete(&self) {
        drop(
            self.send(Method::DELETE, Vec::new(), HeaderMap::new())
                .await,
        );
    }

    /// Sends a request, again with another token if the upstream wants one: a challenged request was not
    /// executed.
    async fn send(
        &self,
        method: Method,
        body: Vec<u8>,
        own: HeaderMap,
    ) -> Result<Response<Incoming>, Fault> {
        let body = Bytes::from(body);
        let Some(authorized) = &self.shared.authorized else {
            return self.send_with(&method, body, &own, None).await;
        };
        let mut token = authorized.token().await?;
        let mut another = 0;
        loop {
            let response = self
                .send_with(&method, body.clone(), &own, token.as_ref())
                .await?;
            let Some(challenge) = Challenge::of(&response).filter(|_| another < TOKENS_MAX) else {
                return Ok(response);
            };
            another += 1;
            token = Some(authorized.challenged(token.as_ref(), &challenge).await?);
        }
    }

    async fn send_with(
        &self,
        method: &Method,
        body: Bytes,
        own: &HeaderMap,
        token: Option<&AccessToken>,
    ) -> Result<Response<Incoming>, Fault> {
        let is_get = method == Method::GET;
        let mut request = Request::builder()
            .method(method)
            .uri(self.shared.uri.clone())
            .body(Full::new(body))
            .map_err(|_| Fault::invalid("its URL cannot be used"))?;
        let headers = request.headers_mut();
        // Later ones win: a connector's headers cannot replace what the protocol computes.
        headers.clone_from(&self.shared.headers);
        let accept = if is_get {
            HeaderValue::from_static("text/event-stream")
        } else {
            HeaderValue::from_static("application/json, text/event-stream")
        };
        headers.insert(ACCEPT, accept);
        if !is_get {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        for (name, value) in self.session.iter().chain(own) {
            headers.insert(name, value.clone());
        }
        if let Some(token) = token {
            headers.insert(AUTHORIZATION, token.header());
        }
        Ok(self.shared.client.send(request).await?)
    }

    async fn read(&self, id: u64, response: Response<Incoming>) -> Result<HttpMessages, Fault> {
        let status = response.status();
        if status == StatusCode::OK {
            if is_type(response.headers(), "text/event-stream") {
                return Ok(HttpMessages::events(self.clone(), response));
            }
            if is_type(response.headers(), "application/json") {
                return Ok(HttpMessages::json(self.clone(), response));
            }
            return Err(Fault::invalid("its answer has an unknown content type"));
        }
        if status == StatusCode::TOO_MANY_REQUESTS {
            return Err(Fault::Throttled(retry_after(response.headers())));
        }
        if status == StatusCode::NOT_FOUND && self.has_session() {
            return Err(Fault::Status(404));
        }
        if is_type(response.headers(), "application/json") {
            // Since 2026-07-28 errors come with a status; the body says what they mean.
            let mut messages = HttpMessages::json(self.clone(), response);
            messages.bytes_max = ERROR_BODY_BYTES_MAX;
            if let Ok(body) = messages.next().await
                && is_error_answer(id, &body)
            {
                messages.source = Source::Whole(Some(body));
                return Ok(messages);
            }
        }
        Err(Fault::Status(status.as_u16()))
    }
}

/// How long the upstream asks to wait.
fn retry_after(headers: &HeaderMap) -> Duration {
    let told = headers
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok());
    let seconds = told.and_then(|text| text.trim().parse().ok());
    seconds
        .map_or(THROTTLED_DEFAULT, Duration::from_secs)
        .min(THROTTLED_MAX)
}

fn is_type(headers: &HeaderMap, wanted: &str) -> bool {
    headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|essence| essence.trim().eq_ignore_ascii_case(wanted))
}

/// Whether a body is a JSON-RPC error about this request, or about none that could be read.
fn is_error_answer(id: u64, body: &[u8]) -> bool {
    use sekimori_mcp::envelope::{Message, Reply, parse_one};
    matches!(
        parse_one(body),
        Ok(Message::Response { id: answered, reply: Reply::Error(_) })
            if answered.as_ref().is_none_or(|answered| answered.as_u64() == Some(id))
    )
}

/// The messages of one HTTP answer, as bytes.
#[derive(Debug)]
pub(crate) struct HttpMessages {
    link: HttpLink,
    source: Source,
    session: Option<HeaderValue>,
    bytes_max: usize,
    resumes: u32,
}

#[derive(Debug)]
enum Source {
    Whole(Option<Bytes>),
    Json(Incoming, BytesMut),
    Events(Incoming, SseDecoder),
    Ended,
}

impl HttpMessages {
    fn json(link: HttpLink, response: Response<Incoming>) -> Self {
        Self::new(link, response, |body| Source::Json(body, BytesMut::new()))
    }

    fn events(link: HttpLink, response: Response<Incoming>) -> Self {
        let decoder = SseDecoder::new(limits::UPSTREAM_MESSAGE_BYTES_MAX);
        Self::new(link, response, |body| Source::Events(body, decoder))
    }

    fn new(
        link: HttpLink,
        response: Response<Incoming>,
        source: impl FnOnce(Incoming) -> Source,
    ) -> Self {
        let session = response.headers().get(headers::SESSION_ID).cloned();
        Self {
            link,
            source: source(response.into_body()),
            session,
            bytes_max: limits::UPSTREAM_MESSAGE_BYTES_MAX,
            resumes: 0,
        }
    }

    /// The session that the answer opened.
    pub(crate) fn session(&self) -> Option<&HeaderValue> {
        self.session.as_ref()
    }

    /// The next message. Safe to drop half-way: what was read so far is kept.
    pub(crate) async fn next(&mut self) -> Result<Bytes, Fault> {
        loop {
            match &mut self.source {
                Source::Whole(body) => {
                    return body.take().ok_or_else(ended);
                }
                Source::Json(body, read) => {
                    if collect(body, read, self.bytes_max).await? {
                        let whole = std::mem::take(read).freeze();
                        self.source = Source::Ended;
                        return Ok(whole);
                    }
                }
                Source::Events(body, decoder) => {
                    if let Some(event) = decoder.next_event() {
                        let is_message =
                            event.event.as_deref().is_none_or(|kind| kind == "message");
                        // An event without data only tells an id to resume after.
                        if is_message && !event.data.is_empty() {
                            return Ok(event.data.into());
                        }
                        continue;
                    }
                    match body.frame().await {
                        Some(Ok(frame)) => {
                            if let Ok(data) = frame.into_data() {
                                decoder
                                    .push(data.chunk())
                                    .map_err(|error| Fault::Invalid(error.to_string()))?;
                            }
                        }
                        Some(Err(_)) | None => self.resume().await?,
                    }
                }
                Source::Ended => return Err(ended()),
            }
        }
    }

    /// Goes on with a stream that ended before its answer: revisions from 2025-03-26 to 2025-11-25 may
    /// close it at any time and let the client come back.
    async fn resume(&mut self) -> Result<(), Fault> {
        let Source::Events(_, decoder) = &self.source else {
            return Err(ended());
        };
        let last = decoder
            .last_id()
            .and_then(|id| HeaderValue::from_str(id).ok());
        let is_legacy =
            self.link.session.contains_key(headers::PROTOCOL_VERSION) || self.link.has_session();
        let (Some(last), true) = (last, is_legacy) else {
            return Err(ended());
        };
        if self.resumes >= RESUMES_MAX {
            return Err(ended());
        }
        let after = decoder
            .retry_ms()
            .map_or(RESUME_AFTER, Duration::from_millis)
            .min(RESUME_AFTER_MAX);
        tokio::time::sleep(after).await;
        let mut own = HeaderMap::new();
        own.insert(LAST_EVENT_ID, last);
        let response = self.link.send(Method::GET, Vec::new(), own).await?;
        if response.status() != StatusCode::OK || !is_type(response.headers(), "text/event-stream")
        {
            return Err(ended());
        }
        let Source::Events(_, decoder) = std::mem::replace(&mut self.source, Source::Ended) else {
            return Err(ended());
        };
        // The rest of a torn event is lost with its stream; ids and the waiting time live on.
        self.source = Source::Events(response.into_body(), decoder.resumed());
        self.resumes += 1;
        Ok(())
    }
}

fn ended() -> Fault {
    Fault::unavailable("the connection ended before its answer")
}

/// Reads on; `true` when the body is complete.
async fn collect(
    body: &mut Incoming,
    read: &mut BytesMut,
    bytes_max: usize,
) -> Result<bool, Fault> {
    match body.frame().await {
        None => Ok(true),
        Some(Err(_)) => Err(ended()),
        Some(Ok(frame)) => {
            if let Ok(data) = frame.into_data() {
                if read.len() + data.len() > bytes_max {
                    return Err(Fault::Invalid(format!(
                        "its answer is larger than {bytes_max} bytes"
                    )));
                }
                read.extend_from_slice(&data);
            }
            Ok(false)
        }
    }
}

/// The headers that mirror a request since 2026-07-28.
pub(crate) fn mirrored(
    version: &str,
    method: &str,
    params: &sekimori_mcp::raw_object::RawObject,
    param_headers: &[headers::ParamHeader],
    arguments: &serde_json::Value,
) -> HeaderMap {
    let name = headers::name_member(method).and_then(|member| params.get_str(member));
    let mut out = HeaderMap::new();
    headers::Mirrored {
        version,
        method,
        name: name.as_deref(),
        params: param_headers,
        arguments,
    }
    .write(&mut out);
    out
}
