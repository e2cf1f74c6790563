//! Linking accounts at upstreams: the page to which refused calls lead, and the way to the upstream's authorization
//! server and back. It works without script.
//!
//! | address | what |
//! |---|---|
//! | `/linked-accounts/at/{connector}` | one's account there, and for administrators the gate's |
//! | `/linked-accounts/callback` | back from an authorization server |
//! | `/linked-accounts/client.json` | what the gate publishes of itself as a client |

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use http::{StatusCode, Uri};
use sekimori_domain::connector::{AccountOf, Connector};
use sekimori_domain::ids::{ConnectorName, PrincipalId};
use sekimori_domain::linked_account::LinkedAccount;
use sekimori_domain::record::EventKind;
use sekimori_identity::linked_accounts::{LinkAnswer, LinkError};
use sekimori_identity::sign_in::{ReturnTo, SignedIn};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::access::{ManageCatalog, Someone, ViewCatalog};
use crate::api::connectors::find_connector;
use crate::control::Control;
use crate::extract::{Form, Json, Path, Query};
use crate::pages::Page;
use crate::problem::Problem;
use crate::sign_in::Guest;

/// The routes of this area.
pub(crate) fn routes() -> Router<Arc<Control>> {
    Router::new()
        .route("/linked-accounts/at/{connector}", get(show).post(change))
        .route("/linked-accounts/callback", get(callback))
        .route("/linked-accounts/client.json", get(document))
}

/// What the gate publishes of itself as a client.
async fn document(State(control): State<Arc<Control>>) -> Json<Value> {
    Json(control.linked_accounts.client_document())
}

/// Whose account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Whose {
    Own,
    Gate,
}

impl Whose {
    fn owner(self, signed_in: &SignedIn) -> Option<&PrincipalId> {
        (self == Self::Own).then_some(&signed_in.user)
    }
}

/// Ends an account, whoever asked for it: sessions with it end too.
pub(crate) async fn unlink(
    control: &Control,
    connector: &ConnectorName,
    owner: Option<&PrincipalId>,
) -> Result<(), Problem> {
    if !control.linked_accounts.unlink(connector, owner).await? {
        return Err(Problem::not_found("linked account"));
    }
    let entry = control.catalog.entries().get(connector).cloned();
    if let (Some(entry), Some(owner)) = (entry, owner) {
        entry.upstream.forget_person(owner);
    }
    Ok(())
}

/// Whose an account is, in records.
pub(crate) fn told(owner: Option<&PrincipalId>) -> Value {
    json!(owner.map_or("gate", PrincipalId::as_str))
}

fn to_sign_in(control: &Control, guest: &Guest, connector: &ConnectorName) -> Response {
    let to = ReturnTo::LinkedAccount(connector.clone()).handle();
    guest.redirect(control, &format!("/sign-in?txn={to}"), None)
}

/// A connector at which accounts are linked by persons.
async fn find(control: &Control, name: &str) -> Result<Connector, Problem> {
    let connector = find_connector(control, name).await?;
    match &connector.oauth {
        Some(oauth) if oauth.account != AccountOf::Gate => Ok(connector),
        _ => Err(Problem::not_found("connector")),
    }
}

/// Shows the account, to whoever is signed in.
async fn show(
    State(control): State<Arc<Control>>,
    guest: Guest,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let connector = find(&control, &name).await?;
    let Some(signed_in) = guest.signed_in(&control).await? else {
        return Ok(to_sign_in(&control, &guest, &connector.name));
    };
    let page = page(&control, &guest, &signed_in, &connector, None).await?;
    Ok(guest.show(&control, &page))
}

async fn page(
    control: &Control,
    guest: &Guest,
    signed_in: &SignedIn,
    connector: &Connector,
    failure: Option<&LinkError>,
) -> Result<Page, Problem> {
    let accounts = control.store.linked_accounts();
    let someone = Someone::in_browser(control, guest, signed_in).await?;
    let mut shown = Vec::new();
    if connector.asks_persons() {
        let own = accounts.get(&connector.name, Some(&signed_in.user)).await?;
        shown.push(view("own", own.map(|stored| stored.account).as_ref()));
    }
    if someone.with_right::<ViewCatalog>(control).is_ok() {
        let gate = accounts.get(&connector.name, None).await?;
        shown.push(view("gate", gate.map(|stored| stored.account).as_ref()));
    }
    Ok(Page::new("linked_account.html")
        .status(failure.map_or(StatusCode::OK, |_| StatusCode::BAD_GATEWAY))
        .with("connector", connector.name.as_str())
        .with("title", &connector.title)
        .with("host", connector.url().and_then(host))
        .with("accounts", shown)
        .with("failure", failure.map(ToString::to_string)))
}

fn host(url: &str) -> Option<String> {
    url.parse::<Uri>()
        .ok()
        .and_then(|uri| uri.authority().map(ToString::to_string))
}

