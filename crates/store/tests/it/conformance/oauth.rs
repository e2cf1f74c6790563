//! Clients, grants, codes, refresh tokens and signing keys.

use jiff::SignedDuration;
use sekimori_domain::Timestamp;
use sekimori_domain::digest::Digest;
use sekimori_domain::ids::{ClientId, PrincipalId};
use sekimori_domain::oauth::{
    AuthorizationCode, ClientAuthentication, ClientKind, ClientStatus, Consent, Grant, GrantKind,
    OAuthClient, RefreshToken, SignInFacts, SigningKey,
};
use sekimori_store::{CodeUse, GrantsOf, OAuth, PendingAuthorization, Rotation, StoreError};
use serde_json::json;

use crate::database::TestDatabase;

const GRACE: SignedDuration = SignedDuration::from_secs(10);

/// A time in whole microseconds, as it is kept.
fn at(second: i64) -> Timestamp {
    Timestamp::new(1_790_000_000 + second, 123_456_000).unwrap()
}

fn client(id: &str, kind: ClientKind, status: ClientStatus) -> OAuthClient {
    OAuthClient {
        id: ClientId::new(id).unwrap(),
        kind,
        status,
        name: "社内アシスタント".into(),
        redirect_uris: vec!["https://app.example/back".into()],
        authentication: ClientAuthentication::None,
        keys: None,
        scopes: None,
        service_account: None,
        document: None,
        decided_by: None,
        created_at: at(0),
        expires_at: None,
    }
}

fn grant(id: &str, subject: &str, client: &str, session: Option<&str>, second: i64) -> Grant {
    Grant {
        id: id.into(),
        kind: GrantKind::Consent,
        subject: PrincipalId::new(subject).unwrap(),
        client: ClientId::new(client).unwrap(),
        document: None,
        redirect_uri: Some("https://app.example/back".into()),
        resource: "https://gate.example/mcp".into(),
        scopes: vec!["mcp:read".into()],
        session: session.map(Into::into),
        sign_in: None,
        created_at: at(second),
        expires_at: at(10_000),
        last_used_at: None,
        revoked_at: None,
    }
}

fn code(text: &str, grant: &str) -> AuthorizationCode {
    AuthorizationCode {
        digest: Digest::of(text.as_bytes()),
        grant: grant.into(),
        client: ClientId::new("app").unwrap(),
        redirect_uri: "https://app.example/back".into(),
        challenge: "x".repeat(43),
        expires_at: at(60),
    }
}

fn refresh(text: &str, grant: &str, expires: i64) -> RefreshToken {
    RefreshToken {
        digest: Digest::of(text.as_bytes()),
        grant: grant.into(),
        expires_at: at(expires),
    }
}

