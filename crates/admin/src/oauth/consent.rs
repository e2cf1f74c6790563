//! The pages that ask and that say what is wrong.

use http::StatusCode;
use sekimori_domain::oauth::ClientKind;
use sekimori_identity::authorization_server::{ConsentView, PageFault};

use crate::pages::Page;

/// The consent page: who asks, for what, and where the person will be sent.
pub(super) fn page(view: &ConsentView) -> Page {
    // The words for a scope; one without words is shown as it is.
    let has = |scope: &str| view.scopes.iter().any(|one| one == scope);
    let widest = ["mcp:admin", "mcp:write", "mcp:read"]
        .into_iter()
        .find(|scope| has(scope))
        .map_or("read", |scope| scope.trim_start_matches("mcp:"));
    let host = match view.client_kind {
        ClientKind::MetadataDocument => view
            .client
            .as_str()
            .trim_start_matches("https://")
            .split('/')
            .next()
            .unwrap_or_default(),
        _ => "",
    };
    Page::new("consent.html")
        .with("txn", &view.txn)
        .with("client_name", &view.client_name)
        .with("client_id", view.client.as_str())
        .with("client_host", host)
        .with("verified", view.verified)
        .with("redirect_host", &view.redirect_host)
        .with("local_only", view.local_only)
        .with("resource", &view.resource)
        .with(
            "connector",
            view.connector.as_ref().map_or("", |name| name.as_str()),
        )
        .with("widest", widest)
        .with("mfa", has("assurance:mfa"))
        .with("user_name", &view.user_name)
        .with("may_remember", view.may_remember)
        .form_may_lead_to(&view.form_target)
}

/// What is wrong, told to the person because there is no client to be told.
pub(super) fn fault_page(fault: &PageFault) -> Page {
    let (code, description) = match fault {
        PageFault::Refused { code, description } => (code.as_str(), description.as_ref()),
        _ => ("", ""),
    };
    let status = StatusCode::from_u16(fault.status()).unwrap_or(StatusCode::BAD_REQUEST);
    Page::new("authorize_failed.html")
        .status(status)
        .with("fault", fault.code())
        .with("code", code)
        .with("description", description)
}
