//! The REST API, `/api/v1/`: what the console, scripts and other systems look after the gate with.
//!
//! One file per area; a handler is one question to a store or to `sekimori-identity`, put into a form of its
//! own (`…View`), so that what is stored can change without the API. The OpenAPI document is made of the same
//! types ([`document`]); `openapi.json` beside the manifest is its committed copy.
//!
//! # Adding an operation
//! 1. A handler with `#[utoipa::path]`; its first argument is [`access::Allowed`] of the right it takes.
//! 2. If it changes something: [`access::Allowed::begin`] before, [`access::Deed::end`] after.
//! 3. Its name in `routes!` below. Then regenerate the document: its test says how.
//!
//! The tests walk the document: every operation must turn away strangers and other roles, and every change
//! must leave an audit record.

#![allow(
    unused_qualifications,
    reason = "what utoipa generates of the parameters names their types twice"
)]

pub(crate) mod access;
mod alerts;
mod approval_view;
mod approvals;
mod audit_evidence;
mod audit_exports;
mod audit_records;
mod catalog;
mod clients;
mod configuration;
pub(crate) mod connectors;
mod conversations;
mod devices;
mod dictionaries;
pub(crate) mod events;
mod false_alarms;
mod grants;
mod identity_providers;
mod identity_sources;
mod inspection;
mod kill_switches;
mod limits;
mod linked_accounts;
mod list;
mod me;
mod overview;
mod people;
mod policies;
mod policy_reports;
mod policy_versions;
mod promotions;
mod rehearsals;
mod retention;
mod reviews;
mod revoke;
mod roles;
mod saved_searches;
mod scim_tokens;
mod service_accounts;
mod sessions;
mod settings;
mod version;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::response::IntoResponse;
use axum::routing::get;
use http::header::CONTENT_TYPE;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder};
use utoipa::{Modify, OpenApi as _};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::control::Control;
use crate::problem;

/// Where the document is served.
const DOCUMENT_PATH: &str = "/api/v1/openapi.json";

