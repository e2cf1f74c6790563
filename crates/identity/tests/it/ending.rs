//! AUTHN-4: ending access ends what was issued, and everything from which more could be issued.

use std::sync::Arc;
use std::time::Duration;

use sekimori_domain::clock::Clock;
use sekimori_domain::digest::Digest;
use sekimori_domain::ids::{ClientId, PrincipalId, SessionId};
use sekimori_domain::oauth::{Grant, GrantKind};
use sekimori_domain::person::{User, UserSource};
use sekimori_domain::revocation::{Subject, SubjectKind};
use sekimori_identity::{Revocations, create_account, end_access, find_owner, hand_over};
use sekimori_store::{BrowserSession, SessionProof, Store};
use uuid::Uuid;

use crate::clock::TestClock;
use crate::gate::Gate;
use crate::local::new_account;
use crate::own::HANAKO;

struct Site {
    store: Arc<dyn Store>,
    revocations: Revocations,
    clock: Arc<TestClock>,
    session: SessionId,
    _folder: tempfile::TempDir,
}

impl Site {
    /// Hanako has a session, a grant from it to the client `client-1`, and one of her own to `client-2`.
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("gate.db").display());
        let store = sekimori_store::open(&url).await.unwrap();
        let clock = Arc::new(TestClock::new());
        let revocations = Revocations::new(&*store, Arc::<TestClock>::clone(&clock));
        revocations.load().await.unwrap();
        let session = SessionId::from_uuid(Uuid::from_u128(7));
        let site = Self {
            store,
            revocations,
            clock,
            session,
            _folder: folder,
        };
        let sessions = site.store.sessions();
        sessions.create(&site.browser_session()).await.unwrap();
        let from_session = Some(site.session.to_string());
        for (id, client, session) in [("g1", "client-1", from_session), ("g2", "client-2", None)] {
            let grant = site.grant(id, client, session);
            let oauth = site.store.oauth();
            oauth.create_grant(&grant, None, None).await.unwrap();
        }
        site
    }

    fn browser_session(&self) -> BrowserSession {
        let now = self.clock.now();
        BrowserSession {
            id: self.session.clone(),
            cookie_digest: Digest::of(b"cookie"),
            user: PrincipalId::new(HANAKO).unwrap(),
            device: Digest::of(b"laptop"),
            idp: "corp".to_owned(),
            idp_session: None,
            idp_subject: "hanako".to_owned(),
            proof: SessionProof {
                auth_time: now,
                acr: None,
                amr: Vec::new(),
                mfa_at: None,
                ip: None,
                user_agent: None,
                id_token: None,
            },
            created_at: now,
            last_seen_at: now,
            expires_at: now + Duration::from_hours(8),
            revoked_at: None,
        }
    }

    fn grant(&self, id: &str, client: &str, session: Option<String>) -> Grant {
        let now = self.clock.now();
        Grant {
            id: id.to_owned(),
            kind: GrantKind::Consent,
            subject: PrincipalId::new(HANAKO).unwrap(),
            client: ClientId::new(client).unwrap(),
            document: None,
            redirect_uri: None,
            resource: "https://gate.example/mcp".to_owned(),
            scopes: vec!["mcp:read".to_owned()],
            session,
            sign_in: None,
            created_at: now,
            expires_at: now + Duration::from_hours(24),
            last_used_at: None,
            revoked_at: None,
        }
    }

    async fn end(&self, kind: SubjectKind, id: &str) -> (usize, Vec<String>) {
        let subject = Subject::new(kind, id);
        let (store, clock) = (&*self.store, &*self.clock);
        let ended = end_access(store, &self.revocations, clock, &subject);
        let ended = ended.await.unwrap();
        assert!(self.revocations.is_revoked(&subject, clock.now()).unwrap());
        for grant in &ended.grants {
            let subject = Subject::new(SubjectKind::Grant, grant);
            assert!(self.revocations.is_revoked(&subject, clock.now()).unwrap());
        }
        let mut grants = ended.grants;
        grants.sort();
        (ended.sessions.len(), grants)
    }

    async fn alive(&self) -> (bool, Vec<&'static str>) {
        let session = self.store.sessions().get(&self.session).await.unwrap();
        let mut grants = Vec::new();
        for id in ["g1", "g2"] {
            let grant = self.store.oauth().grant(id).await.unwrap().unwrap();
            if grant.is_alive(self.clock.now()) {
                grants.push(id);
            }
        }
        (session.unwrap().revoked_at.is_none(), grants)
    }
}

