//! Finding out who issues tokens for an upstream: its own word (RFC 9728), then the issuer's (RFC 8414, or OpenID
//! Connect Discovery).

use bytes::Bytes;
use http::{Request, Uri, header};
use sekimori_domain::connector::Connector;
use sekimori_upstream::authorization::{Challenge, NoToken};
use serde::Deserialize;
use serde_json::json;
use url::Url;

use super::http::{Asker, origin};
use crate::resource::is_https_or_loopback;
use crate::token::keys::{oauth_metadata_url, openid_metadata_url};

/// Most entries of a list in metadata that are looked at.
const LIST_MAX: usize = 100;

/// Who issues tokens for an upstream.
#[derive(Debug)]
pub(super) struct Found {
    /// What tokens are to be made for.
    pub(super) resource: String,
    /// The scopes that the upstream knows.
    pub(super) scopes: Vec<String>,
    pub(super) server: Server,
}

/// What an authorization server says of itself.
#[derive(Debug, Deserialize)]
pub(super) struct Server {
    pub(super) issuer: String,
    pub(super) authorization_endpoint: Option<String>,
    pub(super) token_endpoint: String,
    pub(super) registration_endpoint: Option<String>,
    pub(super) revocation_endpoint: Option<String>,
    #[serde(default, rename = "token_endpoint_auth_methods_supported")]
    pub(super) methods: Vec<String>,
    #[serde(default, rename = "scopes_supported")]
    pub(super) scopes: Vec<String>,
    #[serde(default, rename = "code_challenge_methods_supported")]
    pub(super) challenge_methods: Vec<String>,
    #[serde(default, rename = "client_id_metadata_document_supported")]
    pub(super) takes_documents: bool,
    #[serde(default, rename = "authorization_response_iss_parameter_supported")]
    pub(super) names_itself: bool,
}

/// What an upstream says of itself as a protected resource.
#[derive(Debug, Deserialize)]
struct Resource {
    resource: String,
    #[serde(default)]
    authorization_servers: Vec<String>,
    #[serde(default)]
    scopes_supported: Vec<String>,
}

/// What the upstream says to a request without a token.
pub(super) async fn provoke(
    asker: &Asker<'_>,
    connector: &Connector,
) -> Result<Challenge, NoToken> {
    const REVISION: &str = "2026-07-28";
    let body = json!({
        "jsonrpc": "2.0", "id": 1, "method": "tools/list",
        "params": { "_meta": {
            "io.modelcontextprotocol/protocolVersion": REVISION,
            "io.modelcontextprotocol/clientCapabilities": {},
        }},
    });
    let request = Request::post(connector.url().unwrap_or_default())
        .header(header::ACCEPT, "application/json, text/event-stream")
        .header(header::CONTENT_TYPE, "application/json")
        .header("mcp-protocol-version", REVISION)
        .header("mcp-method", "tools/list")
        .body(Bytes::from(body.to_string()))
        .map_err(|_| NoToken::Refused("its address is not a URL".to_owned()))?;
    let response = asker.send(request, false).await?;
    Ok(Challenge::of(&response).unwrap_or_default())
}

/// Finds out who issues tokens for a connector.
pub(super) async fn discover(
    asker: &Asker<'_>,
    connector: &Connector,
    challenge: &Challenge,
) -> Result<Found, NoToken> {
    let refused = |why: &str| Err(NoToken::Refused(why.to_owned()));
    let address = connector.url().and_then(|url| Url::parse(url).ok());
    let Some(address) = address else {
        return refused("only connectors over HTTP have tokens");
    };
    let named = connector
        .oauth
        .as_ref()
        .and_then(|oauth| oauth.issuer.as_deref());
    let told = resource(asker, &address, challenge).await?;
    let (resource, scopes, issuer) = if let Some(resource) = told {
        if !covers(&resource.resource, &address) {
            return refused("what it says of itself is about another address");
        }
        let listed = &resource.authorization_servers;
        let issuer = match named {
            Some(named) => listed.iter().find(|one| *one == named),
            None => listed.first(),
        };
        let Some(issuer) = issuer else {
            return refused("it does not name the authorization server that is to be used");
        };
        (resource.resource, resource.scopes_supported, issuer.clone())
    } else {
        // As servers of 2025-03-26 do, which are their own issuer and say nothing.
        let own = origin(address.as_str()).unwrap_or_default();
        let issuer = named.map_or(own, str::to_owned);
        (address.to_string(), Vec::new(), issuer)
    };
    let server = server(asker, &issuer).await?;
    Ok(Found {
        resource,
        scopes: limited(scopes),
        server,
    })
}