fn view(whose: &'static str, account: Option<&LinkedAccount>) -> Value {
    json!({
        "whose": whose,
        "linked": account.is_some(),
        "issuer": account.map(|account| &account.issuer),
        "scopes": account.map(|account| account.scopes.join(" ")),
        "problem": account.and_then(|account| account.problem.as_ref()),
        "since": account.map(|account| account.linked_at.strftime("%Y-%m-%d %H:%M UTC").to_string()),
    })
}

/// What is to be done with which account.
#[derive(Debug, Deserialize)]
struct Change {
    csrf: String,
    whose: Whose,
    action: Action,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Action {
    Link,
    Unlink,
}

/// Begins to link an account, or unlinks it.
async fn change(
    State(control): State<Arc<Control>>,
    guest: Guest,
    Path(name): Path<String>,
    Form(form): Form<Change>,
) -> Result<Response, Problem> {
    guest.check_form(&form.csrf)?;
    let connector = find(&control, &name).await?;
    let Some(signed_in) = guest.signed_in(&control).await? else {
        return Ok(to_sign_in(&control, &guest, &connector.name));
    };
    let someone = Someone::in_browser(&control, &guest, &signed_in).await?;
    let owner = form.whose.owner(&signed_in);
    if form.whose == Whose::Gate
        && let Err(refusal) = someone.with_right::<ManageCatalog>(&control)
    {
        // Who may look after connectors does so with a second factor.
        if someone.with_right::<ViewCatalog>(&control).is_ok() && !signed_in.mfa {
            let to = ReturnTo::LinkedAccount(connector.name);
            return Ok(guest.to_step_up(&control, &to));
        }
        return Err(refusal.into());
    }
    if form.action == Action::Unlink {
        let details = [
            ("action", json!("unlink")),
            ("connector", json!(connector.name)),
            ("account", told(owner)),
        ];
        let event = EventKind::ConnectorAccount;
        let deed = someone.begin(&control, event, details).await?;
        deed.end(unlink(&control, &connector.name, owner).await)
            .await?;
        let page = page(&control, &guest, &signed_in, &connector, None).await?;
        return Ok(guest.show(&control, &page));
    }
    if let Err(failure) = control.sign_in.count_begun(&guest.browser) {
        return guest.failed(&control, &failure).await;
    }
    let accounts = &control.linked_accounts;
    let begun = accounts.begin(&connector, owner, &signed_in.user, &guest.browser);
    let page = match begun.await {
        Ok(address) => Page::new("linked_account_go.html")
            .with("title", &connector.title)
            .with("host", host(&address))
            .with("address", address),
        Err(error) => page(&control, &guest, &signed_in, &connector, Some(&error)).await?,
    };
    Ok(guest.show(&control, &page))
}

/// What an authorization server sends along.
#[derive(Debug, Deserialize)]
struct Back {
    #[serde(default)]
    state: String,
    code: Option<String>,
    iss: Option<String>,
    error: Option<String>,
}

/// Back from an authorization server.
async fn callback(
    State(control): State<Arc<Control>>,
    guest: Guest,
    Query(back): Query<Back>,
) -> Result<Response, Problem> {
    let Some(signed_in) = guest.signed_in(&control).await? else {
        return Ok(guest.redirect(&control, "/sign-in", None));
    };
    let someone = Someone::in_browser(&control, &guest, &signed_in).await?;
    let details = [("action", json!("link"))];
    let event = EventKind::ConnectorAccount;
    let deed = someone.begin(&control, event, details).await?;
    let answer = LinkAnswer {
        state: back.state,
        code: back.code,
        issuer: back.iss,
        error: back.error,
    };
    let accounts = &control.linked_accounts;
    let finished = accounts
        .finish(&guest.browser, &signed_in.user, &answer)
        .await;
    let linked = match finished {
        Ok(linked) => linked,
        Err(error) => {
            let page = Page::new("linked_account_failed.html")
                .status(StatusCode::BAD_REQUEST)
                .with("failure", error.to_string());
            // Recorded as refused; the person gets a page of their own.
            let _problem = deed.end(Err::<(), _>(Problem::from(error))).await;
            return Ok(guest.show(&control, &page));
        }
    };
    deed.detail("connector", json!(linked.connector));
    deed.detail("account", told(linked.owner.as_ref()));
    deed.detail("issuer", json!(linked.issuer));
    deed.detail("scopes", json!(linked.scopes));
    deed.end(Ok::<_, Problem>(())).await?;
    let entry = control.catalog.entries().get(&linked.connector).cloned();
    match (entry, &linked.owner) {
        (Some(entry), Some(owner)) => entry.upstream.forget_person(owner),
        // What it offers can be known only now.
        (Some(entry), None) => {
            let catalog = Arc::clone(&control.catalog);
            tokio::spawn(async move { catalog.relist(&entry).await });
        }
        (None, _) => {}
    }
    let place = ReturnTo::LinkedAccount(linked.connector).path();
    Ok(guest.redirect(&control, &place, None))
}

impl From<LinkError> for Problem {
    fn from(error: LinkError) -> Self {
        Self::bad_request(error.to_string())
    }
}
