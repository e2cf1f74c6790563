//! The first start, the local administrator, one-time codes and passkeys.

use std::sync::Arc;

use sekimori_identity::SystemRandom;
use sekimori_identity::sign_in::create_setup_code;
use serde_json::{Value, json};

use crate::authenticator::SoftPasskey;
use crate::harness::Plane;
use sekimori_testkit::browser::Browser;

struct World {
    plane: Plane,
    gate: String,
}

impl World {
    /// A gate that is addressed by name, so that it can have passkeys.
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let gate = format!("http://localhost:{}", listener.local_addr().unwrap().port());
        let plane = Plane::with_providers(&gate, Vec::new()).await;
        plane.serve(listener);
        Self { plane, gate }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.gate)
    }

    async fn setup_code(&self) -> String {
        let control = &self.plane.control;
        let code = create_setup_code(
            control.store.sign_ins(),
            Arc::clone(&control.clock),
            Arc::new(SystemRandom),
        );
        code.await.unwrap().reveal().to_string()
    }

    /// Sets the gate up; returns the browser and the sign-in key.
    async fn set_up(&self) -> (Browser, String) {
        let code = self.setup_code().await;
        let mut browser = Browser::default();
        let page = browser.get(&self.url("/setup")).await;
        let csrf = page.field("csrf");
        let typed = code.to_lowercase().replace('-', " ");
        let fields = [
            ("csrf", csrf.as_str()),
            ("code", &typed),
            ("user_name", "admin"),
        ];
        let done = browser.post(&self.url("/setup"), &fields).await;
        assert_eq!(done.status, 200, "{}", done.text);
        (browser, done.between("<code>", "</code>"))
    }

    async fn sign_in(
        &self,
        browser: &mut Browser,
        key: &str,
        code: &str,
    ) -> sekimori_testkit::browser::Seen {
        let page = browser.get(&self.url("/sign-in/local")).await;
        let csrf = page.field("csrf");
        let fields = [
            ("csrf", csrf.as_str()),
            ("user_name", "admin"),
            ("key", key),
            ("code", code),
        ];
        browser.post(&self.url("/sign-in/local"), &fields).await
    }
}

