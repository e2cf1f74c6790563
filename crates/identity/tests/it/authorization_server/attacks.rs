//! Attacks on the way from a client to its tokens. Each is turned back, and where a theft shows, the grant
//! ends with it.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sekimori_domain::digest::Digest;
use sekimori_domain::ids::SessionId;
use sekimori_domain::oauth::{ClientStatus, OAuthClient};
use sekimori_identity::authorization_server::{
    Decision, Ending, OAuthErrorCode, OAuthRefusal, Outcome, PageFault, Theft,
};
use sekimori_identity::sign_in::SignedIn;
use sekimori_store::GrantsOf;
use uuid::Uuid;

use super::kit::{
    BACK, ISSUER, Kit, RESOURCE, VERIFIER, answer, browser, new_client, redirection, refresh_token,
    user_id,
};

async fn is_revoked(kit: &Kit, grant: &str) -> bool {
    let grant = kit.store.oauth().grant(grant).await.unwrap().unwrap();
    grant.revoked_at.is_some()
}

fn refused(result: Result<impl std::fmt::Debug, OAuthRefusal>) -> (OAuthErrorCode, Option<Theft>) {
    let refusal = result.unwrap_err();
    (refusal.code, refusal.theft)
}

#[tokio::test]
async fn attack_code_replay_ends_the_grant() {
    let kit = Kit::start().await;
    let code = kit.code(&[]).await;
    let tokens = kit.exchange(&code, &[]).await.unwrap();
    let replayed = kit.exchange(&code, &[]).await;
    let expected = (OAuthErrorCode::InvalidGrant, Some(Theft::CodeReused));
    assert_eq!(refused(replayed), expected);
    assert!(is_revoked(&kit, &tokens.grant.id).await);
    let refreshed = kit.refresh(&refresh_token(&tokens), &[]).await;
    assert_eq!(refused(refreshed).0, OAuthErrorCode::InvalidGrant);
}

#[tokio::test]
async fn attack_code_of_another_client() {
    let kit = Kit::start().await;
    let other = kit.register(new_client("other")).await;
    let code = kit.code(&[]).await;
    let stolen = kit
        .exchange(&code, &[("client_id", other.id.as_str())])
        .await;
    let expected = (OAuthErrorCode::InvalidGrant, Some(Theft::OtherClient));
    assert_eq!(refused(stolen), expected);
    let late = kit.exchange(&code, &[]).await;
    assert_eq!(refused(late).0, OAuthErrorCode::InvalidGrant);
    let grants = kit
        .store
        .oauth()
        .grants(GrantsOf::Subject(user_id().as_str()))
        .await
        .unwrap();
    assert!(grants.iter().all(|grant| grant.revoked_at.is_some()));
}

#[tokio::test]
async fn attack_codes_are_short_lived_and_bound() {
    let kit = Kit::start().await;
    let late = kit.code(&[]).await;
    kit.clock.advance(Duration::from_mins(1));
    assert_eq!(
        refused(kit.exchange(&late, &[]).await).0,
        OAuthErrorCode::InvalidGrant
    );
    let wrong_verifier = "x".repeat(43);
    for change in [
        ("code_verifier", wrong_verifier.as_str()),
        ("code_verifier", "short"),
        ("redirect_uri", "https://app.example/other"),
    ] {
        let code = kit.code(&[]).await;
        let wrong = kit.exchange(&code, &[change]).await;
        assert_eq!(refused(wrong).0, OAuthErrorCode::InvalidGrant, "{change:?}");
        // Spoilt: who guesses gets no second try.
        let again = kit.exchange(&code, &[]).await;
        assert_eq!(refused(again).0, OAuthErrorCode::InvalidGrant, "{change:?}");
    }
    let code = kit.code(&[]).await;
    let none = kit.exchange(&code, &[("code_verifier", "")]).await;
    assert_eq!(refused(none).0, OAuthErrorCode::InvalidRequest);
    assert_eq!(
        refused(kit.exchange("guess", &[]).await).0,
        OAuthErrorCode::InvalidGrant
    );
}

#[tokio::test]
async fn attack_redirect_mismatch_is_a_page_and_never_a_redirect() {
    let kit = Kit::start().await;
    for uri in [
        "https://evil.example/",
        "https://app.example/back/",
        "https://app.example/back?x=1",
        "https://app.example/back/../evil",
        "https://APP.example/back",
        "https://app.example/back%2f..",
        "http://app.example/back",
        "https://app.example.evil.example/back",
        "javascript:alert(1)",
        "//evil.example",
    ] {
        assert_eq!(
            kit.fault(&[("redirect_uri", uri)]).await,
            PageFault::RedirectMismatch,
            "{uri}"
        );
    }
}