fn of(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

async fn rotated(oauth: &dyn OAuth, old: &str, new: &str, second: i64) -> Rotation {
    let rotation = oauth
        .rotate(&of(old), &of(new), at(900), at(second), GRACE)
        .await;
    rotation.unwrap()
}

pub(crate) async fn clients_read_back_and_are_bounded(database: &TestDatabase) {
    let store = database.open().await;
    let oauth = store.oauth();
    let app = client("app", ClientKind::Preregistered, ClientStatus::Approved);
    oauth.put_client(&app).await.unwrap();
    assert_eq!(oauth.client("app").await.unwrap(), Some(app.clone()));
    assert_eq!(oauth.client("other").await.unwrap(), None);
    let denied = OAuthClient {
        status: ClientStatus::Denied,
        ..app
    };
    oauth.put_client(&denied).await.unwrap();
    assert_eq!(oauth.client("app").await.unwrap(), Some(denied));

    let waiting = |id: &str| client(id, ClientKind::MetadataDocument, ClientStatus::Pending);
    assert!(oauth.add_client(&waiting("b"), 2).await.unwrap());
    assert!(oauth.add_client(&waiting("a"), 2).await.unwrap());
    assert!(!oauth.add_client(&waiting("c"), 2).await.unwrap());
    let error = oauth.add_client(&waiting("a"), 9).await.unwrap_err();
    assert!(matches!(error, StoreError::Conflict { .. }), "{error:?}");
    let count = oauth.count_clients(ClientKind::MetadataDocument).await;
    assert_eq!(count.unwrap(), 2);
    let ids = async |after, limit| -> Vec<String> {
        let clients = oauth.clients(after, limit).await.unwrap();
        clients.iter().map(|one| one.id.to_string()).collect()
    };
    assert_eq!(ids(None, 2).await, ["a", "app"]);
    assert_eq!(ids(Some("app"), 2).await, ["b"]);
    assert!(oauth.remove_client("b").await.unwrap());
    assert!(!oauth.remove_client("b").await.unwrap());
}

pub(crate) async fn clients_and_keys_bump_and_nothing_else(database: &TestDatabase) {
    let store = database.open().await;
    let oauth = store.oauth();
    let before = store.changes().revisions().await.unwrap();
    oauth
        .create_grant(&grant("g", "usr_1", "app", None, 0), None, None)
        .await
        .unwrap();
    oauth.revoke_grant("g", at(1)).await.unwrap();
    assert_eq!(store.changes().revisions().await.unwrap(), before);
    let app = client("app", ClientKind::Preregistered, ClientStatus::Approved);
    oauth.put_client(&app).await.unwrap();
    let after = store.changes().revisions().await.unwrap();
    assert_eq!(after.oauth, before.oauth + 1);
    assert_eq!(after.identity, before.identity);
}

pub(crate) async fn authorizations_end_once_and_are_bounded(database: &TestDatabase) {
    let store = database.open().await;
    let oauth = store.oauth();
    let pending = |text: &str| PendingAuthorization {
        id: of(text),
        document: format!("{{\"for\":\"{text}\"}}"),
        expires_at: at(600),
    };
    assert!(oauth.begin_authorization(&pending("a"), 1).await.unwrap());
    assert!(!oauth.begin_authorization(&pending("b"), 1).await.unwrap());
    assert_eq!(
        oauth.authorization(&of("a")).await.unwrap(),
        Some(pending("a"))
    );
    let changed = PendingAuthorization {
        document: "{}".into(),
        ..pending("a")
    };
    assert!(oauth.update_authorization(&changed).await.unwrap());
    assert!(!oauth.update_authorization(&pending("b")).await.unwrap());
    assert_eq!(oauth.authorization(&of("a")).await.unwrap(), Some(changed));
    let (one, other) = (of("a"), of("a"));
    let (first, second) = tokio::join!(
        oauth.end_authorization(&one),
        oauth.end_authorization(&other)
    );
    assert_ne!(first.unwrap(), second.unwrap(), "ended once");
    assert_eq!(oauth.authorization(&of("a")).await.unwrap(), None);
}

pub(crate) async fn a_code_is_used_once_and_reuse_revokes(database: &TestDatabase) {
    let store = database.open().await;
    let oauth = store.oauth();
    let given = grant("g", "usr_1", "app", None, 0);
    oauth
        .create_grant(&given, Some(&code("c", "g")), None)
        .await
        .unwrap();
    let error = oauth.create_grant(&given, None, None).await.unwrap_err();
    assert!(matches!(error, StoreError::Conflict { .. }), "{error:?}");

    let mut takers = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let oauth = store.oauth();
        takers.spawn(async move { oauth.use_code(&of("c"), at(5)).await.unwrap() });
    }
    let uses = takers.join_all().await;
    let first = |one: &&CodeUse| matches!(one, CodeUse::First(..));
    assert_eq!(uses.iter().filter(first).count(), 1, "{uses:?}");
    assert!(uses.contains(&CodeUse::First(Box::new(code("c", "g")), Box::new(given))));
    let found = oauth.grant("g").await.unwrap().unwrap();
    assert_eq!(found.revoked_at, Some(at(5)));
    let unknown = oauth.use_code(&of("x"), at(5)).await.unwrap();
    assert_eq!(unknown, CodeUse::Unknown);
}

