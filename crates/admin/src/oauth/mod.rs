//! The authorization server's endpoints: what clients read and post, and what people are asked.
//!
//! | address | what | who |
//! |---|---|---|
//! | `/.well-known/oauth-authorization-server`, `/.well-known/openid-configuration` | metadata | clients |
//! | `/jwks` | public signing keys | resource servers |
//! | `/authorize`, `/authorize/resume`, `/authorize/consent` | a client's request, and the person's answer | browsers |
//! | `/step-up` | a second factor for what a client was granted | browsers |
//! | `/token`, `/revoke`, `/register` | tokens, their end, clients that register themselves | clients |
//!
//! What clients call is open to pages of any origin: it takes no cookie, and whoever calls proves itself in
//! the body. What browsers call is bound to the browser's cookie and to our own origin.

mod authorize;
mod consent;
mod endpoints;
mod record;
mod step_up;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};
use sekimori_identity::authorization_server::AuthorizationServer;

use crate::control::Control;
use crate::problem::Problem;

/// Largest form or document that a client sends.
const CLIENT_BODY_BYTES_MAX: usize = 64 * 1024;

/// The routes that browsers visit.
pub(crate) fn routes() -> Router<Arc<Control>> {
    Router::new()
        .route("/authorize", get(authorize::begin))
        .route("/authorize/resume", get(authorize::resume))
        .route("/authorize/consent", post(authorize::decide))
        .route("/step-up", get(step_up::show).post(step_up::confirm))
}

/// The routes that clients call, from wherever they are.
pub(crate) fn open_routes() -> Router<Arc<Control>> {
    let metadata = || get(endpoints::metadata).options(endpoints::preflight);
    Router::new()
        .route("/.well-known/oauth-authorization-server", metadata())
        .route("/.well-known/openid-configuration", metadata())
        .route("/jwks", get(endpoints::jwks).options(endpoints::preflight))
        .route(
            "/token",
            post(endpoints::token).options(endpoints::preflight),
        )
        .route(
            "/revoke",
            post(endpoints::revoke).options(endpoints::preflight),
        )
        .route(
            "/register",
            post(endpoints::register).options(endpoints::preflight),
        )
        .layer(axum::extract::DefaultBodyLimit::max(CLIENT_BODY_BYTES_MAX))
        .layer(axum::middleware::map_response(endpoints::open_to_all))
}

/// The authorization server, where there is one.
fn server(control: &Control) -> Result<&AuthorizationServer, Problem> {
    control
        .authorization_server
        .as_deref()
        .ok_or_else(|| Problem::not_found("authorization server"))
}
