//! Signing in through a certified OpenID provider, as a browser does it, and what must not work.

use sekimori_domain::identity_provider::IdentityProvider;
use sekimori_domain::ids::PrincipalId;
use sekimori_domain::person::{User, UserSource};
use sekimori_store::{AuditQuery, UserQuery};
use serde_json::{Value, json};

use crate::harness::Plane;
use sekimori_testkit::browser::{Browser, Seen, parameter};
use sekimori_testkit::counterpart::Script;

struct World {
    plane: Plane,
    gate: String,
    op: Script,
}

impl World {
    async fn start(settings: Value) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let gate = format!("http://{}", listener.local_addr().unwrap());
        let about_gate = json!({
            "redirect_uris": [format!("{gate}/sign-in/oidc/corp/callback")],
            "post_logout_redirect_uris": [format!("{gate}/signed-out")],
            "backchannel_logout_uri": format!("{gate}/sign-in/oidc/corp/logout"),
            "userinfo": settings["userinfo"],
        });
        let op = Script::script("oidc-provider.mjs", &about_gate).await;
        let mut provider = json!({
            "name": "corp", "title": "Example Corp.", "kind": "oidc", "issuer": op.told["issuer"],
            "client_id": "gate", "client_secret": {"value": "the client's secret & more"},
            "provisioning": "just_in_time", "allow_private_network": true,
            "groups": {"attribute": "groups", "names": {"G-1": "sales"}},
            "attributes": {"external_id": "oid"},
        });
        for (name, value) in settings.as_object().unwrap() {
            provider[name] = value.clone();
        }
        let provider: IdentityProvider = serde_json::from_value(provider).unwrap();
        let plane = Plane::with_providers(&gate, vec![provider]).await;
        plane.serve(listener);
        Self { plane, gate, op }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.gate)
    }

    /// Says who the person at the provider is.
    async fn person(&self, person: &Value) {
        let url = format!("{}/control", self.op.told["issuer"].as_str().unwrap());
        Browser::default().post_json(&url, person).await;
    }

    /// Goes to the provider and comes back; stops before the answer is taken.
    async fn callback(&self, browser: &mut Browser) -> String {
        let mut seen = browser.get(&self.url("/sign-in/start/corp")).await;
        loop {
            let location = seen.location.clone().unwrap_or_else(|| panic!("{seen:?}"));
            let location = if location.starts_with('/') {
                format!("{}{location}", self.op.told["issuer"].as_str().unwrap())
            } else {
                location
            };
            if location.contains("/callback?") {
                return location;
            }
            seen = browser.get(&location).await;
        }
    }

    async fn user(&self, name: &str) -> Option<User> {
        self.plane
            .control
            .store
            .people()
            .user_by_name(name)
            .await
            .unwrap()
    }

    /// Waits until a record with that code is found.
    async fn recorded(&self, event: &str, status: &str) -> Value {
        let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(10);
        loop {
            let query = AuditQuery::default();
            let page = self.plane.control.audit.search(&query).await.unwrap();
            let records = page.records.iter().map(|record| &record.record);
            let found = records
                .map(|record| serde_json::to_value(record).unwrap())
                .find(|record| record["event"] == event && record["outcome"]["status"] == status);
            if let Some(record) = found {
                return record;
            }
            assert!(
                tokio::time::Instant::now() < deadline,
                "{event} {status} was not recorded"
            );
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }
}