pub(crate) async fn refresh_tokens_rotate_with_a_short_grace(database: &TestDatabase) {
    let store = database.open().await;
    let oauth = store.oauth();
    let given = grant("g", "usr_1", "app", None, 0);
    oauth.create_grant(&given, None, None).await.unwrap();
    let first = refresh("r1", "g", 500);
    oauth.create_refresh_token(&first).await.unwrap();
    let rotate = async |old: &str, new: &str, second: i64| rotated(&*oauth, old, new, second).await;

    assert_eq!(
        rotate("r1", "r2", 100).await,
        Rotation::Rotated(Box::new(given))
    );
    let touched = oauth.grant("g").await.unwrap().unwrap();
    assert_eq!(touched.last_used_at, Some(at(100)));
    assert!(matches!(
        rotate("r1", "r2", 109).await,
        Rotation::Repeated(_)
    ));
    assert_eq!(
        oauth.grant_of_refresh_token(&of("r1")).await.unwrap(),
        Some(touched.clone())
    );
    assert!(matches!(
        rotate("r2", "r3", 105).await,
        Rotation::Rotated(_)
    ));
    // Within the time, but the successor was used: two holders.
    assert!(matches!(rotate("r1", "r2", 106).await, Rotation::Reused(_)));
    let revoked = oauth.grant("g").await.unwrap().unwrap();
    assert_eq!(revoked.revoked_at, Some(at(106)));
    assert!(matches!(rotate("r3", "r4", 107).await, Rotation::Ended(_)));
    assert_eq!(rotate("r9", "r4", 107).await, Rotation::Unknown);
}

pub(crate) async fn late_and_ended_refresh_tokens_are_told_apart(database: &TestDatabase) {
    let store = database.open().await;
    let oauth = store.oauth();
    for id in ["late", "ended"] {
        let given = grant(id, "usr_1", "app", None, 0);
        oauth.create_grant(&given, None, None).await.unwrap();
        let first = refresh(id, id, 500);
        oauth.create_refresh_token(&first).await.unwrap();
    }
    let rotate = async |old: &str, new: &str, second: i64| rotated(&*oauth, old, new, second).await;
    assert!(matches!(
        rotate("late", "n1", 100).await,
        Rotation::Rotated(_)
    ));
    assert!(matches!(
        rotate("late", "n1", 111).await,
        Rotation::Reused(_)
    ));
    assert!(matches!(
        rotate("ended", "n2", 500).await,
        Rotation::Ended(_)
    ));
    let ended = oauth.grant("ended").await.unwrap().unwrap();
    assert_eq!(ended.revoked_at, None, "an old token alone is no theft");
}

pub(crate) async fn parallel_refreshes_get_one_successor(database: &TestDatabase) {
    let store = database.open().await;
    let given = grant("g", "usr_1", "app", None, 0);
    let oauth = store.oauth();
    oauth.create_grant(&given, None, None).await.unwrap();
    oauth
        .create_refresh_token(&refresh("r1", "g", 500))
        .await
        .unwrap();
    let mut takers = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let oauth = store.oauth();
        takers.spawn(async move { rotated(&*oauth, "r1", "r2", 100).await });
    }
    let all = takers.join_all().await;
    let rotated = |one: &&Rotation| matches!(one, Rotation::Rotated(_));
    let repeated = |one: &&Rotation| matches!(one, Rotation::Repeated(_));
    assert_eq!(all.iter().filter(rotated).count(), 1, "{all:?}");
    assert_eq!(all.iter().filter(repeated).count(), 7, "{all:?}");
}

