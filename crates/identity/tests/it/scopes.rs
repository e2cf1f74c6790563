//! Scopes bound what a client may do (AUTHN-7).

use jsonwebtoken::Algorithm;
use sekimori_domain::catalog::OperationClass;
use sekimori_domain::refusal::{Need, RefusalCode};
use sekimori_domain::scope::Scope;
use sekimori_identity::{challenge, check_scope};
use serde_json::json;

use crate::gate::{Gate, issuer_config};
use crate::issuer::{Issuer, SigningKey};

#[tokio::test]
async fn authn_7_scopes_include_one_another_and_nothing_is_unlimited() {
    let key = SigningKey::generate(Algorithm::ES256, "k1");
    let issuer = Issuer::start(&[&key]).await;
    let gate = Gate::new(vec![issuer_config(&issuer.url)]);
    for (scope, reach) in [
        (json!(null), 0),
        (json!("openid profile"), 0),
        (json!("mcp:readonly"), 0),
        (json!("mcp:read"), 1),
        (json!("openid mcp:write"), 4),
        (json!("mcp:admin"), 5),
    ] {
        let claims = gate.claims(&issuer.url, &json!({"scope": scope}));
        let caller = gate.try_token(&key.sign(&claims)).await.unwrap();
        let reached = OperationClass::ALL
            .into_iter()
            .filter(|class| check_scope(&caller, *class).is_ok());
        assert_eq!(reached.count(), reach, "{scope}");
    }
}

#[tokio::test]
async fn authn_7_a_narrow_token_is_told_every_scope_it_needs() {
    let key = SigningKey::generate(Algorithm::ES256, "k1");
    let issuer = Issuer::start(&[&key]).await;
    let gate = Gate::new(vec![issuer_config(&issuer.url)]);
    let claims = gate.claims(&issuer.url, &json!({"scope": "mcp:read"}));
    let caller = gate.try_token(&key.sign(&claims)).await.unwrap();
    let refusal = check_scope(&caller, OperationClass::Delete).unwrap_err();
    assert_eq!(refusal.code, RefusalCode::InsufficientScope);
    assert_eq!(refusal.need.as_deref(), Some(&Need::Scope(Scope::Write)));
    let header = challenge(&refusal, &gate.resource).unwrap();
    let header = header.to_str().unwrap();
    assert!(header.contains("scope=\"mcp:read mcp:write\""), "{header}");
    assert!(header.contains("error=\"insufficient_scope\""), "{header}");
}
