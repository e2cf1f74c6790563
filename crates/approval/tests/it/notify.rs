//! Telling people: with a real mail server, and receivers of webhooks that check what they get.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lc_rs::hmac;
use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sekimori_approval::Decision;
use sekimori_approval::notify::{
    Announcement, Channel, Language, MailChannel, Told, Webhook, WebhookForm,
};
use sekimori_domain::clock::Clock;
use sekimori_store::Substitution;
use sekimori_upstream::egress::{Egress, HostPattern, Networks, SystemResolver};
use sekimori_upstream::mail::{MailSecurity, MailServer, Mailer};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::harness::{TestClock, World, ask, manager};

const PATIENCE: Duration = Duration::from_secs(30);

/// aiosmtpd, as `tests/clients/smtp_server.py` runs it.
struct Postbox {
    port: u16,
    lines: Lines<BufReader<ChildStdout>>,
    _child: Child,
}

impl Postbox {
    async fn open(mode: &str, folder: &Path, login: Option<(&str, &str)>, refused: &str) -> Self {
        let (user, password) = login.unwrap_or_default();
        let mut child = Command::new(setting("SEKIMORI_TEST_PYTHON"))
            .arg(format!(
                "{}/smtp_server.py",
                setting("SEKIMORI_TEST_CLIENTS")
            ))
            .args([mode])
            .args([folder.join("cert.pem"), folder.join("key.pem")])
            .args([user, password, refused])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let ready = lines.next_line().await.unwrap();
        let ready: Value = serde_json::from_str(&ready.expect("it starts")).unwrap();
        Self {
            port: ready["port"].as_u64().unwrap().try_into().unwrap(),
            lines,
            _child: child,
        }
    }

    async fn mail(&mut self) -> Value {
        let line = tokio::time::timeout(PATIENCE, self.lines.next_line()).await;
        let line = line.expect("a mail arrives in time").unwrap();
        serde_json::from_str(&line.unwrap()).unwrap()
    }
}

/// What `cargo xtask test` sets.
#[allow(clippy::disallowed_methods, reason = "the test run's only settings")]
fn setting(name: &str) -> String {
    std::env::var(name)
        .unwrap_or_else(|_| panic!("{name} is not set: run `cargo xtask test --package approval`"))
}

