//! An authenticator with everything around it that it needs.

use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use axum::http::{Request, StatusCode};
use bytes::Bytes;
use futures_util::FutureExt;
use http::Uri;
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use sekimori_domain::caller::{Caller, Source};
use sekimori_domain::clock::Clock;
use sekimori_domain::refusal::{Refusal, RefusalCode};
use sekimori_identity::{
    Authenticator, AuthenticatorConfig, ClaimNames, Conditions, CredentialStores, Credentials,
    Fetch, FetchError, IssuerConfig, OwnIssuer, PublicUrl, ResourceUri, Revocations,
};
use serde_json::{Value, json};

use crate::clock::TestClock;
use crate::stores::Stores;

pub(crate) const PUBLIC_URL: &str = "https://gate.example";
pub(crate) const AUDIENCE: &str = "https://gate.example/mcp";

/// GET over plain HTTP, without any guard.
pub(crate) struct PlainHttp;

#[async_trait]
impl Fetch for PlainHttp {
    async fn get_json(&self, url: &Uri) -> Result<Bytes, FetchError> {
        let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
        let request = Request::get(url.clone()).body(Empty::new()).unwrap();
        let response = client
            .request(request)
            .await
            .map_err(|error| FetchError::Unavailable(error.into()))?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => return Err(FetchError::NotFound),
            other => return Err(FetchError::Unavailable(other.to_string().into())),
        }
        let body = Limited::new(response.into_body(), 1 << 20).collect().await;
        Ok(body.map_err(FetchError::Unavailable)?.to_bytes())
    }
}

pub(crate) struct Gate {
    pub(crate) authenticator: Arc<Authenticator>,
    pub(crate) revocations: Arc<Revocations>,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) stores: Arc<Stores>,
    pub(crate) resource: ResourceUri,
}

pub(crate) fn issuer_config(url: &str) -> IssuerConfig {
    IssuerConfig {
        claims: ClaimNames {
            groups: Some("groups".to_owned()),
            ..ClaimNames::default()
        },
        ..IssuerConfig::new(url)
    }
}

impl Gate {
    pub(crate) fn new(issuers: Vec<IssuerConfig>) -> Self {
        let stores = Arc::new(Stores::new());
        let config = AuthenticatorConfig {
            issuers,
            ..AuthenticatorConfig::new(PublicUrl::new(PUBLIC_URL).unwrap())
        };
        Self::with(config, credentials(&stores), stores)
    }

    /// A gate that looks at where requests come from.
    pub(crate) fn with_conditions(issuers: Vec<IssuerConfig>, conditions: Conditions) -> Self {
        let stores = Arc::new(Stores::new());
        let config = AuthenticatorConfig {
            issuers,
            conditions,
            ..AuthenticatorConfig::new(PublicUrl::new(PUBLIC_URL).unwrap())
        };
        Self::with(config, credentials(&stores), stores)
    }

    /// A gate that lets everybody on this machine in.
    pub(crate) fn for_everybody_here() -> Self {
        let stores = Arc::new(Stores::new());
        let config = AuthenticatorConfig {
            anonymous_on_loopback: true,
            ..AuthenticatorConfig::new(PublicUrl::new(PUBLIC_URL).unwrap())
        };
        Self::with(config, credentials(&stores), stores)
    }

    /// A gate that accepts the tokens of its own authorization server.
    pub(crate) fn own(issuer: Arc<dyn OwnIssuer>) -> Self {
        let stores = Arc::new(Stores::new());
        let config = AuthenticatorConfig {
            own_issuer: Some(issuer),
            ..AuthenticatorConfig::new(PublicUrl::new(PUBLIC_URL).unwrap())
        };
        Self::with(config, credentials(&stores), stores)
    }

    /// A gate with other stores than the ones in memory.
    pub(crate) fn on(credentials: CredentialStores) -> Self {
        let config = AuthenticatorConfig::new(PublicUrl::new(PUBLIC_URL).unwrap());
        Self::with(config, credentials, Arc::new(Stores::new()))
    }

    fn with(
        config: AuthenticatorConfig,
        credentials: CredentialStores,
        stores: Arc<Stores>,
    ) -> Self {
        let clock = Arc::new(TestClock::new());
        let resource = config.public_url.aggregate();
        let fetch: Arc<dyn Fetch> = Arc::new(PlainHttp);
        let revocations = Arc::new(Revocations::over(
            Arc::<Stores>::clone(&stores),
            Arc::<Stores>::clone(&stores),
            Arc::<TestClock>::clone(&clock),
        ));
        // The stores in memory answer at once.
        revocations.load().now_or_never().unwrap().unwrap();
        let followed = Arc::clone(&revocations);
        tokio::spawn(async move { followed.follow().await });
        let authenticator = Authenticator::new(
            config,
            &fetch,
            credentials,
            Arc::clone(&revocations),
            Arc::<TestClock>::clone(&clock),
        );
        Self {
            authenticator: Arc::new(authenticator.unwrap()),
            revocations,
            clock,
            stores,
            resource,
        }
    }

    pub(crate) async fn try_token(&self, token: &str) -> Result<Arc<Caller>, Refusal> {
        self.try_token_from(token, Some("192.0.2.7")).await
    }

    pub(crate) async fn try_token_from(
        &self,
        token: &str,
        ip: Option<&str>,
    ) -> Result<Arc<Caller>, Refusal> {
        let credentials = Credentials::bearer(&format!("Bearer {token}"))?;
        self.authenticator
            .authenticate(&credentials, source(ip), &self.resource)
            .await
    }

    pub(crate) async fn refusal(&self, token: &str) -> Refusal {
        let refusal = self.try_token(token).await.unwrap_err();
        // Whatever is wrong with a token, it is never repeated.
        assert!(!refusal.message.contains(token));
        refusal
    }

    /// Claims of a good token; `changes` replace or, with null, remove.
    pub(crate) fn claims(&self, issuer: &str, changes: &Value) -> Value {
        let now = self.clock.now().as_second();
        let mut claims = json!({
            "iss": issuer, "aud": AUDIENCE, "sub": "u-1", "client_id": "client-1",
            "iat": now, "exp": now + 300, "scope": "mcp:read mcp:write", "name": "Hanako Yamada",
            "groups": ["sales"], "amr": ["pwd", "mfa"], "acr": "aal2", "auth_time": now - 60,
        });
        for (name, value) in changes.as_object().unwrap() {
            if value.is_null() {
                claims.as_object_mut().unwrap().shift_remove(name);
            } else {
                claims[name] = value.clone();
            }
        }
        claims
    }
}

fn credentials(stores: &Arc<Stores>) -> CredentialStores {
    CredentialStores {
        accounts: Arc::<Stores>::clone(stores),
        administrators: Arc::<Stores>::clone(stores),
        people: Arc::<Stores>::clone(stores),
        changes: Arc::<Stores>::clone(stores),
    }
}

pub(crate) fn source(ip: Option<&str>) -> Source {
    Source {
        ip: ip.map(|ip| ip.parse::<IpAddr>().unwrap()),
        user_agent: Some("test".to_owned()),
        certificate: None,
    }
}

pub(crate) fn assert_unauthenticated(refusal: &Refusal, part: &str) {
    assert_eq!(refusal.code, RefusalCode::Unauthenticated, "{refusal}");
    assert!(refusal.message.contains(part), "{refusal}");
}
