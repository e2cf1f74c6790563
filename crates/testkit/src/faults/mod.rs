//! placeholder
use crate::fixture::Era;
use axum::Router;
use std::path::Path;
/// x
pub fn router(_effects: Option<&Path>, _era: Era) -> Router {
    Router::new()
}
