//! Assertions: clients that prove who they are, service accounts, and identity providers that vouch.

use std::net::IpAddr;
use std::time::Duration;

use jsonwebtoken::{Algorithm, Header};
use sekimori_domain::clock::Clock as _;
use sekimori_domain::oauth::{ClientAuthentication, ClientKeys, GrantKind, OAuthClient};
use sekimori_domain::person::UserLink;
use sekimori_domain::service_account::ServiceAccount;
use sekimori_identity::IssuerConfig;
use sekimori_identity::authorization_server::{
    EnterpriseIssuer, IssuedTokens, NewClient, OAuthErrorCode, OAuthRefusal,
};
use sekimori_identity::{KeySource, authorization_server};
use serde_json::{Value, json};

use super::kit::{ISSUER, Kit, RESOURCE, params, user_id};
use crate::issuer::SigningKey;

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const IDP: &str = "https://idp.example";

fn jwks(key: &SigningKey) -> Value {
    json!({ "keys": [key.jwk()] })
}

fn client_header(key: &SigningKey) -> Header {
    Header {
        typ: Some("JWT".into()),
        ..key.header()
    }
}

/// The claims of an assertion that is right, with changes; `null` removes one.
fn claims(base: Value, changes: &Value) -> Value {
    let mut claims = base;
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(name);
        } else {
            claims[name] = value.clone();
        }
    }
    claims
}

struct Machine {
    kit: Kit,
    key: SigningKey,
    client: OAuthClient,
    jti: std::cell::Cell<u32>,
}

impl Machine {
    async fn start() -> Self {
        let kit = Kit::start().await;
        let key = SigningKey::generate(Algorithm::ES256, "c1");
        let account = ServiceAccount {
            name: "nightly".into(),
            owner: user_id().to_string(),
            purpose: "夜間バッチ".into(),
            groups: Vec::new(),
            environments: Vec::new(),
            networks: vec!["10.0.0.0/8".parse().unwrap()],
            created_at: kit.clock.now(),
            scopes: Vec::new(),
            expires_at: kit.clock.now() + Duration::from_hours(240),
            suspended_at: None,
        };
        kit.store.service_accounts().create(&account).await.unwrap();
        let client = kit
            .register(NewClient {
                name: "nightly".into(),
                redirect_uris: Vec::new(),
                authentication: ClientAuthentication::PrivateKeyJwt,
                keys: Some(ClientKeys::Set(jwks(&key))),
                scopes: Some(vec!["mcp:read".into()]),
                service_account: Some("nightly".into()),
                by: "admin:test".into(),
            })
            .await;
        Self {
            kit,
            key,
            client,
            jti: std::cell::Cell::new(0),
        }
    }

    fn assertion(&self, changes: &Value) -> String {
        let claims = self.claims(changes);
        self.key.sign_as(&client_header(&self.key), &claims)
    }

    fn claims(&self, changes: &Value) -> Value {
        self.jti.set(self.jti.get() + 1);
        let now = self.kit.clock.now().as_second();
        let base = json!({
            "iss": self.client.id, "sub": self.client.id, "aud": ISSUER,
            "iat": now, "exp": now + 60, "jti": self.jti.get().to_string(),
        });
        claims(base, changes)
    }

    async fn ask(
        &self,
        assertion: &str,
        changes: &[(&str, &str)],
    ) -> Result<IssuedTokens, OAuthRefusal> {
        let base = [
            ("grant_type", "client_credentials"),
            ("client_assertion_type", ASSERTION_TYPE),
            ("client_assertion", assertion),
            ("resource", RESOURCE),
        ];
        let from: IpAddr = "10.1.2.3".parse().unwrap();
        let sent = params(&base, changes);
        self.kit.server.token(&sent, Some(from)).await
    }

    async fn code(&self, changes: &Value) -> OAuthErrorCode {
        let assertion = self.assertion(changes);
        self.ask(&assertion, &[]).await.unwrap_err().code
    }
}