/// Whatever is wrong about the client or its address is shown, and nothing is sent anywhere.
#[tokio::test]
async fn attack_open_redirect() {
    let kit = Kit::start().await;
    assert_eq!(
        kit.fault(&[("client_id", "app_unknown")]).await,
        PageFault::UnknownClient
    );
    assert_eq!(kit.fault(&[("client_id", "")]).await, PageFault::Malformed);
    assert_eq!(
        kit.fault(&[("client_id", "a\0b")]).await,
        PageFault::UnknownClient
    );
    for twice in ["client_id", "redirect_uri"] {
        let twice = kit
            .fault(&[(twice, BACK), (twice, "https://evil.example/")])
            .await;
        assert_eq!(twice, PageFault::Malformed);
    }
    // Nobody vouches for the client: a fault must not lead there without a person's will.
    let unverified = OAuthClient {
        status: ClientStatus::Unverified,
        ..kit.client.clone()
    };
    kit.store.oauth().put_client(&unverified).await.unwrap();
    let fault = kit.fault(&[("response_type", "token")]).await;
    assert_eq!(fault.code(), "refused");
    let view = kit.view(&[]).await;
    assert!(!view.verified && !view.may_remember);
}

/// What an approved client may be told is told with the issuer's name (mix-up).
#[tokio::test]
async fn attack_mixed_up_issuer_every_answer_names_who_answers() {
    let kit = Kit::start().await;
    for (change, code) in [
        (("response_type", "token"), "unsupported_response_type"),
        (("response_type", ""), "unsupported_response_type"),
        (("response_mode", "fragment"), "invalid_request"),
        (("code_challenge", ""), "invalid_request"),
        (("code_challenge", "short"), "invalid_request"),
        (("code_challenge_method", "plain"), "invalid_request"),
        (("code_challenge_method", ""), "invalid_request"),
        (("resource", ""), "invalid_target"),
        (("resource", "https://other.example/mcp"), "invalid_target"),
        (("resource", "https://gate.example/mcp/"), "invalid_target"),
        (
            ("resource", "https://gate.example/c/unknown/mcp"),
            "invalid_target",
        ),
        (("scope", "openid"), "invalid_scope"),
        (("request", "e30.e30."), "request_not_supported"),
        (
            ("request_uri", "https://evil.example/r"),
            "request_uri_not_supported",
        ),
    ] {
        let redirection = redirection(kit.authorize(&[change]).await);
        let answer = answer(&redirection.to);
        assert_eq!(answer["error"], code, "{change:?}");
        assert_eq!(answer["iss"], ISSUER, "{change:?}");
        assert_eq!(answer["state"], "the state", "{change:?}");
        assert!(!answer.contains_key("code"), "{change:?}");
        assert!(matches!(redirection.ending, Ending::Failed { .. }));
    }
}

/// A challenge that is the verifier itself, or none at all, is not taken; nor is a verifier instead of none.
#[tokio::test]
async fn attack_pkce_downgrade() {
    let kit = Kit::start().await;
    let plain = kit
        .authorize(&[
            ("code_challenge", VERIFIER),
            ("code_challenge_method", "plain"),
        ])
        .await;
    assert_eq!(answer(&redirection(plain).to)["error"], "invalid_request");
    // Sent as S256, a verifier that is its own challenge does not fit.
    let code = kit.code(&[("code_challenge", VERIFIER)]).await;
    assert_eq!(
        refused(kit.exchange(&code, &[]).await).0,
        OAuthErrorCode::InvalidGrant
    );
}

#[tokio::test]
async fn attack_consent_is_bound_to_browser_and_session() {
    let kit = Kit::start().await;
    let view = kit.view(&[]).await;
    let allow = Decision {
        allow: true,
        remember: false,
    };
    let signed_in = kit.signed_in();
    let other_browser = Digest::of(b"the attacker's browser");
    let outcome = kit
        .server
        .decide(&view.txn, other_browser, Some(&signed_in), allow)
        .await;
    assert!(
        matches!(outcome, Outcome::Page(PageFault::OtherBrowser)),
        "{outcome:?}"
    );
    let outcome = kit
        .server
        .resume(&view.txn, other_browser, Some(&signed_in))
        .await;
    assert!(
        matches!(outcome, Outcome::Page(PageFault::OtherBrowser)),
        "{outcome:?}"
    );

    // Another session in the same browser was not asked: it is asked now, and its answer counts anew.
    let other_session = SignedIn {
        session: SessionId::from_uuid(Uuid::from_u64_pair(1, 2)),
        ..kit.signed_in()
    };
    let outcome = kit
        .server
        .decide(&view.txn, browser(), Some(&other_session), allow)
        .await;
    assert!(matches!(outcome, Outcome::Consent(_)), "{outcome:?}");
    let outcome = kit
        .server
        .decide(&view.txn, browser(), Some(&signed_in), allow)
        .await;
    assert!(matches!(outcome, Outcome::Consent(_)), "{outcome:?}");
    let outcome = kit.server.decide(&view.txn, browser(), None, allow).await;
    assert!(matches!(outcome, Outcome::SignIn { .. }), "{outcome:?}");

    // Nobody was asked yet: a forged form brings the question, not the answer.
    let request = kit.request(&[]);
    let outcome = kit.server.authorize(&request, browser(), None, false).await;
    let Outcome::SignIn { txn, .. } = outcome else {
        panic!("{outcome:?}");
    };
    let outcome = kit
        .server
        .decide(&txn, browser(), Some(&signed_in), allow)
        .await;
    assert!(matches!(outcome, Outcome::Consent(_)), "{outcome:?}");
}

