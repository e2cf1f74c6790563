//! The whole way, as a client goes it that does everything right.

use std::time::Duration;

use sekimori_domain::oauth::{ClientStatus, GrantKind};
use sekimori_identity::authorization_server::{Decision, Ending, OAuthErrorCode, Outcome};
use sekimori_store::GrantsOf;
use serde_json::json;

use super::kit::{
    BACK, ISSUER, Kit, RESOURCE, answer, browser, params, redirection, refresh_token, user_id,
};

#[tokio::test]
async fn authn_7_a_client_gets_a_token_for_one_person_and_one_resource() {
    let kit = Kit::start().await;
    let view = kit.view(&[("scope", "mcp:write")]).await;
    assert_eq!(view.client, kit.client.id);
    assert_eq!(view.redirect_host, "app.example");
    assert_eq!(view.scopes, ["mcp:read", "mcp:write"]);
    assert_eq!(view.user_name, "山田 花子");
    assert!(view.verified && !view.local_only);

    let redirection = kit.allow(&view, false).await;
    let answer = answer(&redirection.to);
    assert_eq!(answer["state"], "the state");
    assert_eq!(answer["iss"], ISSUER);
    let Ending::Granted {
        grant,
        remembered: false,
    } = redirection.ending
    else {
        panic!("not granted: {:?}", redirection.ending);
    };
    assert_eq!(grant.kind, GrantKind::Consent);

    let tokens = kit.exchange(&answer["code"], &[]).await.unwrap();
    assert_eq!(tokens.expires_in, 300);
    let claims = kit.claims(&tokens);
    let now = claims["iat"].as_i64().unwrap();
    let expected = json!({
        "iss": ISSUER, "aud": RESOURCE, "sub": user_id(), "client_id": kit.client.id,
        "iat": now, "exp": now + 300, "jti": claims["jti"], "gid": grant.id,
        "scope": "mcp:read mcp:write", "env": "production",
        "sid": grant.session, "auth_time": now, "amr": ["pwd"],
    });
    assert_eq!(
        json!(claims),
        expected,
        "no groups, no roles, no mail address"
    );
    let json = tokens.to_json();
    assert_eq!(json["token_type"], "Bearer");
    assert_eq!(json["scope"], "mcp:read mcp:write");
}

#[tokio::test]
async fn without_a_scope_the_default_is_granted() {
    let kit = Kit::start().await;
    let tokens = kit.tokens().await;
    assert_eq!(tokens.scopes, ["mcp:read", "mcp:write"]);
}

#[tokio::test]
async fn who_is_not_signed_in_is_and_comes_back() {
    let kit = Kit::start().await;
    let request = kit.request(&[]);
    let outcome = kit.server.authorize(&request, browser(), None, false).await;
    let Outcome::SignIn { txn, mfa: false } = outcome else {
        panic!("{outcome:?}");
    };
    let signed_in = kit.signed_in();
    let outcome = kit.server.resume(&txn, browser(), Some(&signed_in)).await;
    let Outcome::Consent(view) = outcome else {
        panic!("{outcome:?}");
    };
    let code = &answer(&kit.allow(&view, false).await.to)["code"];
    kit.exchange(code, &[]).await.unwrap();
}

#[tokio::test]
async fn a_person_may_refuse() {
    let kit = Kit::start().await;
    let view = kit.view(&[]).await;
    let decision = Decision {
        allow: false,
        remember: false,
    };
    let signed_in = kit.signed_in();
    let decided = kit
        .server
        .decide(&view.txn, browser(), Some(&signed_in), decision)
        .await;
    let redirection = redirection(decided);
    let answer = answer(&redirection.to);
    assert_eq!(answer["error"], "access_denied");
    assert_eq!(answer["iss"], ISSUER);
    assert!(matches!(redirection.ending, Ending::Denied { .. }));
    let grants = kit
        .store
        .oauth()
        .grants(GrantsOf::Subject(user_id().as_str()))
        .await;
    assert!(grants.unwrap().is_empty());
}

#[tokio::test]
async fn refresh_tokens_rotate_and_keep_the_grant() {
    let kit = Kit::start().await;
    let first = kit.tokens().await;
    let gid = first.grant.id.clone();
    let mut token = refresh_token(&first);
    for _ in 0..3 {
        kit.clock.advance(Duration::from_hours(6));
        let next = kit
            .refresh(&token, &[("resource", RESOURCE)])
            .await
            .unwrap();
        assert_eq!(next.grant.id, gid);
        assert_ne!(refresh_token(&next), token);
        token = refresh_token(&next);
    }
    let narrow = kit.refresh(&token, &[("scope", "mcp:read")]).await.unwrap();
    assert_eq!(narrow.scopes, ["mcp:read"]);
    let again = kit.refresh(&refresh_token(&narrow), &[]).await.unwrap();
    assert_eq!(
        again.scopes,
        ["mcp:read", "mcp:write"],
        "the grant was not narrowed"
    );
}

#[tokio::test]
async fn refresh_tokens_end_when_idle_and_grants_end_at_last() {
    let kit = Kit::with(|config| {
        config.lifetimes.grant = jiff::SignedDuration::from_hours(20);
    })
    .await;
    let tokens = kit.tokens().await;
    kit.clock.advance(Duration::from_hours(12));
    let error = kit.refresh(&refresh_token(&tokens), &[]).await.unwrap_err();
    assert_eq!(error.code, OAuthErrorCode::InvalidGrant);

    let tokens = kit.tokens().await;
    kit.clock.advance(Duration::from_hours(10));
    let tokens = kit.refresh(&refresh_token(&tokens), &[]).await.unwrap();
    kit.clock.advance(Duration::from_hours(10));
    let error = kit.refresh(&refresh_token(&tokens), &[]).await.unwrap_err();
    assert_eq!(error.code, OAuthErrorCode::InvalidGrant);
    assert_eq!(error.theft, None);
}

