//! An OAuth issuer: metadata, keys and access tokens, good and bad.
//!
//! Tokens are signed here with bare cryptography instead of the library which the gateway verifies with,
//! so that a misunderstanding cannot cancel itself out.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
};
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::fixture::Local;

/// How long a token is valid when its claims do not say so, in seconds.
const LIFETIME: u64 = 300;

/// How a token is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Algorithm {
    /// ECDSA with the curve P-256.
    #[default]
    Es256,
    /// Ed25519.
    EdDsa,
}

/// Makes the signature of some bytes.
type Signer<'a> = &'a dyn Fn(&[u8]) -> Vec<u8>;

struct Keys {
    generation: usize,
    ecdsa: EcdsaKeyPair,
    ed25519: Ed25519KeyPair,
}

impl Keys {
    fn generate(generation: usize) -> Self {
        Self {
            generation,
            ecdsa: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a new key"),
            ed25519: Ed25519KeyPair::generate().expect("a new key"),
        }
    }

    fn key_id(&self, algorithm: Algorithm) -> String {
        match algorithm {
            Algorithm::Es256 => format!("ec-{}", self.generation),
            Algorithm::EdDsa => format!("ed-{}", self.generation),
        }
    }

    fn public(&self) -> [Value; 2] {
        // An uncompressed point: one byte for the form, then both coordinates.
        let point = self.ecdsa.public_key().as_ref();
        let (x, y) = point[1..].split_at(32);
        [
            json!({
                "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256",
                "kid": self.key_id(Algorithm::Es256), "x": encode(x), "y": encode(y)
            }),
            json!({
                "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA",
                "kid": self.key_id(Algorithm::EdDsa), "x": encode(self.ed25519.public_key())
            }),
        ]
    }

    fn sign(&self, algorithm: Algorithm, claims: &Value) -> String {
        let (name, sign): (_, Signer<'_>) = match algorithm {
            Algorithm::Es256 => ("ES256", &|data| {
                let signature = self.ecdsa.sign(&SystemRandom::new(), data);
                signature.expect("the key signs").as_ref().to_vec()
            }),
            Algorithm::EdDsa => ("EdDSA", &|data| self.ed25519.sign(data).as_ref().to_vec()),
        };
        let header = json!({ "alg": name, "typ": "at+jwt", "kid": self.key_id(algorithm) });
        assemble(&header, claims, sign)
    }

    /// The public key in the text form which careless verifiers have taken for a shared secret.
    fn public_pem(&self) -> String {
        let der = self
            .ecdsa
            .public_key()
            .as_der()
            .expect("a key can be encoded");
        let lines: Vec<String> = STANDARD
            .encode(der.as_ref())
            .as_bytes()
            .chunks(64)
            .map(|line| String::from_utf8_lossy(line).into_owned())
            .collect();
        format!(
            "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
            lines.join("\n")
        )
    }
}

struct Shared {
    keys: Mutex<Keys>,
    published: Mutex<Vec<Value>>,
    key_requests: AtomicUsize,
    broken: Mutex<bool>,
    url: Mutex<String>,
}

/// A running issuer. It stops when dropped.
pub struct Issuer {
    /// The issuer's identifier, which is also its address.
    pub url: String,
    shared: Arc<Shared>,
    _server: Local,
}

impl std::fmt::Debug for Issuer {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Issuer")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

impl Issuer {
    /// Starts an issuer with new keys.
    pub async fn start() -> Self {
        let keys = Keys::generate(1);
        let shared = Arc::new(Shared {
            published: Mutex::new(keys.public().to_vec()),
            keys: Mutex::new(keys),
            key_requests: AtomicUsize::new(0),
            broken: Mutex::new(false),
            url: Mutex::default(),
        });
        let router = Router::new()
            .route("/.well-known/oauth-authorization-server", get(metadata))
            .route("/.well-known/openid-configuration", get(metadata))
            .route("/jwks", get(jwks))
            .with_state(Arc::clone(&shared));
        let server = Local::serve(router, CancellationToken::new()).await;
        let url = format!("http://{}", server.address);
        locked(&shared.url).clone_from(&url);
        Self {
            url,
            shared,
            _server: server,
        }
    }

    /// Where the keys are published.
    pub fn jwks_url(&self) -> String {
        format!("{}/jwks", self.url)
    }

    /// Signs a token. Where the claims lack them, adds `iss`, `sub`, `iat`, `exp` and `jti`; a claim
    /// given as null is left out. The audience has to be given.
    pub fn token(&self, claims: &Value) -> String {
        self.token_with(Algorithm::Es256, claims)
    }

