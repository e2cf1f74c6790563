//! Access tokens: JWTs of configured issuers (RFC 9068, RFC 8725).

pub(crate) mod claims;
mod config;
mod jwk;
pub(crate) mod jws;
pub(crate) mod keys;
mod own;
mod verifier;

pub use config::{ClaimNames, IssuerConfig, KeySource};
pub use jwk::Algorithm;
pub use own::{LocalIssuer, OwnIssuer};

pub(crate) use config::check as check_issuers;
pub(crate) use jwk::KeySet;
pub(crate) use jws::Jws;
pub(crate) use keys::IssuerKeys;
pub(crate) use verifier::{TokenVerifier, VerifiedToken};

use sekimori_domain::refusal::{Refusal, RefusalCode, Stage};

/// Why an access token is not accepted. The messages go to whoever sent it, so they say what to mend and
/// repeat nothing of the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TokenError {
    #[error("the bearer token is not a signed JWT")]
    NotAJwt,
    #[error("the access token is signed with an algorithm that is not accepted from its issuer")]
    Algorithm,
    #[error("the access token uses header extensions that are not understood")]
    Critical,
    #[error("the token is not an access token: its typ must be at+jwt")]
    Type,
    #[error("the access token comes from an issuer that is not accepted here")]
    Issuer,
    #[error("the access token is signed with a key that its issuer does not publish")]
    UnknownKey,
    #[error("the signature of the access token is wrong")]
    Signature,
    #[error("the access token has ended: get a new one")]
    Expired,
    #[error("the access token is not valid yet: compare the clocks")]
    NotYetValid,
    #[error("the access token lacks the claim {0}, or it is not of its form")]
    Claim(&'static str),
    #[error(
        "the access token was issued so long ago that it is not accepted any more: get a new one"
    )]
    TooOld,
    #[error(
        "the client that the access token was issued to is not known any more, or may not be used"
    )]
    Client,
    #[error("the client that the access token was issued to can't be looked up now")]
    ClientUnavailable,
    #[error("the access token was made for another audience")]
    Audience,
    #[error("the issuer left the groups out of the token because there are too many")]
    GroupsLeftOut,
    #[error("the keys of the token's issuer can't be fetched now")]
    KeysUnavailable,
}

impl TokenError {
    pub(crate) fn into_refusal(self, resource: &str) -> Refusal {
        let code = match self {
            Self::Audience => RefusalCode::WrongAudience,
            Self::KeysUnavailable | Self::ClientUnavailable => RefusalCode::DependencyUnavailable,
            _ => RefusalCode::Unauthenticated,
        };
        let message = match self {
            Self::Audience => format!("{self}: ask for a token for the resource {resource}"),
            _ => self.to_string(),
        };
        Refusal::new(code, Stage::Authenticate, message)
    }
}