/// What the upstream publishes: where its challenge says, or else at the well-known places.
async fn resource(
    asker: &Asker<'_>,
    address: &Url,
    challenge: &Challenge,
) -> Result<Option<Resource>, NoToken> {
    let wrong = || NoToken::Refused("its challenge holds no usable address".to_owned());
    if let Some(told) = &challenge.resource_metadata {
        let uri: Uri = told.parse().map_err(|_| wrong())?;
        if origin(told) != origin(address.as_str()) {
            return Err(NoToken::Refused(
                "its challenge leads to another host".to_owned(),
            ));
        }
        return asker.get(&uri).await?.map(Some).ok_or_else(wrong);
    }
    let base = origin(address.as_str()).ok_or_else(wrong)?;
    let path = address.path().trim_end_matches('/');
    for suffix in [path, ""] {
        let url = format!("{base}/.well-known/oauth-protected-resource{suffix}");
        let uri: Uri = url.parse().map_err(|_| wrong())?;
        if let Some(found) = asker.get(&uri).await? {
            return Ok(Some(found));
        }
        if path.is_empty() {
            break;
        }
    }
    Ok(None)
}

/// Whether a resource is the one at `address`, or the whole of which it is a part.
fn covers(resource: &str, address: &Url) -> bool {
    let Ok(resource) = Url::parse(resource) else {
        return false;
    };
    let whole = resource.path().trim_end_matches('/');
    resource.origin() == address.origin()
        && resource
            .query()
            .is_none_or(|query| address.query() == Some(query))
        && address
            .path()
            .strip_prefix(whole)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// What an issuer says of itself. It must be about that issuer, byte for byte: otherwise one could speak for
/// another (RFC 8414 section 3.3).
pub(super) async fn server(asker: &Asker<'_>, issuer: &str) -> Result<Server, NoToken> {
    let wrong = |why: &str| NoToken::Refused(format!("the authorization server {issuer} {why}"));
    let usable = issuer
        .parse::<Uri>()
        .is_ok_and(|uri| is_https_or_loopback(&uri) && uri.query().is_none())
        && !issuer.contains(['#', '@']);
    if !usable {
        return Err(wrong("has no usable address"));
    }
    let has_path = Url::parse(issuer).is_ok_and(|url| url.path() != "/");
    let openid_inserted = oauth_metadata_url(issuer).replacen(
        "oauth-authorization-server",
        "openid-configuration",
        1,
    );
    let mut places = vec![oauth_metadata_url(issuer)];
    if has_path {
        places.push(openid_inserted);
    }
    places.push(openid_metadata_url(issuer));
    for place in places {
        let uri: Uri = place.parse().map_err(|_| wrong("has no usable address"))?;
        let Some(server) = asker.get::<Server>(&uri).await? else {
            continue;
        };
        if server.issuer != issuer {
            return Err(wrong("publishes the metadata of another one"));
        }
        let endpoints = [
            server.authorization_endpoint.as_deref(),
            Some(server.token_endpoint.as_str()),
            server.registration_endpoint.as_deref(),
            server.revocation_endpoint.as_deref(),
        ];
        let safe = endpoints.into_iter().flatten().all(|url| {
            url.parse::<Uri>()
                .is_ok_and(|uri| is_https_or_loopback(&uri))
                && !url.contains(['#', '@'])
        });
        if !safe {
            return Err(wrong("names an endpoint that can't be used"));
        }
        return Ok(Server {
            methods: limited(server.methods),
            scopes: limited(server.scopes),
            ..server
        });
    }
    Err(wrong("publishes no metadata"))
}

fn limited(mut list: Vec<String>) -> Vec<String> {
    list.truncate(LIST_MAX);
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_covers_what_is_below_it() {
        let address = Url::parse("https://crm.example/a/mcp").unwrap();
        for good in [
            "https://crm.example/a/mcp",
            "https://crm.example/a/mcp/",
            "https://crm.example:443/a",
            "https://crm.example",
        ] {
            assert!(covers(good, &address), "{good}");
        }
        for bad in [
            "https://evil.example/a/mcp",
            "http://crm.example/a/mcp",
            "https://crm.example/a/m",
            "https://crm.example/a/mcp/x",
            "https://crm.example/a/mcp?tenant=2",
            "crm",
        ] {
            assert!(!covers(bad, &address), "{bad}");
        }
    }
}
