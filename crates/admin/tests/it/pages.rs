//! The frame of pages: languages, headers, origins, problems.

use axum::body::Body;
use http::Request;

use crate::harness::Plane;

#[tokio::test]
async fn the_first_page_says_how_to_connect_in_both_languages() {
    let plane = Plane::start().await;
    let japanese = plane.visit("/", &[]).await;
    assert_eq!(japanese.status, 200, "{}", japanese.text);
    assert!(japanese.text.contains("lang=\"ja\""));
    assert!(japanese.text.contains("接続する"));
    assert!(japanese.shown().contains("https://gate.example/mcp"));
    let english = plane
        .visit("/", &[("accept-language", "en-US,en;q=0.9")])
        .await;
    assert!(english.text.contains("lang=\"en\""));
    assert!(english.shown().contains("https://gate.example/mcp"));
    assert!(!english.text.contains("接続する"));
}

#[tokio::test]
async fn a_chosen_language_is_remembered_and_the_query_is_kept() {
    let plane = Plane::start().await;
    let chosen = plane.visit("/?txn=a1&lang=en", &[]).await;
    assert!(chosen.text.contains("lang=\"en\""));
    assert!(
        chosen.shown().contains("/?txn=a1&lang=ja"),
        "{}",
        chosen.text
    );
    let cookies: Vec<_> = chosen.headers.get_all("set-cookie").iter().collect();
    assert!(
        cookies.iter().any(|cookie| {
            let text = cookie.to_str().unwrap();
            text.starts_with("__Host-sekimori-language=en") && text.contains("Secure")
        }),
        "{cookies:?}"
    );
    let again = plane
        .visit(
            "/",
            &[
                ("cookie", "__Host-sekimori-language=en"),
                ("accept-language", "ja"),
            ],
        )
        .await;
    assert!(again.text.contains("lang=\"en\""));
}

#[tokio::test]
async fn pages_can_neither_be_framed_nor_load_anything_foreign() {
    let plane = Plane::start().await;
    let page = plane.visit("/", &[]).await;
    let policy = page.header("content-security-policy");
    for part in [
        "default-src 'none'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "form-action 'self'",
    ] {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains("script-src"));
    assert!(!page.text.contains("<script") && !page.text.contains("style="));
    assert_eq!(page.header("x-content-type-options"), "nosniff");
    assert_eq!(page.header("x-frame-options"), "DENY");
    assert_eq!(page.header("referrer-policy"), "same-origin");
    assert_eq!(page.header("cache-control"), "no-store");
    assert_eq!(page.header("strict-transport-security"), "max-age=31536000");
    assert!(!page.header("x-correlation-id").is_empty());
    let style = plane.visit("/assets/sekimori.css", &[]).await;
    assert_eq!(style.header("content-type"), "text/css; charset=utf-8");
    assert!(style.text.contains("prefers-color-scheme: dark"));
}

#[tokio::test]
async fn the_browser_cookie_is_set_once_and_closed_to_scripts() {
    let plane = Plane::start().await;
    let first = plane.visit("/", &[]).await;
    let cookie = first.header("set-cookie").to_owned();
    assert!(cookie.starts_with("__Host-sekimori-browser="), "{cookie}");
    for part in ["HttpOnly", "Secure", "SameSite=Lax", "Path=/"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    let pair = cookie.split(';').next().unwrap();
    let second = plane.visit("/", &[("cookie", pair)]).await;
    assert!(second.headers.get("set-cookie").is_none());
    let forged = plane
        .visit("/", &[("cookie", "__Host-sekimori-browser=guessed")])
        .await;
    assert!(forged.headers.get("set-cookie").is_some());
    // Loopback without TLS: the prefix would need TLS.
    let local = Plane::at("http://127.0.0.1:8787").await;
    let first = local.visit("/", &[]).await;
    let cookie = first.header("set-cookie");
    assert!(
        cookie.starts_with("sekimori-browser=") && !cookie.contains("Secure"),
        "{cookie}"
    );
}

#[tokio::test]
async fn only_own_hosts_and_known_origins() {
    let plane = Plane::start().await;
    let request = |host: &str, origin: &str| {
        Request::get("/")
            .header("host", host)
            .header("origin", origin)
            .body(Body::empty())
            .unwrap()
    };
    let own = "https://gate.example";
    assert_eq!(plane.send(request("evil.example", own)).await.status, 403);
    let foreign = plane
        .send(request("gate.example", "https://evil.example"))
        .await;
    assert_eq!(foreign.status, 403);
    assert_eq!(foreign.json()["code"], "wrong_origin");
    assert_eq!(
        plane.send(request("gate.example", "null")).await.status,
        403
    );
    assert_eq!(plane.send(request("gate.example", own)).await.status, 200);
    let known = plane
        .send(request("gate.example", "https://inspector.example"))
        .await;
    assert_eq!(known.status, 200);
}

#[tokio::test]
async fn what_goes_wrong_is_a_page_for_browsers_and_a_problem_for_programs() {
    let plane = Plane::start().await;
    let page = plane.visit("/nowhere", &[]).await;
    assert_eq!(page.status, 404);
    assert!(page.header("content-type").starts_with("text/html"));
    assert!(page.text.contains("処理できませんでした"), "{}", page.text);
    assert!(page.text.contains(page.header("x-correlation-id")));
    let request = Request::post("/")
        .header("host", "gate.example")
        .body(Body::empty())
        .unwrap();
    let problem = plane.send(request).await;
    assert_eq!(problem.status, 405);
    assert_eq!(problem.header("allow"), "GET,HEAD");
    assert_eq!(problem.header("content-type"), "application/problem+json");
    let body = problem.json();
    assert_eq!(body["code"], "method_not_allowed");
    assert_eq!(body["correlation"], problem.header("x-correlation-id"));
}