#[tokio::test]
async fn authn_7_step_up_asks_for_a_second_factor_and_takes_only_a_fresh_one() {
    let kit = Kit::start().await;
    let scope = [("scope", "mcp:write assurance:mfa")];
    let request = kit.request(&scope);
    let signed_in = kit.signed_in();
    let outcome = kit
        .server
        .authorize(&request, browser(), Some(&signed_in), false)
        .await;
    let Outcome::SignIn { txn, mfa: true } = outcome else {
        panic!("{outcome:?}");
    };
    let stronger = kit.signed_in_with_mfa();
    let outcome = kit.server.resume(&txn, browser(), Some(&stronger)).await;
    let Outcome::Consent(view) = outcome else {
        panic!("{outcome:?}");
    };
    assert!(!view.may_remember);
    let decision = Decision {
        allow: true,
        remember: true,
    };
    let decided = kit
        .server
        .decide(&view.txn, browser(), Some(&stronger), decision)
        .await;
    let code = &answer(&redirection(decided).to)["code"];
    let tokens = kit.exchange(code, &[]).await.unwrap();
    assert!(tokens.scopes.iter().any(|scope| scope == "assurance:mfa"));
    assert_eq!(kit.claims(&tokens)["amr"], json!(["pwd", "otp", "mfa"]));

    kit.clock.advance(Duration::from_mins(6));
    let outcome = kit
        .server
        .authorize(&request, browser(), Some(&stronger), false)
        .await;
    assert!(
        matches!(outcome, Outcome::SignIn { mfa: true, .. }),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn step_up_that_brings_no_second_factor_ends_in_an_error() {
    let kit = Kit::start().await;
    let request = kit.request(&[("scope", "mcp:write assurance:mfa")]);
    let outcome = kit.server.authorize(&request, browser(), None, false).await;
    let Outcome::SignIn { txn, mfa: true } = outcome else {
        panic!("{outcome:?}");
    };
    let signed_in = kit.signed_in();
    let outcome = kit.server.resume(&txn, browser(), Some(&signed_in)).await;
    let answer = answer(&redirection(outcome).to);
    assert_eq!(answer["error"], "access_denied");
}

#[tokio::test]
async fn consent_is_remembered_for_approved_clients_that_come_directly() {
    let kit = Kit::start().await;
    let view = kit.view(&[]).await;
    assert!(view.may_remember);
    kit.allow(&view, true).await;
    let (request, signed_in) = (kit.request(&[]), kit.signed_in());
    let direct = kit
        .server
        .authorize(&request, browser(), Some(&signed_in), true)
        .await;
    let redirection = redirection(direct);
    assert!(answer(&redirection.to).contains_key("code"));
    assert!(matches!(
        redirection.ending,
        Ending::Granted {
            remembered: true,
            ..
        }
    ));
    // Another page led here: always ask. So for more than was consented to.
    let led = kit
        .server
        .authorize(&request, browser(), Some(&signed_in), false)
        .await;
    assert!(matches!(led, Outcome::Consent(_)), "{led:?}");
    let more = kit.request(&[("scope", "mcp:admin")]);
    let more = kit
        .server
        .authorize(&more, browser(), Some(&signed_in), true)
        .await;
    assert!(matches!(more, Outcome::Consent(_)), "{more:?}");
}

#[tokio::test]
async fn a_client_gives_its_token_back() {
    let kit = Kit::start().await;
    let revoke = async |token: &str, client: &str| {
        let sent = params(&[("token", token), ("client_id", client)], &[]);
        kit.server.revoke(&sent).await.unwrap()
    };
    let id = kit.client.id.as_str();
    for access in [false, true] {
        let tokens = kit.tokens().await;
        let refresh = refresh_token(&tokens);
        let token = if access {
            tokens.access_token.to_string()
        } else {
            refresh.clone()
        };
        assert_eq!(revoke(&token, id).await.unwrap().id, tokens.grant.id);
        assert!(revoke(&token, id).await.is_none(), "once");
        let error = kit.refresh(&refresh, &[]).await.unwrap_err();
        assert_eq!(error.code, OAuthErrorCode::InvalidGrant);
    }
    assert!(revoke("smr_unknown", id).await.is_none());
    assert!(revoke("a.b.c", id).await.is_none());
    let other = kit.register(super::kit::new_client("other")).await;
    let tokens = kit.tokens().await;
    let refresh = refresh_token(&tokens);
    assert!(revoke(&refresh, other.id.as_str()).await.is_none());
    kit.refresh(&refresh, &[]).await.unwrap();
}

#[tokio::test]
async fn metadata_says_what_works() {
    let kit = Kit::start().await;
    let metadata = kit.server.metadata();
    assert_eq!(metadata["issuer"], ISSUER);
    assert_eq!(
        metadata["code_challenge_methods_supported"],
        json!(["S256"])
    );
    assert_eq!(
        metadata["authorization_response_iss_parameter_supported"],
        true
    );
    assert!(metadata.get("registration_endpoint").is_none());
    assert!(metadata.get("introspection_endpoint").is_none());
    assert_eq!(
        metadata["grant_types_supported"],
        json!(["authorization_code", "refresh_token", "client_credentials"])
    );
    let jwks = kit.server.jwks();
    assert!(jwks["keys"][0].get("d").is_none());
    assert_eq!(kit.client.status, ClientStatus::Approved);
    assert_eq!(kit.client.redirect_uris, [BACK]);
}