#[tokio::test]
async fn authn_5_a_service_account_gets_a_token_for_itself_by_its_key() {
    let machine = Machine::start().await;
    let tokens = machine
        .ask(&machine.assertion(&json!({})), &[])
        .await
        .unwrap();
    assert!(tokens.refresh_token.is_none());
    assert_eq!(tokens.scopes, ["mcp:read"], "its own limit");
    let claims = machine.kit.claims(&tokens);
    assert_eq!(claims["sub"], "service:nightly");
    assert_eq!(claims["aud"], RESOURCE);
    assert!(!claims.contains_key("auth_time"));
    assert_eq!(tokens.grant.kind, GrantKind::ClientCredentials);
    let again = machine
        .ask(&machine.assertion(&json!({})), &[])
        .await
        .unwrap();
    assert_eq!(
        again.grant.id, tokens.grant.id,
        "one grant to be seen and revoked"
    );
    let endpoint = json!({"aud": format!("{ISSUER}/token")});
    machine
        .ask(&machine.assertion(&endpoint), &[])
        .await
        .unwrap();
}

#[tokio::test]
async fn attack_assertions_count_once_for_us_and_for_a_short_time() {
    let machine = Machine::start().await;
    let assertion = machine.assertion(&json!({}));
    machine.ask(&assertion, &[]).await.unwrap();
    let replayed = machine.ask(&assertion, &[]).await.unwrap_err();
    assert_eq!(replayed.code, OAuthErrorCode::InvalidClient);
    let now = machine.kit.clock.now().as_second();
    for bad in [
        json!({"aud": "https://other.example"}),
        json!({"aud": [ISSUER, "https://other.example"]}),
        json!({"aud": null}),
        json!({"exp": now - 31}),
        json!({"exp": now + 3_600}),
        json!({"exp": null}),
        json!({"nbf": now + 120}),
        json!({"iat": now + 120}),
        json!({"jti": null}),
        json!({"jti": "x".repeat(600)}),
        json!({"sub": "svc_other"}),
        json!({"iss": "svc_other"}),
        json!({"iss": "svc_other", "sub": "svc_other"}),
    ] {
        assert_eq!(
            machine.code(&bad).await,
            OAuthErrorCode::InvalidClient,
            "{bad}"
        );
    }
}

/// A public key used as a shared secret, no algorithm at all, a key that the token brings along.
#[tokio::test]
async fn attack_jwt_key_confusion() {
    let machine = Machine::start().await;
    let claims = machine.claims(&json!({}));
    let public = jwks(&machine.key)["keys"][0]["x"]
        .as_str()
        .unwrap()
        .to_owned();
    let secret = jsonwebtoken::EncodingKey::from_secret(public.as_bytes());
    let mut header = Header::new(Algorithm::HS256);
    header.kid = Some("c1".into());
    let symmetric = jsonwebtoken::encode(&header, &claims, &secret).unwrap();
    let other = SigningKey::generate(Algorithm::ES256, "c1");
    let mut brought = client_header(&other);
    brought.jwk = Some(serde_json::from_value(other.jwk()).unwrap());
    let encode = |value: &Value| {
        use base64::Engine as _;
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(value.to_string())
    };
    let none = format!(
        "{}.{}.",
        encode(&json!({"alg": "none", "kid": "c1"})),
        encode(&claims)
    );
    let mut unknown = client_header(&machine.key);
    unknown.kid = Some("c2".into());
    let mut access_token = machine.key.header();
    access_token.typ = Some("at+jwt".into());
    for bad in [
        symmetric,
        none,
        other.sign_as(&client_header(&other), &claims),
        other.sign_as(&brought, &claims),
        machine.key.sign_as(&unknown, &claims),
        machine.key.sign_as(&access_token, &claims),
        "a.b.c".to_owned(),
    ] {
        let refusal = machine.ask(&bad, &[]).await.unwrap_err();
        assert_eq!(refusal.code, OAuthErrorCode::InvalidClient, "{bad}");
    }
}

