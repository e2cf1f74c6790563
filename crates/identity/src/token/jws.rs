//! The compact form of a signed JWT (RFC 7515), taken apart but not believed.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sekimori_domain::json::{self, JsonLimits};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use super::TokenError;

const HEADER_LIMITS: JsonLimits = JsonLimits {
    depth_max: 8,
    members_max: 64,
};
const CLAIMS_LIMITS: JsonLimits = JsonLimits {
    depth_max: 16,
    members_max: 4_096,
};

/// The members of the header that are looked at. Keys that a token brings along (`jwk`, `jku`, `x5c`) are
/// never used.
#[derive(Debug, Deserialize)]
pub(crate) struct Header {
    pub(crate) alg: String,
    pub(crate) typ: Option<String>,
    pub(crate) kid: Option<String>,
    crit: Option<IgnoredAny>,
}

/// A token in parts. Nothing of it is verified yet.
#[derive(Debug)]
pub(crate) struct Jws<'a> {
    pub(crate) header: Header,
    pub(crate) claims: Map<String, Value>,
    /// Header and payload as they were signed.
    pub(crate) signed: &'a [u8],
    pub(crate) signature: Vec<u8>,
}

impl<'a> Jws<'a> {
    pub(crate) fn parse(token: &'a str) -> Result<Self, TokenError> {
        let (signed, signature) = token.rsplit_once('.').ok_or(TokenError::NotAJwt)?;
        let (header, payload) = signed.split_once('.').ok_or(TokenError::NotAJwt)?;
        let header: Header = serde_json::from_str(&decode_json(header, HEADER_LIMITS)?)
            .map_err(|_| TokenError::NotAJwt)?;
        if header.crit.is_some() {
            return Err(TokenError::Critical);
        }
        let claims = serde_json::from_str(&decode_json(payload, CLAIMS_LIMITS)?)
            .map_err(|_| TokenError::NotAJwt)?;
        Ok(Self {
            header,
            claims,
            signed: signed.as_bytes(),
            signature: decode(signature)?,
        })
    }
}

fn decode(text: &str) -> Result<Vec<u8>, TokenError> {
    URL_SAFE_NO_PAD
        .decode(text)
        .map_err(|_| TokenError::NotAJwt)
}

/// Strict JSON: a member that is there twice has no one meaning.
fn decode_json(text: &str, limits: JsonLimits) -> Result<String, TokenError> {
    json::compact(&decode(text)?, limits).map_err(|_| TokenError::NotAJwt)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn token(header: &str, claims: &str) -> String {
        let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
        format!("{}.{}.c2ln", encode(header), encode(claims))
    }

    #[test]
    fn three_strict_parts_are_read() {
        let text = token(r#"{"alg":"ES256","kid":"1"}"#, r#"{"iss":"i"}"#);
        let jws = Jws::parse(&text).unwrap();
        assert_eq!(jws.header.alg, "ES256");
        assert_eq!(jws.claims["iss"], "i");
        assert_eq!(jws.signature, b"sig");
        assert!(text.as_bytes().starts_with(jws.signed));
    }

    #[test]
    fn other_texts_are_no_tokens() {
        for bad in [
            token(r#"{"alg":"ES256","alg":"none"}"#, "{}"),
            token(r#"{"alg":"ES256"}"#, r#"{"sub":"a","sub":"b"}"#),
            token(r#"{"alg":"ES256"}"#, "[]"),
            token(r#"{"alg":7}"#, "{}"),
            token("{}", "{}"),
            format!("{}.x", token(r#"{"alg":"ES256"}"#, "{}")),
            format!("{}=", token(r#"{"alg":"ES256"}"#, "{}")),
            "a.b".to_owned(),
            String::new(),
        ] {
            assert_eq!(Jws::parse(&bad).unwrap_err(), TokenError::NotAJwt, "{bad}");
        }
        let critical = token(r#"{"alg":"ES256","crit":["b64"],"b64":false}"#, "{}");
        assert_eq!(Jws::parse(&critical).unwrap_err(), TokenError::Critical);
    }

    proptest! {
        #[test]
        fn random_texts_never_panic(text in "[A-Za-z0-9_.=-]{0,120}", header in ".{0,60}", claims in ".{0,60}") {
            drop(Jws::parse(&text));
            drop(Jws::parse(&token(&header, &claims)));
        }
    }
}
