//! Token requests: a code or a refresh token for tokens, and telling that tokens are not used any more.

use bytes::Bytes;
use http::{Request, header};
use jiff::{SignedDuration, Timestamp};
use sekimori_domain::connector::{Connector, OAuthClient};
use sekimori_upstream::authorization::NoToken;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::client::KnownAs;
use super::discovery::{Server, server};
use super::http::{Asker, read};
use super::{Inner, words};
use crate::sign_in::http::form;

/// What a token endpoint answers.
#[derive(Deserialize)]
struct Answer {
    access_token: String,
    token_type: String,
    expires_in: Option<i64>,
    refresh_token: Option<String>,
    scope: Option<String>,
}

/// Why it gave nothing (RFC 6749 section 5.2).
#[derive(Deserialize)]
struct Failure {
    #[serde(default)]
    error: String,
}

/// Tokens, as they are sealed.
#[derive(Clone, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub(super) struct Tokens {
    pub(super) access: String,
    pub(super) refresh: Option<String>,
    #[zeroize(skip)]
    pub(super) issued_at: Timestamp,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tokens([redacted])")
    }
}

/// Tokens that were just issued.
#[derive(Debug)]
pub(super) struct Issued {
    pub(super) tokens: Tokens,
    pub(super) expires_at: Option<Timestamp>,
    /// The scopes, where the server says that they are others than those asked for.
    pub(super) scopes: Option<Vec<String>>,
}

/// A token request brought nothing.
#[derive(Debug)]
pub(super) enum ExchangeError {
    /// Code or refresh token are void; another try is useless.
    Void,
    Other(NoToken),
}

impl From<NoToken> for ExchangeError {
    fn from(error: NoToken) -> Self {
        Self::Other(error)
    }
}

/// To whom a request goes, and as whom.
pub(super) struct Party<'a> {
    pub(super) asker: Asker<'a>,
    pub(super) server: Server,
    pub(super) client: KnownAs,
    /// Whether the server's endpoints may be on other hosts.
    pub(super) vouched: bool,
}

impl Inner {
    /// The authorization server `issuer`, and as whom it knows the gate. Nobody else is shown what it issued.
    pub(super) async fn party<'a>(
        &'a self,
        connector: &'a Connector,
        settings: &OAuthClient,
        issuer: &str,
    ) -> Result<Party<'a>, NoToken> {
        let asker = Asker::new(&self.egress, connector);
        let server = server(&asker, issuer).await?;
        let vouched = settings.issuer.as_deref() == Some(issuer);
        let client = self.known_as(&asker, connector, settings, &server, vouched);
        let client = client.await?;
        Ok(Party {
            asker,
            server,
            client,
            vouched,
        })
    }

    /// Asks the token endpoint.
    pub(super) async fn exchange(
        &self,
        party: &Party<'_>,
        fields: Vec<(&'static str, String)>,
    ) -> Result<Issued, ExchangeError> {
        let now = self.clock.now();
        let response = self
            .post(party, &party.server.token_endpoint, fields)
            .await?;
        let status = response.status();
        let issuer = &party.server.issuer;
        if status.is_server_error() {
            return Err(
                NoToken::Unavailable(format!("{issuer} answered with status {status}")).into(),
            );
        }
        if !status.is_success() {
            let failure: Failure = read(response.body()).unwrap_or(Failure {
                error: String::new(),
            });
            return Err(match failure.error.as_str() {
                "invalid_grant" => ExchangeError::Void,
                code => {
                    NoToken::Refused(format!("{issuer} gave no token: {}", known_code(code))).into()
                }
            });
        }
        let answer: Answer = read(response.body())?;
        if !answer.token_type.eq_ignore_ascii_case("bearer") {
            let why = format!("{issuer} issues tokens of a kind that is not known here");
            return Err(NoToken::Refused(why).into());
        }
        let ends = |seconds| now.checked_add(SignedDuration::from_secs(seconds)).ok();
        Ok(Issued {
            tokens: Tokens {
                access: answer.access_token,
                refresh: answer.refresh_token,
                issued_at: now,
            },
            expires_at: answer.expires_in.and_then(ends),
            scopes: answer.scope.map(|scope| words(&scope)),
        })
    }

    /// Tells the authorization server that tokens are not used any more (RFC 7009).
    pub(super) async fn tell_ended(
        &self,
        party: &Party<'_>,
        tokens: &Tokens,
    ) -> Result<(), NoToken> {
        let Some(endpoint) = &party.server.revocation_endpoint else {
            return Ok(());
        };
        // With the refresh token the access token ends too.
        let (token, hint) = match &tokens.refresh {
            Some(refresh) => (refresh, "refresh_token"),
            None => (&tokens.access, "access_token"),
        };
        let fields = vec![
            ("token", token.clone()),
            ("token_type_hint", hint.to_owned()),
        ];
        let response = self.post(party, endpoint, fields).await?;
        if response.status().is_success() {
            return Ok(());
        }
        Err(NoToken::Refused(format!(
            "{} did not revoke: status {}",
            party.server.issuer,
            response.status().as_u16()
        )))
    }

    async fn post(
        &self,
        party: &Party<'_>,
        endpoint: &str,
        mut fields: Vec<(&'static str, String)>,
    ) -> Result<http::Response<Bytes>, NoToken> {
        let id = self.ids.next().simple().to_string();
        let (issuer, now) = (&party.server.issuer, self.clock.now());
        let authorization = party.client.prove(issuer, now, &id, &mut fields)?;
        let pairs: Vec<(&str, &str)> = fields
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let mut request = Request::post(endpoint)
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        if let Some(authorization) = authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        let request = request
            .body(Bytes::from(form(&pairs)))
            .map_err(|_| NoToken::Refused("an endpoint can't be used".to_owned()))?;
        party.asker.send(request, party.vouched).await
    }
}

/// The codes of the standards; other text of the other side stays out of messages.
pub(super) fn known_code(code: &str) -> &'static str {
    const CODES: [&str; 10] = [
        "invalid_request",
        "invalid_client",
        "invalid_grant",
        "unauthorized_client",
        "unsupported_grant_type",
        "invalid_scope",
        "invalid_target",
        "access_denied",
        "server_error",
        "temporarily_unavailable",
    ];
    CODES
        .into_iter()
        .find(|known| *known == code)
        .unwrap_or("no known reason")
}
