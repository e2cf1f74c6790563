//! The issuer: its tokens verify with its published keys, and its forgeries do not.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ED25519, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sekimori_testkit::client::RawClient;
use sekimori_testkit::issuer::{Algorithm, Issuer};
use serde_json::{Value, json};

fn decode(part: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(part).unwrap()
}

async fn get(url: &str) -> Value {
    RawClient::new(url).listen().await.finish().await.value()
}

/// Verifies with the published key which the token names.
async fn verifies(issuer: &Issuer, token: &str) -> bool {
    let parts: Vec<&str> = token.split('.').collect();
    let header: Value = serde_json::from_slice(&decode(parts[0])).unwrap();
    let jwks = get(&issuer.jwks_url()).await;
    let Some(key) = jwks["keys"]
        .as_array()
        .unwrap()
        .iter()
        .find(|key| key["kid"] == header["kid"])
    else {
        return false;
    };
    let part = |name: &str| decode(key[name].as_str().unwrap());
    let signed = token.rsplit_once('.').unwrap().0.as_bytes();
    let signature = decode(parts[2]);
    match header["alg"].as_str().unwrap() {
        "ES256" => {
            let point = [vec![4], part("x"), part("y")].concat();
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
                .verify(signed, &signature)
                .is_ok()
        }
        "EdDSA" => UnparsedPublicKey::new(&ED25519, part("x"))
            .verify(signed, &signature)
            .is_ok(),
        _ => false,
    }
}

#[tokio::test]
async fn tokens_verify_and_forgeries_do_not() {
    let issuer = Issuer::start().await;
    let claims = json!({ "aud": "https://gateway.example" });
    assert!(verifies(&issuer, &issuer.token(&claims)).await);
    let edwards = issuer.token_with(Algorithm::EdDsa, &claims);
    assert!(verifies(&issuer, &edwards).await);

    assert!(!verifies(&issuer, &issuer.forge_unsigned(&claims)).await);
    assert!(!verifies(&issuer, &issuer.forge_with_public_key(&claims)).await);
    assert!(!verifies(&issuer, &issuer.forge_with_other_key(&claims)).await);
    let altered = issuer.forge_altered(&claims, &json!({ "sub": "root" }));
    assert!(!verifies(&issuer, &altered).await);
}

#[tokio::test]
async fn rotation_replaces_the_keys() {
    let issuer = Issuer::start().await;
    let old = issuer.token(&json!({}));
    issuer.rotate(true);
    assert!(verifies(&issuer, &old).await);
    assert!(verifies(&issuer, &issuer.token(&json!({}))).await);
    issuer.rotate(false);
    assert!(!verifies(&issuer, &old).await);
    assert!(verifies(&issuer, &issuer.token(&json!({}))).await);
    assert_eq!(issuer.key_requests(), 4);
}

#[tokio::test]
async fn metadata_leads_to_the_keys() {
    let issuer = Issuer::start().await;
    for path in ["oauth-authorization-server", "openid-configuration"] {
        let metadata = get(&format!("{}/.well-known/{path}", issuer.url)).await;
        assert_eq!(metadata["issuer"], issuer.url);
        assert_eq!(metadata["jwks_uri"], issuer.jwks_url());
    }
    issuer.break_jwks(true);
    let broken = RawClient::new(&issuer.jwks_url()).listen().await;
    assert_eq!(broken.status, 503);
}

#[test]
fn claims_can_be_replaced_and_left_out() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let token = runtime.block_on(async {
        let issuer = Issuer::start().await;
        issuer.token(&json!({ "aud": "a", "exp": 1, "jti": null }))
    });
    let claims: Value = serde_json::from_slice(&decode(token.split('.').nth(1).unwrap())).unwrap();
    assert_eq!(claims["exp"], 1);
    assert_eq!(claims["aud"], "a");
    assert!(claims.get("jti").is_none());
    assert!(claims.get("iss").is_some());
}
