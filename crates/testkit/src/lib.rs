//! For tests: the conformance fixture, faulty upstreams, a token issuer, raw clients, running programs.
//!
//! Nothing here knows the gateway: every tool speaks MCP, OAuth or plain HTTP, so that the gateway is
//! tested from the outside. The pieces:
//!
//! * [`fixture`]: a complete MCP server in both eras, which offers what the conformance suite asks for.
//! * [`faults`]: an MCP server written without any MCP library, which answers wrongly on purpose or
//!   returns bytes that no typed model would preserve.
//! * [`counterpart`]: the official clients and servers of others, as child processes.
//! * [`process`]: starts those servers, or any other program, as a child process and stops it again.
//! * [`browser`]: a browser without scripts, for pages and redirects.
//! * [`client`]: an MCP client that sends and receives raw JSON.
//! * [`issuer`]: an OAuth issuer with keys made at start, which also forges bad tokens.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "test tools: a broken one should stop the test loudly"
)]

pub mod browser;
pub mod client;
pub mod counterpart;
pub mod faults;
pub mod fixture;
pub mod issuer;
pub mod process;
