//! The configuration file, for reading: what is set there, and where.

use std::sync::Arc;

use axum::extract::State;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::Problems;
use super::access::{Allowed, ViewSettings};
use crate::control::Control;
use crate::extract::Json;

/// What this node runs with.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Configuration)]
pub(crate) struct ConfigurationView {
    /// Name of the gate, for people to read.
    title: String,
    /// Where people and clients reach it.
    public_url: String,
    /// Its version.
    version: &'static str,
    /// The configuration file. Changed there, in force after a restart.
    file: String,
    /// Every setting in force, defaults as well, without secrets.
    settings: Vec<SettingView>,
}

/// One setting.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Setting)]
pub(crate) struct SettingView {
    /// Its section, such as `audit`.
    section: String,
    /// Its name there.
    name: String,
    /// Its value.
    #[schema(value_type = Object)]
    value: Value,
}

/// Show the configuration of this node
///
/// As it was read at the start. Secrets are named by where they are, or left out.
#[utoipa::path(
    get, path = "/api/v1/configuration", tag = "configuration", operation_id = "getConfiguration",
    responses((status = 200, body = ConfigurationView), Problems),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn get_configuration(
    _: Allowed<ViewSettings>,
    State(control): State<Arc<Control>>,
) -> Json<ConfigurationView> {
    let settings = &control.settings;
    let mut views = Vec::new();
    for (section, members) in &settings.configuration.sections {
        for (name, value) in members.as_object().into_iter().flatten() {
            views.push(SettingView {
                section: section.clone(),
                name: name.clone(),
                value: value.clone(),
            });
        }
    }
    Json(ConfigurationView {
        title: settings.title.clone(),
        public_url: settings.public_url.as_str().to_owned(),
        version: settings.version,
        file: settings.configuration.file.clone(),
        settings: views,
    })
}