pub(crate) async fn grants_are_revoked_by_subject_client_and_session(database: &TestDatabase) {
    let store = database.open().await;
    let oauth = store.oauth();
    for given in [
        grant("g1", "usr_1", "app", Some("s1"), 1),
        grant("g2", "usr_1", "other", Some("s2"), 2),
        grant("g3", "usr_2", "app", Some("s3"), 3),
        grant("g4", "usr_3", "third", None, 4),
    ] {
        oauth.create_grant(&given, None, None).await.unwrap();
    }
    let ids = async |whose| -> Vec<String> {
        let grants = oauth.grants(whose).await.unwrap();
        grants.into_iter().map(|one| one.id).collect()
    };
    assert_eq!(ids(GrantsOf::Subject("usr_1")).await, ["g2", "g1"]);
    assert_eq!(ids(GrantsOf::Client("app")).await, ["g3", "g1"]);
    assert_eq!(ids(GrantsOf::Session("s2")).await, ["g2"]);

    let proof = SignInFacts {
        auth_time: at(40),
        acr: None,
        amr: vec!["mfa".to_owned()],
        mfa: true,
    };
    assert!(oauth.raise_grant("g1", &proof).await.unwrap());
    assert!(!oauth.raise_grant("none", &proof).await.unwrap());
    let raised = oauth.grant("g1").await.unwrap().unwrap();
    assert_eq!(raised.sign_in, Some(proof.clone()));
    assert_eq!(raised.last_used_at, None);

    let revoke = async |whose| {
        let mut ids = oauth.revoke_grants(whose, at(50)).await.unwrap();
        ids.sort();
        ids
    };
    assert_eq!(revoke(GrantsOf::Session("s1")).await, ["g1"]);
    assert_eq!(revoke(GrantsOf::Subject("usr_1")).await, ["g2"]);
    assert_eq!(revoke(GrantsOf::Client("app")).await, ["g3"]);
    assert!(oauth.revoke_grant("g4", at(60)).await.unwrap());
    assert!(!oauth.revoke_grant("g4", at(70)).await.unwrap());
    let first = oauth.grant("g4").await.unwrap().unwrap();
    assert_eq!(first.revoked_at, Some(at(60)));
    assert!(!oauth.raise_grant("g4", &proof).await.unwrap());
}

pub(crate) async fn consents_are_remembered_for_exactly_what_was_shown(database: &TestDatabase) {
    let store = database.open().await;
    let oauth = store.oauth();
    let consent = Consent {
        user: PrincipalId::new("usr_1").unwrap(),
        client: ClientId::new("https://app.example/client.json").unwrap(),
        document: Some(of("document")),
        redirect_uri: "https://app.example/back".into(),
        resource: "https://gate.example/mcp".into(),
        scopes: vec!["mcp:write".into(), "mcp:read".into()],
        remembered: true,
        given_at: at(1),
    };
    let given = grant("g", "usr_1", "app", None, 0);
    oauth
        .create_grant(&given, None, Some(&consent))
        .await
        .unwrap();
    let known = oauth.remembered_consent(&consent).await.unwrap();
    assert_eq!(known, Some(consent.clone()));
    let mut reordered = consent.clone();
    reordered.scopes.reverse();
    assert!(
        oauth
            .remembered_consent(&reordered)
            .await
            .unwrap()
            .is_some()
    );
    let others = [
        Consent {
            document: Some(of("changed")),
            ..consent.clone()
        },
        Consent {
            document: None,
            ..consent.clone()
        },
        Consent {
            redirect_uri: "https://evil.example/".into(),
            ..consent.clone()
        },
        Consent {
            resource: "https://gate.example/c/crm/mcp".into(),
            ..consent.clone()
        },
        Consent {
            scopes: vec!["mcp:admin".into()],
            ..consent.clone()
        },
        Consent {
            user: PrincipalId::new("usr_2").unwrap(),
            ..consent.clone()
        },
    ];
    for other in others {
        assert_eq!(
            oauth.remembered_consent(&other).await.unwrap(),
            None,
            "{other:?}"
        );
    }
    // Given again without the wish to be remembered.
    let asked = Consent {
        remembered: false,
        ..consent.clone()
    };
    let given = grant("g2", "usr_1", "app", None, 0);
    oauth
        .create_grant(&given, None, Some(&asked))
        .await
        .unwrap();
    assert_eq!(oauth.remembered_consent(&consent).await.unwrap(), None);
    assert_eq!(oauth.consents("usr_1").await.unwrap(), [asked]);
    let forgotten = oauth
        .forget_consents("usr_1", consent.client.as_str())
        .await;
    assert_eq!(forgotten.unwrap(), 1);
}

