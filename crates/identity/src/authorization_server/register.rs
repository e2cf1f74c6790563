//! Dynamic client registration (RFC 7591), for clients that know nothing newer. Off unless the
//! administrator wants it; limited where on; without secrets.

use std::net::IpAddr;

use sekimori_domain::ids::ClientId;
use sekimori_domain::oauth::{ClientAuthentication, ClientKind, ClientStatus, OAuthClient};
use serde::Deserialize;
use serde_json::{Value, json};

use super::client_metadata::displayable;
use super::clients::DYNAMIC_CLIENT_PREFIX;
use super::config::Registration;
use super::error::{OAuthErrorCode, OAuthRefusal, invalid_request};
use super::keys::later;
use super::{AuthorizationServer, redirect};
use crate::secret::random_id;

/// A client as it describes itself. Other members are not taken over.
#[derive(Debug, Clone, Deserialize)]
pub struct RegistrationRequest {
    redirect_uris: Vec<String>,
    #[serde(default)]
    client_name: Option<String>,
    #[serde(default)]
    application_type: Option<String>,
    #[serde(default)]
    token_endpoint_auth_method: Option<String>,
    #[serde(default)]
    grant_types: Option<Vec<String>>,
    #[serde(default)]
    response_types: Option<Vec<String>>,
}

impl AuthorizationServer {
    /// Registers a client that describes itself. Returns it and the answer.
    pub async fn register(
        &self,
        request: RegistrationRequest,
        ip: Option<IpAddr>,
    ) -> Result<(OAuthClient, Value), OAuthRefusal> {
        let Some(rules) = &self.config.registration else {
            return Err(invalid_request("clients cannot register themselves here"));
        };
        self.check_registration(&request, rules)?;
        let busy = || {
            OAuthRefusal::new(
                OAuthErrorCode::TemporarilyUnavailable,
                "too many registrations: try again later",
            )
        };
        let now = self.clock.monotonic();
        if !self.registrations.admit(ip, now, rules.per_address_hourly) {
            return Err(busy());
        }
        let now = self.clock.now();
        let id = random_id(&*self.random, DYNAMIC_CLIENT_PREFIX)?;
        let name = request.client_name.as_deref().map_or("", str::trim);
        let client = OAuthClient {
            id: ClientId::new(&id).map_err(|_| invalid_request("no id could be made"))?,
            kind: ClientKind::Dynamic,
            status: ClientStatus::Unverified,
            name: displayable(if name.is_empty() { &id } else { name }),
            redirect_uris: request.redirect_uris,
            authentication: ClientAuthentication::None,
            keys: None,
            scopes: None,
            service_account: None,
            document: None,
            decided_by: None,
            created_at: now,
            expires_at: Some(later(now, rules.unused_kept)),
        };
        if !self.oauth.add_client(&client, rules.unused_max).await? {
            return Err(busy());
        }
        let answer = json!({
            "client_id": client.id,
            "client_id_issued_at": now.as_second(),
            "client_name": client.name,
            "redirect_uris": client.redirect_uris,
            "token_endpoint_auth_method": "none",
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
        });
        Ok((client, answer))
    }

    fn check_registration(
        &self,
        request: &RegistrationRequest,
        rules: &Registration,
    ) -> Result<(), OAuthRefusal> {
        let wrong = |description| {
            Err(OAuthRefusal::new(
                OAuthErrorCode::InvalidClientMetadata,
                description,
            ))
        };
        let includes = |list: &Option<Vec<String>>, wanted: &str| {
            list.as_ref()
                .is_none_or(|list| list.iter().any(|one| one == wanted))
        };
        if !includes(&request.grant_types, "authorization_code")
            || !includes(&request.response_types, "code")
        {
            return wrong("only the authorization code flow is offered");
        }
        // Clients that ask for a secret are told that they are public: no secret leaves by this way.
        let known = ["none", "client_secret_basic", "client_secret_post"];
        if request
            .token_endpoint_auth_method
            .as_ref()
            .is_some_and(|method| !known.contains(&method.as_str()))
        {
            return wrong("only public clients may register themselves");
        }
        let is_web = match request.application_type.as_deref() {
            None => None,
            Some("web") => Some(true),
            Some("native") => Some(false),
            Some(_) => return wrong("application_type must be web or native"),
        };
        let uris = &request.redirect_uris;
        let good = |uri: &String| self.may_register(uri, rules, is_web);
        if uris.is_empty() || uris.len() > redirect::URIS_MAX || !uris.iter().all(good) {
            return Err(OAuthRefusal::new(
                OAuthErrorCode::InvalidRedirectUri,
                "use http on loopback, the scheme of an installed application, or https on a host that \
                 the administrator allows",
            ));
        }
        Ok(())
    }

    fn may_register(&self, uri: &str, rules: &Registration, is_web: Option<bool>) -> bool {
        let Some(parsed) = redirect::parse(uri) else {
            return false;
        };
        if !redirect::acceptable(uri, self.config.redirects()) {
            return false;
        }
        if parsed.scheme() == "https" {
            let host = parsed.host_str().unwrap_or_default();
            return is_web != Some(false) && rules.may_lead_to(host);
        }
        is_web != Some(true)
    }
}
