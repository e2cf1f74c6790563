//! Sessions of people in browsers, over a real store.

use std::sync::Arc;
use std::time::Duration;

use sekimori_domain::clock::Clock as _;
use sekimori_domain::ids::PrincipalId;
use sekimori_identity::SystemRandom;
use sekimori_identity::sign_in::{
    Browser, OpenedSession, SESSION_IDLE, SESSION_LIFETIME, SessionKeeper, SignedIn, Vouched,
};
use sekimori_store::SessionSelector;
use tempfile::TempDir;

use crate::clock::{TestClock, TestIds};

struct World {
    keeper: SessionKeeper,
    clock: Arc<TestClock>,
    _folder: TempDir,
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("test.db").display());
        let store = sekimori_store::open(&url).await.unwrap();
        let clock = Arc::new(TestClock::new());
        let keeper = SessionKeeper::new(
            store.sessions(),
            Arc::clone(&clock) as _,
            Arc::new(TestIds::default()),
            Arc::new(SystemRandom),
        );
        Self {
            keeper,
            clock,
            _folder: folder,
        }
    }

    fn vouched(&self, user: &str) -> Vouched {
        Vouched {
            user: PrincipalId::new(user).unwrap(),
            idp: "corp".into(),
            idp_session: Some("sid".into()),
            idp_subject: format!("subject of {user}"),
            auth_time: self.clock.now(),
            acr: None,
            amr: vec!["pwd".into()],
            mfa: false,
            id_token: None,
        }
    }

    async fn current(&self, browser: &Browser) -> Option<SignedIn> {
        self.keeper.current(browser).await.unwrap()
    }
}

fn browser(session: Option<String>) -> Browser {
    Browser {
        session,
        key: Some("k".repeat(43)),
        ip: Some("192.0.2.1".parse().unwrap()),
        user_agent: Some("Browser/1".into()),
    }
}

fn with_cookie(opened: OpenedSession) -> (Browser, SignedIn) {
    let cookie = opened.cookie.reveal().to_string();
    (browser(Some(cookie)), opened.signed_in)
}

#[tokio::test]
async fn authn_1_a_session_is_found_by_its_cookie_until_it_ends() {
    let world = World::new().await;
    let opened = world
        .keeper
        .open(&browser(None), world.vouched("usr_a"))
        .await
        .unwrap();
    assert!(opened.new_device && opened.ended.is_none());
    let (browser_a, signed_in) = with_cookie(opened);
    assert_eq!(world.current(&browser_a).await, Some(signed_in.clone()));
    assert!(signed_in.owns_form(&signed_in.form_token) && !signed_in.owns_form(""));
    for other in [
        None,
        Some(String::new()),
        Some("x".repeat(43)),
        Some(signed_in.session.to_string()),
    ] {
        assert_eq!(world.current(&browser(other)).await, None);
    }

    // In use it lives on, unused it does not, and in the end not even in use.
    let step = SESSION_IDLE.saturating_sub(Duration::from_mins(5));
    let mut lived = Duration::ZERO;
    while lived + step < SESSION_LIFETIME {
        world.clock.advance(step);
        lived += step;
        assert!(world.current(&browser_a).await.is_some(), "{lived:?}");
    }
    world.clock.advance(step);
    assert_eq!(world.current(&browser_a).await, None);

    let idle = world
        .keeper
        .open(&browser(None), world.vouched("usr_a"))
        .await
        .unwrap();
    let (idle, _) = with_cookie(idle);
    world.clock.advance(SESSION_IDLE + Duration::from_mins(2));
    assert_eq!(world.current(&idle).await, None);
}

#[tokio::test]
async fn authn_1_every_sign_in_changes_the_cookie() {
    let world = World::new().await;
    // Somebody planted a cookie of their own choice: it never becomes a session.
    let planted = browser(Some("p".repeat(43)));
    let opened = world
        .keeper
        .open(&planted, world.vouched("usr_a"))
        .await
        .unwrap();
    assert_eq!(world.current(&planted).await, None);
    let (first, before) = with_cookie(opened);

    // The same person again: same session, other cookie, and the old one is worth nothing.
    let again = world
        .keeper
        .open(&first, world.vouched("usr_a"))
        .await
        .unwrap();
    let (second, after) = with_cookie(again);
    assert_eq!(after.session, before.session);
    assert_ne!(after.form_token, before.form_token);
    assert_eq!(world.current(&first).await, None);

    // Another person in the same browser: the session before is ended.
    let opened = world
        .keeper
        .open(&second, world.vouched("usr_b"))
        .await
        .unwrap();
    assert_eq!(opened.ended, Some(after.session.clone()));
    assert_ne!(opened.signed_in.session, after.session);
    assert_eq!(world.current(&second).await, None);
}

#[tokio::test]
async fn sessions_are_revoked_by_person_browser_and_provider_session() {
    let world = World::new().await;
    let open = async |user: &str, key: &str| {
        let mut from = browser(None);
        from.key = Some(key.repeat(43));
        let opened = world.keeper.open(&from, world.vouched(user)).await.unwrap();
        let cookie = opened.cookie.reveal().to_string();
        from.session = Some(cookie);
        (from, opened.signed_in)
    };
    let (laptop, on_laptop) = open("usr_a", "l").await;
    let (phone, _) = open("usr_a", "p").await;
    let (other, _) = open("usr_b", "l").await;

    let device = SessionSelector::Device(&on_laptop.user, &on_laptop.device);
    assert_eq!(
        world.keeper.end(device).await.unwrap(),
        std::slice::from_ref(&on_laptop.session)
    );
    assert!(world.current(&laptop).await.is_none());
    assert!(world.current(&phone).await.is_some() && world.current(&other).await.is_some());
    let ended = world
        .keeper
        .end(SessionSelector::User(&on_laptop.user))
        .await
        .unwrap();
    assert_eq!(ended.len(), 1);
    assert!(world.current(&phone).await.is_none());
    let ended = world
        .keeper
        .end(SessionSelector::IdpSession("corp", "sid"))
        .await
        .unwrap();
    assert_eq!(ended.len(), 1);
    assert!(world.current(&other).await.is_none());
}
