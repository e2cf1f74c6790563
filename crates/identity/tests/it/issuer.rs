//! An issuer of access tokens: a real HTTP server with metadata and keys. Tokens are signed with another
//! JOSE library than the one under test, so that one misunderstanding can't hide in both.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RsaKeyPair,
};
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

#[derive(Default)]
struct Shared {
    url: String,
    named_issuer: Option<String>,
    keys: Vec<Value>,
    down: bool,
    without_oauth_metadata: bool,
}

type Handle = (Arc<Mutex<Shared>>, Arc<AtomicUsize>);

/// A running issuer; it stops with the test's runtime.
pub(crate) struct Issuer {
    pub(crate) url: String,
    shared: Arc<Mutex<Shared>>,
    key_requests: Arc<AtomicUsize>,
}

/// A signing key and what is published of it.
pub(crate) struct SigningKey {
    pub(crate) kid: String,
    algorithm: Algorithm,
    key: EncodingKey,
}

impl SigningKey {
    pub(crate) fn generate(algorithm: Algorithm, kid: &str) -> Self {
        let key = match algorithm {
            Algorithm::ES256 => {
                let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
                EncodingKey::from_ec_der(pair.to_pkcs8v1().unwrap().as_ref())
            }
            Algorithm::EdDSA => {
                let pair = Ed25519KeyPair::generate().unwrap();
                EncodingKey::from_ed_der(pair.to_pkcs8v1().unwrap().as_ref())
            }
            Algorithm::RS256 | Algorithm::PS256 => {
                let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
                let pkcs8 = pair.as_der().unwrap();
                // Inside PKCS #8 of a 2048-bit key, PKCS #1 begins after 26 bytes.
                EncodingKey::from_rsa_der(&pkcs8.as_ref()[26..])
            }
            other => panic!("no key for {other:?}"),
        };
        Self {
            kid: kid.to_owned(),
            algorithm,
            key,
        }
    }

    pub(crate) fn jwk(&self) -> Value {
        let jwk = Jwk::from_encoding_key(&self.key, self.algorithm).unwrap();
        let mut jwk = serde_json::to_value(jwk).unwrap();
        jwk["kid"] = json!(self.kid);
        jwk["use"] = json!("sig");
        jwk
    }

    pub(crate) fn header(&self) -> Header {
        Header {
            typ: Some("at+jwt".to_owned()),
            kid: Some(self.kid.clone()),
            ..Header::new(self.algorithm)
        }
    }

    pub(crate) fn sign(&self, claims: &Value) -> String {
        self.sign_as(&self.header(), claims)
    }

    pub(crate) fn sign_as(&self, header: &Header, claims: &Value) -> String {
        jsonwebtoken::encode(header, claims, &self.key).unwrap()
    }
}

impl Issuer {
    pub(crate) async fn start(keys: &[&SigningKey]) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Mutex::new(Shared {
            url: url.clone(),
            keys: keys.iter().map(|key| key.jwk()).collect(),
            ..Shared::default()
        }));
        let key_requests = Arc::new(AtomicUsize::new(0));
        let router = Router::new()
            .route(
                "/.well-known/oauth-authorization-server",
                get(oauth_metadata),
            )
            .route("/.well-known/openid-configuration", get(metadata))
            .route("/jwks", get(jwks))
            .with_state((Arc::clone(&shared), Arc::clone(&key_requests)));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self {
            url,
            shared,
            key_requests,
        }
    }

    pub(crate) fn publish(&self, keys: &[Value]) {
        self.shared.lock().unwrap().keys = keys.to_vec();
    }

    pub(crate) fn set_down(&self, down: bool) {
        self.shared.lock().unwrap().down = down;
    }

    pub(crate) fn name_issuer(&self, issuer: &str) {
        self.shared.lock().unwrap().named_issuer = Some(issuer.to_owned());
    }

    pub(crate) fn drop_oauth_metadata(&self) {
        self.shared.lock().unwrap().without_oauth_metadata = true;
    }

    pub(crate) fn key_requests(&self) -> usize {
        self.key_requests.load(Ordering::SeqCst)
    }
}

async fn oauth_metadata(state: State<Handle>) -> Result<Json<Value>, StatusCode> {
    if state.0.0.lock().unwrap().without_oauth_metadata {
        return Err(StatusCode::NOT_FOUND);
    }
    metadata(state).await
}

async fn metadata(State((shared, _)): State<Handle>) -> Result<Json<Value>, StatusCode> {
    let shared = shared.lock().unwrap();
    if shared.down {
        return Err(StatusCode::SERVICE_UNAVAILABLE);
    }
    let issuer = shared.named_issuer.as_ref().unwrap_or(&shared.url);
    Ok(Json(json!({
        "issuer": issuer,
        "jwks_uri": format!("{}/jwks", shared.url),
    })))
}

async fn jwks(State((shared, key_requests)): State<Handle>) -> Result<Json<Value>, StatusCode> {
    key_requests.fetch_add(1, Ordering::SeqCst);
    let shared = shared.lock().unwrap();
    if shared.down {
        return Err(StatusCode::SERVICE_UNAVAILABLE);
    }
    Ok(Json(json!({ "keys": shared.keys })))
}
