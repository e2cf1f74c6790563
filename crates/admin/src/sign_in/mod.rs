//! Signing in and out.

use std::sync::Arc;

use axum::Router;

use crate::control::Control;

/// The routes of this area.
pub(crate) fn routes() -> Router<Arc<Control>> {
    Router::new()
}

/// Routes that pages of identity providers post to: they come with another origin than ours, and are not
/// guarded by it. Each must prove by itself that the request is wanted.
pub(crate) fn cross_site_routes() -> Router<Arc<Control>> {
    Router::new()
}
