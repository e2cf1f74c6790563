//! An authorization server over a real store, a person, a browser, and a client that does everything right.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::Uri;
use sekimori_domain::Timestamp;
use sekimori_domain::clock::Clock;
use sekimori_domain::digest::Digest;
use sekimori_domain::ids::{PrincipalId, SessionId};
use sekimori_domain::oauth::{ClientAuthentication, ClientKeys, OAuthClient};
use sekimori_domain::person::{User, UserSource};
use sekimori_identity::authorization_server::{
    AuthorizationServer, AuthorizationServerConfig, ConsentView, Decision, IssuedTokens, NewClient,
    OAuthRefusal, Outcome, PageFault, Params, Parts, Redirection, deny_client, register_client,
};
use sekimori_identity::sign_in::SignedIn;
use sekimori_identity::{
    Document, Fetch, FetchDocument, FetchError, PublicUrl, Revocations, SystemRandom,
};
use sekimori_store::Store;
use serde_json::{Map, Value};
use tempfile::TempDir;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::keys::{TestIds, open_store};
use crate::clock::TestClock;

pub(crate) const ISSUER: &str = "https://gate.example";
pub(crate) const RESOURCE: &str = "https://gate.example/mcp";
pub(crate) const BACK: &str = "https://app.example/back";
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

/// Documents by address; what is not there can't be fetched.
#[derive(Default)]
pub(crate) struct Documents {
    pub(crate) served: Mutex<HashMap<String, Document>>,
    pub(crate) asked: AtomicUsize,
}

impl Documents {
    pub(crate) fn serve(&self, address: &str, body: &Value) {
        let document = Document {
            body: Bytes::from(body.to_string()),
            content_type: Some("application/json; charset=utf-8".into()),
            cache_control: None,
        };
        self.serve_document(address, document);
    }

    pub(crate) fn serve_document(&self, address: &str, document: Document) {
        let mut served = self.served.lock().unwrap();
        served.insert(address.to_owned(), document);
    }

    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn get(&self, url: &Uri) -> Result<Document, FetchError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let served = self.served.lock().unwrap();
        served
            .get(&url.to_string())
            .cloned()
            .ok_or(FetchError::NotFound)
    }
}

#[async_trait]
impl FetchDocument for Documents {
    async fn get_document(&self, url: &Uri, _: usize) -> Result<Document, FetchError> {
        self.get(url)
    }
}

#[async_trait]
impl Fetch for Documents {
    async fn get_json(&self, url: &Uri) -> Result<Bytes, FetchError> {
        Ok(self.get(url)?.body)
    }
}

pub(crate) struct Kit {
    pub(crate) server: AuthorizationServer,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) documents: Arc<Documents>,
    pub(crate) client: OAuthClient,
    folder: TempDir,
}

/// The person who signs in.
pub(crate) fn user_id() -> PrincipalId {
    PrincipalId::new("usr_00000000000070008000000000000001").unwrap()
}

pub(crate) fn browser() -> Digest {
    Digest::of(b"the person's browser")
}

fn user(now: Timestamp) -> User {
    User {
        id: user_id(),
        user_name: "hanako@example.co.jp".into(),
        display_name: "山田 花子".into(),
        active: true,
        source: UserSource::Local,
        provider: None,
        external_id: None,
        department: None,
        employment: None,
        country: None,
        locale: None,
        emails: Vec::new(),
        attributes: Map::new(),
        version: 1,
        created_at: now,
        updated_at: now,
    }
}

pub(crate) fn new_client(name: &str) -> NewClient {
    NewClient {
        name: name.into(),
        redirect_uris: vec![BACK.into()],
        authentication: ClientAuthentication::None,
        keys: None,
        scopes: None,
        service_account: None,
        by: "admin:test".into(),
    }
}

/// Parameters with some replaced, removed (empty) or added.
pub(crate) fn params(base: &[(&str, &str)], changes: &[(&str, &str)]) -> Params {
    let kept = base
        .iter()
        .filter(|(name, _)| changes.iter().all(|(changed, _)| changed != name));
    let pairs = kept
        .chain(changes)
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Params::new(pairs.collect())
}

