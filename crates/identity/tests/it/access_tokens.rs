//! AUTHN-7: which access tokens are accepted, and as whom.

use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use proptest::prelude::*;
use sekimori_domain::caller::PrincipalKind;
use sekimori_domain::refusal::RefusalCode;
use sekimori_identity::{Algorithm as Accepted, ClaimNames, Conditions, IssuerConfig, Zone};
use serde_json::{Value, json};

use crate::gate::{AUDIENCE, Gate, assert_unauthenticated, issuer_config};
use crate::issuer::{Issuer, SigningKey};

async fn setting() -> (Gate, Issuer, SigningKey) {
    let key = SigningKey::generate(Algorithm::ES256, "k1");
    let issuer = Issuer::start(&[&key]).await;
    let gate = Gate::new(vec![issuer_config(&issuer.url)]);
    (gate, issuer, key)
}

#[tokio::test]
async fn authz_3_circumstances_go_with_the_caller() {
    let key = SigningKey::generate(Algorithm::ES256, "k1");
    let issuer = Issuer::start(&[&key]).await;
    let zones = vec![Zone {
        name: "office".to_owned(),
        networks: vec!["192.0.2.0/24".parse().unwrap()],
    }];
    let config = IssuerConfig {
        claims: ClaimNames {
            device_compliant: Some("/device/compliant".to_owned()),
            ..ClaimNames::default()
        },
        ..IssuerConfig::new(&issuer.url)
    };
    let gate = Gate::with_conditions(vec![config], Conditions::new(zones).unwrap());
    let device = json!({"device": {"compliant": true}});
    let token = key.sign(&gate.claims(&issuer.url, &device));
    // The second time the token is remembered, but not where it came from.
    for (ip, zones) in [
        (Some("192.0.2.7"), Some(vec!["office".to_owned()])),
        (Some("198.51.100.7"), Some(vec![])),
        (None, None),
    ] {
        let caller = gate.try_token_from(&token, ip).await.unwrap();
        assert_eq!(caller.circumstances.zones, zones);
        let device = caller.circumstances.device.clone().unwrap();
        assert_eq!((device.compliant, device.managed), (Some(true), None));
    }
    let token = key.sign(&gate.claims(&issuer.url, &json!({})));
    let caller = gate.try_token(&token).await.unwrap();
    assert_eq!(caller.circumstances.device, None);
}

#[tokio::test]
async fn authn_7_a_good_token_tells_who_is_calling() {
    let (gate, issuer, key) = setting().await;
    let token = key.sign(&gate.claims(&issuer.url, &json!({})));
    // The second time it is remembered.
    for _ in 0..2 {
        let caller = gate.try_token(&token).await.unwrap();
        assert_eq!(caller.principal.id.as_str(), "user:u-1");
        assert_eq!(caller.principal.kind, PrincipalKind::User);
        assert_eq!(caller.principal.display_name, "Hanako Yamada");
        assert_eq!(caller.principal.groups[0].as_str(), "sales");
        assert_eq!(caller.client.id.as_str(), "client-1");
        assert_eq!(caller.authentication.issuer, issuer.url);
        assert!(caller.authentication.mfa);
        let scopes = caller.authentication.scopes.clone().unwrap();
        assert_eq!(scopes, ["mcp:read", "mcp:write"]);
        assert_eq!(caller.source.ip.unwrap().to_string(), "192.0.2.7");
    }
    assert_eq!(issuer.key_requests(), 1);
}

#[tokio::test]
async fn authn_7_every_asymmetric_algorithm_is_verified() {
    let algorithms = [
        Algorithm::ES256,
        Algorithm::EdDSA,
        Algorithm::RS256,
        Algorithm::PS256,
    ];
    let keys =
        algorithms.map(|algorithm| SigningKey::generate(algorithm, &format!("{algorithm:?}")));
    let issuer = Issuer::start(&keys.each_ref()).await;
    let gate = Gate::new(vec![issuer_config(&issuer.url)]);
    for key in &keys {
        let token = key.sign(&gate.claims(&issuer.url, &json!({})));
        let (signed, signature) = token.rsplit_once('.').unwrap();
        gate.try_token(&token).await.unwrap();
        let mut signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        signature[10] ^= 1;
        let forged = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature));
        assert_unauthenticated(&gate.refusal(&forged).await, "signature");
    }
    // Key confusion: the id of one key, the algorithm of another.
    let mut header = keys[1].header();
    header.kid = Some(keys[0].kid.clone());
    let confused = keys[1].sign_as(&header, &gate.claims(&issuer.url, &json!({})));
    assert_unauthenticated(&gate.refusal(&confused).await, "does not publish");
}

