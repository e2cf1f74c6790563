//! Asking authorization servers of upstreams, behind the egress guard.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Uri, header};
use sekimori_domain::connector::Connector;
use sekimori_domain::json::{self, JsonLimits};
use sekimori_upstream::authorization::NoToken;
use sekimori_upstream::egress::{Egress, EgressError, FetchError, HostPattern, Networks};
use serde::de::DeserializeOwned;

/// How long one answer may take.
const TIME: Duration = Duration::from_secs(10);
/// Largest answer that is read.
const BYTES_MAX: usize = 256 * 1024;
const LIMITS: JsonLimits = JsonLimits {
    depth_max: 16,
    members_max: 4_096,
};

/// Asks on behalf of one connector: its own host, that of the authorization server that an administrator named, what
/// that one says of itself, and what every connector may reach. Nobody else names a host.
pub(super) struct Asker<'a> {
    egress: &'a Egress,
    connector: &'a Connector,
}

impl<'a> Asker<'a> {
    pub(super) fn new(egress: &'a Egress, connector: &'a Connector) -> Self {
        Self { egress, connector }
    }

    /// Sends a request. `vouched`: whether its host was named by the authorization server that an administrator
    /// named.
    pub(super) async fn send(
        &self,
        request: Request<Bytes>,
        vouched: bool,
    ) -> Result<Response<Bytes>, NoToken> {
        let named = self.connector.oauth.as_ref();
        let issuer = named.and_then(|oauth| oauth.issuer.as_deref());
        let own = [self.connector.url(), issuer];
        let own = own
            .into_iter()
            .flatten()
            .filter_map(|url| pattern(&url.parse().ok()?));
        let vouched = vouched.then(|| pattern(request.uri())).flatten();
        let networks = if self.connector.may_be_private() {
            Networks::AlsoPrivate
        } else {
            Networks::Public
        };
        let host = request.uri().host().unwrap_or_default().to_owned();
        let client = self.egress.client(own.chain(vouched).collect(), networks);
        client
            .exchange(request, BYTES_MAX, TIME)
            .await
            .map_err(|error| told(&host, &error))
    }

    /// GET of a JSON document; `None` if there is none.
    pub(super) async fn get<T: DeserializeOwned>(&self, url: &Uri) -> Result<Option<T>, NoToken> {
        let request = Request::get(url)
            .header(header::ACCEPT, "application/json")
            .body(Bytes::new())
            .map_err(|_| NoToken::Refused("an address in its metadata is not a URL".to_owned()))?;
        let response = self.send(request, false).await?;
        match response.status().as_u16() {
            200 => read(response.body()).map(Some),
            400..=499 => Ok(None),
            status => Err(NoToken::Unavailable(format!(
                "its metadata could not be fetched: status {status}"
            ))),
        }
    }
}

/// Strict JSON: a member that is there twice has no one meaning.
pub(super) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, NoToken> {
    let unreadable = || NoToken::Refused("an answer about authorization is unreadable".to_owned());
    let text = json::compact(body, LIMITS).map_err(|_| unreadable())?;
    serde_json::from_str(&text).map_err(|_| unreadable())
}

fn told(host: &str, error: &FetchError) -> NoToken {
    match error {
        FetchError::Egress(EgressError::HostNotAllowed) => NoToken::Refused(format!(
            "it sends the gate to {host}, which is not on the allowlist; if that is its authorization server, an \
             administrator names it as the issuer of the connector"
        )),
        FetchError::Egress(
            reason @ (EgressError::NetworkNotAllowed
            | EgressError::NotEncrypted
            | EgressError::NotAUrl),
        ) => NoToken::Refused(format!("{host} can't be asked for tokens: {reason}")),
        error => NoToken::Unavailable(format!("{host} does not answer about tokens: {error}")),
    }
}

fn pattern(uri: &Uri) -> Option<HostPattern> {
    let default = if uri.scheme_str() == Some("http") {
        80
    } else {
        443
    };
    Some(HostPattern::exactly(
        uri.host()?,
        uri.port_u16().unwrap_or(default),
    ))
}

/// Scheme, host and port of an address.
pub(super) fn origin(url: &str) -> Option<String> {
    let url = url::Url::parse(url).ok()?;
    let origin = url.origin();
    origin.is_tuple().then(|| origin.ascii_serialization())
}
