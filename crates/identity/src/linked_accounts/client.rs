//! The gate as a client: known beforehand, by a document that it publishes, or by registering itself.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{Request, header};
use jiff::Timestamp;
use sekimori_domain::connector::{Connector, OAuthClient};
use sekimori_domain::linked_account::UpstreamClient;
use sekimori_upstream::authorization::NoToken;
use serde::Deserialize;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::Inner;
use super::discovery::Server;
use super::http::{Asker, read};
use crate::sign_in::http::percent_encoded;

/// How long a signed proof of who we are is good, in seconds.
const PROOF_SECONDS: i64 = 60;

/// The gate, as one authorization server knows it.
#[derive(Debug)]
pub(super) struct KnownAs {
    pub(super) client_id: String,
    proof: Proof,
}

/// How it proves itself.
enum Proof {
    Nothing,
    Basic(Zeroizing<String>),
    Post(Zeroizing<String>),
    Key(Zeroizing<String>),
}

impl std::fmt::Debug for Proof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Nothing => "Nothing",
            Self::Basic(_) => "Basic([redacted])",
            Self::Post(_) => "Post([redacted])",
            Self::Key(_) => "Key([redacted])",
        })
    }
}

/// The answer to a registration (RFC 7591).
#[derive(Deserialize)]
struct Registered {
    client_id: String,
    client_secret: Option<String>,
    #[serde(default)]
    client_secret_expires_at: i64,
    token_endpoint_auth_method: Option<String>,
}

impl Inner {
    /// What the gate publishes of itself as a client.
    pub(super) fn document(&self) -> Value {
        let mut document = self.metadata("none");
        if let Value::Object(members) = &mut document {
            members.insert("client_id".to_owned(), self.document_url().into());
        }
        document
    }

    fn document_url(&self) -> String {
        format!("{}/linked-accounts/client.json", self.public_url)
    }

    fn metadata(&self, method: &str) -> Value {
        let is_web = self.public_url.as_str().starts_with("https:");
        json!({
            "client_name": self.title,
            "client_uri": self.public_url.as_str(),
            "redirect_uris": [self.redirect_uri()],
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "token_endpoint_auth_method": method,
            "application_type": if is_web { "web" } else { "native" },
        })
    }

    /// Where authorization servers send people back to.
    pub(super) fn redirect_uri(&self) -> String {
        format!("{}/linked-accounts/callback", self.public_url)
    }

    /// As what an authorization server knows the gate. What is known to one is never told to another.
    pub(super) async fn known_as(
        &self,
        asker: &Asker<'_>,
        connector: &Connector,
        settings: &OAuthClient,
        server: &Server,
        vouched: bool,
    ) -> Result<KnownAs, NoToken> {
        if let Some(client_id) = &settings.client_id {
            return Ok(KnownAs {
                client_id: client_id.clone(),
                proof: self.configured_proof(settings, server)?,
            });
        }
        if server.takes_documents && self.public_url.as_str().starts_with("https:") {
            return Ok(KnownAs {
                client_id: self.document_url(),
                proof: Proof::Nothing,
            });
        }
        let store = &self.store;
        let known = store.client(&connector.name, &server.issuer).await;
        let now = self.clock.now();
        let known = known
            .map_err(Inner::store_failed)?
            .filter(|client| client.expires_at.is_none_or(|end| now < end));
        let client = match known {
            Some(client) => client,
            None => self.register(asker, connector, server, vouched).await?,
        };
        let secret = match &client.sealed_secret {
            Some(sealed) => {
                let secret = self.open(&client.seal_name(), sealed)?;
                let secret = String::from_utf8(secret.to_vec());
                Some(Zeroizing::new(secret.map_err(|_| Inner::not_opened())?))
            }
            None => None,
        };
        let told = client.authentication.as_deref();
        Ok(KnownAs {
            client_id: client.client_id,
            proof: proof_by_secret(secret, told, server),
        })
    }

    fn configured_proof(&self, settings: &OAuthClient, server: &Server) -> Result<Proof, NoToken> {
        let find = |reference| {
            let found = self.secrets.resolve(reference);
            found
                .map(Zeroizing::new)
                .map_err(|error| NoToken::Unavailable(error.to_string()))
        };
        if let Some(reference) = &settings.private_key {
            return Ok(Proof::Key(find(reference)?));
        }
        let secret = settings.client_secret.as_ref().map(find).transpose()?;
        Ok(proof_by_secret(secret, None, server))
    }

