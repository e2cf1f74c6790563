//! Which issuers are trusted, and how their tokens are read.

use std::collections::BTreeSet;

use http::Uri;

use super::jwk::Algorithm;
use crate::error::ConfigError;
use crate::resource::is_https_or_loopback;

/// An issuer whose access tokens are accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuerConfig {
    /// Its identifier: tokens must name it byte for byte.
    pub issuer: String,
    /// Where its keys come from.
    pub keys: KeySource,
    /// The algorithms it signs with. A token signed otherwise is refused, whatever its header says.
    pub algorithms: Vec<Algorithm>,
    /// The one audience of its tokens, for identity providers that can't issue tokens for a resource URI.
    /// `None`: the audience must be the resource that is called (RFC 8707), as it should be.
    pub audience: Option<String>,
    /// Whether tokens of type `JWT` are accepted beside `at+jwt`, for identity providers older than RFC 9068.
    pub accept_plain_jwt: bool,
    /// Distinguishes equal subjects of different issuers: `user:<prefix>/<sub>`. Needed as soon as there is
    /// more than one issuer.
    pub principal_prefix: Option<String>,
    /// Where else to look in its tokens.
    pub claims: ClaimNames,
}

impl IssuerConfig {
    /// An issuer with discovery, asymmetric algorithms and RFC 9068 tokens.
    pub fn new(issuer: impl Into<String>) -> Self {
        Self {
            issuer: issuer.into(),
            keys: KeySource::Discovery,
            algorithms: Algorithm::ALL.to_vec(),
            audience: None,
            accept_plain_jwt: false,
            principal_prefix: None,
            claims: ClaimNames::default(),
        }
    }
}

/// Where an issuer's keys come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// From its metadata (RFC 8414, then OpenID Connect Discovery).
    Discovery,
    /// From this address.
    JwksUri(String),
}

/// Claims that are not standardised. A name that begins with `/` is a JSON pointer (RFC 6901) into the
/// claims, such as `/realm_access/roles`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClaimNames {
    /// Groups and roles: a list of texts.
    pub groups: Option<String>,
    /// Department: a text.
    pub department: Option<String>,
    /// Employment type: a text.
    pub employment: Option<String>,
    /// Whether the device is managed by the company: a truth value.
    pub device_managed: Option<String>,
    /// Whether the device is in the state the company asks for: a truth value.
    pub device_compliant: Option<String>,
    /// The operating system of the device: a text.
    pub device_platform: Option<String>,
    /// Values of `acr` that mean more than one factor, beside `mfa` in `amr` (AUTHN-2).
    pub mfa_acr: Vec<String>,
}

/// Checks what must hold for each issuer and between them, and with our own.
pub(crate) fn check(
    issuers: &[IssuerConfig],
    own: Option<&IssuerConfig>,
) -> Result<(), ConfigError> {
    let mut names: BTreeSet<_> = own.iter().map(|own| &own.issuer).collect();
    let mut prefixes = BTreeSet::new();
    for config in issuers {
        let wrong = |rule| ConfigError::Issuer {
            issuer: config.issuer.clone(),
            rule,
        };
        check_url(&config.issuer).map_err(wrong)?;
        if let KeySource::JwksUri(url) = &config.keys {
            check_url(url).map_err(wrong)?;
        }
        if config.algorithms.is_empty() {
            return Err(wrong("name at least one algorithm"));
        }
        if config.audience.as_deref() == Some("") {
            return Err(wrong("the audience must not be empty"));
        }
        if !names.insert(&config.issuer) {
            return Err(wrong("it is configured twice, or it is this gate itself"));
        }
        let prefix = config.principal_prefix.as_deref();
        if issuers.len() > 1 && prefix.is_none() {
            return Err(wrong(
                "with several issuers each needs a principal prefix, because subjects may be equal",
            ));
        }
        if !prefix.is_none_or(is_prefix) {
            return Err(wrong("use 1 to 32 of a-z, 0-9 and '-' as principal prefix"));
        }
        if !prefixes.insert(prefix) {
            return Err(wrong("its principal prefix is another issuer's"));
        }
    }
    Ok(())
}

fn check_url(text: &str) -> Result<(), &'static str> {
    let uri: Uri = text.parse().map_err(|_| "it is not a URL")?;
    if !is_https_or_loopback(&uri) {
        return Err("use https://, or http:// on a loopback address");
    }
    if text.contains(['#', '@']) {
        return Err("leave user and fragment out");
    }
    Ok(())
}

fn is_prefix(text: &str) -> bool {
    (1..=32).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn issuer(name: &str, prefix: Option<&str>) -> IssuerConfig {
        IssuerConfig {
            principal_prefix: prefix.map(str::to_owned),
            ..IssuerConfig::new(name)
        }
    }

    #[test]
    fn equal_subjects_of_two_issuers_can_never_meet() {
        let (one, two) = ("https://one.example", "https://two.example");
        assert!(check(&[issuer(one, None)], None).is_ok());
        let both = [issuer(one, Some("a")), issuer(two, Some("b"))];
        assert!(check(&both, None).is_ok());
        assert!(check(&both, Some(&issuer(one, None))).is_err());
        for bad in [
            [issuer(one, None), issuer(two, None)],
            [issuer(one, None), issuer(two, Some("b"))],
            [issuer(one, Some("a")), issuer(two, Some("a"))],
            [issuer(one, Some("a")), issuer(one, Some("b"))],
            [issuer(one, Some("a/b")), issuer(two, Some("b"))],
        ] {
            assert!(check(&bad, None).is_err());
        }
    }

    #[test]
    fn issuers_are_reached_in_secret() {
        for bad in ["http://idp.example", "idp", "", "https://me@idp.example"] {
            assert!(check(&[IssuerConfig::new(bad)], None).is_err(), "{bad}");
        }
        let keys = KeySource::JwksUri("http://idp.example/jwks".to_owned());
        let config = IssuerConfig {
            keys,
            ..IssuerConfig::new("https://idp.example")
        };
        assert!(check(&[config], None).is_err());
    }
}
