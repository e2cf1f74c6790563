//! Signing keys: made once, published ahead, rotated, retired.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::SignedDuration;
use jsonwebtoken::{DecodingKey, Validation};
use sekimori_domain::clock::Ids;
use sekimori_identity::authorization_server::SigningKeys;
use sekimori_identity::{KeyWrap, SystemRandom};
use sekimori_store::Store;
use serde_json::{Value, json};
use tempfile::TempDir;
use uuid::Uuid;

use crate::clock::TestClock;

const DAY: Duration = Duration::from_hours(24);
const LIFETIME: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Ids that count.
#[derive(Debug, Default)]
pub(crate) struct TestIds(AtomicU64);

impl Ids for TestIds {
    fn next(&self) -> Uuid {
        Uuid::from_u64_pair(7, self.0.fetch_add(1, Ordering::Relaxed))
    }
}

pub(crate) async fn open_store() -> (Arc<dyn Store>, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("sekimori.db").display());
    (sekimori_store::open(&url).await.unwrap(), folder)
}

async fn open(
    store: &Arc<dyn Store>,
    clock: &Arc<TestClock>,
    ids: &Arc<TestIds>,
    key: [u8; 32],
) -> Result<SigningKeys, sekimori_identity::authorization_server::KeysError> {
    SigningKeys::open(
        store.oauth(),
        KeyWrap::new(&key, "signing keys").unwrap(),
        LIFETIME,
        Arc::clone(clock) as _,
        Arc::clone(ids) as _,
        Arc::new(SystemRandom),
    )
    .await
}

fn kids(keys: &SigningKeys) -> Vec<String> {
    let public = keys.public_keys();
    let list = public.jwks["keys"].as_array().unwrap();
    let kid = |key: &Value| key["kid"].as_str().unwrap().to_owned();
    list.iter().map(kid).collect()
}

fn kid_of(token: &str) -> String {
    jsonwebtoken::decode_header(token).unwrap().kid.unwrap()
}

/// Another library agrees that the token is signed with a published key.
fn verify(keys: &SigningKeys, token: &str) -> Value {
    let kid = kid_of(token);
    let public = keys.public_keys();
    let jwk = public.jwks["keys"]
        .as_array()
        .unwrap()
        .iter()
        .find(|key| key["kid"] == kid.as_str())
        .expect("the key is published");
    let jwk = serde_json::from_value(jwk.clone()).unwrap();
    let mut rules = Validation::new(jsonwebtoken::Algorithm::ES256);
    rules.validate_exp = false;
    rules.validate_aud = false;
    rules.required_spec_claims.clear();
    let decoding = DecodingKey::from_jwk(&jwk).unwrap();
    jsonwebtoken::decode::<Value>(token, &decoding, &rules)
        .unwrap()
        .claims
}

#[tokio::test]
async fn another_library_verifies_our_signatures() {
    let (store, _folder) = open_store().await;
    let (clock, ids) = (Arc::new(TestClock::new()), Arc::default());
    let keys = open(&store, &clock, &ids, [1; 32]).await.unwrap();
    let token = keys.sign_access_token(&json!({"sub": "usr_1"})).unwrap();
    assert_eq!(verify(&keys, &token), json!({"sub": "usr_1"}));
    let header = jsonwebtoken::decode_header(&token).unwrap();
    assert_eq!(header.typ.as_deref(), Some("at+jwt"));

    let public = keys.public_keys();
    assert_eq!(public.verify(&token).unwrap()["sub"], "usr_1");
    let (signed, _) = token.rsplit_once('.').unwrap();
    for forged in [
        format!("{signed}."),
        format!("{signed}.AAAA"),
        with_header(&token, &json!({"alg": "none", "typ": "at+jwt"})),
        with_header(
            &token,
            &json!({"alg": "HS256", "typ": "at+jwt", "kid": kid_of(&token)}),
        ),
        with_header(
            &token,
            &json!({"alg": "ES256", "typ": "JWT", "kid": kid_of(&token)}),
        ),
        with_header(&token, &json!({"alg": "ES256", "typ": "at+jwt"})),
    ] {
        assert!(public.verify(&forged).is_none(), "{forged}");
    }
}

