//! Clients of others find out by themselves how to get in, with nothing but the address of the gate: metadata,
//! registration, the person's browser, the company's identity provider, consent, code, token (AUTHN-7).

use std::time::Duration;

use sekimori_testkit::browser::Browser;
use sekimori_testkit::counterpart::{Client, Speaks, Target};
use serde_json::{Value, json};

use crate::company::{Company, free_port};
use crate::gate::{Site, within};

/// How fast a decision of an administrator must take effect.
const AT_ONCE: Duration = Duration::from_secs(1);

/// A client that was told the address and nothing else gets in, lists the tools and calls one.
async fn gets_in(client: Client, speaks: Speaks, more: &[&str], company: &Company) {
    let url = company.resource();
    let target = Target {
        url: &url,
        token: None,
        prefix: "fixture__",
    };
    let mut browser = Browser::default();
    let mut opened = 0;
    let steps = client
        .authorize(speaks, target, more, async |url| {
            opened += 1;
            company.let_in(&mut browser, &url).await;
        })
        .await;
    assert_eq!(opened, 1, "the browser was opened {opened} times");
    let names: Vec<_> = steps.iter().map(|step| step.name.as_str()).collect();
    assert!(names.ends_with(&["list", "call"]), "{names:?}");
    let list = ["grant", "list", "--user", "hanako"];
    let grants = company.site.json(&list).await;
    assert!(!grants.as_array().unwrap().is_empty(), "{grants}");
    company.gate.assert_no_panic();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn authn_7_typescript_v1_gets_in_by_itself() {
    let company = Company::start().await;
    gets_in(Client::TypeScriptV1, Speaks::Legacy, &[], &company).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn authn_7_typescript_v2_gets_in_by_itself_in_both_eras() {
    let company = Company::start().await;
    for speaks in [Speaks::Legacy, Speaks::Modern] {
        gets_in(Client::TypeScriptV2, speaks, &[], &company).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn authn_7_python_gets_in_by_itself_in_both_eras() {
    let company = Company::start().await;
    for speaks in [Speaks::Legacy, Speaks::Modern] {
        gets_in(Client::Python, speaks, &[], &company).await;
    }
}

/// The Inspector as a client that an administrator entered: there is nothing to register.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn authn_7_the_inspector_gets_in_by_itself() {
    let company = Company::start().await;
    let port = free_port();
    let callback = format!("http://127.0.0.1:{port}/callback");
    let add = ["client", "add", "inspector", "--redirect", &callback];
    let client = company.site.json(&add).await;
    let port = port.to_string();
    let id = client["id"].as_str().unwrap();
    let more = ["--callback-port", &port, "--client-id", id];
    gets_in(Client::Inspector, Speaks::Modern, &more, &company).await;
    let known = company.site.json(&["client", "list"]).await;
    assert_eq!(known.as_array().unwrap().len(), 1, "{known}");
}

/// Whom the provider turns away, no client can act for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn authn_7_nobody_gets_in_whom_the_provider_turns_away() {
    let company = Company::start().await;
    company.person(&json!({"decline": true})).await;
    let client = company.client("desk").await;
    let url = company.authorize_url(&client, "mcp:read");
    let seen = company.signed_in(&mut Browser::default(), &url).await;
    assert_eq!(seen.status, 400, "{seen:?}");
    assert!(seen.text.contains("<code>declined</code>"), "{seen:?}");
    let list = ["grant", "list", "--client", &client];
    assert_eq!(company.site.json(&list).await, json!([]));
}

/// Everybody may read; who changes something must have proved a second factor.
const MFA_POLICY: &str = r#"@id("everything")
permit (principal, action in Sekimori::Action::"call", resource);
@id("writes-need-mfa")
forbid (principal, action, resource == Sekimori::Tool::"fixture/test_echo")
unless { context.auth.mfa };
"#;

fn echo() -> Value {
    json!({"name": "fixture__test_echo", "arguments": {"message": "hello"}})
}

/// AUTHZ-6: the client is told by scope what is missing, and comes back with a token of somebody who proved
/// it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn authz_6_a_client_asks_anew_with_the_scope_of_the_challenge() {
    let company = Company::with_policy(Some(MFA_POLICY)).await;
    let client = company.client("desk").await;
    let mut browser = Browser::default();
    let weak = company.token(&mut browser, &client, "mcp:read").await;
    let refused = company.gate.all(&weak).modern("tools/call", echo()).await;
    assert_eq!(refused.status, 403, "{refused:?}");
    assert_eq!(refused.error()["data"]["code"], "insufficient_scope");
    assert_eq!(refused.error()["data"]["requiredAssurance"], "mfa");
    assert_eq!(
        refused.error()["data"]["policies"],
        json!(["writes-need-mfa"])
    );
    let challenge = refused.header("www-authenticate").unwrap();
    let scope = challenge.split("scope=\"").nth(1).unwrap();
    let scope = scope.split('"').next().unwrap().replace(' ', "+");
    assert_eq!(scope, "mcp:read+assurance:mfa");
    let params = json!({"name": "fixture__test_simple_text", "arguments": {}});
    let other = company.gate.all(&weak).modern("tools/call", params).await;
    assert_eq!(other.status, 200, "what needs no proof goes on: {other:?}");
    let two_factors = json!({"account": "hanako", "acr": "urn:example:2fa"});
    company.person(&two_factors).await;
    let strong = company.token(&mut browser, &client, &scope).await;
    let allowed = company.gate.all(&strong).modern("tools/call", echo()).await;
    assert_eq!(allowed.status, 200, "{allowed:?}");
    assert_ne!(allowed.result()["isError"], true, "{allowed:?}");
}

/// AUTHZ-6: the person proves it on the page that the refusal names, and the client goes on with the token
/// that it has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn authz_6_a_person_steps_a_grant_up_on_a_page() {
    let company = Company::with_policy(Some(MFA_POLICY)).await;
    let client = company.client("desk").await;
    let mut browser = Browser::default();
    let token = company.token(&mut browser, &client, "mcp:read").await;
    let gate = company.gate.all(&token);
    let refused = gate.modern("tools/call", echo()).await;
    let page = refused.error()["data"]["page"].as_str().unwrap().to_owned();
    assert!(
        page.starts_with(&company.url("/step-up?grant=gr_")),
        "{page}"
    );

    // One factor is not enough, and nothing is said about it to anybody else.
    let seen = company.signed_in(&mut browser, &page).await;
    assert!(!seen.text.contains("name=\"grant\""), "{}", seen.text);
    let two_factors = json!({"account": "taro", "acr": "urn:example:2fa"});
    company.person(&two_factors).await;
    let seen = company.signed_in(&mut Browser::default(), &page).await;
    assert_eq!(seen.status, 404, "{}", seen.text);

    let two_factors = json!({"account": "hanako", "acr": "urn:example:2fa"});
    company.person(&two_factors).await;
    let seen = company.signed_in(&mut browser, &page).await;
    let (csrf, grant) = (seen.field("csrf"), seen.field("grant"));
    let forged = [("csrf", "guessed"), ("grant", grant.as_str())];
    let seen = browser.post(&company.url("/step-up"), &forged).await;
    assert_eq!(seen.status, 403, "{}", seen.text);
    let refused = gate.modern("tools/call", echo()).await;
    assert_eq!(refused.status, 403, "{refused:?}");
    let fields = [("csrf", csrf.as_str()), ("grant", &grant)];
    let seen = browser.post(&company.url("/step-up"), &fields).await;
    assert_eq!(seen.status, 200, "{}", seen.text);
    let allowed = gate.modern("tools/call", echo()).await;
    assert_eq!(allowed.status, 200, "{allowed:?}");
    assert_ne!(allowed.result()["isError"], true, "{allowed:?}");
    let records = company
        .site
        .records(allowed.header("x-correlation-id").unwrap(), 1)
        .await;
    assert_eq!(records[0]["detail"]["stepped_up"], true, "{records:?}");
}

