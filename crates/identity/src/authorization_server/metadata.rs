//! What clients read first: the metadata of the authorization server.

use serde_json::{Value, json};

use super::AuthorizationServer;
use crate::scope::{ASSURANCE_MFA, Scope};
use crate::token::Algorithm;

impl AuthorizationServer {
    /// The metadata (RFC 8414). OpenID Connect Discovery gets the same: clients of 2025 look for either.
    pub fn metadata(&self) -> Value {
        let issuer = self.issuer();
        let at = |path: &str| format!("{issuer}{path}");
        let mut scopes: Vec<&str> = Scope::ALL.map(Scope::as_str).to_vec();
        scopes.push(ASSURANCE_MFA);
        let algorithms = Algorithm::ALL.map(Algorithm::as_str);
        let mut grant_types = vec!["authorization_code", "refresh_token", "client_credentials"];
        let mut metadata = json!({
            "issuer": issuer,
            "authorization_endpoint": at("/authorize"),
            "token_endpoint": at("/token"),
            "revocation_endpoint": at("/revoke"),
            "jwks_uri": at("/jwks"),
            "scopes_supported": scopes,
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["none", "private_key_jwt"],
            "token_endpoint_auth_signing_alg_values_supported": algorithms,
            "revocation_endpoint_auth_methods_supported": ["none", "private_key_jwt"],
            "revocation_endpoint_auth_signing_alg_values_supported": algorithms,
            "authorization_response_iss_parameter_supported": true,
            "client_id_metadata_document_supported": true,
            "ui_locales_supported": ["ja", "en"],
            // Of OpenID Connect Discovery, which requires them; ID tokens are not issued.
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
        });
        if let Some(members) = metadata.as_object_mut() {
            if !self.enterprise.is_empty() {
                grant_types.push("urn:ietf:params:oauth:grant-type:jwt-bearer");
                members.insert(
                    "authorization_grant_profiles_supported".to_owned(),
                    json!(["urn:ietf:params:oauth:grant-profile:id-jag"]),
                );
            }
            members.insert("grant_types_supported".to_owned(), json!(grant_types));
            if self.config.registration.is_some() {
                members.insert("registration_endpoint".to_owned(), json!(at("/register")));
            }
        }
        metadata
    }

    /// The public signing keys (RFC 7517).
    pub fn jwks(&self) -> Value {
        self.keys.public_keys().jwks.clone()
    }
}
