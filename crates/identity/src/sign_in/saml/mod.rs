//! SAML 2.0 service provider, web browser SSO profile: begun by us, answered by a signed response with a
//! signed assertion. This folder is the only place that sees XML.
//!
//! What verifies assertions is behind [`Assertions`], because the library that does it is young: another one
//! can take its place, or stand beside it.

mod request;
mod response;

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use sekimori_domain::digest::Digest;
use sekimori_domain::identity_provider::{IdentityProvider, SamlSettings, SignInProtocol};

use super::failure::Reason;
pub(super) use request::Request;

const PERSISTENT: &str = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent";
const UNSPECIFIED: &str = "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified";
const TRANSIENT: &str = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient";

/// Longest `SAMLResponse` field that is looked at.
const RESPONSE_CHARS_MAX: usize = 512 * 1024;

/// Everything to ask a SAML provider with.
#[derive(Debug)]
pub(super) struct SamlClient {
    entity_id: String,
    acs_url: String,
    assertions: Box<dyn Assertions>,
}

/// What an answer is held against.
#[derive(Debug)]
pub(super) struct Expected<'a> {
    /// The request that it must name.
    pub(super) request_id: &'a str,
    /// The relay state that it must bring back.
    pub(super) relay_state: &'a str,
    pub(super) now: Timestamp,
}

/// What a verified answer says.
#[derive(Debug)]
pub(super) struct Asserted {
    pub(super) name_id: String,
    pub(super) name_id_format: Option<String>,
    pub(super) session: Option<String>,
    pub(super) auth_time: Option<Timestamp>,
    /// Authentication context class.
    pub(super) context: Option<String>,
    pub(super) attributes: BTreeMap<String, Vec<String>>,
    /// Ids that must never be seen again, and until when.
    pub(super) once: Vec<(String, Timestamp)>,
}

/// Verifies the answers of one provider.
pub(super) trait Assertions: Send + Sync + std::fmt::Debug {
    /// What the answer says, if everything about it is in order: both signatures, issuer, audience, recipient,
    /// destination, times, status, and the request it answers. That it is used once only is for the caller
    /// to see to.
    fn verify(&self, response: &str, expected: &Expected<'_>) -> Result<Asserted, Reason>;
}

impl SamlClient {
    /// A client for a provider; `base` is where this gate serves that provider.
    pub(super) fn new(settings: &SamlSettings, base: &str) -> Result<Self, &'static str> {
        let entity_id = format!("{base}/metadata");
        let acs_url = format!("{base}/acs");
        let certificates = certificates(settings)?;
        if settings.name_id_format.as_deref() == Some(TRANSIENT) {
            return Err("a transient name identifier names nobody");
        }
        let assertions = response::Verifier::new(settings, &certificates, &entity_id, &acs_url)?;
        Ok(Self {
            entity_id,
            acs_url,
            assertions: Box::new(assertions),
        })
    }

    /// Where to send the browser.
    pub(super) fn request_url(
        &self,
        provider: &IdentityProvider,
        request: &Request<'_>,
    ) -> Result<String, Reason> {
        Ok(request.url(settings(provider)?, &self.entity_id, &self.acs_url))
    }

    /// What the provider needs to know of us.
    pub(super) fn metadata(&self) -> String {
        let (entity_id, acs_url) = (
            request::escaped(&self.entity_id),
            request::escaped(&self.acs_url),
        );
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <md:EntityDescriptor xmlns:md=\"urn:oasis:names:tc:SAML:2.0:metadata\" entityID=\"{entity_id}\">\
             <md:SPSSODescriptor AuthnRequestsSigned=\"false\" WantAssertionsSigned=\"true\" \
             protocolSupportEnumeration=\"urn:oasis:names:tc:SAML:2.0:protocol\">\
             <md:NameIDFormat>{PERSISTENT}</md:NameIDFormat>\
             <md:AssertionConsumerService index=\"0\" isDefault=\"true\" \
             Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST\" Location=\"{acs_url}\"/>\
             </md:SPSSODescriptor></md:EntityDescriptor>\n"
        )
    }

    /// What an answer says, if everything about it is in order.
    pub(super) fn verify(
        &self,
        response: &str,
        expected: &Expected<'_>,
    ) -> Result<Asserted, Reason> {
        if response.len() > RESPONSE_CHARS_MAX {
            return Err(Reason::NotAccepted("size"));
        }
        let asserted = self.assertions.verify(response, expected)?;
        let given_again = |format: &str| [TRANSIENT].contains(&format);
        if asserted.name_id_format.as_deref().is_some_and(given_again) {
            return Err(Reason::NotAccepted("name identifier"));
        }
        Ok(asserted)
    }
}

