//! `/`: what this is, and how to connect.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use super::{Page, Visit};
use crate::control::Control;

/// Shows the page.
pub(super) async fn show(State(control): State<Arc<Control>>, visit: Visit) -> Response {
    let mcp = control.settings.public_url.aggregate();
    visit.show(
        &control,
        &Page::new("landing.html").with("mcp", mcp.as_str()),
    )
}