    /// Signs a token with a chosen algorithm.
    pub fn token_with(&self, algorithm: Algorithm, claims: &Value) -> String {
        locked(&self.shared.keys).sign(algorithm, &self.complete(claims))
    }

    /// A token which says that it needs no signature.
    pub fn forge_unsigned(&self, claims: &Value) -> String {
        let header = json!({ "alg": "none", "typ": "at+jwt" });
        assemble(&header, &self.complete(claims), &|_| Vec::new())
    }

    /// A token signed with the public key as if it were a shared secret.
    pub fn forge_with_public_key(&self, claims: &Value) -> String {
        let keys = locked(&self.shared.keys);
        let header = json!({
            "alg": "HS256", "typ": "at+jwt", "kid": keys.key_id(Algorithm::Es256)
        });
        let secret = hmac::Key::new(hmac::HMAC_SHA256, keys.public_pem().as_bytes());
        assemble(&header, &self.complete(claims), &|data| {
            hmac::sign(&secret, data).as_ref().to_vec()
        })
    }

    /// A token with the right key identifier, signed by somebody else.
    pub fn forge_with_other_key(&self, claims: &Value) -> String {
        let generation = locked(&self.shared.keys).generation;
        Keys::generate(generation).sign(Algorithm::Es256, &self.complete(claims))
    }

    /// A valid token whose claims were altered after signing.
    pub fn forge_altered(&self, claims: &Value, altered: &Value) -> String {
        let token = self.token(claims);
        let mut parts = token.split('.');
        let header = parts.next().unwrap_or_default();
        let signature = parts.next_back().unwrap_or_default();
        let claims = encode(self.complete(altered).to_string());
        format!("{header}.{claims}.{signature}")
    }

    /// Signs with new keys from now on. The old keys stay published, or vanish.
    pub fn rotate(&self, keep_old: bool) {
        let mut keys = locked(&self.shared.keys);
        *keys = Keys::generate(keys.generation + 1);
        let mut published = locked(&self.shared.published);
        if !keep_old {
            published.clear();
        }
        published.extend(keys.public());
    }

    /// Answers every request for the keys with status 503, until called with false.
    pub fn break_jwks(&self, broken: bool) {
        *locked(&self.shared.broken) = broken;
    }

    /// How often the keys were requested.
    pub fn key_requests(&self) -> usize {
        self.shared.key_requests.load(Ordering::SeqCst)
    }

    fn complete(&self, claims: &Value) -> Value {
        let now = now();
        let mut complete = json!({
            "iss": self.url, "sub": "somebody", "iat": now, "exp": now + LIFETIME,
            "jti": encode(random())
        });
        let given = claims.as_object().expect("claims are an object");
        let all = complete.as_object_mut().expect("made as an object");
        for (name, value) in given {
            if value.is_null() {
                all.shift_remove(name);
            } else {
                all.insert(name.clone(), value.clone());
            }
        }
        complete
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the issuer is another party, with the real time"
)]
fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

fn random() -> [u8; 16] {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).expect("the system gives random bytes");
    bytes
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn assemble(header: &Value, claims: &Value, sign: Signer<'_>) -> String {
    let signed = format!(
        "{}.{}",
        encode(header.to_string()),
        encode(claims.to_string())
    );
    let signature = encode(sign(signed.as_bytes()));
    format!("{signed}.{signature}")
}

async fn metadata(State(shared): State<Arc<Shared>>) -> Json<Value> {
    let url = locked(&shared.url).clone();
    Json(json!({
        "issuer": url,
        "jwks_uri": format!("{url}/jwks"),
        "authorization_endpoint": format!("{url}/authorize"),
        "token_endpoint": format!("{url}/token"),
        "response_types_supported": ["code"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "code_challenge_methods_supported": ["S256"],
        "id_token_signing_alg_values_supported": ["ES256", "EdDSA"],
        "subject_types_supported": ["public"],
        "authorization_response_iss_parameter_supported": true
    }))
}

async fn jwks(State(shared): State<Arc<Shared>>) -> Result<Json<Value>, StatusCode> {
    shared.key_requests.fetch_add(1, Ordering::SeqCst);
    if *locked(&shared.broken) {
        return Err(StatusCode::SERVICE_UNAVAILABLE);
    }
    Ok(Json(json!({ "keys": *locked(&shared.published) })))
}
