//! Trying an identity provider before people do.

use bytes::Bytes;
use sekimori_domain::connector::SecretRef;
use sekimori_domain::identity_provider::{OidcSettings, SamlSettings, SignInProtocol};
use serde_json::Value;

use super::failure::{Reason, SignInFailure};
use super::oidc::OidcClient;
use super::provider::{Client, Provider};
use super::{SignIn, http::ProviderHttp};

/// One thing that was tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderCheck {
    /// What: `metadata`, `keys`, `secret`, `certificates` or `sign_on_address`.
    pub what: &'static str,
    /// What is wrong with it; `None` if it is in order.
    pub problem: Option<String>,
}

impl ProviderCheck {
    fn of(what: &'static str, tried: Result<(), String>) -> Self {
        let problem = tried.err();
        Self { what, problem }
    }
}

impl SignIn {
    /// Asks a provider what sign-ins will ask it, as far as that goes without a person.
    pub async fn check_live(&self, name: &str) -> Result<Vec<ProviderCheck>, SignInFailure> {
        let provider = self.providers.newest(name).await?;
        let Provider { config, client } = &*provider;
        Ok(match (&config.protocol, client) {
            (SignInProtocol::Oidc(settings), Client::Oidc(client)) => {
                check_oidc(settings, client).await
            }
            (SignInProtocol::Saml(settings), _) => {
                check_saml(settings, self.providers.http()).await
            }
            (SignInProtocol::Oidc(_), Client::Saml(_)) => Vec::new(),
        })
    }
}

async fn check_oidc(settings: &OidcSettings, client: &OidcClient) -> Vec<ProviderCheck> {
    let found = client.ask_anew().await;
    let metadata = found.as_ref().map(|_| ()).map_err(|reason| match reason {
        Reason::MixedUp => "it calls itself another issuer than the one in the settings".to_owned(),
        Reason::NotAccepted(_) => {
            "what it publishes of itself lacks an endpoint, or names one that is not https"
                .to_owned()
        }
        _ => "what it publishes of itself could not be fetched".to_owned(),
    });
    let mut checks = vec![ProviderCheck::of("metadata", metadata)];
    if let Ok(document) = found {
        let keys = document.map_err(|_| "its signing keys could not be fetched".to_owned());
        checks.push(ProviderCheck::of(
            "keys",
            keys.and_then(|keys| count(&keys)),
        ));
    }
    let secret = settings.client_secret.as_ref();
    let readable = secret.is_none_or(|secret| client.finds(secret));
    let missing = || {
        let place = match secret {
            Some(SecretRef::Env(name)) => format!("the variable {name} is not set"),
            Some(SecretRef::File(path)) => format!("the file {path} can't be read"),
            Some(SecretRef::Value(_)) | None => "the client secret can't be read".to_owned(),
        };
        Err(place)
    };
    let secret = if readable { Ok(()) } else { missing() };
    checks.push(ProviderCheck::of("secret", secret));
    checks
}

fn count(keys: &Bytes) -> Result<(), String> {
    let document: Value = serde_json::from_slice(keys).unwrap_or_default();
    match document.get("keys").and_then(Value::as_array) {
        Some(keys) if !keys.is_empty() => Ok(()),
        _ => Err("it publishes no signing keys".to_owned()),
    }
}

/// Its certificates were read when it was set up. Of its address it matters that browsers reach it; where that is in
/// the company's own network, the gate need not.
async fn check_saml(settings: &SamlSettings, http: &dyn ProviderHttp) -> Vec<ProviderCheck> {
    let request = ::http::Request::get(&settings.sso_url).body(Bytes::new());
    let answered = match request {
        Ok(request) => http.send(request, false).await.is_ok(),
        Err(_) => false,
    };
    let why =
        "the gate gets no answer from the address where people sign in; see whether a browser does";
    let silent = || Err(why.to_owned());
    vec![
        ProviderCheck::of("certificates", Ok(())),
        ProviderCheck::of("sign_on_address", if answered { Ok(()) } else { silent() }),
    ]
}
