//! What a client is told so that it can authorize itself: `WWW-Authenticate` (RFC 6750, RFC 9728) and
//! protected-resource metadata.

use http::HeaderValue;
use sekimori_domain::refusal::{Need, Refusal, RefusalCode};
use sekimori_domain::scope::Scope;
use serde_json::{Value, json};

use crate::credentials::MISSING;
use crate::resource::ResourceUri;
use crate::scope::ASSURANCE_MFA;

/// The `WWW-Authenticate` header that goes with a refusal; `None` if another credential would not help.
///
/// The challenge names the scope that the refused operation needs, or the least one, together with all that
/// it includes, so that one authorization is enough (AUTHN-7).
pub fn challenge(refusal: &Refusal, resource: &ResourceUri) -> Option<HeaderValue> {
    let error = match refusal.code {
        RefusalCode::Unauthenticated if refusal.message == MISSING => None,
        RefusalCode::Unauthenticated | RefusalCode::Revoked | RefusalCode::WrongAudience => {
            Some("invalid_token")
        }
        RefusalCode::InsufficientScope => Some("insufficient_scope"),
        _ => return None,
    };
    let (needed, assurance) = match refusal.need.as_deref() {
        Some(Need::Scope(scope)) => (*scope, ""),
        Some(Need::SecondFactor { scope, .. }) => (*scope, ASSURANCE_MFA),
        // Nothing that another token would bring.
        Some(Need::Capabilities(_) | Need::Approval(_) | Need::Time(_) | Need::Account { .. })
        | None => (Scope::Read, ""),
    };
    let mut scopes = needed.with_included().to_owned();
    if !assurance.is_empty() {
        scopes.push(' ');
        scopes.push_str(assurance);
    }
    let mut text = format!(
        "Bearer resource_metadata=\"{}\", scope=\"{scopes}\"",
        resource.metadata_url(),
    );
    if let Some(error) = error {
        text.push_str(", error=\"");
        text.push_str(error);
        text.push_str("\", error_description=\"");
        text.extend(refusal.message.chars().map(quotable));
        text.push('"');
    }
    HeaderValue::from_str(&text).ok()
}

/// RFC 6750 allows printable ASCII without quote and backslash in a description.
fn quotable(character: char) -> char {
    match character {
        '"' => '\'',
        ' '..='~' if character != '\\' => character,
        _ => '?',
    }
}

/// The metadata of one of our resources (RFC 9728).
///
/// `issuers` are the authorization servers whose tokens are accepted.
pub fn protected_resource_metadata<'a>(
    resource: &ResourceUri,
    issuers: impl IntoIterator<Item = &'a str>,
) -> Value {
    let issuers: Vec<&str> = issuers.into_iter().collect();
    let name = resource.connector().map_or_else(
        || "Sekimori".to_owned(),
        |connector| format!("Sekimori: {connector}"),
    );
    let mut metadata = json!({
        "resource": resource.as_str(),
        "authorization_servers": issuers,
        "scopes_supported": Scope::ALL.map(Scope::as_str),
        "bearer_methods_supported": ["header"],
        "resource_name": name,
    });
    // RFC 9728: parameters without a value must be left out.
    if issuers.is_empty()
        && let Some(members) = metadata.as_object_mut()
    {
        members.shift_remove("authorization_servers");
    }
    metadata
}

#[cfg(test)]
mod tests {
    use sekimori_domain::ids::ConnectorName;
    use sekimori_domain::refusal::Stage;

    use super::*;
    use crate::resource::PublicUrl;

    fn header(code: RefusalCode, message: &str, need: Option<Need>) -> Option<String> {
        let resource = PublicUrl::new("https://gate.example").unwrap().aggregate();
        let refusal = Refusal {
            need: need.map(Box::new),
            ..Refusal::new(code, Stage::Authenticate, message)
        };
        challenge(&refusal, &resource).map(|value| value.to_str().unwrap().to_owned())
    }

    #[test]
    fn authn_7_without_a_credential_the_challenge_holds_no_error() {
        assert_eq!(
            header(RefusalCode::Unauthenticated, MISSING, None).unwrap(),
            "Bearer resource_metadata=\"https://gate.example/.well-known/oauth-protected-resource/mcp\", \
             scope=\"mcp:read\""
        );
    }

    #[test]
    fn authn_7_a_bad_token_and_a_narrow_one_are_told_apart() {
        let bad = header(RefusalCode::WrongAudience, "it is \"foreign\"\n", None).unwrap();
        assert!(bad.ends_with("error=\"invalid_token\", error_description=\"it is 'foreign'?\""));
        let need = Some(Need::Scope(Scope::Admin));
        let narrow = header(RefusalCode::InsufficientScope, "narrow", need).unwrap();
        assert!(narrow.contains("scope=\"mcp:read mcp:write mcp:admin\""));
        assert!(narrow.contains("error=\"insufficient_scope\""));
    }

    #[test]
    fn authz_6_a_missing_second_factor_is_asked_for_by_scope() {
        let need = Some(Need::SecondFactor {
            scope: Scope::Write,
            page: String::new(),
        });
        let asked = header(RefusalCode::InsufficientScope, "prove it", need).unwrap();
        assert!(asked.contains("scope=\"mcp:read mcp:write assurance:mfa\""));
        assert!(asked.contains("error=\"insufficient_scope\""));
    }

    #[test]
    fn where_no_credential_helps_there_is_no_challenge() {
        for code in [
            RefusalCode::PolicyDenied,
            RefusalCode::DependencyUnavailable,
            RefusalCode::InvalidRequest,
        ] {
            assert_eq!(header(code, "no", None), None);
        }
    }

    #[test]
    fn metadata_names_the_resource_and_its_issuers() {
        let url = PublicUrl::new("https://gate.example").unwrap();
        let metadata = protected_resource_metadata(&url.aggregate(), ["https://idp.example"]);
        assert_eq!(metadata["resource"], "https://gate.example/mcp");
        assert_eq!(
            metadata["authorization_servers"],
            json!(["https://idp.example"])
        );
        assert_eq!(metadata["bearer_methods_supported"], json!(["header"]));
        let crm = url.connector(&ConnectorName::new("crm").unwrap());
        let metadata = protected_resource_metadata(&crm, []);
        assert_eq!(metadata["resource_name"], "Sekimori: crm");
        assert!(metadata.get("authorization_servers").is_none());
    }
}