#[tokio::test]
async fn authn_7_algorithms_are_fixed_by_configuration() {
    let key = SigningKey::generate(Algorithm::EdDSA, "k1");
    let issuer = Issuer::start(&[&key]).await;
    let gate = Gate::new(vec![IssuerConfig {
        algorithms: vec![Accepted::Es256],
        ..issuer_config(&issuer.url)
    }]);
    let token = key.sign(&gate.claims(&issuer.url, &json!({})));
    assert_unauthenticated(&gate.refusal(&token).await, "algorithm");
}

fn assemble(header: &Value, claims: &Value, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let header = encode(header.to_string().as_bytes());
    let signed = format!("{header}.{}", encode(claims.to_string().as_bytes()));
    let signature = encode(&sign(signed.as_bytes()));
    format!("{signed}.{signature}")
}

#[tokio::test]
async fn authn_7_unsigned_and_symmetric_tokens_are_refused() {
    let (gate, issuer, key) = setting().await;
    let claims = gate.claims(&issuer.url, &json!({}));
    for name in ["none", "None", "NONE", ""] {
        let header = json!({"alg": name, "typ": "at+jwt", "kid": "k1"});
        let token = assemble(&header, &claims, |_| Vec::new());
        assert_unauthenticated(&gate.refusal(&token).await, "algorithm");
    }
    let public = URL_SAFE_NO_PAD
        .decode(key.jwk()["x"].as_str().unwrap())
        .unwrap();
    let jwk = key.jwk().to_string().into_bytes();
    for name in ["HS256", "HS384", "ES384", "RS512", "es256"] {
        for secret in [&public, &jwk] {
            let header = json!({"alg": name, "typ": "at+jwt", "kid": "k1"});
            let secret = hmac::Key::new(hmac::HMAC_SHA256, secret);
            let token = assemble(&header, &claims, |signed| {
                hmac::sign(&secret, signed).as_ref().to_vec()
            });
            assert_unauthenticated(&gate.refusal(&token).await, "algorithm");
        }
    }
}

#[tokio::test]
async fn authn_7_a_key_that_the_token_brings_along_is_not_used() {
    let (gate, issuer, _) = setting().await;
    let own = SigningKey::generate(Algorithm::ES256, "k1");
    let mut header = own.header();
    header.jwk = Some(serde_json::from_value(own.jwk()).unwrap());
    header.jku = Some("https://evil.example/jwks".to_owned());
    let token = own.sign_as(&header, &gate.claims(&issuer.url, &json!({})));
    assert_unauthenticated(&gate.refusal(&token).await, "signature");
}

#[tokio::test]
async fn authn_7_the_audience_is_one_and_ours() {
    let (gate, issuer, key) = setting().await;
    let sign = |audience: Value| key.sign(&gate.claims(&issuer.url, &json!({"aud": audience})));
    gate.try_token(&sign(json!([AUDIENCE]))).await.unwrap();
    for foreign in [
        json!("https://other.example/mcp"),
        json!("https://gate.example/mcp/"),
        json!("https://gate.example"),
        json!("https://gate.example/c/crm/mcp"),
        json!([AUDIENCE, "https://other.example"]),
        json!([]),
    ] {
        let refusal = gate.refusal(&sign(foreign.clone())).await;
        assert_eq!(refusal.code, RefusalCode::WrongAudience, "{foreign}");
        assert!(refusal.message.contains(AUDIENCE));
    }
    assert_unauthenticated(&gate.refusal(&sign(Value::Null)).await, "aud");
}

#[tokio::test]
async fn authn_7_a_remembered_token_is_still_for_one_resource_only() {
    let (mut gate, issuer, key) = setting().await;
    let token = key.sign(&gate.claims(&issuer.url, &json!({})));
    gate.try_token(&token).await.unwrap();
    let crm = "crm".parse().unwrap();
    gate.resource = gate.authenticator.public_url().connector(&crm);
    assert_eq!(gate.refusal(&token).await.code, RefusalCode::WrongAudience);
}

#[tokio::test]
async fn authn_7_times_count_also_for_remembered_tokens() {
    let (gate, issuer, key) = setting().await;
    let token = key.sign(&gate.claims(&issuer.url, &json!({})));
    gate.try_token(&token).await.unwrap();
    gate.clock.advance(Duration::from_secs(329));
    gate.try_token(&token).await.unwrap();
    gate.clock.advance(Duration::from_secs(1));
    assert_unauthenticated(&gate.refusal(&token).await, "has ended");

    let expired = key.sign(&gate.claims(&issuer.url, &json!({"exp": 1_000})));
    assert_unauthenticated(&gate.refusal(&expired).await, "has ended");
    let soon = gate.claims(&issuer.url, &json!({}))["iat"]
        .as_i64()
        .unwrap()
        + 31;
    let early = key.sign(&gate.claims(&issuer.url, &json!({"nbf": soon})));
    assert_unauthenticated(&gate.refusal(&early).await, "not valid yet");
    let endless = key.sign(&gate.claims(&issuer.url, &json!({"exp": null})));
    assert_unauthenticated(&gate.refusal(&endless).await, "exp");
}

