//! Sessions of people in browsers.

use sekimori_domain::digest::Digest;
use sekimori_domain::ids::{PrincipalId, SessionId};
use sekimori_store::{BrowserSession, SessionProof, SessionSelector, StoreError};
use uuid::Uuid;

use crate::database::TestDatabase;
use crate::fixtures::at;

fn user(name: &str) -> PrincipalId {
    PrincipalId::new(name).unwrap()
}

fn proof() -> SessionProof {
    SessionProof {
        auth_time: at(0),
        acr: Some("urn:example:1fa".into()),
        amr: vec!["pwd".into()],
        mfa_at: None,
        ip: Some("192.0.2.7".parse().unwrap()),
        user_agent: Some("ブラウザー/1".into()),
        id_token: None,
    }
}

/// The number-th session; times are whole minutes and microseconds, as they are kept.
fn session(number: u128, user_name: &str) -> BrowserSession {
    let minute = |minute: i64| jiff::Timestamp::from_second(1_790_000_040 + 60 * minute).unwrap();
    BrowserSession {
        id: SessionId::from_uuid(Uuid::from_u128(number)),
        cookie_digest: Digest::of(&number.to_be_bytes()),
        user: user(user_name),
        device: Digest::of(b"laptop"),
        idp: "corp".into(),
        idp_session: Some(format!("sid-{number}")),
        idp_subject: format!("subject of {user_name}"),
        proof: proof(),
        created_at: minute(0),
        last_seen_at: minute(0),
        expires_at: minute(60),
        revoked_at: None,
    }
}

pub(crate) async fn reads_back_what_was_created(database: &TestDatabase) {
    let store = database.open().await;
    let sessions = store.sessions();
    let (one, two) = (session(1, "usr_a"), session(2, "usr_a"));
    assert_eq!(sessions.find(&one.cookie_digest).await.unwrap(), None);
    sessions.create(&one).await.unwrap();
    sessions.create(&two).await.unwrap();
    sessions.create(&session(3, "usr_b")).await.unwrap();
    assert_eq!(
        sessions.find(&one.cookie_digest).await.unwrap(),
        Some(one.clone())
    );
    assert_eq!(sessions.get(&two.id).await.unwrap(), Some(two.clone()));
    assert_eq!(
        sessions.of_user(&user("usr_a"), at(60)).await.unwrap(),
        [two, one.clone()]
    );
    // Two sessions never share a cookie.
    let same_cookie = BrowserSession {
        cookie_digest: one.cookie_digest,
        ..session(9, "usr_b")
    };
    let error = sessions.create(&same_cookie).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
}

pub(crate) async fn ended_sessions_are_not_listed_and_then_forgotten(database: &TestDatabase) {
    let store = database.open().await;
    let sessions = store.sessions();
    let one = session(1, "usr_a");
    sessions.create(&one).await.unwrap();
    let end = one.expires_at;
    assert!(sessions.of_user(&one.user, end).await.unwrap().is_empty());
    assert_eq!(sessions.purge(end).await.unwrap(), 0);
    assert_eq!(sessions.purge(at(10_000)).await.unwrap(), 1);
    assert_eq!(sessions.get(&one.id).await.unwrap(), None);
}

pub(crate) async fn renewing_changes_the_cookie_once(database: &TestDatabase) {
    let store = database.open().await;
    let sessions = store.sessions();
    let one = session(1, "usr_a");
    sessions.create(&one).await.unwrap();
    let stronger = SessionProof {
        mfa_at: Some(at(50)),
        ..proof()
    };
    let next = Digest::of(b"next");
    assert!(
        sessions
            .renew(&one.cookie_digest, &next, &stronger)
            .await
            .unwrap()
    );
    // The old cookie is worth nothing any more, not even for another renewal.
    assert_eq!(sessions.find(&one.cookie_digest).await.unwrap(), None);
    assert!(
        !sessions
            .renew(&one.cookie_digest, &Digest::of(b"other"), &stronger)
            .await
            .unwrap()
    );
    let renewed = sessions.find(&next).await.unwrap().unwrap();
    assert_eq!(
        (renewed.id, renewed.proof),
        (one.id.clone(), stronger.clone())
    );
    // A revoked session stays revoked.
    sessions
        .revoke(SessionSelector::Id(&one.id), at(51))
        .await
        .unwrap();
    assert!(
        !sessions
            .renew(&next, &one.cookie_digest, &stronger)
            .await
            .unwrap()
    );
}

pub(crate) async fn every_selector_revokes_its_own(database: &TestDatabase) {
    let store = database.open().await;
    let sessions = store.sessions();
    for number in 1..=4 {
        sessions.create(&session(number, "usr_a")).await.unwrap();
    }
    let elsewhere = BrowserSession {
        device: Digest::of(b"phone"),
        ..session(5, "usr_a")
    };
    let foreign = BrowserSession {
        idp: "other".into(),
        idp_session: Some("sid-2".into()),
        ..session(6, "usr_b")
    };
    for extra in [&elsewhere, &foreign] {
        sessions.create(extra).await.unwrap();
    }
    let id = |number| session(number, "usr_a").id;
    let a = user("usr_a");
    let laptop = Digest::of(b"laptop");
    let one = id(1);
    for (which, expected) in [
        (SessionSelector::Id(&one), vec![id(1)]),
        (SessionSelector::Id(&one), vec![]),
        (SessionSelector::IdpSession("corp", "sid-2"), vec![id(2)]),
        (SessionSelector::IdpSession("corp", "sid-9"), vec![]),
        (SessionSelector::Device(&a, &laptop), vec![id(3), id(4)]),
        (SessionSelector::User(&a), vec![id(5)]),
        (
            SessionSelector::IdpSubject("other", "subject of usr_b"),
            vec![id(6)],
        ),
    ] {
        let mut revoked = sessions.revoke(which, at(10)).await.unwrap();
        revoked.sort();
        assert_eq!(revoked, expected, "{which:?}");
    }
    let first = sessions.get(&one).await.unwrap().unwrap();
    assert_eq!(
        first.revoked_at.map(jiff::Timestamp::as_microsecond),
        Some(at(10).as_microsecond())
    );
    assert!(sessions.of_user(&a, at(11)).await.unwrap().is_empty());
}

pub(crate) async fn use_is_noted_to_the_minute(database: &TestDatabase) {
    let store = database.open().await;
    let sessions = store.sessions();
    let one = session(1, "usr_a");
    sessions.create(&one).await.unwrap();
    let seen = async || sessions.get(&one.id).await.unwrap().unwrap().last_seen_at;
    sessions.touch(&one.id, at(125)).await.unwrap();
    let noted = seen().await;
    assert!(noted > one.last_seen_at && noted <= at(125));
    assert_eq!(noted.as_second() % 60, 0);
    // Time never goes back, and a session may be gone meanwhile.
    sessions.touch(&one.id, at(1)).await.unwrap();
    sessions
        .touch(&session(9, "usr_a").id, at(1))
        .await
        .unwrap();
    assert_eq!(seen().await, noted);
}