pub(crate) async fn what_is_single_use_is_seen_once(database: &TestDatabase) {
    let store = database.open().await;
    let mut takers = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let oauth = store.oauth();
        takers.spawn(async move { oauth.first_use(&of("jti"), at(60)).await.unwrap() });
    }
    let first = takers.join_all().await;
    assert_eq!(first.into_iter().filter(|first| *first).count(), 1);
    assert!(store.oauth().first_use(&of("other"), at(60)).await.unwrap());
}

fn signing_key(id: &str, published_until: i64) -> SigningKey {
    SigningKey {
        id: id.into(),
        public: json!({"kty": "EC"}),
        wrapped: "AAAA".into(),
        created_at: at(0),
        signs_from: at(0),
        signs_until: at(100),
        published_until: at(published_until),
    }
}

pub(crate) async fn signing_keys_are_added_by_one_node(database: &TestDatabase) {
    let store = database.open().await;
    let oauth = store.oauth();
    let (one, other) = (signing_key("k1", 200), signing_key("k1b", 200));
    let (first, second) = tokio::join!(
        oauth.add_signing_key(&one, None),
        oauth.add_signing_key(&other, None)
    );
    assert_ne!(first.unwrap(), second.unwrap(), "one key");
    let newest = oauth.signing_keys().await.unwrap();
    let [only] = newest.as_slice() else {
        panic!("{newest:?}");
    };
    let next = signing_key("k2", 300);
    assert!(!oauth.add_signing_key(&next, None).await.unwrap());
    assert!(oauth.add_signing_key(&next, Some(&only.id)).await.unwrap());
    assert_eq!(oauth.signing_keys().await.unwrap(), [only.clone(), next]);
}

pub(crate) async fn sweeping_takes_what_has_ended(database: &TestDatabase) {
    let store = database.open().await;
    let oauth = store.oauth();
    let given = grant("g", "usr_1", "app", None, 0);
    let unused = OAuthClient {
        expires_at: Some(at(100)),
        ..client("dyn_1", ClientKind::Dynamic, ClientStatus::Unverified)
    };
    oauth.put_client(&unused).await.unwrap();
    oauth
        .create_grant(&given, Some(&code("c", "g")), None)
        .await
        .unwrap();
    oauth
        .create_refresh_token(&refresh("r", "g", 500))
        .await
        .unwrap();
    oauth.first_use(&of("jti"), at(60)).await.unwrap();
    oauth
        .add_signing_key(&signing_key("k1", 200), None)
        .await
        .unwrap();
    let kept = SignedDuration::from_hours(1);

    assert_eq!(oauth.sweep(at(60), kept).await.unwrap(), 1);
    assert!(oauth.first_use(&of("jti"), at(60)).await.unwrap());
    // The code has ended, but a second use must still be noticed.
    assert!(matches!(
        oauth.use_code(&of("c"), at(61)).await.unwrap(),
        CodeUse::First(..)
    ));
    oauth.sweep(at(200), kept).await.unwrap();
    assert_eq!(oauth.client("dyn_1").await.unwrap(), None);
    assert!(oauth.signing_keys().await.unwrap().is_empty());
    assert!(oauth.grant("g").await.unwrap().is_some());
    oauth.sweep(at(10_000 + 3_600), kept).await.unwrap();
    assert_eq!(oauth.grant("g").await.unwrap(), None);
    assert_eq!(oauth.grant_of_refresh_token(&of("r")).await.unwrap(), None);
    assert_eq!(
        oauth.use_code(&of("c"), at(62)).await.unwrap(),
        CodeUse::Unknown
    );
}
