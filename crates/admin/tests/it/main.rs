//! The control plane over its router, with a real store and journal behind it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    reason = "test code"
)]

mod api;
mod approvals;
mod authenticator;
mod browser_api;
mod connectors;
mod devices;
mod examples;
mod harness;
mod identity_sources;
mod inspection;
mod local_sign_in;
mod lookouts;
mod oauth;
mod oidc;
mod openapi;
mod pages;
mod policies;
mod promotions;
mod saml;
mod saved_searches;
mod scim;
mod simplesamlphp;
mod world;
