//! Asking the provider itself: the code for tokens, the access token for facts.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Request, header};
use sekimori_domain::identity_provider::{ClientAuthentication, OidcSettings};
use sekimori_domain::json::{self, JsonLimits};
use serde::Deserialize;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::metadata::Metadata;
use super::{AuthorizationRequest, OidcClient, Reason};
use crate::sign_in::http::{form, percent_encoded};

const LIMITS: JsonLimits = JsonLimits {
    depth_max: 16,
    members_max: 4_096,
};

/// What the token endpoint answers, as far as it is used.
#[derive(Deserialize)]
pub(super) struct Tokens {
    pub(super) id_token: String,
    pub(super) access_token: Option<String>,
}

impl OidcClient {
    /// The tokens for a code.
    pub(super) async fn redeem(
        &self,
        settings: &OidcSettings,
        metadata: &Metadata,
        request: &AuthorizationRequest<'_>,
        code: &str,
    ) -> Result<Tokens, Reason> {
        let mut fields = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", request.redirect_uri),
            ("code_verifier", request.verifier),
        ];
        let secret = match &settings.client_secret {
            Some(reference) => Some(Zeroizing::new(self.secrets.find(reference)?)),
            None => None,
        };
        let mut post = Request::post(&metadata.token_endpoint)
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        match (secret.as_deref(), settings.client_authentication) {
            (Some(secret), ClientAuthentication::ClientSecretBasic) => {
                // RFC 6749 section 2.3.1: encoded as in forms, before base64.
                let pair = Zeroizing::new(format!(
                    "{}:{}",
                    percent_encoded(&settings.client_id),
                    percent_encoded(secret)
                ));
                let text = format!("Basic {}", STANDARD.encode(pair.as_bytes()));
                post = post.header(header::AUTHORIZATION, text);
            }
            (Some(secret), ClientAuthentication::ClientSecretPost) => {
                fields.push(("client_id", &settings.client_id));
                fields.push(("client_secret", secret));
            }
            (None, _) => fields.push(("client_id", &settings.client_id)),
        }
        let post = post
            .body(Bytes::from(form(&fields)))
            .map_err(|_| Reason::Internal)?;
        let body = self.ask(settings, post).await?;
        // A member that is there twice has no one meaning.
        let text = json::compact(&body, LIMITS).map_err(|_| Reason::NotAccepted("tokens"))?;
        serde_json::from_str(&text).map_err(|_| Reason::NotAccepted("tokens"))
    }

    /// What the userinfo endpoint tells.
    pub(super) async fn userinfo(
        &self,
        settings: &OidcSettings,
        metadata: &Metadata,
        access_token: Option<&str>,
    ) -> Result<Map<String, Value>, Reason> {
        let wrong = Reason::NotAccepted("userinfo");
        let endpoint = metadata.userinfo_endpoint.as_deref().ok_or(wrong)?;
        let token = access_token.ok_or(wrong)?;
        let get = Request::get(endpoint)
            .header(header::ACCEPT, "application/json")
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .body(Bytes::new())
            .map_err(|_| wrong)?;
        let body = self.ask(settings, get).await?;
        let text = json::compact(&body, LIMITS).map_err(|_| wrong)?;
        serde_json::from_str(&text).map_err(|_| wrong)
    }

    async fn ask(&self, settings: &OidcSettings, request: Request<Bytes>) -> Result<Bytes, Reason> {
        let response = self
            .http
            .send(request, settings.allow_private_network)
            .await
            .map_err(|error| {
                tracing::warn!(
                    issuer = %settings.issuer,
                    error = &error as &dyn std::error::Error,
                    "an identity provider did not answer"
                );
                Reason::ProviderUnavailable
            })?;
        let status = response.status();
        if status == 200 {
            return Ok(response.into_body());
        }
        // The body is the other side's: it stays out of logs.
        tracing::warn!(issuer = %settings.issuer, %status, "an identity provider turned us back");
        Err(if status.is_server_error() {
            Reason::ProviderUnavailable
        } else {
            Reason::NotAccepted("code")
        })
    }
}
