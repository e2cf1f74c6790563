//! ID tokens and logout tokens of a provider that lies. Signed with another JOSE library than the one under
//! test.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use sekimori_domain::clock::Clock as _;
use sekimori_identity::sign_in::{
    Browser, Done, OidcAnswer, ProviderHttp, Reason, SealKey, SecretLookup, SignIn, SignInFailure,
    SignInParts, Wish,
};
use sekimori_identity::{FetchError, PublicUrl, SystemRandom};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::clock::{TestClock, TestIds};
use crate::issuer::SigningKey;

const SECRET: &str = "a client secret that is long enough";

#[derive(Default)]
struct Shared {
    url: String,
    keys: Vec<Value>,
    tokens: Value,
}

type Handle = Arc<Mutex<Shared>>;

struct World {
    sign_in: SignIn,
    provider: Handle,
    key: SigningKey,
    clock: Arc<TestClock>,
    browser: Browser,
    _folder: TempDir,
}

#[derive(Debug)]
struct Direct;

#[async_trait]
impl ProviderHttp for Direct {
    async fn send(
        &self,
        request: http::Request<Bytes>,
        _: bool,
    ) -> Result<http::Response<Bytes>, FetchError> {
        let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
        let response = client.request(request.map(Full::new)).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Ok(http::Response::from_parts(parts, body))
    }
}

async fn metadata(State(shared): State<Handle>) -> Json<Value> {
    let url = &shared.lock().unwrap().url;
    Json(json!({
        "issuer": url, "jwks_uri": format!("{url}/jwks"),
        "authorization_endpoint": format!("{url}/authorize"),
        "token_endpoint": format!("{url}/token"),
    }))
}

async fn jwks(State(shared): State<Handle>) -> Json<Value> {
    Json(json!({"keys": shared.lock().unwrap().keys}))
}

async fn token(State(shared): State<Handle>) -> Json<Value> {
    Json(shared.lock().unwrap().tokens.clone())
}

impl World {
    async fn start(settings: Value) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let key = SigningKey::generate(Algorithm::ES256, "key-1");
        let provider: Handle = Arc::new(Mutex::new(Shared {
            url: url.clone(),
            keys: vec![key.jwk()],
            tokens: json!({}),
        }));
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(metadata))
            .route("/jwks", get(jwks))
            .route("/token", post(token))
            .with_state(Arc::clone(&provider));
        tokio::spawn(async move { axum::serve(listener, router).await });
        let folder = tempfile::tempdir().unwrap();
        let database = format!("sqlite:{}", folder.path().join("test.db").display());
        let store = sekimori_store::open(&database).await.unwrap();
        let clock = Arc::new(TestClock::new());
        let mut config = json!({
            "name": "corp", "kind": "oidc", "issuer": url, "client_id": "gate",
            "client_secret": {"value": SECRET}, "provisioning": "just_in_time",
        });
        for (name, value) in settings.as_object().unwrap() {
            config[name] = value.clone();
        }
        let sign_in = SignIn::new(SignInParts {
            public_url: PublicUrl::new("https://gate.example").unwrap(),
            title: "Gate".into(),
            providers: vec![serde_json::from_value(config).unwrap()],
            store: &*store,
            http: Arc::new(Direct),
            secrets: SecretLookup::new(|_| Some(SECRET.to_owned())),
            seal_key: SealKey::new([7; 32]),
            clock: Arc::clone(&clock) as _,
            ids: Arc::new(TestIds::default()),
            random: Arc::new(SystemRandom),
        });
        Self {
            sign_in: sign_in.unwrap(),
            provider,
            key,
            clock,
            browser: Browser {
                key: Some("b".repeat(43)),
                ..Browser::default()
            },
            _folder: folder,
        }
    }

    fn now(&self) -> i64 {
        self.clock.now().as_second()
    }

    fn claims(&self, nonce: &str) -> Value {
        let now = self.now();
        json!({
            "iss": self.provider.lock().unwrap().url, "sub": "hanako", "aud": "gate",
            "exp": now + 300, "iat": now, "nonce": nonce, "sid": "session-1",
        })
    }

    /// Signs in with the tokens that `make` makes of the claims of a good ID token.
    async fn try_tokens(
        &self,
        make: impl FnOnce(&Self, Value) -> Value,
    ) -> Result<Done, SignInFailure> {
        let location = self
            .sign_in
            .begin("corp", &Wish::default(), &self.browser)
            .await
            .unwrap();
        let parameter = |name: &str| {
            let start = format!("{name}=");
            let query = location.split_once('?').unwrap().1;
            let found = query.split('&').find_map(|pair| pair.strip_prefix(&start));
            found.unwrap().to_owned()
        };
        let tokens = make(self, self.claims(&parameter("nonce")));
        self.provider.lock().unwrap().tokens = tokens;
        let answer = OidcAnswer {
            code: Some("code".into()),
            ..OidcAnswer::default()
        };
        self.sign_in
            .finish_oidc("corp", &parameter("state"), &answer, &self.browser)
            .await
    }

    /// Signs in with changed claims.
    async fn try_claims(&self, changes: Value) -> Result<Done, SignInFailure> {
        self.try_tokens(
            |world, claims| json!({"id_token": world.sign(None, &changed(claims, &changes))}),
        )
        .await
    }

    fn sign(&self, typ: Option<&str>, claims: &Value) -> String {
        let mut header = self.key.header();
        header.typ = typ.map(str::to_owned);
        self.key.sign_as(&header, claims)
    }

    async fn assert_refused(&self, what: &str, make: impl FnOnce(&Self, Value) -> Value) {
        let failure = self.try_tokens(make).await.unwrap_err();
        let expected = matches!(failure.reason, Reason::NotAccepted(_) | Reason::MixedUp);
        assert!(expected, "{what}: {failure:?}");
        assert_eq!(failure.user, None, "{what}");
    }
}

