//! Provisioning: SCIM 2.0.

use std::sync::Arc;

use axum::Router;

use crate::control::Control;

/// The routes of this area.
pub(crate) fn routes() -> Router<Arc<Control>> {
    Router::new()
}
