//! Logout tokens (OpenID Connect Back-Channel Logout 1.0 section 2.6).

use std::time::Duration;

use jiff::Timestamp;
use sekimori_domain::identity_provider::IdentityProvider;
use serde_json::Value;

use super::id_token::{check_audience, reason};
use super::{OidcClient, Reason, settings};
use crate::token::claims::{check_times, seconds, text};

const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
/// How old a logout token may be. Providers send it at once.
const AGE_MAX: Duration = Duration::from_mins(5);

/// Whom the provider signed out.
#[derive(Debug)]
pub(crate) struct LoggedOut {
    pub(crate) subject: Option<String>,
    pub(crate) session: Option<String>,
    /// Unique per token.
    pub(crate) id: String,
    /// Until when the token could be sent again.
    pub(crate) until: Timestamp,
}

impl OidcClient {
    /// Verifies a logout token. That it is used once only is for the caller to see to.
    pub(in crate::sign_in) async fn logged_out(
        &self,
        provider: &IdentityProvider,
        token: &str,
    ) -> Result<LoggedOut, Reason> {
        let settings = settings(provider)?;
        let metadata = self.discovery.metadata().await?;
        let jws = self
            .verify_signed(settings, &metadata, token, "logout+jwt")
            .await?;
        let claims = jws.claims;
        check_audience(&claims, &settings.client_id)?;
        let now = self.clock.now();
        let issued = seconds(&claims, "iat")
            .map_err(reason)?
            .ok_or(Reason::NotAccepted("iat"))?;
        let until = issued.checked_add(AGE_MAX).map_err(|_| Reason::Internal)?;
        if now > until || now < issued.checked_sub(AGE_MAX).map_err(|_| Reason::Internal)? {
            return Err(Reason::NotAccepted("iat"));
        }
        if claims.contains_key("exp") {
            check_times(&claims, now).map_err(reason)?;
        }
        let has_event = claims
            .get("events")
            .and_then(|events| events.get(EVENT))
            .is_some_and(Value::is_object);
        // An ID token has a nonce; one must never pass as the order to sign out.
        if !has_event || claims.contains_key("nonce") {
            return Err(Reason::NotAccepted("events"));
        }
        let own = |claim| text(&claims, claim).map(str::to_owned);
        let logged_out = LoggedOut {
            subject: own("sub"),
            session: own("sid"),
            id: own("jti").ok_or(Reason::NotAccepted("jti"))?,
            until,
        };
        if logged_out.subject.is_none() && logged_out.session.is_none() {
            return Err(Reason::NotAccepted("sub"));
        }
        Ok(logged_out)
    }
}
