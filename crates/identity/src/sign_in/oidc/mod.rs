//! OpenID Connect relying party: authorization code flow with PKCE, nonce and state, for one issuer that is
//! configured byte for byte.

mod exchange;
mod id_token;
mod logout;
mod metadata;

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use sekimori_domain::clock::Clock;
use sekimori_domain::connector::SecretRef;
use sekimori_domain::digest::Digest;
use sekimori_domain::identity_provider::{IdentityProvider, OidcSettings, SignInProtocol};
use serde_json::{Map, Value};

use metadata::Discovery;

use super::failure::Reason;
use super::http::{ProviderHttp, SecretLookup, append_query};
use crate::fetch::FetchError;
use crate::token::Algorithm;
use crate::token::claims::{list, text};

/// Everything to ask an OpenID provider with.
#[derive(Debug)]
pub(super) struct OidcClient {
    discovery: Discovery,
    algorithms: Vec<Algorithm>,
    http: Arc<dyn ProviderHttp>,
    secrets: SecretLookup,
    clock: Arc<dyn Clock>,
}

/// What a sign-in begins with.
#[derive(Debug)]
pub(super) struct AuthorizationRequest<'a> {
    pub(super) redirect_uri: &'a str,
    pub(super) state: &'a str,
    pub(super) nonce: &'a str,
    /// The PKCE verifier; only its digest is sent.
    pub(super) verifier: &'a str,
    /// Whether more than one factor is asked for.
    pub(super) mfa: bool,
    /// How old the proof may be.
    pub(super) max_age_seconds: Option<u32>,
}

/// What the provider answers with, in the query of the redirect.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OidcAnswer {
    /// The code, if the person was signed in.
    pub code: Option<String>,
    /// The issuer (RFC 9207).
    pub iss: Option<String>,
    /// The error code, if not.
    pub error: Option<String>,
}

/// What the finished flow proved.
#[derive(Debug)]
pub(super) struct Proved {
    pub(super) subject: String,
    pub(super) session: Option<String>,
    pub(super) auth_time: Timestamp,
    pub(super) acr: Option<String>,
    pub(super) amr: Vec<String>,
    pub(super) id_token: String,
    /// All claims, those of the userinfo endpoint included.
    pub(super) claims: Map<String, Value>,
}

impl OidcClient {
    pub(super) fn new(
        settings: &OidcSettings,
        http: Arc<dyn ProviderHttp>,
        secrets: SecretLookup,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, &'static str> {
        let algorithms = algorithms(settings)?;
        Ok(Self {
            discovery: Discovery::new(settings, &algorithms, Arc::clone(&http), Arc::clone(&clock)),
            algorithms,
            http,
            secrets,
            clock,
        })
    }

    /// Asks for what the provider publishes, whatever is known of it: its metadata, then its keys.
    pub(super) async fn ask_anew(&self) -> Result<Result<Bytes, FetchError>, Reason> {
        self.discovery.ask_anew().await
    }

    /// Whether a secret can be read.
    pub(super) fn finds(&self, secret: &SecretRef) -> bool {
        self.secrets.find(secret).is_ok()
    }

    /// Where to send the browser.
    pub(super) async fn authorization_url(
        &self,
        provider: &IdentityProvider,
        request: &AuthorizationRequest<'_>,
    ) -> Result<String, Reason> {
        let settings = settings(provider)?;
        let metadata = self.discovery.metadata().await?;
        let scope = std::iter::once("openid")
            .chain(settings.scopes.iter().map(String::as_str))
            .collect::<Vec<_>>()
            .join(" ");
        let challenge = base64_digest(request.verifier);
        let mut query = vec![
            ("response_type", "code"),
            ("client_id", &settings.client_id),
            ("redirect_uri", request.redirect_uri),
            ("scope", &scope),
            ("state", request.state),
            ("nonce", request.nonce),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        let acr = provider.mfa.to_request().join(" ");
        if (request.mfa || provider.mfa.required) && !acr.is_empty() {
            query.push(("acr_values", &acr));
        }
        let max_age = request.max_age_seconds.map(|age| age.to_string());
        if let Some(max_age) = &max_age {
            query.push(("max_age", max_age));
        }
        Ok(append_query(&metadata.authorization_endpoint, &query))
    }

    /// Turns the answer into proof, or refuses it.
    pub(super) async fn prove(
        &self,
        provider: &IdentityProvider,
        request: &AuthorizationRequest<'_>,
        answer: &OidcAnswer,
    ) -> Result<Proved, Reason> {
        let settings = settings(provider)?;
        let metadata = self.discovery.metadata().await?;
        // Mix-up: an answer that names its issuer must name this one, and one that should name it must.
        match &answer.iss {
            Some(iss) if *iss != settings.issuer => return Err(Reason::MixedUp),
            None if metadata.names_itself => return Err(Reason::MixedUp),
            _ => {}
        }
        if answer.error.is_some() {
            return Err(Reason::Declined);
        }
        let code = answer.code.as_deref().ok_or(Reason::NotAccepted("code"))?;
        let tokens = self.redeem(settings, &metadata, request, code).await?;
        let id_token = self
            .verify_id_token(
                settings,
                &metadata,
                request,
                &tokens.id_token,
                tokens.access_token.as_deref(),
            )
            .await?;
        let mut claims = id_token.claims;
        if settings.userinfo {
            let told = self
                .userinfo(settings, &metadata, tokens.access_token.as_deref())
                .await?;
            if text(&told, "sub") != Some(&id_token.subject) {
                return Err(Reason::NotAccepted("userinfo"));
            }
            for (name, value) in told {
                claims.entry(name).or_insert(value);
            }
        }
        Ok(Proved {
            session: text(&claims, "sid").map(str::to_owned),
            acr: text(&claims, "acr").map(str::to_owned),
            amr: list(claims.get("amr")),
            subject: id_token.subject,
            auth_time: id_token.auth_time,
            id_token: tokens.id_token,
            claims,
        })
    }

    /// Where the browser signs out at the provider; `None` if the provider offers no such place.
    pub(super) async fn end_session_url(
        &self,
        provider: &IdentityProvider,
        id_token: Option<&str>,
        return_to: &str,
    ) -> Option<String> {
        let settings = settings(provider).ok()?;
        let metadata = self.discovery.metadata().await.ok()?;
        let endpoint = metadata.end_session_endpoint.as_deref()?;
        let mut query = vec![
            ("client_id", settings.client_id.as_str()),
            ("post_logout_redirect_uri", return_to),
        ];
        if let Some(id_token) = id_token {
            query.push(("id_token_hint", id_token));
        }
        Some(append_query(endpoint, &query))
    }
}

fn settings(provider: &IdentityProvider) -> Result<&OidcSettings, Reason> {
    match &provider.protocol {
        SignInProtocol::Oidc(settings) => Ok(settings),
        SignInProtocol::Saml(_) => Err(Reason::UnknownProvider),
    }
}

/// The algorithms that ID tokens may be signed with.
pub(super) fn algorithms(settings: &OidcSettings) -> Result<Vec<Algorithm>, &'static str> {
    if settings.algorithms.is_empty() {
        return Ok(Algorithm::ALL.to_vec());
    }
    settings
        .algorithms
        .iter()
        .map(|name| name.parse())
        .collect::<Result<_, _>>()
        .map_err(|_| "use ES256, EdDSA, RS256 or PS256 as algorithms")
}

/// SHA-256 of a text in base64url, as PKCE wants it.
fn base64_digest(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(Digest::of(text.as_bytes()).0)
}