impl Kit {
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut AuthorizationServerConfig)) -> Self {
        let (store, folder) = open_store().await;
        let clock = Arc::new(TestClock::new());
        let documents = Arc::new(Documents::default());
        let mut config = AuthorizationServerConfig::new(PublicUrl::new(ISSUER).unwrap());
        change(&mut config);
        let parts = Parts {
            store: Arc::clone(&store),
            documents: Arc::clone(&documents) as _,
            fetch: Arc::clone(&documents) as _,
            clock: Arc::clone(&clock) as _,
            ids: Arc::new(TestIds::default()),
            random: Arc::new(SystemRandom),
            installation_key: Zeroizing::new([7; 32]),
        };
        let server = AuthorizationServer::start(config, parts).await.unwrap();
        store
            .people()
            .create_user(&user(clock.now()))
            .await
            .unwrap();
        let client = register_client(
            &*store.oauth(),
            &*clock,
            &SystemRandom,
            new_client("社内アシスタント"),
        )
        .await
        .unwrap();
        Self {
            server,
            store,
            clock,
            documents,
            client,
            folder,
        }
    }

    /// Who is signed in, with one factor.
    pub(crate) fn signed_in(&self) -> SignedIn {
        SignedIn {
            session: SessionId::from_uuid(Uuid::from_u64_pair(1, 1)),
            user: user_id(),
            idp: "local".into(),
            idp_session: None,
            auth_time: self.clock.now(),
            acr: None,
            amr: vec!["pwd".into()],
            mfa: false,
            mfa_at: None,
            device: Digest::of(b"device"),
            form_token: String::new(),
        }
    }

    pub(crate) fn signed_in_with_mfa(&self) -> SignedIn {
        SignedIn {
            amr: vec!["pwd".into(), "otp".into(), "mfa".into()],
            mfa: true,
            mfa_at: Some(self.clock.now()),
            ..self.signed_in()
        }
    }

    /// What a client sends that does everything right, with changes.
    pub(crate) fn request(&self, changes: &[(&str, &str)]) -> Params {
        let challenge = URL_SAFE_NO_PAD.encode(Digest::of(VERIFIER.as_bytes()).0);
        let base = [
            ("response_type", "code"),
            ("client_id", self.client.id.as_str()),
            ("redirect_uri", BACK),
            ("state", "the state"),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
            ("resource", RESOURCE),
        ];
        params(&base, changes)
    }

    pub(crate) async fn authorize(&self, changes: &[(&str, &str)]) -> Outcome {
        let signed_in = self.signed_in();
        self.server
            .authorize(&self.request(changes), browser(), Some(&signed_in), false)
            .await
    }

    pub(crate) async fn view(&self, changes: &[(&str, &str)]) -> ConsentView {
        match self.authorize(changes).await {
            Outcome::Consent(view) => *view,
            other => panic!("no consent page: {other:?}"),
        }
    }

    pub(crate) async fn fault(&self, changes: &[(&str, &str)]) -> PageFault {
        match self.authorize(changes).await {
            Outcome::Page(fault) => fault,
            other => panic!("no page: {other:?}"),
        }
    }

    /// The person consents; where the browser goes.
    pub(crate) async fn allow(&self, view: &ConsentView, remember: bool) -> Redirection {
        let decision = Decision {
            allow: true,
            remember,
        };
        let signed_in = self.signed_in();
        let decided = self
            .server
            .decide(&view.txn, browser(), Some(&signed_in), decision)
            .await;
        redirection(decided)
    }

    /// A fresh code.
    pub(crate) async fn code(&self, changes: &[(&str, &str)]) -> String {
        let view = self.view(changes).await;
        let redirection = self.allow(&view, false).await;
        answer(&redirection.to)["code"].clone()
    }

    pub(crate) async fn exchange(
        &self,
        code: &str,
        changes: &[(&str, &str)],
    ) -> Result<IssuedTokens, OAuthRefusal> {
        let base = [
            ("grant_type", "authorization_code"),
            ("client_id", self.client.id.as_str()),
            ("code", code),
            ("code_verifier", VERIFIER),
            ("redirect_uri", BACK),
            ("resource", RESOURCE),
        ];
        self.server.token(&params(&base, changes), None).await
    }

    /// Tokens as a client gets them that does everything right.
    pub(crate) async fn tokens(&self) -> IssuedTokens {
        let code = self.code(&[]).await;
        self.exchange(&code, &[]).await.unwrap()
    }

    pub(crate) async fn refresh(
        &self,
        token: &str,
        changes: &[(&str, &str)],
    ) -> Result<IssuedTokens, OAuthRefusal> {
        let base = [
            ("grant_type", "refresh_token"),
            ("client_id", self.client.id.as_str()),
            ("refresh_token", token),
        ];
        self.server.token(&params(&base, changes), None).await
    }

    pub(crate) async fn deactivate_user(&self) {
        let people = self.store.people();
        let mut user = people.user(&user_id()).await.unwrap().unwrap();
        user.active = false;
        people.replace_user(&user, user.version).await.unwrap();
    }

    pub(crate) async fn register(&self, new: NewClient) -> OAuthClient {
        let oauth = self.store.oauth();
        register_client(&*oauth, &*self.clock, &SystemRandom, new)
            .await
            .unwrap()
    }

    /// Has an administrator deny a client; tells which grants ended.
    pub(crate) async fn deny(&self, client: &str) -> Vec<String> {
        let clock: Arc<dyn Clock> = Arc::clone(&self.clock) as _;
        let revocations = Revocations::new(&*self.store, clock);
        deny_client(
            &*self.store,
            &revocations,
            &*self.clock,
            client,
            "admin:test",
        )
        .await
        .unwrap()
        .1
    }

    /// A client with the keys of a JWK set.
    pub(crate) async fn signing_client(&self, name: &str, keys: Value) -> OAuthClient {
        self.register(NewClient {
            authentication: ClientAuthentication::PrivateKeyJwt,
            keys: Some(ClientKeys::Set(keys)),
            ..new_client(name)
        })
        .await
    }

    /// Whether a text is anywhere in the files of the database.
    pub(crate) fn database_holds(&self, text: &str) -> bool {
        std::fs::read_dir(self.folder.path()).unwrap().any(|file| {
            let bytes = std::fs::read(file.unwrap().path()).unwrap();
            bytes
                .windows(text.len())
                .any(|window| window == text.as_bytes())
        })
    }

    pub(crate) fn claims(&self, tokens: &IssuedTokens) -> Map<String, Value> {
        let keys = self.server.keys().public_keys();
        keys.verify(&tokens.access_token).expect("our own token")
    }
}

pub(crate) fn redirection(outcome: Outcome) -> Redirection {
    match outcome {
        Outcome::Redirect(redirection) => *redirection,
        other => panic!("not sent back: {other:?}"),
    }
}

/// The parameters of an answer, which must go to the client's own address.
pub(crate) fn answer(to: &str) -> HashMap<String, String> {
    let (base, query) = to.split_once('?').expect("an answer");
    assert_eq!(base, BACK);
    url::form_urlencoded::parse(query.as_bytes())
        .into_owned()
        .collect()
}

pub(crate) fn refresh_token(tokens: &IssuedTokens) -> String {
    tokens
        .refresh_token
        .as_ref()
        .expect("a refresh token")
        .to_string()
}
