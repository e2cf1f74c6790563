//! Upstreams of both eras on every transport, played by small fakes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::too_many_lines,
    reason = "test code"
)]

mod authorized;
mod egress;
mod hostile;
mod legacy_http;
mod modern_http;
mod notices;
mod sse;
mod stdio;
mod support;
