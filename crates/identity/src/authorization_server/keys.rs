//! The keys that sign access tokens: made, published ahead, used, retired.
//!
//! Every key is published [`PUBLISHED_AHEAD`] before it signs, so that nobody meets a token whose key they
//! could not know, and stays published until the last token that it signed has ended. The private halves
//! are in the store, wrapped under the key of the installation.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use sekimori_domain::clock::{Clock, Ids};
use sekimori_domain::digest::Digest;
use sekimori_domain::oauth::SigningKey;
use sekimori_store::{OAuth, StoreError};
use serde_json::{Map, Value, json};

use crate::random::{Random, RandomError};
use crate::token::{Algorithm, Jws, KeySet};
use crate::wrap::{KeyWrap, NotWrapped};

/// How long before its first signature a key is published.
pub const PUBLISHED_AHEAD: SignedDuration = SignedDuration::from_hours(24);
/// How long after its last signature a key stays published: far longer than a token lives.
const PUBLISHED_AFTER: SignedDuration = SignedDuration::from_hours(1);
/// Most keys in use and published at once; more are a broken store.
const KEYS_MAX: usize = 32;

/// The signing keys could not be read, made or used.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The store could not do it.
    #[error("the store of signing keys does not answer")]
    Store(#[from] StoreError),
    /// A stored key can't be opened: the installation's key is another one.
    #[error("a signing key can't be opened")]
    Wrapped(#[from] NotWrapped),
    /// A key could not be made or read.
    #[error("a signing key could not be made or read")]
    Key,
    /// No random bytes, so no key.
    #[error("no key could be made")]
    Random(#[from] RandomError),
    /// There is no key whose time is now.
    #[error("there is no signing key for this time")]
    NoneNow,
}

/// The public halves, as they are published.
#[derive(Debug)]
pub struct PublicKeys {
    /// As a JWK set (RFC 7517).
    pub jwks: Value,
    /// Tells whether a snapshot is another one: equal digests mean equal keys.
    pub digest: Digest,
    /// For verification in this process.
    pub(crate) set: KeySet,
}

impl PublicKeys {
    /// The keys of a JWK set; `None` if it is none.
    pub fn new(jwks: Value) -> Option<Self> {
        Some(Self {
            set: KeySet::read(&jwks, &[Algorithm::Es256])?,
            digest: Digest::of(jwks.to_string().as_bytes()),
            jwks,
        })
    }

    /// The claims of an access token that was signed with one of these keys. Only its type, algorithm and
    /// signature are checked: audience, times and revocation are the caller's part.
    pub fn verify(&self, token: &str) -> Option<Map<String, Value>> {
        let jws = Jws::parse(token).ok()?;
        let is_ours = jws.header.typ.as_deref() == Some("at+jwt")
            && jws.header.alg == Algorithm::Es256.as_str();
        let kid = jws.header.kid.as_deref().filter(|_| is_ours)?;
        let key = self.set.find(Some(kid), Algorithm::Es256)?;
        key.verifies(jws.signed, &jws.signature)
            .then_some(jws.claims)
    }
}

struct Loaded {
    key: SigningKey,
    pair: EcdsaKeyPair,
}

struct State {
    /// Oldest first.
    keys: Vec<Loaded>,
    public: Arc<PublicKeys>,
}

/// The signing keys of this installation; all nodes share them through the store.
pub struct SigningKeys {
    oauth: Arc<dyn OAuth>,
    wrap: KeyWrap,
    lifetime: SignedDuration,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    random: Arc<dyn Random>,
    state: ArcSwap<State>,
}

impl fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let public = self.public_keys();
        f.debug_struct("SigningKeys")
            .field("public", &public.digest)
            .finish_non_exhaustive()
    }
}

impl SigningKeys {
    /// Reads the keys of the store; makes the first one at the first start. `lifetime` is how long each
    /// signs.
    pub async fn open(
        oauth: Arc<dyn OAuth>,
        wrap: KeyWrap,
        lifetime: SignedDuration,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
        random: Arc<dyn Random>,
    ) -> Result<Self, KeysError> {
        let keys = Self {
            oauth,
            wrap,
            lifetime: lifetime.max(PUBLISHED_AHEAD),
            clock,
            ids,
            random,
            state: ArcSwap::from_pointee(state(Vec::new())?),
        };
        keys.maintain().await?;
        Ok(keys)
    }

    /// The public keys now, for verification in this process and for [`PublicKeys::jwks`].
    pub fn public_keys(&self) -> Arc<PublicKeys> {
        Arc::clone(&self.state.load().public)
    }

