//! Verifying answers with `saml-rs`.

use std::collections::BTreeMap;
use std::time::SystemTime;

use jiff::Timestamp;
use saml_rs::xml::{ExtractorField, extract};
use saml_rs::{
    AcsEndpoint, AssertionSignaturePolicy, AudienceValidationPolicy, AuthnRequest, BrowserInput,
    ClockSkew, EntityId, FormField, IdpDescriptor, MessageId, MetadataTrustPolicy, Pending,
    RelayStateParam, ReplayCache, ReplayKey, ReplayPolicy, ResponseSignaturePolicy, Saml,
    SamlError, SamlValidationContext, Sp, SpConfig, SpValidationPolicy, SsoResponse,
    SsoResponseBinding, SsoSession, VerifiedXmlSignatureCoverage, XmlSignatureProfile,
};
use sekimori_domain::identity_provider::SamlSettings;

use super::request::escaped;
use super::{Asserted, Assertions, Expected};
use crate::sign_in::failure::Reason;
use crate::token::claims::displayable;

/// How far clocks may be apart.
const CLOCK_SKEW_MS: i64 = 60_000;
/// Most values of one attribute, and most attributes.
const VALUES_MAX: usize = 2_000;

/// Verifies the answers of one provider.
pub(super) struct Verifier {
    provider: Saml<Sp>,
    idp: IdpDescriptor,
    idp_entity_id: EntityId,
    acs: AcsEndpoint,
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verifier").finish_non_exhaustive()
    }
}

/// Ids that the library wants to see once only. It checks them synchronously; our memory is the database,
/// which the caller asks before anything is believed.
#[derive(Default)]
struct Once(Vec<(String, SystemTime)>);

impl ReplayCache for Once {
    fn check_and_store(&mut self, key: ReplayKey, until: SystemTime) -> Result<(), SamlError> {
        self.0.push((key.cache_key(), until));
        Ok(())
    }
}

impl Verifier {
    pub(super) fn new(
        settings: &SamlSettings,
        certificates: &[String],
        entity_id: &str,
        acs_url: &str,
    ) -> Result<Self, &'static str> {
        Self::build(settings, certificates, entity_id, acs_url).map_err(|error| {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "a SAML provider can't be used as configured"
            );
            "its entity id, address or certificates are not of their form"
        })
    }

    fn build(
        settings: &SamlSettings,
        certificates: &[String],
        entity_id: &str,
        acs_url: &str,
    ) -> Result<Self, SamlError> {
        let acs = AcsEndpoint::post(acs_url)?;
        let validation = SpValidationPolicy {
            assertions: AssertionSignaturePolicy::RequireSigned,
            responses: ResponseSignaturePolicy::RequireSigned,
            xml_signatures: XmlSignatureProfile::StrictRsaSha2,
            audience: AudienceValidationPolicy::Validate,
            ..SpValidationPolicy::recommended()
        };
        let config = SpConfig::builder(EntityId::try_new(entity_id)?)
            .acs_endpoint(acs.clone())
            .validation(validation)
            .build()?;
        let idp_entity_id = EntityId::try_new(&*settings.entity_id)?;
        let idp = IdpDescriptor::from_metadata_xml_for(
            idp_entity_id.clone(),
            &metadata(settings, certificates),
            // Made here, of what an administrator entered: nobody else signs it.
            MetadataTrustPolicy::UnsignedForCompatibility,
        )?;
        Ok(Self {
            provider: Saml::sp(config)?,
            idp,
            idp_entity_id,
            acs,
        })
    }

    fn session(
        &self,
        response: &str,
        expected: &Expected<'_>,
        once: &mut Once,
    ) -> Result<SsoSession, SamlError> {
        let pending = Pending::<AuthnRequest>::try_new(
            MessageId::try_new(expected.request_id)?,
            RelayStateParam::try_from_option(Some(expected.relay_state))?,
            self.acs.clone(),
            SsoResponseBinding::Post,
            self.idp_entity_id.clone(),
        )?;
        let fields = vec![
            FormField::new("SAMLResponse", response),
            FormField::new("RelayState", expected.relay_state),
        ];
        let context = SamlValidationContext::new(
            SystemTime::from(expected.now),
            ReplayPolicy::RequireCache(once),
        )
        .with_clock_skew(ClockSkew::from_millis(-CLOCK_SKEW_MS, CLOCK_SKEW_MS));
        self.provider.finish_sso(
            &self.idp,
            &pending,
            BrowserInput::<SsoResponse>::post(fields),
            context,
        )
    }
}