#[tokio::test]
async fn attack_a_client_with_keys_must_use_them() {
    let machine = Machine::start().await;
    let bare = [
        ("client_assertion", ""),
        ("client_assertion_type", ""),
        ("client_id", machine.client.id.as_str()),
    ];
    let refusal = machine.ask("", &bare).await.unwrap_err();
    assert_eq!(refusal.code, OAuthErrorCode::InvalidClient);
    let typed = [("client_assertion_type", "other")];
    let refusal = machine
        .ask(&machine.assertion(&json!({})), &typed)
        .await
        .unwrap_err();
    assert_eq!(refusal.code, OAuthErrorCode::InvalidClient);
    let other_id = [("client_id", machine.kit.client.id.as_str())];
    let refusal = machine
        .ask(&machine.assertion(&json!({})), &other_id)
        .await
        .unwrap_err();
    assert_eq!(refusal.code, OAuthErrorCode::InvalidClient);
    // A public client never speaks for itself.
    let public = params(
        &[("grant_type", "client_credentials"), ("resource", RESOURCE)],
        &[("client_id", machine.kit.client.id.as_str())],
    );
    let refusal = machine.kit.server.token(&public, None).await.unwrap_err();
    assert_eq!(refusal.code, OAuthErrorCode::UnauthorizedClient);
    // And the client of a service account is never authorized by a person.
    let fault = machine
        .kit
        .fault(&[("client_id", machine.client.id.as_str())])
        .await;
    assert_eq!(fault.code(), "redirect_mismatch");
}

#[tokio::test]
async fn authn_5_service_accounts_end_with_suspension_network_and_time() {
    let machine = Machine::start().await;
    let elsewhere: IpAddr = "192.0.2.1".parse().unwrap();
    let sent = |assertion: &str| {
        params(
            &[
                ("grant_type", "client_credentials"),
                ("client_assertion_type", ASSERTION_TYPE),
                ("client_assertion", assertion),
                ("resource", RESOURCE),
            ],
            &[],
        )
    };
    for ip in [Some(elsewhere), None] {
        let sent = sent(&machine.assertion(&json!({})));
        let refusal = machine.kit.server.token(&sent, ip).await.unwrap_err();
        assert_eq!(refusal.code, OAuthErrorCode::UnauthorizedClient);
    }
    let accounts = machine.kit.store.service_accounts();
    accounts
        .suspend("nightly", machine.kit.clock.now())
        .await
        .unwrap();
    assert_eq!(
        machine.code(&json!({})).await,
        OAuthErrorCode::UnauthorizedClient
    );
    accounts.resume("nightly").await.unwrap();
    machine
        .ask(&machine.assertion(&json!({})), &[])
        .await
        .unwrap();
    machine.kit.clock.advance(Duration::from_hours(240));
    assert_eq!(
        machine.code(&json!({})).await,
        OAuthErrorCode::UnauthorizedClient
    );
}

/// An identity provider that vouches, and a client that proves who it is.
struct Enterprise {
    kit: Kit,
    idp: SigningKey,
    key: SigningKey,
    client: OAuthClient,
    jti: std::cell::Cell<u32>,
}

impl Enterprise {
    async fn start() -> Self {
        let kit = Kit::with(|config| {
            let mut issuer = IssuerConfig::new(IDP);
            issuer.keys = KeySource::JwksUri("https://idp.example/keys".into());
            config.enterprise = vec![EnterpriseIssuer {
                provider: "corp".into(),
                issuer,
            }];
        })
        .await;
        let idp = SigningKey::generate(Algorithm::ES256, "idp1");
        kit.documents.serve("https://idp.example/keys", &jwks(&idp));
        let link = UserLink {
            provider: "corp".into(),
            subject: "00u1".into(),
            user: user_id(),
            linked_at: kit.clock.now(),
        };
        kit.store.people().link(&link).await.unwrap();
        let key = SigningKey::generate(Algorithm::ES256, "c1");
        let client = kit.signing_client("Managed", jwks(&key)).await;
        Self {
            kit,
            idp,
            key,
            client,
            jti: std::cell::Cell::new(0),
        }
    }