    /// Takes over keys of other nodes, makes the next one in time, and lets go of old ones. To be called
    /// once a minute, and when the revision `oauth` changes.
    pub async fn maintain(&self) -> Result<(), KeysError> {
        let mut keys = self.oauth.signing_keys().await?;
        if let Some(next) = self.next_key(&keys)? {
            let newest = keys.last().map(|key| key.id.as_str());
            let added = self.oauth.add_signing_key(&next, newest).await?;
            if added {
                tracing::info!(kid = %next.id, signs_from = %next.signs_from, "a signing key was made");
            }
            // Added by us or by another node at the same time: the store knows.
            keys = self.oauth.signing_keys().await?;
        }
        let now = self.clock.now();
        let current = self.state.load_full();
        let mut published: Vec<SigningKey> = keys
            .into_iter()
            .filter(|key| now < key.published_until)
            .collect();
        let surplus = published.len().saturating_sub(KEYS_MAX);
        published.drain(..surplus);
        let same = current.keys.iter().map(|loaded| &loaded.key).eq(&published);
        if !same {
            let loaded = published
                .into_iter()
                .map(|key| self.load(key))
                .collect::<Result<Vec<_>, _>>()?;
            self.state.store(Arc::new(state(loaded)?));
        }
        Ok(())
    }

    fn load(&self, key: SigningKey) -> Result<Loaded, KeysError> {
        let pkcs8 = self.wrap.unwrap(&key.id, &key.wrapped)?;
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &pkcs8)
            .map_err(|_| KeysError::Key)?;
        // Whoever could write the store but not unwrap must not be able to publish another key.
        if jwk(&key.id, &pair)? != key.public {
            return Err(KeysError::Key);
        }
        Ok(Loaded { key, pair })
    }

    /// The key to be made now, if it is time: the first, or the one after the newest.
    fn next_key(&self, keys: &[SigningKey]) -> Result<Option<SigningKey>, KeysError> {
        let now = self.clock.now();
        let signs_from = match keys.last() {
            None => now,
            Some(newest) => {
                let due = earlier(newest.signs_until, PUBLISHED_AHEAD);
                if now < due {
                    return Ok(None);
                }
                // After a long rest there is no time to publish ahead.
                newest.signs_until.max(now)
            }
        };
        self.make(now, signs_from).map(Some)
    }

    fn make(&self, now: Timestamp, signs_from: Timestamp) -> Result<SigningKey, KeysError> {
        let pair =
            EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(|_| KeysError::Key)?;
        let id = self.ids.next().simple().to_string();
        let pkcs8 = pair.to_pkcs8v1().map_err(|_| KeysError::Key)?;
        let signs_until = later(signs_from, self.lifetime);
        Ok(SigningKey {
            public: jwk(&id, &pair)?,
            wrapped: self.wrap.wrap(&*self.random, &id, pkcs8.as_ref())?,
            id,
            created_at: now,
            signs_from,
            signs_until,
            published_until: later(signs_until, PUBLISHED_AFTER),
        })
    }

    /// Signs the claims of an access token (RFC 9068); returns the whole JWT.
    pub fn sign_access_token(&self, claims: &Value) -> Result<String, KeysError> {
        let now = self.clock.now();
        let state = self.state.load();
        let loaded = state
            .keys
            .iter()
            .rev()
            .find(|loaded| loaded.key.signs_from <= now && now < loaded.key.signs_until)
            .ok_or(KeysError::NoneNow)?;
        let header = json!({"alg": "ES256", "typ": "at+jwt", "kid": loaded.key.id});
        let mut text = encode(&header)?;
        text.push('.');
        text.push_str(&encode(claims)?);
        let signature = loaded
            .pair
            .sign(&SystemRandom::new(), text.as_bytes())
            .map_err(|_| KeysError::Key)?;
        text.push('.');
        text.push_str(&URL_SAFE_NO_PAD.encode(signature));
        Ok(text)
    }
}

fn state(keys: Vec<Loaded>) -> Result<State, KeysError> {
    let list: Vec<&Value> = keys.iter().map(|loaded| &loaded.key.public).collect();
    let jwks = json!({ "keys": list });
    Ok(State {
        keys,
        public: Arc::new(PublicKeys::new(jwks).ok_or(KeysError::Key)?),
    })
}

fn jwk(id: &str, pair: &EcdsaKeyPair) -> Result<Value, KeysError> {
    // SEC 1: a byte that says "uncompressed", and two coordinates of 32 bytes.
    let point = pair.public_key().as_ref().to_vec();
    let (Some(x), Some(y)) = (point.get(1..33), point.get(33..65)) else {
        return Err(KeysError::Key);
    };
    Ok(json!({
        "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": id,
        "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y),
    }))
}

fn encode(value: &Value) -> Result<String, KeysError> {
    let text = serde_json::to_vec(value).map_err(|_| KeysError::Key)?;
    Ok(URL_SAFE_NO_PAD.encode(text))
}

pub(super) fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}

pub(super) fn earlier(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_sub(by).unwrap_or(Timestamp::MIN)
}
