//! The HTTP+SSE transport of 2024-11-05: one event stream for everything that comes, POSTs for
//! everything that goes.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use sekimori_domain::limits;
use sekimori_mcp::sse::{SseDecoder, SseEvent};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::channel::Channel;
use super::router::Router;
use crate::egress::HttpClient;
use crate::fault::Fault;

/// How long the first event, the address to send to, may take.
const ENDPOINT_TIMEOUT: Duration = Duration::from_secs(30);

/// Opens the stream and waits until it says where to send.
pub(crate) async fn open(
    client: HttpClient,
    uri: Uri,
    headers: HeaderMap,
    router: &Router,
    ended: &CancellationToken,
) -> Result<Channel, Fault> {
    let mut stream = tokio::time::timeout(ENDPOINT_TIMEOUT, connect(&client, &uri, &headers))
        .await
        .map_err(|_| Fault::Timeout(ENDPOINT_TIMEOUT))??;
    let first = tokio::time::timeout(ENDPOINT_TIMEOUT, stream.next())
        .await
        .map_err(|_| Fault::Timeout(ENDPOINT_TIMEOUT))??;
    let endpoint = endpoint(&uri, &first)?;
    let (channel, out) = Channel::new(ended.clone());
    tokio::spawn(write(
        client,
        endpoint,
        headers,
        out,
        router.clone(),
        ended.clone(),
    ));
    tokio::spawn(read(stream, channel.clone(), router.clone(), ended.clone()));
    Ok(channel)
}

struct Events {
    body: Incoming,
    decoder: SseDecoder,
}

async fn connect(client: &HttpClient, uri: &Uri, headers: &HeaderMap) -> Result<Events, Fault> {
    let mut request = Request::get(uri.clone())
        .body(Full::default())
        .map_err(|_| Fault::invalid("its URL cannot be used"))?;
    request.headers_mut().clone_from(headers);
    request
        .headers_mut()
        .insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
    let response = client.send(request).await?;
    if response.status() != StatusCode::OK {
        return Err(Fault::Status(response.status().as_u16()));
    }
    Ok(Events {
        body: response.into_body(),
        decoder: SseDecoder::new(limits::UPSTREAM_MESSAGE_BYTES_MAX),
    })
}

impl Events {
    async fn next(&mut self) -> Result<SseEvent, Fault> {
        loop {
            if let Some(event) = self.decoder.next_event() {
                return Ok(event);
            }
            let frame = self.body.frame().await;
            let Some(Ok(frame)) = frame else {
                return Err(Fault::unavailable("its event stream ended"));
            };
            if let Ok(data) = frame.into_data() {
                self.decoder
                    .push(&data)
                    .map_err(|error| Fault::Invalid(error.to_string()))?;
            }
        }
    }
}

/// Where to send, from the first event. Only the origin of the stream itself is accepted: credentials
/// go with every message.
fn endpoint(stream: &Uri, event: &SseEvent) -> Result<Uri, Fault> {
    if event.event.as_deref() != Some("endpoint") {
        return Err(Fault::invalid(
            "its event stream does not begin with an endpoint",
        ));
    }
    let foreign = || Fault::Forbidden("its endpoint is at another origin".to_owned());
    let text = std::str::from_utf8(&event.data)
        .map_err(|_| foreign())?
        .trim();
    if text.contains("://") {
        let given: Uri = text.parse().map_err(|_| foreign())?;
        let same = given.scheme() == stream.scheme() && given.authority() == stream.authority();
        return if same { Ok(given) } else { Err(foreign()) };
    }
    let path = if text.starts_with('/') {
        text.to_owned()
    } else {
        // Relative to the folder of the stream.
        let folder = stream
            .path()
            .rsplit_once('/')
            .map_or("", |(folder, _)| folder);
        format!("{folder}/{text}")
    };
    let mut parts = stream.clone().into_parts();
    parts.path_and_query = Some(path.parse().map_err(|_| foreign())?);
    Uri::from_parts(parts).map_err(|_| foreign())
}

async fn write(
    client: HttpClient,
    uri: Uri,
    headers: HeaderMap,
    mut out: mpsc::Receiver<Vec<u8>>,
    router: Router,
    ended: CancellationToken,
) {
    loop {
        let bytes = tokio::select! {
            bytes = out.recv() => bytes,
            () = ended.cancelled() => None,
        };
        let Some(bytes) = bytes else { return };
        let id = request_id(&bytes);
        let sent = tokio::select! {
            sent = post(&client, &uri, &headers, bytes) => sent,
            () = ended.cancelled() => return,
        };
        if let (Err(fault), Some(id)) = (sent, id) {
            router.fail(&id, fault);
        }
    }
}

/// The id under which an answer to these bytes is waited for.
fn request_id(bytes: &[u8]) -> Option<sekimori_mcp::envelope::Id> {
    match sekimori_mcp::envelope::parse_one(bytes) {
        Ok(sekimori_mcp::envelope::Message::Request { id, .. }) => Some(id),
        _ => None,
    }
}

async fn post(
    client: &HttpClient,
    uri: &Uri,
    headers: &HeaderMap,
    bytes: Vec<u8>,
) -> Result<(), Fault> {
    let mut request = Request::post(uri.clone())
        .body(Full::new(Bytes::from(bytes)))
        .map_err(|_| Fault::invalid("its URL cannot be used"))?;
    request.headers_mut().clone_from(headers);
    request
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let response = client.send(request).await?;
    if response.status().is_success() {
        return Ok(());
    }
    Err(Fault::Status(response.status().as_u16()))
}

async fn read(mut stream: Events, channel: Channel, router: Router, ended: CancellationToken) {
    let fault = loop {
        let event = tokio::select! {
            event = stream.next() => event,
            () = ended.cancelled() => Err(Fault::unavailable("the connection was closed")),
        };
        match event {
            Ok(event) => {
                let is_message = event.event.as_deref().is_none_or(|kind| kind == "message");
                if is_message && !event.data.is_empty() {
                    channel.take_in(&router, &event.data).await;
                }
            }
            Err(fault) => break fault,
        }
    };
    ended.cancel();
    router.fail_all(&fault);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(data: &str) -> SseEvent {
        SseEvent {
            event: Some("endpoint".into()),
            data: data.into(),
            id: None,
        }
    }

    #[test]
    fn messages_go_to_the_origin_of_the_stream_only() {
        let stream: Uri = "https://a.example:8443/mcp/sse?x=1".parse().unwrap();
        for (given, expected) in [
            ("/messages?s=1", "https://a.example:8443/messages?s=1"),
            ("messages", "https://a.example:8443/mcp/messages"),
            ("https://a.example:8443/m", "https://a.example:8443/m"),
        ] {
            assert_eq!(
                endpoint(&stream, &event(given)).unwrap().to_string(),
                expected
            );
        }
        for foreign in [
            "https://b.example:8443/m",
            "http://a.example:8443/m",
            "https://a.example/m",
            "https://a.example:8443@b.example/m",
        ] {
            assert!(endpoint(&stream, &event(foreign)).is_err(), "{foreign}");
        }
        // Without a scheme it is a path, whatever it looks like.
        let path = endpoint(&stream, &event("//b.example/m")).unwrap();
        assert_eq!(path.authority(), stream.authority());
        let other = SseEvent {
            event: None,
            ..event("/m")
        };
        assert!(endpoint(&stream, &other).is_err());
    }
}
