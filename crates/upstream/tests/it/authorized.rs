//! Upstreams that are protected by OAuth: whose token is sent, and what happens when it is not accepted.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use axum::response::Response;
use sekimori_domain::connector::{AccountOf, Connector, OAuthClient};
use sekimori_domain::ids::PrincipalId;
use sekimori_upstream::authorization::{AccessToken, Authorizations, Challenge, NoToken};
use sekimori_upstream::exchange::UpstreamError;
use sekimori_upstream::{Deps, ListMethod, Upstream};

use crate::support::*;

const PAGE: &str = "https://gate.example/linked-accounts/at/crm";

/// Has a stale token of everybody, and another one after a challenge.
#[derive(Debug, Default)]
struct Tokens {
    renewed: Mutex<BTreeSet<String>>,
    challenges: Mutex<Vec<Challenge>>,
    /// Has none for anybody.
    empty: bool,
}

fn name(owner: Option<&PrincipalId>) -> String {
    owner.map_or("gate", PrincipalId::as_str).to_owned()
}

fn bearer(text: &str) -> AccessToken {
    AccessToken::bearer(text).unwrap()
}

#[async_trait]
impl Authorizations for Tokens {
    async fn token(
        &self,
        _connector: &Connector,
        owner: Option<&PrincipalId>,
    ) -> Result<Option<AccessToken>, NoToken> {
        let name = name(owner);
        let good = self.renewed.lock().unwrap().contains(&name);
        let state = if good { "good" } else { "stale" };
        Ok((!self.empty).then(|| bearer(&format!("{state}-{name}"))))
    }

    async fn challenged(
        &self,
        _connector: &Connector,
        owner: Option<&PrincipalId>,
        refused: Option<&AccessToken>,
        challenge: &Challenge,
    ) -> Result<AccessToken, NoToken> {
        self.challenges.lock().unwrap().push(challenge.clone());
        if self.empty {
            return Err(NoToken::LinkFirst {
                why: format!("link one on {PAGE}"),
                page: Some(PAGE.to_owned()),
            });
        }
        let name = name(owner);
        assert!(refused.is_some());
        self.renewed.lock().unwrap().insert(name.clone());
        Ok(bearer(&format!("good-{name}")))
    }
}

fn upstream(fake: &Fake, account: AccountOf, tokens: &Arc<Tokens>) -> Upstream {
    let mut connector = connector(http_transport(&fake.url));
    connector.oauth = Some(OAuthClient {
        account,
        issuer: None,
        client_id: None,
        client_secret: None,
        private_key: None,
        scopes: Vec::new(),
    });
    let deps = Deps {
        authorizations: Arc::clone(tokens) as _,
        ..deps()
    };
    Upstream::new(connector, deps)
}

/// Answers those with a good token.
fn guarded(seen: &Seen) -> Response {
    if seen.header("authorization").starts_with("Bearer good-") {
        return modern(seen, |seen| match seen.method() {
            "tools/list" => seen.result(r#"{"resultType":"complete","tools":[]}"#),
            _ => seen.result(r#"{"resultType":"complete","content":[]}"#),
        });
    }
    refusing("Bearer scope=\"read\"")
}

fn refusing(challenge: &str) -> Response {
    let mut response = status(401);
    let headers = response.headers_mut();
    headers.insert("www-authenticate", challenge.parse().unwrap());
    response
}

#[tokio::test]
async fn everybody_acts_with_a_token_of_their_own() {
    let fake = Fake::start(async |seen| guarded(&seen)).await;
    let tokens = Arc::new(Tokens::default());
    let upstream = upstream(&fake, AccountOf::Person, &tokens);
    upstream.list(ListMethod::Tools).await.unwrap();
    for _ in 0..2 {
        result(upstream.invoke(warrant("t", r#"{"a":1}"#), outgoing("{}", "{}"))).await;
    }
    for call in fake.asked("tools/call") {
        assert_eq!(call.header("authorization"), "Bearer good-user:aoi");
    }
    let lists = fake.asked("tools/list");
    let sent: Vec<&str> = lists
        .iter()
        .map(|seen| seen.header("authorization"))
        .collect();
    assert_eq!(sent, ["Bearer good-gate"]);
    let probes: Vec<String> = fake
        .asked("server/discover")
        .iter()
        .map(|seen| seen.header("authorization").to_owned())
        .collect();
    assert_eq!(
        probes,
        [
            "Bearer stale-gate",
            "Bearer good-gate",
            "Bearer stale-user:aoi",
            "Bearer good-user:aoi"
        ],
        "what is refused is sent again with another token, and sessions are apart"
    );
    let challenges = tokens.challenges.lock().unwrap();
    assert_eq!(challenges[0].scope.as_deref(), Some("read"));
}

#[tokio::test]
async fn a_shared_account_serves_all() {
    let fake = Fake::start(async |seen| guarded(&seen)).await;
    let upstream = upstream(&fake, AccountOf::Shared, &Arc::default());
    result(upstream.invoke(warrant("t", "{}"), outgoing("{}", "{}"))).await;
    let calls = fake.asked("tools/call");
    assert_eq!(calls[0].header("authorization"), "Bearer good-gate");
}

#[tokio::test]
async fn who_has_no_account_is_told_where_to_link_one() {
    let fake = Fake::start(async |seen| guarded(&seen)).await;
    let tokens = Arc::new(Tokens {
        empty: true,
        ..Tokens::default()
    });
    let upstream = upstream(&fake, AccountOf::Person, &tokens);
    for _ in 0..8 {
        let refused = done(upstream.invoke(warrant("t", "{}"), outgoing("{}", "{}"))).await;
        let Err(UpstreamError::AccountRequired { page, .. }) = refused else {
            panic!("an account is not asked for: {refused:?}");
        };
        assert_eq!(page.as_deref(), Some(PAGE));
    }
    assert!(fake.asked("tools/call").is_empty());
}

#[tokio::test]
async fn an_upstream_that_is_never_content_is_not_asked_for_ever() {
    let fake = Fake::start(async |_| refusing("Bearer")).await;
    let upstream = upstream(&fake, AccountOf::Shared, &Arc::default());
    let refused = done(upstream.invoke(warrant("t", "{}"), outgoing("{}", "{}"))).await;
    assert!(
        matches!(refused, Err(UpstreamError::Unavailable { .. })),
        "{refused:?}"
    );
    assert!(fake.seen().len() <= 9, "{}", fake.seen().len());
}