#[tokio::test]
async fn authn_4_nothing_more_can_come_from_what_has_ended() {
    let site = Site::new().await;
    let ended = site.end(SubjectKind::Client, "client-2").await;
    assert_eq!(ended, (0, vec!["g2".to_owned()]));
    assert_eq!(site.alive().await, (true, vec!["g1"]));

    let site = Site::new().await;
    let session = site.session.to_string();
    let ended = site.end(SubjectKind::Session, &session).await;
    assert_eq!(ended, (1, vec!["g1".to_owned()]));
    assert_eq!(site.alive().await, (false, vec!["g2"]));

    let site = Site::new().await;
    assert_eq!(site.end(SubjectKind::Grant, "g1").await.1, ["g1"]);
    assert_eq!(site.alive().await, (true, vec!["g2"]));

    let site = Site::new().await;
    let ended = site.end(SubjectKind::User, HANAKO).await;
    assert_eq!(ended, (1, vec!["g1".to_owned(), "g2".to_owned()]));
    assert_eq!(site.alive().await, (false, vec![]));
    // Again, it is the same.
    assert_eq!(site.end(SubjectKind::User, HANAKO).await, (0, vec![]));
}

fn user(site: &Site, id: &str, name: &str, active: bool) -> User {
    let now = site.clock.now();
    User {
        id: PrincipalId::new(id).unwrap(),
        user_name: name.to_owned(),
        display_name: name.to_owned(),
        active,
        source: UserSource::Local,
        provider: None,
        external_id: None,
        department: None,
        employment: None,
        country: None,
        locale: None,
        emails: Vec::new(),
        attributes: serde_json::Map::new(),
        version: 1,
        created_at: now,
        updated_at: now,
    }
}

#[tokio::test]
async fn authn_5_an_owner_is_a_person_as_soon_as_people_are_known() {
    let site = Site::new().await;
    let people = site.store.people();
    // Before an identity provider is connected nobody is known.
    let owner = find_owner(&*people, " hanako ").await.unwrap();
    assert_eq!(owner, "hanako");
    let hanako = user(&site, HANAKO, "hanako@acme.example", true);
    let gone = "usr_0190a1b2c3d47e5f8a9b0c1d2e3f4a5c";
    for known in [&hanako, &user(&site, gone, "jiro@acme.example", false)] {
        people.create_user(known).await.unwrap();
    }
    for given in [HANAKO, "Hanako@ACME.example"] {
        assert_eq!(find_owner(&*people, given).await.unwrap(), HANAKO);
    }
    for (given, why) in [
        ("hanako", "no such person"),
        ("usr_ffffffffffffffffffffffffffffffff", "no such person"),
        ("jiro@acme.example", "not active"),
        (gone, "not active"),
        ("", "required"),
    ] {
        let error = find_owner(&*people, given).await.unwrap_err().to_string();
        assert!(error.contains(why), "{given}: {error}");
    }
}

#[tokio::test]
async fn authn_5_an_account_is_handed_over_to_somebody_who_is_there() {
    let site = Site::new().await;
    let (people, accounts) = (site.store.people(), site.store.service_accounts());
    let gate = Gate::new(Vec::new());
    create_account(&*accounts, &*site.clock, new_account(&gate))
        .await
        .unwrap();
    let hanako = user(&site, HANAKO, "hanako@acme.example", true);
    people.create_user(&hanako).await.unwrap();
    let to = "hanako@acme.example";
    let owner = hand_over(&*accounts, &*people, "nightly-report", to).await;
    assert_eq!(owner.unwrap(), HANAKO);
    let account = accounts.get("nightly-report").await.unwrap().unwrap();
    assert_eq!(account.owner, HANAKO);
    assert!(hand_over(&*accounts, &*people, "nobody", to).await.is_err());
    assert!(
        hand_over(&*accounts, &*people, "nightly-report", "x")
            .await
            .is_err()
    );
}