impl Asserted {
    /// By what the provider knows the person for good. A name identifier is that only if it says so, or says
    /// nothing of its kind; an e-mail address never is.
    pub(super) fn subject(&self, external_id: Option<&str>) -> Result<String, Reason> {
        if let Some(id) = external_id {
            return Ok(id.to_owned());
        }
        match self.name_id_format.as_deref() {
            None | Some(PERSISTENT | UNSPECIFIED) if self.name_id.len() <= 1_000 => {
                Ok(self.name_id.clone())
            }
            _ => Err(Reason::NotAccepted("name identifier")),
        }
    }
}

/// The id of the request that belongs to a handle.
pub(super) fn request_id(handle: &str) -> String {
    // An XML id does not begin with a digit.
    format!(
        "_{}",
        Digest::of_parts(&[b"sekimori saml request\0", handle.as_bytes()]).hex()
    )
}

fn settings(provider: &IdentityProvider) -> Result<&SamlSettings, Reason> {
    match &provider.protocol {
        SignInProtocol::Saml(settings) => Ok(settings),
        SignInProtocol::Oidc(_) => Err(Reason::UnknownProvider),
    }
}

/// The certificates as base64 of DER, whatever form they were given in.
fn certificates(settings: &SamlSettings) -> Result<Vec<String>, &'static str> {
    if settings.certificates.is_empty() {
        return Err("name at least one signing certificate");
    }
    settings
        .certificates
        .iter()
        .map(|text| {
            let body: String = text
                .lines()
                .filter(|line| !line.starts_with("-----"))
                .flat_map(str::chars)
                .filter(|character| !character.is_whitespace())
                .collect();
            let der = STANDARD.decode(&body).ok();
            // A certificate is an ASN.1 sequence.
            der.filter(|der| der.first() == Some(&0x30))
                .map(|_| body)
                .ok_or("a signing certificate is neither PEM nor base64")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asserted(format: Option<&str>) -> Asserted {
        Asserted {
            name_id: "alice".into(),
            name_id_format: format.map(str::to_owned),
            session: None,
            auth_time: None,
            context: None,
            attributes: BTreeMap::new(),
            once: Vec::new(),
        }
    }

    #[test]
    fn authn_1_an_email_address_names_nobody_for_good() {
        let email = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress";
        for format in [None, Some(PERSISTENT), Some(UNSPECIFIED)] {
            assert_eq!(asserted(format).subject(None).as_deref(), Ok("alice"));
        }
        for format in [Some(email), Some(TRANSIENT)] {
            assert!(asserted(format).subject(None).is_err());
            assert_eq!(asserted(format).subject(Some("42")).as_deref(), Ok("42"));
        }
    }

    #[test]
    fn certificates_are_read_in_both_forms() {
        let settings = |text: &str| SamlSettings {
            entity_id: "https://idp.example".into(),
            sso_url: "https://idp.example/sso".into(),
            certificates: vec![text.into()],
            name_id_format: None,
        };
        let body = STANDARD.encode([0x30, 0x00]);
        let pem = format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n");
        assert_eq!(
            certificates(&settings(&pem)),
            certificates(&settings(&body))
        );
        for bad in ["", "x", "AAAA"] {
            assert!(certificates(&settings(bad)).is_err(), "{bad}");
        }
    }
}