/// A certificate of `localhost`, and the guard that trusts it.
async fn certificate(folder: &Path) -> Egress {
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
        ])
        .args(["-nodes", "-days", "2", "-subj", "/CN=localhost"])
        .args(["-addext", "subjectAltName=DNS:localhost"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .args(["-keyout", "key.pem", "-out", "cert.pem"])
        .current_dir(folder)
        .output()
        .await
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let pem = std::fs::read(folder.join("cert.pem")).unwrap();
    Egress::new(Vec::new(), Some(&pem), Arc::new(SystemResolver)).unwrap()
}

fn mailer(
    egress: &Egress,
    port: u16,
    security: MailSecurity,
    login: Option<(&str, &str)>,
) -> Mailer {
    let server = MailServer {
        host: "localhost".to_owned(),
        port,
        security,
        login: login.map(|(user, password)| (user.to_owned(), password.to_owned())),
        allow_private_network: true,
    };
    Mailer::new(server, egress.clone())
}

fn by_mail(
    egress: &Egress,
    port: u16,
    security: MailSecurity,
    login: Option<(&str, &str)>,
) -> Arc<dyn Channel> {
    Arc::new(MailChannel::new(
        "mail".to_owned(),
        mailer(egress, port, security, login),
        "Sekimori <sekimori@gate.example>".to_owned(),
        vec!["desk@example.co.jp".to_owned()],
    ))
}

/// Each approver and each substitute gets a mail in their language, over TLS; who asked and who handed over gets
/// none, and no mail holds an argument.
#[tokio::test]
async fn mails_reach_those_who_may_decide() {
    let folder = tempfile::tempdir().unwrap();
    let egress = certificate(folder.path()).await;
    for (mode, security) in [
        ("starttls", MailSecurity::StartTls),
        ("tls", MailSecurity::Tls),
    ] {
        let login = Some(("gate", "correct horse"));
        let mut postbox = Postbox::open(mode, folder.path(), login, "").await;
        let world = World::make().await;
        let bob = world.person("bob", Some("en-GB")).await;
        let carol = world.person("carol", Some("ja-JP")).await;
        let dave = world.person("dave", Some("en-US")).await;
        let hanako = world.person("hanako", None).await;
        world.group("managers", &[&bob, &carol, &hanako]).await;
        let away = Substitution {
            absent: carol.clone(),
            substitute: dave.clone(),
            from: world.clock.now(),
            until: world.clock.now() + Duration::from_hours(8),
        };
        world
            .store
            .approvals()
            .put_substitution(&away)
            .await
            .unwrap();
        let approvals = world.approvals(&["mail"]);
        let request = ask(&approvals, &hanako).await;
        let channels = [by_mail(&egress, postbox.port, security, login)];
        assert_eq!(approvals.tell(&channels).await.unwrap(), 1);
        let mut reached = BTreeSet::new();
        for _ in 0..4 {
            let mail = postbox.mail().await;
            assert_eq!(mail["tls"], true, "{mail}");
            assert_eq!(mail["user"], "gate");
            assert_eq!(mail["auto"], "auto-generated");
            assert_eq!(mail["from"], "sekimori@gate.example");
            let to = mail["to"][0].as_str().unwrap().to_owned();
            let (subject, text) = (
                mail["subject"].as_str().unwrap(),
                mail["text"].as_str().unwrap(),
            );
            let english = to.starts_with("bob") || to.starts_with("dave");
            assert_eq!(
                subject.contains("Approval needed"),
                english,
                "{to}: {subject}"
            );
            assert_eq!(subject.contains("承認依頼"), !english, "{to}: {subject}");
            assert!(text.contains(&format!("https://gate.example/approvals/{}", request.id)));
            assert!(
                text.contains("bank/transfer") && text.contains("花子"),
                "{text}"
            );
            assert!(!text.contains("secret-argument"), "{text}");
            assert!(
                !text.contains("\nUntil: never"),
                "a name forges no line: {text}"
            );
            reached.insert(to);
        }
        let wanted = ["bob", "carol", "dave", "desk"].map(|name| format!("{name}@example.co.jp"));
        assert_eq!(reached, BTreeSet::from(wanted));
        assert_eq!(approvals.tell(&channels).await.unwrap(), 0, "told once");

        // Who asked hears what was decided.
        let refuse = Decision::Refuse {
            reason: "no".to_owned(),
        };
        approvals
            .decide(&request.id, &manager(&bob), &refuse)
            .await
            .unwrap();
        approvals.tell(&channels).await.unwrap();
        let mail = postbox.mail().await;
        assert_eq!(mail["to"][0], "hanako@example.co.jp");
        assert!(mail["subject"].as_str().unwrap().contains("拒否"), "{mail}");
    }
}

/// What could not be told is told after a restart; one bad address keeps nobody else from knowing.
#[tokio::test]
async fn nothing_is_lost_while_the_mail_server_is_away() {
    let folder = tempfile::tempdir().unwrap();
    let egress = certificate(folder.path()).await;
    let world = World::make().await;
    let bob = world.person("bob", None).await;
    let carol = world.person("carol", None).await;
    let hanako = world.person("hanako", None).await;
    world.group("managers", &[&bob, &carol]).await;
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nowhere = closed.local_addr().unwrap().port();
    drop(closed);
    let approvals = world.approvals(&["mail"]);
    ask(&approvals, &hanako).await;
    let away = [by_mail(&egress, nowhere, MailSecurity::StartTls, None)];
    assert_eq!(approvals.tell(&away).await.unwrap(), 1);
    assert_eq!(approvals.tell(&away).await.unwrap(), 0, "not at once again");
    drop(approvals);

    let mut postbox = Postbox::open("starttls", folder.path(), None, "bob@example.co.jp").await;
    let approvals = world.approvals(&["mail"]);
    let here = [by_mail(&egress, postbox.port, MailSecurity::StartTls, None)];
    world.clock.wait(Duration::from_secs(11));
    assert_eq!(approvals.tell(&here).await.unwrap(), 1);
    let mut reached = BTreeSet::new();
    for _ in 0..2 {
        reached.insert(postbox.mail().await["to"][0].as_str().unwrap().to_owned());
    }
    let wanted = ["carol", "desk"].map(|name| format!("{name}@example.co.jp"));
    assert_eq!(reached, BTreeSet::from(wanted));
    assert!(approvals.given_up(10).await.unwrap().is_empty());
}

/// Without the TLS that is configured, and with a wrong password, nothing is sent.
#[tokio::test]
async fn no_mail_goes_without_tls_or_login() {
    let folder = tempfile::tempdir().unwrap();
    let egress = certificate(folder.path()).await;
    let plain = Postbox::open("none", folder.path(), None, "").await;
    let login = Some(("gate", "correct horse"));
    let strict = Postbox::open("starttls", folder.path(), login, "").await;
    let other = tempfile::tempdir().unwrap();
    let strangers = certificate(other.path()).await;
    let cases = [
        by_mail(&egress, plain.port, MailSecurity::StartTls, None),
        by_mail(
            &egress,
            strict.port,
            MailSecurity::StartTls,
            Some(("gate", "wrong")),
        ),
        by_mail(&strangers, strict.port, MailSecurity::StartTls, login),
    ];
    let world = World::make().await;
    let bob = world.person("bob", None).await;
    let hanako = world.person("hanako", None).await;
    world.group("managers", &[&bob]).await;
    let approvals = world.approvals(&["mail"]);
    ask(&approvals, &hanako).await;
    for channel in cases {
        assert_eq!(approvals.tell(&[channel]).await.unwrap(), 1);
        world.clock.wait(Duration::from_hours(24));
    }
    let waiting = world.store.approval_notices();
    let now = world.clock.now();
    let left = waiting.take(now, now, 10).await.unwrap();
    assert_eq!(left.len(), 1, "it is still to be told");
    let problem = left[0].problem.clone().unwrap();
    assert!(
        problem.contains("TLS") && !problem.contains("correct horse"),
        "{problem}"
    );
}

type Got = Arc<Mutex<Vec<(HeaderMap, Value)>>>;

/// A receiver that answers with these statuses, then with 200.
async fn receiver(statuses: &[u16]) -> (String, Got) {
    let got: Got = Arc::default();
    let answers: Arc<Mutex<Vec<u16>>> = Arc::new(Mutex::new(statuses.to_vec()));
    let kept = Arc::clone(&got);
    let app = Router::new().fallback(move |headers: HeaderMap, body: Bytes| {
        let (kept, answers) = (Arc::clone(&kept), Arc::clone(&answers));
        async move {
            let mut answers = answers.lock().unwrap();
            if !answers.is_empty() {
                return StatusCode::from_u16(answers.remove(0)).unwrap();
            }
            verify(&headers, &body);
            let body = serde_json::from_slice(&body).unwrap();
            kept.lock().unwrap().push((headers, body));
            StatusCode::OK
        }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    (url, got)
}

const SECRET: &[u8] = b"a secret of thirty-two characters";

/// As receivers check it (Standard Webhooks), where it is signed.
fn verify(headers: &HeaderMap, body: &[u8]) {
    let Some(signature) = headers.get("webhook-signature") else {
        return;
    };
    let text = |name: &str| headers[name].to_str().unwrap().to_owned();
    let signed = [
        text("webhook-id").as_bytes(),
        b".",
        text("webhook-timestamp").as_bytes(),
        b".",
        body,
    ]
    .concat();
    let signature = signature.to_str().unwrap().strip_prefix("v1,").unwrap();
    let signature = STANDARD.decode(signature).unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET);
    hmac::verify(&key, &signed, &signature).expect("the signature is right");
}

fn webhook(
    clock: &Arc<TestClock>,
    name: &str,
    url: &str,
    form: WebhookForm,
    networks: Networks,
) -> Arc<dyn Channel> {
    let egress = Egress::new(Vec::new(), None, Arc::new(SystemResolver)).unwrap();
    let address: http::Uri = url.parse().unwrap();
    let pattern = HostPattern::exactly(address.host().unwrap(), address.port_u16().unwrap());
    Arc::new(Webhook {
        name: name.to_owned(),
        url: url.to_owned(),
        form,
        language: Language::English,
        http: egress.client(vec![pattern], networks),
        clock: Arc::clone(clock) as Arc<dyn Clock>,
    })
}

#[tokio::test]
async fn webhooks_get_what_they_understand() {
    let world = World::make().await;
    let hanako = world.person("hanako", None).await;
    let approvals = world.approvals(&["slack", "teams", "siem"]);
    let request = ask(&approvals, &hanako).await;
    let (slack, teams, siem) = (
        receiver(&[]).await,
        receiver(&[]).await,
        receiver(&[]).await,
    );
    let open = Networks::AlsoPrivate;
    let signed = WebhookForm::Signed(SECRET.to_vec());
    let channels = [
        webhook(&world.clock, "slack", &slack.0, WebhookForm::Slack, open),
        webhook(&world.clock, "teams", &teams.0, WebhookForm::Teams, open),
        webhook(&world.clock, "siem", &siem.0, signed, open),
    ];
    assert_eq!(approvals.tell(&channels).await.unwrap(), 3);
    let url = format!("https://gate.example/approvals/{}", request.id);
    let body = slack.1.lock().unwrap()[0].1.clone();
    assert!(
        body["text"].as_str().unwrap().contains("Approval needed"),
        "{body}"
    );
    assert_eq!(body["blocks"][3]["elements"][0]["url"], url.as_str());
    let body = teams.1.lock().unwrap()[0].1.clone();
    let card = &body["attachments"][0]["content"];
    assert_eq!(card["type"], "AdaptiveCard");
    assert_eq!(card["actions"][0]["url"], url.as_str());
    let (headers, body) = siem.1.lock().unwrap()[0].clone();
    assert!(headers.contains_key("webhook-signature"));
    assert_eq!(body["type"], "approval.requested");
    assert_eq!(body["data"]["id"], request.id.as_str());
    assert_eq!(body["data"]["target"]["name"], "transfer");
    for got in [&slack.1, &teams.1, &siem.1] {
        assert!(!format!("{got:?}").contains("secret-argument"));
    }
}

fn alert(time: jiff::Timestamp) -> Announcement {
    let told = |subject: &str| Told {
        subject: subject.to_owned(),
        facts: vec![("Rule", "mass-writes".to_owned())],
        call: "Look at it",
    };
    Announcement {
        id: uuid::Uuid::from_u128(7),
        time,
        kind: "alert",
        japanese: told("アラート"),
        english: told("Alert: mass-writes"),
        url: "https://gate.example/ui/alerts".to_owned(),
    }
}

/// What is no request, such as an alert, goes the same ways (AUDIT-7).
#[tokio::test]
async fn announcements_get_through_in_every_form() {
    let world = World::make().await;
    let announcement = alert(world.clock.now());
    let (slack, siem, down) = (
        receiver(&[]).await,
        receiver(&[]).await,
        receiver(&[503]).await,
    );
    let open = Networks::AlsoPrivate;
    let signed = || WebhookForm::Signed(SECRET.to_vec());
    let hook = |name, url: &str, form| webhook(&world.clock, name, url, form, open);
    let slack_hook = hook("slack", &slack.0, WebhookForm::Slack);
    slack_hook.announce(&announcement).await.unwrap();
    let siem_hook = hook("siem", &siem.0, signed());
    siem_hook.announce(&announcement).await.unwrap();
    let body = slack.1.lock().unwrap()[0].1.clone();
    assert_eq!(body["text"], "Alert: mass-writes");
    let (headers, body) = siem.1.lock().unwrap()[0].clone();
    assert_eq!(headers["webhook-id"], announcement.id.to_string().as_str());
    assert_eq!(body["type"], "alert");
    assert_eq!(body["data"]["facts"][0]["value"], "mass-writes");
    let untold = hook("down", &down.0, signed())
        .announce(&announcement)
        .await;
    assert!(!untold.unwrap_err().is_final, "it is worth another try");
}

/// An alert reaches the mailbox of a mail channel (AUDIT-7); a channel without one does not pretend that it did.
#[tokio::test]
async fn announcements_arrive_by_mail() {
    let folder = tempfile::tempdir().unwrap();
    let egress = certificate(folder.path()).await;
    let login = Some(("gate", "correct horse"));
    let mut postbox = Postbox::open("starttls", folder.path(), login, "").await;
    let world = World::make().await;
    let announcement = alert(world.clock.now());
    let channel = by_mail(&egress, postbox.port, MailSecurity::StartTls, login);
    channel.announce(&announcement).await.unwrap();
    let mail = postbox.mail().await;
    assert!(mail.to_string().contains("desk@example.co.jp"), "{mail}");
    assert!(mail.to_string().contains("mass-writes"), "{mail}");

    let nobody = MailChannel::new(
        "mail".to_owned(),
        mailer(&egress, postbox.port, MailSecurity::StartTls, login),
        "Sekimori <sekimori@gate.example>".to_owned(),
        Vec::new(),
    );
    let untold = nobody.announce(&announcement).await.unwrap_err();
    assert!(untold.is_final, "{}", untold.why);
}

#[tokio::test]
async fn a_receiver_that_fails_is_tried_again_and_one_that_refuses_is_given_up() {
    let world = World::make().await;
    let hanako = world.person("hanako", None).await;
    let approvals = world.approvals(&["one"]);
    ask(&approvals, &hanako).await;
    let (url, got) = receiver(&[500, 429, 404]).await;
    let signed = || WebhookForm::Signed(SECRET.to_vec());
    let channels = [webhook(
        &world.clock,
        "one",
        &url,
        signed(),
        Networks::AlsoPrivate,
    )];
    for pause in [11, 61, 0] {
        assert_eq!(approvals.tell(&channels).await.unwrap(), 1);
        world.clock.wait(Duration::from_secs(pause));
    }
    world.clock.wait(Duration::from_hours(48));
    assert_eq!(approvals.tell(&channels).await.unwrap(), 0, "given up");
    let lost = approvals.given_up(10).await.unwrap();
    assert_eq!(lost.len(), 1);
    assert!(lost[0].problem.as_deref().unwrap().contains("404"));
    assert!(approvals.retry(lost[0].id).await.unwrap());
    assert_eq!(approvals.tell(&channels).await.unwrap(), 1);
    let (headers, _) = got.lock().unwrap()[0].clone();
    assert_eq!(headers["webhook-id"], lost[0].id.to_string().as_str());

    // The guard lets nobody to a private network who was not allowed there.
    let guarded = [webhook(
        &world.clock,
        "one",
        &url,
        signed(),
        Networks::Public,
    )];
    ask(&approvals, &world.person("jiro", None).await).await;
    assert_eq!(approvals.tell(&guarded).await.unwrap(), 1);
    assert_eq!(got.lock().unwrap().len(), 1);
}
