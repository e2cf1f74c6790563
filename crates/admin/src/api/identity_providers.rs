//! Identity providers: whom the gate believes when a person signs in (AUTHN-1).

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use jiff::Timestamp;
use sekimori_domain::identity_provider::{IdentityProvider, SignInProtocol};
use sekimori_domain::ids::ProviderName;
use sekimori_domain::record::EventKind;
use sekimori_identity::sign_in::{Reason, check_provider};
use sekimori_store::{Expected, StoredProvider};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::Problems;
use super::access::{Allowed, ManageIdentityProviders, ViewIdentityProviders};
use super::identity_sources::awaiting;
use super::list::List;
use super::settings::first_unknown;
use super::version::{Seen, tagged};
use crate::control::Control;
use crate::extract::{Json, Path};
use crate::problem::Problem;

const WHAT: &str = "identity provider";

/// An identity provider.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct IdentityProviderView {
    /// Unique name; part of the addresses to register there.
    name: String,
    /// Name for people to read.
    title: String,
    /// `oidc` or `saml`.
    kind: &'static str,
    /// Whether people may sign in through it.
    enabled: bool,
    /// `configuration` or `added`. Only those that were added can be changed here.
    from: &'static str,
    /// That the settings do not count yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    awaiting: Option<AwaitingView>,
    /// What to register there: addresses on this gate, by what they are for.
    addresses: Map<String, Value>,
    /// All its settings, as in the configuration file. A secret that is kept here is left out.
    #[schema(value_type = Object)]
    settings: Value,
}

/// Settings that count only when an auditor confirms them.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = IdentityProviderAwaiting)]
pub(crate) struct AwaitingView {
    /// Who gave them.
    by: String,
    /// When.
    since: Timestamp,
    /// Whether those of before count meanwhile; otherwise nobody signs in through it.
    replaces: bool,
}

/// The settings of an identity provider, as one of `[[identity.providers]]` in the configuration file, without
/// its name. Secrets are best named by environment variable or file: `{"env": "…"}`, `{"file": "…"}`.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(value_type = Object)]
pub(crate) struct ProviderSettings(Map<String, Value>);

fn view(
    control: &Control,
    provider: &IdentityProvider,
    from: &'static str,
) -> IdentityProviderView {
    let gate = &control.settings.public_url;
    let kind = provider.protocol.kind();
    let base = format!("{gate}/sign-in/{kind}/{}", provider.name);
    let addresses = match &provider.protocol {
        SignInProtocol::Oidc(_) => json!({
            "redirect_uri": format!("{base}/callback"),
            "backchannel_logout_uri": format!("{base}/logout"),
            "post_logout_redirect_uri": format!("{gate}/signed-out"),
        }),
        SignInProtocol::Saml(_) => json!({
            "metadata": format!("{base}/metadata"),
            "assertion_consumer_service": format!("{base}/acs"),
        }),
    };
    IdentityProviderView {
        name: provider.name.to_string(),
        title: provider.shown_title().to_owned(),
        kind,
        enabled: provider.enabled,
        from,
        awaiting: None,
        addresses: members(addresses),
        settings: Value::Object(members(json!(provider.without_secret()))),
    }
}

/// One that was added.
pub(super) fn added_view(control: &Control, stored: &StoredProvider) -> IdentityProviderView {
    let awaiting = stored.awaiting.as_ref().map(|awaiting| AwaitingView {
        by: awaiting.by.clone(),
        since: awaiting.since,
        replaces: awaiting.before.is_some(),
    });
    IdentityProviderView {
        awaiting,
        ..view(control, &stored.provider, "added")
    }
}