fn assert_refused(seen: &Seen, status: u16, code: &str) {
    assert_eq!(seen.status.as_u16(), status, "{}", seen.text);
    assert!(
        seen.text.contains(&format!("<code>{code}</code>")),
        "{}",
        seen.text
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn authn_1_a_person_signs_in_with_the_company_account() {
    let world = World::start(json!({})).await;
    let mut browser = Browser::default();
    let choose = browser.get(&world.url("/sign-in?lang=en")).await;
    assert!(
        choose.text.contains("Sign in with Example Corp."),
        "{}",
        choose.text
    );

    let seen = browser.follow(&world.url("/sign-in/start/corp")).await;
    assert!(
        seen.url.ends_with("/connections") && seen.status == 200,
        "{seen:?}"
    );
    let user = world.user("hanako").await.unwrap();
    assert_eq!(user.source, UserSource::JustInTime);
    assert_eq!(user.display_name, "hanako さん");
    assert_eq!(user.external_id.as_deref(), Some("oid-hanako"));
    let groups = world
        .plane
        .control
        .store
        .people()
        .groups_of(&user.id)
        .await
        .unwrap();
    assert_eq!(
        groups.iter().map(AsRef::as_ref).collect::<Vec<&str>>(),
        ["sales"]
    );
    let record = world.recorded("identity.sign_in", "success").await;
    assert_eq!(record["caller"]["id"], user.id.as_str());
    assert_eq!(record["caller"]["mfa"], false);
    assert_eq!(record["detail"]["idp"], "corp");

    // Again: the same person, not another one.
    browser.forget(&world.gate);
    let seen = browser
        .follow(&world.url("/sign-in/start/corp?txn=abc"))
        .await;
    assert!(
        seen.url.ends_with("/authorize/resume?txn=abc"),
        "{}",
        seen.url
    );
    let people = world.plane.control.store.people();
    assert_eq!(people.count_users(&UserQuery::default()).await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn authn_1_facts_may_come_from_the_userinfo_endpoint() {
    let world = World::start(json!({"userinfo": true})).await;
    let seen = Browser::default()
        .follow(&world.url("/sign-in/start/corp"))
        .await;
    assert!(seen.url.ends_with("/connections"), "{seen:?}");
    assert_eq!(
        world.user("hanako").await.unwrap().emails,
        ["hanako@example.com"]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sign_in_ends_in_the_browser_where_it_began_and_once() {
    let world = World::start(json!({})).await;
    let mut began = Browser::default();
    let callback = world.callback(&mut began).await;

    // Login CSRF: a victim's browser is sent to the attacker's answer.
    let mut victim = Browser::default();
    victim.get(&world.url("/sign-in")).await;
    let seen = victim.get(&callback).await;
    assert_refused(&seen, 403, "other_browser");
    assert!(victim.cookie(&world.gate, "sekimori").is_none());
    // Whoever comes first uses it up, so not even the right browser can go on.
    assert_refused(&began.get(&callback).await, 400, "ended");

    let callback = world.callback(&mut began).await;
    assert_eq!(began.get(&callback).await.status, 303);
    assert_refused(&began.get(&callback).await, 400, "ended");
    let made_up = format!("{}/sign-in/oidc/corp/callback?state=x&code=y", world.gate);
    assert_refused(&began.get(&made_up).await, 400, "ended");
    let record = world.recorded("identity.sign_in", "refused").await;
    assert!(record["detail"]["ip"].is_string(), "{record}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn session_fixation_gains_nothing() {
    let world = World::start(json!({})).await;
    let mut browser = Browser::default();
    let planted = "p".repeat(43);
    browser.plant(&world.gate, "sekimori", &planted);
    browser.follow(&world.url("/sign-in/start/corp")).await;
    assert_ne!(browser.cookie(&world.gate, "sekimori"), Some(&planted));
    let mut attacker = Browser::default();
    attacker.plant(&world.gate, "sekimori", &planted);
    let seen = attacker.get(&world.url("/connections")).await;
    assert_eq!(seen.location.as_deref(), Some("/sign-in"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mixed_up_answers_are_refused() {
    let world = World::start(json!({})).await;
    let mut browser = Browser::default();
    let callback = world.callback(&mut browser).await;
    let iss = parameter(&callback, "iss");
    assert_eq!(iss, world.op.told["issuer"].as_str().unwrap());
    let (before, _) = callback.split_once("&iss=").unwrap();
    for other in ["https%3A%2F%2Fevil.example", ""] {
        let callback = world.callback(&mut browser).await;
        let (path, _) = callback.split_once("&iss=").unwrap();
        let seen = browser.get(&format!("{path}&iss={other}")).await;
        assert_refused(&seen, 403, "mixed_up");
    }
    // This provider says that it names itself: an answer without a name is not its own.
    let callback = world.callback(&mut browser).await;
    let (path, _) = callback.split_once("&iss=").unwrap();
    assert_refused(&browser.get(path).await, 403, "mixed_up");
    // An answer for one provider is no answer for another.
    let other = before.replace("/oidc/corp/", "/oidc/other/");
    assert_refused(&browser.get(&other).await, 403, "mixed_up");
    // A code that the provider did not issue.
    let callback = world.callback(&mut browser).await;
    let code = parameter(&callback, "code");
    let seen = browser.get(&callback.replace(&code, "made-up")).await;
    assert_refused(&seen, 400, "not_accepted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn open_redirects_lead_nowhere() {
    let world = World::start(json!({})).await;
    for txn in ["https%3A%2F%2Fevil.example", "%2F%2Fevil.example", "a%26b"] {
        let mut browser = Browser::default();
        let seen = browser
            .follow(&world.url(&format!("/sign-in/start/corp?txn={txn}")))
            .await;
        assert_eq!(seen.url, world.url("/connections"), "{txn}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn authn_2_more_than_one_factor_can_be_required() {
    let world = World::start(json!({
        "mfa": {"required": true, "acr": ["urn:example:2fa"], "amr": ["mfa"]},
    }))
    .await;
    let mut browser = Browser::default();
    let seen = browser.get(&world.url("/sign-in/start/corp")).await;
    let asked = seen.location.unwrap();
    assert_eq!(parameter(&asked, "acr_values"), "urn:example:2fa");
    assert_eq!(parameter(&asked, "code_challenge_method"), "S256");

    let seen = browser.follow(&world.url("/sign-in/start/corp")).await;
    assert_refused(&seen, 403, "mfa_missing");
    assert!(
        world.user("hanako").await.is_none(),
        "nobody is added on the way"
    );

    world
        .person(&json!({"account": "taro", "amr": ["pwd", "mfa"]}))
        .await;
    let mut browser = Browser::default();
    let seen = browser.follow(&world.url("/sign-in/start/corp")).await;
    assert!(seen.url.ends_with("/connections"), "{seen:?}");
    let record = world.recorded("identity.sign_in", "success").await;
    assert_eq!(record["caller"]["mfa"], true);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn authn_1_only_known_and_active_people_get_in() {
    let world = World::start(json!({"provisioning": "existing"})).await;
    let seen = Browser::default()
        .follow(&world.url("/sign-in/start/corp"))
        .await;
    assert_refused(&seen, 403, "not_provisioned");

    // Somebody of the same name and address, but not the same person.
    let people = world.plane.control.store.people();
    let mut namesake = provisioned("hanako", "oid-somebody-else");
    people.create_user(&namesake).await.unwrap();
    let seen = Browser::default()
        .follow(&world.url("/sign-in/start/corp"))
        .await;
    assert_refused(&seen, 403, "not_provisioned");

    namesake = provisioned("h.yamada", "oid-hanako");
    people.create_user(&namesake).await.unwrap();
    let mut browser = Browser::default();
    let seen = browser.follow(&world.url("/sign-in/start/corp")).await;
    assert!(seen.url.ends_with("/connections"), "{seen:?}");
    let stored = people.user(&namesake.id).await.unwrap().unwrap();
    assert_eq!(
        stored.display_name, namesake.display_name,
        "what SCIM says stays"
    );

    let inactive = User {
        active: false,
        ..stored.clone()
    };
    people
        .replace_user(&inactive, stored.version)
        .await
        .unwrap();
    // The session there is ends at once, and there is no other.
    let seen = browser.get(&world.url("/connections")).await;
    assert_eq!(seen.location.as_deref(), Some("/sign-in"));
    let seen = Browser::default()
        .follow(&world.url("/sign-in/start/corp"))
        .await;
    assert_refused(&seen, 403, "inactive");
}

fn provisioned(user_name: &str, external_id: &str) -> User {
    #[allow(clippy::disallowed_methods, reason = "tests run in real time")]
    let now = jiff::Timestamp::now();
    User {
        id: PrincipalId::new(&format!("usr_{user_name}")).unwrap(),
        user_name: user_name.to_owned(),
        display_name: "山田 花子".to_owned(),
        active: true,
        source: UserSource::Scim,
        provider: Some("corp".to_owned()),
        external_id: Some(external_id.to_owned()),
        department: None,
        employment: None,
        country: None,
        locale: None,
        emails: vec!["hanako@example.com".to_owned()],
        attributes: serde_json::Map::new(),
        version: 1,
        created_at: now,
        updated_at: now,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_provider_declines_or_cannot_answer_is_told() {
    let world = World::start(json!({})).await;
    world
        .person(&json!({"account": "hanako", "decline": true}))
        .await;
    let seen = Browser::default()
        .follow(&world.url("/sign-in/start/corp"))
        .await;
    assert_refused(&seen, 400, "declined");
    assert_refused(
        &Browser::default()
            .get(&world.url("/sign-in/start/nobody"))
            .await,
        404,
        "unknown_provider",
    );

    // A provider that is away: a clear page, and nobody is let in.
    let mut away = json!({
        "name": "away", "kind": "oidc", "client_id": "gate", "issuer": "http://127.0.0.1:9",
    });
    away["allow_private_network"] = json!(true);
    let away: IdentityProvider = serde_json::from_value(away).unwrap();
    let plane = Plane::with_providers("http://127.0.0.1:1", vec![away]).await;
    let seen = plane
        .visit("/sign-in/start/away", &[("accept-language", "ja")])
        .await;
    assert_eq!(seen.status, 503);
    assert!(
        seen.text.contains("会社の ID プロバイダーに接続できません"),
        "{}",
        seen.text
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn authn_4_signing_out_at_the_provider_ends_the_session_here() {
    let world = World::start(json!({})).await;
    let mut browser = Browser::default();
    browser.follow(&world.url("/sign-in/start/corp")).await;
    let mut elsewhere = browser.clone();
    let here = browser.get(&world.url("/connections")).await;
    let out = browser
        .post(&world.url("/sign-out"), &[("csrf", &here.field("csrf"))])
        .await;
    assert_eq!(out.status, 200, "{}", out.text);
    assert!(browser.cookie(&world.gate, "sekimori").is_none());
    // The cookie is worth nothing any more, wherever it was copied to.
    let seen = elsewhere.get(&world.url("/connections")).await;
    assert_eq!(seen.location.as_deref(), Some("/sign-in"));

    // Signed in once more, and out at the provider: it tells the gate behind the scenes.
    let mut other = Browser::default();
    other.follow(&world.url("/sign-in/start/corp")).await;
    let mut at_provider = other.clone();
    let page = other.get(&world.url("/connections")).await;
    let mut out = Browser::clone(&other);
    let shown = out
        .post(&world.url("/sign-out"), &[("csrf", &page.field("csrf"))])
        .await;
    let leave = shown.between("<a class=\"button second\" href=\"", "\"");
    // Sign in again with the same session at the provider.
    at_provider.forget(&world.gate);
    at_provider.follow(&world.url("/sign-in/start/corp")).await;
    let still = at_provider.get(&world.url("/connections")).await;
    assert_eq!(still.status, 200);
    let confirm = at_provider.get(&leave).await;
    let xsrf = confirm.field("xsrf");
    let action = confirm.between("action=\"", "\"");
    let done = at_provider
        .post(&action, &[("xsrf", &xsrf), ("logout", "yes")])
        .await;
    assert!(done.status.is_redirection(), "{}", done.text);
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(10);
    loop {
        let seen = at_provider.get(&world.url("/connections")).await;
        if seen.location.as_deref() == Some("/sign-in") {
            break;
        }
        assert!(
            tokio::time::Instant::now() < deadline,
            "the session lives on"
        );
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let record = world.recorded("identity.session_revoke", "success").await;
    assert_eq!(record["detail"]["why"], "back-channel logout");

    for token in ["", "a.b.c", "eyJhbGciOiJub25lIn0.e30."] {
        let url = world.url("/sign-in/oidc/corp/logout");
        let seen = Browser::default()
            .post(&url, &[("logout_token", token)])
            .await;
        assert_eq!(seen.status, 400, "{token}: {}", seen.text);
    }
}