/// AUTHN-4: commands show what a person is connected to and take it away, within a second.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn authn_4_commands_end_sessions_grants_and_clients() {
    let company = Company::start().await;
    let site = &company.site;
    let client = company.client("desk").await;
    let mut browser = Browser::default();
    let refused_soon = async |token: &str| {
        within(AT_ONCE, "the token is refused", async || {
            let params = json!({"name": "fixture__test_simple_text", "arguments": {}});
            let reply = company.gate.all(token).modern("tools/call", params).await;
            (reply.status == 401).then_some(())
        })
        .await;
    };

    let token = company.token(&mut browser, &client, "mcp:read").await;
    let grants = site.json(&["grant", "list", "--user", "hanako"]).await;
    let grant = grants[0]["id"].as_str().unwrap();
    assert_eq!(
        site.json(&["grant", "revoke", grant]).await["revoked"],
        grant
    );
    refused_soon(&token).await;
    let grants = site.json(&["grant", "list", "--client", &client]).await;
    assert!(grants[0]["revoked_at"].is_string(), "{grants}");

    let token = company.token(&mut browser, &client, "mcp:read").await;
    let sessions = site.json(&["session", "list", "hanako"]).await;
    assert_eq!(sessions.as_array().unwrap().len(), 1, "{sessions}");
    let session = sessions[0]["id"].as_str().unwrap();
    site.json(&["session", "revoke", session]).await;
    refused_soon(&token).await;
    let page = browser.get(&company.url("/connections")).await;
    assert_eq!(page.location.as_deref(), Some("/sign-in"));
    assert_eq!(site.json(&["session", "list", "hanako"]).await, json!([]));

    let token = company.token(&mut browser, &client, "mcp:read").await;
    let denied = site.json(&["client", "deny", &client]).await;
    assert_eq!(denied["grants"].as_array().unwrap().len(), 1, "{denied}");
    refused_soon(&token).await;

    for unknown in [
        ["grant", "revoke", "gr_none"],
        ["session", "list", "nobody"],
        ["client", "deny", "app_none"],
    ] {
        let printed = site.run(&unknown).await;
        assert!(!printed.status.success(), "{printed:?}");
        assert!(printed.err.contains("no"), "{printed:?}");
    }
}

/// Who stands behind a key, and what it may look after; without one, who runs the command.
#[tokio::test]
async fn who_am_i_tells_whose_key_it_is() {
    let site = Site::new();
    let key = site.key("reporter", "sekimori-auditor").await.text;
    let known = site.json(&["who-am-i", "--key", &key]).await;
    assert_eq!(known["id"], "service:reporter");
    assert_eq!(known["groups"], json!(["sekimori-auditor"]));
    let rights = known["rights"].as_array().unwrap();
    assert!(!rights.is_empty(), "{known}");
    assert!(
        rights
            .iter()
            .all(|right| right.as_str().unwrap().starts_with("view ")),
        "{known}"
    );
    let operator = site.json(&["who-am-i"]).await;
    assert_eq!(operator["kind"], "operating_system_user");
    let wrong = site
        .run(&["who-am-i", "--key", "smk_0123456789abcdef_wrong"])
        .await;
    assert!(!wrong.status.success(), "{wrong:?}");
    assert!(!wrong.out.contains("wrong"), "{wrong:?}");
}