#[tokio::test]
async fn attack_an_answer_counts_once_and_in_time() {
    let kit = Kit::start().await;
    let view = kit.view(&[]).await;
    kit.allow(&view, false).await;
    let allow = Decision {
        allow: true,
        remember: false,
    };
    let signed_in = kit.signed_in();
    let again = kit
        .server
        .decide(&view.txn, browser(), Some(&signed_in), allow)
        .await;
    assert!(
        matches!(again, Outcome::Page(PageFault::Expired)),
        "{again:?}"
    );
    let late = kit.view(&[]).await;
    kit.clock.advance(Duration::from_mins(10));
    let late = kit
        .server
        .decide(&late.txn, browser(), Some(&signed_in), allow)
        .await;
    assert!(
        matches!(late, Outcome::Page(PageFault::Expired)),
        "{late:?}"
    );
    let guess = kit
        .server
        .resume("guess", browser(), Some(&signed_in))
        .await;
    assert!(
        matches!(guess, Outcome::Page(PageFault::Expired)),
        "{guess:?}"
    );
}

#[tokio::test]
async fn attack_stale_step_up_between_question_and_answer() {
    let kit = Kit::start().await;
    let request = kit.request(&[("scope", "mcp:write assurance:mfa")]);
    let stronger = kit.signed_in_with_mfa();
    let outcome = kit
        .server
        .authorize(&request, browser(), Some(&stronger), false)
        .await;
    let Outcome::Consent(view) = outcome else {
        panic!("{outcome:?}");
    };
    kit.clock.advance(Duration::from_mins(6));
    let allow = Decision {
        allow: true,
        remember: false,
    };
    let outcome = kit
        .server
        .decide(&view.txn, browser(), Some(&stronger), allow)
        .await;
    assert!(
        matches!(outcome, Outcome::SignIn { mfa: true, .. }),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn attack_refresh_reuse_ends_the_family() {
    let kit = Kit::start().await;
    let tokens = kit.tokens().await;
    let first = refresh_token(&tokens);
    let second = refresh_token(&kit.refresh(&first, &[]).await.unwrap());
    // Two windows of one client refresh at the same time: both get the same token.
    kit.clock.advance(Duration::from_secs(5));
    assert_eq!(
        refresh_token(&kit.refresh(&first, &[]).await.unwrap()),
        second
    );
    kit.clock.advance(Duration::from_secs(6));
    let expected = (
        OAuthErrorCode::InvalidGrant,
        Some(Theft::RefreshTokenReused),
    );
    assert_eq!(refused(kit.refresh(&first, &[]).await), expected);
    assert!(is_revoked(&kit, &tokens.grant.id).await);
    assert_eq!(
        refused(kit.refresh(&second, &[]).await).0,
        OAuthErrorCode::InvalidGrant
    );
}

#[tokio::test]
async fn attack_the_grace_ends_with_the_successors_first_use() {
    let kit = Kit::start().await;
    let first = refresh_token(&kit.tokens().await);
    let second = refresh_token(&kit.refresh(&first, &[]).await.unwrap());
    kit.refresh(&second, &[]).await.unwrap();
    let expected = (
        OAuthErrorCode::InvalidGrant,
        Some(Theft::RefreshTokenReused),
    );
    assert_eq!(refused(kit.refresh(&first, &[]).await), expected);
}

#[tokio::test]
async fn attack_refresh_token_of_another_client() {
    let kit = Kit::start().await;
    let other = kit.register(new_client("other")).await;
    let tokens = kit.tokens().await;
    let stolen = kit
        .refresh(&refresh_token(&tokens), &[("client_id", other.id.as_str())])
        .await;
    let expected = (OAuthErrorCode::InvalidGrant, Some(Theft::OtherClient));
    assert_eq!(refused(stolen), expected);
    assert!(is_revoked(&kit, &tokens.grant.id).await);
}

/// The resource is what the person saw; a token request can only repeat it.
#[tokio::test]
async fn attack_resource_substitution() {
    let kit = Kit::start().await;
    let connector = "https://gate.example/c/crm/mcp";
    for change in [
        vec![("resource", connector)],
        vec![("resource", "https://evil.example/mcp")],
        vec![("resource", RESOURCE), ("resource", connector)],
    ] {
        let code = kit.code(&[]).await;
        let substituted = kit.exchange(&code, &change).await;
        assert_eq!(
            refused(substituted).0,
            OAuthErrorCode::InvalidTarget,
            "{change:?}"
        );
        let tokens = kit.tokens().await;
        let substituted = kit.refresh(&refresh_token(&tokens), &change).await;
        assert_eq!(
            refused(substituted).0,
            OAuthErrorCode::InvalidTarget,
            "{change:?}"
        );
    }
    let two = kit
        .authorize(&[("resource", RESOURCE), ("resource", connector)])
        .await;
    assert_eq!(answer(&redirection(two).to)["error"], "invalid_target");
}

#[tokio::test]
async fn attack_a_token_never_gets_more_scope_than_its_grant() {
    let kit = Kit::start().await;
    let tokens = kit.tokens().await;
    let wider = kit
        .refresh(
            &refresh_token(&tokens),
            &[("scope", "mcp:admin assurance:mfa")],
        )
        .await;
    assert_eq!(wider.unwrap().scopes, ["mcp:read", "mcp:write"]);
}

/// A leaver gets nothing more, with whatever is left in hand.
#[tokio::test]
async fn authn_4_an_inactive_person_gets_no_tokens() {
    let kit = Kit::start().await;
    let tokens = kit.tokens().await;
    let code = kit.code(&[]).await;
    let view = kit.view(&[]).await;
    kit.deactivate_user().await;
    assert_eq!(kit.fault(&[]).await, PageFault::PersonInactive);
    let allow = Decision {
        allow: true,
        remember: false,
    };
    let signed_in = kit.signed_in();
    let decided = kit
        .server
        .decide(&view.txn, browser(), Some(&signed_in), allow)
        .await;
    assert!(
        matches!(decided, Outcome::Page(PageFault::PersonInactive)),
        "{decided:?}"
    );
    assert_eq!(
        refused(kit.exchange(&code, &[]).await).0,
        OAuthErrorCode::InvalidGrant
    );
    let refreshed = kit.refresh(&refresh_token(&tokens), &[]).await;
    assert_eq!(refused(refreshed).0, OAuthErrorCode::InvalidGrant);
}

#[tokio::test]
async fn attack_grants_of_denied_clients_are_void() {
    let kit = Kit::start().await;
    let tokens = kit.tokens().await;
    let grants = kit.deny(kit.client.id.as_str()).await;
    assert_eq!(grants, std::slice::from_ref(&tokens.grant.id));
    assert_eq!(kit.fault(&[]).await, PageFault::ClientDenied);
    let refreshed = kit.refresh(&refresh_token(&tokens), &[]).await;
    assert_eq!(refused(refreshed).0, OAuthErrorCode::InvalidClient);
}

#[tokio::test]
async fn attack_parameters_sent_twice_or_as_secrets_are_refused() {
    let kit = Kit::start().await;
    let code = kit.code(&[]).await;
    for twice in ["code", "client_id", "code_verifier", "grant_type"] {
        let sent = kit.exchange(&code, &[(twice, "a"), (twice, "b")]).await;
        assert_eq!(refused(sent).0, OAuthErrorCode::InvalidRequest, "{twice}");
    }
    // Still good: none of these reached the code.
    kit.exchange(&code, &[]).await.unwrap();
    let unknown = kit.exchange("x", &[("grant_type", "password")]).await;
    assert_eq!(refused(unknown).0, OAuthErrorCode::UnsupportedGrantType);
    let nobody = kit.exchange("x", &[("client_id", "")]).await;
    assert_eq!(refused(nobody).0, OAuthErrorCode::InvalidClient);
}

/// What is stored gives nothing away: neither code nor refresh token is in the database.
#[tokio::test]
async fn codes_and_refresh_tokens_are_stored_as_digests() {
    let kit = Kit::start().await;
    let code = kit.code(&[]).await;
    let tokens = kit.exchange(&code, &[]).await.unwrap();
    let refresh = refresh_token(&tokens);
    let digest = Digest::of(refresh.as_bytes());
    let grant = kit
        .store
        .oauth()
        .grant_of_refresh_token(&digest)
        .await
        .unwrap();
    assert_eq!(grant.unwrap().id, tokens.grant.id);
    for secret in [&code, &refresh] {
        assert!(!kit.database_holds(secret), "in clear");
    }
    let challenge = URL_SAFE_NO_PAD.encode(Digest::of(VERIFIER.as_bytes()).0);
    assert!(
        kit.database_holds(&challenge),
        "the search finds what is there"
    );
}
