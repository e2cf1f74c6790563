//! The wire format of MCP, shared by the face to the clients and the face to the upstreams.
//!
//! Pure: no I/O, no async, no clock. The gate is a relay, so nothing here decodes a message into a typed
//! model: [`envelope`] reads what JSON-RPC needs and leaves `params`, `result` and `error` as the bytes
//! that came; [`raw_object`] changes single members of them and keeps all others, in order. Start with
//! [`envelope`], then [`revision`] for what the five revisions have in common and what not.

pub mod envelope;
pub mod headers;
pub mod names;
pub mod raw_object;
pub mod revision;
pub mod sse;
pub mod tasks;
pub mod translate;
pub mod uris;
