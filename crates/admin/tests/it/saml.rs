//! Signing in through SAML providers: one that does everything wrong, and SimpleSAMLphp.

use sekimori_domain::identity_provider::IdentityProvider;
use serde_json::{Value, json};

use crate::harness::Plane;
use sekimori_testkit::browser::{Browser, Seen, parameter};
use sekimori_testkit::counterpart::Script;

struct World {
    plane: Plane,
    gate: String,
    idp: Script,
}

impl World {
    async fn start(settings: Value) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let gate = format!("http://{}", listener.local_addr().unwrap());
        let idp = Script::script("saml-idp.mjs", &json!({})).await;
        let mut provider = json!({
            "name": "corp", "kind": "saml", "provisioning": "just_in_time",
            "entity_id": idp.told["entityId"],
            "sso_url": format!("{}/sso", idp.told["url"].as_str().unwrap()),
            "certificates": [idp.told["certificate"]],
            "name_id_format": "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent",
            "groups": {"attribute": "groups", "names": {"G-1": "sales"}},
            "attributes": {"display_name": "displayName"},
        });
        for (name, value) in settings.as_object().unwrap() {
            provider[name] = value.clone();
        }
        let provider: IdentityProvider = serde_json::from_value(provider).unwrap();
        let plane = Plane::with_providers(&gate, vec![provider]).await;
        plane.serve(listener);
        Self { plane, gate, idp }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.gate)
    }

    /// What the provider's page would post.
    async fn answer(&self, browser: &mut Browser, variant: &str, facts: Value) -> Value {
        let seen = browser.get(&self.url("/sign-in/start/corp")).await;
        let location = seen.location.unwrap();
        let asked = json!({
            "request": parameter(&location, "SAMLRequest"),
            "relayState": parameter(&location, "RelayState"),
            "variant": variant, "facts": facts,
        });
        let url = format!("{}/answer", self.idp.told["url"].as_str().unwrap());
        let seen = Browser::default().post_json(&url, &asked).await;
        serde_json::from_str(&seen.text).unwrap_or_else(|_| panic!("{variant}: {}", seen.text))
    }

    /// Posts it as a page of another site does: without our cookies.
    async fn post(&self, answer: &Value) -> Seen {
        let fields = [
            ("SAMLResponse", answer["SAMLResponse"].as_str().unwrap()),
            ("RelayState", answer["RelayState"].as_str().unwrap()),
        ];
        let acs = answer["acs"].as_str().unwrap();
        Browser::default().post(acs, &fields).await
    }

    async fn try_variant(&self, variant: &str, facts: Value) -> Seen {
        let mut browser = Browser::default();
        let answer = self.answer(&mut browser, variant, facts).await;
        let seen = self.post(&answer).await;
        browser.go_on(seen).await
    }
}

fn refused(seen: &Seen) -> bool {
    seen.status.is_client_error() && seen.text.contains("<code>")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn authn_1_a_person_signs_in_with_saml() {
    let world = World::start(json!({})).await;
    let mut browser = Browser::default();
    let answer = world.answer(&mut browser, "good", json!({})).await;
    let seen = world.post(&answer).await;
    let seen = browser.go_on(seen).await;
    assert!(
        seen.url.ends_with("/connections") && seen.status == 200,
        "{seen:?}"
    );
    let people = world.plane.control.store.people();
    let user = people
        .user_by_link("corp", "hanako")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(user.display_name, "花子");
    let groups = people.groups_of(&user.id).await.unwrap();
    assert_eq!(
        groups.iter().map(AsRef::as_ref).collect::<Vec<&str>>(),
        ["sales"]
    );

    // The same answer again, in the same browser and in another.
    for mut browser in [browser, Browser::default()] {
        let seen = world.post(&answer).await;
        let seen = browser.go_on(seen).await;
        assert!(refused(&seen), "{seen:?}");
    }
    let metadata = Browser::default()
        .get(&world.url("/sign-in/saml/corp/metadata"))
        .await;
    assert!(
        metadata.text.contains("WantAssertionsSigned=\"true\""),
        "{}",
        metadata.text
    );
}

/// Every way to be wrong that the provider knows. What is accepted must be listed here.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn authn_1_nothing_but_a_signed_and_fitting_answer_is_accepted() {
    let world = World::start(json!({})).await;
    let variants: Vec<String> = serde_json::from_value(world.idp.told["variants"].clone()).unwrap();
    let accepted = ["good", "attribute twice", "comment in the signed name"];
    assert!(variants.len() > 30);
    for variant in &variants {
        let seen = world.try_variant(variant, json!({})).await;
        if accepted.contains(&variant.as_str()) {
            assert_eq!(seen.status, 200, "{variant}: {}", seen.text);
        } else {
            assert!(refused(&seen), "{variant}: {seen:?}");
        }
    }
    // A comment splits no name: CVE-2017-11428 and its relatives would have read "hana".
    let people = world.plane.control.store.people();
    assert!(people.user_by_link("corp", "hana").await.unwrap().is_none());
    assert!(
        people
            .user_by_link("corp", "admin")
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_is_bound_to_the_browser_and_to_one_use() {
    let world = World::start(json!({})).await;
    let mut began = Browser::default();
    let answer = world.answer(&mut began, "good", json!({})).await;
    let seen = world.post(&answer).await;
    let location = seen.location.clone().unwrap();
    // Login CSRF: another browser finishes.
    let mut victim = Browser::default();
    victim.get(&world.url("/sign-in")).await;
    let seen = victim.get(&format!("{}{location}", world.gate)).await;
    assert_eq!(seen.status, 403);
    assert!(
        seen.text.contains("<code>other_browser</code>"),
        "{}",
        seen.text
    );

    // Whatever another site makes a browser post, its own key stays.
    let mut lured = Browser::default();
    let acs = answer["acs"].as_str().unwrap();
    let fields = [("SAMLResponse", "x"), ("RelayState", "y")];
    assert_eq!(lured.post(acs, &fields).await.status, 400);
    assert!(lured.cookie(&world.gate, "sekimori-browser").is_none());

    // An assertion that was used before, wrapped up anew for another request of ours.
    let id = "_assertion-of-yesterday";
    let seen = world.try_variant("good", json!({"assertionId": id})).await;
    assert_eq!(seen.status, 200, "{}", seen.text);
    let seen = world.try_variant("good", json!({"assertionId": id})).await;
    assert!(seen.text.contains("<code>replayed</code>"), "{}", seen.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn authn_2_the_authentication_context_can_prove_a_second_factor() {
    let two_factors = "https://refeds.org/profile/mfa";
    let world = World::start(json!({"mfa": {"required": true, "acr": [two_factors]}})).await;
    let seen = world.try_variant("good", json!({})).await;
    assert!(
        seen.text.contains("<code>mfa_missing</code>"),
        "{}",
        seen.text
    );
    let mut browser = Browser::default();
    let answer = world
        .answer(&mut browser, "good", json!({"context": two_factors}))
        .await;
    let request = answer["request"].as_str().unwrap();
    assert!(
        request.contains(&format!("<saml:AuthnContextClassRef>{two_factors}<")),
        "{request}"
    );
    let seen = world.post(&answer).await;
    let seen = browser.go_on(seen).await;
    assert_eq!(seen.status, 200, "{}", seen.text);
    // Changed on the way, it proves nothing: the response is signed as a whole.
    let seen = world
        .try_variant("good", json!({"context": "urn:other"}))
        .await;
    assert!(refused(&seen));
}
