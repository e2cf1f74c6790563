//! Signing in and out, proving a second factor, and seeing what one is connected to.
//!
//! | address | what |
//! |---|---|
//! | `/sign-in` | choose a provider, or step up (`assurance=mfa`); `txn` is an authorization under way |
//! | `/sign-in/start/{provider}` | to the provider |
//! | `/sign-in/oidc/{provider}/callback`, `…/logout` | back from an OpenID provider; its back-channel |
//! | `/sign-in/saml/{provider}/metadata`, `…/acs`, `…/finish` | the same with a SAML provider |
//! | `/sign-in/local` | local people: sign-in key and one-time code |
//! | `/sign-in/passkey` | passkeys, the one thing that needs a script |
//! | `/setup` | the first start |
//! | `/account` | passkeys and one-time codes of one's own |
//! | `/connections` | sessions and connected clients of one's own |
//! | `/sign-out` | signing out |

mod account;
mod connections;
mod guest;
mod local;
mod passkey;
mod providers;
mod record;
mod setup;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

pub(crate) use guest::Guest;

use crate::control::Control;

/// The routes of this area.
pub(crate) fn routes() -> Router<Arc<Control>> {
    Router::new()
        .route("/sign-in", get(providers::choose))
        .route("/sign-in/start/{provider}", get(providers::start))
        .route(
            "/sign-in/oidc/{provider}/callback",
            get(providers::oidc_callback),
        )
        .route(
            "/sign-in/saml/{provider}/metadata",
            get(providers::saml_metadata),
        )
        .route(
            "/sign-in/saml/{provider}/finish",
            get(providers::saml_finish),
        )
        .route("/sign-in/local", get(local::show).post(local::sign_in))
        .route("/sign-in/step-up", post(local::step_up))
        .route("/sign-in/passkey/options", post(passkey::options))
        .route("/sign-in/passkey", post(passkey::finish))
        .route("/account", get(account::show))
        .route("/account/totp", post(account::begin_totp))
        .route("/account/totp/confirm", post(account::finish_totp))
        .route("/account/passkey/options", post(account::passkey_options))
        .route("/account/passkey", post(account::finish_passkey))
        .route("/account/remove", post(account::remove))
        .route("/connections", get(connections::show))
        .route("/connections/session", post(connections::end_session))
        .route("/connections/grant", post(connections::revoke_grant))
        .route("/setup", get(setup::show).post(setup::set_up))
        .route("/sign-out", post(connections::sign_out))
        .route("/signed-out", get(connections::signed_out))
        .route("/assets/passkey.js", get(passkey::script))
}

/// Routes that pages of identity providers post to: they come with another origin than ours, and are not
/// guarded by it. Each must prove by itself that the request is wanted: an answer by its relay state, which
/// is single-use, and its signatures; a logout token by its signature.
pub(crate) fn cross_site_routes() -> Router<Arc<Control>> {
    Router::new()
        .route("/sign-in/saml/{provider}/acs", post(providers::saml_acs))
        .route(
            "/sign-in/oidc/{provider}/logout",
            post(providers::provider_logout),
        )
}
