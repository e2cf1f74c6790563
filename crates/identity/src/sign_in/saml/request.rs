//! The request that begins a sign-in (HTTP-Redirect binding).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use sekimori_domain::identity_provider::SamlSettings;

use crate::sign_in::http::append_query;

/// A request to sign a person in.
#[derive(Debug)]
pub(in crate::sign_in) struct Request<'a> {
    pub(in crate::sign_in) id: &'a str,
    pub(in crate::sign_in) relay_state: &'a str,
    pub(in crate::sign_in) now: Timestamp,
    /// Whether the person must prove anew who they are.
    pub(in crate::sign_in) force: bool,
    /// Authentication context classes to ask for; none leaves it to the provider.
    pub(in crate::sign_in) contexts: &'a [String],
}

impl Request<'_> {
    pub(super) fn url(&self, settings: &SamlSettings, entity_id: &str, acs_url: &str) -> String {
        let xml = self.xml(settings, entity_id, acs_url);
        let message = STANDARD.encode(stored(xml.as_bytes()));
        append_query(
            &settings.sso_url,
            &[("SAMLRequest", &message), ("RelayState", self.relay_state)],
        )
    }

    fn xml(&self, settings: &SamlSettings, entity_id: &str, acs_url: &str) -> String {
        let instant = self.now.strftime("%Y-%m-%dT%H:%M:%SZ");
        let force = if self.force {
            " ForceAuthn=\"true\""
        } else {
            ""
        };
        let policy = match &settings.name_id_format {
            Some(format) => format!(
                "<samlp:NameIDPolicy AllowCreate=\"true\" Format=\"{}\"/>",
                escaped(format)
            ),
            None => "<samlp:NameIDPolicy AllowCreate=\"true\"/>".to_owned(),
        };
        format!(
            "<samlp:AuthnRequest xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\" \
             xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\" ID=\"{id}\" Version=\"2.0\" \
             IssueInstant=\"{instant}\" Destination=\"{destination}\"{force} \
             ProtocolBinding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST\" \
             AssertionConsumerServiceURL=\"{acs}\"><saml:Issuer>{issuer}</saml:Issuer>{policy}{contexts}\
             </samlp:AuthnRequest>",
            id = escaped(self.id),
            destination = escaped(&settings.sso_url),
            acs = escaped(acs_url),
            issuer = escaped(entity_id),
            contexts = self.requested_contexts(),
        )
    }

    fn requested_contexts(&self) -> String {
        if self.contexts.is_empty() {
            return String::new();
        }
        let mut classes = String::new();
        for class in self.contexts {
            classes.push_str("<saml:AuthnContextClassRef>");
            classes.push_str(&escaped(class));
            classes.push_str("</saml:AuthnContextClassRef>");
        }
        format!(
            "<samlp:RequestedAuthnContext Comparison=\"exact\">{classes}</samlp:RequestedAuthnContext>"
        )
    }
}

/// A text inside XML, in content or attributes.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            character if character.is_control() => {}
            character => escaped.push(character),
        }
    }
    escaped
}

/// The DEFLATE form that the binding wants (RFC 1951), in stored blocks: a request is too short to be worth
/// compressing.
fn stored(bytes: &[u8]) -> Vec<u8> {
    const BLOCK_BYTES_MAX: usize = 0xffff;
    let mut out = Vec::with_capacity(bytes.len() + 5);
    let mut blocks = bytes.chunks(BLOCK_BYTES_MAX).peekable();
    while let Some(block) = blocks.next() {
        let length = u16::try_from(block.len()).unwrap_or(u16::MAX);
        out.push(u8::from(blocks.peek().is_none()));
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&(!length).to_le_bytes());
        out.extend_from_slice(block);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_cannot_leave_their_place() {
        assert_eq!(escaped("a\"/><b>&'\n"), "a&quot;/&gt;&lt;b&gt;&amp;&apos;");
    }

    #[test]
    fn stored_blocks_say_their_length_and_which_is_the_last() {
        let bytes = vec![7; 0xffff + 2];
        let out = stored(&bytes);
        assert_eq!(out.len(), bytes.len() + 10);
        assert_eq!(out.get(..5), Some([0, 0xff, 0xff, 0, 0].as_slice()));
        assert_eq!(
            out.get(5 + 0xffff..10 + 0xffff),
            Some([1, 2, 0, 0xfd, 0xff].as_slice())
        );
    }
}