/// Answers of every operation, beside its own.
#[derive(utoipa::IntoResponses)]
#[allow(dead_code, reason = "describes answers that are made elsewhere")]
pub(crate) enum Problems {
    /// The request is malformed.
    #[response(status = 400, content_type = "application/problem+json")]
    Malformed(problem::Body<'static>),
    /// No credential, or one that is not accepted.
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthenticated(problem::Body<'static>),
    /// The caller may not do this.
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(problem::Body<'static>),
    /// What the request says breaks a rule.
    #[response(status = 422, content_type = "application/problem+json")]
    Invalid(problem::Body<'static>),
    /// The gate, its database or its journal cannot do it now.
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(problem::Body<'static>),
}

/// What the document says beside the operations.
#[derive(utoipa::OpenApi)]
#[openapi(
    tags(
        (name = "me", description = "Who is asking"),
        (name = "people", description = "People and groups, as the identity provider tells of them"),
        (name = "sessions", description = "Sessions of people in browsers"),
        (name = "identity providers", description = "Whom the gate believes when a person signs in"),
        (name = "clients", description = "The AI clients that people connect with"),
        (name = "approvals", description = "Calls that wait until people agree, and deciding on them"),
        (name = "grants", description = "What people allowed AI clients to do for them"),
        (name = "scim tokens", description = "Credentials with which identity providers provision people"),
        (name = "inspection", description = "Rules of content inspection, and what conversations have read"),
        (name = "overview", description = "How the gate is doing"),
        (name = "catalog", description = "Connectors, their tools, and what was decided about them"),
        (name = "policies", description = "The company's policies, and why they decide as they do"),
        (name = "audit", description = "What happened"),
        (name = "events", description = "What changes, as it changes"),
        (name = "kill switches", description = "Stopping something at once, everywhere"),
        (name = "limits", description = "How much of what somebody may have"),
        (name = "service accounts", description = "Non-human accounts: owner, purpose, end, keys"),
        (name = "roles", description = "Who may do what, as data"),
        (name = "guard rails", description = "What stands above all policies"),
        (name = "configuration", description = "The configuration file, for reading"),
        (name = "access reviews", description = "Who can do what"),
    ),
    components(schemas(problem::Body<'static>, problem::Flaw)),
    modifiers(&Credentials),
)]
struct Frame;

/// How callers prove who they are.
struct Credentials;

impl Modify for Credentials {
    fn modify(&self, document: &mut OpenApi) {
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some(
                "A service-account key (smk_…) or a local administrator's token (sma_…)",
            ))
            .build();
        let session = ApiKey::Cookie(ApiKeyValue::with_description(
            "__Host-sekimori",
            "The session of a browser. Changes also need the header X-Sekimori-CSRF (see /api/v1/me)",
        ));
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
        components.add_security_scheme("session", SecurityScheme::ApiKey(session));
    }
}

/// The operations, with their part of the document.
fn operations() -> OpenApiRouter<Arc<Control>> {
    OpenApiRouter::with_openapi(Frame::openapi())
        .merge(of_identity())
        .merge(of_approval_and_inspection())
        .merge(of_catalog_and_audit())
        .merge(of_policy())
}

/// Who may come in: people, clients, service accounts and what they hold.
fn of_identity() -> OpenApiRouter<Arc<Control>> {
    OpenApiRouter::new()
        .routes(routes!(me::who_am_i))
        .routes(routes!(me::list_own_sessions))
        .routes(routes!(me::revoke_own_session))
        .routes(routes!(me::list_own_grants))
        .routes(routes!(me::revoke_own_grant))
        .routes(routes!(identity_providers::list_providers))
        .routes(routes!(
            identity_providers::get_provider,
            identity_providers::put_provider,
            identity_providers::remove_provider
        ))
        .routes(routes!(identity_providers::check_live))
        .routes(routes!(identity_sources::confirm_provider))
        .routes(routes!(people::list_users))
        .routes(routes!(people::get_user))
        .routes(routes!(people::deactivate_user))
        .routes(routes!(people::activate_user))
        .routes(routes!(people::end_access_of_user))
        .routes(routes!(devices::list_devices))
        .routes(routes!(people::list_groups))
        .routes(routes!(people::get_group))
        .routes(routes!(people::list_members))
        .routes(routes!(sessions::list_of_user))
        .routes(routes!(sessions::get_session, sessions::revoke_session))
        .routes(routes!(clients::list_clients, clients::create_client))
        .routes(routes!(clients::get_client))
        .routes(routes!(clients::approve))
        .routes(routes!(clients::deny))
        .routes(routes!(grants::list_grants))
        .routes(routes!(grants::get_grant, grants::revoke_grant))
        .routes(routes!(scim_tokens::list_tokens, scim_tokens::create_token))
        .routes(routes!(scim_tokens::revoke_token))
        .routes(routes!(identity_sources::confirm_token))
        .routes(routes!(
            service_accounts::list_accounts,
            service_accounts::create_account
        ))
        .routes(routes!(service_accounts::get_account))
        .routes(routes!(service_accounts::suspend_account))
        .routes(routes!(service_accounts::resume_account))
        .routes(routes!(
            service_accounts::list_keys,
            service_accounts::create_key
        ))
        .routes(routes!(service_accounts::revoke_key))
}

/// What waits for a person, and what may pass.
fn of_approval_and_inspection() -> OpenApiRouter<Arc<Control>> {
    OpenApiRouter::new()
        .routes(routes!(approvals::list_requests))
        .routes(routes!(approvals::get_request))
        .routes(routes!(approvals::approve))
        .routes(routes!(approvals::refuse))
        .routes(routes!(approvals::edit))
        .routes(routes!(approvals::delegate))
        .routes(routes!(approvals::cancel))
        .routes(routes!(approvals::list_notices))
        .routes(routes!(approvals::retry_notice))
        .routes(routes!(approvals::list_substitutes))
        .routes(routes!(
            approvals::name_substitute,
            approvals::end_substitute
        ))
        .routes(routes!(inspection::list_rules, inspection::save_rules))
        .routes(routes!(inspection::get_rules))
        .routes(routes!(inspection::activate_rules))
        .routes(routes!(inspection::impact))
        .routes(routes!(inspection::inspect))
        .merge(
            OpenApiRouter::new()
                .routes(routes!(dictionaries::put, dictionaries::remove))
                .layer(DefaultBodyLimit::max(dictionaries::UPLOAD_BYTES_MAX)),
        )
        .routes(routes!(dictionaries::list))
        .routes(routes!(false_alarms::list_own, false_alarms::report))
        .routes(routes!(false_alarms::list))
        .routes(routes!(false_alarms::get))
        .routes(routes!(false_alarms::accept))
        .routes(routes!(false_alarms::reject))
        .routes(routes!(conversations::list_conversations))
        .routes(routes!(
            conversations::get_conversation,
            conversations::declassify
        ))
}

/// What there is to call, and what was called.
fn of_catalog_and_audit() -> OpenApiRouter<Arc<Control>> {
    OpenApiRouter::new()
        .routes(routes!(overview::get_overview))
        .routes(routes!(configuration::get_configuration))
        .routes(routes!(connectors::list_connectors))
        .routes(routes!(
            connectors::get_connector,
            connectors::put_connector,
            connectors::remove_connector
        ))
        .routes(routes!(connectors::refresh_connector))
        .routes(routes!(connectors::list_connector_templates))
        .routes(routes!(linked_accounts::list_accounts))
        .routes(routes!(linked_accounts::unlink_account))
        .routes(routes!(catalog::list_tools))
        .routes(routes!(catalog::get_tool))
        .routes(routes!(catalog::review_tool))
        .routes(routes!(rehearsals::rehearse_call))
        .routes(routes!(audit_records::list_records))
        .routes(routes!(audit_records::get_record))
        .routes(routes!(audit_records::count_facets))
        .routes(routes!(saved_searches::list, saved_searches::save))
        .routes(routes!(
            saved_searches::get,
            saved_searches::change,
            saved_searches::remove
        ))
        .routes(routes!(audit_evidence::get_story))
        .routes(routes!(audit_evidence::get_report))
        .routes(routes!(audit_exports::measure_export))
        .routes(routes!(audit_exports::export_records))
        .routes(routes!(audit_exports::export_part))
        .routes(routes!(audit_evidence::get_checkpoint))
        .routes(routes!(audit_evidence::list_sinks))
        .routes(routes!(promotions::list, promotions::propose))
        .routes(routes!(promotions::get))
        .routes(routes!(promotions::agree))
        .routes(routes!(promotions::refuse))
        .routes(routes!(promotions::promote))
        .routes(routes!(retention::get_retention))
        .routes(routes!(retention::list_orders, retention::propose))
        .routes(routes!(retention::get_order))
        .routes(routes!(retention::agree))
        .routes(routes!(retention::refuse))
        .routes(routes!(retention::release))
        .routes(routes!(retention::certificate))
        .routes(routes!(alerts::list_alerts))
        .routes(routes!(alerts::acknowledge))
        .routes(routes!(events::follow))
}

/// What is allowed, what stops, and how much of it.
fn of_policy() -> OpenApiRouter<Arc<Control>> {
    OpenApiRouter::new()
        .routes(routes!(policies::list_policies))
        .routes(routes!(policies::get_policies))
        .routes(routes!(policies::explain))
        .routes(routes!(policy_versions::draft))
        .routes(routes!(policy_versions::check_unsaved))
        .routes(routes!(policy_versions::steps))
        .routes(routes!(policy_versions::run_tests))
        .routes(routes!(policy_versions::impact))
        .routes(routes!(policy_versions::approve))
        .routes(routes!(policy_versions::reject))
        .routes(routes!(
            policy_versions::try_out,
            policy_versions::end_trial
        ))
        .routes(routes!(policy_versions::activate))
        .routes(routes!(policy_versions::roll_back))
        .routes(routes!(policy_versions::explain_call))
        .routes(routes!(roles::list_roles))
        .routes(routes!(roles::list_templates))
        .routes(routes!(
            roles::get_role,
            roles::put_role,
            roles::remove_role
        ))
        .routes(routes!(roles::get_guard_rails, roles::put_guard_rails))
        .routes(routes!(reviews::get_constraints, reviews::put_constraints))
        .routes(routes!(reviews::who_can))
        .routes(routes!(reviews::what_can))
        .routes(routes!(
            kill_switches::list_kill_switches,
            kill_switches::engage_kill_switch
        ))
        .routes(routes!(kill_switches::drill_kill_switch))
        .routes(routes!(kill_switches::get_kill_switch))
        .routes(routes!(kill_switches::release_kill_switch))
        .routes(routes!(limits::list_limits))
        .routes(routes!(
            limits::get_limit,
            limits::set_limit,
            limits::remove_limit
        ))
}

/// The OpenAPI document of the API.
pub fn document() -> OpenApi {
    let (_, described) = operations().split_for_parts();
    let info = InfoBuilder::new()
        .title("Sekimori")
        .version("1")
        .description(Some(
            "Looking after the gate. Lists are read page by page (`limit`, `cursor`); errors are problem \
             details (RFC 9457) with a stable `code`; answers about one thing carry an `ETag`, and changes \
             to it take `If-Match`. Every change is in the audit journal before it is answered.",
        ))
        .license(Some(
            LicenseBuilder::new()
                .name("Apache-2.0")
                .identifier(Some("Apache-2.0"))
                .build(),
        ))
        .build();
    OpenApiBuilder::from(described).info(info).build()
}

/// The document as it is served and committed.
pub fn document_text() -> Result<String, serde_json::Error> {
    let mut text = serde_json::to_string_pretty(&document())?;
    text.push('\n');
    Ok(text)
}

/// The routes of this area.
pub(crate) fn routes() -> Router<Arc<Control>> {
    let (router, _) = operations().split_for_parts();
    router.route(DOCUMENT_PATH, get(serve_document))
}

/// The document is the same for everybody and tells nothing about this installation.
async fn serve_document() -> impl IntoResponse {
    match document_text() {
        Ok(text) => ([(CONTENT_TYPE, "application/json")], text).into_response(),
        Err(error) => problem::Problem::failure("the OpenAPI document", &error).into_response(),
    }
}