    fn next(&self) -> String {
        self.jti.set(self.jti.get() + 1);
        self.jti.get().to_string()
    }

    fn assertion(&self, changes: &Value) -> String {
        let now = self.kit.clock.now().as_second();
        let base = json!({
            "iss": IDP, "sub": "00u1", "aud": ISSUER, "resource": RESOURCE,
            "client_id": self.client.id, "scope": "mcp:write",
            "iat": now, "exp": now + 300, "jti": self.next(),
            "auth_time": now - 60, "amr": ["pwd", "mfa"],
        });
        self.idp.sign_as(&self.header(), &claims(base, changes))
    }

    fn header(&self) -> Header {
        Header {
            typ: Some("oauth-id-jag+jwt".into()),
            ..self.idp.header()
        }
    }

    async fn ask(
        &self,
        assertion: &str,
        changes: &[(&str, &str)],
    ) -> Result<IssuedTokens, OAuthRefusal> {
        let now = self.kit.clock.now().as_second();
        let proof = self.key.sign_as(
            &client_header(&self.key),
            &json!({
                "iss": self.client.id, "sub": self.client.id, "aud": ISSUER,
                "iat": now, "exp": now + 60, "jti": self.next(),
            }),
        );
        let base = [
            ("grant_type", JWT_BEARER),
            ("assertion", assertion),
            ("client_assertion_type", ASSERTION_TYPE),
            ("client_assertion", &proof),
        ];
        self.kit.server.token(&params(&base, changes), None).await
    }
}

#[tokio::test]
async fn authn_7_the_identity_provider_vouches_for_person_and_client() {
    let enterprise = Enterprise::start().await;
    let tokens = enterprise
        .ask(&enterprise.assertion(&json!({})), &[])
        .await
        .unwrap();
    assert!(tokens.refresh_token.is_none());
    assert_eq!(tokens.grant.kind, GrantKind::Enterprise);
    let claims = enterprise.kit.claims(&tokens);
    assert_eq!(claims["sub"], user_id().as_str());
    assert_eq!(claims["scope"], "mcp:read mcp:write");
    assert_eq!(claims["amr"], json!(["pwd", "mfa"]));
    let narrow = [("scope", "mcp:read"), ("resource", RESOURCE)];
    let tokens = enterprise
        .ask(&enterprise.assertion(&json!({})), &narrow)
        .await
        .unwrap();
    assert_eq!(tokens.scopes, ["mcp:read"]);
    let metadata = enterprise.kit.server.metadata();
    let types = metadata["grant_types_supported"].as_array().unwrap();
    assert!(types.contains(&json!(JWT_BEARER)));
}

#[tokio::test]
async fn attack_identity_assertions_are_bound_in_every_way() {
    let enterprise = Enterprise::start().await;
    let now = enterprise.kit.clock.now().as_second();
    for (bad, code) in [
        (
            json!({"iss": "https://evil.example"}),
            OAuthErrorCode::InvalidGrant,
        ),
        (
            json!({"aud": "https://other.example"}),
            OAuthErrorCode::InvalidGrant,
        ),
        (json!({"aud": [ISSUER]}), OAuthErrorCode::InvalidGrant),
        (
            json!({"client_id": "app_other"}),
            OAuthErrorCode::InvalidGrant,
        ),
        (json!({"client_id": null}), OAuthErrorCode::InvalidGrant),
        (json!({"sub": "00u2"}), OAuthErrorCode::InvalidGrant),
        (json!({"sub": null}), OAuthErrorCode::InvalidGrant),
        (json!({"exp": now - 31}), OAuthErrorCode::InvalidGrant),
        (json!({"exp": now + 3_600}), OAuthErrorCode::InvalidGrant),
        (json!({"iat": null}), OAuthErrorCode::InvalidGrant),
        (json!({"jti": null}), OAuthErrorCode::InvalidGrant),
        (json!({"resource": null}), OAuthErrorCode::InvalidGrant),
        (
            json!({"resource": "https://evil.example/mcp"}),
            OAuthErrorCode::InvalidTarget,
        ),
        (json!({"scope": "openid"}), OAuthErrorCode::InvalidScope),
    ] {
        let refusal = enterprise
            .ask(&enterprise.assertion(&bad), &[])
            .await
            .unwrap_err();
        assert_eq!(refusal.code, code, "{bad}");
    }
    let once = enterprise.assertion(&json!({}));
    enterprise.ask(&once, &[]).await.unwrap();
    let again = enterprise.ask(&once, &[]).await.unwrap_err();
    assert_eq!(again.code, OAuthErrorCode::InvalidGrant);
    let other = [("resource", "https://gate.example/c/crm/mcp")];
    let other = enterprise
        .ask(&enterprise.assertion(&json!({})), &other)
        .await
        .unwrap_err();
    assert_eq!(other.code, OAuthErrorCode::InvalidTarget);
}

