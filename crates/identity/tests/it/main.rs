//! Who gets in and who does not: real signed tokens, a real issuer over HTTP, and stores that can fail.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

mod access_tokens;
mod accounts;
mod authorization_server;
mod clock;
mod countries;
mod devices;
mod ending;
mod gate;
mod issuer;
mod key_rotation;
mod linked_accounts;
mod local;
mod openid;
mod own;
mod own_tokens;
mod revocations;
mod scim;
mod scopes;
mod sessions;
mod stores;