impl Assertions for Verifier {
    fn verify(&self, response: &str, expected: &Expected<'_>) -> Result<Asserted, Reason> {
        let mut once = Once::default();
        let session = self
            .session(response, expected, &mut once)
            .map_err(|error| {
                // Its messages may quote the document: only the kind goes into the log.
                let reason = reason(&error);
                tracing::warn!(%reason, "a SAML answer was refused");
                reason
            })?;
        check_signatures(&session)?;
        if once.0.is_empty() {
            return Err(Reason::NotAccepted("ids"));
        }
        let once = once
            .0
            .into_iter()
            .map(|(id, until)| Some((id, Timestamp::try_from(until).ok()?)))
            .collect::<Option<_>>()
            .ok_or(Reason::NotAccepted("times"))?;
        let authn = session.authn_session();
        Ok(Asserted {
            name_id: session.name_id().value().to_owned(),
            name_id_format: session
                .name_id()
                .format()
                .map(|format| format.as_uri().to_owned()),
            session: authn.session_index().map(|index| index.as_str().to_owned()),
            auth_time: authn
                .authn_instant()
                .and_then(|instant| instant.as_str().parse().ok()),
            context: context(&session)?,
            attributes: attributes(&session)?,
            once,
        })
    }
}

/// The library was told to insist on both signatures; this looks at what it says it verified.
fn check_signatures(session: &SsoSession) -> Result<(), Reason> {
    let (mut response, mut assertion) = (false, false);
    for signature in session.verified_xml_signatures() {
        match signature.coverage() {
            VerifiedXmlSignatureCoverage::ResponseRoot => response = true,
            VerifiedXmlSignatureCoverage::ConsumedAssertion => assertion = true,
            VerifiedXmlSignatureCoverage::ResponseRootAndConsumedAssertion => {
                (response, assertion) = (true, true);
            }
        }
    }
    if response && assertion {
        Ok(())
    } else {
        Err(Reason::NotAccepted("signature"))
    }
}

/// The authentication context class, from the response whose signature was verified as a whole. Two
/// different ones are none.
fn context(session: &SsoSession) -> Result<Option<String>, Reason> {
    let path = [
        "Response",
        "Assertion",
        "AuthnStatement",
        "AuthnContext",
        "AuthnContextClassRef",
    ];
    let found = extract(
        &session.raw_flow().saml_content,
        &[ExtractorField::new("class", &path)],
    )
    .map_err(|_| Reason::NotAccepted("form"))?;
    Ok(found.get_str("class").map(displayable))
}

fn attributes(session: &SsoSession) -> Result<BTreeMap<String, Vec<String>>, Reason> {
    let mut attributes = BTreeMap::new();
    for attribute in session.attributes().as_slice() {
        let values: Vec<String> = attribute
            .values()
            .iter()
            .map(|value| value.as_str().to_owned())
            .collect();
        let twice = attributes.insert(attribute.name().to_owned(), values);
        // Which of two would count is what pollution plays with.
        if twice.is_some() || attributes.len() > VALUES_MAX {
            return Err(Reason::NotAccepted("attributes"));
        }
    }
    if attributes.values().any(|values| values.len() > VALUES_MAX) {
        return Err(Reason::NotAccepted("attributes"));
    }
    Ok(attributes)
}

/// What is configured, in the form that the library reads.
fn metadata(settings: &SamlSettings, certificates: &[String]) -> String {
    let mut keys = String::new();
    for certificate in certificates {
        keys.push_str(
            "<md:KeyDescriptor use=\"signing\"><ds:KeyInfo><ds:X509Data><ds:X509Certificate>",
        );
        keys.push_str(certificate);
        keys.push_str("</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>");
    }
    format!(
        "<md:EntityDescriptor xmlns:md=\"urn:oasis:names:tc:SAML:2.0:metadata\" \
         xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\" entityID=\"{entity}\">\
         <md:IDPSSODescriptor protocolSupportEnumeration=\"urn:oasis:names:tc:SAML:2.0:protocol\">{keys}\
         <md:SingleSignOnService Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect\" \
         Location=\"{sso}\"/></md:IDPSSODescriptor></md:EntityDescriptor>",
        entity = escaped(&settings.entity_id),
        sso = escaped(&settings.sso_url),
    )
}

fn reason(error: &SamlError) -> Reason {
    match error {
        SamlError::IssuerMismatch { .. } => Reason::MixedUp,
        SamlError::InResponseToMismatch { .. } => Reason::NotAccepted("request"),
        SamlError::DestinationMismatch { .. } => Reason::NotAccepted("destination"),
        SamlError::ReplayDetected { .. } => Reason::Replayed,
        _ => Reason::NotAccepted("assertion"),
    }
}