fn members(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

/// All providers, by name. Those of the configuration go before others of the same name.
async fn all(control: &Control) -> Result<Vec<IdentityProviderView>, Problem> {
    let mut views: Vec<_> = control
        .sign_in
        .configured()
        .map(|provider| view(control, provider, "configuration"))
        .collect();
    for stored in control.store.identity_providers().list().await? {
        if views
            .iter()
            .all(|one| one.name != stored.provider.name.as_str())
        {
            views.push(added_view(control, &stored));
        }
    }
    views.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(views)
}

async fn find(control: &Control, name: &str) -> Result<Option<IdentityProviderView>, Problem> {
    Ok(all(control).await?.into_iter().find(|one| one.name == name))
}

/// List identity providers
#[utoipa::path(
    get, path = "/api/v1/identity-providers", tag = "identity providers",
    operation_id = "listIdentityProviders",
    responses((status = 200, body = List<IdentityProviderView>), Problems),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn list_providers(
    _: Allowed<ViewIdentityProviders>,
    State(control): State<Arc<Control>>,
) -> Result<Json<List<IdentityProviderView>>, Problem> {
    // Their number is bounded, so there is one page.
    Ok(Json(List {
        items: all(&control).await?,
        next_cursor: None,
    }))
}

/// Show an identity provider
#[utoipa::path(
    get, path = "/api/v1/identity-providers/{name}", tag = "identity providers",
    operation_id = "getIdentityProvider", params(("name" = String, Path, description = "Its name")),
    responses(
        (status = 200, body = IdentityProviderView, headers(("ETag" = String))),
        (status = 404, description = "There is none of that name"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn get_provider(
    _: Allowed<ViewIdentityProviders>,
    State(control): State<Arc<Control>>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let found = find(&control, &name).await?;
    tagged(
        StatusCode::OK,
        &found.ok_or_else(|| Problem::not_found(WHAT))?,
    )
}

/// Add or replace an identity provider
///
/// People can sign in through it at once, on every node, if who does it has all rights that it could give, or if it
/// lets nobody else in than before. Otherwise it awaits an auditor's confirmation, and what counted before counts on.
#[utoipa::path(
    put, path = "/api/v1/identity-providers/{name}", tag = "identity providers",
    operation_id = "putIdentityProvider", request_body = ProviderSettings,
    params(
        ("name" = String, Path, description = "Its name"),
        ("If-Match" = Option<String>, Header, description = "The ETag that was seen"),
    ),
    responses(
        (status = 200, body = IdentityProviderView, headers(("ETag" = String))),
        (status = 409, description = "It is in the configuration file, or there are too many"),
        (status = 412, description = "It was changed meanwhile"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn put_provider(
    allowed: Allowed<ManageIdentityProviders>,
    State(control): State<Arc<Control>>,
    Path(name): Path<String>,
    seen: Seen,
    Json(settings): Json<ProviderSettings>,
) -> Result<Response, Problem> {
    let provider = read(&control, &name, settings)?;
    let before = changeable(&control, &provider.name).await?;
    if let Some(before) = &before {
        seen.check(&added_view(&control, before))?;
    }
    check_secret(&control, &provider, before.as_ref())?;
    let awaiting = awaiting(
        &control,
        &allowed.someone.caller,
        &provider,
        before.as_ref(),
    );
    let details = [
        ("action", json!("put")),
        ("provider", json!(provider.name)),
        ("kind", json!(provider.protocol.kind())),
        ("enabled", json!(provider.enabled)),
        ("awaits_confirmation", json!(awaiting.is_some())),
    ];
    let deed = allowed
        .begin(&control, EventKind::IdentityProviderChange, details)
        .await?;
    let providers = control.store.identity_providers();
    // What counts meanwhile must be what was looked at.
    let expected = before.map_or(Expected::Absent, |before| {
        Expected::Revision(before.revision)
    });
    let put = providers.put(&provider, awaiting.as_ref(), expected).await;
    let stored = StoredProvider {
        revision: deed.end(put).await?,
        provider,
        awaiting,
    };
    tagged(StatusCode::OK, &added_view(&control, &stored))
}

/// Remove an identity provider
///
/// Nobody signs in through it any more; sessions that it vouched for go on until they end.
#[utoipa::path(
    delete, path = "/api/v1/identity-providers/{name}", tag = "identity providers",
    operation_id = "removeIdentityProvider",
    params(("name" = String, Path, description = "Its name")),
    responses(
        (status = 204, description = "It is removed"),
        (status = 404, description = "There is none of that name"),
        (status = 409, description = "It is in the configuration file"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn remove_provider(
    allowed: Allowed<ManageIdentityProviders>,
    State(control): State<Arc<Control>>,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    let unknown = || Problem::not_found(WHAT);
    let name = ProviderName::new(&name).map_err(|_| unknown())?;
    changeable(&control, &name).await?.ok_or_else(unknown)?;
    let details = [("action", json!("remove")), ("provider", json!(name))];
    let deed = allowed
        .begin(&control, EventKind::IdentityProviderChange, details)
        .await?;
    let removed = control.store.identity_providers().remove(&name).await?;
    deed.end(removed.then_some(()).ok_or_else(unknown)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What there is of that name, unless it is in the configuration file.
async fn changeable(
    control: &Control,
    name: &ProviderName,
) -> Result<Option<StoredProvider>, Problem> {
    let mut configured = control.sign_in.configured();
    if configured.any(|provider| provider.name == *name) {
        return Err(Problem::new(
            StatusCode::CONFLICT,
            "configured",
            "this identity provider is in the configuration file: change it there",
        ));
    }
    Ok(control.store.identity_providers().get(name).await?)
}

/// The client secret goes to whatever issuer is named, so only what the configuration file lets the API use may be
/// read for it. What is left as it was, by command perhaps, was agreed to then.
fn check_secret(
    control: &Control,
    provider: &IdentityProvider,
    before: Option<&StoredProvider>,
) -> Result<(), Problem> {
    let SignInProtocol::Oidc(settings) = &provider.protocol else {
        return Ok(());
    };
    let Some(secret) = &settings.client_secret else {
        return Ok(());
    };
    let as_before = |before: &StoredProvider| match &before.provider.protocol {
        SignInProtocol::Oidc(before) => {
            before.issuer == settings.issuer && before.client_secret == settings.client_secret
        }
        SignInProtocol::Saml(_) => false,
    };
    if before.is_some_and(as_before) {
        return Ok(());
    }
    let settings = &control.settings;
    settings
        .connectors
        .check_secret(secret)
        .map_err(|rule| Problem::invalid("settings/client_secret", rule))
}

fn read(
    control: &Control,
    name: &str,
    ProviderSettings(mut settings): ProviderSettings,
) -> Result<IdentityProvider, Problem> {
    settings.insert("name".to_owned(), json!(name));
    let settings = Value::Object(settings);
    let provider: IdentityProvider = serde_json::from_value(settings.clone())
        .map_err(|error| Problem::invalid("settings", error.to_string()))?;
    if let Some(unknown) = first_unknown(&settings, &json!(provider)) {
        return Err(Problem::invalid(unknown, "there is no such setting"));
    }
    check_provider(&control.settings.public_url, &provider)
        .map_err(|error| Problem::invalid("settings", error.to_string()))?;
    Ok(provider)
}

/// What came of trying an identity provider.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProviderCheckView {
    /// What was tried: `metadata`, `keys`, `secret`, `certificates` or `sign_on_address`.
    what: &'static str,
    /// Whether it is in order.
    fine: bool,
    /// What is wrong with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

/// Try an identity provider
///
/// Asks it what sign-ins will ask it, as far as that goes without a person: its metadata, its keys, and whether this
/// node can read the client secret. The rest shows when somebody signs in.
#[utoipa::path(
    post, path = "/api/v1/identity-providers/{name}/check", tag = "identity providers",
    operation_id = "checkIdentityProvider",
    params(("name" = String, Path, description = "Its name")),
    responses(
        (status = 200, body = List<ProviderCheckView>),
        (status = 404, description = "There is none of that name that is switched on"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn check_live(
    allowed: Allowed<ManageIdentityProviders>,
    State(control): State<Arc<Control>>,
    Path(name): Path<String>,
) -> Result<Json<List<ProviderCheckView>>, Problem> {
    let details = [("action", json!("check")), ("provider", json!(name))];
    let deed = allowed
        .begin(&control, EventKind::IdentityProviderChange, details)
        .await?;
    let checks = control.sign_in.check_live(&name).await;
    let checks = deed
        .end(checks.map_err(|failure| match failure.reason {
            Reason::UnknownProvider => Problem::not_found(WHAT),
            reason => Problem::failure("trying an identity provider", &reason),
        }))
        .await?;
    let items = checks.into_iter().map(|check| ProviderCheckView {
        what: check.what,
        fine: check.problem.is_none(),
        problem: check.problem,
    });
    Ok(Json(List {
        items: items.collect(),
        next_cursor: None,
    }))
}