fn with_header(token: &str, header: &Value) -> String {
    let (_, rest) = token.split_once('.').unwrap();
    format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header.to_string()))
}

#[tokio::test]
async fn nodes_share_keys_and_the_first_is_made_once() {
    let (store, _folder) = open_store().await;
    let (clock, ids) = (Arc::new(TestClock::new()), Arc::default());
    let (one, other) = tokio::join!(
        open(&store, &clock, &ids, [1; 32]),
        open(&store, &clock, &ids, [1; 32])
    );
    let (one, other) = (one.unwrap(), other.unwrap());
    assert_eq!(kids(&one), kids(&other));
    assert_eq!(one.public_keys().digest, other.public_keys().digest);
    verify(&other, &one.sign_access_token(&json!({})).unwrap());
}

#[tokio::test]
async fn the_next_key_is_published_a_day_ahead_and_the_old_one_stays_for_its_tokens() {
    let (store, _folder) = open_store().await;
    let (clock, ids) = (Arc::new(TestClock::new()), Arc::default());
    let keys = open(&store, &clock, &ids, [1; 32]).await.unwrap();
    let first = kids(&keys);
    assert_eq!(first.len(), 1);

    clock.advance(Duration::from_secs(29 * 24 * 3_600 - 1));
    keys.maintain().await.unwrap();
    assert_eq!(kids(&keys), first);
    clock.advance(Duration::from_secs(1));
    keys.maintain().await.unwrap();
    let both = kids(&keys);
    assert_eq!(both.len(), 2, "published ahead");
    let token = keys.sign_access_token(&json!({})).unwrap();
    assert_eq!(kid_of(&token), both[0], "not used yet");

    clock.advance(DAY);
    keys.maintain().await.unwrap();
    assert_eq!(kids(&keys), both, "the old key still verifies");
    let token = keys.sign_access_token(&json!({})).unwrap();
    assert_eq!(kid_of(&token), both[1]);
    clock.advance(Duration::from_hours(1));
    keys.maintain().await.unwrap();
    assert_eq!(kids(&keys), both[1..], "its last token has ended");
}

#[tokio::test]
async fn after_a_long_rest_there_is_a_key_at_once() {
    let (store, _folder) = open_store().await;
    let (clock, ids) = (Arc::new(TestClock::new()), Arc::default());
    let keys = open(&store, &clock, &ids, [1; 32]).await.unwrap();
    clock.advance(100 * DAY);
    assert!(
        keys.sign_access_token(&json!({})).is_err(),
        "never with an old key"
    );
    keys.maintain().await.unwrap();
    verify(&keys, &keys.sign_access_token(&json!({})).unwrap());
}

#[tokio::test]
async fn private_keys_are_wrapped_and_open_under_their_key_only() {
    let (store, _folder) = open_store().await;
    let (clock, ids) = (Arc::new(TestClock::new()), Arc::default());
    open(&store, &clock, &ids, [1; 32]).await.unwrap();
    let stored = store.oauth().signing_keys().await.unwrap();
    let bytes = URL_SAFE_NO_PAD.decode(&stored[0].wrapped).unwrap();
    // The object identifier of P-256, which every PKCS #8 of such a key holds.
    let oid = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
    assert!(!bytes.windows(oid.len()).any(|window| window == oid));
    let error = open(&store, &clock, &ids, [2; 32]).await.unwrap_err();
    assert!(error.to_string().contains("can't be opened"), "{error}");
}

#[tokio::test]
async fn attack_a_published_key_is_not_swapped_behind_our_back() {
    let (store, _folder) = open_store().await;
    let (clock, ids) = (Arc::new(TestClock::new()), Arc::default());
    open(&store, &clock, &ids, [1; 32]).await.unwrap();
    let mut forged = store.oauth().signing_keys().await.unwrap().remove(0);
    let newest = forged.id.clone();
    forged.id = "forged".into();
    forged.public["kid"] = json!("forged");
    let added = store.oauth().add_signing_key(&forged, Some(&newest)).await;
    assert!(added.unwrap());
    assert!(open(&store, &clock, &ids, [1; 32]).await.is_err());
}