#[tokio::test]
async fn attack_other_tokens_of_the_identity_provider_are_no_assertions() {
    let enterprise = Enterprise::start().await;
    let now = enterprise.kit.clock.now().as_second();
    let claims = json!({
        "iss": IDP, "sub": "00u1", "aud": ISSUER, "resource": RESOURCE,
        "client_id": enterprise.client.id, "iat": now, "exp": now + 300, "jti": "x",
    });
    for typ in ["JWT", "at+jwt", "id-jag", ""] {
        let header = Header {
            typ: Some(typ.into()),
            ..enterprise.idp.header()
        };
        let assertion = enterprise.idp.sign_as(&header, &claims);
        let refusal = enterprise.ask(&assertion, &[]).await.unwrap_err();
        assert_eq!(refusal.code, OAuthErrorCode::InvalidGrant, "{typ}");
    }
    let forger = SigningKey::generate(Algorithm::ES256, "idp1");
    let forged = forger.sign_as(&enterprise.header(), &claims);
    let refusal = enterprise.ask(&forged, &[]).await.unwrap_err();
    assert_eq!(refusal.code, OAuthErrorCode::InvalidGrant);
    enterprise.kit.deactivate_user().await;
    let late = enterprise
        .ask(&enterprise.assertion(&json!({})), &[])
        .await
        .unwrap_err();
    assert_eq!(late.code, OAuthErrorCode::InvalidGrant);
}

#[tokio::test]
async fn entering_a_client_checks_it() {
    let kit = Kit::start().await;
    let key = SigningKey::generate(Algorithm::ES256, "c1");
    let good = super::kit::new_client("Good");
    let oauth = kit.store.oauth();
    for bad in [
        NewClient {
            name: " ".into(),
            ..good.clone()
        },
        NewClient {
            redirect_uris: Vec::new(),
            ..good.clone()
        },
        NewClient {
            redirect_uris: vec!["javascript:alert(1)".into()],
            ..good.clone()
        },
        NewClient {
            redirect_uris: vec!["http://app.example/".into()],
            ..good.clone()
        },
        NewClient {
            authentication: ClientAuthentication::PrivateKeyJwt,
            ..good.clone()
        },
        NewClient {
            keys: Some(ClientKeys::Set(jwks(&key))),
            ..good.clone()
        },
        NewClient {
            authentication: ClientAuthentication::PrivateKeyJwt,
            keys: Some(ClientKeys::Set(json!({"keys": []}))),
            ..good.clone()
        },
        NewClient {
            authentication: ClientAuthentication::PrivateKeyJwt,
            keys: Some(ClientKeys::Address("https://127.0.0.1/keys".into())),
            ..good.clone()
        },
        NewClient {
            service_account: Some("nightly".into()),
            ..good.clone()
        },
        NewClient {
            scopes: Some(vec!["root".into()]),
            ..good.clone()
        },
    ] {
        let entered = authorization_server::register_client(
            &*oauth,
            &*kit.clock,
            &sekimori_identity::SystemRandom,
            bad.clone(),
        );
        assert!(entered.await.is_err(), "{bad:?}");
    }
    let private = NewClient {
        redirect_uris: vec!["myapp://back".into()],
        ..good
    };
    kit.register(private).await;
}
