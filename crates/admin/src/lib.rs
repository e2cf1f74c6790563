//! The control plane over HTTP: pages for people, the authorization server, sign-in, provisioning, REST.
//!
//! Every area is a folder or file with `routes()`; [`router`] puts them together behind one guard
//! (`envelope`): host and origin, limits, security headers, correlation id, and problem details
//! (RFC 9457) for whatever goes wrong. Logic lives in `sekimori-identity`; what is here reads requests,
//! asks, writes the audit record, and answers.
//!
//! | area | what |
//! |---|---|
//! | `pages` | the frame of all pages: templates, both languages, style, forms |
//! | `oauth` | the authorization server's endpoints |
//! | `sign_in` | signing in and out, and what identity providers call |
//! | `approvals`, `approval_page` | deciding on calls that wait for people |
//! | `scim` | provisioning |
//! | `api` | the REST API and its OpenAPI document |
//! | `console` | the files of the console, which works on the REST API alone |
//!
//! # Adding a page
//! 1. A template in `pages/templates/`, extending `base.html`, and its line in `pages::TEMPLATES`.
//! 2. Its texts in `pages/messages/`, in both languages (the compiler insists).
//! 3. A handler that takes a [`Visit`] and returns `visit.show(&control, &Page::new("name.html"))`. A form
//!    carries `{{ csrf }}` in a hidden field, which the handler of its POST gives to
//!    [`Browser::check_csrf`] before anything else.

mod api;
mod approval_page;
mod approvals;
mod browser;
mod connectors;
mod console;
mod control;
mod cookie;
mod device_reports;
mod envelope;
#[allow(dead_code, reason = "one set for all areas, whoever uses which")]
mod extract;
mod inspection_desk;
mod language;
mod linked_account_page;
mod oauth;
mod pages;
mod policy_desk;
mod principals;
mod problem;
mod promotion_desk;
mod scim;
mod sign_in;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;

pub use api::events::Streams;
pub use api::{document, document_text};
pub use browser::Browser;
pub use connectors::connector_told;
pub use control::{Configuration, Control, Settings};
pub use inspection_desk::{
    Edition, ImpactLine, InspectionDesk, InspectionDeskError, InspectionImpact, NOT_TOLD,
    NewDictionary, REPLAYED_MAX,
};
pub use language::Language;
pub use pages::{Page, PageError, Pages, Visit};
pub use policy_desk::{DeskError, IMPACT_RECORDS_MAX, PolicyDesk, Version, VersionState};
pub use principals::{REVIEWED_MAX, all_principals, principal};
pub use problem::{Flaw, Problem};
pub use promotion_desk::{PromotionDesk, PromotionFault};

/// Largest body of a request to the control plane. Routes that need more say so themselves.
pub const BODY_BYTES_MAX: usize = 1024 * 1024;

/// Everything that the control plane serves, to be merged with the MCP face on one listener.
pub fn router(control: Arc<Control>) -> Router {
    let same_site = Router::new()
        .merge(pages::routes())
        .merge(oauth::routes())
        .merge(sign_in::routes())
        .merge(approval_page::routes())
        .merge(linked_account_page::routes())
        .merge(device_reports::routes())
        .merge(scim::routes())
        .merge(api::routes())
        .merge(console::routes())
        .method_not_allowed_fallback(envelope::wrong_method)
        .fallback(envelope::nothing_here)
        .layer(from_fn_with_state(
            Arc::clone(&control),
            envelope::check_origin,
        ));
    // Posted by pages of identity providers, so their origin cannot be ours; each proves itself otherwise.
    let cross_site = sign_in::cross_site_routes()
        .merge(oauth::open_routes())
        .method_not_allowed_fallback(envelope::wrong_method);
    same_site
        .merge(cross_site)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(from_fn_with_state(Arc::clone(&control), envelope::around))
        .with_state(control)
}