    /// Dynamic registration (RFC 7591).
    async fn register(
        &self,
        asker: &Asker<'_>,
        connector: &Connector,
        server: &Server,
        vouched: bool,
    ) -> Result<UpstreamClient, NoToken> {
        let Some(endpoint) = &server.registration_endpoint else {
            return Err(NoToken::Refused(format!(
                "the authorization server {} lets no client register itself: an administrator registers the gate \
                 there, with the redirect address {}, and gives the connector its client id",
                server.issuer,
                self.redirect_uri()
            )));
        };
        let supports = |method: &str| server.methods.iter().any(|one| one == method);
        let method = if server.methods.is_empty() || supports("client_secret_basic") {
            "client_secret_basic"
        } else if supports("client_secret_post") {
            "client_secret_post"
        } else {
            "none"
        };
        let request = Request::post(endpoint)
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Bytes::from(self.metadata(method).to_string()))
            .map_err(|_| NoToken::Refused("its registration endpoint can't be used".to_owned()))?;
        let response = asker.send(request, vouched).await?;
        if !response.status().is_success() {
            return Err(NoToken::Refused(format!(
                "the authorization server {} refused to register the gate: status {}",
                server.issuer,
                response.status().as_u16()
            )));
        }
        let registered: Registered = read(response.body())?;
        let mut client = UpstreamClient {
            connector: connector.name.clone(),
            issuer: server.issuer.clone(),
            client_id: registered.client_id,
            sealed_secret: None,
            authentication: registered.token_endpoint_auth_method,
            expires_at: Some(registered.client_secret_expires_at)
                .filter(|seconds| *seconds > 0)
                .and_then(|seconds| Timestamp::from_second(seconds).ok()),
        };
        if let Some(secret) = registered.client_secret.map(Zeroizing::new) {
            client.sealed_secret = Some(self.seal(&client.seal_name(), secret.as_bytes())?);
        }
        let kept = self.store.put_client(&client).await;
        kept.map_err(Inner::store_failed)?;
        Ok(client)
    }
}

fn proof_by_secret(
    secret: Option<Zeroizing<String>>,
    told: Option<&str>,
    server: &Server,
) -> Proof {
    let supports = |method: &str| match told {
        Some(told) => told == method,
        None => server.methods.iter().any(|one| one == method),
    };
    match secret {
        // Without a word on it, the header is what every server must take (RFC 8414 section 2).
        Some(secret)
            if supports("client_secret_basic") || (told.is_none() && server.methods.is_empty()) =>
        {
            Proof::Basic(secret)
        }
        Some(secret) if supports("client_secret_post") => Proof::Post(secret),
        _ => Proof::Nothing,
    }
}

impl KnownAs {
    /// Puts who asks into a request to the token endpoint: its form, and a header where one is needed.
    pub(super) fn prove(
        &self,
        issuer: &str,
        now: Timestamp,
        id: &str,
        form: &mut Vec<(&'static str, String)>,
    ) -> Result<Option<String>, NoToken> {
        match &self.proof {
            Proof::Basic(secret) => {
                // RFC 6749 section 2.3.1: encoded as in forms, before base64.
                let pair = Zeroizing::new(format!(
                    "{}:{}",
                    percent_encoded(&self.client_id),
                    percent_encoded(secret)
                ));
                return Ok(Some(format!("Basic {}", STANDARD.encode(pair.as_bytes()))));
            }
            Proof::Post(secret) => form.push(("client_secret", secret.to_string())),
            Proof::Key(pem) => {
                let assertion = self.assertion(pem, issuer, now, id);
                let assertion = assertion.ok_or_else(|| {
                    NoToken::Refused(
                        "the connector's private key is not a PKCS #8 key for P-256 or Ed25519"
                            .to_owned(),
                    )
                })?;
                let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
                form.push(("client_assertion_type", kind.to_owned()));
                form.push(("client_assertion", assertion));
            }
            Proof::Nothing => {}
        }
        form.push(("client_id", self.client_id.clone()));
        Ok(None)
    }

    /// A JWT that proves who asks (RFC 7523), for this authorization server alone.
    fn assertion(&self, pem: &str, issuer: &str, now: Timestamp, id: &str) -> Option<String> {
        let lines = pem.lines().filter(|line| !line.starts_with("-----"));
        let der: Zeroizing<String> = Zeroizing::new(lines.map(str::trim).collect());
        let der = Zeroizing::new(STANDARD.decode(der.as_bytes()).ok()?);
        let key = Key::read(&der)?;
        let header = json!({ "alg": key.algorithm(), "typ": "JWT" });
        let claims = json!({
            "iss": self.client_id, "sub": self.client_id, "aud": issuer, "jti": id,
            "iat": now.as_second(), "exp": now.as_second() + PROOF_SECONDS,
        });
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", encode(&header), encode(&claims));
        let signature = URL_SAFE_NO_PAD.encode(key.sign(signed.as_bytes())?);
        Some(format!("{signed}.{signature}"))
    }
}

enum Key {
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl Key {
    fn read(pkcs8: &[u8]) -> Option<Self> {
        let p256 = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8);
        p256.map(Self::P256)
            .or_else(|_| Ed25519KeyPair::from_pkcs8_maybe_unchecked(pkcs8).map(Self::Ed25519))
            .ok()
    }

    fn algorithm(&self) -> &'static str {
        match self {
            Self::P256(_) => "ES256",
            Self::Ed25519(_) => "EdDSA",
        }
    }

    fn sign(&self, text: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::P256(key) => {
                let signature = key.sign(&SystemRandom::new(), text).ok()?;
                Some(signature.as_ref().to_vec())
            }
            Self::Ed25519(key) => Some(key.sign(text).as_ref().to_vec()),
        }
    }
}