/// The code that an authenticator app shows now, plus some steps: made with another reading of RFC 6238.
fn code_of(secret: &str, steps: u64) -> String {
    let secret: String = secret.chars().filter(|c| *c != ' ').collect();
    let mut bits = String::new();
    for character in secret.chars() {
        let value = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".find(character).unwrap();
        bits.push_str(&format!("{value:05b}"));
    }
    let key: Vec<u8> = bits
        .as_bytes()
        .chunks_exact(8)
        .map(|byte| u8::from_str_radix(std::str::from_utf8(byte).unwrap(), 2).unwrap())
        .collect();
    #[allow(clippy::disallowed_methods, reason = "tests run in real time")]
    let now = jiff::Timestamp::now().as_second();
    let step = u64::try_from(now).unwrap() / 30 + steps;
    crate::authenticator::hotp(&key, step)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gov_8_the_first_start_needs_the_code_and_takes_it_once() {
    let world = World::start().await;
    let mut browser = Browser::default();
    let page = browser.get(&world.url("/setup?lang=en")).await;
    let csrf = page.field("csrf");
    for wrong in ["", "AAAA-AAAA", "made up"] {
        let fields = [
            ("csrf", csrf.as_str()),
            ("code", wrong),
            ("user_name", "admin"),
        ];
        let seen = browser.post(&world.url("/setup"), &fields).await;
        assert_eq!(seen.status, 401, "{wrong}: {}", seen.text);
    }
    let code = world.setup_code().await;
    let seen = Browser::default()
        .post(
            &world.url("/setup"),
            &[("csrf", "x"), ("code", &code), ("user_name", "admin")],
        )
        .await;
    assert_eq!(seen.status, 403, "without the form's token");

    let (mut first, key) = world.set_up().await;
    assert_eq!(first.get(&world.url("/account")).await.status, 200);
    // The code is used up, the name is taken; another code for another name works.
    let fields = [
        ("csrf", csrf.as_str()),
        ("code", &code),
        ("user_name", "admin"),
    ];
    let seen = browser.post(&world.url("/setup"), &fields).await;
    assert_eq!(seen.status, 403, "the name is taken: {}", seen.text);
    let people = world.plane.control.store.people();
    let admin = people.user_by_name("admin").await.unwrap().unwrap();
    let groups = people.groups_of(&admin.id).await.unwrap();
    assert_eq!(
        groups.iter().map(AsRef::as_ref).collect::<Vec<&str>>(),
        ["sekimori-admin"]
    );

    let mut other = Browser::default();
    assert_eq!(world.sign_in(&mut other, "wrong", "").await.status, 401);
    let seen = world.sign_in(&mut other, &key, "").await;
    assert_eq!(
        seen.location.as_deref(),
        Some("/connections"),
        "{}",
        seen.text
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn authn_2_one_time_codes_step_up_once_each() {
    let world = World::start().await;
    let (mut browser, key) = world.set_up().await;
    let account = browser.get(&world.url("/account")).await;
    let offer = browser
        .post(
            &world.url("/account/totp"),
            &[("csrf", &account.field("csrf"))],
        )
        .await;
    let secret = offer.between("<code>", "</code>");
    let (csrf, handle) = (offer.field("csrf"), offer.field("handle"));
    let confirm = |code: String| {
        vec![
            ("csrf", csrf.clone()),
            ("handle", handle.clone()),
            ("name", "携帯".to_owned()),
            ("code", code),
        ]
    };
    let post = async |browser: &mut Browser, path: &str, fields: Vec<(&str, String)>| {
        let fields: Vec<_> = fields
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        browser.post(&world.url(path), &fields).await
    };
    let seen = post(
        &mut browser,
        "/account/totp/confirm",
        confirm("000000".into()),
    )
    .await;
    assert_eq!(seen.status, 401);
    let first = code_of(&secret, 0);
    let seen = post(
        &mut browser,
        "/account/totp/confirm",
        confirm(first.clone()),
    )
    .await;
    assert_eq!(seen.location.as_deref(), Some("/account"), "{}", seen.text);

    // From now on the key alone is not enough, and a code that was used is worth nothing.
    let mut other = Browser::default();
    assert_eq!(world.sign_in(&mut other, &key, "").await.status, 401);
    assert_eq!(world.sign_in(&mut other, &key, &first).await.status, 401);
    let next = code_of(&secret, 1);
    let seen = world.sign_in(&mut other, &key, &next).await;
    assert_eq!(seen.status, 303, "{}", seen.text);
    assert_eq!(
        world
            .sign_in(&mut Browser::default(), &key, &next)
            .await
            .status,
        401
    );
    // Guessing ends after a few attempts, even for the right code.
    for _ in 0..5 {
        world.sign_in(&mut Browser::default(), &key, "123456").await;
    }
    let seen = world
        .sign_in(&mut Browser::default(), &key, &code_of(&secret, 1))
        .await;
    assert_eq!(seen.status, 429, "{}", seen.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn authn_2_a_passkey_signs_in_and_steps_up() {
    let world = World::start().await;
    let (mut browser, key) = world.set_up().await;
    let account = browser.get(&world.url("/account")).await;
    let csrf = account.field("csrf");
    let asked = json!({"csrf": csrf});
    let options = json_of(
        &browser
            .post_json(&world.url("/account/passkey/options"), &asked)
            .await,
    );
    let mut passkey = SoftPasskey::new(&world.gate, "localhost");
    let created = json!({"csrf": csrf, "answer": passkey.create(&options)});
    let seen = browser
        .post_json(&world.url("/account/passkey"), &created)
        .await;
    assert_eq!(json_of(&seen)["location"], "/account", "{}", seen.text);
    let again = browser
        .post_json(&world.url("/account/passkey"), &created)
        .await;
    assert_eq!(again.status, 400, "a challenge is used up: {}", again.text);

    // Step up in a session that began with the key alone.
    let mut other = Browser::default();
    world.sign_in(&mut other, &key, "").await;
    let page = other
        .get(&world.url("/sign-in?assurance=mfa&txn=abc"))
        .await;
    assert!(page.text.contains("data-passkey=\"get\""), "{}", page.text);
    let csrf = page.field("csrf");
    let ask = async |browser: &mut Browser, csrf: &str| -> Value {
        let asked = json!({"csrf": csrf});
        json_of(
            &browser
                .post_json(&world.url("/sign-in/passkey/options"), &asked)
                .await,
        )
    };
    let before = other.cookie(&world.gate, "sekimori").cloned();
    let options = ask(&mut other, &csrf).await;
    let answer =
        json!({"csrf": csrf, "txn": "abc", "assurance": "mfa", "answer": passkey.get(&options)});
    let seen = other
        .post_json(&world.url("/sign-in/passkey"), &answer)
        .await;
    assert_eq!(
        json_of(&seen)["location"],
        "/authorize/resume?txn=abc",
        "{}",
        seen.text
    );
    assert_ne!(
        other.cookie(&world.gate, "sekimori").cloned(),
        before,
        "the cookie changes"
    );
    // Now nothing more is asked for.
    let seen = other
        .get(&world.url("/sign-in?assurance=mfa&txn=abc"))
        .await;
    assert_eq!(seen.location.as_deref(), Some("/authorize/resume?txn=abc"));

    // Without a session the passkey is enough; what is wrong about it is not accepted.
    let mut fresh = Browser::default();
    let csrf = fresh.get(&world.url("/sign-in/local")).await.field("csrf");
    for spoil in [
        "origin",
        "challenge",
        "signature",
        "user verification",
        "counter",
        "relying party",
    ] {
        let options = ask(&mut fresh, &csrf).await;
        let answer = passkey.spoiled(&options, spoil);
        let sent = json!({"csrf": csrf, "answer": answer});
        let seen = fresh.post_json(&world.url("/sign-in/passkey"), &sent).await;
        assert_eq!(seen.status, 401, "{spoil}: {}", seen.text);
    }
    let options = ask(&mut fresh, &csrf).await;
    let sent = json!({"csrf": csrf, "answer": passkey.get(&options)});
    // Begun in another browser.
    let mut thief = Browser::default();
    let their = thief.get(&world.url("/sign-in/local")).await.field("csrf");
    let stolen = json!({"csrf": their, "answer": sent["answer"]});
    let seen = thief
        .post_json(&world.url("/sign-in/passkey"), &stolen)
        .await;
    assert_eq!(seen.status, 403, "{}", seen.text);
    let options = ask(&mut fresh, &csrf).await;
    let sent = json!({"csrf": csrf, "answer": passkey.get(&options)});
    let seen = fresh.post_json(&world.url("/sign-in/passkey"), &sent).await;
    assert_eq!(json_of(&seen)["location"], "/connections", "{}", seen.text);
    let page = fresh.get(&world.url("/connections?lang=en")).await;
    assert!(
        page.text.contains("with more than one factor"),
        "{}",
        page.text
    );
}

fn json_of(seen: &sekimori_testkit::browser::Seen) -> Value {
    serde_json::from_str(&seen.text).unwrap_or_else(|_| panic!("{seen:?}"))
}