#[tokio::test]
async fn authn_7_the_issuer_is_compared_byte_for_byte() {
    let (gate, issuer, key) = setting().await;
    for wrong in [
        format!("{}/", issuer.url),
        issuer.url.to_uppercase(),
        "https://other.example".to_owned(),
    ] {
        let token = key.sign(&gate.claims(&wrong, &json!({})));
        assert_unauthenticated(&gate.refusal(&token).await, "issuer");
    }
    let none = key.sign(&gate.claims("", &json!({"iss": null})));
    assert_unauthenticated(&gate.refusal(&none).await, "issuer");
}

#[tokio::test]
async fn authn_7_other_jwts_of_the_issuer_are_no_access_tokens() {
    let (gate, issuer, key) = setting().await;
    let plain = Gate::new(vec![IssuerConfig {
        accept_plain_jwt: true,
        ..issuer_config(&issuer.url)
    }]);
    let sign = |typ: Option<&str>| {
        let mut header = key.header();
        header.typ = typ.map(str::to_owned);
        key.sign_as(&header, &gate.claims(&issuer.url, &json!({})))
    };
    for typ in ["at+jwt", "AT+JWT", "application/at+jwt"] {
        gate.try_token(&sign(Some(typ))).await.unwrap();
    }
    for typ in [Some("JWT"), Some("logout+jwt"), Some("secevent+jwt"), None] {
        assert_unauthenticated(&gate.refusal(&sign(typ)).await, "typ");
    }
    plain.try_token(&sign(Some("JWT"))).await.unwrap();
    for typ in [Some("logout+jwt"), None] {
        assert_unauthenticated(&plain.refusal(&sign(typ)).await, "typ");
    }
}

#[tokio::test]
async fn authn_7_a_token_names_its_subject_and_client() {
    let (gate, issuer, key) = setting().await;
    for claim in ["sub", "client_id"] {
        let token = key.sign(&gate.claims(&issuer.url, &json!({claim: null})));
        assert_unauthenticated(&gate.refusal(&token).await, claim);
        let token = key.sign(&gate.claims(&issuer.url, &json!({claim: "a\nb"})));
        assert_unauthenticated(&gate.refusal(&token).await, claim);
    }
    let claims = gate.claims(&issuer.url, &json!({"client_id": null, "azp": "portal"}));
    let caller = gate.try_token(&key.sign(&claims)).await.unwrap();
    assert_eq!(caller.client.id.as_str(), "portal");
}

#[tokio::test]
async fn two_issuers_never_share_a_principal() {
    let key = SigningKey::generate(Algorithm::ES256, "k1");
    let (one, two) = (Issuer::start(&[&key]).await, Issuer::start(&[&key]).await);
    let config = |issuer: &Issuer, prefix: &str| IssuerConfig {
        principal_prefix: Some(prefix.to_owned()),
        ..issuer_config(&issuer.url)
    };
    let gate = Gate::new(vec![config(&one, "one"), config(&two, "two")]);
    for (issuer, id) in [(&one, "user:one/u-1"), (&two, "user:two/u-1")] {
        let token = key.sign(&gate.claims(&issuer.url, &json!({})));
        let caller = gate.try_token(&token).await.unwrap();
        assert_eq!(caller.principal.id.as_str(), id);
    }
}

#[tokio::test]
async fn an_issuer_may_have_a_fixed_audience() {
    let key = SigningKey::generate(Algorithm::ES256, "k1");
    let issuer = Issuer::start(&[&key]).await;
    let gate = Gate::new(vec![IssuerConfig {
        audience: Some("api://gate".to_owned()),
        ..issuer_config(&issuer.url)
    }]);
    let good = key.sign(&gate.claims(&issuer.url, &json!({"aud": "api://gate"})));
    gate.try_token(&good).await.unwrap();
    let other = key.sign(&gate.claims(&issuer.url, &json!({})));
    assert_eq!(gate.refusal(&other).await.code, RefusalCode::WrongAudience);
}

#[test]
fn random_tokens_never_panic_and_never_get_in() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let (gate, issuer, key) = runtime.block_on(setting());
    let good = key.sign(&gate.claims(&issuer.url, &json!({})));
    runtime.block_on(gate.try_token(&good)).unwrap();
    let byte = 0..good.len();
    let random = "(smk_|sma_|eyJhbGciOiJFUzI1NiJ9\\.)?[A-Za-z0-9._~+/-]{1,200}=?";
    proptest!(|(text in random, at in byte, with in "[A-Za-z0-9._-]{0,3}")| {
        prop_assert!(runtime.block_on(gate.try_token(&text)).is_err());
        // One place of a good token changed: it is the same token, or none.
        let mut changed = good.clone();
        changed.replace_range(at..=at, &with);
        prop_assert_eq!(runtime.block_on(gate.try_token(&changed)).is_ok(), changed == good);
    });
}
