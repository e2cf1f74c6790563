//! The MCP face, from outside.

mod aggregate;
mod approval;
mod http;
mod legacy;
mod modern;
mod records;
mod revocation;
mod stdio;
mod tasks;