/// `null` removes a claim.
fn changed(mut claims: Value, changes: &Value) -> Value {
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(name);
        } else {
            claims[name] = value.clone();
        }
    }
    claims
}

#[tokio::test]
async fn authn_1_a_good_id_token_signs_in() {
    let world = World::start(json!({})).await;
    let done = world.try_claims(json!({})).await.unwrap();
    assert_eq!(done.user.user_name, "hanako");
    assert_eq!(
        done.opened.signed_in.idp_session.as_deref(),
        Some("session-1")
    );
    assert!(!done.opened.signed_in.mfa);
    let again = world.try_claims(json!({"amr": ["mfa"]})).await.unwrap();
    assert_eq!(again.user.id, done.user.id);
    assert!(again.opened.signed_in.mfa);
}

#[tokio::test]
async fn authn_1_id_tokens_with_anything_wrong_are_refused() {
    let world = World::start(json!({})).await;
    let now = world.now();
    for changes in [
        json!({"nonce": "another"}),
        json!({"nonce": null}),
        json!({"aud": "other"}),
        json!({"aud": ["gate", "other"]}),
        json!({"aud": ["gate", "other"], "azp": "other"}),
        json!({"aud": null}),
        json!({"iss": "https://evil.example"}),
        json!({"iss": null}),
        json!({"exp": now - 3_600}),
        json!({"exp": null}),
        json!({"iat": null}),
        json!({"nbf": now + 3_600}),
        json!({"sub": null}),
        json!({"sub": ""}),
        json!({"sub": "s".repeat(300)}),
    ] {
        let what = changes.to_string();
        world
            .assert_refused(
                &what,
                |world, claims| json!({"id_token": world.sign(None, &changed(claims, &changes))}),
            )
            .await;
    }
    world
        .assert_refused(
            "an access token",
            |world, claims| json!({"id_token": world.sign(Some("at+jwt"), &claims)}),
        )
        .await;
    world
        .assert_refused(
            "a logout token",
            |world, claims| json!({"id_token": world.sign(Some("logout+jwt"), &claims)}),
        )
        .await;
    world
        .assert_refused("an access token of somebody else", |world, claims| {
            let claims = changed(claims, &json!({"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"}));
            json!({"id_token": world.sign(None, &claims), "access_token": "token"})
        })
        .await;
    for tokens in [
        json!({}),
        json!({"id_token": "a.b.c"}),
        json!({"id_token": 7}),
        json!([]),
    ] {
        let what = tokens.to_string();
        world.assert_refused(&what, |_, _| tokens).await;
    }
}

