//! ID tokens (OpenID Connect Core section 3.1.3.7).

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use sekimori_domain::identity_provider::OidcSettings;
use serde_json::{Map, Value};
use subtle::ConstantTimeEq;

use super::metadata::Metadata;
use super::{AuthorizationRequest, OidcClient, Reason};
use crate::token::claims::{CLOCK_SKEW_SECONDS, check_times, seconds, text};
use crate::token::jws::Jws;
use crate::token::{Algorithm, TokenError};

/// Longest ID token that is looked at.
const TOKEN_BYTES_MAX: usize = 64 * 1024;

/// A verified ID token.
pub(super) struct IdToken {
    pub(super) subject: String,
    pub(super) auth_time: Timestamp,
    pub(super) claims: Map<String, Value>,
}

impl OidcClient {
    pub(super) async fn verify_id_token(
        &self,
        settings: &OidcSettings,
        metadata: &Metadata,
        request: &AuthorizationRequest<'_>,
        token: &str,
        access_token: Option<&str>,
    ) -> Result<IdToken, Reason> {
        let jws = self.verify_signed(settings, metadata, token, "jwt").await?;
        let now = self.clock.now();
        let claims = jws.claims;
        check_times(&claims, now).map_err(reason)?;
        check_audience(&claims, &settings.client_id)?;
        let nonce = text(&claims, "nonce").unwrap_or_default();
        if !bool::from(nonce.as_bytes().ct_eq(request.nonce.as_bytes())) {
            return Err(Reason::NotAccepted("nonce"));
        }
        check_access_token(&claims, access_token)?;
        let issued = seconds(&claims, "iat")
            .map_err(reason)?
            .ok_or(Reason::NotAccepted("iat"))?;
        let proved = seconds(&claims, "auth_time").map_err(reason)?;
        if let Some(max_age) = request.max_age_seconds {
            let proved = proved.ok_or(Reason::NotAccepted("auth_time"))?;
            let age = now.as_second().saturating_sub(proved.as_second());
            if age > i64::from(max_age) + CLOCK_SKEW_SECONDS {
                return Err(Reason::NotAccepted("auth_time"));
            }
        }
        let subject = text(&claims, "sub")
            .filter(|subject| subject.len() <= 255)
            .ok_or(Reason::NotAccepted("sub"))?
            .to_owned();
        Ok(IdToken {
            subject,
            auth_time: proved.unwrap_or(issued).min(now),
            claims,
        })
    }

    /// A JWT of the provider: issuer, type, algorithm and signature are checked, nothing else.
    pub(super) async fn verify_signed<'t>(
        &self,
        settings: &OidcSettings,
        metadata: &Metadata,
        token: &'t str,
        typ: &str,
    ) -> Result<Jws<'t>, Reason> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(Reason::NotAccepted("token"));
        }
        let jws = Jws::parse(token).map_err(reason)?;
        if text(&jws.claims, "iss") != Some(&settings.issuer) {
            return Err(Reason::MixedUp);
        }
        if !has_type(jws.header.typ.as_deref(), typ) {
            return Err(Reason::NotAccepted("typ"));
        }
        let algorithm = jws
            .header
            .alg
            .parse::<Algorithm>()
            .ok()
            .filter(|algorithm| self.algorithms.contains(algorithm))
            .ok_or(Reason::NotAccepted("alg"))?;
        let kid = jws.header.kid.as_deref();
        metadata
            .keys
            .verify(kid, algorithm, jws.signed, &jws.signature)
            .await
            .map_err(reason)?;
        Ok(jws)
    }
}

/// The type may be left out or be the general one, but never that of another kind of token.
fn has_type(found: Option<&str>, wanted: &str) -> bool {
    let Some(found) = found.map(str::to_ascii_lowercase) else {
        return true;
    };
    let found = found.strip_prefix("application/").unwrap_or(&found);
    found == "jwt" || found == wanted
}

/// We must be among those it is for. If there are others, it must have been made for us.
pub(super) fn check_audience(claims: &Map<String, Value>, client_id: &str) -> Result<(), Reason> {
    let wrong = Err(Reason::NotAccepted("aud"));
    let several = match claims.get("aud") {
        Some(Value::String(one)) if one == client_id => false,
        Some(Value::Array(list)) if list.iter().any(|one| one == client_id) => list.len() > 1,
        _ => return wrong,
    };
    match text(claims, "azp") {
        Some(azp) if azp != client_id => wrong,
        None if several => wrong,
        _ => Ok(()),
    }
}

/// The access token belongs to the ID token, where that says so: the left half of its SHA-256, which is the
/// digest of all accepted algorithms but EdDSA.
fn check_access_token(
    claims: &Map<String, Value>,
    access_token: Option<&str>,
) -> Result<(), Reason> {
    let (Some(expected), Some(token)) = (text(claims, "at_hash"), access_token) else {
        return Ok(());
    };
    let whole = digest(&SHA256, token.as_bytes());
    let (left, _) = whole.as_ref().split_at(16);
    // With EdDSA it is the left half of SHA-512; then it is longer, and is not what proves anything here.
    if expected.len() != 22 || URL_SAFE_NO_PAD.encode(left) == expected {
        Ok(())
    } else {
        Err(Reason::NotAccepted("at_hash"))
    }
}

pub(super) fn reason(error: TokenError) -> Reason {
    match error {
        TokenError::KeysUnavailable => Reason::ProviderUnavailable,
        TokenError::Expired => Reason::NotAccepted("expired"),
        TokenError::NotYetValid => Reason::NotAccepted("not yet valid"),
        TokenError::Signature | TokenError::UnknownKey => Reason::NotAccepted("signature"),
        TokenError::Claim(claim) => Reason::NotAccepted(claim),
        _ => Reason::NotAccepted("token"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn audience(claims: &Value) -> Result<(), Reason> {
        check_audience(claims.as_object().unwrap(), "gate")
    }

    #[test]
    fn the_token_must_be_for_us() {
        for good in [
            json!({"aud": "gate"}),
            json!({"aud": ["gate"]}),
            json!({"aud": ["other", "gate"], "azp": "gate"}),
        ] {
            assert_eq!(audience(&good), Ok(()), "{good}");
        }
        for bad in [
            json!({}),
            json!({"aud": "other"}),
            json!({"aud": ["other"]}),
            json!({"aud": ["other", "gate"]}),
            json!({"aud": "gate", "azp": "other"}),
            json!({"aud": {"gate": true}}),
        ] {
            assert_eq!(audience(&bad), Err(Reason::NotAccepted("aud")), "{bad}");
        }
    }

    #[test]
    fn tokens_of_other_kinds_are_no_id_tokens() {
        assert!(has_type(None, "jwt") && has_type(Some("JWT"), "jwt"));
        assert!(has_type(Some("logout+jwt"), "logout+jwt"));
        assert!(!has_type(Some("at+jwt"), "jwt"));
        assert!(!has_type(Some("application/logout+jwt"), "jwt"));
    }
}