#[tokio::test]
async fn authn_1_id_tokens_signed_otherwise_are_refused() {
    let world = World::start(json!({})).await;
    world
        .assert_refused("signed with another key of that id", |_, claims| {
            let other = SigningKey::generate(Algorithm::ES256, "key-1");
            json!({"id_token": other.sign_as(&Header { typ: None, ..other.header() }, &claims)})
        })
        .await;
    world
        .assert_refused("signed with our own secret", |world, claims| {
            let header = Header {
                kid: Some(world.key.kid.clone()),
                ..Header::new(Algorithm::HS256)
            };
            let key = EncodingKey::from_secret(SECRET.as_bytes());
            json!({"id_token": jsonwebtoken::encode(&header, &claims, &key).unwrap()})
        })
        .await;
    world
        .assert_refused("not signed", |world, claims| {
            let token = world.sign(None, &claims);
            let payload = token.split('.').nth(1).unwrap();
            json!({"id_token": format!("eyJhbGciOiJub25lIn0.{payload}.")})
        })
        .await;
    world
        .assert_refused("changed after signing", |world, claims| {
            let token = world.sign(None, &claims);
            let other = world.sign(None, &changed(claims, &json!({"sub": "admin"})));
            let payload = other.split('.').nth(1).unwrap();
            let mut parts: Vec<_> = token.split('.').collect();
            parts[1] = payload;
            json!({"id_token": parts.join(".")})
        })
        .await;
    // An algorithm that was not configured, although the key for it is published.
    let narrow = World::start(json!({"algorithms": ["RS256"]})).await;
    let failure = narrow.try_claims(json!({})).await.unwrap_err();
    assert_eq!(failure.reason, Reason::NotAccepted("alg"));
}

#[tokio::test]
async fn authn_2_an_old_proof_is_refused_where_a_fresh_one_is_wanted() {
    let world = World::start(json!({"max_age_seconds": 60})).await;
    let now = world.now();
    for (auth_time, good) in [
        (json!(now - 10), true),
        (json!(now - 600), false),
        (json!(null), false),
    ] {
        let tried = world.try_claims(json!({"auth_time": auth_time})).await;
        assert_eq!(tried.is_ok(), good, "{auth_time}: {tried:?}");
    }
}

#[tokio::test]
async fn authn_4_a_logout_token_ends_the_session_once() {
    let world = World::start(json!({})).await;
    let done = world.try_claims(json!({})).await.unwrap();
    let session = done.opened.signed_in.session.clone();
    let event = json!({"http://schemas.openid.net/event/backchannel-logout": {}});
    let now = world.now();
    let good = json!({
        "iss": world.provider.lock().unwrap().url, "aud": "gate", "iat": now, "exp": now + 120,
        "jti": "1", "sub": "hanako", "sid": "session-1", "events": event,
    });
    for changes in [
        json!({"nonce": "n"}),
        json!({"events": null}),
        json!({"events": {"other": {}}}),
        json!({"aud": "other"}),
        json!({"iss": "https://evil.example"}),
        json!({"iat": now - 3_600}),
        json!({"exp": now - 3_600}),
        json!({"jti": null}),
        json!({"sub": null, "sid": null}),
    ] {
        let token = world.sign(Some("logout+jwt"), &changed(good.clone(), &changes));
        let refused = world.sign_in.provider_logout("corp", &token).await;
        assert!(refused.is_err(), "{changes}");
    }
    let id_token = world.sign(None, &world.claims("n"));
    assert!(
        world
            .sign_in
            .provider_logout("corp", &id_token)
            .await
            .is_err()
    );
    let wrong_type = world.sign(Some("at+jwt"), &good);
    assert!(
        world
            .sign_in
            .provider_logout("corp", &wrong_type)
            .await
            .is_err()
    );

    let token = world.sign(Some("logout+jwt"), &good);
    let ended = world.sign_in.provider_logout("corp", &token).await.unwrap();
    assert_eq!(ended.ended, [(session, done.user.id.clone())]);
    let replayed = world
        .sign_in
        .provider_logout("corp", &token)
        .await
        .unwrap_err();
    assert_eq!(replayed.reason, Reason::Replayed);

    // Without a session of the provider's, all of the person's sessions end.
    world.try_claims(json!({"sid": "session-2"})).await.unwrap();
    world.clock.advance(Duration::from_secs(1));
    let whole = changed(good, &json!({"sid": null, "jti": "2", "iat": world.now()}));
    let token = world.sign(Some("logout+jwt"), &whole);
    let ended = world.sign_in.provider_logout("corp", &token).await.unwrap();
    assert_eq!(ended.ended.len(), 1);
}
